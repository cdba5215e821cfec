"""`copy.copy(x)` shares the memory of `x`: it moves with the leaf that a repair makes of `x`.

No rule of its own: it belongs to the repair that tracks `x`. A snapshot was meant, and none is taken, so the repair
is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.flow.graph import FlowGraph
from fixgrad.hazards import Hazard

RIPPLE_OF = "FG209"


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the uses of shallow copies whose tensor has moved."""
    for use in graph.of_kind("displaced"):
        what = "a copy made by `copy.copy` shares the memory of the tensor, and moves with it"
        yield Hazard(RIPPLE_OF, use, what, refusal="FG909")
