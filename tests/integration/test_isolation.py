"""One stuck thread of twenty: the other nineteen are delivered at full speed."""

import time

import support
from producers import Producer

THREADS = 20
EVENTS = 150  # for each thread
DELAY = "4ms"


class Isolation(support.RelayTestCase):
    def time_to_deliver(self, with_the_stuck_one):
        """Seconds from the first submission to the last arrival of the nineteen."""
        server = self.start_devserver("--delay", DELAY)
        server.rules({"match": {"external_thread_id": "thread-0"}, "status": 503})
        relay = self.make_relay(server.url, f"relay-{with_the_stuck_one}",
                                log={"level": "info"}).start()
        token = self.token()
        first = 0 if with_the_stuck_one else 1
        events = [support.event(token, f"thread-{thread}", uuid=f"{thread}-{n}")
                  for n in range(EVENTS) for thread in range(first, THREADS)]
        begun = time.monotonic()
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            for answer in producer.submit_all(events):
                self.assertEqual(answer["status"], "accepted", answer)
        expected = (THREADS - 1) * EVENTS
        relay.wait_for_status("the nineteen", lambda now: now["delivered"] >= expected)
        took = time.monotonic() - begun

        arrived = server.wait_for(expected)
        for thread in range(1, THREADS):
            mine = [e["uuid"] for e in arrived if e["external_thread_id"] == f"thread-{thread}"]
            self.assertEqual(mine, [f"{thread}-{n}" for n in range(EVENTS)])
        now = relay.status()
        self.assertEqual((now["delivered"], now["dead"]), (expected, 0))
        self.assertEqual(now["queued"], EVENTS if with_the_stuck_one else 0)
        self.assertEqual(now["destination"]["state"], "up")
        if with_the_stuck_one:
            tries = [r for r in server.requests()
                     if r["event"]["external_thread_id"] == "thread-0"]
            self.assertGreaterEqual(len(tries), 2, "the stuck thread was not even tried")
            self.assertEqual({r["event"]["uuid"] for r in tries}, {"0-0"}, "out of order")
        self.assertEqual(relay.stop(), 0)
        return took

    def test_nineteen_threads_are_as_fast_as_without_the_stuck_one(self):
        alone = self.time_to_deliver(False)
        beside = self.time_to_deliver(True)
        print(f"nineteen threads alone: {alone:.2f} s, beside a stuck one: {beside:.2f} s")
        self.assertLess(beside, 1.5 * alone + 0.5)

    def test_a_stuck_thread_gets_through_in_order_once_it_can(self):
        server = self.start_devserver()
        server.rules({"match": {"external_thread_id": "thread-0"}, "status": 503})
        relay = self.start_relay(server.url)
        token = self.token()
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            producer.submit_all(support.event(token, f"thread-{n % THREADS}", uuid=f"n{n}")
                                for n in range(200))
        server.wait_for(190)
        server.rules()
        server.wait_for(200)
        mine = [e["uuid"] for e in server.delivered() if e["external_thread_id"] == "thread-0"]
        self.assertEqual(mine, [f"n{n}" for n in range(0, 200, THREADS)])


if __name__ == "__main__":
    support.main()
