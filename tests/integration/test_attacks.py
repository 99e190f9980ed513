"""What producers and users who may only look can make the relay spend: memory and the longest silence
of the I/O thread under each attack. Prints a row for each (docs/testing.md has them)."""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time

import support
from producers import ApiConnection, Producer, Stream

MIB = 1 << 20
BATCH = 8 * 1000 * 1024  # the most that one request may have


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
        relay.program.terminate()

    def post(self, relay, body, content_type):
        with ApiConnection(relay.ingest_socket, 60) as connection:
            connection.send(f"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
                            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            return connection.rest()

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
        count = 100_000

        def attack(relay):
            with Producer(relay.ingest_socket, 60) as producer:
                for begin in range(0, count, 5000):
                    producer.submit_all([{"flow_token": f"{number:032x}", "title": "x"}
                                         for number in range(begin, begin + 5000)])
        self.measured("100,000 refused events, each with a token of its own", attack)

    def test_made_up_tokens_of_accepted_events(self):
        count = 60_000

        def attack(relay):
            with Producer(relay.ingest_socket, 60) as producer:
                for begin in range(0, count, 5000):
                    answers = producer.submit_all(
                        [{"flow_token": f"{number:032x}", "external_thread_id": "t", "title": "x",
                          "event": "activity", "author": {"name": "a"}}
                         for number in range(begin, begin + 5000)])
                    self.assertEqual({answer["status"] for answer in answers}, {"accepted"})
        self.measured("60,000 accepted events, each with a token of its own", attack, max_memory=114)

    def test_a_plan_with_a_thousand_unknown_ids(self):
        count = int(os.environ.get("FLOWRELAY_PLAN_EVENTS", "20000"))

        def attack(relay):
            self.flowrelay(relay, "source", "pause", "ci")
            with Producer(relay.ingest_socket, 60) as producer:
                for begin in range(0, count, 5000):
                    producer.submit_all([{"source": "ci", "external_thread_id": str(number),
                                          "title": "x", "author": {"name": "a"}}
                                         for number in range(begin, begin + 5000)])
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
