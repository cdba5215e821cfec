"""Methods of lists, tuples, dicts, sets and deques."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import (
    container_changes,
    containers,
    each_once,
    iteration,
    kept_results,
    keys,
    sequences,
    subsets,
)
from fixgrad.flow.arguments import Call
from fixgrad.flow.generators import exhaust
from fixgrad.flow.gradients import consume
from fixgrad.flow.guards import choose, lacks, lose, pick, sift
from fixgrad.flow.protocols import iterated
from fixgrad.flow.state import State
from fixgrad.flow.values import (
    NONE,
    NOTHING,
    NUMBER,
    UNKNOWN,
    Site,
    Thing,
    Value,
    constant,
    known,
    of_kind,
    union,
)

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def container_call(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str, strong: bool
) -> Value:
    """Call a method of a list, tuple, dict or set."""
    values = [consume(m, f, state, a.value, a.place) for a in call.arguments]
    if name == "__iter__":
        return frozenset((thing,))
    if name == "__setitem__" and len(values) == 2:
        containers.set_item(state, thing, values[0], values[1], strong)
        return NONE
    if name not in each_once.KEEPING:
        each_once.spoil(state, thing)
    if name in ("append", "add", "push", "insert", "appendleft", "setdefault"):
        sift(m, state, union(values), frozenset((thing,)))
    if thing.kind == "dict":
        return _dict_call(m, f, state, call, thing, name, values, strong)
    first = values[0] if values else NOTHING
    match name:
        case "__enter__":
            op = containers.element_op(call.place)
            return containers.any_element(m, f, state, frozenset((thing,)), op)
        case "send" if thing.name.startswith("generator"):
            exhaust(m, f, state, call, frozenset((thing,)))
            return frozenset(state.get((thing, "[*]"), NOTHING)) | first
        case "append" | "add" | "push":
            containers.append(state, thing, first, strong)
            subsets.keep_last(m, state, thing)
            _remember_put(m, f, state, call, thing, first)
        case "put" | "put_nowait":
            sift(m, state, first)
            containers.append(state, thing, first, strong)
        case "get" | "get_nowait":
            items = containers.elements(
                m, f, state, frozenset((thing,)), containers.element_op(call.place)
            )
            if items is None or len(items) != 1:  # which one comes out first its kind decides
                choose(m, state, thing)
                return container_changes.pop(state, thing, UNKNOWN, strong) or UNKNOWN
            return container_changes.pop(state, thing, constant(0), strong) or UNKNOWN
        case "extend" | "update":
            _extend(m, f, state, call, thing, first, strong)
            subsets.keep_last(m, state, thing)
        case "insert" if len(values) > 1:
            container_changes.insert(state, thing, first, values[1], strong)
        case "appendleft" if values:
            container_changes.insert(state, thing, constant(0), first, strong)
        case "extendleft" if values:
            container_changes.shuffle(state, thing)
            _extend(m, f, state, call, thing, first, False)
        case "pop" | "popleft":
            return _pop(m, state, thing, constant(0) if name == "popleft" else first, strong)
        case "__getitem__" if values:
            return containers.item(state, thing, first)
        case "union":
            return _united(m, f, state, call, thing, values)
        case _ if name in subsets.METHODS:
            return subsets.call_method(m, f, state, call, thing, name, values, strong)
        case "copy":
            return _copy(m, f, state, call, thing)
        case "clear":
            container_changes.clear(state, thing, strong)
        case "reverse":
            container_changes.reverse(state, thing, strong)
        case "sort" | "rotate":
            _reorder(m, f, state, call, thing, name, values, strong)
        case "index" | "count":
            return NUMBER
        case _:
            return UNKNOWN
    return NONE


def _united(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, others: list[Value]
) -> Value:
    op = containers.element_op(call.place)
    whole = union(
        containers.any_element(m, f, state, o, op) for o in (frozenset((thing,)), *others)
    )
    return frozenset((containers.make(m, f, state, call.place, "list", None, whole, "set"),))


def _remember_put(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, value: Value
) -> None:
    """Note where a tensor is appended: NumPy may take the list's values later."""
    each_once.note(m, state, thing, value, call.place)
    kept_results.note_put(m, f, state, thing, value, call.place)
    if call.arguments:
        site = Site(f.module.path, call.arguments[0].place)
        m.put_places.update({(thing, tensor): site for tensor in of_kind(value, "tensor")})
        m.graph.kinds.setdefault(site, set()).update(t.kind for t in value)


def _pop(m: Machine, state: State, thing: Thing, at: Value, strong: bool) -> Value:
    at = at or constant(-1)
    pick(m, state, thing)
    subsets.note_pop(m, state, thing, at)
    popped = container_changes.pop(state, thing, at, strong) or UNKNOWN
    lose(state, thing)
    if len(popped) > 1:
        choose(m, state, thing)
    return popped


def _extend(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, more: Value, strong: bool
) -> None:
    op = containers.element_op(call.place)
    more = iterated(m, f, state, more, call.place)
    items = containers.elements(m, f, state, more, op)
    if items is None:
        containers.put_somewhere(state, thing, containers.any_element(m, f, state, more, op))
        if any(lacks(state, t) for t in more):
            lose(state, thing)
    for value in items or []:
        containers.append(state, thing, value, strong)


