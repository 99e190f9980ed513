"""Metrics: OpenMetrics as a parser that nobody here wrote understands it, told as documented, and true;
and the alert rules and the dashboard ask for nothing that is not there."""

import json
import pathlib
import re
import shutil
import subprocess

import support
from producers import ApiConnection, Producer
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as prometheus

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}


class MetricsTestCase(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.t = self.token()
        self.relay = self.start_relay(self.server.url, metrics={"listen": "127.0.0.1:0"}, sources=[
            {"name": "ci", "flow_token_file": self.token_file(self.t),
             "defaults": {"author": {"name": "CI"}}}])
        match = self.relay.wait_for_log(r"server=metrics address=127\.0\.0\.1:(\d+)")
        self.address = ("127.0.0.1", int(match.group(1)))

    def get(self, path="/metrics", fields=None, method="GET"):
        with ApiConnection(self.address) as connection:
            return connection.request(method, path, fields=fields)

    def families(self):
        text = self.get(fields=OPENMETRICS).body.decode()
        return {family.name: family for family in openmetrics.text_string_to_metric_families(text)}

    def value(self, name, **labels):
        """The value of a sample by its full name."""
        for family in self.families().values():
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        raise AssertionError(f"no sample {name}{labels}")

    def send(self, thread, source="ci", **members):
        with Producer(self.relay.ingest_socket) as producer:
            return producer.submit({"source": source, "external_thread_id": thread, "title": "t",
                                    **members})


class Exposition(MetricsTestCase):
    def test_the_text_is_openmetrics_with_its_names_types_and_units(self):
        answer = self.get(fields=OPENMETRICS)
        self.assertEqual(answer.fields["content-type"],
                         "application/openmetrics-text; version=1.0.0; charset=utf-8")
        text = answer.body.decode()
        self.assertTrue(text.endswith("\n# EOF\n"))
        families = list(openmetrics.text_string_to_metric_families(text))
        self.assertGreater(len(families), 25)
        for family in families:
            self.assertTrue(family.documentation, family.name)
            self.assertTrue(family.samples, family.name)
            if family.unit:
                self.assertTrue(family.name.endswith("_" + family.unit), family.name)
            if "seconds" in family.name or "bytes" in family.name:
                self.assertIn(family.unit, ("seconds", "bytes"), family.name)

    def test_who_does_not_ask_for_it_gets_the_older_format(self):
        answer = self.get()
        self.assertEqual(answer.fields["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        text = answer.body.decode()
        self.assertNotIn("# EOF", text)
        for family in prometheus.text_string_to_metric_families(text):
            self.assertIn(family.type, ("counter", "gauge", "histogram"), family.name)

    def test_promtool_has_no_objection(self):
        self.assertTrue(shutil.which("promtool"), "promtool is missing")
        run = subprocess.run(["promtool", "check", "metrics"], input=self.get().body, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        # It calls "events" and the like no base units, which OpenMetrics does not mind.
        objections = [line for line in run.stdout.decode().splitlines()
                      if "non-histogram and non-summary metrics should not have" not in line]
        self.assertEqual(objections, [])

    def test_other_paths_and_methods_are_told_what_there_is(self):
        self.assertEqual(self.get("/").status, 404)
        self.assertEqual(self.get(method="POST").status, 405)
        with ApiConnection(self.address) as connection:
            connection.send_request("HEAD", "/metrics", fields={"Connection": "close"})
            answer = connection.rest().decode()
        self.assertTrue(answer.startswith("HTTP/1.1 200 "), answer)
        self.assertTrue(answer.endswith("\r\n\r\n"), answer)

    def test_every_family_is_documented_with_its_type(self):
        text = (ROOT / "docs" / "metrics.md").read_text()
        documented = dict(re.findall(r"^### (\w+)\n([a-z]+(?: set)?)", text, re.MULTILINE))
        exposed = {name: {"stateset": "state set"}.get(family.type, family.type)
                   for name, family in self.families().items()}
        self.assertEqual(exposed, documented)

    def test_there_are_no_more_series_with_more_tokens(self):
        def series():
            return sum(len(family.samples) for family in self.families().values())
        self.send("first")
        self.server.wait_for(1)
        before = series()
        with Producer(self.relay.ingest_socket) as producer:
            for n in range(30):
                producer.submit(support.event(self.token(), f"t{n}"))
        self.server.wait_for(31)
        self.assertEqual(series(), before)


class Values(MetricsTestCase):
    def test_they_count_what_happened(self):
        self.server.rules({"match": {"external_thread_id": "bad"}, "status": 422},
                          {"match": {"external_thread_id": "late"}, "times": 2, "status": 503})
        for thread in ("a", "b", "bad", "late"):
            self.assertEqual(self.send(thread)["status"], "accepted")
        self.send("x", source="nobody")
        self.send("a", uuid="11111111-2222-4333-8444-555555555555")
        self.send("a", uuid="11111111-2222-4333-8444-555555555555")
        self.server.wait_for(4)
        self.relay.wait_until_idle()
        support.wait_until(lambda: self.value("flowrelay_dead_events",
                                              outcome="dead") == 1, "the dead letter")
        expected = {
            ("flowrelay_accepted_events_total",): 5,
            ("flowrelay_settled_events_total", ("outcome", "delivered")): 4,
            ("flowrelay_unaccounted_events",): 0,
            ("flowrelay_queued_events",): 0,
            ("flowrelay_dead_letters",): 1,
            ("flowrelay_deaths_total", ("outcome", "dead")): 1,
            ("flowrelay_deaths_total", ("outcome", "expired")): 0,
            ("flowrelay_dropped_events_total", ("by", "operator")): 0,
            ("flowrelay_dead_letters_full",): 0,
            ("flowrelay_oldest_event_age_seconds",): 0,
            ("flowrelay_requests_total", ("result", "2xx")): 4,
            ("flowrelay_requests_total", ("result", "4xx")): 1,
            ("flowrelay_requests_total", ("result", "5xx")): 2,
            ("flowrelay_retried_requests_total",): 2,
            ("flowrelay_rejected_events_total", ("code", "unknown_source")): 1,
            ("flowrelay_duplicate_events_total",): 1,
            ("flowrelay_tokens", ("state", "active")): 1,
            ("flowrelay_destination_state", ("flowrelay_destination_state", "up")): 1,
            ("flowrelay_destination_state", ("flowrelay_destination_state", "down")): 0,
            ("flowrelay_storage_failed",): 0,
            ("flowrelay_commit_latency_seconds_count",): 5,
            ("flowrelay_delivery_latency_seconds_count",): 4,
            ("flowrelay_request_duration_seconds_count",): 7,
        }
        found = {key: self.value(key[0], **dict(key[1:])) for key in expected}
        self.assertEqual(found, expected)
        self.assertGreater(self.value("flowrelay_commit_size_events_sum"), 4)
        self.assertGreater(self.value("process_resident_memory_bytes"), 1 << 20)
        self.assertGreater(self.value("process_open_fds"), 5)

    def test_a_destination_that_is_down_and_what_waits_for_it_show(self):
        self.server.terminate()
        for n in range(8):
            self.send(f"t{n}")
        support.wait_until(lambda: self.value(
            "flowrelay_destination_state", flowrelay_destination_state="down") == 1, "down")
        self.assertEqual(self.value("flowrelay_queued_events"), 8)
        self.assertEqual(self.value("flowrelay_source_queued_events", source="ci"), 8)
        self.assertGreaterEqual(self.value("flowrelay_requests_total", result="connect_failed"), 5)
        self.assertGreater(self.value("flowrelay_oldest_event_age_seconds"), 0)


class Examples(MetricsTestCase):
    """The alert rules and the dashboard."""

    RULES = ROOT / "config" / "examples" / "prometheus-rules.yaml"
    DASHBOARD = ROOT / "config" / "examples" / "grafana-dashboard.json"

    def names(self):
        """The names of all samples."""
        return {sample.name for family in self.families().values() for sample in family.samples}

    def assert_known(self, expressions):
        known = self.names()
        self.assertTrue(expressions)
        for expression in expressions:
            used = set(re.findall(r"\b(?:flowrelay|process)_\w+", re.sub(r'"[^"]*"', "", expression)))
            labels = set(re.findall(r"[{,]\s*(\w+)\s*[=!]", expression))
            for name in used - labels:
                self.assertIn(name, known, expression)

    def test_the_rules_are_right_and_ask_for_what_there_is(self):
        run = subprocess.run(["promtool", "check", "rules", self.RULES], check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(run.returncode, 0, run.stdout.decode())
        text = self.RULES.read_text()
        self.assert_known(re.findall(r"^ +expr: (.*)$", text, re.MULTILINE))

    def test_the_rules_fire_when_they_should(self):
        tests = ROOT / "tests" / "integration" / "alerts.test.yaml"
        run = subprocess.run(["promtool", "test", "rules", tests.name], cwd=tests.parent,
                             check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(run.returncode, 0, run.stdout.decode())

    def test_operations_has_an_answer_to_every_alert(self):
        page = (ROOT / "docs" / "operations.md").read_text()
        alerts = re.findall(r"- alert: (\w+)", self.RULES.read_text())
        self.assertGreater(len(alerts), 8)
        for alert in alerts:
            self.assertIn(f"`{alert}`", page)

    def test_the_dashboard_asks_for_what_there_is(self):
        dashboard = json.loads(self.DASHBOARD.read_text())
        expressions = [target["expr"] for panel in dashboard["panels"]
                       for target in panel.get("targets", [])]
        self.assert_known(expressions)
        rules = [{"record": f"panel_{number}", "expr": text.replace("$__rate_interval", "5m")}
                 for number, text in enumerate(expressions)]
        path = self.directory / "dashboard.json"
        path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
        run = subprocess.run(["promtool", "check", "rules", path], check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(run.returncode, 0, run.stdout.decode())
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))


if __name__ == "__main__":
    support.main()
