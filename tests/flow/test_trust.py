"""`gardien cert trust` as a person sees it: a real Chromium warns before and shows a padlock after,
the system's store follows, and nothing of this machine's own stores is touched."""

import contextlib
import fcntl
import json
import os
import re
import select
import shutil
import subprocess
import tempfile
import time

import pytest

from lib import BINARY, PATIENCE, TOP, have, make_certificate, run

needs_chromium = pytest.mark.skipif(not (have("chromium") and have("certutil")),
                                    reason="chromium and certutil are needed")


class Chromium:
    """A headless Chromium with a home of its own, spoken to through DevTools' pipe: messages of
    JSON that end in a zero byte, to its descriptor 3 and from its descriptor 4."""

    def __init__(self, home):
        to_read, self.to_write = os.pipe()
        self.from_read, from_write = os.pipe()
        self.log = open(home / "chromium.log", "wb")
        # The descriptors must be 3 and 4, which bash can say and subprocess cannot.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (to_read, from_write)]
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec 3<&{ends[0]} 4>&{ends[1]} "$@"', "sh", "chromium",
             "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-extensions", f"--user-data-dir={home}/profile", "--remote-debugging-pipe",
             "about:blank"],
            env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"),
                 "XDG_CACHE_HOME": str(home / "cache")},
            stdout=self.log, stderr=self.log, pass_fds=ends,
            start_new_session=True)
        for end in (to_read, from_write, *ends):
            os.close(end)
        self.buffer, self.events, self.count = b"", [], 0
        target = next(t for t in self.call("Target.getTargets")["targetInfos"]
                      if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"],
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Security", "Network", "Runtime", "Log"):
            self.page(f"{domain}.enable")

    def receive(self, deadline):
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            ready = select.select([self.from_read], [], [], max(left, 0))[0]
            piece = os.read(self.from_read, 65536) if ready else b""
            assert piece, "Chromium fell silent"
            self.buffer += piece
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def send(self, method, parameters, session=None):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.to_write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 30 * PATIENCE
        while True:
            answer = self.receive(deadline)
            if answer.get("id") == self.count:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def call(self, method, **parameters):
        return self.send(method, parameters)

    def page(self, method, **parameters):
        return self.send(method, parameters, self.session)

    def wait_event(self, method, condition=lambda parameters: True):
        deadline = time.monotonic() + 30 * PATIENCE
        while True:
            for event in self.events:
                if event.get("method") == method and condition(event["params"]):
                    return event["params"]
            self.events.append(self.receive(deadline))

    def visit(self, url):
        """@return the error such as net::ERR_CERT_AUTHORITY_INVALID, or None once it is shown"""
        self.events.clear()
        error = self.page("Page.navigate", url=url).get("errorText")
        if not error:
            self.wait_event("Page.loadEventFired")
        return error

    def evaluate(self, expression):
        return self.page("Runtime.evaluate", expression=expression)["result"].get("value")

    def close(self):
        with contextlib.suppress(OSError, AssertionError):
            self.call("Browser.close")
        try:
            self.process.wait(10 * PATIENCE)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, 9)
            self.process.wait()
        os.close(self.to_write)
        os.close(self.from_read)
        self.log.close()


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@contextlib.contextmanager
def chromium(home):
    browser = Chromium(home)
    try:
        yield browser
    finally:
        browser.close()


def change(server, verb, home, *options, check=True):
    """`gardien cert trust` for a home, by default without the system's store."""
    return run(BINARY, "cert", verb, "--state", server.state, *(options or ["--no-system"]),
               check=check, env={**server.env, "HOME": home, "SUDO_USER": ""})


PAGE = """<!doctype html><title>Secure?</title><link rel=icon href=data:,>
<p id=word>padlock</p><script src=/part.js></script>"""