def _reorder(
    m: Machine,
    f: Frame,
    state: State,
    call: Call,
    thing: Thing,
    name: str,
    values: list[Value],
    strong: bool,
) -> None:
    items = sequences.numbered(state, thing) if strong else None
    order = None
    if items is not None and name == "sort":
        order = iteration.in_order(m, f, state, call, items)
    elif items is not None:
        sure, number = known(values[0]) if values else (True, 1)
        by = number % len(items) if items and sure and isinstance(number, int) else None
        order = [*items[len(items) - by :], *items[: len(items) - by]] if by is not None else None
    if order is not None:
        container_changes.rewrite(state, thing, order)
        return
    key = call.keyword("key")
    if key is not None:
        m.callbacks(m, f, state, call, [key], (frozenset(state.get((thing, "[*]"), NOTHING)),))
    container_changes.shuffle(state, thing)


def _copy(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> Value:
    made = containers.make(m, f, state, call.place, thing.kind, [], name="copy")
    container_changes.copy_items(state, thing, made)
    m.graph.all_of.setdefault(made, set()).add(thing)
    return frozenset((made,))


def _dict_call(
    m: Machine,
    f: Frame,
    state: State,
    call: Call,
    thing: Thing,
    name: str,
    values: list[Value],
    strong: bool,
) -> Value:
    items = containers.known_items(state, thing)
    anything = frozenset(state.get((thing, "[*]"), NOTHING))
    first = values[0] if values else NOTHING
    match name:
        case "values" | "keys" | "items":
            return _view(m, f, state, call, thing, name, items, anything)
        case "__getitem__":
            return item_of_dict(m, f, state, call, thing, first)
        case "get" | "pop":
            if not containers.has(state, thing, first):
                closed = items is not None and state.get((thing, "#closed"), False)
                if name == "get" and closed and keys.field_of(state, first):
                    return values[1] if len(values) > 1 else NONE  # it is not there
                choose(m, state, thing)
            found = containers.item(state, thing, first) if values else anything
            if name == "pop":
                _take_out(m, state, thing, first, strong)
            return found | (values[1] if len(values) > 1 else NOTHING)
        case "__delitem__":
            _take_out(m, state, thing, first, strong)
            return NONE
        case "popitem":
            last = call.get(0, "last")
            sure, end = known(last.value) if last is not None else (True, True)
            if items and sure and strong:
                key, anything = items[-1 if end else 0]
                container_changes.remove(state, thing, key, strong)
            else:
                key = UNKNOWN
                choose(m, state, thing)
                state.set((thing, "#sure"), frozenset())
                state.set((thing, "#partial"), True)
            pair = containers.make(m, f, state, call.place, "tuple", [key, anything])
            return frozenset((pair,))
        case "move_to_end":
            container_changes.move_to_end(state, thing, first, call.get(1, "last"), strong)
            return NONE
        case "setdefault":
            return _set_default(state, thing, values)
        case "update" | "__ior__":
            _update(m, f, state, call, thing, values)
            return NONE
        case "clear":
            container_changes.clear(state, thing, strong)
            return NONE
        case "copy":
            return _copy(m, f, state, call, thing)
    return UNKNOWN


def _take_out(m: Machine, state: State, thing: Thing, key: Value, strong: bool) -> None:
    """Take an item out of a dict; where nobody knows which, the dict has some of what it had."""
    if keys.field_of(state, key) is None:
        choose(m, state, thing)
        state.set((thing, "#partial"), True)
    container_changes.remove(state, thing, key, strong)


def item_of_dict(m: Machine, f: Frame, state: State, call: Call, thing: Thing, key: Value) -> Value:
    """Read an item of a dict; a `defaultdict` makes the one that is missing."""
    factory = frozenset(state.get((thing, "#default"), NOTHING))
    if factory and not containers.has(state, thing, key):
        sure = containers.known_items(state, thing) is not None and keys.field_of(state, key)
        found = NOTHING if sure else frozenset(state.get((thing, "[*]"), NOTHING))
        made = found | m.apply(m, f, state, Call(call.place), factory)
        if keys.field_of(state, key) is None:
            state.add((thing, "[*]"), made)
        else:
            containers.set_item(state, thing, key, made, True)
    return containers.item(state, thing, key)


def _view(
    m: Machine,
    f: Frame,
    state: State,
    call: Call,
    thing: Thing,
    name: str,
    items: list[tuple[Value, Value]] | None,
    anything: Value,
) -> Value:
    if name == "items":
        pairs = items if items is not None else [(UNKNOWN, anything)]
        tuples: list[Value] = [
            frozenset(
                (containers.make(m, f, state, call.place, "tuple", [k, v], name=f"item {n}"),)
            )
            for n, (k, v) in enumerate(pairs)
        ]
        listed = tuples if items is not None else None
        anything = union(tuples)
    elif name == "keys":
        listed = [k for k, _ in items] if items is not None else None
        anything = UNKNOWN
    else:
        listed = [v for _, v in items] if items is not None else None
    made = containers.make(m, f, state, call.place, "list", listed, anything, name)
    if name in ("keys", "values"):
        m.graph.all_of.setdefault(made, set()).add(thing)
    return frozenset((made,))


def _set_default(state: State, thing: Thing, values: list[Value]) -> Value:
    if len(values) < 2:
        return UNKNOWN
    key, value = values
    if containers.has(state, thing, key):
        return containers.item(state, thing, key)
    containers.set_item(state, thing, key, value, not state.get((thing, "[*]")))
    return containers.item(state, thing, key) | value


def _update(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, values: list[Value]
) -> None:
    for argument, value in zip(call.arguments, values, strict=True):
        if argument.name and argument.name != "**":
            containers.set_item(state, thing, constant(argument.name), value, True)
        else:
            container_changes.update(m, f, state, call.place, thing, value)
