"""The gradient's path leaves for NumPy or Python numbers and comes back by a conversion, without the gradient.

## What it finds
A tensor made of an array, a list or a number that holds the values of a tracked tensor, where a backward pass goes
through it and the tracked tensor has no other way to the loss: its optimizer steps without a gradient, its `.grad` is
read and is `None`, or `backward()` raises. The tracked tensor may be a parameter of a module. A loss made of numbers
and granted is found too, `torch.tensor(np_loss, requires_grad=True)`: its backward pass runs and trains nothing.

## Why it matters
The gradient ends at the conversion. What stands before it is never trained, mostly without a word.

## Example
```python
import numpy as np
import torch

x = torch.tensor(np.array([0.5, 1.5]), requires_grad=True)
scale = torch.ones(2, dtype=torch.float64, requires_grad=True)
y = torch.from_numpy(np.sin(x.detach().numpy()))
(y * scale).sum().backward()
print(x.grad)  # None
```

## Repair
Where every step between has an equivalent in torch with the same values and the same dtype, all of them are written
in torch: `y = torch.sin(x)`. Who else looks at one of the arrays gets it by `.detach().numpy()`, as before. Otherwise
the finding is refused with FG902, which names the line and the call.

## Repair safety
Unsafe: the cut may be meant. Values that come back as a mask, a target or a weight beside another path of the gradient
are no finding; nor is what is computed under `no_grad`, rounded or compared.

## References
https://docs.pytorch.org/docs/stable/notes/autograd.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from fixgrad.findings import CUT, DEMAND, MADE, Step
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Path, Site, Thing, ordered
from fixgrad.hazards import Hazard, line_of, span
from fixgrad.knowledge import dtype_class

CODE = "FG206"
NAME = "numpy-round-trip"

_DETACHING = ("detach", "data", "numpy", "Variable")
_OFF = ("off", "inference")


def hazards(graph: FlowGraph) -> Iterator[Hazard]:
    """Yield the conversions that bring values back whose gradient is asked for and lost."""
    back = list(graph.of_kind("returned"))
    if not back:
        return
    passes = [_Pass.of(graph, use) for use in graph.of_kind("backward")]
    reached = {t for each in passes for t in each.through}
    asking = _asking(graph)
    for use in back:
        me = use.thing
        whole = dtype_class(graph.made[me].dtype) in ("integer", "bool")
        through = [p for p in passes if p.known and me in p.through]
        if any(u.kind == "granted" for u in asking[me]):
            # A leaf of its own, but for the loss itself: its gradient goes nowhere.
            through = [p for p in through if graph.identity(p.use.thing) is me]
        if whole or not through:
            continue
        behind = _behind(graph, me)
        for leaf in behind:
            if leaf in reached or leaf in graph.manual | graph.refused:
                continue
            asked = _asked(leaf, asking[leaf], passes, through)
            if asked is not None:
                yield _hazard(graph, use, leaf, *asked)
                break
        else:
            raising = exports(graph, me)
            if raising:
                export = raising[0]
                what = f"`{export.detail.rpartition('.')[2]}` raises on it"
                yield _hazard(graph, use, graph.identity(export.thing), export, what)


def exports(graph: FlowGraph, returned: Thing) -> list[Use]:
    """Return the exports that raise, as the tensor is tracked, of the values that a conversion brings back."""
    behind = set(_behind(graph, returned))
    left = [t.site for t in _exits(graph, returned) if t.site is not None]
    return [
        use
        for use in graph.of_kind("export")
        if use.tracked == "yes"
        and use.sure
        and graph.identity(use.thing) in behind
        and any(_covers(site, use.site) for site in left)
    ]


def _covers(outer: Site, inner: Site) -> bool:
    starts, ends = outer.place[:2] <= inner.place[:2], inner.place[2:] <= outer.place[2:]
    return outer.path == inner.path and starts and ends


def returned(graph: FlowGraph, key: tuple[Site | None, Path]) -> list[Thing]:
    """Return the conversions before backward passes that bring back values of a tensor or its results."""
    through = {t for u in graph.of_kind("backward") for t in _Pass.of(graph, u).through}
    return [
        use.thing
        for use in graph.of_kind("returned")
        if use.thing in through and any((t.site, t.path) == key for t in _behind(graph, use.thing))
    ]


class _Pass(NamedTuple):
    """One backward pass: its use, what it goes through, whether all of that is known."""

    use: Use
    through: frozenset[Thing]
    known: bool

    @classmethod
    def of(cls, graph: FlowGraph, use: Use) -> _Pass:
        found: dict[Thing, None] = {}
        pending = [graph.identity(use.thing)]
        while pending:
            thing = pending.pop()
            if thing not in found:
                found[thing] = None
                pending.extend(map(graph.identity, graph.carried.get(thing, ())))
                if thing.name.endswith("Variable"):
                    pending.extend(map(graph.identity, graph.cut.get(thing, ())))
        known = all(t.kind == "tensor" for t in found) and graph.impure.isdisjoint(found)
        return cls(use, frozenset(found), known)


def _behind(graph: FlowGraph, returned: Thing) -> list[Thing]:
    """Return the tensors whose values come back, as far as only NumPy and `.detach()` cut them off."""
    found: dict[Thing, None] = {}
    pending = [returned]
    while pending:
        thing = pending.pop()
        if thing in found:
            continue
        found[thing] = None
        made = graph.made.get(thing)
        if thing in graph.computed:
            if not graph.computed[thing].flat:
                pending.extend(map(graph.identity, graph.computed[thing].inputs))
            continue
        if made is not None and made.mode in _OFF and thing is not returned:
            continue  # it is said that no gradient is wanted
        pending.extend(map(graph.identity, graph.carried.get(thing, ())))
        if made is not None and made.effect.endswith(_DETACHING):
            pending.extend(map(graph.identity, graph.cut.get(thing, ())))
    return [t for t in ordered(found) if t.kind == "tensor" and t is not returned]


def _asking(graph: FlowGraph) -> dict[Thing, list[Use]]:
    """Return what is asked of each tensor, and granted to it."""
    found: dict[Thing, list[Use]] = defaultdict(list)
    for use in graph.of_kind("step", "grad", "inputs", "optimizer", "granted"):
        found[graph.identity(use.thing)].append(use)
    return found


def _asked(
    leaf: Thing, uses: list[Use], passes: list[_Pass], through: list[_Pass]
) -> tuple[Use, str] | None:
    """Return the use that asks for a gradient which a leaf does not get, and what it does."""
    filled = any(u.gradient != "none" for u in uses if u.kind in ("step", "grad"))
    unknown = {_program(p.use) for p in passes if not p.known}
    for use in uses:
        if not (use.tracked == use.leaf == "yes" and use.sure):
            continue
        # conservative: a pass of which not everything is known may reach the leaf
        elsewhere = filled or use.weighed or use.detail == "guarded" or _program(use) in unknown
        if use.kind == "step" and not elsewhere:
            return use, "an optimizer steps it"
        if use.kind == "grad" and not elsewhere:
            return use, "its `.grad` is read"
        if use.kind == "inputs" and any(_same(p.use, use) for p in through):
            return use, f"`{use.detail.rpartition('.')[2]}` is asked for its gradient"
    tracked = any(u.tracked == "yes" or (u.kind == "granted" and u.sure) for u in uses)
    for each in through if tracked or _is_parameter(leaf) else ():
        if each.use.tracked == "no":
            return each.use, f"`{each.use.detail.rpartition('.')[2]}` has nothing to differentiate"
    return None


def _program(use: Use) -> str:
    """Return the file whose code, or whose unknown caller, leads to a use."""
    return use.path[0].path if use.path else use.site.path


def _is_parameter(thing: Thing) -> bool:
    return thing.name.startswith(("torch.nn.Parameter", "parameter of"))


def _same(root: Use, use: Use) -> bool:
    return root.statement == use.statement and root.path == use.path


def _hazard(graph: FlowGraph, use: Use, leaf: Thing, asking: Use, asked: str) -> Hazard:
    name = _named(graph, leaf)
    line = line_of(asking.site)
    what = f"values come back without their gradient, so {name} gets none, but {asked} at {line}"
    left = next((t.site for t in _exits(graph, use.thing)), None)
    trace = [
        (leaf.site, "made here", MADE),
        (left, "leaves for NumPy or Python", CUT),
        (use.site, "comes back here", CUT),
        (asking.site, "demanded here", DEMAND),
    ]
    steps = tuple(
        Step(span(site), said, effect) for site, said, effect in trace if site is not None
    )
    use = use._replace(others=(leaf,))
    exit_line = line_of(left) if left is not None else line
    reason = f"{exit_line} takes the values to NumPy or Python"
    return Hazard(CODE, use, what, refusal="FG902", reason=reason, trace=steps, asking=asking)


def _named(graph: FlowGraph, leaf: Thing) -> str:
    line = line_of(leaf.site)
    if leaf.name.startswith("parameter of "):
        return f"the `{leaf.name.rpartition('.')[2]}` made at {line}"
    names = {name for (_, thing), name in graph.variables.items() if thing is leaf}
    return f"`{min(names)}`" if names else f"the tensor made at {line}"


def _exits(graph: FlowGraph, returned: Thing) -> list[Thing]:
    """Return what takes the values to NumPy or Python, in the program's order."""
    found: dict[Thing, None] = {}
    pending = [returned]
    while pending:
        thing = pending.pop()
        if thing not in found and thing in graph.computed:
            found[thing] = None
            pending.extend(graph.computed[thing].inputs)
    return [t for t in ordered(found) if any(i.kind == "tensor" for i in graph.computed[t].inputs)]
