"""Which tensors a test weighs: one of several things gets behind it, and others do not.

What stands behind such a test is asked of some elements of a container only, and nothing here can say
of which. A guard names the tensors that its test mentions: by a variable that holds one, or its gradient,
or by a variable of a loop over them, be it their key or their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.containers import reachable
from fixgrad.flow.ir import Op
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity
from fixgrad.flow.values import NOTHING, Thing, Value, of_kind
from fixgrad.flow.variables import read_variable

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def weighed_by(m: Machine, f: Frame, state: State, op: Op) -> frozenset[Thing]:
    """Return the tensors that the test of a branch, or the body of a try, mentions."""
    if not isinstance(op.constant, str):
        return frozenset()
    found: set[Thing] = set()
    insists = any(block and block[-1].kind == "raise" for block in op.blocks) and not m.tries
    for mention in op.constant.split():
        name, _, scope = mention.rpartition(":")
        value = read_variable(m, f, state, name, int(scope))
        found |= _directly(value)
        if not insists:
            m.asked.update(of_kind(value, "grad"))
        inside = [f.iterated.get(name, NOTHING)]
        if name != "self":
            inside.append(frozenset(of_kind(value, "instance")))
        found.update(t for t in reachable(state, inside) if t.kind == "tensor")
    for thing in [t for t in found if t in m.gradient_of]:  # it was read before it was sorted out
        found.add(m.gradient_of[thing])
        m.graph.sifted.add(m.gradient_of[thing])
    return frozenset(found)


def _directly(value: Value) -> set[Thing]:
    found: set[Thing] = set()
    for thing in value:
        if thing.kind == "tensor":
            found.add(identity(thing))
        elif thing.kind == "grad":
            found.add(identity(thing.data))
        elif thing.kind == "none-test":
            found.update(identity(t) for t in thing.data[0])
    return found


def is_weighed(m: Machine, tensor: Thing) -> bool:
    """Say whether a test that mentions a tensor stands before what is executed."""
    return any(tensor in guard for guard in m.guards)


def sift(m: Machine, state: State, value: Value) -> None:
    """Note what is put into a container behind a test that mentions it."""
    if m.guards:
        inside = reachable(state, (value,))
        m.graph.sifted.update(t for t in inside if is_weighed(m, t))


def collect(m: Machine, f: Frame, op: Op, state: State) -> None:
    """Execute the element of a comprehension."""
    sift(m, state, f.registers[op.args[1]])
    containers.collect(m, f, op, state)


def pick(m: Machine, state: State, thing: Thing) -> None:
    """Note that one item is taken by its position where nobody knows which that is."""
    if state.get((thing, "#length"), "maybe") == "maybe":
        things = state.get((thing, "[*]"), NOTHING)
        things = [identity(t) for t in things if t.kind == "tensor"]
        if len(things) == 1:  # else each turn of the loop has one of its own
            m.graph.picked.update(t for t in things if m.graph.loops.get(t))


def elements_of(state: State, value: Value) -> frozenset[Thing]:
    """Return the tensors of the lists in a value that stand there with all that are made with them."""
    seen: set[Thing] = set()
    whole: set[Thing] = set()
    pending = of_kind(value, "list", "tuple", "dict")
    while pending:
        thing = pending.pop()
        if thing in seen or thing.name.startswith("slice of"):
            continue
        seen.add(thing)
        if state.get((thing, "#length"), "maybe") == "maybe":
            whole.add(thing)
        else:
            items: Value = state.get((thing, "[*]"), NOTHING)
            pending += of_kind(items, "list", "tuple", "dict")
    found = reachable(state, (frozenset(whole),))
    return frozenset(t for t in found if t.kind == "tensor")
