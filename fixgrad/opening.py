"""Which files a run is about, and what stands in them."""

from __future__ import annotations

from typing import NamedTuple

from fixgrad import project, write
from fixgrad.baseline import Baseline
from fixgrad.options import Options, innermost
from fixgrad.passed_over import PassedOver
from fixgrad.project.changes import changed_lines
from fixgrad.source import Problem, Source


class Opened(NamedTuple):
    """The files of a run as they were read, and what is to be known of them."""

    files: tuple[str, ...]
    sources: tuple[Source, ...]
    around: project.Surroundings
    passed_over: PassedOver
    problems: tuple[Problem, ...]


class Looked(NamedTuple):
    """What a run is about, before anything is read."""

    files: tuple[str, ...]
    around: project.Surroundings
    interrupted: tuple[Problem, ...]


def look(options: Options) -> Looked:
    """Find the files that the options name."""
    files = find_files(options)
    interrupted = _take_back_interrupted(options)
    around = options.surroundings(files)
    return Looked(files, around, interrupted)


def opened(options: Options, known: Baseline | None = None, looked: Looked | None = None) -> Opened:
    """Find and read the files that the options name."""
    files, around, interrupted = looked or look(options)
    changed = None if options.since is None else changed_lines(options.since, files)
    sources, unreadable = project.read_all(
        files, leads_to_torch=around.leads_to_torch, words=options.words()
    )
    passed_over = PassedOver(None if options.write_baseline else known, changed)
    problems = (*interrupted, *unreadable)
    return Opened(files, tuple(sources), around, passed_over, problems)


def find_files(options: Options) -> tuple[str, ...]:
    """Return the files that the options name, less those that settings further down leave out."""
    found = project.find_files(
        options.paths,
        exclude=options.exclude,
        gitignore=options.gitignore,
        named_too=options.named_too,
    )
    leaves_out = {
        folder: project.matcher(inner.exclude) for folder, inner in options.inner(found).items()
    }

    def excluded(path: str) -> bool:
        folder = innermost(path, leaves_out)
        named = not options.named_too and path in options.paths
        return folder is not None and not named and leaves_out[folder](path)

    return tuple(path for path in found if not excluded(path)) if leaves_out else found


def _take_back_interrupted(options: Options) -> tuple[Problem, ...]:
    if options.writes:
        return write.recover(options.paths)
    return tuple(
        Problem(path, 0, 0, "half repaired by an interrupted `fixgrad --fix`; run that again")
        for path in write.interrupted(options.paths)
    )
