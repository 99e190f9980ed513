"""A destination that says no to everything: the set-up is wrong, and no event is lost for it."""

import support
from producers import Producer


class Refusals(support.RelayTestCase):
    def start(self, **settings):
        self.server = self.start_devserver()
        self.secrets = [self.token(), self.token()]
        self.relay = self.start_relay(self.server.url, **settings)

    def submit(self, secret, threads):
        with Producer(self.relay.ingest_socket) as producer:
            for thread in threads:
                answer = producer.submit(support.event(secret, thread))
                self.assertEqual(answer["status"], "accepted", answer)

    def test_the_same_refusal_for_all_makes_no_dead_letters(self):
        for status in (400, 422):
            with self.subTest(status=status):
                self.check(status)

    def check(self, status):
        self.server = self.start_devserver()
        secret = self.token()
        relay = self.make_relay(self.server.url, name=f"relay-{status}",
                                dead_letters={"max_events": 100}).start()
        self.relay = relay
        self.server.rules({"status": status, "body": "<html><head><title>The plain HTTP request "
                           "was sent to HTTPS port</title></head></html>"})
        self.submit(secret, [f"t{n % 60}" for n in range(300)])
        now = relay.wait_for_status("parked", lambda now: now["dead_letters"] == 0
                                    and now["tokens"][0]["state"] == "parked"
                                    and now["dead_letters_replayed"] >= 1)
        self.assertEqual((now["dropped"], now["unaccounted"]), (0, 0))
        self.assertIn("The plain HTTP request was sent to HTTPS port", now["tokens"][0]["reason"])
        self.assertIn("every event is refused like this", now["tokens"][0]["reason"])
        self.server.rules()
        outcome = self.flowrelay(relay, "reload")
        self.assertEqual(outcome.status, 0, outcome)
        now = relay.wait_for_status("all of them", lambda now: now["delivered"] == 300)
        self.assertEqual((now["dead"], now["dropped"], now["unaccounted"]), (0, 0, 0))

    def test_two_tokens_that_are_refused_everything_wait_and_lose_nothing(self):
        self.start()
        self.server.rules({"status": 400, "body": {"title": "Bad", "detail": "not here"}})
        for secret in self.secrets:
            self.submit(secret, [f"t{n}" for n in range(20)])
        now = self.relay.wait_for_status(
            "parked", lambda now: now["dead_letters"] == 0 and
            (now["destination"]["state"] == "parked" or
             [token["state"] for token in now["tokens"]] == ["parked", "parked"]))
        self.assertIn("Bad: not here", str(now))
        self.server.rules()
        self.assertEqual(self.flowrelay(self.relay, "reload").status, 0)
        self.relay.wait_for_status("all of them", lambda now: now["delivered"] == 40)

    def test_a_status_that_is_never_about_one_event_parks(self):
        self.start()
        for n, (status, whose) in enumerate([(421, "destination"), (426, "destination"),
                                             (501, "destination"), (451, "destination"),
                                             (402, "token")]):
            with self.subTest(status=status):
                self.server.rules({"status": status})
                self.submit(self.secrets[0], [f"t{status}"])

                def parked(now, whose=whose):
                    at = now["destination"] if whose == "destination" else now["tokens"][0]
                    return at["state"] == "parked"
                now = self.relay.wait_for_status(f"{whose} parked by {status}", parked)
                self.assertEqual((now["dead"], now["queued"]), (0, 1))
                self.server.rules()
                self.assertEqual(self.flowrelay(self.relay, "reload").status, 0)
                self.relay.wait_for_status("it", lambda now, n=n: now["delivered"] == n + 1)


if __name__ == "__main__":
    support.main()
