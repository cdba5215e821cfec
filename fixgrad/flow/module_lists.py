"""`Sequential`, `ModuleList`, `ModuleDict`: modules that hold others in order, in a list or a dict (#items)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Site, Thing, Value, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_SEQUENTIAL = "torch.nn.Sequential"
_MADE_OF = {"torch.nn.ModuleList": "list", "torch.nn.ModuleDict": "dict"}
CHANGES = ("append", "extend", "insert", "update")
_ASKS = ("items", "values", "keys", "get")


def note_held(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> None:
    """Note what a new container of modules holds."""
    kind = _MADE_OF.get(thing.name)
    if kind is not None:
        base = frozenset((m.thing("external", None, (), f"builtins.{kind}"),))
        given = tuple(a._replace(name="") for a in call.arguments)
        state.set((thing, "#items"), m.apply(m, f, state, call._replace(arguments=given), base))
    elif thing.name == _SEQUENTIAL:
        items = _in_order(state, call)
        anything = containers.contents(state, frozenset(state.get((thing, "#inner"), NOTHING)))
        made = containers.make(m, f, state, call.place, "list", items, anything, "modules")
        state.set((thing, "#items"), frozenset((made,)))


def _in_order(state: State, call: Call) -> list[Value] | None:
    """Return what a `Sequential` is made of, one by one, where all of it is known."""
    first = call.get(0, None)
    named = of_kind(first.value, "dict") if first is not None else []
    if len(named) == 1:
        pairs = containers.known_items(state, named[0])
        return None if pairs is None else [value for _, value in pairs]
    if named or any(a.name for a in call.arguments):
        return None
    return [a.value for a in call.arguments]


def change(m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str) -> Value:
    """Put modules into a container of modules: `layers.append(Linear(2, 2))`."""
    items = frozenset(state.get((thing, "#items"), NOTHING))
    new = containers.with_elements(state, frozenset(t for a in call.arguments for t in a.value))
    state.add((thing, "#inner"), frozenset(of_kind(new, "module", "instance", "opaque")))
    if items:
        m.send(m, f, state, call, items, name)
    return frozenset((thing,))


def ask(m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str) -> Value | None:
    """Ask a `ModuleDict` for what it holds, as a dict is asked."""
    items = frozenset(state.get((thing, "#items"), NOTHING))
    if name not in _ASKS or not of_kind(items, "dict"):
        return None
    return m.send(m, f, state, call, items, name)


def add(state: State, thing: Thing, value: Value) -> None:
    """Note what `add_module` puts behind the others."""
    state.add((thing, "#inner"), value)
    for held in of_kind(state.get((thing, "#items"), NOTHING), "list"):
        containers.append(state, held, value, True)


def in_sequence(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> Value | None:
    """Call the modules of a `Sequential` one after the other, where some are of the project's classes."""
    held = frozenset(state.get((thing, "#items"), NOTHING))
    op = containers.element_op(call.place)
    items = containers.elements(m, f, state, held, op) if thing.name == _SEQUENTIAL else None
    if not items or len(call.arguments) != 1 or not _has_own(items):
        return None
    value, calls = call.arguments[0].value, f.path
    for number, item in enumerate(items):
        f.path = (*calls, Site(f.module.path, (*call.place[:3], number)))
        given = Call(call.place, (Argument(value, call.place),))
        value = m.apply(m, f, state, given, item)
    f.path = calls
    return value


def _has_own(items: list[Value]) -> bool:
    return any(t.kind == "instance" for item in items for t in item)
