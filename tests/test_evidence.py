"""`fixgrad --evidence FILE`: what recorded runs say of findings, and what only they have found."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from fixgrad import cli, project
from fixgrad.evidence import store
from fixgrad.runtime import records
from tests.programs import Programs

HEAD = "import numpy as np\nimport torch\n\na = np.array([1.0, 2.0])\n"
MAKE = 'make = vars(torch)["".join(["from", "_numpy"])]\n'  # nobody can read what that is


class User:
    """A project in a folder of its own, the current one, and the evidence of its runs."""

    def __init__(
        self, folder: Path, programs: Programs | None, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.folder, self._programs, self._capfd = folder, programs, capfd
        self._runs = 0

    def write(self, text: str, name: str = "main.py") -> None:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def trace(self, name: str = "main.py") -> None:
        """Run a program as `fixgrad trace` does, but in a fork."""
        assert self._programs is not None
        self._runs += 1
        out = self.folder.parent / f"records{self._runs}"
        out.mkdir()
        settings = {"roots": [str(self.folder)], "out": str(out), "seed": None}
        self._programs.run(self.folder / name, settings=settings)
        found = records.read(str(out))
        assert not found.bugs
        store.add(store.NAME, found, str(self.folder))

    def record(self, *lines: dict[str, object]) -> None:
        """Write evidence by hand."""
        text = "".join(json.dumps({"version": 1, "times": 1, **line}) + "\n" for line in lines)
        Path(store.NAME).write_text(text)

    def check(self, *arguments: str) -> tuple[int, list[tuple[object, ...]], str]:
        """Run fixgrad with the evidence; return its exit code, its findings shortly, and its notes."""
        code = cli.run(["--evidence", store.NAME, "--output-format", "json", *arguments])
        said = self._capfd.readouterr()
        return code, [shortly(row) for row in json.loads(said.out or "[]")], said.err


def shortly(row: dict[str, object]) -> tuple[object, ...]:
    """Return where a finding is, its rule, and what the runs say of it."""
    location, evidence = row["location"], row["evidence"]
    assert isinstance(location, dict)
    assert isinstance(evidence, dict)
    return location["row"], row["code"], evidence["verdict"]


@pytest.fixture
def user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> User:  # fmt: skip
    """Return a project; torch is there for the tests that are marked so."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    wants_torch = request.node.get_closest_marker("torch") is not None
    return User(folder, request.getfixturevalue("programs") if wants_torch else None, capfd)


def spot(text: str, within: str, name: str = "main.py") -> list[object]:
    """Return where a text stands as a store says it."""
    at = text.index(within)
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1)
    return [name, line, column, line, column + len(within), project.digest(text.encode())]


def facts(**more: object) -> dict[str, object]:
    """Return the facts of an event about a tensor that nothing tracks."""
    return {"dtype": "float64", "tracked": False, "leaf": True, **more}


