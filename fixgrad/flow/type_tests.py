"""Tests of what a value is: `isinstance`, `hasattr`, `is None`, `torch.is_tensor`, `scipy.sparse.issparse`.

Where some of the things that a value may be pass and others do not, the outcome remembers which: in each
branch, a variable that holds the value holds only these.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from fixgrad.flow import classes, containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.gradients import ARRAYS_ELSEWHERE, none_test
from fixgrad.flow.ir import Op
from fixgrad.flow.namespaces import is_record
from fixgrad.flow.state import State
from fixgrad.flow.values import (
    FALSE,
    TRUE,
    UNKNOWN,
    Member,
    Thing,
    Value,
    known,
    of_kind,
    ordered,
    union,
)
from fixgrad.flow.variables import read_variable
from fixgrad.knowledge import array_method, tensor_method

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_TYPES = {
    "torch.Tensor": "tensor", "torch.nn.Parameter": "parameter", "numpy.ndarray": "array",
    "builtins.list": "list", "builtins.tuple": "tuple", "builtins.dict": "dict",
    "builtins.str": "text", "builtins.bytes": "bytes",
}  # fmt: skip
_OF_TENSORS = (
    "detach",
    "grad",
    "requires_grad",
    "requires_grad_",
    "numpy",
    "cpu",
    "backward",
    "is_leaf",
)
_NUMBERS = ("builtins.float", "builtins.int", "builtins.complex", "builtins.bool")
_OF_DATA = ("PIL", "pandas", "polars", "scipy", "xarray")
_LIST = "builtins.list"
_ARRAYS = ("tensor", "parameter", "array")
_PLAIN = ("tensor", "array", "list", "tuple", "dict", "text")


def sorted_out(
    m: Machine, value: Iterable[Thing], passes: Callable[[Thing], bool | None], *, positive: bool
) -> Value:
    """Return the outcome of a test that each thing in a value passes, fails, or may pass."""
    things = ordered(value)
    outcomes = [passes(thing) for thing in things]
    if None not in outcomes and len(set(outcomes)) == 1:
        return TRUE if outcomes[0] is positive else FALSE
    if len(things) < 2 or all(outcome is None for outcome in outcomes):
        return UNKNOWN
    pairs = list(zip(things, outcomes, strict=True))
    yes = frozenset(t for t, outcome in pairs if outcome is not (not positive))
    no = frozenset(t for t, outcome in pairs if outcome is not positive)
    return frozenset((m.thing("type-test", None, (), "", (yes, no)),))


_CONTAINERS: tuple[type, ...] = (
    list, tuple, set, frozenset, dict, OrderedDict, Counter, deque, Generator, str, int, float,
)  # fmt: skip
_HELD_BY_PYTHON = ("list", "tuple", "dict", "text", "number", "const")


def _able(value: Value, name: str) -> Value:
    """Return the things that may have a method: where a tensor has it, no list or number stands for long."""
    if len(value) < 2 or tensor_method(name) is None or any(hasattr(t, name) for t in _CONTAINERS):
        return value
    return frozenset(t for t in value if t.kind not in _HELD_BY_PYTHON) or value


def narrow_receiver(f: Frame, op: Op, state: State, receiver: Value) -> Value:
    """Leave out what has no such method, also of the variable: behind the call it is not that."""
    left = _able(receiver, op.target)
    cell = f.thing, f.names.get(op.args[0], "")
    if left is not receiver and state.get(cell) == receiver:
        state.set(cell, left)
    return left


Narrowed: TypeAlias = dict[tuple[Thing, str], tuple[Value, Value]]  # by variable: before and now


def narrow(m: Machine, f: Frame, before: State, op: Op, test: Value, holds: bool) -> Narrowed:
    """Leave to the variables that a branch tests what its test leaves them.

    Returns those that hold something else for the time of the branch.
    """
    replaced: Narrowed = {}
    if not test or not isinstance(op.constant, str) or any(t.kind != "type-test" for t in test):
        return replaced
    passing = union(outcome.data[0] for outcome in test)
    failing = union(outcome.data[1] for outcome in test)
    left, out = (passing, failing) if holds else (failing, passing)
    asked = dict(_asked(m, f, before, op.constant))
    tested = frozenset(t.data if t.name == OF_ANOTHER_TYPE else t for t in left | out)
    for cell, value in asked.items():
        if value == tested and any(t.name == OF_ANOTHER_TYPE for t in left):
            if op.target == "if" and len(test) == 1:
                replaced[cell] = value, left
                before.set(cell, left)
        elif value == tested:
            # one of several outcomes: `isinstance(x, A) or isinstance(x, B)`
            alone = len(test) == 1 or (holds and list(asked.values()).count(value) == 1)
            if alone and (len(test) == 1 or op.target == "if"):
                before.set(cell, left)
    return replaced


def _asked(
    m: Machine, f: Frame, state: State, mentions: str
) -> Iterator[tuple[tuple[Thing, str], Value]]:
    """Yield the variables that a test mentions, as far as a branch may change them, and what they hold."""
    for mention in mentions.split():
        name, _, scope = mention.rpartition(":")
        local = scope == "0"
        if local or f.function.kind == "module":
            owner = f.thing if local else m.module_thing(f.module.path)
            yield (owner, name), read_variable(m, f, state, name, int(scope))


OF_ANOTHER_TYPE = "of another type"


def widen(state: State, narrowed: Narrowed) -> None:
    """Let variables that a branch has left as they were hold what they held before it."""
    for cell, (before, now) in narrowed.items():
        if state.get(cell) == now:
            state.set(cell, before)


def _by_library(
    m: Machine,
    state: State,
    value: Value,
    types: list[Value],
    passes: Callable[[Thing], bool | None],
) -> Value | None:
    """Return the outcome of asking what may be a tensor whether it is one, or a number or an array."""
    unknown = {t for t in value if t.kind == "opaque" and state.get((t, "#inputs"))}
    tensors = all({t.name for t in each} == {"torch.Tensor"} for each in types)
    if not unknown or not types or not (tensors or all(map(_are_plain, types))):
        return None

    def others(things: Value) -> Value:
        return frozenset(
            m.thing("opaque", None, (), OF_ANOTHER_TYPE, t) if t in unknown else t for t in things
        )

    yes = frozenset(t for t in value if passes(t) is not False)
    no = frozenset(t for t in value if passes(t) is not True)
    left = (yes, others(no)) if tensors else (others(yes), no)
    return frozenset((m.thing("type-test", None, (), "", left),))


def _are_plain(types: Value) -> bool:
    return all(
        t.kind == "external" and (t.name in _NUMBERS or t.name.startswith("numpy.")) for t in types
    )


def is_instance(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Return whether a value is of a type, or of one of some types, as far as all are known."""
    plain = call.positional()
    if len(plain) != 2:
        return UNKNOWN
    types = plain[1].value
    if {t.name for t in types} == {"torch.Tensor"}:  # a gradient is one, or None
        tested = none_test(m, plain[0].value, positive=True)
        if tested is not None:
            return tested
    listed = None
    if of_kind(types, "tuple"):
        listed = containers.elements(m, f, state, types, containers.element_op(call.place))
    each = [types] if listed is None else listed

    def passes(thing: Thing) -> bool | None:
        outcomes = [_is_of_type(thing, of_type) for of_type in each]
        # A set is kept as a list too, but for what is written as one.
        listed_here = thing.kind == "list" and thing.name != "set" and (thing, 0) in m.item_places
        if True in outcomes or (listed_here and _LIST in {t.name for v in each for t in v}):
            return True
        return False if all(outcome is False for outcome in outcomes) else None

    told = _by_library(m, state, plain[0].value, each, passes)
    return sorted_out(m, plain[0].value, passes, positive=True) if told is None else told


