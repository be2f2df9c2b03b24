"""`gardien check` of the smaller program: names, TCP, what a server says unasked, HTTP/3. Built for
Linux it runs the code that macOS gets, between hosts; the one for Windows runs in wine, on loopback."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import cross
import lib
from check_lab import TIMEOUT, V4, V6, ZONE, Lab, bad, first_wrong, pki  # a fixture, too
from lib import PATIENCE, sanitizer_env, wait_until
from netns import can_make_hosts, server_and_client

between_hosts = pytest.mark.skipif(not can_make_hosts(), reason="takes the right to make namespaces")


@pytest.fixture(scope="module")
def program():
    return cross.portable()


@pytest.fixture(scope="module")
def lab(pki, program):
    with server_and_client() as (server, client):
        yield Lab(server, client, pki, program)


@pytest.fixture
def fresh(pki, program):
    """The same, for tests that change the network."""
    with server_and_client() as (server, client):
        yield Lab(server, client, pki, program)


def pinned(*addresses):
    return [word for address in addresses for word in ("--resolve", f"site.example:{address}")]


# ---- between hosts ----

@between_hosts
def test_a_site_that_accepts_is_open_and_the_rest_is_named(lab, pki):
    port = lab.serve("tls", pki.bundle("good", "middle"))
    answer = lab.check(f"site.example:{port}", *pinned(V4, V6))
    assert answer["code"] == 0 and answer["open"] and answer["well"]
    assert answer["verdict"] == f"port {port} of site.example is open: 2 of 2 addresses accept connections"
    assert {f["subject"] for f in answer["by"]["tcp"]} == {f"{V4}:{port}", f"[{V6}]:{port}"}
    assert all(0 < f["milliseconds"] < 1000 * PATIENCE for f in answer["by"]["tcp"])
    assert not {"tls", "certificate", "http", "hsts", "port80"} & set(answer["by"])
    rest = answer["by"]["layers"]
    assert len(rest) == 1 and rest[0]["grade"] == "note" and "TLS" in rest[0]["sentence"]
    assert f"openssl s_client -connect site.example:{port} -servername site.example" in rest[0]["hint"]
    metrics = answer["metrics"]
    assert (metrics["addresses"], metrics["failing"], metrics["ipv6"]) == (2, 0, True)
    assert 0 < metrics["rtt_milliseconds"] < 1000 * PATIENCE
    assert set(metrics) == {"addresses", "failing", "ipv6", "h3", "rtt_milliseconds"}


@between_hosts
def test_the_command_that_is_named_looks_at_the_rest(lab, pki):
    """openssl, as the line says it, reaches the server and shows its certificate."""
    port = lab.serve("tls", pki.bundle("good", "middle"))
    hint = lab.check(f"{V4}:{port}")["by"]["layers"][0]["hint"]
    command = re.search(r"openssl s_client .*", hint)[0].split()
    assert "-servername" not in command
    result = lab.client.run(*command, check=False, seconds=20 * PATIENCE)
    assert "site.example" in result.stdout + result.stderr, result


@between_hosts
def test_no_listener_is_a_refusal(lab):
    answer = lab.check("site.example:19999", *pinned(V4))
    assert answer["code"] == 1 and not answer["open"]
    assert "no program listens on port 19999" in bad(answer, "tcp")["sentence"]
    assert answer["took"] < 2 * PATIENCE
    assert "layers" not in answer["by"]  # nothing is behind a closed door


REJECTS = {
    ("ip", "reject with icmp type port-unreachable"): "a firewall refuses in its place",
    ("ip", "reject with icmp type admin-prohibited"): "a firewall forbids it, or no machine answers",
    ("ip", "reject with icmp type net-prohibited"): "a firewall forbids it, or a router",
    ("ip", "reject with tcp reset"): "a firewall refuses in its place",
    ("ip6", "reject with icmpv6 type admin-prohibited"): "a firewall forbids to connect there",
    ("ip6", "reject with icmpv6 type port-unreachable"): "a firewall refuses in its place",
}


@between_hosts
def test_a_firewall_that_refuses_is_not_taken_for_this_machine(fresh):
    # The kernel sends a peer one ICMP error a second, after the first few.
    fresh.server.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
    port = 21000
    for (family, rule), words in REJECTS.items():
        port += 1
        fresh.server.nft(f"add table {family} t\n"
                         f"add chain {family} t in {{ type filter hook input priority 0; }}\n"
                         f"add rule {family} t in tcp dport {port} {rule}\n")
        answer = fresh.check(f"site.example:{port}", *pinned(V4 if family == "ip" else V6))
        finding = bad(answer, "tcp")
        assert words in finding["sentence"], (rule, finding)
        assert answer["metrics"]["failing"] == 1, (rule, answer["metrics"])


@between_hosts
def test_a_drop_is_a_timeout_and_port_80_tells_that_the_machine_is_on(fresh):
    fresh.server.nft("table inet t { chain in { type filter hook input priority 0; "
                     "tcp dport 443 drop; udp dport 443 drop; }; }")
    answer = fresh.check("site.example", *pinned(V4))
    assert "while the machine answers on port 80: a firewall drops" in bad(answer, "tcp")["sentence"]
    fresh.server.nft("table inet u { chain in { type filter hook input priority 0; "
                     "tcp dport 80 drop; }; }")
    answer = fresh.check("site.example", *pinned(V4))
    assert "or the machine is off" in bad(answer, "tcp")["sentence"]
    assert "gardien open" in answer["hint"]


@between_hosts
def test_ipv6_that_is_announced_and_does_not_work(fresh, pki):
    fresh.serve("tls", pki.bundle("good", "middle"), port=443)
    fresh.server.nft("table ip6 t { chain in { type filter hook input priority 0; "
                     "tcp dport 443 drop; }; }")
    answer = fresh.check("site.example", *pinned(V4, V6))
    assert answer["code"] == 1 and answer["open"]
    assert (answer["metrics"]["addresses"], answer["metrics"]["failing"]) == (1, 1)
    assert "DNS announces IPv6, but it does not work" in bad(answer, "ipv6")["sentence"]


@between_hosts
def test_a_family_that_this_machine_lacks_is_no_fault(lab, pki):
    port = lab.serve("tls", pki.bundle("good", "middle"))
    answer = lab.check(f"site.example:{port}", *pinned(V4, "2001:db8::1"))
    assert answer["code"] == 0 and answer["metrics"]["failing"] == 0
    assert [f["grade"] for f in answer["by"]["tcp"]] == ["good", "unknown"]
    answer = lab.check("site.example", *pinned("203.0.113.7"))
    assert "this machine has no IPv4 route" in bad(answer, "tcp")["sentence"]


UNASKED = {
    "banner": 'another service answers here, not a web server: "SSH-2.0-OpenSSH_9.2p1"',
    "garbage": "sends bytes before anything was asked",
    "endless": "sends bytes before anything was asked",
}


@between_hosts
@pytest.mark.parametrize("kind", UNASKED)
def test_who_speaks_first_is_no_web_server(lab, kind):
    answer = lab.check(f"site.example:{lab.serve(kind)}", *pinned(V4))
    assert answer["code"] == 1 and not answer["open"]
    assert UNASKED[kind] in bad(answer, "service")["sentence"]
    assert first_wrong(answer)["topic"] == "service" and answer["by"]["tcp"][0]["grade"] == "good"
    assert answer["took"] < 2 * PATIENCE


@between_hosts
def test_who_hangs_up_has_nothing_behind_it(lab):
    answer = lab.check(f"site.example:{lab.serve('close')}", *pinned(V4))
    assert "is accepted and then" in bad(answer, "service")["sentence"]
    assert answer["code"] == 1 and not answer["open"]


@between_hosts
def test_http3_is_asked_for_without_tls(lab, pki):
    port = lab.serve("tls", pki.bundle("good", "middle"))
    assert lab.check(f"site.example:{port}", *pinned(V4))["metrics"]["h3"] is False
    lab.serve("quic", port=port)
    answer = lab.check(f"site.example:{port}", *pinned(V4))
    assert answer["metrics"]["h3"] is True and answer["code"] == 0
    finding = answer["by"]["http3"][0]
    assert "QUIC version 1 and 2" in finding["sentence"]
    assert "Alt-Svc is not looked at" in finding["sentence"] and "hint" not in finding


@between_hosts
def test_names_are_asked_of_the_servers_of_this_machine(pki, program, tmp_path):
    with server_and_client(mounts=True) as (server, client):
        lab = Lab(server, client, pki, program)
        lab.serve("dns", json.dumps(ZONE), port=53)
        lab.serve("tls", pki.bundle("good", "middle"), port=443)
        (tmp_path / "resolv.conf").write_text(f"# comment\nnameserver {V4}\n")
        (tmp_path / "hosts").write_text("127.0.0.1 localhost\n10.99.0.9 site.example\n")
        for name in ("resolv.conf", "hosts"):
            client.run("mount", "--bind", tmp_path / name, f"/etc/{name}")
        answer = lab.check("four.example", "--resolve", "unused.example:192.0.2.1")
        assert answer["code"] == 0 and answer["by"]["tcp"][0]["subject"] == f"{V4}:443"
        answer = lab.check("site.example:1", "--resolve", "unused.example:192.0.2.1")
        warning = next(f for f in answer["by"]["name"] if f["grade"] == "warning")
        assert "this machine's own resolver says 10.99.0.9, DNS says" in warning["sentence"]
        answer = lab.check("nowhere.example", "--dns", V4)
        assert "NXDOMAIN" in bad(answer, "name")["sentence"] and answer["code"] == 1
        answer = lab.check("site.example", "--dns", V4, timeout=3 * PATIENCE)
        assert "https-record" in answer["by"] and answer["by"]["http3"][0]["grade"] == "warning"


def run_plain(lab, *args):
    return lab.client.run(lab.program, "check", *args, check=False, seconds=30 * PATIENCE,
                          env=sanitizer_env())


@between_hosts
def test_faces(lab, pki):
    port = lab.serve("tls", pki.bundle("good", "middle"))
    site = [f"site.example:{port}", *pinned(V4)]
    result = run_plain(lab, *site)
    assert result.returncode == 0 and result.stdout.strip().splitlines()[-1] == \
        f"port {port} of site.example is open: 1 of 1 address accepts connections"
    result = run_plain(lab, "site.example:19998", *pinned(V4))
    assert result.stdout.strip().splitlines()[-1].startswith("-> start the server")
    result = run_plain(lab, *site, "--nagios")
    assert result.returncode == 0 and re.fullmatch(
        rf"TCP OK - port {port} of site\.example is open: .* \| rtt=0\.\d+s addresses=1 failing=0\n",
        result.stdout), result.stdout
    result = run_plain(lab, "site.example:19998", *pinned(V4), "--nagios")
    assert result.returncode == 2 and result.stdout.startswith("TCP CRITICAL - ")


@between_hosts
@pytest.mark.parametrize("expected, code", [
    ("addresses=1,failing=0,rtt<5s,ipv6=no,h3=no", 0), ("addresses=2", 1), ("ipv6=yes", 1)])
def test_what_is_measured_can_be_expected(lab, pki, expected, code):
    port = lab.serve("tls", pki.bundle("good", "middle"))
    answer = lab.check(f"site.example:{port}", *pinned(V4), "--expect", expected)
    assert answer["code"] == code
    assert len(answer["by"]["expect"]) == expected.count(",") + 1


@pytest.mark.parametrize("args, words", [
    (["a", "--expect", "days>14"], '"days" cannot be expected here'),
    (["a", "--expect", "status=200"], '"status" cannot be expected here'),
    (["a", "--expect", "colour=1"], "is nothing that can be expected"),
    ([], "which host"), ([":443"], "which host"), (["a", "--from", "b"], "--from"),
    (["a", "--state", "b"], "--state"), (["a", "--dns", "x"], "takes an IP address")])
def test_mistakes_on_the_command_line(program, args, words):
    result = lib.run(program, "check", *args)
    assert result.returncode == 2 and words in result.stderr


def test_help_promises_what_is_there(program):
    text = lib.run(program, "check", "--help").stdout
    for word in ("--from", "--state", "--eye-key", "days", "status=", "redirect80"):
        assert word not in text, word
    assert "It does not\nlook at TLS" in text
    assert "  check " in lib.run(program, "help").stdout


@between_hosts
def test_watch_prints_a_line_for_a_change_and_ends_at_once(fresh, pki, tmp_path):
    fresh.serve("tls", pki.bundle("good", "middle"), port=443)
    output = tmp_path / "output"
    with open(output, "wb") as out:
        watch = fresh.client.start(
            fresh.program, "check", "site.example", *pinned(V4), "--watch", "--every", "1",
            "--timeout", "2", stdout=out, stderr=out, env={**os.environ, **sanitizer_env()})
        wait_until(lambda: "accepts connections\n" in output.read_text(), what="the first look")
        first = output.read_text()
        fresh.server.nft("table ip t { chain in { type filter hook input priority 0; "
                         "tcp dport 443 reject with tcp reset; }; }")
        wait_until(lambda: "is not open" in output.read_text()[len(first):], what="the change")
        fresh.server.run("nft", "delete", "table", "ip", "t")
        wait_until(lambda: output.read_text().rstrip().endswith("1 of 1 address accepts connections"),
                   what="the way back")
        watch.terminate()
        watch.wait(10 * PATIENCE)
    assert first.count("site.example is open") == 1


def test_a_pause_ends_when_it_is_told_to(program, tmp_path):
    """Ctrl-C in a pause of an hour, and in the midst of a look."""
    with listener() as port, open(tmp_path / "output", "w+") as out:
        watch = subprocess.Popen([program, "check", f"127.0.0.1:{port}", "--watch", "--every", "3600"],
                                 stdout=out, env={**os.environ, **sanitizer_env()})
        wait_until(lambda: "is open" in (tmp_path / "output").read_text(), what="the first look")
        begun = time.monotonic()
        watch.send_signal(signal.SIGINT)
        assert watch.wait(10 * PATIENCE) == 0
        assert time.monotonic() - begun < 5 * PATIENCE


# ---- Windows ----

@contextlib.contextmanager
def listener(greeting=b""):
    """A server on loopback that greets everybody; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        stop = threading.Event()

        def serve():
            kept = []
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    kept.append(server.accept()[0])
                    kept[-1].sendall(greeting)
            for connection in kept:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            stop.set()
            thread.join()


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def finishing(box):
    try:
        yield box
    finally:
        box.finish()


