"""Lowers `match`: each case is a branch taken or not, its captures are parts of the subject."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixgrad.flow.lower.builder import Builder
from fixgrad.flow.lower.expressions import lower, parts_of


def lower_match(b: Builder, node: ast.Match) -> None:
    """Lower a match statement as a chain of branches."""
    subject = lower(b, node.subject)
    _cases(b, node, subject, list(node.cases))


def _cases(b: Builder, node: ast.Match, subject: int, cases: list[ast.match_case]) -> None:
    if not cases:
        return
    case, rest = cases[0], cases[1:]
    test = _test(b, node, subject, case)
    with b.block() as taken:
        _captures(b, case.pattern, subject)
        if case.guard is not None:
            lower(b, case.guard)
        b.unit.lower_body(b, case.body)
    with b.block() as otherwise:
        _cases(b, node, subject, rest)
    asked = [node.subject, *([case.guard] if case.guard is not None else [])]
    b.act("branch", node, "if", (test,), b.mentions(*asked), (tuple(taken), tuple(otherwise)))


def _test(b: Builder, node: ast.Match, subject: int, case: ast.match_case) -> int:
    """Lower what decides a case; a value is an equality, a bare class a test of type, a name matches."""
    match case.pattern:
        case ast.MatchValue(value=value):
            return b.emit("compare", value, "==", (subject, lower(b, value)))
        case ast.MatchAs(pattern=None) if case.guard is None:
            return b.emit("const", node, constant=True)
        case (
            ast.MatchClass(cls=cls, patterns=[], kwd_patterns=[])
            | ast.MatchAs(pattern=ast.MatchClass(cls=cls, patterns=[], kwd_patterns=[]))
        ) if case.guard is None:
            test = b.load("isinstance", cls)
            return b.emit("call", cls, "", (test, subject, lower(b, cls)), ("", "", ""))
    return b.emit("opaque", node, "pattern")


def _captures(b: Builder, pattern: ast.pattern, value: int) -> None:
    place = b.unit.columns.place(pattern)
    match pattern:
        case ast.MatchAs():
            if pattern.pattern is not None:
                _captures(b, pattern.pattern, value)
            if pattern.name is not None:
                b.store(pattern.name, value, place)
        case ast.MatchStar(name=str(name)):
            b.store(name, value, place)
        case ast.MatchSequence():
            stars = [isinstance(part, ast.MatchStar) for part in pattern.patterns]
            for part, which in zip(pattern.patterns, parts_of(stars), strict=True):
                _captures(b, part, b.emit("item", place, which, (value,)))
        case ast.MatchOr():
            for part in pattern.patterns:
                _captures(b, part, value)
        case _:
            for part, key in _parts(pattern):
                if key is None:
                    _captures(b, part, b.emit("opaque", place, "pattern", (value,)))
                else:
                    _captures(b, part, b.emit("index", place, "pattern", (value, lower(b, key))))


def _parts(pattern: ast.pattern) -> Iterator[tuple[ast.pattern, ast.expr | None]]:
    if isinstance(pattern, ast.MatchMapping):
        yield from zip(pattern.patterns, pattern.keys, strict=True)
    elif isinstance(pattern, ast.MatchClass):
        yield from ((p, None) for p in [*pattern.patterns, *pattern.kwd_patterns])
