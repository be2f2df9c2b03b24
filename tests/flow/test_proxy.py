"""Requests forwarded to an application: what reaches it, what comes back, and what happens when either
side is slow, lies or leaves."""

import json
import os
import re
import signal
import socket
import threading
import time

import pytest

from lib import PATIENCE, SANITIZED, Gardien, free_port, run, wait_until
from upstream import OK, Upstream, raw, read_head, resident, site


# ---- what is forwarded ----

@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_requests_reach_the_application_as_they_were(start, version):
    with Upstream() as app:
        server = start(site(app.address))
        answer = server.curl("/a%20b//c;d/%2F?x=%2F&y", version, "-X", "PUT", "--data-binary", "hello",
                             "-H", "X-Own: 1", "-H", "X-Forwarded-For: 6.6.6.6", "-H",
                             "X-Forwarded-Host: evil", "-H", "Forwarded: for=6.6.6.6", "-H",
                             "Connection: X-Own2, x-forwarded-proto", "-H", "X-Own2: 2", "-H",
                             "Upgrade: h2c", "-H", "X_Own: underscore")
        assert (answer.status, answer.body) == (200, b"ok")
        request, = app.requests
        assert (request.method, request.target) == ("PUT", "/a%20b//c;d/%2F?x=%2F&y")
        assert request.body == b"hello"
        assert request.value("host") == f"localhost:{server.https}"
        assert request.value("x-own") == "1"
        assert request.values("x-forwarded-for") == ["127.0.0.1"]
        assert request.values("x-forwarded-proto") == ["https"]
        assert request.values("x-forwarded-host") == [f"localhost:{server.https}"]
        assert request.values("forwarded") == \
            [f'for=127.0.0.1;host="localhost:{server.https}";proto=https']
        assert request.value("via") == ("1.1" if version == "--http1.1" else "2.0") + " gardien"
        assert re.fullmatch("[0-9a-f]{32}", request.value("x-request-id"))
        if version == "--http1.1":  # curl sends no Connection over HTTP/2
            assert request.values("x-own2") == []
        for gone in ("connection", "upgrade", "x_own", "te"):
            assert request.values(gone) == [], gone


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_answers_come_back_as_they_were(start, version):
    answer = (b"HTTP/1.1 418 Teapot\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Type: x/y\r\n"
              b"Connection: close, X-Hop\r\nX-Hop: 1\r\nX-Accel-Redirect: /etc/passwd\r\n"
              b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
              b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n")
    with Upstream(lambda c, r: c.send(answer)) as app:
        server = start(site(app.address))
        got = server.curl("/", version)
        assert (got.status, got.body) == (418, b"abcde")
        assert got.all_headers["set-cookie"] == ["a=1", "b=2"]
        assert got.headers["content-type"] == "x/y"
        assert got.headers["content-encoding"] == "gzip"
        assert "x-hop" not in got.headers and "x-accel-redirect" not in got.headers


def test_an_empty_error_of_the_application_stays_empty(start):
    with Upstream(lambda c, r: c.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as app:
        got = start(site(app.address)).curl("/")
        assert (got.status, got.body) == (404, b"")


def test_answers_without_body_end_at_once(start):
    answers = {"HEAD": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
               "GET": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\n",
               "DELETE": b"HTTP/1.1 204 No Content\r\n\r\n"}
    with Upstream(lambda c, r: c.send(answers[r.method])) as app:
        server = start(site(app.address))
        for version in ("--http1.1", "--http2"):
            head = server.curl("/", version, "-I", seconds=5)
            assert (head.status, head.headers["content-length"]) == (200, "5")
            assert server.curl("/", version, seconds=5).status == 304
            assert server.curl("/", version, "-X", "DELETE", seconds=5).status == 204
        assert app.connections == 1


def test_the_verb_puts_https_in_front(tmp_path):
    with Upstream() as app:
        server = Gardien(tmp_path / "g")
        server.command = [str(word) for word in
                          (server.binary, "proxy", "localhost", f":{app.port}", "--state",
                           server.state, "--https", f"127.0.0.1:{server.https}")]
        server.launch().wait_ready()
        try:
            assert server.curl("/").body == b"ok"
        finally:
            server.finish()


@pytest.mark.parametrize("arguments, message", [
    ([], "there is no address to forward to"),
    (["app.example.com"], "app.example.com has no port"),
    (["localhost", "h2c://127.0.0.1:1"], "is HTTP/2, which is not spoken"),
    (["localhost", "127.0.0.1:1/api"], "has a path"),
])
def test_the_verb_says_what_is_wrong(arguments, message):
    from lib import BINARY
    result = run(BINARY, "proxy", *arguments)
    assert result.returncode == 2 and message in result.stderr, result.stderr


def test_files_and_applications_share_a_site(start):
    with Upstream() as app, Upstream(lambda c, r: c.send(OK.replace(b"ok", b"v2"))) as second:
        server = start(lambda g: {"workers": 1, "sites": [{
            "names": ["localhost"], "files": str(g.public), "routes": [
                {"path": "/api/", "proxy": app.address},
                {"path": "/api/v2", "proxy": second.address},
                {"path": "/old", "redirect": "/new"}]}]})
        assert b"hello" in server.curl("/").body
        assert server.curl("/api/x?y=1").body == b"ok"
        assert server.curl("/api/v2/x").body == b"v2"
        assert server.curl("/api/v22").body == b"ok"
        assert server.curl("/old").status in (301, 302, 307, 308)
        assert server.curl("/apix").status == 404
        assert [r.target for r in app.requests] == ["/api/x?y=1", "/api/v22"]
        # what is matched is the path as it is understood; what is forwarded is as it was written
        assert server.curl("/%61pi/%78").body == b"ok"
        assert app.requests[-1].target == "/%61pi/%78"
        # what the two could read differently reaches nobody
        for path in ("/api/../secret", "/x/%2e%2e/api/", "/api/%2e%2e/x", "/api/..;/x", "/api/..%2fx",
                     "/api/%252e%252e/x", "/api/a%5cb"):
            assert server.curl(path).status in (400, 404), path
        assert len(app.requests) == 3


# ---- where it is ----

def test_unix_sockets_are_reached(start, tmp_path):
    path = str(tmp_path / "app.sock")
    with Upstream(family=socket.AF_UNIX, address=path) as app:
        os.chmod(path, 0o777)
        for folder in (tmp_path, *tmp_path.parents[:-1]):
            if folder.stat().st_uid == os.geteuid() and str(folder) not in ("/tmp", "/"):
                folder.chmod(folder.stat().st_mode | 0o111)
        server = start(site(f"unix:{path}"))
        assert server.curl("/").body == b"ok"
        assert app.requests[0].value("host") == f"localhost:{server.https}"
        app.close()
        os.unlink(path)
        with Upstream(family=socket.AF_UNIX, address=path):  # another inode under the same path
            os.chmod(path, 0o777)
            assert server.curl("/").body == b"ok"


def test_abstract_sockets_are_reached(start):
    name = f"gardien-test-{os.getpid()}"
    with Upstream(family=socket.AF_UNIX, address="\0" + name):
        assert start(site(f"unix:@{name}")).curl("/").body == b"ok"


def test_localhost_is_tried_by_both_families(start):
    with Upstream(family=socket.AF_INET6) as app:
        assert start(site(f":{app.port}")).curl("/").body == b"ok"


def test_names_are_looked_up(start):
    with Upstream() as app:
        server = start({"workers": 1, "sites": [{"names": ["localhost"], "proxy": "app"}],
                        "upstreams": {"app": {"servers": [f"ip6-localhost:{app.port}",
                                                          f"localhost.:{app.port}"
                                                          .replace("localhost.", "localhost")]}}})
        assert server.curl("/").body == b"ok"


def test_a_name_that_is_nobodys_does_not_stop_the_start(start):
    with Upstream() as app:
        server = start({"workers": 1, "sites": [{"names": ["localhost"], "proxy": "app"}],
                        "upstreams": {"app": {"servers": ["no-such-host.invalid:80", app.address]}}})
        for _ in range(3):
            assert server.curl("/").status == 200


# ---- connections ----

def test_connections_are_used_again(start):
    with Upstream() as app:
        server = start(site(app.address))
        for _ in range(5):
            assert server.curl("/").status == 200
        assert app.connections == 1


def test_unused_connections_are_closed_before_the_server_does(start):
    closed = []

    def answer(connection, request):
        connection.send(OK)
        began = time.monotonic()
        if not connection.more():
            closed.append(time.monotonic() - began)
            return False

    with Upstream(answer) as app:
        server = start(site(app.address))
        assert server.curl("/").status == 200
        wait_until(lambda: closed, 8, "the connection to be closed")
        assert 3 < closed[0] < 5 * PATIENCE


def test_a_kept_connection_that_ends_is_no_failure(start):
    """The server closes after each answer without saying so: the next request finds a dead
    connection, and nobody hears of it. Nothing is executed twice."""
    def answer(connection, request):
        connection.send(OK)
        return False

    with Upstream(answer) as app:
        server = start(site(app.address))
        for number in range(10):
            assert server.curl(f"/{number}").status == 200
            assert server.curl(f"/{number}", "-d", "x").status == 200
        assert [r.target for r in app.requests].count("/3") == 2
        assert len(app.requests) == 20
        assert "upstream failed" not in server.output()


def test_requests_that_may_have_run_are_not_sent_again(start):
    """The server reads a request and closes without an answer: only idempotent ones come again."""
    with Upstream(lambda c, r: False) as app:
        server = start(site("app", upstreams={"app": {"servers": [app.address],
                                                      "health": {"failures": 0}}}))
        assert server.curl("/post", "-d", "x").status == 502
        assert len(app.requests) == 1
        assert server.curl("/get").status == 502
        assert [r.target for r in app.requests].count("/get") == 1  # there is no other server


def test_retries_go_to_another_server(start):
    with Upstream(lambda c, r: False) as bad, Upstream() as good:
        server = start(site("app", upstreams={"app": {"servers": [bad.address, good.address],
                                                      "health": {"failures": 0}}}))
        for _ in range(6):
            assert server.curl("/").status == 200
        statuses = {server.curl("/", "-d", "x").status for _ in range(6)}
        assert statuses == {200, 502}
        assert len(bad.requests) == len(good.requests) - 6 + 3 or len(bad.requests) >= 3


def test_a_server_that_refuses_is_left_out(start):
    dead = free_port()
    with Upstream() as good:
        server = start(site("app", upstreams={"app": {"servers": [f"127.0.0.1:{dead}",
                                                                  good.address]}}))
        for _ in range(10):
            assert server.curl("/", "-d", "x").status == 200
        assert server.output().count("upstream failed") <= 3


def test_a_request_that_breaks_the_server_breaks_no_other_request(start):
    """The last server is never left out for what happens behind a connection."""
    def script(connection, request):
        if request.target == "/crash":
            return False
        connection.send(OK)

    with Upstream(script) as app:
        server = start(site(app.address))
        for _ in range(10):
            assert server.curl("/crash").status == 502
            assert server.curl("/").status == 200


def test_servers_take_turns_by_weight(start):
    with Upstream() as a, Upstream() as b:
        server = start(site("app", upstreams={"app": {"servers": [a.address, b.address],
                                                      "weights": {a.address: 3}}}))
        for _ in range(20):
            assert server.curl("/").status == 200
        assert (len(a.requests), len(b.requests)) == (15, 5)


def test_the_connector_may_die(start):
    with Upstream(lambda c, r: c.send(OK) or False) as app:
        server = start(site(app.address))
        assert server.curl("/").status == 200
        pid, = server.role("connect")  # the kernel keeps 15 bytes of a name
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: server.role("connect") not in ([], [pid]), 10, "a new connector")
        for _ in range(3):
            assert server.curl("/").status == 200


# ---- failures ----

def test_nobody_listens(start):
    port = free_port()
    server = start(site(f"127.0.0.1:{port}"))
    answer = server.curl("/secret-path")
    assert answer.status == 502
    assert str(port) not in answer.text and "refused" not in answer.text
    line = server.wait_output("upstream failed.*").group()
    assert f"upstream=127.0.0.1:{port} " in line and 'stage="connecting"' in line
    assert "Connection refused" in line and "attempt=1" in line and "reused=no" in line
    for _ in range(2):
        server.curl("/")
    answer = server.curl("/")
    assert answer.status == 503 and 1 <= int(answer.headers["retry-after"]) <= 15
    with Upstream(address=port):
        wait_until(lambda: server.curl("/").status == 200, 5, "the server to be found again")


MALFORMED = [
    b"SSH-2.0-OpenSSH\r\n\r\n",
    b"HTTP/1.1 200 OK\n\nx",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nX : 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    b"HTTP/3 200 OK\r\n\r\n",
]


@pytest.mark.parametrize("answer", MALFORMED)
def test_malformed_answers_are_502(start, answer):
    answers = [answer, OK]

    def script(connection, request):
        connection.send(answers.pop(0) if answers else OK)
        connection.more()

    with Upstream(script) as app:
        server = start(site(app.address))
        assert server.curl("/", "-d", "x").status == 502
        assert server.curl("/").body == b"ok"
        assert app.connections == 2


def test_surplus_bytes_are_nobodys_answer(start):
    """Two answers to one request: the second one must not answer the next request."""
    def script(connection, request):
        connection.send(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        connection.more()

    with Upstream(script) as app:
        server = start(site(app.address))
        for _ in range(4):
            assert server.curl("/").body == b"ok"
        assert app.connections == 4


@pytest.mark.parametrize("answer, body", [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", b"short"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", b"short"),
])
@pytest.mark.parametrize("version, code", [("--http1.1", {18}), ("--http2", {92, 18})])
def test_a_cut_answer_looks_cut(start, answer, body, version, code):
    with Upstream(lambda c, r: c.send(answer) or False) as app:
        server = start(site(app.address))
        result = server.curl_code("/", version)
        assert result.returncode in code, result.stderr


def test_an_answer_that_ends_with_its_connection_is_whole(start):
    with Upstream(lambda c, r: c.send(b"HTTP/1.0 200 OK\r\n\r\nhello") or False) as app:
        assert start(site(app.address)).curl("/").body == b"hello"


def test_large_heads_are_bounded(start):
    def script(connection, request):
        size = int(request.target[1:])
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n")
        line = b"X-A: " + b"a" * 1000 + b"\r\n"
        for _ in range(size // len(line)):
            connection.send(line)
        connection.send(b"\r\nok")

    with Upstream(script) as app:
        server = start(site(app.address))
        assert server.curl("/60000").status == 200
        assert server.curl("/67000").status == 502
        assert "too long" in server.wait_output("upstream failed.*").group()
        worker, = server.role("worker")
        before = resident(worker)
        assert server.curl("/100000000").status == 502
        assert resident(worker) - before < (64 if SANITIZED else 8) << 20


def test_a_silent_server_is_504(start):
    release = threading.Event()
    with Upstream(lambda c, r: release.wait(30) and False) as app:
        server = start(site("app", upstreams={"app": {"servers": [app.address],
                                                      "timeouts": {"first_byte": "500ms"}}}))
        began = time.monotonic()
        assert server.curl("/").status == 504
        assert time.monotonic() - began < 5 * PATIENCE
        line = server.wait_output("upstream failed.*").group()
        assert 'stage="waiting for the answer"' in line and "attempt=1" in line
        release.set()


def test_the_wait_for_an_answer_begins_after_the_upload(start):
    with Upstream() as app:
        server = start(site("app", upstreams={"app": {"servers": [app.address],
                                                      "timeouts": {"first_byte": "700ms"}}}))
        with server.tls(alpn=["http/1.1"]) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n")
            for _ in range(6):
                time.sleep(0.3)
                sock.sendall(b"a")
            assert read_head(sock).startswith(b"HTTP/1.1 200 ")


# ---- streaming ----

def test_events_arrive_at_once(start):
    go = threading.Event()

    def script(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        go.wait(20)
        connection.send(b"data: 2\n\n")
        return False

    with Upstream(script) as app:
        server = start(site(app.address))
        with server.tls(alpn=["http/1.1"]) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip, zstd\r\n\r\n")
            head = read_head(sock)
            while b"data: 1\n\n" not in head:
                head += sock.recv(4096)
            assert b"content-encoding" not in head
            go.set()
            while b"data: 2\n\n" not in head:
                head += sock.recv(4096)


@pytest.mark.parametrize("framing", [b"Content-Length: 10", b"Transfer-Encoding: chunked"])
def test_uploads_arrive_at_once(start, framing):
    chunked = b"chunked" in framing
    arrived = threading.Event()

    def script(connection, request):
        first = connection.exactly(len(b"5\r\nhello\r\n") if chunked else 5)
        assert b"hello" in first
        arrived.set()
        rest = connection.until(b"0\r\n\r\n") if chunked else connection.exactly(5)
        connection.send(OK if b"world" in rest else b"HTTP/1.1 400 Bad\r\n\r\n")

    with Upstream(script, reads_body=False) as app:
        server = start(site(app.address))
        with server.tls(alpn=["http/1.1"]) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + framing + b"\r\n\r\n")
            sock.sendall(b"5\r\nhello\r\n" if chunked else b"hello")
            assert arrived.wait(10 * PATIENCE)
            sock.sendall(b"5\r\nworld\r\n0\r\n\r\n" if chunked else b"world")
            assert read_head(sock).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_waits_for_100_is_told_to_go_on(start):
    with Upstream() as app:
        server = start(site(app.address))
        with server.tls(alpn=["http/1.1"]) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                         b"Content-Length: 5\r\n\r\n")
            assert read_head(sock) == b"HTTP/1.1 100 Continue\r\n\r\n"
            sock.sendall(b"hello")
            assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        assert app.requests[0].body == b"hello" and app.requests[0].value("expect") is None


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_an_early_answer_reaches_the_client(start, version, tmp_path):
    """The server answers 413 and closes without reading the upload."""
    def script(connection, request):
        connection.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n"
                        b"Connection: close\r\n\r\nbig")
        return False

    big = tmp_path / "big"
    big.write_bytes(b"x" * (20 << 20))
    with Upstream(script, reads_body=False) as app:
        server = start(site(app.address))
        answer = server.curl("/", version, "-T", big)
        assert (answer.status, answer.body) == (413, b"big")


