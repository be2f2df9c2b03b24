"""The command line of `gardien serve`: mistakes are told once, each with its hint."""

import os
import re
import subprocess

import pytest
from lib import BINARY, free_port, needs_root, run, sanitizer_env, wait_until
from netns import can_make_hosts, can_make_mounts


def mistake(*args):
    """What a command line that is refused says; the lines of its complaints, and those of hints."""
    result = run(BINARY, "serve", *args, env=sanitizer_env())
    assert result.returncode == 2 and result.stdout == "", result.stdout + result.stderr
    lines = result.stderr.splitlines()
    return ([line for line in lines if line.startswith("gardien: ")],
            [line for line in lines if line.startswith("  -> ")])


def test_a_certificate_without_its_key_is_one_mistake(tmp_path):
    cert = tmp_path / "cert.pem"
    cert.write_text("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")
    (said,), (hint,) = mistake(tmp_path, "--cert", cert)
    assert "no private key" in said and "--key FILE" in hint


@pytest.mark.parametrize("name", ["bad!name", "two..dots", "a" * 64 + ".example"])
def test_a_wrong_host_name_shows_a_right_one(tmp_path, name):
    # Run by root, it also tells that the account which serves may not enter the folder.
    said, hints = mistake(tmp_path, name, "--state", tmp_path / "state", "--https", "127.0.0.1:8443")
    assert name in said[0] and "www.example.com" in hints[0]


def fetch(port):
    return run("curl", "-sk", f"https://127.0.0.1:{port}/").stdout


def test_a_folder_without_index_is_told_of_and_listed_on_demand(tmp_path):
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # the account that serves it enters
    public = tmp_path / "public"
    public.mkdir()
    for name in ("file-10", "file-2", "File-1", "a"):
        (public / name).write_text("x")
    for option in ((), ("--listing",)):
        port = free_port()
        with open(tmp_path / "log", "wb") as log, subprocess.Popen(
                [BINARY, "serve", public, "--https", f"127.0.0.1:{port}", "--state",
                 tmp_path / "state", "--access-log", "off", *option],
                stdout=log, stderr=log, env={**os.environ, **sanitizer_env()}) as process:
            try:
                wait_until(lambda: "ready: " in (tmp_path / "log").read_text(), what="the start")
                told = "has no index.html" in (tmp_path / "log").read_text()
                assert told == (not option)
                page = fetch(port)
            finally:
                process.terminate()
    names = re.findall(r"<a href=.\./([^\"]*)", page)
    assert names == ["a", "File-1", "file-2", "file-10"], page


def test_a_name_in_place_of_the_folder_is_told_of(tmp_path):
    result = run(BINARY, "serve", "example.com", cwd=tmp_path)
    assert result.returncode == 2 and "gardien serve . example.com" in result.stderr, result.stderr
    result = run(BINARY, "serve", "--config", "x.yaml", "--listing", cwd=tmp_path)
    assert result.returncode == 2 and "`listing: true`" in result.stderr, result.stderr


@pytest.mark.parametrize("option, value, said", [
    ("--https", "99999", "1 to 65535"), ("--http", "0", "1 to 65535"), ("--https", "::1", "without a port"),
    ("--https", "https://x:1", "is a URL"), ("--workers", "9999", "from 0 to 1024"),
    ("--workers", "two", "whole number"), ("--log-format", "xml", "combined_plus"),
    ("--cert", "none.pem", "no such file"), ("--key", "none.pem", "no such file")])
def test_a_wrong_option_is_called_by_its_name_on_the_command_line(tmp_path, option, value, said):
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    (complaint,), (hint,) = mistake(tmp_path, option, value, "--state", tmp_path / "state")
    assert option in complaint and said in complaint, complaint
    assert option in hint or "looked for" in hint, hint


