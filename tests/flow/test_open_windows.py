"""Opening and closing on Windows: gardien.exe under wine, first against wine's own INetFwPolicy2, which
keeps no rules but tells each call with its arguments, then against a stand-in that keeps them."""

import json
import re
import shutil
import time
from pathlib import Path

import pytest

import cross
import lib

pytestmark = pytest.mark.skipif(
    bool(cross.MISSING), reason=f"not installed: {', '.join(cross.MISSING)}; `tools/deps cross`")

CLASSES = {"policy": "{E2B3C97F-6AE1-41AC-817A-F6F92166D7DD}",
           "rule": "{2C5BC43E-3369-4C33-AB0C-BE9469677AF4}"}
DOMAIN, PRIVATE, PUBLIC = 1, 2, 4
ALL = 0x7fffffff
IN, OUT = 1, 2


#: wine 10 starts programs without an administrator's rights unless their manifest asks for them.
MANIFEST = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0">
  <trustInfo xmlns="urn:schemas-microsoft-com:asm.v3"><security><requestedPrivileges>
    <requestedExecutionLevel level="requireAdministrator" uiAccess="false"/>
  </requestedPrivileges></security></trustInfo>
</assembly>
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The program, started as administrator."""
    program = tmp_path_factory.mktemp("windows") / "gardien.exe"
    shutil.copy(cross.windows(), program)
    program.with_name("gardien.exe.manifest").write_text(MANIFEST)
    return program


@pytest.fixture(scope="module")
def wine():
    wine = cross.Wine()
    yield wine
    wine.finish()


# ---- what arrives at the interface ----

@pytest.fixture(scope="module")
def said(wine, program):
    """What wine tells of the calls of `open`, then of `close`; it is asked before the stand-in takes
    its place."""
    answers = {}
    for name, words in {
            "open": ["open", "443", "--yes"],
            "narrow": ["open", "8443/udp", "--profile", "public", "--from", "192.0.2.0/24", "--yes"],
            "json": ["open", "8443", "--json", "--yes"],
            "close": ["close", "443", "--yes"]}.items():
        answers[name] = wine.run(program, *words, channels="-all,fixme+hnetcfg")
        assert answers[name].returncode == 0, answers[name].stdout + answers[name].stderr
    return answers


def calls(answer):
    """[(method, argument)] of rules, in order."""
    return re.findall(r"netfw_(rules?_\w+) \w+(?:, (L\".*?\"|\w+))?", answer.stderr)


def test_a_rule_is_made_for_two_profiles_in_and_out(said):
    made = calls(said["open"])
    first = made.index(("rule_put_Name", 'L"gardien 443/tcp"'))
    assert made[first:first + 7] == [
        ("rule_put_Name", 'L"gardien 443/tcp"'), ("rule_put_Protocol", "6"),
        ("rule_put_LocalPorts", 'L"443"'), ("rule_put_Direction", "1"),
        ("rule_put_Profiles", "0x3"), ("rule_put_Action", "1"), ("rule_put_Enabled", "0xffffffff")]
    assert made[first + 7][0] == "rules_Add"
    assert ("rule_put_Name", 'L"gardien 443/tcp out"') in made and ("rule_put_Direction", "2") in made


def test_addresses_udp_and_the_public_profile_arrive(said):
    made = calls(said["narrow"])
    for call in [("rule_put_Protocol", "17"), ("rule_put_RemoteAddresses", 'L"192.0.2.0/24"'),
                 ("rule_put_LocalPorts", 'L"8443"'), ("rule_put_Profiles", "0x4")]:
        assert call in made
    assert "everybody there can reach the ports" in said["narrow"].stdout


def test_what_cannot_be_read_back_is_said_and_no_failure(said):
    assert "could not be read back" in said["open"].stdout
    answer = json.loads(said["json"].stdout)
    assert answer["applied"] is True
    assert [step["kind"] for step in answer["plan"]["steps"]] == ["system", "system"]
    assert [finding["grade"] for finding in answer["proof"]] == ["unknown"]


def test_rules_are_removed_by_their_names(said):
    removed = [name for method, name in calls(said["close"]) if method == "rules_Remove"]
    assert removed == ['L"gardien 443/tcp"', 'L"gardien 443/tcp out"']


# ---- a firewall that keeps its rules ----

class Firewall:
    """The stand-in's rules, in a file."""

    def __init__(self, wine, program, path):
        self.wine, self.program, self.path = wine, program, path
        self.set()

    def set(self, active=PRIVATE, enabled=DOMAIN | PRIVATE | PUBLIC, blocks=0, administrator=True,
            overridden=False):
        rules = self.path.read_text().splitlines()[1:] if self.path.exists() else []
        self.path.write_text("\n".join([f"{active} {enabled} {blocks} {int(administrator)} "
                                        f"{int(overridden)}", *rules]) + "\n")

    def add(self, name, ports="443", protocol=6, profiles=ALL, direction=IN, allow=True, program=""):
        with open(self.path, "a") as file:
            file.write(f"{protocol}\t{profiles}\t{direction}\t{int(allow)}\t-1\t{name}\t{ports}\t\t"
                       f"{program}\n")

    def rules(self):
        """{(name, direction): (protocol, ports, remote, profiles, enabled)}"""
        found = {}
        for line in self.path.read_text().splitlines()[1:]:
            protocol, profiles, direction, _, enabled, name, ports, remote, _ = line.split("\t")
            assert (name, int(direction)) not in found, f"twice: {name}"
            found[name, int(direction)] = (int(protocol), ports, remote, int(profiles), enabled == "-1")
        return found

    def gardien(self, *words, code=0):
        self.wine.env["FIREWALL"] = "Z:" + str(self.path).replace("/", "\\")
        result = self.wine.run(self.program, *words)
        assert result.returncode == code, f"{result.returncode}\n{result.stdout}{result.stderr}"
        return result


