"""What answers beneath which path, and that every answer leaves by the same exit: redirects, fixed
answers, error pages and refusals of the HTTP engines alike get the site's header rules."""

import gzip
import json
import shutil
import subprocess

import pytest

from lib import BINARY, needs_library, run, wait_until

TEXT = "".join(f"{i} times {i} is {i * i}\n" for i in range(400))
TOKEN = ".well-known/acme-challenge/token"


def settings(server):
    (server.public / ".well-known/acme-challenge").mkdir(parents=True)
    (server.public / TOKEN).write_text("token.thumb")
    (server.public / "old").mkdir()
    (server.public / "old/file").write_text("file")
    (server.public / "404.html").write_text("own 404")
    return {
        "limits": {"body_size": "1KiB", "header_size": "4KiB"},
        "headers": {"set": {"X-Site": "yes"}, "remove": ["X-Content-Type-Options"]},
        "sites": [
            {"names": ["localhost", "www.localhost"],
             "files": {"root": str(server.public), "fallback": "/index.html",
                       "error_pages": {"404": "/404.html"}},
             "headers": {"remove": ["Location-Test", "ETag"]},
             "routes": [
                 {"path": "/old", "redirect": "/new"},
                 {"path": "/moved/", "redirect": {"to": "https://elsewhere.test/base/", "status": 302}},
                 {"path": "/form", "redirect": {"to": "/done?x=1", "status": 303}},
                 {"path": "/old/exact", "exact": True, "respond": {"body": "exact\n"}},
                 {"path": "/health", "respond": {"body": '{"ok":true}', "type": "application/json"}},
                 {"path": "/text", "respond": {"body": TEXT}},
                 {"path": "/events", "respond": {"body": TEXT, "type": "text/event-stream"}},
                 {"path": "/picture", "respond": {"body": TEXT, "type": "image/png"}},
                 {"path": "/short", "respond": {"body": "short"}},
                 {"path": "/gone", "respond": 410},
                 {"path": "/missing", "respond": 404}]},
            {"names": ["bare.localhost"], "routes": [{"path": "/", "redirect": "https://a.test/"}]},
        ]}


@pytest.fixture(scope="module")
def server(start_shared):
    return start_shared(settings)


VERSIONS = pytest.mark.parametrize("version", ["--http1.1", "--http2"])


@VERSIONS
@pytest.mark.parametrize("path, location", [
    ("/old", "/new"), ("/old/", "/new/"), ("/old/a%20b?q=1", "/new/a%20b?q=1"),
    ("/old/../old/x", "/new/x"), ("/%6fld/x", "/new/x"), ("/old//evil.test", "/new/evil.test"),
    ("/old/exact/not", "/new/exact/not")])
def test_a_redirect_keeps_what_stands_beneath_its_path(server, version, path, location):
    answer = server.curl(path, version)
    assert answer.status == 308 and answer.headers["location"] == location


def test_redirects_with_a_status_and_a_whole_url(server):
    answer = server.curl("/moved/x/y")
    assert (answer.status, answer.headers["location"]) == (302, "https://elsewhere.test/base/x/y")
    answer = server.curl("/form?y=2")
    assert (answer.status, answer.headers["location"]) == (303, "/done?x=1")


@VERSIONS
def test_paths_match_whole_segments_the_longest_first(server, version):
    assert server.curl("/older", version).text.endswith("hello\n")  # the site's fallback
    assert server.curl("/old/exact", version).text == "exact\n"
    assert server.curl("/moved", version).text.endswith("hello\n")


@VERSIONS
def test_fixed_answers(server, version):
    answer = server.curl("/health/deep", version)
    assert (answer.status, answer.text) == (200, '{"ok":true}')
    assert answer.headers["content-type"] == "application/json"
    head = server.curl("/health", version, "-I")
    assert head.headers["content-length"] == "11" and b"true}" not in head.body
    assert server.curl("/health", version, "-d", "x=1").text == '{"ok":true}'
    assert server.curl("/gone", version).status == 410
    answer = server.curl("/missing", version)
    assert (answer.status, answer.text) == (404, "own 404")


def test_a_site_of_redirects_alone(server):
    answer = server.curl("/x?y", name="bare.localhost")
    assert (answer.status, answer.headers["location"]) == (308, "https://a.test/x?y")


# ---- one exit ----


