"""nginx with TLS in front of the development server, for the black-box tests."""

import os
import shutil

import support
from certificates import Authority
from producers import Producer


class NginxTestCase(support.RelayTestCase):
    """A development server, an authority, and what is the same for all tests with nginx."""

    def setUp(self):
        super().setUp()
        self.t = self.token()
        self.server = self.start_devserver()
        self.authority = Authority(self.directory, "authority")
        self.good = self.authority.issue("DNS:localhost,IP:127.0.0.1")
        self.port = support.free_port()
        self.url = f"https://localhost:{self.port}"

    def start_nginx(self, identity, location="", http="", tls="", log_format="$status"):
        """nginx on self.port with (certificate, key); the rest goes into its configuration. What
        access_log() gives of it has this format."""
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
                log_format own "{log_format}";
                access_log {prefix}/access.log own;
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
        program.access_log = prefix / "access.log"
        return program

    @staticmethod
    def access_log(nginx):
        """A line for each request that it has answered."""
        return nginx.access_log.read_text().split("\n")[:-1]

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
        relay.wait_for_log(rf"(?i)^.*(delivery\.retry|destination\.(?:down|parked)).*({reason}).*$")
        self.assertEqual(self.server.requests(), [])
        now = relay.status()
        self.assertEqual((now["delivered"], now["dead"]), (0, 0))
        self.assertGreater(now["queued"], 0)
