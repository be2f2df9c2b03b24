"""Settings: every mistake at once with its place and hint, includes, environment, the schema for
editors, and starts that fail. What reloads do to connections is test_reload.py's."""

import json
import os
import re
import signal
import socket
import tempfile

import pytest

from lib import BINARY, TOP, binary_for_others, free_port, have, make_certificate, run, wait_until
from netns import can_make_hosts


def check(folder, text, *options, **env):
    """`gardien config check` of a text."""
    file = folder / "gardien.yaml"
    file.write_text(text)
    return run(BINARY, "config", "check", *options, "gardien.yaml", env=env, cwd=folder)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path


# ---- config check ----

MISTAKES = """\
listen:
  https: [":70000"]
  htp: [":80"]
sites:
  - names: [example.com, exa mple.com, example.com]
    files: missing
    fallbck: /index.html
  - names: [example.com]
    files: {root: root, listing: maybe, cache: {total: 5parsecs}}
    certificate: {file: nothing.pem}
    headers: {set: {"Bad Name": x, Transfer-Encoding: chunked}}
limits:
  header_count: 5
  header_count: 20
tls: {profile: old}
workers: many
"""


def test_all_mistakes_are_found_at_once_each_with_place_line_and_hint(folder):
    result = check(folder, MISTAKES)
    assert result.returncode == 2
    for place, sentence in (
            ("2:11", "names no port"), ("3:3", 'unknown key "htp"'), ("5:26", "host name"),
            ("5:40", "named twice"), ("6:12", "does not exist"), ("7:5", 'unknown key "fallbck"'),
            ("8:13", "belongs to"), ("9:34", "on or off"), ("9:56", "must be a size"),
            ("10:18", "does not exist"), ("11:21", "name of a header"), ("13:17", "from 8 to 1000"),
            ("14:3", "given twice"), ("15:16", "intermediate or modern"),
            ("16:10", "whole number")):
        line = int(place.split(":")[0])
        assert re.search(rf"^gardien\.yaml:{line}:\d+: .*{re.escape(sentence)}", result.stderr,
                         re.M), (place, sentence, result.stderr)
        assert MISTAKES.splitlines()[line - 1] in result.stderr
    for hint in ('did you mean "http"?', 'did you mean "fallback"?', "mkdir -p", "13:3"):
        assert hint in result.stderr
    assert re.search(r"^\d+ mistakes in gardien.yaml", result.stderr, re.M)


def test_the_caret_stands_under_the_mistake(folder):
    result = check(folder, "sites:\n  - names: a.test\n    fils: root\n")
    lines = result.stderr.splitlines()
    shown = next(n for n, line in enumerate(lines) if line.endswith("    fils: root"))
    assert lines[shown + 1].index("^") == lines[shown].index("fils")


def test_check_answers_in_json_with_places(folder):
    result = check(folder, MISTAKES, "--json")
    answer = json.loads(result.stdout)
    assert result.returncode == 2 and answer["ok"] is False
    found = next(diag for diag in answer["diags"] if "htp" in diag["sentence"])
    assert (found["file"], found["line"], found["column"]) == ("gardien.yaml", 3, 3)
    assert "http" in found["hint"]
    fine = check(folder, "sites: [{names: a.test, files: root}]", "--json")
    assert fine.returncode == 0 and json.loads(fine.stdout)["ok"] is True


@pytest.mark.parametrize("text, place", [
    ("sites: [\n", "2:1: the file ends"), ("sites:\n\t- names: x\n", "2:1"),
    ("- a\n", "1:1"), ("", ""), ("sites: &a [*a]\n", "1:"), ("a: !!python/object:x {}\n", "1:"), ("\0\0", "1:"),
    ("sites: " + "[" * 5000, "1:"), ("x: 'y", "1:")])
def test_text_that_is_no_yaml_or_a_trap_is_refused_with_a_place(folder, text, place):
    result = check(folder, text)
    assert result.returncode == 2
    assert re.search(rf"^gardien\.yaml:{place}", result.stderr, re.M), result.stderr


def test_missing_file_and_missing_keys_are_said(folder):
    result = run(BINARY, "config", "check", folder / "none.yaml")
    assert result.returncode == 2 and "No such file" in result.stderr
    result = check(folder, "workers: 2\n")
    assert result.returncode == 2 and "sites" in result.stderr
    result = check(folder, "sites: [{names: a.test, files: {listing: on}}]\n")
    assert result.returncode == 2 and "root" in result.stderr


