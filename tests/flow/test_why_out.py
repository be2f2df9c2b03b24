"""`gardien why --out`: what this host sends, told from its rules. Every verdict is compared with a real
connection, and every hint is executed as printed, until the connection stands."""

import json
import os
import shutil
import socket
import threading
from contextlib import contextmanager

import pytest

import lib
import netns

pytestmark = pytest.mark.skipif(not netns.can_make_hosts(), reason="no network namespaces here")

SERVER = {4: "10.97.0.2", 6: "fd97::2"}
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
PORT = 8443
HINTS_MAX = 4  # of one case: each may show the next rule

POLICY = "table inet f {\n chain o {\n  type filter hook output priority 0; policy drop;\n }\n}\n"
ANSWERS = ("table inet f {\n chain i {\n  type filter hook input priority 0; policy drop;\n"
           "  iif lo accept\n  icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n }\n}\n")
LO = ("table inet f {\n chain i {\n  type filter hook input priority 0; policy drop;\n"
      "  ct state established accept\n }\n}\n")


def out(rules):
    return ("table inet f {\n chain o {\n  type filter hook output priority 0;\n  icmpv6 type "
            f"nd-neighbor-solicit accept\n  {rules}\n }}\n}}\n")


# (rules, protocol, IP version, to itself, verdict)
CASES = {
    "no rules": ("", "tcp", 4, False, "accepted"),
    "policy": (POLICY, "tcp", 4, False, "dropped"),
    "a rule": (out(f"tcp dport {PORT} drop"), "tcp", 4, False, "dropped"),
    "another port's rule": (out("tcp dport 25 drop"), "tcp", 4, False, "accepted"),
    "reject": (out(f"tcp dport {PORT} reject with tcp reset"), "tcp", 4, False, "rejected"),
    "IPv6": (out(f"ip6 daddr fd97::/64 tcp dport {PORT} drop"), "tcp", 6, False, "dropped"),
    "UDP": (out("meta l4proto udp drop"), "udp", 4, False, "dropped"),
    "the interface": (out('oifname "eth0" drop'), "tcp", 4, False, "dropped"),
    "another interface": (out('oifname "eth1" drop'), "tcp", 4, False, "accepted"),
    "the user": (out("meta skuid 0 drop"), "tcp", 4, False, "dropped"),
    "another user": (out("meta skuid 12345 drop"), "tcp", 4, False, "accepted"),
    "new connections": (out("ct state new drop"), "tcp", 4, False, "dropped"),
    "postrouting": ("table ip f {\n chain p {\n  type filter hook postrouting priority 0;\n"
                    "  tcp dport 8443 drop\n }\n}\n", "tcp", 4, False, "dropped"),
    "egress": ('table netdev f {\n chain e {\n  type filter hook egress device "eth0" priority 0;\n'
               "  tcp dport 8443 drop\n }\n}\n", "tcp", 4, False, "dropped"),
    "raw": ("table ip raw {\n chain o {\n  type filter hook output priority -300;\n  tcp dport 8443 "
            "drop\n }\n}\n", "tcp", 4, False, "dropped"),
    "masquerade": ("table ip n {\n chain p {\n  type nat hook postrouting priority 100;\n"
                   "  masquerade\n }\n}\n" + LO, "tcp", 4, False, "accepted"),
    "sent elsewhere": ("table ip n {\n chain o {\n  type nat hook output priority -100;\n  tcp dport "
                       "8443 redirect to :9443\n }\n}\n" + out("tcp dport 9443 drop"), "tcp", 4, False,
                       "dropped"),
    "the answer": (ANSWERS, "tcp", 4, False, "dropped"),
    "the answer over IPv6": (ANSWERS, "tcp", 6, False, "dropped"),
    "lo": (LO, "tcp", 4, True, "dropped"),
    "lo over IPv6": (LO, "tcp", 6, True, "dropped"),
    "lo's output": (POLICY, "tcp", 4, True, "dropped"),
    "lo is let in": (ANSWERS, "tcp", 4, True, "accepted"),
}


