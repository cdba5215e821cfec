"""The report that people read: paths, excerpts, diffs; at any width, in colour or without."""

from __future__ import annotations

import re

import pytest

from fixgrad.findings import CUT, DEMAND, MADE, WRONG, Finding, Refusal, Step
from fixgrad.report import Entry
from fixgrad.source import CellLine, Source, Span
from tests.reports import CONVERTED, FINDING, REFUSED, REPAIRED, SOURCES, WAITING, render


def test_full() -> None:
    assert render("full", [REPAIRED, REFUSED], SOURCES, colour=False) == (
        """\
train.py:4:9 FG102 [*] `theta` is optimised at line 5 but nothing tracks it  (safe, high)
   4 | theta = torch.from_numpy(start)
     |         ^^^^^^^^^^^^^^^^^^^^^^^ made here
   5 | optimizer = torch.optim.SGD([theta], lr=0.1)
     |                              ^^^^^ demanded here: it is given to `SGD`
  repair: make it with torch.tensor
     @@ -4 +4 @@
     -theta = torch.from_numpy(start)
     +theta = torch.tensor(start, requires_grad=True)

train.py:4:9 FG102 `theta` is optimised at line 5 but nothing tracks it  (FG902, high)
   4 | theta = torch.from_numpy(start)
     |         ^^^^^^^^^^^^^^^^^^^^^^^ made here
   5 | optimizer = torch.optim.SGD([theta], lr=0.1)
     |                              ^^^^^ demanded here: it is given to `SGD`
  left alone: FG902 the array is written later
"""
    )


def test_full_says_what_waits_for_an_option() -> None:
    report = render("full", [WAITING], SOURCES, colour=False)
    assert "[*]" not in report
    assert "(unsafe, high)" in report
    assert "repair: make it with torch.tensor (--unsafe-fixes)" in report


def at(line: int, column: int, end: int, path: str = "train.py") -> Span:
    """Return a span within one line."""
    return Span(path, line, column, line, end)


def paragraph(*steps: Step, path: str = "train.py", width: int | None = None) -> list[str]:
    """Return what the report shows of a finding with such a path."""
    span = CONVERTED._replace(path=path)
    refusal = Refusal(FINDING._replace(span=span, trace=steps), "FG902", "it is cut")
    sources = dict.fromkeys(("train.py", path), SOURCES["train.py"]) | {
        "lib.py": Source("lib.py", "def fit(t):\n    return (t - 1).pow(2).mean()\n", "", False, "")
    }
    return render("full", [Entry(refusal, False)], sources, colour=False, width=width).splitlines()


def test_a_single_place_is_shown_once() -> None:
    assert paragraph(Step(CONVERTED, "wrong here", WRONG))[1:-1] == [
        "   4 | theta = torch.from_numpy(start)",
        "     |         ^^^^^^^^^^^^^^^^^^^^^^^ wrong here",
    ]
    assert paragraph()[2] == "     |         ^^^^^^^^^^^^^^^^^^^^^^^"


def test_other_files_are_named_and_lines_said_once() -> None:
    assert paragraph(
        Step(CONVERTED, "made here", MADE),
        Step(at(2, 12, 17, "lib.py"), "flows through `-`"),
        Step(at(2, 11, 25, "lib.py"), "flows through `pow`"),
        Step(at(2, 11, 32, "lib.py"), "the gradient is cut here: `mean`", CUT),
        Step(at(5, 29, 34), "demanded here", DEMAND),
    )[1:-1] == [
        "   4 | theta = torch.from_numpy(start)",
        "     |         ^^^^^^^^^^^^^^^^^^^^^^^ made here",
        "   --> lib.py",
        "   2 | return (t - 1).pow(2).mean()",
        "     |        ^^^^^^^^^^^^^^ flows through `-`, `pow`",
        "     |        ^^^^^^^^^^^^^^^^^^^^^ the gradient is cut here: `mean`",
        "   --> train.py",
        "   5 | optimizer = torch.optim.SGD([theta], lr=0.1)",
        "     |                              ^^^^^ demanded here",
    ]


