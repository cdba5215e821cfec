"""The command line as its users meet it: options, streams, exit codes, terminals, git."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from fixgrad import catalogue, cli
from fixgrad.catalogue import Rule, selection
from fixgrad.cli.check import command
from fixgrad.errors import FixgradError
from tests import test_pipeline as story
from tests.test_cli_process import CHILD, environment
from tests.test_pipeline import make

analysis, here = story.analysis, story.here  # fixtures: the analysis that reads comments


class Ran(NamedTuple):
    """What one command line did."""

    code: int
    out: str
    err: str


class Fixgrad:
    """Runs command lines in this process."""

    def __init__(self, streams: pytest.CaptureFixture[str]) -> None:
        self._streams = streams

    def __call__(self, *arguments: str) -> Ran:
        self._streams.readouterr()
        code = cli.run(arguments)
        return Ran(code, *self._streams.readouterr())


@pytest.fixture
def fixgrad(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fixgrad:
    """Return fixgrad as a function."""
    monkeypatch.setattr(
        catalogue, "rules", lambda: (Rule("FG101", "a-name", "Text."), Rule("FG203", "other", ""))
    )
    return Fixgrad(capfd)


class TestExitCodes:
    """The table of conventions.md, section 1."""

    @pytest.mark.parametrize(
        ("conversions", "arguments", "code"),
        [
            ([], [], 0),
            (["safe"], [], 1),
            (["unsafe"], [], 1),
            (["refused"], [], 1),
            (["safe"], ["--exit-zero"], 0),
            ([], ["--diff"], 0),
            (["safe"], ["--diff"], 1),
            (["refused"], ["--diff"], 1),
            (["unsafe"], ["--diff"], 1),
            (["safe"], ["--diff", "--exit-zero"], 0),
            ([], ["--fix"], 0),
            (["safe"], ["--fix"], 0),
            (["safe", "unsafe"], ["--fix"], 1),
            (["safe", "unsafe"], ["--fix", "--unsafe-fixes"], 0),
            (["safe", "display"], ["--fix", "--unsafe-fixes"], 1),
            (["refused"], ["--fix"], 1),
            (["refused"], ["--fix", "--exit-zero"], 0),
            (["safe"], ["--fix", "--exit-non-zero-on-fix"], 1),
            ([], ["--fix", "--exit-non-zero-on-fix"], 0),
            (["safe"], ["--fix", "--diff"], 0),
            (["safe", "refused"], ["--fix", "--diff"], 1),
        ],
    )
    def test_the_code(
        self, fixgrad: Fixgrad, conversions: list[str], arguments: list[str], code: int
    ) -> None:
        make("a.py", *conversions)
        assert fixgrad(*arguments).code == code

    @pytest.mark.parametrize(
        "arguments", [[], ["--diff"], ["--fix"], ["--exit-zero"], ["--fix", "--exit-zero"]]
    )
    def test_two_wins(self, fixgrad: Fixgrad, arguments: list[str]) -> None:
        make("a.py", "safe", "refused")
        Path("b.py").write_bytes(b"\xff")
        ran = fixgrad(*arguments)
        assert ran.code == 2
        assert "b.py:1:1: byte 0xff is not valid utf-8" in ran.err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nix.py"], "fixgrad: nix.py: no such file or folder; check the path"),
            (["--nix"], "No such option"),
            (["--select", "FG999"], "fixgrad: --select: no rule 'FG999'"),
            (["--select", "FG1O1"], "did you mean FG101?"),
            (["--ignore", "a-nam"], "did you mean a-name?"),
            (["--output-format", "xml"], "'xml' is not one of"),
            (["-", "a.py"], "goes with no other path"),
            (["--stdin-filename", "x.py", "a.py"], "--stdin-filename goes with the path -"),
            (["rule", "FG999"], "fixgrad: no rule 'FG999'"),
            (["--explain", "FG999"], "fixgrad: no rule 'FG999'"),
            (["--check", "--fix"], "--check only reports: it goes without --fix"),
        ],
    )
    def test_a_bad_option_is_two(
        self, fixgrad: Fixgrad, arguments: list[str], message: str
    ) -> None:
        make("a.py")
        ran = fixgrad(*arguments)
        assert (ran.code, ran.out) == (2, "")
        assert message in ran.err

    def test_what_other_tools_call_it(self, fixgrad: Fixgrad) -> None:
        make("a.py", "safe")
        assert fixgrad("--check") == fixgrad()
        assert fixgrad("--explain", "FG101") == fixgrad("rule", "FG101")

    def test_a_bug_is_two(self, fixgrad: Fixgrad, monkeypatch: pytest.MonkeyPatch) -> None:
        make("a.py", "safe")
        monkeypatch.setattr("fixgrad.cli.answer.render", None)
        ran = fixgrad()
        assert ran.code == 2
        assert "please report it" in ran.err

    def test_no_files_is_zero_with_a_note(self, fixgrad: Fixgrad) -> None:
        assert fixgrad() == Ran(0, "", "no Python files found\n")
        assert fixgrad("-q") == Ran(0, "", "")


class TestStreams:
    def test_report(self, fixgrad: Fixgrad) -> None:
        make("a.py", "safe", "unsafe")
        ran = fixgrad()
        assert ran.out.startswith("a.py:2:5 FG101 [*] nothing tracks `x`  (safe, high)\n   2 | x")
        assert ran.err == "2 findings in 1 file, 1 fixable, 1 with --unsafe-fixes\n"

    def test_diff_is_a_patch_and_nothing_else(self, fixgrad: Fixgrad) -> None:
        make("a.py", "safe", "refused")
        before = Path("a.py").read_bytes()
        ran = fixgrad("--diff")
        assert ran.out.splitlines()[:2] == ["--- a/a.py", "+++ b/a.py"]
        assert "refused" not in re.sub(r"(?m)^ .*\n", "", ran.out)
        assert ran.err == (
            "a.py:3:5: FG101 nothing tracks `x`\n"
            "would repair 1 finding in 1 file\n1 finding in 1 file\n"
        )
        assert Path("a.py").read_bytes() == before

    def test_fix_reports_what_remains(self, fixgrad: Fixgrad) -> None:
        make("a.py", "safe", "refused")
        ran = fixgrad("--fix")
        assert ran.out.startswith("a.py:3:5 FG101 nothing tracks `x`  (FG902, high)\n")
        assert ran.err == "repaired 1 finding in 1 file\n1 finding in 1 file\n"
        make("a.py", "safe")
        assert fixgrad("--fix") == Ran(0, "", "repaired 1 finding in 1 file\n")
        assert fixgrad("--fix") == Ran(0, "", "nothing found in 1 file\n")

    def test_fix_with_diff_prints_what_was_written(self, fixgrad: Fixgrad) -> None:
        make("a.py", "safe")
        preview = fixgrad("--diff").out
        assert fixgrad("--diff", "--fix").out == preview
        assert "requires_grad_" in Path("a.py").read_text()
        assert fixgrad("--diff", "--fix") == Ran(0, "", "nothing found in 1 file\n")

    def test_quiet_and_verbose(self, fixgrad: Fixgrad) -> None:
        make("a.py", "safe")
        assert fixgrad("-q").err == fixgrad("-q", "--diff").err == ""
        assert re.search(r"looked at 1 file in \d+\.\d\d s", fixgrad("-v").err)

    def test_formats(self, fixgrad: Fixgrad) -> None:
        make("a.py", "safe")
        concise = fixgrad("--output-format", "concise")
        assert concise.out == "a.py:2:5: FG101 [*] nothing tracks `x`\n"
        assert json.loads(fixgrad("--output-format", "json").out)[0]["filename"] == "a.py"
        make("a.py")
        assert fixgrad("--output-format", "json").out == "[]\n"

    def test_colour_is_for_terminals_or_on_demand(self, fixgrad: Fixgrad) -> None:
        make("a.py", "safe")
        assert "\x1b[" not in fixgrad().out + fixgrad("--diff").out
        assert "\x1b[" in fixgrad("--color", "always").out
        assert "\x1b[32m+x = " in fixgrad("--color", "always", "--diff").out

    def test_help_fits_a_screen(self, fixgrad: Fixgrad) -> None:
        ran = fixgrad("--help")
        assert ran == fixgrad("-h")
        lines = ran.out.splitlines()
        assert (ran.code, ran.err) == (0, "")
        assert len(lines) <= 40
        assert max(map(len, lines)) <= 80
        assert len(re.findall("(?m)^  +fixgrad .{10}", ran.out)) == 3
        assert ran.out.startswith("Usage: fixgrad [OPTIONS] [PATHS]...\n")

    def test_click_runs_it_too(self) -> None:
        make("a.py", "safe")
        ran = CliRunner().invoke(command, ["--diff"], standalone_mode=False)
        assert ran.stdout.startswith("--- a/a.py\n")
        assert ran.return_value == 1

    def test_an_interrupted_fix_is_told(
        self, fixgrad: Fixgrad, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make("a.py", "safe")
        monkeypatch.setattr("fixgrad.write.interrupted", lambda paths: ("/p/a.py",))
        assert "/p/a.py: half repaired by an interrupted `fixgrad --fix`" in fixgrad().err


class TestStandardInput:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("data", "arguments", "code", "out", "err"),
        [
            (b"x = from_numpy(\xe4)\r\n", ["-"], 2, None, b"<stdin>:1:16: byte 0xe4 is not valid"),
            (
                b"import torch\r\nx = torch.from_numpy(a)  # safe",
                ["--stdin-filename", "p/a.py"],
                0,
                b"import torch\r\nx = torch.from_numpy(a).requires_grad_()  # safe",
                b"repaired 1 finding in 1 file\n",
            ),
            (b"import torch", ["-"], 0, None, b"nothing found in 1 file\n"),
        ],
    )
    def test_fix_is_a_filter(
        self, data: bytes, arguments: list[str], code: int, out: bytes | None, err: bytes
    ) -> None:
        command = [*CHILD, "--fix", *arguments]
        ran = subprocess.run(
            command, input=data, capture_output=True, check=False, env=environment()
        )
        assert (ran.returncode, ran.stdout) == (code, data if out is None else out)
        assert ran.stderr.startswith(err)
        assert os.listdir() == []

    def test_report_and_diff(self) -> None:
        data = "import torch\nx = torch.from_numpy(a)  # safe\n"
        arguments = ["--stdin-filename", "p/a.py", "-"]
        run = CliRunner()
        ran = run.invoke(command, arguments, input=data, standalone_mode=False)
        assert ran.stdout.startswith("p/a.py:2:5 FG101")
        ran = run.invoke(command, ["--diff", *arguments], input=data, standalone_mode=False)
        assert ran.stdout.startswith("--- a/p/a.py\n+++ b/p/a.py\n")


class TestRule:
    def test_list_and_text(self, fixgrad: Fixgrad) -> None:
        assert fixgrad("rule").out.startswith("FG101  a-name\nFG203  other\n")
        for word in ("FG101", "fg101", "a-name"):
            assert fixgrad("rule", word) == Ran(0, "FG101 (a-name)\n\nText.\n", "")

    @pytest.mark.parametrize("known", catalogue.rules(), ids=lambda known: known.code)
    def test_every_rule_explains_itself(self, known: Rule) -> None:
        assert re.fullmatch(r"FG[1-8]\d\d [a-z][a-z-]+", f"{known.code} {known.name}")
        assert re.findall(r"(?m)^#* ?([A-Z][A-Za-z ]+)$", known.text) == [
            *("What it finds", "Why it matters", "Example"),
            *("Repair", "Repair safety", "References"),
        ]

    def test_codes_and_names_are_unique(self) -> None:
        known = [*catalogue.rules(), *catalogue.refusals()]
        assert len({rule.code for rule in known}) == len({rule.name for rule in known})
        assert [rule.code for rule in known] == sorted({rule.code for rule in known})

    def test_a_folder_of_that_name_is_reached_by_its_path(self, fixgrad: Fixgrad) -> None:
        os.mkdir("rule")
        make("rule/a.py", "safe")
        assert fixgrad("./rule").code == 1
        assert fixgrad("rule").code == 0


@pytest.mark.parametrize(
    ("select", "ignore", "selected"),
    [
        ([], [], "FG101 FG203"),
        (["FG1"], [], "FG101"),
        (["fg101,FG203"], [], "FG101 FG203"),
        (["FG101", "FG203"], [], "FG101 FG203"),
        (["a-name"], [], "FG101"),
        ([], ["FG1"], "FG203"),
        (["ALL"], ["other"], "FG101"),
        (["FG1"], ["FG101"], ""),
        (["FG101"], ["FG1"], "FG101"),
        (["FG101"], ["FG101"], ""),
        ([" FG101 , "], [], "FG101"),
    ],
)
def test_selection(fixgrad: Fixgrad, select: list[str], ignore: list[str], selected: str) -> None:
    wanted = selection(select, ignore)
    assert " ".join(code for code in ("FG101", "FG203") if wanted(code)) == selected


def test_selection_knows_its_codes(fixgrad: Fixgrad) -> None:
    with pytest.raises(FixgradError, match=r"--ignore: no rule 'E501'; `fixgrad rule` lists them"):
        selection([], ["E501"])
