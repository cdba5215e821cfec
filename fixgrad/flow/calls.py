"""Calls: of the project's functions, classes and instances by entering them, of all else by what is known."""

from __future__ import annotations

import zlib
from functools import partial

from fixgrad.flow import (
    access,
    budgets,
    constants,
    containers,
    decorators,
    exports,
    forward_hooks,
    instances,
    libraries,
    liveness,
    managers,
    methods,
    unfollowed,
)
from fixgrad.flow.arguments import Argument, Call, bind
from fixgrad.flow.arms import detached_ones
from fixgrad.flow.call_sites import call_of
from fixgrad.flow.differentiation import may_grant, may_run_backward, without_former
from fixgrad.flow.gradients import asserted, consume
from fixgrad.flow.graph import CallResult
from fixgrad.flow.guards import deal_out
from fixgrad.flow.idle import is_idle, values_inside
from fixgrad.flow.ir import Op
from fixgrad.flow.library import is_library
from fixgrad.flow.machine import LONGEST_PATH, Frame, Machine
from fixgrad.flow.modelled import call_modelled
from fixgrad.flow.modules import call_module
from fixgrad.flow.protocols import callables
from fixgrad.flow.state import MODE, State
from fixgrad.flow.tokens import GRANTING_NAMES
from fixgrad.flow.type_tests import narrow_receiver
from fixgrad.flow.values import (
    NONE,
    NOTHING,
    UNKNOWN,
    Code,
    Site,
    Thing,
    Value,
    constant,
    having,
    known,
    of_kind,
    union,
)


