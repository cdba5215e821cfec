"""How many findings of each rule there are, and what can be done about them."""

from __future__ import annotations

import json
from collections import Counter
from typing import NamedTuple

from fixgrad import catalogue
from fixgrad.findings import Refusal
from fixgrad.report.colour import paint
from fixgrad.report.entry import Entry, Report


class _Row(NamedTuple):
    code: str
    name: str
    entries: list[Entry]

    @property
    def fixable(self) -> int:
        return sum(entry.fixable for entry in self.entries)

    @property
    def waiting(self) -> int:
        return sum(entry.waits_for_unsafe for entry in self.entries)

    @property
    def refused(self) -> dict[str, int]:
        codes = (e.outcome.code for e in self.entries if isinstance(e.outcome, Refusal))
        return dict(sorted(Counter(codes).items()))


def render(form: str, report: Report) -> str:
    """Return the numbers, the most frequent rule first, as one of the formats in COUNTED."""
    names = {rule.code: rule.name for rule in catalogue.rules()}
    by_rule: dict[str, list[Entry]] = {}
    for entry in report.entries:
        by_rule.setdefault(entry.finding.rule, []).append(entry)
    rows = [_Row(code, names.get(code, ""), entries) for code, entries in by_rule.items()]
    rows.sort(key=lambda row: (-len(row.entries), row.code))
    if form == "json":
        return "[\n" + ",\n".join(map(_object, rows)) + "\n]\n" if rows else "[]\n"
    digits = max((len(str(len(row.entries))) for row in rows), default=1)
    return "".join(_line(row, digits, report.colour) for row in rows)


def _object(row: _Row) -> str:
    return json.dumps(
        {
            "code": row.code,
            "name": row.name,
            "count": len(row.entries),
            "fixable": row.fixable,
            "unsafe": row.waiting,
            "refused": row.refused,
        }
    )


def _line(row: _Row, digits: int, colour: bool) -> str:
    parts = [f"{row.fixable} fixable"] if row.fixable else []
    parts += [f"{row.waiting} with --unsafe-fixes"] if row.waiting else []
    codes = ", ".join(f"{code} {number}" for code, number in row.refused.items())
    parts += [f"{sum(row.refused.values())} left alone: {codes}"] if codes else []
    number = paint(f"{len(row.entries):>{digits}}", "bold", colour)
    code = paint(row.code, "bold red", colour)
    rest = paint(f"  ({'; '.join(parts)})", "dim", colour) if parts else ""
    return f"{number}  {code} {row.name}{rest}\n"
