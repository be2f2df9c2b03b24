"""The logs: lines as fail2ban and JSON readers want them, files that are moved away, a writer that
hangs, and nothing secret in any of it."""

import json
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from lib import PATIENCE, anything_goes, have, limit, read_answer, run, wait_until
from load import Load

FILTERS = Path("/etc/fail2ban/filter.d")
COMBINED = re.compile(r'^(?P<client>\S+) - (\S+) \[(?P<when>\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]'
                      r' "(?P<request>[^"]*)" (?P<status>\d{3}) (?P<bytes>\d+) "(?P<referer>[^"]*)"'
                      r' "(?P<agent>[^"]*)"$')
FIELDS = {"time", "client", "client_port", "port", "request_id", "method", "host", "target",
          "protocol", "status", "bytes", "body_received", "first_byte_ms", "total_ms", "referer",
          "user_agent", "tls", "cipher", "resumed"}


@pytest.fixture
def serve(start):
    """serve(format, access=None) -> a Gardien that writes access.log, two workers."""
    def serve(form="combined", access=None, **more):
        def config(server):
            server.access = server.folder / "access.log"
            server.events = server.folder / "error.log"
            return {"sites": [{"names": ["localhost"], "files": str(server.public)}], "workers": 2,
                    "logs": {"access": access or str(server.access), "format": form,
                             "error": str(server.events)}, **more}
        return start(config, files={"big.bin": bytes(4 << 20)})
    return serve


def lines_of(file, count, seconds=5):
    """Waits for at least so many whole lines, and returns all."""
    def there():
        text = file.read_text() if file.exists() else ""
        return text.endswith("\n") and text.count("\n") >= count and text.splitlines()
    return wait_until(there, seconds, f"{count} lines in {file}")


# ---- combined ----


def test_combined_lines_have_the_form_that_everybody_reads(serve):
    server = serve()
    server.curl("/", "-A", 'agent "with" \\quotes', "-e", "https://elsewhere.test/")
    server.curl("/missing?q=1", "--http2")
    server.curl("/", secure=False)
    first, second, third = [COMBINED.match(line) for line in lines_of(server.access, 3)]
    assert first["client"] == "127.0.0.1" and first["status"] == "200"
    assert first["agent"] == r"agent \x22with\x22 \x5Cquotes"
    assert first["referer"] == "https://elsewhere.test/"
    assert int(first["bytes"]) == len((server.public / "index.html").read_bytes())
    assert second["request"] == "GET /missing?q=1 HTTP/2.0" and second["status"] == "404"
    assert third["status"] == "308"
    when = time.mktime(time.strptime(first["when"][:20], "%d/%b/%Y:%H:%M:%S"))
    assert abs(when - time.time()) < 60 * PATIENCE


def test_what_a_client_sends_cannot_break_a_line(serve):
    server = serve()
    with server.tls() as peer:
        peer.sendall(b"GET /%0a%22\xc3\xa9x HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a\tb\xff\" \x7f"
                     b"\r\nConnection: close\r\n\r\n")
        peer.recv(100)
    server.curl("/after")
    lines = lines_of(server.access, 2)
    assert len(lines) == 2 and all(COMBINED.match(line) for line in lines), lines
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_combined_plus_has_host_id_and_seconds_behind_the_combined_line(serve):
    server = serve("combined_plus")
    server.curl("/")
    server.curl("/", "--http2")
    lines = lines_of(server.access, 2)
    ids = set()
    for line in lines:
        combined, host, more = re.fullmatch(r'(.*) "([^"]*)" ([^"]*)', line).groups()
        assert COMBINED.match(combined) and host == f"localhost:{server.https}", line
        request_id, seconds = more.split()
        assert float(seconds) < 10 and re.fullmatch(r"[0-9a-f]{16,}", request_id), line
        ids.add(request_id)
    assert len(ids) == 2


def test_the_command_line_names_the_access_log_and_its_form(start, tmp_path):
    log = tmp_path / "lines.json"
    server = start(None, "--access-log", log, "--log-format", "json")
    server.curl("/")
    assert json.loads(lines_of(log, 1)[0])["status"] == 200
    assert not (server.state / "access.log").exists()


