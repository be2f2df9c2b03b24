"""`gardien check`: what is wrong with TCP, TLS, the certificate or HTTP gets its sentence, within a
bounded time."""

import json
import subprocess
import time

import pytest
from check_lab import Lab, V4, V6, bad, dns, first_wrong, fresh, lab, pki  # fixtures, too
from lib import BINARY, PATIENCE, run, sanitizer_env, wait_until
from netns import cable, can_make_hosts, hosts

pytestmark = pytest.mark.skipif(not can_make_hosts(), reason="takes the right to make namespaces")


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
    # Linux sends six such messages to a peer, then one a second.
    fresh.server.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
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
    assert "gardien open" in answer["hint"]


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
    assert "maxseg" in finding["hint"]


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
    assert "does not know the name site.example" in finding["hint"]


@pytest.mark.parametrize("version, topic", [("-tls1_2", "tls"), ("-tls1_3", "http")])
def test_a_server_that_wants_certificates_of_visitors(lab, pki, version, topic):
    port = s_server(lab, pki, version, "-Verify", "1", "-verify_return_error")
    assert "certificates of their own" in bad(lab.check(f"site.example:{port}"), topic)["hint"]


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
        assert "http://ca.example/middle.der" in answer["hint"]


LIST_PORT, RESPONDER_PORT = 8089, 8090  # on the server's own address in its namespace


def serial_of(pki, leaf):
    return run("openssl", "x509", "-in", pki.folder / f"{leaf}.pem", "-noout",
               "-serial").stdout.split("=")[1].strip()


def index_of(folder, serial, revoked):
    """An index as `openssl ca` and `openssl ocsp` keep it, with one certificate."""
    end = time.strftime("%y%m%d%H%M%SZ", time.gmtime(time.time() + 86400 * 60))
    index = folder / "index"
    index.write_text(f"R\t{end}\t{end[:2]}0101000000Z\t{serial}\tunknown\t/CN=site.example\n"
                     if revoked else f"V\t{end}\t\t{serial}\tunknown\t/CN=site.example\n")
    return index


@pytest.mark.parametrize("revoked, words", [
    (False, "not revoked, by the OCSP response that the server staples"),
    (True, "revoked: the authority took it back")])
def test_a_stapled_answer_is_read(lab, pki, tmp_path, revoked, words):
    leaf, issuer = pki.folder / "good.pem", pki.folder / "middle.pem"
    index, answer = index_of(tmp_path, serial_of(pki, "good"), revoked), tmp_path / "answer"
    run("openssl", "ocsp", "-index", index, "-rsigner", issuer, "-rkey", pki.folder / "middle.key",
        "-CA", issuer, "-issuer", issuer, "-cert", leaf, "-ndays", "2", "-respout", answer, "-no_nonce",
        check=True)
    port = s_server(lab, pki, "-status_file", answer)
    found = lab.check(f"site.example:{port}")["by"]["certificate"]
    assert [f["grade"] for f in found if f["sentence"] == words] == ["bad" if revoked else "good"]
    assert found[-1]["facts"]["revocation"] == "stapled"


@pytest.fixture(scope="module")
def listed(pki):
    """A leaf whose authority keeps a list, and one whose authority answers."""
    pki.make("listed", "/CN=site.example", "DNS:site.example", issuer="middle",
             more=f"crlDistributionPoints=URI:http://{V4}:{LIST_PORT}/list.crl\n")
    pki.make("answered", "/CN=site.example", "DNS:site.example", issuer="middle",
             more=f"authorityInfoAccess=OCSP;URI:http://{V4}:{RESPONDER_PORT}/\n")
    return pki


