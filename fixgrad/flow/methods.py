"""Methods of things that are not the project's own: tensors, arrays, containers, modules, optimizers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from fixgrad.flow import (
    access,
    classes,
    containers,
    forward_hooks,
    instances,
    module_lists,
    namespaces,
    submodules,
)
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.arrays import (
    LISTED,
    NUMBERS,
    ROW,
    arrays_in,
    make_array,
    new_array,
    read_array,
    reduced,
    sources_of,
    write_array,
)
from fixgrad.flow.container_methods import container_call
from fixgrad.flow.exports import maker_of, of_library
from fixgrad.flow.failures import fill, is_raised
from fixgrad.flow.gradients import consume
from fixgrad.flow.modules import call_module, parameters
from fixgrad.flow.optimizers import demand_parameters, optimizer_method
from fixgrad.flow.plain_attributes import set_plainly
from fixgrad.flow.registration import note_cast, note_moved
from fixgrad.flow.scalars import taken
from fixgrad.flow.sharing import grant
from fixgrad.flow.state import MODE, State, mode_inside
from fixgrad.flow.tensor_methods import run_backward, tensor_method
from fixgrad.flow.tensors import derive, dtype, log
from fixgrad.flow.values import (
    NONE,
    NOTHING,
    NUMBER,
    UNKNOWN,
    Thing,
    Value,
    known,
    of_kind,
    ordered,
    union,
)
from fixgrad.knowledge import TensorOp, array_method, distribution_method, exports_method
from fixgrad.knowledge import tensor_method as method_row

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

Method: TypeAlias = Callable[["Machine", "Frame", State, Call, Thing, str, bool], Value]

_DISTRIBUTION = "result torch.distributions."  # what one of its classes gives
_RETURNS_ITSELF = frozenset(
    ("to", "cuda", "cpu", "float", "double", "half", "train", "eval", "apply", "share_memory")
)


def array_call(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str, strong: bool
) -> Value:
    """Call a method of an array."""
    for argument in call.arguments:
        value = consume(m, f, state, argument.value, argument.place)
        for tensor in of_kind(value, "tensor"):
            log(m, f, state, "export", tensor, argument.place, detail=name)
    read_array(m, f, state, thing, call.place)
    if name == "backward":
        lost = frozenset(sources_of(state, [thing]))
        log(m, f, state, "array-backward", thing, call.place, others=lost)
    if name == "requires_grad_":
        log(m, f, state, "array-flag", thing, call.place, detail="method")
        return frozenset((thing,))
    row = array_method(name)
    if row is None or any(of_kind(a.value, "class") for a in call.arguments):
        return UNKNOWN  # `a.view(Tracked)` is of a class that the project derives from arrays
    if -1 in row.writes:
        write_array(m, f, state, thing, call.place)
    if row.returns == "none":
        return NONE
    if name == "tolist":
        name = NUMBERS[0] if state.get((thing, ROW)) == "yes" else LISTED
        element = new_array(
            m, f, state, call.place, inputs=[thing], name=name, effect="numpy.ndarray.tolist"
        )
        made = containers.make(m, f, state, call.place, "list", None, frozenset((element,)))
        return frozenset((made,))
    if name == "item":
        return taken(m, f, state, call.place, [frozenset((thing,))], row.name)
    if row.returns == "other":
        return UNKNOWN
    scalar = row.returns == "scalar" and not call.arguments
    name = "scalar" if scalar else reduced(row, call, 0)
    others = [t for a in call.arguments for t in arrays_in(state, a.value)]
    made_array = make_array(m, f, state, call.place, row, [thing, *others], call, name)
    if (
        row.name == "numpy.ndarray.view"
        and call.arguments
        and dtype(state, made_array) == "unknown"
    ):
        # `a.view(cls)`: an object of a class that may have any attribute, not a plain array
        return containers.carry(m, f, state, call.place, [frozenset((thing,))], row.name)
    if row.returns == "arrays":
        return frozenset(
            (containers.make(m, f, state, call.place, "list", None, frozenset((made_array,))),)
        )
    return frozenset((made_array,))


def module_method(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str, strong: bool
) -> Value:
    """Call a method that every torch.nn.Module has."""
    if name in ("parameters", "named_parameters", "buffers", "named_buffers"):
        return _parameters_call(m, f, state, call, thing, name)
    if name == "forward":
        return call_module(m, f, state, call, thing)
    if name == "requires_grad_":
        flag = call.get(0, "requires_grad")
        on = True if flag is None else known(flag.value) != (True, False)
        for parameter in parameters(m, state, thing):
            if parameter.kind == "tensor":
                grant(m, f, state, parameter, call.place, on=on, strong=True, form="module")
        return frozenset((thing,))
    if name in _REGISTERING:
        _register(m, f, state, call, thing, name)
        return NONE
    if name in submodules.LISTING:
        return submodules.listed(m, f, state, call, thing, name)
    if name in module_lists.CHANGES and thing.kind == "module":
        return module_lists.change(m, f, state, call, thing, name)
    held = module_lists.ask(m, f, state, call, thing, name)
    if held is not None:
        return held
    if name in _RETURNS_ITSELF:
        note_moved(m, state, call, thing, name)
        return frozenset((thing,))
    forward_hooks.keep(m, state, call, thing, name)
    return m.unknown(m, f, state, call, [thing], name)


def _register(m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str) -> None:
    """Keep a module, a buffer or a parameter under a name, known or not."""
    key, value = call.get(0, "name"), call.get(1, _REGISTERING[name])
    if key is None or value is None:
        return
    me = frozenset((thing,))
    sure, text = known(key.value)
    if _REGISTERING[name] == "module" and thing.kind == "module":
        module_lists.add(state, thing, value.value)
    if sure:
        access.write_attribute(m, f, state, me, str(text), value.value, call.place)
    elif _REGISTERING[name] == "module":
        namespaces.set_computed(
            m, state, me, NOTHING, value.value
        )  # torch refuses a name that is taken


_REGISTERING = {
    "register_buffer": "tensor", "register_parameter": "param",
    "add_module": "module", "register_module": "module",
}  # fmt: skip


def _parameters_call(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str
) -> Value:
    found = frozenset(parameters(m, state, thing)) if "parameters" in name else NOTHING
    found = found or UNKNOWN
    if name.startswith("named"):
        pair = containers.make(m, f, state, call.place, "tuple", [UNKNOWN, found], name="pair")
        found = frozenset((pair,))
    return frozenset((containers.make(m, f, state, call.place, "list", None, found, name),))


def instance_method(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str
) -> Value:
    """Call a method that an instance of a project's class does not define itself."""
    if name in ("assertRaises", "assertRaisesRegex"):
        return frozenset((m.thing("context", None, (), "raises"),))
    bases = classes.external_bases(thing.data)
    if any(b.startswith("torch.nn.") for b in bases):
        return module_method(m, f, state, call, thing, name, True)
    if any(b.startswith("torch.optim.") for b in bases) and name == "add_param_group":
        demand_parameters(m, f, state, call, "add_param_group")
        return NONE
    items = frozenset(state.get((thing, "#items"), NOTHING))
    if name == "_replace" and items:
        return instances.replaced(m, f, state, call, thing)
    if name == "_asdict" and items:
        return namespaces.namespace(m, f, state, [thing], call.place)
    if items:
        return m.send(m, f, state, call, items, name)
    return m.unknown(m, f, state, call, [thing], name)


