"""Context managers written as generators: a `with` block is followed where the generator yields, its end behind it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fixgrad.flow.arguments import Call
from fixgrad.flow.ir import Op
from fixgrad.flow.state import MODE, State
from fixgrad.flow.values import Site, Thing, Value, ordered

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

DECORATORS = ("contextlib.contextmanager", "contextlib.asynccontextmanager")
WRITTEN = "with"  # what the lowering says of a call that a `with` statement is about


def waiting(m: Machine, f: Frame, call: Call, function: Thing) -> Value:
    """Return what `with` is given: nothing of the generator has run yet."""
    site = Site(f.module.path, call.place)
    given = call._replace(manages=False)
    return frozenset((m.thing("context", site, f.path, "generator", (function, given)),))


def waits(context: Value) -> bool:
    """Say whether a `with` statement is about such generators, and nothing else."""
    return bool(context) and all(t.kind == "context" and t.name == "generator" for t in context)


def follow(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute a `with` statement about a generator: what stands in it runs in the generator's `yield`."""
    m.branch(f, state, [partial(_follow, m, f, op, t) for t in ordered(f.registers[op.args[0]])])


def _follow(m: Machine, f: Frame, op: Op, manager: Thing, state: State) -> None:
    (function, call), before, reached = manager.data, state.get(MODE, "on"), False

    def within(generator: Frame, s: State, value: Value) -> None:
        nonlocal reached
        reached, f.registers[op.out] = True, value
        inside, fails = s.get(MODE, "on"), generator.tries > 0
        if function.data.mode:  # a decorator's is left where the generator yields
            s.set(MODE, before)
        running, own = m.running.pop(), m.stack.pop()
        m.expecting_failure += fails
        m.block(f, op.blocks[0], s)
        m.expecting_failure -= fails
        m.running.append(running)
        m.stack.append(own)
        s.dead = s.dead and not fails
        if function.data.mode:
            s.set(MODE, inside)

    m.apply(m, f, state, call._replace(within=within), frozenset((function,)))
    if not reached and not state.dead:  # it was not entered
        m.block(f, op.blocks[0], state)
