"""Clients that take more than their share: slow ones, many from one address, very many, and a
server that is out of descriptors or memory. All the others are served meanwhile."""

import json
import os
import re
import resource
import socket
import ssl
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lib import (PATIENCE, SANITIZED, anything_goes, have, limit, limits_of, needs_root, read_all, read_answer, run,
                 wait_until)
from load import Load

ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
BIG = 16 << 20

QUICK = {"handshake_timeout": "1s", "keep_alive": "2s", "header_timeout": "1s",
         "header_timeout_max": "2s", "body_timeout": "1s", "response_timeout": "1s"}


def settings(server, **limits):
    return {"sites": [{"names": ["localhost"], "files": str(server.public)}], "workers": 1,
            "limits": limits}


@pytest.fixture
def serve(start):
    """serve(workers=1, **limits) -> a Gardien with a big file."""
    def serve(workers=1, **limits):
        return start(lambda server: {**settings(server, **limits), "workers": workers,
                                     "logs": {"access": str(server.folder / "access.json"),
                                              "format": "json"}},
                     files={"big.bin": bytes(BIG)})
    return serve


@pytest.fixture(scope="module")
def quick(start_shared):
    """A gardien with short deadlines, for those that meet one of them."""
    return start_shared(lambda server: settings(server, **QUICK), files={"big.bin": bytes(BIG)})


def closed_after(peer, least=0.0, most=6.0):
    """Reads until the server closes, which must be between so many seconds from now."""
    since = time.monotonic()
    got = read_all(peer)
    took = time.monotonic() - since
    assert least <= took <= most * PATIENCE, f"closed after {took:.2f} s"
    return got


