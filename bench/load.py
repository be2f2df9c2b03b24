"""The scenarios of the comparison, the load that each puts on a server, and what is measured."""

import hashlib
import json
import os
import re
import resource
import shutil
import ssl
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

CIPHER = "TLS_AES_128_GCM_SHA256"
GROUPS = "X25519"
SERVER_CPU, LOAD_CPU = sorted(os.sched_getaffinity(0))[:2] if len(os.sched_getaffinity(0)) > 1 \
    else (0, 0)
TICK = os.sysconf("SC_CLK_TCK")
FILES = {"/1k.html": 1024, "/16k.html": 16384, "/64k.bin": 65536, "/1m.bin": 1 << 20, "/100m.bin": 100 << 20}


@dataclass
class Scenario:
    name: str
    title: str
    goal: float  # gardien's figure over the best peer's must not be above
    kind: str    # "h2load", "handshakes", "idle"
    path: str
    unit: str
    connections: int = 64
    streams: int = 0  # 0: HTTP/1.1
    mode: str = "full"
    upstream: str = ""  # "keep" or "close": requests are forwarded to a server that does so
    post: int = 0  # bytes of each request's body

    @property
    def per_gigabyte(self):
        return self.unit == "s/GB"


SCENARIOS = [
    Scenario("h1-1k", "HTTP/1.1 TLS keep-alive, 1 KiB, 64 connections", 0.9, "h2load", "/1k.html",
             "µs/request"),
    Scenario("h1-16k", "HTTP/1.1 TLS keep-alive, 16 KiB, 64 connections", 0.9, "h2load",
             "/16k.html", "µs/request"),
    Scenario("h2-1k", "HTTP/2, 1 KiB, 16 connections × 32 streams", 0.9, "h2load", "/1k.html",
             "µs/request", connections=16, streams=32),
    Scenario("h1-1m", "HTTP/1.1, 1 MiB", 1.0, "h2load", "/1m.bin", "s/GB", connections=8),
    Scenario("h1-100m", "HTTP/1.1, 100 MiB", 1.0, "h2load", "/100m.bin", "s/GB", connections=4),
    Scenario("h2-1m", "HTTP/2, 1 MiB", 1.0, "h2load", "/1m.bin", "s/GB", connections=4, streams=4),
    Scenario("handshake", "full TLS 1.3 handshake + one request, ECDSA P-256", 1.0, "handshakes",
             "/1k.html", "µs/request", connections=16),
    Scenario("resume", "TLS 1.3 resumption + one request", 1.0, "handshakes", "/1k.html",
             "µs/request", connections=16, mode="resume"),
    Scenario("proxy-h1-1k", "reverse proxy: HTTP/1.1 TLS keep-alive, 1 KiB", 0.75, "h2load",
             "/1k.html", "µs/request", upstream="keep"),
    Scenario("proxy-h2-1k", "reverse proxy: HTTP/2, 1 KiB, 16 connections × 32 streams", 0.75,
             "h2load", "/1k.html", "µs/request", connections=16, streams=32, upstream="keep"),
    Scenario("proxy-h1-64k", "reverse proxy: HTTP/1.1 TLS keep-alive, 64 KiB", 1.0, "h2load",
             "/64k.bin", "µs/request", upstream="keep"),
    Scenario("proxy-h1-post", "reverse proxy: POST of 16 KiB, HTTP/1.1 TLS keep-alive", 1.0,
             "h2load", "/1k.html", "µs/request", upstream="keep", post=16384),
    Scenario("proxy-h1-close", "reverse proxy: upstream connections without keep-alive", 1.0,
             "h2load", "/1k.html", "µs/request", upstream="close"),
    Scenario("idle", "memory of an idle TLS connection", 0.7, "idle", "/1k.html", "KiB",
             connections=5000),
]


# ---- what is there before the start ----

def prepare(work, idle):
    """Files to serve, one certificate for all, and the two load generators, below `work`."""
    (work / "site").mkdir(parents=True, exist_ok=True)
    for path, size in FILES.items():
        file = work / "site" / path[1:]
        if not file.exists() or file.stat().st_size != size:
            file.write_bytes(filler(size))
    certificate, key = work / "cert.pem", work / "key.pem"
    if not certificate.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "3650", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
            check=True, capture_output=True)
        (work / "both.pem").write_text(certificate.read_text() + key.read_text())
    (work / "post").write_bytes(filler(16384))
    for name in ("handshakes", "idle", "upstream"):
        source, program = Path(__file__).parent / f"{name}.c", work / name
        newest = max(source.stat().st_mtime, (source.parent / "client.h").stat().st_mtime)
        if not program.exists() or program.stat().st_mtime < newest:
            subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-o", program, source,
                            "-lssl", "-lcrypto"], check=True)
    SCENARIOS[-1].connections = idle
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def filler(size):
    """Text that does not repeat, so that a wrong piece of it is noticed."""
    lines, length = [], 0
    while length < size:
        lines.append(hashlib.sha256(str(len(lines)).encode()).hexdigest() + "\n")
        length += 65
    return "".join(lines).encode()[:size]


