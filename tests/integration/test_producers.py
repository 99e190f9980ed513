"""Who hands events in: recorded with them, limited by user, allowed or not by source."""

import contextlib
import json
import os
import unittest

import support
from producers import ApiConnection, ClosedByPeer, Producer

NOBODY = 65534
DAEMON = 1


class ProducersTest(support.RelayTestCase):

    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.ci = self.token()

    def start(self, allow=None, **settings):
        source = {"name": "ci", "flow_token_file": self.token_file(self.ci),
                  "defaults": {"author": {"name": "CI"}}}
        if allow is not None:
            source["allow"] = allow
        settings.setdefault("ingest", {})["socket_mode"] = "0666"
        settings["control"] = {"socket_mode": "0666"}
        self.relay = self.start_relay(self.server.url, sources=[source], **settings)
        self.relay.directory.chmod(0o755)
        self.directory.chmod(0o755)
        return self.relay

    def event(self, **members):
        return {"source": "ci", "external_thread_id": "t", "title": "failed", **members}

    def as_user(self, uid, groups, function):
        """Runs a function as somebody else; gives what it returned."""
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups(groups)
                os.setgid(groups[0])
                os.setuid(uid)
                os.write(write, json.dumps(function()).encode())
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            text = pipe.read()
        os.waitpid(pid, 0)
        self.assertTrue(text, "it failed")
        return json.loads(text), pid

    def submit(self, event=None):
        with Producer(self.relay.ingest_socket, support.PATIENCE) as producer:
            return producer.submit(event or self.event())

    def get(self, path):
        with contextlib.closing(ApiConnection(str(self.relay.control_socket),
                                              support.PATIENCE)) as connection:
            return connection.request("GET", path).json()

    def pause(self):
        self.assertEqual(self.flowrelay(self.relay, "source", "pause", "ci").status, 0)

    def test_the_producer_of_an_event_is_recorded_and_survives_a_restart(self):
        self.start()
        self.pause()
        made = self.submit()["id"]
        with contextlib.closing(ApiConnection(str(self.relay.ingest_socket), 5)) as connection:
            posted = connection.post(self.event()).json()["id"]
        for _ in range(2):
            for event in (made, posted):
                producer = self.get(f"/v1/queue/{event}")["producer"]
                self.assertEqual((producer["uid"], producer["pid"]), (os.geteuid(), os.getpid()))
            self.relay.restart()

    def test_nothing_is_known_of_a_producer_over_tcp(self):
        port = support.free_port()
        self.start(ingest={"listen": f"127.0.0.1:{port}"})
        self.pause()
        with Producer(("127.0.0.1", port), support.PATIENCE) as producer:
            made = producer.submit(self.event())["id"]
        self.assertNotIn("producer", self.get(f"/v1/queue/{made}"))

    @unittest.skipUnless(os.geteuid() == 0, "needs other users to be")
    def test_a_source_is_for_those_who_may_use_it(self):
        self.start(allow=["nobody", "group:daemon"])
        for uid, groups, expected in [(NOBODY, [NOBODY], "accepted"), (0, [0], "accepted"),
                                      (1234, [DAEMON], "accepted"), (1234, [1, 5], "accepted"),
                                      (1234, [5], "rejected"), (DAEMON, [5], "rejected")]:
            with self.subTest(uid=uid, groups=groups):
                answer, _ = self.as_user(uid, groups, self.submit)
                self.assertEqual(answer["status"], expected, answer)
                if expected == "rejected":
                    self.assertEqual(answer["code"], "not_allowed")
                    self.assertIn("sources.allow", answer["message"])
        # The token itself is no way around it.
        direct = support.event(self.ci)
        answer, _ = self.as_user(1234, [5], lambda: self.submit(direct))
        self.assertEqual(answer["code"], "not_allowed")

        def post():
            with contextlib.closing(ApiConnection(str(self.relay.ingest_socket), 5)) as connection:
                answer = connection.post(self.event())
                return [answer.status, answer.json()["code"]]
        self.assertEqual(self.as_user(1234, [5], post)[0], [403, "not_allowed"])
        self.relay.wait_until_idle()

    def test_a_restricted_source_is_not_for_producers_over_tcp(self):
        port = support.free_port()
        self.start(allow=["nobody"], ingest={"listen": f"127.0.0.1:{port}"})
        with Producer(("127.0.0.1", port), support.PATIENCE) as producer:
            self.assertEqual(producer.submit(self.event())["code"], "not_allowed")

    def test_wrong_rules_are_named_with_their_place(self):
        for allow, words in [(["no-such-user"], "there is no user"),
                             (["group:no-such-group"], "there is no group"),
                             ([], "must be a list"), ("nobody", "must be a list"),
                             ([["nobody"]], "there is no user")]:
            with self.subTest(allow=allow):
                relay = self.make_relay(self.server.url, name=f"relay{abs(hash(str(allow)))}",
                                        sources=[{"name": "ci", "allow": allow,
                                                  "flow_token_file": self.token_file(self.ci)}])
                outcome = self.flowrelay(relay, "config", "check", str(relay.config_path))
                self.assertEqual(outcome.status, 78)
                self.assertRegex(outcome.stderr, rf"flowrelay\.yaml:\d+:\d+: key `sources\.allow`: .*"
                                                 rf"{words}")

    def test_a_rule_can_be_changed_while_the_relay_runs(self):
        self.start()
        self.relay.configure({"sources": [{"name": "ci", "flow_token_file": self.token_file(self.ci),
                                           "allow": ["nobody"],
                                           "defaults": {"author": {"name": "CI"}}}]})
        self.assertIn("source ci has other settings", self.flowrelay(self.relay, "reload").stdout)
        if os.geteuid() == 0:
            self.assertEqual(self.as_user(1234, [5], self.submit)[0]["code"], "not_allowed")

    def test_one_user_can_not_take_all_connections(self):
        self.start(ingest={"max_connections_per_uid": 3})
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                producer = stack.enter_context(Producer(self.relay.ingest_socket, support.PATIENCE))
                self.assertEqual(producer.submit(self.event())["status"], "accepted")
            with Producer(self.relay.ingest_socket, support.PATIENCE) as refused:
                answer = refused.answer()
                self.assertEqual(answer["code"], "queue_full")
                self.assertGreater(answer["retry_after_ms"], 0)
                with self.assertRaises((ClosedByPeer, ConnectionResetError)):
                    refused.answer()
            self.relay.wait_for_log(rf"server\.busy.* uid={os.geteuid()}\b")
            if os.geteuid() == 0:
                answer, _ = self.as_user(NOBODY, [NOBODY], self.submit)
                self.assertEqual(answer["status"], "accepted", "others still have theirs")
        support.wait_until(lambda: self.try_submit(), "a connection when the others have gone")

    def try_submit(self):
        with contextlib.suppress(ClosedByPeer, ConnectionError):
            return self.submit()["status"] == "accepted"
        return False


if __name__ == "__main__":
    support.main()
