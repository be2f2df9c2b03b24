"""Generated packet rules for the tests of `gardien why`: a seed gives the same rules each time.

They hold what decides about a packet in real rules: tables of several families, base chains of equal
and different priorities, jumps and gotos, verdict maps, sets with intervals and concatenations,
marks, interfaces, conntrack's states, translation of destinations, policies and rejects."""

import random
import re

DOUBTFUL = re.compile("limit rate|ttl|hoplimit|meta length|oif missing|window")
PORTS = (443, 80, 8443)  # where somebody listens, on every host


class Generator:
    """One ruleset for the host 10.99.0.1, which forwards to 10.98.0.2. `client` is 10.99.0.2."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.family = "inet"
        self.chains = []  # regular chains that a rule may go to

    def chance(self, share):
        return self.random.random() < share

    def pick(self, *choices):
        return self.random.choice(choices)

    # ---- what a rule looks at ----

    def port(self):
        return self.pick(443, 443, 443, 80, 8443, 22, 1000)

    def ports(self):
        low = self.port()
        return self.pick(
            str(low), str(low), f"!= {low}", f"{max(1, low - 40)}-{low + 10}", f"> {low}",
            f"<= {low}", "{ %d, %d }" % (low, low + 1), "{ 22, 80-90, 440-450 }",
            "!= { 22, 8000-9000 }", *(["@ports", "!= @ports"] if self.family != "netdev" else []))

    def address(self):
        return self.pick(
            "10.99.0.2", "10.99.0.0/24", "!= 10.99.0.0/28", "10.0.0.0/8", "192.0.2.0/24",
            "10.99.0.1-10.99.0.9", "10.99.0.3-10.99.0.9", "{ 10.99.0.2, 192.0.2.1 }",
            "{ 10.98.0.0/16, 192.0.2.0-192.0.2.77 }", "!= { 10.98.0.0/16, 10.99.0.2 }", "@hosts",
            "!= @hosts")

    def ports_match(self):
        return self.pick("tcp", "tcp", "udp", "th") + " dport " + self.ports()

    def address_match(self):
        if self.family == "ip6" or (self.family != "ip" and self.chance(0.3)):
            return "ip6 saddr " + self.pick("fd99::2", "fd99::/64", "fd98::/64", "!= fd99::/120",
                                            "{ fd99::2, fd00::/16 }")
        return "ip saddr " + self.address()

    def destination_match(self):
        if self.family == "ip6":
            return "ip6 daddr " + self.pick("fd99::1", "fd99::/64")
        return "ip daddr " + self.pick("10.99.0.1", "10.98.0.0/24", "!= 10.99.0.1", "10.99.0.0/30")

    def interface_match(self):
        return self.pick('iifname "eth0"', 'iifname != "eth0"', 'iifname "eth*"', 'iif "lo"',
                         'iifname { "lo", "eth1" }', 'iif "eth0"', 'iifname "veth*"')

    def mark_match(self):
        return "meta mark " + self.pick("0", "0x1", "!= 0", "& 0x3 == 0x1", "& 0xf0 != 0",
                                        "0x1-0x8", "{ 0x1, 0x2, 0x10 }")

    def state_match(self):
        return "ct " + self.pick("state new", "state established,related", "state != new",
                                 "state invalid", "state { new, untracked }", "status dnat",
                                 "mark 0x1", "mark != 0x0", "state untracked",
                                 "direction original")

    def header_match(self):
        choices = ["meta l4proto tcp", "meta l4proto { tcp, udp }", "meta pkttype host",
                   "tcp flags syn", "tcp flags & (fin|syn|rst|ack) == syn", "tcp flags != syn",
                   "meta l4proto != udp", "tcp flags ack", "icmp type echo-request"
                   if self.family != "ip6" else "icmpv6 type echo-request"]
        if self.family == "ip":
            choices += ["ip protocol tcp", "ip protocol != tcp", "ip version 4"]
        if self.family == "inet":
            choices += ["meta nfproto ipv4", "meta nfproto ipv6", "meta protocol ip"]
        if self.family == "ip6":
            choices += ["ip6 nexthdr tcp", "ip6 nexthdr { tcp, udp }"]
        return self.pick(*choices)

    def joined_match(self):
        if self.family == "ip6":
            return "ip6 saddr . tcp dport { fd99::2 . 443, fd98::1 . 80 }"
        return self.pick("ip saddr . tcp dport @services",
                         "ip saddr . tcp dport { 10.99.0.2 . 443, 10.98.0.0/16 . 1-99 }",
                         'iifname . th dport { "eth0" . 80, "eth1" . 443 }')

    def doubtful_match(self):
        """What a ruleset alone cannot tell, see DOUBTFUL; and something near it that it can."""
        return self.pick("limit rate 100000/second", "ip ttl > 1" if self.family != "ip6" else
                         "ip6 hoplimit > 1", "meta length < 9000", "fib daddr type local",
                         "fib saddr . iif oif missing", "tcp window > 1")

    def match(self, early=False):
        kinds = [self.ports_match] * 5 + [self.address_match] * 3 + [self.interface_match] * 2 + \
            [self.mark_match] * 2 + [self.header_match] * 2 + [self.joined_match] + \
            [self.destination_match] + ([] if early else [self.state_match] * 3)
        if self.chance(0.04):
            return self.doubtful_match()
        return self.pick(*kinds)()

    # ---- what it does ----

    def verdict(self, hook):
        if self.chains and self.chance(0.3):
            return self.pick("jump", "jump", "goto") + " " + self.pick(*self.chains)
        choices = ["accept", "accept", "drop", "drop", "return", "continue", ""]
        if hook in ("input", "forward"):
            choices += ["reject", "reject with icmpx admin-prohibited" if self.family == "inet"
                        else "reject", "meta l4proto tcp reject with tcp reset"]
        return self.pick(*choices)

    def map_verdict(self, hook):
        choices = ["accept", "drop", "return", "continue"]
        choices += [self.pick("jump", "goto") + " " + chain for chain in self.chains[:2]]
        return self.pick(*choices)

    def verdict_map(self, hook):
        one, two, three = (self.map_verdict(hook) for _ in range(3))
        choices = [f"tcp dport vmap {{ 443 : {one}, 80 : {two} }}",
                   f"th dport vmap {{ 1-100 : {one}, 443 : {two}, 8000-9000 : {three} }}",
                   f"meta l4proto vmap {{ tcp : {one}, udp : {two} }}",
                   f"meta mark vmap {{ 0x1 : {one}, 0x2-0xff : {two} }}",
                   f'iifname vmap {{ "lo" : accept, "eth0" : {one} }}']
        if hook != "ingress":
            choices.append(f"ct state vmap {{ established : accept, invalid : drop, new : {one} }}")
        if self.family != "ip6":
            choices.append(f"ip saddr . tcp dport vmap {{ 10.99.0.2 . 443 : {one}, "
                           f"10.99.0.2 . 80 : {two} }}")
        return self.pick(*choices)

    def change(self, hook):
        choices = ["meta mark set 0x1", "meta mark set meta mark | 0x10",
                   "meta mark set meta mark & 0xfe", "counter", "meta mark set 0x2"]
        if hook != "ingress":
            choices += ["ct mark set 0x1", "meta mark set ct mark", "ct mark set meta mark"]
        if self.family != "netdev":
            choices.append("meta mark set tcp dport map { 443 : 0x1, 80 : 0x2 }")
        return self.pick(*choices)

    def rule(self, hook):
        early = hook == "ingress"
        kind = self.random.random()
        if kind < 0.12:
            return self.verdict_map(hook)
        matches = " ".join(self.match(early) for _ in range(self.pick(0, 1, 1, 1, 2, 2)))
        if kind < 0.24:
            matches += " " + self.change(hook)
            if self.chance(0.6):
                return matches
        verdict = self.verdict(hook)
        if not matches.strip() and verdict in ("accept", "drop", "return", "reject", ""):
            return "counter"  # else most rules would never be reached
        return f"{matches} {verdict}"

    # ---- chains and tables ----

    def usable_rule(self, hook):
        """nftables refuses rules that no packet can match."""
        while True:
            rule = self.rule(hook).strip()
            headers = set(re.findall(r"\b(tcp|udp|icmp|icmpv6) (?:[dsw]|flags|type|reject)", rule))
            versions = set(re.findall(r"\b(ip6?) (?:[sdptvhn])", rule))
            versions |= set(re.findall("nfproto|protocol", rule))
            if "tcp reset" in rule and versions:
                continue  # nftables' listing leaves out the family that such a rule is for
            versions |= {"ip" if word == "icmp" else "ip6" for word in headers - {"tcp", "udp"}}
            if rule and len(headers) < 2 and len(versions) < 2 and \
                    not (re.search("l4proto|nexthdr|ip protocol", rule) and headers - {"tcp"}) and \
                    not (re.search("(l4proto|nexthdr) {", rule) and headers):
                return rule

    def rules(self, hook, most):
        return "".join(f"    {self.usable_rule(hook)}\n"
                       for _ in range(self.random.randint(1, most)))

    def translation(self):
        target = self.pick("dnat ip to 10.98.0.2", "dnat ip to 10.98.0.2:8443", "redirect to :8443",
                           "dnat ip to 10.99.0.1:80", "redirect to :443")
        if self.family == "ip6":
            target = "redirect to :8443"
        elif self.family == "ip":
            target = target.replace("dnat ip", "dnat")
        return f"    {self.pick('tcp', 'tcp', 'udp')} dport {self.pick(443, 80)} {target}\n"

    def base_chain(self, number):
        hook = self.pick("input", "input", "input", "prerouting", "forward")
        if hook == "prerouting" and self.chance(0.5):
            rules = "".join(self.translation() for _ in range(self.random.randint(1, 2)))
            return (f"  chain nat{number} {{\n    type nat hook prerouting priority "
                    f"{self.pick('dstnat', 'dstnat', '-99', '0')};\n{rules}  }}\n")
        priority = self.pick(-300, -150, -100, 0) if hook == "prerouting" else \
            self.pick(-10, 0, 0, 0, 10)
        policy = self.pick("accept", "accept", "drop")
        if hook == "prerouting":
            policy = "accept"
        rules = self.rules(hook, 7)
        if hook != "input":  # answers of the host behind
            rules = f'    iifname "eth1" accept\n{rules}'
        if hook == "prerouting" and priority == -300 and self.chance(0.3):
            rules += f"    {self.ports_match()} notrack\n"
        return (f"  chain {hook}{number} {{\n    type filter hook {hook} priority {priority}; "
                f"policy {policy};\n{rules}  }}\n")

    def table(self, number):
        self.family = self.pick("inet", "inet", "ip", "ip6")
        self.chains = []
        text = f"table {self.family} t{number} {{\n"
        text += "  set ports { type inet_service; flags interval; " \
                f"elements = {{ {self.pick('443', '80', '400-500, 22', '1-79')} }}; }}\n"
        text += "  set hosts { type ipv4_addr; flags interval; " \
                f"elements = {{ {self.pick('10.99.0.0/24', '10.98.0.0/16, 10.99.0.4-10.99.0.9')} " \
                "}; }\n"
        text += "  set services { type ipv4_addr . inet_service; flags interval; elements = { " \
                f"{self.pick('10.99.0.2 . 443', '10.99.0.0/24 . 80-90, 10.99.0.2 . 8443')} }}; }}\n"
        for i in range(self.random.randint(0, 4)):  # each may go to those before it
            rules = self.rules("regular", 5)
            text += f"  chain r{i} {{\n{rules}  }}\n"
            self.chains.append(f"r{i}")
        for i in range(self.random.randint(1, 3)):
            text += self.base_chain(i)
        return text + "}\n"

    def ingress(self):
        self.family, self.chains = "netdev", []
        rules = "".join(f"    {self.ports_match()} {self.pick('drop', 'accept', '')}\n"
                        for _ in range(2))
        return ("table netdev early {\n  chain in {\n    type filter hook ingress device \"eth0\" "
                f"priority 0; policy accept;\n{rules}    {self.change('ingress')}\n  }}\n}}\n")

    def answer_rule(self):
        """A rule about what leaves: of the answer it sees the port that was translated."""
        protocol = self.pick("tcp", "tcp", "tcp", "udp")
        match = self.pick(f"{protocol} sport {self.ports()}", f"{protocol} sport {self.port()}",
                          f"{protocol} dport 1-1000", "ct state established", "ct state new",
                          "ct direction reply", "ct status dnat", "meta mark 0x1",
                          "ct mark & 0x1 == 0x1", f"meta l4proto tcp ct original proto-dst {self.port()}",
                          "tcp flags & (syn|ack) == syn|ack", 'oifname "eth1"')
        narrow = self.pick("", "", 'oifname "eth0" ', "ct state established ")
        return narrow + match + self.pick(" accept", " drop", " drop", " counter", " return")

    def answers(self):
        """A table for what leaves. ICMP and resets, which tell of a reject, get out."""
        self.family, self.chains = "inet", []
        text = ("table inet leaving {\n  set ports { type inet_service; flags interval; "
                f"elements = {{ {self.pick('443', '80', '400-500, 22')} }}; }}\n")
        for hook in self.pick(("output",), ("output",), ("postrouting",), ("output", "postrouting")):
            rules = "".join(f"    {self.answer_rule()}\n" for _ in range(self.random.randint(1, 4)))
            priority = self.pick(-150, 0, 0, 150)
            text += (f"  chain {hook} {{\n    type filter hook {hook} priority {priority}; policy "
                     f"{self.pick('accept', 'accept', 'drop')};\n"
                     "    meta l4proto { icmp, ipv6-icmp } accept\n"
                     '    tcp flags & rst != 0 accept\n    iifname "eth0" accept\n'
                     f"{rules}  }}\n")
        return text + "}\n"

    def ruleset(self):
        text = self.ingress() if self.chance(0.15) else ""
        for number in range(self.random.randint(1, 3)):
            text += self.table(number)
        return text + (self.answers() if self.chance(0.5) else "")


def generate(seed):
    """Rules as `nft -f` reads them."""
    return Generator(seed).ruleset()
