"""`isinstance`, where a value and the types are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import access, containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.state import State
from fixgrad.flow.values import FALSE, TRUE, UNKNOWN, Thing, Value, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_TYPES = {
    "torch.Tensor": "tensor", "torch.nn.Parameter": "parameter", "numpy.ndarray": "array",
    "builtins.list": "list", "builtins.tuple": "tuple", "builtins.dict": "dict",
}  # fmt: skip


def is_instance(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Return whether a value is of a type, or of one of some types, where all are known."""
    plain = call.positional()
    if len(plain) != 2 or len(plain[0].value) != 1:
        return UNKNOWN
    (thing,), types = plain[0].value, plain[1].value
    listed = None
    if of_kind(types, "tuple"):
        listed = containers.elements(m, f, state, types, containers.element_op(call.place))
    outcomes = [_is_of_type(thing, of_type) for of_type in ([types] if listed is None else listed)]
    if TRUE in outcomes:
        return TRUE
    return FALSE if all(outcome == FALSE for outcome in outcomes) else UNKNOWN


def _is_of_type(thing: Thing, types: Value) -> Value:
    if len(types) != 1:
        return UNKNOWN
    (of_type,) = types
    if thing.kind == "tensor" and _holds_no_tensors(of_type):
        return FALSE
    wanted = _TYPES.get(of_type.name) if of_type.kind == "external" else None
    if wanted is None or thing.kind not in ("tensor", "array", "list", "tuple", "dict"):
        return UNKNOWN
    if wanted == "parameter":
        return TRUE if thing.name == "torch.nn.Parameter" else FALSE
    if thing.kind == wanted == "list":
        return UNKNOWN  # a set is kept as a list
    return TRUE if thing.kind == wanted else FALSE


def _holds_no_tensors(of_type: Thing) -> bool:
    """Tell whether a type is a module or a plain class of the project, which no tensor is."""
    if of_type.kind == "external":
        return of_type.name == "torch.nn.Module"
    if of_type.kind != "class":
        return False
    classes = access.linear_bases(of_type)
    bases = [b for c in classes for v in c.data.bases for b in v]
    return bool(classes) and all(
        b.kind == "class" or b.name in ("torch.nn.Module", "builtins.object") for b in bases
    )