def test_the_middle_of_a_long_path_is_left_to_why() -> None:
    between = [Step(at(1 + n % 2, 0, 3), "flows through `x`") for n in range(30)]
    cut = Step(at(5, 12, 27), "the gradient is cut here", CUT)
    steps = (Step(CONVERTED, "made here", MADE), *between, cut, *between)
    shown = paragraph(*steps, Step(at(5, 29, 34), "demanded here", DEMAND))
    assert "     ... 54 more steps: `fixgrad why` shows them" in shown
    assert "     |             ^^^^^^^^^^^^^^^ the gradient is cut here" in shown
    assert len(shown) < 30


def test_a_notebook_names_its_cells() -> None:
    one, other = (CellLine(line, cell, 1) for line, cell in ((4, 2), (5, 3)))
    span = Span("n.ipynb", one, 8, one, 31)
    demanded = Step(Span("n.ipynb", other, 29, other, 34), "demanded here", DEMAND)
    finding = FINDING._replace(span=span, trace=(Step(span, "made here", MADE), demanded))
    entry = Entry(Refusal(finding, "FG902", "r"), False)
    sources = {"n.ipynb": SOURCES["train.py"]}
    assert render("full", [entry], sources, colour=False).splitlines()[:5] == [
        f"n.ipynb:cell 2:1:9 FG102 {finding.message}  (FG902, high)",
        "   1 | theta = torch.from_numpy(start)",
        "     |         ^^^^^^^^^^^^^^^^^^^^^^^ made here",
        "   --> n.ipynb, cell 3",
        "   1 | optimizer = torch.optim.SGD([theta], lr=0.1)",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 100])
def test_a_narrow_terminal(width: int) -> None:
    report = render("full", [REPAIRED, REFUSED], SOURCES, colour=False, width=width)
    coloured = render("full", [REPAIRED, REFUSED], SOURCES, colour=True, width=width)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == report
    widest = max(map(len, report.splitlines()))
    assert widest <= max(width, 27)  # gutter, and a source line of twenty columns
    said = " ".join(report.replace("|", " ").split())
    assert FINDING.message in said
    assert "torch.tensor(start, requires_grad=True)" in re.sub(r"\n {5}(?! )", "", report)


def test_sixty_columns() -> None:
    assert (
        render("full", [REPAIRED], SOURCES, colour=False, width=60)
        == """\
train.py:4:9 FG102 [*] `theta` is optimised at line 5 but
  nothing tracks it  (safe, high)
   4 | theta = torch.from_numpy(start)
     |         ^^^^^^^^^^^^^^^^^^^^^^^ made here
   5 | optimizer = torch.optim.SGD([theta], lr=0.1)
     |                              ^^^^^
     | demanded here: it is given to `SGD`
  repair: make it with torch.tensor
     @@ -4 +4 @@
     -theta = torch.from_numpy(start)
     +theta = torch.tensor(start, requires_grad=True)
"""
    )


def test_a_windows_path() -> None:
    path = "C:/Users/me/new project/train.py"
    shown = paragraph(Step(CONVERTED._replace(path=path), "made here", MADE), path=path, width=60)
    assert shown[0].startswith(f"{path}:4:9 FG102 `theta`")
    assert shown[2:4] == [
        "   4 | theta = torch.from_numpy(start)",
        "     |         ^^^^^^^^^^^^^^^^^^^^^^^ made here",
    ]


def excerpt(line: str, start: int, end: int, end_line: int = 1) -> list[str]:
    """Return what the full report shows of one span: the source line and the carets."""
    span = Span("a.py", 1, start, end_line, end)
    finding = Finding("FG101", span, "m", "high", ())
    source = Source("a.py", line + "\nsecond\n", "utf-8", False, "")
    report = render(
        "full", [Entry(Refusal(finding, "FG901", "r"), False)], {"a.py": source}, colour=False
    )
    return [line.partition("| ")[2] for line in report.splitlines()[1:3]]


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
    assert excerpt(line, start, end) == [shown, carets]


def test_a_span_of_several_lines_is_shown_by_its_first() -> None:
    assert excerpt("x = f(", 4, 6, end_line=2) == ["x = f(", "    ^^"]


def test_a_very_long_line_is_cut_around_the_span() -> None:
    for start in (0, 100, 5000, 9990):
        line, carets = excerpt("y" * start + "HERE" + "y" * (9996 - start), start, start + 4)
        assert len(line) <= 160
        assert line[carets.index("^") : carets.rindex("^") + 1] == "HERE"


def test_a_place_outside_the_text_is_no_error() -> None:
    assert render("full", [REPAIRED], {}, colour=False).count("\n") > 3
