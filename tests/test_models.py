"""What users say of their own calls: the tables, what is wrong with them, and what they change."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixgrad import cli, pipeline
from fixgrad.knowledge.models import Tables, rows_of
from fixgrad.pipeline import Options
from tests.programs import Programs

MODELS: Tables = {
    "sources": ({"call": "mylib.to_tensor", "shares": "never", "dtype": "float64"},),
    "sinks": (
        {"call": "mylib.fit", "arg": 0},
        {"call": "mylib.watch", "arg": "of", "need": "tracked"},
    ),
    "grad-enabled": ({"call": "mylib.trainable"},),
    "stops-grad": ({"call": "mylib.frozen"},),
}
HEADER = "import mylib\nimport numpy as np\nimport torch\n"


class TestRows:
    def test_rows(self) -> None:
        models, problems = rows_of(MODELS)
        assert problems == ()
        assert models.sources["mylib.to_tensor"].shares == "never"
        assert models.sinks["mylib.fit"].position == 0
        assert models.sinks["mylib.watch"].keyword == "of"
        assert models.grants == {"mylib.trainable"}
        assert models.cuts["mylib.frozen"].grad == "no"

    def test_a_function_of_the_project(self) -> None:
        models, _ = rows_of({"sinks": ({"call": "train.loops.Trainer.fit", "arg": 0},)})
        assert models.name_of("src/train/loops.py", "Trainer.fit") == "train.loops.Trainer.fit"
        assert models.name_of("train/loops/__init__.py", "Trainer.fit") == "train.loops.Trainer.fit"
        assert models.name_of("restrain/loops.py", "Trainer.fit") is None
        assert models.name_of("train/loops.py", "fit") is None

    @pytest.mark.parametrize(
        ("kind", "table", "wrong"),
        [
            ("sinks", {"call": "mylib.fit"}, "`arg` must be the position"),
            ("sinks", {"call": "mylib.fit", "arg": True}, "`arg` must be the position"),
            (
                "sinks",
                {"call": "mylib.fit", "arg": 0, "need": "root"},
                "`need` must be one of leaf",
            ),
            ("sources", {"cal": "mylib.f"}, "unknown key 'cal', did you mean 'call'?"),
            (
                "sources",
                {"call": "to_tensor"},
                '`call` must name the module too: "mylib.to_tensor"',
            ),
            ("sources", {"call": "mylib.to tensor"}, "`call` must be the name of what is called"),
            ("sources", {"call": "mylib.f", "dtype": "real"}, "`dtype` must be that of a tensor"),
            ("sources", {"call": "mylib.f", "shares": "no"}, "`shares` must be one of always"),
            ("stops-grad", {"call": 3}, "`call` must be the name of what is called"),
            ("source", {"call": "mylib.f"}, "did you mean 'sources'?"),
        ],
    )
    def test_what_is_wrong(self, kind: str, table: dict[str, object], wrong: str) -> None:
        models, (problem,) = rows_of({kind: (table,)})
        assert wrong in problem
        assert problem.startswith(f"{kind}, table 1: ")
        assert models.names() == frozenset()


def found(program: str, models: Tables = MODELS) -> list[str]:
    tables = {kind: tuple(map(dict, each)) for kind, each in models.items()}
    options = Options(unsafe=True, models=tables)
    outcome = pipeline.run_on_text("main.py", (HEADER + program).encode(), options)
    assert outcome.problems == ()
    return [entry.finding.rule for entry in outcome.entries]


class TestAnalysis:
    def test_a_sink_asks_for_a_gradient(self) -> None:
        program = "x = torch.from_numpy(np.ones(2))\nmylib.fit([x], steps=3)\n"
        assert found(program) == ["FG102"]
        assert found(program, {}) == []

    def test_a_sink_that_is_content_with_results(self) -> None:
        program = "x = torch.from_numpy(np.ones(2))\nmylib.watch(1, of=x)\n"
        assert found(program) == ["FG105"]

    def test_a_source_makes_a_tensor(self) -> None:
        program = "x = mylib.to_tensor(np.ones(2))\n(x**2).sum().backward()\nprint(x.grad)\n"
        assert found(program) == ["FG101"]
        assert found(program, {}) == []

    def test_what_grants(self) -> None:
        program = (
            "x = torch.from_numpy(np.ones(2))\nmylib.trainable(x)\n"
            "(x**2).sum().backward()\nprint(x.grad)\n"
        )
        assert found(program) == []
        assert found(program, {}) == ["FG101"]

    def test_what_cuts(self) -> None:
        program = (
            "x = torch.from_numpy(np.ones(2))\nw = torch.ones(2, dtype=torch.float64, requires_grad=True)\n"
            "y = mylib.frozen(x) * w\ny.sum().backward()\nprint(x.grad)\n"
        )
        tables = {kind: tuple(map(dict, each)) for kind, each in MODELS.items()}
        options = Options(unsafe=True, models=tables)
        outcome = pipeline.run_on_text("main.py", (HEADER + program).encode(), options)
        assert [entry.tag for entry in outcome.entries] == ["FG902"]


class TestAsking:
    """`why` and the inventory know the calls of the settings too, and what they are imported as."""

    PROGRAM = (
        "import numpy as np\nimport mylib\nfrom mylib import to_tensor as made\n\n"
        "def load():\n    return mylib.to_tensor(np.ones(2))\n\n"
        "w = made(np.ones(2))\nmylib.fit(w)\n"
    )

    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("main.py").write_text(self.PROGRAM)
        Path("fixgrad.toml").write_text(SETTINGS.replace('"params"', "0"))

    def test_why(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["why", "main.py:8"]) == 0
        assert "  repaired because of FG102: `w` is not tracked" in capfd.readouterr().out
        assert cli.run(["why", "main.py:6"]) == 0
        said = capfd.readouterr().out.splitlines()
        assert said[0] == "main.py:6:12 mylib.to_tensor(np.ones(2))"
        assert said[1] == "  left alone: nothing that can reach this line asks for a gradient"

    def test_csv(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["-q", "--output-format", "csv", "main.py"]) == 1
        rows = [row.split(",") for row in capfd.readouterr().out.splitlines()[1:]]
        assert [(row[2], row[7]) for row in rows] == [("6", "left alone"), ("8", "repaired")]


SETTINGS = """\
[[sources]]
call = "mylib.to_tensor"

