"""Wrong repairs are refuted, each for what it does, and do not stand in the way of right ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixgrad import pipeline
from fixgrad.pipeline import Options
from fixgrad.proof.rounds import last_word
from fixgrad.proof.verdict import NOT_REACHED, PROVED, REFUTED, Verdict
from tests.programs import Programs
from tests.watched import inside, repair_of, rounds_of, source_of

pytestmark = pytest.mark.torch

HEAD = "import numpy as np\nimport torch\n\na = np.array([1.0, 2.0])\n"
GRANT = ".requires_grad_()"
FIT = HEAD + (
    "x = torch.from_numpy(a){}\nv = torch.ones(2, requires_grad=True)\n"
    "for turn in range(3):\n    ((x - v) ** 2).sum().backward()\n    {}\n"
)


NET = HEAD + (
    "first, last = torch.nn.Linear(2, 2).double(), torch.nn.Linear(2, 1).double()\n"
    "h = torch.from_numpy(np.tanh(first(torch.ones(2).double()).detach().numpy()))\n"
    "last(h).sum().backward()\nprint(first.weight.grad)\n"
)
MOVED = HEAD + (
    "class Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.scale = torch.from_numpy(a)\n\nprint(Net().float().scale.dtype)\n"
)


MADE = (
    "torch.from_numpy(np.ones((2, 2)))",
    "torch.from_numpy(a * 0)",
    "torch.from_numpy(a.astype(int))",
)


class Wrong:
    """Programs with repairs that do not do what they promise."""

    def __init__(
        self, text: str, demand: str, *operations: tuple[str, str, str], rule: str = "FG101"
    ) -> None:
        self.text, self.demand, self.operations, self.rule = text, demand, operations, rule


WRONG = {
    "granted before the cast": (
        Wrong(
            FIT.format(".float()", "print(x.grad)"),
            "x.grad",
            ("torch.from_numpy(a)", "append", GRANT),
        ),
        "no gradient at line 9, still",
    ),
    "an export is forgotten": (
        Wrong(
            FIT.format("", "print(x.grad)\nprint(x.numpy())"),
            "x.grad",
            ("torch.from_numpy(a)", "append", GRANT),
        ),
        "Can't call numpy()",
    ),
    "updated in place while recording": (
        Wrong(
            FIT.format("", "x -= x.grad\n    x.grad.zero_()"),
            "x -= x.grad",
            ("torch.from_numpy(a)", "append", GRANT),
        ),
        "a leaf Variable that requires grad",
    ),
    "granted and detached": (
        Wrong(
            HEAD + "x = torch.from_numpy(a)\nv = torch.ones(2, requires_grad=True)\n"
            "y = x * 1\n((y - v) ** 2).sum().backward()\nprint(x.grad)\n",
            "x.grad",
            ("torch.from_numpy(a)", "append", GRANT),
            ("x * 1", "append", ".detach()"),
        ),
        "no gradient at line 9, still",
    ),
    "granted to the wrong tensor": (
        Wrong(
            HEAD + "x = torch.from_numpy(a)\ny = torch.from_numpy(a + 1)\n"
            "v = torch.ones(2, requires_grad=True)\n((x * v) + y).sum().backward()\nprint(x.grad)\n",
            "x.grad",
            ("torch.from_numpy(a + 1)", "append", GRANT),
        ),
        "no gradient at line 9, still",
    ),
    "not a number": (
        Wrong(
            HEAD + "x = torch.from_numpy(a * 0)\n"
            "v = torch.ones(2, dtype=torch.float64, requires_grad=True)\n"
            "(torch.sqrt(x) * v / x).sum().backward()\nprint(x.grad)\n",
            "x.grad",
            ("torch.from_numpy(a * 0)", "append", GRANT),
        ),
        "not finite",
    ),
    "written in torch and cut all the same": (
        Wrong(
            NET,
            "last(h)",
            (
                "torch.from_numpy(np.tanh(first(torch.ones(2).double()).detach().numpy()))",
                "replace",
                "torch.tanh(first(torch.ones(2).double()).detach())",
            ),
            rule="FG206",
        ),
        "no gradient arrives that was not there before",
    ),
    "cloned, not registered": (
        Wrong(MOVED, "self.scale", ("torch.from_numpy(a)", "append", ".clone()"), rule="FG301"),
        "`float` leaves it behind, still",
    ),
    "a backward pass that passes it by": (
        Wrong(
            HEAD + "x = torch.from_numpy(a)\nv = torch.ones(2, requires_grad=True)\n"
            "(x.detach() * v).sum().backward()\n",
            "(x.detach() * v).sum().backward()",
            ("torch.from_numpy(a)", "append", GRANT),
        ),
        "a backward pass goes through, but no gradient arrives",
    ),
    "granted to an integer": (
        Wrong(
            HEAD + "x = torch.from_numpy(a.astype(int))\n(x * 1.5).sum().backward()\n",
            "(x * 1.5).sum().backward()",
            ("torch.from_numpy(a.astype(int))", "append", GRANT),
        ),
        "only Tensors of floating point",
    ),
    "granted in a wrong way": (
        Wrong(
            HEAD + "x = torch.from_numpy(a)\n(x * 1.5).sum().backward()\n",
            "(x * 1.5).sum().backward()",
            ("torch.from_numpy(a)", "append", ".requires_grad_(True, 2)"),
        ),
        "requires_grad_() takes from 0 to 1 positional",
    ),
    "the program ends itself": (
        Wrong(
            HEAD + "import os\nx = torch.from_numpy(a)\nv = torch.ones(2, requires_grad=True)\n"
            "(x * v).sum().backward()\nprint(x.grad)\n"
            "if x.requires_grad:\n    os.kill(os.getpid(), 9)\n",
            "x.grad",
            ("torch.from_numpy(a)", "append", GRANT),
        ),
        "the repaired program is killed by SIGKILL",
    ),
    "another gradient is gone": (
        Wrong(
            HEAD + "x = torch.from_numpy(a)\n"
            "v = torch.ones(2, dtype=torch.float64, requires_grad=True)\n"
            "(x * v).sum().backward()\nprint(v.grad)\nprint(x.grad)\n",
            "x.grad",
            ("torch.from_numpy(a)", "append", GRANT),
            ("x * v", "replace", "x * v.detach()"),
        ),
        "the gradient read at line 8 is None now",
    ),
    "still raises, and the error is caught": (
        Wrong(
            HEAD + "x = torch.from_numpy(a).requires_grad_()\n"
            "try:\n    print(x.numpy())\nexcept RuntimeError:\n    print('not plain')\n",
            "x.numpy()",
            ("x.numpy()", "append", ".copy()"),
            rule="FG202",
        ),
        "Can't call numpy()",
    ),
    "a test fails instead": (
        Wrong(
            HEAD + "import unittest\nx = torch.from_numpy(a)\n"
            "v = torch.ones(2, requires_grad=True)\n(x * v).sum().backward()\n"
            "print(x.grad)\n"
            "class Test(unittest.TestCase):\n    def test_it(self):\n"
            "        self.assertFalse(x.requires_grad)\n\nunittest.main()\n",
            "x.grad",
            ("torch.from_numpy(a)", "append", GRANT),
        ),
        "",
    ),
    "never trained": (
        Wrong(
            HEAD + "x = torch.from_numpy(a)\nv = torch.ones(2, requires_grad=True)\n"
            "o = torch.optim.SGD([x, v], lr=0.1)\n(v ** 2).sum().backward()\no.step()\n",
            "torch.optim.SGD([x, v], lr=0.1)",
            ("torch.from_numpy(a)", "append", GRANT),
        ),
        "no gradient arrives",
    ),
}


def judged(programs: Programs, folder: Path, wrong: Wrong) -> Verdict:
    """Return the verdict on a repair made by hand."""
    user = folder / "user"
    user.mkdir()
    (user / "main.py").write_text(wrong.text)
    with inside(user):
        source = source_of("main.py")
        made = next((text for text in MADE if text in wrong.text), "torch.from_numpy(a)")
        made = wrong.operations[0][0] if wrong.rule == "FG206" else made
        repair = repair_of(source, wrong.rule, made, wrong.demand, *wrong.operations)
        return rounds_of(programs, user, folder, [source]).trial([repair]).verdicts[0]


@pytest.mark.parametrize("name", WRONG)
def test_wrong_repairs_are_refuted(name: str, programs: Programs, tmp_path: Path) -> None:
    wrong, why = WRONG[name]
    verdict = judged(programs, tmp_path, wrong)
    assert verdict.outcome == REFUTED, verdict
    assert why in verdict.after


def test_what_worked_before_is_no_proof(programs: Programs, tmp_path: Path) -> None:
    """A repair of what was right already proves nothing."""
    text = (
        HEAD + "x = torch.tensor(a, requires_grad=True)\n(x ** 2).sum().backward()\nprint(x.grad)\n"
    )
    operation = ("torch.tensor(a, requires_grad=True)", "append", GRANT)
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "main.py").write_text(text)
    with inside(tmp_path / "user"):
        source = source_of("main.py")
        repair = repair_of(source, "FG101", operation[0], "x.grad", operation)
        rounds = rounds_of(programs, tmp_path / "user", tmp_path, [source])
        verdict = rounds.trial([repair]).verdicts[0]
    assert (verdict.outcome, verdict.after) == (REFUTED, "it was there without the repair")


NOT_RUN = {
    "the function is not called": (
        (
            "def fit():\n    x = torch.from_numpy(a)\n    (x ** 2).sum().backward()\n"
            "    print(x.grad)\n"
        ),
        ("nothing seen (exit 0)", "the run never comes to line 6 (exit 0)"),
    ),
    "there is no backward pass": (
        "x = torch.from_numpy(a)\nif len(a) > 5:\n    x.sum().backward()\n    print(x.grad)\n",
        ("nothing seen (exit 0)", "no backward pass is made (exit 0)"),
    ),
    "it ends before": (
        "x = torch.from_numpy(a)\nopen('no such file')\nx.sum().backward()\nprint(x.grad)\n",
        (
            "ends earlier: FileNotFoundError: [Errno 2] No such file or directory: 'no such file'",
            "no backward pass is made (exit 1)",
        ),
    ),
    "nobody asks": (
        (
            "x = torch.from_numpy(a)\nv = torch.ones(2, requires_grad=True)\nv.sum().backward()\n"
            "if len(a) > 5:\n    print(x.grad)\n"
        ),
        ("nothing seen (exit 0)", "the run never asks for it at line 9 (exit 0)"),
    ),
}


@pytest.mark.parametrize("name", NOT_RUN)
def test_what_is_not_run_is_not_reached(name: str, programs: Programs, tmp_path: Path) -> None:
    text, said = NOT_RUN[name]
    wrong = Wrong(HEAD + text, "x.grad", ("torch.from_numpy(a)", "append", GRANT))
    verdict = judged(programs, tmp_path, wrong)
    assert (verdict.outcome, (verdict.before, verdict.after)) == (NOT_REACHED, said)


MENDED = {
    "registered, and never moved": (
        MOVED.replace(".float()", ""),
        ("torch.from_numpy(a)", "append", ".clone()"),
        (NOT_REACHED, "its module is not moved (exit 0)"),
    ),
    "registered, and never made": (
        MOVED.replace("Net().float().scale.dtype", "Net"),
        ("torch.from_numpy(a)", "append", ".clone()"),
        (NOT_REACHED, "the run never comes to line 8"),
    ),
}


@pytest.mark.parametrize("name", MENDED)
def test_what_makes_no_leaf(name: str, programs: Programs, tmp_path: Path) -> None:
    text, operation, said = MENDED[name]
    verdict = judged(programs, tmp_path, Wrong(text, "self.scale", operation, rule="FG301"))
    assert (verdict.outcome, verdict.after) == said


COLUMNS = HEAD + (
    "p = torch.from_numpy(np.ones((2, 2)))\nx, t = p[:, 0], p[:, 1]\n"
    "v = torch.ones(2, requires_grad=True)\n"
    "print(torch.autograd.grad((x * t * v).sum(), [x, t], allow_unused=True))\n"
)


@pytest.mark.parametrize(
    ("granted", "said"),
    [
        ("torch.from_numpy(np.ones((2, 2)))", (PROVED, "arrives at line 8")),
        ("p[:, 0]", (REFUTED, "no gradient at line 8, still")),
    ],
)
def test_views_of_what_is_granted(
    granted: str, said: tuple[str, str], programs: Programs, tmp_path: Path
) -> None:
    """They are asked for by `autograd.grad`, and what is granted is not: all of them have to come."""
    demand = "torch.autograd.grad((x * t * v).sum(), [x, t], allow_unused=True)"
    wrong = Wrong(COLUMNS, demand, (granted, "append", GRANT), rule="FG103")
    verdict = judged(programs, tmp_path, wrong)
    assert verdict.outcome == said[0], verdict
    assert said[1] in verdict.after


def test_a_wrong_repair_does_not_hide_a_right_one(programs: Programs, tmp_path: Path) -> None:
    """What is refuted is left out of a second run."""
    text = HEAD + (
        "x = torch.from_numpy(a).float()\nv = torch.ones(2, requires_grad=True)\n"
        "(x * v).sum().backward()\nprint(x.grad)\n"
        "y = torch.from_numpy(a + 1)\n(y * v).sum().backward()\nprint(y.grad)\nprint(x.numpy())\n"
    )
    user = tmp_path / "user"
    user.mkdir()
    (user / "main.py").write_text(text)
    with inside(user):
        source = source_of("main.py")
        right = pipeline.run(Options(diff=True)).repaired[1]
        operation = ("torch.from_numpy(a).float()", "append", GRANT)
        wrong = repair_of(source, "FG101", "torch.from_numpy(a)", "x.grad", operation)
        rounds = rounds_of(programs, user, tmp_path, [source])
        trials = rounds.all([wrong, right], rounds.patch([wrong, right]))
    found = last_word(trials, [wrong, right])
    assert [verdict.outcome for verdict in found] == [REFUTED, PROVED]
    assert "Can't call numpy()" in found[0].after
    assert [trial.repairs for trial in trials][-1] == (right,)


HARM = {
    "only together": (
        "print(x.grad, y.grad)\nif x.requires_grad and y.requires_grad:\n    raise ValueError\n",
        [PROVED, PROVED],
        [["x", "y"], ["x"], ["y"]],
    ),
    "each of them": (
        "print(x.grad, y.grad)\nif x.requires_grad or y.requires_grad:\n    raise ValueError\n",
        [REFUTED, REFUTED],
        [["x", "y"], ["x"], ["y"]],
    ),
    "one of them": (
        "print(x.grad, y.grad)\nif y.requires_grad:\n    raise ValueError\n",
        [PROVED, REFUTED],
        [["x", "y"], ["x"], ["y"], ["x"]],
    ),
}


@pytest.mark.parametrize("name", HARM)
def test_each_is_run_alone(name: str, programs: Programs, tmp_path: Path) -> None:
    """Something got worse in a line that no repair is about."""
    end, outcomes, runs = HARM[name]
    text = HEAD + (
        "x = torch.from_numpy(a)\ny = torch.from_numpy(a + 1)\n"
        "v = torch.ones(2, requires_grad=True)\n(x * y * v).sum().backward()\n"
    )
    trials, found = all_of(text + end, programs, tmp_path, {"x": "a", "y": "a + 1"})
    assert found == outcomes
    assert trials == runs


def test_many_are_not_run_alone(programs: Programs, tmp_path: Path) -> None:
    """More than eight that nobody can tell apart are refuted together."""
    made = {f"x{number}": f"a + {number}" for number in range(9)}
    lines = [f"{name} = torch.from_numpy({text})" for name, text in made.items()]
    product = " * ".join(made)
    end = f"({product}).sum().backward()\nprint({', '.join(f'{name}.grad' for name in made)})\n"
    text = HEAD + "\n".join([*lines, "v = torch.ones(2, requires_grad=True)"]) + "\n"
    wrong = f"{end.replace('x0 *', 'v * x0 *')}if x0.requires_grad:\n    raise ValueError\n"
    trials, found = all_of(text + wrong, programs, tmp_path, made)
    assert (trials, found) == ([list(made)], [REFUTED] * 9)


def all_of(
    text: str, programs: Programs, folder: Path, made: dict[str, str]
) -> tuple[list[list[str]], list[str]]:
    """Return which repairs were run together, by the names they grant, and the last word on each."""
    user = folder / "user"
    user.mkdir()
    (user / "main.py").write_text(text)
    with inside(user):
        source = source_of("main.py")
        names = {}
        for name, array in made.items():
            grant = (f"torch.from_numpy({array})", "append", GRANT)
            names[repair_of(source, "FG101", grant[0], f"{name}.grad", grant)] = name
        rounds = rounds_of(programs, user, folder, [source])
        trials = rounds.all([*names], rounds.patch([*names]))
    found = [verdict.outcome for verdict in last_word(trials, [*names])]
    return [[names[repair] for repair in trial.repairs] for trial in trials], found
