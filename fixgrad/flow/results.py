"""Operations with several results: `values, indices = x.max(dim=0)`, `torch.meshgrid`, poolings with indices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.state import State
from fixgrad.flow.tensors import cut_from, derive, identity, joint_dtype, make, recorded
from fixgrad.flow.values import Site, Thing, Value, is_constant, of_kind
from fixgrad.knowledge import TensorOp

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_OPERANDS = 2  # of `torch.max(x, other)`


def with_indices(call: Call, row: TensorOp) -> TensorOp:
    """Return the row of a pooling as it is where it returns the indices too."""
    if "pool" not in row.name or not _gives_indices(call, row.name):
        return row
    return row._replace(outputs=("yes", "no"), dtypes=("same", "int64"), returns="tuple")


def _gives_indices(call: Call, name: str) -> bool:
    """Say whether a pooling returns indices too."""
    flags = (a for a in call.arguments if a.name in ("", "return_indices"))
    always = name.endswith("_with_indices") or name.startswith("torch.adaptive_max_pool")
    return always or any(is_constant(a.value, True) for a in flags)


def several(
    m: Machine,
    f: Frame,
    state: State,
    call: Call,
    row: TensorOp,
    operands: list[list[Thing]],
    alone: bool,
) -> Value:
    """Return the results of an operation that has several, each with its own effect.

    Where a call with one argument returns a plain tensor (`x.max()`), the first effect is the result's; so it
    may where something unknown is its argument `alone`.
    """
    if not row.outputs:
        return _one_by_one(m, f, state, call, row, operands)
    inputs = [thing for group in operands for thing in group]
    grad = row.outputs[0]
    whole = derive(m, f, state, call.place, row, inputs, grad=grad, operands=operands)
    items: list[Value] = [frozenset((whole,))]
    for number, grad in enumerate(row.outputs[1:], 1):
        inner = make(
            m, f, state, call.place, f"output {number}",
            is_tracked=recorded(state, inputs, operands) if grad != "no" else "no",
            of_dtype=_dtype_of_output(state, row, number, operands),
            inputs=(identity(t) for t in inputs) if grad != "no" else (),
        )  # fmt: skip
        if grad == "no":
            cut_from(m, inner, inputs)
        items.append(frozenset((inner,)))
    pooled = "pool" in row.name and not _gives_indices(call, row.name)
    if pooled or (
        row.returns == "tensor" and all(of_kind(a.value, "tensor") for a in call.arguments)
    ):
        return items[0]
    if alone and row.returns == "tensor" and call.arguments[0].name == "":
        return items[0]
    m.graph.packed.add(Site(f.module.path, call.place))
    packed = frozenset((containers.make(m, f, state, call.place, "tuple", items),))
    plain = row.returns == "tensor" and (alone or _may_compare(call, row))
    return packed | items[0] if plain else packed


def _may_compare(call: Call, row: TensorOp) -> bool:
    """Say whether the other argument of `torch.max(x, other)` may be a tensor, not a dimension."""
    if row.dtype != "promote" or call.keyword("dim") or call.keyword("axis"):
        return False
    others = [a.value for a in call.arguments if a.name in ("", "other")]
    if not others or call.keyword("keepdim") or len(call.arguments) > _OPERANDS:
        return False
    return not all(t.kind in ("const", "number") for t in others[-1])


def _one_by_one(
    m: Machine, f: Frame, state: State, call: Call, row: TensorOp, operands: list[list[Thing]]
) -> Value:
    """Return results that are each computed from one argument: those of `torch.meshgrid`."""
    parts: list[Value] = []
    for number, group in enumerate(operands):
        name = f"output {number}"
        part = derive(m, f, state, call.place, row, group, name=name, operands=[group])
        parts.append(frozenset((part,)))
    m.graph.packed.add(Site(f.module.path, call.place))
    return frozenset((containers.make(m, f, state, call.place, "tuple", parts),))


def _dtype_of_output(state: State, row: TensorOp, number: int, operands: list[list[Thing]]) -> str:
    rule = row.dtypes[number] if number < len(row.dtypes) else "unknown"
    groups = [group for group in operands if any(t.kind == "tensor" for t in group)]
    return joint_dtype(state, groups[0]) if rule == "same" and groups else rule
