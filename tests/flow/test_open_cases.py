"""Rule sets that people have, taken from what others report: gardien opens the port, and each command
that it prints opens it too. The client's own connection is the truth."""

import re
import shlex

import pytest
from lib import BINARY, wait_until
from managers import UNPACKED, knock, managed, serve
from netns import can_make_hosts
from test_open_matrix import V4, V6

pytestmark = [
    pytest.mark.skipif(not can_make_hosts(), reason="takes the right to make namespaces"),
    pytest.mark.skipif(not UNPACKED.exists(), reason="`tools/deps test` unpacks what this takes"),
]

STATE = ("--state", "/run/gardien-state")


def is_open(client, address=V4):
    return knock(client, (address, 443, "tcp"))[(address, 443, "tcp")] == "open"


def gardien(server, *words, check=True):
    return server.run(BINARY, *words, check=check)


def hint(server, family="-4"):
    """What `why` says that helps, and nothing of its own."""
    text = gardien(server, "why", "443", family, "--from", "10.99.0.2" if family == "-4" else
                   "fd99::2", check=False).stdout
    found = re.findall(r"^-> (.*)$", text, re.M)
    assert found, text
    return found[0]


# What closes the port for everybody and names something narrower, by iptables' words.
NARROW = {
    "interface": "-A INPUT -i eth0 -j DROP",
    "syn": "-A INPUT -p tcp --syn --dport 443 -j DROP",
    "destination": "-A INPUT -d 10.99.0.1 -p tcp --dport 443 -j DROP",
    "all but some": "-A INPUT ! -s 192.0.2.0/24 -p tcp --dport 443 -j REJECT",
    "range": "-A INPUT -m iprange ! --src-range 192.0.2.1-192.0.2.9 -p tcp --dport 443 -j DROP",
    "mangle": "-t mangle -A PREROUTING -p tcp --dport 443 -j DROP",
    "raw": "-t raw -A PREROUTING -p tcp --dport 443 -j DROP",
    "output": "-A OUTPUT -p tcp --sport 443 -j DROP",
    "output policy": "-P OUTPUT DROP",
    "postrouting": "-t mangle -A POSTROUTING -p tcp --sport 443 -j DROP",
}


@pytest.mark.parametrize("program", ["iptables-nft", "iptables-legacy"])
def test_narrow_rules_of_iptables_are_opened_and_closed_again(program):
    with managed(program) as (manager, server, client):
        serve(server, 443)
        for name, rule in NARROW.items():
            server.run(program, *rule.split())
            assert not is_open(client), f"{name}: the case does not hold"
            said = gardien(server, "open", "443", "--yes", *STATE, check=False).stdout
            assert is_open(client), f"{name}: {said}"
            gardien(server, "close", "443", "--yes", *STATE)
            assert not is_open(client), name
            line = hint(server)
            server.run("sh", "-c", line)
            assert is_open(client), f"{name}: {line}"
            for table in ("filter", "mangle", "raw"):
                server.run(program, "-t", table, "-F")
            server.run(program, "-P", "OUTPUT", "ACCEPT")


NFT = {
    "interfaces": """table inet f {
    chain wan { tcp dport 22 accept; drop; }
    chain in { type filter hook input priority 0; ct state established accept
        iifname vmap { "lo" : accept, "eth0" : jump wan }
    }
}""",
    "output policy": """table inet f {
    chain in { type filter hook input priority 0; policy drop; tcp dport 443 accept; }
    chain out { type filter hook output priority 0; policy drop; udp dport 53 accept; }
}""",
    "postrouting": """table ip m {
    chain post { type filter hook postrouting priority mangle; tcp sport 443 drop; }
}""",
    "egress": """table netdev e {
    chain eg { type filter hook egress device "eth0" priority 0; tcp sport 443 drop; }
}""",
    "redirect": """table ip n {
    chain pre { type nat hook prerouting priority -100; tcp dport 443 redirect to :8443; }
    chain in { type filter hook input priority 0; tcp dport 8443 drop; }
}""",
}


