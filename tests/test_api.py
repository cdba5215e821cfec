"""The Python interface: what it promises, and that `import fixgrad` stays light."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import fixgrad
from fixgrad import api, crew
from tests.explained import FILES, HEAD
from tests.notebooks import jupyter, texts

GRAD = "x = torch.from_numpy(np.ones(2))\nx.sum().backward()\nprint(x.grad)\n"
INTEGER = "x = torch.tensor(np.arange(2), requires_grad=True)\nx.sum().backward()\nprint(x.grad)\n"
ROOT = Path(__file__).parents[1]


class TestCheck:
    def test_a_finding(self) -> None:
        checked = fixgrad.check_source(HEAD + GRAD, "fit.py")
        assert checked.problems == ()
        (found,) = checked.diagnostics
        assert isinstance(found, fixgrad.Diagnostic)
        assert (found.code, found.safety, found.fixable) == ("FG101", "safe", True)
        assert (found.refusal, found.reason) == ("", "")
        assert found.location == fixgrad.Location("fit.py", 3, 5, 3, 33)
        assert [(s.location.line, s.effect) for s in found.steps] == [(3, "made"), (5, "demand")]
        assert "+x = torch.tensor(np.ones(2), requires_grad=True)\n" in found.diff

    def test_bytes_are_read_as_a_file(self) -> None:
        data = f"# -*- coding: latin-1 -*-\n{HEAD}é = 1\n{GRAD}".encode("latin-1")
        (found,) = fixgrad.check_source(data).diagnostics
        assert found.location.line == 5
        assert fixgrad.check_source(b"\xff").problems[0].message.startswith("byte 0xff")

    def test_a_text_is_taken_as_it_is(self) -> None:
        text = f"# -*- coding: ascii -*-\n{HEAD}é = 1\n{GRAD}"
        assert len(fixgrad.check_source(text).diagnostics) == 1

    def test_a_problem(self) -> None:
        (problem,) = fixgrad.check_source("import torch\nx = (\n", "a.py").problems
        assert problem == fixgrad.Problem("a.py", 2, 5, problem.message)
        assert "never closed" in problem.message
        (problem,) = fixgrad.check_source("a\0b", "a.py").problems
        assert (problem.line, problem.column) == (1, 2)

    def test_rules_are_chosen(self) -> None:
        assert fixgrad.check_source(HEAD + GRAD, ignore=["FG1"]).diagnostics == ()
        assert fixgrad.check_source(HEAD + GRAD, select=["FG2"]).diagnostics == ()
        with pytest.raises(fixgrad.FixgradError, match="no rule 'FG999'"):
            fixgrad.check_source(HEAD, select=["FG999"])

    def test_what_surrounds_a_file_is_looked_into(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for name, text in FILES.items():
            Path(name).write_text(text)
        (found,) = fixgrad.check_source(FILES["main.py"] + "\n# typed\n", "main.py").diagnostics
        assert found.steps[-1].location.path == "model.py"
        assert fixgrad.check_source(FILES["main.py"], "other.py").diagnostics == ()


class TestFix:
    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_a_repair(self, newline: str, mark: str) -> None:
        text = mark + (HEAD + GRAD).replace("\n", newline)
        fixed = fixgrad.fix_source(text)
        old, new = "torch.from_numpy(np.ones(2))", "torch.tensor(np.ones(2), requires_grad=True)"
        assert fixed.text == text.replace(old, new)
        assert (fixed.changed, fixed.remaining, fixed.problems) == (True, (), ())
        assert [d.code for d in fixed.fixed] == ["FG101"]
        assert "requires_grad=True" in fixed.fixed[0].diff
        assert fixgrad.fix_source(fixed.text) == (fixed.text, False, (), (), ())

    def test_a_judgement_waits(self) -> None:
        left = fixgrad.fix_source(HEAD + INTEGER)
        assert (left.text, left.changed) == (HEAD + INTEGER, False)
        assert [(d.code, d.safety, d.fixable) for d in left.remaining] == [
            ("FG204", "unsafe", False)
        ]
        assert fixgrad.fix_source(HEAD + INTEGER, unsafe_fixes=True).changed

    def test_a_notebook(self) -> None:
        text = jupyter(HEAD, GRAD).decode()
        fixed = fixgrad.fix_source(text, "n.ipynb")
        assert texts(fixed.text.encode())[1].startswith("x = torch.tensor(np.ones(2), requires_")
        assert fixed.fixed[0].location.cell == 2

    def test_the_settings_that_are_named_hold(self, tmp_path: Path) -> None:
        settings = tmp_path / "own.toml"
        settings.write_text(
            'unsafe-fixes = true\n[[sources]]\ncall = "mylib.to_tensor"\ndtype = "float64"\n'
        )
        text = f"import mylib\n{HEAD}{GRAD}".replace("torch.from_numpy", "mylib.to_tensor")
        assert fixgrad.check_source(text).diagnostics == ()
        (found,) = fixgrad.check_source(text, config=str(settings)).diagnostics
        assert found.code == "FG101"
        fixed = fixgrad.fix_source(text, config=str(settings))
        assert "mylib.to_tensor(np.ones(2)).requires_grad_()" in fixed.text
        assert fixgrad.fix_source(HEAD + INTEGER, config=str(settings)).changed
        left = fixgrad.fix_source(text, ignore=["FG1"], config=str(settings))
        assert (left.changed, left.remaining) == (False, ())

    def test_what_is_broken_stays(self) -> None:
        fixed = fixgrad.fix_source("import torch\nx = (\n")
        assert (fixed.text, len(fixed.problems)) == ("import torch\nx = (\n", 1)


class TestProject:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        for name, text in FILES.items():
            Path(name).write_text(text)
        Path("whole.py").write_text(HEAD + INTEGER)

    def test_analysis(self) -> None:
        found = fixgrad.analyze_project()
        assert found.files == 3
        assert [(d.location.path, d.code, d.fixable) for d in found.diagnostics] == [
            ("main.py", "FG102", True), ("whole.py", "FG204", False)
        ]  # fmt: skip
        (patch,) = found.patches
        assert (patch.path, patch.before) == ("main.py", FILES["main.py"])
        assert Path("main.py").read_text() == patch.before
        assert found.patch.startswith(b"--- a/main.py\n+++ b/main.py\n")
        assert "requires_grad" in found.diagnostics[0].diff
        found.write()
        assert Path("main.py").read_text() == patch.after
        assert [d.code for d in fixgrad.analyze_project().diagnostics] == ["FG204"]

    def test_it_agrees_with_the_command_line(self) -> None:
        command = [sys.executable, "-m", "fixgrad", "--output-format", "json"]
        ran = subprocess.run(command, capture_output=True, check=False)
        rows = json.loads(ran.stdout)
        found = fixgrad.analyze_project(".").diagnostics
        assert [(r["code"], r["fingerprint"]) for r in rows] == [
            (d.code, d.fingerprint) for d in found
        ]

    def test_settings_hold(self) -> None:
        Path("fixgrad.toml").write_text('ignore = ["FG204"]\n')
        assert [d.code for d in fixgrad.analyze_project().diagnostics] == ["FG102"]
        codes = [d.code for d in fixgrad.analyze_project(isolated=True).diagnostics]
        assert codes == ["FG102", "FG204"]
        assert fixgrad.analyze_project(select=["FG2"]).files == 3

    def test_a_file_that_changed_is_not_overwritten(self) -> None:
        found = fixgrad.analyze_project("main.py", "model.py")
        Path("main.py").write_text("changed = 1\n")
        with pytest.raises(fixgrad.FixgradError, match=r"main\.py"):
            found.write()
        assert Path("main.py").read_text() == "changed = 1\n"


class TestModule:
    def test_it_is_light_until_it_is_used(self) -> None:
        program = (
            "import sys, fixgrad\nassert 'fixgrad.api' not in sys.modules\nfixgrad.check_source\n"
            "assert 'fixgrad.api' in sys.modules\nassert 'libcst' not in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)

    def test_its_names(self) -> None:
        assert sorted(fixgrad.__all__) == sorted([*api.__all__, "__version__"])
        assert set(fixgrad.__all__) <= set(dir(fixgrad))
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            fixgrad.nothing  # noqa: B018

    @pytest.mark.slow
    def test_its_types_are_known_to_others(self, tmp_path: Path) -> None:
        """A type checker sees the signatures, by way of `import fixgrad` alone."""
        (tmp_path / "use.py").write_text(
            "import fixgrad\nchecked = fixgrad.check_source('x')\nreveal_type(checked.diagnostics)\n"
            "fixgrad.fix_source(1)\n"
        )
        command = [sys.executable, "-m", "mypy", "--no-incremental", "--config-file=", "use.py"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "fixgrad.api.Diagnostic" in ran.stdout, ran.stdout
        assert 'incompatible type "int"; expected "str"' in ran.stdout


@pytest.mark.slow
class TestSharedOut:
    """`analyze_project` with helpers says what it says alone."""

    @pytest.fixture
    def alone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> api.Analysis:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(crew, "_BATCH", 100)
        monkeypatch.setattr(crew, "WORTH_READING", 0)
        monkeypatch.setattr(crew, "WORTH_FOLLOWING", 0)
        for n in range(6):
            (tmp_path / f"fit{n}.py").write_text(HEAD + "\n" * n + GRAD)
        (tmp_path / "wrong.py").write_text("import torch\nx = (\n")
        found = fixgrad.analyze_project(".")
        assert [d.location.line for d in found.diagnostics] == [3, 4, 5, 6, 7, 8]
        return found

    @pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
    def test_an_executor(
        self, alone: api.Analysis, kind: type[ThreadPoolExecutor | ProcessPoolExecutor]
    ) -> None:
        with kind(2) as executor:
            for jobs in (1, 2):
                found = fixgrad.analyze_project(".", executor=executor, jobs=jobs)
                assert found[:-1] == alone[:-1]
            assert executor.submit(len, "open").result() == 4  # it is not ours to close

    def test_processes_that_start_anew(self, alone: api.Analysis) -> None:
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
            assert fixgrad.analyze_project(".", executor=executor)[:-1] == alone[:-1]

    def test_the_executor_does_the_work(self, alone: api.Analysis) -> None:
        class Noted(ThreadPoolExecutor):
            def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
                given.extend(source.path for source in args[0])
                return super().submit(fn, *args, **kwargs)

        given: list[str] = []
        with Noted(1) as executor:
            fixgrad.analyze_project(".", executor=executor)
        files = [*(f"fit{n}.py" for n in range(6)), "wrong.py"]
        assert given[:7] == files
        assert set(given[7:]) <= set(files)  # the repaired ones, to see that nothing is left to do
        assert [problem.path for problem in alone.problems] == ["wrong.py"]

    def test_several_processes(self, alone: api.Analysis) -> None:
        assert fixgrad.analyze_project(".", jobs=2)[:-1] == alone[:-1]
