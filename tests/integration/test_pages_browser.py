"""flowrelay-connect in a real browser: headless Chromium, by https through nginx, with the
development server and with Doorkeeper. FLOWRELAY_SCREENSHOTS names a directory for pictures."""

import os
import pathlib
import shutil
import unittest

import support
from certificates import Authority
from pages import PagesTestCase
from producers import Producer
from test_doorkeeper import RUBY, has_doorkeeper

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait
except ImportError:
    webdriver = None

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
PHONE = (390, 844)
DESKTOP = (1280, 900)


def missing():
    return not (webdriver and CHROMIUM and DRIVER)


@unittest.skipIf(missing(), "chromium, chromium-driver or python3-selenium is not installed")
class InBrowser(PagesTestCase):

    def setUp(self):
        super().setUp()
        self.tls_port = support.free_port()
        self.public_url = f"https://localhost:{self.tls_port}/flowdock"
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        options.accept_insecure_certs = True  # the test's own authority
        for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                     f"--user-data-dir={self.directory}/chromium", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update"):
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.chrome = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.addCleanup(self.chrome.quit)
        self.chrome.set_page_load_timeout(support.PATIENCE)
        self.start_nginx()

    def start_nginx(self):
        prefix = self.directory / "nginx"
        prefix.mkdir()
        certificate, key = Authority(self.directory, "authority").issue("DNS:localhost")
        (prefix / "nginx.conf").write_text(f"""
            {"user root;" if os.geteuid() == 0 else ""}
            worker_processes 1;
            pid {prefix}/pid;
            error_log stderr info;
            events {{ worker_connections 64; }}
            http {{
                access_log off;
                client_body_temp_path {prefix}/body;
                proxy_temp_path {prefix}/proxy;
                fastcgi_temp_path {prefix}/fastcgi;
                uwsgi_temp_path {prefix}/uwsgi;
                scgi_temp_path {prefix}/scgi;
                server {{
                    listen 127.0.0.1:{self.tls_port} ssl;
                    ssl_certificate {certificate};
                    ssl_certificate_key {key};
                    location /flowdock/ {{ proxy_pass http://127.0.0.1:{self.port}; }}
                }}
            }}""")
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        program = self.start_program("nginx", [nginx, "-p", prefix, "-c", prefix / "nginx.conf",
                                               "-e", "stderr", "-g", "daemon off;"])
        program.wait_for_output("start worker process ")

    # -- what a person sees and does

    def open(self, url):
        self.chrome.get(url)

    def wait_for_title(self, title):
        WebDriverWait(self.chrome, support.PATIENCE).until(
            lambda chrome: chrome.title.startswith(title), f"{title}, not {self.chrome.title}")

    def press(self, label):
        """Presses a button or follows a link."""
        for kind in ("button", "a"):
            for element in self.chrome.find_elements(By.TAG_NAME, kind):
                if element.text == label:
                    element.click()
                    return
        self.fail(f"no {label!r} in {self.chrome.page_source}")

    def text(self):
        return self.chrome.find_element(By.TAG_NAME, "body").text

    def look(self, name):
        """Checks a page as it is for phones and screen readers, and takes pictures of it."""
        for size, width in ((DESKTOP, "desktop"), (PHONE, "phone")):
            self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": size[0], "height": size[1], "deviceScaleFactor": 1,
                "mobile": width == "phone"})
            overflow = self.chrome.execute_script(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            self.assertLessEqual(overflow, 0, f"{name} is wider than the {width}")
            directory = os.environ.get("FLOWRELAY_SCREENSHOTS")
            if directory:
                self.chrome.save_screenshot(str(pathlib.Path(directory) / f"{name}-{width}.png"))
        self.assertEqual(len(self.chrome.find_elements(By.TAG_NAME, "h1")), 1)
        self.assertEqual(len(self.chrome.find_elements(By.TAG_NAME, "main")), 1)
        for field in self.chrome.find_elements(
                By.CSS_SELECTOR, "input:not([type=hidden]), textarea, button"):
            self.assertTrue(field.accessible_name, f"a field of {name} has no name")
            if field.tag_name == "button":
                self.assertGreaterEqual(field.size["height"], 44, f"{name}: too small for a finger")
        # Links can be told from text without colours.
        for link in self.chrome.find_elements(By.TAG_NAME, "a"):
            self.assertIn("underline", link.value_of_css_property("text-decoration"))
        self.chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        # The policy blocks nothing that the page needs.
        self.assertEqual([entry["message"] for entry in self.chrome.get_log("browser")
                          if "Content Security Policy" in entry["message"]], [])

    def send_event(self, name="ci"):
        with Producer(self.relay.ingest_socket) as producer:
            answer = producer.submit({"source": name, "external_thread_id": "t", "title": "x",
                                      "author": {"name": "W"}})
        self.assertEqual(answer["status"], "accepted")

    def test_connect_configure_and_remove(self):
        self.start()
        self.open(self.invite("ci"))
        self.wait_for_title("Connect a source")
        self.look("start")
        cookies = {cookie["name"]: cookie for cookie in self.chrome.get_cookies()}
        self.assertTrue(cookies["__Host-flowrelay"]["secure"])
        self.assertTrue(cookies["__Host-flowrelay"]["httpOnly"])
        self.press(f"Continue to 127.0.0.1:{self.server.port}")
        self.press("Allow")
        self.wait_for_title("Connect this source?")
        self.assertNotIn("code=", self.chrome.current_url)
        self.look("confirm")
        self.chrome.find_element(By.ID, "flow-2").click()
        self.press("Connect")
        self.wait_for_title("Connect this source?")
        self.assertIn("not in the flow", self.text())
        self.look("refused")
        self.chrome.find_element(By.ID, "flow-0").click()
        self.press("Connect")
        self.wait_for_title("Connected")
        self.look("connected")
        self.send_event()
        self.server.wait_for(1)
        # Once more: no second source.
        self.open(self.public_url + "/confirm")
        self.wait_for_title("Connected")

        self.open(self.public_url + "/configure?integration_id=36&flow=example:main")
        self.wait_for_title("Settings of a source")
        self.look("configure")
        self.press(f"Continue to 127.0.0.1:{self.server.port}")
        self.press("Allow")
        self.wait_for_title("Settings of ci")
        self.look("settings")
        self.press("Pause")
        WebDriverWait(self.chrome, support.PATIENCE).until(
            lambda _: "The source is paused" in self.text())
        self.look("paused")
        self.assertEqual(self.source()["state"], "paused")
        self.press("Remove this source")
        self.wait_for_title("Remove ci?")
        self.look("remove")
        self.press("Remove ci")
        self.wait_for_title("Removed")
        self.look("removed")

    def test_a_denial_and_an_invitation_that_was_used(self):
        self.start()
        self.open(self.invite("ci", "--flow", "example/main"))
        self.press(f"Continue to 127.0.0.1:{self.server.port}")
        self.press("Deny")
        self.wait_for_title("It was not allowed")
        self.look("denied")
        self.press("Try again")
        self.press("Allow")
        self.wait_for_title("Connect this source?")
        self.look("confirm-one")
        self.open(self.public_url + "/invite/" + "x" * 43)
        self.wait_for_title("This invitation is not open")
        self.look("not-open")

    @unittest.skipUnless(has_doorkeeper(), "ruby-doorkeeper is not installed")
    def test_with_doorkeeper(self):
        script = pathlib.Path(__file__).with_name("doorkeeper_server.rb")
        server = self.start_program("doorkeeper", [RUBY, script, self.directory,
                                                   self.public_url + "/callback"])
        told = support.json.loads(
            server.wait_for_output(r"^\{.*\}$", 60 * support.SCALE).group())
        server.output_path.write_text("")  # where the test has the secret from: not a leak
        self.tokens.append(told["secret"])
        self.start(f"http://127.0.0.1:{told['port']}", secret=told["secret"], client_id=told["id"])
        self.open(self.invite("ci", "--flow", "example/main"))
        self.press(f"Continue to 127.0.0.1:{told['port']}")
        self.chrome.find_element(By.CSS_SELECTOR, "input[type=submit][value=Authorize]").click()
        self.wait_for_title("Connect this source?")
        self.press("Connect")
        self.wait_for_title("Connected")
        self.assertEqual(self.source()["flow_source"]["application"], "relay")
        self.open(self.public_url + "/configure?source=1&flow=example/main")
        self.press(f"Continue to 127.0.0.1:{told['port']}")
        # Doorkeeper remembers what was allowed, or asks once more.
        for allow in self.chrome.find_elements(By.CSS_SELECTOR, "input[value=Authorize]"):
            allow.click()
        self.wait_for_title("Settings of ci")


if __name__ == "__main__":
    support.main()
