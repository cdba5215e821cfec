"""The path of a finding as a drawing: lines of source, and what leads from one to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from fixgrad.findings import ASSUMED, CALL, CUT, DEMAND, MADE, WRONG, Finding, Step
from fixgrad.report.colour import harmless
from fixgrad.report.excerpt import cut
from fixgrad.source import Source, Span

WIDTH = 760
_BOX, _GAP, _TOP = 46, 40, 4
_MOST = 84  # characters of a line of source
_THROUGH = "flows through "
_RANK = (CUT, ASSUMED, CALL)  # which effect an arrow shows, where its line has several
_KINDS = {MADE: "made", DEMAND: "demand", WRONG: "demand", CUT: "cut"}


class Node(NamedTuple):
    """A line of source."""

    y: int
    place: str
    text: str
    kind: str  # "made", "cut", "demand" or ""


class Arrow(NamedTuple):
    """What leads from the line above to the one below."""

    y: int
    effect: str
    label: str


class Picture(NamedTuple):
    """Boxes and arrows from top to bottom."""

    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]
    height: int
    words: str  # the same for who cannot see it

    width: int = WIDTH
    box: int = _BOX
    gap: int = _GAP


def picture(finding: Finding, sources: Mapping[str, Source]) -> Picture:
    """Return the drawing of a finding's path."""
    steps = finding.trace or (Step(finding.span, "here", WRONG),)
    grouped = [list(group) for _, group in groupby(_drawn(steps), key=lambda s: s.span[:2])]
    nodes, arrows = [], []
    for number, group in enumerate(grouped):
        y = _TOP + number * (_BOX + _GAP)
        kinds = [_KINDS[step.effect] for step in group if step.effect in _KINDS]
        nodes.append(Node(y, str(_start(group)), _line(group[0].span, sources), (*kinds, "")[0]))
        if number:
            effects = [step.effect for step in group]
            effect = next((e for e in _RANK if e in effects), effects[0])
            arrows.append(Arrow(y - _GAP, effect, cut(harmless(_label(group, effect)), _MOST)))
    words = "; ".join(f"{step.span} {step.what}" for step in steps)
    height = _TOP + len(grouped) * (_BOX + _GAP) - _GAP + _TOP
    return Picture(tuple(nodes), tuple(arrows), height, harmless(words))


def _drawn(steps: Sequence[Step]) -> list[Step]:
    """Return the steps with the demand last: the way to the loss that may follow it begins earlier."""
    demands = [n for n, step in enumerate(steps) if step.effect == DEMAND]
    if not demands:
        return list(steps)
    at = demands[0]
    return [*steps[:at], *steps[at + 1 :], steps[at]]


def _label(group: list[Step], effect: str) -> str:
    """Return what is said of an arrow: of the step that cuts, or of all of its line."""
    said = [step.what for step in group if effect != CUT or step.effect == CUT]
    first, *rest = dict.fromkeys(said)
    return ", ".join([first, *(what.removeprefix(_THROUGH) for what in rest)]).replace("`", "")


def _start(group: list[Step]) -> str:
    span = group[0].span
    where = span.path if span.cell is None else f"{span.path} cell {span.cell}"
    return harmless(f"{where}:{span.rows[0]}")


def _line(span: Span, sources: Mapping[str, Source]) -> str:
    source = sources.get(span.path)
    lines = source.shown() if source is not None else []
    text = lines[span.line - 1].strip() if 0 < span.line <= len(lines) else ""
    return cut(harmless(text.replace("\t", "    ")), _MOST)
