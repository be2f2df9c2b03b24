"""What the flow tests stand on: a gardien started in a folder of its own on free ports, and real
clients that talk to it. Knows how to start, watch and stop; what is right is said by the tests."""

import atexit
import functools
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("GARDIEN", TOP / "build" / "gardien")).resolve()
#: A machine with sanitizers or two busy cores is slow: every deadline is multiplied by this.
PATIENCE = float(os.environ.get("PATIENCE", "1"))
SANITIZER = re.compile(r"(ERROR|WARNING|SUMMARY): \w+Sanitizer|runtime error:|Sanitizer:DEADLYSIGNAL")

#: Whether the program is a sanitizer's build, in which some steps of the sandbox are left out.
SANITIZED = BINARY.exists() and b"__asan_init" in BINARY.read_bytes()


#: For tests that look into the processes of a gardien, which other users than root may not.
needs_root = pytest.mark.skipif(os.geteuid() != 0,
                                reason="takes root, who may look into gardien's processes")


@functools.cache
def built_without():
    """The optional libraries that the program was built without, as `gardien version` names them."""
    words = run(BINARY, "version", "--json").stdout
    return json.loads(words).get("without", []) if words else []


def needs_library(*names):
    """Skips the calling test if the program was built without one of these libraries."""
    for name in names:
        if name in built_without():
            pytest.skip(f"the program is built without {name}")


