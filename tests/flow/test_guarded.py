"""What no visitor gets: private keys in use, the state folder, whatever begins as a private key."""

import os
import re

import pytest

from lib import make_certificate, run


def statuses(server, *paths):
    return [server.curl(path).status for path in paths]


@pytest.fixture
def home(tmp_path):
    """A folder to serve with all that people leave in one."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "index.html").write_text("hello")
    return folder


def open_to_all(folder):
    """As for a worker that runs as the files' owner: the kernel's permissions refuse nothing."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))


def test_a_served_folder_with_its_own_key_and_state_gives_neither(start, tmp_path):
    tmp_path.chmod(0o755)
    certificate, key = make_certificate(tmp_path, "pair", ["pair.test"])
    key.write_text("a key, for which no first line is known\n" + key.read_text())
    os.link(key, tmp_path / "linked")
    (tmp_path / "pointer").symlink_to(key.name)
    (tmp_path / "index.html").write_text("hello")
    files = {"root": str(tmp_path), "listing": True, "private_keys": True}
    server = start({"sites": [{"names": ["localhost"], "files": files},
                              {"names": ["pair.test"], "files": files,
                               "certificate": {"file": str(certificate), "key": str(key)}}]})
    state = server.state.relative_to(tmp_path)
    (server.state / "later").write_text("made while it runs")
    (tmp_path / "way").symlink_to(state)
    os.link(server.state / "local-ca" / "ca.key", tmp_path / "innocent.txt")
    open_to_all(tmp_path)
    assert statuses(server, "/", f"/{certificate.name}") == [200, 200]
    assert statuses(server, f"/{key.name}", "/linked", "/pointer", "/innocent.txt") == [404] * 4
    assert statuses(server, f"/{state}/", f"/{state}/later", f"/{state}/local-ca/ca.key",
                    "/way/later", "/way/local-ca/ca.pem", "/way/") == [404] * 6
    assert statuses(server, f"/{state.parent}/") == [200]
    said = server.output()
    assert re.search(r"the private key \S+ lies in the served folder", said), said
    assert re.search(r"the state folder \S+ lies in the served folder", said), said


@pytest.mark.parametrize("allowed", [False, True])
def test_files_that_begin_as_private_keys_need_a_setting(start, home, allowed):
    made = {"pkcs8.pem": ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
            "rsa.pem": ("genpkey", "-algorithm", "RSA"),
            "ec.pem": ("ecparam", "-name", "prime256v1", "-genkey")}
    for name, words in made.items():
        run("openssl", *words, "-out", home / name, check=True)
        run("openssl", "pkey", "-in", home / name, "-outform", "DER", "-out", home / f"{name}.der",
            check=True)
        run("openssl", "pkey", "-in", home / name, "-traditional", "-outform", "DER",
            "-out", home / f"{name}.old.der", check=True)
    certificate, key = make_certificate(home, "pair", ["pair.test"])
    (home / "both.pem").write_text(certificate.read_text() + key.read_text())
    run("openssl", "x509", "-in", certificate, "-outform", "DER", "-out", home / "cert.der", check=True)
    run("openssl", "pkey", "-in", key, "-pubout", "-out", home / "public.pem", check=True)
    (home / "about.html").write_text("<p>A key begins with -----BEGIN PRIVATE KEY-----</p>")
    open_to_all(home)
    server = start({"sites": [{"names": ["localhost"],
                               "files": {"root": str(home), "private_keys": allowed}}]})
    names = [f"{name}{end}" for name in made for end in ("", ".der", ".old.der")] + ["both.pem"]
    for name in names:
        assert statuses(server, f"/{name}") == [200 if allowed else 404], name
    assert statuses(server, "/cert.der", "/public.pem", "/about.html", f"/{certificate.name}") == [200] * 4
