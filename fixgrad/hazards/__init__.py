"""Rules about broken grants, and about lines that break once a tensor is tracked.

Each rule says which uses of a run are wrong and which operations mend them; the same query finds what is
broken in the program as it is and what a plan would break.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fixgrad.edits import Operation
from fixgrad.findings import Applicability, Step
from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.library import is_library
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Site, Thing
from fixgrad.source import Span


class Hazard(NamedTuple):
    """A use that is wrong, and what mends it."""

    rule: str
    use: Use
    what: str  # "`.numpy()` raises on a tensor that requires grad"
    operations: tuple[Operation, ...] = ()
    applicability: Applicability = Applicability.SAFE
    refusal: str = ""  # the code of the reason why nothing mends it
    wants_leaf: Thing | None = None  # a tensor that must become a leaf as well
    reason: str = ""  # why nothing mends it, where `what` does not say so
    trace: tuple[Step, ...] = ()
    asking: Use | None = None  # of a gradient that is lost: who asks for it


def span(site: Site) -> Span:
    """Return a site as a span of the source."""
    return Span(site.path, *site.place)


def line_of(site: Site | None) -> str:
    """Return a site as a message names it, "line 7 of train.py"; its own file goes without saying."""
    if site is not None and is_library(site.path):
        return "in Python's library"
    return f"line {site.place[0]} of {site.path}" if site is not None else "line 0"


def seen_from(path: str, text: str) -> str:
    """Return a message for a reader of one file, which it need not name."""
    return re.sub(rf"(line \d+(?: of cell \d+)?) of {re.escape(path)}(?!\S)", r"\1", text)


def born_of_numpy(graph: FlowGraph, thing: Thing) -> bool:
    """Say whether a tensor comes from conversions only."""
    return graph.origins(thing) is not None
