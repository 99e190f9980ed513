"""The rows of the table: what is measured, and beside what."""

import json
import os
import shutil
import signal
import statistics
import subprocess
import time

from machinery import Failed, FirstRequest, Program, Relay

NOWHERE = "http://127.0.0.1:9"  # nothing listens there
MIB = 1 << 20


class Row:
    """One line of the result: what both sides had in each round, and what the ratio should be."""

    def __init__(self, name, ours, others, unit, goal=None, more_is_better=True, note="", cost=None):
        self.name = name
        self.ours = list(ours)
        self.others = list(others)
        self.unit = unit
        self.goal = goal  # of the ratio of the medians; None: none
        self.more_is_better = more_is_better
        self.note = note
        self.cost = cost or {}  # of the relay an event: cpu_us, other_cpu_us, instructions

    @property
    def ratio(self):
        return statistics.median(self.ours) / statistics.median(self.others)

    @property
    def ratios(self):
        """Those of the rounds; one where the sides were not measured in turns."""
        if len(self.ours) != len(self.others):
            return [self.ratio]
        return [mine / other for mine, other in zip(self.ours, self.others)]

    @property
    def good(self):
        if self.goal is None:
            return True
        return self.ratio >= self.goal if self.more_is_better else self.ratio <= self.goal

    @property
    def limit(self):
        return "-" if self.goal is None else f"{'>=' if self.more_is_better else '<='} {self.goal}"

    def as_json(self):
        return {**vars(self), "ratio": self.ratio, "ratios": self.ratios, "good": self.good}


def rate(name, sides, goal=None, **more):
    """A rate that should be a share of another one."""
    return Row(name, *sides, "events/s", goal, **more)


def at_most(name, ours, others, unit, goal, **more):
    return Row(name, ours, others, unit, goal, more_is_better=False, **more)


def side_by_side(bench, first, second):
    """Measures both in turns, so that what else the machine does hits both."""
    ours, others = [], []
    for _ in range(bench.options.rounds):
        ours.append(first())
        others.append(second())
    return ours, others


def paused_relay(bench, **spool):
    """A relay that only takes in: its destination does not answer."""
    return Relay(bench, NOWHERE, **spool).start()


def ingest_rate(bench, socket_path, **load):
    return bench.load(socket_path, seconds=bench.options.seconds, **load)["events_per_s"]


class Costs:
    """What the relay's events cost, one entry for each round."""

    def __init__(self, bench):
        self.bench = bench
        self.cpu = []
        self.instructions = []

    def measure(self, program, run):
        """Runs `run`, which gives (result, events)."""
        counter = self.bench.count_instructions(program)
        begin = program.cpu_seconds()
        result, events = run()
        self.cpu.append((program.cpu_seconds() - begin) / events * 1e6)
        counted = counter()
        if counted is not None:
            self.instructions.append(counted / events)
        return result

    def medians(self):
        return {name: statistics.median(values)
                for name, values in (("cpu_us", self.cpu), ("instructions", self.instructions))
                if values}


def measured_ingest(bench, relay, costs, **load):
    def run():
        result = bench.load(relay.ingest_socket, seconds=bench.options.seconds, **load)
        return result["events_per_s"], result["events"]
    return costs.measure(relay.program, run)


# ------------------------------------------------------------------ the rows

def ingest_one(bench):
    """one producer that waits for each answer, beside write + fdatasync"""
    relay = paused_relay(bench)
    # A loop that appends makes its file grow. Writing over blocks that are there already is the most
    # that a disk can do at all.
    for mode, goal in (("growing", 0.95), ("overwrite", None)):
        costs = Costs(bench)
        sides = side_by_side(bench,
                             lambda costs=costs: measured_ingest(bench, relay, costs,
                                                                 events=1_000_000),
                             lambda mode=mode: bench.commits(mode, 1)["events_per_s"])
        yield rate(f"ingest, 1 producer / raw fdatasync, {mode} file", sides, goal,
                   cost=costs.medians())


def ingest_sixteen(bench):
    """16 producers that wait for each answer, beside a server that only frames and commits, and
    beanstalkd -f0"""
    _, reference = bench.reference()
    relay = paused_relay(bench)
    costs = Costs(bench)

    def ours():
        return measured_ingest(bench, relay, costs, events=2_000_000, producers=16)
    sides = side_by_side(bench, ours, lambda: ingest_rate(bench, reference, events=2_000_000,
                                                          producers=16))
    yield rate("ingest, 16 producers / reference server", sides, 0.9, cost=costs.medians())
    _, other_socket = bench.beanstalkd()
    sides = side_by_side(bench, ours, lambda: ingest_rate(bench, other_socket, events=2_000_000,
                                                          producers=16, protocol="beanstalk"))
    yield rate("ingest, 16 producers / beanstalkd -f0", sides)


