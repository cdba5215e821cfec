"""What takes items out of a container, moves them, or puts several in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import containers, kept_results, keys, sequences
from fixgrad.flow.arguments import Argument
from fixgrad.flow.ir import Place
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, UNKNOWN, Thing, Value, known, of_kind, union

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def rewrite(state: State, thing: Thing, items: list[Value]) -> None:
    """Let a sequence hold these items."""
    clear(state, thing, True)
    for value in items:
        containers.append(state, thing, value, True)


def shuffle(state: State, thing: Thing) -> None:
    """Forget which item stands where."""
    whole = frozenset(state.get((thing, "[*]"), NOTHING))
    clear(state, thing, True)
    state.set((thing, "[*]"), whole)
    state.set((thing, "#length"), "maybe")


def reverse(state: State, thing: Thing, strong: bool) -> None:
    """Turn the order of a list around."""
    items = sequences.numbered(state, thing)
    if items is None or not strong:
        shuffle(state, thing)
    else:
        rewrite(state, thing, items[::-1])


def clear(state: State, thing: Thing, strong: bool) -> None:
    """Take everything out."""
    kept_results.forget(state, thing)
    if not strong:
        return
    for field in state.get((thing, "#fields"), frozenset()):
        state.set((thing, field), NOTHING)
    state.set((thing, "#fields"), frozenset())
    state.set((thing, "#order"), ())
    state.set((thing, "[*]"), NOTHING)
    state.set((thing, "#length"), "0")
    for field in ("#repeats", "#last"):
        if state.get((thing, field)):
            state.set((thing, field), NOTHING)
    if thing.kind == "dict":
        state.set((thing, "#sure"), frozenset())
        state.set((thing, "#closed"), True)


def insert(state: State, thing: Thing, at: Value, value: Value, strong: bool) -> None:
    """Put an item in front of another."""
    items = sequences.numbered(state, thing)
    sure, number = known(at)
    if items is not None and strong and sure and isinstance(number, int):
        items.insert(number, value)
        rewrite(state, thing, items)
        return
    shuffle(state, thing)
    state.add((thing, "[*]"), value)


def pop(state: State, thing: Thing, at: Value, strong: bool) -> Value:
    """Take an item out of a sequence."""
    items = sequences.numbered(state, thing)
    sure, number = known(at)
    whole = frozenset(state.get((thing, "[*]"), NOTHING))
    if not strong or not sure or not isinstance(number, int):
        shuffle(state, thing)
        return whole
    if items is None:
        return _pop_end(state, thing, number)
    if not -len(items) <= number < len(items):
        return whole
    found = items.pop(number)
    rewrite(state, thing, items)
    return found


def _pop_end(state: State, thing: Thing, number: int) -> Value:
    """Take an item out of a list of which only the beginning is known, and at times the last item."""
    whole = frozenset(state.get((thing, "[*]"), NOTHING))
    first, last = containers.beginning(state, thing), state.get((thing, "#last"), NOTHING)
    if number == -1 and last:
        found, others = last, sequences.behind(state, thing, len(first)) - last
    elif 0 <= number < len(first):
        found, others = first.pop(number), sequences.behind(state, thing, len(first))
    else:
        shuffle(state, thing)
        return whole
    clear(state, thing, True)
    state.set((thing, "#length"), "maybe")
    state.set((thing, "[*]"), union(first) | others)
    sequences.begin(state, thing, first, others)
    return frozenset(found)


def remove(state: State, thing: Thing, key: Value, strong: bool) -> None:
    """Take an item out of a dict."""
    kept_results.forget(state, thing)
    items = containers.known_items(state, thing)
    field = keys.field_of(state, key)
    if field is None:
        state.set((thing, "#sure"), frozenset())
    else:
        containers.forget(state, thing, field)
    if field is None or not strong or not state.get((thing, field)):
        return
    state.set((thing, field), NOTHING)
    state.set((thing, "#fields"), state.get((thing, "#fields"), frozenset()) - {field})
    order = state.get((thing, "#order"), ())
    state.set((thing, "#order"), tuple(name for name in order if name != field))
    if items is not None:
        state.set((thing, "[*]"), union(v for k, v in items if keys.field_of(state, k) != field))


def move_to_end(
    state: State, thing: Thing, key: Value, last: Argument | None, strong: bool
) -> None:
    """Let an item of a dict be the last, or the first."""
    field = keys.field_of(state, key)
    sure, end = known(last.value) if last is not None else (True, True)
    if field is None or not sure or not strong:  # which one stands where is not known any more
        state.add((thing, "[*]"), UNKNOWN)
        return
    order = [name for name in containers.fields_in_order(state, thing) if name != field]
    state.set((thing, "#order"), (*order, field) if end else (field, *order))


def copy_items(state: State, one: Thing, other: Thing) -> None:
    """Put the items of one container into another of its kind that is new."""
    fields = state.get((one, "#fields"), frozenset())
    shape = (
        "[*]",
        "#length",
        "#fields",
        "#order",
        "#default",
        "#sure",
        "#closed",
        "#repeats",
        "#last",
        "#each",
    )
    for field in (*sorted(fields), *shape):
        content = state.get((one, field))
        if content is not None:
            state.set((other, field), content)


def pour(state: State, thing: Thing, others: list[Thing]) -> None:
    """Put the items of a dict into another; of several dicts, the items of one of them."""
    names = (name for other in others for name in containers.fields_in_order(state, other))
    for name in dict.fromkeys(names):
        value = union(state.get((other, name), NOTHING) for other in others)
        sure = all(name in state.get((other, "#sure"), frozenset()) for other in others)
        containers.set_item(state, thing, keys.behind(name), value, sure)
    for other in others:
        state.add((thing, "[*]"), state.get((other, "[*]"), NOTHING))


def update(m: Machine, f: Frame, state: State, place: Place, thing: Thing, value: Value) -> None:
    """Put the items of another dict, or of pairs, into a dict."""
    if not all(state.get((t, "#closed"), False) for t in value):
        state.set((thing, "#closed"), False)
    others = of_kind(value, "dict")
    pour(state, thing, others)
    for other in others:
        if containers.known_items(state, other) is None:
            containers.set_item(state, thing, UNKNOWN, state.get((other, "[*]"), NOTHING), False)
    for listed in of_kind(value, "list", "tuple"):
        op = containers.element_op(place)
        pairs = containers.elements(m, f, state, frozenset((listed,)), op)
        for pair in pairs or [containers.any_element(m, f, state, frozenset((listed,)), op)]:
            for row in of_kind(pair, "tuple", "list"):
                key = frozenset(state.get((row, "[0]"), UNKNOWN))
                new = frozenset(state.get((row, "[1]"), UNKNOWN))
                containers.set_item(state, thing, key, new, pairs is not None)
