"""The values of an analysis as JSON: lists that begin with the name of their type.

Only the types listed here come back, and only as what they are made of: reading runs no code of the data.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fixgrad.edits import Edit, Operation
from fixgrad.findings import Applicability, Finding, Refusal, Repair, Step
from fixgrad.source import CellLine, Problem, Span

_TYPES: tuple[type[tuple[Any, ...]], ...] = (
    Span, Step, Finding, Operation, Repair, Refusal, Problem, Edit,
)  # fmt: skip
_BY_NAME: dict[str, Callable[..., Any]] = {made.__name__: made for made in _TYPES}


def dumped(value: object) -> bytes:
    """Return a value as bytes; TypeError where it holds something else."""
    return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=True).encode()


def loaded(data: bytes) -> Any:
    """Return the value that some bytes say; ValueError where they say none."""
    try:
        return _value(json.loads(data))
    except (TypeError, KeyError, IndexError, RecursionError) as error:
        raise ValueError(f"no value: {error}") from error


def _plain(value: object) -> object:
    if isinstance(value, _TYPES):
        return [type(value).__name__, *map(_plain, value)]
    if isinstance(value, tuple):
        return ["tuple", *map(_plain, value)]
    if isinstance(value, CellLine):
        return ["CellLine", int(value), value.cell, value.row]
    if isinstance(value, Applicability):
        return ["Applicability", int(value)]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"cannot be kept: {type(value).__name__}")


def _value(plain: Any) -> Any:
    if not isinstance(plain, list):
        if isinstance(plain, dict):
            raise TypeError("an object")
        return plain
    name, *parts = plain
    values = [_value(part) for part in parts]
    if name == "tuple":
        return tuple(values)
    if name == "CellLine":
        return CellLine(*values)
    if name == "Applicability":
        return Applicability(*values)
    return _BY_NAME[name](*values)
