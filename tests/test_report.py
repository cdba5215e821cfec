"""Reports as strings: what a person, a compiler-minded editor and a program get to read."""

from __future__ import annotations

import json

import pytest

from fixgrad.edits import Edit
from fixgrad.findings import Applicability, Finding, Refusal, Repair, Step
from fixgrad.report import FORMATS, Entry, render, summary
from fixgrad.report.colour import harmless, paint, paint_diff
from fixgrad.source import Source, Span

TEXT = """\
import numpy as np
import torch

theta = torch.from_numpy(start)
optimizer = torch.optim.SGD([theta], lr=0.1)
"""
SOURCES = {"train.py": Source("train.py", TEXT, "utf-8", False, "")}
MADE = Span("train.py", 4, 8, 4, 31)
GIVEN = Span("train.py", 5, 29, 5, 34)
FINDING = Finding(
    "FG102",
    MADE,
    "`theta` is optimised at line 5 but nothing tracks it",
    "high",
    (Step(MADE, "made here"), Step(GIVEN, "demanded here")),
)
REPAIR = Repair(FINDING, (), Applicability.SAFE, "make it with torch.tensor")
DIFF = """\
@@ -4 +4 @@
-theta = torch.from_numpy(start)
+theta = torch.tensor(start, requires_grad=True)
"""
EDIT = Edit(MADE, "torch.tensor(start, requires_grad=True)")
REPAIRED = Entry(REPAIR, True, (EDIT,), DIFF)
REFUSED = Entry(Refusal(FINDING, "FG902", "the array is written later"), False)
WAITING = Entry(REPAIR._replace(applicability=Applicability.UNSAFE), False, (EDIT,), DIFF)


def test_full() -> None:
    assert render("full", [REPAIRED, REFUSED], SOURCES, colour=False) == (
        """\
train.py:4:9 FG102 [*] `theta` is optimised at line 5 but nothing tracks it  (safe, high)
  1. train.py:4:9 made here
     theta = torch.from_numpy(start)
             ^^^^^^^^^^^^^^^^^^^^^^^
  2. train.py:5:30 demanded here
     optimizer = torch.optim.SGD([theta], lr=0.1)
                                  ^^^^^
  repair: make it with torch.tensor
     @@ -4 +4 @@
     -theta = torch.from_numpy(start)
     +theta = torch.tensor(start, requires_grad=True)

train.py:4:9 FG102 `theta` is optimised at line 5 but nothing tracks it  (FG902, high)
  1. train.py:4:9 made here
     theta = torch.from_numpy(start)
             ^^^^^^^^^^^^^^^^^^^^^^^
  2. train.py:5:30 demanded here
     optimizer = torch.optim.SGD([theta], lr=0.1)
                                  ^^^^^
  left alone: FG902 the array is written later
"""
    )


def test_full_says_what_waits_for_an_option() -> None:
    report = render("full", [WAITING], SOURCES, colour=False)
    assert "[*]" not in report
    assert "(unsafe, high)" in report
    assert "repair: make it with torch.tensor (--unsafe-fixes)" in report


def test_full_names_a_place_once() -> None:
    finding = FINDING._replace(trace=(Step(MADE, "wrong here"),))
    report = render("full", [Entry(REPAIR._replace(finding=finding), True)], SOURCES, colour=False)
    assert report.splitlines()[1] == "     theta = torch.from_numpy(start)"


def excerpt(line: str, start: int, end: int, end_line: int = 1) -> list[str]:
    """Return what the full report shows of one span: the source line and the carets."""
    span = Span("a.py", 1, start, end_line, end)
    finding = Finding("FG101", span, "m", "high", ())
    source = Source("a.py", line + "\nsecond\n", "utf-8", False, "")
    report = render(
        "full", [Entry(Refusal(finding, "FG901", "r"), False)], {"a.py": source}, colour=False
    )
    return report.splitlines()[1:3]


@pytest.mark.parametrize(
    ("line", "start", "end", "shown", "carets"),
    [
        ("x = f(a)", 4, 8, "x = f(a)", "    ^^^^"),
        ("    x = f(a)", 8, 12, "x = f(a)", "    ^^^^"),
        ("x\t= f(a)", 4, 8, "x    = f(a)", "       ^^^^"),
        ("変数 = f(a)", 5, 9, "変数 = f(a)", "       ^^^^"),
        ("x = '変' + y", 4, 7, "x = '変' + y", "    ^^^^"),
        ("e\u0301 = f(a)", 5, 9, "e\u0301 = f(a)", "    ^^^^"),
        ("x = '\x1b[2J'", 4, 10, "x = '\\x1b[2J'", "    ^^^^^^^^^"),
        ("x", 0, 0, "x", "^"),
    ],
)
def test_carets_stand_under_the_span(
    line: str, start: int, end: int, shown: str, carets: str
) -> None:
    assert excerpt(line, start, end) == [f"     {shown}", f"     {carets}"]


def test_a_span_of_several_lines_is_shown_by_its_first() -> None:
    assert excerpt("x = f(", 4, 6, end_line=2) == ["     x = f(", "         ^^"]


