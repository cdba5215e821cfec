"""`fixgrad trace` and the plugin of pytest: programs run as they are, and leave evidence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fixgrad import cli
from fixgrad.errors import FixgradError
from fixgrad.evidence import store
from fixgrad.evidence.store import Seen, Spot
from fixgrad.proof.trace import rows

PROGRAM = """\
import numpy as np
import torch

make = getattr(torch, "from" + "_numpy")
x = make(np.array([1.0, 2.0]))
w = torch.tensor(np.ones(2), requires_grad=True)
data = torch.as_tensor(np.ones(2))
o = torch.optim.SGD([x, w], lr=0.1)
for turn in range(3):
    (x * w * data).sum().backward()
    o.step()
print(x.grad, input())
raise SystemExit(3)
"""


def seen(kind: str, line: int, **facts: object) -> Seen:
    """Make a line of evidence about the conversion in line 1."""
    made = ("torch.from_numpy", Spot("a.py", 1, 0, 1, 9, "d"))
    return Seen(kind, Spot("a.py", line, 0, line, 9, "d"), (made,), tuple(sorted(facts.items())))


@pytest.mark.torch
def test_a_program_runs_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With its input, its output and its exit code; what dynamic code converts is seen too."""
    monkeypatch.chdir(tmp_path)
    Path("main.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "fixgrad", "trace", "--", sys.executable, "main.py"]
    ran = subprocess.run(command, input="yes\n", capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (3, "None yes\n")
    assert f"added to {store.NAME}" in ran.stderr
    assert cli.run(["trace", "--report"]) == 1
    said = capfd.readouterr()
    assert said.out.splitlines() == [
        "missing    main.py:5:5 torch.from_numpy",
        "             SGD gets it untracked at main.py:8:5",
        "             never moved by SGD, 3 times",
        "             no gradient at main.py:12:7, once",
        "arrived    main.py:6:5 torch.tensor",
        "             gradient at main.py:10:5, 3 times",
        "not asked  main.py:7:8 torch.as_tensor",
        "             once",
    ]
    assert said.err == "1 of 3 conversions lack a gradient that is asked for\n"


@pytest.mark.torch
def test_the_plugin_of_pytest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    body = "".join(f"    {line}\n" for line in PROGRAM.splitlines()[3:-2])
    Path("test_own.py").write_text(f"import numpy as np\nimport torch\n\ndef test_fit():\n{body}")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "fixgrad.pytest",
        "-p",
        "no:cacheprovider",
    ]
    for _ in range(2):
        subprocess.run(command, check=True, capture_output=True)
    assert cli.run(["trace", "--report"]) == 1
    assert "never moved by SGD, 6 times" in capfd.readouterr().out


class TestStore:
    def test_evidence_adds_up(self, tmp_path: Path) -> None:
        """Two stores, and lines of one that say the same."""
        line = {
            "version": 1, "kind": "conversion", "spot": ["a.py", 1, 0, 1, 9, "d"],
            "way": [], "facts": {"dtype": "float64"}, "times": 2,
        }  # fmt: skip
        for name in ("one", "two"):
            (tmp_path / name).write_text(f"{json.dumps(line)}\n" * 2)
        (found,) = store.read([str(tmp_path / "one"), str(tmp_path / "two")])
        assert (found.times, found.fact("dtype")) == (8, "float64")

    @pytest.mark.parametrize("line", ["{}", "what?", '{"version": 9}'])
    def test_what_is_no_evidence(self, tmp_path: Path, line: str) -> None:
        (tmp_path / "store").write_text(f"{line}\n")
        with pytest.raises(FixgradError, match="store:1: no line of evidence"):
            store.read([str(tmp_path / "store")])

    def test_a_gradient_that_arrives_somewhere_is_no_missing_one(self) -> None:
        """It may be None before the first backward pass; both are told."""
        (row,) = rows([seen("grad", 5, arrived=False), seen("arrival", 7, arrived=True)])
        assert (row.word, row.said) == (
            "arrived",
            ("gradient at a.py:7:1, once", "no gradient at a.py:5:1, once"),
        )


@pytest.mark.parametrize(
    ("arguments", "message"), [([], "--report"), (["--", "no-such"], "no such program")]
)
def test_nothing_to_run(
    arguments: list[str], message: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert cli.run(["trace", *arguments]) == 2
    assert message in capfd.readouterr().err
