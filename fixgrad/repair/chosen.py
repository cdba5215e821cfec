"""Grants of a variable that holds one of several tensors, which are used as data as well.

`x = noise if random else content`: which of them is trained only the run knows, and where the other one is meant
it is data. So the grant stands behind the statement that chooses, or before the optimizer gets the variable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Site, Thing
from fixgrad.hazards import span
from fixgrad.repair.contexts import Contexts, is_inside
from fixgrad.repair.forms import Form, is_integer


def where_chosen(
    contexts: Contexts, thing: Thing, asked: Iterable[Use], may: Callable[[str], bool]
) -> Form | None:
    """Grant the variable of which all gradients are asked, where what it may hold has other uses."""
    graph, me, asked = contexts.graph, contexts.graph.identity(thing), list(asked)
    for statement, kind, name, things in (
        *_given(graph, me, asked),
        *_made_by_choice(contexts, me),
    ):
        if not may(statement.path) or any(is_integer(graph, t) for t in things):
            continue
        if not all(_is_asked_of(graph, use, things) for use in asked):
            continue
        named = all(_has_own_name(graph, t, name) for t in things)
        if named or any(_has_own_use(graph, t, things) for t in things):
            return (Operation(span(statement), kind, f"{name}.requires_grad_()"),)
    return None


_Variable = tuple[Site, str, str, set[Thing]]


def _given(graph: FlowGraph, me: Thing, asked: list[Use]) -> Iterator[_Variable]:
    """Yield the variables that hold several tensors and that an optimizer gets by their names."""
    trained = {use.statement for use in asked if use.kind == "optimizer"}
    for (statement, name), things in graph.listed.items():
        if statement not in trained or me not in things or len(things) < 2:
            continue
        named = any(
            is_inside(site, statement) and name == other for site, other in graph.item_names.items()
        )
        computed = [t.site for t, inputs in graph.carried.items() if things <= inputs]
        if named and all(s is None or s.place[:2] > statement.place[2:] for s in computed):
            yield statement, "insert-before", name, things


def _made_by_choice(contexts: Contexts, me: Thing) -> Iterator[_Variable]:
    """Yield the variables that a conditional expression gives one of several tensors, used only behind it.

    Whoever calls the function that it stands in, the variable holds what is demanded, and no data.
    """
    graph, demanded = contexts.graph, {contexts.graph.identity(t) for t in contexts.things}
    for (statement, path, name), things in graph.choices.items():
        if me not in things or any(t.kind != "tensor" for t in things):
            continue
        here = (statement.place, name)
        elsewhere = (t for key, t in graph.bound.items() if key[1:] == here and key[0] != path)
        if not all(each <= demanded for each in elsewhere):
            continue
        computed = [
            (*t.path[len(path) :], t.site)[0]
            for t, inputs in graph.carried.items()
            if things <= inputs and t.path[: len(path)] == path
        ]
        if computed and all(s is not None and s.place[:2] > statement.place[2:] for s in computed):
            yield statement, "insert-after", name, things


def _is_asked_of(graph: FlowGraph, use: Use, things: set[Thing]) -> bool:
    """Say whether a gradient is asked of all of these at once: of the one that is there."""
    where = (use.kind, use.site, use.path)
    found = {
        graph.identity(u.thing)
        for u in graph.of_kind(use.kind)
        if (u.kind, u.site, u.path) == where
    }
    return things <= found


def _has_own_name(graph: FlowGraph, thing: Thing, name: str) -> bool:
    """Say whether another variable holds a tensor and nothing else."""
    return any(held == {thing} and other != name for (_, _, other), held in graph.bound.items())


def _has_own_use(graph: FlowGraph, thing: Thing, things: set[Thing]) -> bool:
    """Say whether something is done with a tensor that is not done with the others in its place."""
    tables = (graph.carried, graph.cut, graph.by_value)
    computed = (inputs for table in tables for inputs in table.values() if thing in inputs)
    if any(not things <= inputs for inputs in computed):
        return True
    uses = (u for u in graph.uses.values() if graph.identity(u.thing) is thing)
    return any(u.kind in _OWN and not _is_asked_of(graph, u, things) for u in uses)


_OWN = ("export", "shown", "mixed", "rewrap")
