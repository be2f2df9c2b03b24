"""`gardien serve --open`: ports are opened in the firewall while it serves, and only those that it
opened are closed again. A server with a firewall of its own, a client that knocks."""

import json
import os
import re
import signal
import socket

import lib
import netns
import pytest

pytestmark = pytest.mark.skipif(not netns.can_make_hosts(), reason="no right to make namespaces")

CONF = """#!/usr/sbin/nft -f

flush ruleset

table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iif lo accept
		meta l4proto { icmp, ipv6-icmp } accept
	}
}
"""


class Site:
    """A gardien in a host whose firewall drops, and a client."""

    def __init__(self, server, client, folder):
        self.server, self.client, self.folder = server, client, folder
        self.process, self.log = None, folder / "output"
        (folder / "etc").mkdir()
        (folder / "public").mkdir()
        (folder / "public" / "index.html").write_text("hello\n")
        server.run("sh", "-c", f"cp -a /etc/. {folder}/etc && rm -rf {folder}/etc/nftables.d && "
                   f"mount --bind {folder}/etc /etc")
        (folder / "etc" / "nftables.conf").write_text(CONF)
        server.run("nft", "-f", "/etc/nftables.conf")
        self.before = self.rules()
        self.configure([8443])

    def rules(self):
        return (self.server.run("nft", "list", "ruleset").stdout,
                (self.folder / "etc" / "nftables.conf").read_text(),
                (self.folder / "etc" / "nftables.d").exists())

    def configure(self, ports, open_=True):
        (self.folder / "gardien.yaml").write_text(json.dumps({
            "state": str(self.folder / "state"), "firewall": {"open": open_},
            "listen": {"https": [f":{port}" for port in ports] + ["127.0.0.1:9443"], "http": []},
            "logs": {"access": "off"},
            "sites": [{"names": ["localhost"], "files": str(self.folder / "public")}]}))

    def start(self, user=None):
        words = ["setpriv", f"--reuid={user}", "--clear-groups"] if user else []
        with open(self.log, "ab") as log:
            self.process = self.server.start(*words, lib.BINARY, "serve", "--config",
                                             self.folder / "gardien.yaml", stdout=log, stderr=log,
                                             env={**os.environ, **lib.sanitizer_env()})
        self.says("^ready")

    def says(self, pattern, seconds=20):
        return lib.wait_until(lambda: re.search(pattern, self.log.read_text(), re.M), seconds,
                              f"{pattern!r} in:\n{self.log.read_text()}")

    def gardien(self, *words, code=0):
        result = self.server.run(lib.BINARY, *words, "--state", self.folder / "state", check=False,
                                 env=lib.sanitizer_env())
        assert result.returncode == code, result.stdout + result.stderr
        return result

    def guardian(self):
        """The program itself: nsenter became it."""
        return self.process.pid

    def stop(self):
        os.kill(self.guardian(), signal.SIGTERM)
        assert self.process.wait(20 * lib.PATIENCE) == 0, self.log.read_text()

    def knocks(self, port):
        """Whether the client gets in, over IPv4 and over IPv6: a set of the two answers."""
        found = set()
        with self.client.inside():
            for family, address in ((socket.AF_INET, "10.99.0.1"), (socket.AF_INET6, "fd99::1")):
                with socket.socket(family) as s:
                    s.settimeout(0.3 * lib.PATIENCE)
                    try:
                        s.connect((address, port))
                        found.add(True)
                    except OSError:
                        found.add(False)
        return found

    def comes_in(self, port, yes=True):
        lib.wait_until(lambda: self.knocks(port) == {yes}, 15,
                       f"{port} {'open' if yes else 'closed'}:\n{self.log.read_text()}")


@pytest.fixture
def site(tmp_path):
    with netns.server_and_client(mounts=True) as (server, client):
        made = Site(server, client, tmp_path)
        yield made
        if made.process and made.process.poll() is None:
            os.kill(made.guardian(), signal.SIGKILL)
            made.process.wait()
    assert not lib.SANITIZER.search(made.log.read_text()), made.log.read_text()


def test_ports_are_open_while_it_serves_and_as_before_afterwards(site):
    site.start()
    site.comes_in(8443)
    site.says("8443/tcp is opened by nftables")
    assert "9443" not in site.rules()[0]  # nobody outside reaches a listener on 127.0.0.1
    site.stop()
    assert site.rules() == site.before
    assert not (site.folder / "state" / "firewall.json").exists()


def test_a_port_that_somebody_opened_stays_open(site):
    site.gardien("open", "8443", "--yes")
    opened = site.rules()
    site.start()
    site.says("8443/tcp is open already")
    site.comes_in(8443)
    site.stop()
    assert site.rules() == opened != site.before


def test_a_reload_opens_what_came_and_closes_what_went(site):
    site.start()
    site.comes_in(8443)
    site.configure([2096])
    site.gardien("reload")
    site.comes_in(2096)
    lib.wait_until(lambda: "8443" not in site.rules()[0], 10, "8443 to be closed")
    site.configure([2096], open_=False)
    site.gardien("reload")
    lib.wait_until(lambda: site.rules() == site.before, 10, "all to be closed")
    site.stop()


def test_what_a_killed_one_left_is_taken_over_and_closed(site):
    site.start()
    site.comes_in(8443)
    os.kill(site.guardian(), signal.SIGKILL)
    site.process.wait()
    assert "gardien:8443/tcp" in site.rules()[0]
    site.start()
    site.says("8443/tcp is open already")
    site.comes_in(8443)
    site.stop()
    assert site.rules() == site.before
    assert not (site.folder / "state" / "firewall.json").exists()


def test_close_takes_back_what_a_killed_one_left(site):
    site.start()
    site.comes_in(8443)
    os.kill(site.guardian(), signal.SIGKILL)
    site.process.wait()
    site.gardien("close", "--yes")
    assert site.rules() == site.before
    site.gardien("open", "8443", "--yes")  # from here on it is somebody's own
    opened = site.rules()
    site.start()
    site.says("8443/tcp is open already")
    site.stop()
    assert site.rules() == opened


def test_who_opens_a_port_that_serve_opened_keeps_it(site):
    site.start()
    site.comes_in(8443)
    assert "already open" in site.gardien("open", "8443", "--yes").stdout
    opened = site.rules()
    site.stop()
    assert site.rules() == opened != site.before


def test_an_upgrade_keeps_the_ports_open(site):
    site.start()
    site.comes_in(8443)
    old = site.guardian()
    site.gardien("upgrade")
    site.says("8443/tcp is open already")
    lib.wait_until(lambda: site.process.poll() is not None, 20, "the old one to end")
    assert site.knocks(8443) == {True}
    new = int(re.search(r"pid (\d+)", site.gardien("status", "--here").stdout.split("guardian")[1])[1])
    assert new != old
    site.gardien("stop")
    lib.wait_until(lambda: site.rules() == site.before, 15, "all to be closed")


def test_without_rights_it_serves_and_says_how(site):
    os.chmod(site.folder, 0o777)
    for parent in site.folder.parents[:-2]:  # all below /tmp
        os.chmod(parent, os.stat(parent).st_mode | 0o055)
    site.start(user=65534)
    site.says("only root may change the firewall; sudo gardien open 8443|root")
    assert site.process.poll() is None
    site.stop()
    assert site.rules() == site.before
