"""A rule's file is its documentation: what the docstrings promise is run under torch."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from fixgrad import catalogue, cli, pipeline
from fixgrad.catalogue import Rule
from fixgrad.pipeline import Options
from tests.programs import Programs

HEADINGS = [
    *("What it finds", "Why it matters", "Example"),
    *("Repair", "Repair safety", "References"),
]
RULES = catalogue.rules()
UNUSED = "FG401"  # speaks of comments, not of what the program does
EVERY_RULE = pytest.mark.parametrize("rule", RULES, ids=[rule.code for rule in RULES])


def modules() -> Iterator[ModuleType]:
    """Yield the modules that may hold a rule."""
    for package in ("fixgrad.demands", "fixgrad.hazards"):
        for found in pkgutil.iter_modules(importlib.import_module(package).__path__):
            yield importlib.import_module(f"{package}.{found.name}")


def sections(rule: Rule) -> dict[str, str]:
    """Return the parts of a rule's docstring by their headings; the summary has none."""
    summary, *parts = re.split(r"(?m)^## ", rule.text)
    found = {"": summary.strip()}
    for part in parts:
        heading, _, body = part.partition("\n")
        found[heading] = body.strip()
    return found


def example(rule: Rule) -> str:
    """Return the program of a rule's docstring."""
    (program,) = re.findall(r"```python\n(.*?)```", sections(rule)["Example"], re.DOTALL)
    return str(program)


class TestCatalogue:
    def test_every_module_is_a_rule_or_a_part_of_one(self) -> None:
        found = [module for module in modules() if hasattr(module, "CODE")]
        codes = [*sorted(module.CODE for module in found), UNUSED]
        assert codes == [rule.code for rule in RULES]
        for module in modules():
            assert hasattr(module, "CODE") != hasattr(module, "RIPPLE_OF"), module.__name__
            assert getattr(module, "RIPPLE_OF", RULES[0].code) in {rule.code for rule in RULES}

    def test_codes_and_names(self) -> None:
        known = (*RULES, *catalogue.refusals())
        for which in ("code", "name"):
            counts = Counter(getattr(rule, which) for rule in known)
            assert [word for word, count in counts.items() if count > 1] == []
        for rule in known:
            assert re.fullmatch(r"FG[12349]\d\d", rule.code)
            assert (rule.code[2] == "9") == (rule in catalogue.refusals())
            assert re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.name)

    def test_listed(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["rule"]) == 0
        listed = [line.split("  ") for line in capfd.readouterr().out.splitlines()]
        assert listed == [[rule.code, rule.name] for rule in (*RULES, *catalogue.refusals())]


class TestRefusals:
    @pytest.mark.parametrize("refusal", catalogue.refusals(), ids=lambda refusal: refusal.code)
    def test_explained(self, refusal: Rule, capfd: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["rule", refusal.code]) == 0
        assert capfd.readouterr().out == f"{refusal.code} ({refusal.name})\n\n{refusal.text}\n"
        found = sections(refusal)
        assert list(found) == ["", "When it comes", "What you can do"]
        assert all(found.values())
        assert re.fullmatch(r"[^\n]+\.", found[""]), "the summary is one line and a sentence"


@EVERY_RULE
class TestDocumentation:
    def test_headings(self, rule: Rule) -> None:
        found = sections(rule)
        assert list(found) == ["", *HEADINGS]
        assert all(found.values())
        assert re.fullmatch(r"[^\n]+\.", found[""]), "the summary is one line and a sentence"
        links = found["References"].splitlines()
        assert all(re.fullmatch(r"https://\S+", link) for link in links)

    def test_safety_is_stated_first(self, rule: Rule) -> None:
        assert re.match(r"(Safe|Unsafe|Display)\b", sections(rule)["Repair safety"])

    def test_explained(self, rule: Rule, capfd: pytest.CaptureFixture[str]) -> None:
        for word in (rule.code, rule.name, rule.code.lower()):
            assert cli.run(["rule", word]) == 0
            shown = capfd.readouterr().out
            assert shown == f"{rule.code} ({rule.name})\n\n{rule.text}\n"

    def test_example_is_found(self, rule: Rule) -> None:
        outcome = pipeline.run_on_text("example.py", example(rule).encode(), Options(unsafe=True))
        assert outcome.problems == ()
        assert [entry.finding.rule for entry in outcome.entries] == [rule.code]

    def test_safety_is_what_the_tool_says(self, rule: Rule) -> None:
        outcome = pipeline.run_on_text("example.py", example(rule).encode(), Options(unsafe=True))
        safety = sections(rule)["Repair safety"].lower()
        assert all(safety.startswith(entry.tag) for entry in outcome.entries)

    def test_it_has_fixtures(self, rule: Rule) -> None:
        root = Path(__file__).parents[1] / "fixtures/repair"
        wanted = re.compile(rf"# want:.*\b{rule.code}\b")
        cases = {
            file.relative_to(root).parts[0]
            for file in root.glob("*/before/**/*.py")
            if wanted.search(file.read_text("utf-8", "replace"))
        }
        assert cases, "a rule has a case in fixtures/repair/, better two"


@pytest.mark.torch
@EVERY_RULE
class TestExampleUnderTorch:
    def test_before_and_after(self, rule: Rule, programs: Programs, tmp_path: Path) -> None:
        """The example runs as it stands, repaired it prints something else, and is left alone.

        Where only a comment is wrong it prints the same.
        """
        file = tmp_path / "example.py"
        file.write_text(example(rule))
        before = programs.run(file)
        assert before.code == 0, before.output
        assert before.output, "the example shows what is wrong"
        outcome = pipeline.run_on_text(
            "example.py", file.read_bytes(), Options(diff=True, unsafe=True)
        )
        for _, patch in outcome.patches:
            file.write_text(patch.after)
            after = programs.run(file)
            assert after.code == 0, after.output
            assert (after.output == before.output) == (rule.code == UNUSED)
            again = pipeline.run_on_text("example.py", file.read_bytes(), Options(unsafe=True))
            assert again.entries == ()
