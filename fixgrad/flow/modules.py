"""Modules of torch.nn that the project does not define: what they own and what comes out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import module_lists
from fixgrad.flow.arguments import Call
from fixgrad.flow.containers import reachable
from fixgrad.flow.sharing import BY_KEYWORD, write_in_place
from fixgrad.flow.state import State
from fixgrad.flow.tensors import derive, identity
from fixgrad.flow.values import NOTHING, Site, Thing, Value, is_constant, of_kind, ordered
from fixgrad.knowledge import ModuleClass, TensorOp

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def make_module(m: Machine, f: Frame, state: State, call: Call, row: ModuleClass) -> Value:
    """Construct a torch.nn module."""
    thing = m.thing("module", Site(f.module.path, call.place), f.path, row.name, row)
    inner = [t for a in call.arguments for t in _modules_in(state, a.value)]
    state.set((thing, "#inner"), frozenset(inner))
    state.set((thing, "#storage"), frozenset(inner))
    changes = call.get(row.inplace, "inplace")
    state.set((thing, "#inplace"), changes is not None and is_constant(changes.value, True))
    if row.parameters:
        parameter_of(m, state, thing)
    module_lists.note_held(m, f, state, call, thing)
    return frozenset((thing,))


def _modules_in(state: State, value: Value) -> list[Thing]:
    found = of_kind(value, "module", "instance", "opaque")
    for thing in of_kind(value, "list", "tuple", "dict"):
        found += of_kind(state.get((thing, "[*]"), NOTHING), "module", "instance", "opaque")
    return found


def parameter_of(m: Machine, state: State, module: Thing) -> Thing:
    """Return the tensor that stands for all parameters of a module."""
    thing = m.thing("tensor", module.site, module.path, f"parameter of {module.name}")
    if state.get((thing, "#tracked")) is None:
        state.set((thing, "#tracked"), "yes")
        state.set((thing, "#leaf"), "yes")
        state.set((thing, "#dtype"), "unknown")
    state.set((module, "#parameter"), frozenset((thing,)))
    return thing


def parameters(
    m: Machine, state: State, thing: Thing, seen: set[Thing] | None = None
) -> list[Thing]:
    """Return the tensors that `parameters()` of a module yields, as far as they are known."""
    seen = seen if seen is not None else set()
    if thing in seen:
        return []
    seen.add(thing)
    found: list[Thing] = []
    if thing.kind == "tensor":
        return [thing] if thing.name == "torch.nn.Parameter" else []
    if thing.kind == "module":
        found += ordered(state.get((thing, "#parameter"), NOTHING))
        children = ordered(state.get((thing, "#inner"), NOTHING))
    else:
        fields = sorted(state.get((thing, "#fields"), frozenset()))
        children = [t for field in fields for t in ordered(state.get((thing, field), NOTHING))]
        more = "*" if thing.kind == "instance" else "[*]"
        children += ordered(state.get((thing, more), NOTHING))
    for child in children:
        if child.kind in ("module", "tensor", "instance", "list", "dict"):
            found += parameters(m, state, child, seen)
        elif child.kind == "opaque":
            found.append(child)
    return list(dict.fromkeys(found))


def call_module(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> Value:
    """Call a module: the result carries from the inputs and is tracked by its own parameters."""
    followed = module_lists.in_sequence(m, f, state, call, thing)
    if followed is not None:
        return followed
    inputs = [t for t in reachable(state, [a.value for a in call.arguments]) if t is not thing]
    inputs += of_kind(_inputs_of_containers(state, call), "tensor")
    owned = parameters(m, state, thing)
    row = thing.data if isinstance(thing.data, ModuleClass) else ModuleClass(thing.name)
    if row.alias == "self" and call.arguments:
        return call.arguments[0].value
    if state.get((thing, "#inplace")) is True and call.arguments:
        for tensor in of_kind(call.arguments[0].value, "tensor"):
            write_in_place(m, f, state, tensor, [], call.place, BY_KEYWORD)
        return call.arguments[0].value
    effect = TensorOp(row.name, grad=row.grad, alias=row.alias, saves=True, keeps=row.keeps)
    everything = list(dict.fromkeys([*inputs, *(identity(t) for t in owned)]))
    operands = [of_kind(a.value, "tensor") for a in call.arguments]
    operands += [[t] for t in everything if not any(t in group for group in operands)]
    made = derive(m, f, state, call.place, effect, everything, operands=operands)
    if any(t.kind == "opaque" for a in call.arguments for t in a.value):
        m.graph.impure.add(made)
    return frozenset((made,))


def _inputs_of_containers(state: State, call: Call) -> Value:
    found: set[Thing] = set()
    for argument in call.arguments:
        for thing in of_kind(argument.value, "list", "tuple"):
            found |= state.get((thing, "[*]"), frozenset())
    return frozenset(found)
