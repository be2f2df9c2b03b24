"""`gardien status`: who listens and what the firewall lets in, on hosts with real listeners."""

import json
import os
import socket

import pytest
from lib import BINARY, binary_for_others, have, run, wait_until
from netns import cable, can_make_hosts, hosts, server_and_client

pytestmark = pytest.mark.skipif(not can_make_hosts(), reason="takes the right to make namespaces")

LISTEN = """
import socket, sys, time
kind, host, port, only = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:] == ["only"]
s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET,
                  socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if ":" in host:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
s.bind((host, port))
if kind == "tcp":
    s.listen(5)
print("ready", flush=True)
time.sleep(600)
"""


def listen(host, kind, address, port, *more):
    """Starts a program that listens; returns it once it does."""
    process = host.start("/usr/bin/python3", "-c", LISTEN, kind, address, port, *more, stdout=-1)
    assert process.stdout.readline() == b"ready\n"
    return process


def status(host, *args, code=None, here=True):
    """What `gardien status --json` says in a host; of that host alone unless here=False."""
    result = host.run(BINARY, "status", "--json", *args, *(["--here"] if here else []), check=False)
    assert code is None or result.returncode == code, result.stdout + result.stderr
    return json.loads(result.stdout)


def port_of(report, name):
    return next(port for port in report["ports"] if port["name"] == name)


def warnings(report, subject):
    return [f["sentence"] for f in report["findings"]
            if f.get("subject") == subject and f["grade"] in ("warning", "bad")]


def test_ports_that_nobody_listens_on():
    with hosts("alone") as (host,):
        report = status(host)
        assert [port["name"] for port in report["ports"]] == ["80/tcp", "443/tcp", "443/udp"]
        for port in report["ports"]:
            assert not port["listens"] and port["listeners"] == []
            # A host without a cable has no address that others could reach.
            assert port["ipv4"]["state"] == port["ipv6"]["state"] == "no address"
        assert report["system_default"]


def test_who_listens_over_tcp_and_udp():
    with server_and_client() as (server, _):
        tcp = listen(server, "tcp", "0.0.0.0", 443)
        udp = listen(server, "udp", "::", 443)
        report = status(server, "443/tcp", "443/udp")
        (one,) = port_of(report, "443/tcp")["listeners"]
        assert one["address"] == "0.0.0.0:443" and one["ipv4"] and not one["ipv6"]
        assert one["takes_connections"] is True and one["waiting_most"] == 5
        (process,) = one["processes"]
        assert process["user"] == "root" and process["program"].startswith("python3")
        assert process["command"].startswith("/usr/bin/python3 -c")
        assert process["pid"] == tcp.pid
        (two,) = port_of(report, "443/udp")["listeners"]
        assert two["address"] == "[::]:443" and two["ipv4"] and two["ipv6"]
        assert "takes_connections" not in two and udp.poll() is None
        assert port_of(report, "443/tcp")["outside"] and port_of(report, "443/udp")["outside"]
        assert port_of(report, "443/tcp")["ipv4"]["state"] == "open"
        assert warnings(report, "443/tcp") == []


def test_ipv6_alone_and_both():
    with server_and_client() as (server, _):
        listen(server, "tcp", "::", 443, "only")
        listen(server, "tcp", "::", 8443)
        report = status(server, "443", "8443")
        (alone,) = port_of(report, "443/tcp")["listeners"]
        assert alone["ipv6"] and not alone["ipv4"]
        (both,) = port_of(report, "8443/tcp")["listeners"]
        assert both["ipv6"] and both["ipv4"]
        said = [f["sentence"] for f in report["findings"] if f.get("subject") == "443/tcp"]
        assert any("IPv6" in sentence and "nobody to IPv4" in sentence for sentence in said)
        assert not [f for f in report["findings"] if f.get("subject") == "8443/tcp"]


def test_a_listener_that_nobody_outside_can_reach():
    with server_and_client() as (server, client):
        listen(server, "tcp", "127.0.0.1", 443)
        report = status(server, "443", code=4)
        (said,) = warnings(report, "443/tcp")
        assert "127.0.0.1:443 only" in said
        assert not port_of(report, "443/tcp")["outside"]
        assert client.run("nc", "-z", "-w", "2", "10.99.0.1", "443", check=False).returncode != 0


