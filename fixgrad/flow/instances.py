"""Construction of the project's classes and records, and calls of their instances."""

from __future__ import annotations

from fixgrad.flow import access, classes, containers, enumerations
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.failures import fill, is_raised
from fixgrad.flow.ir import Place
from fixgrad.flow.machine import Frame, Machine
from fixgrad.flow.optimizers import demand_parameters
from fixgrad.flow.protocols import special
from fixgrad.flow.state import State
from fixgrad.flow.values import (
    NOTHING,
    UNKNOWN,
    Site,
    Thing,
    Value,
    constant,
    of_kind,
    ordered,
)

_CONTAINER_BASES = {
    "builtins.list": "builtins.list", "builtins.dict": "builtins.dict", "builtins.tuple": "builtins.list",
    "collections.OrderedDict": "builtins.dict", "collections.UserDict": "builtins.dict",
    "collections.UserList": "builtins.list", "collections.deque": "collections.deque",
    "collections.defaultdict": "collections.defaultdict", "typing.TypedDict": "builtins.dict",
    "typing_extensions.TypedDict": "builtins.dict",
}  # fmt: skip


def instantiate(m: Machine, f: Frame, state: State, call: Call, cls: Thing) -> Value:
    """Construct an instance of a class of the project, or return the member that is asked for by its value."""
    if call.arguments and enumerations.is_enumeration(cls):
        return enumerations.of_value(m, state, cls, call.arguments[0].value)
    site = Site(f.module.path, call.place)
    if site not in m.graph.roots:
        m.graph.called_here.add(Site(cls.data.module.path, cls.data.function.place))
    made = _made_by_new(m, f, state, call, cls)
    if made and all(t.kind in ("tensor", "array") for t in made):
        return made
    things = [t for t in ordered(made) if t.kind == "instance" and t.data is cls]
    things = things or [bare(m, f, state, call.place, cls)]
    for thing in things:
        _initialise(m, f, state, call, cls, thing)
    return frozenset(things)


def _initialise(m: Machine, f: Frame, state: State, call: Call, cls: Thing, thing: Thing) -> None:
    found, _ = classes.lookup_class(state, cls, "__init__")
    me = frozenset((thing,))
    if found:
        fill_items(m, f, state, call._replace(arguments=()), thing)
        m.apply(m, f, state, call.with_first(Argument(me, call.place)), found)
    elif any(b.startswith("torch.optim.") for b in classes.external_bases(cls)):
        demand_parameters(m, f, state, call, "torch.optim.Optimizer")
    elif is_raised(cls):
        fill(m, f, state, call, thing)
    elif not fill_items(m, f, state, call, thing):
        _fill_declared_fields(m, f, state, call, cls, me)
        _list_fields(m, f, state, call, thing)


def announce_class(
    m: Machine, f: Frame, state: State, place: Place, cls: Thing, keywords: list[tuple[str, Value]]
) -> None:
    """Tell a new class to what hears of it: its descriptors, and its bases' `__init_subclass__`."""
    me = frozenset((cls,))
    for name, value in _class_fields(state, cls):
        for member in of_kind(value, "instance"):
            special(m, f, state, place, member, "__set_name__", (me, constant(name)))
    for base in classes.linear_bases(cls)[1:]:
        for hook in of_kind(state.get((base, "__init_subclass__"), NOTHING), "function"):
            given = (Argument(value, place, name) for name, value in keywords)
            call = Call(place, (Argument(me, place), *given))
            m.apply(m, f, state, call, frozenset((hook,)))
            return


def _made_by_new(m: Machine, f: Frame, state: State, call: Call, cls: Thing) -> Value:
    """Return what the class's own `__new__` gives, or nothing where it has none."""
    found, _ = classes.lookup_class(state, cls, "__new__")
    functions = frozenset(t for t in found if t.kind == "function")
    if not functions:
        return NOTHING
    me = Argument(frozenset((cls,)), call.place)
    return m.apply(m, f, state, call.with_first(me), functions)


def bare(m: Machine, f: Frame, state: State, place: Place, cls: Thing) -> Thing:
    """Return a new instance without attributes, as `object.__new__` makes it."""
    thing = m.thing("instance", Site(f.module.path, place), f.path, cls.name, cls)
    for field in state.get((thing, "#fields"), frozenset()):
        state.set((thing, field), NOTHING)
    state.set((thing, "#fields"), frozenset())
    return thing


