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
        ".requires_grad", "=requires_grad",
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
            tokens[path, _unit_name(function.name)] |= function.tokens
    callers = _callers(modules, tokens, find)
    converting = _closure(_converting(modules, tokens), callers)
    demanding = _closure(_demanding(modules, tokens), callers)
    places = {unit: [] for unit in tokens}  # type: dict[Unit, list[tuple[str, Place]]]
    for path, module in modules.items():
        for function in module.functions:
            places[path, _unit_name(function.name)].append((path, function.place))
    return Relevance(_places(places, converting & demanding), _places(places, converting))


def _places(
    places: Mapping[Unit, list[tuple[str, Place]]], units: Iterable[Unit]
) -> frozenset[tuple[str, Place]]:
    return frozenset(place for unit in units for place in places[unit])


def _unit_name(qualified: str) -> str:
    """Return the top-level definition a function belongs to; a lambda belongs to the file's body."""
    first = qualified.partition(".")[0]
    return "" if first.startswith("<") else first


def _callers(
    modules: Mapping[str, Module], tokens: Mapping[Unit, set[str]], find: Find
) -> dict[Unit, list[Unit]]:
    """Return for each unit the units that name it."""
    imports = {path: _imported(module, find) for path, module in modules.items()}
    callers: dict[Unit, list[Unit]] = defaultdict(list)
    for unit, mentioned in tokens.items():
        symbols, files, stars = imports[unit[0]]
        attributes = [name[1:] for name in mentioned if name[0] == "."]
        for name in mentioned:
            if name in symbols:
                callers[_defined(symbols[name], tokens, imports)].append(unit)
            elif (unit[0], name) in tokens:
                callers[unit[0], name].append(unit)
            else:
                for star in stars:
                    callers[_defined((star, name), tokens, imports)].append(unit)
            for file in files.get(name, ()):
                for attribute in attributes:
                    callers[_defined((file, attribute), tokens, imports)].append(unit)
    return callers


def _defined(
    symbol: Unit, tokens: Mapping[Unit, set[str]], imports: Mapping[str, Imported]
) -> Unit:
    """Follow re-exports to where a name is defined; a variable belongs to its file's body."""
    for _ in range(8):
        if symbol in tokens:
            return symbol
        again = imports[symbol[0]].symbols.get(symbol[1])
        if again is None:
            break
        symbol = again
    return symbol[0], ""


class Imported(NamedTuple):
    """What the names of one file mean in others."""

    symbols: dict[str, Unit]
    files: dict[str, list[str]]
    stars: list[str]


def _imported(module: Module, find: Find) -> Imported:
    found = Imported({}, defaultdict(list), [])
    for local, name, member in module.imports:
        inside = f"{name}.{member}" if not name.endswith(".") else name + member
        for dotted in (inside, name) if member else (name,):
            file = find(module.path, dotted)
            if file is None:
                continue
            if member == "*":
                found.stars.append(file)
            elif member and dotted == name:
                found.symbols[local] = (file, member)
            else:
                found.files[local].append(file)
    return found


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
