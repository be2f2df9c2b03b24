"""The command line of `gardien serve`: mistakes are told once, each with its hint."""

import os
import re
import subprocess

import pytest
from lib import BINARY, free_port, run, sanitizer_env, wait_until


def mistake(*args):
    """What a command line that is refused says; the lines of its complaints, and those of hints."""
    result = run(BINARY, "serve", *args, env=sanitizer_env())
    assert result.returncode == 2 and result.stdout == "", result.stdout + result.stderr
    lines = result.stderr.splitlines()
    return ([line for line in lines if line.startswith("gardien: ")],
            [line for line in lines if line.startswith("  -> ")])


def test_a_certificate_without_its_key_is_one_mistake(tmp_path):
    cert = tmp_path / "cert.pem"
    cert.write_text("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")
    (said,), (hint,) = mistake(tmp_path, "--cert", cert)
    assert "no private key" in said and "--key FILE" in hint


@pytest.mark.parametrize("name", ["bad!name", "two..dots", "a" * 64 + ".example"])
def test_a_wrong_host_name_shows_a_right_one(tmp_path, name):
    # Run by root, it also tells that the account which serves may not enter the folder.
    said, hints = mistake(tmp_path, name, "--state", tmp_path / "state", "--https", "127.0.0.1:8443")
    assert name in said[0] and "www.example.com" in hints[0]


def fetch(port):
    return run("curl", "-sk", f"https://127.0.0.1:{port}/").stdout


def test_a_folder_without_index_is_told_of_and_listed_on_demand(tmp_path):
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # the account that serves it enters
    public = tmp_path / "public"
    public.mkdir()
    for name in ("file-10", "file-2", "File-1", "a"):
        (public / name).write_text("x")
    for option in ((), ("--listing",)):
        port = free_port()
        with open(tmp_path / "log", "wb") as log, subprocess.Popen(
                [BINARY, "serve", public, "--https", f"127.0.0.1:{port}", "--state",
                 tmp_path / "state", "--access-log", "off", *option],
                stdout=log, stderr=log, env={**os.environ, **sanitizer_env()}) as process:
            try:
                wait_until(lambda: "ready: " in (tmp_path / "log").read_text(), what="the start")
                told = "has no index.html" in (tmp_path / "log").read_text()
                assert told == (not option)
                page = fetch(port)
            finally:
                process.terminate()
    names = re.findall(r"<a href=.\./([^\"]*)", page)
    assert names == ["a", "File-1", "file-2", "file-10"], page


def test_a_name_in_place_of_the_folder_is_told_of(tmp_path):
    result = run(BINARY, "serve", "example.com", cwd=tmp_path)
    assert result.returncode == 2 and "gardien serve . example.com" in result.stderr, result.stderr
    result = run(BINARY, "serve", "--config", "x.yaml", "--listing", cwd=tmp_path)
    assert result.returncode == 2 and "`listing: true`" in result.stderr, result.stderr
