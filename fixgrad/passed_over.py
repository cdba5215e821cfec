"""Findings that a run passes over though they are there: those of a baseline, and those of old lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from fixgrad.baseline import Baseline
from fixgrad.findings import Finding
from fixgrad.project.changes import EVERY_LINE
from fixgrad.report.fingerprint import fingerprints
from fixgrad.source import Source, Span


class PassedOver:
    """Decides which findings those are, also in a text that repairs have changed meanwhile."""

    def __init__(
        self,
        baseline: Baseline | None = None,
        changed: Mapping[str, frozenset[int]] | None = None,
    ) -> None:
        self._known = baseline.names() if baseline is not None else frozenset()
        self._changed = changed
        self._is_asked = baseline is not None or changed is not None
        self._texts: dict[str, str] = {}  # as they were when `changed` was asked for
        self.met: Set[str] = frozenset()  # the fingerprints in the baseline that were found at last

    @property
    def is_asked(self) -> bool:
        """Whether there is a baseline, even an empty one, or a revision to compare with."""
        return self._is_asked

    def of(self, findings: Sequence[Finding], sources: Sequence[Source]) -> set[tuple[str, Span]]:
        """Return which of the findings are passed over, by rule and place."""
        by_path = {source.path: source for source in sources}
        names = fingerprints(findings, by_path)
        self.met = self._known & set(names)
        known = {name for name in names if name in self._known}
        new = self._new_lines(by_path)
        return {
            (finding.rule, finding.span)
            for finding, name in zip(findings, names, strict=True)
            if name in known or (new is not None and not _touches(finding, new))
        }

    def _new_lines(self, sources: Mapping[str, Source]) -> dict[str, Set[int]] | None:
        if self._changed is None:
            return None
        return {
            path: self._moved(path, sources[path].text) if path in sources else lines
            for path, lines in self._changed.items()
        }

    def _moved(self, path: str, text: str) -> Set[int]:
        """Return the new lines of a file where they are now, and those that a repair has changed."""
        assert self._changed is not None
        lines = self._changed[path]
        before = self._texts.setdefault(path, text)
        if lines == EVERY_LINE or before == text:
            return lines
        import difflib  # noqa: PLC0415  (only for files that a repair has changed)

        matcher = difflib.SequenceMatcher(None, before.splitlines(), text.splitlines(), False)
        moved: set[int] = set()
        for tag, start, end, new_start, new_end in matcher.get_opcodes():
            if tag == "equal":
                moved |= {
                    new_start + line - start for line in range(start + 1, end + 1) if line in lines
                }
            else:
                moved |= set(range(new_start + 1, new_end + 1))
        return moved


def _touches(finding: Finding, new: Mapping[str, Set[int]]) -> bool:
    """Say whether anything on the way of a finding stands on a new line."""
    spans = (finding.span, *(step.span for step in finding.trace))
    return any(
        lines == EVERY_LINE or not lines.isdisjoint(range(span.line, span.end_line + 1))
        for span in spans
        if (lines := new.get(span.path, frozenset()))
    )
