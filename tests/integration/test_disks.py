"""The real programs on disks that fail: errors of single calls on single files (a preloaded
library), files that are lost or damaged, and a btrfs, which copies on write and finds no space for
bytes that it has, when it fills up. What was acknowledged is delivered, or the books say what is
lost."""

import errno
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import support
from producers import Producer
from support import event

PRELOAD = support.BIN / "libdisk_faults.so"


def own_ids(answers):
    return [answer["id"] for answer in answers if answer["status"] == "accepted"]


class FailingDisk(support.RelayTestCase):
    """Faults are lines `CALL ENDING ERRNO TIMES` (tests/support/disk_faults.cpp)."""

    def setUp(self):
        super().setUp()
        self.faults_file = self.directory / "faults"
        self.faults()

    def faults(self, *lines):
        fresh = self.directory / "faults.new"
        fresh.write_text("".join(line + "\n" for line in lines))
        fresh.rename(self.faults_file)

    def environment(self):
        return dict(os.environ, LD_PRELOAD=str(PRELOAD),
                    FLOWRELAY_DISK_FAULTS=str(self.faults_file))

    def start(self, relay):
        relay.start(env=self.environment())

    def submit(self, relay, count, size=1000, first=0):
        """Hands events in, one connection; returns the answers."""
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            return producer.submit_all([event(self.tokens[0], f"t{(first + n) % 7}",
                                              uuid=f"event-{first + n}", body="x" * size)
                                        for n in range(count)])

    def accepted(self, relay, count, size=1000, first=0):
        answers = self.submit(relay, count, size, first)
        self.assertEqual({answer["status"] for answer in answers}, {"accepted"}, answers[:3])
        return own_ids(answers)

    def delivered_once(self, server, relay, ids):
        """Everything that was accepted arrives, and the books balance."""
        server.rules()
        relay.wait_until_idle()
        self.assertEqual({item["uuid"] for item in server.delivered()} & set(ids), set(ids))
        self.assertEqual(relay.stop(), 0)
        verified = self.flowrelay(relay, "spool", "verify", str(relay.state))
        self.assertEqual(verified.status, 0, verified)

    def with_backlog(self, events=40, size=30_000, **spool):
        self.token()
        server = self.start_devserver()
        server.rules({"status": 503})
        relay = self.make_relay(server.url, spool={"segment_size": "1MiB", **spool},
                                ingest={"max_event_size": "256KiB"})
        self.start(relay)
        return server, relay, self.accepted(relay, events, size)

    def test_a_start_on_a_disk_that_can_not_be_read_is_tried_again_and_loses_nothing(self):
        server, relay, ids = self.with_backlog()
        for ending in (".seg", "/tokens", "/dead-letters"):
            relay.kill()
            self.faults(f"pread {ending} {errno.EIO} 0")
            program = relay.launch(env=self.environment())
            self.assertEqual(program.wait(), 70, ending)
            self.assertIn("can't be read", program.output)
            self.assertIn(ending, program.output)
            self.faults()
            self.start(relay)
            self.assertEqual(relay.status()["queued"], len(ids))
        self.delivered_once(server, relay, ids)
        self.assertNotIn("spool.damaged", relay.log)

    def test_an_index_that_can_not_be_read_is_made_anew(self):
        server, relay, ids = self.with_backlog(events=100)
        relay.kill()
        self.faults(f"pread .idx {errno.EIO} 0")
        self.start(relay)
        self.assertEqual(relay.status()["queued"], len(ids))
        self.faults()
        self.delivered_once(server, relay, ids)

    def test_an_event_that_can_not_be_read_just_now_is_read_later(self):
        server, relay, ids = self.with_backlog(events=100)
        self.assertEqual(relay.stop(), 0)
        self.start(relay)
        self.faults(f"pread .seg {errno.EIO} 5")
        server.rules()
        self.delivered_once(server, relay, ids)
        self.assertNotIn("spool.damaged", relay.log)

    def test_a_failed_sync_refuses_what_comes_and_keeps_what_was_accepted(self):
        server, relay, ids = self.with_backlog()
        self.faults(f"fdatasync .seg {errno.EIO} 1")
        answers = self.submit(relay, 3, first=1000)
        self.assertEqual({answer["code"] for answer in answers}, {"storage_failed"})
        self.assertEqual(relay.status()["state"], "storage_failed")
        self.faults()
        relay.kill()
        self.start(relay)
        self.delivered_once(server, relay, ids)

    def test_a_failed_write_refuses_what_comes_and_keeps_what_was_accepted(self):
        server, relay, ids = self.with_backlog()
        self.faults(f"pwrite .seg {errno.EIO} 1")
        answers = self.submit(relay, 1, first=1000)
        self.assertEqual(answers[0]["code"], "storage_failed")
        self.faults()
        self.assertEqual(relay.stop(), 0)
        self.start(relay)
        self.delivered_once(server, relay, ids)

    def test_no_space_at_any_step_refuses_events_until_there_is_some(self):
        server, relay, ids = self.with_backlog()
        number = len(ids)
        steps = ["pwrite .seg", "pwrite .spare", "fallocate .spare", "open .spare"]
        for step in steps:
            for error in (errno.ENOSPC, errno.EDQUOT):
                self.faults(f"{step} {error} 0")
                refused = 0
                for _ in range(80):  # more than a segment
                    answer = self.submit(relay, 1, 60_000, number)[0]
                    number += 1
                    ids += own_ids([answer])
                    if answer["status"] == "accepted":
                        continue
                    self.assertEqual(answer["code"], "queue_full", (step, answer))
                    refused += 1
                    break
                self.assertEqual(refused, 1, f"{step} was not needed")
                self.faults()
                ids += self.accepted(relay, 1, 1000, number)
                number += 1
        relay.kill()
        self.start(relay)
        self.delivered_once(server, relay, ids)
        self.assertNotIn("spool.damaged", relay.log)

    def with_a_rotated_source(self, name="relay"):
        """A relay with an event queued for `ci`, whose token file has another token by now."""
        old, new = self.token(), self.token()
        path = self.token_file(old, "ci.token")
        server = self.start_devserver()
        server.rules({"status": 503})
        relay = self.make_relay(server.url, name,
                                sources=[{"name": "ci", "flow_token_file": path}])
        self.start(relay)
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            answer = producer.submit({"source": "ci", "external_thread_id": "a", "title": "t",
                                      "author": {"name": "a"}})
        self.assertEqual(answer["status"], "accepted")
        self.token_file(new, "ci.token")
        return server, relay, path, new

    def test_a_reload_is_answered_when_the_disk_has_what_it_changes(self):
        """Else what comes next would be compared with what the registry had before."""
        def command(relay):
            outcome = self.flowrelay(relay, "reload")
            self.assertEqual(outcome.status, 0, outcome)

        def hang_up(relay):
            relay.program.process.send_signal(signal.SIGHUP)
            relay.wait_for_log("event=config.reloaded")

        for reload in (command, hang_up):
            with self.subTest(reload.__name__):
                server, relay, path, new = self.with_a_rotated_source(reload.__name__)
                self.faults("pwrite tokens -1000 0")
                reload(relay)
                relay.kill()
                self.faults()
                relay.configure({"sources": [{"name": "build", "flow_token_file": path}]})
                server.rules()
                self.start(relay)
                event, = server.wait_for(1)
                self.assertEqual(event["flow_token"], new)

    def test_a_source_stays_connected_that_the_daemon_has_and_the_disk_did_not_take(self):
        """Without its source in the flow the token that the daemon has would be good for nothing."""
        server = self.start_devserver()
        relay = self.make_relay(server.url)
        self.start(relay)
        access = json.loads(server.call("POST", "/_dev/access-tokens"))["access_token"]
        self.tokens.append(access)
        self.faults(f"pwrite tokens {errno.EIO} 0", f"pwrite tokens.tmp {errno.EIO} 0")
        outcome = self.flowrelay(relay, "source", "connect", "ci", "--flow", "example/main",
                                 "--config", relay.config_path, "--access-token-file",
                                 self.token_file(access, "access.token"))
        self.assertEqual(outcome.status, 75, outcome)
        self.assertIn("whether the disk has taken that is not known", outcome.stderr)
        self.assertIn("ci is connected to example/main", outcome.stdout)
        self.assertNotIn("removed again", outcome.stderr)
        self.faults()
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            answer = producer.submit({"source": "ci", "external_thread_id": "a", "title": "t",
                                      "author": {"name": "a"}})
        self.assertEqual(answer["status"], "accepted")
        server.wait_for(1)  # posted with a token that the flow still knows

    def test_a_reload_whose_changes_the_disk_does_not_take_says_so(self):
        server, relay, path, new = self.with_a_rotated_source()
        self.faults(f"pwrite tokens {errno.EIO} 0", f"pwrite tokens.tmp {errno.EIO} 0")
        outcome = self.flowrelay(relay, "reload")
        self.assertNotEqual(outcome.status, 0, outcome)
        self.assertRegex(outcome.stderr, "in force, but whether the disk has taken .* not known")
        self.assertIn("event=token.save_failed", relay.log)
        server.rules()
        event, = server.wait_for(1)
        self.assertEqual(event["flow_token"], new)
        self.faults()
        again = self.flowrelay(relay, "reload")
        self.assertEqual(again.status, 0, again)

    def test_a_start_on_a_full_disk_delivers_what_is_queued(self):
        """Also with sources in the configuration that the registry does not know yet."""
        server, relay, path, _ = self.with_a_rotated_source()
        relay.kill()
        other = self.token()
        relay.configure({"sources": [
            {"name": "ci", "flow_token_file": path},
            {"name": "other", "flow_token_file": self.token_file(other, "other.token")}]})
        server.rules()
        self.faults(f"grow tokens {errno.ENOSPC} 0", f"grow tokens.tmp {errno.ENOSPC} 0")
        self.start(relay)
        server.wait_for(1)
        self.assertIn("event=token.save_failed", relay.log)
        self.faults()
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            answer = producer.submit({"source": "other", "external_thread_id": "b", "title": "t",
                                      "author": {"name": "a"}})
        self.assertEqual(answer["status"], "accepted")
        server.wait_for(2)
        relay.wait_until_idle()
        self.assertEqual(relay.stop(), 0)
        self.start(relay)
        self.assertNotIn("token.unknown", relay.log)
        self.assertEqual(relay.status()["queued"], 0)

    def test_a_rename_that_fails_is_final_and_loses_nothing(self):
        server, relay, ids = self.with_backlog(events=5)
        self.faults(f"rename .spare {errno.EIO} 0")
        number = len(ids)
        code = None
        for _ in range(80):
            answer = self.submit(relay, 1, 60_000, number)[0]
            number += 1
            ids += own_ids([answer])
            code = answer.get("code")
            if code:
                break
        self.assertEqual(code, "storage_failed")
        self.faults()
        relay.kill()
        self.start(relay)
        self.delivered_once(server, relay, ids)

    def test_small_segments_take_few_descriptors(self):
        """Hundreds of segments, and a process that may have few files open."""
        self.token()
        server = self.start_devserver()
        server.rules({"status": 503})
        relay = self.make_relay(server.url, ingest={"max_event_size": "16KiB"},
                                spool={"segment_size": "64KiB"})
        relay.start(["prlimit", "--nofile=400:400"])
        few = relay.wait_for_log(r"relay\.few_descriptors.*\blimit=400\b.*spool_files=(\d+) "
                                 r"connections=(\d+)")
        ids = []
        while len(list((relay.state / "spool").glob("*.seg"))) < 400:
            ids += self.accepted(relay, 200, 8000, len(ids))
        self.assertLessEqual(len(os.listdir(f"/proc/{relay.program.pid}/fd")), 400)
        self.assertEqual(relay.status()["queued"], len(ids))
        held = [Producer(relay.ingest_socket) for _ in range(int(few.group(2)))]
        for producer in held:
            self.assertEqual(producer.submit(event(self.tokens[0], "held"))["status"], "accepted")
        self.assertNotIn("server.accept_failed", relay.log)
        for producer in held:
            producer.close()
        self.assertEqual(relay.stop(), 0)
        relay.start(["prlimit", "--nofile=400:400"])
        server.rules()
        relay.wait_until_idle(patience=4 * support.PATIENCE)
        self.assertEqual({item["uuid"] for item in server.delivered()} & set(ids), set(ids))
        self.assertNotIn("Too many open files", relay.log)


