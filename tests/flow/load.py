"""Clients that keep asking while a test does something to the server, and one that takes its time
over a long download. They note every failure; whether any is allowed is said by the tests."""

import hashlib
import socket
import ssl
import threading
import time

import hpack
from hyperframe import frame

from lib import PATIENCE, anything_goes, read_answer


class Client(threading.Thread):
    """Asks for a path again and again until told to stop. Kept connections are used for `requests`
    each. With `forgiving`, a kept connection that ended without a byte of an answer is replaced and
    the request is sent anew once, as RFC 9112 section 9.3.1 has it; else that is an error."""

    def __init__(self, server, path="/", requests=1000000, forgiving=False):
        super().__init__(daemon=True)
        self.server, self.path, self.requests, self.forgiving = server, path, requests, forgiving
        self.context = anything_goes()
        self.halt = threading.Event()
        self.errors, self.done, self.connections = [], 0, 0
        self.slowest = 0.0  # seconds from asking to the whole answer, the handshake included
        self.peer = None

    def run(self):
        fails = 0
        while not self.halt.is_set():
            kept, began = self.peer is not None, time.monotonic()
            try:
                if not kept:
                    self.connect()
                    self.connections += 1
                self.ask()
                self.done += 1
                self.slowest = max(self.slowest, time.monotonic() - began)
                fails = 0
            except Lost as lost:
                self.drop()
                if not (kept and self.forgiving):
                    self.note(lost)
            except (OSError, AssertionError, ValueError, hpack.HPACKError) as error:
                self.drop()
                self.note(error)
                fails += 1
                time.sleep(min(0.02 * fails, 0.2))
        self.drop()

    def note(self, error):
        self.errors.append(f"{type(self).__name__} after {self.done}: {error!r}")

    def drop(self):
        peer, self.peer = self.peer, None
        if peer:
            peer.close()


class Lost(Exception):
    """A connection ended before an answer began."""


class Http1(Client):
    """One request at a time over HTTP/1.1."""

    def connect(self):
        self.peer = self.server.tls(context=self.context, seconds=10)
        self.left = self.requests

    def ask(self):
        self.left -= 1
        close = "Connection: close\r\n" if self.left == 0 else ""
        try:
            self.peer.sendall(f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\n{close}\r\n".encode())
            answer = read_answer(self.peer)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError) as error:
            raise Lost(repr(error)) from None
        except AssertionError as error:
            if "answer: b''" in str(error):
                raise Lost("the connection ended") from None
            raise
        assert answer.status == 200, answer
        if self.left == 0 or answer.headers.get("connection", "").lower() == "close":
            self.drop()


class Http2(Client):
    """Eight streams at a time over HTTP/2; a GOAWAY that leaves them all alone is no error. It
    handles frames itself: python3-h2 takes no answer any more after a GOAWAY."""

    STREAMS = 8
    HEADERS = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost")]

    def connect(self):
        self.context.set_alpn_protocols(["h2"])
        self.peer = self.server.tls(context=self.context, seconds=10)
        self.encoder, self.decoder, self.input = hpack.Encoder(), hpack.Decoder(), bytearray()
        self.next, self.left, self.taken = 1, self.requests, 0
        self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame.SettingsFrame(0))

    def send(self, preface, *frames):
        self.peer.sendall(preface + b"".join(one.serialize() for one in frames))

    def request(self, stream):
        fields = self.encoder.encode([*self.HEADERS, (":path", self.path)])
        return frame.HeadersFrame(stream, fields, flags=["END_HEADERS", "END_STREAM"])

    def ask(self):
        self.waiting = set(range(self.next, self.next + 2 * self.STREAMS, 2))
        self.goodbye, self.heard = None, False
        frames = [self.request(stream) for stream in sorted(self.waiting)]
        self.next += 2 * self.STREAMS
        self.left -= 1
        if self.taken:
            frames.append(frame.WindowUpdateFrame(0, self.taken))
            self.taken = 0
        try:
            self.send(b"", *frames)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError) as error:
            raise Lost(repr(error)) from None
        while self.waiting:
            self.on_frame(*self.read_frame())
            if self.goodbye is not None and min(self.waiting, default=0) > self.goodbye:
                raise Lost("GOAWAY before any of these")
        if self.goodbye is not None or self.left == 0:
            self.drop()

    def read_frame(self):
        while len(self.input) < 9 or len(self.input) < 9 + int.from_bytes(self.input[:3], "big"):
            try:
                piece = self.peer.recv(65536)
            except (ConnectionResetError, ssl.SSLEOFError):
                piece = b""
            if not piece and self.heard:
                raise ConnectionError(f"ended with {len(self.waiting)} streams under way")
            if not piece:
                raise Lost("the connection ended")
            self.input += piece
        one, length = frame.Frame.parse_frame_header(memoryview(bytes(self.input[:9])))
        one.parse_body(memoryview(bytes(self.input[9:9 + length])))
        del self.input[:9 + length]
        return one, length

    def on_frame(self, one, length):
        self.heard = self.heard or one.stream_id in self.waiting
        if isinstance(one, frame.HeadersFrame):
            status = dict(self.decoder.decode(one.data))[":status"]
            assert status == "200", f"stream {one.stream_id}: status {status}"
        elif isinstance(one, frame.DataFrame):
            self.taken += length
        elif isinstance(one, frame.SettingsFrame) and "ACK" not in one.flags:
            self.send(b"", frame.SettingsFrame(0, flags=["ACK"]))
        elif isinstance(one, frame.RstStreamFrame):
            raise ValueError(f"stream {one.stream_id} reset with {one.error_code}")
        elif isinstance(one, frame.GoAwayFrame):
            assert one.error_code == 0, f"GOAWAY with {one.error_code}"
            self.goodbye = one.last_stream_id
        if "END_STREAM" in one.flags:
            self.waiting.discard(one.stream_id)