def test_rules_across_values_have_places_too(folder):
    result = check(folder, """\
listen:
  https: ["127.0.0.1:8443", "127.0.0.1:8443"]
  http: ["127.0.0.1:8443"]
  proxy_protocol: {on: ["127.0.0.1:1"], from: [10.0.0.0/33]}
sites:
  - {names: a.test, files: root, default: on}
  - {names: b.test, files: root, default: on}
  - {names: "*.com", files: root, hsts: {preload: on}}
""")
    assert result.returncode == 2
    for line, sentence in ((2, "twice"), (3, "HTTPS already"), (4, "10.0.0.0/33"),):
        assert re.search(rf"^gardien\.yaml:{line}:\d+: .*{sentence}", result.stderr, re.M), sentence


def test_a_certificate_that_does_not_fit_is_told_at_its_place(folder):
    one, _ = make_certificate(folder, "one", ["a.test"])
    _, other = make_certificate(folder, "two", ["a.test"])
    result = check(folder, "sites:\n  - names: a.test\n    files: root\n    certificate:\n"
                           f"      file: {one.name}\n      key: {other.name}\n")
    assert result.returncode == 2
    assert re.search(r"^gardien\.yaml:5:7: .*key", result.stderr, re.M), result.stderr


def test_warnings_do_not_refuse(folder):
    one, key = make_certificate(folder, "one", ["other.test"])
    result = check(folder, "sites:\n  - names: a.test\n    files: root\n"
                           f"    certificate: {{file: {one.name}, key: {key.name}}}\n")
    assert result.returncode == 0, result.stderr
    assert "a.test" in result.stderr and "see above" in result.stdout


def test_environment_variables_stand_in_values(folder):
    text = 'sites:\n  - names: ["${SITE:-fallback.test}"]\n    files: ${ROOT}\n'
    result = check(folder, text)
    assert result.returncode == 2
    assert re.search(r"^gardien\.yaml:3:\d+: .*ROOT", result.stderr, re.M)
    assert check(folder, text, ROOT="root").returncode == 0
    result = check(folder, text, ROOT="root", SITE="not a name")
    assert "not a name" in result.stderr
    # What a variable holds is a value and never more YAML.
    result = check(folder, text, ROOT="root\nworkers: 3")
    assert result.returncode == 2 and "does not exist" in result.stderr


def test_includes_join_in_and_keep_their_places(folder):
    (folder / "conf.d").mkdir()
    for name in ("a", "b"):
        (folder / "conf.d" / f"{name}.yaml").write_text(
            f"sites:\n  - names: {name}.test\n    files: ../root\n")
    text = "include: conf.d/*.yaml\nworkers: 2\n"
    assert check(folder, text).returncode == 0
    (folder / "conf.d" / "b.yaml").write_text("sites:\n  - names: b.test\n    fils: ../root\n")
    assert re.search(r"^(\S*/)?conf\.d/b\.yaml:3:5: unknown key", check(folder, text).stderr, re.M)
    (folder / "conf.d" / "b.yaml").write_text("workers: 3\n")
    result = check(folder, text)
    assert "b.yaml:1" in result.stderr and "gardien.yaml:2" in result.stderr
    (folder / "conf.d" / "b.yaml").write_text("include: ../gardien.yaml\n")
    result = check(folder, text)
    assert result.returncode == 2 and "include" in result.stderr


def test_schema_is_json_schema_that_knows_every_key():
    schema = json.loads(run(BINARY, "config", "schema", check=True).stdout)
    assert "2020-12" in schema["$schema"]
    assert {"listen", "sites", "tls", "limits", "logs", "headers", "workers"} \
        <= set(schema["properties"])
    assert schema["additionalProperties"] is False
    reference = run(BINARY, "config", "reference", check=True).stdout
    for key in schema["properties"]["limits"]["properties"]:
        assert f"`limits.{key}`" in reference


def test_schema_takes_what_the_program_takes_and_refuses_typing_mistakes(folder):
    jsonschema = pytest.importorskip("jsonschema")
    yaml = pytest.importorskip("yaml")
    schema = json.loads(run(BINARY, "config", "schema", check=True).stdout)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    for example in (TOP / "examples" / "gardien.yaml", TOP / "packaging" / "gardien.yaml"):
        validator.validate(yaml.safe_load(example.read_text().replace("@DATADIR@", "/usr/share")))
    validator.validate(yaml.safe_load(
        'sites: [{names: a.test, files: /srv, certificate: {file: x}, hsts: 1d, fallback: /i.html}]\n'
        'listen: {https: ":443", http: off}\nlimits: {body_size: 1MiB, keep_alive: "${IDLE:-5s}"}\n'))
    for wrong in ("sites: [{nams: a.test}]", "sites: [{names: a.test}]\nworkers: many",
                  "sites: [{names: a.test}]\ntls: {profile: old}",
                  "sites: [{names: a.test}]\nlimits: {header_count: 5}"):
        assert not validator.is_valid(yaml.safe_load(wrong)), wrong
        assert check(folder, wrong).returncode == 2


