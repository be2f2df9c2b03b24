"""A home router that answers as it is told, for what no well-behaved one does on demand: NAT-PMP
(RFC 6886) on UDP 5351, and UPnP-IGD by SSDP on 239.255.255.250:1900 with XML over HTTP.

Usage: fake_router.py ADDRESS JSON
  natpmp     {"outside": "198.51.100.1", "code": 0, "other_port": false}; left out: silent
  upnp       {"outside": "...", "add": 0 or an errorCode, "permanent": true to refuse leases,
              "held": ["192.168.1.9", "description"]}; left out: silent
Prints "ready", then a line for each request."""

import json
import re
import select
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS, OPTIONS = sys.argv[1], json.loads(sys.argv[2])
KIND = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"
DESCRIPTION = f"""<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">
<specVersion><major>1</major><minor>0</minor></specVersion>
<device><deviceType>{KIND}</deviceType><friendlyName>fake</friendlyName><deviceList><device>
<deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1</serviceType>
<serviceId>urn:upnp-org:serviceId:WANCommonIFC1</serviceId><controlURL>/common</controlURL>
<eventSubURL>/e</eventSubURL><SCPDURL>/s</SCPDURL></service></serviceList><deviceList><device>
<deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType><serviceList><service>
<serviceType>{SERVICE}</serviceType><serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
<controlURL>/control</controlURL><eventSubURL>/e</eventSubURL><SCPDURL>/s</SCPDURL>
</service></serviceList></device></deviceList></device></deviceList></device></root>"""

mappings = {}


def natpmp(options):
    """Answers NAT-PMP datagrams for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((ADDRESS, 5351))
        begun, restarted, mapped = time.monotonic(), False, None
        while True:
            if mapped and not restarted and \
                    time.monotonic() - mapped > options.get("restarts", float("inf")):
                begun, restarted = time.monotonic(), True
                print("restarted", flush=True)
                if options.get("announces"):
                    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                                    socket.inet_aton(ADDRESS))
                    sock.sendto(struct.pack(">BBHI", 0, 128, 0, 0)
                                + socket.inet_aton(options["outside"]), ("224.0.0.1", 5350))
            epoch = (0 if restarted else 86400) + int(time.monotonic() - begun)
            if not select.select([sock], [], [], 0.1)[0]:
                continue
            data, peer = sock.recvfrom(64)
            opcode = data[1]
            print("natpmp", data.hex(), flush=True)
            head = struct.pack(">BBHI", 0, opcode + 128, options.get("code", 0), epoch)
            if opcode:
                mapped = mapped or time.monotonic()
            if opcode == 0:
                sock.sendto(head[:2] + b"\0\0" + head[4:] + socket.inet_aton(options["outside"]),
                            peer)
            else:
                inside, outside, lease = struct.unpack(">HHI", data[4:12])
                if options.get("other_port") and lease:
                    outside += 1
                sock.sendto(head + struct.pack(">HHI", inside, outside,
                                               min(lease, options.get("lease", lease))), peer)


def ssdp():
    """Answers searches for a router for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", 1900))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                        socket.inet_aton("239.255.255.250") + socket.inet_aton(ADDRESS))
        while True:
            data, peer = sock.recvfrom(2048)
            if KIND.encode() in data:
                sock.sendto((f"HTTP/1.1 200 OK\r\nST: {KIND}\r\nUSN: uuid:1::{KIND}\r\n"
                             f"LOCATION: http://{ADDRESS}:5000/root.xml\r\n\r\n").encode(), peer)


class Control(BaseHTTPRequestHandler):
    """The description and the actions of an IGD."""

    def reply(self, code, text):
        body = text.encode("latin-1")
        self.send_response(code)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, action, **fields):
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        self.reply(200, '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/'
                   f'envelope/"><s:Body><u:{action}Response xmlns:u="{SERVICE}">{inner}'
                   f"</u:{action}Response></s:Body></s:Envelope>")

    def refuse(self, code):
        self.reply(500, '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/'
                   'envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError'
                   '</faultstring><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0">'
                   f"<errorCode>{code}</errorCode><errorDescription>x</errorDescription></UPnPError>"
                   "</detail></s:Fault></s:Body></s:Envelope>")

    def do_GET(self):
        self.reply(200, DESCRIPTION)

    def do_POST(self):
        options = OPTIONS["upnp"]
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        action = self.headers["SOAPAction"].strip('"').partition("#")[2]
        fields = dict(re.findall(r"<(New\w+)>([^<]*)</", body))
        key = (fields.get("NewExternalPort"), fields.get("NewProtocol"))
        print("upnp", action, json.dumps(fields), flush=True)
        if action == "GetStatusInfo":
            self.answer(action, NewConnectionStatus="Connected", NewLastConnectionError="",
                        NewUptime=1)
        elif action == "GetExternalIPAddress":
            self.answer(action, NewExternalIPAddress=options["outside"])
        elif action == "GetSpecificPortMappingEntry":
            client, text, lease = mappings.get(key) or (*options.get("held", [None, None]), 0)
            if client is None:
                self.refuse(714)
            else:
                self.answer(action, NewInternalPort=key[0], NewInternalClient=client, NewEnabled=1,
                            NewPortMappingDescription=text, NewLeaseDuration=lease)
        elif action == "AddPortMapping":
            if options.get("add"):
                self.refuse(options["add"])
            elif options.get("permanent") and fields["NewLeaseDuration"] != "0":
                self.refuse(725)
            else:
                mappings[key] = (fields["NewInternalClient"], fields["NewPortMappingDescription"],
                                 fields["NewLeaseDuration"])
                self.answer(action)
        elif action == "DeletePortMapping":
            mappings.pop(key, None)
            self.answer(action)
        else:
            self.refuse(401)

    def log_message(self, *args):
        pass


if "natpmp" in OPTIONS:
    threading.Thread(target=natpmp, args=(OPTIONS["natpmp"],), daemon=True).start()
if "upnp" in OPTIONS:
    threading.Thread(target=ssdp, daemon=True).start()
    threading.Thread(target=ThreadingHTTPServer((ADDRESS, 5000), Control).serve_forever,
                     daemon=True).start()
threading.Event().wait(0.1)
print("ready", flush=True)
threading.Event().wait()
