"""What the parameters of a function hold that no code of the project calls.

pytest calls a test with what the fixtures return that are named like its parameters; those of the same file
are asked. Anything else is unknown, or an array where an annotation says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.arrays import new_array
from fixgrad.flow.ir import Function, Place
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Code, Site, Thing, Value, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

MOST_FIXTURES = 4  # that ask for each other
_ARRAYS = ("ndarray", "NDArray", "ArrayLike")


def parameter(
    m: Machine, f: Frame, state: State, function: Function, number: int
) -> Argument | None:
    """Return the argument of an unknown caller for one parameter."""
    wanted = function.parameters[number]
    if wanted.kind in ("*", "**"):
        return None
    name = wanted.name if wanted.kind == "keyword" else ""
    place = (*function.place[:3], function.place[3] + number + 1)
    if wanted.annotation.rpartition(".")[2] in _ARRAYS:
        array = new_array(m, f, state, place)
        return Argument(frozenset((array,)), place, name)
    if function.name.rpartition(".")[2].startswith("test"):
        value = _from_fixture(m, f, state, wanted.name, place, 0)
        if value:
            return Argument(value, place, name)
    site = Site(f.module.path, place)
    thing = m.thing("opaque", site, (), f"parameter {wanted.name}")
    return Argument(frozenset((thing,)), place, name)


def _from_fixture(m: Machine, f: Frame, state: State, name: str, place: Place, depth: int) -> Value:
    found = of_kind(state.get((m.module_thing(f.module.path), name), NOTHING), "function")
    if len(found) != 1 or depth == MOST_FIXTURES:
        return NOTHING
    code: Code = found[0].data
    if code.module is not f.module or not _has_fixtures(f):
        return NOTHING
    m.graph.unwritten.add(Site(f.module.path, place))
    names = [p.name for p in code.function.parameters if p.kind not in ("*", "**")]
    given = ((n, _from_fixture(m, f, state, n, place, depth + 1)) for n in names)
    arguments = tuple(Argument(value, place, n) for n, value in given if value)
    return _made(state, m.apply(m, f, state, Call(place, arguments), frozenset(found)))


def _has_fixtures(f: Frame) -> bool:
    return not f.module.functions[0].tokens.isdisjoint((".fixture", "fixture"))


def _made(state: State, result: Value) -> Value:
    """Return what a fixture returns, or yields."""
    made: set[Thing] = set()
    for thing in result:
        yields = thing.kind == "list" and thing.name.startswith("generator")
        made |= state.get((thing, "[*]"), NOTHING) if yields else {thing}
    return frozenset(made)
