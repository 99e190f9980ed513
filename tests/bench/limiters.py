#!/usr/bin/python3 -B
"""What is delivered through the limits of a real nginx, and beside a token that is sick.

    FLOWRELAY_BIN_DIR=build/release/bin python3 tests/bench/limiters.py [--seconds 60]

Each row is a flowrelayd of its own, with default settings, before an nginx in front of the
development server; all rows of a table run at the same time, on loopback. Prints the tables of
docs/protocol.md. Exits with 1 when a share is below 80 %, or a healthy token's p99 beside a sick
one is more than twice that of the same token alone.
"""

import argparse
import contextlib
import datetime
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
import support  # noqa: E402
from producers import Producer  # noqa: E402

RATE = 10  # requests a second, of limit_req
PLACES = 4  # at a time, of limit_conn
DELAY = "50ms"  # of the server behind nginx
THREADS = 50
SICK = "fedcba9876543210"
GOOD = "0123456789abcdef"
LEAST_SHARE = 0.8
MOST_DELAY = 2.0


class Limit:
    def __init__(self, name, http, location, burst=None):
        self.name, self.http, self.location, self.burst = name, http, location, burst


def limits():
    for status in (503, 429):
        zone = f"limit_req_zone $server_port zone=NAME:1m rate={RATE}r/s;"
        answer = f"limit_req_status {status};"
        yield Limit(f"limit_req rate={RATE}r/s, {status}", zone, f"limit_req zone=NAME; {answer}", 0)
        yield Limit(f"limit_req rate={RATE}r/s burst=5, {status}", zone,
                    f"limit_req zone=NAME burst=5; {answer}", 5)
        yield Limit(f"limit_req rate={RATE}r/s burst=20 nodelay, {status}", zone,
                    f"limit_req zone=NAME burst=20 nodelay; {answer}", 20)
        yield Limit(f"limit_conn {PLACES}, {status}", "limit_conn_zone $server_port zone=NAME:1m;",
                    f"limit_conn NAME {PLACES}; limit_conn_status {status};")


def start_nginx(directory, ports_and_limits, upstream):
    """One server for each limit; its access log has the status and the seconds of each answer."""
    zones, servers = [], []
    for number, (port, limit) in enumerate(ports_and_limits):
        name = f"z{number}"
        zones.append(limit.http.replace("NAME", name))
        servers.append(f"""server {{
            listen 127.0.0.1:{port};
            access_log {directory}/access-{port}.log own;
            location / {{
                {limit.location.replace("NAME", name)}
                proxy_pass {upstream};
            }}
        }}""")
    configuration = directory / "nginx.conf"
    configuration.write_text(f"""
        {"user root;" if os.geteuid() == 0 else ""}
        worker_processes 1;
        pid {directory}/nginx.pid;
        events {{ worker_connections 4096; }}
        http {{
            log_format own "$msec $status $request_time";
            client_body_temp_path {directory}/body;
            proxy_temp_path {directory}/proxy;
            fastcgi_temp_path {directory}/fastcgi;
            uwsgi_temp_path {directory}/uwsgi;
            scgi_temp_path {directory}/scgi;
            {" ".join(zones)}
            {" ".join(servers)}
        }}""")
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not nginx:
        sys.exit("nginx is missing: apt-get install nginx-light")
    program = support.Program("nginx", [nginx, "-p", directory, "-c", configuration, "-e", "stderr",
                                        "-g", "daemon off;"], directory)
    support.wait_until(lambda: support.can_connect(ports_and_limits[0][0]), "nginx to listen")
    return program


