"""report_problems: the people in the flow read what is wrong with a source, and no longer when it is
over; and nothing that becomes of such a report touches a delivery."""

import json
import time

import support
from producers import Producer

TIMES = {"after": "200ms", "clear_after": "500ms", "interval": "1s"}


class Reports(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.t = self.token()

    def sources(self, **members):
        return [{"name": "ci", "flow_token_file": self.token_file(self.t), "report_problems": True,
                 "defaults": {"author": {"name": "CI"}}, **members}]

    def start(self, *, members=None, **settings):
        return self.start_relay(self.server.url, sources=self.sources(**(members or {})),
                                problem_reports=TIMES, **settings)

    def send(self, relay, thread="t", **members):
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            answer = producer.submit({"source": "ci", "external_thread_id": thread,
                                      "title": "a-title-to-keep-private", **members})
        self.assertEqual(answer["status"], "accepted", answer)

    def shown(self):
        """What the flow shows of the source; None if nobody has ever said anything."""
        source = json.loads(self.server.call("GET", "/_dev/sources")).get(self.t)
        return source["error_message"] if source else None

    def updates(self):
        source = json.loads(self.server.call("GET", "/_dev/sources")).get(self.t)
        return source["updates"] if source else 0

    def wait_for_message(self, *words):
        def look():
            message = self.shown()
            return message and all(word in message for word in words) and message
        message = support.wait_until(look, f"a message with {words}")
        self.assertNotIn(self.t, message)
        self.assertNotIn("private", message)
        return message

    def wait_until_cleared(self):
        support.wait_until(lambda: self.shown() == "", "the message to be cleared")

    def test_a_refused_token_is_reported_and_cleared_when_it_is_taken_again(self):
        self.server.rules({"match": {"flow_token": self.t}, "status": 401,
                           "body": {"message": f"never heard of {self.t}"}})
        relay = self.start()
        self.send(relay)
        self.wait_for_message("token is refused (HTTP 401)", "Nothing is lost", "explain ci")
        relay.wait_for_log(r"event=report\.sent source=ci problem=parked")
        self.server.rules()
        self.flowrelay(relay, "source", "resume", "ci")
        self.wait_until_cleared()
        relay.wait_for_log(r"event=report\.cleared source=ci")
        self.assertEqual(self.updates(), 2)

    def test_events_that_die_are_reported_once(self):
        self.server.rules({"match": {"external_thread_id": "bad"}, "status": 422})
        relay = self.start()
        for _ in range(50):
            self.send(relay, "bad")
            self.send(relay, "good")
        self.wait_for_message("refused as invalid (HTTP 422)", "dead list --source ci")
        self.send(relay, "good")
        self.wait_until_cleared()
        self.assertEqual(self.updates(), 2)

    def test_a_held_thread_stays_a_problem_until_it_goes_on(self):
        self.server.rules({"match": {"external_thread_id": "bad"}, "times": 1, "status": 422})
        relay = self.start(members={"on_reject": "hold"})
        self.send(relay, "bad", uuid="held")
        self.wait_for_message("stand still", "(HTTP 422)")
        for n in range(15):  # three times as long as it takes to be over
            self.send(relay, f"good{n}")
            self.server.wait_for(n + 1)
            time.sleep(0.1)
        self.assertNotEqual(self.shown(), "")
        outcome = self.flowrelay(relay, "queue", "retry", "held")
        self.assertEqual(outcome.status, 0, outcome)
        self.wait_until_cleared()

    def test_after_a_restart_the_message_is_cleared_in_the_end(self):
        self.server.rules({"match": {"flow_token": self.t}, "times": 1, "status": 403})
        relay = self.start()
        self.send(relay)
        self.wait_for_message("(HTTP 403)")
        relay.kill()
        relay.start()
        self.wait_until_cleared()
        relay.wait_until_idle()

    def test_a_reload_without_the_key_clears(self):
        self.server.rules({"match": {"flow_token": self.t}, "status": 401})
        relay = self.start()
        self.send(relay)
        self.wait_for_message("(HTTP 401)")
        relay.configure({"sources": self.sources(report_problems=False)})
        outcome = self.flowrelay(relay, "reload")
        self.assertEqual(outcome.status, 0, outcome)
        self.wait_until_cleared()

    def test_without_the_key_nothing_is_said(self):
        self.server.rules({"match": {"flow_token": self.t}, "times": 1, "status": 401})
        relay = self.start(members={"report_problems": False})
        self.send(relay)
        relay.wait_for_log(r"event=token\.parked")
        self.flowrelay(relay, "source", "resume", "ci")
        relay.wait_until_idle()
        time.sleep(1)
        self.assertEqual(self.updates(), 0)

    def test_a_report_that_fails_is_one_line_and_nothing_else(self):
        self.server.rules({"match": {"path": "/sources"}, "status": 500},
                          {"match": {"external_thread_id": "bad"}, "status": 422})
        relay = self.start()
        self.send(relay, "bad")
        relay.wait_for_log(r"event=report\.failed source=ci problem=refused status=500")
        for n in range(100):
            self.send(relay, f"t{n}")
        relay.wait_until_idle()
        time.sleep(1.5)  # tried again meanwhile
        self.assertEqual(relay.log.count("event=report.failed"), 1)
        self.assertNotIn("destination.down", relay.log)
        self.assertEqual(relay.status()["destination"]["state"], "up")
        self.server.rules({"match": {"external_thread_id": "bad"}, "status": 422})
        self.send(relay, "bad")
        self.wait_for_message("(HTTP 422)")

    def test_a_report_that_hangs_holds_up_nothing(self):
        self.server.rules({"match": {"path": "/sources"}, "action": "hang"},
                          {"match": {"external_thread_id": "bad"}, "status": 422})
        relay = self.start(destination={"max_connections": 1, "request_timeout": "1s"})
        self.send(relay, "bad")
        relay.wait_for_log(r"event=report\.failed .*timed_out", support.PATIENCE)
        for n in range(100):
            self.send(relay, f"t{n}")
        self.server.wait_for(100)
        relay.wait_until_idle()
        self.assertEqual(relay.status()["destination"]["state"], "up")

    def test_a_report_under_way_does_not_hold_up_the_end(self):
        self.server.rules({"match": {"path": "/sources"}, "action": "hang"},
                          {"match": {"external_thread_id": "bad"}, "status": 422})
        relay = self.start()
        self.send(relay, "bad")
        self.server.wait_for_requests(1)
        support.wait_until(lambda: self.server.stats()["by_status"].get("0"), "the report")
        begin = time.monotonic()
        self.assertEqual(relay.stop(), 0)
        self.assertLess(time.monotonic() - begin, 2 * support.SCALE)


if __name__ == "__main__":
    support.main()
