"""Tests of the same variables: they exclude each other, and say what variables hold that were set behind them.

`if step < warmup: w.copy_(best)` and `if step >= warmup: loss.backward()` are never both taken in one turn of a
loop; behind the second `if sparse:`, a variable holds what the first one left in it. A test is told by what it
compares and the variables that it names; it holds until one of these is given another value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from fixgrad.flow.classes import lookup_class
from fixgrad.flow.ir import Function, Op
from fixgrad.flow.joining import ABSENT, Cell
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Thing, Value, known, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

# Each comparison by "<" or "==": the name, whether the operands change places, whether it holds.
_WRITTEN_AS = {
    "<": ("<", False, True), ">=": ("<", False, False), ">": ("<", True, True),
    "<=": ("<", True, False), "==": ("==", False, True), "!=": ("==", False, False),
    "is": ("is", False, True), "is not": ("is", False, False),
}  # fmt: skip
ANY = "*"  # stands for every attribute of an object
_CHANGING = ("tensor", "array", "list", "dict", "instance", "module", "grad", "file")
Variable: TypeAlias = tuple[
    Thing | None, str
]  # whose, and its name; of a constant: None, and as written
Question: TypeAlias = tuple[str, tuple[Variable, ...]]
Left: TypeAlias = tuple[Value, Value, Value, int]
Ends: TypeAlias = dict[
    Cell, tuple[Value, Value]
]  # what variables held before a way, and at its end


class Test(NamedTuple):
    """What a test asks, and which answer makes it true."""

    question: Question
    holds: bool


class Conditions:
    """The tests around what is executed, and what is known by them."""

    def __init__(self) -> None:
        self.now: list[Test] = []
        self.bound_at: dict[Variable, int] = {}  # operations before a variable was set last
        # by tensor: what held each time that its values changed, how much was made, operations before that
        self.changes: dict[Thing, list[tuple[tuple[Test, ...], int, int]]] = {}
        # by tensor: what held when it was made, operations before that
        self.made: dict[Thing, tuple[tuple[Test, ...], int]] = {}
        # by question: what variables hold where it is true, where it is not, behind both; operations before
        self.left: dict[Question, dict[Cell, Left]] = {}

    def unchanged(self, question: Question, since: int) -> bool:
        """Say whether a test would come out now as it did then."""
        return all(
            self.bound_at.get(variable, 0) <= since
            and self.bound_at.get((variable[0], ANY), 0) <= since
            for variable in question[1]
        )

    def not_followed(self, function: Function, given: Value, executed: int) -> None:
        """Note that a function which is not followed may set the attributes that it writes."""
        instances = of_kind(given, "instance") if function.assigns else ()
        for thing in instances:
            for token in function.tokens:
                if token[0] == "." and token[-1] == "=":
                    self.bound_at[thing, token[1:-1]] = executed

    def forget(self, owner: Thing, variables: Iterable[Variable]) -> None:
        """Forget when variables of an owner were set, which nothing can ask for any more."""
        bound_at = self.bound_at
        for variable in variables:
            if variable[0] is owner:
                bound_at.pop(variable, None)

    def hand_out(self, value: Value, executed: int) -> None:
        """Note that code which is not followed may set any attribute of an object."""
        for thing in of_kind(value, "instance"):
            self.bound_at[thing, ANY] = executed


def note_comparison(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Remember what a comparison of variables and constants asks."""
    written = _WRITTEN_AS.get(op.target)
    if written is None or len(op.args) != 2:
        return
    same = op.target in ("is", "is not")
    left, right = (_operand(m, f, state, register, same=same) for register in op.args)
    if left and right and (left[0] or right[0]):
        name, turned, holds = written
        f.tests[op.out] = Test((name, (right, left) if turned else (left, right)), holds)