@needs_chromium
def test_chromium_warns_before_trust_and_shows_a_padlock_after(start, home):
    server = start(files={"index.html": PAGE, "part.js": "window.part = 'loaded'"})
    with chromium(home) as browser:
        assert browser.visit(server.url()) == "net::ERR_CERT_AUTHORITY_INVALID"
        assert browser.evaluate("document.getElementById('word')?.textContent") is None

    assert "trusts the local CA now" in change(server, "trust", home).stdout
    with chromium(home) as browser:
        assert browser.visit(server.url()) is None
        assert browser.evaluate("document.getElementById('word').textContent + window.part") \
            == "padlockloaded"
        state = browser.wait_event("Security.visibleSecurityStateChanged", lambda p:
                                   p["visibleSecurityState"]["securityState"] != "neutral")
        assert state["visibleSecurityState"]["securityState"] == "secure"
        shown = state["visibleSecurityState"]["certificateSecurityState"]
        assert shown["protocol"] == "TLS 1.3"
        assert not shown.get("certificateNetworkError")
        assert not any(shown[weak] for weak in shown if weak.startswith(("obsolete", "certificateHas"))
                       and isinstance(shown[weak], bool))
        answer = browser.wait_event("Network.responseReceived",
                                    lambda p: p["type"] == "Document")["response"]
        assert (answer["status"], answer["protocol"]) == (200, "h2")
        # Plain HTTP leads to the same page.
        assert browser.visit(server.url(secure=False)) is None
        assert browser.evaluate("location.href") == server.url()

    assert "does not trust the local CA any more" in change(server, "untrust", home).stdout
    with chromium(home) as browser:
        assert browser.visit(server.url()) == "net::ERR_CERT_AUTHORITY_INVALID"


@needs_chromium
def test_chromium_never_takes_a_page_of_another_name_or_a_stranger(start, home):
    server = start(lambda s: {"sites": [
        {"names": ["own.localhost"], "files": str(s.public)},
        {"names": ["stranger.localhost"], "files": str(s.public), "certificate": dict(zip(
            ("file", "key"), map(str, make_certificate(s.folder, "c", ["stranger.localhost"]))))}]})
    change(server, "trust", home)
    with chromium(home) as browser:
        assert browser.visit(server.url(name="own.localhost")) is None
        assert browser.visit(server.url(name="other.localhost")) == "net::ERR_CERT_COMMON_NAME_INVALID"
        assert browser.visit(server.url(name="stranger.localhost")) \
            == "net::ERR_CERT_AUTHORITY_INVALID"


@needs_chromium
def test_chromium_shows_example_listing_codings_and_errors_without_a_complaint(start, home):
    """Scripts, styles and policies of our own pages do what they shall, and every coding that
    Chromium asks for is one that it reads."""
    text = "const words = [" + ",".join(f"'word {n}'" for n in range(2000)) + "];"

    def config(server):
        listed = server.public / "listed"
        (listed / "folder <b>&").mkdir(parents=True)
        (listed / "long.js").write_text(text)
        (listed / "page.html").write_text("<!doctype html><link rel=icon href=data:,><title>x"
                                          "</title><script src=long.js></script>")
        return {"sites": [
            {"names": ["example.localhost"], "files": str(TOP / "examples" / "site")},
            {"names": ["listing.localhost"], "files": {"root": str(listed), "listing": True}}]}

    server = start(config)
    change(server, "trust", home)
    with chromium(home) as browser:
        def complaints():
            return [event["params"] for event in browser.events
                    if event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")
                    and event["params"].get("entry", {}).get("level", "error") == "error"
                    and "favicon.ico" not in json.dumps(event)]

        for name, path, expression, value in (
                ("example.localhost", "/", "document.title.length > 0", True),
                ("listing.localhost", "/", "document.querySelector('a[href*=folder]').textContent"
                 ".startsWith('folder <b>&')", True),
                ("listing.localhost", "/page.html", "words.length", 2000)):
            assert browser.visit(server.url(path, name=name)) is None
            assert browser.evaluate(expression) == value, (path, expression)
            assert not complaints(), complaints()
        script = browser.wait_event("Network.responseReceived", lambda p: p["type"] == "Script")
        fields = {key.lower(): value for key, value in script["response"]["headers"].items()}
        assert fields["content-encoding"] in ("zstd", "br", "gzip")
        assert browser.visit(server.url("/none", name="listing.localhost")) is None
        assert "404" in browser.evaluate("document.body.textContent")


