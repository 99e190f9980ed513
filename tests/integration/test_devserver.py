"""The development server itself: other tests rely on what it answers, records and breaks."""

import json
import signal
import socket
import ssl
import subprocess
import time

import support
from producers import ApiConnection, ClosedByPeer

VALID = {"flow_token": "0123456789abcdef", "event": "activity", "title": "built",
         "author": {"name": "CI"}, "external_thread_id": "build-1"}


def without(*names, **changes):
    message = {name: value for name, value in VALID.items() if name not in names}
    return {**message, **changes}


class DevserverTestCase(support.RelayTestCase):
    def serve(self, *options, **named):
        self.server = self.start_devserver(*options, **named)
        return self.server

    def connect(self):
        connection = ApiConnection(("127.0.0.1", self.server.port), support.PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def get(self, path):
        return json.loads(self.server.call("GET", path))

    def journal(self):
        lines = self.server.journal_path.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]

    def set_rules(self, text):
        return self.connect().request("PUT", "/_dev/rules", text)


class Messages(DevserverTestCase):
    def setUp(self):
        super().setUp()
        self.serve()
        self.connection = self.connect()

    def test_a_valid_message_is_answered_202_without_a_body(self):
        for path in ("/messages", "/v1/messages"):
            answer = self.connection.post(VALID, path=path)
            self.assertEqual((answer.status, answer.body), (202, b""))

    def test_both_kinds_of_thread_and_the_token_in_the_query_will_do(self):
        answer = self.connection.post(without("external_thread_id", thread_id="T"))
        self.assertEqual(answer.status, 202)
        answer = self.connection.post(without("flow_token"), path="/messages?flow_token=secret")
        self.assertEqual(answer.status, 202)
        self.assertEqual(self.journal()[-1]["path"], "/messages")

    def test_each_missing_or_wrong_field_is_named(self):
        for message, field in ((without("flow_token"), "flow_token"),
                               (without(flow_token=1), "flow_token"),
                               (without("event"), "event"), (without(event="x"), "event"),
                               (without("title"), "title"), (without(title=""), "title"),
                               (without("author"), "author"), (without(author={}), "author"),
                               (without(author="CI"), "author"),
                               (without("external_thread_id"), "external_thread_id")):
            with self.subTest(message):
                answer = self.connection.post(message)
                self.assertEqual(answer.status, 400)
                self.assertEqual(answer.json()["message"], "Validation error")
                self.assertEqual(list(answer.json()["errors"]), [field])

    def test_what_is_no_json_object_is_refused(self):
        for body in ("", "{", "[]", '"text"', "\xff"):
            answer = self.connection.post(body)
            self.assertEqual(answer.status, 400, body)
            self.assertTrue(answer.json()["message"])

    def test_other_types_paths_and_methods_are_refused(self):
        self.assertEqual(self.connection.post("a=b", content_type="text/plain").status, 415)
        self.assertEqual(self.connection.post(VALID, path="/flow").status, 404)
        answer = self.connection.request("GET", "/messages")
        self.assertEqual((answer.status, answer.fields["allow"]), (405, "POST"))

    def test_who_waits_for_the_message_gets_it_without_the_token(self):
        answer = self.connection.request("POST", "/messages", json.dumps(VALID),
                                         {"Content-Type": "application/json",
                                          "X-flowdock-wait-for-message": "true"})
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json(), without("flow_token", id=1))

    def test_pipelined_requests_are_answered_in_order(self):
        for message in (VALID, without("title"), VALID):
            self.connection.send_request("POST", "/messages", json.dumps(message),
                                         {"Content-Type": "application/json"})
        self.assertEqual([self.connection.response().status for _ in range(3)], [202, 400, 202])

    def test_what_is_not_http_is_refused_and_the_connection_ends(self):
        for data, status in ((b"GET / HTTP/9\r\n\r\n", b"400"),
                             (b"GET / HTTP/1.1\r\nX: " + b"x" * 70000, b"431"),
                             (b"POST /messages HTTP/1.1\r\nHost: h\r\n"
                              b"Content-Length: 99999999999\r\n\r\n", b"413")):
            connection = self.connect()
            connection.send(data)
            connection.finish_sending()
            self.assertTrue(connection.rest().startswith(b"HTTP/1.1 " + status), status)