@pytest.fixture(scope="module")
def wine():
    if cross.MISSING:
        pytest.skip(f"not installed: {', '.join(cross.MISSING)}; `tools/deps build cross` does it")
    with finishing(cross.Wine()) as box:
        yield box


def on_windows(wine, *args, timeout=TIMEOUT):
    result = wine.run(cross.windows(), "check", *args, "--json", "--timeout", int(timeout))
    assert result.returncode in (0, 1), result.stderr
    answer = json.loads(result.stdout)
    answer["code"] = result.returncode
    answer["by"] = {}
    for finding in answer["findings"]:
        answer["by"].setdefault(finding["topic"], []).append(finding)
    return answer


def test_windows_tells_open_from_refused(wine):
    with listener() as port:
        answer = on_windows(wine, f"127.0.0.1:{port}")
        assert answer["code"] == 0 and answer["open"]
        assert answer["by"]["tcp"][0]["milliseconds"] > 0 and answer["metrics"]["rtt_milliseconds"] > 0
        answer = on_windows(wine, f"site.example:{port}", *pinned("127.0.0.1"))
        assert answer["verdict"] == \
            f"port {port} of site.example is open: 1 of 1 address accepts connections"
        assert "(by --resolve)" in answer["by"]["name"][0]["sentence"]
        answer = on_windows(wine, f"localhost:{port}", "--dns", "127.0.0.1", "-4")
        assert answer["code"] == 0
    port = closed_port()
    answer = on_windows(wine, f"127.0.0.1:{port}")
    assert answer["code"] == 1 and not answer["open"]
    assert f"no program listens on port {port}" in bad(answer, "tcp")["sentence"]


