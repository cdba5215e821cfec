"""Which functions can matter: those from which both a conversion and a demand are reached by name."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Set
from typing import TYPE_CHECKING, NamedTuple

from fixgrad.flow.handed_on import TorchNames
from fixgrad.flow.ir import Module, Place
from fixgrad.flow.names import Find, Names, Unit, closure, unit_name
from fixgrad.flow.tokens import DEMANDS, EXPORT, GRANTS, MAKERS

if TYPE_CHECKING:
    from fixgrad.knowledge.models import Models

_DEMANDING_IMPORTS = ("torch.optim", "torch.autograd")


class Relevance(NamedTuple):
    """What is worth following."""

    roots: frozenset[tuple[str, Place]]  # what reaches a conversion and a demand, or shares one
    productive: frozenset[
        tuple[str, Place]
    ]  # functions from which a conversion, or a class that demands, is reached
    building: frozenset[tuple[str, Place]]  # functions from which torch or a class is reached
    methods: frozenset[
        tuple[str, Place]
    ]  # of classes: a conversion or a demand is reached, or an attribute is set
    imported: frozenset[str]  # files that another file imports
    nearest: frozenset[tuple[str, Place]]  # roots that convert, or call in few steps what does
    callers: Mapping[Unit, list[Unit]]


NEAR = 1  # calls from a conversion


def relevance(
    modules: Mapping[str, Module],
    find: Find,
    given: frozenset[str] | None = None,
    models: Models | None = None,
) -> Relevance:
    """Find the functions that are worth following: all, or those that lead to the given files."""
    names = _names(modules, find)
    callers = names.callers()
    makers = converting_units(modules, names, find)
    demanding = demanding_units(modules, names)
    if models is not None:
        makers |= _mentioning(modules, names, models.sources)
        demanding |= _mentioning(modules, names, models.sinks)
    converting = closure(makers, callers)
    asking = closure(demanding, callers)
    roots = converting & asking
    # Who else gets tensors of the same makers: a grant in there would be theirs too.
    shared = {unit for unit in makers & _below(roots, callers) if unit[1]}
    roots |= closure(shared, callers)
    if given is not None:
        roots &= closure({unit for unit in names.tokens if unit[0] in given}, callers)
    places = _places_of_units(modules)
    classes = {
        (path, function.name)
        for path, module in modules.items()
        for function in module.functions
        if function.kind == "class"
    }
    productive = closure(converting | (asking & classes), callers)
    imports = names.imports.items()
    return Relevance(
        _places(places, roots),
        _places(places, productive),
        _places(places, closure(_torch_units(modules, names, find) | classes, callers)),
        _methods(modules, names, find, converting | asking),
        frozenset(file for path, each in imports for file in each.every() if file != path),
        _places(places, _near(makers, callers) & roots),
        callers,
    )


def _near(units: set[Unit], callers: Mapping[Unit, list[Unit]]) -> set[Unit]:
    found, last = set(units), set(units)
    for _ in range(NEAR):
        last = {caller for unit in last for caller in callers.get(unit, ())} - found
        found |= last
    return found


def below(
    modules: Mapping[str, Module],
    callers: Mapping[Unit, list[Unit]],
    functions: Set[tuple[str, Place]],
) -> frozenset[tuple[str, Place]]:
    """Return the functions that some functions name, with those that these name, and so on."""
    found = {
        (path, unit_name(function.name))
        for path in {path for path, _ in functions}
        for function in modules[path].functions
        if (path, function.place) in functions
    }
    return _places(_places_of_units(modules), _below(found, callers))


def granting(
    modules: Mapping[str, Module], callers: Mapping[Unit, list[Unit]]
) -> Callable[[tuple[str, Place]], bool]:
    """Return what says whether a function may grant a gradient; it is found out when first asked."""

    @functools.cache
    def found() -> frozenset[tuple[str, Place]]:
        return _granting(modules, callers)

    return lambda where: where in found()


def _granting(
    modules: Mapping[str, Module], callers: Mapping[Unit, list[Unit]]
) -> frozenset[tuple[str, Place]]:
    """Find the functions that grant a gradient, and those that name one of these, where it can be meant.

    Further away, `apply` and `forward` are the names of too many.
    """
    mentioned: dict[str, list[tuple[Unit, Place]]] = defaultdict(list)
    direct: list[tuple[str, Unit, Place]] = []
    for path, module in modules.items():
        for function in module.functions:
            unit = path, unit_name(function.name)
            if not function.tokens.isdisjoint(GRANTS):
                direct.append((function.name, unit, function.place))
            for token in function.tokens:
                mentioned[token.removeprefix(".")].append((unit, function.place))
    found = {(unit[0], place) for _, unit, place in direct}
    for name, granting_unit, _ in direct:
        outer, _, last = name.rpartition(".")
        known_as = outer.rpartition(".")[2] if last == "__init__" else last
        near = {granting_unit, *callers.get(granting_unit, ())}
        found.update(
            (unit[0], place) for unit, place in mentioned.get(known_as, ()) if unit in near
        )
    return frozenset(found)


def _mentioning(modules: Mapping[str, Module], names: Names, calls: Iterable[str]) -> set[Unit]:
    """Return the units that write the last part of some names, or what a file imports it as."""
    last = {name.rpartition(".")[2] for name in calls}
    tokens = last | {f".{name}" for name in last}
    local = {
        path: {here for here, _, name in module.imports if name in last}
        for path, module in modules.items()
    }
    return {
        unit
        for unit, mentioned in names.tokens.items()
        if mentioned & tokens or mentioned & local.get(unit[0], set())
    }


def reaching(
    modules: Mapping[str, Module], find: Find, path: str, name: str
) -> frozenset[tuple[str, Place]]:
    """Find the functions from which one, known by its file and name, is reached."""
    callers = _names(modules, find).callers()
    return _places(_places_of_units(modules), closure({(path, unit_name(name))}, callers))


def _names(modules: Mapping[str, Module], find: Find) -> Names:
    names = Names(find)
    for module in modules.values():
        names.add(module)
    names.note_registries()
    return names


def _places_of_units(modules: Mapping[str, Module]) -> dict[Unit, list[tuple[str, Place]]]:
    places: dict[Unit, list[tuple[str, Place]]] = defaultdict(list)
    for path, module in modules.items():
        for function in module.functions:
            places[path, unit_name(function.name)].append((path, function.place))
    return places


def _methods(
    modules: Mapping[str, Module],
    names: Names,
    find: Find,
    worth: set[Unit],
) -> frozenset[tuple[str, Place]]:
    """Return the methods that matter, so that the others of their classes need not be followed."""
    tokens: dict[Unit, set[str]] = defaultdict(set)
    places: dict[Unit, list[tuple[str, Place]]] = defaultdict(list)
    found: set[Unit] = set()
    for path, module in modules.items():
        for function in module.functions:
            cls, _, rest = function.name.partition(".")
            if rest and (path, cls) in worth:
                method = path, f"{cls}.{rest.partition('.')[0]}"
                tokens[method] |= function.tokens
                places[method].append((path, function.place))
                if function.assigns or EXPORT in function.tokens:
                    found.add(method)
    methods = names.with_tokens(tokens)
    found |= converting_units(modules, methods, find) | demanding_units(modules, methods)
    callers = names.with_tokens({**names.tokens, **tokens}).callers()
    found |= {caller for unit in worth for caller in callers.get(unit, ()) if caller in tokens}
    by_name: dict[str, list[Unit]] = defaultdict(list)
    for method, mentioned in tokens.items():
        for name in mentioned:
            by_name[name].append(method)
    calling = {m: by_name.get("." + m[1].rpartition(".")[2], []) for m in tokens}
    return _places(places, closure(found, calling))


def _below(units: set[Unit], callers: Mapping[Unit, list[Unit]]) -> set[Unit]:
    """Return the units, those that they name, those that these name, and so on."""
    callees: dict[Unit, list[Unit]] = defaultdict(list)
    for callee, names in callers.items():
        for caller in names:
            callees[caller].append(callee)
    return closure(units, callees)


def _places(
    places: Mapping[Unit, list[tuple[str, Place]]], units: Iterable[Unit]
) -> frozenset[tuple[str, Place]]:
    return frozenset(place for unit in units for place in places[unit])


def _torch_units(modules: Mapping[str, Module], named: Names, find: Find) -> set[Unit]:
    """Return the units that mention something of torch."""
    found: set[Unit] = set()
    units = named.by_file()
    torch = TorchNames(modules, find, MAKERS)
    for path, module in modules.items():
        own = (entry for entry in module.imports if torch.of_torch(path, *entry[1:]))
        names = {local for local, _, _ in own}
        if "*" in names:
            found.update(units.get(path, ()))
        elif names:
            found.update(u for u in units.get(path, ()) if not names.isdisjoint(named.tokens[u]))
    return found


def converting_units(modules: Mapping[str, Module], named: Names, find: Find) -> set[Unit]:
    """Return the units that write a conversion."""
    found: set[Unit] = set()
    units = named.by_file()
    torch = TorchNames(modules, find, MAKERS)
    for path, module in modules.items():
        names = {"." + name for name in MAKERS}
        uses_torch = False
        for local, name, member in module.imports:
            if torch.of_torch(path, name, member):
                uses_torch = True
                if member in MAKERS or member == "*":
                    names.add(local)
                    names |= MAKERS if member == "*" else set()
        if uses_torch:
            found.update(u for u in units.get(path, ()) if not names.isdisjoint(named.tokens[u]))
    return found


def demanding_units(modules: Mapping[str, Module], named: Names) -> set[Unit]:
    """Return the units that write a demand."""
    found = {unit for unit, mentioned in named.tokens.items() if not DEMANDS.isdisjoint(mentioned)}
    units = named.by_file()
    for path, module in modules.items():
        names = {
            local
            for local, name, member in module.imports
            if f"{name}.{member}".startswith(_DEMANDING_IMPORTS) and local != "torch"
        }
        if names:
            found.update(u for u in units.get(path, ()) if not names.isdisjoint(named.tokens[u]))
    return found
