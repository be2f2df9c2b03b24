"""`gardien why --ruleset`: rules that were saved, on this host or another, and what is told of them
without rights; and the rules of this host where no probe may be sent."""

import json
import os
import shutil

import pytest

import lib
import netns

SAVED = lib.TOP / "tests" / "unit" / "firewall" / "rulesets"

needs_hosts = pytest.mark.skipif(not netns.can_make_hosts(), reason="no network namespaces here")


def why(*words, code, input=None, as_nobody=False, command=None):
    """The paths by family."""
    line = [lib.BINARY, "why", *words, "--json"]
    if as_nobody and os.geteuid() == 0:
        line = ["setpriv", "--reuid", "nobody", "--clear-groups", "--inh-caps", "-all",
                lib.binary_for_others(), *line[1:]]
    if command:
        line = command(*line)
    result = lib.run(*line, input=input, env=lib.sanitizer_env())
    assert result.returncode == code, f"{result.returncode} {result.stdout}{result.stderr}"
    return {path["family"]: path for path in json.loads(result.stdout)["paths"]}


def culprit(path):
    return path["steps"][path["culprit"]]


def test_json_needs_no_rights(tmp_path):
    rules = (SAVED / "firewalld.json").read_text()
    path = why("80", "-4", "--ruleset", "-", "--interface", "eth0", code=1, input=rules,
               as_nobody=True)["ipv4"]
    assert path["told_by"] == "simulator" and path["verdict"] == "rejected"
    assert culprit(path)["handle"] == 72
    assert culprit(path)["rule"] == "reject with icmpx admin-prohibited"
    assert culprit(path)["target"] == "icmpx admin-prohibited"
    assert "--zone=public --add-port=80/tcp" in path["hint"]
    path = why("443", "-4", "--ruleset", SAVED / "firewalld.json", "--interface", "eth0",
               code=0)["ipv4"]
    assert path["verdict"] == "accepted"


@needs_hosts
def test_text_tells_what_iptables_extensions_do():
    path = why("443", "-4", "--ruleset", SAVED / "ufw.json", "--interface", "eth0", code=3)["ipv4"]
    assert "iptables' extension" in path["reason"] and "nft -a list ruleset" in path["hint"]
    for family, chain, handle in (("-4", "ufw-user-input", 97), ("-6", "ufw6-user-input", 136)):
        path, = why("443", family, "--ruleset", SAVED / "ufw.nft", "--interface", "eth0",
                    code=1).values()
        assert path["verdict"] == "dropped"
        assert (culprit(path)["chain"], culprit(path)["handle"]) == (chain, handle)
        path, = why("22", family, "--ruleset", SAVED / "ufw.nft", "--interface", "eth0",
                    code=0).values()
        assert path["verdict"] == "accepted"


@needs_hosts
def test_text_leaves_this_hosts_rules_alone():
    with netns.hosts("own") as (own,):
        own.nft("table inet mine {\n chain c {\n }\n}\n")
        before = own.run("nft", "-a", "list", "ruleset").stdout
        why("443", "-4", "--ruleset", SAVED / "ufw.nft", "--interface", "eth0", code=1,
            command=own.command)
        assert own.run("nft", "-a", "list", "ruleset").stdout == before
        assert own.run("ip", "-o", "link").stdout.count("\n") == 1  # lo


def test_a_port_that_docker_forwards():
    path = why("8443", "-4", "--ruleset", SAVED / "docker.json", "--interface", "eth0",
               code=3)["ipv4"]
    assert any(step.get("rule", "").endswith('xt target "DNAT"') for step in path["steps"])


