"""`fixgrad why` and `fixgrad graph`: what they say of real programs is true of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixgrad.explain.answer import Answer
from fixgrad.explain.place import explain
from fixgrad.explain.run import Run
from fixgrad.findings import Refusal, Repair
from fixgrad.flow.ir import Module
from fixgrad.flow.link import Linker
from fixgrad.flow.lower import lower
from fixgrad.flow.project import Project
from tests.explained import FILES, HEAD, MAIN, line_of, run_on

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "fixtures"


def ask(run: Run, name: str, part: str) -> list[Answer]:
    """Answer for the line that holds a part."""
    return explain(run, *line_of(run, name, part), None)


def one(run: Run, name: str, part: str) -> Answer:
    """Return the only answer for a line."""
    (answer,) = ask(run, name, part)
    return answer


def effects(answer: Answer) -> list[str]:
    return [stage.effect for stage in answer.stages]


def lines(answer: Answer) -> list[tuple[str, int]]:
    return [(Path(stage.span.path).name, stage.span.line) for stage in answer.stages]


class TestAcrossFiles:
    def test_repaired_with_every_step(self, tmp_path: Path) -> None:
        answer = one(run_on(tmp_path, FILES), "main.py", "start = ")
        assert answer.verdict == "repaired"
        assert "FG102" in answer.headline
        assert effects(answer) == ["made", "carries", "call", "kept", "demand"]
        assert lines(answer) == [
            ("main.py", 10), ("main.py", 11), ("main.py", 11), ("model.py", 6), ("model.py", 7)
        ]  # fmt: skip
        assert "torch.optim.SGD" in answer.stages[-1].what
        assert "passed into `Trainer`" in answer.stages[2].what

    def test_helper_called_for_data_alone(self, tmp_path: Path) -> None:
        answer = one(run_on(tmp_path, FILES), "main.py", "from_numpy(values)")
        assert answer.verdict == "left alone"
        assert any("2 chains of calls" in note for note in answer.notes)
        said = {end.kind: end for end in answer.ends}
        assert "given to the loss" in said["label"].what
        assert said["label"].what.endswith("as its target")
        assert Path(said["label"].span.path).name == "model.py"
        assert "made" in effects(answer)
        assert "differentiates `start`, once that is repaired" in answer.headline
        assert "returned by `as_tensor`" in [s.what for s in answer.stages if s.effect == "call"]

    def test_line_of_a_demand_points_back(self, tmp_path: Path) -> None:
        answer = one(run_on(tmp_path, FILES), "model.py", "torch.optim.SGD")
        assert answer.verdict == "no conversion"
        assert "a demand: it is given to an optimizer" in answer.headline
        assert [(s.what, *lines(answer)[n]) for n, s in enumerate(answer.stages)] == [
            ("torch.from_numpy (repaired)", "main.py", 10)
        ]

    def test_without_the_other_file_it_is_handed_away(self, tmp_path: Path) -> None:
        answer = one(run_on(tmp_path, {"main.py": MAIN}), "main.py", "start = ")
        assert answer.verdict == "left alone"
        assert answer.ends[0].kind == "unknown"
        assert "`model.Trainer`" in answer.ends[0].what


ENDS = {
    "returned": (
        "def load(a):\n    return torch.from_numpy(a)  # HERE\n",
        "returned by `load`, which nothing in these files calls",
    ),
    "input": (
        (
            "net = torch.nn.Linear(2, 1)\nx = torch.from_numpy(np.ones((1, 2), 'f'))  # HERE\n"
            "net(x).sum().backward()\n"
        ),
        "given to the module `net` (torch.nn.Linear) as its input",
    ),
    "label": (
        (
            "net = torch.nn.Linear(2, 1)\ny = torch.from_numpy(np.ones((1, 1), 'f'))  # HERE\n"
            "loss = torch.nn.MSELoss()(net(torch.ones(1, 2)), y)\nloss.backward()\n"
        ),
        "as its target",
    ),
    "attribute": (
        (
            "class Box:\n    pass\nbox = Box()\nbox.data_ = torch.from_numpy(np.ones(2))  # HERE\n"
            "w = torch.ones(2, requires_grad=True)\nw.sum().backward()\n"
        ),
        "kept as `box.data_`; no code that is followed reads it",
    ),
    "values": (
        (
            "x = torch.from_numpy(np.ones(2))  # HERE\nprint(x.sum().item())\n"
            "w = torch.ones(2, requires_grad=True)\nw.sum().backward()\n"
        ),
        "its values leave as a number: `.item()`",
    ),
    "unknown": (
        (
            "import somewhere\nx = torch.from_numpy(np.ones(2))  # HERE\nsomewhere.keep(0, x)\n"
            "w = torch.ones(2, requires_grad=True)\nw.sum().backward()\n"
        ),
        "handed to `somewhere.keep` as second argument: library code that is not known",
    ),
    "unused": (
        (
            "x = torch.from_numpy(np.ones(2))  # HERE\nw = torch.ones(2, requires_grad=True)\n"
            "w.sum().backward()\n"
        ),
        "not used any further",
    ),
}

LAST = "w = torch.ones(2, requires_grad=True)\nw.sum().backward()\n"
# What a program does with `x`, a tensor made of an array, and what is said of that.
USES = [
    ("values = {}\nvalues[x] = 1", "tested", "used as an index"),
    ("y = torch.zeros(3)[x.long()]", "tested", "used as an index"),
    ("print(f'{x}')", "shown", "shown as text"),
    ("if x.sum() > 0:\n    print(1)", "tested", "tested or compared"),
    ("p = torch.ones(2)\np.grad = x", "values", "becomes `p.grad`: a gradient set by hand"),
    ("p = torch.ones(2)\np.data = x", "values", "its values are written into `p.data`"),
    ("p = torch.ones(2)\np.equal(x)", "values", "read by `p.equal`"),
    ("x.numpy()", "values", "its values leave as an array: `.numpy()`"),
    ("x.tolist()", "values", "its values leave as a list: `.tolist()`"),
    ("float(x[0])", "values", "its value leaves as a number: `float()`"),
    ("np.sum(x)", "values", "its values are taken by `numpy.sum`"),
    ("','.join(x)", "values", "read by `','.join`"),
    ("x.frobnicate()", "unknown", "`.frobnicate()`, a method that fixgrad does not know, takes it"),
    (
        "net = torch.nn.Module()\nnet.register_buffer('mean', x)",
        "input",
        "registered as a buffer of a module: data that it carries with it",
    ),
    ("a = []\na.append(x)", "kept", "kept in a container: `a.append`"),
    ("a = {}\na.update({'x': x})", "kept", "kept in a container: `a.update`"),
    (
        "p = torch.ones(2, requires_grad=True)\n(p * 2).backward(x)",
        "input",
        "given to `(p * 2).backward` as the gradient to begin with",
    ),
    (
        "p = torch.ones(2, requires_grad=True)\ntorch.autograd.grad(p * 2, p, grad_outputs=x)",
        "input",
        "given to `torch.autograd.grad` as `grad_outputs`: it is not what is differentiated there",
    ),
    (
        "torch.autograd.functional.jacobian(torch.sin, x)",
        "input",
        (
            "given to `torch.autograd.functional.jacobian` as second argument, which tracks what it"
            " differentiates itself"
        ),
    ),
    (
        "p = torch.ones(2)\np.mixed_with_(x)",
        "values",
        "its values are written into another tensor: `p.mixed_with_`",
    ),
    (
        "".join(f"def f{n}(t):\n    f{n + 1}(t)\n" for n in range(13))
        + "def f13(t):\n    print(t.grad)\nf0(x)",
        "unfollowed",
        "`f12` is not followed from here: the chain of calls is too long",
    ),
    (
        "import somewhere\nfs = somewhere.fs\nfs[0](x)",
        "unknown",
        "handed to `fs[0]` as first argument: unknown code",
    ),
    (
        "def f(n, x):\n    return f(n, x)\nf(1, x)",
        "unfollowed",
        "`f` is not followed from here: nothing in it bears on a gradient, or it calls itself",
    ),
    (
        "def f(*a):\n    return f(*a)\nf(x)",
        "unfollowed",
        (
            "`f` is not followed from here (inside what is passed): nothing in it bears on a"
            " gradient, or it calls itself"
        ),
    ),
    (
        "torch.nn.MarginRankingLoss()(w, x, w)",
        "label",
        "given to the loss `torch.nn.MarginRankingLoss()` as its second argument",
    ),
    *(
        (
            f"import somewhere\nsomewhere.keep({arguments})",
            "unknown",
            f"handed to `somewhere.keep`{held} as {position}: library code that is not known",
        )
        for arguments, held, position in [
            ("x=x", "", "`x`"),
            ("1, 2, 3, 4, 5, x", "", "argument 6"),
            ("[x]", " (inside what is passed)", "first argument"),
            ("0, *[x]", " (inside what is passed)", "one of its `*` arguments"),
            ("**{'a': x}", " (inside what is passed)", "one of its `**` arguments"),
        ]
    ),
]
# What a function does with a tensor that it makes, where fixgrad does not follow its callers.
MADE_IN_A_FUNCTION = [
    (
        "def fit(model):\n    model.keep(torch.from_numpy(np.ones(2)))",
        "unknown",
        (
            "handed to `model.keep` as first argument: unknown code, since nothing says what the"
            " parameter `model` is"
        ),
    ),
    (
        "def load():\n    yield torch.from_numpy(np.ones(2))",
        "returned",
        "yielded by `load`, which nothing in these files calls",
    ),
    (
        "handlers = {'load': object().load}\ndef load():\n    return torch.from_numpy(np.ones(2))",
        "returned",
        "returned by `load`, to callers that are not followed",
    ),
    (
        (
            "def run():\n    import somewhere\n    somewhere.run(load)\n"
            "def load(a):\n    return torch.from_numpy(a)"
        ),
        "returned",
        "returned to `somewhere.run`, which calls `load` back",
    ),
]
# What becomes of `x`, and what is said of it; `x` is made in line 3.
P = "p = torch.ones(2, requires_grad=True)\n"
X = "x = torch.from_numpy(np.ones(2))\n"
CLONES = "".join(f"{name} = p.clone().detach().requires_grad_()\n" for name in "abc")
PASS = "left alone: nobody asks for its gradient; "
HEADLINES = [
    (
        f"{X}optimizer = torch.optim.SGD([x], lr=0.1)\nx.grad = torch.ones(2)\noptimizer.step()",
        "left alone: the program sets its `.grad` by hand before line 4",
    ),
    (
        f"{X}{P}(x * p).sum().backward()\nif x.grad is not None:\n    print(x.grad)",
        "left alone: the gradient read at line 7 is tested for, or expected to be none",
    ),
    (
        "x = torch.tensor(np.ones(2), requires_grad=len(np.ones(2)) > 1)\nprint(x.grad)",
        "left alone: it may be tracked already, on some path or by a flag",
    ),
    (
        f"{X}x.copy_(torch.ones(2, requires_grad=np.random.rand() > 0.5))\nprint(x.grad)",
        "left alone: what is written into it at line 4 may be tracked",
    ),
    (f"{X}{P}x += p\nprint(x.grad)", "left alone: at line 6 it is, or may be, tracked already"),
    (
        f"{X}{P}y = x * p\ny.retain_grad()\ny.sum().backward()\nprint(y.grad)",
        "left alone: at line 6 what is computed from it is, or may be, tracked already",
    ),
    (
        f"{X}if np.random.rand() > 0.5:\n    x.requires_grad_()\nprint(x.grad)",
        "already tracked: it is granted its gradient at line 5",
    ),
    (
        f"{X}y = (x * 2).requires_grad_()\ny.sum().backward()",
        "already tracked: what is computed from it is granted its gradient at line 4",
    ),
    (
        "x = torch.nn.Parameter(torch.from_numpy(np.ones(2)))\nx.sum().backward()",
        "already tracked: it becomes a parameter at line 3",
    ),
    (
        f"{X}y = torch.tensor(x.numpy(), requires_grad=True)\ny.sum().backward()",
        "left alone: the program makes a tracked tensor of its values itself, at line 4",
    ),
    (
        f"{X}{P}(p * x.long()).sum().backward()",
        (
            f"{PASS}on its way to the backward pass at line 5 it becomes a tensor of int64 at line 5,"
            " which carries no gradient"
        ),
    ),
    (
        "x = torch.from_numpy(np.array([1, 2]))\n" + f"{P}(p * x.view(2)).sum().backward()",
        (
            f"{PASS}on its way to the backward pass at line 5 it holds int64, and integers carry no"
            " gradient"
        ),
    ),
    (
        f"{X}import somewhere\nsomewhere.mix(x).sum().backward()",
        (
            f"{PASS}the backward pass at line 5 starts from what unknown code made of it and"
            " differentiates what unknown code may have tracked"
        ),
    ),
    (
        f"{X}{P}{CLONES}(p * a * b * c * x).sum().backward()",
        f"{PASS}the backward pass at line 8 runs through it and differentiates `c`, `b` and 2 more",
    ),
    (
        f"{X}torch.nn.Linear(2, 2)(x.float()).sum().backward()",
        (
            f"{PASS}the backward pass at line 4 runs through it and differentiates the parameters of"
            " `torch.nn.Linear`"
        ),
    ),
    (
        f"{X}y = torch.from_numpy(np.ones(2))\n(y * x).sum().backward()\nprint(y.grad)",
        (
            f"{PASS}the backward pass at line 5 runs through it and differentiates `y`, once that is"
            " repaired"
        ),
    ),
]
# What is looked at, and goes nowhere with that.
QUIET = [
    "class Box:\n    pass\nbox = Box()\nbox.kept = x\nbox.kept",
    "len(x)",
    "isinstance(x, torch.Tensor)",
    "a = {}\na.setdefault('x', x)",
    "box = lambda: x\nbox()",
]


class TestLeftAlone:
    @pytest.mark.parametrize(("text", "kind", "what"), USES, ids=[use[0] for use in USES])
    def test_what_is_done_with_it(self, tmp_path: Path, text: str, kind: str, what: str) -> None:
        made = "x = torch.from_numpy(np.ones(2))  # HERE\n"
        run = run_on(tmp_path, {"main.py": f"{HEAD}{LAST}{made}{text}\n"})
        answer = one(run, "main.py", "# HERE")
        assert answer.verdict == "left alone"
        assert (kind, what) in [(end.kind, end.what) for end in answer.ends]

    @pytest.mark.parametrize(("text", "kind", "what"), MADE_IN_A_FUNCTION)
    def test_made_in_a_function(self, tmp_path: Path, text: str, kind: str, what: str) -> None:
        answer = one(run_on(tmp_path, {"main.py": f"{HEAD}{text}  # HERE\n"}), "main.py", "# HERE")
        assert [(end.kind, end.what) for end in answer.ends] == [(kind, what)]

    @pytest.mark.parametrize(("text", "headline"), HEADLINES)
    def test_why(self, tmp_path: Path, text: str, headline: str) -> None:
        run = run_on(tmp_path, {"main.py": f"{HEAD}{text}\n"})
        found = explain(run, next(iter(run.sources)), 3, None)
        assert headline in [answer.headline for answer in found]

    @pytest.mark.parametrize("text", QUIET)
    def test_what_only_looks_is_no_end(self, tmp_path: Path, text: str) -> None:
        made = "x = torch.from_numpy(np.ones(2))  # HERE\n"
        run = run_on(tmp_path, {"main.py": f"{HEAD}{LAST}{made}{text}\n"})
        assert one(run, "main.py", "# HERE").ends == ()

    @pytest.mark.parametrize("kind", ENDS)
    def test_where_it_goes(self, tmp_path: Path, kind: str) -> None:
        text, what = ENDS[kind]
        answer = one(run_on(tmp_path, {"main.py": HEAD + text}), "main.py", "# HERE")
        assert answer.verdict == "left alone"
        said = {end.kind: end.what for end in answer.ends}
        assert what in said[kind]

    def test_the_backward_pass_wants_others(self, tmp_path: Path) -> None:
        text = (
            "w = torch.ones(2, requires_grad=True)\nx = torch.from_numpy(np.ones(2))  # HERE\n"
            "loss = (w * x).sum()\nloss.backward()\n"
        )
        answer = one(run_on(tmp_path, {"main.py": HEAD + text}), "main.py", "# HERE")
        assert (
            "the backward pass at line 6 runs through it and differentiates `w`" in answer.headline
        )
        assert effects(answer) == ["made", "carries", "carries", "backward"]

    def test_where_it_is_cut(self, tmp_path: Path) -> None:
        text = (
            "w = torch.ones(2, requires_grad=True)\nx = torch.from_numpy(np.ones(2))  # HERE\n"
            "y = x.detach()\n(w * y).sum().backward()\n"
        )
        answer = one(run_on(tmp_path, {"main.py": HEAD + text}), "main.py", "# HERE")
        assert "its gradient is cut by `torch.Tensor.detach` at line 5" in answer.headline
        assert effects(answer)[:2] == ["made", "cut"]

    def test_assumed_edges_are_named(self, tmp_path: Path) -> None:
        text = (
            "import somewhere\nw = torch.ones(2, requires_grad=True)\n"
            "x = torch.from_numpy(np.ones(2))  # HERE\n"
            "y = somewhere.mix(x)\n(w * y).sum().backward()\n"
        )
        answer = one(run_on(tmp_path, {"main.py": HEAD + text}), "main.py", "# HERE")
        assert "starts from what unknown code made of it" in answer.headline
        assert "assumed" in effects(answer)

    def test_stated_and_silenced(self, tmp_path: Path) -> None:
        text = (
            "a = torch.tensor(np.ones(2), requires_grad=False)  # ONE\n"
            "b = torch.tensor(np.ones(2))  # fixgrad: ignore[FG102] TWO\n"
            "torch.optim.SGD([a, b], lr=0.1)\n"
        )
        run = run_on(tmp_path, {"main.py": HEAD + text})
        assert any("requires_grad=False" in note for note in one(run, "main.py", "ONE").notes)
        assert "a comment here silences FG102" in one(run, "main.py", "TWO").headline

    def test_made_of_sizes(self, tmp_path: Path) -> None:
        text = f"{HEAD}x = torch.Tensor(len(np.ones(2)), 3)\nx.fill_(2)\nprint(x.grad)\n"
        answer = one(run_on(tmp_path, {"main.py": text}), "main.py", "torch.Tensor")
        assert answer.verdict == "left alone"
        said = "it is made of sizes, not of data: fixgrad looks at what is made of data"
        assert answer.notes == (said,)

    def test_written_into_what_torch_makes(self, tmp_path: Path) -> None:
        """And the way there leads over the tensor that it is written into."""
        text = f"{HEAD}{X}y = torch.zeros(2)\ny += x\ny.sum().backward()\nprint(y.grad)\n"
        answer = one(run_on(tmp_path, {"main.py": text}), "main.py", "from_numpy")
        assert answer.verdict == "repaired"
        assert answer.stages[1].what == "written into a tensor that torch makes here"
        assert lines(answer) == [("main.py", 3), ("main.py", 4), ("main.py", 7)]

    def test_a_lambda_that_nothing_calls(self, tmp_path: Path) -> None:
        text = f"{HEAD}f = lambda a: torch.from_numpy(a)\n"
        answer = one(run_on(tmp_path, {"main.py": text}), "main.py", "from_numpy")
        assert (answer.verdict, answer.ends) == ("left alone", ())

    def test_a_decorator_that_is_not_known(self, tmp_path: Path) -> None:
        text = (
            f"{HEAD}import somewhere\n@somewhere.kept\ndef f(a):\n    return torch.from_numpy(a)\n"
        )
        answer = one(run_on(tmp_path, {"main.py": text}), "main.py", "from_numpy")
        assert [end.what for end in answer.ends] == [
            "returned to its decorator, which calls `f` back"
        ]

    def test_nothing_asks(self, tmp_path: Path) -> None:
        text = "x = torch.from_numpy(np.ones(2))  # HERE\nprint(x)\n"
        answer = one(run_on(tmp_path, {"main.py": HEAD + text}), "main.py", "# HERE")
        assert answer.headline == "left alone: nothing that can reach this line asks for a gradient"
        assert [end.kind for end in answer.ends] == ["shown"]


class TestOtherVerdicts:
    def test_a_broken_use_is_not_the_conversions_fault(self, tmp_path: Path) -> None:
        text = "x = torch.tensor(np.ones(2), requires_grad=True)  # HERE\nprint(x.sqrt().numpy())\n"
        run = run_on(tmp_path, {"main.py": HEAD + text})
        assert [r.finding.rule for r in run.analysis.repairs] == ["FG208"]
        assert one(run, "main.py", "# HERE").verdict == "tracked"

    @pytest.mark.parametrize(
        "line",
        [
            "x = torch.tensor(np.ones(2), requires_grad=True)",
            "x = torch.from_numpy(np.ones(2)).requires_grad_()",
            "x = torch.autograd.Variable(torch.from_numpy(np.ones(2)), requires_grad=True)",
            "x = torch.nn.Parameter(torch.from_numpy(np.ones(2)))",
        ],
    )
    def test_tracked(self, tmp_path: Path, line: str) -> None:
        text = f"{HEAD}{line}\nx.sum().backward()\nprint(x.grad)\n"
        found = ask(run_on(tmp_path, {"main.py": text}), "main.py", line)
        assert {answer.verdict for answer in found} == {"tracked"}

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("def f():\n    return 1\n    torch.from_numpy(np.ones(2)).grad\n", "no call of `f`"),
            ("if False:\n    x = torch.from_numpy(np.ones(2)).grad\n", "no path through the body"),
            (
                "def g():\n    def f():\n        return torch.from_numpy(np.ones(2)).grad\n",
                "nothing that is followed calls `g.f`",
            ),
        ],
    )
    def test_not_followed(self, tmp_path: Path, text: str, why: str) -> None:
        answer = one(run_on(tmp_path, {"main.py": HEAD + text}), "main.py", "from_numpy")
        assert answer.verdict == "not followed"
        assert why in answer.headline

    def test_too_large(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a function does behind the end of its budget is not looked at."""
        monkeypatch.setattr("fixgrad.flow.budgets.BUDGET", 20)
        monkeypatch.setattr("fixgrad.flow.budgets.RESERVE", 0)
        monkeypatch.setattr("fixgrad.flow.budgets.PLENTY", 0)
        text = (
            "def step(n):\n    return n + 1\n\ndef late(x):\n    return x * 2\n\n"
            "def fit(a, keep):\n    w = torch.ones(2, requires_grad=True)\n    w.sum().backward()\n"
            "    x = torch.from_numpy(a)\n    step(1)\n    step(2)\n    step(3)\n    late(x)\n"
            "    keep.much(x)\n"
        )
        run = run_on(tmp_path, {"main.py": HEAD + text})
        answer = one(run, "main.py", "from_numpy")
        assert (answer.verdict, "`keep.much`" in answer.ends[0].what) == ("left alone", True)
        said = "`late` is not followed from here: the budget of operations is used up"
        assert answer.ends[1].what == said

    def test_refused(self) -> None:
        run = run_on(FIXTURES / "refuse/net_backward_of_several_candidates")
        path, line = next(
            (path, n)
            for path, source in run.sources.items()
            for n, text in enumerate(source.lines(), 1)
            if "# refuse: FG901" in text
        )
        (answer,) = explain(run, path, line, None)
        assert answer.verdict == "refused"
        assert answer.headline.startswith("refused with FG901: ")
        assert any("fixgrad rule FG901" in note for note in answer.notes)

    def test_nothing_there(self, tmp_path: Path) -> None:
        run = run_on(tmp_path, {"main.py": f"{HEAD}print(1)\n"})
        assert one(run, "main.py", "print").verdict == "no conversion"

    def test_a_column_chooses(self, tmp_path: Path) -> None:
        text = f"{HEAD}x = torch.from_numpy(np.ones(2)) + torch.tensor([1.0, 2.0])\nx.grad\n"
        run = run_on(tmp_path, {"main.py": text})
        (path,) = run.sources
        assert len(explain(run, path, 3, None)) == 2
        (answer,) = explain(run, path, 3, text.splitlines()[2].index("torch.tensor") + 3)
        assert run.text_of(answer.span) == "torch.tensor([1.0, 2.0])"


CASES = sorted(FIXTURES.glob("*/*/case.toml"))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES[::8], ids=lambda case: case.parent.name)
def test_every_finding_is_explained(case: Path) -> None:
    """Each finding is told at its own place, and watching a run does not change what it finds."""
    folder = case.parent / "before" if (case.parent / "before").is_dir() else case.parent
    run = run_on(folder)
    modules = [lower(source) for source in run.sources.values()]
    plain = Linker(Project([m for m in modules if isinstance(m, Module)])).run()
    assert sorted(map(repr, plain.made)) == sorted(map(repr, run.graph.made))
    assert sorted(map(repr, plain.uses)) == sorted(map(repr, run.graph.uses))
    outcomes: list[Repair | Refusal] = [*run.analysis.repairs, *run.analysis.refusals]
    for outcome in outcomes:
        place = outcome.finding.trace[0].span
        if outcome.finding.trace[-1].effect == "wrong":
            place = outcome.finding.span
        found = explain(run, place.path, place.line, place.column)
        verdict = "refused" if isinstance(outcome, Refusal) else "repaired"
        told = [answer.outcome for answer in found if answer.verdict == verdict]
        if run.graph.born and any(answer.verdict != "no conversion" for answer in found):
            assert outcome in told
