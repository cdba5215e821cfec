"""The contents of every cell at one point of a program, copied at branches and joined after them.

A cell is a thing and a field: a frame and a variable, an instance and an attribute, a container and an
item, a tensor and one of its facts ("#tracked"). Branches work on an overlay; joining looks only at what
the overlays changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fixgrad.flow.holding import holds
from fixgrad.flow.joining import (
    ABSENT,
    OF_HOLDERS,
    RENEWED,
    SPEAKS_FOR_OTHERS,
    UNLESS_SET,
    Cell,
    Changes,
    join_facts,
)
from fixgrad.flow.lost import Lost
from fixgrad.flow.trail import MADE, Entry, Trail
from fixgrad.flow.values import Thing

MODE: Cell = (None, "#mode")  # "on", "off", "inference", "maybe": whether autograd records


CONTEXT_MODES = {
    "no_grad": "off", "inference": "inference", "enable": "on",
    "no_inference": "on", "perhaps_inference": "maybe",  # `torch.inference_mode(False)` records
}  # fmt: skip


def mode_inside(before: str, context: str) -> str:
    """Return whether autograd records inside a context manager of torch, by its name here."""
    if before == "inference" and context in ("enable", "no_grad"):
        return before  # only `torch.inference_mode(False)` ends it
    return CONTEXT_MODES.get(context, before)


class State:
    """All cells at the point that execution has reached, and the way back.

    There is one table of cells. A path of a branch is executed on it, its changes are taken down, and they
    are undone before the next path; `merge` then applies the join of the paths.
    """

    __slots__ = ("cells", "dead", "get", "mark", "trail")

    def __init__(self, cells: dict[Cell, Any] | None = None, trail: Trail | None = None) -> None:
        self.cells: dict[Cell, Any] = {} if cells is None else cells
        self.get: Callable[..., Any] = self.cells.get  # what a cell holds here, or a default
        # (cell, what it held), oldest first
        self.trail = Trail(self.cells) if trail is None else trail
        self.mark = len(self.trail)  # where this path began
        self.dead = False  # no execution comes here

    def path(self) -> State:
        """Begin a path from here."""
        return State(self.cells, self.trail)

    def permanent(self) -> State:
        """Begin changes that no path around takes back: an import made inside one."""
        return State(self.cells)

    def is_held(self, thing: Thing) -> bool:
        """Say whether a variable, an attribute or a container holds a thing."""
        return any(True for _ in self.holders(thing))

    def holders(self, thing: Thing) -> Iterator[Cell]:
        """Yield the variables, attributes and items that hold a tensor, an object or a container, in no order."""
        past, cells = self.trail.past(), self.cells
        for cell in past.holding.cells.get(thing, ()) if past.is_young(thing, *MADE) else cells:
            value = cells.get(cell)
            if holds(cell) and isinstance(value, frozenset) and thing in value:
                yield cell

    def set(self, cell: Cell, value: Any) -> None:
        """Write a cell; the old content is gone on this path."""
        old = self.cells.get(cell, ABSENT)
        if old is not value:
            self.trail.append((cell, old))
            self.cells[cell] = value

    def add(self, cell: Cell, value: Any) -> None:
        """Join a value into a cell, where the write may or may not happen."""
        old = self.cells.get(cell, ABSENT)
        new = join_facts(cell[1], old, value)
        if old is not new:
            self.trail.append((cell, old))
            self.cells[cell] = new

    def changes(self, mark: int | None = None, without: Thing | None = None) -> Changes:
        """Return the cells changed since this path, or the one with that mark, began.

        `without` names the owner of cells that are of no use any more.
        """
        cells = self.cells
        changed = self.trail[self.mark if mark is None else mark :]
        if without is None:
            return {cell: cells[cell] for cell, _ in changed}
        return {cell: cells[cell] for cell, _ in changed if cell[0] is not without}

    def undo(self) -> None:
        """Take back what this path changed."""
        cells, trail, mark = self.cells, self.trail, self.mark
        for cell, old in reversed(trail[mark:]):
            if old is ABSENT:
                del cells[cell]
            else:
                cells[cell] = old
        trail.cut(mark)

    def forget(self, mark: int, owner: Thing) -> Iterable[Cell]:
        """Drop the cells of an owner that were written since a mark: nothing can ask for them.

        Return the cells that were written since then.
        """
        cells, trail = self.cells, self.trail
        kept: list[Entry] = []
        seen: set[Cell] = set()
        for entry in trail[mark:]:
            cell = entry[0]
            if cell in seen:
                continue  # the way back leads to what was there first
            seen.add(cell)
            if cell[0] is not owner:
                kept.append(entry)
            elif entry[1] is ABSENT:
                del cells[cell]
            else:
                cells[cell] = entry[1]
        trail.cut(mark)
        trail += kept
        return seen

    def apply(self, changes: Changes) -> None:
        """Write the changes that a path made."""
        for cell, value in changes.items():
            self.set(cell, value)

    def merge(self, paths: list[Changes], *, turns: bool = False) -> None:
        """Join paths that each began here; without a path nothing is reached any more.

        `turns` says that they are the turns of a loop, and none.
        """
        if not paths:
            self.dead = True
            return
        if len(paths) == 1:
            self.apply(paths[0])
            return
        cells = self.cells
        lost = Lost(cells, self.trail, paths, turns)
        before: list[Entry] = []
        joined: Changes = {}  # written at the end: what is lost is asked of how it was before
        every: Changes = {}
        for path in paths:
            every.update(path)
        for cell in every:
            field = cell[1]
            old = cells.get(cell, ABSENT)
            if field in _SPECIAL:
                new = _joined(cell, old, paths, lost)
            else:
                new = ABSENT
                for path in paths:
                    found = path.get(cell, old)
                    if found is not new:
                        new = found if new is ABSENT else join_facts(field, new, found)
            if new is not old and new is not ABSENT and (old is ABSENT or new != old):
                before.append((cell, old))
                joined[cell] = new
        self.trail += before
        cells.update(joined)


_SPECIAL = frozenset((*SPEAKS_FOR_OTHERS, *OF_HOLDERS, "#freed"))


def _joined(cell: Cell, old: Any, paths: list[Changes], lost: Lost) -> Any:
    """Join what paths say of a cell where one path may speak for the others."""
    field = cell[1]
    if field in OF_HOLDERS:
        return lost.of_holders(cell, old)
    new: Any = ABSENT
    for path in paths:
        found = path.get(cell, old)
        if found is ABSENT:
            found = UNLESS_SET.get(field, ABSENT)
        if found is new:
            continue
        if field in RENEWED and found == RENEWED[field] != old:
            return found
        if field == "#freed" and old is not ABSENT and old and not found and lost.is_lost(cell):
            return found
        new = join_facts(field, new, found)
    return new
