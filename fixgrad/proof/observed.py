"""What one run showed, asked by places of the sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fixgrad.proof.places import Files, Seen
from fixgrad.runtime.child import Ran
from fixgrad.runtime.records import Event, Records
from fixgrad.source import Span

# Where a run stops at once: exceptions that nobody catches, and failed tests.
FATAL = ("uncaught", "failed")


class Observed(NamedTuple):
    """A run, and the files that it ran."""

    ran: Ran
    records: Records
    files: Files

    def at(self, region: Span | None, *kinds: str) -> list[tuple[Event, Seen]]:
        """Return the events of some kinds at a place, and where exactly."""
        if region is None:
            return []
        found = ((event, self.seen(event)) for event in self.records.of(*kinds))
        return [(event, seen) for event, seen in found if seen is not None and seen.meets(region)]

    def seen(self, event: Event) -> Seen | None:
        """Return where an event is."""
        return self.files.seen(event.place) if event.place is not None else None

    def reached(self, region: Span, *, lines: bool = False) -> bool:
        """Say whether the run came to a place, or to the lines of it."""
        for place in self.records.places:
            seen = self.files.seen(place)
            if seen is None or seen.span.path != region.path:
                continue
            near = region.line <= seen.span.line <= region.end_line
            if near if lines else seen.meets(region):
                return True
        return False

    def came_by(self, event: Event, region: Span) -> bool:
        """Say whether the tensor of an event was made, cast or granted at a place."""
        for step in event.route:
            seen = self.files.seen(step.place)
            if seen is not None and seen.within(region):
                return True
        return False

    def errors_on(self, region: Span) -> list[Event]:
        """Return the exceptions that came through the lines of a place."""
        return [
            error
            for error in self.errors()
            if any(
                seen.span.path == region.path and region.line <= seen.span.line <= region.end_line
                for seen in map(
                    self.files.seen, (*error.frames[-1:], error.place or error.frames[-1])
                )
                if seen is not None
            )
        ]

    def errors(self) -> Iterator[Event]:
        """Yield the exceptions of the run that name a place in the program."""
        return (
            event for event in self.records.events if event.failed and (event.place or event.frames)
        )

    def fatal(self) -> list[Event]:
        """Return what ended the run, or a test of it."""
        return [event for event in self.records.of(*FATAL) if event.failed]

    def tests(self, outcome: str) -> set[str]:
        """Return the tests that ended so."""
        return {
            event.facts["test"]
            for event in self.records.of("test")
            if event.facts["outcome"] == outcome
        }
