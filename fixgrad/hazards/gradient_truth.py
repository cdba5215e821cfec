"""The truth of a gradient that a repair lets arrive: `x.grad or 0`, `if x.grad:` raise for several elements.

No rule of its own: it belongs to the repair that tracks `x`, which is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.flow.graph import FlowGraph
from fixgrad.hazards import Hazard

RIPPLE_OF = "FG101"


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the tests of gradients that are there."""
    for use in graph.of_kind("truth"):
        if use.tracked != "no" and use.gradient != "none":
            what = "the truth of a gradient of several elements is asked for, which raises"
            yield Hazard(RIPPLE_OF, use, what, refusal="FG910")
