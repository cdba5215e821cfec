"""Whether a class makes a tensor for what its own methods do with it, be every instance asked or not.

`self.w = torch.tensor(w0)` in `__init__` with `SGD([self.w])` in `fit` makes something to be trained: an
instance that nobody fits has it too, and the grant stands where the class makes it. It does not where the
attribute of some instance is used outside of the class, as data is.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable

from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Path, Site, Thing

ClassAt = Callable[[Site], object]  # the class around a place, None outside of classes


class Ownership:
    """Answers for one run."""

    def __init__(self, graph: FlowGraph, class_at: ClassAt) -> None:
        self.graph = graph
        self.class_at = class_at

    def is_own(self, thing: Thing, asked: Iterable[Use], demanded: set[Path]) -> bool:
        """Say whether the class around a tensor's expression alone deals with what that makes."""
        cls = self.class_at(thing.site) if thing.site is not None else None
        if cls is None or not self._is_kept(thing, cls):
            return False
        if not all(self._is_inside(use.site, use.path, thing.path, cls) for use in asked):
            return False
        role = self._role(thing.path, cls)
        others = [t for t in self._made_at[thing.site] if t.path not in demanded]
        return all(
            self._is_kept(t, cls)
            and (self._is_namesake(t, thing) or self._role(t.path, cls) == role)
            and self._stays_inside(t, cls)
            and self.graph.identity(t) not in self._differentiated  # it is data there
            for t in others
        )

    def _is_kept(self, thing: Thing, cls: object) -> bool:
        holders = self.graph.kept.get(self.graph.identity(thing), ())
        return any(cls == site for site in holders)

    def _is_namesake(self, thing: Thing, other: Thing) -> bool:
        """Say whether two tensors are kept under the same names, one after the other as it were."""
        names = [self.graph.kept_as.get(self.graph.identity(t)) for t in (thing, other)]
        return names[0] is not None and names[0] == names[1]

    def _role(self, path: Path, cls: object) -> Path:
        """Return the calls within the class that lead to an expression: what it makes there."""
        inner = len(path)
        while inner and self._is_of_class(path[inner - 1], cls):
            inner -= 1
        return path[inner:]

    def _is_of_class(self, call: Site, cls: object) -> bool:
        """Say whether a call is written in the class; an unknown caller's stands nowhere."""
        return call not in self.graph.roots and self.class_at(call) == cls

    def _is_inside(self, site: Site, path: Path, made: Path, cls: object) -> bool:
        """Say whether a place is reached by way of the class, after a tensor was made."""
        shared = 0
        while path[shared : shared + 1] == made[shared : shared + 1] != ():
            shared += 1
        return any(self.class_at(s) == cls for s in (*path[shared:], site))

    def _stays_inside(self, thing: Thing, cls: object) -> bool:
        me = self.graph.identity(thing)
        uses = self._uses[me]
        results = [t for t in self._results[me] if t.site is not None]
        return all(self._is_inside(u.site, u.path, me.path, cls) for u in uses) and all(
            self._is_inside(t.site, t.path, me.path, cls) for t in results if t.site is not None
        )

    @functools.cached_property
    def _made_at(self) -> dict[Site | None, list[Thing]]:
        found: dict[Site | None, list[Thing]] = defaultdict(list)
        # What `.float()` leaves as it is has an expression of its own, too.
        for thing in (*self.graph.made, *self.graph.aliases):
            if thing.kind == "tensor":
                found[thing.site].append(thing)
        return found

    @functools.cached_property
    def _differentiated(self) -> set[Thing]:
        """Return what the backward passes of the program go through."""
        return set(self.graph.upstream(use.thing for use in self.graph.of_kind("backward")))

    @functools.cached_property
    def _uses(self) -> dict[Thing, list[Use]]:
        found: dict[Thing, list[Use]] = defaultdict(list)
        for use in self.graph.uses.values():
            found[self.graph.identity(use.thing)].append(use)
        return found

    @functools.cached_property
    def _results(self) -> dict[Thing, list[Thing]]:
        """Return what is computed from each tensor at once, with a gradient or without."""
        found: dict[Thing, list[Thing]] = defaultdict(list)
        for sources in (self.graph.carried, self.graph.cut):
            for thing, inputs in sources.items():
                for source in inputs:
                    found[self.graph.identity(source)].append(thing)
        return found
