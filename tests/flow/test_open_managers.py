"""What `gardien open` and `close` do to firewall managers beside the plain way of
test_open_matrix.py: rules of others that look like ours, narrower wishes, and runs that are killed,
doubled or left without room."""

import json
from pathlib import Path

import pytest
from lib import BINARY, SANITIZED, wait_until
from managers import HTTPS, knock, managed, serve
from netns import can_make_hosts

pytestmark = pytest.mark.skipif(not can_make_hosts(), reason="takes the right to make namespaces")

STATE = "/run/gardien-state"
V4, V6 = [("10.99.0.1", 443, "tcp")], [("fd99::1", 443, "tcp")]


def gardien(manager, *words, code=0):
    result = manager.host.run(BINARY, *words, "--state", STATE, check=False)
    assert result.returncode == code, f"{words}: {result.returncode}\n{result.stdout}{result.stderr}"
    return result


def snapshot(manager):
    return manager.rules(), manager.files()


def is_open(client, doors):
    return [answer == "open" for answer in knock(client, *doors).values()]


@pytest.fixture
def ufw():
    with managed("ufw") as (manager, server, client):
        serve(server, 80, 443)
        yield manager, client


@pytest.fixture
def firewalld():
    with managed("firewalld") as (manager, server, client):
        serve(server, 80, 443)
        yield manager, client


@pytest.fixture
def nftables():
    with managed("nftables") as (manager, server, client):
        serve(server, 80, 443)
        yield manager, client


# ---- ufw ----


def test_a_rule_of_ufw_for_one_ip_version_keeps_its_owner(ufw):
    manager, client = ufw
    manager.host.run("ufw", "allow", "proto", "tcp", "to", "0.0.0.0/0", "port", "443")
    before = snapshot(manager)
    gardien(manager, "open", "443", "--yes")
    assert is_open(client, V4 + V6) == [True, True]
    gardien(manager, "close", "--yes")
    assert snapshot(manager) == before
    assert is_open(client, V4 + V6) == [True, False]


def test_a_wider_refusal_of_ufw_is_preceded(ufw):
    manager, client = ufw
    manager.host.run("ufw", "deny", "443")
    before = snapshot(manager)
    gardien(manager, "open", "443", "--yes")
    assert is_open(client, V4 + V6) == [True, True]
    gardien(manager, "close", "--yes")
    assert snapshot(manager) == before


def test_ufw_opens_for_a_network_and_an_interface(ufw):
    manager, client = ufw
    before = snapshot(manager)
    gardien(manager, "open", "443", "--from", "10.99.0.0/24", "--interface", "eth0", "--yes")
    assert is_open(client, V4 + V6) == [True, False]
    assert "already open" in gardien(manager, "open", "443", "--from", "10.99.0.0/24", "--interface",
                                     "eth0", "--yes").stdout
    gardien(manager, "close", "--yes")
    assert snapshot(manager) == before


def test_what_was_deleted_by_hand_is_not_missed(ufw):
    manager, _ = ufw
    before = snapshot(manager)
    gardien(manager, "open", "443", "80", "--yes")
    manager.host.run("ufw", "delete", "allow", "443/tcp")
    gardien(manager, "close", "--yes")
    assert snapshot(manager) == before


def test_an_idle_ufw_is_left_alone(nftables):
    manager, _ = nftables
    host = manager.host
    for program in ("iptables-nft", "ip6tables-nft"):
        host.run(program, "-A", "INPUT", "-j", "REJECT")
    files = manager.read("/etc/ufw/*")
    said = json.loads(gardien(manager, "open", "443", "--dry-run", "--json").stdout)
    presence = {one["manager"]: one["presence"] for one in said["managers"]}
    assert (presence["ufw"], presence["iptables-nft"]) == ("idle", "in force")
    assert {step["manager"] for step in said["plan"]["steps"]} == {"iptables-nft"}
    gardien(manager, "open", "443", "--yes")
    assert manager.read("/etc/ufw/*") == files


# ---- firewalld ----


def test_firewalld_opens_for_a_network(firewalld):
    manager, client = firewalld
    before = snapshot(manager)
    gardien(manager, "open", "443", "--from", "10.99.0.0/24", "--yes")
    assert is_open(client, V4 + V6) == [True, False]
    manager.reload()
    assert is_open(client, V4 + V6) == [True, False]
    gardien(manager, "close", "--yes")
    assert snapshot(manager) == before


def test_firewalld_opens_in_the_zone_of_the_interface(firewalld):
    manager, client = firewalld
    host = manager.host
    for permanent in ([], ["--permanent"]):
        host.run("firewall-cmd", *permanent, "--zone=work", "--add-interface=eth0")
    gardien(manager, "open", "443", "--interface", "eth0", "--yes")
    assert is_open(client, V4) == [True]
    assert host.run("firewall-cmd", "--zone=public", "--query-service=https",
                    check=False).returncode != 0
    gardien(manager, "close", "--yes")
    assert is_open(client, V4) == [False]
    assert "firewalld has no zone" in gardien(manager, "open", "--zone", "pubic", "--yes", code=2).stderr


def test_a_killed_run_is_taken_back_by_close(firewalld):
    """Whatever was done before the kill: what gardien means to do is entered before it does it."""
    manager, _ = firewalld
    before = snapshot(manager)
    zone = Path(f"/proc/{manager.host.pid}/root/etc/firewalld/zones/public.xml")
    process = manager.host.start(BINARY, "open", "--yes", "--state", STATE, stdout=-3)
    wait_until(lambda: process.poll() is not None or "http" in zone.read_text(), 10,
               "the first change", pause=0.005)
    assert process.poll() is None, "it was over before it could be killed"
    process.kill()
    process.wait()
    assert "http" in zone.read_text()
    gardien(manager, "close", "--yes")
    assert snapshot(manager) == before


