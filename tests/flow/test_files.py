"""A folder as curl sees it: types, conditions, ranges, codings, listings, error pages; what is never
served; and files that change, shrink, vanish or are huge while they are being sent."""

import email.parser
import gzip
import os
import re
import socket
import subprocess
import threading
import time

import pytest

from lib import PATIENCE, SANITIZED, anything_goes, needs_library, read_answer, resident, run, wait_until

TEXT = "".join(f"line {i} of a text that packs well\n" for i in range(400))
LONG = "".join(f"{i} and again, {i * 7919 % 10007} more of it\n" for i in range(60000))
UNPACK = {"br": ["brotli", "-dc"], "zstd": ["zstd", "-dcq"], "gzip": ["gzip", "-dc"]}
FILES = {
    "digits.txt": "0123456789", "text.txt": TEXT, "long.json": LONG, "tiny.css": "a{}",
    "photo.jpg": os.urandom(20000), "empty.txt": "", "plain": TEXT,
    "packed.js": "x = 1;\n" * 300, "packed.js.br": b"br bytes", "packed.js.gz": b"gz bytes",
    "packed.js.zst": b"zst bytes", "stale.js": "y = 2;\n" * 300, "stale.js.gz": b"old bytes",
    "sub/index.html": "<p>sub", "sub/more.txt": "more", "bare/file.txt": "in bare",
    "na me/ü+%41&.txt": "odd name", ".hidden": "secret", ".git/config": "secret",
    ".well-known/security.txt": "contact", "sub/.secret.txt": "secret", "404.html": "<h1>own 404",
    "oops.html": "<h1>own 4xx",
}


def site(server, **files):
    return {"sites": [{"names": ["localhost"], "files": {"root": str(server.public), **files}}]}


@pytest.fixture(scope="module")
def server(start_shared):
    def prepare(server):
        public = server.public
        os.utime(public / "stale.js.gz", (1e9, 1e9))
        os.utime(public / "digits.txt", (1.7e9, 1.7e9))
        (public / "inside.txt").symlink_to("digits.txt")
        (public / "sub/up.txt").symlink_to("../digits.txt")
        (public / "outside.txt").symlink_to("../secret.txt")
        (public / "absolute.txt").symlink_to("/etc/hostname")
        (public / "etc").symlink_to("/etc")
        (public / "loop").symlink_to("loop")
        (public / "dangling").symlink_to("nothing")
        (server.folder / "secret.txt").write_text("secret")
        os.mkfifo(public / "fifo")
        (public / "forbidden.txt").write_text("secret")
        (public / "forbidden.txt").chmod(0)
        with socket.socket(socket.AF_UNIX) as local:
            here = os.getcwd()
            os.chdir(public)
            local.bind("socket")
            os.chdir(here)
        return site(server)
    return start_shared(prepare, files=FILES)


def fields(*pairs):
    return [word for pair in pairs for word in ("-H", pair)]


# ---- types, folders, names ----


@pytest.mark.parametrize("path, media", [
    ("/", "text/html; charset=utf-8"), ("/text.txt", "text/plain; charset=utf-8"),
    ("/tiny.css", "text/css; charset=utf-8"), ("/packed.js", "text/javascript; charset=utf-8"),
    ("/long.json", "application/json"), ("/photo.jpg", "image/jpeg"),
    ("/plain", "application/octet-stream")])
def test_media_types(server, path, media):
    assert server.curl(path).headers["content-type"] == media


def test_folders_index_and_missing_slash(server):
    assert server.curl("/sub/").text == "<p>sub"
    answer = server.curl("/sub?a=b%20c")
    assert answer.status == 308 and answer.headers["location"] == "/sub/?a=b%20c"
    assert server.curl("/bare/").status == 403
    assert server.curl("/bare/file.txt").text == "in bare"
    assert server.curl("/digits.txt/").status == 404
    assert server.curl("/sub/../digits.txt").text == "0123456789"


