"""Methods of a tensor."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fixgrad.flow import containers, descendants, kept_results
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.array_dtypes import named_dtype, weak_dtype
from fixgrad.flow.arrays import arrays_in, has_objects, new_array, read_array
from fixgrad.flow.conversions import new_like
from fixgrad.flow.differentiation import backward
from fixgrad.flow.gradients import consume
from fixgrad.flow.guards import ask_all
from fixgrad.flow.optimizers import tensors_inside
from fixgrad.flow.results import several, with_indices
from fixgrad.flow.scalars import bring_values, taken
from fixgrad.flow.sharing import BY_KEYWORD, detach_in_place, grant, write_in_place
from fixgrad.flow.state import State
from fixgrad.flow.tensors import (
    derive,
    dtype,
    identity,
    joint_dtype,
    log,
    make,
    tracked,
    use_values,
)
from fixgrad.flow.values import (
    NONE,
    NOTHING,
    NUMBER,
    UNKNOWN,
    Site,
    Thing,
    Value,
    is_constant,
    known,
    of_kind,
    union,
)
from fixgrad.knowledge import TensorOp, cast, dtype_class
from fixgrad.knowledge import tensor_method as method_row

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

UNWRITTEN = "list"  # the detail of an export of what no expression is alone
_MAY_HOLD_LEAVES = ("opaque", "module", "function", "method", "partial", "instance", "class")
_HOOKS = ("register_hook", "retain_grad", "register_post_accumulate_grad_hook")
_DEVICES = ("cuda", "xpu", "mps", "ipu", "hpu")


def tensor_method(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str, strong: bool
) -> Value:
    """Call a method of a tensor."""
    me = frozenset((thing,))
    if name == "requires_grad_":
        flag = call.get(0, "requires_grad")
        return _set_flag(m, f, state, call, thing, flag.value if flag else None, strong)
    if name == "backward":
        run_backward(m, f, state, call, [thing])
        return NONE
    if name in _HOOKS:
        return _hook(m, f, state, call, thing, name)
    if name in ("numpy", "__array__"):
        return frozenset((to_numpy(m, f, state, call, thing, name),))
    if name in ("to", "type", "type_as", "cpu") or name in _DEVICES or cast(name):
        return frozenset((_cast(m, f, state, call, thing, name),))
    if name == "detach_":
        detach_in_place(state, thing)
        return me
    if name in ("tolist", "item"):
        use_values(m, f, state, [thing], call.place)
        return _python_values(m, f, state, call, thing, name)
    made = new_like(m, f, state, call, thing, name)
    row = method_row(name)
    if not made and row is not None:
        return by_row(m, f, state, call, row, [thing], name)
    return made or m.unknown(m, f, state, call, [thing], name)


def _set_flag(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, flag: Value | None, strong: bool
) -> Value:
    sure, on = known(flag) if flag is not None else (True, True)
    if sure:
        grant(m, f, state, thing, call.place, on=bool(on), strong=strong, form="method")
    else:
        state.set((identity(thing), "#tracked"), "maybe")
    return frozenset((thing,))


def run_backward(m: Machine, f: Frame, state: State, call: Call, roots: list[Thing]) -> None:
    """Execute `loss.backward(...)`."""
    keeps = call.may_turn_on("retain_graph", "create_graph")
    inputs = call.keyword("inputs")
    for argument in call.arguments:
        consume(m, f, state, argument.value, argument.place)
    if inputs is not None:
        argument_place = next(a.place for a in call.arguments if a.name == "inputs")
        holders: set[Thing] = set()
        for tensor in tensors_inside(state, inputs, holders):
            log(m, f, state, "inputs", tensor, argument_place, detail="backward")
        ask_all(m, f, state, inputs, holders, argument_place)
    backward(
        m, f, state, roots, call.place, "backward", fills=True, keeps=keeps,
        again=call.may_turn_on("create_graph"),
    )  # fmt: skip


def _hook(m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str) -> Value:
    log(m, f, state, "hook", thing, call.place, detail=name)
    if name == "retain_grad":
        state.set((identity(thing), "#retained"), "yes")
    for argument in call.arguments:
        gradient = make(m, f, state, call.place, "gradient")
        m.callbacks(m, f, state, call, [argument.value], (frozenset((gradient,)),))
    return NONE if name == "retain_grad" else UNKNOWN


def to_numpy(m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str) -> Thing:
    """Take a tensor's values to NumPy: an array that shares its memory."""
    log(m, f, state, "shown", thing, call.place)
    use_values(m, f, state, [thing], call.place)
    if tracked(state, thing) != "no" and known(call.keyword("force") or UNKNOWN) != (True, True):
        detail = name if call.receiver is not None else UNWRITTEN
        log(m, f, state, "export", thing, call.receiver or call.place, detail=detail)
    me = identity(thing)
    return new_array(
        m, f, state, call.place, of_dtype=dtype(state, thing), inputs=(me,),
        storage=(me, *(t for t in state.get((me, "#storage"), ()) if t.kind == "tensor")),
        effect=f"torch.Tensor.{name}",
    )  # fmt: skip


