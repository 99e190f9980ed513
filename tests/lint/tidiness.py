#!/usr/bin/python3
"""Files of a readable length, nothing left open or switched off, sources laid out by clang-format,
shell scripts that shellcheck has no objection to."""

import re
import shutil
import subprocess
import sys
import unittest

import tree

MAX_LINES = 600

# In two parts, so that this file is not found itself.
LEFT_OPEN = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|GTEST_" r"SKIP)\b|\bDISABLED" r"_\w")


class Tidiness(unittest.TestCase):
    def test_no_file_is_too_long(self):
        paths = tree.files("daemon/*", "include/*", "tests/*")
        self.assertTrue(paths)
        lengths = {tree.name_of(path): path.read_bytes().count(b"\n") for path in paths}
        found = [f"{name}: {length}" for name, length in lengths.items() if length > MAX_LINES]
        if found:
            self.fail(f"files of more than {MAX_LINES} lines:\n" + "\n".join(found))

    def test_left_open_is_recognised(self):
        for text in ("// TO" "DO: x", "FIX" "ME", "TEST(A, DISABLED" "_b)", "GTEST_" "SKIP();"):
            self.assertTrue(LEFT_OPEN.search(text), text)
        for text in ("today", "mkdtemp(XX" "XXXX)", "disabled", "MASTODON"):
            self.assertFalse(LEFT_OPEN.search(text), text)

    def test_nothing_is_left_open(self):
        found = []
        for path in tree.files("daemon/*", "include/*", "tests/*", "cmake/*", "config/*",
                               "systemd/*", "docs/*", "*.md", "CMakeLists.txt"):
            lines = path.read_bytes().decode(errors="replace").splitlines()
            found += [f"{tree.name_of(path)}:{number}: {line.strip()}"
                      for number, line in enumerate(lines, 1) if LEFT_OPEN.search(line)]
        if found:
            self.fail("left open or switched off:\n" + "\n".join(found))

    def test_sources_are_formatted(self):
        paths = tree.sources()
        self.assertTrue(shutil.which("clang-format-19"), "clang-format-19 is missing")
        run = subprocess.run(["clang-format-19", "--dry-run", "-Werror", *paths], cwd=tree.ROOT,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if run.returncode:
            self.fail("not formatted (`make format` does it):\n" + run.stdout.decode())

    def test_shell_scripts_are_sound(self):
        scripts = [path for path in tree.files()
                   if re.match(rb"#!.*\b(?:ba)?sh\b", path.read_bytes()[:64])]
        self.assertTrue(scripts)
        for script in scripts:
            first = script.read_text().splitlines()[0]
            shell = "bash" if "bash" in first else "sh"
            with self.subTest(tree.name_of(script)):
                subprocess.run([shell, "-n", script], check=True)
                self.assertTrue(script.stat().st_mode & 0o111, "not executable")
        self.assertTrue(shutil.which("shellcheck"), "shellcheck is missing")
        run = subprocess.run(["shellcheck", "--external-sources", *scripts], cwd=tree.ROOT,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if run.returncode:
            self.fail(run.stdout.decode())


if __name__ == "__main__":
    sys.exit(unittest.main())
