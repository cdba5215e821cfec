"""NumPy takes the values of a tensor that requires a gradient.

## What it finds
`.numpy()`, `np.asarray(x)`, `np.sin(x)`, plots and data frames given a tracked, NumPy-born tensor or a value computed
from it.

## Why it matters
It raises "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."

## Example
```python
import numpy as np
import torch

x = torch.tensor(np.array([1.0, 2.0]), requires_grad=True)
try:
    print((x * 2).numpy())
except RuntimeError as error:
    print(error)
```

## Repair
The value is detached first: `print((x * 2).detach().numpy())`.

## Repair safety
Safe: the call raises today, or would raise once the tensor is tracked; the gradient could not flow through it anyway.

## References
https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.flow.arms import is_of_other_kind, is_told_apart
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Site
from fixgrad.hazards import Hazard, span

CODE = "FG208"
NAME = "numpy-export-of-tracked-tensor"
_LISTED = "list"  # the tensor is one of several things that are given together
UNPROVED = "[]=?"  # a store in what may be an array


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the exports that raise, and the stores that do if what stores is an array."""
    lost = {graph.identity(t) for u in graph.of_kind("array-backward") for t in u.others}
    for use in graph.of_kind("export"):
        if use.tracked == "no" or use.careless or is_of_other_kind(graph, use):
            continue
        if use.thing.kind == "opaque" and is_told_apart(graph, use):
            continue  # what is not known to be a tensor is another library's where it is not detached
        hazard = _hazard(graph, use)
        if graph.identity(use.thing) in lost:
            what = "the backward pass is asked of what NumPy computes here"
            hazard = hazard._replace(what=what, operations=(), refusal="FG902")
        yield hazard


def proved(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the exports that are known to raise: NumPy is given nothing but tensors, none of them detached."""
    return (hazard for hazard in hazards(graph) if not _is_open(graph, hazard.use))


def _is_open(graph: FlowGraph, use: Use) -> bool:
    return (
        use.detail == UNPROVED
        or (use.detail.startswith(f"{_LISTED}.") and not use.sure)
        or is_told_apart(graph, use)
        or not _is_always_a_tensor(graph, use)
    )


def _is_always_a_tensor(graph: FlowGraph, use: Use) -> bool:
    return use.detail in _METHODS or graph.kinds.get(use.site, set()) <= {"tensor"}


_METHODS = ("numpy", "__array__")


def _hazard(graph: FlowGraph, use: Use) -> Hazard:
    what = f"`{use.detail.rpartition('.')[2]}` raises on a tensor that requires grad"
    listed = use.detail.startswith(_LISTED)
    if use.detail == _LISTED:
        what = "a tensor that requires grad is among what NumPy takes here, which raises"
    if use.detail == UNPROVED:
        # conservative: `table[key] = x` with a table from elsewhere needs x as it is if it is a dict
        what = "what a tensor that requires grad is stored in may be an array, which raises"
        return Hazard(CODE, use, what, refusal="FG910")
    if is_told_apart(graph, use):
        # conservative: `x.detach().numpy() if is_torch else x.numpy()` has other libraries' tensors here
        return Hazard(CODE, use, f"{what}, and elsewhere the program detaches it", refusal="FG910")
    if not _is_always_a_tensor(graph, use):
        return Hazard(CODE, use, f"{what}, and it is not always a tensor here", refusal="FG910")
    certain = use.thing.kind == "tensor" or use.detail in _METHODS
    if listed or not certain:
        return Hazard(CODE, use, what, refusal="FG910")
    site = use.site
    while site in graph.before_cpu:
        site = Site(site.path, graph.before_cpu[site])
    return Hazard(CODE, use, what, (Operation(span(site), "append", ".detach()"),))
