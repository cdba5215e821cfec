"""A module keeps a NumPy-born tensor as a plain attribute, and does not take it along when it is moved.

## What it finds
An attribute of an `nn.Module` that its constructor makes of a NumPy array, that `forward` uses, and that is neither
parameter nor buffer, where the program moves or casts the module (`.to(device)`, `.cuda()`, `.half()`) but not the
attribute. A module that is never moved in sight, a 0-dimensional constant, an attribute that is cast where it is used
or that the program puts on a device itself, and a class with a `to` or `_apply` of its own are no finding. What an
optimizer gets or whose gradient is read belongs to FG101 to FG106.

## Why it matters
`Module.to` moves parameters and buffers only: the attribute stays behind, and `forward` fails on another device or
computes in another dtype.

## Example
```python
import numpy as np
import torch


class Smooth(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(1))
        self.kernel = torch.from_numpy(np.array([0.25, 0.5, 0.25]))

    def forward(self, x):
        return (self.gain * self.kernel * x).sum()


model = Smooth().float()
model(torch.ones(3)).backward()
print(model.kernel.dtype)  # torch.float64: it was left behind
```

## Repair
The attribute becomes a buffer that is moved with the module and not saved with its state:
`self.register_buffer("kernel", torch.from_numpy(np.array([0.25, 0.5, 0.25])), persistent=False)`.

## Repair safety
Unsafe: the attribute may be meant to stay where it is, and a cast changes its values' precision.

## References
https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.findings import Applicability
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Site, Thing
from fixgrad.hazards import Hazard, span
from fixgrad.knowledge import dtype_class

CODE = "FG301"
NAME = "unregistered-module-tensor"

_DEMANDED = ("optimizer", "grad", "inputs", "hook", "gradcheck", "granted")
_DEVICE = "device"


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the attributes that a moved module leaves behind."""
    kept = list(graph.of_kind("attribute"))
    if not kept:
        return
    asked = {graph.identity(u.thing) for u in graph.of_kind(*_DEMANDED)}
    places: dict[tuple[Thing, str], set[Site]] = defaultdict(set)
    for use in kept:
        places[use.others[0], use.detail].add(use.site)
    for use in kept:
        thing = graph.identity(use.thing)
        instance = use.others[0]
        once = len(places[instance, use.detail]) == 1
        if (
            once
            and thing not in asked | graph.recast
            and (instance, use.detail) in graph.read_in_forward
            and _made_of_an_array(graph, thing)
            and _is_left_behind(graph, use, instance)
        ):
            yield _hazard(use)


def _made_of_an_array(graph: FlowGraph, thing: Thing) -> bool:
    """Say whether a tensor is made of arrays that have elements: a single number goes anywhere."""
    origins = graph.origins(thing) or []
    return bool(origins) and all(
        graph.born[t] == "array" and t not in graph.of_numbers for t in origins
    )


def _is_left_behind(graph: FlowGraph, use: Use, instance: Thing) -> bool:
    targets = graph.relocated.get(instance, set())
    floating = dtype_class(use.dtype) == "float"
    if any(floating and t not in (_DEVICE, use.dtype) for t in targets):
        return True
    made_of = graph.upstream([use.thing], through_cuts=True)
    return _DEVICE in targets and graph.placed.isdisjoint(made_of)


def _hazard(use: Use) -> Hazard:
    what = f"`{use.detail}` is neither parameter nor buffer, so it stays behind where its module is moved"
    operation = Operation(span(use.statement), "as-buffer", use.detail)
    return Hazard(CODE, use, what, (operation,), Applicability.UNSAFE)
