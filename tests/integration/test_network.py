"""Networks that lose, delay, cut and go away: what was accepted arrives, thread by thread in order,
and nobody is stormed with requests."""

import time

import support
from networks import Forwarder, Namespaces
from nginx import NginxTestCase
from producers import Producer


class NetworkTestCase(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.t = self.token()

    def submit(self, relay, count, lanes=8, first=0):
        events = [support.event(self.t, f"t{n % lanes}", uuid=f"n{n}")
                  for n in range(first, first + count)]
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            for answer in producer.submit_all(events):
                self.assertEqual(answer["status"], "accepted", answer)

    def assert_arrived_in_order(self, server, count, lanes=8):
        """Repeats are allowed where an answer was lost. What a link held back meanwhile may come to
        the server at any time: the first arrivals are in order."""
        arrived = server.delivered()
        for lane in range(lanes):
            mine = [int(e["uuid"][1:]) for e in arrived if e["external_thread_id"] == f"t{lane}"]
            self.assertEqual(list(dict.fromkeys(mine)), list(range(lane, count, lanes)),
                             f"thread {lane} is out of order or not whole")


class BadLink(NetworkTestCase):
    """A forwarder in user space, which needs no permission."""

    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.link = Forwarder(self.server.port)
        self.addCleanup(self.link.close)

    def start(self, **destination):
        destination.setdefault("request_timeout", "1s")
        return self.start_relay(f"http://127.0.0.1:{self.link.port}", destination=destination)

    def test_connections_that_are_cut_anywhere(self):
        self.link.cut_chance = 0.05
        relay = self.start()
        self.submit(relay, 600)
        status = relay.wait_until_idle(4 * support.PATIENCE)
        self.assertEqual((status["delivered"], status["dead"]), (600, 0))
        self.assertGreater(self.link.cuts, 10)
        self.assert_arrived_in_order(self.server, 600)
        # Each cut costs one request more at the most; a cut between two requests costs none.
        self.assertLessEqual(len(self.server.requests()), 600 + self.link.cuts)

    def test_a_slow_link(self):
        self.link.delay = 0.05
        relay = self.start(max_connections=16)
        self.submit(relay, 200, lanes=16)
        relay.wait_until_idle(4 * support.PATIENCE)
        self.assert_arrived_in_order(self.server, 200, lanes=16)
        self.assertEqual(len(self.server.requests()), 200, "slow is not broken")

    def test_a_link_that_swallows_everything_for_a_while(self):
        relay = self.start()
        self.submit(relay, 100)
        relay.wait_until_idle()
        self.link.away = True
        self.submit(relay, 200, first=100)
        relay.wait_for_log(r"destination\.down")
        time.sleep(3)
        tried = self.link.connections
        time.sleep(2)
        # One probe at a time, each for the second that request_timeout gives it.
        self.assertLessEqual(self.link.connections - tried, 5, "that is a storm")
        self.link.away = False
        relay.wait_until_idle(4 * support.PATIENCE)
        self.assert_arrived_in_order(self.server, 300)
        # What was on its way arrived late and again; nothing more than that.
        self.assertLessEqual(len(self.server.requests()), 300 + 60)


class BadLinkWithTls(NginxTestCase):
    """The same forwarder in front of nginx."""

    def test_connections_that_are_cut_anywhere(self):
        self.start_nginx(self.good, http="keepalive_requests 20;")
        link = Forwarder(self.port, seed=2)
        self.addCleanup(link.close)
        link.cut_chance = 0.03
        relay = self.start(f"https://localhost:{link.port}", destination={"request_timeout": "1s"})
        self.submit(relay, *self.some_events(300))
        self.assert_all_arrived(relay, 300)
        self.assertGreater(link.cuts, 10)
        self.assertEqual(relay.status()["dead"], 0)
        self.assertLessEqual(len(self.server.requests()), 300 + link.cuts)


class RealLink(NetworkTestCase):
    """Two network namespaces with a link between them."""

    def setUp(self):
        super().setUp()
        self.networks = Namespaces(self)

    def start_server(self, address):
        server = support.Program("devserver", [
            *self.networks.inside(self.networks.server), support.BIN / "flowrelay-devserver",
            "--listen", address, "--journal", self.directory / "journal.ndjson"], self.directory)
        self.programs.append(server)
        server.wait_for_output("listening on")
        server.journal_path = self.directory / "journal.ndjson"
        server.requests = lambda: support.Devserver.requests(server)
        server.delivered = lambda: support.Devserver.delivered(server)
        return server

    def start(self, url, **destination):
        destination = {"allow_plaintext": True, "request_timeout": "1s", "connect_timeout": "2s",
                       **destination}
        relay = self.make_relay(url, destination=destination)
        return relay.start(prefix=self.networks.inside(self.networks.client))

    def test_a_link_that_goes_away_and_comes_back(self):
        server = self.start_server(f"{Namespaces.SERVER}:8080")
        relay = self.start(f"http://{Namespaces.SERVER}:8080")
        self.submit(relay, 200)
        relay.wait_until_idle()
        self.networks.link("down")
        self.submit(relay, 400, first=200)
        relay.wait_for_log(r"destination\.down")
        time.sleep(2)
        self.assertEqual(relay.status()["queued"], 400)
        self.networks.link("up")
        relay.wait_until_idle(4 * support.PATIENCE)
        relay.wait_for_log(r"destination\.up")
        self.assert_arrived_in_order(server, 600)
        self.assertLessEqual(len(server.requests()), 600 + 40)
        self.assertLess(relay.log.count("event=delivery.retry"), 200, "an outage floods the log")

    def test_an_address_family_that_leads_nowhere_costs_a_moment(self):
        server = self.start_server(f"{Namespaces.SERVER}:8080")
        self.networks.hosts(self, f"{Namespaces.NOBODY6} api.test", f"{Namespaces.SERVER} api.test")
        relay = self.start("http://api.test:8080", connect_timeout="10s", max_connections=1)
        begun = time.monotonic()
        self.submit(relay, 50)
        relay.wait_until_idle()
        self.assertLess(time.monotonic() - begun, 2)
        self.assertNotIn("delivery.retry", relay.log)
        self.assert_arrived_in_order(server, 50)

    def test_ipv6_is_used_where_it_works(self):
        self.start_server(f"[{Namespaces.SERVER6}]:8080")
        self.networks.hosts(self, f"{Namespaces.SERVER6} api.test", f"{Namespaces.SERVER} api.test")
        relay = self.start("http://api.test:8080")
        self.submit(relay, 50)
        relay.wait_until_idle()
        self.assertNotIn("delivery.retry", relay.log)

    def test_a_name_that_is_not_known_yet_is_waited_for(self):
        server = self.start_server(f"{Namespaces.SERVER}:8080")
        self.networks.hosts(self)
        relay = self.start("http://api.test:8080")
        self.submit(relay, 20)
        relay.wait_for_log(r"resolve_failed: the name api\.test can't be resolved")
        self.networks.hosts(self, f"{Namespaces.SERVER} api.test")
        relay.wait_until_idle(2 * support.PATIENCE)
        self.assert_arrived_in_order(server, 20)

    def test_a_look_up_that_hangs_does_not_hold_up_the_end(self):
        self.networks.silent_nameserver(self)
        relay = self.start("http://api.test:8080")
        self.submit(relay, 1)
        relay.wait_for_log(r"the name api\.test could not be resolved in time")
        begun = time.monotonic()
        self.assertEqual(relay.stop(), 0)
        self.assertLess(time.monotonic() - begun, 5 * support.SCALE)
        self.assertIn("event=relay.stopped queued=1", relay.log)

    def test_loss_and_delay(self):
        self.networks.worsen("netem", "delay", "20ms", "5ms", "loss", "5%")
        server = self.start_server(f"{Namespaces.SERVER}:8080")
        relay = self.start(f"http://{Namespaces.SERVER}:8080", request_timeout="5s",
                           connect_timeout="5s")
        self.submit(relay, 400)
        relay.wait_until_idle(6 * support.PATIENCE)
        self.assert_arrived_in_order(server, 400)
        self.assertLessEqual(len(server.requests()), 440)

    def test_a_narrow_link_that_drops_what_it_can_not_hold(self):
        self.networks.worsen("tbf", "rate", "2mbit", "burst", "4kb", "limit", "12kb")
        server = self.start_server(f"{Namespaces.SERVER}:8080")
        relay = self.start(f"http://{Namespaces.SERVER}:8080", request_timeout="5s",
                           connect_timeout="5s")
        self.submit(relay, 400, lanes=32)
        relay.wait_until_idle(6 * support.PATIENCE)
        self.assertGreater(self.networks.lost(), 0)
        self.assert_arrived_in_order(server, 400, lanes=32)
        self.assertLessEqual(len(server.requests()), 440)


if __name__ == "__main__":
    support.main()
