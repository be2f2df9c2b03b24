"""Folders that are exchanged under their path while they are served: the ways in which sites are
deployed."""

import os
import threading
import time

import pytest

from lib import wait_until


def release(folder, text, name="index.html"):
    folder.mkdir(parents=True)
    (folder / name).write_text(text)
    return folder


def link(target, path):
    """Points a symbolic link elsewhere in one step, as deploy tools do."""
    fresh = path.with_name("fresh-link")
    fresh.symlink_to(target)
    fresh.replace(path)


@pytest.fixture
def serve(start):
    """A gardien whose site's root is folder/current, a link to folder/releases/1."""
    def serve(*more_sites):
        def config(server):
            release(server.folder / "releases" / "1", "one")
            server.current = server.folder / "current"
            server.current.symlink_to(server.folder / "releases" / "1")
            return {"sites": [{"names": ["localhost"], "files": str(server.current)},
                              *(site(server) for site in more_sites)],
                    "workers": 2}
        return start(config)
    return serve


def wait_for(server, text, seconds=2):
    """Waits until every one of some new connections sees the text."""
    def seen():
        return all(server.curl("/").text == text for _ in range(4))
    wait_until(seen, seconds, f"{text!r} to be served")


def test_a_link_to_another_release_is_followed_within_a_second(serve):
    server = serve()
    assert server.curl("/").text == "one"
    link(release(server.folder / "releases" / "2", "two"), server.current)
    began = time.monotonic()
    wait_for(server, "two")
    assert time.monotonic() - began < 2
    server.wait_output("a served folder was exchanged, serving the new one")


def test_a_kept_connection_sees_the_new_release_or_is_closed_politely(serve):
    server = serve()
    with server.tls() as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"one" in peer.recv(65536)
        link(release(server.folder / "releases" / "2", "two"), server.current)
        wait_for(server, "two")


def test_a_folder_renamed_away_is_served_until_another_takes_its_place(start):
    server = start(files={"index.html": "old"})
    server.public.rename(server.folder / "away")
    time.sleep(1.2)
    assert server.curl("/").text == "old"
    release(server.folder / "new", "new").rename(server.public)
    wait_for(server, "new")


def test_a_release_within_what_the_sandbox_reaches_needs_no_new_worker(serve):
    server = serve(lambda server: {"names": ["all.test"], "files": str(server.folder)})
    workers = server.role("worker")
    link(release(server.folder / "releases" / "2", "two"), server.current)
    wait_for(server, "two")
    assert server.role("worker") == workers


def test_settings_changed_meanwhile_wait_for_a_reload(serve):
    server = serve()
    server.write_config("sites: [broken")
    link(release(server.folder / "releases" / "2", "two"), server.current)
    wait_for(server, "two")
    assert server.cli("reload").returncode == 2
    link(release(server.folder / "releases" / "3", "three"), server.current)
    wait_for(server, "three")


def test_the_new_release_is_as_confined_as_the_old_one(serve):
    server = serve()
    (server.folder / "secret").write_text("secret")
    second = release(server.folder / "releases" / "2", "two")
    (second / "out").symlink_to("../../secret")
    (second / "up").symlink_to("/etc/passwd")
    link(second, server.current)
    wait_for(server, "two")
    assert server.curl("/out").status == 404 and server.curl("/up").status == 404
    assert server.curl("/../secret").status in (400, 404)


def test_many_deploys_under_load_fail_no_request(serve):
    server = serve()
    for number in range(2, 8):
        release(server.folder / "releases" / str(number), str(number))
    failed, done = [], threading.Event()

    def load():
        while not done.is_set():
            result = server.curl_code("/")
            if result.returncode != 0 or result.stdout not in ("one", *"234567"):
                failed.append((result.returncode, result.stdout, result.stderr))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for number in range(2, 8):
            link(server.folder / "releases" / str(number), server.current)
            wait_until(lambda: server.output().count("serving the new one") == number - 1, 5,
                       f"release {number}")
    finally:
        done.set()
        thread.join()
    assert not failed, failed[:3]
    assert server.curl("/").text == "7"
    wait_until(lambda: len(server.role("worker")) == 2, 5, "the former workers to be gone")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's workers are another user's")
def test_a_release_that_the_workers_may_not_enter_is_told_and_taken_once_they_may(serve):
    server = serve()
    second = release(server.folder / "releases" / "2", "two")
    second.chmod(0o700)
    link(second, server.current)
    server.wait_output("serving the old one and trying again.*Permission denied")
    assert server.curl("/").text == "one"
    second.chmod(0o755)
    wait_for(server, "two", 8)
