"""A call that torch refuses on a tensor that requires a gradient, whatever the mode: `apply_`, `map_`, `resize_`,
`eval`, and changes in place of views.

No rule of its own: it belongs to the repair that tracks the tensor. There is no edit that keeps what the call does
and the gradient too, so the repair is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.flow.graph import FlowGraph
from fixgrad.hazards import Hazard

RIPPLE_OF = "FG207"


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the calls on tracked tensors, but for those whose failure nothing comes of."""
    for use in graph.of_kind("barred"):
        if use.tracked != "no" and not use.careless:
            call = f"`{use.detail}`" if use.detail.isidentifier() else use.detail
            what = f"{call} raises on a tensor that requires a gradient"
            yield Hazard(RIPPLE_OF, use, what, refusal="FG910")
