"""`gardien why` names what decides about a packet from outside, whoever decides, and leaves nothing
behind. Each ruleset is one of a host made for the test."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager

import pytest

import lib
import netns

pytestmark = pytest.mark.skipif(not netns.can_make_hosts(), reason="no network namespaces here")


@pytest.fixture
def pair():
    with netns.server_and_client() as (server, client):
        yield server, client


def why(host, *words, code=None, prefix=()):
    """The paths that `gardien why` tells, by family."""
    result = host.run(*prefix, lib.BINARY, "why", *words, "--json", check=False)
    assert result.stdout, f"{result.returncode} {result.stderr}"
    assert code is None or result.returncode == code, f"{result.returncode}\n{result.stdout}"
    return {path["family"]: path for path in json.loads(result.stdout)["paths"]}


def culprit(path):
    assert "culprit" in path, json.dumps(path, indent=1)
    return path["steps"][path["culprit"]]


def stub(host, name, address, up=True):
    """A second interface, whose cable ends on the same host."""
    host.run("ip", "link", "add", name, "type", "veth", "peer", "name", name + "_end")
    host.run("ip", "address", "add", address, "dev", name)
    if up:
        host.run("ip", "link", "set", name, "up")
        host.run("ip", "link", "set", name + "_end", "up")


@contextmanager
def listening(host, family=socket.AF_INET6, address="::", port=443):
    """A listener that tells at the end how many connections it was offered."""
    with host.inside():
        listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind((address, port))
    listener.listen()
    listener.settimeout(0.2)
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def sniffing(host, interface="eth0"):
    """Yields a list of the TCP, UDP and ICMP error packets that reach a host."""
    with host.inside():
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        tap.bind((interface, 0))
    tap.settimeout(0.05)
    seen, done = [], threading.Event()

    def watch():
        while not done.is_set():
            try:
                frame = tap.recv(2048)
            except TimeoutError:
                continue
            kind, body = frame[12:14], frame[14:]
            if kind == b"\x08\x00" and (body[9] in (6, 17) or (body[9] == 1 and body[20] == 3)):
                seen.append(frame)
            if kind == b"\x86\xdd" and (body[6] in (6, 17) or (body[6] == 58 and body[40] == 1)):
                seen.append(frame)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
        time.sleep(0.2)
    finally:
        done.set()
        thread.join()
        tap.close()


def on_terminal(host, columns, *words):
    """What a command prints on a terminal that is so wide, colours left out."""
    main, terminal = os.openpty()
    try:
        process = host.start(*words, stdout=terminal, stderr=terminal, stdin=terminal,
                             env={**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1"})
        os.close(terminal)
        said = b""
        with contextlib.suppress(OSError):  # EIO at the end
            while chunk := os.read(main, 65536):
                said += chunk
        process.wait(lib.PATIENCE)
    finally:
        os.close(main)
    return said.decode().replace("\r\n", "\n").splitlines()


# ---- open, and what is no firewall ----

def test_several_ports_are_answered_in_turn(pair):
    server, _ = pair
    server.nft("table inet filter {\n chain input {\n type filter hook input priority 0;\n"
               " tcp dport 8443 drop\n }\n}")
    with listening(server):
        result = server.run(lib.BINARY, "why", "443", "8443", "8444-8445", "-4", "--json",
                            check=False)
        answer = json.loads(result.stdout)
        assert result.returncode == 1 and answer["open"] is False
        assert [(path["port"], path["verdict"]) for path in answer["paths"]] == [
            (443, "accepted"), (8443, "dropped"), (8444, "accepted"), (8445, "accepted")]
        text = server.run(lib.BINARY, "why", "443", "8443", check=False).stdout
        assert text.splitlines()[-1] == "-> gardien open 8443/tcp"
        assert server.run(lib.BINARY, "why", "443", "443/tcp").returncode == 0


def test_a_narrow_terminal_breaks_sentences_but_no_command(pair):
    server, _ = pair
    server.nft("table inet filter {\n chain input {\n type filter hook input priority 0;"
               " policy drop;\n }\n}")
    lines = on_terminal(server, 40, lib.BINARY, "why", "443", "-4")
    hint = why(server, "443", "-4", code=1)["ipv4"]["hint"]
    assert f"-> {hint}" in lines and lines[-1] == "-> gardien open 443/tcp"
    assert lines[0].startswith("443/tcp over IPv4, from") and "".join(lines[:3]).count("closed") == 1
    assert all(len(line) <= 40 for line in lines if not line.startswith("-> ")), lines



def test_an_open_port_is_open_over_both_families(pair):
    server, _ = pair
    with listening(server):
        for path in why(server, "443", code=0).values():
            assert path["open"] and path["verdict"] == "accepted" and path["told_by"] == "trace"


def test_nobody_listens(pair):
    server, _ = pair
    path = why(server, "443", "-4", code=1)["ipv4"]
    assert path["verdict"] == "accepted" and path["obstacle"] == "no listener"
    assert path["reason"] == "the firewall lets it through, but nothing listens on 443/tcp"


def test_a_listener_on_loopback_only_is_said_so(pair):
    server, _ = pair
    with listening(server, socket.AF_INET, "127.0.0.1"):
        path = why(server, "443", "-4", code=1)["ipv4"]
        assert path["obstacle"] == "listens elsewhere" and "127.0.0.1:443" in path["reason"]
        assert "own sockets only" in why(server, "443", "-4", "--interface", "lo",
                                         code=3)["ipv4"]["reason"]
        path = why(server, "443", "--to", "127.0.0.1", "--interface", "eth0", code=1)["ipv4"]
        assert "reached from this host only" in path["reason"]
    with listening(server):
        assert why(server, "443", "-6", "--interface", "lo", code=0)["ipv6"]["open"]


def test_an_address_of_another_host_is_not_local(pair):
    server, _ = pair
    path = why(server, "443", "--to", "10.99.0.77", code=1)["ipv4"]
    assert path["obstacle"] == "not local" and "10.99.0.77 is no address" in path["reason"]


def test_an_interface_that_is_down_is_said_so(pair):
    server, _ = pair
    stub(server, "dummy0", "10.98.0.1/24", up=False)
    path = why(server, "443", "--interface", "dummy0", "-4", code=1)["ipv4"]
    assert path["obstacle"] == "link down" and path["hint"] == "ip link set dummy0 up"


def test_a_missing_interface_and_family_cannot_be_told(pair):
    server, _ = pair
    assert "no interface eth7" in why(server, "443", "--interface", "eth7", code=3)["ipv4"]["reason"]
    stub(server, "dummy0", "10.98.0.1/24")
    server.run("sysctl", "-qw", "net.ipv6.conf.dummy0.disable_ipv6=1")
    assert "no IPv6 address" in why(server, "443", "-6", "--interface", "dummy0",
                                    code=3)["ipv6"]["reason"]


def test_an_answer_that_finds_no_way_back_is_said_so(pair):
    server, _ = pair
    with listening(server):
        path = why(server, "443", "--from", "2001:db8::1", "--interface", "eth0", code=1)["ipv6"]
        assert path["verdict"] == "accepted" and path["obstacle"] == "no way back"
        server.run(*path["hint"].replace("GATEWAY", "fd99::2").split())
        why(server, "443", "--from", "2001:db8::1", "--interface", "eth0", code=0)


# ---- nftables itself ----

def test_the_native_rule_that_drops_is_named_and_its_hint_works(pair):
    server, _ = pair
    server.nft("table inet filter {\n chain input {\n type filter hook input priority 0;\n"
               "tcp dport 22 accept\n tcp dport 443 counter drop comment \"no web\"\n }\n}")
    with listening(server):
        for family, path in why(server, "443", code=1).items():
            step = culprit(path)
            assert (step["family"], step["table"], step["chain"]) == ("inet", "filter", "input")
            assert step["rule"] == 'tcp dport 443 counter drop comment "no web"', family
            assert (step["hook"], step["priority"], step["verdict"]) == ("input", 0, "drop")
        server.run(*path["hint"].split())
        why(server, "443", code=0)


def test_a_policy_that_drops_is_named_and_its_hint_works(pair):
    server, _ = pair
    server.nft("table ip one {\n chain input {\n type filter hook input priority -10;\n"
               "tcp dport 443 accept\n }\n}\n"
               "table inet two {\n chain other {\n type filter hook input priority 5; policy drop;\n"
               "iif lo accept\n }\n}")
    with listening(server):
        path = why(server, "443", "-4", code=1)["ipv4"]
        step = culprit(path)
        assert step["policy"] and (step["table"], step["chain"]) == ("two", "other")
        assert path["steps"][0]["verdict"] == "accept", "the accept that does not help comes first"
        server.run(*path["hint"].split())
        why(server, "443", code=0)


def test_rules_behind_jumps_maps_and_sets_are_named(pair):
    server, _ = pair
    server.nft("table inet filter {\n set bad { type ipv4_addr; flags interval; "
               "elements = { 192.0.2.0/24 } }\n"
               "chain web {\n ip saddr @bad drop\n meta nfproto ipv6 goto six\n return\n }\n"
               "chain six {\n reject with icmpv6 admin-prohibited\n }\n"
               "chain input {\n type filter hook input priority 0;\n"
               "meta l4proto vmap { tcp : jump web, udp : drop }\n }\n}")
    with listening(server):
        why(server, "443", "-4", code=0)
        server.run("ip", "route", "add", "default", "via", "10.99.0.2")
        path = why(server, "443", "--from", "192.0.2.9", code=1)["ipv4"]
        assert culprit(path)["rule"] == "ip saddr @bad drop"
        assert [step["verdict"] for step in path["steps"]] == ["jump", "drop"]
        path = why(server, "443", "-6", code=1)["ipv6"]
        assert path["verdict"] == "rejected"
        assert culprit(path)["target"] == "icmpv6 admin-prohibited"
        assert [step["verdict"] for step in path["steps"]] == ["jump", "goto", "reject"]
        path = why(server, "443/udp", "-4", code=1)["ipv4"]
        assert "vmap" in culprit(path)["rule"] and culprit(path)["verdict"] == "drop"


def test_a_drop_at_netdev_ingress_is_named(pair):
    server, _ = pair
    server.nft("table netdev early {\n chain in {\n type filter hook ingress device eth0 priority 0;"
               "\n tcp dport 443 drop\n }\n}")
    step = culprit(why(server, "443", "-4", code=1)["ipv4"])
    assert (step["family"], step["table"], step["hook"]) == ("netdev", "early", "ingress")


def test_a_port_sent_to_a_container_ends_at_the_forward_policy(pair):
    server, _ = pair
    server.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    stub(server, "docker0", "172.17.0.1/16")
    server.nft("table ip nat {\n chain PREROUTING {\n type nat hook prerouting priority -100;\n"
               "tcp dport 443 dnat to 172.17.0.2:8443\n }\n}\n"
               "table ip filter {\n chain FORWARD {\n type filter hook forward priority 0; "
               "policy drop;\n }\n}")
    path = why(server, "443", "-4", code=1)["ipv4"]
    step = culprit(path)
    assert path["forwarded"] == "172.17.0.2:8443"
    assert step["policy"] and step["chain"] == "FORWARD"
    nat = [step for step in path["steps"] if step["verdict"] == "nat"]
    assert nat and nat[0]["target"] == "172.17.0.2:8443"
    assert "-d 172.17.0.2 -p tcp --dport 8443" in path["hint"]
    server.nft("flush chain ip filter FORWARD\n"
               "add rule ip filter FORWARD ip daddr 172.17.0.2 tcp dport 8443 accept")
    path = why(server, "443", "-4", code=1)["ipv4"]
    assert culprit(path)["answer"]
    assert path["hint"] == ("iptables -A FORWARD -s 172.17.0.2 -p tcp --sport 8443 -m conntrack "
                            "--ctstate ESTABLISHED -j ACCEPT")
    server.nft("add rule ip filter FORWARD ct state established accept")
    path = why(server, "443", "-4", code=0)["ipv4"]
    assert path["verdict"] == "forwarded"


def test_dockers_chain_for_the_owner_is_where_the_hint_goes(pair):
    server, _ = pair
    server.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    stub(server, "docker0", "172.17.0.1/16")
    for rule in ("-N DOCKER-USER", "-N DOCKER", "-A FORWARD -j DOCKER-USER",
                 "-A FORWARD -o docker0 -j DOCKER", "-P FORWARD DROP",
                 "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                 "-t nat -A PREROUTING -p tcp --dport 443 -j DNAT --to-destination 172.17.0.2:8443"):
        server.run("iptables-nft", *rule.split())
    path = why(server, "443", "-4", code=1)["ipv4"]
    assert culprit(path)["chain"] == "FORWARD" and culprit(path)["policy"]
    assert path["hint"] == "iptables -I DOCKER-USER 1 -d 172.17.0.2 -p tcp --dport 8443 -j ACCEPT"
    words = path["hint"].split()
    server.run(words[0] + "-nft", *words[1:])
    assert why(server, "443", "-4", code=0)["ipv4"]["verdict"] == "forwarded"


def test_a_redirected_port_asks_for_the_listener_behind_it(pair):
    server, _ = pair
    server.nft("table inet nat {\n chain pre {\n type nat hook prerouting priority -100;\n"
               "tcp dport 443 redirect to :8443\n }\n}")
    with listening(server, port=443):
        assert "8443/tcp" in why(server, "443", "-4", code=1)["ipv4"]["reason"]
    with listening(server, port=8443):
        assert why(server, "443", "-4", code=0)["ipv4"]["forwarded"] == "10.99.0.1:8443"


def test_a_queue_that_nobody_reads_is_named(pair):
    server, _ = pair
    rule = ["INPUT", "-p", "tcp", "--dport", "443", "-j", "NFQUEUE", "--queue-num", "7"]
    if server.run("iptables-nft", "-A", *rule, check=False).returncode:
        pytest.skip("this kernel has no queues for programs")
    with listening(server):
        path = why(server, "443", "-4", code=1)["ipv4"]
        assert path["verdict"] == "dropped" and culprit(path)["verdict"] == "queue"
        assert "no program reads netfilter queue 7" in path["reason"]
        server.run("iptables-nft", "-F")
        server.run("iptables-nft", "-A", *rule, "--queue-bypass")
        why(server, "443", "-4", code=0)


#: Reads netfilter queue 7 and lets each packet through after 50 ms.
QUEUE_READER = """
import socket, struct, time
peer = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
peer.bind((0, 0))
def send(kind, attribute, payload):
    body = struct.pack("=BBH", 0, 0, socket.htons(7)) + struct.pack("=HH", 4 + len(payload), attribute)
    body += payload + bytes(-len(payload) % 4)
    peer.send(struct.pack("=IHHII", 16 + len(body), 3 << 8 | kind, 1, 1, 0) + body)
