"""Where a grant stands: in the expression that makes the tensor, or at the call that returns it.

A helper that makes tensors for data and for weights stays as it is: the grant stands at the call whose
every use is demanded. Where every use of the helper is demanded, it stands in the helper; so it does
where the helper itself asks for the gradient and keeps the tensor to itself, and where a class does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Path, Site, Thing, of_kind
from fixgrad.hazards import span
from fixgrad.repair.chosen import where_chosen
from fixgrad.repair.contexts import Contexts, is_inside
from fixgrad.repair.forms import Form, at_call, at_creation, is_integer


class Placement(NamedTuple):
    """The ways to grant one tensor, or why there is none."""

    forms: tuple[Form, ...] = ()
    refusal: str = ""


def place(
    contexts: Contexts,
    thing: Thing,
    asked: Iterable[Use],
    *,
    step: bool,
    may: Callable[[str], bool],
) -> Placement:
    """Choose the innermost place that grants this tensor and no other, in a file that may be edited.

    Where there is none in such a file, or only at the head of a loop, the innermost at all.
    """
    asked = list(asked)
    within = _place(contexts, thing, asked, step=step, may=may)
    if within.forms and not _is_in_loop(within):
        return within
    whole = _place(contexts, thing, asked, step=step, may=lambda path: True)
    return within if within.forms and (not whole.forms or _is_in_loop(whole)) else whole


def _is_in_loop(placement: Placement) -> bool:
    return any(o.kind == "insert-before" for form in placement.forms for o in form)


def _place(
    contexts: Contexts,
    thing: Thing,
    asked: Iterable[Use],
    *,
    step: bool,
    may: Callable[[str], bool],
) -> Placement:
    graph = contexts.graph
    assert thing.site is not None
    if graph.is_one_of(graph.identity(thing)):
        return Placement(refusal="FG906")  # the expression makes all that stand in the list
    elsewhere = graph.indirect | graph.packed | (graph.renamed & graph.no_tensor)
    written = not thing.name.startswith("element") and thing.site not in elsewhere
    if is_integer(graph, thing) and _is_granted(graph, thing):  # that raises, whoever calls
        if not (written and may(thing.site.path)):
            return Placement(refusal="FG908")
        return Placement(tuple(at_creation(graph, thing, step=False)))
    chosen = None if step else where_chosen(contexts, thing, asked, may)
    if chosen is not None:
        return Placement((chosen,))
    if (
        written
        and may(thing.site.path)
        and thing.site not in graph.passing | graph.switched
        and contexts.always_demanded(thing.site, 0, None)
    ):
        return Placement(tuple(at_creation(graph, thing, step=step)))
    at = _at_a_call(contexts, thing, may, contexts.always_demanded)
    if at is not None:
        return at
    if (
        written
        and thing.site not in graph.passing
        and not step
        and may(thing.site.path)
        and contexts.is_private(thing, asked)
    ):
        return Placement(tuple(at_creation(graph, thing, step=False)))
    if written and step and may(thing.site.path):
        return Placement(tuple(at_creation(graph, thing, step=True)))  # harmless where it is data
    if not step:
        asked = list(asked)
        at = _at_a_call(
            contexts, thing, may, lambda _, depth, __: contexts.is_made_by_call(thing, asked, depth)
        )
        if at is not None:
            return at
        other = _after_unpacking(contexts, thing, may) or _in_loop(contexts, thing, asked, may)
        other = other or _before_optimizer(contexts, thing, asked, may)
        other = other or _after_construction(contexts, thing, may)
        other = other or _after_display(contexts, thing, may)
        if other is not None:
            return Placement((other,))
    return Placement(refusal="FG906" if written else "FG908")


def _at_a_call(
    contexts: Contexts,
    thing: Thing,
    may: Callable[[str], bool],
    fits: Callable[[Site, int, Site], bool],
) -> Placement | None:
    """Grant what the innermost call gives back that has the tensor made for what is demanded alone."""
    graph = contexts.graph
    assert thing.site is not None
    for depth in range(len(thing.path) - 1, -1, -1):
        call = thing.path[depth]
        if call in graph.unwritten or not may(call.path):
            continue
        if not fits(thing.site, depth, call):
            continue
        if contexts.is_used_within(thing, thing.path[: depth + 1]):
            return None  # the gradient by way of that would be lost
        result = graph.calls.get((call, thing.path[:depth]))
        if result is None or not result.written:
            continue
        if result.is_coroutine and call not in graph.awaited:
            continue
        tensors = {graph.identity(t) for t in of_kind(result.value, "tensor")}
        me = graph.identity(thing)
        if me in tensors and tensors <= contexts.things and len(result.value) == len(tensors):
            return Placement(tuple(at_call(graph, thing, graph.awaited.get(call, call))))
        after = _after_statement(contexts, thing, thing.path[:depth], result.statement)
        if after is not None:
            return Placement((after,))
    return None


def _is_granted(graph: FlowGraph, thing: Thing) -> bool:
    me = graph.identity(thing)
    return any(graph.identity(use.thing) is me for use in graph.of_kind("granted"))


def _before_optimizer(
    contexts: Contexts, thing: Thing, asked: Iterable[Use], may: Callable[[str], bool]
) -> Form | None:
    """Grant an attribute before the statement that gives it to an optimizer."""
    graph, me = contexts.graph, contexts.graph.identity(thing)
    if me in graph.several:  # the name that is known may be another part's
        return None
    demanded = {graph.identity(t) for t in contexts.things}
    trained = [
        use.statement
        for use in asked
        if use.kind == "optimizer" and not contexts.is_used_before(thing, use)
    ]
    for (statement, name), things in graph.listed.items():
        fits = statement in trained and me in things and things <= demanded
        if fits and may(statement.path) and not is_integer(graph, thing):
            return (Operation(span(statement), "insert-before", f"{name}.requires_grad_()"),)
    return None


def _after_construction(
    contexts: Contexts, thing: Thing, may: Callable[[str], bool]
) -> Form | None:
    """Grant an attribute behind the statement that makes its object under a name."""
    graph, me = contexts.graph, contexts.graph.identity(thing)
    demanded = {graph.identity(t) for t in contexts.things}
    for depth in range(len(thing.path) - 1, -1, -1):
        call, path = thing.path[depth], thing.path[:depth]
        result = graph.calls.get((call, path))
        if result is None or not may(call.path) or is_integer(graph, thing):
            continue
        if any(drawn.loop == result.statement for drawn in graph.drawn):
            continue
        if contexts.is_used_within(thing, (*path, call)):
            return None
        parts = graph.named_parts.get((path, result.statement.place), {})
        names = [name for name, things in parts.items() if me in things]
        if len(names) == 1 and parts[names[0]] <= demanded:
            statement = f"{names[0]}.requires_grad_()"
            return (Operation(span(result.statement), "insert-after", statement),)
    return None


def _after_display(contexts: Contexts, thing: Thing, may: Callable[[str], bool]) -> Form | None:
    """Grant an entry behind the statement that makes its dict or list under a name."""
    graph, me = contexts.graph, contexts.graph.identity(thing)
    if is_integer(graph, thing) or me in graph.several:
        return None
    demanded = {graph.identity(t) for t in contexts.things}
    for (path, statement), entries in graph.named_entries.items():
        if not may(statement.path) or not contexts.is_made_by(thing, path, statement):
            continue
        names = [name for name, things in entries.items() if me in things]
        if len(names) == 1 and entries[names[0]] <= demanded:
            if not contexts.is_only_used_behind(thing, statement):
                return None
            grant = f"{names[0]}.requires_grad_()"
            return (Operation(span(statement), "insert-after", grant),)
    return None


def _in_loop(
    contexts: Contexts, thing: Thing, asked: Iterable[Use], may: Callable[[str], bool]
) -> Form | None:
    """Grant at the head of the loops that give the tensor to a variable, and ask for its gradient."""
    graph, me = contexts.graph, contexts.graph.identity(thing)
    if is_integer(graph, thing):
        return None
    demanded = {graph.identity(t) for t in contexts.things}
    operations: dict[Operation, None] = {}
    for use in asked:
        if contexts.is_used_before(thing, use):
            return None
        sites = (use.site, *use.path)
        found = [
            drawn
            for drawn, things in graph.drawn.items()
            if me in things and things <= demanded and may(drawn.first.path)
            if drawn.name[0] != "%" and any(is_inside(site, drawn.loop) for site in sites)
        ]
        if not found or (me in graph.several and len({drawn.name for drawn in found}) > 1):
            return None
        if not contexts.is_only_used_in(thing, [drawn.loop for drawn in found]):
            return None  # what the loop gives was computed with before it
        for drawn in found:
            statement = f"{drawn.name}.requires_grad_()"
            operations[Operation(span(drawn.first), "insert-before", statement)] = None
    return tuple(operations)


def _after_unpacking(contexts: Contexts, thing: Thing, may: Callable[[str], bool]) -> Form | None:
    """Grant behind the statement that makes several tensors and takes this one out under a name."""
    graph, me = contexts.graph, contexts.graph.identity(thing)
    if is_integer(graph, thing):
        return None
    made = [site for site in (*thing.path, thing.site) if site is not None]
    demanded = {graph.identity(t) for t in contexts.things}
    for (statement, name), things in graph.taken_out.items():
        inside = any(is_inside(site, statement) for site in made)
        if me in graph.several:  # which of the names is meant is not known
            named = {key for key, held in graph.taken_out.items() if me in held}
            inside = inside and named == {(statement, name)}
        calls = [n for n, site in enumerate(thing.path, 1) if is_inside(site, statement)]
        if calls and contexts.is_used_within(thing, thing.path[: calls[0]]):
            continue
        if inside and me in things and things <= demanded and may(statement.path):
            return (Operation(span(statement), "insert-after", f"{name}.requires_grad_()"),)
    return None


def _after_statement(contexts: Contexts, thing: Thing, path: Path, statement: Site) -> Form | None:
    """Grant behind the statement of a call that returns the tensor among other things.

    The statement itself must give it a name, which holds no data, and end with that: a loop goes on.
    """
    graph, me = contexts.graph, contexts.graph.identity(thing)
    name = graph.variables.get((path, me))
    if name is None or is_integer(graph, thing):
        return None
    if any(drawn.loop == statement for drawn in graph.drawn):
        return None
    if me in graph.several:  # which of the names is meant is not known
        names = {key[2] for key, things in graph.bound.items() if key[0] == path and me in things}
        if names != {name}:
            return None
    held = graph.bound.get((path, statement.place, name), set())
    demanded = {graph.identity(t) for t in contexts.things}
    if me not in held or not held <= demanded:
        return None
    return (Operation(span(statement), "insert-after", f"{name}.requires_grad_()"),)
