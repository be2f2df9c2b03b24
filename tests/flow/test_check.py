"""`gardien check`: every kind of failure on hosts of its own, each with its sentence, within a bounded
time."""

import json
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
from lib import BINARY, PATIENCE, run, sanitizer_env, wait_until
from netns import cable, can_make_hosts, hosts, server_and_client

pytestmark = pytest.mark.skipif(not can_make_hosts(), reason="takes the right to make namespaces")

SERVERS = Path(__file__).with_name("check_servers.py")
TIMEOUT = 3 * PATIENCE
V4, V6 = "10.99.0.1", "fd99::1"


class Pki:
    """A root that the checks trust, an intermediate, and leaves with each kind of fault."""

    def __init__(self, folder):
        self.folder = folder
        self.root = folder / "root.pem"
        self.make("root", "/CN=Test Root", ca=True, issuer=None)
        self.make("middle", "/CN=Test Intermediate", ca=True, issuer="root")
        for name, dates in (("good", (-1, 60)), ("old", (-60, -1)), ("soon", (-60, 3))):
            self.make(name, "/CN=site.example", "DNS:site.example,DNS:*.wild.example,IP:10.99.0.1",
                      issuer="middle", dates=dates)
        self.make("lets", "/O=Let's Encrypt/CN=R99", ca=True, issuer="root")
        self.make("public", "/CN=site.example", "DNS:site.example", issuer="lets")
        self.make("alone", "/CN=site.example", "DNS:site.example", issuer=None)
        self.make("stray", "/CN=site.example", "DNS:site.example", issuer="foreign")
        self.make("linked", "/CN=site.example", "DNS:site.example", issuer="middle",
                  more="authorityInfoAccess=caIssuers;URI:http://ca.example/middle.der\n")

    def make(self, name, subject, names=None, ca=False, issuer=None, dates=(-1, 60), more=""):
        """A key and its certificate; `dates` are days from now."""
        if issuer == "foreign" and not (self.folder / "foreign.pem").exists():
            self.make("foreign", "/CN=Foreign Root", ca=True)
        file = {end: self.folder / f"{name}.{end}" for end in ("key", "csr", "pem", "cnf", "db")}
        start, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 86400 * day))
                      for day in dates)
        file["db"].touch()
        file["cnf"].write_text(
            f"[ca]\ndatabase={file['db']}\nnew_certs_dir={self.folder}\nrand_serial=yes\n"
            "default_md=sha256\npolicy=any\nunique_subject=no\n[any]\norganizationName=optional\ncommonName=supplied\n"
            f"[ext]\nbasicConstraints=critical,CA:{'TRUE' if ca else 'FALSE'}\n{more}"
            + (f"subjectAltName={names}\n" if names else ""))
        run("openssl", "req", "-utf8", "-new", "-nodes", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-keyout", file["key"], "-out", file["csr"], "-subj", subject,
            check=True)
        by = (["-cert", self.folder / f"{issuer}.pem", "-keyfile", self.folder / f"{issuer}.key"]
              if issuer else ["-selfsign", "-keyfile", file["key"]])
        run("openssl", "ca", "-utf8", "-batch", "-notext", "-config", file["cnf"], "-name", "ca", *by, "-in",
            file["csr"], "-out", file["pem"], "-startdate", start, "-enddate", end, "-extensions",
            "ext", check=True)

    def bundle(self, leaf, *issuers):
        """A file with the key and a chain, as Python's servers take it."""
        parts = [self.folder / f"{leaf}.key", self.folder / f"{leaf}.pem",
                 *[self.folder / f"{issuer}.pem" for issuer in issuers]]
        bundle = self.folder / f"bundle-{leaf}-{'-'.join(issuers)}.pem"
        bundle.write_text("".join(part.read_text() for part in parts))
        return bundle


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


