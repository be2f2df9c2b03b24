"""Hosts for the flow tests: each is a network namespace of its own, held by one process, so that
nothing of it is left when the test ends, however it ends. Cables join two hosts. The machine's own
network and firewall are never touched."""

import functools
import itertools
import os
import signal
import subprocess
from contextlib import contextmanager

import pytest

import lib

_cables = itertools.count()


class Host:
    """A network namespace with `lo` up. `mounts=True` gives it a mount namespace too, so that a test
    may bind files over /etc."""

    def __init__(self, name, mounts=False):
        if mounts and not can_make_mounts():
            pytest.skip("takes a mount namespace, and the root folder here is no mount point (bind the "
                        "chroot's folder onto itself before: mount --bind DIR DIR)")
        self.name = name
        self.enter = ["-n", *(["-m"] if mounts else [])]
        self.started = []
        # The holder ends with the pipe, even if this process is killed.
        self.holder = subprocess.Popen(
            ["unshare", *self.enter, *(["--propagation", "private"] if mounts else []), "sh", "-c",
             "ip link set lo up && echo ready && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert self.holder.stdout.readline() == b"ready\n", f"{name}: no network namespace"
        self.pid = self.holder.pid

    def command(self, *words):
        """A command line that runs in this host."""
        # A mount namespace is entered at its own root, which in a chroot is not the holder's.
        root = ["-r"] if "-m" in self.enter else []
        return ["nsenter", "-t", str(self.pid), *self.enter, *root, "--", *map(str, words)]

    def run(self, *words, check=True, **more):
        """Runs a command in this host to its end; see lib.run()."""
        result = lib.run(*self.command(*words), **more)
        assert not check or result.returncode == 0, \
            f"{self.name}: {' '.join(map(str, words))}: {result.returncode}\n" \
            f"{result.stdout}{result.stderr}"
        return result

    def start(self, *words, **more):
        """Starts a command in this host, which is ended with the host."""
        process = subprocess.Popen(self.command(*words), start_new_session=True,
                                   **{"stdin": subprocess.DEVNULL, **more})
        self.started.append(process)
        return process

    def nft(self, ruleset):
        """Loads rules, as `nft -f` reads them."""
        return self.run("nft", "-f", "-", input=ruleset)

    def python(self, program, *args, **more):
        """Runs a Python program text in this host."""
        return self.run("/usr/bin/python3", "-c", program, *args, **more)

    @contextmanager
    def inside(self):
        """Moves this thread into the host's network: sockets made in the block are of that host."""
        with open("/proc/thread-self/ns/net", "rb") as home, \
                open(f"/proc/{self.pid}/ns/net", "rb") as away:
            _setns(away.fileno())
            try:
                yield self
            finally:
                _setns(home.fileno())

    def finish(self):
        """Ends everything that was started here, and the host with it."""
        for process in self.started:
            if process.poll() is None:
                try:
                    os.killpg(process.pid, signal.SIGTERM)
                except ProcessLookupError:
                    pass
        for process in self.started:
            try:
                process.wait(5 * lib.PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()


def _setns(fd):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, 0x40000000) < 0:
        raise OSError(ctypes.get_errno(), "setns")


def cable(a, b, a_addresses=(), b_addresses=(), a_name="eth0", b_name="eth0", mtu=None):
    """Joins two hosts by a pair of interfaces that are up, with addresses like "10.99.0.1/24" and
    "fd99::1/64" (usable at once: no duplicate address detection)."""
    number = next(_cables)
    left, right = f"va{number}_{os.getpid()}"[:15], f"vb{number}_{os.getpid()}"[:15]
    lib.run("nsenter", "-t", a.pid, "-n", "ip", "link", "add", left, "type", "veth", "peer", "name",
            right, "netns", b.pid, check=True)
    for host, old, name, addresses in ((a, left, a_name, a_addresses), (b, right, b_name, b_addresses)):
        host.run("ip", "link", "set", old, "name", name, *(["mtu", mtu] if mtu else []))
        for address in addresses:
            host.run("ip", "addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
        host.run("ip", "link", "set", name, "up")


@contextmanager
def hosts(*names, mounts=False):
    """The named hosts, ended at the end of the block."""
    made = []
    try:
        for name in names:
            made.append(Host(name, mounts))
        yield made
    finally:
        for host in reversed(made):
            host.finish()


@contextmanager
def server_and_client(mounts=False):
    """Two joined hosts: the server 10.99.0.1 and fd99::1, the client 10.99.0.2 and fd99::2."""
    with hosts("server", "client", mounts=mounts) as (server, client):
        cable(server, client, ("10.99.0.1/24", "fd99::1/64"), ("10.99.0.2/24", "fd99::2/64"))
        yield server, client


@functools.cache
def can_make_hosts():
    """Whether this machine lets us make network namespaces with interfaces that are up."""
    return lib.run("unshare", "-n", "ip", "link", "set", "lo", "up").returncode == 0


@functools.cache
def can_make_mounts():
    """Whether this machine lets us lay files over /etc in a mount namespace; a plain chroot, whose root
    folder is no mount point, does not."""
    return lib.run("unshare", "-m", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs",
                   "/run").returncode == 0
