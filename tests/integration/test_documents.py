"""What the documents show is what there is: commands and their options, JSON, configuration, the
first minute of the README."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import unittest

import support

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")),
         *sorted((ROOT / "docs/man").iterdir()), *sorted((ROOT / "config").rglob("*.yaml")),
         ROOT / "systemd/flowrelayd.service"]
# The command, up to what the shell takes for itself.
COMMAND = re.compile(r"(?:^[ #]*[$#] |^#? +|^|`|sudo |&& |\| *|ssh host )(flowrelay(?: [^`\n|<>&;#]+)?)(?=$|[`\n|<>&;#])",
                     re.MULTILINE)


def commands(text):
    text = text.replace("\\\n", " ").replace(" \\e\n", " ")
    for match in COMMAND.finditer(text):
        try:
            words = shlex.split(match.group(1))
        except ValueError:
            continue  # a quote that ends on another line of prose
        if len(words) > 1 and re.fullmatch(r"(--)?[a-z-]+", words[1]):
            yield words[1:]


class Documents(support.RelayTestCase):

    def setUp(self):
        super().setUp()
        self.helps = {}

    def help(self, *path):
        if path not in self.helps:
            done = self.command([support.BIN / "flowrelay", *path, "--help"])
            self.assertEqual(done.status, 0, done)
            part = done.stdout.partition("Subcommands:")[2].partition("\n\n")[0]
            self.helps[path] = (set(re.findall(r"^  ([\w-]+) ", part, re.MULTILINE)),
                                set(re.findall(r"(--[a-z][\w-]*)", done.stdout)) | {"-q", "-"})
        return self.helps[path]

    def check(self, words):
        path = ()
        for word in words:
            children, _ = self.help(*path)
            if word in children:
                path += (word,)
            elif children and not word.startswith("-") and word.islower() and "|" not in word:
                return f"there is no command {word}"
            else:
                break
        for word in words:
            option = word.partition("=")[0]
            if option.startswith("--") and option not in self.help(*path)[1] and \
                    option not in ("--socket",):
                return f"{' '.join(path)} has no option {option}"
        return None

    def test_every_command_that_is_shown_exists_with_its_options(self):
        found = 0
        wrong = []
        for page in PAGES:
            for words in commands(page.read_text()):
                found += 1
                problem = self.check(words)
                if problem:
                    wrong.append(f"{page.relative_to(ROOT)}: flowrelay {' '.join(words)}: {problem}")
        self.assertEqual(wrong, [])
        self.assertGreater(found, 40)

    def test_examples_of_a_help_exist_as_well(self):
        tree = [(), *((command,) for command in self.help()[0])]
        for path in list(tree):
            tree += [(*path, child) for child in self.help(*path)[0]] if path else []
        for path in tree:
            text = self.command([support.BIN / "flowrelay", *path, "--help"]).stdout
            for words in commands(text.replace("\n      ", " ")):
                if "COMMAND" not in words:
                    self.assertIsNone(self.check(words), (path, words))

    def config_problems(self, **settings):
        """What `config check` says of a file with these keys: {"section.key": "value"}."""
        sections = {"destination": {"base_url": "https://api.example.com"}}
        for key, value in settings.items():
            section, _, name = key.partition(".")
            sections.setdefault(section, {})[name] = value
        token = self.token_file(self.token())
        lines = []
        for section, values in sections.items():
            if section == "sources":
                pairs = "".join(f", {name}: {value}" for name, value in values.items())
                lines.append(f"sources: [{{name: ci, flow_token_file: {token}{pairs}}}]")
            else:
                pairs = ", ".join(f"{name}: {json.dumps(value) if '://' in value else value}"
                                  for name, value in values.items())
                lines.append(f"{section}: {{{pairs}}}")
        path = self.directory / "range.yaml"
        path.write_text("\n".join(lines) + "\n")
        return self.command([support.BIN / "flowrelay", "config", "check", path])

    def test_the_ranges_of_all_keys(self):
        page = (ROOT / "docs/configuration.md").read_text()
        part = page.partition("## Ranges")[2]
        rows = re.findall(r"^\| `([\w.]+)` \| `(\S+)` \| (?:`(\S+)`|none) \|$", part, re.MULTILINE)
        numeric = {key for key, default in re.findall(r"^\| `([\w.]+)` \| `([^`]*)` \|", page.partition(
            "## Ranges")[0], re.MULTILINE) if re.fullmatch(r"\d+\w*", default)}
        self.assertEqual(numeric - {key for key, _, _ in rows}, set())
        # What has to be so for the key itself to be at its end.
        wide = {"spool.max_size": "1024TiB", "spool.segment_size": "1GiB", "retry.max": "1d"}
        narrow = {"spool.segment_size": "64KiB", "spool.max_size": "128KiB", "retry.initial": "10ms",
                  "ingest.max_event_size": "1KiB"}
        for key, least, greatest in rows:
            for value, around in ((least, narrow), (greatest, wide)):
                if not value:
                    continue
                outcome = self.config_problems(**{**around, key: value})
                self.assertEqual(outcome.status, 0, (key, value, outcome))
            number, unit = re.fullmatch(r"(\d+)(\w*)", least).groups()
            if int(number) > 0:
                # 0 has a meaning of its own for log.stats_interval.
                below = "999ms" if key == "log.stats_interval" else f"{int(number) - 1}{unit}"
                self.assertEqual(self.config_problems(**{**narrow, key: below}).status, 78, (key, below))
            if greatest:
                number, unit = re.fullmatch(r"(\d+)(\w*)", greatest).groups()
                above = f"{int(number) + 1}{unit}"
                self.assertEqual(self.config_problems(**{**wide, key: above}).status, 78, (key, above))

    def test_the_first_minute_of_the_readme(self):
        """The block as it stands, with the programs of this build."""
        text = (ROOT / "README.md").read_text()
        block = re.search(r"## A first event in a minute\n\n```sh\n(.*?)```", text, re.DOTALL).group(1)
        producer = re.search(r"```sh\n(echo '\{.*?)```", text, re.DOTALL).group(1)
        lines = [line for line in block.splitlines() if not line.startswith("cmake ")]
        script = "\n".join(lines).replace("/path/to/flowrelay/build/release/bin", str(support.BIN))
        port = support.free_port()
        script = script.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        script = script.replace('cd "$(mktemp -d)"', f"cd {self.directory}")
        path = self.directory / "first.sh"
        path.write_text("set -e; trap 'kill $(jobs -p); wait' EXIT\n" + script + "\n" +
                        (producer if self.has("nc") else "") +
                        "for i in $(seq 100); do $bin/flowrelay status --json | "
                        "grep -q '\"queued\":0' && break; sleep 0.1; done\n"
                        "$bin/flowrelay status --json\n")
        done = subprocess.run(["bash", path], capture_output=True, text=True, check=False,
                              timeout=support.PATIENCE, env=dict(os.environ, LC_ALL="C"))
        self.assertIn('"unaccounted":0', done.stdout, done)
        self.assertIn("build failed", done.stdout, done)
        status = json.loads([line for line in done.stdout.splitlines()
                             if line.startswith('{"version"')][0])
        self.assertEqual(status["delivered"], 2 if self.has("nc") else 1)

    def has(self, program):
        return any(os.access(os.path.join(path, program), os.X_OK)
                   for path in os.environ["PATH"].split(os.pathsep))


if __name__ == "__main__":
    support.main()
