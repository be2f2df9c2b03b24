"""The servers that are compared: how each is configured (as its own manual advises for speed, one
worker, no logs), started on one CPU, and stopped. What is asked of them is load.py's."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import load


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server; a subclass says how to configure and start it."""

    name = program = ""

    def __init__(self, work, gardien):
        self.work, self.site = work, work / "site"
        self.gardien = gardien
        self.folder = work / self.name
        self.port = self.process = None
        self.upstream = None  # (port, whether it keeps connections); files are served without one

    def path(self):
        """The program, or None when it is not installed."""
        return load.tool(self.program)

    def available(self):
        return self.path() is not None

    def can(self, scenario):
        """Whether the server does this kind of work at all."""
        return True

    def version(self):
        result = subprocess.run([self.path(), *self.version_args], capture_output=True, text=True,
                                check=False)
        found = re.search(r"\d+\.\d+(\.\d+)?", result.stdout + result.stderr)
        return found[0] if found else "?"

    version_args = ("-v",)

    def configure(self):
        """Writes what the server reads; returns the command line."""
        raise NotImplementedError

    def environment(self):
        return {}

    def write(self, name, text):
        file = self.folder / name
        file.write_text(text)
        return file

    def start(self):
        """Starts it on its CPU and waits until it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        command = self.configure()
        with open(self.folder / "output", "wb") as output:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(load.SERVER_CPU), *map(str, command)], cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**os.environ, **self.environment()}, start_new_session=True)
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    said = (self.folder / "output").read_text(errors="replace")[-800:]
                    self.stop()
                    raise RuntimeError(f"{self.name} did not start:\n{said}") from None
                time.sleep(0.05)

    def stop(self):
        """Ends it and everything that it started."""
        if self.process is None:
            return
        family = load.descendants(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            pass
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process = None


class Gardien(Server):
    name = "gardien"
    version_args = ("version",)

    def path(self):
        return str(self.gardien.resolve()) if self.gardien.exists() else None

    def configure(self):
        content = {"proxy": f"127.0.0.1:{self.upstream[0]}"} if self.upstream \
            else {"files": str(self.site)}
        settings = {
            "listen": {"https": [f"127.0.0.1:{self.port}"], "http": "off"},
            "workers": 1,
            "logs": {"access": "off"},
            "limits": {"connections_per_address": 0},
            "sites": [{"names": ["localhost"], **content,
                       "certificate": {"file": str(self.work / "cert.pem"),
                                       "key": str(self.work / "key.pem")}}],
        }
        file = self.write("gardien.yaml", json.dumps(settings, indent=1))
        return [self.path(), "serve", "--config", file, "--state", self.folder / "state"]


class Nginx(Server):
    name = program = "nginx"

    def configure(self):
        content, upstream = f"root {self.site};", ""
        if self.upstream:
            port, keeps = self.upstream
            content = "location / { proxy_pass http://app; proxy_http_version 1.1; " \
                'proxy_set_header Connection ""; proxy_set_header Host $host; ' \
                "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; " \
                "proxy_set_header X-Forwarded-Proto $scheme; proxy_request_buffering off; }"
            upstream = f"upstream app {{ server 127.0.0.1:{port}; " \
                f"{'keepalive 128; keepalive_requests 1000000000;' if keeps else ''} }}"
        return [self.path(), "-p", self.folder, "-c", self.write("nginx.conf", f"""
user {user_name()};
daemon off;
worker_processes 1;
pid {self.folder}/pid;
error_log stderr crit;
events {{ worker_connections 9000; }}
http {{
    access_log off;
    default_type text/html;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_timeout 75s;
    keepalive_requests 1000000000;
    open_file_cache max=1000 inactive=60s;
    open_file_cache_valid 30s;
    client_body_temp_path {self.folder}/body;
    proxy_temp_path {self.folder}/proxy;
    fastcgi_temp_path {self.folder}/fastcgi;
    uwsgi_temp_path {self.folder}/uwsgi;
    scgi_temp_path {self.folder}/scgi;
    {upstream}
    server {{
        listen 127.0.0.1:{self.port} ssl {'' if self.new() else 'http2'};
        {'http2 on;' if self.new() else ''}
        server_name localhost;
        ssl_certificate {self.work}/cert.pem;
        ssl_certificate_key {self.work}/key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_tickets on;
        {content}
    }}
}}
""")]

    def new(self):
        """From 1.25 on HTTP/2 is a directive of its own."""
        return tuple(map(int, self.version().split("."))) >= (1, 25, 1)


class H2o(Server):
    name = program = "h2o"

    def configure(self):
        content = f"""        file.dir: {self.site}
        file.send-gzip: OFF"""
        if self.upstream:
            content = f"""        proxy.reverse.url: http://127.0.0.1:{self.upstream[0]}/
        proxy.preserve-host: ON
        proxy.timeout.keepalive: {4000 if self.upstream[1] else 0}"""
        return [self.path(), "-m", "worker", "-c", self.write("h2o.conf", f"""
