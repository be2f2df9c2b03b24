"""HTTP/3: the same sites over QUIC, and what only QUIC can suffer."""

import json
import os
import shutil
import signal
import socket

import pytest

import quic
from lib import PATIENCE, BINARY, alive, make_certificate, needs_library, wait_until
from upstream import Upstream

pytestmark = pytest.mark.skipif(not quic.CLIENT, reason="needs ngtcp2-client")

BIG = os.urandom(12 << 20)
MIDDLE = BIG[:500_000]
SITE = "https://localhost"


def settings(server, **more):
    return {"listen": {"https": [f"127.0.0.1:{server.https}"], "http": "off", "http3": "on"},
            "workers": 2, "logs": {"access": str(server.folder / "access.log"), "format": "json"},
            "sites": [{"names": ["localhost"], "files": str(server.public)}], **more}


@pytest.fixture(autouse=True)
def built():
    needs_library("http3")


@pytest.fixture
def server(start):
    return start(settings, files={"big.bin": BIG, "middle.bin": MIDDLE})


def lines(server, count):
    """The access log once it has so many lines."""
    log = server.folder / "access.log"
    wait_until(lambda: log.exists() and len(log.read_text().splitlines()) >= count, 10, "the log")
    return [json.loads(line) for line in log.read_text().splitlines()]


def fetch(port, folder, name="big.bin", **more):
    """Downloads a file; its bytes."""
    folder.mkdir(exist_ok=True)
    asked = quic.ask(port, f"{SITE}/{name}", download=folder, **more)
    assert (folder / name).exists(), asked.output[-2000:]
    return (folder / name).read_bytes()


def test_files_errors_and_the_log(server, tmp_path):
    asked = quic.ask(server.https, f"{SITE}/", f"{SITE}/nope")
    assert sorted(asked.statuses) == [200, 404] and "date" in asked.output
    assert "hello" in asked.output
    assert fetch(server.https, tmp_path / "got") == BIG
    seen = lines(server, 3)
    assert {line["protocol"] for line in seen} == {"HTTP/3.0"}
    assert {(line["target"], line["status"]) for line in seen} == \
        {("/", 200), ("/nope", 404), ("/big.bin", 200)}
    assert all(line["tls"] == "TLSv1.3" and line["client"] == "127.0.0.1" for line in seen)
    assert f"http3 127.0.0.1:{server.https}" in server.output()


def test_two_hundred_requests_of_one_connection(server):
    asked = quic.ask(server.https, f"{SITE}/", options=["--nstreams=200"], seconds=60)
    assert asked.statuses == [200] * 200
    assert len(lines(server, 200)) == 200


def test_off_by_default(start):
    server = start(lambda server: {key: value for key, value in settings(server).items()
                                   if key != "listen"})
    assert "http3" not in server.output()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", server.https))  # nobody else has it


def test_bodies_go_through_the_proxy(start, tmp_path):
    body = os.urandom(700_000)
    (tmp_path / "body").write_bytes(body)
    with Upstream() as app:
        server = start(lambda server: settings(server, sites=[
            {"names": ["localhost"], "proxy": app.address}]))
        asked = quic.ask(server.https, f"{SITE}/", options=["-d", tmp_path / "body"])
        assert asked.statuses == [200], asked.output[-2000:]
    assert [request.body for request in app.requests] == [body]


def test_rates_hold_for_http3_too(start):
    server = start(lambda server: settings(server, protect={
        "rates": [{"key": "address", "rate": "1/m", "burst": 3}]}))
    asked = quic.ask(server.https, f"{SITE}/", options=["--nstreams=8"])
    assert asked.statuses.count(429) == 8 - asked.statuses.count(200) > 0


def test_a_session_is_resumed_and_no_early_data_is_taken(server, tmp_path):
    keep = [f"--session-file={tmp_path / 'session'}", f"--tp-file={tmp_path / 'parameters'}",
            f"--token-file={tmp_path / 'token'}"]
    for _ in range(2):
        assert quic.ask(server.https, f"{SITE}/", options=keep).statuses == [200]
    assert [line["resumed"] for line in lines(server, 2)] == [False, True]


@pytest.mark.parametrize("options", [
    ["--key-update=30ms", "--delay-stream=100ms"],
    ["--change-local-addr=30ms", "--delay-stream=200ms"],
    ["--change-local-addr=30ms", "--nat-rebinding", "--delay-stream=200ms"],
], ids=["key update", "migration", "rebinding"])
def test_connections_outlive(server, tmp_path, options):
    assert fetch(server.https, tmp_path / "got", options=options) == BIG


@pytest.mark.parametrize("loss, reorder", [(0.05, 0.0), (0.02, 0.2)])
def test_lost_and_late_datagrams(server, tmp_path, loss, reorder):
    with quic.Relay(server.https, loss, reorder) as relay:
        assert fetch(relay.port, tmp_path / "got", "middle.bin", seconds=60) == MIDDLE
        assert relay.lost


