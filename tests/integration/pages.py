"""flowrelay-connect for the black-box tests: the pages, and what a person does on them."""

import json
import os
import re

import log_lines
import support
from browser import Browser

SECRET = "devserver-secret"
SECURITY = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class PagesTestCase(support.RelayTestCase):
    """A development server, a relay, and the pages in front of it."""

    def setUp(self):
        super().setUp()
        self.tokens.append(SECRET + "-" * 16)  # half of it must not be seen
        self.port = support.free_port()
        self.public_url = f"http://127.0.0.1:{self.port}/flowdock"
        self.browser = Browser()
        self.pages = None

    def start(self, base_url=None, secret=SECRET, destination=None, **pages):
        if base_url is None:
            self.server = self.start_devserver("--redirect-uri", self.public_url + "/callback")
            base_url = self.server.url
        self.invite_socket = self.directory / "invite.sock"
        self.pages_state = self.directory / "pages"
        self.relay = self.start_relay(base_url, destination=destination or {}, pages=dict({
            "public_url": self.public_url, "listen": f"127.0.0.1:{self.port}",
            "invite_socket": str(self.invite_socket), "state_directory": str(self.pages_state),
            "client_id": "devserver",
            "client_secret_file": self.token_file(secret, "pages.secret")}, **pages))
        self.start_pages()

    def start_pages(self):
        self.pages = self.start_program("flowrelay-connect", [
            support.BIN / "flowrelay-connect", "--config", self.relay.config_path])
        self.pages.wait_for_output(r"\bpages\.ready\b")

    def check_outputs(self):
        super().check_outputs()
        for program in self.programs:
            if program.name == "flowrelay-connect":
                self.assertEqual(log_lines.problems(program.output), [])
                self.check_secrecy("a command line", program.command)

    # -- an operator

    def invite_command(self, *arguments, status=0):
        outcome = self.flowrelay(self.relay, "source", "invite", *arguments, "--invite-socket",
                                 self.invite_socket)
        self.assertEqual(outcome.status, status, outcome)
        return outcome

    def invite(self, name="ci", *arguments):
        url = self.invite_command(name, *arguments).stdout.strip()
        self.assertTrue(url.startswith(self.public_url + "/invite/"), url)
        # It is a secret like a token. What the command printed was for the operator.
        self.printed.pop()
        self.tokens.append(url.rpartition("/")[2])
        return url

    def source(self, name="ci"):
        """What the daemon says of a source, or None."""
        outcome = self.flowrelay(self.relay, "source", "show", name, "--json")
        return json.loads(outcome.stdout) if outcome.status == 0 else None

    # -- a person

    def get(self, path, browser=None):
        page = (browser or self.browser).get(
            path if path.startswith("http") else self.public_url + path)
        self.check_page(page)
        return page

    def follow(self, page, browser=None):
        """Goes where a page sends the browser."""
        while page.status == 303:
            page = self.get(page.fields["location"], browser)
        return page

    def post(self, path, form, browser=None):
        page = (browser or self.browser).request("POST", self.public_url + path, form)
        self.check_page(page)
        return page

    def check_page(self, page):
        if not page.url.startswith(self.public_url):
            return
        for field, value in SECURITY.items():
            self.assertEqual(page.fields.get(field), value, page.url)
        policy = page.fields["content-security-policy"]
        self.assertRegex(policy, r"^default-src 'none'; style-src 'sha256-\S+'; form-action 'self'; "
                                 r"base-uri 'none'; frame-ancestors 'none'$")
        self.assertNotIn("<script", page.body)
        cookie = page.fields.get("set-cookie")
        if cookie:
            self.assertRegex(cookie, r"^__Host-flowrelay=[\w-]{43}; Path=/; Secure; HttpOnly; "
                                     r"SameSite=Lax$")
        if page.body:
            self.assertRegex(page.body, r'^<!DOCTYPE html>\n<html lang="en">')

    def address(self, browser=None):
        """Where the OAuth server asks the person."""
        page = self.get("/authorize", browser)
        self.assertEqual(page.status, 303, page.body)
        return page.fields["location"]

    def allow(self, browser=None, decision="allow"):
        """Logs in and decides; returns the page that this leads to."""
        browser = browser or self.browser
        back = browser.decide(self.address(browser), decision)
        self.assertTrue(back.startswith(self.public_url + "/callback?"), back)
        return self.follow(self.get(back, browser), browser)

    def form_of(self, page, action):
        """The values of a form of a page."""
        for url, values in page.form.forms:
            if url == self.public_url + action:
                return dict(values)
        raise AssertionError(f"no form for {action} in {page.body}")

    def connect(self, name="ci", flow="example/main", **values):
        """From an invitation to a source."""
        self.follow(self.get(self.invite(name, "--flow", flow)))
        page = self.allow()
        self.assertEqual(page.status, 200, page.body)
        done = self.follow(self.post("/connect", dict(self.form_of(page, "/connect"), **values)))
        self.assertIn(f"The source {name} is connected.", done.body)
        return done

    def text_of(self, page):
        return re.sub(r"<[^>]*>", " ", page.body)


def is_root():
    return os.geteuid() == 0
