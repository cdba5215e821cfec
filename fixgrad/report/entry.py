"""What a report is made of: findings and what became of them, and how it is to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fixgrad.edits import Edit
from fixgrad.findings import Applicability, Finding, Refusal, Repair
from fixgrad.source import Problem, Source, Span

CONFIRMED, CONTRADICTED = "confirmed", "contradicted"
CONTRADICTS = "FG913"  # the refusal of what runs contradict
EXECUTED, NEVER = "executed", "never executed"  # not decided; not come to


class Evidence(NamedTuple):
    """What recorded runs say of a finding."""

    word: str  # one of those above; nothing where the runs cannot say
    said: tuple[str, ...] = ()  # what was seen: "no gradient at fit.py:9:19, 500 times"

    def __str__(self) -> str:
        seen = "; ".join(self.said)
        return f"{self.word}: {seen}" if self.word and seen else self.word or f"not known: {seen}"


class Entry(NamedTuple):
    """A finding as it is reported; ordered by place."""

    outcome: Repair | Refusal
    fixable: bool  # --fix with these options would repair it
    edits: tuple[Edit, ...] = ()  # of this repair alone
    diff: str = ""  # of this repair alone, without file headers where one file changes
    barred: bool = False  # the user wants this rule never repaired
    json_edits: tuple[Edit, ...] = ()  # where notebooks are edited: all edits, as the files are
    evidence: Evidence | None = None  # of recorded runs, where there are some

    @property
    def finding(self) -> Finding:
        """The finding itself."""
        return self.outcome.finding

    @property
    def tag(self) -> str:
        """How far the repair may be trusted, or why there is none: "safe", "FG902"."""
        if isinstance(self.outcome, Refusal):
            return self.outcome.code
        return str(self.outcome.applicability)

    @property
    def file_edits(self) -> tuple[Edit, ...]:
        """The edits in lines of the files as they are on disk, those of notebooks in their JSON."""
        return self.json_edits or self.edits

    @property
    def waits_for_unsafe(self) -> bool:
        """Whether `--unsafe-fixes` would repair it."""
        return (
            isinstance(self.outcome, Repair)
            and not self.fixable
            and not self.barred
            and self.outcome.applicability is Applicability.UNSAFE
        )


class Conversion(NamedTuple):
    """One place where data becomes a tensor, and what is said of it."""

    span: Span
    call: str  # "torch.from_numpy"
    text: str  # as it is written, on one line
    function: str  # around it: "Net.forward", or "" in the body of the file
    verdict: str  # "repaired", "refused", "tracked", "left alone", "not followed"
    reason: str
    rule: str = ""  # "FG102"
    refusal: str = ""  # "FG902"
    safety: str = ""  # "safe", "unsafe", "display"
    repair: str = ""
    demand: str = ""  # where its gradient is asked for: "train.py:20:8"


class Report(NamedTuple):
    """All that a format is given; each takes of it what it can show."""

    entries: tuple[Entry, ...] = ()
    sources: Mapping[str, Source] = {}  # by path: the texts that findings lie in
    problems: tuple[Problem, ...] = ()
    files: int = 0  # how many were looked at
    colour: bool = False
    width: int | None = None  # columns of the terminal, where it is one
    paths: bool = False  # show those of findings in formats that do not always do
    baseline: bool = False  # findings that a baseline holds are left out: these are new
    inventory: tuple[Conversion, ...] = ()  # for the formats in INVENTORIES
