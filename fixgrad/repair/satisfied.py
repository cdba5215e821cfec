"""Whether a demand is met in a run, and if not, what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fixgrad.demands import LEAF, TRACKED, Demand, backward_root
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Thing
from fixgrad.hazards import line_of
from fixgrad.knowledge import array_function, array_method
from fixgrad.repair.simulate import Key, key_of, same_use, upstream_keys
from fixgrad.repair.targets import Target

_OFF = ("off", "inference")


def unmet(graph: FlowGraph, demand: Demand, target: Key) -> tuple[str, str] | None:
    """Return the refusal code and reason why a demand is not met after a plan, or None if it is."""
    kind = "grad" if demand.use.kind == "array-grad" else demand.use.kind
    if kind in ("bad-keyword", "granted"):
        return None
    of_tensors = {(u.site, u.path) for u in graph.of_kind("grad")}
    for use in graph.of_kind("array-grad"):
        sometimes = (use.site, use.path) in of_tensors  # at other times it is a tensor
        if not sometimes and target in {key_of(graph.identity(t)) for t in use.others}:
            return "FG901", f"{line_of(use.site)} reads `.grad` of the array and not of a tensor"
    early = _differentiated_early(graph, target)
    if early is not None:
        return "FG905", f"{line_of(early.site)} differentiates before the gradient is granted"
    uses = [u for u in same_use(graph, demand.use, kind) if _concerns(graph, u, target)]
    for use in uses:
        if use.kind == "backward" and len(uses) > 1 and backward_root.is_bare(graph, use.thing):
            continue  # a number where there is nothing to train
        found = _unmet_use(graph, demand, use, target)
        if found is not None:
            return found
    if kind == "optimizer":
        return _never_filled(graph, demand, target) or _replaced(graph, target)
    return None


def _differentiated_early(graph: FlowGraph, target: Key) -> Use | None:
    """Return a backward pass that certainly raises in the first turn of its loop, as nothing is tracked then."""
    for root in graph.of_kind("backward"):
        key = (root.kind, root.site, root.path, graph.identity(root.thing))
        early = key in graph.first_turn and root.tracked != "no" and not root.careless
        if early and target in upstream_keys(graph, root.thing):
            return root
    return None


def _concerns(graph: FlowGraph, use: Use, target: Key) -> bool:
    return (
        key_of(use.thing) == target
        or key_of(graph.identity(use.thing)) == target
        or (use.kind == "backward")
    )


def _unmet_use(graph: FlowGraph, demand: Demand, use: Use, target: Key) -> tuple[str, str] | None:
    line = line_of(use.site)
    if use.tracked == "no":
        return _why_untracked(graph, use, target)
    if demand.need == LEAF and use.leaf == "no" and not use.retained:
        return "FG910", f"the tensor at {line} is computed from a tracked one and is no leaf"
    if use.kind in ("grad", "idle-grad", "step") and use.gradient == "none" and not use.retained:
        return _why_no_gradient(graph, use, target)
    if use.kind == "inputs":
        return _input_not_reached(graph, use, target)
    passed_by = demand.need == TRACKED and target not in {key_of(t) for t in use.others}
    if use.kind == "backward" and passed_by:
        return "FG902", _where_cut(graph, use.thing, target) or f"{line} does not reach it"
    return None


def _why_untracked(graph: FlowGraph, use: Use, target: Key) -> tuple[str, str]:
    made = graph.made.get(graph.identity(use.thing))
    line = line_of(use.site)
    if use.mode in _OFF or (made is not None and made.mode in _OFF):
        return "FG907", f"autograd is switched off where the gradient is asked for at {line}"
    cut = _where_cut(graph, use.thing, target)
    if cut:
        return "FG902", cut
    return "FG905", f"the tensor asked for at {line} is not tracked even so"


def _why_no_gradient(graph: FlowGraph, use: Use, target: Key) -> tuple[str, str]:
    for backward in graph.of_kind("backward"):
        made = graph.made.get(graph.identity(backward.thing))
        off = made is not None and made.mode in _OFF and backward.tracked == "no"
        unrecorded = backward.thing if off else _unrecorded(graph, backward.thing, target)
        if unrecorded is not None:
            return "FG907", f"autograd is switched off where {made_line(unrecorded)} is computed"
        cut = _where_cut(graph, backward.thing, target)
        if cut:
            return "FG902", cut
    return "FG905", f"no backward pass reaches the tensor before {line_of(use.site)}"


def _unrecorded(graph: FlowGraph, root: Thing, target: Key) -> Thing | None:
    """Return what is computed from a target for a root while autograd is off."""
    for thing in graph.upstream([root]):
        made = graph.made.get(thing)
        off = made is not None and made.mode in _OFF and key_of(thing) != target
        if off and target in upstream_keys(graph, thing):
            return thing
    return None


def _input_not_reached(graph: FlowGraph, use: Use, target: Key) -> tuple[str, str] | None:
    for root in graph.of_kind("backward"):
        if root.statement != use.statement or root.path != use.path:
            continue
        reached = {key_of(t) for t in root.others}
        unknown = any(t.kind != "tensor" for t in root.others)
        if root.tracked == "no" or not (unknown or target in reached):
            made = graph.made.get(graph.identity(root.thing))
            off = made is not None and made.mode in _OFF
            unrecorded = root.thing if off else _unrecorded(graph, root.thing, target)
            if unrecorded is not None:
                line = made_line(unrecorded)
                return "FG907", f"autograd is switched off where {line} is computed"
            cut = _where_cut(graph, root.thing, target)
            allowed = use.site in graph.allowing and root.tracked != "no"
            if cut or not (allowed or _is_open(graph, root)):
                return "FG902", cut or f"{line_of(use.site)} differentiates something else"
    return None


def _is_open(graph: FlowGraph, root: Use) -> bool:
    """Say whether a root is computed from something unknown too: what a hook has kept, for one."""
    return root.mode not in _OFF and not graph.impure.isdisjoint(graph.upstream([root.thing]))


def _never_filled(graph: FlowGraph, demand: Demand, target: Key) -> tuple[str, str] | None:
    """Say so where every step of an optimizer comes before any gradient."""
    steps = [u for u in graph.of_kind("step") if key_of(graph.identity(u.thing)) == target]
    if not steps or any(u.gradient != "none" for u in steps):
        return None
    return _why_no_gradient(graph, steps[0], target)


def _replaced(graph: FlowGraph, target: Key) -> tuple[str, str] | None:
    """Say so where later turns of a loop compute with a tensor that no optimizer holds instead."""
    held = {graph.identity(u.thing) for u in graph.of_kind("optimizer")}
    roots = set(graph.upstream(u.thing for u in graph.of_kind("backward")))
    for leaf, instead in graph.replaced.items():
        lost = [t for t, result in instead if t not in held and result in roots]
        if lost and key_of(leaf) == target:
            line = line_of(min((t.site for t in lost if t.site is not None), default=None))
            return (
                "FG910",
                f"{line} puts another tensor in its place, which no optimizer holds",
            )
    return None


def _where_cut(graph: FlowGraph, root: Thing, target: Key) -> str:
    """Say on which line the gradient from a root towards a tensor is cut, "" where it is not."""
    if target in upstream_keys(graph, root):
        return ""
    for thing in graph.upstream([root]):
        for source in _without_gradient(graph, thing):
            if target in upstream_keys(graph, source) or _where_cut_below(
                graph, source, target, set()
            ):
                return f"{made_line(thing)} cuts the gradient on its way to this tensor"
    return ""


def _where_cut_below(graph: FlowGraph, thing: Thing, target: Key, seen: set[Thing]) -> bool:
    if thing in seen:
        return False
    seen.add(thing)
    for source in graph.upstream([thing]):
        if key_of(source) == target:
            return True
        without = _without_gradient(graph, source)
        if any(_where_cut_below(graph, t, target, seen) for t in without):
            return True
    return False


def _without_gradient(graph: FlowGraph, thing: Thing) -> set[Thing]:
    sources = (graph.cut, graph.by_value, graph.steered)
    return {t for found in sources for t in found.get(thing, ())}


def partial_cuts(graph: FlowGraph, targets: Mapping[Key, Target]) -> Iterator[tuple[Target, Thing]]:
    """Yield the targets that reach a backward root also by their values, and what brings these back.

    What the program detaches itself is meant, and what it copies without computing anything; what it hands to NumPy
    or Python undetached is not, unless an earlier turn of a loop did so, and this one has made the tensor anew.
    """
    for thing in _differentiated(graph, targets):
        if _is_snapshot(graph, thing):
            continue
        sources = set(graph.by_value.get(thing, ()))
        if graph.is_conversion(thing) or thing in graph.mixes:
            sources |= graph.cut.get(thing, set())
        back = {key_of(t) for t in graph.came_back.get(thing, ())}
        for source in sorted(sources, key=lambda t: t.number):
            for key in _recorded_keys(graph, source) & targets.keys() & back:
                if not _is_over(graph, targets[key], thing):
                    yield targets[key], thing


def _recorded_keys(graph: FlowGraph, source: Thing) -> set[Key]:
    """Return the keys of a tensor and of what it comes of but for what is computed while autograd is off."""
    found: dict[Thing, None] = {}
    pending = [graph.identity(source)]
    while pending:
        thing = pending.pop()
        if thing not in found:
            found[thing] = None
            made = graph.made.get(thing)
            if made is None or made.mode not in _OFF:
                pending.extend(graph.carried.get(thing, ()))
    return {key_of(source), *map(key_of, found)}


_COPIES = ("numpy.ndarray.copy", "numpy.copy", "numpy.array")
_EXITS = ("torch.Tensor.numpy", "torch.Tensor.__array__")


def _is_snapshot(graph: FlowGraph, thing: Thing) -> bool:
    """Say whether a tensor is a copy of values as they were: `torch.tensor(x.numpy()[0].copy())`."""
    made = graph.computed.get(thing)
    if made is None or not graph.is_conversion(thing):
        return False
    effects: set[str] = set()
    pending = list(made.inputs)
    for array in pending:
        step = graph.computed.get(array)
        if step is None or array.kind != "array":
            return False
        effects.add(step.effect)
        if step.effect not in _EXITS:
            pending.extend(t for t in step.inputs if t not in pending)
    return bool(effects.intersection(_COPIES)) and all(map(_keeps_values, effects))


def _keeps_values(effect: str) -> bool:
    if effect in (*_COPIES, *_EXITS):
        return True
    name = effect.removeprefix("numpy.ndarray.")
    row = array_function(effect) if name == effect else array_method(name)
    return effect == "numpy.ndarray.__getitem__" or (row is not None and row.alias != "copy")


def _is_over(graph: FlowGraph, target: Target, thing: Thing) -> bool:
    """Say whether all that is asked of a target is read before a tensor is made, in one stretch of code."""
    me = target.thing
    if me.site is None or thing.site is None or graph.loops.get(me) or graph.loops.get(thing):
        return False
    here = (thing.site.path, thing.path)
    return (me.site.path, me.path) == here and all(
        d.use.kind == "grad"
        and (d.use.site.path, d.use.path) == here
        and d.use.site.place[2:] <= thing.site.place[:2]
        for d in target.demands
    )


def _differentiated(graph: FlowGraph, targets: Mapping[Key, Target]) -> list[Thing]:
    """Return what a backward pass runs through until it comes to leaves: those of a plan, or of the program."""
    found: dict[Thing, None] = {}
    pending = [graph.identity(u.thing) for u in graph.of_kind("backward")]
    granted = {graph.identity(u.thing) for u in graph.of_kind("granted")}
    asked = {graph.identity(u.thing) for u in graph.of_kind("optimizer", "grad", "inputs")}
    own = granted & asked  # what its values come from says where it starts
    while pending:
        thing = pending.pop()
        if thing not in found and thing not in own and key_of(thing) not in targets:
            found[thing] = None
            pending.extend(graph.carried.get(thing, ()))
    return sorted(found, key=lambda t: t.number)


def made_line(thing: Thing) -> str:
    """Return the line of the expression that makes a tensor, as a message names it."""
    return line_of(thing.site)
