"""Opening and closing on macOS, as far as it can be seen from here: the portable program in a root
folder of its own, where scripts stand for pfctl and socketfilterfw, keep rules and tokens as those
do, and refuse what they would refuse."""

import json
import plistlib
import shutil

import pytest

import cross
import lib
import netns

pytestmark = pytest.mark.skipif(not netns.can_make_hosts(), reason="no right to make namespaces")

RULES = "etc/pf.anchors/gardien"
TOKEN = "var/db/gardien.pf-token"
DAEMON = "Library/LaunchDaemons/io.gardien.pf.plist"
PROGRAM = "/opt/gardien/bin/gardien"

PFCTL = r'''#!/usr/bin/python3
import json, os, re, sys
FILE = "/fake/pf.json"
pf, args = json.load(open(FILE)), sys.argv[1:]
with open("/fake/log", "a") as log:
    print("pfctl", *args, file=log)

def end(code, text=""):
    if text:
        print(text, file=sys.stderr)
    json.dump(pf, open(FILE + ".new", "w"))
    os.replace(FILE + ".new", FILE)
    sys.exit(code)

if os.geteuid() != 0:
    print("pfctl: /dev/pf: Permission denied", file=sys.stderr)
    sys.exit(1)
RULE = re.compile(r'pass in quick(?: on (\S+))? (inet6?) proto (tcp|udp) from (\S+) to any '
                  r'port (\d+)((?: flags S/SA)?) keep state label "([^"]+)"$')
if args[:1] == ["-q"]:
    args.pop(0)
else:
    print("No ALTQ support in kernel\nALTQ related functions disabled", file=sys.stderr)
if args == ["-s", "info"]:
    print("Status:", "Enabled for 0 days 00:00:01" if pf["enabled"] else "Disabled", " Debug: Urgent")
elif args[:1] == ["-a"] and args[2:] == ["-s", "rules"]:
    print("".join(rule + "\n" for rule in pf["anchors"].get(args[1], [])), end="")
elif args[:1] == ["-a"] and args[2:3] == ["-f"]:
    if os.path.exists("/fake/refuse"):
        end(1, "pfctl: DIOCXCOMMIT: Resource busy")
    rules = []
    for number, line in enumerate(open(args[3]), 1):
        if line.startswith("#") or not line.strip():
            continue
        match = RULE.match(line.strip())
        if not match:
            end(1, f"{args[3]}:{number}: syntax error")
        rules.append(line.strip().replace(f"port {match[5]}", f"port = {match[5]}"))
    pf["anchors"][args[1]] = rules
elif args[:1] == ["-a"] and args[2:] == ["-F", "rules"]:
    pf["anchors"].pop(args[1], None)
elif args == ["-E"]:
    pf["last"] += 1
    pf["tokens"].append(str(pf["last"]))
    already = pf["enabled"]
    pf["enabled"] = True
    end(0, f"{'pf already enabled' if already else 'pf enabled'}\nToken : {pf['last']}")
elif args[:1] == ["-X"] and len(args) == 2:
    if args[1] not in pf["tokens"]:
        end(1, "pfctl: pf not enabled with this token")
    pf["tokens"].remove(args[1])
    pf["enabled"] = bool(pf["tokens"])
else:
    end(2, "usage: pfctl ...")
end(0)
'''

SOCKETFILTERFW = r'''#!/usr/bin/python3
import json, os, sys
FILE = "/fake/application.json"
state, args = json.load(open(FILE)), sys.argv[1:]
with open("/fake/log", "a") as log:
    print("socketfilterfw", *args, file=log)
apps = state["apps"]
if args == ["--getglobalstate"]:
    print(f"Firewall is {'enabled' if state['on'] else 'disabled'}. (State = {int(state['on'])})")
elif args == ["--getblockall"]:
    print(f"Firewall has block all state set to {'enabled' if state['all'] else 'disabled'}.")
elif args[:1] == ["--getappblocked"]:
    print("The application is not part of the firewall" if args[1] not in apps else
          f"Incoming connection to the application is {apps[args[1]]}")
elif args[:1] == ["--add"]:
    if not os.path.exists(args[1]):
        sys.exit("The file path you specified does not exist")
    apps.setdefault(args[1], "blocked")
elif args[:1] == ["--remove"]:
    apps.pop(args[1], None)
elif args[:1] == ["--unblockapp"]:
    apps[args[1]] = "permitted"
elif args[:1] == ["--blockapp"]:
    apps[args[1]] = "blocked"
else:
    sys.exit(2)
json.dump(state, open(FILE + ".new", "w"))
os.replace(FILE + ".new", FILE)
'''

LSOF = r'''#!/usr/bin/python3
import sys
assert sys.argv[1:] == ["-nP", "-iTCP", "-sTCP:LISTEN", "-iUDP", "-FpPn"], sys.argv
sys.stdout.write(open("/fake/listeners").read())
'''

PS = r'''#!/usr/bin/python3
import sys
assert sys.argv[1:4] == ["-o", "pid=,comm=", "-p"], sys.argv
names = dict(line.split(" ", 1) for line in open("/fake/processes").read().splitlines())
for pid in sys.argv[4].split(","):
    print(f"{pid:>5} {names[pid]}")
'''


