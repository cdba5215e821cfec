"""Under which calls each expression makes a tensor, and what the functions around do with it."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable

from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.ir import stands_in
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Path, Site, Thing
from fixgrad.repair.ownership import ClassAt, Ownership


class Contexts:
    """Under which calls each expression makes a tensor, and under which of them it is demanded."""

    def __init__(
        self,
        graph: FlowGraph,
        demanded: set[Thing],
        paths: dict[Site, set[Path]],
        class_at: ClassAt,
    ) -> None:
        self.graph = graph
        self.ownership = Ownership(graph, class_at)
        self.things = demanded
        self.paths = paths
        self.demanded: dict[Site, set[Path]] = defaultdict(set)
        for thing in demanded:
            if thing.site is not None:
                self.demanded[thing.site].add(thing.path)
                self.paths[thing.site].add(thing.path)

    def _capped(self, site: Site) -> bool:
        return any(
            path == site.path and stands_in(site.place, place) for path, place in self.graph.capped
        )

    def always_demanded(self, site: Site, depth: int, call: Site | None) -> bool:
        """Say whether what passes a call, or what the expression makes at all, is always demanded."""
        if call is None and self._capped(site):
            return False  # conservative: not every call of this function was followed
        every = self.paths[site]
        # What unknown callers do with a result is not known; it counts where nothing else calls.
        aside = self.graph.roots & self.graph.called_here
        real = {p for p in every if not p or p[0] not in aside} or every
        real = {p for p in real if not self._is_left_unused(site, p)}
        through = {p for p in real if call is None or p[depth : depth + 1] == (call,)}
        return through <= self.demanded[site]

    def _is_left_unused(self, site: Site, path: Path) -> bool:
        """Say whether a test that pytest gives a fixture, asked or not, does nothing with what that makes."""
        if not path or path[0] not in self.graph.unwritten or path in self.demanded[site]:
            return False
        return (site, path) not in self._used

    @functools.cached_property
    def _used(self) -> set[tuple[Site | None, Path]]:
        graph = self.graph
        sources = (t for each in (graph.carried, graph.cut) for s in each.values() for t in s)
        used = (graph.identity(use.thing) for use in graph.uses.values())
        return {(t.site, t.path) for t in (*sources, *used)}

    def is_private(self, thing: Thing, asked: Iterable[Use]) -> bool:
        """Say whether a function or a class makes a tensor for itself."""
        asked = list(asked)
        if self._is_of_call(thing, self._asked_from(asked)):
            return True
        demanded = self.demanded[thing.site] if thing.site is not None else set()
        return self.ownership.is_own(thing, asked, demanded)

    def _asked_from(self, asked: Iterable[Use]) -> list[Path]:
        """Return under which calls gradients were read: who is handed one uses it, and may be a caller."""
        under, me = self.graph.read_under, self.graph.identity
        return [p for u in asked for p in under.get((u.site, u.path, me(u.thing)), (u.path,))]

    def _is_of_call(self, thing: Thing, asked_from: Iterable[Path], depth: int = -1) -> bool:
        """Say whether a function makes a tensor for what it does itself, called with data or not.

        Its gradient is asked for inside the call that makes it, and no other call of the function lets
        the tensor, or a view of it, out to where anything is done with it. With `depth`, the function
        makes it by the call that stands there in the tensor's path.
        """
        site, call = thing.site, thing.path[depth:][:1] if depth >= 0 else ()
        depth = depth if call else len(thing.path)
        if site is None or not depth:
            return False
        if any(path[:depth] != thing.path[:depth] for path in asked_from):
            return False
        outside = {(use.path, use.thing) for use in self.graph.uses.values()}
        return not any(
            path[: len(around)] != around
            for path, used in outside
            for made in self._viewed(used)
            if made.site == site and made.path not in self.demanded[site]
            for around in _frames(made.path, call)
        )

    def is_made_by_call(self, thing: Thing, asked: Iterable[Use], depth: int) -> bool:
        """Say whether a function has a helper make a tensor for what it does itself, called with data or not."""
        return self._is_of_call(thing, self._asked_from(asked), depth)

    def is_used_within(self, thing: Thing, path: Path) -> bool:
        """Say whether a call computes something of a tensor already that is differentiated later.

        What it returns in the place of the tensor is granted like that.
        """
        me = self.graph.identity(thing)
        demanded = {self.graph.identity(t) for t in self.things}
        return any(
            t.path[: len(path)] == path and t not in demanded and me in self.graph.upstream([t])
            for t in self._differentiated
        )

    def is_used_before(self, thing: Thing, use: Use) -> bool:
        """Say the same of the call that has made a tensor for the function that a use stands in."""
        pairs = enumerate(zip(use.path, thing.path, strict=False))
        shorter = min(len(use.path), len(thing.path))
        frame = next((n for n, (a, b) in pairs if a != b), shorter)
        called = frame < len(thing.path)
        return called and self.is_used_within(thing, thing.path[: frame + 1])

    def is_made_by(self, thing: Thing, path: Path, statement: Site) -> bool:
        """Say whether a statement makes a tensor, and lets no call that it makes compute with it."""
        depth = len(path)
        sites = [site for site in (*thing.path, thing.site) if site is not None]
        if thing.path[:depth] != path or len(sites) <= depth:
            return False
        calls = range(depth + 1, len(thing.path) + 1)
        return is_inside(sites[depth], statement) and not any(
            self.is_used_within(thing, thing.path[:n]) for n in calls
        )

    def is_only_used_behind(self, thing: Thing, statement: Site) -> bool:
        """Say whether nothing that is differentiated is computed of a tensor in a statement."""
        me = self.graph.identity(thing)
        return not any(
            is_inside(site, statement)
            for t in self._differentiated
            if me in self.graph.carried.get(t, ())
            for site in (t.site, *t.path)
            if site
        )

    def is_only_used_in(self, thing: Thing, loops: list[Site]) -> bool:
        """Say whether all that is computed of a tensor, and differentiated, is computed in loops."""
        me = self.graph.identity(thing)
        return all(
            any(is_inside(site, loop) for site in (t.site, *t.path) if site for loop in loops)
            for t in self._differentiated
            if me in self.graph.carried.get(t, ())
        )

    @functools.cached_property
    def _differentiated(self) -> list[Thing]:
        """Return what the backward passes of the program go through."""
        return self.graph.upstream(use.thing for use in self.graph.of_kind("backward"))

    @functools.cached_property
    def _aliases(self) -> dict[Thing, list[Thing]]:
        """Return by tensor the expressions that give it back: `x.float()` of what is float32."""
        found: dict[Thing, list[Thing]] = defaultdict(list)
        for alias in self.graph.aliases:
            found[self.graph.identity(alias)].append(alias)
        return found

    def _viewed(self, thing: Thing) -> list[Thing]:
        """Return a tensor and those that it is a view of, by each expression that gives it."""
        graph, found = self.graph, [self.graph.identity(thing)]
        for seen in found:
            made = graph.made.get(seen)
            if made is not None and made.alias in _VIEWS:
                found += [t for t in graph.carried.get(seen, ()) if t not in found]
        return [*found, *(alias for seen in found for alias in self._aliases.get(seen, ()))]


_VIEWS = ("view", "maybe-view", "maybe-self")


def _frames(path: Path, call: Path) -> list[Path]:
    """Return the calls around the function in which a call of a path stands, or all where none is asked for."""
    if not call:
        return [path]
    return [path[: path.index(call[0])]] if call[0] in path else []


def is_inside(site: Site, statement: Site) -> bool:
    """Say whether an expression is part of a statement."""
    begins, ends = statement.place[:2], statement.place[2:]
    return site.path == statement.path and begins <= site.place[:2] and site.place[2:] <= ends
