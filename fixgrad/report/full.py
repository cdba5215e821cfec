"""Each finding with its path through the code, and the repair as a diff.

train.py:12:9 FG102 [*] tensor from NumPy reaches SGD but never requires grad  (safe, high)
   12 | theta = torch.from_numpy(start)
      |         ^^^^^^^^^^^^^^^^^^^^^^^ made here
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fixgrad.findings import (
    ASSUMED,
    CARRIES,
    CUT,
    DEMAND,
    MADE,
    WRONG,
    Applicability,
    Refusal,
    Step,
)
from fixgrad.report.colour import harmless, paint
from fixgrad.report.entry import CONFIRMED, CONTRADICTED, Entry, Report
from fixgrad.report.excerpt import INDENT, WIDEST, columns, cut, excerpt
from fixgrad.report.filled import filled
from fixgrad.source import Source, Span

_STYLES = {MADE: "green", CUT: "red", ASSUMED: "yellow", DEMAND: "bold red", WRONG: "bold red"}
_WORDS = {CONFIRMED: "bold red", CONTRADICTED: "bold green"}
_MOST_STEPS = 9  # of one path
_LABEL_WITHIN = 120  # columns for the carets and what is said of them, where nobody says how many
_THROUGH = "flows through "


def render(report: Report) -> str:
    """Return the report, one paragraph for each finding."""
    lines = {path: source.shown() for path, source in _needed(report).items()}
    return "\n".join(f"{_paragraph(entry, lines, report)}\n" for entry in report.entries)


def _needed(report: Report) -> dict[str, Source]:
    paths = {step.span.path for entry in report.entries for step in _steps(entry)}
    return {path: report.sources[path] for path in sorted(paths) if path in report.sources}


def _steps(entry: Entry) -> Sequence[Step]:
    return entry.finding.trace or (Step(entry.finding.span, "", WRONG),)


def _paragraph(entry: Entry, lines: Mapping[str, Sequence[str]], report: Report) -> str:
    finding, colour = entry.finding, report.colour
    head = [(str(finding.span), "bold"), (finding.rule, "bold red")]
    head += [("[*]", "cyan")] if entry.fixable else []
    head += [(finding.message, ""), (f" ({entry.tag}, {finding.confidence})", "dim")]
    parts = filled(head, colour, report.width, indent="  ")
    parts += _path(finding.span, _shortened(_steps(entry)), lines, report)
    return "\n".join([*parts, *_evidence(entry, report), *_outcome(entry, report)])


def _shortened(steps: Sequence[Step]) -> list[Step]:
    """Leave out what is said by the steps around: all of a line at once, and the middle of many."""
    found: list[Step] = []
    for step in steps:
        last = found[-1] if found else None
        if last is not None and step.effect == last.effect == CARRIES and _same_line(last, step):
            what = f"{last.what}, {step.what.removeprefix(_THROUGH)}"
            found[-1] = step._replace(what=what if step.what != last.what else step.what)
        else:
            found.append(step)
    if len(found) > _MOST_STEPS:
        half = _MOST_STEPS // 2
        between = [step for step in found[half:-half] if step.effect in (CUT, DEMAND)]
        left_out = len(found) - 2 * half - len(between)
        mark = Step(Span("", 0, 0, 0, 0), f"{left_out} more steps: `fixgrad why` shows them")
        found = [*found[:half], mark, *between, *found[-half:]]
    return found


def _same_line(one: Step, other: Step) -> bool:
    return one.span[:2] == other.span[:2]


def _path(
    start: Span, steps: Sequence[Step], lines: Mapping[str, Sequence[str]], report: Report
) -> Iterator[str]:
    """Yield each line once, and under it what stands where in it; a file is named where it begins."""
    digits = max(3, *(len(str(step.span.rows[0])) for step in steps))
    empty = " " * (digits + 2) + "|"
    room = max((report.width or WIDEST) - len(empty) - 1, 20)
    shown, at = None, (start.path, start.cell)
    for step in steps:
        span = step.span
        if not span.path:
            yield " " * (digits + 2) + paint(f"... {step.what}", "dim", report.colour)
            shown = None
            continue
        if (span.path, span.cell) != at:
            at, shown = (span.path, span.cell), None
            where = span.path if span.cell is None else f"{span.path}, cell {span.cell}"
            yield " " * digits + paint(f"--> {harmless(where)}", "cyan", report.colour)
        found = excerpt(span, lines.get(span.path, ()), room)
        if found is None:
            yield from filled([(f"{span}", "cyan"), (step.what, "")], report.colour, report.width,
                              indent=empty + " ", first=empty + " ")  # fmt: skip
            continue
        if (span.line, found.text) != shown:
            gutter = paint(f"{span.rows[0]:>{digits + 1}} |", "dim", report.colour)
            yield f"{gutter} {harmless(found.text)}".rstrip()
            shown = span.line, found.text
        yield from _mark(step, found.offset, found.width, empty, room, report)


def _mark(
    step: Step, offset: int, width: int, empty: str, room: int, report: Report
) -> Iterator[str]:
    gutter = paint(empty, "dim", report.colour)
    style = _STYLES.get(step.effect, "cyan")
    carets = f"{gutter} {' ' * offset}{paint('^' * width, style, report.colour)}"
    if offset + width + 1 + columns(step.what) <= min(room, _LABEL_WITHIN) or not step.what:
        said = f" {paint(harmless(step.what), style, report.colour)}" if step.what else ""
        yield carets + said
        return
    yield carets
    wide = room if report.width else None
    for line in filled([(step.what, style)], report.colour, wide, indent=""):
        yield f"{gutter} {line}"


def _evidence(entry: Entry, report: Report) -> list[str]:
    if entry.evidence is None:
        return []
    word, said = entry.evidence.word or "not known", "; ".join(entry.evidence.said)
    style = _WORDS.get(word, "yellow")
    parts = [("runs:", "green"), (f"{word}:", style), (harmless(said), "")]
    return filled(parts, report.colour, report.width, indent="    ", first="  ")


def _outcome(entry: Entry, report: Report) -> list[str]:
    outcome, colour, width = entry.outcome, report.colour, report.width
    if isinstance(outcome, Refusal):
        said = [("left alone:", "yellow"), (f"{outcome.code} {outcome.reason}", "")]
        return filled(said, colour, width, indent="    ", first="  ")
    hint = " (--unsafe-fixes)" if entry.waits_for_unsafe else ""
    label = "suggestion:" if outcome.applicability is Applicability.DISPLAY else "repair:"
    parts = filled(
        [(label, "green"), (outcome.title + hint, "")], colour, width, indent="    ", first="  "
    )
    return [*parts, *_diff(entry.diff.splitlines(), report)]


def _diff(lines: Sequence[str], report: Report) -> Iterator[str]:
    """Yield the lines of a diff; on a terminal what does not fit goes on in the next line."""
    for line, after in zip(lines, [*lines[1:], ""], strict=False):
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        if (line[:4], after[:4]) == ("--- ", "+++ ") or (line[:4], after[:2]) == ("+++ ", "@@"):
            style = "bold"
        if report.width is None:
            pieces = [cut(line, WIDEST)]
        else:
            room = max(report.width - len(INDENT), 20)
            pieces = [line[start : start + room] for start in range(0, len(line), room)] or [""]
        for piece in pieces:
            shown = harmless(piece)
            yield f"{INDENT}{paint(shown, style, report.colour) if style else shown}".rstrip()
