"""`gardien eye` and `gardien check --from`: what the eye tells, whom it lets ask, how often, and that
it connects to nobody but the asker: a third host counts the packets that reach it."""

import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import lib
import netns
import pytest

pytestmark = pytest.mark.skipif(not netns.can_make_hosts(), reason="needs network namespaces")

PORT = 4434
KEY = "0123456789abcdef0123456789abcdef0123456789abcdef"

COUNT = """
table inet count {
    counter seen { }
    chain input {
        type filter hook input priority -300
        iifname "eth0" meta l4proto { tcp, udp } counter name seen
    }
}
"""
DROP = """
table inet keepout {
    chain input {
        type filter hook input priority 0
        iifname "eth0" tcp dport { 80, 443 } drop
        iifname "eth0" udp dport 443 drop
    }
}
"""

# A site that sends its visitors to a third host in every way that HTTP knows.
SITE = """
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
text = ("HTTP/1.1 302 Found\\r\\nLocation: %s\\r\\nAlt-Svc: h3=\\"10.98.0.3:443\\"; ma=60\\r\\n"
        "Server: \\x1b]0;evil\\x07\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n"
        % sys.argv[2]).encode("latin-1")
listener = socket.create_server(("::", 443), family=socket.AF_INET6, dualstack_ipv6=True)
def serve(plain):
    try:
        with context.wrap_socket(plain, server_side=True) as connection:
            connection.recv(65536)
            connection.sendall(text)
    except OSError:
        pass
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@pytest.fixture
def room():
    """A folder that the eye's user may search as well."""
    folder = Path(tempfile.mkdtemp(prefix="gardien-eye-"))
    folder.chmod(0o755)
    key = folder / "key"
    key.write_text(KEY + "\n")
    key.chmod(0o600)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def net():
    """asker 10.98.0.1, eye 10.98.0.2 and third 10.98.0.3 on one bridge, which is a fourth host's."""
    with netns.hosts("asker", "eye", "third", "bridge") as hosts:
        bridge = hosts[3]
        bridge.run("ip", "link", "add", "br0", "type", "bridge")
        bridge.run("ip", "link", "set", "br0", "up")
        for number, host in enumerate(hosts[:3], 1):
            netns.cable(host, bridge, (f"10.98.0.{number}/24", f"fd98::{number}/64"),
                        b_name=f"port{number}")
            bridge.run("ip", "link", "set", f"port{number}", "master", "br0")
        hosts[2].nft(COUNT)
        yield hosts[:3]


