"""Functions that change what files hold, and that nothing of the project calls: `use("torch")`, `enable()`.

Unknown callers may call them before all else. So each is tried once before the roots are run, and what it changes
of what is there once the files are imported may be so from then on, or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fixgrad.flow import liveness
from fixgrad.flow.ir import SETS, Function, Module
from fixgrad.flow.joining import Changes
from fixgrad.flow.names import unit_name
from fixgrad.flow.state import MODE, State
from fixgrad.flow.tokens import GRANTS
from fixgrad.flow.values import Thing, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Machine


def setting(module: Module) -> dict[str, int]:
    """Return by name the functions that may change what variables of files hold: 0 that surely do, 1 that grant.

    Those in them count; tests do not: nobody calls them before other functions.
    """
    found: dict[str, int] = {}
    for function in module.functions:
        sets = SETS in function.tokens
        if (sets or _grants(function)) and not function.name.startswith("test"):
            name = unit_name(function.name)
            found[name] = min(found.get(name, 1), 0 if sets else 1)
    return found


def is_setter(method: Thing) -> bool:
    """Say whether a method sets attributes, or grants gradients."""
    functions = [thing.data.function for thing in functions_of(method)]
    named = any(f.name.rpartition(".")[2] != "__init__" for f in functions)
    return named and any(f.assigns or _grants(f) for f in functions)


def _grants(function: Function) -> bool:
    return not function.tokens.isdisjoint(GRANTS)


def functions_of(method: Thing) -> list[Thing]:
    """Return the functions of a method, also where a decorator of Python's is around it."""
    return of_kind(method.data, "function") if method.kind == "wrapped" else [method]


@contextmanager
def kept(m: Machine, lasting: State) -> Iterator[State]:
    """Begin a path; what it changes of things that were there before may be so after it."""
    newest = m.newest
    path = lasting.path()
    yield path
    changes = liveness.without_memory(path.changes(), lasting)
    changes.pop(MODE, None)
    path.undo()
    if any(_is_changed(lasting, changes, thing, field, newest) for thing, field in changes):
        lasting.merge([{}, changes])


def _is_changed(
    lasting: State, changes: Changes, thing: Thing | None, field: str, newest: int
) -> bool:
    """Say whether a cell of a thing that was there before holds another content now."""
    if thing is None or thing.number > newest:
        return False
    return bool(lasting.get((thing, field)) != changes[thing, field])
