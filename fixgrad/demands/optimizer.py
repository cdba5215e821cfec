"""An optimizer is given a NumPy-born tensor that nothing tracks.

## What it finds
A tensor made of NumPy data that reaches an optimizer of `torch.optim`, in a list, a tuple, a generator, a dict of
param groups, `add_param_group` or `.values()`, while nothing sets `requires_grad` on it.

## Why it matters
Every optimizer accepts it without a word, and `step()` skips it without a word: it is never trained.

## Example
```python
import numpy as np
import torch

pose = torch.from_numpy(np.array([0.5, 1.5]))
scale = torch.ones(1, requires_grad=True)
optimizer = torch.optim.SGD([pose, scale], lr=0.1)
((pose * scale) ** 2).sum().backward()
optimizer.step()
print(pose)  # has not moved
```

## Repair
The tensor becomes a tracked leaf where it is made: `pose = torch.tensor(np.array([0.5, 1.5]), requires_grad=True)`.

## Repair safety
Safe: only a tracked leaf can be optimised, and this tensor is given to be optimised. A tensor whose `.grad` the
program sets by hand is left alone, and so is one that is stepped while nothing is computed from it: an optimizer needs
some tensor where only its schedule is looked at.

## References
https://docs.pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.demands import LEAF, Demand, untracked
from fixgrad.flow.graph import FlowGraph

CODE = "FG102"
NAME = "untracked-optimizer-parameter"


def demands(graph: FlowGraph) -> Iterator[Demand]:
    """Yield the parameters of optimizers that will never move."""
    idle = {graph.identity(u.thing) for u in graph.of_kind("step")} - graph.used()
    for demand in untracked(graph, "optimizer", CODE, LEAF, "it is given to `{}`"):
        # conservative: an optimizer of one's own that never steps may have other uses
        if graph.stepped.issuperset(demand.use.others) and graph.identity(demand.thing) not in idle:
            yield demand
