"""flowrelay-connect: people connect sources and change their settings on pages. Against the
development server, which is strict, and an API that answers what it is told to."""

import http.client
import json
import signal
import urllib.parse

import support
from browser import Browser, query
from pages import PagesTestCase
from producers import Producer


class Connecting(PagesTestCase):

    def test_from_an_invitation_to_an_event(self):
        self.start()
        url = self.invite("ci", "--flow", "example/main")
        start = self.follow(self.get(url))
        self.assertIn("You are invited to connect the source ci", start.body)
        asked = query(self.address())
        self.assertEqual(asked["redirect_uri"], self.public_url + "/callback")
        self.assertEqual(asked["code_challenge_method"], "S256")
        page = self.allow()
        for words in ("Main (example/main)", "Dev User &lt;dev@example.com&gt;", "<dd>ci</dd>"):
            self.assertIn(words, page.body)
        self.assertIsNone(self.source())
        form = dict(self.form_of(page, "/connect"), title="My project")
        done = self.post("/connect", form)
        self.assertIn("The source ci is connected.", self.follow(done).body)
        # A second click does not make a second source.
        self.assertIn("is connected", self.follow(self.post("/connect", form)).body)
        lives = self.source()["flow_source"]
        self.assertEqual((lives["id"], lives["flow"]), ("36", "example/main"))
        with Producer(self.relay.ingest_socket) as producer:
            answer = producer.submit({"source": "ci", "external_thread_id": "t", "title": "x",
                                      "author": {"name": "W"}})
        self.assertEqual(answer["status"], "accepted")
        token = self.server.wait_for(1)[0]["flow_token"]
        self.tokens.append(token)
        # Its flow has a link to the settings that nobody can guess, and which is kept as a hash.
        shown = json.loads(self.server.call("GET", "/_dev/sources"))[token]
        self.assertRegex(shown["configuration_url"],
                         rf"^{self.public_url}/configure/[\w-]{{43}}$")
        stored = (self.pages_state / "pages.json").read_text()
        self.assertNotIn(shown["configuration_url"].rpartition("/")[2], stored)
        self.assertNotIn(token, stored)
        # The invitation was used.
        self.assertEqual(self.get(url, Browser()).status, 404)
        self.pages.wait_for_output(r'pages\.connected source=ci flow=example/main source_id=36 '
                                   r'user="Dev User <dev@example.com>" invited=true')

    def test_it_is_closed_without_an_invitation(self):
        self.start()
        for path in ("/setup?flow=example:main", "/setup"):
            page = self.get(path)
            self.assertEqual(page.status, 403)
            self.assertIn("You need an invitation", page.body)
            self.assertNotIn("set-cookie", page.fields)
        for path in ("/invite/" + "x" * 43, "/configure/" + "x" * 43, "/nothing", "/", "/invite/"):
            self.assertEqual(self.get(path).status, 404)
        for path in ("/authorize", "/callback?code=x&state=y", "/confirm", "/settings", "/done",
                     "/settings/remove"):
            self.assertEqual(self.get(path).status, 403)
        for path in ("/connect", "/settings/pause", "/settings/remove"):
            self.assertEqual(self.post(path, {"csrf": ""}).status, 403)
        self.assertEqual(self.get("/connect").status, 405)

    def test_a_flow_of_the_invitation_can_not_be_exchanged(self):
        self.start()
        self.follow(self.get(self.invite("ci", "--flow", "example/main")))
        self.get("/setup?flow=example:builds")
        page = self.allow()
        self.assertIn("Main (example/main)", page.body)
        self.assertNotIn("Builds", page.body)

    def test_an_invitation_for_any_flow_lets_choose(self):
        self.start()
        self.follow(self.get(self.invite("ci")))
        page = self.allow()
        self.assertIn("Builds (example/builds)", page.body)
        self.assertIn("&lt;b&gt;Emp", page.body)
        form = self.form_of(page, "/connect")
        for flow, words in (("2", "not in the flow"), ("3", "is disabled"),
                            ("4", "may not add sources"), ("99", "choose a flow"),
                            ("x", "choose a flow")):
            refused = self.post("/connect", dict(form, flow=flow))
            self.assertEqual(refused.status, 400)
            self.assertRegex(self.text_of(refused), f"(?i){words}")
        self.assertIsNone(self.source())
        done = self.follow(self.post("/connect", dict(form, flow="1")))
        self.assertIn("Builds (example/builds)", done.body)
        self.assertEqual(self.source()["flow_source"]["flow"], "example/builds")

    def test_one_invitation_is_used_by_one_of_two_browsers(self):
        self.start()
        url = self.invite("ci", "--flow", "example/main")
        other = Browser()
        self.follow(self.get(url))
        self.follow(self.get(url, other), other)
        form, others = (self.form_of(self.allow(browser), "/connect")
                        for browser in (self.browser, other))
        self.assertEqual(self.post("/connect", form).status, 303)
        late = self.post("/connect", others, other)
        self.assertEqual(late.status, 403)
        self.assertIn("was used already", late.body)

    def test_organizations_and_users_need_no_invitation(self):
        self.start(organizations="acme example", users="")
        self.assertEqual(self.get("/setup?flow=example:main").status, 200)
        page = self.allow()
        form = self.form_of(page, "/connect")
        for name, status in (("", 400), ("a b", 409)):
            self.assertEqual(self.post("/connect", dict(form, name=name)).status, status)
        done = self.follow(self.post("/connect", dict(form, name="web")))
        self.assertIn("The source web is connected.", done.body)
        self.pages.wait_for_output(r"pages\.connected source=web .* invited=false")

    def test_who_is_not_on_the_list_is_refused(self):
        self.start(organizations="acme", users="boss@example.com 8")
        self.get("/setup?flow=example:main")
        page = self.allow()
        self.assertEqual(page.status, 403)
        self.assertIn("You need an invitation", page.body)
        self.pages.wait_for_output(r"pages\.refused")
        self.assertEqual(self.post("/connect", {"csrf": "x"}).status, 403)
        # An invitation helps.
        self.follow(self.get(self.invite("ci", "--flow", "example/main")))
        self.assertEqual(self.allow().status, 200)

    def test_a_user_by_email_may_use_any_flow(self):
        self.start(users="Dev@Example.com")
        self.get("/setup?flow_url=" + urllib.parse.quote(self.server.url + "/flows/example/builds"))
        page = self.allow()
        self.assertIn("Builds (example/builds)", page.body)

    # -- what comes back from the OAuth server

    def test_denied_consent(self):
        self.start()
        url = self.invite()
        self.follow(self.get(url))
        page = self.allow(decision="deny")
        self.assertEqual(page.status, 403)
        self.assertIn("did not allow it: access_denied", page.body)
        self.assertEqual(self.allow().status, 200)  # it can be tried again

    def test_an_answer_counts_for_the_browser_that_asked_and_once(self):
        self.start()
        url = self.invite()
        self.follow(self.get(url))
        back = self.browser.decide(self.address())
        stranger = Browser()
        self.assertEqual(self.get(back, stranger).status, 403)
        self.follow(self.get(url, stranger), stranger)
        self.address(stranger)
        foreign = self.get(back, stranger)
        self.assertEqual(foreign.status, 400)
        self.assertIn("not the answer to the request of this browser", foreign.body)
        before = dict(self.browser.cookies)["__Host-flowrelay"].value
        self.assertEqual(self.get(back).status, 303)
        # The cookie that was known before log-in is worth nothing.
        self.assertNotEqual(self.browser.cookies["__Host-flowrelay"].value, before)
        replayed = self.get(back)
        self.assertEqual(replayed.status, 400)
        self.assertIn("used already", replayed.body)
        self.assertEqual(self.get("/confirm").status, 200)

    def test_a_code_that_is_none_and_an_expired_one(self):
        self.start()
        self.follow(self.get(self.invite()))
        state = query(self.address())["state"]
        page = self.get(f"/callback?code=wrong&state={state}")
        self.assertEqual(page.status, 502)
        self.assertIn("did not take the code", page.body)
        self.pages.wait_for_output(r'pages\.failed step="get an access token" .*invalid_grant')

    def test_a_wrong_secret_is_for_the_operator(self):
        self.start(secret="wrong-secret")
        self.follow(self.get(self.invite()))
        page = self.allow()
        self.assertEqual(page.status, 502)
        self.assertIn("refuses this application", page.body)
        self.pages.wait_for_output(r"pages\.failed .*invalid_client")

    # -- bad input

    def test_forms_from_elsewhere_change_nothing(self):
        self.start()
        self.follow(self.get(self.invite("ci", "--flow", "example/main")))
        form = self.form_of(self.allow(), "/connect")
        for csrf in ("", "x" * len(form["csrf"]), form["csrf"] + "x"):
            self.assertEqual(self.post("/connect", dict(form, csrf=csrf)).status, 403)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        self.addCleanup(connection.close)
        cookie = f"__Host-flowrelay={self.browser.cookies['__Host-flowrelay'].value}"
        connection.request("POST", "/flowdock/connect", urllib.parse.urlencode(form),
                           {"Cookie": cookie, "Content-Type": "text/plain"})
        self.assertEqual(connection.getresponse().status, 403)
        self.assertIsNone(self.source())

    def test_the_host_of_a_request_counts_for_nothing(self):
        self.start()
        self.follow(self.get(self.invite()))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        self.addCleanup(connection.close)
        connection.request("GET", "/flowdock/authorize", headers={
            "Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http",
            "Cookie": f"__Host-flowrelay={self.browser.cookies['__Host-flowrelay'].value}"})
        answer = connection.getresponse()
        self.assertEqual(answer.status, 303)
        self.assertNotIn("evil", answer.getheader("Location"))
        self.assertIn(urllib.parse.quote(self.public_url, safe=""), answer.getheader("Location"))

    def test_bad_links_say_what_to_do(self):
        self.start(users="dev@example.com")
        for path in ("/setup?flow=" + "x" * 600, "/setup?flow=a%00b", "/configure", "/configure?flow=a",
                     "/configure?integration_id=36", "/configure?source=3/6&flow=a",
                     "/configure?source_url=https://evil.example/flows/a/b/sources/36"):
            page = self.get(path)
            self.assertEqual(page.status, 400, path)
            self.assertIn("This link can&#39;t be used", page.body)
            self.assertIn("Start again", page.body)
        self.get("/setup?flow=example:none")
        page = self.allow()
        self.assertEqual(page.status, 403)
        self.assertIn("is there such a flow", page.body)

    # -- servers that are slow or gone

    def test_an_oauth_server_that_is_slow_or_gone(self):
        self.start(destination={"request_timeout": "500ms", "connect_timeout": "500ms"})
        self.follow(self.get(self.invite()))
        back = self.browser.decide(self.address())
        self.server.process.send_signal(signal.SIGSTOP)
        try:
            page = self.get(back)
        finally:
            self.server.process.send_signal(signal.SIGCONT)
        self.assertEqual(page.status, 502)
        self.assertIn("does not answer as it should", page.body)
        self.assertEqual(self.allow().status, 200)
        self.server.terminate()
        form = self.form_of(self.get("/confirm"), "/connect")
        page = self.post("/connect", dict(form, flow="0"))
        self.assertEqual(page.status, 409)
        self.assertIn("does not answer when asked to make the source", page.body)
        self.assertIsNone(self.source())

    def test_without_the_daemon_nothing_is_made_and_the_invitation_stays_open(self):
        self.start()
        self.follow(self.get(self.invite("ci", "--flow", "example/main")))
        form = self.form_of(self.allow(), "/connect")
        self.relay.stop()
        page = self.post("/connect", form)
        self.assertEqual(page.status, 409)
        self.assertIn("flowrelayd", page.body)
        self.relay.start()
        self.assertIn("is connected", self.follow(self.post("/connect", form)).body)

    def test_a_restart_of_the_pages_keeps_invitations_and_forgets_browsers(self):
        self.start()
        url = self.invite()
        self.follow(self.get(url))
        self.assertEqual(self.pages.terminate(), 0)
        self.start_pages()
        self.assertEqual(self.get("/authorize").status, 403)
        self.follow(self.get(url))
        self.assertEqual(self.allow().status, 200)