def serve_list(lab, pki, folder, revoked, days=2):
    index = index_of(folder, serial_of(pki, "listed"), revoked)
    (folder / "number").write_text("01\n")
    (folder / "ca.cnf").write_text(f"[ca]\ndatabase={index}\ncrlnumber={folder}/number\n"
                                   f"default_md=sha256\n")
    window = ["-crldays", days] if days > 0 else \
        ["-crl_lastupdate", "20240101000000Z", "-crl_nextupdate", "20240201000000Z"]
    run("openssl", "ca", "-config", folder / "ca.cnf", "-name", "ca", "-gencrl", *window, "-cert",
        pki.folder / "middle.pem", "-keyfile", pki.folder / "middle.key", "-out", folder / "list.pem",
        check=True)
    web = folder / "web"
    web.mkdir()
    run("openssl", "crl", "-in", folder / "list.pem", "-outform", "DER", "-out", web / "list.crl",
        check=True)
    return lab.server.start("/usr/bin/python3", "-m", "http.server", LIST_PORT, "--directory", web,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_port(lab, port):
    wait_until(lambda: lab.client.run("nc", "-z", V4, port, check=False).returncode == 0,
               what=f"port {port}")


def ended(process):
    process.terminate()
    process.wait(timeout=10)


@pytest.mark.parametrize("revoked, words", [
    (False, "not revoked, by the authority's list (CRL)"),
    (True, "revoked: the authority took it back")])
def test_the_list_that_a_certificate_names_is_read(lab, listed, tmp_path, revoked, words):
    web = serve_list(lab, listed, tmp_path, revoked)
    try:
        wait_port(lab, LIST_PORT)
        port = lab.serve("tls", listed.bundle("listed", "middle"))
        answer = lab.check(f"site.example:{port}")
    finally:
        ended(web)
    found = answer["by"]["certificate"]
    assert [f["grade"] for f in found if f["sentence"] == words] == ["bad" if revoked else "good"]
    assert found[-1]["facts"]["revocation"] == "crl"
    assert answer["code"] == (1 if revoked else 0)


def test_an_old_list_is_no_answer(lab, listed, tmp_path):
    web = serve_list(lab, listed, tmp_path, revoked=True, days=0)
    try:
        wait_port(lab, LIST_PORT)
        port = lab.serve("tls", listed.bundle("listed", "middle"))
        answer = lab.check(f"site.example:{port}")
    finally:
        ended(web)
    assert answer["code"] == 0
    assert "revocation not looked up: the authority's list is out of date" in \
        answer["by"]["certificate"][-1]["sentence"]


@pytest.mark.parametrize("revoked, words", [
    (False, "not revoked, by the authority's responder (OCSP)"),
    (True, "revoked: the authority took it back")])
def test_the_authoritys_responder_is_asked(lab, listed, tmp_path, revoked, words):
    index = index_of(tmp_path, serial_of(listed, "answered"), revoked)
    issuer = listed.folder / "middle.pem"
    # Its first words say that it listens; a connection to find out would keep it waiting.
    with open(tmp_path / "log", "wb") as log:
        responder = lab.server.start(
            "openssl", "ocsp", "-port", RESPONDER_PORT, "-index", index, "-CA", issuer, "-rsigner",
            issuer, "-rkey", listed.folder / "middle.key", "-ndays", "2", stdout=log, stderr=log)
    try:
        wait_until(lambda: "waiting for" in (tmp_path / "log").read_text(), what="the responder")
        port = lab.serve("tls", listed.bundle("answered", "middle"))
        answer = lab.check(f"site.example:{port}")
    finally:
        ended(responder)
    found = answer["by"]["certificate"]
    assert [f["grade"] for f in found if f["sentence"] == words] == ["bad" if revoked else "good"]
    assert found[-1]["facts"]["revocation"] == "ocsp"


def test_an_authority_that_is_silent_keeps_nobody_waiting_for_long(lab, listed):
    silent = lab.server.start("/usr/bin/python3", "-c", "import socket, time\n"
                              f"s = socket.create_server(('{V4}', {LIST_PORT}))\n"
                              "time.sleep(60)")
    try:
        wait_port(lab, LIST_PORT)
        port = lab.serve("tls", listed.bundle("listed", "middle"))
        answer = lab.check(f"site.example:{port}")
    finally:
        ended(silent)
    assert answer["code"] == 0 and answer["took"] < 4 * PATIENCE
    assert "revocation not looked up: the authority does not answer in time" in \
        answer["by"]["certificate"][-1]["sentence"]


def test_nobody_is_asked_for_a_certificate_that_is_not_trusted(lab, listed):
    listed.make("lure", "/CN=site.example", "DNS:site.example", issuer="foreign",
                more=f"crlDistributionPoints=URI:http://{V4}:{LIST_PORT}/list.crl\n")
    watch = lab.server.start("/usr/bin/python3", "-c", "import socket\n"
                             f"s = socket.create_server(('{V4}', {LIST_PORT}))\n"
                             "s.accept()[0].close()\nprint('asked', flush=True)\ns.accept()\n"
                             "print('asked', flush=True)", stdout=subprocess.PIPE)
    wait_port(lab, LIST_PORT)
    assert watch.stdout.readline() == b"asked\n"  # that was nc
    port = lab.serve("tls", listed.bundle("lure", "foreign"))
    answer = lab.check(f"site.example:{port}")
    ended(watch)
    assert watch.stdout.read() == b""
    assert "so nobody was asked" in answer["by"]["certificate"][-1]["sentence"]


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


def test_odd_heads_are_taken_and_named(lab, pki):
    cases = {"200 OK\r\nX: a\r\n b": "folded over two lines",
             "200 OK\r\nno field": "no name or no colon",
             "200 OK\r\nX : a": "a blank between its name and the colon"}
    for head, words in cases.items():
        port = lab.serve("tls", pki.bundle("good", "middle"), json.dumps({"*": head}))
        answer = lab.check(f"site.example:{port}")
        assert answer["open"] and answer["code"] == 0, (head, answer["verdict"])
        odd = [f for f in answer["by"]["http"] if f["grade"] == "warning"]
        assert len(odd) == 1 and words in odd[0]["sentence"], (head, answer["by"]["http"])
    for head, words in (("999 Denied", "there is no such status"),
                        ("301 Moved", "without a Location field"),
                        ("301 Moved\r\nLocation:", "its Location field is empty"),
                        ("200 OK\r\nContent-Length: 7", "contradict each other")):
        port = lab.serve("tls", pki.bundle("good", "middle"), json.dumps({"*": head}))
        answer = lab.check(f"site.example:{port}")
        assert answer["open"] and answer["code"] == 1, (head, answer["verdict"])
        assert any(words in f["sentence"] and f["grade"] == "bad" for f in answer["by"]["http"]), head


def test_cookies_are_kept_along_redirects(lab, pki):
    again = {"/": "302 Found\r\nSet-Cookie: seen=1; Path=/\r\nLocation: ./a/../", "cookie /": "200 OK"}
    port = lab.serve("tls", pki.bundle("good", "middle"), json.dumps(again))
    answer = lab.check(f"site.example:{port}")
    assert answer["code"] == 0 and answer["by"]["redirect"][0]["grade"] == "good", answer["by"]


def test_the_certificate_of_a_redirects_target_is_judged(lab, pki):
    other = lab.serve("tls", pki.bundle("other", "middle"), "200 OK")
    port = lab.serve("tls", pki.bundle("good", "middle"),
                     json.dumps({"/": f"301 Moved\r\nLocation: https://site.example:{other}/x"}))
    answer = lab.check(f"site.example:{port}")
    finding = bad(answer, "certificate")
    assert finding["subject"] == f"site.example:{other}", finding
    assert "is not for site.example, but for other.example" in finding["sentence"]
    assert answer["code"] == 1 and answer["metrics"]["trusted"] is False


def test_an_issuer_that_ends_first_counts(lab, pki):
    port = lab.serve("tls", pki.bundle("outlives", "ending"), "200 OK")
    answer = lab.check(f"site.example:{port}")
    assert answer["metrics"]["days"] == 4, answer["metrics"]
    assert any("Ending Intermediate" in f["sentence"] and f["grade"] == "warning"
               for f in answer["by"]["certificate"]), answer["by"]["certificate"]


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
    here = ["--resolve", "localhost:127.0.0.1"]  # elsewhere localhost is ::1 first
    result = run(BINARY, "check", f"localhost:{server.https}", *here, "--json", env=trust)
    answer = json.loads(result.stdout)
    assert result.returncode == 0, answer["verdict"]
    assert answer["metrics"]["http"] == "2" and answer["metrics"]["resumed"] is True
    result = run(BINARY, "check", f"localhost:{server.https}", *here, "--state", server.state,
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
