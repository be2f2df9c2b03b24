"""HTTP/3's peers: ngtcp2's client, and a UDP relay that loses, reorders and cuts."""

import random
import re
import selectors
import shutil
import socket
import subprocess
import threading

from lib import PATIENCE

CLIENT = shutil.which("gtlsclient")


class Asked:
    """What a run of the client came to."""

    def __init__(self, code, output):
        self.code, self.output = code, output

    def field(self, name):
        """The values of an answer's field, in the order in which they came."""
        return re.findall(rf"\[{name}: (.*)\]", self.output)

    @property
    def statuses(self):
        return [int(status) for status in self.field(":status")]


def start(port, *urls, options=(), download=None, quiet=True):
    """A client that asks for all URLs over one connection."""
    where = [f"--download={download}"] + ["-q"] * quiet if download else []
    return subprocess.Popen(
        [CLIENT, "--exit-on-all-streams-close", "--timeout=20s", *where, *map(str, options),
         "127.0.0.1", str(port), *urls], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def ask(port, *urls, options=(), download=None, seconds=30):
    """The same, to its end."""
    client = start(port, *urls, options=options, download=download)
    try:
        output, _ = client.communicate(timeout=seconds * PATIENCE)
    except subprocess.TimeoutExpired:
        client.kill()
        output, _ = client.communicate()
        raise AssertionError(output[-4000:].decode("latin-1")) from None
    return Asked(client.returncode, output.decode("latin-1"))


def first_datagrams(count):
    """The first datagrams of so many clients, which nobody has answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        nobody.settimeout(20 * PATIENCE)
        found = []
        for _ in range(count):
            client = start(nobody.getsockname()[1], "https://localhost/", options=["-q"])
            found.append(nobody.recv(65536))
            client.kill()
            client.communicate()
            nobody.setblocking(False)
            try:
                while True:
                    nobody.recv(65536)
            except BlockingIOError:
                nobody.settimeout(20 * PATIENCE)
        return found


class Relay:
    """Passes datagrams on between one client and a server, and loses some of them."""

    def __init__(self, port, loss=0.0, reorder=0.0, seed=1):
        self.server = ("127.0.0.1", port)
        self.loss, self.reorder, self.random = loss, reorder, random.Random(seed)
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.back = self.socket_to_server()
        self.client, self.kept, self.lost = None, {}, 0
        self.holds, self.held = False, []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    @staticmethod
    def socket_to_server():
        back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        back.bind(("127.0.0.1", 0))
        return back

    @property
    def port(self):
        return self.front.getsockname()[1]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.front.close()
        self.back.close()

    def hold(self):
        """Nothing passes until release(), and nothing is lost."""
        self.holds = True

    def release(self):
        self.holds = False

    def pass_on(self, sock, data, address):
        if self.holds:
            self.held.append((sock, data, address))
            return
        if address is None or self.random.random() < self.loss:
            self.lost += 1
            return
        if sock not in self.kept and self.random.random() < self.reorder:
            self.kept[sock] = data
            return
        sock.sendto(data, address)
        if late := self.kept.pop(sock, None):
            sock.sendto(late, address)

    def run(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self.front, selectors.EVENT_READ)
            selector.register(self.back, selectors.EVENT_READ)
            while not self.over.is_set():
                while self.held and not self.holds:
                    self.pass_on(*self.held.pop(0))
                for key, _ in selector.select(0.05):
                    data, address = key.fileobj.recvfrom(65536)
                    if key.fileobj is self.front:
                        self.client = address
                        self.pass_on(self.back, data, self.server)
                    else:
                        self.pass_on(self.front, data, self.client)
