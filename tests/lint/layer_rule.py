#!/usr/bin/python3
"""The layers: base <- core <- {storage, http} <- runtime <- app <- client <-
{cli, pages}. A file includes only from
its own layer and from those below, of those what lies in include/flowrelay; and a header lies there
only if another layer uses it, or a header there needs it. Decisions (core) take time as an argument
and never ask for it. The parts of the relay (core) know those below them, and none knows the relay."""

import pathlib
import re
import sys
import unittest

import tree

BELOW = {
    "base": set(),
    "core": {"base"},
    "storage": {"base", "core"},
    "http": {"base", "core"},
    "runtime": {"base", "core", "storage", "http"},
    "app": {"base", "core", "storage", "http", "runtime"},
    "client": {"base", "core", "storage", "http", "runtime", "app"},
    "cli": {"base", "core", "storage", "http", "runtime", "app", "client"},
    "pages": {"base", "core", "storage", "http", "runtime", "app", "client"},
}

# The parts of core::Relay, and which of the others each of them knows.
PARTS = {
    "destination": set(),
    "flow_reports": {"destination"},
    "liveness_checks": {"destination"},
    "reporting": {"destination", "flow_reports", "liveness_checks"},
    "token_lifecycle": {"destination", "reporting"},
    "admission": {"destination", "reporting", "token_lifecycle"},
    "letter_holds": {"destination"},
    "delivery": {"destination", "letter_holds", "liveness_checks", "reporting", "token_lifecycle"},
    "unused_tokens": {"admission", "destination", "reporting", "token_lifecycle"},
}
PARTS["relay"] = set(PARTS)
# Sources of a part that are called otherwise than its header.
PART_OF = {"source_operations": "token_lifecycle", "delivery_operations": "delivery"}

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^">]+)[">]', re.MULTILINE)
_OWN = re.compile(r"(?:^|/)(?:flowrelay|daemon)/(base|core|storage|http|runtime|app|client|cli|pages)/")
_PRIVATE = re.compile(r"^(?:daemon/)?(base|core|storage|http|runtime|app|client|cli|pages)/")
_PART = re.compile(r"(?:^|/)flowrelay/core/(" + "|".join(PARTS) + r")\.hpp$")
_CLOCK = re.compile(r"(system_clock|steady_clock|high_resolution_clock)::now|\bgettimeofday|"
                    r"\bclock_gettime|std::random_device")


def layer_of(name):
    """The layer that a file (by its name in the tree) belongs to, or None."""
    parts = pathlib.PurePosixPath(name).parts
    if parts[:3] == ("tests", "unit", "app") and parts[-1].startswith("cli_"):
        return "cli"  # its tests are in the program of those of app
    for room in (("include", "flowrelay"), ("daemon",), ("tests", "unit")):
        if parts[:len(room)] == room and len(parts) > len(room) + 1 and parts[len(room)] in BELOW:
            return parts[len(room)]
    return None


def problems(name, text):
    layer = layer_of(name)
    found = []
    for match in _INCLUDE.finditer(text):
        header = match.group(1)
        line = text.count("\n", 0, match.start()) + 1
        if header == "boost/asio.hpp":
            found.append((line, "include the specific headers of Asio, not all of it"))
        target = _OWN.search(header)
        if layer and target and target.group(1) != layer and target.group(1) not in BELOW[layer]:
            found.append((line, f"{layer} must not include {target.group(1)}: {header}"))
        private = _PRIVATE.search(header)
        if private and layer and private.group(1) != layer and not name.startswith("tests/"):
            found.append((line, f"{header} is of {private.group(1)} alone: move it to "
                                f"include/flowrelay/{private.group(1)}, or do without"))
    if layer == "core" and not name.startswith("tests/"):
        found += [(line, f"{part} must not know {known}") for line, part, known in upward(name, text)]
        for match in _CLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append((line, f"core asks for {match.group()}: take it as an argument"))
    return found


def upward(name, text):
    """Where a file of core includes a part of the relay that it must not know, as line, its part (or
    its own name), the part included."""
    stem = pathlib.PurePosixPath(name).stem
    part = PART_OF.get(stem, stem)
    for match in _INCLUDE.finditer(text):
        known = _PART.search(match.group(1))
        if known and known.group(1) not in PARTS.get(part, set()) | {part}:
            yield text.count("\n", 0, match.start()) + 1, part, known.group(1)


def needless(sources):
    """The headers in include/flowrelay that no other layer uses and no header there needs, of
    {name in the tree: text}."""
    includes = {name: set(_INCLUDE.findall(text)) for name, text in sources.items()}
    public = {name.removeprefix("include/"): name for name in sources
              if name.startswith("include/flowrelay/")}
    needed = {header for name, headers in includes.items() if not name.startswith("tests/")
              for header in headers & public.keys() if layer_of(name) != layer_of(public[header])}
    todo = list(needed)
    while todo:
        for header in includes[public[todo.pop()]] & public.keys() - needed:
            needed.add(header)
            todo.append(header)
    return sorted(public[header] for header in public.keys() - needed)


