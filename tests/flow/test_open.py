"""Opening and closing ports for real: a server with a firewall of its own, a client that connects.
Files under /etc are copies that the server's mount namespace holds."""

import json
import socket
import time

import lib
import netns
import pytest

pytestmark = pytest.mark.skipif(not netns.can_make_hosts(), reason="no right to make namespaces")

LISTEN = """
import socket, sys, selectors
selector = selectors.DefaultSelector()
for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    for port in map(int, sys.argv[1:]):
        s = socket.socket(family)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind((address, port))
        s.listen()
        selector.register(s, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        key.fileobj.accept()[0].close()
"""

CONF = """#!/usr/sbin/nft -f

flush ruleset

table inet filter {
	set bad {
		type ipv4_addr
		elements = { 192.0.2.66 }
	}
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iif lo accept
		meta l4proto { icmp, ipv6-icmp } accept
		tcp dport 22 accept
	}
}
"""

REJECT = CONF.replace("policy drop", "policy accept").replace(
    "\t\ttcp dport 22 accept\n",
    "\t\tip saddr @bad drop\n\t\ttcp dport 22 accept\n\t\treject with icmpx admin-prohibited\n")

OTHER = CONF + """
table ip6 other {
	chain first {
		type filter hook input priority -10; policy drop;
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
	}
}
"""


class Machine:
    """A server with copies of its /etc, and a client that knocks."""

    def __init__(self, server, client, folder):
        self.server, self.client, self.folder = server, client, folder
        self.state = folder / "state"
        self.etc = folder / "etc"
        self.etc.mkdir()
        server.run("sh", "-c", f"cp -a /etc/. {self.etc} && rm -rf {self.etc}/nftables.d && "
                   f"mount --bind {self.etc} /etc")
        listener = server.start("/usr/bin/python3", "-c", LISTEN, 80, 443, 8443,
                                stdout=-1)
        assert listener.stdout.readline() == b"ready\n"
        listener.stdout.close()

    def gardien(self, *words, code=0, **more):
        result = self.server.run(lib.BINARY, *words, "--state", self.state, check=False,
                                 env=lib.sanitizer_env(), **more)
        assert result.returncode == code, f"{words}: {result.returncode}\n" \
                                          f"{result.stdout}{result.stderr}"
        return result

    def conf(self, text):
        (self.etc / "nftables.conf").write_text(text)
        self.reload()

    def reload(self):
        self.server.run("nft", "-f", "/etc/nftables.conf")

    def rules(self):
        return self.server.run("nft", "list", "ruleset").stdout

    def xt(self, program):
        return self.server.run(program, "-S").stdout

    def reach(self, port=443, family=4):
        """Whether the client's connection is taken."""
        host = "10.99.0.1" if family == 4 else "fd99::1"
        with self.client.inside():
            with socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6) as s:
                s.settimeout(1 * lib.PATIENCE)
                try:
                    s.connect((host, port))
                    return True
                except OSError:
                    return False

    def both(self, port=443):
        return self.reach(port, 4), self.reach(port, 6)


@pytest.fixture
def machine(tmp_path):
    with netns.server_and_client(mounts=True) as (server, client):
        yield Machine(server, client, tmp_path)


@pytest.mark.parametrize("conf", [CONF, REJECT, OTHER], ids=["policy", "reject", "two-tables"])
def test_native_nftables(machine, conf):
    machine.conf(conf)
    before, file_before = machine.rules(), (machine.etc / "nftables.conf").read_bytes()
    assert machine.both() == (False, False)
    machine.gardien("open", "--yes")
    assert machine.both() == (True, True)
    opened = machine.rules()
    assert 'tcp dport 443 accept comment "gardien:443/tcp"' in opened
    assert not machine.reach(8443)
    # twice is the same as once
    assert "already open" in machine.gardien("open", "--yes").stdout
    assert machine.rules() == opened
    # it outlasts a reload, which flushes
    machine.reload()
    assert machine.both() == (True, True)
    assert "already open" in machine.gardien("open", "--yes").stdout
    # the drop-in alone doubles nothing
    assert machine.server.run("nft", "-f", "/etc/nftables.d/gardien.nft",
                              check=False).returncode != 0
    assert machine.rules().count('"gardien:443/tcp"') == opened.count('"gardien:443/tcp"')
    machine.gardien("close", "--yes")
    assert machine.rules() == before
    assert (machine.etc / "nftables.conf").read_bytes() == file_before
    assert not (machine.etc / "nftables.d").exists()
    assert machine.both() == (False, False)


def test_banned_senders_stay_banned(machine):
    machine.conf(REJECT)
    machine.gardien("open", "443", "--yes")
    rules = machine.rules()
    assert rules.index("saddr @bad drop") < rules.index("jump gardien_input") < \
        rules.index("reject with")


def test_only_some_ports_are_closed_again(machine):
    machine.conf(CONF)
    before = machine.rules()
    machine.gardien("open", "443", "8443/tcp", "443/udp", "--yes")
    machine.gardien("close", "8443", "--yes")
    assert machine.reach(443) and not machine.reach(8443)
    machine.reload()
    assert machine.reach(443) and not machine.reach(8443)
    machine.gardien("close", "--yes")
    assert machine.rules() == before


