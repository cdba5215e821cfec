"""Which tensors a test weighs: one of several things gets behind it, and others do not.

What stands behind such a test is asked of some elements of a container only, and nothing here can say
of which. A guard names the tensors that its test mentions: by a variable that holds one, or its gradient,
or by a variable of a loop over them, be it their key or their number. So does an item that is taken by a
key that is not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from fixgrad.flow import containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.containers import reachable
from fixgrad.flow.failures import ends_program
from fixgrad.flow.ir import Op, Place
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity
from fixgrad.flow.values import (
    NOTHING,
    Site,
    Thing,
    Value,
    is_whole_number,
    of_kind,
    ordered,
)
from fixgrad.flow.variables import read_variable

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


class Guard(NamedTuple):
    """What a test mentions: tensors, and variables of a function."""

    tensors: frozenset[Thing] = frozenset()
    among: frozenset[Thing] = frozenset()  # those that a loop goes through
    names: frozenset[tuple[Thing, str]] = frozenset()


def weighed_by(m: Machine, f: Frame, state: State, op: Op) -> Guard:
    """Return what the test of a branch, or the body of a try, mentions."""
    if not isinstance(op.constant, str) or _asks_whether_there(f, op):
        return Guard()
    found: set[Thing] = set()
    among: set[Thing] = set()
    names: set[tuple[Thing, str]] = set()
    insists = any(ends_program(m, block) for block in op.blocks)
    for mention in op.constant.split():
        name, _, scope = mention.rpartition(":")
        names.add((f.thing, name))
        value = read_variable(m, f, state, name, int(scope))
        found |= _directly(value)
        if not insists:
            m.asked.update(of_kind(value, "grad"))
        inside = [f.iterated.get(name, NOTHING)]
        inside += [m.graph.counts.get(t, NOTHING) for t in of_kind(inside[0], "number")]
        if name != "self":
            inside.append(frozenset(of_kind(value, "instance")))
        among.update(t for t in reachable(state, inside) if t.kind == "tensor")
    found |= among
    if insists:
        return Guard()  # what does not pass the test ends the program: nothing is sorted out
    for thing in [t for t in found if t in m.gradient_of]:  # it was read before it was sorted out
        found.add(m.gradient_of[thing])
        m.graph.sifted.add(m.gradient_of[thing])
    return Guard(frozenset(found), frozenset(among), frozenset(names))


def _asks_whether_there(f: Frame, op: Op) -> bool:
    """Say whether a test passes whatever there is: `if bias is not None`."""
    test = f.tests.get(op.args[0]) if op.args else None
    return test is not None and test.question[0] == "is" and (None, "None") in test.question[1]


def _directly(value: Value) -> set[Thing]:
    found: set[Thing] = set()
    for thing in value:
        if thing.kind == "tensor":
            found.add(identity(thing))
        elif thing.kind == "grad":
            found.add(identity(thing.data))
        elif thing.kind == "none-test":
            found.update(identity(t) for t in thing.data[0])
    return found


def is_weighed(m: Machine, tensor: Thing) -> bool:
    """Say whether a test that mentions a tensor stands before what is executed."""
    return any(tensor in guard.tensors for guard in m.guards)


def is_sorted_out(m: Machine, tensor: Thing) -> bool:
    """Say whether such a test tells the tensors apart that a loop goes through."""
    return any(tensor in guard.among for guard in m.guards)


def sift(
    m: Machine, state: State, value: Value, into: Value = NOTHING, *, only: bool = False
) -> None:
    """Note what is put into a container behind a test that mentions it, or of a part of a list only.

    `only` says that nothing puts the others into another container.
    """
    partial = frozenset().union(*(loop.partial | loop.ended for loop in m.loops))
    if partial and not partial.isdisjoint(inside := reachable(state, (value,))):
        for container in into:
            state.set((container, "#partial"), True)
        sort_out(m, [t for t in inside if any(t in loop.ended for loop in m.loops)])
    if m.guards:
        inside = [t for t in reachable(state, (value,)) if is_weighed(m, t)]
        if only:
            for container in into if inside else ():
                state.set((container, "#partial"), True)
        _deal(m, inside, into)
        m.graph.sifted.update(inside)
        m.graph.chosen.update(inside)
        sort_out(m, [t for t in inside if is_sorted_out(m, t)])


def _deal(m: Machine, tensors: list[Thing], into: Value) -> None:
    """Note on which ways of the branches around here tensors are put into which container."""
    for tensor in tensors:
        ways = m.graph.dealt.setdefault(tensor, {})
        if len(m.guards) != len(m.arms):  # it may have been passed over before
            ways[None, ()] = {}
        for site, path, number in m.arms:
            ways.setdefault((site, path), {}).setdefault(number, set()).update(into)


_PUTS = ("append", "add", "insert", "appendleft")


def deal_out(m: Machine, f: Frame, state: State, call: Call, name: str, into: list[Thing]) -> None:
    """Note that a value is put into one of several containers: `(xs if test else ys).append(x)`."""
    if name not in _PUTS or not all(t.kind == "list" for t in into):
        return
    values = [argument.value for argument in call.arguments]
    tensors = [t for t in reachable(state, values) if t.kind == "tensor"]
    here = Site(f.module.path, call.place), f.path
    for tensor in tensors:
        m.graph.dealt.setdefault(tensor, {})[here] = {0: {into[0]}, 1: {*into[1:]}}
    m.graph.sifted.update(tensors)
    sort_out(m, tensors)


def note_asked(m: Machine, tensors: Iterable[Thing], holders: Iterable[Thing]) -> None:
    """Note of tensors in which containers they are asked for with all others."""
    for tensor in tensors:
        if tensor in m.graph.dealt:
            m.graph.gone_through.setdefault(tensor, set()).update(holders)


def walked(m: Machine, value: Value) -> set[Thing]:
    """Return the containers all of whose items stand in what a loop goes through."""
    return _all_of(m, set(of_kind(value, *containers.CONTAINERS)))


def pick(m: Machine, state: State, thing: Thing, *, of_part: bool = False) -> None:
    """Note that one item is taken by its position where nobody knows which that is.

    Of a part of the list, `of_part`, also that what belongs to objects in it is not all there is.
    """
    if state.get((thing, "#length"), "maybe") == "maybe":
        found = _items(state, thing)
        if not found and of_part:
            instances = of_kind(state.get((thing, "[*]"), NOTHING), "instance")
            found = reachable(state, [frozenset(instances)]) if len(instances) == 1 else []
        elif len(found) > 1:  # each turn of the loop has one of its own
            found = []
        m.graph.picked.update(t for t in found if m.graph.loops.get(t))
        is_not_the_element(m, found)


def choose(m: Machine, state: State, thing: Thing) -> None:
    """Note that one item is taken by what nobody knows, not each of them in turn."""
    m.graph.take_some(items := _items(state, thing), thing)
    is_not_the_element(m, items)


def is_not_the_element(m: Machine, items: list[Thing]) -> None:
    """Note that the loop around does not take each of these in its turn: `for p in ps: print(ps[0].grad)`.

    A container that it puts them into gets some of them.
    """
    if m.loops:
        m.loops[-1].partial |= frozenset(items)
    if items and m.elements and not m.elements[-1].isdisjoint(items):
        m.elements[-1] = m.elements[-1].difference(items)


def sort_out(m: Machine, tensors: list[Thing]) -> None:
    """Note that some of these are taken, nobody knows which; one may stand for all that a loop makes."""
    m.graph.take_some(tensors)


def ask_all(
    m: Machine, f: Frame, state: State, value: Value, holders: set[Thing], place: Place
) -> None:
    """Note of the tensors in a value which are asked for there in any case, with all of their list.

    `holders` are they and the containers that they stand in.
    """
    found = [identity(t) for t in ordered(frozenset(holders)) if t.kind == "tensor"]
    site = Site(f.module.path, place)
    unsure = _whole_or_part(m, state, holders)
    m.graph.take_some([t for t in found if t in unsure])
    found = [t for t in found if t not in unsure]
    note_asked(m, found, holders)
    m.graph.whole |= elements_of(m, state, value) - m.graph.sifted - unsure
    emptied = {t for t in _all_of(m, holders) if not lacks(state, t)}
    for tensor in found:
        if tensor not in m.graph.sifted and not is_weighed(m, tensor):
            m.graph.asked_of[site, f.path, tensor] = emptied


def _whole_or_part(m: Machine, state: State, holders: set[Thing]) -> set[Thing]:
    """Return the tensors of lists that are asked for, or only a part of them: `ps[1:] if few else ps`."""
    asked = _all_of(m, holders)
    cuts = [m.graph.slices[t] for t in asked if t in m.graph.slices]
    return {t for of, c in cuts if of in asked and not _takes_all(c) for t in _items(state, of)}


def _takes_all(cut: slice) -> bool:
    return cut.start in (None, 0) and cut.stop is None and cut.step in (None, 1, -1)


def holds_all(
    m: Machine, state: State, made: Thing, sources: Iterable[Value], singles: Iterable[Value] = ()
) -> None:
    """Note that a container has all that stands in others, and some things that were put in one by one."""
    held = {t for source in sources for t in of_kind(source, *containers.CONTAINERS)}
    m.graph.all_of.setdefault(made, set()).update(held)
    alone = set(reachable(state, singles))
    if alone and held:
        m.graph.singly.setdefault(made, set()).update(
            alone.difference(reachable(state, [frozenset(held)]))
        )


def _all_of(m: Machine, holders: set[Thing]) -> set[Thing]:
    """Return the containers all of whose items stand in one of these."""
    pending, found = list(holders), set(holders)
    for holder in pending:
        pending += [t for t in m.graph.all_of.get(holder, ()) if t not in found]
        found.update(m.graph.all_of.get(holder, ()))
    return found


def _items(state: State, thing: Thing) -> list[Thing]:
    things = state.get((thing, "[*]"), NOTHING)
    return [identity(t) for t in things if t.kind == "tensor"]


def takes_each(m: Machine, f: Frame, state: State, register: int) -> bool:
    """Say whether a key goes through all there are: a loop gives it, and no test weighs it."""
    name = f.names.get(register, "")
    through = f.iterated.get(name, NOTHING)
    if any(_is_some_numbers(m, state, t) or _come_from_outside(m, state, t) for t in through):
        return False
    weighed = any((f.thing, name) in guard.names for guard in m.guards)
    return name in f.loop_variables and not weighed


def _come_from_outside(m: Machine, state: State, thing: Thing) -> bool:
    """Say whether a loop goes through names that nobody here knows: `for name in json.load(f)`."""
    if thing.kind in ("list", "tuple") and not m.graph.all_of.get(thing):
        items = state.get((thing, "[*]"), NOTHING)
        return bool(items) and all(t.kind in ("opaque", "text") for t in items)
    return thing.kind in ("opaque", "text") and not state.get((thing, "#inputs"))


_ALL_NUMBERS = (".arange", ".permutation", ".argsort")


def _is_some_numbers(m: Machine, state: State, thing: Thing) -> bool:
    """Say whether a loop goes through a list or array of numbers, which need not be all there are."""
    if thing.kind == "array":
        made = m.graph.computed.get(thing)
        return made is None or not made.effect.endswith(_ALL_NUMBERS)
    items = state.get((thing, "[*]"), NOTHING) if thing.kind in ("list", "tuple") else NOTHING
    whole = bool(m.graph.all_of.get(thing))
    return bool(items) and not whole and all(is_whole_number(t) for t in items)


def parts_in(state: State, value: Value) -> frozenset[Thing]:
    """Return the tensors in slices of lists."""
    parts = frozenset(filter(_is_part, value))
    return frozenset(reachable(state, (parts,))) if parts else NOTHING


def take_part(m: Machine, state: State, thing: Thing, key: Value, part: Value) -> None:
    """Note of a slice what it is of, and that it may hold any of several tensors."""
    cuts = [t.data for t in of_kind(key, "slice")]
    if len(cuts) == 1 and isinstance(cuts[0], slice):
        m.graph.slices.update((made, (thing, cuts[0])) for made in part)
    if all(state.get((t, "#length"), "maybe") != "maybe" for t in part):
        return
    some_of(m, state, thing, *part)


def some_of(m: Machine, state: State, thing: Thing, *parts: Thing) -> None:
    """Note that parts of a list may hold any of several tensors, unless there is only one."""
    inside = {t for made in parts for t in _items(state, made)}
    if len(inside) > 1:
        m.graph.take_some(ordered(inside), thing)


def _joined_again(m: Machine, thing: Thing) -> Thing | None:
    """Return the list that the parts in a list are of, one behind the other: `chain(ps[:1], ps[1:])`."""
    cuts = [
        m.graph.slices[t] for t in ordered(m.graph.all_of.get(thing, ())) if t in m.graph.slices
    ]
    if len(cuts) != 2 or len(m.graph.all_of[thing]) != 2 or cuts[0][0] is not cuts[1][0]:
        return None
    (of, first), (_, last) = sorted(cuts, key=lambda cut: cut[1].start is not None)
    plain = first.start is None and last.stop is None and first.step is None and last.step is None
    return of if plain and first.stop is not None and first.stop == last.start else None


def lose(state: State, thing: Thing) -> None:
    """Note that a list whose items are not known one by one lacks some of those that were made for it."""
    if state.get((thing, "#length"), "maybe") == "maybe":
        state.set((thing, "#partial"), True)


def lacks(state: State, thing: Thing) -> bool:
    return _is_part(thing) or bool(state.get((thing, "#partial")))


def _is_part(thing: Thing) -> bool:
    return thing.name.startswith("slice of")


def elements_of(m: Machine, state: State, value: Value) -> frozenset[Thing]:
    """Return the tensors of the lists in a value that stand there with all that are made with them."""
    seen: set[Thing] = set()
    whole: set[Thing] = set()
    pending = of_kind(value, "list", "tuple", "dict")
    for number in of_kind(value, "number"):  # `range(len(rows))`
        pending += m.graph.counts.get(number, ())
    while pending:
        thing = pending.pop()
        whole_again = _joined_again(m, thing)
        if whole_again is not None:
            pending.append(whole_again)
        if thing in seen or any(lacks(state, t) for t in _all_of(m, {thing})):
            continue
        seen.add(thing)
        open_ended = state.get((thing, "#length"), "maybe") == "maybe"
        if thing.kind == "dict":
            open_ended = containers.known_items(state, thing) is None
        if open_ended:
            whole.add(thing)
            pending += m.graph.all_of.get(thing, ())  # a dict whose keys these are
        else:
            items: Value = state.get((thing, "[*]"), NOTHING)
            pending += of_kind(items, "list", "tuple", "dict")
    found = set(reachable(state, (frozenset(whole),)))
    if m.graph.singly:
        found = found.difference(*(m.graph.singly.get(t, ()) for t in _all_of(m, whole)))
    return frozenset(t for t in found if t.kind == "tensor")


class Coverage:
    """Which tensors are asked for in every turn of a loop over rows they were dealt to."""

    def __init__(self, m: Machine, state: State, rows: list[Value]) -> None:
        inside = containers.reachable(state, rows) if m.dealt else []
        self.machine = m
        self.dealt = frozenset(t for t in inside if t in m.dealt)
        self.before = m.graph.whole & self.dealt
        self.each: frozenset[Thing] | None = None
        self._begin_turn()

    def _begin_turn(self) -> None:
        self.machine.graph.whole -= self.dealt
        self.machine.elements.append(self.dealt)

    def end_turn(self) -> None:
        """Note what the turn has asked for."""
        self.machine.elements.pop()
        asked = self.dealt & self.machine.graph.whole
        self.each = asked if self.each is None else self.each & asked
        self._begin_turn()

    def end(self) -> None:
        """Note what all turns have asked for."""
        self.machine.elements.pop()
        self.machine.graph.whole |= self.before | (self.each or frozenset())
