"""Whether sources live in their flows can be asked, and is asked of those that are idle."""

import contextlib
import json
import re

import support
from flow_sources import TRACES, FlowTestCase
from producers import ApiConnection, Producer


class SourceCheck(FlowTestCase):

    def remove_in_flow(self, number):
        with contextlib.closing(ApiConnection(("127.0.0.1", self.server.port))) as connection:
            answer = connection.request("DELETE", "/flows/example/main/sources/" + number,
                                        fields={"Authorization": "Bearer " + self.access})
        self.assertEqual(answer.status, 204, answer)

    def check(self, *names, status=0):
        outcome = self.flowrelay(self.relay, "source", "check", *names)
        self.assertEqual(outcome.status, status, outcome)
        return outcome.stdout

    def submit(self, source="ci"):
        with Producer(self.relay.ingest_socket) as producer:
            answer = producer.submit({"source": source, "external_thread_id": "t", "title": "x",
                                      "author": {"name": "W"}})
        return answer

    def flow_token(self):
        self.submit()
        token = self.server.wait_for(1)[-1]["flow_token"]
        self.tokens.append(token)
        return token

    def test_a_source_is_found_and_one_that_is_gone_is_erased(self):
        self.start(gone={"grace": "2s"})
        self.connect()
        token = self.flow_token()
        self.assertEqual(self.check("ci"), "ci: found, source 36 of Main (example/main)\n")
        delivered = self.relay.wait_until_idle()["delivered"]
        self.remove_in_flow("36")
        told = self.check("ci", status=65)
        self.assertRegex(told, r"^ci: gone: it was removed from its flow\. It is disabled, and what is "
                               r"stored for it will be erased in [12]s; .*\(HTTP 410: ")
        self.assertEqual(self.shown()["state"], "gone")
        self.assertEqual(self.submit()["code"], "token_gone")
        outcome = self.flowrelay(self.relay, "source", "check", "ci")
        self.assertEqual(outcome.status, 65)
        self.assertIn("gone already", outcome.stderr)
        self.relay.wait_for_log(r"token\.erased")
        self.assertEqual(self.relay.files_with(token, *TRACES), [])
        self.assertEqual(self.relay.status()["delivered"], delivered, "a check posts nothing")
        self.relay.stop()
        self.assertNotIn(token, self.relay.log)

    def test_any_other_answer_is_told_apart_and_changes_nothing(self):
        self.start()
        self.connect()
        token = self.flow_token()
        for rule, exit_status, words in [
                ({"status": 404}, 1, "ci: unknown: .* nothing was changed"),
                ({"status": 401, "body": {"message": f"no {token}"}}, 1, r"ci: refused: .*no \[token\]"),
                ({"status": 503}, 75, "ci: unanswered: .*HTTP 503"),
                ({"status": 200, "body": {"hello": 1}}, 1, "ci: strange: "),
                ({"status": 302, "headers": {"Location": f"/login?flow_token={token}"}}, 1,
                 r"ci: strange: .*redirects to .*\[token\]"),
                ({"action": "close"}, 75, "ci: unanswered: ")]:
            with self.subTest(rule=rule):
                self.server.rules({"match": {"path": "/sources"}, **rule})
                told = self.check("ci", status=exit_status)
                self.assertRegex(told, words)
                self.assertNotIn(token, told)
                self.assertEqual(self.shown()["state"], "active")
        self.server.rules()
        # A 410 that is not said twice is none.
        self.server.rules({"match": {"path": "/sources"}, "status": 410, "times": 1})
        self.assertTrue(self.check("ci").startswith("ci: found"))
        self.server.terminate()
        self.assertRegex(self.check("ci", status=75), "unanswered: .*connect_failed")
        self.assertEqual(self.shown()["state"], "active")
        self.relay.stop()
        self.assertNotIn(token, self.relay.log)

    def test_all_sources_are_asked_for_and_the_worst_counts(self):
        self.start()
        self.assertEqual(self.check(), "there is no source to ask for\n")
        for name in ("ci", "web"):
            self.connect(name)
        self.flowrelay(self.relay, "source", "add", "hand", "--token-file", "-", stdin=self.token())
        self.remove_in_flow("37")
        told = self.check(status=65)
        self.assertRegex(told, r"ci: found.*\nweb: gone.*\nhand: unknown.*\n")
        told = self.check("--json", status=1)
        self.assertEqual([json.loads(line)["result"] for line in told.splitlines()],
                         ["found", "unknown"])

    def test_an_idle_source_learns_of_its_removal(self):
        self.start(destination={"check_idle_sources": "1s"}, gone={"grace": "0s"})
        self.connect()
        self.connect("web")
        # Nothing is sent. What was removed is noticed, the other stays.
        self.remove_in_flow("36")
        self.relay.wait_for_log(r"event=token\.gone source=ci status=410")
        self.relay.wait_for_log(r"event=token\.erased source=ci")
        self.assertEqual(self.shown("web")["state"], "active")
        # A server that can't be asked: told once, and nothing happens.
        self.server.rules({"match": {"path": "/sources"}, "status": 404})
        self.relay.wait_for_log(r"event=source\.check_failed source=web result=unknown status=404")
        self.assertEqual(self.shown("web")["state"], "active")
        self.relay.stop()
        self.assertEqual(len(re.findall(r"source\.check_failed", self.relay.log)), 1)

    def test_nobody_is_asked_for_when_that_is_off(self):
        self.start(destination={"check_idle_sources": "off"})
        self.connect()
        self.remove_in_flow("36")
        with self.assertRaises(AssertionError):
            self.relay.wait_for_log(r"token\.gone", patience=3)


if __name__ == "__main__":
    support.main()