class Settings(PagesTestCase):

    def open_settings(self, link="/configure?integration_id=36&flow=example:main"):
        self.assertEqual(self.get(link).status, 200)
        return self.allow()

    def change(self, page, action, **values):
        done = self.post(action, dict(self.form_of(page, action), **values))
        self.assertEqual(done.status, 303, done.body)
        return self.follow(done)

    def test_pause_and_resume(self):
        self.start()
        self.connect()
        page = self.open_settings()
        self.assertIn("Settings of ci", page.body)
        self.assertIn("example/main", page.body)
        page = self.change(page, "/settings/pause")
        self.assertIn("The source is paused", page.body)
        self.assertEqual(self.source()["state"], "paused")
        page = self.change(page, "/settings/resume")
        self.assertEqual(self.source()["state"], "active")
        self.pages.wait_for_output(r"pages\.changed source=ci action=resume")
        self.change(page, "/settings/leave")
        self.assertEqual(self.get("/settings").status, 403)

    def test_the_filter(self):
        self.start()
        self.connect()
        page = self.open_settings()
        self.assertNotIn("filter", self.source())
        page = self.change(page, "/settings/filter", tags="ci\r\n Build", threads="build-\r\ndeploy 1\r\n",
                           discussion="")
        self.assertIn("Saved.", page.body)
        self.assertEqual(self.source()["filter"], {"events": ["activity"], "tags": ["ci", "build"],
                                                   "threads": ["build-", "deploy 1"]})
        page = self.change(page, "/settings/filter", activity="", discussion="")
        self.assertIn("at least one type", page.body)
        # What was not edited stays as it is, also what a form can't show.
        odd = {"tags": ["a b"], "threads": [" lead", "e\u202e"]}
        self.flowrelay(self.relay, "source", "filter", "ci", "--tag", "a b", "--thread", " lead",
                       "--thread", "e\u202e")
        self.assertEqual(self.source()["filter"], odd)
        page = self.change(self.get("/settings"), "/settings/filter")
        self.assertIn("Saved.", page.body)
        self.assertEqual(self.source()["filter"], odd)
        page = self.change(page, "/settings/filter", tags="", threads=" \r\n")
        self.assertIn("Saved.", page.body)
        self.assertNotIn("filter", self.source())

    def test_a_removal_whose_answer_is_lost(self):
        self.start()
        self.connect()
        self.open_settings()
        page = self.get("/settings/remove")
        self.server.rules({"match": {"path": "/flows/example/main/sources/36", "method": "DELETE"},
                           "action": "accept_then_close", "times": 1})
        page = self.change(page, "/settings/remove")
        self.assertIn("is not in the flow any more", page.body)
        self.assertIn((self.source() or {"state": "removed"})["state"], ("removed", "erased"))

    def test_remove(self):
        self.start()
        self.connect()
        page = self.open_settings()
        self.assertIn(f'href="{self.public_url}/settings/remove"', page.body)
        page = self.get("/settings/remove")
        self.assertIn("0 events that wait", page.body)
        self.assertEqual(self.source()["state"], "active")
        done = self.follow(self.post("/settings/remove", self.form_of(page, "/settings/remove")))
        self.assertIn("ci is not in the flow any more", done.body)
        self.assertIn("is erased", done.body)
        self.assertIn((self.source() or {"state": "removed"})["state"], ("removed", "erased"))
        gone = self.open_settings()
        self.assertEqual(gone.status, 403)
        self.assertIn("HTTP 404 when asked for the source", gone.body)

    def test_the_link_in_the_flow_leads_to_the_source(self):
        self.start()
        self.connect()
        links = json.loads(self.server.call("GET", "/_dev/sources"))
        link = next(iter(links.values()))["configuration_url"]
        self.assertIn("Settings of ci", self.open_settings(link).body)
        self.assertEqual(self.pages.terminate(), 0)
        self.start_pages()
        self.assertEqual(self.get(link, Browser()).status, 200)

    def test_the_other_spellings_of_the_link(self):
        self.start()
        self.connect()
        source = urllib.parse.quote(self.server.url + "/flows/example/main/sources/36")
        for link in (f"/configure?source=36&source_url={source}", "/configure?source=36&flow=example/main"):
            self.assertIn("Settings of ci", self.open_settings(link).body)

    def test_settings_are_shown_to_those_alone_whom_the_api_shows_the_source(self):
        self.start()
        self.connect()
        for link, words in (("/configure?source=36&flow=example:builds", "HTTP 404"),
                            ("/configure?source=37&flow=example:main", "HTTP 404"),
                            ("/configure?source=36&flow=example:closed", "HTTP 403"),
                            ("/configure?source=36&flow=example:none", "HTTP 404")):
            page = self.open_settings(link)
            self.assertEqual(page.status, 403, link)
            self.assertIn(words, page.body)
            self.assertEqual(self.get("/settings").status, 403)

    def test_a_source_that_is_not_this_relays(self):
        self.start()
        access = json.loads(self.server.call("POST", "/_dev/access-tokens"))["access_token"]
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=15)
        self.addCleanup(connection.close)
        connection.request("POST", "/flows/example/main/sources", json.dumps({"name": "x"}),
                           {"Authorization": f"Bearer {access}", "Content-Type": "application/json"})
        self.assertEqual(connection.getresponse().status, 201)
        page = self.open_settings()
        self.assertEqual(page.status, 403)
        self.assertIn("This relay has no such source", page.body)

    def test_rights_that_end_meanwhile(self):
        self.start()
        self.connect()
        page = self.open_settings()
        access = json.loads(self.server.call("POST", "/_dev/access-tokens"))["access_token"]
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=15)
        self.addCleanup(connection.close)
        connection.request("DELETE", "/flows/example/main/sources/36",
                           headers={"Authorization": f"Bearer {access}"})
        self.assertEqual(connection.getresponse().status, 204)
        late = self.post("/settings/pause", self.form_of(page, "/settings/pause"))
        self.assertEqual(late.status, 403)
        self.assertEqual(self.source()["state"], "active")

    def test_without_the_daemon_settings_say_so(self):
        self.start()
        self.connect()
        page = self.open_settings()
        self.relay.stop()
        self.assertEqual(self.get("/settings").status, 503)
        late = self.post("/settings/pause", self.form_of(page, "/settings/pause"))
        self.assertEqual(late.status, 503)
        self.assertIn("is flowrelayd running", late.body)
        self.relay.start()
        self.change(page, "/settings/pause")


