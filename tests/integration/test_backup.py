"""Backups of a running relay, their restoration, and spools that came from another machine."""

import json
import os
import pathlib
import pwd
import shutil
import subprocess
import threading
import unittest

import support
from producers import Producer


class Backup(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.server.rules({"status": 503})
        self.t = self.token()

    def settings(self, token_name="ci.token", token=None):
        return {"sources": [{"name": "ci", "flow_token_file": self.token_file(token or self.t, token_name),
                             "defaults": {"author": {"name": "CI"}}}],
                "spool": {"segment_size": "1MiB"}, "ingest": {"max_event_size": "64KiB"}}

    def send(self, relay, thread, title="t", **members):
        with Producer(relay.ingest_socket) as producer:
            return producer.submit({"source": "ci", "external_thread_id": thread, "title": title, **members})

    def backup(self, relay, name="backup"):
        path = self.directory / name
        outcome = self.flowrelay(relay, "backup", str(path), patience=60)
        self.assertEqual(outcome.status, 0, outcome)
        return path, outcome

    def other_host(self, name, token=None, **more):
        """A relay with a spool directory of its own, as on another host."""
        settings = self.settings(f"{name}.token", token)
        settings.update(more)
        return self.make_relay(self.server.url, name=name, **settings)

    def restore(self, path, relay, *options):
        return self.flowrelay(relay, "restore", str(path), "--state", str(relay.state), *options, patience=60)

    def titles(self):
        return sorted(event["title"] for event in self.server.delivered())

    def test_a_backup_under_load_is_whole_and_restores_what_was_queued(self):
        relay = self.start_relay(self.server.url, **self.settings())
        for n in range(50):
            self.send(relay, f"t{n}", title=f"before-{n:02}")
        stop = threading.Event()
        during = []

        def load():
            with Producer(relay.ingest_socket, support.PATIENCE) as producer:
                while not stop.is_set():
                    title = f"during-{len(during):05}"
                    answer = producer.submit({"source": "ci", "external_thread_id": f"d{len(during)}",
                                              "title": title, "body": "x" * 3000})
                    if answer["status"] == "accepted":
                        during.append(title)
        thread = threading.Thread(target=load)
        thread.start()
        try:
            support.wait_until(lambda: len(during) > 100, "some load")
            known = list(during)
            path, outcome = self.backup(relay)
        finally:
            stop.set()
            thread.join(support.PATIENCE)
        self.assertRegex(outcome.stdout, r"flowrelayd stood still for \d+ms")
        # Private, and with what it takes to start somewhere else.
        for each in [path, *path.rglob("*")]:
            self.assertEqual(each.stat().st_mode & 0o077, 0, each)
        manifest = json.loads((path / "manifest.json").read_text())
        self.assertIn(str(self.directory / "ci.token"), [file["path"] for file in manifest["files"]])
        self.assertEqual((path / "files" / str(self.directory / "ci.token")[1:]).read_text().strip(), self.t)
        self.assertEqual(list(path.rglob("*.spare")) + list(path.rglob("lock")), [])

        relay.kill()
        host = self.other_host("host")
        outcome = self.restore(path, host)
        self.assertEqual(outcome.status, 0, outcome)
        self.server.rules()
        host.start()
        host.wait_until_idle()
        found = self.titles()
        self.assertEqual([title for title in found if title.startswith("before")],
                         [f"before-{n:02}" for n in range(50)])
        # All that was accepted before the backup began, and nothing twice.
        self.assertEqual(set(known) - set(found), set())
        self.assertEqual(len(found), len(set(found)))

    def test_a_backup_of_a_stopped_relay(self):
        relay = self.start_relay(self.server.url, **self.settings())
        self.send(relay, "a")
        relay.stop()
        path = self.directory / "backup"
        outcome = self.flowrelay(relay, "backup", str(path), "--config", str(relay.config_path))
        self.assertEqual(outcome.status, 0, outcome)
        self.assertRegex(outcome.stdout, "1 queued event, .*flowrelayd does not run")

    def test_a_restored_event_is_not_posted_with_a_token_of_another_flow(self):
        relay = self.start_relay(self.server.url, **self.settings())
        self.send(relay, "a", title="from-the-first-host")
        path, _ = self.backup(relay)
        relay.kill()
        other = self.token()
        host = self.other_host("host", other)
        self.assertEqual(self.restore(path, host).status, 0)
        self.server.rules()
        host.start()
        host.wait_for_log(r"event=token\.replaced source=ci queued=1")
        self.assert_waits_for_a_word(host)
        # Also after a restart and a reload, and an operator who pauses it as well.
        self.assertEqual(self.flowrelay(host, "source", "pause", "ci").status, 0)
        host.restart()
        self.assertEqual(self.flowrelay(host, "reload").status, 0)
        self.assert_waits_for_a_word(host)
        self.assertEqual(host.status()["queued"], 1)
        self.assertEqual(self.server.delivered(), [])
        # Until an operator says so.
        self.assertEqual(self.flowrelay(host, "source", "resume", "ci").status, 0)
        event, = self.server.wait_for(1)
        self.assertEqual((event["title"], event["flow_token"]), ("from-the-first-host", other))
        self.assertNotIn("reason", host.status()["tokens"][0])
        self.assertEqual(self.flowrelay(host, "source", "pause", "ci").status, 0)
        self.assertEqual(host.status()["tokens"][0]["reason"], "paused by an operator")

    def assert_waits_for_a_word(self, host):
        """What is said of it names what happened and what there is to do."""
        source = host.status()["tokens"][0]
        self.assertEqual(source["state"], "paused")
        what = (r"paused after the restore, since its events were accepted for another token .*"
                r"`source resume ci` posts them .*`queue drop --source ci` drops them")
        self.assertRegex(source["reason"], what)
        listed, = (json.loads(line) for line in
                   self.flowrelay(host, "source", "list", "--json").stdout.splitlines())
        self.assertRegex(listed["reason"], what)
        self.assertRegex(self.flowrelay(host, "explain", "--source", "ci").stdout, what)

    def test_a_restored_source_with_its_own_token_goes_on(self):
        relay = self.start_relay(self.server.url, **self.settings())
        self.send(relay, "a")
        path, _ = self.backup(relay)
        relay.kill()
        host = self.other_host("host")
        self.assertEqual(self.restore(path, host).status, 0)
        self.server.rules()
        host.start()
        self.server.wait_for(1)
        self.assertNotRegex(host.log, "token.replaced|spool.moved")

    def test_the_configuration_is_restored_where_there_is_none(self):
        relay = self.start_relay(self.server.url, **self.settings())
        path, _ = self.backup(relay)
        relay.kill()
        token_file = self.directory / "ci.token"
        token_file.unlink()
        host = self.directory / "host-state"
        outcome = self.command([support.BIN / "flowrelay", "restore", path, "--state", host, "--with-config"])
        self.assertEqual(outcome.status, 0, outcome)
        self.assertIn(f"restored: {token_file}", outcome.stdout)
        self.assertIn(f"left as it is: {relay.config_path}", outcome.stdout)
        self.assertEqual(token_file.read_text().strip(), self.t)
        self.assertEqual(token_file.stat().st_mode & 0o777, 0o600)

    @unittest.skipIf(os.getuid() != 0, "only root can give files away")
    def test_what_root_restores_belongs_to_the_user_of_the_daemon(self):
        relay = self.start_relay(self.server.url, **self.settings())
        self.send(relay, "a")
        relay.stop()
        token_file = self.directory / "ci.token"
        nobody = pwd.getpwnam("nobody")
        for path in (relay.state, *relay.state.rglob("*"), token_file):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        path = self.directory / "backup"
        made = self.flowrelay(relay, "backup", str(path), "--config", str(relay.config_path))
        self.assertEqual(made.status, 0, made)
        token_file.unlink()

        def owners(state):
            return {each.stat().st_uid for each in (state, *state.rglob("*"))}
        existing = self.directory / "of-daemon"
        existing.mkdir()
        os.chown(existing, 1, 1)
        of_root = self.directory / "of-root"
        of_root.mkdir()
        for state, options, uid in ((self.directory / "fresh", ["--with-config"], nobody.pw_uid),
                                    (of_root, [], nobody.pw_uid), (existing, [], 1),
                                    (self.directory / "named", ["--user", "root"], 0),
                                    (self.directory / "number", ["--user", "2"], 2)):
            done = self.command([support.BIN / "flowrelay", "restore", path, "--state", state, *options])
            self.assertEqual(done.status, 0, done)
            self.assertEqual(owners(state), {uid}, state)
            self.assertIn(f"; it belongs to {pwd.getpwuid(uid).pw_name}\n", done.stdout)
        facts = token_file.stat()
        self.assertEqual((facts.st_uid, facts.st_gid, facts.st_mode & 0o777),
                         (nobody.pw_uid, nobody.pw_gid, 0o600))
        # Nobody is known: it says so, and leaves nothing behind.
        manifest = json.loads((path / "manifest.json").read_text())
        del manifest["state_owner"]
        (path / "manifest.json").write_text(json.dumps(manifest))
        if shutil.which("systemctl") is None and "flowrelay" not in [user.pw_name for user in pwd.getpwall()]:
            refused = self.command([support.BIN / "flowrelay", "restore", path, "--state", self.directory / "none"])
            self.assertEqual(refused.status, 1, refused)
            self.assertIn("--user", refused.stderr)
            self.assertFalse((self.directory / "none").exists())
        refused = self.command([support.BIN / "flowrelay", "restore", path, "--state", self.directory / "none",
                                "--user", "no-such-user"])
        self.assertEqual(refused.status, 1, refused)
        self.assertIn("there is no user no-such-user", refused.stderr)

    @unittest.skipIf(os.getuid() != 0, "only root can give files away")
    def test_the_directory_of_a_service_with_a_dynamic_user_is_behind_a_link(self):
        relay = self.start_relay(self.server.url, **self.settings())
        self.send(relay, "a")
        path, _ = self.backup(relay)
        relay.kill()
        lib = self.directory / "lib"
        private = lib / "private" / "flowrelay"
        private.mkdir(parents=True)
        private.chmod(0o750)
        os.chown(private, 61234, 61234)
        (lib / "flowrelay").symlink_to("private/flowrelay")
        done = self.command([support.BIN / "flowrelay", "restore", path, "--state", lib / "flowrelay"])
        self.assertEqual(done.status, 0, done)
        self.assertTrue((lib / "flowrelay").is_symlink())
        self.assertEqual({(each.stat().st_uid, each.stat().st_gid) for each in
                          (private, *private.rglob("*"))}, {(61234, 61234)})
        self.assertEqual(private.stat().st_mode & 0o777, 0o750)

    @unittest.skipIf(os.getuid() != 0, "only root can give files away")
    def test_directories_that_a_restore_makes_can_be_passed_by_the_daemon(self):
        config = self.directory / "etc" / "flowrelay"
        config.mkdir(parents=True)
        token_file = config / "ci.token"
        token_file.write_text(self.t + "\n")
        token_file.chmod(0o640)
        settings = self.settings()
        settings["sources"][0]["flow_token_file"] = str(token_file)
        relay = self.start_relay(self.server.url, **settings)
        path, _ = self.backup(relay)
        relay.kill()
        shutil.rmtree(self.directory / "etc")
        # Of users that are not on this host: 0640 is private as well, and so it is the daemon's.
        manifest = json.loads((path / "manifest.json").read_text())
        for file in manifest["files"]:
            file.update(owner="no-such-user", group="no-such-group")
        (path / "manifest.json").write_text(json.dumps(manifest))
        state = self.directory / "srv" / "relay" / "state"
        done = self.command([support.BIN / "flowrelay", "restore", path, "--state", state,
                             "--user", "61234", "--with-config"])
        self.assertEqual(done.status, 0, done)
        for made in (config.parent, config, state.parent.parent, state.parent):
            facts = made.stat()
            self.assertEqual((facts.st_uid, facts.st_gid, facts.st_mode & 0o7777), (0, 61234, 0o750),
                             made)
        facts = token_file.stat()
        self.assertEqual((facts.st_uid, facts.st_gid, facts.st_mode & 0o7777),
                         (61234, 61234, 0o640))

    def test_nothing_is_restored_of_a_backup_whose_manifest_is_wrong(self):
        relay = self.start_relay(self.server.url, **self.settings())
        path, _ = self.backup(relay)
        relay.kill()
        (self.directory / "ci.token").unlink()
        state = self.directory / "none"
        whole = json.loads((path / "manifest.json").read_text())
        for member, value, said in (("mode", "nonsense", 'the mode "nonsense"'),
                                    ("mode", "4755", 'the mode "4755"'),
                                    ("copy", "state/tokens", "that can't be in a backup")):
            manifest = json.loads(json.dumps(whole))
            manifest["files"][-1][member] = value
            (path / "manifest.json").write_text(json.dumps(manifest))
            refused = self.command([support.BIN / "flowrelay", "restore", path, "--state", state,
                                    "--with-config"])
            self.assertEqual(refused.status, 1, refused)
            self.assertIn(said, refused.stderr)
            self.assertFalse(state.exists())
            self.assertFalse((self.directory / "ci.token").exists())
        (path / "manifest.json").write_text(json.dumps(whole))
        state.mkdir()
        (state / "notes").write_text("x")
        refused = self.command([support.BIN / "flowrelay", "restore", path, "--state", state])
        self.assertEqual(refused.status, 1, refused)
        self.assertIn("is not empty: there is notes in it", refused.stderr)
        self.assertEqual([each.name for each in state.iterdir()], ["notes"])

    @unittest.skipIf(os.getuid() != 0, "becomes another user, which takes root")
    def test_only_root_names_a_user(self):
        refused = subprocess.run([str(support.BIN / "flowrelay"), "restore", "/nowhere", "--user", "bin"],
                                 user=65534, check=False, capture_output=True, text=True)
        self.assertEqual(refused.returncode, 64, refused)
        self.assertIn("--user needs root", refused.stderr)

    def test_a_damaged_spool_has_a_backup_that_says_so(self):
        relay = self.start_relay(self.server.url, **self.settings())
        for n in range(3):
            self.send(relay, f"t{n}", body=f"mark-{n}-" + "-" * 100)
        self.assertEqual(self.flowrelay(relay, "source", "pause", "ci").status, 0)
        self.assertEqual(relay.stop(), 0)
        segment, = (relay.state / "spool").glob("*.seg")
        data = bytearray(segment.read_bytes())
        data[data.index(b"mark-1-") + 20] ^= 1
        segment.write_bytes(data)
        relay.start()
        path = self.directory / "backup"
        made = self.flowrelay(relay, "backup", str(path), patience=60)
        self.assertEqual(made.status, 2, made)
        self.assertIn("3 queued events", made.stdout)
        self.assertRegex(made.stderr, r"the backup is complete, but the spool is damaged: spool/\S+\.seg: ")
        relay.kill()
        host = self.other_host("host")
        refused = self.restore(path, host)
        self.assertEqual(refused.status, 1, refused)
        self.assertIn("--with-damage", refused.stderr)
        self.assertFalse((host.state / "spool").exists())
        self.assertEqual(self.restore(path, host, "--with-damage").status, 0)
        self.server.rules()
        host.start()
        host.wait_for_log("event=spool.damaged")
        self.assertEqual(self.flowrelay(host, "source", "resume", "ci").status, 0)
        host.wait_until_idle()
        self.assertEqual(host.status()["dead_letters"], 1)

    def test_nothing_is_overwritten_and_no_part_is_taken_for_a_backup(self):
        relay = self.start_relay(self.server.url, **self.settings())
        self.send(relay, "a")
        path, _ = self.backup(relay)
        self.assertEqual(self.flowrelay(relay, "backup", str(path)).status, 64)
        outcome = self.restore(path, relay)
        self.assertEqual(outcome.status, 1, outcome)
        self.assertIn("is in use by", outcome.stderr)
        relay.stop()
        outcome = self.restore(path, relay)
        self.assertEqual(outcome.status, 1, outcome)
        self.assertIn("move it away first", outcome.stderr)
        (path / "manifest.json").unlink()
        outcome = self.restore(path, self.other_host("host"))
        self.assertEqual(outcome.status, 1, outcome)
        self.assertIn("is it a backup?", outcome.stderr)

    def test_somebody_who_may_only_look_can_not_have_the_spool_stand_still(self):
        relay = self.start_relay(self.server.url, **self.settings())
        page = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text()
        self.assertRegex(page, r"POST /v1/spool/freeze.*\| change \|")
        # A freeze that nobody ends is over by itself.
        with support.ApiConnection(str(relay.control_socket), 30) as connection:
            self.assertEqual(connection.request("POST", "/v1/spool/freeze").status, 200)
            self.assertEqual(connection.request("POST", "/v1/spool/freeze").status, 409)
            answer = json.loads(connection.request("POST", "/v1/spool/thaw").body)
        self.assertEqual(answer, {"stood_still": True})
        self.assertEqual(self.send(relay, "a")["status"], "accepted")


@unittest.skipUnless(support.can_mount(), "this user can't mount anything over /etc/machine-id")
class Clone(support.RelayTestCase):
    """The state directory carries the machine that used it last."""

    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.server.rules({"status": 503})
        self.relay = self.make_relay(self.server.url, sources=[
            {"name": "ci", "flow_token_file": self.token_file(self.token()),
             "defaults": {"author": {"name": "CI"}}}])

    def machine(self, name):
        """What starts a program on a machine with another id."""
        path = self.directory / f"machine-{name}"
        path.write_text(name * 32 + "\n")
        return ("unshare", "-m", "sh", "-c",
                f'mount --bind {path} /etc/machine-id 2> /dev/null || '
                f'{{ touch /etc/machine-id && mount --bind {path} /etc/machine-id; }}; exec "$@"', "sh")

    def send(self, thread="a"):
        with Producer(self.relay.ingest_socket) as producer:
            return producer.submit({"source": "ci", "external_thread_id": thread, "title": "t"})

    def test_a_clone_posts_nothing_until_it_is_told_to(self):
        self.relay.start(self.machine("a"))
        self.assertEqual(self.send()["status"], "accepted")
        self.relay.stop()
        self.server.rules()
        self.relay.start(self.machine("b"))
        self.relay.wait_for_log(r"event=spool\.moved .*queued=1")
        self.assertEqual(self.send("b")["status"], "accepted")
        status = self.relay.status()
        self.assertEqual((status["deliveries_held"], status["queued"]), (True, 2))
        self.assertEqual(self.flowrelay(self.relay, "health").status, 2)
        self.assertIn("NOTHING IS POSTED", self.flowrelay(self.relay, "status").stdout)
        for command in (("explain", "--thread", "b"), ("queue", "list")):
            said = self.flowrelay(self.relay, *command).stdout
            self.assertIn("another machine" if command[0] == "explain" else "deliveries_held", said)
            self.assertNotIn("ready", said)
        retried = self.flowrelay(self.relay, "queue", "retry", "--all")
        self.assertIn("0 retried", retried.stdout)
        # It is not forgotten with a restart.
        self.relay.stop()
        self.relay.start(self.machine("b"))
        self.assertIs(self.relay.status()["deliveries_held"], True)
        self.assertEqual(self.server.requests()[1:], [])
        outcome = self.flowrelay(self.relay, "spool", "adopt")
        self.assertEqual(outcome.status, 0, outcome)
        self.server.wait_for(2)
        self.relay.wait_for_log(r"event=spool\.adopted")
        self.assertNotEqual(self.flowrelay(self.relay, "spool", "adopt").status, 0)
        self.relay.stop()
        self.relay.start(self.machine("b"))
        self.assertIs(self.relay.status()["deliveries_held"], False)

    def test_the_same_machine_goes_on(self):
        for _ in range(2):
            self.relay.start(self.machine("a"))
            self.assertIs(self.relay.status()["deliveries_held"], False)
            self.relay.stop()


class Support(support.RelayTestCase):
    def test_a_ticket_has_neither_tokens_nor_contents(self):
        server = self.start_devserver()
        server.rules({"match": {"external_thread_id": "dead"}, "status": 422}, {"status": 503})
        token = self.token()
        relay = self.start_relay(server.url, sources=[
            {"name": "ci", "flow_token_file": self.token_file(token), "defaults": {"author": {"name": "CI"}}}])
        with Producer(relay.ingest_socket) as producer:
            for thread in ("dead", "waits"):
                producer.submit({"source": "ci", "external_thread_id": thread, "title": "secret-title",
                                 "body": "secret-body"})
            producer.submit(support.event(self.token(), "direct", title="secret-title"))
        relay.wait_for_status("the dead letter", lambda now: now["dead"] == 1)
        outcome = self.flowrelay(relay, "support", "--config", str(relay.config_path))
        self.assertEqual(outcome.status, 0, outcome)
        for part in ('"accepting":true', "flowrelay_queued_events", "base_url", "000000000001.seg", "tokens",
                     "file system", "kernel", "===== journal"):
            self.assertIn(part, outcome.stdout)
        for secret in ("secret-title", "secret-body"):
            self.assertNotIn(secret, outcome.stdout)
        relay.stop()
        outcome = self.flowrelay(relay, "support", "--config", str(relay.config_path))
        self.assertEqual(outcome.status, 0, "it is wanted most when the daemon does not run")
        self.assertIn("is flowrelayd running?", outcome.stdout)


if __name__ == "__main__":
    support.main()
