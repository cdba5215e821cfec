"""Python's own functions, as far as values flow through them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from fixgrad.flow import (
    access,
    classes,
    constants,
    container_changes,
    containers,
    importing,
    instances,
    iteration,
    kept_results,
    namespaces,
    reflection,
    sequences,
    texts,
)
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.arrays import arrays_in, read_array
from fixgrad.flow.failures import is_exception
from fixgrad.flow.failures import make as make_exception
from fixgrad.flow.gradients import consume, none_of_them, none_test, weigh_gradient
from fixgrad.flow.guards import holds_all, is_not_the_element
from fixgrad.flow.own_type import LOOKS_ONLY, looked_at
from fixgrad.flow.protocols import iterated, special
from fixgrad.flow.scalars import numbers_in, taken
from fixgrad.flow.state import State
from fixgrad.flow.tensors import derive, dtype, identity, log, one_of, use_values
from fixgrad.flow.type_tests import has_attribute, is_instance
from fixgrad.flow.values import (
    FALSE,
    NONE,
    NOTHING,
    NUMBER,
    REAL,
    TEXT,
    TRUE,
    UNKNOWN,
    WHOLE,
    Code,
    Site,
    Thing,
    Value,
    constant,
    known,
    of_kind,
    ordered,
    union,
)
from fixgrad.knowledge import dtype_class, tensor_operator

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

Handler: TypeAlias = Callable[["Machine", "Frame", State, Call, list[Value]], Value]


def call_builtin(m: Machine, f: Frame, state: State, call: Call, name: str) -> Value:
    """Call a builtin function or type."""
    if name == "isinstance":
        return is_instance(m, f, state, call)
    if name == "hasattr":
        return has_attribute(m, state, call)
    if name == "len":
        return _length(m, f, state, call)
    if name in LOOKS_ONLY:
        return looked_at(m, call, name)
    if name in ("getattr", "setattr"):
        return _by_name(m, f, state, call, name)
    if name == "super":
        return _super(m, f, state, call)
    if name == "__import__":
        return importing.import_builtin(m, f, state, call)
    if name == "bool" and call.arguments and of_kind(call.arguments[0].value, "grad"):
        weigh_gradient(m, f, state, call.arguments[0].value, call.place)
        return none_test(m, call.arguments[0].value, positive=True) or UNKNOWN
    values = [consume(m, f, state, a.value, a.place) for a in call.arguments]
    folded = constants.called(name, call, values)
    if folded is not None:
        return folded
    handler = _HANDLERS.get(name)
    if handler is not None:
        own = _own_method(m, f, state, call, name, values)
        if own is not None:
            return own
        values = [
            v if a.name not in ("", "*") else iterated(m, f, state, v, call.place)
            for a, v in zip(call.arguments, values, strict=True)
        ]
        return handler(m, f, state, call, values)
    if name in ("print", "str", "repr", "format", "float", "int", "bool", "complex"):
        _look_at(m, f, state, call, values)
        if name in ("float", "complex"):
            found = taken(m, f, state, call.place, values, name)
            return REAL if found == NUMBER and name == "float" else found
        if name == "str" and len(values) == 1:
            return texts.joined(values)
        if name in ("str", "repr", "format"):
            return TEXT
        return NONE if name == "print" else WHOLE if name == "int" else NUMBER
    if is_exception(name):
        return make_exception(m, f, state, call, name)
    if name in ("exit", "quit"):
        state.dead = True
        return UNKNOWN
    return m.unknown(m, f, state, call, [], name)


def _length(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Return how long a tuple is, which cannot change; of a list, others may put something into it."""
    values = [consume(m, f, state, a.value, a.place) for a in call.arguments]
    given = values[0] if values else UNKNOWN
    lengths = {state.get((t, "#length"), "maybe") if t.kind == "tuple" else "maybe" for t in given}
    length = lengths.pop() if len(lengths) == 1 else "maybe"
    counted = of_kind(given, "list", "tuple")
    if length != "maybe" or not counted or len(counted) != len(given):
        return WHOLE if length == "maybe" else constant(int(length))
    number = m.thing("number", Site(f.module.path, call.place), f.path, "", int)
    m.graph.counts[number] = frozenset(counted)
    return frozenset((number,))


