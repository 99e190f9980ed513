#!/usr/bin/env python3
"""What operators' questions cost with a long queue: the time of GET /v1/status while it fills, at
rest and while it drains, and what asking a hundred times a second costs the drain.

    tests/bench/operators.py BIN [EVENTS]        BIN: build/release/bin; EVENTS: 1000000

On a machine that does other things as well, run it several times and believe the best."""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time


class Control(http.client.HTTPConnection):

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Bench:

    def __init__(self, binaries, directory):
        self.bin = binaries
        self.directory = directory

    def ask(self, method, path, body=None):
        with contextlib.closing(Control(str(self.directory / "control.sock"))) as connection:
            connection.request(method, path, body)
            return connection.getresponse().read()

    def status(self):
        return json.loads(self.ask("GET", "/v1/status"))

    def poll(self, pause, goes_on):
        """Times of status, one after the other."""
        times = []
        while goes_on():
            begin = time.perf_counter()
            self.ask("GET", "/v1/status")
            times.append(1000 * (time.perf_counter() - begin))
            time.sleep(pause)
        return sorted(times)

    def show(self, name, times):
        if times:
            print(f"{name:<34} n={len(times):<5} p50 {times[len(times) // 2]:7.2f} ms   "
                  f"p99 {times[int(len(times) * 0.99)]:7.2f} ms   max {times[-1]:7.2f} ms")

    def for_seconds(self, seconds):
        end = time.monotonic() + seconds
        return lambda: time.monotonic() < end

    def drain(self, seconds, pause):
        before, begin = self.status()["delivered"], time.monotonic()
        if pause:
            times = self.poll(pause, self.for_seconds(seconds))
        else:
            time.sleep(seconds)
            times = []
        rate = (self.status()["delivered"] - before) / (time.monotonic() - begin)
        return rate, times

    def run(self, events):
        lines = self.directory / "events"
        with open(lines, "w") as out:
            for n in range(events):
                out.write('{"source":"ci","external_thread_id":"build-%d","title":"failed",'
                          '"body":"%s"}\n' % (n % 5000, "x" * 350))
        self.ask("POST", "/v1/sources/ci/pause", "{}")
        environment = dict(os.environ, FLOWRELAY_SOCKET=str(self.directory / "ingest.sock"))
        filling = subprocess.Popen([self.bin / "flowrelay", "send", "--wait", "60s", "-q"],
                                   stdin=open(lines), env=environment)
        self.show("while it fills", self.poll(0.01, lambda: filling.poll() is None))
        print(f"{self.status()['queued']} queued; load {os.getloadavg()[0]:.1f}")
        self.show("at rest", self.poll(0.005, self.for_seconds(4)))
        self.ask("POST", "/v1/sources/ci/resume", "{}")
        for _ in range(3):
            alone, _ = self.drain(2, None)
            asked, times = self.drain(2, 0.01)
            if self.status()["queued"] == 0:
                break
            self.show(f"drain {alone:.0f}/s, asked {asked:.0f}/s", times)
        reading = threading.Event()

        def read_lists():
            while not reading.is_set():
                self.ask("GET", "/v1/queue?limit=1000")
                self.ask("GET", "/v1/queue?thread=nothing")

        thread = threading.Thread(target=read_lists)
        thread.start()
        rate, times = self.drain(2, 0.01)
        reading.set()
        thread.join()
        if self.status()["queued"] > 0:
            self.show(f"drain {rate:.0f}/s, long lists read", times)


def main():
    binaries = pathlib.Path(sys.argv[1])
    events = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    directory = pathlib.Path(tempfile.mkdtemp(prefix="flowrelay-bench-", dir="/var/tmp"))
    programs = []
    try:
        token = directory / "ci.token"
        token.touch(0o600)
        token.write_text("a-token-of-the-bench\n")
        port = directory / "port"
        programs.append(subprocess.Popen(
            [binaries / "flowrelay-devserver", "--listen", "127.0.0.1:0", "--fast",
             "--max-received", "0", "--port-file", port], stdout=subprocess.DEVNULL))
        while not port.exists() or not port.read_text().strip():
            time.sleep(0.05)
        config = directory / "flowrelay.yaml"
        config.write_text(f"""
destination: {{base_url: "http://127.0.0.1:{port.read_text().strip()}"}}
ingest: {{socket: {directory}/ingest.sock}}
control: {{socket: {directory}/control.sock}}
spool: {{directory: {directory}/state}}
sources: [{{name: ci, flow_token_file: {token}, defaults: {{author: {{name: CI}}}}}}]
""")
        programs.append(subprocess.Popen([binaries / "flowrelayd", "--config", config],
                                         stderr=subprocess.DEVNULL))
        while not (directory / "control.sock").exists():
            time.sleep(0.05)
        Bench(binaries, directory).run(events)
    finally:
        for program in reversed(programs):
            program.terminate()
            program.wait()
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
