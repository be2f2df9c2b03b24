"""TLS as OpenSSL's, GnuTLS's and Python's clients see it: versions, ciphers, certificates by name,
tickets, key updates, several ports, the PROXY protocol."""

import json
import re
import socket
import ssl
import struct
import subprocess
import time

import pytest

from lib import (PATIENCE, anything_goes, free_port, have, make_certificate, parse_answer, read_all,
                 read_answer, run, wait_until)

GET = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
KINDS = {"ec": "ec:prime256v1", "rsa": "rsa:2048", "p384": "ec:secp384r1", "ed25519": "ed25519"}
SITES = {  # site -> kinds of its certificates
    "both.example": ("ec", "rsa"), "p384.example": ("p384",), "ed.example": ("ed25519",),
    "rsa.example": ("rsa",), "*.wild.example": ("ec",), "exact.wild.example": ("ec",)}
SUITES_12 = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
             "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256",
             "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305")
SUITES_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


def stem(name):
    return name.replace("*", "star")


def many_sites(server):
    """Settings with a site for each kind of certificate, three HTTPS ports, JSON access log."""
    sites = [{"names": ["localhost", "127.0.0.1"], "files": str(server.public)}]
    for name, kinds in SITES.items():
        pairs = [make_certificate(server.folder, f"{stem(name)}-{kind}", [name], KINDS[kind])
                 for kind in kinds]
        sites.append({"names": [name], "files": str(server.public),
                      "certificate": [{"file": str(file), "key": str(key)} for file, key in pairs]})
    server.more_ports = [free_port(), free_port()]
    server.access = server.folder / "access.json"
    return {"sites": sites, "workers": 2, "logs": {"access": str(server.access), "format": "json"},
            "listen": {"https": [f"127.0.0.1:{port}" for port in (server.https, *server.more_ports)],
                       "http": [f"127.0.0.1:{server.http}"]}}


@pytest.fixture(scope="module")
def tls(start_shared):
    return start_shared(many_sites)


@pytest.fixture(scope="module")
def strict(start_shared):
    """TLS 1.3 only, and only for names that it has."""
    return start_shared(lambda server: {
        "sites": [{"names": ["localhost"], "files": str(server.public)}],
        "tls": {"profile": "modern", "strict_sni": True}})


def chain(server, name, kind):
    return server.folder / f"{stem(name)}-{kind}.pem"


def log_entries(server):
    return [json.loads(line) for line in server.access.read_text().splitlines()]


def talk(server, steps, *args, name="localhost", pause=0.25):
    """s_client with its one-letter commands: each step is sent a pause after the last."""
    process = subprocess.Popen(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{server.https}", "-servername", name,
         "-CAfile", str(server.ca), *args], text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    with process:
        try:
            for step in steps:
                time.sleep(pause * PATIENCE)
                process.stdin.write(step)
                process.stdin.flush()
            time.sleep(pause * PATIENCE)
            output = process.communicate(timeout=20 * PATIENCE)[0]
        except BrokenPipeError:
            output = process.stdout.read()
        finally:
            process.kill()
    return output


# ---- versions and ciphers ----


