"""What was written to cells on the way to a point, oldest first, and what that says of when things were made."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from fixgrad.flow.joining import ABSENT, Cell

Entry: TypeAlias = tuple[Cell, Any]  # a cell that was written, and what it held before

_HOLDS = ("#items",)


def holds(cell: Cell) -> bool:
    """Say whether a cell holds things: a variable, an attribute, an item."""
    return cell[1][0] != "#" or cell[1] in _HOLDS


class Past(NamedTuple):
    """What a trail tells as a whole."""

    first: dict[Cell, Any]  # what each of its cells held when it began, in the order of writing
    holders: dict[Cell, None]  # the cells among them that hold things
    rewired: dict[Cell, None]  # those that say from what a thing is computed which was there before


class Trail(list[Entry]):
    """Cells with what they held before each was written.

    What is asked of it as a whole is worked out as far as it has grown since it was asked before. Whoever takes
    the end off has to say so, by `cut`.
    """

    __slots__ = ("_filed", "_first", "_holders", "_positions", "_rewired")

    def __init__(self) -> None:
        super().__init__()
        self._filed = 0  # how many entries the following tell of
        self._first: dict[Cell, Any] = {}
        self._positions: list[int] = []  # of these
        self._holders: dict[Cell, None] = {}
        self._rewired: dict[Cell, None] = {}

    def cut(self, mark: int) -> None:
        """Take off what comes behind a mark."""
        self._filed = min(self._filed, mark)
        del self[mark:]

    def past(self) -> Past:
        """Return what it tells as a whole up to here; it is not to be kept beyond the next time this is asked."""
        self._file()
        return Past(self._first, self._holders, self._rewired)

    def _file(self) -> None:
        first, positions, filed = self._first, self._positions, self._filed
        while positions and positions[-1] >= filed:
            positions.pop()
            cell, _ = first.popitem()
            self._holders.pop(cell, None)
            self._rewired.pop(cell, None)
        if filed == len(self):
            return
        for position, (cell, old) in enumerate(self[filed:], filed):
            if cell in first:
                continue
            first[cell] = old
            positions.append(position)
            if holds(cell):
                self._holders[cell] = None
            elif cell[1] == "#inputs" and old is not ABSENT:
                self._rewired[cell] = None
        self._filed = len(self)
