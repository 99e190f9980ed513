"""kill -9 in a loop while events are accepted and delivered. On both ends somebody keeps a list:
the producers of what was accepted, the server of what arrived. At the end they are compared."""

import collections
import itertools
import os
import random
import threading
import time

import support
from producers import ClosedByPeer, Producer

ROUNDS = int(os.environ.get("FLOWRELAY_CRASH_ROUNDS", "10"))
SEED = int(os.environ.get("FLOWRELAY_CRASH_SEED", str(random.randrange(1 << 32))))
LANES = 3  # of each producer
AHEAD = 16  # events that a hasty producer sends before it reads the answers


class Reporter:
    """A producer. Numbers its events in each lane, and remembers what was accepted."""

    def __init__(self, name, address, token, seed):
        self.name = name
        self.address = address
        self.token = token
        self.random = random.Random(seed)
        self.next_number = collections.Counter()
        self.accepted = {}  # (lane, number) -> id
        self.duplicates = 0
        self.failure = None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, name=name)

    def new_event(self):
        lane = f"{self.name}-{self.random.randrange(LANES)}"
        number = self.next_number[lane]
        self.next_number[lane] += 1
        return support.event(self.token, lane, number=number,
                             body="x" * self.random.choice((0, 100, 2000)))

    def note(self, event, answer):
        if answer["status"] != "accepted":
            raise AssertionError(f"{self.name}: {answer}")
        self.accepted[event["external_thread_id"], event["number"]] = answer["id"]
        self.duplicates += answer.get("duplicate", False)

    def run(self):
        try:
            while not self.stopping.is_set():
                try:
                    with Producer(self.address, support.PATIENCE) as producer:
                        while not self.stopping.is_set():
                            self.report(producer)
                except (ClosedByPeer, ConnectionError, FileNotFoundError):
                    time.sleep(0.005)  # the daemon was killed
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error


class CarefulReporter(Reporter):
    """Waits for each answer and lets the relay choose the ids. An event without an answer may or
    may not have been accepted; it is not sent again."""

    def report(self, producer):
        event = self.new_event()
        self.note(event, producer.submit(event))


class HastyReporter(Reporter):
    """Sends many at once, with ids of its own, and what has no answer again under the same id."""

    unanswered = ()

    def report(self, producer):
        events = list(self.unanswered)
        while len(events) < AHEAD:
            event = self.new_event()
            event["uuid"] = f"{event['external_thread_id']}/{event['number']}"
            events.append(event)
        self.unanswered = events
        producer.send("".join(map(support.line, events)))
        while self.unanswered:
            self.note(self.unanswered[0], producer.answer())
            self.unanswered = self.unanswered[1:]


class Kill(support.RelayTestCase):
    def test_nothing_accepted_is_lost_or_out_of_order(self):
        print(f"FLOWRELAY_CRASH_SEED={SEED}")
        choice = random.Random(SEED)
        server = self.start_devserver("--delay", "1ms")
        relay = self.start_relay(server.url, log={"level": "info"},
                                 spool={"segment_size": "1MiB"},
                                 ingest={"max_event_size": "64KiB"})
        tokens = [self.token() for _ in range(2)]
        reporters = [kind(f"{kind.__name__[0].lower()}{n}", relay.ingest_socket, tokens[n % 2],
                          f"{SEED}-{kind.__name__}-{n}")
                     for kind in (CarefulReporter, HastyReporter) for n in range(4)]
        trouble = [{"match": {"external_thread_id": "c0-0"}, "times": 20, "status": 503},
                   {"match": {"external_thread_id": "h0-0"}, "times": 20,
                    "action": "accept_then_close"},
                   {"match": {"external_thread_id": "h1-1"}, "times": 20, "action": "reset"}]
        # Killed with next to nothing queued, and with much.
        moods = itertools.cycle([(), ({"match": {}, "status": 503},), (),
                                 ({"match": {}, "status": 202, "delay_ms": 20},)])
        for reporter in reporters:
            reporter.thread.start()
        try:
            for _ in range(ROUNDS):
                server.rules(*trouble, *next(moods))
                time.sleep(choice.uniform(0.05, 1.5))
                relay.kill()
                relay.start()
            time.sleep(0.5)
        finally:
            for reporter in reporters:
                reporter.stopping.set()
            for reporter in reporters:
                reporter.thread.join(2 * support.PATIENCE)
        server.rules()
        self.assertEqual([r.failure for r in reporters if r.failure], [])

        now = relay.wait_until_idle(4 * support.PATIENCE)
        self.assertEqual((now["dead"], now["expired"], now["dropped"], now["erased"]), (0, 0, 0, 0))
        self.check(reporters, server.requests(), now)
        self.assertEqual(relay.stop(), 0)

    def check(self, reporters, requests, status):
        accepted = {}
        for reporter in reporters:
            accepted.update(reporter.accepted)
        self.assertGreater(len(accepted), 20 * ROUNDS)

        first = {}  # (lane, number) -> its id, in the order of the first arrivals
        repeats = 0
        for request in requests:
            event = request["event"]
            key = event["external_thread_id"], event["number"]
            self.assertEqual(request["idempotency_key"], event["uuid"])
            if not request["taken"]:
                continue
            if key in first:
                repeats += 1
                self.assertEqual(first[key], event["uuid"], f"{key} came under another id")
            first.setdefault(key, event["uuid"])

        lost = sorted(key for key in accepted if key not in first)
        self.assertEqual(lost, [], "accepted, and never arrived")
        for key, id_ in accepted.items():
            self.assertEqual(first[key], id_, f"{key} arrived under another id")

        last = {}
        for lane, number in first:
            self.assertGreater(number, last.get(lane, -1), f"out of order in {lane}")
            last[lane] = number

        self.assertEqual(status["delivered"], status["accepted"])
        self.assertEqual(status["accepted"], len(first), "the account and the server disagree")
        duplicates = sum(reporter.duplicates for reporter in reporters)
        print(f"{ROUNDS} kills, {len(accepted)} answers of acceptance, {len(first)} arrived, "
              f"{repeats} repeats, {duplicates} duplicates recognised")


if __name__ == "__main__":
    support.main()
