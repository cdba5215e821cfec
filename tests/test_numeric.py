"""Gradients beside finite differences: what agrees, what does not, and what cannot be compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fixgrad import pipeline
from fixgrad.pipeline import Options
from fixgrad.proof.numeric import checked
from fixgrad.proof.rounds import Patches
from fixgrad.proof.verdict import PROVED
from fixgrad.runtime.records import Records
from tests.programs import Programs
from tests.watched import copied, inside, observe, rounds_of

pytestmark = pytest.mark.torch

HEAD = "import numpy as np\nimport torch\n\na = np.array([1.0, -3.0, 2.0])\n"
STRAIGHT = """\
class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, t):
        return (t * 4).round() / 4

    @staticmethod
    def backward(ctx, gradient):
        return gradient

"""
SEEN = "print(x.grad)\n"

AGREEING = {
    "double": "x = torch.from_numpy(a)\n(x ** 2).sum().backward()\n",
    "single": "x = torch.from_numpy(a.astype('f4'))\n(x ** 2).sum().backward()\n",
    "half": "x = torch.from_numpy(a).to(torch.bfloat16)\n(x * 2).sum().backward()\n",
    "one number": "x = torch.from_numpy(a[:1])\n(x ** 3).sum().backward()\n",
    "with weights": "x = torch.from_numpy(a)\n(x ** 2).backward(torch.from_numpy(a + 1))\n",
    "with weights by name": "x = torch.from_numpy(a)\n"
    "(x ** 2).backward(gradient=torch.from_numpy(a + 1))\n",
    "of several roots": "x = torch.from_numpy(a)\n"
    "torch.autograd.backward([x.sum(), x ** 2], [None, torch.from_numpy(a)])\n",
    "the second pass": "v = torch.ones(3, requires_grad=True)\nv.sum().backward()\n"
    "x = torch.from_numpy(a)\n(x * v).sum().backward()\n",
    "made in each turn": "for turn in range(3):\n    x = torch.from_numpy(a * (turn + 1))\n"
    "    (x ** 2).sum().backward()\n",
}
ASKED = {
    "of one output": "x = torch.from_numpy(a)\nprint(torch.autograd.grad((x ** 2).sum(), x))\n",
    "with weights, by place": "x = torch.from_numpy(a)\n"
    "print(torch.autograd.grad(x ** 2, x, torch.from_numpy(a + 1)))\n",
    "of several outputs": "x = torch.from_numpy(a)\n"
    "print(torch.autograd.grad([x.sum(), x ** 2], [x], [None, torch.from_numpy(a)]))\n",
    "by their names": "x = torch.from_numpy(a)\n"
    "print(torch.autograd.grad(outputs=(x ** 2).sum(), inputs=[x]))\n",
}
OTHERWISE = {
    "a straight-through estimator": (
        f"{STRAIGHT}x = torch.from_numpy(a + 0.1)\nStraight.apply(x).sum().backward()\n{SEEN}",
        "finite differences differ, relative error 1.0e+00: 1 at coordinate 0, found 0",
    ),
    "it does not come there again": (
        (
            "x = torch.from_numpy(a)\nif float(x.detach().sum()) == 0.0:\n"
            f"    (x ** 2).sum().backward()\n{SEEN}"
        ),
        "not checked: the program did not come to the same backward pass again",
    ),
    "complex": (
        f"x = torch.from_numpy(a * 1j)\n(x.abs() ** 2).sum().backward()\n{SEEN}",
        "not checked: no real gradient of a tensor made here was seen",
    ),
    "no leaf is made": (
        (
            "x = torch.from_numpy(a).requires_grad_()\n(x ** 2).sum().backward()\n"
            "x -= x.grad\nprint(x)\n"
        ),
        "",
    ),
}


def check_of(text: str, programs: Programs, folder: Path) -> str:
    """Return what finite differences say of the one repair of a program, which is proved."""
    user = folder / "user"
    user.mkdir()
    (user / "main.py").write_text(HEAD + text)
    count = iter(range(100))
    with inside(user):
        outcome = pipeline.run(Options(diff=True))

        def observed(patches: Patches, **settings: object) -> Any:
            copy = copied(user, folder / f"checked{next(count)}", patches)
            left = [pipeline.repaired_source(source, patch) for source, patch in patches]
            return observe(programs, user, copy, left, **settings)

        def nudged(patches: Patches, nudge: Mapping[str, Any]) -> Records:
            return observed(patches, slopes=3, nudge=dict(nudge)).records  # type: ignore[no-any-return]

        rounds = rounds_of(programs, user, folder, outcome.sources)
        rounds = rounds._replace(run=lambda patches: observed(patches, slopes=3))
        trials = rounds.all(outcome.repaired, outcome.patches)
        (verdict,) = checked(trials[-1].verdicts, trials, nudged)
    assert verdict.outcome == PROVED, verdict
    return verdict.check


@pytest.mark.parametrize("name", [*AGREEING, *ASKED])
def test_agree(name: str, programs: Programs, tmp_path: Path) -> None:
    text = AGREEING[name] + SEEN if name in AGREEING else ASKED[name]
    said = check_of(text, programs, tmp_path)
    many = "1 coordinate" if name == "one number" else "3 coordinates"
    assert said.startswith("finite differences agree, relative error "), said
    assert said.endswith(f" ({many})"), said


@pytest.mark.parametrize("name", OTHERWISE)
def test_do_not_agree(name: str, programs: Programs, tmp_path: Path) -> None:
    text, said = OTHERWISE[name]
    assert check_of(text, programs, tmp_path) == said
