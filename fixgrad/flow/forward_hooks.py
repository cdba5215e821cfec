"""Hooks that modules run before `forward`: they get what the module is given, and may track it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.protocols import callables
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Thing, of_kind, ordered

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_KINDS = ("module", "instance", "opaque")


def keep(m: Machine, state: State, call: Call, module: Thing, name: str) -> None:
    """Keep what `register_forward_pre_hook` is given, if it is that."""
    hook = call.get(0, "hook")
    if name == "register_forward_pre_hook" and hook is not None:
        # conservative: `net[0]` and `model.layer4` may be part of any module that is called
        holder = module if module.kind != "opaque" else _anywhere(m)
        state.add((holder, "#hooks"), frozenset(callables(state, hook.value)))
        m.graph.hooked.add(holder)


def _anywhere(m: Machine) -> Thing:
    return m.thing("hooks", None, (), "of some module")


def run(m: Machine, f: Frame, state: State, call: Call, module: Thing) -> None:
    """Call the hooks of a module, and of those inside it: any of them may get the same tensors."""
    if not m.graph.hooked or module.kind not in _KINDS:
        return
    hooks = frozenset(_hooks(state, module, {_anywhere(m)}))
    hooks |= state.get((_anywhere(m), "#hooks"), NOTHING)
    if hooks:
        given = [a.value for a in call.arguments if not a.name]
        inputs = containers.make(m, f, state, call.place, "tuple", given, name="inputs")
        m.callbacks(m, f, state, call, [hooks], (frozenset((module,)), frozenset((inputs,))))


def _hooks(state: State, module: Thing, seen: set[Thing]) -> set[Thing]:
    seen.add(module)
    found = set(state.get((module, "#hooks"), NOTHING))
    for inner in ordered(state.get((module, "#inner"), NOTHING)):
        if inner not in seen and of_kind(frozenset((inner,)), *_KINDS):
            found |= _hooks(state, inner, seen)
    return found
