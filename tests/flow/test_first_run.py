"""The first thing that anybody does: a folder, one command, a page."""

import re

from lib import BINARY, run, wait_until


def test_page_comes_over_both_versions(server):
    for option, version in (("--http1.1", "1.1"), ("--http2", "2")):
        answer = server.curl("/", option)
        assert (answer.status, answer.version) == (200, version)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "hello" in answer.text


def test_plain_http_redirects_keeping_path_and_query(server):
    answer = server.curl("/a/b?c=d", secure=False)
    assert answer.status == 308
    assert answer.headers["location"] == server.url("/a/b?c=d")


def test_start_prints_its_steps_and_roles_are_processes_of_their_own(server):
    for step in ("names", "folder", "certificate", "ports", "workers", "ready"):
        assert f"\n{step}: " in "\n" + server.output()
    assert len(server.role("keys")) == len(server.role("logs")) == 1
    assert len(server.role("worker")) >= 1


def test_the_local_ca_is_made_once(start):
    server = start()
    assert re.search(r"^local CA: new; .*gardien cert trust", server.output(), re.M)
    made = server.ca.read_bytes()
    assert server.stop() == 0
    told = len(server.output())
    server.launch()
    wait_until(lambda: "\nready:" in server.output()[told:], 10, "the second start")
    assert "local CA: new" not in server.output()[told:]
    assert re.search(r"^local CA: this machine does not trust it yet; .* cert trust", server.output()[told:],
                     re.M)
    assert server.ca.read_bytes() == made and server.curl("/").status == 200


def test_stop_verb_ends_it(server):
    assert server.cli("stop", check=True).returncode == 0
    assert server.process.wait(10) == 0


def test_every_verb_explains_itself_with_an_example():
    for verb in ("serve", "reload", "stop", "status", "upgrade", "config", "cert", "version"):
        text = run(BINARY, verb, "--help", check=True).stdout
        assert f"gardien {verb}" in text and "Example" in text
