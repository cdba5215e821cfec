"""What the reports are tried on: findings of each kind, and their report in a format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fixgrad import report
from fixgrad.edits import Edit
from fixgrad.findings import DEMAND, MADE, Applicability, Finding, Refusal, Repair, Step
from fixgrad.report import Entry, Report
from fixgrad.source import Source, Span

TEXT = """\
import numpy as np
import torch

theta = torch.from_numpy(start)
optimizer = torch.optim.SGD([theta], lr=0.1)
"""
SOURCES = {"train.py": Source("train.py", TEXT, "utf-8", False, "")}
CONVERTED = Span("train.py", 4, 8, 4, 31)
GIVEN = Span("train.py", 5, 29, 5, 34)
FINDING = Finding(
    "FG102",
    CONVERTED,
    "`theta` is optimised at line 5 but nothing tracks it",
    "high",
    (
        Step(CONVERTED, "made here", MADE),
        Step(GIVEN, "demanded here: it is given to `SGD`", DEMAND),
    ),
)
REPAIR = Repair(FINDING, (), Applicability.SAFE, "make it with torch.tensor")
DIFF = """\
@@ -4 +4 @@
-theta = torch.from_numpy(start)
+theta = torch.tensor(start, requires_grad=True)
"""
EDIT = Edit(CONVERTED, "torch.tensor(start, requires_grad=True)")
REPAIRED = Entry(REPAIR, True, (EDIT,), DIFF)
REFUSED = Entry(Refusal(FINDING, "FG902", "the array is written later"), False)
WAITING = Entry(REPAIR._replace(applicability=Applicability.UNSAFE), False, (EDIT,), DIFF)


def render(
    form: str, entries: Iterable[Entry], sources: Mapping[str, Source], *, colour: bool,
    width: int | None = None,
) -> str:  # fmt: skip
    """Return the report of some findings."""
    whole = Report(tuple(entries), sources, (), len(sources), colour, width)
    return report.render(form, whole)
