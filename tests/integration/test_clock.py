"""The wall clock of the machine steps: ages and deadlines do not. What a step leaves behind is
written into the file `clock` here, since a test can't set the clock of its machine."""

import re
import time

import clock_file
import support
from producers import Producer


YEAR = 365 * 86_400_000


class Steps(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.secret = self.token()

    def make(self, name):
        # After a "reboot" the time since the real boot has passed.
        hours = int(time.clock_gettime(time.CLOCK_BOOTTIME)) // 3600 + 2
        relay = self.make_relay(self.server.url, name=name, retry={"max_age": f"{hours}h"})
        self.clock_file = relay.directory / "state" / "clock"
        return relay

    def submit(self, relay, thread):
        with Producer(relay.ingest_socket) as producer:
            answer = producer.submit(support.event(self.secret, thread))
        self.assertEqual(answer["status"], "accepted", answer)

    def write(self, *values):
        self.clock_file.write_bytes(clock_file.anchor(*values))

    def check_nothing_expired(self, relay, queued):
        time.sleep(1.2)
        now = relay.status()
        self.assertEqual((now["queued"], now["expired"], now["dead"]), (queued, 0, 0))
        self.assertLess(now["oldest_age_s"], 600)
        self.assertGreaterEqual(now["oldest_age_s"], 0)

    def test_a_step_while_it_did_not_run_expires_nothing(self):
        for years in (10, -10):
            with self.subTest(years=years):
                self.server.rules({"status": 503})
                relay = self.make(f"relay{years}").start()
                self.submit(relay, "before")
                relay.stop()
                # As if the wall clock had read that then.
                timeline, wall, since_boot, boot = clock_file.read(self.clock_file)
                self.assertEqual(boot, clock_file.boot_id())
                self.write(timeline, wall - years * YEAR, since_boot, boot)
                relay.start()
                line = relay.wait_for_log(r"event=clock.stepped by=(\S+)")
                self.check_nothing_expired(relay, 1)
                self.submit(relay, "after")
                # Another boot, and a wall clock that can't be right.
                relay.stop()
                timeline, wall, since_boot, boot = clock_file.read(self.clock_file)
                self.write(timeline, wall - years * YEAR, since_boot, "another-boot")
                relay.start()
                relay.wait_for_log(r"event=clock.not_believed")
                self.server.rules()
                self.assertEqual(self.flowrelay(relay, "queue", "retry", "--all").status, 0)
                now = relay.wait_for_status("both", lambda now: now["delivered"] == 2)
                self.assertEqual((now["expired"], now["unaccounted"]), (0, 0))
                self.assertIsNotNone(line)
                relay.stop()

    def test_a_relay_that_is_stopped_goes_on_where_it_was(self):
        relay = self.make("relay").start()
        relay.stop()
        relay.start()
        self.assertFalse(re.search("clock.stepped|clock.not_believed", relay.log))

    def test_a_file_that_is_no_anchor_is_none(self):
        relay = self.make("relay").start()
        relay.stop()
        self.clock_file.write_bytes(b"x" * 80)
        relay.start()
        self.submit(relay, "t")
        relay.wait_for_status("it", lambda now: now["delivered"] == 1)


if __name__ == "__main__":
    support.main()
