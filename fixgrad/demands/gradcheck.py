"""`gradcheck` or `gradgradcheck` gets no input that is tracked.

## What it finds
`torch.autograd.gradcheck` or `gradgradcheck` whose inputs are made of NumPy data and none of which is tracked.

## Why it matters
The call raises: "gradcheck expects at least one input tensor to require gradient".

## Example
```python
import numpy as np
import torch

x = torch.from_numpy(np.array([0.5, 1.5]))
try:
    torch.autograd.gradcheck(torch.sin, (x,))
except ValueError as error:
    print(error)
```

## Repair
The floating inputs become tracked where they are made; integer inputs stay as they are.

## Repair safety
Safe: the call cannot succeed without it. The dtype is not changed.

## References
https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.demands import TRACKED, Demand, untracked
from fixgrad.flow.graph import FlowGraph
from fixgrad.knowledge import dtype_class

CODE = "FG106"
NAME = "gradcheck-of-untracked-input"


def demands(graph: FlowGraph) -> Iterator[Demand]:
    """Yield the floating inputs of checks that have no tracked input at all."""
    tracked = {(u.site, u.path) for u in graph.of_kind("gradcheck") if u.tracked != "no"}
    for demand in untracked(graph, "gradcheck", CODE, TRACKED, "`{}` checks its gradient"):
        whole = dtype_class(demand.use.dtype) in ("integer", "bool")
        if (demand.use.site, demand.use.path) not in tracked and not whole:
            yield demand
