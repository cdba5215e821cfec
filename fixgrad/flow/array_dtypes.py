"""The dtype of an array: named by the program, of literals, promoted of operands as NumPy does it.

An operand is described by a dtype's name, or, where it is a Python number, by a weak one: "~int". A weak operand
changes the kind of the others, never their size. "unknown" is what nothing here can say.
"""

from __future__ import annotations

from collections.abc import Iterable

from fixgrad.flow.arguments import Call
from fixgrad.flow.state import State
from fixgrad.flow.tensors import dtype
from fixgrad.flow.values import NOTHING, Thing, Value, known
from fixgrad.knowledge import (
    ArrayCall,
    dtype_class,
    dtype_of,
    dtype_operands,
    dtype_position,
    dtype_without_operands,
    is_ufunc,
    python_float,
    several_dtypes,
)

UNKNOWN_DTYPE = "unknown"
_KINDS = ("bool", "uint", "int", "float", "complex")
_WEAK = ("~bool", "~int", "~float", "~complex")
_DEFAULTS = {"~bool": "bool", "~int": "int64", "~float": "float64", "~complex": "complex128"}
_DEEPEST = 6  # lists in lists
_WHOLE_OF_BOOLS = (
    "numpy.floor_divide", "numpy.fmod", "numpy.left_shift", "numpy.mod", "numpy.pow", "numpy.power",
    "numpy.reciprocal", "numpy.remainder", "numpy.right_shift", "numpy.square",
)  # fmt: skip
_DIVISIONS = ("numpy.divide", "numpy.true_divide")


def named_dtype(value: Value) -> str:
    """Return the dtype that a value names: torch.float32, np.float64, float, "f4"."""
    if len(value) != 1:
        return UNKNOWN_DTYPE
    (thing,) = value
    if thing.kind == "dtype":
        return thing.name
    if thing.kind == "external":
        return dtype_of(thing.name.removeprefix("builtins.")) or UNKNOWN_DTYPE
    sure, name = known(value)
    return (dtype_of(name) or UNKNOWN_DTYPE) if sure and isinstance(name, str) else UNKNOWN_DTYPE


def is_of_objects(row: ArrayCall, call: Call) -> bool:
    """Say whether a call makes an array of objects: `np.empty(3, dtype=object)`."""
    given = call.perhaps(dtype_position(row.name), "dtype") or ()
    named = [
        t.name if t.kind == "external" else t.data for t in given if t.kind in ("external", "const")
    ]
    return any(name in _OBJECTS for name in named)


_OBJECTS = ("builtins.object", "numpy.object_", "O", "object")


def call_dtype(state: State, row: ArrayCall, inputs: list[Thing], call: Call | None) -> str:
    """Return the dtype of the array that a call makes."""
    if call is None:
        return _by_rule(state, row, [], inputs)
    if several_dtypes(row.name):
        return UNKNOWN_DTYPE
    given = call.perhaps(dtype_position(row.name), "dtype")
    if given is not None:
        return named_dtype(given)
    if dtype_operands(row.name):
        return _by_operands(state, row, inputs, call)
    return _by_rule(state, row, _operands(state, row, inputs, call), inputs)


def _by_operands(state: State, row: ArrayCall, inputs: list[Thing], call: Call) -> str:
    operands = _operands(state, row, inputs, call)
    if not operands:
        return dtype_without_operands(row.name)
    fixed = dtype_class(row.dtype) != UNKNOWN_DTYPE  # without these operands
    found = UNKNOWN_DTYPE if fixed else promoted(operands)
    whole = dtype_class(found) in ("integer", "bool")
    return "float64" if whole and row.dtype == "float" else found