def test_a_redirect_never_leads_elsewhere(server):
    for path in ("//evil.example/..", "//evil.example", "/%2fevil.example", "/\\evil.example",
                 "//sub", "/%5cevil.example"):
        location = server.curl(path, "--http1.1").headers.get("location", "/x")
        assert re.match(r"/[^/\\]", location), (path, location)


def test_odd_names(server):
    assert server.curl("/na%20me/%C3%BC+%2541&.txt").text == "odd name"
    assert server.curl("/na%20me/%c3%bc%2B%2541%26.txt?x#y").text == "odd name"
    assert server.curl("/" + "a" * 300).status == 404
    assert server.curl("/" + "a/" * 2000).status in (400, 404, 414)


def test_listing(start):
    server = start(lambda server: site(server, listing=True), files={
        "<b>&\"'.txt": "x" * 2048, "b/index.html": "the index", "c/d.txt": "", ".hidden": "",
        "100%.txt": "", "line\nbreak.txt": "", "c/javascript:alert(1)": ""})
    (server.public / "index.html").unlink()
    page = server.curl("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<b>&" not in page.text and "&lt;b&gt;&amp;" in page.text
    assert ".hidden" not in page.text and "break" not in page.text
    assert 'href="100%25.txt"' in page.text.replace("./", "")
    assert re.search(r'href="(\./)?c/"', page.text) and "2.0" in page.text.replace("2 K", "2.0")
    assert server.curl("/b/").text == "the index"
    assert 'href="javascript:' not in server.curl("/c/").text
    assert server.curl("/c").headers["location"] == "/c/"
    for link in re.findall(r'href="([^"]+)"', page.text):
        path = link.replace("&amp;", "&").replace("&#39;", "'").replace("&quot;", '"')
        if not path.startswith(("/", "?", "..")):
            assert server.curl("/" + path.removeprefix("./")).status == 200, path


# ---- what is never served ----


@pytest.mark.parametrize("path", [
    "/../secret.txt", "/sub/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt",
    "/sub/%2e%2e%2f%2e%2e%2fsecret.txt", "/..\\secret.txt", "/..%5csecret.txt", "/%252e%252e/secret.txt",
    "/....//secret.txt", "/outside.txt", "/absolute.txt", "/etc/hostname", "/etc/passwd", "/loop",
    "/dangling", "/.hidden", "/.git/config", "/sub/.secret.txt", "/%2ehidden", "/sub/%2esecret.txt",
    "/fifo", "/socket", "/.well-known/../.hidden", "/.git/", "/%00", "/digits.txt%00",
    "/.well-known/.hidden", "//etc/passwd", "/%2fetc/passwd", "/sub/./.secret.txt"])
def test_never_served(server, path):
    for version in ("--http1.1", "--http2"):
        answer = server.curl(path, version, seconds=5)
        assert answer.status in (400, 403, 404), answer
        assert b"secret" not in answer.body and b"root:" not in answer.body


def test_unreadable_file_is_forbidden(server):
    if os.geteuid() == 0:  # the workers run as somebody else
        assert server.curl("/forbidden.txt").status == 403


def test_served_although_it_looks_odd(server):
    assert server.curl("/.well-known/security.txt").text == "contact"
    assert server.curl("/inside.txt").text == server.curl("/sub/up.txt").text == "0123456789"


def test_dot_files_when_asked_for(start):
    server = start(lambda server: site(server, dot_files=True), files={".hidden": "shown"})
    assert server.curl("/.hidden").text == "shown"


# ---- conditions ----


def test_conditions(server):
    answer = server.curl("/digits.txt")
    tag, date = answer.headers["etag"], answer.headers["last-modified"]
    assert re.fullmatch(r'"[^"]+"', tag), "a strong tag"
    assert date == "Tue, 14 Nov 2023 22:13:20 GMT"
    before, after = "Tue, 14 Nov 2023 22:13:19 GMT", "Wed, 15 Nov 2023 00:00:00 GMT"
    cases = [
        ([f"If-None-Match: {tag}"], 304), ([f"If-None-Match: W/{tag}"], 304),
        ([f'If-None-Match: "a", {tag} ,"b"'], 304), (["If-None-Match: *"], 304),
        (['If-None-Match: "other"'], 200), ([f"If-None-Match: {tag.strip(chr(34))}"], 200),
        ([f"If-Modified-Since: {date}"], 304), ([f"If-Modified-Since: {after}"], 304),
        ([f"If-Modified-Since: {before}"], 200), (["If-Modified-Since: yesterday"], 200),
        (["If-Modified-Since: Tuesday, 14-Nov-23 22:13:20 GMT"], 304),
        (["If-Modified-Since: Tue Nov 14 22:13:20 2023"], 304),
        (['If-None-Match: "other"', f"If-Modified-Since: {date}"], 200),
        ([f"If-Match: {tag}"], 200), (["If-Match: *"], 200), (['If-Match: "other"'], 412),
        ([f"If-Match: W/{tag}"], 412), ([f"If-Unmodified-Since: {date}"], 200),
        ([f"If-Unmodified-Since: {before}"], 412),
        ([f"If-Match: {tag}", f"If-Unmodified-Since: {before}"], 200),
        ([f"If-Match: {tag}", f"If-None-Match: {tag}"], 304),
    ]
    for pairs, status in cases:
        got = server.curl("/digits.txt", *fields(*pairs))
        assert got.status == status, (pairs, got)
        if status == 304:
            assert got.body == b"" and got.headers["etag"] == tag
            assert "content-type" not in got.headers


def test_tag_and_date_change_with_the_file(server):
    file = server.public / "changing.txt"
    file.write_text("one")
    first = server.curl("/changing.txt")
    time.sleep(0.01)
    file.write_text("two")
    second = wait_until(lambda: (lambda a: a.text == "two" and a)(server.curl("/changing.txt")), 3)
    assert first.headers["etag"] != second.headers["etag"]


# ---- ranges ----


@pytest.mark.parametrize("value, status, body, said", [
    ("bytes=0-0", 206, b"0", "bytes 0-0/10"), ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
    ("bytes=7-", 206, b"789", "bytes 7-9/10"), ("bytes=-3", 206, b"789", "bytes 7-9/10"),
    ("bytes=8-100", 206, b"89", "bytes 8-9/10"), ("bytes=-100", 206, b"0123456789", "bytes 0-9/10"),
    ("bytes=10-", 416, None, "bytes */10"), ("bytes=-0", 416, None, "bytes */10"),
    ("bytes=5-4", 200, b"0123456789", None), ("bytes=a-b", 200, b"0123456789", None),
    ("lines=1-2", 200, b"0123456789", None), ("bytes=1-2,", 206, b"12", "bytes 1-2/10"),
    ("bytes=99999999999999999999-", 416, None, "bytes */10"),
    ("bytes=0-99999999999999999999", 206, b"0123456789", "bytes 0-9/10"),
    ("bytes = 0-1", 200, b"0123456789", None)])
def test_single_range(server, value, status, body, said):
    answer = server.curl("/digits.txt", "-H", f"Range: {value}")
    assert answer.status == status, answer
    assert answer.headers.get("content-range") == said
    assert body is None or answer.body == body


def test_several_ranges(server):
    answer = server.curl("/digits.txt", "-H", "Range: bytes=0-1,4-5,-1")
    assert answer.status == 206
    assert answer.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert int(answer.headers["content-length"]) == len(answer.body)
    message = email.parser.BytesParser().parsebytes(
        b"Content-Type: " + answer.headers["content-type"].encode() + b"\r\n\r\n" + answer.body)
    parts = [(part["content-range"], part["content-type"], part.get_payload())
             for part in message.get_payload()]
    media = "text/plain; charset=utf-8"
    assert parts == [("bytes 0-1/10", media, "01"), ("bytes 4-5/10", media, "45"),
                     ("bytes 9-9/10", media, "9")]


def test_many_overlapping_ranges_do_not_multiply_the_file(server):
    value = "bytes=" + ",".join(["0-"] * 500)
    answer = server.curl("/text.txt", "-H", f"Range: {value}", "-H", "Accept-Encoding: identity")
    assert answer.status in (200, 206, 416) and len(answer.body) < 2 * len(TEXT)


def test_range_with_conditions(server):
    plain = server.curl("/digits.txt")
    tag, date = plain.headers["etag"], plain.headers["last-modified"]
    for value, status in ((tag, 206), ('"other"', 200), (f"W/{tag}", 200), (date, 206),
                          ("Tue, 14 Nov 2023 22:13:21 GMT", 200)):
        answer = server.curl("/digits.txt", *fields("Range: bytes=1-2", f"If-Range: {value}"))
        assert answer.status == status, value
    assert server.curl("/digits.txt", *fields("Range: bytes=1-2", f"If-None-Match: {tag}")).status == 304
    head = server.curl("/digits.txt", "-I", "-H", "Range: bytes=1-2")
    assert head.status == 200 and head.headers["content-length"] == "10"
    assert server.curl("/empty.txt", "-H", "Range: bytes=0-").status in (200, 416)


def test_curl_resumes_a_download(server):
    target = server.folder / "resumed"
    target.write_bytes(FILES["photo.jpg"][:7000])
    run("curl", "-sS", "-C", "-", "--cacert", server.ca, "--resolve",
        f"localhost:{server.https}:127.0.0.1", "-o", target, server.url("/photo.jpg"), check=True)
    assert target.read_bytes() == FILES["photo.jpg"]


# ---- codings ----


def unpack(coding, body):
    return subprocess.run(UNPACK[coding], input=body, capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("coding", UNPACK)
@pytest.mark.parametrize("path", ["/text.txt", "/long.json"])
def test_compressed_as_it_goes(server, version, coding, path):
    needs_library(*{"br": ["brotli"], "zstd": ["zstd"]}.get(coding, []))
    content = FILES[path[1:]]
    answer = server.curl(path, version, "-H", f"Accept-Encoding: {coding}")
    assert answer.headers["content-encoding"] == coding
    assert "accept-encoding" in answer.headers["vary"].lower()
    assert len(answer.body) < len(content) / 2
    assert unpack(coding, answer.body) == content
    plain = server.curl(path)
    assert plain.headers["etag"] != answer.headers["etag"]
    assert plain.headers["vary"] == answer.headers["vary"]
    again = server.curl(path, version, *fields(f"Accept-Encoding: {coding}",
                                               f"If-None-Match: {answer.headers['etag']}"))
    assert again.status == 304


def test_zstd_window_is_one_that_browsers_take(server):
    needs_library("zstd")
    packed = server.folder / "window.zst"
    packed.write_bytes(server.curl("/long.json", "-H", "Accept-Encoding: zstd").body)
    report = run("zstd", "-lv", packed).stdout
    window = re.search(r"Window Size: ([\d.]+) (\w+)", report)
    assert window and window[2] in ("B", "KiB", "MiB") and (window[2] != "MiB" or float(window[1]) <= 8)


@pytest.mark.parametrize("accept, coding", [
    ("gzip, br, zstd", {"zstd", "br", "gzip"}), ("gzip;q=1, br;q=0.5", {"gzip"}),
    ("br;q=0.1, gzip;q=0", {"br"}), ("*", {"zstd", "br", "gzip"}), ("*;q=0, gzip", {"gzip"}),
    ("identity", {None}), ("deflate", {None}), ("gzip;q=0", {None}), ("", {None}),
    ("GZIP", {"gzip"}), ("x-gzip", {"gzip", None}), ("gzip;q=nonsense", {"gzip", None})])
def test_the_client_chooses_the_coding(server, accept, coding):
    if coding & {"zstd", "br"}:
        needs_library("zstd", "brotli")
    field = f"Accept-Encoding: {accept}" if accept else "Accept-Encoding;"
    answer = server.curl("/text.txt", "-H", field)
    assert answer.headers.get("content-encoding") in coding
    assert coding != {"zstd", "br", "gzip"} or answer.headers["content-encoding"] == "zstd"


@pytest.mark.parametrize("path", ["/photo.jpg", "/tiny.css", "/plain"])
def test_what_does_not_gain_is_sent_as_it_is(server, path):
    answer = server.curl(path, "-H", "Accept-Encoding: gzip, br, zstd")
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.body)


@pytest.mark.parametrize("coding, suffix", [("br", "br"), ("gzip", "gz"), ("zstd", "zst")])
def test_packed_beforehand(server, coding, suffix):
    answer = server.curl("/packed.js", "-H", f"Accept-Encoding: {coding}")
    assert answer.body == FILES[f"packed.js.{suffix}"]
    assert answer.headers["content-encoding"] == coding
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "accept-encoding" in answer.headers["vary"].lower()
    part = server.curl("/packed.js", *fields(f"Accept-Encoding: {coding}", "Range: bytes=1-2"))
    assert part.status == 206 and part.body == answer.body[1:3]
    assert server.curl("/packed.js").text == FILES["packed.js"]


def test_packed_file_older_than_its_original_is_not_sent(server):
    answer = server.curl("/stale.js", "-H", "Accept-Encoding: gzip")
    assert gzip.decompress(answer.body).decode() == FILES["stale.js"]


def test_old_clients_get_compressed_bodies_to_the_end_of_the_connection(server):
    got = server.raw(b"GET /long.json HTTP/1.0\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n")
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert (gzip.decompress(body) if b"gzip" in head else body).decode() == LONG


def test_compression_off_and_limited(start):
    needs_library("brotli")
    server = start(lambda server: {"sites": [
        {"names": ["localhost"], "files": {"root": str(server.public), "compress": False,
                                           "precompressed": False}},
        {"names": ["br.localhost"], "files": {
            "root": str(server.public), "compress": {"codings": ["br"], "min_size": "64B",
                                                     "max_size": "100KiB"}}}]}, files=FILES)
    everything = ["-H", "Accept-Encoding: gzip, br, zstd"]
    for path in ("/text.txt", "/packed.js"):
        assert "content-encoding" not in server.curl(path, *everything).headers
    assert server.curl("/text.txt", *everything, name="br.localhost").headers["content-encoding"] == "br"
    assert "content-encoding" not in server.curl("/long.json", *everything, name="br.localhost").headers


def test_head_says_what_get_would(server):
    for path in ("/text.txt", "/long.json", "/packed.js", "/photo.jpg"):
        accept = fields("Accept-Encoding: gzip")
        head, get = server.curl(path, "-I", *accept), server.curl(path, *accept)
        assert head.status == 200
        for name in ("content-type", "content-encoding", "etag", "last-modified", "vary"):
            assert head.headers.get(name) == get.headers.get(name), (path, name)
        assert head.headers.get("content-length") in (None, str(len(get.body)))


def test_compression_under_way_is_bounded(start):
    """With one place taken by a slow reader, the next answer is sent as it is."""
    server = start(lambda server: {"workers": 1, **site(server, compress={"concurrent": 1})},
                   files={"huge.json": os.urandom(4 << 20).hex(), **FILES})
    accept = "Accept-Encoding: gzip\r\n"
    with socket.socket() as bare:
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        bare.connect(("127.0.0.1", server.https))
        with anything_goes().wrap_socket(bare, server_hostname="localhost") as slow:
            slow.sendall(f"GET /huge.json HTTP/1.1\r\nHost: localhost\r\n{accept}\r\n".encode())
            assert b"content-encoding: gzip" in slow.recv(2000)
            second = server.curl("/long.json", *fields(accept.strip()))
            assert "content-encoding" not in second.headers and second.text == LONG
    wait_until(lambda: "content-encoding" in server.curl("/long.json", *fields(accept.strip())).headers,
               what="the place to be free again")


# ---- fallback and error pages ----


def test_fallback_answers_for_pages_only(start):
    server = start(lambda server: site(server, fallback="/index.html"),
                   files={"index.html": "<p>app", "empty/x.txt": ""})
    for path in ("/", "/users/17", "/a/b/c?d", "/login.html", "/users/", "/v1.2/x", "/empty/"):
        answer = server.curl(path)
        assert (answer.status, answer.text) == (200, "<p>app"), path
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for path in ("/missing.js", "/a/logo.png", "/.git/config"):
        assert server.curl(path).status in (403, 404), path
    head = server.curl("/users/17", "-I")
    assert head.status == 200 and head.headers["content-length"] == "6"
    tag = head.headers["etag"]
    assert server.curl("/users/17", "-H", f"If-None-Match: {tag}").status == 304
    assert server.curl("/users/17", "-X", "POST").status == 405


def test_own_error_pages(start):
    server = start(lambda server: site(server, error_pages={
        "404": "/404.html", "4xx": "/oops.html", "5xx": "/missing.html"}), files=FILES)
    answer = server.curl("/nothing", "-H", "Accept-Encoding: identity")
    assert (answer.status, answer.text) == (404, "<h1>own 404")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert server.curl("/bare/").text == "<h1>own 4xx"
    assert server.curl("/", "-X", "DELETE").text == "<h1>own 4xx"
    assert server.curl("/nothing", "-I").headers["content-length"] == "11"
    conditional = server.curl("/nothing", *fields("If-None-Match: *", "Range: bytes=0-1"))
    assert (conditional.status, conditional.text) == (404, "<h1>own 404")


def test_error_page_of_ours_names_the_request_and_no_software(server):
    html = server.curl("/nothing", "-H", "Accept: text/html")
    assert html.status == 404 and "<title>404 Not Found</title>" in html.text
    assert "gardien" not in html.text.lower() and "Request " in html.text
    text = server.curl("/nothing", "-H", "Accept: application/json")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert "<script>" not in server.curl("/<script>alert(1)</script>", "--http1.1").text


# ---- files that change while they are sent ----

SIZE = 24 << 20


class Slow:
    """A download that has begun and waits."""

    def __init__(self, server, path, fields=""):
        bare = socket.socket()
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        bare.settimeout(15 * PATIENCE)
        bare.connect(("127.0.0.1", server.https))
        self.peer = anything_goes().wrap_socket(bare, server_hostname="localhost")
        self.peer.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
        self.head = b""
        while b"\r\n\r\n" not in self.head:
            self.head += self.peer.recv(1)
        self.length = int(re.search(rb"(?i)content-length: (\d+)", self.head)[1])

    def rest(self):
        """All that comes: as long as promised, or shorter when the server cuts it off."""
        got = bytearray()
        while len(got) < self.length:
            try:
                piece = self.peer.recv(1 << 20)
            except (ConnectionError, OSError) as error:
                assert not isinstance(error, TimeoutError), "it hangs"
                break
            if not piece:
                break
            got += piece
        return bytes(got)

    def next_answer(self):
        """Whether the connection still serves."""
        self.peer.sendall(b"GET /digits.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return read_answer(self.peer).text


@pytest.fixture
def big(server):
    """A file of a name of its own: a worker may remember the last one's for a tenth of a second."""
    file = server.public / f"big{time.monotonic_ns()}.bin"
    file.write_bytes(b"ab" * (SIZE // 2))
    yield file
    file.unlink(missing_ok=True)


def test_file_deleted_or_replaced_while_it_is_sent_arrives_whole(server, big):
    slow = Slow(server, f"/{big.name}")
    fresh = server.public / "fresh.bin"
    fresh.write_bytes(b"cd" * 100)
    fresh.rename(big)
    assert slow.rest() == b"ab" * (SIZE // 2)
    assert slow.next_answer() == "0123456789"
    slow = Slow(server, f"/{big.name}")
    big.unlink()
    assert slow.rest() == b"cd" * 100
    assert wait_until(lambda: server.curl(f"/{big.name}").status == 404, 3)


def test_file_that_grows_while_it_is_sent_keeps_its_promised_length(server, big):
    slow = Slow(server, f"/{big.name}")
    with big.open("ab") as file:
        file.write(b"x" * 100000)
    assert slow.length == SIZE and slow.rest() == b"ab" * (SIZE // 2)
    assert slow.next_answer() == "0123456789"


def test_file_truncated_while_it_is_sent_cuts_the_connection(server, big):
    slow = Slow(server, f"/{big.name}")
    os.truncate(big, 1000)
    got = slow.rest()
    assert len(got) < slow.length and got == (b"ab" * (SIZE // 2))[:len(got)]
    with pytest.raises((AssertionError, OSError)):
        slow.next_answer()
    assert server.curl("/digits.txt").status == 200
    # HTTP/2: the stream fails, the connection serves on
    big.write_bytes(b"ab" * (SIZE // 2))
    timer = threading.Timer(0.5, os.truncate, (big, 1000))
    timer.start()
    result = server.curl_code(f"/{big.name}", "--http2", "--limit-rate", "5M", "-o", "/dev/null")
    timer.join()
    assert result.returncode in (18, 92, 56), result.stderr


def test_files_that_change_all_the_time_are_never_mixed(server):
    """Rewritten by rename: every answer is one version, and its length and tag are its own."""
    file, fresh, stop = server.public / "flip.txt", server.public / "flip.new", threading.Event()

    def write(i):
        fresh.write_text(chr(97 + i % 26) * (1 + i * 37 % 5000))
        fresh.replace(file)

    def flip():
        i = 0
        while not stop.is_set():
            write(i)
            i += 1
            time.sleep(0.002)

    write(0)
    thread = threading.Thread(target=flip)
    thread.start()
    try:
        tags = {}
        with server.tls() as peer:
            for _ in range(400):
                peer.sendall(b"GET /flip.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = read_answer(peer)
                assert answer.status == 200 and len(set(answer.body)) == 1
                assert tags.setdefault(answer.headers["etag"], answer.body) == answer.body
                time.sleep(0.001)
    finally:
        stop.set()
        thread.join()


# ---- huge files ----


@pytest.mark.alone
def test_ten_gigabytes_to_many_slow_clients_in_constant_memory(server):
    huge = server.public / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(10 << 30)
        file.seek((10 << 30) - 3)
        file.write(b"end")
    try:
        workers = server.role("worker")
        assert workers
        server.curl("/digits.txt")
        before = resident(workers)
        clients = [Slow(server, "/huge.bin") for _ in range(24)]
        loads = [subprocess.Popen(
            ["curl", "-sS", "-k", version, "--limit-rate", "20M", "--max-time", "2", "-o", "/dev/null",
             server.url("/huge.bin", name="127.0.0.1")], stderr=subprocess.DEVNULL)
            for version in ("--http1.1", "--http2") * 3]
        assert all(client.length == 10 << 30 for client in clients)
        most, deadline = before, time.monotonic() + 1.5
        while time.monotonic() < deadline:
            for client in clients:
                client.peer.recv(65536)
            most = max(most, resident(workers))
        end = server.curl("/huge.bin", "-H", "Range: bytes=-3")
        assert end.body == b"end"
        assert end.headers["content-range"] == "bytes 10737418237-10737418239/10737418240"
        assert server.curl("/digits.txt").text == "0123456789"
        most = max(most, resident(workers))
        for load in loads:
            assert load.wait(20 * PATIENCE) == 28, "it was still coming when curl's time was up"
        for client in clients:
            client.peer.close()
        allowed = 32 * 1024 + (512 * 1024 if SANITIZED else 0)  # ASan holds back 256 MiB that were freed
        assert most - before < allowed, f"{before} KiB became {most} KiB"
    finally:
        huge.unlink()


def test_reader_that_stops_reading_is_let_go(start):
    server = start(lambda server: {**site(server), "limits": {"response_timeout": "1s"}},
                   files={"big.bin": b"a" * SIZE})
    slow = Slow(server, "/big.bin")
    time.sleep(2.5)
    began = time.monotonic()
    assert len(slow.rest()) < SIZE
    assert time.monotonic() - began < 5 * PATIENCE