class Eye:
    """An eye that runs on a host."""

    def __init__(self, host, room, *args):
        self.log = room / "eye.log"
        with open(self.log, "wb") as log:
            self.process = host.start(lib.BINARY, "eye", "--eye-key", room / "key", *args,
                                      stdout=subprocess.PIPE, stderr=log,
                                      env={**os.environ, **lib.sanitizer_env()})
        self.said = self.process.stdout.readline().decode()
        assert "listens on port" in self.said, self.log.read_text()

    def stop(self):
        """Ends it as a user does; it must end well, and no sanitizer may have said anything."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20 * lib.PATIENCE) == 0
        text = self.log.read_text()
        assert not lib.SANITIZER.search(text), text
        return text


@contextmanager
def eye_on(host, room, *args):
    """An eye that is ended with the block."""
    eye = Eye(host, room, *args)
    try:
        yield eye
    finally:
        if eye.process.poll() is None:
            eye.stop()


@contextmanager
def site_on(host, room, location):
    """The site that points elsewhere."""
    lib.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", "/CN=example.test", "-addext", "subjectAltName=DNS:example.test",
            "-days", "9", "-keyout", room / "site.pem", "-out", room / "site.crt", check=True)
    with open(room / "site.pem", "a") as pem:
        pem.write((room / "site.crt").read_text())
    process = host.start("/usr/bin/python3", "-c", SITE, room / "site.pem", location, stdout=-1)
    assert process.stdout.readline() == b"ready\n"
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def check(host, room, *args, key="key", seconds=90):
    """Runs `gardien check --from` on a host."""
    return host.run(lib.BINARY, "check", "--eye-key", room / key, "--timeout", 3, *args, check=False,
                    seconds=seconds, env={**lib.sanitizer_env(), "GARDIEN_EYE_KEY": ""})


def packets(host):
    """What the third host has counted."""
    text = host.run("nft", "list", "counter", "inet", "count", "seen").stdout
    return int(re.search(r"packets (\d+)", text)[1])


class Raw:
    """An asker that says what it likes. Hosts are left to the caller's inside()."""

    def __init__(self, address="10.98.0.2", key=KEY, source=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.key = key
        plain = socket.create_connection((address, PORT), timeout=20 * lib.PATIENCE,
                                         source_address=(source, 0) if source else None)
        self.socket = context.wrap_socket(plain)
        self.file = self.socket.makefile("rb")

    def say(self, data):
        """One line, as JSON unless it is bytes."""
        self.socket.sendall(data if isinstance(data, bytes) else json.dumps(data).encode() + b"\n")

    def hear(self):
        """The next line, or None at the end."""
        try:
            line = self.file.readline()
        except OSError:
            return None
        return json.loads(line) if line else None

    def proof(self, side, asker, eye):
        """As eye_prove() makes it."""
        certificate = hashlib.sha256(self.socket.getpeercert(True)).digest()
        text = b"gardien eye 1: " + side
        return hmac.new(self.key.encode(), text.ljust(24, b"\0") + certificate + asker + eye,
                        hashlib.sha256).hexdigest()

    def ask(self, **request):
        """The whole conversation; `proof` may be given to replace the right one."""
        nonce = secrets.token_bytes(32)
        self.say({"gardien_eye": 1, "nonce": nonce.hex()})
        greeting = self.hear()
        eye = bytes.fromhex(greeting["nonce"])
        assert greeting["proof"] == self.proof(b"eye", nonce, eye) or self.key != KEY
        self.say({"proof": self.proof(b"asker", nonce, eye), "port": 443, "seconds": 2, **request})
        return self.hear()

    def close(self):
        """Hangs up."""
        self.file.close()
        self.socket.close()


def test_an_eye_tells_what_a_visitor_sees(net, room):
    asker, eye, third = net
    with eye_on(eye, room) as running, site_on(asker, room, "/login"):
        result = check(asker, room, "example.test", "--from", "10.98.0.2")
        assert "Port 443 of 10.98.0.1, seen from 10.98.0.2 (10.98.0.2):" in result.stdout
        for topic in ("tcp", "tls", "certificate", "http", "speed", "inside"):
            assert re.search(rf"^\S+ +{topic} ", result.stdout, re.M), topic + result.stdout
        assert "10.98.0.1:443: accepts connections" in result.stdout
        assert "own address 10.98.0.1 too" in result.stdout
        assert "\x1b" not in result.stdout and "\x07" not in result.stdout
        assert result.returncode == 1  # nobody trusts this certificate
        six = json.loads(check(asker, room, "--json", "--from", "fd98::2").stdout)
        assert six["views"][0]["source"] == "fd98::1" and six["views"][0]["open"]
        assert six["views"][0]["inside"]["open"]
        assert six["views"][0]["metrics"]["addresses"] == 1
        log = running.stop()
    assert re.search(r'"probed" source=10\.98\.0\.1 port=443 name="example\.test" ', log), log
    assert re.search(r'"probed" source=fd98::1 port=443 name="" ', log), log
    assert KEY not in log
    assert packets(third) == 0


def test_a_firewall_between_is_named(net, room):
    asker, eye, _ = net
    asker.nft(DROP)
    with eye_on(eye, room), site_on(asker, room, "/"):
        result = check(asker, room, "--from", "10.98.0.2")
        assert result.returncode == 1
        assert "this machine answers on its own address, but its firewall keeps the eye out" \
            in result.stdout, result.stdout
        assert "gardien why 443 names the rule" in result.stdout
        asker.run("nft", "delete", "table", "inet", "keepout")
        eye.nft(DROP.replace("iifname", "oifname").replace("input", "output"))
        result = check(asker, room, "--from", "10.98.0.2")
        assert "a firewall here or in front of this machine is between" in result.stdout
        assert "hosting provider" in result.stdout


def test_nobody_listening_is_told_apart_from_a_firewall(net, room):
    asker, eye, _ = net
    with eye_on(eye, room):
        result = check(asker, room, "--from", "10.98.0.2")
        assert result.returncode == 1
        assert "it does not answer on this machine itself either" in result.stdout
        assert "refuse" in result.stdout


def test_a_router_in_between_is_named(room):
    with netns.hosts("asker", "router", "eye") as (asker, router, eye):
        netns.cable(asker, router, ("192.168.7.2/24",), ("192.168.7.1/24",), b_name="lan0")
        netns.cable(router, eye, ("10.98.0.1/24",), ("10.98.0.2/24",), a_name="wan0")
        asker.run("ip", "route", "add", "default", "via", "192.168.7.1")
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        router.nft('table ip nat {\n chain post {\n type nat hook postrouting priority 100\n'
                   ' oifname "wan0" masquerade\n }\n}\n')
        with eye_on(eye, room), site_on(asker, room, "/"):
            result = check(asker, room, "--from", "10.98.0.2")
            assert "the eye saw 10.98.0.1, which is not this machine's own address 192.168.7.2" \
                in result.stdout, result.stdout
            assert "what comes to the router does not reach it" in result.stdout
            assert "send port 443/tcp on to 192.168.7.2" in result.stdout
            router.nft('table ip forwards {\n chain pre {\n type nat hook prerouting priority -100\n'
                       ' iifname "wan0" tcp dport 443 dnat to 192.168.7.2\n }\n}\n')
            view = json.loads(check(asker, room, "--json", "--from", "10.98.0.2").stdout)["views"][0]
            assert view["open"] and view["source"] == "10.98.0.1"


def test_redirects_and_alternatives_lead_nowhere_else(net, room):
    asker, eye, third = net
    with eye_on(eye, room):
        for location in ("https://10.98.0.3/", "http://10.98.0.3:22/", "//10.98.0.3/x",
                         "https://third.test/"):
            with site_on(asker, room, location):
                result = check(asker, room, "example.test", "--from", "10.98.0.2")
                assert "it is another host or port" in result.stdout, result.stdout
    assert packets(third) == 0


def test_a_redirect_to_another_port_of_the_asker_is_not_followed(net, room):
    asker, eye, _ = net
    asker.nft('table inet count {\n counter seen { }\n chain input {\n'
              ' type filter hook input priority -300\n'
              ' iifname "eth0" tcp dport 8022 counter name seen\n }\n}\n')
    with eye_on(eye, room), site_on(asker, room, "https://example.test:8022/"):
        check(asker, room, "example.test", "--from", "10.98.0.2")
    assert packets(asker) == 0


def test_no_request_turns_the_eye_on_others(net, room):
    asker, eye, third = net
    with eye_on(eye, room, "--probes", "60") as running:
        with asker.inside():
            for name in ("10.98.0.3", "fd98::3", "[fd98::3]", "::ffff:10.98.0.3"):
                raw = Raw()
                assert raw.ask(name=name)["error"] == "request", name
                raw.close()
            for name in ("1.2", "third.test", "localhost", "0x0a620003", "174194691"):
                raw = Raw()
                answer = raw.ask(name=name)
                assert answer.get("source") == "10.98.0.1", answer
                raw.close()
            raw = Raw()
            answer = raw.ask(name="a.test", host="10.98.0.3", source="10.98.0.3", address="10.98.0.3")
            assert answer["source"] == "10.98.0.1" and "10.98.0.3" not in json.dumps(answer)
            raw.close()
    assert packets(third) == 0
    assert "10.98.0.3" not in running.log.read_text()


def test_a_name_that_resolves_elsewhere_is_only_a_name(net, room):
    asker, eye, third = net
    with eye_on(eye, room), site_on(asker, room, "/"):
        result = check(asker, room, "--from", "10.98.0.2", "10.98.0.3")
        assert "10.98.0.3 was not looked at" in result.stdout, result.stdout
    assert packets(third) == 0


def test_an_eye_checks_none_of_its_own_addresses(net, room):
    """From whichever of its machine's addresses it is asked: it would be turned inward."""
    _, eye, _ = net
    ways = [("10.98.0.2", None), ("127.0.0.1", "127.0.0.2"), ("127.0.0.1", "10.98.0.2"),
            ("10.98.0.2", "127.0.0.9"), ("::1", "fd98::2"), ("fd98::2", "::1")]
    with eye_on(eye, room, "--probes", "60") as running, eye.inside():
        for address, source in ways:
            raw = Raw(address, source=source)
            answer = raw.ask(port=22)
            assert answer.get("error") == "self" and "check" not in answer, (address, source, answer)
            raw.close()
    assert '"probed"' not in running.log.read_text()


def test_who_does_not_know_the_key_gets_nothing(net, room):
    asker, eye, _ = net
    (room / "other").write_text("f" * 40)
    (room / "other").chmod(0o600)
    with eye_on(eye, room) as running:
        result = check(asker, room, "--from", "10.98.0.2", key="other")
        assert result.returncode == 1
        assert "does not prove that it knows this machine's key" in result.stdout
        assert "copy the eye's key file" in result.stdout
        with asker.inside():
            raw = Raw(key="f" * 40)
            assert raw.ask()["error"] == "key"
            raw.close()
            raw = Raw()
            assert raw.ask(proof="0" * 64)["error"] == "key"
            raw.close()
    assert "probed" not in running.log.read_text()


def test_a_man_in_the_middle_proves_nothing(net, room):
    """The third host passes all lines on, under a certificate of its own."""
    asker, eye, third = net
    lib.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", "/CN=x", "-keyout", room / "m.pem", "-out", room / "m.crt", check=True)
    with open(room / "m.pem", "a") as pem:
        pem.write((room / "m.crt").read_text())
    program = """
import socket, ssl, sys
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); server.load_cert_chain(sys.argv[1])
client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
client.check_hostname = False; client.verify_mode = ssl.CERT_NONE
listener = socket.create_server(("0.0.0.0", 4434)); print("ready", flush=True)
a = server.wrap_socket(listener.accept()[0], server_side=True)
b = client.wrap_socket(socket.create_connection(("10.98.0.2", 4434)))
b.sendall(a.recv(65536)); a.sendall(b.recv(65536)); print(len(a.recv(65536)), flush=True)
"""
    with eye_on(eye, room):
        middle = third.start("/usr/bin/python3", "-c", program, room / "m.pem", stdout=-1)
        assert middle.stdout.readline() == b"ready\n"
        result = check(asker, room, "--from", "10.98.0.3")
        assert "somebody in between answers for it" in result.stdout, result.stdout
        assert middle.stdout.readline() == b"0\n"  # not even the asker's own proof


def test_probes_are_rated_and_the_wait_is_told(net, room):
    asker, eye, _ = net
    with eye_on(eye, room, "--probes", "2"):
        with asker.inside():
            answers = []
            for _ in range(3):
                raw = Raw()
                answers.append(raw.ask(port=1, seconds=1))
                raw.close()
        assert "check" in answers[0] and "check" in answers[1]
        assert answers[2]["error"] == "limit" and 1 <= answers[2]["wait"] <= 30
        result = check(asker, room, "--from", "10.98.0.2")
        assert result.returncode == 1
        assert re.search(r"has looked often enough for now\n-> ask again in \d+ s", result.stdout)
        assert "seen from fd98::2" in check(asker, room, ":1", "--from", "fd98::2").stdout


def test_silent_and_endless_askers_are_dropped(net, room):
    asker, eye, _ = net
    with eye_on(eye, room), asker.inside():
        silent = socket.create_connection(("10.98.0.2", PORT), timeout=30 * lib.PATIENCE)
        slow = Raw()
        slow.say(b'{"gardien_eye": 1,')
        begun = time.monotonic()
        endless = Raw()
        endless.say(b"x" * 5000)
        assert endless.hear() is None
        wrong = Raw()
        wrong.say(b"[]\n")
        assert wrong.hear() is None
        fifth = socket.create_connection(("10.98.0.2", PORT), timeout=30 * lib.PATIENCE)
        assert silent.recv(1) == b"" and slow.hear() is None
        assert time.monotonic() - begun < 20 * lib.PATIENCE
        for connection in (silent, fifth):
            connection.close()
        for raw in (slow, endless, wrong):
            raw.close()


def test_an_eye_does_not_look_at_its_own_machine(net, room):
    _, eye, _ = net
    with eye_on(eye, room):
        for address in ("127.0.0.1", "::1", "10.98.0.2"):
            result = check(eye, room, "--from", address)
            assert result.returncode == 1
            assert "runs on this machine" in result.stdout, result.stdout


def test_no_eye_there(net, room):
    asker, eye, third = net
    result = check(asker, room, "--from", "10.98.0.2")
    assert "no eye listens at 10.98.0.2:4434" in result.stdout and result.returncode == 1
    with site_on(asker, room, "/"):
        result = check(eye, room, "--from", "10.98.0.1:443")
        assert "is no eye of gardien" in result.stdout, result.stdout
    result = check(asker, room, "--from", "no-such-host.invalid")
    assert "has no address" in result.stderr
    assert packets(third) == 0


def test_the_eye_makes_its_key_and_keeps_it(net, room):
    _, eye, _ = net
    state = room / "state"
    for _ in range(2):
        process = eye.start(lib.BINARY, "eye", "--state", state, stdout=-1)
        lines = [process.stdout.readline().decode() for _ in range(4)]
        assert f"the key is in {state}/eye/key" in lines[1] and "gardien check --from" in lines[3]
        key = (state / "eye/key").read_text()
        assert re.fullmatch(r"[0-9a-f]{64}\n", key) and key.strip() not in "".join(lines)
        assert (state / "eye/key").stat().st_mode & 0o777 == 0o600
        process.send_signal(signal.SIGTERM)
        assert process.wait(20 * lib.PATIENCE) == 0
    assert (state / "eye/key").read_text() == key
    (state / "eye/key").chmod(0o644)
    result = eye.run(lib.BINARY, "eye", "--state", state, check=False)
    assert result.returncode == 1 and "can be read by others" in result.stderr


def test_options_that_do_not_go_together(net, room):
    asker, _, _ = net
    for option in (("--resolve", "example.test:10.98.0.3"), ("--dns", "127.0.0.1")):
        result = check(asker, room, "example.test", "--from", "10.98.0.2", *option)
        assert result.returncode == 2 and "exclude each other" in result.stderr
        assert "no name is looked up" in result.stderr


def test_what_is_expected_decides_about_the_eyes_look(net, room):
    asker, eye, _ = net
    with eye_on(eye, room), site_on(asker, room, "/"):
        result = check(asker, room, "example.test", "--from", "10.98.0.2", "--expect",
                       "status=302,trusted=no,addresses=1,time<30s")
        assert result.returncode == 0, result.stdout
        assert "status=302 holds: it is 302" in result.stdout
        result = check(asker, room, "example.test", "--from", "10.98.0.2", "--json", "--expect",
                       "status=200,hsts=yes")
        answer = json.loads(result.stdout)
        assert result.returncode == 1 and not answer["well"]
        joined = [f["sentence"] for f in answer["views"][0]["joined"] if f["topic"] == "expect"]
        assert joined == ["status=200 does not hold: it is 302", "hsts=yes does not hold: it is no"]
    result = check(asker, room, "--from", "10.98.0.2", "--expect", "addresses=0")
    assert result.returncode == 1  # no eye there: nothing holds


def nagios(asker, room, *args):
    """The exit code and the one line."""
    result = check(asker, room, "--nagios", *args)
    assert result.stdout.count("\n") == 1 and result.stdout.count("|") == 1, result.stdout
    return result.returncode, result.stdout


def test_monitoring_from_elsewhere(net, room):
    asker, eye, _ = net
    with eye_on(eye, room, "--probes", "60"):
        with site_on(asker, room, "/"):
            code, line = nagios(asker, room, "example.test", "--from", "10.98.0.2")
            assert code == 2 and line.startswith("HTTPS CRITICAL - "), line  # nobody trusts it
            assert ", seen from 10.98.0.2 | time=" in line and " addresses=1 failing=0" in line
            expected = ("--expect", "status=302,addresses=1")
            code, line = nagios(asker, room, "example.test", "--from", "10.98.0.2", *expected)
            assert code == 0 and line.startswith("HTTPS OK - "), line
            code, line = nagios(asker, room, "example.test", "--from", "10.98.0.2", "--expect",
                                "status=302,status=200")
            assert code == 2
            assert line.startswith("HTTPS CRITICAL - status=200 does not hold: it is 302, seen from")
        code, line = nagios(asker, room, "--from", "10.98.0.2")
        assert code == 2 and "is not open" in line and " addresses=0 failing=1" in line


def test_an_eye_without_an_answer_tells_monitoring_nothing(net, room):
    asker, eye, _ = net
    assert nagios(asker, room, "--from", "10.98.0.2")[0] == 3
    with eye_on(eye, room, "--probes", "1"):
        nagios(asker, room, "--from", "10.98.0.2")
        code, line = nagios(asker, room, "--from", "10.98.0.2")
        assert code == 3 and line.startswith("HTTPS UNKNOWN - the eye at ")
        assert "often enough" in line and line.endswith("|\n")
    code, line = nagios(asker, room, "--from", "no-such-host.invalid")
    assert code == 3 and line == "HTTPS UNKNOWN - the eye could not be asked |\n"


def test_monitoring_over_both_families_of_an_eye(room, tmp_path):
    """One line: the worse of both decides, and labels tell the families apart."""
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n10.98.0.2 eye.test\nfd98::2 eye.test\n")
    with netns.hosts("asker", "eye", mounts=True) as (asker, eye):
        netns.cable(asker, eye, ("10.98.0.1/24", "fd98::1/64"), ("10.98.0.2/24", "fd98::2/64"))
        asker.run("mount", "--bind", tmp_path / "hosts", "/etc/hosts")
        with eye_on(eye, room), site_on(asker, room, "/"):
            args = ("example.test", "--from", "eye.test", "--expect", "addresses=1")
            code, line = nagios(asker, room, *args)
            assert code == 0 and " addresses_ipv4=1" in line and " addresses_ipv6=1" in line, line
            asker.nft(DROP.replace("inet keepout", "ip6 keepout").replace(
                "input priority 0", "input priority 0; policy accept;"))
            code, line = nagios(asker, room, *args)
            assert code == 2 and "seen from fd98::2 |" in line and " addresses_ipv6=0" in line, line


def test_watching_from_elsewhere(net, room):
    """A line for a change. That the eye has looked often enough is none, and is waited for."""
    asker, eye, _ = net
    output = room / "watch"
    with eye_on(eye, room, "--probes", "20"), site_on(asker, room, "/"), open(output, "wb") as out:
        watch = asker.start(
            lib.BINARY, "check", "--eye-key", room / "key", "--timeout", "1", "example.test", "--from",
            "10.98.0.2", "--watch", "--every", "1", stdout=out, stderr=out,
            env={**os.environ, **lib.sanitizer_env(), "GARDIEN_EYE_KEY": ""})
        lib.wait_until(lambda: "own address 10.98.0.1 too" in output.read_text(), what="a look")
        first = output.read_text()
        asker.nft(DROP)
        lib.wait_until(lambda: re.search(r"is not open.*, seen from 10\.98\.0\.2\n",
                                         output.read_text()[len(first):]), what="the change")
        asker.run("nft", "delete", "table", "inet", "keepout")
        lib.wait_until(lambda: "own address 10.98.0.1 too" in output.read_text()[len(first):],
                       what="the way back")
        watch.terminate()
        watch.wait(20 * lib.PATIENCE)
    changes = output.read_text()[len(first):]
    assert first.startswith("Port 443 of 10.98.0.1, seen from") and "Port 443 of" not in changes
    assert "often enough" not in changes and "\a" not in changes
    assert not lib.SANITIZER.search(changes), changes


def test_an_eye_that_is_asked_too_often_is_waited_for(net, room):
    asker, eye, _ = net
    with eye_on(eye, room, "--probes", "1") as running:
        watch = asker.start(
            lib.BINARY, "check", "--eye-key", room / "key", "--timeout", "1", "--from", "10.98.0.2",
            "--watch", "--every", "1", "--json", stdout=subprocess.PIPE,
            env={**os.environ, **lib.sanitizer_env(), "GARDIEN_EYE_KEY": ""})
        views = [json.loads(watch.stdout.readline())["views"][0] for _ in range(2)]
        begun = time.monotonic()
        time.sleep(4)
        watch.terminate()
        rest = watch.stdout.read()
        watch.wait(20 * lib.PATIENCE)
        watch.stdout.close()
    assert "refused" not in views[0] and views[1]["refused"] == "limit" and views[1]["wait"] > 10
    assert rest == b"" and time.monotonic() - begun < 30 * lib.PATIENCE
    assert running.log.read_text().count("probed") == 1


@pytest.mark.skipif(lib.SANITIZED, reason="some steps of the sandbox are left out")
def test_a_connection_is_served_without_rights(net, room):
    asker, eye, _ = net
    with eye_on(eye, room) as running, asker.inside():
        silent = socket.create_connection(("10.98.0.2", PORT))
        child = lib.wait_until(lambda: Path(f"/proc/{running.process.pid}/task/{running.process.pid}"
                                            "/children").read_text().split(), what="its process")[0]
        lib.wait_until(lambda: "Seccomp:\t2" in Path(f"/proc/{child}/status").read_text(),
                       what="the sandbox")
        status = Path(f"/proc/{child}/status").read_text()
        assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status
        assert not re.search(r"^Uid:\s+0\b", status, re.M)
        silent.close()
