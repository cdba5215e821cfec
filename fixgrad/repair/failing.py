"""Backward passes that raise once a tensor is tracked, and why: no edit of ours mends them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.hazards import line_of
from fixgrad.repair.satisfied import made_line


class Failing(NamedTuple):
    """A use at which a backward pass raises, the code of the refusal, and its reason."""

    use: Use
    code: str
    reason: str


def failing(graph: FlowGraph, base: FlowGraph) -> Iterator[Failing]:
    """Yield what raises in a run, and does not in the program as it is."""
    kinds = ("twice", "modified", "underivable")
    before = {(u.kind, u.site, u.path) for u in base.of_kind(*kinds)}
    for use in graph.of_kind(*kinds):
        if (use.kind, use.site, use.path) not in before:
            yield Failing(use, *_told(use, of_earlier_turns=use.thing in graph.of_earlier_turns))


def _told(use: Use, *, of_earlier_turns: bool) -> tuple[str, str]:
    line = line_of(use.site)
    if use.kind == "twice" and of_earlier_turns:
        return (
            "FG903",
            f"{made_line(use.thing)} is computed of results of earlier turns too, which {line} differentiates again",
        )
    if use.kind == "twice":
        return (
            "FG903",
            f"{made_line(use.thing)} is computed once and differentiated again at {line}",
        )
    if use.kind == "underivable":
        return "FG910", f"{made_line(use.thing)} has no derivative, and {line} differentiates it"
    code = "FG910" if use.detail == "yes" else "FG909"
    return code, f"a tensor that autograd still needs is changed in place before {line}"
