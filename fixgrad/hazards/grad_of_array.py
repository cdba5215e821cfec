"""`.grad` is read of the NumPy array instead of the tensor made from it.

## What it finds
`array.grad`, where the array was converted to a tensor.

## Why it matters
An array has no gradient: `AttributeError: 'numpy.ndarray' object has no attribute 'grad'`.

## Example
```python
import numpy as np
import torch

a = np.array([2.0, 3.0])
x = torch.tensor(a, requires_grad=True)
x.sum().backward()
try:
    print(a.grad)
except AttributeError as error:
    print(error)
```

## Repair
The gradient is read of the tensor: `print(x.grad)`.

## Repair safety
Safe where exactly one tensor was made of the array, and a variable or, beside the array, an attribute holds it.

## References
https://docs.pytorch.org/docs/stable/generated/torch.Tensor.grad.html
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.hazards import Hazard, span

CODE = "FG202"
NAME = "grad-of-ndarray"


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the reads of gradients of arrays."""
    for use in graph.of_kind("array-grad"):
        if use.others:
            yield _hazard(graph, use)


def _hazard(graph: FlowGraph, use: Use) -> Hazard:
    what = "an array has no `.grad`; the tensor made of it has"
    tensor = use.others[0]
    beside = graph.kept_beside.get((use.site, use.path, tensor))
    name = beside or graph.variables.get((use.path, tensor))
    if len(use.others) != 1 or name is None:
        return Hazard(CODE, use, what, refusal="FG901")
    replace = Operation(span(use.site), "replace", f"{name}.grad")
    return Hazard(CODE, use, what, (replace,), wants_leaf=tensor)