send(2, 1, struct.pack("!BBH", 1, 0, 0))
send(2, 2, struct.pack("!IB", 0, 1))
print("ready", flush=True)
while True:
    message = peer.recv(65536)
    if struct.unpack_from("=H", message, 4)[0] == 3 << 8:
        time.sleep(0.05)
        send(1, 2, struct.pack("!I", 1) + message[24:28])
"""


def test_a_packet_that_a_program_holds_is_followed_to_its_end(pair):
    server, client = pair
    if server.run("iptables-nft", "-A", "INPUT", "-p", "tcp", "--dport", "443", "-j", "NFQUEUE",
                  "--queue-num", "7", check=False).returncode:
        pytest.skip("this kernel has no queues for programs")
    server.run("iptables-nft", "-A", "INPUT", "-p", "tcp", "--dport", "80", "-j", "DROP")
    reader = server.start("/usr/bin/python3", "-c", QUEUE_READER, stdout=subprocess.PIPE)
    assert reader.stdout.readline() == b"ready\n"
    with listening(server) as listener, sniffing(client) as seen:
        path = why(server, "443", "-4", code=0)["ipv4"]
        assert path["steps"][0]["verdict"] == "queue"
        with pytest.raises(TimeoutError):
            listener.accept()
    assert seen == []


# ---- managers ----

def test_iptables_nft_is_named_in_its_own_words(pair):
    server, _ = pair
    for program in ("iptables-nft", "ip6tables-nft"):
        server.run(program, "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
        server.run(program, "-A", "INPUT", "-j", "REJECT")
    with listening(server):
        for path in why(server, "443", code=1).values():
            assert path["verdict"] == "rejected"
            assert culprit(path)["origin"].startswith("iptables: -A INPUT -j REJECT")
            words = path["hint"].split()
            server.run(words[0] + "-nft", *words[1:])
        why(server, "443", code=0)


def test_a_ban_of_fail2ban_is_lifted_for_its_address(pair):
    server, _ = pair
    server.nft("table inet f2b-table {\n set addr-set-web { type ipv4_addr; elements = { 10.99.0.2 } }\n"
               "chain f2b-chain {\n type filter hook input priority -1;\n"
               "tcp dport 443 ip saddr @addr-set-web reject\n }\n}")
    path = why(server, "443", "--from", "10.99.0.2", code=1)["ipv4"]
    assert culprit(path)["origin"] == "fail2ban, jail web"
    assert path["hint"] == "fail2ban-client set web unbanip 10.99.0.2"
    server.nft("flush ruleset")
    server.run("iptables-nft", "-N", "f2b-sshd")
    server.run("iptables-nft", "-A", "f2b-sshd", "-s", "10.99.0.2", "-j", "REJECT")
    server.run("iptables-nft", "-A", "INPUT", "-p", "tcp", "-j", "f2b-sshd")
    path = why(server, "443", "--from", "10.99.0.2", code=1)["ipv4"]
    assert path["hint"] == "fail2ban-client set sshd unbanip 10.99.0.2"


@pytest.mark.skipif(not shutil.which("ufw"), reason="no ufw")
def test_ufw_rules_are_named_by_their_exact_rule():
    with netns.server_and_client(mounts=True) as (server, _):
        script = """
            set -e
            cp -r /etc/ufw "$1/ufw"; cp /etc/default/ufw "$1/default"
            mount --bind "$1/ufw" /etc/ufw; mount --bind "$1/default" /etc/default/ufw
            ufw allow 22/tcp; ufw deny 443/tcp; ufw --force enable
        """
        with tempfile.TemporaryDirectory() as folder:
            server.run("sh", "-c", script, "sh", folder)
            with listening(server):
                for family, path in why(server, "443", code=1).items():
                    six = "6" if family == "ipv6" else ""
                    assert culprit(path)["chain"] == f"ufw{six}-user-input"
                    assert culprit(path)["origin"].startswith("ufw: deny tcp 443"), path
                    assert path["hint"] == "ufw allow 443/tcp"  # which ufw puts in its place
                server.run(*path["hint"].split())
                why(server, "443", code=0)


@pytest.mark.skipif(not shutil.which("firewalld") or not shutil.which("dbus-daemon"),
                    reason="no firewalld")
def test_firewalld_is_named_with_its_zone():
    lib.needs_library("systemd")
    with netns.server_and_client(mounts=True) as (server, _):
        server.run("sh", "-c", "mkdir -p /run/dbus && mount -t tmpfs none /run/dbus && "
                   "mount -t tmpfs none /etc/firewalld && mount -t tmpfs none /run/firewalld "
                   "2>/dev/null; true")
        server.start("dbus-daemon", "--system", "--nofork", "--nopidfile",
                     stderr=subprocess.DEVNULL)
        lib.wait_until(lambda: server.run("test", "-S", "/run/dbus/system_bus_socket",
                                          check=False).returncode == 0)
        server.start("firewalld", "--nofork", "--nopid", stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL)
        lib.wait_until(lambda: server.run("firewall-cmd", "--state", check=False).returncode == 0,
                       60)
        with listening(server):
            for path in why(server, "443", code=1).values():
                assert culprit(path)["origin"] == "firewalld, zone public", path
                # Chains that end without a word from a rule are no steps.
                assert all(step["policy"] or "rule" in step for step in path["steps"]), path
                assert "--zone=public --add-port=443/tcp" in path["hint"]
            server.run("sh", "-c", path["hint"])
            why(server, "443", code=0)


@pytest.mark.skipif(not shutil.which("iptables-legacy"), reason="no iptables-legacy")
@pytest.mark.parametrize("program,family", [("iptables-legacy", "ipv4"),
                                            ("ip6tables-legacy", "ipv6")])
def test_iptables_legacy_is_named_by_its_counters(pair, program, family):
    server, _ = pair
    option = "-4" if family == "ipv4" else "-6"
    server.run(program, "-N", "web")
    server.run(program, "-A", "web", "-p", "tcp", "--dport", "443", "-j", "DROP")
    server.run(program, "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
    server.run(program, "-A", "INPUT", "-p", "tcp", "-j", "web")
    with listening(server):
        path = why(server, "443", option, code=1)[family]
        step = culprit(path)
        assert step["layer"] == "iptables-legacy" and path["told_by"] == "counters"
        assert (step["table"], step["chain"]) == ("filter", "web")
        assert step["rule"] == "-A web -p tcp -m tcp --dport 443 -j DROP"
        server.run(*path["hint"].split())
        why(server, "443", option, code=0)
        server.run(program, "-F")
        server.run(program, "-P", "INPUT", "DROP")
        path = why(server, "443", option, code=1)[family]
        assert culprit(path)["policy"] and culprit(path)["chain"] == "INPUT"
        server.run(*path["hint"].split())
        why(server, "443", option, code=0)


@pytest.mark.skipif(not shutil.which("iptables-legacy"), reason="no iptables-legacy")
@pytest.mark.parametrize("port", ["443", "443/udp"])
def test_the_burst_for_counters_reaches_nobody_and_makes_no_table(pair, port):
    """Every other packet passes the rule: our own table drops it before any socket."""
    server, client = pair
    protocol = "udp" if "udp" in port else "tcp"
    server.run("iptables-legacy", "-A", "INPUT", "-p", protocol, "--dport", "443",
               "-m", "statistic", "--mode", "nth", "--every", "2", "--packet", "0", "-j", "DROP")

    def received():
        lines = server.run("cat", "/proc/net/snmp").stdout.splitlines()
        return [line for line in lines if line.startswith(("Tcp:", "Udp:"))]

    with listening(server), sniffing(client) as seen:
        before = received()
        path = why(server, port, "-4", code=1)["ipv4"]
        assert (culprit(path)["layer"], path["told_by"]) == ("iptables-legacy", "counters")
        assert received() == before
    assert seen == []
    assert server.run("cat", "/proc/net/ip_tables_names").stdout.split() == ["filter"]


# ---- drops outside of all rules ----

def test_rp_filter_is_named_and_its_hint_works(pair):
    server, _ = pair
    server.run("sysctl", "-qw", "net.ipv4.conf.eth0.rp_filter=1")
    stub(server, "dummy0", "192.0.2.1/24")
    with listening(server):
        path = why(server, "443", "--from", "192.0.2.7", "--interface", "eth0", code=1)["ipv4"]
        assert culprit(path)["rule"] == "net.ipv4.conf.eth0.rp_filter = 1"
        assert "would leave by dummy0" in path["reason"]
        server.run(*path["hint"].split())
        why(server, "443", "--from", "192.0.2.7", "--interface", "eth0", code=0)


#: Loads a BPF program of a type that returns a number, and pins it.
PROGRAM = """
import ctypes, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
kind, answer, path, tcx = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode(), int(sys.argv[4])
code = struct.pack("=BBhi", 0xb7, 0, 0, answer) + struct.pack("=BBhi", 0x95, 0, 0, 0)
code, gpl = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
def bpf(command, attribute):
    buffer = ctypes.create_string_buffer(attribute, 144)
    result = libc.syscall(321, command, buffer, 144)
    assert result >= 0, ctypes.get_errno()
    return result
