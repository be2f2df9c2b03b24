"""HTTP/2: real clients (nghttp, h2load, curl), and raw frames for what no client would send."""

import re
import struct
import time

import pytest
from hpack import Decoder, Encoder

from lib import PATIENCE, SANITIZED, resident, run

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
(DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE,
 CONTINUATION) = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL, STREAM_CLOSED, ENHANCE_YOUR_CALM = 0, 1, 3, 5, 11
HEAD = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost")]
BIG = 3 << 20
FILES = {"a.txt": "alpha\n", "big.bin": bytes(range(256)) * (BIG // 256)}


def settings(limits=None):
    return lambda server: {"sites": [{"names": ["localhost"], "files": str(server.public)}],
                           "limits": limits or {}, "workers": 1}


@pytest.fixture(scope="module")
def server(start_shared):
    return start_shared(settings(), files=FILES)


@pytest.fixture(scope="module")
def strict(start_shared):
    """Small limits, so that each is reached at once."""
    return start_shared(settings({
        "h2_streams": 4, "h2_resets": 20, "h2_settings": 10, "h2_pings": 10, "h2_empty_frames": 20,
        "h2_continuations": 3, "header_size": "2KiB", "header_count": 20, "uri_length": 512,
        "body_size": "64KiB"}), files=FILES)


def frame(kind, flags=0, stream=0, payload=b""):
    return (struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream)
            + payload)


class Raw:
    """A connection of frames: sends what it is told, keeps what comes."""

    def __init__(self, server, window=None, seconds=10):
        self.peer = server.tls(alpn=["h2"], seconds=seconds)
        self.encoder, self.decoder = Encoder(), Decoder()
        self.buffer = b""
        own = b"" if window is None else struct.pack("!HI", 4, window)
        self.send(PREFACE + frame(SETTINGS, payload=own))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.peer.close()

    def send(self, data):
        """False when the server has closed already."""
        try:
            self.peer.sendall(data)
            return True
        except OSError:
            return False

    def request(self, stream, path="/a.txt", flags=END_STREAM | END_HEADERS, extra=(), head=HEAD):
        block = self.encoder.encode([*head, (":path", path), *extra])
        return frame(HEADERS, flags, stream, block)

    def frames(self):
        """Frames until the connection ends: (kind, flags, stream, payload). Pings are answered."""
        while True:
            while len(self.buffer) >= 9:
                size = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) < 9 + size:
                    break
                kind, flags, stream = struct.unpack("!BBI", self.buffer[3:9])
                payload, self.buffer = self.buffer[9:9 + size], self.buffer[9 + size:]
                if kind == PING and not flags & ACK:
                    self.send(frame(PING, ACK, 0, payload))
                yield kind, flags, stream, payload
            try:
                piece = self.peer.recv(65536)
            except (ConnectionError, OSError) as error:
                if isinstance(error, TimeoutError):
                    raise
                return
            if not piece:
                return
            self.buffer += piece

    def wait(self, wanted, stream=None):
        """The next frame of a kind (and stream); None when the connection ends before."""
        for kind, flags, of, payload in self.frames():
            if kind == wanted and stream in (None, of):
                return kind, flags, of, payload
        return None

    def answer(self, stream):
        """(status, headers, body) of a stream; ("reset", code, b"") or ("goaway", code, b"")."""
        headers, body = {}, b""
        for kind, flags, of, payload in self.frames():
            if kind == HEADERS:
                fields = dict(self.decoder.decode(payload))
                headers = fields if of == stream else headers
            elif kind == DATA and of == stream:
                body += payload
            elif kind == RST_STREAM and of == stream:
                return "reset", int.from_bytes(payload, "big"), b""
            elif kind == GOAWAY and payload[4:8] != b"\0\0\0\0":
                return "goaway", int.from_bytes(payload[4:8], "big"), b""
            if of == stream and kind in (DATA, HEADERS) and flags & END_STREAM:
                return int(headers[":status"]), headers, body
        return "closed", None, b""

    def end(self):
        """The error code of the GOAWAY with which the connection ends; None without any."""
        code = None
        for kind, _, _, payload in self.frames():
            if kind == GOAWAY:
                code = int.from_bytes(payload[4:8], "big")
        return code


