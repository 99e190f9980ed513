"""A new configuration while the daemon runs: all of it or nothing, and it says which."""

import pathlib
import signal

import clock_file
import log_lines
import support
from certificates import Authority
from nginx import NginxTestCase
from producers import Producer


two_hours = 2 * 3_600_000


class Reload(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.old = self.token()
        self.new = self.token()
        self.path = self.token_file(self.old)
        self.relay = self.start_relay(self.server.url, sources=[
            {"name": "ci", "flow_token_file": self.path,
             "defaults": {"author": {"name": "CI"}}}])

    def reload(self, outcome, **settings):
        """Writes the settings, sends SIGHUP, and returns the line that tells how it went."""
        self.relay.configure(settings)
        return self.hang_up(outcome)

    def hang_up(self, outcome):
        name = f"event=config.{outcome}"
        before = self.relay.log.count(name)
        self.relay.program.process.send_signal(signal.SIGHUP)
        support.wait_until(lambda: self.relay.log.count(name) > before, name)
        return [line for line in self.relay.log.splitlines() if name in line][-1]

    def send(self, thread, **members):
        event = {"source": "ci", "external_thread_id": thread, "title": "t", **members}
        with Producer(self.relay.ingest_socket) as producer:
            return producer.submit(event)

    def posted(self, thread):
        """The requests for a thread so far."""
        return [entry for entry in self.server.requests()
                if entry["event"]["external_thread_id"] == thread]

    def make_a_letter_of_two_hours_ago(self):
        """Leaves the relay stopped."""
        self.server.rules({"match": {"external_thread_id": "bad"}, "status": 422})
        self.send("bad")
        self.relay.wait_for_status("its death", lambda now: now["dead_letters"] == 1)
        self.relay.stop()
        path = self.relay.state / "clock"
        timeline, wall, since_boot, boot = clock_file.read(path)
        path.write_bytes(clock_file.anchor(timeline, wall - two_hours, since_boot - two_hours, boot))

    def test_dead_letters_are_dropped_only_when_told_to(self):
        self.make_a_letter_of_two_hours_ago()
        self.relay.start()
        line = self.reload("not_reloaded", dead_letters={"max_age": "1h"})
        self.assertIn("problems=1", line)
        self.assertIn("dead_letters.max_age 1h is shorter", self.relay.log)
        outcome = self.flowrelay(self.relay, "reload")
        self.assertEqual(outcome.status, 78, outcome)
        self.assertRegex(outcome.stderr, r"would destroy data(?s:.*)--accept-loss")
        self.assertEqual(self.relay.status()["dead_letters"], 1)
        checked = self.flowrelay(self.relay, "config", "check", self.relay.config_path)
        self.assertRegex(checked.stdout, r"would DESTROY data(?s:.*)dead_letters\.max_age 1h is shorter")
        outcome = self.flowrelay(self.relay, "reload", "--accept-loss")
        self.assertEqual(outcome.status, 0, outcome)
        now = self.relay.wait_for_status("its drop", lambda now: now["dead_letters"] == 0)
        self.assertEqual((now["since_start"]["dropped_by_age"], now["unaccounted"]), (1, 0))

    def test_a_start_drops_no_letters_that_a_reload_would_ask_for(self):
        self.make_a_letter_of_two_hours_ago()
        self.relay.configure({"dead_letters": {"max_age": "1h"}})
        for _ in range(2):
            self.relay.start()
            self.relay.wait_for_log(r"event=dead_letters\.age_kept configured=1h in_force=30d oldest=2h")
            self.assertEqual(self.relay.status()["dead_letters"], 1)
            self.assertEqual(self.flowrelay(self.relay, "reload").status, 78)
            self.relay.stop()
        # The former age again is no surprise, and the shorter one counts once it was accepted.
        self.relay.configure({"dead_letters": {"max_age": "30d"}})
        self.relay.start()
        self.assertNotIn("dead_letters.age_kept", self.relay.program.output)
        self.relay.configure({"dead_letters": {"max_age": "1h"}})
        self.assertEqual(self.flowrelay(self.relay, "reload", "--accept-loss").status, 0)
        self.relay.wait_for_status("its drop", lambda now: now["dead_letters"] == 0)
        self.relay.restart()
        self.assertNotIn("dead_letters.age_kept", self.relay.program.output)

    def test_a_file_without_a_change_changes_nothing(self):
        line = self.hang_up("reloaded")
        self.assertIn('changed=""', line)
        self.assertNotIn("config.needs_restart", self.relay.log)
        self.assertEqual(self.send("a")["status"], "accepted")

    def test_sources_come_and_go(self):
        web = self.token_file(self.token(), "web.token")
        self.assertEqual(self.send("a", source="web")["code"], "unknown_source")
        sources = self.relay.settings["sources"]
        line = self.reload("reloaded", sources=sources + [
            {"name": "web", "flow_token_file": web, "defaults": {"author": {"name": "W"}}}])
        self.assertIn("changed=sources.web", line)
        self.assertEqual(self.send("b", source="web")["status"], "accepted")
        self.server.wait_for(1)
        self.reload("reloaded", sources=sources)
        self.assertEqual(self.send("c", source="web")["code"], "unknown_source")

    def test_defaults_and_limits_count_at_once(self):
        sources = [dict(self.relay.settings["sources"][0],
                        defaults={"author": {"name": "Robot"}, "tags": ["new"]})]
        self.reload("reloaded", sources=sources, ingest={"max_event_size": "1KiB"},
                    log={"level": "info"})
        self.assertEqual(self.send("a")["status"], "accepted")
        event = self.server.wait_for(1)[0]
        self.assertEqual(event["author"], {"name": "Robot"})
        self.assertEqual(event["tags"], ["new"])
        self.assertEqual(self.send("b", body="x" * 2000)["code"], "too_large")
        self.assertNotIn("event=delivery.delivered", self.relay.log)

    def test_a_full_spool_takes_events_again_when_its_limits_are_raised(self):
        self.server.rules({"status": 503})
        self.reload("reloaded", spool={"max_events": 2})
        answers = [self.send(thread) for thread in "abc"]
        self.assertEqual([answer.get("code") for answer in answers], [None, None, "queue_full"])
        self.relay.wait_for_log(r"event=spool\.full .*spool\.max_events")
        line = self.reload("reloaded", spool={"max_events": 3, "max_size": "5GiB"})
        self.assertIn("changed=spool.max_size,spool.max_events ", line)
        self.assertEqual(self.send("c")["status"], "accepted")
        self.assertEqual(self.send("d")["code"], "queue_full")
        self.assertEqual(self.relay.status()["spool_max_bytes"], 5 << 30)

    def test_a_rotated_token_is_read_anew_and_parked_events_go_out_with_it(self):
        self.server.rules({"match": {"flow_token": self.old}, "status": 401})
        self.send("a")
        self.relay.wait_for_log(r"event=token\.parked")
        pathlib.Path(self.path).write_text(self.new + "\n")
        line = self.hang_up("reloaded")
        self.assertIn("changed=sources.ci", line)
        event = self.server.wait_for(1)[0]
        self.assertEqual(event["flow_token"], self.new)
        self.relay.wait_until_idle()
        self.assertNotIn("reason", self.relay.status()["tokens"][0])
        # The registry knows of it as well.
        self.assertEqual(self.relay.stop(), 0)
        self.relay.start()
        self.assertEqual(self.send("b")["status"], "accepted")
        self.assertEqual(self.server.wait_for(2)[1]["flow_token"], self.new)

    def test_a_source_that_goes_with_events_queued_is_missed_and_can_come_back(self):
        self.server.rules({"status": 503})
        self.send("a")
        self.server.wait_for_requests(1)
        sources = self.relay.settings["sources"]
        self.reload("reloaded", sources=[])
        self.relay.wait_for_log(r"error event=token\.missing source=ci slot=token-1 queued=1")
        self.server.rules()
        self.reload("reloaded", sources=sources)
        self.server.wait_for(1)
        self.relay.wait_until_idle()

    def source(self, name, path):
        return {"name": name, "flow_token_file": path, "defaults": {"author": {"name": "A"}}}

    def test_names_that_move_on_leave_each_event_its_token(self):
        web = self.token_file(self.new, "web.token")
        self.reload("reloaded", sources=[self.source("ci", self.path), self.source("web", web)])
        self.server.rules({"status": 503})
        self.send("of-old")
        self.send("of-new", source="web")
        self.server.wait_for_requests(2)
        self.reload("reloaded", sources=[self.source("web", self.path), self.source("site", web)])
        self.assertRegex(self.relay.log, r"event=token\.renamed source=web before=ci queued=1")
        self.assertRegex(self.relay.log, r"event=token\.renamed source=site before=web queued=1")
        # And with the names swapped, over a restart.
        self.relay.configure({"sources": [self.source("site", self.path), self.source("web", web)]})
        self.relay.restart()
        self.assertEqual(self.send("of-new", source="web")["status"], "accepted")
        self.server.rules()
        for event in self.server.wait_for(3):
            expected = self.old if event["external_thread_id"] == "of-old" else self.new
            self.assertEqual(event["flow_token"], expected, event)
        self.relay.wait_until_idle()

    def take_a_token_that_producers_use(self):
        """`ci` has an event of its own queued, and gets the token of events that brought it."""
        self.server.rules({"status": 503})
        self.send("a", uuid="of-ci")
        with Producer(self.relay.ingest_socket) as producer:
            for uuid in ("first", "second"):
                producer.submit(support.event(self.new, "a", uuid=uuid))
        pathlib.Path(self.path).write_text(self.new + "\n")
        done = self.flowrelay(self.relay, "reload")
        self.assertRegex(done.stdout, r"Look at ci: it is missing, with 1 event queued; ci \(token-1\) "
                                      r"is not in the configuration any more, where another source has "
                                      r"its name now: `source add` it by another name")
        self.assertRegex(self.relay.log, r"event=token\.missing source=ci slot=token-1 queued=1")
        self.assertTrue(self.send("a", uuid="first")["duplicate"])
        self.send("a", uuid="third")

    def test_a_source_that_takes_a_token_that_producers_use_goes_on_in_their_order(self):
        self.take_a_token_that_producers_use()
        self.server.rules()
        self.assertEqual([event["uuid"] for event in self.server.wait_for(3)],
                         ["first", "second", "third"])
        self.assertEqual({event["flow_token"] for event in self.server.delivered()}, {self.new})
        # What was queued with the former token waits for it, by another name.
        self.assertEqual(self.relay.status()["queued"], 1)
        old = self.token_file(self.old, "old.token")
        for name, refused in (("ci", "there is a source ci already"), ("old", None)):
            outcome = self.flowrelay(self.relay, "source", "add", name, "--token-file", old)
            self.assertEqual(outcome.status == 0, refused is None, outcome)
            self.assertIn(refused or "", outcome.stderr)
        event = self.server.wait_for(4)[-1]
        self.assertEqual((event["uuid"], event["flow_token"]), ("of-ci", self.old))

    def test_what_a_former_token_left_can_be_posted_with_a_new_one(self):
        self.take_a_token_that_producers_use()
        third = self.token()
        newest = self.token_file(third, "newest.token")
        self.reload("reloaded", sources=[self.source("build", self.path)])
        outcome = self.flowrelay(self.relay, "source", "add", "ci", "--token-file", newest)
        self.assertEqual(outcome.status, 0, outcome)
        self.server.rules()
        self.assertEqual({event["uuid"]: event["flow_token"] for event in self.server.wait_for(4)},
                         {"first": self.new, "second": self.new, "third": self.new, "of-ci": third})

    def test_a_refused_event_takes_no_slot(self):
        self.server.rules({"status": 503})
        self.send("a")
        self.server.wait_for_requests(1)
        self.reload("reloaded", sources=[])
        with Producer(self.relay.ingest_socket) as producer:
            self.assertEqual(producer.submit({"flow_token": self.old})["code"], "invalid_event")
        pathlib.Path(self.path).write_text(self.new + "\n")
        self.reload("reloaded", sources=[self.source("ci", self.path)])
        self.server.rules({"match": {"flow_token": self.old}, "status": 410})
        self.assertEqual(self.server.wait_for(1)[0]["flow_token"], self.new)
        self.assertNotIn("token.gone", self.relay.log)

    def test_a_token_that_two_sources_have_is_refused(self):
        line = self.reload("not_reloaded", sources=[self.source("ci", self.path),
                                                    self.source("web", self.path)])
        self.assertIn("problems=1", line)
        other = self.token_file(self.old, "web.token")
        self.reload("not_reloaded", sources=[self.source("ci", self.path),
                                             self.source("web", other)])
        self.assertRegex(self.relay.log, r"flowrelay\.yaml:\d+:\d+: .*source .*web.* has the same token as source .*ci")
        self.assertRegex(self.relay.log, r"web\.token: source `web` has the same token as source `ci`")
        self.assertEqual(self.send("a")["status"], "accepted")

    def test_a_removed_source_does_not_take_one_with_its_token_along(self):
        # An added source is removed, and its token configured; then something is reloaded.
        added = self.token_file(self.new, "added.token")
        self.assertEqual(self.flowrelay(self.relay, "source", "add", "old-name", "--token-file", added).status, 0)
        self.flowrelay(self.relay, "source", "remove", "old-name", "--yes")
        sources = self.relay.settings["sources"] + [self.source("web", added)]
        self.reload("reloaded", sources=sources)
        self.server.rules({"status": 503})
        self.assertEqual(self.send("a", source="web")["status"], "accepted")
        self.server.wait_for_requests(1)
        self.hang_up("reloaded")
        self.relay.restart()
        self.server.rules()
        self.assertEqual(self.server.wait_for(1)[0]["flow_token"], self.new)
        self.assertEqual(self.relay.wait_until_idle()["erased"], 0)

    def test_retry_options_count_for_the_next_wait(self):
        self.reload("reloaded", retry={"initial": "1h", "max": "1h"})
        self.server.rules({"times": 1, "status": 503})
        self.send("a")
        line = self.relay.wait_for_log(r"event=delivery\.retry .*next_in=(\S+)")
        self.assertRegex(line.group(1), "[0-9]m|h")

    def test_a_wrong_file_leaves_everything_as_it_was(self):
        line = self.reload("not_reloaded", retry={"max": "soon"}, log={"level": "error"},
                           sources=[])
        self.assertIn("error event=config.not_reloaded", line)
        self.assertIn("problems=1", line)
        self.relay.wait_for_log(r"event=config\.invalid reason=.*retry\.max.*soon")
        self.assertEqual(self.send("a")["status"], "accepted")
        self.server.wait_for(1)
        self.relay.wait_for_log(r"debug event=delivery\.delivered")

    def test_a_token_that_can_not_be_read_is_named_and_nothing_changes(self):
        pathlib.Path(self.path).unlink()
        self.reload("not_reloaded", log={"level": "error"})
        self.relay.wait_for_log(rf"event=config\.invalid .*{self.path}")
        self.assertEqual(self.send("a")["status"], "accepted")
        self.assertEqual(self.server.wait_for(1)[0]["flow_token"], self.old)

    def test_another_destination_gets_what_waits_at_once(self):
        self.relay.configure({"retry": {"initial": "1h", "max": "1h"}})
        self.relay.restart()
        self.server.terminate()
        for n in range(8):
            self.send(f"t{n}")
        self.relay.wait_for_log(r"event=destination\.down")
        other = self.start_devserver()
        line = self.reload("reloaded", destination={"base_url": other.url})
        self.assertIn("changed=destination.base_url", line)
        # One probe, and then those whose threads do not wait for an hour.
        other.wait_for(1)
        self.assertEqual(self.relay.status()["destination"]["base_url"], other.url)
        self.send("new")
        support.wait_until(lambda: "new" in {event["external_thread_id"]
                                             for event in other.delivered()}, "the new event")

    def test_requests_under_way_end_where_they_are(self):
        self.server.rules({"delay_ms": 700})
        self.send("a")
        self.relay.wait_for_status("a request", lambda now: now["in_flight"] == 1)
        other = self.start_devserver()
        self.reload("reloaded", destination={"base_url": other.url})
        self.send("b")
        self.assertEqual(other.wait_for(1)[0]["external_thread_id"], "b")
        self.assertEqual(self.server.wait_for(1)[0]["external_thread_id"], "a")
        self.relay.wait_until_idle()
        self.assertEqual(len(self.server.delivered() + other.delivered()), 2)

    def test_config_check_says_what_a_reload_would(self):
        missing = str(self.directory / "missing.token")
        sources = [{"name": name, "flow_token_file": f"{missing}.{name}"} for name in ("a", "b")]
        self.reload("not_reloaded", sources=sources, ingest={"socket_group": "no-such-group-here"})
        checked = self.flowrelay(self.relay, "config", "check", self.relay.config_path)
        self.assertEqual(checked.status, 78)
        logged = [log_lines.parse(line).fields["reason"] for line in self.relay.log.splitlines()
                  if "event=config.invalid" in line]
        self.assertEqual(sorted(checked.stderr.splitlines()), sorted(logged))
        self.assertEqual(len(logged), 3)

    def test_config_check_says_what_a_reload_would_change(self):
        """And the answer of the reload says the same of each source, with its state."""
        self.server.rules({"status": 503})
        self.send("a")
        self.flowrelay(self.relay, "source", "pause", "ci")
        pathlib.Path(self.path).write_text(self.new + "\n")
        web = self.token_file(self.token(), "web.token")
        sources = [dict(self.relay.settings["sources"][0], rate_limit=5),
                   {"name": "web", "flow_token_file": web}]
        self.relay.configure({"sources": sources, "retry": {"max": "1m"},
                              "spool": {"segment_size": "32MiB"}})
        before = self.relay.status()
        checked = self.flowrelay(self.relay, "config", "check", self.relay.config_path)
        self.assertEqual(checked.status, 0, checked)
        ci = "  source ci has another token, with which its queued events are posted, has other settings; " \
             "paused, 1 event queued\n"
        self.assertIn("A reload of the running flowrelayd would change:\n  retry.max\n" + ci +
                      "  source web is new; active, 0 events queued\n"
                      "A restart of flowrelayd would change:\n  spool.segment_size\n", checked.stdout)
        self.assertEqual(self.relay.status()["tokens"], before["tokens"], "a plan changes nothing")
        self.assertNotIn("config.reloaded", self.relay.log)
        done = self.flowrelay(self.relay, "reload")
        self.assertEqual(done.status, 0, done)
        self.assertIn("In force now:\n  retry.max\n" + ci + "  source web is new; active, 0 events queued\n",
                      done.stdout)
        again = self.flowrelay(self.relay, "config", "check", self.relay.config_path)
        self.assertNotIn("A reload", again.stdout)
        with Producer(self.relay.ingest_socket) as producer:
            producer.submit({"source": "web", "external_thread_id": "w", "title": "t",
                             "author": {"name": "a"}})
        for configured, said in ((sources[:1], "is taken out: what is queued waits until it is "
                                               "back, or is removed; missing, 1 event queued"),
                                 (sources, "is configured again, has other settings; active, 1 event queued")):
            self.relay.configure({"sources": configured})
            planned = self.flowrelay(self.relay, "config", "check", self.relay.config_path)
            self.assertIn(f"  source web {said}\n", planned.stdout)
            done = self.flowrelay(self.relay, "reload")
            self.assertIn(f"  source web {said}\n", done.stdout)
        self.relay.configure({"sources": sources[1:]})
        done = self.flowrelay(self.relay, "reload")
        self.assertIn("  source ci is taken out: what is queued waits until it is back, or is removed; "
                      "paused, 1 event queued\n", done.stdout)

    def test_what_takes_a_restart_says_so(self):
        line = self.reload("needs_restart", spool={"segment_size": "32MiB"}, retry={"max": "1m"})
        self.assertIn("warning", line)
        self.assertIn("keys=spool.segment_size", line)
        self.assertIn("changed=retry.max", self.hang_up_line("reloaded"))
        # It is told each time until it is done.
        self.assertIn("keys=spool.segment_size", self.hang_up("needs_restart"))

    def hang_up_line(self, outcome):
        return [line for line in self.relay.log.splitlines() if f"config.{outcome}" in line][-1]

    def test_many_reloads_under_load_lose_nothing(self):
        with Producer(self.relay.ingest_socket) as producer:
            for n in range(200):
                answer = producer.submit({"source": "ci", "external_thread_id": f"t{n % 7}",
                                          "title": str(n)})
                self.assertEqual(answer["status"], "accepted")
                if n % 10 == 0:
                    self.relay.program.process.send_signal(signal.SIGHUP)
        events = self.server.wait_for(200)
        self.assertEqual(len(events), 200)
        for thread in {event["external_thread_id"] for event in events}:
            titles = [int(e["title"]) for e in events if e["external_thread_id"] == thread]
            self.assertEqual(titles, sorted(titles))
        self.relay.wait_until_idle()


class Certificates(NginxTestCase):
    def test_files_with_the_same_name_are_read_anew(self):
        self.start_nginx(self.good)
        stranger = Authority(self.directory, "stranger")
        path = self.directory / "ca.pem"
        path.write_bytes(stranger.certificate.read_bytes())
        relay = self.start(destination={"ca_file": str(path)})
        self.submit(relay, *self.some_events(10))
        self.assert_refused(relay, "comes from an unknown CA")

        path.write_text("no certificate")
        relay.program.process.send_signal(signal.SIGHUP)
        relay.wait_for_log(rf"event=config\.invalid reason=.*{path}")
        relay.wait_for_log(r"event=config\.not_reloaded")

        path.write_bytes(self.authority.certificate.read_bytes())
        relay.program.process.send_signal(signal.SIGHUP)
        self.assert_all_arrived(relay, 10)
        self.assertEqual(len(relay.programs), 1)  # without a restart


if __name__ == "__main__":
    support.main()
