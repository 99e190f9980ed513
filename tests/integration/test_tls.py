"""Delivery over TLS to a real HTTPS server (nginx), which passes on to the development server."""

import os
import signal
import time

import support
from certificates import Authority
from nginx import NginxTestCase


class Tls(NginxTestCase):
    def test_events_are_delivered_to_a_verified_server(self):
        self.start_nginx(self.good)
        for number, url in enumerate((self.url, f"https://127.0.0.1:{self.port}")):
            relay = self.make_relay(url, f"relay-{number}", destination={
                "ca_file": str(self.authority.certificate)}).start()
            self.submit(relay, *self.some_events(200))
            relay.wait_until_idle()
            self.assertNotIn("delivery.retry", relay.log)
        self.assert_all_arrived(relay, 200)
        self.assertEqual(len(self.server.delivered()), 400)

    def test_old_and_new_versions_of_tls_work(self):
        for version in ("TLSv1.2", "TLSv1.3"):
            with self.subTest(version):
                nginx = self.start_nginx(self.good, tls=f"ssl_protocols {version};")
                relay = self.make_relay(self.url, version, destination={
                    "ca_file": str(self.authority.certificate)}).start()
                self.submit(relay, *self.some_events(50))
                relay.wait_until_idle()
                self.assertNotIn("delivery.retry", relay.log)
                nginx.terminate()

    def test_the_server_name_is_sent(self):
        wrong = self.authority.issue("DNS:default.example")
        self.start_nginx(wrong, http=f"""
            server {{
                listen 127.0.0.1:{self.port} ssl;
                server_name localhost;
                ssl_certificate {self.good[0]};
                ssl_certificate_key {self.good[1]};
                location / {{ proxy_pass {self.server.url}; }}
            }}""", tls="server_name default.example;")
        relay = self.start()
        self.submit(relay, *self.some_events(5))
        self.assert_all_arrived(relay, 5)

    def test_an_unknown_authority_is_refused_until_its_certificate_is_configured(self):
        self.start_nginx(self.good)
        stranger = Authority(self.directory, "stranger")
        relay = self.start(destination={"ca_file": str(stranger.certificate)})
        self.submit(relay, *self.some_events(10))
        self.assert_refused(relay, r"comes from an unknown CA, ..CN = authority")
        relay.configure({"destination": {"ca_file": ""}})
        relay.restart()
        self.assert_refused(relay, r"comes from an unknown CA, ..CN = authority")
        relay.configure({"destination": {"ca_file": str(self.authority.certificate)}})
        relay.restart()
        self.assert_all_arrived(relay, 10)

    def test_a_certificate_for_another_host_is_refused_until_it_is_right(self):
        nginx = self.start_nginx(self.authority.issue("DNS:other.example"))
        relay = self.start()
        self.submit(relay, *self.some_events(10))
        self.assert_refused(relay, "not for localhost but for DNS:other.example")
        nginx.terminate()
        self.start_nginx(self.good)
        self.assert_all_arrived(relay, 10)

    def test_an_expired_certificate_is_refused_until_it_is_renewed(self):
        nginx = self.start_nginx(self.authority.issue("DNS:localhost", days=-1))
        relay = self.start()
        self.submit(relay, *self.some_events(10))
        self.assert_refused(relay, "certificate of localhost has expired on 20")
        nginx.terminate()
        self.start_nginx(self.good)
        self.assert_all_arrived(relay, 10)

    def test_a_self_signed_certificate_is_refused_until_it_is_trusted_by_name(self):
        identity = self.authority.issue_self_signed("DNS:localhost")
        self.start_nginx(identity)
        relay = self.start()
        self.submit(relay, *self.some_events(10))
        self.assert_refused(relay, "certificate of localhost is self-signed")
        relay.configure({"destination": {"ca_file": str(identity[0])}})
        relay.restart()
        self.assert_all_arrived(relay, 10)

    def test_sessions_are_resumed(self):
        for version in ("TLSv1.2", "TLSv1.3"):
            with self.subTest(version):
                nginx = self.start_nginx(self.good, tls=f"ssl_protocols {version};",
                                         http="keepalive_timeout 0;",
                                         log_format="$ssl_protocol $ssl_session_reused")
                relay = self.make_relay(self.url, f"resumed-{version}", destination={
                    "ca_file": str(self.authority.certificate), "max_connections": 1}).start()
                self.submit(relay, *self.some_events(50))
                relay.wait_until_idle()
                nginx.terminate()
                self.assertEqual(self.access_log(nginx),
                                 [f"{version} ."] + [f"{version} r"] * 49)

    def test_a_server_that_wants_a_certificate_is_shown_one(self):
        client, key = self.authority.issue("DNS:client")
        self.start_nginx(self.good, tls=f"""
            ssl_client_certificate {self.authority.certificate};
            ssl_verify_client on;
            error_page 495 496 =503 @refused;
            location @refused {{ return 503; }}""")
        relay = self.start()
        self.submit(relay, *self.some_events(10))
        relay.wait_for_log(r"delivery\.retry.*503")
        self.assertEqual((self.server.requests(), relay.status()["queued"]), ([], 10))
        relay.configure({"destination": {"client_certificate": str(client),
                                         "client_key": str(key)}})
        relay.restart()
        self.assert_all_arrived(relay, 10)
        self.assertNotIn("config.key_exposed", relay.log)

    def test_a_renewed_certificate_counts_with_a_reload(self):
        stranger = Authority(self.directory, "stranger")
        client, key = self.directory / "client.pem", self.directory / "client.key"
        old, new = stranger.issue("DNS:client"), self.authority.issue("DNS:client")
        client.write_bytes(old[0].read_bytes())
        key.write_bytes(old[1].read_bytes())
        key.chmod(0o600)
        self.start_nginx(self.good, tls=f"""
            ssl_client_certificate {self.authority.certificate};
            ssl_verify_client on;
            error_page 495 496 =503 @refused;
            location @refused {{ return 503; }}""")
        relay = self.start(destination={"client_certificate": str(client),
                                        "client_key": str(key)})
        self.submit(relay, *self.some_events(10))
        relay.wait_for_log(r"delivery\.retry.*503")
        key.write_bytes(old[1].read_bytes()[:100])
        relay.program.process.send_signal(signal.SIGHUP)
        relay.wait_for_log(r"config\.invalid.*destination\.client_key")
        self.assertEqual(relay.status()["queued"], 10)
        client.write_bytes(new[0].read_bytes())
        key.write_bytes(new[1].read_bytes())
        relay.program.process.send_signal(signal.SIGHUP)
        self.assert_all_arrived(relay, 10)

    def test_the_certificate_may_be_a_credential_of_systemd(self):
        client, key = self.authority.issue("DNS:client")
        credentials = self.directory / "credentials"
        credentials.mkdir()
        (credentials / "relay.pem").write_bytes(client.read_bytes())
        (credentials / "relay.key").write_bytes(key.read_bytes())
        self.start_nginx(self.good, tls=f"""
            ssl_client_certificate {self.authority.certificate};
            ssl_verify_client on;""")
        relay = self.make_relay(self.url, destination={
            "ca_file": str(self.authority.certificate),
            "client_certificate_credential": "relay.pem", "client_key_credential": "relay.key"})
        told = self.flowrelay(relay, "config", "check", relay.config_path)
        self.assertEqual(told.status, 0, told)
        self.assertIn("given to the service alone", told.stderr)
        relay.start(env=dict(os.environ, CREDENTIALS_DIRECTORY=str(credentials)))
        self.submit(relay, *self.some_events(10))
        self.assert_all_arrived(relay, 10)

    def test_a_key_that_others_can_read_is_told(self):
        client, key = self.authority.issue("DNS:client")
        key.chmod(0o644)
        relay = self.start(destination={"client_certificate": str(client),
                                        "client_key": str(key)})
        self.assertIn(f"chmod 0600 {key}",
                      relay.wait_for_log(r"^.*config\.key_exposed.*$").group())
        told = self.flowrelay(relay, "config", "check", relay.config_path)
        self.assertEqual(told.status, 0, told)
        self.assertIn(f"chmod 0600 {key}", told.stderr)

    def test_a_key_of_another_certificate_stops_the_start(self):
        client, _ = self.authority.issue("DNS:client")
        _, key = self.authority.issue("DNS:client")
        relay = self.make_relay(self.url, destination={"client_certificate": str(client),
                                                       "client_key": str(key)})
        program = relay.launch()
        self.assertEqual(program.wait(), 78, program.output)
        self.assertIn(f"destination.client_key: {key}: is not the key of the certificate in",
                      program.output)
        told = self.flowrelay(relay, "config", "check", relay.config_path)
        self.assertEqual(told.status, 78, told)
        self.assertIn("is not the key of the certificate in", told.stderr)

    def test_a_server_that_speaks_no_tls_gets_nothing(self):
        relay = self.start(url=f"https://localhost:{self.server.port}")
        self.submit(relay, *self.some_events(3))
        relay.wait_for_log(r"(delivery\.retry|destination\.(?:down|parked)).*does not speak TLS on this port")
        self.assertNotIn(self.t, self.server.output)
        self.assertEqual(relay.status()["queued"], 3)

    def test_an_authority_file_that_can_not_be_used_stops_the_start(self):
        broken = self.directory / "broken.pem"
        broken.write_text("not a certificate\n")
        for path in (broken, self.directory / "missing.pem"):
            with self.subTest(path.name):
                relay = self.make_relay(self.url, path.stem, destination={"ca_file": str(path)})
                program = relay.launch()
                self.assertEqual(program.wait(), 78, program.output)
                self.assertIn(str(path), program.output)

    def test_connections_that_the_server_ends_cost_no_retry(self):
        self.start_nginx(self.good, http="keepalive_requests 7; keepalive_timeout 1s;")
        relay = self.start()
        self.submit(relay, *self.some_events(100))
        relay.wait_until_idle()
        time.sleep(1.5)  # until the idle connections have been closed
        self.submit(relay, support.event(self.t, "later", uuid="later"))
        relay.wait_until_idle()
        self.assertEqual(len(self.server.delivered()), 101)
        self.assertNotIn("delivery.retry", relay.log)


if __name__ == "__main__":
    support.main()