@pytest.mark.parametrize("name", NFT)
def test_narrow_rules_of_nftables_are_opened_and_closed_again(name):
    with managed("nftables") as (manager, server, client):
        serve(server, 443, 8443)
        manager.load(NFT[name])
        assert not is_open(client), "the case does not hold"
        said = gardien(server, "open", "443", "--yes", *STATE, check=False).stdout
        assert is_open(client), said
        manager.reload()
        assert is_open(client), "after a reload"
        gardien(server, "close", "443", "--yes", *STATE)
        assert not is_open(client)
        line = hint(server)
        server.run("sh", "-c", line)
        assert is_open(client), line


@pytest.mark.parametrize("program", ["iptables-nft", "iptables-legacy"])
def test_names_that_a_shell_would_read_are_quoted(program):
    with managed(program) as (manager, server, client):
        serve(server, 443)
        server.run(program, "-N", "a<b>;c")
        server.run(program, "-I", "INPUT", "-p", "tcp", "--dport", "443", "-j", "a<b>;c")
        server.run(program, "-A", "a<b>;c", "-j", "DROP")
        line = hint(server)
        assert "a<b>;c" in shlex.split(line)
        server.run("sh", "-c", line.replace("iptables ", program + " "))
        assert is_open(client), line


@pytest.mark.parametrize("rule", ["deny 443/tcp", "deny log 443/tcp", "deny 443", "deny 400:500/tcp",
                                  "reject in on eth0 to any port 443 proto tcp", "allow 22/tcp"])
def test_hints_for_ufw_open_the_port(rule):
    with managed("ufw") as (manager, server, client):
        serve(server, 443)
        server.run("ufw", *rule.split())
        assert not is_open(client), "the case does not hold"
        line = hint(server)
        server.run("sh", "-c", line)
        assert is_open(client), line


def test_ipv6_that_ufw_closes_is_told_with_its_setting():
    with managed("ufw") as (manager, server, client):
        serve(server, 443)
        server.run("sed", "-i", "s/^IPV6=.*/IPV6=no/", "/etc/default/ufw")
        server.run("ufw", "--force", "disable")
        server.run("ufw", "--force", "enable")
        assert not is_open(client, V6), "the case does not hold"
        line = hint(server, "-6")
        assert "IPV6=yes" in line
        server.run("sh", "-c", line)
        # While it was closed the two could not find each other as neighbours, and look again after a while.
        wait_until(lambda: is_open(client, V6), 10, f"{line} to help", 0.5)


FIREWALLD = {
    "rich rule": ["--add-rich-rule=rule priority=-100 port port=443 protocol=tcp drop"],
    "policy": ["--new-policy=shut", "--policy=shut --add-ingress-zone=ANY",
               "--policy=shut --add-egress-zone=HOST", "--policy=shut --set-target=DROP"],
}


@pytest.mark.parametrize("name", FIREWALLD)
def test_hints_for_firewalld_open_the_port(name):
    with managed("firewalld") as (manager, server, client):
        serve(server, 443)
        server.run("firewall-cmd", "--permanent", "--add-service=https")
        for words in FIREWALLD[name]:
            server.run("firewall-cmd", "--permanent",
                       *([words] if "rule" in words else words.split()))
        server.run("firewall-cmd", "--reload")
        assert not is_open(client), "the case does not hold"
        line = hint(server)
        server.run("sh", "-c", line)
        assert is_open(client), line


def test_panic_mode_is_named():
    with managed("firewalld") as (manager, server, client):
        serve(server, 443)
        server.run("firewall-cmd", "--panic-on")
        said = gardien(server, "open", "443", "--yes", *STATE, check=False).stdout
        assert "--panic-off" in said
        line = hint(server)
        server.run("sh", "-c", line)
        assert is_open(client), line
