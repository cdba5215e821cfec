"""Exceptions that the program raises: whether one ends it, who catches it, and what it carries there."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.classes import external_bases, linear_bases
from fixgrad.flow.ir import Block
from fixgrad.flow.joining import Changes
from fixgrad.flow.lower.handlers import PASSED_ON
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, UNKNOWN, Site, Thing, Value, of_kind, union

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


class Net:
    """A `try` whose body is being executed, and what was raised in it."""

    def __init__(self, state: State, names: list[str]) -> None:
        self.mark, self.trail = state.mark, state.trail
        self.names = [name for name in names if name[0] != PASSED_ON]  # of what it catches for good
        self.handled = {name.lstrip(PASSED_ON) for name in names}  # and of what else it handles
        self.raised: list[Value] = []
        self.changes: list[Changes] = []  # what had happened when each was raised


def ends_program(m: Machine, block: Block) -> bool:
    """Say whether a block ends in an exception that nothing around catches."""
    if not block or block[-1].kind != "raise":
        return False
    raised = block[-1].target
    return not any(_may_catch(name, raised) for net in m.nets for name in net.names)


def _may_catch(caught: str, raised: str) -> bool:
    net, error = getattr(builtins, caught, None), getattr(builtins, raised, None)
    if not isinstance(error, type):
        return (
            True  # conservative: of an exception of the project's own the bases are not looked up
        )
    return isinstance(net, type) and issubclass(error, net)


def is_exception(name: str) -> bool:
    """Say whether a builtin of this name is a class of exceptions."""
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, BaseException)


def throw(m: Machine, state: State, value: Value) -> None:
    """Hand an exception that carries tensors to the `try` that catches it."""
    for thing in of_kind(value - m.thrown, "instance", "opaque") if m.thrown else []:
        for field in ("__cause__", "__context__"):  # what was being handled
            state.set((thing, field), m.thrown)
            state.add((thing, "#fields"), frozenset((field,)))
    if not m.nets or not containers.reachable(state, [value]):
        return
    names = {name for thing in value for name in _names_of(thing)}
    for net in reversed(m.nets):
        if net.trail is state.trail and not names.isdisjoint(net.handled):
            net.raised.append(value)
            net.changes.append(state.changes(net.mark))
            return


def _names_of(thing: Thing) -> Iterable[str]:
    """Return the names by which a handler may catch an exception."""
    names = ["Exception", "BaseException"]
    if thing.kind == "instance":
        names += [cls.name.rpartition(".")[2] for cls in linear_bases(thing.data)]
        names += [name.rpartition(".")[2] for name in external_bases(thing.data)]
    elif thing.name.startswith(_RECORD):
        names.append(thing.name.removeprefix(_RECORD))
    kinds = [kind for name in names if isinstance(kind := getattr(builtins, name, None), type)]
    return [*names, *(base.__name__ for kind in kinds for base in kind.__mro__)]


_RECORD = "exception "


def caught(raised: Value, kinds: Value) -> Value:
    """Return what `except kinds as error` gives to its name."""
    wanted = {t.name.rpartition(".")[2] for t in kinds if t.kind in ("class", "external")}
    fitting = frozenset(t for t in raised if not wanted or not wanted.isdisjoint(_names_of(t)))
    own = bool(fitting) and len(kinds) == 1 and all(t.kind == "class" for t in kinds)
    return fitting if own else fitting | UNKNOWN


def make(m: Machine, f: Frame, state: State, call: Call, name: str, **fields: Value) -> Value:
    """Make an exception of Python's own: a record of its arguments."""
    made = m.thing("opaque", Site(f.module.path, call.place), f.path, f"{_RECORD}{name}")
    state.set((made, "#inputs"), frozenset())
    fill(m, f, state, call, made)
    for field, value in fields.items():
        state.set((made, field), value)
        state.add((made, "#fields"), frozenset((field,)))
    return frozenset((made,))


def fill(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> None:
    """Let an exception have what it is made of as its `args`."""
    items: list[Value] | None = [a.value for a in call.positional()]
    if any(a.name == "*" for a in call.arguments):
        items = None
    spread = union(
        state.get((t, "[*]"), NOTHING) for a in call.arguments if a.name == "*" for t in a.value
    )
    args = containers.make(m, f, state, call.place, "tuple", items, spread, f"args {thing.number}")
    state.set((thing, "args"), frozenset((args,)))
    state.add((thing, "#fields"), frozenset(("args",)))


def is_raised(cls: Thing) -> bool:
    """Say whether a class of the project is one of exceptions."""
    return any(is_exception(name.removeprefix("builtins.")) for name in external_bases(cls))
