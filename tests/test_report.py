"""Reports as strings: what a person, a compiler-minded editor and a program get to read."""

from __future__ import annotations

import json

import pytest

from fixgrad.report import FORMATS, PATCH, Entry, summary
from fixgrad.report.colour import harmless, paint, paint_diff
from tests.reports import (
    CONVERTED,
    FINDING,
    REFUSED,
    REPAIR,
    REPAIRED,
    SOURCES,
    TEXT,
    WAITING,
    render,
)

TEXTS = [form for form in FORMATS if form != PATCH]


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
                "effect": "made",
                "message": "made here",
            },
            {
                "filename": "train.py",
                "cell": None,
                "row": 5,
                "column": 30,
                "kind": "sink",
                "effect": "demand",
                "message": "demanded here: it is given to `SGD`",
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
        span = CONVERTED._replace(line=4 + lines, end_line=4 + lines)
        entry = REPAIRED._replace(outcome=REPAIR._replace(finding=FINDING._replace(span=span)))
        sources = {"train.py": SOURCES["train.py"]._replace(text=above + TEXT)}
        (row,) = json.loads(render("json", [entry], sources, colour=False))
        return str(row["fingerprint"])

    assert fingerprint("") == fingerprint("# one\n# two\n")


def test_nothing_found_is_an_empty_report() -> None:
    reports = {form: render(form, [], {}, colour=True) for form in TEXTS}
    assert reports.pop("junit").count("<testcase") == 1
    assert json.loads(reports.pop("sarif"))["runs"][0]["results"] == []
    assert json.loads(reports.pop("rdjson"))["diagnostics"] == []
    assert reports.pop("csv").count("\n") == 1
    assert reports.pop("markdown") == "### fixgrad: nothing found in 0 files\n"
    assert (reports.pop("json"), reports.pop("gitlab")) == ("[]\n", "[]\n")
    assert reports == dict.fromkeys(
        (*("full", "concise", "jsonl", "github", "rdjsonl"), "azure", "pylint"), ""
    )


@pytest.mark.parametrize("form", TEXTS)
def test_names_that_are_not_text_are_printable(form: str) -> None:
    span = CONVERTED._replace(path="\udce9\x1b.py")
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