def ingest_window(bench):
    """1 producer with 256 in flight, beside a server that only frames and commits"""
    _, other_socket = bench.reference()
    relay = paused_relay(bench)
    costs = Costs(bench)
    sides = side_by_side(
        bench,
        lambda: measured_ingest(bench, relay, costs, events=400_000, window=256),
        lambda: ingest_rate(bench, other_socket, events=1_000_000, window=256))
    yield rate("ingest, 256 in flight / reference server", sides, 0.55, cost=costs.medians())


def drain_once(bench, start_server, events, costs):
    relay = paused_relay(bench)
    bench.load(relay.ingest_socket, events=events, window=512)
    relay.stop()
    server, url = start_server()
    relay.aim(url, ca_file=server.ca_file)
    relay.start()
    steady = costs.measure(relay.program, lambda: (relay.drain_rate(events), events))
    relay.stop()
    shutil.rmtree(relay.state)
    server.stop()
    return steady


def wrk_once(bench, start_server, costs=None):
    server, url = start_server()
    requests, cpu_us = bench.wrk(url)
    if costs is not None:
        costs.append(cpu_us)
    server.stop()
    return requests


def drain_row(bench, name, start_server, goal):
    costs, others = Costs(bench), []
    sides = side_by_side(bench,
                         lambda: drain_once(bench, start_server, bench.options.drain, costs),
                         lambda: wrk_once(bench, start_server, others))
    cost = {**costs.medians(), "other_cpu_us": statistics.median(others)}
    return rate(name, sides, goal, cost=cost)


def drain(bench):
    """a backlog over 32 connections, beside wrk with 32 connections and the same server"""
    for name, start_server in (("nginx", bench.nginx), ("devserver", bench.devserver)):
        row = drain_row(bench, f"drain over 32 connections / wrk -c32, {name}", start_server, 0.85)
        yield row
        yield at_most(f"drain: processor time an event / wrk's, {name}", [row.cost["cpu_us"]],
                      [row.cost["other_cpu_us"]], "us", 1.3)


def drain_tls(bench):
    """the same over TLS 1.3, beside wrk with https"""
    yield drain_row(bench, "drain over TLS 1.3 / wrk -c32 https, nginx", bench.nginx_tls, 0.85)


def flow(bench):
    """ingest and drain at once, beside wrk with the same server"""
    events = bench.options.drain
    costs = Costs(bench)

    def ours():
        server, url = bench.nginx()
        relay = Relay(bench, url).start()

        def run():
            begin = time.monotonic()
            bench.load(relay.ingest_socket, events=events, producers=4, window=64)
            relay.wait_for_delivered(events)
            return events / (time.monotonic() - begin), events
        result = costs.measure(relay.program, run)
        relay.stop()
        shutil.rmtree(relay.state)
        server.stop()
        return result
    sides = side_by_side(bench, ours, lambda: wrk_once(bench, bench.nginx))
    yield rate("ingest and drain at once / wrk -c32, nginx", sides, 0.65, cost=costs.medians())


