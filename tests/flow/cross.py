"""Programs for other systems, each built once a session: the portable program for Linux, which runs
here the code that macOS gets, and the one for Windows, which wine runs."""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

import lib

TOP = Path(__file__).resolve().parents[2]
BUILD_SECONDS = 600
#: What the program for Windows takes to be built and run.
NEEDED = ["x86_64-w64-mingw32-gcc", "wine", "meson", "ninja", "cmake"]
MISSING = [name for name in NEEDED if not shutil.which(name)]


def _build(folder, *setup):
    """Sets a build folder up and builds gardien in it; others who do the same wait."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lib.run(*setup, seconds=BUILD_SECONDS, check=True, cwd=TOP)
        name = "gardien.exe" if "windows" in setup else "gardien"
        result = lib.run("ninja", "-C", folder, name, seconds=BUILD_SECONDS)
        assert result.returncode == 0, result.stdout + result.stderr
        return folder / name


def _folder(name):
    """Where a program is built: beside the one under test, so that a second run finds it."""
    return lib.BINARY.parent / "cross" / name


def portable():
    """The portable program for this system; GARDIEN_PORTABLE names one that is there already."""
    given = os.environ.get("GARDIEN_PORTABLE")
    if given:
        return Path(given).resolve()
    folder = _folder("portable")
    return _build(folder, TOP / "tools/setup", folder, "-Dportable=true", "-Dwerror=true",
                  *(["-Db_sanitize=address,undefined", "-Db_lundef=false"] if lib.SANITIZED else []))


def windows():
    """The program for Windows; GARDIEN_WINDOWS names one that is there already."""
    _once_is_enough()
    given = os.environ.get("GARDIEN_WINDOWS")
    if given:
        return Path(given).resolve()
    return _cross("windows")


def macos(cpu):
    """The program for macOS on arm64 or x86_64; None where there is no compiler for it."""
    _once_is_enough()
    systems = lib.run(TOP / "tools/cross/setup", "--systems").stdout.split()
    return _cross(f"macos-{cpu}") if f"macos-{cpu}" in systems else None


def _once_is_enough():
    """Leaves programs that have no sanitizer to the run without one: they are the same in both."""
    if lib.SANITIZED:
        pytest.skip("has no sanitizer; the run of the program without one proves it")


def _cross(system):
    """`make cross` builds in the same folder."""
    folder = TOP / "build-cross" / system
    return _build(folder, TOP / "tools/cross/setup", system, folder, "-Dwerror=true")


class Wine:
    """A wine of its own, which ends with it. No display, no sound, no menu of the desktop. Its network
    is that of @host, of netns.py, or else this machine's: it is wine's server that has the sockets."""

    def __init__(self, host=None):
        self.command = host.command if host else lambda *words: [str(word) for word in words]
        self.folder = Path(tempfile.mkdtemp(prefix="gardien-wine-"))
        self.env = {**os.environ, "HOME": str(self.folder), "WINEPREFIX": str(self.folder / "prefix"),
                    "WINEDLLOVERRIDES": "winemenubuilder.exe=d;mscoree=d;mshtml=d"}
        self.env.pop("DISPLAY", None)
        self.env.pop("TMPDIR", None)  # wine 10 ends with "free(): invalid pointer" where it is set
        (self.folder / "prefix").mkdir()
        # One server for all programs, and what it starts beside them, which would keep the output of
        # the first program open.
        for command in (["wineserver", "-p"], ["wine", "wineboot", "-i"]):
            subprocess.run(self.command(*command), env={**self.env, "WINEDEBUG": "-all"}, check=False,
                           timeout=180 * lib.PATIENCE, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run(self, *words, channels="-all", seconds=120, input=None):
        """Runs a program for Windows to its end. @channels of wine's own log go to stderr. Where wine itself
        ended (by a signal, or with a mistake and not a word: gardien never does) it is run again."""
        for _ in range(3):
            result = self.run_once(words, channels, seconds, input)
            if result.returncode == 0 or (result.returncode > 0 and result.stdout + result.stderr):
                break
        return result

    def run_once(self, words, channels, seconds, input):
        """Output goes to files: wine hands stderr on to every process, and one that stays would keep a
        pipe open."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                self.command("wine", *words), env={**self.env, "WINEDEBUG": channels},
                stdin=subprocess.DEVNULL if input is None else subprocess.PIPE, stdout=out,
                stderr=err, text=True, start_new_session=True)
            try:
                process.communicate(input, timeout=seconds * lib.PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode(errors="replace").replace("\r\n", "\n"))
        return subprocess.CompletedProcess(words, process.returncode, *said)

    def finish(self):
        """Ends what wine started, and removes its folder."""
        subprocess.run(["wineserver", "-k"], env=self.env, check=False, timeout=30,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(["wineserver", "-w"], env=self.env, check=False, timeout=30,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)
