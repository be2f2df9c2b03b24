"""Many sites behind one address: which one answers, where plain HTTP and other names are sent, and
which header fields go with an answer."""

import pytest

from lib import free_port, make_certificate, run

SITES = ("example.com", "www.example.com")


def settings(server):
    for folder in ("main", "static", "wild", "ipv6"):
        (server.folder / folder).mkdir()
        (server.folder / folder / "index.html").write_text(folder)
        (server.folder / folder / "page.html").write_text(folder)

    def files(folder):
        return str(server.folder / folder)

    return {
        "headers": {"set": {"X-All": "outer", "X-Both": "outer"}, "add": {"X-List": "one"}},
        "sites": [
            {"names": ["localhost", "127.0.0.1"], "files": str(server.public)},
            {"names": ["Example.COM", "www.example.com", "*.example.com"], "files": files("main")},
            {"names": ["static.example.com", "alias.test"], "files": files("static"),
             "redirect_to_main": False,
             "headers": {"set": {"Cache-Control": "max-age=3600", "X-Both": "inner",
                                 "Content-Type": "text/x-own"},
                         "add": {"X-List": "two"}, "remove": ["X-All", "Last-Modified"]},
             "hsts": {"max_age": "1h", "include_subdomains": True}},
            {"names": ["off.test"], "files": files("main"), "hsts": 0,
             "headers": {"remove": ["X-Content-Type-Options"]}},
            {"names": ["own.test"], "files": files("main"),
             "headers": {"set": {"Strict-Transport-Security": "max-age=5"}}},
            {"names": ["*.wild.test"], "files": files("wild")},
            {"names": ["mixed.test", "dev.localhost", "192.0.2.7"],
             "files": files("main"), "redirect_to_main": False},
            {"names": ["::1", "2001:db8:0::7"], "files": files("ipv6")},
        ]}


@pytest.fixture(scope="module")
def server(start_shared):
    return start_shared(settings)


# ---- which site ----


@pytest.mark.parametrize("name, content", [
    ("example.com", "main"), ("EXAMPLE.com", "main"), ("static.example.com", "static"),
    ("other.example.com", "main"), ("a.wild.test", "wild"), ("alias.test", "static")])
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_site_by_name(server, name, content, version):
    assert server.curl("/", version, name=name).text == content


@pytest.mark.parametrize("host", ["unknown.test", "a.b.wild.test", "wild.test", "10.0.0.1", "[::9]"])
def test_unknown_hosts_get_the_default_site(server, host):
    assert "hello" in server.curl("/", "-H", f"Host: {host}").text


@pytest.mark.parametrize("host, content", [
    ("example.com.", "main"), ("example.com:443", "main"), ("Example.Com.:8443", "main"),
    ("127.0.0.1", "hello"), ("[::1]", "ipv6"), ("[::1]:8443", "ipv6"), ("[0:0::0:1]", "ipv6"),
    ("[2001:db8::7]", "ipv6"), ("[2001:DB8:0:0:0:0:0:7]", "ipv6")])
def test_hosts_in_all_their_spellings(server, host, content):
    answer = server.curl("/", "--http1.1", "-H", f"Host: {host}")
    assert answer.status == 200 and content in answer.text


def test_default_site_is_the_one_that_says_so(start):
    server = start(lambda server: {"sites": [
        {"names": ["localhost"], "files": str(server.public)},
        {"names": ["second.test"], "default": True, "files": str(server.folder)}]},
        files={"x": ""})
    (server.folder / "index.html").write_text("second")
    assert server.curl("/", "-H", "Host: nobody.test").text == "second"
    assert "hello" in server.curl("/").text


def test_strict_sites_answer_for_their_names_only(start):
    server = start(lambda server: {"tls": {"strict_sni": True}, "sites": [
        {"names": ["localhost"], "files": str(server.public)}]})
    assert server.curl("/", "-H", "Host: nobody.test").status == 421
    assert server.curl("/").status == 200


# ---- redirects ----


@pytest.mark.parametrize("path", ["/", "/a/b%20c?d=e&f=%2F", "/a?b?c", "//evil.test/",
                                  "/a%0d%0ab"])
def test_plain_http_goes_to_https_with_path_and_query(server, path):
    for method in ("GET", "POST", "HEAD"):
        answer = server.curl(path, "-X", method, *(["-I"] if method == "HEAD" else []), secure=False,
                             name="example.com")
        assert answer.status == 308
        assert answer.headers["location"] == server.url(path, "example.com")
        assert "strict-transport-security" not in answer.headers


def test_plain_http_keeps_the_name_that_was_asked_for(server):
    for name, to in (("www.example.com", "www.example.com"), ("x.example.com", "x.example.com"),
                     ("unknown.test", "localhost"), ("[::1]", "[::1]")):
        answer = server.curl("/p", "-H", f"Host: {name}:{server.http}", secure=False)
        assert answer.headers["location"] == server.url("/p", to), name
    got = server.raw(b"GET http://static.example.com/x HTTP/1.1\r\nHost: evil.test\r\n"
                     b"Connection: close\r\n\r\n", secure=False)
    assert f"location: https://static.example.com:{server.https}/x".encode() in got.lower()


def test_plain_http_without_a_name_goes_to_the_default_site(server):
    got = server.raw(b"GET /x HTTP/1.0\r\n\r\n", secure=False)
    assert b"308" in got and f"https://localhost:{server.https}/x".encode() in got


