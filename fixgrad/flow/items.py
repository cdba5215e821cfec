"""Reads and writes of items, and the elements that are unpacked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import constants, containers, each_once, enumerations, sequences, subsets
from fixgrad.flow.access import attribute, each
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.arrays import (
    array_item,
    arrays_in,
    has_objects,
    keep_objects,
    new_array,
    take,
    write_array,
)
from fixgrad.flow.classes import lookup_class, match_args
from fixgrad.flow.container_methods import item_of_dict
from fixgrad.flow.exports import export, maker_of
from fixgrad.flow.gradients import consume
from fixgrad.flow.guards import choose, pick, sift, take_part, takes_each
from fixgrad.flow.ir import Op
from fixgrad.flow.protocols import iterated, special
from fixgrad.flow.scalars import bring_values
from fixgrad.flow.sharing import write_in_place
from fixgrad.flow.state import State
from fixgrad.flow.tensors import derive, identity, log
from fixgrad.flow.values import (
    NOTHING,
    NUMBER,
    UNKNOWN,
    Site,
    Thing,
    Value,
    constant,
    known,
    of_kind,
    ordered,
    union,
)
from fixgrad.knowledge import (
    tensor_operator,
)

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def get_item(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `value[key]`."""
    value, key = f.values(op)
    if op.target in ("pattern", "field"):  # of a `case`: nothing can be written behind it
        m.graph.packed.add(Site(f.module.path, op.place))
    value = containers.contents(state, consume(m, f, state, value, op.place))
    one = _matched if op.target == "field" else _item
    found = each(m, f, state, value, lambda t, s: one(m, f, s, t, key, op))
    f.registers[op.out] = found or UNKNOWN


def _matched(m: Machine, f: Frame, state: State, thing: Thing, key: Value, op: Op) -> Value:
    """Return what a position of a class pattern takes: `case Point(x, y)`; of `case str(s)` the whole."""
    if thing.kind == "instance":
        names = match_args(state, thing.data)
    elif thing.kind == "opaque":
        names = list(state.get((thing, "#declared"), ()))
    else:
        return frozenset((thing,))
    number = known(key)[1]
    if number < len(names):
        return attribute(m, f, state, frozenset((thing,)), names[number], op.place)
    return containers.carry(m, f, state, op.place, [frozenset((thing,))])


def _item(m: Machine, f: Frame, state: State, thing: Thing, key: Value, op: Op) -> Value:
    match thing.kind:
        case "tensor":
            row = tensor_operator("[]")
            assert row is not None
            alias = _alias_of_item(state, key)
            row = row._replace(alias=alias, saves=alias != "view")  # a copy saves its indices
            made = derive(m, f, state, op.place, row, [thing])
            indices = containers.reachable(state, [key])
            if indices:
                m.graph.steered.setdefault(made, set()).update(identity(t) for t in indices)
            return frozenset((made,))
        case "array":
            return array_item(m, f, state, thing, key, op)
        case "dict":
            if not (containers.has(state, thing, key) or takes_each(m, f, state, op.args[1])):
                choose(m, state, thing)
            return item_of_dict(m, f, state, Call(op.place), thing, key)
        case "list" | "tuple":
            parts = [
                sequences.sliced(m, f, state, thing, k, op.place) for k in of_kind(key, "slice")
            ]
            whole = union(parts)
            if not m.loops and any(t.data is None for t in of_kind(key, "slice")):
                choose(m, state, thing)
            if known(key)[0] or parts:
                pick(m, state, thing, of_part=bool(parts))
                if parts:
                    take_part(m, state, thing, key, whole)
            elif not (m.loops and takes_each(m, f, state, op.args[1])) or sequences.lacks_some(
                m, state, thing, key, f.iterated.get(f.names.get(op.args[1], ""), NOTHING)
            ):
                choose(m, state, thing)
            if len(parts) == len(key):
                return whole
            found = sequences.item(m, state, thing, key)
            if known(key)[0]:
                subsets.take_one(m, state, thing, found)
            return whole | found
        case "instance":
            own = special(m, f, state, op.place, thing, "__getitem__", (key,))
            if own is not None:
                return own
        case "class":
            every = enumerations.members(m, state, thing)
            if every is None and not lookup_class(state, thing, "__class_getitem__")[0]:
                return frozenset((thing,))  # of a generic class: `Base[int]`
            return dict(every or ()).get(known(key)[1], UNKNOWN)
        case "number":
            return NUMBER  # one of several: `x.shape[0]`
        case "external":
            return _item_of_external(m, f, state, thing, key, op)
        case "const" | "text":
            return constants.letters(thing, key)
    return containers.carry(m, f, state, op.place, [frozenset((thing,))])


def _item_of_external(
    m: Machine, f: Frame, state: State, thing: Thing, key: Value, op: Op
) -> Value:
    """Return `np.r_[x, 1.0]`, which takes the values of tensors, or `sys.modules[__name__]`."""
    if thing.name == "sys.modules" and known(key) == (True, "__main__"):
        return frozenset((m.module_thing(f.module.path),))
    if thing.name in ("numpy.r_", "numpy.c_"):
        export(m, f, state, Argument(key, f.place_of(op.args[1])), thing.name)
        arrays = arrays_in(state, containers.with_elements(state, key))
        return frozenset((new_array(m, f, state, op.place, inputs=arrays, effect=thing.name),))
    return UNKNOWN