@pytest.mark.torch
class TestVerdicts:
    """Programs that are run, and what their runs say of the findings in them."""

    def verdicts(self, user: User, text: str) -> Sequence[tuple[object, ...]]:
        user.write(HEAD + text)
        user.trace()
        return user.check()[1]

    def test_a_gradient_that_is_not_there(self, user: User) -> None:
        text = (
            "x = torch.from_numpy(a)\nw = torch.ones(2, requires_grad=True)\n"
            "for turn in range(3):\n    (x * w).sum().backward()\n    print(x.grad)\n"
        )
        assert self.verdicts(user, text) == [(5, "FG101", "confirmed")]

    def test_an_optimizer_that_moves_nothing(self, user: User) -> None:
        text = (
            "x = torch.as_tensor(a)\nw = torch.ones(2, requires_grad=True)\n"
            "o = torch.optim.SGD(\n    [x, w],\n    lr=0.1,\n)\n(x * w).sum().backward()\no.step()\n"
        )
        assert self.verdicts(user, text) == [(5, "FG102", "confirmed")]

    @pytest.mark.parametrize(
        ("ask", "rule"),
        [
            ("torch.autograd.grad((x ** 2).sum(), x)", "FG103"),
            ("x.register_hook(print)", "FG105"),
            ("torch.autograd.gradcheck(torch.sin, (x,))", "FG106"),
        ],
    )
    def test_what_raises_is_confirmed(self, ask: str, rule: str, user: User) -> None:
        text = (
            f"x = torch.tensor(a)\ntry:\n    {ask}\nexcept (RuntimeError, ValueError):\n    raise\n"
        )
        assert self.verdicts(user, text) == [(5, rule, "confirmed")]

    def test_a_run_that_ends_before_the_demand(self, user: User) -> None:
        text = "x = torch.from_numpy(a)\n(x ** 2).sum().backward()\nprint(x.grad)\n"
        assert self.verdicts(user, text) == [(5, "FG101", "confirmed")]
        text = "x = torch.from_numpy(a)\n1 / len(a[2:])\n(x ** 2).sum().backward()\nprint(x.grad)\n"
        assert self.verdicts(user, text) == [(5, "FG101", "executed")]

    def test_lines_that_raise(self, user: User) -> None:
        """Broken uses: an update in place, an export, a keyword that NumPy does not take."""
        for line, rule in (
            ("x -= 1", "FG207"), ("x.numpy()", "FG208"), ("np.zeros(2, requires_grad=True)", "FG201"),
            ("print(torch.from_numpy(a), a.grad)", "FG202"),
        ):  # fmt: skip
            text = f"x = torch.tensor(a, requires_grad=True)\n(x ** 2).sum().backward()\n{line}\nx.grad\n"
            found = self.verdicts(user, text)
            assert [(code, word) for _, code, word in found] == [(rule, "confirmed")], line

    def test_what_is_tracked_by_code_that_nobody_reads(self, user: User) -> None:
        text = (
            "def enable(t):\n    exec('t.requires_grad_()')\n\n"
            "x = torch.from_numpy(a)\nenable(x)\n(x ** 2).sum().backward()\nprint(x.grad)\n"
        )
        assert self.verdicts(user, text) == [(8, "FG101", "contradicted")]

    def test_what_is_never_executed(self, user: User) -> None:
        text = "def fit():\n    x = torch.from_numpy(a)\n    (x ** 2).sum().backward()\n    print(x.grad)\n"
        assert self.verdicts(user, text) == [(6, "FG101", "never executed")]

    def test_a_conversion_that_raises_is_executed(self, user: User) -> None:
        text = (
            "def convert(array, grad):\n    return torch.from_numpy(array, requires_grad=grad)\n\n"
            "x = convert(a, True)\n(x ** 2).sum().backward()\nprint(x.grad)\n"
        )
        words = {code: word for _, code, word in self.verdicts(user, text)}
        assert words["FG201"] == "confirmed"
        assert words.get("FG101", "executed") == "executed"

    def test_what_only_a_run_sees(self, user: User) -> None:
        """A name that is computed, and a batch of a loader; data beside them is left alone."""
        text = MAKE + (
            "from torch.utils.data import DataLoader\n"
            "x = make(a)\nx = x.float()\ny = make(a)\n"
            "o = torch.optim.Adam(eval('[x]'))\n"
            "w = torch.ones(2, dtype=torch.float64, requires_grad=True)\n"
            "for batch, label in DataLoader([(a, 1.0), (a, 2.0)]):\n"
            "    (batch * w * y).sum().backward()\n    print(batch.grad)\n"
        )
        assert self.verdicts(user, text) == [(7, "FG102", "confirmed"), (12, "FG101", "confirmed")]

    def test_a_module_that_leaves_its_tensor_behind(self, user: User) -> None:
        text = (
            "class Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
            "        self.scale = torch.from_numpy(a)\n        self.head = torch.nn.Linear(2, 1)\n\n"
            "    def forward(self, x):\n        return self.head(x * self.scale)\n\n"
            "Net().float()(torch.ones(2)).sum().backward()\n"
        )
        assert self.verdicts(user, text) == [(8, "FG301", "confirmed")]

    def test_two_tensors_of_one_helper(self, user: User) -> None:
        """One of them is granted by its caller: that is no evidence of the other."""
        text = (
            "def tensor(values):\n    return torch.from_numpy(values)\n\n"
            "x, w = tensor(a), tensor(a).requires_grad_()\n(x * w).sum().backward()\n"
            "print(x.grad, w.grad)\n"
        )
        assert [word for *_, word in self.verdicts(user, text)] == ["confirmed"]

    def test_several_files_and_runs(self, user: User) -> None:
        user.write(
            "import torch\n\n\ndef tensor(values):\n    return torch.from_numpy(values)\n",
            "pkg/make.py",
        )
        use = (
            HEAD
            + "from pkg.make import tensor\nx = tensor(a)\n(x ** 2).sum().backward()\nprint(x.grad)\n"
        )
        user.write(use, "one.py")
        user.write(use.replace("print", "str"), "two.py")
        user.trace("one.py")
        found = user.check("one.py", "two.py")[1]
        assert found == [(6, "FG101", "confirmed"), (6, "FG101", "executed")]


