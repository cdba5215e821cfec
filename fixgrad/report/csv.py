"""The inventory of a migration as a table: a row for each conversion, data included."""

from __future__ import annotations

import csv
import io

from fixgrad.report.colour import harmless
from fixgrad.report.entry import Conversion, Report
from fixgrad.report.physical import printable

COLUMNS = (
    *("file", "cell", "line", "column", "function", "conversion", "call", "verdict", "reason"),
    *("rule", "refusal", "safety", "repair", "demand"),
)


def render(report: Report) -> str:
    """Return the table with its head; lines of a notebook count in their cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(_row, report.inventory))
    return text.getvalue()


def _row(row: Conversion) -> list[str | int]:
    span = row.span
    cell = "" if span.cell is None else span.cell
    texts = (row.text, row.call, row.verdict, row.reason, row.rule, row.refusal, row.safety)
    return [
        _cell(span.path), cell, span.rows[0], span.column + 1, _cell(row.function),
        *map(_cell, (*texts, row.repair, row.demand)),
    ]  # fmt: skip


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    text = harmless(printable(text))
    return f"'{text}" if text[:1] in tuple("=+-@") else text
