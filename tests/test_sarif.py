"""SARIF: the log is read as its readers do, and what it says is true."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from fixgrad.catalogue import rules
from fixgrad.source import split_lines
from tests.reports import contents, repaired, schema, text_at

pytestmark = pytest.mark.usefixtures("reported")
REGION = ("startLine", "startColumn", "endLine", "endColumn")


class TestSarif:
    @pytest.fixture
    def log(self, say: Callable[..., str]) -> Any:
        return json.loads(say("--output-format", "sarif"))

    def results(self, log: Any, code: str) -> list[Any]:
        return [result for result in log["runs"][0]["results"] if result["ruleId"] == code]

    def test_schema(self, log: Any) -> None:
        schema("sarif-2.1.0", log)
        assert len(log["runs"][0]["results"]) == 6

    def test_schema_with_problems(self, say: Callable[..., str], reported: Path) -> None:
        (reported / "broken.py").write_text("import torch\nx = (\n")
        log = json.loads(say("--output-format", "sarif", code=2))
        schema("sarif-2.1.0", log)
        (invocation,) = log["runs"][0]["invocations"]
        assert invocation["executionSuccessful"] is False
        (told,) = invocation["toolExecutionNotifications"]
        assert told["locations"][0]["physicalLocation"]["region"]["startLine"] == 2

    def test_rules_have_help(self, log: Any) -> None:
        described = log["runs"][0]["tool"]["driver"]["rules"]
        assert [rule["id"] for rule in described] == [rule.code for rule in rules()]
        for rule in described:
            assert "## Repair" in rule["help"]["markdown"]
            assert rule["helpUri"].startswith("https://")
        for result in log["runs"][0]["results"]:
            assert described[result["ruleIndex"]]["id"] == result["ruleId"]

    def test_places_are_in_the_files(self, log: Any, reported: Path) -> None:
        for result in log["runs"][0]["results"]:
            flow = result["codeFlows"][0]["threadFlows"][0]["locations"]
            for place in (*result["locations"], *(step["location"] for step in flow)):
                at = place["physicalLocation"]
                path = reported.parent / unquote(at["artifactLocation"]["uri"])
                text = text_at(path, *(at["region"][key] for key in REGION))
                snippet = at["region"].get("snippet", {"text": text})
                assert snippet["text"] == text
                assert ("snippet" in at["region"]) is (path.suffix == ".py")
                assert re.fullmatch(r"(torch\.\w+\(.*\)|\(?[\w.]+.*)", text), text

    def test_the_flow_leads_to_the_cut(self, log: Any) -> None:
        (result,) = [r for r in self.results(log, "FG101") if "refusal" in r["properties"]]
        assert result["level"] == "note"
        flow = result["codeFlows"][0]["threadFlows"][0]["locations"]
        assert [step["properties"]["effect"] for step in flow] == [
            "made", "demand", "cut", "carries", "carries", "backward",
        ]  # fmt: skip
        assert [step["importance"] for step in flow][:2] == ["essential", "essential"]

    def test_a_fix_applied_is_the_repair(self, log: Any, reported: Path) -> None:
        safe = [r for r in log["runs"][0]["results"] if r["properties"].get("safety") == "safe"]
        before = {f"{reported.name}/{path}": text for path, text in contents(reported).items()}
        wanted: dict[str, list[tuple[int, int, str]]] = {}
        for change in (c for r in safe for f in r.get("fixes", ()) for c in f["artifactChanges"]):
            path = unquote(change["artifactLocation"]["uri"])
            lines = split_lines(before[path])
            for replacement in change["replacements"]:
                line, column, end_line, end_column = (
                    replacement["deletedRegion"][key] for key in REGION
                )
                start = sum(map(len, lines[: line - 1])) + column - 1
                end = sum(map(len, lines[: end_line - 1])) + end_column - 1
                text = replacement["insertedContent"]["text"]
                wanted.setdefault(path, []).append((start, end, text))
        for path, edits in wanted.items():
            for start, end, text in sorted(edits, reverse=True):
                before[path] = before[path][:start] + text + before[path][end:]
        after = repaired(reported)
        assert before == {f"{reported.name}/{path}": text for path, text in after.items()}
        assert sorted(map(os.path.basename, wanted)) == [
            "fit größe.py",
            "n.ipynb",
            "sgd.py",
            "two.py",
        ]

    def test_what_is_not_in_the_baseline_is_new(
        self, log: Any, say: Callable[..., str], reported: Path
    ) -> None:
        assert not any("baselineState" in result for result in log["runs"][0]["results"])
        say("--baseline", "known.json", "--write-baseline", code=0)
        with (reported / "levels.py").open("a") as file:
            file.write("b = torch.from_numpy(np.ones(3))\nb.sum().backward()\nprint(b.grad)\n")
        after = json.loads(say("--baseline", "known.json", "--output-format", "sarif"))
        schema("sarif-2.1.0", after)
        (result,) = after["runs"][0]["results"]
        assert result["baselineState"] == "new"

    def test_fingerprints_outlive_moves(self, say: Callable[..., str], reported: Path) -> None:
        def prints() -> list[str]:
            runs = json.loads(say("--output-format", "sarif", str(reported)))["runs"]
            return [r["partialFingerprints"]["fixgrad/v1"] for r in runs[0]["results"]]

        first = prints()
        assert len(set(first)) == len(first)
        for path in reported.glob("*.py"):
            path.write_text("# above\n\n" + path.read_text("utf-8"), "utf-8")
        assert prints() == first

    def test_fingerprints_do_not_know_the_working_folder(
        self, say: Callable[..., str], reported: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = [row["fingerprint"] for row in json.loads(say("--output-format", "json"))]
        monkeypatch.chdir(reported.parent)
        again = [row["fingerprint"] for row in json.loads(say("--output-format", "json"))]
        assert sorted(again) == sorted(first)
