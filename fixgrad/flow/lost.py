"""Tells which tensors nothing holds any more where paths meet."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from fixgrad.flow.joining import ABSENT, Cell, Changes
from fixgrad.flow.trail import Past, Trail, holds
from fixgrad.flow.values import Thing


class Lost:
    """Tells which tensors nothing holds any more on the paths that do not make them anew.

    What an earlier turn of a loop did to such a tensor no longer matters.
    """

    def __init__(self, cells: Changes, trail: Trail, paths: Sequence[Changes], turns: bool) -> None:
        self.cells = cells
        self.trail = trail
        self.paths = paths
        self.turns = turns
        self._common: tuple[set[Thing], set[Thing]] | None = None
        self._changed: list[Cell] = []
        self._by_path: dict[int, tuple[set[Thing], set[Thing]]] = {}
        self._known: dict[tuple[int, bool], set[Thing]] = {}

    def is_lost(self, cell: Cell) -> bool:
        """Say whether nothing holds a tensor on the paths where an earlier fact of it still stands."""
        old = self.cells.get(cell)
        if not isinstance(old, frozenset):
            return False
        young = self._is_young(cell[0], "#dtype")
        stale = [n for n, path in enumerate(self.paths) if path.get(cell, old)]
        return not any(cell[0] in self._held(n, young) for n in stale)

    def of_holders(self, cell: Cell, old: Any) -> Any:
        """Return what the paths say together on which something holds a tensor.

        What is only in a list may be one of an earlier turn, where another path has a variable for the last one.
        """
        none: Any = frozenset()
        found = [path.get(cell, old) for path in self.paths]
        each = [none if value is ABSENT else value for value in found]
        if all(value == each[0] for value in each):
            return found[0]
        if (
            cell[1] == "#older"
            and not self.turns
            and not all(p.get(cell, True) for p in self.paths)
        ):
            return none  # something is taken out there: perhaps what was older
        every = range(len(each))
        holding = [n for n in every if cell[0] in self._contents(n)[0]]
        if not holding and any(cell[0] in self._contents(n)[1] for n in every):
            young = self._is_young(cell[0], "#dtype")
            holding = [n for n in every if each[n] and cell[0] in self._held(n, young)]
        anew = [n for n in holding if self._is_new_there(cell[0], n, holding)]
        return none.union(*(each[n] for n in anew or holding))

    def _is_new_there(self, thing: Thing | None, number: int, holding: list[int]) -> bool:
        """Say whether a path makes a tensor and gives it a name that has it on no other: `total = 0.0` there."""
        if len(holding) < 2 or (thing, "#inputs") not in self.paths[number]:
            return False
        others = [self.paths[n] for n in holding if n != number]
        return any(
            thing in self._content(cell, self.paths[number])
            and not any(thing in self._content(cell, path) for path in others)
            for cell in self._changed
            if cell[1][0] != "#" and cell[0] is not None and cell[0].kind not in _HELD_BY_OTHERS
        )

    def _content(self, cell: Cell, path: Changes) -> Any:
        return path[cell] if cell in path else self.cells.get(cell, ())

    def _is_young(self, thing: Thing | None, fact: str) -> bool:
        return self._before.first.get((thing, fact)) is ABSENT

    @functools.cached_property
    def _before(self) -> Past:
        """What the trail says of what was written before the paths meet."""
        return self.trail.past()

    def _held(self, number: int, young: bool) -> set[Thing]:
        """Return what is held on a path; what is young can only be where the trail has written."""
        found = self._known.get((number, young))
        if found is None:
            path = self.paths[number]
            holders: dict[Thing | None, list[Any]] = {}
            for cell in {**(self._before.holders if young else self.cells), **path}:
                if holds(cell):
                    content = path.get(cell, self.cells.get(cell, ()))
                    holders.setdefault(cell[0], []).append(content)
            found = set()
            pending = [v for t, v in holders.items() if self._stands_alone(t, young)]
            while pending:
                new = set().union(*pending.pop()) - found
                found |= new
                pending += [holders[t] for t in new if t in holders]
                pending += [[behind] for t in new if (behind := _behind(t))]
            if not self.turns:  # a turn computes anew what it uses; a path not taken does not
                self._add_inputs(found, path)
            self._known[number, young] = found
        return found

    def _contents(self, number: int) -> tuple[set[Thing], set[Thing]]:
        """Return what variables hold on a path, and what objects and containers do."""
        if self._common is None:
            changed = {cell for path in self.paths for cell in path}
            kept = (cell for cell in self._before.holders if cell not in changed)
            self._changed = [*changed]
            self._common = _contents(kept, self.cells, {})
        found = self._by_path.get(number)
        if found is None:
            path = self.paths[number]
            names, items = _contents(self._changed, self.cells, path)
            found = self._by_path[number] = names | self._common[0], items | self._common[1]
        return found

    def _stands_alone(self, holder: Thing | None, young: bool) -> bool:
        """Say whether a holder is there though nothing holds it; of one that is older, nobody asks."""
        if holder is None or holder.kind not in _HELD_BY_OTHERS:
            return True
        return young and not self._is_young(holder, "#fields")

    def _add_inputs(self, found: set[Thing], path: Changes) -> None:
        changed = (t for t, field in {**self._before.rewired, **path} if field == "#inputs")
        found.update(t for t in changed if t is not None and not self._is_young(t, "#inputs"))
        none: Any = frozenset()
        pending = list(found)
        while pending:
            thing = pending.pop()
            cells = ((thing, "#inputs"), (thing, "#earlier"))
            inputs, earlier = (path.get(c, self.cells.get(c, none)) for c in cells)
            new = inputs - earlier - found
            found |= new
            pending.extend(new)


def _contents(of: Iterable[Cell], cells: Changes, path: Changes) -> tuple[set[Thing], set[Thing]]:
    """Return what variables among cells hold on a path, and what objects and containers do."""
    names: set[Thing] = set()
    items: set[Thing] = set()
    for cell in of:
        holder, field = cell
        if field[0] != "#":
            inner = holder is not None and holder.kind in _HELD_BY_OTHERS
            (items if inner else names).update(path[cell] if cell in path else cells.get(cell, ()))
    return names, items


_HELD_BY_OTHERS = ("list", "tuple", "dict", "instance", "opaque")  # gone when nothing holds them
_HOLDING = ("tensor", "method", "partial", "grad", "wrapped", "super")


def _behind(thing: Thing) -> set[Thing]:
    """Return what a thing holds by its nature: the object of a method, the arguments of a partial."""
    found: set[Thing] = set()
    pending = [thing.data] if thing.kind in _HOLDING else []
    while pending:
        data = pending.pop()
        if isinstance(data, Thing):
            found.add(data)
        elif isinstance(data, frozenset | tuple):
            pending.extend(data)
    return found
