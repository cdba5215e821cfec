"""The contents of every cell at one point of a program, copied at branches and joined after them.

A cell is a thing and a field: a frame and a variable, an instance and an attribute, a container and an
item, a tensor and one of its facts ("#tracked"). Branches work on an overlay; joining looks only at what
the overlays changed.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from fixgrad.flow.values import Thing

Cell: TypeAlias = tuple[Thing | None, str]
Changes: TypeAlias = dict[Cell, Any]

ABSENT = object()
MODE: Cell = (None, "#mode")  # "on", "off", "inference", "maybe": whether autograd records


def join_facts(field: str, one: Any, other: Any) -> Any:
    """Join what two paths say of one cell."""
    if one is ABSENT or one == other:
        return other
    if other is ABSENT:
        return one
    if field[0] != "#" or field in _SETS:
        return one | other
    if field in _FLAGS:
        return True
    if field in _BOTH:
        return False
    if field in _TUPLES:
        return one if len(one) >= len(other) else other
    return _DISAGREE.get(field, "maybe")


_SETS = {
    "#cut", "#fields", "#freed", "#inner", "#inputs", "#made", "#parameter", "#params", "#perhaps",
    "#storage",
}  # fmt: skip
_TUPLES = {"#declared", "#stars"}
_FLAGS = {"#overwritten", "#stale", "#manual"}
_BOTH = {"#guarded"}
_DISAGREE = {"#dtype": "unknown"}


class State:
    """An overlay of changed cells over the state it was branched from."""

    __slots__ = ("cells", "dead", "parent")

    def __init__(self, parent: State | None = None) -> None:
        self.parent = parent
        self.cells: Changes = {}
        self.dead = parent.dead if parent is not None else False

    def get(self, cell: Cell, default: Any = None) -> Any:
        """Return what a cell holds here."""
        state: State | None = self
        while state is not None:
            if cell in state.cells:
                return state.cells[cell]
            state = state.parent
        return default

    def set(self, cell: Cell, value: Any) -> None:
        """Write a cell; the old content is gone on this path."""
        self.cells[cell] = value

    def add(self, cell: Cell, value: Any) -> None:
        """Join a value into a cell, where the write may or may not happen."""
        self.cells[cell] = join_facts(cell[1], self.get(cell, ABSENT), value)

    def changes_since(self, base: State) -> Changes:
        """Return the cells changed since `base`, which is this state or one it grew from."""
        layers: list[Changes] = []
        state: State | None = self
        while state is not None and state is not base:
            layers.append(state.cells)
            state = state.parent
        merged: Changes = {}
        for layer in reversed(layers):
            merged.update(layer)
        return merged

    def merge(self, paths: list[Changes]) -> bool:
        """Replace this state by the join of paths that each began from it.

        Without a path nothing is reached any more. Says whether a cell changed.
        """
        if not paths:
            self.dead = True
            return False
        changed = False
        cells = {cell: None for path in paths for cell in path}
        for cell in cells:
            old = self.get(cell, ABSENT)
            new: Any = ABSENT
            for path in paths:
                new = join_facts(cell[1], new, path.get(cell, old))
            if new is not ABSENT and new != old:
                self.cells[cell] = new
                changed = True
        return changed
