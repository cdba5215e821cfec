"""Which functions can matter: those from which both a conversion and a demand are reached by name.

A unit is a top-level function or class with everything in it. A unit reaches the units it names: in its own
file, by import, or as an attribute of an imported file. What unknown objects may call is not followed, as the
machine does not follow it either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from fixgrad.flow.ir import Block, Module, Place

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
    productive: frozenset[
        tuple[str, Place]
    ]  # functions from which a conversion, or a class that demands, is reached
    methods: frozenset[
        tuple[str, Place]
    ]  # of classes: a conversion or a demand is reached, or an attribute is set
    imported: frozenset[str]  # files that another file imports


def relevance(modules: Mapping[str, Module], find: Find) -> Relevance:
    """Find the functions that are worth following in a project."""
    tokens = _tokens(modules)
    imports = {path: _imported(module, find) for path, module in modules.items()}
    callers = _callers(tokens, imports, find)
    converting = _closure(_converting(modules, tokens, find), callers)
    demanding = _closure(_demanding(modules, tokens), callers)
    places = _places_of_units(modules)
    classes = {
        (path, function.name)
        for path, module in modules.items()
        for function in module.functions
        if function.kind == "class"
    }
    productive = _closure(converting | (demanding & classes), callers)
    return Relevance(
        _places(places, converting & demanding),
        _places(places, productive),
        _methods(modules, tokens, imports, find, converting | demanding),
        frozenset(file for path, each in imports.items() for file in each.every() if file != path),
    )


def reaching(
    modules: Mapping[str, Module], find: Find, path: str, name: str
) -> frozenset[tuple[str, Place]]:
    """Find the functions from which one, known by its file and name, is reached."""
    imports = {file: _imported(module, find) for file, module in modules.items()}
    callers = _callers(_tokens(modules), imports, find)
    return _places(_places_of_units(modules), _closure({(path, _unit_name(name))}, callers))


def _tokens(modules: Mapping[str, Module]) -> dict[Unit, set[str]]:
    tokens: dict[Unit, set[str]] = defaultdict(set)
    for path, module in modules.items():
        for function in module.functions:
            tokens[path, _unit_name(function.name)] |= function.tokens
    return tokens


def _places_of_units(modules: Mapping[str, Module]) -> dict[Unit, list[tuple[str, Place]]]:
    places: dict[Unit, list[tuple[str, Place]]] = defaultdict(list)
    for path, module in modules.items():
        for function in module.functions:
            places[path, _unit_name(function.name)].append((path, function.place))
    return places


def _methods(
    modules: Mapping[str, Module],
    units: dict[Unit, set[str]],
    imports: Mapping[str, Imported],
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
                if _sets_attributes(function.body):
                    found.add(method)
    found |= _converting(modules, tokens, find) | _demanding(modules, tokens)
    callers = _callers({**units, **tokens}, imports, find)
    found |= {caller for unit in worth for caller in callers.get(unit, ()) if caller in tokens}
    by_name: dict[str, list[Unit]] = defaultdict(list)
    for method, mentioned in tokens.items():
        for name in mentioned:
            by_name[name].append(method)
    calling = {m: by_name.get("." + m[1].rpartition(".")[2], []) for m in tokens}
    return _places(places, _closure(found, calling))


def _sets_attributes(block: Block) -> bool:
    return any(op.kind == "setattr" or any(map(_sets_attributes, op.blocks)) for op in block)


def _places(
    places: Mapping[Unit, list[tuple[str, Place]]], units: Iterable[Unit]
) -> frozenset[tuple[str, Place]]:
    return frozenset(place for unit in units for place in places[unit])


def _unit_name(qualified: str) -> str:
    """Return the top-level definition a function belongs to; a lambda belongs to the file's body."""
    first = qualified.partition(".")[0]
    return "" if first.startswith("<") else first


def _callers(
    tokens: Mapping[Unit, set[str]], imports: Mapping[str, Imported], find: Find
) -> dict[Unit, list[Unit]]:
    """Return for each unit the units that name it."""
    callers: dict[Unit, list[Unit]] = defaultdict(list)
    for unit, mentioned in tokens.items():
        symbols, files, stars = imports[unit[0]]
        attributes = [name[1:] for name in mentioned if name[0] == "."]
        for name in mentioned:
            named: list[Unit] = []
            if name in symbols:
                named = _defined([symbols[name]], tokens, imports)
            elif (unit[0], name) in tokens:
                named = [(unit[0], name)]
            elif stars:
                named = _defined([(star, name) for star in stars], tokens, imports)
            for file in _reached(files.get(name, ()), attributes, imports, find):
                named += _defined([(file, a) for a in attributes], tokens, imports)
            for other in named:
                callers[other].append(unit)
    return callers


def _reached(
    files: Iterable[str], attributes: list[str], imports: Mapping[str, Imported], find: Find
) -> list[str]:
    """Return the files that attributes of a file lead to: `pkg`, and `pkg.sub` where `.sub` is named."""
    found = dict.fromkeys(files)
    pending = list(found)
    while pending:
        file = pending.pop()
        inner = imports[file].files if file in imports else {}
        for name in attributes:
            below = list(inner.get(name, ()))
            if file.endswith(("/", "/__init__.py")) and not below:
                below = [path for path in (find(file, f".{name}"),) if path is not None]
            pending += [path for path in below if path not in found]
            found.update(dict.fromkeys(below))
    return list(found)


def _defined(
    symbols: list[Unit], tokens: Mapping[Unit, set[str]], imports: Mapping[str, Imported]
) -> list[Unit]:
    """Follow re-exports to where names are defined; a variable belongs to its file's body."""
    found: dict[Unit, None] = {}
    seen: set[Unit] = set()
    pending = list(symbols)
    while pending:
        symbol = pending.pop()
        if symbol in seen:
            continue
        seen.add(symbol)
        file, name = symbol
        if symbol in tokens:
            found[symbol] = None
            continue
        imported = imports.get(file)
        if imported is not None and name in imported.symbols:
            pending.append(imported.symbols[name])
        elif (file, "") in tokens:
            found[file, ""] = None
            pending += [(star, name) for star in imported.stars] if imported else []
    return list(found)


class Imported(NamedTuple):
    """What the names of one file mean in others."""

    symbols: dict[str, Unit]
    files: dict[str, list[str]]
    stars: list[str]

    def every(self) -> set[str]:
        """Return the files that are imported, whole or in part."""
        named = {file for file, _ in self.symbols.values()}
        return named.union(self.stars, *self.files.values())


def _imported(module: Module, find: Find) -> Imported:
    found = Imported({}, defaultdict(list), [])
    for local, name, member in module.imports:
        for dotted in _names_of(local, name, member):
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


def _names_of(local: str, name: str, member: str) -> tuple[str, ...]:
    """Return the modules that an import may mean, dotted."""
    if member:
        return (f"{name}.{member}" if not name.endswith(".") else name + member), name
    first = name.partition(".")[0]
    return (name,) if local != first or name == first else (first, name)


def _converting(
    modules: Mapping[str, Module], tokens: Mapping[Unit, set[str]], find: Find
) -> set[Unit]:
    found: set[Unit] = set()
    for path, module in modules.items():
        names = {"." + name for name in CONVERSIONS}
        uses_torch = False
        for local, name, member in module.imports:
            # A file of the project may hand torch on, whole or name by name.
            handed_on = member in ("torch", "*") or member in CONVERSIONS
            if name.partition(".")[0] == "torch" or (handed_on and find(path, name) is not None):
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
            if f"{name}.{member}".startswith(_DEMANDING_IMPORTS) and local != "torch"
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
