"""Runs the analysis under watch: as it is and, where asked, over what it would not follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fixgrad.conclusion import Analysis, Study, conclude
from fixgrad.depth import deeply
from fixgrad.explain.watch import Watch
from fixgrad.flow import relevance
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.ir import Function, Module, Place
from fixgrad.flow.link import Linker
from fixgrad.flow.lower import lower
from fixgrad.flow.neighbours import neighbours
from fixgrad.flow.project import Project
from fixgrad.flow.values import Site
from fixgrad.knowledge.models import Models
from fixgrad.policy import Policy
from fixgrad.project import Surroundings, as_shown
from fixgrad.project.imports import Imports, listing
from fixgrad.source import Problem, Source, Span

_PATIENCE = 10  # times the budget of the analysis
_LONGEST = 60  # characters of source text inside a sentence


class Run(NamedTuple):
    """A watched run and what was concluded from it."""

    sources: dict[str, Source]
    project: Project
    graph: FlowGraph
    watch: Watch
    analysis: Analysis
    wider: bool = False  # nothing asks for a gradient here: followed for the answer alone

    def text(self, site: Site) -> str:
        """Return what is written at a place, on one line."""
        return self.text_of(Span(site.path, *site.place))

    def text_of(self, span: Span) -> str:
        """Return what is written in a span, on one line."""
        return written(self.sources, span)

    def short(self, site: Site) -> str:
        """Return what is written at a place as a sentence can hold it."""
        text = self.text(site)
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

    def function(self, site: Site) -> Function:
        """Return the innermost function or class around a place, else the file's own body."""
        path, place = self.project.function_at(site.path, site.place)
        functions = self.project.module(path).functions
        return next(f for f in functions if f.place == place)


def follow(
    sources: Sequence[Source],
    *,
    unsafe: bool = True,
    around: Surroundings | None = None,
    models: Models | None = None,
    roots: Sequence[str] = (),
) -> Run:
    """Follow a project as the analysis does; imports begin in the `roots`, too."""
    lowered = [lower(source) for source in sources]
    modules = [m for m in lowered if isinstance(m, Module)]
    others = neighbours(modules, around) if around is not None else {}
    given = frozenset(m.path for m in modules) if others else None
    imports: Imports | None = around
    if imports is None and roots:
        paths = [module.path for module in modules]
        imports = Imports(listing(paths), known=paths, roots=map(as_shown, roots))
    project = Project([*modules, *others.values()], imports, given, models)
    sources = [*sources, *others]
    problems = tuple(p for p in lowered if isinstance(p, Problem))
    by_path = {source.path: source for source in sources}

    def watched() -> Run:
        watch = Watch()
        graph = Linker(project, handlers=watch.handlers).run()
        analysis = conclude([Study(project, graph, tuple(sources))], Policy(unsafe=unsafe))
        return Run(by_path, project, graph, watch, analysis._replace(problems=problems))

    return deeply(watched)


def watched(study: Study, watch: Watch) -> Run:
    """Return the run of an analysis that was watched on its way."""
    by_path = {source.path: source for source in study.sources}
    analysis = deeply(lambda: conclude([study], Policy(unsafe=True)))
    return Run(by_path, study.project, study.base, watch, analysis)


def follow_wider(run: Run, site: Site) -> Run:
    """Follow what reaches a place, for longer, and also where nothing asks for a gradient."""
    modules = list(run.project.modules.values())
    project = Project(modules, run.project.imports, models=run.project.models)
    reaching = relevance.reaching(project.modules, project.find, site.path, run.function(site).name)
    productive = reaching | project.relevance.productive
    project.relevance = project.relevance._replace(roots=reaching, productive=productive)

    def watched() -> Run:
        watch = Watch()
        graph = Linker(project, handlers=watch.handlers, patience=_PATIENCE).run()
        return run._replace(project=project, graph=graph, watch=watch, wider=True)

    return deeply(watched)


def written(sources: dict[str, Source], span: Span) -> str:
    """Return the text of a span on one line, its white space collapsed."""
    source = sources.get(span.path)
    lines = source.shown() if source is not None else []
    chosen = lines[span.line - 1 : span.end_line]
    if not chosen:
        return ""
    if span.end_line <= len(lines):
        chosen[-1] = chosen[-1][: span.end_column]
    chosen[0] = chosen[0][span.column :]
    return " ".join("".join(chosen).split())


def covers(place: Place, line: int, column: int | None) -> bool:
    """Say whether a place begins on a line or, where a column is given, covers it."""
    if column is None:
        return place[0] == line
    return place[:2] <= (line, column) < place[2:]
