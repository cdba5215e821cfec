"""`backward()` is called where provably nothing upstream is tracked.

## What it finds
`loss.backward()`, or `torch.autograd.backward`/`grad` of a loss, where every tensor that the loss is computed from
is known, none of them is tracked, and one of them is made of NumPy data. Where the program wants the error (a test
that it comes) or does something else instead in silence, that is no finding; where it prints the error, it is one.
Nor is it one where the loss is another tensor on another way, which is tracked, or this one is no more than a
number: `return torch.tensor(0.0)` where a mask is empty.

## Why it matters
The call raises: "element 0 of tensors does not require grad and does not have a grad_fn".

## Example
```python
import numpy as np
import torch

x = torch.from_numpy(np.array([1.0, 2.0]))
try:
    (x**2).sum().backward()
except RuntimeError as error:
    print(error)
```

## Repair
Where the loss comes from one conversion only, that tensor becomes a tracked leaf. Where there are several and nothing
else says which of them is meant, the finding is refused with FG901. So it is where an optimizer around the call trains
other tensors, and with FG902 where values of other tensors come back into the loss without their gradient.

## Repair safety
Safe with one candidate: the call cannot succeed otherwise. Unknown calls, modules and parameters upstream mean that
there is no finding.

## References
https://docs.pytorch.org/docs/stable/generated/torch.Tensor.backward.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from fixgrad.demands import ROOT, Demand, untracked
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Path, Site, Thing
from fixgrad.knowledge import dtype_class

CODE = "FG104"
NAME = "untracked-backward-root"


def demands(graph: FlowGraph) -> Iterator[Demand]:
    """Yield the backward passes that have nothing to differentiate."""
    roots: dict[tuple[Site, Path], list[Use]] = defaultdict(list)
    for use in graph.of_kind("backward"):
        roots[use.site, use.path].append(use)
    for demand in untracked(graph, "backward", CODE, ROOT, "`{}` has nothing to differentiate"):
        upstream = graph.upstream([demand.thing])
        if _is_for_nothing(graph, demand, roots[demand.use.site, demand.use.path]):
            continue
        # a frozen parameter may be what is meant, and is not ours to thaw
        if graph.impure.isdisjoint(upstream) and not any(map(_is_parameter, upstream)):
            yield demand


def _is_for_nothing(graph: FlowGraph, demand: Demand, roots: list[Use]) -> bool:
    """Say whether a loss is a number, or data, where there is nothing to train: elsewhere it is another."""
    others = [use for use in roots if use.thing is not demand.thing]
    return any(use.tracked != "no" for use in others) or (
        is_bare(graph, demand.thing) and bool(others)
    )


def is_bare(graph: FlowGraph, root: Thing) -> bool:
    """Say whether a loss is computed from nothing: `torch.tensor(0.0)`."""
    return not graph.carried.get(graph.identity(root))


def _is_parameter(thing: Thing) -> bool:
    return thing.name.startswith(("torch.nn.Parameter", "parameter"))


def candidates(graph: FlowGraph, demand: Demand) -> list[Thing]:
    """Return the tensors, made of outside data or native, that could be meant by a backward pass."""
    found = []
    for thing in graph.upstream([demand.thing]):
        made = graph.made.get(thing)
        if made is None or graph.carried.get(thing) or thing in graph.refused:
            continue
        whole = dtype_class(made.dtype) in ("integer", "bool")
        if graph.cut.get(thing) and thing.name != _WRAPPED:
            continue  # it comes back from NumPy: a grant here would hide the cut
        if not whole and (graph.is_conversion(thing) or thing.name in ("factory", _WRAPPED)):
            found.append(thing)
    return found


_WRAPPED = "torch.autograd.Variable"
