"""Answers for a terminal, in the style of the full report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from fixgrad.explain.answer import Answer
from fixgrad.explain.ends import End
from fixgrad.explain.run import written
from fixgrad.findings import Repair
from fixgrad.report.colour import harmless, paint
from fixgrad.report.excerpt import INDENT, columns, underlined
from fixgrad.report.filled import filled
from fixgrad.source import Source, Span

_STYLES = {
    "repaired": "green",
    "refused": "yellow",
    "tracked": "green",
    "left alone": "bold",
    "not followed": "yellow",
    "no conversion": "bold",
}
_EFFECTS = {"cut": "red", "assumed": "yellow", "demand": "bold", "backward": "bold"}
_DOUBTS = {
    "cut": "its values only: the gradient is cut on the way",
    "assumed": "assumed: unknown code stands between",
}
_MOST_ENDS = 6
_PAINT = re.compile("\x1b\\[[0-9;]*m")
_WIDEST = 100


def render(
    answers: Iterable[Answer],
    sources: Mapping[str, Source],
    diffs: Sequence[str],
    *,
    colour: bool,
    width: int | None = None,
) -> str:
    """Return one paragraph for each answer; `diffs` holds the repair of each, or nothing.

    Lines are fitted to the `width` of a terminal.
    """
    text = _Text(sources, colour, width)
    return "\n".join(
        text.paragraph(answer, diff) for answer, diff in zip(answers, diffs, strict=True)
    )


class _Text:
    """Writes answers in the lines of one terminal."""

    def __init__(self, sources: Mapping[str, Source], colour: bool, width: int | None) -> None:
        self._sources = sources
        self._colour = colour
        self._width = width

    def paragraph(self, answer: Answer, diff: str) -> str:
        """Return what is said of one conversion."""
        shown = harmless(_shortened(written(dict(self._sources), answer.span)))
        lines = self._line("", (harmless(str(answer.span)), "bold"), shown)
        first, *more = answer.headline.split("; ")
        rest = first.removeprefix(answer.verdict).removeprefix("already " + answer.verdict)
        word = first.removesuffix(rest)
        lines += self._line("  ", (word, _STYLES[answer.verdict]), harmless(rest), space="")
        for part in (*more, *(f"note: {note}" for note in answer.notes)):
            lines += self._line("  ", (harmless(part), ""))
        for number, stage in enumerate(answer.stages, 1):
            style = _EFFECTS.get(stage.effect, "dim")
            where, effect = harmless(str(stage.span)), _word(stage.effect)
            said = f"{paint(effect, style, self._colour)} {harmless(stage.what)}"
            lines += self._line(f"  {number}. ", (where, "cyan"), said)
            lines += self._underlined(stage.span)
        lines += self._ends(answer.ends)
        if isinstance(answer.outcome, Repair):
            lines += self._repair(answer.outcome, diff)
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def _line(
        self, first: str, head: tuple[str, str], rest: str = "", space: str = " "
    ) -> list[str]:
        """Return a line that begins in a style or, where it is too long, several without any."""
        plain = f"{first}{head[0]}{space * bool(rest)}{_PAINT.sub('', rest)}"
        if self._width is not None and columns(plain) > self._width:
            return filled([(plain, "")], False, self._width, indent=" " * (len(first) + 2))
        return [f"{first}{paint(*head, self._colour)}{space * bool(rest)}{rest}"]

    def _underlined(self, span: Span) -> list[str]:
        source = self._sources.get(span.path)
        return underlined(span, source.shown() if source else (), self._colour, self._width)

    def _ends(self, ends: Sequence[End]) -> list[str]:
        lines = ["  where it goes:"] if ends else []
        for end in ends[:_MOST_ENDS]:
            doubt = [word for word in ("cut", "assumed") if word in end.effects]
            by = paint(f" ({_DOUBTS[doubt[0]]})", "dim", self._colour) if doubt else ""
            said = f"{harmless(end.what)}{by}"
            lines += self._line("   - ", (harmless(str(end.span)), "cyan"), said)
            lines += self._underlined(end.span)
        if len(ends) > _MOST_ENDS:
            lines.append(f"   - and {len(ends) - _MOST_ENDS} more")
        return lines

    def _repair(self, repair: Repair, diff: str) -> list[str]:
        lines = self._line("  ", ("repair:", "green"), harmless(repair.title))
        room = max(self._width - len(INDENT), 20) if self._width is not None else 0
        for line in diff.splitlines():
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
            shown = harmless(line)
            pieces = [shown[at : at + room] for at in range(0, len(shown), room)] if room else []
            for piece in pieces or [shown]:
                lines.append(f"{INDENT}{paint(piece, style, self._colour) if style else piece}")
        return lines


def _word(effect: str) -> str:
    return {"call": "through a call:", "made": "made here:", "demand": "demanded here:"}.get(
        effect, f"{effect}:"
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
