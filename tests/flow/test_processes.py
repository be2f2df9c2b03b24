"""Processes that die, at random and under load; the end of a gardien, and a second one."""

import json
import os
import random
import signal
import socket
import tempfile
import time
from pathlib import Path

import pytest

from lib import (BINARY, PATIENCE, SANITIZED, Gardien, alive, anything_goes, read_all, read_answer, run,
                 wait_until)
from load import Download, Load

ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def three_workers(server):
    return {"sites": [{"names": ["localhost"], "files": str(server.public)}], "workers": 3,
            "logs": {"access": str(server.folder / "access.log")}}


@pytest.fixture
def server(start):
    return start(three_workers)


def status(server):
    return json.loads(server.cli("status", "--json", "--here", "--no-connect", check=True).stdout)["gardien"]


def connections_of(server):
    return {worker["pid"]: worker["connections"] for worker in status(server)["workers"]}


def has_ended(peer):
    """Whether the other side has closed or reset it. A write would tell as well, but leaves an error
    in the TLS library that Python 3.13 takes for the next connection's."""
    with socket.socket(fileno=os.dup(peer.fileno())) as bare:
        bare.setblocking(False)
        try:
            return bare.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


def answers(peer):
    """Whether a kept connection still works."""
    if has_ended(peer):
        return False
    try:
        peer.sendall(ASK)
        return read_answer(peer).status == 200
    except (OSError, AssertionError):
        return False


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    return time.monotonic()


def replaced(server, role, pid, count, since):
    """Waits until as many as before run without the killed one, and holds that to a second."""
    wait_until(lambda: pid not in server.role(role) and len(server.role(role)) == count, 5,
               f"another {role}", pause=0.005)
    took = time.monotonic() - since
    assert took < PATIENCE, f"a new {role} took {took:.2f} s"


def test_a_killed_worker_takes_only_its_own_connections_with_it(server):
    peers = [server.tls(context=anything_goes()) for _ in range(24)]
    assert all(answers(peer) for peer in peers)
    before = connections_of(server)
    assert len(before) == 3 and sum(before.values()) == 24
    victim = max(before, key=before.get)
    since = kill(victim)
    replaced(server, "worker", victim, 3, since)
    living = [peer for peer in peers if answers(peer)]
    assert len(living) == 24 - before[victim]
    with server.tls(context=anything_goes()) as fresh:
        assert answers(fresh)
    for peer in peers:
        peer.close()


def test_connections_that_wait_to_be_accepted_outlive_their_worker(server):
    """The listening sockets are the guardian's: what waits in one is served by the next worker."""
    workers = server.role("worker")
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    peers = [server.tcp(secure=False) for _ in range(9)]
    for peer in peers:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    for pid in workers:
        kill(pid)
    for peer in peers:
        with peer:
            assert read_all(peer).startswith(b"HTTP/1.1 308 ")


def test_killed_keys_and_logs_processes_are_replaced_and_nobody_notices(server):
    with Load(server, http1=2, http2=1, fresh=0) as load:
        for role in ("keys", "logs"):
            pid = server.role(role)[0]
            replaced(server, role, pid, 1, kill(pid))
            load.wait_more(3)
            with server.tls(context=anything_goes()) as fresh:
                assert answers(fresh)
    assert len(server.role("worker")) == 3
    server.curl("/after-all-that")
    wait_until(lambda: "/after-all-that" in (server.folder / "access.log").read_text(), 5,
               "the new logs process to write")


def test_kill_9_at_random_under_load(server):
    dice = random.Random(443)
    with Load(server, http1=3, http2=1, fresh=2, forgiving=True, tolerant=True) as load:
        for _ in range(12):
            role = dice.choice(("worker", "worker", "worker", "keys", "logs"))
            pids = server.role(role)
            victim = dice.choice(pids)
            replaced(server, role, victim, len(pids), kill(victim))
            time.sleep(dice.random() * 0.3)
        load.wait_more(3)
        kills, broken = 12, len(load.errors)
        refused = [error for error in load.errors if "ConnectionRefused" in error]
    assert not refused, refused[:3]
    # Each client can be cut off by each kill, in the middle of an answer or a handshake, but never
    # again and again.
    assert broken <= kills * len(load.clients), load.errors[:5]
    assert load.done > 20 * len(load.clients)
    assert server.process.poll() is None


