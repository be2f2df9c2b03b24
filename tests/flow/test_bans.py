"""Bans: by hand, by settings and by what clients do; what they close; who is never banned; that they
outlive a reload, a restart and the end of their process; and the kernel's part, in a host of its own."""

import json
import os
import re
import signal
import socket
import ssl
import time

import pytest

import lib
import netns
from lib import wait_until

BANNED = "203.0.113.7"


def settings(gardien, bans=None, **more):
    """A trusted proxy is where the tests speak from: it names the clients."""
    return {"workers": 2, "trusted_proxies": ["127.0.0.0/8"],
            "protect": {"bans": {"kernel": False, **(bans or {})}, **more},
            "sites": [{"names": ["localhost"], "files": str(gardien.public)}]}


@pytest.fixture
def gardien(start):
    return start(config=settings)


def asks(gardien, client, path="/", *args):
    return gardien.curl(path, "-H", f"X-Forwarded-For: {client}", *args).status


def bans(gardien):
    answer = gardien.cli("bans", "--json")
    assert answer.returncode == 0, answer.stderr
    return {ban["network"]: ban for ban in json.loads(answer.stdout)["bans"]}


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_a_ban_by_hand_refuses_and_lifting_it_lets_in_again(gardien, version):
    assert asks(gardien, BANNED, "/", version) == 200
    done = gardien.cli("ban", BANNED, "--for", "1h", "--why", "tries passwords")
    assert done.returncode == 0 and f"{BANNED} is banned: 60 min" in done.stdout, done.stderr
    refused = gardien.curl("/", version, "-H", f"X-Forwarded-For: {BANNED}")
    assert refused.status == 403 and 3500 < int(refused.headers["retry-after"]) <= 3600
    assert asks(gardien, "203.0.113.8", "/", version) == 200
    listed = bans(gardien)[BANNED]
    assert (listed["cause"], listed["why"], listed["strikes"]) == ("hand", "tries passwords", 1)
    table = gardien.cli("bans").stdout
    assert re.search(rf"{re.escape(BANNED)} +\d+ min +hand +1 +gardien +tries passwords", table), table
    assert gardien.cli("unban", BANNED).returncode == 0
    assert asks(gardien, BANNED, "/", version) == 200
    assert bans(gardien) == {}
    again = gardien.cli("unban", BANNED)
    assert again.returncode == 1 and "is not banned" in again.stderr
    gardien.wait_output("the ban of 203.0.113.7 is lifted by hand")


def test_networks_are_banned_too_and_a_ban_ends_by_itself(gardien):
    assert gardien.cli("ban", "198.51.100.0/24").returncode == 0
    assert gardien.cli("ban", "2001:db8:5::/48").returncode == 0
    assert gardien.cli("ban", "203.0.113.9", "--for", "1s").returncode == 0
    assert asks(gardien, "198.51.100.77") == 403
    assert asks(gardien, "198.51.101.77") == 200
    assert asks(gardien, "2001:db8:5:1::1") == 403
    assert asks(gardien, "2001:db8:6::1") == 200
    assert list(json.loads(gardien.cli("bans", "198.51.100.1", "--json").stdout)["bans"][0]["network"]) \
        == list("198.51.100.0/24")
    wait_until(lambda: asks(gardien, "203.0.113.9") == 200, 10, "the ban of a second to end")
    assert gardien.cli("unban", "198.51.100.77").returncode == 0  # that of its network
    assert asks(gardien, "198.51.100.77") == 200


@pytest.mark.parametrize("who, why", [
    ("127.0.0.1", "trusted_proxies"), ("127.0.0.0/8", "trusted_proxies"), ("::1", "this machine"),
    ("0.0.0.0/0", "too wide"), ("198.51.100.1/4", "too wide"), ("nonsense", "neither an address"),
    ("10.9.9.9", "never"), ("10.9.0.0/16", "never")])
def test_some_are_never_banned(start, who, why):
    gardien = start(config=lambda g: settings(g, {"never": ["10.9.9.0/24"]}))
    refused = gardien.cli("ban", who)
    assert refused.returncode == 1 and why in refused.stderr, refused.stderr
    assert bans(gardien) == {}


