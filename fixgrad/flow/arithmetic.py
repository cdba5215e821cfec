"""Operators: on tensors they build the graph, on arrays they make arrays, on constants they compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fixgrad.flow import (
    conditions,
    constants,
    container_changes,
    containers,
    exports,
    layout,
    membership,
    sequences,
    subsets,
    texts,
    type_tests,
)
from fixgrad.flow.array_dtypes import operator_dtype
from fixgrad.flow.arrays import (
    LISTED,
    NUMBERS,
    has_objects,
    hold,
    make_array,
    present_in,
    read_array,
    sources_of,
)
from fixgrad.flow.gradients import consume, flag, flagged, none_test, weigh_gradient
from fixgrad.flow.ir import Op, Place
from fixgrad.flow.protocols import negated, operated
from fixgrad.flow.scalars import bring_values, without_names
from fixgrad.flow.state import State
from fixgrad.flow.tensors import derive, dtype, log, tracked
from fixgrad.flow.values import (
    FALSE,
    NOTHING,
    NUMBER,
    TEXT,
    TRUE,
    UNKNOWN,
    Thing,
    Value,
    constant,
    known,
    of_kind,
    ordered,
)
from fixgrad.knowledge import ArrayCall, TensorOp, dtype_class, tensor_operator

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

TENSOR_LIKE = ("tensor", "opaque", "module")
_CONTAINERS = ("tuple", "list", "dict", "set")
_PLAIN = TensorOp("?")
_SAMENESS = {"is": True, "==": True, "is not": False, "!=": False}
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_ARRAY_ROW = ArrayCall("operator", dtype="promote")


def binary(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `a + b` and its like."""
    left, right = (consume(m, f, state, v, op.place) for v in f.values(op))
    f.registers[op.out] = computed(m, f, state, op, left, right)


def computed(
    m: Machine,
    f: Frame,
    state: State,
    op: Op,
    left: Value,
    right: Value,
    places: Sequence[Place] = (),
) -> Value:
    """Return what a binary operator makes of two values, which stand at these places."""
    places = places or [f.place_of(register) for register in op.args]
    left, right = (without_names(_without_methods(side)) for side in (left, right))
    kinds = {t.kind for t in left} | {t.kind for t in right}
    if "instance" in kinds:
        own = operated(m, f, state, op.place, op.target, left, right)
        if own is not None:
            return own
    if kinds == {"tensor", "opaque"}:
        exports.note_objects(m, f, state, left, right, places)
    if "tensor" in kinds or ("opaque" in kinds and _carries(state, left | right)):
        found = _tensor_result(m, f, state, op, left, right, places)
        if "array" in kinds:
            found |= _without_tensors(m, f, state, op, left, right)
        return found
    if "array" in kinds:
        found = _array_result(m, f, state, op, left, right)
        whole = any(t.kind == "array" and t.name not in NUMBERS for t in left | right)
        either = any(of_kind(v, "array") and of_kind(v, "opaque") for v in (left, right))
        sure = "opaque" not in kinds or (whole and not either)
        return found if sure else found | UNKNOWN  # it may be a tensor
    remembered = {t for t in left | right if t.kind == "number" and t.name}
    if remembered and kinds <= {"const", "number"}:
        return frozenset(remembered)
    if kinds <= {"const"}:
        return constants.computed(op.target, left, right)
    if kinds & {"list", "tuple"} and op.target in ("+", "*"):
        return sequences.joined(m, f, state, op, left, right)
    if kinds == {"list"} and op.target in ("-", "&", "^"):
        return subsets.part(m, f, op, state, left, right)
    if kinds == {"dict"} and op.target == "|":
        made = containers.make(m, f, state, op.place, "dict", [])
        for side in (left, right):
            container_changes.update(m, f, state, op.place, made, side)
        return frozenset((made,))
    if op.target == "%" and isinstance(known(left)[1], str):
        given = containers.elements(m, f, state, right, op) if of_kind(right, "tuple") else [right]
        return texts.filled(known(left)[1], given or [TEXT], "%")
    if "text" in kinds:
        return texts.joined((left, right)) if op.target == "+" else TEXT
    return constants.number(op.target, left, right) if kinds <= {"const", "number"} else UNKNOWN


def _without_methods(value: Value) -> Value:
    """Take an attribute that nothing is known of, not for a method, for something unknown."""
    return value.difference(m) | UNKNOWN if (m := of_kind(value, "method")) else value