@VERSIONS
@pytest.mark.parametrize("path, arguments, status", [
    ("/", (), 200), ("/old", (), 308), ("/health", (), 200), ("/gone", (), 410),
    ("/missing", (), 404), ("/%00", (), 400), ("/", ("-X", "PUT"), 405),
    ("/", ("-d", "x" * 2000), 413), ("/", ("-H", "X-Long: " + "x" * 5000), 431)])
def test_every_answer_has_the_header_rules(server, version, path, arguments, status):
    answer = server.curl(path, version, *arguments)
    assert answer.status == status
    assert answer.headers["x-site"] == "yes"
    assert "etag" not in answer.headers and "x-content-type-options" not in answer.headers


def test_removed_fields_are_gone_from_redirects_to_https(server):
    answer = server.curl("/x", secure=False)
    assert answer.status == 308 and answer.headers["x-site"] == "yes"
    assert "x-content-type-options" not in answer.headers


def test_answers_without_a_site_have_a_page(start):
    server = start(lambda server: {"tls": {"strict_sni": True}, "sites": [
        {"names": ["localhost"], "files": str(server.public)}]})
    answer = server.curl("/", "-H", "Host: unknown.test")
    assert answer.status == 421 and "421" in answer.text


# ---- compression ----


@VERSIONS
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_what_handlers_answer_is_compressed(server, version, coding):
    needs_library({"br": "brotli", "zstd": "zstd", "gzip": None}[coding])
    ask = ("-H", f"Accept-Encoding: {coding}")
    answer = server.curl("/text", version, *ask)
    assert answer.headers["content-encoding"] == coding
    assert answer.headers["vary"] == "accept-encoding"
    assert len(answer.body) < len(TEXT) / 2
    assert decode(coding, answer.body) == TEXT.encode()
    head = server.curl("/text", version, *ask, "-I")
    assert head.headers["content-encoding"] == coding and "content-length" not in head.headers
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("path", ["/events", "/picture", "/short"])
def test_what_gains_nothing_or_streams_is_not(server, path):
    answer = server.curl(path, "-H", "Accept-Encoding: gzip, br, zstd")
    assert "content-encoding" not in answer.headers and "content-length" in answer.headers


def test_a_client_that_takes_no_coding_gets_none(server):
    answer = server.curl("/text")
    assert answer.text == TEXT and answer.headers["vary"] == "accept-encoding"


def decode(coding, body):
    if coding == "gzip":
        return gzip.decompress(body)
    tool = {"br": "brotli", "zstd": "zstd"}[coding]
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    return subprocess.run([tool, "-dc"], input=body, stdout=subprocess.PIPE, check=True).stdout


# ---- challenges ----


def test_challenge_files_are_served_over_plain_http(server):
    assert server.curl(f"/{TOKEN}", secure=False).text == "token.thumb"
    assert server.curl(f"/{TOKEN}").text == "token.thumb"


@pytest.mark.parametrize("path", ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/none",
                                  "/.well-known/acme-challenge/../../nope"])
def test_what_is_no_challenge_file_is_nothing_else(server, path):
    """No listing, no fallback: a CA that asks for an unknown token gets 404."""
    answer = server.curl(path, secure=False)
    assert answer.status == (308 if "nope" in path else 404)


# ---- settings ----


def check(folder, settings):
    file = folder / "gardien.yaml"
    file.write_text(json.dumps(settings))
    return run(BINARY, "config", "check", file)


@pytest.mark.parametrize("route, words", [
    ({"path": "/x"}, "nothing says what this route answers"),
    ({"path": "/x", "redirect": "/y", "respond": 404}, "several"),
    ({"path": "x", "respond": 404}, "does not begin with a slash"),
    ({"path": "/a//b", "respond": 404}, "can match no request"),
    ({"path": "/a%20b", "respond": 404}, "percent-encoded"),
    ({"path": "/a?b", "respond": 404}, "query"),
    ({"path": "/", "respond": 404}, "answers for"),
    ({"path": "/x", "redirect": "//evil.test"}, "two slashes"),
    ({"path": "/x", "redirect": "new"}, "neither a path"),
    ({"path": "/x", "respond": 404, "protect": {"waf": "on"}}, 'unknown key "waf"'),
    ({"path": "/x", "respond": 99}, "200")])
def test_routes_that_make_no_sense_are_refused(tmp_path, route, words):
    result = check(tmp_path, {"sites": [
        {"names": ["localhost"], "files": str(tmp_path), "routes": [route]}]})
    assert result.returncode != 0 and words in result.stdout + result.stderr


