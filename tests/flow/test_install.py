"""What `make install` puts where, and that it is a working service."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from lib import BINARY, SANITIZED, TOP, Gardien, have, make_certificate, run, wait_until

LAYOUT = {  # below PREFIX=/usr, for the file's mode
    "/usr/bin/gardien": 0o755, "/usr/share/man/man1/gardien.1": 0o644,
    "/usr/lib/systemd/system/gardien.service": 0o644,
    "/usr/lib/systemd/system/gardien.socket": 0o644, "/usr/lib/sysusers.d/gardien.conf": 0o644,
    "/usr/lib/tmpfiles.d/gardien.conf": 0o644, "/usr/share/gardien/fail2ban/gardien.conf": 0o644, "/etc/logrotate.d/gardien": 0o644,
    "/etc/gardien/gardien.yaml": 0o644, "/usr/share/doc/gardien/LICENSE": 0o644,
    "/usr/share/bash-completion/completions/gardien": 0o644,
    "/usr/share/fish/vendor_completions.d/gardien.fish": 0o644,
    "/usr/share/zsh/site-functions/_gardien": 0o644}


def install(destdir, prefix="/usr"):
    """What `make install` does once everything is built."""
    build = destdir.parent / "built"
    build.mkdir(exist_ok=True)
    shutil.copy(BINARY, build / "gardien")
    manual = run(TOP / "tools" / "manual", BINARY, check=True).stdout
    (build / "gardien.1").write_text(manual)
    result = run(TOP / "tools" / "install", build, check=True,
                 env={"DESTDIR": destdir, "PREFIX": prefix, "SYSCONFDIR": "/etc"})
    return result.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    destdir = tmp_path_factory.mktemp("install") / "root"
    install(destdir)
    return destdir


def has_no_rights(pid):
    """Whether a process is nobody's important and may do nothing special; False for one that ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return "\nUid:\t0" not in status and "\nCapEff:\t0000000000000000\n" in status


def unit(tree):
    return (tree / "usr/lib/systemd/system/gardien.service").read_text()


def test_every_file_is_in_its_place(tree):
    for path, mode in LAYOUT.items():
        file = tree / path[1:]
        assert file.is_file(), path
        assert file.stat().st_mode & 0o777 == mode, path
    assert list((tree / "usr/share/gardien/site").iterdir()), "the first page"
    filled = (unit(tree), (tree / "etc/gardien/gardien.yaml").read_text())
    assert not any(re.search(r"@[A-Z]+@", text) for text in filled)


def test_make_install_uses_the_same_script(tmp_path):
    plan = run("make", "-n", "install", f"DESTDIR={tmp_path}", "PREFIX=/opt/g", cwd=TOP).stdout
    assert f"DESTDIR='{tmp_path}' PREFIX='/opt/g'" in plan and "tools/install" in plan


def test_another_prefix_puts_units_where_systemd_looks(tmp_path):
    install(tmp_path / "root", "/usr/local")
    text = (tmp_path / "root/etc/systemd/system/gardien.service").read_text()
    assert "ExecStart=/usr/local/bin/gardien serve --config /etc/gardien/gardien.yaml" in text
    assert (tmp_path / "root/usr/local/bin/gardien").is_file()


def test_settings_that_exist_are_kept(tmp_path):
    settings = tmp_path / "root/etc/gardien/gardien.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text("mine")
    assert "kept" in install(tmp_path / "root")
    assert settings.read_text() == "mine"


def test_uninstall_removes_what_install_brought_and_keeps_settings(tmp_path):
    root = tmp_path / "root"
    others = [root / "usr/local/bin/other", root / "usr/local/share/doc/gardien/mine"]
    for file in others:
        file.parent.mkdir(parents=True)
        file.write_text("another's")
    install(root, "/usr/local")
    said = run(TOP / "tools" / "install", "--remove", check=True,
               env={"DESTDIR": root, "PREFIX": "/usr/local", "SYSCONFDIR": "/etc"}).stdout
    left = {path for path in root.rglob("*") if path.is_file()}
    assert left == {root / "etc/gardien/gardien.yaml", *others}
    assert not (root / "usr/local/share/gardien").exists()
    for kept in ("/etc/gardien", "/var/lib/gardien", "/var/log/gardien"):
        assert f"{root}{kept} " in said


def test_the_unit_starts_reloads_and_confines(tree):
    text = unit(tree)
    for line in ("Type=notify", "ExecStart=/usr/bin/gardien serve --config /etc/gardien/gardien.yaml",
                 "ExecReload=/usr/bin/gardien reload", "KillMode=mixed", "Restart=on-failure",
                 "NoNewPrivileges=yes", "ProtectSystem=strict", "StateDirectory=gardien",
                 "LogsDirectory=gardien", "WantedBy=multi-user.target"):
        assert re.search(rf"^{re.escape(line)}$", text, re.M), line
    sockets = (tree / "usr/lib/systemd/system/gardien.socket").read_text()
    assert {"ListenStream=443", "ListenStream=80"} <= set(sockets.splitlines())


