"""`gardien open` and `close` with every firewall manager in every state that hosts are found in: a
second host knocks after each step, and after `close` all is as it was, byte for byte."""

import difflib
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import BINARY
from managers import ALL, HTTPS, UNPACKED, Firewalld, Iptables, Nftables, Ufw, knock, managed, serve
from netns import can_make_hosts

pytestmark = [
    pytest.mark.skipif(not can_make_hosts(), reason="takes the right to make namespaces"),
    pytest.mark.skipif(not UNPACKED.exists(), reason="`tools/deps test` unpacks what this takes"),
]

V4, V6 = "10.99.0.1", "fd99::1"
#: What every firewall lets in: answers, neighbours of IPv6, and the host itself.
BASICS = """
    ct state established,related accept
    iif lo accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
"""
BASICS_V4 = "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n-A INPUT -i lo -j ACCEPT\n"
BASICS_V6 = BASICS_V4 + "-A INPUT -p ipv6-icmp -j ACCEPT\n"
#: Another table that drops, whoever made it.
OTHER = """table inet other {
    chain input {
        type filter hook input priority 10; policy drop;
        %s
    }
}""" % BASICS
DOCKER_V4 = """
-t nat -N DOCKER
-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-t nat -A DOCKER ! -i docker0 -p tcp --dport 443 -j DNAT --to-destination 172.17.0.2:443
-N DOCKER
-P FORWARD DROP
-I FORWARD -o docker0 -j DOCKER
-I FORWARD -i docker0 ! -o docker0 -j ACCEPT
-I FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp --dport 443 -j ACCEPT
"""
#: The same, written by hand for nftables.
DOCKER_NFT = """
table ip nat {
    chain prerouting {
        type nat hook prerouting priority dstnat;
        iifname != "docker0" fib daddr type local tcp dport 443 dnat to 172.17.0.2:443
    }
}
table inet filter {
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname "docker0" accept
        oifname "docker0" ip daddr 172.17.0.2 tcp dport 443 accept
    }
    chain input {
        type filter hook input priority 0; policy drop;
        %s
    }
}
""" % BASICS


def filtering(policy, last="", family="inet"):
    return """table %s filter {
    chain input {
        type filter hook input priority 0; policy %s;
        %s
        %s
    }
}""" % (family, policy, BASICS, last)


def publish(manager):
    """A container at docker0 that port 443 of the host is published for; its program answers."""
    host = manager.host
    host.run("sh", "-c", """set -e
        echo 1 >/proc/sys/net/ipv4/ip_forward
        ip link add docker0 type bridge
        ip addr add 172.17.0.1/16 dev docker0
        ip link set docker0 up""")
    container = manager.container = host.start("unshare", "-n", "sh", "-c",
                                               "ip link set lo up; echo ready; exec sleep 600",
                                               stdout=-1)
    assert container.stdout.readline() == b"ready\n"
    host.run("sh", "-c", f"""set -e
        ip link add veth0 type veth peer name eth0 netns {container.pid}
        ip link set veth0 master docker0 up""")
    inside = ("nsenter", "-t", container.pid, "-n")
    host.run(*inside, "sh", "-c", "ip addr add 172.17.0.2/16 dev eth0; ip link set eth0 up; "
             "ip route add default via 172.17.0.1")
    program = host.start(*inside, "/usr/bin/python3", "-c", ANSWER, stdout=-1)
    assert program.stdout.readline() == b"ready\n"


ANSWER = """
import socket
s = socket.create_server(("172.17.0.2", 443))
print("ready", flush=True)
while True:
    s.accept()[0].close()
"""

# ---- the states, for each manager ----


def empty(manager):
    if isinstance(manager, Nftables):
        manager.load("")
    elif isinstance(manager, Iptables):
        manager.load()
    # ufw and firewalld as they come: they keep out what nobody opened.


def default_drop(manager):
    if isinstance(manager, Nftables):
        manager.load(filtering("drop"))
    elif isinstance(manager, Iptables):
        manager.load(BASICS_V4 + "-P INPUT DROP", BASICS_V6 + "-P INPUT DROP")
    elif isinstance(manager, Ufw):
        manager.host.run("ufw", "default", "deny", "incoming")
    else:
        manager.use("drop")


def trailing_reject(manager):
    if isinstance(manager, Nftables):
        manager.load(filtering("accept", "reject with icmpx type admin-prohibited"))
    elif isinstance(manager, Iptables): # the images of Oracle Cloud
        manager.load(BASICS_V4 + "-A INPUT -j REJECT --reject-with icmp-host-prohibited",
                     BASICS_V6 + "-A INPUT -j REJECT --reject-with icmp6-adm-prohibited")
    elif isinstance(manager, Ufw):
        manager.host.run("ufw", "default", "reject", "incoming")
    else:
        manager.use("block")