class Bench:
    """A directory and the programs in it, which are stopped whatever happens."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="flowrelay-limiters-"))
        self.programs = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in reversed(self.programs):
            program.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def devserver(self, *options):
        server = support.Devserver(self.directory, *options)
        self.programs.append(server)
        return server

    def relay(self, name, url, **destination):
        directory = self.directory / name
        directory.mkdir()
        relay = support.Relay(directory, {
            "destination": {"base_url": url, **destination},
            "retry": {"initial": "1s", "max": "5m"},  # as without a configuration
            "log": {"level": "info"}})
        self.programs.append(relay.launch())
        relay.program.wait_for_output(r"\brelay\.ready\b")
        return relay


def submit(relay, token, threads, uuids):
    with Producer(relay.ingest_socket, support.PATIENCE) as producer:
        for answer in producer.submit_all(
                support.event(token, f"thread-{n % threads}", uuid=uuid)
                for n, uuid in enumerate(uuids)):
            if answer["status"] != "accepted":
                raise AssertionError(answer)


def answers(directory, port):
    """(time, status, seconds) of each answer of this server of nginx."""
    lines = (directory / f"access-{port}.log").read_text().splitlines()
    return [(float(at), int(status), float(took)) for at, status, took in map(str.split, lines)]


@contextlib.contextmanager
def behind_limits():
    """A bench with an nginx that has all limits, and its rows: (port, limit, the relay behind it)."""
    with Bench() as bench:
        upstream = bench.devserver("--delay", DELAY, "--fast")
        ports = [(support.free_port(), limit) for limit in limits()]
        bench.programs.append(start_nginx(bench.directory, ports, upstream.url))
        yield bench, [(port, limit, bench.relay(f"relay-{port}", f"http://127.0.0.1:{port}"))
                      for port, limit in ports]


def measure_backlog(seconds):
    """What was delivered of a backlog, as a share of what the limit lets through in that time."""
    with behind_limits() as (bench, rows):
        begun = time.time()
        for _, _, relay in rows:
            submit(relay, GOOD, THREADS, (f"b{n}" for n in range(150 * seconds)))
        time.sleep(max(0.0, begun + seconds - time.time()))
        end = begun + seconds
        for port, limit, relay in rows:
            seen = [entry for entry in answers(bench.directory, port) if entry[0] <= end]
            taken = [took for _, status, took in seen if status == 202]
            first = min((at for at, _, _ in seen), default=begun)
            if limit.burst is None:
                lets_through = PLACES * (end - first) / (sum(taken) / max(len(taken), 1) or 1)
            else:
                lets_through = RATE * (end - first) + limit.burst + 1
            if relay.status()["queued"] == 0:
                raise AssertionError(f"{limit.name}: the backlog was too small")
            yield (limit.name, len(taken), int(lets_through), len(taken) / lets_through,
                   (len(seen) - len(taken)) / max(len(taken), 1))


def measure_trickle(seconds):
    """Sixty events at once and then one every two seconds: what was delivered in that time."""
    with behind_limits() as (bench, rows):
        begun = time.time()
        for _, _, relay in rows:
            submit(relay, GOOD, 60, (f"t{n}" for n in range(60)))
        count = 60
        while time.time() < begun + seconds - 2:
            for _, _, relay in rows:
                submit(relay, GOOD, 20, [f"t{count}"])
            count += 1
            time.sleep(max(0.0, begun + 2 * (count - 60) - time.time()))
        time.sleep(2)
        for port, limit, relay in rows:
            now = relay.status()
            refused = sum(1 for _, status, _ in answers(bench.directory, port) if status != 202)
            yield (limit.name, now["delivered"], count, now["delivered"] / count,
                   refused / max(now["delivered"], 1))


SICKNESSES = [
    ("alone", 0, None),
    ("always 500, 30 threads", 30, {"status": 500}),
    ("hangs, 60 threads", 60, {"action": "hang"}),
    ("always 503 with Retry-After: 10, 30 threads", 30,
     {"status": 503, "headers": {"Retry-After": "10"}}),
]


def p99(delays):
    return sorted(delays)[len(delays) * 99 // 100]


def measure_sick(seconds):
    """Delays of a healthy token, which has five events a second, alone and beside a sick one."""
    with Bench() as bench:
        rows = []
        for number, (name, threads, rule) in enumerate(SICKNESSES):
            server = bench.devserver("--delay", "5ms")
            if rule:
                server.rules({"match": {"flow_token": SICK}, **rule})
            relay = bench.relay(f"relay-{number}", server.url, request_timeout="10s")
            if threads:
                submit(relay, SICK, threads, (f"s{n}" for n in range(10 * threads)))
            rows.append((name, server, relay))

        def produce(relay):
            with Producer(relay.ingest_socket, support.PATIENCE) as producer:
                begun = time.monotonic()
                for n in range(5 * seconds):
                    list(producer.submit_all([support.event(GOOD, f"thread-{n % 5}",
                                                            uuid=f"g-{n}-{time.time_ns()}")]))
                    time.sleep(max(0.0, begun + n / 5 - time.monotonic()))

        producers = [threading.Thread(target=produce, args=(relay,)) for _, _, relay in rows]
        for thread in producers:
            thread.start()
        for thread in producers:
            thread.join()
        time.sleep(2)
        for name, server, _ in rows:
            delays = []
            for entry in server.requests():
                uuid = entry["event"]["uuid"]
                if uuid.startswith("g-"):
                    at = datetime.datetime.fromisoformat(entry["at"].replace("Z", "+00:00"))
                    delays.append(at.timestamp() - int(uuid.rsplit("-", 1)[1]) / 1e9)
            if len(delays) != 5 * seconds:
                raise AssertionError(f"{name}: {len(delays)} of {5 * seconds} events arrived")
            yield name, p99(delays)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=int, default=60, help="of each table")
    seconds = parser.parse_args().seconds
    good = True
    for title, measure in (("a backlog in 50 threads", measure_backlog),
                           ("60 events at once, then one every 2 s", measure_trickle)):
        print(f"\n| {title}, {seconds} s | delivered | of | share | refusals for each |")
        print("|---|---|---|---|---|")
        for name, delivered, of, share, refusals in measure(seconds):
            good = good and share >= LEAST_SHARE
            print(f"| `{name}` | {delivered} | {of} | {share:.0%} | {refusals:.2f} |", flush=True)
    print(f"\n| beside a token that is sick, {seconds} s | p99 | times that alone |")
    print("|---|---|---|")
    alone = None
    for name, delay in measure_sick(seconds):
        alone = alone or delay
        good = good and delay <= MOST_DELAY * alone
        print(f"| {name} | {1000 * delay:.0f} ms | {delay / alone:.2f} |", flush=True)
    print(f"\nload of the machine: {os.getloadavg()[0]:.1f}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