@pytest.mark.skipif(not have("systemd-analyze"), reason="no systemd on this machine")
def test_systemd_finds_nothing_wrong_with_the_units(tree, tmp_path):
    for name in ("gardien.service", "gardien.socket"):
        text = (tree / "usr/lib/systemd/system" / name).read_text()
        (tmp_path / name).write_text(text.replace("/usr/bin/gardien", str(BINARY)))
    result = run("systemd-analyze", "verify", "--man=no", tmp_path / "gardien.service",
                 tmp_path / "gardien.socket")
    told = [line for line in result.stderr.splitlines() if "gardien" in line]
    assert not told, result.stderr


@pytest.mark.skipif(not have("systemd-sysusers"), reason="no systemd on this machine")
def test_systemd_makes_user_and_folders(tree):
    for program, folder in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
        file = tree / "usr/lib" / folder / "gardien.conf"
        options = ["--dry-run"] if program == "systemd-sysusers" else ["--create", "--dry-run"]
        result = run(program, *options, file)
        if "unrecognized option" in result.stderr:
            continue  # an older systemd
        assert result.returncode == 0 and "gardien.conf:" not in result.stderr, result.stderr


@pytest.mark.skipif(not have("man"), reason="no man on this machine")
def test_the_manual_page_is_well_formed(tree):
    page = tree / "usr/share/man/man1/gardien.1"
    result = subprocess.run(["man", "--warnings", "-l", str(page)], capture_output=True, text=True,
                            env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8",
                                 "MANROFFSEQ": ""}, check=True)
    assert not result.stderr, result.stderr
    for verb in ("serve", "reload", "upgrade", "stop", "status", "config", "cert"):
        assert verb in result.stdout
    assert "connections_per_address" in result.stdout, "limits are written with their defaults"


def test_the_installed_settings_are_right_and_serve(tree, start):
    """The first settings name installed paths: moved into the tree, they serve the first page."""
    text = (tree / "etc/gardien/gardien.yaml").read_text().replace(
        "/usr/share/gardien/site", str(tree / "usr/share/gardien/site"))
    (tree / "check.yaml").write_text(text)
    assert run(BINARY, "config", "check", tree / "check.yaml").returncode == 0

    def on_free_ports(server):
        quiet = re.sub(r"(?m)^(listen|logs):.*\n(?:[ \t]+.*\n|\n)*", "", text)
        return (f"{quiet}\nlisten:\n  https: ['127.0.0.1:{server.https}']\n"
                f"  http: ['127.0.0.1:{server.http}']\nlogs: {{access: off}}\n")

    server = start(on_free_ports, binary=tree / "usr/bin/gardien")
    assert server.curl("/").status == 200


def test_the_installed_program_needs_nothing_of_the_source_tree(tree, tmp_path):
    result = run("env", "-i", tree / "usr/bin/gardien", "version", cwd=tmp_path)
    assert result.returncode == 0 and re.search(r"\d+\.\d+", result.stdout)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose rights it takes away")
def test_the_rights_that_the_unit_leaves_are_enough(tree, tmp_path):
    """Started with the unit's bounding set and no new privileges, it still switches users, reads
    another user's key, writes its log and obeys."""
    rights = re.search(r"^CapabilityBoundingSet=(.+)$", unit(tree), re.M)[1].lower().split()
    certificate, key = make_certificate(tmp_path, "site", ["localhost"])
    os.chown(key, 65534, 65534)
    key.chmod(0o400)
    server = Gardien(tmp_path / "gardien", lambda server: {
        "sites": [{"names": ["localhost"], "files": str(server.public),
                   "certificate": {"file": str(certificate), "key": str(key)}}],
        "workers": 2, "logs": {"access": str(server.folder / "access.log")}})
    bound = ",".join(["-all", *("+" + right.removeprefix("cap_") for right in rights)])
    server.command = ["setpriv", "--no-new-privs", "--inh-caps=-all", f"--bounding-set={bound}",
                      *server.command]
    server.launch()
    try:
        server.wait_ready()
        assert "sandboxed" in server.output() or SANITIZED
        assert server.curl("/", "-k").status == 200
        assert server.cli("reload").returncode == 0
        killed = server.role("worker")[0]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: killed not in server.family() and len(server.role("worker")) == 2
                   and all(has_no_rights(pid) for pid in server.family() if pid not in server.role("bans")), 5, "two workers")
        assert (server.folder / "access.log").exists()
        server.finish()
    finally:
        if server.process.poll() is None:
            server.kill()


