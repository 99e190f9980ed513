"""410 Gone: the token is disabled at once and for good, everything stored for it is erased, and
nobody else notices."""

import subprocess
import unittest

import support
from metric_samples import scrape
from producers import ApiConnection, Producer


class Gone(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.gone = self.token()
        self.other = self.token()
        # What must not be found on disk afterwards; ids included.
        self.traces = [self.gone, "body-of-the-removed", "thread-of-the-removed",
                       "uuid-of-the-removed", "title-of-the-removed"]

    def removed_event(self, number, thread=""):
        return support.event(self.gone, f"thread-of-the-removed{thread}",
                             uuid=f"uuid-of-the-removed-{number}", title="title-of-the-removed",
                             body=f"body-of-the-removed {number}")

    def submit(self, relay, *events):
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            answers = producer.submit_all(events)
        for answer in answers:
            self.assertEqual(answer["status"], "accepted", answer)

    def assert_refused(self, relay):
        with Producer(relay.ingest_socket) as producer:
            answer = producer.submit(self.removed_event("late"))
        self.assertEqual((answer["status"], answer.get("code")), ("rejected", "token_gone"), answer)
        with ApiConnection(relay.ingest_socket) as connection:
            self.assertEqual(connection.post(self.removed_event("late")).status, 410)

    def assert_nothing_left(self, relay):
        self.assertEqual(relay.files_with(*self.traces), [])

    def answer_410(self):
        self.server.rules({"match": {"flow_token": self.gone}, "status": 410})

    def test_everything_of_the_token_is_erased_and_the_other_goes_on(self):
        relay = self.start_relay(self.server.url, gone={"grace": "0s"})
        # Some was delivered, some is a dead letter, some waits.
        self.server.rules({"match": {"external_thread_id": "thread-of-the-removed-422"},
                           "status": 422},
                          {"match": {"external_thread_id": "thread-of-the-removed-503"},
                           "status": 503})
        self.submit(relay, *(self.removed_event(n) for n in range(20)),
                    *(self.removed_event(f"dead-{n}", "-422") for n in range(5)),
                    *(self.removed_event(f"waiting-{n}", "-503") for n in range(30)),
                    *(support.event(self.other, f"t{n}", uuid=f"other-{n}", body="kept-body")
                      for n in range(20)))
        relay.wait_for_status("the first part", lambda now: now["delivered"] == 40
                              and now["dead"] == 5)
        self.assertNotEqual(relay.files_with(*self.traces), [], "the check itself finds nothing")

        self.answer_410()
        relay.wait_for_log(r"token\.gone")
        relay.wait_for_log(r"token\.erased")
        self.assert_nothing_left(relay)
        self.assert_refused(relay)
        self.assert_nothing_left(relay)
        now = relay.wait_until_idle()
        self.assertEqual(now["accepted"], 75)
        self.assertEqual(now["delivered"] + now["dead"] + now["expired"] + now["erased"]
                         + now["dropped"], 75)
        self.assertEqual((now["delivered"], now["erased"] >= 30), (40, True), now)

        self.submit(relay, support.event(self.other, uuid="other-after"))
        self.server.wait_for(41)
        tries = [r for r in self.server.requests() if r["event"]["flow_token"] == self.gone]
        relay.restart()
        self.assert_refused(relay)
        self.submit(relay, support.event(self.other, uuid="other-restarted"))
        self.server.wait_for(42)
        self.assert_nothing_left(relay)
        self.assertEqual(relay.wait_until_idle()["delivered"], 42)
        again = [r for r in self.server.requests() if r["event"]["flow_token"] == self.gone]
        self.assertEqual(len(again), len(tries), "the token was used again")

    @unittest.skipUnless(support.can_mount(), "it takes a small file system")
    def test_an_erasure_on_a_full_disk_waits_and_says_so(self):
        disk = self.directory / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", disk], check=True, timeout=60)
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=False, timeout=60)
        relay = self.make_relay(self.server.url, gone={"grace": "1s"},
                                ingest={"max_event_size": "100KiB"}, metrics={"listen": "127.0.0.1:0"},
                                spool={"segment_size": "1MiB", "directory": str(disk / "state")})
        relay.state = disk / "state"
        relay.start()
        self.server.rules({"match": {"external_thread_id": "thread-of-the-removed-422"}, "status": 422})
        self.submit(relay, *(self.removed_event(n) for n in range(20)))
        self.server.wait_for(20)
        self.submit(relay, *(self.removed_event(f"dead-{n}", "-422") | {"body": "x" * 80_000} for n in range(5)))
        relay.wait_for_status("the letters", lambda now: now["dead_letters"] == 5)
        with open(disk / "filler", "wb", buffering=0) as filler:
            with self.assertRaises(OSError):
                while True:
                    filler.write(b"x" * 65536)
        self.answer_410()
        with Producer(relay.ingest_socket) as producer:
            producer.submit(self.removed_event("last"))
        now = relay.wait_for_status("the failure", lambda now: "erasure_waits" in now["tokens"][0])
        self.assertEqual(now["tokens"][0]["state"], "gone")
        self.assertNotIn("erase_in_s", now["tokens"][0])
        self.assertIn("No space left on device", now["tokens"][0]["erasure_waits"])
        self.assertRegex(self.flowrelay(relay, "status").stdout,
                         r"(?m)answered 410; the erasure waits and is tried again by itself: .*No space left")
        self.assertIn("(the erasure waits: ", self.flowrelay(relay, "health").stdout)
        # The queue has room to note the end of its events; the letters have none.
        now = relay.wait_for_status("what is left", lambda now: now["tokens"][0]["queued"] == 0)
        self.assertEqual((now["erased"], now["dead_letters"]), (1, 5), now)
        self.assertEqual(scrape(relay)[("flowrelay_tokens", (("state", "gone"),))], 1)
        relay.wait_for_log(r"event=token\.erase_failed .*No space left")
        (disk / "filler").unlink()
        relay.restart()  # else it is tried again after a minute
        relay.wait_for_log(r"event=token\.erased")
        now = relay.status()
        self.assertEqual((now["tokens"][0]["state"], now["dead_letters"], now["unaccounted"]), ("erased", 0, 0))
        self.assertNotIn("erasure_waits", now["tokens"][0])
        self.assert_nothing_left(relay)
        self.assertEqual(relay.stop(), 0)

    def test_the_grace_is_waited_for_and_the_token_disabled_meanwhile(self):
        relay = self.start_relay(self.server.url, gone={"grace": "2s"})
        self.answer_410()
        self.submit(relay, *(self.removed_event(n) for n in range(10)))
        relay.wait_for_log(r"token\.gone")
        self.assert_refused(relay)
        self.assertNotRegex(relay.log, r"token\.erased")
        relay.restart()
        self.assert_refused(relay)
        relay.wait_for_log(r"token\.erased")
        self.assert_nothing_left(relay)
        self.assertEqual(relay.wait_until_idle()["accepted"], 10)

    def test_a_crash_between_410_and_erasure_does_not_stop_it(self):
        relay = self.start_relay(self.server.url, gone={"grace": "1s"})
        self.answer_410()
        self.submit(relay, *(self.removed_event(n) for n in range(10)))
        relay.wait_for_log(r"token\.gone")
        self.assert_refused(relay)
        # The registry has what became of a token before the next event is answered.
        self.submit(relay, support.event(self.other, uuid="other"))
        relay.kill()
        self.server.rules()
        relay.start()
        self.assert_refused(relay)
        relay.wait_for_log(r"token\.erased")
        self.assert_nothing_left(relay)
        relay.wait_until_idle()
        tokens = {event["flow_token"] for event in self.server.delivered()}
        self.assertEqual(tokens, {self.other})

    def test_a_source_is_known_to_be_gone_until_it_has_a_new_token(self):
        source = {"name": "ci", "flow_token_file": self.token_file(self.gone)}
        relay = self.start_relay(self.server.url, gone={"grace": "0s"}, sources=[source])
        self.answer_410()
        event = {"source": "ci", "event": "activity", "title": "title-of-the-removed",
                 "author": {"name": "CI"}, "external_thread_id": "thread-of-the-removed"}
        self.submit(relay, event)
        relay.wait_for_log(r"token\.erased")
        self.assert_nothing_left(relay)
        for _ in range(2):
            with Producer(relay.ingest_socket) as producer:
                self.assertEqual(producer.submit(event).get("code"), "token_gone")
            relay.restart()
        self.token_file(self.other)
        relay.restart()
        self.submit(relay, {**event, "uuid": "renewed"})
        arrived, = self.server.wait_for(1)
        self.assertEqual((arrived["flow_token"], arrived["uuid"]), (self.other, "renewed"))

    def test_events_that_come_in_while_the_410_does_are_accounted_for(self):
        relay = self.start_relay(self.server.url, gone={"grace": "0s"})
        self.server.rules({"match": {"flow_token": self.gone}, "status": 410, "delay_ms": 20})
        accepted = 0
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            for n in range(5000):
                answer = producer.submit(self.removed_event(n, f"-{n % 50}"))
                if answer["status"] == "rejected":
                    self.assertEqual(answer["code"], "token_gone")
                    break
                accepted += 1
        self.assertLess(accepted, 5000)
        relay.wait_for_log(r"token\.erased")
        now = relay.wait_until_idle()
        self.assertEqual((now["accepted"], now["erased"]), (accepted, accepted))
        self.assert_nothing_left(relay)

    def test_a_410_by_mistake_is_taken_back_also_after_the_source_got_a_new_token(self):
        source = {"name": "ci", "flow_token_file": self.token_file(self.gone)}
        relay = self.start_relay(self.server.url, sources=[source])
        self.server.rules({"match": {"flow_token": self.gone}, "status": 410})
        event = {"source": "ci", "event": "activity", "title": "of the old token",
                 "author": {"name": "CI"}, "external_thread_id": "old"}
        self.submit(relay, event)
        relay.wait_for_log(r"token\.gone")
        health = self.flowrelay(relay, "health")
        self.assertEqual(health.status, 1, health)
        self.assertRegex(health.stdout, r"ci \(erased in 59m\d*s?\), and 1 queued with it")
        # A reload says what it does not change.
        outcome = self.flowrelay(relay, "reload")
        self.assertRegex(outcome.stdout, r"Look at ci: it is gone, with 1 event queued, erased in 59m")

        # What the page says to do when the integration is added anew.
        self.token_file(self.other)
        outcome = self.flowrelay(relay, "reload")
        self.assertRegex(outcome.stdout, r"(?m)^  source ci is new; active, 0 events queued$")
        self.assertNotIn("nothing has changed", outcome.stdout)
        self.assertRegex(outcome.stdout, r"Look at ci: it is gone")
        self.submit(relay, {**event, "title": "of the new token", "external_thread_id": "new"})
        delivered, = self.server.wait_for(1)
        self.assertEqual(delivered["flow_token"], self.other)
        self.assertRegex(self.flowrelay(relay, "source", "list").stdout,
                         r"(?s)ci +configured +active .*|ci +unconfigured +gone +1 .*erased in 59m")

        # One name does not hide the events of the other slot.
        self.assertIn("old", self.flowrelay(relay, "queue", "list", "--source", "ci").stdout)
        self.assertRegex(self.flowrelay(relay, "explain", "ci").stdout,
                         r"also token-1, of the same name: gone, with 1 event queued, erased in 59m")
        self.assertIn("is gone", self.flowrelay(relay, "explain", "--source", "ci", "--thread", "old").stdout)

        # It was a mistake over there: the old token is right after all.
        self.server.rules()
        outcome = self.flowrelay(relay, "source", "enable", "ci")
        self.assertEqual(outcome.status, 0, outcome)
        self.token_file(self.gone)
        self.assertEqual(self.flowrelay(relay, "reload").status, 0)
        both = self.server.wait_for(2)
        self.assertEqual([each["flow_token"] for each in both if each["title"] == "of the old token"],
                         [self.gone])
        self.assertNotRegex(relay.log, r"token\.erased")


if __name__ == "__main__":
    support.main()
