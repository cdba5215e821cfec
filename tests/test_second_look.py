"""In production: what a second run would repair again is not written, and what shows a bug of ours is kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fixgrad import cli, patching, pipeline
from fixgrad.cli import bugs
from fixgrad.edits import Edit, Patch
from fixgrad.findings import Refusal
from fixgrad.options import Options
from fixgrad.patching import Plan
from fixgrad.project import Surroundings, read
from fixgrad.source import Source, Span

RIGHT = "import numpy as np\nimport torch\nw = torch.tensor(np.ones(3))\nw.sum().backward()\nprint(w.grad)\n"
WRONG = RIGHT.replace("w = ", "wrong = w = ")
KEY = "requires_grad=True"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a current folder with one file that is repaired right and one that is not."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "right.py").write_text(RIGHT)
    (folder / "wrong.py").write_text(WRONG)
    monkeypatch.chdir(folder)
    return folder


def spoil(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[str], str], only: str = "wrong"
) -> None:
    """Let the plan of one file write something else than what it was checked for."""
    real = patching.plan_patches

    def planned(*arguments: object) -> Plan:
        plan = real(*arguments)  # type: ignore[arg-type]
        return plan._replace(patches=tuple(map(spoilt, plan.patches)))

    def spoilt(pair: tuple[Source, Patch]) -> tuple[Source, Patch]:
        source, patch = pair
        if only not in source.path:
            return pair
        after = change(patch.after)
        assert after != patch.after
        return source, patch._replace(after=after)

    monkeypatch.setattr(pipeline, "plan_patches", planned)


def ungranted(text: str) -> str:
    return text.replace(KEY, "dtype=None")


def kept(here: Path) -> list[Path]:
    return sorted((here.parent / "state").rglob("*.txt"))


@pytest.mark.parametrize("option", ["--fix", "--diff"])
def test_only_the_file_that_would_be_repaired_again_stays_as_it_is(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], option: str
) -> None:
    spoil(monkeypatch, ungranted)
    assert cli.run([option, "."]) == 2
    said = capfd.readouterr()
    assert "wrong.py: fixgrad has a bug: a second run would repair FG101 once more at" in said.err
    assert Path("wrong.py").read_text() == WRONG
    if option == "--fix":
        assert KEY in Path("right.py").read_text()
    else:
        assert "right.py" in said.out
        assert "wrong.py" not in said.out


def test_what_is_understood_no_more_is_not_written(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pipeline._analysed

    def analysed(sources: list[Source], *more: object) -> object:
        found = real(sources, *more)  # type: ignore[arg-type]
        if any("wrong" in source.text and KEY in source.text for source in sources):
            return found._replace(problems=(patching.bug("wrong.py", "no more"),))
        return found

    monkeypatch.setattr(pipeline, "_analysed", analysed)
    outcome = pipeline.run(Options(fix=True))
    assert [problem.path for problem in outcome.problems] == ["wrong.py"]
    assert KEY in Path("right.py").read_text()
    assert Path("wrong.py").read_text() == WRONG


def test_where_no_plan_is_right_nothing_is_written(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, ungranted, only=".py")
    outcome = pipeline.run(Options(fix=True))
    assert {problem.path for problem in outcome.problems} == {"right.py", "wrong.py"}
    assert (Path("right.py").read_text(), Path("wrong.py").read_text()) == (RIGHT, WRONG)


def test_few_changed_files_among_many_are_looked_at_alone(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        Path(f"other{number}.py").write_text("import torch\nprint(torch.ones(3))\n")
    seen: list[list[str]] = []
    real = pipeline._analysed

    def analysed(sources: list[Source], *more: object) -> object:
        seen.append([source.path for source in sources])
        return real(sources, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "_analysed", analysed)
    outcome = pipeline.run(Options(diff=True))
    assert len(outcome.patches) == 2
    assert [len(paths) for paths in seen] == [8, 2]
    spoil(monkeypatch, ungranted)
    seen.clear()
    pipeline.run(Options(diff=True))
    assert [len(paths) for paths in seen] == [8, 2, 8, 1]  # in doubt at all, then at the rest


class TestWhatIsNoBug:
    def plan(self, **more: object) -> Plan:
        source = read("right.py")
        assert isinstance(source, Source)
        edit = Edit(Span("right.py", 3, 0, 3, 1), "w")
        patch = Patch("right.py", source.text, source.text + "# more\n", (edit,))
        return Plan(patches=((source, patch),))._replace(**more)  # type: ignore[arg-type]

    def problems(self, plan: Plan, rule: str, path: str = "right.py") -> list[str]:
        from fixgrad.repetition import Again, _problems  # noqa: PLC0415

        (repair,) = pipeline.run(Options(paths=("right.py",), diff=True)).repaired
        span = repair.finding.span._replace(path=path)
        finding = repair.finding._replace(rule=rule, span=span)
        operations = tuple(o._replace(span=o.span._replace(path=path)) for o in repair.operations)
        again = Again((repair._replace(finding=finding, operations=operations),), ())
        return [problem.path for problem in _problems(plan, again, ())]

    def test_a_repair_is(self) -> None:
        assert self.problems(self.plan(), "FG101") == ["right.py"]
        assert self.problems(self.plan(), "FG101", "wrong.py") == ["right.py"]  # it is of the plan

    def test_a_comment_that_is_not_needed_any_more(self) -> None:
        assert self.problems(self.plan(), "FG401") == []

    def test_what_had_no_place_beside_another_repair(self) -> None:
        (repair,) = pipeline.run(Options(paths=("right.py",), diff=True)).repaired
        refusal = Refusal(repair.finding, "FG908", "no place")
        assert self.problems(self.plan(refusals=(refusal,)), "FG101") == []

    def test_a_file_that_was_left_as_it_is(self) -> None:
        problem = patching.bug("wrong.py", "of the rewriting")
        assert self.problems(self.plan(problems=(problem,)), "FG101", "wrong.py") == []


class TestKept:
    def run(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> str:
        with monkeypatch.context() as patched:
            spoil(patched, ungranted)
            assert cli.run(["--diff", "-q", "."]) == 2
        return capfd.readouterr().err

    def test_what_shows_the_bug(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        said = self.run(monkeypatch, capfd)
        (file,) = kept(here)
        assert f"what shows this bug is kept in {file}; it holds the text of wrong.py" in said
        assert "look through it before you give it to anybody" in said
        text = file.read_text()
        assert text.startswith("fixgrad ")
        for part in (
            "Python ",
            "paths=('.',), diff=True",
            "a second run would repair FG101 once more",
            "planned:\nwrong.py:3:13 to",
            "and after that:\nwrong.py:3:13",
            f"\n--- wrong.py: {len(WRONG)} characters of utf-8\n{WRONG}",
        ):
            assert part in text
        assert "right.py" not in text
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_once(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.run(monkeypatch, capfd)
        (file,) = kept(here)
        file.write_text("noted")
        assert str(file) in self.run(monkeypatch, capfd)
        assert [path.read_text() for path in kept(here)] == ["noted"]

    def test_no_more_than_so_many(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(bugs, "MOST_FILES", 1)
        self.run(monkeypatch, capfd)
        Path("wrong.py").write_text(WRONG + "# changed\n")
        assert "holds 1 bugs already: what shows this one is not kept" in self.run(
            monkeypatch, capfd
        )
        assert len(kept(here)) == 1

    def test_no_larger_than_so_many_bytes(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        Path("wrong.py").write_text(WRONG + f"s = '{'x' * bugs.MOST_BYTES}'\n")
        self.run(monkeypatch, capfd)
        (file,) = kept(here)
        assert file.stat().st_size < bugs.MOST_BYTES
        assert "(left out: this file would hold more than 1 MiB)" in file.read_text()

    def test_where_nothing_can_be_written(
        self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", os.devnull)
        assert "what shows this bug cannot be kept in /dev/null" in self.run(monkeypatch, capfd)

    def test_where_the_analysis_breaks_down(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        def broken(*_: object) -> None:
            raise ZeroDivisionError("of ours")

        monkeypatch.setattr("fixgrad.conclusion.plan", broken)
        assert cli.run(["."]) == 2
        said = capfd.readouterr().err
        assert "Traceback" not in said
        texts = [file.read_text() for file in kept(here)]
        assert len(texts) == 2
        assert all("Traceback" in text and "ZeroDivisionError: of ours" in text for text in texts)

    def test_where_reporting_breaks_down(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        def broken(*_: object) -> None:
            raise ZeroDivisionError("of ours")

        monkeypatch.setattr("fixgrad.cli.answer._report", broken)
        assert cli.run(["."]) == 2
        (file,) = kept(here)
        assert f"what shows this bug is kept in {file}\n" in capfd.readouterr().err
        assert "ZeroDivisionError: of ours" in file.read_text()


def test_the_surroundings_of_a_second_look_are_those_of_its_files(here: Path) -> None:
    around = Options(paths=("right.py",)).surroundings(["right.py"])
    assert isinstance(around, Surroundings)
    assert around.read("wrong.py") is not None
