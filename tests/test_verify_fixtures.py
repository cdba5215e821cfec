"""Every executable repair under fixtures/ is proved: its programs run under the probe, before and after.

The runs are forks of the warm child in place of processes; all else is what `fixgrad verify` does.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fixgrad import evidence, pipeline
from fixgrad.evidence import store
from fixgrad.pipeline import Options, Outcome
from fixgrad.proof.rounds import Rounds
from fixgrad.proof.verdict import PROVED
from fixgrad.report.entry import CONTRADICTED
from tests.programs import Programs, read_case
from tests.watched import inside, rounds_of

FIXTURES = Path(__file__).parents[1] / "fixtures"
REPAIRS = sorted(path.parent for path in FIXTURES.glob("repair/*/case.toml"))


def planned(case: Path) -> Outcome:
    """Return what fixgrad would do in the current folder."""
    about = read_case(case)
    given = about.get("given", [])
    assert isinstance(given, list)
    return pipeline.run(Options(tuple(given), diff=True, unsafe=bool(about.get("unsafe"))))


def contradicted(outcome: Outcome, rounds: Rounds, scratch: Path) -> list[str]:
    """Return the findings that the run of the original, taken for evidence, contradicts."""
    path = str(scratch / store.NAME)
    store.add(path, rounds.before.records, str(scratch / "run0"))
    runs = evidence.read(path, outcome.sources)
    findings = [repair.finding for repair in outcome.repaired]
    return [str(f.span) for f in findings if runs.judge(f).word == CONTRADICTED]


@pytest.mark.torch
@pytest.mark.parametrize("case", REPAIRS, ids=lambda case: case.name)
def test_every_repair_is_proved(case: Path, programs: Programs, tmp_path: Path) -> None:
    with inside(case / "before"):
        outcome = planned(case)
        rounds = rounds_of(programs, case / "before", tmp_path, outcome.sources)
        trial = rounds.trial(outcome.repaired, outcome.patches)
        assert not contradicted(outcome, rounds, tmp_path)
    assert not rounds.before.records.bugs + trial.after.records.bugs
    wrong = [
        f"{v.repair.finding.span} {v.repair.finding.rule} {v.outcome}: {v.before} / {v.after}"
        for v in trial.verdicts
        if v.outcome != PROVED
    ]
    assert len(wrong) == read_case(case).get("unproved", 0), "\n".join(wrong)
    text = "".join(path.read_text("latin-1") for path in (case / "before").rglob("*.py"))
    assert trial.verdicts or "# missing:" in text
