"""Comments that tell fixgrad to leave a line alone.

`# fixgrad: ignore`, `# fixgrad: ignore[FG101] reason` and `# noqa: FG101`; what a string says is no comment.
"""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping

from fixgrad.source import Source, Span

_COMMENT = re.compile(
    r"#\s*(?:fixgrad:\s*ignore(?:\[(?P<codes>[^\]]*)\])?|noqa:\s*(?P<noqa>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*))"
)

_CODE = re.compile(r"[A-Z]+[0-9]+")


class Suppressions:
    """The comments of a project, by file and line."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._codes: dict[str, dict[int, frozenset[str]]] = {}
        for source in sources:
            if "fixgrad:" in source.text or "noqa" in source.text:
                self._codes[source.path] = dict(_commented(source))

    def hide(self, rule: str, span: Span) -> bool:
        """Say whether a comment on one of the span's lines asks for this rule to be left alone."""
        lines: Mapping[int, frozenset[str]] = self._codes.get(span.path, {})
        return any(
            "" in codes or rule in codes
            for line, codes in lines.items()
            if span.line <= line <= span.end_line
        )


def _commented(source: Source) -> Iterable[tuple[int, frozenset[str]]]:
    for number, comment in _comments(source.lines()):
        match = _COMMENT.search(comment)
        if match is not None:
            text = match["codes"] if match["noqa"] is None else match["noqa"]
            # Brackets name what is meant: a misspelt code hides nothing.
            yield number, frozenset(("",) if text is None else _CODE.findall(text.upper()))


def _comments(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield the comments of a file that Python can parse, each with its line."""
    rest = iter(lines)
    try:
        for token in tokenize.generate_tokens(lambda: next(rest, "")):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, SyntaxError):
        return  # the file is a problem by itself
