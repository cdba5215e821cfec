"""Executes an expression as a plan leaves it: with a grant, a detach, a keyword more or less."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fixgrad.edits import Operation
from fixgrad.flow import variables
from fixgrad.flow.arguments import Call
from fixgrad.flow.ir import Op, Place
from fixgrad.flow.machine import Frame, Machine
from fixgrad.flow.sharing import grant
from fixgrad.flow.state import State
from fixgrad.flow.tensors import dtype, identity, make
from fixgrad.flow.values import NOTHING, UNKNOWN, Value, of_kind

PLANNED = 1_000_000  # added to the last column of what a plan puts behind an expression
_METHOD = re.compile(r"\.(\w+)\(([^()]*)\)")


def execute_planned(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute an operation together with what the plan does to its expression."""
    operations = f.overlay[op.place]
    kinds = {o.kind for o in operations}
    if kinds & {"unwrap-method", "unwrap-attribute"}:
        f.registers[op.out] = f.registers[op.args[0]]
    elif "unwrap-call" in kinds and len(op.args) > 1:
        f.registers[op.out] = f.registers[op.args[1]]
    elif "replace" in kinds and op.kind == "attr":
        f.registers[op.out] = UNKNOWN  # nobody asks for the attribute any more
    else:
        planned = _as_planned(m, f, op, state, operations)
        handler = m.handlers.get(planned.kind)
        if handler is not None:
            handler(m, f, planned, state)
    for number, operation in enumerate(operations, 1):
        value = f.registers[op.out]
        f.registers[op.out] = _changed(m, f, op, state, value, operation, number) or UNKNOWN


def _as_planned(m: Machine, f: Frame, op: Op, state: State, operations: Iterable[Operation]) -> Op:
    """Return an operation as the plan writes it: another function or method, other keywords."""
    names, args = list(op.names or ("",) * len(op.args)), list(op.args)
    for operation in operations:
        old, _, new = operation.argument.partition("=")
        match operation.kind:
            case "callee" if not _copies(m, f, state, op, operation):
                callee = variables.read_dotted(m, f, state, operation.argument, op)
                f.registers[args[0]] = callee
                op = op._replace(kind="call", target="")
            case "method":
                op = op._replace(target=operation.argument)
            case "rename-keyword":
                names = [new if name == old else name for name in names]
            case "name-argument":
                names[int(old) + 1] = new
            case "out-of-place":
                op = op._replace(kind="binary")
            case "swap-arguments":
                args[1], args[2] = args[2], args[1]
    return op._replace(args=tuple(args), names=tuple(names) if op.names else ())


def _copies(m: Machine, f: Frame, state: State, op: Op, operation: Operation) -> bool:
    """Say whether a plan puts `torch.tensor` in the place of a conversion that shares memory."""
    callee = variables.read_dotted(m, f, state, operation.argument, op)
    return any(t.name == "torch.tensor" for t in callee)


def _changed(
    m: Machine, f: Frame, op: Op, state: State, value: Value, operation: Operation, number: int
) -> Value:
    # A place of its own, so that what the plan adds is not taken for the expression itself.
    line, column, end_line, end_column = op.place
    place: Place = (line, column, end_line, end_column + PLANNED * 10 * number)
    match operation.kind:
        case "append":
            for step, (name, argument) in enumerate(_METHOD.findall(operation.argument)):
                at = (line, column, end_line, place[3] + PLANNED * step)
                if argument:
                    value = _to_float(m, f, state, value, at)
                else:
                    before, call = value, Call(at, receiver=op.place)
                    value = m.send(m, f, state, call, before, name)
                    if name == "clone":
                        _copied_off(state, before, value)
        case "keyword":
            _keyword(m, f, state, value, operation.argument, place)
        case "callee" if _copies(m, f, state, op, operation):
            _copied(state, value)
        case "replace":
            value = variables.read_dotted(m, f, state, operation.argument, op)
        case "call":
            arrays = of_kind(value, "array", "opaque")
            names = {dtype(state, t) for t in arrays}
            of_dtype = names.pop() if len(names) == 1 else "unknown"
            made = make(m, f, state, place, "torch.as_tensor", storage=arrays, of_dtype=of_dtype)
            value = frozenset((made, *of_kind(value, "tensor")))
    return value


def _to_float(m: Machine, f: Frame, state: State, value: Value, place: Place) -> Value:
    cut = frozenset(identity(t) for t in of_kind(value, "tensor"))
    made = make(m, f, state, place, "derived", of_dtype="float32", inputs=cut)
    return frozenset((made,))


def _keyword(m: Machine, f: Frame, state: State, value: Value, text: str, place: Place) -> None:
    for thing in of_kind(value, "tensor"):
        if text == "requires_grad=True":
            grant(m, f, state, thing, place, on=True, strong=len(value) == 1, form="planned")
        elif text.startswith("dtype="):
            state.set((identity(thing), "#dtype"), text.rpartition(".")[2])


def _copied_off(state: State, shared: Value, copies: Value) -> None:
    """Note that a copy stands in the place of what shares an array's memory: it sees no later writes."""
    made = frozenset(of_kind(copies, "tensor"))
    for thing in of_kind(shared, "tensor"):
        for array in of_kind(state.get((identity(thing), "#storage"), NOTHING), "array"):
            state.add((array, "#parts"), made)
    for thing in made:
        state.set((identity(thing), "#copied"), True)


def _copied(state: State, value: Value) -> None:
    for thing in of_kind(value, "tensor"):
        me = identity(thing)
        state.set((me, "#source"), state.get((me, "#storage"), NOTHING))
        state.set((me, "#storage"), NOTHING)
        state.set((me, "#copied"), True)
