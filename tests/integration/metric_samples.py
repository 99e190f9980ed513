"""The metrics of a running daemon, as `flowrelay metrics` asks for them."""

import contextlib

from producers import ApiConnection
from prometheus_client.openmetrics import parser


def exposition(relay):
    """The text, in OpenMetrics."""
    with contextlib.closing(ApiConnection(str(relay.control_socket))) as connection:
        answer = connection.request("GET", "/v1/metrics",
                                    fields={"Accept": "application/openmetrics-text"})
    if answer.status != 200:
        raise AssertionError(f"GET /v1/metrics: {answer.status} {answer.body!r}")
    return answer.body.decode()


def scrape(relay):
    """{(name of a sample, its labels as sorted pairs): value}"""
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in parser.text_string_to_metric_families(exposition(relay))
            for sample in family.samples}
