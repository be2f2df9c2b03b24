"""Settings that change under a running gardien: nobody's connection is cut, no request fails, and
what is wrong is not taken."""

import json
import os
import signal
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import PATIENCE, anything_goes, free_port, make_certificate, read_answer, run, wait_until
from load import Download, Load

ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def settings(server, **changes):
    return {"sites": [{"names": ["localhost"], "files": str(server.public)}], "workers": 2,
            **changes}


def numbered(server, number, **changes):
    return settings(server, headers={"set": {"X-Number": str(number)}}, **changes)


@pytest.fixture
def content():
    return os.urandom(16 << 20)


@pytest.fixture
def server(start, content):
    return start(lambda server: numbered(server, 0), files={"big.bin": content})


def reload(server, config, fine=True):
    server.write_config(config)
    result = server.cli("reload")
    assert (result.returncode == 0) == fine, f"{result.stdout}{result.stderr}\n{server.output()}"
    return result


def shown(server, port=None):
    """The certificate that the wire shows, as DER."""
    with socket.create_connection(("127.0.0.1", port or server.https), 5 * PATIENCE) as bare, \
            anything_goes().wrap_socket(bare, server_hostname="localhost") as peer:
        return peer.getpeercert(binary_form=True)


def ask(peer):
    peer.sendall(ASK)
    return read_answer(peer)


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return False
    except ConnectionRefusedError:
        return True


@pytest.mark.alone
def test_fifty_reloads_under_load_and_a_long_download(server, content):
    workers = server.role("worker")
    download = Download(server, "/big.bin", content)
    with server.tls(context=anything_goes()) as kept, Load(server, http1=2, http2=2, fresh=1) as load:
        for number in range(1, 51):
            if number % 10:
                reload(server, numbered(server, number))
            else:  # the signal does the same, later
                server.write_config(numbered(server, number))
                server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: server.curl("/").headers["x-number"] == str(number), 5,
                       f"settings {number}")
            assert ask(kept).headers["x-number"] == str(number), "an old connection, new settings"
        load.wait_more()
        assert download.under_way, "the download was to outlast the reloads"
    download.finish()
    assert server.role("worker") == workers, "no reload of this kind needs new workers"


MISTAKES = {
    "unknown key": (lambda s: json.dumps({**settings(s), "sitse": []}, indent=1), "sitse"),
    "not YAML": (lambda s: "sites: [\n", ":"),
    "missing folder": (lambda s: {**settings(s), "sites": [
        {"names": ["localhost"], "files": "/nonexistent/folder"}]}, "/nonexistent/folder"),
    "missing certificate": (lambda s: {**settings(s), "sites": [
        {"names": ["localhost"], "files": str(s.public),
         "certificate": {"file": "/nonexistent/c.pem", "key": "/nonexistent/k.pem"}}]},
        "/nonexistent/"),
    "value out of range": (lambda s: settings(s, limits={"header_count": -1}), "header_count"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_keeps_the_old_settings(server, mistake):
    config, word = MISTAKES[mistake]
    with Load(server, http1=1, http2=1, fresh=1) as load:
        result = reload(server, config(server), fine=False)
        load.wait_more()
    assert result.returncode == 2
    assert word in result.stderr and "gardien.yaml:" in result.stderr
    assert server.curl("/").headers["x-number"] == "0"
    server.wait_output("settings are not taken, keeping the old ones")
    answer = json.loads(server.cli("reload", "--json").stdout)
    assert answer["ok"] is False and answer["diags"]
    reload(server, numbered(server, 1))
    assert server.curl("/").headers["x-number"] == "1"


def test_a_missing_file_keeps_the_old_settings(server):
    server.config_file.unlink()
    result = server.cli("reload")
    assert result.returncode == 2 and "gardien.yaml" in result.stderr
    assert server.curl("/").headers["x-number"] == "0"


def test_a_key_that_does_not_belong_to_its_certificate_is_not_taken(server, tmp_path):
    file, _ = make_certificate(tmp_path, "one", ["localhost"])
    _, key = make_certificate(tmp_path, "two", ["localhost"])
    before = shown(server)
    config = settings(server)
    config["sites"][0]["certificate"] = {"file": str(file), "key": str(key)}
    assert reload(server, config, fine=False).returncode == 2
    assert shown(server) == before


def test_a_folder_outside_the_sandbox_is_served_and_the_download_lives(server, content, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "index.html").write_text("from elsewhere")
    before = server.role("worker")
    download = Download(server, "/big.bin", content)
    wait_until(lambda: download.answer, 5, "the download to begin")
    config = numbered(server, 1)
    config["sites"].append({"names": ["else.test"], "files": str(elsewhere)})
    with Load(server, http1=2, http2=1, fresh=2, forgiving=True) as load:
        reload(server, config)
        assert server.curl("/", name="else.test").text == "from elsewhere"
        assert server.curl("/").headers["x-number"] == "1"
        load.wait_more()
    assert download.under_way
    assert set(server.role("worker")) - set(before), "only new workers may open a new folder"
    reload(server, numbered(server, 2))
    assert download.under_way, "the worker that drains lives on through further reloads"
    download.finish()
    wait_until(lambda: not set(server.role("worker")) & set(before), 10, "old workers to end")
    assert len(server.role("worker")) == 2


def test_ports_come_and_go(server):
    extra, plain = free_port(), free_port()
    first = {"https": [f"127.0.0.1:{server.https}"], "http": [f"127.0.0.1:{server.http}"]}
    more = {"https": [*first["https"], f"127.0.0.1:{extra}"],
            "http": [*first["http"], f"127.0.0.1:{plain}"]}
    assert refused(extra) and refused(plain)
    with Load(server, http1=1, http2=1, fresh=1) as load:
        reload(server, numbered(server, 1, listen=more))
        usual, server.https = server.https, extra
        assert server.curl("/").status == 200
        kept = server.tls(context=anything_goes())
        assert ask(kept).status == 200
        server.https = usual
        reload(server, numbered(server, 2, listen=first))
        assert refused(extra) and refused(plain)
        assert ask(kept).headers["x-number"] == "2", "connections of a port that went live on"
        kept.close()
        load.wait_more()
        for _ in range(5):
            reload(server, numbered(server, 3, listen=more))
            reload(server, numbered(server, 4, listen=first))
    assert refused(extra)


def test_a_port_that_somebody_has_is_not_taken(server):
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port()))
        other.listen()
        port = other.getsockname()[1]
        listen = {"https": [f"127.0.0.1:{server.https}", f"127.0.0.1:{port}"], "http": "off"}
        result = reload(server, numbered(server, 1, listen=listen), fine=False)
        assert str(port) in result.stderr and str(os.getpid()) in result.stderr
    assert server.curl("/").headers["x-number"] == "0"
    assert server.curl("/", secure=False).status == 308


