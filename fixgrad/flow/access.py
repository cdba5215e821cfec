"""Reads and writes of variables, attributes and items."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.arrays import array_item, make_array, write_array
from fixgrad.flow.gradients import consume, read_gradient
from fixgrad.flow.ir import Op, Place
from fixgrad.flow.modules import parameter_of
from fixgrad.flow.state import State
from fixgrad.flow.tensors import (
    derive,
    grant,
    identity,
    log,
    overwrite_arrays,
    tracked,
    write_in_place,
)
from fixgrad.flow.values import (
    FALSE,
    NOTHING,
    NUMBER,
    TEXT,
    TRUE,
    UNKNOWN,
    Code,
    Thing,
    Value,
    constant,
    is_constant,
    known,
    of_kind,
    ordered,
    union,
)
from fixgrad.knowledge import (
    array_method,
    conversion,
    factory,
    tensor_function,
    tensor_method,
    tensor_operator,
)

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_BUILTINS = {
    "True": constant(True), "False": constant(False), "None": constant(None), "__name__": constant("__main__"),
    "__file__": TEXT,
}  # fmt: skip
_PLAIN_TENSOR_FACTS = {
    "shape",
    "device",
    "dtype",
    "ndim",
    "is_leaf",
    "requires_grad",
    "grad_fn",
    "is_cuda",
    "layout",
    "names",
    "itemsize",
    "nbytes",
}


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
    for star in state.get((module, "#stars"), ()):
        qualified = f"{star}.{name}"
        if (
            conversion(qualified)
            or factory(qualified)
            or tensor_function(qualified)
            or star.startswith("numpy")
        ):
            return frozenset((m.thing("external", None, (), qualified),))
    return frozenset((m.thing("external", None, (), f"builtins.{name}"),))


def read_dotted(m: Machine, f: Frame, state: State, name: str, op: Op) -> Value:
    """Return what a dotted name of the current function holds."""
    first, *rest = name.split(".")
    scope = 0 if state.get((f.thing, first)) else -1
    value = read_variable(m, f, state, first, scope)
    for part in rest:
        value = attribute(m, f, state, value, part, op.place)
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
    state.set((owner, op.target), value)
    if owner.kind == "file":
        state.add((owner, "#fields"), frozenset((op.target,)))
    for thing in value:
        if thing.kind == "external" and op.target[0] != "%":
            _remember_name(m, f, thing.name, op.target, owner)
        if thing.kind in ("tensor", "array", "opaque") and op.target[0] != "%":
            m.graph.variables[f.path, identity(thing)] = op.target


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


def module_attribute(state: State, module: Thing, name: str) -> Value:
    """Return a global of another module of the project, if it is bound."""
    return frozenset(state.get((module, name), NOTHING))


def get_attribute(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `value.name`."""
    value = f.registers[op.args[0]]
    if op.target == "grad":
        m.own_variable = _is_own_variable(f, op.args[0])
    f.registers[op.out] = attribute(m, f, state, value, op.target, op.place)


def _is_own_variable(f: Frame, register: int) -> bool:
    """Say whether a value was read from a variable that the function itself gave one meaning."""
    name = f.names.get(register, "%")
    passed = any(p.name == name for p in f.function.parameters)
    return not (passed or name.startswith("%") or name in f.loop_variables)


def attribute(m: Machine, f: Frame, state: State, value: Value, name: str, place: Place) -> Value:
    """Return an attribute of whatever a value may be."""
    value = consume(m, f, state, value, place)
    return each(m, f, state, value, lambda t, s: _attribute(m, f, s, t, name, place)) or UNKNOWN


def each(
    m: Machine, f: Frame, state: State, value: Value, way: Callable[[Thing, State], Value]
) -> Value:
    """Do something to whatever a value may be: one thing on each path, the paths joined."""
    if len(value) == 1:
        return way(next(iter(value)), state)
    found: list[Value] = []

    def take(thing: Thing, s: State) -> None:
        found.append(way(thing, s))

    if value:
        m.alternatives += 1
        m.branch(f, state, [lambda s, t=t: take(t, s) for t in ordered(value)])  # type: ignore[misc]
        m.alternatives -= 1
    return union(found)


