"""The flow graph of a file or a function as nodes and edges: one node for each expression."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fixgrad.errors import FixgradError
from fixgrad.explain.answer import DEMANDS
from fixgrad.explain.journey import ALIAS, downstream
from fixgrad.explain.run import Run, follow_wider
from fixgrad.flow.ir import Place, stands_in
from fixgrad.flow.values import Site, Thing

_MARKS = {
    **DEMANDS,
    "backward": "a backward pass starts here",
    "granted": "requires_grad is set",
}


class Mark(NamedTuple):
    """A use that a rule may ask about."""

    site: Site
    what: str
    demand: bool


class Node(NamedTuple):
    """What one expression makes."""

    site: Site
    text: str  # as it is written
    kind: str  # "conversion", "parameters", "tensor", "unknown"
    facts: tuple[str, ...]  # "not tracked", "leaf", "float64"
    marks: tuple[Mark, ...]
    inside: bool  # of what was asked for; else it is shown for its edge alone


class Edge(NamedTuple):
    """How the tensor of one node comes to another."""

    source: int  # numbers of nodes
    target: int
    effect: str  # "carries", "cut", "assumed", "alias"


class Chart(NamedTuple):
    """Nodes by place, and the edges between them."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def chart(run: Run, path: str, function: str) -> Chart:
    """Draw what the analysis knows of a file or of one function in it."""
    title = f"{path}, `{function}`" if function else path
    if path not in run.project.modules:
        return Chart(f"{path} (no file that is looked at mentions torch)", (), ())
    around = _around(run, path, function)
    if not any(_within(t, path, around) for t in run.graph.made):
        run = follow_wider(run, Site(path, around[0] if around else (1, 0, 1, 0)))
        title += " (nothing that can reach it asks for a gradient)"
    groups = _groups(run, path, around)
    edges = _edges(run, groups)
    shown = {n for edge in edges for n in edge[:2]}
    shown |= {n for thing, n in groups.items() if thing in run.graph.born}
    return _numbered(run, title, groups, edges, shown, path, around)


def _around(run: Run, path: str, function: str) -> list[Place]:
    """Return the places of the functions of a name; none means the whole file."""
    module = run.project.modules[path]
    if not function:
        return []
    names = [f.name for f in module.functions[1:]]
    found = [
        f.place
        for f in module.functions[1:]
        if f.name == function or f.name.endswith(f".{function}")
    ]
    if not found:
        import difflib  # noqa: PLC0415  (only for a mistyped name)

        close = difflib.get_close_matches(function, names, 1, 0.5)
        hint = f", did you mean {close[0]}?" if close else ""
        raise FixgradError(f"{path}: there is no function {function!r}{hint}")
    return found


def _within(thing: Thing, path: str, around: Iterable[Place]) -> bool:
    if thing.site is None or thing.site.path != path:
        return False
    place, places = thing.site.place, list(around)
    inside = (stands_in(place, one) for one in places)
    return not places or any(inside)


def _groups(run: Run, path: str, around: list[Place]) -> dict[Thing, tuple[Site, str]]:
    """Return the tensors within, and those an edge away, by what one expression makes."""
    graph = run.graph
    within = [t for t in _things(run) if _within(t, path, around)]
    near = dict.fromkeys(within)
    for source, targets in downstream(graph).items():
        for target, _ in targets:
            if _within(source, path, around) or _within(target, path, around):
                near[source] = near[target] = None
    return {t: (t.site, t.name) for t in near if t.site is not None}


def _things(run: Run) -> list[Thing]:
    graph = run.graph
    found = dict.fromkeys((*graph.made, *graph.aliases, *graph.carried))
    return [t for t in found if t.kind in ("tensor", "opaque")]


_Key = tuple[Site, str]


def _edges(run: Run, groups: dict[Thing, _Key]) -> list[tuple[_Key, _Key, str]]:
    found: dict[tuple[_Key, _Key, str], None] = {}
    for source, targets in downstream(run.graph).items():
        for target, effect in targets:
            if source in groups and target in groups and groups[source] != groups[target]:
                found[groups[source], groups[target], effect] = None
    for same, base in run.graph.aliases.items():
        if same in groups and base in groups:
            found[groups[base], groups[same], ALIAS] = None
    return list(found)


def _numbered(
    run: Run,
    title: str,
    groups: dict[Thing, _Key],
    edges: list[tuple[_Key, _Key, str]],
    shown: set[_Key],
    path: str,
    around: list[Place],
) -> Chart:
    keys = sorted(shown, key=lambda key: (key[0].path != path, key[0], key[1]))
    number = {key: n for n, key in enumerate(keys)}
    things: dict[_Key, list[Thing]] = {key: [] for key in keys}
    for thing, key in groups.items():
        if key in things:
            things[key].append(thing)
    nodes = tuple(
        _node(run, key, things[key], _within(things[key][0], path, around)) for key in keys
    )
    found = sorted({Edge(number[a], number[b], effect) for a, b, effect in edges})
    return Chart(title, nodes, tuple(found))


def _node(run: Run, key: _Key, things: list[Thing], inside: bool) -> Node:
    graph = run.graph
    kind = "unknown" if things[0].kind == "opaque" else "tensor"
    if things[0].name.startswith("parameter of"):
        kind = "parameters"
    if any(graph.is_conversion(thing) for thing in things):
        kind = "conversion"
    return Node(key[0], run.short(key[0]), kind, _facts(run, things), _marks(run, things), inside)


def _facts(run: Run, things: list[Thing]) -> tuple[str, ...]:
    known = [run.watch.facts[i] for t in things if (i := run.graph.identity(t)) in run.watch.facts]
    if not known:
        return ()
    tracked = {fact.tracked for fact in known}
    words = {"yes": "tracked", "no": "not tracked"}
    found = [
        words.get(tracked.pop(), "may be tracked") if len(tracked) == 1 else "tracked at times"
    ]
    if found == ["tracked"] and all(fact.leaf == "yes" for fact in known):
        found.append("leaf")
    dtypes = {fact.dtype for fact in known}
    if len(dtypes) == 1 and dtypes != {"unknown"}:
        found.append(dtypes.pop())
    return tuple(found)


def _marks(run: Run, things: list[Thing]) -> tuple[Mark, ...]:
    own = set(things)
    found = {
        Mark(use.site, _MARKS[use.kind], use.kind in DEMANDS)
        for use in run.graph.uses.values()
        if use.kind in _MARKS and use.thing in own
    }
    return tuple(sorted(found))