def test_ports_beside_the_usual_ones_are_shown_where_somebody_listens():
    with server_and_client() as (server, _):
        listen(server, "tcp", "0.0.0.0", 8443)
        names = [port["name"] for port in status(server, code=0)["ports"]]
        assert "8443/tcp" in names and "2096/tcp" not in names
        server.nft("table inet t { chain c { tcp dport 2096 accept; }; }")
        assert "2096/tcp" in [port["name"] for port in status(server)["ports"]]


def test_a_program_that_takes_no_connections():
    full = LISTEN.replace("s.listen(5)", "s.listen(0)")
    with server_and_client() as (server, _):
        process = server.start("/usr/bin/python3", "-c", full, "tcp", "0.0.0.0", 443, stdout=-1)
        assert process.stdout.readline() == b"ready\n"
        with server.inside():
            waiting = []
            for _ in range(3):
                peer = socket.socket()
                peer.setblocking(False)
                peer.connect_ex(("127.0.0.1", 443))
                waiting.append(peer)
        try:
            wait_until(lambda: port_of(status(server, "443", "--no-connect"), "443/tcp")
                       ["listeners"][0]["waiting"] >= 1, what="a connection to wait")
            report = status(server, "443", code=4)
            (one,) = port_of(report, "443/tcp")["listeners"]
            assert one["takes_connections"] is False
            assert any("takes no connections" in sentence
                       for sentence in warnings(report, "443/tcp"))
        finally:
            for peer in waiting:
                peer.close()


def test_a_listener_on_both_families_where_ipv6_is_switched_off():
    with hosts("server") as (server,):
        listen(server, "tcp", "::", 443)
        server.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        listener, = port_of(status(server), "443/tcp")["listeners"]
        assert listener["takes_connections"] is True
        lone = listen(server, "tcp", "::", 8443, "only")
        listener, = port_of(status(server, "8443"), "8443/tcp")["listeners"]
        assert "takes_connections" not in listener and lone.poll() is None


def test_a_listener_in_another_network_namespace():
    with hosts("outer", "inner") as (outer, inner):
        listen(inner, "tcp", "0.0.0.0", 2096)
        report = status(outer, "2096", code=0, here=False)
        space = os.stat(f"/proc/{inner.pid}/ns/net").st_ino
        found = [one for one in port_of(report, "2096/tcp")["listeners"]
                 if one.get("namespace") == space]
        assert len(found) == 1
        assert found[0]["takes_connections"] is True
        assert found[0]["processes"][0]["program"].startswith("python3")
        assert not port_of(report, "2096/tcp")["outside"]
        assert any("another network" in f["sentence"] for f in report["findings"]
                   if f["topic"] == "container")


def test_without_root_what_is_hidden_is_said():
    if os.geteuid() != 0 or not have("setpriv"):
        pytest.skip("takes root, to have rights to go without")
    with server_and_client() as (server, _):
        listen(server, "tcp", "0.0.0.0", 443)
        result = server.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env",
                            "-u", "HOME", binary_for_others(), "status", "443", "--json", check=False)
        assert result.returncode == 5, result.stderr
        report = json.loads(result.stdout)
        (one,) = port_of(report, "443/tcp")["listeners"]
        assert one["processes"] == [] and one["uid"] == 0 and one["takes_connections"] is True
        hidden = {f["topic"]: f for f in report["findings"] if f["grade"] == "unknown"}
        assert hidden["listener"]["hint"] == "ask as root: sudo gardien status 443/tcp"
        assert "as root" in hidden["container"]["hint"]
        assert "as root" in hidden["firewall"]["hint"] and "filtered" not in report
        assert port_of(report, "443/tcp")["ipv4"]["state"] == "unknown"
        assert result.stderr == ""


def test_the_firewall_is_told_for_each_family():
    with server_and_client() as (server, client):
        listen(server, "tcp", "::", 443)
        server.nft("table ip t { chain c { type filter hook input priority 0; policy drop; "
                   "tcp dport 22 accept; }; }")
        assert client.run("nc", "-z", "-w", "1", "10.99.0.1", "443", check=False).returncode != 0
        client.run("nc", "-z", "-w", "2", "fd99::1", "443")
        report = status(server, "443")
        port = port_of(report, "443/tcp")
        assert port["ipv4"]["state"] == "closed" and port["ipv4"]["culprit"] is not None
        assert port["ipv6"]["state"] == "open"
        said = warnings(report, "443/tcp")
        assert any("keeps strangers away over IPv4" in sentence for sentence in said)
        assert any("open over IPv6 and closed over IPv4" in sentence for sentence in said)
        server.nft("flush ruleset")
        assert warnings(status(server, "443", code=0), "443/tcp") == []


