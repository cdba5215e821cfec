"""The broken grants of the program as it is, as the rules of hazards/ find them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.values import Site
from fixgrad.hazards import (
    Hazard,
    born_of_numpy,
    cast_after_grant,
    grad_of_array,
    in_place_update,
    integer_leaf,
    numpy_export,
    numpy_keyword,
    numpy_round_trip,
    rewrapped,
    shared_storage,
    unregistered_tensor,
)

_BROKEN = (
    numpy_keyword.hazards,
    grad_of_array.hazards,
    cast_after_grant.hazards,
    integer_leaf.hazards,
    rewrapped.hazards,
    numpy_round_trip.hazards,
    in_place_update.hazards,
    in_place_update.rebindings,
    numpy_export.proved,
    shared_storage.hazards,
    shared_storage.overwritten,
    unregistered_tensor.hazards,
)


def broken(base: FlowGraph, wanted: Callable[[str], bool]) -> Iterator[Hazard]:
    """Yield what is broken in the program as it is, each thing once."""
    seen: set[object] = set()
    taken: set[tuple[str, Site]] = set()  # exports that are part of a round trip
    for rule in _BROKEN:
        for hazard in rule(base):
            if hazard.rule == "FG206" and wanted("FG206"):
                raising = numpy_round_trip.exports(base, hazard.use.thing)
                taken.update(("FG208", use.site) for use in raising)
            elif (hazard.rule, hazard.use.site) in taken:
                continue
            ours = (
                hazard.use.thing.kind == "array"
                or hazard.rule in ("FG201", "FG205", "FG206", "FG301")
                or born_of_numpy(base, hazard.use.thing)
            )
            key = (hazard.rule, hazard.use.site, hazard.operations)
            sure = (hazard.use.tracked == "yes" and hazard.use.sure) or hazard.rule in (
                "FG201", "FG204", "FG205", "FG206", "FG209", "FG301",
            )  # fmt: skip
            sure = sure or (hazard.rule == "FG202" and hazard.use.sure)
            sure = sure or (hazard.rule == "FG207" and hazard.use.kind == "grad")
            sure = sure and not hazard.use.careless
            if ours and sure and key not in seen and wanted(hazard.rule):
                seen.add(key)
                yield _careful(hazard)


def _careful(hazard: Hazard) -> Hazard:
    """Leave alone what is appended to a list: a gradient may flow through the list as well."""
    if hazard.rule == "FG208" and hazard.use.detail.endswith(" of a list"):
        return hazard._replace(operations=(), refusal="FG910")
    return hazard
