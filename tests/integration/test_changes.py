"""A token or a base URL is changed while requests are under way: late answers are not the new one's."""

import signal

import support
from producers import Producer

late_ms = 1500


class Changes(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.old = self.token()
        self.new = self.token()
        self.path = self.token_file(self.old)

    def start(self, base_url):
        self.relay = self.start_relay(base_url, sources=[
            {"name": "ci", "flow_token_file": self.path,
             "defaults": {"author": {"name": "CI"}}}])

    def send(self, *threads):
        with Producer(self.relay.ingest_socket) as producer:
            for thread in threads:
                producer.submit({"source": "ci", "external_thread_id": thread, "title": "t"})

    def reload(self, **settings):
        before = self.relay.log.count("event=config.reloaded")
        self.relay.configure(settings)
        self.relay.program.process.send_signal(signal.SIGHUP)
        support.wait_until(lambda: self.relay.log.count("event=config.reloaded") > before,
                           "the reload")

    def check_all_well(self, delivered):
        now = self.relay.wait_for_status(
            "the deliveries", lambda now: now["delivered"] == delivered)
        self.assertEqual((now["queued"], now["dead"], now["unaccounted"]), (0, 0, 0))
        self.assertEqual([token["state"] for token in now["tokens"]], ["active"])
        self.assertEqual(now["destination"]["state"], "up")
        for line in ("token.gone", "token.parked", "destination.parked", "destination.held"):
            self.assertNotIn(f"event={line}", self.relay.log)

    def test_a_rotation_with_three_requests_open(self):
        self.start(self.server.url)
        for status in (410, 401, 400):
            with self.subTest(status=status):
                sent = len(self.server.requests())
                done = self.relay.status()["delivered"]
                self.server.rules({"match": {"flow_token": self.old}, "status": status,
                                   "delay_ms": late_ms})
                self.send("a", "b", "c")
                self.server.wait_for_requests(sent + 3)
                self.token_file(self.new)
                self.reload()
                self.check_all_well(done + 3)
                again = self.server.requests()[sent + 3:]
                self.assertEqual({entry["event"]["flow_token"] for entry in again}, {self.new})
                self.old, self.new = self.new, self.token()
        self.assertRegex(self.relay.log, r"delivery\.outdated .*changed=token")

    def test_a_base_url_that_is_corrected_with_requests_open(self):
        wrong = self.start_devserver()
        rule = {"delay_ms": late_ms}
        wrong.rules({**rule, "match": {"external_thread_id": "a"}, "status": 404},
                    {**rule, "match": {"external_thread_id": "b"}, "status": 503,
                     "headers": {"Retry-After": "600"}},
                    {**rule, "match": {"external_thread_id": "c"}, "status": 401},
                    {**rule, "match": {"external_thread_id": "d"}, "status": 410},
                    {**rule, "match": {"external_thread_id": "e"}, "status": 400})
        self.start(wrong.url)
        self.send("a", "b", "c", "d", "e")
        wrong.wait_for_requests(5)
        self.reload(destination={"base_url": self.server.url})
        self.check_all_well(5)
        self.assertEqual(self.relay.log.count(f"asked={wrong.url}"), 5)

    def test_a_wait_ends_with_the_token_that_was_asked_for_it_also_over_a_restart(self):
        self.start(self.server.url)
        self.server.rules({"match": {"flow_token": self.old}, "status": 429,
                           "headers": {"Retry-After": "600"}})
        self.send("a")
        self.relay.wait_for_log(r"event=token\.throttled")
        self.relay.restart()
        self.relay.wait_for_status("the wait", lambda now: now["tokens"][0]["state"] == "throttled")
        self.relay.stop()
        self.token_file(self.new)
        self.relay.start()
        self.server.wait_for(1)


if __name__ == "__main__":
    support.main()
