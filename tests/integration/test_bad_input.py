"""Bad input gets a clear error on the right channel, and nothing else is harmed."""

import json
import resource

import support
from producers import ApiConnection, ClosedByPeer, Producer


class BadInput(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.t = self.token()

    def start(self, **settings):
        return self.start_relay(self.server.url, **settings)

    def without(self, name, **members):
        result = support.event(self.t, **members)
        del result[name]
        return result

    def test_each_bad_line_gets_its_code_and_the_next_event_is_accepted(self):
        relay = self.start()
        good = support.event(self.t)
        broken = '{"flow_token":"%s",' % self.t
        deep = '{"flow_token":"%s","x":%s1%s}' % (self.t, "[" * 100, "]" * 100)
        cases = [
            ("invalid_json", broken),
            ("invalid_json", broken + "}"),
            ("invalid_json", json.dumps(good)[:-1] + ",}"),
            ("invalid_json", json.dumps(good) + "{}"),
            ("invalid_event", '{"title":"\\ud800"}'),
            ("invalid_json", deep),
            ("invalid_json", json.dumps(good).encode().replace(b"failed", b"fail\xff\xfe")),
            ("invalid_json", json.dumps(good).encode().replace(b"failed", b"\xc0\xafailed")),
            ("invalid_json", json.dumps(good).encode().replace(b"failed", b"\xed\xa0\x80")),
            ("invalid_json", json.dumps(good).encode().replace(b"failed", b"a\x00b")),
            ("invalid_json", "[1, 2]"),
            ("invalid_json", "null"),
            ("invalid_event", "{}"),
            ("unknown_source", {**self.without("flow_token"), "source": "nobody"}),
            ("too_large", {**good, "body": "x" * 2_000_000}),
        ]
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            self.assertEqual(producer.submit(good)["status"], "accepted")
            for code, text in cases:
                text = json.dumps(text) if isinstance(text, dict) else text
                text = text.encode() if isinstance(text, str) else text
                with self.subTest(code, text=text[:100]):
                    answer = producer.submit(text + b"\n")
                    self.assertEqual((answer["status"], answer["code"]), ("rejected", code))
                    self.assertTrue(answer["message"])
                    self.assertEqual(producer.submit(good)["status"], "accepted")
        self.assertEqual(relay.wait_until_idle()["accepted"], len(cases) + 1)

    def test_the_error_names_the_field(self):
        relay = self.start()
        event = support.event(self.t)
        cases = [
            ("title", self.without("title")),
            ("title", {**event, "title": 5}),
            ("title", {**event, "title": ""}),
            ("event", self.without("event")),
            ("event", {**event, "event": ["activity"]}),
            ("author", self.without("author")),
            ("author", {**event, "author": "CI"}),
            ("author", {**event, "author": {"email": "ci@example.com"}}),
            ("author", {**event, "author": {"name": 7}}),
            ("external_thread_id", self.without("external_thread_id")),
            ("external_thread_id", {**event, "external_thread_id": [42]}),
            ("external_thread_id", {**event, "external_thread_id": "x" * 5000}),
            ("thread_id", {**event, "thread_id": {}}),
            ("thread", {**event, "thread": []}),
            ("thread", {**event, "thread": {"body": "no title"}}),
            ("thread", {**event, "thread": {"title": "t", "status": {"color": "mauve"}}}),
            ("tags", {**event, "tags": 3}),
            ("uuid", {**event, "uuid": "with \"quotes\""}),
            ("uuid", {**event, "uuid": "x" * 200}),
            ("uuid", {**event, "uuid": 12}),
            ("flow_token", {**event, "flow_token": 12}),
            ("source", {**event, "source": "ci"}),
            ("relay", {**event, "relay": {"expires_in": "soon"}}),
        ]
        with Producer(relay.ingest_socket) as producer:
            for field, bad in cases:
                with self.subTest(field, bad=str(bad)[:150]):
                    answer = producer.submit(bad)
                    self.assertEqual((answer["status"], answer["code"]),
                                     ("rejected", "invalid_event"), answer)
                    self.assertTrue(any(name.split(".")[0] == field for name in answer["errors"]),
                                    answer)
        self.assertEqual(relay.status()["accepted"], 0)

    def test_unknown_tokens_can_be_refused(self):
        relay = self.start(ingest={"unknown_tokens": "reject"}, sources=[
            {"name": "ci", "flow_token_file": self.token_file(self.t)}])
        with Producer(relay.ingest_socket) as producer:
            answer = producer.submit(support.event(self.token()))
            self.assertEqual(answer.get("code"), "unknown_source")
            self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")

    def test_a_first_byte_of_neither_protocol_is_answered_and_the_connection_closed(self):
        relay = self.start()
        for data in (b"hello\n", b"\x16\x03\x01\x02\x00", b"[1]\n", b"\n\n"):
            with self.subTest(data), Producer(relay.ingest_socket) as producer:
                producer.send(data)
                producer.finish_sending()
                answer = producer.rest()
                if answer:
                    self.assertEqual(json.loads(answer.splitlines()[0])["status"], "rejected")
        with Producer(relay.ingest_socket) as producer:
            self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")

    def test_a_line_that_never_ends_is_cut_off(self):
        relay = self.start(ingest={"max_event_size": "16KiB"})
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            try:
                producer.send(b'{"title":"')
                for _ in range(2000):
                    producer.send(b"x" * 8192)
                producer.send(b'"}\n')
                answer = producer.answer()
                self.assertEqual(answer["code"], "too_large")
                self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")
            except (ClosedByPeer, BrokenPipeError, ConnectionResetError):
                self.fail("the line was not answered")
        peak = next(text for text in open(f"/proc/{relay.program.pid}/status")
                    if text.startswith("VmHWM"))
        if support.SCALE == 1:  # a sanitizer has memory of its own
            self.assertLess(int(peak.split()[1]), 64 * 1024, "the line was kept in memory")

    def test_a_connection_that_stops_in_mid_event_leaves_nothing_behind(self):
        relay = self.start()
        text = json.dumps(support.event(self.t, uuid="half"))
        for end in (1, len(text) // 2, len(text) - 1):
            with Producer(relay.ingest_socket) as producer:
                self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")
                producer.send(text[:end])
        with ApiConnection(relay.ingest_socket) as connection:
            connection.send("POST /messages HTTP/1.1\r\nContent-Le")
        with Producer(relay.ingest_socket) as producer:
            self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")
        self.assertEqual(relay.wait_until_idle()["accepted"], 4)
        self.assertNotIn("half", [event["uuid"] for event in self.server.delivered()])

    def test_a_producer_that_does_not_read_its_answers_stops_only_itself(self):
        relay = self.start()
        deaf = Producer(relay.ingest_socket, support.PATIENCE)
        self.addCleanup(deaf.close)
        deaf.socket.setblocking(False)
        data = memoryview(b'{"bad"}\n' * 200_000)
        sent = 0
        try:
            while sent < len(data):
                sent += deaf.socket.send(data[sent:])
        except BlockingIOError:
            pass
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            for _ in range(20):
                self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")
        self.server.wait_for(20)

    def test_a_thousand_idle_connections_do_not_stop_the_others(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
        relay = self.start(ingest={"max_connections": 1020})
        idle = []
        self.addCleanup(lambda: [connection.close() for connection in idle])
        for n in range(1000):
            idle.append(Producer(relay.ingest_socket, support.PATIENCE))
            if n % 3 == 1:
                idle[-1].send('{"half')
            elif n % 3 == 2:
                idle[-1].send("POST /mess")
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            for n in range(100):
                self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")
        self.server.wait_for(100)

    def test_more_connections_than_allowed_are_told_so(self):
        relay = self.start(ingest={"max_connections": 5})
        held = [Producer(relay.ingest_socket, support.PATIENCE) for _ in range(5)]
        self.addCleanup(lambda: [connection.close() for connection in held])
        for producer in held:
            self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")
        with Producer(relay.ingest_socket, support.PATIENCE) as surplus:
            answer = surplus.rest()  # a line that says why, or nothing; then the end
            if answer:
                self.assertEqual(json.loads(answer)["status"], "rejected")
        relay.wait_for_log(r"server\.busy")
        self.assertEqual(held[0].submit(support.event(self.t))["status"], "accepted")
        held.pop().close()

        def accepted():
            try:
                with Producer(relay.ingest_socket, support.PATIENCE) as producer:
                    return producer.submit(support.event(self.t))["status"] == "accepted"
            except (ClosedByPeer, OSError):
                return False
        support.wait_until(accepted, "a free place for a connection")

    def test_a_full_queue_refuses_and_says_when_to_try_again(self):
        self.server.rules({"match": {}, "status": 503})
        relay = self.start(spool={"max_events": 3})
        with Producer(relay.ingest_socket) as producer:
            for n in range(3):
                self.assertEqual(producer.submit(support.event(self.t, uuid=f"n{n}"))["status"],
                                 "accepted")
            answer = producer.submit(support.event(self.t))
            self.assertEqual((answer["status"], answer["code"]), ("rejected", "queue_full"))
            self.assertGreater(answer["retry_after_ms"], 0)
        with ApiConnection(relay.ingest_socket) as connection:
            answer = connection.post(support.event(self.t))
            self.assertIn(answer.status, (429, 503))
            self.assertGreaterEqual(int(answer.fields["retry-after"]), 1)
        sent = self.flowrelay(relay, "send", stdin=support.line(support.event(self.t)))
        self.assertEqual(sent.status, 75, sent)
        self.server.rules()
        self.assertEqual([e["uuid"] for e in self.server.wait_for(3)], ["n0", "n1", "n2"])
        with Producer(relay.ingest_socket) as producer:
            # The relay has its answers a moment after the server has its events.
            support.wait_until(
                lambda: producer.submit(support.event(self.t))["status"] == "accepted",
                "room in the queue")


if __name__ == "__main__":
    support.main()