def test_without_room_for_the_record_nothing_is_opened(firewalld):
    manager, _ = firewalld
    before = snapshot(manager)
    manager.host.run("sh", "-c", f"mkdir {STATE} && mount -t tmpfs -o size=8k,mode=700 tmpfs {STATE} && "
                     f"touch {STATE}/firewall.lock && head -c 8192 /dev/zero >{STATE}/full")
    said = gardien(manager, "open", "--yes", code=1)
    assert "firewall.json" in said.stderr
    assert snapshot(manager) == before


def test_a_second_run_that_is_taken_back_leaves_the_first(firewalld):
    manager, client = firewalld
    before = snapshot(manager)
    gardien(manager, "open", "443", "--zone", "public", "--yes")
    gardien(manager, "open", "443", "--zone", "work", "--confirm", "5s", "--yes")
    wait_until(lambda: manager.host.run("firewall-cmd", "--permanent", "--zone=work",
                                        "--query-service=https", check=False).returncode != 0,
               20, "the second to be taken back", pause=0.2)
    wait_until(lambda: "work" not in manager.read(f"{STATE}/firewall.json"), 10, "its record to go")
    assert is_open(client, V4) == [True]
    gardien(manager, "close", "--yes")
    rules, files = snapshot(manager)
    assert rules == before[0]
    assert "https" not in files


def test_firewalld_of_another_network_is_left_alone(firewalld):
    manager, _ = firewalld
    said = manager.host.run("unshare", "-n", BINARY, "open", "443", "--dry-run", "--json", "--state",
                            STATE).stdout
    presence = {one["manager"]: one["presence"] for one in json.loads(said)["managers"]}
    assert presence["firewalld"] == "idle" and json.loads(said)["plan"]["steps"] == []


def test_firewalld_by_iptables_keeps_its_tables_to_itself(firewalld):
    manager, client = firewalld
    manager.host.run("sed", "-i", "s/^FirewallBackend=.*/FirewallBackend=iptables/",
                     "/etc/firewalld/firewalld.conf")
    manager.host.run("firewall-cmd", "--complete-reload")
    manager.wait()
    said = json.loads(gardien(manager, "open", "443", "--dry-run", "--json").stdout)
    assert {step["manager"] for step in said["plan"]["steps"]} == {"firewalld"}
    gardien(manager, "open", "443", "--yes")
    assert is_open(client, V4 + V6) == [True, True]


def test_without_rights_firewalld_s_plan_is_shown(firewalld):
    manager, _ = firewalld
    said = manager.host.run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                            "--bounding-set", "-all", BINARY, "open", "443", "--dry-run", "--state",
                            "/nonexistent").stdout
    assert "firewall-cmd --permanent --zone=public --add-service=https" in said


# ---- all of them ----


def test_two_at_once_are_the_same_as_one(nftables):
    manager, client = nftables
    for program in ("iptables-nft", "ip6tables-nft"):
        manager.host.run(program, "-P", "INPUT", "DROP")
    both = [manager.host.start(BINARY, "open", "443", "--yes", "--state", STATE, stdout=-1,
                               stderr=-1) for _ in range(2)]
    said = [process.communicate()[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    for program in ("iptables-nft", "ip6tables-nft"):
        assert manager.host.run(program, "-S").stdout.count("gardien:443/tcp") == 1


@pytest.mark.skipif(SANITIZED, reason="libnftables 1.0.6 prints a table's flags from memory that it has "
                    "freed, and under a sanitizer that is no text")
def test_a_table_that_a_program_owns_is_named_and_left_to_it(nftables):
    manager, client = nftables
    owner = manager.host.start("nft", "-i", stdin=-1, stdout=-3)
    owner.stdin.write(b"table inet owned { flags owner; chain input { type filter hook input "
                      b"priority 0; policy drop; }; }\n")
    owner.stdin.flush()
    wait_until(lambda: "owned" in manager.rules(), 10, "the table")
    before = manager.rules()
    said = gardien(manager, "open", "443", "--yes", code=1).stdout
    assert "only the program that owns the table can change it" in said
    assert "already open" not in said
    assert manager.rules() == before
    why = manager.host.run(BINARY, "why", "443", check=False).stdout
    assert "inet owned input" in why
    owner.stdin.close()
    owner.wait()


def test_while_one_waits_to_be_confirmed_others_are_told(nftables):
    manager, client = nftables
    for program in ("iptables-nft", "ip6tables-nft"):
        manager.host.run(program, "-P", "INPUT", "DROP")
    before = manager.host.run("iptables-nft", "-S").stdout
    gardien(manager, "open", "443", "--confirm", "6s", "--yes")
    for verb in (["close"], ["open", "8443"], ["open", "--confirm", "60s"]):
        assert "--confirmed" in gardien(manager, *verb, "--yes", code=1).stderr
    wait_until(lambda: manager.host.run("iptables-nft", "-S").stdout == before, 20,
               "it to be taken back", pause=0.2)
    gardien(manager, "open", "443", "--yes")


def test_one_that_waits_no_more_is_forgotten(nftables):
    """As after a restart of the machine, which ends who waits."""
    manager, client = nftables
    manager.write(f"{STATE}/firewall.confirm", "")
    manager.host.run("chmod", "700", STATE)
    manager.host.run("iptables-nft", "-P", "INPUT", "DROP")
    gardien(manager, "open", "443", "--yes")
    assert is_open(client, V4) == [True]
