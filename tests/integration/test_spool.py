"""`flowrelay spool`: what it says of a spool that is whole, damaged, in use or newer, and what of a
disk."""

import json
import shutil
import signal
import struct
import unittest

import support
from support import event

HEADER = 4096  # of a segment
RECORD_HEADER = 64


def crc32c(data, seed=0):
    """As docs/spool-format.md has it, bit by bit."""
    crc = seed ^ 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def snapshot(directory):
    """Name, size, time and contents of everything in a directory."""
    result = {}
    for path in sorted(directory.rglob("*")):
        status = path.stat()
        result[str(path)] = (status.st_size, status.st_mtime_ns,
                             path.read_bytes() if path.is_file() else None)
    return result


class Spool(support.RelayTestCase):

    def make_spool(self, events=60, sources=("ci",), relay_name="relay"):
        """A stopped daemon that has `events` events queued for each source, all undeliverable."""
        relay = self.make_relay(f"http://127.0.0.1:{support.free_port()}", relay_name,
                                ingest={"max_event_size": "64KiB"},
                                spool={"segment_size": "1MiB"},
                                sources=[{"name": name,
                                          "flow_token_file": self.token_file(self.token(),
                                                                             f"{name}.token")}
                                         for name in sources])
        relay.start()
        own = self.token()
        lines = "".join(support.line({"source": name, "external_thread_id": f"thread-{number % 5}",
                                      "title": "x", "author": {"name": "CI"},
                                      "body": "x" * 30000})
                        for number in range(events) for name in sources)
        lines += support.line(event(own))
        sent = self.flowrelay(relay, "send", stdin=lines)
        self.assertEqual(sent.status, 0, sent.stderr[:300])
        self.assertEqual(relay.stop(), 0)
        return relay

    def verify(self, relay, *options):
        before = snapshot(relay.state)
        outcome = self.flowrelay(relay, "spool", "verify", *options, str(relay.state))
        self.assertEqual(snapshot(relay.state), before, "verify changed something")
        return outcome

    def verify_json(self, relay):
        outcome = self.verify(relay, "--json")
        return outcome.status, [json.loads(line) for line in outcome.stdout.splitlines()]

    def segments(self, relay):
        return sorted((relay.state / "spool").glob("*.seg"))

    def patch(self, path, offset, data):
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def test_a_whole_spool(self):
        relay = self.make_spool(events=60, sources=("ci", "deploy"))
        outcome = self.verify(relay)
        self.assertEqual(outcome.status, 0, outcome)
        self.assertEqual(outcome.stderr, "")
        self.assertRegex(outcome.stdout, r"Queued: 121 events, the oldest accepted 20\d\d-")
        self.assertRegex(outcome.stdout, r"token \d+ +ci +60 events")
        self.assertRegex(outcome.stdout, r"token \d+ +deploy +60 events")
        self.assertRegex(outcome.stdout, r"token \d+ +\(a flow_token of its own\) +1 event,")
        self.assertIn("121 accepted = 0 delivered + 121 queued", outcome.stdout)
        self.assertIn("0 unaccounted", outcome.stdout)
        self.assertTrue(outcome.stdout.endswith("Result: whole, nothing is damaged\n"))
        status, lines = self.verify_json(relay)
        self.assertEqual(status, 0)
        self.assertEqual(lines[-1]["type"], "summary")
        self.assertEqual(lines[-1]["queued"], 121)
        self.assertEqual(lines[-1]["unaccounted"], 0)
        tokens = {line.get("source"): line["queued"] for line in lines if line["type"] == "token"}
        self.assertEqual(tokens, {"ci": 60, "deploy": 60, None: 1})
        quiet = self.verify(relay, "--quiet")
        self.assertNotIn(".seg", quiet.stdout)

    def test_the_daemon_agrees_after_kill_and_start(self):
        relay = self.make_spool()
        relay.start()
        relay.kill()
        status, lines = self.verify_json(relay)
        self.assertEqual(status, 0)
        relay.start()
        self.assertEqual(relay.status()["queued"], lines[-1]["queued"])

    def test_damage(self):
        relay = self.make_spool()
        # In the header of the second record of the first segment.
        first = self.segments(relay)[0]
        data = first.read_bytes()
        length, = struct.unpack_from("<I", data, HEADER + 8)
        second = HEADER + RECORD_HEADER + (length + 7) // 8 * 8
        self.patch(first, second + 3, bytes([data[second + 3] ^ 1]))
        status, lines = self.verify_json(relay)
        self.assertEqual(status, 2)
        damage = [line for line in lines if line["type"] == "damage"]
        self.assertEqual([(line["file"], line["offset"], line["missing"]) for line in damage],
                         [(f"spool/{first.name}", second, 1)])
        self.assertEqual(lines[-1]["unaccounted"], 1)
        outcome = self.verify(relay)
        self.assertEqual(outcome.status, 2)
        self.assertRegex(outcome.stdout, rf"spool/{first.name} at offset {second}, \d+ bytes: .*"
                                         r"\(1 event missing\)")
        self.assertIn("Result: DAMAGED in 1 place, 1 event lost", outcome.stdout)

    def test_a_segment_that_is_put_back_is_found_again(self):
        for book in (False, True):
            with self.subTest(book=book):
                relay = self.make_spool(events=120, relay_name=f"relay-{book}")
                victim = self.segments(relay)[1]
                aside = self.directory / f"aside-{book}"
                victim.rename(aside)
                relay.start()
                lost = relay.status()["unaccounted"]
                self.assertGreater(lost, 0)
                if book:
                    self.assertEqual(self.flowrelay(relay, "spool", "book-lost", "--yes").status, 0)
                relay.stop()
                status, lines = self.verify_json(relay)
                self.assertEqual((status, lines[-1]["unaccounted"]), (2, 0 if book else lost))
                if book:
                    self.assertIn(f"0 events lost beside {lost} that are booked as lost",
                                  self.verify(relay).stdout)
                aside.rename(victim)
                status, lines = self.verify_json(relay)
                self.assertEqual((status, lines[-1]["unaccounted"], lines[-1]["booked_lost"]), (0, 0, 0))
                self.assertEqual(lines[-1]["found_again"], lost if book else 0)
                text = self.verify(relay).stdout
                self.assertEqual(f"Found again: {lost} events that had been booked as lost" in text, book, text)
                relay.start()
                now = relay.status()
                self.assertEqual((now["queued"], now["lost"], now["unaccounted"]), (121, 0, 0))
                relay.stop()

    def test_a_damaged_event_is_shown_and_dropped_by_its_number(self):
        server = self.start_devserver()
        token = self.token()
        marks = [f"mark-{number}" for number in range(4)]
        for victims in ([1], [0, 3]):
            with self.subTest(victims=victims):
                relay = self.make_relay(server.url, f"relay-{len(victims)}").start()
                server.rules({"status": 503})
                sent = "".join(support.line(event(token, mark, body=mark + "-" * 200)) for mark in marks)
                self.assertEqual(self.flowrelay(relay, "send", stdin=sent).status, 0)
                slot = json.loads(self.flowrelay(relay, "source", "list", "--json").stdout)["slot"]
                self.assertEqual(self.flowrelay(relay, "source", "pause", slot).status, 0)
                self.assertEqual(relay.stop(), 0)
                segment, = self.segments(relay)
                for victim in victims:
                    at = segment.read_bytes().index(f"{marks[victim]}---".encode())
                    self.patch(segment, at + 20, b"#")
                relay.start()
                for victim in victims:
                    seq = str(victim + 1)
                    for command in (("queue", "show"), ("explain",)):
                        shown = self.flowrelay(relay, *command, seq)
                        self.assertEqual(shown.status, 0, shown)
                        self.assertRegex(shown.stdout, rf"its contents can't be read: .*record of event {seq} ")
                        self.assertIn(f"flowrelay queue drop {seq} --yes", shown.stdout)
                    shown = json.loads(self.flowrelay(relay, "queue", "show", seq, "--json").stdout)
                    self.assertIsNone(shown["body"])
                    self.assertIn("is damaged", shown["unreadable"])
                    planned = self.flowrelay(relay, "queue", "drop", seq, "--plan")
                    self.assertEqual((planned.status, planned.stdout.splitlines()[0]), (0, "1 would be dropped"), planned)
                    dropped = self.flowrelay(relay, "queue", "drop", seq, "--yes")
                    self.assertEqual((dropped.status, dropped.stdout), (0, "1 dropped\n"), dropped)
                    self.assertEqual(self.flowrelay(relay, "queue", "show", seq).status, 65)
                now = relay.status()
                self.assertEqual((now["queued"], now["dropped"], now["unaccounted"]),
                                 (4 - len(victims), len(victims), 0))
                server.rules()
                self.flowrelay(relay, "source", "resume", slot)
                relay.wait_until_idle()
                self.assertEqual(relay.status()["delivered"], 4 - len(victims))
                self.assertEqual(relay.stop(), 0)

    def test_a_letter_whose_event_was_damaged_can_not_be_replayed(self):
        server = self.start_devserver()
        relay = self.make_spool()
        first = self.segments(relay)[0]
        data = first.read_bytes()
        length, = struct.unpack_from("<I", data, HEADER + 8)
        second = HEADER + RECORD_HEADER + (length + 7) // 8 * 8
        at = second + RECORD_HEADER + 8  # in the payload: that it is there is known
        self.patch(first, at, bytes([data[at] ^ 1]))
        relay.configure({"destination": {"base_url": server.url}})
        relay.start()
        relay.wait_for_status("the others", lambda now: now["queued"] == 0)
        self.assertEqual((relay.status()["dead_letters"], relay.status()["unaccounted"]), (1, 0))
        letter, = json.loads("[" + self.flowrelay(relay, "dead", "list", "--json").stdout + "]")
        self.assertIs(letter["has_event"], False)
        for options in (["--plan"], []):
            for which in ([letter["id"]], ["--source", letter["source"]]):
                with self.subTest(which=which, options=options):
                    outcome = self.flowrelay(relay, "dead", "replay", *which, *options)
                    self.assertEqual(outcome.status, 65, outcome)
                    self.assertRegex(outcome.stdout, r"0 \(?.*replayed|0 would be replayed|0 replayed")
                    self.assertIn("can't be replayed: its event could not be read", outcome.stderr)
        relay.restart()
        self.assertEqual(relay.status()["dead_letters"], 1)
        self.assertEqual(self.flowrelay(relay, "dead", "drop", "--yes", letter["id"]).status, 0)
        self.assertEqual((relay.status()["dead_letters"], relay.status()["unaccounted"]), (0, 0))

    def test_a_damaged_registry(self):
        relay = self.make_spool()
        path = relay.state / "tokens"
        data = path.read_bytes()
        self.patch(path, 64 + 70, bytes([data[64 + 70] ^ 1]))
        outcome = self.verify(relay)
        self.assertEqual(outcome.status, 2, outcome)
        self.assertIn("  tokens at offset 64", outcome.stdout)
        self.assertIn("put the file back from a copy", outcome.stdout)

    def test_a_log_of_an_earlier_time_beside_the_dead_letters(self):
        """As when a copy was made while the daemon ran."""
        server = self.start_devserver()
        server.rules({"match": {"external_thread_id": "dead"}, "status": 422})
        relay = self.start_relay(server.url)
        token = self.token()
        lines = "".join(support.line(event(token, "dead", uuid=f"dead-{n}")) for n in range(10))
        shutil.copytree(relay.state / "spool", self.directory / "copy")
        self.assertEqual(self.flowrelay(relay, "send", stdin=lines).status, 0)
        relay.wait_for_status("the dead letters", lambda now: now["dead"] == 10)
        self.assertEqual(relay.stop(), 0)
        shutil.rmtree(relay.state / "spool")
        (self.directory / "copy").rename(relay.state / "spool")

        relay.start()
        server.rules({"match": {}, "status": 503})
        new = "".join(support.line(event(token, uuid=f"new-{n}")) for n in range(10))
        self.assertEqual(self.flowrelay(relay, "send", stdin=new).status, 0)
        self.assertEqual(self.flowrelay(relay, "dead", "replay", "--all").status, 0)
        relay.restart()
        server.rules()
        arrived = {event["uuid"] for event in server.wait_for(20)}
        self.assertEqual(arrived, {f"{kind}-{n}" for kind in ("new", "dead") for n in range(10)})
        now = relay.wait_until_idle()
        self.assertEqual((now["accepted"], now["delivered"], now["dead"]), (20, 20, 0))

    def test_a_running_daemon(self):
        relay = self.make_spool()
        relay.start()
        outcome = self.flowrelay(relay, "spool", "verify", str(relay.state))
        self.assertEqual(outcome.status, 1, outcome)
        self.assertIn(f"is in use by process {relay.program.pid}: stop flowrelayd", outcome.stderr)
        self.assertEqual(outcome.stdout, "")

    def test_a_newer_format(self):
        relay = self.make_spool()
        newest = self.segments(relay)[-1]
        header = bytearray(newest.read_bytes()[:512])
        struct.pack_into("<I", header, 8, 99)
        struct.pack_into("<I", header, 508, crc32c(header[:508]))
        self.patch(newest, 0, header)
        self.patch(newest, 2048, header)
        outcome = self.verify(relay)
        self.assertEqual(outcome.status, 1, outcome)
        self.assertIn("has format 99, and this program reads formats up to", outcome.stderr)

    def test_directories_that_are_none(self):
        relay = self.make_spool(events=1)
        for directory, said in ((self.directory / "nowhere", "No such file or directory"),
                                (relay.directory, "there is no spool in"),
                                (relay.state / "spool", "name the directory above it"),
                                (relay.config_path, "Not a directory")):
            outcome = self.flowrelay(relay, "spool", "verify", str(directory))
            self.assertEqual(outcome.status, 1, outcome)
            self.assertIn(said, outcome.stderr)
        outcome = self.flowrelay(relay, "spool", "verify")
        self.assertEqual(outcome.status, 64, outcome)

    # -- spool test

    def disk_test(self, *options, patience=60):
        return self.command([support.BIN / "flowrelay", "spool", "test", self.disk, *options],
                            patience=patience * support.SCALE)

    def make_disk(self):
        self.disk = self.directory / "disk"
        self.disk.mkdir()
        (self.disk / "kept").write_text("not ours")

    def check_disk_is_left_alone(self):
        self.assertEqual([path.name for path in self.disk.iterdir()], ["kept"])

    def test_a_disk(self):
        self.make_disk()
        outcome = self.disk_test("--seconds", "3")
        # A file system in memory is told from a disk.
        status = 2 if "it is in memory" in outcome.stdout else \
            3 if "a power cut may lose" in outcome.stdout else 0
        self.assertEqual(outcome.status, status, outcome)
        self.assertRegex(outcome.stdout, r"fdatasync +median \d")
        self.assertRegex(outcome.stdout, r"kill -9 +[1-9]\d* times, [1-9]\d* events acknowledged, "
                                         r"0 lost")
        self.check_disk_is_left_alone()

    def test_a_test_that_is_interrupted_leaves_nothing(self):
        self.make_disk()
        program = self.start_program("spool-test", [support.BIN / "flowrelay", "spool", "test",
                                                    self.disk, "--seconds", "60"])
        program.wait_for_output(r"directory sync")
        program.process.send_signal(signal.SIGINT)
        self.assertEqual(program.wait(), 1)
        self.assertIn("interrupted", program.output)
        self.check_disk_is_left_alone()

    def test_disks_that_are_none(self):
        self.disk = self.directory / "nowhere"
        outcome = self.disk_test()
        self.assertEqual(outcome.status, 1, outcome)
        self.assertIn("No such file or directory", outcome.stderr)
        self.assertEqual(self.disk_test("--power-cut", "pull").status, 64)
        self.assertEqual(self.disk_test("--seconds", "0").status, 64)

    def cut_power(self):
        """Kills the writer, which is what can be done to it here, and gives the last number."""
        program = self.start_program("power-cut", [support.BIN / "flowrelay", "spool", "test",
                                                   self.disk, "--power-cut", "write"])
        program.wait_for_output(r"acknowledged \d{4,}")
        program.kill()
        return int(program.output.split("acknowledged ")[-1].split()[0])

    def test_a_power_cut(self):
        self.make_disk()
        last = self.cut_power()
        outcome = self.disk_test("--power-cut", "write")
        self.assertEqual(outcome.status, 1, outcome)
        self.assertIn("is there from an earlier test", outcome.stderr)
        outcome = self.disk_test("--power-cut", "check", "--acknowledged", str(last))
        self.assertEqual(outcome.status, 0, outcome)
        self.assertIn(f"all {last} acknowledged events are accounted for", outcome.stdout)
        self.assertEqual(sorted(path.name for path in self.disk.rglob("*")),
                         ["checked", "flowrelay-power-cut", "kept"])
        # What was found is told again, whoever asks; and another test can begin.
        for _ in range(2):
            outcome = self.disk_test("--power-cut", "check")
            self.assertEqual(outcome.status, 0, outcome)
            self.assertRegex(outcome.stdout, rf"was checked on 20\S+: all {last} acknowledged")
        self.cut_power()
        outcome = self.disk_test("--power-cut", "check")
        self.assertEqual(outcome.status, 0, outcome)
        self.assertIn("Compare that with the last number", outcome.stdout)

    def test_a_power_cut_that_was_never_written(self):
        self.make_disk()
        outcome = self.disk_test("--power-cut", "check")
        self.assertEqual(outcome.status, 1, outcome)
        self.assertIn("begin with `--power-cut write`", outcome.stderr)
        self.check_disk_is_left_alone()

    @unittest.skipUnless(support.can_mount(), "this user can't mount an overlay")
    def test_a_disk_that_may_lose_events_in_a_power_cut_has_a_status_of_its_own(self):
        self.make_disk()
        mount = ('mount -t tmpfs none "$0" && cd "$0" && mkdir lower upper work merged && '
                 'mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none merged && '
                 '"$1" spool test merged --seconds 2')
        outcome = self.command(["unshare", "-m", "sh", "-c", mount, self.disk,
                                support.BIN / "flowrelay"], patience=60 * support.SCALE)
        self.assertEqual(outcome.status, 3, outcome)
        self.assertIn("Result: works, but a power cut may lose acknowledged events", outcome.stdout)

    def test_a_power_cut_that_takes_acknowledged_events(self):
        self.make_disk()
        last = self.cut_power()
        outcome = self.disk_test("--power-cut", "check", "--acknowledged", str(last + 10000))
        self.assertEqual(outcome.status, 2, outcome)
        self.assertIn("Result: BROKEN", outcome.stdout)
        # It was left to look at.
        self.assertTrue((self.disk / "flowrelay-power-cut").is_dir())


if __name__ == "__main__":
    support.main()
