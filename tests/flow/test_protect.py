"""What protection refuses beside the web application firewall: paths to secrets, requests that pages of
other origins send; what it adds to answers; and that settings of a route win over those of its site."""

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