def memory_of(pid):
    """Resident bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def ask(peer):
    peer.sendall(ASK)
    return read_answer(peer)


# ---- slow ones ----


ATTACKS = {
    "headers": ["-H", "-i", "1", "-x", "24", "-l", int(12 * PATIENCE)],
    "body": ["-B", "-i", "1", "-s", "8192", "-x", "10", "-t", "POST", "-l", int(12 * PATIENCE)],
    # It does not notice that it was cut off before it has read all that the kernel holds for it.
    "reading": ["-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32", "-k", "3",
                "-l", int(6 * PATIENCE)],
}


def connections_of(server):
    report = json.loads(server.cli("status", "--json", "--here", "--no-connect", check=True).stdout)["gardien"]
    return sum(worker["connections"] for worker in report["workers"])


@pytest.mark.parametrize("attack", ATTACKS)
def test_slowhttptest_is_survived_and_others_are_served(quick, attack):
    worker = quick.role("worker")
    with Load(quick, http1=1, http2=1, fresh=1) as load:
        result = run("slowhttptest", *ATTACKS[attack], "-c", "300", "-r", "150", "-p", "3", "-u",
                     quick.url("/big.bin", name="127.0.0.1"), seconds=40)
        load.wait_more()
        assert connections_of(quick) < 50, "those who are slow are still there"
    report = re.sub(r"\x1b\[[\d;]*m", "", result.stdout)
    assert "service available:   YES" in report, report[-1500:]
    assert attack == "reading" or "No open connections left" in report, report[-1500:]
    assert load.slowest < 4 * PATIENCE, f"somebody else waited {load.slowest:.2f} s"
    assert quick.role("worker") == worker


def test_a_client_that_never_shakes_hands_is_closed(quick):
    with quick.tcp() as silent, quick.tcp() as half, quick.tcp() as slow:
        half.sendall(bytes.fromhex("1603010200010001fc0303"))  # the beginning of a ClientHello
        for byte in bytes.fromhex("16030102"):
            slow.sendall(bytes([byte]))
            time.sleep(0.2)
        for peer in (silent, half, slow):
            closed_after(peer, most=2.5)


def test_an_idle_connection_is_closed_in_good_order(quick):
    with quick.tls() as peer:
        assert ask(peer).status == 200
        assert closed_after(peer, 0.5, 5) == b""
    with quick.tls() as fresh:
        assert closed_after(fresh, 0.5, 3) == b"", "one that never asked is no better"


def drip(peer, data, pause=0.1, seconds=8):
    """Sends a byte at a time until the server has had enough; returns how long that took."""
    since = time.monotonic()
    try:
        for byte in data:
            peer.sendall(bytes([byte]))
            peer.settimeout(pause)
            try:
                if not peer.recv(4096):
                    break
            except (TimeoutError, ssl.SSLWantReadError):
                continue
            break
    except OSError:
        pass
    return time.monotonic() - since


def test_a_header_that_drips_in_meets_its_deadline(quick):
    with quick.tls() as peer:
        assert drip(peer, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 200) < 4 * PATIENCE


def test_a_body_that_drips_in_meets_its_deadline(quick):
    with quick.tls() as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        closed_after(peer, 0, 4)


def test_a_body_below_the_least_rate_is_cut_and_one_above_it_is_taken(serve):
    server = serve(body_timeout="1s", body_rate="1KiB", keep_alive="30s")

    def send_body(rate, seconds):
        """Sends a body at so many bytes a second; returns when the server closed, or None."""
        with server.tls() as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16384\r\n\r\n")
            assert read_answer(peer).status == 200
            since = time.monotonic()
            peer.settimeout(0.1)
            while time.monotonic() - since < seconds:
                try:
                    peer.sendall(b"x" * (rate // 10))
                    if not peer.recv(100):
                        return time.monotonic() - since
                except TimeoutError:
                    continue
                except OSError:
                    return time.monotonic() - since
            return None

    assert send_body(4096, 3) is None
    assert send_body(100, 5 * PATIENCE) > 0.5


def test_an_answer_that_nobody_reads_meets_its_deadline(quick):
    worker = quick.role("worker")[0]
    peers = []
    for _ in range(30):
        peer = quick.tls()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        peer.sendall(b"GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        peers.append(peer)

    with quick.tls() as other:
        assert ask(other).status == 200
    wait_until(lambda: connections_of(quick) == 0, 8, "those who do not read to be cut off")
    for peer in peers:
        peer.close()
    assert quick.role("worker") == [worker]


def test_a_reader_above_the_least_rate_is_not_cut(serve):
    server = serve(response_timeout="1s", response_rate="100KiB", keep_alive="1s")
    with server.tls() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        peer.sendall(b"GET /big.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        got, since = 0, time.monotonic()
        while piece := peer.recv(65536):
            got += len(piece)
            if time.monotonic() - since < 3:
                time.sleep(0.01)
        assert got > BIG


# ---- requests that are too large ----


def test_sizes_of_requests_have_limits(serve):
    server = serve(header_size="4KiB", header_count=20, uri_length="1KiB", body_size="10KiB")
    many = b"".join(b"X-%d: y\r\n" % i for i in range(30))
    cases = ((b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
             (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 5000 + b"\r\n\r\n", 431),
             (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + many + b"\r\n", 431),
             (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n", 413))
    for request, status in cases:
        with server.tls() as peer:
            peer.sendall(request)
            assert read_answer(peer).status == status, request[:60]
    large = [(["-H", "X: " + "a" * 5000], "/", 431), ([], "/" + "a" * 2000, 414),
             (["-d", "b" * 20000], "/", 413)]
    for options, path, status in large:
        assert server.curl(path, "--http2", *options).status == status
    assert server.curl("/").status == 200


def test_requests_of_one_connection_are_counted(serve):
    server = serve(requests_per_connection=3)
    with server.tls() as peer:
        answers = [ask(peer) for _ in range(3)]
        assert [answer.headers.get("connection") for answer in answers] == [None, None, "close"]
        assert closed_after(peer, most=2) == b""
    report = run("h2load", "-n", 20, "-c", 1, "-m", 1, server.url("/")).stdout
    assert "20 done" in report or " 3 succeeded" in report


# ---- many ----


def connect_from(server, address):
    peer = socket.socket()
    peer.settimeout(5 * PATIENCE)
    peer.bind((address, 0))
    peer.connect(("127.0.0.1", server.https))
    try:
        return anything_goes().wrap_socket(peer, server_hostname="localhost")
    except OSError:
        peer.close()
        raise


def test_connections_of_an_address_are_counted_over_all_workers(serve):
    server = serve(workers=3, connections_per_address=10)
    peers = [connect_from(server, "127.0.0.5") for _ in range(10)]
    assert all(ask(peer).status == 200 for peer in peers)
    for _ in range(5):
        with pytest.raises(OSError):
            with connect_from(server, "127.0.0.5") as peer:
                ask(peer)
    with connect_from(server, "127.0.0.6") as other:
        assert ask(other).status == 200
    assert all(ask(peer).status == 200 for peer in peers), "those who were first are kept"
    for peer in peers[:4]:
        peer.close()

    def room_again():
        try:
            peers.append(connect_from(server, "127.0.0.5"))
            return ask(peers[-1]).status == 200
        except (OSError, AssertionError):
            return False

    wait_until(room_again, 5, "room for another")
    for pid in server.role("worker"):  # a dead worker's connections count no more
        os.kill(pid, 9)
    wait_until(room_again, 5, "room after the workers' end")
    for peer in peers:
        peer.close()


def test_a_full_worker_lets_idle_connections_go_first(serve):
    server = serve(connections_per_worker=10)
    peers = [server.tls(context=anything_goes()) for _ in range(10)]
    assert all(ask(peer).status == 200 for peer in peers)
    with server.tls(context=anything_goes()) as fresh:
        assert ask(fresh).status == 200
        assert peers[0].recv(100) == b"", "the one that was idle longest went"
        assert all(ask(peer).status == 200 for peer in peers[2:])
    for peer in peers:
        peer.close()


@pytest.mark.alone
def test_ten_thousand_idle_connections(serve):
    wanted = 1500 if SANITIZED else 10000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted + 500:
        wanted = hard - 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, wanted + 500)), hard))
    server = serve(workers=2, connections_per_address=0, keep_alive="600s",
                   handshake_timeout="60s")
    workers, peers = server.role("worker"), []
    context = anything_goes()
    before = sum(memory_of(pid) for pid in workers)

    with server.tls(context=context) as first:
        assert ask(first).status == 200
        session = first.session  # resumed, since the clients' half costs this machine more

    def connect(_):
        bare = server.tcp(seconds=60)
        peers.append(context.wrap_socket(bare, server_hostname="localhost", session=session))

    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(connect, range(wanted)))
        assert ask(peers[0]).status == ask(peers[-1]).status == 200
        each = (sum(memory_of(pid) for pid in workers) - before) / wanted
        assert each < 16384 or SANITIZED, f"{each:.0f} bytes for each idle connection"
        with Load(server, http1=1, http2=1, fresh=1) as load:
            load.wait_more(20)
        assert load.slowest < 1.5 * PATIENCE
        assert connections_of(server) >= wanted
        assert all(ask(peer).status == 200 for peer in peers[::wanted // 50])
    finally:
        for peer in peers:
            linger_not(peer)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def linger_not(peer):
    """Closes at once, without TIME_WAIT."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


