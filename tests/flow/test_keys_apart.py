"""No private key outside the keys process: every process's memory is searched under load."""

import os
import re
import signal
from pathlib import Path

import pytest

from lib import SANITIZED, make_certificate, needs_root, run, wait_until
from load import Load

GIB = 1 << 30


def numbers_of(key):
    """The secret numbers of a private key file as big-endian bytes, as openssl prints them."""
    text = run("openssl", "pkey", "-in", key, "-noout", "-text", check=True).stdout
    found = {}
    for name, digits in re.findall(r"^(\w+):[^\n]*\n((?: {4}[0-9a-f:]+\n)+)", text, re.M):
        if name in ("priv", "prime1", "prime2", "privateExponent", "exponent1", "exponent2",
                    "coefficient"):
            found[name] = bytes.fromhex(re.sub(r"[\s:]", "", digits)).lstrip(b"\0")
    assert found, text
    return found


def traces_of(key):
    """What a copy of a key would leave: the number as DER and as OpenSSL's little-endian limbs have
    it, either half of both, and the text of the file."""
    traces = {}
    for name, number in numbers_of(key).items():
        half = len(number) // 2
        for order, data in (("big", number), ("little", number[::-1])):
            traces[f"{key.name} {name} {order} first"] = data[:half]
            traces[f"{key.name} {name} {order} last"] = data[half:]
    lines = [line for line in key.read_text().splitlines() if not line.startswith("-----")]
    secret = lines[len(lines) // 2] if len(lines) > 4 else lines[0][-40:]
    traces[f"{key.name} text"] = secret.encode()
    return traces


def memory_of(pid):
    """All memory of a process, a mapping at a time. Mappings beyond a GiB are a sanitizer's books."""
    maps = Path(f"/proc/{pid}/smaps").read_text()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for first, last, flags, resident in re.findall(
                r"^([0-9a-f]+)-([0-9a-f]+) (\S+) .*?^Rss: +(\d+)", maps, re.M | re.S):
            start, end = int(first, 16), int(last, 16)
            if "r" not in flags or end - start > GIB or resident == "0":
                continue
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except (OSError, ValueError):  # vvar and the like
                continue
            yield data


def found_in(pid, traces):
    found = set()
    for data in memory_of(pid):
        found |= {name for name, trace in traces.items() if trace in data}
    return found


def readable(pid):
    try:
        return any(True for _ in memory_of(pid))
    except PermissionError:
        return False


@pytest.fixture
def keys(tmp_path):
    return [make_certificate(tmp_path, name, ["localhost"], kind)
            for name, kind in (("ec", "ec:prime256v1"), ("rsa", "rsa:2048"))]


@pytest.fixture
def server(start, keys):
    return start(lambda server: {
        "sites": [{"names": ["localhost"], "files": str(server.public),
                   "certificate": [{"file": str(file), "key": str(key)} for file, key in keys]},
                  {"names": ["local.test"], "files": str(server.public)}],
        "workers": 2, "logs": {"access": str(server.folder / "access.log"), "format": "json"}})


def shake_hands(server):
    """Both kinds of key sign, on both workers, in both versions."""
    for _ in range(3):
        for suite in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"):
            report = server.s_client("-tls1_2", "-cipher", suite).stdout
            assert suite in report
    for algorithms in ("ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256"):
        assert "TLSv1.3" in server.s_client("-tls1_3", "-sigalgs", algorithms).stdout


def hold_none(server, traces):
    """Nobody who is not the keys process has any of the traces."""
    for role in ("worker", "logs"):
        for pid in server.role(role):
            assert not found_in(pid, traces), f"{role} {pid} holds a private key"
    assert not found_in(server.process.pid, traces), "the guardian holds a private key"


def test_no_process_but_keys_holds_a_private_key(server, keys):
    own = server.state / "local-ca"
    local = [file for file in own.rglob("*") if file.is_file() and "PRIVATE" in
             file.read_text(errors="replace")]
    assert local, "the local CA has no key file"
    served = {}
    for _, key in keys:
        served.update(traces_of(key))
    others = {}
    for key in local:
        others.update(traces_of(key))
    holder = server.role("keys")[0]
    if not readable(holder):
        pytest.skip("takes root, who may read other processes' memory")
    with Load(server, http1=1, http2=1, fresh=2) as load:
        shake_hands(server)
        load.wait_more()
        found = found_in(holder, served)
        for number in ("ec.key priv", "rsa.key prime1", "rsa.key prime2"):
            assert any(name.startswith(number) for name in found), \
                f"the search itself fails: {number} is not even in the keys process: {found}"
        everyone_else = {**served, **others}
        hold_none(server, everyone_else)
        for _ in range(3):  # settings and their keys are read again
            assert server.cli("reload").returncode == 0
        hold_none(server, everyone_else)
        load.wait_more()
    os.kill(holder, signal.SIGKILL)  # another keys process is given them
    wait_until(lambda: server.role("keys") not in ([], [holder]), 5, "another keys process")
    # Its id is there before both workers have their sockets to it.
    wait_until(lambda: all(server.s_client("-tls1_3").returncode == 0 for _ in range(8)), 5,
               "handshakes that it signs", 0.2)
    shake_hands(server)
    hold_none(server, everyone_else)
    for file in (server.folder / "access.log", server.output_file):
        text = file.read_bytes()
        assert not [name for name, trace in everyone_else.items() if trace in text]


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@pytest.mark.parametrize("role", ["worker", "keys", "logs"])
def test_processes_that_meet_strangers_have_no_rights(server, role):
    pids = server.role(role)
    assert pids
    for pid in pids:
        status = status_of(pid)
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2" or SANITIZED  # its run-time library needs more
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(status[kind], 16) == 0, f"{kind} of {role}"
        if os.geteuid() == 0:
            assert "0" not in status["Uid"].split() + status["Gid"].split()
            assert "0" not in status["Groups"].split()
        else:
            assert set(status["Uid"].split()) == {str(os.geteuid())}


@needs_root
def test_workers_hold_no_key_file_and_no_folder_above_their_sites(server, keys):
    for role in ("worker", "logs"):
        for pid in server.role(role):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    target = os.readlink(link)
                except OSError:
                    continue
                assert not target.endswith(".key") and not target.startswith(str(server.state))