def test_windows_hears_who_speaks_first(wine):
    with listener(b"220 mail.example ESMTP\r\n") as port:
        answer = on_windows(wine, f"127.0.0.1:{port}")
    assert 'not a web server: "220 mail.example ESMTP"' in bad(answer, "service")["sentence"]


def test_windows_hears_http3(wine):
    """A Version Negotiation (RFC 9000 section 17.2.1) for the first datagram."""
    with listener() as port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", port))
        udp.settimeout(60 * PATIENCE)

        def answer_one():
            packet, peer = udp.recvfrom(2048)
            ids = packet[5 + 1 + 8:5 + 2 + 16], packet[5:5 + 1 + 8]
            udp.sendto(b"\x80" + bytes(4) + ids[0] + ids[1] + (1).to_bytes(4, "big"), peer)

        thread = threading.Thread(target=answer_one)
        thread.start()
        try:
            answer = on_windows(wine, f"127.0.0.1:{port}")
        finally:
            thread.join()
    assert answer["metrics"]["h3"] is True and "QUIC version 1" in answer["by"]["http3"][0]["sentence"]


def test_windows_has_the_same_mistakes(wine):
    result = wine.run(cross.windows(), "check", "a", "--expect", "tls=1.3")
    assert result.returncode == 2 and '"tls" cannot be expected here' in result.stderr
    result = wine.run(cross.windows(), "check", "--help")
    assert result.returncode == 0 and "--from" not in result.stdout


