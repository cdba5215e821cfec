"""Arithmetic between an array and a tensor that becomes tracked: NumPy would take the tensor's values.

No rule of its own: it belongs to the repair that tracks the tensor. The array is wrapped in
`torch.as_tensor(...)`, which gives the same numbers and lets the gradient flow.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.hazards import Hazard, span

RIPPLE_OF = "FG208"
_IN_PLACE = frozenset(
    ("+=", "-=", "*=", "/=", "//=", "%=", "@=", "**=", "&=", "|=", "^=", "<<=", ">>=")
)


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the operators between arrays and tracked tensors."""
    for use in graph.of_kind("mixed"):
        if use.tracked != "no":
            yield _hazard(graph, use)


def _hazard(graph: FlowGraph, use: Use) -> Hazard:
    what = f"`{use.detail}` with an array raises on a tensor that requires grad"
    if use.detail in _IN_PLACE:  # the array is what is changed: it has no other form
        return Hazard(RIPPLE_OF, use, what, refusal="FG910")
    as_tensor = graph.spell(use.site, "torch.as_tensor")
    if as_tensor is None:
        return Hazard(RIPPLE_OF, use, what, refusal="FG908")
    return Hazard(RIPPLE_OF, use, what, (Operation(span(use.site), "call", as_tensor),))
