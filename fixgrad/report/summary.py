"""The last line: how many findings, and what can be done about them."""

from __future__ import annotations

from collections.abc import Sequence

from fixgrad.report.entry import Entry


def summary(entries: Sequence[Entry], *, files: int) -> str:
    """Return "3 findings in 2 files, 2 fixable, 1 with --unsafe-fixes"."""
    if not entries:
        return f"nothing found in {count(files, 'file')}"
    places = len({entry.finding.span.path for entry in entries})
    parts = [f"{count(len(entries), 'finding')} in {count(places, 'file')}"]
    fixable = sum(entry.fixable for entry in entries)
    waiting = sum(entry.waits_for_unsafe for entry in entries)
    if fixable:
        parts.append(f"{fixable} fixable")
    if waiting:
        parts.append(f"{waiting} with --unsafe-fixes")
    return ", ".join(parts)


def count(number: int, noun: str) -> str:
    """Return "1 file" or "2 files"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
