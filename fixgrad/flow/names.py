"""Which definitions of a project name which others, within a file and by import.

A unit is a top-level function or class with everything in it. A unit reaches the units it names: in its own
file, by import, or as an attribute of an imported file. What unknown objects may call is not followed, as the
machine does not follow it either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from fixgrad.flow.fixture_names import fixtures_by_name, lists_conversions, unasked_fixtures
from fixgrad.flow.ir import MADE_OF, REGISTERS, Module
from fixgrad.flow.tokens import CONVERSIONS

Unit: TypeAlias = tuple[str, str]  # file, name of the top-level definition, "" the file's own body
Find: TypeAlias = Callable[[str, str], "str | None"]  # (importing file, module) -> file


# What a unit mentions that puts something into a container.
_KEEPING = frozenset(("[]=", ".append", ".add", ".setdefault", ".update", ".insert"))
_LISTED = "<listed>"  # stands for what the lists above tests hold


class Imported(NamedTuple):
    """What the names of one file mean in others."""

    symbols: dict[str, Unit]
    files: dict[str, list[str]]
    stars: list[str]

    def every(self) -> set[str]:
        """Return the files that are imported, whole or in part."""
        named = {file for file, _ in self.symbols.values()}
        return named.union(self.stars, *self.files.values())


class Names:
    """The names that the units of some files mention."""

    def __init__(self, find: Find, opened: Callable[[str], object] = lambda file: None) -> None:
        self._find = find
        self._opened = opened  # told of each file before one looks into it
        self.tokens: dict[Unit, set[str]] = defaultdict(set)
        self.imports: dict[str, Imported] = {}
        self._run: dict[
            Unit, list[Unit]
        ] = {}  # the bodies that a file's body has run for what they register
        self._foreign: dict[
            str, set[str]
        ] = {}  # by file: what it imports that is not the project's
        self._classes: set[Unit] = set()
        self._heard: set[Unit] = set()  # classes that hear of those derived from them
        self._kept: dict[str, set[str]] = {}  # the variables of files that are made by conversions

    def add(self, module: Module) -> None:
        """Take in one more file."""
        for function in module.functions:
            unit = module.path, unit_name(function.name)
            self.tokens[unit] |= function.tokens
            if function.kind == "class" and function.name == unit[1]:
                self._classes.add(unit)
            if function.name == f"{unit[1]}.__init_subclass__":
                self._heard.add(unit)
        self.imports[module.path] = self._imported(module)
        self._add_fixtures(module)
        self._kept[module.path] = _converted(module)

    def _add_fixtures(self, module: Module) -> None:
        """Let tests name the fixtures that they get by another name, or without one."""
        for given, name in fixtures_by_name(module).items():
            self.imports[module.path].symbols[given] = (module.path, name)
        handed = set(unasked_fixtures(module))
        if lists_conversions(module):
            self.imports[module.path].symbols[_LISTED] = (module.path, "")
            handed.add(_LISTED)
        for function in module.functions if handed else ():
            if function.name.lower().startswith("test"):
                self.tokens[module.path, unit_name(function.name)] |= handed

    def with_tokens(self, tokens: Mapping[Unit, set[str]]) -> Names:
        """Return the same files with other units in them."""
        other = Names(self._find, self._opened)
        other.imports, other._run, other._kept = self.imports, self._run, self._kept
        other.tokens.update(tokens)
        return other

    def by_file(self) -> dict[str, list[Unit]]:
        """Return the units of each file."""
        found: dict[str, list[Unit]] = defaultdict(list)
        for unit in self.tokens:
            found[unit[0]].append(unit)
        return found

    def named(self, unit: Unit) -> list[Unit]:
        """Return the units that a unit names."""
        symbols, files, stars = self.imports[unit[0]]
        mentioned = self.tokens[unit]
        attributes = [name[1:] for name in mentioned if name[0] == "."]
        kept = self._kept.get(unit[0], ()) if unit[1] else ()
        found: list[Unit] = [*self._run.get(unit, ())]
        for name in mentioned:
            if name in symbols:
                found += self._defined([symbols[name]])
            elif (unit[0], name) in self.tokens:
                found.append((unit[0], name))
            elif name in kept:
                found.append((unit[0], ""))
            elif stars:
                found += self._defined([(star, name) for star in stars])
            for file in self._reached(files.get(name, ()), attributes):
                found += self._defined([(file, attribute) for attribute in attributes])
        return found

    def note_registries(self) -> None:
        """Let what a file imports be named by its body, where that puts classes or functions into a registry."""
        heard, more = self._heard, bool(self._heard)
        while more:
            heirs = [c for c in self._classes - heard if not heard.isdisjoint(self.named(c))]
            for path, name in heirs:
                self.tokens[path, ""] |= {name, REGISTERS}
            heard.update(heirs)
            more = bool(heirs)
        registering = {path for path in self.imports if self._registers(path)}
        every = {path: imported.every() for path, imported in self.imports.items()}
        importers: dict[str, list[str]] = defaultdict(list)
        for path, files in every.items():
            for file in files:
                importers[file].append(path)
        pending = list(registering)
        while pending:
            new = set(importers[pending.pop()]) - registering
            registering |= new
            pending += new
        for path, files in every.items():
            run = sorted((file, "") for file in files & registering if file != path)
            if run:
                self._run[path, ""] = [unit for unit in run if unit in self.tokens]

    def _registers(self, path: str) -> bool:
        """Say whether a file's body hands its classes or functions to something of the project that keeps them."""
        tokens = self.tokens[path, ""]
        decorators = [name[1:] for name in tokens if name[0] == "@" and name != REGISTERS]
        return REGISTERS in tokens or any(self._keeps(path, name) for name in decorators)

    def _keeps(self, path: str, name: str) -> bool:
        """Say whether a decorator of this name puts what it decorates into a container."""
        if name in self._foreign[path]:
            return False
        symbols, files, stars = self.imports[path]
        inside = set(files.get(name, ()))
        units = self._defined([symbols[name]] if name in symbols else [(s, name) for s in stars])
        units += [
            unit
            for unit in ((path, name), (path, ""))
            if unit in self.tokens and name not in symbols
        ]
        units += [unit for unit in self.tokens if unit[0] in inside] if inside else []
        units += [inner for unit in units for inner in self.named(unit)]
        return any(not _KEEPING.isdisjoint(self.tokens[unit]) for unit in units)

    def callers(self) -> dict[Unit, list[Unit]]:
        """Return for each unit the units that name it."""
        callers: dict[Unit, list[Unit]] = defaultdict(list)
        for unit in list(self.tokens):
            for other in self.named(unit):
                callers[other].append(unit)
        return callers

    def _reached(self, files: Iterable[str], attributes: list[str]) -> list[str]:
        """Return the files that attributes of a file lead to: `pkg`, and `pkg.sub` where `.sub` is named."""
        found = dict.fromkeys(files)
        pending = list(found)
        while pending:
            file = pending.pop()
            self._opened(file)
            inner = self.imports[file].files if file in self.imports else {}
            for name in attributes:
                below = list(inner.get(name, ()))
                if file.endswith(("/", "/__init__.py")) and not below:
                    below = [path for path in (self._find(file, f".{name}"),) if path is not None]
                pending += [path for path in below if path not in found]
                found.update(dict.fromkeys(below))
        return list(found)

    def _defined(self, symbols: list[Unit]) -> list[Unit]:
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
            self._opened(file)
            if symbol in self.tokens:
                found[symbol] = None
                continue
            imported = self.imports.get(file)
            if imported is not None and name in imported.symbols:
                pending.append(imported.symbols[name])
            elif (file, "") in self.tokens:
                found[file, ""] = None
                pending += [(star, name) for star in imported.stars] if imported else []
        return list(found)

    def _imported(self, module: Module) -> Imported:
        found = Imported({}, defaultdict(list), [])
        foreign = self._foreign[module.path] = set()
        for local, name, member in module.imports:
            for dotted in names_of(local, name, member):
                file = self._find(module.path, dotted)
                if file is None:
                    foreign.add(local)
                    continue
                if member == "*":
                    found.stars.append(file)
                elif member and dotted == name:
                    found.symbols[local] = (file, member)
                else:
                    found.files[local].append(file)
        foreign -= {*found.symbols, *found.files}
        return found


def _converted(module: Module) -> set[str]:
    """Return the variables of a file that are made by a conversion, or of what is."""
    pairs = [token.split(MADE_OF) for token in module.functions[0].tokens if MADE_OF in token]
    found: set[str] = set()
    new = {name for name, made in pairs if made in CONVERSIONS}
    while new:
        found |= new
        new = {name for name, made in pairs if made in new} - found
    return found


def names_of(local: str, name: str, member: str) -> tuple[str, ...]:
    """Return the modules that an import may mean, dotted."""
    if member:
        return (f"{name}.{member}" if not name.endswith(".") else name + member), name
    first = name.partition(".")[0]
    return (name,) if local != first or name == first else (first, name)


def unit_name(qualified: str) -> str:
    """Return the top-level definition a function belongs to; a lambda belongs to the file's body."""
    first = qualified.partition(".")[0]
    return "" if first.startswith("<") else first


def closure(units: set[Unit], callers: Mapping[Unit, list[Unit]]) -> set[Unit]:
    """Return the units, those that name them, those that name these, and so on."""
    found = set(units)
    pending = list(units)
    while pending:
        for caller in callers.get(pending.pop(), ()):
            if caller not in found:
                found.add(caller)
                pending.append(caller)
    return found