user: {user_name()}
num-threads: 1
max-connections: 9000
http1-request-timeout: 75
http2-idle-timeout: 75
error-log: /dev/null
pid-file: {self.folder}/pid
listen:
  host: 127.0.0.1
  port: {self.port}
  ssl:
    certificate-file: {self.work}/cert.pem
    key-file: {self.work}/key.pem
    minimum-version: TLSv1.2
hosts:
  "localhost:{self.port}":
    paths:
      /:
{content}
""")]


class Haproxy(Server):
    """Serves no files; two small ones from memory, which is as fast as it can be."""

    name = program = "haproxy"

    def can(self, scenario):
        return bool(scenario.upstream) or load.FILES[scenario.path] <= 16384

    def configure(self):
        if self.upstream:
            port, keeps = self.upstream
            rules = f"""    option forwardfor
    http-request set-header X-Forwarded-Proto https
    default_backend app
backend app
    http-reuse {'always' if keeps else 'never'}
    server app 127.0.0.1:{port} {'pool-max-conn 256' if keeps else ''}
"""
        else:
            rules = self.memory_rules()
        return [self.path(), "-W", "-db", "-f", self.write("haproxy.cfg", f"""
global
    nbthread 1
    maxconn 9000
    tune.bufsize 20480
    tune.ssl.default-dh-param 2048
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode http
    timeout client 75s
    timeout http-keep-alive 75s
    timeout http-request 75s
    timeout connect 5s
    timeout server 75s
frontend main
    bind 127.0.0.1:{self.port} ssl crt {self.work}/both.pem alpn h2,http/1.1
{rules}""")]

    def memory_rules(self):
        return "".join(
            f"    http-request return status 200 content-type text/html "
            f"file {self.site}{path} if {{ path {path} }}\n"
            for path, size in load.FILES.items() if size <= 16384)


class Caddy(Server):
    name = program = "caddy"
    version_args = ("version",)

    def environment(self):
        return {"GOMAXPROCS": "1", "XDG_DATA_HOME": str(self.folder),
                "XDG_CONFIG_HOME": str(self.folder), "HOME": str(self.folder)}

    def configure(self):
        content = f"root * {self.site}\n    file_server"
        if self.upstream:
            port, keeps = self.upstream
            content = f"reverse_proxy http://127.0.0.1:{port} {{\n transport http {{\n" \
                f"keepalive {'4s' if keeps else 'off'}\n keepalive_idle_conns_per_host 256\n}}\n}}"
        return [self.path(), "run", "--adapter", "caddyfile", "--config",
                self.write("Caddyfile", f"""
{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
    servers {{
        protocols h1 h2
    }}
}}
https://localhost:{self.port} {{
    bind 127.0.0.1
    tls {self.work}/cert.pem {self.work}/key.pem
    {content}
}}
""")]


class Lighttpd(Server):
    name = program = "lighttpd"

    def available(self):
        return super().available() and any(
            Path("/usr/lib/lighttpd").glob("mod_openssl.so"))

    def can(self, scenario):
        return not scenario.upstream

    def configure(self):
        return [self.path(), "-D", "-f", self.write("lighttpd.conf", f"""
server.modules = ("mod_openssl")
server.document-root = "{self.site}"
server.bind = "127.0.0.1"
server.port = {self.port}
server.max-fds = 20000
server.max-connections = 9000
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 75
server.max-read-idle = 75
server.errorlog = "/dev/null"
mimetype.assign = (".html" => "text/html", ".bin" => "application/octet-stream")
ssl.engine = "enable"
ssl.pemfile = "{self.work}/cert.pem"
ssl.privkey = "{self.work}/key.pem"
""")]


def user_name():
    """Who started the comparison: its folder may be closed to anybody else."""
    import pwd
    return pwd.getpwuid(os.getuid()).pw_name


ALL = {kind.name: kind for kind in (Gardien, Nginx, H2o, Haproxy, Caddy, Lighttpd)}
