"""The story from paths to patches, told with an analysis that only reads markers in comments."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from fixgrad import pipeline
from fixgrad.edits import Operation, Patch
from fixgrad.errors import FixgradError
from fixgrad.findings import Applicability, Finding, Refusal, Repair, Step
from fixgrad.pipeline import Options, Outcome
from fixgrad.policy import Policy
from fixgrad.source import Problem, Source, Span

rewriting = importlib.import_module("fixgrad.rewrite")
checking = importlib.import_module("fixgrad.rewrite.check")

CONVERSION = re.compile(r"(torch\.from_numpy\(\w+\))(?!\.req).*# (safe|unsafe|display|refused)(.*)")


class Analysis(NamedTuple):
    """What `fixgrad.analysis.analyse` returns."""

    repairs: tuple[Repair, ...]
    refusals: tuple[Refusal, ...]
    problems: tuple[Problem, ...]


def analyse(sources: Sequence[Source], policy: Policy, *_: object) -> Analysis:
    """Find what the comments `# safe`, `# unsafe`, `# display` and `# refused` announce.

    Findings with the same word behind that, `# safe together`, are one repair.
    """
    repairs: dict[str, Repair] = {}
    refusals: list[Refusal] = []
    problems: list[Problem] = []
    for source in sources:
        for number, line in enumerate(source.lines(), 1):
            if line.startswith("broken"):
                problems.append(Problem(source.path, number, 0, "not valid Python"))
            match = CONVERSION.search(line)
            if match is None or not policy.selected("FG101"):
                continue
            span = Span(source.path, number, match.start(1), number, match.end(1))
            trace = (Step(span, "made here"), Step(span, "demanded here"))
            finding = Finding("FG101", span, "nothing tracks `x`", "high", trace)
            if match[2] == "refused":
                refusals.append(Refusal(finding, "FG902", "the array is written later"))
                continue
            grant = Operation(span, "append", ".requires_grad_()")
            repair = Repair(finding, (grant,), Applicability[match[2].upper()], "grant it")
            group = match[3].strip() or str(span)
            if group in repairs:
                repair = repairs[group]._replace(operations=(*repairs[group].operations, grant))
            repairs[group] = repair
    return Analysis(tuple(repairs.values()), tuple(refusals), tuple(problems))


@pytest.fixture(autouse=True)
def analysis(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Put the analysis of this file in the place of the real one."""
    module = ModuleType("fixgrad.analysis")
    vars(module)["analyse"] = analyse
    monkeypatch.setitem(sys.modules, "fixgrad.analysis", module)
    return module


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty current folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def make(path: str, *conversions: str) -> None:
    lines = [f"x = torch.from_numpy(a)  # {conversion}\n" for conversion in conversions]
    Path(path).write_text("import torch\n" + "".join(lines))


def said(outcome: Outcome) -> list[str]:
    """Return what is found as "a.py:2 safe", with a star where it is fixable."""
    return [
        f"{entry.finding.span.path}:{entry.finding.span.line} {entry.tag}{'*' * entry.fixable}"
        for entry in outcome.entries
    ]


def granted(path: str) -> list[bool]:
    lines = Path(path).read_text().splitlines()
    return [".requires_grad_()" in line for line in lines[1:]]


def test_report_shows_everything_and_writes_nothing() -> None:
    make("b.py", "safe", "refused")
    make("a.py", "unsafe", "display", "safe")
    outcome = pipeline.run(Options())
    expected = ["a.py:2 unsafe", "a.py:3 display", "a.py:4 safe*", "b.py:2 safe*", "b.py:3 FG902"]
    assert said(outcome) == expected
    assert outcome.files == 2
    assert not outcome.patches
    assert granted("b.py") == [False, False]
    entry = outcome.entries[3]
    assert [edit.text for edit in entry.edits]
    assert entry.diff.startswith("@@ -1,3 +1,3 @@\n import torch\n-x = torch.from_numpy(a)  # safe")


def test_diff_plans_what_fix_would_write() -> None:
    make("a.py", "unsafe", "safe", "display", "refused")
    outcome = pipeline.run(Options(diff=True))
    assert said(outcome) == ["a.py:2 unsafe", "a.py:4 display", "a.py:5 FG902"]
    assert [repair.applicability for repair in outcome.repaired] == [Applicability.SAFE]
    (planned,) = [patch.after for _, patch in outcome.patches]
    assert granted("a.py") == [False] * 4
    pipeline.run(Options(fix=True))
    assert Path("a.py").read_text() == planned


