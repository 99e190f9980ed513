"""What producers and users who may only look can make the relay spend: memory and the longest silence
of the I/O thread under each attack. Prints a row for each (docs/testing.md has them)."""

import collections
import contextlib
import json
import multiprocessing
import os
import selectors
import socket
import statistics
import subprocess
import threading
import time

import support
from producers import ApiConnection, Producer, Stream

MIB = 1 << 20
BATCH = 8 * 1000 * 1024  # the most that one request may have
GOOD = {"external_thread_id": "t", "event": "activity", "author": {"name": "a"}}  # with a title, an event


class Silence(threading.Thread):
    """Asks for what the I/O thread answers by itself, again and again, and keeps the longest wait."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address = str(address)
        self.longest = 0.0
        self.stopped = threading.Event()

    def run(self):
        with Stream(self.address, 60) as stream:
            while not self.stopped.is_set():
                begin = time.monotonic()
                stream.send(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
                stream.until(b"\r\n\r\n")
                stream.buffer = b""
                self.longest = max(self.longest, time.monotonic() - begin)
                self.stopped.wait(0.002)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join(60)


def keep_busy(address, token, connections, seconds, begun):
    """Sends events on all of these at a time, and reads what is answered."""
    data = b"".join(json.dumps(support.event(token, f"t{number % 50}")).encode() + b"\n"
                    for number in range(400))
    waiting = selectors.DefaultSelector()
    for _ in range(connections):
        each = socket.socket(socket.AF_UNIX)
        each.connect(str(address))
        each.setblocking(False)
        waiting.register(each, selectors.EVENT_READ | selectors.EVENT_WRITE, [0])
    begun.set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for key, what in waiting.select(0.1):
            with contextlib.suppress(BlockingIOError):
                if what & selectors.EVENT_READ and not key.fileobj.recv(65536):
                    waiting.unregister(key.fileobj)
                    continue
            with contextlib.suppress(BlockingIOError):
                if what & selectors.EVENT_WRITE:
                    at = key.data[0]
                    key.data[0] = (at + key.fileobj.send(data[at:at + 16384])) % len(data)


def list_queue(address, connections, stop):
    """Lists the queue again and again, as a user who may only look."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setuid(65534)

    def ask():
        with ApiConnection(address, 60) as connection:
            while not stop.is_set():
                if connection.request("GET", "/v1/queue?limit=1000").status not in (200, 503):
                    os._exit(3)

    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Attacks(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.t = self.token()

    def measured(self, name, attack, max_memory=160, **settings):
        """Runs an attack on a new relay. Memory: the most that was resident."""
        settings.setdefault("log", {"level": "info"})
        settings.setdefault("ingest", {}).setdefault("max_event_size", "1MiB")
        relay = self.make_relay(self.server.url, name=f"relay-{len(self.relays)}", **settings).start()
        with Silence(relay.ingest_socket) as silence:
            attack(relay)
        with open(f"/proc/{relay.program.pid}/status", encoding="ascii") as status:
            peak = next(int(text.split()[1]) for text in status if text.startswith("VmHWM")) / 1024
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")
        print(f"| {name} | {peak:.0f} MiB | {silence.longest * 1000:.0f} ms |", flush=True)
        if support.SCALE == 1:  # a sanitizer has memory of its own
            self.assertLess(peak, max_memory, name)
        self.assertLess(silence.longest, 1.0 * support.SCALE, name)
        self.assertEqual(relay.program.terminate(), 0)

    def post(self, relay, body, content_type):
        with ApiConnection(relay.ingest_socket, 60) as connection:
            connection.send(f"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
                            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            return connection.rest()

    def made_up_tokens(self, relay, count, **members):
        """Events with these members, each with a token of its own. Returns how many had which answer."""
        said = collections.Counter()
        with Producer(relay.ingest_socket, 60) as producer:
            for begin in range(0, count, 5000):
                answers = producer.submit_all(
                    [{"flow_token": f"{number:032x}", "title": "x", **members}
                     for number in range(begin, min(begin + 5000, count))])
                said.update(answer.get("code", answer["status"]) for answer in answers)
        self.assertEqual(said.total(), count)
        return said

    def fill_queue(self, relay, count):
        """Pauses the source `ci` and has so many events queued for it."""
        paused = self.flowrelay(relay, "source", "pause", "ci")
        self.assertEqual(paused.status, 0, paused)
        with Producer(relay.ingest_socket, 60) as producer:
            for begin in range(0, count, 5000):
                answers = producer.submit_all(
                    [{"source": "ci", "external_thread_id": str(number), "title": "x",
                      "author": {"name": "a"}} for number in range(begin, min(begin + 5000, count))])
                self.assertEqual({answer["status"] for answer in answers}, {"accepted"})

    def test_nothing(self):
        self.measured("none", lambda relay: time.sleep(1))

    def test_batches_of_nothing(self):
        lines = "application/x-ndjson"
        for name, body, content_type in (
                ("8,000 KiB of `{}` in lines", b"{}\n" * (BATCH // 3), lines),
                ("20,000 `{}` in lines", b"{}\n" * 20_000, lines),
                ("8,000 KiB of `1` in an array", b"[1" + b",1" * (BATCH // 2 - 8) + b"]",
                 "application/json"),
                ("20,000 `1` in an array", b"[1" + b",1" * 19_999 + b"]", "application/json"),
                ("8,000 KiB of `[` nested", b"[" * (BATCH - 1), "application/json")):
            with self.subTest(name):
                self.measured(name, lambda relay, body=body, kind=content_type:
                              self.post(relay, body, kind))

    def test_unknown_members_of_relay(self):
        members = ",".join(f'"m{number}":1' for number in range(75_000))
        line = ('{"relay":{' + members + "}}\n").encode()[:MIB]

        def attack(relay):
            with Producer(relay.ingest_socket, 60) as producer:
                for _ in range(10):
                    self.assertLess(len(json.dumps(producer.submit(line))), 4096)
        self.measured("10 events with 75,000 unknown members of `relay`", attack)

    def unfinished(self, relay, count, begin, chunk, size):
        """Many connections, each with something that has begun; sends until the relay refuses."""
        with contextlib.ExitStack() as open_ones:
            for _ in range(count):
                stream = open_ones.enter_context(Stream(relay.ingest_socket, 5))
                stream.socket.settimeout(0.2)
                with contextlib.suppress(OSError):
                    stream.send(begin)
                    for _ in range(size // len(chunk)):
                        stream.send(chunk)
            time.sleep(1)

    def test_what_is_never_finished(self):
        head = b"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % BATCH
        chunk = b"x" * 65536
        for name, count, begin, size in (
                ("60 requests of 8,000 KiB, unfinished", 60, head, 7 * MIB),
                ("1,000 requests with 256 KiB of 8,000 KiB", 1000, head, 256 * 1024),
                ("1,000 lines with 512 KiB of 1,000 KiB", 1000, b'{"body":"', 512 * 1024)):
            with self.subTest(name):
                self.measured(name, lambda relay, c=count, b=begin, s=size:
                              self.unfinished(relay, c, b, chunk, s))

    def test_made_up_tokens_of_refused_events(self):
        def attack(relay):
            self.assertEqual(self.made_up_tokens(relay, 100_000), {"invalid_event": 100_000})
        self.measured("100,000 refused events, each with a token of its own", attack)

    def test_made_up_tokens_of_accepted_events(self):
        def attack(relay):
            self.assertEqual(self.made_up_tokens(relay, 60_000, **GOOD), {"accepted": 60_000})
        self.measured("60,000 accepted events, each with a token of its own", attack, max_memory=114)

    def test_a_million_made_up_tokens(self):
        """As many as FLOWRELAY_TOKENS, since a million take minutes."""
        count = int(os.environ.get("FLOWRELAY_TOKENS", "200000"))

        def attack(relay):
            said = self.made_up_tokens(relay, count, **GOOD)
            self.assertLessEqual(set(said), {"accepted", "too_many_tokens"})
            begin = time.monotonic()
            relay.status()
            print(f"{dict(said)}, status {(time.monotonic() - begin) * 1000:.0f} ms", flush=True)
        # What a source brings is taken all the same.
        self.measured(f"{count:,} made-up tokens, each with an event", attack, max_memory=250,
                      sources=[{"name": "ci", "flow_token_file": self.token_file(self.t)}])

    def lines_until_nobody_reads(self, sockets, data):
        sent = dict.fromkeys(sockets, 0)
        quiet = 0
        end = time.monotonic() + 30
        while quiet < 20 and time.monotonic() < end:
            moved = 0
            for each in sockets:
                with contextlib.suppress(BlockingIOError):
                    size = each.send(data[sent[each] % len(data):])
                    sent[each] += size
                    moved += size
            quiet = 0 if moved else quiet + 1
            if not moved:
                time.sleep(0.1)

    def test_answers_that_nobody_reads(self):
        def attack(relay):
            with contextlib.ExitStack() as open_ones:
                sockets = []
                for _ in range(1000):
                    each = open_ones.enter_context(Stream(relay.ingest_socket, 5)).socket
                    each.setblocking(False)
                    sockets.append(each)
                self.lines_until_nobody_reads(sockets, b"{}\n" * 20_000)
        self.measured("1,000 connections with refused lines that never read their answers", attack)

    def test_answers_to_batches_that_nobody_reads(self):
        body = b"{}\n" * 20_000
        request = (b"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
                   b"Content-Length: %d\r\n\r\n" % len(body)) + body

        def attack(relay):
            with contextlib.ExitStack() as open_ones:
                for _ in range(200):
                    stream = open_ones.enter_context(Stream(relay.ingest_socket, 5))
                    stream.socket.settimeout(1)
                    with contextlib.suppress(OSError):
                        stream.send(request)
                time.sleep(3)
        self.measured("200 batches of 20,000 whose answers nobody reads", attack)

    def longest_wait(self, relay, seconds):
        """Of a producer with one event at a time."""
        waits = []
        end = time.monotonic() + seconds
        with Producer(relay.ingest_socket, 60) as producer:
            while time.monotonic() < end:
                begin = time.monotonic()
                self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")
                waits.append(time.monotonic() - begin)
                time.sleep(0.01)
        print(f"another producer: {len(waits)} events, median "
              f"{statistics.median(waits) * 1000:.0f} ms, longest {max(waits) * 1000:.0f} ms",
              flush=True)
        return max(waits)

    def test_many_connections_that_are_never_quiet(self):
        def attack(relay):
            begun = multiprocessing.Event()
            others = multiprocessing.Process(
                target=keep_busy, args=(relay.ingest_socket, self.t, 900, 10, begun), daemon=True)
            others.start()
            self.assertTrue(begun.wait(30))
            longest = self.longest_wait(relay, 6)
            others.join(30)
            self.assertEqual(others.exitcode, 0)
            self.assertLess(longest, 3 * support.SCALE)
        self.measured("900 connections that send events without a pause", attack)

    def test_lists_of_the_queue(self):
        def attack(relay):
            self.fill_queue(relay, 20_000)
            relay.directory.chmod(0o755)
            self.directory.chmod(0o755)
            stop = multiprocessing.Event()
            looker = multiprocessing.Process(
                target=list_queue, args=(str(relay.control_socket), 30, stop), daemon=True)
            looker.start()
            time.sleep(1)
            longest = self.longest_wait(relay, 4)
            stop.set()
            looker.join(30)
            self.assertEqual(looker.exitcode, 0)
            self.assertLess(longest, 1 * support.SCALE)
        self.measured("30 connections that list a queue of 20,000", attack, control={"socket_mode": "0666"},
                      sources=[{"name": "ci", "flow_token_file": self.token_file(self.t)}])

    def test_a_plan_with_a_thousand_unknown_ids(self):
        count = int(os.environ.get("FLOWRELAY_PLAN_EVENTS", "20000"))

        def attack(relay):
            self.fill_queue(relay, count)
            body = json.dumps({"plan": True, "ids": [f"unknown-{number}" for number in range(1000)]})
            begin = time.monotonic()
            with ApiConnection(str(relay.control_socket), 60) as connection:
                self.assertEqual(connection.request("POST", "/v1/queue/drop", body).status, 200)
            self.assertLess(time.monotonic() - begin, 10 * support.SCALE)
            print(f"the plan took {time.monotonic() - begin:.2f} s", flush=True)
        self.measured(f"a plan with 1,000 unknown ids, {count:,} events queued", attack, sources=[
            {"name": "ci", "flow_token_file": self.token_file(self.t)}])

    def test_idle_control_connections(self):
        def attack(relay):
            with contextlib.ExitStack() as open_ones:
                for _ in range(500):
                    open_ones.enter_context(Stream(str(relay.control_socket), 5))
                relay.status()
        self.measured("500 idle connections of the control socket", attack)

    def test_a_log_that_nobody_reads(self):
        reader, writer = os.pipe()
        relay = self.make_relay(self.server.url, name="unread", log={"level": "debug"})
        process = subprocess.Popen([str(support.BIN / "flowrelayd"), "--config",
                                    str(relay.config_path)], stderr=writer,
                                   stdin=subprocess.DEVNULL)
        os.close(writer)
        try:
            support.wait_until(lambda: self.connects(relay.ingest_socket), "the relay")
            with Silence(relay.ingest_socket) as silence:
                with Producer(relay.ingest_socket, 60) as producer:
                    producer.submit_all([{"flow_token": "x" * 20}] * 20_000)
            print(f"| a log at debug that nobody reads, 20,000 refusals | | "
                  f"{silence.longest * 1000:.0f} ms |", flush=True)
            self.assertLess(silence.longest, 1.0 * support.SCALE)
            process.terminate()
            self.assertEqual(process.wait(support.PATIENCE), 0)
        finally:
            process.kill()
            process.wait()
            os.close(reader)

    @staticmethod
    def connects(path):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(path)) == 0


if __name__ == "__main__":
    support.main()
