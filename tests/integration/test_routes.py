"""Routes: one source that is connected to several flows."""

import json
import socket

import support
from producers import Producer


class Routes(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.flow_tokens = {name: self.token() for name in ("ci", "ci/ops", "ci/all")}

    def source(self, name, **more):
        file = self.token_file(self.flow_tokens[name], name.replace("/", "-") + ".token")
        return {"name": name, "flow_token_file": file, **more}

    def start(self, *sources, **settings):
        self.relay = self.start_relay(self.server.url, sources=list(sources), **settings)

    def submit(self, uuid, source="ci", **members):
        with Producer(self.relay.ingest_socket) as producer:
            return producer.submit({"source": source, "external_thread_id": "build-1", "title": uuid,
                                    "uuid": uuid, **members})

    def operate(self, *words, status=0):
        outcome = self.flowrelay(self.relay, *words)
        self.assertEqual(outcome.status, status, outcome)
        return outcome.stdout + outcome.stderr

    def delivered(self):
        """The titles that each token has brought, in their order."""
        self.relay.wait_until_idle()
        flows = {name: [] for name in self.flow_tokens}
        for event in self.server.delivered():
            flows[next(n for n, t in self.flow_tokens.items() if t == event["flow_token"])].append(
                event["title"])
        return flows

    def assert_books(self, accepted):
        status = self.relay.status()
        self.assertEqual((status["accepted"], status["unaccounted"]), (accepted, 0), status)

    def test_two_flows_a_filter_a_410_repeats_and_a_kill_between(self):
        self.start(self.source("ci", defaults={"author": {"name": "CI"}}),
                   self.source("ci/ops", filter={"tags": ["deploy"]}), gone={"grace": "0s"})
        self.assertEqual(self.submit("one", tags=["deploy"]), {"status": "accepted", "id": "one"})
        self.assertEqual(self.submit("two"), {"status": "accepted", "id": "two"})
        self.assertEqual(self.delivered(), {"ci": ["one", "two"], "ci/ops": ["one"], "ci/all": []})

        # What is accepted is there after a crash, and a repeat adds what is missing, and no more.
        self.operate("source", "pause", "ci")
        self.operate("source", "pause", "ci/ops")
        self.assertEqual(self.submit("three", source="ci/ops", tags=["deploy"])["id"], "three")
        self.relay.kill()
        self.relay.start()
        for answer in ({"status": "accepted", "id": "three"},
                       {"status": "accepted", "id": "three", "duplicate": True}):
            self.assertEqual(self.submit("three", tags=["deploy"]), answer)
        shown = json.loads(self.operate("queue", "show", "three", "--json"))
        self.assertEqual({shown["source"], shown["copies"][0]["source"]}, {"ci", "ci/ops"}, shown)
        self.relay.kill()
        self.relay.start()
        self.assertIs(self.submit("three", tags=["deploy"])["duplicate"], True)
        self.assertEqual(self.relay.status()["queued"], 2)

        # One flow removes its source, and the other goes on.
        self.server.rules({"match": {"flow_token": self.flow_tokens["ci/ops"]},
                           "status": 410})
        self.operate("source", "resume", "ci")
        self.operate("source", "resume", "ci/ops")
        self.relay.wait_for_log(r"token\.gone source=ci/ops")
        self.assertEqual(self.submit("four", tags=["deploy"]), {"status": "accepted", "id": "four"})
        self.assertEqual(self.submit("five", source="ci/ops")["code"], "token_gone")
        self.assertEqual(self.delivered()["ci"], ["one", "two", "three", "four"])
        self.assertEqual(self.delivered()["ci/ops"], ["one"])
        self.relay.wait_for_status("the erasure", lambda status: status["erased"] == 1)
        self.assert_books(accepted=6)

    def test_events_and_copies_are_both_counted(self):
        self.start(self.source("ci"), self.source("ci/ops"), self.source("ci/all"))
        self.submit("one", author={"name": "a"})
        self.submit("two", source="ci/ops", author={"name": "a"})
        self.submit("one", author={"name": "a"})
        self.assertEqual({name: len(titles) for name, titles in self.delivered().items()},
                         {"ci": 1, "ci/ops": 2, "ci/all": 1})
        since = self.relay.status()["since_start"]
        self.assertEqual((since["accepted_events"], since["accepted_copies"]), (2, 4))
        self.assertRegex(self.operate("status"), r"accepted +4 copies \(since the start 4 copies of 2 ")
        metrics = self.operate("metrics")
        self.assertIn("\nflowrelay_stored_events_total 2\n", metrics)
        self.assertIn("\nflowrelay_stored_copies_total 4\n", metrics)
        self.assertIn('flowrelay_source_queued_events{source="ci/ops"} 0', metrics)

    def test_a_route_has_the_defaults_of_its_source_where_it_has_none(self):
        self.start(self.source("ci", defaults={"author": {"name": "CI"}, "event": "discussion",
                                               "tags": ["ci"]}),
                   self.source("ci/ops", defaults={"tags": ["ops"]}),
                   self.source("ci/all", defaults={"event": "activity"}))
        self.submit("one")
        self.relay.wait_until_idle()
        made = {event["flow_token"]: (event["event"], event["tags"], event["author"])
                for event in self.server.delivered()}
        author = {"name": "CI"}
        self.assertEqual(made, {self.flow_tokens["ci"]: ("discussion", ["ci"], author),
                                self.flow_tokens["ci/ops"]: ("discussion", ["ops"], author),
                                self.flow_tokens["ci/all"]: ("activity", ["ci"], author)})

    def test_a_source_with_allow_is_not_reached_through_a_route(self):
        port = support.free_port()
        self.start(self.source("ci", allow=["root"], defaults={"author": {"name": "CI"}}),
                   self.source("ci/ops"), ingest={"listen": f"127.0.0.1:{port}"})
        self.assertEqual(self.submit("local")["status"], "accepted")
        for name in ("ci", "ci/ops"):
            with socket.create_connection(("127.0.0.1", port)) as stranger:
                stranger.sendall(support.line({"source": name, "external_thread_id": "t",
                                               "title": "over TCP"}).encode())
                answer = json.loads(stranger.makefile().readline())
            self.assertEqual(answer["code"], "not_allowed", answer)
        self.assertEqual(self.delivered(), {"ci": ["local"], "ci/ops": ["local"], "ci/all": []})

    def test_all_commands_take_the_name_of_a_route(self):
        self.start(self.source("ci", defaults={"author": {"name": "CI"}}))
        file = self.token_file(self.flow_tokens["ci/ops"], "ops.token")
        self.assertIn("ci/ops is added", self.operate("source", "add", "ci/ops", "--token-file", file))
        self.operate("source", "filter", "ci/ops", "--tag", "deploy")
        for action, state in (("pause", "paused"), ("resume", "active")):
            self.operate("source", action, "ci/ops")
            shown = json.loads(self.operate("source", "show", "ci/ops", "--json"))
            self.assertEqual((shown["name"], shown["state"]), ("ci/ops", state))
        self.assertIn("ci/ops: unknown", self.operate("source", "check", "ci/ops", status=1))
        self.flow_tokens["ci/ops"] = self.token()
        self.operate("source", "rotate", "ci/ops", "--token-file",
                     self.token_file(self.flow_tokens["ci/ops"], "ops2.token"))
        self.submit("one", tags=["deploy"])
        self.submit("two")
        self.assertEqual(self.delivered(), {"ci": ["one", "two"], "ci/ops": ["one"], "ci/all": []})
        explained = self.operate("explain", "one")
        self.assertIn("also for ci", explained)
        self.assertRegex(self.operate("explain", "two"), r"also for ci/ops: filtered")
        self.operate("source", "remove", "ci/ops", "--yes")
        self.assertEqual(self.submit("three", source="ci/ops")["code"], "unknown_source")
        self.assertEqual(self.submit("four")["status"], "accepted")
        for name in ("ci/", "/ops", "ci/ops/x", "token-7/ops", "ci/a b"):
            said = self.operate("source", "add", name, "--token-file", file, status=64)
            self.assertRegex(said, "no name for a source|can't be the name")


if __name__ == "__main__":
    support.main()
