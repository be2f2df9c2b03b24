"""What is built for other systems: the rules that reach the interface of the Windows Firewall. Wine
keeps no rules, but tells each call of its interface with the arguments."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import lib

TOP = Path(__file__).resolve().parents[2]
NEEDED = ["x86_64-w64-mingw32-gcc", "wine", "meson", "ninja"]
MISSING = [name for name in NEEDED if not shutil.which(name)]

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; `tools/deps build cross` does it")


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the program says, and wine of its calls, in order."""
    folder = tmp_path_factory.mktemp("windows")
    lib.run("meson", "setup", str(folder / "build"), str(TOP), "--cross-file",
            str(TOP / "tools/cross/windows.ini"), "-Dwerror=true")
    lib.run("ninja", "-C", str(folder / "build"))
    env = dict(os.environ, WINEPREFIX=str(folder / "wine"), WINEDEBUG="-all,fixme+hnetcfg",
               HOME=str(folder))
    env.pop("DISPLAY", None)
    program = subprocess.Popen(["wine", str(folder / "build/tests/cross/policy.exe")], env=env,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               start_new_session=True)
    try:
        output, _ = program.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        raise
    finally:
        subprocess.run(["wineserver", "-k"], env=env, check=False, timeout=30)
    assert program.returncode == 0, output
    return output


def calls(output, until):
    """[(method, argument)] from the start or the last result to the line `until`."""
    part = re.split(r"^(?:in|out|broken|remove) -?\d+\r?$", output[:output.index(until)],
                    flags=re.M)[-1]
    return re.findall(r"netfw_(rules?_\w+) \w+(?:, (L\".*?\"|\w+))?", part)


def test_a_rule_is_looked_for_and_then_made_for_two_profiles(said):
    made = calls(said, "in 1")
    assert made[0] == ("rules_Item", 'L"gardien 443/tcp"')
    assert made[1:-1] == [
        ("rule_put_Name", 'L"gardien 443/tcp"'), ("rule_put_Protocol", "6"),
        ("rule_put_LocalPorts", 'L"443"'), ("rule_put_Direction", "1"),
        ("rule_put_Profiles", "0x3"), ("rule_put_Action", "1"),
        ("rule_put_Enabled", "0xffffffff")]
    assert made[-1][0] == "rules_Add"


def test_addresses_udp_outbound_and_the_public_profile_arrive(said):
    made = calls(said, "out 1")
    for call in [("rule_put_Protocol", "17"), ("rule_put_RemoteAddresses", 'L"192.0.2.0/24"'),
                 ("rule_put_Direction", "2"), ("rule_put_Profiles", "0x4")]:
        assert call in made


def test_a_name_that_is_no_utf_8_reaches_nobody(said):
    assert calls(said, "broken -22") == []


def test_a_rule_is_removed_by_its_name(said):
    assert calls(said, "remove 0") == [("rules_Remove", 'L"gardien 443/tcp"')]
