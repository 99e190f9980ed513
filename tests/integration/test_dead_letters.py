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

    def refused(self, source, count, size):
        """Events of this size that are refused, each after one that is not."""
        with Producer(self.relay.ingest_socket) as producer:
            for _ in range(count):
                for thread in ("good", "bad"):
                    answer = producer.submit({"source": source, "external_thread_id": thread,
                                              "title": "t", "author": {"name": "a"},
                                              "body": "x" * size if thread == "bad" else ""})
                    self.assertEqual(answer["status"], "accepted", answer)

    def assert_letters(self, letters, replayed, full):
        now = self.relay.wait_for_status(
            f"{letters} dead letters", lambda now: now["dead_letters"] == letters
            and now["dead_letters_full"] == full and now["dead_letters_replayed"] == replayed)
        self.assertEqual((now["queued"], now["dropped"], now["unaccounted"]), (0, 0, 0))
        ci, = (token for token in now["tokens"] if token["name"] == "ci")
        self.assertEqual(ci["queued"], replayed)

    def test_replayed_letters_that_wait_take_no_room_from_new_ones(self):
        """They are queued events: neither their number nor their bytes count."""
        for limits, size in (({"max_events": 3}, 1), ({"max_bytes": "1MiB"}, 360_000)):
            with self.subTest(limits):
                self.server = self.start_devserver()
                self.server.rules({"match": {"external_thread_id": "bad"}, "status": 422})
                self.relay = self.start_relay(
                    self.server.url, name=f"relay-{size}", dead_letters=limits,
                    ingest={"max_event_size": "1MiB"}, sources=[
                        {"name": name, "flow_token_file": self.token_file(self.token(), name)}
                        for name in ("ci", "web")])
                self.refused("ci", 3, size)
                self.assert_letters(letters=3, replayed=0, full=True)
                self.run_flowrelay("source", "pause", "ci")
                self.run_flowrelay("dead", "replay", "--all")
                self.assert_letters(letters=0, replayed=3, full=False)
                self.relay.restart()
                self.assert_letters(letters=0, replayed=3, full=False)
                self.refused("web", 3, size)
                self.assert_letters(letters=3, replayed=3, full=True)
                self.server.rules()
                self.run_flowrelay("source", "resume", "ci")
                self.relay.wait_for_status("their delivery", lambda now: now["delivered"] == 9)
                self.assert_letters(letters=3, replayed=0, full=True)
                self.relay.stop()


if __name__ == "__main__":
    support.main()
