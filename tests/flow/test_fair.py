"""What one client can cause, and that others are served meanwhile: long turns, stalled answers that
hold files open, requests that never end, readers that stall."""

import os
import socket
import ssl
import struct
import threading
import time
from pathlib import Path

import pytest

from lib import BINARY, PATIENCE, anything_goes, limits_of, wait_until

WAIT_MAX = 1.0  # seconds for a bystander, on a loaded machine too; it used to be 8 to 25


def frame(kind, flags, stream, payload=b""):
    return (struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
            + payload)


def text(value):
    assert len(value) < 127
    return bytes([len(value)]) + value.encode()


def literal(name, value):
    return b"\x00" + text(name) + text(value)


def h2_headers(path, method="GET", extra=b""):
    return (literal(":method", method) + literal(":scheme", "https") + literal(":path", path)
            + literal(":authority", "localhost") + extra)


def h2(server, source="127.0.0.2", settings=b""):
    """An HTTP/2 connection from another address than everybody else's."""
    context = anything_goes()
    context.set_alpn_protocols(["h2"])
    bare = socket.create_connection(("127.0.0.1", server.https), timeout=20 * PATIENCE,
                                    source_address=(source, 0))
    peer = context.wrap_socket(bare, server_hostname="localhost")
    peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, settings) + frame(4, 1, 0))
    return peer


def bystander(server):
    """Seconds that a fresh connection waits for a small answer."""
    began = time.monotonic()
    with server.tls() as peer:
        peer.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert peer.recv(100).startswith(b"HTTP/1.1 200")
    return time.monotonic() - began


def settings(server):
    many = server.public / "many"
    many.mkdir()
    for i in range(10000):
        (many / f"{i}").touch()
    packed = server.public / "cmp"
    packed.mkdir()
    line = "".join(chr(97 + i * 7 % 26) + " " for i in range(500))
    for i in range(200):
        (packed / f"{i}.txt").write_text(f"{i} {line}\n" * 250)
    return {"workers": 1,
            "sites": [{"names": ["localhost"], "files": {"root": str(server.public), "listing": True}}]}


@pytest.fixture(scope="module")
def server(start_shared):
    return start_shared(settings)


def attack_and_ask(server, attack):
    """@return the longest that a bystander waited while the attack was under way"""
    stop = threading.Event()

    def run():
        while not stop.is_set():
            attack()
    thread = threading.Thread(target=run)
    thread.start()
    try:
        time.sleep(0.2)
        return max(bystander(server) for _ in range(10))
    finally:
        stop.set()
        thread.join(60 * PATIENCE)


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_pipelined_listings_keep_nobody_waiting(server, method):
    request = f"{method} /many/ HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    def attack():
        with server.tls(context=anything_goes()) as peer:
            peer.sendall(request * 500)
            peer.settimeout(0.5)
            try:
                while peer.recv(1 << 20):
                    pass
            except (TimeoutError, ssl.SSLError, OSError):
                pass
    assert attack_and_ask(server, attack) < WAIT_MAX * PATIENCE


def test_pipelined_compression_keeps_nobody_waiting(server):
    requests = b"".join(f"HEAD /cmp/{i}.txt HTTP/1.1\r\nHost: localhost\r\n"
                        f"Accept-Encoding: br\r\n\r\n".encode() for i in range(200))

    def attack():
        with server.tls(context=anything_goes()) as peer:
            peer.sendall(requests)
            peer.settimeout(2)
            try:
                while peer.recv(1 << 20):
                    pass
            except (TimeoutError, ssl.SSLError, OSError):
                pass
    assert attack_and_ask(server, attack) < WAIT_MAX * PATIENCE


def test_many_requests_of_a_connection_are_all_answered(server):
    """Turns end; what is left goes on without a further byte of the client."""
    count = 500
    with server.tls() as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * (count - 1)
                     + b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        got = b""
        while part := peer.recv(1 << 16):
            got += part
    assert got.count(b"HTTP/1.1 200 OK") == count


# ---- who gives way ----


def test_stalled_answers_hold_no_descriptors_against_newcomers(start, tmp_path):
    """Each stream with a window of 0 holds an open file; the client that has most of them gives
    way before the descriptors run out."""
    few = tmp_path / "few"
    few.write_text(f'#!/bin/sh\nulimit -n 1000\nexec {BINARY} "$@"\n')
    few.chmod(0o755)
    server = start(lambda server: {"workers": 1, "sites": [
        {"names": ["localhost"], "files": str(server.public)}]},
        files={"big.bin": b"x" * 600000}, binary=few)
    if int(limits_of(server.role("worker")[0], "Max open files")[0]) > 1000:
        pytest.skip("gardien may raise its limit of descriptors here")
    peers = []
    try:
        for _ in range(15):
            peer = h2(server, settings=struct.pack(">HI", 4, 0))
            peer.sendall(b"".join(frame(1, 5, 1 + 2 * k, h2_headers("/big.bin")) for k in range(100)))
            peers.append(peer)
        assert bystander(server) < WAIT_MAX * PATIENCE
        server.wait_output("gives way.*short_of=descriptors address=127.0.0.2")
        assert "accepting paused" not in server.output()
    finally:
        for peer in peers:
            peer.close()


def test_unfinished_requests_hold_bounded_memory(start):
    server = start(lambda server: {"workers": 1, "limits": {"connection_memory": "256KiB"}, "sites": [
        {"names": ["localhost"], "files": str(server.public)}]}, files={"big.bin": b"x" * 600000})
    extra = b"".join(literal(f"x-{i}", "y" * 100) for i in range(60))
    with h2(server, settings=struct.pack(">HI", 4, 0)) as peer:
        try:
            for k in range(100):  # answers that are never taken
                peer.sendall(frame(1, 5, 1 + 2 * k, h2_headers("/big.bin", "GET", extra)))
                time.sleep(0.005)
            while peer.recv(65536):
                pass
        except OSError:
            pass
    server.wait_output("connection cut off.*unfinished requests hold.*address=127.0.0.2")
    assert bystander(server) < WAIT_MAX * PATIENCE


def test_a_stalled_reader_is_reset(start):
    """What the kernel still has to send for it is thrown away."""
    server = start(lambda server: {"workers": 1, "limits": {"response_timeout": "1s"}, "sites": [
        {"names": ["localhost"], "files": str(server.public)}]}, files={"big.bin": b"x" * 30000000})
    bare = socket.socket()
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    bare.settimeout(20 * PATIENCE)
    bare.connect(("127.0.0.1", server.https))
    with anything_goes().wrap_socket(bare, server_hostname="localhost") as peer:
        peer.sendall(b"GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        port = peer.getsockname()[1]

        def gone():
            """No socket of the server's end is left, in whatever state."""
            ends = [line.split()[1:3] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            return [f"0100007F:{server.https:04X}", f"0100007F:{port:04X}"] not in ends
        assert not gone()
        wait_until(gone, 15, "the server's end of the connection to be gone")
        with socket.socket(fileno=os.dup(peer.fileno())) as raw, pytest.raises(ConnectionResetError):
            while raw.recv(1 << 20):
                pass
            raise AssertionError("it ended in good order")