@functools.cache
def binary_for_others():
    """The program at a path that every user may reach, even if the clone is in a folder of mode 0700."""
    folder = Path(tempfile.mkdtemp(prefix="gardien-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    program = folder / "gardien"
    program.write_bytes(BINARY.read_bytes())
    program.chmod(0o755)
    return program


def _own_ports():
    """This process's share of the ports below the range of outgoing connections: tests that run side
    by side (pytest-xdist) never get each other's."""
    first, last = 20000, 32000
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = (last - first) // count
    return range(first + number % count * share, first + (number % count + 1) * share)


_ports = _own_ports()
_taken = set()


def free_port():
    """A TCP port that nobody listens on, of this process's own, never given twice by it."""
    for _ in range(500):
        port = random.choice(_ports)
        if port in _taken:
            continue
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.bind(("::", port))
            except OSError:
                continue
        _taken.add(port)
        return port
    raise RuntimeError(f"no free port between {_ports.start} and {_ports.stop}")


def wait_until(condition, seconds=10, what="the condition", pause=0.02):
    """Waits for condition() to be true and returns what it said; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds * PATIENCE:g} s")
        time.sleep(pause)


def run(*command, seconds=30, check=False, input=None, env=None, cwd=None):
    """Runs a command to its end; the result has returncode, stdout and stderr as text."""
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, errors="replace",
        timeout=seconds * PATIENCE, check=check, input=input, cwd=cwd,
        env={**os.environ, **{name: str(value) for name, value in (env or {}).items()}})


def sanitizer_env():
    """Makes a sanitizer's finding fatal and visible, leaks at the end included."""
    return {"ASAN_OPTIONS": "exitcode=99:" + os.environ.get("ASAN_OPTIONS", ""),
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:"
                             + os.environ.get("UBSAN_OPTIONS", "")}


class Answer:
    """One HTTP answer. Header names are lower case; a repeated field's values are a list in
    `all_headers`, and the last of them in `headers`."""

    def __init__(self, version, status, fields, body):
        self.version, self.status, self.body = version, status, body
        self.all_headers = {}
        for name, value in fields:
            self.all_headers.setdefault(name.lower(), []).append(value)
        self.headers = {name: values[-1] for name, values in self.all_headers.items()}

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def __repr__(self):
        return f"<HTTP/{self.version} {self.status} {self.headers} {self.body[:80]!r}>"


def parse_answer(head, body):
    """An Answer from the bytes of a status line with fields, and the bytes of a body."""
    lines = head.decode("latin-1").replace("\r\n", "\n").strip("\n").split("\n")
    version, status = lines[0].split(" ", 2)[:2]
    fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
    return Answer(version.removeprefix("HTTP/"), int(status), fields, body)


class Gardien:
    """A running gardien. `start()` in conftest.py makes and stops it."""

    def __init__(self, folder, config=None, args=(), https=None, http=None, env=None, binary=BINARY):
        self.folder = Path(folder)
        self.state = self.folder / "state"
        self.public = self.folder / "public"
        self.output_file = self.folder / "output"
        self.config_file = None
        self.https = https if https is not None else free_port()
        self.http = http if http is not None else free_port()
        self.binary = binary
        self.env = {name: str(value) for name, value in {**sanitizer_env(), **(env or {})}.items()}
        self.process = None
        self.inherit = ()  # descriptors to hand down
        self.expected_exit = 0
        self.public.mkdir(parents=True, exist_ok=True)
        if not (self.public / "index.html").exists():
            (self.public / "index.html").write_text("<!doctype html><title>Hello</title>hello\n")
        command = [self.binary, "serve", "--state", self.state]
        if config is not None:
            self.write_config(config(self) if callable(config) else config)
            command += ["--config", self.config_file]
        else:
            command += [self.public]
        self.command = [str(word) for word in (*command, *args)]
        if config is None and "--https" not in self.command:
            self.command += ["--https", f"127.0.0.1:{self.https}", "--http", f"127.0.0.1:{self.http}"]

    # ---- life ----

    def write_config(self, config):
        """Writes the settings: text as it is, a dict as JSON (which is YAML) with `listen` filled
        in where it is missing."""
        self.config_file = self.folder / "gardien.yaml"
        if not isinstance(config, str):
            config = dict(config)
            config.setdefault("listen", {"https": [f"127.0.0.1:{self.https}"],
                                         "http": [f"127.0.0.1:{self.http}"]})
            config = json.dumps(config, indent=2)
        fresh = self.config_file.with_suffix(".new")
        fresh.write_text(config)
        fresh.replace(self.config_file)

    def launch(self):
        """Starts without waiting."""
        with open(self.output_file, "ab") as output:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**os.environ, **self.env}, start_new_session=True,
                pass_fds=self.inherit)
        return self

    def wait_ready(self, seconds=20):
        """Waits until it says that it is ready and the HTTPS port takes a whole TLS handshake."""
        def ready():
            assert self.process.poll() is None, \
                f"gardien ended with {self.process.returncode}:\n{self.output()}"
            if not re.search("^ready", self.output(), re.M):
                return False
            try:
                self.tls(context=anything_goes(), seconds=1).close()
                return True
            except (OSError, ssl.SSLError):
                return False
        wait_until(ready, seconds, "gardien to answer on its HTTPS port")
        return self

    def stop(self, how=signal.SIGTERM, seconds=15):
        """Stops it, waits for the end and returns the exit code. A second call does nothing."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(seconds * PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"gardien did not stop in time:\n{self.output()}") from None
        return self.process.returncode

    def kill(self):
        """Ends every process of it, politely to nobody."""
        family = self.family()
        for pid in (*family, self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def finish(self):
        """The end of a test: stops it if it still runs, and holds it to a clean end."""
        if self.process is None:
            return
        family = self.family() if self.process.poll() is None else []
        code = self.stop()
        assert code == self.expected_exit, f"gardien ended with {code}:\n{self.output()}"
        found = SANITIZER.search(self.output())
        assert not found, f"a sanitizer spoke:\n{self.output()}"
        wait_until(lambda: not any(alive(pid) for pid in family), 5, "the children to be gone")

    def output(self):
        """All that it has printed so far."""
        return self.output_file.read_text(errors="replace") if self.output_file.exists() else ""

    def wait_output(self, pattern, seconds=10):
        """Waits for a line that matches the regular expression; returns the match."""
        return wait_until(lambda: re.search(pattern, self.output(), re.M), seconds,
                          f"output matching {pattern!r} in:\n{self.output()}")

    def cli(self, *args, seconds=30, check=False):
        """Runs another verb against the same state folder: cli("reload"), cli("stop")."""
        return run(self.binary, *args, "--state", self.state, seconds=seconds, check=check,
                   env=self.env)

    # ---- its processes ----

    def family(self):
        """The process ids of all children, the guardian left out."""
        return descendants(self.process.pid)

    def role(self, word):
        """The process ids of the children with a role: "worker" (all), "keys", "logs"."""
        name = re.compile(r"gardien \d+" if word == "worker" else f"gardien {word}")
        found = []
        for pid in self.family():
            try:
                if name.fullmatch(Path(f"/proc/{pid}/comm").read_text().strip()):
                    found.append(pid)
            except OSError:
                continue
        return found

    # ---- clients ----

    @property
    def ca(self):
        """The local CA's certificate, made on first use."""
        return self.state / "local-ca" / "ca.pem"

    def url(self, path="/", name="localhost", secure=True):
        return f"http{'s' * secure}://{name}:{self.https if secure else self.http}{path}"

    def curl(self, path="/", *args, name="localhost", secure=True, seconds=30):
        """Asks with curl and returns an Answer; the certificate must be right unless -k is given.
        @raise AssertionError when curl fails; use curl_code() where it shall"""
        head, body = self.folder / "curl.head", self.folder / "curl.body"
        for file in (head, body):
            file.unlink(missing_ok=True)
        result = self.curl_code(path, "-D", head, "-o", body, *args, name=name, secure=secure,
                                seconds=seconds)
        assert result.returncode == 0, f"curl: {result.stderr}\n{self.output()}"
        heads = head.read_bytes().split(b"\r\n\r\n")[:-1]  # 100-continue and redirects come first
        return parse_answer(heads[-1], body.read_bytes() if body.exists() else b"")

    def curl_code(self, path="/", *args, name="localhost", secure=True, seconds=30):
        """The same, as the finished process."""
        port = self.https if secure else self.http
        trust = ["--cacert", self.ca] if secure else []
        return run("curl", "-sS", "--path-as-is", "--max-time", seconds * PATIENCE, *trust,
                   "--resolve", f"{name}:{port}:127.0.0.1", *args, self.url(path, name, secure),
                   seconds=seconds + 5)

    def s_client(self, *args, name="localhost", input="", seconds=20):
        """openssl s_client with the local CA; its report is in stdout."""
        trust = ["-CAfile", self.ca] if self.ca.exists() else []
        return run("openssl", "s_client", "-connect", f"127.0.0.1:{self.https}", "-servername", name,
                   *trust, *args, input=input, seconds=seconds)

    def tcp(self, secure=True, seconds=10):
        """A bare TCP connection to one of the ports."""
        return socket.create_connection(("127.0.0.1", self.https if secure else self.http),
                                        timeout=seconds * PATIENCE)

    def tls(self, name="localhost", alpn=(), context=None, seconds=10):
        """A TLS connection, verified against the local CA unless a context is given."""
        if context is None:
            context = ssl.create_default_context(cafile=str(self.ca))
        if alpn:
            context.set_alpn_protocols(list(alpn))
        bare = self.tcp(seconds=seconds)
        try:
            return context.wrap_socket(bare, server_hostname=name)
        except BaseException:
            bare.close()
            raise

    def raw(self, request, secure=True, seconds=10):
        """Sends bytes, reads until the server closes, and returns what came. The socket stays open
        for writing: a server that waits for more runs into the deadline (socket.timeout)."""
        with (self.tls if secure else lambda seconds: self.tcp(False, seconds))(seconds=seconds) as peer:
            peer.sendall(request)
            return read_all(peer)


