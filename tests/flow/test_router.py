"""Home routers: `serve --router` keeps the ports mapped. Three hosts: ours, the router, the world."""

import json
import os
import re
import signal
import threading
from pathlib import Path

import pytest
from lib import BINARY, PATIENCE, built_without, descendants, have, needs_library, sanitizer_env, wait_until
from netns import cable, can_make_hosts, hosts

pytestmark = pytest.mark.skipif(not can_make_hosts(), reason="takes the right to make namespaces")

OURS, ROUTER = "192.168.77.2", "192.168.77.1"
MINIUPNPD = """ext_ifname=wan0
listening_ip=lan0
enable_natpmp={natpmp}
enable_upnp={upnp}
secure_mode=yes
uuid=123c291e-9d8c-462c-8774-8cb23116de89
allow 80-65535 192.168.77.0/24 80-65535
deny 0-65535 0.0.0.0/0 0-65535
"""
RULES = """
table inet filter {
    chain forward { type filter hook forward priority 0; policy drop;
        ct state established,related accept; iifname "lan0" accept; jump miniupnpd; }
    chain miniupnpd { }
    chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
    chain postrouting { type nat hook postrouting priority 100; oifname "wan0" masquerade; }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
}
"""


class Home:
    """Our host behind a router, and the world outside."""

    def __init__(self, folder, ours, router, world, outside):
        self.folder, self.ours, self.router, self.world = folder, ours, router, world
        self.outside = outside
        cable(ours, router, (f"{OURS}/24",), (f"{ROUTER}/24",), b_name="lan0")
        cable(router, world, (f"{outside}/24",), (outside.rpartition(".")[0] + ".99/24",),
              a_name="wan0")
        ours.run("ip", "route", "add", "default", "via", ROUTER)

    def real_router(self, natpmp="yes", upnp="yes"):
        if upnp == "no" or "miniupnpc" in built_without():
            needs_library("natpmp")
        if natpmp == "no":
            needs_library("miniupnpc")
        config = self.folder / "miniupnpd.conf"
        config.write_text(MINIUPNPD.format(natpmp=natpmp, upnp=upnp))
        self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.router.nft(RULES)
        with open(self.folder / "miniupnpd.log", "wb") as log:
            self.router.start("miniupnpd", "-d", "-f", config, "-P", self.folder / "miniupnpd.pid",
                              stdout=log, stderr=log)
        wait_until(lambda: "5351" in self.router.run("ss", "-lun").stdout or natpmp == "no",
                   what="miniupnpd to listen")

    def fake_router(self, **options):
        """Starts fake_router.py; its lines gather in self.asked."""
        needs_library(*(["natpmp"] if "natpmp" in options else []),
                      *(["miniupnpc"] if "upnp" in options else []))
        self.asked = []
        process = self.router.start("/usr/bin/python3", Path(__file__).with_name("fake_router.py"),
                                    ROUTER, json.dumps(options), stdout=-1)
        assert process.stdout.readline() == b"ready\n"
        threading.Thread(target=lambda: self.asked.extend(iter(process.stdout.readline, b"")),
                         daemon=True).start()

    def serve(self, https=":8443"):
        """A gardien that serves a folder behind the router."""
        (self.folder / "public").mkdir(exist_ok=True)
        self.start(self.folder / "public", "--https", https, "--http", "off", "--router")

    def start(self, *words):
        """A gardien behind the router; its output gathers in a file."""
        self.output = self.folder / "output"
        with open(self.output, "wb") as output:
            self.gardien = self.ours.start(
                BINARY, "serve", *words, "--state", self.folder / "state", stdout=output,
                stderr=output, env={"PATH": "/usr/bin:/bin", **sanitizer_env()})
        wait_until(lambda: re.search("^ready", self.said(), re.M), 20, "gardien to be ready")

    def said(self):
        return self.output.read_text(errors="replace")

    def wait_said(self, pattern, seconds=10):
        return wait_until(lambda: re.search(pattern, self.said()), seconds,
                          f"{pattern!r} in:\n{self.said()}")

    def reached(self, port=8443):
        """Whether the world gets to us."""
        return self.world.run("nc", "-z", "-w", "2", self.outside, port, check=False).returncode == 0

    def stop(self):
        self.gardien.terminate()
        assert self.gardien.wait(15 * PATIENCE) == 0, self.said()


