"""`gardien check`: names, what is printed, this machine, and how long it takes."""

import json
import os
import pty
import re
import subprocess
import threading

import pytest
from check_lab import Lab, V4, V6, ZONE, bad, dns, fresh, lab, pki, plain_run  # fixtures, too
from lib import BINARY, PATIENCE, run, sanitizer_env, wait_until
from netns import can_make_hosts, hosts, server_and_client

pytestmark = pytest.mark.skipif(not can_make_hosts(), reason="takes the right to make namespaces")


# ---- names ----

def test_records_are_read(lab, dns):
    answer = lab.check("site.example:1", *dns)
    finding = answer["by"]["name"][0]
    assert "1 IPv4 and 1 IPv6 addresses" in finding["sentence"]
    assert {a["address"] for a in finding["facts"]["addresses"]} == {V4, V6}
    assert "ca.example" in answer["by"]["caa"][0]["sentence"]


def test_an_https_record_is_read(lab, dns):
    answer = lab.check("site.example", *dns)
    assert answer["by"]["https-record"][0]["facts"]["alpn"] == ["h3", "h2"]


def test_a_caa_record_that_forbids_the_issuer_is_a_warning(lab, dns, pki):
    port = lab.serve("tls", pki.bundle("public", "lets"))
    answer = lab.check(f"site.example:{port}", "-4", *dns)
    assert answer["code"] == 0 and "its renewal will fail" in answer["verdict"]
    assert answer["hint"] == 'add the record: CAA 0 issue "letsencrypt.org"'
    assert "caa" not in lab.check(f"four.example:{port}", *dns)["by"]


