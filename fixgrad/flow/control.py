"""Executes what steers a program: loops, try, with, return, definitions, imports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from fixgrad.flow import (
    branching,
    containers,
    definitions,
    each_once,
    generators,
    importing,
    managers,
    turns,
)
from fixgrad.flow.arguments import Call
from fixgrad.flow.arms import FOR_OTHER_KINDS
from fixgrad.flow.belongings import note_filled
from fixgrad.flow.failures import Net, caught, throw
from fixgrad.flow.gradients import consume, expect_gradient
from fixgrad.flow.guards import (
    Coverage,
    elements_of,
    is_weighed,
    parts_in,
    walked,
    weighed_by,
)
from fixgrad.flow.ir import Op
from fixgrad.flow.joining import Changes
from fixgrad.flow.library import is_library
from fixgrad.flow.liveness import built_by, forget_last_turn, matters_to_next
from fixgrad.flow.machine import Frame, Handler, Loop, Machine
from fixgrad.flow.protocols import iterated, special
from fixgrad.flow.state import MODE, State, mode_inside
from fixgrad.flow.trail import Entry
from fixgrad.flow.values import (
    NONE,
    UNKNOWN,
    Site,
    Value,
    of_kind,
    ordered,
    union,
)

UNROLLED = 8  # the longest container whose loop is executed element by element
FEW = 4  # the most numbers that a comprehension goes through like that


def _loop(m: Machine, f: Frame, op: Op, state: State) -> None:
    (head, body, orelse), place = op.blocks, f.statement

    def end(s: State) -> None:
        m.block(f, orelse, s)

    matters = partial(matters_to_next, m, f, op)
    if op.target == "for":
        _for(m, f, op, state, matters, end if orelse else None)
    else:
        endless = len(head) == 1 and head[0].kind == "const" and bool(head[0].constant)

        def turn(s: State) -> None:
            f.statement = place
            forget_last_turn(m, f, s, op)
            m.block(f, head, s)
            if not s.dead:
                m.block(f, body, s)

        m.loop(f, state, turn, matters, endless, end if orelse else None)
    note_filled(m, f, state, place)


def _for(
    m: Machine,
    f: Frame,
    op: Op,
    state: State,
    matters: Callable[[Sequence[Entry]], bool],
    end: Callable[[State], None] | None,
) -> None:
    targets = turns.variables_of(op)
    f.loop_variables.update(targets)
    f.iterated.update(dict.fromkeys(targets, f.registers[op.args[0]]))
    iterable = consume(m, f, state, f.registers[op.args[0]], op.place)
    iterable = iterated(m, f, state, iterable, op.place)
    elements = containers.elements(m, f, state, iterable, op)
    if elements is None and isinstance(op.constant, int):  # what a statement takes apart
        elements = [containers.any_element(m, f, state, iterable, op)] * op.constant
    few = isinstance(op.constant, int) or (bool(built_by(f, op)) and len(elements or ()) <= FEW)
    many = elements is None or (_only_numbers(elements) and not few)
    if elements is not None and 0 < len(elements) <= UNROLLED and not many:
        _unrolled(m, f, op, state, elements)
        return
    element = containers.any_element(m, f, state, iterable, op)
    if 1 < len(element) <= UNROLLED and len(of_kind(element, "class")) == len(element):
        # each registered class in its turn, if it is registered: what one is asked says nothing of others
        _unrolled(m, f, op, state, [frozenset((t,)) for t in ordered(element)], sure=False)
        return
    for thing in built_by(f, op):
        state.set((thing, "#length"), "maybe")
    whole, statement, may_end = elements_of(m, state, iterable), f.statement, list[Loop]()
    some, through = parts_in(state, iterable), walked(m, iterable)

    def turn(s: State) -> None:
        f.statement, loop = statement, m.loops[-1]
        forget_last_turn(m, f, s, op)
        f.registers[op.out] = element
        each_once.begin_turn(m, s, iterable, element)
        loop.elements, loop.partial, loop.walked = whole, some, through
        loop.ended = frozenset(containers.reachable(s, [element])) if may_end else frozenset()
        turns.execute(m, f, op, s)
        may_end.extend([loop] if loop.breaks else [])

    m.elements.append(whole)
    m.loop(f, state, turn, matters, False, end)
    m.elements.pop()


def _only_numbers(elements: list[Value]) -> bool:
    return all(t.kind == "number" or isinstance(t.data, int | float) for v in elements for t in v)


def _unrolled(
    m: Machine, f: Frame, op: Op, state: State, elements: list[Value], *, sure: bool = True
) -> None:
    """Execute a loop element by element; if it is not sure, each of them may be missing."""
    whole = state.path()
    calls, statement = f.path, f.statement
    breaks: list[Changes] = []
    coverage = Coverage(m, state, elements)
    for number, element in enumerate(elements):
        turn = whole.path()
        loop = Loop(whole.mark, turn.mark)
        f.path = (*calls, Site(f.module.path, (*op.place[:3], number)))
        f.statement = statement
        f.loops.append(loop)
        m.loops.append(loop)
        loop.ended = frozenset(containers.reachable(turn, elements)) if breaks else frozenset()
        f.registers[op.out] = element
        guards = len(m.guards)
        turns.execute(m, f, op, turn)
        del m.guards[guards:]
        coverage.end_turn()
        m.loops.pop()
        f.loops.pop()
        breaks += loop.breaks
        if loop.continues or turn.dead or not sure:
            going_on = [*loop.continues, *([] if turn.dead else [turn.changes()])]
            going_on += [] if sure else [{}]
            turn.undo()
            whole.merge(going_on)
        if whole.dead:
            break
    f.path = calls
    coverage.end()
    if not whole.dead:
        m.block(f, op.blocks[2], whole)
    if breaks or whole.dead:
        paths = breaks if whole.dead else [*breaks, whole.changes()]
        whole.undo()
        state.merge(paths)


def _jump(m: Machine, f: Frame, op: Op, state: State) -> None:
    if f.loops:
        loop = f.loops[-1]
        if op.kind == "break":
            _end_early(m, loop)
            loop.breaks.append(state.changes(loop.break_mark))
        else:
            loop.continues.append(state.changes(loop.continue_mark))
    state.dead = True


def _end_early(m: Machine, loop: Loop) -> None:
    """Note that a loop does not come to all that it goes through: `break` at once, or behind a test of it."""
    early = {t for t in loop.elements if is_weighed(m, t)}
    early |= loop.elements if m.branches == loop.branches else set()
    m.graph.whole -= early
    m.graph.picked |= {t for t in early if m.graph.loops.get(t)}


def _return(m: Machine, f: Frame, op: Op, state: State) -> None:
    value = f.registers[op.args[0]] if op.args else NONE
    m.leave(f, state, value)


def _raise(m: Machine, f: Frame, op: Op, state: State) -> None:
    throw(m, state, union(f.values(op)) or m.thrown)
    state.dead = True


def _try(m: Machine, f: Frame, op: Op, state: State) -> None:
    body, orelse, final, *handlers = op.blocks
    inside, absent = state.path(), m.absent_imports
    f.tries += bool(handlers)
    m.tries += bool(handlers)
    begun, guard, net = len(m.guards), weighed_by(m, f, state, op), Net(inside, op.target.split())
    m.nets.append(net)
    m.guards.append(guard)
    about = {word for name in op.names for word in name.split()}
    m.expecting_failure += "expects" in about
    f.careless += "passes" in about
    here = Site(f.module.path, op.place)
    m.arms.append((here, f.path, 0))
    m.block(f, body, inside)
    m.arms.pop()
    f.careless -= "passes" in about
    m.expecting_failure -= "expects" in about
    del m.guards[begun]
    m.nets.pop()
    m.tries -= bool(handlers)
    f.tries -= bool(handlers)
    after = inside.changes()
    inside.undo()
    there = importing.cannot_fail(m, op, absent)

    def succeed(s: State) -> None:
        s.apply(after)
        s.dead = inside.dead
        if not s.dead:
            m.block(f, orelse, s)

    def fail(number: int, s: State) -> None:
        s.merge([{}, after, *net.changes])
        m.thrown, outer = union(net.raised), m.thrown
        others = "kinds" in op.names[number]
        # What the body itself raises with a tensor is no other way to treat the tensor.
        way = 0 if net.raised else FOR_OTHER_KINDS if others else number + 1
        m.arms.append((here, f.path, way))
        m.block(f, handlers[number], s)
        m.arms.pop()
        m.thrown = outer

    taken = [n for n in range(len(handlers)) if not (there and op.names[n] == "ImportError")]
    ways = [succeed, *(lambda s, n=n: fail(n, s) for n in taken)]
    m.branch(f, state, ways)
    if any(handler[-1:] and handler[-1].kind in ("continue", "break") for handler in handlers):
        m.guards.append(guard)  # what follows is behind the test whether the body fails
    if not state.dead:
        m.block(f, final, state)


def _with(m: Machine, f: Frame, op: Op, state: State) -> None:
    context = f.registers[op.args[0]]
    if managers.waits(context):
        managers.follow(m, f, op, state)
        return
    f.registers[op.out] = context
    torch_managers = of_kind(context, "context")
    before = state.get(MODE, "on")
    fails = any(t.name == "raises" for t in torch_managers)
    fails = fails or any(t.name == "generator in try" for t in of_kind(context, "list"))
    m.expecting_failure += fails
    # `nullcontext() if training else torch.no_grad()` may leave recording as it is
    modes = {mode_inside(before, t.name) if t in torch_managers else before for t in context}
    if modes != {before} and not any(manager.name == "set" for manager in torch_managers):
        state.set(MODE, modes.pop() if len(modes) == 1 else "maybe")
    for manager in torch_managers:
        if manager.name == "set":
            before = manager.data[1]
    instances = of_kind(context, "instance")
    for instance in instances:
        for name in ("__enter__", "__aenter__"):
            entered = special(m, f, state, op.place, instance, name)
            if entered is not None:
                f.registers[op.out] = entered
    for generator in of_kind(context, "list"):
        f.registers[op.out] = containers.any_element(m, f, state, frozenset((generator,)), op)
    m.block(f, op.blocks[0], state)
    for instance in instances if not state.dead else []:
        for name in ("__exit__", "__aexit__"):
            special(m, f, state, op.place, instance, name, (NONE, NONE, NONE))
    m.expecting_failure -= fails
    if torch_managers or any(is_library(t.data.data.module.path) for t in instances):  # ExitStack
        state.set(MODE, before)
    if fails:
        state.dead = False


def _assert(m: Machine, f: Frame, op: Op, state: State) -> None:
    expect_gradient(m, f, state, f.registers[op.args[0]], op.place)


def _display(m: Machine, f: Frame, op: Op, state: State) -> None:
    consume(m, f, state, f.registers[op.args[0]], op.place)


def _opaque(m: Machine, f: Frame, op: Op, state: State) -> None:
    value = union(f.values(op))
    if op.target == "exception" and m.thrown:
        f.registers[op.out] = caught(m.thrown, value)
    else:
        f.registers[op.out] = value if op.target == "pattern" and value else UNKNOWN


def _await(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Wait for a coroutine: its function was entered where it was called."""
    call = Site(f.module.path, f.place_of(op.args[0]))
    m.graph.awaited[call] = Site(f.module.path, op.place)
    f.registers[op.out] = f.registers[op.args[0]]


def _inserted(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute a statement that the plan inserts: `x.requires_grad_()`."""
    name, _, method = op.target.removesuffix("()").rpartition(".")
    receiver = turns.item_named(m, f, state, name, op)
    m.send(m, f, state, Call(op.place), receiver, method)


HANDLERS: dict[str, Handler] = {
    **importing.HANDLERS,
    "branch": branching.branch,
    "loop": _loop,
    "break": _jump,
    "continue": _jump,
    "return": _return,
    "raise": _raise,
    "try": _try,
    "with": _with,
    "assert": _assert,
    "display": _display,
    "function": definitions.make_function,
    "class": definitions.make_class,
    "yield": generators.yielded,
    "await": _await,
    "opaque": _opaque,
    "inserted": _inserted,
}
