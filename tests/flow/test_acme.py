"""Certificates by ACME, from a real pebble: ordered, served, kept over restarts, renewed; and what is
said and done where that fails."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

import lib
from pebble import pebble, served_certificate

NAMES = ["acme.gardien-test.com", "www.acme.gardien-test.com"]


def settings(server, names=NAMES, **acme):
    """Settings that order from a pebble."""
    def make(gardien):
        return {"acme": {"mode": "on", "directory": server.directory, "ca_file": str(server.ca), **acme},
                "sites": [{"names": names, "files": str(gardien.public), "redirect_to_main": False}]}
    return make


def is_issued(gardien, name=NAMES[0]):
    issuer, serial, names = served_certificate(gardien, name)
    return serial if "Pebble" in issuer else None


def await_certificate(gardien, name=NAMES[0], seconds=40):
    """Waits until a certificate of pebble's is served; returns its serial number."""
    try:
        return lib.wait_until(lambda: is_issued(gardien, name), seconds, "a certificate of pebble's", 0.2)
    except AssertionError as error:
        raise AssertionError(f"{error} in:\n{gardien.output()}") from None


@pytest.fixture
def ca(tmp_path):
    """A pebble that validates at the port that the test's gardien will serve plain HTTP on."""
    http = lib.free_port()
    with pebble(tmp_path, http) as server:
        server.gardien_http = http
        yield server


def test_a_certificate_is_ordered_and_served_without_a_cut_connection(start, ca):
    gardien = start(config=settings(ca), http=ca.gardien_http)
    issuer, _, _ = served_certificate(gardien, NAMES[0])
    assert "gardien" in issuer  # meanwhile the local CA's
    with gardien.tls(NAMES[0], context=lib.anything_goes(), seconds=60) as held:
        await_certificate(gardien)
        held.sendall(b"GET / HTTP/1.1\r\nHost: acme.gardien-test.com\r\nConnection: close\r\n\r\n")
        assert b" 200 OK" in lib.read_all(held)
    _, _, names = served_certificate(gardien, NAMES[1])
    assert all(f"DNS:{name}" in names for name in NAMES)
    root = gardien.folder / "root.pem"
    root.write_text(ca.root())
    answer = gardien.curl("/", "--cacert", root, name=NAMES[0])
    assert answer.status == 200
    assert ca.orders() == 1
    for word in ("a certificate is ordered", "a name is validated", "a certificate has come"):
        assert word in gardien.output()


def test_keys_are_for_the_owner_alone_and_fit_their_chain(start, ca):
    gardien = start(config=settings(ca), http=ca.gardien_http)
    await_certificate(gardien)
    pair = gardien.state / "certificates" / NAMES[0] / "current"
    assert (pair / "key.pem").stat().st_mode & 0o777 == 0o600
    public = [lib.run("openssl", *words, check=True).stdout for words in
              (("pkey", "-in", pair / "key.pem", "-pubout"), ("x509", "-in", pair / "chain.pem", "-noout",
                                                              "-pubkey"))]
    assert public[0] == public[1]
    account, = (gardien.state / "acme").glob("*/account.key")
    assert account.stat().st_mode & 0o777 == 0o600


def test_an_authority_that_refuses_nine_nonces_of_ten_is_asked_on(start, tmp_path):
    http = lib.free_port()
    with pebble(tmp_path, http, env={"PEBBLE_WFE_NONCEREJECT": "90"}) as ca:
        await_certificate(start(config=settings(ca), http=http))
        assert ca.orders() == 1


def test_a_restart_orders_nothing_anew(start, ca):
    gardien = start(config=settings(ca), http=ca.gardien_http)
    serial = await_certificate(gardien)
    gardien.stop()
    gardien.launch().wait_ready()
    assert is_issued(gardien) == serial
    time.sleep(2)
    assert ca.orders() == 1


def test_a_new_name_orders_anew_and_the_key_is_another(start, ca):
    gardien = start(config=settings(ca), http=ca.gardien_http)
    serial = await_certificate(gardien)
    pair = gardien.state / "certificates" / NAMES[0] / "current"
    key = (pair / "key.pem").read_text()
    more = [*NAMES, "new.acme.gardien-test.com"]
    gardien.write_config(settings(ca, names=more)(gardien))
    assert gardien.cli("reload").returncode == 0
    lib.wait_until(lambda: (now := is_issued(gardien)) and now != serial, 40, "another certificate", 0.2)
    assert "DNS:new.acme.gardien-test.com" in served_certificate(gardien, NAMES[0])[2]
    assert (pair / "key.pem").read_text() != key