def test_the_command_line_can_leave_the_access_log_out(start):
    server = start(None, "--access-log", "off")
    server.curl("/")
    server.stop()
    assert not (server.state / "access.log").exists()


def test_a_state_folder_of_its_own_has_the_access_log_too(server):
    """As root as well: two gardiens shall not write one file because nobody named another."""
    server.curl("/")
    assert '"GET / HTTP/' in lines_of(server.state / "access.log", 1)[0]
    assert f"access log: {server.state / 'access.log'}" in server.output()


@pytest.mark.skipif(not have("fail2ban-regex"), reason="fail2ban-regex is not installed")
@pytest.mark.parametrize("form", ("combined", "combined_plus"))
def test_fail2bans_nginx_filters_match(serve, form):
    server = serve(form)
    for path in ("/wp-login.php", "/phpmyadmin/index.php", "/cgi-bin/x"):
        assert server.curl(path).status == 404
    for _ in range(4):
        with server.tls() as peer:  # no HTTP at all
            peer.sendall(b"\x03\x00\x00/*\xe0\x00\r\n\r\n")
            peer.recv(1000)
    server.curl("/")
    lines_of(server.access, 8)
    for name, least in (("nginx-botsearch", 1), ("nginx-bad-request", 4)):
        report = run("fail2ban-regex", server.access, FILTERS / f"{name}.conf",
                     FILTERS / f"{name}.conf", seconds=40).stdout
        found = re.search(r"Lines: (\d+) lines, (\d+) ignored, (\d+) matched, (\d+) missed", report)
        assert found and int(found[3]) >= least, f"{name}: {report}\n{server.access.read_text()}"
        assert int(found[3]) < int(found[1]), f"{name} matches everything"


# ---- JSON ----


def test_json_lines_have_all_fields(serve):
    server = serve("json")
    answers = [server.curl("/?a=b", "--http1.1", "-A", "söme \"agent\"", "-e", "https://r.test/"),
               server.curl("/missing", "--http2"),
               server.curl("/", "-d", "12345", "--http2")]
    first, missing, posted = [json.loads(line) for line in lines_of(server.access, 3)]
    for entry, answer in zip((first, missing, posted), answers):
        assert FIELDS <= set(entry), FIELDS - set(entry)
        assert entry["status"] == answer.status
        assert entry["client"] == "127.0.0.1" and entry["port"] == server.https
        assert entry["tls"] == "TLSv1.3" and entry["cipher"].startswith("TLS_")
        assert 0 <= entry["first_byte_ms"] <= entry["total_ms"] < 60000
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"])
    assert (first["method"], first["target"], first["protocol"]) == ("GET", "/?a=b", "HTTP/1.1")
    assert first["referer"] == "https://r.test/" and '"agent"' in first["user_agent"]
    assert first["bytes"] == len(answers[0].body)
    assert (missing["protocol"], missing["status"]) == ("HTTP/2.0", 404)
    assert posted["method"] == "POST" and posted["body_received"] in (0, 5)  # refused before it came
    assert len({entry["request_id"] for entry in (first, missing, posted)}) == 3


def test_json_is_valid_whatever_the_client_sends(serve):
    server = serve("json")
    requests = [b"GET /\xff\xfe\"\\ HTTP/1.1\r\nHost: localhost\r\n", b"\x16\x03\x01\x00 nonsense\r\n",
                b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: \xf0\x9f\x98\x80\x80\"}{\r\n",
                b"GET / HTTP/1.1\r\nHost: " + b"a" * 300 + b"\r\n",
                b"GET /" + b"%22" * 3000 + b" HTTP/1.1\r\nHost: localhost\r\n",
                b"G\x00T / HTTP/1.1\r\nHost: localhost\r\n"]
    for request in requests:
        with server.tls() as peer:
            peer.sendall(request + b"Connection: close\r\n\r\n")
            peer.recv(1000)
    server.curl("/end")
    entries = [json.loads(line) for line in lines_of(server.access, len(requests))]
    assert any(entry["target"] == "/end" for entry in entries)
    assert sum(entry["status"] == 400 for entry in entries) >= 3
    assert all(entry.get("reason") for entry in entries if entry["status"] == 400)


