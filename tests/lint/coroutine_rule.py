#!/usr/bin/python3
"""The rule for `co_await`: it stands as a statement, as the initialiser of a named variable, or
after `co_return`, and the expression has no braces, capturing lambda or `?:`. g++ 12 miscompiles
much of what the rule forbids: temporaries are destroyed twice, awaits never complete."""

import sys
import unittest

import tree

_OPEN = {"(": ")", "[": "]", "{": "}"}
_CLOSE = set(_OPEN.values())
_HEADS = {"if", "while", "for", "switch"}


def _statement_start(code, at):
    """The index of the first token of the statement that code[at] is in, or of the first token
    after the bracket that opens around it."""
    depth = 0
    while at > 0:
        text = code[at - 1].text
        if text in (")", "]"):
            depth += 1
        elif text in ("(", "["):
            if depth == 0:
                return at
            depth -= 1
        elif depth == 0 and text in (";", "{", "}"):
            return at
        at -= 1
    return 0


def _skip_parentheses(code, at):
    depth = 0
    while at < len(code):
        depth += {"(": 1, ")": -1}.get(code[at].text, 0)
        at += 1
        if depth == 0:
            return at
    return at


def _skip_heads(code, start, end):
    """Past labels, `else`, `do` and heads like `if (...)`, whose statement begins after them."""
    while start < end:
        text = code[start].text
        if text in ("else", "do"):
            start += 1
        elif text in _HEADS:
            start += 1
            if start < end and code[start].text == "constexpr":
                start += 1
            start = _skip_parentheses(code, start)
        elif text in ("case", "default") and any(t.text == ":" for t in code[start:end]):
            while code[start].text != ":":
                start += 1
            start += 1
        else:
            break
    return start


def _is_declaration(words):
    """`const auto name`, `Type<T>& name`, `auto [a, b]`: a type, then a name."""
    while words and words[0] == "[":  # attributes
        words = words[words.index("]") + 1:] if "]" in words else []
        if words and words[0] == "]":
            words = words[1:]
    if len(words) >= 2 and words[-1] == "]" and "auto" in words[:words.index("[")]:
        return True
    if len(words) < 2 or not (words[-1][0].isalpha() or words[-1][0] == "_"):
        return False
    before = words[-2]
    return before in (">", "&", "&&", "*") or before[0].isalpha() or before[0] == "_"


def _problem_before(code, start, at):
    if start > 0 and code[start - 1].text in ("(", "["):
        return "inside parentheses: it is part of a larger expression"
    start = _skip_heads(code, start, at)
    words = [token.text for token in code[start:at]]
    if not words or words == ["co_return"]:
        return None
    if words[-1] == "=" and _is_declaration(words[:-1]):
        return None
    if words[-1] == "=":
        return "assigned: make it the initialiser of a named variable"
    return "neither a statement, a named initialiser nor after co_return"


def _problem_after(code, at):
    depth = 0
    for index in range(at + 1, len(code)):
        text = code[index].text
        if depth == 0 and text == ";":
            return None
        if depth == 0 and text in _CLOSE:
            return "part of a larger expression or of a braced initialiser"
        if text == "[":
            before = code[index - 1].text
            subscript = before in (")", "]") or before[0].isalpha() or before[0] == "_"
            if not subscript and code[index + 1].text != "]":
                return "a capturing lambda in the expression: name it, then move it in"
        if text == "{":
            return "braces in the expression: use a named variable"
        if text == "?":
            return "?: in the expression: choose into a variable first"
        depth += (text in _OPEN) - (text in _CLOSE)
    return None


def problems(text):
    """(line, what is wrong) for each `co_await` against the rule."""
    code = tree.tokens(text)
    found = []
    for at, token in enumerate(code):
        if token.text != "co_await" or (at > 0 and code[at - 1].text == "operator"):
            continue
        problem = _problem_before(code, _statement_start(code, at), at) or _problem_after(code, at)
        if problem:
            found.append((token.line, problem))
    return found


class CoroutineRule(unittest.TestCase):
    GOOD = (
        "co_await f();",
        "{ co_await timer.async_wait(deferred); }",
        "const auto v = co_await f(a, b[1], g(2));",
        "auto [ec, n] = co_await socket.async_read_some(buffer, token);",
        "[[maybe_unused]] const auto n = co_await f();",
        "Result<std::vector<int>>& v = co_await f();",
        "std::size_t n = co_await f();",
        "co_return co_await f();",
        "if (ready) co_await f();",
        "if (ready) { co_await f(); } else co_await g();",
        "while (!done) co_await condition.wait();",
        "switch (kind) { case Kind::a: co_await f(); break; default: co_await g(); }",
        "co_spawn(io, [this, x = std::move(y)]() -> awaitable<void> { co_await run(); }, done);",
        "// if (co_await f()) {\nco_await f();",
        'log("co_await f({1})"); /* co_await f({}) */',
        "co_await f(R\"(x ? {1} : [y])\", '?', \"{\");",
        "#define WAIT if (co_await f())\n",
        "awaitable<void> operator co_await();",
        "co_await f(&S::member, names[0], [] );",
        "const auto r = co_await async_initiate<Token, void(int)>(read, token);",
    )
    BAD = (
        "if (co_await f()) { g(); }",
        "if (const auto v = co_await f(); v) { g(); }",
        "while (co_await f()) {}",
        "switch (co_await f()) { default: break; }",
        "g(co_await f());",
        "const auto v = g(co_await f());",
        "const bool ok = (co_await f()).has_value();",
        "const auto v{co_await f()};",
        "const auto v(co_await f());",
        "v = co_await f();",
        "this->v = co_await f();",
        "const auto v = 1 + co_await f();",
        "const auto v = !co_await f();",
        "const auto v = co_await f() ? 1 : 2;",
        "co_await f(c ? a : b);",
        "co_await f({1, 2});",
        "co_await f(Options{.a = 1});",
        "co_await f([this]() { return 1; });",
        "co_await f(a, [&]{});",
        "co_return f(co_await g());",
        "co_await f(co_await g());",
        "return_value += co_await f();",
        "for (auto v = co_await f(); v; ) {}",
        "ASSERT_TRUE(co_await f());",
    )

    def test_good_snippets_pass(self):
        for snippet in self.GOOD:
            with self.subTest(snippet):
                self.assertEqual(problems(snippet), [])

    def test_bad_snippets_are_found(self):
        for snippet in self.BAD:
            with self.subTest(snippet):
                self.assertTrue(problems(snippet))

    def test_lines_are_right(self):
        text = '/* a\nb */\n#define X \\\n  y\nauto s = R"x(\n\n)x";\nif (co_await f()) {}\n'
        self.assertEqual([line for line, _ in problems(text)], [8])

    def test_sources_follow_the_rule(self):
        paths = tree.sources()
        self.assertTrue(paths)
        found = [f"{tree.name_of(path)}:{line}: {problem}"
                 for path in paths for line, problem in problems(path.read_text())]
        if found:
            self.fail("co_await used against the rule:\n" + "\n".join(found))


if __name__ == "__main__":
    sys.exit(unittest.main())