def test_a_port_that_leads_elsewhere():
    with server_and_client() as (server, client), hosts("container") as (container,):
        cable(server, container, ("172.17.0.1/16",), ("172.17.0.2/16",), a_name="docker0")
        container.run("ip", "route", "add", "default", "via", "172.17.0.1")
        server.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        listen(container, "tcp", "0.0.0.0", 8443)
        server.nft("table ip nat { chain c { type nat hook prerouting priority -100;"
                   "tcp dport 443 dnat to 172.17.0.2:8443; }; }")
        client.run("nc", "-z", "-w", "2", "10.99.0.1", "443")
        report = status(server, "443")
        port = port_of(report, "443/tcp")
        assert not port["listens"] and port["ipv4"]["state"] == "forwarded"
        assert port["ipv4"]["forwarded"] == "172.17.0.2:8443"
        assert any("172.17.0.2:8443" in f["sentence"] for f in report["findings"])


def test_a_table_for_people():
    with server_and_client() as (server, _):
        listen(server, "tcp", "::", 443)
        text = server.run(BINARY, "status", "--here").stdout
        head, first, second = text.splitlines()[:3]
        assert head.split() == ["PORT", "IPv4", "IPv6", "LISTENS", "ON", "WAITING", "TAKES",
                                "PROGRAM"]
        assert first.split() == ["80/tcp", "open", "open", "nobody", "listens"]
        assert second.split()[:4] == ["443/tcp", "open", "open", "[::]:443"]
        assert "python3" in second and "root)" in second
        assert "\x1b" not in text


def test_a_cloud_machine_gets_its_providers_commands():
    with server_and_client(mounts=True) as (server, _):
        server.run("sh", "-ec", "mount -t tmpfs tmpfs /sys/class && mkdir -p /sys/class/dmi/id && "
                   "echo Hetzner > /sys/class/dmi/id/sys_vendor")
        text = server.run(BINARY, "status", "443", "443/udp", "--here").stdout
        for protocol in ("tcp", "udp"):
            assert (f"\n  hcloud firewall add-rule FIREWALL --direction in --protocol {protocol} "
                    "--port 443 --source-ips 0.0.0.0/0 --source-ips ::/0 ") in text
        cloud = status(server, "443")["cloud"]
        assert cloud["name"] == "Hetzner Cloud" and len(cloud["commands"]) == 2


def test_nobody_is_connected_to_unless_asked():
    counting = LISTEN.replace("time.sleep(600)", "s.accept(); print('met', flush=True)")
    with server_and_client() as (server, _):
        process = server.start("/usr/bin/python3", "-c", counting, "tcp", "0.0.0.0", 443, stdout=-1)
        assert process.stdout.readline() == b"ready\n"
        (one,) = port_of(status(server, "443", "--no-connect"), "443/tcp")["listeners"]
        assert "takes_connections" not in one and process.poll() is None
        (one,) = port_of(status(server, "443"), "443/tcp")["listeners"]
        assert one["takes_connections"] is True and process.stdout.readline() == b"met\n"


def test_a_running_gardien_is_a_part_of_the_picture(server):
    result = server.cli("status", "--json", check=True)
    report = json.loads(result.stdout)
    assert report["gardien"]["pid"] == server.process.pid
    (one,) = port_of(report, f"{server.https}/tcp")["listeners"]
    assert one["address"] == f"127.0.0.1:{server.https}"
    assert one["processes"][0]["pid"] == server.process.pid
    assert len(one["processes"]) + one["processes_more"] > 1  # the workers hold it too
    text = server.cli("status").stdout
    assert f"guardian  pid {server.process.pid}" in text and f"{server.https}/tcp" in text


def test_ports_that_are_none(tmp_path):
    result = run(BINARY, "status", "443/sctp", "99999")
    assert result.returncode == 2
    assert "443/sctp" in result.stderr and "99999" in result.stderr and "->" in result.stderr


def test_names_of_programs_cannot_steer_a_terminal(tmp_path):
    program = tmp_path / "a\x1b[31mb"
    program.symlink_to("/usr/bin/python3")
    with server_and_client() as (server, _):
        process = server.start(program, "-c", LISTEN, "tcp", "0.0.0.0", 443, stdout=-1)
        assert process.stdout.readline() == b"ready\n"
        for args in ([], ["--json"]):
            text = server.run(BINARY, "status", "--here", *args).stdout
            assert "\x1b" not in text and "\\x1b" in text.replace("\\\\", "\\")