def drop_in_another_table(manager):
    if isinstance(manager, Nftables):
        manager.load(filtering("drop") + "\n" + OTHER)
        return
    default_drop(manager)
    manager.host.nft(OTHER)


def docker(manager):
    publish(manager)
    if isinstance(manager, Nftables):
        manager.load(DOCKER_NFT)
    elif isinstance(manager, Iptables):
        manager.load(BASICS_V4 + "-P INPUT DROP" + DOCKER_V4, BASICS_V6 + "-P INPUT DROP")
    else: # Docker calls iptables beside them
        docker_again(manager)


def docker_again(manager):
    """Docker hears of a firewall's reload and makes its rules anew, if they are gone."""
    if "DOCKER" not in manager.rules():
        for line in DOCKER_V4.strip().splitlines():
            manager.host.run("iptables", *line.split())
    if isinstance(manager, Firewalld): # as Docker does by D-Bus
        manager.host.run("firewall-cmd", "--zone=trusted", "--change-interface=docker0")


def ipv6_only(manager):
    """Only IPv6 is filtered. ufw and firewalld filter both versions always: there, the host has
    IPv6 addresses only."""
    if isinstance(manager, Nftables):
        manager.load(filtering("drop", family="ip6"))
    elif isinstance(manager, Iptables):
        manager.load("", BASICS_V6 + "-P INPUT DROP")
    else:
        manager.host.run("ip", "addr", "flush", "dev", "eth0", "scope", "global")
        manager.host.run("ip", "addr", "add", f"{V6}/64", "dev", "eth0", "nodad")


STATES = {"empty": empty, "default drop": default_drop, "trailing reject": trailing_reject,
          "drop in another table": drop_in_another_table, "docker": docker, "IPv6 only": ipv6_only}


def doors(manager, state):
    """Those that the host has, and those of them that are open before anybody opened one."""
    both = isinstance(manager, (Nftables, Iptables))
    if state == "empty" and both:
        return HTTPS, HTTPS
    if state == "IPv6 only":
        v4 = [door for door in HTTPS if door[0] == V4]
        return (HTTPS, v4) if both else ([door for door in HTTPS if door[0] == V6], [])
    if state == "docker":
        return HTTPS, [(V4, 443, "tcp")]
    return HTTPS, []


# ---- the steps ----


class Run:
    """One manager in one state: from first to last."""

    def __init__(self, manager, client, state):
        self.manager, self.client, self.state = manager, client, state
        self.said = ""  # by gardien, last
        self.doors, self.open_at_first = doors(manager, state)

    def gardien(self, verb):
        result = self.manager.host.run(BINARY, verb, "--yes", "--state", "/run/gardien-state",
                                       check=False)
        self.said = result.stdout + result.stderr
        assert result.returncode == 0, f"{verb}: {result.returncode}\n{self.said}"

    def expect(self, step, wanted):
        answers = knock(self.client, *self.doors)
        found = [door for door in self.doors if answers[door] == "open"]
        assert found == [door for door in self.doors if door in wanted], \
            f"after {step}: {answers}\nmeant to be open: {wanted}\n{self.said}\n{self.manager.rules()}"

    def go(self):
        manager = self.manager
        self.reload()  # ufw and firewalld lay their chains anew, in another order than at first
        self.expect("start", self.open_at_first)
        before = {"rules": manager.rules(), "files": manager.files()}
        self.gardien("open")
        self.expect("open", self.doors)
        opened = {"rules": manager.rules(), "files": manager.files()}
        self.gardien("open")
        same("open twice", opened, manager)
        self.reload()
        self.expect("reload", self.doors)
        self.gardien("close")
        self.expect("close", self.open_at_first)
        same("close", before, manager)

    def reload(self):
        self.manager.reload()
        if self.state == "docker" and not isinstance(self.manager, (Nftables, Iptables)):
            docker_again(self.manager)


def same(step, before, manager):
    """Everything is byte for byte what it was."""
    now = {"rules": manager.rules(), "files": manager.files()}
    for what, text in before.items():
        assert text == now[what], f"{what} after {step}:\n" + "\n".join(
            difflib.unified_diff(text.splitlines(), now[what].splitlines(), lineterm="", n=2))


def run(name, state):
    with managed(name) as (manager, server, client):
        STATES[state](manager)
        serve(server, 80, 443)
        Run(manager, client, state).go()


@pytest.fixture(scope="module")
def runs(request):
    """All that were chosen, several at a time: most of it is waiting for managers and silence."""
    with ThreadPoolExecutor(4) as pool:
        chosen = [item.callspec.params for item in request.session.items
                  if getattr(item, "originalname", "") == "test_open_and_close"]
        yield {(at["name"], at["state"]): pool.submit(run, at["name"], at["state"])
               for at in chosen}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", ALL)
def test_open_and_close(runs, name, state):
    runs[name, state].result()
