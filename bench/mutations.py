"""Programs that nobody wrote: real ones with something changed, and two of them made into one."""

from __future__ import annotations

import ast
import io
import json
import random
import tokenize
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

LONGEST = 20_000  # bytes of a program that is changed: of a longer one, some of its statements
_SIGNS = (
    *(
        b"(",
        b")",
        b"[",
        b"]",
        b"{",
        b"}",
        b":",
        b"\n",
        b"=",
        b",",
        b"*",
        b"\\",
        b";",
        b"'",
        b"#",
        b"@",
    ),
    *(b"\t", b"\x0c", b"\r", b"\x00", b"\xe9", "\u2028".encode(), "ß".encode(), b"\xef\xbb\xbf"),
    *(b"# fixgrad: ", b"# coding: latin-1\n", b"# noqa"),
)
_OPERATORS = ("+", "-", "*", "/", "//", "%", "@", "**", "&", "|", "^", "<<", ">>")
_LINE_ENDS = (b"\r\n", b"\r", b"\n")
_CALLS = (
    *(".detach()", ".numpy()", ".requires_grad_()", ".float()", ".backward()", ".grad", ".data"),
    *(".to('cpu')", ".T", "[0]", ".item()", ".clone()", ".sum()", ".copy()", ".long()"),
)


class Place(NamedTuple):
    """A stretch of a program in bytes."""

    start: int
    end: int


def parsed(data: bytes) -> ast.Module | None:
    """Return the syntax tree of a program, None of what is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def places(data: bytes, kind: type[ast.expr] | type[ast.stmt]) -> list[Place]:
    """Return where the expressions, or the statements, of a program in UTF-8 stand."""
    tree = parsed(data)
    if tree is None or data.startswith(b"\xef\xbb\xbf"):
        return []
    starts = [0]
    for line in io.BytesIO(data):
        starts.append(starts[-1] + len(line))
    found = []
    for node in ast.walk(tree):
        # A form feed or CR counts otherwise.
        if isinstance(node, kind) and node.end_lineno and node.end_lineno < len(starts):
            first, last = starts[node.lineno - 1], starts[node.end_lineno - 1]
            found.append(Place(first + node.col_offset, last + (node.end_col_offset or 0)))
    return [place for place in found if place.start < place.end <= len(data)]


def excerpt(data: bytes, chance: random.Random) -> bytes:
    """Return a program that is not too long: the imports of a longer one, and a run of its statements."""
    if len(data) <= LONGEST:
        return data
    tree = parsed(data)
    if tree is None or not tree.body:
        return data[:LONGEST]
    lines = data.splitlines(keepends=True)
    first = chance.randrange(len(tree.body))
    taken: list[bytes] = []
    size = 0
    for number, node in enumerate(tree.body):
        if number >= first or isinstance(node, ast.Import | ast.ImportFrom):
            part = b"".join(lines[node.lineno - 1 : node.end_lineno])
            size += len(part)
            if size > LONGEST:
                break
            taken.append(part)
    return b"".join(taken)


def mutant(data: bytes, chance: random.Random) -> bytes:
    """Return a program with one to four changes; most of them leave Python behind."""
    changes = (_of_bytes, _of_lines, _of_tokens, _of_expressions, _of_expressions, _of_statements)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        data = chance.choice(changes)(data, chance)
    return data


def near(data: bytes, chance: random.Random) -> bytes:
    """Return a program with some changes that Python mostly takes."""
    for _ in range(chance.choice((1, 1, 2, 3, 5))):
        data = chance.choice((_of_tokens, _of_expressions, _of_expressions, _of_statements))(
            data, chance
        )
    return data


def crossed(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return a program with expressions or statements of another in it."""
    for _ in range(chance.randint(1, 4)):
        kind = chance.choice((ast.expr, ast.stmt))
        into, of = places(data, kind), places(other, kind)
        if not into or not of:
            return data + b"\n" + other
        place, taken = chance.choice(into), chance.choice(of)
        text = other[taken.start : taken.end]
        if kind is ast.stmt:
            text = _indented(other, taken, _indent(data, place.start))
            if chance.random() < 0.5:
                text += b"\n" + _indent(data, place.start) + data[place.start : place.end]
        elif chance.random() < 0.5:
            text = b"(" + text + b")"
        data = data[: place.start] + text + data[place.end :]
    return data


def notebook(data: bytes, chance: random.Random) -> bytes:
    """Return a notebook whose cells are the stretches of a program, some with IPython's own syntax."""
    lines = data.decode("utf-8", "replace").splitlines(keepends=True)
    cells: list[object] = []
    while lines:
        many = chance.randint(1, 12)
        source: object = lines[:many]
        if chance.random() < 0.2:
            source = [
                chance.choice(("%%time\n", "!ls\n", "%matplotlib inline\n", "x = !ls\n", "?x\n"))
            ]
            source += lines[:many]
        if chance.random() < 0.3 and isinstance(source, list):
            source = "".join(source)
        kind = chance.choice(("code", "code", "code", "code", "markdown"))
        cells.append({"cell_type": kind, "metadata": {}, "outputs": [], "source": source})
        lines = lines[many:]
    made: dict[str, object] = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    indent = chance.choice((None, 1, 2, "\t"))
    return json.dumps(made, indent=indent, ensure_ascii=chance.random() < 0.5).encode()


