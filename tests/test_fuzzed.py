"""Programs that the fuzzer found, as small as it could make them: none of them breaks anything any more."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bench import fuzz, mutations
from bench.fuzz import Input, Maker, examine
from bench.grammar import Grammar
from bench.shrink import shrink
from fixgrad import pipeline
from fixgrad.edits import Patch

HEAD = "import torch\n"
FOUND = {
    "a method of torch.Tensor called on torch": "def r(): return torch.detach()\n",
    "a key of a pattern": "match torch.from_numpy().add():\n    case {0: y}: torch.optim.Adam(params=[y])\n",
    "a loop that writes into a leaf": "while 0:\n for a[0] in x:\n  match 0:\n   case x.y: n, a = "
    "torch.from_numpy().requires_grad_()\n   case 1 | 2: 0\n",
    "disable and enable": "def r(): # fixgrad: disable\n torch() # fixgrad: enable\n",
    "a keyword that is taken out and given": "a = torch.from_numpy(x, requires_grad=a).backward()\n",
    "a module without a name": "f = __import__('.').h.tensor()\nimport_module('torch.optim')\n",
    "a default of a lambda": "x = torch.from_numpy(a)\nx.register_hook(f)\n"
    "g = [lambda k=torch.tensor(1.0).mean().grad: 0]\n",
    "a helper that grants a whole number": "def f():\n    return torch.tensor(0, requires_grad=True)\n"
    "e = f()\nf()\n",
    "a class body": "x = torch.from_numpy(a)\nclass C: s = torch.tensor(()).grad.f()\n"
    "C = torch.optim.SGD([x])\n",
    "a leaf that a pattern takes apart": "match (torch.from_numpy()).requires_grad_():\n"
    "    case [x]: i\n    case (x): 0\nx.grad\n",
    "an array that is updated in place": "import numpy as np\nw = torch.tensor(a, requires_grad=True)\n"
    "y = np.ones(3)\ny @= w\ny.sum().backward()\n",
    "a tensor taken for an array": "x = torch.tensor([0, 2.0], requires_grad=True)\n"
    "y = torch.from_numpy(x)\ny.backward()\nfor z in (y.grad, 0): 0\n",
    "an update in a condition": "w = torch.from_numpy(x)\nw.backward()\n"
    "if w.sub_(w.grad):\n    loss = (w * w).sum()\n    loss.backward()\n",
}


@pytest.mark.parametrize("unsafe", [False, True])
@pytest.mark.parametrize("name", FOUND)
def test_what_was_found(name: str, unsafe: bool, tmp_path: Path) -> None:
    given = Input("found", "fuzzed.py", (HEAD + FOUND[name]).encode(), unsafe=unsafe)
    assert examine(given, tmp_path) is None


def test_a_cell_whose_margin_ipython_takes_off(tmp_path: Path) -> None:
    cells = [HEAD, "x = torch.tensor(a)\nx.backward()\nx -= x.grad\n", "    print(x)\nx.zero_()\n"]
    cell = {"cell_type": "code", "metadata": {}, "outputs": []}
    notebook = json.dumps({"cells": [{**cell, "source": text} for text in cells], "nbformat": 4})
    assert examine(Input("found", "fuzzed.ipynb", notebook.encode()), tmp_path) is None


def test_the_same_seed_makes_the_same_inputs(tmp_path: Path) -> None:
    (tmp_path / "seed.py").write_text(HEAD + "x = torch.ones(3)\nprint(x)\n" * 3)
    one, other = Maker([tmp_path], seed=5), Maker([tmp_path], seed=5)
    assert [one.make() for _ in range(40)] == [other.make() for _ in range(40)]


@pytest.mark.slow
def test_some_inputs_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "seed.py").write_text(HEAD + "x = torch.ones(3)\nprint(x)\n" * 3)
    maker = Maker([tmp_path], seed=20)
    maker.programs = [TestTheFuzzerItself.PROGRAM, b"import torch\nw = torch.rand(2)\nprint(w)\n"]
    found = [(given, examine(given, tmp_path)) for given in (maker.make() for _ in range(120))]
    assert {given.origin for given, _ in found} >= {
        "a real file", "a fixture", "two fixtures", "the grammar"
    }  # fmt: skip
    assert [(given, failure) for given, failure in found if failure is not None] == []


@pytest.mark.slow
class TestTheFuzzerItself:
    """It notices what it is to notice."""

    PROGRAM = (
        b"import torch, numpy as np\nx = torch.tensor(np.ones(3))\nx.sum().backward()\nx.grad\n"
    )

    def kind(self, folder: Path) -> str:
        failure = examine(Input("", "fuzzed.py", self.PROGRAM), folder)
        return failure.kind if failure else ""

    def test_a_program_without_a_fault(self, tmp_path: Path) -> None:
        assert self.kind(tmp_path) == ""

    def test_an_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("fixgrad.conclusion.plan", lambda *_: 1 // 0)
        assert self.kind(tmp_path).startswith("ZeroDivisionError: File")

    def test_a_text_that_is_no_python(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.spoil(monkeypatch, lambda text: text + ")\n")
        monkeypatch.setattr("fixgrad.patching._broken", lambda *_: [])
        assert self.kind(tmp_path).startswith("not valid afterwards: ")

    def test_a_second_repair(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.spoil(monkeypatch, lambda text: text.replace("requires_grad=True", "dtype=None"))
        monkeypatch.setattr("fixgrad.patching._broken", lambda *_: [])
        assert self.kind(tmp_path).startswith("fixgrad has a bug: a second run would repair FG101")
        monkeypatch.setattr("fixgrad.repetition._problems", lambda *_: [])
        assert self.kind(tmp_path) == "a second run repairs FG101 after FG101"

    def test_a_diff_that_git_does_not_take(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fuzz, "render_patch", lambda _: b"--- a/x\n")
        assert self.kind(tmp_path) == "the diff does not apply"

    def test_what_has_no_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def forever(*_: object) -> None:
            while True:
                pass

        monkeypatch.setattr(fuzz, "ENDLESS", 1)
        monkeypatch.setattr(pipeline, "run_on_text", forever)
        assert self.kind(tmp_path) == "endless"

    def spoil(self, monkeypatch: pytest.MonkeyPatch, change: object) -> None:
        from fixgrad import patching  # noqa: PLC0415

        real = patching.rewritten

        def spoilt(*arguments: object, **keywords: object) -> object:
            made = real(*arguments, **keywords)  # type: ignore[arg-type]
            assert isinstance(made, dict)
            return {
                path: Patch(path, patch.before, change(patch.after), patch.edits)  # type: ignore[operator]
                for path, patch in made.items()
            }

        monkeypatch.setattr(patching, "rewritten", spoilt)

    def test_what_it_found_is_kept_and_small(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("fixgrad.conclusion.plan", lambda *_: 1 // 0)
        assert fuzz.main(["--inputs", "6", "--failures", str(tmp_path), "--seed", "3"]) == 1
        kept = sorted(path.name for path in tmp_path.iterdir())
        assert [name for name in kept if name.endswith(".txt")]
        assert "current" not in kept
        assert "6 inputs in" in capsys.readouterr().out


def test_shrinking_keeps_what_shows() -> None:
    text = b"import torch\n\nx = 1\ny = f(torch.ones(3), x)\nfor i in x:\n    print(y)\n"
    assert shrink(text, lambda data: b"ones" in data, seconds=20) == b"ones"


def test_mutants_are_mostly_programs() -> None:
    chance = random.Random(0)
    text = b"import torch\nx = torch.ones(3)\nif x.sum() > 1:\n    print(x, [y for y in x])\n" * 3
    near = [mutations.near(text, chance) for _ in range(200)]
    assert sum(mutations.parsed(data) is not None for data in near) > 100
    assert len(set(near)) > 150
    written = [Grammar(chance).program().encode() for _ in range(100)]
    assert sum(mutations.parsed(data) is not None for data in written) > 90
