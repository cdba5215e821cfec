"""Variables whose contents nobody can read any more, so that nothing holds what was in them.

Those of a function that has returned; and those that a turn of a loop writes before it reads them:
`loss = step(x)` at the head of a turn means that the loss of the turn before is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fixgrad.flow.ir import Block, Function, Module, Op, stands_in
from fixgrad.flow.joining import ABSENT, Changes
from fixgrad.flow.state import State
from fixgrad.flow.trail import MADE, Entry
from fixgrad.flow.values import NOTHING, Thing, Value

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_LEAVE = ("break", "continue")  # the variables keep what they hold
_END = ("return", "raise")  # nobody reads the variables after it


def forget_last_turn(m: Machine, f: Frame, state: State, op: Op) -> None:
    """Empty the variables that the turn of a loop which begins here writes before it reads them."""
    if m.tries:
        return  # conservative: an exception may leave the turn before it writes them
    for name in _variables_of(m, f, op).overwritten:
        if state.get((f.thing, name)):
            state.set((f.thing, name), NOTHING)


def matters_to_next(m: Machine, f: Frame, op: Op | None, changes: Sequence[Entry]) -> bool:
    """Say whether what a turn of a loop has changed may make the next one another.

    Given are the cells that changed and what they held before. What the turn itself has made, the next one
    makes anew; a variable that it writes before it reads it, and a comprehension's result, it never asks for.
    """
    aside = {cell[0] for cell, old in changes if old is ABSENT and cell[1] in MADE}
    aside.update(
        cell[0] for cell, old in changes if old is ABSENT and _is_new_result(cell[0], cell[1])
    )
    aside.update(built_by(f, op) if op is not None else ())
    exposed = _variables_of(m, f, op).exposed if op is not None else None
    for (owner, name), old in changes:
        if owner is f.thing:
            if exposed is None or name in exposed:
                return True
        elif owner not in aside and not (old is ABSENT and owner and owner.kind == "frame"):
            return True
    return False


def _is_new_result(thing: Thing | None, field: str) -> bool:
    """Say whether what is noted first of what unknown code has returned is being noted."""
    return (
        field == "#inputs"
        and thing is not None
        and thing.kind == "opaque"
        and thing.name.startswith("result ")
    )


def built_by(f: Frame, op: Op) -> Value:
    """Return the container that a loop of a comprehension fills."""
    body = op.blocks[1]
    if any(inner.kind == "stmt" for inner in body):
        return NOTHING
    while body and body[-1].kind in ("branch", "loop"):
        body = body[-1].blocks[0 if body[-1].kind == "branch" else 1]
    collects = body and body[-1].kind in ("collect", "setindex")
    return f.registers[body[-1].args[0]] if collects else NOTHING


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


def without_memory(changes: Changes, before: State) -> Changes:
    """Return what a method changed, but for what objects that were there before it were given in it.

    Unknown ones may hand it on, but not out of a call that the program need not make before the next.
    """
    return {
        (thing, field): value
        for (thing, field), value in changes.items()
        if field != "#inputs"
        or thing is None
        or thing.kind != "opaque"
        or (thing.name.startswith("result ") and before.get((thing, field)) is None)
    }


class LoopVariables(NamedTuple):
    """The variables of a function in the turns of one loop."""

    overwritten: tuple[str, ...]  # each turn writes them before it reads them
    exposed: frozenset[str]  # a turn may read what the one before has written


def _variables_of(m: Machine, f: Frame, op: Op) -> LoopVariables:
    key = (f.module.path, op.place)
    found = m.loop_variables.get(key)
    if found is None:
        found = m.loop_variables[key] = loop_variables(f.module, f.function, op.blocks)
    return found


def loop_variables(module: Module, function: Function, blocks: tuple[Block, ...]) -> LoopVariables:
    """Return what a loop's head and body do to the variables of a function."""
    own = -1 if function.kind == "module" else 0
    head, body, _ = blocks
    turn = _Turn(own)
    turn.follow(head)
    turn.follow(body)
    around = function.place
    inside = (f for f in module.functions if f is not function and stands_in(f.place, around))
    read_elsewhere = frozenset[str]().union(*(f.tokens - f.local for f in inside))
    exposed = read_elsewhere | turn.read
    return LoopVariables(tuple(sorted(turn.written - exposed)), exposed)


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
        parts = []
        for inner in op.blocks:
            part = _Turn(self.own, self.written)
            part.follow(inner)
            self.read |= part.read
            self.left |= part.left and op.kind != "loop"
            if not inner or inner[-1].kind not in _END:
                parts.append(part)
        if op.kind == "branch" and parts and not self.left:
            self.written |= set.intersection(*(part.written for part in parts))