# ---- out of something ----


@needs_root
def test_out_of_descriptors_and_recovered(serve):
    server = serve(workers=1, keep_alive="60s")
    worker = server.role("worker")[0]
    soft, _ = limits_of(worker, "Max open files")
    busy = []
    for _ in range(5):
        peer = server.tls(context=anything_goes())
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262144)  # some segments of loopback
        peer.sendall(b"GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert peer.recv(100)
        busy.append(peer)
    opened = len(list(Path(f"/proc/{worker}/fd").iterdir()))
    limit(worker, f"--nofile={opened + 8}:")
    idle = []
    for _ in range(40):  # far more than there is room for: the idle ones before give way
        peer = server.tls(context=anything_goes())
        assert ask(peer).status == 200
        idle.append(peer)
    server.wait_output("accepting paused", 5)
    for peer in busy:  # what was under way is not touched
        assert peer.recv(100)
    waiting = [server.tcp() for _ in range(30)]
    for peer in (*idle, *waiting):
        peer.close()
    limit(worker, f"--nofile={soft}:")
    for peer in busy:
        got = 0
        while got < BIG:
            piece = peer.recv(1 << 20)
            assert piece, "a download was cut"
            got += len(piece)
        peer.close()
    peers = [server.tls(context=anything_goes()) for _ in range(40)]
    assert all(ask(peer).status == 200 for peer in peers)
    for peer in peers:
        peer.close()
    assert server.role("worker") == [worker], "nobody had to die"


def test_no_descriptor_for_a_file_is_an_answer_and_passes(serve):
    server = serve(workers=1)
    for number in range(3):
        (server.public / f"{number}.txt").write_text("x" * 400000)  # too large to be kept
    worker = server.role("worker")[0]
    soft, _ = limits_of(worker, "Max open files")
    with server.tls() as peer:
        assert ask(peer).status == 200
        limit(worker, "--nofile=4:")
        peer.sendall(b"GET /0.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_answer(peer).status in (500, 503)
        limit(worker, f"--nofile={soft}:")
    assert server.curl("/0.txt").status == 200
    assert server.role("worker") == [worker]


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's build needs terabytes of addresses")
@pytest.mark.alone
def test_out_of_memory_and_recovered(serve):
    server = serve(workers=1, connections_per_address=0)
    worker = server.role("worker")[0]
    size = int(Path(f"/proc/{worker}/statm").read_text().split()[0]) * resource.getpagesize()
    limit(worker, f"--as={size + (1 << 20)}:")
    peers = []
    for _ in range(400):
        try:
            peer = server.tls(context=anything_goes())
            peers.append(peer)
            peer.sendall(b"GET /big.bin HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 30000)
        except OSError:
            continue
    for peer in peers:
        peer.close()

    def served():
        try:
            with server.tls(context=anything_goes(), seconds=2) as peer:
                return ask(peer).status == 200
        except (OSError, AssertionError):
            return False

    wait_until(served, 5, "to be served again")
    assert server.process.poll() is None


def test_memory_is_bounded_whatever_slow_clients_do(serve):
    server = serve(workers=1, connections_per_address=0)
    worker = server.role("worker")[0]
    peers = [server.tls(context=anything_goes()) for _ in range(200)]
    before = memory_of(worker)
    for number, peer in enumerate(peers):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        if number % 2:
            peer.sendall(b"GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
        else:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 30000)
    time.sleep(0.5)
    grown = memory_of(worker) - before
    assert grown < 200 * 160 * 1024 * (4 if SANITIZED else 1), f"{grown >> 10} KiB for 200 clients"
    assert server.curl("/").status == 200
    for peer in peers:
        linger_not(peer)


@pytest.mark.skipif(not have("ss"), reason="ss is needed")
def test_the_kernel_keeps_little_for_a_reader_that_stalls(serve):
    """Megabytes each, where nothing bounds what it takes ahead."""
    server = serve()
    peers = [server.tls() for _ in range(5)]
    for peer in peers:
        peer.sendall(b"GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert peer.recv(100)

    def queues():
        said = run("ss", "-tnH", "state", "established", "sport", "=", f":{server.https}").stdout
        return [int(line.split()[1]) for line in said.splitlines()]

    wait_until(lambda: len(queues()) == 5 and min(queues()) > 0, 10, "the readers' windows to be full")
    time.sleep(0.5)
    assert max(queues()) < 600 << 10, queues()
    for peer in peers[1:]:
        peer.close()
    got = len(peers[0].recv(100))
    while got < BIG:  # who reads on gets it all
        got += len(peers[0].recv(1 << 20))
    peers[0].close()