# ---- completion ----


def complete(script, *words):
    """What bash offers for a command line whose last word is being written."""
    line = " ".join(f"'{word}'" for word in words)
    result = run("bash", "-c", f"source '{script}'; COMP_WORDS=({line}); "
                 f"COMP_CWORD={len(words) - 1}; _gardien; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
                 check=True, cwd=script.parent)
    assert not result.stderr, result.stderr
    return set(result.stdout.split())


def verbs():
    """The verbs that the help names."""
    return re.findall(r"^  ([a-z]+) ", run(BINARY, "help", check=True).stdout, re.M)


@pytest.fixture
def script(tmp_path):
    file = tmp_path / "completion"
    file.write_text(run(BINARY, "help", "--bash-completion", check=True).stdout)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.pem").write_text("")
    return file


def test_completion_knows_every_verb_and_every_option_of_it(script):
    assert complete(script, "gardien", "") == {*verbs(), "--help", "--version"}
    for verb in verbs():
        options = set(re.findall(r"^  (?:-\w+, )?(--[a-z0-9-]+)", run(BINARY, verb, "--help").stdout, re.M))
        assert complete(script, "gardien", verb, "-") == options, verb


def test_completion_knows_what_options_take_and_what_follows_a_verb(script):
    assert complete(script, "gardien", "serve", "--cert", "f") == {"folder", "file.pem"}
    assert complete(script, "gardien", "serve", "--state", "f") == {"folder"}
    assert complete(script, "gardien", "serve", "f") == {"folder"}
    assert ":8443" in complete(script, "gardien", "serve", "--https", "")
    assert complete(script, "gardien", "serve", "--https", ":", "84") == {"8443"}
    assert "json" in complete(script, "gardien", "serve", "--log-format", "")
    assert complete(script, "gardien", "cert", "t") == {"trust"}
    assert complete(script, "gardien", "cert", "show", "fi") == {"file.pem"}
    assert complete(script, "gardien", "config", "check", "fi") == {"file.pem"}
    assert set(verbs()) == complete(script, "gardien", "help", "")


@pytest.mark.skipif(not have("fish"), reason="fish is not installed")
def test_fish_completes_verbs_options_and_values(tmp_path):
    file = tmp_path / "gardien.fish"
    file.write_text(run(BINARY, "help", "--fish-completion", check=True).stdout)
    (tmp_path / "folder").mkdir()

    def offers(line):
        result = run("fish", "--no-config", "-c", f"source '{file}'; complete -C '{line}'", check=True, cwd=tmp_path,
                     env={"HOME": str(tmp_path)})
        assert not result.stderr, result.stderr
        return {offer.split("\t")[0] for offer in result.stdout.splitlines()}

    assert set(verbs()) <= offers("gardien ")
    for verb in verbs():
        options = set(re.findall(r"^  (?:-\w+, )?(--[a-z0-9-]+)", run(BINARY, verb, "--help").stdout, re.M))
        assert offers(f"gardien {verb} --") == options, verb
    assert offers("gardien serve --log-format ") == {"combined", "combined_plus", "json"}
    assert "trust" in offers("gardien cert ")
    assert "folder/" in offers("gardien serve fo")


@pytest.mark.skipif(not have("zsh"), reason="zsh is not installed")
def test_zsh_is_told_every_option_and_what_it_takes(tmp_path):
    file = tmp_path / "_gardien"
    file.write_text(run(BINARY, "help", "--zsh-completion", check=True).stdout)

    def told(*words):
        """What zsh's own functions are called with."""
        line = " ".join(words)
        result = run("zsh", "-f", "-c", "compdef() {}; _arguments() { print -rl -- \"$@\" }; "
                     "_describe() { print -rl -- \"${(@P)4}\" }; "
                     f"source '{file}'; words=({line} ''); CURRENT={len(words) + 1}; _gardien", check=True)
        assert not result.stderr, result.stderr
        return result.stdout.splitlines()

    assert {line.split(":")[0] for line in told("gardien") if not line.startswith("-")} == set(verbs())
    for verb in verbs():
        options = set(re.findall(r"^  (?:-\w+, )?(--[a-z0-9-]+)", run(BINARY, verb, "--help").stdout, re.M))
        got = {line.lstrip("*").split("[")[0] for line in told("gardien", verb) if line.lstrip("*").startswith("--")}
        assert got == options, verb
    serve = told("gardien", "serve")
    assert any(line.startswith("--cert[") and line.endswith(":FILE:_files") for line in serve), serve
    assert any(line.endswith(":(combined combined_plus json)") for line in serve), serve
