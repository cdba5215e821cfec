"""`why` and `graph` on the command line, and the chart that `graph` draws."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fixgrad import cli, pipeline
from fixgrad.explain import drawing, question, text
from fixgrad.explain.chart import Chart, chart
from fixgrad.explain.place import explain
from fixgrad.explain.run import follow
from fixgrad.findings import Repair
from fixgrad.pipeline import Options
from tests.explained import FILES, HEAD, MAIN, MODEL, line_of, run_on


def command(arguments: Sequence[str], capfd: pytest.CaptureFixture[str]) -> str:
    """Run a command line that succeeds; return what it prints."""
    assert cli.run(arguments) == 0
    return capfd.readouterr().out


def test_a_comment_that_says_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    program = "x = torch.from_numpy(np.ones(2)){}\nw = torch.ones(2, requires_grad=True)\n"
    used = "(x * w).sum().backward()\nprint(w.grad)\n"
    note = "  note: a comment says that it is data, and is taken at its word\n"
    for comment in ("", "  # fixgrad: data"):
        Path("main.py").write_text(HEAD + program.format(comment) + used)
        assert (note in command(["why", "main.py:3"], capfd)) == bool(comment)


class TestCommandLine:
    @pytest.fixture(autouse=True)
    def _there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("main.py").write_text(MAIN)
        Path("model.py").write_text(MODEL)
        Path("folder").mkdir()

    def test_refused(self, capfd: pytest.CaptureFixture[str]) -> None:
        Path("cut.py").write_text(f"{HEAD}z = torch.from_numpy(np.ones(2))\nprint(z.grad)\n")
        asked = ["why", "cut.py:3", "--output-format", "json"]
        (row,) = json.loads(command(asked, capfd))
        assert (row["verdict"], row["code"], row["applicability"]) == ("refused", "FG101", None)
        assert row["refusal"]["code"] == "FG905"
        assert "no backward pass reaches" in row["refusal"]["reason"]

    def test_other_files_with_a_problem_are_named(self, capfd: pytest.CaptureFixture[str]) -> None:
        Path("odd.py").write_bytes(b"import torch\nx = '\xff'\n")
        for arguments in (["why", "main.py:10"], ["graph", "main.py"]):
            assert cli.run(arguments) == 0
            assert "odd.py:2" in capfd.readouterr().err
            assert cli.run([arguments[0], arguments[1].replace("main", "odd")]) == 2
            assert "odd.py:2" in capfd.readouterr().err

    def test_not_every_end_is_told(self, capfd: pytest.CaptureFixture[str]) -> None:
        uses = "".join(f"print(x[{n}].item())\n" for n in range(40))
        Path("many.py").write_text(
            f"{HEAD}x = torch.from_numpy(np.ones(40))\n{uses}"
            "w = torch.ones(2, requires_grad=True)\nw.sum().backward()\n"
        )
        shown = command(["why", "many.py:3"], capfd)
        told = shown.count("its values leave as a number")
        assert f"   - and {40 - told} more\n" in shown

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of libcst, where it is loaded first
    def test_text(self, capfd: pytest.CaptureFixture[str]) -> None:
        shown = command(["why", "main.py:10"], capfd)
        assert shown.startswith(
            "main.py:10:9 torch.from_numpy(np.zeros(2))\n  repaired because of FG102"
        )
        assert "     trainer = Trainer(start.float(), 0.1)\n               ^^^^" in shown
        assert "  5. model.py:7:42 demanded here: it is given to an optimizer" in shown
        assert "+trainer = Trainer(start.float().requires_grad_(), 0.1)" in shown

    def test_it_is_fitted_to_a_terminal(self) -> None:
        place = question.place_of("main.py:10")
        files = question.read(place.path, ())
        run = follow(files.sources)
        found = explain(run, files.path, 10, None)
        diffs = [question.diff_of(answer, run.sources) for answer in found]
        wide = text.render(found, run.sources, diffs, colour=False)
        assert text.render(found, run.sources, diffs, colour=False, width=500) == wide
        for colour in (True, False):
            narrow = text.render(found, run.sources, diffs, colour=colour, width=40)
            plain = re.sub(r"\x1b\[[0-9;]*m", "", narrow)
            assert max(map(len, plain.splitlines())) <= 40
            rows = plain.splitlines()
            marks = [n for n, row in enumerate(rows) if row.strip() and not row.strip(" ^")]
            assert len(marks) == wide.count("^\n") > 3
            assert all(len(rows[n]) <= len(rows[n - 1]) for n in marks)
            said = " ".join(plain.split("1. main")[0].split())
            assert said == " ".join(wide.split("1. main")[0].split())

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
            (["why"], "give a place as FILE:LINE, or --traceback FILE"),
            (["graph", "folder"], "folder: not a Python file that is looked at"),
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

    def test_what_each_node_is(self, tmp_path: Path) -> None:
        text = (
            "import somewhere\nnet = torch.nn.Linear(2, 1)\nw = torch.ones(2, requires_grad=True)\n"
            "x = torch.from_numpy(np.ones(2))\nsame = x.requires_grad_()\n"
            "loss = net(somewhere.mix(x) * w).sum() + same.sum()\nloss.backward()\n"
        )
        found = chart(run_on(tmp_path, {"main.py": HEAD + text}), str(tmp_path / "main.py"), "")
        kinds = {node.text: node.kind for node in found.nodes}
        assert kinds["torch.from_numpy(np.ones(2))"] == "conversion"
        assert kinds["somewhere.mix(x)"] == "unknown"
        assert kinds["torch.nn.Linear(2, 1)"] == "parameters"
        facts = {node.text: node.facts for node in found.nodes}
        assert facts["torch.ones(2, requires_grad=True)"] == ("tracked", "leaf", "float32")
        assert "shape=ellipse" in drawing.draw(found, "dot", colour=False)

    def test_what_nothing_asks_of(self, tmp_path: Path) -> None:
        text = "x = torch.from_numpy(np.ones(2))\ny = x.float()\nprint(y)\n"
        found = chart(run_on(tmp_path, {"main.py": HEAD + text}), str(tmp_path / "main.py"), "")
        assert found.title.endswith("(nothing that can reach it asks for a gradient)")
        assert [node.text for node in found.nodes] == ["torch.from_numpy(np.ones(2))", "x.float()"]
        assert "linkStyle" not in drawing.draw(found, "mermaid", colour=False)

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
