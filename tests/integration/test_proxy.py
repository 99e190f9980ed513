"""Delivery through a real proxy (tinyproxy): CONNECT for https, whole URIs for http, passwords."""

import os
import shutil

import support
from nginx import NginxTestCase


class Proxy(NginxTestCase):
    def setUp(self):
        super().setUp()
        self.proxy_port = support.free_port()
        self.proxy = f"http://127.0.0.1:{self.proxy_port}"
        self.password = self.token()  # as secret as a token: it must not be seen in any output

    def start_tinyproxy(self, *lines):
        prefix = self.directory / f"tinyproxy-{len(self.programs)}"
        prefix.mkdir()
        configuration = prefix / "tinyproxy.conf"
        configuration.write_text("\n".join([
            f"Port {self.proxy_port}", "Listen 127.0.0.1", "Timeout 60", "MaxClients 100",
            "LogLevel Connect", f'PidFile "{prefix}/pid"', *lines]) + "\n")
        tinyproxy = shutil.which("tinyproxy")
        self.assertTrue(tinyproxy, "tinyproxy is missing")
        program = self.start_program("tinyproxy", [tinyproxy, "-d", "-c", configuration])
        support.wait_until(lambda: support.can_connect(self.proxy_port), "tinyproxy to listen")
        return program

    def credentials_file(self, text, mode=0o600):
        path = self.directory / "proxy.credentials"
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def start_through_proxy(self, url=None, **destination):
        destination.setdefault("proxy", self.proxy)
        return self.start(url, destination=destination)

    def test_the_start_says_which_way_it_goes(self):
        environment = dict(os.environ, http_proxy="http://127.0.0.1:9", no_proxy="10.0.0.0/33,a;b,x")
        relay = self.make_relay("http://192.0.2.1:1", destination={"allow_plaintext": True})
        relay.start(env=environment)
        relay.wait_for_log(r'destination.proxy_unclear entries="?10.0.0.0/33,a;b"?$')
        relay.wait_for_log(r"destination.proxy proxy=127.0.0.1:9 from=http_proxy")
        relay.stop()
        relay.start(env=dict(environment, no_proxy="192.0.2.0/24"))
        relay.wait_for_log(r'destination.proxy proxy=none from=http_proxy why="no_proxy has 192.0.2.0/24"')

    def test_https_goes_through_a_tunnel(self):
        self.start_nginx(self.good)
        proxy = self.start_tinyproxy()
        relay = self.start_through_proxy()
        self.submit(relay, *self.some_events(100))
        self.assert_all_arrived(relay, 100)
        self.assertNotIn("delivery.retry", relay.log)
        self.assertEqual(len(self.server.requests()), 100)
        self.assertIn(f"CONNECT localhost:{self.port}", proxy.output)
        self.assertNotIn("/messages", proxy.output)

    def test_plain_http_is_passed_on(self):
        proxy = self.start_tinyproxy()
        relay = self.start_through_proxy(self.server.url, ca_file="")
        self.submit(relay, *self.some_events(50))
        self.assert_all_arrived(relay, 50)
        self.assertIn(f"POST {self.server.url.rstrip('/')}/messages", proxy.output)

    def test_a_password_is_asked_for_and_given(self):
        self.start_nginx(self.good)
        self.start_tinyproxy(f"BasicAuth relay {self.password}")
        relay = self.start_through_proxy()
        self.submit(relay, *self.some_events(10))
        self.assert_refused(relay, "wants to know who we are .407.*proxy_credentials_file")
        wrong = self.credentials_file("relay:wrong\n")
        relay.configure({"destination": {"proxy_credentials_file": wrong}})
        relay.restart()
        relay.wait_for_log(r"refuses the user or the password")
        self.assertEqual((self.server.requests(), relay.status()["queued"]), ([], 10))
        right = self.credentials_file(f"relay:{self.password}\n")
        relay.configure({"destination": {"proxy_credentials_file": right}})
        relay.restart()
        self.assert_all_arrived(relay, 10)

    def test_a_password_is_given_for_plain_http_as_well(self):
        self.start_tinyproxy(f"BasicAuth relay {self.password}")
        relay = self.start_through_proxy(self.server.url, ca_file="")
        self.submit(relay, *self.some_events(10))
        relay.wait_for_log("wants to know who we are .407")
        now = relay.status()
        self.assertEqual((now["queued"], now["dead"]), (10, 0))
        right = self.credentials_file(f"relay:{self.password}")
        relay.configure({"destination": {"proxy_credentials_file": right}})
        relay.restart()
        self.assert_all_arrived(relay, 10)

    def test_a_password_in_the_url_is_refused_and_not_repeated(self):
        url = f"http://relay:{self.password}@127.0.0.1:{self.proxy_port}"
        relay = self.make_relay(self.url, destination={"proxy": url})
        told = self.flowrelay(relay, "config", "check", relay.config_path)
        self.assertEqual(told.status, 78, told)
        self.assertIn("destination.proxy_credentials_file", told.stderr)
        program = relay.launch()
        self.assertEqual(program.wait(), 78, program.output)
        self.assertIn("destination.proxy_credentials_file", program.output)
        relay = self.make_relay("https://api.example.com", "environment")
        program = relay.launch(env=dict(os.environ, https_proxy=url))
        self.assertEqual(program.wait(), 78, program.output)
        self.assertIn("https_proxy must not have a user and a password in it", program.output)

    def test_credentials_that_others_can_read_stop_the_start(self):
        path = self.credentials_file(f"relay:{self.password}", 0o644)
        relay = self.make_relay(self.url, destination={"proxy": self.proxy,
                                                       "proxy_credentials_file": path})
        program = relay.launch()
        self.assertEqual(program.wait(), 78, program.output)
        self.assertIn(f"chmod 0600 {path}", program.output)

    def test_a_proxy_that_does_not_allow_the_port_says_so(self):
        self.start_nginx(self.good)
        self.start_tinyproxy("ConnectPort 443")
        relay = self.start_through_proxy()
        self.submit(relay, *self.some_events(3))
        self.assert_refused(relay, f"does not allow connections to localhost:{self.port} .403")

    def test_a_proxy_that_goes_away_is_waited_for(self):
        self.start_nginx(self.good)
        proxy = self.start_tinyproxy()
        relay = self.start_through_proxy()
        self.submit(relay, *self.some_events(20))
        relay.wait_until_idle()
        proxy.terminate()
        self.submit(relay, *(support.event(self.t, f"u{n % 5}", uuid=f"u{n}") for n in range(20)))
        relay.wait_for_log(r"cannot connect to the proxy 127\.0\.0\.1:\d+: .*refused")
        self.start_tinyproxy()
        relay.wait_until_idle(2 * support.PATIENCE)
        arrived = [e["uuid"] for e in self.server.delivered()]
        self.assertEqual(sorted(arrived), sorted([f"n{n}" for n in range(20)] +
                                                 [f"u{n}" for n in range(20)]))

    def test_the_environment_decides_but_not_for_this_host(self):
        self.start_nginx(self.good)
        proxy = self.start_tinyproxy()
        environment = {key: value for key, value in os.environ.items() if key != "no_proxy"}
        relay = self.make_relay(self.url, destination={
            "ca_file": str(self.authority.certificate)})
        relay.start(env=dict(environment, https_proxy=self.proxy))
        self.submit(relay, *self.some_events(5))
        self.assert_all_arrived(relay, 5)
        self.assertNotIn("CONNECT localhost", proxy.output)
        away = self.make_relay("https://api.test.invalid", "away", destination={
            "ca_file": str(self.authority.certificate)})
        away.start(env=dict(environment, HTTPS_PROXY=self.proxy))
        self.submit(away, *self.some_events(1))
        proxy.wait_for_output(r"CONNECT api\.test\.invalid:443")
        away.wait_for_log(r"the proxy 127\.0\.0\.1:\d+ could not connect to api\.test\.invalid:443")


if __name__ == "__main__":
    support.main()
