"""Where a tensor ends: the uses behind which nothing of it is followed any more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fixgrad.explain.journey import ASSUMED, CUT, Journey, Stage
from fixgrad.explain.run import Run
from fixgrad.explain.watch import Callee, Touch
from fixgrad.flow.values import Site, Thing
from fixgrad.hazards import span
from fixgrad.knowledge import demand, factory, module_class
from fixgrad.source import Span

_LOSS = re.compile(r"(?:loss|cross_entropy|kl_div|Loss)(?:\.forward)?$")
_OF_SEVERAL = re.compile(r"(?i)margin_?ranking|cosine_?embedding|triplet")  # inputs, not a target
_PREDICTION = ("argument 1", "argument input")
_TARGET = ("argument 2", "argument target", "argument labels")
_KINDS = (
    *("label", "input", "unknown", "unfollowed", "returned", "attribute"),
    *("values", "kept", "shown", "tested", "unused"),
)
_RANK = {kind: number for number, kind in enumerate(_KINDS)}
_QUIET = {"isinstance", "len", "type", "id", "hasattr", "callable", "range", "enumerate", "zip"}
_TIRED = "the budget of operations is used up"
_VALUES = {"item": "a number", "tolist": "a list", "numpy": "an array", "__array__": "an array"}


class End(NamedTuple):
    """One last use of a tensor."""

    kind: str  # one of _KINDS
    span: Span
    what: str  # "given to the loss `F.cross_entropy` as its target"
    effects: frozenset[str]  # how the tensor comes here: only "carries", or also "cut", "assumed"
    stages: tuple[Stage, ...]


def ends(journey: Journey) -> list[End]:
    """Return where the tensors of a journey end, what tells most first."""
    touches: dict[Thing, list[Touch]] = {}
    for touch in journey.run.watch.touches.values():
        if touch.thing in journey.before:
            touches.setdefault(touch.thing, []).append(touch)
    found: dict[tuple[Span, str], End] = {}
    for thing in journey.before:
        for end in _of(journey, thing, touches.get(thing, [])):
            known = found.get((end.span, end.what))
            if known is None or len(end.effects) < len(known.effects):
                found[end.span, end.what] = end
    return sorted(found.values(), key=_order)


def _order(end: End) -> tuple[int, int, Span]:
    return len(end.effects & {ASSUMED, CUT}), _RANK[end.kind], end.span


def _of(journey: Journey, thing: Thing, touches: list[Touch]) -> Iterator[End]:
    effects = frozenset(journey.effects(thing))
    for touch in touches:
        said = _said(journey.run, touch)
        if said is not None:
            stages = tuple(journey.stages(thing) + journey.calls(thing.path, touch.path))
            yield End(said[0], span(touch.site), said[1], effects, stages)
    goes_on = any(before is not None and before[0] is thing for before in journey.before.values())
    used = any(use.thing is thing for use in journey.run.graph.uses.values())
    idle = thing.kind == "tensor" and not touches and not goes_on and not used
    if idle and thing.site is not None:
        stages = tuple(journey.stages(thing))
        yield End("unused", span(thing.site), "not used any further", effects, stages)


def _said(run: Run, touch: Touch) -> tuple[str, str] | None:
    """Say what an operation does to a tensor, or None where it is followed on."""
    if touch.entered:
        return None
    match touch.kind:
        case "call" | "method":
            if touch.role == "receiver":
                return _asked(touch)
            return _given(run, touch)
        case "return" | "yield":
            return _returned(run, touch)
        case "setattr" if touch.role != "receiver":
            return _kept(run, touch)
        case "setindex" if touch.role == "index":
            return "tested", "used as an index"
        case "index" if touch.role == "value" and not touch.goes_on:
            return "tested", "used as an index"
        case "setindex" | "pack" | "collect" if touch.role != "receiver":
            return ("kept", "kept in a container") if touch.kind != "pack" else None
        case "format":
            return "shown", "shown as text"
        case "branch" | "compare" if not touch.goes_on:
            return "tested", "tested or compared"
    return None


def _kept(run: Run, touch: Touch) -> tuple[str, str] | None:
    if (touch.target, touch.thing) in run.watch.reads:
        return None
    if touch.target == "grad":
        return "values", f"becomes `{run.short(touch.site)}`: a gradient set by hand"
    if touch.target == "data":
        return "values", f"its values are written into `{run.short(touch.site)}`"
    return "attribute", f"kept as `{run.short(touch.site)}`; no code that is followed reads it"


def _asked(touch: Touch) -> tuple[str, str] | None:
    if touch.target in _VALUES and touch.kind == "method":
        return "values", f"its values leave as {_VALUES[touch.target]}: `.{touch.target}()`"
    if touch.kind == "method" and touch.assumed and touch.thing.kind == "tensor":
        return "unknown", f"`.{touch.target}()`, a method that fixgrad does not know, takes it"
    return None


def _given(run: Run, touch: Touch) -> tuple[str, str] | None:
    """Say what a call does with an argument."""
    callee = touch.callees[0] if touch.callees else Callee("", "")
    spelled = _spelled(run, touch)
    position = _argument(touch)
    loss = _LOSS.search(callee.name) or _LOSS.search(spelled)
    if loss and callee.kind in ("external", "module") and touch.role not in _PREDICTION:
        target = touch.role in _TARGET and not _OF_SEVERAL.search(callee.name)
        return "label", f"given to the loss `{spelled}` as its {'target' if target else position}"
    if touch.target == "register_buffer":
        return "input", "registered as a buffer of a module: data that it carries with it"
    if callee.kind == "module":
        row = module_class(callee.name)
        if row is not None and not row.parameters:
            return None
        return "input", f"given to the module `{spelled}` ({callee.name}) as its input"
    if touch.goes_on and not touch.assumed:
        return None
    return _by_kind(run, touch, callee, spelled)


def _by_kind(run: Run, touch: Touch, callee: Callee, spelled: str) -> tuple[str, str] | None:
    """Say what code does with an argument of which nothing comes back that is known."""
    position = _argument(touch)
    held = " (inside what is passed)" if touch.held else ""
    if touch.site in run.watch.exhausted and _ours(run, callee):
        return "unfollowed", f"`{spelled}` is not followed from here{held}: {_TIRED}"
    match callee.kind:
        case "external":
            if demand(callee.name) is not None:
                return _to_demand(run, touch, callee.name, position)
            return _to_library(callee.name.removeprefix("builtins."), position, held)
        case "function" | "class" | "method":
            return (
                "unfollowed",
                f"`{spelled}` is not followed from here{held}: {_unfollowed(touch)}",
            )
        case "list" | "tuple" | "dict":
            return "kept", f"kept in a container: `{spelled}`"
        case "tensor" if touch.target == "backward":
            return "input", f"given to `{spelled}` as the gradient to begin with"
        case "tensor" if touch.target.endswith("_") and not touch.target.startswith("_"):
            return "values", f"its values are written into another tensor: `{spelled}`"
        case "tensor" | "array" | "number" | "const" | "text":
            return None if touch.goes_on else ("values", f"read by `{spelled}`")
    origin = _origin(callee)
    return "unknown", f"handed to `{spelled}`{held} as {position}: unknown code{origin}"


def _ours(run: Run, callee: Callee) -> bool:
    """Say whether what is called is code of the project."""
    if callee.kind == "instance":
        method = "." + callee.name.rpartition(".")[2]
        modules = run.project.modules.values()
        return any(f.name.endswith(method) for module in modules for f in module.functions)
    return callee.kind in ("function", "class", "method", "wrapped")


def _to_demand(run: Run, touch: Touch, name: str, position: str) -> tuple[str, str] | None:
    """Say what a function that asks for gradients gets beside what it is asked for."""
    row = demand(name)
    if row is not None and row.need == "own-leaves":
        return (
            "input",
            f"given to `{name}` as {position}, which tracks what it differentiates itself",
        )
    here = (
        use
        for use in run.graph.of_kind("inputs", "optimizer", "gradcheck", "backward")
        if use.statement == touch.statement
    )
    if touch.held or any(run.graph.identity(use.thing) is touch.thing for use in here):
        return None
    return "input", f"given to `{name}` as {position}: it is not what is differentiated there"


def _to_library(name: str, position: str, held: str) -> tuple[str, str] | None:
    if name in _QUIET or factory(name) is not None or module_class(name) is not None:
        return None
    if name == "print":
        return "shown", "printed"
    if name in ("float", "int", "bool"):
        return "values", f"its value leaves as a number: `{name}()`"
    if name.startswith(("numpy.", "scipy.", "math.")):
        return "values", f"its values are taken by `{name}`"
    return "unknown", f"handed to `{name}`{held} as {position}: library code that is not known"


def _unfollowed(touch: Touch) -> str:
    if len(touch.path) >= 12:
        return "the chain of calls is too long"
    return "nothing in it bears on a gradient, or it calls itself"


def _origin(callee: Callee) -> str:
    name = callee.name.partition(".")[0] if callee.kind == "opaque" else ""
    if name.startswith("parameter "):
        return f", since nothing says what the parameter `{name.removeprefix('parameter ')}` is"
    return ""


def _argument(touch: Touch) -> str:
    name = touch.role.removeprefix("argument ")
    if name.isdigit():
        ordinals = ("first", "second", "third", "fourth", "fifth")
        number = int(name) - 1
        return f"{ordinals[number]} argument" if number < len(ordinals) else f"argument {name}"
    return f"`{name}`" if name not in ("*", "**") else f"one of its `{name}` arguments"


def _spelled(run: Run, touch: Touch) -> str:
    if touch.callee is None:
        return touch.target
    site = Site(touch.site.path, touch.callee)
    first = run.short(site)
    if not touch.target:
        return first
    is_whole = run.text(touch.site).startswith(run.text(site))
    return f"{first}.{touch.target}" if is_whole else f"({first}).{touch.target}"


def _returned(run: Run, touch: Touch) -> tuple[str, str] | None:
    calls = [site for site in touch.path if site in run.watch.callees]
    function = run.function(touch.site)
    if calls and calls[-1] == touch.path[-1]:
        callees = run.watch.callees[calls[-1]]
        if all(callee.kind in ("external", "opaque") for callee in callees):
            who = f"`{run.text(calls[-1]).partition('(')[0]}`"
            who = "its decorator" if callees[0].name == "unknown.decorator" else who
            return "returned", f"returned to {who}, which calls `{function.name}` back"
    if calls:
        return None
    if function.kind not in ("function", "generator", "coroutine"):
        return None
    verb = "yielded" if touch.kind == "yield" else "returned"
    short = function.name.rpartition(".")[2]
    mentioned = any(
        short in other.tokens or f".{short}" in other.tokens
        for module in run.project.modules.values()
        for other in module.functions
    )
    to = "to callers that are not followed" if mentioned else "which nothing in these files calls"
    return "returned", f"{verb} by `{function.name}`, {to}"
