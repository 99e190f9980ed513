"""What a person with a browser does at an OAuth server: opens the page, and allows or denies."""

import html.parser
import http.client
import http.cookies
import urllib.parse


class Form(html.parser.HTMLParser):
    """The forms of a page: where they go, and what they hold."""

    def __init__(self, page):
        super().__init__()
        self.forms = []
        self.code = ""
        self._in_code = False
        self._area = None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append((attributes.get("action"), {}))
        elif tag == "input" and self.forms and attributes.get("name"):
            if attributes.get("type") not in ("checkbox", "radio") or "checked" in attributes:
                self.forms[-1][1][attributes["name"]] = attributes.get("value", "")
        elif tag == "textarea" and self.forms:
            self._area = attributes.get("name")
            self.forms[-1][1][self._area] = ""
        self._in_code = tag == "code" or self._in_code

    def handle_endtag(self, tag):
        self._in_code = self._in_code and tag != "code"
        if tag == "textarea" and self._area:
            # The first line end is no part of it; a browser sends the others as CRLF.
            text = self.forms[-1][1][self._area].removeprefix("\n")
            self.forms[-1][1][self._area] = text.replace("\n", "\r\n")
            self._area = None

    def handle_data(self, data):
        self.code += data if self._in_code else ""
        if self._area:
            self.forms[-1][1][self._area] += data


class Page:
    def __init__(self, url, status, fields, body):
        self.url = url
        self.status = status
        self.fields = fields
        self.body = body

    @property
    def form(self):
        return Form(self.body)


class Browser:
    """Keeps cookies. Follows no redirect by itself."""

    def __init__(self):
        self.cookies = http.cookies.SimpleCookie()

    def request(self, method, url, form=None):
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=15)
        try:
            fields = {"Cookie": "; ".join(f"{m.key}={m.coded_value}"
                                          for m in self.cookies.values())}
            body = None
            if form is not None:
                body = urllib.parse.urlencode(form)
                fields["Content-Type"] = "application/x-www-form-urlencoded"
            target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
            connection.request(method, target, body, fields)
            answer = connection.getresponse()
            for field, value in answer.getheaders():
                if field.lower() == "set-cookie":
                    self.cookies.load(value)
            return Page(url, answer.status, {k.lower(): v for k, v in answer.getheaders()},
                        answer.read().decode())
        finally:
            connection.close()

    def get(self, url):
        return self.request("GET", url)

    def decide(self, url, decision="allow"):
        """Opens the page of an authorization and decides; returns the address that this leads to,
        or the page that it ended at."""
        page = self.get(url)
        if page.status != 200:
            return page
        # One form with two buttons, or a form for each decision.
        forms = page.form.forms
        action, values = forms[-1] if decision == "deny" else forms[0]
        done = self.request("POST", urllib.parse.urljoin(url, action),
                            dict(values, decision=decision))
        return urllib.parse.urljoin(url, done.fields["location"]) if done.status == 302 else done


def query(url):
    return {name: values[0]
            for name, values in urllib.parse.parse_qs(urllib.parse.urlsplit(url).query).items()}
