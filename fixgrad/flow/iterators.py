"""What `itertools` makes of iterables: the same things in other lists, one by one where they are known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from fixgrad.flow import builtin_calls, containers, iteration, sequences
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.guards import choose, holds_all, lose, sort_out
from fixgrad.flow.protocols import iterated
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, NUMBER, UNKNOWN, Site, Value, known, of_kind, union

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

Iteration: TypeAlias = Callable[["Machine", "Frame", State, Call], Value]


def _listed(
    m: Machine,
    f: Frame,
    state: State,
    call: Call,
    values: list[Value] | None,
    anything: Value,
    name: str = "",
) -> Value:
    return frozenset((containers.make(m, f, state, call.place, "list", values, anything, name),))


def _row(m: Machine, f: Frame, state: State, call: Call, name: str, values: list[Value]) -> Value:
    made = containers.make(m, f, state, call.place, "tuple", values, name=name)
    return frozenset((made,))


def _items(
    m: Machine, f: Frame, state: State, call: Call, value: Value
) -> tuple[list[Value] | None, Value]:
    """Return the elements of an iterable, where they are known one by one, and what any of them is."""
    op = containers.element_op(call.place)
    value = iterated(m, f, state, value, call.place)
    items = containers.elements(m, f, state, value, op)
    if items is not None:
        return items, union(items)
    return None, containers.any_element(m, f, state, value, op)


def _joined(m: Machine, f: Frame, state: State, call: Call, sources: list[Value] | None) -> Value:
    items: list[Value] | None = [] if sources is not None else None
    anything = NOTHING
    for source in sources or []:
        inner, some = _items(m, f, state, call, source)
        items = items + inner if items is not None and inner is not None else None
        anything |= some
    made = _listed(m, f, state, call, items, anything)
    for thing in made:
        holds_all(m, state, thing, *sequences.parted(state, sources or ()))
    return made


def _chain(m: Machine, f: Frame, state: State, call: Call) -> Value:
    if any(a.name == "*" for a in call.arguments):
        op = containers.element_op(call.place)
        each = [
            containers.any_element(m, f, state, iterated(m, f, state, a.value, call.place), op)
            for a in call.arguments
        ]
        return _listed(m, f, state, call, None, union(each))
    return _joined(m, f, state, call, [a.value for a in call.arguments])


def _chain_of(m: Machine, f: Frame, state: State, call: Call) -> Value:
    sources, some = _items(m, f, state, call, _first(call))
    if sources is not None:
        return _joined(m, f, state, call, sources)
    _, anything = _items(m, f, state, call, some)
    return _listed(m, f, state, call, None, anything)


def _first(call: Call) -> Value:
    return call.arguments[0].value if call.arguments else UNKNOWN


def _slice(m: Machine, f: Frame, state: State, call: Call) -> Value:
    items, anything = _items(m, f, state, call, _first(call))
    bounds = [known(a.value) for a in call.arguments[1:]]
    plain = all(sure and (b is None or isinstance(b, int)) for sure, b in bounds)
    if items is not None and plain and 0 < len(bounds) < 4:
        return _listed(m, f, state, call, items[slice(*(b for _, b in bounds))], NOTHING)
    everything = anything
    if plain and 1 < len(bounds) < 4 and len(_first(call)) == 1:
        part = slice(*(b for _, b in bounds))
        listed = of_kind(_first(call), "list", "tuple")
        anything = union(sequences.within(state, t, part) for t in listed) or anything
    if anything >= everything:
        sort_out(m, of_kind(anything, "tensor"))
    return _listed(m, f, state, call, None, anything, "slice of an iterable")


def _pairs(m: Machine, f: Frame, state: State, call: Call) -> Value:
    items, anything = _items(m, f, state, call, _first(call))
    if items is None:
        row = _row(m, f, state, call, "pair", [anything, anything])
        return _listed(m, f, state, call, None, row)
    rows = [_row(m, f, state, call, f"pair {n}", [*p]) for n, p in enumerate(pairwise(items))]
    return _listed(m, f, state, call, rows, NOTHING)


def _product(m: Machine, f: Frame, state: State, call: Call) -> Value:
    each = [_items(m, f, state, call, a.value)[1] for a in call.arguments if not a.name]
    repeat = call.keyword("repeat")
    if repeat is not None:
        sure, number = known(repeat)
        many = each * number if sure and isinstance(number, int) and 0 < number < 9 else None
        made = containers.make(m, f, state, call.place, "tuple", many, union(each), "row")
        return _listed(m, f, state, call, None, frozenset((made,)))
    return _listed(m, f, state, call, None, _row(m, f, state, call, "row", each))


def _chosen(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Call combinations, permutations: rows of any elements."""
    _, anything = _items(m, f, state, call, _first(call))
    size = call.get(1, "r")
    sure, number = known(size.value) if size is not None else (False, None)
    many = [anything] * number if sure and isinstance(number, int) and 0 < number < 9 else None
    made = containers.make(m, f, state, call.place, "tuple", many, anything, "row")
    return _listed(m, f, state, call, None, frozenset((made,)))


