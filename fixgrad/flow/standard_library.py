"""Functions and types of Python's library that values flow through: records, containers, partials, copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fixgrad.flow import builtin_calls, containers, importing, instances, subsets
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.array_dtypes import named_dtype
from fixgrad.flow.drawing import DRAWING
from fixgrad.flow.heaps import HEAPS
from fixgrad.flow.inspection import INSPECTION
from fixgrad.flow.iterators import ITERATORS
from fixgrad.flow.memory import SHALLOW
from fixgrad.flow.operator_library import OPERATORS
from fixgrad.flow.state import State
from fixgrad.flow.tensors import cut_from, dtype, identity, leaf, log, make, tracked
from fixgrad.flow.type_tests import is_instance, is_sparse
from fixgrad.flow.values import (
    NONE,
    NOTHING,
    UNKNOWN,
    Site,
    Thing,
    Value,
    is_constant,
    known,
    of_kind,
    ordered,
    union,
)

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def _partial(m: Machine, f: Frame, state: State, call: Call) -> Value:
    if not call.arguments:
        return UNKNOWN
    first, *rest = call.arguments
    data = (first.value, tuple(rest))
    return frozenset((m.thing("partial", Site(f.module.path, call.place), f.path, "", data),))


def _partial_method(m: Machine, f: Frame, state: State, call: Call) -> Value:
    if not call.arguments:
        return UNKNOWN
    inner = _partial(m, f, state, call)
    return frozenset((m.thing("wrapped", None, f.path, "partialmethod", inner),))


def _deque(m: Machine, f: Frame, state: State, call: Call) -> Value:
    given = call._replace(arguments=tuple(call.positional()[:1]))
    made = builtin_calls.call_builtin(m, f, state, given, "list")
    longest = call.get(1, "maxlen")
    if longest is not None and not is_constant(longest.value, None):
        for thing in of_kind(made, "list"):
            state.set((thing, "#longest"), longest.value)
            subsets.keep_last(m, state, thing)
    return made


def _checkpoint(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Call a function that is run again in the backward pass: its result is that of the function."""
    called = call.get(0, "function")
    if called is None:
        return m.unknown(m, f, state, call, [], "checkpoint")
    given = tuple(a for a in call.arguments if a is not called and a.name not in _OF_CHECKPOINT)
    return m.apply(m, f, state, Call(call.place, given), called.value)


_OF_CHECKPOINT = ("use_reentrant", "preserve_rng_state", "context_fn", "determinism_check", "debug")


def _queue(m: Machine, f: Frame, state: State, call: Call) -> Value:
    return frozenset((containers.make(m, f, state, call.place, "list", [], name="queue"),))


def _ordered_dict(m: Machine, f: Frame, state: State, call: Call) -> Value:
    return builtin_calls.call_builtin(m, f, state, call, "dict")


def _default_dict(m: Machine, f: Frame, state: State, call: Call) -> Value:
    factory = call.get(0, "default_factory")
    rest = call.rest() if factory is not None and not factory.name else call
    made = builtin_calls.call_builtin(m, f, state, rest, "dict")
    if factory is not None and not is_constant(factory.value, None):
        for thing in of_kind(made, "dict"):
            state.set((thing, "#default"), factory.value)
    return made