def echo(host):
    """Listeners of both families and protocols on the port that is asked for and where it is led."""
    sockets = []
    with host.inside():
        for port in (PORT, 9443):
            for family in (socket.AF_INET, socket.AF_INET6):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    sockets.append(socket.socket(family, kind))
                    if family == socket.AF_INET6:
                        sockets[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    sockets[-1].bind(("", port))
                    if kind == socket.SOCK_STREAM:
                        sockets[-1].listen(64)
    return sockets


def answer(one):
    """Echoes datagrams until the socket is shut down."""
    while True:
        try:
            data, peer = one.recvfrom(100)
            if not data:
                return
            one.sendto(data, peer)
        except OSError:
            return


@contextmanager
def network():
    with netns.hosts("own", "far") as (own, far):
        netns.cable(own, far, ("10.97.0.1/24", "fd97::1/64"), ("10.97.0.2/24", "fd97::2/64"))
        sockets = echo(own) + echo(far)
        threads = [threading.Thread(target=answer, args=(one,), daemon=True) for one in sockets
                   if one.type == socket.SOCK_DGRAM]
        for thread in threads:
            thread.start()
        try:
            yield own
        finally:
            for one in sockets:
                one.close()


def reaches(own, protocol, address, seconds):
    """Does a client of this host get an answer?"""
    with own.inside():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        client = socket.socket(family,
                               socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    with client:
        client.settimeout(seconds)
        try:
            client.connect((address, PORT))
            if protocol == "udp":
                client.send(b"?")
                client.recv(100)
            return True
        except OSError:
            return False


def why(own, protocol, address, *more):
    target = f"[{address}]" if ":" in address else address
    result = own.run(lib.BINARY, "why", "--out", f"{target}:{PORT}/{protocol}", "--json", *more,
                     check=False, env=lib.sanitizer_env())
    assert result.stdout, result.stderr
    path, = json.loads(result.stdout)["paths"]
    assert result.returncode == {"accepted": 0, "unknown": 3}.get(path["verdict"], 1)
    assert path["direction"] == "out"
    return path


def follow_hints(own, protocol, address, *more):
    """Executes what is hinted, as it is printed, until nothing is. Returns the last path."""
    hints = []
    for _ in range(HINTS_MAX):
        path = why(own, protocol, address, *more)
        if "hint" not in path:
            break
        hints.append(path["hint"])
        own.run("sh", "-ec", path["hint"])
    assert path["verdict"] == "accepted", f"{hints} {path}"


def try_case(own, protocol, address, verdict):
    more = ["--user", "0"]
    path = why(own, protocol, address, *more)
    assert path["verdict"] == verdict, path
    open_now = reaches(own, protocol, address, 5 * lib.PATIENCE if verdict == "accepted" else 0.3)
    assert open_now == (verdict == "accepted"), path
    if verdict == "accepted":
        return
    assert path["hint"] and path["steps"][path["culprit"]]["chain"]
    follow_hints(own, protocol, address, *more)
    assert reaches(own, protocol, address, 5 * lib.PATIENCE), path


def test_verdicts_and_hints_hold_for_real_connections():
    failed = []
    with network() as own:
        for name, (rules, protocol, version, itself, verdict) in CASES.items():
            own.nft("flush ruleset\n" + rules)
            try:
                try_case(own, protocol, (LOOPBACK if itself else SERVER)[version], verdict)
            except AssertionError as error:
                failed.append(f"{name}: {error}")
    assert not failed, "\n".join(failed)


@pytest.mark.skipif(not shutil.which("iptables-nft"), reason="no iptables")
@pytest.mark.parametrize("flavour", ["nft", "legacy"])
def test_iptables_rules_and_hints(flavour):
    with network() as own:
        for version, program in ((4, "iptables"), (6, "ip6tables")):
            tool = f"{program}-{flavour}"
            if own.run(tool, "-S", check=False).returncode != 0:
                pytest.skip(f"{tool} does not work here")
            own.run(tool, "-A", "OUTPUT", "-p", "tcp", "--dport", str(PORT), "-j", "DROP")
            path = why(own, "tcp", SERVER[version])
            assert path["verdict"] == "dropped", path
            assert path["steps"][path["culprit"]]["chain"] == "OUTPUT"
            hint = path["hint"].replace(program, tool) if tool not in path["hint"] else path["hint"]
            own.run("sh", "-ec", hint)
            assert why(own, "tcp", SERVER[version])["verdict"] == "accepted"
            assert reaches(own, "tcp", SERVER[version], 5 * lib.PATIENCE)


def test_a_rule_for_a_user_is_unknown_without_one():
    with network() as own:
        own.nft(out("meta skuid 0 drop"))
        path = why(own, "tcp", SERVER[4])
        assert path["verdict"] == "unknown" and "--user" in path["hint"]
        assert why(own, "tcp", SERVER[4], "--user", "nobody")["verdict"] == "accepted"


def test_no_route_and_no_rights_are_told():
    with netns.hosts("own") as (own,):
        result = own.run(lib.BINARY, "why", "--out", "192.0.2.1:443", "--json", check=False,
                         env=lib.sanitizer_env())
        path, = json.loads(result.stdout)["paths"]
        assert result.returncode == 1 and path["obstacle"] == "no route", path
        assert "no route to 192.0.2.1" in path["reason"]
    with network() as own:
        if os.geteuid() != 0:
            return
        result = own.run("setpriv", "--reuid", "nobody", "--clear-groups", "--inh-caps", "-all",
                         lib.binary_for_others(), "why", "--out", f"{SERVER[4]}:443", check=False)
        assert result.returncode == 3 and "sudo" in result.stdout, result.stdout + result.stderr


def test_saved_rules_need_no_rights(tmp_path):
    saved = tmp_path / "rules.json"
    with network() as own:
        own.nft(POLICY)
        saved.write_text(own.run("nft", "-j", "list", "ruleset").stdout)
    result = lib.run(lib.BINARY, "why", "--out", "192.0.2.1:443", "--ruleset", saved,
                     env=lib.sanitizer_env())
    assert result.returncode == 1 and "policy is drop" in result.stdout
    assert "from this host to 192.0.2.1" in result.stdout


def test_check_names_the_rule_that_keeps_requests_from_an_application(tmp_path):
    (tmp_path / "gardien.yaml").write_text(json.dumps({
        "state": str(tmp_path / "state"), "logs": {"access": "off"}, "workers": 1,
        "listen": {"https": [":8444"], "http": []},
        "sites": [{"names": ["localhost"], "proxy": f"{SERVER[4]}:{PORT}"}]}))
    log = tmp_path / "output"
    with network() as own:
        own.nft(out(f"oifname eth0 tcp dport {PORT} reject with tcp reset"))
        with open(log, "ab") as output:
            process = own.start(lib.BINARY, "serve", "--config", tmp_path / "gardien.yaml",
                                stdout=output, stderr=output,
                                env={**os.environ, **lib.sanitizer_env()})
        lib.wait_until(lambda: "ready" in log.read_text(), 20, f"a start: {log.read_text()}")

        def found():
            said = own.run(lib.BINARY, "check", ":8444", "--json", "--state", tmp_path / "state",
                           check=False, env=lib.sanitizer_env())
            finding, = json.loads(said.stdout)["upstreams"]
            return finding

        finding = found()
        assert "firewall keeps them from getting there: a rule of chain o rejects it" in \
            finding["sentence"], finding
        own.run("sh", "-ec", finding["hint"])
        assert "accepts connections" in found()["sentence"]
        process.terminate()
        process.wait(30 * lib.PATIENCE)


@pytest.mark.parametrize("words", [
    ("--out", "example.com"), ("--out", "fe80::1:443"), ("--out", ":443"), ("--out", "a:b"),
    ("443", "--out", "192.0.2.1:443"), ("--out", "192.0.2.1:443", "--from", "192.0.2.2"),
    ("--out", "192.0.2.1:443", "--user", "nobody-of-that-name"), ("443", "--user", "root")])
def test_mistakes_are_explained(words):
    result = lib.run(lib.BINARY, "why", *words, env=lib.sanitizer_env())
    assert result.returncode == 2 and result.stderr and not result.stdout, result.stdout
