"""Reads the call that an operation writes: which values it gives, under which names, and what is called."""

from __future__ import annotations

from fixgrad.flow import containers, managers, sequences
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.gradients import consume
from fixgrad.flow.ir import Op, Place
from fixgrad.flow.machine import Frame, Machine
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Site, Thing, Value, of_kind, union


def call_of(m: Machine, f: Frame, op: Op, state: State, *, receiver: Place | None = None) -> Call:
    """Return the call of an operation, its star-arguments spread as far as they are known."""
    arguments: list[Argument] = []
    planned = f.overlay.get(op.place, ()) if f.overlay else ()
    dropped = {o.argument for o in planned if o.kind == "drop-keyword"}
    registers, places = f.registers, f.places
    for register, name in zip(op.args[1:], op.names[1:], strict=True):
        value, place = registers[register], places[register]
        if name in dropped:
            continue
        if name[:1] == "*":  # what is written here is not what is given
            m.graph.kinds.setdefault(Site(f.module.path, place), set()).add("several")
        if name == "*":
            value = consume(m, f, state, value, place)
            items = containers.elements(m, f, state, value, op)
            if items is not None:
                arguments += [Argument(v, place) for v in items]
                continue
            first, rest = sequences.halves(state, value)
            arguments += [Argument(v, place) for v in first]
            value = rest if first else containers.any_element(m, f, state, value, op)
        elif name == "**":
            expanded = _expand_keywords(state, value, place)
            if expanded is not None:
                arguments += expanded
                if any(state.get((t, "#more")) for t in value):
                    arguments.append(Argument(NOTHING, place, "**"))
                continue
            items_of = (state.get((t, "[*]"), NOTHING) for t in of_kind(value, "dict"))
            value = union([*items_of, frozenset(of_kind(value, "opaque"))])
        arguments.append(Argument(value, place, name))
    direct = _is_written(m, f, op, state)
    parts = op.constant if isinstance(op.constant, int) else 0
    manages = op.constant == managers.WRITTEN
    return Call(op.place, tuple(arguments), receiver, direct, True, parts, manages)


def _is_written(m: Machine, f: Frame, op: Op, state: State) -> bool:
    """Say whether the called function is written here by the name it was imported under."""
    if op.kind == "method":
        return "external" in [t.kind for t in f.registers[op.args[0]]]
    name = f.names.get(op.args[0])
    if name is None:  # `CONVERTERS[kind](a)`
        return False
    for thing in f.registers[op.args[0]]:
        key = (f.module.path, thing.name)
        local = [n for _, n in m.graph.local_names.get(key, ())]
        by_star = state.get((m.module_thing(f.module.path), "#stars")) and name == _last(thing)
        if m.graph.names_of.get(key) != name and name not in local and not by_star:
            return False
    return True


def _last(thing: Thing) -> str:
    return thing.name.rpartition(".")[2]


def _expand_keywords(
    state: State, value: Value, place: tuple[int, int, int, int]
) -> list[Argument] | None:
    if len(value) != 1:
        return None
    (thing,) = value
    if thing.kind != "dict":
        return None
    items = containers.known_items(state, thing)
    if items is None:
        return None
    found = []
    for key, inner in items:
        (name,) = key
        if not isinstance(name.data, str):
            return None
        found.append(Argument(inner, place, name.data))
    return found
