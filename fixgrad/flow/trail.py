"""What was written to cells on the way to a point, oldest first, and what that says of when things were made."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from fixgrad.flow.holding import Holding
from fixgrad.flow.joining import ABSENT, Cell, Changes
from fixgrad.flow.values import Thing

Entry: TypeAlias = tuple[Cell, Any]  # a cell that was written, and what it held before


class Past(NamedTuple):
    """What a trail tells as a whole."""

    first: dict[Cell, Any]  # what each of its cells held when it began, in the order of writing
    holding: Holding  # of what was written, also on paths that were taken back

    def is_young(self, thing: Thing | None, *facts: str) -> bool:
        """Say whether one of these facts of a thing was first told on the way: what holds it was written since."""
        return any(self.first.get((thing, fact)) is ABSENT for fact in facts)


MADE = ("#dtype", "#fields")  # what is told first of tensors and arrays, of containers and objects


class Trail(list[Entry]):
    """Cells with what they held before each was written.

    What is asked of it as a whole is worked out as far as it has grown since it was asked before. Whoever takes
    the end off has to say so, by `cut`.
    """

    __slots__ = ("_cells", "_filed", "_first", "_holding", "_positions")

    def __init__(self, cells: Changes) -> None:
        super().__init__()
        self._cells = cells  # what they hold now
        self._filed = 0  # how many entries the following tell of
        self._first: dict[Cell, Any] = {}
        self._positions: list[int] = []  # of these
        self._holding = Holding()

    def cut(self, mark: int) -> None:
        """Take off what comes behind a mark."""
        self._filed = min(self._filed, mark)
        del self[mark:]

    def past(self) -> Past:
        """Return what it tells as a whole up to here; it is not to be kept beyond the next time this is asked."""
        first, positions, filed = self._first, self._positions, self._filed
        while positions and positions[-1] >= filed:
            positions.pop()
            first.popitem()
        note, cells = self._holding.note, self._cells
        new = self[filed:] if filed < len(self) else ()
        for position, (cell, old) in enumerate(new, filed):
            if cell not in first:
                first[cell] = old
                positions.append(position)
            note(cell, old)
        for cell in dict.fromkeys(cell for cell, _ in new):
            note(cell, cells[cell])
        self._filed = len(self)
        return Past(first, self._holding)