class Invitations(PagesTestCase):

    def test_list_and_revoke(self):
        self.start()
        self.assertEqual(self.invite_command("--list").stdout, "no invitation is open\n")
        url = self.invite("ci", "--flow", "example/main", "--expires", "7d")
        self.invite("web")
        listed = self.invite_command("--list").stdout
        self.assertRegex(listed, r"^ci  until \S+Z, for example/main\nweb  until \S+Z\n$")
        self.assertEqual([json.loads(line)["name"]
                          for line in self.invite_command("--list", "--json").stdout.splitlines()],
                         ["ci", "web"])
        self.invite_command("ci", "--revoke")
        self.assertEqual(self.get(url).status, 404)
        self.assertIn("no invitation for ci is open", self.invite_command(
            "ci", "--revoke", status=65).stderr)

    def test_a_new_one_takes_the_place_of_the_old_one(self):
        self.start()
        old = self.invite()
        new = self.invite()
        self.assertEqual(self.get(old).status, 404)
        self.assertEqual(self.get(new).status, 303)

    def test_an_invitation_that_is_withdrawn_meanwhile(self):
        self.start()
        self.follow(self.get(self.invite("ci", "--flow", "example/main")))
        form = self.form_of(self.allow(), "/connect")
        self.invite_command("ci", "--revoke")
        page = self.post("/connect", form)
        self.assertEqual(page.status, 403)
        self.assertIn("withdrawn", page.body)
        self.assertIsNone(self.source())

    def test_what_can_be_known_beforehand(self):
        self.start()
        self.invite_command(status=64)
        self.invite_command("ci", "--list", "--revoke", status=64)
        self.invite_command("ci", "--expires", "soon", status=64)
        self.assertIn("1m to 30d", self.invite_command("ci", "--expires", "31d", status=64).stderr)
        self.assertIn("name", self.invite_command("a b", status=64).stderr)
        self.connect()
        self.assertIn("there is a source ci", self.invite_command("ci", status=65).stderr)
        self.assertEqual(self.pages.terminate(), 0)
        self.assertIn("flowrelay-connect", self.invite_command("web", status=69).stderr)

    def test_a_configuration_without_pages(self):
        self.start()
        self.pages.terminate()
        for settings, words in (({"public_url": ""}, "`pages.public_url`: missing"),
                                ({"public_url": "http://relay.example"}, "plain http"),
                                ({"public_url": self.public_url, "client_id": "",
                                  "client_secret_file": ""}, "`pages.client_id`: missing")):
            self.relay.configure({"pages": settings})
            outcome = self.command([support.BIN / "flowrelay-connect", "--config",
                                    self.relay.config_path])
            self.assertEqual(outcome.status, 78, outcome)
            self.assertIn(words, outcome.stderr)
            self.assertIn("systemctl restart flowrelay-connect", outcome.stderr)


if __name__ == "__main__":
    support.main()
