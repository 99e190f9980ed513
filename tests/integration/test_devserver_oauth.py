"""The development server as an authorization server: strict where others are."""

import base64
import hashlib
import json
import urllib.parse

import support
from browser import Browser, query
from producers import ApiConnection

CALLBACK = "http://127.0.0.1:8976/callback"
OOB = "urn:ietf:wg:oauth:2.0:oob"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


class DevserverOAuth(support.RelayTestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_devserver("--redirect-uri", CALLBACK, "--redirect-uri", OOB)
        self.browser = Browser()

    def address(self, **changes):
        members = {"response_type": "code", "client_id": "devserver", "redirect_uri": CALLBACK,
                   "scope": "flow integration profile", "state": "st&te",
                   "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        members.update(changes)
        return self.server.url + "/oauth/authorize?" + urllib.parse.urlencode(
            {name: value for name, value in members.items() if value is not None})

    def call(self, method, path, body=None, access=None, **fields):
        connection = ApiConnection(("127.0.0.1", self.server.port), support.PATIENCE)
        self.addCleanup(connection.close)
        if access:
            fields["Authorization"] = "Bearer " + access
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        return connection.request(method, path, body, fields)

    def exchange(self, code, accept="application/json", **changes):
        members = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK,
                   "client_id": "devserver", "client_secret": "devserver-secret",
                   "code_verifier": VERIFIER}
        members.update(changes)
        return self.call("POST", "/oauth/token", urllib.parse.urlencode(members),
                         Content_Type="application/x-www-form-urlencoded", Accept=accept)

    def code(self, **changes):
        return query(self.browser.decide(self.address(**changes)))["code"]

    def access(self, scope="flow integration profile"):
        return self.exchange(self.code(scope=scope)).json()["access_token"]

    def test_a_code_comes_back_with_the_state_and_becomes_a_token(self):
        back = self.browser.decide(self.address())
        self.assertTrue(back.startswith(CALLBACK + "?code="), back)
        self.assertEqual(query(back)["state"], "st&te")
        answer = self.exchange(query(back)["code"])
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.fields["cache-control"], "no-store")
        self.assertEqual(answer.json()["token_type"], "bearer")
        self.assertEqual(answer.json()["scope"], "flow,integration,profile")
        user = self.call("GET", "/user", access=answer.json()["access_token"])
        self.assertEqual(user.json()["name"], "Dev User")

    def test_without_accept_the_answer_is_a_form(self):
        answer = self.exchange(self.code(), accept="*/*")
        self.assertEqual(answer.fields["content-type"], "application/x-www-form-urlencoded")
        self.assertIn("scope=flow%2Cintegration%2Cprofile", answer.body.decode())

    def test_out_of_band_shows_the_code(self):
        shown = self.browser.get(self.browser.decide(self.address(redirect_uri=OOB)))
        self.assertIn("/oauth/authorize/native?code=", shown.url)
        code = shown.form.code
        self.assertEqual(self.exchange(code, redirect_uri=OOB).status, 200)

    def test_nobody_is_sent_to_an_address_that_is_not_registered(self):
        for change in [{"client_id": "another"}, {"client_id": None}, {"redirect_uri": None},
                       {"redirect_uri": CALLBACK + "/"}, {"redirect_uri": CALLBACK + "?a=b"},
                       {"redirect_uri": "http://localhost:8976/callback"},
                       {"redirect_uri": "http://127.0.0.1:8977/callback"}]:
            with self.subTest(change=change):
                page = self.browser.get(self.address(**change))
                self.assertEqual(page.status, 400)
                self.assertNotIn("location", page.fields)

    def test_other_mistakes_go_back_to_the_application(self):
        for change, error in [({"response_type": "token"}, "unsupported_response_type"),
                              ({"scope": "flow everything"}, "invalid_scope"),
                              ({"scope": "flow offline_access"}, "invalid_scope"),
                              ({"code_challenge_method": "plain"}, "invalid_request"),
                              ({"code_challenge_method": None}, "invalid_request")]:
            with self.subTest(change=change):
                page = self.browser.get(self.address(**change))
                self.assertEqual(page.status, 302)
                back = query(page.fields["location"])
                self.assertEqual((back["error"], back["state"]), (error, "st&te"))
        denied = query(self.browser.decide(self.address(), "deny"))
        self.assertEqual(denied["error"], "access_denied")

    def test_a_form_counts_once_and_from_its_browser(self):
        page = self.browser.get(self.address())
        action, values = page.form.forms[0]
        values["decision"] = "allow"
        address = self.server.url + action
        self.assertEqual(Browser().request("POST", address, values).status, 403)
        self.assertEqual(self.browser.request("POST", address, values).status, 302)
        self.assertEqual(self.browser.request("POST", address, values).status, 403)
        self.assertEqual(self.browser.request("POST", address, {"decision": "allow"}).status, 403)

    def test_what_is_wrong_with_an_exchange(self):
        for change, status, error in [
                ({"client_secret": "wrong"}, 401, "invalid_client"),
                ({"client_id": "another"}, 401, "invalid_client"),
                ({"grant_type": "password"}, 400, "unsupported_grant_type"),
                ({"code": "no"}, 400, "invalid_grant"),
                ({"redirect_uri": OOB}, 400, "invalid_grant"),
                ({"code_verifier": "x" * 43}, 400, "invalid_grant"),
                ({"code_verifier": ""}, 400, "invalid_grant")]:
            with self.subTest(change=change):
                members = dict({"code": self.code()}, **change)
                answer = self.exchange(**members)
                self.assertEqual((answer.status, answer.json()["error"]), (status, error))

    def test_a_replayed_code_takes_its_token_back(self):
        code = self.code()
        access = self.exchange(code).json()["access_token"]
        self.assertEqual(self.call("GET", "/user", access=access).status, 200)
        self.assertEqual(self.exchange(code).json()["error"], "invalid_grant")
        self.assertEqual(self.call("GET", "/user", access=access).status, 401)

    def test_a_revoked_token_is_none(self):
        access = self.access()
        form = {"token": access, "client_id": "devserver", "client_secret": "devserver-secret"}
        for secret, status, left in [("wrong", 401, 200), ("devserver-secret", 200, 401)]:
            answer = self.call("POST", "/oauth/revoke",
                               urllib.parse.urlencode(dict(form, client_secret=secret)),
                               Content_Type="application/x-www-form-urlencoded")
            self.assertEqual(answer.status, status)
            self.assertEqual(self.call("GET", "/flows", access=access).status, left)

    def test_each_resource_needs_its_scope(self):
        only = {scope: self.access(scope) for scope in ("flow", "integration", "profile")}
        sources = "/flows/example/main/sources"
        for method, path, scope in [("GET", "/user", "profile"), ("GET", "/flows", "flow"),
                                    ("GET", "/flows/find?id=example:main", "flow"),
                                    ("GET", "/flows/example/main", "flow"),
                                    ("GET", sources, "flow"), ("POST", sources, "integration")]:
            for held, access in only.items():
                with self.subTest(method=method, path=path, held=held):
                    answer = self.call(method, path, "{}" if method == "POST" else None, access,
                                       Content_Type="application/json")
                    self.assertEqual(answer.status == 403, held != scope, answer)
        self.assertEqual(self.call("GET", "/flows").status, 401)
        self.assertEqual(self.call("GET", "/flows", access="no").status, 401)

    def test_flows_have_absolute_urls_and_say_what_may_be_done(self):
        access = self.access()
        flows = {flow["parameterized_name"]: flow
                 for flow in self.call("GET", "/flows", access=access).json()}
        main = flows["main"]
        self.assertEqual(main, self.call("GET", "/flows/find?id=example:main",
                                         access=access).json())
        # As the client calls the server, which is what ApiConnection has in its Host field.
        self.assertEqual(main["url"], "http://localhost/flows/example/main")
        self.assertEqual(main["links"]["sources"]["url"], main["url"] + "/sources")
        self.assertEqual(main["organization"]["parameterized_name"], "example")
        self.assertFalse(flows["closed"]["joined"])
        self.assertTrue(flows["old"]["disabled"])
        self.assertNotIn("POST", flows["readonly"]["links"]["sources"]["methods"])
        for flow in ("closed", "old", "readonly"):
            answer = self.call("POST", f"/flows/example/{flow}/sources", '{"name": "x"}', access,
                               Content_Type="application/json")
            self.assertEqual(answer.status, 403)
        for path in ("/flows/find?id=no", "/flows/example/no", "/flows/other/main", "/flows/find"):
            self.assertEqual(self.call("GET", path, access=access).status, 404, path)

    def test_a_source_lives_until_it_is_deleted(self):
        access = self.access()
        sources = "/flows/example/main/sources"

        def post(body):
            return self.call("POST", sources, body, access, Content_Type="application/json")
        self.assertEqual(post("{}").json()["errors"], {"name": ["can't be blank"]})
        self.assertEqual(post("[").status, 400)
        made = post('{"name": "My project", "external_url": "https://x"}')
        self.assertEqual(made.status, 201)
        source = made.json()
        self.assertIn("configuration_uri", source["application"])
        listed = self.call("GET", sources, access=access).json()
        self.assertEqual([(s["id"], s["name"]) for s in listed], [(source["id"], "My project")])
        self.assertNotIn("flow_token", listed[0])
        one = f"{sources}/{source['id']}"
        self.assertEqual(self.call("GET", one, access=access).json(), listed[0])
        alive = f"/sources?flow_token={source['flow_token']}"
        self.assertEqual(self.call("GET", alive).json()["id"], source["id"])
        self.assertEqual(self.call("DELETE", one, access=access).status, 204)
        self.assertEqual(self.call("DELETE", one, access=access).status, 404)
        self.assertEqual(self.call("GET", one, access=access).status, 404)
        self.assertEqual(self.call("GET", alive).status, 410)
        self.assertEqual(self.call("GET", "/sources?flow_token=no").status, 404)

    def test_a_rule_for_a_path_and_a_method_counts_here_too(self):
        sources = "/flows/example/main/sources"
        access = json.loads(self.server.call("POST", "/_dev/access-tokens"))["access_token"]
        self.server.rules({"match": {"path": sources, "method": "POST"}, "status": 503})
        self.assertEqual(self.call("GET", sources, access=access).status, 200)
        self.assertEqual(self.call("POST", sources, '{"name": "x"}', access,
                                   Content_Type="application/json").status, 503)
        self.assertEqual(self.call("GET", sources, access=access).json(), [])


if __name__ == "__main__":
    support.main()
