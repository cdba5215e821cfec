"""Which cell of a dict or a list an item is, by its key: a text, a number, a tuple of these, a member of an `Enum`."""

from __future__ import annotations

from typing import Any

from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Member, Thing, Value, constant, known

_BEHIND: dict[str, Value] = {}  # the key behind the name of a cell


def field_of(state: State, key: Value) -> str | None:
    """Return the cell of an item whose key is known."""
    if len(key) != 1:
        return None
    (thing,) = key
    if thing.kind == "tuple":
        parts = _known_parts(state, thing)
        key = key if parts is None else constant(parts)
    sure, value = known(key)
    if not (sure and isinstance(value, str | int | tuple | Member)):
        return None
    field = f"[<{value} {value.cls.number}>]" if isinstance(value, Member) else f"[{value!r}]"
    _BEHIND[field] = key
    return field


def behind(field: str) -> Value:
    """Return the key of a cell."""
    return _BEHIND[field]


def _known_parts(state: State, key: Thing) -> tuple[Any, ...] | None:
    """Return what a tuple holds where it is texts and numbers."""
    length = state.get((key, "#length"), "maybe")
    if length == "maybe":
        return None
    parts = [known(state.get((key, f"[{n}]"), NOTHING)) for n in range(int(length))]
    plain = all(sure and isinstance(part, str | int | None) for sure, part in parts)
    return tuple(part for _, part in parts) if plain else None
