"""Text that somebody else wrote (a process name, a key in the settings, another process's answer)
reaches a terminal only escaped."""

import ctypes
import json
import multiprocessing
import socket
import threading

from lib import BINARY, free_port, run

HOSTILE = "\x9b31mX\u202eY\u00a0Z"  # C1's CSI, right-to-left override, no-break space
SHOWN = r"\u009b31mX\u202eY\u00a0Z"


def hold(port, ready):
    """Listens under a name that a terminal would obey."""
    ctypes.CDLL(None).prctl(15, "\x9b2JX\u202e".encode(), 0, 0, 0)
    with socket.create_server(("127.0.0.1", port)):
        ready.set()
        threading.Event().wait(30)


def test_a_process_name_is_escaped(tmp_path):
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # the account that serves it enters
    port, ready = free_port(), multiprocessing.Event()
    holder = multiprocessing.Process(target=hold, args=(port, ready))
    holder.start()
    try:
        assert ready.wait(10)
        result = run(BINARY, "serve", tmp_path, "--https", f"127.0.0.1:{port}", "--http", "off",
                     "--state", tmp_path / "state")
    finally:
        holder.terminate()
        holder.join()
    assert result.returncode != 0 and r"\u009b2JX\u202e" in result.stderr, result.stderr
    assert "\x9b" not in result.stderr and "\u202e" not in result.stderr


def test_a_key_in_the_settings_is_escaped_and_the_caret_meets_it(tmp_path):
    file = tmp_path / "g.yaml"
    file.write_text('"a\u00a0b": 1\n')
    result = run(BINARY, "config", "check", file)
    lines = result.stderr.splitlines()
    assert "U+00A0" in result.stderr and "cannot be seen" in lines[0], result.stderr
    assert lines[1:3] == [r'    "a\u00a0b": 1', "    ^"], result.stderr
    assert "\u00a0" not in result.stderr

    file.write_text("sites: [{names: [a.example], files: \"/\u200b\", x_y: 1}]\n")
    lines = run(BINARY, "config", "check", file).stderr.splitlines()
    at = next(i for i, line in enumerate(lines) if line.lstrip().startswith("^"))
    assert r'"/\u200b"' in lines[at - 1] and lines[at - 1][lines[at].index("^"):][:3] == "x_y", lines


def test_what_another_process_says_is_escaped(tmp_path):
    """`gardien reload` prints what answers on the control socket."""
    answer = {"ok": False, "exit": 1, "diags": [{"sentence": f"a worker says {HOSTILE}",
                                                 "hint": f"do {HOSTILE}"}]}
    (tmp_path / "state").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "state" / "control.sock"))
        server.listen()

        def reply():
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(json.dumps(answer, ensure_ascii=False).encode() + b"\n")

        thread = threading.Thread(target=reply, daemon=True)
        thread.start()
        result = run(BINARY, "reload", "--state", tmp_path / "state")
    assert f"a worker says {SHOWN}" in result.stderr and f"do {SHOWN}" in result.stderr


def test_json_means_the_same_and_holds_no_control_characters(tmp_path):
    file = tmp_path / "g.yaml"
    file.write_text("sites: [{names: [a.example], files: \"/a\u00a0b\u202ec\"}]\n")
    result = run(BINARY, "config", "check", "--json", file)
    assert "\u202e" not in result.stdout and r"\u202e" in result.stdout
    assert "/a\u00a0b\u202ec" in json.loads(result.stdout)["diags"][0]["sentence"]
