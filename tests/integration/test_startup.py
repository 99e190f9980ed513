"""Starting and stopping: configurations and directories that can't be used say so, and what runs
already is left alone; SIGTERM loses nothing."""

import os
import pathlib
import signal
import stat
import threading
import time

import support
from producers import ApiConnection, ClosedByPeer, Producer

NOBODY = 65534


class Configuration(support.RelayTestCase):
    def assert_refused(self, text, position, *words):
        """The daemon exits with 78 and says on stderr where the error is and what it is."""
        path = self.directory / "bad.yaml"
        path.write_text(text)
        outcome = self.command([support.BIN / "flowrelayd", "--config", path])
        self.assertEqual(outcome.status, 78, outcome)
        self.assertIn(f"{path}:{position}", outcome.stderr)
        for word in words:
            self.assertIn(word, outcome.stderr)

    def test_errors_name_file_line_column_and_key(self):
        url = "destination:\n  base_url: https://api.example.com\n"
        cases = [
            ("destination:\n  base_urk: https://x\n", "2:3", "base_urk", "base_url"),
            (url + "spol: {}\n", "3:1", "spol", "spool"),
            (url + "retry:\n  initial: soon\n", "4:12", "initial", "soon"),
            (url + "retry:\n  initial: 5\n", "4:12", "initial"),
            (url + "spool:\n  max_size: lots\n", "4:13", "max_size"),
            (url + "  max_connections: 0\n", "3:20", "max_connections"),
            (url + "  max_connections: 100000\n", "3:20", "max_connections"),
            (url + "  max_connections: many\n", "3:20", "max_connections"),
            (url + "ingest:\n  listen: 0.0.0.0:8025\n", "4:11", "listen", "loopback"),
            (url + "log:\n  format: xml\n", "4:11", "format", "json"),
            (url + "ingest: socket\n", "3:9", "ingest"),
            (url + "spool: {directory: a, directory: b}\n", "3:23", "directory"),
            ("destination:\n  base_url: ftp://x\n", "2:13", "base_url"),
            ("destination:\n  base_url: http://api.example.com\n", "2:13", "allow_plaintext"),
            (url + "sources:\n  - {name: ci}\n", "4:", "flow_token"),
            (url + "sources:\n  - {name: \"c i\", flow_token_env: X}\n", "4:12", "name"),
            ("destination: [\n", "", ""),
            ("destination:\n\tbase_url: x\n", "2:", ""),
            ("", "", "base_url"),
        ]
        for text, *expected in cases:
            with self.subTest(text):
                self.assert_refused(text, *expected)

    def test_all_errors_are_told_at_once(self):
        self.assert_refused("destination: {base_url: https://x, nonsense: 1}\nspol: {}\n", "1:36",
                            "nonsense", ":2:1:")

    def test_a_missing_directory_for_a_socket_is_found_by_the_check(self):
        path = self.directory / "sockets.yaml"
        missing = self.directory / "missing"
        for section in ("ingest", "control"):
            for directory, status, word in [(missing, 78, "there is no directory"),
                                            (missing / "below", 78, "there is no directory"),
                                            (self.directory, 0, "")]:
                path.write_text("destination: {base_url: https://api.example.com}\n"
                                f"spool: {{directory: {self.directory}/spool}}\n"
                                f"{section}: {{socket: {directory}/a.sock}}\n")
                outcome = self.command([support.BIN / "flowrelay", "config", "check", path])
                with self.subTest(section=section, directory=directory):
                    self.assertEqual(outcome.status, status, outcome)
                    self.assertEqual(f"{section}.socket" in outcome.stdout + outcome.stderr,
                                     status != 0, outcome)
                    self.assertIn(word, outcome.stdout + outcome.stderr)

    def test_a_missing_file_is_named(self):
        path = self.directory / "missing.yaml"
        outcome = self.command([support.BIN / "flowrelayd", "--config", path])
        self.assertEqual(outcome.status, 78, outcome)
        self.assertIn(str(path), outcome.stderr)

    def test_token_files_that_can_not_be_used_are_named_and_not_repeated(self):
        token = self.token()
        missing = str(self.directory / "missing.token")
        open_to_all = self.token_file(token, "open.token", 0o644)
        empty = self.token_file("", "empty.token")
        odd = self.token_file(token + "\nsecond line", "odd.token")
        for path in (missing, open_to_all, empty, odd):
            with self.subTest(path):
                relay = self.make_relay("http://127.0.0.1:9", f"with-{pathlib.Path(path).stem}",
                                        sources=[{"name": "ci", "flow_token_file": path}])
                program = relay.launch()
                self.assertEqual(program.wait(), 78, program.output)
                self.assertIn(path, program.output)

    def test_wrong_options_are_a_usage_error(self):
        self.assertEqual(self.command([support.BIN / "flowrelayd", "--confg", "x"]).status, 64)


