"""What protection refuses beside the web application firewall: paths to secrets, requests that pages of
other origins send; what it adds to answers; and that settings of a route win over those of its site."""

import json
import re

import pytest

import lib
from upstream import Upstream, site

VERSIONS = pytest.mark.parametrize("version", ["--http1.1", "--http2"])


# ---- secrets ----

@VERSIONS
def test_secrets_are_refused_by_default_for_files_and_applications(start, version):
    with Upstream() as app:
        def make(gardien):
            return {"sites": [{"names": ["localhost"], "files": str(gardien.public),
                               "routes": [{"path": "/app/", "proxy": app.address},
                                          {"path": "/dump/", "proxy": app.address,
                                           "protect": {"secrets": "off"}}]}]}
        gardien = start(config=make)
        (gardien.public / "index.html.bak").write_text("secret")
        refused = gardien.curl("/index.html.bak", version)
        assert refused.status == 404 and b"secret" not in refused.body
        assert re.search("[0-9a-f]{32}", refused.text), "an error page names the request"
        for path in ("/app/.git/config", "/app/%2egit/config", "/app/.env", "/app/x/../.git/HEAD"):
            assert gardien.curl(path, version).status == 404, path
        assert app.requests == []
        assert gardien.curl("/app/git", version).status == 200
        assert gardien.curl("/dump/.env", version).status == 200
        gardien.wait_output(r'event="request refused" policy=secrets client=127\.0\.0\.1 '
                            r'request=[0-9a-f]{32} method="GET" host="localhost" '
                            r'path="/app/\.env" reason=')


def test_watching_secrets_lets_them_pass(start):
    with Upstream() as app:
        gardien = start({**site(app.address), "protect": {"secrets": "watch"}})
        assert gardien.curl("/.env").status == 200
        gardien.wait_output('event="request watched" policy=secrets')


