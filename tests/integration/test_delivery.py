"""Each outcome of a delivery: what happens to the event, to its thread and to the others."""

import email.utils
import json
import time

import support
from producers import Producer


class Delivery(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.t = self.token()

    def start(self, **settings):
        return self.start_relay(self.server.url, **settings)

    def submit(self, relay, *events):
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            for answer in producer.submit_all(events):
                self.assertEqual(answer["status"], "accepted", answer)

    def uuids(self):
        return [event["uuid"] for event in self.server.delivered()]

    def test_threads_keep_their_order_through_retries(self):
        self.server.rules({"match": {"external_thread_id": "t1"}, "times": 3, "status": 503},
                          {"match": {"external_thread_id": "t2"}, "times": 2, "action": "reset"})
        relay = self.start()
        self.submit(relay, *(support.event(self.t, f"t{n % 4}", uuid=f"n{n}") for n in range(400)))
        arrived = self.server.wait_for(400)
        for lane in range(4):
            mine = [e["uuid"] for e in arrived if e["external_thread_id"] == f"t{lane}"]
            self.assertEqual(mine, [f"n{n}" for n in range(lane, 400, 4)])
        relay.wait_until_idle()

    def test_the_same_thread_of_two_tokens_is_two_threads(self):
        other = self.token()
        self.server.rules({"match": {"flow_token": self.t}, "status": 503})
        relay = self.start()
        self.submit(relay, support.event(self.t, "same", uuid="stuck"),
                    support.event(other, "same", uuid="free"))
        self.assertEqual([e["uuid"] for e in self.server.wait_for(1)], ["free"])
        self.server.rules()
        self.server.wait_for(2)

    def test_each_failure_that_may_pass_is_tried_again_with_the_same_id(self):
        failures = [{"status": status} for status in (408, 425, 500, 502, 503, 504)]
        failures += [{"action": action} for action in ("close", "reset", "garbage",
                                                       "accept_then_close")]
        self.server.rules(*({"match": {"external_thread_id": f"t{n}"}, "times": 2, **failure}
                            for n, failure in enumerate(failures)))
        relay = self.start()
        self.submit(relay, *(support.event(self.t, f"t{n}", uuid=f"n{n}")
                             for n in range(len(failures))))
        relay.wait_until_idle()
        for n, failure in enumerate(failures):
            with self.subTest(failure):
                mine = [r for r in self.server.requests()
                        if r["event"]["external_thread_id"] == f"t{n}"]
                self.assertGreaterEqual(len(mine), 2)
                self.assertEqual({r["event"]["uuid"] for r in mine}, {f"n{n}"})
                self.assertEqual({r["idempotency_key"] for r in mine}, {f"n{n}"})
        status = relay.status()
        self.assertEqual((status["delivered"], status["dead"]), (len(failures), 0))

    def test_a_request_without_an_answer_is_repeated_after_the_timeout(self):
        self.server.rules({"match": {}, "times": 1, "action": "hang"})
        relay = self.start(destination={"request_timeout": "1s"})
        self.submit(relay, support.event(self.t, uuid="u1"))
        relay.wait_until_idle()
        self.assertEqual([r["event"]["uuid"] for r in self.server.requests()], ["u1", "u1"])
        relay.wait_for_log(r"delivery\.retry.*timed")

    def test_a_response_that_trickles_in_is_cut_off_by_the_timeout(self):
        self.server.rules({"match": {}, "times": 1, "action": "trickle", "body": "x" * 1000})
        relay = self.start(destination={"request_timeout": "1s"})
        self.submit(relay, support.event(self.t, uuid="u1"))
        relay.wait_until_idle()
        self.assertEqual(self.uuids()[-1], "u1")

    def test_the_backoff_grows(self):
        self.server.rules({"match": {}, "times": 6, "status": 503})
        relay = self.start(retry={"initial": "100ms", "max": "60s"})
        self.submit(relay, support.event(self.t))
        begun = time.monotonic()
        self.server.wait_for_requests(6)
        # Full jitter: five waits that are 100 ms to 1.6 s at the most, and 1.5 s on average.
        self.assertGreater(time.monotonic() - begun, 0.15, "retried without a wait")
        relay.wait_for_log(r"delivery\.retry")

    def test_retry_after_on_503_holds_the_whole_destination(self):
        for value, least in (("2", 1.9), (lambda: email.utils.formatdate(time.time() + 3,
                                                                         usegmt=True), 1.5)):
            with self.subTest(value):
                value = value() if callable(value) else value
                self.server.rules({"match": {"external_thread_id": "held"}, "times": 1,
                                   "status": 503, "headers": {"Retry-After": value}})
                before = len(self.server.requests())
                relay = self.make_relay(self.server.url, f"relay-{before}").start()
                self.submit(relay, support.event(self.t, "held"))
                relay.wait_for_log(r"destination\.held|delivery\.retry")
                begun = time.monotonic()
                self.submit(relay, support.event(self.t, "another"))
                self.server.wait_for_requests(before + 3)
                self.assertGreater(time.monotonic() - begun, least - 0.3)

    def test_429_holds_the_token_alone(self):
        other = self.token()
        self.server.rules({"match": {"flow_token": self.t}, "times": 1, "status": 429,
                           "headers": {"Retry-After": "2"}})
        relay = self.start()
        self.submit(relay, support.event(self.t, "a", uuid="throttled"))
        relay.wait_for_log(r"token\.throttled")
        begun = time.monotonic()
        self.submit(relay, support.event(self.t, "b", uuid="same-token"),
                    support.event(other, "c", uuid="free"))
        self.assertEqual([e["uuid"] for e in self.server.wait_for(1)], ["free"])
        self.assertLess(time.monotonic() - begun, 1.5)
        self.server.wait_for(3)
        self.assertGreater(time.monotonic() - begun, 1.5)
        self.assertEqual(relay.wait_until_idle()["dead"], 0)

    def test_what_the_api_rejects_goes_to_the_dead_letters_and_its_thread_goes_on(self):
        answer = {"message": "Validation error", "errors": {"content": ["can't be blank"]}}
        for status in (400, 413, 415, 422, 431):
            self.server.rules({"match": {"external_thread_id": f"t{status}"}, "times": 1,
                               "status": status, "body": json.dumps(answer)})
            relay = self.make_relay(self.server.url, f"relay-{status}").start()
            self.submit(relay, support.event(self.t, f"t{status}", uuid=f"bad-{status}"),
                        support.event(self.t, f"t{status}", uuid=f"good-{status}"))
            with self.subTest(status):
                now = relay.wait_until_idle()
                self.assertEqual((now["accepted"], now["delivered"], now["dead"]), (2, 1, 1))
                logged = relay.wait_for_log(r"^.*delivery\.dead.*$").group()
                self.assertIn(str(status), logged)
                self.assertIn("Validation error", logged)
                relay.restart()
                self.assertEqual(relay.status()["dead"], 1)
        self.assertNotIn("bad-422", self.uuids())

    def test_401_parks_the_token_and_keeps_its_events(self):
        other = self.token()
        for status in (401, 403):
            self.server.rules({"match": {"flow_token": self.t}, "status": status})
            relay = self.make_relay(self.server.url, f"relay-{status}").start()
            self.submit(relay, *(support.event(self.t, f"t{n}", uuid=f"p{status}-{n}")
                                 for n in range(50)))
            relay.wait_for_log(r"token\.parked")
            self.submit(relay, support.event(other, uuid=f"free-{status}"))
            with self.subTest(status):
                now = relay.wait_for_status("the other token's event",
                                            lambda now: now["delivered"] == 1)
                self.assertEqual((now["queued"], now["dead"]), (50, 0))
                self.assertEqual(sorted(token["state"] for token in now["tokens"]),
                                 ["active", "parked"])
                tries = len([r for r in self.server.requests() if r["status"] == status])
                self.assertLessEqual(tries, 33, "a parked token was tried on")
                self.server.rules()
                relay.restart()  # tries again at once
                self.assertEqual(relay.wait_until_idle()["delivered"], 51)

    def test_a_wrong_base_url_parks_the_destination_and_loses_nothing(self):
        elsewhere = self.start_devserver()
        redirect = {"Location": elsewhere.url + "/messages"}
        for status, fields in ((404, {}), (405, {}), (301, redirect), (307, redirect)):
            with self.subTest(status):
                self.server.rules({"match": {}, "status": status, "headers": fields})
                before = len(self.server.requests())
                relay = self.make_relay(self.server.url, f"relay-{status}").start()
                self.submit(relay, *(support.event(self.t, f"t{n}", uuid=f"d{status}-{n}")
                                     for n in range(50)))
                relay.wait_for_log(r"destination\.parked")
                now = relay.status()
                self.assertEqual((now["queued"], now["dead"]), (50, 0))
                self.assertEqual(now["destination"]["state"], "parked")
                if fields:
                    self.assertEqual(now["destination"]["reason"],
                                     f"HTTP {status}: redirects to {elsewhere.url}/messages")
                self.assertLessEqual(len(self.server.requests()) - before, 33)
                self.server.rules()
                relay.restart()
                self.assertEqual(relay.wait_until_idle()["delivered"], 50)
                relay.stop()
        self.assertEqual(elsewhere.requests(), [], "a redirect was followed")

    def test_events_wait_for_a_server_that_is_not_there_yet(self):
        port = support.free_port()
        relay = self.start_relay(f"http://127.0.0.1:{port}")
        self.submit(relay, *(support.event(self.t, f"t{n % 5}", uuid=f"n{n}") for n in range(100)))
        relay.wait_for_log(r"destination\.down")
        self.assertEqual(relay.status()["destination"]["state"], "down")
        relay.restart()
        relay.wait_for_log(r"destination\.down")  # it finds out anew
        server = self.start_devserver(listen=f"127.0.0.1:{port}")
        arrived = server.wait_for(100)
        for lane in range(5):
            mine = [e["uuid"] for e in arrived if e["external_thread_id"] == f"t{lane}"]
            self.assertEqual(mine, [f"n{n}" for n in range(lane, 100, 5)])
        relay.wait_for_log(r"destination\.up")
        self.assertEqual(relay.wait_until_idle()["delivered"], 100)
        lines = [text for text in relay.log.splitlines() if "delivery.retry" in text]
        self.assertLess(len(lines), 30, "an outage floods the log")

    def test_events_that_grow_too_old_are_dead_letters(self):
        self.server.rules({"match": {"external_thread_id": "stuck"}, "status": 503})
        relay = self.start()
        self.submit(relay, support.event(self.t, "stuck", relay={"expires_in": "1s"}),
                    support.event(self.t, "stuck"))
        now = relay.wait_for_status("the expiry", lambda now: now["expired"] == 1)
        self.assertEqual((now["queued"], now["unaccounted"]), (1, 0))
        relay.wait_for_log(r"delivery\.expired")
        self.server.rules()
        self.assertEqual(relay.wait_until_idle()["delivered"], 1)

    def test_connections_are_kept(self):
        relay = self.start(destination={"max_connections": 4})
        self.submit(relay, *(support.event(self.t, f"t{n % 20}") for n in range(500)))
        self.server.wait_for(500)
        connections = {r["connection"] for r in self.server.requests()}
        self.assertLessEqual(len(connections), 4)

    def test_a_connection_that_the_server_closed_while_idle_costs_nothing(self):
        self.server.terminate()
        server = self.start_devserver(listen=f"127.0.0.1:{self.server.port}")
        relay = self.start()
        self.submit(relay, support.event(self.t, uuid="n1"))
        server.wait_for(1)
        server.terminate()
        server = self.start_devserver(listen=f"127.0.0.1:{self.server.port}")
        self.submit(relay, support.event(self.t, uuid="n2"))
        server.wait_for(1)
        self.assertNotIn("delivery.retry", relay.log)


if __name__ == "__main__":
    support.main()
