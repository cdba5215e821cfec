"""Reads and writes of variables: in a function, the functions around it, the file, the builtins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import access
from fixgrad.flow.belongings import note_entries, note_parts
from fixgrad.flow.gradients import moved_by_gradient
from fixgrad.flow.ir import Op
from fixgrad.flow.namespaces import is_record
from fixgrad.flow.stars import module_attribute
from fixgrad.flow.state import State
from fixgrad.flow.tensors import (
    identity,
)
from fixgrad.flow.values import (
    NOTHING,
    TEXT,
    UNKNOWN,
    Site,
    Thing,
    Value,
    constant,
    of_kind,
)

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_BUILTINS = {
    "True": constant(True), "False": constant(False), "None": constant(None),
    "__name__": constant("__main__"), "__file__": TEXT,
}  # fmt: skip


def load(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Read a variable from its frame, the frames around it, the module, or the builtins."""
    f.registers[op.out] = read_variable(m, f, state, op.target, _scope(op))
    f.names[op.out] = op.target


def read_variable(m: Machine, f: Frame, state: State, name: str, scope: int) -> Value:
    """Return what a variable holds; 0 is the function itself, n the n-th around it, -1 the module."""
    if scope == 0:
        found = state.get((f.thing, name))
        if found or f.function.kind not in ("class",):
            return found or UNKNOWN
    elif scope > 0:
        for frame in f.outer[scope - 1 :]:
            found = state.get((frame, name))
            if found:
                return frozenset(found)
    module = m.module_thing(f.module.path)
    found = state.get((module, name))
    if found:
        return frozenset(found)
    if name in _BUILTINS:
        return _BUILTINS[name]
    found = module_attribute(m, state, module, name)
    if found:
        return found
    return frozenset((m.thing("external", None, (), f"builtins.{name}"),))


def read_dotted(m: Machine, f: Frame, state: State, name: str, op: Op) -> Value:
    """Return what a dotted name of the current function holds."""
    first, *rest = name.split(".")
    frames = (f.thing, *f.outer)
    scope = next((n for n, frame in enumerate(frames) if state.get((frame, first))), -1)
    value = read_variable(m, f, state, first, scope)
    for part in rest:
        value = access.attribute(m, f, state, value, part, op.place)
    return value


def _scope(op: Op) -> int:
    return op.constant if isinstance(op.constant, int) else 0


def store(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Write a variable."""
    scope = _scope(op)
    owner = f.thing if scope == 0 else m.module_thing(f.module.path)
    if scope > 0 and scope <= len(f.outer):
        owner = f.outer[scope - 1]
    value = f.registers[op.args[0]] or UNKNOWN
    if len(value) > 1 and op.target[0] != "%" and f.names.get(op.args[0], "")[:1] == "%":
        choice = (Site(f.module.path, f.statement), f.path, op.target)
        m.graph.choices.setdefault(choice, set()).update(map(identity, value))
    bind(m, f, state, owner, op.target, value)


def bind(m: Machine, f: Frame, state: State, owner: Thing, name: str, value: Value) -> None:
    """Give a variable of a function, a class or a file its value."""
    state.set((owner, name), value)
    m.conditions.bound_at[owner, name] = m.executed
    if m.optional:
        for new in of_kind(value, "tensor"):  # w = w - lr * w.grad
            moved_by_gradient(m, new, [new])
    if owner.kind == "file":
        m.named_in.setdefault(owner, {})[name] = None
    for thing in value:
        written = name[0] != "%" and name not in f.loop_variables and len(value) == 1
        if thing.kind == "external" and written:
            _remember_name(m, f, thing.name, name, owner)
        if written and (thing.kind in ("dict", "list", "tuple") or is_record(thing)):
            note_entries(m, f, state, name, value)
        elif thing.kind in ("tensor", "array", "opaque") and name[0] != "%":
            m.graph.variables[f.path, identity(thing)] = name
            if thing.kind == "tensor":
                bound = m.graph.bound.setdefault((f.path, f.statement, name), set())
                bound.add(identity(thing))
                m.graph.held.add(identity(thing))
        elif thing.kind == "instance" and name[0] != "%":
            note_parts(m, f, state, name, thing)


def _remember_name(m: Machine, f: Frame, qualified: str, name: str, owner: Thing) -> None:
    key = (f.module.path, qualified)
    if owner.kind == "file":
        m.graph.names_of.setdefault(key, name)
    elif (f.function.place, name) not in m.graph.local_names.get(key, ()):
        m.graph.local_names.setdefault(key, []).append((f.function.place, name))


def delete(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Forget a variable."""
    owner = f.thing if _scope(op) == 0 else m.module_thing(f.module.path)
    state.set((owner, op.target), NOTHING)