def machine():
    """What a reader of the results wants to know about the machine."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    return {"cpu": model[1] if model else "", "kernel": os.uname().release,
            "openssl": subprocess.run(["openssl", "version"], capture_output=True,
                                      text=True, check=False).stdout.strip()}


# ---- measuring ----

def descendants(pid):
    """The pid itself and all below it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                pass
    return found


def process_nanoseconds(pids):
    """CPU time of all threads of processes, system and soft-interrupt time in it, to the ns."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except OSError:
                pass
    return total


def kernel_helpers():
    """The kernel thread that takes over soft interrupts of the server's CPU when they pile up."""
    return [int(comm.parent.name) for comm in Path("/proc").glob("[0-9]*/comm")
            if read(comm).strip() == f"ksoftirqd/{SERVER_CPU}"]


def read(path):
    try:
        return path.read_text()
    except OSError:
        return ""


def cpu_ticks():
    """(busy, interrupt) ticks of the server's CPU."""
    line = re.search(rf"^cpu{SERVER_CPU} (.*)", Path("/proc/stat").read_text(), re.M)[1]
    user, nice, system, _, _, irq, softirq, steal = [int(word) for word in line.split()[:8]]
    return user + nice + system + irq + softirq + steal, irq + softirq


def interrupts_counted_apart():
    """Whether this kernel keeps interrupt time out of the processes' (then it must be added)."""
    config = Path(f"/boot/config-{os.uname().release}")
    if config.exists():
        return "CONFIG_IRQ_TIME_ACCOUNTING=y" in config.read_text()
    if Path("/proc/config.gz").exists():
        import gzip
        return b"CONFIG_IRQ_TIME_ACCOUNTING=y" in gzip.open("/proc/config.gz").read()
    return False


APART = interrupts_counted_apart()


class Meter:
    """Seconds of CPU that a server uses between entering and leaving a `with`."""

    def __init__(self, server):
        self.pids = descendants(server.process.pid) + kernel_helpers()

    def __enter__(self):
        self.start = process_nanoseconds(self.pids), cpu_ticks()
        return self

    def __exit__(self, *_):
        busy, interrupts = (b - a for a, b in zip(self.start[1], cpu_ticks()))
        self.cpu = (process_nanoseconds(self.pids) - self.start[0]) / 1e9
        if APART:
            self.cpu += interrupts / TICK
        self.cpu0 = busy / TICK


def proportional_kilobytes(pids):
    """Memory of processes, shared pages divided among those that share them."""
    total = 0
    for pid in pids:
        found = re.search(r"^Pss:\s+(\d+) kB", read(Path(f"/proc/{pid}/smaps_rollup")), re.M)
        total += int(found[1]) if found else 0
    return total


# ---- load ----

