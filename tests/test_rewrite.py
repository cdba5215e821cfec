"""Operations written into a text: how the tables of the other files are read, and the refusals.

A case is a name, the text before, one line of operations for each marked place in the order the
marks open, and the text after:

    ==== its own parentheses
    x = («a + b»)
    ---- append .detach() | append .cpu()
    x = (a + b).detach().cpu()

`→` is a tab, `␌` a form feed, `␍` at the end of a line makes it CRLF, `␍␤` is a CR alone, and `␄`
ends a text without a newline.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from fixgrad.edits import Operation, Patch
from fixgrad.rewrite import RewriteRefused, rewrite
from fixgrad.rewrite.check import check
from fixgrad.rewrite.layout import Layout
from fixgrad.source import Source, Span

SIGNS = {"␍␤": "\r", "␍": "\r", "␌": "\f", "→": "\t"}


class Ask(NamedTuple):
    """An operation on a stretch of the text."""

    start: int
    end: int
    kind: str
    argument: str = ""


class Case(NamedTuple):
    before: str
    asked: list[Ask]
    after: str


def cases(table: str, text: str) -> Iterator[object]:
    """Read a table; each case is named after the table and its own name."""
    for part in text.split("\n==== ")[1:]:
        name, _, body = part.partition("\n")
        lines = [f"{line}\n" for line in body.removesuffix("\n").split("\n")]
        marks = [index for index, line in enumerate(lines) if line.startswith("---- ")]
        before = decoded(lines[: marks[0]])
        after = decoded(lines[marks[-1] + 1 :])
        asked = [lines[index][5:-1].split(" | ") for index in marks]
        yield pytest.param(case(before, asked, after), id=f"{table}: {name}")


def decoded(lines: list[str]) -> str:
    text = "".join(lines)
    for sign, meant in SIGNS.items():
        text = text.replace(sign, meant)
    return text.replace("␄\n", "")


def case(marked: str, asked: list[list[str]], after: str) -> Case:
    """Take the marks out of the text and give each place its operations."""
    text = ""
    opened: list[int] = []
    places: list[tuple[int, int]] = []
    for char in marked:
        if char == "«":
            opened.append(len(places))
            places.append((len(text), 0))
        elif char == "»":
            index = opened.pop()
            places[index] = places[index][0], len(text)
        else:
            text += char
    found = []
    for (start, end), entries in zip(places, asked, strict=True):
        for entry in entries:
            kind, _, argument = entry.partition(" ")
            found.append(Ask(start, end, kind, argument))
    return Case(text, found, after)


def source(text: str) -> Source:
    return Source("m.py", text, "utf-8", False, "")


def nodes(text: str) -> set[Span]:
    """Return the place of every node of the text, in characters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    lines = Layout(text).lines
    return {
        Span(
            "m.py",
            node.lineno,
            len(lines[node.lineno - 1].encode()[: node.col_offset].decode()),
            node.end_lineno or 0,
            len(lines[(node.end_lineno or 0) - 1].encode()[: node.end_col_offset].decode()),
        )
        for node in ast.walk(tree)
        if isinstance(node, (ast.expr, ast.stmt))
    }


def operations(text: str, asked: list[Ask]) -> list[Operation]:
    layout, known = Layout(text), nodes(text)
    found = []
    for start, end, kind, argument in asked:
        span = layout.span("m.py", start, end)
        assert span in known, f"{text[start:end]!r} is no node of the program"
        found.append(Operation(span, kind, argument))
    return found


def rewritten(text: str, asked: list[Ask]) -> Patch:
    patch = rewrite(source(text), operations(text, asked))
    assert check(text, patch) is None
    return patch


def edited(patch: Patch) -> str:
    """Make the edits again, as a reader of the patch would; they must be disjoint and in order."""
    layout, pieces, at = Layout(patch.before), [], 0
    for span, text in patch.edits:
        start, end = layout.offset(span.line, span.column), layout.offset(*span[3:5])
        assert start is not None
        assert end is not None
        assert at <= start <= end
        assert patch.before[start:end] != text
        pieces += [patch.before[at:start], text]
        at = end
    return "".join([*pieces, patch.before[at:]])