def fill_items(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> bool:
    """Let an instance of a subclass of list or dict hold what the base's constructor makes."""
    bases = [b for b in classes.external_bases(thing.data) if b in _CONTAINER_BASES]
    for name in bases:
        base = frozenset((m.thing("external", None, (), _CONTAINER_BASES[name]),))
        state.set((thing, "#items"), m.apply(m, f, state, call, base))
    return bool(bases)


def declared_fields(
    m: Machine, f: Frame, state: State, place: Place, owner: Thing
) -> list[tuple[str, Value]]:
    """Return what `dataclasses.fields` tells of a dataclass or an instance of one: by name, an object that has it."""
    found: list[tuple[str, Value]] = []
    for name in classes.declared(state, owner.data if owner.kind == "instance" else owner):
        field = m.thing("opaque", Site(f.module.path, place), f.path, f"field {name}")
        state.set((field, "name"), constant(name))
        found.append((name, frozenset((field,))))
    return found


def _list_fields(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> None:
    """Let the fields of a named tuple be its items."""
    if thing.kind == "opaque":
        names = list(state.get((thing, "#declared"), ()))
    elif any(b.endswith(".NamedTuple") for b in classes.external_bases(thing.data)):
        functions = [n for n, v in _class_fields(state, thing.data) if of_kind(v, "function")]
        names = [n for n in classes.declared(state, thing.data) if n not in functions]
    else:
        return
    values = [frozenset(state.get((thing, name), NOTHING)) or UNKNOWN for name in names]
    items = containers.make(m, f, state, call.place, "tuple", values, name=f"fields {thing.name}")
    state.set((thing, "#items"), frozenset((items,)))


def _class_fields(state: State, cls: Thing) -> list[tuple[str, Value]]:
    names = sorted(state.get((cls, "#fields"), frozenset()))
    return [(name, frozenset(state.get((cls, name), NOTHING))) for name in names]


def replaced(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> Value:
    """Return a copy of a record with other fields: `_replace()`, `dataclasses.replace()`."""
    made = m.thing(thing.kind, Site(f.module.path, call.place), f.path, thing.name, thing.data)
    fields = state.get((thing, "#fields"), frozenset())
    for field in (*sorted(fields), "#fields", "#declared", "#inputs"):
        content = state.get((thing, field))
        if content is not None:
            state.set((made, field), content)
    for argument in call.arguments:
        if argument.name not in ("", "*", "**"):
            state.set((made, argument.name), argument.value)
            state.add((made, "#fields"), frozenset((argument.name,)))
    _list_fields(m, f, state, call, made)
    return frozenset((made,))


def _fill_declared_fields(
    m: Machine, f: Frame, state: State, call: Call, cls: Thing, me: Value
) -> None:
    """Bind the arguments of a dataclass or a NamedTuple to its fields, in the order declared."""
    bases = classes.linear_bases(cls)
    makes = not m.graph.with_factories.isdisjoint(base.data.module.path for base in bases)
    declared = classes.declared(state, cls) if call.arguments or makes else []
    queue, given = iter(declared), {}
    for argument in call.arguments:
        name = argument.name or next(queue, "")
        name = f"_{name}" if name not in declared and f"_{name}" in declared else name
        if name and name not in ("*", "**"):
            given[name] = argument.value
    calls = f.path
    for number, name in enumerate(dict.fromkeys((*(declared if makes else ()), *given))):
        f.path = (*calls, Site(f.module.path, (*call.place[:3], number))) if makes else calls
        value = _field_value(m, f, state, call, cls, name, given.get(name), makes)
        f.path = calls
        if value is not None:
            access.write_attribute(m, f, state, me, name, value, call.place)
    for hook in ("__post_init__", "__attrs_post_init__"):
        found, _ = classes.lookup_class(state, cls, hook)
        if found:
            m.apply(m, f, state, Call(call.place, (Argument(me, call.place),)), found)


def _field_value(
    m: Machine,
    f: Frame,
    state: State,
    call: Call,
    cls: Thing,
    name: str,
    given: Value | None,
    makes: bool,
) -> Value | None:
    """Return what a field holds, or None where the class has it: what is given, or made, and converted."""
    declared = classes.lookup_class(state, cls, name)[0] if makes else NOTHING
    value = given
    for factory in of_kind(declared, "factory") if given is None else ():
        value = m.apply(m, f, state, Call(call.place), factory.data)
    for converter in of_kind(declared, "converter"):
        plain = frozenset(t for t in declared if t.kind not in ("factory", "converter"))
        argument = Argument(plain if value is None else value, call.place)
        value = m.apply(m, f, state, Call(call.place, (argument,)), converter.data)
    return value


def make_record(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> Value:
    """Construct a named tuple or a namespace: a bag of fields."""
    made = m.thing("opaque", Site(f.module.path, call.place), f.path, f"record {thing.name}", thing)
    names = list(thing.data)
    for argument in call.arguments:
        op, given = containers.element_op(call.place), argument.value
        listed = containers.elements(m, f, state, given, op) if argument.name == "*" else [given]
        for value in listed or []:
            name = argument.name.strip("*") or (names.pop(0) if names else "")
            if name and argument.name != "**":
                state.set((made, name), value)
                state.add((made, "#fields"), frozenset((name,)))
    state.set((made, "#inputs"), frozenset())
    if thing.name == "named":
        state.set((made, "#declared"), tuple(thing.data))
        _list_fields(m, f, state, call, made)
    return frozenset((made,))


def call_instance(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> Value:
    me = Argument(frozenset((thing,)), call.place)
    if any(
        base.startswith("torch.autograd.Function") for base in classes.external_bases(thing.data)
    ):
        return m.unknown(
            m, f, state, call, [], "function"
        )  # it runs unrecorded, its backward counts
    for name in ("__call__", "forward"):
        found, _ = classes.lookup_class(state, thing.data, name)
        if found:
            return m.apply(m, f, state, call.with_first(me), found)
    return m.unknown(m, f, state, call, [thing], "")