def test_from_opens_for_its_family_only(machine):
    machine.conf(CONF)
    machine.gardien("open", "443", "--from", "10.99.0.0/24", "--yes")
    assert machine.both() == (True, False)
    machine.gardien("open", "443", "--from", "fd99::/64", "--yes")
    assert machine.both() == (True, True)
    machine.gardien("close", "443", "--yes")
    assert machine.both() == (False, False)


def test_dry_run_changes_nothing_and_is_data(machine):
    machine.conf(CONF)
    before = machine.rules()
    plan = json.loads(machine.gardien("open", "443", "--dry-run", "--json").stdout)
    assert plan["applied"] is False
    kinds = [step["kind"] for step in plan["plan"]["steps"]]
    assert kinds == ["nft", "write", "write"]
    assert all(step["reason"] and step["typed"] and step["undo"] for step in plan["plan"]["steps"])
    assert machine.rules() == before and not (machine.etc / "nftables.d").exists()


def test_nobody_to_ask_is_refused_with_the_way(machine):
    machine.conf(CONF)
    before = machine.rules()
    said = machine.gardien("open", "443", code=2)
    assert "--yes" in said.stderr and "gardien_input" in said.stdout
    assert machine.rules() == before


def test_failed_step_leaves_nothing(machine):
    machine.conf(CONF)
    before = machine.rules()
    (machine.etc / "nftables.d").write_text("in the way")
    said = machine.gardien("open", "443", "--yes", code=1)
    assert "nftables.d" in said.stderr
    assert machine.rules() == before


def test_force_shows_and_removes_rules_of_others(machine):
    machine.conf(CONF.replace("tcp dport 22", "tcp dport 443"))
    assert machine.both() == (True, True)
    machine.gardien("close", "443", "--yes")
    assert machine.both() == (True, True)
    said = machine.gardien("close", "443", "--force", "--yes").stdout
    assert "somebody else's rule" in said and "tcp dport 443 accept" in said
    assert machine.both() == (False, False)


@pytest.mark.parametrize("flavour", ["nft", "legacy"])
@pytest.mark.parametrize("how", ["policy", "reject", "ipv6-only"])
def test_iptables(machine, flavour, how):
    programs = [f"iptables-{flavour}", f"ip6tables-{flavour}"]
    for program in programs[1:] if how == "ipv6-only" else programs:
        machine.server.run(program, "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED",
                           "-j", "ACCEPT")
        machine.server.run(program, "-A", "INPUT", "-p", "ipv6-icmp" if "6" in program else "icmp",
                           "-j", "ACCEPT")
        if how == "reject":
            machine.server.run(program, "-A", "INPUT", "-j", "REJECT")
        else:
            machine.server.run(program, "-P", "INPUT", "DROP")
    before = [machine.xt(program) for program in programs]
    assert machine.both() == (how == "ipv6-only", False)
    said = machine.gardien("open", "--yes")
    assert machine.both() == (True, True)
    assert "netfilter-persistent" in said.stdout
    opened = [machine.xt(program) for program in programs]
    assert "already open" in machine.gardien("open", "--yes").stdout
    assert [machine.xt(program) for program in programs] == opened
    assert opened[1].count("gardien:443/tcp") == 1
    machine.gardien("close", "--yes")
    assert [machine.xt(program) for program in programs] == before
    assert machine.both() == (how == "ipv6-only", False)


def test_two_managers_in_force(machine):
    machine.conf(CONF)
    machine.server.run("iptables-legacy", "-P", "INPUT", "DROP")
    rules, xt = machine.rules(), machine.xt("iptables-legacy")
    machine.gardien("open", "443", "--yes")
    assert machine.both() == (True, True)
    machine.gardien("close", "--yes")
    assert (machine.rules(), machine.xt("iptables-legacy")) == (rules, xt)


def test_no_firewall_is_open_already(machine):
    said = machine.gardien("open", "--yes").stdout
    assert "already open" in said and "no firewall is in force" in said


def test_confirm_takes_back_what_nobody_confirmed(machine):
    machine.conf(CONF)
    before = machine.rules()
    machine.gardien("open", "443", "--confirm", "5s", "--yes")
    assert machine.reach()
    lib.wait_until(lambda: machine.rules() == before, 15, "the rules to be taken back")
    assert not (machine.etc / "nftables.d").exists()
    machine.gardien("open", "--confirmed", code=1)


def test_confirmed_from_elsewhere_keeps_it(machine):
    machine.conf(CONF)
    machine.gardien("open", "443", "--confirm", "5s", "--yes")
    machine.gardien("open", "--confirmed")
    time.sleep(6)
    assert machine.reach()


