"""Traps of opening a port by hand, each shown to be one, and gardien stepping over it."""

import pytest
from lib import BINARY
from managers import UNPACKED, knock, managed, serve
from netns import can_make_hosts
from test_open_matrix import (BASICS_V4, BASICS_V6, DOCKER_V4, OTHER, V4, V6, filtering,
                              publish)

pytestmark = [
    pytest.mark.skipif(not can_make_hosts(), reason="takes the right to make namespaces"),
    pytest.mark.skipif(not UNPACKED.exists(), reason="`tools/deps test` unpacks what this takes"),
]

DOORS = [(V4, 443, "tcp"), (V6, 443, "tcp")]


def gardien(manager, verb, *args):
    return manager.host.run(BINARY, verb, "--yes", "--state", "/run/gardien-state", *args).stdout


def open_doors(client, doors=DOORS):
    answers = knock(client, *doors)
    return [door for door in doors if answers[door] == "open"]


def test_an_accept_does_not_override_a_drop_elsewhere():
    with managed("nftables") as (manager, server, client):
        serve(server, 80, 443)
        manager.load("""table inet mine {
    chain input {
        type filter hook input priority -10; policy accept;
        tcp dport 443 accept
    }
}
""" + OTHER)
        assert open_doors(client) == []
        gardien(manager, "open", "443")
        assert open_doors(client) == DOORS


def test_an_appended_rule_stands_behind_the_reject():
    with managed("iptables-nft") as (manager, server, client):
        serve(server, 80, 443)
        manager.load(BASICS_V4 + "-A INPUT -j REJECT --reject-with icmp-host-prohibited",
                     BASICS_V6 + "-A INPUT -j REJECT --reject-with icmp6-adm-prohibited")
        server.run("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "443", "-j", "ACCEPT")
        assert open_doors(client) == []
        said = gardien(manager, "open", "443")
        assert open_doors(client) == DOORS
        # ufw is installed there but rules nothing.
        assert "ufw allow" not in said and "iptables-nft" in said


@pytest.mark.parametrize("filtered", ["IPv4", "IPv6"])
def test_one_ip_version_is_forgotten(filtered):
    with managed("iptables-legacy") as (manager, server, client):
        serve(server, 80, 443)
        drop = "-P INPUT DROP"
        manager.load(*((BASICS_V4 + drop, "") if filtered == "IPv4" else ("", BASICS_V6 + drop)))
        other = DOORS[1:] if filtered == "IPv4" else DOORS[:1]
        assert open_doors(client) == other
        gardien(manager, "open", "443")
        assert open_doors(client) == DOORS
        gardien(manager, "close", "443")
        assert open_doors(client) == other


def test_repeats_make_no_second_rule():
    with managed("iptables-nft") as (manager, server, client):
        manager.load(BASICS_V4 + "-P INPUT DROP", BASICS_V6 + "-P INPUT DROP")
        rule = ("INPUT", "-p", "udp", "--dport", "9", "-j", "ACCEPT")
        for _ in range(2):
            server.run("iptables", "-I", *rule)
        assert server.run("iptables-save").stdout.count("--dport 9 ") == 2  # the trap
        for _ in range(3):
            gardien(manager, "open", "443")
        assert manager.rules().count("gardien:443/tcp") == 2  # one for each IP version


def test_a_drop_in_loaded_twice_doubles_nothing():
    with managed("nftables") as (manager, server, client):
        manager.load(filtering("drop"))
        gardien(manager, "open", "443")
        opened = manager.rules()
        for _ in range(2):
            manager.reload()
        assert manager.rules() == opened


def test_flushing_by_the_service_of_nftables_wipes_what_iptables_had():
    with managed("nftables") as (manager, server, client):
        serve(server, 80, 443)
        manager.load(filtering("drop"))
        server.run("iptables-nft", "-I", "INPUT", "-p", "tcp", "--dport", "443", "-j", "ACCEPT")
        gardien(manager, "open", "443")
        manager.reload()
        assert "table ip filter" not in manager.rules()  # the trap
        assert open_doors(client) == DOORS


def test_docker_published_ports_go_past_input():
    with managed("ufw") as (manager, server, client):
        serve(server, 80, 443)
        publish(manager)
        for line in DOCKER_V4.strip().splitlines():
            server.run("iptables", *line.split())
        # ufw keeps 443 out, and the container is reached over IPv4 all the same.
        assert open_doors(client) == DOORS[:1]
        gardien(manager, "open", "443")
        assert open_doors(client) == DOORS
        gardien(manager, "close", "443")
        assert open_doors(client) == DOORS[:1]


def test_a_denial_of_ufw_is_not_turned_round_in_silence():
    with managed("ufw") as (manager, server, client):
        serve(server, 80, 443)
        server.run("ufw", "deny", "443/tcp")
        before = manager.rules()
        result = server.run(BINARY, "open", "--yes", "--state", "/run/gardien-state", "443",
                            check=False)
        assert result.returncode == 2 and "ufw delete deny 443/tcp" in result.stderr
        assert manager.rules() == before and open_doors(client) == []


def test_a_ban_of_ufw_stays_one():
    with managed("ufw") as (manager, server, client):
        serve(server, 80, 443)
        server.run("ufw", "deny", "from", "10.99.0.2")
        result = server.run(BINARY, "open", "--yes", "--state", "/run/gardien-state", "443",
                            check=False)
        # The probe comes from that neighbour, too: it is told, and the ban is left alone.
        assert result.returncode == 1 and "a probe is lost over IPv4" in result.stdout
        assert open_doors(client) == DOORS[1:]
