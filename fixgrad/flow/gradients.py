"""When a read of `.grad` is a demand: its value is used, and no test for None stands before it.

Behind such a test (#guarded) the read is optional, unless the tensor itself is moved by the gradient. What
`requires_grad` is said to be is a flag: a constant that remembers its tensor.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fixgrad.flow.ir import Place
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity, log, make, tracked
from fixgrad.flow.values import NONE, UNKNOWN, Site, Thing, Value, known, ordered, union
from fixgrad.knowledge import array_libraries

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def read_gradient(m: Machine, f: Frame, state: State, tensor: Thing, place: Place) -> Value:
    """Return the gradient of a tensor as a value whose use, not whose reading, is the demand."""
    site = Site(f.module.path, place)
    tested = bool(state.get((identity(tensor), "#guarded")))
    name = ("own" if m.own_variable else "given") + (" tested" if tested else "")
    thing = m.thing("grad", site, f.path, name, tensor)
    state.set((thing, "#made"), frozenset())
    return frozenset((thing,))


OPTIONAL = "optional"  # the detail of a read behind a test for None
# Libraries with arrays of their own.
ARRAYS_ELSEWHERE = ("cupy", "cupyx", "jax", "mxnet", "paddle", "tensorflow")
# What stands in these is no tensor of torch, or its row says what it is.
_KNOWN = ("attr", "attrs", "numpy", "scipy", "torch", "pytest")
_NO_TENSORS = frozenset((*sys.stdlib_module_names, *_KNOWN, *ARRAYS_ELSEWHERE))


def _without_foreign(m: Machine, value: Value) -> Value:
    """Take what stands in a module of others for something unknown: it may be a tracked tensor.

    What the user's settings describe, and the modules that it stands in, are known.
    """
    foreign = [t for t in value if t.kind == "external" and not _is_known(_root(t))]
    if foreign and m.models is not None:
        described = [f"{name}." for name in m.models.names()]
        foreign = [t for t in foreign if not any(d.startswith(f"{t.name}.") for d in described)]
    return value.difference(foreign) | UNKNOWN if foreign else value


def _is_known(library: str) -> bool:
    return library in _NO_TENSORS or library in array_libraries()


def _root(thing: Thing) -> str:
    return thing.name.partition(".")[0]


_NOT_AS_IT_IS = ("grad", "external")
_HOUSEKEEPING = ("zero_", "detach_", "requires_grad_")


def consume(
    m: Machine, f: Frame, state: State, value: Value, place: Place, method: str = ""
) -> Value:
    """Use a value: the gradients in it are demanded and become tensors.

    Zeroing a gradient behind a test for None asks for nothing.
    """
    for thing in value:
        if thing.kind in _NOT_AS_IT_IS:
            break
    else:
        return value
    value = _without_foreign(m, value)
    result: set[Thing] = set()
    for thing in ordered(value):
        if thing.kind != "grad":
            result.add(thing)
            continue
        tensor = thing.data
        me = identity(tensor)
        optional = thing.name.endswith("tested") or bool(state.get((me, "#guarded")))
        optional = optional or thing in m.defaulted
        tested = optional or thing in m.asked
        # A test in code that is given its tensors sorts them out.
        idle = tested and (thing.name.startswith("given") or method in _HOUSEKEEPING)
        at = thing.site or Site(f.module.path, place)
        if idle and method not in _HOUSEKEEPING:
            m.optional.add(me)
            log(m, f, state, "idle-grad", tensor, at.place, path=at.path)
        if not idle and not state.get((me, "#manual")):
            detail = OPTIONAL if optional else "guarded" if tested else ""
            m.optional.update({me} if optional else ())
            m.branches += len(value) > 1
            log(m, f, state, "grad", tensor, at.place, detail=detail, path=at.path)
            m.branches -= len(value) > 1
            m.graph.read_under.setdefault((at, f.path, me), set()).add(thing.path)
            if not tested and len(value) == 1:
                state.set((me, "#read"), True)
        if not state.get((me, "#manual")):
            result |= _tensor_of(m, f, state, thing, place)
    return frozenset(result) or UNKNOWN


def _tensor_of(m: Machine, f: Frame, state: State, thing: Thing, place: Place) -> Value:
    """Return the tensor that a gradient is, the same one at each use of what was read once."""
    made: Value = state.get((thing, "#made"), frozenset())
    if not made:
        me = identity(thing.data)
        twofold = bool(state.get((me, "#twofold")))
        read_here = thing.site is not None and thing.site.path == f.module.path
        at = thing.site.place if thing.site is not None and read_here else place
        gradient = make(
            m, f, state, at, "gradient",
            is_tracked="maybe" if twofold else "no", inputs=(me,) if twofold else (),
        )  # fmt: skip
        made = frozenset((gradient,))
        m.gradient_of[gradient] = me
        m.gradient_of_all.setdefault(gradient, {})[me] = None
        state.set((thing, "#made"), made)
    return made


def weigh_gradient(m: Machine, f: Frame, state: State, value: Value, place: Place) -> None:
    """Note that the truth of gradients is asked for, which those of several elements have not."""
    for thing in value:
        if thing.kind == "grad" and not state.get((identity(thing.data), "#manual")):
            log(m, f, state, "truth", thing.data, place)


def moved_by_gradient(
    m: Machine, thing: Thing, operands: Iterable[Thing], memory: Iterable[Thing] = ()
) -> None:
    """Note that a tensor, whose memory others may own, is moved by its own gradient: no optional read then.

    The gradient may come by way of another tensor: `speed.add_(w.grad); w.sub_(lr * speed)`.
    """
    me = identity(thing)
    for source in m.graph.upstream(operands):
        for leaf in {m.gradient_of.get(source), *m.graph.speed_of.get(source, ())} & m.optional:
            if leaf is me or leaf in m.graph.upstream([me, *memory]):
                m.graph.moved.add(leaf)
            else:
                m.graph.speed_of.setdefault(me, set()).add(leaf)


def flag(m: Machine, tensor: Thing, value: bool) -> Value:
    """Return the constant that a tensor's `requires_grad` is."""
    made = m.thing("const", None, (), f"{value} of {tensor.number}", value)
    m.flag_of[made] = identity(tensor)
    return frozenset((made,))


