"""The dead letters: when they are full nothing is lost, and everything goes on when there is room."""

import json
import unittest

import support
from producers import Producer


class DeadLetters(support.RelayTestCase):
    def start(self, **settings):
        self.server = self.start_devserver()
        self.secret = self.token()
        self.relay = self.start_relay(
            self.server.url,
            sources=[{"name": "ci", "flow_token_file": self.token_file(self.secret)}], **settings)

    def submit(self, threads):
        with Producer(self.relay.ingest_socket) as producer:
            for thread in threads:
                answer = producer.submit(support.event(self.secret, thread))
                self.assertEqual(answer["status"], "accepted", answer)

    def run_flowrelay(self, *arguments):
        outcome = self.flowrelay(self.relay, *arguments)
        self.assertEqual(outcome.status, 0, outcome)
        return outcome.stdout

    def test_a_long_outage_loses_nothing(self):
        self.start(retry={"max_age": "1s"}, dead_letters={"max_events": 5})
        self.server.rules({"status": 503})
        threads = [f"t{n}" for n in range(40)]
        self.submit(threads)
        now = self.relay.wait_for_status("full", lambda now: now["dead_letters_full"])
        self.assertEqual((now["dead_letters"], now["expired"], now["queued"], now["dropped"]),
                         (5, 5, 35, 0))
        self.relay.wait_for_log("event=dead_letters.full")
        self.assertIn("FULL", self.run_flowrelay("status"))
        self.server.rules()
        self.run_flowrelay("queue", "retry", "--all")
        now = self.relay.wait_until_idle()
        self.assertEqual((now["delivered"], now["expired"], now["dropped"], now["unaccounted"]),
                         (35, 5, 0, 0))
        self.run_flowrelay("dead", "replay", "--all")
        now = self.relay.wait_for_status("the rest", lambda now: now["delivered"] == 40)
        self.assertEqual((now["dead_letters"], now["dead_letters_full"]), (0, False))
        self.assertEqual(len({e["external_thread_id"] for e in self.server.delivered()}), 40)

    def test_a_refused_event_holds_its_thread_until_there_is_room(self):
        self.start(dead_letters={"max_events": 3})
        # One event in four is fine: it is not the set-up that is wrong.
        self.server.rules({"match": {"external_thread_id": "bad"}, "status": 422,
                           "body": {"message": "no such field"}})
        for _ in range(3):
            self.submit(["good", "bad"])
        self.relay.wait_for_status("full", lambda now: now["dead_letters_full"])
        self.submit(["bad", "good"])
        now = self.relay.wait_for_status("held", lambda now: now["held_lanes"] == 1)
        self.assertEqual(now["dead_letters"], 3)
        story = json.loads(self.run_flowrelay("explain", "bad", "--json"))
        self.assertIn("dead_letters_full", json.dumps(story))
        self.relay.wait_for_status("the other thread", lambda now: now["delivered"] == 4)
        self.run_flowrelay("dead", "drop", "2", "4", "--yes")
        now = self.relay.wait_for_status("its place", lambda now: now["held_lanes"] == 0
                                         and now["queued"] == 0)
        self.assertEqual(now["since_start"]["dropped_by_operator"] + now["dead_letters"], 4)
        self.assertEqual((now["since_start"]["dropped_by_age"], now["unaccounted"]), (0, 0))


if __name__ == "__main__":
    support.main()