def test_two_routes_of_one_path_are_refused(tmp_path):
    result = check(tmp_path, {"sites": [{"names": ["localhost"], "routes": [
        {"path": "/x", "respond": 404}, {"path": "/x", "respond": 410}]}]})
    assert result.returncode != 0 and "has a route already" in result.stdout + result.stderr


# ---- folders and header rules of routes ----


def folder_settings(server):
    """Two folders beneath paths of their own, one of them beneath a link that can be pointed elsewhere."""
    downloads, first, second = (server.folder / name for name in ("downloads", "first", "second"))
    for folder in (downloads / "sub", first, second):
        folder.mkdir(parents=True)
    (downloads / "file.txt").write_text("a download")
    (downloads / "sub/index.html").write_text("sub index")
    (downloads / "none.html").write_text("no such download")
    (first / "index.html").write_text("first release")
    (second / "index.html").write_text("second release")
    (server.folder / "current").symlink_to(first)
    (server.public / "file.txt").write_text("of the site")
    (server.public / "404.html").write_text("the site's 404")
    return {"headers": {"set": {"X-All": "all"}},
            "sites": [{"names": ["localhost"], "hsts": "1d",
                       "files": {"root": str(server.public), "error_pages": {"404": "/404.html"}},
                       "headers": {"set": {"X-Site": "site", "X-Both": "site"}},
                       "routes": [
                           {"path": "/downloads", "headers": {"set": {"X-Both": "route"}, "remove": ["X-Site"],
                                                              "add": {"X-Own": "own"}},
                            "files": {"root": str(downloads), "listing": True, "error_pages": {"404": "/none.html"},
                                      "types": {".txt": "text/x-download"}}},
                           {"path": "/app/", "files": str(server.folder / "current")},
                           {"path": "/old", "redirect": "/new", "headers": {"set": {"X-Both": "old"}}}]}]}


@pytest.fixture(scope="module")
def folders(start_shared):
    return start_shared(folder_settings)


@VERSIONS
def test_a_route_has_a_folder_of_its_own(folders, version):
    answer = folders.curl("/downloads/file.txt", version)
    assert (answer.text, answer.headers["content-type"]) == ("a download", "text/x-download")
    assert folders.curl("/file.txt", version).text == "of the site"
    assert folders.curl("/downloads/sub/", version).text == "sub index"
    assert folders.curl("/downloads", version).headers["location"] == "/downloads/"
    assert folders.curl("/downloads/sub", version).headers["location"] == "/downloads/sub/"
    assert "file.txt" in folders.curl("/downloads/", version).text
    missing = folders.curl("/downloads/nothing", version)
    assert (missing.status, missing.text) == (404, "no such download")
    missing = folders.curl("/app/nothing", version)
    assert (missing.status, missing.text) == (404, "the site's 404")
    assert folders.curl("/downloads/../file.txt", version).text == "of the site"


@VERSIONS
def test_header_rules_of_a_route_follow_those_of_its_site(folders, version):
    for path, arguments in (("/downloads/file.txt", ()), ("/downloads/nothing", ()),
                            ("/downloads/file.txt", ("-X", "POST"))):
        fields = folders.curl(path, version, *arguments).headers
        assert (fields["x-all"], fields["x-both"], fields["x-own"]) == ("all", "route", "own"), path
        assert "x-site" not in fields and fields["x-content-type-options"] == "nosniff"
    assert folders.curl("/old/x", version).headers["x-both"] == "old"
    fields = folders.curl("/file.txt", version).headers
    assert (fields["x-site"], fields["x-both"]) == ("site", "site") and "x-own" not in fields


def test_a_folder_of_a_route_is_exchanged_beneath_its_path(folders):
    assert folders.curl("/app/").text == "first release"
    link = folders.folder / "next"
    link.symlink_to(folders.folder / "second")
    link.rename(folders.folder / "current")
    wait_until(lambda: folders.curl("/app/").text == "second release", what="the second release")
    assert folders.curl("/downloads/file.txt").text == "a download"


def test_a_reload_brings_a_folder_to_a_route(start, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    outside.chmod(0o755)
    (outside / "x.txt").write_text("outside")
    settings = {"sites": [{"names": ["localhost"], "routes": [{"path": "/x/", "respond": 410}]}]}
    server = start(settings)
    assert server.curl("/x/x.txt").status == 410
    settings["sites"][0]["routes"][0] = {"path": "/x/", "files": str(outside)}
    server.write_config(settings)
    assert server.cli("reload").returncode == 0
    wait_until(lambda: server.curl("/x/x.txt").text == "outside", what="the folder of the route")
