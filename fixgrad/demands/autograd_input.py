"""`torch.autograd.grad` or `backward(inputs=...)` is asked for the gradient of an untracked NumPy-born tensor.

## What it finds
A tensor made of NumPy data that stands among the inputs of `torch.autograd.grad`, `torch.autograd.backward(inputs=)`
or `loss.backward(inputs=)`, while nothing sets `requires_grad` on it.

## Why it matters
The call raises: "One of the differentiated Tensors does not require grad".

## Example
```python
import numpy as np
import torch

t = torch.from_numpy(np.linspace(0.0, 1.0, 5))
u = torch.sin(t)
try:
    torch.autograd.grad(u.sum(), t)
except RuntimeError as error:
    print(error)
```

## Repair
The tensor becomes tracked where it is made: `t = torch.tensor(np.linspace(0.0, 1.0, 5), requires_grad=True)`.

## Repair safety
Safe: the call cannot succeed without it.

## References
https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.demands import TRACKED, Demand, untracked
from fixgrad.flow.graph import FlowGraph

CODE = "FG103"
NAME = "autograd-grad-of-untracked-input"


def demands(graph: FlowGraph) -> Iterator[Demand]:
    """Yield the inputs of differentiation that nothing tracks."""
    yield from untracked(graph, "inputs", CODE, TRACKED, "`{}` is asked for its gradient")