def test_whoever_is_logged_in_from_somewhere_does_not_ban_himself(gardien):
    gardien.env["SSH_CONNECTION"] = "203.0.113.99 50000 203.0.113.1 22"
    refused = gardien.cli("ban", "203.0.113.0/24")
    assert refused.returncode == 1 and "logged in from" in refused.stderr


def test_bans_outlive_reload_the_end_of_their_process_and_a_restart(start):
    gardien = start(config=lambda g: settings(g, {"always": ["198.51.100.0/24"]}))
    assert gardien.cli("ban", BANNED, "--for", "1h").returncode == 0
    assert gardien.cli("ban", "203.0.113.8", "--for", "1h").returncode == 0
    assert gardien.cli("unban", "203.0.113.8").returncode == 0
    until = bans(gardien)[BANNED]["until"]

    def holds():
        return (asks(gardien, BANNED), asks(gardien, "198.51.100.1"), asks(gardien, "203.0.113.8")) == \
            (403, 403, 200)

    assert gardien.cli("reload").returncode == 0
    assert holds()
    if lib.os.geteuid() == 0 or True:
        former = gardien.role("bans")
        assert len(former) == 1
        os.kill(former[0], signal.SIGKILL)
        wait_until(lambda: gardien.role("bans") not in ([], former), 10, "another process of bans")
        wait_until(holds, 10, "the bans to be in force again")
    for worker in gardien.role("worker"):
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: gardien.curl_code("/").returncode == 0 and holds(), 10, "workers that refuse")
    assert gardien.stop() == 0
    gardien.launch().wait_ready()
    wait_until(holds, 10, "the bans of the journal to be in force")
    assert abs(bans(gardien)[BANNED]["until"] - until) <= 1
    gardien.write_config(settings(gardien))
    assert gardien.cli("reload").returncode == 0
    wait_until(lambda: asks(gardien, "198.51.100.1") == 200, 10,
               "what the settings do not name any more to be let in")


def test_a_burst_of_404_is_banned_and_the_next_ban_is_longer(start):
    gardien = start(config=lambda g: settings(g, {"not_found": "5/h", "time": "1s"}))
    for _ in range(8):
        asks(gardien, BANNED, "/wp-login.php")
    wait_until(lambda: asks(gardien, BANNED) == 403, 10, "the scanner to be banned")
    gardien.wait_output(r"203\.0\.113\.7 is banned for 1 s \(not_found, ban number 1\)")
    wait_until(lambda: asks(gardien, BANNED) == 200, 10, "the ban to end")
    wait_until(lambda: asks(gardien, BANNED, "/wp-login.php") == 403, 10, "the second ban")
    gardien.wait_output(r"203\.0\.113\.7 is banned for 2 s \(not_found, ban number 2\)")
    assert asks(gardien, "203.0.113.8") == 200


def test_failed_logins_refusals_by_rates_and_by_the_firewall_of_applications_are_counted(start, tmp_path):
    rules = tmp_path / "own.conf"
    rules.write_text('SecRule ARGS:evil "@streq 1" "id:1,phase:1,deny,status:403"\n')

    def make(gardien):
        made = settings(gardien, {"logins": "3/h", "rates": "3/h", "waf": "3/h"}, waf="on",
                        waf_rules=[str(rules)])
        made["sites"][0]["routes"] = [
            {"path": "/login", "respond": 401, "protect": {"login_failed": 401}},
            {"path": "/other", "respond": 401},
            {"path": "/limited", "respond": 200, "protect": {"rates": ["1/h"]}}]
        return made
    gardien = start(config=make)
    for number, (path, cause) in enumerate([("/login", "logins"), ("/limited", "rate"),
                                            ("/?evil=1", "waf")]):
        client = f"203.0.113.{number}"
        for _ in range(6):
            asks(gardien, client, path)
        wait_until(lambda: client in bans(gardien), 10, f"{client} to be banned for {path}")
        assert bans(gardien)[client]["cause"] == cause
        assert asks(gardien, client) == 403
    for _ in range(6):
        assert asks(gardien, "203.0.113.50", "/other") == 401


def test_watching_bans_nobody_but_by_hand(start):
    gardien = start(config=lambda g: settings(g, {"mode": "watch", "not_found": "2/h"}))
    for _ in range(5):
        asks(gardien, BANNED, "/nothing")
    gardien.wait_output(r"203\.0\.113\.7 is not banned \(not_found\), since it is only watched")
    assert asks(gardien, BANNED) == 200
    assert gardien.cli("ban", BANNED).returncode == 0
    assert asks(gardien, BANNED) == 403


