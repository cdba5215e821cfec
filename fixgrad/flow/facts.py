"""What one file says, as bytes: its intermediate form without the file's name.

A pure function of the file's bytes, so that it may be worked out anywhere and kept. The bytes are data and no
code; whoever keeps them sees to it that they are unchanged (`marshal` trusts what it reads).
"""

from __future__ import annotations

import marshal
from collections.abc import Callable
from typing import Any, NamedTuple

from fixgrad.flow.ir import Function, Module, Parameter

_COUNTED = b"[(<>"  # lists, tuples and sets: how many items there are stands behind, in four bytes


class Facts(NamedTuple):
    """A lowered file in two parts, as not all who ask for the one need the other."""

    head: bytes  # what it imports and defines, and which names are mentioned where
    bodies: bytes  # what its functions do


def facts(module: Module) -> Facts | None:
    """Return a file's facts; None for a notebook, whose lines know their cells."""
    try:
        bodies = [function.packed() for function in module.functions]
        head = (module.imports, module.search, [_head(f) for f in module.functions])
        return Facts(marshal.dumps(head), marshal.dumps(bodies))
    except ValueError:
        return None


def module_of(path: str, known: Facts) -> Module:
    """Return the module that the facts of a file of this name describe.

    Where its bodies are empty, it says nothing of what its functions do.
    """
    imports, search, heads = _loaded(known.head)
    codes: list[Any] = [((), ())] * len(heads)
    if known.bodies:
        codes = _loaded(known.bodies)
    functions = [_function(head, code) for head, code in zip(heads, codes, strict=True)]
    return Module(path, tuple(functions), imports, search)


def _loaded(data: bytes) -> Any:
    """Return what bytes hold; ValueError where they say to hold more than there is room for in them."""
    if data and data[0] & 0x7F in _COUNTED and int.from_bytes(data[1:5], "little") > len(data):
        raise ValueError("they are cut short")  # `marshal` makes room for all of it first
    return marshal.loads(data)


def packed(module: Module) -> Module:
    """Return a module after its functions were packed, which takes a fifth of the memory."""
    try:
        for function in module.functions:
            function.pack()
    except ValueError:
        pass  # a notebook's stay as they are
    return module


def _head(f: Function) -> tuple[Any, ...]:
    parameters = tuple(map(tuple, f.parameters))
    named = f.local, f.tokens
    return f.name, f.kind, f.place, parameters, f.defaults, *named, f.encloses, f.assigns, f.size


def _function(head: tuple[Any, ...], code: Any) -> Function:
    name, kind, place, parameters, defaults, *more = head
    known = tuple([Parameter(*parameter) for parameter in parameters])
    return _make(name, kind, place, known, defaults, *more, code)


_make: Callable[..., Function] = Function
