"""`requires_grad=` is passed to a call that does not take it.

## What it finds
`np.array(..., requires_grad=True)` and the like, `torch.from_numpy(a, requires_grad=True)`,
`torch.as_tensor(a, requires_grad=True)` and the tensor classes (`torch.FloatTensor(a, requires_grad=True)`). Also
`a.requires_grad = True` and `a.requires_grad_()` where `a` is an array.

## Why it matters
The call raises `TypeError`, the attribute `AttributeError`. Only `torch.tensor`, `torch.asarray`, `torch.frombuffer`
and the factories take the keyword.

## Example
```python
import numpy as np
import torch

try:
    x = torch.from_numpy(np.array([2.0, 3.0], requires_grad=True))
except TypeError as error:
    print(error)
```

## Repair
The keyword is removed from calls of NumPy, and so is the line that sets the attribute of an array. A conversion that
carried the keyword becomes a tracked leaf; where its value is up to the caller, the call becomes `torch.tensor`, which
takes it.

## Repair safety
Safe: the line raises today.

## References
https://numpy.org/doc/stable/reference/generated/numpy.array.html
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.hazards import Hazard, span

CODE = "FG201"
NAME = "requires-grad-on-numpy"

_COPIED_BY_TENSOR = ("torch.from_numpy", "torch.as_tensor")


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the calls that do not take the keyword, and the arrays that are granted a gradient."""
    yield from _on_arrays(graph)
    for use in graph.of_kind("bad-keyword"):
        flags = graph.flags.get(use.site, set())
        wanted = use.thing if flags == {"on"} else None
        what = f"`{use.detail}` does not take `requires_grad`"
        operation = Operation(span(use.site), "drop-keyword", "requires_grad")
        if len(flags) > 1:  # the caller says which: the call must take the keyword
            tensor = graph.spell(use.site, "torch.tensor")
            if use.detail not in _COPIED_BY_TENSOR or tensor is None:
                yield Hazard(CODE, use, what, refusal="FG906")
                continue
            operation = Operation(span(use.site), "callee", tensor)
        yield Hazard(CODE, use, what, (operation,), wants_leaf=wanted)


def _on_arrays(graph: FlowGraph) -> Iterator[Hazard]:
    granted = {use.site for use in graph.of_kind("granted")}  # it is a tensor at other times
    for use in graph.of_kind("array-flag"):
        if use.sure and not use.careless and use.site not in granted:
            what = "an array takes no `requires_grad`; the tensor made of it does"
            yield Hazard(CODE, use, what, (_taken_off(use),))


def _taken_off(use: Use) -> Operation:
    if use.detail == "attribute" or use.site.place == use.statement.place:
        return Operation(span(use.statement), "delete")
    return Operation(span(use.site), "unwrap-method", "requires_grad_")