def _operands(state: State, row: ArrayCall, inputs: list[Thing], call: Call) -> list[str]:
    """Return what decides the dtype of a call: some of its arguments, or all that are no text and no None."""
    chosen = dtype_operands(row.name)
    method = row.name.startswith("numpy.ndarray.")
    owner = [frozenset(inputs[:1])] if method else []
    if chosen:
        found = [*owner] if -1 in chosen else []
        for position, keyword in chosen.items():
            argument = call.get(position if position >= 0 else None, keyword)
            found += [argument.value] if argument is not None else []
    elif row.dtype == "promote" or is_ufunc(row.name):
        plain = [a.value for a in call.arguments if not a.name]
        found = [*owner, *(plain[:2] if is_ufunc(row.name) else plain)]
    else:
        first = call.get(0, None)
        found = owner or [first.value if first is not None else frozenset(inputs[:1])]
    described = [describe(state, value) for value in found if not _is_nothing(value)]
    literal = row.dtype == "data" or row.name in ("numpy.append",)
    return [_DEFAULTS.get(name, name) for name in described] if literal else described


def _is_nothing(value: Value) -> bool:
    """Say whether a value is None, or text: the subscripts of einsum."""
    sure, data = known(value)
    return sure and (data is None or isinstance(data, str))


def _by_rule(state: State, row: ArrayCall, operands: list[str], inputs: list[Thing]) -> str:
    rule, fixed = row.dtype, row.dtype.partition(":")[2]
    if fixed:
        return fixed
    if rule == "argument" or (rule != "data" and dtype_class(rule) != UNKNOWN_DTYPE):
        return rule if rule != "argument" else UNKNOWN_DTYPE
    found = promoted(operands or [dtype(state, t) for t in inputs[:1]])
    whole = dtype_class(found) in ("integer", "bool")
    if found == "bool" and row.name in _WHOLE_OF_BOOLS:
        return "int8"
    if found.startswith("complex") and row.alias == "copy" and rule not in ("promote", "real"):
        return UNKNOWN_DTYPE  # the absolute value is real, the square is not
    if rule in ("same", "promote", "data"):
        return found
    if rule == "float" and whole:
        ufunc = is_ufunc(row.name) and row.name not in _DIVISIONS
        return _floating(found) if ufunc else "float64"
    if rule == "int" and whole:
        return "uint64" if found.startswith("uint") else "int64"
    if rule == "real" and found.startswith("complex"):
        return "float32" if found == "complex64" else "float64"
    return found if rule in ("float", "int", "real") else UNKNOWN_DTYPE


def _floating(whole: str) -> str:
    """Return what a function of floats makes of whole numbers: the least float that holds them."""
    size = 8 if whole == "bool" else _size(whole)
    return "float16" if size == 8 else "float32" if size == 16 else "float64"


def describe(state: State, value: Value) -> str:
    """Return the dtype of an operand, a weak one of a Python number."""
    found = {_describe(state, thing) for thing in value}
    return found.pop() if len(found) == 1 else UNKNOWN_DTYPE


def _describe(state: State, thing: Thing) -> str:
    if thing.kind in ("array", "tensor"):
        return dtype(state, thing)
    if thing.kind in ("list", "tuple"):
        return literal_dtype(state, frozenset((thing,)))
    return weak_dtype(thing)


def weak_dtype(thing: Thing) -> str:
    """Return the weak dtype of a Python number."""
    if thing.kind == "external":
        return "~float" if python_float(thing.name) else UNKNOWN_DTYPE
    if thing.kind not in ("const", "number"):
        return UNKNOWN_DTYPE
    kind = type(thing.data) if thing.kind == "const" else thing.data
    weak = {bool: "~bool", int: "~int", float: "~float", complex: "~complex"}
    return weak.get(kind, "~number" if thing.kind == "number" else UNKNOWN_DTYPE)


def literal_dtype(state: State, value: Value) -> str:
    """Return the NumPy dtype of a number, an array, or a list of them, nested at will."""
    found = {promoted(_literal_dtypes(state, frozenset((thing,)), 0)) for thing in value}
    return found.pop() if len(found) == 1 else UNKNOWN_DTYPE