def _attribute(m: Machine, f: Frame, state: State, thing: Thing, name: str, place: Place) -> Value:
    match thing.kind:
        case "external":
            return frozenset((m.thing("external", None, (), f"{thing.name}.{name}"),))
        case "file":
            found = module_attribute(state, thing, name)
            if found:
                return found
            inner = m.submodule(thing, name)
            return frozenset((inner,)) if inner is not None else UNKNOWN
        case "tensor":
            return _tensor_attribute(m, f, state, thing, name, place)
        case "array":
            return _array_attribute(m, f, state, thing, name, place)
        case "instance" | "class":
            return object_attribute(m, f, state, thing, name, place)
        case "module":
            return _module_attribute(m, f, state, thing, name, place)
        case "super":
            return _super_attribute(m, f, state, thing, name)
        case "opaque":
            stored = state.get((thing, name))
            if stored:
                return frozenset(stored)
            if name == "grad":
                return UNKNOWN
            return containers.carry(m, f, state, place, [frozenset((thing,))], name)
        case "tuple" if name in ("values", "indices") and state.get((thing, "[0]")):
            return frozenset(state.get((thing, "[0]" if name == "values" else "[1]"), NOTHING))
        case "wrapped" if name == "setter":
            return frozenset((m.thing("setter", None, (), "", thing),))
        case "const" | "number" | "text" | "none-test":
            return UNKNOWN
    return frozenset((m.thing("method", None, (), name, thing),))


def _tensor_attribute(
    m: Machine, f: Frame, state: State, thing: Thing, name: str, place: Place
) -> Value:
    if name == "grad":
        return read_gradient(m, f, state, thing, place)
    if name == "requires_grad":
        return {"yes": TRUE, "no": FALSE}.get(tracked(state, thing), UNKNOWN)
    if name in ("is_leaf", "shape", "device", "dtype", "grad_fn"):
        return UNKNOWN
    if name in _PLAIN_TENSOR_FACTS:
        return NUMBER
    row = tensor_method(name)
    if row is not None and row.attribute:
        return frozenset((derive(m, f, state, place, row, [thing]),))
    return frozenset((m.thing("method", None, (), name, thing),))


def _array_attribute(
    m: Machine, f: Frame, state: State, thing: Thing, name: str, place: Place
) -> Value:
    if name == "grad":
        made = state.get((thing, "#made"), frozenset())
        log(m, f, state, "array-grad", thing, place, others=made)
        return UNKNOWN
    row = array_method(name)
    if row is None or not row.attribute:
        return frozenset((m.thing("method", None, (), name, thing),))
    if row.returns == "array":
        return frozenset((make_array(m, f, state, place, row, [thing]),))
    return NUMBER if row.returns == "scalar" else UNKNOWN


def object_attribute(
    m: Machine, f: Frame, state: State, thing: Thing, name: str, place: Place
) -> Value:
    """Return an attribute of an instance or a class of the project, along its bases."""
    own = state.get((thing, name))
    if own and thing.kind == "instance":
        return frozenset(own)
    of_class = thing.data if thing.kind == "instance" else thing
    found, _owner = lookup_class(state, of_class, name)
    if not found:
        return UNKNOWN if thing.kind == "class" or name != "grad" else UNKNOWN
    return union(_bound(m, f, state, thing, t, place) for t in ordered(found))


def lookup_class(state: State, of_class: Thing, name: str) -> tuple[Value, Thing]:
    """Return a class attribute and the class that has it, nearest first."""
    for candidate in linear_bases(of_class):
        found = state.get((candidate, name))
        if found:
            return frozenset(found), candidate
    return NOTHING, of_class


