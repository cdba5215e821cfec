"""The story of a proof: plan, copy, run the program as it is and as repaired, judge, write what may be written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fixgrad import pipeline, write
from fixgrad.errors import FixgradError
from fixgrad.findings import Repair
from fixgrad.project.roots import project_root, repository_root
from fixgrad.proof.notebook_text import runnable
from fixgrad.proof.observed import Observed
from fixgrad.proof.places import Files
from fixgrad.proof.rounds import Patches, Rounds, Trial, last_word
from fixgrad.proof.verdict import NOT_REACHED, PROVED, REFUTED, Verdict
from fixgrad.runtime import records
from fixgrad.runtime.launch import Command, run_copy
from fixgrad.runtime.workspace import Workspace
from fixgrad.source import Problem, Source
from fixgrad.write import encoded


class Request(NamedTuple):
    """What is to be proved, and how."""

    plan: pipeline.Options
    command: Command
    root: str | None = None  # the top of what is copied
    share: tuple[str, ...] = ()  # what is read in place
    keep: bool = False  # the copies
    fix: bool = False
    require_proof: bool = False
    coordinates: int = 0  # of each gradient to compare with finite differences


class Proof(NamedTuple):
    """What came out of it."""

    request: Request
    sources: tuple[Source, ...] = ()
    trials: tuple[Trial, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    before: Observed | None = None
    written: Patches = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    def count(self, outcome: str) -> int:
        """Return how many repairs ended so."""
        return sum(verdict.outcome == outcome for verdict in self.verdicts)

    @property
    def exit_code(self) -> int:
        """Return 0 where all that was reached is proved, 1 where not, 2 where a file is a problem."""
        if self.problems:
            return 2
        return int(bool(self.count(REFUTED) or (self.verdicts and not self.count(PROVED))))


def verify(request: Request) -> Proof:
    """Prove the repairs of a project by running a command in copies of it."""
    outcome = pipeline.run(request.plan._replace(diff=True, fix=False))
    proof = Proof(request, outcome.sources, problems=outcome.problems)
    if not outcome.repaired:
        return proof
    top = request.root or _top(request.command.folder)
    _refuse_outside(top, outcome.sources, request.command.folder)
    with Workspace(top, request.share, keep=request.keep) as workspace:
        copies = _Copies(request, workspace, outcome.sources)
        before = copies.run("before", outcome.sources, ())
        rounds = Rounds(before, copies.patch, copies.run_patched)
        trials = rounds.all(outcome.repaired, outcome.patches)
        verdicts = last_word(trials, outcome.repaired)
        written: Patches = ()
        if request.fix:
            trials, written = _settled(request, rounds, trials)
            verdicts = last_word(trials, outcome.repaired)
        if request.coordinates:
            from fixgrad.proof.numeric import checked  # noqa: PLC0415  (on request only)

            verdicts = checked(verdicts, trials, copies.nudged)
        notes = _notes(before, trials, workspace, request)
    if written:
        write.write(written)
    return proof._replace(
        trials=tuple(trials),
        verdicts=tuple(verdicts),
        before=before,
        written=written,
        notes=tuple(notes),
    )


class _Copies:
    """The copies of a project, and the runs in them."""

    def __init__(self, request: Request, workspace: Workspace, sources: Sequence[Source]) -> None:
        self._request, self._workspace, self._sources = request, workspace, sources
        self._count = 0
        self._tops: dict[Patches, str] = {}

    def patch(self, repairs: Sequence[Repair]) -> Patches:
        """Return the patches of some of the repairs."""
        return pipeline.patches_of(self._sources, repairs, self._request.plan)

    def run_patched(self, patches: Patches) -> Observed:
        """Run the program as some patches leave it."""
        self._count += 1
        return self.run(f"after{self._count}", self._repaired(patches), patches)

    def nudged(self, patches: Patches, nudge: Mapping[str, Any]) -> records.Records:
        """Run it once more with one number changed; return its records."""
        self._count += 1
        name, more = f"nudged{self._count}", {"nudge": dict(nudge)}
        return self.run(name, self._repaired(patches), patches, more).records

    def run(
        self,
        name: str,
        sources: Iterable[Source],
        patches: Patches,
        more: Mapping[str, Any] | None = None,
    ) -> Observed:
        """Copy the project, patch the copy, and run the command there."""
        top = self._workspace.copy(name)
        files = Files(self._workspace.top, top, sources)
        for source, patch in patches:
            with open(files.place(source.path), "wb") as file:
                file.write(encoded(source, patch))
        more = {"slopes": self._request.coordinates, **(more or {})}
        notebooks = {files.place(s.path): runnable(s) for s in sources if s.notebook}
        command = self._request.command
        ran, folder = run_copy(command, self._workspace, top, name, notebooks, more)
        return Observed(ran, records.read(folder), files)

    def _repaired(self, patches: Patches) -> list[Source]:
        after = {source.path: pipeline.repaired_source(source, patch) for source, patch in patches}
        return [after.get(source.path, source) for source in self._sources]


def _top(folder: str) -> str:
    """Return what is copied: the work tree or the project around a folder, or the folder itself."""
    here = os.path.realpath(folder)
    return repository_root(here) or project_root(here) or here


def _refuse_outside(top: str, sources: Iterable[Source], folder: str) -> None:
    real = os.path.realpath(top).rstrip(os.sep) + os.sep
    for path in (*(source.path for source in sources), folder):
        if not (os.path.realpath(path) + os.sep).startswith(real):
            raise FixgradError(
                f"{path}: outside of {top}, which is copied; name its top with --root"
            )


def _settled(request: Request, rounds: Rounds, trials: list[Trial]) -> tuple[list[Trial], Patches]:
    """Return the patches that may be written: those of repairs that were run together and held."""
    while True:
        last = trials[-1]
        kept = [
            verdict.repair
            for verdict in last.verdicts
            if verdict.outcome == PROVED
            or (verdict.outcome == NOT_REACHED and not request.require_proof)
        ]
        if len(kept) == len(last.repairs):
            return trials, last.patches
        if not kept:
            return trials, ()
        trials = [*trials, rounds.trial(kept)]


def _notes(
    before: Observed, trials: Sequence[Trial], workspace: Workspace, request: Request
) -> list[str]:
    """Return what a reader should know of the runs, beside the verdicts."""
    runs = [("original", before), *(("repaired program", trial.after) for trial in trials)]
    notes: dict[str, None] = {}
    for name, run in runs:
        if not run.records.processes:
            notes["the interpreter did not load the probe; does the command use -I, -E or -S?"] = (
                None
            )
        elif not run.records.torch:
            notes[f"the {name} never imported torch"] = None
        if run.ran.left:
            notes[f"the {name} left {run.ran.left} processes behind, which were ended"] = None
        for path in run.records.strays:
            notes[f"{path} was loaded from your own tree, not from the copy"] = None
        for bug in run.records.bugs:
            notes[f"fixgrad has a bug in its probe ({bug}); please report it"] = None
    for path in workspace.changed():
        notes[f"{path} changed in your own tree during the run"] = None
    if request.keep:
        notes[f"the copies are in {workspace.folder}"] = None
    return list(notes)
