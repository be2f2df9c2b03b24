"""What is built for other systems: programs for macOS are what that system starts, and the one for
Windows runs in wine and scans."""

import contextlib
import json
import socket
import struct
import threading

import pytest

import cross
import lib

ARM64, X86_64 = 0x0100000C, 0x01000007  # mach/machine.h
EXECUTABLE, LOAD_DYLIB, BUILD_VERSION = 2, 0xC, 0x32  # mach-o/loader.h
MACOS = 1


@pytest.fixture(scope="module")
def wine():
    if cross.MISSING:
        pytest.skip(f"not installed: {', '.join(cross.MISSING)}; `tools/deps build cross` does it")
    box = cross.Wine()
    yield box
    box.finish()


def load_commands(data):
    """[(command, its bytes)] of a Mach-O file of 64 bits."""
    count = struct.unpack_from("<I", data, 16)[0]
    at, found = 32, []
    for _ in range(count):
        command, size = struct.unpack_from("<II", data, at)
        found.append((command, data[at:at + size]))
        at += size
    return found


@pytest.mark.parametrize("cpu,number", [("arm64", ARM64), ("x86_64", X86_64)])
def test_the_program_for_macos_is_one_and_needs_only_the_systems_library(cpu, number):
    program = cross.macos(cpu)
    if not program:
        pytest.skip("no compiler for macOS; `tools/deps cross` brings it where npm is")
    data = program.read_bytes()
    magic, machine, _, kind = struct.unpack_from("<IIII", data)
    assert (magic, machine, kind) == (0xFEEDFACF, number, EXECUTABLE)
    commands = load_commands(data)
    assert [struct.unpack_from("<I", body, 8)[0] for command, body in commands
            if command == BUILD_VERSION] == [MACOS]
    needed = [body[24:].split(b"\0")[0].decode() for command, body in commands
              if command == LOAD_DYLIB]
    assert needed == ["/usr/lib/libSystem.B.dylib"]


def test_the_program_for_windows_says_what_it_can(wine):
    program = cross.windows()
    assert wine.run(program, "version").stdout.startswith("gardien ")
    shown = wine.run(program, "help")
    for verb in ["open", "close", "scan"]:
        assert f"\n  {verb} " in shown.stdout, shown
    assert "\n  serve " not in shown.stdout
    wrong = wine.run(program, "scna")
    assert wrong.returncode == 2 and "did you mean `gardien scan`?" in wrong.stderr


@contextlib.contextmanager
def speaker(greeting):
    """A server on loopback that speaks first, and reads what the client says until it closes (to close
    before is a reset, which may overtake the greeting); yields its port."""
    def serve_one(connection):
        connection.settimeout(10 * lib.PATIENCE)
        with connection, contextlib.suppress(OSError):
            connection.sendall(greeting)
            while connection.recv(4096):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            with contextlib.suppress(OSError):  # it was closed
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=serve_one, args=(connection,), daemon=True).start()
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def scanned(run, port, closed):
    result = run("scan", "127.0.0.1", "-p", f"{port},{closed}", "--json")
    assert result.returncode == 0, result.stderr
    host, = json.loads(result.stdout)["hosts"]
    return {entry["port"]: entry for entry in host["ports"]}


def scans_by_connecting(run):
    closed = lib.free_port()
    with speaker(b"SSH-2.0-example\r\n") as port:
        seen = scanned(run, port, closed)
        assert seen[port]["state"] == "open"
        assert seen[port]["service"]["banner"] == "SSH-2.0-example"
        assert seen[closed]["state"] == "closed"
        assert seen[closed]["reason"] == "conn-refused"


def test_the_program_for_windows_scans_by_connecting(wine):
    program = cross.windows()
    scans_by_connecting(lambda *words: wine.run(program, *words))


def test_the_portable_program_scans_by_connecting():
    program = cross.portable()
    scans_by_connecting(lambda *words: lib.run(program, *words))