def test_without_bans_the_verb_says_so(start):
    gardien = start(config=lambda g: settings(g, {"mode": "off"}))
    refused = gardien.cli("ban", BANNED)
    assert refused.returncode == 1 and "bans: off" in refused.stderr
    assert gardien.role("bans") == []


# ---- the kernel ----

class Site:
    """A gardien in a host of its own, and a client."""

    def __init__(self, server, client, folder):
        self.server, self.client, self.folder = server, client, folder
        self.log = folder / "output"
        (folder / "public").mkdir()
        (folder / "public" / "index.html").write_text("hello\n")
        (folder / "gardien.yaml").write_text(json.dumps({
            "state": str(folder / "state"), "workers": 1, "logs": {"access": "off"},
            "listen": {"https": [":8443"], "http": [":8080"]},
            "protect": {"bans": {"not_found": "3/h"}},
            "sites": [{"names": ["localhost"], "files": str(folder / "public")}]}))
        self.launch()

    def launch(self):
        with open(self.log, "wb") as log:
            self.process = self.server.start(lib.BINARY, "serve", "--config",
                                             self.folder / "gardien.yaml", stdout=log, stderr=log,
                                             env={**os.environ, **lib.sanitizer_env()})
        wait_until(lambda: re.search("^ready", self.log.read_text(), re.M), 20,
                   f"gardien to be ready:\n{self.log.read_text()}")

    def gardien(self, *words, code=0):
        result = self.server.run(lib.BINARY, *words, "--state", self.folder / "state", check=False,
                                 env=lib.sanitizer_env())
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout

    def rules(self):
        return self.server.run("nft", "list", "ruleset").stdout

    def tls(self, address="10.99.0.1", seconds=3):
        with self.client.inside():
            bare = socket.create_connection((address, 8443), timeout=seconds * lib.PATIENCE)
        return lib.anything_goes().wrap_socket(bare, server_hostname="localhost")

    def serves(self, address="10.99.0.1"):
        try:
            self.tls(address, 1).close()
            return True
        except (OSError, ssl.SSLError):
            return False


@pytest.fixture
def site(tmp_path):
    if not netns.can_make_hosts():
        pytest.skip("no right to make namespaces")
    with netns.server_and_client() as (server, client):
        made = Site(server, client, tmp_path)
        yield made
        made.process.terminate()
        made.process.wait(20 * lib.PATIENCE)


def test_the_kernel_drops_packets_of_who_is_banned_and_open_connections_end(site):
    assert site.serves() and site.serves("fd99::1")
    assert "gardien" not in site.rules(), "who bans nobody has no table"
    kept = site.tls()
    assert "10.99.0.2 is banned" in site.gardien("ban", "10.99.0.2", "--for", "1h")
    wait_until(lambda: re.search(r"10\.99\.0\.2 timeout 1h", site.rules()), 10, "the kernel's set")
    assert not site.serves()
    kept.settimeout(10 * lib.PATIENCE)
    wait_until(lambda: "ESTAB" not in site.server.run(
        "ss", "-Htn", "state", "established", "sport", "= :8443").stdout
        and not site.server.run("ss", "-Htn", "state", "established", "sport", "= :8443").stdout,
        10, "the connection that was open to be closed")
    kept.close()
    assert site.serves("fd99::1")
    site.gardien("ban", "10.99.0.2", "--for", "2h")  # an element that exists gets the new time
    wait_until(lambda: re.search(r"10\.99\.0\.2 timeout 2h", site.rules()), 10, "the new time")
    site.gardien("ban", "fd99::/64", code=1)  # this machine is in it
    why = site.gardien("why", "8443", "--from", "10.99.0.2", "-4", code=1)
    assert "gardien has banned 10.99.0.2" in why and "gardien unban 10.99.0.2" in why, why
    site.gardien("unban", "10.99.0.2")
    wait_until(site.serves, 10, "to be let in again")
    assert '"kernel": "on"' in site.gardien("bans", "--json")