def _without_tensors(
    m: Machine, f: Frame, state: State, op: Op, left: Value, right: Value
) -> Value:
    """Return what comes out where two operands that may be tensors are arrays."""
    left, right = (frozenset(t for t in v if t.kind not in TENSOR_LIKE) for v in (left, right))
    return computed(m, f, state, op, left, right) if left and right else NOTHING


def _carries(state: State, value: Value) -> bool:
    return any(t.kind == "opaque" and state.get((t, "#inputs")) for t in value)


def _tensor_result(
    m: Machine, f: Frame, state: State, op: Op, left: Value, right: Value, places: Sequence[Place]
) -> Value:
    row = tensor_operator(op.target) or _PLAIN
    each = [_operand(state, v) for v in (left, right)]
    inputs = [t for group in each for t in group]
    groups = [g and g + of_kind(v, "array") for g, v in zip(each, (left, right), strict=True)]
    beside: list[Thing] = []  # arrays that meet a tensor in the other operand
    for operand, others, place in zip((left, right), each[::-1], places, strict=True):
        for array in of_kind(operand, "array"):
            read_array(m, f, state, array, op.place)
            beside += [array] if others else []
            for tensor in others:
                mixes = tensor.kind == "tensor" and array.name not in (*NUMBERS, LISTED)
                if mixes and tracked(state, tensor) != "no":
                    changed = op.kind == "inplace" and place is places[0]
                    detail = f"{op.target}=" if changed else op.target
                    log(m, f, state, "mixed", tensor, place, detail=detail, others=[array])
    of_dtype = _dtype(state, row, left, right)
    made = derive(m, f, state, op.place, row, inputs, of_dtype=of_dtype, operands=groups)
    bring_values(m, state, made, (left, right))
    if beside:
        m.graph.mixes.add(made)
        state.add((made, "#present"), present_in(m, state, beside) - {made})
        m.graph.cut.setdefault(made, set()).update(sources_of(state, beside) - {made})
    return frozenset((made,))


def _operand(state: State, value: Value) -> list[Thing]:
    """Return what of an operand may carry a gradient."""
    # conservative: a tensor takes no container as its other operand, so that one is not understood
    strange = all(t.kind in _CONTAINERS for t in value)
    if strange or has_objects(state, of_kind(value, "array")):
        value |= UNKNOWN
    return [t for t in ordered(value) if t.kind in TENSOR_LIKE]


def _dtype(state: State, row: TensorOp, left: Value, right: Value) -> str:
    """Return a result's dtype: a Python number keeps a float tensor's, a float lifts an integer's."""
    if row.dtype not in ("promote", "float", "same"):
        return ""
    names = {dtype(state, t) for t in left | right if t.kind in ("tensor", "array")}
    if any(t.kind in ("opaque", "number") for t in left | right) or len(names) != 1:
        return "unknown"
    constants = [t.data for t in left | right if t.kind == "const"]
    name = names.pop()
    if any(t.kind == "external" for t in left | right) and dtype_class(name) != "float":
        return "unknown"  # np.pi
    if any(isinstance(c, complex) for c in constants) or (name == "bool" and constants):
        return "unknown"
    floats = any(t.kind == "const" and isinstance(t.data, float) for t in left | right)
    if dtype_class(name) in ("integer", "bool") and (floats or row.dtype == "float"):
        return "float32"
    return name


def _array_result(m: Machine, f: Frame, state: State, op: Op, left: Value, right: Value) -> Value:
    things = [*ordered(left), *ordered(right)]
    arrays = [t for t in things if t.kind == "array"]
    for array in arrays:
        read_array(m, f, state, array, op.place)
    plain = all(t.name in NUMBERS or t.kind in ("number", "const") for t in things)
    made = make_array(m, f, state, op.place, _ARRAY_ROW, arrays, name=NUMBERS[1] if plain else "")
    tests = op.target in _COMPARISONS  # what comes out has no gradient with or without NumPy
    numbers = [t for t in things if t.kind in ("array", "number") and not tests]
    state.set((made, "#dtype"), operator_dtype(state, op.target, left, right))
    hold(m, state, made, op.target, numbers)
    layout.note(m.graph, made, op.target, arrays)
    return frozenset((made,))


