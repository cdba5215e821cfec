"""The fixtures of pytest: those of a test's own class and file, and of the `conftest.py` around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fixgrad.flow import pytest_marks
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.classes import lookup_class
from fixgrad.flow.containers import reachable
from fixgrad.flow.ir import Block, Function, Module, Place
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Code, Site, Thing, Value, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

MOST_FIXTURES = 4  # that ask for each other


def prepare(m: Machine, f: Frame, state: State, function: Function, owner: Thing | None) -> None:
    """Call the fixtures that a test gets without a parameter of their name."""
    place = (*function.place[:3], function.place[3] + len(function.parameters) + 1)
    files = reversed(list(_files(m, f)))
    asked = [fixture for file in files for fixture in pytest_marks.unasked(m, file.name)]
    for name in pytest_marks.used(m, f.module.path, function):
        fixture = _fixture(m, f, state, name, owner)
        asked += [fixture] if fixture is not None and fixture not in asked else []
    for number, fixture in enumerate(asked):
        code: Code = fixture.data
        if (code.module.path, code.function.place) not in m.productive:
            continue  # nothing comes of it that a test could differentiate by
        _call(m, f, state, fixture, (*place[:3], place[3] + number), owner, 0)


def from_fixture(
    m: Machine,
    f: Frame,
    state: State,
    name: str,
    place: Place,
    owner: Thing | None,
    depth: int = 0,
) -> Value:
    """Return what the fixture of a name gives to a test; nothing where there is none."""
    fixture = _fixture(m, f, state, name, owner) if depth < MOST_FIXTURES else None
    return NOTHING if fixture is None else _call(m, f, state, fixture, place, owner, depth)


def _call(
    m: Machine,
    f: Frame,
    state: State,
    fixture: Thing,
    place: Place,
    owner: Thing | None,
    depth: int,
) -> Value:
    code: Code = fixture.data
    m.graph.unwritten.add(Site(f.module.path, place))
    names = [p.name for p in code.function.parameters if p.kind not in ("*", "**")]
    of_class = owner is not None and "." in code.function.name
    given = [Argument(frozenset((owner,)), place)] if owner is not None and of_class else []
    for name in names[len(given) :]:
        value = from_fixture(m, f, state, name, place, owner, depth + 1)
        given += [Argument(value, place, name)] if value else []
    made = _made(state, m.apply(m, f, state, Call(place, tuple(given)), frozenset((fixture,))))
    if _outlives_a_test(code):
        m.graph.of_several_tests.update(t for t in reachable(state, [made]) if t.kind == "tensor")
    return made


def _outlives_a_test(code: Code) -> bool:
    """Say whether several tests get the same object: `@pytest.fixture(scope="module")`."""
    above = _decorators(code.module, code.function)
    return any(op.kind in ("method", "call") and "scope" in op.names for op in above)


def _decorators(module: Module, function: Function) -> Block:
    """Return the operations that make the decorators of a function."""
    for outer in module.functions:
        body = outer.body if outer.kind in ("module", "class") else ()
        begins = 0
        for number, op in enumerate(body):
            if op.kind == "stmt":
                begins = number
            elif op.kind == "function" and op.place == function.place:
                return body[begins:number]
    return ()


def _fixture(m: Machine, f: Frame, state: State, name: str, owner: Thing | None) -> Thing | None:
    """Return the fixture of a name: of the test's own class or file, else of the nearest `conftest.py`."""
    if owner is not None:
        member, _ = lookup_class(state, owner.data, name)
        found = of_kind(member, "function")
        if len(found) == 1 and _has_fixtures(found[0].data):
            return found[0]
    for file in _files(m, f):
        renamed = pytest_marks.fixture_named(m, file.name, name)
        found = of_kind(state.get((file, name), NOTHING), "function")
        if renamed is not None or found:
            fixture = renamed or found[0]
            code: Code = fixture.data
            return fixture if len(found) <= 1 and _has_fixtures(code) else None
    return None


def _files(m: Machine, f: Frame) -> Iterator[Thing]:
    yield m.module_thing(f.module.path)
    for _, name, member in f.module.imports:
        if member == "*" and name.lstrip(".") == "conftest" and name != "conftest":
            file = m.load_module(m, f.module.path, name)
            if file is not None:
                yield file


def _has_fixtures(code: Code) -> bool:
    bodies = (f for f in code.module.functions if f.kind in ("module", "class"))
    return any(not f.tokens.isdisjoint((".fixture", "fixture")) for f in bodies)


def _made(state: State, result: Value) -> Value:
    """Return what a fixture returns, or yields."""
    made: set[Thing] = set()
    for thing in result:
        yields = thing.kind == "list" and thing.name.startswith("generator")
        made |= state.get((thing, "[*]"), NOTHING) if yields else {thing}
    return frozenset(made)