def _literal_dtypes(state: State, value: Value, depth: int) -> set[str]:
    found: set[str] = set()
    for thing in value:
        if thing.kind in ("list", "tuple"):
            found |= _listed_dtypes(state, thing, depth + 1)
        else:
            name = _describe(state, thing)
            found.add(_DEFAULTS.get(name, name))
    return found


def _listed_dtypes(state: State, thing: Thing, depth: int) -> set[str]:
    length = state.get((thing, "#length"), "maybe")
    if length == "0":
        return {"float64"}
    fields = ["[*]"] if length == "maybe" else [f"[{n}]" for n in range(int(length))]
    found: set[str] = set()
    for field in fields:
        item: Value = frozenset(state.get((thing, field), NOTHING))
        names = _literal_dtypes(state, item, depth) if item and depth < _DEEPEST else set()
        if not names or (len(names) > 1 and any(t.kind == "array" for t in item)):
            return {UNKNOWN_DTYPE}
        found |= names
    return found


def promoted(operands: Iterable[str]) -> str:
    """Return the dtype that NumPy gives to a result of these operands."""
    names = set(operands)
    weak = names & {*_WEAK, "~number"}
    strong = sorted(names - weak)
    if not names or UNKNOWN_DTYPE in names:
        return UNKNOWN_DTYPE
    result = strong[0] if strong else ""
    for name in strong[1:]:
        result = _promoted(result, name)
    if not result:
        return _DEFAULTS.get(max(weak, key=_rank), UNKNOWN_DTYPE)
    for name in sorted(weak, key=_rank):
        result = _with_number(result, name)
    return result if dtype_class(result) != UNKNOWN_DTYPE else UNKNOWN_DTYPE


def _rank(weak: str) -> int:
    return _WEAK.index(weak) if weak in _WEAK else len(_WEAK)


def _kind(name: str) -> str:
    return name.rstrip("0123456789")


def _size(name: str) -> int:
    digits = name.lstrip("boluintfacmpexg")
    return int(digits) if digits else 0


def _promoted(one: str, other: str) -> str:
    if not {_kind(one), _kind(other)}.issubset(_KINDS):
        return one if one == other else UNKNOWN_DTYPE
    low, high = sorted((one, other), key=lambda name: (_KINDS.index(_kind(name)), _size(name)))
    kinds = (_kind(low), _kind(high))
    if kinds[0] in (kinds[1], "bool"):
        return high
    if kinds == ("uint", "int"):
        if _size(high) > _size(low):
            return high
        return f"int{2 * _size(low)}" if _size(low) < 64 else "float64"
    if kinds[1] == "complex":
        least = 128 if kinds[0] == "float" and _size(low) == 64 else 64
        least = 128 if kinds[0] != "float" and _size(low) > 16 else least
        return f"complex{max(_size(high), least)}"
    return f"float{max(_size(high), _size(_floating(low)))}"


def _with_number(name: str, weak: str) -> str:
    kind = _kind(name)
    if weak == "~number":
        return name if kind in ("float", "complex") else UNKNOWN_DTYPE
    if weak == "~int" and kind == "bool":
        return "int64"
    if weak == "~float" and kind in ("bool", "uint", "int"):
        return "float64"
    if weak == "~complex" and kind != "complex":
        return "complex64" if name in ("float16", "float32") else "complex128"
    return name


def operator_dtype(state: State, operator: str, left: Value, right: Value) -> str:
    """Return the dtype of an operator's result, where one operand is an array."""
    if operator in ("==", "!=", "<", "<=", ">", ">="):
        return "bool"
    result = promoted((describe(state, left), describe(state, right)))
    whole = dtype_class(result) in ("integer", "bool")
    if operator == "/" and whole:
        return "float64"
    if operator == "**" and (describe(state, left), describe(state, right)) == ("bool", "~int"):
        return UNKNOWN_DTYPE  # a square is of int8, other powers are not
    if result == "bool" and operator in ("//", "%", "**", "<<", ">>"):
        return "int8"
    return result
