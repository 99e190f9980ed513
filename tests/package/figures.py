#!/usr/bin/env python3
"""figures.py BIN: the figures of a release in docs/packaging.md: the size of the programs without symbols, how
long a start takes until relay.ready, and what an idle daemon takes of processor time and memory in a minute."""

import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

CONFIG = """destination: {{base_url: "http://127.0.0.1:9"}}
ingest: {{socket: {0}/ingest.sock}}
control: {{socket: {0}/control.sock, admin_group: ""}}
spool: {{directory: {0}/spool}}
sources:
  - {{name: ci, flow_token_file: {0}/ci.token, defaults: {{author: {{name: CI}}}}}}
"""


def start(programs, directory):
    """The daemon, and how long it took until it was ready, in ms."""
    begun = time.monotonic()
    daemon = subprocess.Popen([programs / "flowrelayd", "--config", directory / "flowrelay.yaml"],
                              stderr=subprocess.PIPE, text=True)
    if not any("relay.ready" in line for line in daemon.stderr):
        sys.exit("flowrelayd did not start")
    return daemon, 1000 * (time.monotonic() - begun)


def stop(daemon):
    daemon.terminate()
    daemon.communicate(timeout=30)


def processor_time(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wake_ups(pid):
    states = [path.read_text() for path in pathlib.Path(f"/proc/{pid}/task").glob("*/status")]
    return sum(int(count) for state in states for count in re.findall(r"ctxt_switches:\s+(\d+)", state))


def memory(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    sizes = dict(re.findall(r"(?m)^(\w+):\s+(\d+) kB", text))
    return ", ".join(f"{name} {int(sizes[name]) / 1024:.1f} MiB" for name in ("Rss", "Pss", "Private_Dirty"))


def main():
    programs = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        directory = pathlib.Path(name)
        for program in ("flowrelayd", "flowrelay"):
            stripped = directory / program
            subprocess.run(["strip", "-o", stripped, programs / program], check=True)
            print(f"{program}: {stripped.stat().st_size / 2**20:.1f} MiB")
        token = directory / "ci.token"
        token.write_text(os.urandom(16).hex() + "\n")
        token.chmod(0o600)
        (directory / "flowrelay.yaml").write_text(CONFIG.format(directory))
        durations = []
        for _ in range(21):
            daemon, duration = start(programs, directory)
            stop(daemon)
            durations.append(duration)
        print(f"start: {durations[0]:.0f} ms with a new spool, then {statistics.median(durations[1:]):.0f} ms "
              f"(median of 20; {min(durations[1:]):.0f} to {max(durations[1:]):.0f})")
        daemon, _ = start(programs, directory)
        time.sleep(5)
        before = processor_time(daemon.pid), wake_ups(daemon.pid)
        time.sleep(60)
        print(f"idle for 60 s: {processor_time(daemon.pid) - before[0]:.2f} s of processor time, "
              f"{wake_ups(daemon.pid) - before[1]} context switches; {memory(daemon.pid)}")
        stop(daemon)


if __name__ == "__main__":
    main()
