"""The service under a real systemd: a container boots this machine's own files, in an overlay that
nobody else sees, installs gardien and tries what administrators do. What the unit file says is
test_install.py's."""

import os
import re
import shutil

import pytest

from lib import BINARY, PATIENCE, SANITIZED, TOP, have, run

pytestmark = pytest.mark.alone  # the trial counts seconds while a whole system boots

#: In a mount namespace of its own: what is mounted, and what systemd-nspawn leaves in /run, goes with it.
BOOT = r"""
set -eu
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t tmpfs tmpfs /run
rm -rf "$1/root/etc/gardien" "$1/root/var/lib/gardien" "$1/root/var/log/gardien"
DESTDIR=$1/root PREFIX=/usr SYSCONFDIR=/etc "$2/tools/install" "$3" >/dev/null
cp "$4" "$1/root/trial.sh"
cp "$5" "$1/root/etc/systemd/system/trial.service"
timeout "$6" systemd-nspawn --quiet --register=no --keep-unit --private-network -D "$1/root" \
    --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
    --boot systemd.unit=trial.service </dev/null >"$1/boot" 2>&1 || true
cat "$1/root/trial.log" || tail -n 20 "$1/boot"
"""

UNIT = """\
[Unit]
Requires=sysinit.target
After=sysinit.target
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/bash /trial.sh
"""

TRIAL = r"""
exec >/trial.log 2>&1
echo "the trial begins"
page() { echo "$1: $(curl -sk --retry 3 --retry-connrefused https://localhost/)"; }
main() { systemctl show -P MainPID gardien; }
systemd-sysusers gardien.conf
systemd-tmpfiles --create gardien.conf
mkdir -p /srv/releases/1 /srv/releases/2
echo one >/srv/releases/1/index.html
echo two >/srv/releases/2/index.html
ln -s releases/1 /srv/current
printf 'sites:\n  - names: [localhost]\n    files: /srv/current\n' >/etc/gardien/gardien.yaml
systemctl start gardien; echo "start: $?"
page first
for pid in $(pgrep -P "$(main)"); do
    echo "child: $(cat "/proc/$pid/comm"): $(awk '/^(Uid|CapEff|Seccomp):/ {printf "%s ", $2}' "/proc/$pid/status")"
done
echo "user: $(id -u gardien)"
ln -sfn releases/2 /srv/current; sleep 1.5
page exchanged
systemctl reload gardien; echo "reload: $?"
echo 'sites: [' >/etc/gardien/gardien.yaml
systemctl reload gardien; echo "bad reload: $?"
page kept
printf 'sites:\n  - names: [localhost]\n    files: /srv/current\n' >/etc/gardien/gardien.yaml
before=$(main)
gardien upgrade; echo "upgrade: $?"
sleep 0.5
[ "$(main)" != "$before" ] && echo "systemd follows: $(systemctl is-active gardien)"
page upgraded
kill -9 "$(main)"; sleep 2
echo "killed: $(systemctl is-active gardien)"
page killed
systemctl stop gardien; echo "stop: $? $(systemctl is-active gardien) $(pgrep -c gardien)"
systemctl start gardien.socket; echo "socket: $?"
page activated
systemctl restart gardien; echo "restart: $?"
page restarted
systemctl stop gardien gardien.socket
ls -l /var/log/gardien /var/lib/gardien
journalctl --no-pager -u gardien
"""


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    if os.geteuid() != 0 or not have("systemd-nspawn") or not have("unshare"):
        pytest.skip("root and systemd-nspawn are needed")
    if SANITIZED:
        pytest.skip("a sanitizer's build cannot live in the unit's address space")
    folder = tmp_path_factory.mktemp("systemd")
    (folder / "trial.sh").write_text(TRIAL)
    (folder / "trial.service").write_text(UNIT)
    (folder / "built").mkdir()
    (folder / "mount").mkdir()
    shutil.copy(BINARY, folder / "built" / "gardien")
    (folder / "built" / "gardien.1").write_text("")
    result = run("unshare", "--mount", "--propagation", "private", "sh", "-c", BOOT, "sh",
                 folder / "mount", TOP, folder / "built", folder / "trial.sh",
                 folder / "trial.service", int(60 * PATIENCE), seconds=70)
    if "the trial begins" not in result.stdout:
        pytest.skip(f"no systemd boots here: {result.stdout[-300:]}{result.stderr[-300:]}")
    return result.stdout


def said(trial, key):
    """What the trial wrote behind a key."""
    found = re.search(rf"^{re.escape(key)}: ?(.*)$", trial, re.M)
    assert found, f"nothing about {key}:\n{trial}"
    return found[1]


def test_the_service_starts_reloads_and_stops(trial):
    assert said(trial, "start") == "0" and said(trial, "first") == "one", trial
    assert said(trial, "reload") == "0"
    assert said(trial, "stop") == "0 inactive 0", trial


def test_its_children_have_no_rights_and_a_filter(trial):
    children = re.findall(r"^child: (.*): (\d+) (\w+) (\d)", trial, re.M)
    assert {name.rstrip("0123456789 ") for name, *_ in children} == {"gardien", "gardien keys",
                                                                    "gardien logs", "gardien bans"}, trial
    for name, uid, capabilities, seccomp in children:
        allowed = 1 << 12 if name == "gardien bans" else 0  # CAP_NET_ADMIN
        assert uid == said(trial, "user") and int(capabilities, 16) == allowed and seccomp == "2"


def test_a_folder_is_exchanged_beneath_it(trial):
    assert said(trial, "exchanged") == "two", trial


def test_a_reload_of_wrong_settings_fails_and_it_serves_on(trial):
    assert said(trial, "bad reload") == "1" and said(trial, "kept") == "two", trial


def test_systemd_follows_an_upgrade(trial):
    assert said(trial, "upgrade") == "0" and said(trial, "systemd follows") == "active", trial
    assert said(trial, "upgraded") == "two"


def test_it_is_started_again_when_it_is_killed(trial):
    assert re.findall(r"^killed: (\w+)$", trial, re.M) == ["active", "two"], trial


def test_sockets_of_systemd_are_served(trial):
    assert said(trial, "socket") == "0" and said(trial, "activated") == "two", trial
    assert said(trial, "restart") == "0" and said(trial, "restarted") == "two", trial