def base_method(m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str) -> Value:
    """Call `super().name()` where the base is not of the project."""
    _, instance = thing.data
    if name == "__setattr__" and len(call.positional()) == 2:
        key, new = call.positional()
        set_plainly(m, f, state, call.place, instance, key.value, new.value)
        return NONE
    if name == "__init__":
        bases = classes.external_bases(instance.data) if instance.kind == "instance" else []
        if any(b.startswith("torch.optim.") for b in bases):
            demand_parameters(m, f, state, call, "torch.optim.Optimizer", by=instance)
        for argument in call.arguments:
            consume(m, f, state, argument.value, argument.place)
        if instance.kind == "instance":
            instances.fill_items(m, f, state, call, instance)
            if is_raised(instance.data):
                fill(m, f, state, call, instance)
        return NONE
    if instance.kind == "instance":
        return instance_method(m, f, state, call, instance, name)
    if name == "__new__" and instance.kind == "class":
        return frozenset((instances.bare(m, f, state, call.place, instance),))
    return UNKNOWN


def opaque_method(m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str) -> Value:
    """Call a method of something unknown; the method's name may tell what it is."""
    me = Argument(frozenset((thing,)), call.receiver or call.place)
    if name == "backward":
        run_backward(m, f, state, call, [thing])
        return NONE
    if name == "requires_grad_":
        return frozenset((thing,))
    if name in ("assertRaises", "assertRaisesRegex"):
        return frozenset((m.thing("context", None, (), "raises"),))
    if name == "add_param_group":
        demand_parameters(m, f, state, call, name)
        return NONE
    if name == "_replace" and state.get((thing, "#items")):
        return instances.replaced(m, f, state, call, thing)
    if name == "_asdict" and state.get((thing, "#items")):
        return namespaces.namespace(m, f, state, [thing], call.place)
    if name in ("numpy", "__array__"):
        log(m, f, state, "export", thing, me.place, detail=name)
        made = new_array(m, f, state, call.place, inputs=[thing], effect=name)
        return frozenset((made,))
    if name == "astype":
        row = array_method(name)
        assert row is not None
        return frozenset((make_array(m, f, state, call.place, row, [thing], call),))
    if exports_method(name):
        _log_exports(m, f, state, call, name)
    row_here = distribution_method(name) if thing.name.startswith(_DISTRIBUTION) else None
    if row_here is not None and row_here.returns == "tensor":
        return _distribute(m, f, state, call, thing, row_here)
    row_of_tensor = method_row(name)
    forward_hooks.keep(m, state, call, thing, name)
    if state.get((thing, "#inputs")) and row_of_tensor is not None and not row_of_tensor.attribute:
        if row_of_tensor.returns == "tensor" and not row_of_tensor.inplace:
            extra = [t for a in call.arguments for t in of_kind(a.value, "tensor", "opaque")]
            extra = [t for t in extra if t.kind == "tensor" or state.get((t, "#inputs"))]
            return frozenset((derive(m, f, state, call.place, row_of_tensor, [thing, *extra]),))
        if row_of_tensor.returns == "scalar" or name == "tolist":
            return NUMBER
        if row_of_tensor.returns == "other":
            return UNKNOWN
    return of_library(m, f, state, call, maker_of(thing), [thing], name)


