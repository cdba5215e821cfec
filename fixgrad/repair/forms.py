"""The ways to write a grant, best first; the first one that nothing contradicts is taken.

`torch.tensor(a, requires_grad=True)` copies; `.requires_grad_()` keeps the shared memory;
`.clone().requires_grad_()` copies where `torch.tensor` cannot be written. `torch.asarray(a, requires_grad=True)`
shares the memory too; only who asks for it gets it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from fixgrad.edits import Operation
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Site, Thing
from fixgrad.hazards import span
from fixgrad.knowledge import conversion, dtype_class

Form: TypeAlias = tuple[Operation, ...]

_GRANT = "requires_grad=True"
_COPIED_BY_TENSOR = ("torch.from_numpy", "torch.as_tensor")
_DEFAULT_DEVICE = {"torch.set_default_device", "torch.set_default_tensor_type"}


def at_creation(graph: FlowGraph, thing: Thing, *, step: bool) -> list[Form]:
    """Return the forms of a grant in the expression that makes the tensor.

    `step` says that the tensor is computed from the leaf it replaces: `w = w - lr * w.grad`.
    """
    assert thing.site is not None
    made = graph.made[graph.identity(thing)]
    if is_integer(graph, thing):
        return [_to_float(graph, thing, made.effect)]
    if step:
        return [
            _append(
                thing.site,
                ".requires_grad_()" if made.mode == "off" else ".detach().requires_grad_()",
            )
        ]
    appended = [
        _append(thing.site, ".requires_grad_()"),
        _append(thing.site, ".clone().requires_grad_()"),
    ]
    row = conversion(made.effect)
    if row is None or thing in graph.aliases or thing.site in graph.renamed:
        return appended
    if row.keyword:
        return [(Operation(span(thing.site), "keyword", _GRANT),), appended[1]]
    if row.name in _COPIED_BY_TENSOR and thing.site not in graph.choosy:
        tensor = graph.spell(thing.site, "torch.tensor")
        if tensor is not None:
            copy = (
                Operation(span(thing.site), "callee", tensor),
                Operation(span(thing.site), "keyword", _GRANT),
            )
            moved = not graph.called.isdisjoint(_DEFAULT_DEVICE)
            shared = _as_array(graph, thing.site)
            return [*appended, copy, *shared] if moved else [copy, *appended, *shared]
    return appended


def at_call(graph: FlowGraph, thing: Thing, site: Site) -> list[Form]:
    """Return the forms of a grant on what a call of the project's own function returns."""
    if is_integer(graph, thing):
        return [_append(site, ".float().requires_grad_()")]
    return [_append(site, ".requires_grad_()"), _append(site, ".clone().requires_grad_()")]


def preferred(forms: tuple[Form, ...], style: str) -> tuple[Form, ...]:
    """Put the forms that a user likes best first: "tensor" with the keyword, "requires_grad_" behind.

    `torch.asarray` is left out unless it is asked for. What is first is only tried first: the simulated run may still
    ask for another one.
    """
    if style == "asarray":
        return tuple(sorted(forms, key=lambda form: not is_as_array(form)))
    forms = tuple(form for form in forms if not is_as_array(form))
    if style == "requires_grad_":
        keyword = [form for form in forms if [o.kind for o in form] == ["keyword"]]
        behind = [(Operation(form[0].span, "append", ".requires_grad_()"),) for form in keyword]
        return (*behind, *sorted(forms, key=lambda form: not _is_plain(form)))
    if style == "tensor":
        return tuple(sorted(forms, key=lambda form: form[-1].kind != "keyword"))
    return forms


def suited(
    graph: FlowGraph, thing: Thing, asked: Iterable[Use], forms: tuple[Form, ...]
) -> tuple[Form, ...]:
    """Return the forms that lay a tensor out in the order of its axes, where LBFGS gets it, which needs that."""
    if graph.identity(thing) not in graph.turned:
        return forms
    if not any(use.kind == "optimizer" and "LBFGS" in use.detail for use in asked):
        return forms
    found: dict[Form, None] = {}
    for form in forms:
        if len(form) == 1 and form[0].kind in ("append", "keyword"):  # torch.tensor keeps the order
            text = form[0].argument if form[0].kind == "append" else ".requires_grad_()"
            text = text.replace(".clone()", "").replace(".requires", ".contiguous().requires")
            found[(Operation(form[0].span, "append", text),)] = None
    return tuple(found) or forms


def is_as_array(form: Form) -> bool:
    """Say whether a form writes `torch.asarray`."""
    return any(o.kind == "callee" and o.argument.endswith("asarray") for o in form)


def _as_array(graph: FlowGraph, site: Site) -> list[Form]:
    asarray = graph.spell(site, "torch.asarray")
    if asarray is None:
        return []
    callee = Operation(span(site), "callee", asarray)
    return [(callee, Operation(span(site), "keyword", _GRANT))]


def _is_plain(form: Form) -> bool:
    return [o.argument for o in form] == [".requires_grad_()"]


def is_integer(graph: FlowGraph, thing: Thing) -> bool:
    """Say whether a tensor must be made floating before it can be tracked."""
    return dtype_class(graph.made[graph.identity(thing)].dtype) in ("integer", "bool")


def _append(site: Site, text: str) -> Form:
    return (Operation(span(site), "append", text),)


def _to_float(graph: FlowGraph, thing: Thing, effect: str) -> Form:
    assert thing.site is not None
    place = span(thing.site)
    granted = any(
        graph.identity(u.thing) is graph.identity(thing) for u in graph.of_kind("granted")
    )
    row = conversion(effect)
    float32 = graph.spell(thing.site, "torch.float32")
    tensor = graph.spell(thing.site, "torch.tensor")
    operations: list[Operation] = []
    plain = thing not in graph.aliases
    plain = plain and thing.site not in graph.choosy | graph.renamed
    if row is not None and row.name in _COPIED_BY_TENSOR and tensor and float32 and plain:
        operations.append(Operation(place, "callee", tensor))
    elif row is None or not (row.dtype_keyword and row.keyword and float32 and plain):
        return _append(thing.site, ".float()" if granted else ".float().requires_grad_()")
    by_keyword = any(
        graph.identity(u.thing) is graph.identity(thing) and u.detail == "keyword"
        for u in graph.of_kind("granted")
    )
    if by_keyword:
        operations.append(Operation(place, "drop-keyword", "requires_grad"))
    operations.append(Operation(place, "keyword", f"dtype={float32}"))
    if by_keyword or not granted:
        operations.append(Operation(place, "keyword", _GRANT))
    return tuple(operations)