load = struct.pack("=IIQQIIQII", kind, 2, ctypes.addressof(code), ctypes.addressof(gpl), 0, 0, 0, 0, 0)
program = bpf(5, load + b"stranger".ljust(16, bytes(1)))
if tcx:
    link = bpf(28, struct.pack("=IIII", program, tcx, 46, 0))
    print("ready", flush=True)
    sys.stdin.read()
else:
    name = ctypes.create_string_buffer(path)
    bpf(6, struct.pack("=QII", ctypes.addressof(name), program, 0))
"""
SCHED_CLS, XDP = 3, 6


@pytest.fixture
def pinning():
    """Two hosts; in the first, pin(kind, answer) gives the path of a BPF program."""
    with netns.server_and_client(mounts=True) as (server, _):
        server.run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")

        def pin(kind, answer):
            path = f"/sys/fs/bpf/{kind}_{answer}"
            server.python(PROGRAM, kind, answer, path, 0)
            return path
        yield server, pin


def test_a_filter_of_traffic_control_is_named_and_its_hint_works(pinning):
    server, pin = pinning
    server.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
    server.run("tc", "filter", "add", "dev", "eth0", "ingress", "bpf", "da", "pinned",
               pin(SCHED_CLS, 2))
    with listening(server):
        path = why(server, "443", "-4", code=1)["ipv4"]
        assert culprit(path)["layer"] == "tc" and path["told_by"] == "drop reason"
        server.run(*path["hint"].split())
        why(server, "443", "-4", code=0)


def test_a_program_on_the_express_way_of_traffic_control_is_named(pair):
    server, _ = pair
    with server.inside():
        index = socket.if_nametoindex("eth0")
    holder = server.start("/usr/bin/python3", "-c", PROGRAM, SCHED_CLS, 2, "-", index,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if holder.stdout.readline() != b"ready\n":
        pytest.skip("this kernel has no tcx")
    with listening(server):
        step = culprit(why(server, "443", "-4", code=1)["ipv4"])
        assert step["layer"] == "tc" and step["rule"].endswith(" stranger")
        holder.communicate()
        why(server, "443", "-4", code=0)


def test_an_xdp_program_is_named_or_warned_of(pinning):
    server, pin = pinning
    drops, passes = pin(XDP, 1), pin(XDP, 2)
    with listening(server):
        server.run("ip", "link", "set", "dev", "eth0", "xdpgeneric", "pinned", drops)
        path = why(server, "443", "-4", code=1)["ipv4"]
        assert culprit(path)["layer"] == "xdp" and "stranger" in culprit(path)["rule"]
        server.run(*path["hint"].split())
        server.run("ip", "link", "set", "dev", "eth0", "xdpdrv", "pinned", passes)
        path = why(server, "443", "-4", code=0)["ipv4"]
        assert [note["topic"] for note in path["notes"]] == ["xdp"]
        assert "stranger" in path["notes"][0]["sentence"]


# ---- rights ----

def with_rights(*names):
    rights = ",".join("+" + name for name in names)
    return ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set",
            "-all" + ("," + rights if names else ""), "--inh-caps", "-all" + ("," + rights if names else ""),
            *(["--ambient-caps", rights] if names else [])]


def test_two_capabilities_are_enough(pair):
    server, _ = pair
    server.nft("table inet filter {\n chain input {\n type filter hook input priority 0;\n"
               "tcp dport 443 drop\n }\n}")
    for path in why(server, "443", code=1, prefix=with_rights("net_admin", "bpf")).values():
        assert culprit(path)["rule"] == "tcp dport 443 drop"


def test_two_capabilities_find_what_is_lost_outside_of_nftables(pair):
    server, _ = pair
    rights = with_rights("net_admin", "bpf")
    server.run("sysctl", "-qw", "net.ipv4.conf.eth0.rp_filter=1")
    stub(server, "dummy0", "192.0.2.1/24")
    path = why(server, "443", "--from", "192.0.2.7", "--interface", "eth0", code=1,
               prefix=rights)["ipv4"]
    assert culprit(path)["rule"] == "net.ipv4.conf.eth0.rp_filter = 1"
    if shutil.which("iptables-legacy"):
        server.run("iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "443", "-j", "DROP")
        path = why(server, "443", "-4", code=1, prefix=rights)["ipv4"]
        assert culprit(path)["layer"] == "iptables-legacy" and culprit(path)["chain"] == "INPUT"


def test_without_rights_it_says_which_are_needed(pair):
    server, _ = pair
    for path in why(server, "443", code=3, prefix=with_rights()).values():
        assert "cap_net_admin and cap_bpf" in path["reason"]
        assert path["hint"] == "run it as root: sudo gardien why 443/tcp"


# ---- nothing leaves, nothing stays ----

@pytest.mark.parametrize("rules", ["", "tcp dport 44321 accept", "reject with tcp reset",
                                   "reject", "drop"])
@pytest.mark.parametrize("port", ["44321/tcp", "44321/udp"])
def test_no_packet_leaves_and_no_listener_sees_one(pair, rules, port):
    """At a port of its own: `gardien status` of another test, which looks into all network namespaces, tries
    who listens on 443."""
    server, client = pair
    if rules == "reject with tcp reset":
        rules = "meta l4proto tcp " + rules
    server.nft("table inet filter {\n chain input {\n type filter hook input priority 0;\n"
               f"iif lo accept\n {rules}\n }}\n}}")
    with listening(server, port=44321) as tcp, sniffing(client) as seen:
        with server.inside():
            udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        udp.bind(("::", 44321))
        udp.settimeout(0.2)
        for source in (), ("--from", "10.99.0.2"), ("--from", "fd99::2"):
            why(server, port, *source)
        with pytest.raises(TimeoutError):
            tcp.accept()
        with pytest.raises(TimeoutError):
            udp.recv(100)
        udp.close()
    assert seen == [], f"{len(seen)} packets left, the first {seen[0].hex()}"


def test_a_netdev_reject_is_not_answered_either(pair):
    server, client = pair
    server.nft("table netdev early {\n chain in {\n type filter hook ingress device eth0 priority 0;"
               "\n tcp dport 443 reject\n }\n}")
    with sniffing(client) as seen:
        path = why(server, "443", "-4", code=1)["ipv4"]
        assert path["verdict"] == "rejected"
    assert seen == []


def test_the_ruleset_is_the_same_afterwards(pair):
    server, _ = pair
    server.nft("table inet filter {\n chain input {\n type filter hook input priority 0; "
               "policy drop;\n tcp dport 443 counter accept\n }\n}")
    before = server.run("nft", "-s", "-a", "list", "ruleset").stdout
    for port in "443", "444", "443/udp":
        why(server, port)
    assert server.run("nft", "-s", "-a", "list", "ruleset").stdout == before


def probe_programs():
    """How many BPF programs of ours the kernel holds, on the whole machine."""
    shown = lib.run("/usr/bin/python3", "-c", """
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, attribute):
    return libc.syscall(321, command, attribute, len(attribute))
