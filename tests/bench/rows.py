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


class Row:
    """One line of the result. `limit` is what the design asks for, `good` whether it is kept."""

    def __init__(self, name, ours, other, unit, ratio, limit, good, note=""):
        self.name = name
        self.ours = ours
        self.other = other
        self.unit = unit
        self.ratio = ratio
        self.limit = limit
        self.good = good
        self.note = note


def at_least(name, ours, other, share, limit, note=""):
    """A rate that has to be a share of another one."""
    ratio = ours / other
    return Row(name, ours, other, "events/s", ratio, limit, share is None or ratio >= share, note)


def side_by_side(bench, first, second):
    """Measures both in turns, so that what else the machine does hits both; gives the medians."""
    ours, others = [], []
    for _ in range(bench.options.rounds):
        ours.append(first())
        others.append(second())
    return statistics.median(ours), statistics.median(others)


def paused_relay(bench, **spool):
    """A relay that only takes in: its destination does not answer."""
    return Relay(bench, NOWHERE, **spool).start()


def ingest_rate(bench, socket_path, **load):
    return bench.load(socket_path, seconds=bench.options.seconds, **load)["events_per_s"]


# ------------------------------------------------------------------ the rows

def ingest_one(bench):
    """one producer that waits for each answer, beside write + fdatasync"""
    relay = paused_relay(bench)

    def ours():
        return ingest_rate(bench, relay.ingest_socket, events=1_000_000)
    # A loop that appends makes its file grow. Writing over blocks that are there already is the most
    # that a disk can do at all.
    for mode, share in (("growing", 0.8), ("overwrite", None)):
        mine, raw = side_by_side(bench, ours,
                                 lambda mode=mode: bench.commits(mode, 1)["events_per_s"])
        yield at_least(f"ingest, 1 producer / raw fdatasync, {mode} file", mine, raw, share,
                       ">= 0.8" if share else "-")


def ingest_sixteen(bench):
    """16 producers that wait for each answer, beside beanstalkd -f0"""
    _, other_socket = bench.beanstalkd()
    relay = paused_relay(bench)
    mine, other = side_by_side(
        bench,
        lambda: ingest_rate(bench, relay.ingest_socket, events=2_000_000, producers=16),
        lambda: ingest_rate(bench, other_socket, events=2_000_000, producers=16,
                            protocol="beanstalk"))
    yield at_least("ingest, 16 producers / beanstalkd -f0", mine, other, 7, ">= 7")


def ingest_window(bench):
    """1 producer with 256 in flight, beside a server that only frames and commits"""
    _, other_socket = bench.reference()
    relay = paused_relay(bench)
    mine, other = side_by_side(
        bench,
        lambda: ingest_rate(bench, relay.ingest_socket, events=400_000, window=256),
        lambda: ingest_rate(bench, other_socket, events=1_000_000, window=256))
    yield at_least("ingest, 256 in flight / reference server", mine, other, 0.4, ">= 0.4")


def drain_once(bench, start_server, events):
    relay = paused_relay(bench)
    bench.load(relay.ingest_socket, events=events, window=512)
    relay.stop()
    server, url = start_server()
    relay.aim(url)
    relay.start()
    cpu = relay.program.cpu_seconds()
    steady = relay.drain_rate(events)
    cpu = relay.program.cpu_seconds() - cpu
    relay.stop()
    shutil.rmtree(relay.state)
    server.stop()
    return steady, cpu / events * 1e6


def wrk_once(bench, start_server):
    server, url = start_server()
    rate = bench.wrk(url)
    server.stop()
    return rate


def drain(bench):
    """a backlog over 32 connections, beside wrk with 32 connections and the same server"""
    for name, start_server in (("nginx", bench.nginx), ("devserver", bench.devserver)):
        costs = []

        def ours(start_server=start_server, costs=costs):
            rate, cost = drain_once(bench, start_server, bench.options.drain)
            costs.append(cost)
            return rate
        mine, other = side_by_side(bench, ours,
                                   lambda start_server=start_server: wrk_once(bench, start_server))
        yield at_least(f"drain over 32 connections / wrk -c32, {name}", mine, other, 0.75,
                       ">= 0.75", f"{statistics.median(costs):.1f} us of processor per event")