def cli(home, *words):
    result = home.ours.run(BINARY, *words, "--state", home.folder / "state", check=False)
    assert result.returncode == 0, result.stdout + result.stderr + home.said()


def is_unmapping(line):
    """A request for TCP with a lifetime of 0."""
    return line.startswith(b"natpmp 0002") and line.strip().endswith(b"00000000")


@pytest.fixture
def home(tmp_path):
    with hosts("ours", "router", "world") as (ours, router, world):
        yield Home(tmp_path, ours, router, world, "45.45.45.1")


real = pytest.mark.skipif(not have("miniupnpd"), reason="takes miniupnpd")


@real
@pytest.mark.parametrize("natpmp, upnp", [("yes", "no"), ("no", "yes"), ("yes", "yes")])
def test_the_world_comes_in_while_we_serve(home, natpmp, upnp):
    home.real_router(natpmp, upnp)
    assert not home.reached()
    home.serve()
    home.wait_said(rf"8443/tcp: {ROUTER} sends it on to {OURS}")
    assert "outside, the router is 45.45.45.1" in home.said()
    assert home.reached()
    home.stop()
    assert not home.reached()


def keeper_of(home):
    """The process that asks the router."""
    (pid,) = [pid for pid in descendants(home.gardien.pid)
              if Path(f"/proc/{pid}/comm").read_text() == "gardien router\n"]
    return pid


def test_the_router_is_asked_by_nobody_of_consequence(home):
    home.fake_router(natpmp={"outside": "45.45.45.1"})
    home.serve()
    home.wait_said("sends it on")
    status = Path(f"/proc/{keeper_of(home)}/status").read_text()
    if os.geteuid() == 0:
        assert not re.search(r"^Uid:\t0", status, re.M)
    assert re.search(r"^CapEff:\t0+$", status, re.M) and re.search(r"^NoNewPrivs:\t1$", status, re.M)
    home.stop()


def test_the_asking_process_is_replaced(home):
    home.fake_router(natpmp={"outside": "45.45.45.1"})
    home.serve()
    home.wait_said("sends it on")
    first = keeper_of(home)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: home.said().count("sends it on") == 2, 20, "a new process to ask")
    assert keeper_of(home) != first
    home.stop()


def test_loopback_addresses_are_not_asked_for(home):
    home.fake_router(natpmp={"outside": "45.45.45.1"})
    home.serve(https="127.0.0.1:8443")
    home.stop()
    assert home.asked == []


def test_leases_are_renewed(home):
    home.fake_router(natpmp={"outside": "45.45.45.1", "lease": 10})
    home.serve()
    home.wait_said("sends it on")
    wait_until(lambda: sum(line.startswith(b"natpmp 0002") for line in home.asked) >= 2, 15,
               "a second mapping request")
    assert home.said().count("sends it on") == 1  # a renewal is no news
    home.stop()


@pytest.mark.parametrize("after", [2, 8])  # sooner and later than it may be asked again
def test_a_router_that_restarts_is_asked_again_at_once(home, after):
    home.fake_router(natpmp={"outside": "45.45.45.1", "restarts": after, "announces": True})
    home.serve()
    home.wait_said("sends it on")
    wait_until(lambda: b"restarted\n" in home.asked, 20, "the router to restart")
    wait_until(lambda: any(line.startswith(b"natpmp 0002")
                           for line in home.asked[home.asked.index(b"restarted\n"):]), 10,
               "to be asked again")
    home.wait_said("the router began anew")
    home.stop()


def test_carrier_nat_is_told(home):
    home.fake_router(natpmp={"outside": "100.71.3.4"})
    home.serve()
    assert home.wait_said("100.71.3.4.*carrier NAT.*IPv6.*tunnel")
    home.stop()


