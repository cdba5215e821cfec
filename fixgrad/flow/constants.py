"""Computes with Python constants: comparisons, arithmetic, membership, methods of text.

What a program decides by constants (`if name.startswith("w_")`) has one outcome, and one branch is followed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fixgrad.flow import containers, texts
from fixgrad.flow.arguments import Call
from fixgrad.flow.gradients import consume
from fixgrad.flow.ir import Op
from fixgrad.flow.state import State
from fixgrad.flow.values import (
    FALSE,
    NOTHING,
    NUMBER,
    REAL,
    TEXT,
    TRUE,
    UNKNOWN,
    WHOLE,
    Thing,
    Value,
    constant,
    known,
    of_kind,
)

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "%": operator.mod, "//": operator.floordiv,
    "/": operator.truediv, "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_SAMENESS = {"==": True, "is": True, "!=": False, "is not": False}
_ORDERS = ("<", "<=", ">", ">=")
_TEXT_TESTS = ("startswith", "endswith", "isdigit", "isupper", "islower", "isidentifier")
_TEXT_CHANGES = (
    "lower", "upper", "strip", "lstrip", "rstrip", "title", "capitalize", "replace", "removeprefix",
    "removesuffix", "casefold",
)  # fmt: skip
_LONGEST = 1_000  # characters of a text that is computed


def is_comparison(target: str) -> bool:
    """Say whether an operator compares what it is given by value."""
    return target in _ORDERS or target in _SAMENESS


def computed(target: str, left: Value, right: Value) -> Value:
    """Return what an operator makes of two constants."""
    (first, a), (second, b) = known(left), known(right)
    function = _FUNCTIONS.get(target)
    numbers = isinstance(a, int | float | complex) and isinstance(b, int | float | complex)
    if first and second and function is not None and numbers:
        try:
            return constant(function(a, b))
        except (ArithmeticError, ValueError, TypeError):
            return NUMBER
    if first and second and target == "+" and isinstance(a, str) and isinstance(b, str):
        return constant(a + b) if len(a + b) <= _LONGEST else TEXT
    if isinstance(a, str) and target == "%":
        return texts.filled(a, [right], "%")
    return TEXT if isinstance(a, str) and target in ("+", "*") else NUMBER


def _to_whole(number: float) -> int:
    return round(number)  # to given digits it may take for ever: `round(5, -10**9)`


_FOLDED: dict[str, Callable[..., object]] = {
    "float": float, "int": int, "bool": bool, "complex": complex, "abs": abs, "round": _to_whole,
    "min": min, "max": max,
}  # fmt: skip


def called(name: str, call: Call, values: list[Value]) -> Value | None:
    """Return what a function of Python's makes of constants, None where it is not known."""
    each = [known(value) for value in values]
    if name not in _FOLDED or not each or any(a.name for a in call.arguments):
        return None
    if not all(sure and isinstance(data, int | float | complex) for sure, data in each):
        return None
    try:
        made = _FOLDED[name](*(data for _, data in each))
    except (ArithmeticError, ValueError, TypeError):
        return None
    return constant(made) if isinstance(made, int | float | complex) else None


def number(target: str, left: Value, right: Value) -> Value:
    """Return what an operator makes of two numbers: a whole one, a real one, or one of any kind."""
    kinds = {_kind_of(thing) for thing in left | right}
    if kinds <= {int, bool} and target not in ("/", "**"):
        return WHOLE
    return REAL if kinds <= {int, bool, float} and (float in kinds or target == "/") else NUMBER


def _kind_of(thing: Thing) -> object:
    return type(thing.data) if thing.kind == "const" else thing.data


def compared(target: str, left: Value, right: Value) -> Value | None:
    """Return the outcome of a comparison of two constants, None where it is not known."""
    (first, a), (second, b) = known(left), known(right)
    if not (first and second):
        return None
    numbers = isinstance(a, int | float) and isinstance(b, int | float)
    if target in _SAMENESS:  # alike is the same: `is` asks for members, and for True and False
        same = a == b and (target[0] != "i" or type(a) is type(b))
        return TRUE if same is _SAMENESS[target] else FALSE
    if target in _ORDERS and (numbers or (isinstance(a, str) and isinstance(b, str))):
        return TRUE if _FUNCTIONS[target](a, b) else FALSE
    return None


def contained(m: Machine, f: Frame, op: Op, state: State, item: Value, holder: Value) -> Value:
    """Return the outcome of `item in holder`, where both are constants."""
    sure, wanted = known(item)
    certain, text = known(holder)
    if not sure or wanted is None:
        return UNKNOWN
    found: bool | None = None
    if certain and isinstance(text, str) and isinstance(wanted, str):
        found = wanted in text
    elif of_kind(holder, *containers.CONTAINERS):
        listed = containers.elements(m, f, state, holder, op)
        each = [known(value) for value in listed or ()]
        # conservative: an empty list may be filled by who imports it
        settled = bool(listed) or (listed == [] and all(t.kind == "tuple" for t in holder))
        if settled and all(is_known for is_known, _ in each):
            found = wanted in [value for _, value in each]
            if not found and of_kind(holder, "dict"):
                found = None  # conservative: a table may be filled by who imports it
    if found is None:
        return UNKNOWN
    return TRUE if found is (op.target == "in") else FALSE


def text_call(m: Machine, f: Frame, state: State, call: Call, text: str, name: str) -> Value:
    """Call a method of a text that is known."""
    if name == "format":
        filled = [consume(m, f, state, a.value, a.place) for a in call.arguments]
        return texts.filled(text, filled, "{")
    given: list[Any] = []
    for argument in call.arguments:
        sure, value = known(argument.value)
        if not sure and of_kind(argument.value, "tuple"):
            op = containers.element_op(argument.place)
            listed = containers.elements(m, f, state, argument.value, op)
            each = [known(v) for v in listed or ()]
            sure, value = bool(listed) and all(s for s, _ in each), tuple(v for _, v in each)
        if not sure or argument.name:
            return TEXT if name in _TEXT_CHANGES else UNKNOWN
        given.append(value)
    if name not in (*_TEXT_TESTS, *_TEXT_CHANGES, "split"):
        return UNKNOWN
    try:
        result = getattr(text, name)(*given)
    except (TypeError, ValueError):
        return UNKNOWN
    if isinstance(result, list):
        return _listed(m, f, state, call, result)
    if isinstance(result, str | bool) and len(str(result)) <= _LONGEST:
        return constant(result)
    return UNKNOWN


def letters(thing: Thing, key: Value) -> Value:
    """Return a letter, or a part, of a text that is known; an item of a tuple that is."""
    cuts = [t.data for t in of_kind(key, "slice") if isinstance(t.data, slice)]
    sure, number = known(key)
    if not isinstance(thing.data, str | tuple) or not (sure or len(cuts) == len(key) == 1):
        return UNKNOWN
    try:
        return constant(thing.data[number if sure else cuts[0]])
    except (TypeError, IndexError, ValueError):
        return UNKNOWN


def _listed(m: Machine, f: Frame, state: State, call: Call, items: list[Any]) -> Value:
    few = len(items) <= containers.MOST_ITEMS
    values = [constant(item) for item in items] if few else None
    made = containers.make(m, f, state, call.place, "list", values, NOTHING if few else TEXT)
    return frozenset((made,))