def unary(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `-a`, `not a` and their like."""
    value = (
        consume(m, f, state, f.registers[op.args[0]], op.place)
        if op.target != "not"
        else f.registers[op.args[0]]
    )
    if op.target == "not":
        conditions.note_negation(m, f, op, state)
        weigh_gradient(m, f, state, value, op.place)
        f.registers[op.out] = _negated(m, value)
        return
    own = negated(m, f, state, op.place, op.target, value)
    if own is not None:
        f.registers[op.out] = own
        return
    sure, number = known(value)
    if sure and isinstance(number, int | float) and op.target == "-":
        f.registers[op.out] = constant(-number)
        return
    result: set[Thing] = set()
    tensors = [
        t
        for t in ordered(value)
        if t.kind == "tensor" or (t.kind == "opaque" and state.get((t, "#inputs")))
    ]
    if tensors and op.target == "+":
        result.update(tensors)
    elif tensors:
        of_tensor = tensor_operator(op.target, unary=True) or _PLAIN
        result.add(derive(m, f, state, op.place, of_tensor, tensors, operands=[tensors]))
    for thing in ordered(value):
        if thing in tensors:
            continue
        if thing.kind == "array":
            row = _ARRAY_ROW._replace(name=op.target)
            single = thing.name if thing.name in NUMBERS else ""
            result.add(make_array(m, f, state, op.place, row, [thing], name=single))
        else:
            number = thing.kind in ("const", "number")
            result |= {thing} if thing.name and number else NUMBER if number else UNKNOWN
    f.registers[op.out] = frozenset(result) or UNKNOWN


def _negated(m: Machine, value: Value) -> Value:
    sure, data = known(value)
    tensor = flagged(m, value)
    if tensor is not None:
        return flag(m, tensor, not data)
    if sure:
        return FALSE if data else TRUE
    opposite = type_tests.negated(m, value)
    if opposite is not None:
        return opposite
    tests = [t for t in ordered(value) if t.kind == "none-test"]
    if tests:
        return frozenset(
            m.thing("none-test", None, (), "", (t.data[0], not t.data[1])) for t in tests
        )
    gradients = tuple(t.data for t in ordered(value) if t.kind == "grad")
    if gradients:
        return frozenset((m.thing("none-test", None, (), "", (gradients, False)),))
    return UNKNOWN


def compare(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute a comparison; `x.grad is None` is told apart from a use of the gradient."""
    conditions.note_comparison(m, f, op, state)
    values = f.values(op)
    if (
        op.target in ("is", "is not", "==", "!=")
        and len(values) == 2
        and known(values[1]) == (True, None)
    ):
        test = none_test(m, values[0], positive=op.target in ("is not", "!="))
        if test is None:
            test = type_tests.is_none(m, values[0], positive=op.target in ("is", "=="))
        f.registers[op.out] = test
        return
    values = [consume(m, f, state, v, op.place) for v in values]
    tensor = flagged(m, values[0])
    sure, wanted = known(values[-1])
    if tensor is not None and len(values) == 2 and sure and op.target in _SAMENESS:
        same = known(values[0])[1] is wanted
        f.registers[op.out] = flag(m, tensor, same is _SAMENESS[op.target])
        return
    if len(values) == 2 and constants.is_comparison(op.target):
        f.registers[op.out] = _compared(m, f, state, op, values)
        return
    if op.target in ("in", "not in"):
        f.registers[op.out] = membership.contained(m, f, op, state, *values)
        return
    f.registers[op.out] = UNKNOWN


def _compared(m: Machine, f: Frame, state: State, op: Op, values: list[Value]) -> Value:
    left, right = values
    outcome = constants.compared(op.target, left, right)
    if outcome is not None or op.target in ("is", "is not"):
        return outcome or UNKNOWN
    if any(t.kind in ("tensor", "array", "instance") for t in left | right):
        return computed(m, f, state, op, left, right)
    return UNKNOWN


def formatted(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute an f-string: what it shows is looked at."""
    parts: list[Value] = []
    for register, name in zip(op.args, op.names, strict=True):
        value = consume(m, f, state, f.registers[register], op.place)
        for array in of_kind(value, "array"):
            read_array(m, f, state, array, op.place)
        for tensor in of_kind(value, "tensor"):
            log(m, f, state, "shown", tensor, op.place)
        parts.append(TEXT if name else value)
    f.registers[op.out] = texts.joined(parts)