def test_large_bodies_pass_both_ways(start, tmp_path):
    def script(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(request.body), 100000):
            part = request.body[at:at + 100000]
            connection.send(b"%x\r\n" % len(part) + part + b"\r\n")
        connection.send(b"0\r\n\r\n")

    big = tmp_path / "big"
    big.write_bytes(os.urandom(8 << 20))
    with Upstream(script) as app:
        server = start(site(app.address))
        for version in ("--http1.1", "--http2"):
            answer = server.curl("/", version, "-X", "POST", "--data-binary", f"@{big}")
            assert answer.body == big.read_bytes()


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_another_path_stands_in_place_of_the_routes(start, version):
    with Upstream(lambda c, r: c.send(b"HTTP/1.1 302 Found\r\nLocation: /login?next=/\r\nSet-Cookie: "
                                      b"a=1; Path=/\r\nContent-Length: 0\r\n\r\n")) as app:
        server = start(lambda s: {"sites": [{"names": ["localhost"], "files": str(s.public), "routes": [
            {"path": "/api", "proxy": {"to": app.address, "path": "/"}},
            {"path": "/old", "proxy": {"to": app.address, "path": "/v1/x"}},
            {"path": "/whole", "proxy": app.address}]}]})
        answer = server.curl("/api/a%20b?c=/api", version)
        assert app.requests[-1].target == "/a%20b?c=/api"
        assert app.requests[-1].value("x-forwarded-prefix") == "/api"
        assert answer.headers["location"] == "/api/login?next=/"
        assert answer.headers["set-cookie"] == "a=1; Path=/api/"
        answer = server.curl("/old", version)
        assert app.requests[-1].target == "/v1/x"
        assert answer.headers["location"] == "/login?next=/"
        server.curl("/whole/y", version, "-H", "X-Forwarded-Prefix: /evil")
        assert app.requests[-1].target == "/whole/y" and app.requests[-1].value("x-forwarded-prefix") is None


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_the_application_gets_what_the_files_do_not_have(start, version, tmp_path):
    files = {"a.css": "file", "docs/index.html": "docs", "empty/x": "x", "big": "x" * 300000}
    more = tmp_path / "more"
    more.mkdir()
    (more / "b.txt").write_text("more")
    with Upstream() as app:
        server = start(lambda s: {"sites": [{
            "names": ["localhost"], "files": str(s.public), "proxy": app.address, "routes": [
                {"path": "/more", "files": str(more), "proxy": {"to": app.address, "path": "/"}},
                {"path": "/gone", "respond": 410}]}]}, files=files)

        def ask(path, *words):
            before = len(app.requests)
            answer = server.curl(path, version, *words)
            return answer.status, answer.body, [(r.method, r.target) for r in app.requests[before:]]
        for _ in range(2):  # from the cache too
            assert ask("/a.css") == (200, b"file", [])
            assert ask("/docs/") == (200, b"docs", [])
            assert ask("/more/b.txt") == (200, b"more", [])
        assert len(ask("/big")[1]) == 300000
        for path in ("/users?x=1", "/docs", "/empty", "/empty/", "/a.css/y", "/x%2Fy", "/.hidden"):
            assert ask(path) == (200, b"ok", [("GET", path)])
        assert ask("/more/c") == (200, b"ok", [("GET", "/c")])
        assert ask("/more") == (200, b"ok", [("GET", "/")])
        assert ask("/a.css", "-X", "POST", "-d", "hello") == (200, b"ok", [("POST", "/a.css")])
        assert app.requests[-1].body == b"hello"
        assert ask("/a.css", "-X", "OPTIONS") == (200, b"ok", [("OPTIONS", "/a.css")])
        assert ask("/a.css", "-X", "GET", "-d", "q") == (200, b"ok", [("GET", "/a.css")])
        assert ask("/gone")[::2] == (410, [])


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("framing", ["Content-Length: ", "Transfer-Encoding: chunked"])
def test_a_bound_of_bodies_is_the_routes_own(start, tmp_path, version, framing):
    """`limits` bounds what is forwarded too, unless a route says otherwise."""
    def upload(path, size):
        data = tmp_path / "data"
        data.write_bytes(b"x" * size)
        more = ["-H", framing] if framing.endswith("chunked") else []
        return server.curl(path, version, "-X", "POST", "--data-binary", f"@{data}", *more).status

    with Upstream() as app:
        server = start(lambda s: {"limits": {"body_size": "1KiB"}, "sites": [{
            "names": ["localhost"], "proxy": app.address,
            "routes": [{"path": "/wide", "proxy": {"to": app.address, "body_size": "64KiB"}},
                       {"path": "/fixed", "respond": {"status": 200, "body": "ok"}}]}]})
        assert upload("/", 1024) == 200
        before = len(app.requests)
        assert upload("/", 1025) == 413
        if not framing.endswith("chunked"):
            assert len(app.requests) == before
        assert upload("/wide/x", 65536) == 200
        assert upload("/wide/x", 65537) == 413
        if not framing.endswith("chunked"):  # what answers at once waits for no body
            assert upload("/fixed", 1025) == 413