[[sinks]]
call = "mylib.fit"
arg = "params"
"""
LIBRARY = """\
import torch


def to_tensor(values):
    return torch.as_tensor(values)


def fit(loss, params, steps=20):
    optimizer = eval("torch.optim.SGD")(params, lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
"""
PROGRAM = """\
import numpy as np
import torch

import mylib

x = mylib.to_tensor(np.array([1.0, 3.0]))
scale = torch.ones(1, requires_grad=True)
mylib.fit(lambda: ((x - 2) ** 2).sum() * scale.detach() + 0 * scale.sum(), params=[x, scale])
print(x.tolist())
"""


@pytest.mark.torch
class TestProgram:
    def test_settings_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: Programs
    ) -> None:
        """A library's own trainer is known by two tables; the program then trains."""
        monkeypatch.chdir(tmp_path)
        main = tmp_path / "main.py"
        main.write_text(PROGRAM)
        (tmp_path / "mylib.py").write_text(LIBRARY)
        before = programs.run(main)
        assert before.output == "[1.0, 3.0]\n"
        assert cli.run(["--fix", "-q", "main.py"]) == 0
        assert main.read_text() == PROGRAM
        (tmp_path / "fixgrad.toml").write_text(SETTINGS)
        cli.run(["--fix", "-q", "main.py"])
        assert "mylib.to_tensor(np.array([1.0, 3.0])).requires_grad_()" in main.read_text()
        after = programs.run(main)
        assert after.code == 0
        assert after.output != before.output

    def test_a_wrong_table(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "main.py").write_text("x = 1\n")
        (tmp_path / "fixgrad.toml").write_text('[[sinks]]\ncall = "mylib.fit"\nargs = 0\n')
        assert cli.run(["main.py"]) == 2
        error = capfd.readouterr().err
        assert "fixgrad.toml" in error
        assert "unknown key 'args', did you mean 'arg'?" in error
