"""What the command `flowrelay` shows on a terminal."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

import support


class TerminalTest(support.RelayTestCase):

    def setUp(self):
        super().setUp()
        self.relay = self.start_relay(self.start_devserver().url)

    def on_terminal(self, *arguments, size=(24, 80), quit_after=None, **environment):
        """Runs `flowrelay` to its end: the status, and what it wrote. `quit_after` so many pictures
        it is told to end."""
        pid, fd = pty.fork()
        if pid == 0:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            os.environ.pop("NO_COLOR", None)
            os.environ.update({"TERM": "xterm",
                               "FLOWRELAY_CONTROL_SOCKET": str(self.relay.control_socket),
                               **environment})
            os.execv(support.BIN / "flowrelay", ["flowrelay", *arguments])
        output = b""
        end = time.monotonic() + support.PATIENCE
        while time.monotonic() < end:
            if fd not in select.select([fd], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(fd, 65536)
            except OSError:  # the other side is closed
                break
            if not data:
                break
            output += data
            if quit_after and output.count(b"\x1b[H\x1b[2J") >= quit_after:
                quit_after = None
                os.write(fd, b"q")
        os.close(fd)
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status), output

    def test_top_is_drawn_and_ends_with_q(self):
        status, output = self.on_terminal("top", "--interval", "100ms", quit_after=3)
        self.assertEqual(status, 0)
        self.assertIn(b"flowrelayd ", output)
        self.assertTrue(output.endswith(b"\x1b[?25h\x1b[?1049l"), output[-40:])

    def test_top_fits_the_smallest_terminal(self):
        for rows, columns in ((1, 1), (2, 5), (3, 20)):
            status, output = self.on_terminal("top", "--count", "1", size=(rows, columns),
                                              TERM="dumb")
            self.assertEqual(status, 0)
            picture = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", output).decode().splitlines()
            self.assertLessEqual(len([line for line in picture if line]), max(1, rows - 1), output)
            self.assertLessEqual(max(map(len, picture)), columns, output)

    def test_colour_only_on_a_terminal_and_not_with_no_color(self):
        self.assertNotIn("\x1b", self.flowrelay(self.relay, "status").stdout)
        for variable, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
            status, output = self.on_terminal("status", **variable)
            self.assertEqual(status, 0)
            self.assertIn(b"running", output)
            self.assertEqual(b"\x1b[" in output, coloured, (variable, output))


if __name__ == "__main__":
    support.main()
