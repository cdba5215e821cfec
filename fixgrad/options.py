"""What a run is asked to do, and the policy that comes of it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from fixgrad.catalogue import selection
from fixgrad.errors import FixgradError
from fixgrad.findings import CONFIDENCES
from fixgrad.policy import Policy
from fixgrad.project import Glob, Surroundings, matcher
from fixgrad.source import Span

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from fixgrad.flow.machine import Handler
    from fixgrad.knowledge.models import Models

Globs: TypeAlias = "tuple[str | Glob, ...]"


class Options(NamedTuple):
    """What to look at and what to do about it."""

    paths: tuple[str, ...] = ()
    fix: bool = False  # write the repaired files
    diff: bool = False  # plan every patch, as --fix would, without writing
    unsafe: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: Globs = ()
    named_too: bool = True  # what is excluded is left out also where it is named
    roots: tuple[str, ...] = ()  # folders that imports begin in, as absolute places
    traceback: bool = False  # show where in fixgrad a bug struck
    gitignore: bool = True  # leave out what git ignores
    ignored_in: tuple[tuple[str | Glob, tuple[str, ...]], ...] = ()  # by files: rules
    fixable: tuple[str, ...] = ()
    unfixable: tuple[str, ...] = ()
    safer: tuple[str, ...] = ()  # rules whose unsafe repairs count as safe
    riskier: tuple[str, ...] = ()  # rules whose safe repairs count as unsafe
    least_confidence: str = CONFIDENCES[0]
    style: str = "auto"
    models: Mapping[str, tuple[dict[str, object], ...]] = {}  # by setting: what a user's calls do

    baseline: str | None = None  # the file of findings that are passed over
    write_baseline: bool = False
    evidence: str | None = None  # the file of what recorded runs showed
    since: str | None = None  # only what has to do with lines that changed since this revision
    # By folder: the options of settings files further down, for the files that are looked at.
    inner: Callable[[Sequence[str]], Mapping[str, Options]] = lambda paths: {}
    handlers: Mapping[str, Handler] | None = None  # of the machine, where somebody watches it
    edits_around: bool = False  # a repair may change files that were not given
    jobs: int = 1  # processes; 0: one a processor
    executor: Executor | None = None  # of the user's, where files are lowered by one
    cache: str | None = None  # the folder where answers of former runs are kept
    mark: str | None = None  # write comments that hide what is found, with this reason

    def known_calls(self) -> Models | None:
        """Return what the settings say of calls, None where they say nothing."""
        if not any(self.models.values()):
            return None
        from fixgrad.knowledge.models import rows_of  # noqa: PLC0415 - only where there are some

        models, problems = rows_of(self.models)
        if problems:
            raise FixgradError(problems[0])
        return models

    def words(self) -> tuple[str, ...]:
        """Return what the calls are called by which the settings say that tensors are made."""
        sources = (str(table.get("call", "")) for table in self.models.get("sources", ()))
        return tuple(sorted({call.rpartition(".")[2] for call in sources} - {""}))

    def surroundings(self, files: Collection[str]) -> Surroundings:
        """Return what stands around some files."""
        return Surroundings(files, self.paths, self.exclude, roots=self.roots)

    @property
    def writes(self) -> bool:
        """Whether files are changed."""
        return self.fix or (self.mark is not None and not self.diff)

    def policy(self, files: Sequence[str] = ()) -> Policy:
        """Return what these options want of findings; complain of a rule that there is not.

        For some of the `files`, settings further down say which rules hold and how a grant is written.
        """
        whole = self._policy()
        inner = self.inner(files)
        return _divided(whole, {f: o._policy() for f, o in inner.items()}) if inner else whole

    def _policy(self) -> Policy:
        return Policy(
            selected=selection(self.select, self.ignore),
            selects_all=(not self.ignore and not self.select) or self.select == ("ALL",),
            left_alone=_left_alone(self.ignored_in),
            fixable=selection(self.fixable, self.unfixable, said="--fixable"),
            unsafe=self.unsafe,
            safer=_among(self.safer, "--extend-safe-fixes"),
            riskier=_among(self.riskier, "--extend-unsafe-fixes"),
            least_confidence=self.least_confidence,
            style=lambda place: self.style,
        )


def _divided(whole: Policy, inner: Mapping[str, Policy]) -> Policy:
    """Return a policy that asks others for the files of their folders, the innermost first."""
    every = (whole, *inner.values())

    @functools.cache
    def at(path: str) -> Policy:
        folder = innermost(path, inner)
        return whole if folder is None else inner[folder]

    def left_alone(code: str, span: Span) -> bool:
        own = at(span.path)
        return not own.selected(code) or own.left_alone(code, span)

    return whole._replace(
        selected=lambda code: any(policy.selected(code) for policy in every),
        selects_all=all(policy.selects_all for policy in every),
        left_alone=left_alone,
        style=lambda span: at(span.path).style(span),
    )


def innermost(path: str, folders: Iterable[str]) -> str | None:
    """Return which of some folders, absolute and with forward slashes, holds a file most closely."""
    place = os.path.abspath(path).replace(os.sep, "/")
    around = (folder for folder in folders if place.startswith(f"{folder.rstrip('/')}/"))
    return max(around, key=len, default=None)


def _among(codes: Sequence[str], said: str) -> Callable[[str], bool]:
    return selection(codes, (), said=said) if codes else lambda code: False


def _left_alone(
    ignored_in: Sequence[tuple[str | Glob, tuple[str, ...]]],
) -> Callable[[str, Span], bool]:
    if not ignored_in:
        return lambda code, span: False
    tests = [
        (_matches(glob), selection(codes, (), said="--per-file-ignores"))
        for glob, codes in ignored_in
    ]

    @functools.cache
    def left_alone(code: str, path: str) -> bool:
        return any(ignores(code) and matches(path) for matches, ignores in tests)

    return lambda code, span: left_alone(code, span.path)


def _matches(glob: str | Glob) -> Callable[[str], bool]:
    text = glob.text if isinstance(glob, Glob) else glob
    if not text.startswith("!"):
        return matcher([glob])
    matches = matcher([glob._replace(text=text[1:]) if isinstance(glob, Glob) else text[1:]])
    return lambda path: not matches(path)
