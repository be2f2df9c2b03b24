"""A real ACME server for the flow tests: pebble, with its DNS stand-in that leads every name to
127.0.0.1. Ports are free ones; nothing is left when the test ends."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.request
from contextlib import contextmanager

import pytest

import lib


class Pebble:
    """A running pebble. `directory` is its URL, `ca` the file of the CA that signed its own HTTPS."""

    def __init__(self, folder, http_port, eab=None, life=None, start=None, env=None):
        if not shutil.which("pebble"):
            pytest.skip("pebble is not installed (Debian: pebble)")
        self.folder = folder
        self.port, self.management, self.dns = lib.free_port(), lib.free_port(), lib.free_port()
        self.directory = f"https://localhost:{self.port}/dir"
        self.ca = folder / "pebble-ca.pem"
        self.start = start or (lambda *words, **more: subprocess.Popen(words, **more))
        key = folder / "pebble.key"
        lib.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", self.ca, "-days", "2", "-subj", "/CN=localhost", "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1", check=True)
        settings = {"listenAddress": f"127.0.0.1:{self.port}",
                    "managementListenAddress": f"127.0.0.1:{self.management}",
                    "certificate": str(self.ca), "privateKey": str(key), "httpPort": http_port,
                    "tlsPort": lib.free_port(), "ocspResponderURL": "",
                    "externalAccountBindingRequired": eab is not None}
        if eab:
            settings["externalAccountMACKeys"] = eab
        if life:
            settings["certificateValidityPeriod"] = life
        self.config = folder / "pebble.json"
        self.config.write_text(json.dumps({"pebble": settings}))
        self.log = folder / "pebble.log"
        self.env = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", "PEBBLE_WFE_NONCEREJECT": "50",
                    **(env or {})}
        self.processes = []

    def launch(self):
        """Starts both programs and waits until the directory answers."""
        output = open(self.log, "ab")
        env = {**os.environ, **self.env}
        self.processes.append(self.start(
            "pebble-challtestsrv", "-http01", "", "-https01", "", "-tlsalpn01", "", "-dns01",
            f"127.0.0.1:{self.dns}", "-management", f"127.0.0.1:{lib.free_port()}", "-defaultIPv6", "",
            "-defaultIPv4", "127.0.0.1", stdout=output, stderr=output, env=env))
        self.processes.append(self.start(
            "pebble", "-config", str(self.config), "-strict", "-dnsserver", f"127.0.0.1:{self.dns}",
            stdout=output, stderr=output, env=env))
        output.close()
        lib.wait_until(lambda: "Listening on:" in self.said(), 20, "pebble to listen")
        return self

    def said(self):
        """What it has printed."""
        return self.log.read_text(errors="replace")

    def orders(self):
        """How many orders it has taken; requests that it refused for their nonce do not count."""
        return self.said().count('Added order "')

    def root(self):
        """The certificate of its root, which it makes anew at each start, as PEM."""
        context = ssl.create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(f"https://localhost:{self.management}/roots/0", context=context,
                                    timeout=10 * lib.PATIENCE) as answer:
            return answer.read().decode()

    def certificate_status(self, serial):
        """"Valid" or "Revoked", by the serial number in hexadecimal."""
        context = ssl.create_default_context(cafile=str(self.ca))
        url = f"https://localhost:{self.management}/cert-status-by-serial/{serial.lower()}"
        with urllib.request.urlopen(url, context=context, timeout=10 * lib.PATIENCE) as answer:
            return json.loads(answer.read())["Status"]

    def finish(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(5 * lib.PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = []


@contextmanager
def pebble(folder, http_port, **more):
    """A pebble that runs for the length of the block."""
    server = Pebble(folder, http_port, **more)
    try:
        yield server.launch()
    finally:
        server.finish()


def served_certificate(gardien, name):
    """(issuer, serial, names) of the certificate that is served for a name."""
    context = lib.anything_goes()
    bare = socket.create_connection(("127.0.0.1", gardien.https), timeout=10 * lib.PATIENCE)
    with context.wrap_socket(bare, server_hostname=name) as peer:
        pem = ssl.DER_cert_to_PEM_cert(peer.getpeercert(binary_form=True))
    text = lib.run("openssl", "x509", "-noout", "-issuer", "-serial", "-ext", "subjectAltName",
                   input=pem, check=True).stdout
    lines = [line.strip() for line in text.splitlines()]
    return lines[0], lines[1], lines[-1]
