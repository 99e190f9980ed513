"""A program on a terminal, as people use it: what it shows, and what they type."""

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time

import support


class Terminal:
    """`stdout` of the program is not the terminal, so that it can be told from what people see."""

    def __init__(self, command, environment=None, **options):
        self.master, slave = pty.openpty()
        attributes = termios.tcgetattr(slave)
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        self.process = subprocess.Popen([str(word) for word in command], stdin=slave,
                                        stdout=subprocess.PIPE, stderr=slave, env=environment,
                                        **options)
        os.close(slave)
        fcntl.fcntl(self.master, fcntl.F_SETFL, os.O_NONBLOCK)
        self.shown = ""

    def _read(self, timeout):
        if not select.select([self.master], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: the program has ended
            return False
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def wait_for(self, pattern):
        """Waits until it shows the pattern and returns the match."""
        end = time.monotonic() + support.PATIENCE
        while True:
            match = re.search(pattern, self.shown)
            if match:
                return match
            if time.monotonic() > end or not self._read(0.05):
                if re.search(pattern, self.shown):
                    continue
                raise AssertionError(f"no {pattern!r} in {self.shown!r}")

    def type(self, text):
        os.write(self.master, text.encode() + b"\n")

    def send_signal(self, number):
        self.process.send_signal(number)

    def end(self):
        """Waits for the end of the program; returns its status and what it printed."""
        stdout, _ = self.process.communicate(timeout=support.PATIENCE)
        while self._read(0):
            if not select.select([self.master], [], [], 0.05)[0]:
                break
        return self.process.returncode, stdout.decode()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(support.PATIENCE)
        if self.process.stdout:
            self.process.stdout.close()
        os.close(self.master)