def _alias_of_item(state: State, key: Value) -> str:
    """Say what `tensor[key]` is: a view for numbers and slices, a copy for lists and masks."""
    kinds = {_kind_of_key(state, thing) for thing in key}
    return kinds.pop() if len(kinds) == 1 else "maybe-view"


def _kind_of_key(state: State, thing: Thing) -> str:
    if thing.kind == "tuple" and state.get((thing, "#length"), "maybe") != "maybe":
        inner = state.get((thing, "[*]"), frozenset())
        kinds = {_kind_of_key(state, t) for t in inner}
        return "view" if kinds == {"view"} else "copy" if "copy" in kinds else "maybe-view"
    if thing.kind in ("number", "slice") or (
        thing.kind == "const" and not isinstance(thing.data, bool)
    ):
        return "view"
    return "copy" if thing.kind in ("tensor", "array", "list") else "maybe-view"


def set_item(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `value[key] = new`; of `value[key] += new` the change itself is done already."""
    owner, key, new = f.values(op)
    new = consume(m, f, state, new, op.place)
    sift(m, state, new, owner)
    m.graph.held.update(map(identity, of_kind(new, "tensor")))
    if f.loops and op.args[0] in f.names:
        f.filled.add(f.names[op.args[0]])
    strong = len(owner) == 1
    m.alternatives += not strong
    for thing in ordered(owner):
        if thing.kind == "instance":
            _set_in_instance(m, f, op, state, thing, key, new)
        elif thing.kind == "tensor":
            inputs = of_kind(new, "tensor", "opaque", "module")
            if op.target == "aug" and inputs and all(_views(state, t, thing) for t in inputs):
                m.graph.carried.setdefault(identity(thing), set()).update(map(identity, inputs))
                continue
            write_in_place(m, f, state, thing, [inputs], op.place, "[]=")
            bring_values(m, state, identity(thing), (new,))
        elif thing.kind in ("array", "opaque"):
            write_array(m, f, state, thing, op.place)
            kept = thing.kind == "array" and has_objects(state, [thing])  # as they are
            if thing.kind == "array":
                take(m, state, thing, new)
                keep_objects(state, thing, containers.with_elements(state, new))
            # An array takes the values, a dict of somebody else's keeps the tensor as it is.
            opaque = thing.kind == "opaque"
            named = opaque and all(k.kind == "text" or isinstance(k.data, str) for k in key)
            if opaque and maker_of(thing):
                named = opaque = False
            detail = "[]=?" if opaque else "[]="
            for tensor in () if named or kept else of_kind(new, "tensor"):
                log(m, f, state, "export", tensor, f.place_of(op.args[2]), detail=detail)
            if opaque:
                containers.escape(state, thing, [new])
        elif thing.kind == "list" and of_kind(key, "slice"):
            new = iterated(m, f, state, new, op.place)
            each_once.spoil(state, thing)
            subsets.write_slice(m, f, state, thing, key, new, op, strong)
        elif thing.kind in ("list", "dict"):
            each_once.spoil(state, thing)
            containers.set_item(state, thing, key, new, strong)
    m.alternatives -= not strong


def _set_in_instance(
    m: Machine, f: Frame, op: Op, state: State, thing: Thing, key: Value, new: Value
) -> None:
    if special(m, f, state, op.place, thing, "__setitem__", (key, new)) is None:
        for inner in of_kind(state.get((thing, "#items"), NOTHING), "list", "dict"):
            containers.set_item(state, inner, key, new, True)


def _views(state: State, view: Thing, base: Thing) -> bool:
    """Say whether a tensor looks at another's memory, so that changing it has changed the other."""
    return identity(base) in state.get((identity(view), "#storage"), ())


def _element(m: Machine, f: Frame, state: State, thing: Thing, op: Op) -> Value:
    """Return an element of what is unpacked, where it is no list of the program's."""
    if thing.kind == "tensor":
        row = tensor_operator("[]")
        assert row is not None
        row, name = row._replace(alias="view"), f"element {op.target} of {thing.number}"
        return frozenset((derive(m, f, state, op.place, row, [thing], name=name),))
    if thing.kind == "array":
        return array_item(m, f, state, thing, UNKNOWN, op)
    if thing.kind == "const" and not op.target.startswith("*"):  # a key of a dict that is a tuple
        return constants.letters(thing, constant(int(op.target)))
    if thing.kind in ("dict", "number"):
        return UNKNOWN if thing.kind == "dict" else NUMBER
    return containers.carry(m, f, state, op.place, [frozenset((thing,))], op.target)


def part(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute the unpacking of one element: `a, *b, c = value`."""
    value = consume(m, f, state, f.registers[op.args[0]], f.place_of(op.args[0]))
    value = iterated(m, f, state, value, op.place)
    found: list[Value] = []
    others: list[Value] = []
    for thing in ordered(containers.contents(state, value)):
        if thing.kind in ("list", "tuple"):
            pick(m, state, thing)
            found.append(sequences.part(m, f, state, thing, op))
        else:
            others.append(_element(m, f, state, thing, op))
    if others and op.target.startswith("*"):  # a list, whatever is unpacked
        made = containers.make(m, f, state, op.place, "list", None, union(others))
        others = [frozenset((made,))]
    found += others
    f.registers[op.out] = union(found) or UNKNOWN
    if op.names:
        taken = (Site(f.module.path, f.statement), op.names[0])
        m.graph.taken_out.setdefault(taken, set()).update(map(identity, f.registers[op.out]))
