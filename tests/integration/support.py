"""Runs the real programs for the black-box tests: every process in a directory of its own, with
ephemeral ports, bounded waits and captured output, stopped by its id whatever happens.

Each test also fails when a token that it used appears in anything that a program printed, answered
or was called with, and when the daemon wrote a log line that docs/log-events.md does not describe.
"""

import contextlib
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import log_lines
from producers import ApiConnection, Stream

BIN = pathlib.Path(os.environ.get("FLOWRELAY_BIN_DIR", "build/release/bin")).resolve()
SCALE = float(os.environ.get("FLOWRELAY_TEST_SCALE", "1"))  # sanitizers take longer
PATIENCE = 15 * SCALE  # seconds: the longest that anything in here takes

_SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|: runtime error: ")


def wait_until(condition, what, patience=None):
    """Polls until the condition gives something true, and returns that."""
    patience = PATIENCE if patience is None else patience
    end = time.monotonic() + patience
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience:g} s in vain for {what}")
        time.sleep(0.01)


class Program:
    """A running program. Its output goes to one file."""

    def __init__(self, name, command, directory, **options):
        self.name = name
        self.output_path = pathlib.Path(directory) / f"{name}.{secrets.token_hex(3)}.log"
        with open(self.output_path, "wb") as output:
            self.process = subprocess.Popen([str(word) for word in command], stdout=output,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                            **options)
        self.killed = False
        self.command = " ".join(str(word) for word in command)

    @property
    def pid(self):
        return self.process.pid

    @property
    def output(self):
        return self.output_path.read_text(errors="replace")

    def running(self):
        return self.process.poll() is None

    def wait_for_output(self, pattern, patience=None):
        """Waits for the pattern (a regular expression) and returns the match."""
        def look():
            match = re.search(pattern, self.output, re.MULTILINE)
            if not match and not self.running():
                match = re.search(pattern, self.output, re.MULTILINE)
                if not match:
                    raise AssertionError(f"{self.name} ended with {self.process.returncode} before "
                                         f"it said {pattern!r}")
            return match
        return wait_until(look, f"{self.name} to say {pattern!r}", patience)

    def wait(self, patience=None):
        return self.process.wait(PATIENCE if patience is None else patience)

    def terminate(self, patience=None):
        """SIGTERM; returns the exit status. A program that does not end is an error."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end after SIGTERM") from None

    def kill(self):
        """SIGKILL: nothing that runs in the program can prepare for it."""
        self.killed = True
        if self.running():
            self.process.kill()
        self.process.wait(PATIENCE)


class Devserver(Program):
    """The development server, which stands for the API."""

    def __init__(self, directory, *options, listen="127.0.0.1:0", scheme="http"):
        self.journal_path = pathlib.Path(directory) / f"journal.{secrets.token_hex(3)}.ndjson"
        super().__init__("devserver", [BIN / "flowrelay-devserver", "--listen", listen,
                                       "--journal", self.journal_path, *options], directory)
        self.url = self.wait_for_output(r"listening on (https?://\S+)").group(1)
        self.port = int(self.url.rsplit(":", 1)[1].rstrip("/"))
        self.scheme = scheme

    def requests(self):
        """All requests to /messages so far, oldest first, as the journal has them, with the body as
        JSON in `event`. `status` is 0 where no answer was given."""
        *lines, _ = self.journal_path.read_bytes().split(b"\n")
        entries = [json.loads(line) for line in lines]
        for entry in entries:
            entry["event"] = json.loads(entry["body"])
        return entries

    def delivered(self):
        """The events that were answered with 2xx."""
        return [entry["event"] for entry in self.requests() if 200 <= entry["status"] < 300]

    def wait_for(self, count, patience=None):
        """Waits until `count` events were delivered and returns the events."""
        def enough():
            events = self.delivered()
            return events if len(events) >= count else None
        try:
            return wait_until(enough, f"{count} delivered events", patience)
        except AssertionError as error:
            raise AssertionError(f"{error}; {len(self.delivered())} were") from None

    def wait_for_requests(self, count, patience=None):
        def enough():
            entries = self.requests()
            return entries if len(entries) >= count else None
        return wait_until(enough, f"{count} requests", patience)

    def rules(self, *rules):
        """From now on: the first rule that matches a request says how it is answered."""
        self.call("PUT", "/_dev/rules", json.dumps(list(rules)))

    def stats(self):
        return json.loads(self.call("GET", "/_dev/stats"))

    def call(self, method, path, body=None):
        with contextlib.closing(ApiConnection(("127.0.0.1", self.port), PATIENCE)) as connection:
            answer = connection.request(method, path, body,
                                        {"Content-Type": "application/json"} if body else {})
        if answer.status not in (200, 201, 202, 204):
            raise AssertionError(f"{method} {path}: {answer.status} {answer.body!r}")
        return answer.body


class Relay:
    """A daemon with its configuration and state directory; it can be started again and again."""

    def __init__(self, directory, settings):
        self.directory = pathlib.Path(directory)
        self.state = self.directory / "state"
        self.ingest_socket = self.directory / "ingest.sock"
        self.control_socket = self.directory / "control.sock"
        self.config_path = self.directory / "flowrelay.yaml"
        self.settings = {
            "ingest": {"socket": str(self.ingest_socket)},
            "control": {"socket": str(self.control_socket)},
            "spool": {"directory": str(self.state)},
            "retry": {"initial": "50ms", "max": "400ms"},
            "log": {"level": "debug"},
        }
        self.program = None
        self.programs = []
        self.configure(settings)

    def configure(self, settings):
        """Adds to the configuration file: {section: {key: value}}. Counts from the next start."""
        for section, values in settings.items():
            if isinstance(values, dict):
                self.settings.setdefault(section, {}).update(values)
            else:
                self.settings[section] = values
        # JSON is YAML.
        self.config_path.write_text("".join(f"{section}: {json.dumps(values)}\n"
                                            for section, values in self.settings.items()))

    def launch(self, prefix=(), **options):
        """Starts the daemon and does not wait for it. `prefix`: what runs it (strace, say)."""
        self.program = Program("flowrelayd", [*prefix, BIN / "flowrelayd", "--config",
                                              self.config_path], self.directory, **options)
        self.programs.append(self.program)
        return self.program

    def start(self, prefix=(), **options):
        self.launch(prefix, **options)
        self.program.wait_for_output(r"\brelay\.ready\b")
        return self

    def stop(self):
        return self.program.terminate()

    def kill(self):
        self.program.kill()

    def restart(self):
        status = self.stop()
        if status != 0:
            raise AssertionError(f"flowrelayd ended with {status} after SIGTERM")
        return self.start()

    def wait_for_log(self, pattern, patience=None):
        return self.program.wait_for_output(pattern, patience)

    @property
    def log(self):
        return "".join(program.output for program in self.programs)

    def status(self):
        with contextlib.closing(ApiConnection(str(self.control_socket), PATIENCE)) as connection:
            answer = connection.request("GET", "/v1/status")
        if answer.status != 200:
            raise AssertionError(f"GET /v1/status: {answer.status} {answer.body!r}")
        return json.loads(answer.body)

    def wait_for_status(self, what, condition, patience=None):
        seen = []

        def look():
            seen[:] = [self.status()]
            return seen[0] if condition(seen[0]) else None
        try:
            return wait_until(look, what, patience)
        except AssertionError as error:
            shown = json.dumps(seen[0]) if seen else "-"
            raise AssertionError(f"{error}; status: {shown}") from None

    def wait_until_idle(self, patience=None):
        """Until nothing is queued, and what is unaccounted for is nothing."""
        status = self.wait_for_status("an empty queue", lambda now: now["queued"] == 0, patience)
        if status["unaccounted"] != 0:
            raise AssertionError(f"{status['unaccounted']} events are unaccounted for: {status}")
        return status

    def files_with(self, *needles):
        """The files under the state directory that hold one of the needles."""
        found = []
        for path in sorted(self.state.rglob("*")):
            if path.is_file():
                data = path.read_bytes()
                found += [f"{path.relative_to(self.state)}: {needle!r}" for needle in needles
                          if needle.encode() in data]
        return found


class Outcome:
    """What a command left behind."""

    def __init__(self, status, stdout, stderr):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr

    def __repr__(self):
        return f"exit {self.status}, stdout {self.stdout!r}, stderr {self.stderr!r}"


class RelayTestCase(unittest.TestCase):
    """Directories, programs and tokens for a test, and what has to be true after each of them."""

    maxDiff = None

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="flowrelay-test-"))
        self.programs = []
        self.relays = []
        self.tokens = []
        self.printed = []  # what commands said
        Stream.received.clear()
        try:
            super().run(result)
            if len(result.failures) + len(result.errors) > before:
                self.show_logs()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)
        return result

    def setUp(self):
        self.addCleanup(self.check_outputs)
        self.addCleanup(self.stop_everything)

    # -- what a test starts

    def token(self):
        """A token that must not be seen in any output."""
        token = secrets.token_hex(16)
        self.tokens.append(token)
        return token

    def start_devserver(self, *options, **named):
        server = Devserver(self.directory, *options, **named)
        self.programs.append(server)
        return server

    def make_relay(self, base_url, name="relay", **settings):
        directory = self.directory / name
        directory.mkdir()
        settings.setdefault("destination", {})["base_url"] = base_url
        relay = Relay(directory, settings)
        self.relays.append(relay)
        return relay

    def start_relay(self, base_url, **settings):
        return self.make_relay(base_url, **settings).start()

    def start_program(self, name, command, **options):
        program = Program(name, command, self.directory, **options)
        self.programs.append(program)
        return program

    def token_file(self, token, name="ci.token", mode=0o600):
        path = self.directory / name
        path.write_text(token + "\n")
        path.chmod(mode)
        return str(path)

    def flowrelay(self, relay, *arguments, stdin="", patience=None):
        """Runs the command `flowrelay` for a relay."""
        environment = dict(os.environ, FLOWRELAY_SOCKET=str(relay.ingest_socket),
                           FLOWRELAY_CONTROL_SOCKET=str(relay.control_socket))
        return self.command([BIN / "flowrelay", *arguments], stdin, patience, environment)

    def command(self, words, stdin="", patience=None, environment=None):
        done = subprocess.run([str(word) for word in words], input=stdin.encode(), check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                              timeout=PATIENCE if patience is None else patience)
        outcome = Outcome(done.returncode, done.stdout.decode(errors="replace"),
                          done.stderr.decode(errors="replace"))
        self.printed.append(f"$ {' '.join(map(str, words))}\n{outcome.stdout}{outcome.stderr}")
        return outcome

    # -- what is true after each test

    def stop_everything(self):
        problems = []
        for relay in self.relays:
            for program in relay.programs:
                if program.running():
                    status = program.terminate()
                    if status != 0 and not program.killed:
                        problems.append(f"flowrelayd ended with {status} after SIGTERM")
        for program in self.programs:
            if program.running():
                program.terminate()
        self.assertEqual(problems, [])

    def outputs(self):
        programs = self.programs + [program for relay in self.relays for program in relay.programs]
        result = [(program.name, program.output) for program in programs]
        result += [("command", text) for text in self.printed]
        return result

    def check_outputs(self):
        for name, text in self.outputs():
            report = _SANITIZER.search(text)
            self.assertIsNone(report, f"a sanitizer spoke up in {name}")
            self.check_secrecy(name, text)
        for relay in self.relays:
            for program in relay.programs:
                self.check_secrecy("a command line", program.command)
                self.assertEqual(log_lines.problems(program.output), [],
                                 "log lines that docs/log-events.md does not describe")
        servers = [f"('127.0.0.1', {program.port})" for program in self.programs
                   if isinstance(program, Devserver)]
        for address, parts in Stream.received.items():
            if address not in servers:  # which show what they were sent
                self.check_secrecy(address, b"".join(parts).decode(errors="replace"))

    def check_secrecy(self, name, text):
        for token in self.tokens:
            # Half of a token is too much, too.
            for part in (token[:16], token[16:]):
                if part in text:
                    at = text.index(part)
                    self.fail(f"{name} told a token: ...{text[max(0, at - 200):at]}[TOKEN]")

    def show_logs(self):
        for name, text in self.outputs():
            lines = text.splitlines()
            if len(lines) > 200:
                lines = lines[:100] + [f"... {len(lines) - 200} lines ..."] + lines[-100:]
            sys.stderr.write(f"\n----- {name}\n" + "\n".join(lines) + "\n")


def can_mount():
    """Whether this user can mount file systems in a mount namespace of its own."""
    if not shutil.which("unshare"):
        return False
    run = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"], check=False,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return run.returncode == 0


def free_port():
    """A port of the loopback address that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def can_connect(port, host="127.0.0.1"):
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def event(token, thread="thread-1", **members):
    """A valid event."""
    return {"flow_token": token, "event": "activity", "title": "failed",
            "author": {"name": "CI"}, "external_thread_id": thread, **members}


def line(value):
    return json.dumps(value) + "\n"


def main():
    unittest.main(verbosity=2)
