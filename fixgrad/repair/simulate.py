"""Follows the program as a plan would leave it, and compares what two runs say of the same place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.link import Linker
from fixgrad.flow.overlay import PLANNED
from fixgrad.flow.project import Project
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Path, Site, Thing

Key: TypeAlias = tuple[Site | None, Path]
"""What tells a tensor apart in every run: the expression that makes it and the calls that lead there."""


def simulate(
    project: Project, base: FlowGraph, operations: Iterable[Operation], places: Iterable[Site]
) -> FlowGraph:
    """Run what an operation or one of the places concerns, with the operations applied."""
    operations = list(operations)
    sites = [*places, *(Site(o.span.path, o.span[1:]) for o in operations)]
    concerned = {project.function_at(site.path, site.place) for site in sites}
    # What a method makes, others of its class may look at that nobody here calls.
    concerned |= {found for site in sites if (found := project.class_at(site)) is not None}
    roots = frozenset(root for root, visited in base.visits.items() if visited & concerned)
    return Linker(project, operations).run(roots)


def key_of(thing: Thing) -> Key:
    """Return what tells a tensor apart; what a plan adds to an expression counts as the expression."""
    site = thing.site
    if site is not None and site.place[3] >= PLANNED:
        site = Site(site.path, (*site.place[:3], site.place[3] % PLANNED))
    return site, thing.path


def upstream_keys(graph: FlowGraph, thing: Thing) -> set[Key]:
    """Return the keys of a tensor and of all it is computed from with its gradient."""
    found = {key_of(t) for t in graph.upstream([thing])}
    found.add(key_of(thing))
    return found


def same_use(graph: FlowGraph, use: Use, kind: str = "") -> list[Use]:
    """Return what another run says of a use: same kind, same place, same calls."""
    return [
        other
        for other in graph.of_kind(kind or use.kind)
        if other.site == use.site and other.path == use.path
    ]
