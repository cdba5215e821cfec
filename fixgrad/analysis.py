"""From sources to findings with their repairs or refusals, one part of the project after the other."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from fixgrad.conclusion import Analysis, Study, conclude, together
from fixgrad.crew import ALONE, Crew
from fixgrad.depth import deeply
from fixgrad.flow.ir import Module
from fixgrad.flow.link import HANDLERS, Linker, Project
from fixgrad.flow.machine import Handler
from fixgrad.flow.neighbours import neighbours
from fixgrad.flow.parts import parts
from fixgrad.knowledge.models import Models
from fixgrad.policy import Policy
from fixgrad.project import Surroundings
from fixgrad.project.imports import Imports, listing
from fixgrad.source import Problem, Source
from fixgrad.suppressions import Suppressions

_Result = TypeVar("_Result")


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


def analyse(
    sources: Sequence[Source],
    policy: Policy,
    around: Surroundings | None = None,
    models: Models | None = None,
    edits_around: bool = False,
    handlers: Mapping[str, Handler] | None = None,
    crew: Crew = ALONE,
) -> Analysis:
    """Find what has no gradient in a project and plan what gives it one.

    What stands `around` the sources is read as far as it matters; with `edits_around` a repair may change it.
    `models` says what calls do that the user's settings describe. A run that somebody watches, by `handlers`,
    follows everything together and is kept.
    """
    every, problems = _at_ease(lambda: _divided(sources, around, models, crew))
    every = [part._replace(edits_around=edits_around) for part in every]
    if handlers is not None and every:
        whole = _joined(every)
        study = _at_ease(lambda: whole.followed(handlers))
        found = _at_ease(lambda: conclude([study], policy))._replace(study=study)
    elif policy.is_local:
        sizes = [part.size for part in every]
        found = together(crew.spread(lambda part: _concluded(part, policy), every, sizes))
    else:
        followed = [_at_ease(part.followed) for part in every]
        found = _at_ease(lambda: conclude(followed, policy))
    return found._replace(problems=problems)


def _concluded(part: Part, policy: Policy) -> Analysis:
    return _at_ease(lambda: conclude([part.followed()], policy))


def studies(
    sources: Sequence[Source], around: Surroundings | None = None, models: Models | None = None
) -> list[Study]:
    """Follow a project, each part of it by itself."""
    every, _ = _at_ease(lambda: _divided(sources, around, models, ALONE))
    return [_at_ease(part.followed) for part in every]


def _at_ease(function: Callable[[], _Result]) -> _Result:
    collecting = gc.isenabled()
    gc.disable()  # nothing here is garbage before the end; collecting costs a fifth of the time
    try:
        return deeply(function)
    finally:
        if collecting:
            gc.enable()


def _divided(
    sources: Sequence[Source], around: Surroundings | None, models: Models | None, crew: Crew
) -> tuple[list[Part], tuple[Problem, ...]]:
    """Lower the files, find those around them that matter, and put together what belongs together."""
    lowered = crew.lowered(sources)
    problems = tuple(p for p in lowered if isinstance(p, Problem))
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
    return [p for p in found if given is None or any(m.path in given for m in p.modules)], problems


def _joined(every: Sequence[Part]) -> Part:
    """Return several parts as one."""
    modules = tuple(module for part in every for module in part.modules)
    sources = tuple(source for part in every for source in part.sources)
    return every[0]._replace(modules=modules, sources=sources)
