"""`flowrelay source connect`: a source is made in a flow, and its token goes to the relay unseen."""

import contextlib
import http.server
import json
import re
import signal
import socket
import threading
import unittest

import support
from producers import Producer


class Api(http.server.ThreadingHTTPServer):
    """An API that answers what it is told to: {(method, path): (status, object)}."""

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.on = {}  # what happens once a request was answered, or not
        self.requests = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        self.server.requests.append((self.command, self.path, self.headers.get("Authorization"), body))
        answer = self.server.answers.get((self.command, path), (404, {"message": "no"}))
        self.server.on.get((self.command, path), lambda: None)()
        if answer is None:
            self.close_connection = True
            return
        status, result = answer
        text = json.dumps(result).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *arguments):
        pass


class LossyControl(threading.Thread):
    """Between a command and the control socket: the answer to a request with a flow_token is lost,
    on its way back or, if not `delivers`, the request on its way there. `instead` is what the
    command gets in its place."""

    def __init__(self, path, control, delivers, instead=b""):
        super().__init__()
        self.control = str(control)
        self.delivers = delivers
        self.instead = instead
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                with client:
                    self.serve(client)

    def serve(self, client):
        client.settimeout(support.PATIENCE)
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(65536)
        head, _, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        while length and len(body) < int(length.group(1)):
            body += client.recv(65536)
        is_lost = b"flow_token" in body
        if is_lost and not self.delivers:
            client.sendall(self.instead)
            return
        with socket.socket(socket.AF_UNIX) as daemon:
            daemon.settimeout(support.PATIENCE)
            daemon.connect(self.control)
            daemon.sendall(head + b"\r\n\r\n" + body)
            while data := daemon.recv(65536):  # the command asks for Connection: close
                if not is_lost:
                    client.sendall(data)
        if is_lost:
            client.sendall(self.instead)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join()
        self.listener.close()