def test_one_client_cannot_fill_the_log(start):
    gardien = start()
    with gardien.tls() as peer:
        for _ in range(400):
            peer.sendall(b"GET /.git/config HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert lib.read_answer(peer).status == 404
    # At most 50 lines a second; a slow machine may take several seconds.
    assert len(re.findall("policy=secrets", gardien.output())) < 400


# ---- addresses ----

@VERSIONS
def test_only_some_addresses_may_ask(start, version):
    with Upstream() as app:
        gardien = start({"trusted_proxies": ["127.0.0.1"], "protect": {"deny": ["198.51.100.0/24"]}, "sites": [{
            "names": ["localhost"], "proxy": app.address, "routes": [
                {"path": "/admin", "proxy": app.address,
                 "protect": {"allow": ["192.0.2.0/24", "2001:db8::/32"]}},
                {"path": "/all", "proxy": app.address, "protect": {"deny": ["203.0.113.7"]}}]}]})

        def ask(path, address):
            return gardien.curl(path, version, "-H", f"X-Forwarded-For: {address}").status
        for path, address, status in [
                ("/", "203.0.113.7", 200), ("/", "198.51.100.9", 403), ("/admin", "192.0.2.77", 200),
                ("/admin/x", "2001:db8:1::9", 200), ("/admin", "203.0.113.7", 403),
                ("/%61dmin/", "2001:db9::1", 403), ("/administrator", "203.0.113.7", 200),
                ("/admin", "198.51.100.9", 403), ("/all", "203.0.113.7", 403), ("/all", "198.51.100.9", 200)]:
            assert ask(path, address) == status, (path, address)
        assert gardien.curl("/admin", version).status == 403
        # as the application may read the path: an encoded slash, a parameter
        for path in ("/admin%2Fusers", "/admin;x/users", "/%2Fadmin/users", "/admin%2f", "/x/.git%2Fconfig"):
            before = len(app.requests)
            assert ask(path, "203.0.113.7") in (400, 403, 404) and len(app.requests) == before, path
        assert ask("/other%2Fusers;x", "203.0.113.7") == 200
        assert ask("/admin%2Fusers", "192.0.2.77") in (200, 400)
        gardien.wait_output('event="request refused" policy=addresses client=203.0.113.7 ')


# ---- requests of other origins ----

CROSS = ("-H", "Sec-Fetch-Site: cross-site", "-X", "POST")


@VERSIONS
def test_requests_of_other_origins_are_refused_or_watched(start, version):
    with Upstream() as app:
        def make(gardien):
            return {"sites": [{"names": ["localhost"], "proxy": app.address,
                               "protect": {"cross_origin": "on",
                                           "cross_origin_allow": ["https://friend.example"],
                                           "cross_origin_exempt": ["/hooks/"]},
                               "routes": [{"path": "/watched", "proxy": app.address,
                                           "protect": {"cross_origin": "watch"}}]}]}
        gardien = start(config=make)
        refused = gardien.curl("/", version, *CROSS)
        assert refused.status == 403
        assert app.requests == []
        own = f"https://localhost:{gardien.https}"
        for more, status in [
                (("-X", "POST"), 200), (("-H", "Sec-Fetch-Site: cross-site"), 200),
                (("-X", "POST", "-H", "Sec-Fetch-Site: same-origin"), 200),
                (("-X", "POST", "-H", f"Origin: {own}"), 200),
                (("-X", "POST", "-H", "Origin: https://evil.example"), 403),
                (("-X", "POST", "-H", "Origin: null"), 403),
                ((*CROSS, "-H", "Origin: https://friend.example"), 200),
                ((*CROSS, "-H", "Origin: https://friend.example.evil.example"), 403)]:
            assert gardien.curl("/", version, *more).status == status, more
        assert gardien.curl("/hooks/a", version, *CROSS).status == 200
        assert gardien.curl("/hooksx", version, *CROSS).status == 403
        assert gardien.curl("/watched", version, *CROSS).status == 200
        gardien.wait_output('event="request watched" policy=cross_origin .*path="/watched"')
        gardien.wait_output('event="request refused" policy=cross_origin .*path="/hooksx"')


def test_applications_are_watched_by_default_and_files_are_not(start):
    with Upstream() as app:
        gardien = start(site(app.address))
        assert gardien.curl("/", *CROSS).status == 200
        gardien.wait_output('event="request watched" policy=cross_origin')


def test_behind_a_trusted_proxy_the_original_host_counts(start):
    with Upstream() as app:
        gardien = start({**site(app.address), "trusted_proxies": ["127.0.0.1"],
                         "protect": {"cross_origin": "on"}})
        asks = ("-X", "POST", "-H", "Origin: https://www.example.com")
        assert gardien.curl("/", *asks).status == 403
        assert gardien.curl("/", *asks, "-H", "X-Forwarded-Host: www.example.com").status == 200
        gardien.wait_output("policy=cross_origin client=127.0.0.1")
        assert gardien.curl("/", *asks, "-H", "X-Forwarded-For: 1.1.1.1, 192.0.2.7").status == 403
        gardien.wait_output("policy=cross_origin client=192.0.2.7")


# ---- answers ----

@VERSIONS
def test_cookies_get_what_the_application_forgot(start, version):
    answer = (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=1; Path=/\r\n"
              b"Set-Cookie: XSRF-TOKEN=2; secure\r\nSet-Cookie: c=3; Secure; HttpOnly; SameSite=None\r\n\r\n")
    with Upstream(lambda c, r: c.send(answer)) as app:
        gardien = start({**site(app.address), "protect": {"cookies": "on"}})
        assert gardien.curl("/", version).all_headers["set-cookie"] == [
            "a=1; Path=/; Secure; HttpOnly; SameSite=Lax", "XSRF-TOKEN=2; secure; SameSite=Lax",
            "c=3; Secure; HttpOnly; SameSite=None"]


@VERSIONS
def test_security_fields_come_by_one_word_and_leave_the_application_its_own(start, version):
    answer = (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Frame-Options: SAMEORIGIN\r\n\r\n")
    with Upstream(lambda c, r: c.send(answer)) as app:
        def make(gardien):
            return {"protect": {"security_headers": "strict"},
                    "sites": [{"names": ["localhost"], "proxy": app.address,
                               "routes": [{"path": "/basic", "proxy": app.address,
                                           "protect": {"security_headers": "basic"}},
                                          {"path": "/off", "respond": 200,
                                           "protect": {"security_headers": "off"}}]}]}
        gardien = start(config=make)
        strict = gardien.curl("/", version).headers
        assert strict["x-frame-options"] == "SAMEORIGIN"
        assert "default-src 'self'" in strict["content-security-policy"]
        assert "camera=()" in strict["permissions-policy"]
        basic = gardien.curl("/basic", version).headers
        assert basic["referrer-policy"] == "strict-origin-when-cross-origin"
        assert "content-security-policy" not in basic
        assert "referrer-policy" not in gardien.curl("/off", version).headers


# ---- what defends, and what it says of one request ----

def defended(gardien, rules):
    return {"protect": {"rates": [{"name": "login", "path": "/login", "rate": "5/m"}],
                        "bans": {"kernel": False}, "waf": "on", "waf_rules": [str(rules)]},
            "trusted_proxies": ["127.0.0.1"],
            "sites": [{"names": ["localhost"], "files": str(gardien.public),
                       "routes": [{"path": "/app", "respond": 200,
                                   "protect": {"cross_origin": "on", "secrets": "watch"}}]}]}


@pytest.fixture
def defending(start, tmp_path):
    rules = tmp_path / "own.conf"
    rules.write_text('SecRule ARGS:evil "@streq 1" "id:7,phase:2,deny,status:403,msg:\'evil\'"\n')
    return start(config=lambda g: defended(g, rules))


def test_status_tells_the_rules_and_what_they_did(defending):
    assert defending.curl("/.env").status == 404
    assert defending.curl("/app/.env").status == 200
    assert defending.curl("/?evil=1").status == 403
    told = json.loads(defending.cli("protect", "status", "--json").stdout)
    counts = {one["policy"]: (one["refused"], one["watched"]) for one in told["last_hour"]}
    assert counts["secrets"] == (1, 1) and counts["waf"] == (1, 0) and counts["bans"] == (0, 0)
    site = told["sites"][0]
    assert site["rules"]["secrets"] == "on" and site["rules"]["cross_origin"] == "off"
    assert site["routes"][0]["rules"]["cross_origin"] == "on"
    assert told["rates"][0]["name"] == "login"
    text = defending.cli("protect", "status").stdout
    assert re.search(r"^localhost/app +all +on +off +watch +on ", text, re.M), text
    assert re.search(r"^secrets +1 +1$", text, re.M) and "nobody is banned" in text


@pytest.mark.parametrize("how, code, pattern", [
    (["https://localhost/"], 0, "nothing refuses it"),
    (["https://localhost/.env"], 1, r"secrets +refuse +404"),
    (["https://localhost/app/.env"], 0, r"secrets +watch +404"),
    (["https://localhost/?q=a b'"], 0, "nothing refuses it"),  # encoded as browsers do
    (["https://localhost/?evil=1"], 1, r"waf +refuse +403 +id=7 "),
    (["--curl", "curl -sS -X POST -H 'Sec-Fetch-Site: cross-site' https://localhost/app"], 1,
     r"cross_origin +refuse +403"),
    (["--curl", "curl https://localhost/ -d evil=1"], 1, r"waf +refuse +403 +id=7 "),
    (["--curl", "curl 'https://localhost/login?x'"], 0, r'rates +counted +"login" counts it: 5/m'),
    (["--log", '203.0.113.5 - - [01/Dec/2026:00:00:00 +0000] "GET /.git/config HTTP/1.1" 404 1 "-" "x"',
      "--host", "localhost"], 1, r"secrets +refuse"),
    (["--log", '{"client":"203.0.113.5","method":"GET","host":"localhost","target":"/x"}'], 0,
     r"bans +pass"),
    (["https://localhost/", "--from", "203.0.113.66"], 1, r"bans +refuse +403 +by a test"),
    (["--log", "nonsense"], 2, "no line of an access log"),
    (["--curl", "curl --frob https://localhost/"], 2, "--frob of curl is not known"),
    (["--curl", "curl 'https://localhost/"], 2, "a quote is not closed"),
    ([], 2, "one request is explained at a time"),
])
def test_explain_tells_what_each_policy_says(defending, how, code, pattern):
    assert defending.cli("ban", "203.0.113.66", "--why", "by a test").returncode == 0
    told = defending.cli("protect", "explain", *how)
    assert told.returncode == code, told.stdout + told.stderr
    assert re.search(pattern, told.stdout + told.stderr), told.stdout + told.stderr


def test_a_line_of_the_own_log_can_be_explained_and_settings_need_not_run(start, tmp_path):
    gardien = start(config=lambda g: {"logs": {"access": str(g.folder / "log"), "format": "json"},
                                      "sites": [{"names": ["localhost"], "files": str(g.public)}]})
    gardien.curl("/x.bak")
    line = lib.wait_until(lambda: (gardien.folder / "log").read_text().strip(), 10, "a line of the log")
    told = json.loads(lib.run(lib.BINARY, "protect", "explain", "--config", gardien.config_file, "--log",
                              line, "--json").stdout)
    assert told["refused"] and [one["policy"] for one in told["verdicts"] if one["decides"]] == ["secrets"]
