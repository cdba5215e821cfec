"""The trail of what was written to cells: what it tells as a whole is what going through it would tell."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from fixgrad.flow.joining import ABSENT, Cell
from fixgrad.flow.trail import Entry, Past, Trail, holds

FIELDS = ("x", "[0]", "#items", "#inputs", "#dtype")
ENTRIES = st.tuples(st.tuples(st.none(), st.sampled_from(FIELDS)), st.sampled_from((ABSENT, 1)))
STEPS = st.lists(st.one_of(ENTRIES, st.integers(0, 12), st.none()), max_size=60)


def _gone_through(entries: list[Entry]) -> Past:
    first: dict[Cell, object] = {}
    for cell, old in entries:
        first.setdefault(cell, old)
    rewired = {c: None for c, old in first.items() if c[1] == "#inputs" and old is not ABSENT}
    return Past(first, {cell: None for cell in first if holds(cell)}, rewired)


@given(STEPS)
def test_tells_what_going_through_it_tells(steps: list[Entry | int | None]) -> None:
    trail, entries = Trail(), list[Entry]()
    for step in (*steps, None):
        if step is None:
            assert trail.past() == _gone_through(entries)
            assert list(trail.past().first) == list(_gone_through(entries).first)
        elif isinstance(step, int):
            trail.cut(step)
            del entries[step:]
        else:
            trail.append(step)
            entries.append(step)
    assert trail == entries
