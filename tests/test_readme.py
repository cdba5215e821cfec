"""The README says what is so: its example, tables, limits and commands are run or generated.

`--bless` rewrites the parts between `<!-- generated: ... -->` and `<!-- end -->`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fixgrad import catalogue, cli, pipeline
from fixgrad.pipeline import Options
from fixgrad.report import FORMATS
from fixgrad.settings.resolve import resolve
from fixgrad.settings.show import toml
from fixgrad.settings.table import SETTINGS
from tests.programs import Programs

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCK = r"(?s)<!-- {}: {} -->\n(.*?)<!-- end -->"
HEADER = "import numpy as np\nimport torch\nfrom torch.autograd import Variable\n\n"
USED = "(x**2).sum().backward()\nprint(x.grad.sum())\n"

# What the limits name: programs that lack a gradient, and about which fixgrad says nothing.
LIMITS = {
    "eval": 'x = eval("torch.from_numpy(np.ones(2))")',
    "getattr(torch": 'name = input()\nx = getattr(torch, "from_" + name)(np.ones(2))',
    "__getattribute__": (
        "class A:\n    d = {'w': torch.from_numpy(np.ones(2))}\n"
        "    def __getattribute__(self, name):\n"
        "        return object.__getattribute__(self, 'd')[name]\nx = A().w"
    ),
    "importlib": (
        "import importlib\nname = input()\nx = importlib.import_module(name).from_numpy(np.ones(2))"
    ),
    "pickle": ("import pickle\nx = pickle.loads(pickle.dumps(torch.from_numpy(np.ones(2))))"),
    "DataLoader": (
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "((x,),) = DataLoader(TensorDataset(torch.from_numpy(np.ones((1, 2)))))"
    ),
    "ProcessPoolExecutor": (
        "from concurrent.futures import ProcessPoolExecutor\n"
        "def f(x):\n    (x**2).sum().backward()\n    return x.grad\n"
        "list(ProcessPoolExecutor().map(f, [torch.from_numpy(np.ones(2))]))\n"
        "x = torch.ones(2, requires_grad=True)"
    ),
    "unknown function": "import other\nx = other.prepared(torch.from_numpy(np.ones(2)))",
    "other libraries": (
        "import lion_pytorch\nw = torch.from_numpy(np.ones(2))\n"
        "x = torch.ones(2, requires_grad=True)\nlion_pytorch.Lion([w, x], lr=0.1)"
    ),
    "twelve calls": (
        "def f0(): return torch.from_numpy(np.ones(2))\n"
        + "".join(f"def f{n + 1}(): return f{n}()\n" for n in range(13))
        + "x = f13()"
    ),
    "recursion": (
        "def f(n):\n    return f(n - 1) if n else torch.from_numpy(np.ones(2))\nx = f(20)"
    ),
    "one path only": "x = torch.from_numpy(np.ones(2))\nif input():\n    x.requires_grad_()",
    "by a flag": "x = torch.tensor(np.ones(2), requires_grad=bool(input()))",
    "forgotten by a module": (
        "class Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.w = torch.from_numpy(np.ones(2))\n        self.l = torch.nn.Linear(2, 2)\n"
        "    def forward(self, x):\n        return self.l(x) * self.w\n"
        "net = Net()\noptimizer = torch.optim.SGD(net.parameters(), lr=0.1)\n"
        "x = torch.ones(2, requires_grad=True)\nnet(x).sum().backward()\noptimizer.step()"
    ),
}


def block(kind: str, name: str) -> str:
    """Return what stands between two marks of the README."""
    found = re.search(BLOCK.format(kind, name), README.read_text("utf-8"))
    assert found, f"README.md has no <!-- {kind}: {name} -->"
    return found[1]


def rows(name: str) -> list[list[str]]:
    """Return the cells of a table of the README, without its head."""
    lines = block("checked", name).splitlines()
    return [
        [cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in lines[2:]
    ]


def section(heading: str) -> str:
    """Return a section of the README."""
    found = re.search(rf"(?ms)^## {heading}\n(.*?)(?=^## |\Z)", README.read_text("utf-8"))
    assert found
    return found[1]


def program() -> str:
    """Return the example that the README opens with."""
    found = re.search(r"(?s)```python\n(.*?)```", README.read_text("utf-8"))
    assert found
    return found[1]


def diff_of_example(folder: Path) -> str:
    """Return the patch of the example, without its names of files."""
    (folder / "fit.py").write_text(program())
    command = [sys.executable, "-m", "fixgrad", "--diff", str(folder / "fit.py")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.returncode == 1, ran.stderr
    return "```diff\n" + ran.stdout[ran.stdout.index("@@ ") :] + "```\n"


def table_of_rules() -> str:
    """Return the catalogue as a table, from the first lines of the rules' docstrings."""
    lines = ["| code | name | what |", "| --- | --- | --- |"]
    for rule in catalogue.rules():
        lines.append(f"| {rule.code} | {rule.name} | {rule.text.splitlines()[0]} |")
    return "\n".join(lines) + "\n"


