"""Executes `if`, `and`, `or` and conditional expressions: one way where the test says which, else both."""

from __future__ import annotations

from fixgrad.flow.classes import is_always_true
from fixgrad.flow.conditions import Ends, asked, enter_way, leave_way, note_ends
from fixgrad.flow.failures import ends_program
from fixgrad.flow.gradients import (
    deny_flag,
    fails_for_untracked,
    guarded_branches,
    weigh_gradient,
)
from fixgrad.flow.guards import Guard, weighed_by
from fixgrad.flow.ir import Op
from fixgrad.flow.machine import Frame, Machine
from fixgrad.flow.membership import note_key
from fixgrad.flow.state import State
from fixgrad.flow.tensors import log
from fixgrad.flow.type_tests import narrow, widen
from fixgrad.flow.values import Site, Value, known, of_kind


def branch(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute a test and what follows from it; where its outcome is open, both ways."""
    test = f.registers[op.args[0]]
    taken, otherwise = op.blocks
    guard = weighed_by(m, f, state, op)
    weigh_gradient(m, f, state, test, op.place)
    if op.target in ("and", "or"):
        m.defaulted.update(of_kind(test, "grad"))
    sure, value = _truth(state, test)
    _insist_on_none(m, f, state, op, test)
    if sure:
        m.block(f, taken if value else otherwise, state)
        return
    if taken and taken[-1].kind == "collect" and fails_for_untracked(state, test):
        return  # a comprehension that leaves out what has no gradient
    ways = _Ways(m, f, op, state, guard)
    m.branches += 1
    m.branch(f, state, [lambda s: ways.take(0, s), lambda s: ways.take(1, s)])
    m.branches -= 1
    ways.leave(state)


class _Ways:
    """The two ways behind a test whose outcome is open."""

    def __init__(self, m: Machine, f: Frame, op: Op, state: State, guard: Guard) -> None:
        self.m, self.f, self.op, self.guard = m, f, op, guard
        self.test = f.registers[op.args[0]]
        self.guarded = guarded_branches(self.test)
        self.question = asked(m, f, state, op.args[0])
        self.here, self.statement = Site(f.module.path, op.place), f.statement
        self.ends: list[Ends | None] = []
        self.ended: list[int] = []  # the ways from which nothing behind the test is reached
        self.behind: list[Guard] = []

    def take(self, block: int, copy: State) -> None:
        """Execute one way in a copy of the state, knowing what the test says there."""
        m, f, holds = self.m, self.f, not block
        f.statement = self.statement
        self._mark(block, copy)
        begun = len(m.guards)
        m.guards.append(self.guard)
        m.arms.append((self.here, f.path, block))
        known_here = enter_way(m, copy, self.question, block)
        narrowed = narrow(m, f, copy, self.op, self.test, holds=holds)
        note_key(copy, self.test, holds=holds)
        m.block(f, self.op.blocks[block], copy)
        if not (block and self.ended):  # what is behind the test is behind this way alone
            widen(copy, narrowed)
        self.ends.append(leave_way(m, f, copy, known_here))
        m.arms.pop()
        del m.guards[begun]
        if copy.dead:
            self.ended.append(block)
            if not ends_program(m, self.op.blocks[block]):
                self.behind.append(self.guard)

    def _mark(self, block: int, copy: State) -> None:
        insists = ends_program(self.m, self.op.blocks[1 - block])
        for thing in [] if insists else self.guarded[block]:
            copy.set((thing, "#guarded"), True)
        for thing in self.guarded[1 - block]:
            copy.set((thing, "#guarded"), False)

    def leave(self, state: State) -> None:
        """Keep what is known behind the test."""
        if self.question is not None:
            note_ends(self.m, state, self.question, *self.ends)
        self.m.guards += self.behind[:1]


def _insist_on_none(m: Machine, f: Frame, state: State, op: Op, test: Value) -> None:
    """Note that the program raises where a tensor has a gradient: `if x.grad is not None: raise`."""
    if not ends_program(m, op.blocks[0]):
        return
    for thing in of_kind(test, "none-test"):
        if thing.data[1] and len(test) == 1:
            for tensor in thing.data[0]:
                log(m, f, state, "no-grad-expected", tensor, op.place)
    if known(test) == (True, False):
        deny_flag(m, f, state, test, op.place)


def _truth(state: State, test: Value) -> tuple[bool, bool]:
    """Return whether the truth of a value is known, and the truth."""
    sure, value = known(test)
    if sure:
        return True, bool(value)
    return bool(test) and all(is_always_true(state, t) for t in test), True
