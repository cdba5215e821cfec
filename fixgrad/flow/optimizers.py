"""Optimizers: what they are given is demanded as a leaf, and a step moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.belongings import named
from fixgrad.flow.guards import ask_all
from fixgrad.flow.ir import stands_in
from fixgrad.flow.liveness import matters_to_next
from fixgrad.flow.memory import move
from fixgrad.flow.protocols import callables, iterated
from fixgrad.flow.sharing import overwrite_arrays
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity, log, tracked
from fixgrad.flow.values import (
    NONE,
    NOTHING,
    UNKNOWN,
    Site,
    Thing,
    Value,
    of_kind,
    ordered,
    union,
)
from fixgrad.flow.variables import read_variable

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def make_optimizer(m: Machine, f: Frame, state: State, call: Call, name: str) -> Value:
    """Construct an optimizer of torch.optim."""
    thing = m.thing("optimizer", Site(f.module.path, call.place), f.path, name)
    given = demand_parameters(m, f, state, call, name)
    state.set((thing, "#params"), frozenset(given))
    m.graph.optimizing[Site(f.module.path, call.place), f.path] = set(given)
    return frozenset((thing,))


def demand_parameters(
    m: Machine, f: Frame, state: State, call: Call, name: str, by: Thing | None = None
) -> list[Thing]:
    """Record that the tensors of an optimizer's argument are demanded as leaves.

    `by` is the optimizer where the project defines its class.
    """
    argument = call.get(0, "params") or call.get(0, "param_group")
    if argument is None:
        return []
    value = iterated(m, f, state, argument.value, argument.place)
    holders: set[Thing] = set()
    found = tensors_inside(state, containers.contents(state, value), holders)
    ask_all(m, f, state, value, holders, argument.place)
    _note_attributes(m, f, state, found, holders)
    for thing in found:
        others = [by] if by is not None else []
        log(m, f, state, "optimizer", thing, argument.place, detail=name, others=others)
    return [identity(t) for t in found]


def _note_attributes(
    m: Machine, f: Frame, state: State, found: list[Thing], holders: set[Thing]
) -> None:
    """Note how the tensors of an optimizer can be named: `camera.pose`.

    They are written in its displays, `[camera.pose, self.scale]`, or belong to an object or a dict that a
    variable holds: `camera.parameters()`, `params.values()`.
    """
    statement = Site(f.module.path, f.statement)
    written = [c for c in holders if c.site is not None and c.site.path == f.module.path]
    for container in written:
        for number in range(len(state.get((container, "#fields"), ()))):
            place, name = m.item_places.get((container, number), (None, ""))
            if name and place is not None and stands_in(place, f.statement):
                things = m.graph.listed.setdefault((statement, name), set())
                things.update(map(identity, state.get((container, f"[{number}]"), NOTHING)))
    for variable in sorted(f.function.local):
        value = read_variable(m, f, state, variable, -1 if f.function.kind == "module" else 0)
        holding = [(variable, value)]
        for instance in of_kind(value, "instance") if len(value) == 1 else ():
            for attribute in sorted(state.get((instance, "#fields"), ())):
                kept: Value = state.get((instance, attribute), NOTHING)
                holding.append((f"{variable}.{attribute}", kept))
        for name, content in (part for each in holding for part in named(state, *each)):
            if not content.isdisjoint(found):
                things = m.graph.listed.setdefault((statement, name), set())
                things.update(map(identity, content))


def tensors_inside(state: State, value: Value, holders: set[Thing] | None = None) -> list[Thing]:
    """Return the tensors in lists, tuples, dicts and param groups; not those behind objects.

    `holders` is given the containers too.
    """
    found: dict[Thing, None] = {}
    seen: set[Thing] = set() if holders is None else holders
    pending = ordered(value)
    while pending:
        thing = pending.pop(0)
        if thing in seen:
            continue
        seen.add(thing)
        if thing.kind == "tensor":
            found[thing] = None
        elif thing.kind in ("instance", "opaque"):
            pending.extend(ordered(state.get((thing, "#items"), NOTHING)))
        elif thing.kind in ("list", "tuple"):
            pending.extend(ordered(_listed(state, thing)))
        elif thing.kind == "dict":
            inner = state.get((thing, "['params']"))
            pending.extend(ordered(inner if inner else state.get((thing, "[*]"), NOTHING)))
    return list(found)


def _listed(state: State, thing: Thing) -> Value:
    """Return what is in a list now; what an earlier turn of a loop put there is in no list that is asked."""
    length = state.get((thing, "#length"), "maybe")
    if length == "maybe":
        anything: Value = state.get((thing, "[*]"), NOTHING)
        return anything
    return union(state.get((thing, f"[{n}]"), NOTHING) for n in range(int(length)))


def optimizer_method(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str, strong: bool
) -> Value:
    """Call a method of an optimizer."""
    held = m.graph.optimizing.setdefault((Site(f.module.path, call.place), f.path), set())
    held.update(state.get((thing, "#params"), NOTHING))
    if name == "add_param_group":
        given = demand_parameters(m, f, state, call, f"{thing.name}.{name}")
        state.add((thing, "#params"), frozenset(given))
        return NONE
    if name == "step":
        result = _closure(m, f, state, call)
        for tensor in ordered(state.get((thing, "#params"), NOTHING)):
            log(m, f, state, "step", tensor, call.place, detail=thing.name)
            if tracked(state, tensor) != "no":
                move(m, state, tensor)
                overwrite_arrays(state, tensor)
        return result
    return NONE if name == "zero_grad" else UNKNOWN


def _closure(m: Machine, f: Frame, state: State, call: Call) -> Value:
    argument = call.get(0, "closure")
    if argument is None or not callables(state, argument.value):
        return NONE
    results: list[Value] = []

    def turn(s: State) -> None:
        results.append(m.apply(m, f, s, Call(call.place), argument.value))

    m.loop(f, state, turn, lambda changes: matters_to_next(m, f, None, changes), endless=False)
    return results[-1] if results else UNKNOWN