def test_the_nearest_folder_is_suggested(tmp_path):
    (tmp_path / "guides").mkdir()
    (complaint,), (hint,) = mistake(tmp_path / "guide", "--state", tmp_path / "state")
    assert "does not exist" in complaint and f"did you mean {tmp_path}/guides?" in hint, hint
    (complaint,), (hint,) = mistake(tmp_path / "unlike", "--state", tmp_path / "state")
    assert "did you mean" not in hint and "mkdir" in hint, hint


def test_warnings_that_are_alike_are_one_with_a_number(tmp_path):
    sites = "\n".join(f"  - names: [s{i}.example]" for i in range(1000))
    (tmp_path / "many.yaml").write_text(f"listen: {{https: ':8443', http: off}}\nsites:\n{sites}\n")
    result = run(BINARY, "config", "check", tmp_path / "many.yaml", env=sanitizer_env())
    warnings = [line for line in result.stderr.splitlines() if "warning: " in line]
    assert len(warnings) == 1 and "and 999 more like this" in warnings[0], result.stderr


@needs_root
@pytest.mark.parametrize("written", ["state", "log"])
def test_a_read_only_folder_in_a_service_names_the_line_of_the_unit(tmp_path, written):
    if not can_make_mounts():
        pytest.skip("no mount namespaces here")
    read_only = tmp_path / "ro"
    read_only.mkdir()
    options = {"state": ("--state", read_only / "state"),
               "log": ("--state", tmp_path / "state", "--access-log", read_only / "log/access.log")}[written]
    result = run("unshare", "-m", "--propagation", "private", "sh", "-c",
                 'mount -t tmpfs -o ro,mode=755 tmpfs "$1" && shift && exec "$@"', "sh", read_only, BINARY, "serve",
                 "/usr", "--https", f"127.0.0.1:{free_port()}", *options,
                 env={**sanitizer_env(), "INVOCATION_ID": "x"})
    assert result.returncode != 0 and f"ReadWritePaths={read_only}" in result.stderr, result.stderr


def test_a_page_404_of_the_folder_answers_for_what_is_not_there(tmp_path):
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    public = tmp_path / "public"
    public.mkdir()
    (public / "404.html").write_text("our own page")
    port, log = free_port(), tmp_path / "log"
    with open(log, "wb") as out, subprocess.Popen(
            [BINARY, "serve", public, "--https", f"127.0.0.1:{port}", "--state", tmp_path / "state",
             "--access-log", "off"], stdout=out, stderr=out, env={**os.environ, **sanitizer_env()}) as process:
        try:
            wait_until(lambda: "ready: " in log.read_text(), what="the start")
            page = run("curl", "-sk", "-w", " %{http_code}", f"https://127.0.0.1:{port}/nowhere").stdout
        finally:
            process.terminate()
    assert page == "our own page 404"


@needs_root
def test_make_run_says_how_a_phone_gets_there(tmp_path):
    if not can_make_hosts():
        pytest.skip("no network namespaces here")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    (tmp_path / "public").mkdir()
    log = tmp_path / "log"
    with open(log, "wb") as out, subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "ip link set lo up && ip link add lan0 type veth peer name lan1 && "
             "ip addr add 10.1.2.3/24 dev lan0 && ip link set lan0 up && ip link set lan1 up && "
             'exec "$@"', "sh", BINARY, "serve",
             tmp_path / "public", "--https", ":8443", "--http", ":8080", "--state", tmp_path / "state",
             "--access-log", "off"], stdout=out, stderr=out,
            env={**os.environ, **sanitizer_env(), "GARDIEN_MAKE_RUN": "1"}) as process:
        try:
            wait_until(lambda: "phone: " in log.read_text(), what="the line about phones")
        finally:
            process.terminate()
    said = log.read_text()
    assert "https://10.1.2.3:8443" in said and f"{tmp_path}/state/local-ca/ca.pem" in said, said
    text = run("openssl", "x509", "-in", tmp_path / "state/local/localhost/chain.pem", "-noout", "-text").stdout
    assert "IP Address:10.1.2.3" in text, text