class Mac:
    """A root folder whose programs are this machine's, but for those of macOS."""

    def __init__(self, host, root, program):
        self.host, self.root = host, root
        for name in ("bin", "sbin", "lib", "lib64", "usr", "etc/pf.anchors", "proc", "dev", "tmp",
                     "var/db", "Library/LaunchDaemons", "fake", "libexec/ApplicationFirewall",
                     "opt/gardien/bin", "etc/alternatives"):
            (root / name).mkdir(parents=True, exist_ok=True)
        for name in ("usr", "bin", "lib", "lib64", "proc", "dev", "etc/alternatives"):
            host.run("mount", "--rbind", f"/{name}", root / name)
        host.run("mount", "--bind", root / "libexec", root / "usr/libexec")
        self.script("ps", PS)
        host.run("mount", "--bind", root / "ps", root / "bin/ps")
        (root / "administration").mkdir()
        self.script("administration/lsof", LSOF)
        host.run("mount", "--bind", root / "administration", root / "usr/sbin")
        for name in ("listeners", "processes"):
            (root / "fake" / name).touch()
        shutil.copy(program, root / PROGRAM[1:])
        self.script("sbin/pfctl", PFCTL)
        self.script("libexec/ApplicationFirewall/socketfilterfw", SOCKETFILTERFW)
        (root / "etc/pf.conf").write_text('scrub-anchor "com.apple/*"\nanchor "com.apple/*"\n')
        self.write("pf", {"enabled": True, "tokens": ["7"], "last": 7, "anchors": {}})
        self.write("application", {"on": True, "all": False, "apps": {}})

    def script(self, path, text):
        (self.root / path).write_text(text)
        (self.root / path).chmod(0o755)

    def write(self, name, state):
        (self.root / "fake" / f"{name}.json").write_text(json.dumps(state))

    def read(self, name):
        return json.loads((self.root / "fake" / f"{name}.json").read_text())

    def run(self, *words, **more):
        return self.host.run("chroot", self.root, *words, check=False, **more)

    def gardien(self, *words, code=0, **more):
        result = self.run(PROGRAM, *words, env=lib.sanitizer_env(), **more)
        assert result.returncode == code, f"{result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def rules(self):
        """The anchor's rules, as "IPv4 443/tcp"."""
        found = []
        for rule in self.read("pf")["anchors"].get("com.apple/gardien", []):
            label = rule.split('"')[1].removeprefix("gardien:")
            found.append(f"{'IPv6' if ' inet6 ' in rule else 'IPv4'} {label}")
        return sorted(found)

    def there(self, path):
        return (self.root / path).exists()

    def changes(self):
        """The calls since the last time that change something."""
        log = self.root / "fake/log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line for line in lines if " -s " not in line and " --get" not in line]

    def everything(self):
        """What a close has to bring back."""
        pf = self.read("pf")
        return (pf["enabled"], pf["tokens"], pf["anchors"], self.read("application"),
                *(self.there(path) for path in (RULES, TOKEN, DAEMON)))


@pytest.fixture(scope="module")
def program():
    return cross.portable()


@pytest.fixture
def mac(tmp_path, program):
    with netns.hosts("mac", mounts=True) as (host,):
        yield Mac(host, tmp_path / "root", program)


BOTH = ["IPv4 443/tcp", "IPv6 443/tcp"]


def test_open_loads_both_families_keeps_a_token_and_proves_it(mac):
    said = mac.gardien("open", "443", "--yes").stdout
    assert mac.rules() == BOTH
    assert mac.read("pf")["tokens"] == ["7", (mac.root / TOKEN).read_text().strip()]
    assert mac.read("application")["apps"] == {PROGRAM: "permitted"}
    assert "in force: macos (pf and the application firewall)" in said
    assert "opened" in said and said.count("pf has the rule that lets it in over IPv") == 2


def test_close_takes_everything_back(mac):
    before = mac.everything()
    mac.gardien("open", "--yes")
    assert len(mac.rules()) == 6
    said = mac.gardien("close", "--yes").stdout
    assert "closed" in said
    assert mac.everything() == before
    assert "nothing of gardien's to close" in mac.gardien("close", "--yes").stdout


def test_twice_is_once(mac):
    mac.gardien("open", "443", "--yes")
    mac.changes()
    said = mac.gardien("open", "443", "--yes").stdout
    assert "already open" in said and "pf has the rule" in said
    assert mac.changes() == []


def test_another_port_keeps_the_first_and_closing_it_leaves_the_other(mac):
    before = mac.everything()
    mac.gardien("open", "443", "--yes")
    mac.gardien("open", "8443", "--from", "192.0.2.0/24", "--yes")
    assert mac.rules() == [BOTH[0], "IPv4 8443/tcp", BOTH[1]]
    mac.gardien("close", "443", "--yes")
    assert mac.rules() == ["IPv4 8443/tcp"]
    assert len(mac.read("pf")["tokens"]) == 2
    mac.gardien("close", "8443/tcp", "--yes")
    assert mac.everything() == before