def nss_list(folder):
    return run("certutil", "-L", "-d", f"sql:{folder}", check=True).stdout


@pytest.mark.skipif(not have("certutil"), reason="certutil is needed")
def test_trust_reaches_firefox_profiles_and_leaves_other_certificates_alone(server, home, tmp_path):
    profile = home / ".mozilla" / "firefox" / "abcd.default"
    profile.mkdir(parents=True)
    run("certutil", "-N", "-d", f"sql:{profile}", "--empty-password", check=True)
    other, _ = make_certificate(tmp_path, "other", ["other.test"])
    run("certutil", "-A", "-d", f"sql:{profile}", "-n", "mine", "-t", "C,,", "-a", "-i", other,
        check=True)

    change(server, "trust", home)
    for folder in (profile, home / ".pki" / "nssdb"):
        assert len(re.findall(r"gardien local CA .* C,,", nss_list(folder))) == 1
    assert "already" in change(server, "trust", home).stdout
    assert len(re.findall("gardien local CA", nss_list(profile))) == 1

    change(server, "untrust", home)
    for folder in (profile, home / ".pki" / "nssdb"):
        assert "gardien" not in nss_list(folder)
    assert re.search(r"mine\s+C,,", nss_list(profile))
    assert change(server, "untrust", home).returncode == 0


@pytest.mark.skipif(not have("certutil"), reason="certutil is needed")
def test_trust_answers_in_json(server, home):
    answer = json.loads(change(server, "trust", home, "--no-system", "--json").stdout)
    assert "nssdb" in json.dumps(answer)


@pytest.mark.skipif(not have("certutil"), reason="certutil is needed")
def test_trust_before_the_first_start_makes_the_ca_that_serving_then_uses(start, home):
    server = start(wait=False)
    server.wait_ready()
    server.stop()
    shutil.rmtree(server.state)
    server.state.mkdir(mode=0o700)
    assert f"made a local CA in {server.state}" in change(server, "trust", home).stderr
    made = server.ca.read_bytes()
    server.launch().wait_ready()
    assert server.curl("/").status == 200
    assert server.ca.read_bytes() == made


def test_trust_makes_no_ca_in_a_folder_that_was_named_and_is_not_there(tmp_path, home):
    typo = tmp_path / "sate"
    result = run(BINARY, "cert", "trust", "--no-system", "--state", typo, env={"HOME": home})
    assert result.returncode == 1 and f"no state folder {typo}" in result.stderr
    assert f"mkdir -p -m 700 {typo}" in result.stderr
    assert not typo.exists() and not (home / ".pki").exists()


@pytest.mark.skipif(os.geteuid() != 0 or not have("certutil") or not have("setpriv"),
                    reason="root, who becomes somebody else, and certutil are needed")
def test_trust_without_the_right_to_the_systems_store_says_so_at_the_end():
    with tempfile.TemporaryDirectory() as home:  # where somebody else may go
        os.chown(home, 65534, 65534)
        trust_as_somebody(home)


def trust_as_somebody(home):
    trust = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BINARY, "cert", "trust")
    env = {"HOME": home, "SUDO_USER": "", "XDG_STATE_HOME": ""}
    result = run(*trust, env=env)
    if "no store" in result.stdout:
        pytest.skip("this system has no store of its own")
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Chromium trusts the local CA now" in result.stdout
    assert re.search(r"-> (sudo|su -c '?) ?/?\S*gardien cert trust --state", result.stdout), result.stdout
    assert "done in part" in result.stderr.splitlines()[-2]
    assert run(*trust, "--no-system", env=env).returncode == 0


def test_private_key_of_the_local_ca_is_its_owners_alone(server):
    folder = server.state / "local-ca"
    for file in folder.iterdir():
        assert b"PRIVATE KEY" not in file.read_bytes() or file.stat().st_mode & 0o077 == 0, file
    assert any(b"PRIVATE KEY" in file.read_bytes() for file in folder.iterdir())