class Records(DevserverTestCase):
    def test_the_journal_has_each_request_when_it_is_answered(self):
        self.serve()
        connection = self.connect()
        for n in range(1, 20):
            connection.request("POST", "/v1/messages", json.dumps(VALID),
                               {"Content-Type": "application/json", "Idempotency-Key": f"k{n}",
                                "X-Twice": "a", "x-twice": "b"})
            entry = self.journal()[-1]
            self.assertEqual((entry["n"], entry["idempotency_key"]), (n, f"k{n}"))
        self.assertRegex(entry["at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual((entry["method"], entry["path"], entry["status"], entry["taken"]),
                         ("POST", "/v1/messages", 202, True))
        self.assertEqual(entry["headers"]["X-Twice"], "a, b")
        self.assertEqual(json.loads(entry["body"]), VALID)

    def test_a_body_that_is_not_utf_8_leaves_the_journal_readable(self):
        self.serve()
        body = b'{"a":"\xff\xc3\xa4\xed\xa0\x80\x01"}'
        self.assertEqual(self.connect().post(body).status, 400)
        self.assertEqual(self.journal()[0]["body"],
                         '{"a":"\ufffd\u00e4\ufffd\ufffd\ufffd\x01"}')
        self.assertEqual(self.get("/_dev/received"), self.journal())

    def test_received_is_a_window_on_the_last_requests(self):
        self.serve("--max-received", "4")
        connection = self.connect()
        for n in range(6):
            connection.post(without(title=f"t{n}"))
        numbers = lambda query="": [e["n"] for e in self.get("/_dev/received" + query)]
        self.assertEqual(numbers(), [3, 4, 5, 6])
        self.assertEqual(numbers("?since=4"), [5, 6])
        self.assertEqual(numbers("?since=3&limit=2"), [4, 5])
        self.assertEqual(numbers("?since=6"), [])
        self.assertEqual(self.get("/_dev/received"), self.journal()[2:])
        self.assertEqual(connection.request("GET", "/_dev/received?since=x").status, 400)
        self.server.call("DELETE", "/_dev/received")
        self.assertEqual(numbers(), [])
        connection.post(VALID)
        self.assertEqual(numbers(), [7])

    def test_stats_count_all_requests_but_those_to_the_server_itself(self):
        self.serve()
        connection = self.connect()
        connection.post(VALID)
        connection.post({})
        connection.request("GET", "/")
        self.server.rules({"action": "close"})
        self.connect().send_request("POST", "/messages", "{}")
        support.wait_until(lambda: self.server.stats()["requests"] == 4, "the fourth request")
        stats = self.server.stats()
        self.assertEqual(stats["by_status"], {"0": 1, "202": 1, "400": 1, "404": 1})
        self.assertGreaterEqual(stats["connections"], 3)

    def test_show_prints_the_message_and_masks_the_token(self):
        self.serve("--show")
        self.connect().post(VALID)
        self.server.wait_for_output(r"^\S+ POST /messages -> 202$")
        self.server.wait_for_output(r'"flow_token": "0123…"')
        self.assertNotIn(VALID["flow_token"], self.server.output)


class Options(DevserverTestCase):
    def test_status_delay_and_fast_change_the_usual_answer(self):
        self.serve("--status", "503", "--delay", "200ms", "--fast")
        begun = time.monotonic()
        self.assertEqual(self.connect().post("not JSON").status, 503)
        self.assertGreaterEqual(time.monotonic() - begun, 0.2)
        self.assertFalse(self.journal()[0]["taken"])

    def test_the_port_file_holds_the_port(self):
        path = self.directory / "port"
        self.serve("--port-file", path)
        self.assertEqual(int(path.read_text()), self.server.port)

    def test_https(self):
        cert, key = self.directory / "cert.pem", self.directory / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-days", "1",
                        "-keyout", key, "-out", cert], check=True, capture_output=True)
        self.serve("--tls-cert", cert, "--tls-key", key)
        self.assertTrue(self.server.url.startswith("https://"))
        context = ssl.create_default_context(cafile=cert)
        connection = self.connect()
        connection.socket = context.wrap_socket(connection.socket, server_hostname="localhost")
        self.addCleanup(connection.close)
        self.assertEqual(connection.post(VALID).status, 202)
        self.assertEqual(connection.post({}).status, 400)

    def test_both_signals_end_it_while_connections_are_open(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.serve()
            self.connect().post(VALID)
            self.server.process.send_signal(number)
            self.assertEqual(self.server.wait(), 0)

    def test_what_it_can_not_use_is_named(self):
        self.serve()
        program = support.BIN / "flowrelay-devserver"
        for words, status, said in ((("--listen", "nowhere"), 1, "nowhere"),
                                    (("--listen", f"127.0.0.1:{self.server.port}"), 1, "in use"),
                                    (("--tls-cert", "/x"), 64, "--tls-key"),
                                    (("--tls-cert", "/x", "--tls-key", "/y"), 1, "/x"),
                                    (("--journal", "/nowhere/at/all"), 1, "/nowhere/at/all"),
                                    (("--status", "99"), 64, "--status"),
                                    (("--delay", "5"), 64, "--delay"),
                                    (("--unknown",), 64, "--unknown")):
            with self.subTest(words):
                outcome = self.command([program, *words])
                self.assertEqual(outcome.status, status, outcome)
                self.assertIn(said, outcome.stderr)


class Rules(DevserverTestCase):
    def setUp(self):
        super().setUp()
        self.serve()

    def post(self, **changes):
        return self.connect().post(without(**changes))

    def test_the_first_that_matches_counts_and_is_spent_after_its_times(self):
        self.server.rules({"match": {"external_thread_id": "a"}, "times": 2, "status": 500},
                          {"match": {"flow_token": "t", "external_thread_id": "b"}, "status": 410},
                          {"match": {"flow_token": "t"}, "status": 429})
        statuses = lambda **changes: [self.post(**changes).status for _ in range(3)]
        self.assertEqual(statuses(external_thread_id="a"), [500, 500, 202])
        self.assertEqual(statuses(flow_token="t", external_thread_id="b"), [410] * 3)
        self.assertEqual(statuses(flow_token="t"), [429] * 3)
        self.assertEqual(statuses(), [202] * 3)
        self.assertEqual([rule.get("times") for rule in self.get("/_dev/rules")], [0, None, None])

    def test_rules_are_replaced_as_a_whole(self):
        self.server.rules({"status": 500})
        self.server.rules()
        self.assertEqual(self.post().status, 202)
        self.assertEqual(self.get("/_dev/rules"), [])

    def test_an_answer_has_the_headers_and_the_body_of_its_rule(self):
        self.server.rules({"times": 1, "status": 503, "headers": {"Retry-After": "2"},
                           "body": {"message": "later"}},
                          {"times": 1, "status": 502, "body": "<html>",
                           "headers": {"content-type": "text/html", "Connection": "close"}})
        answer = self.post()
        self.assertEqual((answer.status, answer.fields["retry-after"], answer.json()),
                         (503, "2", {"message": "later"}))
        self.assertEqual(answer.fields["content-type"], "application/json")
        connection = self.connect()
        answer = connection.post(VALID)
        self.assertEqual((answer.status, answer.fields["content-type"], answer.body),
                         (502, "text/html", b"<html>"))
        self.assertEqual(answer.fields["connection"], "close")
        self.assertEqual(connection.rest(), b"")

    def test_bad_rules_are_refused_and_the_old_ones_stay(self):
        self.server.rules({"status": 500})
        for text, said in (("{", "not JSON"), ("{}", "array"), ("[1]", "rule 0"),
                           ('[{}, {"stauts": 1}]', "rule 1: stauts"),
                           ('[{"status": 99}]', "status"), ('[{"times": -1}]', "times"),
                           ('[{"action": "explode"}]', "accept_then_close"),
                           ('[{"match": {"token": "x"}}]', "match.token"),
                           ('[{"match": {"flow_token": 1}}]', "match.flow_token"),
                           ('[{"headers": {"X": "a\\r\\nb"}}]', "rule 0"),
                           ('[{"headers": {"Content-Length": "1"}}]', "Content-Length"),
                           ('[{"body": 1}]', "body"), ('[{"delay_ms": "1"}]', "delay_ms")):
            with self.subTest(text):
                answer = self.set_rules(text)
                self.assertEqual(answer.status, 400)
                self.assertIn(said, answer.json()["message"])
        self.assertEqual(self.post().status, 500)

    def test_a_delay_holds_up_nobody_else(self):
        self.server.rules({"match": {"external_thread_id": "slow"}, "delay_ms": 600})
        begun = time.monotonic()
        slow = self.connect()
        slow.send_request("POST", "/messages", json.dumps(without(external_thread_id="slow")),
                          {"Content-Type": "application/json"})
        support.wait_until(self.journal, "the record of the request, made when it came")
        self.assertEqual(self.post().status, 202)
        self.assertLess(time.monotonic() - begun, 0.6)
        self.assertEqual(slow.response().status, 202)
        self.assertGreaterEqual(time.monotonic() - begun, 0.6)

    def unanswered(self, action):
        self.server.rules({"action": action, "times": 1})
        connection = self.connect()
        connection.send_request("POST", "/messages", json.dumps(VALID),
                                {"Content-Type": "application/json"})
        entry, = support.wait_until(self.journal, "the record of the request")
        self.assertEqual((entry["status"], entry["taken"]), (0, action == "accept_then_close"))
        return connection

    def test_close_ends_the_connection(self):
        with self.assertRaises(ClosedByPeer):
            self.unanswered("close").more()

    def test_accept_then_close_takes_the_message_first(self):
        with self.assertRaises(ClosedByPeer):
            self.unanswered("accept_then_close").more()

    def test_reset_resets_the_connection(self):
        with self.assertRaises(ConnectionResetError):
            self.unanswered("reset").more()

    def test_hang_never_answers(self):
        connection = self.unanswered("hang")
        connection.socket.settimeout(0.3)
        with self.assertRaises(socket.timeout):
            connection.more()
        connection.close()
        support.wait_until(lambda: self.server.stats()["open_connections"] == 1,
                           "the end of the connection that hung")

    def test_garbage_is_no_http(self):
        self.assertNotIn(b"HTTP/", self.unanswered("garbage").rest())

    def test_trickle_sends_a_byte_a_second(self):
        self.server.rules({"action": "trickle", "status": 500})
        connection = self.connect()
        connection.send_request("POST", "/messages", "{}")
        begun = time.monotonic()
        self.assertEqual(connection.exactly(2), b"HT")
        self.assertEqual(connection.buffer, b"")
        self.assertGreaterEqual(time.monotonic() - begun, 0.9)


if __name__ == "__main__":
    support.main()