def _python_values(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str
) -> Value:
    """Take a tensor's values to Python: numbers that remember where they come from."""
    log(m, f, state, "shown", thing, call.place)
    found = taken(m, f, state, call.place, [frozenset((thing,))], name)
    if name == "item":
        return found
    return frozenset((containers.make(m, f, state, call.place, "list", None, found),))


def _cast(m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str) -> Thing:
    """Cast or move: the same object where nothing changes, else a new tensor."""
    if name == "cpu" and call.receiver is not None:
        m.graph.before_cpu[Site(f.module.path, call.place)] = call.receiver
    target, moves = _target(state, call, thing, name)
    if call.may_turn_on("copy"):
        moves = "yes"
    now = dtype(state, thing)
    row = method_row(name) or TensorOp(name, alias="maybe-self")
    if moves == "yes" or (target and "unknown" not in (target, now) and target != now):
        row = row._replace(alias="copy")
        made = derive(m, f, state, call.place, row, [thing], of_dtype=target or now)
        m.graph.placed.update((made,) if moves != "no" else ())
        return made
    if moves == "no" and (not target or target == now != "unknown"):
        base = identity(thing)
        same = m.thing("tensor", Site(f.module.path, call.place), f.path, "same", base)
        m.graph.aliases[same] = base
        return same
    made = derive(m, f, state, call.place, row, [thing], of_dtype=target or now)
    m.graph.placed.update((made,) if moves != "no" else ())
    if target == "unknown" and tracked(state, made) == "yes":
        state.set((made, "#tracked"), "maybe")  # a whole number has no gradient
        state.set((made, "#leaf"), "maybe")
    return made


_OF_DEVICES = ("cpu", "cuda", "dev", "gpu", "rank")  # in names of what tells where a tensor goes


def _target(state: State, call: Call, thing: Thing, name: str) -> tuple[str, str]:
    """Return the dtype asked for, "" where none is, and whether the tensor changes its device."""
    fixed = cast(name)
    if fixed:
        return fixed, "no"
    if name in _DEVICES:
        return "", "yes"
    if name == "cpu":
        return "", "no"
    target, moves = "", "no"
    for argument in call.arguments:
        if argument.name in ("*", "**"):
            target, moves = "unknown", "maybe"
        elif argument.name in ("", "dtype", "device", "other", "tensor"):
            named = named_dtype(argument.value)
            tensors = of_kind(argument.value, "tensor")
            if named != "unknown" or of_kind(argument.value, "dtype"):
                target = named
            elif tensors:
                target, moves = joint_dtype(state, tensors), "maybe"
            else:
                moves = _moves(argument.value)
                if argument.name == "dtype" or name == "type" or _may_cast(state, argument, thing):
                    target = "unknown"
    return target, moves