def has_attribute(m: Machine, state: State, call: Call) -> Value:
    """Execute `hasattr`: tensors and arrays have the attributes of their kind, objects their class's."""
    plain = call.positional()
    sure, name = known(plain[1].value) if len(plain) == 2 else (False, None)
    if not sure or not isinstance(name, str):
        return UNKNOWN
    return sorted_out(m, plain[0].value, lambda thing: _has(state, thing, name), positive=True)


def _has(state: State, thing: Thing, name: str) -> bool | None:
    if thing.kind == "instance" and classes.lookup_class(state, thing.data, name)[0]:
        return True
    if thing.kind == "function" and not name.startswith("__"):
        return None if state.get((thing, name)) else False
    of_tensors = name in _OF_TENSORS
    if thing.kind == "tensor" and (of_tensors or tensor_method(name) is not None):
        return True
    if thing.kind == "array" and array_method(name) is not None:
        return True
    return False if of_tensors and thing.kind in ("array", "number", "const") else None


def is_sparse(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Execute `scipy.sparse.issparse`: no tensor and no array is."""
    value = call.arguments[0].value if call.arguments else UNKNOWN
    return sorted_out(m, value, lambda t: False if t.kind in _PLAIN else None, positive=True)


def is_none(m: Machine, value: Value, *, positive: bool) -> Value:
    """Return the outcome of `value is None`, or of `value is not None`."""
    return sorted_out(m, value, _nothing, positive=positive)


def _nothing(thing: Thing) -> bool | None:
    if thing.kind == "const":
        return thing.data is None
    return None if thing.kind in ("opaque", "external") else False


def negated(m: Machine, value: Value) -> Value | None:
    """Return the opposite of a test's outcome, or None where there is no such test."""
    if len(value) != 1:
        return None
    (outcome,) = value
    if outcome.kind != "type-test":
        return None
    yes, no = outcome.data
    return frozenset((m.thing("type-test", None, (), "", (no, yes)),))


def _is_of_type(thing: Thing, types: Value) -> bool | None:
    outcomes = {_is_of_one_type(thing, of_type) for of_type in types}
    return outcomes.pop() if len(outcomes) == 1 else None


def _is_of_one_type(thing: Thing, of_type: Thing) -> bool | None:
    if thing.kind == "tensor" and _holds_no_tensors(of_type):
        return False
    if thing.kind == "instance" and of_type.kind == "class":
        return _is_instance_of(thing, of_type)
    if thing.kind == "instance" and of_type.kind == "external" and of_type.name in _OF_TORCH:
        return _is_instance_of_torch(thing, of_type.name)
    if of_type.kind == "record" or is_record(thing):
        return _is_record_of(thing, of_type)
    if of_type.kind == "class" and isinstance(thing.data, Member):
        return of_type in classes.linear_bases(thing.data.cls)
    if _is_of_others(thing, of_type):
        return False
    written_as = _of_constants(thing, of_type)
    if written_as is not None:
        return written_as
    wanted = _TYPES.get(of_type.name) if of_type.kind == "external" else None
    if wanted is None:
        return None
    if thing.kind not in _PLAIN:
        return _is_plain_of_type(thing, wanted)
    if wanted == "parameter":
        return thing.name == "torch.nn.Parameter"
    if thing.kind == wanted == "list":
        return None  # a set is kept as a list
    return thing.kind == wanted


def _is_record_of(thing: Thing, of_type: Thing) -> bool | None:
    """Say whether a thing is of a type, where a `namedtuple` made it, or the type is one."""
    record = thing.data
    if not is_record(thing):
        return False if thing.kind in ("tensor", "array", "number", "const") else None
    if of_type.kind in ("record", "class"):
        return record is of_type
    if record.name != "named" or of_type.kind != "external":
        return None
    return of_type.name == "builtins.tuple" if of_type.name in _WRITTEN_DOWN else None


def _is_of_others(thing: Thing, of_type: Thing) -> bool:
    """Tell whether a type is of a library whose types no tensor, or no array, is of; or a number's."""
    if of_type.kind != "external" or thing.kind not in _PLAIN:
        return False
    if thing.kind not in ("tensor", "array"):
        return of_type.name in _NUMBERS
    library = of_type.name.partition(".")[0]
    if (
        thing.kind == "array"
    ):  # a scalar of NumPy is a number, and scipy's matrices are kept as arrays
        return library in ARRAYS_ELSEWHERE
    return library in (*ARRAYS_ELSEWHERE, *_OF_DATA) or of_type.name in _NUMBERS


_WRITTEN_DOWN = (*_TYPES, *_NUMBERS, "torch.nn.Module", "torch.autograd.Function")  # of known kinds
_BUILTIN = {
    f"builtins.{kind.__name__}": kind
    for kind in (bool, bytes, complex, dict, float, int, list, set, str, tuple)
}


def _of_constants(thing: Thing, of_type: Thing) -> bool | None:
    """Say of a constant, None included, whether it is of one of Python's own types."""
    kind = _BUILTIN.get(of_type.name) if of_type.kind == "external" else None
    if kind is None or thing.kind != "const":
        return None
    sure, data = known(frozenset((thing,)))
    return isinstance(data, kind) if sure else None


def _is_plain_of_type(thing: Thing, wanted: str) -> bool | None:
    """Say whether a constant or a number is of a type of containers, tensors or texts."""
    sure, data = known(frozenset((thing,)))
    if sure and isinstance(data, int | float | None):
        return False
    return False if thing.kind == "number" and wanted in _ARRAYS else None


def _is_instance_of(thing: Thing, cls: Thing) -> bool | None:
    own = classes.linear_bases(thing.data)
    if cls in own:
        return True
    bases = [b for c in own for value in c.data.bases for b in value]
    return False if all(b.kind in ("class", "external") for b in bases) else None


_OF_TORCH = ("torch.Tensor", "torch.nn.Parameter", "numpy.ndarray", "torch.nn.Module")
_OF_ANYTHING = ("builtins.object", "abc.ABC", "typing.Generic", "typing.Protocol")


def _is_instance_of_torch(thing: Thing, name: str) -> bool | None:
    """Say whether an object of the project's class is a tensor, an array or a module."""
    own = classes.linear_bases(thing.data)
    bases = [b for c in own for value in c.data.bases for b in value if b.kind != "class"]
    others = {b.name if b.kind == "external" else "" for b in bases} - {*_OF_ANYTHING}
    if others == {"torch.nn.Module"}:
        return name == "torch.nn.Module"
    return None if others else False


def _holds_no_tensors(of_type: Thing) -> bool:
    """Tell whether a type is a module or a plain class of the project, which no tensor is."""
    if of_type.kind == "external":
        return of_type.name == "torch.nn.Module"
    if of_type.kind != "class":
        return False
    own = classes.linear_bases(of_type)
    bases = [b for c in own for v in c.data.bases for b in v]
    return bool(own) and all(
        b.kind == "class" or b.name in ("torch.nn.Module", "builtins.object") for b in bases
    )