def latency_once(bench):
    directory = bench.new_path("latency")
    directory.mkdir()
    with subprocess.Popen([str(bench.bin / "bench_latency"), "--directory", str(directory),
                           "--events", str(bench.options.samples)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        port = program.stdout.readline().split()[1]
        relay = Relay(bench, f"http://127.0.0.1:{port}").start()
        try:
            text, _ = program.communicate(f"{relay.ingest_socket}\n", timeout=120)
        finally:
            program.kill()
    relay.stop()
    if not text:
        raise Failed("bench_latency has failed")
    return json.loads(text)


def latency(bench):
    """accept to arrival on an idle queue, beside one fdatasync and one HTTP exchange"""
    results = [latency_once(bench) for _ in range(bench.options.rounds)]

    def all_of(part, name):
        return [result[part][f"{name}_us"] / 1000 for result in results]
    for name, goal in (("p50", 1.15), ("p99", 1.5)):
        yield at_most(f"idle: hand-in to arrival, {name} / fdatasync + exchange",
                      all_of("relay", name), all_of("both", name), "ms", goal,
                      note=f"fdatasync {statistics.median(all_of('sync', 'p50')):.3f} ms; answer "
                           f"{statistics.median(all_of('answer', name)):.3f} ms")


class Backlog:
    """A spool with many events and a destination that is down; memory() is measured on the way."""

    def __init__(self, bench, events):
        self.events = events
        self.relay = paused_relay(bench)
        bench.load(self.relay.ingest_socket, patience=1200, events=events, window=512,
                   threads=bench.options.lanes)
        self.filling = self.relay.program.memory("VmHWM")
        time.sleep(2)
        self.waiting = self.relay.program.memory()


def mib(name, value):
    return at_most(name, [value], [48], "MiB", 1)


def memory(bench):
    """resident memory with a million queued: filling, waiting, after a start, draining"""
    counts = [1_000_000] + ([10_000_000] if bench.options.deep else [])
    for events in counts:
        backlog = Backlog(bench, events)
        name = f"memory, {events // 1_000_000}M queued"
        yield mib(f"{name}: most while filling", backlog.filling)
        yield mib(f"{name}: waiting", backlog.waiting)
        relay = backlog.relay
        relay.stop()
        relay.start()
        yield mib(f"{name}: after a start", relay.program.memory("VmHWM"))
        relay.stop()
        server, url = bench.nginx()
        relay.aim(url)
        relay.start()
        relay.wait_for_delivered(events, 1200)
        time.sleep(1)
        idle = relay.program.memory()
        yield mib(f"{name}: most while draining", relay.program.memory("VmHWM"))
        relay.stop()
        relay.start()
        time.sleep(1)
        yield at_most(f"{name}: a second after the drain / idle", [idle], [relay.program.memory()],
                      "MiB", 1.25)
        relay.stop()
        server.stop()
        shutil.rmtree(relay.state)


def memory_large(bench):
    """resident memory with events of 1 MiB: filling, draining"""
    events = 300
    relay = Relay(bench, NOWHERE, ingest={"max_event_size": "2MiB"}).start()
    bench.load(relay.ingest_socket, events=events, window=8, size=MIB)
    yield mib("memory, events of 1 MiB: most while filling", relay.program.memory("VmHWM"))
    relay.stop()
    server, url = bench.devserver()
    relay.aim(url)
    relay.start()
    relay.wait_for_delivered(events)
    yield mib("memory, events of 1 MiB: most while draining", relay.program.memory("VmHWM"))
    relay.stop()
    server.stop()
    shutil.rmtree(relay.state)


def forget_pages(directory):
    """Takes the files out of the page cache, as after a boot."""
    for path in directory.rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def first_delivery(bench, relay):
    """Milliseconds from the start of the process to the first byte of a request."""
    destination = FirstRequest()
    relay.aim(destination.url)
    relay.start(wait=False)
    arrived = destination.wait()
    took = (arrived - relay.program.started) * 1000
    relay.program.wait_for_output(r"relay\.ready")
    return took


def start(bench):
    """from the start with a million queued to the first delivery, beside one with one event"""
    single = paused_relay(bench)
    bench.load(single.ingest_socket, events=1)
    single.stop(signal.SIGKILL)
    relay = Backlog(bench, 1_000_000).relay
    relay.stop()

    def one(cold):
        if cold:
            forget_pages(single.state)
        took = first_delivery(bench, single)
        single.stop(signal.SIGKILL)
        return took

    def million(how, cold):
        if cold:
            forget_pages(relay.state)
        took = first_delivery(bench, relay)
        relay.stop(how)
        return took
    name = "start to first delivery, 1M queued / one event"
    clean = side_by_side(bench, lambda: million(signal.SIGTERM, False), lambda: one(False))
    yield at_most(f"{name}, after a clean stop", *clean, "ms", 2)
    # Killed under load.
    relay.start()
    load = Program(bench, "load", [bench.bin / "bench_load", "--socket", relay.ingest_socket,
                                   "--events", 10_000_000, "--window", 256])
    time.sleep(0.5)
    relay.stop(signal.SIGKILL)
    load.process.wait(30)
    killed = side_by_side(bench, lambda: million(signal.SIGKILL, False), lambda: one(False))
    yield at_most(f"{name}, after kill -9", *killed, "ms", 2)
    cold = side_by_side(bench, lambda: million(signal.SIGKILL, True), lambda: one(True))
    yield at_most(f"{name}, kill -9 and no page cached", *cold, "ms", 2)


def log(bench):
    """commits of the log, beside SQLite (WAL, synchronous=FULL) and raw writes"""
    def commits(engine, batch):
        return lambda: bench.commits(engine, batch)["events_per_s"]
    for batch in (1, 16, 256):
        yield rate(f"log, commits of {batch} / SQLite",
                   side_by_side(bench, commits("log", batch), commits("sqlite", batch)))
    for mode in ("overwrite", "allocated", "growing"):
        for batch in (1, 16, 256):
            yield rate(f"log, commits of {batch} / raw, {mode} file",
                       side_by_side(bench, commits("log", batch), commits(mode, batch)))


ROWS = {"ingest-1": ingest_one, "ingest-16": ingest_sixteen, "ingest-256": ingest_window,
        "drain": drain, "drain-tls": drain_tls, "flow": flow, "latency": latency,
        "memory": memory, "memory-large": memory_large, "start": start, "log": log}
