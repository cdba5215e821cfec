"""Which other files of a project say something of the given ones, and these files lowered.

Ahead: the definitions that the given files name, those that these name, and so on. Behind: who calls what the
given files define, as far as a conversion or a demand is in it. A bound on the text keeps one file's run short.
"""

from __future__ import annotations

from collections.abc import Iterable

from fixgrad.flow.ir import Module
from fixgrad.flow.lower import lower
from fixgrad.flow.names import Names, Unit, closure
from fixgrad.flow.relevance import converting_units, demanding_units
from fixgrad.project import Surroundings
from fixgrad.source import Source

MOST_TEXT = 250_000  # characters in each direction
_MOST_STEPS = 3  # from a caller to its caller


def neighbours(given: Iterable[Module], around: Surroundings) -> dict[Source, Module]:
    """Return the other files that matter to the given ones."""
    return _Search(given, around).run()


class _Search:
    def __init__(self, given: Iterable[Module], around: Surroundings) -> None:
        self.around = around
        self.modules: dict[str, Module] = {}
        self.sources: dict[str, Source] = {}
        self.read: dict[str, tuple[Source, Module] | None] = {}  # None: it cannot be read
        self.text = 0
        self.opening = False
        self.names = Names(around.find, self.open)
        self.seen: set[Unit] = set()
        self.wanted: set[Unit] = set()  # what one looks for callers of
        for module in given:
            self.take(module)
        self.given = list(self.names.tokens)

    def run(self) -> dict[Source, Module]:
        self.ahead(self.given)
        self.text = 0
        wanted = self.interesting().intersection(self.given)
        self.wanted |= wanted
        for _ in range(_MOST_STEPS):
            wanted = self.behind(wanted) if wanted else wanted
            self.wanted |= wanted
        return {self.sources[path]: self.modules[path] for path in sorted(self.sources)}

    def take(self, module: Module) -> None:
        self.modules[module.path] = module
        self.around.add_search(module.path, module.search)
        self.names.add(module)

    def open(self, path: str) -> None:
        """Take in a file that a name leads to."""
        if not self.opening or path in self.modules or path[-1:] == "/":
            return
        module = self.lowered(path)
        if module is not None:
            self.take(module)

    def lowered(self, path: str) -> Module | None:
        if path not in self.read:
            source = self.around.read(path) if self.text < MOST_TEXT else None
            module = lower(source) if source is not None else None
            self.read[path] = None
            if source is not None and isinstance(module, Module):
                self.read[path] = source, module
                self.text += len(source.text)
        found = self.read[path]
        if found is None:
            return None
        self.sources[path] = found[0]
        return found[1]

    def ahead(self, units: Iterable[Unit]) -> None:
        """Follow what the units name, and the bodies of the files where that stands."""
        self.opening = True
        pending = list(units)
        while pending:
            unit = pending.pop(0)
            if unit in self.seen or unit not in self.names.tokens:
                continue
            self.seen.add(unit)
            pending += sorted(set(self.names.named(unit)))
            pending.append((unit[0], ""))
        self.opening = False

    def interesting(self) -> set[Unit]:
        """Return the units with a conversion or a demand in them or in what they name."""
        makes = converting_units(self.modules, self.names, self.around.find)
        asks = demanding_units(self.modules, self.names)
        return closure(makes | asks, self.names.callers())

    def behind(self, units: set[Unit]) -> set[Unit]:
        """Take in the files that import these units; return what in them names or hands on one."""
        files = {path for path, _ in units}
        names = {name for _, name in units if name}
        found: set[Unit] = set()
        candidates = self.around.mentioning(sorted(set(map(_module_name, files))), sorted(names))
        for path in candidates:
            if path in self.modules:
                continue
            module = self.lowered(path)
            if module is None:
                continue
            self.take(module)
            callers = self.callers(path)
            self.ahead(sorted(callers & self.names.tokens.keys()))
            found |= callers
            if not callers:
                self.drop(path)
        return found

    def callers(self, path: str) -> set[Unit]:
        """Return what in a file names a wanted unit, directly or not, or hands it on."""
        imports, units = self.names.imports[path], self.wanted
        found = {(path, local) for local, symbol in imports.symbols.items() if symbol in units}
        for star in imports.stars:
            found |= {(path, name) for file, name in units if file == star and name}
        own = {unit: self.names.named(unit) for unit in self.names.tokens if unit[0] == path}
        direct = {unit for unit, named in own.items() if not units.isdisjoint(named)}
        among = {unit: [u for u, named in own.items() if unit in named] for unit in own}
        return found | closure(direct, among)

    def drop(self, path: str) -> None:
        """Take out a file that means another module of that name, or one not taken in yet."""
        del self.modules[path], self.sources[path], self.names.imports[path]
        for unit in [unit for unit in self.names.tokens if unit[0] == path]:
            del self.names.tokens[unit]


def _module_name(path: str) -> str:
    """Return the last part of the name that a file is imported under."""
    return path.removesuffix(".py").removesuffix("/__init__").rpartition("/")[2]