class StartAndStop(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.t = self.token()

    def assert_fails_to_start(self, relay, *words):
        program = relay.launch()
        self.assertNotEqual(program.wait(), 0, program.output)
        for word in words:
            self.assertIn(str(word), program.output)

    def test_a_spool_that_can_not_be_made_is_named(self):
        obstacle = self.directory / "file"
        obstacle.write_text("")
        relay = self.make_relay(self.server.url, spool={"directory": str(obstacle / "state")})
        self.assert_fails_to_start(relay, obstacle / "state")

    def test_a_spool_that_is_not_writable_is_named(self):
        relay = self.make_relay(self.server.url)
        relay.state.mkdir()
        relay.state.chmod(0o555)
        options = {}
        if os.geteuid() == 0:  # whom no mode stops
            for path in (self.directory, relay.directory):
                path.chmod(0o777)
            options = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        program = relay.launch(**options)
        self.assertNotEqual(program.wait(), 0, program.output)
        self.assertIn(str(relay.state), program.output)
        self.assertIn("ermission denied", program.output)

    def test_a_second_daemon_on_the_same_spool_gives_up_and_the_first_goes_on(self):
        first = self.start_relay(self.server.url)
        second = self.make_relay(self.server.url, "second", spool={"directory": str(first.state)})
        self.assert_fails_to_start(second, first.state)
        with Producer(first.ingest_socket) as producer:
            self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")
        self.server.wait_for(1)

    def test_a_second_daemon_on_the_same_socket_gives_up_and_the_first_goes_on(self):
        first = self.start_relay(self.server.url)
        second = self.make_relay(self.server.url, "second",
                                 ingest={"socket": str(first.ingest_socket)})
        self.assert_fails_to_start(second, first.ingest_socket)
        with Producer(first.ingest_socket) as producer:
            self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")
        self.server.wait_for(1)

    def test_a_socket_left_behind_by_a_kill_is_replaced(self):
        relay = self.start_relay(self.server.url)
        relay.kill()
        self.assertTrue(relay.ingest_socket.exists())
        relay.start()
        with Producer(relay.ingest_socket) as producer:
            self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")

    def test_sockets_and_files_are_closed_to_others(self):
        relay = self.start_relay(self.server.url, ingest={"socket_mode": "0600"})
        with Producer(relay.ingest_socket) as producer:
            producer.submit(support.event(self.t))
        self.assertEqual(stat.S_IMODE(relay.ingest_socket.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(relay.control_socket.stat().st_mode), 0o660)
        for path in relay.state.rglob("*"):
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_the_signals_that_stop_it_leave_nothing_behind(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                relay = self.make_relay(self.server.url, f"relay-{number}")
                relay.start()
                relay.program.process.send_signal(number)
                self.assertEqual(relay.program.wait(), 0)
                self.assertFalse(relay.ingest_socket.exists())
                self.assertFalse(relay.control_socket.exists())

    def test_what_is_in_flight_is_finished_and_what_is_queued_stays(self):
        self.server.rules({"match": {"external_thread_id": "slow"}, "status": 202,
                           "delay_ms": 700},
                          {"match": {"external_thread_id": "stuck"}, "status": 503})
        relay = self.start_relay(self.server.url)
        with Producer(relay.ingest_socket) as producer:
            for n in range(2):
                producer.submit(support.event(self.t, "slow", uuid=f"slow-{n}"))
            producer.submit(support.event(self.t, "stuck", uuid="stuck"))
        relay.wait_for_status("an event in flight", lambda now: now["in_flight"] >= 1)
        self.assertEqual(relay.stop(), 0)
        self.assertEqual([e["uuid"] for e in self.server.delivered()], ["slow-0"])
        self.server.rules()
        relay.start()
        arrived = self.server.wait_for(3)
        self.assertEqual(sorted(e["uuid"] for e in arrived), ["slow-0", "slow-1", "stuck"])
        status = relay.wait_until_idle()
        self.assertEqual((status["accepted"], status["delivered"]), (3, 3))

    def test_a_stop_under_load_loses_nothing_that_was_accepted(self):
        relay = self.start_relay(self.server.url)
        accepted = []
        done = threading.Event()

        def produce():
            n = 0
            while not done.is_set():
                try:
                    with Producer(relay.ingest_socket, support.PATIENCE) as producer:
                        while not done.is_set():
                            n += 1
                            answer = producer.submit(support.event(self.t, uuid=f"n{n}"))
                            self.assertEqual(answer["status"], "accepted", answer)
                            accepted.append(answer["id"])
                except (ClosedByPeer, OSError):
                    time.sleep(0.02)

        thread = threading.Thread(target=produce)
        thread.start()
        try:
            for _ in range(3):
                time.sleep(0.3)
                relay.restart()
            time.sleep(0.2)
        finally:
            done.set()
            thread.join(support.PATIENCE)
        self.assertGreater(len(accepted), 10)
        relay.wait_until_idle()
        arrived = [event["uuid"] for event in self.server.delivered()]
        self.assertEqual(len(arrived), len(set(arrived)), "something was delivered twice")
        self.assertEqual(sorted(set(accepted) - set(arrived)), [])
        numbers = [int(uuid[1:]) for uuid in arrived]
        self.assertEqual(numbers, sorted(numbers))

    def test_events_are_accepted_until_the_requests_under_way_have_ended(self):
        self.server.rules({"match": {"external_thread_id": "slow"}, "status": 202,
                           "delay_ms": 2000})
        relay = self.start_relay(self.server.url)
        with Producer(relay.ingest_socket) as producer:
            producer.submit(support.event(self.t, "slow", uuid="slow"))
            relay.wait_for_status("an event in flight", lambda now: now["in_flight"] == 1)
            relay.program.process.send_signal(signal.SIGTERM)
            relay.program.wait_for_output("relay.stopping")
            for n in range(5):
                answer = producer.submit(support.event(self.t, uuid=f"late-{n}"))
                self.assertEqual(answer["status"], "accepted")
        with Producer(relay.ingest_socket) as producer:
            answer = producer.submit(support.event(self.t, uuid="on-a-new-connection"))
            self.assertEqual(answer["status"], "accepted")
        self.assertEqual(relay.program.wait(), 0)
        relay.start()
        self.assertEqual(sorted(e["uuid"] for e in self.server.wait_for(7)),
                         ["late-0", "late-1", "late-2", "late-3", "late-4",
                          "on-a-new-connection", "slow"])

    def test_send_outlasts_a_restart(self):
        relay = self.start_relay(self.server.url, sources=[
            {"name": "ci", "flow_token_file": self.token_file(self.t),
             "defaults": {"author": {"name": "CI"}}}])
        outcomes = []

        def send():
            for n in range(12):
                outcomes.append(self.flowrelay(
                    relay, "send", "--source", "ci", "--thread", f"t{n}", "--title", "x",
                    "--wait", f"{support.PATIENCE:g}s"))

        thread = threading.Thread(target=send)
        thread.start()
        while thread.is_alive():
            relay.restart()
            time.sleep(0.05)
        thread.join()
        self.assertEqual([outcome.status for outcome in outcomes], [0] * 12, outcomes)
        self.server.wait_for(12)

    def test_idle_connections_do_not_hold_up_the_stop(self):
        relay = self.start_relay(self.server.url)
        with Producer(relay.ingest_socket), ApiConnection(relay.ingest_socket), \
                ApiConnection(str(relay.control_socket)):
            begun = time.monotonic()
            self.assertEqual(relay.stop(), 0)
            self.assertLess(time.monotonic() - begun, 5 * support.SCALE)


if __name__ == "__main__":
    support.main()
