"""Findings and edits are for the files that were given; others of their project are only looked at."""

from __future__ import annotations

from collections.abc import Iterable

from fixgrad.edits import Operation
from fixgrad.flow.library import is_library
from fixgrad.flow.project import Project
from fixgrad.flow.values import Site
from fixgrad.hazards import span
from fixgrad.repair.targets import Target
from fixgrad.source import Span

OUTSIDE = "FG911"


def outside(project: Project, operations: Iterable[Operation]) -> tuple[str, str] | None:
    """Return the refusal of edits that would change a file which was not given."""
    for operation in operations:
        path = operation.span.path
        if is_library(path):
            return "FG910", "a call of Python's library would raise on a tensor that requires grad"
        if not project.may_edit(path):
            line = operation.span.line
            if path in project.generated:
                return OUTSIDE, f"the repair edits {path} too, at line {line}, which is generated"
            return OUTSIDE, f"the repair edits {path} too, at line {line}; name that file as well"
    return None


def is_ours(project: Project, target: Target, operations: Iterable[Operation]) -> bool:
    """Say whether a finding is about the given files.

    The tensor is made there, or granted there, or made for a call there and asked for there.
    """
    edited = [project.is_given(operation.span.path) for operation in operations]
    if project.given is None or any(edited):
        return True
    made = [site.path for site in (target.origin.site, target.thing.site) if site is not None]
    if any(map(project.is_given, made)):
        return True
    called = any(project.is_given(call.path) for call in target.thing.path)
    return called and any(project.is_given(demand.use.site.path) for demand in target.demands)


def said_at(project: Project, target: Target) -> Span:
    """Return where a finding is shown: at the call, where the tensor is made in a file not given."""
    made = target.thing.site
    where = target.origin.site or Site("", (1, 0, 1, 0))
    if target.rule == "FG203" and made is not None:
        where = made
    if not project.is_given(where.path):
        calls = [*target.thing.path, *([made] if made is not None else [])]
        where = next((site for site in reversed(calls) if project.is_given(site.path)), where)
    return span(where)
