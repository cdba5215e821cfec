"""`loss = Variable(loss, requires_grad=True)`: the copy that is differentiated is cut off from what a repair tracks.

No rule of its own: it belongs to the repair that tracks what the loss is computed from. Nobody asks for the gradient
of the copy, so that it is only there to keep `backward()` from raising: the tensor itself takes its place.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.hazards import Hazard, span

RIPPLE_OF = "FG205"
_ASKING = ("grad", "optimizer", "inputs", "hook", "gradcheck")


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the tracked copies that a backward pass begins at, and that nobody asks for a gradient."""
    roots = {graph.identity(u.thing) for u in graph.of_kind("backward")}
    granted = {graph.identity(u.thing) for u in graph.of_kind("granted")}
    asked = {graph.identity(u.thing) for u in graph.of_kind(*_ASKING)}
    for use in graph.of_kind("rewrap"):
        if len(use.others) == 1 and use.thing in (roots & granted) - asked:
            what = "the loss is copied, which cuts the graph"
            whole = use._replace(thing=use.others[0])
            yield Hazard(RIPPLE_OF, whole, what, (_without(graph, use),))


def _without(graph: FlowGraph, use: Use) -> Operation:
    """Return what puts the tensor itself in the place of the copy: without the statement, where it is that alone."""
    names = [graph.variables.get((use.path, graph.identity(t))) for t in (use.thing, *use.others)]
    bound = graph.bound.get((use.path, use.statement.place, str(names[0])), set())
    if names[0] == names[1] and use.thing in bound:
        return Operation(span(use.statement), "delete")
    return Operation(span(use.site), "unwrap-call")