def _tested(kind: str) -> Iteration:
    """Return what leaves the elements that a function chooses."""

    def choose_them(m: Machine, f: Frame, state: State, call: Call) -> Value:
        if len(call.arguments) != 2:
            return UNKNOWN
        test, source = (a.value for a in call.arguments)
        items, anything = _items(m, f, state, call, source)
        m.graph.sifted.update(containers.reachable(state, (source,)))
        each = [anything] if items is None else items
        outcomes = [iteration.passes(m, f, state, call, test, value) for value in each]
        kept = None if items is None or "maybe" in outcomes else _KEPT[kind](items, outcomes)
        made = _listed(m, f, state, call, kept, anything if kept is None else NOTHING)
        if kept is None:
            sort_out(m, containers.reachable(state, (anything,)))
            for thing in made:
                lose(state, thing)
        return made

    return choose_them


_KEPT: dict[str, Callable[[list[Value], list[str]], list[Value]]] = {
    "takewhile": lambda items, found: items[: [*found, "no"].index("no")],
    "dropwhile": lambda items, found: items[[*found, "no"].index("no") :],
    "filterfalse": lambda items, found: [
        v for v, passed in zip(items, found, strict=True) if passed == "no"
    ],
}


def _compressed(m: Machine, f: Frame, state: State, call: Call) -> Value:
    items, _ = _items(m, f, state, call, _first(call))
    flags, _ = _items(m, f, state, call, union(a.value for a in call.arguments[1:2]))
    each = [known(flag) for flag in flags or ()]
    if items is not None and flags is not None and all(sure for sure, _ in each):
        kept = [v for v, (_, flag) in zip(items, each, strict=False) if flag]
        return _listed(m, f, state, call, kept, NOTHING)
    m.graph.sifted.update(containers.reachable(state, (_first(call),)))
    sort_out(m, of_kind(_items(m, f, state, call, _first(call))[1], "tensor"))
    made = _cycled(m, f, state, call)
    for thing in made:
        lose(state, thing)
    return made


def _cycled(m: Machine, f: Frame, state: State, call: Call) -> Value:
    _, anything = _items(m, f, state, call, _first(call))
    return _listed(m, f, state, call, None, anything)


def _repeated(m: Machine, f: Frame, state: State, call: Call) -> Value:
    return _listed(m, f, state, call, None, _first(call))


def _starred(m: Machine, f: Frame, state: State, call: Call) -> Value:
    if len(call.arguments) != 2:
        return UNKNOWN
    function, rows = call.arguments
    listed, some = _items(m, f, state, call, rows.value)
    results: list[Value] = []
    calls = f.path
    for number, row in enumerate(listed if listed is not None else [some]):
        # What a row makes is its own.
        f.path = (*calls, Site(f.module.path, (*call.place[:3], number)))
        results.append(m.apply(m, f, state, _spread(m, f, state, call, row), function.value))
    f.path = calls
    return _listed(m, f, state, call, results if listed is not None else None, union(results))


def _spread(m: Machine, f: Frame, state: State, call: Call, row: Value) -> Call:
    items, anything = _items(m, f, state, call, row)
    if items is None:
        return Call(call.place, (Argument(anything, call.place, "*"),))
    return Call(call.place, tuple(Argument(v, call.place) for v in items))


def _zipped(m: Machine, f: Frame, state: State, call: Call) -> Value:
    return builtin_calls.call_builtin(m, f, state, call.without("fillvalue"), "zip")


def _copies(m: Machine, f: Frame, state: State, call: Call) -> Value:
    _, anything = _items(m, f, state, call, _first(call))
    listed = _listed(m, f, state, call, None, anything)
    return _row(m, f, state, call, "copies", [listed] * 2)


def _grouped(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Call `groupby`: which of the elements stand in which group is not known."""
    value = _first(call)
    for thing in of_kind(value, *containers.CONTAINERS):
        choose(m, state, thing)
    _, anything = _items(m, f, state, call, value)
    key = call.get(1, "key")
    by = m.callbacks(m, f, state, call, [key.value], (anything,)) if key is not None else anything
    group = _listed(m, f, state, call, None, anything, "group")
    row = _row(m, f, state, call, "grouped", [by or UNKNOWN, group])
    return _listed(m, f, state, call, None, row)


def _accumulated(m: Machine, f: Frame, state: State, call: Call) -> Value:
    function = call.get(1, "func")
    if function is None:
        return m.unknown(m, f, state, call, [], "accumulate")
    _, anything = _items(m, f, state, call, _first(call))
    given = (Argument(anything, call.place), Argument(anything, call.place))
    found = m.apply(m, f, state, Call(call.place, given), function.value)
    return _listed(m, f, state, call, None, anything | found)


def _counted(m: Machine, f: Frame, state: State, call: Call) -> Value:
    return _listed(m, f, state, call, None, NUMBER)


ITERATORS: dict[str, Iteration] = {
    "itertools.accumulate": _accumulated,
    "itertools.chain": _chain,
    "itertools.chain.from_iterable": _chain_of,
    "itertools.combinations": _chosen,
    "itertools.combinations_with_replacement": _chosen,
    "itertools.compress": _compressed,
    "itertools.count": _counted,
    "itertools.cycle": _cycled,
    "itertools.dropwhile": _tested("dropwhile"),
    "itertools.filterfalse": _tested("filterfalse"),
    "itertools.groupby": _grouped,
    "itertools.islice": _slice,
    "itertools.pairwise": _pairs,
    "itertools.permutations": _chosen,
    "itertools.product": _product,
    "itertools.repeat": _repeated,
    "itertools.starmap": _starred,
    "itertools.takewhile": _tested("takewhile"),
    "itertools.tee": _copies,
    "itertools.zip_longest": _zipped,
}