class LayerRule(unittest.TestCase):
    def check(self, name, text):
        return bool(problems(name, text))

    def test_lower_layers_may_be_included(self):
        self.assertFalse(self.check("daemon/storage/a.cpp", '#include "flowrelay/core/event.hpp"'))
        self.assertFalse(self.check("daemon/runtime/a.cpp", '#include "flowrelay/http/a.hpp"'))
        self.assertFalse(self.check("daemon/cli/main.cpp", '#include "flowrelay/app/config.hpp"'))
        self.assertFalse(self.check("daemon/core/a.cpp", '#include "daemon/core/b.hpp"'))

    def test_higher_layers_are_found(self):
        self.assertTrue(self.check("daemon/core/a.cpp", '#include "flowrelay/storage/a.hpp"'))
        self.assertTrue(self.check("include/flowrelay/base/a.hpp", '#include "flowrelay/core/a"'))
        self.assertTrue(self.check("daemon/storage/a.cpp", ' # include "daemon/runtime/a.hpp"'))

    def test_what_is_of_a_layer_alone_is_found(self):
        self.assertTrue(self.check("daemon/cli/a.cpp", '#include "app/secret.hpp"'))
        self.assertTrue(self.check("daemon/app/a.cpp", '#include "daemon/runtime/b.hpp"'))
        self.assertFalse(self.check("daemon/cli/a.cpp", '#include "cli/b.hpp"'))
        self.assertFalse(self.check("tests/unit/app/a.cpp", '#include "core/pace.hpp"'))

    def test_a_header_that_is_public_without_need_is_found(self):
        a, b, c = (f"include/flowrelay/core/{name}.hpp" for name in "abc")
        sources = {a: '#include "flowrelay/core/b.hpp"', b: "", c: "",
                   "daemon/app/x.cpp": '#include "flowrelay/core/a.hpp"',
                   "daemon/core/y.cpp": '#include "flowrelay/core/c.hpp"',
                   "tests/z.cpp": '#include "flowrelay/core/c.hpp"'}
        self.assertEqual(needless(sources), [c])

    def test_parts_of_the_relay_know_those_below_them(self):
        delivery = '#include "flowrelay/core/delivery.hpp"'
        reporting = '#include "flowrelay/core/reporting.hpp"'
        self.assertFalse(self.check("daemon/core/relay.cpp", delivery))
        self.assertFalse(self.check("daemon/core/delivery_operations.cpp", delivery))
        self.assertFalse(self.check("include/flowrelay/core/delivery.hpp", reporting))
        self.assertFalse(self.check("daemon/runtime/engine.cpp", delivery))

    def test_parts_of_the_relay_that_know_others_above_them_are_found(self):
        delivery = '#include "flowrelay/core/delivery.hpp"'
        self.assertTrue(self.check("daemon/core/reporting.cpp", delivery))
        self.assertTrue(self.check("include/flowrelay/core/admission.hpp", delivery))
        self.assertTrue(self.check("daemon/core/source_operations.cpp", delivery))
        self.assertTrue(self.check("daemon/core/verdict.cpp", delivery), "no part at all")
        self.assertTrue(self.check("daemon/core/delivery.cpp",
                                   '#include "flowrelay/core/relay.hpp"'))

    def test_storage_and_http_do_not_know_each_other(self):
        self.assertTrue(self.check("daemon/storage/a.cpp", '#include "flowrelay/http/a.hpp"'))
        self.assertTrue(self.check("tests/unit/http/a.cpp", '#include "flowrelay/storage/a.hpp"'))

    def test_commands_and_pages_do_not_know_each_other(self):
        self.assertTrue(self.check("daemon/pages/a.cpp", '#include "cli/a.hpp"'))
        self.assertTrue(self.check("daemon/cli/a.cpp", '#include "pages/a.hpp"'))
        self.assertFalse(self.check("daemon/pages/a.cpp", '#include "flowrelay/client/a.hpp"'))

    def test_the_whole_of_asio_is_found(self):
        self.assertTrue(self.check("daemon/cli/a.cpp", "#include <boost/asio.hpp>"))

    def test_a_clock_in_core_is_found(self):
        self.assertTrue(self.check("daemon/core/a.cpp", "t = std::chrono::steady_clock::now();"))
        self.assertFalse(self.check("daemon/runtime/a.cpp", "std::chrono::steady_clock::now();"))

    def test_sources_follow_the_rule(self):
        paths = tree.sources()
        self.assertTrue(any(layer_of(tree.name_of(path)) for path in paths))
        found = [f"{tree.name_of(path)}:{line}: {problem}" for path in paths
                 for line, problem in problems(tree.name_of(path), path.read_text())]
        if found:
            self.fail("against the layers:\n" + "\n".join(found))

    def test_headers_are_public_where_they_have_to_be(self):
        found = needless({tree.name_of(path): path.read_text() for path in tree.sources()})
        if found:
            self.fail("used by their own layer alone, so they belong beside its sources:\n"
                      + "\n".join(found))


if __name__ == "__main__":
    sys.exit(unittest.main())
