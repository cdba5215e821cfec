"""Whether a container has a key or an item: `"w" in params`, where the program so far settles it.

Cells of a dict: #sure the fields that are there on every path, #closed that no other keys can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import constants, keys
from fixgrad.flow.ir import Op
from fixgrad.flow.protocols import special
from fixgrad.flow.state import State
from fixgrad.flow.values import FALSE, NOTHING, TRUE, UNKNOWN, Thing, Value, known, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def contained(m: Machine, f: Frame, op: Op, state: State, item: Value, holder: Value) -> Value:
    """Return the outcome of `item in holder`, or of `not in`."""
    for thing in of_kind(holder, "instance") if len(holder) == 1 else []:
        own = special(m, f, state, op.place, thing, "__contains__", (item,))
        if own is not None:
            return _answer(op, bool(known(own)[1]) if known(own)[0] else None)
        holder = state.get((thing, "#items"), NOTHING)
    tables = of_kind(holder, "dict")
    if len(tables) != 1 or len(holder) != 1:
        return constants.contained(m, f, op, state, item, holder)
    found, field = _has_key(m, f, state, tables[0], item), keys.field_of(state, item)
    if found is None and field is not None:
        data = (tables[0], field, op.target == "in")
        return frozenset((m.thing("key-test", None, (), "", data),))
    return _answer(op, found)


def note_key(state: State, test: Value, *, holds: bool) -> None:
    """Note, on a path behind `key in table`, that the table has the key: what is made once is kept."""
    for thing in of_kind(test, "key-test") if len(test) == 1 else []:
        table, field, positive = thing.data
        if holds is positive:
            sure = state.get((table, "#sure"), frozenset())
            state.set((table, "#sure"), sure | {field})


def _answer(op: Op, found: bool | None) -> Value:
    return UNKNOWN if found is None else TRUE if found is (op.target == "in") else FALSE


def _has_key(m: Machine, f: Frame, state: State, thing: Thing, key: Value) -> bool | None:
    field = keys.field_of(state, key)
    if field is None:
        return None
    if field in state.get((thing, "#sure"), frozenset()):
        return True
    if not thing.path and f.path and f.path[0] in m.graph.roots:
        return None  # conservative: a table may be filled by who imports it
    closed = state.get((thing, "#closed"), False)
    return False if closed and field not in state.get((thing, "#fields"), frozenset()) else None
