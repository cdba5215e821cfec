"""What `inspect` and `typing` say of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import access, containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.stars import module_attribute
from fixgrad.flow.state import State
from fixgrad.flow.values import FALSE, TRUE, UNKNOWN, Code, Value, constant, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def _is_function(m: Machine, f: Frame, state: State, call: Call) -> Value:
    first = call.get(0, "object")
    kinds = {t.kind for t in first.value} if first is not None else set()
    if kinds == {"function"}:
        return TRUE
    return FALSE if kinds and kinds <= {"class", "external"} else UNKNOWN


def _hints(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Return the annotations of a function's parameters, those that are names of classes."""
    first = call.get(0, "obj")
    functions = of_kind(first.value, "function") if first is not None else []
    if len(functions) != 1:
        return UNKNOWN
    code: Code = functions[0].data
    made = containers.make(m, f, state, call.place, "dict", [], name="hints")
    for parameter in code.function.parameters:
        if parameter.annotation:
            name, *rest = parameter.annotation.split(".")
            owner = m.module_thing(code.module.path)
            builtin = frozenset((m.thing("external", None, (), f"builtins.{name}"),))
            value = module_attribute(m, state, owner, name) or builtin
            for part in rest:
                value = access.attribute(m, f, state, value, part, call.place)
            containers.set_item(state, made, constant(parameter.name), value, True)
    return frozenset((made,))


INSPECTION = {
    "inspect.isfunction": _is_function,
    "typing.get_type_hints": _hints,
}
