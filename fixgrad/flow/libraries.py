"""Calls of names that are not the project's: what they do is looked up by their qualified name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import builtin_calls, containers, plain_attributes, pytest_marks
from fixgrad.flow.arguments import Call
from fixgrad.flow.arrays import (
    ROW,
    arrays_in,
    hold,
    is_row,
    make_array,
    new_array,
    read_array,
    reduced,
    write_array,
)
from fixgrad.flow.conversions import convert, make_parameter, spread_requires_grad
from fixgrad.flow.differentiation import backward
from fixgrad.flow.exports import RESULT, export, of_library
from fixgrad.flow.gradients import consume
from fixgrad.flow.guards import ask_all
from fixgrad.flow.loading import HANDLERS as LOADING
from fixgrad.flow.modelled import call_modelled
from fixgrad.flow.modules import make_module
from fixgrad.flow.optimizers import make_optimizer, tensors_inside
from fixgrad.flow.protocols import callables
from fixgrad.flow.scalars import math_call, numbers_in, without_names
from fixgrad.flow.sharing import grant
from fixgrad.flow.standard_library import SPECIAL
from fixgrad.flow.state import MODE, State
from fixgrad.flow.tensor_methods import by_row, for_each
from fixgrad.flow.tensors import identity, log, make, tracked
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
)
from fixgrad.knowledge import (
    ArrayCall,
    Demand,
    array_function,
    callbacks,
    context,
    conversion,
    demand,
    drawn_alone,
    dtype_of,
    exports,
    factory,
    is_ufunc,
    module_class,
    tensor_function,
)

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_PARAMETER = ("torch.nn.Parameter", "torch.nn.parameter.Parameter")
_EACH = "torch._foreach_"
_SCHEDULERS = "torch.optim.lr_scheduler."  # they keep the optimizer, and give out numbers
NOT_RUN = ("unittest.skip", "unittest.expectedFailure", "pytest.mark.skip", "pytest.mark.xfail")
# What they make of a function is differentiated in ways of its own, whatever its body does.
OWN_DERIVATIVE = ("torch.library.custom_op", "torch.library.triton_op")
_EXPECTS = ("raises", "assert_raises", "assert_raises_regex")
_GRADIENT_ERRORS = {"RuntimeError", "TypeError", "AttributeError", "Exception", "BaseException"}
_GENERATORS = {
    "numpy.random.default_rng": "numpy.random.Generator",
    "numpy.random.RandomState": "numpy.random.RandomState",
    "numpy.random.Generator": "numpy.random.Generator",
}


def context_mode(name: str) -> str | None:
    """Return what a context manager of torch does to recording: "no_grad", "set", ..."""
    return context(name)


def call_external(m: Machine, f: Frame, state: State, call: Call, name: str) -> Value:
    """Call a function or class by its qualified name."""
    if name == plain_attributes.OF_OBJECTS:
        return plain_attributes.set_of_each(m, f, state, call.place, call.positional())
    if name.startswith("builtins."):
        return builtin_calls.call_builtin(m, f, state, call, name.removeprefix("builtins."))
    m.graph.called.add(name)
    if m.models is not None:
        own = call_modelled(m, f, state, call, m.models, name)
        if own is not None:
            return own
    written = m.library(name)
    if written:
        return m.apply(m, f, state, call, written)
    special = SPECIAL.get(name) or LOADING.get(name)
    if special is not None:
        return special(m, f, state, call)
    mode = context(name)
    if mode is not None:
        return _context(m, state, call, mode)
    if name.startswith("torch.Tensor."):
        first = call.get(0, None)
        if first is not None:
            rest = call.rest()._replace(receiver=first.place if call.written else None)
            return m.send(m, f, state, rest, first.value, name.rpartition(".")[2])
    if name in (*NOT_RUN, *OWN_DERIVATIVE):
        return frozenset((m.thing("external", None, (), name),))
    if name.startswith("torch."):
        return _call_torch(m, f, state, call, name)
    if name in _GENERATORS:
        return frozenset((m.thing("external", None, (), _GENERATORS[name]),))
    if name in pytest_marks.MARKS:
        return pytest_marks.mark(m, f, call, name)
    if name == "contextlib.suppress":
        caught = {t.name.rpartition(".")[2] for a in call.arguments for t in a.value}
        name = "raises" if caught & _GRADIENT_ERRORS else name
    if name.rpartition(".")[2] in _EXPECTS:
        return frozenset((m.thing("context", None, (), "raises"),))
    if name.startswith("math.") and tensor_function(name) is not None:
        return math_call(m, f, state, call, name.removeprefix("math."))
    row = array_function(name)
    if row is not None:
        return _call_array_function(m, f, state, call, name, row)
    if exports(name):
        for argument in call.arguments:
            export(m, f, state, argument, name, written=call.written)
    return of_library(m, f, state, call, "", [], name)


def _context(m: Machine, state: State, call: Call, mode: str) -> Value:
    flag = call.get(0, "mode")
    sure, on = known(flag.value) if flag is not None else (mode == "inference", True)
    if mode == "inference" and not (sure and on):
        mode = "no_inference" if sure else "perhaps_inference"
    if mode != "set":
        return frozenset((m.thing("context", None, (), mode),))
    before = state.get(MODE, "on")
    now = ("on" if on else "off") if sure else "maybe"
    state.set(MODE, now)
    return frozenset((m.thing("context", None, (), "set", (now, before)),))


def _call_torch(m: Machine, f: Frame, state: State, call: Call, name: str) -> Value:
    if name in _PARAMETER:
        return make_parameter(m, f, state, call, name)
    converting = conversion(name)
    if converting is not None:
        return convert(m, f, state, call, converting)
    made = factory(name)
    if made is not None:
        return spread_requires_grad(m, f, state, call, made)
    asked = demand(name)
    if asked is not None:
        return _demand(m, f, state, call, asked)
    module = module_class(name)
    if module is not None:
        return make_module(m, f, state, call, module)
    if name.startswith(_SCHEDULERS):
        m.callbacks(m, f, state, call, [a.value for a in call.arguments], (NUMBER,))
        return UNKNOWN
    row = tensor_function(name)
    if row is not None:
        made_by_row = by_row(m, f, state, call, row, [], name.rpartition(".")[2])
        _grant_by_keyword(m, f, state, call, made_by_row)
        return made_by_row
    if name.startswith(_EACH):
        return for_each(m, f, state, call, name.removeprefix(_EACH))
    return m.unknown(m, f, state, call, [], name)


def _grant_by_keyword(m: Machine, f: Frame, state: State, call: Call, made: Value) -> None:
    """Track what a function makes that is told so: `torch.sparse_coo_tensor(i, v, requires_grad=True)`."""
    flag = call.keyword("requires_grad")
    if flag is None or is_constant(flag, False):
        return
    strong = is_constant(flag, True)
    for thing in of_kind(made, "tensor"):
        grant(m, f, state, thing, call.place, on=True, strong=strong, form="keyword")


def _demand(m: Machine, f: Frame, state: State, call: Call, row: Demand) -> Value:
    """Execute a function that asks for gradients."""
    for argument in call.arguments:
        consume(m, f, state, argument.value, argument.place)
    if row.name.startswith("torch.optim."):
        return make_optimizer(m, f, state, call, row.name)
    if row.need == "own-leaves":
        values = [a.value for a in call.arguments]
        m.callbacks(m, f, state, call, values, (UNKNOWN,))
        return UNKNOWN
    if "gradcheck" in row.name:
        return _gradcheck(m, f, state, call, row)
    return _differentiate(m, f, state, call, row)


def _gradcheck(m: Machine, f: Frame, state: State, call: Call, row: Demand) -> Value:
    inputs = call.get(row.position, row.keyword)
    if inputs is not None:
        for tensor in tensors_inside(state, inputs.value):
            log(m, f, state, "gradcheck", tensor, inputs.place, detail=row.name)
    return UNKNOWN


def _differentiate(m: Machine, f: Frame, state: State, call: Call, row: Demand) -> Value:
    """Execute autograd.grad or autograd.backward."""
    roots = call.get(row.roots, row.roots_keyword)
    inputs = call.get(row.position if row.need == "tracked" else None, row.keyword)
    if row.need != "tracked":
        inputs = call.get(None, row.inputs_keyword)
    if inputs is not None:
        holders: set[Thing] = set()
        for tensor in tensors_inside(state, inputs.value, holders):
            log(m, f, state, "inputs", tensor, inputs.place, detail=row.name)
        if call.may_turn_on("allow_unused", "materialize_grads"):
            m.graph.allowing.add(Site(f.module.path, inputs.place))
        ask_all(m, f, state, inputs.value, holders, inputs.place)
    keeps = call.may_turn_on("retain_graph", "create_graph")
    found = containers.reachable(state, [roots.value]) if roots is not None else []
    fills = row.need != "tracked"
    until = () if fills or inputs is None else _only_input(state, inputs.value)
    unknown = of_kind(roots.value, "opaque") if roots is not None else []
    every = list(dict.fromkeys((*found, *unknown)))
    backward(m, f, state, every, call.place, row.name, fills=fills, keeps=keeps, until=until)
    if fills:
        return NONE
    recorded = call.may_turn_on("create_graph")
    of = [tracked(state, t) for t in every]
    status = "maybe" if recorded and set(of) != {"no"} else "no"  # of a linear function: untracked
    gradient = make(
        m, f, state, call.place, "gradient", is_tracked=status, inputs=every if recorded else ()
    )
    made = containers.make(m, f, state, call.place, "tuple", None, frozenset((gradient,)))
    return frozenset((made,))


def _only_input(state: State, inputs: Value) -> set[Thing]:
    """Return what the one tensor may be of which a gradient is asked; nothing where there are several."""
    if len(inputs) == 1:
        for listed in of_kind(inputs, "list", "tuple"):
            if state.get((listed, "#length")) == "1":
                inputs = state.get((listed, "[0]"), NOTHING)
    return {identity(t) for t in inputs} if all(t.kind == "tensor" for t in inputs) else set()


def _call_array_function(
    m: Machine, f: Frame, state: State, call: Call, name: str, row: ArrayCall
) -> Value:
    calls_back = callbacks(name)
    if calls_back:
        return _call_back(m, f, state, call, name)
    for argument in call.arguments:
        if row.reads:
            export(m, f, state, argument, name, written=call.written)
        for array in arrays_in(state, argument.value):
            read_array(m, f, state, array, argument.place)
    for position in row.writes:
        written = call.get(position, None)
        for thing in of_kind(written.value, "array", "opaque") if written else []:
            write_array(m, f, state, thing, call.place)
    out = call.keyword("out")
    for thing in of_kind(out or NOTHING, "array", "opaque"):
        write_array(m, f, state, thing, call.place)
    m.callbacks(m, f, state, call, [a.value for a in call.arguments], ())
    result = _array_result(m, f, state, call, name, row)
    if call.keyword("requires_grad") is not None:
        for thing in of_kind(result, "array"):
            log(m, f, state, "bad-keyword", thing, call.place, detail=name)
    return result


def _object(m: Machine, f: Frame, call: Call, name: str) -> Value:
    """Return an object of a library that works with arrays; it is known by what has made it."""
    return frozenset(
        (m.thing("opaque", Site(f.module.path, call.place), f.path, f"{RESULT}{name}"),)
    )


def _array_result(
    m: Machine, f: Frame, state: State, call: Call, name: str, row: ArrayCall
) -> Value:
    if row.returns == "none":
        return NONE
    if row.returns == "other":
        return _object(m, f, call, name)
    first = call.get(0, None)
    inputs = [t for a in call.arguments for t in arrays_in(state, a.value)]
    inputs += [t for a in call.arguments for t in of_kind(a.value, "tensor")]
    literal = dtype_of(name) if name.startswith("numpy.") else None
    if literal is not None:
        row = row._replace(dtype=literal)
    if row.alias != "copy" and first is not None:
        inputs = [*of_kind(first.value, "opaque"), *inputs]
    given = [without_names(a.value) for a in call.arguments]
    plain = all(t.kind in ("const", "number") for value in given for t in value)
    single = is_ufunc(name) or literal is not None or _is_drawn_alone(call, name)
    scalar = row.returns == "scalar" or (plain and single)
    qualified, name = name, "scalar" if scalar else reduced(row, call, 1)
    shown = is_row(state, call, qualified)
    made = make_array(m, f, state, call.place, row, inputs, call, name)
    if shown:
        state.set((made, ROW), "yes")
    numbers = [t for a in call.arguments for t in numbers_in(state, a.value) if t.name]
    if numbers:
        hold(m, state, made, row.name, [*inputs, *numbers])
    if row.returns == "arrays":
        whole = containers.make(m, f, state, call.place, "list", None, frozenset((made,)))
        return frozenset((whole,))
    return frozenset((made,))


def _is_drawn_alone(call: Call, name: str) -> bool:
    """Say whether a call of numpy.random that is given numbers draws one number."""
    most = drawn_alone(name)
    return (
        most is not None
        and len(call.positional()) <= most
        and all(a.name not in ("*", "**", "size", "out") for a in call.arguments)
    )


def _call_back(m: Machine, f: Frame, state: State, call: Call, name: str) -> Value:
    """Call a function that calls the project's functions with arrays."""
    for row in callbacks(name):
        function = call.get(row.position, row.keyword)
        if function is None:
            continue
        given = tuple(_given(m, f, state, call, kind) for kind in row.parameters)
        more = call.keyword("args")
        extra = _extra_arguments(state, more) if more is not None else ()
        m.callbacks(m, f, state, call, [function.value], (*given, *extra))
    for argument in call.arguments:
        if not callables(state, argument.value):
            export(m, f, state, argument, name, written=call.written)
    made = m.thing("opaque", Site(f.module.path, call.place), f.path, f"result {name}")
    return frozenset((made,))


def _extra_arguments(state: State, more: Value) -> tuple[Value, ...]:
    for thing in of_kind(more, "tuple", "list"):
        length = state.get((thing, "#length"), "maybe")
        if length != "maybe":
            return tuple(
                frozenset(state.get((thing, f"[{n}]"), NOTHING)) or UNKNOWN
                for n in range(int(length))
            )
    return (more,) if more and not of_kind(more, "tuple", "list") else ()


def _given(m: Machine, f: Frame, state: State, call: Call, kind: str) -> Value:
    if kind == "array":
        return frozenset((new_array(m, f, state, call.place, of_dtype="float64"),))
    return UNKNOWN
