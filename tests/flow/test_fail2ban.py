"""The action that lets gardien refuse who fail2ban bans, with the real fail2ban: its own server in a folder
of the test, whose jail reads a log by the filter that fail2ban ships for nginx."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

import lib

SHIPPED = Path("/etc/fail2ban")
ACTION = lib.TOP / "packaging" / "fail2ban" / "gardien.conf"

pytestmark = pytest.mark.skipif(
    not shutil.which("fail2ban-server") or not (SHIPPED / "filter.d" / "nginx-botsearch.conf").exists(),
    reason="takes fail2ban")


class Fail2ban:
    """A server of its own; `jail` bans through the action that is shipped."""

    def __init__(self, folder, gardien, log):
        self.folder = folder
        for part in ("filter.d", "action.d"):
            (folder / part).mkdir(parents=True)
        for name in ("common.conf", "nginx-botsearch.conf", "botsearch-common.conf"):
            if (SHIPPED / "filter.d" / name).exists():
                shutil.copy(SHIPPED / "filter.d" / name, folder / "filter.d" / name)
        shutil.copy(ACTION, folder / "action.d" / "gardien.conf")
        (folder / "fail2ban.conf").write_text(
            "[Definition]\nloglevel = INFO\nlogtarget = " + str(folder / "log") + "\nsyslogsocket = auto\n"
            "allowipv6 = auto\ndbfile = :memory:\ndbpurgeage = 1d\ndbmaxmatches = 10\n")
        (folder / "jail.conf").write_text(
            "[jail]\nenabled = true\nfilter = nginx-botsearch\nbackend = polling\n"
            f"logpath = {log}\nmaxretry = 2\nfindtime = 1h\nbantime = 1h\nignoreself = false\n"
            f"action = gardien[program=\"{lib.BINARY}\", options=\"--state {gardien.state}\"]\n")
        self.words = ["-c", str(folder), "-s", str(folder / "sock"), "-p", str(folder / "pid")]
        self.process = subprocess.Popen(["fail2ban-server", *self.words, "-xf", "start"],
                                        stdin=subprocess.DEVNULL, stdout=open(folder / "out", "wb"),
                                        stderr=subprocess.STDOUT)
        lib.wait_until(lambda: self.client("status", "jail").returncode == 0, 30, "fail2ban to watch")

    def client(self, *words):
        return lib.run("fail2ban-client", *self.words, *words)

    def finish(self):
        self.process.terminate()
        self.process.wait(30 * lib.PATIENCE)


@pytest.fixture
def fail2ban(start, tmp_path):
    gardien = start(config=lambda g: {
        "trusted_proxies": ["127.0.0.1"], "protect": {"bans": {"kernel": False}},
        "sites": [{"names": ["localhost"], "files": str(g.public)}]})
    log = tmp_path / "access.log"
    log.write_text("")
    made = Fail2ban(tmp_path / "fail2ban", gardien, log)
    made.gardien, made.access = gardien, log
    yield made
    made.finish()


def bans(gardien):
    return {ban["network"]: ban for ban in json.loads(gardien.cli("bans", "--json").stdout)["bans"]}


def test_what_fail2ban_bans_gardien_refuses(fail2ban):
    gardien = fail2ban.gardien
    when = time.strftime("%d/%b/%Y:%H:%M:%S %z")
    with open(fail2ban.access, "a") as log:
        for _ in range(3):
            log.write(f'203.0.113.9 - - [{when}] "GET /phpmyadmin/ HTTP/1.1" 404 100 "-" "x"\n')
    lib.wait_until(lambda: "203.0.113.9" in bans(gardien), 30,
                   f"the ban: {(fail2ban.folder / 'log').read_text()}")
    ban = bans(gardien)["203.0.113.9"]
    assert ban["why"] == "fail2ban: jail" and 3000 < ban["seconds_left"] <= 3600
    assert gardien.curl("/", "-H", "X-Forwarded-For: 203.0.113.9").status == 403
    assert fail2ban.client("set", "jail", "unbanip", "203.0.113.9").returncode == 0
    lib.wait_until(lambda: bans(gardien) == {}, 30, "the ban to be lifted")
    assert fail2ban.client("set", "jail", "banip", "2001:db8::5").returncode == 0
    lib.wait_until(lambda: "2001:db8::5" in bans(gardien), 30, "the ban of an IPv6 address")
