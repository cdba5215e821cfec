"""The gradient is granted first, and a cast or a view afterwards makes another tensor of it.

## What it finds
A tensor that reads `.grad` or goes to an optimizer, is tracked, but is not a leaf: it was made by `.float()`,
`.to()`, `.cuda()`, `.view()` or the like from the leaf that carries the grant.

## Why it matters
`.grad` stays `None` and optimizers raise "can't optimize a non-leaf Tensor".

## Example
```python
import numpy as np
import torch

x = torch.tensor(np.array([1.0, 2.0]), requires_grad=True).float()
(x**2).sum().backward()
print(x.grad)  # None: x is no leaf
```

## Repair
The grant moves behind the last link: `torch.tensor(np.array([1.0, 2.0])).float().requires_grad_()`.

A number that scales or shifts the leaf in the same expression is such a link too, `torch.tensor(a,
requires_grad=True) * 0.01`, and where the result goes to an optimizer, also on a line of its own: `x = x / 255`.

## Repair safety
Safe: the gradient is demanded of the last tensor, and today it never has one. Where the link may have nothing to do
(an unknown dtype or device) there is no finding.

## References
https://github.com/pytorch/pytorch/pull/30531
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Thing
from fixgrad.hazards import Hazard, born_of_numpy, span

CODE = "FG203"
NAME = "non-leaf-after-cast"


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the demands of a leaf that a link made a non-leaf."""
    for use in graph.of_kind("grad", "optimizer"):
        if use.tracked == "yes" and use.leaf == "no" and not use.retained:
            granted = _granted_before_links(graph, use)
            if granted is not None and born_of_numpy(graph, granted):
                yield _hazard(graph, use, granted)


def _granted_before_links(graph: FlowGraph, use: Use) -> Thing | None:
    """Follow casts, views and scales back to the leaf that carries the grant."""
    thing, links = use.thing, 0
    while True:
        thing = graph.identity(thing)
        sources = graph.carried.get(thing, set())
        made = graph.made.get(thing)
        if not sources:
            return thing if links else None
        scaled = made is not None and made.effect in _SCALES
        source = _scaled(graph, sources) if scaled else next(iter(sources))
        link = made is not None and (made.alias != "copy" or _name(made.effect) in _COPYING_LINKS)
        if source is None or not (scaled or (link and len(sources) == 1)):
            return None
        if (scaled or _name(made.effect if made else "") == "[]") and not (
            _in_one_expression(source, thing)
            or (scaled and use.kind == "optimizer" and _rebound(graph, source, use.thing))
        ):
            return None  # conservative: the leaf, or other items of it, may be meant elsewhere
        thing = source
        links += 1


def _scaled(graph: FlowGraph, sources: set[Thing]) -> Thing | None:
    """Return what is scaled or shifted: the other operand is a number, or data that nothing tracks."""
    granted = {graph.identity(u.thing) for u in graph.of_kind("granted")}
    carrying = [t for t in sources if not graph.is_conversion(t) or graph.identity(t) in granted]
    return carrying[0] if len(carrying) == 1 else None


def _in_one_expression(source: Thing, thing: Thing) -> bool:
    """Say whether nothing else can hold the source: `torch.tensor(a, requires_grad=True)[None]`."""
    if source.site is None or thing.site is None or source.path != thing.path:
        return False
    (path, inner), (other, outer) = source.site, thing.site
    within = outer[:2] <= inner[:2] and inner[2:] <= outer[2:]
    return path == other and within and inner != outer


def _rebound(graph: FlowGraph, source: Thing, thing: Thing) -> bool:
    """Say whether the result takes the only name of its source: `x = x / 255`."""
    names = [
        {name for (path, _, name), held in graph.bound.items() if path == t.path and t in held}
        for t in (source, graph.identity(thing))
    ]
    return len(names[0]) == 1 and names[0] <= names[1]


_SCALES = frozenset(("*", "/", "+", "-"))


_COPYING_LINKS = frozenset(
    ("clone", "to", "type", "float", "double", "half", "bfloat16", "cuda", "type_as", "contiguous")
)


def _name(effect: str) -> str:
    return effect.rpartition(".")[2]


def _hazard(graph: FlowGraph, use: Use, granted: Thing) -> Hazard:
    what = "the gradient is granted before the last link, so this tensor is no leaf"
    demanded = {graph.identity(u.thing) for u in graph.of_kind("grad", "optimizer", "hook")}
    removals = [
        operation
        for grant in graph.of_kind("granted")
        if graph.identity(grant.thing) is granted
        for operation in _removal(grant)
    ]
    if granted in demanded or not removals:
        return Hazard(CODE, use, what, refusal="FG901")
    return Hazard(CODE, use, what, tuple(removals), wants_leaf=use.thing)


def _removal(grant: Use) -> list[Operation]:
    """Return what takes a grant away again."""
    form = grant.detail
    if form == "keyword":
        return [Operation(span(grant.site), "drop-keyword", "requires_grad")]
    if form == "method":
        return [Operation(span(grant.site), "unwrap-method", "requires_grad_")]
    if form == "attribute":
        return [Operation(span(grant.statement), "delete")]
    return []
