"""What the relay makes of answers that are not as HTTP or the API has them, and what it says of them."""

import contextlib
import json
import pathlib
import re
import socket
import threading
import unittest

import support
from producers import Producer

GOOD = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"

# curl and Python's http.client take the answers of the first group as well.
ODD = {
    "length_beside_chunked": b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "blank_behind_the_size": b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n"
                             b"2 \r\n{}\r\n0\r\n\r\n",
    "bare_lf": b"HTTP/1.1 202 Accepted\nContent-Length: 2\n\n{}",
    "folded": b"HTTP/1.1 202 Accepted\r\nX: a\r\n  b\r\nContent-Length: 2\r\n\r\n{}",
    "blank_before_the_colon": b"HTTP/1.1 202 Accepted\r\nContent-Length : 2\r\n\r\n{}",
    "no_colon": b"HTTP/1.1 202 Accepted\r\nnonsense\r\nContent-Length: 2\r\n\r\n{}",
    "control": b"HTTP/1.1 202 Accepted\r\nX: \x00\x1b\r\nContent-Length: 2\r\n\r\n{}",
    "surplus": b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}{}",
    "not_chunked_at_all": b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n{}",
    "two_lengths": b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "no_blank": b"HTTP/1.1 202Accepted\r\nContent-Length: 2\r\n\r\n{}",
    "version": b"HTTP/1.9 202 Accepted\r\nContent-Length: 2\r\n\r\n{}",
}


class Cut(bytes):
    """An answer after which the connection ends."""


class Server:
    """Answers each request with what `answer` gives for its event, and keeps the connection."""

    def __init__(self, answer):
        self.answer = answer
        self.events = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            while lines.readline():
                length = 0
                for line in iter(lines.readline, b"\r\n"):
                    if not line:
                        return
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                event = json.loads(lines.read(length))
                self.events.append(event)
                answer = self.answer(event)
                connection.sendall(answer)
                if isinstance(answer, Cut):
                    return

    def count(self, thread):
        return sum(event["external_thread_id"] == thread for event in list(self.events))


