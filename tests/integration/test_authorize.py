"""`flowrelay source connect` asks for its access token itself: in a browser, by a code that comes
to a listener or is pasted. Against the development server, which is strict."""

import http.client
import json
import os
import pathlib
import signal
import socket
import urllib.parse

import support
from browser import Browser, query
from producers import Producer
from terminal import Terminal

OOB = "urn:ietf:wg:oauth:2.0:oob"
SECRET = "devserver-secret"


class Authorize(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.tokens.append(SECRET + "-" * 16)  # half of it must not be seen
        self.browser = Browser()

    def start(self, redirect_uri=OOB, secret=SECRET, options=(), **connect):
        self.server = self.start_devserver("--redirect-uri", redirect_uri, *options)
        self.relay = self.start_relay(self.server.url, connect=dict({
            "client_id": "devserver", "redirect_uri": redirect_uri,
            "client_secret_file": self.token_file(secret, "client.secret")}, **connect))

    def callback(self):
        return f"http://127.0.0.1:{support.free_port()}/callback"

    def words(self, *arguments, name="ci"):
        return [support.BIN / "flowrelay", "source", "connect", name, "--config",
                self.relay.config_path, *arguments]

    def environment(self, **more):
        return dict(os.environ, FLOWRELAY_SOCKET=str(self.relay.ingest_socket),
                    FLOWRELAY_CONTROL_SOCKET=str(self.relay.control_socket), **more)

    def walk(self, *arguments, name="ci", environment=None, **options):
        terminal = Terminal(self.words(*arguments, name=name),
                            environment or self.environment(), **options)
        self.addCleanup(terminal.close)
        return terminal

    def address(self, terminal):
        return terminal.wait_for(r"(http\S+/oauth/authorize\?\S+)\n").group(1)

    def end(self, terminal, status):
        result, stdout = terminal.end()
        self.printed.append(terminal.shown + stdout)
        self.assertEqual(result, status, terminal.shown + stdout)
        return stdout

    def sources(self, flow="main"):
        """Those of a flow at the server."""
        access = json.loads(self.server.call("POST", "/_dev/access-tokens"))["access_token"]
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=15)
        self.addCleanup(connection.close)
        connection.request("GET", f"/flows/example/{flow}/sources",
                           headers={"Authorization": f"Bearer {access}"})
        return json.loads(connection.getresponse().read())

    # -- the whole way

    def test_out_of_band_from_the_address_to_an_event(self):
        self.start()
        terminal = self.walk("--hello")
        address = self.address(terminal)
        asked = query(address)
        self.assertEqual(asked["redirect_uri"], OOB)
        self.assertEqual(asked["scope"], "flow integration profile")
        self.assertEqual(asked["code_challenge_method"], "S256")
        shown = self.browser.get(self.browser.decide(address))
        terminal.type(shown.form.code)
        terminal.wait_for(r"1  Main \(example/main\), Example\n")
        terminal.wait_for(r"Closed circle.*\(not joined\)\n")
        terminal.wait_for(r"Old flow.*\(disabled\)\n")
        terminal.wait_for("Which one")
        limits = pathlib.Path(f"/proc/{terminal.process.pid}/limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 +0 ")
        terminal.type("0")
        terminal.type("seven")
        terminal.type("2")
        terminal.wait_for(r"source +ci\n +flow +Builds \(example/builds\)\n +organization +Example\n"
                          r" +application +devserver\n +as +Dev User <dev@example.com>\n")
        terminal.type("y")
        stdout = self.end(terminal, 0)
        self.assertIn("ci is connected to example/builds, where it is source 36\n", stdout)
        self.assertEqual([source["name"] for source in self.sources("builds")], ["ci"])
        event, = self.server.wait_for(1)
        self.assertEqual(event["external_thread_id"], "flowrelay:connected")
        self.assertRegex(event["flow_token"], "^[0-9a-f]{32}$")
        self.assertNotIn(event["flow_token"], terminal.shown + stdout + self.relay.log)

    def test_the_browser_brings_the_code_to_the_listener(self):
        callback = self.callback()
        self.start(callback)
        terminal = self.walk("--flow", "example/main", "--yes")
        back = self.browser.decide(self.address(terminal))
        self.assertTrue(back.startswith(callback + "?"), back)
        page = self.browser.get(back)
        self.assertEqual(page.status, 200)
        self.assertIn("Go on in the terminal", page.body)
        self.assertEqual(page.fields["cache-control"], "no-store")
        self.assertIn("default-src 'none'", page.fields["content-security-policy"])
        self.assertNotIn("<script", page.body)
        self.assertIn("ci is connected to example/main", self.end(terminal, 0))
        with Producer(self.relay.ingest_socket) as producer:
            answer = producer.submit({"source": "ci", "external_thread_id": "t", "title": "x",
                                      "author": {"name": "W"}})
        self.assertEqual(answer["status"], "accepted")
        self.server.wait_for(1)

    def test_only_the_right_path_with_the_right_state_counts(self):
        callback = self.callback()
        self.start(callback)
        terminal = self.walk("--flow", "example/main", "--yes")
        address = self.address(terminal)
        state = query(address)["state"]
        root = callback.removesuffix("/callback")
        for url in [root + "/favicon.ico", root + "/", callback, callback + "?code=x",
                    callback + "?code=x&state=", callback + "?code=x&state=" + state[:-1],
                    callback + "?error=access_denied", callback + "?state=" + state,
                    root + "/callback/?code=x&state=" + state]:
            self.assertEqual(self.browser.get(url).status, 404, url)
        self.assertEqual(self.browser.request("POST", callback + "?code=x&state=" + state,
                                              {}).status, 404)
        with socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(callback).port)) as raw:
            raw.sendall(b"\x16\x03\x01nonsense\r\n\r\n")
        idle = [socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(callback).port))
                for _ in range(40)]
        self.assertEqual(self.browser.get(self.browser.decide(address)).status, 200)
        for each in idle:
            each.close()
        self.end(terminal, 0)

    def test_the_address_of_the_page_may_be_pasted_instead(self):
        callback = self.callback()
        self.start(callback)
        terminal = self.walk("--flow", "example/main", "--yes")
        back = self.browser.decide(self.address(terminal))
        for wrong, words in [(back.replace("state=", "state=x"), "another request"),
                             (back.partition("&state=")[0], "has no state"),
                             ("two words", "no spaces"), (callback, "no code")]:
            terminal.type(wrong)
            terminal.wait_for("That can't be used: .*" + words)
        terminal.type("  " + back + "\r")
        self.end(terminal, 0)

    def test_a_wrong_code_asks_again(self):
        self.start()
        terminal = self.walk("--flow", "example/main", "--yes")
        code = self.browser.get(self.browser.decide(self.address(terminal))).form.code
        terminal.type(code[:-1])
        terminal.wait_for("no access token: invalid_grant .*mistyped, expired or was used before")
        terminal.type(code)
        self.end(terminal, 0)

    def test_an_expired_code_asks_again(self):
        self.start(options=["--code-lifetime", "0ms"])
        terminal = self.walk("--flow", "example/main", "--yes")
        terminal.type(self.browser.get(self.browser.decide(self.address(terminal))).form.code)
        terminal.wait_for("invalid_grant .the code has expired")
        terminal.send_signal(signal.SIGINT)
        self.end(terminal, -signal.SIGINT)

    def test_a_denied_consent_ends_it(self):
        callback = self.callback()
        self.start(callback)
        terminal = self.walk("--flow", "example/main", "--yes")
        page = self.browser.get(self.browser.decide(self.address(terminal), "deny"))
        self.assertEqual(page.status, 400)
        self.assertIn("access_denied", page.body)
        self.end(terminal, 77)
        self.assertIn("did not allow it: access_denied", terminal.shown)
        self.assertEqual(self.sources(), [])

    def test_the_text_of_an_error_is_escaped(self):
        callback = self.callback()
        self.start(callback)
        terminal = self.walk("--flow", "example/main", "--yes")
        state = query(self.address(terminal))["state"]
        page = self.browser.get(callback + "?" + urllib.parse.urlencode(
            {"state": state, "error": "<script>alert(1)</script>",
             "error_description": "\x1b[2J & \"x\""}))
        self.assertIn("&lt;script&gt;alert(1)&lt;/script&gt;", page.body)
        self.assertNotIn("<script", page.body)
        self.end(terminal, 77)
        self.assertNotIn("\x1b", terminal.shown)

    def test_an_answer_of_another_server_is_not_taken(self):
        callback = self.callback()
        self.start(callback)
        terminal = self.walk("--flow", "example/main", "--yes")
        back = self.browser.decide(self.address(terminal))
        page = self.browser.get(back + "&iss=" + urllib.parse.quote("https://evil.example.com"))
        self.assertEqual(page.status, 400)
        self.end(terminal, 77)
        self.assertIn("the answer is from https://evil.example.com", terminal.shown)

    # -- removing it again

    def remove(self, *arguments, name="ci"):
        words = [support.BIN / "flowrelay", "source", "remove", name, "--yes", "--config",
                 self.relay.config_path, *arguments]
        terminal = Terminal(words, self.environment())
        self.addCleanup(terminal.close)
        return terminal

    def connect(self, *arguments, **options):
        terminal = self.walk("--flow", "example/main", "--yes", *arguments, **options)
        terminal.type(self.browser.get(self.browser.decide(self.address(terminal))).form.code)
        self.end(terminal, 0)

    def local(self):
        told = self.flowrelay(self.relay, "source", "list", "--json").stdout
        return sorted(source["name"] for source in map(json.loads, told.splitlines())
                      if source["state"] != "removed")

    def test_a_source_is_removed_from_its_flow_and_here(self):
        self.start()
        self.connect("--title", "My project")
        self.connect(name="web")
        # The daemon has noted which one it is, and the flow.
        terminal = self.remove("--delete-remote")
        terminal.type(self.browser.get(self.browser.decide(self.address(terminal))).form.code)
        self.assertIn("ci is removed", self.end(terminal, 0))
        self.assertIn("Source 36 (ci) was removed from Main", terminal.shown)
        self.assertEqual([source["name"] for source in self.sources()], ["web"])
        self.assertNotIn("ci", self.local())
        stdout = self.end(self.remove(name="web"), 0)
        self.assertIn("it stays in its flow", stdout)
        self.assertEqual([source["name"] for source in self.sources()], ["web"])

    def test_a_source_that_can_not_be_removed_from_its_flow_stays_here(self):
        self.start()
        self.connect()
        self.connect("--title", "ci", name="other")
        listed = "/flows/example/main/sources"
        one = listed + "/36"
        for words, rule, status, said in [
                (("--title", "ci"), {}, 65, r"has 2 sources ci: .*--source-id; there are 36 \(ci\), 37 \(ci\)"),
                (("--title", "no"), {}, 65, "no source no: .*nothing was removed"),
                (("--source-id", "99"), {}, 65, "no source 99"),
                (("--source-id", "36"), {"match": {"path": one}, "status": 403}, 77, "HTTP 403"),
                ((), {"match": {"path": one}, "status": 403}, 77, "HTTP 403"),
                (("--source-id", "36"), {"match": {"path": one}, "action": "close"}, 75,
                 "does not answer .*\n.*nothing was removed here"),
                (("--title", "ci"), {"match": {"path": listed}, "status": 403}, 77,
                 "HTTP 403 when asked for the sources of the flow.*\n.*nothing was removed"),
                (("--title", "ci"), {"match": {"path": listed}, "status": 503}, 75,
                 "HTTP 503 .*\n.*nothing was"),
                (("--title", "ci"), {"match": {"path": listed}, "status": 200, "body": {}}, 65,
                 "nothing was removed")]:
            with self.subTest(words=words, rule=rule):
                self.server.rules(*[rule] if rule else [])
                terminal = self.remove("--delete-remote", "--flow", "example/main", *words)
                terminal.type(self.browser.get(
                    self.browser.decide(self.address(terminal))).form.code)
                self.end(terminal, status)
                self.assertRegex(terminal.shown, said)
                self.server.rules()
                self.assertEqual(len(self.sources()), 2)
                self.assertEqual(self.local(), ["ci", "other"])
        terminal = self.remove("--delete-remote", name="nobody")
        self.end(terminal, 65)
        self.assertNotIn("Open this address", terminal.shown)

    def test_how_it_is_removed_from_its_flow_says_nothing_of_a_removal_here(self):
        self.start()
        for words in (["--flow", "example/main"], ["--title", "x"], ["--source-id", "3"],
                      ["--access-token-file", "/x"], ["--no-browser"], ["--wait", "5"]):
            outcome = self.flowrelay(self.relay, "source", "remove", "ci", "--yes", *words)
            self.assertEqual(outcome.status, 64, outcome)
            self.assertIn("add --delete-remote, or leave them out", outcome.stderr)

    # -- what is refused, and what ends it

    def test_what_the_server_says_of_the_application_is_told(self):
        self.start(secret="another-secret")
        terminal = self.walk("--flow", "example/main", "--yes")
        terminal.type(self.browser.get(self.browser.decide(self.address(terminal))).form.code)
        self.end(terminal, 77)
        self.assertRegex(terminal.shown, "invalid_client .*connect.client_secret_file")

    def test_scopes_that_were_not_granted_are_missed(self):
        self.start(scopes="flow profile integration")
        for body in ({"access_token": "a" * 20, "scope": "flow,profile"},
                     {"access_token": "a" * 20, "scope": "flow profile"}):
            with self.subTest(body=body):
                self.server.rules({"match": {"path": "/oauth/token"}, "status": 200, "body": body})
                terminal = self.walk("--flow", "example/main", "--yes", name="x")
                terminal.type("somecode")
                self.end(terminal, 77)
                self.assertIn("did not grant integration", terminal.shown)

    def test_it_expires(self):
        self.start(self.callback())
        terminal = self.walk("--flow", "example/main", "--yes", "--wait", "1")
        self.end(terminal, 75)
        self.assertIn("expired: no code arrived within 1s", terminal.shown)

    def test_a_taken_port_is_said(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.start(f"http://127.0.0.1:{port}/callback")
            outcome = self.command(self.words("--flow", "example/main", "--yes"),
                                   environment=self.environment())
            self.assertEqual(outcome.status, 75, outcome)
            self.assertRegex(outcome.stderr, rf"127.0.0.1 port {port}: .*connect.redirect_uri")

    def test_without_an_application_it_says_so(self):
        self.server = self.start_devserver()
        self.relay = self.start_relay(self.server.url)
        outcome = self.command(self.words("--flow", "example/main", "--yes"),
                               environment=self.environment())
        self.assertEqual(outcome.status, 78, outcome)
        self.assertIn("no connect.client_id", outcome.stderr)

    def test_a_script_names_the_flow_and_confirms_beforehand(self):
        self.start()
        for words, said in [((), "--flow is needed"), (("--flow", "a/b"), "--yes is needed")]:
            outcome = self.command(self.words(*words), environment=self.environment())
            self.assertEqual(outcome.status, 64, outcome)
            self.assertIn(said, outcome.stderr)
        outcome = self.command(self.words("--flow", "example/main", "--yes"),
                               environment=self.environment())
        self.assertEqual(outcome.status, 64, outcome)
        self.assertIn("no code can arrive", outcome.stderr)
        # A code that the server does not take is no mistake of the command line.
        outcome = self.command(self.words("--flow", "example/main", "--yes"), "wrong-code\n",
                               environment=self.environment())
        self.assertEqual(outcome.status, 77, outcome)
        self.assertIn("invalid_grant", outcome.stderr)
        self.assertNotIn("no code can arrive", outcome.stderr)

    def test_flows_that_take_no_source_are_refused_early(self):
        self.start()
        for flow, words in [("example/closed", "join it at http"), ("example:old", "is disabled"),
                            ("example/readonly", "may not add sources"), ("example/no", "HTTP 404"),
                            ("no", "HTTP 404")]:
            with self.subTest(flow=flow):
                terminal = self.walk("--flow", flow, "--yes", name="x")
                terminal.type(self.browser.get(
                    self.browser.decide(self.address(terminal))).form.code)
                self.end(terminal, 65)
                self.assertRegex(terminal.shown, words)

    def test_who_does_not_confirm_leaves_nothing(self):
        self.start()
        for answer in ("n", "", "yess"):
            with self.subTest(answer=answer):
                terminal = self.walk("--flow", "example/main")
                terminal.type(self.browser.get(
                    self.browser.decide(self.address(terminal))).form.code)
                terminal.wait_for("Add this source")
                terminal.type(answer)
                self.end(terminal, 65)
                self.assertIn("nothing was changed", terminal.shown)
        self.assertEqual(self.sources(), [])

    def test_control_c_leaves_nothing_half_made(self):
        self.start()
        terminal = self.walk("--flow", "example/main")
        self.address(terminal)
        terminal.send_signal(signal.SIGINT)
        self.end(terminal, -signal.SIGINT)
        self.assertIn("stopped; nothing was changed", terminal.shown)
        # At the question, and while the server makes the source.
        terminal = self.walk("--flow", "example/main")
        terminal.type(self.browser.get(self.browser.decide(self.address(terminal))).form.code)
        terminal.wait_for("Add this source")
        terminal.send_signal(signal.SIGTERM)
        self.end(terminal, -signal.SIGTERM)
        self.server.rules({"match": {"path": "/flows/example/main/sources", "method": "POST"},
                           "delay_ms": 700, "action": "accept_then_close"})
        terminal = self.walk("--flow", "example/main", "--yes")
        terminal.type(self.browser.get(self.browser.decide(self.address(terminal))).form.code)
        support.wait_until(lambda: self.server.stats()["by_status"].get("0"), "the request")
        terminal.send_signal(signal.SIGINT)
        self.end(terminal, -signal.SIGINT)
        self.assertIn("removed again", terminal.shown)
        self.assertEqual(self.sources(), [])
        self.assertNotIn('"ci"', self.flowrelay(self.relay, "source", "list", "--json").stdout)

    def test_a_lost_answer_leaves_no_source(self):
        self.start()
        self.server.rules({"match": {"path": "/flows/example/main/sources", "method": "POST"},
                           "action": "accept_then_close", "times": 1})
        terminal = self.walk("--flow", "example/main", "--yes")
        terminal.type(self.browser.get(self.browser.decide(self.address(terminal))).form.code)
        self.end(terminal, 75)
        self.assertIn("source 36 was made nevertheless", terminal.shown)
        self.assertEqual(self.sources(), [])

    def test_a_server_that_is_gone_at_any_step_is_said(self):
        self.start()
        for path in ("/oauth/token", "/flows/example/main", "/flows/example/main/sources"):
            for action in ("close", "reset", "garbage"):
                with self.subTest(path=path, action=action):
                    self.server.rules({"match": {"path": path}, "action": action})
                    terminal = self.walk("--flow", "example/main", "--yes")
                    terminal.type(self.browser.get(
                        self.browser.decide(self.address(terminal))).form.code)
                    self.end(terminal, 75)
                    self.assertIn("does not answer", terminal.shown)
        self.server.rules()
        self.assertEqual(self.sources(), [])

    def test_a_server_that_is_too_slow_at_any_step_is_said(self):
        self.start()
        self.relay.configure({"destination": {"request_timeout": "1s"}})

        def walk(path, action, name):
            self.server.rules({"match": {"path": path}, "action": action})
            terminal = self.walk("--flow", "example/main", "--yes", name=name)
            terminal.type(self.browser.get(self.browser.decide(self.address(terminal))).form.code)
            return terminal
        for path in ("/oauth/token", "/flows/example/main", "/flows/example/main/sources"):
            for action in ("hang", "trickle"):
                with self.subTest(path=path, action=action):
                    terminal = walk(path, action, "ci")
                    self.end(terminal, 75)
                    self.assertIn("does not answer", terminal.shown)
        self.server.rules()
        self.assertEqual(self.sources(), [])
        # Who it is, and whether the access token is gone, is nothing to fail for.
        self.assertNotIn("Dev User", self.end(walk("/user", "hang", "nobody"), 0))
        terminal = walk("/oauth/revoke", "hang", "kept")
        self.end(terminal, 0)
        self.assertIn("could not be revoked", terminal.shown)
        self.server.rules()
        self.assertEqual([source["name"] for source in self.sources()], ["nobody", "kept"])

    def test_the_access_token_is_given_back(self):
        self.start()
        for flow, status in [("example/main", 0), ("example/old", 65)]:
            self.server.rules({"match": {"path": "/oauth/revoke"}, "status": 503})
            terminal = self.walk("--flow", flow, "--yes", name=flow[8:])
            terminal.type(self.browser.get(self.browser.decide(self.address(terminal))).form.code)
            self.end(terminal, status)
            self.assertIn("could not be revoked at", terminal.shown)
            self.assertIn("(HTTP 503)", terminal.shown)
        self.server.rules()
        terminal = self.walk("--flow", "example/main", "--yes", name="b")
        terminal.type(self.browser.get(self.browser.decide(self.address(terminal))).form.code)
        self.end(terminal, 0)
        self.assertNotIn("could not be revoked", terminal.shown)

    # -- the browser of this machine

    def test_root_opens_no_browser(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        self.start()
        opened = self.directory / "opened"
        terminal = self.walk(environment=self.environment(BROWSER=str(self.opener(opened))))
        self.address(terminal)
        terminal.type("")
        terminal.wait_for("Then paste the code")
        terminal.send_signal(signal.SIGINT)
        self.end(terminal, -signal.SIGINT)
        self.assertNotIn("Press Enter to open", terminal.shown)
        self.assertFalse(opened.exists())

    def opener(self, opened):
        script = self.directory / "browser"
        script.write_text(f"#!/bin/sh\nps -o sid= -p $$ > {opened}.session\n"
                          f"printf %s \"$1\" > {opened}.new\nmv {opened}.new {opened}\n")
        script.chmod(0o755)
        return script

    def test_a_user_has_a_browser_opened_by_enter(self):
        if os.geteuid() != 0:
            self.skipTest("becomes another user, which takes root")
        nobody = 65534
        self.server = self.start_devserver("--redirect-uri", OOB)
        self.relay = self.make_relay(self.server.url, connect={
            "client_id": "devserver", "client_secret_file": self.token_file(SECRET, "s")})
        room = self.directory / "room"
        room.mkdir()
        for path in (self.directory, room, self.relay.directory, self.directory / "s",
                     self.relay.config_path):
            os.chown(path, nobody, nobody)
        self.relay.start(user=nobody, group=nobody)
        opened = room / "opened"
        environment = self.environment(BROWSER=str(self.opener(opened)))
        terminal = self.walk("--flow", "example/main", "--yes", environment=environment,
                             user=nobody, group=nobody)
        address = self.address(terminal)
        terminal.wait_for(r"Press Enter to open 127.0.0.1:\d+ in a browser")
        self.assertFalse(opened.exists())
        terminal.type("")
        support.wait_until(opened.exists, "the browser")
        self.assertEqual(opened.read_text(), address)
        # Ctrl-C on this terminal does not end it.
        session = int((room / "opened.session").read_text())
        self.assertNotEqual(session, os.getsid(terminal.process.pid))
        terminal.type(self.browser.get(self.browser.decide(address)).form.code)
        self.end(terminal, 0)
        terminal = self.walk("--no-browser", "--flow", "example/main", "--yes",
                             environment=environment, user=nobody, group=nobody, name="b")
        self.address(terminal)
        terminal.wait_for("Then paste the code")
        terminal.send_signal(signal.SIGINT)
        self.end(terminal, -signal.SIGINT)


if __name__ == "__main__":
    support.main()