@pytest.mark.parametrize("how", ["idle", "under load", "while workers hang"])
def test_nothing_remains_of_a_killed_guardian(server, how):
    server.expected_exit = -signal.SIGKILL
    family = server.family()
    assert len(family) == 6
    load = Load(server, tolerant=True).__enter__() if how == "under load" else None
    if how == "while workers hang":
        os.kill(server.role("worker")[0], signal.SIGSTOP)
    kill(server.process.pid)
    server.process.wait()
    wait_until(lambda: not any(alive(pid) for pid in family), 5, "the children to be gone")
    if load:
        load.stop()
    for secure in (True, False):
        with pytest.raises(ConnectionRefusedError):
            server.tcp(secure)


def test_a_worker_that_dies_again_and_again_does_not_take_the_guardian_along(server):
    for _ in range(5):
        for pid in server.role("worker"):
            kill(pid)
        time.sleep(0.1)
    wait_until(lambda: len(server.role("worker")) == 3, 10, "three workers")
    assert server.curl("/").status == 200


def test_status_counts_what_workers_do(server):
    peers = [server.tls(context=anything_goes()) for _ in range(6)]
    assert all(answers(peer) for peer in peers for _ in range(2))
    report = status(server)
    assert report["keys"] == server.role("keys")[0] and report["logs"] == server.role("logs")[0]
    assert sorted(w["pid"] for w in report["workers"]) == sorted(server.role("worker"))
    assert sum(w["connections"] for w in report["workers"]) == 6
    assert sum(w["requests"] for w in report["workers"]) >= 12
    for peer in peers:
        peer.close()
    wait_until(lambda: sum(connections_of(server).values()) == 0, 5, "connections to be forgotten")
    assert str(server.role("keys")[0]) in server.cli("status").stdout


# ---- the end ----


def test_stop_drains_what_is_under_way(start):
    content = os.urandom(6 << 20)
    server = start(three_workers, files={"big.bin": content})
    download = Download(server, "/big.bin", content)
    idle = server.tls(context=anything_goes())
    assert answers(idle)
    wait_until(lambda: download.answer, 5, "the download to begin")
    server.process.send_signal(signal.SIGTERM)
    assert read_all(idle) == b"", "an idle connection is closed at once"
    idle.close()
    wait_until(lambda: refuses(server), 5, "the port to be closed")
    assert download.under_way and server.process.poll() is None
    download.finish()
    assert server.process.wait(5 * PATIENCE) == 0


def refuses(server):
    try:
        server.tcp().close()
        return False
    except ConnectionRefusedError:
        return True


def test_stop_has_a_deadline(start):
    content = os.urandom(6 << 20)
    server = start(lambda server: {**three_workers(server), "stop_deadline": "1s"},
                   files={"big.bin": content})
    download = Download(server, "/big.bin", content)
    wait_until(lambda: download.answer, 5, "the download to begin")
    since = time.monotonic()
    assert server.cli("stop").returncode == 0
    assert 0.5 < time.monotonic() - since < 4 * PATIENCE
    server.process.wait(5)
    assert len(download.answer) < len(content)
    download.hurry.set()
    download.join(10)


def test_a_second_gardien_says_what_is_in_its_way(server):
    second = run(*server.command, seconds=20)
    assert second.returncode != 0
    assert f"pid {server.process.pid}" in second.stderr and "gardien stop" in second.stderr
    other = run(BINARY, "serve", server.public, "--state", server.folder / "other", "--https",
                f"127.0.0.1:{server.https}", "--http", "off", seconds=20)
    assert other.returncode == 1
    assert str(server.https) in other.stderr and str(server.process.pid) in other.stderr
    assert server.curl("/").status == 200