def _of_bytes(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    kind = chance.randrange(5)
    if kind == 0:
        return data[:at] + bytes((chance.randrange(256),)) + data[at + 1 :]
    if kind == 1:
        return data[:at] + data[at + chance.randint(1, 40) :]
    if kind == 2:
        return data[:at] + data[at : at + chance.randint(1, 40)] + data[at:]
    if kind == 3:
        return data[:at]
    return data[:at] + chance.choice(_SIGNS) + data[at:]


def _of_lines(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    line = chance.randrange(len(lines))
    kind = chance.randrange(6)
    if kind == 0:
        lines.insert(chance.randrange(len(lines)), lines[line])
    elif kind == 1:
        del lines[line]
    elif kind == 2:
        other = chance.randrange(len(lines))
        lines[line], lines[other] = lines[other], lines[line]
    elif kind == 3:
        lines[line] = lines[line].lstrip() if chance.random() < 0.5 else b"    " + lines[line]
    elif kind == 4:
        return chance.choice(_LINE_ENDS).join(lines)
    else:
        lines[line] += chance.choice((b"\r", b"  # fixgrad: ignore", b" \\", b"; pass", b"\x0c"))
    return b"\n".join(lines)


def _of_tokens(data: bytes, chance: random.Random) -> bytes:
    """Put a token where another of its kind was, or another operator."""
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(data).readline))
        text = data.decode()
    except (SyntaxError, tokenize.TokenError, ValueError):
        return _of_bytes(data, chance)
    kinds = (tokenize.NAME, tokenize.NUMBER, tokenize.STRING, tokenize.OP)
    kind = chance.choice(kinds)
    of_kind = [token for token in tokens if token.type == kind] or [t for t in tokens if t.string]
    if not of_kind:
        return data
    token = chance.choice(of_kind)
    new = chance.choice(of_kind).string
    if token.string in _OPERATORS:
        new = chance.choice(_OPERATORS)
    lines = text.splitlines(keepends=True)
    if token.start[0] != token.end[0] or not 0 < token.start[0] <= len(lines):
        return data
    line = lines[token.start[0] - 1]
    lines[token.start[0] - 1] = line[: token.start[1]] + new + line[token.end[1] :]
    return "".join(lines).encode()


def _of_expressions(data: bytes, chance: random.Random) -> bytes:
    """Put an expression in the place of another, or do something to what it computes."""
    found = places(data, ast.expr)
    if not found:
        return _of_bytes(data, chance)
    place, other = chance.choice(found), chance.choice(found)
    text = data[place.start : place.end]
    kind = chance.randrange(6)
    if kind == 0:
        new = data[other.start : other.end]
    elif kind == 1:
        new = b"(" + data[other.start : other.end] + b")"
    elif kind == 2:
        new = text + chance.choice(_CALLS).encode()
    elif kind == 3:
        new = b"(" + text + b")" + chance.choice(_CALLS).encode()
    elif kind == 4:
        operator = chance.choice((*_OPERATORS, " if x else ", " and ", ", ", ":=")).encode()
        new = b"(" + text + operator + data[other.start : other.end] + b")"
    else:
        new = (
            chance.choice((b"lambda: ", b"not ", b"-", b"*", b"await ", b"yield ", b"f''", b""))
            + text
        )
    return data[: place.start] + new + data[place.end :]


def _of_statements(data: bytes, chance: random.Random) -> bytes:
    """Repeat, move, drop or wrap a statement."""
    found = places(data, ast.stmt)
    if not found:
        return _of_lines(data, chance)
    place, other = chance.choice(found), chance.choice(found)
    indent = _indent(data, place.start)
    own = _indented(data, place, indent)
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: _indented(data, other, indent),
        lambda: own + b"\n" + indent + _indented(data, other, indent),
        lambda: own + b"; " + data[other.start : other.end].partition(b"\n")[0],
        lambda: b"pass",
        lambda: (
            chance.choice(_HEADS)
            + b"\n"
            + indent
            + b"    "
            + _indented(data, place, indent + b"    ")
        ),
    )
    return data[: place.start] + chance.choice(ways)() + data[place.end :]


_HEADS: Sequence[bytes] = (
    *(b"if x:", b"for x in y:", b"while True:", b"with torch.no_grad():", b"try:", b"def f(x):"),
    *(b"class C(nn.Module):", b"async def g(*x):", b"match x:", b"if 1: pass\nelse:"),
)


def _indent(data: bytes, at: int) -> bytes:
    line = data[data.rfind(b"\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _indented(data: bytes, place: Place, indent: bytes) -> bytes:
    """Return a statement with the indentation of another place."""
    before = _indent(data, place.start)
    lines = data[place.start : place.end].split(b"\n")
    rest = [indent + line[len(before) :] if line.startswith(before) else line for line in lines[1:]]
    return b"\n".join([lines[0], *rest])
