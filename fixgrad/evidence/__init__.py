"""What recorded runs say of the findings, and what only they have found.

Runs are evidence for what they ran, and for nothing else: that a gradient never arrived, or did, at this place of this
file as it is now. Evidence of a file that has changed since counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fixgrad.edits import Patch
from fixgrad.evidence import store
from fixgrad.evidence.discovered import discovered
from fixgrad.evidence.judge import judged
from fixgrad.evidence.places import Places
from fixgrad.evidence.sighting import Sighting, sightings
from fixgrad.findings import Finding, Refusal
from fixgrad.report.entry import CONTRADICTED, CONTRADICTS, Evidence
from fixgrad.source import Source

_REASON = "recorded runs show that the gradient is there"

__all__ = ["Runs", "read"]


class Runs:
    """Recorded runs of a project, beside its sources as they are now."""

    def __init__(self, seen: Sequence[Sighting], places: Places) -> None:
        self._seen, self._places = seen, places

    @property
    def stale(self) -> tuple[str, ...]:
        """The files that have changed since all runs of them."""
        return self._places.stale

    @property
    def is_elsewhere(self) -> bool:
        """Whether no run came to any of the files."""
        return not self._seen and not self.stale

    def judge(self, finding: Finding) -> Evidence:
        """Return what the runs say of a finding."""
        if finding.span.path in self.stale:
            return Evidence("", ("the file has changed since it was run",))
        return judged(finding, self._seen, self._places)

    def settle(self, findings: Sequence[Finding]) -> tuple[Refusal, ...]:
        """Return the findings that the runs contradict, and those that only they have found."""
        return (*self._contradicted(findings), *discovered(self._seen, findings, self._places))

    def after(self, patches: Iterable[tuple[Source, Patch]]) -> Runs:
        """Return the same evidence for the files as some patches leave them."""
        from fixgrad.rewrite.moves import moves  # noqa: PLC0415  (only for repairs)

        moved = moves(patches)
        return Runs([each.moved(moved) for each in self._seen], self._places.after(patches))

    def _contradicted(self, findings: Sequence[Finding]) -> Iterable[Refusal]:
        for finding in findings:
            evidence = self.judge(finding)
            if evidence.word == CONTRADICTED:
                yield Refusal(finding._replace(confidence="low"), CONTRADICTS, _REASON)


def read(path: str, sources: Sequence[Source]) -> Runs:
    """Read a store, and find its places in the files as they are."""
    places = Places(sources, path)
    return Runs(sightings(store.read([path]), places), places)