_SPECIAL_METHODS = {"abs": "__abs__", "reversed": "__reversed__", "next": "__next__"}


def _own_method(
    m: Machine, f: Frame, state: State, call: Call, name: str, values: list[Value]
) -> Value | None:
    """Call the special method that the project's class has for a builtin function."""
    method = _SPECIAL_METHODS.get(name)
    if method is None or not values or not any(t.kind == "instance" for t in values[0]):
        return None
    instances = ordered(values[0])
    found = [
        special(m, f, state, call.place, t, method) if t.kind == "instance" else None
        for t in instances
    ]
    return union(v for v in found if v is not None) or None


def _look_at(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> None:
    for argument, value in zip(call.arguments, values, strict=True):
        use_values(m, f, state, of_kind(value, "tensor"), argument.place)
        for tensor in of_kind(value, "tensor"):
            log(m, f, state, "shown", tensor, argument.place)
        for array in arrays_in(state, value):
            read_array(m, f, state, array, argument.place)
        for instance in of_kind(value, "instance"):
            _describe(m, f, state, call, instance)


def _describe(m: Machine, f: Frame, state: State, call: Call, instance: Thing) -> None:
    """Let an instance write itself: `print(fit)` calls its `__str__` or `__repr__`."""
    for name in ("__str__", "__repr__"):
        found, _ = classes.lookup_class(state, instance.data, name)
        if found:
            me = Argument(frozenset((instance,)), call.place)
            m.apply(m, f, state, Call(call.place, (me,)), found)
            return


def _by_name(m: Machine, f: Frame, state: State, call: Call, name: str) -> Value:
    plain = call.positional()
    sure, attribute = known(plain[1].value) if len(plain) > 1 else (False, None)
    if plain and name == "getattr" and not sure:
        key = plain[1].value if len(plain) > 1 else UNKNOWN
        found = namespaces.any_field(m, state, plain[0].value, key)
        is_not_the_element(m, [t for t in map(identity, found) if t in m.graph.chosen])
        return found
    if name == "setattr" and len(plain) > 2 and not sure:
        new = consume(m, f, state, plain[2].value, plain[2].place)
        namespaces.set_computed(m, state, plain[0].value, plain[1].value, new)
        namespaces.call_setters(m, f, state, call, plain[0].value, plain[1].value, new)
    if not sure or not isinstance(attribute, str):
        return m.unknown(m, f, state, call, [], name)
    if name == "setattr" and len(plain) > 2:
        value = consume(m, f, state, plain[2].value, plain[2].place)
        access.write_attribute(m, f, state, plain[0].value, attribute, value, call.place)
        return NONE
    if attribute == "grad" and len(plain) > 2:
        return UNKNOWN  # it may be missing: `getattr(x, "grad", None)`
    found = access.attribute(m, f, state, plain[0].value, attribute, call.place)
    return found | (plain[2].value if len(plain) > 2 else NOTHING)


def _super(m: Machine, f: Frame, state: State, call: Call) -> Value:
    plain = call.positional()
    if len(plain) == 2:
        owners, instances = of_kind(plain[0].value, "class"), ordered(plain[1].value)
    else:
        instances = ordered(state.get((f.thing, _first_parameter(f)), NOTHING))
        owners = _class_of_method(m, f, instances)
    things = {
        m.thing("super", None, (), "", (owner, instance))
        for owner in owners
        for instance in instances
        if instance.kind in ("instance", "class")
    }
    return frozenset(things) or UNKNOWN


def _first_parameter(f: Frame) -> str:
    return f.function.parameters[0].name if f.function.parameters else ""


def _class_of_method(m: Machine, f: Frame, instances: list[Thing]) -> list[Thing]:
    """Return the class whose body defines the running method, by its qualified name."""
    name = f.function.name.rpartition(".")[0]
    found: list[Thing] = []
    for instance in instances:
        cls = instance.data if instance.kind == "instance" else instance
        if not isinstance(cls, Thing) or not isinstance(cls.data, Code):
            continue
        for base in classes.linear_bases(cls):
            if base.name == name and base.data.module.path == f.module.path:
                found.append(base)
    return found


def _sequence(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    op = containers.element_op(call.place)
    if not values:
        return frozenset((containers.make(m, f, state, call.place, "list", []),))
    items = containers.elements(m, f, state, values[0], op)
    anything = containers.any_element(m, f, state, values[0], op)
    made = containers.make(m, f, state, call.place, "list", items, anything)
    sequences.begin_like(state, made, values[0])
    holds_all(m, state, made, values[:1])
    return frozenset((made,))


def _dict(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    thing = containers.make(m, f, state, call.place, "dict", [])
    state.set((thing, "#closed"), True)
    for argument, value in zip(call.arguments, values, strict=True):
        if argument.name and argument.name != "**":
            containers.set_item(state, thing, constant(argument.name), value, True)
            continue
        container_changes.update(m, f, state, call.place, thing, value)
    return frozenset((thing,))


def _new_object(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    made = [
        instances.bare(m, f, state, call.place, t) for v in values[:1] for t in of_kind(v, "class")
    ]
    return frozenset(made) or UNKNOWN


def _wrapped(kind: str) -> Handler:
    """Return what makes a member of a class of a function: `convert = staticmethod(torch.tensor)`."""

    def wrap(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
        if not values:
            return UNKNOWN
        made = m.thing("wrapped", Site(f.module.path, call.place), f.path, kind, values[0])
        setter = call.get(1, "fset") if kind == "property" else None
        if setter is not None:
            state.set((made, "#setter"), setter.value)
        return frozenset((made,))

    return wrap


def _map(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    op = containers.element_op(call.place)
    if len(values) < 2:
        return UNKNOWN
    listed = containers.elements(m, f, state, values[1], op) if len(values) == 2 else None
    if listed is None and call.parts and len(values) == 2:
        listed = [containers.any_element(m, f, state, values[1], op)] * call.parts
    if listed is not None and len(listed) <= containers.MOST_ITEMS:
        results = _map_each(m, f, state, call, values[0], listed)
        return frozenset((containers.make(m, f, state, call.place, "list", results),))
    given = tuple(
        Argument(containers.any_element(m, f, state, v, op), a.place)
        for v, a in zip(values[1:], call.arguments[1:], strict=True)
    )
    found = m.apply(m, f, state, Call(call.place, given), values[0])
    return frozenset((containers.make(m, f, state, call.place, "list", None, found),))


def _map_each(
    m: Machine, f: Frame, state: State, call: Call, function: Value, listed: list[Value]
) -> list[Value]:
    results: list[Value] = []
    calls = f.path
    for number, value in enumerate(listed):
        f.path = (*calls, Site(f.module.path, (*call.place[:3], number)))
        given = Call(call.place, (Argument(value, call.arguments[1].place),))
        results.append(m.apply(m, f, state, given, function))
    f.path = calls
    return results


def _range(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    bounds = values[1:] if len(values) == 2 and known(values[0]) == (True, 0) else values
    counted = len(bounds) == 1 and all(t in m.graph.counts for t in bounds[0])
    return sequences.numbers_from(m, f, call.place, values) or (bounds[0] if counted else WHOLE)


def _any(
    m: Machine, f: Frame, state: State, call: Call, values: list[Value], *, every: bool = False
) -> Value:
    if not values:
        return UNKNOWN
    op = containers.element_op(call.place)
    listed = containers.elements(m, f, state, values[0], op)
    each = [containers.any_element(m, f, state, values[0], op)] if listed is None else listed
    of_gradients = none_of_them(m, each, positive=every)
    if of_gradients is not None:
        return of_gradients
    if listed is None or every:
        return UNKNOWN
    outcomes = [known(value) for value in listed]
    if any(sure and outcome for sure, outcome in outcomes):
        return TRUE
    return FALSE if all(sure for sure, _ in outcomes) else UNKNOWN


def _choose(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    """max, min: of several tensors one of them, else an element of the one that is given."""
    key, otherwise = call.keyword("key"), call.keyword("default")
    named = zip(call.arguments, values, strict=True)
    values = [v for a, v in named if a.name not in ("key", "default")]
    if len(values) == 1 and of_kind(values[0], *containers.CONTAINERS):
        op = containers.element_op(call.place)
        values = [containers.any_element(m, f, state, values[0], op)]
    elif len(values) < 2 and key is None:
        return _reduce(m, f, state, call, values)
    if key is not None and values:
        m.callbacks(m, f, state, call, [key], (union(values),))
    values += [otherwise] if otherwise is not None else []
    tensors = of_kind(union(values), "tensor")
    if tensors and len(tensors) == len(containers.reachable(state, values)):
        return frozenset((one_of(m, f, state, call.place, tensors),))
    if of_kind(union(values), *_COMPARED_WHOLE):
        return union(values)
    return _reduce(m, f, state, call, values)


_COMPARED_WHOLE = ("list", "tuple", "instance")  # one of them is the result, as it is


def _reduce(m: Machine, f: Frame, state: State, call: Call, values: list[Value]) -> Value:
    """sum, abs, round, pow of tensors: an operation on all of them."""
    if len(values) == 2 and of_kind(values[1], "list", "tuple"):  # `sum(lists, [])`
        return sequences.summed(m, f, state, containers.element_op(call.place), values[0])
    inputs = [t for v in values for t in containers.reachable(state, [v])]
    unknown = any(t.kind in _OPEN for v in values for t in containers.with_elements(state, v))
    if not inputs:
        arrays = [t for v in values for t in arrays_in(state, v)]
        arrays = [t for t in arrays if dtype_class(dtype(state, t)) != "complex"]
        numbers = [t for v in values for t in numbers_in(state, v)]
        return frozenset((*arrays, *numbers, *(UNKNOWN if unknown else ()))) or NUMBER
    row = tensor_operator("+")
    assert row is not None
    op = containers.element_op(call.place)
    listed = any(of_kind(v, *containers.CONTAINERS) for v in values)
    each = containers.elements(m, f, state, values[0], op) if listed else values
    operands = [containers.reachable(state, [v]) for v in each] if each is not None else None
    made = derive(m, f, state, call.place, row, inputs, operands=operands)
    kept_results.note_taken(m, state, made, call.arguments)
    if dtype_class(dtype(state, made)) != "float":
        state.set((made, "#dtype"), "unknown")
    if unknown:
        m.graph.impure.add(made)
    return frozenset((made,))


_OPEN = ("opaque", "instance", "method", "partial")  # may be or hold unknown tensors
_HANDLERS: dict[str, Handler] = {
    **iteration.HANDLERS,
    **reflection.HANDLERS,
    "list": _sequence,
    "tuple": _sequence,
    "set": _sequence,
    "frozenset": _sequence,
    "classmethod": _wrapped("classmethod"),
    "property": _wrapped("property"),
    "staticmethod": _wrapped("staticmethod"),
    "dict": _dict,
    "object.__new__": _new_object,
    "map": _map,
    "range": _range,
    "all": partial(_any, every=True),
    "any": _any,
    "sum": _reduce,
    "max": _choose,
    "min": _choose,
    "abs": _reduce,
    "pow": _reduce,
}
