#!/usr/bin/env python3
"""restart_load.py SOCKET TIMES COMMAND..: hands events in on a new connection each while the command,
which restarts or upgrades the daemon, is run so many times. Prints how many were accepted and refused,
the longest wait for an answer, and the longest time in which nothing was accepted.

Exit status 0 when no producer was refused.
"""

import json
import socket
import subprocess
import sys
import threading
import time

PATIENCE = 30.0


def hand_in(path, number):
    """One event on a connection of its own, tried again when the connection ended without an answer,
    as a restart may do to a connection that is open. Returns the tries that were refused."""
    event = json.dumps({"source": "ci", "external_thread_id": f"load-{number % 7}",
                        "title": f"event {number}", "uuid": f"load-{number}"}).encode() + b"\n"
    end = time.monotonic() + PATIENCE
    while True:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            try:
                connection.connect(path)
            except (ConnectionRefusedError, FileNotFoundError):
                return False
            try:
                connection.sendall(event)
                answer = connection.makefile("rb").readline()
            except ConnectionError:
                answer = b""
        if answer:
            return json.loads(answer)["status"] == "accepted"
        if time.monotonic() > end:
            return False


def main():
    path, restarts, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    done = threading.Event()
    counts = {"accepted": 0, "refused": 0}
    longest = longest_gap = 0.0

    def produce():
        nonlocal longest, longest_gap
        number = 0
        last = time.monotonic()
        while not done.is_set():
            begun = time.monotonic()
            accepted = hand_in(path, number)
            now = time.monotonic()
            longest = max(longest, now - begun)
            if accepted:
                longest_gap = max(longest_gap, now - last)
                last = now
            counts["accepted" if accepted else "refused"] += 1
            number += 1

    thread = threading.Thread(target=produce)
    thread.start()
    for _ in range(restarts):
        subprocess.run(command, check=True, timeout=2 * PATIENCE)
        time.sleep(0.1)
    done.set()
    thread.join()
    print(f"{restarts} restarts: {counts['accepted']} accepted, {counts['refused']} refused, "
          f"longest wait {longest:.2f} s, nothing accepted for {longest_gap:.2f} s")
    return 1 if counts["refused"] or not counts["accepted"] else 0


if __name__ == "__main__":
    sys.exit(main())
