"""Sources that `flowrelay source connect` makes in a flow of the development server."""

import json

import support

# What is known of the first one.
LIVES = {"id": "36", "flow": "example/main", "flow_name": "Main", "application": "devserver",
         "configuration_uri": "http://www.example.com/configure"}
# What of that must not be found on the disk afterwards.
TRACES = ("http://www.example.com/configure", "example/main")


class FlowTestCase(support.RelayTestCase):

    def start(self, **settings):
        self.server = self.start_devserver()
        self.access = self.token()
        self.server.call("POST", "/_dev/access-tokens", json.dumps({"access_token": self.access}))
        self.relay = self.start_relay(self.server.url, **settings)

    def connect(self, name="ci"):
        outcome = self.flowrelay(
            self.relay, "source", "connect", name, "--flow", "example/main", "--yes",
            "--access-token-file", self.token_file(self.access, "access.token"), "--config",
            self.relay.config_path)
        self.assertEqual(outcome.status, 0, outcome)

    def shown(self, name="ci"):
        outcome = self.flowrelay(self.relay, "source", "show", name, "--json")
        self.assertEqual(outcome.status, 0, outcome)
        return json.loads(outcome.stdout)