def test_acme_challenges_are_not_redirected(server):
    for path in ("/.well-known/acme-challenge/token", "/.well-known/acme-challenge/"):
        assert server.curl(path, secure=False, name="example.com").status == 404
    for path in ("/.well-known/acme-challengeX", "/.well-known/", "/.well-known/security.txt"):
        assert server.curl(path, secure=False, name="example.com").status == 308


def test_other_names_of_a_site_go_to_its_main_one(server):
    answer = server.curl("/a/b?c", name="www.example.com")
    assert answer.status == 308 and answer.headers["location"] == server.url("/a/b?c", "example.com")
    assert answer.headers["strict-transport-security"]
    answer = server.curl("/a", "-H", "Host: www.example.com:4433", name="www.example.com")
    assert answer.headers["location"] == "https://example.com:4433/a", "the port that the client sees"
    answer = server.curl("/a", "-H", "Host: www.example.com", name="www.example.com")
    assert answer.headers["location"] == "https://example.com/a"


# ---- fields ----


def test_headers_of_all_and_of_one_site_merge(server):
    outer = server.curl("/page.html", name="example.com")
    inner = server.curl("/page.html", name="static.example.com")
    assert outer.headers["x-all"] == outer.headers["x-both"] == "outer"
    assert outer.all_headers["x-list"] == ["one"]
    assert "x-all" not in inner.headers and "last-modified" not in inner.headers
    assert inner.headers["x-both"] == "inner" and inner.all_headers["x-list"] == ["one", "two"]
    assert inner.headers["cache-control"] == "max-age=3600"
    assert inner.all_headers["content-type"] == ["text/x-own"]
    again = server.curl("/page.html", "-H", f"If-None-Match: {inner.headers['etag']}",
                        name="static.example.com")
    assert again.status == 304 and again.headers["cache-control"] == "max-age=3600"


def test_errors_and_redirects_carry_them_but_are_not_kept(server):
    answer = server.curl("/none", name="static.example.com")
    assert answer.status == 404 and answer.headers["x-both"] == "inner"
    assert "cache-control" not in answer.headers
    assert server.curl("/none", name="example.com").headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name, value", [
    ("example.com", "max-age=86400"), ("static.example.com", "max-age=3600; includeSubDomains"),
    ("off.test", None), ("own.test", "max-age=5"), ("localhost", None), ("127.0.0.1", None),
    ("mixed.test", "max-age=86400"), ("dev.localhost", None)])
def test_hsts(server, name, value):
    for path in ("/", "/none"):
        answer = server.curl(path, "-k", name=name)
        assert answer.all_headers.get("strict-transport-security") == (value and [value]), path
    plain = server.curl("/.well-known/acme-challenge/x", secure=False, name=name)
    assert value == "max-age=5" or "strict-transport-security" not in plain.headers


def test_hsts_is_not_for_addresses(server):
    answer = server.curl("/", "--http1.1", "-H", "Host: 192.0.2.7")
    assert answer.status == 200 and "strict-transport-security" not in answer.headers


def test_nosniff_by_default_and_no_word_about_the_server(server):
    for answer in (server.curl("/"), server.curl("/none"), server.curl("/", secure=False),
                   server.curl("/", "-X", "POST"), server.curl("/", "-k", name="off.test")):
        assert not {"server", "x-powered-by", "via"} & set(answer.headers)
    assert server.curl("/").headers["x-content-type-options"] == "nosniff"
    assert server.curl("/", "-X", "POST").headers["x-content-type-options"] == "nosniff"
    assert "x-content-type-options" not in server.curl("/", name="off.test").headers


# ---- the short form ----


def test_an_address_without_host_is_both_families(start):
    ports = free_port(), free_port()
    server = start(None, "--https", f":{ports[0]}", "--http", f":{ports[1]}", https=ports[0],
                   http=ports[1])
    for host in ("127.0.0.1", "::1"):
        answer = server.curl("/", "--connect-to", f"::[{host}]" if ":" in host else f"::{host}")
        assert "hello" in answer.text, host
    assert "hello" in run("curl", "-sS", "--cacert", server.ca, f"https://[::1]:{ports[0]}/").stdout


def test_names_of_the_command_line(start):
    server = start(None, "short.test", "www.short.test")
    assert "hello" in server.curl("/", name="short.test").text
    assert server.curl("/", name="www.short.test").headers["location"] == server.url("/", "short.test")


def test_certificate_of_the_command_line(start, tmp_path):
    certificate, key = make_certificate(tmp_path, "own", ["localhost"])
    server = start(None, "localhost", "--cert", certificate, "--key", key)
    assert "hello" in server.curl("/", "--cacert", certificate).text
    assert not server.ca.exists(), "no CA is made where none is needed"


def test_an_international_name_is_served_under_the_form_that_browsers_send(start):
    server = start(lambda server: {"sites": [
        {"names": ["Bücher.example", "*.bücher.example"], "files": str(server.public),
         "redirect_to_main": False}]})
    assert "names: xn--bcher-kva.example, *.xn--bcher-kva.example" in server.output()
    assert server.curl("/", name="xn--bcher-kva.example").status == 200
    assert server.curl("/", name="www.xn--bcher-kva.example").status == 200


def test_an_international_name_is_taken_from_the_command_line(start):
    server = start(None, "bücher.example")
    assert server.curl("/", name="xn--bcher-kva.example").status == 200