def note_negation(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Remember the same of `not`."""
    test = asked(m, f, state, op.args[0])
    if test is not None:
        f.tests[op.out] = test._replace(holds=not test.holds)


def asked(m: Machine, f: Frame, state: State, register: int) -> Test | None:
    """Return what a test asks, where that is known: a comparison, or whether a variable is true."""
    found = f.tests.get(register)
    if found is None and (register in f.names or register in f.members):
        variable = _operand(m, f, state, register)
        return Test(("", (variable,)), holds=True) if variable else None
    return found


def _operand(
    m: Machine, f: Frame, state: State, register: int, *, same: bool = False
) -> Variable | None:
    """Return a variable of a function, or an attribute of one object, that holds what does not change; or a constant.

    What changes stays the `same`.
    """
    value = f.registers[register]
    name, member = f.names.get(register), f.members.get(register)
    if name is None and member is None:
        sure, constant = known(value)
        return (None, repr(constant)) if sure else None
    if not same and any(thing.kind in _CHANGING for thing in value):
        return None
    if member is not None:
        return member if _is_kept(state, *member) else None
    assert name is not None
    if name in f.function.local:
        return f.thing, name
    owner = next((frame for frame in f.outer if state.get((frame, name))), None)
    return (owner, name) if owner is not None else None


def _is_kept(state: State, thing: Thing, name: str) -> bool:
    """Say whether an attribute is no property, and none that a module sets itself."""
    member, _ = lookup_class(state, thing.data, name)
    return name != "training" and not any(t.kind == "wrapped" for t in member)


def note_change(m: Machine, thing: Thing) -> None:
    """Remember behind which tests, and when, a value is written over that a tensor was computed from."""
    held = m.conditions
    held.changes.setdefault(thing, []).append((tuple(held.now), m.graph.clock, m.executed))


def cannot_have_changed(m: Machine, thing: Thing) -> bool:
    """Say whether all that was written over since a tensor was made was so where we cannot come from."""
    held, made = m.conditions, m.graph.made_at.get(thing, 0)
    since = [change for change in held.changes.get(thing, ()) if change[1] >= made]
    return bool(held.now and since) and all(_excludes(held, then, when) for then, _, when in since)


def note_made(m: Machine, thing: Thing) -> None:
    """Remember behind which tests a tensor was made."""
    held = m.conditions
    if held.now:
        held.made[thing] = (tuple(held.now), m.executed)
    elif thing in held.made:
        del held.made[thing]


def cannot_be_here(m: Machine, thing: Thing) -> bool:
    """Say whether a tensor was made where we cannot come from."""
    held = m.conditions
    return thing in held.made and _excludes(held, *held.made[thing])


def _excludes(held: Conditions, then: tuple[Test, ...], when: int) -> bool:
    return any(
        one.question == other.question
        and one.holds != other.holds
        and held.unchanged(one.question, when)
        for one in held.now
        for other in then
    )


def enter_way(m: Machine, state: State, test: Test | None, block: int) -> int:
    """Begin a way of a branch, number 0 where the test holds; return how many tests are around it.

    Variables hold what an earlier branch on the same test has left in them on this way.
    """
    around = len(m.conditions.now)
    if test is not None:
        here = test._replace(holds=test.holds == (block == 0))
        m.conditions.now.append(here)
        for cell, value in _left(m, state, here):
            state.set(cell, value)
    return around


def _left(m: Machine, state: State, test: Test) -> Iterator[tuple[Cell, Value]]:
    held = m.conditions
    for cell, (yes, no, both, when) in held.left.get(test.question, {}).items():
        left = yes if test.holds else no
        same = state.get(cell) == both and held.bound_at.get(cell, 0) <= when
        if left and same and held.unchanged(test.question, when):
            yield cell, left


def leave_way(m: Machine, f: Frame, state: State, around: int) -> Ends | None:
    """End a way; return what it has left in the function's variables, None where nothing comes behind it."""
    told = len(m.conditions.now) > around
    del m.conditions.now[around:]
    if state.dead or not told:
        return None
    ends: Ends = {}
    for cell, before in state.trail[state.mark :]:
        if cell[0] is f.thing and cell[1][0] != "#" and cell not in ends:
            ends[cell] = (NOTHING if before is ABSENT else before, state.cells[cell])
    return ends


def note_ends(m: Machine, state: State, test: Test, one: Ends | None, other: Ends | None) -> None:
    """Remember what each way of a branch has left in variables, now that the ways have met."""
    if one is None or other is None:
        return
    yes, no = (one, other) if test.holds else (other, one)
    for cell in {**yes, **no}:
        before = (yes.get(cell) or no[cell])[0]
        held, not_held = (way[cell][1] if cell in way else before for way in (yes, no))
        if held != not_held:
            known_ones = m.conditions.left.setdefault(test.question, {})
            known_ones[cell] = (held, not_held, state.get(cell, NOTHING), m.executed)