@pytest.mark.parametrize("unsafe", [False, True])
def test_fix_writes_and_reports_what_remains(unsafe: bool) -> None:
    make("a.py", "unsafe", "safe", "display")
    outcome = pipeline.run(Options(fix=True, unsafe=unsafe))
    assert granted("a.py") == [unsafe, True, False]
    assert said(outcome) == ["a.py:2 unsafe"] * (not unsafe) + ["a.py:4 display"]
    assert outcome.sources[0].text == Path("a.py").read_text()
    again = pipeline.run(Options(fix=True, unsafe=unsafe))
    assert (again.patches, again.repaired, said(again)) == ((), (), said(outcome))


def test_rules_that_are_not_selected_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    make("a.py", "safe")
    monkeypatch.setattr(
        "fixgrad.options.selection",
        lambda select, ignore, said="": lambda code: not select or code in select,
    )
    assert said(pipeline.run(Options(select=("FG102",)))) == []
    assert said(pipeline.run(Options(select=("FG101",)))) == ["a.py:2 safe*"]


def test_where_no_file_mentions_torch_nothing_is_loaded(analysis: ModuleType) -> None:
    del analysis.analyse
    Path("a.py").write_text("broken = 1\n")
    assert pipeline.run(Options(fix=True)) == Outcome(1)


def test_a_problem_with_one_file_does_not_stop_the_others() -> None:
    make("a.py", "safe")
    Path("b.py").write_bytes(b"\xff")
    Path("c.py").write_text("broken = 1\n")
    outcome = pipeline.run(Options(fix=True))
    assert granted("a.py") == [True]
    assert [problem.path for problem in outcome.problems] == ["b.py", "c.py"]


def test_a_repair_is_made_in_all_its_files_or_in_none(monkeypatch: pytest.MonkeyPatch) -> None:
    make("a.py", "safe together", "safe")
    make("b.py", "safe together", "safe")
    assert len(pipeline.run(Options()).entries) == 3
    refuse_in(monkeypatch, "b.py", 2)
    outcome = pipeline.run(Options(fix=True))
    assert granted("a.py") == granted("b.py") == [False, True]
    assert said(outcome) == ["a.py:2 FG908"]
    outcome = pipeline.run(Options(diff=True))
    assert said(outcome) == ["a.py:2 FG908"]
    assert not outcome.patches


def refuse_in(monkeypatch: pytest.MonkeyPatch, path: str, line: int) -> None:
    """Let the rewriter refuse one place."""
    real = rewriting.rewrite

    def rewrite(source: Source, operations: Sequence[Operation]) -> Patch:
        if any(operation.span[:2] == (path, line) for operation in operations):
            raise rewriting.RewriteRefused(operations[0], "the place is taken")
        patch: Patch = real(source, operations)
        return patch

    monkeypatch.setattr(rewriting, "rewrite", rewrite)


