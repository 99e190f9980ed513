"""Each row of docs/sources.md, with the real programs: what becomes of queued events when a name or a
token changes. Changes of the configuration are made by a reload and by a restart."""

import contextlib
import json
import re

import support
from producers import Producer


both_ways = ("reload", "restart")


class Sources(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.lives = 0

    # ---- the parts of a life

    def begin(self, how, config, **settings):
        """A relay with these sources ("T1" and so on stand for tokens) and a server that takes
        nothing yet. Changes of the configuration are made by `how`."""
        self.how = how
        self.lives += 1
        self.secrets = {}
        self.done = len(self.server.delivered())
        self.server.rules({"status": 503})
        self.relay = self.make_relay(self.server.url, f"relay-{self.lives}",
                                     sources=self.sources(config), gone={"grace": "1h"}, **settings)
        self.relay.start()

    def secret(self, token):
        return self.secrets.setdefault(token, self.token())

    def file(self, token):
        return self.token_file(self.secret(token), f"{self.lives}.{token}.token")

    def sources(self, config):
        return [{"name": name, "flow_token_file": self.file(token)}
                for name, token in config.items()]

    def send(self, to, uuid, refused=None):
        """Hands an event in, by the name of a source or by a token."""
        is_token = re.fullmatch(r"T\d", to)
        event = {"flow_token": self.secret(to)} if is_token else {"source": to}
        event.update(event="activity", title="t", author={"name": "a"}, uuid=uuid,
                     external_thread_id="thread")
        with Producer(self.relay.ingest_socket) as producer:
            answer = producer.submit(event)
        self.assertEqual(answer.get("code"), refused, answer)

    def change(self, config):
        self.relay.configure({"sources": self.sources(config)})
        if self.how == "restart":
            self.relay.restart()
            return ""
        return self.operate("reload")

    def operate(self, *words, refused=None):
        """Runs `flowrelay`; with `refused` it has to fail and say so."""
        outcome = self.flowrelay(self.relay, *words)
        self.assertEqual(outcome.status == 0, refused is None, outcome)
        if refused:
            self.assertRegex(outcome.stderr, refused)
        return outcome.stdout

    def add(self, name, token, refused=None):
        return self.operate("source", "add", name, "--token-file", self.file(token), refused=refused)

    def listed(self):
        lines = self.operate("source", "list", "--json").splitlines()
        return {entry["slot"]: entry for entry in map(json.loads, lines)}

    def slot_of(self, name, state):
        entry, = (entry for entry in self.listed().values()
                  if (entry["name"], entry["state"]) == (name, state))
        return entry

    def answer_410(self, token):
        self.server.rules({"match": {"flow_token": self.secret(token)}, "status": 410},
                          {"status": 503})
        self.operate("queue", "retry", "--all")
        self.relay.wait_for_log(r"event=token\.gone")
        self.server.rules({"status": 503})

    def end(self, posted, waits=None):
        """The server takes everything: these events are posted with these tokens, in this order
        where they have the same one; those of `waits` ({name: how many}) stay, as `missing`."""
        self.server.rules()
        self.operate("queue", "retry", "--all")
        events = self.server.wait_for(self.done + len(posted))[self.done:]
        self.assertEqual({event["uuid"]: event["flow_token"] for event in events},
                         {uuid: self.secret(token) for uuid, token in posted.items()})
        for token in set(posted.values()):
            self.assertEqual([e["uuid"] for e in events if e["flow_token"] == self.secret(token)],
                             [uuid for uuid, of in posted.items() if of == token])
        waiting = {entry["name"]: entry["queued"] for entry in self.listed().values()
                   if entry["state"] == "missing" and entry["queued"] > 0}
        self.assertEqual(waiting, waits or {})
        now = self.relay.wait_for_status(
            "the rest", lambda now: now["queued"] == sum(waiting.values()))
        self.assertEqual((now["erased"], now["dropped"], now["dead"], now["unaccounted"]), (0, 0, 0, 0))
        self.relay.stop()

    @contextlib.contextmanager
    def row(self, how, title):
        with self.subTest(f"{title} ({how})"):
            try:
                yield
            finally:
                if self.relay.program.running():
                    self.relay.stop()

    # ---- changes of the configuration

    def test_tokens_and_names_that_change(self):
        """Before, what is handed in, after: what is posted with which token, and what waits."""
        rows = (
            ("a token is rotated", {"ci": "T1"}, ["ci"], {"ci": "T2"}, ["T2"], {}),
            ("a source is renamed", {"ci": "T1"}, ["ci"], {"build": "T1"}, ["T1"], {}),
            ("names move on", {"a": "T1", "b": "T2"}, ["a", "b"], {"b": "T1", "c": "T2"},
             ["T1", "T2"], {}),
            ("names are swapped", {"a": "T1", "b": "T2"}, ["a", "b"], {"a": "T2", "b": "T1"},
             ["T1", "T2"], {}),
            ("a name is taken over", {"a": "T1", "b": "T2"}, ["a", "b"], {"b": "T1"},
             ["T1", None], {"b": 1}),
            ("a name takes another's token", {"a": "T1", "b": "T2"}, ["a", "b"],
             {"a": "T2", "b": "T3"}, [None, "T2"], {"a": 1}),
            ("a source is taken out", {"ci": "T1"}, ["ci"], {}, [None], {"ci": 1}),
            ("events came with its token", {}, ["T1"], {"ci": "T1"}, ["T1"], {}),
            ("events came with its next token", {"ci": "T1"}, ["ci", "T2", "T2"], {"ci": "T2"},
             [None, "T2", "T2"], {"ci": 1}),
        )
        for title, before, sent, after, posted, waits in rows:
            for how in both_ways:
                with self.row(how, title):
                    self.begin(how, before)
                    for number, to in enumerate(sent):
                        self.send(to, f"{self.lives}-{number}")
                    said = self.change(after)
                    for name, count in waits.items():
                        where = "(slot=token-\\d+ )"
                        self.relay.wait_for_log(rf"event=token\.missing source={name} {where}queued={count}")
                        if said:
                            self.assertRegex(said, rf"Look at {name}: it is missing, with {count} event queued")
                    expected = {f"{self.lives}-{number}": token for number, token in enumerate(posted)
                                if token}
                    # What comes now follows what is queued with its token.
                    for name, token in after.items():
                        self.send(name, f"{self.lives}-after-{name}")
                        expected[f"{self.lives}-after-{name}"] = token
                    for name in set(before) - set(after):
                        self.send(name, f"{self.lives}-refused", refused="unknown_source")
                    self.end(expected, waits)

    def test_what_was_there_once(self):
        for after, posted in (({"ci": "T1"}, "T1"), ({"ci": "T2"}, "T2"), ({"build": "T1"}, "T1")):
            for how in both_ways:
                with self.row(how, f"ci comes back as {after}"):
                    self.begin(how, {"ci": "T1"})
                    self.send("ci", f"{self.lives}-0")
                    self.change({})
                    self.change(after)
                    self.end({f"{self.lives}-0": posted})

    def test_of_two_that_have_left_by_one_name_nobody_said_which_is_meant(self):
        for how in both_ways:
            with self.row(how, "two have left"):
                self.begin(how, {"ci": "T1"})
                self.send("ci", f"{self.lives}-0")
                self.send("T2", f"{self.lives}-1")
                self.change({"ci": "T2"})
                self.change({})
                self.change({"ci": "T3"})
                self.send("ci", f"{self.lives}-2")
                self.assertEqual(sum(entry["queued"] for entry in self.listed().values()
                                     if entry["state"] == "missing"), 2)
                # Each goes on with its own token.
                self.change({"ci": "T3", "one": "T1", "two": "T2"})
                self.end({f"{self.lives}-0": "T1", f"{self.lives}-1": "T2", f"{self.lives}-2": "T3"})

    def test_a_pause_goes_on(self):
        for how in both_ways:
            with self.row(how, "a pause"):
                self.begin(how, {})
                self.send("T1", f"{self.lives}-0")
                self.operate("source", "pause", "token-1")
                self.change({"ci": "T1"})
                self.assertEqual(self.listed()["token-1"]["state"], "paused")
                self.operate("source", "resume", "ci")
                self.end({f"{self.lives}-0": "T1"})

    def test_added_sources_and_the_configuration(self):
        rows = (({}, {"web": "T1"}, ["T1"]), ({}, {"ci": "T1"}, ["T1"]), ({}, {"web": "T2"}, ["T2"]),
                ({"x": "T2"}, {"web": "T2"}, ["T1", "T2"]))
        for before, after, posted in rows:
            for how in both_ways:
                with self.row(how, f"web was added, {after}"):
                    self.begin(how, before)
                    self.add("web", "T1")
                    for number, name in enumerate(["web", *before]):
                        self.send(name, f"{self.lives}-{number}")
                    self.assertNotEqual(self.relay.files_with(self.secret("T1")), [])
                    self.change(after)
                    if "T1" not in posted or after.get("web") == "T1":
                        self.assertEqual(self.relay.files_with(self.secret("T1")), [],
                                         "the configuration has it")
                    self.end({f"{self.lives}-{number}": token for number, token in enumerate(posted)})

    def test_gone_is_not_removed(self):
        for after in ({"ci": "T1"}, {"build": "T1"}):
            for how in both_ways:
                with self.row(how, f"gone, {after}"):
                    self.begin(how, {"ci": "T1"})
                    self.send("ci", f"{self.lives}-0")
                    self.answer_410("T1")
                    self.change(after)
                    name, = after
                    self.assertEqual(self.slot_of(name, "gone")["slot"], "token-1")
                    self.send(name, f"{self.lives}-1", refused="token_gone")
                    self.operate("source", "enable", name)
                    self.end({f"{self.lives}-0": "T1"})
        for how in both_ways:
            with self.row(how, "removed"):
                self.begin(how, {"ci": "T1"})
                self.send("ci", f"{self.lives}-0")
                self.operate("source", "remove", "ci", "--yes")
                self.relay.wait_for_log(r"event=token\.erased source=ci events=1")
                self.change({"ci": "T1"})
                self.server.rules()
                self.send("ci", f"{self.lives}-1")
                event, = self.server.wait_for(self.done + 1)[self.done:]
                self.assertEqual(event["uuid"], f"{self.lives}-1")

    def test_a_gone_token_that_is_replaced(self):
        for how in both_ways:
            with self.row(how, "replaced"):
                self.begin(how, {"ci": "T1"})
                self.send("ci", f"{self.lives}-0")
                self.answer_410("T1")
                self.change({"ci": "T2"})
                self.send("ci", f"{self.lives}-1")
                self.operate("source", "enable", "ci")
                # Its events wait for its token, which the configuration does not give any more.
                self.assertEqual(self.slot_of("ci", "missing")["queued"], 1)
                self.add("former", "T1")
                self.end({f"{self.lives}-0": "T1", f"{self.lives}-1": "T2"})

    def test_a_token_that_was_erased(self):
        for how in both_ways:
            with self.row(how, "erased"):
                self.begin(how, {"ci": "T1"})
                self.relay.configure({"gone": {"grace": "0s"}})
                self.operate("reload")
                self.send("ci", f"{self.lives}-0")
                self.answer_410("T1")
                self.relay.wait_for_log(r"event=token\.erased source=ci events=1")
                self.change({"ci": "T2"})
                self.send("ci", f"{self.lives}-1")
                self.change({"ci": "T1"})
                self.send("ci", f"{self.lives}-2", refused="token_gone")
                self.assertEqual(self.slot_of("ci", "missing")["queued"], 1)
                # If the token is right after all, its receipt is removed, and it begins again.
                self.change({})
                self.operate("source", "remove", "token-1", "--yes")
                self.change({"build": "T1", "ci": "T2"})
                self.send("build", f"{self.lives}-3")
                self.server.rules()
                self.operate("queue", "retry", "--all")
                events = self.server.wait_for(self.done + 2)[self.done:]
                self.assertEqual({e["uuid"]: e["flow_token"] for e in events},
                                 {f"{self.lives}-1": self.secret("T2"), f"{self.lives}-3": self.secret("T1")})

    # ---- commands

    def test_source_add(self):
        with self.row("add", "a token that nobody has"):
            self.begin("reload", {"ci": "T1"})
            self.add("web", "T2")
            self.send("web", "add-0")
            self.add("ci", "T3", refused="there is a source ci already")
            self.add("other", "T2", refused="source web has this token already")
            self.end({"add-0": "T2"})
        with self.row("add", "a token that events brought, paused"):
            self.begin("reload", {})
            self.send("T1", "add-1")
            self.operate("source", "pause", "token-1")
            self.assertIn("paused", self.add("web", "T1"))
            self.operate("source", "resume", "web")
            self.end({"add-1": "T1"})
        for token in ("T1", "T2"):
            with self.row("add", f"one that has left the configuration, with {token}"):
                self.begin("reload", {"ci": "T1"})
                self.send("ci", f"add-left-{token}")
                self.change({})
                self.add("web", "T1", refused="this token is that of ci, and ci is not in the "
                                              "configuration any more: put it back there, or "
                                              "`source add ci`")
                self.operate("source", "resume", "ci", refused="`source add ci`")
                self.add("ci", token)
                self.end({f"add-left-{token}": token})

    def test_source_rotate(self):
        with self.row("rotate", "all"):
            self.begin("reload", {"ci": "T1"})
            self.add("web", "T2")
            for number in range(3):
                self.send("web", f"rotate-{number}")
            self.send("T4", "rotate-direct")

            def rotate(name, token, refused=None):
                self.operate("source", "rotate", name, "--token-file", self.file(token),
                             refused=refused)
            rotate("ci", "T3", refused="the token of ci is the configuration's")
            rotate("web", "T1", refused="source ci has this token already")
            rotate("web", "T4", refused="token-3 has this token already, and events of its own")
            rotate("web", "T3")
            self.end({**{f"rotate-{number}": "T3" for number in range(3)}, "rotate-direct": "T4"})

    def test_source_pause_and_enable(self):
        with self.row("pause", "over a restart"):
            self.begin("restart", {"ci": "T1"})
            self.send("ci", "pause-0")
            self.operate("source", "pause", "ci")
            self.relay.restart()
            self.assertEqual(self.listed()["token-1"]["state"], "paused")
            self.operate("source", "resume", "ci")
            self.end({"pause-0": "T1"})
        with self.row("enable", "not what was removed"):
            self.begin("reload", {"ci": "T1"})
            self.send("ci", "enable-0")
            self.operate("source", "remove", "ci", "--yes")
            self.operate("source", "enable", "ci", refused="was removed by an operator")

    def test_source_remove(self):
        with self.row("remove", "one that is in the configuration, and another"):
            self.begin("reload", {"ci": "T1", "web": "T2"})
            self.send("ci", "remove-0")
            self.send("web", "remove-1")
            self.operate("source", "remove", "ci", "--yes")
            self.relay.wait_for_log(r"event=token\.erased source=ci events=1")
            self.send("ci", "remove-2", refused="unknown_source")
            self.operate("reload")
            self.send("ci", "remove-3")
            self.server.rules()
            self.operate("queue", "retry", "--all")
            events = self.server.wait_for(self.done + 2)[self.done:]
            self.assertEqual({event["uuid"] for event in events}, {"remove-1", "remove-3"})
        with self.row("remove", "what waits, by the name of its slot"):
            self.begin("reload", {"ci": "T1"})
            self.send("ci", "remove-4")
            self.send("T2", "remove-5")
            self.change({"ci": "T2"})
            self.operate("source", "remove", "token-1", "--yes")
            self.relay.wait_for_log(r"event=token\.erased source=ci events=1")
            self.server.rules()
            self.operate("queue", "retry", "--all")
            event, = self.server.wait_for(self.done + 1)[self.done:]
            self.assertEqual(event["uuid"], "remove-5")

    # ---- a source that has left, and unknown_tokens

    def test_an_event_with_its_token_sets_it_going_and_makes_no_source(self):
        with self.row("event", "missing"):
            self.begin("reload", {"ci": "T1"})
            self.send("ci", "going-0")
            self.change({})
            self.send("T1", "going-1")
            self.send("ci", "going-2", refused="unknown_source")
            self.end({"going-0": "T1", "going-1": "T1"})

    def test_unknown_tokens(self):
        with self.row("reject", "what was seen before"):
            self.begin("reload", {"ci": "T1"})
            self.add("web", "T2")
            self.send("T3", "unknown-0")
            self.relay.configure({"ingest": {"unknown_tokens": "reject"}})
            self.operate("reload")
            self.send("T3", "unknown-1", refused="unknown_source")
            self.send("T1", "unknown-2")
            self.send("T2", "unknown-3")
            self.end({"unknown-0": "T3", "unknown-2": "T1", "unknown-3": "T2"})


if __name__ == "__main__":
    support.main()
