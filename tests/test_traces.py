"""The path of a finding: every place between the conversion and the demand, and where it is cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixgrad import pipeline
from fixgrad.findings import Finding, Refusal
from fixgrad.pipeline import Options
from fixgrad.report import Entry
from tests.explained import FILES, HEAD


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)


def found(files: dict[str, str]) -> list[Entry]:
    """Return what is found in a project of these files."""
    for name, text in files.items():
        Path(name).write_text(text)
    outcome = pipeline.run(Options(tuple(files)))
    assert outcome.problems == ()
    return list(outcome.entries)


def only(text: str) -> Finding:
    """Return the only finding in a program."""
    (entry,) = found({"main.py": HEAD + text})
    return entry.finding


def told(finding: Finding) -> list[tuple[str, int, str, str]]:
    return [(s.span.path, s.span.line, s.effect, s.what) for s in finding.trace]


def test_through_calls_and_files() -> None:
    (entry,) = found(FILES)
    assert told(entry.finding) == [
        ("main.py", 10, "made", "made here"),
        ("main.py", 11, "carries", "flows through `float`"),
        ("main.py", 11, "call", "passed into `Trainer`"),
        ("model.py", 7, "demand", "demanded here: it is given to `SGD`"),
    ]
    assert entry.finding.message.endswith("it is given to `SGD` at line 7 of model.py")


def test_the_own_file_goes_without_saying() -> None:
    finding = only("x = torch.from_numpy(np.ones(2))\n(x * 2).sum().backward()\nprint(x.grad)\n")
    assert finding.message.endswith("its `.grad` is read at line 5")
    assert told(finding) == [
        ("main.py", 3, "made", "made here"),
        ("main.py", 5, "demand", "demanded here: its `.grad` is read"),
    ]


def test_out_of_a_helper_and_into_another() -> None:
    finding = only(
        "def load(a):\n    return torch.from_numpy(a)[None]\n"
        "def slope(x):\n    x.sum().backward()\n    return x.grad.sum()\n"
        "batch = load(np.ones(2))\nprint(slope(batch))\n"
    )
    assert [(line, what) for _, line, _, what in told(finding)] == [
        (4, "made here"),
        (4, "flows through `[]`"),
        (8, "returned by `load`"),
        (9, "passed into `slope`"),
        (7, "demanded here: its `.grad` is read"),
    ]


def test_the_way_to_the_loss_of_a_backward_pass() -> None:
    finding = only("x = torch.from_numpy(np.ones(2))\nloss = (x - 1).sum()\nloss.backward()\n")
    assert [(line, effect) for _, line, effect, _ in told(finding)] == [
        (3, "made"), (4, "carries"), (4, "carries"), (5, "demand"),
    ]  # fmt: skip


def test_a_broken_grant_is_told_from_the_conversion_on() -> None:
    finding = only(
        "x = torch.tensor(np.ones(2), requires_grad=True)\ny = x.sqrt()\nprint(y.numpy())\n"
        "y.sum().backward()\n"
    )
    assert finding.rule == "FG208"
    assert [(line, effect) for _, line, effect, _ in told(finding)] == [
        (3, "made"), (4, "carries"), (5, "wrong"),
    ]  # fmt: skip


def test_where_it_is_cut_in_another_file() -> None:
    losses = "import torch\n\n\ndef loss(w):\n    return (w > 0.5).double().sum()\n"
    main = (
        "import losses\nw = torch.from_numpy(np.ones(2))\nvalue = losses.loss(w)\n"
        "value.backward()\nprint(w.grad)\n"
    )
    (entry,) = found({"main.py": HEAD + main, "losses.py": losses})
    assert isinstance(entry.outcome, Refusal)
    assert entry.outcome.code == "FG902"
    assert entry.outcome.reason.startswith("line 5 of losses.py cuts the gradient")
    assert told(entry.finding) == [
        ("main.py", 4, "made", "made here"),
        ("main.py", 7, "demand", "demanded here: its `.grad` is read"),
        ("main.py", 5, "call", "passed into `loss`"),
        ("losses.py", 5, "cut", "the gradient is cut here: `>`"),
        ("losses.py", 5, "carries", "flows through `double`"),
        ("losses.py", 5, "carries", "flows through `sum`"),
        ("main.py", 5, "call", "returned by `loss`"),
        ("main.py", 6, "backward", "the backward pass starts here"),
    ]
    assert entry.finding.end == entry.finding.trace[1].span
