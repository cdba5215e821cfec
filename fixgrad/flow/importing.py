"""Executes imports: of the project's files by running them, of all else by name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fixgrad.flow import containers, variables
from fixgrad.flow.arguments import Call
from fixgrad.flow.ir import Op
from fixgrad.flow.stars import add_stars, module_attribute
from fixgrad.flow.state import State
from fixgrad.flow.values import FALSE, UNKNOWN, Thing, Value, known
from fixgrad.knowledge import mirrored

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

# Always there, in every release: an `except ImportError` behind them never runs.
_PRESENT = {"torch", "torch.nn", "torch.nn.functional", "torch.optim", "torch.autograd", "numpy"}


def _import(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `import a.b`, which binds `a`, or `import a.b as c`."""
    whole = str(op.constant)
    if m.load_module(m, f.module.path, op.target) is None:
        _note_if_absent(m, op.target)
    f.registers[op.out] = _module(m, f, whole)


def _module(m: Machine, f: Frame, name: str) -> Value:
    thing = m.load_module(m, f.module.path, name)
    if thing is not None:
        return frozenset((thing,))
    return frozenset((m.thing("external", None, (), mirrored(name)),))


def _note_if_absent(m: Machine, name: str) -> None:
    top = name.partition(".")[0]
    m.absent_imports += name not in _PRESENT and top not in sys.stdlib_module_names


def _import_from(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute one name of `from a.b import c`: an attribute, else a module inside."""
    name = str(op.constant)
    module = m.load_module(m, f.module.path, op.target)
    if module is not None:
        found = module_attribute(m, state, module, name)
        if not found:
            inner = m.submodule(module, name)
            found = frozenset((inner,)) if inner is not None else UNKNOWN
            m.absent_imports += inner is None
        f.registers[op.out] = found
        return
    _note_if_absent(m, op.target)
    if op.target.startswith("."):
        f.registers[op.out] = UNKNOWN
    elif name == "TYPE_CHECKING":
        f.registers[op.out] = FALSE
    else:
        f.registers[op.out] = frozenset(
            (m.thing("external", None, (), mirrored(f"{op.target}.{name}")),)
        )


def _import_star(m: Machine, f: Frame, op: Op, state: State) -> None:
    module = m.load_module(m, f.module.path, op.target)
    if module is None:
        _note_if_absent(m, op.target)
        add_stars(state, f.thing, (mirrored(op.target),))
        return
    for name in _public_names(m, f, op, state, module):
        value = module_attribute(m, state, module, name)
        if not value:
            inner = m.submodule(module, name)
            value = frozenset((inner,)) if inner is not None else UNKNOWN
        variables.bind(m, f, state, f.thing, name, value)
    add_stars(state, f.thing, state.get((module, "#stars"), ()))


def _public_names(m: Machine, f: Frame, op: Op, state: State, module: Thing) -> list[str]:
    """Return what `from module import *` binds: what `__all__` says, else all without underscore."""
    listed = containers.elements(m, f, state, state.get((module, "__all__"), frozenset()), op)
    if listed:
        names = [known(value)[1] for value in listed]
        return [name for name in names if isinstance(name, str)]
    bound = sorted(m.named_in.get(module, ()))
    return [n for n in bound if n[0] not in "_%" and state.get((module, n)) is not None]


def import_module(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Call `importlib.import_module("a.b")`, or with a name relative to the package."""
    name = call.get(0, "name")
    sure, value = known(name.value) if name is not None else (False, None)
    return _module(m, f, value) if sure and isinstance(value, str) and value else UNKNOWN


def import_builtin(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Call `__import__("a.b")`, which returns `a`."""
    name = call.get(0, "name")
    sure, value = known(name.value) if name is not None else (False, None)
    if not sure or not isinstance(value, str) or not value:
        return UNKNOWN
    m.load_module(m, f.module.path, value)
    return _module(m, f, value.partition(".")[0])


def cannot_fail(m: Machine, op: Op, absent_before: int) -> bool:
    """Say whether a `try` body imports something, and all of it is there."""
    return m.absent_imports == absent_before and any(
        o.kind.startswith("import") for o in op.blocks[0]
    )


HANDLERS = {"import": _import, "import-from": _import_from, "import-star": _import_star}