ISOLATED = r"""
set -eu
for folder in /etc/ssl /usr/local/share/ca-certificates /etc/ca-certificates; do
    [ -d "$folder" ] || continue
    copy=$(mktemp -d "$1/copy.XXXX")
    cp -a "$folder/." "$copy"
    mount --bind "$copy" "$folder"
done
shift
url=$1 resolve=$2 gardien=$3 state=$4
ask() { curl -sS -o /dev/null --resolve "$resolve" "$url" 2>/dev/null && echo yes || echo no; }
echo "before: $(ask)"
"$gardien" cert trust --state "$state" || true
echo "trusted: $(ask)"
"$gardien" cert trust --state "$state" || true
"$gardien" cert untrust --state "$state" || true
echo "after: $(ask)"
ls /usr/local/share/ca-certificates /etc/ssl/certs | grep gardien || echo "no trace"
"""


@pytest.mark.skipif(os.geteuid() != 0 or not have("unshare") or not have("certutil")
                    or not shutil.which("update-ca-certificates", path="/usr/sbin:/sbin"),
                    reason="root, unshare and update-ca-certificates are needed")
def test_system_store_follows_trust_and_untrust(server, home, tmp_path):
    """In a mount namespace with copies of the stores: this machine's own stay as they are."""
    if run("unshare", "-m", "true").returncode != 0:
        pytest.skip("no mount namespace may be made here")
    before = sorted(os.listdir("/etc/ssl/certs"))
    result = run("unshare", "-m", "sh", "-c", ISOLATED, "sh", tmp_path, server.url(),
                 f"localhost:{server.https}:127.0.0.1", BINARY, server.state,
                 env={"HOME": home, "SUDO_USER": ""}, seconds=60)
    said = result.stdout + result.stderr
    assert "before: no" in said and "trusted: yes" in said and "after: no" in said, said
    assert "the system's store trusts the local CA now" in said
    assert "the system's store trusts the local CA already" in said
    assert "no trace" in said
    assert sorted(os.listdir("/etc/ssl/certs")) == before


PASTED = r"""
set -eu
for folder in /etc/ssl /usr/local/share/ca-certificates /etc/ca-certificates; do
    [ -d "$folder" ] || continue
    copy=$(mktemp -d "$1/copy.XXXX")
    cp -a "$folder/." "$copy"
    mount --bind "$copy" "$folder"
done
home=$2 gardien=$3
as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$home" SUDO_USER= "$@"; }
cd "$home"
as_user "$gardien" cert trust | tee "$1/said" || true
line=$(sed -n 's/^  -> \(sudo\|su\) /\1 /p' "$1/said" | head -1)
echo "LINE $line"
line=${line#sudo }
case $line in su\ -c\ *) ;; *) line="su -c \"$line\"" ;; esac
cd /
HOME=/root SUDO_USER=nobody PATH=/usr/sbin:/usr/bin:/sbin:/bin eval "$line"
as_user "$gardien" cert trust && echo "AGAIN fine"
find "$home/.local/state/gardien" -not -user 65534 | sed 's/^/FOREIGN /'
"""


@pytest.mark.skipif(os.geteuid() != 0 or not have("unshare") or not have("setpriv") or not have("su")
                    or not have("certutil")
                    or not shutil.which("update-ca-certificates", path="/usr/sbin:/sbin"),
                    reason="root, unshare, setpriv and update-ca-certificates are needed")
def test_the_line_for_root_works_when_it_is_pasted(tmp_path):
    """An ordinary user's start, a program that is on nobody's PATH, root in another folder."""
    if run("unshare", "-m", "true").returncode != 0:
        pytest.skip("no mount namespace may be made here")
    with tempfile.TemporaryDirectory(prefix="it's a home ") as home:
        os.chown(home, 65534, 65534)
        result = run("unshare", "-m", "sh", "-c", PASTED, "sh", tmp_path, home, BINARY, seconds=60)
    said = result.stdout + result.stderr
    assert "only root may change the system's store" in said, said
    assert "the system's store trusts the local CA now" in said, said
    assert "AGAIN fine" in said and "FOREIGN" not in said, said