# ---- what is served ----


def test_curl_multiplexes_over_one_connection(server):
    urls = [server.url(f"/a.txt?{i}") for i in range(20)]
    result = run("curl", "-sS", "--http2", "--parallel", "--cacert", server.ca, "--resolve",
                 f"localhost:{server.https}:127.0.0.1", "-w", "%{http_version} %{num_connects}\n", *urls)
    assert result.stdout.count("alpha") == 20
    assert sorted(re.findall(r"2 (\d)", result.stdout))[-2:] == ["0", "1"]


def test_nghttp_reads_a_large_file(server):
    result = run("nghttp", "-n", "-s", "--no-verify-peer", server.url("/big.bin", name="127.0.0.1"))
    assert re.search(r"200\s+3M", result.stdout), result.stdout + result.stderr


def test_h2load_counts_no_failure(server):
    report = run("h2load", "-n", "4000", "-c", "8", "-m", "32",
                 server.url("/a.txt", name="127.0.0.1")).stdout
    assert "4000 succeeded, 0 failed, 0 errored, 0 timeout" in report
    report = run("h2load", "-n", "24", "-c", "2", "-m", "4",
                 server.url("/big.bin", name="127.0.0.1")).stdout
    assert "24 succeeded, 0 failed" in report and "Application protocol: h2" in report


def test_head_options_and_conditions(server):
    with Raw(server) as raw:
        head = [(":method", "HEAD"), *HEAD[1:]]
        raw.send(raw.request(1, head=head))
        status, headers, body = raw.answer(1)
        assert (status, headers["content-length"], body) == (200, "6", b"")
        raw.send(raw.request(3, extra=[("if-none-match", headers["etag"])]))
        assert raw.answer(3)[0] == 304
        raw.send(raw.request(5, head=[(":method", "OPTIONS"), *HEAD[1:]]))
        assert raw.answer(5)[1]["allow"] == "GET, HEAD, OPTIONS"
        raw.send(raw.request(7, extra=[("range", "bytes=1-2")]))
        assert raw.answer(7)[::2] == (206, b"lp")
        assert "server" not in headers and headers["x-content-type-options"] == "nosniff"


def test_body_that_nobody_wants_is_answered_and_read(server):
    with Raw(server) as raw:
        post = [(":method", "POST"), *HEAD[1:]]
        raw.send(raw.request(1, flags=END_HEADERS, head=post) + frame(DATA, 0, 1, b"a" * 1000)
                 + frame(DATA, END_STREAM, 1, b"b"))
        assert raw.answer(1)[0] == 405
        raw.send(raw.request(3))
        assert raw.answer(3)[0] == 200


def test_trailers_and_continuation_are_understood(server):
    with Raw(server) as raw:
        post = [(":method", "POST"), *HEAD[1:]]
        raw.send(raw.request(1, flags=END_HEADERS, head=post) + frame(DATA, 0, 1, b"abc")
                 + frame(HEADERS, END_HEADERS | END_STREAM, 1, raw.encoder.encode([("x-sum", "1")])))
        assert raw.answer(1)[0] == 405
        block = raw.encoder.encode([*HEAD, (":path", "/a.txt")])
        raw.send(frame(HEADERS, END_STREAM, 3, block[:5]) + frame(CONTINUATION, 0, 3, block[5:9])
                 + frame(CONTINUATION, END_HEADERS, 3, block[9:]))
        assert raw.answer(3)[::2] == (200, b"alpha\n")


