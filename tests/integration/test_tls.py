"""Delivery over TLS to a real HTTPS server (nginx), which passes on to the development server."""

import os
import shutil
import subprocess
import time

import support
from producers import Producer


class Authority:
    """A certificate authority of its own."""

    def __init__(self, directory, name):
        self.directory = directory / name
        self.directory.mkdir()
        self.certificate = self.directory / "ca.pem"
        self.key = self.directory / "ca.key"
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                     f"/CN={name}", "-keyout", self.key, "-out", self.certificate, "-addext",
                     "keyUsage=critical,keyCertSign")

    @staticmethod
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=60)

    def issue(self, names, days=1):
        """A certificate for subject alternative names; `days` may be negative. Returns the paths of
        certificate and key."""
        base = self.directory / f"server-{len(list(self.directory.iterdir()))}"
        request, key = base.with_suffix(".csr"), base.with_suffix(".key")
        certificate, extensions = base.with_suffix(".pem"), base.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={names}\n")
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", key,
                     "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                     "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", certificate)
        return certificate, key


class Tls(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.t = self.token()
        self.server = self.start_devserver()
        self.authority = Authority(self.directory, "authority")
        self.good = self.authority.issue("DNS:localhost,IP:127.0.0.1")
        self.port = support.free_port()
        self.url = f"https://localhost:{self.port}"

    def start_nginx(self, identity, location="", http="", tls=""):
        """nginx on self.port with (certificate, key); the rest goes into its configuration."""
        prefix = self.directory / f"nginx-{len(self.programs)}"
        prefix.mkdir()
        certificate, key = identity
        configuration = prefix / "nginx.conf"
        configuration.write_text(f"""
            {"user root;" if os.geteuid() == 0 else ""}
            worker_processes 1;
            pid {prefix}/pid;
            error_log stderr info;
            events {{ worker_connections 512; }}
            http {{
                access_log off;
                client_body_temp_path {prefix}/body;
                proxy_temp_path {prefix}/proxy;
                fastcgi_temp_path {prefix}/fastcgi;
                uwsgi_temp_path {prefix}/uwsgi;
                scgi_temp_path {prefix}/scgi;
                {http}
                server {{
                    listen 127.0.0.1:{self.port} ssl;
                    ssl_certificate {certificate};
                    ssl_certificate_key {key};
                    {tls}
                    location / {{
                        {location}
                        proxy_pass {self.server.url};
                    }}
                }}
            }}""")
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        self.assertTrue(nginx, "nginx is missing")
        program = self.start_program("nginx", [nginx, "-p", prefix, "-c", configuration, "-e",
                                               "stderr", "-g", "daemon off;"])
        program.wait_for_output("start worker process ")
        return program

    def start(self, url=None, **settings):
        destination = settings.setdefault("destination", {})
        destination.setdefault("ca_file", str(self.authority.certificate))
        return self.start_relay(url or self.url, **settings)

    def submit(self, relay, *events):
        with Producer(relay.ingest_socket, support.PATIENCE) as producer:
            for answer in producer.submit_all(events):
                self.assertEqual(answer["status"], "accepted", answer)

    def some_events(self, count, lanes=5):
        return [support.event(self.t, f"t{n % lanes}", uuid=f"n{n}") for n in range(count)]

    def assert_all_arrived(self, relay, count, lanes=5):
        relay.wait_until_idle(2 * support.PATIENCE)
        arrived = self.server.delivered()
        for lane in range(lanes):
            mine = [e["uuid"] for e in arrived if e["external_thread_id"] == f"t{lane}"]
            self.assertEqual(list(dict.fromkeys(mine)),
                             [f"n{n}" for n in range(lane, count, lanes)])

    def assert_refused(self, relay, reason):
        """The log says why, and nothing is delivered."""
        relay.wait_for_log(rf"(?i)^.*(delivery\.retry|destination\.down).*({reason}).*$")
        self.assertEqual(self.server.requests(), [])
        now = relay.status()
        self.assertEqual((now["delivered"], now["dead"]), (0, 0))
        self.assertGreater(now["queued"], 0)

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
        self.assert_refused(relay, "issuer|self.signed|authority")
        relay.configure({"destination": {"ca_file": ""}})
        relay.restart()
        self.assert_refused(relay, "issuer|self.signed|authority")
        relay.configure({"destination": {"ca_file": str(self.authority.certificate)}})
        relay.restart()
        self.assert_all_arrived(relay, 10)

    def test_a_certificate_for_another_host_is_refused_until_it_is_right(self):
        nginx = self.start_nginx(self.authority.issue("DNS:other.example"))
        relay = self.start()
        self.submit(relay, *self.some_events(10))
        self.assert_refused(relay, r"host ?name|another host|not for localhost")
        nginx.terminate()
        self.start_nginx(self.good)
        self.assert_all_arrived(relay, 10)

    def test_an_expired_certificate_is_refused_until_it_is_renewed(self):
        nginx = self.start_nginx(self.authority.issue("DNS:localhost", days=-1))
        relay = self.start()
        self.submit(relay, *self.some_events(10))
        self.assert_refused(relay, "expired")
        nginx.terminate()
        self.start_nginx(self.good)
        self.assert_all_arrived(relay, 10)

    def test_a_server_that_speaks_no_tls_gets_nothing(self):
        relay = self.start(url=f"https://localhost:{self.server.port}")
        self.submit(relay, *self.some_events(3))
        relay.wait_for_log(r"delivery\.retry|destination\.down")
        self.assertNotIn(self.t, self.server.output)
        self.assertEqual(relay.status()["queued"], 3)

    def test_an_authority_file_that_can_not_be_used_stops_the_start(self):
        broken = self.directory / "broken.pem"
        broken.write_text("not a certificate\n")
        for path in (broken, self.directory / "missing.pem"):
            with self.subTest(path.name):
                relay = self.make_relay(self.url, path.stem, destination={"ca_file": str(path)})
                program = relay.launch()
                self.assertNotEqual(program.wait(), 0, program.output)
                self.assertIn(str(path), program.output)

    def test_a_redirect_parks_the_destination(self):
        nginx = self.start_nginx(self.good, location=f"return 301 {self.server.url}$request_uri;")
        relay = self.start()
        self.submit(relay, *self.some_events(10))
        relay.wait_for_log(r"destination\.parked")
        self.assertEqual((self.server.requests(), relay.status()["queued"]), ([], 10))
        nginx.terminate()
        self.start_nginx(self.good)
        relay.restart()
        self.assert_all_arrived(relay, 10)

    def test_a_rate_limit_of_the_server_is_lived_with(self):
        for status in (429, 503):
            with self.subTest(status):
                nginx = self.start_nginx(
                    self.good, http="limit_req_zone $server_name zone=z:1m rate=50r/s;",
                    location=f"limit_req zone=z burst=3 nodelay; limit_req_status {status};")
                before = len(self.server.delivered())
                relay = self.make_relay(self.url, f"relay-{status}", destination={
                    "ca_file": str(self.authority.certificate)}).start()
                self.submit(relay, *self.some_events(60))
                now = relay.wait_until_idle(3 * support.PATIENCE)
                self.assertEqual((now["delivered"], now["dead"]), (60, 0))
                arrived = self.server.delivered()[before:]
                for lane in range(5):
                    mine = [e["uuid"] for e in arrived if e["external_thread_id"] == f"t{lane}"]
                    self.assertEqual(mine, [f"n{n}" for n in range(lane, 60, 5)])
                nginx.terminate()

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

    def test_a_proxy_that_has_no_server_behind_it_is_waited_out(self):
        self.server.terminate()
        self.start_nginx(self.good)
        relay = self.start()
        self.submit(relay, *self.some_events(20))
        relay.wait_for_log(r"delivery\.retry.*502")
        self.server = self.start_devserver(listen=f"127.0.0.1:{self.server.port}")
        self.assert_all_arrived(relay, 20)


if __name__ == "__main__":
    support.main()
