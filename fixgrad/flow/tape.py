"""A run of which every step is kept: what each operation was given and what it gave.

The machine's handlers are wrapped; what they do is not changed, so a taped run is the run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from fixgrad.flow.graph import FlowGraph, Where
from fixgrad.flow.ir import Function, Op
from fixgrad.flow.link import HANDLERS, Linker
from fixgrad.flow.machine import Frame, Handler, Machine
from fixgrad.flow.project import Project
from fixgrad.flow.state import State
from fixgrad.flow.tensors import dtype
from fixgrad.flow.values import NOTHING, Path, Site, Thing, Value

_UNKEPT = ("const", "function", "class", "import")
_DEEPEST = 4  # containers inside containers


class Step(NamedTuple):
    """One operation under one chain of calls, all its visits taken together."""

    op: Op
    site: Site
    path: Path
    function: Function
    args: tuple[Value, ...]
    held: tuple[Value, ...]  # by argument: what is inside where it is a container
    out: Value


class Tape:
    """The steps of a run over some roots of a project."""

    def __init__(self, project: Project, roots: frozenset[Where]) -> None:
        self._steps: dict[tuple[object, ...], Step] = {}
        self.dtypes: dict[Thing, str] = {}
        self.sharing: dict[Thing, set[Thing]] = defaultdict(set)  # what is on the same memory
        self.stored: dict[Thing, list[Step]] = defaultdict(list)  # the variables it is given to
        handlers = {
            kind: handler if kind in _UNKEPT else self._kept(handler)
            for kind, handler in HANDLERS.items()
        }
        self.graph: FlowGraph = Linker(project, handlers=handlers).run(roots)
        self.at: dict[Site, list[Step]] = defaultdict(list)
        self.given: dict[Thing, list[Step]] = defaultdict(list)  # the steps that are given a thing
        self.holding: dict[Thing, list[Step]] = defaultdict(list)  # or a container with it
        for step in self._steps.values():
            self.at[step.site].append(step)
            if step.op.kind in ("store", "setattr", "setindex", "pack", "collect"):
                for thing in NOTHING.union(*step.args[-1:]):
                    self.stored[thing].append(step)
            for table, values in ((self.given, step.args), (self.holding, step.held)):
                for thing in frozenset[Thing]().union(*values):
                    table[thing].append(step)

    def _kept(self, handler: Handler) -> Handler:
        def kept(m: Machine, f: Frame, op: Op, state: State) -> None:
            args = tuple(f.values(op))
            handler(m, f, op, state)
            out = f.registers[op.out] if op.out >= 0 else NOTHING
            held = tuple(_held(state, value, 0) for value in args)
            site = Site(f.module.path, op.place)
            for thing in frozenset[Thing]().union(out, *args, *held):
                if thing.kind in ("array", "tensor"):
                    self.dtypes[thing] = dtype(state, thing)
                    for other in state.get((thing, "#storage"), ()):
                        self.sharing[thing].add(other)
                        self.sharing[other].add(thing)
            key = (site, op.kind, op.target, op.out, f.path)
            known = self._steps.get(key)
            if known is not None:
                args, held = _joined(known.args, args), _joined(known.held, held)
                out |= known.out
            self._steps[key] = Step(op, site, f.path, f.function, args, held, out)

        return kept


def _joined(one: Iterable[Value], other: Iterable[Value]) -> tuple[Value, ...]:
    return tuple(a | b for a, b in zip(one, other, strict=True))


def _held(state: State, value: Value, depth: int) -> Value:
    """Return what is inside containers."""
    found = NOTHING
    for thing in value:
        if thing.kind in ("list", "tuple", "dict") and depth < _DEEPEST:
            inner = frozenset(state.get((thing, "[*]"), NOTHING))
            found |= inner | _held(state, inner, depth + 1)
    return found
