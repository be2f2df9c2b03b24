"""HTTP/1.1 byte by byte: what a strict server answers, and what it refuses because two parties
could read it in two ways."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import PATIENCE, SANITIZED, read_all, read_answer, resident

FILES = {"a.txt": "alpha\n", "b.txt": "beta\n", "empty.txt": ""}
LIMITS = {"body_size": "64KiB", "header_size": "4KiB", "header_count": 20, "uri_length": 1024}


@pytest.fixture(scope="module")
def server(start_shared):
    return start_shared(lambda server: {
        "sites": [{"names": ["localhost"], "files": {"root": str(server.public), "compress": False}}],
        "limits": LIMITS}, files=FILES)


def request(target="/a.txt", method="GET", version="HTTP/1.1", host="Host: localhost", fields=(),
            body=b""):
    lines = [f"{method} {target} {version}", *([host] if host else []), *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def answers_of(data, heads=()):
    """The answers in a closed connection's bytes."""
    class Played:
        def __init__(self):
            self.rest = data

        def recv(self, size):
            piece, self.rest = self.rest[:size], self.rest[size:]
            return piece

    class Exact(Played):
        """Gives no byte beyond what was asked for by the answer at hand."""

        def recv(self, size):
            return super().recv(1)

    peer, answers = Exact(), []
    while peer.rest:
        answers.append(read_answer(peer, head_only=len(answers) in heads))
    return answers


# ---- what is served ----


def test_kept_alive_and_pipelined_requests_are_answered_in_order(server):
    targets = ["/a.txt", "/b.txt", "/none", "/empty.txt"] * 10
    sent = b"".join(request(target) for target in targets)
    last = request("/a.txt", fields=["Connection: close"])
    answers = answers_of(server.raw(sent + last))
    assert len(answers) == 41
    for target, answer in zip(targets, answers):
        expected = FILES.get(target[1:])
        assert answer.status == (404 if expected is None else 200)
        assert expected is None or answer.text == expected
        assert "connection" not in answer.headers
    assert answers[-1].headers["connection"] == "close"


def test_pipelined_requests_cut_anywhere(server):
    sent = request("/a.txt") + request("/b.txt", fields=["Connection: close"])
    with server.tls() as peer:
        for at in range(0, len(sent), 7):
            peer.sendall(sent[at:at + 7])
        assert [answer.text for answer in answers_of(read_all(peer))] == ["alpha\n", "beta\n"]


def test_head_has_the_headers_of_get_and_no_body(server):
    sent = request(method="HEAD") + request(fields=["Connection: close"])
    head, get = answers_of(server.raw(sent), heads=[0])
    assert head.status == 200 and head.body == b""
    for name in ("content-length", "content-type", "etag", "last-modified"):
        assert head.headers[name] == get.headers[name]


def test_head_of_an_error_has_no_body(server):
    sent = request("/none", method="HEAD") + request(fields=["Connection: close"])
    head, get = answers_of(server.raw(sent), heads=[0])
    assert (head.status, get.status) == (404, 200)


@pytest.mark.parametrize("target", ["/a.txt", "*"])
def test_options_names_the_methods(server, target):
    answer, = answers_of(server.raw(request(target, "OPTIONS", fields=["Connection: close"])))
    assert answer.status == 204 and answer.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_other_methods_are_not_allowed(server, method):
    answer, = answers_of(server.raw(request(method=method, fields=["Connection: close"])))
    assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD, OPTIONS"


def test_connect_and_trace_are_no_service(server):
    assert answers_of(server.raw(request("localhost:443", "CONNECT")))[0].status == 501
    trace, = answers_of(server.raw(request(method="TRACE", fields=["X-Secret: 1", "Connection: close"])))
    assert trace.status == 405 and b"X-Secret" not in trace.body


@pytest.mark.parametrize("target, status", [
    ("https://localhost/a.txt", 200), ("HTTPS://LOCALHOST/a.txt?q", 200),
    ("http://localhost/a.txt", 200), ("https://localhost:1234/a.txt", 200),
    ("ftp://localhost/a.txt", 400), ("https:///a.txt", 400), ("//localhost/a.txt", 404)])