def _may_cast(state: State, argument: Argument, thing: Thing) -> bool:
    """Say whether what `x.to(y)` is given may be a dtype, so that a tensor of whole numbers may not stay one."""
    if argument.name or dtype_class(dtype(state, thing)) not in ("integer", "bool"):
        return False
    unsure = [t for t in argument.value if t.kind in ("opaque", "external")]
    return any(not any(word in t.name.lower() for word in _OF_DEVICES) for t in unsure)


def _moves(device: Value) -> str:
    named = {t.name for t in of_kind(device, "device")}
    sure, text = (True, named.pop()) if len(named) == len(device) == 1 else known(device)
    if sure and isinstance(text, str):
        return "no" if text.startswith("cpu") else "yes"
    return "maybe"


def by_row(
    m: Machine,
    f: Frame,
    state: State,
    call: Call,
    row: TensorOp,
    first: list[Thing],
    name: str,
) -> Value:
    """Apply an operation on tensors that a knowledge row describes."""
    operands, unknown = _gathered(m, f, state, call, row, first)
    if is_constant(call.keyword("inplace") or NOTHING, True):
        row, name = row._replace(inplace=True, guarded=False), BY_KEYWORD
    inputs = [thing for group in operands for thing in group]
    for thing in inputs[:1] if row.grad == "raises" else ():
        if tracked(state, thing) != "no":
            log(m, f, state, "barred", thing, call.place, detail=name)
    if name == "detach_" and inputs:
        detach_in_place(state, inputs[0])
    if row.inplace and inputs:
        if not row.guarded:
            _write(m, f, state, call, operands, name)
            m.graph.impure.update(identity(t) for t in operands[0] if unknown)
            me = identity(inputs[0])
            bring_values(m, state, me, (a.value for a in call.arguments))
            if row.keeps and tracked(state, me) != "no":
                descendants.enter(m, state, me, "#consumers", me)
        return frozenset(operands[0])
    out = call.keyword("out")
    if out is not None:
        for thing in inputs:
            if tracked(state, thing) != "no":
                log(m, f, state, "out", thing, call.place, detail=name)
        for tensor in of_kind(out, "tensor"):
            write_in_place(m, f, state, tensor, operands, call.place, "out=")
        return out
    if row.returns in ("scalar", "other"):
        use_values(m, f, state, inputs, call.place)
        return NUMBER if row.returns == "scalar" or name == "size" else UNKNOWN
    row = with_indices(call, row)
    if row.outputs or (row.pairwise and len(operands) > 1):
        alone = not first and len(call.arguments) == 1 and unknown
        result = several(m, f, state, call, row, operands, alone)
        held = containers.with_elements(state, result) if unknown else NOTHING
        m.graph.impure.update(of_kind(held, "tensor"))
        return result
    if row.alias == "self" and inputs and inputs[0].kind == "tensor":
        return frozenset(operands[0])
    if row.returns == "tuple" and call.parts > 1:
        return _named_one_by_one(m, f, state, call, row, operands, unknown)
    made = _made_by(m, f, state, call, row, operands)
    m.graph.impure.update((made,) if unknown else ())
    bring_values(m, state, made, (a.value for a in call.arguments))
    if row.returns == "tuple":
        m.graph.several.add(made)
        m.graph.packed.add(Site(f.module.path, call.place))
        whole = containers.make(m, f, state, call.place, "list", None, frozenset((made,)))
        return frozenset((whole,))
    return frozenset((made,))


def _named_one_by_one(
    m: Machine,
    f: Frame,
    state: State,
    call: Call,
    row: TensorOp,
    operands: list[list[Thing]],
    unknown: bool,
) -> Value:
    """Return the results of `a, b = x.unbind()`, each of which gets a name."""
    each = [_made_by(m, f, state, call, row, operands, f"part {n}") for n in range(call.parts)]
    m.graph.impure.update(each if unknown else ())
    m.graph.packed.add(Site(f.module.path, call.place))
    items = [frozenset((thing,)) for thing in each]
    return frozenset((containers.make(m, f, state, call.place, "list", items),))


