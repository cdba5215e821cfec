"""Displays and comprehensions: `[a, *b]`, `(a, b)`, `{k: v}`, `{a}`, and the slices of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import container_changes, containers, keys, sequences
from fixgrad.flow.gradients import consume
from fixgrad.flow.guards import holds_all
from fixgrad.flow.ir import Op
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Site, Thing, Value, known, of_kind, summed_up, union

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def pack(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute a display: `[a, *b]`, `(a, b)`, `{k: v}`, `{a}`, and slices."""
    values = [consume(m, f, state, v, op.place) for v in f.values(op)]
    if op.target == "slice":
        f.registers[op.out] = _slice(m, op, values)
    elif op.target == "dict":
        made = _dict(m, f, op, state, values)
        for value, register in zip(values, op.args, strict=True):
            site = Site(f.module.path, f.place_of(register))
            m.put_places.update({(made, tensor): site for tensor in of_kind(value, "tensor")})
        f.registers[op.out] = frozenset((made,))
    elif op.constant:  # a comprehension begins: nobody holds what it has built before
        thing = containers.make(m, f, state, op.place, op.target, [], fresh=True)
        f.registers[op.out] = frozenset((thing,))
    else:
        thing = _sequence(m, f, op, state, values)
        _note_items(m, f, state, op, thing, values)
        f.registers[op.out] = frozenset((thing,))


def _note_items(
    m: Machine, f: Frame, state: State, op: Op, thing: Thing, values: list[Value]
) -> None:
    """Note where the items of a display stand: those in front of `*rest`, and what puts others into `rest`."""
    for n, (register, value) in enumerate(zip(op.args, values, strict=True)):
        if op.names and op.names[n] == "*":
            for rest in of_kind(value, "list"):
                for inside in state.get((rest, "[*]"), NOTHING):
                    if (rest, inside) in m.put_places:
                        m.put_places[thing, inside] = m.put_places[rest, inside]
            return
        m.item_places[thing, n] = f.place_of(register), f.attributes.get(register, "")
        if register in f.names:
            m.graph.item_names[Site(f.module.path, f.place_of(register))] = f.names[register]


def _slice(m: Machine, op: Op, values: list[Value]) -> Value:
    parts = {name: known(value) for name, value in zip(op.names, values, strict=True)}
    bounds = [parts.get(name, (True, None)) for name in ("lower", "upper", "step")]
    sure = (
        all(certain and (bound is None or isinstance(bound, int)) for certain, bound in bounds)
        and bounds[2][1] != 0
    )
    data = slice(*(bound for _, bound in bounds)) if sure else None
    return frozenset((m.thing("slice", None, (), str(data), data),))


def _sequence(m: Machine, f: Frame, op: Op, state: State, values: list[Value]) -> Thing:
    names = op.names or ("",) * len(values)
    items: list[Value] = []
    behind: list[Value] = []  # from the first list on whose items are not known
    starred = False
    for value, name in zip(values, names, strict=True):
        inner = [value] if name != "*" else _star(m, f, state, value, op)
        if inner is None:
            first, rest = ([], NOTHING) if starred else sequences.halves(state, value)
            items += first
            starred = True
            inner = [rest if first else containers.any_element(m, f, state, value, op)]
        (behind if starred else items).extend(inner)
    kind = "set" if op.target == "set" else ""
    every = None if starred else items
    anything = union([*items, *behind]) if starred else NOTHING
    made = containers.make(m, f, state, op.place, op.target, every, anything, kind)
    if starred and not kind:
        sequences.begin(state, made, items, union(behind))
        if names[-1] != "*":
            sequences.end(state, made, [*items, *behind])
    if "*" in names:
        stars, singles = sequences.parted(
            state, [v for v, n in zip(values, names, strict=True) if n == "*"]
        )
        singles += [v for v, n in zip(values, names, strict=True) if n != "*"]
        holds_all(m, state, made, stars, singles)
    return made


def _star(m: Machine, f: Frame, state: State, value: Value, op: Op) -> list[Value] | None:
    return containers.elements(m, f, state, value, op)


def _dict(m: Machine, f: Frame, op: Op, state: State, values: list[Value]) -> Thing:
    thing = containers.make(m, f, state, op.place, "dict", [])
    state.set((thing, "#closed"), True)
    if _fill_at_once(state, thing, op, values):
        return thing
    n = 0
    while n < len(values):
        if op.names[n] == "**":
            container_changes.pour(state, thing, of_kind(values[n], "dict"))
            if not all(state.get((t, "#closed"), False) for t in values[n]):
                state.set((thing, "#closed"), False)
            n += 1
        else:
            containers.set_item(state, thing, values[n], values[n + 1], True)
            n += 2
    return thing


MOST_KEYS = 512  # of a dict that is written out, known one by one


def _fill_at_once(state: State, thing: Thing, op: Op, values: list[Value]) -> bool:
    """Fill a dict that is written out with known keys, or a table too large to know them."""
    if "**" in op.names:
        return False
    items: dict[str, Value] = {}
    if len(values) > 2 * MOST_KEYS:
        state.set((thing, "#closed"), False)
        held = values[1::2]
    else:
        for key, value in zip(values[::2], values[1::2], strict=True):
            field = keys.field_of(state, key)
            if field is None:
                return False
            items[field] = value
        held = list(items.values())
    for field, value in items.items():
        state.set((thing, field), value)
    state.set((thing, "#fields"), frozenset(items))
    state.set((thing, "#order"), tuple(items))
    state.set((thing, "#sure"), frozenset(items))
    state.set((thing, "[*]"), summed_up(union([state.get((thing, "[*]"), NOTHING), *held])))
    return True
