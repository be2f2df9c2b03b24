"""Sockets that the service manager opened, and what it is told: systemd's side is played here."""

import os
import re
import signal
import socket
import stat

import pytest

from lib import (PATIENCE, Gardien, alive, anything_goes, descendants, free_port, needs_root, read_answer,
                 wait_until)
from load import Load

ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
#: Becomes the command with the given sockets from descriptor 3 on, as systemd does.
SHIM = """
import os, sys
count, command = int(sys.argv[1]), sys.argv[2:]
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count))
os.execv(command[0], command)
"""


class Manager:
    """The service manager: two listening sockets that stay open, and ears for notifications."""

    def __init__(self, folder):
        self.listeners = []
        for _ in range(2):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", free_port()))
            listener.listen(256)
            self.listeners.append(listener)
        self.ears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ears.bind(str(folder / "notify"))
        self.ears.settimeout(0.05)
        self.heard = []
        self.folder = folder

    @property
    def ports(self):
        return [listener.getsockname()[1] for listener in self.listeners]

    def listen(self):
        """Takes in one notification, if there is one."""
        try:
            self.heard += self.ears.recv(4096).decode().split("\n")
        except TimeoutError:
            pass

    def word(self, pattern):
        """The first word heard that matches, or None."""
        return next((word for word in self.heard if re.fullmatch(pattern, word)), None)

    def wait_word(self, word, seconds=15):
        def there():
            self.listen()
            return word in self.heard
        wait_until(there, seconds, f"{word} among {self.heard}")

    def start(self, server):
        """Starts it with the sockets as its descriptors 3 and 4."""
        fds = [listener.fileno() for listener in self.listeners]
        moves = " ".join(f"{target}<&{fd}" for target, fd in zip((3, 4), (21, 22)))
        high = " ".join(f"{target}<&{fd}" for target, fd in zip((21, 22), fds))
        script = f'exec {high}; exec {moves} 21<&- 22<&-; exec "$@"'
        server.command = ["bash", "-c", script, "bash", "/usr/bin/python3", "-c", SHIM,
                          str(len(fds)), *server.command]
        server.env["NOTIFY_SOCKET"] = str(self.folder / "notify")
        server.inherit = fds
        server.launch()
        return server.wait_ready()

    def close(self):
        for one in (*self.listeners, self.ears):
            one.close()


@pytest.fixture
def manager(tmp_path):
    manager = Manager(tmp_path)
    yield manager
    manager.close()


@pytest.fixture
def make(tmp_path, manager):
    """make() -> a Gardien for the manager's ports, not yet started; ended at the end."""
    made = []

    def make():
        https, http = manager.ports
        server = Gardien(tmp_path / "gardien", https=https, http=http, args=["--workers", "2"])
        made.append(server)
        return server

    yield make
    for server in made:
        try:
            server.finish()
        finally:
            if server.process and server.process.poll() is None:
                server.kill()


def test_sockets_of_the_service_manager_are_used(manager, make):
    server = make()
    manager.start(server)
    assert server.output().count("from the service manager") == 2
    manager.wait_word("READY=1")
    assert server.curl("/").status == 200
    assert server.curl("/", secure=False).status == 308
    with Load(server, http1=2, http2=1, fresh=2) as load:
        load.wait_more(3)


def test_the_ports_outlive_the_service(manager, make):
    """Who comes between two starts waits, and is served by the second."""
    server = make()
    manager.start(server)
    assert server.stop() == 0
    manager.wait_word("STOPPING=1")
    waiting = server.tcp()
    second = make()
    manager.start(second)
    with anything_goes().wrap_socket(waiting, server_hostname="localhost") as peer:
        peer.sendall(ASK)
        assert read_answer(peer).status == 200


def test_reload_and_worker_ends_keep_the_sockets(manager, make):
    server = make()
    manager.start(server)
    server.process.send_signal(signal.SIGHUP)
    manager.wait_word("RELOADING=1")
    assert any(re.fullmatch(r"MONOTONIC_USEC=\d+", word) for word in manager.heard)
    manager.heard.clear()
    manager.wait_word("READY=1")
    assert server.curl("/").status == 200
    for pid in server.role("worker"):
        os.kill(pid, signal.SIGKILL)
    assert server.curl("/").status == 200


def test_sockets_meant_for_another_process_are_left_alone(manager, make):
    server = make()
    server.https, server.http = free_port(), free_port()
    command = server.command
    for option, port in (("--https", server.https), ("--http", server.http)):
        command[command.index(option) + 1] = f"127.0.0.1:{port}"
    server.env.update(LISTEN_PID="1", LISTEN_FDS="2")
    server.launch()
    server.wait_ready()
    assert "from the service manager" not in server.output()
    assert server.curl("/").status == 200


def test_an_upgrade_keeps_the_sockets_and_tells_the_new_main_process(manager, make):
    server = make()
    manager.start(server)
    manager.wait_word("READY=1")
    manager.heard.clear()
    with Load(server, http1=1, http2=1, fresh=1, forgiving=True) as load:
        result = server.cli("upgrade", seconds=60)
        assert result.returncode == 0, result.stderr
        load.wait_more()
    wait_until(lambda: manager.listen() or manager.word(r"MAINPID=\d+"), 5, "word of the new one")
    new = int(manager.word(r"MAINPID=\d+").removeprefix("MAINPID="))
    family = [new, *descendants(new)]
    try:
        assert server.process.wait(20 * PATIENCE) == 0
        assert "STOPPING=1" not in manager.heard, "the service goes on"
        assert server.curl("/").status == 200
        assert server.cli("stop").returncode == 0
    finally:
        if alive(new):
            os.kill(new, signal.SIGTERM)
        wait_until(lambda: not any(alive(pid) for pid in family), 20, "the successor to be gone")
    waiting = server.tcp()  # the port stays the manager's
    waiting.close()


@needs_root
def test_no_worker_inherits_the_managers_words(manager, make):
    server = make()
    manager.start(server)
    for pid in server.family():
        with open(f"/proc/{pid}/comm") as file:
            role = file.read()
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                mode = os.stat(f"/proc/{pid}/fd/{fd}").st_mode
            except OSError:
                continue
            assert not stat.S_ISSOCK(mode) or os.readlink(f"/proc/{pid}/fd/{fd}") != \
                f"socket:[{os.fstat(manager.ears.fileno()).st_ino}]", role
    assert server.process.poll() is None


def test_the_manager_that_watches_hears_from_us(manager, make):
    server = make()
    server.env["WATCHDOG_USEC"] = "1000000"
    manager.start(server)
    manager.wait_word("READY=1")
    for _ in range(3):
        manager.heard.clear()
        manager.wait_word("WATCHDOG=1", 1)


def test_a_socket_that_no_setting_uses_is_refused(manager, make):
    server = make()
    server.command[server.command.index("--https") + 1] = f"127.0.0.1:{free_port()}"
    with pytest.raises(AssertionError):
        manager.start(server)
    server.expected_exit = server.process.wait(20 * PATIENCE)
    assert server.expected_exit == 2
    assert f"passed a socket for 127.0.0.1:{manager.ports[0]}, which no address" in server.output()
