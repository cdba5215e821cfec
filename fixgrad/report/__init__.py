"""Findings as text. Each format is one module with `render`; nothing here prints.

`render(entries, sources, *, colour)` returns the whole report; a format is added by its module
and its name in FORMATS.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence

from fixgrad.report.entry import Entry
from fixgrad.report.summary import summary
from fixgrad.source import Source

__all__ = ["FORMATS", "Entry", "render", "summary"]

FORMATS = ("full", "concise", "json")


def render(
    form: str, entries: Sequence[Entry], sources: Mapping[str, Source], *, colour: bool
) -> str:
    """Return the report in one of FORMATS; `sources` maps paths to the texts findings lie in."""
    module = importlib.import_module(f"fixgrad.report.{form}")
    text: str = module.render(entries, sources, colour=colour)
    return text
