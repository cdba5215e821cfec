"""One thing that runs saw, at its place in the files as they are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fixgrad.evidence.places import Places
from fixgrad.evidence.store import Seen
from fixgrad.rewrite.moves import Moves
from fixgrad.source import Span


class Sighting(NamedTuple):
    """What happened at a place, in all runs together."""

    kind: str  # as the probe calls it: "grad", "optimizer", "uncaught"
    span: Span
    way: tuple[tuple[str, Span], ...]  # the calls by which the tensor came, the conversion first
    facts: Mapping[str, Any]
    times: int

    @property
    def failed(self) -> bool:
        """Whether it is an exception."""
        return "error" in self.facts

    def is_at(self, place: Span) -> bool:
        """Say whether it happened at a place, or to an expression that the place is a part of."""
        return meets(self.span, place)

    def came_by(self, place: Span) -> bool:
        """Say whether the tensor was made, cast or granted at a place."""
        return any(meets(span, place) for _, span in self.way)

    def moved(self, moves: Mapping[str, Moves]) -> Sighting:
        """Return the same in files that have been patched."""

        def there(span: Span) -> Span:
            return moves[span.path].moved(span) if span.path in moves else span

        way = tuple((call, there(span)) for call, span in self.way)
        return self._replace(span=there(self.span), way=way)


def meets(one: Span, other: Span) -> bool:
    """Say whether one of two places holds the other."""
    return one.contains(other) or other.contains(one)


def sightings(seen: Iterable[Seen], places: Places) -> list[Sighting]:
    """Return what was seen in files that are still the same, all along the way of the tensor."""
    found: list[Sighting] = []
    for each in seen:
        span = places.span(each.spot)
        way = [(call, places.span(spot)) for call, spot in each.way]
        known = tuple((call, at) for call, at in way if at is not None)
        if span is not None and len(known) == len(way):
            found.append(Sighting(each.kind, span, known, dict(each.facts), each.times))
    return found
