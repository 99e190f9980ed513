"""The same call as the API's own: POST /messages on the ingest socket, by the letter of HTTP."""

import json
import shutil

import support
from producers import ApiConnection


class HttpIngest(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.t = self.token()
        self.relay = self.start_relay(self.server.url, ingest={"max_event_size": "64KiB"})
        self.connection = ApiConnection(self.relay.ingest_socket, support.PATIENCE)
        self.addCleanup(self.connection.close)

    def assert_rejected(self, answer, status, *words):
        self.assertEqual(answer.status, status, answer)
        self.assertIn("application/json", answer.fields.get("content-type", ""), answer)
        self.assertTrue(answer.json()["message"], answer)
        for word in words:
            self.assertIn(word, answer.body.decode())

    def test_both_paths_answer_202_with_the_id(self):
        for path in ("/messages", "/v1/messages"):
            answer = self.connection.post(support.event(self.t), path=path)
            self.assertEqual(answer.status, 202, answer)
            self.assertIn("application/json", answer.fields["content-type"])
            self.assertIn("id", answer.json())
        arrived = self.server.wait_for(2)
        self.assertEqual(arrived[1]["uuid"], answer.json()["id"])

    def test_the_token_may_stand_in_the_query(self):
        body = support.event(self.t)
        del body["flow_token"]
        answer = self.connection.post(body, path=f"/messages?flow_token={self.t}")
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(self.server.wait_for(1)[0]["flow_token"], self.t)
        self.assertNotIn(self.t, self.server.requests()[0]["path"])

    def test_a_connection_is_kept_for_many_requests(self):
        for n in range(200):
            answer = self.connection.post(support.event(self.t, uuid=f"n{n}"))
            self.assertEqual((answer.status, answer.json()["id"]), (202, f"n{n}"))
        self.assertEqual([e["uuid"] for e in self.server.wait_for(200)],
                         [f"n{n}" for n in range(200)])

    def test_pipelined_requests_are_answered_in_order(self):
        for n in range(100):
            self.connection.send_request("POST", "/messages",
                                         json.dumps(support.event(self.t, uuid=f"n{n}")),
                                         {"Content-Type": "application/json"})
        answers = [self.connection.response() for _ in range(100)]
        self.assertEqual([answer.json()["id"] for answer in answers], [f"n{n}" for n in range(100)])

    def test_connection_close_is_honoured(self):
        fields = {"Content-Type": "application/json", "Connection": "close"}
        answer = self.connection.request("POST", "/messages", json.dumps(support.event(self.t)),
                                         fields)
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(self.connection.rest(), b"")

    def test_a_client_that_expects_continue_gets_it(self):
        body = json.dumps(support.event(self.t)).encode()
        self.connection.send(b"POST /messages HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                             b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                             % len(body))
        self.assertEqual(self.connection.response().status, 100)
        self.connection.send(body)
        self.assertEqual(self.connection.response().status, 202)

    def test_a_chunked_body_is_put_together(self):
        body = json.dumps(support.event(self.t, uuid="chunked")).encode()
        self.connection.send(b"POST /messages HTTP/1.1\r\nHost: x\r\n"
                             b"Content-Type: application/json; charset=utf-8\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(body), 7):
            part = body[start:start + 7]
            self.connection.send(b"%x\r\n%s\r\n" % (len(part), part))
        self.connection.send(b"0\r\n\r\n")
        self.assertEqual(self.connection.response().json()["id"], "chunked")
        self.assertEqual(self.connection.post(support.event(self.t)).status, 202)

    def test_an_ndjson_batch_has_an_answer_for_each_event(self):
        bad = support.event(self.t)
        del bad["title"]
        batch = "".join(support.line(value) for value in (
            support.event(self.t, uuid="b1"), bad, support.event(self.t, uuid="b3")))
        answer = self.connection.post(batch, content_type="application/x-ndjson")
        self.assertLess(answer.status, 300, answer)
        answers = [json.loads(text) for text in answer.body.splitlines()]
        self.assertEqual([a["status"] for a in answers], ["accepted", "rejected", "accepted"])
        self.assertEqual((answers[0]["id"], answers[2]["id"]), ("b1", "b3"))
        self.assertIn("title", answers[1]["errors"])
        self.assertEqual([e["uuid"] for e in self.server.wait_for(2)], ["b1", "b3"])

    def test_a_json_array_is_a_batch(self):
        answer = self.connection.post(json.dumps([support.event(self.t, uuid=f"a{n}")
                                                  for n in range(3)]))
        self.assertLess(answer.status, 300, answer)
        self.assertEqual([a["id"] for a in answer.json()], ["a0", "a1", "a2"])
        self.assertEqual([e["uuid"] for e in self.server.wait_for(3)], ["a0", "a1", "a2"])

    def test_errors_have_the_shape_of_the_api(self):
        body = support.event(self.t)
        del body["external_thread_id"]
        answer = self.connection.post(body)
        self.assert_rejected(answer, 400)
        self.assertIn("external_thread_id", answer.json()["errors"])
        self.assert_rejected(self.connection.post('{"title":'), 400)
        self.assert_rejected(self.connection.post('"text"'), 400)
        self.assert_rejected(self.connection.post(""), 400)
        self.assertEqual(self.connection.post(support.event(self.t)).status, 202)

    def test_other_methods_paths_and_types_are_refused_with_what_is_supported(self):
        answer = self.connection.request("GET", "/messages")
        self.assert_rejected(answer, 405)
        self.assertIn("POST", answer.fields["allow"])
        self.assert_rejected(self.connection.post(support.event(self.t), path="/flows"), 404,
                             "/messages")
        self.assert_rejected(self.connection.post(f"flow_token={self.t}&event=activity",
                                                  content_type="application/x-www-form-urlencoded"),
                             415, "application/json")
        self.assertEqual(self.connection.post(support.event(self.t)).status, 202)
        self.server.wait_for(1)

    def test_a_body_over_the_limit_is_refused_before_it_is_sent(self):
        self.connection.send("POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n"
                             "Content-Type: application/json\r\n\r\n")
        self.assert_rejected(self.connection.response(), 413)

    def test_a_chunked_body_over_the_limit_is_refused(self):
        self.connection.send("POST /messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                             "Content-Type: application/json\r\n\r\n")
        self.connection.send(b"14000\r\n" + b" " * 0x14000 + b"\r\n0\r\n\r\n")
        self.assert_rejected(self.connection.response(), 413)

    def test_what_is_not_http_is_refused(self):
        for request in ("POST\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "HELLO there\r\n\r\n",
                        "POST /messages HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                        "POST /messages HTTP/1.1\r\nContent-Length: 5\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n"):
            with self.subTest(request), ApiConnection(self.relay.ingest_socket) as connection:
                connection.send(request)
                self.assertEqual(connection.response().status, 400)
                self.assertEqual(connection.rest(), b"")

    def test_a_head_over_the_limit_is_refused(self):
        self.connection.send("POST /messages HTTP/1.1\r\nX: " + "x" * 20000)
        self.assertEqual(self.connection.response().status, 431)

    def test_bytes_beyond_content_length_are_the_next_request(self):
        body = json.dumps(support.event(self.t, uuid="whole"))
        self.connection.send_request("POST", "/messages", body + '{"more": "than announced"}',
                                     {"Content-Type": "application/json",
                                      "Content-Length": len(body)})
        self.assertEqual(self.connection.response().json()["id"], "whole")
        self.assertEqual(self.connection.response().status, 400)
        self.assertEqual(self.connection.rest(), b"")
        self.assertEqual([e["uuid"] for e in self.server.wait_for(1)], ["whole"])

    def test_a_body_that_stops_short_is_not_an_event(self):
        body = json.dumps(support.event(self.t))
        self.connection.send_request("POST", "/messages", body[:-5],
                                     {"Content-Type": "application/json",
                                      "Content-Length": len(body)})
        self.connection.finish_sending()
        self.assertNotIn(b" 202 ", self.connection.rest())
        with ApiConnection(self.relay.ingest_socket) as connection:
            self.assertEqual(connection.post(support.event(self.t, uuid="next")).status, 202)
        self.relay.wait_until_idle()
        self.assertEqual([e["uuid"] for e in self.server.delivered()], ["next"])

    def test_curl_is_understood(self):
        self.assertTrue(shutil.which("curl"), "curl is missing")
        body = self.directory / "event.json"
        body.write_text(json.dumps(support.event(self.t, uuid="curl", body="x" * 20000)))
        done = self.command(["curl", "--silent", "--show-error", "--fail", "--max-time", "10",
                             "--unix-socket", self.relay.ingest_socket, "http://localhost/messages",
                             "--header", "Content-Type: application/json",
                             "--data-binary", f"@{body}"])
        self.assertEqual(done.status, 0, done)
        self.assertEqual(json.loads(done.stdout)["id"], "curl")
        self.assertEqual(self.server.wait_for(1)[0]["uuid"], "curl")


if __name__ == "__main__":
    support.main()
