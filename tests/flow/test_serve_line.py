"""The command line of `gardien serve`: mistakes are told once, each with its hint."""

import pytest
from lib import BINARY, run, sanitizer_env


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
