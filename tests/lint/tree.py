"""What the lint tests look at: the project's files, and C++ sources as tokens."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def files(*patterns):
    """The tracked files that match any of the patterns (git's), those that exist, sorted."""
    names = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--", *patterns],
                           cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.decode()
    paths = [ROOT / name for name in names.split("\0") if name]
    return sorted(path for path in paths if path.is_file())


def sources():
    return files("*.hpp", "*.cpp")


def name_of(path):
    return str(path.relative_to(ROOT))


class Token:
    __slots__ = ("text", "line")

    def __init__(self, text, line):
        self.text = text
        self.line = line

    def __repr__(self):
        return f"{self.text!r}@{self.line}"


_TOKEN = re.compile(r"""
    (?P<skip> \s+ | //(?:[^\n\\]|\\.|\\\n)*? (?=\n|\Z) | /\*.*?\*/ )
  | (?P<raw> (?:u8|[uUL])?R"(?P<delimiter>[^()\s\\]{0,16})\(.*?\)(?P=delimiter)" )
  | (?P<string> (?:u8|[uUL])?"(?:[^"\\\n]|\\.)*" )
  | (?P<number> \.?[0-9](?:'?[0-9A-Za-z_.]|(?<=[eEpP])[+-])* )
  | (?P<char> (?:u8|[uUL])?'(?:[^'\\\n]|\\.)*' )
  | (?P<word> [A-Za-z_][A-Za-z0-9_]* )
  | (?P<mark> ::|->|&&|\|\||[=!<>+*/%&|^-]=|\.\.\.|. )
""", re.VERBOSE | re.DOTALL)

_DIRECTIVE = re.compile(r"^[ \t]*\#(?:[^\n\\]|\\.|\\\n)*", re.MULTILINE | re.DOTALL)


def tokens(text):
    """The tokens of a C++ source, without comments and preprocessor directives. Literals come as
    "" or ''. Macros are not expanded, which is fine for what is asked of the tokens here."""
    text = _DIRECTIVE.sub(lambda match: "\n" * match.group().count("\n"), text)
    result = []
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "delimiter":
            kind = "raw"
        if kind in ("raw", "string"):
            result.append(Token('""', line))
        elif kind == "char":
            result.append(Token("''", line))
        elif kind != "skip":
            result.append(Token(match.group(), line))
        line += match.group().count("\n")
    return result
