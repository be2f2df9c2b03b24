"""Applications that speak TLS: who they are is verified, and when it fails the log says what to do."""

import os
import socket
import ssl
import threading

import pytest

from lib import PATIENCE, make_certificate, run, wait_until
from upstream import OK, Upstream, raw, site


class Backend(Upstream):
    """With a self-signed certificate for `names`. `sni` has what clients asked for, `resumed` whether
    their sessions were."""

    def __init__(self, folder, names=("app.internal",), answer=None, **more):
        self.certificate, key = make_certificate(folder, "backend", list(names))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        self.sni, self.resumed, self.alpn = [], [], []
        self.context.sni_callback = lambda sock, name, context: self.sni.append(name)
        self.then = answer or (lambda connection, request: connection.send(OK))
        super().__init__(self.note, tls=self.context, **more)

    def note(self, connection, request):
        self.resumed.append(connection.sock.session_reused)
        self.alpn.append(connection.sock.selected_alpn_protocol())
        return self.then(connection, request)


def group(app, scheme="https", **tls):
    """Settings of a site whose group has these `tls` settings."""
    return site("app", upstreams={"app": {"servers": [f"{scheme}://{app.address}"], "tls": tls}})


def refused(server):
    """The line of the log about a request that no server answered."""
    answer = server.curl("/")
    assert answer.status == 502 and "certificate" not in answer.text
    return server.wait_output("upstream failed.*").group()


# ---- what is trusted ----

@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_a_private_authority_is_trusted_by_file(start, tmp_path, version):
    def echo(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body))
        connection.send(request.body)

    big = tmp_path / "big"
    big.write_bytes(os.urandom(3 << 20))
    with Backend(tmp_path, answer=echo) as app:
        server = start(group(app, ca_file=str(app.certificate), name="app.internal"))
        for _ in range(2):
            answer = server.curl("/", version, "--data-binary", f"@{big}")
            assert answer.status == 200 and answer.body == big.read_bytes()
        assert app.connections == 1
        assert (app.sni, app.alpn) == (["app.internal"], ["http/1.1"] * 2)
        assert app.requests[0].value("host") == f"localhost:{server.https}"


def test_sessions_are_resumed(start, tmp_path):
    def answer(connection, request):
        connection.send(OK)
        return False

    with Backend(tmp_path, answer=answer) as app:
        server = start(group(app, ca_file=str(app.certificate), name="app.internal"))
        for _ in range(3):
            assert server.curl("/").body == b"ok"
        assert app.connections >= 3 and app.resumed[0] is False and app.resumed[-1] is True


def test_authorities_of_the_system_are_trusted(start, tmp_path):
    with Backend(tmp_path, ["localhost"]) as app:
        server = start(site(f"https://localhost:{app.port}"),
                       env={"SSL_CERT_FILE": str(app.certificate)})
        assert server.curl("/").body == b"ok"
        assert app.sni == ["localhost"]


def test_addresses_are_verified_and_not_asked_for(start, tmp_path):
    with Backend(tmp_path, ["127.0.0.1"]) as app:
        server = start(group(app, ca_file=str(app.certificate)))
        assert server.curl("/").body == b"ok"
        assert app.sni == [None]


def test_an_unknown_authority_is_refused_and_explained(start, tmp_path):
    with Backend(tmp_path) as app:
        server = start(group(app, name="app.internal"))
        line = refused(server)
        assert "self-signed certificate" in line or "self signed certificate" in line
        assert "tls.ca_file" in line and "for app.internal is refused" in line
        assert app.requests == []


def test_another_name_is_refused_and_explained(start, tmp_path):
    with Backend(tmp_path) as app:
        server = start(group(app, ca_file=str(app.certificate)))
        line = refused(server)
        assert "IP address mismatch" in line and "tls.name" in line
        assert app.requests == []


def test_verifying_can_be_turned_off(start, tmp_path):
    with Backend(tmp_path) as app:
        server = start(group(app, verify=False))
        assert server.curl("/").body == b"ok"


def test_a_reload_ends_trust(start, tmp_path):
    with Backend(tmp_path) as app:
        server = start(group(app, ca_file=str(app.certificate), name="app.internal"))
        assert server.curl("/").body == b"ok"
        server.write_config(group(app, name="app.internal"))
        assert server.cli("reload").returncode == 0
        wait_until(lambda: server.curl("/").status in (502, 503), 10, "the old trust to end")


# ---- servers that do not do as they should ----

def test_a_server_without_tls_is_explained(start):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def answer():
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        server = start(site(f"https://127.0.0.1:{listener.getsockname()[1]}"))
        line = refused(server)
        assert "the TLS handshake with the upstream server failed" in line, line


def test_a_server_that_wants_a_certificate_gets_no_request_and_is_502(start, tmp_path):
    with Backend(tmp_path) as app:
        app.context.verify_mode = ssl.CERT_REQUIRED
        app.context.load_verify_locations(app.certificate)
        server = start(group(app, ca_file=str(app.certificate), name="app.internal"))
        assert server.curl("/").status == 502
        assert app.requests == []


def test_a_silent_handshake_is_504(start):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        server = start(site("app", upstreams={
            "app": {"servers": [address], "timeouts": {"connect": "300ms"}}}))
        assert server.curl("/").status == 504
        connection, _ = listener.accept()
        connection.settimeout(20 * PATIENCE)
        while connection.recv(65536):  # the hello, then the end: nothing is kept waiting for
            pass
        connection.close()


@pytest.mark.parametrize("notify, whole", [(True, True), (False, False)])
def test_an_answer_without_length_is_whole_only_after_close_notify(start, tmp_path, notify, whole):
    def answer(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nbody")
        if notify:
            try:
                connection.sock.unwrap()
            except OSError:
                pass
        return False

    with Backend(tmp_path, answer=answer) as app:
        server = start(group(app, ca_file=str(app.certificate), name="app.internal"))
        got = raw(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert got.endswith(b"0\r\n\r\n") == whole, got


def test_websockets_pass_over_tls(start, tmp_path):
    def answer(connection, request):
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                        b"Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
                        b"\r\n\r\n")
        connection.send(connection.exactly(4)[::-1])

    with Backend(tmp_path, answer=answer) as app:
        server = start(group(app, ca_file=str(app.certificate), name="app.internal"))
        with server.tls(alpn=["http/1.1"]) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                         b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                         b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += sock.recv(1)
            assert b" 101 " in head
            sock.sendall(b"abcd")
            assert sock.recv(4) == b"dcba"


# ---- settings ----

@pytest.mark.parametrize("content, message", [
    (None, "cannot be read"), ("no certificate", "has no certificate in it")])
def test_a_wrong_file_of_authorities_is_explained(tmp_path, content, message):
    from lib import BINARY
    if content:
        (tmp_path / "ca.pem").write_text(content)
    (tmp_path / "gardien.yaml").write_text(
        "upstreams: {app: {servers: ['https://a.test'], tls: {ca_file: ca.pem}}}\n"
        "sites: [{names: [localhost], proxy: app}]\n")
    result = run(BINARY, "config", "check", tmp_path / "gardien.yaml")
    assert result.returncode != 0 and message in result.stdout + result.stderr
    assert "upstreams.app.tls.ca_file" in result.stdout + result.stderr \
        or "gardien.yaml:1" in result.stdout + result.stderr
