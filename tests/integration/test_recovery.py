"""Brings a relay back from each of a list of states with nothing but commands that stand on the pages. Each
command is looked up there. With FLOWRELAY_PROTOCOL=FILE the protocol is written: what was done, and how long it
took until an event was delivered and `flowrelay health` was OK again."""

import json
import os
import pathlib
import re
import resource
import shutil
import time

import support
from producers import Producer

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = {page.name: re.sub(r"\s+", " ", page.read_text()) for page in (ROOT / "docs").glob("*.md")}

PROTOCOL = []


class Recovery(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.t = self.token()
        self.file = pathlib.Path(self.token_file(self.t))
        self.relay = self.make_relay(self.server.url, sources=[self.source()])
        self.done = []
        self.begun = None

    def source(self, **more):
        return {"name": "ci", "flow_token_file": str(self.file), "defaults": {"author": {"name": "CI"}}, **more}

    def start(self, **settings):
        self.relay.configure(settings)
        self.relay.start()

    def send(self, thread="t"):
        with Producer(self.relay.ingest_socket) as producer:
            return producer.submit({"source": "ci", "external_thread_id": thread, "title": "t"})

    # -- what is done, and looked up on the pages

    def on_page(self, words, page):
        """The command with its names left out has to stand on the page."""
        self.begun = self.begun or time.monotonic()
        pattern = re.escape(words).replace(r"\.\.\.", r"\S+")
        self.assertRegex(PAGES[page], pattern, f"{words} does not stand in {page}")
        self.done.append((words, page))

    def act(self, shown, page, *words, relay=None):
        """Runs a command. `shown`: as the page has it, with ... for names."""
        self.on_page(shown, page)
        outcome = self.flowrelay(relay or self.relay, *words, patience=60)
        self.assertEqual(outcome.status, 0, outcome)
        return outcome

    def reload(self, page="operations.md", words="systemctl reload flowrelayd"):
        self.on_page(words, page)
        outcome = self.flowrelay(self.relay, "reload")
        self.assertEqual(outcome.status, 0, outcome)

    def edit(self, hint, page="operations.md", **settings):
        self.on_page(hint, page)
        self.relay.configure(settings)

    def finish(self, state, delivered, relay=None, healthy=0):
        """The relay is well again, and delivers."""
        relay = relay or self.relay
        self.server.rules()
        self.server.wait_for(delivered)
        support.wait_until(lambda: self.flowrelay(relay, "health").status == healthy, "good health")
        PROTOCOL.append((state, self.done, time.monotonic() - self.begun))

    def bad(self, status=2):
        support.wait_until(lambda: self.flowrelay(self.relay, "health").status == status, f"health {status}")

    # -- the states

    def test_01_spool_full(self):
        self.server.rules({"status": 503})
        self.start(spool={"max_events": 2})
        self.send("a"), self.send("b")
        self.assertEqual(self.send("c")["code"], "queue_full")
        self.bad()
        self.edit("raise `spool.max_size` and reload", spool={"max_events": 100})
        self.reload()
        self.assertEqual(self.send("c")["status"], "accepted")
        self.finish("a limit of the spool is reached", 3)

    def test_02_quota(self):
        self.server.rules({"status": 503})
        self.start(spool={"max_events_per_token": 1})
        self.send("a")
        self.assertEqual(self.send("b")["code"], "token_queue_full")
        self.bad(1)
        self.act("flowrelay explain --source NAME", "operations.md", "explain", "--source", "ci")
        self.edit("or raise the limit and reload", spool={"max_events_per_token": 100})
        self.reload()
        self.send("b")
        self.finish("a token has used up its quota", 2)

    def test_03_disk_failed(self):
        self.start()
        resource.prlimit(self.relay.program.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        self.assertEqual(self.send()["code"], "storage_failed")
        self.bad()
        self.on_page("Restart. What is really on disk is read", "operations.md")
        self.relay.kill()
        self.relay.start()
        self.assertEqual(self.send()["status"], "accepted")
        self.finish("the disk failed, and is repaired", 1)

    def test_03a_pause_on_a_failed_disk(self):
        """The answer says what counts now and what after the restart, and that is so."""
        self.server.rules({"status": 503})
        self.start()
        self.send()
        resource.prlimit(self.relay.program.pid, resource.RLIMIT_FSIZE, (64, 64))
        outcome = self.flowrelay(self.relay, "source", "pause", "ci")
        self.assertNotEqual(outcome.status, 0)
        self.assertRegex(outcome.stderr, r"ci is paused now, but whether the disk has taken that is not known \(.*\): "
                                         r"after a restart it may be what it was before")
        self.assertEqual(self.relay.status()["tokens"][0]["state"], "paused")
        self.relay.kill()
        self.relay.start()
        self.assertEqual(self.relay.status()["tokens"][0]["state"], "active")

    def test_04_destination_down(self):
        self.start()
        port = self.server.port
        self.server.terminate()
        for n in range(8):
            self.send(f"t{n}")
        self.relay.wait_for_status("down", lambda now: now["destination"]["state"] == "down")
        self.bad(1)
        self.server = self.start_devserver(listen=f"127.0.0.1:{port}")
        self.reload()
        self.finish("the destination was down", 8)

    def test_05_wrong_base_url(self):
        self.start(destination={"path": "/wrong"})
        self.send()
        self.bad()
        self.edit("correct `destination.base_url` or `destination.path` and reload",
                  destination={"path": "/messages"})
        self.reload()
        self.finish("the base URL is wrong", 1)

    def test_06_wrong_token(self):
        self.server.rules({"match": {"flow_token": self.t}, "status": 401})
        self.start()
        self.send()
        self.bad(1)
        self.on_page("Correct its file: within five seconds it is read again and tried", "operations.md")
        self.file.write_text(self.token())
        self.reload()
        self.finish("a token is refused", 1)

    def test_07_gone_by_mistake(self):
        self.server.rules({"status": 410})
        self.start()
        self.send()
        self.bad(1)
        self.server.rules()
        self.act("flowrelay source enable NAME", "operations.md", "source", "enable", "ci")
        self.finish("an integration was removed by mistake", 1)

    def test_08_gone_and_connected_again(self):
        self.server.rules({"match": {"flow_token": self.t}, "status": 410})
        self.start(gone={"grace": "1s"})
        self.send("old")
        self.bad(1)
        self.on_page("put that into the token file, reload", "operations.md")
        self.file.write_text(self.token())
        self.reload()
        self.send("new")
        self.finish("an integration was removed, and is connected again", 1)

    def test_09_source_missing(self):
        self.server.rules({"status": 503})
        self.start()
        self.send()
        self.relay.configure({"sources": []})
        self.flowrelay(self.relay, "reload")
        self.bad(1)
        self.edit("put it back under `sources`, and reload", sources=[self.source()])
        self.reload()
        self.finish("a source is missing in the configuration", 1)

    def test_10_source_paused(self):
        self.start()
        self.flowrelay(self.relay, "source", "pause", "ci")
        self.send()
        self.act("flowrelay source list", "operations.md", "source", "list")
        self.act("flowrelay source resume NAME", "operations.md", "source", "resume", "ci")
        self.finish("a source is paused, and was forgotten", 1)

    def test_11_thread_held(self):
        self.server.rules({"status": 422})
        self.start(sources=[self.source(on_reject="hold")])
        self.send()
        self.bad(1)
        shown = self.act("flowrelay queue list --source NAME", "operations.md", "queue", "list", "--source",
                         "ci", "--json").stdout
        self.server.rules()
        self.act("flowrelay queue retry ID", "operations.md", "queue", "retry", json.loads(shown)["id"])
        self.finish("a thread is held for an operator", 1)

    def test_12_dead_letters(self):
        self.server.rules({"status": 422})
        self.start()
        self.send()
        self.relay.wait_for_status("the letter", lambda now: now["dead_letters"] == 1)
        self.act("flowrelay dead list --source ci", "operations.md", "dead", "list", "--source", "ci")
        self.server.rules()
        self.act("flowrelay dead replay --source ci", "operations.md", "dead", "replay", "--source", "ci")
        self.finish("an event was refused, and is right after all", 1)

    def test_13_reload_refused(self):
        self.start()
        text = self.relay.config_path.read_text()
        self.relay.config_path.write_text(text + "nonsense: 1\n")
        self.assertEqual(self.flowrelay(self.relay, "reload").status, 78)
        self.on_page("flowrelay config check", "operations.md")
        outcome = self.flowrelay(self.relay, "config", "check", str(self.relay.config_path))
        self.assertRegex(outcome.stderr, r"flowrelay\.yaml:\d+:\d+: .*nonsense")
        self.relay.config_path.write_text(text)
        self.reload()
        self.send()
        self.finish("a new configuration was refused", 1)

    def test_14_start_refused(self):
        text = self.relay.config_path.read_text()
        self.relay.config_path.write_text(text.replace("sources", "source"))
        self.assertEqual(self.relay.launch().wait(support.PATIENCE), 78)
        self.assertEqual(self.flowrelay(self.relay, "health").status, 2)
        self.on_page("flowrelay config check", "operations.md")
        outcome = self.flowrelay(self.relay, "config", "check", str(self.relay.config_path))
        self.assertEqual(outcome.status, 78)
        self.relay.config_path.write_text(text)
        self.on_page("systemctl start flowrelayd", "hosts.md")
        self.relay.start()
        self.send()
        self.finish("the daemon does not start", 1)

    def backup(self):
        path = self.directory / "backup"
        self.assertEqual(self.flowrelay(self.relay, "backup", str(path)).status, 0)
        return path

    def test_15_registry_damaged(self):
        self.server.rules({"status": 503})
        self.start()
        self.send()
        path = self.backup()
        self.relay.stop()
        tokens = self.relay.state / "tokens"
        tokens.write_bytes(b"\xff" * tokens.stat().st_size)
        self.assertEqual(self.relay.launch().wait(support.PATIENCE), 70)
        self.on_page("mv /var/lib/flowrelay /var/lib/flowrelay.old", "hosts.md")
        self.relay.state.rename(self.relay.state.with_suffix(".old"))
        self.act("flowrelay restore", "hosts.md", "restore", str(path))
        self.on_page("systemctl start flowrelayd", "hosts.md")
        self.relay.start()
        self.finish("the registry of tokens is damaged", 1)

    def other_host(self):
        host = self.make_relay(self.server.url, name="host", sources=[self.source()])
        return host

    def test_16_host_lost(self):
        self.server.rules({"status": 503})
        self.start()
        self.send()
        path = self.backup()
        self.relay.kill()
        shutil.rmtree(self.relay.state)
        host = self.other_host()
        self.act("flowrelay restore", "hosts.md", "restore", str(path), "--state", str(host.state))
        self.on_page("systemctl start flowrelayd", "hosts.md")
        host.start()
        self.finish("the host is lost", 1, host)

    def test_17_restored_with_another_token(self):
        self.server.rules({"status": 503})
        self.start()
        self.send()
        path = self.backup()
        self.relay.kill()
        self.file.write_text(self.token())
        host = self.other_host()
        self.act("flowrelay restore", "hosts.md", "restore", str(path), "--state", str(host.state))
        host.start()
        host.wait_for_log("token.replaced")
        self.server.rules()
        self.assertEqual(self.server.delivered(), [])
        self.act("flowrelay source resume NAME", "hosts.md", "source", "resume", "ci", relay=host)
        self.finish("restored on a host whose source has another token", 1, host)

    def test_18_clone(self):
        self.server.rules({"status": 503})
        self.start()
        self.send()
        self.relay.stop()
        machine = self.relay.state / "machine"
        if not machine.exists():
            self.skipTest("there is no /etc/machine-id")
        machine.write_text("0" * 32 + "\n")
        self.relay.start()
        self.bad()
        self.act("flowrelay spool adopt", "hosts.md", "spool", "adopt")
        self.finish("the spool came from another machine", 1)

    def test_19_damaged_spool(self):
        self.server.rules({"status": 503})
        self.start()
        for n in range(3):
            self.send(f"mark-{n}")
        self.relay.kill()
        path, = (self.relay.state / "spool").glob("*.seg")
        data = bytearray(path.read_bytes())
        at = data.index(b"mark-1")
        data[at - 80] ^= 0xFF  # in the header of its record
        path.write_bytes(data)
        self.relay.start()
        self.relay.wait_for_status("the loss", lambda now: now["unaccounted"] == 1)
        self.bad()
        self.act("flowrelay spool book-lost --plan", "operations.md", "spool", "book-lost", "--plan")
        self.bad()
        self.act("flowrelay spool book-lost --yes", "operations.md", "spool", "book-lost", "--yes")
        now = self.relay.status()
        self.assertEqual((now["unaccounted"], now["lost"], now["lost_booked"]["uid"]), (0, 1, os.getuid()))
        self.assertIn("booked as lost, the last time by uid", self.flowrelay(self.relay, "status").stdout)
        self.relay.wait_for_log("action=spool.book-lost")
        again = self.flowrelay(self.relay, "spool", "book-lost", "--yes")
        self.assertIn("nothing to book", again.stdout)
        self.relay.restart()
        self.assertEqual(self.relay.status()["lost"], 1)
        self.finish("events were lost with a damaged spool", 2)

    def test_20_lost_letters(self):
        self.server.rules({"status": 422})
        self.start()
        for n in range(2):
            self.send(f"mark-{n}")
        self.relay.wait_for_status("the letters", lambda now: now["dead_letters"] == 2)
        self.relay.stop()
        (self.relay.state / "dead-letters").unlink()
        self.server.rules()
        self.relay.start()
        self.relay.wait_for_log("dead_letters.missing")
        self.bad()
        self.act("flowrelay spool book-lost --plan", "operations.md", "spool", "book-lost", "--plan")
        self.bad()
        self.act("flowrelay spool book-lost --yes", "operations.md", "spool", "book-lost", "--yes")
        now = self.relay.status()
        self.assertEqual((now["dead_letters_missing"], now["dead"], now["lost"], now["unaccounted"]),
                         (0, 0, 2, 0))
        self.relay.restart()
        now = self.relay.status()
        self.assertEqual((now["dead_letters_missing"], now["lost"], now["unaccounted"]), (0, 2, 0))
        self.send("new")
        self.finish("dead letters were lost with their file", 1)

    def test_21_damaged_event(self):
        self.start()
        self.flowrelay(self.relay, "source", "pause", "ci")
        for n in range(3):
            self.send(f"mark-{n}")
        self.relay.stop()
        path, = (self.relay.state / "spool").glob("*.seg")
        data = bytearray(path.read_bytes())
        data[data.index(b"mark-1") + 2] ^= 0xFF
        path.write_bytes(data)
        self.relay.start()
        self.relay.wait_for_log("event=spool.damaged")
        self.act("flowrelay queue list", "operations.md", "queue", "list")
        shown = self.act("flowrelay queue show SEQ", "operations.md", "queue", "show", "2")
        self.assertIn("is damaged", shown.stdout)
        self.act("flowrelay queue drop SEQ --yes", "operations.md", "queue", "drop", "2", "--yes")
        self.act("flowrelay source resume NAME", "operations.md", "source", "resume", "ci")
        self.finish("a queued event is damaged, and its source paused", 2)
        self.assertEqual(self.relay.status()["dropped"], 1)

    def test_22_segment_put_back(self):
        self.server.rules({"status": 503})
        self.start(spool={"segment_size": "64KiB"}, ingest={"max_event_size": "16KiB"})
        with Producer(self.relay.ingest_socket) as producer:
            for n in range(20):
                producer.submit({"source": "ci", "external_thread_id": f"t{n}", "title": "t", "body": "x" * 10_000})
        self.relay.stop()
        victim = sorted((self.relay.state / "spool").glob("*.seg"))[1]
        aside = self.directory / victim.name
        victim.rename(aside)
        self.relay.start()
        self.bad()
        self.act("flowrelay spool book-lost --plan", "operations.md", "spool", "book-lost", "--plan")
        self.act("flowrelay spool book-lost --yes", "operations.md", "spool", "book-lost", "--yes")
        self.relay.stop()
        aside.rename(victim)
        self.on_page("A file that is put back later is found by the next start", "operations.md")
        shown = self.act("flowrelay spool verify /var/lib/flowrelay", "operations.md", "spool", "verify",
                         str(self.relay.state))
        self.assertIn("Found again: ", shown.stdout)
        self.relay.start()
        self.assertEqual((self.relay.status()["lost"], self.relay.status()["unaccounted"]), (0, 0))
        self.finish("a lost segment is booked as lost, and is found", 20)


def write_protocol(path):
    lines = ["| | state | what was done | page | time |", "|---|---|---|---|---|"]
    for number, (state, done, seconds) in enumerate(PROTOCOL, 1):
        steps = "; ".join(f"`{words}`" if re.match(r"(flowrelay|systemctl|mv) ", words) else
                          words.replace("`", "") for words, _ in done)
        pages = ", ".join(f"[{page}]({page})" for page in dict.fromkeys(page for _, page in done))
        lines.append(f"| {number} | {state} | {steps} | {pages} | {seconds:.1f} s |")
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


def tearDownModule():
    if os.environ.get("FLOWRELAY_PROTOCOL"):
        write_protocol(os.environ["FLOWRELAY_PROTOCOL"])


if __name__ == "__main__":
    support.main()
