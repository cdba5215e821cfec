"""The head of a loop's turn: the variables that get its element, before the first statement of the body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow.belongings import named
from fixgrad.flow.containers import item
from fixgrad.flow.graph import Drawn
from fixgrad.flow.ir import Op
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity
from fixgrad.flow.values import Site, Value, constant, of_kind, union
from fixgrad.flow.variables import read_dotted

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def execute(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute a turn, and note what each variable of the loop holds when its body begins."""
    head, body = _parts(op)
    m.block(f, head, state)
    if body and not state.dead:
        loop, first = (Site(f.module.path, place) for place in (op.place, body[0].place))
        for store in head:
            if store.kind == "store":
                for name, value in named(state, store.target, f.registers[store.args[0]]):
                    held = m.graph.drawn.setdefault(Drawn(loop, first, name), set())
                    held.update(map(identity, value))
    m.block(f, body, state)


def item_named(m: Machine, f: Frame, state: State, name: str, op: Op) -> Value:
    """Return what such a name stands for."""
    variable, _, key = name.removesuffix("]").partition("[")
    value = read_dotted(m, f, state, variable, op)
    if not key:
        return value
    index = constant(int(key) if key.isdecimal() else key[1:-1])
    return union(item(state, t, index) for t in of_kind(value, "dict", "list", "tuple"))


def variables_of(op: Op) -> list[str]:
    """Return the variables that a loop gives its elements to."""
    return [inner.target for inner in _parts(op)[0] if inner.kind == "store"]


def _parts(op: Op) -> tuple[tuple[Op, ...], tuple[Op, ...]]:
    """Return what stands before the first statement of the body, and the body; a comprehension has none."""
    block = op.blocks[1]
    for number, inner in enumerate(block):
        if inner.kind == "stmt":
            return block[:number], block[number:]
    return block, ()
