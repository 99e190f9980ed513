"""Accepted events, over NDJSON and with the command: what is answered and what arrives."""

import json
import re
import signal
import threading

import support
from producers import ApiConnection, ClosedByPeer, Producer

UUID_V7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


class Ingest(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.t = self.token()

    def start(self, **settings):
        return self.start_relay(self.server.url, **settings)

    def test_an_event_is_accepted_and_arrives(self):
        relay = self.start()
        with Producer(relay.ingest_socket) as producer:
            answer = producer.submit(support.event(self.t, body="<b>build 42</b>"))
        self.assertEqual(answer["status"], "accepted")
        self.assertNotIn("duplicate", answer)
        self.assertRegex(answer["id"], f"^{UUID_V7}$")
        request, = self.server.wait_for_requests(1)
        self.assertEqual((request["method"], request["path"]), ("POST", "/messages"))
        self.assertEqual(request["idempotency_key"], answer["id"])
        fields = {name.lower(): value for name, value in dict(request["headers"]).items()}
        self.assertTrue(fields["content-type"].startswith("application/json"), fields)
        self.assertEqual(request["event"],
                         support.event(self.t, body="<b>build 42</b>", uuid=answer["id"]))
        status = relay.wait_until_idle()
        self.assertEqual((status["accepted"], status["delivered"]), (1, 1))

    def test_the_producers_uuid_is_the_id(self):
        relay = self.start()
        with Producer(relay.ingest_socket) as producer:
            answer = producer.submit(support.event(self.t, uuid="build-42/failed"))
        self.assertEqual(answer, {"status": "accepted", "id": "build-42/failed"})
        request, = self.server.wait_for_requests(1)
        self.assertEqual(request["idempotency_key"], "build-42/failed")
        self.assertEqual(request["event"]["uuid"], "build-42/failed")
        self.assertEqual(request["body"].count('"uuid"'), 1)
        self.assertEqual(request["body"].count('"flow_token"'), 1)

    def test_a_repeated_uuid_is_accepted_and_delivered_once(self):
        relay = self.start()
        other = self.token()
        with Producer(relay.ingest_socket) as producer:
            first = producer.submit(support.event(self.t, uuid="u1"))
            again = producer.submit(support.event(self.t, uuid="u1"))
            elsewhere = producer.submit(support.event(other, uuid="u1"))
        self.assertEqual(first, {"status": "accepted", "id": "u1"})
        self.assertEqual(again, {"status": "accepted", "id": "u1", "duplicate": True})
        self.assertEqual(elsewhere, {"status": "accepted", "id": "u1"})
        relay.wait_until_idle()
        self.assertEqual(sorted(e["flow_token"] for e in self.server.delivered()),
                         sorted([self.t, other]))
        relay.restart()
        with Producer(relay.ingest_socket) as producer:
            self.assertTrue(producer.submit(support.event(self.t, uuid="u1")).get("duplicate"))
        self.assertEqual(relay.wait_until_idle()["delivered"], 2)

    def test_a_thousand_lines_at_once_are_answered_in_order(self):
        relay = self.start()
        events = [support.event(self.t, thread=f"thread-{n % 50}", uuid=f"n{n}")
                  for n in range(1000)]
        for n in range(0, 1000, 100):
            del events[n]["title"]
        with Producer(relay.ingest_socket) as producer:
            answers = producer.submit_all(events)
        for n, answer in enumerate(answers):
            if n % 100 == 0:
                self.assertEqual((answer["status"], answer["code"]), ("rejected", "invalid_event"))
            else:
                self.assertEqual(answer, {"status": "accepted", "id": f"n{n}"})
        arrived = self.server.wait_for(990)
        for thread in range(50):
            mine = [e["uuid"] for e in arrived if e["external_thread_id"] == f"thread-{thread}"]
            self.assertEqual(mine, [f"n{n}" for n in range(thread, 1000, 50) if n % 100])

    def test_the_body_keeps_the_producers_bytes(self):
        relay = self.start()
        members = ('"event":"activity", "title" : "caf\\u00e9 \\/ \u00fc","author":{"name":"CI"},\t'
                   '"thread_id":"t","number":1.50E+03,"big":123456789012345678901234567890,'
                   '"nested":{"b":[ 1,2.0 ],"a":null,"":true}')
        with Producer(relay.ingest_socket) as producer:
            answer = producer.submit('{"flow_token":"%s",%s}\r\n' % (self.t, members))
            self.assertEqual(answer["status"], "accepted", answer)
        text = self.server.wait_for_requests(1)[0]["body"]
        for part in ('caf\\u00e9 \\/ \u00fc', "1.50E+03", "123456789012345678901234567890",
                     '{"b":[ 1,2.0 ],"a":null,"":true}'):
            self.assertIn(part, text)
        self.assertEqual(json.loads(text), {"flow_token": self.t, "uuid": answer["id"],
                                            **json.loads("{" + members + "}")})

    def test_a_source_stands_for_its_token_and_defaults(self):
        relay = self.start(sources=[{"name": "ci", "flow_token_file": self.token_file(self.t),
                                     "defaults": {"author": {"name": "CI"}, "tags": ["build"]}}])
        with Producer(relay.ingest_socket) as producer:
            answer = producer.submit({"source": "ci", "external_thread_id": "build-42",
                                      "title": "failed", "relay": {"expires_in": "2h"}})
        self.assertEqual(answer["status"], "accepted", answer)
        arrived, = self.server.wait_for(1)
        self.assertEqual(arrived, {
            "flow_token": self.t, "uuid": answer["id"], "event": "activity", "title": "failed",
            "external_thread_id": "build-42", "author": {"name": "CI"}, "tags": ["build"]})

    def test_a_producer_that_is_done_sending_still_gets_its_answers(self):
        relay = self.start()
        with Producer(relay.ingest_socket) as producer:
            for n in range(100):
                producer.send(support.line(support.event(self.t, uuid=f"n{n}")))
            producer.finish_sending()
            answers = [json.loads(text) for text in producer.rest().splitlines()]
        self.assertEqual([answer.get("id") for answer in answers], [f"n{n}" for n in range(100)])
        self.server.wait_for(100)

    def test_many_producers_at_once(self):
        relay = self.start()
        failures = []

        def produce(number):
            try:
                with Producer(relay.ingest_socket) as producer:
                    for n in range(50):
                        answer = producer.submit(support.event(
                            self.t, thread=f"thread-{number}", uuid=f"{number}-{n}"))
                        assert answer["status"] == "accepted", answer
            except (AssertionError, OSError, ClosedByPeer) as error:
                failures.append(error)

        threads = [threading.Thread(target=produce, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(support.PATIENCE)
        self.assertEqual(failures, [])
        arrived = self.server.wait_for(800)
        for number in range(16):
            mine = [e["uuid"] for e in arrived if e["external_thread_id"] == f"thread-{number}"]
            self.assertEqual(mine, [f"{number}-{n}" for n in range(50)])
        self.assertEqual(relay.wait_until_idle()["accepted"], 800)

    def test_the_tcp_listener_takes_both_protocols(self):
        port = support.free_port()
        self.start(ingest={"listen": f"127.0.0.1:{port}"})
        with Producer(("127.0.0.1", port)) as producer:
            self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")
        with ApiConnection(("127.0.0.1", port)) as connection:
            self.assertEqual(connection.post(support.event(self.t)).status, 202)
        self.server.wait_for(2)


class Command(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.t = self.token()

    def start(self):
        return self.start_relay(self.server.url, sources=[
            {"name": "ci", "flow_token_file": self.token_file(self.t),
             "defaults": {"author": {"name": "CI"}}}])

    def test_send_builds_an_event_from_flags(self):
        relay = self.start()
        sent = self.flowrelay(relay, "send", "--source", "ci", "--thread", "build-42",
                              "--title", "build failed", "--status", "red:failed",
                              "--field", "Branch=main", "--body", "-", stdin="three tests fail\n")
        self.assertEqual(sent.status, 0, sent)
        arrived, = self.server.wait_for(1)
        self.assertEqual(arrived["flow_token"], self.t)
        self.assertEqual(arrived["external_thread_id"], "build-42")
        self.assertEqual(arrived["title"], "build failed")
        self.assertIn("three tests fail", arrived["body"])
        self.assertEqual(arrived["thread"]["status"], {"color": "red", "value": "failed"})
        self.assertEqual(arrived["thread"]["fields"], [{"label": "Branch", "value": "main"}])

    def test_send_passes_ndjson_on(self):
        relay = self.start()
        lines = "".join(support.line({"source": "ci", "external_thread_id": "t", "title": f"n{n}",
                                      "uuid": f"n{n}"}) for n in range(500))
        sent = self.flowrelay(relay, "send", stdin=lines)
        self.assertEqual(sent.status, 0, sent)
        self.assertEqual([e["uuid"] for e in self.server.wait_for(500)],
                         [f"n{n}" for n in range(500)])

    def test_send_says_by_its_exit_status_how_it_went(self):
        relay = self.start()
        good = ("--source", "ci", "--thread", "t", "--title", "x")
        self.assertEqual(self.flowrelay(relay, "send", "--no-such-option").status, 64)
        rejected = self.flowrelay(relay, "send", "--source", "nobody", "--thread", "t",
                                  "--title", "x")
        self.assertEqual(rejected.status, 65, rejected)
        self.assertIn("nobody", rejected.stderr)
        self.assertEqual(self.flowrelay(relay, "send", stdin='{"source":"ci"}\n').status, 65)
        self.assertEqual(relay.stop(), 0)
        nobody_there = self.flowrelay(relay, "send", *good)
        self.assertEqual(nobody_there.status, 69, nobody_there)
        self.assertIn(str(relay.ingest_socket), nobody_there.stderr)

    def test_send_does_not_hang_when_the_daemon_does(self):
        relay = self.start()
        relay.program.process.send_signal(signal.SIGSTOP)
        try:
            sent = self.flowrelay(relay, "send", "--source", "ci", "--thread", "t", "--title", "x")
        finally:
            relay.program.process.send_signal(signal.SIGCONT)
        self.assertEqual(sent.status, 75, sent)

    def test_status_shows_the_account(self):
        relay = self.start()
        self.flowrelay(relay, "send", "--source", "ci", "--thread", "t", "--title", "x")
        relay.wait_until_idle()
        shown = self.flowrelay(relay, "status")
        self.assertEqual(shown.status, 0, shown)
        self.assertTrue(re.search(r"delivered\D+1\b", shown.stdout), shown)
        self.assertTrue(re.search(r"unaccounted\D+0\b", shown.stdout), shown)
        as_json = json.loads(self.flowrelay(relay, "status", "--json").stdout)
        self.assertEqual((as_json["accepted"], as_json["delivered"], as_json["queued"],
                          as_json["unaccounted"]), (1, 1, 0, 0))


if __name__ == "__main__":
    support.main()
