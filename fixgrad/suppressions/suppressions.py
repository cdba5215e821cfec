"""What the comments of a project hide, and which of them turned out to hide something."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from fixgrad.source import Source, Span
from fixgrad.suppressions.comments import NOQA, Comment, comments, is_generated

_ON_LINES = ("ignore", "fixme", NOQA)


class Suppressions:
    """The comments of some files; each file is read when it is first asked about."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = {source.path: source for source in sources}
        self._comments: dict[str, list[Comment]] = {}
        self._used: dict[Comment, set[str]] = defaultdict(set)  # the rules that each one hid

    def hide(self, rule: str, span: Span) -> bool:
        """Say whether a comment asks for this rule to be left alone here, and note that it does."""
        found = list(self._hiding(rule, span))
        for comment in found:
            self._used[comment].add(rule)
        return bool(found)

    def is_data(self, span: Span) -> bool:
        """Say whether a comment states that what is made here is not meant to be trained."""
        return any(c.kind == "data" and _touches(c, span) for c in self.of(span.path))

    def mark_data(self) -> bool:
        """Say whether any comment states so."""
        return any(
            comment.kind == "data"
            for path, source in self._sources.items()
            if "fixgrad:" in source.text
            for comment in self.of(path)
        )

    def generated(self) -> frozenset[str]:
        """Return the files that are made by a program: what is wrong there is to be mended in that."""
        return frozenset(path for path, source in self._sources.items() if is_generated(source))

    def of(self, path: str) -> list[Comment]:
        """Return the comments of a file."""
        if path not in self._comments:
            source = self._sources.get(path)
            self._comments[path] = comments(source) if source is not None else []
        return self._comments[path]

    def used(self, comment: Comment) -> frozenset[str]:
        """Return the rules that a comment hid."""
        return frozenset(self._used.get(comment, ()))

    def deferred(self) -> int:
        """Return how many findings are hidden to be dealt with later."""
        return sum(len(rules) for comment, rules in self._used.items() if comment.kind == "fixme")

    def _hiding(self, rule: str, span: Span) -> Iterator[Comment]:
        disabled: Comment | None = None
        for comment in self.of(span.path):
            if not comment.names(rule):
                continue
            if comment.kind in _ON_LINES:
                if _touches(comment, span):
                    yield comment
            elif comment.kind == "file-ignore":
                yield comment
            elif comment.span.line <= span.line and comment.kind in ("disable", "enable"):
                disabled = comment if comment.kind == "disable" else None
        if disabled is not None:
            yield disabled


def _touches(comment: Comment, span: Span) -> bool:
    lines = comment.lines
    return bool(lines) and span.line <= lines[-1] and lines[0] <= span.end_line
