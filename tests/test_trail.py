"""The trail of what was written to cells: what it tells as a whole is what going through it would tell."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from fixgrad.flow.joining import Cell
from fixgrad.flow.state import State
from fixgrad.flow.values import Thing

THINGS = [Thing("tensor", None, (), name, None, number) for number, name in enumerate("abc")]
FRAME = Thing("frame", None, (), "f", None, 9)
CELLS = st.tuples(st.just(FRAME), st.sampled_from(("x", "y", "#items", "#dtype")))
VALUES = st.frozensets(st.sampled_from(THINGS), max_size=2)
# what is done: a cell is written, a path is begun, one is taken back, all is asked
STEPS = st.lists(
    st.one_of(st.tuples(CELLS, VALUES), st.sampled_from(("begin", "undo", "ask"))), max_size=60
)


@given(STEPS)
def test_tells_what_going_through_it_tells(steps: list[object]) -> None:
    states = [State()]
    for step in (*steps, "ask"):
        state = states[-1]
        if step == "begin":
            states.append(state.path())
        elif step == "undo":
            state.undo()
            states = states[:-1] or [state]
        elif step == "ask":
            _compare(state)
        else:
            assert isinstance(step, tuple)
            state.set(*step)


def _compare(state: State) -> None:
    first: dict[Cell, object] = {}
    for cell, old in state.trail:
        first.setdefault(cell, old)
    past = state.trail.past()
    assert list(past.first.items()) == list(first.items())
    for thing in THINGS:
        holders = {
            cell for cell in first if cell[1] != "#dtype" and thing in state.cells.get(cell, ())
        }
        assert holders <= past.holding.cells.get(thing, set())
        assert state.is_held(thing) == bool(holders)
