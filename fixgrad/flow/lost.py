"""Tells which tensors nothing holds any more where paths meet."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

from fixgrad.flow.holding import HELD_BY_OTHERS, Holding, behind, holds
from fixgrad.flow.joining import ABSENT, Cell, Changes
from fixgrad.flow.trail import MADE, Past, Trail
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
        self._known: dict[tuple[int, Thing | None], bool] = {}
        self._held_by_path: dict[int, set[Thing]] = {}

    def is_lost(self, cell: Cell) -> bool:
        """Say whether nothing holds a tensor on the paths where an earlier fact of it still stands."""
        old = self.cells.get(cell)
        if not isinstance(old, frozenset):
            return False
        stale = [n for n, path in enumerate(self.paths) if path.get(cell, old)]
        return not any(self._is_held(cell[0], n) for n in stale)

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
        every, thing = range(len(each)), cell[0]
        holders = [*self._holders(thing)]
        names = [c for c in holders if not _is_inside(c)]
        holding = [n for n in every if any(self._has(c, n, thing) for c in names)]
        if not holding and any(self._has(c, n, thing) for n in every for c in holders):
            holding = [n for n in every if each[n] and self._is_held(thing, n)]
        anew = [n for n in holding if self._is_new_there(thing, n, holding)]
        return none.union(*(each[n] for n in anew or holding))

    def _holders(self, thing: Thing | None) -> Iterator[Cell]:
        """Yield the variables, attributes and items that may have a thing, on a path or before it."""
        if thing is None:
            return
        for known in (self._before.holding, self._made):
            for cell in known.cells.get(thing, ()):
                written = cell in self._before.first or any(cell in path for path in self.paths)
                if written and cell[1][0] != "#":
                    yield cell

    def _is_new_there(self, thing: Thing | None, number: int, holding: list[int]) -> bool:
        """Say whether a path makes a tensor and gives it a name that has it on no other: `total = 0.0` there."""
        if len(holding) < 2 or (thing, "#inputs") not in self.paths[number]:
            return False
        others = [n for n in holding if n != number]
        return any(
            self._has(cell, number, thing) and not any(self._has(cell, n, thing) for n in others)
            for cell in self._holders(thing)
            if not _is_inside(cell) and any(cell in path for path in self.paths)
        )

    def _has(self, cell: Cell, number: int, thing: Thing | None) -> bool:
        """Say whether a cell has a thing on a path."""
        return thing in self._content(cell, self.paths[number])

    def _content(self, cell: Cell, path: Changes) -> Any:
        return path[cell] if cell in path else self.cells.get(cell, ())

    @functools.cached_property
    def _before(self) -> Past:
        """What the trail says of what was written before the paths meet."""
        return self.trail.past()

    @functools.cached_property
    def _made(self) -> Holding:
        """Where things were put on the paths."""
        made = Holding()
        for path in self.paths:
            for cell, value in path.items():
                made.note(cell, value)
        return made

    def _is_held(self, thing: Thing | None, number: int) -> bool:
        """Say whether anything that is still there leads to a tensor on a path."""
        if thing is None:
            return False
        if not self._before.is_young(thing, *MADE):
            return thing in self._held(number)
        known = self._known.get((number, thing))
        if known is None:
            known = self._leads_back(thing, number)
        return known

    def _leads_back(self, thing: Thing, number: int) -> bool:
        """Go back from a tensor that is made here to what holds it, what holds that, and so on."""
        path = self.paths[number]
        seen = {thing}
        pending = [thing]
        while pending:
            each = pending.pop()
            if self._known.get((number, each)) or self._is_there(each, path):
                self._known[number, thing] = True
                return True
            new = [other for other in self._around(each, path) if other not in seen]
            seen.update(new)
            pending += new
        self._known.update(((number, each), False) for each in seen)
        return False

    def _is_there(self, thing: Thing, path: Changes) -> bool:
        """Say whether a thing is held by what is there in any case."""
        if any(self._stands_alone(cell[0], True) for cell in self._cells_with(thing, path)):
            return True
        if self.turns:
            return False
        inputs = (thing, "#inputs")  # of what was computed anew
        first = self._before.first
        return (inputs in path or inputs in first) and first.get(inputs) is not ABSENT

    def _cells_with(self, thing: Thing, path: Changes) -> Iterator[Cell]:
        """Yield the cells that have a thing on a path, of those written on it or on the way to it."""
        first = self._before.first
        for known in (self._before.holding, self._made):
            for cell in known.cells.get(thing, ()):
                if (cell in path or cell in first) and thing in self._content(cell, path):
                    yield cell

    def _around(self, thing: Thing, path: Changes) -> Iterator[Thing]:
        """Yield the containers and objects that a thing is in, what carries it, and what was computed from it."""
        yield from (cell[0] for cell in self._cells_with(thing, path) if cell[0] is not None)
        for known in (self._before.holding, self._made):
            yield from known.carriers.get(thing, ())
            if self.turns:  # a turn computes anew what it uses; a path not taken does not
                continue
            for result in known.results.get(thing, ()):
                inputs, earlier = (
                    self._content((result, field), path) for field in ("#inputs", "#earlier")
                )
                if thing in inputs and thing not in earlier:
                    yield result

    def _held(self, number: int) -> set[Thing]:
        """Return all that is held on a path."""
        found = self._held_by_path.get(number)
        if found is None:
            path = self.paths[number]
            holders: dict[Thing | None, list[Any]] = {}
            for cell in {**self.cells, **path}:
                if holds(cell):
                    content = path.get(cell, self.cells.get(cell, ()))
                    holders.setdefault(cell[0], []).append(content)
            found = set()
            pending = [v for t, v in holders.items() if self._stands_alone(t, False)]
            while pending:
                new = set().union(*pending.pop()) - found
                found |= new
                pending += [holders[t] for t in new if t in holders]
                pending += [[within] for t in new if (within := behind(t))]
            if not self.turns:
                self._add_inputs(found, path)
            self._held_by_path[number] = found
        return found

    def _stands_alone(self, holder: Thing | None, young: bool) -> bool:
        """Say whether a holder is there though nothing holds it; of one that is older, nobody asks."""
        if holder is None or holder.kind not in HELD_BY_OTHERS:
            return True
        return young and not self._before.is_young(holder, "#fields")

    def _add_inputs(self, found: set[Thing], path: Changes) -> None:
        first = self._before.first
        changed = (c for c in {**first, **path} if c[1] == "#inputs" and first.get(c) is not ABSENT)
        found.update(t for t, _ in changed if t is not None)
        none: Any = frozenset()
        pending = list(found)
        while pending:
            thing = pending.pop()
            cells = ((thing, "#inputs"), (thing, "#earlier"))
            inputs, earlier = (path.get(c, self.cells.get(c, none)) for c in cells)
            new = inputs - earlier - found
            found |= new
            pending.extend(new)


def _is_inside(cell: Cell) -> bool:
    """Say whether a cell is of an object or a container."""
    return cell[0] is not None and cell[0].kind in HELD_BY_OTHERS