def test_a_certificate_is_exchanged_on_the_wire(server, tmp_path):
    def with_certificate(kind):
        file, key = make_certificate(tmp_path, "site", ["localhost"], kind)
        config = numbered(server, kind)
        config["sites"][0]["certificate"] = {"file": str(file), "key": str(key)}
        return config, ssl.PEM_cert_to_DER_cert(file.read_text())

    with server.tls(context=anything_goes()) as kept, Load(server) as load:
        seen = {shown(server)}
        for kind in ("ec:prime256v1", "rsa:2048", "ec:secp384r1", "ec:prime256v1"):
            config, certificate = with_certificate(kind)
            reload(server, config)
            assert {shown(server) for _ in range(6)} == {certificate}
            assert ask(kept).status == 200
            seen.add(certificate)
        load.wait_more()
        assert len(seen) == 5


def test_a_certificate_renewed_for_the_same_key_is_shown(server, tmp_path):
    """As certbot does with --reuse-key: nothing that is kept from before may hide it."""
    file, key = make_certificate(tmp_path, "site", ["localhost"])
    config = numbered(server, 1)
    config["sites"][0]["certificate"] = {"file": str(file), "key": str(key)}
    reload(server, config)
    first = shown(server)
    run("openssl", "req", "-x509", "-new", "-key", key, "-out", file, "-days", 9, "-subj",
        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", check=True)
    reload(server, config)
    renewed = ssl.PEM_cert_to_DER_cert(file.read_text())
    assert renewed != first and {shown(server) for _ in range(6)} == {renewed}


def test_the_profile_changes_for_certificates_that_stay(server):
    def takes_tls12():
        return server.s_client("-tls1_2").returncode == 0

    assert takes_tls12()
    reload(server, numbered(server, 1, tls={"profile": "modern"}))
    assert not any(takes_tls12() for _ in range(4))
    assert server.curl("/").status == 200
    reload(server, numbered(server, 2))
    assert all(takes_tls12() for _ in range(4))


def test_worker_count_grows_and_shrinks(server):
    with Load(server, http1=2, http2=1, fresh=2, forgiving=True) as load:
        for count in (4, 1, 3):
            reload(server, settings(server, workers=count))
            wait_until(lambda: len(server.role("worker")) == count, 10, f"{count} workers")
            load.wait_more()


def test_reloads_at_once_are_all_answered(server):
    server.write_config(numbered(server, 9))
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda _: server.cli("reload").returncode, range(6)))
    assert results == [0] * 6
    assert server.curl("/").headers["x-number"] == "9"


def test_a_worker_killed_during_a_reload_comes_back_with_the_new_settings(server):
    for number in range(1, 6):
        server.write_config(numbered(server, number))
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.004 * number)
        os.kill(server.role("worker")[0], signal.SIGKILL)
        assert server.cli("reload").returncode == 0
        wait_until(lambda: len(server.role("worker")) == 2, 5, "two workers")
        assert {server.curl("/").headers["x-number"] for _ in range(4)} == {str(number)}
