"""Whether the simulator, the kernel's trace and the kernel itself agree about generated rules: each
ruleset is loaded in a host, another host connects, and `gardien why` is asked both ways."""

import errno
import json
import os
import selectors
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

import lib
import netns
import rulesets

RULESETS = int(os.environ.get("RULESETS", "40"))  # some 20 s; 500 before a release
FIRST_SEED = int(os.environ.get("SEED", "1"))
PROBES = (("tcp", 443, 4), ("tcp", 80, 4), ("tcp", 443, 6), ("udp", 443, 4), ("udp", 80, 6))
CLIENT = {4: "10.99.0.2", 6: "fd99::2"}
SERVER = {4: "10.99.0.1", 6: "fd99::1"}
UNKNOWN_SHARE = 0.04  # of all answers; more would be no simulator

pytestmark = pytest.mark.skipif(not netns.can_make_hosts(), reason="no network namespaces here")


def mac(host, interface):
    return json.loads(host.run("ip", "-j", "link", "show", interface).stdout)[0]["address"]


def introduce(host, interface, neighbour, its_interface, *addresses):
    """Rules that drop neighbour discovery must not decide about the packets that are asked for."""
    for address in addresses:
        host.run("ip", "neigh", "replace", address, "lladdr", mac(neighbour, its_interface), "dev",
                 interface, "nud", "permanent")


