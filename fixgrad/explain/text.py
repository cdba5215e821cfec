"""Answers for a terminal, in the style of the full report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fixgrad.explain.answer import Answer
from fixgrad.explain.ends import End
from fixgrad.explain.run import written
from fixgrad.findings import Repair
from fixgrad.report.colour import harmless, paint
from fixgrad.report.excerpt import underlined
from fixgrad.source import Source

_STYLES = {
    "repaired": "green",
    "refused": "yellow",
    "tracked": "green",
    "left alone": "bold",
    "not followed": "yellow",
    "no conversion": "bold",
}
_EFFECTS = {"cut": "red", "assumed": "yellow", "demand": "bold", "backward": "bold"}
_MOST_ENDS = 6
_WIDEST = 100


def render(
    answers: Iterable[Answer], sources: Mapping[str, Source], diffs: Sequence[str], *, colour: bool
) -> str:
    """Return one paragraph for each answer; `diffs` holds the repair of each, or nothing."""
    paragraphs = [
        _paragraph(answer, sources, diff, colour)
        for answer, diff in zip(answers, diffs, strict=True)
    ]
    return "\n".join(paragraphs)


def _paragraph(answer: Answer, sources: Mapping[str, Source], diff: str, colour: bool) -> str:
    place = paint(harmless(str(answer.span)), "bold", colour)
    shown = harmless(_shortened(written(dict(sources), answer.span)))
    lines = [f"{place} {shown}".rstrip()]
    first, *more = answer.headline.split("; ")
    rest = first.removeprefix(answer.verdict).removeprefix("already " + answer.verdict)
    word = first.removesuffix(rest)
    lines.append(f"  {paint(word, _STYLES[answer.verdict], colour)}{harmless(rest)}")
    lines += [f"  {harmless(part)}" for part in more]
    lines += [f"  note: {harmless(note)}" for note in answer.notes]
    for number, stage in enumerate(answer.stages, 1):
        where = paint(harmless(str(stage.span)), "cyan", colour)
        effect = paint(_word(stage.effect), _EFFECTS.get(stage.effect, "dim"), colour)
        lines.append(f"  {number}. {where} {effect} {harmless(stage.what)}")
        source = sources.get(stage.span.path)
        lines += underlined(stage.span, source.shown() if source else (), colour)
    lines += _ends(answer.ends, sources, colour)
    if isinstance(answer.outcome, Repair):
        lines += _repair(answer.outcome, diff, colour)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _word(effect: str) -> str:
    return {"call": "through a call:", "made": "made here:", "demand": "demanded here:"}.get(
        effect, f"{effect}:"
    )


def _ends(ends: Sequence[End], sources: Mapping[str, Source], colour: bool) -> list[str]:
    if not ends:
        return []
    lines = ["  where it goes:"]
    for end in ends[:_MOST_ENDS]:
        where = paint(harmless(str(end.span)), "cyan", colour)
        doubt = [word for word in ("cut", "assumed") if word in end.effects]
        by = f" ({_DOUBTS[doubt[0]]})" if doubt else ""
        lines.append(f"   - {where} {harmless(end.what)}{paint(by, 'dim', colour)}")
        source = sources.get(end.span.path)
        lines += underlined(end.span, source.shown() if source else (), colour)
    if len(ends) > _MOST_ENDS:
        lines.append(f"   - and {len(ends) - _MOST_ENDS} more")
    return lines


_DOUBTS = {
    "cut": "its values only: the gradient is cut on the way",
    "assumed": "assumed: unknown code stands between",
}


def _repair(repair: Repair, diff: str, colour: bool) -> list[str]:
    lines = [f"  {paint('repair:', 'green', colour)} {harmless(repair.title)}"]
    for line in diff.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        lines.append(f"     {paint(harmless(line), style, colour) if style else harmless(line)}")
    return lines


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
