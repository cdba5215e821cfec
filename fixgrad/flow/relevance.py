"""Which functions can matter: those from which both a conversion and a demand are reached, by name.

Sound for flows that begin and end below one root: it looks at names only, and follows every call to
every function or class of that name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from fixgrad.flow.ir import Function, Module, Place

CONVERSIONS = frozenset(
    (
        "from_numpy", "as_tensor", "tensor", "asarray", "Tensor", "FloatTensor", "DoubleTensor",
        "HalfTensor", "BFloat16Tensor", "frombuffer", "from_dlpack", "Variable",
    )
)  # fmt: skip
DEMANDS = frozenset(
    (
        "grad", "backward", "optim", "step", "register_hook", "retain_grad", "add_param_group",
        "gradcheck", "gradgradcheck", "requires_grad_", "requires_grad",
    )
)  # fmt: skip


def relevant_functions(modules: Iterable[Module]) -> frozenset[tuple[str, Place]]:
    """Return (path, place) of the functions and classes that are worth entering as roots."""
    functions = [(m.path, f) for m in modules for f in m.functions]
    by_name: dict[str, list[int]] = defaultdict(list)
    for number, (_, function) in enumerate(functions):
        for name in _answers_to(function):
            by_name[name].append(number)
    converts = _closure(functions, by_name, CONVERSIONS)
    demands = _closure(functions, by_name, DEMANDS)
    return frozenset((functions[n][0], functions[n][1].place) for n in converts & demands)


def _answers_to(function: Function) -> set[str]:
    """Return the names by which a function may be called: its own, its class's, its outer one's."""
    return set(function.name.split(".")) - {"", "<lambda>"}


def _closure(
    functions: list[tuple[str, Function]], by_name: dict[str, list[int]], tokens: frozenset[str]
) -> set[int]:
    callers: dict[str, list[int]] = defaultdict(list)
    for number, (_, function) in enumerate(functions):
        for name in function.tokens:
            if name in by_name:
                callers[name].append(number)
        for name in _answers_to(function):  # a class holds its methods, a function those inside
            callers[name].extend(by_name[name] if function.kind != "class" else ())
    found = {n for n, (_, function) in enumerate(functions) if function.tokens & tokens}
    pending = list(found)
    while pending:
        number = pending.pop()
        for name in _answers_to(functions[number][1]):
            for caller in callers.pop(name, ()):
                if caller not in found:
                    found.add(caller)
                    pending.append(caller)
    return found
