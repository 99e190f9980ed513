#!/usr/bin/env python3
"""connect_source.py INVITATION: what a person does in a browser with an invitation to the pages: logs in at
the development server, allows the application and connects the source. Exits with 0 when the pages say that
it is connected."""

import pathlib
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
from browser import Browser  # noqa: E402


def follow(browser, page):
    while page.status == 303:
        page = browser.get(page.fields["location"])
    if page.status != 200:
        sys.exit(f"{page.url}: {page.status}\n{page.body}")
    return page


def main():
    browser = Browser()
    invitation = sys.argv[1]
    site = invitation.rpartition("/invite/")[0]
    follow(browser, browser.get(invitation))
    asked = browser.get(site + "/authorize")
    if asked.status != 303:
        sys.exit(f"{asked.url}: {asked.status}\n{asked.body}")
    page = follow(browser, browser.get(browser.decide(asked.fields["location"])))
    action, values = next(form for form in page.form.forms
                          if urllib.parse.urlsplit(form[0]).path.endswith("/connect"))
    done = follow(browser, browser.request("POST", action, values))
    if "is connected" not in done.body:
        sys.exit(done.body)


if __name__ == "__main__":
    main()
