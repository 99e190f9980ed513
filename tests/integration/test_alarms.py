"""Each alert rule, over values scraped from a real relay that is brought into its situation: what
`make alarm-drill` does for operators."""

import pathlib
import re
import sys

import support

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRILL = ROOT / "config" / "examples" / "alarm-drill"
# It takes an hour of real time, and is tried with written series in alerts.test.yaml.
NOT_RAISED = {"FlowrelayDeadLettersDropped"}


class Alarms(support.RelayTestCase):
    def drill(self, *options):
        return self.command([sys.executable, "-B", DRILL, support.BIN, *options], patience=240 * support.SCALE)

    def test_each_situation_raises_its_alarms_and_no_other(self):
        outcome = self.drill("--strict")
        self.assertEqual(outcome.status, 0, outcome.stdout + outcome.stderr)
        never = re.search(r"not raised here: (.*)", outcome.stdout)
        self.assertEqual(set(never.group(1).split(", ")) if never else set(), NOT_RAISED)
        self.assertIn(f"alertname: {NOT_RAISED.copy().pop()}",
                      (ROOT / "tests" / "integration" / "alerts.test.yaml").read_text())

    def test_the_page_names_what_pages_somebody_and_how_many_rules_there_are(self):
        rules = (DRILL.parent / "prometheus-rules.yaml").read_text()
        alerts = re.findall(r"- alert: (\w+)\n(.*?)(?=\n +- alert|\Z)", rules, re.DOTALL)
        page = (ROOT / "docs" / "monitoring.md").read_text()
        self.assertIn(f"| {len(alerts)} rules |", page)
        part = page.partition("What pages somebody")[2].partition("## ")[0]
        self.assertEqual(set(re.findall(r"Flowrelay\w+", part)),
                         {name for name, rule in alerts if "severity: critical" in rule})

    def test_the_drill_fails_when_nothing_of_the_name_can_be_tried(self):
        for name in ("FlowrelayNotAcepting", "spool_full", "FlowrelayDeadLettersDropped"):
            outcome = self.drill("--only", name)
            self.assertEqual(outcome.status, 1, outcome)
            self.assertIn(f"no situation is called {name}", outcome.stderr)
        outcome = self.drill("--rules", "/nowhere.yaml")
        self.assertEqual(outcome.status, 1, outcome)
        self.assertIn("there are no rules in /nowhere.yaml", outcome.stderr)

    def test_the_drill_fails_when_an_alarm_does_not_come(self):
        """Without this the drill could not fail."""
        rules = (DRILL.parent / "prometheus-rules.yaml").read_text()
        deaf = self.directory / "rules.yaml"
        deaf.write_text(rules.replace("flowrelay_accepting == 0", "flowrelay_accepting == 2"))
        outcome = self.drill("--rules", str(deaf), "--only", "spool_is_full")
        self.assertEqual(outcome.status, 1, outcome)
        self.assertIn("FAILED", outcome.stdout)


if __name__ == "__main__":
    support.main()
