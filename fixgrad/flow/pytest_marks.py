"""What pytest's decorators say: a fixture's name, fixtures that tests get unasked, the values of a parameter.

They are calls like others; what they were given is remembered for the function that they stand above.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.graph import Mark
from fixgrad.flow.ir import Function
from fixgrad.flow.state import State
from fixgrad.flow.values import (
    NOTHING,
    UNKNOWN,
    Code,
    Site,
    Thing,
    Value,
    is_constant,
    known,
    of_kind,
    union,
)

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_FIXTURE, _USED, _LISTED = "pytest.fixture", "pytest.mark.usefixtures", "pytest.mark.parametrize"
MARKS = (_FIXTURE, _USED, _LISTED)


def mark(m: Machine, f: Frame, call: Call, name: str) -> Value:
    """Call a decorator with arguments."""
    return frozenset((m.thing("mark", Site(f.module.path, call.place), f.path, name, call),))


def note(m: Machine, state: State, thing: Thing, inner: Value) -> None:
    """Apply it to a function, or to the methods of a class."""
    functions = list(of_kind(inner, "function"))
    for cls in of_kind(inner, "class"):
        fields = sorted(state.get((cls, "#fields"), ()))
        functions += [t for n in fields for t in of_kind(state.get((cls, n), NOTHING), "function")]
    for function in functions:
        code: Code = function.data
        where = (code.module.path, code.function.place)
        m.graph.marks.setdefault(where, []).append(Mark(thing.name, thing.data, function))


def _of_kind(m: Machine, name: str, path: str) -> Iterator[Mark]:
    for (file, _), marks in m.graph.marks.items():
        if file == path:
            yield from (mark for mark in marks if mark.name == name)


def fixture_named(m: Machine, path: str, name: str) -> Thing | None:
    """Return the fixture of a file that is given this name by its decorator."""
    for one in _of_kind(m, _FIXTURE, path):
        given = one.call.keyword("name")
        if given is not None and known(given) == (True, name):
            return one.function
    return None


def unasked(m: Machine, path: str) -> Iterator[Thing]:
    """Yield the fixtures of a file that each test around gets."""
    for one in _of_kind(m, _FIXTURE, path):
        code: Code = one.function.data
        given = one.call.keyword("autouse")
        if given is not None and is_constant(given, True) and "." not in code.function.name:
            yield one.function


def used(m: Machine, path: str, function: Function) -> Iterator[str]:
    """Yield the names of the fixtures that a test asks for without a parameter."""
    for one in m.graph.marks.get((path, function.place), ()):
        for argument in one.call.arguments if one.name == _USED else ():
            sure, name = known(argument.value)
            if sure and isinstance(name, str):
                yield name


def listed(m: Machine, f: Frame, state: State, function: Function, name: str) -> Value | None:
    """Return what a parameter may be by the list above its test, None where there is no such list."""
    for one in m.graph.marks.get((f.module.path, function.place), ()):
        names = _names(m, f, state, one) if one.name == _LISTED else []
        if name in names:
            values = one.call.get(1, "argvalues")
            number = names.index(name) if len(names) > 1 else None
            return _values(m, f, state, values.value, number) if values is not None else UNKNOWN
    return None


def _names(m: Machine, f: Frame, state: State, one: Mark) -> list[str]:
    given = one.call.get(0, "argnames")
    if given is None or one.call.keyword("indirect") is not None:
        return []
    sure, text = known(given.value)
    if sure and isinstance(text, str):
        return [name.strip() for name in text.split(",")]
    each = containers.elements(m, f, state, given.value, containers.element_op(one.call.place))
    return [str(known(value)[1]) for value in each or ()]


def _values(m: Machine, f: Frame, state: State, rows: Value, number: int | None) -> Value:
    """Return the values of the rows, or of one place in each."""
    op = containers.element_op(f.statement)
    each = containers.elements(m, f, state, rows, op)
    if each is None or not each:
        return UNKNOWN
    if number is None:
        return union(each)
    found: list[Value] = []
    for row in each:
        parts = containers.elements(m, f, state, row, op)
        found.append(parts[number] if parts is not None and number < len(parts) else UNKNOWN)
    return union(found)
