#!/usr/bin/python3
"""The layers: base <- core <- {storage, http} <- runtime <- app. A file includes only from its own
layer and from those below. Decisions (core) take time as an argument and never ask for it."""

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
}

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^">]+)[">]', re.MULTILINE)
_OWN = re.compile(r"(?:^|/)(?:flowrelay|daemon)/(base|core|storage|http|runtime|app)/")
_CLOCK = re.compile(r"(system_clock|steady_clock|high_resolution_clock)::now|\bgettimeofday|"
                    r"\bclock_gettime|std::random_device")


def layer_of(name):
    """The layer that a file (by its name in the tree) belongs to, or None."""
    parts = pathlib.PurePosixPath(name).parts
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
    if layer == "core" and not name.startswith("tests/"):
        for match in _CLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append((line, f"core asks for {match.group()}: take it as an argument"))
    return found


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

    def test_storage_and_http_do_not_know_each_other(self):
        self.assertTrue(self.check("daemon/storage/a.cpp", '#include "flowrelay/http/a.hpp"'))
        self.assertTrue(self.check("tests/unit/http/a.cpp", '#include "flowrelay/storage/a.hpp"'))

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


if __name__ == "__main__":
    sys.exit(unittest.main())