def linear_bases(of_class: Thing) -> list[Thing]:
    """Return a class of the project and its bases in the project, nearest first."""
    found: dict[Thing, None] = {}
    pending = [of_class]
    while pending:
        cls = pending.pop(0)
        if cls in found or not isinstance(cls.data, Code):
            continue
        found[cls] = None
        pending.extend(b for value in cls.data.bases for b in of_kind(value, "class"))
    return list(found)


def external_bases(of_class: Thing) -> list[str]:
    """Return the names of the bases that are not of the project: "torch.nn.Module"."""
    return [
        t.name
        for cls in linear_bases(of_class)
        for value in cls.data.bases
        for t in of_kind(value, "external")
    ]


def _bound(m: Machine, f: Frame, state: State, owner: Thing, member: Thing, place: Place) -> Value:
    if member.kind == "wrapped":
        kind, inner = member.name, member.data
        if kind == "property" and owner.kind == "instance":
            return m.apply(m, f, state, Call(place, (Argument(frozenset((owner,)), place),)), inner)
        if kind == "classmethod":
            cls = owner.data if owner.kind == "instance" else owner
            return frozenset(m.thing("method", None, (), t.name, (cls, t)) for t in inner)
        return frozenset(inner)
    if member.kind == "function" and owner.kind == "instance":
        return frozenset((m.thing("method", None, (), member.name, (owner, member)),))
    return frozenset((member,))


def _super_attribute(m: Machine, f: Frame, state: State, thing: Thing, name: str) -> Value:
    owner, instance = thing.data
    for cls in linear_bases(owner)[1:]:
        found = state.get((cls, name))
        if found:
            return frozenset(
                m.thing("method", None, (), t.name, (instance, t)) if t.kind == "function" else t
                for t in ordered(found)
            )
    return frozenset((m.thing("method", None, (), name, thing),))


def _module_attribute(
    m: Machine, f: Frame, state: State, thing: Thing, name: str, place: Place
) -> Value:
    stored = state.get((thing, name))
    if stored:
        return frozenset(stored)
    if name in ("weight", "bias"):
        return frozenset((parameter_of(m, state, thing),))
    return frozenset((m.thing("method", None, (), name, thing),))