class Load:
    """Several clients at once: `with Load(server): ...`. At the end none may have failed, unless
    `tolerant`, and each must have got something."""

    def __init__(self, server, http1=2, http2=1, fresh=1, path="/", forgiving=False, tolerant=False):
        kept = {"path": path, "forgiving": forgiving}
        self.clients = ([Http1(server, **kept) for _ in range(http1)]
                        + [Http2(server, **kept) for _ in range(http2)]
                        + [Http1(server, path, requests=1) for _ in range(fresh)])
        self.tolerant = tolerant

    def __enter__(self):
        for client in self.clients:
            client.start()
        deadline = time.monotonic() + 10 * PATIENCE
        while not all(client.done or client.errors for client in self.clients):
            assert time.monotonic() < deadline, "the load does not begin"
            time.sleep(0.01)
        return self

    def __exit__(self, kind, value, trace):
        self.stop()
        if kind is None and not self.tolerant:
            assert not self.errors, f"{len(self.errors)} failures: {self.errors[:5]}"

    def stop(self):
        for client in self.clients:
            client.halt.set()
        for client in self.clients:
            client.join(20 * PATIENCE)
            assert not client.is_alive(), "a client hangs"
            assert client.done, f"a client got no answer at all: {client.errors[:3]}"

    @property
    def errors(self):
        return [error for client in self.clients for error in client.errors]

    @property
    def slowest(self):
        return max(client.slowest for client in self.clients)

    @property
    def done(self):
        return sum(client.done for client in self.clients)

    def wait_more(self, count=1, seconds=10):
        """Waits until each client has got `count` more answers."""
        goals = [(client, client.done + count) for client in self.clients]
        deadline = time.monotonic() + seconds * PATIENCE
        while any(client.done < goal for client, goal in goals):
            assert time.monotonic() < deadline, f"the load stands still: {self.errors[-3:]}"
            time.sleep(0.01)


class Download(threading.Thread):
    """Takes a file over HTTP/1.1 a piece at a time, slowly, until finish() takes the rest and holds
    all of it against what the file had."""

    def __init__(self, server, path, content, pause=0.02):
        super().__init__(daemon=True)
        self.digest, self.size, self.pause = hashlib.sha256(content).digest(), len(content), pause
        self.hurry, self.error, self.answer = threading.Event(), None, bytearray()
        self.peer = server.tls(context=anything_goes(), seconds=20)
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        self.peer.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                          .encode())
        self.start()

    def run(self):
        try:
            with self.peer:
                while piece := self.peer.recv(4096):
                    self.answer.extend(piece)
                    if not self.hurry.is_set():
                        time.sleep(self.pause)
        except OSError as error:
            self.error = error

    @property
    def under_way(self):
        return self.is_alive() and len(self.answer) < self.size

    def finish(self):
        self.hurry.set()
        self.join(60 * PATIENCE)
        assert not self.is_alive() and self.error is None, f"the download failed: {self.error!r}"
        head, _, body = bytes(self.answer).partition(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0]
        assert len(body) == self.size, f"{len(body)} of {self.size} bytes came"
        assert hashlib.sha256(body).digest() == self.digest, "other bytes came"
