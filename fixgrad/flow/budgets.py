"""How far a run goes: the operations that a root may execute, and what is not followed behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow.arguments import Call
from fixgrad.flow.ir import Function
from fixgrad.flow.tokens import asks
from fixgrad.flow.values import Code, Value

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

BUDGET = 10_000  # operations executed from one root
RESERVE = 5_000  # operations beyond the budget, for what converts and asks itself
# Operations after which only what is near a conversion is followed; 140,000 lines take some 650,000.
PATIENCE = 1_000_000
PLENTY = 300_000  # operations of a project up to which there is time
GENEROUS = 4  # times its budget has a root until then
SMALL = 40  # registers of a function that costs next to nothing: it is followed as long as there is a reserve
MOST_RECURSIONS = 6  # of a function that is called with something else each time


def of_root(size: int, least: int, asking: bool, executed: int) -> int:
    """Return how many operations a root may execute: in proportion to its size.

    What lies between its tensors and the gradients that it asks for itself matters more.
    """
    times = GENEROUS if executed < PLENTY else 1
    if asking and executed < PATIENCE // 2:
        return times * BUDGET
    return times * min(BUDGET, least + 2 * size)


def of_file(executed: int) -> int:
    """Return how many operations a file's own body may execute."""
    return of_root(0, BUDGET, False, executed)


def is_root_of_its_own(m: Machine, f: Frame, call: Call, code: Code) -> bool:
    """Say whether a file's body only sets off a function, as tests may be run one after the other."""
    sets_off = f.function.kind == "module" and not m.loops and not call.arguments
    return sets_off and "." not in code.function.name


def is_spent(m: Machine, f: Frame, call: Call, code: Code) -> bool:
    """Say whether a root has executed enough: what is not followed is called as code that is not known.

    A comparison of two libraries comes to the one of interest after all that the other does.
    """
    if m.budget >= 0 or is_root_of_its_own(m, f, call, code):
        return False
    if code.function.size <= SMALL and m.budget >= -RESERVE:
        return False
    worth = (code.module.path, code.function.place) in m.productive
    return not worth or m.budget < -RESERVE or not asks(code.module, code.function)


def recurs(m: Machine, call: Call, function: Function) -> bool:
    """Say whether a function has called itself often enough for what it does to be known."""
    given = [a.value for a in call.arguments]
    before = [others for running, others in m.running if running is function]
    known = given in before or (bool(before) and _are_alike(before[-1], given))
    return len(before) > (1 if known else MOST_RECURSIONS - 1)


_NOTHING_INSIDE = frozenset(("tensor", "array", "number", "opaque", "text"))


def _are_alike(before: list[Value], given: list[Value]) -> bool:
    """Say whether what is given now differs by nothing that a function could ask: other tensors for tensors."""
    return len(before) == len(given) and all(
        old == new or {t.kind for t in old} == {t.kind for t in new} <= _NOTHING_INSIDE
        for old, new in zip(before, given, strict=True)
    )