def _distribute(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, row: TensorOp
) -> Value:
    """Call a method of a distribution: it computes with the parameters that are in it."""
    given = of_kind(union(a.value for a in call.arguments), "tensor", "opaque")
    inside = ordered(state.get((thing, "#inputs"), ()))
    inputs = [*inside, *containers.reachable(state, [frozenset(given)])]
    return frozenset((derive(m, f, state, call.place, row, inputs or [thing]),))


def _log_exports(m: Machine, f: Frame, state: State, call: Call, name: str) -> None:
    for argument in call.arguments:
        for tensor in of_kind(argument.value, "tensor"):
            log(m, f, state, "export", tensor, argument.place, detail=name)
        for array in arrays_in(state, argument.value):
            read_array(m, f, state, array, argument.place)


_MOVES = ("to", "cuda", "cpu", "type", "type_as", "float", "double", "half", "bfloat16")


def _of_tensor(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str, strong: bool
) -> Value:
    """Call a method of a tensor, and note where the program moves it itself."""
    if name in _MOVES:
        note_cast(m, thing)
    return tensor_method(m, f, state, call, thing, name, strong)


def context_call(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str, strong: bool
) -> Value:
    """Call a method of a context manager of torch: `torch.no_grad().__enter__()`."""
    if name != "__enter__":
        return m.unknown(m, f, state, call, [thing], name)
    state.set(MODE, mode_inside(state.get(MODE, "on"), thing.name))
    return frozenset((thing,))


def _of_member(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str, _strong: bool
) -> Value:
    """Call a method that an enumeration has for its members."""
    found = access.attribute(m, f, state, frozenset((thing,)), name, call.place)
    if found == UNKNOWN:
        return m.unknown(m, f, state, call, [thing], name)
    return m.apply(m, f, state, call, found)


METHODS: dict[str, Method] = {
    "const": _of_member,
    "context": context_call,
    "tensor": _of_tensor,
    "array": array_call,
    "list": container_call,
    "tuple": container_call,
    "dict": container_call,
    "module": module_method,
    "optimizer": optimizer_method,
}

__all__ = ["METHODS", "base_method", "instance_method", "opaque_method"]