def test_absolute_form(server, target, status):
    sent = request(target, host="Host: elsewhere.example", fields=["Connection: close"])
    assert answers_of(server.raw(sent))[0].status == status


def test_http10_closes_unless_it_asks_to_stay(server):
    answer, = answers_of(server.raw(request(version="HTTP/1.0")))
    assert answer.status == 200 and answer.text == "alpha\n"
    assert answers_of(server.raw(b"GET /a.txt HTTP/1.0\r\n\r\n"))[0].status == 200
    kept = request(version="HTTP/1.0", fields=["Connection: Keep-Alive"])
    first, second = answers_of(server.raw(kept + request("/b.txt", version="HTTP/1.0")))
    assert first.headers["connection"].lower() == "keep-alive" and second.text == "beta\n"


@pytest.mark.parametrize("body", [
    b"5\r\nhello\r\n0\r\n\r\n", b"5;name=value\r\nhello\r\n000\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
    b"1\r\na\r\n" * 200 + b"0\r\n\r\n", b'3;a="q;\\"x"\r\nabc\r\n0\r\n\r\n', b"0\r\n\r\n"])
def test_chunked_bodies_with_extensions_and_trailers_are_read_to_their_end(server, body):
    sent = request(method="POST", fields=["Transfer-Encoding: chunked"], body=body)
    first, second = answers_of(server.raw(sent + request("/b.txt", fields=["Connection: close"])))
    assert (first.status, second.text) == (405, "beta\n")


def test_body_with_length_is_read_to_its_end(server):
    sent = request(method="POST", fields=["Content-Length: 11"], body=b"GET / HTTP/")
    first, second = answers_of(server.raw(sent + request("/b.txt", fields=["Connection: close"])))
    assert (first.status, second.text) == (405, "beta\n")


def test_get_with_a_body_is_served(server):
    sent = request(fields=["Content-Length: 3"], body=b"abc")
    first, second = answers_of(server.raw(sent + request("/b.txt", fields=["Connection: close"])))
    assert (first.text, second.text) == ("alpha\n", "beta\n")


def test_expectation_is_answered_without_waiting_for_the_body(server):
    """A file server wants no body: it says so at once, and the body never needs to be sent."""
    with server.tls() as peer:
        peer.sendall(request(method="POST", fields=["Content-Length: 10", "Expect: 100-continue"]))
        assert read_answer(peer).status == 405
    curl = server.curl("/a.txt", "--http1.1", "-H", "Expect: 100-continue", "--data-binary",
                       "x" * 5000)
    assert curl.status == 405


def test_empty_line_before_a_request_is_forgiven(server):
    assert answers_of(server.raw(b"\r\n" + request(fields=["Connection: close"])))[0].status == 200


def test_fields_names_and_spaces_as_the_grammar_allows(server):
    sent = (b"GET /a.txt HTTP/1.1\r\nhOsT:localhost\r\nX-Empty:\r\nX-Tab:\t a \t\r\n"
            b"cOnNeCtIoN: foo,CLOSE\r\n\r\n")
    assert answers_of(server.raw(sent))[0].text == "alpha\n"


def test_answers_carry_a_date_and_say_nothing_of_the_server(server):
    answer = answers_of(server.raw(request(fields=["Connection: close"])))[0]
    time.strptime(answer.headers["date"], "%a, %d %b %Y %H:%M:%S GMT")
    assert "server" not in answer.headers and "x-powered-by" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_upgrades_are_not_taken(server):
    for upgrade in ("h2c", "websocket", "TLS/1.0"):
        answer, = answers_of(server.raw(request(fields=[
            f"Upgrade: {upgrade}", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
            "Connection: Upgrade, HTTP2-Settings, close"])))
        assert answer.status == 200 and "upgrade" not in answer.headers


