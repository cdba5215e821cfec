"""Settings files further down than the one of a run: what they say of their own files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fixgrad import cli
from tests.notebooks import jupyter
from tests.test_settings import PROGRAM, Fixgrad, fixgrad, here, settings, write

__all__ = ["fixgrad", "here"]  # fixtures: the command line, and an empty repository to be in

TOP, MIDDLE, DEEP = (f"{folder}fit.py:4 FG102*" for folder in ("", "a/", "a/b/c/"))


@pytest.fixture(autouse=True)
def programs(here: Path) -> None:
    """Put the same program in three folders of one another."""
    for folder in ("", "a/", "a/b/c/"):
        write(f"{folder}fit.py", PROGRAM)


def table(folder: str, text: str) -> None:
    write(f"{folder}/pyproject.toml", f"[tool.fixgrad]\n{text}\n")


def test_each_file_has_the_nearest(fixgrad: Fixgrad) -> None:
    assert fixgrad.found() == [DEEP, MIDDLE, TOP]
    table("a/b", "ignore = ['FG1']")
    assert fixgrad.found() == [MIDDLE, TOP]
    settings("ignore = ['FG1']")
    table("a/b", "")
    assert fixgrad.found() == [DEEP]
    table("a", "select = ['FG1']")
    assert fixgrad.found() == [DEEP, MIDDLE]
    assert fixgrad.found("a/b") == [DEEP]


def test_what_is_not_reported_is_not_repaired(fixgrad: Fixgrad) -> None:
    table("a", "ignore = ['FG1']")
    assert fixgrad("--fix").code == 0
    assert [Path(p).read_text() == PROGRAM for p in ("fit.py", "a/fit.py", "a/b/c/fit.py")] == [
        False, True, True
    ]  # fmt: skip


def test_globs_are_taken_from_their_folder(fixgrad: Fixgrad) -> None:
    table("a", "exclude = ['b/**/fit.py']")
    assert fixgrad.found() == [MIDDLE, TOP]
    table("a", "per-file-ignores = { 'b/c/*.py' = ['FG1'] }")
    assert fixgrad.found() == [MIDDLE, TOP]
    table("a", "exclude = ['fit.py']")
    assert fixgrad.found() == [TOP]
    assert fixgrad("--show-files").out == "fit.py\n"


def test_notebooks_are_left_out_where_it_is_said(fixgrad: Fixgrad) -> None:
    for path in ("n.ipynb", "a/n.ipynb"):
        Path(path).write_bytes(jupyter(PROGRAM))
    table("a", "notebooks = false")
    assert fixgrad("--show-files").out.split() == ["a/b/c/fit.py", "a/fit.py", "fit.py", "n.ipynb"]


def test_style(fixgrad: Fixgrad) -> None:
    table("a/b", "style = 'requires_grad_'")
    assert fixgrad("--fix", "-q").code == 0
    assert "requires_grad=True" in Path("a/fit.py").read_text()
    assert ".requires_grad_()" in Path("a/b/c/fit.py").read_text()


def test_what_holds_for_the_whole_run_is_that_of_the_top(fixgrad: Fixgrad) -> None:
    table("a", "output-format = 'json'\nfail-on = 'never'\nunsafe-fixes = true")
    ran = fixgrad()
    assert ran.code == 1
    assert ran.out.startswith("a/b/c/fit.py:4:5 FG102 [*]")


@pytest.mark.parametrize("options", [("--isolated",), ("--config", "other.toml")])
def test_without_the_files_that_are_found(fixgrad: Fixgrad, options: tuple[str, ...]) -> None:
    write("other.toml", "")
    table("a", "ignore = ['FG1']")
    assert fixgrad.found(*options) == [DEEP, MIDDLE, TOP]


def test_the_command_line_comes_before_all_of_them(fixgrad: Fixgrad) -> None:
    table("a", "select = ['FG102']")
    settings("select = ['FG2']")
    assert fixgrad.found() == [DEEP, MIDDLE]
    assert fixgrad.found("--select", "FG101") == []
    assert fixgrad.found("--ignore", "FG102") == []
    assert fixgrad.found("--select", "FG1") == [DEEP, MIDDLE, TOP]


def test_a_wrong_one_stops_the_run(fixgrad: Fixgrad) -> None:
    table("a/b", "selct = []")
    ran = fixgrad()
    assert ran.code == 2
    assert ran.err.startswith("fixgrad: a/b/pyproject.toml:2: unknown setting 'selct', did you")
    write("a/b/pyproject.toml", "[tool.other]\n")
    assert fixgrad.found() == [DEEP, MIDDLE, TOP]


def test_an_interactive_review_and_editors_agree(
    fixgrad: Fixgrad, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    table("a", "ignore = ['FG1']")
    write("kept.json", '{"version": 1, "decisions": []}')
    monkeypatch.setattr("sys.stdin", None)
    assert cli.run(["-i"]) == 1
    assert "[1/1] repair this?" in capfd.readouterr().err
    os.chdir("a/b")
    assert fixgrad.found("c/fit.py") == []
