"""Where `gardien check` is tested: hosts with servers of check_servers.py, certificates with each
kind of fault, a DNS server. The fixtures are for test_check*.py to import."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from lib import BINARY, PATIENCE, run, sanitizer_env
from netns import server_and_client

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
        self.make("ending", "/CN=Ending Intermediate", ca=True, issuer="root", dates=(-60, 5))
        self.make("outlives", "/CN=site.example", "DNS:site.example", issuer="ending")
        self.make("other", "/CN=other.example", "DNS:other.example", issuer="middle")
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

    def __init__(self, server, client, pki, program=BINARY):
        self.server, self.client, self.pki, self.program = server, client, pki, program
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
        result = (host or self.client).run(self.program, "check", target, "--json", "--timeout",
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
    assert found[0]["hint"]
    return found[0]


def first_wrong(answer):
    return next(f for f in answer["findings"] if f["grade"] == "bad")


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


def plain_run(lab, *args, env=None):
    return lab.client.run(BINARY, "check", *args, check=False, seconds=60, env={
        **sanitizer_env(), "SSL_CERT_FILE": lab.pki.root, "SSL_CERT_DIR": "/nonexistent",
        **(env or {})})
