"""Python's functions that look at variables by name: `vars`, `locals`, `globals`, `eval`, `exec`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from fixgrad.flow import containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.namespaces import is_record, namespace, variables
from fixgrad.flow.stars import forget_stars
from fixgrad.flow.state import State
from fixgrad.flow.tensors import log
from fixgrad.flow.values import UNKNOWN, Value, ordered

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

Handler: TypeAlias = Callable[["Machine", "Frame", State, Call, list[Value]], Value]


def _vars(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    if not values:
        return _locals(m, f, state, call, values)
    owners = [t for t in ordered(values[0]) if t.kind == "instance" or is_record(t)]
    if not owners or len(owners) != len(values[0]):
        return UNKNOWN
    return namespace(m, f, state, owners, call.place)


def _locals(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    return variables(m, f, state, f.thing, call.place)


def _globals(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    forget_stars(m, f, state)
    return variables(m, f, state, m.module_thing(f.module.path), call.place)


def _evaluate(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    """eval, exec: what the text does with the tensors that it names is not known."""
    for argument, value in zip(call.arguments[1:], values[1:], strict=True):
        for tensor in containers.reachable(state, [value]):
            if tensor.kind == "tensor":
                log(m, f, state, "barred", tensor, argument.place, detail="eval")
    return m.unknown(m, f, state, call, [], "eval")


HANDLERS: dict[str, Handler] = {
    "vars": _vars,
    "locals": _locals,
    "globals": _globals,
    "eval": _evaluate,
    "exec": _evaluate,
}