def anything_goes():
    """A TLS context that believes every certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def read_all(peer):
    """Everything until the end of the stream; a reset counts as the end."""
    got = bytearray()
    while True:
        try:
            piece = peer.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            return bytes(got)
        if not piece:
            return bytes(got)
        got += piece


def read_answer(peer, head_only=False):
    """Reads one HTTP/1.1 answer with Content-Length or chunks off a kept-alive connection."""
    got = bytearray()

    def more():
        piece = peer.recv(65536)
        assert piece, f"the connection ended in the middle of an answer: {bytes(got)!r}"
        got.extend(piece)

    while b"\r\n\r\n" not in got:
        more()
    end = got.index(b"\r\n\r\n") + 4
    answer = parse_answer(bytes(got[:end - 4]), b"")
    if head_only or answer.status in (204, 304) or answer.status < 200:
        return answer
    if "chunked" in answer.headers.get("transfer-encoding", ""):
        body = bytearray()
        while True:
            while b"\r\n" not in got[end:]:
                more()
            line = got.index(b"\r\n", end)
            size = int(bytes(got[end:line]).split(b";")[0], 16)
            while len(got) < line + 2 + size + 2:
                more()
            body += got[line + 2:line + 2 + size]
            end = line + 2 + size + 2
            if size == 0:
                answer.body = bytes(body)
                return answer
    size = int(answer.headers.get("content-length", 0))
    while len(got) < end + size:
        more()
    answer.body = bytes(got[end:end + size])
    return answer


def alive(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descendants(pid):
    """The process ids of all children and theirs, in the order of their birth."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, new = [], [pid]
    while new:
        new = sorted(child for parent in new for child in parents.get(parent, []))
        found += new
    return found


def resident(pids):
    """KiB of memory that the largest of the processes occupies."""
    return max(int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
               for pid in pids)


def limits_of(pid, resource_name):
    """The soft and the hard limit of a process, as text."""
    text = Path(f"/proc/{pid}/limits").read_text()
    return re.search(rf"^{resource_name} +(\S+) +(\S+)", text, re.M).groups()


def limit(pid, option):
    """Sets a limit of a process as its own user, for whom even root may need a capability."""
    status = Path(f"/proc/{pid}/status").read_text()
    uid, gid = (re.search(rf"^{key}:\t(\d+)", status, re.M).group(1) for key in ("Uid", "Gid"))
    switch = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
    run(*(switch if os.geteuid() == 0 else []), "prlimit", "--pid", pid, option, check=True)


def have(program):
    """Whether a program is installed."""
    return shutil.which(program) is not None


def make_certificate(folder, name, names, kind="ec:prime256v1", days=30):
    """A self-signed certificate by openssl; kind: "ec:CURVE", "rsa:BITS", "ed25519".
    @return (certificate file, key file)"""
    certificate, key = Path(folder) / f"{name}.pem", Path(folder) / f"{name}.key"
    algorithm, _, detail = kind.partition(":")
    newkey = {"ec": ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{detail}"],
              "rsa": ["-newkey", f"rsa:{detail}"], "ed25519": ["-newkey", "ed25519"]}[algorithm]
    run("openssl", "req", "-x509", "-nodes", *newkey, "-keyout", key, "-out", certificate,
        "-days", days, "-subj", f"/CN={names[0]}", "-addext",
        "subjectAltName=" + ",".join(
            ("IP:" if re.fullmatch(r"[\d.]+|.*:.*", name) else "DNS:") + name for name in names),
        check=True)
    return certificate, key