@pytest.mark.parametrize("words, said", [
    (["0"], "443, 8443/tcp, 443/udp"), (["80,443"], "a word of its own"),
    (["https"], "did you mean 443?"), (["443-440"], "the lower one comes first"), (["80-443"], "several runs"),
    (["443", "--from", "10.0.0.1/8"], "10.0.0.0/8"), (["443", "--confirm", "1s"], "from 5s"),
    (["443", "--interface", "a b"], "ip link"), (["443", "--zone", "public"], "firewalld")])
def test_mistakes_show_the_right_form(machine, words, said):
    assert said in machine.gardien("open", *words, "--yes", code=2).stderr


def test_a_range_is_opened_and_closed_port_by_port(machine):
    machine.conf(CONF)
    before = machine.rules()
    machine.gardien("open", "8440-8443", "--yes")
    assert {f"gardien:{port}/tcp" in machine.rules() for port in range(8440, 8444)} == {True}
    machine.gardien("close", "8440-8443", "--yes")
    assert machine.rules() == before


def test_an_interface_that_is_not_there_is_warned_of_with_those_that_are(machine):
    machine.conf(CONF)
    said = machine.gardien("open", "443", "--interface", "eth7", "--dry-run").stdout
    assert 'there is no interface "eth7" now' in said and "lo, eth0" in said
    assert "there is no interface" not in machine.gardien(
        "open", "443", "--interface", "eth0", "--dry-run").stdout


def test_without_rights_the_plan_is_kept_from_harm(machine):
    machine.conf(CONF)
    before = machine.rules()
    said = machine.server.run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                              "--bounding-set", "-all", lib.BINARY, "open", "443", "--state",
                              "/nonexistent", "--yes", check=False, env=lib.sanitizer_env())
    assert said.returncode == 1
    assert f"sudo {lib.BINARY} open 443 --state /nonexistent --yes\n" in said.stderr
    assert machine.rules() == before


@pytest.mark.parametrize("verb", ["open", "close"])
def test_rules_that_were_not_seen_are_not_called_open(machine, verb):
    machine.conf(CONF)
    said = machine.server.run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                              "--bounding-set", "-all", lib.BINARY, verb, "443", "--state",
                              "/nonexistent", "--dry-run", check=False, env=lib.sanitizer_env())
    assert said.returncode == 1, said.stdout
    assert "no plan: the firewall could not be read" in said.stdout and "sudo" in said.stdout
    assert "already open" not in said.stdout and "nothing of gardien's" not in said.stdout


# ---- other machines ----

@pytest.mark.parametrize("system, words", [
    ("windows", ["netsh advfirewall firewall add rule", "New-NetFirewallRule"]),
    ("macos", ["pass in quick inet6 proto tcp", "com.apple/gardien", "--unblockapp"]),
    ("linux-ufw", ["ufw allow 443/tcp"]),
    ("linux-firewalld", ["firewall-cmd --permanent"]),
    ("linux-iptables", ["ip6tables-nft -w 5 -A INPUT"]),
    ("linux-nftables", ["add rule inet filter"]),
])
def test_a_plan_for_another_machine_needs_no_rights_and_changes_nothing(system, words):
    before = lib.run("nft", "list", "ruleset").stdout
    result = lib.run("setpriv", "--reuid=65534", "--clear-groups", lib.BINARY, "open", "443", "--on",
                     system, "--state", "/nonexistent", env=lib.sanitizer_env())
    assert result.returncode == 0, result.stderr
    for word in words:
        assert word in result.stdout
    plan = json.loads(lib.run(lib.BINARY, "open", "443", "--on", system, "--json").stdout)
    assert plan["applied"] is False and plan["plan"]["steps"]
    assert lib.run(lib.BINARY, "close", "443", "--on", system).returncode == 0
    assert lib.run("nft", "list", "ruleset").stdout == before


def test_an_unknown_machine_and_a_stray_profile_are_told():
    result = lib.run(lib.BINARY, "open", "--on", "amiga")
    assert result.returncode == 2 and "linux-firewalld" in result.stderr
    result = lib.run(lib.BINARY, "open", "--profile", "public")
    assert result.returncode == 2 and "--on windows" in result.stderr


def test_a_cloud_machine_gets_its_provider_s_command_line_too(tmp_path):
    dmi = tmp_path / "sys" / "class" / "dmi" / "id"
    dmi.mkdir(parents=True)
    (dmi / "sys_vendor").write_text("Amazon EC2\n")
    (dmi / "bios_vendor").write_text("Amazon EC2\n")
    (dmi / "product_name").write_text("t3.micro\n")
    with netns.hosts("server", mounts=True) as (server,):
        server.run("mount", "--bind", tmp_path / "sys", "/sys")
        words = [lib.BINARY, "open", "443", "--dry-run", "--state", tmp_path / "state"]
        text = server.run(*words, env=lib.sanitizer_env()).stdout
        assert "Amazon EC2" in text and "aws ec2 authorize-security-group-ingress" in text
        answer = json.loads(server.run(*words, "--json", env=lib.sanitizer_env()).stdout)
        assert answer["cloud"]["name"] == "Amazon EC2" and answer["cloud"]["commands"]
