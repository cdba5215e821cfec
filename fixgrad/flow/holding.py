"""Which cells have held a thing, and what carries it or was computed from it: looked up from the thing.

What is told may be no longer so: whoever asks looks into the cell.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from fixgrad.flow.joining import Cell
from fixgrad.flow.values import Thing

HELD_BY_OTHERS = ("list", "tuple", "dict", "instance", "opaque")  # gone when nothing holds them
_CARRIERS = ("tensor", "method", "partial", "grad", "wrapped", "super")
_OF_INTEREST = frozenset((*HELD_BY_OTHERS, *_CARRIERS))
_HOLDS = ("#items",)


def holds(cell: Cell) -> bool:
    """Say whether a cell holds things: a variable, an attribute, an item."""
    return cell[1][0] != "#" or cell[1] in _HOLDS


def behind(thing: Thing) -> set[Thing]:
    """Return what a thing holds by its nature: the object of a method, the arguments of a partial."""
    found: set[Thing] = set()
    pending = [thing.data] if thing.kind in _CARRIERS else []
    while pending:
        data = pending.pop()
        if isinstance(data, Thing):
            found.add(data)
        elif isinstance(data, frozenset | tuple):
            pending.extend(data)
    return found


class Holding:
    """Where things were once put."""

    def __init__(self) -> None:
        self.cells: dict[Thing, set[Cell]] = {}  # the variables, attributes and items that had it
        self.carriers: defaultdict[Thing, set[Thing]] = defaultdict(set)  # what holds it by nature
        self.results: defaultdict[Thing, set[Thing]] = defaultdict(set)  # computed from it

    def note(self, cell: Cell, value: Any) -> None:
        """Note what a cell holds, or held."""
        if not isinstance(value, frozenset):
            return
        if cell[1] == "#inputs":
            if cell[0] is not None:
                for thing in value:
                    self.results[thing].add(cell[0])
        elif holds(cell):
            for thing in value:
                if thing.kind in _OF_INTEREST:
                    known = self.cells.get(thing)
                    if known is None:
                        self.cells[thing] = {cell}
                        self._note_carried(thing)
                    else:
                        known.add(cell)

    def _note_carried(self, thing: Thing) -> None:
        for carried in behind(thing):
            known = self.carriers[carried]
            if thing not in known:
                known.add(thing)
                self._note_carried(carried)