NAMES = {
    "gone.example": "no such name",
    "empty.example": "has no address",
    "broken.example": "SERVFAIL",
    "silent.example": "no DNS server answered in time",
    "nonsense.example": "no DNS server answered in time",
    "loop.example": "no DNS server answered in time",
    "circle.example": "the aliases go in a circle",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_nowhere(lab, dns, name):
    answer = lab.check(name, *dns)
    assert NAMES[name] in bad(answer, "name")["sentence"]
    assert not answer["open"] and answer["code"] == 1


def test_a_server_that_is_not_there(lab):
    answer = lab.check("site.example", "--dns", "10.99.0.2")
    assert "nothing answers on its port 53" in bad(answer, "name")["sentence"]


def test_aliases_and_long_answers(lab, dns):
    answer = lab.check("www.example:1", *dns)
    assert any(f["sentence"] == "an alias (CNAME): site.example" for f in answer["by"]["name"])
    assert "1 IPv4" in lab.check("long.example:1", *dns)["by"]["name"][0]["sentence"]
    notes = [f["sentence"] for f in lab.check("four.example:1", *dns)["by"]["name"]]
    assert any("no IPv6 address" in note for note in notes)


def test_the_resolver_of_this_machine(pki, tmp_path):
    """What /etc/hosts says against DNS, asked of the servers in /etc/resolv.conf."""
    with server_and_client(mounts=True) as (server, client):
        lab = Lab(server, client, pki)
        lab.serve("dns", json.dumps(ZONE), port=53)
        (tmp_path / "resolv.conf").write_text(f"# comment\nnameserver {V4}\n")
        (tmp_path / "hosts").write_text("127.0.0.1 localhost\n10.99.0.9 site.example only.example\n")
        for name in ("resolv.conf", "hosts"):
            client.run("mount", "--bind", tmp_path / name, f"/etc/{name}")
        answer = lab.check("site.example:1", "--resolve", "unused.example:1.2.3.4")
        warning = next(f for f in answer["by"]["name"] if f["grade"] == "warning")
        assert "this machine's own resolver says 10.99.0.9, DNS says" in warning["sentence"]
        assert "/etc/hosts" in warning["hint"]
        answer = lab.check("only.example:1", "--resolve", "unused.example:1.2.3.4")
        assert any("only this machine's own resolver knows it" in f["sentence"]
                   for f in answer["by"]["name"])


# ---- faces ----

REJECT = ("table ip t { chain in { type filter hook input priority 0; "
          "tcp dport 443 reject with icmp type admin-prohibited; }; }")


def test_the_last_lines_say_what_is_wrong_and_the_hint(lab):
    result = plain_run(lab, f"{V4}:19998")
    lines = result.stdout.strip().splitlines()
    assert result.returncode == 1
    assert lines[-2].startswith(f"https://{V4}:19998 is not open")
    assert lines[-1].startswith("-> start the server")
    assert "\x1b" not in result.stdout


def test_a_certificate_cannot_write_to_the_terminal(lab, pki):
    """Its issuer's name has an escape sequence and a character that turns text around."""
    pki.make("evil", "/CN=Evil\x1b[31m\u202eRoot", ca=True)
    pki.make("victim", "/CN=site.example", "DNS:site.example", issuer="evil")
    port = lab.serve("tls", pki.bundle("victim", "evil"))
    result = plain_run(lab, f"site.example:{port}", "--resolve", f"site.example:{V4}")
    assert "its chain ends at" in result.stdout and "Root" in result.stdout
    assert "\x1b" not in result.stdout and "\u202e" not in result.stdout
    facts = lab.check(f"site.example:{port}")["by"]["certificate"][-1]["facts"]
    assert "\x1b" not in facts["issuer"] and "\u202e" not in facts["issuer"]


def test_expectations_decide_alone(lab, pki):
    port = lab.serve("tls", pki.bundle("alone"), json.dumps({"*": "404 No"}))
    pin = ["--resolve", f"site.example:{V4}"]
    target = f"site.example:{port}"
    assert plain_run(lab, target, *pin).returncode == 1
    assert plain_run(lab, target, *pin, "--expect", "status=404,trusted=no").returncode == 0
    assert plain_run(lab, target, *pin, "--expect", "status=200").returncode == 1
    assert plain_run(lab, target, *pin, "--expect", "status?200").returncode == 2


def test_nagios(lab, pki):
    pin = ["--resolve", f"site.example:{V4}", "--nagios"]
    for chain, answer, code, word in ((("good", "middle"), "200 OK", 0, "OK"),
                                      (("good", "middle"), "404 No", 1, "WARNING"),
                                      (("alone",), "200 OK", 2, "CRITICAL")):
        port = lab.serve("tls", pki.bundle(*chain), json.dumps({"*": answer}))
        result = plain_run(lab, f"site.example:{port}", *pin)
        assert result.returncode == code and result.stdout.startswith(f"HTTPS {word} - ")
        assert " | time=0." in result.stdout and result.stdout.count("\n") == 1
    assert plain_run(lab, "--nagios").returncode == 3  # no host


def test_watch_prints_a_line_for_a_change(fresh, pki, tmp_path):
    fresh.serve("tls", pki.bundle("good", "middle"), port=443)
    output = tmp_path / "output"
    with open(output, "wb") as out:
        watch = fresh.client.start(
            BINARY, "check", "site.example", "--resolve", f"site.example:{V4}", "--watch", "--every",
            "1", "--timeout", "2", stdout=out, stderr=out,
            env={**os.environ, **sanitizer_env(), "SSL_CERT_FILE": str(pki.root)})
        wait_until(lambda: "answers" in output.read_text(), what="the first look")
        first = output.read_text()
        fresh.server.nft(REJECT)
        wait_until(lambda: "prohibited" in output.read_text()[len(first):], what="the change")
        fresh.server.run("nft", "delete", "table", "ip", "t")
        wait_until(lambda: output.read_text().rstrip().endswith("1 of 1 address answers"),
                   what="the way back")
        watch.terminate()
        watch.wait(10 * PATIENCE)
    changes = output.read_text()[len(first):]
    assert first.count("certificate") == 1 and "certificate" not in changes.splitlines()[0]
    assert "\a" not in changes  # a log file has no bell


class Terminal:
    """A terminal that a program writes to; `text()` is what has arrived."""

    def __init__(self):
        self.ours, self.theirs = pty.openpty()
        self.heard = bytearray()
        self.reader = threading.Thread(target=self._read)

    def _read(self):
        try:
            while part := os.read(self.ours, 65536):
                self.heard += part
        except OSError:  # EIO: nobody holds the other end any more
            pass

    def text(self):
        """All lines, as a terminal gets them."""
        return self.heard.decode().replace("\r\n", "\n")

    def run(self, host, *words, **more):
        """Starts a program that writes here."""
        process = host.start(*words, stdout=self.theirs, **more)
        os.close(self.theirs)
        self.reader.start()
        return process

    def end(self, process):
        """Ends the program, and reads its last words."""
        process.terminate()
        process.wait(10 * PATIENCE)
        self.reader.join(10 * PATIENCE)
        os.close(self.ours)


COUNT = """
table ip count {
    counter seen { }
    chain in {
        type filter hook input priority -300
        tcp dport 443 tcp flags & (syn | ack) == syn counter name seen
    }
}
"""


def connections(server):
    """How many have come since COUNT was loaded; a look makes a few."""
    text = server.run("nft", "list", "counter", "ip", "count", "seen").stdout
    return int(re.search(r"packets (\d+)", text)[1])


def test_watch_rings_once_for_a_change_on_a_terminal(fresh, pki):
    """A change is some findings and one verdict; the bell follows the verdict. A look that sees
    nothing new is silent."""
    fresh.serve("tls", pki.bundle("good", "middle"), port=443)
    terminal = Terminal()
    watch = terminal.run(
        fresh.client, BINARY, "check", "site.example", "--resolve", f"site.example:{V4}", "--watch",
        "--every", "1", "--timeout", "2",
        env={**os.environ, **sanitizer_env(), "TERM": "xterm", "SSL_CERT_FILE": str(pki.root)})
    wait_until(lambda: "answers" in terminal.text(), what="the first look")
    fresh.server.nft(COUNT)
    wait_until(lambda: connections(fresh.server) > 10, what="checks that see nothing new")
    fresh.server.nft(REJECT)
    wait_until(lambda: "is not open" in terminal.text(), what="the change")
    fresh.server.run("nft", "delete", "table", "ip", "t")
    wait_until(lambda: re.search(r"is not open.*is open", terminal.text(), re.S),
               what="the way back")
    terminal.end(watch)
    text = terminal.text()
    rings = text.count("\a")
    verdicts = re.findall(r"^\a?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  https://site\.example is ", text, re.M)
    assert 2 <= rings == len(verdicts), text
    assert "\a" not in text[:text.index(verdicts[0])], text  # the first look is no change


@pytest.mark.parametrize("args, words", [
    (["--watch"], "needs a host"), ([":0"], "no port"), (["ftp://a"], "no address of the web"),
    (["a", "-4", "-6"], "exclude each other"), (["a", "--timeout", "0"], "does not take"),
    (["a", "--dns", "x"], "takes an IP address"), (["a", "--resolve", "x"], "no name with"),
    (["a", "b"], "does not know what to do")])
def test_mistakes_on_the_command_line(args, words):
    result = run(BINARY, "check", *args)
    assert result.returncode == 2 and words in result.stderr and "->" in result.stderr


# ---- this machine ----

def here(lab, *args):
    result = lab.server.run(BINARY, "check", *args, "--json", check=False, seconds=60, env={
        **sanitizer_env(), "SSL_CERT_FILE": lab.pki.root, "SSL_CERT_DIR": "/nonexistent"})
    assert result.returncode in (0, 1), result.stderr
    answer = json.loads(result.stdout)
    assert answer["well"] == (result.returncode == 0)
    return answer


def test_this_machine_joins_listeners_firewall_and_visits(fresh, pki):
    assert "nobody listens on it" in here(fresh)["verdict"]
    fresh.serve("tls", pki.bundle("good", "middle"), port=443)
    answer = here(fresh)
    assert answer["well"], answer
    assert answer["verdict"] == \
        "port 443 of this machine is open, and 2 of its addresses answer over HTTPS"
    subjects = {f["subject"] for f in answer["check"]["findings"] if f["topic"] == "tcp"}
    assert subjects == {f"{V4}:443", f"[{V6}]:443"}
    fresh.server.nft("table ip6 t { chain in { type filter hook input priority 0; "
                     "iif lo accept; tcp dport 443 drop; }; }")
    answer = here(fresh)
    assert "closed to strangers over IPv6" in answer["verdict"]
    assert "gardien open 443" in answer["hint"]
    assert "nobody listens" in here(fresh, ":8443")["verdict"]


# ---- speed ----

DELAY = """
import ctypes, fcntl, heapq, os, select, struct, sys, time
def tun(pid):
    with open(f"/proc/{pid}/ns/net") as space:
        assert ctypes.CDLL(None, use_errno=True).setns(space.fileno(), 0x40000000) == 0
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"slow0", 0x1001))
    return fd
ends = [tun(pid) for pid in sys.argv[1:3]]
print("ready", flush=True)
waiting, number = [], 0
while True:
    pause = max(0, waiting[0][0] - time.monotonic()) if waiting else 60
    for fd in select.select(ends, [], [], pause)[0]:
        number += 1
        heapq.heappush(waiting, (time.monotonic() + float(sys.argv[3]), number,
                                 ends[1 - ends.index(fd)], os.read(fd, 65536)))
    while waiting and waiting[0][0] <= time.monotonic():
        _, _, fd, packet = heapq.heappop(waiting)
        os.write(fd, packet)
"""


@pytest.mark.skipif(not os.path.exists("/dev/net/tun"), reason="takes /dev/net/tun")
def test_a_healthy_site_takes_six_round_trips(pki, tmp_path):
    """Over a line of 100 ms there and back, all looks end within six round trips, and what the
    server and this machine need."""
    with hosts("server", "client") as (server, client):
        line = subprocess.Popen(["/usr/bin/python3", "-c", DELAY, str(server.pid), str(client.pid),
                                 "0.05"], stdout=subprocess.PIPE)
        try:
            assert line.stdout.readline() == b"ready\n"
            for host, address in ((server, V4), (client, "10.99.0.2")):
                host.run("ip", "addr", "add", f"{address}/24", "dev", "slow0")
                host.run("ip", "link", "set", "slow0", "up")
            lab = Lab(server, client, pki)
            zone = {"site.example": {"A": [V4], "CAA": ["issue ca.example"]}, "example": {}}
            lab.serve("dns", json.dumps(zone), port=53)
            lab.serve("tls", pki.bundle("good", "middle"), port=443)
            lab.serve("redirect", "https://site.example/", port=80)
            lab.serve("quic", port=443)
            # The fastest of a few counts: a busy machine adds its own time to the line's.
            answer = min((lab.check("site.example", "--dns", V4, timeout=10) for _ in range(3)),
                         key=lambda answer: answer["milliseconds"])
        finally:
            line.kill()
            line.wait()
            line.stdout.close()
    assert answer["open"], answer["verdict"]
    assert answer["metrics"]["rtt_milliseconds"] >= 100
    assert answer["milliseconds"] < 6 * 100 + 100 * PATIENCE