def _write(
    m: Machine, f: Frame, state: State, call: Call, operands: list[list[Thing]], name: str
) -> None:
    """Write into the first operand, whichever of its alternatives that is."""
    written, *others = operands

    def way(thing: Thing, s: State) -> None:
        write_in_place(m, f, s, thing, others, call.place, name)

    if len(written) == 1:
        way(written[0], state)
    else:
        m.branch(f, state, [partial(way, t) for t in written])


def for_each(m: Machine, f: Frame, state: State, call: Call, name: str) -> Value:
    """Execute `torch._foreach_mul_(tensors, ...)`: a method of each tensor in a list."""
    row = method_row(name)
    listed = call.get(0, "self")
    if row is None or listed is None:
        return m.unknown(m, f, state, call, [], name)
    op = containers.element_op(listed.place)
    tensors = of_kind(containers.any_element(m, f, state, listed.value, op), "tensor")
    results = [by_row(m, f, state, call.rest(), row, [t], name) for t in tensors]
    made = containers.make(m, f, state, call.place, "list", None, union(results))
    return NONE if row.inplace else frozenset((made,))


def _gathered(
    m: Machine, f: Frame, state: State, call: Call, row: TensorOp, first: list[Thing]
) -> tuple[list[list[Thing]], bool]:
    """Return the tensors that go in, by operand, and whether something unknown goes in too."""
    operands, unknown, listed = [list(first)], False, False
    for argument in call.arguments:
        value = consume(m, f, state, argument.value, argument.place)
        m.callbacks(m, f, state, call, [value], ())
        if row.first_only and any(operands):
            continue
        unknown |= any(t.kind in _MAY_HOLD_LEAVES for t in containers.given(state, value))
        listed |= bool(of_kind(containers.with_elements(state, value), "opaque", "module"))
        arrays = arrays_in(state, value)
        unknown |= has_objects(state, arrays)
        operands += _operands(state, value)
        for array in arrays:
            read_array(m, f, state, array, argument.place)
    return [group for group in operands if group], unknown or (listed and not any(operands))


def _made_by(
    m: Machine,
    f: Frame,
    state: State,
    call: Call,
    row: TensorOp,
    operands: list[list[Thing]],
    name: str = "derived",
) -> Thing:
    target = call.perhaps(None, "dtype")
    of_dtype = named_dtype(target) if target is not None else ""
    inputs = [thing for group in operands for thing in group]
    made = derive(
        m, f, state, call.place, row, inputs, of_dtype=of_dtype, operands=operands, name=name
    )
    kept_results.note_taken(m, state, made, call.arguments)
    numbers = {weak_dtype(thing) for a in call.arguments for thing in a.value}
    lifts = _LIFTS.get(dtype_class(dtype(state, made)), set())
    if row.dtype in ("same", "promote", "float") and numbers & lifts:
        state.set((made, "#dtype"), "unknown")
    return made


# By the class of a tensor: the Python numbers that make another of it.
_LIFTS = {
    "bool": {"~int", "~float", "~complex"},
    "integer": {"~float", "~complex"},
    "float": {"~complex"},
}


def _operands(state: State, value: Value) -> list[list[Thing]]:
    """Return the tensors of an argument and of its lists, each with its alternatives."""
    found = [_tensor_like(state, value)]
    for thing in of_kind(value, "list", "tuple"):
        length = state.get((thing, "#length"), "maybe")
        fields = ["[*]"] if length == "maybe" else [f"[{n}]" for n in range(int(length))]
        found += [_tensor_like(state, state.get((thing, field), frozenset())) for field in fields]
    return [group for group in found if group]


def _tensor_like(state: State, value: Value) -> list[Thing]:
    things = of_kind(value, "tensor", "opaque")
    return [t for t in things if t.kind == "tensor" or state.get((t, "#inputs"))]


__all__ = ["by_row", "for_each", "run_backward", "tensor_method", "to_numpy"]