def execute_call(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `callee(...)`."""
    callee = f.registers[op.args[0]]
    call = call_of(m, f, op, state)
    if op.target == "decorator":
        f.registers[op.out] = decorators.decorate(m, f, state, call, callee)
    else:
        f.registers[op.out] = apply(m, f, state, call, callee) or UNKNOWN
        _note_result(m, f, op, call)


def execute_method(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute `receiver.name(...)`."""
    receiver = consume(m, f, state, f.registers[op.args[0]], op.place, op.target)
    if len(receiver) > 1 and not m.tries:
        receiver = narrow_receiver(f, op, state, receiver)
    call = call_of(m, f, op, state, receiver=f.place_of(op.args[0]))
    if op.target == "append" and f.loops and op.args[0] in f.names:
        f.filled.add(f.names[op.args[0]])
    m.beside = frozenset(detached_ones(m, receiver))
    f.registers[op.out] = send(m, f, state, call, receiver, op.target) or UNKNOWN
    m.beside = frozenset()
    _note_result(m, f, op, call)


def _note_result(m: Machine, f: Frame, op: Op, call: Call) -> None:
    """Remember the calls that do not give a tensor each time."""
    if call.direct:
        return
    if any(thing.kind != "tensor" for thing in f.registers[op.out]):
        m.graph.no_tensor.add(Site(f.module.path, op.place))


def apply(m: Machine, f: Frame, state: State, call: Call, callee: Value) -> Value:
    """Call whatever a value may be, but for None and numbers beside it: nobody calls these and goes on."""
    things = having(callee, "__call__")
    if len(things) == 1:
        return _apply(m, f, state, call, things[0])
    results: list[Value] = []

    def way(thing: Thing, s: State) -> None:
        results.append(_apply(m, f, s, call, thing))

    if things:
        m.branch(f, state, [partial(way, t) for t in things])
    return m.graph.merged(Site(f.module.path, call.place), f.path, union(results)) or UNKNOWN


MOST_NESTED = 150  # calls being made, of functions or not: an object may be its own `__call__`


def _apply(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> Value:
    if m.nested >= MOST_NESTED:
        return unknown_call(m, f, state, call, [thing], callbacks=False)
    m.nested += 1
    forward_hooks.run(m, f, state, call, thing)
    value = _applied(m, f, state, call, thing)
    m.nested -= 1
    return value


def _applied(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> Value:
    match thing.kind:
        case "function":
            return enter(m, f, state, call, thing)
        case "class":
            return instances.instantiate(m, f, state, call, thing)
        case "instance":
            return instances.call_instance(m, f, state, call, thing)
        case "method":
            return _call_method_value(m, f, state, call, thing)
        case "external" if decorators.is_cached(call, thing):
            return decorators.decorate(m, f, state, call, frozenset((thing,)))
        case "external":
            return libraries.call_external(m, f, state, call, thing.name)
        case "module":
            return call_module(m, f, state, call, thing)
        case "partial":
            inner, arguments = thing.data
            given = call._replace(arguments=(*arguments, *call.arguments), direct=False)
            return apply(m, f, state, given, inner)
        case "record":
            return instances.make_record(m, f, state, call, thing)
        case "context":
            return decorators.decorate(m, f, state, call, frozenset((thing,)))
        case "wrapped":
            return apply(m, f, state, call, thing.data)
        case "opaque":
            exports.call_result(m, f, state, call, thing, thing.name.rpartition(".")[2])
    return unknown_call(m, f, state, call, [thing])


def _call_method_value(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> Value:
    if isinstance(thing.data, tuple):
        owner, function = thing.data
        me = Argument(frozenset((owner,)), call.place)
        return apply(m, f, state, call.with_first(me), frozenset((function,)))
    return send(m, f, state, call, frozenset((thing.data,)), thing.name)


def send(m: Machine, f: Frame, state: State, call: Call, receiver: Value, name: str) -> Value:
    """Call a method of whatever a value may be."""
    things = having(receiver, name)
    if len(things) == 1:
        return _send(m, f, state, call, things[0], name, True)
    results: list[Value] = []

    def way(thing: Thing, s: State) -> None:
        results.append(_send(m, f, s, call, thing, name, True))

    if things:
        deal_out(m, f, state, call, name, things)
        m.alternatives += 1
        m.branch(f, state, [partial(way, t) for t in things])
        m.alternatives -= 1
    return union(results) or UNKNOWN


def _send(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, name: str, strong: bool
) -> Value:
    if thing.kind == "record" and name == "_make":
        given = (call.arguments[0]._replace(name="*"),) if call.arguments else ()
        return instances.make_record(m, f, state, call._replace(arguments=given), thing)
    tests = name.startswith("assert") and thing.kind in ("instance", "opaque")
    if tests and asserted(m, f, state, [a.value for a in call.arguments], name, call.place):
        return NONE
    if thing.kind == "instance" and name == "step":
        m.graph.stepped.add(thing)
    if thing.kind in ("instance", "class"):
        found = access.object_attribute(m, f, state, thing, name, call.place)
        if found and found != UNKNOWN:
            return apply(m, f, state, call, found)
        if thing.kind == "instance":
            return methods.instance_method(m, f, state, call, thing, name)
        return unknown_call(m, f, state, call, [thing])
    if thing.kind == "external":
        return libraries.call_external(m, f, state, call, f"{thing.name}.{name}")
    if thing.kind in ("file", "super"):
        found = access.attribute(m, f, state, frozenset((thing,)), name, call.place)
        if thing.kind == "super" and all(t.kind == "method" and t.data is thing for t in found):
            return methods.base_method(m, f, state, call, thing, name)
        return apply(m, f, state, call, found)
    if thing.kind == "const" and isinstance(thing.data, str):
        return constants.text_call(m, f, state, call, thing.data, name)
    known = methods.METHODS.get(thing.kind)
    if known is not None:
        return known(m, f, state, call, thing, name, strong)
    if thing.kind == "opaque":
        stored = state.get((thing, name))
        if stored:
            return apply(m, f, state, call, frozenset(stored))
        exports.call_result(m, f, state, call, thing, name)
        return methods.opaque_method(m, f, state, call, thing, name)
    return unknown_call(m, f, state, call, [thing], name)


def enter(m: Machine, f: Frame, state: State, call: Call, thing: Thing) -> Value:
    """Call a function of the project: execute its body with the arguments bound."""
    code: Code = thing.data
    function = code.function
    if code.manager and call.manages:
        return managers.waiting(m, f, call, thing)
    if m.models is not None:
        name = m.models.name_of(code.module.path, function.name)
        skip = 1 if "." in function.name and call.arguments else 0
        own = call_modelled(m, f, state, call, m.models, name, skip) if name else None
        if own is not None:
            return own
    if (
        len(f.path) >= LONGEST_PATH
        or budgets.recurs(m, call, function)
        or budgets.is_spent(m, f, call, code)
    ):
        if ".backward" in function.tokens:
            inside = containers.reachable(state, values_inside(m, state, call, code))
            may_run_backward(state, inside)
        name = "requires_grad" if m.may_grant((code.module.path, function.place)) else ""
        given = [a.value for a in call.arguments]
        m.conditions.not_followed(function, union(given), m.executed)
        m.graph.cut_short.add((*f.path, Site(f.module.path, call.place)))
        seen = unfollowed.within_sight(state, call, code)
        made = unknown_call(m, f, state, seen, [], name, callbacks=False)  # it may be one itself
        return without_former(state, given, made)
    site = Site(f.module.path, call.place)
    if site not in m.graph.roots and is_idle(m, f, state, call, code):
        return UNKNOWN
    where = (code.module.path, function.place)
    m.entered.add(where)
    if site not in m.graph.roots:
        m.graph.called_here.add(Site(*where))
    if not is_library(code.module.path):
        m.visited.add(where)
    if code.cached:
        return _enter_once(m, f, state, call, code)
    outer = m.budget
    if budgets.is_root_of_its_own(m, f, call, code):
        m.budget = m.budget_of(thing)
        value = _execute(m, f, state, call, code, (*f.path, site))
        m.budget = outer
    else:
        value = _execute(m, f, state, call, code, (*f.path, site))
    awaited = function.kind == "coroutine"
    statement = Site(f.module.path, f.statement)
    m.graph.calls[site, f.path] = CallResult(value, statement, awaited, call.written)
    return value


def _enter_once(m: Machine, f: Frame, state: State, call: Call, code: Code) -> Value:
    """Call a cached function: the same arguments give the same objects, whoever calls."""
    arguments = [(a.name, *known(a.value)) for a in call.arguments]
    told_apart = all(sure for _, sure, _ in arguments)
    given = tuple(arguments) if told_apart else ()
    key = (code.module.path, code.function.place, given)
    value = m.cached.get(key, NOTHING)
    facts = {"tensor": "#dtype", "array": "#dtype", "list": "#length", "tuple": "#length"}
    if value and all(t.kind not in facts or state.get((t, facts[t.kind])) for t in value):
        return value
    line, column, end_line, end_column = code.function.place
    # told by what is given alone: a simulated run may not come to the calls before this one
    number = 500 + zlib.crc32(repr(given).encode()) % 100_000
    calls = Site(code.module.path, (line, column, end_line, end_column + number))
    value = m.cached[key] = _execute(m, f, state, call, code, (calls,))
    return value


def _execute(
    m: Machine, f: Frame, state: State, call: Call, code: Code, path: tuple[Site, ...]
) -> Value:
    function = code.function
    owner = m.thing("frame", Site(code.module.path, function.place), path, function.name)
    frame = Frame(owner, code.module, function, code.frames, path)
    frame.within = call.within
    liveness.forget_locals(m, state, frame)  # what an earlier call left
    mark = len(state.trail)
    _bind_parameters(m, frame, state, call, code)
    mode = state.get(MODE, "on")
    if code.mode:
        state.set(MODE, code.mode)
    m.running.append((function, [a.value for a in call.arguments]))
    value = returned = m.enter(frame, state)
    m.running.pop()
    if frame.private is not None:
        m.conditions.forget(owner, state.forget(mark, owner))
    if code.mode:
        state.set(MODE, mode)
    if function.kind == "generator":
        name = "generator in try" if frame.yields_in_try else "generator"
        items = frame.yields if frame.yields_in_order else None
        anything = union(frame.yields)
        made = containers.make(m, f, state, call.place, "list", items, anything, name)
        if returned != NONE:
            state.set((made, "#returned"), returned)
        value = frozenset((made,))
    return value


def _bind_parameters(m: Machine, frame: Frame, state: State, call: Call, code: Code) -> None:
    bound, extra, keywords = bind(code.function, call, code.defaults, code.keyword_defaults)
    for name, value in bound.items():
        state.set((frame.thing, name), value or UNKNOWN)
        for thing in value:
            if thing.kind in ("tensor", "array", "opaque"):
                m.graph.variables.setdefault((frame.path, thing), name)
    for parameter in code.function.parameters:
        m.conditions.bound_at[frame.thing, parameter.name] = m.executed
        if parameter.kind == "*":
            made = containers.make(m, frame, state, frame.function.place, "tuple", extra, name="*")
            if any(a.name == "*" for a in call.arguments):
                spread = union(a.value for a in call.arguments if a.name == "*")
                made = containers.make(
                    m, frame, state, frame.function.place, "tuple", None, union(extra) | spread, "*"
                )
            state.set((frame.thing, parameter.name), frozenset((made,)))
        elif parameter.kind == "**":
            made = containers.make(m, frame, state, frame.function.place, "dict", [], name="**")
            for key, value in keywords.items():
                containers.set_item(state, made, constant(key), value, True)
            for argument in call.arguments:
                if argument.name == "**":
                    state.add((made, "[*]"), argument.value)
                    state.set((made, "#more"), True)
            state.set((frame.thing, parameter.name), frozenset((made,)))


def unknown_call(
    m: Machine,
    f: Frame,
    state: State,
    call: Call,
    callees: list[Thing],
    name: str = "",
    *,
    callbacks: bool = True,
) -> Value:
    """Call code that is not known: it may differentiate, keep and hand on whatever it gets."""
    for argument in call.arguments:
        consume(m, f, state, argument.value, argument.place)
        containers.hand_out(state, argument.value)
    values = [a.value for a in call.arguments]
    holders = [frozenset((t,)) for t in callees]
    tensors = containers.reachable(state, [*values, *holders])
    if not name.startswith("torch."):  # what of torch does is known by name
        may_run_backward(state, tensors)
    if any(part in name for part in GRANTING_NAMES):
        may_grant(state, tensors)
    if len(tensors) > 1:  # `library.run(inputs, out)` may fill what was made for it
        m.graph.impure.update(t for t in tensors if t.name == "factory")
    for callee in callees:
        containers.escape(state, callee, values)
    if callbacks:
        run_callbacks(m, f, state, call, values, ())
    made = containers.carry(m, f, state, call.place, [*values, *holders], name)
    if containers.reachable(state, values):
        # What the callee was given before need not be in this result.
        for thing in of_kind(made, "opaque"):
            state.set((thing, "#earlier"), frozenset(callees))
    return made


MOST_CALLBACKS = 4  # of unknown code inside what other unknown code calls


def run_callbacks(
    m: Machine, f: Frame, state: State, call: Call, values: list[Value], given: tuple[Value, ...]
) -> Value:
    """Enter the functions among values, as code that is not known may call them."""
    results: list[Value] = []
    if m.calling_back == MOST_CALLBACKS:
        return NOTHING  # an object that is given to its own method may call itself for ever
    m.calling_back += 1
    for value in values:
        for thing in callables(state, value):
            if thing.kind == "method" and not isinstance(thing.data, tuple):
                continue
            arguments = tuple(Argument(v, call.place) for v in given)

            def once(
                s: State, thing: Thing = thing, arguments: tuple[Argument, ...] = arguments
            ) -> None:
                results.append(apply(m, f, s, Call(call.place, arguments), frozenset((thing,))))

            m.branch(f, state, [lambda s: None, once])
    m.calling_back -= 1
    return union(results)