class Answers(support.RelayTestCase):
    def start(self, answer, **settings):
        self.server = Server(answer)
        self.addCleanup(self.server.close)
        self.secret = self.token()
        settings.setdefault("sources", [{"name": "ci", "defaults": {"author": {"name": "CI"}},
                                         "flow_token_file": self.token_file(self.secret)}])
        self.relay = self.start_relay(self.server.url, **settings)
        return self.relay

    def send(self, *threads):
        with Producer(self.relay.ingest_socket) as producer:
            for thread in threads:
                answer = producer.submit({"source": "ci", "external_thread_id": thread,
                                          "title": "t"})
                self.assertEqual(answer["status"], "accepted")

    def test_a_success_counts_whatever_it_looks_like(self):
        self.start(lambda event: ODD.get(event["external_thread_id"], GOOD))
        for name in ODD:
            self.send(name, name)  # the second one waits for the first
        status = self.relay.wait_until_idle()
        self.assertEqual(status["delivered"], 2 * len(ODD))
        self.assertEqual(status["destination"]["state"], "up")
        for name in ODD:
            self.assertEqual(self.server.count(name), 2, name)
        self.assertRegex(self.relay.log, r"event=destination.odd_answer source=ci thread=\w+ "
                                         r"id=\S+ status=202 attempt=1 reason=")

    def test_a_success_that_is_cut_off_is_none(self):
        answers = [Cut(b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\n{}"), GOOD]
        self.start(lambda _: answers.pop(0), retry={"initial": "100ms"})
        self.send("a")
        self.relay.wait_until_idle()
        self.assertEqual(self.server.count("a"), 2)

    def test_a_conflict_with_an_earlier_request_is_tried_again(self):
        busy = b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n"
        conflict = b"HTTP/1.1 409 x\r\nRetry-After: 0.5\r\nContent-Length: 0\r\n\r\n"
        answers = {"again": [busy, conflict, GOOD], "first": [conflict]}
        self.start(lambda event: answers[event["external_thread_id"]].pop(0),
                   retry={"initial": "100ms"})
        self.send("again", "first")
        self.relay.wait_until_idle()
        self.assertEqual(self.server.count("again"), 3)
        self.assertEqual(self.server.count("first"), 1)
        self.assertEqual(self.relay.status()["dead"], 1)

    def test_a_web_page_is_noticed_or_refused(self):
        page = b"<!DOCTYPE html><html><title>Sign in</title></html>"
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page)
        self.start(lambda _: answer)
        self.send(*"abcdefgh")
        self.relay.wait_until_idle()
        self.relay.wait_for_log(r"odd_answer .*reason=.the body is a web page")
        self.assertEqual(self.relay.log.count("event=destination.odd_answer"), 1)
        self.relay.stop()
        self.relay.configure({"destination": {"expect": "json"}})
        self.relay.start()
        self.send("b")
        self.relay.wait_for_status("a parked destination",
                                   lambda now: now["destination"]["state"] == "parked")
        self.assertIn("destination.expect", self.relay.status()["destination"]["reason"])
        self.assertEqual(self.relay.status()["queued"], 1)

    def test_a_renewed_token_file_is_read_before_the_token_is_tried_again(self):
        renewed = self.token()
        refused = b"HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n"
        self.start(lambda event: GOOD if event["flow_token"] == renewed else refused)
        self.send("a", "b")
        self.relay.wait_for_log("event=token.parked")
        self.token_file(renewed)
        self.relay.wait_until_idle()
        self.assertEqual(self.relay.status()["delivered"], 2)
        self.assertRegex(self.relay.log, r"event=token\.renewed source=ci\b")
        self.assertNotIn("config.reloaded", self.relay.log, "no configuration was")

    def test_a_token_file_that_cannot_be_used_is_told_once(self):
        other, renewed = self.token(), self.token()
        refused = b"HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n"
        self.start(lambda event: GOOD if event["flow_token"] in (other, renewed) else refused,
                   sources=[{"name": name, "defaults": {"author": {"name": "CI"}},
                             "flow_token_file": self.token_file(token, name=name)}
                            for name, token in (("ci", self.token()), ("b", other))])
        path = pathlib.Path(self.token_file(self.token(), name="ci"))
        self.send("a")
        self.relay.wait_for_log("event=token.parked")
        path.chmod(0o644)
        self.relay.wait_for_log(r"event=token\.not_renewed source=ci reason=.*chmod 0600")
        self.token_file(other, name="ci")
        path.chmod(0o600)
        self.relay.wait_for_log(r"event=token\.not_renewed source=ci reason=.*same token as source")
        self.token_file(renewed, name="ci")
        self.relay.wait_until_idle()
        self.assertEqual(self.relay.log.count("event=token.not_renewed"), 2, self.relay.log)
        self.assertNotIn(other, self.relay.log)

    @unittest.skipIf(support.SCALE > 1, "a sanitizer keeps freed memory for itself")
    def test_the_memory_of_large_events_goes_back(self):
        barrier = threading.Barrier(32)

        def answer(_):
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(5)
            return GOOD
        relay = self.start(answer)
        with Producer(relay.ingest_socket) as producer:
            for i in range(64):
                answer = producer.submit({"source": "ci", "external_thread_id": str(i), "title": "t",
                                          "body": "x" * 1_000_000})
                self.assertEqual(answer["status"], "accepted")
        relay.wait_until_idle()

        def resident():
            text = pathlib.Path(f"/proc/{relay.program.pid}/status").read_text()
            return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) / 1024
        support.wait_until(lambda: resident() < 64, "less than 64 MiB resident", 3 * support.SCALE)


if __name__ == "__main__":
    unittest.main()
