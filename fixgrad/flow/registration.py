"""What modules of the project keep beside parameters and buffers, and whether they are moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import access
from fixgrad.flow.arguments import Call
from fixgrad.flow.array_dtypes import named_dtype
from fixgrad.flow.belongings import note_parts
from fixgrad.flow.classes import external_bases, lookup_class
from fixgrad.flow.ir import Op, Place
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity, log
from fixgrad.flow.values import NOTHING, Thing, Value, known, of_kind, ordered
from fixgrad.knowledge import cast

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

DEVICE = "device"
_MOVING = ("to", "cuda", "float", "double", "half", "bfloat16")
_OF_ITS_OWN = (*_MOVING, "_apply", "__setattr__")


def get_attribute(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `value.name`, and note what `forward` reads."""
    if f.function.name.endswith(".forward"):
        owners = f.registers[op.args[0]]
        m.graph.read_in_forward.update((t, op.target) for t in owners if t.kind == "instance")
    access.get_attribute(m, f, op, state)


def set_attribute(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `value.name = new`, and note what a constructor keeps."""
    access.set_attribute(m, f, op, state)
    owner, new = f.values(op)
    _note_kept(m, f, state, owner, op.target, new, op.place)
    name = f.names.get(op.args[0]) or f.attributes.get(op.args[0], "%")
    for thing in of_kind(new, "instance") if name[0] != "%" else ():
        note_parts(m, f, state, f"{name}.{op.target}", thing)


def _note_kept(
    m: Machine, f: Frame, state: State, owner: Value, name: str, new: Value, place: Place
) -> None:
    """Note a tensor that the constructor of a module keeps as a plain attribute."""
    if len(owner) != 1 or len(new) != 1 or not f.function.name.endswith(".__init__"):
        return
    (instance,), (thing,) = owner, new
    if instance.kind != "instance" or thing.kind != "tensor":
        return
    if not any(base.startswith("torch.nn.") for base in external_bases(instance.data)):
        return
    if not any(lookup_class(state, instance.data, method)[0] for method in _OF_ITS_OWN):
        log(m, f, state, "attribute", thing, place, detail=name, others=[instance])


def note_moved(m: Machine, state: State, call: Call, module: Thing, name: str) -> None:
    """Note that a module, and all that it holds, gets another device or dtype."""
    target = _target(call, name)
    if not target:
        return
    seen: set[Thing] = set()
    pending = [module]
    while pending:
        thing = pending.pop()
        if thing in seen:
            continue
        seen.add(thing)
        m.graph.relocated.setdefault(thing, set()).add(target)
        for field in (*state.get((thing, "#fields"), ()), "#inner", "[*]"):
            inner = state.get((thing, field), NOTHING)
            pending += of_kind(inner, "instance", "module", "list", "dict", "tuple")


def _target(call: Call, name: str) -> str:
    """Return the dtype that a module is cast to, "device" where it is moved, "" where neither."""
    if name not in _MOVING:
        return ""
    if name == "cuda":
        return DEVICE
    if name != "to":
        return cast(name) or ""
    for argument in call.arguments:
        if named_dtype(argument.value) != "unknown":
            return named_dtype(argument.value)
        sure, text = known(argument.value)
        devices = [t.name for t in ordered(argument.value) if t.kind == "device"]
        if (sure and str(text).startswith("cpu")) or any(d.startswith("cpu") for d in devices):
            return ""
    return DEVICE


def note_cast(m: Machine, thing: Thing) -> None:
    """Note a tensor that the program moves or casts itself."""
    m.graph.recast.add(identity(thing))