@pytest.fixture(scope="module")
def standin(wine, said, tmp_path_factory):
    """The stand-in, registered in place of wine's own."""
    library = tmp_path_factory.mktemp("standin") / "standin.dll"
    lib.run("x86_64-w64-mingw32-gcc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-O1", "-shared",
            "-o", library, Path(__file__).resolve().parents[1] / "cross/standin.c", "-loleaut32",
            "-lole32", "-luuid", check=True, seconds=120)
    for name in CLASSES.values():
        wine.run("reg", "add", rf"HKLM\Software\Classes\CLSID\{name}\InprocServer32", "/ve", "/d",
                 "Z:" + str(library).replace("/", "\\"), "/f")
    return wine


@pytest.fixture
def firewall(standin, program, tmp_path):
    return Firewall(standin, program, tmp_path / "rules")



def test_open_makes_both_rules_and_reads_them_back(firewall):
    said = firewall.gardien("open", "443", "--yes").stdout
    assert firewall.rules() == {
        ("gardien 443/tcp", IN): (6, "443", "", DOMAIN | PRIVATE, True),
        ("gardien 443/tcp out", OUT): (6, "443", "", DOMAIN | PRIVATE, True)}
    assert "in force: windows (it is on for networks of the profile private)" in said
    assert "443/tcp: the rule is there, for networks of the profiles domain,private" in said


def test_twice_is_once_and_close_brings_back_what_was(firewall):
    firewall.add("Web Server")
    before = firewall.path.read_bytes()
    firewall.gardien("open", "--yes")
    assert len(firewall.rules()) == 7
    after = firewall.path.read_bytes()
    assert "already open" in firewall.gardien("open", "--yes").stdout
    assert firewall.path.read_bytes() == after
    firewall.gardien("close", "443/udp", "--yes")
    assert len(firewall.rules()) == 5
    firewall.gardien("close", "--yes")
    assert firewall.path.read_bytes().replace(b"\r", b"") == before.replace(b"\r", b"")
    assert "nothing of gardien's to close" in firewall.gardien("close", "--yes").stdout


def test_a_rule_for_others_is_replaced(firewall):
    firewall.gardien("open", "443", "--yes", "--from", "192.0.2.0/24")
    assert firewall.rules()["gardien 443/tcp", IN][2] == "192.0.2.0/255.255.255.0"
    assert "already open" in firewall.gardien("open", "443", "--yes", "--from",
                                              "192.0.2.0/24").stdout
    firewall.gardien("open", "443", "--yes")
    assert firewall.rules()["gardien 443/tcp", IN][2] == ""
    assert len(firewall.rules()) == 2


def test_rules_of_one_name_become_one(firewall):
    for _ in range(3):
        firewall.add("gardien 443/tcp", profiles=DOMAIN)
    firewall.gardien("open", "443", "--yes")
    assert firewall.rules()["gardien 443/tcp", IN][3] == DOMAIN | PRIVATE


