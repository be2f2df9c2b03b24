"""Rate limits, counted over all workers: whom they refuse, what the answer says, what counts apart; and
requests of one address at once."""

import re
import time

import pytest

from lib import wait_until
from upstream import OK, Upstream

VERSIONS = pytest.mark.parametrize("version", ["--http1.1", "--http2"])


def settings(gardien, rates, **more):
    return {"workers": 2, "protect": {"rates": rates, **more},
            "sites": [{"names": ["localhost"], "files": str(gardien.public)}]}


@VERSIONS
def test_whoever_asks_too_often_gets_429_and_is_told_when_to_come_again(start, version):
    gardien = start(config=lambda g: settings(g, [{"name": "slow", "rate": "3/h"}]))
    got = [gardien.curl("/", version) for _ in range(5)]
    assert [answer.status for answer in got] == [200, 200, 200, 429, 429]
    wait = int(got[3].headers["retry-after"])
    assert 1000 < wait <= 1200
    assert got[3].headers["ratelimit-policy"] == '"slow";q=3;w=3600'
    assert re.fullmatch(r'"slow";r=0;t=\d+', got[3].headers["ratelimit"])
    assert "Too many requests" in got[3].text
    gardien.wait_output('event="request refused" policy=slow client=127.0.0.1 ')


def test_a_reload_forgets_nothing_and_the_mode_can_be_watch(start):
    gardien = start(config=lambda g: settings(g, [{"rate": "2/h"}]))
    assert [gardien.curl("/").status for _ in range(3)] == [200, 200, 429]
    assert gardien.cli("reload").returncode == 0
    assert gardien.curl("/").status == 429
    gardien.write_config(settings(gardien, [{"rate": "2/h"}], rate_mode="watch"))
    assert gardien.cli("reload").returncode == 0
    assert gardien.curl("/").status == 200
    gardien.wait_output('event="request watched" policy=rate ')


def test_headers_cookies_paths_and_methods_count_apart(start):
    rates = [{"name": "key", "key": "header:X-Api-Key", "rate": "2/h", "path": "/h"},
             {"name": "session", "key": "cookie:sid", "rate": "2/h", "path": "/c"},
             {"name": "path", "key": "path", "rate": "2/h", "path": "/p"},
             {"name": "login", "rate": "2/h", "path": "/l", "methods": ["POST"]}]
    gardien = start(config=lambda g: settings(g, rates))

    def asks(path, *args):
        return gardien.curl(path, *args).status == 429

    def third(path, *args):
        return [asks(path, *args) for _ in range(3)]

    refused = [False, False, True]
    assert third("/h", "-H", "X-Api-Key: a") == refused
    assert third("/h", "-H", "X-Api-Key: b") == refused
    assert third("/h") == refused  # without a key: by address
    assert third("/c", "-H", "Cookie: x=1; sid=a") == refused
    assert third("/c", "-H", "Cookie: sid=b; x=1") == refused
    assert third("/p/1") == refused
    assert third("/p/2") == refused
    assert third("/l", "-X", "POST") == refused
    assert third("/l") == [False] * 3
    assert third("/other") == [False] * 3


def test_rules_of_site_and_route_count_beside_those_of_all_sites_and_a_route_may_leave_them_out(start):
    def make(gardien):
        return {"protect": {"rates": ["5/h"]},
                "sites": [{"names": ["localhost"], "files": str(gardien.public),
                           "protect": {"rates": [{"name": "site", "rate": "4/h"}]},
                           "routes": [{"path": "/route", "respond": 200,
                                       "protect": {"rates": [{"name": "route", "rate": "1/h"}]}},
                                      {"path": "/free", "respond": 200,
                                       "protect": {"rate_mode": "off"}}]}]}
    gardien = start(config=make)
    assert gardien.curl("/route").status == 200
    assert gardien.curl("/route").headers["ratelimit-policy"].startswith('"route"')
    assert [gardien.curl("/").status for _ in range(2)] == [200, 200]
    assert gardien.curl("/").headers["ratelimit-policy"].startswith('"site"')
    assert gardien.curl("/").headers["ratelimit-policy"].startswith('"rate"')
    assert [gardien.curl("/free").status for _ in range(3)] == [200] * 3


def test_the_client_that_a_trusted_proxy_names_is_the_one_that_counts(start):
    def make(gardien):
        return {**settings(gardien, ["1/h"]), "trusted_proxies": ["127.0.0.0/8"]}
    gardien = start(config=make)

    def asks(forwarded):
        return gardien.curl("/", "-H", f"X-Forwarded-For: {forwarded}").status

    assert [asks("192.0.2.1"), asks("192.0.2.1"), asks("192.0.2.2")] == [200, 429, 200]
    assert asks("6.6.6.6, 192.0.2.1") == 429  # what stands further left anybody may write
    assert asks("192.0.2.3, 127.0.0.9") == 200
    assert asks("192.0.2.3") == 429
    assert asks("2001:db8::1") == 200
    assert asks("2001:db8::2") == 429  # the same /64
    assert asks("192.0.2.2:4711") == 429 and asks("[2001:db8::3]:4711") == 429  # as some proxies write
    assert asks("unknown") == 200  # not the proxy's own address
    assert asks("unknown") == 429
    assert asks("192.0.2.9") == 200


def test_an_ipv6_network_does_not_multiply_a_rate_without_end(start):
    def make(gardien):
        return {**settings(gardien, ["1/h"]), "trusted_proxies": ["127.0.0.0/8"]}
    gardien = start(config=make)
    passed = sum(gardien.curl("/", "-H", f"X-Forwarded-For: 2001:db8:0:{i:x}::1").status == 200
                 for i in range(24))
    assert passed == 16  # of the first /56


def test_requests_at_once_are_bounded_by_address(start):
    release = []

    def hold(connection, request):
        wait_until(lambda: release, 20, "the test to let go")
        connection.send(OK)

    with Upstream(hold) as app:
        gardien = start(config=lambda g: {
            "workers": 1, "limits": {"requests_per_address": 2},
            "sites": [{"names": ["localhost"], "proxy": app.address}]})
        peers = [gardien.tls() for _ in range(2)]
        for peer in peers:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: len(app.requests) == 2, 10, "both requests to reach the application")
        refused = gardien.curl("/")
        assert refused.status == 429 and refused.headers["retry-after"] == "1"
        release.append(True)
        for peer in peers:
            assert peer.recv(100).startswith(b"HTTP/1.1 200")
            peer.close()
        wait_until(lambda: gardien.curl("/").status == 200, 10, "places to be free again")


@pytest.mark.parametrize("rate, sentence", [
    ("20", "is no rate"), ("0/s", "is out of range"), ("1/w", "is no rate")])
def test_a_rate_that_cannot_be_read_is_a_mistake_with_its_place(start, tmp_path, rate, sentence):
    import lib
    config = tmp_path / "gardien.yaml"
    config.write_text(f"protect: {{rates: [{{rate: {rate}}}]}}\n"
                      f"sites: [{{names: [localhost], files: {tmp_path}}}]\n")
    checked = lib.run(lib.BINARY, "config", "check", config)
    assert checked.returncode != 0 and sentence in checked.stdout + checked.stderr
