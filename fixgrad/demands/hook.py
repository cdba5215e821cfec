"""A hook is registered on a NumPy-born tensor that nothing tracks.

## What it finds
`register_hook`, `register_post_accumulate_grad_hook` or `retain_grad` on a tensor made of NumPy data, while nothing
sets `requires_grad` on it.

## Why it matters
The call raises: "cannot register a hook on a tensor that doesn't require gradient".

## Example
```python
import numpy as np
import torch

x = torch.from_numpy(np.array([1.0, 2.0]))
try:
    x.register_hook(print)
except RuntimeError as error:
    print(error)
```

## Repair
The tensor becomes tracked where it is made: `x = torch.tensor(np.array([1.0, 2.0]), requires_grad=True)`.

## Repair safety
Safe: the call cannot succeed without it.

## References
https://docs.pytorch.org/docs/stable/generated/torch.Tensor.register_hook.html
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.demands import TRACKED, Demand, untracked
from fixgrad.flow.graph import FlowGraph

CODE = "FG105"
NAME = "hook-on-untracked-tensor"


def demands(graph: FlowGraph) -> Iterator[Demand]:
    """Yield the hooks on tensors that will never have a gradient."""
    yield from untracked(graph, "hook", CODE, TRACKED, "`{}` is called on it")
