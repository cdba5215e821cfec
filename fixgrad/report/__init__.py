"""Findings as text. Each format is one module with `render`; nothing here prints.

`render(report)` returns the whole text; a format is added by its module and its name in FORMATS.
"""

from __future__ import annotations

import importlib

from fixgrad.report.entry import Entry, Report
from fixgrad.report.summary import summary

__all__ = ["COUNTED", "FORMATS", "INVENTORIES", "PATCH", "Entry", "Report", "render", "summary"]

FORMATS = (
    *("full", "concise", "json", "jsonl", "github", "gitlab", "sarif", "rdjson", "rdjsonl"),
    *("junit", "azure", "pylint", "markdown", "csv", "patch"),
)
INVENTORIES = ("csv",)  # these tell of every conversion, not of the findings alone
COUNTED = ("full", "concise", "json")  # in these --statistics can be said
PATCH = "patch"  # its module makes bytes, of the patches of a preview


def render(form: str, report: Report) -> str:
    """Return the report in one of FORMATS but PATCH."""
    module = importlib.import_module(f"fixgrad.report.{form}")
    text: str = module.render(report)
    return text