def test_repairs_that_collide_are_not_both_made(
    analysis: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("a.py", "unsafe")
    real = rewriting.rewrite

    def rewrite(source: Source, operations: Sequence[Operation]) -> Patch:
        if len(operations) > 1:
            raise rewriting.RewriteRefused(operations[0], "two at once")
        patch: Patch = real(source, operations)
        return patch

    def two(sources: Sequence[Source], *more: object) -> Analysis:
        found = analyse(sources, Policy(unsafe=True))
        safer = [
            repair._replace(
                operations=(repair.operations[0]._replace(argument=".requires_grad_(True)"),),
                applicability=Applicability.SAFE,
            )
            for repair in found.repairs
        ]
        return found._replace(repairs=(*found.repairs, *safer))

    monkeypatch.setattr(rewriting, "rewrite", rewrite)
    analysis.analyse = two  # type: ignore[attr-defined]
    outcome = pipeline.run(Options(diff=True, unsafe=True))
    assert [repair.applicability for repair in outcome.repaired] == [Applicability.SAFE]
    assert said(outcome) == ["a.py:2 FG908"]
    assert "two at once" in outcome.entries[0].outcome.reason  # type: ignore[union-attr]


def test_an_operation_that_two_findings_need_is_made_once(analysis: ModuleType) -> None:
    make("a.py", "safe")

    def twice(sources: Sequence[Source], *more: object) -> Analysis:
        found = analyse(sources, Policy(unsafe=True))
        also = [r._replace(finding=r.finding._replace(rule="FG102")) for r in found.repairs]
        return found._replace(repairs=(*found.repairs, *also))

    analysis.analyse = twice  # type: ignore[attr-defined]
    outcome = pipeline.run(Options(fix=True))
    assert len(outcome.repaired) == 2
    assert Path("a.py").read_text().count("requires_grad_") == 1


def test_a_patch_that_fails_its_check_is_never_written(monkeypatch: pytest.MonkeyPatch) -> None:
    make("a.py", "safe together", "safe")
    make("b.py", "safe together", "safe")
    make("c.py", "safe")

    def check(before: str, patch: Patch) -> str | None:
        return "line 2 changed too" if patch.path == "b.py" else None

    monkeypatch.setattr(checking, "check", check)
    outcome = pipeline.run(Options(fix=True))
    assert [granted(path) for path in ("a.py", "b.py", "c.py")] == [
        [False, True],
        [False, False],
        [True],
    ]
    (problem,) = outcome.problems
    assert str(problem).startswith("b.py: fixgrad has a bug: line 2 changed too; the file is left")


def test_a_bug_in_one_file_leaves_the_others(
    analysis: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("a.py", "safe")
    make("b.py", "safe")
    real = analysis.analyse

    def bug(sources: Sequence[Source], *more: object) -> object:
        if any(source.path == "a.py" for source in sources):
            raise RecursionError("too deep")
        return real(sources, *more)

    monkeypatch.setattr(analysis, "analyse", bug)
    outcome = pipeline.run(Options(fix=True))
    assert {problem.path for problem in outcome.problems} == {"a.py"}
    assert granted("a.py") == [False]
    assert granted("b.py") == [True]


def test_a_bug_that_takes_several_files_is_told_of(
    analysis: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("a.py", "safe")
    make("b.py", "safe")
    real = analysis.analyse

    def bug(sources: Sequence[Source], *more: object) -> Analysis:
        if len(sources) > 1:
            raise RecursionError("too deep")
        found: Analysis = real(sources, *more)
        return found

    monkeypatch.setattr(analysis, "analyse", bug)
    outcome = pipeline.run(Options(fix=True))
    assert granted("a.py") == granted("b.py") == [True]
    (problem,) = outcome.problems
    assert str(problem).startswith("fixgrad: fixgrad has a bug: the analysis failed (RecursionErr")


@pytest.mark.parametrize("where", ["analyse", "rewrite", "check"])
def test_a_bug_of_ours_is_a_problem_and_nothing_is_written(
    analysis: ModuleType, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    make("a.py", "safe")

    def bug(*_: object, **__: object) -> None:
        raise RecursionError("too deep")

    place = {"rewrite": rewriting, "check": checking}.get(where, analysis)
    monkeypatch.setattr(place, where, bug)
    for options in (Options(fix=True), Options(diff=True, traceback=True)):
        outcome = pipeline.run(options)
        assert not outcome.patches
        message = outcome.problems[0].message
        assert "fixgrad has a bug: " in message
        assert "(RecursionError: too deep)" in message
        assert "please report it" in message
        assert ("Traceback" in message) is options.traceback
    assert granted("a.py") == [False]


def test_a_file_that_changes_meanwhile_stops_the_run(analysis: ModuleType) -> None:
    make("a.py", "safe")
    make("b.py", "safe")

    def slow(sources: Sequence[Source], *more: object) -> Analysis:
        Path("b.py").write_text("mine = 1\n")
        return analyse(sources, Policy())

    analysis.analyse = slow  # type: ignore[attr-defined]
    with pytest.raises(FixgradError, match=r"^b.py: changed while fixgrad was at work"):
        pipeline.run(Options(fix=True))
    assert granted("a.py") == [False]


def test_text_from_standard_input() -> None:
    data = b"\xef\xbb\xbfimport torch\r\nx = torch.from_numpy(a)  # safe\r\n"
    outcome = pipeline.run_on_text("a.py", data, Options(fix=True))
    assert outcome.patches[0][1].after.endswith("from_numpy(a).requires_grad_()  # safe\r\n")
    assert said(outcome) == []
    assert pipeline.run_on_text("a.py", b"\xff", Options()).problems[0].path == "a.py"
    assert not Path("a.py").exists()
