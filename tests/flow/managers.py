"""The five firewall managers of Linux, each run for real in a host of its own (netns.py) whose /etc,
/run and /var lie over the machine's: nothing that a manager writes outlives the host. What gardien
should do with them is said by the tests."""

import re
import signal
import socket
from contextlib import contextmanager
from pathlib import Path

import lib
from lib import PATIENCE, wait_until
from netns import server_and_client

#: Where tools/deps unpacks what cannot be installed beside ufw.
UNPACKED = Path("/var/cache/gardien-tests/unpacked")

#: Lays a folder of memory over /etc and /var; /run is empty. The nameless mounts end with the host.
PRIVATE = """
set -e
mount -t tmpfs tmpfs /run
for folder in etc var; do
    mkdir -p /run/over/$folder/upper /run/over/$folder/work
    mount -t overlay overlay -o lowerdir=/$folder,upperdir=/run/over/$folder/upper,workdir=/run/over/$folder/work /$folder
done
"""


class Manager:
    """What all have in common. `name` is gardien's word for it."""

    name = None

    def __init__(self, host):
        self.host = host
        host.run("sh", "-c", PRIVATE)

    def start(self):
        """Puts the manager in charge, as at boot."""

    def reload(self):
        """Reloads or restarts it, as a service manager would."""
        raise NotImplementedError

    def write(self, path, text):
        self.host.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1"', "sh", path, input=text)

    def link(self, path, target):
        self.host.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && ln -sfn "$2" "$1"', "sh", path,
                      target)

    def read(self, pattern):
        """The files that match, each with its name, as text."""
        return self.host.run("sh", "-c", f"for f in {pattern}; do [ ! -f $f ] || "
                             f'{{ echo "== $f"; cat $f; }}; done').stdout

    def rules(self):
        """The kernel's rules as text, without counters."""
        text = self.host.run("nft", "list", "ruleset").stdout
        return re.sub(r"counter packets \d+ bytes \d+", "counter", text)

    def files(self):
        """What a restart would begin with, as text."""
        return ""

    def stop(self):
        """Ends what the host would not end by itself."""


class Nftables(Manager):
    """/etc/nftables.conf, loaded by what nftables.service runs."""

    name = "nftables"
    CONF = "#!/usr/sbin/nft -f\n\nflush ruleset\n\n%s\n"

    def load(self, ruleset):
        """Makes it the machine's ruleset, now and for good."""
        self.write("/etc/nftables.conf", self.CONF % ruleset)
        self.link("/etc/systemd/system/sysinit.target.wants/nftables.service",
                  "/lib/systemd/system/nftables.service")
        self.reload()

    def reload(self):
        self.host.run("nft", "-f", "/etc/nftables.conf")

    def files(self):
        return self.read("/etc/nftables.conf /etc/nftables.d/* /etc/nftables/*")


class Iptables(Manager):
    """iptables and ip6tables, kept by netfilter-persistent's own scripts."""

    flavour = None

    def start(self):
        self.host.run("sh", "-c", f"mount -t overlay overlay -o lowerdir={UNPACKED}/usr:/usr /usr &&"
                      "mkdir -p /etc/iptables")  # as the package's scripts do
        for version in ("ip", "ip6"):
            for suffix in ("", "-save", "-restore"):
                self.link(f"/etc/alternatives/{version}tables{suffix}",
                          f"/usr/sbin/{version}tables-{self.flavour}{suffix}")
        self.link("/etc/systemd/system/multi-user.target.wants/netfilter-persistent.service",
                  "/lib/systemd/system/netfilter-persistent.service")

    def load(self, v4="", v6=""):
        """Rules as arguments of iptables and ip6tables, a line each; kept."""
        for program, lines in (("iptables", v4), ("ip6tables", v6)):
            for line in filter(None, map(str.strip, lines.splitlines())):
                self.host.run(program, *line.split())
        self.host.run("netfilter-persistent", "save")

    def reload(self):
        self.host.run("netfilter-persistent", "restart")

    def rules(self):
        return "".join(re.sub(r"\[\d+:\d+\]|^#.*\n", "", self.host.run(f"{p}-save").stdout,
                              flags=re.M) for p in ("iptables", "ip6tables"))

    def files(self):
        return re.sub(r"\[\d+:\d+\]|^#.*\n", "", self.read("/etc/iptables/*"), flags=re.M)


class IptablesNft(Iptables):
    name, flavour = "iptables-nft", "nft"


class IptablesLegacy(Iptables):
    name, flavour = "iptables-legacy", "legacy"


