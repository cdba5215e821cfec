"""`random`: some of what a list holds, nobody knows which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import container_changes, containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.guards import choose
from fixgrad.flow.state import State
from fixgrad.flow.values import NONE, UNKNOWN, Value, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def _drawn(m: Machine, f: Frame, state: State, call: Call) -> Value:
    first = call.get(0, "population") or call.get(0, "seq")
    value = first.value if first is not None else UNKNOWN
    for thing in of_kind(containers.contents(state, value), *containers.CONTAINERS):
        choose(m, state, thing)
    return containers.any_element(m, f, state, value, containers.element_op(call.place))


def _several(m: Machine, f: Frame, state: State, call: Call) -> Value:
    drawn = _drawn(m, f, state, call)
    return frozenset((containers.make(m, f, state, call.place, "list", None, drawn),))


def _shuffle(m: Machine, f: Frame, state: State, call: Call) -> Value:
    first = call.get(0, "x")
    for thing in of_kind(first.value, "list") if first is not None else []:
        container_changes.shuffle(state, thing)
    return NONE


DRAWING = {
    "random.choice": _drawn,
    "random.choices": _several,
    "random.sample": _several,
    "random.shuffle": _shuffle,
}