def test_a_second_router_in_front_is_told(home):
    home.fake_router(upnp={"outside": "10.3.4.5"})
    home.serve()
    assert home.wait_said("10.3.4.5.*double NAT")
    home.stop()


def test_a_port_that_natpmp_gave_to_another(home):
    home.fake_router(natpmp={"outside": "45.45.45.1", "other_port": True})
    home.serve()
    home.wait_said("8443/tcp: the router sends it to another machine")
    # What it offered in its place is given back: a request with a lifetime of 0.
    assert any(map(is_unmapping, home.asked))
    home.stop()


def test_a_port_that_upnp_gave_to_another(home):
    home.fake_router(upnp={"outside": "45.45.45.1", "held": ["192.168.77.9", "Xbox"]})
    home.serve()
    home.wait_said(r"8443/tcp: the router sends it to 192.168.77.9 \(Xbox\)")
    assert not any(b"AddPortMapping" in line for line in home.asked)
    home.stop()
    assert not any(b"DeletePortMapping" in line for line in home.asked)


@pytest.mark.parametrize("code, words", [
    (718, "another machine has this port"), (729, "in use by the router itself"),
    (606, "does not allow this machine"), (501, "could not do it"), (9999, "a reason of its own")])
def test_refusals_are_explained(home, code, words):
    home.fake_router(upnp={"outside": "45.45.45.1", "add": code})
    home.serve()
    home.wait_said(f"refused over UPnP: .*{words}.*{code}")
    home.stop()


def test_a_router_that_knows_no_leases(home):
    home.fake_router(upnp={"outside": "45.45.45.1", "permanent": True})
    home.serve()
    home.wait_said(r"8443/tcp: .* for good \(UPnP\)")
    home.stop()
    assert any(b"DeletePortMapping" in line for line in home.asked)


def test_a_reload_follows_the_settings(home):
    home.fake_router(natpmp={"outside": "45.45.45.1"})
    settings = home.folder / "gardien.yaml"
    public = home.folder / "public"
    public.mkdir()

    def write(port, router):
        settings.write_text(json.dumps({
            "listen": {"https": [f":{port}"], "http": ["off"]}, "firewall": {"router": router},
            "sites": [{"names": ["localhost"], "files": str(public)}]}))

    write(8443, True)
    home.start("--config", settings)
    home.wait_said("8443/tcp: .* sends it on")
    cli(home, "reload")
    assert not any(map(is_unmapping, home.asked))  # nothing changed, nobody is asked
    write(8444, True)
    cli(home, "reload")
    home.wait_said("8444/tcp: .* sends it on")
    (gone,) = filter(is_unmapping, home.asked)
    assert b"20fb" in gone  # 8443
    write(8444, False)
    cli(home, "reload")
    wait_until(lambda: sum(map(is_unmapping, home.asked)) == 2, what="8444 to be given back")
    home.stop()


def test_an_upgrade_gives_nothing_back(home):
    home.fake_router(natpmp={"outside": "45.45.45.1"})
    home.serve()
    home.wait_said("sends it on")
    cli(home, "upgrade")
    wait_until(lambda: home.said().count("sends it on") == 2, what="the new program to ask")
    assert home.gardien.wait(15 * PATIENCE) == 0
    assert not any(map(is_unmapping, home.asked))
    cli(home, "stop")
    assert any(map(is_unmapping, home.asked))


def test_no_router_answers(home):
    needs_library("natpmp", "miniupnpc")
    home.serve()
    home.wait_said(rf"no router answered.*{ROUTER}.*eth0 \({OURS}\)")
    home.stop()


def test_a_router_that_says_nonsense(home):
    home.fake_router(upnp={"outside": "<b>\x7f", "held": ["9" * 5000, "\x9b" * 5000]})
    home.serve()
    home.wait_said("sends it to 9999")
    assert "\x9b" not in home.said() and "\x7f" not in home.said()
    home.stop()
