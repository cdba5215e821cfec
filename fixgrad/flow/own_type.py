"""What `type(x)` and `x.__class__` give, where that is known: the class of an object, the type of a list or dict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow.arguments import Call
from fixgrad.flow.values import UNKNOWN, Thing, Value

if TYPE_CHECKING:
    from fixgrad.flow.machine import Machine

_CONTAINERS = ("list", "tuple", "dict")
_OTHERS = ("generator", "deque")  # what is followed as a list and is none


LOOKS_ONLY = frozenset(
    ("issubclass", "type", "id", "callable", "dir")
)  # builtins that use no value


def looked_at(m: Machine, call: Call, name: str) -> Value:
    """Call one of the functions that look at what an object is and not at its value."""
    of_one = name == "type" and len(call.arguments) == 1
    return type_of(m, call.arguments[0].value) if of_one else UNKNOWN


def type_of(m: Machine, value: Value) -> Value:
    """Return the types of the things that a value may be; if one's is not known, of none."""
    found: set[Thing] = set()
    for thing in value:
        if thing.kind == "instance" or thing.name == "record named":
            found.add(thing.data)
        elif thing.kind in _CONTAINERS and not thing.name.startswith(_OTHERS):
            kind = "set" if thing.name == "set" else thing.kind
            found.add(m.thing("external", None, (), f"builtins.{kind}"))
        else:
            return UNKNOWN
    return frozenset(found) or UNKNOWN
