"""Filters of sources: which events are delivered, and what producers and operators hear of the others."""

import json
import threading

import support
from producers import Producer


class Filters(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()

    def start(self, **of_ci):
        ci = {"name": "ci", "flow_token_file": self.token_file(self.token()),
              "defaults": {"author": {"name": "CI"}}, **of_ci}
        self.relay = self.start_relay(self.server.url, sources=[ci])
        return ci

    def submit(self, uuid, source="ci", thread="build-1", **members):
        event = {"source": source, "external_thread_id": thread, "title": uuid, "uuid": uuid,
                 "author": {"name": "a"}, **members}
        with Producer(self.relay.ingest_socket) as producer:
            return producer.submit(event)

    def operate(self, *words, status=0):
        outcome = self.flowrelay(self.relay, *words)
        self.assertEqual(outcome.status, status, outcome)
        return outcome.stdout + outcome.stderr

    def add(self, name="web"):
        self.operate("source", "add", name, "--token-file", self.token_file(self.token(), name))

    def shown(self, name="web"):
        return json.loads(self.operate("source", "show", name, "--json"))

    def since_start(self):
        return self.relay.status()["since_start"]

    def assert_filtered(self, answer):
        self.assertEqual((answer["status"], answer.get("filtered")), ("accepted", True), answer)

    def assert_stored(self, answer):
        self.assertEqual((answer["status"], answer.get("filtered")), ("accepted", None), answer)

    def assert_delivered(self, *titles):
        self.relay.wait_until_idle()
        self.assertEqual([e["title"] for e in self.server.delivered()], list(titles))

    def assert_books(self, accepted):
        status = self.relay.status()
        self.assertEqual((status["accepted"], status["unaccounted"]), (accepted, 0), status)

    # ---- the configuration

    def test_events_that_do_not_fit_are_answered_and_forgotten(self):
        self.start(filter={"events": ["activity"], "tags": ["#Deploy", "release"],
                           "threads": ["build-"]})
        self.assert_stored(self.submit("fits", tags=["x", "deploy"]))
        answer = self.submit("other-tag", tags=["x"])
        self.assertEqual(answer, {"status": "accepted", "id": "other-tag", "filtered": True})
        self.assert_filtered(self.submit("no-tag"))
        self.assert_filtered(self.submit("other-thread", thread="test-1", tags="release"))
        self.assert_filtered(self.submit("other-type", event="discussion", tags="release"))
        self.assertEqual(self.submit("wrong", title=7)["code"], "invalid_event")
        with Producer(self.relay.ingest_socket) as producer:
            made = producer.submit({"source": "ci", "external_thread_id": "x", "title": "x"})
        self.assert_filtered(made)
        self.assertIn(f"event {made['id']} of ci\n  it was filtered at ",
                      self.operate("explain", made["id"]))
        self.assert_delivered("fits")
        self.assert_books(1)
        self.assertEqual(self.since_start()["filtered"], 5)
        shown = self.operate("source", "show", "ci")
        self.assertRegex(shown, r"filter +only events of the type activity, with one of the tags "
                                r"deploy, release, whose external_thread_id begins with one of "
                                r"build-\nfiltered +5\n")
        metrics = self.operate("metrics")
        self.assertRegex(metrics, r"\nflowrelay_filtered_events_total 5\n")
        self.assertEqual(self.relay.files_with("other-tag", "other-thread"), [])

    def test_the_command_that_sends_says_what_was_filtered(self):
        self.start(filter={"tags": ["deploy"]})
        self.assertIn("(filtered: it is not delivered)",
                      self.operate("send", "--source", "ci", "--thread", "t", "--title", "x"))

    def test_defaults_count_and_so_does_the_token(self):
        ci = self.start(filter={"tags": ["deploy"]},
                        defaults={"author": {"name": "CI"}, "tags": ["deploy"]})
        self.assert_stored(self.submit("default"))
        self.assert_filtered(self.submit("own", tags=["x"]))
        with open(ci["flow_token_file"], encoding="ascii") as file:
            token = file.read().strip()
        with Producer(self.relay.ingest_socket) as producer:
            self.assert_filtered(producer.submit(support.event(token, tags=["x"])))

    def test_a_filter_that_can_not_be_is_named_with_its_place(self):
        ci = self.start()
        self.relay.configure({"sources": [dict(ci, filter={"tags": ["a,b"], "thread": ["x"]})]})
        said = self.operate("reload", status=78)
        self.assertRegex(said, r"flowrelay\.yaml:\d+:\d+: key `sources\.filter\.tags`: \"a,b\" has to")
        self.assertRegex(said, r"key `sources\.filter\.thread`: is not known")

    def test_a_reload_takes_another_filter(self):
        ci = self.start(filter={"tags": ["deploy"]})
        self.assert_filtered(self.submit("one"))
        self.relay.configure({"sources": [ci | {"filter": {"threads": ["build-"]}}]})
        self.assertIn("has another filter", self.operate("reload"))
        self.assert_stored(self.submit("one"))  # the same uuid
        self.assert_filtered(self.submit("two", thread="x", tags=["deploy"]))
        # What was accepted is a duplicate, whatever the filter says now.
        self.relay.configure({"sources": [ci]})
        self.operate("reload")
        self.assertTrue(self.submit("one")["duplicate"])
        self.assert_delivered("one")
        self.assertIn("was delivered", self.operate("explain", "one"))
        self.assertIn("whose external_thread_id begins with one of build-",
                      self.operate("explain", "two"))

    # ---- the command

    def test_the_filter_of_an_added_source_is_kept_and_leaves_with_it(self):
        self.start()
        self.add()
        said = self.operate("source", "filter", "web", "--tag", "#Needle-in-tags", "--tag", "b",
                            "--thread", "x-")
        self.assertIn("of web only events with one of the tags needle-in-tags, b, whose "
                      "external_thread_id begins with one of x- are delivered", said)
        self.relay.wait_for_log(r"control\.changed.*action=source\.filter.*target=web")
        wanted = {"tags": ["needle-in-tags", "b"], "threads": ["x-"]}
        self.assertNotEqual(self.relay.files_with("needle-in-tags"), [])
        for end in (self.relay.stop, self.relay.kill, None):
            self.assertEqual(self.shown()["filter"], wanted)
            self.assert_filtered(self.submit("no", "web"))
            self.assertEqual(self.shown()["filtered"], 1)
            if end:
                end()
                self.relay.start()
        self.operate("source", "rotate", "web", "--token-file", self.token_file(self.token(), "new"))
        self.assertEqual(self.shown()["filter"], wanted)
        self.assert_books(0)
        self.operate("source", "filter", "web", "--all")
        self.assertNotIn("filter", self.shown())
        self.assertEqual(self.relay.files_with("needle-in-tags"), [])
        self.assert_stored(self.submit("yes", "web"))
        self.operate("source", "filter", "web", "--tag", "needle-in-tags")
        self.operate("source", "remove", "web", "--yes")
        self.relay.wait_for_log(r"token\.erased")
        self.assertEqual(self.relay.files_with("needle-in-tags"), [])
        self.add()
        self.assertNotIn("filter", self.shown())

    def test_the_configuration_takes_the_filter_over(self):
        ci = self.start(filter={"tags": ["deploy"]})
        self.add()
        self.operate("source", "filter", "web", "--tag", "needle-in-tags")
        self.assertIn("the filter of ci is the configuration's",
                      self.operate("source", "filter", "ci", "--all", status=65))
        web = {"name": "web", "flow_token_file": str(self.directory / "web")}
        self.relay.configure({"sources": [ci, web]})
        self.assertIn("has another filter", self.operate("reload"))
        self.assertNotIn("filter", self.shown())
        self.assertEqual(self.relay.files_with("needle-in-tags"), [])
        self.assertIn("the configuration's", self.operate("source", "filter", "web", "--all", status=65))

    def test_a_filter_that_can_not_be_set_changes_nothing(self):
        self.start()
        self.add()
        for words, status, said in (
                ([], 64, "say which events are delivered"),
                (["--all", "--tag", "a"], 64, "say which events are delivered"),
                (["--event", "chat"], 64, 'an entry of "events" has to be activity or discussion'),
                (["--tag", ""], 64, 'an entry of "tags" can\'t be blank'),
                (["--thread", "x" * 257], 64, "too long"),
                ([word for n in range(65) for word in ("--tag", f"t{n}")], 64, "at most 64 entries")):
            self.assertIn(said, self.operate("source", "filter", "web", *words, status=status))
        self.assertIn("no source is called",
                      self.operate("source", "filter", "nobody", "--all", status=65))
        self.assertNotIn("filter", self.shown())

    # ---- under load

    def under_load(self, changes):
        """Hands events in all the time. After each answered change, what is handed in obeys it;
        `changes` yields for each whether untagged events pass from then on."""
        answers = []
        passes = [None]  # None: a change is under way
        stop = threading.Event()

        def produce():
            with Producer(self.relay.ingest_socket) as producer:
                while not stop.is_set():
                    before = passes[0]
                    number = len(answers)
                    answer = producer.submit(
                        {"source": "web", "external_thread_id": f"t{number % 5}",
                         "title": str(number), "author": {"name": "a"}})
                    answers.append((before if before == passes[0] else None, number, answer))

        thread = threading.Thread(target=produce)
        thread.start()
        try:
            for now_passes in changes():
                passes[0] = now_passes
                count = len(answers)
                support.wait_until(lambda: len(answers) > count + 20, "more answers")
                passes[0] = None
        finally:
            stop.set()
            thread.join()
        for expected, number, answer in answers:
            self.assertEqual(answer["status"], "accepted")
            if expected is not None:
                self.assertEqual(not answer.get("filtered", False), expected, number)
        stored = [str(n) for _, n, answer in answers if not answer.get("filtered")]
        self.assertGreater(len(stored), 20)
        self.assertGreater(len(answers) - len(stored), 20)
        self.relay.wait_until_idle()
        delivered = self.server.delivered()
        self.assertCountEqual([e["title"] for e in delivered], stored)
        for number in range(5):
            titles = [int(e["title"]) for e in delivered if e["external_thread_id"] == f"t{number}"]
            self.assertEqual(titles, sorted(titles))
        self.assert_books(len(stored))
        self.assertEqual(self.since_start()["filtered"], len(answers) - len(stored))

    def test_every_event_after_a_change_obeys_it(self):
        self.start()
        self.add()

        def changes():
            for _ in range(5):
                self.operate("source", "filter", "web", "--tag", "deploy")
                yield False
                self.operate("source", "filter", "web", "--all")
                yield True
        self.under_load(changes)

    def test_every_event_after_a_reload_obeys_it(self):
        ci = self.start()
        web = {"name": "web", "flow_token_file": self.token_file(self.token(), "web")}
        self.relay.configure({"sources": [ci, web]})
        self.operate("reload")

        def changes():
            for _ in range(5):
                for passes in (False, True):
                    of_web = web if passes else web | {"filter": {"events": ["discussion"]}}
                    self.relay.configure({"sources": [ci, of_web]})
                    self.operate("reload")
                    yield passes
        self.under_load(changes)


if __name__ == "__main__":
    support.main()
