"""Programs that nobody writes by hand: deep, long and wide ones. The other files are done whatever they hold."""

from __future__ import annotations

import ast
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixgrad import pipeline
from fixgrad.flow import budgets
from fixgrad.pipeline import Options, Outcome

HEAD = "import numpy as np\nimport torch\nx = torch.from_numpy(np.ones(3))\n"
TAIL = "x.sum().backward()\nprint(x.grad)\n"

# A program that Python runs is analysed: its one finding is repaired.
ANALYSED = {
    "parentheses": HEAD + "y = " + "(" * 150 + "x" + ")" * 150 + "\n" + TAIL,
    "nested lists": HEAD + "y = " + "[" * 90 + "1.0" + "]" * 90 + "\n" + TAIL,
    "nested ifs": HEAD
    + "".join(" " * n + f"if x.sum() > -{n}:\n" for n in range(90))
    + " " * 90
    + "y = x * 2\n"
    + TAIL,
    "nested loops": HEAD
    + "".join(" " * n + f"for n{n} in range(1):\n" for n in range(18))
    + " " * 18
    + "y = x * 2\n"
    + TAIL,
    "elifs": HEAD
    + "if x.sum() > 1e9:\n    y = x\n"
    + "".join(f"elif x.sum() > 1e6 + {n}:\n    y = x * {n}\n" for n in range(150))
    + TAIL,
    "functions that double the calls": HEAD
    + "def f0(x): return x * 2\n"
    + "".join(f"def f{n}(x): return f{n - 1}(x) + f{n - 1}(x)\n" for n in range(1, 40))
    + TAIL,
    "a long string": HEAD + "s = '" + "a" * 1_500_000 + "'\n" + TAIL,
    "a long table": HEAD + "t = [" + "[1.0, 2.0]," * 5_000 + "]\n" + TAIL,
    "many variables": HEAD + "".join(f"y{n} = x * {n}\n" for n in range(3_000)) + TAIL,
    "many uses": HEAD + "x.sum()\n" * 3_000 + TAIL,
    "many branches": HEAD + "if x.sum() > 0:\n    y = x\n" * 1_500 + TAIL,
}

# What Python's own parser or compiler does not take is a problem with the file.
REFUSED = {
    "too many parentheses": (HEAD + "y = " + "(" * 1_000 + "x" + ")" * 1_000 + "\n", "parenth"),
    "a null byte": (HEAD + "y = '\0'\n", "null byte"),
    "a line of 10 MB": (HEAD + "s = '" + "a" * 10_000_000 + "'\n", "too large"),
}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "plain.py").write_text(HEAD + TAIL)
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def diff(text: str) -> Outcome:
    Path("odd.py").write_text(text)
    return pipeline.run(Options(diff=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", ANALYSED)
def test_what_python_runs_is_repaired(here: Path, name: str) -> None:
    outcome = diff(ANALYSED[name])
    assert not outcome.problems
    assert [patch.path for _, patch in outcome.patches] == ["odd.py", "plain.py"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_python_refuses_is_a_problem_of_that_file(here: Path, name: str) -> None:
    text, message = REFUSED[name]
    outcome = diff(text)
    assert [patch.path for _, patch in outcome.patches] == ["plain.py"]
    (problem,) = outcome.problems
    assert problem.path == "odd.py"
    assert message in problem.message


def test_chained_operators_are_read_where_python_reads_them(here: Path) -> None:
    text = HEAD + "y = " + "+".join(["x"] * 5_000) + "\n" + TAIL
    outcome = diff(text)
    try:
        compile(text, "odd.py", "exec", flags=ast.PyCF_ONLY_AST)
    except (RecursionError, MemoryError):
        assert [problem.path for problem in outcome.problems] == ["odd.py"]
    else:
        assert [patch.path for _, patch in outcome.patches] == ["odd.py", "plain.py"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "repeated", ["x.sum()\n", "y = [x]\n", "y = x * 2\n", "if x.sum() > 0:\n    y = x\n"]
)
def test_memory_grows_in_proportion(here: Path, repeated: str) -> None:
    Path("plain.py").unlink()
    diff(HEAD + repeated + TAIL)  # so that nothing is counted that is only loaded once
    peaks = []
    for times in (300, 1_200):
        tracemalloc.start()
        diff(HEAD + repeated * times + TAIL)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 5 * peaks[0]


FAR = """import numpy as np
import torch


def read(numbers):
    return torch.from_numpy(np.array(numbers))


def fit(numbers):
    w = read(numbers)
    (w * w).sum().backward()
    return w.grad


def run(numbers):
    return fit(numbers)
"""


def test_a_project_that_takes_too_long_is_followed_near_its_conversions(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "PATIENCE", 0)
    alone = FAR.replace("w = read(numbers)", "w = torch.from_numpy(np.array(numbers))")
    Path("near.py").write_text(alone.replace("def run", "def also"))
    outcome = diff(FAR)
    assert [patch.path for _, patch in outcome.patches] == ["near.py", "odd.py", "plain.py"]


def test_what_is_far_from_a_conversion_is_passed_over_then(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = FAR.replace("    (w * w).sum().backward()\n    return w.grad\n", "    return w\n")
    far = far.replace(
        "return fit(numbers)", "w = fit(numbers)\n    w.sum().backward()\n    return w.grad"
    )
    assert "odd.py" in [patch.path for _, patch in diff(far).patches]
    monkeypatch.setattr(budgets, "PATIENCE", 0)
    assert "odd.py" not in [patch.path for _, patch in diff(far).patches]


def test_a_number_that_takes_for_ever_to_round_is_not_computed(here: Path) -> None:
    """The integer that it is rounded by would have a thousand million digits."""
    outcome = diff(FAR + "\nFAR_AWAY = round(5, -1000000000)\n")
    assert "odd.py" in [patch.path for _, patch in outcome.patches]
