"""Which statements stand beside which: the suites of a file, as Python's own parser sees them."""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fixgrad.edits import Operation
from fixgrad.rewrite.layout import Layout
from fixgrad.rewrite.refused import RewriteRefused

_JOINED = re.compile(r"(?:[ \t\f]|\\(?:\r\n|\r|\n))*;(?:[ \t\f]|\\(?:\r\n|\r|\n))*")
_TAIL = re.compile(r"(?:[ \t\f;]|\\(?:\r\n|\r|\n))*(?:#[^\r\n]*)?(?:\r\n|\r|\n|\Z)")


class Suite(NamedTuple):
    """The statements of one block."""

    statements: tuple[tuple[int, int], ...]  # offsets, decorators included
    indentation: str  # of the line its header starts on: "    " in `    if x:`; "" in the module
    module: bool


class Line(NamedTuple):
    """Statements of one suite on one logical line: one, or several with `;` between them."""

    suite: Suite
    first: int  # index in the suite
    last: int
    start: int  # where its first physical line starts; after the colon where that is before it
    end: int  # where its last physical line ends, comment and newline included
    inline: bool  # on the line of its `if x:`


class Targets(NamedTuple):
    """The suites that hold the operated statements, and the operations by suite and index."""

    suites: tuple[tuple[Suite, dict[int, list[Operation]]], ...]
    unit: str  # what most blocks of the file are indented by


def targets(layout: Layout, operations: Sequence[Operation]) -> Targets:
    """Find the statements the operations name."""
    wanted: dict[tuple[int, int, int, int], list[Operation]] = {}
    for operation in operations:
        wanted.setdefault(_byte_place(layout, operation), []).append(operation)
    tree = _tree(layout.text, operations[0])
    found: list[tuple[Suite, dict[int, list[Operation]]]] = []
    units: Counter[str] = Counter()
    for header, body in _bodies(tree):
        if header is not None:
            units.update(_unit(layout, header.lineno, body[0].lineno))
        for node in body:
            if isinstance(node, ast.Match):
                units.update(_unit(layout, node.lineno, node.cases[0].pattern.lineno))
        named = {
            index: wanted.pop(place)
            for index, node in enumerate(body)
            if (place := _place(node)) in wanted
        }
        if named:
            found.append((_suite(layout, header, body), named))
    for missing in wanted.values():
        raise RewriteRefused(missing[0], "no statement has just this place")
    return Targets(tuple(found), units.most_common(1)[0][0] if units else "    ")


def lines(layout: Layout, suite: Suite, operations: dict[int, list[Operation]]) -> Iterator[Line]:
    """Yield the logical lines of the suite that hold an operated statement, in order."""
    done = -1
    for index in sorted(operations):
        if index > done:
            line = _line(layout, suite, index, operations[index][0])
            done = line.last
            yield line


def _line(layout: Layout, suite: Suite, index: int, operation: Operation) -> Line:
    first = last = index
    while first and _joined(layout, suite, first - 1):
        first -= 1
    while last + 1 < len(suite.statements) and _joined(layout, suite, last):
        last += 1
    start, end = suite.statements[first][0], suite.statements[last][1]
    tail = _TAIL.match(layout.text, end)
    line_start = layout.line_start(start)
    before = layout.text[line_start:start]
    continued = not before.strip() and layout.continues(line_start)
    if tail is None or continued or layout.text.startswith("elif", start):
        what = "an elif" if tail and not continued else "a statement on a continued line"
        raise RewriteRefused(operation, f"it is {what}")
    if not before.strip():
        return Line(suite, first, last, line_start, tail.end(), inline=False)
    return Line(suite, first, last, line_start + len(before.rstrip()), tail.end(), inline=True)


def _joined(layout: Layout, suite: Suite, index: int) -> bool:
    """Say whether only a `;` stands between a statement and the next."""
    start, end = suite.statements[index][1], suite.statements[index + 1][0]
    return _JOINED.fullmatch(layout.text, start, end) is not None


def _tree(text: str, operation: Operation) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise RewriteRefused(operation, "the file is not valid Python") from None


_Header = ast.stmt | ast.excepthandler | ast.pattern | None


def _bodies(tree: ast.Module) -> Iterator[tuple[_Header, list[ast.stmt]]]:
    """Yield every suite with a node on the line of its header."""
    waiting: list[tuple[_Header, list[ast.stmt]]] = [(None, tree.body)]
    while waiting:
        owner, body = waiting.pop()
        yield owner, body
        for node in body:
            for name in ("body", "orelse", "finalbody"):
                if inner := getattr(node, name, None):
                    waiting.append((node, inner))
            waiting.extend((handler, handler.body) for handler in getattr(node, "handlers", ()))
            waiting.extend((case.pattern, case.body) for case in getattr(node, "cases", ()))


def _unit(layout: Layout, header: int, body: int) -> list[str]:
    """Return what the one line is indented by under the other, if it is."""
    outer = layout.indentation(layout.starts[header - 1])
    inner = layout.indentation(layout.starts[body - 1])
    return [inner[len(outer) :]] if inner.startswith(outer) and inner != outer else []


def _suite(layout: Layout, header: _Header, body: list[ast.stmt]) -> Suite:
    statements = tuple(
        (_start(layout, node), _offset(layout, node.end_lineno or 0, node.end_col_offset or 0))
        for node in body
    )
    if header is None:
        return Suite(statements, "", module=True)
    at = _offset(layout, header.lineno, header.col_offset)
    if isinstance(header, ast.pattern):
        at = _unopened(layout, at)
    return Suite(statements, layout.indentation(at), module=False)


def _start(layout: Layout, node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    if not decorators:
        return _offset(layout, node.lineno, node.col_offset)
    return _unopened(layout, _offset(layout, decorators[0].lineno, decorators[0].col_offset))


def _unopened(layout: Layout, at: int) -> int:
    """Return the last character of the token before `at` and its parentheses: `@`, `case`."""
    end = layout.before(at)
    while layout.text[end - 1] == "(":
        end = layout.before(end - 1)
    return end - 1


def _offset(layout: Layout, line: int, byte: int) -> int:
    """Return the offset of a place whose column counts UTF-8 bytes."""
    text = layout.lines[line - 1]
    column = byte if text.isascii() else len(text.encode()[:byte].decode())
    return layout.starts[line - 1] + column


def _place(node: ast.stmt) -> tuple[int, int, int, int]:
    return node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0


def _byte_place(layout: Layout, operation: Operation) -> tuple[int, int, int, int]:
    if layout.offsets(operation.span) is None:
        raise RewriteRefused(operation, "the file has no such place")
    _, line, column, end_line, end_column = operation.span
    first, last = layout.lines[line - 1], layout.lines[end_line - 1]
    return line, len(first[:column].encode()), end_line, len(last[:end_column].encode())