@pytest.mark.parametrize("option, version", [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_both_versions_are_served_verified_without_compression(tls, option, version):
    report = tls.s_client(option, input=GET, name="localhost").stdout
    assert f"New, {version}" in report and "Verify return code: 0 (ok)" in report
    assert "Compression: NONE" in report
    assert "Temp Key: X25519" in report or "X25519MLKEM768" in report


@pytest.mark.parametrize("option", ["-tls1", "-tls1_1"])
def test_older_versions_are_refused_with_an_alert(tls, option):
    result = tls.s_client(option, "-cipher", "ALL:@SECLEVEL=0")
    assert "Cipher is (NONE)" in result.stdout
    assert "alert protocol version" in result.stderr


def test_suites_of_tls12_are_those_of_the_intermediate_profile(tls):
    for suite in SUITES_12:
        report = tls.s_client("-tls1_2", "-cipher", suite, name="both.example").stdout
        assert f"Cipher is {suite}" in report, suite
    for suite in ("AES128-GCM-SHA256", "AES128-SHA", "ECDHE-RSA-AES128-SHA256",
                  "ECDHE-ECDSA-AES256-SHA", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-NULL-SHA",
                  "aNULL"):
        result = tls.s_client("-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0", name="both.example")
        assert "Cipher is (NONE)" in result.stdout, suite
        assert "handshake failure" in result.stderr, suite


@pytest.mark.parametrize("suite", SUITES_13)
def test_suites_of_tls13_carry_a_page(tls, suite):
    report = tls.s_client("-tls1_3", "-ciphersuites", suite, "-ign_eof", input=GET).stdout
    assert f"Cipher is {suite}" in report and "200 OK" in report


def test_a_client_that_likes_chacha_best_gets_it(tls):
    report = tls.s_client("-tls1_2", "-cipher", ":".join(reversed(SUITES_12)),
                          name="both.example").stdout
    assert "CHACHA20" in report
    report = tls.s_client("-tls1_3", "-ciphersuites", ":".join(reversed(SUITES_13))).stdout
    assert "Cipher is TLS_CHACHA20_POLY1305_SHA256" in report


@pytest.mark.parametrize("groups, used", [("P-256", "P-256|prime256v1"), ("P-384", "P-384|secp384r1"),
                                          ("X448:P-256", "P-256|prime256v1")])
def test_key_exchange_groups_and_a_second_try(tls, groups, used):
    result = tls.s_client("-tls1_3", "-groups", groups, "-msg", input=GET)
    assert re.search(f"Temp Key: ECDH, ({used})", result.stdout)
    assert len(re.findall("ClientHello", result.stdout)) == 1 + groups.startswith("X448")


def test_post_quantum_key_exchange_where_openssl_has_it(tls):
    if ssl.OPENSSL_VERSION_INFO < (3, 5):
        pytest.skip(f"{ssl.OPENSSL_VERSION} has no X25519MLKEM768")
    report = tls.s_client("-tls1_3", "-groups", "X25519MLKEM768", input=GET).stdout
    assert "X25519MLKEM768" in report and "Verify return code: 0 (ok)" in report


def test_modern_profile_is_tls13_only(strict):
    assert "New, TLSv1.3" in strict.s_client().stdout
    assert "alert protocol version" in strict.s_client("-tls1_2").stderr


# ---- certificates ----


def test_own_certificate_is_ecdsa_p256_from_the_local_ca(tls):
    text = run("openssl", "x509", "-noout", "-text", input=tls.s_client().stdout).stdout
    assert "NIST CURVE: P-256" in text and "ecdsa-with-SHA256" in text
    assert "DNS:localhost" in text and "IP Address:127.0.0.1" in text


@pytest.mark.parametrize("option", ["-tls1_2", "-tls1_3"])
def test_kind_of_certificate_follows_the_clients_offer(tls, option):
    for offer, kind in (("ECDSA+SHA256", "ec"), ("RSA-PSS+SHA256", "rsa")):
        report = tls.s_client(option, "-sigalgs", offer, "-CAfile", chain(tls, "both.example", kind),
                              name="both.example").stdout
        assert "Verify return code: 0 (ok)" in report, report
        signature = "ECDSA" if kind == "ec" else "RSA.PSS"  # OpenSSL 3.5: rsa_pss_rsae_sha256
        assert re.search(f"(?i)Peer signature type: {signature}", report)
    either = tls.s_client(option, "-CAfile", chain(tls, "both.example", "ec"), name="both.example")
    assert re.search("(?i)Peer signature type: ECDSA", either.stdout)


@pytest.mark.parametrize("option", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("name, kind, signature", [
    ("p384.example", "p384", "ECDSA"), ("ed.example", "ed25519", "Ed25519"),
    ("rsa.example", "rsa", "RSA.PSS")])  # OpenSSL 3.5 says rsa_pss_rsae_sha256
def test_other_kinds_of_keys(tls, option, name, kind, signature):
    report = tls.s_client(option, "-CAfile", chain(tls, name, kind), "-verify_hostname", name,
                          name=name).stdout
    assert "Verify return code: 0 (ok)" in report
    assert re.search(f"(?i)Peer signature type: {signature}", report)


def test_rsa_signs_pkcs1_for_clients_without_pss(tls):
    report = tls.s_client("-tls1_2", "-sigalgs", "RSA+SHA256", name="rsa.example").stdout
    assert re.search("Peer signature type: (RSA|rsa_pkcs1_sha256)\n", report)
    assert "Cipher is ECDHE-RSA" in report


@pytest.mark.parametrize("asked, got", [
    ("localhost", "localhost"), ("LocalHost", "localhost"), ("a.wild.example", "*.wild.example"),
    ("exact.wild.example", "exact.wild.example"), ("EXACT.wild.example", "exact.wild.example"),
    ("a.b.wild.example", "localhost"), ("wild.example", "localhost"),
    ("unknown.example", "localhost")])
def test_name_picks_the_certificate(tls, asked, got):
    report = run("openssl", "x509", "-noout", "-ext", "subjectAltName",
                 input=tls.s_client(name=asked).stdout).stdout
    assert f"DNS:{got}" in report


def test_no_name_gets_the_default_site(tls):
    result = run("openssl", "s_client", "-connect", f"127.0.0.1:{tls.https}", "-noservername",
                 "-CAfile", tls.ca, "-verify_ip", "127.0.0.1")
    assert "Verify return code: 0 (ok)" in result.stdout


@pytest.mark.parametrize("name", [["-servername", "unknown.example"], ["-noservername"]])
def test_strict_refuses_unknown_and_missing_names(strict, name):
    result = run("openssl", "s_client", "-connect", f"127.0.0.1:{strict.https}", *name)
    assert "unrecognized name" in result.stderr and "BEGIN CERTIFICATE" not in result.stdout
    assert "BEGIN CERTIFICATE" in strict.s_client().stdout


# ---- ALPN ----


@pytest.mark.parametrize("offer, chosen", [
    (["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1"),
    (["spdy/3", "http/1.1"], "http/1.1"), ([], None)])
def test_alpn(tls, offer, chosen):
    with tls.tls(alpn=offer) as peer:
        assert peer.selected_alpn_protocol() == chosen


def test_alpn_without_common_protocol_is_refused(tls):
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        tls.tls(alpn=["smtp"])


# ---- tickets ----


def workers_seen(server, last):
    """How many workers wrote the last lines of the access log: a request id begins with theirs."""
    return len({entry["request_id"][:16] for entry in log_entries(server)[-last:]})


@pytest.mark.parametrize("option", ["-tls1_2", "-tls1_3"])
def test_resumption_works_across_workers_and_reloads(tls, option):
    session = tls.folder / f"session{option}"
    first = tls.s_client(option, "-ign_eof", "-sess_out", session, input=GET)
    assert "New, " in first.stdout and session.exists()
    lines = len(log_entries(tls))
    for round in ("before", "after"):
        for _ in range(12):
            again = tls.s_client(option, "-ign_eof", "-sess_in", session, input=GET).stdout
            assert "Reused, " in again and "200 OK" in again, round
            assert "Verify return code: 0 (ok)" in again
        if round == "before":
            assert tls.cli("reload").returncode == 0
    wait_until(lambda: len(log_entries(tls)) >= lines + 24, what="24 lines in the access log")
    assert all(entry["resumed"] for entry in log_entries(tls)[-24:])
    assert workers_seen(tls, 24) == 2


def test_a_forged_ticket_leads_to_a_full_handshake(tls):
    session = tls.folder / "forged"
    tls.s_client("-tls1_2", "-sess_out", session, input=GET)
    der = bytearray(run_bytes("openssl", "sess_id", "-in", session, "-outform", "DER"))
    at = der.rindex(b"\x04\x81") if b"\x04\x81" in der else len(der) - 60
    for flip in (at + 20, at + 100):
        if flip < len(der):
            der[flip] ^= 1
    forged = tls.folder / "forged.pem"
    forged.write_bytes(run_bytes("openssl", "sess_id", "-inform", "DER", input=bytes(der)))
    report = tls.s_client("-tls1_2", "-sess_in", forged).stdout
    assert "New, TLSv1.2" in report and "Verify return code: 0 (ok)" in report


def run_bytes(*command, input=None):
    return subprocess.run([str(word) for word in command], input=input, capture_output=True,
                          check=True, timeout=20 * PATIENCE).stdout


def test_exactly_one_ticket_follows_each_tls13_handshake(tls):
    session = tls.folder / "ticket"
    full = tls.s_client("-tls1_3", "-msg", "-ign_eof", "-sess_out", session, input=GET).stdout
    resumed = tls.s_client("-tls1_3", "-msg", "-ign_eof", "-sess_in", session, input=GET).stdout
    assert "New, " in full and "Reused, " in resumed
    for report in (full, resumed):
        assert len(re.findall("NewSessionTicket", report)) == 1
        assert "Max Early Data: 0" in report  # 0-RTT is off


def test_early_data_is_not_taken(tls):
    session, early = tls.folder / "early", tls.folder / "early.txt"
    early.write_text(GET)
    tls.s_client("-tls1_3", "-ign_eof", "-sess_out", session, input=GET)
    report = tls.s_client("-tls1_3", "-sess_in", session, "-early_data", early).stdout
    assert "Early data was accepted" not in report


# ---- after the handshake ----


def test_renegotiation_is_refused(tls):
    report = talk(tls, ["R\n"], "-tls1_2")
    assert "RENEGOTIATING" in report
    assert "no renegotiation" in report


def test_key_updates_of_either_kind(tls):
    lines = GET.replace("\r\n", "\n")
    report = talk(tls, ["k\n", "K\n", "K\n", "k\n", lines], "-tls1_3", "-msg", "-crlf")
    assert len(re.findall(r">>> TLS 1.3, Handshake \[length \w+\], KeyUpdate", report)) == 4
    assert len(re.findall(r"<<< TLS 1.3, Handshake \[length \w+\], KeyUpdate", report)) == 2
    assert "HTTP/1.1 200 OK" in report and "hello" in report


class Memory:
    """A TLS client whose bytes pass through our hands."""

    def __init__(self, server, version=None, name="localhost"):
        context = anything_goes()
        if version:
            context.minimum_version = context.maximum_version = version
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        self.socket = server.tcp()

    def handshake(self, send, hold_last=False):
        """Shakes hands; send(bytes) puts each flight on the wire, but not a last one to be held."""
        while True:
            try:
                self.tls.do_handshake()
                if not hold_last:
                    send(self.outgoing.read())
                return
            except ssl.SSLWantReadError:
                send(self.outgoing.read())
                self.incoming.write(self.socket.recv(65536))

    def read(self):
        """One answer, as far as its first piece goes."""
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                self.incoming.write(self.socket.recv(65536))

    def close(self):
        self.socket.close()


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
def test_handshake_byte_by_byte(tls, version):
    peer = Memory(tls, version)
    peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def drip(data):
        for at in range(len(data)):
            peer.socket.send(data[at:at + 1])

    peer.handshake(drip)
    peer.tls.write(GET.encode())
    drip(peer.outgoing.read())
    assert peer.read().startswith(b"HTTP/1.1 200")
    peer.close()


def test_client_hello_in_several_records(tls):
    protocols = ",".join(f"proto{i:03}" for i in range(100)) + ",http/1.1"
    report = tls.s_client("-max_send_frag", "512", "-alpn", protocols, input=GET).stdout
    assert "ALPN protocol: http/1.1" in report and "Verify return code: 0 (ok)" in report


def test_request_in_the_same_segment_as_the_end_of_the_handshake(tls):
    peer = Memory(tls, ssl.TLSVersion.TLSv1_3)
    peer.handshake(peer.socket.sendall, hold_last=True)
    peer.tls.write(GET.encode())
    peer.socket.sendall(peer.outgoing.read())
    assert peer.read().startswith(b"HTTP/1.1 200")
    peer.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_forged_record_ends_the_connection(tls, version):
    peer = Memory(tls, version)
    peer.handshake(peer.socket.sendall)
    peer.tls.write(GET.encode())
    data = bytearray(peer.outgoing.read())
    data[-1] ^= 1
    peer.socket.sendall(data)
    with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
        peer.read()
    assert peer.socket.recv(1) == b""
    peer.close()


@pytest.mark.parametrize("junk", [b"\0" * 300, b"\x16\x03\x01\xff\xff" + b"\1" * 300,
                                  b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", b"SSH-2.0-x\r\n"])
def test_junk_ends_the_connection_and_nothing_else(tls, junk):
    with tls.tcp() as peer:
        peer.sendall(junk)
        peer.shutdown(socket.SHUT_WR)
        assert b"200 OK" not in read_all(peer)
    assert tls.curl("/").status == 200


def test_end_of_tls_is_said_and_waited_for(tls):
    """close_notify comes after the answer: a client can tell a whole answer from a cut one."""
    for version in VERSIONS:
        peer = Memory(tls, version)
        peer.handshake(peer.socket.sendall)
        peer.tls.write(GET.encode())
        peer.socket.sendall(peer.outgoing.read())
        got = b""
        while True:  # ends with close_notify, or fails with an EOF in violation of protocol
            piece = peer.read()
            if not piece:
                break
            got += piece
        assert b"hello" in got
        peer.close()


# ---- another implementation ----


@pytest.mark.skipif(not have("gnutls-cli"), reason="gnutls-cli is not installed")
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_gnutls_verifies_resumes_and_changes_keys(tls, version):
    command = ["gnutls-cli", "--x509cafile", tls.ca, "--port", tls.https, "--priority",
               f"NORMAL:-VERS-ALL:+VERS-TLS{version}", "localhost"]
    resumed = run(*command, "--resume", "--waitresumption", input=GET)
    assert "The certificate is trusted" in resumed.stdout and resumed.returncode == 0
    assert "This is a resumed session" in resumed.stdout
    if version == "1.3":
        rekeyed = run(*command, "--inline-commands", input="^rekey^\n" + GET)
        assert "HTTP/1.1 200 OK" in rekeyed.stdout, rekeyed.stdout + rekeyed.stderr


# ---- ports ----


def test_every_https_port_serves(tls):
    for port in (tls.https, *tls.more_ports):
        answer = run("curl", "-sS", "--cacert", tls.ca, "-w", "%{http_version}", "--resolve",
                     f"localhost:{port}:127.0.0.1", f"https://localhost:{port}/")
        assert "hello" in answer.stdout and answer.stdout.endswith("2")


def test_plain_http_on_a_tls_port_is_sent_to_https(tls):
    for port in (tls.https, tls.more_ports[1]):
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"GET /a?b=c HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            head = read_all(peer).partition(b"\r\n\r\n")[0]
        answer = parse_answer(head, b"")
        assert answer.status == 308
        assert answer.headers["location"] == f"https://localhost:{port}/a?b=c"


# ---- the PROXY protocol ----

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def proxy_v2(family, address=b"", command=1, tlvs=b""):
    body = address + tlvs
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(body)) + body


V4 = socket.inet_aton("203.0.113.9") + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 4711, 443)
V6 = (socket.inet_pton(socket.AF_INET6, "2001:db8::7")
      + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + struct.pack("!HH", 4712, 443))


def behind_balancer(*trusted):
    def settings(server):
        server.access = server.folder / "access.json"
        server.bare = free_port()
        addresses = [f"127.0.0.1:{server.https}", f"127.0.0.1:{server.http}"]
        return {"sites": [{"names": ["localhost"], "files": str(server.public)}],
                "workers": 1,  # the lines of one come in order
                "listen": {"https": [f"127.0.0.1:{server.bare}", addresses[0]],
                           "http": [addresses[1]],
                           "proxy_protocol": {"on": addresses, "from": list(trusted)}},
                "logs": {"access": str(server.access), "format": "json"}}
    return settings


def start_behind(start, *trusted):
    """Ready means something else here: a handshake alone gets no answer on such a port."""
    server = start(behind_balancer(*trusted), wait=False)
    server.wait_output("^ready")
    return server


def speak_proxy(server, header, pieces=1, secure=True):
    """A GET behind a PROXY header, in so many pieces; the answer's bytes ("" when refused)."""
    with server.tcp(secure) as bare:
        bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        step = max(1, len(header) // pieces)
        try:
            for at in range(0, len(header), step):
                bare.sendall(header[at:at + step])
            if not secure:
                bare.sendall(GET.encode())
                return read_all(bare)
            with anything_goes().wrap_socket(bare, server_hostname="localhost") as peer:
                peer.sendall(GET.encode())
                return read_all(peer)
        except (ConnectionError, ssl.SSLError):
            return b""


def test_proxy_protocol_tells_the_clients_address(start):
    server = start_behind(start, "127.0.0.0/8")
    cases = [
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n", "203.0.113.9", 4711),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4712 443\r\n", "2001:db8::7", 4712),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "127.0.0.1", None),
        (proxy_v2(0x11, V4), "203.0.113.9", 4711),
        (proxy_v2(0x21, V6), "2001:db8::7", 4712),
        (proxy_v2(0x11, V4, tlvs=b"\x04\x00\x05hello"), "203.0.113.9", 4711),
        (proxy_v2(0x00, command=0), "127.0.0.1", None),  # LOCAL: the balancer's own check
    ]
    for pieces in (1, 100):
        for header, _, _ in cases:
            assert b"200 OK" in speak_proxy(server, header, pieces), header
    for header, _, _ in cases:  # in one segment with what follows
        with server.tcp(False) as peer:
            peer.sendall(header + GET.encode())
            assert b"308" in read_all(peer)
    wait_until(lambda: len(log_entries(server)) >= 3 * len(cases), what="the access log")
    for entry, (header, address, port) in zip(log_entries(server), 3 * cases):
        assert entry["client"] == address, header
        assert port is None or entry["client_port"] == port
    assert b"308" in speak_proxy(server, cases[0][0], secure=False)
    curl = run("curl", "-sS", "--haproxy-protocol", "--cacert", server.ca, "--resolve",
               f"localhost:{server.https}:127.0.0.1", server.url("/"))
    assert "hello" in curl.stdout
    bare = run("curl", "-sS", "--cacert", server.ca, "--resolve",
               f"localhost:{server.bare}:127.0.0.1", f"https://localhost:{server.bare}/")
    assert "hello" in bare.stdout, "ports that did not ask for the header serve as ever"


@pytest.mark.parametrize("header", [
    b"", b"PROXY TCP4 203.0.113.9\r\n", b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 99999\r\n",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2" + b" " * 100 + b"\r\n", b"PROXY TCP5 1 2 3 4\r\n",
    b"proxy tcp4 203.0.113.9 192.0.2.1 4711 443\r\n", proxy_v2(0x11, V4[:5]),
    SIGNATURE + b"\x31\x11\0\x0c" + V4, SIGNATURE + b"\x21\x11\xff\xff" + V4])
def test_broken_or_missing_proxy_headers_are_refused(start_shared, header, cache={}):
    if "server" not in cache:
        cache["server"] = start_behind(start_shared, "127.0.0.1")
    with cache["server"].tcp() as bare:
        bare.sendall(header)
        if not header.startswith(b"P") or header.endswith(b"\n"):
            bare.sendall(b"\x16\x03\x01\x02\x00" + b"\1" * 600)
        assert read_all(bare) == b""
    assert b"200 OK" in speak_proxy(cache["server"], proxy_v2(0x11, V4))


def test_proxy_headers_of_strangers_are_refused(start):
    server = start_behind(start, "192.0.2.0/24", "2001:db8::/32")
    assert speak_proxy(server, proxy_v2(0x11, V4)) == b""
    assert speak_proxy(server, b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n") == b""
    assert b"308" not in speak_proxy(server, proxy_v2(0x11, V4), secure=False)
    assert "203.0.113.9" not in (server.access.read_text() if server.access.exists() else "")


# ---- keep-alive over TLS ----


@pytest.mark.parametrize("version", VERSIONS)
def test_many_requests_on_one_connection(tls, version):
    context = ssl.create_default_context(cafile=str(tls.ca))
    context.minimum_version = context.maximum_version = version
    with tls.tls(context=context) as peer:
        for _ in range(50):
            peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read_answer(peer).status == 200
