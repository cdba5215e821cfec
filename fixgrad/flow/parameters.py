"""What the parameters of a function hold that no code of the project calls.

pytest calls a test with what the fixtures return that are named like its parameters; those of the same file
and of the `conftest.py` around it are asked. Anything else is unknown, or an array where an annotation says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.arrays import new_array
from fixgrad.flow.containers import reachable
from fixgrad.flow.graph import Drawn
from fixgrad.flow.ir import Block, Function, Module, Place
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity
from fixgrad.flow.values import NOTHING, UNKNOWN_THING, Code, Site, Thing, Value, of_kind

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
    is_test = function.name.rpartition(".")[2].startswith("test")
    if is_test and not _is_parametrized(f.module, function, wanted.name):
        value = _from_fixture(m, f, state, wanted.name, place, 0)
        if value:
            _note_head(m, f, function, wanted.name, value)
            return Argument(value, place, name)
    site = Site(f.module.path, place)
    thing = m.thing("opaque", site, (), f"parameter {wanted.name}")
    return Argument(frozenset((thing,)), place, name)


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


def _from_fixture(m: Machine, f: Frame, state: State, name: str, place: Place, depth: int) -> Value:
    fixture = _fixture(m, f, state, name) if depth < MOST_FIXTURES else None
    if fixture is None:
        return NOTHING
    code: Code = fixture.data
    m.graph.unwritten.add(Site(f.module.path, place))
    names = [p.name for p in code.function.parameters if p.kind not in ("*", "**")]
    given = ((n, _from_fixture(m, f, state, n, place, depth + 1)) for n in names)
    arguments = tuple(Argument(value, place, n) for n, value in given if value)
    made = _made(state, m.apply(m, f, state, Call(place, arguments), frozenset((fixture,))))
    if _outlives_a_test(code):
        m.graph.of_several_tests.update(t for t in reachable(state, [made]) if t.kind == "tensor")
    return made


def _outlives_a_test(code: Code) -> bool:
    """Say whether several tests get the same object: `@pytest.fixture(scope="module")`."""
    above = _decorators(code.module, code.function)
    return any(op.kind in ("method", "call") and "scope" in op.names for op in above)


def _is_parametrized(module: Module, function: Function, name: str) -> bool:
    """Say whether a parameter gets the values that a decorator lists, and no fixture's."""
    above = _decorators(module, function)
    if not any(op.target == "parametrize" and "indirect" not in op.names for op in above):
        return False
    texts = (op.constant for op in above if op.kind == "const")
    listed = (t.replace(",", " ").split() for t in texts if isinstance(t, str))
    return any(name in names for names in listed)


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


def _fixture(m: Machine, f: Frame, state: State, name: str) -> Thing | None:
    """Return the fixture of a name: of the test's own file, else of the nearest `conftest.py`."""
    for file in _files(m, f):
        found = of_kind(state.get((file, name), NOTHING), "function")
        if found:
            code: Code = found[0].data
            return found[0] if len(found) == 1 and _has_fixtures(code) else None
    return None


def _files(m: Machine, f: Frame) -> Iterator[Thing]:
    yield m.module_thing(f.module.path)
    for _, name, member in f.module.imports:
        if member == "*" and name.lstrip(".") == "conftest" and name != "conftest":
            file = m.load_module(m, f.module.path, name)
            if file is not None:
                yield file


def _has_fixtures(code: Code) -> bool:
    return not code.module.functions[0].tokens.isdisjoint((".fixture", "fixture"))


def _made(state: State, result: Value) -> Value:
    """Return what a fixture returns, or yields."""
    made: set[Thing] = set()
    for thing in result:
        yields = thing.kind == "list" and thing.name.startswith("generator")
        made |= state.get((thing, "[*]"), NOTHING) if yields else {thing}
    return frozenset(made)
