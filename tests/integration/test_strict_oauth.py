"""`flowrelay source connect` with a second authorization server that nobody here wrote: oidc-provider
(npm), which keeps to the standards where the API does not have to: PKCE is demanded, `iss` comes with
the code, a login and a consent are two pages, and what is wrong with a request is an error page."""

import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest
import urllib.parse

import support
from browser import Browser, query
from terminal import Terminal

NODE = shutil.which("node")
FILES = pathlib.Path(__file__).with_name("oidc")
# What npm gets for package-lock.json, once for a build directory.
ROOM = support.BIN.parent / "oidc"


def install():
    """Why the server can't be had; empty if it is there."""
    if not NODE or not shutil.which("npm"):
        return "node and npm are not installed"
    version = subprocess.run([NODE, "--version"], check=True, stdout=subprocess.PIPE, timeout=60)
    if int(version.stdout.decode().strip().lstrip("v").split(".")[0]) < 20:
        return "oidc-provider takes node 20"
    ROOM.mkdir(exist_ok=True)
    with open(ROOM / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_there = all((ROOM / name).exists() and (ROOM / name).read_bytes() == (FILES / name).read_bytes()
                       for name in ("package.json", "package-lock.json", "oidc_server.mjs"))
        if is_there and (ROOM / "installed").exists():
            return ""
        for path in FILES.iterdir():
            shutil.copy(path, ROOM)
        try:
            done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=ROOM,
                                  check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=120)
        except subprocess.TimeoutExpired:
            return "npm can't install oidc-provider: no answer in time"
        if done.returncode:
            return "npm can't install oidc-provider: " + done.stdout.decode(errors="replace")[-300:]
        (ROOM / "installed").touch()
        return ""


WHY_NOT = install()


