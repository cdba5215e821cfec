"""Reads and writes of the attributes of tensors: their gradient, the flag that grants it, what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow.gradients import flag, moved_by_gradient, read_gradient
from fixgrad.flow.ir import Place
from fixgrad.flow.memory import move
from fixgrad.flow.sharing import grant, overwrite_arrays
from fixgrad.flow.state import State
from fixgrad.flow.tensors import derive, dtype, identity, tracked
from fixgrad.flow.values import (
    FALSE,
    NONE,
    NUMBER,
    UNKNOWN,
    Thing,
    Value,
    is_constant,
    known,
    of_kind,
)
from fixgrad.knowledge import tensor_method

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_LAYOUTS = ("is_sparse", "is_sparse_csr", "is_quantized", "is_mkldnn")
_PLAIN_TENSOR_FACTS = {
    "shape",
    "device",
    "dtype",
    "ndim",
    "is_leaf",
    "requires_grad",
    "grad_fn",
    "is_cuda",
    "layout",
    "names",
    "itemsize",
    "nbytes",
}


def read(m: Machine, f: Frame, state: State, thing: Thing, name: str, place: Place) -> Value:
    """Return an attribute of a tensor."""
    if name in _LAYOUTS:
        return FALSE if _is_dense(m, thing) else NUMBER
    if name == "grad":
        return read_gradient(m, f, state, thing, place)
    if name == "requires_grad":
        status = tracked(state, thing)
        return UNKNOWN if status == "maybe" else flag(m, thing, status == "yes")
    if name == "grad_fn" and tracked(state, thing) == "no":
        return NONE
    if name == "dtype":
        return frozenset((m.thing("dtype", None, (), dtype(state, thing)),))
    if name in ("is_leaf", "device", "grad_fn"):
        return UNKNOWN
    if name in _PLAIN_TENSOR_FACTS:
        return NUMBER
    row = tensor_method(name)
    if row is not None and row.attribute:
        return frozenset((derive(m, f, state, place, row, [thing]),))
    return frozenset((m.thing("method", None, (), name, thing),))


def _is_dense(m: Machine, thing: Thing) -> bool:
    """Say whether a tensor is computed of arrays and sizes alone, and by nothing that makes it sparse."""
    upstream = m.graph.upstream([identity(thing)])
    made = [m.graph.made.get(t) for t in upstream]
    known_ones = all(each is not None and "sparse" not in each.effect for each in made)
    given = [m.graph.born[t] for t in upstream if t in m.graph.born and t.name != "torch.tensor"]
    return known_ones and {"array", "literal"}.issuperset(given)


def write(
    m: Machine,
    f: Frame,
    state: State,
    thing: Thing,
    name: str,
    new: Value,
    place: Place,
    strong: bool,
) -> None:
    """Set an attribute of a tensor; not `strong` where it may be another's."""
    me = identity(thing)
    if name == "requires_grad":
        sure, value = known(new)
        if sure:
            grant(m, f, state, thing, place, on=bool(value), strong=strong, form="attribute")
        elif new:
            state.set((me, "#tracked"), "maybe")
            state.set((me, "#leaf"), "maybe")
    elif name == "grad":
        _set_gradient(m, state, me, new)
    elif name == "data":
        moved_by_gradient(m, me, of_kind(new, "tensor") if m.optional else ())
        move(m, state, me)
        overwrite_arrays(state, me)


def _set_gradient(m: Machine, state: State, me: Thing, new: Value) -> None:
    scaled = any(t.kind == "grad" or t.name == "gradient" for t in new)  # x.grad *= 0.5
    if not is_constant(new, None) and not scaled and not state.get((me, "#read")):
        state.set((me, "#manual"), True)
        m.graph.manual.add(me)
    given = any(t.name == "gradient" and m.gradient_of.get(t) is not me for t in new)
    if given and state.get((me, "#gradient"), "none") == "none":
        state.set((me, "#gradient"), "maybe")  # x.grad = autograd.grad(loss, x)[0]
