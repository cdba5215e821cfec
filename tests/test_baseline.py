"""A baseline: what it passes over, how it gets shorter, and what it does not hide."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.test_settings import Fixgrad, fixgrad, here, settings, write

__all__ = ["fixgrad", "here"]  # fixtures: the command line, and an empty repository to be in

HEAD = "import numpy as np\nimport torch\n\n"
TRAINED = """\
{0} = torch.from_numpy(np.array([1.0, 2.0]))
optimizer_{0} = torch.optim.SGD([{0}], lr=0.1)
({0}**2).sum().backward()
optimizer_{0}.step()
"""
KNOWN = ("--baseline", "known.json")


@pytest.fixture(autouse=True)
def programs(here: Path) -> None:
    """Put two files with a finding each in the repository."""
    write("src/a.py", HEAD + TRAINED.format("a"))
    write("src/b.py", HEAD + TRAINED.format("b"))


@pytest.fixture
def recorded(fixgrad: Fixgrad) -> None:
    """Record both findings."""
    ran = fixgrad(*KNOWN, "--write-baseline")
    assert (ran.code, ran.out, ran.err) == (0, "", "recorded 2 findings in known.json\n")


def texts() -> list[str]:
    """Return what the baseline records, "src/a.py: FG102 a = ..."."""
    found = json.loads(Path("known.json").read_text("utf-8"))["findings"]
    return [f"{name}: {k['rule']} {k['text']}" for name, known in found.items() for k in known]


A, B = (
    f"src/{name}.py: FG102 {name} = torch.from_numpy(np.array([1.0, 2.0]))" for name in ("a", "b")
)


class TestKnown:
    def test_the_file_can_be_read_and_merged(self, recorded: None) -> None:
        assert texts() == [A, B]
        text = Path("known.json").read_text("utf-8")
        assert len(re.findall(r'(?m)^      \{"rule": .*\},?$', text)) == 2

    def test_what_is_recorded_is_passed_over(self, fixgrad: Fixgrad, recorded: None) -> None:
        ran = fixgrad(*KNOWN)
        assert (ran.code, ran.out) == (0, "")
        assert ran.err.endswith("2 findings of the baseline passed over\n")
        assert fixgrad(*KNOWN, "--diff").code == 0
        before = Path("src/a.py").read_text()
        assert fixgrad(*KNOWN, "--fix").code == 0
        assert Path("src/a.py").read_text() == before

    def test_lines_may_move_and_be_laid_out_anew(self, fixgrad: Fixgrad, recorded: None) -> None:
        text = TRAINED.format("a").replace("torch.from_numpy(np", "torch.from_numpy(\n    np")
        write("src/a.py", f"# one\n# two\n{HEAD}{text}")
        os.chdir("src")
        assert fixgrad.found("--baseline", "../known.json") == ["a.py:6 FG102*"]
        text = TRAINED.format("a").replace("a = ", "a  =  ")
        write("a.py", f"# one\n# two\n{HEAD}{text}")
        assert fixgrad.found("--baseline", "../known.json") == []

    def test_what_is_new_is_reported_and_repaired(self, fixgrad: Fixgrad, recorded: None) -> None:
        write("src/a.py", HEAD + TRAINED.format("a") + TRAINED.format("c"))
        assert fixgrad.found(*KNOWN) == ["src/a.py:8 FG102*"]
        assert fixgrad(*KNOWN, "--fix").code == 0
        text = Path("src/a.py").read_text()
        assert "a = torch.from_numpy(np.array([1.0, 2.0]))" in text
        assert "c = torch.tensor(np.array([1.0, 2.0]), requires_grad=True)" in text
        assert texts() == [A, B]

    def test_one_more_of_the_same_is_new(self, fixgrad: Fixgrad, recorded: None) -> None:
        write("src/a.py", HEAD + TRAINED.format("a") * 2)
        assert fixgrad.found(*KNOWN) == ["src/a.py:8 FG102*"]

    def test_no_other_rule_grants_what_is_known(self, fixgrad: Fixgrad, recorded: None) -> None:
        """The backward pass has nothing to differentiate but what is passed over."""
        assert "FG104" not in fixgrad(*KNOWN).out
        assert fixgrad(*KNOWN, "--diff").out == ""

    def test_it_is_a_setting(self, fixgrad: Fixgrad, recorded: None) -> None:
        os.rename("known.json", "src/known.json")
        settings("baseline = 'src/known.json'")
        assert fixgrad().code == 0
        os.chdir("src")
        assert fixgrad().code == 0
        assert fixgrad("--baseline", "").code == 1

    def test_a_text_from_standard_input(
        self, fixgrad: Fixgrad, recorded: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with open("src/a.py") as file:
            monkeypatch.setattr("sys.stdin", file)
            assert fixgrad(*KNOWN, "--stdin-filename", "src/a.py", "-").code == 0


class TestShorter:
    @pytest.fixture(autouse=True)
    def one_less(self, recorded: None) -> None:
        """Repair one of the two findings by hand."""
        write("src/b.py", HEAD + "b = torch.zeros(2, requires_grad=True)\n")

    def test_what_is_gone_is_told(self, fixgrad: Fixgrad) -> None:
        ran = fixgrad(*KNOWN)
        assert ran.code == 0
        assert ran.err.endswith(
            f"1 finding of the baseline no longer there; --write-baseline takes that out:\n  {B}\n"
        )
        assert texts() == [A, B]

    def test_strict(self, fixgrad: Fixgrad) -> None:
        assert fixgrad(*KNOWN, "--baseline-strict").code == 1
        settings("baseline-strict = true")
        assert fixgrad(*KNOWN).code == 1
        assert fixgrad(*KNOWN, "--exit-zero").code == 0
        fixgrad(*KNOWN, "--write-baseline")
        assert fixgrad(*KNOWN).code == 0

    def test_it_cannot_come_back(self, fixgrad: Fixgrad) -> None:
        fixgrad(*KNOWN, "--write-baseline")
        assert texts() == [A]
        write("src/b.py", HEAD + TRAINED.format("b"))
        assert fixgrad.found(*KNOWN) == ["src/b.py:4 FG102*"]

    def test_fix_makes_it_shorter(self, fixgrad: Fixgrad) -> None:
        ran = fixgrad(*KNOWN, "--fix")
        assert ran.code == 0
        assert ran.err.endswith(f"1 finding of the baseline taken out:\n  {B}\n")
        assert texts() == [A]

    def test_only_files_that_are_looked_at_are_judged(self, fixgrad: Fixgrad) -> None:
        assert fixgrad(*KNOWN, "--baseline-strict", "src/a.py").code == 0
        assert fixgrad(*KNOWN, "--fix", "src/a.py").code == 0
        assert texts() == [A, B]
        fixgrad(*KNOWN, "--write-baseline", "src/a.py")
        assert texts() == [A, B]

    def test_a_file_that_is_gone(self, fixgrad: Fixgrad) -> None:
        os.unlink("src/b.py")
        ran = fixgrad(*KNOWN, "--baseline-strict", "src/a.py")
        assert (ran.code, B in ran.err) == (1, True)
        fixgrad(*KNOWN, "--write-baseline", "src/a.py")
        assert texts() == [A]

    def test_a_file_with_a_problem_is_not_judged(self, fixgrad: Fixgrad) -> None:
        write("src/b.py", "b = (\n")
        ran = fixgrad(*KNOWN, "--fix")
        assert ran.code == 2
        assert texts() == [A, B]

    def test_everything_is_gone(self, fixgrad: Fixgrad) -> None:
        write("src/a.py", HEAD)
        fixgrad(*KNOWN, "--write-baseline")
        assert texts() == []
        assert fixgrad(*KNOWN).code == 0


class TestComplaints:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "known.json: not a baseline: Expecting property name"),
            ("[]", "known.json: not a baseline; --write-baseline makes one"),
            ('{"version": 2, "findings": {}}', "known.json: not a baseline;"),
            ('{"version": 1, "findings": {"a": [1]}}', "known.json: not a baseline;"),
            (None, "known.json: no such baseline; --write-baseline makes one"),
        ],
    )
    def test_the_file(self, fixgrad: Fixgrad, text: str | None, message: str) -> None:
        if text is not None:
            write("known.json", text)
        ran = fixgrad(*KNOWN)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith(f"fixgrad: {message}")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--write-baseline"], "--write-baseline needs --baseline FILE"),
            ([*KNOWN, "--write-baseline", "--fix"], "it goes alone"),
            ([*KNOWN, "--write-baseline", "-"], "go with files, not with the path -"),
        ],
    )
    def test_wrong_use(self, fixgrad: Fixgrad, arguments: list[str], message: str) -> None:
        ran = fixgrad(*arguments)
        assert ran.code == 2
        assert message in ran.err
        assert not Path("known.json").exists()

    def test_it_cannot_be_written(self, fixgrad: Fixgrad) -> None:
        ran = fixgrad("--baseline", "nix/known.json", "--write-baseline")
        assert ran.code == 2
        assert "nix/known.json: cannot be written: no such file or directory" in ran.err
