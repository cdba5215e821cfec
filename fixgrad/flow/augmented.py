"""Augmented assignments: `a += b` changes a tensor, an array or a list in place, and makes anew what cannot change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import container_changes, containers, descendants, each_once
from fixgrad.flow.arithmetic import TENSOR_LIKE, binary, computed
from fixgrad.flow.arrays import LISTED, NUMBERS, read_array, take, write_array
from fixgrad.flow.gradients import consume
from fixgrad.flow.ir import Op
from fixgrad.flow.protocols import operated
from fixgrad.flow.scalars import bring_values
from fixgrad.flow.sharing import write_in_place
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity, log, tracked
from fixgrad.flow.values import UNKNOWN, Thing, Value, of_kind, ordered

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def inplace(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `a += b` and its like; the result is `a` itself where `a` can change."""
    if op.target == "@":
        binary(m, f, op, state)  # torch and numpy make a new object
        return
    old, new = (consume(m, f, state, v, op.place) for v in f.values(op))
    result: set[Thing] = set()
    # Of a number the change makes a tensor, `total = 0.0; total += loss`, which later turns change in place.
    passed = [
        (identity(t), descendants.passed_through(state, [identity(t)]))
        for t in of_kind(old, "tensor")
    ]
    m.alternatives += len(old) > 1
    for thing in ordered(old):
        if thing.kind == "tensor":
            _change_tensor(m, f, state, op, thing, new)
        elif thing.kind == "array":
            _change_array(m, f, state, op, thing, new)
        elif thing.kind == "list" and op.target == "+":
            each_once.spoil(state, thing)
            _extend(m, f, state, op, thing, new, len(old) == 1)
        elif thing.kind == "dict" and op.target == "|":
            container_changes.update(m, f, state, op.place, thing, new)
        elif thing.kind == "instance":
            result |= _changed_instance(m, f, state, op, thing, new)
            continue
        else:
            result |= computed(m, f, state, op, frozenset((thing,)), new)
            continue
        result.add(thing)
    m.alternatives -= len(old) > 1
    for tensor, passes in passed:
        if passes:
            state.add((tensor, "#after"), passes)
    f.registers[op.out] = frozenset(result) or UNKNOWN


def _changed_instance(
    m: Machine, f: Frame, state: State, op: Op, thing: Thing, new: Value
) -> Value:
    me = frozenset((thing,))
    own = operated(m, f, state, op.place, op.target + "=", me, new)
    return own if own is not None else computed(m, f, state, op, me, new)


def _change_tensor(m: Machine, f: Frame, state: State, op: Op, thing: Thing, new: Value) -> None:
    place = f.place_of(op.args[1])
    for array in of_kind(new, "array"):
        if array.name not in (*NUMBERS, LISTED) and tracked(state, thing) != "no":
            log(m, f, state, "mixed", thing, place, detail=op.target, others=[array])
    inputs = [t for t in ordered(new) if t.kind in TENSOR_LIKE]
    write_in_place(m, f, state, thing, [inputs], op.place, op.target + "=")
    bring_values(m, state, identity(thing), (new,))


def _change_array(m: Machine, f: Frame, state: State, op: Op, thing: Thing, new: Value) -> None:
    for tensor in of_kind(new, "tensor"):
        if tracked(state, tensor) != "no":
            place = f.place_of(op.args[1])
            log(m, f, state, "export", tensor, place, detail=op.target + "=")
    read_array(m, f, state, thing, op.place)
    write_array(m, f, state, thing, op.place)
    take(m, state, thing, new)


def _extend(
    m: Machine, f: Frame, state: State, op: Op, thing: Thing, new: Value, strong: bool
) -> None:
    items = containers.elements(m, f, state, new, op)
    for value in items or []:
        containers.append(state, thing, value, strong)
    if items is None:
        containers.put_somewhere(state, thing, containers.any_element(m, f, state, new, op))
