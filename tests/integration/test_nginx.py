"""What a real server in front of the API answers on its own: limits, redirects, 410, failures."""

import collections
import time

import support
from nginx import NginxTestCase


class Nginx(NginxTestCase):
    def assert_arrived_in_order(self, arrived, count, lanes=5):
        for lane in range(lanes):
            mine = [e["uuid"] for e in arrived if e["external_thread_id"] == f"t{lane}"]
            self.assertEqual(mine, [f"n{n}" for n in range(lane, count, lanes)])

    def answers(self, nginx):
        """How often each status was given, by nginx's own log."""
        return collections.Counter(int(status) for status in self.access_log(nginx))

    def test_a_rate_limit_of_the_server_is_lived_with(self):
        for status in (429, 503):
            with self.subTest(status):
                nginx = self.start_nginx(
                    self.good, http="limit_req_zone $binary_remote_addr zone=z:1m rate=50r/s;",
                    location=f"limit_req zone=z burst=3 nodelay; limit_req_status {status};")
                before = len(self.server.delivered())
                relay = self.make_relay(self.url, f"relay-{status}", destination={
                    "ca_file": str(self.authority.certificate)}).start()
                self.submit(relay, *self.some_events(60))
                now = relay.wait_until_idle(3 * support.PATIENCE)
                self.assertEqual((now["delivered"], now["dead"]), (60, 0))
                self.assert_arrived_in_order(self.server.delivered()[before:], 60)
                nginx.terminate()
                counts = self.answers(nginx)
                self.assertEqual(counts[202], 60)
                self.assertGreater(counts[status], 0, "nothing was limited")
                self.assertLess(counts[status], 120, "that is a storm")

    def test_a_server_that_counts_strictly_takes_what_comes_evenly(self):
        """Without `burst` nginx refuses whatever comes within 100 ms of the one before."""
        nginx = self.start_nginx(
            self.good, http="limit_req_zone $binary_remote_addr zone=z:1m rate=10r/s;",
            location="limit_req zone=z;")
        relay = self.start(destination={"rate_limit": 8, "rate_burst": 1})
        self.submit(relay, *self.some_events(20))
        relay.wait_until_idle(3 * support.PATIENCE)
        time.sleep(1)  # a second's worth would be saved up here
        self.submit(relay, *(support.event(self.t, f"t{n % 5}", uuid=f"n{n}")
                             for n in range(20, 40)))
        now = relay.wait_until_idle(3 * support.PATIENCE)
        self.assertEqual((now["delivered"], now["dead"]), (40, 0))
        self.assert_arrived_in_order(self.server.delivered(), 40)
        nginx.terminate()
        # Requests that begin 125 ms apart arrive less than 100 ms apart only on a busy machine.
        self.assertLessEqual(self.answers(nginx)[503], 4)

    def test_retry_after_of_the_server_is_kept_to(self):
        for status, seconds in ((429, 1), (503, 1)):
            with self.subTest(status):
                nginx = self.start_nginx(
                    self.good, http=f"""limit_req_zone $binary_remote_addr zone=z:1m rate=20r/s;
                                        map $status $wait {{ {status} {seconds}; }}""",
                    tls="add_header Retry-After $wait always;",
                    location=f"limit_req zone=z burst=10 nodelay; limit_req_status {status};")
                before = len(self.server.delivered())
                relay = self.make_relay(self.url, f"after-{status}", destination={
                    "ca_file": str(self.authority.certificate), "max_connections": 4}).start()
                self.submit(relay, *self.some_events(40))
                now = relay.wait_until_idle(3 * support.PATIENCE)
                self.assertEqual((now["delivered"], now["dead"]), (40, 0))
                self.assert_arrived_in_order(self.server.delivered()[before:], 40)
                nginx.terminate()
                counts = self.answers(nginx)
                self.assertEqual(counts[202], 40)
                self.assertGreater(counts[status], 0, "nothing was limited")
                # Each refusal is followed by a pause in which at most four connections had sent.
                self.assertLess(counts[status], 40, "Retry-After does not count")
                relay.stop()

    def test_idle_connections_are_closed_before_the_server_closes_them(self):
        self.start_nginx(self.good, http="keepalive_timeout 4s 4s;")  # "Keep-Alive: timeout=4"
        relay = self.start()
        self.submit(relay, *self.some_events(10))
        relay.wait_until_idle()
        begun = time.monotonic()
        self.assertGreater(relay.status()["destination"]["connections"], 0)
        relay.wait_for_status("no connection",
                              lambda now: now["destination"]["connections"] == 0)
        self.assertGreater(time.monotonic() - begun, 2)
        self.submit(relay, *self.some_events(10))
        self.assertEqual(relay.wait_until_idle()["since_start"]["ambiguous"], 0)

    def test_a_410_of_the_server_removes_the_token(self):
        other = self.token()
        self.start_nginx(self.good, location="if ($http_idempotency_key = gone) { return 410; }")
        relay = self.start(gone={"grace": "0"})
        self.submit(relay, support.event(self.t, uuid="gone"), *self.some_events(20),
                    support.event(other, "other", uuid="stays"))
        relay.wait_for_log(r"token\.erased")
        relay.wait_until_idle()
        self.assertIn("stays", [e["uuid"] for e in self.server.delivered()])
        self.assertEqual(relay.files_with(self.t), [])

    def test_redirects_park_the_destination(self):
        for status in (301, 302, 307, 308):
            with self.subTest(status):
                nginx = self.start_nginx(
                    self.good, location=f"return {status} {self.server.url}$request_uri;")
                before = len(self.server.requests())
                relay = self.make_relay(self.url, f"redirect-{status}", destination={
                    "ca_file": str(self.authority.certificate)}).start()
                self.submit(relay, *self.some_events(10))
                relay.wait_for_log(r"destination\.parked")
                time.sleep(0.5)
                self.assertEqual(len(self.server.requests()), before, "it followed")
                self.assertEqual(relay.status()["queued"], 10)
                nginx.terminate()
                self.assertLessEqual(self.answers(nginx)[status], 10)
                nginx = self.start_nginx(self.good)
                relay.restart()
                relay.wait_until_idle()
                self.assert_arrived_in_order(self.server.delivered()[before:], 10)
                relay.stop()
                nginx.terminate()

    def test_an_event_that_the_server_finds_too_large_is_a_dead_letter(self):
        self.start_nginx(self.good, http="client_max_body_size 100k;")
        relay = self.start()
        self.submit(relay, support.event(self.t, "a", uuid="large", body="x" * 900_000),
                    support.event(self.t, "a", uuid="small"))
        now = relay.wait_until_idle()
        self.assertEqual((now["delivered"], now["dead"]), (1, 1))
        self.assertIn("413", relay.wait_for_log(r"^.*delivery\.dead.*$").group())

    def test_a_server_behind_that_is_away_is_waited_out(self):
        self.server.terminate()
        self.start_nginx(self.good)
        relay = self.start()
        self.submit(relay, *self.some_events(20))
        relay.wait_for_log(r"delivery\.retry.*502")
        self.server = self.start_devserver(listen=f"127.0.0.1:{self.server.port}")
        self.assert_all_arrived(relay, 20)

    def test_a_server_that_reloads_under_load_loses_nothing(self):
        nginx = self.start_nginx(self.good)
        relay = self.start()
        for batch in range(5):
            events = [support.event(self.t, f"t{n % 5}", uuid=f"n{batch * 100 + n}")
                      for n in range(100)]
            self.submit(relay, *events)
            nginx.process.send_signal(1)  # SIGHUP: new workers, the old ones finish
            time.sleep(0.1)
        relay.wait_until_idle()
        arrived = self.server.delivered()
        for lane in range(5):
            mine = [e["uuid"] for e in arrived if e["external_thread_id"] == f"t{lane}"]
            self.assertEqual(list(dict.fromkeys(mine)), [f"n{n}" for n in range(lane, 500, 5)])
        self.assertLessEqual(len(self.server.requests()), 520)


if __name__ == "__main__":
    support.main()
