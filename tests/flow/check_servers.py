"""Servers that behave badly, each for one failure that `gardien check` must name, and a DNS server.
Run in a host of netns.py: check_servers.py KIND PORT [ARGUMENT...]. Prints "ready" when it listens."""

import json
import socket
import ssl
import struct
import sys
import threading
import time


def listen(port):
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", port))
    s.listen(50)
    return s


def each(port, serve):
    """Gives every connection to serve() in a thread of its own."""
    server = listen(port)
    print("ready", flush=True)

    def guard(connection):
        try:
            serve(connection)
        except OSError:
            pass
        finally:
            connection.close()
    while True:
        connection, _ = server.accept()
        threading.Thread(target=guard, args=(connection,), daemon=True).start()


def drain(connection):
    """Reads until the peer leaves."""
    while connection.recv(65536):
        pass


def plain_http(connection, status="200 OK", fields=""):
    data = b""
    while b"\r\n\r\n" not in data and b"\n\n" not in data:
        more = connection.recv(65536)
        if not more or data[:1] == b"\x16" or more[:1] == b"\x16":
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            return
        data += more
    connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n{fields}Connection: close\r\n\r\n"
                       .encode())


def strict_plain_http(connection):
    """Closes without a word on anything but HTTP."""
    if connection.recv(1, socket.MSG_PEEK) == b"G":
        plain_http(connection)


def garbage(connection):
    connection.sendall(bytes(range(200, 256)) * 4)
    drain(connection)


def banner(connection):
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    drain(connection)


def endless(connection):
    while True:
        connection.sendall(b"\xfe" * 65536)


def endless_tls(connection):
    """Records that could go on being a handshake for ever."""
    while True:
        connection.sendall(b"\x16\x03\x03\x40\x00" + bytes(0x4000))


def tarpit(connection):
    """The beginning of a TLS record, a byte a second."""
    for byte in b"\x16\x03\x03\x10\x00\x02\x00\x0f":
        connection.sendall(bytes([byte]))
        time.sleep(1)
    drain(connection)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def over_tls(certificate, answer, alpn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(alpn)

    def serve(connection):
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                answer(secured)
        except ssl.SSLError:
            pass
    return serve


def tls_answer(kind):
    def http(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return
            data += more
        path = data.split(b" ")[1].decode()
        known = json.loads(kind) if kind.startswith("{") else {}
        cookie = known.get("cookie " + path) if b"ookie: seen=1" in data else None
        answer = cookie or known.get(path) or known.get("*") or "200 OK"
        connection.sendall(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())

    def mute(connection):
        connection.recv(65536)
        time.sleep(60)

    def close(connection):
        connection.recv(65536)

    def garbage_inside(connection):
        connection.recv(65536)
        connection.sendall(b"\x00\x01what\r\n\r\n")

    def endless_head(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X: " + b"y" * 4000 + b"\r\n")

    return {"mute": mute, "close": close, "garbage": garbage_inside,
            "endless": endless_head}.get(kind, http)


# ---- DNS ----

TYPES = {"A": 1, "CNAME": 5, "AAAA": 28, "HTTPS": 65, "CAA": 257}


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def data_of(kind, value):
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "CNAME":
        return wire(value)
    if kind == "CAA":
        tag, text = value.split(" ", 1)
        return bytes([0, len(tag)]) + tag.encode() + text.encode()
    return bytes.fromhex(value)


def answer_dns(question, zone, over_tcp):
    """The answer from a zone like {"a.example": {"A": ["192.0.2.1"]}}; a name's "rcode" is an error,
    "mode" is one of: silent, nonsense, loop, long (truncated over UDP)."""
    at, labels = 12, []
    while question[at]:
        labels.append(question[at + 1:at + 1 + question[at]].decode())
        at += question[at] + 1
    name, (kind,) = ".".join(labels).lower(), struct.unpack(">H", question[at + 1:at + 3])
    asked = question[12:at + 5]
    entry = zone.get(name)
    head = lambda flags, count: question[:2] + struct.pack(">5H", flags, 1, count, 0, 0) + asked
    if entry is None:
        return head(0x8183, 0)
    mode = entry.get("mode")
    if mode == "silent":
        return None
    if mode == "nonsense":
        return question[:2] + b"\xff" * 40
    if mode == "loop":
        return head(0x8180, 1) + b"\xc0" + bytes([len(asked) + 12]) + struct.pack(">HHIH", kind, 1, 1, 4)
    if mode == "long" and not over_tcp:
        return head(0x8380, 0)
    if "rcode" in entry:
        return head(0x8180 | entry["rcode"], 0)
    records, owner = [], name
    for _ in range(9):
        alias = zone.get(owner, {}).get("CNAME")
        if not alias:
            break
        records.append((owner, "CNAME", alias))
        owner = alias
    for other, number in TYPES.items():
        if number == kind and other != "CNAME":
            records += [(owner, other, value) for value in zone.get(owner, {}).get(other, [])]
    body = b""
    for owner, other, value in records:
        data = data_of(other, value)
        body += wire(owner) + struct.pack(">HHIH", TYPES[other], 1, 60, len(data)) + data
    return head(0x8180, len(records)) + body


def dns(port, zone):
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.bind(("::", port))

    def serve_udp():
        while True:
            question, peer = udp.recvfrom(4096)
            answer = answer_dns(question, zone, False)
            if answer:
                udp.sendto(answer, peer)

    def serve_tcp(connection):
        (size,) = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))
        answer = answer_dns(connection.recv(size, socket.MSG_WAITALL), zone, True)
        if answer:
            for byte in struct.pack(">H", len(answer)) + answer:  # in the smallest pieces
                connection.sendall(bytes([byte]))
    threading.Thread(target=serve_udp, daemon=True).start()
    each(port, serve_tcp)


def quic(port):
    """Answers every QUIC packet with the versions that a living server has."""
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.bind(("::", port))
    print("ready", flush=True)
    while True:
        packet, peer = udp.recvfrom(2048)
        if len(packet) < 1200 or not packet[0] & 0x80:
            continue
        to = packet[6:6 + packet[5]]
        at = 6 + packet[5]
        source = packet[at + 1:at + 1 + packet[at]]
        udp.sendto(bytes([0x80, 0, 0, 0, 0, len(source)]) + source + bytes([len(to)]) + to
                   + struct.pack(">II", 1, 0x6b3343cf), peer)


def main():
    kind, port, *more = sys.argv[1:]
    simple = {"garbage": garbage, "banner": banner, "endless": endless, "endless_tls": endless_tls,
              "tarpit": tarpit, "reset": reset, "close": lambda c: None, "silent": drain,
              "plain": plain_http, "strict_plain": strict_plain_http}
    if kind == "dns":
        dns(int(port), json.loads(more[0]))
    elif kind == "quic":
        quic(int(port))
    elif kind == "tls":
        alpn = more[2].split(",") if len(more) > 2 else ["http/1.1"]
        each(int(port), over_tls(more[0], tls_answer(more[1] if len(more) > 1 else ""), alpn))
    elif kind == "redirect":
        each(int(port), lambda c: plain_http(c, "301 Moved", f"Location: {more[0]}\r\n"))
    else:
        each(int(port), simple[kind])


main()
