"""`flowrelay source connect` with an authorization server that nobody here wrote: Doorkeeper, which
is nearest to the API's own (exact redirect URIs, the out-of-band page, CSRF tokens in its forms)."""

import json
import os
import pathlib
import signal
import subprocess
import unittest

import support
from browser import Browser, query
from terminal import Terminal

OOB = "urn:ietf:wg:oauth:2.0:oob"
RUBY = "/usr/bin/ruby"


def has_doorkeeper():
    try:
        needed = ("action_controller/railtie", "active_record", "doorkeeper", "sqlite3", "webrick")
        words = [word for name in needed for word in ("-r", name)]
        return subprocess.run([RUBY, *words, "-e", ""], check=False, stderr=subprocess.DEVNULL,
                              timeout=support.PATIENCE).returncode == 0
    except FileNotFoundError:
        return False


@unittest.skipUnless(has_doorkeeper(), "ruby-doorkeeper is not installed")
class Doorkeeper(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.callback = f"http://127.0.0.1:{support.free_port()}/callback"
        script = pathlib.Path(__file__).with_name("doorkeeper_server.rb")
        server = self.start_program("doorkeeper", [RUBY, script, self.directory, OOB, self.callback])
        told = json.loads(server.wait_for_output(r"^\{.*\}$", 60 * support.SCALE).group())
        self.url = f"http://127.0.0.1:{told['port']}"
        # What the program printed is where the test has it from: not a leak.
        server.output_path.write_text("")
        self.tokens.append(told["secret"])
        self.client = told["id"]
        self.secret = self.token_file(told["secret"], "client.secret")
        self.browser = Browser()

    def walk(self, redirect_uri=OOB, secret=None, name="ci", **connect):
        settings = {"client_id": self.client, "client_secret_file": secret or self.secret,
                    "redirect_uri": redirect_uri, "scopes": "flow integration profile", **connect}
        if not self.relays:
            self.relay = self.start_relay(self.url, connect=settings)
        else:
            self.relay.configure({"connect": settings})
        environment = dict(os.environ, FLOWRELAY_SOCKET=str(self.relay.ingest_socket),
                           FLOWRELAY_CONTROL_SOCKET=str(self.relay.control_socket))
        terminal = Terminal([support.BIN / "flowrelay", "source", "connect", name, "--config",
                             self.relay.config_path, "--flow", "example/main", "--yes"],
                            environment)
        self.addCleanup(terminal.close)
        return terminal, terminal.wait_for(r"(http\S+/oauth/authorize\?\S+)\n").group(1)

    def end(self, terminal, status):
        result, stdout = terminal.end()
        self.printed.append(terminal.shown + stdout)
        self.assertEqual(result, status, terminal.shown + stdout)
        return stdout

    def test_out_of_band_with_a_mistyped_code_first(self):
        terminal, address = self.walk()
        shown = self.browser.get(self.browser.decide(address))
        self.assertEqual(shown.status, 200)
        code = query(shown.url)["code"]
        terminal.type("x" + code)
        terminal.wait_for("invalid_grant")
        terminal.type(shown.url)  # the address of the page with the code
        stdout = self.end(terminal, 0)
        self.assertIn("ci is connected to example/main, where it is source 1\n", stdout)
        self.assertRegex(stdout, r"application +relay\n")
        self.assertRegex(stdout, r"as +Person 7\n")
        self.assertNotIn("could not be revoked", terminal.shown)
        # The code was used: another process can't use it again.
        terminal, _ = self.walk(name="again")
        terminal.type(code)
        terminal.wait_for("invalid_grant")

    def test_the_listener_and_what_doorkeeper_refuses(self):
        terminal, address = self.walk(self.callback)
        back = self.browser.decide(address)
        self.assertTrue(back.startswith(self.callback + "?"), back)
        self.assertEqual(self.browser.get(back).status, 200)
        self.end(terminal, 0)
        terminal, address = self.walk(self.callback, name="b")
        page = self.browser.get(self.browser.decide(address, "deny"))
        self.assertIn("access_denied", page.body)
        self.end(terminal, 77)
        terminal, address = self.walk(self.callback, name="c", scopes="flow everything")
        # Doorkeeper tells the person and not the application, which goes on waiting.
        self.assertIn("scope is invalid", self.browser.get(address).body)
        terminal.send_signal(signal.SIGINT)
        self.end(terminal, -signal.SIGINT)
        terminal, address = self.walk(name="d", secret=self.token_file("wrong-secret", "wrong"))
        terminal.type(query(self.browser.decide(address))["code"])
        self.end(terminal, 77)
        self.assertRegex(terminal.shown, "invalid_client .*connect.client_secret_file")

    def test_another_redirect_uri_is_shown_in_the_browser_and_ends_nothing(self):
        other = self.callback + "/other"
        terminal, address = self.walk(other)
        page = self.browser.get(address)
        self.assertNotIn("location", page.fields)
        self.assertIn("redirect uri", page.body)
        terminal.send_signal(signal.SIGINT)
        self.end(terminal, -signal.SIGINT)


if __name__ == "__main__":
    support.main()