def answers(port, datagrams, seconds=1.0):
    """What comes back, of a client that says no more."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for datagram in datagrams:
            peer.sendto(datagram, ("127.0.0.1", port))
        peer.settimeout(seconds)
        found = []
        try:
            while True:
                found.append(peer.recv(65536))
        except TimeoutError:
            return found


def test_unknown_versions_are_told_ours(server):
    long = b"\xc0\x1a\x2a\x3a\x4a\x08" + b"d" * 8 + b"\x08" + b"s" * 8
    assert answers(server.https, [long.ljust(1199, b"\0")]) == []  # too short to be answered
    found = answers(server.https, [long.ljust(1200, b"\0")])
    assert len(found) == 1 and found[0][1:5] == bytes(4)
    assert found[0][5:] == b"\x08" + b"s" * 8 + b"\x08" + b"d" * 8 + b"\0\0\0\1"


@pytest.mark.parametrize("marks", [(0xa5,), (0xa5, 0x3c)])
def test_a_clients_own_id_may_look_like_ours(server, marks):
    """It is for a worker that reads its socket, all the same."""
    asked = [b"\xc0\x1a\x2a\x3a\x4a\x12" + bytes([first, *(first ^ mark for mark in marks)])
             + os.urandom(17 - len(marks)) + b"\x08" + b"s" * 8 for first in range(8, 256)]
    assert len(answers(server.https, [one.ljust(1200, b"\0") for one in asked])) == len(asked)


def test_unknown_connections_are_reset_once(server):
    lost = b"\x40" + bytes([0, 0xa5, 0x3c]) + b"c" * 15 + b"x" * 60
    found = answers(server.https, [lost])
    assert len(found) == 1 and len(found[0]) < len(lost)
    assert found[0][-16:] == answers(server.https, [lost])[0][-16:], "the same for the same ID"
    assert answers(server.https, [lost[:42]]) == [], "else two servers could go on for ever"


def test_an_address_that_is_not_shown_gets_three_times_what_came(start, tmp_path):
    certificate, key = make_certificate(tmp_path, "long", ["localhost"], "rsa:2048")
    certificate.write_text(certificate.read_text() * 10)
    server = start(lambda server: settings(server, sites=[
        {"names": ["localhost"], "files": str(server.public),
         "certificate": [{"file": str(certificate), "key": str(key)}]}]))
    datagram = quic.first_datagrams(1)[0]
    found = sum(map(len, answers(server.https, [datagram], seconds=2)))
    assert 0 < found <= 3 * len(datagram)
    assert quic.ask(server.https, f"{SITE}/").statuses == [200], "the chain fits in later datagrams"


def test_under_a_flood_of_beginnings_clients_show_their_address(start):
    server = start(lambda server: settings(server, workers=1))
    answers(server.https, quic.first_datagrams(70), seconds=0.1)
    asked = quic.ask(server.https, f"{SITE}/")
    assert "type=Retry" in asked.output and asked.statuses == [200]


def test_nonsense_harms_nobody(server):
    datagrams = [os.urandom(size) for size in (1, 7, 20, 50, 1200, 1400) for _ in range(50)]
    first = quic.first_datagrams(1)[0]
    datagrams += [first[:at] + bytes([first[at] ^ 255]) + first[at + 1:] for at in range(0, 60)]
    answers(server.https, datagrams, seconds=0.2)
    asked = quic.ask(server.https, f"{SITE}/")
    assert asked.statuses == [200], asked.output[-3000:] + server.output()


class Slow:
    """A download over a relay that stands still from its beginning until go_on()."""

    def __init__(self, server, folder, quiet=True):
        folder.mkdir()
        self.file = folder / "big.bin"
        self.relay = quic.Relay(server.https)
        self.quiet = quiet

    def __enter__(self):
        self.relay.__enter__()
        self.client = quic.start(self.relay.port, f"{SITE}/big.bin", download=self.file.parent,
                                 quiet=self.quiet)
        wait_until(lambda: self.file.exists() and self.file.stat().st_size, 20, "its beginning",
                   pause=0.001)
        self.relay.hold()
        return self

    def __exit__(self, *_):
        self.client.kill()
        self.client.communicate()
        self.relay.__exit__()

    def end(self):
        """Goes on, and waits for the client's end; what it said."""
        assert self.client.poll() is None and self.file.stat().st_size < len(BIG)
        self.relay.release()
        return self.client.communicate(timeout=60)[0].decode("latin-1")


def test_a_reload_cuts_nothing(server, tmp_path):
    other = server.folder / "other"
    other.mkdir()
    with Slow(server, tmp_path / "got") as download:
        for _ in range(10):
            assert server.cli("reload").returncode == 0
        workers = server.role("worker")
        server.write_config(settings(server, sites=[  # a folder that these may not open
            {"names": ["localhost"], "files": str(server.public)},
            {"names": ["other.localhost"], "files": str(other)}]))
        assert server.cli("reload").returncode == 0, server.output()
        assert not set(workers) >= set(server.role("worker")), "others"
        for _ in range(4):
            assert quic.ask(server.https, f"{SITE}/").statuses == [200]
        download.end()
        assert download.file.read_bytes() == BIG


def test_a_dead_workers_clients_are_told_by_its_successor(server, tmp_path):
    with Slow(server, tmp_path / "got", quiet=False) as download:
        for pid in server.role("worker"):
            os.kill(pid, signal.SIGKILL)
        assert "SR token" in download.end()
        assert download.file.stat().st_size < len(BIG)
    assert fetch(server.https, tmp_path / "again") == BIG


def test_an_upgrade_cuts_nothing(start, tmp_path):
    program = tmp_path / "bin" / "gardien"
    program.parent.mkdir()
    shutil.copy(BINARY, program)
    server = start(settings, binary=program, files={"big.bin": BIG})
    with Slow(server, tmp_path / "got") as download:
        assert server.cli("upgrade", seconds=60).returncode == 0, server.output()
        status = json.loads(server.cli("status", "--json", "--here", "--no-connect").stdout)
        successor = status["gardien"]["pid"]
        try:
            assert successor != server.process.pid
            for _ in range(4):
                assert quic.ask(server.https, f"{SITE}/").statuses == [200]
            download.end()
            assert download.file.read_bytes() == BIG
            assert server.process.wait(30 * PATIENCE) == 0, "it ends once its connections have"
        finally:
            server.cli("stop", seconds=40)
    wait_until(lambda: not alive(successor), 10, "the successor to be gone")
