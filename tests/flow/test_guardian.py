"""The guardian where something else goes wrong: nobody reads what it says, it is stopped in the middle
of an upgrade, many ask at once, or the system lacks what others have."""

import ctypes
import json
import os
import platform
import signal
import socket
import struct
import subprocess
import time

import pytest

from lib import BINARY, PATIENCE, Gardien, alive, needs_root, wait_until
from netns import can_make_mounts

# ---- nobody reads ----

needs_mounts = pytest.mark.skipif(not can_make_mounts(), reason="no mount namespaces here")


@pytest.fixture
def make(tmp_path):
    """make(**more) -> a Gardien that is not started yet; ended at the end."""
    made = []

    def make(**more):
        made.append(Gardien(tmp_path / f"gardien{len(made)}", args=["--workers", "1"], **more))
        return made[-1]

    yield make
    for server in made:
        try:
            server.finish()
        finally:
            if server.process and server.process.poll() is None:
                server.kill()


def fill(fd):
    os.set_blocking(fd, False)
    try:
        while True:
            os.write(fd, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(fd, True)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_the_guardian_waits_for_no_reader_of_its_output(make, kind):
    server = make()
    if kind == "pipe":
        reader, writer = os.pipe()
    else:
        ends = socket.socketpair()
        reader, writer = ends[0].detach(), ends[1].detach()
    fill(writer)
    server.process = subprocess.Popen(server.command, stdin=subprocess.DEVNULL, stdout=writer,
                                      stderr=writer, env={**os.environ, **server.env})
    assert os.get_blocking(writer), "others who share it find it as it was"
    def serves():
        try:
            return server.curl("/").status == 200
        except (OSError, AssertionError, subprocess.SubprocessError):
            return False
    wait_until(serves, 20, "an answer")
    assert server.cli("reload").returncode == 0
    worker = server.role("worker")[0]
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: server.role("worker") not in ([], [worker]), 10, "another worker")
    # What was dropped is counted, once somebody reads again.
    os.set_blocking(reader, False)
    text = b""
    for _ in range(100):
        try:
            text += os.read(reader, 1 << 16)
        except BlockingIOError:
            break
    assert server.cli("reload").returncode == 0
    text = os.read(reader, 1 << 16)
    assert b"lines are missing here: nobody read" in text and b"settings in force" in text, text
    assert server.stop() == 0
    os.close(reader)
    os.close(writer)


def test_an_error_log_that_nobody_reads_does_not_stop_the_access_log(start, tmp_path):
    pipe, access = tmp_path / "pipe", tmp_path / "access.log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    server = start(lambda server: {
        "sites": [{"names": ["localhost"], "files": str(server.public)}], "workers": 1,
        "logs": {"access": str(access), "error": str(pipe)}})
    writer = os.open(pipe, os.O_WRONLY)
    fill(writer)
    for i in range(20):
        assert server.cli("reload").returncode == 0
        server.curl(f"/{i}")
    wait_until(lambda: access.read_text().count("\n") >= 20, 10, "the access log to go on")
    assert server.stop() == 0
    os.close(reader)
    os.close(writer)


