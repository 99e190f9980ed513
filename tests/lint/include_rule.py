#!/usr/bin/python3
"""What a file uses of the precompiled headers (cmake/Precompiled.cmake) it has to include, itself or
through a header of the project. Most builds can't tell: the compiler has read them all before."""

import re
import sys
import unittest

import tree

_STANDARD = {
    "algorithm": """adjacent_find all_of any_of binary_search clamp copy_if copy_n count count_if
        equal_range fill fill_n find find_if find_if_not for_each includes inplace_merge is_sorted
        lexicographical_compare lower_bound max max_element min min_element minmax mismatch none_of
        nth_element partial_sort partition remove_if reverse rotate shuffle sort stable_sort
        transform unique upper_bound""",
    "array": "array to_array",
    "charconv": "from_chars to_chars",
    "chrono": "chrono",
    "cstdint": "int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t",
    "cstring": "memchr memcmp memcpy memmove memset strchr strcmp strerror strlen strncmp strrchr",
    "deque": "deque",
    "functional": "function",
    "map": "map multimap",
    "memory": "enable_shared_from_this make_shared make_unique shared_ptr unique_ptr weak_ptr",
    "optional": "make_optional nullopt optional",
    "set": "multiset set",
    "span": "as_bytes as_writable_bytes span",
    "string": "getline stod stoi stol stoul stoull string to_string",
    "string_view": "string_view",
    "unordered_map": "unordered_map unordered_multimap",
    "unordered_set": "unordered_multiset unordered_set",
    "variant": "holds_alternative monostate variant visit",
    "vector": "vector",
}
# A name, qualified by what stands before it, and the headers of which one has to be there.
HEADERS = {f"std::{name}": (header,) for header, names in _STANDARD.items()
           for name in names.split()}
HEADERS.update({
    "fmt::format": ("fmt/format.h", "fmt/ranges.h"),
    "fmt::join": ("fmt/ranges.h",),
    "fmt::print": ("fmt/format.h", "fmt/ranges.h"),
    "fmt::format_to": ("fmt/format.h", "fmt/ranges.h"),
    "asio::as_tuple": ("boost/asio/as_tuple.hpp",),
    "asio::awaitable": ("boost/asio/awaitable.hpp",),
    "asio::deferred": ("boost/asio/deferred.hpp",),
    "asio::steady_timer": ("boost/asio/steady_timer.hpp",),
    "ip::tcp": ("boost/asio/ip/tcp.hpp",),
    "json::parse": ("boost/json/parse.hpp", "boost/json/src.hpp"),
    "json::serialize": ("boost/json/serialize.hpp",),
})
MACROS = {
    "TEST": ("gtest/gtest.h",), "TEST_F": ("gtest/gtest.h",), "TEST_P": ("gtest/gtest.h",),
    "EXPECT_THAT": ("gmock/gmock.h",), "ASSERT_THAT": ("gmock/gmock.h",),
    "MATCHER_P": ("gmock/gmock.h",),
}
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^">]+)[">]', re.MULTILINE)


def includes(text):
    return set(_INCLUDE.findall(text))


def reach(path, seen=None):
    """All that is included: by the file, and by the headers of the project among that."""
    seen = set() if seen is None else seen
    seen.add(path)
    found = includes(path.read_text())
    for header in list(found):
        for room in (path.parent, tree.ROOT / "include", tree.ROOT / "daemon", tree.ROOT / "tests"):
            own = room / header
            if own.is_file():
                if own not in seen:
                    found |= reach(own, seen)
                break
    return found


def problems(text, reached):
    tokens = tree.tokens(text)
    found = {}
    for i, token in enumerate(tokens):
        name = token.text
        headers = MACROS.get(name)
        if i > 1 and tokens[i - 1].text == "::":
            scope = tokens[i - 2].text
            if scope == "ranges":
                scope = "std"
            name = f"{scope}::{name}"
            headers = HEADERS.get(name)
        if headers and not reached.intersection(headers):
            found.setdefault(headers[0], (token.line, f"{name} needs <{headers[0]}>"))
    return list(found.values())


class IncludeRule(unittest.TestCase):
    def check(self, text):
        return bool(problems(text, includes(text)))

    def test_what_is_included_may_be_used(self):
        self.assertFalse(self.check("#include <vector>\nstd::vector<int> numbers;"))
        self.assertFalse(self.check("#include <algorithm>\nstd::ranges::sort(numbers);"))
        self.assertFalse(self.check("#include <fmt/format.h>\nfmt::format();"))
        self.assertFalse(self.check("#include <gtest/gtest.h>\nTEST(A, B) {}"))

    def test_what_is_not_included_is_found(self):
        self.assertTrue(self.check("std::vector<int> numbers;"))
        self.assertTrue(self.check("#include <vector>\nstd::ranges::sort(numbers);"))
        self.assertTrue(self.check("asio::awaitable<void> run();"))
        self.assertTrue(self.check("boost::asio::ip::tcp::socket socket;"))
        self.assertTrue(self.check("TEST(A, B) {}"))

    def test_other_names_are_not_found(self):
        self.assertFalse(self.check("// std::vector\nauto a = \"std::map\"; list.vector(); own::map m;"))

    def test_sources_follow_the_rule(self):
        found = [f"{tree.name_of(path)}:{line}: {problem}" for path in tree.sources()
                 for line, problem in problems(path.read_text(), reach(path))]
        if found:
            self.fail("includes that are missing:\n" + "\n".join(found))


if __name__ == "__main__":
    sys.exit(unittest.main())
