"""The log: its formats, its levels, its summing up; and that the checks which every black-box test
makes of it find what they look for."""

import json
import os

import log_lines
import support
from producers import Producer


class Checks(support.RelayTestCase):
    def test_lines_are_read_as_they_are_written(self):
        line = log_lines.parse('2026-11-23T09:00:00.123Z warning event=delivery.retry source=ci '
                               'reason="HTTP 503: \\"later\\"\\n" attempt=3')
        self.assertEqual(line.event, "delivery.retry")
        self.assertEqual(line.fields, {"source": "ci", "reason": 'HTTP 503: "later"\n',
                                       "attempt": "3"})

    def test_what_is_not_documented_is_found(self):
        time = "2026-11-23T09:00:00.123Z"
        for text in ("terminate called", f"{time} info event=no.such_event",
                     f"{time} info event=delivery.retry", f"{time} warning event=delivery.retry x=1",
                     f"{time} warning event=delivery.retry source=a b"):
            self.assertEqual(len(log_lines.problems(text + "\n")), 1, text)
        self.assertEqual(log_lines.problems(f"{time} warning event=delivery.retry source=ci\n{time}"),
                         [])

    def test_a_token_is_found_wherever_it_is_told(self):
        token = self.token()
        with self.assertRaises(AssertionError):
            self.check_secrecy("a program", f"token={token[:16]}...")
        with self.assertRaises(AssertionError):
            self.check_secrecy("a program", f"the token is ...{token[16:]}!")
        self.command(["echo", token])
        with self.assertRaises(AssertionError):
            self.check_outputs()
        self.printed.clear()


class Formats(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.t = self.token()

    def work(self, relay, thread="thread-1"):
        with Producer(relay.ingest_socket) as producer:
            self.assertEqual(producer.submit(support.event(self.t, thread))["status"], "accepted")

    def test_json_is_one_object_a_line_with_the_same_fields(self):
        relay = self.start_relay(self.server.url, log={"format": "json"})
        self.work(relay, 'build "42"')
        self.server.wait_for(1)
        relay.wait_for_log(r"delivery\.delivered")
        relay.stop()
        lines = [json.loads(text) for text in relay.log.splitlines()]
        delivered = next(line for line in lines if line["event"] == "delivery.delivered")
        self.assertEqual(delivered["thread"], 'build "42"')
        self.assertEqual(delivered["status"], 202)
        # Before the file is read nobody knows how to write, but nothing is said then.
        self.assertEqual(log_lines.problems(relay.log), [])

    def test_journal_without_a_journal_is_text_on_stderr(self):
        if os.path.exists("/run/systemd/journal/socket"):
            self.skipTest("there is a journal here: tests/systemd looks at that")
        relay = self.start_relay(self.server.url, log={"format": "journal"})
        self.work(relay)
        self.server.wait_for(1)
        relay.wait_for_log(r"Z debug event=delivery\.delivered")

    def test_what_repeats_is_summed_up(self):
        relay = self.start_relay(self.server.url, log={"level": "info"},
                                 retry={"initial": "10ms", "max": "20ms"})
        # Two threads fail, others go well: it is not the destination's trouble.
        for n in range(2):
            self.server.rules(*({"match": {"external_thread_id": f"bad-{i}"}, "status": 503}
                                for i in range(2)))
            self.work(relay, f"bad-{n}")
        for n in range(150):
            self.work(relay, f"good-{n}")
        self.server.wait_for(150)
        support.wait_until(lambda: relay.status()["since_start"]["retried"] > 100, "many retries")
        lines = [line for line in relay.log.splitlines() if "event=delivery.retry" in line]
        self.assertGreater(len(lines), 0)
        self.assertLessEqual(len(lines), 10)

    def test_every_attempt_has_a_line_at_debug_level_alone(self):
        relay = self.start_relay(self.server.url, log={"level": "debug"},
                                 retry={"initial": "10ms", "max": "20ms"})
        self.server.rules({"match": {"external_thread_id": "bad"}, "times": 30, "status": 503})
        self.work(relay, "bad")
        self.server.wait_for(1)
        relay.wait_for_log(r"event=delivery\.delivered")
        lines = [log_lines.parse(text) for text in relay.log.splitlines()]
        attempts = [line for line in lines if line.event == "delivery.attempt"]
        self.assertEqual([line.fields["attempt"] for line in attempts],
                         [str(n) for n in range(1, 31)])
        self.assertTrue(all(line.fields["thread"] == "bad" for line in attempts))


if __name__ == "__main__":
    support.main()
