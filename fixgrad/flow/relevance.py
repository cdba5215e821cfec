"""Which functions can matter: those from which both a conversion and a demand are reached by name.

A unit is a top-level function or class with everything in it. A unit reaches the units it names: in its own
file, by import, or as an attribute of an imported file. What unknown objects may call is not followed, as the
machine does not follow it either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from fixgrad.flow.ir import Module, Place

CONVERSIONS = frozenset(
    (
        "from_numpy", "as_tensor", "tensor", "asarray", "Tensor", "FloatTensor", "DoubleTensor",
        "HalfTensor", "BFloat16Tensor", "frombuffer", "from_dlpack", "Variable",
    )
)  # fmt: skip
DEMANDS = frozenset(
    (
        ".grad", ".backward", ".register_hook", ".retain_grad", ".add_param_group", ".optim",
        ".gradcheck", ".gradgradcheck", ".register_post_accumulate_grad_hook", ".requires_grad_",
        ".requires_grad",
    )
)  # fmt: skip
_DEMANDING_IMPORTS = ("torch.optim", "torch.autograd")

Unit: TypeAlias = tuple[str, str]  # file, name of the top-level definition, "" the file's own body
Find: TypeAlias = Callable[[str, str], "str | None"]  # (importing file, module) -> file


class Relevance(NamedTuple):
    """What is worth following."""

    roots: frozenset[
        tuple[str, Place]
    ]  # functions from which a conversion and a demand are reached
    converting: frozenset[tuple[str, Place]]  # functions from which a conversion is reached


def relevance(modules: Mapping[str, Module], find: Find) -> Relevance:
    """Find the functions that are worth following in a project."""
    tokens: dict[Unit, set[str]] = defaultdict(set)
    for path, module in modules.items():
        for function in module.functions:
            tokens[path, function.name.partition(".")[0]] |= function.tokens
    callers = _callers(modules, tokens, find)
    converting = _closure(_converting(modules, tokens), callers)
    demanding = _closure(_demanding(modules, tokens), callers)
    places = {unit: [] for unit in tokens}  # type: dict[Unit, list[tuple[str, Place]]]
    for path, module in modules.items():
        for function in module.functions:
            places[path, function.name.partition(".")[0]].append((path, function.place))
    return Relevance(_places(places, converting & demanding), _places(places, converting))


def _places(
    places: Mapping[Unit, list[tuple[str, Place]]], units: Iterable[Unit]
) -> frozenset[tuple[str, Place]]:
    return frozenset(place for unit in units for place in places[unit])


def _callers(
    modules: Mapping[str, Module], tokens: Mapping[Unit, set[str]], find: Find
) -> dict[Unit, list[Unit]]:
    """Return for each unit the units that name it."""
    callers: dict[Unit, list[Unit]] = defaultdict(list)
    for path, module in modules.items():
        symbols, files = _imported(module, find)
        for unit, mentioned in tokens.items():
            if unit[0] != path:
                continue
            for name in mentioned:
                target = symbols.get(name, (path, name))
                if target in tokens:
                    callers[target].append(unit)
                for file in files.get(name, ()):
                    for attribute in mentioned:
                        if attribute[0] == "." and (file, attribute[1:]) in tokens:
                            callers[file, attribute[1:]].append(unit)
    return callers


def _imported(module: Module, find: Find) -> tuple[dict[str, Unit], dict[str, list[str]]]:
    symbols: dict[str, Unit] = {}
    files: dict[str, list[str]] = defaultdict(list)
    for local, name, member in module.imports:
        inside = f"{name}.{member}" if not name.endswith(".") else name + member
        for dotted in (inside, name) if member else (name,):
            file = find(module.path, dotted)
            if file is None:
                continue
            if member and dotted == name:
                symbols[local] = (file, member)
            else:
                files[local].append(file)
    return symbols, files


def _converting(modules: Mapping[str, Module], tokens: Mapping[Unit, set[str]]) -> set[Unit]:
    found: set[Unit] = set()
    for path, module in modules.items():
        names = {"." + name for name in CONVERSIONS}
        uses_torch = False
        for local, name, member in module.imports:
            if name.partition(".")[0] == "torch":
                uses_torch = True
                if member in CONVERSIONS or member == "*":
                    names.add(local)
                    names |= CONVERSIONS if member == "*" else set()
        if uses_torch:
            found |= {u for u, mentioned in tokens.items() if u[0] == path and mentioned & names}
    return found


def _demanding(modules: Mapping[str, Module], tokens: Mapping[Unit, set[str]]) -> set[Unit]:
    found = {unit for unit, mentioned in tokens.items() if mentioned & DEMANDS}
    for path, module in modules.items():
        names = {
            local
            for local, name, member in module.imports
            if f"{name}.{member}".startswith(_DEMANDING_IMPORTS)
        }
        found |= {u for u, mentioned in tokens.items() if u[0] == path and mentioned & names}
    return found


def _closure(units: set[Unit], callers: Mapping[Unit, list[Unit]]) -> set[Unit]:
    found = set(units)
    pending = list(units)
    while pending:
        for caller in callers.get(pending.pop(), ()):
            if caller not in found:
                found.add(caller)
                pending.append(caller)
    return found