@pytest.mark.parametrize("verb", ["reload", "stop", "status", "upgrade"])
def test_verbs_say_that_no_gardien_runs(tmp_path, verb):
    (tmp_path / "state").mkdir()
    result = run(BINARY, verb, "--state", tmp_path / "state")
    assert result.returncode == 3
    assert "no gardien" in result.stderr.lower() and str(tmp_path) in result.stderr


# ---- without root ----


def test_works_unprivileged_and_says_so(start):
    if os.geteuid() != 0:
        assert "as you" in start().output()
        return
    with tempfile.TemporaryDirectory(prefix="gardien-") as folder:
        program = Path(folder) / "gardien"
        program.write_bytes(BINARY.read_bytes())
        program.chmod(0o755)
        server = Gardien(folder, binary=program, args=["--workers", "2"])
        for path in (Path(folder), *Path(folder).rglob("*")):
            os.chown(path, 65534, 65534)
        server.command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                          *server.command]
        server.launch()
        try:
            server.wait_ready()
            assert "as you (only root" in server.output()
            assert server.curl("/").status == 200
            worker = server.role("worker")[0]
            since = kill(worker)
            replaced(server, "worker", worker, 2, since)
            for pid in (server.process.pid, *server.family()):
                text = Path(f"/proc/{pid}/status").read_text()
                assert "\nUid:\t65534\t65534" in text
            for pid in server.role("worker"):
                text = Path(f"/proc/{pid}/status").read_text()
                assert "\nSeccomp:\t2\n" in text or SANITIZED
            server.finish()
        finally:
            if server.process.poll() is None:
                server.kill()


# ---- processes that hang ----


def with_watchdog(server):
    return {"sites": [{"names": ["localhost"], "files": str(server.public)}], "workers": 2,
            "watchdog": "1s"}


def test_a_keys_process_that_hangs_is_replaced(start):
    server = start(with_watchdog)
    [keys], workers = server.role("keys"), server.role("worker")
    os.kill(keys, signal.SIGSTOP)
    server.wait_output(f"a process hangs, ending it.* process=keys pid={keys}", 8)
    wait_until(lambda: server.role("keys") not in ([], [keys]), 5, "another keys process")
    # Its id is there before both workers have their sockets to it.
    wait_until(lambda: all(server.s_client("-tls1_3").returncode == 0 for _ in range(8)), 5,
               "handshakes that it signs", 0.2)
    for _ in range(4):
        assert server.curl("/").status == 200
    assert server.role("worker") == workers


def test_a_worker_that_hangs_is_replaced_and_the_others_serve_on(start):
    server = start(with_watchdog)
    stopped, other = server.role("worker")
    os.kill(stopped, signal.SIGSTOP)
    server.wait_output(f"a worker hangs, ending it.* pid={stopped}", 8)
    wait_until(lambda: len(server.role("worker")) == 2 and stopped not in server.role("worker"), 5,
               "another worker")
    assert other in server.role("worker")
    for _ in range(6):
        assert server.curl("/").status == 200


def test_processes_that_have_nothing_to_do_or_much_are_left_alone(start):
    server = start(with_watchdog, files={"big.bin": bytes(32 << 20)})
    family = server.family()
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        assert server.curl("/big.bin").status == 200
    time.sleep(2)
    assert server.family() == family and "hangs" not in server.output()


def test_without_a_watchdog_nobody_is_replaced(start):
    server = start(lambda server: {**with_watchdog(server), "watchdog": 0})
    [worker, _] = server.role("worker")
    os.kill(worker, signal.SIGSTOP)
    time.sleep(3)
    os.kill(worker, signal.SIGCONT)
    assert worker in server.role("worker") and "hangs" not in server.output()