def test_a_very_long_line_is_cut_around_the_span() -> None:
    for start in (0, 100, 5000, 9990):
        line, carets = excerpt("y" * start + "HERE" + "y" * (9996 - start), start, start + 4)
        assert len(line) < 200
        assert line[carets.index("^") : carets.rindex("^") + 1] == "HERE"


def test_a_place_outside_the_text_is_no_error() -> None:
    assert render("full", [REPAIRED], {}, colour=False).count("\n") > 3


def test_concise() -> None:
    message = "`theta` is optimised at line 5 but nothing tracks it"
    assert render("concise", [REPAIRED, REFUSED], SOURCES, colour=False) == (
        f"train.py:4:9: FG102 [*] {message}\ntrain.py:4:9: FG102 {message}\n"
    )


def test_json() -> None:
    first, second = json.loads(render("json", [REPAIRED, REFUSED], SOURCES, colour=False))
    assert first["fingerprint"] != second["fingerprint"]
    assert (second["fix"], first["refusal"]) == (None, None)
    assert second["refusal"] == {"code": "FG902", "reason": "the array is written later"}
    del first["fingerprint"], first["refusal"]
    assert first == {
        "code": "FG102",
        "message": "`theta` is optimised at line 5 but nothing tracks it",
        "filename": "train.py",
        "cell": None,
        "location": {"row": 4, "column": 9},
        "end_location": {"row": 4, "column": 32},
        "confidence": "high",
        "path": [
            {
                "filename": "train.py",
                "cell": None,
                "row": 4,
                "column": 9,
                "kind": "source",
                "message": "made here",
            },
            {
                "filename": "train.py",
                "cell": None,
                "row": 5,
                "column": 30,
                "kind": "sink",
                "message": "demanded here",
            },
        ],
        "fix": {
            "applicability": "safe",
            "message": "make it with torch.tensor",
            "edits": [
                {
                    "filename": "train.py",
                    "cell": None,
                    "content": "torch.tensor(start, requires_grad=True)",
                    "location": {"row": 4, "column": 9},
                    "end_location": {"row": 4, "column": 32},
                }
            ],
        },
    }


def test_a_fingerprint_outlives_lines_added_above() -> None:
    def fingerprint(above: str) -> str:
        lines = above.count("\n")
        span = MADE._replace(line=4 + lines, end_line=4 + lines)
        entry = REPAIRED._replace(outcome=REPAIR._replace(finding=FINDING._replace(span=span)))
        sources = {"train.py": SOURCES["train.py"]._replace(text=above + TEXT)}
        (row,) = json.loads(render("json", [entry], sources, colour=False))
        return str(row["fingerprint"])

    assert fingerprint("") == fingerprint("# one\n# two\n")


def test_nothing_found_is_an_empty_report() -> None:
    reports = {form: render(form, [], {}, colour=True) for form in FORMATS}
    assert reports == {"full": "", "concise": "", "json": "[]\n"}


@pytest.mark.parametrize("form", FORMATS)
def test_names_that_are_not_text_are_printable(form: str) -> None:
    span = MADE._replace(path="\udce9\x1b.py")
    entry = Entry(REPAIR._replace(finding=FINDING._replace(span=span, trace=())), True)
    assert "\x1b" not in render(form, [entry], {}, colour=False)


@pytest.mark.parametrize("form", ["full", "concise"])
def test_colour_changes_nothing_but_colour(form: str) -> None:
    entries = [REPAIRED, REFUSED, WAITING]
    plain = render(form, entries, SOURCES, colour=False)
    coloured = render(form, entries, SOURCES, colour=True)
    assert "\x1b[" in coloured
    for code in ("1", "2", "31", "32", "33", "36", "1;31", "0"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert coloured == plain


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ([], "nothing found in 3 files"),
        ([REPAIRED], "1 finding in 1 file, 1 fixable"),
        ([REFUSED], "1 finding in 1 file"),
        (
            [REPAIRED, REFUSED, WAITING],
            "3 findings in 1 file, 1 fixable, 1 with --unsafe-fixes",
        ),
    ],
)
def test_summary(entries: list[Entry], text: str) -> None:
    assert summary(entries, files=3) == text


def test_paint_diff_colours_by_what_a_line_is() -> None:
    diff = (
        b"--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n c\n--- a/removed\n"
        b"\\ No newline at end of file\n+++ \xff\n--- a/y.py\n"
    )
    assert paint_diff(diff).split(b"\n") == [
        b"\x1b[1m--- a/x.py\x1b[0m",
        b"\x1b[1m+++ b/x.py\x1b[0m",
        b"\x1b[36m@@ -1,2 +1,2 @@\x1b[0m",
        b" c",
        b"\x1b[31m--- a/removed\x1b[0m",
        b"\\ No newline at end of file",
        b"\x1b[32m+++ \xff\x1b[0m",
        b"\x1b[1m--- a/y.py\x1b[0m",
        b"",
    ]


def test_control_characters_are_shown() -> None:
    assert harmless("a\x1b]0;x\x07\n\u202e\u009b\té") == r"a\x1b]0;x\x07\n\u202e\x9b" + "\té"
    assert paint("", "bold", True) == ""
