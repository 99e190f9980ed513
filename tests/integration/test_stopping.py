"""While the daemon stops it serves its producers to the last, and says so."""

import signal
import time

import support
from metric_samples import scrape
from producers import Producer


class Stopping(support.RelayTestCase):
    def test_status_health_and_metrics_agree_with_what_producers_are_told(self):
        server = self.start_devserver()
        relay = self.start_relay(server.url, metrics={"listen": "127.0.0.1:0"})
        token = self.token()
        server.rules({"delay_ms": 5500, "status": 200})
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            self.assertEqual(producer.submit(support.event(token, "slow"))["status"], "accepted")
            relay.wait_for_status("a request under way", lambda now: now["in_flight"] == 1)
            relay.program.process.send_signal(signal.SIGTERM)
            now = relay.wait_for_status("the stop", lambda now: now["state"] == "stopping")
            for number in range(2):
                answer = producer.submit(support.event(token, f"t{number}"))
                self.assertEqual(answer["status"], "accepted", answer)
                now = relay.status()
                self.assertEqual((now["state"], now["accepting"]), ("stopping", True), now)
                self.assertNotIn("refusal", now)
                self.assertEqual(scrape(relay)[("flowrelay_accepting", ())], 1)
                shown = self.flowrelay(relay, "status").stdout
                self.assertRegex(shown, r"^flowrelayd \S+ is stopping")
                self.assertNotIn("NO EVENTS ARE ACCEPTED", shown)
                health = self.flowrelay(relay, "health")
                self.assertEqual(health.status, 1, health)
                self.assertIn("WARNING - flowrelayd is stopping |", health.stdout)
                time.sleep(0.2)
        self.assertEqual(relay.program.wait(), 0)
        relay.start()
        server.rules()
        server.wait_for(3)


if __name__ == "__main__":
    support.main()
