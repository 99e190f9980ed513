"""Whether new events are accepted: `status`, `health`, the metrics and the log agree, in each situation in
which all producers are refused, or those of one token; and they notice by themselves when it is over."""

import os
import subprocess
import unittest

import support
from metric_samples import scrape
from producers import Producer


class Accepting(support.RelayTestCase):
    BODY = "x" * 20_000

    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.server.rules({"status": 503})

    def start(self, prefix=(), **settings):
        settings.setdefault("metrics", {"listen": "127.0.0.1:0"})
        self.relay = self.make_relay(self.server.url, sources=[
            {"name": "ci", "flow_token_file": self.token_file(self.token()),
             "defaults": {"author": {"name": "CI"}}},
            {"name": "web", "flow_token_file": self.token_file(self.token(), "web.token"),
             "defaults": {"author": {"name": "Web"}}}], **settings)
        self.relay.start(prefix)

    def send(self, thread, source="ci", body=BODY):
        with Producer(self.relay.ingest_socket) as producer:
            return producer.submit({"source": source, "external_thread_id": thread, "title": "t",
                                    "body": body})

    def fill(self, code="queue_full"):
        """Hands events in until one is refused; gives how many were accepted."""
        for n in range(2000):
            answer = self.send(f"t{n}")
            if answer["status"] == "rejected":
                self.assertEqual(answer["code"], code, answer)
                self.assertGreater(answer["retry_after_ms"], 0)
                return n
        raise AssertionError("it never got full")

    def metric(self, name, **labels):
        return scrape(self.relay).get((name, tuple(sorted(labels.items()))))

    def assert_refusing(self, code, words):
        status = self.relay.status()
        self.assertIs(status["accepting"], False, status)
        self.assertEqual(status["refusal"]["code"], code)
        self.assertRegex(status["refusal"]["reason"], words)
        self.assertEqual(self.metric("flowrelay_accepting"), 0)
        health = self.flowrelay(self.relay, "health")
        self.assertEqual(health.status, 2, health)
        self.assertRegex(health.stdout, "^FLOWRELAY CRITICAL - no events are accepted: .*" + words)
        shown = self.flowrelay(self.relay, "status").stdout
        self.assertRegex(shown, r"(?m)^NO EVENTS ARE ACCEPTED: .*" + words)

    def assert_accepting(self):
        self.relay.wait_for_status("acceptance", lambda now: now["accepting"])
        self.assertNotIn("refusal", self.relay.status())
        self.assertEqual(self.metric("flowrelay_accepting"), 1)
        health = self.flowrelay(self.relay, "health", "--warn-spool", "100", "--crit-spool", "100")
        self.assertEqual(health.status, 0, health)
        self.assertNotRegex(self.flowrelay(self.relay, "status").stdout, "NO EVENTS")

    def drain(self):
        self.server.rules()
        self.relay.wait_until_idle()

    def test_it_accepts_at_first(self):
        self.start()
        self.assert_accepting()

    def test_max_events(self):
        self.start(spool={"max_events": 3})
        self.assertEqual(self.fill(), 3)
        self.assert_refusing("max_events", r"spool\.max_events")
        self.relay.wait_for_log(r"event=spool\.full .*spool\.max_events")
        # Nobody hands anything in any more, and it is noticed all the same.
        self.drain()
        self.assert_accepting()
        self.relay.wait_for_log(r"event=spool\.has_room")

    def test_max_events_is_seen_before_anybody_is_refused(self):
        self.start(spool={"max_events": 2})
        self.send("a")
        self.assertIs(self.relay.status()["accepting"], True)
        self.send("b")
        self.assert_refusing("max_events", r"spool\.max_events")

    def test_max_size(self):
        self.start(spool={"segment_size": "64KiB", "max_size": "256KiB"},
                   ingest={"max_event_size": "32KiB"})
        self.assertGreater(self.fill(), 2)
        self.assert_refusing("max_size", r"spool\.max_size")
        self.drain()
        self.assert_accepting()

    @unittest.skipUnless(support.can_mount(), "this user can't mount a tmpfs")
    def test_a_full_disk(self):
        state = self.directory / "disk"
        state.mkdir()
        # Its own mount namespace, which nsenter can look into.
        mount = f'mount -t tmpfs -o size=1m,mode=0755 none {state} && exec "$@"'
        self.start(prefix=("unshare", "-m", "sh", "-c", mount, "sh"),
                   spool={"directory": str(state / "state"), "segment_size": "64KiB"},
                   ingest={"max_event_size": "32KiB"})
        # It was said at the start that max_size is more than there is.
        self.relay.wait_for_log(r"event=spool\.disk_too_small .*max_size=4294967296")
        self.assertGreater(self.fill(), 5)
        self.assert_refusing("disk_full", "the disk is full")
        self.assertLess(self.metric("flowrelay_spool_available_bytes"), 128 * 1024)
        subprocess.run(["nsenter", "-m", "-t", str(self.relay.program.pid), "mount", "-o",
                        "remount,size=8m", str(state)], check=True)
        self.relay.wait_for_status("acceptance", lambda now: now["accepting"])
        self.assertEqual(self.send("again")["status"], "accepted")

    def test_a_failed_disk(self):
        # A limit of the size of files stands for a disk that gives an error other than "full".
        self.start()
        limit = ["prlimit", "--pid", str(self.relay.program.pid), "--fsize=4096"]
        subprocess.run(limit, check=True)
        answer = self.send("a")
        self.assertEqual(answer.get("code"), "storage_failed", answer)
        self.assert_refusing("storage_failed", "restart")

    def test_the_quota_of_a_token_has_a_code_a_line_and_a_metric_of_its_own(self):
        self.start(spool={"max_events_per_token": 2})
        self.assertEqual(self.fill("token_queue_full"), 2)
        self.assertEqual(self.send("x", source="web")["status"], "accepted")
        status = self.relay.status()
        self.assertIs(status["accepting"], True)
        ci, web = status["tokens"]
        self.assertEqual((ci.get("full"), web.get("full")), (True, None), status["tokens"])
        self.assertEqual(self.metric("flowrelay_full_tokens"), 1)
        self.assertEqual(self.metric("flowrelay_rejected_events_total", code="token_queue_full"), 1)
        self.assertEqual(self.metric("flowrelay_rejected_events_total", code="queue_full"), 0)
        self.relay.wait_for_log(r"event=token\.queue_full source=ci .*queued=2")
        self.assertNotRegex(self.relay.log, r"event=spool\.full")
        health = self.flowrelay(self.relay, "health")
        self.assertEqual(health.status, 1, health)
        self.assertIn("spool.max_events_per_token", health.stdout)
        self.assertRegex(self.flowrelay(self.relay, "status").stdout,
                         r"(?m)^ci .*spool\.max_events_per_token")
        self.drain()
        self.assertEqual(self.metric("flowrelay_full_tokens"), 0)
        self.assertEqual(self.send("again")["status"], "accepted")
        self.relay.wait_for_log(r"event=token\.has_room source=ci")

    def test_a_reload_says_when_max_size_is_more_than_the_disk_has(self):
        self.start()
        self.assertNotRegex(self.relay.log, r"spool\.disk_too_small")
        space = os.statvfs(self.directory)
        more = space.f_bavail * space.f_frsize * 3 // (1 << 30) + 1
        self.relay.configure({"spool": {"max_size": f"{more}GiB"}})
        self.assertEqual(self.flowrelay(self.relay, "reload").status, 0)
        self.relay.wait_for_log(r"event=spool\.disk_too_small ")


if __name__ == "__main__":
    support.main()