def test_networks_lie_in_each_other_and_the_table_goes_with_gardien(site):
    site.gardien("ban", "198.51.100.0/24")
    site.gardien("ban", "198.51.100.7")
    site.gardien("ban", "2001:db8::/32")
    wait_until(lambda: "2001:db8::" in site.rules(), 10, "the kernel's sets")
    assert re.search(r"ip saddr & 255\.255\.255\.0 (== )?@ip_24", site.rules())
    site.process.terminate()
    assert site.process.wait(20 * lib.PATIENCE) == 0
    assert "gardien" not in site.rules()
    site.launch()
    wait_until(lambda: "2001:db8::" in site.rules(), 10, "the bans of the journal")
    os.kill(site.process.pid, signal.SIGKILL)
    site.process.wait()
    site.launch()  # the table that was left is made anew
    wait_until(lambda: site.rules().count("table inet gardien_bans") == 1
               and "2001:db8::" in site.rules(), 10, "the bans of the journal")
    assert len(json.loads(site.gardien("bans", "--json"))["bans"]) == 3


def test_other_ports_after_a_reload_and_a_table_that_somebody_removed(site):
    site.gardien("ban", "192.0.2.1")
    wait_until(lambda: "elements = { 8443 }" in site.rules(), 10, "the port")
    config = json.loads((site.folder / "gardien.yaml").read_text())
    config["listen"]["https"] = [":8443", ":9443"]
    (site.folder / "gardien.yaml").write_text(json.dumps(config))
    site.gardien("reload")
    wait_until(lambda: re.search("8443, 9443", site.rules()) and "192.0.2.1 timeout" in site.rules(), 10,
               "both ports, and the ban")
    site.server.run("nft", "flush", "ruleset")
    site.gardien("ban", "192.0.2.2")
    wait_until(lambda: "192.0.2.2 timeout" in site.rules() and "192.0.2.1 timeout" in site.rules(), 10,
               "both bans")
    config["protect"]["bans"]["kernel"] = False
    (site.folder / "gardien.yaml").write_text(json.dumps(config))
    site.gardien("reload")
    wait_until(lambda: "gardien" not in site.rules(), 10, "the kernel's part to be gone")


def test_a_scanner_is_dropped_by_the_kernel(site):
    with site.tls() as peer:
        for _ in range(8):
            try:
                peer.sendall(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
                lib.read_answer(peer)
            except (OSError, AssertionError):
                break
    wait_until(lambda: "10.99.0.2 timeout 10m" in site.rules(), 10, "the scanner to be banned")
    assert not site.serves()


def test_gateways_and_who_is_logged_in_by_ssh_are_never_banned(site):
    site.server.run("ip", "route", "add", "default", "via", "10.99.0.2")
    assert site.gardien("ban", "10.99.0.0/25", code=1) == ""
    site.gardien("ban", "10.99.0.2", code=1)
    site.server.run("ip", "route", "del", "default")
    with site.server.inside():
        ssh = socket.create_server(("10.99.0.1", 22))
    with site.client.inside():
        peer = socket.create_connection(("10.99.0.1", 22))
    site.gardien("ban", "10.99.0.2", code=1)
    peer.close()
    ssh.close()


@lib.needs_root
def test_without_the_capability_gardien_itself_refuses(tmp_path):
    if not netns.can_make_hosts():
        pytest.skip("no right to make namespaces")
    with netns.server_and_client() as (server, client):
        start = server.start

        def without(*words, **more):
            return start("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", *words, **more)
        server.start = without
        made = Site(server, client, tmp_path)
        assert made.serves()
        made.gardien("ban", "10.99.0.2")
        wait_until(lambda: "bans are enforced by gardien alone" in made.log.read_text(), 10,
                   "the process to say so")
        assert not made.serves()
        assert "gardien itself refuses them" in made.gardien("bans")
        made.process.terminate()
        made.process.wait(20 * lib.PATIENCE)


def test_status_names_what_the_kernel_does_not_carry(site):
    site.server.run("sysctl", "-qw", "net.ipv4.tcp_syncookies=0", "net.core.somaxconn=64")
    told = site.gardien("status")
    assert "SYN cookies are off" in told and "sysctl -w net.ipv4.tcp_syncookies=1" in told, told
    assert "at most 64 connections of a socket may wait" in told
    site.server.run("sysctl", "-qw", "net.ipv4.tcp_syncookies=1", "net.core.somaxconn=4096")
    told = json.loads(site.gardien("status", "--json"))
    assert [one["sentence"] for one in told["kernel"] if "SYN" in one["sentence"]] == []
