"""What each setting does, seen from the command line, and the help that tells of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fixgrad.settings.table import SETTINGS, WITHOUT_OPTION
from tests.notebooks import jupyter
from tests.programs import Programs
from tests.test_settings import PROGRAM, Fixgrad, Ran, fixgrad, here, settings, write

__all__ = ["fixgrad", "here"]  # fixtures: the command line, and an empty repository to be in


class TestEffects:
    """Each setting does what it says, seen from the command line."""

    @pytest.fixture(autouse=True)
    def program(self) -> None:
        """Put the same program in two folders."""
        write("src/fit.py", PROGRAM)
        write("tests/test_fit.py", PROGRAM)

    BOTH = ("src/fit.py:4 FG102*", "tests/test_fit.py:4 FG102*")

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("", BOTH),
            ("select = ['FG101']", ()),
            ("ignore = ['FG1']", ()),
            ("select = ['FG101']\nextend-select = ['untracked-optimizer-parameter']", BOTH),
            ("select = []", ()),
            ("exclude = ['tests']", BOTH[:1]),
            ("exclude = ['src/*.py']", BOTH[1:]),
            ("extend-exclude = ['fit.py']", BOTH[1:]),
            ("per-file-ignores = { 'tests/*' = ['FG1'] }", BOTH[:1]),
            ("per-file-ignores = { 'tests/*' = ['FG2'] }", BOTH),
            ("per-file-ignores = { '!src' = ['ALL'] }", BOTH[:1]),
            ("per-file-ignores = { 'test_*.py' = ['FG102'] }", BOTH[:1]),
            ("fixable = ['FG2']", tuple(row.rstrip("*") for row in BOTH)),
            ("fixable = []", tuple(row.rstrip("*") for row in BOTH)),
            ("unfixable = ['FG102']", tuple(row.rstrip("*") for row in BOTH)),
            ("extend-unsafe-fixes = ['FG102']", tuple(row.rstrip("*") for row in BOTH)),
            ("extend-unsafe-fixes = ['FG102']\nunsafe-fixes = true", BOTH),
        ],
    )
    def test_findings(self, fixgrad: Fixgrad, text: str, found: tuple[str, ...]) -> None:
        settings(text)
        assert fixgrad.found() == list(found)
        os.chdir("src")
        expected = [re.sub(r"^", "../", row) for row in found]
        assert fixgrad.found("..") == expected, "globs start at the settings file"

    def test_what_is_not_fixable_is_not_fixed(self, fixgrad: Fixgrad) -> None:
        settings("unfixable = ['FG102']")
        ran = fixgrad("--fix")
        assert ran.code == 1
        assert Path("src/fit.py").read_text() == PROGRAM

    def test_what_is_never_repaired_waits_for_no_option(self, fixgrad: Fixgrad) -> None:
        write("src/fit.py", PROGRAM.replace("[1.0, 2.0]", "[1, 2]"))
        assert "1 with --unsafe-fixes" in fixgrad("src").err
        settings("unfixable = ['FG204']")
        assert "--unsafe-fixes" not in fixgrad("src").err

    def test_an_unsafe_repair_counts_as_safe(self, fixgrad: Fixgrad) -> None:
        whole = PROGRAM.replace("[1.0, 2.0]", "[1, 2]")
        write("src/fit.py", whole)
        assert fixgrad.found("src") == ["src/fit.py:4 FG204"]
        settings("extend-safe-fixes = ['FG204']")
        assert fixgrad.found("src") == ["src/fit.py:4 FG204*"]

    @pytest.mark.parametrize(
        ("style", "line"),
        [
            ("auto", "w = torch.tensor(np.array([1.0, 2.0]), requires_grad=True)"),
            ("tensor", "w = torch.tensor(np.array([1.0, 2.0]), requires_grad=True)"),
            ("requires_grad_", "w = torch.from_numpy(np.array([1.0, 2.0])).requires_grad_()"),
            ("asarray", "w = torch.asarray(np.array([1.0, 2.0]), requires_grad=True)"),
        ],
    )
    def test_style(self, fixgrad: Fixgrad, style: str, line: str) -> None:
        settings(f"style = '{style}'")
        assert fixgrad("--fix", "src").code == 0
        assert Path("src/fit.py").read_text().splitlines()[3] == line

    @pytest.mark.parametrize("style", ["requires_grad_", "asarray"])
    def test_the_style_gives_way_where_it_would_be_wrong(
        self, fixgrad: Fixgrad, style: str
    ) -> None:
        """The optimizer would overwrite the array that is printed in the end."""
        shared = PROGRAM.replace("np.array([1.0, 2.0]))", "a)").replace(
            "w = ", "a = np.array([1.0, 2.0])\nw = "
        )
        write("src/fit.py", shared + "print(a)\n")
        settings(f"style = '{style}'")
        assert fixgrad("--fix", "src").code == 0
        assert "w = torch.tensor(a, requires_grad=True)" in Path("src/fit.py").read_text()

    def test_style_of_a_call_with_the_keyword(self, fixgrad: Fixgrad) -> None:
        write("src/fit.py", PROGRAM.replace("from_numpy", "tensor"))
        for style, end in (("requires_grad_", ").requires_grad_()"), ("auto", ", requires_grad=")):
            assert end in fixgrad("--diff", "--style", style, "src").out

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("", 1),
            ("fail-on = 'high'", 1),
            ("fail-on = 'never'", 0),
            ("min-confidence = 'high'", 1),
        ],
    )
    def test_exit_code(self, fixgrad: Fixgrad, text: str, code: int) -> None:
        settings(text)
        ran = fixgrad()
        assert ran.code == fixgrad("--diff").code == code
        assert "FG102" in ran.out

    def test_output_format(self, fixgrad: Fixgrad) -> None:
        settings("output-format = 'json'")
        assert fixgrad().out.startswith("[\n{")
        assert fixgrad("--output-format", "full").out.startswith("src/fit.py:4:5 FG102")

    def test_files(self, fixgrad: Fixgrad) -> None:
        assert fixgrad("--show-files") == Ran(0, "src/fit.py\ntests/test_fit.py\n", "")
        assert fixgrad("--show-files", "--exclude", "src").out == "tests/test_fit.py\n"

    def test_what_git_ignores(self, fixgrad: Fixgrad) -> None:
        os.rmdir(".git")
        subprocess.run(["git", "init", "-q"], check=True)
        write(".gitignore", "tests\n")
        assert fixgrad("--show-files").out == "src/fit.py\n"
        every = "src/fit.py\ntests/test_fit.py\n"
        assert fixgrad("--no-respect-gitignore", "--show-files").out == every
        settings("respect-gitignore = false")
        assert fixgrad("--show-files").out == every
        assert fixgrad("--respect-gitignore", "--show-files").out == "src/fit.py\n"

    def test_notebooks(self, fixgrad: Fixgrad) -> None:
        Path("n.ipynb").write_bytes(jupyter(PROGRAM))
        assert fixgrad("--show-files").out.startswith("n.ipynb\n")
        settings("notebooks = false")
        assert fixgrad("--show-files").out == "src/fit.py\ntests/test_fit.py\n"
        assert fixgrad("n.ipynb") == Ran(0, "", "no Python files found\n")
        assert "n.ipynb" in fixgrad("--notebooks", "--show-files").out

    def test_what_is_excluded_and_named(self, fixgrad: Fixgrad) -> None:
        settings("exclude = ['src']")
        assert fixgrad.found("src/fit.py") == []
        assert fixgrad.found("--no-force-exclude", "src/fit.py") == ["src/fit.py:4 FG102*"]
        assert fixgrad.found("--no-force-exclude") == ["tests/test_fit.py:4 FG102*"]
        settings("exclude = ['src']\nforce-exclude = false")
        assert fixgrad.found("src/fit.py") == ["src/fit.py:4 FG102*"]
        assert fixgrad.found("--force-exclude", "src/fit.py") == []

    def test_folders_that_imports_begin_in(self, fixgrad: Fixgrad) -> None:
        """Two files of the same name: nobody but the user knows which is meant."""
        for folder in ("apps/new/code", "apps/old/code"):
            makes = "torch.from_numpy" if "new" in folder else "torch.zeros_like"
            text = (
                f"import numpy as np\nimport torch\ndef made():\n    return {makes}(np.ones(2))\n"
            )
            write(f"{folder}/maker/__init__.py", text)
        use = "from maker import made\nw = made()\n(w**2).sum().backward()\nprint(w.grad)\n"
        write("scripts/use.py", use)
        assert fixgrad.found("scripts/use.py") == []
        settings("src = ['apps/new/code']")
        assert fixgrad.found("scripts/use.py") == ["scripts/use.py:2 FG101*"]
        assert fixgrad.found("--src", "apps/old/code", "scripts/use.py") == []
        assert (
            "repaired because of FG101" in fixgrad("why", "apps/new/code/maker/__init__.py:4").out
        )
        os.chdir("scripts")
        assert fixgrad.found("use.py") == ["use.py:2 FG101*"]
        assert fixgrad.found("--isolated", "--src", "../apps/new/code", "use.py") != []

    def test_explanations_leave_the_same_files_out(self, fixgrad: Fixgrad) -> None:
        write("src/made.py", "import torch\nw = torch.from_numpy(a)\n")
        write("src/fit.py", "from made import w\n(w**2).sum().backward()\nprint(w.grad)\n")
        assert "grant the gradient" in fixgrad("why", "src/made.py:2").out
        settings("exclude = ['fit.py']")
        assert (
            "nothing that can reach this line asks for a gradient"
            in fixgrad("why", "src/made.py:2").out
        )
        assert "grant the gradient" in fixgrad("why", "--isolated", "src/made.py:2").out
        settings("exclude = 3")
        assert fixgrad("graph", "src/made.py").code == 2
        assert fixgrad("graph", "--isolated", "src/made.py").code == 0

    def test_explanations_know_the_same_calls(self, fixgrad: Fixgrad) -> None:
        text = PROGRAM.replace("torch.from_numpy", "mylib.to_tensor")
        write("src/fit.py", f"import mylib\n{text}")
        settings('sources = [{ call = "mylib.to_tensor" }]')
        assert fixgrad.found("src") == ["src/fit.py:5 FG102*"]
        assert "repaired because of FG102" in fixgrad("why", "src/fit.py:5").out
        assert "repaired because of FG102" not in fixgrad("why", "--isolated", "src/fit.py:5").out

    def test_standard_input_has_the_settings_of_its_name(
        self, fixgrad: Fixgrad, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write("src/pyproject.toml", "[tool.fixgrad]\nselect = 3")
        ran = fixgrad("--stdin-filename", "src/fit.py", "-")
        assert ran == Ran(
            2, "", "fixgrad: src/pyproject.toml:2: select: expected a list of rules, not a number\n"
        )

    def test_a_wrong_option(self, fixgrad: Fixgrad) -> None:
        ran = fixgrad("--per-file-ignores", "tests")
        assert ran.code == 2
        assert "--per-file-ignores 'tests': write GLOB:CODES, tests/*:FG102" in ran.err
        assert "--fixable: no rule 'FG9'" in fixgrad("--fixable", "FG9").err
        assert "--per-file-ignores: no rule 'X'" in fixgrad("--per-file-ignores", "a:X").err


@pytest.mark.torch
class TestPrograms:
    """Settings of which only a run shows that what they do is right."""

    @pytest.mark.parametrize("style", ["auto", "tensor", "requires_grad_", "asarray"])
    def test_every_style_trains(self, fixgrad: Fixgrad, programs: Programs, style: str) -> None:
        write("fit.py", PROGRAM)
        assert programs.run(Path("fit.py")).code != 0
        assert fixgrad("--fix", "--style", style).code == 0
        assert programs.run(Path("fit.py")).output == "[0.8 1.6]\n"
        assert fixgrad.found() == []

    def test_what_is_run_to_prove_repairs(self, fixgrad: Fixgrad) -> None:
        write("fit.py", PROGRAM)
        ran = fixgrad("verify")
        assert ran.code == 2
        assert "after --, or as the setting verify-command" in ran.err
        settings("verify-command = ['python', 'fit.py']")
        ran = fixgrad("verify", "--python", sys.executable)
        assert "1 proved; original: exit 1, repaired: exit 0" in ran.err
        assert ran.code == 0


class TestHelp:
    def test_every_option_is_listed_in_its_section(self, fixgrad: Fixgrad) -> None:
        ran = fixgrad("--help-all")
        assert ran.code == 0
        headings = re.findall(r"(?m)^(\w[\w ]+):$", ran.out)
        assert headings[:7] == [
            "What to do", "Rules", "Files", "Repairs", "Report", "Speed", "This program",
        ]  # fmt: skip
        for setting in SETTINGS:
            listed = re.search(rf"(?m)^  (-\w, )?--(\[no-\])?{setting.name} ", ran.out)
            assert (listed is None) is (setting.kind in WITHOUT_OPTION)
        assert "high or never." in re.sub(r"\s+", " ", ran.out)
        assert max(map(len, ran.out.splitlines())) <= 80

    def test_help_lists_the_common_ones(self, fixgrad: Fixgrad) -> None:
        text = fixgrad("--help").out
        for setting in SETTINGS:
            listed = re.search(rf"(?m)^  (-\w, )?--(\[no-\])?{setting.name} ", text)
            assert (listed is not None) is setting.common
        assert "--help-all" in text
