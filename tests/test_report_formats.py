"""The reports for other programs: each is read as its reader would, and what it says is true."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixgrad import cli, report
from fixgrad.edits import Edit
from fixgrad.report import FORMATS, Entry, Report
from fixgrad.report.csv import COLUMNS
from fixgrad.report.markdown import LONGEST
from fixgrad.source import Problem, Source, Span
from tests.explained import HEAD
from tests.reports import (
    REFUSED,
    REPAIR,
    REPAIRED,
    SOURCES,
    WAITING,
    contents,
    render,
    repaired,
    schema,
    text_at,
)

pytestmark = pytest.mark.usefixtures("reported")


class TestGitHub:
    def commands(self, text: str) -> Iterator[tuple[str, dict[str, str], str]]:
        """Read the lines as the runner of GitHub Actions does."""
        for line in text.splitlines():
            found = re.fullmatch(r"::(\w+) (.*?)::(.*)", line)
            assert found
            given = dict(pair.split("=", 1) for pair in found[2].split(","))
            for code, character in (("%3A", ":"), ("%2C", ","), ("%25", "%")):
                given = {key: value.replace(code, character) for key, value in given.items()}
            yield found[1], given, found[3].replace("%0A", "\n").replace("%25", "%")

    def test_annotations(self, say: Callable[..., str], reported: Path) -> None:
        (reported / "broken.py").write_text("import torch\nx = (\n")
        told = list(self.commands(say("--output-format", "github", code=2)))
        assert [kind for kind, _, _ in told] == ["warning"] * 6 + ["error"]
        for _, given, _ in told:
            assert (reported.parent / given["file"]).is_file()
        _, given, message = next(t for t in told if "größe" in t[1]["file"])
        assert given["title"] == "fixgrad (FG101)"
        at = [int(given[key]) for key in ("line", "col", "endLine", "endColumn")]
        assert text_at(reported.parent / given["file"], *at) == "torch.from_numpy(np.array([8.0]))"
        assert "passed into `step`" in message
        assert message.endswith("repair: grant the gradient where the tensor is made (safe)")

    def test_summary_of_the_step(
        self, say: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        summary = tmp_path / "summary.md"
        summary.write_text("before\n")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        say("--output-format", "github")
        assert summary.read_text("utf-8").startswith("before\n### fixgrad: 6 findings in 5 files")

    def test_escapes(self) -> None:
        finding = REPAIRED.finding._replace(message="50%\r\n::error::x", trace=())
        entry = REPAIRED._replace(outcome=REPAIRED.outcome._replace(finding=finding))
        line, *rest = render("github", [entry], SOURCES, colour=False).splitlines()
        assert rest == []
        assert "50%25\\r%0A::error::x" in line


def test_a_problem_with_a_whole_file_has_no_place() -> None:
    """Where no line is to blame, none is named."""
    problem = Problem("train.py", 0, 0, "cannot be read")
    told = {
        form: report.render(form, Report((), SOURCES, (problem,), 1, False, None))
        for form in ("github", "azure", "sarif")
    }
    assert told["github"] == "::error title=fixgrad,file=src dir/train.py::cannot be read\n"
    assert told["azure"].startswith("##vso[task.logissue type=error;sourcepath=src dir/train.py;]")
    (run,) = json.loads(told["sarif"])["runs"]
    (notice,) = run["invocations"][0]["toolExecutionNotifications"]
    assert "region" not in notice["locations"][0]["physicalLocation"]


class TestPlacesThatAreNot:
    """A span may name a line that the file no longer has: then no text of it is shown."""

    GONE = Span("train.py", 99, 0, 99, 4)

    def entry(self) -> Entry:
        finding = REPAIR.finding._replace(rule="XX999", span=self.GONE, trace=())
        return REPAIRED._replace(outcome=REPAIR._replace(finding=finding), edits=())

    @pytest.mark.parametrize("form", ["full", "sarif", "rdjson", "github"])
    def test_a_report_says_the_rest(self, form: str) -> None:
        shown = render(form, [self.entry()], SOURCES, colour=False)
        assert "XX999" in shown
        assert "99" in shown
        assert "^" not in shown

    def test_a_suggestion_is_not_half_a_file(self) -> None:
        far = "import torch\n" + "# a remark\n" * 400 + "x = 1\n"
        edits = (
            Edit(Span("train.py", 1, 0, 1, 0), "a"),
            Edit(Span("train.py", 402, 0, 402, 0), "b"),
        )
        sources = {"train.py": Source("train.py", far, "utf-8", False, "")}
        shown = json.loads(
            render("rdjson", [REPAIRED._replace(edits=edits)], sources, colour=False)
        )
        assert "suggestions" not in shown["diagnostics"][0]


class TestAzure:
    def test_issues(self, say: Callable[..., str], reported: Path) -> None:
        (reported / "broken.py").write_text("import torch\nx = (\n")
        told = []
        for line in say("--output-format", "azure", code=2).splitlines():
            found = re.fullmatch(r"##vso\[task\.logissue ((?:\w+=[^;\]]*;)+)\](.+)", line)
            assert found, line
            given = dict(pair.split("=", 1) for pair in found[1].rstrip(";").split(";"))
            assert (reported.parent / given["sourcepath"]).is_file()
            told.append((given, found[2]))
        assert [given["type"] for given, _ in told] == ["warning"] * 6 + ["error"]
        given, message = next(t for t in told if "größe" in t[0]["sourcepath"])
        assert (given["linenumber"], given["columnnumber"], given["code"]) == ("4", "18", "FG101")
        assert message.endswith("(grant the gradient where the tensor is made, safe)")

    def test_escapes(self) -> None:
        finding = REPAIRED.finding._replace(message="50%\n##vso[task.x]y", trace=())
        finding = finding._replace(span=finding.span._replace(path="a;b].py"))
        entry = REPAIRED._replace(outcome=REPAIRED.outcome._replace(finding=finding))
        line, *rest = render("azure", [entry], SOURCES, colour=False).splitlines()
        assert rest == []
        assert "/a%3Bb%5D.py;" in line
        assert "50%AZP25%0A##vso[task.x]y" in line


class TestPylint:
    def test_lines(self, say: Callable[..., str], reported: Path) -> None:
        (reported / "broken.py").write_text("import torch\nx = (\n")
        lines = say("--output-format", "pylint", code=2).splitlines()
        found = [re.fullmatch(r"(.+\.(?:py|ipynb)):(\d+): \[(FG\d+|E)\] (.+)", ln) for ln in lines]
        assert all(found)
        assert lines[-1].startswith("broken.py:2: [E] not valid Python")
        (book,) = [each for each in found if each and each[1] == "n.ipynb"]
        text = (reported / "n.ipynb").read_text("utf-8").splitlines()
        assert "torch.from_numpy" in text[int(book[2]) - 1]


class TestGitLab:
    def test_schema(self, say: Callable[..., str], reported: Path) -> None:
        (reported / "broken.py").write_text("import torch\nx = (\n")
        issues = json.loads(say("--output-format", "gitlab", code=2))
        schema("gitlab-codequality", issues)
        assert sorted(issue["severity"] for issue in issues) == [
            "blocker", *["major"] * 5, "minor",
        ]  # fmt: skip
        assert len({issue["fingerprint"] for issue in issues}) == 7
        for issue in issues:
            assert (reported.parent / issue["location"]["path"]).is_file()

    def test_nothing(self, say: Callable[..., str]) -> None:
        assert json.loads(say("--output-format", "gitlab", "lib", code=0)) == []


class TestReviewdog:
    def test_schema(self, say: Callable[..., str], reported: Path) -> None:
        (reported / "broken.py").write_text("import torch\nx = (\n")
        whole = json.loads(say("--output-format", "rdjson", code=2))
        schema("rdjson", whole)
        lines = say("--output-format", "rdjsonl", code=2).splitlines()
        assert [json.loads(line) for line in lines] == whole["diagnostics"]
        assert len(lines) == 7

    def test_columns_count_bytes(self, say: Callable[..., str], reported: Path) -> None:
        (found,) = [
            d for d in json.loads(say("--output-format", "rdjson"))["diagnostics"]
            if "größe" in d["location"]["path"]
        ]  # fmt: skip
        at = found["location"]["range"]
        line = (
            (reported / found["location"]["path"])
            .read_bytes()
            .splitlines()[at["start"]["line"] - 1]
        )
        stretch = line[at["start"]["column"] - 1 : at["end"]["column"] - 1]
        assert stretch == b"torch.from_numpy(np.array([8.0]))"

    def test_a_suggestion_is_the_whole_repair(
        self, say: Callable[..., str], reported: Path
    ) -> None:
        before = contents(reported)
        found = json.loads(say("--output-format", "rdjson", "--unsafe-fixes"))["diagnostics"]
        suggested = {d["location"]["path"]: d["suggestions"] for d in found if "suggestions" in d}
        # What needs an edit in another file is not half suggested.
        assert sorted(suggested) == ["levels.py", "n.ipynb", "two.py"]
        after = repaired(reported, "--unsafe-fixes")
        for name in ("levels.py", "n.ipynb"):
            (suggestion,) = suggested[name]
            lines = before[name].split("\n")
            at = suggestion["range"]
            lines[at["start"]["line"] - 1 : at["end"]["line"]] = suggestion["text"].split("\n")
            assert "\n".join(lines) == after[name]


class TestJUnit:
    def test_it_is_read_by_a_library(self, say: Callable[..., str], reported: Path) -> None:
        junitparser = pytest.importorskip("junitparser", reason="pip install 'fixgrad[test]'")
        (reported / "broken.py").write_text("import torch\nx = (\n")
        say("--output-format", "junit", "-o", "report.xml", code=2)
        suites = list(junitparser.JUnitXml.fromfile("report.xml"))
        assert {suite.name: (suite.tests, suite.failures, suite.errors) for suite in suites} == {
            "cut.py": (1, 1, 0),
            "fit größe.py": (1, 1, 0),
            "levels.py": (1, 1, 0),
            "n.ipynb": (1, 1, 0),
            "two.py": (2, 2, 0),
            "problems": (1, 0, 1),
        }
        case = next(case for suite in suites if suite.name == "fit größe.py" for case in suite)
        assert case.name == "fixgrad.FG101"
        (failure,) = case.result
        assert failure.type == "FG101"
        assert "passed into `step`" in failure.text
        assert "+        with torch.no_grad():" in failure.text

    def test_nothing_found_is_a_test_that_passed(self, say: Callable[..., str]) -> None:
        junitparser = pytest.importorskip("junitparser", reason="pip install 'fixgrad[test]'")
        suites = junitparser.JUnitXml.fromstring(
            say("--output-format", "junit", "lib", code=0).encode()
        )
        assert [(s.tests, s.failures, s.errors) for s in suites] == [(1, 0, 0)]


class TestMarkdown:
    def test_it_renders(self, say: Callable[..., str]) -> None:
        reader = pytest.importorskip("markdown_it", reason="pip install 'fixgrad[test]' brings it")
        text = say("--output-format", "markdown")
        tokens = reader.MarkdownIt().parse(text)
        fences = [token for token in tokens if token.type == "fence"]
        assert [fence.info for fence in fences] == ["diff"] * 5
        for row, fence in zip(json.loads(say("--output-format", "json")), fences, strict=False):
            assert fence.content.startswith(("@@ ", "--- ")), row
        blocks = [token.content for token in tokens if token.type == "html_block"]
        assert sum("<details>" in block for block in blocks) == 6
        assert sum("</details>" in block for block in blocks) == 6
        assert "needs `--unsafe-fixes`" in text
        assert "Left alone: FG902 line 5 cuts the gradient" in text

    def test_nothing_can_break_out(self) -> None:
        finding = REPAIRED.finding._replace(message="`a</summary>` <b> *x*")
        outcome = REPAIRED.outcome._replace(finding=finding)
        entry = REPAIRED._replace(outcome=outcome, diff="@@ -1 +1 @@\n-```\n+````x\n")
        text = render("markdown", [entry], SOURCES, colour=False)
        assert "<code>a&lt;/summary&gt;</code> &lt;b&gt; *x*" in text
        assert "\n`````diff\n" in text

    def test_it_fits_into_a_comment(self) -> None:
        text = render("markdown", [REPAIRED] * 2000, SOURCES, colour=False)
        assert len(text) < LONGEST + 500
        (more,) = re.findall(r"and (\d+) more, for which there is no room", text)
        assert text.count("<details>") + int(more) == 2000


class TestCsv:
    def rows(self, text: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(text)))

    def test_every_conversion_is_listed(self, say: Callable[..., str]) -> None:
        rows = self.rows(say("--output-format", "csv"))
        assert tuple(rows[0]) == COLUMNS
        told = {(row["file"], row["conversion"], row["line"]): row for row in rows}
        assert len(told) == len(rows) == 7
        data = told["cut.py", "torch.from_numpy(np.ones(2))", "4"]
        assert (data["verdict"], data["rule"]) == ("left alone", "")
        assert "becomes a tensor of bool at line 5" in data["reason"]
        assert {(row["file"], row["verdict"], row["safety"]) for row in rows} == {
            ("cut.py", "refused", ""), ("cut.py", "left alone", ""),
            ("fit größe.py", "repaired", "safe"), ("levels.py", "repaired", "unsafe"),
            ("n.ipynb", "repaired", "safe"), ("two.py", "repaired", "safe"),
        }  # fmt: skip

    def test_what_nobody_reaches_is_listed_too(
        self, say: Callable[..., str], reported: Path
    ) -> None:
        (reported / "data.py").write_text(
            HEAD
            + "def load(a):\n    return torch.from_numpy(a)\n\ntable = torch.tensor(np.ones(2))\n"
        )
        rows = self.rows(say("--output-format", "csv", "data.py", code=0))
        assert [(r["line"], r["function"], r["call"], r["verdict"]) for r in rows] == [
            ("4", "load", "torch.from_numpy", "left alone"), ("6", "", "torch.tensor", "left alone"),
        ]  # fmt: skip
        assert rows[0]["reason"] == "nothing that can reach this line asks for a gradient"

    def test_other_files_are_looked_into(self, say: Callable[..., str]) -> None:
        (row,) = self.rows(say("--output-format", "csv", "fit größe.py"))
        assert (row["verdict"], row["demand"]) == ("refused", "lib/sgd.py:6:19")

    def test_no_cell_is_a_formula(self) -> None:
        from fixgrad.report.csv import _cell  # noqa: PLC0415

        assert [_cell(text) for text in ("=1+1", "-x", "@a", "a=b")] == [
            "'=1+1",
            "'-x",
            "'@a",
            "a=b",
        ]

    def test_files_are_followed_once(
        self, say: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def again(*_: object, **__: object) -> None:
            raise AssertionError("followed once more")

        monkeypatch.setattr("fixgrad.explain.run.follow", again)
        first = say("--output-format", "csv")
        assert len(first.splitlines()) > 7


class TestPatch:
    def test_git_applies_it(self, say: Callable[..., str], reported: Path) -> None:
        patch = say("--output-format", "patch", "-o", "all.patch")
        assert patch == ""
        assert say("--diff").encode() == Path("all.patch").read_bytes()
        subprocess.run(["git", "apply", "src dir/all.patch"], check=True, cwd=reported.parent)
        once = contents(reported)
        subprocess.run(["git", "apply", "-R", "src dir/all.patch"], check=True, cwd=reported.parent)
        assert repaired(reported) == once


class TestStatistics:
    def test_text(self, say: Callable[..., str]) -> None:
        assert say("--statistics") == (
            "5  FG101 grad-of-untracked-tensor  (4 fixable; 1 left alone: FG902 1)\n"
            "1  FG204 integer-leaf  (1 with --unsafe-fixes)\n"
        )

    def test_json(self, say: Callable[..., str]) -> None:
        first, second = json.loads(say("--statistics", "--output-format", "json"))
        assert (first["code"], first["count"], first["refused"]) == ("FG101", 5, {"FG902": 1})
        assert (second["fixable"], second["unsafe"]) == (0, 1)

    def test_other_formats_cannot_say_it(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["--statistics", "--output-format", "sarif"]) == 2
        assert "--statistics goes with full, concise, json" in capfd.readouterr().err


@pytest.mark.slow
class TestOutputFile:
    @pytest.mark.parametrize("form", FORMATS)
    def test_it_holds_what_would_be_printed(self, say: Callable[..., str], form: str) -> None:
        printed = say("--output-format", form)
        assert say("--output-format", form, "-o", "report.txt") == ""
        assert Path("report.txt").read_text("utf-8") == printed

    def test_what_cannot_be_written_is_told(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["-o", "no/such/folder"]) == 2
        assert "no/such/folder: cannot be written: No such file" in capfd.readouterr().err


class TestPatchFile:
    def test_beside_the_report(self, say: Callable[..., str], reported: Path) -> None:
        printed = say()
        assert say("--patch", "all.patch") == printed
        patch = Path("all.patch").read_bytes()
        say("--diff", "--patch", "preview.patch")
        assert Path("preview.patch").read_bytes() == patch
        subprocess.run(["git", "apply", "src dir/all.patch"], check=True, cwd=reported.parent)
        applied = contents(reported)
        subprocess.run(["git", "apply", "-R", "src dir/all.patch"], check=True, cwd=reported.parent)
        say("--fix", "--patch", "made.patch")
        assert contents(reported) == applied
        assert Path("made.patch").read_bytes() == patch

    def test_nothing_to_repair(self, say: Callable[..., str]) -> None:
        say("--patch", "none.patch", "lib", code=0)
        assert Path("none.patch").read_bytes() == b""


def test_paths_in_the_concise_report(say: Callable[..., str]) -> None:
    lines = say("--output-format", "concise", "--trace", "two.py").splitlines()
    assert lines[0].startswith("two.py:3:5: FG101 [*] `a` is not tracked by autograd")
    assert lines[1:3] == [
        "    two.py:3:5: made here", "    two.py:5:7: demanded here: its `.grad` is read"
    ]  # fmt: skip
    assert say("--output-format", "concise", "two.py").splitlines() == lines[::3]


def test_what_was_repaired_is_listed(capfd: pytest.CaptureFixture[str]) -> None:
    cli.run(["--fix", "--show-fixes", "two.py"])
    told = capfd.readouterr().err.splitlines()
    title = "FG101 grant the gradient where the tensor is made"
    assert told[:3] == [
        f"two.py:3:5: {title}", f"two.py:3:39: {title}", "repaired 2 findings in 1 file"
    ]  # fmt: skip


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "patch"])
def test_the_same_report_twice(form: str) -> None:
    once = render(form, [REPAIRED, REFUSED, WAITING], SOURCES, colour=False)
    assert once == render(form, [REPAIRED, REFUSED, WAITING], SOURCES, colour=False)
    assert "\x1b" not in once