# ---- reload ----

def settings(server, **more):
    return {"sites": [{"names": ["localhost"], "files": str(server.public), **more}]}


def test_reload_takes_over_and_a_bad_file_keeps_the_old_settings(start):
    server = start(lambda s: settings(s, headers={"set": {"X-Round": "1"}}))
    with server.tls() as kept:
        assert server.curl("/").headers["x-round"] == "1"
        server.write_config(settings(server, headers={"set": {"X-Round": "2"}}))
        server.cli("reload", check=True)
        assert server.curl("/").headers["x-round"] == "2"
        server.write_config("sites:\n  - names: localhost\n    fils: x\n")
        result = server.cli("reload")
        assert result.returncode == 2
        assert re.search(r"gardien\.yaml:3:5: unknown key", result.stderr)
        assert server.curl("/").headers["x-round"] == "2"
        server.process.send_signal(signal.SIGHUP)
        server.wait_output("fils")
        assert server.curl("/").headers["x-round"] == "2"
        server.write_config(settings(server, headers={"set": {"X-Round": "3"}}))
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.curl("/").headers["x-round"] == "3", what="the third settings")
        kept.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")  # opened under the first
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")


# ---- starts that fail, and how to fix it ----

def fails(*args, code, env=None, seconds=20):
    result = run(BINARY, "serve", *args, seconds=seconds, env=env)
    assert result.returncode == code, (result.stdout, result.stderr)
    return result.stderr


def test_start_says_which_program_has_the_port(folder):
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        said = fails(folder / "root", "--https", f"127.0.0.1:{taken.getsockname()[1]}",
                     "--state", folder / "state", code=1)
        assert str(os.getpid()) in said and "python" in said


def test_start_says_what_is_wrong_with_folder_name_and_options(folder):
    port = f"127.0.0.1:{free_port()}"
    state = ["--state", folder / "state", "--https", port]
    (folder / "file").write_text("x")
    for words, sentence, hint in (
            ([folder / "none"], "does not exist", "mkdir"),
            ([folder / "file"], "not a folder", "folder"),
            ([folder / "root", "exa..mple"], "host name", ""),
            ([folder / "root", "https://example.com"], "without a scheme", ""),
            ([folder / "root", "--htps", "x"], "no option --htps", "--https"),
            ([folder / "root", "--workers", "many"], "whole number", ""),
            ([folder / "root", "--cert", folder / "file"], "cert", ""),
            (["--config", folder / "none.yaml"], "none.yaml", "")):
        said = fails(*words, *state, code=2)
        assert sentence in said and hint in said, said
    assert "1 to 65535" in fails(folder / "root", "--https", "127.0.0.1:70000", code=2)


@pytest.mark.skipif(os.geteuid() != 0 or not have("setpriv"), reason="root and setpriv are needed")
def test_start_without_the_right_to_the_port_says_the_three_ways(folder):
    if not can_make_hosts():
        pytest.skip("no network namespaces here")
    with tempfile.TemporaryDirectory() as public:  # pytest's own folders are closed to others
        os.chmod(public, 0o755)
        state = f"{public}/state"
        os.mkdir(state)
        os.chown(state, 65534, 65534)
        result = run("unshare", "-n", "setpriv", "--reuid=65534", "--regid=65534",
                     "--clear-groups", "--bounding-set=-all", binary_for_others(), "serve", public, "--https",
                     ":443", "--state", state)
    for way in ("root", "setcap", "--https :8443"):
        assert way in result.stderr, result.stderr
    assert result.returncode == 1


def test_second_start_with_the_same_state_is_refused(server):
    said = fails(server.public, "--https", f"127.0.0.1:{free_port()}", "--state", server.state,
                 code=1)
    assert str(server.process.pid) in said or "already" in said
    assert server.curl("/").status == 200


def test_verbs_without_a_running_gardien_end_with_3(folder):
    for verb in ("reload", "stop", "status", "upgrade"):
        result = run(BINARY, verb, "--state", folder / "state")
        assert result.returncode == 3 and "no gardien runs" in result.stderr
