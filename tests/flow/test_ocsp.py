"""OCSP stapling against OpenSSL's own responder: what is stapled, for which certificate, and what
happens while the responder is away."""

import contextlib
import datetime
import re
import socket
import subprocess

import pytest

from lib import free_port, run, wait_until

KINDS = {"ec": ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"), "rsa": ("rsa:2048",)}
STAPLED = "OCSP Response Status: successful"
NOTHING = "OCSP response: no response sent"


class Authority:
    """A CA in a folder, and a responder for what it issued."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.issued = {}  # file of a certificate -> R or V
        folder.mkdir(mode=0o755)
        self.certificate, self.key = folder / "ca.pem", folder / "ca.key"
        run("openssl", "req", "-x509", "-nodes", "-newkey", *KINDS["ec"], "-keyout", self.key,
            "-out", self.certificate, "-subj", "/CN=Test CA", "-days", "30", check=True)

    def issue(self, name, kind="ec", responder=True):
        """A chain and its key, as settings name them."""
        request, key, leaf, chain, extensions = (
            self.folder / f"{name}-{kind}{end}" for end in (".csr", ".key", ".leaf", ".pem", ".ext"))
        lines = [f"subjectAltName=DNS:{name}", "basicConstraints=CA:FALSE"]
        if responder:
            host = "localhost" if kind == "ec" else "127.0.0.1"  # a name must be looked up
            lines.append(f"authorityInfoAccess=OCSP;URI:http://{host}:{self.port}/ocsp")
        extensions.write_text("\n".join(lines) + "\n")
        run("openssl", "req", "-new", "-nodes", "-newkey", *KINDS[kind], "-keyout", key, "-out",
            request, "-subj", f"/CN={name}", check=True)
        run("openssl", "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
            "-set_serial", len(self.issued) + 2, "-days", "20", "-extfile", extensions, "-out", leaf,
            check=True)
        chain.write_text(leaf.read_text() + self.certificate.read_text())
        self.issued[len(self.issued) + 2] = (name, "V")
        return {"file": str(chain), "key": str(key)}

    def revoke_all(self):
        self.issued = {serial: (name, "R") for serial, (name, _) in self.issued.items()}

    @contextlib.contextmanager
    def responder(self, *options):
        """Answers on self.port until the block ends."""
        now = datetime.datetime.utcnow()
        end = (now + datetime.timedelta(days=20)).strftime("%y%m%d%H%M%SZ")
        gone = (now - datetime.timedelta(hours=1)).strftime("%y%m%d%H%M%SZ")
        index = self.folder / "index.txt"
        index.write_text("".join(
            f"{state}\t{end}\t{gone if state == 'R' else ''}\t{serial:02X}\tunknown\t/CN={name}\n"
            for serial, (name, state) in self.issued.items()))
        (self.folder / "index.txt.attr").write_text("unique_subject = no\n")
        # Its first words say that it listens; a connection to find out would keep it waiting.
        output = self.folder / "responder.log"
        with open(output, "wb") as log:
            process = subprocess.Popen(
                ["openssl", "ocsp", "-port", str(self.port), "-index", str(index), "-CA",
                 str(self.certificate), "-rsigner", str(self.certificate), "-rkey", str(self.key),
                 *(options or ("-ndays", "2"))], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(lambda: "waiting for" in output.read_text(), what="the responder")
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


def site(server, name, *certificates):
    return {"names": [name], "files": str(server.public), "certificate": list(certificates)}


def status(server, name, *options):
    """What s_client says of a handshake that asks for the certificate's status."""
    result = server.s_client("-status", *options, name=name)
    assert STAPLED in result.stdout or NOTHING in result.stdout, result.stdout + result.stderr
    return result.stdout


def wait_stapled(server, name, *options):
    """The same, once there is an answer."""
    texts = []

    def stapled():
        texts.append(status(server, name, *options))
        return STAPLED in texts[-1]

    wait_until(stapled, 15, "a stapled answer")
    return texts[-1]


def test_answer_is_stapled_for_each_certificate_of_a_site(start, authority):
    kinds = [authority.issue("both.example", kind) for kind in KINDS]
    silent = authority.issue("silent.example", responder=False)
    with authority.responder():
        server = start(lambda server: {"sites": [
            site(server, "both.example", *kinds), site(server, "silent.example", silent),
            {"names": ["localhost"], "files": str(server.public)}]})
        serials = set()
        for options in (("-sigalgs", "ECDSA+SHA256"), ("-sigalgs", "RSA-PSS+SHA256"),
                        ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"),
                        ("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")):
            text = wait_stapled(server, "both.example", *options)
            assert "Cert Status: good" in text
            serials.add(re.search(r"Serial Number: (\w+)", text)[1])
        assert serials == {"02", "03"}, "each certificate has an answer of its own"
        assert NOTHING in status(server, "silent.example")
        assert NOTHING in status(server, "localhost"), "the local CA has no responder"
    assert server.output().count("OCSP answer received") == 2
    wait_until(lambda: not server.role("ocsp"), what="the processes that asked to end")


def test_start_does_not_wait_for_a_responder_that_is_away(start, authority):
    pair = authority.issue("a.example")
    server = start(lambda server: {"sites": [site(server, "a.example", pair)], "workers": 2})
    line = server.wait_output(r"^.*going on without a stapled answer.*$", 25)[0]
    assert "WARNING" in line.upper() and "site=a.example" in line and "cannot be reached" in line
    assert NOTHING in status(server, "a.example")
    server.cli("reload", check=True)
    with authority.responder():
        server.cli("reload", check=True)  # asks again at once
        wait_stapled(server, "a.example")
    assert server.output().count("going on without a stapled answer") == 1, "told once"
    assert server.output().count("OCSP answer received") == 1


def test_kept_answer_is_stapled_after_a_restart_and_by_new_workers(start, authority):
    pair = authority.issue("a.example")
    with authority.responder():
        server = start(lambda server: {"sites": [site(server, "a.example", pair)], "workers": 1})
        wait_stapled(server, "a.example")
    kept = list((server.state / "ocsp").iterdir())
    assert [file.suffix for file in kept] == [".der"]
    for file in kept:
        assert file.stat().st_mode & 0o777 == 0o600
    server.stop()
    server.launch().wait_ready()
    assert STAPLED in status(server, "a.example"), "at once, although the responder is away"
    before = server.role("worker")
    run("kill", "-9", *before)
    wait_until(lambda: server.role("worker") and server.role("worker") != before)
    server.wait_ready()
    assert STAPLED in status(server, "a.example")
    server.stop()
    kept[0].write_bytes(b"damaged")
    server.launch().wait_ready()
    assert NOTHING in status(server, "a.example"), "the disk is not believed"


def test_setting_turns_it_off_and_on(start, authority):
    pair = authority.issue("a.example")

    def config(server, on):
        return {"sites": [site(server, "a.example", pair)], "tls": {"ocsp_stapling": on}}

    with authority.responder():
        server = start(lambda server: config(server, True))
        wait_stapled(server, "a.example")
        server.write_config(config(server, False))
        server.cli("reload", check=True)
        assert NOTHING in status(server, "a.example")
        server.write_config(config(server, True))
        server.cli("reload", check=True)
        assert STAPLED in status(server, "a.example")


def test_revoked_certificate_is_told_of_and_its_good_answer_forgotten(start, authority):
    pair = authority.issue("a.example")
    with authority.responder():
        server = start(lambda server: {"sites": [site(server, "a.example", pair)]})
        wait_stapled(server, "a.example")
    server.stop()
    for file in (server.state / "ocsp").iterdir():
        file.unlink()
    authority.revoke_all()
    with authority.responder():
        server.launch().wait_ready()
        line = server.wait_output(r"^.*REVOKED.*$")[0]
    assert "ERROR" in line.upper() and "site=a.example" in line
    assert NOTHING in status(server, "a.example")
    assert list((server.state / "ocsp").iterdir()) == []


def test_nonsense_of_a_responder_is_not_stapled(start, authority):
    pair = authority.issue("a.example")
    with socket.create_server(("127.0.0.1", authority.port)) as liar:
        liar.settimeout(15)
        server = start(lambda server: {"sites": [site(server, "a.example", pair)]})
        peer, _ = liar.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/ocsp-response\r\n\r\n"
                         b"\x30\x03\x0a\x01\x00")
        line = server.wait_output(r"^.*going on without a stapled answer.*$")[0]
    assert "is not OCSP" in line
    assert NOTHING in status(server, "a.example")
