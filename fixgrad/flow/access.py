"""Reads and writes of attributes, of whatever a value may be."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from fixgrad.flow import containers, enumerations, namespaces, submodules, tensor_attributes
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.arrays import make_array
from fixgrad.flow.classes import linear_bases, lookup_class
from fixgrad.flow.gradients import consume
from fixgrad.flow.ir import Op, Place
from fixgrad.flow.modules import parameter_of
from fixgrad.flow.protocols import special
from fixgrad.flow.stars import module_attribute
from fixgrad.flow.state import State
from fixgrad.flow.tensors import (
    dtype,
    identity,
    log,
)
from fixgrad.flow.values import (
    FALSE,
    NONE,
    NOTHING,
    NUMBER,
    UNKNOWN,
    Member,
    Site,
    Thing,
    Value,
    constant,
    having,
    of_kind,
    ordered,
    union,
)
from fixgrad.knowledge import (
    array_method,
)

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_PLAIN_OF_ANYTHING = {"shape", "ndim", "dtype", "device", "is_leaf", "is_cuda", "grad_fn"}


def _stands_for_a_tensor(state: State, thing: Thing) -> bool:
    """Say whether something is what a call made of tensors, and not an object of some library's class."""
    word, _, callee = thing.name.partition(" ")
    made_by_a_class = callee.rpartition(".")[2][:1].isupper()
    return word == "result" and not made_by_a_class and bool(state.get((thing, "#inputs")))


