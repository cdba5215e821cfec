"""`heapq` and `bisect`: lists that are kept in order, of which nobody knows what stands where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import builtin_calls, container_changes, containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.guards import choose, sift
from fixgrad.flow.state import State
from fixgrad.flow.values import NONE, NOTHING, UNKNOWN, Value, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def _push(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Put something into a list where its order wants it."""
    listed, new = call.get(0, "a"), call.get(1, "x")
    if listed is None or new is None:
        return UNKNOWN
    sift(m, state, new.value, listed.value)
    for thing in of_kind(listed.value, "list"):
        containers.append(state, thing, new.value, len(listed.value) == 1)
        container_changes.shuffle(state, thing)
    key = call.keyword("key")
    if key is not None:
        m.callbacks(m, f, state, call, [key], (new.value,))
    return NONE


def _pop(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Take the first out of a heap."""
    listed = call.get(0, "heap")
    found: Value = NOTHING
    for thing in of_kind(listed.value, "list") if listed is not None else []:
        choose(m, state, thing)
        found |= container_changes.pop(state, thing, UNKNOWN, False)
    return found or UNKNOWN


def _push_and_pop(m: Machine, f: Frame, state: State, call: Call) -> Value:
    _push(m, f, state, call)
    return _pop(m, f, state, call)


def _heapify(m: Machine, f: Frame, state: State, call: Call) -> Value:
    listed = call.get(0, "x")
    for thing in of_kind(listed.value, "list") if listed is not None else []:
        container_changes.shuffle(state, thing)
    return NONE


def _best(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Call `nsmallest` or `nlargest`: some of the elements, in order."""
    listed = call.get(1, "iterable")
    if listed is None:
        return UNKNOWN
    for thing in of_kind(listed.value, *containers.CONTAINERS):
        choose(m, state, thing)
    key = tuple(a._replace(name="key") for a in call.arguments if a.name == "key")
    given = (listed._replace(name=""), *key)
    made = builtin_calls.call_builtin(m, f, state, Call(call.place, given), "sorted")
    for thing in of_kind(made, "list"):
        container_changes.shuffle(state, thing)
    return made


HEAPS = {
    "heapq.heappush": _push,
    "heapq.heappop": _pop,
    "heapq.heappushpop": _push_and_pop,
    "heapq.heapreplace": _push_and_pop,
    "heapq.heapify": _heapify,
    "heapq.nsmallest": _best,
    "heapq.nlargest": _best,
    "bisect.insort": _push,
    "bisect.insort_left": _push,
    "bisect.insort_right": _push,
}