class Lab:
    """A server and a client; each server of check_servers.py gets a port of its own."""

    def __init__(self, server, client, pki):
        self.server, self.client, self.pki = server, client, pki
        self.port = 20000

    def serve(self, kind, *args, port=None, host=None):
        port = port or self.port + 1
        self.port = max(self.port, port) if port > 20000 else self.port
        process = (host or self.server).start("/usr/bin/python3", SERVERS, kind, port, *args,
                                              stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n", kind
        return port

    def check(self, target, *args, timeout=TIMEOUT, host=None, check_time=True):
        """The answer of --json, with `code`, and `by` topic: a list of findings."""
        started = time.monotonic()
        trust = {"SSL_CERT_FILE": self.pki.root, "SSL_CERT_DIR": "/nonexistent"}
        pin = [] if any(a in ("--dns", "--resolve") for a in args) else \
            ["--resolve", f"site.example:{V4}"]
        result = (host or self.client).run(BINARY, "check", target, "--json", "--timeout",
                                           int(timeout), *pin, *args, check=False, seconds=60,
                                           env={**sanitizer_env(), **trust})
        took = time.monotonic() - started
        assert result.returncode in (0, 1), result.stderr
        assert not result.stderr, result.stderr
        if check_time:
            assert took < timeout + 2 * PATIENCE, "the timeout does not hold"
        answer = json.loads(result.stdout)
        answer["code"], answer["took"] = result.returncode, took
        answer["by"] = {}
        for finding in answer["findings"]:
            answer["by"].setdefault(finding["topic"], []).append(finding)
        return answer


@pytest.fixture(scope="module")
def lab(pki):
    with server_and_client() as (server, client):
        yield Lab(server, client, pki)


@pytest.fixture
def fresh(pki):
    """The same, for tests that change the network."""
    with server_and_client() as (server, client):
        yield Lab(server, client, pki)


def bad(answer, topic):
    """The one bad finding of a topic."""
    found = [f for f in answer["by"].get(topic, []) if f["grade"] == "bad"]
    assert len(found) == 1, answer["findings"]
    assert found[0]["mend"]
    return found[0]


def first_wrong(answer):
    return next(f for f in answer["findings"] if f["grade"] == "bad")


# ---- a site without fault ----

def test_a_good_site_is_open(lab, pki):
    port = lab.serve("tls", pki.bundle("good", "middle"))
    answer = lab.check(f"site.example:{port}")
    assert answer["code"] == 0 and answer["open"] and answer["well"]
    assert answer["verdict"] == f"https://site.example:{port} is open: 1 of 1 address answers"
    assert answer["metrics"]["status"] == 200 and answer["metrics"]["trusted"] is True
    assert 58 <= answer["metrics"]["days"] <= 60
    certificate = answer["by"]["certificate"][0]
    assert certificate["facts"]["needed"] == 2 and certificate["facts"]["root"] == "CN=Test Root"
    assert "trusted by way of Test Root" in certificate["sentence"]
    assert answer["by"]["resumption"][0]["grade"] == "good"
    assert answer["by"]["route"][0]["sentence"] == "by eth0 from 10.99.0.2, in the same network"
    assert all("milliseconds" in answer["by"][topic][0] for topic in ("tcp", "tls", "http"))


def test_each_address_is_tried(lab, pki):
    port = lab.serve("tls", pki.bundle("good", "middle"))
    answer = lab.check(f"site.example:{port}", "--resolve", f"site.example:{V4}", "--resolve",
                       f"site.example:{V6}")
    assert answer["code"] == 0 and answer["metrics"]["addresses"] == 2
    assert {f["subject"] for f in answer["by"]["tcp"]} == {f"{V4}:{port}", f"[{V6}]:{port}"}
    assert answer["by"]["tls"][0]["subject"] == f"site.example:{port}"
    assert len(answer["by"]["certificate"]) == len(answer["by"]["http"]) == 1
    answer = lab.check(f"site.example:{port}", "-6", "--resolve", f"site.example:{V6}")
    assert answer["metrics"]["addresses"] == 1 and answer["metrics"]["ipv6"] is True


def test_an_address_needs_no_name(lab, pki):
    port = lab.serve("tls", pki.bundle("good", "middle"))
    assert lab.check(f"https://{V4}:{port}/page?x")["code"] == 0
    answer = lab.check(f"[{V6}]:{port}")
    assert "is not for fd99::1" in bad(answer, "certificate")["sentence"]


# ---- TCP ----

def test_no_listener(lab):
    answer = lab.check("site.example:19999")
    assert answer["code"] == 1 and not answer["open"]
    assert "no program listens on port 19999" in bad(answer, "tcp")["sentence"]
    assert answer["took"] < 2 * PATIENCE


REJECTS = {
    "reject with icmp type port-unreachable": ("rejected by a firewall", 3, 3),
    "reject with icmp type admin-prohibited": ("administratively prohibited", 3, 13),
    "reject with icmp type host-prohibited": ("host prohibited", 3, 10),
    "reject with icmp type net-prohibited": ("network prohibited", 3, 9),
    "reject with icmp type net-unreachable": ("knows no way", 3, 0),
}
REJECTS6 = {
    "reject with icmpv6 type port-unreachable": ("rejected by a firewall", 1, 4),
    "reject with icmpv6 type admin-prohibited": ("administratively prohibited", 1, 1),
    "reject with icmpv6 type no-route": ("knows no way", 1, 0),
}


def test_rejects_are_told_apart(fresh):
    port = 21000
    for family, rejects, address in (("ip", REJECTS, V4), ("ip6", REJECTS6, V6)):
        for rule, (words, kind, code) in rejects.items():
            port += 1
            fresh.server.nft(f"add table {family} t\n"
                             f"add chain {family} t in {{ type filter hook input priority 0; }}\n"
                             f"add rule {family} t in tcp dport {port} {rule}\n")
            answer = fresh.check(f"site.example:{port}", "--resolve", f"site.example:{address}")
            finding = bad(answer, "tcp")
            assert words in finding["sentence"], (rule, finding)
            assert finding["sentence"].startswith("the machine itself says"), finding
            assert finding["facts"]["icmp_type"] == kind and finding["facts"]["icmp_code"] == code
            assert finding["facts"]["refused_by"] == address


def test_a_drop_is_a_timeout_and_port_80_tells_that_the_machine_is_on(fresh):
    fresh.server.nft("table inet t { chain in { type filter hook input priority 0; "
                     "tcp dport 443 drop; udp dport 443 drop; }; }")
    answer = fresh.check("site.example")
    assert "while the machine answers on port 80: a firewall drops" in bad(answer, "tcp")["sentence"]
    fresh.server.nft("table inet u { chain in { type filter hook input priority 0; "
                     "tcp dport 80 drop; }; }")
    answer = fresh.check("site.example")
    assert "or the machine is off" in bad(answer, "tcp")["sentence"]
    assert "gardien open" in answer["mend"]


def test_nobody_there(lab):
    answer = lab.check("10.99.0.77", timeout=8)
    assert "no machine answers at this address in the local network" in \
        bad(answer, "tcp")["sentence"]


def test_no_route(lab):
    answer = lab.check("site.example", "--resolve", "site.example:203.0.113.7")
    assert "this machine has no IPv4 route" in bad(answer, "tcp")["sentence"]


def test_ipv6_that_is_announced_and_does_not_work(fresh, pki):
    fresh.serve("tls", pki.bundle("good", "middle"), port=443)
    fresh.server.nft("table ip6 t { chain in { type filter hook input priority 0; "
                     "tcp dport 443 drop; }; }")
    answer = fresh.check("site.example", "--resolve", f"site.example:{V4}", "--resolve",
                         f"site.example:{V6}")
    assert answer["code"] == 1 and answer["open"]
    assert "DNS announces IPv6, but it does not work" in bad(answer, "ipv6")["sentence"]


def test_ipv6_that_this_machine_lacks_is_no_fault(lab, pki):
    port = lab.serve("tls", pki.bundle("good", "middle"))
    answer = lab.check(f"site.example:{port}", "--resolve", f"site.example:{V4}", "--resolve",
                       "site.example:2001:db8::1")
    assert answer["code"] == 0
    assert [f["grade"] for f in answer["by"]["tcp"]] == ["good", "unknown"]


# ---- a router between ----

@pytest.fixture
def routed(pki):
    """server 10.98.0.1 - router - client 10.97.0.2"""
    with hosts("server", "router", "client") as (server, router, client):
        cable(server, router, ("10.98.0.1/24",), ("10.98.0.254/24",), b_name="eth0")
        cable(client, router, ("10.97.0.2/24",), ("10.97.0.254/24",), b_name="eth1")
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        server.run("ip", "route", "add", "default", "via", "10.98.0.254")
        client.run("ip", "route", "add", "default", "via", "10.97.0.254")
        lab = Lab(server, client, pki)
        lab.router = router
        yield lab


def test_a_router_that_forbids_is_named(routed):
    routed.router.nft("table ip t { chain f { type filter hook forward priority 0; "
                      "tcp dport 443 reject with icmp type admin-prohibited; }; }")
    answer = routed.check("10.98.0.1")
    assert "through 10.97.0.254" in answer["by"]["route"][0]["sentence"]
    finding = bad(answer, "tcp")
    assert finding["sentence"].startswith("10.97.0.254 says: forbidden by a firewall")
    assert finding["facts"]["refused_by"] == "10.97.0.254"


def test_an_mtu_black_hole_is_proven(routed, pki):
    """The router drops what is large and tells nobody."""
    port = routed.serve("tls", pki.bundle("good", "middle", "root"), '{}')
    routed.router.nft("table ip t { chain f { type filter hook forward priority 0; "
                      "ip saddr 10.98.0.1 meta length > 700 drop; }; }")
    answer = routed.check(f"10.98.0.1:{port}", timeout=4 * PATIENCE)
    finding = bad(answer, "tls")
    assert "MTU black hole" in finding["sentence"]
    assert "maxseg" in finding["mend"]


# ---- TLS ----

BEHAVIOURS = {
    "plain": "speaks plain HTTP",
    "strict_plain": "speaks plain HTTP",
    "close": "without a word of TLS",  # a reset where our hello was not read
    "reset": "broken off (reset)",
    "garbage": "neither TLS nor HTTP",
    "banner": 'another service answers here, not a web server: "SSH-2.0-OpenSSH_9.2p1"',
    "endless": "neither TLS nor HTTP",
    "silent": "accepted, then nothing comes",
    "tarpit": "TLS began, but was not finished",
}


@pytest.mark.parametrize("kind", BEHAVIOURS)
def test_what_is_no_tls_gets_its_sentence(lab, kind):
    port = lab.serve(kind)
    answer = lab.check(f"site.example:{port}")
    assert answer["code"] == 1 and not answer["open"]
    assert BEHAVIOURS[kind] in bad(answer, "tls")["sentence"]
    assert first_wrong(answer)["topic"] == "tls"
    if kind not in ("silent", "tarpit"):
        assert answer["took"] < 2 * PATIENCE


def test_a_flood_of_tls_records_ends(lab):
    port = lab.serve("endless_tls")
    answer = lab.check(f"site.example:{port}")
    assert answer["code"] == 1 and bad(answer, "tls")


def gnutls(lab, pki, priority):
    """gnutls-serv with a priority string."""
    port = lab.port = lab.port + 1
    lab.server.start("gnutls-serv", "--http", "--port", port, "--priority", priority,
                     "--x509certfile", pki.bundle("good", "middle"), "--x509keyfile",
                     pki.folder / "good.key", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: lab.client.python(
        f"import socket; socket.create_connection(('{V4}', {port}))", ).returncode == 0
        if listening(lab, port) else False, what="gnutls-serv")
    return port


def listening(lab, port):
    return f":{port} " in lab.server.run("ss", "-ltn").stdout


def s_server(lab, pki, *args):
    port = lab.port = lab.port + 1
    lab.server.start("openssl", "s_server", "-accept", port, "-www", "-cert", pki.folder / "good.pem",
                     "-key", pki.folder / "good.key", "-cert_chain", pki.folder / "middle.pem", *args,
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: listening(lab, port), what="s_server")
    return port


def test_a_name_that_the_server_refuses(lab, pki):
    port = s_server(lab, pki, "-servername", "other.example", "-servername_fatal", "-cert2",
                    pki.folder / "good.pem", "-key2", pki.folder / "good.key")
    answer = lab.check(f"site.example:{port}")
    finding = bad(answer, "tls")
    assert "the server refuses the handshake: unrecognized name" in finding["sentence"]
    assert "does not know the name site.example" in finding["mend"]


@pytest.mark.parametrize("version, topic", [("-tls1_2", "tls"), ("-tls1_3", "http")])
def test_a_server_that_wants_certificates_of_visitors(lab, pki, version, topic):
    port = s_server(lab, pki, version, "-Verify", "1", "-verify_return_error")
    assert "certificates of their own" in bad(lab.check(f"site.example:{port}"), topic)["mend"]


def test_old_versions_alone_are_refused_by_browsers(lab, pki):
    port = gnutls(lab, pki, "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:%COMPAT")
    answer = lab.check(f"site.example:{port}")
    assert "TLSv1.1" in bad(answer, "tls")["sentence"]
    assert answer["metrics"]["tls"] == "1.1"


def test_a_version_is_told(lab, pki):
    port = gnutls(lab, pki, "NORMAL:-VERS-ALL:+VERS-TLS1.2")
    answer = lab.check(f"site.example:{port}")
    assert answer["metrics"]["tls"] == "1.2" and answer["by"]["tls"][0]["grade"] == "good"
    assert answer["by"]["resumption"][0]["grade"] == "good"


# ---- certificates ----

def test_a_wrong_name(lab, pki):
    port = lab.serve("tls", pki.bundle("good", "middle"))
    answer = lab.check(f"other.example:{port}", "--resolve", f"other.example:{V4}")
    finding = bad(answer, "certificate")
    assert finding["sentence"] == \
        "is not for other.example, but for site.example, *.wild.example, 10.99.0.1"
    assert "the certificate: is not for other.example" in answer["verdict"]
    for name, code in (("a.wild.example", 0), ("a.b.wild.example", 1), ("wild.example", 1)):
        assert lab.check(f"{name}:{port}", "--resolve", f"{name}:{V4}")["code"] == code, name


CERTIFICATES = {
    ("old", "middle"): "expired on",
    ("alone",): "self-signed",
    ("stray", "foreign"): 'its chain ends at "Foreign Root", which this machine does not trust',
    ("good",): 'its issuer "Test Intermediate" is neither sent by the server nor known',
    ("linked",): "the chain is incomplete: the server sends 1 certificate",
}


@pytest.mark.parametrize("chain", CERTIFICATES)
def test_each_fault_of_a_certificate(lab, pki, chain):
    port = lab.serve("tls", pki.bundle(*chain))
    answer = lab.check(f"site.example:{port}")
    assert CERTIFICATES[chain] in bad(answer, "certificate")["sentence"]
    assert answer["code"] == 1 and answer["open"] and answer["metrics"]["trusted"] is False
    if chain == ("linked",):
        assert "http://ca.example/middle.der" in answer["mend"]


@pytest.mark.parametrize("revoked, words", [
    (False, "not revoked, by the OCSP response that the server staples"),
    (True, "revoked: the authority took it back")])
def test_a_stapled_answer_is_read(lab, pki, tmp_path, revoked, words):
    leaf, issuer = pki.folder / "good.pem", pki.folder / "middle.pem"
    serial = run("openssl", "x509", "-in", leaf, "-noout", "-serial").stdout.split("=")[1].strip()
    end = time.strftime("%y%m%d%H%M%SZ", time.gmtime(time.time() + 86400 * 60))
    index, answer = tmp_path / "index", tmp_path / "answer"
    index.write_text(f"R\t{end}\t{end[:2]}0101000000Z\t{serial}\tunknown\t/CN=site.example\n"
                     if revoked else f"V\t{end}\t\t{serial}\tunknown\t/CN=site.example\n")
    run("openssl", "ocsp", "-index", index, "-rsigner", issuer, "-rkey", pki.folder / "middle.key",
        "-CA", issuer, "-issuer", issuer, "-cert", leaf, "-ndays", "2", "-respout", answer, "-no_nonce",
        check=True)
    port = s_server(lab, pki, "-status_file", answer)
    found = lab.check(f"site.example:{port}")["by"]["certificate"]
    assert [f["grade"] for f in found if f["sentence"] == words] == ["bad" if revoked else "good"]
    assert found[-1]["facts"]["revocation"] == "stapled"


def test_a_renewal_that_is_due_is_a_warning(lab, pki):
    port = lab.serve("tls", pki.bundle("soon", "middle"))
    answer = lab.check(f"site.example:{port}")
    assert answer["code"] == 0 and answer["metrics"]["days"] == 2
    assert "in 2 days: its renewal is due" in answer["verdict"]
    assert lab.check(f"site.example:{port}", "--expect", "days>14")["code"] == 1


def test_two_certificates_on_two_addresses_are_both_judged(lab, pki):
    port = lab.serve("tls", pki.bundle("good", "middle"))
    lab.server.run("ip", "addr", "add", "10.99.0.3/24", "dev", "eth0")
    lab.server.run("ip", "netns", check=False)
    other = lab.serve("tls", pki.bundle("alone"))
    lab.server.nft(f"table ip n {{ chain p {{ type nat hook prerouting priority -100; "
                   f"ip daddr 10.99.0.3 tcp dport {port} redirect to :{other}; }}; }}")
    answer = lab.check(f"site.example:{port}", "--resolve", f"site.example:{V4}", "--resolve",
                       "site.example:10.99.0.3")
    finding = bad(answer, "certificate")
    assert finding["subject"] == f"10.99.0.3:{port}" and "self-signed" in finding["sentence"]


# ---- HTTP ----

INSIDE = {
    "mute": "no answer to the request comes",
    "close": "closed without an answer",
    "garbage": "something that is not HTTP",
    "endless": "a header without end",
}


@pytest.mark.parametrize("kind", INSIDE)
def test_what_is_no_http_gets_its_sentence(lab, pki, kind):
    port = lab.serve("tls", pki.bundle("good", "middle"), kind)
    answer = lab.check(f"site.example:{port}")
    assert INSIDE[kind] in bad(answer, "http")["sentence"]
    assert answer["code"] == 1 and not answer["open"]


@pytest.mark.parametrize("status, grade, code", [("204 Fine", "good", 0), ("403 No", "note", 0),
                                                 ("404 No", "warning", 0), ("502 Bad", "bad", 1)])
def test_a_status_has_its_grade(lab, pki, status, grade, code):
    port = lab.serve("tls", pki.bundle("good", "middle"), json.dumps({"*": status}))
    answer = lab.check(f"site.example:{port}")
    assert answer["by"]["http"][0]["grade"] == grade and answer["code"] == code
    assert answer["metrics"]["status"] == int(status[:3])


def test_redirects_are_followed_and_bounded(lab, pki):
    answers = {"/": "302 Found\r\nLocation: /a", "/a": "301 M\r\nLocation: b?c", "/b?c": "200 OK",
               "/loop": "302 F\r\nLocation: /loop2", "/loop2": "302 F\r\nLocation: /loop",
               "/mail": "302 F\r\nLocation: mailto:a@b",
               **{f"/n{i}": f"302 F\r\nLocation: /n{i + 1}" for i in range(20)}}
    port = lab.serve("tls", pki.bundle("good", "middle"), json.dumps(answers))
    answer = lab.check(f"site.example:{port}")
    assert [f["sentence"] for f in answer["by"]["redirect"]] == \
        ["302 leads to /a, which answers 301", "301 leads to b?c, which answers 200"]
    for path, words in (("loop", "in a circle"), ("n0", "more than five"), ("mail", "no address of")):
        answer = lab.check(f"https://site.example:{port}/{path}")
        assert words in bad(answer, "redirect")["sentence"]


def test_hsts(lab, pki):
    for value, words in (("max-age=31536000", "for 365 days"),
                         ("max-age=31536000; includeSubDomains; preload", "subdomains too"),
                         ("max-age=300; preload", "does not fulfil"), ("x", "no valid max-age")):
        port = lab.serve("tls", pki.bundle("good", "middle"),
                         json.dumps({"*": f"200 OK\r\nStrict-Transport-Security: {value}"}))
        assert words in lab.check(f"site.example:{port}")["by"]["hsts"][0]["sentence"]


def test_port_80_redirects_or_not(fresh, pki):
    fresh.serve("tls", pki.bundle("good", "middle"), port=443)
    answer = fresh.check("site.example")
    assert "nothing answers on port 80" in answer["by"]["port-80"][0]["sentence"]
    fresh.serve("redirect", "https://site.example/", port=80)
    answer = fresh.check("site.example")
    assert answer["by"]["port-80"][0]["grade"] == "good"
    assert answer["metrics"]["redirect80"] is True


def test_http2_that_is_agreed_on_and_fails(lab, pki):
    port = lab.serve("tls", pki.bundle("good", "middle"), "", "h2,http/1.1")
    answer = lab.check(f"site.example:{port}")
    assert "requests fail over it; over HTTP/1.1 they work" in bad(answer, "http2")["sentence"]
    assert answer["open"] and answer["metrics"]["http"] == "1.1"


def test_http3_promised_and_not_there(lab, pki):
    port = lab.port + 1
    lab.serve("tls", pki.bundle("good", "middle"),
              json.dumps({"*": f'200 OK\r\nAlt-Svc: h3=":{port}"; ma=60'}), port=port)
    answer = lab.check(f"site.example:{port}")
    assert answer["by"]["http3"][0]["grade"] == "warning" and answer["metrics"]["h3"] is False
    assert "Alt-Svc promises HTTP/3, but UDP port" in answer["verdict"]
    lab.serve("quic", port=port)
    answer = lab.check(f"site.example:{port}")
    assert "QUIC version 1 and 2" in answer["by"]["http3"][0]["sentence"]
    assert answer["metrics"]["h3"] is True


def test_our_own_server_over_http2(start, pki):
    """gardien's own server, its local CA trusted and not."""
    server = start()
    trust = {**sanitizer_env(), "SSL_CERT_FILE": server.state / "local-ca" / "ca.pem"}
    result = run(BINARY, "check", f"localhost:{server.https}", "--json", env=trust)
    answer = json.loads(result.stdout)
    assert result.returncode == 0, answer["verdict"]
    assert answer["metrics"]["http"] == "2" and answer["metrics"]["resumed"] is True
    result = run(BINARY, "check", f"localhost:{server.https}", "--state", server.state,
                 env={**sanitizer_env(), "SSL_CERT_FILE": pki.root})
    assert result.returncode == 1 and "gardien cert trust" in result.stdout.splitlines()[-1]


def test_a_redirect_to_another_host_is_followed_by_its_name(lab, pki, dns):
    port = lab.serve("tls", pki.bundle("good", "middle"))
    other = lab.serve("tls", pki.bundle("good", "middle"), json.dumps(
        {"*": f"301 M\r\nLocation: https://four.example:{port}/x"}))
    answer = lab.check(f"site.example:{other}", *dns, "-4")
    assert answer["by"]["redirect"][0]["sentence"].endswith(":%d/x, which answers 200" % port)
    gone = lab.serve("tls", pki.bundle("good", "middle"), json.dumps(
        {"*": "301 M\r\nLocation: https://gone.example/"}))
    answer = lab.check(f"site.example:{gone}", *dns, "-4")
    assert "its name has no address" in bad(answer, "redirect")["sentence"]


# ---- names ----

ZONE = {
    "site.example": {"A": [V4], "AAAA": [V6], "CAA": ["issue ca.example"],
                     "HTTPS": ["00010000010006026833026832"]},  # priority 1, alpn h3 and h2
    "www.example": {"CNAME": "site.example"},
    "empty.example": {},
    "broken.example": {"rcode": 2},
    "silent.example": {"mode": "silent"},
    "nonsense.example": {"mode": "nonsense"},
    "loop.example": {"mode": "loop"},
    "long.example": {"mode": "long", "A": [V4]},
    "circle.example": {"CNAME": "circle.example"},
    "four.example": {"A": [V4]},
}


@pytest.fixture(scope="module")
def dns(lab):
    lab.serve("dns", json.dumps(ZONE), port=53)
    return ["--dns", V4]


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
    assert answer["mend"] == 'add the record: CAA 0 issue "letsencrypt.org"'
    assert "caa" not in lab.check(f"four.example:{port}", *dns)["by"]


NAMES = {
    "gone.example": "no such name",
    "empty.example": "has no address",
    "broken.example": "SERVFAIL",
    "silent.example": "no DNS server answered in time",
    "nonsense.example": "no DNS server answered in time",
    "loop.example": "no DNS server answered in time",
    "circle.example": "has no address",
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
        assert "/etc/hosts" in warning["mend"]
        answer = lab.check("only.example:1", "--resolve", "unused.example:1.2.3.4")
        assert any("only this machine's own resolver knows it" in f["sentence"]
                   for f in answer["by"]["name"])


# ---- faces ----

def plain_run(lab, *args, env=None):
    return lab.client.run(BINARY, "check", *args, check=False, seconds=60, env={
        **sanitizer_env(), "SSL_CERT_FILE": lab.pki.root, "SSL_CERT_DIR": "/nonexistent",
        **(env or {})})


def test_the_last_lines_say_what_is_wrong_and_the_mend(lab):
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
        fresh.server.nft("table ip t { chain in { type filter hook input priority 0; "
                         "tcp dport 443 reject with icmp type admin-prohibited; }; }")
        wait_until(lambda: "prohibited" in output.read_text()[len(first):], what="the change")
        fresh.server.run("nft", "delete", "table", "ip", "t")
        wait_until(lambda: output.read_text().rstrip().endswith("1 of 1 address answers"),
                   what="the way back")
        watch.terminate()
        watch.wait(10 * PATIENCE)
    changes = output.read_text()[len(first):]
    assert first.count("certificate") == 1 and "certificate" not in changes.splitlines()[0]


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
    subjects = {f["subject"] for f in answer["visit"]["findings"] if f["topic"] == "tcp"}
    assert subjects == {f"{V4}:443", f"[{V6}]:443"}
    fresh.server.nft("table ip6 t { chain in { type filter hook input priority 0; "
                     "iif lo accept; tcp dport 443 drop; }; }")
    answer = here(fresh)
    assert "closed to strangers over IPv6" in answer["verdict"]
    assert "gardien open 443" in answer["mend"]
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
            answer = lab.check("site.example", "--dns", V4, timeout=10)
        finally:
            line.kill()
            line.wait()
            line.stdout.close()
    assert answer["open"], answer["verdict"]
    assert answer["metrics"]["rtt_milliseconds"] >= 100
    assert answer["milliseconds"] < 6 * 100 + 100 * PATIENCE
