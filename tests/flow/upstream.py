"""A scriptable upstream server: what it answers, when, and with which lies is said by each test. It
records what reached it."""

import os
import socket
import ssl
import threading

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Request:
    """One request as it arrived. `head` and `body` are bytes; `lines` are the head's lines."""

    def __init__(self, head, body, connection):
        self.head, self.body, self.connection = head, body, connection
        self.lines = head.decode("latin-1").split("\r\n")
        self.method, self.target = self.lines[0].split(" ")[:2]
        self.fields = [tuple(line.split(": ", 1)) for line in self.lines[1:]]

    def values(self, name):
        return [value for field, value in self.fields if field == name]

    def value(self, name):
        return self.values(name)[0] if self.values(name) else None


class Connection:
    """One accepted connection, with what was read of it and not used yet."""

    def __init__(self, sock, number):
        self.sock, self.number, self.rest = sock, number, b""

    def more(self):
        data = self.sock.recv(65536)
        self.rest += data
        return bool(data)

    def until(self, mark):
        while mark not in self.rest:
            if not self.more():
                return None
        part, self.rest = self.rest.split(mark, 1)
        return part

    def exactly(self, count):
        while len(self.rest) < count:
            if not self.more():
                return None
        part, self.rest = self.rest[:count], self.rest[count:]
        return part

    def send(self, data):
        self.sock.sendall(data)

    def body(self, head):
        """The body that the head announces, whole."""
        fields = head.decode("latin-1").lower()
        if "transfer-encoding: chunked" in fields:
            body = b""
            while True:
                size = int(self.until(b"\r\n"), 16)
                if size == 0:
                    self.until(b"\r\n")
                    return body
                body += self.exactly(size)
                self.exactly(2)
        if "content-length: " in fields:
            return self.exactly(int(fields.split("content-length: ")[1].split("\r\n")[0]))
        return b""

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


class Upstream:
    """Listens until close(). `answer(connection, request)` is called for each request and sends what
    it likes; when it returns False, or raises OSError, the connection is closed. With
    `reads_body=False` it is called as soon as the head is there. `tls` is an SSLContext to answer
    with; failed handshakes end their connection."""

    def __init__(self, answer=None, family=socket.AF_INET, address=None, reads_body=True, tls=None):
        self.tls = tls
        self.answer = answer or (lambda connection, request: connection.send(OK))
        self.reads_body = reads_body
        self.requests, self.connections, self.bytes = [], 0, b""
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        if family == socket.AF_UNIX:
            self.listener.bind(address)
            self.address = address
        else:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
            self.listener.bind((host, address or 0))
            self.port = self.listener.getsockname()[1]
            self.address = f"{host}:{self.port}"
        self.listener.listen(128)
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(sock)
            threading.Thread(target=self._begin, args=(sock, self.connections), daemon=True).start()

    def _begin(self, sock, number):
        if self.tls:
            try:
                sock = self.tls.wrap_socket(sock, server_side=True)
            except OSError:
                sock.close()
                return
            self.open.append(sock)
        self._serve(Connection(sock, number))

    def _serve(self, connection):
        try:
            while True:
                head = connection.until(b"\r\n\r\n")
                if head is None:
                    break
                request = Request(head, b"", connection)
                if self.reads_body:
                    request.body = connection.body(head)
                self.requests.append(request)
                if self.answer(connection, request) is False:
                    break
        except OSError:
            pass
        finally:
            connection.sock.close()

    def close(self):
        """Listens no more, and closes what is open."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for sock in self.open:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# ---- beside it ----

def site(to, **more):
    """Settings of one site that forwards to an address or a group."""
    return {"workers": 1, "sites": [{"names": ["localhost"], "proxy": to}], **more}


def read_head(sock):
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(4096)
        if not data:
            break
        head += data
    return head


def raw(server, data, seconds=10):
    """Sends bytes over HTTP/1.1 and TLS, and returns all that comes until the end."""
    with server.tls(alpn=["http/1.1"], seconds=seconds) as sock:
        sock.sendall(data)
        answer = b""
        while True:
            try:
                data = sock.recv(65536)
            except (ssl.SSLError, ConnectionError):
                return answer
            if not data:
                return answer
            answer += data


def resident(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
