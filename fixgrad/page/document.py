"""The page from its template: every finding with its path and its repair, and the data of the patches."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup, escape

from fixgrad import __version__
from fixgrad.findings import Applicability, Refusal, Repair
from fixgrad.page.combining import Block, Combined, Planner, combine
from fixgrad.page.picture import Picture, picture
from fixgrad.page.rows import Row, rows, styles
from fixgrad.report.colour import harmless
from fixgrad.report.entry import Entry, Report
from fixgrad.report.fingerprint import fingerprints
from fixgrad.report.physical import printable
from fixgrad.report.summary import summary


class Card(NamedTuple):
    """One finding as the page shows it."""

    number: int
    entry: Entry
    fingerprint: str
    picture: Picture
    rows: list[Row]
    repair: int | None  # its number among those that can be accepted
    reason: str

    @property
    def safety(self) -> str:
        """Return what the filter calls it."""
        return "refused" if isinstance(self.entry.outcome, Refusal) else self.entry.tag


def document(report: Report, plan: Planner) -> str:
    """Return the page."""
    names = fingerprints([entry.finding for entry in report.entries], report.sources)
    offered: list[Repair] = []
    cards: list[Card] = []
    for number, (entry, name) in enumerate(zip(report.entries, names, strict=True)):
        repair = len(offered) if _can_be_accepted(entry) else None
        if repair is not None and isinstance(entry.outcome, Repair):
            offered.append(entry.outcome)
        reason = entry.outcome.reason if isinstance(entry.outcome, Refusal) else ""
        drawing = picture(entry.finding, report.sources)
        cards.append(Card(number, entry, name, drawing, rows(entry.diff), repair, reason))
    combined = combine(offered, list(report.sources.values()), plan)
    loader = jinja2.PackageLoader("fixgrad.page", "template")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters["shown"] = _shown
    environment.filters["said"] = _said
    return environment.get_template("page.html").render(
        cards=cards,
        summary=summary(report.entries, files=report.files),
        problems=[str(problem) for problem in report.problems],
        rules=sorted({card.entry.finding.rule for card in cards}),
        safeties=[s for s in ("safe", "unsafe", "display", "refused") if _any(cards, s)],
        files=sorted({card.entry.finding.span.path for card in cards}),
        styles=styles(),
        data=_data(combined, names),
        version=__version__,
    )


def _shown(text: object) -> str:
    return harmless(printable(str(text)))


def _said(message: str) -> Markup:
    """Return a message with what stands between backticks as code."""
    pieces = [Markup(escape(piece)) for piece in _shown(message).split("`")]
    pieces[1::2] = [Markup("<code>{}</code>").format(piece) for piece in pieces[1::2]]
    return Markup("").join(pieces)


def _any(cards: list[Card], safety: str) -> bool:
    return any(card.safety == safety for card in cards)


def _can_be_accepted(entry: Entry) -> bool:
    """Say whether there is an edit to accept; what is for display only is never written."""
    outcome = entry.outcome
    return (
        isinstance(outcome, Repair)
        and bool(entry.edits)
        and outcome.applicability > Applicability.DISPLAY
    )


def _data(combined: Combined, names: list[str]) -> dict[str, Any]:
    """Return what the script needs to put a patch together; bytes as base64."""
    return {
        "page": "".join(names)[:64],  # what the decisions are kept under
        "groups": [
            {
                "repairs": group.repairs,
                "together": group.together,
                "choices": {_key(c): _files(files) for c, files in group.choices.items()},
                "excluded": {_key(c): left for c, left in group.excluded.items()},
            }
            for group in combined.groups
        ],
        "files": {
            header: {
                "count": combined.counts[header],
                "lines": {number: _base64(line) for number, line in lines.items()},
            }
            for header, lines in combined.lines.items()
        },
    }


def _key(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))


def _files(files: dict[str, tuple[Block, ...]]) -> dict[str, Any]:
    return {
        header: [[b.start, b.removed, [_base64(line) for line in b.added]] for b in blocks]
        for header, blocks in files.items()
    }


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