class Connect(support.RelayTestCase):

    def setUp(self):
        super().setUp()
        self.access = self.token()

    def start(self, url):
        self.relay = self.start_relay(url)

    def connect(self, *arguments, status=0, stdin="", name="ci", flow="example/main"):
        file = "-" if stdin else self.token_file(self.access, "access.token")
        outcome = self.flowrelay(self.relay, "source", "connect", name, "--flow", flow,
                                 "--access-token-file", file, "--config", self.relay.config_path,
                                 *arguments, stdin=stdin)
        self.assertEqual(outcome.status, status, outcome)
        return outcome

    @contextlib.contextmanager
    def api(self, **answers):
        """In the place of the destination, from now on."""
        paths = {"find": ("GET", "/flows/find"), "make": ("POST", "/flows/example/main/sources"),
                 "remove": ("DELETE", "/flows/example/main/sources/36"),
                 "list": ("GET", "/flows/example/main/sources"),
                 "flow": ("GET", "/flows/example/main"), "user": ("GET", "/user")}
        answers.setdefault("flow", (200, {"id": "1", "name": "Main", "url": "/flows/example/main"}))
        server = Api({paths[name]: answer for name, answer in answers.items()})
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def test_a_source_is_made_and_its_events_arrive(self):
        server = self.start_devserver()
        server.call("POST", "/_dev/access-tokens", json.dumps({"access_token": self.access}))
        self.start(server.url)
        told = self.connect("--title", "My project", "--url", "https://example.com/p")
        self.assertRegex(told.stdout, r"^ci is connected to example/main, where it is source 36\n")
        self.assertRegex(told.stdout, r"as +Dev User <dev@example.com>\n$")
        told = self.connect("--json", name="web", flow="example:builds", stdin=self.access + "\n")
        self.assertEqual(json.loads(told.stdout), {
            "name": "web", "flow": "example:builds", "source_id": "37",
            "application": "devserver", "user": "Dev User <dev@example.com>",
            "configuration_uri": "http://www.example.com/configure"})
        for source in ("ci", "web"):
            with Producer(self.relay.ingest_socket) as producer:
                answer = producer.submit({"source": source, "external_thread_id": "t", "title": "x",
                                          "author": {"name": "W"}})
            self.assertEqual(answer["status"], "accepted")
        tokens = {event["flow_token"] for event in server.wait_for(2)}
        self.assertEqual(len(tokens), 2)
        for token in tokens:
            self.assertRegex(token, "^[0-9a-f]{32}$")
            self.assertNotIn(token, told.stdout + told.stderr + self.relay.log)
        self.assertEqual(self.relay.files_with(self.access), [])

    def test_what_can_be_known_beforehand_makes_no_source(self):
        with self.api(make=(201, {"id": 36, "flow_token": "t"})) as api:
            self.start(api.url)
            self.connect(name="a b", status=64)
            self.flowrelay(self.relay, "source", "add", "ci", "--token-file", "-",
                           stdin=self.token())
            self.assertIn("there is a source ci", self.connect(status=65).stderr)
            self.assertIn("stdin: access token: is empty", self.connect(stdin="\n", status=64).stderr)
            self.token_file(self.access, "access.token", 0o644)
            outcome = self.flowrelay(self.relay, "source", "connect", "x", "--flow", "a/b",
                                     "--access-token-file", self.directory / "access.token",
                                     "--config", self.relay.config_path)
            self.assertEqual(outcome.status, 78)
            self.assertIn("chmod 0600", outcome.stderr)
            self.relay.stop()
            self.connect(name="web", status=69)
            self.assertEqual(api.requests, [])

    def test_what_the_api_says_is_told(self):
        for status, body, exit_status, words in [
                (401, {"message": "bad token"}, 77, "HTTP 401 .*: bad token; is the access token"),
                (403, {}, 77, "may its user add and remove"), (404, {}, 65, "is there such a flow"),
                (422, {"message": "no", "errors": {}}, 65, "HTTP 422"),
                (422, {"message": "Validation error",
                       "errors": {"name": ["can't be blank", "is too long"], "external_url": "no"}},
                 65, "Validation error: name can't be blank, name is too long, external_url no"),
                (302, {}, 65, "is destination.base_url right"), (503, {}, 75, "HTTP 503"),
                (201, [], 65, "did not answer with a JSON object"),
                (201, {"id": 1}, 65, "gave no flow_token")]:
            with self.subTest(status=status, body=body), \
                    self.api(make=(status, body)) as api:
                self.relay = self.make_relay(api.url, name=f"relay{status}{len(str(body))}").start()
                self.assertRegex(self.connect(status=exit_status).stderr, words)
                self.assertEqual({request[2] for request in api.requests}, {"Bearer " + self.access})
                self.relay.stop()

    def test_an_answer_that_repeats_the_access_token_does_not_bring_it_out(self):
        with self.api(make=(401, {"message": f"unknown token {self.access}"})) as api:
            self.start(api.url)
            self.assertIn("unknown token [token]", self.connect(status=77).stderr)

    def test_the_access_token_stays_with_its_server(self):
        with self.api(find=(200, {"url": "http://127.0.0.1:1/flows/a/b"})) as api:
            self.start(api.url)
            told = self.connect(flow="4711", status=65).stderr
            self.assertIn("the access token is not sent there", told)

    def test_a_source_whose_token_nobody_could_use_is_removed_again(self):
        gone = ("DELETE", "/flows/example/main/sources/36")
        for token in ("not visible ASCII", "", None, 17, "t" * 5000):
            answer = {"id": 36, "flow_token": token}
            with self.subTest(token=token), self.api(make=(201, answer), remove=(204, {})) as api:
                self.relay = self.make_relay(api.url, name=f"relay{len(str(token))}").start()
                told = self.connect(status=65).stderr
                self.assertIn("the source in the flow was removed again", told)
                self.assertEqual(api.requests[-1][:2], gone)
                del api.answers[gone]
                self.assertIn("source 36 is left unused in the flow", self.connect(status=65).stderr)
                self.relay.stop()

    def test_a_source_that_the_daemon_refuses_is_removed_again(self):
        taken = self.token()
        with self.api(make=(201, {"id": 36, "flow_token": taken}), remove=(204, {})) as api:
            self.start(api.url)
            self.flowrelay(self.relay, "source", "add", "other", "--token-file", "-", stdin=taken)
            told = self.connect(status=65).stderr
            self.assertIn("the source in the flow was removed again", told)

    def test_an_answer_of_the_daemon_that_was_lost_is_looked_for(self):
        gone = ("DELETE", "/flows/example/main/sources/36")
        failed = (b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                  b"Content-Length: 50\r\n\r\n"
                  b'{"code":"storage_failed","message":"disk trouble"}')
        for delivers, instead, status, words in [
                (True, b"", 0, "is connected"), (False, b"", 75, "was removed again"),
                (True, failed, 75, "is connected"), (False, failed, 75, "was removed again")]:
            with self.subTest(delivers=delivers, instead=instead), self.api(
                    make=(201, {"id": 36, "flow_token": self.token()}), remove=(204, {})) as api:
                relay = self.make_relay(api.url, name=f"relay{len(self.relays)}").start()
                # What an earlier source of this name left is no sign of the new one.
                self.flowrelay(relay, "source", "add", "ci", "--token-file", "-",
                               stdin=self.token())
                self.flowrelay(relay, "source", "remove", "ci", "--yes")
                lossy = LossyControl(relay.directory / "lossy.sock", relay.control_socket, delivers,
                                     instead)
                lossy.start()
                self.addCleanup(lossy.stop)
                outcome = self.flowrelay(
                    relay, "--socket", relay.directory / "lossy.sock", "source", "connect", "ci",
                    "--flow", "example/main", "--config", relay.config_path,
                    "--access-token-file", self.token_file(self.access, "access.token"))
                self.assertNotEqual(outcome.stderr, "")
                self.assertEqual(outcome.status, status, outcome)
                self.assertIn(words, outcome.stdout + outcome.stderr)
                self.assertEqual(gone in [request[:2] for request in api.requests], not delivers)
                relay.stop()

    def test_a_signal_while_the_source_is_made_removes_it_again(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            with self.subTest(number=number), self.api(
                    make=(201, {"id": 36, "flow_token": self.token()}), remove=(204, {})) as api:
                relay = self.make_relay(api.url, name=f"relay{len(self.relays)}").start()
                started = threading.Event()
                running = []

                def interrupt(started=started, running=running, number=number):
                    started.wait(support.PATIENCE)
                    running[0].send_signal(number)
                api.on = {("POST", "/flows/example/main/sources"): interrupt}
                command = self.start_program("connect", [
                    support.BIN / "flowrelay", "--socket", relay.control_socket, "source",
                    "connect", "ci", "--flow", "example/main", "--config", relay.config_path,
                    "--access-token-file", self.token_file(self.access, "access.token")])
                running.append(command.process)
                started.set()
                self.assertEqual(command.wait(), -number, command.output)
                self.assertIn("the source in the flow was removed again", command.output)
                self.assertEqual(api.requests[-1][:2],
                                 ("DELETE", "/flows/example/main/sources/36"))
                relay.stop()

    def test_a_signal_finds_a_source_removed_from_its_flow_and_here_or_from_neither(self):
        listed = ("GET", "/flows/example/main/sources")
        gone = ("DELETE", "/flows/example/main/sources/36")
        for number in (signal.SIGINT, signal.SIGQUIT):
            for at, words, left in ((listed, "stopped; nothing was removed", ["active"]),
                                    (gone, "ci is removed", [])):
                with self.subTest(number=number, at=at), self.api(
                        list=(200, [{"id": 36, "name": "ci"}]), remove=(204, {})) as api:
                    relay = self.make_relay(api.url, name=f"relay{len(self.relays)}").start()
                    self.flowrelay(relay, "source", "add", "ci", "--token-file", "-",
                                   stdin=self.token())
                    started = threading.Event()
                    running = []

                    def interrupt(started=started, running=running, number=number):
                        started.wait(support.PATIENCE)
                        running[0].send_signal(number)
                    api.on = {at: interrupt}
                    command = self.start_program("remove", [
                        support.BIN / "flowrelay", "--socket", relay.control_socket, "source",
                        "remove", "ci", "--yes", "--delete-remote", "--flow", "example/main",
                        "--config", relay.config_path,
                        "--access-token-file", self.token_file(self.access, "access.token")])
                    running.append(command.process)
                    started.set()
                    self.assertEqual(command.wait(), -number, command.output)
                    self.assertIn(words, command.output)
                    self.assertEqual(gone in [request[:2] for request in api.requests], not left)
                    listing = self.flowrelay(relay, "source", "list", "--json").stdout
                    states = [json.loads(line)["state"] for line in listing.splitlines()]
                    self.assertEqual([state for state in states if state not in
                                      ("removed", "erased")], left)
                    relay.stop()

    def test_a_source_whose_answer_was_lost_is_looked_for(self):
        sources = ("GET", "/flows/example/main/sources")
        make = ("POST", "/flows/example/main/sources")
        old = {"id": 30, "name": "ci"}
        new = {"id": 36, "name": "ci"}
        other = {"id": 37, "name": "other"}
        for lost, after, words in [
                ((500, {}), [old, other], "no source was made"),
                ((502, {}), [old, other, new], "source 36 was made nevertheless"),
                ((201, []), [new, old], "source 36 was made nevertheless"),
                ((201, {"flow_token": "t"}), [new, old], "source 36 was made nevertheless"),
                ((201, {}), [old, new, {"id": 38, "name": "ci"}], "one of the sources 36, 38"),
                ((504, {}), None, "was made: look at the sources of example/main"),
                (None, [old, new], "source 36 was made nevertheless")]:
            with self.subTest(lost=lost, after=after), \
                    self.api(make=lost, list=(200, [old]), remove=(204, {})) as api:
                def then(api=api, after=after):
                    api.answers[sources] = (200, after) if after is not None else (500, {})
                api.on = {make: then}
                self.relay = self.make_relay(api.url, name=f"relay{len(self.relays)}").start()
                outcome = self.connect(status=65 if lost and lost[0] == 201 else 75)
                self.assertIn(words, outcome.stderr)
                self.assertIn("a source called ci already (30)", outcome.stderr)
                deleted = [request[1] for request in api.requests if request[0] == "DELETE"]
                removed = "nevertheless" in words
                self.assertEqual(deleted, ["/flows/example/main/sources/36"] if removed else [])
                self.assertEqual("removed again" in outcome.stderr, removed)
                self.assertNotIn('"ci"', self.flowrelay(self.relay, "source", "list",
                                                       "--json").stdout)
                self.relay.stop()

    def test_a_flow_that_takes_no_source_is_refused_before_one_is_made(self):
        for flow, words in [
                ({"joined": False, "web_url": "https://x/app"}, "not in the flow.*join it at https"),
                ({"disabled": True}, "is disabled"),
                ({"links": {"sources": {"url": "/s", "methods": ["GET"]}}}, "may not add sources"),
                ({"links": {"sources": {"url": "/s", "methods": "GET, HEAD"}}}, "may not add"),
                ({"links": [{"rel": "sources", "href": "/s", "methods": []}]}, "may not add")]:
            flow.update(id="1", name="Main", url="/flows/example/main")
            with self.subTest(flow=flow), self.api(flow=(200, flow), make=(201, {})) as api:
                self.relay = self.make_relay(api.url, name=f"relay{len(self.relays)}").start()
                self.assertRegex(self.connect(status=65).stderr, words)
                self.assertNotIn("POST", [request[0] for request in api.requests])
                self.relay.stop()

    def test_without_the_api_it_is_75(self):
        self.start(f"http://127.0.0.1:{support.free_port()}")
        self.assertRegex(self.connect(status=75).stderr, "does not answer when .*: connect_failed: ")


if __name__ == "__main__":
    support.main()