def listeners(host):
    """Sockets of the host on all ports that rules lead to."""
    made = []
    with host.inside():
        for port in rulesets.PORTS:
            for family in (socket.AF_INET, socket.AF_INET6):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    made.append(socket.socket(family, kind))
                    if family == socket.AF_INET6:
                        made[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    made[-1].bind(("", port))
                    made[-1].setblocking(False)
                    if kind == socket.SOCK_STREAM:
                        made[-1].listen(64)
    return made


def serve(sockets, ended):
    """Accepts and echoes until the pipe's end."""
    with selectors.DefaultSelector() as selector:
        for one in [*sockets, ended]:
            selector.register(one, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is ended:
                    return
                try:
                    if key.fileobj.type == socket.SOCK_STREAM:
                        key.fileobj.accept()[0].close()
                    else:
                        key.fileobj.sendto(*key.fileobj.recvfrom(100))
                except OSError:
                    pass  # the rules forbid the answer, or the client has gone: it will see that


@contextmanager
def serving(*hosts):
    sockets = [one for host in hosts for one in listeners(host)]
    end, ended = socket.socketpair()
    thread = threading.Thread(target=serve, args=(sockets, ended))
    thread.start()
    try:
        yield
    finally:
        end.close()
        thread.join()
        for one in [*sockets, ended]:
            one.close()


@contextmanager
def network():
    """A client, the server whose rules are tried, and a host behind it."""
    with netns.hosts("server", "client", "behind") as (server, client, behind):
        netns.cable(server, client, ("10.99.0.1/24", "fd99::1/64"), ("10.99.0.2/24", "fd99::2/64"))
        netns.cable(server, behind, ("10.98.0.1/24",), ("10.98.0.2/24",), a_name="eth1")
        behind.run("ip", "route", "add", "default", "via", "10.98.0.1")
        introduce(server, "eth0", client, "eth0", *CLIENT.values())
        introduce(client, "eth0", server, "eth0", *SERVER.values())
        introduce(server, "eth1", behind, "eth0", "10.98.0.2")
        server.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0",
                   "net.ipv6.icmp.ratelimit=0")
        with serving(server, behind):
            yield server, client


def begin(client, probe):
    """Sends the first packet of a connection."""
    protocol, port, version = probe
    with client.inside():
        knocker = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6,
                                socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    knocker.setblocking(False)
    knocker.connect_ex((SERVER[version], port))
    if protocol == "udp":
        knocker.send(b"?")
    return knocker


def outcome(knocker):
    """What became of it. A connection that was refused after it stood has been let in."""
    if knocker.type == socket.SOCK_DGRAM:
        try:
            knocker.recv(100)
            return "open"
        except OSError:
            return "rejected"
    error = knocker.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error in (0, errno.ECONNRESET):
        return "open"
    try:
        knocker.getpeername()
        return "open"
    except OSError:
        return "rejected"


def knock(client, probes, seconds):
    """What the kernel makes of the packets: {probe: "open", "rejected" or "dropped"}."""
    seen = {}
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for probe in probes:
            event = selectors.EVENT_WRITE if probe[0] == "tcp" else selectors.EVENT_READ
            try:
                selector.register(begin(client, probe), event, probe)
            except ConnectionRefusedError:
                seen[probe] = "rejected"
        while len(seen) < len(probes) and time.monotonic() < deadline:
            for key, _ in selector.select(max(0, deadline - time.monotonic())):
                seen[key.data] = outcome(key.fileobj)
                selector.unregister(key.fileobj)
                key.fileobj.close()
        for key in list(selector.get_map().values()):
            seen[key.data] = "dropped"
            key.fileobj.close()
    return seen


def why(command, probe, *more):
    """The path that gardien tells for a probe."""
    protocol, port, version = probe
    words = [lib.BINARY, "why", f"{port}/{protocol}", "--json", "--from", CLIENT[version], "--to",
             SERVER[version], "--interface", "eth0", *more]
    result = lib.run(*command(*words), env=lib.sanitizer_env())
    assert result.returncode in (0, 1, 3) and result.stdout, f"{result.returncode} {result.stderr}"
    path, = json.loads(result.stdout)["paths"]
    return path


def here(*words):
    return words


def verdict(path):
    return {"accepted": "open", "forwarded": "open"}.get(path["verdict"], path["verdict"])


def same(told, seen, probe):
    """TCP over IPv6 takes an ICMPv6 error for a soft one and goes on trying, like after a drop."""
    if probe[0] == "tcp" and probe[2] == 6 and "open" not in (told, seen):
        return True
    return told == seen


def culprit(path):
    """The rule or policy that closes it; None where it is open or one of several."""
    if "culprit" not in path or any(step["verdict"] == "maybe" for step in path["steps"]):
        return None
    step = path["steps"][path["culprit"]]
    return (step.get("family"), step.get("table"), step.get("chain"),
            "policy" if step["policy"] else step.get("handle"))


def rules_met(path):
    """The rules that matched, in order, whether or not they decided; None where some are unsure.
    The simulator leaves out what it is unsure about when that makes no difference."""
    if any(step["verdict"] == "maybe" for step in path["steps"]):
        return None
    met = [(step["family"], step["table"], step["chain"], step["handle"]) for step in path["steps"]
           if step.get("handle") and not step["policy"] and
           not (step["verdict"] == "continue" and rulesets.DOUBTFUL.search(step["rule"]))]
    return list(dict.fromkeys(met))  # a chain that is met again is shown once


def test_simulator_and_trace_agree_with_the_kernel(tmp_path):
    print(f"SEED={FIRST_SEED} RULESETS={RULESETS}")  # shown when it fails: the same rules again
    saved = tmp_path / "rules"
    wrong, unknown, named = [], 0, 0
    with network() as (server, client), ThreadPoolExecutor(2) as others:
        for number in range(RULESETS):
            seed, probe = FIRST_SEED + number, PROBES[number % len(PROBES)]
            server.nft("flush ruleset\n" + rulesets.generate(seed))
            form = ["-j"] if number % 2 else []
            saved.write_text(server.run("nft", "-a", *form, "list", "ruleset").stdout)
            answers = {probe: others.submit(why, here, probe, "--ruleset", saved)
                       for probe in PROBES}
            trace = others.submit(why, server.command, probe)
            seen = knock(client, PROBES, 0.15)
            told = {probe: answer.result() for probe, answer in answers.items()}
            traced = trace.result()
            late = [one for one in PROBES if seen[one] == "dropped" and
                    not same(verdict(told[one]), "dropped", one)]
            if late:  # was it dropped, or is this machine slow?
                seen.update(knock(client, late, 1 * lib.PATIENCE))
            for one in PROBES:
                if told[one]["verdict"] == "unknown":
                    unknown += 1
                elif not same(verdict(told[one]), seen[one], one):
                    wrong.append(f"seed {seed}, {one}: the kernel says {seen[one]}, the "
                                 f"simulator {told[one]}")
            assert traced["told_by"] != "simulator", traced
            if not same(verdict(traced), seen[probe], probe):
                wrong.append(f"seed {seed}, {probe}: the kernel says {seen[probe]}, the trace "
                             f"{traced}")
            if told[probe]["verdict"] == "unknown" or rules_met(told[probe]) is None:
                continue
            named += 1
            if culprit(told[probe]) != culprit(traced):
                wrong.append(f"seed {seed}, {probe}: the simulator blames "
                             f"{culprit(told[probe])}, the trace {culprit(traced)}")
            if rules_met(told[probe]) != rules_met(traced):
                wrong.append(f"seed {seed}, {probe}: in the simulator it meets "
                             f"{rules_met(told[probe])}, in the trace {rules_met(traced)}")
    assert not wrong, "\n".join(wrong[:10]) + f"\n{len(wrong)} in all"
    assert unknown <= UNKNOWN_SHARE * RULESETS * len(PROBES)
    assert named >= RULESETS * 0.8
    print(f"{RULESETS} rulesets, {unknown} of {RULESETS * len(PROBES)} answers unknown, "
          f"{named} paths alike rule by rule")
