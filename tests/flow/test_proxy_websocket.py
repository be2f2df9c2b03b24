"""WebSockets through the proxy: bytes pass both ways after a 101 and not before, and nothing else becomes
a tunnel."""

import os
import ssl
import threading
import time

import pytest

from lib import PATIENCE, wait_until
from upstream import Upstream, raw, read_head, site

UPGRADE = (b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\n"
           b"Upgrade: WebSocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
SWITCH = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
          b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")


def echo(connection, request):
    """Switches protocols, then sends back whatever comes."""
    connection.send(SWITCH)
    while True:
        if connection.rest:
            connection.send(connection.rest)
            connection.rest = b""
        if not connection.more():
            return False


def read_exactly(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        assert piece, f"ended after {data!r}"
        data += piece
    return data


def test_websockets_pass_both_ways(start):
    with Upstream(echo) as app:
        server = start(site(app.address))
        with server.tls(alpn=["http/1.1"]) as sock:
            sock.sendall(UPGRADE)
            head = read_head(sock).lower()
            assert head.startswith(b"http/1.1 101 switching protocols\r\n")
            for line in (b"connection: upgrade\r\n", b"upgrade: websocket\r\n",
                         b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n",
                         b"sec-websocket-extensions: permessage-deflate\r\n"):
                assert head.count(line) == 1, line
            assert b"content-length" not in head and b"transfer-encoding" not in head
            for message in (b"\x81\x85\0\0\0\0hello", b"GET / HTTP/1.1\r\n\r\n", os.urandom(1 << 20)):
                for at in range(0, len(message), 16384):
                    sock.sendall(message[at:at + 16384])
                    assert read_exactly(sock, len(message[at:at + 16384])) == message[at:at + 16384]
        request, = app.requests
        assert request.values("connection") == ["upgrade"] and request.values("upgrade") == ["websocket"]
        assert request.value("sec-websocket-key") == "dGhlIHNhbXBsZSBub25jZQ=="
        assert request.value("sec-websocket-extensions") == "permessage-deflate"


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_tunnel_ends_with_either_side(start, side):
    ended = threading.Event()

    def script(connection, request):
        connection.send(SWITCH + b"bye")
        if side == "client":
            while connection.more():
                pass
            ended.set()
        return False

    with Upstream(script) as app:
        server = start(site(app.address))
        with server.tls(alpn=["http/1.1"]) as sock:
            sock.sendall(UPGRADE)
            data = read_head(sock)
            while not data.endswith(b"bye"):
                data += sock.recv(100)
            if side == "server":
                assert sock.recv(100) == b""
        if side == "client":
            assert ended.wait(5 * PATIENCE)
        assert "upstream failed" not in server.output()


def test_a_refused_upgrade_leaves_no_tunnel(start):
    """What the client sends behind a refused upgrade is its next request, and is judged as one."""
    with Upstream() as app:
        server = start(site(app.address))
        answer = raw(server, UPGRADE + b"GET /next HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 6"
                     b"\r\nConnection: close\r\n\r\n")
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert [r.target for r in app.requests] == ["/ws", "/next"]
        assert app.requests[1].values("x-forwarded-for") == ["127.0.0.1"]


def test_bytes_sent_ahead_wait_for_the_switch(start):
    go = threading.Event()

    def script(connection, request):
        connection.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.more()
        connection.sock.settimeout(None)
        assert connection.rest == b""
        go.set()
        return echo(connection, request)

    with Upstream(script) as app:
        server = start(site(app.address))
        with server.tls(alpn=["http/1.1"]) as sock:
            sock.sendall(UPGRADE + b"early")
            assert b" 101 " in read_head(sock).split(b"\r\n")[0]
            assert go.is_set()
            assert read_exactly(sock, 5) == b"early"


@pytest.mark.parametrize("head", [
    UPGRADE.replace(b"WebSocket\r", b"h2c\r"),
    UPGRADE.replace(b"keep-alive, Upgrade", b"keep-alive"),
    UPGRADE.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"),
    UPGRADE.replace(b"\r\n\r\n", b"\r\nUpgrade: h2c\r\n\r\n"),
])
def test_only_websocket_is_asked_for(start, head):
    with Upstream() as app:
        server = start(site(app.address))
        assert raw(server, head.replace(b"keep-alive", b"close")).startswith(b"HTTP/1.1 200")
        assert app.requests[0].values("upgrade") == [] and app.requests[0].values("connection") == []


def test_a_silent_tunnel_ends_after_its_time(start):
    with Upstream(echo) as app:
        server = start(site("app", upstreams={"app": {"servers": [app.address],
                                                      "timeouts": {"tunnel": "1s"}}}))
        with server.tls(alpn=["http/1.1"]) as sock:
            sock.sendall(UPGRADE)
            read_head(sock)
            for _ in range(4):  # bytes of one direction keep it
                time.sleep(0.5)
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
            began = time.monotonic()
            try:
                assert sock.recv(1) == b""
            except ssl.SSLError:
                pass
            assert 0.5 < time.monotonic() - began < 5 * PATIENCE


def test_a_reload_keeps_tunnels(start):
    with Upstream(echo) as app, Upstream() as other:
        server = start(site(app.address))
        with server.tls(alpn=["http/1.1"]) as sock:
            sock.sendall(UPGRADE)
            read_head(sock)
            server.write_config(site(other.address))
            assert server.cli("reload").returncode == 0
            wait_until(lambda: server.curl("/").status == 200 and other.requests, 5, "the reload")
            sock.sendall(b"still here")
            assert read_exactly(sock, 10) == b"still here"
