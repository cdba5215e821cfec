"""A tracked leaf is changed in place while autograd records.

## What it finds
`w -= lr * w.grad`, `w[0] = 1.0`, `w.add_(...)`, `w.clamp_(...)` and the like on a NumPy-born leaf that requires a
gradient, outside `torch.no_grad()`.

## Why it matters
It raises "a leaf Variable that requires grad is being used in an in-place operation".

## Example
```python
import numpy as np
import torch

w = torch.tensor(np.array([1.0, 2.0]), requires_grad=True)
(w**2).sum().backward()
try:
    w -= 0.1 * w.grad
except RuntimeError as error:
    print(error)
```

## Repair
The statement moves into `with torch.no_grad():`; statements that follow each other share the block.

## Repair safety
Safe: the statement raises today, or would raise once the tensor is tracked.

## References
https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.sharing import BY_KEYWORD
from fixgrad.flow.uses import Use
from fixgrad.hazards import Hazard, span

CODE = "FG207"
NAME = "in-place-update-of-leaf"


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the in-place changes of leaves that autograd forbids."""
    for use in graph.of_kind("inplace"):
        if use.tracked == "yes" and use.leaf == "yes" and use.mode == "on":
            yield _hazard(graph, use)


def rebindings(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the steps that replace a granted leaf by a tensor computed from it: `w = w - lr * w.grad`."""
    leaves = {
        (u.site, graph.identity(u.thing))
        for u in graph.of_kind("grad")
        if u.tracked == "yes" and u.leaf == "yes"
    }
    for use in graph.of_kind("grad"):
        site = use.thing.site
        if use.tracked != "yes" or use.leaf != "no" or use.retained or site is None:
            continue
        if any((use.site, source) in leaves for source in graph.upstream([use.thing])[1:]):
            what = "the leaf is replaced by a tensor that is computed from it and has no gradient"
            if site in graph.packed or use.thing.name.startswith("element"):
                yield Hazard(CODE, use._replace(site=site), what, refusal="FG908")
                continue
            again = Operation(span(site), "append", ".detach().requires_grad_()")
            yield Hazard(CODE, use._replace(site=site), what, (again,))


def _hazard(graph: FlowGraph, use: Use) -> Hazard:
    what = "a leaf that requires grad is changed in place"
    if use.detail == BY_KEYWORD:  # under no_grad the activation would have no gradient
        return Hazard(CODE, use, what, refusal="FG910")
    if use.statement in graph.compound:  # what stands in it needs its gradients
        return Hazard(CODE, use, what, refusal="FG910")
    no_grad = graph.spell(use.site, "torch.no_grad")
    if no_grad is None:
        return Hazard(CODE, use, what, refusal="FG908")
    wrap = Operation(span(use.statement), "wrap-with", f"{no_grad}()")
    return Hazard(CODE, use, what, (wrap,))
