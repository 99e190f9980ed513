"""What is refused, on the way to being an event: each kind is answered with what to do, counted by
its code and told with who it was; and no kind lets anything in."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import unittest

import support
from producers import ApiConnection, Producer, Stream


class Refusals(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.t = self.token()

    def start(self, **settings):
        settings.setdefault("log", {"level": "debug"})
        return self.start_relay(self.server.url, **settings)

    def start_tcp(self):
        self.port = support.free_port()
        return self.start(ingest={"listen": f"127.0.0.1:{self.port}"})

    def counted(self, relay):
        with ApiConnection(str(relay.control_socket), support.PATIENCE) as connection:
            text = connection.request("GET", "/v1/metrics", None).body
        text = text if isinstance(text, str) else text.decode()
        found = re.findall(r'flowrelay_rejected_events_total\{code="(\w+)"\} (\d+)', text)
        return {code: int(number) for code, number in found}

    def exchange(self, address, data):
        """All that is answered before the relay closes the connection; then it is its own doing."""
        with Stream(address, support.PATIENCE) as stream:
            stream.send(data)
            answer = stream.rest()
        self.assertNotIn(self.t.encode(), answer)
        return answer

    def request(self, relay, body, path="/messages", method="POST", address=None, **fields):
        body = body.encode() if isinstance(body, str) else body
        fields = {"Host": "localhost", "Content_Type": "application/json", **fields}
        head = f"{method} {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items()
                        if value is not None)
        answer = self.exchange(address or relay.ingest_socket, head.encode() + b"\r\n" + body)
        self.assertTrue(answer.startswith(b"HTTP/1.1 "), answer)
        head, _, text = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), head.decode(), text.decode()

    def accepted(self, relay):
        return relay.status()["accepted"]

    # ---- A3: the first line

    def test_what_is_no_json_is_answered_once_and_the_connection_closed(self):
        relay = self.start()
        event = json.dumps(support.event(self.t))
        for first in (b"hello", b"\x16\x03\x01\x02", b"\x1f\x8b\x08\x00x", b"flow_token=x&title=y",
                      b"  \"title\": \"x\",", b"post messages", b"HELO", b"0", b"\x00\x00", b"--",
                      b"%7B", b"'x'"):
            with self.subTest(first):
                answer = self.exchange(relay.ingest_socket, first + b"\n" + event.encode() + b"\n")
                if not answer.startswith(b"HTTP/1.1 400"):
                    self.assertEqual(answer.count(b"\n"), 1, answer)
                    self.assertEqual(json.loads(answer)["status"], "rejected")
        self.assertEqual(self.accepted(relay), 0)

    def test_http_in_any_spelling_is_answered_in_http_and_lets_nothing_in(self):
        relay = self.start()
        event = json.dumps(support.event(self.t))
        head = f"Host: x\r\nContent-Type: text/plain\r\nContent-Length: {len(event)}\r\n" \
               "Connection: close\r\n\r\n"
        for line in ("post /messages HTTP/1.1", "Post /messages HTTP/1.1", "get /messages HTTP/1.1",
                     "POST /messages HTTP/1.1", "POST /messages", "post /messages",
                     "post http://x/messages HTTP/1.1", "PRI * HTTP/2.0", "GET /", "p /messages HTTP/1.1",
                     "m-search * HTTP/1.1", "POST /messages HTTP/3.0"):
            for before in ("", "\r\n", "\n", "\r\n\r\n", " "):
                with self.subTest(line, before=before):
                    answer = self.exchange(relay.ingest_socket,
                                           f"{before}{line}\r\n{head}{event}")
                    self.assertRegex(answer, rb"\AHTTP/1\.1 4\d\d ")
        self.assertEqual(self.accepted(relay), 0)
        # A line break in front of a good request does no harm.
        status, _, _ = self.request(relay, event, path="/messages")
        self.assertEqual(status, 202)
        with Stream(relay.ingest_socket, support.PATIENCE) as stream:
            stream.send(f"\r\nPOST /messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                        f"Content-Length: {len(event)}\r\n\r\n{event}")
            self.assertIn(b"202", stream.rest())

    # ---- C: each mistake has its words

    def test_each_mistake_of_a_request_is_named(self):
        relay = self.start()
        event = json.dumps(support.event(self.t))
        pretty = json.dumps(support.event(self.t), indent=2)
        lines = "application/x-ndjson"
        cases = [
            (415, r"gzip", b"\x1f\x8b\x08", {"Content_Encoding": "gzip"}),
            (415, r"compressed \(Content-Encoding: br\)", b"x", {"Content_Encoding": "br"}),
            (400, r"\(gzip\)", b"\x1f\x8b\x08\x00", {}),
            (400, r"x-ndjson", event + "\n" + event, {}),
            (400, r"--data-binary", event + event, {"Content_Type": lines}),
            (400, r"jq -c", pretty, {"Content_Type": lines}),
            (400, r"nothing in it", b"", {}),
            (400, r"nothing in the body", b"\n\n", {"Content_Type": lines}),
            (415, r"forms", "a=b", {"Content_Type": "application/x-www-form-urlencoded"}),
            (415, r"text/plain", event, {"Content_Type": "text/plain;charset=utf-8"}),
            (415, r"multipart/form-data", event, {"Content_Type": "multipart/form-data; boundary=x"}),
            (400, r"Host", event, {"Host": None}),
        ]
        for status, words, body, fields in cases:
            with self.subTest(words, fields=fields):
                got, head, text = self.request(relay, body, **fields)
                self.assertEqual(got, status, text)
                self.assertRegex(text, words)
                if status == 415:
                    self.assertRegex(head, r"Accept(-Encoding)?: ")
        self.assertEqual(self.accepted(relay), 0)
        for path in ("/messages/", "/v1/messages/", "/messages", "/v1/messages"):
            self.assertEqual(self.request(relay, event, path=path)[0], 202, path)
        self.assertEqual(self.request(relay, "\ufeff" + event)[0], 202)
        self.assertEqual(self.accepted(relay), 5)

    def test_broken_heads_are_answered_with_what_is_wrong(self):
        relay = self.start()
        for data, words in (
                (b"GET /messages\r\n", b"version"),
                (b"POST /messages\r\nHost: x\r\n\r\n", b"version"),
                (b"POST /messages HTTP/1.1\nHost: x\n\n", b"LF"),
                (b"POST /messages HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", b"CR LF"),
                (b"POST /messages HTTP/2.0\r\nHost: x\r\n\r\n", b"HTTP/1.1"),
                (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"HTTP/2"),
                (b"POST /messages HTTP/1.1\r\n\r\n", b"Host"),
                (b"POST /messages HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"more than one Host"),
                (b"POST /messages HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n"
                 b"\r\nx", b"Content-Length"),
                (b"POST /messages HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
                 b"Transfer-Encoding")):
            for cut in (None, 1, len(data) // 2):
                with self.subTest(data, cut=cut), Stream(relay.ingest_socket, 5) as stream:
                    if cut:
                        stream.send(data[:cut])
                    stream.send(data[cut:])
                    answer = stream.rest()
                    self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)
                    self.assertIn(words, answer)

    def test_half_a_surrogate_pair_arrives_as_it_was_spelled(self):
        relay = self.start()
        body = json.dumps(support.event(self.t))[:-1] + r',"body":"a\ud800b \uDC00","x":"\udfff"}'
        self.assertEqual(self.request(relay, body)[0], 202)
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            self.assertEqual(producer.submit(body + "\n")["status"], "accepted")
        relay.wait_until_idle()
        self.assertEqual(relay.status()["dead_letters"], 0)

    # ---- every refusal is counted, and told with who it was

    def test_every_refusal_is_counted_by_code_and_told_with_who_it_was(self):
        relay = self.start(ingest={"max_event_size": "16KiB"})
        event = json.dumps(support.event(self.t))
        before = self.counted(relay)
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            producer.submit("{]\n")
            producer.submit("{}\n")
            producer.submit('{"title":"' + "x" * 20_000 + '"}\n')
            producer.submit(json.dumps({**support.event(self.t), "uuid": "a b"}) + "\n")
        self.exchange(relay.ingest_socket, b"hello\n")
        self.request(relay, event, path="/other")
        self.request(relay, event, method="PUT")
        self.request(relay, event, Content_Type="text/xml")
        self.request(relay, "x" * 200_000)
        self.exchange(relay.ingest_socket, b"POST /messages\r\n\r\n")
        self.request(relay, "[{]")
        self.request(relay, "[{},{}]")
        after = self.counted(relay)
        gained = {code: after[code] - before[code] for code in after if after[code] > before[code]}
        self.assertEqual(gained, {"invalid_json": 3, "invalid_event": 4, "too_large": 2,
                                  "not_found": 1, "wrong_method": 1, "unsupported_type": 1,
                                  "bad_request": 1})
        self.assertEqual(relay.status()["since_start"]["rejected"], sum(gained.values()))
        for code, count in gained.items():
            lines = re.findall(rf"event=ingest\.rejected .*code={code} .*uid={os.getuid()} "
                               rf"pid={os.getpid()}\b", relay.log)
            self.assertEqual(len(lines), count, code)

    def test_the_log_says_of_a_request_what_its_answer_says(self):
        relay = self.start(ingest={"max_event_size": "16KiB"})
        head = b"POST /messages HTTP/1.1\r\nHost: x\r\n"
        for data in (head + b"X: " + b"x" * 40_000 + b"\r\n\r\n",
                     head + b"Content-Length: 99999999\r\n\r\n",
                     head + b"Content-Length: x\r\n\r\n",
                     b"POST /messages\r\n\r\n"):
            with self.subTest(data[:60]):
                answer = self.exchange(relay.ingest_socket, data)
                message = json.loads(answer.partition(b"\r\n\r\n")[2])["message"]
                relay.wait_for_log(rf"event=ingest\.rejected .*reason=\"{re.escape(message)}\"")

    def test_a_request_that_is_cut_short_is_counted_and_told(self):
        relay = self.start()
        head = b"POST /messages HTTP/1.1\r\nHost: x\r\n"
        for count, data in enumerate((b"POST /mes", head, head + b"Content-Length: 10\r\n\r\n",
                                      head + b"Content-Length: 10\r\n\r\n{}"), 1):
            with self.subTest(data), Stream(relay.ingest_socket, 5) as stream:
                stream.send(data)
            support.wait_until(lambda c=count: self.counted(relay)["bad_request"] == c, "the count")
        relay.wait_for_log(r"event=ingest\.rejected .*in the middle of a request")
        with Stream(relay.ingest_socket, 5) as stream:
            stream.send(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            stream.until(b"\r\n\r\n")
        self.assertEqual(self.counted(relay)["bad_request"], 4)

    def test_refusals_that_go_on_are_summed_up_with_who_it_is(self):
        relay = self.start(log={"level": "info"})
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            producer.submit_all([{}] * 250)
        relay.wait_for_log(rf"notice event=ingest\.refusing code=invalid_event count=100 .*"
                           rf"uid={os.getuid()} pid={os.getpid()}\b")
        self.assertLess(len(re.findall("invalid_event", relay.log)), 6)

    # ---- A2: web pages

    def test_a_web_page_can_hand_nothing_in(self):
        relay = self.start_tcp()
        event = json.dumps(support.event(self.t))
        tcp = ("127.0.0.1", self.port)
        cases = [
            (403, {"Origin": "https://evil.example"}),
            (403, {"Origin": "null"}),
            (403, {"Origin": ""}),
            (403, {"origin": f"http://127.0.0.1:{self.port}"}),
            (403, {"Sec_Fetch_Site": "cross-site"}),
            (403, {"Sec_Fetch_Site": "same-origin"}),
            (403, {"Sec_Fetch_Site": "same-site"}),
            (403, {"Host": "evil.example"}),
            (403, {"Host": f"evil.example:{self.port}"}),
            (403, {"Host": "localhost.evil.example"}),
            (403, {"Host": "127.0.0.1.evil.example"}),
            (403, {"Host": "192.168.1.1"}),
            (403, {"Host": "[::2]:80"}),
            (403, {"Host": ""}),
            (415, {"Content_Type": None}),
            (415, {"Content_Type": "text/plain"}),
            (415, {"Content_Type": "application/x-www-form-urlencoded"}),
            (415, {"Content_Type": "multipart/form-data"}),
            (202, {"Host": "localhost"}),
            (202, {"Host": f"LOCALHOST:{self.port}"}),
            (202, {"Host": f"127.0.0.1:{self.port}"}),
            (202, {"Host": "127.1.2.3"}),
            (202, {"Host": f"[::1]:{self.port}"}),
            (202, {"Sec_Fetch_Site": "none"}),
            (202, {"Content_Type": "application/json; charset=utf-8"}),
            (202, {"Content_Type": "application/x-ndjson"}),
        ]
        for status, fields in cases:
            with self.subTest(fields):
                self.assertEqual(self.request(relay, event, address=tcp, **fields)[0], status)
        self.assertEqual(self.accepted(relay), sum(status == 202 for status, _ in cases))
        # On the Unix socket, which no page reaches, all is as it was.
        for fields in ({"Host": "anything"}, {"Content_Type": None}, {"Origin": "x"}):
            self.assertEqual(self.request(relay, event, **fields)[0], 202, fields)

    def test_metrics_on_loopback_are_not_for_web_pages(self):
        port = support.free_port()
        relay = self.start(metrics={"listen": f"127.0.0.1:{port}"})
        for host, status in (("evil.example", 403), (f"evil.example:{port}", 403),
                             ("localhost", 200), (f"127.0.0.1:{port}", 200), ("[::1]", 200)):
            got, _, _ = self.request(relay, "", path="/metrics", method="GET",
                                     address=("127.0.0.1", port), Host=host)
            self.assertEqual(got, status, host)

    # ---- what one user, or the other door, may take

    def test_tcp_has_its_own_share_of_the_connections(self):
        self.port = support.free_port()
        relay = self.start(ingest={"listen": f"127.0.0.1:{self.port}", "max_connections": 4})
        with contextlib.ExitStack() as open_ones:
            for _ in range(12):
                open_ones.enter_context(Stream(("127.0.0.1", self.port), support.PATIENCE))
            relay.wait_for_log(r"server\.busy")
            producers = [open_ones.enter_context(Producer(relay.ingest_socket, support.PATIENCE))
                         for _ in range(4)]
            for producer in producers:
                self.assertEqual(producer.submit(support.event(self.t))["status"], "accepted")

    def test_idle_connections_make_place_on_the_control_socket(self):
        relay = self.start()
        with contextlib.ExitStack() as open_ones:
            for _ in range(200):
                open_ones.enter_context(Stream(str(relay.control_socket), support.PATIENCE))
            for _ in range(5):
                self.assertEqual(relay.status()["accepted"], 0)

    def test_a_relay_that_stops_leaves_its_successors_socket_alone(self):
        relay = self.start()
        for path in (relay.ingest_socket, relay.control_socket):
            os.unlink(path)
            with socket.socket(socket.AF_UNIX) as successor:
                successor.bind(str(path))
        relay.program.terminate()
        for path in (relay.ingest_socket, relay.control_socket):
            self.assertTrue(os.path.exists(path), path)

    def test_signals_without_a_meaning_are_ignored_with_a_line(self):
        relay = self.start()
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            os.kill(relay.program.pid, number)
            relay.wait_for_log(rf"relay\.signal_ignored signal={number.name}")
        self.assertEqual(self.accepted(relay), 0)
        with open(f"/proc/{relay.program.pid}/limits", encoding="ascii") as limits:
            self.assertRegex(limits.read(), r"Max core file size +0 +0 ")

    def test_a_state_directory_that_others_may_write_to_is_refused(self):
        for mode in (0o777, 0o707, 0o1777):
            relay = self.make_relay(self.server.url, name=f"open-{mode:o}")
            state = pathlib.Path(relay.settings["spool"]["directory"])
            state.mkdir(parents=True, exist_ok=True)
            state.chmod(mode)
            program = relay.launch()
            self.assertEqual(program.wait(), 70)
            self.assertRegex(relay.log, "may be written to by others")

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_root_does_not_run_on_the_state_directory_of_another_user(self):
        relay = self.start()
        self.assertEqual(self.accepted(relay), 0)
        self.assertEqual(relay.stop(), 0)
        for directory, _, files in os.walk(relay.state):
            os.chown(directory, 65534, 65534)
            for file in files:
                os.chown(os.path.join(directory, file), 65534, 65534)
        before = sorted(path.name for path in relay.state.rglob("*"))
        self.assertEqual(relay.launch().wait(), 70)
        self.assertRegex(relay.log, "belongs to nobody, and this is root.*runuser -u nobody -- flowrelayd")
        self.assertEqual(sorted(path.name for path in relay.state.rglob("*")), before)
        self.assertEqual({path.stat().st_uid for path in relay.state.rglob("*")}, {65534})

    # ---- B5

    def test_an_event_that_only_its_defaults_make_too_large_is_refused_alone(self):
        relay = self.start(ingest={"max_event_size": "512KiB"}, spool={"segment_size": "1MiB"},
                           sources=[{"name": "ci", "flow_token_file": self.token_file(self.t),
                                     "defaults": {"author": {"name": "CI"},
                                                  "filler": "x" * 600_000}},
                                    {"name": "web", "flow_token_file":
                                     self.token_file(self.token(), "web.token")}])
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            small = {"source": "web", "external_thread_id": "t", "title": "x",
                     "author": {"name": "a"}}
            answers = producer.submit_all([small, {**small, "source": "ci", "body": "y" * 500_000},
                                           small, {**small, "source": "ci"}, small])
        self.assertEqual([answer.get("code", "accepted") for answer in answers],
                         ["accepted", "too_large", "accepted", "too_large", "accepted"])


if __name__ == "__main__":
    support.main()
