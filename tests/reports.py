"""What the reports are tried on: findings of each kind, and their report in a format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from fixgrad import cli, report
from fixgrad.edits import Edit
from fixgrad.findings import DEMAND, MADE, Applicability, Finding, Refusal, Repair, Step
from fixgrad.report import Entry, Report
from fixgrad.source import Source, Span, split_lines

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


SCHEMAS = Path(__file__).parent / "schemas"
STEP = """\
import torch


def step(params, lr):
    for p in params:
        p -= lr * p.grad
        p.grad = None
"""
FIT = """\
from lib.sgd import step
s = "größe"; w = torch.from_numpy(np.array([8.0]))
for _ in range(2):
    (w ** 2).sum().backward()
    step([w], 0.25)
"""
LEVELS = "levels = torch.tensor(np.arange(3), requires_grad=True)\nlevels.pow(2).sum().backward()\n"
CUT = (
    "c = torch.from_numpy(np.ones(2))\nd = torch.from_numpy(np.ones(2))  # data\n"
    "value = (c > d).double().sum()\nvalue.backward()\nprint(c.grad)\n"
)
TWO = """\
a = torch.from_numpy(np.ones(2)); b = torch.from_numpy(np.zeros(2))
(a * b).sum().backward()
print(a.grad, b.grad)
"""
NOTEBOOK = ['t = "é\\n"; w = torch.from_numpy(np.ones(2))\n', "w.sum().backward()\nprint(w.grad)"]


def text_at(path: Path, line: int, column: int, end_line: int, end_column: int) -> str:
    """Return a stretch of a file; lines and columns from 1, columns in characters."""
    lines = split_lines(path.read_text("utf-8"))
    start = sum(map(len, lines[: line - 1])) + column - 1
    return "".join(lines)[start : sum(map(len, lines[: end_line - 1])) + end_column - 1]


def schema(name: str, data: object) -> None:
    """Check data against a schema."""
    jsonschema = pytest.importorskip("jsonschema", reason="pip install 'fixgrad[test]' brings it")
    jsonschema.validate(data, json.loads((SCHEMAS / f"{name}.json").read_text()))


def contents(project: Path) -> dict[str, str]:
    """Return the files of a project by their names."""
    files = [path for path in project.rglob("*") if path.suffix in (".py", ".ipynb")]
    return {path.relative_to(project).as_posix(): path.read_text("utf-8") for path in files}


def repaired(project: Path, *arguments: str) -> dict[str, str]:
    """Return what the files are once `--fix` was run."""
    cli.run(["--fix", "-q", *arguments])
    return contents(project)
