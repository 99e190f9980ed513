"""Reads the daemon's log lines (logfmt and JSON), and knows from docs/log-events.md which there are."""

import functools
import json
import pathlib
import re

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "log-events.md"

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_VALUE = r'(?:"(?:[^"\\\x00-\x1f]|\\.)*"|[^\s"=\\]+)'
_LINE = re.compile(rf"(?P<time>{_TIME}) (?P<severity>[a-z]+) event=(?P<event>\S+)"
                   rf"(?P<fields>(?: [a-z_]+={_VALUE})*)")
_FIELD = re.compile(rf" ([a-z_]+)=({_VALUE})")

ALWAYS = {"suppressed", "lost"}


@functools.cache
def documented():
    """{event: (severity, names of its fields)}"""
    events = {}
    for section in re.split(r"^### ", DOCUMENT.read_text(), flags=re.MULTILINE)[1:]:
        name, text = section.split("\n", 1)
        *head, _ = text.split("\n\n", 1)[0].split(" · ")
        events[name] = (head[0], set(re.findall(r"`([a-z_]+)`", " ".join(head[1:]))) | ALWAYS)
    return events


class Line:
    """A line of the log."""

    def __init__(self, time, severity, event, fields):
        self.time = time
        self.severity = severity
        self.event = event
        self.fields = fields


def parse(text):
    """The Line, or None if it is not one."""
    if text.startswith("{"):
        fields = json.loads(text)
        return Line(fields.pop("time"), fields.pop("severity"), fields.pop("event"), fields)
    match = _LINE.fullmatch(text)
    if not match:
        return None
    fields = {name: json.loads(value) if value.startswith('"') else value
              for name, value in _FIELD.findall(match["fields"])}
    return Line(match["time"], match["severity"], match["event"], fields)


def problems(output):
    """What is wrong with the lines of a daemon's output. A last line that was cut off is not."""
    found = []
    for text in output.split("\n")[:-1]:
        line = parse(text)
        if line is None:
            found.append(f"no log line: {text}")
        elif line.event not in documented():
            found.append(f"not documented: {text}")
        else:
            severity, fields = documented()[line.event]
            if line.severity != severity:
                found.append(f"not {severity}: {text}")
            unknown = set(line.fields) - fields
            if unknown:
                found.append(f"{', '.join(sorted(unknown))} is not documented: {text}")
    return found