def flow(bench):
    """ingest and drain at once, beside wrk with the same server"""
    events = bench.options.drain

    def ours():
        server, url = bench.nginx()
        relay = Relay(bench, url).start()
        begin = time.monotonic()
        bench.load(relay.ingest_socket, events=events, producers=4, window=64)
        relay.wait_for_delivered(events)
        rate = events / (time.monotonic() - begin)
        relay.stop()
        shutil.rmtree(relay.state)
        server.stop()
        return rate
    mine, other = side_by_side(bench, ours, lambda: wrk_once(bench, bench.nginx))
    yield at_least("ingest and drain at once / wrk -c32, nginx", mine, other, 75 / 130,
                   ">= 0.58 (75k of 130k)")


def latency(bench):
    """accept to arrival on an idle queue, beside one fdatasync and one HTTP exchange"""
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
    if not text:
        raise Failed("bench_latency has failed")
    result = json.loads(text)
    sync = result["sync"]["p50_us"]
    for name, limit in (("p50", 0.35), ("p99", 0.8)):
        mine, parts = result["relay"][f"{name}_us"] / 1000, result["both"][f"{name}_us"] / 1000
        # The limits are for a disk on which fdatasync takes 0.1 ms.
        allowed = limit + max(0.0, sync / 1000 - 0.1)
        yield Row(f"idle: hand-in to arrival, {name} / fdatasync + exchange", mine, parts, "ms",
                  mine / parts, f"<= {allowed:.2f} ms", mine <= allowed,
                  f"fdatasync {sync / 1000:.3f} ms; answer "
                  f"{result['answer'][name + '_us'] / 1000:.3f} ms")


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


def memory(bench):
    """resident memory with a million queued: filling, waiting, after a start, draining"""
    counts = [1_000_000] + ([10_000_000] if bench.options.deep else [])
    for events in counts:
        backlog = Backlog(bench, events)
        name = f"{events // 1_000_000}M queued"
        yield mib(f"memory, {name}: most while filling", backlog.filling)
        yield mib(f"memory, {name}: waiting", backlog.waiting)
        relay = backlog.relay
        relay.stop()
        relay.start()
        yield mib(f"memory, {name}: after a start", relay.program.memory("VmHWM"))
        relay.stop()
        server, url = bench.nginx()
        relay.aim(url)
        relay.start()
        relay.wait_for_delivered(events, 1200)
        yield mib(f"memory, {name}: most while draining", relay.program.memory("VmHWM"))
        relay.stop()
        server.stop()
        shutil.rmtree(relay.state)


def mib(name, value):
    return Row(name, value, 64, "MiB", value / 64, "<= 64 MiB", value <= 64)


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
    """from the start with a million queued to the first delivery"""
    relay = Backlog(bench, 1_000_000).relay
    relay.stop()
    name = "start with 1M queued to first delivery"
    took = first_delivery(bench, relay)
    yield milliseconds(f"{name}, after a clean stop", took)
    # Killed under load.
    load = Program(bench, "load", [bench.bin / "bench_load", "--socket", relay.ingest_socket,
                                   "--events", 10_000_000, "--window", 256])
    time.sleep(0.5)
    relay.stop(signal.SIGKILL)
    load.process.wait(30)
    took = first_delivery(bench, relay)
    yield milliseconds(f"{name}, after kill -9", took)
    relay.stop(signal.SIGKILL)
    forget_pages(relay.state)
    took = first_delivery(bench, relay)
    yield milliseconds(f"{name}, kill -9 and no page cached", took)
    relay.stop(signal.SIGKILL)


def milliseconds(name, value):
    return Row(name, value, 100, "ms", value / 100, "<= 100 ms", value <= 100)


def log(bench):
    """commits of the log, beside SQLite (WAL, synchronous=FULL) and raw writes"""
    for batch in (1, 16, 256):
        mine, other = side_by_side(bench,
                                   lambda batch=batch: bench.commits("log", batch)["events_per_s"],
                                   lambda batch=batch: bench.commits("sqlite", batch)
                                   ["events_per_s"])
        yield at_least(f"log, commits of {batch} / SQLite", mine, other, None, "-")
    for mode in ("overwrite", "allocated", "growing"):
        for batch in (1, 16, 256):
            mine, other = side_by_side(
                bench, lambda batch=batch: bench.commits("log", batch)["events_per_s"],
                lambda mode=mode, batch=batch: bench.commits(mode, batch)["events_per_s"])
            yield at_least(f"log, commits of {batch} / raw, {mode} file", mine, other, None, "-")


ROWS = {"ingest-1": ingest_one, "ingest-16": ingest_sixteen, "ingest-256": ingest_window,
        "drain": drain, "flow": flow, "latency": latency, "memory": memory, "start": start,
        "log": log}
