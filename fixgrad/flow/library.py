"""Python's library, as far as it is written down as Python: followed like the project's own files, never edited."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from fixgrad.flow.ir import Module
from fixgrad.flow.lower import lower
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Value
from fixgrad.knowledge import library
from fixgrad.source import Source

if TYPE_CHECKING:
    from fixgrad.flow.machine import Machine

_FOLDER, _SUFFIX = "<python>/", ".py"


def is_library(path: str) -> bool:
    """Say whether a path is that of a module of Python's library."""
    return path.startswith(_FOLDER)


@functools.cache
def module_at(path: str) -> Module:
    """Return a module of Python's library."""
    name = path.removeprefix(_FOLDER).removesuffix(_SUFFIX)
    module = lower(Source(path, library.text(name), "utf-8", False, ""))
    assert isinstance(module, Module)
    return module


def reader(m: Machine, state: State, execute: Callable[[str], None]) -> Callable[[str], Value]:
    """Return what gives the class or function of a qualified name, where it is written down."""

    def read(name: str) -> Value:
        found = library.written_down(name)
        if found is None:
            return NOTHING
        path = f"{_FOLDER}{found[0]}{_SUFFIX}"
        execute(path)
        return frozenset(state.get((m.module_thing(path), found[1]), NOTHING))

    return read