def table_of_settings() -> str:
    """Return the settings as a table."""
    lines = ["| setting | default | what |", "| --- | --- | --- |"]
    for setting in SETTINGS:
        choices = f" One of `{'`, `'.join(setting.choices)}`." if setting.choices else ""
        lines.append(f"| `{setting.name}` | `{toml(setting.default)}` | {setting.text}{choices} |")
    return "\n".join(lines) + "\n"


def repaired(text: str) -> str:
    """Return what `--fix --unsafe-fixes` makes of a program."""
    outcome = pipeline.run_on_text("example.py", text.encode(), Options(diff=True, unsafe=True))
    return outcome.patches[0][1].after if outcome.patches else text


def found_in(text: str) -> list[str]:
    """Return the codes that fixgrad reports about a program."""
    outcome = pipeline.run_on_text("example.py", text.encode(), Options(unsafe=True))
    assert outcome.problems == ()
    return [entry.finding.rule for entry in outcome.entries]


class TestGenerated:
    def check(self, name: str, expected: str, bless: bool) -> None:
        if bless and block("generated", name) != expected:
            text = README.read_text("utf-8")
            new = f"<!-- generated: {name} -->\n{expected}<!-- end -->"
            README.write_text(re.sub(BLOCK.format("generated", name), lambda _: new, text))
        assert block("generated", name) == expected, "pytest --bless rewrites it"

    def test_example(self, tmp_path: Path, bless: bool) -> None:
        self.check("example", diff_of_example(tmp_path), bless)

    def test_rules(self, bless: bool) -> None:
        self.check("rules", table_of_rules(), bless)

    def test_settings(self, bless: bool) -> None:
        self.check("settings", table_of_settings(), bless)

    def test_why(
        self,
        bless: bool,
        tmp_path: Path,
        capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("fit.py").write_text(program(), "utf-8")
        assert cli.run(["why", "fit.py:4"]) == 0
        self.check("why", f"```\n{capfd.readouterr().out}```\n", bless)

    def test_report(
        self, bless: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.chdir(tmp_path)
        Path("fit.py").write_text(program(), "utf-8")
        assert cli.run(["fit.py"]) == 1
        self.check("report", f"```\n{capfd.readouterr().out}```\n", bless)

    @pytest.mark.torch
    def test_verify(
        self,
        bless: bool,
        tmp_path: Path,
        capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("fit.py").write_text(program(), "utf-8")
        assert cli.run(["verify", "--python", sys.executable, "--", "python", "fit.py"]) == 0
        said = capfd.readouterr()
        self.check("verify", f"```\n{said.out}{said.err}```\n", bless)

    def test_help(
        self, bless: bool, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        assert cli.run(["--help"]) == 0
        self.check("help", f"```\n{capfd.readouterr().out}```\n", bless)


class TestTables:
    def test_refusals(self) -> None:
        assert [row[:2] for row in rows("refusals")] == [
            [refusal.code, refusal.name] for refusal in catalogue.refusals()
        ]

    def test_formats(self) -> None:
        assert [row[0] for row in rows("formats")] == list(FORMATS)

    @pytest.mark.parametrize(("before", "after"), [tuple(row) for row in rows("grants")])
    def test_grants(self, before: str, after: str) -> None:
        text = f"{HEADER}a = np.array([1.0, 2.0])\n{{}}\n{USED}"
        assert repaired(text.format(before)) == text.format(after)

    @pytest.mark.parametrize(("before", "after"), [tuple(row) for row in rows("ripples")])
    def test_ripples(self, before: str, after: str) -> None:
        loop = f"for _ in range(2):\n    {USED[:-1]}\n    {{}}\n".replace("\nprint", "\n    print")
        text = f"{HEADER}a = np.array([1.0, 2.0])\n{{}}\n{loop}"
        untracked = text.format("x = torch.from_numpy(a)", before)
        got = repaired(untracked).replace(":\n        x -=", ": x -=")
        assert got == text.format("x = torch.tensor(a, requires_grad=True)", after)

    @pytest.mark.parametrize(("before", "after"), [tuple(row) for row in rows("lifts")])
    def test_lifts(self, before: str, after: str) -> None:
        made = "m = np.eye(2)\nx = torch.tensor(np.array([1.0, 2.0]), requires_grad=True)\n"
        text = f"{HEADER}{made}{{}}\ny.sum().backward()\n"
        assert repaired(text.format(before)) == text.format(after)


class TestPython:
    def test_the_example_prints_what_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "fit.py").write_text(program(), "utf-8")
        code = block("checked", "api").removeprefix("```python\n").removesuffix("```\n")
        environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert f"```\n{ran.stdout}```\n" == block("checked", "api-output"), ran.stderr
        assert "requires_grad=True" in (tmp_path / "fit.py").read_text()


class TestLimits:
    """A limit that is gone fails here: then it goes from the README, and from LIMITS."""

    @pytest.mark.parametrize("name", LIMITS)
    def test_nothing_is_found(self, name: str) -> None:
        assert name in block("checked", "limits").replace("\n  ", " ")
        assert found_in(f"{HEADER}{LIMITS[name]}\n{USED}") == []


class TestSettings:
    def test_example(self, tmp_path: Path) -> None:
        (text,) = re.findall(r"(?s)```toml\n(.*?)```", block("checked", "settings-example"))
        (tmp_path / "pyproject.toml").write_text(text)
        settings = resolve((str(tmp_path),))
        assert settings.word("style") == "requires_grad_"
        assert settings.values["per-file-ignores"] == {"tests/*": ("FG102",)}


class TestBaseline:
    def test_commands(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("src").mkdir()
        Path("src/fit.py").write_text(program(), "utf-8")
        for command in section("An old code base, or a new change").splitlines():
            if command.startswith("fixgrad "):
                assert cli.run(shlex.split(command)[1:]) == 0, capfd.readouterr().err


class TestSuppressing:
    TEXT = f"""{HEADER}a = np.array([1.0])
{{}}
w = torch.ones(1, requires_grad=True)
(w * x).sum().backward()
print(x.grad)
"""

    def test_example(self) -> None:
        (line,) = re.findall(r"```python\n(.*)\n```", section("Leaving a finding alone"))
        assert found_in(self.TEXT.format(line.partition("  #")[0])) == ["FG101"]
        assert found_in(self.TEXT.format(line)) == []

    @pytest.mark.parametrize("comment", [row[0] for row in rows("comments")] + ["# noqa"])
    def test_comment(self, comment: str) -> None:
        assert found_in(self.TEXT.format(f"x = torch.from_numpy(a)  {comment}")) == []


class TestCommands:
    def test_the_tests(self) -> None:
        """.ci/run runs what the README says."""
        (command,) = re.findall(r"pip install -c .* '\.\[test\]' && (.*)", section("Try it"))
        ci = (ROOT / ".ci/run").read_text("utf-8")
        assert f"\n{command}\n" in ci
        assert "-c constraints.txt -e '.[test]'\n" in ci

    def test_the_main_job(self, capfd: pytest.CaptureFixture[str]) -> None:
        (command,) = re.findall(r"\.venv/bin/(fixgrad .*)", section("Try it"))
        *options, path = shlex.split(command)[1:]
        assert cli.run([*options, str(ROOT / path)]) == 0
        assert "+tensor = torch.tensor(numpy_array, requires_grad=True)" in capfd.readouterr().out

    def test_hooks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """The hooks name options that there are."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        Path("clean.py").write_text("import torch\n")
        text = (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")
        entries = re.findall(r"(?m)^  entry: fixgrad (.*)$", text)
        assert len(entries) == 2
        for entry in entries:
            assert cli.run([*shlex.split(entry), "clean.py"]) == 0, capfd.readouterr().err

    def test_no_machine_is_named(self) -> None:
        for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"):
            text = (ROOT / name).read_text("utf-8")
            assert not re.search(r"/(home|root|tmp|work|Users|opt)\b|--index-url|pypi", text)

    def test_links_lead_somewhere(self) -> None:
        for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"):
            for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / name).read_text("utf-8")):
                assert (ROOT / target).exists(), f"{name}: {target}"


@pytest.mark.torch
def test_the_example_under_torch(programs: Programs, tmp_path: Path) -> None:
    """It stops as the README says; repaired, it prints what the README says."""
    text = README.read_text("utf-8")
    (message,) = re.findall(r'This stops with "([^"]+)"', text)
    (output,) = re.findall(r"The repaired program prints `([^`]+)`", text)
    file = tmp_path / "fit.py"
    file.write_text(program())
    before = programs.run(file)
    assert before.code != 0
    assert message in before.output
    file.write_text(repaired(program()))
    assert programs.run(file) == (0, f"{output}\n")