class Application:
    """The server behind proxies: on the load's CPU, since its work is not what is compared."""

    def __init__(self, work, scenario):
        self.process = subprocess.Popen(
            ["taskset", "-c", str(LOAD_CPU), work / "upstream", work / "site" / scenario.path[1:],
             *(["close"] if scenario.upstream == "close" else [])],
            stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.wait()


def on_load_cpu(*command, seconds=60):
    """Runs a load generator on its CPU to the end; returns what it printed."""
    result = subprocess.run(["taskset", "-c", str(LOAD_CPU), *map(str, command)],
                            capture_output=True, text=True, timeout=seconds, check=False)
    if result.returncode:
        raise RuntimeError(f"{command[0]}: {result.stdout[-500:]}{result.stderr[-500:]}")
    return result.stdout


def put_load(scenario, server, count):
    """Makes `count` requests; RuntimeError when not each of them succeeds."""
    if scenario.kind == "handshakes":
        answer = json.loads(on_load_cpu(server.work / "handshakes", server.port, scenario.path,
                                        count, scenario.connections, GROUPS, scenario.mode))
        if answer["done"] != count or (scenario.mode == "resume") != (answer["resumed"] == count):
            raise RuntimeError(f"{server.name}: {answer} of {count}")
        return answer
    version = ["-m", scenario.streams] if scenario.streams else ["--h1"]
    body = ["-d", server.work / "post"] if scenario.post else []
    text = on_load_cpu("h2load", "-n", count, "-c", scenario.connections, *version, *body,
                       f"--tls13-ciphers={CIPHER}", f"--groups={GROUPS}",
                       f"https://localhost:{server.port}{scenario.path}")
    good = re.search(r"(\d+) succeeded.*\nstatus codes: (\d+) 2xx", text)
    if not good or int(good[1]) != count or int(good[2]) != count:
        raise RuntimeError(f"{server.name}: not all of {count} requests succeeded:\n{text[-600:]}")
    return text


@dataclass
class Plan:
    count: int        # requests a round
    fixed: float = 0  # CPU seconds of a round that are not the requests' (connections)


def plan(scenario, server, seconds):
    """Finds how many requests cost a server about so many seconds of CPU, and what opening the
    connections costs, which is not part of a kept-alive request."""
    least = scenario.connections * max(scenario.streams, 1)
    count = least
    while True:
        began = time.monotonic()
        with Meter(server) as meter:
            put_load(scenario, server, count)
        if meter.cpu > seconds / 4 or time.monotonic() - began > 3 * seconds:
            break
        count *= 3
    found = Plan(max(least, int(count * seconds / meter.cpu)))
    if scenario.kind == "h2load" and not scenario.per_gigabyte:
        costs = []
        for _ in range(3):
            with Meter(server) as meter:
                put_load(scenario, server, scenario.connections)
            costs.append(meter.cpu)
        found.fixed = sorted(costs)[1] * (1 - scenario.connections / found.count)
    return found


def timed_round(scenario, server, planned):
    """One round; the figure is what the scenario's unit says."""
    with Meter(server) as meter:
        put_load(scenario, server, planned.count)
    amount = planned.count * FILES[scenario.path] / 1e9 if scenario.per_gigabyte \
        else planned.count / 1e6
    return {"figure": (meter.cpu - planned.fixed) / amount,
            "cpu0": (meter.cpu0 - planned.fixed) / amount,
            "requests": planned.count, "cpu_seconds": meter.cpu, "fixed_seconds": planned.fixed}


def idle_round(scenario, server):
    """KiB that each of many idle connections adds to a fresh server."""
    put_load(SCENARIOS[0], server, 64)
    time.sleep(0.5)
    before = proportional_kilobytes(descendants(server.process.pid))
    client = subprocess.Popen(
        ["taskset", "-c", str(LOAD_CPU), str(server.work / "idle"), str(server.port),
         scenario.path, str(scenario.connections), GROUPS],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        answer = json.loads(client.stdout.readline() or "{}")
        if answer.get("done") != scenario.connections:
            raise RuntimeError(f"{server.name}: idle connections: {answer}")
        time.sleep(1.5)
        after = proportional_kilobytes(descendants(server.process.pid))
    finally:
        client.stdin.close()
        client.wait(20)
    return {"figure": (after - before) / scenario.connections, "cpu0": None,
            "before_kib": before, "after_kib": after}


# ---- checking ----

def check(scenario, server):
    """What is wrong with the server's answer for a scenario, or None."""
    expected = (server.work / "site" / scenario.path[1:]).read_bytes()
    result = subprocess.run(
        ["curl", "-sk", "--http2" if scenario.streams else "--http1.1", "--tlsv1.3",
         "--tls13-ciphers", CIPHER, "--curves", GROUPS, "--resolve",
         f"localhost:{server.port}:127.0.0.1", "-w", "\n%{http_code} %{http_version}",
         f"https://localhost:{server.port}{scenario.path}"], capture_output=True, timeout=30,
        check=False)
    body, _, status = result.stdout.rpartition(b"\n")
    wanted = f"200 {'2' if scenario.streams else '1.1'}"
    if status.decode() != wanted:
        return f"answers {status.decode()!r}, not {wanted!r} ({result.stderr.decode().strip()})"
    if body != expected:
        return f"sends {len(body)} bytes that are not the file's {len(expected)}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", server.port), 5) as bare, \
            context.wrap_socket(bare, server_hostname="localhost") as peer:
        certificate = ssl.DER_cert_to_PEM_cert(peer.getpeercert(True))
        if peer.version() != "TLSv1.3":
            return f"speaks {peer.version()}"
    if certificate.strip() != (server.work / "cert.pem").read_text().strip():
        return "shows another certificate"
    for pid in descendants(server.process.pid):
        allowed = re.search(r"Cpus_allowed_list:\s*(\S+)", read(Path(f"/proc/{pid}/status")))
        if allowed and allowed[1] != str(SERVER_CPU):
            return f"process {pid} left its CPU for {allowed[1]}"
    if scenario.kind == "handshakes":
        try:
            answer = put_load(scenario, server, 20)
        except RuntimeError as error:
            return str(error)
        if answer["cipher"] != CIPHER:
            return f"uses {answer['cipher']}"
    return None


def tool(name):
    """The path of a program that is not always on the user's PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
