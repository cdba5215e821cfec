"""The lowered files of a project, what their imports mean, and which of their functions matter."""

from __future__ import annotations

from collections.abc import Sequence

from fixgrad.flow import library, relevance
from fixgrad.flow.graph import Where
from fixgrad.flow.ir import Module, Place, stands_in
from fixgrad.flow.values import Site
from fixgrad.knowledge.models import Models
from fixgrad.project.imports import Imports, listing


class Project:
    """The lowered modules of a project and how its imports find them."""

    def __init__(
        self,
        modules: Sequence[Module],
        imports: Imports | None = None,
        given: frozenset[str] | None = None,
        models: Models | None = None,
    ) -> None:
        self.modules = {m.path: m for m in sorted(modules, key=lambda m: m.path)}
        self.functions = {
            path: [(f.place, (path, f.place)) for f in m.functions[1:]]
            for path, m in self.modules.items()
        }
        self.classes = {
            path: [(f.place, (path, f.place)) for f in m.functions if f.kind == "class"]
            for path, m in self.modules.items()
        }
        self.imports = imports or Imports(listing(self.modules), known=self.modules)
        for path, module in self.modules.items():
            self.imports.add_search(path, module.search)
        self.given = given  # the files that findings and edits are for; None is all
        self.edits_around = False  # repairs of given files may change others too
        self.generated: frozenset[str] = frozenset()  # those left out as a program makes them
        self.models = models  # what the user's settings say of calls
        self.relevance = relevance.relevance(self.modules, self.find, given, models)
        self.may_grant = relevance.granting(self.modules, self.relevance.callers)

    def find(self, importer: str, name: str) -> str | None:
        """Return the file that an import in another file means, or None where it is not ours."""
        found = self.imports.find(importer, name)
        ours = found is not None and (found in self.modules or found.endswith("/"))
        return found if ours else None

    def module(self, path: str) -> Module:
        """Return a file of the project, or what stands for a module of Python's library."""
        return library.module_at(path) if library.is_library(path) else self.modules[path]

    def is_given(self, path: str) -> bool:
        """Say whether findings are looked for in a file."""
        return path in self.given if self.given is not None else not library.is_library(path)

    def may_edit(self, path: str) -> bool:
        """Say whether a repair may change a file."""
        around = self.edits_around and path not in self.generated and not library.is_library(path)
        return self.is_given(path) or around

    def packages_around(self, importer: str, name: str) -> list[str]:
        """Return the packages whose `__init__` Python runs before the module of this name."""
        bare = name.lstrip(".")
        dots, parts = name[: len(name) - len(bare)], bare.split(".")
        above = (dots + ".".join(parts[:n]) for n in range(1, len(parts)))
        return [path for path in (self.find(importer, n) for n in above) if path is not None]

    def function_at(self, path: str, place: Place) -> Where:
        """Return the innermost function or class around a place, else the file's own body."""
        found: Where = (path, self.module(path).functions[0].place)
        start = (0, 0)
        for around, where in self.functions.get(path, ()):
            if start <= around[:2] and stands_in(place, around):
                found, start = where, around[:2]
        return found

    def class_at(self, site: Site) -> Where | None:
        """Return the innermost class around a place."""
        found, start = None, (0, 0)
        for around, where in self.classes.get(site.path, ()):
            place = site.place
            if start <= around[:2] and stands_in(place, around):
                found, start = where, around[:2]
        return found