def test_a_slow_client_slows_the_server(start):
    sent = [0]

    def script(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            connection.send(b"x" * 65536)
            sent[0] += 65536

    with Upstream(script) as app:
        server = start(site(app.address))
        worker, = server.role("worker")
        before = resident(worker)
        with server.tls(alpn=["http/1.1"]) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(2)
            stalled = sent[0]
            time.sleep(1)
            assert sent[0] == stalled < 40 << 20
            assert resident(worker) - before < (64 if SANITIZED else 4) << 20


def test_a_slow_server_slows_the_client(start):
    release = threading.Event()
    with Upstream(lambda c, r: release.wait(30) and False, reads_body=False) as app:
        server = start(site(app.address))
        worker, = server.role("worker")
        before = resident(worker)
        with server.tls(alpn=["http/1.1"]) as sock:
            sock.settimeout(1)
            sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
            sent = 0
            with pytest.raises(TimeoutError):
                while sent < 100 << 20:
                    sent += sock.send(b"x" * 65536)
            assert resident(worker) - before < (64 if SANITIZED else 4) << 20
        release.set()


def test_a_slow_server_costs_its_client_no_deadline(start):
    """The client's deadlines stand still while its bytes wait for the server."""
    def script(connection, request):
        time.sleep(3)
        body = connection.body(request.head)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n%08d" % len(body))

    with Upstream(script, reads_body=False) as app:
        server = start(site(app.address, limits={"body_timeout": "1s", "body_rate": "1MiB"}))
        for version in ("--http1.1", "--http2"):
            answer = server.curl("/", version, "-T", big_file(server.folder))
            assert (answer.status, answer.body) == (200, b"08000000")


def big_file(folder):
    file = folder / "big"
    file.write_bytes(b"x" * 8000000)
    return file


def test_a_client_that_leaves_takes_its_request_along(start):
    gone = threading.Event()

    def script(connection, request):
        if not connection.more():
            gone.set()
        return False

    with Upstream(script) as app:
        server = start(site(app.address))
        with server.tls(alpn=["http/1.1"]) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wait_until(lambda: app.requests, 5, "the request to arrive")
        assert gone.wait(5 * PATIENCE)
        assert "upstream failed" not in server.output()


def test_early_hints_pass_over_http2_only(start):
    def script(connection, request):
        for _ in range(3):
            connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK)

    with Upstream(script) as app:
        server = start(site(app.address))
        over1 = server.curl_code("/", "--http1.1", "-i").stdout
        over2 = server.curl_code("/", "--http2", "-i").stdout
        assert over1.count("103") == 0 and over1.endswith("ok")
        assert over2.count("HTTP/2 103") == 3 and over2.endswith("ok")
        assert over2.count("</a.css>; rel=preload") == 3


