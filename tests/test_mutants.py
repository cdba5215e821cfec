"""The mutation run: what it changes, and that a change is noticed in a fork and nowhere else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("mutmut", reason="mutmut is not installed; it comes with the extra `mutation`")

from bench import mutants
from bench.killing import CASE, first_failure, forked, put
from bench.mutants import LIVES, ROOT, Result, lived_on, table
from bench.mutating import Mutant, mutants_of

pytestmark = pytest.mark.slow

TEXT = '''"""Words."""

LIMIT = 3


def small(number: int, limit: int = 4) -> bool:
    """Say so."""
    if number < LIMIT:
        return True
    return (
        number
        == limit + 1
    )
'''
GUARDS = "fixgrad/flow/guards.py"
TESTS = [f"{CASE}repair/arm_kinds_told_apart]", f"{CASE}noop/opt_right_by_keyword]"]


@pytest.fixture
def made(tmp_path: Path) -> list[Mutant]:
    (tmp_path / "small.py").write_text(TEXT)
    return mutants_of(tmp_path, "small.py")


class TestMutations:
    def test_functions_are_changed_and_nothing_else(self, made: list[Mutant]) -> None:
        changes = {(m.start[0], " ".join(m.before.split()), m.after.strip()) for m in made}
        assert changes == {
            (8, "< LIMIT", "<= LIMIT"),
            (9, "True", "False"),
            (11, "== limit + 1", "!= limit + 1"),
            (12, "limit + 1", "limit - 1"),
            (12, "1", "2"),
        }
        assert [mutant.number for mutant in made] == list(range(len(made)))

    def test_the_rest_of_the_text_stays(self, made: list[Mutant]) -> None:
        (mutant,) = [mutant for mutant in made if mutant.after == "2"]
        assert mutant.applied(TEXT) == TEXT.replace("limit + 1", "limit + 2")
        assert (mutant.first, mutant.lines) == (10, (12, 12))
        assert str(mutant) == "small.py:12: small: '1' becomes '2'"

    def test_each_compiles(self, made: list[Mutant]) -> None:
        for mutant in made:
            compile(mutant.applied(TEXT), "small.py", "exec")


class TestKilling:
    def tried(self, change: str, by: str) -> str:
        text = (ROOT / GUARDS).read_text("utf-8")
        assert change in text

        def act() -> str:
            put(ROOT, GUARDS, text.replace(change, by))
            return first_failure(ROOT, TESTS, 60) or "survived"

        return forked(act, 300)

    def test_a_change_is_noticed(self) -> None:
        assert self.tried("thing.kind == ", "thing.kind != ") == (
            "killed by repair/arm_kinds_told_apart"
        )

    def test_what_changes_nothing_lives(self) -> None:
        before = sys.modules.get("fixgrad.flow.guards")
        assert self.tried("thing.kind", "(thing.kind)") == "survived"
        assert sys.modules.get("fixgrad.flow.guards") is before

    def test_however_a_fork_ends(self) -> None:
        def fail() -> str:
            raise ValueError(3)

        def killed() -> str:
            os.kill(os.getpid(), 9)
            return ""

        assert forked(fail, 60) == "broken: ValueError: 3"
        assert forked(killed, 60) == "killed by ending with -9"

    def test_one_that_does_not_end(self) -> None:
        assert "ending with -14" in forked(lambda: "".join(iter(lambda: "", None)), 0.2)


class TestResults:
    def test_they_are_counted(self, made: list[Mutant]) -> None:
        results = [
            Result(made[0]._replace(path="fixgrad/flow/a.py"), "killed", "x", 3, 0.1),
            Result(made[1]._replace(path="fixgrad/flow/b.py"), "survived", "", 3, 0.1),
            Result(made[2]._replace(path="fixgrad/repair/c.py"), "never executed", "", 0, 0.1),
        ]
        rows = {line.split()[0]: line.split()[1:] for line in table(results).splitlines()[1:]}
        assert rows["flow"] == ["2", "1", "0.500"]
        assert rows["repair"] == ["1", "0", "0.000"]
        assert rows["all"] == ["3", "1", "0.333"]

    def test_those_that_live_are_found_again(
        self, made: list[Mutant], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mutants, "ROOT", tmp_path)
        out = tmp_path / "out.jsonl"
        outcomes = ["killed", *LIVES]
        lines = [
            mutants.as_line(Result(mutant, outcome, "", 1, 0.0))
            for mutant, outcome in zip(made[:3], outcomes, strict=True)
        ]
        out.write_text("\n".join(lines) + "\n")
        (tmp_path / "small.py").write_text("\n\n" + TEXT)
        again = lived_on(out)
        assert [m.first - 2 for m in again] == [m.first for m in made[1:3]]
        assert [m.after for m in again] == [m.after for m in made[1:3]]