def test_who_listens_is_let_in_by_the_application_firewall(mac):
    server = mac.root / "opt/My Server"
    server.touch()
    (mac.root / "fake/listeners").write_text("p12\nf3\nPTCP\nn*:443\np7\nf3\nPUDP\nn[::1]:53\n")
    (mac.root / "fake/processes").write_text("12 /opt/My Server\n7 /usr/sbin/mDNSResponder\n")
    before = mac.everything()
    mac.gardien("open", "443", "--yes")
    assert mac.read("application")["apps"] == {"/opt/My Server": "permitted"}
    mac.gardien("open", "8443", "--yes")
    assert set(mac.read("application")["apps"]) == {"/opt/My Server", PROGRAM}
    mac.changes()
    assert "already open" in mac.gardien("open", "443", "8443", "--yes").stdout
    mac.gardien("close", "--yes")
    assert mac.everything() == before


def test_it_is_open_again_after_a_restart(mac):
    mac.gardien("open", "443", "--yes")
    mac.write("pf", {"enabled": False, "tokens": [], "last": 40, "anchors": {}})
    daemon = plistlib.loads((mac.root / DAEMON).read_bytes())
    assert daemon["RunAtLoad"] is True
    assert mac.run(*daemon["ProgramArguments"]).returncode == 0
    assert mac.rules() == BOTH and mac.read("pf")["enabled"]
    mac.gardien("close", "--yes")
    assert mac.read("pf")["tokens"] == [] and not mac.read("pf")["enabled"]


def test_a_step_that_fails_leaves_nothing_of_those_before(mac):
    before = mac.everything()
    (mac.root / "fake/refuse").touch()
    said = mac.gardien("open", "443", "--yes", code=1).stderr
    assert "Resource busy" in said
    assert mac.everything() == before


def test_a_second_port_that_fails_leaves_the_first(mac):
    mac.gardien("open", "443", "--yes")
    before = mac.everything()
    text = (mac.root / RULES).read_text()
    mac.script("sbin/pfctl", PFCTL.replace('os.path.exists("/fake/refuse")', '"8443" in open(args[3]).read()'))
    mac.gardien("open", "8443", "--yes", code=1)
    assert mac.everything() == before and (mac.root / RULES).read_text() == text


def test_what_is_not_confirmed_is_taken_back(mac):
    before = mac.everything()
    mac.gardien("open", "443", "--confirm", "5s", "--yes")
    assert mac.rules() == BOTH
    lib.wait_until(lambda: mac.everything() == before, 15, "the way back", pause=0.2)
    mac.gardien("open", "443", "--confirm", "5s", "--yes")
    assert "stays open" in mac.gardien("open", "--confirmed").stdout
    assert mac.rules() == BOTH


def test_firewalls_that_are_off_close_nothing(mac):
    mac.write("pf", {"enabled": False, "tokens": [], "last": 1, "anchors": {}})
    mac.write("application", {"on": False, "all": False, "apps": {}})
    said = mac.gardien("open", "443", "--yes").stdout
    assert "no firewall is in force" in said
    assert mac.changes() == []


def test_a_firewall_that_blocks_all_is_told_and_fails_the_proof(mac):
    mac.write("application", {"on": True, "all": True, "apps": {}})
    said = mac.gardien("open", "443", "--yes", code=1).stdout
    assert "blocks all that comes in" in said and "--setblockall off" in said


def test_a_pf_conf_that_calls_no_anchors_is_warned_of(mac):
    (mac.root / "etc/pf.conf").write_text("pass all\n")
    assert "does not call the anchors" in mac.gardien("open", "443", "--dry-run").stdout


def test_without_rights_the_plan_is_shown_with_the_command_to_run(mac):
    before = mac.everything()
    (mac.root / "fake").chmod(0o777)
    for name in ("log", "application.json"):
        (mac.root / "fake" / name).touch()
        (mac.root / "fake" / name).chmod(0o666)
    said = mac.run("/usr/bin/setpriv", "--reuid", "65534", "--clear-groups", PROGRAM, "open", "443",
                   "--state", "/nonexistent", "--yes", env=lib.sanitizer_env())
    assert said.returncode == 1
    assert "pass in quick inet6 proto tcp" in said.stdout
    assert f"sudo {PROGRAM} open 443 --state /nonexistent --yes" in said.stderr
    assert mac.everything() == before


def test_json_has_plan_and_proof(mac):
    answer = json.loads(mac.gardien("open", "443", "--json", "--yes").stdout)
    assert answer["applied"] is True
    assert answer["managers"] == [{"manager": "macos", "presence": "in force",
                                   "sentence": "pf and the application firewall"}]
    assert {finding["topic"] for finding in answer["proof"]} == {"open"}
    assert [step["kind"] for step in answer["plan"]["steps"]][:2] == ["write", "write"]


def test_profiles_and_zones_are_refused(mac):
    assert "--on windows" in mac.gardien("open", "--profile", "public", code=2).stderr
    assert "firewalld" in mac.gardien("open", "--zone", "public", code=2).stderr