def test_windows_watches(wine):
    with listener() as port:
        command = wine.command("wine", cross.windows(), "check", f"127.0.0.1:{port}", "--watch",
                               "--every", "1", "--json", "--timeout", "2")
        watch = subprocess.Popen(command, env={**wine.env, "WINEDEBUG": "-all"},
                                 stdout=subprocess.PIPE, start_new_session=True)
        end = threading.Timer(60 * PATIENCE, os.killpg, (watch.pid, signal.SIGKILL))
        end.start()
        try:
            looks = [json.loads(watch.stdout.readline()) for _ in range(3)]
        finally:
            end.cancel()
            os.killpg(watch.pid, signal.SIGKILL)
            watch.communicate()
    assert all(look["open"] and re.match(r"\d{4}-\d\d-\d\d ", look["time"]) for look in looks)


@between_hosts
def test_windows_between_hosts(pki, program, tmp_path):
    """Its DNS servers are those of the network settings, which wine takes from /etc/resolv.conf."""
    if cross.MISSING:
        pytest.skip(f"not installed: {', '.join(cross.MISSING)}")
    with server_and_client(mounts=True) as (server, client):
        lab = Lab(server, client, pki, program)
        (tmp_path / "resolv.conf").write_text(f"nameserver {V4}\n")
        client.run("mount", "--bind", tmp_path / "resolv.conf", "/etc/resolv.conf")
        lab.serve("dns", json.dumps(ZONE), port=53)
        lab.serve("tls", pki.bundle("good", "middle"), port=443)
        lab.serve("quic", port=443)
        with finishing(cross.Wine(client)) as box:
            answer = on_windows(box, "site.example", "--resolve", "unused.example:192.0.2.1")
            assert answer["code"] == 0 and answer["metrics"]["addresses"] == 2, answer["findings"]
            assert answer["by"]["http3"][0]["grade"] == "good"  # the HTTPS record promises it
            answer = on_windows(box, "site.example", *pinned(V4, "2001:db8::1"))
            assert answer["code"] == 0
            assert [f["grade"] for f in answer["by"]["tcp"]] == ["good", "unknown"]
            server.nft("table ip6 t { chain in { type filter hook input priority 0; "
                       "tcp dport 443 drop; }; }")
            answer = on_windows(box, "site.example", *pinned(V4, V6))
            assert "DNS announces IPv6, but it does not work" in bad(answer, "ipv6")["sentence"]
            answer = on_windows(box, "site.example:19999", *pinned(V4))
            assert "no program listens on port 19999" in bad(answer, "tcp")["sentence"]
            server.nft("table ip t { chain in { type filter hook input priority 0; "
                       "tcp dport 21000 reject with icmp type admin-prohibited; }; }")
            answer = on_windows(box, "site.example:21000", *pinned(V4))
            assert "a firewall forbids it" in bad(answer, "tcp")["sentence"], answer["findings"]