def _fields(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Return the fields of a dataclass, in the order declared."""
    first = call.get(0, "class_or_instance")
    owners = of_kind(first.value, "instance", "class") if first is not None else []
    # What is said of fields beside their names is not known, and may sort them: `f.type is float`.
    more = any(token in f.function.tokens for token in (".type", ".metadata", ".default", ".init"))
    if first is None or len(owners) != 1 or len(first.value) != 1 or more:
        return m.unknown(m, f, state, call, [], "fields")
    fields = instances.declared_fields(m, f, state, call.place, owners[0])
    items = [field for _, field in fields]
    return frozenset((containers.make(m, f, state, call.place, "tuple", items),))


def _replace(m: Machine, f: Frame, state: State, call: Call) -> Value:
    first = call.get(0, "obj")
    things = of_kind(first.value, "instance") if first is not None else []
    if not things:
        return m.unknown(m, f, state, call, [], "replace")
    return union(instances.replaced(m, f, state, call.rest(), thing) for thing in things)


def _reduce(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Fold the items of a list by a function, where they are known."""
    op = containers.element_op(call.place)
    function, listed, start = call.get(0, None), call.get(1, None), call.get(2, None)
    items = containers.elements(m, f, state, listed.value, op) if listed is not None else None
    if function is None or not items:
        return m.unknown(m, f, state, call, [], "functools.reduce")
    values = [start.value, *items] if start is not None else items
    result, calls = values[0], f.path
    for number, value in enumerate(values[1:]):
        f.path = (*calls, Site(f.module.path, (*call.place[:3], number)))
        given = (Argument(result, call.place), Argument(value, call.place))
        result = m.apply(m, f, state, Call(call.place, given), function.value)
    f.path = calls
    return result


def _product(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Multiply what is given, unlike other functions of `math`, with the operator: of tensors a tensor."""
    made = builtin_calls.call_builtin(m, f, state, call, "sum")
    for thing in of_kind(made, "tensor"):
        state.set((thing, "#saves"), "yes")
    return made


def _shallow_copy(m: Machine, f: Frame, state: State, call: Call) -> Value:
    return _copy(m, f, state, call, shallow=True)


def _copy(m: Machine, f: Frame, state: State, call: Call, *, shallow: bool = False) -> Value:
    first = call.get(0, "x")
    if first is None:
        return UNKNOWN
    found: set[Thing] = set()
    for thing in ordered(first.value):
        if thing.kind != "tensor":
            found.add(thing)
            continue
        status = tracked(state, thing)
        if status != "no" and leaf(state, thing) == "no":
            log(m, f, state, "export", thing, first.place, detail="copy.deepcopy")
        me = identity(thing)
        made = make(
            m, f, state, call.place, SHALLOW if shallow else "copy", is_tracked=status,
            of_dtype=dtype(state, thing),
            storage=(me, *state.get((me, "#storage"), ())) if shallow else (),
        )  # fmt: skip
        state.set((made, "#leaf"), "yes")  # a copy of what was computed forgets how
        cut_from(m, made, [thing])
        m.graph.flagged_as.setdefault(made, set()).add(identity(thing))
        found.add(made)
    return frozenset(found)


def _deep_copy(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Copy with all that is inside: a result of autograd anywhere in it cannot be copied."""
    first = call.get(0, "x")
    holders = [t for t in ordered(first.value) if t.kind != "tensor"] if first is not None else []
    if call.get(1, "memo") is not None:
        holders = []  # what is in the memo is not copied
    inside = [frozenset((t,)) for t in holders]
    sure = containers.reachable(state, inside, sure=True)
    for tensor in containers.reachable(state, inside):
        computed = tensor.kind == "tensor" and leaf(state, tensor) == "no"
        if computed and first is not None and tracked(state, tensor) != "no":
            m.alternatives += tensor not in sure
            log(m, f, state, "export", tensor, first.place, detail="list.deepcopy")
            m.alternatives -= tensor not in sure
    return _copy(m, f, state, call)


def _save(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Call `torch.save`: a file keeps whether a tensor requires a gradient."""
    first = call.get(0, "obj")
    inside = containers.reachable(state, [first.value]) if first is not None else []
    m.saved.update(t for t in inside if t.kind == "tensor" and tracked(state, t) != "no")
    return NONE


def _load(m: Machine, f: Frame, state: State, call: Call) -> Value:
    if not m.saved:
        return m.unknown(m, f, state, call, [], "load")
    return containers.carry(m, f, state, call.place, [frozenset(m.saved)], "load")


def _is_tensor(m: Machine, f: Frame, state: State, call: Call) -> Value:
    kind = m.thing("external", None, (), "torch.Tensor")
    given = (*call.arguments[:1], Argument(frozenset((kind,)), call.place))
    return is_instance(m, f, state, Call(call.place, given))


def _field(m: Machine, f: Frame, state: State, call: Call) -> Value:
    factory = call.keyword("default_factory")
    if factory is not None:
        m.graph.with_factories.add(f.module.path)
        return frozenset(
            (m.thing("factory", Site(f.module.path, call.place), f.path, "", factory),)
        )
    return call.keyword("default") or UNKNOWN


def _field_of_attrs(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Call `attrs.field(converter=torch.tensor)`: what is given is converted before the object keeps it."""
    value = set(_field(m, f, state, call._replace(arguments=_with_factory(call))))
    converter = call.keyword("converter")
    if converter is not None and not is_constant(converter, None):
        m.graph.with_factories.add(f.module.path)
        site = Site(f.module.path, call.place)
        value.add(m.thing("converter", site, f.path, "", converter))
    return frozenset(value)


def _with_factory(call: Call) -> tuple[Argument, ...]:
    return tuple(
        a._replace(name="default_factory") if a.name == "factory" else a for a in call.arguments
    )


def _record_type(m: Machine, f: Frame, state: State, call: Call) -> Value:
    fields = call.get(1, "field_names")
    sure, text = known(fields.value) if fields is not None else (False, None)
    names: tuple[str, ...] = ()
    if sure and isinstance(text, str):
        names = tuple(text.replace(",", " ").split())
    for thing in of_kind(fields.value, "list", "tuple") if fields is not None else []:
        length = state.get((thing, "#length"), "maybe")
        items = (
            []
            if length == "maybe"
            else [known(state.get((thing, f"[{n}]"), UNKNOWN))[1] for n in range(int(length))]
        )
        names = tuple(str(name) for name in items)
    return frozenset((m.thing("record", Site(f.module.path, call.place), f.path, "named", names),))


def _namespace(m: Machine, f: Frame, state: State, call: Call) -> Value:
    record = m.thing("record", Site(f.module.path, call.place), f.path, "namespace", ())
    return m.apply(m, f, state, call, frozenset((record,)))


def _device(m: Machine, f: Frame, state: State, call: Call) -> Value:
    first = call.get(0, "device")
    _, text = known(first.value) if first is not None else (False, None)
    return frozenset((m.thing("device", None, (), text),)) if isinstance(text, str) else UNKNOWN


def _dtype(m: Machine, f: Frame, state: State, call: Call) -> Value:
    first = call.get(0, "dtype")
    name = named_dtype(first.value) if first is not None else "unknown"
    return frozenset((m.thing("dtype", None, (), name),))


def _awaited(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Run or schedule one coroutine: its function was entered where it was called."""
    first = call.get(0, "coro")
    return first.value if first is not None else UNKNOWN


def _gather(m: Machine, f: Frame, state: State, call: Call) -> Value:
    items: list[Value] | None = [a.value for a in call.arguments if not a.name]
    spread = [a.value for a in call.arguments if a.name == "*"]
    if spread:
        items = None
    anything = NOTHING.union(*spread, *(a.value for a in call.arguments if not a.name))
    return frozenset((containers.make(m, f, state, call.place, "list", items, anything),))


def _to_thread(m: Machine, f: Frame, state: State, call: Call) -> Value:
    return m.apply(m, f, state, call.rest(), call.arguments[0].value) if call.arguments else UNKNOWN


def _cache(m: Machine, f: Frame, state: State, call: Call) -> Value:
    """Call `functools.lru_cache(maxsize=...)`: what it returns decorates."""
    keeping = frozenset((m.thing("external", None, (), "functools.lru_cache()"),))
    given = any(of_kind(a.value, "function", "method") for a in call.arguments[:1])
    return m.apply(m, f, state, call, keeping) if given else keeping


def _wraps(m: Machine, f: Frame, state: State, call: Call) -> Value:
    return frozenset((m.thing("external", None, (), "functools.wraps()"),))


_QUEUES = (
    "asyncio.Queue", "multiprocessing.Queue", "multiprocessing.SimpleQueue", "queue.LifoQueue",
    "queue.PriorityQueue", "queue.Queue", "queue.SimpleQueue",
)  # fmt: skip

SPECIAL: dict[str, Callable[[Machine, Frame, State, Call], Value]] = {
    **DRAWING,
    **HEAPS,
    **INSPECTION,
    **ITERATORS,
    **OPERATORS,
    "asyncio.create_task": _awaited,
    "asyncio.ensure_future": _awaited,
    "asyncio.gather": _gather,
    "asyncio.run": _awaited,
    "asyncio.shield": _awaited,
    "asyncio.to_thread": _to_thread,
    "asyncio.wait_for": _awaited,
    "functools.reduce": _reduce,
    "functools.partial": _partial,
    "functools.partialmethod": _partial_method,
    "functools.wraps": _wraps,
    "functools.cache": _cache,
    "functools.lru_cache": _cache,
    "math.prod": _product,
    "importlib.import_module": importing.import_module,
    "collections.namedtuple": _record_type,
    "collections.deque": _deque,
    **dict.fromkeys(_QUEUES, _queue),
    "collections.OrderedDict": _ordered_dict,
    "collections.UserDict": _ordered_dict,
    "collections.UserList": _deque,
    "collections.defaultdict": _default_dict,
    "dataclasses.fields": _fields,
    "dataclasses.replace": _replace,
    "types.SimpleNamespace": _namespace,
    "argparse.Namespace": _namespace,
    "dataclasses.field": _field,
    **dict.fromkeys(("attr.attrib", "attr.field", "attr.ib", "attrs.field"), _field_of_attrs),
    "numpy.dtype": _dtype,
    "torch.utils.checkpoint.checkpoint": _checkpoint,
    "torch.device": _device,
    "torch.is_tensor": _is_tensor,
    "torch.load": _load,
    "torch.save": _save,
    "scipy.sparse.issparse": is_sparse,
    "cupyx.scipy.sparse.issparse": is_sparse,
    "copy.copy": _shallow_copy,
    "copy.deepcopy": _deep_copy,
}
