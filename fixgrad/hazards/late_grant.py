"""`y.requires_grad = True` on a tensor that a repair makes a non-leaf: the line would raise.

No rule of its own: it belongs to the repair that tracks what `y` is computed from. The statement is removed;
`y` is tracked without it.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph
from fixgrad.hazards import Hazard, span

RIPPLE_OF = "FG203"


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the flags set on tensors that are tracked already and are no leaves."""
    for use in graph.of_kind("granted"):
        if use.detail == "attribute" and use.tracked == "yes" and use.leaf == "no":
            what = "`requires_grad` can only be set on a leaf"
            yield Hazard(RIPPLE_OF, use, what, (Operation(span(use.statement), "delete"),))
