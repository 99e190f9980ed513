"""Nothing is called accepted before it is on stable storage: read off the system calls."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import unittest

import support
from producers import ApiConnection, Producer

_START = re.compile(r"^(?:\[pid +)?(\d+)\]? +(?:\d+\.\d+ +)?(\w+)\((.*)$")
_RESUMED = re.compile(r"^(?:\[pid +)?(\d+)\]? +(?:\d+\.\d+ +)?<\.\.\. (\w+) resumed>(.*)$")
_DESCRIPTOR = re.compile(r"^(\d+)<([^>]*)>")
_WRITES = {"write", "writev", "pwrite64", "pwritev", "pwritev2"}
_SENDS = {"sendmsg", "sendto", "write", "writev"}
_SYNCS = {"fdatasync", "fsync"}


def ptrace_is_permitted():
    return shutil.which("strace") and subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "true"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, check=False, timeout=30).returncode == 0


def calls(lines):
    """(step, call, arguments, succeeded) in the order in which they happened, where step is "begin"
    or "end". An argument list is known in full at its end only if it was printed in two parts, but
    what is written is always printed at the beginning."""
    pending = {}
    for text in lines:
        match = _RESUMED.match(text)
        if match:
            thread, call, rest = match.groups()
            arguments = pending.pop(thread, "") + rest
            yield "end", call, arguments, succeeded(rest)
            continue
        match = _START.match(text)
        if not match:
            continue
        thread, call, rest = match.groups()
        yield "begin", call, rest, None
        if rest.rstrip().endswith("<unfinished ...>"):
            pending[thread] = rest.rsplit("<unfinished ...>", 1)[0]
        else:
            yield "end", call, rest, succeeded(rest)


def succeeded(rest):
    return not re.search(r"= -1 \w+ \(", rest)


class Account:
    """What a trace says of each id: where it was written, whether that was synced before its
    answer."""

    def __init__(self, ids, state):
        self.state = state
        self.pattern = re.compile("|".join(sorted(map(re.escape, ids), key=len, reverse=True)))
        self.in_write = {}   # id -> file, from the end of the write on
        self.written = {}    # file -> ids that wait for a sync
        self.syncing = {}    # file -> ids that the running sync covers
        self.durable = set()
        self.answered = set()
        self.too_early = set()
        self.syncs = 0

    def feed(self, lines):
        for step, call, arguments, good in calls(lines):
            descriptor = _DESCRIPTOR.match(arguments)
            path = descriptor.group(2) if descriptor else ""
            in_spool = path.startswith(self.state)
            if in_spool and call in _WRITES and step == "end" and good:
                self.written.setdefault(path, set()).update(self.pattern.findall(arguments))
            elif in_spool and call in _SYNCS and step == "begin":
                self.syncing[path] = set(self.written.get(path, ()))
            elif in_spool and call in _SYNCS and step == "end" and good:
                self.syncs += 1
                self.durable |= self.syncing.pop(path, set())
            elif not in_spool and call in _SENDS and step == "begin" and "socket:" in path + "" \
                    and self.is_answer(arguments):
                ids = set(self.pattern.findall(arguments))
                self.answered |= ids
                self.too_early |= ids - self.durable

    @staticmethod
    def is_answer(arguments):
        return r'\"accepted\"' in arguments or "HTTP/1.1 202" in arguments


class AccountOfATrace(unittest.TestCase):
    """The reading of traces itself."""

    WRITE = '7 pwrite64(9</s/spool/1>, "..id-1..", 8, 0) = 8'
    SYNC = "7 fdatasync(9</s/spool/1>) = 0"
    SEND = r'8 sendmsg(5<socket:[1]>, {msg_iov=[{iov_base="{\"status\":\"accepted\",' \
           r'\"id\":\"id-1\"}", iov_len=9}]}, 0) = 9'

    def account(self, *lines):
        result = Account(["id-1"], "/s")
        result.feed(lines)
        return result

    def test_an_answer_after_the_sync_is_right(self):
        account = self.account(self.WRITE, self.SYNC, self.SEND)
        self.assertEqual((account.answered, account.too_early), ({"id-1"}, set()))

    def test_an_answer_without_a_sync_is_found(self):
        self.assertEqual(self.account(self.WRITE, self.SEND, self.SYNC).too_early, {"id-1"})

    def test_a_sync_that_began_before_the_write_ended_does_not_count(self):
        lines = ['7 pwrite64(9</s/spool/1>, "..id-1..", 8, 0 <unfinished ...>',
                 "8 fdatasync(9</s/spool/1> <unfinished ...>",
                 "7 <... pwrite64 resumed>) = 8", "8 <... fdatasync resumed>) = 0", self.SEND]
        self.assertEqual(self.account(*lines).too_early, {"id-1"})

    def test_a_sync_that_is_still_running_or_failed_does_not_count(self):
        running = self.account(self.WRITE, "7 fdatasync(9</s/spool/1> <unfinished ...>", self.SEND)
        self.assertEqual(running.too_early, {"id-1"})
        failed = self.account(self.WRITE, "7 fdatasync(9</s/spool/1>) = -1 EIO (Input/output err)",
                              self.SEND)
        self.assertEqual(failed.too_early, {"id-1"})

    def test_a_sync_of_another_file_does_not_count(self):
        account = self.account(self.WRITE, "7 fdatasync(8</s/other>) = 0", self.SEND)
        self.assertEqual(account.too_early, {"id-1"})


@unittest.skipUnless(ptrace_is_permitted(), "strace is missing, or ptrace is not permitted here")
class Durability(support.RelayTestCase):
    def test_a_sync_precedes_every_accepted(self):
        server = self.start_devserver()
        token = self.token()
        relay = self.make_relay(server.url, destination={"max_connections": 2})
        trace = self.directory / "trace"
        relay.launch(prefix=["strace", "-f", "-y", "-qq", "-s", "1000000", "-o", trace, "-e",
                             "trace=" + ",".join(sorted(_WRITES | _SENDS | _SYNCS))])
        relay.wait_for_log(r"\brelay\.ready\b", 4 * support.PATIENCE)
        ids = [f"durable-{producer}-{n}-end" for producer in range(8) for n in range(25)]
        accepted = set()

        def produce(number):
            with Producer(relay.ingest_socket, 4 * support.PATIENCE) as producer:
                for n in range(20):  # one by one
                    accepted.add(producer.submit(support.event(
                        token, f"t{number}", uuid=f"durable-{number}-{n}-end"))["id"])
                answers = producer.submit_all(  # and some at once
                    support.event(token, f"t{number}", uuid=f"durable-{number}-{n}-end")
                    for n in range(20, 24))
                accepted.update(answer["id"] for answer in answers)
            with ApiConnection(relay.ingest_socket, 4 * support.PATIENCE) as connection:
                accepted.add(connection.post(support.event(
                    token, f"t{number}", uuid=f"durable-{number}-24-end")).json()["id"])

        threads = [threading.Thread(target=produce, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(8 * support.PATIENCE)
        self.assertEqual(accepted, set(ids))
        server.wait_for(len(ids), 4 * support.PATIENCE)
        # strace -o keeps signals from itself: the daemon is its child.
        tracer = relay.program.process.pid
        children = pathlib.Path(f"/proc/{tracer}/task/{tracer}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        self.assertEqual(relay.program.wait(4 * support.PATIENCE), 0)

        account = Account(ids, str(relay.state))
        with open(trace, errors="replace") as lines:
            account.feed(lines)
        self.assertEqual(account.answered, set(ids), "an answer is missing in the trace")
        self.assertEqual(account.too_early, set(), "answered before a sync")
        self.assertGreater(account.syncs, 0)
        print(f"{len(ids)} events, {account.syncs} syncs, no answer before its sync")


if __name__ == "__main__":
    support.main()