@unittest.skipIf(WHY_NOT, WHY_NOT)
class StrictOAuth(support.RelayTestCase):
    def start(self, code_lifetime=60, **connect):
        self.callback = f"http://127.0.0.1:{support.free_port()}/callback"
        self.server = self.start_program("oidc-provider", [NODE, ROOM / "oidc_server.mjs",
                                                           str(code_lifetime), self.callback])
        told = json.loads(self.server.wait_for_output(r"^\{.*\}$", 60 * support.SCALE).group())
        # What the program printed is where the test has it from: not a leak.
        self.server.output_path.write_text("")
        self.tokens.append(told["secret"])
        self.url = f"http://127.0.0.1:{told['port']}"
        self.relay = self.start_relay(
            self.url, connect={
                "client_id": told["id"], "redirect_uri": self.callback,
                "client_secret_file": self.token_file(told["secret"], "client.secret"),
                "scopes": "flow integration profile", "authorize_url": self.url + "/auth",
                "token_url": self.url + "/token", "revoke_url": self.url + "/token/revocation",
                **connect}, destination={"request_timeout": "2s"})
        self.browser = Browser()

    def walk(self, name="ci"):
        environment = dict(os.environ, FLOWRELAY_SOCKET=str(self.relay.ingest_socket),
                           FLOWRELAY_CONTROL_SOCKET=str(self.relay.control_socket))
        terminal = Terminal([support.BIN / "flowrelay", "source", "connect", name, "--config",
                             self.relay.config_path, "--flow", "example/main", "--yes"],
                            environment)
        self.addCleanup(terminal.close)
        return terminal, terminal.wait_for(r"(http\S+/auth\?\S+)\n").group(1)

    def end(self, terminal, status):
        result, stdout = terminal.end()
        self.printed.append(terminal.shown + stdout)
        self.assertEqual(result, status, terminal.shown + stdout)
        return stdout

    def interrupt(self, terminal):
        terminal.send_signal(signal.SIGINT)
        self.end(terminal, -signal.SIGINT)

    def follow(self, page):
        """Until the page that a person has to look at, or the address of the callback."""
        while page.status in (302, 303):
            target = urllib.parse.urljoin(page.url, page.fields["location"])
            if target.startswith(self.callback):
                return target
            page = self.browser.get(target)
        return page

    def allow(self, address):
        """Logs in and consents, as far as it is asked for that; returns where that leads to."""
        page = self.follow(self.browser.get(address))
        while not isinstance(page, str):
            action, values = page.form.forms[0]
            values.update({name: "person" for name in ("login", "password") if name in values})
            page = self.follow(self.browser.request("POST", action, values))
        return page

    def deny(self, address):
        page = self.follow(self.browser.get(address))
        action, _ = page.form.forms[0]
        return self.follow(self.browser.get(action + "/abort"))

    def test_the_whole_way(self):
        self.start()
        terminal, address = self.walk()
        back = self.allow(address)
        self.assertEqual(query(back)["iss"], self.url)
        self.assertEqual(query(back)["state"], query(address)["state"])
        self.assertEqual(self.browser.get(back).status, 200)
        stdout = self.end(terminal, 0)
        self.assertIn("ci is connected to example/main, where it is source 1\n", stdout)
        self.assertRegex(stdout, r"as +Person person\n")
        self.assertNotIn("could not be revoked", terminal.shown)

    def test_what_a_browser_must_not_bring_is_not_taken(self):
        self.start()
        terminal, address = self.walk()
        back = self.allow(address)
        state = query(back)["state"]
        self.assertEqual(self.browser.get(back.replace(state, state[::-1])).status, 404)
        self.assertEqual(self.browser.get(back).status, 200)
        self.end(terminal, 0)
        # Somebody else's issuer ends it; its code is not given to anybody.
        terminal, address = self.walk("web")
        back = self.allow(address)
        other = back.replace(urllib.parse.quote(self.url, safe=""), "https%3A%2F%2Fevil.example.com")
        self.assertNotEqual(other, back)
        self.assertEqual(self.browser.get(other).status, 400)
        self.end(terminal, 77)

    def test_a_denied_consent_ends_it(self):
        self.start()
        terminal, address = self.walk()
        page = self.browser.get(self.deny(address))
        self.assertEqual(page.status, 400)
        self.assertIn("access_denied", page.body)
        self.end(terminal, 77)
        self.assertIn("did not allow it: access_denied", terminal.shown)

    def test_a_scope_that_the_application_may_not_have_is_refused(self):
        self.start(scopes="flow history")
        terminal, address = self.walk()
        back = self.follow(self.browser.get(address))
        self.assertEqual(query(back)["error"], "invalid_scope")
        self.assertEqual(self.browser.get(back).status, 400)
        self.end(terminal, 77)
        self.assertIn("invalid_scope", terminal.shown)

    def test_an_expired_and_a_replayed_code_ask_again(self):
        self.start(code_lifetime=1)
        terminal, address = self.walk()
        code = query(self.allow(address))["code"]
        time.sleep(2.5)
        terminal.type(code)
        terminal.wait_for("invalid_grant")
        self.interrupt(terminal)

        self.relay.stop()
        self.start_again(code_lifetime=60)
        terminal, address = self.walk("web")
        back = self.allow(address)
        self.assertEqual(self.browser.get(back).status, 200)
        self.end(terminal, 0)
        terminal, _ = self.walk("again")
        terminal.type(query(back)["code"])
        terminal.wait_for("invalid_grant")
        self.interrupt(terminal)

    def start_again(self, code_lifetime):
        self.server.terminate()
        self.relays.clear()
        self.directory = self.directory / "again"
        self.directory.mkdir()
        self.start(code_lifetime)

    def test_another_redirect_uri_is_shown_in_the_browser_and_ends_nothing(self):
        self.start()
        self.relay.configure({"connect": {"redirect_uri": self.callback + "/other"}})
        terminal, address = self.walk()
        page = self.browser.get(address)
        self.assertEqual(page.status, 400)
        self.assertNotIn("location", page.fields)
        self.assertIn("redirect_uri", page.body)
        self.interrupt(terminal)

    def test_a_wrong_secret_is_told(self):
        self.start()
        self.relay.configure({"connect": {
            "client_secret_file": self.token_file("wrong-secret", "wrong.secret")}})
        terminal, address = self.walk()
        self.browser.get(self.allow(address))
        self.end(terminal, 77)
        self.assertRegex(terminal.shown, "invalid_client .*connect.client_secret_file")

    def test_a_server_that_stands_still_or_is_gone_is_told(self):
        self.start()
        terminal, address = self.walk()
        back = self.allow(address)
        self.server.process.send_signal(signal.SIGSTOP)
        self.browser.get(back)
        self.end(terminal, 75)
        self.assertIn("does not answer", terminal.shown)
        self.server.process.send_signal(signal.SIGCONT)

        terminal, address = self.walk()
        back = self.allow(address)
        self.server.kill()
        self.browser.get(back)
        self.end(terminal, 75)
        self.assertIn("does not answer", terminal.shown)
        self.assertNotIn('"ci"', self.flowrelay(self.relay, "source", "list", "--json").stdout)


if __name__ == "__main__":
    support.main()