def test_client_that_pipelines_and_never_reads_is_not_read_either(server):
    workers = server.role("worker")
    before = resident(workers)
    with server.tls() as peer:
        peer.settimeout(1)
        sent, piece = 0, request() * 1000
        try:
            while sent < 200 << 20:
                peer.sendall(piece)
                sent += len(piece)
        except TimeoutError:
            pass
        assert sent < 50 << 20 and resident(workers) - before < 16 * 1024 * (8 if SANITIZED else 1)
        assert server.curl("/a.txt").status == 200


def test_plain_port_speaks_the_same(server):
    first, second = answers_of(server.raw(request("/x") + request("/y", fields=["Connection: close"]),
                                          secure=False))
    assert first.headers["location"] == server.url("/x")
    assert second.headers["location"] == server.url("/y")


# ---- what is refused: 400, and the connection ends ----

CHUNKED = "Transfer-Encoding: chunked"
REFUSED = {
    "length and coding": request(method="POST", fields=["Content-Length: 3", CHUNKED],
                                 body=b"0\r\n\r\n"),
    "coding and length": request(method="POST", fields=[CHUNKED, "Content-Length: 3"],
                                 body=b"0\r\n\r\n"),
    "differing lengths": request(method="POST", fields=["Content-Length: 3", "Content-Length: 4"],
                                 body=b"abcd"),
    "equal lengths": request(method="POST", fields=["Content-Length: 3", "Content-Length: 3"],
                             body=b"abc"),
    "list of lengths": request(method="POST", fields=["Content-Length: 3, 3"], body=b"abc"),
    "signed length": request(method="POST", fields=["Content-Length: +3"], body=b"abc"),
    "negative length": request(method="POST", fields=["Content-Length: -3"], body=b"abc"),
    "hex length": request(method="POST", fields=["Content-Length: 0x3"], body=b"abc"),
    "empty length": request(method="POST", fields=["Content-Length:"], body=b"abc"),
    "length with space": request(method="POST", fields=["Content-Length: 1 2"], body=b"abc"),
    "huge length": request(method="POST", fields=["Content-Length: 99999999999999999999"]),
    "two codings": request(method="POST", fields=[CHUNKED, CHUNKED], body=b"0\r\n\r\n"),
    "chunked twice": request(method="POST", fields=["Transfer-Encoding: chunked, chunked"],
                             body=b"0\r\n\r\n"),
    "chunked not last": request(method="POST", fields=["Transfer-Encoding: chunked, gzip"],
                                body=b"0\r\n\r\n"),
    "chunked in 1.0": request(method="POST", version="HTTP/1.0", fields=[CHUNKED],
                              body=b"0\r\n\r\n"),
    "space before colon": request(fields=["Transfer-Encoding : chunked"]),
    "tab before colon": request(fields=["X-A\t: b"]),
    "space before name": request(fields=[" X-A: b"]),
    "folded line": request(fields=["X-A: b\r\n c"]),
    "folded first line": b"GET /a.txt HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "bare LF in fields": b"GET /a.txt HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
    "bare LF everywhere": b"GET /a.txt HTTP/1.1\nHost: localhost\n\n",
    "bare CR in value": request(fields=["X-A: b\rX-B: c"]),
    "bare CR in line": b"GET /a.txt HTTP/1.1\rHost: localhost\r\n\r\n",
    "NUL in value": request(fields=["X-A: b\0c"]),
    "control in value": request(fields=["X-A: b\x01c"]),
    "DEL in value": request(fields=["X-A: b\x7fc"]),
    "NUL in name": request(fields=["X\0A: b"]),
    "name of no token": request(fields=["X(A): b"]),
    "no colon": request(fields=["X-A"]),
    "empty name": request(fields=[": b"]),
    "no host": request(host=None),
    "two hosts": request(fields=["Host: localhost"]),
    "empty host": request(host="Host:"),
    "host with path": request(host="Host: localhost/x"),
    "host with user": request(host="Host: a@localhost"),
    "host with comma": request(host="Host: a, b"),
    "host with bad port": request(host="Host: localhost:65x"),
    "host with huge port": request(host="Host: localhost:65536"),
    "two spaces": b"GET  /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "space in target": request("/a .txt"),
    "tab in line": b"GET\t/a.txt\tHTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no version": b"GET /a.txt\r\nHost: localhost\r\n\r\n",
    "lower-case version": request(version="http/1.1"),
    "odd version": request(version="HTTP/1.11"),
    "space after version": request(version="HTTP/1.1 "),
    "control in target": request("/a\x01.txt"),
    "8-bit in target": request("/\xe4"),
    "target without slash": request("a.txt"),
    "asterisk of GET": request("*"),
    "method of no token": request(method="G=T"),
    "TLS inside": b"\x16\x03\x01\x02\x00" + b"\1" * 100 + b"\r\n\r\n",
    "chunk size junk": request(method="POST", fields=[CHUNKED], body=b"5 x\r\nhello\r\n0\r\n\r\n"),
    "chunk size sign": request(method="POST", fields=[CHUNKED], body=b"+5\r\nhello\r\n0\r\n\r\n"),
    "chunk size 0x": request(method="POST", fields=[CHUNKED], body=b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk size empty": request(method="POST", fields=[CHUNKED], body=b"\r\nhello\r\n0\r\n\r\n"),
    "chunk size huge": request(method="POST", fields=[CHUNKED],
                               body=b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    "chunk ends in LF": request(method="POST", fields=[CHUNKED], body=b"5\nhello\r\n0\r\n\r\n"),
    "chunk too long": request(method="POST", fields=[CHUNKED], body=b"5\r\nhelloX\r\n0\r\n\r\n"),
    "chunk data ends in LF": request(method="POST", fields=[CHUNKED], body=b"5\r\nhello\n0\r\n\r\n"),
    "extension with CR": request(method="POST", fields=[CHUNKED],
                                 body=b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "trailer folded": request(method="POST", fields=[CHUNKED], body=b"0\r\nX: a\r\n b\r\n\r\n"),
    "trailer with LF": request(method="POST", fields=[CHUNKED], body=b"0\r\nX: a\n\r\n"),
}
#: The 405 to a POST may be on its way already when its body turns out to be broken.
LATE = ("chunk", "extension", "trailer")
SMUGGLED = request("/b.txt", fields=["Connection: close"])


@pytest.mark.parametrize("what", REFUSED)
def test_refused_with_400_and_nothing_behind_it_is_read(server, what):
    answers = answers_of(server.raw(REFUSED[what] + SMUGGLED))
    late = what.startswith(LATE) and not what.startswith("chunked")
    assert len(answers) == 1, answers
    assert answers[0].status == 400 or (late and answers[0].status == 405)
    if answers[0].status == 400:
        assert answers[0].headers["connection"] == "close"


@pytest.mark.parametrize("target", ["/a.txt%00.html", "/%zz", "/a%", "/%c0%ae%c0%ae/"])
def test_malformed_path_in_a_sound_message_is_refused_alone(server, target):
    first, second = answers_of(server.raw(request(target) + SMUGGLED))
    assert first.status in (400, 404) and second.text == "beta\n"


def test_unknown_codings_are_not_implemented(server):
    answer, = answers_of(server.raw(request(method="POST", fields=["Transfer-Encoding: gzip, chunked"])
                                    + SMUGGLED))
    assert answer.status == 501


@pytest.mark.parametrize("version, status", [("HTTP/2.0", 505), ("HTTP/3.0", 505), ("HTTP/0.9", 400),
                                             ("HTTP/1.2", 200)])
def test_other_versions(server, version, status):
    assert answers_of(server.raw(request(version=version) + SMUGGLED))[0].status == status


def test_http2_preface_without_alpn_is_refused(server):
    assert answers_of(server.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))[0].status in (400, 505)


# ---- limits ----


@pytest.mark.parametrize("sent, status", [
    (request(method="POST", fields=["Content-Length: 65537"]), 413),
    (request("/" + "a" * 1100), 414),
    (request("/" + "a" * 100000), 414),
    (request(fields=[f"X-{i}: a" for i in range(30)]), 431),
    (request(fields=["X: " + "a" * 5000]), 431),
    (request(fields=["X: " + "a" * 200000]), 431),
    (request(fields=[f"X: {'a' * 200}"] * 19 * 2), 431)], ids=range(7))
def test_limits_are_told_and_end_the_connection(server, sent, status):
    answers = answers_of(server.raw(sent + SMUGGLED))
    assert [answer.status for answer in answers] == [status]
    assert answers[0].headers["connection"] == "close"


def test_at_the_limits_all_is_well(server):
    fields = [f"X-{i}: a" for i in range(18)] + ["Connection: close"]
    assert answers_of(server.raw(request(fields=fields)))[0].status == 200
    long = request("/" + "a" * 1023, fields=["Connection: close"])
    assert answers_of(server.raw(long))[0].status == 404


def test_chunked_body_past_the_limit_ends_the_connection(server):
    sent = request(method="POST", fields=[CHUNKED]) + b"1000\r\n" + b"a" * 4096 + b"\r\n"
    with server.tls() as peer:
        peer.sendall(sent)
        try:
            for _ in range(100):
                peer.sendall(b"1000\r\n" + b"a" * 4096 + b"\r\n")
        except OSError:
            pass
        got = read_all(peer)
    assert got == b"" or answers_of(got)[0].status in (405, 413)


def test_trailers_count_against_the_limit(server):
    trailers = b"".join(b"X-%d: a\r\n" % i for i in range(200))
    sent = request(method="POST", fields=[CHUNKED], body=b"0\r\n" + trailers + b"\r\n")
    assert len(answers_of(server.raw(sent + SMUGGLED))) == 1


def test_requests_per_connection_ends_it_in_good_order(start):
    server = start(lambda server: {"sites": [{"names": ["localhost"], "files": str(server.public)}],
                                   "limits": {"requests_per_connection": 3}})
    answers = answers_of(server.raw(b"".join(request("/") for _ in range(10))))
    assert [answer.status for answer in answers] == [200] * 3
    assert [answer.headers.get("connection") for answer in answers] == [None, None, "close"]


def test_deadlines_for_idle_slow_and_silent_clients(start):
    server = start(lambda server: {
        "sites": [{"names": ["localhost"], "files": str(server.public)}],
        "limits": {"keep_alive": "1s", "header_timeout": "1s", "header_timeout_max": "2s",
                   "body_timeout": "1s", "handshake_timeout": "1s"}})

    def time_to_end(*pieces, connect=server.tls, drip=b""):
        with connect() as peer:
            began = time.monotonic()
            for piece in pieces:
                peer.sendall(piece)
            peer.settimeout(0.2 if drip else 10 * PATIENCE)
            got = b""
            while time.monotonic() - began < 10 * PATIENCE:
                try:
                    peer.sendall(drip)  # a byte now and then buys no time
                    got += peer.recv(4096) or b"END"
                except TimeoutError:
                    continue
                except OSError:
                    got += b"END"
                if got.endswith(b"END"):
                    return time.monotonic() - began, got
            return 99, got

    post = request("/", method="POST", fields=["Content-Length: 9"], body=b"a")
    cases = {"idle": ((request("/"),), {}, b"200"), "silent": ((), {}, b"END"),
             "half a header": ((request("/")[:-10],), {}, b"END"),
             "half a body": ((post,), {}, b"405"),
             "plain and silent": ((), {"connect": lambda: server.tcp(False)}, b"END"),
             "no handshake": ((), {"connect": server.tcp}, b"END"),
             "half a handshake": ((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03",),
                                  {"connect": server.tcp}, b"END"),
             "drip": ((request("/")[:-10],), {"drip": b"X"}, b"END")}
    with ThreadPoolExecutor(len(cases)) as pool:
        runs = {name: pool.submit(time_to_end, *pieces, **options)
                for name, (pieces, options, _) in cases.items()}
    for name, (_, _, status) in cases.items():
        took, got = runs[name].result()
        assert 0.8 < took < 4 * PATIENCE and status in got, (name, took, got)


def test_half_closed_connection_still_gets_its_answer(server):
    with server.tcp(secure=False) as peer:
        peer.sendall(request("/x"))
        peer.shutdown(socket.SHUT_WR)
        assert answers_of(read_all(peer))[0].status == 308
