"""Divides a project, once its files are lowered, into parts that are followed each by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fixgrad.conclusion import Study
from fixgrad.flow.ir import Module
from fixgrad.flow.link import HANDLERS, Linker
from fixgrad.flow.machine import Handler
from fixgrad.flow.names import names_of
from fixgrad.flow.neighbours import neighbours
from fixgrad.flow.parts import parts
from fixgrad.flow.project import Project
from fixgrad.knowledge.models import Models
from fixgrad.project import Surroundings
from fixgrad.project.imports import Imports, listing
from fixgrad.source import Problem, Source
from fixgrad.suppressions import Suppressions


class Part(NamedTuple):
    """Files that have nothing to do with the others of a run."""

    modules: tuple[Module, ...]
    sources: tuple[Source, ...]
    imports: Imports
    given: frozenset[str] | None  # the files that findings and edits are for; None is all
    generated: frozenset[str]
    models: Models | None
    edits_around: bool = False  # a repair may change files that are only around the given ones

    @property
    def size(self) -> int:
        """The length of the texts, in characters."""
        return sum(len(source.text) for source in self.sources)

    def followed(self, handlers: Mapping[str, Handler] = HANDLERS) -> Study:
        """Follow what the files do; `handlers` are those of a machine that somebody watches."""
        project = Project(self.modules, self.imports, self.given, self.models)
        project.generated = self.generated
        project.edits_around = self.edits_around
        return Study(project, Linker(project, handlers=handlers).run(), self.sources)

    def content(self) -> tuple[object, ...]:
        """Return all that what is concluded of the part depends on, but for the options."""
        paths = frozenset(source.path for source in self.sources)
        given = None if self.given is None else sorted(paths & self.given)
        contents = [(source.path, source.digest) for source in self.sources]
        generated = sorted(paths & self.generated)
        return contents, given, generated, list(self._imported()), self.edits_around

    def _imported(self) -> Iterator[str | None]:
        """Yield what each import of the files means."""
        for module in self.modules:
            for imported in module.imports:
                for dotted in names_of(*imported):
                    yield self.imports.find(module.path, dotted)


def divided(
    sources: Sequence[Source],
    lowered: Sequence[Module | Problem],
    around: Surroundings | None,
    models: Models | None,
) -> list[Part]:
    """Find the files around the given ones that matter, and put together what belongs together."""
    own = [m for m in lowered if isinstance(m, Module)]
    others = neighbours(own, around) if around is not None else {}
    modules = {module.path: module for module in (*own, *others.values())}
    imports: Imports = around or Imports(listing(modules), known=modules)
    for path, module in modules.items():
        imports.add_search(path, module.search)
    generated = Suppressions(sources).generated()
    given = frozenset(m.path for m in own) - generated if others or generated else None
    by_path = {source.path: source for source in (*sources, *others)}
    found = [
        Part(
            tuple(modules[path] for path in paths),
            tuple(by_path[path] for path in paths),
            imports,
            given,
            generated,
            models,
        )
        for paths in parts(modules, imports.find)
    ]
    return [part for part in found if given is None or any(m.path in given for m in part.modules)]


def joined(every: Sequence[Part]) -> Part:
    """Return several parts as one."""
    modules = tuple(module for part in every for module in part.modules)
    sources = tuple(source for part in every for source in part.sources)
    return every[0]._replace(modules=modules, sources=sources)