def set_attribute(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `value.name = new`."""
    owner, new = f.values(op)
    new = new if op.target == "grad" else consume(m, f, state, new, op.place)
    write_attribute(m, f, state, owner, op.target, new or UNKNOWN, op.place)


def write_attribute(
    m: Machine, f: Frame, state: State, owner: Value, name: str, new: Value, place: Place
) -> None:
    """Write an attribute of whatever a value may be."""
    strong = len(owner) == 1
    for thing in ordered(owner):
        if thing.kind == "tensor":
            _set_tensor_attribute(m, f, state, thing, name, new, place, strong)
        elif thing.kind in ("instance", "class", "file", "opaque", "module", "function"):
            if thing.name == "unknown" or _written_by_class(m, f, state, thing, name, new, place):
                continue
            if strong:
                state.set((thing, name), new)
            else:
                state.add((thing, name), new)
            state.add((thing, "#fields"), frozenset((name,)))


def _written_by_class(
    m: Machine, f: Frame, state: State, thing: Thing, name: str, new: Value, place: Place
) -> bool:
    """Let a property's setter or the class's own `__setattr__` write an attribute."""
    if thing.kind != "instance":
        return False
    me = Argument(frozenset((thing,)), place)
    member, _ = lookup_class(state, thing.data, name)
    for wrapped in of_kind(member, "wrapped"):
        setter = state.get((wrapped, "#setter"))
        if setter:
            m.apply(m, f, state, Call(place, (me, Argument(new, place))), frozenset(setter))
            return True
    hook, _ = lookup_class(state, thing.data, "__setattr__")
    running = any(frame.name.endswith(".__setattr__") for frame in m.stack)
    if hook and not running:
        given = (me, Argument(constant(name), place), Argument(new, place))
        m.apply(m, f, state, Call(place, given), hook)
        return True
    return False


def _set_tensor_attribute(
    m: Machine,
    f: Frame,
    state: State,
    thing: Thing,
    name: str,
    new: Value,
    place: Place,
    strong: bool,
) -> None:
    me = identity(thing)
    if name == "requires_grad":
        sure, value = known(new)
        if sure:
            grant(m, f, state, thing, place, on=bool(value), strong=strong, form="attribute")
        elif new:
            state.set((me, "#tracked"), "maybe")
            state.set((me, "#leaf"), "maybe")
    elif name == "grad":
        scaled = any(t.kind == "grad" or t.name == "gradient" for t in new)  # x.grad *= 0.5
        if not is_constant(new, None) and not scaled:
            state.set((me, "#manual"), True)
            m.graph.manual.add(me)
    elif name == "data":
        overwrite_arrays(state, me)


def get_item(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `value[key]`."""
    value, key = f.values(op)
    value = consume(m, f, state, value, op.place)
    found = each(m, f, state, value, lambda t, s: _item(m, f, s, t, key, op))
    f.registers[op.out] = found or UNKNOWN


def _item(m: Machine, f: Frame, state: State, thing: Thing, key: Value, op: Op) -> Value:
    match thing.kind:
        case "tensor":
            row = tensor_operator("[]")
            assert row is not None
            return frozenset((derive(m, f, state, op.place, row, [thing]),))
        case "array":
            return frozenset((array_item(m, f, state, thing, key, op),))
        case "list" | "tuple" | "dict":
            return containers.item(state, thing, key)
        case "external" | "const" | "number" | "text":
            return UNKNOWN
    return containers.carry(m, f, state, op.place, [frozenset((thing,))])


def set_item(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `value[key] = new`; of `value[key] += new` the change itself is done already."""
    owner, key, new = f.values(op)
    new = consume(m, f, state, new, op.place)
    strong = len(owner) == 1
    for thing in ordered(owner):
        if thing.kind == "tensor":
            inputs = of_kind(new, "tensor", "opaque", "module")
            write_in_place(m, f, state, thing, inputs, op.place, "[]=")
        elif thing.kind in ("array", "opaque"):
            write_array(m, f, state, thing, op.place)
            tensors = of_kind(new, "tensor")
            for tensor in tensors:
                log(m, f, state, "export", tensor, f.place_of(op.args[2]), detail="[]=")
            if thing.kind == "opaque":
                containers.escape(state, thing, [new])
        elif thing.kind in ("list", "dict"):
            containers.set_item(state, thing, key, new, strong)


def part(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute the unpacking of one element: `a, *b, c = value`."""
    value = f.registers[op.args[0]]
    found: list[Value] = []
    for thing in ordered(value):
        if thing.kind in ("list", "tuple"):
            found.append(containers.part(m, f, state, thing, op))
        elif thing.kind == "tensor":
            row = tensor_operator("[]")
            assert row is not None
            name = f"element {op.target}"
            found.append(frozenset((derive(m, f, state, op.place, row, [thing], name=name),)))
        elif thing.kind == "array":
            found.append(frozenset((make_part(m, f, state, thing, op),)))
        elif thing.kind == "dict":
            found.append(UNKNOWN)
        else:
            found.append(containers.carry(m, f, state, op.place, [frozenset((thing,))], op.target))
    f.registers[op.out] = union(found) or UNKNOWN


def make_part(m: Machine, f: Frame, state: State, thing: Thing, op: Op) -> Thing:
    """Return an element of an array that is unpacked."""
    return array_item(m, f, state, thing, UNKNOWN, op)


def call_method_if_any(
    m: Machine, f: Frame, state: State, op: Op, instance: Thing, name: str
) -> Value | None:
    """Call a method of an instance if its class, in the project, has it."""
    found, _ = lookup_class(state, instance.data, name)
    if not found:
        return None
    me = Argument(frozenset((instance,)), op.place)
    return m.apply(m, f, state, Call(op.place, (me,)), found)