found, last = 0, 0
while True:
    attribute = ctypes.create_string_buffer(struct.pack("III", last, 0, 0), 120)
    if bpf(11, attribute) < 0: break
    last = struct.unpack_from("I", attribute, 4)[0]
    attribute = ctypes.create_string_buffer(struct.pack("III", last, 0, 0), 120)
    fd = bpf(13, attribute)
    if fd < 0: continue
    info = ctypes.create_string_buffer(256)
    attribute = ctypes.create_string_buffer(struct.pack("=IIQ", fd, 256, ctypes.addressof(info)), 120)
    if bpf(15, attribute) == 0 and info.raw[64:80].startswith(b"gardien_probe"): found += 1
    libc.close(fd)
print(found)
""")
    return int(shown.stdout)


def test_nothing_stays_when_it_is_killed_in_the_middle(pair):
    server, _ = pair
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "events")
        with open(log, "w") as out:
            server.start("nft", "monitor", "tables", stdout=out)
        lib.wait_until(lambda: (server.run("nft", "add table ip t; delete table ip t"),
                                os.path.getsize(log) > 0)[1])
        killed = []
        began = time.monotonic()
        server.run(lib.BINARY, "why", "443", "--json", check=False)
        whole = time.monotonic() - began
        for attempt in range(60):
            process = subprocess.Popen(server.command(lib.BINARY, "why", "443", "--json"),
                                       stdout=subprocess.DEVNULL)
            time.sleep(whole * attempt / 60)
            process.send_signal(signal.SIGKILL)
            if process.wait() == -signal.SIGKILL:
                killed.append(process.pid)
            assert server.run("nft", "list", "tables").stdout == ""
        with open(log) as events:
            added = [pid for line in events for pid in killed
                     if line.startswith("add table inet") and line.split()[3] == f"gardien_probe_{pid}"]
        assert added, f"none of {len(killed)} was killed while its table was there"
    lib.wait_until(lambda: probe_programs() == 0)


# ---- the command line ----

@pytest.mark.parametrize("words,said", [
    (["0"], "out of range"), (["https"], "no port"), (["443/sctp"], "sctp"),
    (["443", "--from", "10.0.0.0/8"], "is a network"),
    (["443", "--from", "10.0.0.1", "--to", "::1"], "IPv4 and of IPv6"),
    (["443", "--from", "10.0.0.1", "-6"], "one of IPv4"), (["443", "--from", "me"], "me"),
    (["443", "99999"], "99999")])
def test_mistakes_are_explained(words, said):
    result = lib.run(lib.BINARY, "why", *words)
    assert result.returncode == 2 and said in result.stderr and "->" in result.stderr


def test_text_marks_the_culprit_last_and_says_what_mends(pair):
    server, _ = pair
    server.nft("table inet filter {\n chain input {\n type filter hook input priority 0;\n"
               "ct state new counter\n tcp dport 443 drop\n }\n}")
    lines = server.run(lib.BINARY, "why", "-4", check=False).stdout.splitlines()
    assert lines[0].startswith("443/tcp over IPv4") and lines[0].endswith("closed")
    assert lines[2].startswith("=>") and "tcp dport 443 drop  # handle" in lines[2]
    assert lines[-4].startswith("-> nft insert rule inet filter input handle")
    assert lines[-1].endswith("gardien open 443/tcp")
