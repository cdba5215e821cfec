"""The functions of `operator`: operators as functions, and getters that are called later."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from fixgrad.flow import access, arithmetic, containers
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.gradients import consume
from fixgrad.flow.ir import Op
from fixgrad.flow.state import State
from fixgrad.flow.values import UNKNOWN, Value, known, union

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

Function: TypeAlias = Callable[["Machine", "Frame", State, Call], Value]

_BINARY = {
    "add": "+", "concat": "+", "floordiv": "//", "matmul": "@", "mod": "%", "mul": "*", "pow": "**",
    "sub": "-", "truediv": "/",
}  # fmt: skip


def _binary(target: str) -> Function:
    def compute(m: Machine, f: Frame, state: State, call: Call) -> Value:
        if len(call.arguments) != 2:
            return UNKNOWN
        left, right = (consume(m, f, state, a.value, a.place) for a in call.arguments)
        op = Op("binary", call.place, target=target)
        places = [a.place for a in call.arguments]
        return arithmetic.computed(m, f, state, op, left, right, places)

    return compute


def _getter(name: str) -> Function:
    """Return what makes a getter: the object that it is called with comes last."""

    def make(m: Machine, f: Frame, state: State, call: Call) -> Value:
        inner = m.thing("external", None, (), f"operator.{name}()")
        data = (frozenset((inner,)), call.arguments)
        return frozenset((m.thing("partial", None, f.path, "", data),))

    return make


def _parts(m: Machine, f: Frame, state: State, call: Call, found: list[Value]) -> Value:
    if len(found) == 1:
        return found[0]
    return frozenset((containers.make(m, f, state, call.place, "tuple", found),))


def _items(m: Machine, f: Frame, state: State, call: Call) -> Value:
    *keys, last = call.arguments or (Argument(UNKNOWN, call.place),)
    given = [Call(call.place, (key,)) for key in keys]
    found = [m.send(m, f, state, each, last.value, "__getitem__") for each in given]
    return _parts(m, f, state, call, found) if found else UNKNOWN


def _attributes(m: Machine, f: Frame, state: State, call: Call) -> Value:
    *names, last = call.arguments or (Argument(UNKNOWN, call.place),)
    found: list[Value] = []
    for name in names:
        sure, text = known(name.value)
        if not (sure and isinstance(text, str)):
            return m.unknown(m, f, state, call, [], "attrgetter")
        value = last.value
        for part in text.split("."):
            value = access.attribute(m, f, state, value, part, call.place)
        found.append(consume(m, f, state, value, call.place))
    return _parts(m, f, state, call, found) if found else UNKNOWN


def _method(m: Machine, f: Frame, state: State, call: Call) -> Value:
    if len(call.arguments) < 2:
        return UNKNOWN
    name, *given, last = call.arguments
    sure, text = known(name.value)
    if not (sure and isinstance(text, str)):
        return m.unknown(m, f, state, call, [], "methodcaller")
    keywords = [a for a in given if a.name]
    plain = [a for a in given if not a.name]
    inner = Call(call.place, (*plain, *keywords), receiver=last.place if call.written else None)
    return m.send(m, f, state, inner, last.value, text)


def _item(m: Machine, f: Frame, state: State, call: Call) -> Value:
    if len(call.arguments) != 2:
        return UNKNOWN
    holder, key = call.arguments
    return m.send(m, f, state, Call(call.place, (key,)), holder.value, "__getitem__")


def _vmap(m: Machine, f: Frame, state: State, call: Call) -> Value:
    inner = m.thing("external", None, (), "torch.vmap()")
    data = (frozenset((inner,)), call.arguments[:1])
    return frozenset((m.thing("partial", None, f.path, "", data),))


def _mapped(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Call what `torch.vmap` returns: the function gets the rows of each tensor."""
    function, *given = call.arguments or (Argument(UNKNOWN, call.place),)
    op = containers.element_op(call.place)
    rows = tuple(
        a._replace(value=containers.any_element(m, f, state, a.value, op))
        if any(t.kind == "tensor" for t in a.value)
        else a
        for a in given
    )
    found = m.apply(m, f, state, Call(call.place, rows), function.value)
    return union((found,)) or UNKNOWN


OPERATORS: dict[str, Function] = {
    **{f"operator.{name}": _binary(target) for name, target in _BINARY.items()},
    "operator.attrgetter": _getter("attrgetter"),
    "operator.attrgetter()": _attributes,
    "operator.getitem": _item,
    "operator.itemgetter": _getter("itemgetter"),
    "operator.itemgetter()": _items,
    "operator.methodcaller": _getter("methodcaller"),
    "operator.methodcaller()": _method,
    "torch.func.vmap": _vmap,
    "torch.vmap": _vmap,
    "torch.vmap()": _mapped,
}