def test_a_network_of_another_profile_fails_the_proof(firewall):
    firewall.set(active=PUBLIC)
    said = firewall.gardien("open", "443", "--yes", code=1).stdout
    assert "this one has the profile public" in said and "--profile domain,private,public" in said
    said = firewall.gardien("open", "443", "--yes", "--profile", "domain,private,public").stdout
    assert firewall.rules()["gardien 443/tcp", IN][3] == DOMAIN | PRIVATE | PUBLIC
    assert "everybody there can reach the ports" in said


def test_what_outweighs_the_rule_is_named(firewall):
    firewall.add("No web", ports="80,400-500", allow=False)
    said = firewall.gardien("open", "443", "--yes", code=1).stdout
    assert 'the rule "No web" blocks it' in said
    firewall.set(blocks=PRIVATE)
    said = firewall.gardien("open", "443", "--yes", code=1).stdout
    assert "all that comes in is blocked" in said


def test_a_program_that_was_refused_is_named(firewall):
    firewall.add("node", ports="", allow=False, program=r"C:\node\node.exe")
    said = firewall.gardien("open", "443", "--yes").stdout
    assert r"C:\node\node.exe" in said and "blocks this program" in said


def test_a_group_policy_that_outweighs_local_rules_is_told(firewall):
    firewall.set(overridden=True)
    assert "a group policy of the domain" in firewall.gardien("open", "443", "--yes").stdout


def test_a_firewall_that_is_off_closes_nothing(firewall):
    firewall.set(enabled=0)
    said = firewall.gardien("open", "443", "--yes").stdout
    assert "no firewall is in force" in said and firewall.rules() == {}


def test_force_switches_off_others_rules_for_that_port_after_showing_them(firewall):
    firewall.add("It's the web")
    firewall.add("Several", ports="443,444")
    said = firewall.gardien("close", "443", "--force", "--dry-run").stdout
    assert 'switches off the rule "It\'s the web"' in said and "Several" not in said
    assert firewall.rules()["It's the web", IN][4]
    firewall.gardien("close", "443", "--force", "--yes")
    assert not firewall.rules()["It's the web", IN][4] and firewall.rules()["Several", IN][4]


def test_a_dry_run_and_a_refusal_change_nothing(firewall):
    before = firewall.path.read_bytes()
    assert "gardien 443/tcp" in firewall.gardien("open", "443", "--dry-run").stdout
    firewall.set(administrator=False)
    said = firewall.gardien("open", "443", "--yes", code=1).stderr
    assert "start the terminal as administrator" in said
    firewall.set()
    assert firewall.path.read_bytes() == before


def test_what_is_not_confirmed_is_taken_back(firewall):
    firewall.gardien("open", "443", "--yes", "--from", "192.0.2.0/24")
    before = firewall.rules()
    said = firewall.gardien("open", "443", "8443", "--confirm", "5s", "--yes").stdout
    assert "taken back in 5 seconds" in said
    assert len(firewall.rules()) == 4 and firewall.rules()["gardien 443/tcp", IN][2] == ""
    said = firewall.gardien("open", "2096", "--yes", code=1).stderr
    assert "still waits for its answer" in said
    lib.wait_until(lambda: firewall.rules() == before, 20, "the way back", pause=0.3)
    assert "nothing waits" in firewall.gardien("open", "--confirmed", code=1).stderr


def test_what_is_confirmed_stays(firewall):
    firewall.gardien("open", "443", "--confirm", "5s", "--yes")
    assert "stays open" in firewall.gardien("open", "--confirmed").stdout
    assert "nothing waits" in firewall.gardien("open", "--confirmed", code=1).stderr
    firewall.gardien("open", "8443", "--yes")  # nobody waits any more
    time.sleep(6)
    assert len(firewall.rules()) == 4


def test_json_has_plan_and_proof(firewall):
    answer = json.loads(firewall.gardien("open", "8443", "--profile", "private", "--json",
                                         "--yes").stdout)
    assert answer["managers"][0]["presence"] == "in force" and answer["applied"] is True
    assert answer["proof"][0]["grade"] == "good" and answer["proof"][0]["subject"] == "8443/tcp"


def test_plans_for_other_machines_and_mistakes(firewall):
    assert "com.apple/gardien" in firewall.gardien("open", "443", "--on", "macos").stdout
    assert "add rule inet filter" in firewall.gardien("open", "443", "--on", "linux-nftables").stdout
    assert "did you mean 443?" in firewall.gardien("open", "https", code=2).stderr
    assert "profiles" in firewall.gardien("open", "--interface", "eth0", code=2).stderr
    assert "from 5s to 1h" in firewall.gardien("open", "--confirm", "2h", code=2).stderr
    assert "domain,private,public" in firewall.gardien("open", "--profile", "home", code=2).stderr
