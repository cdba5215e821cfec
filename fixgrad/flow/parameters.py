"""What the parameters of a function hold that no code of the project calls.

pytest calls a test with what the fixtures return that are named like its parameters, or with what is listed
above it, and other fixtures before. Anything else is unknown, or an array where an annotation says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import fixtures, pytest_marks
from fixgrad.flow.arguments import Argument
from fixgrad.flow.arrays import new_array
from fixgrad.flow.containers import reachable
from fixgrad.flow.graph import Drawn
from fixgrad.flow.ir import Block, Function, Place
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity
from fixgrad.flow.values import NOTHING, UNKNOWN_THING, Site, Thing, Value, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_ARRAYS = ("ndarray", "NDArray", "ArrayLike")


def arguments(
    m: Machine, f: Frame, state: State, function: Function, skip: int, owner: Thing | None = None
) -> tuple[Argument, ...]:
    """Return what unknown callers give to a function, after `skip` parameters; `owner` is the object of a method."""
    is_test = function.name.rpartition(".")[2].startswith("test")
    if is_test:
        fixtures.prepare(m, f, state, function, owner)
    given = (
        _argument(m, f, state, function, n, owner, is_test=is_test)
        for n in range(skip, len(function.parameters))
    )
    return tuple(a for a in given if a is not None)


def _argument(
    m: Machine,
    f: Frame,
    state: State,
    function: Function,
    number: int,
    owner: Thing | None,
    *,
    is_test: bool,
) -> Argument | None:
    wanted = function.parameters[number]
    place = (*function.place[:3], function.place[3] + number + 1)
    if wanted.kind == "**":  # nothing of it is known, and that nothing is given can be
        return Argument(NOTHING, place, "**")
    if wanted.kind == "*":
        return None
    name = wanted.name if wanted.kind == "keyword" else ""
    if wanted.annotation.rpartition(".")[2] in _ARRAYS:
        array = new_array(m, f, state, place)
        return Argument(frozenset((array,)), place, name)
    if is_test:
        value = _given_by_pytest(m, f, state, function, wanted.name, place, owner)
        if value:
            _note_head(m, f, function, wanted.name, value)
            return Argument(value, place, name)
    site = Site(f.module.path, place)
    thing = m.thing("opaque", site, (), f"parameter {wanted.name}")
    return Argument(frozenset((thing,)), place, name)


def _given_by_pytest(
    m: Machine,
    f: Frame,
    state: State,
    function: Function,
    name: str,
    place: Place,
    owner: Thing | None,
) -> Value:
    listed = pytest_marks.listed(m, f, state, function, name)
    if listed is None:
        return fixtures.from_fixture(m, f, state, name, place, owner)
    m.graph.of_several_tests.update(of_kind(frozenset(reachable(state, [listed])), "tensor"))
    return (
        listed
        if all(t.kind in ("tensor", "array", "function", "external") for t in listed)
        else frozenset()
    )


def _note_head(m: Machine, f: Frame, function: Function, name: str, value: Value) -> None:
    """Note what a test has under a name when its body begins: one of several may have a grant of its own."""
    first = _first_statement(function.body)
    if first is not None:
        around, begins = (Site(f.module.path, place) for place in (function.place, first))
        held = m.graph.drawn.setdefault(Drawn(around, begins, name), set())
        held.update(map(identity, of_kind(value, "tensor")))
        if not m.graph.of_several_tests.isdisjoint(held):
            held.add(UNKNOWN_THING)  # a grant would be there in the other tests too


def _first_statement(body: Block) -> Place | None:
    """Return the first statement that is no docstring."""
    for op, then in zip(body, (*body[1:], None), strict=True):
        told = then is not None and then.kind == "const" and isinstance(then.constant, str)
        if op.kind == "stmt" and not (told and op is body[0]):
            return op.place
    return None