def test_a_name_that_leads_elsewhere_fails_with_its_reason_and_waits(start, tmp_path):
    with pebble(tmp_path, lib.free_port()) as ca:  # it validates where nobody listens
        gardien = start(config=settings(ca))
        said = gardien.wait_output(r"no certificate yet, serving with one of the local CA.*", 40)[0]
        assert "could not be validated" in said and "retry=" in said and "failures=1" in said
        assert gardien.curl("/", name=NAMES[0]).status == 200  # by the local CA
        record = json.loads(next((gardien.state / "acme").glob("*/orders/*/order.json")).read_text())
        assert record["failures"] == 1 and record["retry_at"] > time.time() * 1e9
        gardien.stop()
        gardien.launch().wait_ready()
        time.sleep(2)
        assert ca.orders() == 1  # a restart does not shorten the wait


def test_an_authority_that_cannot_be_reached_is_told(start, tmp_path):
    ca_file = tmp_path / "none.pem"
    lib.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", tmp_path / "none.key", "-out", ca_file, "-subj", "/CN=none", check=True)
    port = lib.free_port()

    class Nobody:
        directory, ca = f"https://localhost:{port}/dir", ca_file
    gardien = start(config=settings(Nobody))
    said = gardien.wait_output(r"no certificate yet.*", 40)[0]
    assert f"https://localhost:{port}/dir cannot be reached" in said
    assert gardien.curl("/", name=NAMES[0]).status == 200


def test_an_authority_that_is_not_trusted_is_told(start, ca, tmp_path):
    other = tmp_path / "other.pem"
    lib.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", tmp_path / "other.key", "-out", other, "-subj", "/CN=other", check=True)
    gardien = start(config=settings(ca, ca_file=str(other)), http=ca.gardien_http)
    said = gardien.wait_output(r"no certificate yet.*", 40)[0]
    assert "certificate" in said and "cannot be reached" in said
    assert ca.orders() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root, who may look into gardien's processes")
