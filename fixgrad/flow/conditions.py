"""Tests that exclude each other: what happens behind one does not come before what happens behind the other.

`if step < warmup: w.copy_(best)` and `if step >= warmup: loss.backward()` are never both taken in one turn of a
loop. A test is told by the call of the function it stands in, what it compares, and the variables that it
names; it holds until one of these is given another value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fixgrad.flow.ir import Op
from fixgrad.flow.values import Thing, known

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

# Each comparison by "<" or "==": the name, whether the operands change places, whether it holds.
_WRITTEN_AS = {
    "<": ("<", False, True), ">=": ("<", False, False), ">": ("<", True, True),
    "<=": ("<", True, False), "==": ("==", False, True), "!=": ("==", False, False),
}  # fmt: skip


class Test(NamedTuple):
    """What a test asks, and what of the answer makes it true."""

    name: str
    operands: tuple[str, ...]  # variables, and constants as they are written
    holds: bool


class Condition(NamedTuple):
    """A test of one call of a function that has come out true, or false."""

    frame: Frame
    test: Test


class Conditions:
    """The tests around what is executed, and what stands to be told by them."""

    def __init__(self) -> None:
        self.now: list[Condition] = []
        self.bound_at: dict[tuple[Thing, str], int] = {}  # by variable: operations before that
        # by tensor: what held each time that its values changed, how much was made, operations before that
        self.changes: dict[Thing, list[tuple[tuple[Condition, ...], int, int]]] = {}


def note_comparison(f: Frame, op: Op) -> None:
    """Remember what a comparison of variables and constants asks."""
    written = _WRITTEN_AS.get(op.target)
    operands = [_operand(f, register) for register in op.args]
    if written is not None and len(operands) == 2 and all(operands) and set(operands) & _names(f):
        name, turned, holds = written
        f.tests[op.out] = Test(name, tuple(operands[::-1] if turned else operands), holds)


def note_negation(f: Frame, op: Op) -> None:
    """Remember the same of `not`."""
    test = _test(f, op.args[0])
    if op.target == "not" and test is not None:
        f.tests[op.out] = test._replace(holds=not test.holds)


def behind(f: Frame, register: int, block: int) -> list[Condition]:
    """Return what is known on a way of a branch on a register: where it holds, the way is number 0."""
    test = _test(f, register)
    if test is None:
        return []
    return [Condition(f, test._replace(holds=test.holds == (block == 0)))]


def note_change(m: Machine, thing: Thing) -> None:
    """Remember behind which tests, and when, a value is written over that a tensor was computed from."""
    held = m.conditions
    held.changes.setdefault(thing, []).append((tuple(held.now), m.graph.clock, m.executed))


def cannot_have_changed(m: Machine, thing: Thing) -> bool:
    """Say whether all that was written over since a tensor was made was so where we cannot come from."""
    held, made = m.conditions, m.graph.made_at.get(thing, 0)
    since = [change for change in held.changes.get(thing, ()) if change[1] >= made]
    return bool(held.now and since) and all(_excludes(held, then, when) for then, _, when in since)


def _excludes(held: Conditions, then: tuple[Condition, ...], when: int) -> bool:
    return any(
        one.frame is other.frame
        and one.test.holds != other.test.holds
        and one.test[:2] == other.test[:2]
        and all(held.bound_at.get((one.frame.thing, n), 0) <= when for n in one.test.operands)
        for one in held.now
        for other in then
    )


def _names(f: Frame) -> frozenset[str]:
    """Return the variables of a function that nothing but itself and what stands in it can set."""
    return f.function.local


def _test(f: Frame, register: int) -> Test | None:
    found = f.tests.get(register)
    name = f.names.get(register)
    if found is None and name in _names(f):
        return Test("", (str(name),), holds=True)
    return found


def _operand(f: Frame, register: int) -> str:
    """Return a variable of the function's own, or a constant as written; "" for anything else."""
    name = f.names.get(register, "")
    if name:
        return name if name in _names(f) else ""
    sure, value = known(f.registers[register])
    return f"={value!r}" if sure else ""