class LostFiles(support.RelayTestCase):

    def sources(self):
        return [{"name": "ci", "flow_token_file": self.token_file(self.token()),
                 "defaults": {"author": {"name": "CI"}}}]

    def stopped(self, server, **settings):
        relay = self.make_relay(server.url, sources=self.sources(), **settings)
        relay.start()
        return relay

    def send(self, relay, count, thread="build"):
        for number in range(count):
            done = self.flowrelay(relay, "send", "--source", "ci", "--thread", f"{thread}-{number}",
                                  "--title", "failed")
            self.assertEqual(done.status, 0, done)

    def ask(self, relay, *words, status=0):
        done = self.flowrelay(relay, *words)
        self.assertEqual(done.status, status, (words, done))
        return done.stdout + done.stderr

    def test_a_lost_registry_leaves_the_events_in_the_operators_hands(self):
        server = self.start_devserver()
        server.rules({"match": {"external_thread_id": "dead-0"}, "status": 422}, {"status": 503})
        relay = self.stopped(server)
        self.send(relay, 1, "dead")
        relay.wait_for_status("a dead letter", lambda now: now["dead"] == 1)
        self.send(relay, 4)
        requests = len(server.requests())
        self.assertEqual(relay.stop(), 0)
        (relay.state / "tokens").unlink()
        verified = self.flowrelay(relay, "spool", "verify", str(relay.state))
        self.assertEqual(verified.status, 2)
        relay.start()
        relay.wait_for_log(r"token\.unknown source=token-1 queued=4 dead_letters=1")
        # The file says which machine the spool belongs to.
        self.ask(relay, "spool", "adopt")
        self.assertIn("token-1", self.ask(relay, "status"))
        self.assertRegex(self.ask(relay, "source", "list"), r"token-1 +unknown +unknown +4")
        self.assertIn("build-3", self.ask(relay, "queue", "list", "--source", "token-1"))
        self.assertIn("registry of tokens does not know token-1",
                      self.ask(relay, "explain", "--source", "token-1"))
        self.assertIn("registry of tokens does not know token-1",
                      self.ask(relay, "explain", "--thread", "build-1"))
        self.assertIn("token-1", self.ask(relay, "dead", "list"))
        self.assertIn("token-1", self.ask(relay, "health", status=1))
        for word in ("pause", "resume"):
            self.assertIn("not in the registry",
                          self.ask(relay, "source", word, "token-1", status=65))
        self.assertIn("1 dropped", self.ask(relay, "queue", "drop", "--source", "token-1",
                                          "--thread", "build-0", "--yes"))
        server.rules()
        self.send(relay, 1, "new")
        server.wait_for(1)
        now = relay.status()
        self.assertEqual((now["queued"], now["dropped"], now["unaccounted"]), (3, 1, 0))
        self.assertEqual({item["external_thread_id"] for item in server.delivered()}, {"new-0"})
        self.ask(relay, "source", "remove", "token-1", "--yes")
        relay.wait_for_log(r"token\.erased source=token-1 events=3 dead_letters=1")
        relay.wait_until_idle()
        self.assertGreaterEqual(len(server.requests()), requests)

    def test_events_of_an_unknown_token_expire(self):
        server = self.start_devserver()
        server.rules({"status": 503})
        relay = self.stopped(server)
        self.send(relay, 3)
        self.assertEqual(relay.stop(), 0)
        (relay.state / "tokens").unlink()
        relay.configure({"retry": {"max_age": "1s"}})
        relay.start()
        now = relay.wait_for_status("expiry", lambda now: now["expired"] == 3)
        self.assertEqual((now["queued"], now["dead_letters"], now["unaccounted"]), (0, 3, 0))
        self.assertIn("token-1", self.ask(relay, "dead", "list"))

    def test_a_log_that_was_deleted_is_missed(self):
        """The newest segment alone, and the whole directory: the books and the log say so."""
        server = self.start_devserver()
        server.rules({"status": 503})
        for name, path in (("one", "spool/000000000001.seg"), ("all", "spool")):
            with self.subTest(path=path):
                relay = self.stopped(server, name=name)
                self.send(relay, 4)
                self.assertEqual(relay.stop(), 0)
                if path == "spool":
                    shutil.rmtree(relay.state / path)
                else:
                    (relay.state / path).unlink()
                verified = self.flowrelay(relay, "spool", "verify", str(relay.state))
                self.assertEqual(verified.status, 2, verified)
                self.assertIn("the newest segment is missing: at least 4 queued events", verified.stdout)
                for _ in range(2):
                    relay.start()
                    self.assertEqual(relay.status()["unaccounted"], 4)
                    self.assertIn("4", self.ask(relay, "health", status=2))
                    self.assertEqual(relay.stop(), 0)
                self.assertRegex(relay.log, r"spool\.damaged file=000000000001\.seg missing=4 "
                                            r'reason="the newest segment is missing')
                relay.start()
                self.ask(relay, "spool", "book-lost", "--yes")
                now = relay.status()
                self.assertEqual((now["unaccounted"], now["lost"]), (0, 4))
                self.assertEqual(relay.stop(), 0)

    def test_lost_dead_letters_are_missed(self):
        server = self.start_devserver()
        server.rules({"status": 422})
        relay = self.stopped(server)
        self.send(relay, 3)
        relay.wait_for_status("dead letters", lambda now: now["dead"] == 3)
        self.assertEqual(relay.stop(), 0)
        path = relay.state / "dead-letters"
        whole = path.read_bytes()
        # After a clean end the file knows how long it was.
        path.write_bytes(whole[:-64])
        program = relay.launch()
        self.assertEqual(program.wait(), 70)
        self.assertIn("dead-letters was cut short: 64 of", program.output)
        # The step that the message names.
        step = re.search(r"`flowrelay (spool declare-damaged \S+)`", program.output).group(1)
        given_up = self.flowrelay(relay, *step.split())
        self.assertEqual(given_up.status, 2, given_up)
        relay.start()
        relay.wait_for_log(r"dead_letters\.missing missing=1 dead_letters=2")
        self.assertEqual(relay.status()["dead_letters"], 2)
        self.assertEqual(relay.stop(), 0)
        path.unlink()
        verified = self.flowrelay(relay, "spool", "verify", str(relay.state))
        self.assertEqual(verified.status, 2, verified)
        self.assertIn("dead-letters: the file is missing", verified.stdout)
        self.assertIn("Dead letters: 0, 3 missing", verified.stdout)
        for _ in range(2):
            relay.start()
            relay.wait_for_log(r"dead_letters\.missing missing=3 dead_letters=0")
            now = relay.status()
            self.assertEqual((now["dead"], now["dead_letters"], now["dead_letters_missing"]),
                             (3, 0, 3))
            self.assertIn("3 dead letters MISSING", self.ask(relay, "status"))
            self.assertIn("3 dead letters are not in their file",
                          self.ask(relay, "health", status=2))
            self.assertEqual(relay.stop(), 0)
        path.write_bytes(whole)
        relay.start()
        self.assertEqual(relay.status()["dead_letters_missing"], 0)
        # After a kill it does not know, and the books do.
        self.send(relay, 1, "late")
        relay.wait_for_status("another one", lambda now: now["dead"] == 4)
        relay.kill()
        path.write_bytes(whole)
        relay.start()
        self.assertEqual(relay.status()["dead_letters_missing"], 1)