def test_priorities_of_rfc9218(server):
    """Two large files: the urgent one ends while the background one still waits."""
    with Raw(server, window=(1 << 31) - 1) as raw:
        raw.send(frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", (1 << 31) - 1 - 65535)))
        raw.send(raw.request(1, "/big.bin", extra=[("priority", "u=7")])
                 + raw.request(3, "/big.bin", extra=[("priority", "u=0")]))
        got = {1: 0, 3: 0}
        for kind, flags, stream, payload in raw.frames():
            if kind == DATA:
                got[stream] += len(payload)
                if stream == 3 and flags & END_STREAM:
                    break
        assert got[3] == BIG and got[1] < BIG // 2
        for kind, flags, stream, payload in raw.frames():
            got[stream] = got.get(stream, 0) + len(payload) * (kind == DATA)
            if stream == 1 and flags & END_STREAM:
                break
        assert got[1] == BIG


def test_incremental_answers_share(server):
    with Raw(server, window=(1 << 31) - 1) as raw:
        raw.send(frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", (1 << 31) - 1 - 65535)))
        raw.send(raw.request(1, "/big.bin", extra=[("priority", "u=3, i")])
                 + raw.request(3, "/big.bin", extra=[("priority", "u=3, i")]))
        got = {1: 0, 3: 0}
        for kind, flags, stream, payload in raw.frames():
            if kind == DATA:
                got[stream] += len(payload)
                if flags & END_STREAM:
                    break
        assert min(got.values()) > BIG // 2


# ---- malformed requests and frames ----

MALFORMED = {
    "no path": HEAD, "two paths": [*HEAD, (":path", "/"), (":path", "/")],
    "no method": [*HEAD[1:], (":path", "/")], "empty path": [*HEAD, (":path", "")],
    "path without slash": [*HEAD, (":path", "a.txt")],
    "pseudo after field": [*HEAD, ("x", "y"), (":path", "/")],
    "unknown pseudo": [*HEAD, (":path", "/"), (":x", "y")],
    "status": [*HEAD, (":path", "/"), (":status", "200")],
    "upper case": [*HEAD, (":path", "/"), ("X-A", "b")],
    "connection": [*HEAD, (":path", "/"), ("connection", "close")],
    "transfer-encoding": [*HEAD, (":path", "/"), ("transfer-encoding", "chunked")],
    "te": [*HEAD, (":path", "/"), ("te", "gzip")],
    "CR in value": [*HEAD, (":path", "/"), ("x", "a\rb")],
    "LF in value": [*HEAD, (":path", "/"), ("x", "a\nb: c")],
    "NUL in value": [*HEAD, (":path", "/"), ("x", "a\0b")],
    "space in name": [*HEAD, (":path", "/"), ("x y", "a")],
    "other host": [*HEAD, (":path", "/"), ("host", "elsewhere.example")],
    "bad authority": [*HEAD[:2], (":authority", "a@b"), (":path", "/")],
    "path with space": [*HEAD, (":path", "/ HTTP/1.1")],
    "length lies": [*HEAD, (":path", "/"), ("content-length", "5")],
    "two lengths": [*HEAD, (":path", "/"), ("content-length", "0"), ("content-length", "1")],
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_request_fails_alone(server, what):
    with Raw(server) as raw:
        block = raw.encoder.encode(MALFORMED[what])
        raw.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, block))
        status, code, _ = raw.answer(1)
        assert status in (400, "reset"), (status, code)
        assert status == 400 or code == PROTOCOL_ERROR
        raw.send(raw.request(3))
        assert raw.answer(3)[0] == 200, "the connection lives on"


BROKEN = {
    "frame too large": frame(DATA, 0, 1, b"a" * 16385), "data of stream 0": frame(DATA, 0, 0, b"a"),
    "headers of stream 0": frame(HEADERS, 5, 0, b"\x82"), "even stream": frame(HEADERS, 5, 2, b"\x82"),
    "data of idle stream": frame(DATA, 0, 1, b"a"), "push from a client": frame(PUSH, 4, 1, b"\0\0\0\2"),
    "settings of odd size": frame(SETTINGS, payload=b"\0\0\0"),
    "settings of a stream": frame(SETTINGS, stream=1),
    "ack with payload": frame(SETTINGS, ACK, 0, b"\0" * 6),
    "window too large": frame(SETTINGS, payload=struct.pack("!HI", 4, 1 << 31)),
    "push enabled by 2": frame(SETTINGS, payload=struct.pack("!HI", 2, 2)),
    "frame size too small": frame(SETTINGS, payload=struct.pack("!HI", 5, 100)),
    "ping of odd size": frame(PING, payload=b"1234"), "ping of a stream": frame(PING, 0, 1, b"12345678"),
    "reset of idle stream": frame(RST_STREAM, 0, 1, b"\0\0\0\0"),
    "window update of 0": frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\0"),
    "window overflow": frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
    "continuation alone": frame(CONTINUATION, 4, 1, b"\x82"),
    "frame between continuation": frame(HEADERS, 1, 1, b"\x82") + frame(PING, payload=b"12345678"),
    "bad padding": frame(HEADERS, END_HEADERS | 8, 1, b"\xff\x82"),
    "bad huffman": frame(HEADERS, 5, 1, b"\x00\x85\xff\xff\xff\xff\xff\x01a"),
    "bad index": frame(HEADERS, 5, 1, b"\xff\xff\x7f"),
    "table too large": frame(HEADERS, 5, 1, b"\x3f\xe1\xff\x03\x82"),
    "goaway too short": frame(GOAWAY, payload=b"\0"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_frame_ends_the_connection_with_goaway(server, what):
    with Raw(server) as raw:
        raw.send(BROKEN[what])
        assert raw.end() not in (None, NO_ERROR)


@pytest.mark.parametrize("preface", [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2,
                                     PREFACE + frame(PING, payload=b"12345678"), PREFACE[:-2] + b"xx"])
def test_bad_preface_ends_the_connection(server, preface):
    with server.tls(alpn=["h2"]) as peer:
        peer.sendall(preface)
        got = b""
        while piece := peer.recv(65536):
            got += piece
        assert b"HTTP/1.1 200" not in got


def test_unknown_frames_are_ignored(server):
    with Raw(server) as raw:
        raw.send(frame(0xfa, 0xff, 0, b"hello") + frame(0xb, 0, 1, b"x") + raw.request(1))
        assert raw.answer(1)[0] == 200


# ---- limits ----


def test_more_streams_than_allowed_are_refused(strict):
    with Raw(strict, window=0) as raw:
        raw.send(b"".join(raw.request(1 + 2 * i, "/big.bin") for i in range(8)))
        refused = set()
        while len(refused) < 4:
            kind, _, stream, payload = raw.wait(RST_STREAM)
            assert int.from_bytes(payload, "big") == 7  # REFUSED_STREAM: may be sent again
            refused.add(stream)
        assert refused == {9, 11, 13, 15}


def test_header_limits_answer_431_and_414(strict):
    with Raw(strict) as raw:
        raw.send(raw.request(1, extra=[("x", "a" * 3000)]))
        assert raw.answer(1)[0] == 431
        raw.send(raw.request(3, extra=[(f"x-{i}", "a") for i in range(40)]))
        assert raw.answer(3)[0] == 431
        raw.send(raw.request(5, "/" + "a" * 600))
        assert raw.answer(5)[0] == 414
        raw.send(raw.request(7))
        assert raw.answer(7)[0] == 200


def test_hpack_bomb_costs_its_sender(strict):
    """One entry of the table, referred to thousands of times."""
    with Raw(strict) as raw:
        raw.send(raw.request(1, extra=[("x", "a" * 1000)]))
        assert raw.answer(1)[0] == 200
        raw.send(frame(HEADERS, END_STREAM | END_HEADERS, 3,
                       raw.encoder.encode([*HEAD, (":path", "/")]) + b"\xbe" * 14000))
        status, code, _ = raw.answer(3)
        assert status in (431, "reset", "goaway", "closed")
    assert strict.curl("/a.txt").status == 200


def test_body_limit(strict):
    with Raw(strict) as raw:
        post = [(":method", "POST"), *HEAD[1:]]
        raw.send(raw.request(1, flags=END_HEADERS, head=post, extra=[("content-length", "70000")]))
        assert raw.answer(1)[0] == 413


def flood(server, make, least=1):
    """Sends frames until the server ends the connection; the error code that it gave."""
    with Raw(server) as raw:
        sent = 0
        while sent < 100_000 and raw.send(b"".join(make(raw, sent + i) for i in range(50))):
            sent += 50
            raw.peer.settimeout(0.02)
            try:
                code = raw.end()
                assert sent >= least
                return code
            except TimeoutError:
                continue
            finally:
                raw.peer.settimeout(10 * PATIENCE)
        return raw.end()


def opened_and_reset(raw, i):
    return raw.request(1 + 2 * i) + frame(RST_STREAM, 0, 1 + 2 * i, b"\0\0\0\x08")


def made_to_reset(raw, i):
    """MadeYouReset: the server is made to reset the stream, by a window that overflows."""
    stream = 1 + 2 * i
    return raw.request(stream) + frame(WINDOW_UPDATE, 0, stream, b"\x7f\xff\xff\xff") * 2


FLOODS = {
    "rapid reset": opened_and_reset, "made you reset": made_to_reset,
    "ping": lambda raw, i: frame(PING, payload=b"12345678"),
    "settings": lambda raw, i: frame(SETTINGS),
    "empty data": lambda raw, i: ((raw.request(1, flags=END_HEADERS) if i == 0 else b"")
                                  + frame(DATA, 0, 1)),
    "padded empty data": lambda raw, i: ((raw.request(1, flags=END_HEADERS) if i == 0 else b"")
                                         + frame(DATA, PADDED, 1, b"\0")),
    "data of a closed stream": lambda raw, i: ((raw.request(1) if i == 0 else b"")
                                               + frame(DATA, 0, 1, b"x")),
    "priority": lambda raw, i: frame(PRIORITY, 0, 1, b"\0\0\0\0\x10"),
    "window updates": lambda raw, i: frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1"),
    "unknown frames": lambda raw, i: frame(0xfa, 0, 0, b""),
    "continuation": lambda raw, i: (frame(HEADERS, END_STREAM, 1, b"\x82") if i == 0
                                    else frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b")),
    "empty continuation": lambda raw, i: (frame(HEADERS, END_STREAM, 1, b"\x82") if i == 0
                                          else frame(CONTINUATION, 0, 1)),
}


@pytest.mark.parametrize("what", FLOODS)
def test_flood_ends_its_own_connection_only(strict, what):
    with Raw(strict) as other:
        code = flood(strict, FLOODS[what])
        assert code in (None, ENHANCE_YOUR_CALM, PROTOCOL_ERROR, FLOW_CONTROL)
        other.send(other.request(1))
        assert other.answer(1)[0] == 200


def test_default_limits_stop_a_rapid_reset_in_time(server):
    began = time.monotonic()
    assert flood(server, opened_and_reset, least=500) in (None, ENHANCE_YOUR_CALM)
    assert time.monotonic() - began < 10 * PATIENCE
    assert server.curl("/a.txt").status == 200


def test_client_that_reads_nothing_costs_little_memory(start):
    """All windows open, a hundred large files asked for, and the socket left alone."""
    server = start(settings(), files=FILES)
    workers = server.role("worker")
    server.curl("/big.bin")
    before = resident(workers)
    with Raw(server, window=(1 << 31) - 1) as raw:
        raw.send(frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", (1 << 31) - 1 - 65535))
                 + b"".join(raw.request(1 + 2 * i, "/big.bin") for i in range(100)))
        time.sleep(0.5)
        assert server.curl("/a.txt").status == 200
        assert resident(workers) - before < 16 * 1024 * (8 if SANITIZED else 1)


@pytest.mark.parametrize("window", [0, 1000])
def test_streams_that_get_no_window_are_timed_out_while_others_are_served(start, window):
    server = start(settings({"response_timeout": "1s", "response_rate": 0}), files=FILES)
    with Raw(server, window=window) as stalled:
        began = time.monotonic()
        stalled.send(b"".join(stalled.request(1 + 2 * i, "/big.bin") for i in range(20)))
        for _ in range(5):
            assert server.curl("/a.txt").text == "alpha\n"
        ended = {stalled.wait(RST_STREAM)[2] for _ in range(20)}
        assert ended == {1 + 2 * i for i in range(20)}
        assert 0.8 < time.monotonic() - began < 4 * PATIENCE
        stalled.send(stalled.request(101, "/none"))
        assert stalled.wait(HEADERS)[2] == 101, "the connection lives on"
    assert server.curl("/big.bin").body == FILES["big.bin"]


def test_window_updates_of_a_byte_buy_no_time(start):
    server = start(settings({"response_timeout": "1s", "response_rate": "10KiB"}), files=FILES)
    with Raw(server, window=0) as raw:
        raw.send(raw.request(1, "/big.bin"))
        began = time.monotonic()
        while time.monotonic() - began < 8 * PATIENCE:
            if not raw.send(frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1")):
                break
            raw.peer.settimeout(0.1)
            try:
                raw.wait(RST_STREAM, 1)
                break
            except TimeoutError:
                continue
        assert 0.8 < time.monotonic() - began < 5 * PATIENCE


def test_requests_that_never_end_hold_memory_no_longer_than_their_deadline(start):
    """Large fields by a few bytes of HPACK each, and no body: small requests beside them buy no time,
    and what was answered early keeps no fields."""
    server = start(settings({"body_timeout": "2s", "body_rate": 0}), files=FILES)
    workers, raws = server.role("worker"), []
    with Raw(server) as other:
        other.send(other.request(1))
        assert other.answer(1)[0] == 200
        before = resident(workers)
        for _ in range(5):
            raw = Raw(server)
            raws.append(raw)
            post = [(":method", "POST"), *HEAD[1:]]
            large = [("x-a", "v" * 3900)] * 7
            for i in range(100):
                raw.send(raw.request(1 + 2 * i, flags=END_HEADERS, head=post, extra=large))
        ended, began = set(), time.monotonic()
        while len(ended) < 100 and time.monotonic() - began < 8 * PATIENCE:
            raws[0].send(raws[0].request(201 + 2 * len(ended)))
            kind, _, stream, _ = raws[0].wait(RST_STREAM)
            ended.add(stream)
        assert ended == {1 + 2 * i for i in range(100)}
        assert resident(workers) - before < 8 * 1024 * (8 if SANITIZED else 1)
        raws[0].send(raws[0].request(1001))
        assert raws[0].wait(HEADERS, 1001), "the connection lives on"
    for raw in raws:
        raw.peer.close()


# ---- the end ----


def test_idle_connection_ends_with_goaway(start):
    server = start(settings({"keep_alive": "1s"}))
    with Raw(server) as raw:
        raw.send(raw.request(1, "/"))
        assert raw.answer(1)[0] == 200
        assert raw.end() == NO_ERROR


def test_stop_lets_a_stream_under_way_finish(start):
    server = start(settings(), files=FILES)
    with Raw(server, window=BIG) as raw:
        raw.send(raw.request(1, "/big.bin"))
        assert raw.wait(DATA)
        server.process.terminate()
        raw.send(frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", BIG)))
        got, ends = 0, False
        for kind, flags, _, payload in raw.frames():
            if kind == DATA:
                got += len(payload)
                ends |= bool(flags & END_STREAM)
        assert ends and got > BIG - 20000
    assert server.process.wait(10 * PATIENCE) == 0


# ---- bodies that nobody reads ----

def test_answer_to_an_upload_is_never_lost_to_a_reset(server):
    """curl 7.88 forgets the answer when its stream is reset while it still sends."""
    for _ in range(10):
        answer = server.curl("/a.txt", "--http2", "-X", "POST", "-d", "x" * 1000)
        assert answer.status == 405


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_answer_to_a_long_upload_is_not_lost_either(server, tmp_path, version):
    body = tmp_path / "body"
    with open(body, "wb") as file:
        file.truncate(30_000_000)
    for _ in range(5):
        answer = server.curl("/a.txt", version, "-X", "POST", "--data-binary", f"@{body}")
        assert answer.status in (405, 413)


def test_small_body_after_its_answer_is_let_in_and_a_long_one_is_stopped(server):
    with Raw(server) as raw:
        raw.send(raw.request(1, flags=END_HEADERS))  # a GET whose body is still to come
        assert raw.answer(1)[0] == 200
        raw.send(frame(DATA, END_STREAM, 1, b"abc") + raw.request(3))
        assert raw.answer(3)[0] == 200
        raw.send(raw.request(5, flags=END_HEADERS))
        assert raw.answer(5)[0] == 200
        for _ in range(7):  # 65,535 bytes that it could have sent before, and more
            raw.send(frame(DATA, 0, 5, b"\0" * 16384))
        kind, _, stream, payload = next(f for f in raw.frames() if f[0] in (RST_STREAM, GOAWAY))
        assert (kind, stream, payload) == (RST_STREAM, 5, struct.pack("!I", NO_ERROR))