def test_what_is_missing_in_the_question_is_asked_for():
    rules = json.dumps({"nftables": [
        {"table": {"family": "ip", "name": "t"}},
        {"chain": {"family": "ip", "table": "t", "name": "c", "type": "filter", "hook": "input",
                   "prio": 0, "policy": "drop"}},
        {"rule": {"family": "ip", "table": "t", "chain": "c", "handle": 2, "expr": [
            {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "eth0"}},
            {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}},
                       "right": "192.0.2.1"}},
            {"accept": None}]}}]})
    path = why("443", "-4", "--ruleset", "-", code=3, input=rules)["ipv4"]
    assert "--interface" in path["hint"]
    path = why("443", "-4", "--ruleset", "-", "--interface", "eth0", code=3, input=rules)["ipv4"]
    assert "--to" in path["hint"]
    path = why("443", "-4", "--ruleset", "-", "--interface", "eth0", "--to", "192.0.2.1", code=0,
               input=rules)["ipv4"]
    path = why("443", "-4", "--ruleset", "-", "--interface", "eth0", "--to", "192.0.2.2", code=1,
               input=rules)["ipv4"]
    assert path["hint"] == "nft add rule ip t c tcp dport 443 accept"


@needs_hosts
@pytest.mark.parametrize("form", [["-j"], []])
def test_elements_that_a_terse_listing_leaves_out_are_unknown(form):
    with netns.hosts("own") as (own,):
        own.nft("table inet t {\n set good {\n type ipv4_addr\n elements = { 198.51.100.1 }\n }\n"
                " set none {\n type ipv4_addr\n }\n chain c {\n"
                " type filter hook input priority 0; policy drop;\n"
                "  ip saddr @good accept\n  ip saddr @none accept\n }\n}\n")
        whole = own.run("nft", *form, "list", "ruleset").stdout
        terse = own.run("nft", "-t", *form, "list", "ruleset").stdout
    asked = ["443", "-4", "--ruleset", "-", "--interface", "eth0", "--from"]
    assert why(*asked, "198.51.100.1", code=0, input=whole)["ipv4"]["verdict"] == "accepted"
    assert why(*asked, "198.51.100.2", code=1, input=whole)["ipv4"]["verdict"] == "dropped"
    path = why(*asked, "198.51.100.1", code=3, input=terse)["ipv4"]
    assert "the elements of set good" in path["reason"] and "nft -t" in path["hint"]
    assert culprit(path)["rule"] == "ip saddr @good accept"


@pytest.mark.parametrize("text,sentence", [
    ("", "no rules"), ("{", "line 1"), ('{"nftables": 1}', 'no array "nftables"'),
    ("table inet t {\n  chain c {\n    tcp dport nonsense\n  }\n}\n", ":3:15: "),
    (None, "No such file or directory")])
def test_files_that_are_no_rules_say_how_to_save_some(tmp_path, text, sentence):
    if text and text.startswith("table") and not netns.can_make_hosts():
        pytest.skip("no network namespaces here")
    file = tmp_path / "rules"
    if text is not None:
        file.write_text(text)
    result = lib.run(lib.BINARY, "why", "443", "--ruleset", file, env=lib.sanitizer_env())
    assert result.returncode == 3 and result.stdout == ""
    assert sentence in result.stderr and "nft -j list ruleset" in result.stderr


@needs_hosts
@pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv")
def test_without_the_right_to_send_a_probe_the_rules_tell():
    with netns.server_and_client() as (server, _):
        server.nft("table inet t {\n chain c {\n type filter hook input priority 0\n"
                   "  tcp dport 443 drop\n }\n}\n")
        drop = "-bpf,-perfmon,-sys_admin"

        def limited(*words):
            return server.command("setpriv", "--bounding-set", drop, "--inh-caps", drop, *words)

        for path in why("443", "--interface", "eth0", code=1, command=limited).values():
            assert path["told_by"] == "simulator" and path["verdict"] == "dropped"
            assert culprit(path)["rule"] == "tcp dport 443 drop"
            assert path["hint"] == (
                f"nft insert rule inet t c handle {culprit(path)['handle']} tcp dport 443 accept")
        for path in why("80", "--interface", "eth0", code=1, command=limited).values():
            assert path["verdict"] == "accepted" and path["obstacle"] == "no listener"
