"""Where a source lives is kept beside its token and erased with it."""

import support
from flow_sources import LIVES, TRACES, FlowTestCase


class FlowSource(FlowTestCase):

    def test_where_a_source_lives_is_kept_shown_and_erased(self):
        self.start(gone={"grace": "0s"})
        self.connect()
        for _ in range(2):
            self.assertEqual(self.shown()["flow_source"], LIVES)
            text = self.flowrelay(self.relay, "source", "show", "ci").stdout
            self.assertRegex(text, r"source +36 of Main \(example/main\)\napplication +devserver\n"
                                   r"settings +http://www\.example\.com/configure\n")
            self.assertRegex(self.flowrelay(self.relay, "source", "list").stdout,
                             r"ci +added +active +0 +example/main")
            self.relay.restart()
        # A new token is another source, of which nothing is known.
        self.connect("web")
        self.assertEqual(self.shown("web")["flow_source"]["id"], "37")
        self.flowrelay(self.relay, "source", "rotate", "ci", "--token-file", "-", stdin=self.token())
        self.assertNotIn("flow_source", self.shown())
        # The removal of the other takes the last of it with it.
        self.assertNotEqual(self.relay.files_with(*TRACES), [], "the check itself finds nothing")
        self.assertEqual(self.flowrelay(self.relay, "source", "remove", "web", "--yes").status, 0)
        self.relay.wait_for_log(r"token\.erased")
        self.assertEqual(self.relay.files_with(*TRACES), [])

    def test_a_backup_has_where_a_source_lives(self):
        self.start()
        self.connect()
        path = self.directory / "backup"
        self.assertEqual(self.flowrelay(self.relay, "backup", path).status, 0)
        other = self.make_relay(self.server.url, name="other")
        restored = self.flowrelay(other, "restore", path, "--state", other.state)
        self.assertEqual(restored.status, 0, restored)
        self.relay.stop()
        self.relay = other.start()
        self.assertEqual(self.shown()["flow_source"], LIVES)

    def test_the_noted_source_is_removed_from_its_flow(self):
        self.start()
        self.connect()
        self.connect("other")
        outcome = self.flowrelay(self.relay, "source", "remove", "ci", "--yes", "--delete-remote",
                                 "--access-token-file", self.token_file(self.access, "a.token"),
                                 "--config", self.relay.config_path)
        self.assertEqual(outcome.status, 0, outcome)
        self.assertIn("Source 36 (ci) was removed from Main (example/main)", outcome.stderr)
        self.assertEqual(self.shown("other")["flow_source"]["id"], "37")


if __name__ == "__main__":
    support.main()