def btrfs_problem():
    """Why no btrfs can be had here; nothing if it can."""
    if not shutil.which("mkfs.btrfs"):
        return "there is no mkfs.btrfs (package btrfs-progs)"
    with tempfile.TemporaryDirectory(prefix="flowrelay-btrfs-") as directory:
        try:
            mount_btrfs(pathlib.Path(directory))
        except subprocess.CalledProcessError as error:
            return f"{error.cmd[0]}: {error.stderr.decode(errors='replace').strip()}"
        subprocess.run(["umount", f"{directory}/disk"], check=True)
    return None


def mount_btrfs(directory, megabytes=128):
    image = directory / "image"
    with open(image, "wb") as file:
        file.truncate(megabytes << 20)
    (directory / "disk").mkdir()
    for command in (["mkfs.btrfs", "-q", "--mixed", image],
                    ["mount", "-o", "loop", image, directory / "disk"]):
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, timeout=60)
    return directory / "disk"


class FullBtrfs(support.RelayTestCase):

    def setUp(self):
        super().setUp()
        problem = btrfs_problem()
        self.disk = None
        if problem:
            print(f"test_disks: not tried on a btrfs: {problem}")
            return
        self.disk = mount_btrfs(self.directory)
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.disk)], check=False)

    def fill(self, path, leave):
        """Leaves so many bytes free, about."""
        with open(path, "wb") as file:
            while shutil.disk_usage(self.disk).free > leave:
                try:
                    file.write(os.urandom(1 << 20))
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    break

    def test_nothing_that_was_acknowledged_is_lost_when_it_fills_up(self):
        if self.disk is None:
            return
        self.token()
        server = self.start_devserver()
        for round_ in range(6):
            server.rules({"status": 503})
            relay = self.make_relay(server.url, f"relay-{round_}",
                                    ingest={"max_event_size": "256KiB"},
                                    spool={"segment_size": "1MiB", "max_size": "1GiB",
                                           "directory": str(self.disk / f"state-{round_}")})
            relay.state = self.disk / f"state-{round_}"
            relay.start()
            filler = self.disk / "filler"
            self.fill(filler, (4 + 3 * round_) << 20)
            ids = []
            refused = 0
            number = 0
            end = time.monotonic() + 4 * support.PATIENCE
            while refused < 20 and time.monotonic() < end:
                size = 60_000 if number % 3 else 200
                with Producer(relay.ingest_socket, support.PATIENCE) as producer:
                    answer = producer.submit(event(self.tokens[0], f"t{number % 7}",
                                                   uuid=f"{round_}-{number}",
                                                   body=os.urandom(size // 2).hex()))
                number += 1
                if answer["status"] == "accepted":
                    ids.append(answer["id"])
                else:
                    refused += 1
                    self.assertIn(answer["code"], ("queue_full", "storage_failed"))
            self.assertGreater(refused, 0)
            self.assertGreater(len(ids), 0)
            if round_ % 2:
                relay.kill()
            else:
                self.assertEqual(relay.stop(), 0)
            filler.unlink()
            relay.start()
            self.assertEqual(relay.status()["queued"], len(ids), relay.log[-2000:])
            server.rules()
            relay.wait_until_idle()
            self.assertLessEqual(set(ids), {item["uuid"] for item in server.delivered()})
            self.assertEqual(relay.stop(), 0)
            self.assertNotIn("spool.damaged", relay.log)
            verified = self.flowrelay(relay, "spool", "verify", str(relay.state))
            self.assertEqual(verified.status, 0, verified)
            shutil.rmtree(relay.state)


if __name__ == "__main__":
    support.main()
