"""The contents of every cell at one point of a program, copied at branches and joined after them.

A cell is a thing and a field: a frame and a variable, an instance and an attribute, a container and an
item, a tensor and one of its facts ("#tracked"). Branches work on an overlay; joining looks only at what
the overlays changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from fixgrad.flow.values import Thing, widened

Cell: TypeAlias = tuple[Thing | None, str]
Changes: TypeAlias = dict[Cell, Any]
Trail: TypeAlias = list[tuple[Cell, Any]]

ABSENT = object()
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


def join_facts(field: str, one: Any, other: Any) -> Any:
    """Join what two paths say of one cell."""
    if one is ABSENT or one is other:
        return other
    if other is ABSENT or one == other:
        return one
    if field[0] != "#" or field in _SETS:
        if other <= one:
            return one
        return one | other if field[0] == "#" else widened(one | other)
    if field in _COMMON:
        return one & other
    if field in _FLAGS:
        return True
    if field in _BOTH:
        return False
    if field in _TUPLES:
        return one if len(one) >= len(other) else other
    if "." in field:  # a part of a set that may grow long
        return one | other
    return _DISAGREE.get(field, "maybe")


_SETS = {
    "#after", "#base", "#collate", "#cut", "#default", "#displaced", "#fields", "#freed", "#hooks", "#inner",
    "#inputs", "#items", "#longest", "#made", "#outdated", "#outpaced", "#owner", "#parameter", "#params",
    "#parts", "#perhaps", "#present", "#repeats", "#returned", "#run", "#samples", "#setter", "#source",
    "#storage",
}  # fmt: skip
_TUPLES = {"#declared", "#order", "#stars"}
_FLAGS = {"#loose", "#manual", "#more", "#outgrown", "#overwritten", "#stale", "#twofold"}
_BOTH = {"#closed", "#guarded", "#read"}
_COMMON = {"#earlier", "#last", "#sure"}
_UNLESS_SET: dict[str, Any] = {
    "#last": frozenset(),
    "#read": False,
}  # what a path says that does not mention it
# Of what one path makes anew, though the other does not come to it, the other says nothing.
_RENEWED: dict[str, Any] = {"#outpaced": frozenset(), "#spoiled": "no"}
_SPEAKS_FOR_OTHERS = frozenset((*_UNLESS_SET, *_RENEWED))  # what is said where a path says nothing
_DISAGREE = {"#dtype": "unknown"}


class Lost:
    """Tells which tensors nothing holds any more on the paths that do not make them anew.

    What an earlier turn of a loop did to such a tensor no longer matters.
    """

    def __init__(self, state: State, paths: list[Changes], *, turns: bool) -> None:
        self.cells = state.cells
        self.trail = state.trail
        self.paths = paths
        self.turns = turns
        self._first: dict[Cell, Any] | None = None
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

    def _before(self) -> dict[Cell, Any]:
        """Return what the cells that the trail has written held when it began."""
        if self._first is None:
            self._first = {}
            for cell, old in self.trail:
                self._first.setdefault(cell, old)
        return self._first

    def _is_young(self, thing: Thing | None, fact: str) -> bool:
        return self._before().get((thing, fact)) is ABSENT

    def _held(self, number: int, young: bool) -> set[Thing]:
        """Return what is held on a path; what is young can only be where the trail has written."""
        found = self._known.get((number, young))
        if found is None:
            path = self.paths[number]
            holders: dict[Thing | None, list[Any]] = {}
            for cell in {**self._before(), **path} if young else {**self.cells, **path}:
                if cell[1][0] != "#" or cell[1] in _HOLDS:
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
            kept = (cell for cell, _ in self.trail if cell[1][0] != "#" and cell not in changed)
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
        changed = (t for t, field in {**self._before(), **path} if field == "#inputs")
        found.update(t for t in changed if t is not None and not self._is_young(t, "#inputs"))
        pending = list(found)
        while pending:
            thing = pending.pop()
            cells = ((thing, "#inputs"), (thing, "#earlier"))
            inputs, earlier = (path.get(c, self.cells.get(c, frozenset())) for c in cells)
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
_HOLDS = ("#items",)


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


class State:
    """All cells at the point that execution has reached, and the way back.

    There is one table of cells. A path of a branch is executed on it, its changes are taken down, and they
    are undone before the next path; `merge` then applies the join of the paths.
    """

    __slots__ = ("cells", "dead", "get", "mark", "trail")

    def __init__(self, cells: dict[Cell, Any] | None = None, trail: Trail | None = None) -> None:
        self.cells: dict[Cell, Any] = {} if cells is None else cells
        self.get: Callable[..., Any] = self.cells.get  # what a cell holds here, or a default
        self.trail: Trail = [] if trail is None else trail  # (cell, what it held), oldest first
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
        return any(
            isinstance(value, frozenset) and thing in value
            for (_, field), value in self.cells.items()
            if field[0] != "#" or field in _HOLDS
        )

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
        del trail[mark:]

    def forget(self, mark: int, owner: Thing) -> Iterable[Cell]:
        """Drop the cells of an owner that were written since a mark: nothing can ask for them.

        Return the cells that were written since then.
        """
        cells, trail = self.cells, self.trail
        kept: Trail = []
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
        trail[mark:] = kept
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
        cells, trail = self.cells, self.trail
        lost = Lost(self, paths, turns=turns)
        every: Changes = {}
        for path in paths:
            every.update(path)
        for cell in every:
            field = cell[1]
            old = cells.get(cell, ABSENT)
            new: Any = ABSENT
            if field == "#run":
                new = lost.of_holders(cell, old)
                if new is not ABSENT and new != old:
                    trail.append((cell, old))
                    cells[cell] = new
                continue
            if old is ABSENT and field not in _SPEAKS_FOR_OTHERS:
                for path in paths:
                    found = path.get(cell, ABSENT)
                    if found is not ABSENT and found is not new:
                        new = found if new is ABSENT else join_facts(field, new, found)
                trail.append((cell, old))
                cells[cell] = new
                continue
            for path in paths:
                found = path.get(cell, old)
                if found is ABSENT:
                    found = _UNLESS_SET.get(field, ABSENT)
                if found is new:
                    continue
                if field in _RENEWED and found == _RENEWED[field] != old:
                    new = found
                    break
                if field == "#freed" and old and not found and lost.is_lost(cell):
                    new = found
                    break
                new = join_facts(field, new, found)
            if new is not old and new is not ABSENT and new != old:
                trail.append((cell, old))
                cells[cell] = new
