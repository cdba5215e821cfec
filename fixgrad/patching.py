"""From repairs to patches: those that go together, each whole or not at all, and checked.

A bug of ours on the way becomes a `Problem`; the other files go on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import NamedTuple, TypeVar

from fixgrad.edits import Edit, Operation, Patch
from fixgrad.errors import FixgradError
from fixgrad.findings import Refusal, Repair
from fixgrad.source import Problem, Source

UNPLACEABLE = "FG908"
_BUG = "fixgrad has a bug"
_PLEASE_REPORT = "please report it to fixgrad with the file, and with what `fixgrad -v` says"

_Result = TypeVar("_Result")


class Plan(NamedTuple):
    """The repairs that go together, the patches they make, and those that were left out."""

    repairs: tuple[Repair, ...] = ()
    patches: tuple[tuple[Source, Patch], ...] = ()
    refusals: tuple[Refusal, ...] = ()
    problems: tuple[Problem, ...] = ()


def plan_patches(sources: Sequence[Source], wanted: list[Repair], traceback: bool) -> Plan:
    """Return what is to be written: the repairs that go together, each whole or not at all."""
    by_path = {source.path: source for source in sources}
    wanted = sorted(wanted, key=lambda repair: -repair.applicability)  # a safe one wins
    plan = _fitting(by_path, wanted, traceback)
    while broken := _broken(plan.patches, traceback):
        places = {problem.path for problem in broken}
        rest = [repair for repair in plan.repairs if places.isdisjoint(_paths(repair))]
        problems = (*plan.problems, *broken)
        plan = _fitting(by_path, rest, traceback)._replace(problems=problems)
    return plan


def _fitting(sources: Mapping[str, Source], repairs: list[Repair], traceback: bool) -> Plan:
    """Rewrite with all repairs at once or, where they collide, with one after the other."""
    patches = rewritten(sources, repairs, traceback)
    if isinstance(patches, dict):
        return Plan(tuple(repairs), _paired(sources, patches))
    kept: list[Repair] = []
    refusals: list[Refusal] = []
    problems: list[Problem] = []
    patches = {}
    for repair in repairs:
        near = [other for other in kept if not _paths(repair).isdisjoint(_paths(other))]
        attempt = rewritten(sources, [*near, repair], traceback, only=_paths(repair))
        if isinstance(attempt, Problem):
            problems.append(attempt)
        elif isinstance(attempt, str):
            refusals.append(Refusal(repair.finding, UNPLACEABLE, attempt))
        else:
            kept.append(repair)
            patches.update(attempt)
    return Plan(tuple(kept), _paired(sources, patches), tuple(refusals), tuple(problems))


def rewritten(
    sources: Mapping[str, Source],
    repairs: Sequence[Repair],
    traceback: bool,
    *,
    only: Set[str] | None = None,
) -> dict[str, Patch] | str | Problem:
    """Return the patch of each file, the reason why an edit has no place, or our bug."""
    operations: dict[str, dict[Operation, None]] = {}
    for repair in repairs:
        for operation in repair.operations:
            if only is None or operation.span.path in only:
                operations.setdefault(operation.span.path, {})[operation] = None
    if not operations:
        return {}
    from fixgrad.rewrite import RewriteRefused, rewrite  # noqa: PLC0415  (it loads libcst)

    def attempt() -> dict[str, Patch] | str:
        try:
            return {path: rewrite(sources[path], _ordered(operations[path])) for path in operations}
        except RewriteRefused as refused:
            return str(refused)

    return guarded("rewriting", min(operations), attempt, traceback)


def _ordered(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Put first what takes a keyword out: one repair may do so and another one give it anew."""
    return tuple(sorted(operations, key=lambda operation: operation.kind != "drop-keyword"))


def _broken(patches: Iterable[tuple[Source, Patch]], traceback: bool) -> list[Problem]:
    """Return which patches change more than they say; they are never written."""
    problems: list[Problem] = []
    for source, patch in patches:
        from fixgrad.rewrite.check import check  # noqa: PLC0415  (comes with libcst)

        attempt = functools.partial(check, source.text, patch)
        if source.notebook:
            attempt = functools.partial(_check_notebook, source, patch)
        wrong = guarded("the check of the new text", source.path, attempt, traceback)
        if isinstance(wrong, Problem):
            problems.append(wrong)
        elif wrong is not None:
            said = f"{wrong}; the file is left as it is"
            problems.append(bug(source.path, said, told(patch.edits)))
    return problems


def _check_notebook(source: Source, patch: Patch) -> str | None:
    from fixgrad.rewrite.check import check  # noqa: PLC0415
    from fixgrad.rewrite.notebooks import check_file  # noqa: PLC0415

    return check(source.text, patch) or check_file(source, patch)


def as_read(sources: Mapping[str, Source], patches: Mapping[str, Patch]) -> list[Patch]:
    if not any(sources[path].notebook for path in patches):
        return list(patches.values())
    from fixgrad.rewrite.notebooks import as_read  # noqa: PLC0415  (few files need it)

    return [part for path, patch in patches.items() for part in as_read(sources[path], patch)]


def edits_in_files(sources: Mapping[str, Source], patches: Mapping[str, Patch]) -> tuple[Edit, ...]:
    """Return the edits of patches in the lines of the files, where these are not those of the code."""
    if not any(sources[path].notebook for path in patches):
        return ()
    from fixgrad.rewrite.notebooks import file_patch  # noqa: PLC0415  (few files need it)

    made = (file_patch(sources[path], patch) for path, patch in patches.items())
    return tuple(edit for patch in made for edit in patch.edits)


def mini_diff(patches: Sequence[Patch]) -> str:
    from fixgrad.rewrite.diff import unified  # noqa: PLC0415  (comes with libcst)

    diffs = [unified(patch) for patch in patches]
    return diffs[0][diffs[0].find("\n@@ ") + 1 :] if len(diffs) == 1 else "".join(diffs)


def guarded(
    stage: str, path: str, attempt: Callable[[], _Result], traceback: bool
) -> _Result | Problem:
    """Run a stage; a bug of ours in it becomes a problem, and the other files go on."""
    try:
        return attempt()
    except FixgradError:
        raise
    except Exception as error:
        from traceback import format_exc  # noqa: PLC0415  (there should be nothing to format)

        details = format_exc()
        said = f"{stage} failed ({type(error).__name__}: {error})"
        return bug(path, f"{said}\n{details}" if traceback else said, details)


def bug(path: str, said: str, details: str = "") -> Problem:
    """Return a problem that is ours."""
    return Problem(path, 0, 0, f"{_BUG}: {said}; {_PLEASE_REPORT}", details)


def told(edits: Iterable[Edit]) -> str:
    """Return edits as lines of text."""
    return "\n".join(
        f"{edit.span} to {edit.span.end_line}:{edit.span.end_column + 1}: {edit.text!r}"
        for edit in edits
    )


def is_bug(problem: Problem) -> bool:
    """Say whether a problem is ours, not one of the user's file."""
    return problem.message.startswith(_BUG)


def _paths(repair: Repair) -> set[str]:
    return {operation.span.path for operation in repair.operations}


def _paired(
    sources: Mapping[str, Source], patches: Mapping[str, Patch]
) -> tuple[tuple[Source, Patch], ...]:
    return tuple((sources[path], patches[path]) for path in sorted(patches))
