"""An array is written while autograd still needs the tensor that shares its memory.

## What it finds
`torch.from_numpy(a).requires_grad_()` (or another grant that shares memory) whose array is written between the forward
and the backward pass.

## Why it matters
The gradient is silently wrong: no version counter sees a write through NumPy.

## Example
```python
import numpy as np
import torch

a = np.array([1.0])
x = torch.from_numpy(a).requires_grad_()
y = (x**2).sum()
a *= 10
y.backward()
print(x.grad)  # 20, not 2
```

## Repair
The tensor gets a copy: `x = torch.tensor(a, requires_grad=True)`.

## Repair safety
Unsafe: a program may count on seeing later writes.

## References
https://docs.pytorch.org/docs/stable/generated/torch.from_numpy.html
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.findings import Applicability
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.values import Thing
from fixgrad.hazards import Hazard, span

CODE = "FG209"
NAME = "shared-storage"


def overwritten(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the arrays that are read after an update of the tensor on their memory."""
    stepped = {graph.identity(u.thing) for u in graph.of_kind("step")}
    for use in graph.of_kind("overwritten"):
        for thing in graph.sharing.get(use.thing, []):
            if thing not in stepped or not graph.looked_at(thing):
                continue  # written by the program itself, or the array is the result
            copy = _as_copy(graph, thing)
            if copy:
                what = "the array is read after the tensor on its memory was updated"
                shown = use._replace(thing=thing)
                yield Hazard(CODE, shown, what, copy, Applicability.UNSAFE)


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the writes that change a gradient behind autograd's back."""
    for use in graph.of_kind("shared-write"):
        site = use.thing.site
        if use.tracked == "yes" and site is not None and graph.is_conversion(use.thing):
            clone = (Operation(span(site), "append", ".clone()"),)
            copy = _as_copy(graph, graph.identity(use.thing)) or clone
            what = "the array is written while autograd still needs its values"
            yield Hazard(CODE, use, what, copy, Applicability.UNSAFE)


def _as_copy(graph: FlowGraph, thing: Thing) -> tuple[Operation, ...]:
    """Return what makes `torch.from_numpy(a).requires_grad_()` a granted copy."""
    site = thing.site
    grants = [u for u in graph.of_kind("granted") if graph.identity(u.thing) is thing]
    if site is None or not grants or graph.made[thing].effect != "torch.from_numpy":
        return ()
    tensor = graph.spell(site, "torch.tensor")
    if tensor is None or grants[0].detail != "method":
        return ()
    return (
        Operation(span(grants[0].site), "unwrap-method", "requires_grad_"),
        Operation(span(site), "callee", tensor),
        Operation(span(site), "keyword", "requires_grad=True"),
    )