def test_a_process_that_is_killed_at_any_step_loses_nothing(start, tmp_path):
    http = lib.free_port()
    # Validation takes its time, so that each step can be met.
    with pebble(tmp_path, http, env={"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "2"}) as ca:
        gardien = start(config=settings(ca), http=http)
        gardien.wait_output("asked to validate a name", 30)
        for pid in gardien.role("acme"):
            os.kill(pid, signal.SIGKILL)
        gardien.wait_output("its process was ended", 10)
        # The token is answered on, and the same order gone on with.
        await_certificate(gardien, seconds=60)
        assert ca.orders() == 1
        record = next((gardien.state / "acme").glob("*/orders/*/order.json"))
        assert "order" not in json.loads(record.read_text())


def test_a_restart_in_the_middle_of_an_order_goes_on_with_it(start, tmp_path):
    http = lib.free_port()
    with pebble(tmp_path, http, env={"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "2"}) as ca:
        gardien = start(config=settings(ca), http=http)
        gardien.wait_output("asked to validate a name", 30)
        gardien.stop()
        record = next((gardien.state / "acme").glob("*/orders/*/order.json"))
        kept = json.loads(record.read_text())
        assert kept["order"].startswith(ca.directory[:-4]) and "." in kept["token"]
        gardien.launch().wait_ready()
        lib.wait_until(lambda: is_issued(gardien) or "no certificate yet" in gardien.output(), 60,
                       "an outcome", 0.2)
        # Another order only where the authority looked for the token while nobody listened.
        assert ca.orders() == 1 or "set INVALID" in ca.said()


def test_local_names_stay_with_the_local_ca_and_settings_say_so(start, ca):
    gardien = start(config=settings(ca, names=["site.test", "localhost"]), http=ca.gardien_http)
    time.sleep(2)
    assert ca.orders() == 0
    assert "gardien" in served_certificate(gardien, "localhost")[0]


def test_tokens_are_answered_over_plain_http_for_any_host_and_no_longer_than_needed(start, ca):
    gardien = start(config=settings(ca), http=ca.gardien_http)
    await_certificate(gardien)
    used = re.search(r"/\.well-known/acme-challenge/([\w-]{22,})", ca.said())
    assert used, ca.said()[-2000:]
    answer = gardien.curl(f"/.well-known/acme-challenge/{used[1]}", secure=False, name=NAMES[0])
    assert answer.status in (301, 308, 404)


def listed(gardien, *names):
    """What `cert list` says, by site."""
    answer = json.loads(gardien.cli("cert", "list", *names, "--json", check=True).stdout)
    return {site["name"]: site for site in answer["sites"]}


def test_certificates_are_listed_and_ordered_anew_by_hand(start, ca):
    gardien = start(config=settings(ca), http=ca.gardien_http)
    serial = await_certificate(gardien)
    site = listed(gardien)[NAMES[0]]
    certificate, = site["certificates"]
    assert certificate["from"] == "acme" and certificate["days_left"] > 1
    assert f"serial={certificate['serial'].upper()}" == serial.replace(":", "")
    assert site["acme"]["renew_at"] and site["acme"]["failures"] == 0
    table = gardien.cli("cert", "list", check=True).stdout
    assert NAMES[0] in table and "ACME" in table
    shown = json.loads(gardien.cli("cert", "show", NAMES[1], "--json", check=True).stdout)
    assert shown[0]["certificates"][0]["serial"] == certificate["serial"]
    missing = gardien.cli("cert", "show", "no-such-file.pem")
    assert missing.returncode == 1 and "is neither a file nor the name of a site" in missing.stderr
    tried = gardien.cli("cert", "issue", NAMES[1], "--dry-run", seconds=90)
    assert tried.returncode == 0 and "nothing was ordered" in tried.stdout
    assert ca.orders() == 1
    done = gardien.cli("cert", "issue", NAMES[1], seconds=90)
    assert done.returncode == 0 and "a new certificate is in service" in done.stdout, done
    lib.wait_until(lambda: (now := is_issued(gardien)) and now != serial, 20, "the new certificate", 0.2)
    assert ca.orders() == 2
    unknown = gardien.cli("cert", "issue", "other.example")
    assert unknown.returncode == 1 and "no site has the name other.example" in unknown.stderr
    nothing = gardien.cli("cert", "renew")
    assert nothing.returncode == 0 and "no order has failed" in nothing.stdout
    assert ca.orders() == 2


def test_a_certificate_is_revoked_and_replaced(start, ca):
    gardien = start(config=settings(ca), http=ca.gardien_http)
    serial = await_certificate(gardien)
    key = (gardien.state / "certificates" / NAMES[0] / "current" / "key.pem").read_text()
    assert gardien.cli("cert", "revoke", NAMES[0], "--reason", "whim").returncode == 2
    done = gardien.cli("cert", "revoke", NAMES[0], "--reason", "keyCompromise", seconds=90)
    assert done.returncode == 0 and "revoked" in done.stdout, done
    lib.wait_until(lambda: (now := is_issued(gardien)) and now != serial, 40, "another certificate", 0.2)
    assert (gardien.state / "certificates" / NAMES[0] / "current" / "key.pem").read_text() != key
    number = serial.split("=")[1]
    assert ca.certificate_status(number) == "Revoked"


def test_an_order_that_failed_is_told_and_can_be_asked_for_at_once(start, tmp_path):
    with pebble(tmp_path, lib.free_port()) as ca:  # it validates where nobody listens
        gardien = start(config=settings(ca))
        gardien.wait_output(r"no certificate yet", 40)
        site = listed(gardien)[NAMES[0]]
        assert site["certificates"][0]["from"] == "local" and site["acme"]["failures"] == 1
        assert "could not be validated" in gardien.cli("cert", "list", check=True).stdout
        status = gardien.cli("status", "--no-connect", "--here").stdout
        assert "1 of 1 sites by ACME, 1 without one yet" in status and "the last order failed" in status
        again = gardien.cli("cert", "renew", seconds=90)
        assert again.returncode == 1 and "could not be validated" in again.stdout, again
        assert listed(gardien)[NAMES[0]]["acme"]["failures"] == 2
        assert ca.orders() == 2


def test_a_site_without_orders_says_why_there_are_none(start):
    gardien = start()
    answer = gardien.cli("cert", "issue", "localhost")
    assert answer.returncode == 1 and "acme is off" in answer.stderr and "acme: {mode: on}" in answer.stderr


def test_a_certificate_of_the_local_ca_is_made_for_other_servers(tmp_path):
    state = tmp_path / "state"
    made = lib.run(lib.BINARY, "cert", "local", "Mail.Internal", "10.0.0.7", "--state", state)
    assert made.returncode == 0, made
    chain, key = (state / "local" / "mail.internal" / name for name in ("chain.pem", "key.pem"))
    assert str(chain) in made.stdout and str(key) in made.stdout
    assert key.stat().st_mode & 0o777 == 0o600
    verified = lib.run("openssl", "verify", "-CAfile", state / "local-ca" / "ca.pem", "-verify_hostname",
                       "mail.internal", chain)
    assert verified.returncode == 0, verified
    again = json.loads(lib.run(lib.BINARY, "cert", "local", "mail.internal", "10.0.0.7", "--json",
                               "--state", state, check=True).stdout)
    assert again["outcome"] == "kept" and again["chain"] == str(chain)
    wrong = lib.run(lib.BINARY, "cert", "local", "not a name", "--state", state)
    assert wrong.returncode == 1 and "is not a valid host name" in wrong.stderr
