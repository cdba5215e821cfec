"""An integer or bool tensor is asked for a gradient.

## What it finds
A tensor made of integer data (`np.arange(3)`, `torch.tensor([1, 2, 3])`) that is granted or demanded a gradient.

## Why it matters
`requires_grad_()` raises "only Tensors of floating point dtype can require gradients"; an optimizer accepts the tensor
and never moves it.

## Example
```python
import torch

try:
    x = torch.tensor([1, 2, 3], requires_grad=True)
except RuntimeError as error:
    print(error)
```

## Repair
The tensor is made floating where it is made: `torch.tensor([1, 2, 3], dtype=torch.float32, requires_grad=True)`.

## Repair safety
Unsafe: the dtype changes, and float32 is a choice.

## References
https://docs.pytorch.org/docs/stable/generated/torch.Tensor.requires_grad_.html
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.flow.graph import FlowGraph
from fixgrad.hazards import Hazard, born_of_numpy
from fixgrad.knowledge import dtype_class

CODE = "FG204"
NAME = "integer-leaf"


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the grants of integer tensors."""
    for use in graph.of_kind("granted"):
        whole = dtype_class(use.dtype) in ("integer", "bool")
        if whole and use.sure and born_of_numpy(graph, use.thing):
            what = f"a tensor of {use.dtype} cannot require a gradient"
            yield Hazard(CODE, use, what, wants_leaf=use.thing)
