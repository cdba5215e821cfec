"""Lowers `match`: each case is a branch taken or not, its captures are parts of the subject."""

from __future__ import annotations

import ast

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
        case ast.MatchSingleton(value=value) if case.guard is None:
            return b.emit("compare", node, "is", (subject, b.emit("const", node, constant=value)))
        case (
            ast.MatchClass(cls=cls, patterns=parts, kwd_patterns=named)
            | ast.MatchAs(pattern=ast.MatchClass(cls=cls, patterns=parts, kwd_patterns=named))
        ) if case.guard is None and all(map(_always_fits, [*parts, *named])):
            test = b.load("isinstance", cls)
            return b.emit("call", cls, "", (test, subject, lower(b, cls)), ("", "", ""))
    return b.emit("opaque", node, "pattern")


def _always_fits(pattern: ast.pattern) -> bool:
    """Say whether a pattern only gives a name to what is there."""
    return isinstance(pattern, ast.MatchAs) and pattern.pattern is None


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
        case ast.MatchMapping():
            for part, key in zip(pattern.patterns, pattern.keys, strict=True):
                _captures(b, part, b.emit("index", place, "pattern", (value, lower(b, key))))
        case ast.MatchClass():
            for number, part in enumerate(pattern.patterns):
                index = b.emit("const", place, constant=number)
                _captures(b, part, b.emit("index", place, "field", (value, index)))
            for part, name in zip(pattern.kwd_patterns, pattern.kwd_attrs, strict=True):
                b.tokens.add(f".{name}")
                _captures(b, part, b.emit("attr", place, name, (value,)))
