"""Rules that say who needs a gradient: a query on the flow graph each, one small file each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.uses import Use
from fixgrad.flow.values import Thing

LEAF = "leaf"  # the tensor itself must be a tracked leaf
TRACKED = "tracked"  # a tracked tensor will do, leaf or not
ROOT = "root"  # something upstream must be tracked


class Demand(NamedTuple):
    """A gradient asked of a tensor that provably has none."""

    rule: str  # "FG101"
    thing: Thing
    need: str
    use: Use
    what: str  # "`.grad` is read": what the message says


def untracked(graph: FlowGraph, kind: str, rule: str, need: str, what: str) -> Iterator[Demand]:
    """Yield a demand for each use of a tensor that nothing on any path tracks."""
    for use in graph.of_kind(kind):
        if use.tracked == "no" and use.thing.kind == "tensor" and use.mode != "unreachable":
            yield Demand(rule, use.thing, need, use, what.format(use.detail.rpartition(".")[2]))
