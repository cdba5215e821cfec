"""What a register, a variable or a cell may hold while a program is followed.

A `Value` is a set of things: after a join, any one of them. A `Thing` stands for every object that one
expression makes under one chain of calls; what can change about it is kept in the `State`, not here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

from fixgrad.flow.ir import Function, Module, Place


class Site(NamedTuple):
    """An expression or statement of the project."""

    path: str
    place: Place


Path: TypeAlias = tuple[Site, ...]  # the calls that lead here, outermost first


class Thing:
    """One abstract object; compared by identity, made by `Machine.thing` only."""

    __slots__ = ("bases", "data", "kind", "name", "number", "path", "site")

    def __init__(
        self, kind: str, site: Site | None, path: Path, name: str, data: Any, number: int = 0
    ) -> None:
        self.kind = kind  # "tensor", "array", "list", "function", "opaque", ...
        self.site = site  # the expression that makes it
        self.path = path
        self.name = name  # "torch.from_numpy" of a conversion, "numpy.sin" of an external, ...
        self.data = data  # what never changes: a constant, a function, the owner of a method
        self.number = number  # in order of making, for an order that no run changes
        self.bases: tuple[Thing, ...] | None = None  # of a class: it and its bases, once asked for

    def __repr__(self) -> str:
        where = f"@{self.site.place[0]}:{self.site.place[1] + 1}" if self.site else ""
        return f"{self.kind}({self.name}{where}{'*' * len(self.path)})"


Value: TypeAlias = frozenset[Thing]

NOTHING: Value = frozenset()
UNKNOWN_THING = Thing("opaque", None, (), "unknown", None)
UNKNOWN: Value = frozenset((UNKNOWN_THING,))
NUMBER_THING = Thing("number", None, (), "", None)
NUMBER: Value = frozenset((NUMBER_THING,))
WHOLE: Value = frozenset((Thing("number", None, (), "", int),))  # a Python int
REAL: Value = frozenset((Thing("number", None, (), "", float),))  # a Python float
TEXT: Value = frozenset((Thing("text", None, (), "", None),))

_CONSTANTS: dict[tuple[type, object], Value] = {}


def constant(value: object) -> Value:
    """Return the value that is exactly this Python constant."""
    key = (type(value), value)
    found = _CONSTANTS.get(key)
    if found is None:
        found = frozenset((Thing("const", None, (), repr(value), value),))
        if len(_CONSTANTS) < 10_000:
            _CONSTANTS[key] = found
    return found


DEFAULT_FALSE: Value = frozenset((Thing("const", None, (), "default False", False),))
NONE = constant(None)
TRUE = constant(True)
FALSE = constant(False)


def known(value: Value) -> tuple[bool, Any]:
    """Return (True, x) where the value can only be the constant x, else (False, None)."""
    if len(value) == 1:
        (thing,) = value
        if thing.kind == "const":
            return True, thing.data
    return False, None


def is_constant(value: Value, what: object) -> bool:
    """Say whether the value is certainly this constant."""
    sure, found = known(value)
    return sure and found is what


def is_whole_number(thing: Thing) -> bool:
    """Say whether a thing is a Python int, known or not."""
    known_one = thing.kind == "const" and isinstance(thing.data, int)
    return known_one or (thing.kind == "number" and thing.data is int)


def having(value: Iterable[Thing], name: str) -> list[Thing]:
    """Return the things that may have an attribute, in the order they were first made.

    `torch = False` stands in for what could not be imported: nobody asks `False.tensor` and goes on.
    """
    things = ordered(value)
    return [t for t in things if t.kind != "const" or hasattr(t.data, name)] or things


def ordered(things: Iterable[Thing]) -> list[Thing]:
    """Return the things in the order they were first made."""
    found = [*things]
    if len(found) > 1:
        found.sort(key=_NUMBER)
    return found


_NUMBER = attrgetter("number")


def of_kind(value: Iterable[Thing], *kinds: str) -> list[Thing]:
    """Return the things of these kinds, in the order they were first made."""
    found = [t for t in value if t.kind in kinds]
    if len(found) > 1:
        found.sort(key=_NUMBER)
    return found


def union(values: Iterable[Value]) -> Value:
    """Return whatever any of the values may be."""
    found = list(filter(None, values))
    if len(found) < 2:
        return found[0] if found else NOTHING
    first = found[0]
    merged = first.union(*found[1:])
    return first if len(merged) == len(first) else merged


MOST_THINGS = 64  # that one cell is known to hold, beside tensors and arrays


def widened(value: Value) -> Value:
    """Return a value of very many things as its tensors and arrays, and whatever else."""
    if len(value) <= MOST_THINGS:
        return value
    kept = frozenset(t for t in value if t.kind in ("tensor", "array"))
    return kept | UNKNOWN if len(value) - len(kept) > MOST_THINGS else value


def summed_up(value: Value) -> Value:
    """Return a value of very many constants as one of each type, and of no known value."""
    if len(value) <= MOST_THINGS:
        return value
    one_each: dict[object, Thing] = {}
    for thing in ordered(value):
        one_each.setdefault(type(thing.data) if thing.kind == "const" else thing, thing)
    return value if len(one_each) == len(value) else NUMBER.union(one_each.values())


@dataclass(frozen=True, eq=False)
class Member:
    """A member of a plain `Enum`: equal to itself alone, and true."""

    cls: Thing
    name: str

    def __repr__(self) -> str:
        return f"{self.cls.name}.{self.name}"


class Code(NamedTuple):
    """The data of a function or class thing: its code and where its free names are found."""

    module: Module
    function: Function
    frames: tuple[Thing, ...]  # of the functions around it, innermost first
    defaults: tuple[Value, ...]
    keyword_defaults: tuple[tuple[str, Value], ...]
    bases: tuple[Value, ...] = ()
    mode: str = ""  # "no_grad" under @torch.no_grad()
    cached: bool = False  # the same call returns the same object, under @lru_cache
    manager: bool = False  # a generator that `with` runs, under @contextmanager