def flagged(m: Machine, value: Value) -> Thing | None:
    """Return the tensor whose flag a value is."""
    return m.flag_of.get(next(iter(value))) if len(value) == 1 else None


def deny_flag(m: Machine, f: Frame, state: State, test: Value, place: Place) -> None:
    """Note that the program insists, by a test that holds, on a tensor without a gradient."""
    tensor = flagged(m, test)
    if tensor is not None and tracked(state, tensor) == "no":
        log(m, f, state, "no-grad-expected", tensor, place)


def none_test(m: Machine, value: Value, positive: bool) -> Value | None:
    """Return the outcome of `x.grad is [not] None`, or None where no gradient is tested.

    Of gradients that were kept, in a list, the test says that they may be absent from where they were read.
    """
    tensors = tuple(t.data for t in ordered(value) if t.kind == "grad")
    for gradient in ordered(t for t in value if t in m.gradient_of):
        for tensor in m.gradient_of_all[gradient]:
            tensors += (tensor,)
            m.graph.tested.add((gradient.site, tensor))
    if not tensors:
        return None
    return frozenset((m.thing("none-test", None, (), "", (tensors, positive)),))


def none_of_them(m: Machine, outcomes: Iterable[Value], positive: bool) -> Value | None:
    """Return the outcome of `all(g is not None for g in gs)`, or with `positive` false of `any(g is None ...)`."""
    tests = ordered(union(outcomes))
    if not tests or any(t.kind != "none-test" or t.data[1] != positive for t in tests):
        return None
    tensors = tuple(dict.fromkeys(tensor for t in tests for tensor in t.data[0]))
    return frozenset((m.thing("none-test", None, (), "", (tensors, positive)),))


def guarded_branches(test: Value) -> tuple[list[Thing], list[Thing]]:
    """Return the tensors whose gradient is known to be there if the test holds, and if not."""
    taken: list[Thing] = []
    otherwise: list[Thing] = []
    for thing in ordered(test):
        if thing.kind == "none-test":
            tensors, positive = thing.data
            (taken if positive else otherwise).extend(identity(t) for t in tensors)
        elif thing.kind == "grad":
            taken.append(identity(thing.data))
    return taken, otherwise


def fails_for_untracked(state: State, test: Value) -> bool:
    """Say whether `x.grad is not None` certainly fails, as nothing tracks the tensor."""
    if len(test) != 1:
        return False
    (thing,) = test
    if thing.kind != "none-test":
        return False
    tensors, positive = thing.data
    return bool(positive) and all(tracked(state, t) == "no" for t in tensors)


def expect_gradient(m: Machine, f: Frame, state: State, test: Value, place: Place) -> None:
    """`assert x.grad is not None` demands the gradient; `is None` says that none is wanted."""
    if len(test) != 1:
        return  # one of several conditions: `x.grad is not None or ...`
    if known(test) == (True, True):
        deny_flag(m, f, state, test, place)
    for thing in ordered(test):
        if thing.kind == "grad":
            log(m, f, state, "grad", thing.data, place)
        elif thing.kind == "none-test":
            tensors, positive = thing.data
            for tensor in tensors:
                if positive:
                    log(m, f, state, "grad", tensor, place)
                else:
                    _expect_none(m, f, state, tensor, place)


def _expect_none(m: Machine, f: Frame, state: State, tensor: Thing, place: Place) -> None:
    """Note `assert x.grad is None` behind a backward pass; before the first one it says nothing."""
    site = Site(f.module.path, place)
    if next(m.graph.of_kind("backward"), None) is None:
        m.graph.too_early.add(site)
    if site not in m.graph.too_early:
        log(m, f, state, "no-grad-expected", tensor, place)


_NONE_ASSERTIONS = {
    "assertIsNone": False, "assertIsNotNone": True, "assertIs": False, "assertIsNot": True,
    "assertEqual": False, "assertNotEqual": True,
}  # fmt: skip
_FLAG_ASSERTIONS = {"assertTrue": True, "assertFalse": False}


def asserted(
    m: Machine, f: Frame, state: State, values: list[Value], name: str, place: Place
) -> bool:
    """Execute a method of a test case that insists on a gradient being there or not, on a flag being set or not."""
    if not values:
        return False
    first, second = values[0], values[1] if len(values) > 1 else NONE
    positive = _NONE_ASSERTIONS.get(name)
    if positive is not None and second == NONE:
        test = none_test(m, first, positive=positive)
        if test is not None:
            expect_gradient(m, f, state, test, place)
            return True
    wanted = _FLAG_ASSERTIONS.get(name)
    if positive is not None:
        sure, data = known(second)
        wanted = bool(data) is not positive if sure else None
    if flagged(m, first) is not None and known(first)[1] is wanted:
        deny_flag(m, f, state, first, place)
    return False
