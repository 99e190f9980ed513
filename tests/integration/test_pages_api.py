"""The pages before an API that does not do what it should, and what a process leaves behind that ends."""

import contextlib
import socket
import threading

import support
from browser import Browser, query
from pages import PagesTestCase
from test_connect import Api


class BadApi(PagesTestCase):

    @contextlib.contextmanager
    def api(self, **answers):
        paths = {"make": ("POST", "/flows/example/main/sources"),
                 "list": ("GET", "/flows/example/main/sources"),
                 "one": ("GET", "/flows/example/main/sources/36"),
                 "remove": ("DELETE", "/flows/example/main/sources/36"),
                 "flow": ("GET", "/flows/example/main"), "user": ("GET", "/user"),
                 "token": ("POST", "/oauth/token"), "revoke": ("POST", "/oauth/revoke"),
                 "update": ("PUT", "/sources")}
        self.access = self.token()
        answers = {"flow": (200, {"id": "1", "name": "Main", "parameterized_name": "main",
                                  "url": "/flows/example/main"}),
                   "token": (200, {"access_token": self.access}), "revoke": (200, {}),
                   "list": (200, []), "remove": (204, {}), **answers}
        server = Api({paths[name]: answer for name, answer in answers.items()})
        server.RequestHandlerClass.do_PUT = server.RequestHandlerClass.do_GET
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def come_back(self):
        """From the OAuth server, which gives any code."""
        state = query(self.address())["state"]
        return self.follow(self.get(f"/callback?code=c0de&state={state}"))

    def test_what_the_api_refuses_is_told_and_can_be_tried_again(self):
        made = {"id": 36, "flow_token": self.token()}
        with self.api(make=(422, {"message": "Validation error",
                                  "errors": {"name": ["is <taken>"]}})) as api:
            self.start(api.url)
            self.follow(self.get(self.invite("ci", "--flow", "example/main")))
            form = self.form_of(self.come_back(), "/connect")
            page = self.post("/connect", form)
            self.assertEqual(page.status, 409)
            self.assertIn("name is &lt;taken&gt;", page.body)
            self.pages.wait_for_output(r"pages\.failed step=connect source=ci")
            # The answer that is lost: the source is found and taken back.
            key = ("POST", "/flows/example/main/sources")
            api.answers[key] = None

            def lose():
                api.answers[("GET", "/flows/example/main/sources")] = (
                    200, [{"id": 36, "name": "ci"}])
            api.on[key] = lose
            page = self.post("/connect", form)
            self.assertIn("the source in the flow was removed again", page.body)
            self.assertIn(("DELETE", "/flows/example/main/sources/36"),
                          [request[:2] for request in api.requests])
            api.answers[key] = (201, made)
            api.on.clear()
            done = self.follow(self.post("/connect", form))
            self.assertIn("is connected", done.body)
            # PUT /sources is not there: said, and no reason to undo anything.
            self.assertIn("no link to the settings", done.body)
            revoked = [request[3].decode() for request in api.requests if "revoke" in request[1]]
            self.assertEqual(len(revoked), 1)
            self.assertIn("token=" + self.access, revoked[0])

    def test_a_process_that_dies_while_a_source_is_made_says_so(self):
        with self.api() as api:
            self.start(api.url)
            link = self.invite("ci", "--flow", "example/main")
            self.follow(self.get(link))
            form = self.form_of(self.come_back(), "/connect")
            key = ("POST", "/flows/example/main/sources")
            api.answers[key] = (201, {"id": 36, "flow_token": self.token()})
            api.on[key] = self.pages.kill
            with self.assertRaises(OSError):
                self.post("/connect", form)
            self.start_pages()
            self.pages.wait_for_output(r"pages\.failed step=connect source=ci reason=.*ended while")
            self.assertIn("ci", self.invite_command("ci", "--list").stdout)
            self.assertEqual(self.get(link, Browser()).status, 303)

    def test_no_access_token_is_kept(self):
        with self.api() as api:
            self.start(api.url)
            self.follow(self.get(self.invite("ci", "--flow", "example/main")))
            tokens = [self.token() for _ in range(3)]

            def revoked():
                return [token for token in tokens for request in api.requests
                        if "revoke" in request[1] and "token=" + token in request[3].decode()]
            for token in tokens:
                api.answers[("POST", "/oauth/token")] = (200, {"access_token": token})
                self.come_back()
            self.assertEqual(revoked(), tokens[:2], "each log-in ends the one before")
            self.assertEqual(self.pages.terminate(), 0)
            self.assertEqual(revoked(), tokens, "the end of the process ends the last")

    def test_a_head_has_no_body(self):
        self.start()
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(b"HEAD /flowdock/setup HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        self.assertRegex(answer, rb"^HTTP/1.1 405 ")
        self.assertTrue(answer.endswith(b"\r\n\r\n"), answer)

    def test_scopes_that_are_missing(self):
        token = self.token()
        with self.api(token=(200, {"access_token": token, "scope": "profile"})) as api:
            self.start(api.url)
            self.follow(self.get(self.invite("ci", "--flow", "example/main")))
            page = self.come_back()
            self.assertEqual(page.status, 403)
            self.assertIn("did not grant flow, integration", page.body)
            self.assertIn("/oauth/revoke", [request[1] for request in api.requests])


if __name__ == "__main__":
    support.main()
