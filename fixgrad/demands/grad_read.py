"""`.grad` is read of a NumPy-born tensor that nothing tracks.

## What it finds
A tensor made by `torch.from_numpy`, `torch.tensor` or their like whose `.grad` is read for its value, while no
path through the program sets `requires_grad` on it. A test for `None` is no demand, nor is what stands behind one,
`if x.grad is not None: print(x.grad)`, unless it moves the tensor itself.

## Why it matters
The gradient is `None`: the next line fails with `'NoneType' object has no attribute ...`, or prints `None`.

## Example
```python
import numpy as np
import torch

x = torch.from_numpy(np.array([1.0, 2.0]))
w = torch.ones(2, dtype=torch.float64, requires_grad=True)
(x * w).sum().backward()
print(x.grad)  # None
```

## Repair
The tensor whose gradient is read becomes a tracked leaf, in the expression that makes it:
`x = torch.tensor(np.array([1.0, 2.0]), requires_grad=True)`.

## Repair safety
Safe: the gradient is asked of this very object, and without the repair it is always `None`.

## References
https://docs.pytorch.org/docs/stable/notes/autograd.html
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.demands import LEAF, Demand, untracked
from fixgrad.flow.graph import FlowGraph

CODE = "FG101"
NAME = "grad-of-untracked-tensor"
WHAT = "its `.grad` is read"


def demands(graph: FlowGraph) -> Iterator[Demand]:
    """Yield the reads of gradients that cannot be there."""
    for demand in untracked(graph, "grad", CODE, LEAF, WHAT):
        if demand.use.gradient == "none":  # it may be there from before: `x.requires_grad_(False)`
            yield demand
