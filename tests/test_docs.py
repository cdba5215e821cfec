"""The pages under docs/: those made of the program are up to date, and every example in any of them is run."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fixgrad import catalogue, cli
from fixgrad.settings import check, files
from fixgrad.settings.table import SETTINGS
from tests import documentation
from tests.documentation import DOCS, MADE
from tests.programs import Programs

ROOT = DOCS.parent
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
BY_HAND = [page for page in PAGES if not (DOCS / page).read_text("utf-8").startswith(MADE)]
FENCE = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")
LANGUAGES = {"python", "toml", "console", "diff", "text"}


class Block(NamedTuple):
    """One example of a page."""

    page: str
    number: int
    language: str
    text: str


def blocks(language: str = "") -> Iterator[Block]:
    for page in PAGES:
        found = FENCE.findall((DOCS / page).read_text("utf-8"))
        for number, (kind, text) in enumerate(found, 1):
            if kind == language or not language:
                yield Block(page, number, kind, text)


def name_of(block: Block) -> str:
    return f"{block.page}:{block.number}"


def in_turn(page: str) -> Iterator[Block]:
    return (block for block in blocks() if block.page == page)


def commands(text: str) -> Iterator[tuple[list[str], str]]:
    """Yield the command lines of a console, each with what it is said to print."""
    for part in re.split(r"(?m)^\$ ", text)[1:]:
        line, _, output = part.partition("\n")
        yield shlex.split(line), output


class TestMade:
    @pytest.mark.slow
    def test_up_to_date(self, bless: bool) -> None:
        if bless:
            documentation.write()
        made = documentation.pages()
        there = {page for page in PAGES if page not in BY_HAND}
        assert there == made.keys(), "`python -m tests.documentation` writes them"
        for page, text in made.items():
            assert (DOCS / page).read_text("utf-8") == text, f"docs/{page} is not up to date"

    def test_nothing_is_missing(self) -> None:
        made = documentation.pages()
        assert {f"rules/{rule.code}.md" for rule in catalogue.rules()} <= made.keys()
        for setting in SETTINGS:
            assert f"### {setting.name}\n" in made["settings.md"]
        for refusal in catalogue.refusals():
            assert f"## {refusal.code} {refusal.name}\n" in made["refusals.md"]


class TestPages:
    @pytest.mark.parametrize("page", PAGES)
    def test_links_lead_somewhere(self, page: str) -> None:
        for target in re.findall(r"\]\(([^)#:]+)\)", (DOCS / page).read_text("utf-8")):
            assert (DOCS / page).parent.joinpath(target).exists(), target

    def test_the_contents_name_every_page(self) -> None:
        text = (ROOT / "mkdocs.yml").read_text("utf-8")
        named = set(re.findall(r"(?m)^  - (?:[^:\n]+: )?(\S+\.md)$", text))
        assert named == {page for page in PAGES if not re.match(r"rules/FG", page)}

    def test_every_example_is_of_a_kind_that_is_run(self) -> None:
        assert {block.language for block in blocks()} <= LANGUAGES
        shown = {block.page for block in blocks() if block.language in ("diff", "text")}
        assert shown.isdisjoint(BY_HAND), "a diff is made by fixgrad, never by hand"

    @pytest.mark.parametrize("block", list(blocks("toml")), ids=name_of)
    def test_settings(self, block: Block, tmp_path: Path) -> None:
        (tmp_path / "pyproject.toml").write_text(block.text, "utf-8")
        assert check.checked(files.given(str(tmp_path / "pyproject.toml")))

    @pytest.mark.parametrize("page", BY_HAND)
    def test_commands(
        self,
        page: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """The commands of a page are run one after the other, where its programs are."""
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        folder = tmp_path / "project"
        (folder / "src").mkdir(parents=True)
        monkeypatch.chdir(folder)
        for block in in_turn(page):
            if block.language == "python":
                name = re.match(r"# (\w+\.py)\n", block.text)
                path = name[1] if name else f"src/example{block.number}.py"
                Path(path).write_text(block.text, "utf-8")
            for words, output in commands(block.text) if block.language == "console" else ():
                assert words[0] == "fixgrad"
                capfd.readouterr()
                assert cli.run(words[1:]) in (0, 1), capfd.readouterr().err
                assert not output.strip() or capfd.readouterr().out == output.rstrip() + "\n"


@pytest.mark.torch
class TestUnderTorch:
    @pytest.mark.parametrize(
        "block", [b for b in blocks("python") if b.page in BY_HAND], ids=name_of
    )
    def test_program(self, block: Block, programs: Programs, tmp_path: Path) -> None:
        """A program of a page written by hand runs, or stops as the page says and runs once repaired."""
        file = tmp_path / "example.py"
        file.write_text(block.text, "utf-8")
        ran = programs.run(file)
        stops = "stops" in (DOCS / block.page).read_text("utf-8") and "# fit.py" in block.text
        assert (ran.code != 0) == stops, ran.output
        if stops:
            assert cli.run(["--fix", "-q", str(file)]) == 0
            (printed,) = re.findall(r"prints `([^`]+)`", (DOCS / block.page).read_text("utf-8"))
            assert programs.run(file) == (0, f"{printed}\n")


class TestRuleAsData:
    def test_every_rule(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["rule", "--output-format", "json"]) == 0
        rows = json.loads(capfd.readouterr().out)
        known = (*catalogue.rules(), *catalogue.refusals())
        assert [row["code"] for row in rows] == [rule.code for rule in known]
        assert {row["kind"] for row in rows} == {"rule", "refusal"}
        for row, rule in zip(rows, known, strict=True):
            assert (row["name"], row["summary"]) == (rule.name, rule.text.splitlines()[0])
            sections = "".join(f"\n\n## {h}\n{text}" for h, text in row["sections"].items())
            assert row["summary"] + sections == rule.text

    def test_some(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["rule", "--output-format", "json", "FG102", "gradient-is-cut"]) == 0
        rows = json.loads(capfd.readouterr().out)
        assert [(row["code"], row["kind"]) for row in rows] == [
            *(("FG102", "rule"), ("FG902", "refusal"))
        ]
        assert "References" in rows[0]["sections"]