# ---- smuggling ----

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize("data", [
    HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + SMUGGLED,
    HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + SMUGGLED,
    HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    HEAD + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello" + SMUGGLED,
    HEAD + b"Content-Length: +5\r\n\r\nhello" + SMUGGLED,
    HEAD + b"Content-Length: 5,5\r\n\r\nhello" + SMUGGLED,
    HEAD + b"Content-Length:\r\n\r\n" + SMUGGLED,
    b"POST / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    HEAD + b"X: 1\n\r\nContent-Length: 5\r\n\r\n" + SMUGGLED,
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n Content-Length: 5\r\n\r\n",
])
def test_ambiguous_requests_reach_nobody(start, data):
    with Upstream() as app:
        server = start(site(app.address))
        answer = raw(server, data)
        assert re.match(rb"HTTP/1.1 (400|501) ", answer), answer
        assert app.requests == []


@pytest.mark.parametrize("body", [
    b"5;\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"5\r\nhelloX0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"5;a=\"\r\nhello\r\n0\r\n\r\n",
])
def test_odd_chunks_are_not_forwarded(start, body):
    with Upstream() as app:
        server = start(site(app.address))
        answer = raw(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body + SMUGGLED)
        assert re.match(rb"HTTP/1.1 (400|413) ", answer), answer
        assert not any("smuggled" in r.target for r in app.requests)


