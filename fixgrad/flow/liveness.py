"""Variables whose contents nobody can read any more, so that nothing holds what was in them.

Those of a function that has returned; and those that a turn of a loop writes before it reads them:
`loss = step(x)` at the head of a turn means that the loss of the turn before is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from fixgrad.flow.ir import Block, Function, Module, Op
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_LEAVE = ("break", "continue")  # the variables keep what they hold


def forget_last_turn(m: Machine, f: Frame, state: State, op: Op) -> None:
    """Empty the variables that the turn of a loop which begins here writes before it reads them."""
    if m.tries:
        return  # conservative: an exception may leave the turn before it writes them
    key = (f.module.path, op.place)
    names = m.overwritten.get(key)
    if names is None:
        names = m.overwritten[key] = overwritten(f.module, f.function, op.blocks)
    owner = m.module_thing(f.module.path) if f.function.kind == "module" else f.thing
    for name in names:
        if state.get((owner, name)):
            state.set((owner, name), NOTHING)


def forget_locals(m: Machine, state: State, f: Frame) -> None:
    """Empty the variables of a function, and those of its comprehensions, where an earlier call left them."""
    if f.private is not None:
        return
    key = (f.module.path, f.function.place)
    names = m.variables.get(key)
    if names is None:
        names = m.variables[key] = f.function.local.union(_stored(f.function.body))
    for name in names:
        if state.get((f.thing, name)):
            state.set((f.thing, name), NOTHING)


def _stored(block: Block) -> Iterator[str]:
    for op in block:
        if op.kind == "store" and op.constant == 0:
            yield op.target
        for inner in op.blocks:
            yield from _stored(inner)


def overwritten(module: Module, function: Function, blocks: tuple[Block, ...]) -> tuple[str, ...]:
    """Return the variables of a function that a loop's head and body write before they read them."""
    own = -1 if function.kind == "module" else 0
    head, body, _ = blocks
    turn = _Turn(own)
    turn.follow(head)
    turn.follow(body)
    around = function.place
    inside = (f for f in module.functions if f is not function and _stands_in(f.place, around))
    read_elsewhere = frozenset[str]().union(*(f.tokens for f in inside))
    return tuple(sorted(turn.written - turn.read - read_elsewhere))


def _stands_in(place: tuple[int, int, int, int], around: tuple[int, int, int, int]) -> bool:
    return around[:2] <= place[:2] and place[2:] <= around[2:]


class _Turn:
    """What the operations of a turn do to variables, in order."""

    def __init__(self, own: int, written: Iterable[str] = ()) -> None:
        self.own = own  # the scope of the function's variables
        self.written = set(written)
        self.read: set[str] = set()  # before they are written
        self.left = False  # the turn may have ended

    def follow(self, block: Block) -> None:
        for op in block:
            own = op.constant == self.own or op.target[:1] == "%"
            if op.kind in ("load", "delete") and own:
                if op.target not in self.written:
                    self.read.add(op.target)
            elif op.kind == "store" and own:
                if not self.left:
                    self.written.add(op.target)
            elif op.kind in _LEAVE:
                self.left = True
            elif op.kind == "with":
                self.follow(op.blocks[0])
            else:
                self._may_run(op)

    def _may_run(self, op: Op) -> None:
        for inner in op.blocks:
            part = _Turn(self.own, self.written)
            part.follow(inner)
            self.read |= part.read
            self.left |= part.left and op.kind != "loop"
