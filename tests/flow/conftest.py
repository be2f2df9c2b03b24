"""Fixtures of the flow tests: `start` starts a gardien and holds it to a clean end."""

import json
import os
import shutil
from collections import Counter

import pytest

from lib import BINARY, Gardien


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures the machine or loads it whole; runs after "
                                       "all others, one by one")


#: The files that take longest, the longest first: begun first, none is left to one worker at the end.
LONG = ["test_open_matrix", "test_open_managers", "test_open_windows", "test_check", "test_why",
        "test_why_generated", "test_portable_check", "test_limits", "test_processes", "test_eye"]


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG
               else len(LONG))


def pytest_report_header():
    return f"gardien: {BINARY}"


def pytest_sessionstart():
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not there: run `make build`, or name the program in GARDIEN", 2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Removes what a test wrote as soon as it has passed."""
    outcome = yield
    item.failed = outcome.get_result().failed or getattr(item, "failed", False)
    if call.when == "teardown" and not item.failed and "tmp_path" in item.funcargs:
        shutil.rmtree(item.funcargs["tmp_path"], ignore_errors=True)


def pytest_terminal_summary(terminalreporter, config):
    """Prints why tests were skipped, a line for each reason; with GARDIEN_SKIPPED adds the numbers to
    that file instead, for tools/flow, which sums up several runs."""
    if hasattr(config, "workerinput"):
        return
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ")
                      for report in terminalreporter.stats.get("skipped", ())
                      if isinstance(report.longrepr, tuple))
    file = os.environ.get("GARDIEN_SKIPPED")
    if file:
        with open(file, "a", encoding="utf-8") as output:
            output.writelines(json.dumps([reason, count]) + "\n" for reason, count in reasons.items())
    else:
        for reason, count in reasons.most_common():
            terminalreporter.write_line(f"skipped: {count}: {reason}")


class Starter:
    """Starts gardiens and holds them to a clean end; see `start`."""

    def __init__(self, folder):
        self.folder = folder
        self.started = []

    def __call__(self, config=None, *args, files=None, wait=True, **options):
        folder = self.folder / f"gardien{len(self.started)}"
        for name, content in (files or {}).items():
            file = folder / "public" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        server = Gardien(folder, config, args, **options)
        self.started.append(server)
        server.launch()
        return server.wait_ready() if wait else server

    def finish(self):
        errors = []
        for server in reversed(self.started):
            try:
                server.finish()
            except AssertionError as error:
                errors.append(str(error))
            finally:
                if server.process and server.process.poll() is None:
                    server.kill()
        assert not errors, "\n".join(errors)


@pytest.fixture
def start(tmp_path):
    """start(config=None, *args, **options) -> Gardien, ready to serve.

    Without a config it serves server.public (a folder with an index.html) as
    `gardien serve PUBLIC`; a dict or text becomes gardien.yaml for `--config` (a function is called
    with the server for it: its ports and folders are known by then). Options are those of
    lib.Gardien, `files={"path": "text" or bytes}` put into server.public first, and `wait=False`.
    At the end each is stopped and must exit as `server.expected_exit` says (0), with no sanitizer's
    report and no process left behind."""
    starter = Starter(tmp_path)
    yield starter
    starter.finish()


@pytest.fixture(scope="module")
def start_shared(tmp_path_factory):
    """The same for gardiens that all tests of a file share."""
    starter = Starter(tmp_path_factory.mktemp("shared"))
    yield starter
    starter.finish()


@pytest.fixture
def server(start):
    """A gardien that serves a folder with an index.html at localhost."""
    return start()