def test_chunks_are_written_anew(start):
    with Upstream(reads_body=False, answer=lambda c, r: c.until(b"0\r\n\r\n") and c.send(OK)) as app:
        server = start(site(app.address))
        answer = raw(server, HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"0005;ext=\"a;b\"\r\nhello\r\n000\r\nX-Trailer: 1\r\nContent-Length: 7\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert app.requests[0].values("transfer-encoding") == ["chunked"]


# ---- settings and reloads ----

def test_a_reload_changes_the_server_and_drops_nothing(start):
    go = threading.Event()

    def slow(connection, request):
        if request.target == "/slow":
            go.wait(20)
        connection.send(OK)

    with Upstream(slow) as old, Upstream(lambda c, r: c.send(OK.replace(b"ok", b"no"))) as new:
        server = start(site(old.address))
        results = []
        thread = threading.Thread(target=lambda: results.append(server.curl_code("/slow").stdout))
        thread.start()
        wait_until(lambda: old.requests, 5, "the slow request to arrive")
        server.write_config(site(new.address))
        assert server.cli("reload").returncode == 0
        wait_until(lambda: server.tls(alpn=["http/1.1"]) and raw(
            server, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .endswith(b"no"), 5, "the new server to answer")
        go.set()
        thread.join(20)
        assert results == ["ok"]


def test_settings_without_a_proxy_start_no_connector(start):
    with Upstream() as app:
        server = start({"workers": 1, "sites": [{"names": ["localhost"], "files": "public"}]})
        assert server.role("connect") == []
        server.write_config(site(app.address))
        assert server.cli("reload").returncode == 0
        wait_until(lambda: server.curl("/").body == b"ok", 5, "the application to answer")


def test_check_of_this_machine_tries_the_applications(start, tmp_path):
    dead = free_port()
    with Upstream() as app:
        server = start({"upstreams": {"app": {"servers": [app.address]}}, "sites": [{
            "names": ["localhost"], "proxy": "app", "routes": [
                {"path": "/dead", "proxy": f"127.0.0.1:{dead}"},
                {"path": "/sock", "proxy": f"unix:{tmp_path}/none.sock"},
                {"path": "/name", "proxy": "nowhere.invalid:80"}]}]})
        said = server.cli("check", f":{server.https}", "--json", seconds=60).stdout
    found = {f["subject"]: f for f in json.loads(said)["upstreams"]}
    assert found["localhost"]["grade"] == "good" and "accepts connections" in found["localhost"]["sentence"]
    assert f"127.0.0.1:{dead}, where nobody listens" in found["localhost/dead"]["sentence"]
    assert "start the application" in found["localhost/dead"]["hint"]
    assert "none.sock, which is not there" in found["localhost/sock"]["sentence"]
    assert "leads nowhere" in found["localhost/name"]["sentence"]


@pytest.mark.parametrize("settings, message", [
    (site("app"), 'there is no "app" under `upstreams`'),
    (site("ap", upstreams={"app": ["127.0.0.1:1"]}), 'did you mean "app"?'),
    (site("app", upstreams={"app": {"servers": []}}), '"servers" needs at least 1 item'),
    (site("app", upstreams={"app": {"servers": ["127.0.0.1"]}}), "has no port"),
    (site("app", upstreams={"app": {"servers": [":1"], "weights": {":2": 1}}}), "is not written so"),
    (site("app", upstreams={"app": {"servers": [":1"], "weights": {":1": 999}}}), "from 0 to 256"),
    (site("app", upstreams={"a:b": {"servers": [":1"]}}), "is no name"),
    (site("h2c://127.0.0.1:1"), "is HTTP/2, which is not spoken"),
    ({"sites": [{"names": ["localhost"], "proxy": ":1", "files": "/tmp", "fallback": "/x.html"}]},
     "`fallback` answers already"),
    ({"sites": [{"names": ["localhost"], "routes": [{"path": "/a", "proxy": "app"}]}]},
     'there is no "app" under `upstreams`'),
    ({"sites": [{"names": ["localhost"], "routes": [{"path": "/a", "proxy": ":1", "respond": 410}]}]},
     "one way to answer, this one has several"),
])
def test_wrong_settings_are_explained(start, settings, message):
    server = start(settings, wait=False)
    server.expected_exit = 2
    server.process.wait(20 * PATIENCE)
    assert message in server.output()
