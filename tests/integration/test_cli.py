"""The command `flowrelay` as an operator uses it, with wrong arguments too."""

import json
import os
import pathlib
import re
import subprocess
import time

import support
from producers import Producer

ROOT = pathlib.Path(__file__).resolve().parents[2]


class CliTest(support.RelayTestCase):

    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.ci = self.token()

    def start(self, **settings):
        sources = [{"name": "ci", "flow_token_file": self.token_file(self.ci),
                    "defaults": {"author": {"name": "CI"}}}]
        self.relay = self.start_relay(self.server.url, sources=sources, **settings)
        return self.relay

    def run_flowrelay(self, *arguments, status=0, stdin=""):
        outcome = self.flowrelay(self.relay, *arguments, stdin=stdin)
        self.assertEqual(outcome.status, status, outcome)
        return outcome

    def lines(self, *arguments):
        return [json.loads(line) for line in self.run_flowrelay(*arguments).stdout.splitlines()]

    def submit(self, *threads):
        with Producer(self.relay.ingest_socket, support.PATIENCE) as producer:
            answers = producer.submit_all([{"source": "ci", "external_thread_id": thread,
                                            "title": "failed"} for thread in threads])
        return [answer["id"] for answer in answers]

    def pause(self):
        self.run_flowrelay("source", "pause", "ci")

    # ---- arguments

    def test_wrong_arguments_are_told_with_what_would_be_right(self):
        self.start()
        for arguments, words in [
                ([], r"^flowrelay: say which command: send, status"),
                (["bogus"], r'no command "bogus".*explain'),
                (["sorce"], r'no command "sorce", did you mean "source"'),
                (["queue", "lst"], r'no command "lst", did you mean "list"'),
                (["send", "--token", "geheim"], r"not given on the command line(?!.*geheim)"),
                (["send", "--token=geheim"], r"not given on the command line(?!.*geheim)"),
                *((["source", "connect", "ci", option, "geheim"],
                   r"not given on the command line(?!.*geheim)")
                  for option in ("--code", "--access-token", "--client-secret", "--access_token")),
                (["queue"], r"^flowrelay queue: say which command: list, show, retry, drop"),
                (["--socket", "x"], r"^flowrelay: say which command: send, status"),
                (["--bogus"], r"^flowrelay: say which command: send, status"),
                (["queue", "bogus"], r'no command "bogus"; there are list, show, retry, drop'),
                (["queue", "drop"], "say which"),
                (["queue", "drop", "1"], r"--plan .*--yes"),
                (["queue", "drop", "--all", "1", "--yes"], "exclude each other"),
                (["queue", "list", "--limit", "x"], "limit"),
                (["queue", "show"], "ID"),
                (["queue", "retry"], "say which"),
                (["dead", "drop", "--all"], r"--plan .*--yes"),
                (["source", "remove", "ci"], r"--plan .*--yes"),
                (["source", "add", "web"], "--token-file"),
                (["source", "pause"], "NAME"),
                (["source", "add", "web", "--token-file", "-"], "no flow_token on stdin"),
                (["explain"], "name an event"),
                (["explain", "a", "--thread", "b"], "exclude each other"),
                (["explain", "--source", "", "a"], "--source: is empty"),
                (["queue", "drop", "--yes", "--source", "", "--all"], "--source: is empty"),
                (["queue", "drop", "--yes", ""], "ID: is empty"),
                (["source", "remove", "--yes", ""], "NAME: is empty"),
                (["queue", "show", "a" * 100000], "too long"),
                (["health", "--warn-age", "soon"], "number and a unit"),
                (["top", "--interval", "1ms"], "100ms or more"),
                (["top", "--count", "-1"], "whole number"),
                (["queue", "list", "--limit", "-1"], "whole number"),
                (["queue", "list", "--limit", "99999999999999999999"], "whole number"),
                (["health", "--warn-spool", "101"], "from 0 to 100"),
                (["health", "--warn-dead", "-5"], "whole number"),
                (["queue", "show", ""], "ID: is empty"),
                (["dead", "show", ""], "ID: is empty"),
                (["--socket", "", "status"], "--socket: is empty"),
                (["explain", "\udcff"], "not UTF-8"),
                (["source", "pause", "\udcff"], "not UTF-8"),
                (["status", "--bogus"], r"^flowrelay: .*--bogus See flowrelay status --help"),
                (["status", "a\x1b[31m"], "^flowrelay: [^\x1b]*$")]:
            with self.subTest(arguments=arguments):
                outcome = self.run_flowrelay(*arguments, status=64)
                self.assertEqual(outcome.stdout, "", "errors go to stderr")
                self.assertRegex(outcome.stderr.replace("\n", " "), words)
        odd = self.run_flowrelay("no\x1b[31m", status=64)
        self.assertNotIn("\x1b", odd.stderr)

    def test_what_is_not_there_ends_with_65(self):
        self.start()
        for arguments in (["queue", "show", "17"], ["queue", "drop", "--yes", "17"],
                          ["queue", "retry", "nothing"], ["queue", "list", "--source", "nobody"],
                          ["dead", "show", "17"], ["dead", "drop", "--yes", "17"],
                          ["explain", "nothing"], ["source", "pause", "nobody"],
                          ["source", "enable", "ci"]):
            with self.subTest(arguments=arguments):
                outcome = self.run_flowrelay(*arguments, status=65)
                self.assertRegex(outcome.stderr, r"^flowrelay: \S")

    def test_without_a_daemon_it_is_69(self):
        self.start()
        self.relay.stop()
        for arguments in (["status"], ["queue", "list"], ["explain", "x"], ["dead", "list"],
                          ["source", "list"], ["reload"], ["metrics"], ["top"]):
            with self.subTest(arguments=arguments):
                outcome = self.run_flowrelay(*arguments, status=69)
                self.assertIn("is flowrelayd running?", outcome.stderr)

    def test_a_full_queue_is_told_once_for_all_that_was_on_its_way(self):
        self.start(spool={"max_events": 10})
        self.pause()
        event = '{"source":"ci","external_thread_id":"a","title":"b"}\n'
        outcome = self.run_flowrelay("send", stdin=event * 10, status=0)
        outcome = self.run_flowrelay("send", stdin=event * 500, status=75)
        self.assertEqual(outcome.stderr.count("queue_full"), 1, outcome)
        self.assertRegex(outcome.stdout, r"^0 accepted, \d+ refused for now")

    def test_the_wrong_one_of_the_two_sockets_is_told(self):
        self.start()
        ingest = str(self.relay.ingest_socket)
        for arguments in (["status"], ["queue", "list"], ["queue", "drop", "--yes", "1"],
                          ["explain", "x"], ["reload"], ["metrics"], ["top"]):
            with self.subTest(arguments=arguments):
                outcome = self.run_flowrelay("--socket", ingest, *arguments, status=69)
                self.assertIn("is where flowrelayd takes events", outcome.stderr)
        outcome = self.run_flowrelay("--socket", str(self.relay.control_socket), "send",
                                     "--source", "ci", "--thread", "a", "--title", "b", status=75)
        self.assertIn("is this the right socket?", outcome.stderr)

    # ---- standard streams

    def shell(self, script, status=0):
        environment = dict(os.environ, PATH=f"{support.BIN}:{os.environ['PATH']}",
                           FLOWRELAY_SOCKET=str(self.relay.ingest_socket),
                           FLOWRELAY_CONTROL_SOCKET=str(self.relay.control_socket))
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True,
                              timeout=support.PATIENCE, check=False, env=environment)
        self.printed += [done.stdout, done.stderr]
        self.assertEqual(done.returncode, status, (script, done))
        return done

    def test_output_that_can_not_be_written_is_told(self):
        self.start()
        self.pause()
        self.submit("a")
        for command in ("status", "status --json", "queue list", "metrics", "source list"):
            with self.subTest(command=command):
                full = self.shell(f"flowrelay {command} > /dev/full", 75)
                self.assertIn("cannot write the output: No space left", full.stderr)
                self.assertIn("cannot write the output", self.shell(f"flowrelay {command} >&-", 75)
                              .stderr)

    def test_an_accepted_event_is_accepted_whoever_listens(self):
        self.start()
        send = "flowrelay send --source ci --thread a --title b"
        event = '{"source":"ci","external_thread_id":"a","title":"b"}'
        for script in (f"{send} > /dev/full", f"{send} --json > /dev/full", f"{send} >&-",
                       f"{send} 2>&-", f"{send} <&-", f"{send} <&- >&- 2>&-",
                       f"set -o pipefail; {send} | true",
                       f"set -o pipefail; echo '{event}' | flowrelay send | true",
                       f"echo '{event}' | flowrelay send > /dev/full"):
            with self.subTest(script=script):
                self.shell(script)
        self.assertEqual(self.relay.wait_until_idle()["accepted"], 9)

    def test_closed_or_empty_stdin_is_told(self):
        self.start()
        for script in ("flowrelay send <&-", "flowrelay queue drop --yes - <&-",
                       "flowrelay dead replay - <&-",
                       "flowrelay send --source ci --thread a --title b --body - <&-"):
            with self.subTest(script=script):
                self.assertIn("cannot read", self.shell(script, 75).stderr)
        for script, words in (("flowrelay queue drop --yes - < /dev/null", "0 dropped\n"),
                              ("flowrelay queue drop --plan - < /dev/null", "0 would be dropped\n"),
                              ("flowrelay queue retry - < /dev/null", "0 retried\n"),
                              ("flowrelay dead replay - < /dev/null", "0 replayed\n"),
                              ("flowrelay send < /dev/null", "0 accepted\n")):
            with self.subTest(script=script):
                self.assertEqual(self.shell(script).stdout, words)
        self.assertIn("there was no event on stdin", self.shell("flowrelay send < /dev/null").stderr)

    def test_the_socket_can_be_given_anywhere_on_the_line(self):
        self.start()
        path = str(self.relay.control_socket)
        for arguments in (["--socket", path, "status"], ["status", "--socket", path],
                          ["queue", "--socket", path, "list"]):
            done = subprocess.run([support.BIN / "flowrelay", *arguments], capture_output=True,
                                  timeout=support.PATIENCE, check=False)
            self.assertEqual(done.returncode, 0, done)

    def test_every_command_has_a_help_that_says_something(self):
        self.start()
        tree = {(): self.commands()}
        for command in self.commands():
            tree[(command,)] = self.commands(command)
        for path, children in tree.items():
            for child in children:
                outcome = self.run_flowrelay(*path, child, "--help")
                self.assertGreater(len(outcome.stdout.splitlines()), 3, (path, child))

    def commands(self, *path):
        """The commands that --help names."""
        text = self.run_flowrelay(*path, "--help").stdout
        part = text.partition("Subcommands:")[2].partition("\n\n")[0]
        return re.findall(r"^  ([\w-]+) ", part, re.MULTILINE)

    # ---- the queue

    def test_the_queue_is_listed_shown_and_dropped(self):
        self.start()
        self.pause()
        ids = self.submit("a", "b", "a")
        table = self.run_flowrelay("queue", "list").stdout
        self.assertRegex(table, r"SEQ +AGE +SOURCE +THREAD +TRIES +STATE")
        self.assertRegex(table, rf"(?m)^ +1 .* ci +a +\S+ +token_paused +{ids[0]}$")
        self.assertEqual([event["id"] for event in self.lines("queue", "list", "--json")], ids)
        shown = self.run_flowrelay("queue", "show", ids[2]).stdout
        self.assertRegex(shown, r"producer +.*uid \d+, pid \d+")
        self.assertIn('title: "failed"', shown)
        self.assertIn("behind", shown)
        plan = self.run_flowrelay("queue", "drop", "--thread", "a", "--plan").stdout
        self.assertRegex(plan, r"^2 would be dropped\nthe first of them:")
        plan = self.run_flowrelay("queue", "retry", "--all", "--plan").stdout
        self.assertRegex(plan, r"^0 would be retried; 3 left alone: the source is paused")
        self.assertEqual(len(self.lines("queue", "list", "--json")), 3)
        listed = self.run_flowrelay("queue", "list", "--json", "--thread", "a").stdout
        done = self.run_flowrelay("queue", "drop", "--yes", "-", stdin=listed + "\n" + ids[1] + "\n2")
        self.assertEqual(done.stdout, "3 dropped\n", "one was named twice, by its id and its seq")
        self.assertEqual(self.run_flowrelay("queue", "list", "--json").stdout, "")

    def test_a_source_is_named_without_an_option_and_a_thread_with_one(self):
        self.start()
        self.pause()
        ids = self.submit("build-1")
        self.assertEqual([event["id"] for event in self.lines("queue", "list", "ci", "--json")], ids)
        for words, hint in [(["retry", "build-1"], True), (["drop", "--plan", "build-1"], True),
                            (["retry", "4711"], False)]:
            outcome = self.flowrelay(self.relay, "queue", *words)
            self.assertIn("no event ", outcome.stderr)
            self.assertEqual("--thread" in outcome.stderr, hint, outcome)
        self.assertEqual(self.run_flowrelay("help", "queue").stdout,
                         self.run_flowrelay("queue", "--help").stdout)

    def test_a_body_comes_from_a_file(self):
        self.start()
        self.pause()
        text = self.directory / "body.html"
        text.write_text("<b>red</b>\n\n")
        options = ["send", "--source", "ci", "--thread", "t", "--title", "x", "--author", "a",
                   "--event", "activity", "--json", "--body"]
        for body, expected in [(f"@{text}", "<b>red</b>"), ("@@you", "@you"), ("a@b", "a@b")]:
            made = json.loads(self.run_flowrelay(*options, body).stdout)["id"]
            self.assertIn(expected, self.run_flowrelay("queue", "show", made).stdout)
        outcome = self.flowrelay(self.relay, *options, f"@{text}.missing")
        self.assertEqual(outcome.status, 64, outcome)
        self.assertIn(f"{text}.missing", outcome.stderr)

    def test_a_long_list_is_cut_for_people_and_whole_for_programs(self):
        self.start()
        self.pause()
        self.submit(*(f"t{n}" for n in range(1300)))
        outcome = self.run_flowrelay("queue", "list")
        self.assertEqual(len(outcome.stdout.splitlines()), 101)
        self.assertIn("--limit 0", outcome.stderr)
        self.assertEqual(len(self.lines("queue", "list", "--json")), 1300)
        self.assertEqual(len(self.lines("queue", "list", "--json", "--limit", "600")), 600)
        done = json.loads(self.run_flowrelay("queue", "drop", "--source", "ci", "--yes",
                                             "--json").stdout)
        self.assertEqual(done["dropped"], 1300)

    def test_explain_tells_the_story(self):
        self.server.rules({"match": {"external_thread_id": "stuck"}, "status": 503,
                           "body": {"message": "try later"}},
                          {"match": {"external_thread_id": "bad"}, "status": 422,
                           "body": {"message": "no good"}})
        self.start(retry={"initial": "1h", "max": "1h"})
        ids = self.submit("stuck", "stuck", "good", "bad")
        self.relay.wait_for_status("the rest", lambda now: now["queued"] == 2
                                   and now["waiting_lanes"] == 1)
        story = self.run_flowrelay("explain", ids[1]).stdout
        self.assertRegex(story, r"(?s)behind +event 1 of its thread has to be delivered first\n"
                                r" +thread_waits +its thread waits after attempt 1.*try later\n"
                                r"next attempt: .* from now at the earliest")
        self.assertRegex(self.run_flowrelay("explain", "stuck").stdout, "the first of thread stuck")
        self.assertRegex(self.run_flowrelay("explain", "ci").stdout, "source ci is active, with 2")
        self.assertRegex(self.run_flowrelay("explain", "good").stdout, r"it was delivered at \d")
        for of in (ids[3], "bad"):
            dead = self.run_flowrelay("explain", of).stdout
            self.assertRegex(dead, rf"(?s){ids[3]}.*went to the dead letters\n +because: no good")
        sizes = [event["bytes"] for event in self.lines("queue", "list", "--json")]
        self.assertEqual(sizes, [json.loads(self.run_flowrelay("queue", "show", of, "--json").stdout)
                                 ["bytes"] for of in ids[:2]])
        self.assertEqual(json.loads(self.run_flowrelay("explain", ids[1], "--json").stdout)["kind"],
                         "event")

    def test_what_is_replayed_waits_in_the_queue_like_others(self):
        self.server.rules({"match": {"external_thread_id": "bad"}, "status": 422})
        self.start()
        ids = self.submit("bad", "good", "bad", "bad")
        self.relay.wait_for_status("their deaths", lambda now: now["dead_letters"] == 3)
        self.pause()
        queued = self.submit("good", "bad")
        self.assertEqual(self.run_flowrelay("dead", "replay", ids[0], "1", ids[3]).stdout,
                         "2 replayed\n")
        expected = [ids[0], ids[3], *queued]
        self.assertEqual([e["id"] for e in self.lines("queue", "list", "--json")], expected)
        self.assertEqual([e["id"] for e in self.lines("queue", "list", "--json", "--thread", "bad")],
                         [ids[0], ids[3], queued[1]])
        for limit in range(1, 4):  # in pages as well
            self.assertEqual([e["id"] for e in self.lines("queue", "list", "--json", "--limit",
                                                          str(limit))], expected[:limit])
        self.assertRegex(self.run_flowrelay("dead", "list").stdout, rf"replayed +422 +{ids[0]}")
        left = self.run_flowrelay("dead", "drop", "--all", "--yes").stdout
        self.assertIn("1 dropped; 2 left alone: they are queued", left)
        self.assertRegex(self.run_flowrelay("explain", ids[2]).stdout, "dropped by an operator")
        self.assertEqual(self.run_flowrelay("queue", "drop", ids[3], "--yes").stdout, "1 dropped\n")
        self.assertRegex(self.run_flowrelay("explain", ids[3]).stdout, "dropped by an operator")
        self.server.rules()
        self.run_flowrelay("source", "resume", "ci")
        now = self.relay.wait_until_idle()
        self.assertEqual((now["delivered"], now["dropped"], now["dead"], now["unaccounted"]),
                         (4, 2, 0, 0))
        story = self.run_flowrelay("explain", ids[0]).stdout
        accepted = json.loads(self.run_flowrelay("explain", ids[1], "--json").stdout)["accepted"]
        self.assertIn(f"accepted {accepted[:17]}", story, "it is as old as it ever was")

    def test_a_held_thread_is_seen(self):
        self.server.rules({"status": 422, "body": {"message": "no such field"}})
        sources = [{"name": "ci", "flow_token_file": self.token_file(self.ci),
                    "on_reject": "hold", "defaults": {"author": {"name": "CI"}}}]
        self.relay = self.start_relay(self.server.url, sources=sources)
        ids = self.submit("bad", "bad")
        self.relay.wait_for_status("the hold", lambda now: now["held_lanes"] == 1)
        self.assertRegex(self.run_flowrelay("status").stdout, "1 thread .*, 1 held for you")
        self.assertRegex(self.run_flowrelay("explain", ids[1]).stdout,
                         r"(?s)behind .*thread_held .*`queue retry` or `queue drop`.*no such field")
        self.server.rules()
        self.run_flowrelay("queue", "retry", ids[0])
        self.assertEqual(self.relay.wait_until_idle()["held_lanes"], 0)

    def test_during_the_grace_a_gone_source_says_what_will_become_of_its_events(self):
        self.server.rules({"status": 410})
        self.start()
        event, = self.submit("t")
        self.relay.wait_for_log(r"token\.gone")
        self.relay.wait_for_status("no request", lambda now: now["in_flight"] == 0)
        self.assertRegex(self.run_flowrelay("status").stdout, r"(?m)^ci +gone +1 +HTTP 410, erased in 59m\d+s$")
        self.assertEqual(self.lines("queue", "list", "--json")[0]["state"], "token_gone")
        for what in (event, "t", "ci"):
            self.assertRegex(self.run_flowrelay("explain", what).stdout,
                             r"token_gone +ci is gone: .* is erased at 20")
        self.server.rules({"status": 410, "delay_ms": 500})
        self.run_flowrelay("source", "enable", "ci")
        self.assertRegex(self.run_flowrelay("explain", event).stdout, "in_flight|ready")
        self.relay.wait_for_status("410", lambda now: now["tokens"][0]["state"] == "gone")
        self.run_flowrelay("source", "remove", "ci", "--yes")
        self.relay.wait_for_log(r"token\.erased")
        self.assertRegex(self.run_flowrelay("explain", event).stdout, "erased with its token at")
        self.assertEqual(self.lines("source", "list", "--json")[0]["queued"], 0)

    # ---- sources

    def test_a_source_lives_from_add_to_remove(self):
        self.start()
        token, other = self.token(), self.token()
        added = self.run_flowrelay("source", "add", "web", "--token-file", "-", stdin=token + "\n")
        self.assertRegex(added.stdout, "web is added: active")
        self.run_flowrelay("source", "rotate", "web", "--token-file",
                           self.token_file(other, "other.token"))
        self.run_flowrelay("source", "rotate", "ci", "--token-file",
                           self.token_file(other, "other.token"), status=65)
        self.run_flowrelay("source", "add", "www", "--token-file",
                           self.token_file(token, "open.token", 0o644), status=78)
        table = self.run_flowrelay("source", "list").stdout
        self.assertRegex(table, r"(?m)^web +added +active +0$")
        self.assertRegex(self.run_flowrelay("source", "remove", "web", "--plan").stdout,
                         "0 queued events, 0 dead letters and the token of web would be erased")
        self.run_flowrelay("source", "remove", "web", "--yes")
        self.relay.wait_for_log(r"token\.erased")
        self.assertEqual(self.relay.files_with(token, other), [])

    # ---- the daemon

    def test_health_says_what_a_monitoring_system_wants_to_hear(self):
        self.start()
        ok = self.run_flowrelay("health")
        self.assertRegex(ok.stdout, r"^FLOWRELAY OK - 0 queued, 0 delivered \| queued=0 oldest_age=")
        self.assertEqual(len(ok.stdout.splitlines()), 1)
        self.pause()
        self.submit("a")
        time.sleep(1.1)
        self.assertRegex(self.run_flowrelay("health", "--warn-age", "1s", status=1).stdout,
                         "^FLOWRELAY WARNING - the oldest event waits for ")
        self.run_flowrelay("health", "--warn-age", "1s", "--crit-age", "1s", status=2)
        self.relay.stop()
        down = self.run_flowrelay("health", status=2)
        self.assertRegex(down.stdout, "^FLOWRELAY CRITICAL - cannot connect to ")

    def test_reload_says_what_has_changed_or_why_not(self):
        self.start()
        self.assertIn("nothing has changed", self.run_flowrelay("reload").stdout)
        self.relay.configure({"retry": {"max": "7s"}, "spool": {"max_size": "1GiB"},
                              "log": {"format": "json"}})
        done = self.run_flowrelay("reload").stdout
        self.assertRegex(done, r"(?s)In force now:\n  spool\.max_size\n  retry\.max\n"
                               r"In force after a restart of flowrelayd:\n  log\.format\n$")
        again = self.run_flowrelay("reload").stdout
        self.assertRegex(again, r"nothing new is in force yet.\nIn force after .*:\n  log\.format\n$")
        self.relay.config_path.write_text("destination: {base_url: 17\n")
        failed = self.run_flowrelay("reload", status=78)
        self.assertRegex(failed.stderr, r"nothing has changed:\n.*flowrelay\.yaml:\d")

    def test_config_check_tells_programs_as_well(self):
        self.start()
        found = self.lines("config", "check", "--json", str(self.relay.config_path))
        self.assertEqual(found[-1], {"type": "summary", "usable": True, "sources": 1, "problems": 0})
        self.assertEqual([(line["type"], line["usable"], line["changed"], line["sources"])
                          for line in found[:-1]], [("reload", True, [], [])])
        self.relay.config_path.write_text("destination: {base_url: 17}\nbogus: 1\n")
        told = self.run_flowrelay("config", "check", "--json", str(self.relay.config_path),
                                  status=78)
        found = [json.loads(line) for line in told.stdout.splitlines()]
        self.assertEqual([line["type"] for line in found], ["problem", "problem", "summary"])
        self.assertEqual((found[1]["line"], found[1]["column"]), (2, 1))
        self.assertIn("bogus", found[1]["message"])

    def test_metrics_are_printed(self):
        self.start()
        self.assertRegex(self.run_flowrelay("metrics").stdout, r"(?m)^# TYPE flowrelay_")

    def test_top_without_a_terminal_prints_one_picture_after_the_other(self):
        self.start()
        done = self.run_flowrelay("top", "--count", "2", "--interval", "100ms").stdout
        self.assertEqual(done.count("flowrelayd "), 2)
        self.assertNotIn("\x1b", done)

    # ---- completion

    def complete(self, *words):
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); '
                  '_flowrelay; printf "%s\\n" "${COMPREPLY[@]}"')
        environment = dict(os.environ, PATH=f"{support.BIN}:{os.environ['PATH']}",
                           FLOWRELAY_CONTROL_SOCKET=str(self.relay.control_socket))
        done = subprocess.run(["bash", "-c", script, "bash",
                               str(ROOT / "config/completion/flowrelay.bash"), "flowrelay", *words],
                              capture_output=True, text=True, timeout=support.PATIENCE, check=False,
                              env=environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_bash_completes_every_command_and_option(self):
        self.start()
        for command in self.commands():
            self.assertIn(command, self.complete(""))
            for action in self.commands(command):
                self.assertIn(action, self.complete(command, ""), command)
                self.assert_options_are_known(command, action)
            if not self.commands(command):
                self.assert_options_are_known(command)
        self.assertEqual(self.complete("sta"), ["status"])
        self.assertEqual(self.complete("queue", "list", "--source", ""), ["ci"])
        self.assertIn("ci", self.complete("explain", ""))

    def options(self, *path):
        text = self.run_flowrelay(*path, "--help").stdout
        return set(re.findall(r"^  (?:-\w,)?(--[\w-]+)", text, re.MULTILINE))

    def assert_options_are_known(self, *path):
        offered = {word for word in self.complete(*path, "--") if word.startswith("--")}
        self.assertEqual(offered, self.options(*path), path)

    def complete_in_fish(self, words):
        environment = dict(os.environ, PATH=f"{support.BIN}:{os.environ['PATH']}", HOME="/nonexistent",
                           FLOWRELAY_CONTROL_SOCKET=str(self.relay.control_socket))
        script = f'source "{ROOT}/config/completion/flowrelay.fish"; complete -C "flowrelay {words}"'
        done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True,
                              timeout=support.PATIENCE, check=False, env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {line.split("\t")[0] for line in done.stdout.splitlines()}

    def test_fish_completes_every_command_and_option(self):
        self.start()
        self.assertEqual(self.complete_in_fish(""), set(self.commands()))
        for command in self.commands():
            actions = self.commands(command)
            if actions:
                self.assertEqual(self.complete_in_fish(f"{command} "), set(actions), command)
            for path in [[command, action] for action in actions] or [[command]]:
                offered = self.complete_in_fish(" ".join(path) + " --")
                self.assertEqual(offered - {"--socket"}, self.options(*path), path)
        self.assertIn("ci", self.complete_in_fish("queue list --source "))

    def test_zsh_knows_every_command(self):
        self.start()
        text = (ROOT / "config/completion/_flowrelay").read_text()
        self.assertTrue(text.startswith("#compdef flowrelay\n"))
        for command in self.commands():
            self.assertRegex(text, rf"(?m)^        '{command}:")
            section = re.search(rf"(?ms)^                (?:\w+ \| )*{command}(?: \| \w+)*\)(.*?);;",
                                text)
            section = section.group(1) if section else ""
            offered = set(re.findall(r"'\*?(--[\w-]+)|\"(--[\w-]+)", section.replace(
                "$selection", re.search(r"selection=\((.*?)\)\n", text, re.DOTALL).group(1))))
            offered = {one or other for one, other in offered}
            actions = self.commands(command)
            known = set().union(*(self.options(command, action) for action in actions)) \
                if actions else self.options(command)
            self.assertEqual(offered, known - {"--help"}, command)
            if actions:
                listed = re.search(r"1:action:\(([^)]*)\)", section).group(1).split()
                self.assertEqual(sorted(listed), sorted(actions), command)


if __name__ == "__main__":
    support.main()