def get_attribute(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `value.name`."""
    value = f.registers[op.args[0]]
    if op.target == "grad":
        m.own_variable = _is_own_variable(f, op.args[0])
        _note_beside(m, f, state, op)
    f.registers[op.out] = attribute(m, f, state, value, op.target, op.place)
    if len(value) == 1:
        (thing,) = value
        if thing.kind == "instance":
            f.members[op.out] = thing, op.target
    owner = f.names.get(op.args[0]) or f.attributes.get(op.args[0], "%")
    if owner[0] != "%":
        f.attributes[op.out] = f"{owner}.{op.target}"


def _note_beside(m: Machine, f: Frame, state: State, op: Op) -> None:
    """Note how the tensors are written that an object keeps beside what `.grad` is read of: `self.array.grad`."""
    member, written = f.members.get(op.args[0]), f.attributes.get(op.args[0])
    if member is None or written is None or not of_kind(f.registers[op.args[0]], "array"):
        return
    instance, site = member[0], Site(f.module.path, op.place)
    for name in sorted(state.get((instance, "#fields"), ())):
        value = state.get((instance, name), NOTHING)
        if len(value) == 1 and of_kind(value, "tensor"):
            (tensor,) = value
            spelled = f"{written.rpartition('.')[0]}.{name}"
            m.graph.kept_beside.setdefault((site, f.path, identity(tensor)), spelled)


def _is_own_variable(f: Frame, register: int) -> bool:
    """Say whether a value was read from a variable that the function itself gave one meaning."""
    name = f.names.get(register, "%")
    passed = any(p.name == name for p in f.function.parameters)
    return not (passed or name.startswith("%") or name in f.loop_variables)


def attribute(m: Machine, f: Frame, state: State, value: Value, name: str, place: Place) -> Value:
    """Return an attribute of whatever a value may be."""
    value = consume(m, f, state, value, place)
    if len(value) == 1:
        (thing,) = value
        return _attribute(m, f, state, thing, name, place) or UNKNOWN
    things = frozenset(having(value, name))
    return each(m, f, state, things, lambda t, s: _attribute(m, f, s, t, name, place)) or UNKNOWN


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
        m.branch(f, state, [partial(take, t) for t in ordered(value)])
        m.alternatives -= 1
    return union(found)


def _attribute(m: Machine, f: Frame, state: State, thing: Thing, name: str, place: Place) -> Value:
    match thing.kind:
        case "external":
            if name == "TYPE_CHECKING":
                return FALSE
            kept = state.get((thing, name))
            return kept or frozenset((m.thing("external", None, (), f"{thing.name}.{name}"),))
        case "file":
            found = module_attribute(m, state, thing, name)
            if found:
                return found
            inner = m.submodule(thing, name)
            return frozenset((inner,)) if inner is not None else UNKNOWN
        case "tensor":
            return tensor_attributes.read(m, f, state, thing, name, place)
        case "array":
            return _array_attribute(m, f, state, thing, name, place)
        case "function":
            return _function_attribute(m, state, thing, name)
        case "instance" | "class":
            return object_attribute(m, f, state, thing, name, place)
        case "module":
            return _module_attribute(m, f, state, thing, name, place)
        case "super":
            return _super_attribute(m, f, state, thing, name, place)
        case "opaque":
            stored = state.get((thing, name))
            if stored:
                return frozenset(stored)
            if name == "__dict__" and namespaces.is_record(thing):
                return namespaces.namespace(m, f, state, [thing], place)
            if name == "_fields" and namespaces.is_record(thing):
                names = [constant(field) for field in state.get((thing, "#declared"), ())]
                return frozenset((containers.make(m, f, state, place, "tuple", names),))
            if name == "grad" or name in _PLAIN_OF_ANYTHING:
                return NUMBER if name == "shape" else UNKNOWN
            if name == "data" and _stands_for_a_tensor(state, thing):
                return tensor_attributes.read(m, f, state, thing, name, place)
            return containers.carry(m, f, state, place, [frozenset((thing,))], name)
        case "optimizer" if name == "param_groups":
            return _param_groups(m, f, state, thing, place)
        case "tuple" if name in ("values", "indices") and state.get((thing, "[0]")):
            return frozenset(state.get((thing, "[0]" if name == "values" else "[1]"), NOTHING))
        case "wrapped" if name in ("setter", "getter", "deleter"):
            return frozenset((m.thing("setter", None, (), name, thing),))
        case "const":
            return _constant_attribute(m, f, state, thing, name, place)
        case "number" | "text" | "none-test" | "dtype" | "device":
            return UNKNOWN
    return frozenset((m.thing("method", None, (), name, thing),))


def _constant_attribute(
    m: Machine, f: Frame, state: State, thing: Thing, name: str, place: Place
) -> Value:
    found = enumerations.attribute(m, state, thing, name)
    if found or not isinstance(thing.data, Member):
        return found or UNKNOWN
    members, _ = lookup_class(state, thing.data.cls, name)
    return union(_bound(m, f, state, thing, t, place) for t in ordered(members)) or UNKNOWN


def _param_groups(m: Machine, f: Frame, state: State, thing: Thing, place: Place) -> Value:
    params = frozenset(state.get((thing, "#params"), NOTHING))
    listed = containers.make(m, f, state, place, "list", None, params, "params")
    group = containers.make(m, f, state, place, "dict", [], name="group")
    containers.set_item(state, group, constant("params"), frozenset((listed,)), True)
    whole = containers.make(m, f, state, place, "list", None, frozenset((group,)), "groups")
    return frozenset((whole,))


def _array_attribute(
    m: Machine, f: Frame, state: State, thing: Thing, name: str, place: Place
) -> Value:
    if name == "grad":
        made = state.get((thing, "#made"), frozenset())
        log(m, f, state, "array-grad", thing, place, others=made)
        return UNKNOWN
    if name == "dtype":
        return frozenset((m.thing("dtype", None, (), dtype(state, thing)),))
    row = array_method(name)
    if row is None or not row.attribute:
        return frozenset((m.thing("method", None, (), name, thing),))
    if row.returns == "array":
        return frozenset((make_array(m, f, state, place, row, [thing]),))
    return NUMBER if row.returns == "scalar" or name == "shape" else UNKNOWN


def object_attribute(
    m: Machine, f: Frame, state: State, thing: Thing, name: str, place: Place
) -> Value:
    """Return an attribute of an instance or a class of the project, along its bases."""
    own = state.get((thing, name))
    if own and thing.kind == "instance":
        return frozenset(own)
    of_class = thing.data if thing.kind == "instance" else thing
    found, _owner = lookup_class(state, of_class, name)
    if not found and thing.kind == "instance":
        if name == "data" and state.get((thing, "#items")):  # of a UserDict or a UserList
            return frozenset(state.get((thing, "#items"), NOTHING))
        if name == "__dict__":
            return namespaces.namespace(m, f, state, [thing], place)
        if name == "__class__":
            return frozenset((of_class,))
        if name == "_modules" and submodules.is_module(thing):
            return submodules.by_name(m, f, state, thing, place)
        return namespaces.computed(m, state, thing) or _by_hook(m, f, state, thing, name, place)
    if not found:
        if name == "__members__":
            return enumerations.as_dict(m, f, state, thing, place)
        return constant(thing.name) if name == "__name__" and thing.kind == "class" else UNKNOWN
    if thing.kind == "class":
        found = enumerations.member(m, state, thing, name, found)
    if len(found) == 1 and not _is_cached(member := next(iter(found))):
        return _bound(m, f, state, thing, member, place)
    value = union(_bound(m, f, state, thing, t, place) for t in ordered(found))
    if any(map(_is_cached, found)):
        state.set((thing, name), value)
        state.add((thing, "#fields"), frozenset((name,)))
    return value


def _is_cached(member: Thing) -> bool:
    return member.kind == "wrapped" and member.name == "cached"


def _by_hook(m: Machine, f: Frame, state: State, thing: Thing, name: str, place: Place) -> Value:
    """Let the class's own `__getattr__` find an attribute."""
    hook, _ = lookup_class(state, thing.data, "__getattr__")
    running = any(frame.name.endswith(".__getattr__") for frame in m.stack)
    if running or not of_kind(hook, "function"):
        return UNKNOWN
    given = (Argument(frozenset((thing,)), place), Argument(constant(name), place))
    return m.apply(m, f, state, Call(place, given), hook)


def _bound(m: Machine, f: Frame, state: State, owner: Thing, member: Thing, place: Place) -> Value:
    cls = enumerations.class_of(owner)
    if member.kind == "wrapped":
        kind, inner = member.name, member.data
        if kind in ("property", "cached") and cls is not owner:
            return m.apply(m, f, state, Call(place, (Argument(frozenset((owner,)), place),)), inner)
        if kind == "property":
            return frozenset((member,))  # for its `setter`
        if kind == "partialmethod":
            each = [t.data for t in ordered(inner)]
            bound = [(union(_bound(m, f, state, owner, t, place) for t in v), a) for v, a in each]
            return frozenset(m.thing("partial", None, f.path, "", data) for data in bound)
        if kind == "classmethod":
            return frozenset(m.thing("method", None, (), t.name, (cls, t)) for t in inner)
        return frozenset(inner)
    if member.kind == "function" and cls is not owner:
        return frozenset((m.thing("method", None, (), member.name, (owner, member)),))
    if member.kind == "instance":
        given = (NONE if cls is owner else frozenset((owner,)), frozenset((cls,)))
        own = special(m, f, state, place, member, "__get__", given)
        return own if own is not None else frozenset((member,))
    return frozenset((member,))


def _function_attribute(m: Machine, state: State, thing: Thing, name: str) -> Value:
    stored = state.get((thing, name))
    if stored:
        return frozenset(stored)
    return constant(thing.name.partition("@")[0]) if name == "__name__" else UNKNOWN


def _super_attribute(
    m: Machine, f: Frame, state: State, thing: Thing, name: str, place: Place
) -> Value:
    owner, instance = thing.data
    for cls in linear_bases(owner)[1:]:
        found = state.get((cls, name))
        if found and any(t.kind == "wrapped" for t in found):
            return union(_bound(m, f, state, instance, t, place) for t in ordered(found))
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
    owner = consume(m, f, state, owner, op.place)
    new = new if op.target == "grad" else consume(m, f, state, new, op.place)
    write_attribute(m, f, state, owner, op.target, new or UNKNOWN, op.place)


def write_attribute(
    m: Machine, f: Frame, state: State, owner: Value, name: str, new: Value, place: Place
) -> None:
    """Write an attribute of whatever a value may be."""
    strong = len(owner) == 1
    m.graph.held.update(map(identity, of_kind(new, "tensor")))
    for thing in ordered(owner):
        if thing.kind == "tensor":
            tensor_attributes.write(m, f, state, thing, name, new, place, strong)
        elif thing.kind == "array" and name == "requires_grad":
            m.alternatives += not strong
            log(m, f, state, "array-flag", thing, place, detail="attribute")
            m.alternatives -= not strong
        elif thing.kind in ("instance", "class", "file", "opaque", "module", "function"):
            if thing.name == "unknown" or _written_by_class(m, f, state, thing, name, new, place):
                continue
            if submodules.refuses(state, thing, name, new):
                continue  # the program ends here
            if strong:
                state.set((thing, name), new)
            else:
                state.add((thing, name), new)
            if thing.kind == "file":
                m.named_in.setdefault(thing, {})[name] = None
            else:
                state.add((thing, "#fields"), frozenset((name,)))
            if thing.kind == "instance":
                m.conditions.bound_at[thing, name] = m.executed
                _keep(m, thing, name, new)
        elif thing.kind == "external" and containers.reachable(state, [new]):
            state.add((thing, name), new)


def delete_attribute(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `del owner.name`."""
    owner = f.registers[op.args[0]]
    for thing in owner if len(owner) == 1 else ():
        if thing.kind != "instance" and not namespaces.is_record(thing):
            continue
        state.set((thing, op.target), NOTHING)
        fields: frozenset[str] = state.get((thing, "#fields"), frozenset())
        state.set((thing, "#fields"), fields - {op.target})
        m.conditions.bound_at[thing, op.target] = m.executed


def _keep(m: Machine, instance: Thing, name: str, new: Value) -> None:
    """Note that an instance of a class, and so of its bases, keeps a tensor under a name."""
    classes = [(c.data.module.path, c.data.function.place) for c in linear_bases(instance.data)]
    for tensor in of_kind(new, "tensor"):
        m.graph.kept.setdefault(identity(tensor), set()).update(classes)
        m.graph.kept_as.setdefault(identity(tensor), set()).add(name)


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
    for descriptor in of_kind(member, "instance"):
        given = (frozenset((thing,)), new)
        if special(m, f, state, place, descriptor, "__set__", given) is not None:
            return True
    hook, _ = lookup_class(state, thing.data, "__setattr__")
    running = any(frame.name.endswith(".__setattr__") for frame in m.stack)
    if hook and not running:
        key = Argument(constant(name), place)
        m.apply(m, f, state, Call(place, (me, key, Argument(new, place))), hook)
        return True
    return False