class Ufw(Manager):
    name = "ufw"

    def start(self):
        self.host.run("ufw", "--force", "enable")
        # The first change after that writes some of ufw's own rules anew.
        self.host.run("ufw", "allow", "9/udp")
        self.host.run("ufw", "delete", "allow", "9/udp")

    def reload(self):
        self.host.run("ufw", "reload")

    def files(self):
        return self.read("/etc/ufw/user*.rules /etc/ufw/ufw.conf /etc/default/ufw")


class Firewalld(Manager):
    name = "firewalld"

    def start(self):
        self.host.run("mkdir", "-p", "/run/dbus")
        self.bus = self.host.start("dbus-daemon", "--system", "--nofork", "--nopidfile")
        wait_until(lambda: self.host.run("test", "-S", "/run/dbus/system_bus_socket",
                                         check=False).returncode == 0, 10, "the bus")
        self.daemon = self.host.start("firewalld", "--nofork", "--nopid")
        self.wait()
        self.use("public")

    def use(self, zone):
        """Makes it the default zone. One that was changed once is a file of its own from then on,
        whatever it holds: that is firewalld's way, and done here at once."""
        for change in ("--add-port=9/udp", "--remove-port=9/udp"):
            self.host.run("firewall-cmd", "--permanent", f"--zone={zone}", change)
        if zone != "public":
            self.host.run("firewall-cmd", f"--set-default-zone={zone}")

    def wait(self):
        wait_until(lambda: self.host.run("firewall-cmd", "--state", check=False).returncode == 0, 30,
                   "firewalld", pause=0.2)

    def reload(self):
        self.host.run("firewall-cmd", "--reload")
        self.wait()

    def files(self):
        return self.read("/etc/firewalld/zones/*.xml /etc/firewalld/firewalld.conf")

    def stop(self):
        for process in (self.daemon, self.bus):
            process.send_signal(signal.SIGTERM)
            process.wait(10 * PATIENCE)


ALL = {kind.name: kind for kind in (Nftables, IptablesNft, IptablesLegacy, Ufw, Firewalld)}


@contextmanager
def managed(name):
    """A manager in charge of the server of netns.server_and_client(): (manager, server, client)."""
    if name == "firewalld":
        lib.needs_library("systemd")
    with server_and_client(mounts=True) as (server, client):
        manager = ALL[name](server)
        try:
            manager.start()
            yield manager, server, client
        finally:
            manager.stop()


ECHO = """
import selectors, socket, sys
selector = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(socket.AF_INET6, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::", port))
        if kind == socket.SOCK_STREAM:
            s.listen(16)
        selector.register(s, selectors.EVENT_READ, kind)
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        if key.data == socket.SOCK_STREAM:
            peer, _ = key.fileobj.accept()
            peer.close()
        else:
            data, peer = key.fileobj.recvfrom(64)
            key.fileobj.sendto(data, peer)
"""


def serve(host, *ports):
    """Starts a program in the host that listens on the ports, over TCP and UDP (which it echoes)."""
    process = host.start("/usr/bin/python3", "-c", ECHO, *ports, stdout=-1)
    assert process.stdout.readline() == b"ready\n"
    return process


def _socket(kind, address):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    s.setblocking(False)
    return s


def knock(client, *doors, seconds=0.4):
    """Knocks at all doors (address, port, "tcp" or "udp") at once, from the client.
    @return {door: "open", "refused" or "filtered"}; silence for `seconds` is "filtered"."""
    import select
    import time
    answers, waiting = {}, {}
    with client.inside():
        for door in doors:
            address, port, protocol = door
            s = _socket(socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM, address)
            try:
                s.connect((address, port))
                s.send(b"knock")
            except BlockingIOError:
                pass
            except OSError:
                answers[door] = "refused"
            waiting[s] = door
    deadline = time.monotonic() + seconds * PATIENCE
    while any(door not in answers for door in waiting.values()) and time.monotonic() < deadline:
        pending = [s for s, door in waiting.items() if door not in answers]
        readable, writable, _ = select.select(
            [s for s in pending if s.type & socket.SOCK_DGRAM == socket.SOCK_DGRAM],
            [s for s in pending if s.type & socket.SOCK_DGRAM != socket.SOCK_DGRAM], [],
            max(0, deadline - time.monotonic()))
        for s in readable + writable:
            answers[waiting[s]] = _verdict(s)
    for s, door in waiting.items():
        answers.setdefault(door, "filtered")
        s.close()
    return answers


def _verdict(s):
    error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        return "refused"
    if s.type & socket.SOCK_DGRAM == socket.SOCK_DGRAM:
        try:
            s.recv(64)
        except OSError:
            return "refused"
    return "open"


#: The three doors of HTTPS at the server, over both IP versions.
HTTPS = [(address, port, protocol) for address in ("10.99.0.1", "fd99::1")
         for port, protocol in ((80, "tcp"), (443, "tcp"), (443, "udp"))]