# the text, the operation on its marked place, the reason
REFUSED = [
    ("x = «f'{a + b}'»\n", "keyword b=1", "not a call"),
    ("x = «a.b()»\n", "unwrap-method c", "does not end in .c()"),
    ("x = «f()»\n", "unwrap-call", "no first argument"),
    ("x = «f(*a)»\n", "unwrap-call", "no first argument"),
    ("x = «f(a)»\n", "drop-keyword b", "no keyword b"),
    ("x = «f(a)»\n", "keyword b", "not a keyword"),
    ("x = «f(a)»\n", "callee a + b", "cannot be called"),
    ("x = «f(a)»\n", "call a + b", "cannot be called"),
    ("x = «f(a)»\n", "replace a +", "not an expression"),
    ("x = «f(a)»\n", "rename a", "no operation of this kind"),
    ("x = «f(a)»\n", "rename-keyword b=c", "no keyword b"),
    ("x = «f(a, b)»\n", "name-argument 2=c", "no positional argument 2"),
    ("x = «f(a, b, c)»\n", "name-argument 1=d", "no positional argument 1"),
    ("x = «f(*a, b)»\n", "name-argument 1=d", "no positional argument 1"),
    ("x = «f(a, *b)»\n", "swap-arguments", "no two positional arguments"),
    ("«x[0] += a»\n", "out-of-place", "cannot be written twice"),
    ("«x //= a»\n", "out-of-place", "cannot be written twice"),
    ("«x = a»\n", "out-of-place", "does not change something in place"),
    ("«self.a, b = c»\n", "as-buffer a", "does not set one attribute"),
    ("«self.a = self.b = c»\n", "as-buffer a", "sets something else too"),
    ("x = «f(a)»\n", "method b", "not a call of a method"),
    ("x = «a.b»\n", "unwrap-attribute data", "does not end in .data"),
    ("f(«*a»)\n", "append .b", "not an expression"),
    ("x = «[" + "1, " * 9000 + "]»\n", "append .b", "larger than"),
    ("x = «" + "[" * 150 + "]" * 150 + "»\n", "append .b", "nested too deep"),
    ("x = «" + "a+" * 900 + "a»\n", "append .b", "nested too deep"),
    ("x = «" + "a<" * 1500 + "a»\n", "append .b", "nested too deep"),
    ("«a»; b\n", "wrap-with c", "another statement on its line"),
    ("«a -= 1»; b\n", "wrap-with c | insert-after d", "another statement on its line"),
    ("if a:\n    b\n«elif c:\n    d»\n", "wrap-with e", "an elif"),
    ("if a: \\\n  «b»\n", "wrap-with c", "a continued line"),
    ("if c: «x»\n", "insert-after if a: b", "cannot follow on the same line"),
    ("if c: «x»\n", "insert-after y  # why", "cannot follow on the same line"),
    ("«x»\n", "insert-after a\nb", "not a statement of one line"),
    ("«x»\n", "insert-after a +", "not a statement of one line"),
    ("for a in b: «x»\n", "insert-before y", "no line of its own"),
    ("x; «y»\n", "insert-before z", "no line of its own"),
    ("«x»\n", "insert-before y | delete", "no line of its own"),
    ("«x»\n", "wrap-with a | insert-after b | wrap-with c", "moved again"),
    ("«a»; «b»\n", "wrap-with c | insert-after d", "another statement follows"),
    ("x = «a»\n", "delete", "no statement has just this place"),
]


@pytest.mark.parametrize(
    ("text", "asked", "reason"),
    [pytest.param(*row, id=f"{row[1]}: {row[2]}") for row in REFUSED],
)
def test_refused(text: str, asked: str, reason: str) -> None:
    one = case(text, [asked.split(" | ")] * text.count("«"), "")
    wanted = operations(one.before, one.asked)
    with pytest.raises(RewriteRefused) as caught:
        rewrite(source(one.before), wanted)
    assert reason in caught.value.reason
    assert caught.value.operation in wanted
    assert str(caught.value).startswith("m.py:")


PLACES = [
    ("x = f'{a}'\n", Span("m.py", 1, 7, 1, 8), "callee", "in an f-string"),
    ("x = 1\n", Span("m.py", 7, 0, 7, 1), "append", "no such place"),
    ("x = 1\n", Span("m.py", 7, 0, 7, 1), "delete", "no such place"),
    ("x = 1\n", Span("m.py", 1, 4, 1, 90), "append", "no such place"),
    ("x = 1\n", Span("other.py", 1, 4, 1, 5), "append", "not in m.py"),
    ("x = (\n", Span("m.py", 1, 0, 1, 5), "delete", "not valid Python"),
]


@pytest.mark.parametrize(("text", "span", "kind", "reason"), PLACES)
def test_refused_places(text: str, span: Span, kind: str, reason: str) -> None:
    with pytest.raises(RewriteRefused) as caught:
        rewrite(source(text), [Operation(span, kind, ".b")])
    assert reason in caught.value.reason


def test_overlapping_expressions_are_refused() -> None:
    spans = Span("m.py", 1, 0, 1, 5), Span("m.py", 1, 4, 1, 9)
    asked = [Operation(span, "append", ".b") for span in spans]
    with pytest.raises(RewriteRefused, match="overlaps"):
        rewrite(source("a + b + c\n"), asked)


@pytest.mark.parametrize("text", ["", "\n", "x = (\r\f\t", "é\r\n\rx"])
def test_no_operation_changes_nothing(text: str) -> None:
    assert rewrite(source(text), []) == Patch("m.py", text, text, ())


def test_importing_loads_no_libcst() -> None:
    program = "import sys, fixgrad.rewrite, fixgrad.rewrite.check; print('libcst' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"
