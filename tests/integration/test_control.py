"""The control socket as programs use it: who may look and change, pages, errors, explanations."""

import contextlib
import json
import os
import pathlib
import socket
import threading
import time
import unittest
import urllib.parse

import support
from producers import ApiConnection, Producer, Stream


class ControlTest(support.RelayTestCase):

    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()

    def start(self, **settings):
        self.ci = self.token()
        sources = [{"name": "ci", "flow_token_file": self.token_file(self.ci),
                    "defaults": {"author": {"name": "CI"}}}]
        return self.start_relay(self.server.url, sources=sources, **settings)

    def call(self, relay, method, path, body=None, expect=200):
        with contextlib.closing(ApiConnection(str(relay.control_socket),
                                              support.PATIENCE)) as connection:
            answer = connection.request(method, path, json.dumps(body) if body is not None else None)
        self.printed.append(answer.body if isinstance(answer.body, str) else answer.body.decode())
        self.assertEqual(answer.status, expect, answer.body)
        return answer

    def get(self, relay, path, expect=200, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        return json.loads(self.call(relay, "GET", path, expect=expect).body)

    def lines(self, relay, path, **query):
        """All pages of a list."""
        found = []
        after = None
        while True:
            parameters = dict(query, **({"after": after} if after else {}))
            answer = self.call(relay, "GET", path + "?" + urllib.parse.urlencode(parameters))
            found += [json.loads(line) for line in answer.body.splitlines()]
            after = answer.fields.get("flowrelay-next")
            if not after:
                return found

    def post(self, relay, path, expect=200, **body):
        return json.loads(self.call(relay, "POST", path, body, expect).body)

    def submit(self, relay, *events):
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            answers = producer.submit_all(events)
        for answer in answers:
            self.assertEqual(answer["status"], "accepted", answer)
        return [answer["id"] for answer in answers]

    def ci_event(self, thread, **members):
        return {"source": "ci", "external_thread_id": thread, "title": "failed", **members}

    def stop_deliveries(self, relay):
        self.post(relay, "/v1/sources/ci/pause")

    # ---- what is there

    def test_errors_have_one_shape(self):
        relay = self.start()
        for method, path, body, status, code in [
                ("GET", "/v1/nothing", None, 404, "not_found"),
                ("GET", "/", None, 404, "not_found"),
                ("DELETE", "/v1/status", None, 405, "wrong_method"),
                ("POST", "/v1/queue", {}, 405, "wrong_method"),
                ("GET", "/v1/queue/17", None, 404, "not_found"),
                ("GET", "/v1/queue?limit=0", None, 400, "invalid"),
                ("GET", "/v1/queue?limit=1001", None, 400, "invalid"),
                ("GET", "/v1/queue?limit=x", None, 400, "invalid"),
                ("GET", "/v1/queue?after=x", None, 400, "invalid"),
                ("GET", "/v1/queue?source=nobody", None, 404, "not_found"),
                ("GET", "/v1/dead?after=x", None, 400, "invalid"),
                ("GET", "/v1/dead/17", None, 404, "not_found"),
                ("GET", "/v1/explain", None, 400, "invalid"),
                ("GET", "/v1/explain?of=%FF", None, 400, "invalid"),
                ("GET", "/v1/queue?source=a%C3", None, 400, "invalid"),
                ("GET", "/v1/queue/%E2%82", None, 400, "invalid"),
                ("GET", "/v1/queue/%E2%82%AC", None, 404, "not_found"),
                ("POST", "/v1/sources/%FE/pause", {}, 400, "invalid"),
                ("GET", "/v1/explain?of=nothing", None, 404, "not_found"),
                ("POST", "/v1/queue/drop", {}, 400, "invalid"),
                ("POST", "/v1/queue/drop", {"ids": "all"}, 400, "invalid"),
                ("POST", "/v1/queue/drop", {"ids": [1], "all": True}, 400, "invalid"),
                ("POST", "/v1/queue/drop", {"all": True, "after": "x"}, 400, "invalid"),
                ("POST", "/v1/queue/retry", {"ids": [None]}, 400, "invalid"),
                ("POST", "/v1/dead/drop", {}, 400, "invalid"),
                ("POST", "/v1/sources", {"name": "web"}, 400, "invalid"),
                ("POST", "/v1/sources", {"name": "a b", "flow_token": "x"}, 400, "invalid"),
                ("POST", "/v1/sources/nobody/pause", {}, 404, "not_found"),
                ("POST", "/v1/sources/ci/enable", {}, 409, "conflict"),
                ("POST", "/v1/sources/ci/rotate", {"flow_token": "x"}, 409, "conflict")]:
            with self.subTest(method=method, path=path, body=body):
                answer = json.loads(self.call(relay, method, path, body, status).body)
                self.assertEqual(set(answer), {"code", "message"})
                self.assertEqual(answer["code"], code)
        with contextlib.closing(ApiConnection(str(relay.control_socket), 5)) as connection:
            self.assertEqual(connection.request("POST", "/v1/queue/drop", "not json").status, 400)
        head = b"POST /v1/queue/drop HTTP/1.1\r\nHost: x\r\n"
        for data, status in ((b"GET /v1/status\r\n\r\n", 400),
                             (b"GET /v1/status HTTP/1.1\r\n\r\n", 400),
                             (head + b"Transfer-Encoding: gzip\r\n\r\n", 400),
                             (head + b"Content-Length: 99999999\r\n\r\n", 413),
                             (head + b"X: " + b"x" * 40_000 + b"\r\n\r\n", 431)):
            with self.subTest(data[:60]), Stream(str(relay.control_socket), 5) as stream:
                with contextlib.suppress(OSError):
                    stream.send(data)
                answer = stream.rest()
                self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), answer)
                answer = json.loads(answer.partition(b"\r\n\r\n")[2])
                self.assertEqual(set(answer), {"code", "message"})
                self.assertEqual(answer["code"], "invalid")

    def test_a_list_comes_in_pages_and_has_everything_once(self):
        relay = self.start()
        self.stop_deliveries(relay)
        ids = self.submit(relay, *(self.ci_event(f"t{n % 7}") for n in range(450)))
        other = self.token()
        self.submit(relay, *(support.event(other, f"t{n}", title="x", body="b") for n in range(3)))
        listed = self.lines(relay, "/v1/queue", limit=100, source="ci")
        self.assertEqual([event["id"] for event in listed], ids)
        self.assertTrue(all(event["state"] == "token_paused" or event["state"] == "behind" or
                            event["state"] == "stored" for event in listed), listed[:3])
        thread = self.lines(relay, "/v1/queue", limit=10, source="ci", thread="t3")
        self.assertEqual([event["id"] for event in thread],
                         [i for n, i in enumerate(ids) if n % 7 == 3])
        self.assertEqual(thread[0]["thread"], "t3")
        self.assertEqual(self.lines(relay, "/v1/queue", thread="nothing"), [])

    def test_an_event_is_shown_by_its_id_and_its_seq(self):
        relay = self.start()
        self.stop_deliveries(relay)
        made, = self.submit(relay, self.ci_event("t1", body="the body", number=1.50))
        own, = self.submit(relay, self.ci_event("t2", uuid="my/own+id%"))
        event = self.get(relay, f"/v1/queue/{made}")
        self.assertEqual((event["id"], event["source"], event["thread"]), (made, "ci", "t1"))
        self.assertEqual(event["body"]["body"], "the body")
        self.assertEqual(event["chain"][-1]["cause"], "token_paused")
        self.assertNotIn("earliest_s", event)
        self.assertEqual(self.get(relay, f"/v1/queue/{event['seq']}")["id"], made)
        shown = self.get(relay, "/v1/queue/" + urllib.parse.quote(own, safe=""))
        self.assertEqual((shown["id"], shown["own_id"]), (own, True))
        self.assertIn(b'"number": 1.5', self.call(relay, "GET", f"/v1/queue/{made}").body)

    # ---- who may change

    @unittest.skipUnless(os.geteuid() == 0, "needs another user to be")
    def test_who_may_look_may_not_change(self):
        relay = self.start(control={"socket_mode": "0666"}, ingest={"socket_mode": "0666"})
        relay.directory.chmod(0o755)
        self.directory.chmod(0o755)
        nobody = 65534
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.setgroups([])
                os.setgid(nobody)
                os.setuid(nobody)
                self.get(relay, "/v1/status")
                self.lines(relay, "/v1/sources")
                refused = self.post(relay, "/v1/sources/ci/pause", expect=403)
                plan = self.post(relay, "/v1/queue/drop", all=True, plan=True)
                ok = refused["code"] == "not_permitted" and plan["plan"] is True
                status = 0 if ok else 2
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0)
        relay.wait_for_log(rf"control\.refused.*action=source\.pause uid={nobody} pid={pid}\b")
        self.assertEqual(self.lines(relay, "/v1/sources")[0]["state"], "active")

    @unittest.skipUnless(os.geteuid() == 0, "needs other users to be")
    def test_who_may_only_look_can_not_keep_out_who_may_change(self):
        relay = self.start(control={"socket_mode": "0666"})
        relay.directory.chmod(0o755)
        self.directory.chmod(0o755)
        path = str(relay.control_socket)
        with contextlib.ExitStack() as held:
            for uid in (60001, 60002):
                os.seteuid(uid)
                try:
                    for _ in range(32):
                        connection = held.enter_context(socket.socket(socket.AF_UNIX))
                        connection.connect(path)
                        connection.sendall(b"GET /v1/sta")  # and never the rest
                finally:
                    os.seteuid(0)
            for _ in range(3):
                self.assertEqual(self.flowrelay(relay, "status").status, 0)
            self.assertEqual(self.flowrelay(relay, "source", "pause", "ci").status, 0)
            os.seteuid(60003)
            try:
                with socket.socket(socket.AF_UNIX) as refused:
                    refused.connect(path)
                    answer = refused.makefile("rb").read()
            finally:
                os.seteuid(0)
            self.assertRegex(answer, rb"^HTTP/1.1 503 ")
            self.assertEqual(json.loads(answer.split(b"\r\n\r\n")[1])["code"], "busy")
            relay.wait_for_log(r"server\.busy .*uid=60003 most_of=6000[12]")

    def test_a_socket_that_was_passed_has_the_same_limits(self):
        """As under the units, where systemd has made it."""
        relay = self.make_relay(self.server.url)
        with socket.socket(socket.AF_UNIX) as listening, contextlib.ExitStack() as idle:
            listening.bind(str(relay.control_socket))
            listening.listen(100)
            fd = listening.fileno()
            relay.start(["bash", "-c", f'LISTEN_PID=$$ exec "$@" 3<&{fd}', "bash"], pass_fds=[fd],
                        env={**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "control"})
            for _ in range(80):  # each idle one makes place for the next
                connection = idle.enter_context(socket.socket(socket.AF_UNIX))
                connection.settimeout(support.PATIENCE)
                connection.connect(str(relay.control_socket))
                connection.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertTrue(connection.recv(12).startswith(b"HTTP/1.1 200"))
            self.assertEqual(self.flowrelay(relay, "status").status, 0)

    def test_a_token_in_the_place_of_a_name_is_not_repeated(self):
        token = self.token()
        relay = self.start()
        self.post(relay, "/v1/sources", expect=201, name="web", flow_token=token)
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            for _ in range(120):  # from the hundredth on they are summed up at notice
                answer = producer.submit({"source": token, "external_thread_id": "t", "title": "x",
                                          "author": {"name": "a"}})
                self.assertEqual(answer["code"], "unknown_source")
                self.assertIn("is a token", answer["message"])
        for path in (f"/v1/sources/{token}/pause", f"/v1/sources/{token}/enable"):
            refused = self.post(relay, path, expect=404)
            self.assertIn("is a token", refused["message"])
        self.post(relay, "/v1/queue/retry", expect=404, source=token)
        self.get(relay, f"/v1/queue?source={token}", expect=404)
        relay.wait_for_log(r'control\.failed action=source\.pause target=\[token\] ')
        self.assertNotIn(token, relay.log)

    @unittest.skipUnless(os.geteuid() == 0, "needs another user to be")
    def test_the_admin_group_may_change(self):
        relay = self.start(control={"socket_mode": "0666", "admin_group": "daemon"})
        relay.directory.chmod(0o755)
        self.directory.chmod(0o755)
        import grp
        group = grp.getgrnam("daemon").gr_gid
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.setgroups([group])
                os.setgid(65534)
                os.setuid(65534)
                self.post(relay, "/v1/sources/ci/pause")
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0)
        self.assertEqual(self.lines(relay, "/v1/sources")[0]["state"], "paused")

    def test_a_group_that_does_not_exist_is_an_error_at_start_with_its_place(self):
        for section, key in (("control", "admin_group"), ("control", "socket_group"),
                             ("ingest", "socket_group")):
            relay = self.make_relay(self.server.url, name=f"{section}-{key}",
                                    **{section: {key: "no-such-group"}})
            program = relay.launch()
            self.assertEqual(program.wait(), 78, key)
            lines = pathlib.Path(relay.config_path).read_text(encoding="utf-8").splitlines()
            line = next(n for n, text in enumerate(lines, 1) if "no-such-group" in text)
            self.assertIn(f"{relay.config_path}:{line}:", relay.log)
            self.assertIn(f"key `{section}.{key}`: there is no group \\\"no-such-group\\\"", relay.log)

    def test_a_group_may_be_given_by_its_number(self):
        relay = self.start(control={"socket_mode": "0660", "socket_group": str(os.getegid()),
                                    "admin_group": str(os.getegid())})
        self.assertEqual(self.lines(relay, "/v1/sources")[0]["name"], "ci")

    def test_ids_and_places_of_pages_are_checked_alike_everywhere(self):
        relay = self.start()
        for path in ("/v1/queue/retry", "/v1/queue/drop", "/v1/dead/replay", "/v1/dead/drop"):
            for ids in ([None], [True], [1.5], [-1], [0], [{}], [[]], "x", 7, {}, ["x", None],
                        ["x"] * 1001):
                answer = self.post(relay, path, expect=400, ids=ids)
                self.assertEqual(answer["code"], "invalid", (path, ids))
                self.assertIn("ids", answer["message"])
            self.post(relay, path, ids=["nothing", 4711])
        for path in ("/v1/sources", "/v1/queue", "/v1/dead"):
            for after in ("x", "1.2", "-1", "1.2.3.4", "9" * 30):
                self.call(relay, "GET", f"{path}?after={after}", expect=400)

    def test_every_change_is_one_log_line_with_who_made_it(self):
        relay = self.start()
        self.post(relay, "/v1/sources/ci/pause")
        self.post(relay, "/v1/queue/drop", ids=["nothing"])
        self.post(relay, "/v1/queue/drop", all=True, plan=True)
        self.post(relay, "/v1/sources/ci/enable", expect=409)
        self.post(relay, "/v1/queue/drop", expect=404, source="nobody", thread="t")
        relay.stop()
        who = rf"uid={os.geteuid()} pid={os.getpid()}\b"
        changed = [line for line in relay.log.splitlines() if "event=control." in line]
        self.assertEqual(len(changed), 4, changed)
        self.assertRegex(changed[0], r"control\.changed action=source\.pause target=ci .*" + who)
        self.assertRegex(changed[1], r"control\.changed action=queue\.drop target=nothing .*" + who)
        self.assertRegex(changed[2], r"control\.failed action=source\.enable target=ci "
                                     r'result="ci is not gone.*" status=409 ' + who)
        self.assertRegex(changed[3], r"control\.failed action=queue\.drop "
                                     r'target="nobody, thread t" result="no source is called ' +
                         '.*' + who)

    # ---- the queue

    def test_dropped_events_are_gone_for_good_and_in_the_books(self):
        relay = self.start()
        self.stop_deliveries(relay)
        ids = self.submit(relay, *(self.ci_event(f"t{n % 5}") for n in range(200)))
        plan = self.post(relay, "/v1/queue/drop", plan=True, source="ci", thread="t1")
        self.assertEqual((plan["matched"], len(plan["examples"])), (40, 5))
        self.assertEqual(relay.status()["queued"], 200)
        done = self.post(relay, "/v1/queue/drop", source="ci", thread="t1")
        self.assertEqual((done["matched"], done["dropped"]), (40, 40))
        done = self.post(relay, "/v1/queue/drop", ids=[ids[0], "nothing", 3])
        self.assertEqual((done["dropped"], done["not_found"]), (2, ["nothing"]))
        again = self.post(relay, "/v1/queue/drop", ids=[ids[0]])
        self.assertEqual((again["dropped"], again["not_found"]), (0, [ids[0]]))
        past = self.get(relay, "/v1/explain", of=ids[0])
        self.assertEqual((past["kind"], past["state"]), ("past", "dropped"))
        now = relay.status()
        self.assertEqual((now["queued"], now["dropped"], now["unaccounted"]), (158, 42, 0))
        self.assertEqual(now["tokens"][0]["queued"], 158)
        relay.restart()
        self.post(relay, "/v1/sources/ci/resume")
        now = relay.wait_until_idle()
        self.assertEqual((now["delivered"], now["dropped"]), (158, 42))
        left = {i for n, i in enumerate(ids) if n % 5 != 1 and n not in (0, 2)}
        self.assertEqual({event["uuid"] for event in self.server.wait_for(158)}, left)

    def test_events_far_back_in_a_long_queue_are_dropped_while_others_are_delivered(self):
        relay = self.start(destination={"rate_limit": 0})
        self.stop_deliveries(relay)
        count = 30_000
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            for first in range(0, count, 1000):
                producer.submit_all([self.ci_event(f"t{n % 3000}", uuid=f"e{n}", title="x")
                                     for n in range(first, first + 1000)])
        # Slow enough that the drop does not come too late, however busy the machine is.
        self.server.rules({"status": 202, "delay_ms": 10})
        self.post(relay, "/v1/sources/ci/resume")
        dropped = 0
        body = {"source": "ci"}
        while True:
            done = self.post(relay, "/v1/queue/drop", **body)
            dropped += done["dropped"]
            if "next" not in done:
                break
            body.update(after=done["next"], accepted_by_ms=done["accepted_by_ms"])
        now = relay.wait_until_idle()
        self.assertEqual(now["delivered"] + now["dropped"], count, now)
        self.assertEqual(now["dropped"], dropped)
        self.assertGreater(dropped, 0)
        events = self.server.delivered()
        self.assertEqual(len(events), len({event["uuid"] for event in events}))
        self.submit(relay, self.ci_event("after"))
        relay.wait_until_idle()

    def test_two_operators_who_drop_the_same_drop_it_once(self):
        relay = self.start()
        self.stop_deliveries(relay)
        self.submit(relay, *(self.ci_event(f"t{n}") for n in range(2000)))
        results = []

        def drop():
            results.append(self.post(relay, "/v1/queue/drop", all=True)["dropped"])
        threads = [threading.Thread(target=drop) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sum(results), 2000, results)
        now = relay.wait_until_idle()
        self.assertEqual((now["dropped"], now["queued"]), (2000, 0))
        self.assertEqual(now["tokens"][0]["queued"], 0)

    def test_a_request_that_is_under_way_is_not_dropped(self):
        self.server.rules({"status": 200, "delay_ms": 1500})
        relay = self.start()
        event, = self.submit(relay, self.ci_event("t1"))
        self.server.wait_for_requests(0)
        relay.wait_for_status("the request", lambda now: now["in_flight"] == 1)
        done = self.post(relay, "/v1/queue/drop", ids=[event])
        self.assertEqual((done["dropped"], done["in_flight"]), (0, 1))
        self.assertEqual(self.get(relay, "/v1/explain", of=event)["state"], "in_flight")
        self.assertEqual(relay.wait_until_idle()["delivered"], 1)

    def test_retry_tries_what_waits_at_once(self):
        self.server.rules({"status": 503})
        relay = self.start(retry={"initial": "1h", "max": "1h"})
        event, = self.submit(relay, self.ci_event("t1"))
        self.server.wait_for_requests(1)
        relay.wait_for_status("the wait", lambda now: now["waiting_lanes"] == 1)
        self.server.rules()
        plan = self.post(relay, "/v1/queue/retry", ids=[event], plan=True)
        self.assertEqual((plan["retried"], plan["plan"]), (1, True))
        self.assertEqual(relay.status()["waiting_lanes"], 1)
        self.assertEqual(self.post(relay, "/v1/queue/retry", source="ci")["retried"], 1)
        self.assertEqual(relay.wait_until_idle()["delivered"], 1)
        past = self.get(relay, "/v1/explain", of=event)
        self.assertEqual((past["state"], past["attempts"]), ("delivered", 2))
        self.assertEqual([attempt["status"] for attempt in past["history"]], [503])

    # ---- explanations

    def test_explain_says_what_holds_an_event(self):
        self.server.rules({"match": {"external_thread_id": "stuck"}, "status": 503})
        relay = self.start(retry={"initial": "30m", "max": "1h"})
        first, second = self.submit(relay, self.ci_event("stuck"), self.ci_event("stuck"))
        relay.wait_for_status("the wait", lambda now: now["waiting_lanes"] == 1)
        told = self.get(relay, "/v1/explain", of=second)
        self.assertEqual([link["cause"] for link in told["chain"]], ["behind", "thread_waits"])
        self.assertGreater(told["earliest_s"], 60)
        told = self.get(relay, "/v1/explain", of="stuck")
        self.assertEqual((told["kind"], told["id"]), ("thread", first))
        self.assertEqual(told["history"][0]["status"], 503)
        self.stop_deliveries(relay)
        told = self.get(relay, "/v1/explain", source="ci")
        self.assertEqual((told["kind"], told["state"], told["queued"]), ("source", "paused", 2))
        self.assertEqual(told["oldest"]["id"], first)
        self.assertNotIn("earliest_s", told)

    def test_explain_knows_what_became_of_an_event(self):
        self.server.rules({"match": {"external_thread_id": "bad"}, "status": 422,
                           "body": {"message": "no"}})
        relay = self.start()
        good, bad = self.submit(relay, self.ci_event("good"), self.ci_event("bad"))
        relay.wait_until_idle()
        self.assertEqual(self.get(relay, "/v1/explain", of=good)["state"], "delivered")
        self.assertEqual(self.get(relay, "/v1/explain", of="good")["state"], "delivered")
        told = self.get(relay, "/v1/explain", of=bad)
        self.assertEqual((told["kind"], told["state"], told["status"]), ("dead", "dead", 422))
        relay.restart()
        self.assertEqual(self.get(relay, "/v1/explain", of=bad)["kind"], "dead")
        self.get(relay, "/v1/explain", expect=404, of=good)

    def test_an_old_event_is_found_by_its_id_in_a_long_queue(self):
        relay = self.start()
        self.stop_deliveries(relay)
        ids = []
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            for _ in range(20):
                ids += [answer["id"] for answer in producer.submit_all(
                    [self.ci_event(f"t{n}") for n in range(1000)])]
        relay.restart()  # nothing is in memory by chance
        for wanted in (ids[0], ids[9_999], ids[-1]):
            self.assertEqual(self.get(relay, f"/v1/queue/{wanted}")["id"], wanted)
        unknown = ids[5000][:-4] + "ffff"
        self.get(relay, f"/v1/queue/{unknown}", expect=404)

    # ---- sources

    def test_an_added_source_lasts_and_its_token_is_in_no_answer(self):
        relay = self.start()
        token = self.token()
        added = self.post(relay, "/v1/sources", expect=201, name="web", flow_token=token)
        self.assertEqual((added["name"], added["kind"], added["state"]), ("web", "added", "active"))
        self.submit(relay, {"source": "web", "external_thread_id": "t", "title": "x",
                            "author": {"name": "W"}})
        relay.wait_until_idle()
        relay.kill()
        relay.start()
        self.submit(relay, {"source": "web", "external_thread_id": "t", "title": "x",
                            "author": {"name": "W"}})
        relay.wait_until_idle()
        self.assertEqual({e["flow_token"] for e in self.server.wait_for(2)}, {token})
        self.post(relay, "/v1/sources", expect=409, name="web", flow_token=self.token())
        self.post(relay, "/v1/sources", expect=409, name="ci", flow_token=self.token())

    def test_rotation_posts_what_is_queued_with_the_new_token(self):
        old, new = self.token(), self.token()
        self.server.rules({"match": {"flow_token": old}, "status": 401})
        relay = self.start()
        self.post(relay, "/v1/sources", expect=201, name="web", flow_token=old)
        ids = self.submit(relay, *({"source": "web", "external_thread_id": "t", "title": str(n),
                                    "author": {"name": "W"}} for n in range(20)))
        relay.wait_for_log(r"token\.parked")
        self.assertNotEqual(relay.files_with(old), [])
        self.post(relay, "/v1/sources/web/rotate", flow_token=new)
        delivered = self.server.wait_for(20)
        self.assertEqual([e["uuid"] for e in delivered], ids)
        self.assertEqual({e["flow_token"] for e in delivered}, {new})
        relay.wait_until_idle()
        self.assertEqual(relay.files_with(old), [], "the old token is still on the disk")
        relay.restart()
        self.submit(relay, {"source": "web", "external_thread_id": "t", "title": "after",
                            "author": {"name": "W"}})
        self.assertEqual(self.server.wait_for(21)[-1]["flow_token"], new)

    def test_a_removed_source_leaves_nothing(self):
        relay = self.start()
        token = self.token()
        self.post(relay, "/v1/sources", expect=201, name="web", flow_token=token)
        self.post(relay, "/v1/sources/web/pause")
        self.submit(relay, *({"source": "web", "external_thread_id": f"removed-thread-{n}",
                              "title": "removed-title", "author": {"name": "W"}}
                             for n in range(50)))
        plan = self.post(relay, "/v1/sources/web/remove", plan=True)
        self.assertEqual((plan["queued"], plan["plan"]), (50, True))
        self.post(relay, "/v1/sources/web/remove")
        relay.wait_for_log(r"token\.erased")
        self.assertEqual(relay.files_with(token, "removed-title", "removed-thread"), [])
        now = relay.wait_until_idle()
        self.assertEqual((now["erased"], now["unaccounted"]), (50, 0))
        with Producer(relay.ingest_socket) as producer:
            self.assertEqual(producer.submit({"source": "web", "external_thread_id": "t",
                                              "title": "x", "author": {"name": "W"}})["code"],
                             "unknown_source")
        self.post(relay, "/v1/sources/web/enable", expect=409)
        # Name and token can be used again, for something new.
        self.post(relay, "/v1/sources", expect=201, name="web", flow_token=token)
        self.submit(relay, {"source": "web", "external_thread_id": "t", "title": "x",
                            "author": {"name": "W"}})
        relay.restart()
        self.assertEqual(relay.wait_until_idle()["delivered"], 1)

    def test_a_410_can_be_taken_back_during_the_grace(self):
        self.server.rules({"status": 410})
        relay = self.start(gone={"grace": "1h"})
        ids = self.submit(relay, *(self.ci_event(f"t{n % 3}") for n in range(100)))
        relay.wait_for_log(r"token\.gone")
        relay.wait_for_status("no request under way", lambda now: now["in_flight"] == 0)
        self.server.rules()
        for restart in (False, True):
            with self.subTest(restart=restart):
                if restart:
                    self.server.rules({"status": 410})
                    ids += self.submit(relay, *(self.ci_event(f"u{n % 3}") for n in range(100)))
                    relay.wait_for_status("410", lambda now: now["tokens"][0]["state"] == "gone")
                    relay.restart()
                    self.server.rules()
                self.assertEqual(self.post(relay, "/v1/sources/ci/enable")["state"], "active")
                relay.wait_until_idle()
                self.assertEqual({e["uuid"] for e in self.server.delivered()}, set(ids))
        self.post(relay, "/v1/sources/ci/enable", expect=409)

    def test_a_pause_lasts_over_a_restart(self):
        relay = self.start()
        self.stop_deliveries(relay)
        self.submit(relay, self.ci_event("t1"))
        relay.kill()
        relay.start()
        self.assertEqual(self.lines(relay, "/v1/sources")[0]["state"], "paused")
        time.sleep(0.2)
        self.assertEqual(self.server.requests(), [])
        self.post(relay, "/v1/sources/ci/resume")
        relay.wait_until_idle()

    # ---- dead letters

    def test_dead_letters_are_listed_shown_and_dropped(self):
        self.server.rules({"match": {"external_thread_id": "bad"}, "status": 422,
                           "body": {"message": "no", "errors": {"title": ["is bad"]}}})
        relay = self.start()
        ids = self.submit(relay, *(self.ci_event("bad", body=f"n{n}") for n in range(30)))
        relay.wait_until_idle()
        listed = self.lines(relay, "/v1/dead", limit=7)
        self.assertEqual([letter["id"] for letter in listed], ids)
        by_source = self.lines(relay, "/v1/dead", source="ci", limit=1000)
        self.assertEqual([letter["id"] for letter in by_source], ids)
        letter = self.get(relay, f"/v1/dead/{ids[3]}")
        self.assertEqual((letter["status"], letter["outcome"], letter["body"]["body"]),
                         (422, "dead", "n3"))
        self.assertEqual(letter["reason"], "no")
        self.assertEqual(self.post(relay, "/v1/dead/drop", ids=[ids[3]], plan=True)["matched"], 1)
        self.server.rules()
        self.assertEqual(self.post(relay, "/v1/dead/replay", ids=[ids[5]])["replayed"], 1)
        relay.wait_for_status("the replay", lambda now: now["delivered"] == 1)
        self.assertEqual(self.server.wait_for(1)[0]["uuid"], ids[5])
        done = self.post(relay, "/v1/dead/drop", ids=[ids[3], "nothing"])
        self.assertEqual((done["dropped"], done["not_found"]), (1, ["nothing"]))
        self.get(relay, f"/v1/dead/{ids[3]}", expect=404)
        self.assertEqual(self.post(relay, "/v1/dead/drop", source="ci")["dropped"], 28)
        relay.restart()
        self.assertEqual(relay.status()["dead_letters"], 0)


if __name__ == "__main__":
    support.main()