def test_a_slow_reader_of_the_access_log_gets_every_line(make):
    """Standard output that is non-blocking, as a socket of the journal or of a shell's neighbour."""
    server = make()
    server.command += ["--access-log", "/dev/stdout"]
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with open(server.output_file, "ab") as output:
        server.process = subprocess.Popen(server.command, stdin=subprocess.DEVNULL, stdout=theirs,
                                          stderr=output, env={**os.environ, **server.env})
    theirs.close()
    text = b""
    ours.settimeout(20 * PATIENCE)
    while b"ready:" not in text:
        text += ours.recv(4096)
    with server.tls() as peer:
        for i in range(300):
            peer.sendall(f"GET /{i}x{'y' * 500} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            time.sleep(0.001)
            peer.recv(65536)
        while b"GET /299x" not in text:
            text += ours.recv(4096)
            time.sleep(0.001)
    for i in range(300):
        assert f"GET /{i}x".encode() in text
    assert server.stop() == 0
    ours.close()


@needs_root
def test_a_log_lets_its_folders_group_read_whatever_the_umask(make, tmp_path):
    server = make()
    folder = tmp_path / "logs"
    folder.mkdir(mode=0o750)
    os.chown(folder, -1, 4)  # adm
    server.command = ["sh", "-c", 'umask 077; exec "$@"', "sh", *server.command, "--access-log",
                      str(folder / "access.log")]
    server.launch().wait_ready()
    (folder / "access.log").rename(folder / "access.log.1")
    server.process.send_signal(signal.SIGUSR1)
    wait_until((folder / "access.log").exists, 5, "another log")
    for name in ("access.log", "access.log.1"):
        wait_until(lambda: (folder / name).stat().st_mode & 0o777 == 0o640, 5, "mode 0640")
        assert (folder / name).stat().st_gid == 4


# ---- upgrades ----


def slow_program(folder):
    program = folder / "slow"
    program.write_text(f'#!/bin/sh\nsleep 3\nexec {BINARY} "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("how", ["verb", "signal"])
def test_a_stop_ends_an_upgrade_too(start, tmp_path, how):
    server = start()
    asking = subprocess.Popen([BINARY, "upgrade", slow_program(tmp_path), "--state", server.state],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(0.5)
    if how == "verb":
        assert server.cli("stop").returncode == 0
    else:
        server.stop()
    output, _ = asking.communicate(timeout=20 * PATIENCE)
    assert asking.returncode == 1 and "told to stop" in output, output
    time.sleep(4)
    with pytest.raises(OSError):
        server.tcp()


def test_an_upgrade_during_an_upgrade_says_why_it_does_not_begin(start, tmp_path):
    server = start()
    asking = subprocess.Popen([BINARY, "upgrade", slow_program(tmp_path), "--state", server.state],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    server.process.send_signal(signal.SIGUSR2)
    server.wait_output('the upgrade could not begin.*reason="another upgrade is under way"')
    server.process.send_signal(signal.SIGHUP)
    server.wait_output("no reload while another program takes over")
    server.stop()
    asking.wait(20 * PATIENCE)


@needs_root
@needs_mounts
def test_an_upgrade_of_process_1_goes_on_serving(make):
    server = make()
    server.command = ["unshare", "-p", "-f", "--mount-proc", "--kill-child", *server.command]
    server.launch().wait_ready()
    first = int(open(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read())
    inside = ["nsenter", "-t", str(first), "-p", "-m", BINARY]
    for _ in range(2):
        result = subprocess.run([*inside, "upgrade", "--state", server.state], timeout=40 * PATIENCE,
                                capture_output=True, text=True)
        assert result.returncode == 0, result.stderr + server.output()
        time.sleep(1)
        assert server.curl("/").status == 200
    os.kill(first, signal.SIGTERM)  # as `docker stop`: process 1 passes it on
    assert server.process.wait(20 * PATIENCE) == 0
    assert not alive(first)


# ---- many ask at once ----


def test_forty_reloads_at_once_are_all_answered(start):
    server = start()
    asking = [subprocess.Popen([BINARY, "reload", "--state", server.state],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
              for _ in range(40)]
    for one in asking:
        _, error = one.communicate(timeout=60 * PATIENCE)
        assert one.returncode == 0, error


def test_silent_clients_of_the_control_socket_lock_nobody_out(start):
    server = start()
    silent = []
    for _ in range(100):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(server.state / "control.sock"))
        silent.append(client)
    assert server.cli("reload", seconds=30).returncode == 0
    for client in silent:
        client.close()


# ---- systems that lack something ----

CALLS = {"close_range": 436, "faccessat2": 439, "flock": 73}


def refusing(calls, error):
    """What makes a process answer system calls with an error, for preexec_fn."""
    code = [struct.pack("HBBI", 0x20, 0, 0, 0)]
    for call in calls:
        code += [struct.pack("HBBI", 0x15, 0, 1, CALLS[call]),
                 struct.pack("HBBI", 6, 0, 0, 0x50000 | error)]
    code.append(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
    program = ctypes.create_string_buffer(b"".join(code))

    class Filter(ctypes.Structure):
        _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_void_p)]

    filter_ = Filter(len(code), ctypes.cast(program, ctypes.c_void_p))
    libc = ctypes.CDLL(None)

    def before():
        libc.prctl(38, 1, 0, 0, 0)
        if libc.prctl(22, 2, ctypes.byref(filter_)) != 0:
            os._exit(99)
    return before


def launch(server, **more):
    with open(server.output_file, "ab") as output:
        server.process = subprocess.Popen(server.command, stdin=subprocess.DEVNULL, stdout=output,
                                          stderr=output, env={**os.environ, **server.env}, **more)


only_here = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of x86-64's calls")


@only_here
@pytest.mark.parametrize("error", [1, 38])
def test_kernels_and_filters_without_close_range_and_faccessat2(make, error):
    server = make()
    launch(server, preexec_fn=refusing(["close_range", "faccessat2"], error))
    server.wait_ready()
    assert server.curl("/").status == 200
    if os.geteuid() == 0 and os.access(f"/proc/{server.role('worker')[0]}/fd/0", os.F_OK):
        for worker in server.role("worker"):  # nothing of the guardian's was left open
            held = {os.readlink(f"/proc/{worker}/fd/{fd}") for fd in os.listdir(f"/proc/{worker}/fd")}
            assert not any("signalfd" in one or "lock" in one for one in held), held


@only_here
def test_a_state_folder_without_locks_is_told_as_such(make):
    server = make()
    launch(server, preexec_fn=refusing(["flock"], 37))
    server.expected_exit = server.process.wait(20 * PATIENCE)
    assert server.expected_exit == 1
    assert "cannot be locked" in server.output() and "another gardien" not in server.output()


@needs_root
def test_root_that_may_not_become_another_is_told_so(make):
    server = make()
    server.command = ["setpriv", "--bounding-set", "-setuid,-setgid", "--inh-caps", "-all",
                      *server.command]
    server.launch()
    server.expected_exit = server.process.wait(20 * PATIENCE)
    assert "CAP_SETUID" in server.output() and "openat2" not in server.output()


@needs_root
def test_a_user_namespace_with_one_user_is_served_as_it_is(make):
    if subprocess.run(["unshare", "-U", "-r", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    server = make()
    server.command = ["unshare", "-U", "-r", *server.command]
    server.launch().wait_ready()
    assert server.curl("/").status == 200 and "as you" in server.output()


@needs_root
@needs_mounts
def test_a_system_without_accounts_is_served_by_number(make, tmp_path):
    server = make()
    (tmp_path / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (tmp_path / "nsswitch").write_text("passwd: files\n")
    script = (f"mount --bind {tmp_path}/passwd /etc/passwd && "
              f'mount --bind {tmp_path}/nsswitch /etc/nsswitch.conf && exec "$@"')
    server.command = ["unshare", "-m", "sh", "-c", script, "sh", *server.command]
    server.launch().wait_ready()
    assert server.curl("/").status == 200 and "as user 65534" in server.output()


@needs_root
def test_root_as_the_user_of_workers_is_a_mistake(tmp_path):
    settings = tmp_path / "gardien.yaml"
    settings.write_text(json.dumps({"sites": [{"names": ["localhost"], "files": str(tmp_path)}],
                                    "user": "root"}))
    result = subprocess.run([BINARY, "config", "check", settings], capture_output=True, text=True)
    assert result.returncode == 2 and "the account root is root" in result.stderr, result.stderr


@pytest.mark.parametrize("count", [64, 40])
def test_few_descriptors_are_enough_or_told(make, count):
    server = make()
    server.command = ["prlimit", f"--nofile={count}:{count}", *(
        ["setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-all"]
        if os.geteuid() == 0 else []), *server.command]
    server.launch()
    server.wait_output("^ready|Too many open files|too many open files|ulimit", 20)
    if server.process.poll() is not None:
        server.expected_exit = server.process.returncode
