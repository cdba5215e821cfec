"""A value computed from a leaf before the leaf moves, and differentiated after: it is not what it was.

No rule of its own: it belongs to the repair that tracks the leaf. A copy that keeps the start, `x0 = x.clone()`,
is detached; what else is computed once and not again is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.values import Thing
from fixgrad.hazards import Hazard, line_of, span

RIPPLE_OF = "FG203"
_COPIES = ("torch.Tensor.clone", "torch.clone")


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the values that a moving leaf has left behind."""
    uses = [(use, leaf) for use in graph.of_kind("outpaced") for leaf in use.others]
    copied = {leaf for use, leaf in uses if _keeps(graph, use.thing, leaf)}
    for use, leaf in uses:
        site = use.thing.site
        if site is None:
            continue
        if _keeps(graph, use.thing, leaf):
            what = "the copy is meant to stay as it is"
            detach = Operation(span(site), "append", ".detach()")
            yield Hazard(RIPPLE_OF, use._replace(thing=leaf), what, (detach,))
        elif leaf not in copied:
            what = (
                f"{line_of(site)} is differentiated, but not computed again after the tensor moves"
            )
            yield Hazard(RIPPLE_OF, use._replace(thing=leaf), what, refusal="FG903")


def _keeps(graph: FlowGraph, thing: Thing, leaf: Thing) -> bool:
    """Say whether a tensor is a plain copy of the leaf."""
    made = graph.made.get(thing)
    return made is not None and made.effect in _COPIES and graph.carried.get(thing) == {leaf}