def test_a_download_that_the_client_leaves_is_said_to_be(serve):
    server = serve("json")
    with server.tls(context=anything_goes()) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        peer.sendall(b"GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        peer.recv(100)
    entries = [json.loads(line) for line in lines_of(server.access, 1)]
    cut = [entry for entry in entries if entry.get("cut_off_by")]
    assert cut and cut[0]["cut_off_by"] == "client" and cut[0]["bytes"] < 4 << 20


def test_resumption_is_told(serve):
    server = serve("json")
    context, session = anything_goes(), None
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", server.https), 5) as bare, \
                context.wrap_socket(bare, server_hostname="localhost", session=session) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read_answer(peer).status == 200
            session = peer.session
    assert [json.loads(line)["resumed"] for line in lines_of(server.access, 2)] == [False, True]


# ---- where lines go ----


def test_off_writes_nothing(serve):
    server = serve(access="off")
    with Load(server) as load:
        load.wait_more(5)
    assert not server.access.exists() and "GET /" not in server.output()


def test_standard_output_is_a_place(serve):
    server = serve(access="stdout")
    server.curl("/to-stdout")
    server.wait_output(r'"GET /to-stdout HTTP/')


def test_a_file_that_cannot_be_opened_is_an_error_with_its_name(start):
    server = start(lambda server: {"sites": [{"names": ["localhost"], "files": str(server.public)}],
                                   "logs": {"access": "/nonexistent/folder/access.log"}}, wait=False)
    server.expected_exit = server.process.wait(20 * PATIENCE)
    assert server.expected_exit in (1, 2)
    assert "/nonexistent/folder/access.log" in server.output()


def test_files_are_opened_anew_and_no_line_is_lost(serve):
    server = serve()
    with Load(server, http1=2, http2=1, fresh=1) as load:
        for number in range(5):
            for file in (server.access, server.events):
                if file.exists():
                    file.rename(file.with_suffix(f".{number}"))
            server.process.send_signal(signal.SIGUSR1)
            wait_until(server.access.exists, 5, "a new file")
            load.wait_more(3)
    done = sum(client.done * getattr(client, "STREAMS", 1) for client in load.clients)
    files = [server.access, *(server.access.with_suffix(f".{number}") for number in range(5))]
    count = lambda: sum(file.read_text().count("\n") for file in files)  # noqa: E731
    wait_until(lambda: count() >= done, 5, f"{done} lines")
    assert count() == done
    assert all(COMBINED.match(line) for file in files for line in file.read_text().splitlines())
    mode = server.access.stat().st_mode & 0o777
    assert not mode & 0o022, f"others may write the log: {mode:o}"


def test_form_and_place_change_with_a_reload(serve):
    server = serve()
    server.curl("/one")
    lines_of(server.access, 1)
    config = json.loads(server.config_file.read_text())
    fresh = server.folder / "fresh.log"
    config["logs"].update(access=str(fresh), format="json")
    server.write_config(config)
    assert server.cli("reload").returncode == 0
    server.curl("/two")
    assert json.loads(lines_of(fresh, 1)[0])["target"] == "/two"
    assert len(lines_of(server.access, 1)) == 1


# ---- a writer that hangs ----


def test_a_logs_process_that_hangs_blocks_nobody(serve):
    server = serve("json")
    logs = server.role("logs")[0]
    with Load(server, http1=2, http2=2, fresh=1) as load:
        os.kill(logs, signal.SIGSTOP)
        try:
            load.wait_more(60, seconds=30)
            with server.tls(context=anything_goes()) as peer:
                for _ in range(300):
                    began = time.monotonic()
                    peer.sendall(b"GET /" + b"x" * 7000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    assert read_answer(peer).status == 404
                    assert time.monotonic() - began < PATIENCE
            assert load.slowest < 2 * PATIENCE
        finally:
            os.kill(logs, signal.SIGCONT)
    assert server.role("logs") == [logs]
    server.curl("/after-the-pause")
    wait_until(lambda: "/after-the-pause" in server.access.read_text(), 10, "lines to come again")
    for line in server.access.read_text().splitlines():
        json.loads(line)


def test_lines_that_had_to_be_dropped_are_counted(serve):
    server = serve("json", workers=1)
    logs = server.role("logs")[0]
    os.kill(logs, signal.SIGSTOP)
    try:
        with server.tls(context=anything_goes()) as peer:
            for _ in range(3000):
                peer.sendall(b"GET /" + b"x" * 7000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert read_answer(peer).status == 404
    finally:
        os.kill(logs, signal.SIGCONT)
    for _ in range(3):
        server.curl("/")
    said = wait_until(lambda: re.findall(r'event="access log lines dropped" lines=(\d+)',
                                         server.events.read_text()), 10, "word of dropped lines")
    assert "process=worker event=\"access log lines dropped\"" in server.events.read_text()
    kept = len(server.access.read_text().splitlines())
    assert sum(map(int, said)) + kept >= 3000


def test_a_pipe_whose_reader_is_late_blocks_neither_requests_nor_verbs_nor_the_end(serve, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    late = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    server = serve(access=str(pipe))
    with Load(server) as load:
        load.wait_more(100, seconds=30)  # more than the pipe holds
        for _ in range(20):
            assert server.cli("reload").returncode == 0
            server.process.send_signal(signal.SIGUSR1)
        load.wait_more()
    assert load.slowest < 2 * PATIENCE
    since = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - since < 5 * PATIENCE
    os.close(late)


def test_a_pipe_that_nobody_reads_is_an_error_not_a_wait(start, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    server = start(lambda server: {"sites": [{"names": ["localhost"], "files": str(server.public)}],
                                   "logs": {"access": str(tmp_path / "pipe")}}, wait=False)
    server.expected_exit = server.process.wait(20 * PATIENCE)
    assert server.expected_exit == 1 and str(tmp_path / "pipe") in server.output()


def test_a_full_disk_is_told_and_lines_come_whole_when_there_is_room_again(serve):
    server = serve("json", workers=1)
    logs = server.role("logs")[0]
    server.curl("/before")
    lines_of(server.access, 1)
    limit(logs, f"--fsize={server.access.stat().st_size + 50}:")  # room for half a line
    for _ in range(3):
        assert server.curl("/full").status == 404
    wait_until(lambda: server.access.stat().st_size % 100 and
               not server.access.read_text().endswith("\n"), 5, "half a line")
    limit(logs, "--fsize=unlimited:")
    server.curl("/after")
    wait_until(lambda: "/after" in server.access.read_text(), 5, "lines to come again")
    lines = server.access.read_text().splitlines()
    assert json.loads(lines[-1])["target"] == "/after", lines
    assert server.role("logs") == [logs], "nobody had to die"


# ---- the error log, and secrets ----


def test_events_are_key_value_lines(serve):
    server = serve()
    os.kill(server.role("worker")[0], signal.SIGKILL)
    wait_until(lambda: "worker replaced" in server.events.read_text(), 5, "word of it")
    pair = r'[a-z_0-9]+=(?:"(?:[^"\\]|\\.)*"|\S*)'
    lines = server.events.read_text().splitlines()
    assert lines and all(re.fullmatch(rf"{pair}(?: {pair})*", line) for line in lines), lines
    for line in lines:
        assert re.match(r"time=\S+Z level=(error|warning|notice) process=\w+ event=\"", line), line


@pytest.mark.parametrize("form", ["combined", "json"])
def test_no_secret_is_in_any_log(serve, form):
    server = serve(form)
    secret = "s3cr3t-of-mine"
    for version in ("--http1.1", "--http2"):
        server.curl("/", version, "-H", f"Authorization: Bearer {secret}", "-b", f"session={secret}",
                    "-H", f"Proxy-Authorization: Basic {secret}", "-H", f"X-Api-Key: {secret}",
                    "-d", f"password={secret}")
    with server.tls() as peer:
        peer.sendall(f"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {secret}\r\n{secret}\r\n\r\n"
                     .encode())
        peer.recv(1000)
    lines_of(server.access, 2)
    server.stop()
    for text in (server.access.read_text(), server.events.read_text(), server.output()):
        assert secret not in text and "PRIVATE KEY" not in text