CONTRADICTED = HEAD + (
    "x = torch.from_numpy(a)\nvars(torch)['enable'](x)\n(x ** 2).sum().backward()\nprint(x.grad)\n"
    "y = torch.from_numpy(a + 1)\n(y ** 2).sum().backward()\nprint(y.grad)\n"
)


class TestWhatFollows:
    """What evidence does to confidence, repairs, the exit code and comments."""

    def record(self, user: User, text: str = CONTRADICTED) -> None:
        user.write(text)
        way = [["torch.from_numpy", spot(text, "torch.from_numpy(a)")]]
        there = facts(arrived=True, tracked=True)
        user.record(
            {"kind": "conversion", "spot": way[0][1], "way": way, "facts": facts()},
            {"kind": "grad", "spot": spot(text, "x.grad"), "way": way, "facts": there},
        )

    def test_a_contradicted_finding_is_not_repaired(self, user: User) -> None:
        self.record(user)
        assert user.check()[:2] == (
            1,
            [(5, "FG101", "contradicted"), (9, "FG101", "never executed")],
        )
        assert cli.run(["--evidence", store.NAME, "--fix", "--quiet"]) == 0
        text = (user.folder / "main.py").read_text()
        assert "x = torch.from_numpy(a)\n" in text
        assert "y = torch.tensor(a + 1, requires_grad=True)\n" in text

    def test_and_does_not_count(self, user: User) -> None:
        self.record(user, CONTRADICTED[: CONTRADICTED.index("y = ")])
        assert user.check()[:2] == (0, [(5, "FG101", "contradicted")])
        assert user.check("--min-confidence", "medium")[:2] == (0, [])

    def test_it_is_where_it_was_after_a_repair_above_it(
        self, user: User, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """What remains is told in the places of the repaired file."""
        first, _, rest = CONTRADICTED[len(HEAD) :].partition("y = ")
        loop = f"y = {rest}for turn in range(2):\n    y -= y.grad\n"
        self.record(user, HEAD + loop.replace("print(y.grad)\n", "") + first)
        cli.run(["--evidence", store.NAME, "--fix", "--output-format", "concise"])
        said = capfd.readouterr()
        assert "no_grad" in (user.folder / "main.py").read_text()
        assert said.out.startswith("main.py:10:5: FG101 ")
        assert said.out.endswith("[contradicted]\n")

    def test_evidence_of_another_text_counts_for_nothing(self, user: User) -> None:
        self.record(user)
        user.write(f"{CONTRADICTED}# changed\n")
        code, found, said = user.check()
        assert (code, found) == (1, [(5, "FG101", None), (9, "FG101", None)])
        assert "main.py has changed since it was run" in said

    def test_evidence_of_both_texts(self, user: User) -> None:
        """What was recorded today counts, whatever there is of yesterday."""
        self.record(user, f"{CONTRADICTED}# yesterday\n")
        old = Path(store.NAME).read_text()
        self.record(user)
        with open(store.NAME, "a", encoding="utf-8") as file:
            file.write(old)
        _, found, said = user.check()
        assert found[0] == (5, "FG101", "contradicted")
        assert "changed" not in said

    def test_evidence_from_another_folder(self, user: User) -> None:
        """A store of another machine names files otherwise: their text tells which they are."""
        self.record(user)
        text = Path(store.NAME).read_text().replace('"main.py"', '"src/own/main.py"')
        Path(store.NAME).write_text(text)
        assert user.check(str(user.folder / "main.py"))[1][0] == (5, "FG101", "contradicted")

    def test_evidence_of_other_programs(self, user: User) -> None:
        self.record(user)
        text = Path(store.NAME).read_text().replace('"main.py"', '"other.py"')
        Path(store.NAME).write_text(text)
        assert "says nothing of these files" in user.check()[2]

    @pytest.mark.parametrize(
        "comment", ["fixgrad: data", "fixgrad: ignore[FG102] so", "noqa: FG102"]
    )
    def test_comments_speak_of_what_runs_find(self, comment: str, user: User) -> None:
        text = HEAD + MAKE + f"x = make(a)  # {comment}\no = torch.optim.SGD(eval('[x]'))\n"
        user.write(text)
        asked = {"kind": "optimizer", "spot": spot(text, "torch.optim.SGD(eval('[x]'))")}
        way = [["torch.from_numpy", spot(text, "make(a)")]]
        user.record({**asked, "way": way, "facts": facts(call="SGD")})
        _, found, _ = user.check()
        assert [code for _, code, _ in found if code != "FG401"] == []
        user.write(text.replace(f"  # {comment}", ""))
        changed = text.replace(f"  # {comment}", "")
        asked["spot"], way[0][1] = (
            spot(changed, "torch.optim.SGD(eval('[x]'))"),
            spot(changed, "make(a)"),
        )
        user.record({**asked, "way": way, "facts": facts(call="SGD")})
        assert user.check()[1] == [(6, "FG102", "confirmed")]
        assert user.check("--ignore", "FG102")[1] == []
        assert user.check("--baseline", "b.json", "--write-baseline")[0] == 0
        assert user.check("--baseline", "b.json")[1] == []

    def test_columns_count_characters(self, user: User) -> None:
        """The interpreter counts bytes; before 3.11 it knows lines only."""
        text = CONTRADICTED.replace("print(x.grad)", "print('größer', x.grad)")
        user.write(text)
        made, read = spot(text, "torch.from_numpy(a)"), spot(text, "x.grad")
        way = [["torch.from_numpy", made]]
        read[2:5] = [read[2] + 2, read[3], read[4] + 2]  # type: ignore[operator]
        there = facts(arrived=True, tracked=True)
        user.record({"kind": "grad", "spot": read, "way": way, "facts": there})
        assert user.check()[1][0] == (5, "FG101", "contradicted")
        for place in (made, read):
            place[2] = place[4] = None
        user.record({"kind": "grad", "spot": read, "way": way, "facts": there})
        assert user.check()[1][0] == (5, "FG101", "contradicted")

    @pytest.mark.parametrize(
        "form", ["full", "github", "gitlab", "sarif", "rdjson", "junit", "markdown"]
    )
    def test_every_report_says_it(
        self, form: str, user: User, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.record(user)
        cli.run(["--evidence", store.NAME, "--output-format", form])
        said = capfd.readouterr()
        assert "contradicted" in said.out
        assert "never executed" in said.out
        assert "1 contradicted, 1 never executed" in said.err

    def test_the_settings_name_it(self, user: User, capfd: pytest.CaptureFixture[str]) -> None:
        self.record(user)
        user.write('[tool.fixgrad]\nevidence = "fixgrad-evidence.jsonl"\n', "pyproject.toml")
        user.write("", "sub/empty.py")
        os.chdir("sub")
        cli.run(["../main.py", "--output-format", "concise"])
        assert "[contradicted]" in capfd.readouterr().out

    def test_there_is_none(self, user: User, capfd: pytest.CaptureFixture[str]) -> None:
        user.write(CONTRADICTED)
        assert cli.run(["--evidence", "nothing.jsonl"]) == 2
        assert "no such evidence; `fixgrad trace` makes it" in capfd.readouterr().err
