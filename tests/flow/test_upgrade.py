"""A program that takes the place of a running one without refusing a connection."""

import json
import os
import shutil
import signal
import socket
import ssl
from subprocess import DEVNULL, Popen

import pytest

from lib import PATIENCE, BINARY, alive, anything_goes, descendants, read_answer, wait_until
from load import Download, Load

ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def pid_of(server):
    """The guardian that answers on the control socket; 0 for none."""
    result = server.cli("status", "--json", "--here", "--no-connect")
    return json.loads(result.stdout)["gardien"]["pid"] if result.returncode == 0 else 0


@pytest.fixture
def content():
    return os.urandom(16 << 20)


@pytest.fixture
def server(start, tmp_path, content):
    """A gardien whose program is a copy of its own, and whose successors are ended too."""
    program = tmp_path / "bin" / "gardien"
    program.parent.mkdir()
    shutil.copy(BINARY, program)
    server = start(lambda server: {
        "sites": [{"names": ["localhost"], "files": str(server.public)}], "workers": 2},
        binary=program, files={"big.bin": content})
    server.successors = []
    yield server
    while pid := pid_of(server):
        if pid == server.process.pid:
            break
        family = [pid, *descendants(pid)]
        server.cli("stop", seconds=40)
        wait_until(lambda: not any(alive(one) for one in family), 10, "the successor to be gone")
    wait_until(lambda: not any(alive(pid) for pid in server.successors), 10, "all to be gone")


def upgrade(server, *program):
    """Upgrades and returns the new guardian's pid."""
    before = pid_of(server)
    result = server.cli("upgrade", *program, seconds=60)
    assert result.returncode == 0, f"{result.stdout}{result.stderr}\n{server.output()}"
    pid = pid_of(server)
    assert pid != before and alive(pid)
    server.successors.append(pid)
    return pid


def ended(server):
    """Waits for the first program to be gone in good order."""
    assert server.process.wait(20 * PATIENCE) == 0, server.output()


def test_upgrade_under_load_refuses_nobody_and_a_long_download_lives(server, content):
    family = server.family()
    download = Download(server, "/big.bin", content)
    wait_until(lambda: download.answer, 5, "the download to begin")
    with Load(server, http1=2, http2=1, fresh=2, forgiving=True) as load:
        shutil.copy(BINARY, server.binary.with_suffix(".new"))
        server.binary.with_suffix(".new").replace(server.binary)
        new = upgrade(server)
        load.wait_more(3)
    assert download.under_way, "the old program finishes what is under way"
    assert server.process.poll() is None
    download.finish()
    ended(server)
    wait_until(lambda: not any(alive(pid) for pid in family), 5, "the old family to be gone")
    assert server.curl("/").status == 200
    assert len(descendants(new)) == len(family), "as many processes as before"
    assert server.cli("reload").returncode == 0, "the new one obeys"


def test_three_upgrades_in_a_row_under_load(server):
    with Load(server, http1=2, http2=1, fresh=2, forgiving=True) as load:
        for _ in range(3):
            upgrade(server)
            load.wait_more(2)
    ended(server)
    wait_until(lambda: not any(alive(pid) for pid in server.successors[:-1]), 10,
               "all but the last to be gone")


def test_the_signal_does_the_same(server):
    server.process.send_signal(signal.SIGUSR2)
    ended(server)
    pid = wait_until(lambda: pid_of(server), 5, "a successor")
    server.successors.append(pid)
    assert pid != server.process.pid and server.curl("/").status == 200


def broken_programs(folder):
    """Programs that never become ready."""
    for name, text in (("ends", "#!/bin/sh\nexit 3\n"), ("nonsense", "this is no program\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "forbidden").write_text("#!/bin/sh\n")
    return [folder / name for name in ("ends", "nonsense", "forbidden", "missing")]


def test_a_broken_program_keeps_the_old_one(server, tmp_path):
    family = server.family()
    with Load(server, http1=1, http2=1, fresh=1) as load:
        for program in broken_programs(tmp_path):
            result = server.cli("upgrade", program)
            assert result.returncode == 1 and result.stderr, program
            load.wait_more()
    assert pid_of(server) == server.process.pid and server.family() == family
    server.wait_output("the upgrade failed, going on as before")
    assert server.cli("reload").returncode == 0
    upgrade(server)  # nothing is left in its way
    ended(server)


def test_settings_that_became_wrong_keep_the_old_program(server):
    good = server.config_file.read_text()
    server.write_config("sites: [\n")
    assert server.cli("upgrade").returncode == 1
    assert pid_of(server) == server.process.pid and server.curl("/").status == 200
    server.write_config(good)
    upgrade(server)
    ended(server)


def test_a_new_program_that_is_killed_before_it_is_ready_changes_nothing(server, tmp_path):
    sleeper = tmp_path / "sleeper"
    sleeper.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec sleep 60\n")
    sleeper.chmod(0o755)
    with Popen([str(BINARY), "upgrade", str(sleeper), "--state", str(server.state)],
               stdout=DEVNULL, stderr=DEVNULL) as waiting:
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 5,
                   "the new program to run")
        assert server.curl("/").status == 200
        assert server.cli("upgrade").returncode == 1, "one at a time"
        assert server.cli("reload").returncode == 1, "no reload meanwhile"
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        assert waiting.wait(10 * PATIENCE) == 1
    assert server.cli("reload").returncode == 0 and server.curl("/").status == 200


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tickets_resume_across_workers_reload_and_upgrade(server, version):
    context = anything_goes()
    context.maximum_version = getattr(ssl.TLSVersion, version)

    def visit(session=None):
        with socket.create_connection(("127.0.0.1", server.https), 5 * PATIENCE) as bare, \
                context.wrap_socket(bare, server_hostname="localhost", session=session) as peer:
            peer.sendall(ASK)
            assert read_answer(peer).status == 200
            return peer.session, peer.session_reused

    session, resumed = visit()
    assert not resumed
    assert all(visit(session)[1] for _ in range(8)), "workers share the keys"
    assert server.cli("reload").returncode == 0
    assert all(visit(session)[1] for _ in range(4))
    for pid in server.role("worker"):
        os.kill(pid, signal.SIGKILL)
    assert all(visit(session)[1] for _ in range(4))
    upgrade(server)
    ended(server)
    assert all(visit(session)[1] for _ in range(4))


def test_stop_during_the_old_ones_drain_ends_the_new_one_only(server, content):
    download = Download(server, "/big.bin", content)
    wait_until(lambda: download.answer, 5, "the download to begin")
    new = upgrade(server)
    assert server.cli("stop").returncode == 0
    wait_until(lambda: not alive(new), 5, "the new one to be gone")
    assert download.under_way
    download.finish()
    ended(server)


def test_a_killed_successor_leaves_nothing(server):
    new = upgrade(server)
    ended(server)
    family = descendants(new)
    os.kill(new, signal.SIGKILL)
    wait_until(lambda: not any(alive(pid) for pid in family), 5, "its children to be gone")
    with pytest.raises(ConnectionRefusedError):
        server.tcp().close()
