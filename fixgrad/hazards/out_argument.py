"""`out=` beside a tensor that a repair tracks: torch does not record what is written to `out`, and raises.

No rule of its own: it belongs to the repair that tracks the operand. The statement moves into `no_grad`; where
the gradient was to flow through what is written, the demand is not met, and the repair is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph
from fixgrad.hazards import Hazard, span

RIPPLE_OF = "FG207"


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the calls with `out=` that take tracked tensors while autograd records."""
    for use in graph.of_kind("out"):
        if use.tracked == "no" or use.mode != "on":
            continue
        what = "`out=` goes with no tensor that requires a gradient"
        if use.statement in graph.compound:  # what stands in it needs its gradients
            yield Hazard(RIPPLE_OF, use, what, refusal="FG910")
            continue
        no_grad = graph.spell(use.site, "torch.no_grad")
        if no_grad is None:
            yield Hazard(RIPPLE_OF, use, what, refusal="FG908")
            continue
        wrap = Operation(span(use.statement), "wrap-with", f"{no_grad}()")
        yield Hazard(RIPPLE_OF, use, what, (wrap,))
