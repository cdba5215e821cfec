"""`torch.tensor()` of a tracked tensor makes a new tensor that the gradient does not reach.

## What it finds
`torch.tensor(t)` or `torch.tensor([t, u])` of tracked, NumPy-born tensors whose result is differentiated.

## Why it matters
The graph is cut: backward raises, or the gradient stays `None`. A grant on the new tensor only hides the cut.

## Example
```python
import numpy as np
import torch

x = torch.tensor(np.array([1.0, 2.0]), requires_grad=True)
y = torch.tensor((x * 2).sum())
try:
    y.backward()
except RuntimeError as error:
    print(error)
```

## Repair
`torch.tensor(t)` becomes `t.clone()`. For a list of tensors the finding is refused with FG902: `torch.stack` is
usually meant.

## Repair safety
Unsafe: the copy may have been meant as a cut.

## References
https://docs.pytorch.org/docs/stable/generated/torch.tensor.html
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.findings import Applicability
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.hazards import Hazard, born_of_numpy, span

CODE = "FG205"
NAME = "rewrapped-tensor"


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the copies of tracked tensors that are differentiated."""
    roots = [u.thing for u in graph.of_kind("backward") if u.tracked == "no"]
    differentiated = set(graph.upstream(roots))
    for use in graph.of_kind("rewrap"):
        if use.detail.endswith("Variable"):
            continue  # it is what it says: a new leaf
        ours = [t for t in use.others if born_of_numpy(graph, t)]
        if ours and use.thing in differentiated:
            yield _hazard(use)


def _hazard(use: Use) -> Hazard:
    what = "`torch.tensor` of a tensor cuts the graph"
    if len(use.others) != 1:
        return Hazard(CODE, use, what, refusal="FG902")
    operations = (
        Operation(span(use.site), "unwrap-call"),
        Operation(span(use.site), "append", ".clone()"),
    )
    return Hazard(CODE, use, what, operations, Applicability.UNSAFE)
