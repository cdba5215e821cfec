"""`fixgrad why` and `fixgrad graph`: what they say of real programs is true of them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fixgrad import cli, pipeline, project
from fixgrad.explain import drawing
from fixgrad.explain.answer import Answer
from fixgrad.explain.chart import Chart, chart
from fixgrad.explain.place import explain
from fixgrad.explain.run import Run, follow
from fixgrad.findings import Refusal, Repair
from fixgrad.flow.ir import Module
from fixgrad.flow.link import Linker, Project
from fixgrad.flow.lower import lower
from fixgrad.pipeline import Options

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "fixtures"

MODEL = """\
import torch


class Trainer:
    def __init__(self, weights, lr):
        self.weights = weights
        self.optimizer = torch.optim.SGD([self.weights], lr=lr)

    def step(self, batch, target):
        loss = torch.nn.functional.mse_loss(batch @ self.weights, target)
        loss.backward()
        self.optimizer.step()
        return loss.item()
"""
MAIN = """\
import numpy as np
import torch
from model import Trainer


def as_tensor(values):
    return torch.from_numpy(values).float()


start = torch.from_numpy(np.zeros(2))
trainer = Trainer(start.float(), 0.1)
batch = as_tensor(np.ones((3, 2)))
target = as_tensor(np.ones(3))
print(trainer.step(batch, target))
"""


def run_on(folder: Path, files: dict[str, str] | None = None) -> Run:
    """Write the files and follow the folder."""
    for name, text in (files or {}).items():
        (folder / name).write_text(text)
    sources, problems = project.read_all(project.find_files((str(folder),)))
    assert problems == []
    return follow(sources)


def line_of(run: Run, name: str, part: str) -> tuple[str, int]:
    """Return the file of a name and the line that holds a part."""
    path = next(path for path in run.sources if path.endswith(name))
    lines = run.sources[path].lines()
    return path, next(n for n, line in enumerate(lines, 1) if part in line)


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


FILES = {"main.py": MAIN, "model.py": MODEL}


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


HEAD = "import numpy as np\nimport torch\n"
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


class TestLeftAlone:
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

    def test_nothing_asks(self, tmp_path: Path) -> None:
        text = "x = torch.from_numpy(np.ones(2))  # HERE\nprint(x)\n"
        answer = one(run_on(tmp_path, {"main.py": HEAD + text}), "main.py", "# HERE")
        assert answer.headline == "left alone: nothing that can reach this line asks for a gradient"
        assert [end.kind for end in answer.ends] == ["shown"]


class TestOtherVerdicts:
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
                "def g():\n    class A:\n        def f(self):\n            return torch.from_numpy(a).grad\n",
                "nothing that is followed calls `g.A.f`",
            ),
        ],
    )
    def test_not_followed(self, tmp_path: Path, text: str, why: str) -> None:
        answer = one(run_on(tmp_path, {"main.py": HEAD + text}), "main.py", "from_numpy")
        assert answer.verdict == "not followed"
        assert why in answer.headline

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
        place = outcome.finding.trace[0].span if outcome.finding.trace else outcome.finding.span
        found = explain(run, place.path, place.line, place.column)
        verdict = "refused" if isinstance(outcome, Refusal) else "repaired"
        told = [answer.outcome for answer in found if answer.verdict == verdict]
        if run.graph.born and any(answer.verdict != "no conversion" for answer in found):
            assert outcome in told


def command(arguments: Sequence[str], capfd: pytest.CaptureFixture[str]) -> str:
    """Run a command line that succeeds; return what it prints."""
    assert cli.run(arguments) == 0
    return capfd.readouterr().out


class TestCommandLine:
    @pytest.fixture(autouse=True)
    def _there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("main.py").write_text(MAIN)
        Path("model.py").write_text(MODEL)

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of libcst, where it is loaded first
    def test_text(self, capfd: pytest.CaptureFixture[str]) -> None:
        shown = command(["why", "main.py:10"], capfd)
        assert shown.startswith(
            "main.py:10:9 torch.from_numpy(np.zeros(2))\n  repaired because of FG102"
        )
        assert "     trainer = Trainer(start.float(), 0.1)\n               ^^^^" in shown
        assert "  5. model.py:7:42 demanded here: it is given to an optimizer" in shown
        assert "+trainer = Trainer(start.float().requires_grad_(), 0.1)" in shown

    def test_only_what_is_named_is_read(self, capfd: pytest.CaptureFixture[str]) -> None:
        Path("deep").mkdir()
        assert "left alone" in command(["why", "main.py:10", "deep"], capfd)
        assert "repaired" in command(["why", "main.py:10", "model.py"], capfd)

    def test_json(self, capfd: pytest.CaptureFixture[str]) -> None:
        (row,) = json.loads(command(["why", "main.py:10:9", "--output-format", "json"], capfd))
        assert (row["verdict"], row["code"], row["applicability"]) == ("repaired", "FG102", "safe")
        assert row["location"] == {"row": 10, "column": 9}
        assert [stage["effect"] for stage in row["path"]][-1] == "demand"
        (row,) = json.loads(command(["why", "main.py:7", "--output-format", "json"], capfd))
        assert row["verdict"] == "left alone"
        assert {end["kind"] for end in row["ends"]} >= {"label"}

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["why", "main.py"], "give a place as FILE:LINE"),
            (["why", "main.py:0"], "give a place as FILE:LINE"),
            (["why", "gone.py:3"], "no such file"),
            (["why", "main.py:99"], "there is no line 99, only 14"),
            (["why", "main.py:10:300"], "there is no column 300"),
            (["graph", "main.py:as_tensr"], "did you mean as_tensor?"),
            (["graph", "gone.py"], "no such file"),
        ],
    )
    def test_errors(
        self, arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.run(arguments) == 2
        assert said in capfd.readouterr().err

    def test_broken_file(self, capfd: pytest.CaptureFixture[str]) -> None:
        Path("bad.py").write_text("import torch\nx = (\n")
        assert cli.run(["why", "bad.py:2"]) == 2
        assert "bad.py:2" in capfd.readouterr().err
        assert "repaired" in command(["why", "main.py:10"], capfd)

    def test_without_torch(self, capfd: pytest.CaptureFixture[str]) -> None:
        Path("bare").mkdir()
        Path("bare/a.py").write_text("x = 1\n")
        Path("main.py").unlink()
        Path("model.py").unlink()
        assert "no conversion stands here" in command(["why", "bare/a.py:1"], capfd)
        assert "0 nodes, 0 edges" in command(["graph", "bare/a.py"], capfd)

    def test_notebook(self, capfd: pytest.CaptureFixture[str]) -> None:
        cells = [
            {"cell_type": "markdown", "metadata": {}, "source": ["text"]},
            {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None,
             "source": ["%matplotlib inline\n", "import numpy as np\n", "import torch"]},
            {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None,
             "source": ["x = torch.from_numpy(np.ones(2))\n", "x.sum().backward()\n", "x.grad.sum()"]},
        ]  # fmt: skip
        book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        Path("book.ipynb").write_text(json.dumps(book, indent=1) + "\n")
        shown = command(["why", "book.ipynb:cell 3:1"], capfd)
        assert shown.startswith("book.ipynb:cell 3:1:5 torch.from_numpy(np.ones(2))\n  repaired")
        assert "  2. book.ipynb:cell 3:3:1 demanded here" in shown
        assert "  cell 3:1:5 torch.from_numpy" in command(["graph", "book.ipynb"], capfd)
        assert cli.run(["why", "book.ipynb:1"]) == 2
        assert "FILE:cell NUMBER:LINE" in capfd.readouterr().err

    def test_a_file_may_be_called_why(self, capfd: pytest.CaptureFixture[str]) -> None:
        Path("why").mkdir()
        assert cli.run(["./why"]) == 0


class TestGraph:
    def drawn(self, folder: Path) -> Chart:
        run = run_on(folder, FILES)
        path, _ = line_of(run, "main.py", "")
        return chart(run, path, "")

    def test_nodes_and_edges(self, tmp_path: Path) -> None:
        found = self.drawn(tmp_path)
        texts = {node.text: node for node in found.nodes}
        start = texts["torch.from_numpy(np.zeros(2))"]
        assert (start.kind, start.facts, start.inside) == (
            "conversion",
            ("not tracked", "float64"),
            True,
        )
        weights = texts["start.float()"]
        assert [mark.what for mark in weights.marks if mark.demand] == [
            "it is given to an optimizer"
        ]
        assert not texts["batch @ self.weights"].inside
        numbers = {node.text: number for number, node in enumerate(found.nodes)}
        assert (numbers[start.text], numbers[weights.text], "carries") in found.edges

    def test_one_function(self, tmp_path: Path) -> None:
        run = run_on(tmp_path, FILES)
        path, _ = line_of(run, "model.py", "")
        found = chart(run, path, "step")
        inside = [node.text for node in found.nodes if node.inside]
        assert inside == [
            "torch.nn.functional.mse_loss(batch @ self.weights, target)",
            "batch @ self.weights",
        ]
        assert len([node for node in found.nodes if not node.inside]) == 2

    def test_cut_edges_are_red(self, tmp_path: Path) -> None:
        text = f"{HEAD}x = torch.from_numpy(np.ones(2))\ny = x.detach() * 2\nprint(y, x.grad)\n"
        run = run_on(tmp_path, {"main.py": text})
        found = chart(run, next(iter(run.sources)), "")
        assert "cut" in [edge.effect for edge in found.edges]
        assert re.search(r"n\d -> n\d \[color=red", drawing.draw(found, "dot", colour=False))
        assert "\x1b[31mcut\x1b[0m ->" in drawing.draw(found, "text", colour=True)
        mermaid = drawing.draw(found, "mermaid", colour=False)
        assert "--x|cut|" in mermaid
        assert "linkStyle 0 stroke:red" in mermaid

    def test_text_names_what_it_shows(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.drawn(tmp_path)
        monkeypatch.chdir(tmp_path)
        shown = command(["graph", "main.py"], capfd)
        assert "  10:9 torch.from_numpy(np.zeros(2))  (conversion, not tracked, float64)\n" in shown
        assert "       demand: it is given to an optimizer at model.py:7:42\n" in shown
        assert "       carries -> 11:19 start.float()\n" in shown

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the parser
    @pytest.mark.parametrize("name", ['odd "name"\\', "two\nlines"])
    def test_dot_is_read_by_a_parser(self, tmp_path: Path, name: str) -> None:
        pydot = pytest.importorskip("pydot", reason="no parser of dot is installed")
        found = self.drawn(tmp_path)._replace(title=name)
        (parsed,) = pydot.graph_from_dot_data(drawing.draw(found, "dot", colour=False))
        nodes = [node for node in parsed.get_nodes() if re.fullmatch(r"n\d+", node.get_name())]
        assert len(nodes) == len(found.nodes)
        assert len(parsed.get_edges()) == len(found.edges)
        red = [edge for edge in parsed.get_edges() if edge.get("color") == "red"]
        assert len(red) == sum(edge.effect == "cut" for edge in found.edges)


def test_the_answers_agree_with_the_report(tmp_path: Path) -> None:
    """What is repaired according to `why` is what `--fix --unsafe-fixes` repairs."""
    run = run_on(tmp_path, FILES)
    outcome = pipeline.run(Options((str(tmp_path),), diff=True, unsafe=True))
    told: list[Any] = [
        answer.outcome
        for path, source in run.sources.items()
        for line in range(1, len(source.lines()) + 1)
        for answer in explain(run, path, line, None)
        if isinstance(answer.outcome, Repair)
    ]
    assert [repair.finding for repair in told] == [r.finding for r in outcome.repaired]
