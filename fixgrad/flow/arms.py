"""Which ways of a branch detach a tensor: another way, that does not, is for what needs no detaching.

`x.detach().numpy() if is_torch else x.numpy()` converts a torch tensor in one way and another library's in the
other. A way is told by its branch, the calls that lead there, and its number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from fixgrad.flow.values import Path, Site, Thing, Value

if TYPE_CHECKING:
    from fixgrad.flow.graph import FlowGraph
    from fixgrad.flow.machine import Frame, Machine
    from fixgrad.flow.uses import Use

FOR_OTHER_KINDS = -1  # the number of a handler for what lacks a method
Arm: TypeAlias = tuple[Site, Path, int]

DATA = (
    "torch.Tensor.data"  # it detaches what NumPy is given then: `x.data -= step` is something else
)
DETACHES = ("torch.Tensor.detach", DATA, "torch.detach")
_SAME = ("maybe-self", "self")


def note_detached(m: Machine, thing: Thing) -> None:
    """Note that a tensor is detached on the ways being followed."""
    if not m.arms:
        return
    me = m.graph.identity(thing)
    things = _one_with(m.graph, me)
    made = m.graph.made.get(me)
    if made is not None and made.alias in _SAME:
        things |= m.graph.carried.get(me, set())
    for site, path, number in m.arms:
        for each in things:
            m.graph.detached.setdefault((site, path, each), set()).add(number)


def note_export(m: Machine, f: Frame, site: Site, thing: Thing) -> None:
    """Remember on which ways NumPy takes a tensor."""
    key = (site, f.path, m.graph.identity(thing))
    if m.arms:
        _note_data(m, thing)
        m.graph.arms.setdefault(key, set()).update(m.arms)
    if key[2] in m.beside:
        m.graph.beside.add(key)


def _note_data(m: Machine, thing: Thing) -> None:
    for above in m.graph.upstream([thing]):
        made = m.graph.made.get(above)
        for source in (
            m.graph.cut.get(above, ()) if made is not None and made.effect == DATA else ()
        ):
            note_detached(m, source)


def detached_ones(m: Machine, value: Value) -> Iterable[Thing]:
    """Return the tensors of a value that it holds detached as well: `if is_torch: x = x.detach()`."""
    if len(value) < 2:
        return
    for thing in value:
        made = m.graph.made.get(thing) if thing.kind == "tensor" else None
        if made is not None and made.effect in DETACHES:
            yield from m.graph.cut.get(thing, ())


def is_told_apart(graph: FlowGraph, use: Use) -> bool:
    """Say whether an export stands beside another way on which the program detaches the same tensor."""
    key = (use.site, use.path, graph.identity(use.thing))
    return key in graph.beside or bool(_elsewhere(graph, key))


def is_of_other_kind(graph: FlowGraph, use: Use) -> bool:
    """Say whether an export is for what lacks `detach`: the way on which that was asked has failed."""
    return FOR_OTHER_KINDS in _elsewhere(graph, (use.site, use.path, graph.identity(use.thing)))


def _elsewhere(graph: FlowGraph, key: tuple[Site, Path, Thing]) -> list[int]:
    """Return the ways of an export that stand beside one that detaches the tensor."""
    things = _one_with(graph, key[2])
    return [
        number
        for site, path, number in graph.arms.get(key, ())
        if any(graph.detached.get((site, path, thing), set()) - {number} for thing in things)
    ]


def _one_with(graph: FlowGraph, thing: Thing) -> set[Thing]:
    """Return a thing and, of what is unknown, what it was taken from: `inputs[0]` in either way is one object."""
    return {thing, *(graph.carried.get(thing, ()) if thing.kind == "opaque" else ())}
