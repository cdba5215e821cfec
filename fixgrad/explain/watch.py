"""Watches a run: what each operation was given and gave, beside what the rules ask about.

The machine's handlers are wrapped; what they do is not changed, so a watched run is the run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fixgrad.flow import containers
from fixgrad.flow.graph import Where
from fixgrad.flow.ir import Op, Place
from fixgrad.flow.link import HANDLERS
from fixgrad.flow.machine import Frame, Handler, Machine
from fixgrad.flow.state import State
from fixgrad.flow.tensors import dtype, identity, leaf, tracked
from fixgrad.flow.values import NOTHING, Path, Site, Thing, Value, ordered

_GIVEN = ("call", "method", "return", "yield", "setattr", "setindex", "pack", "collect")
_TAKEN = ("binary", "inplace", "unary", "compare", "format", "index", "branch", "attr", "loop")
_MOST_CALLEES = 4


class Callee(NamedTuple):
    """What may be called at a place."""

    kind: str  # "function", "class", "external", "module", "instance", "opaque", ...
    name: str  # "torch.nn.functional.mse_loss", "Net", "parameter model"


class Touch(NamedTuple):
    """One operation that was given a tensor, or something that holds it."""

    thing: Thing
    kind: str  # of the operation
    target: str  # the method, attribute or operator
    site: Site
    statement: Site
    path: Path
    role: str  # "receiver", "argument 1", "argument target", "value"
    written: Place  # where what is given is written
    callee: Place | None  # where what is called is written
    callees: tuple[Callee, ...]
    held: bool  # inside a container or an object
    entered: bool  # a function of the project was followed from here
    goes_on: bool  # the result holds it, or is computed from it
    assumed: bool  # the result is of code that is not known: it may hold it


class Facts(NamedTuple):
    """What was last known of a tensor."""

    tracked: str
    leaf: str
    dtype: str


class Watch:
    """Takes notes while a machine runs."""

    def __init__(self) -> None:
        self.touches: dict[tuple[object, ...], Touch] = {}
        self.facts: dict[Thing, Facts] = {}
        self.reads: set[tuple[str, Thing]] = set()  # (attribute, what was found there)
        self.executed: set[Site] = set()
        self.callees: dict[Site, tuple[Callee, ...]] = {}
        self.exhausted: set[Site] = set()  # calls met when the budget was used up
        self.tired: list[set[Where]] = []  # what was entered below such roots
        self.handlers: dict[str, Handler] = {
            kind: self._watched(handler) for kind, handler in HANDLERS.items()
        }

    def _watched(self, handler: Handler) -> Handler:
        def watched(m: Machine, f: Frame, op: Op, state: State) -> None:
            site = Site(f.module.path, op.place)
            self.executed.add(site)
            if op.kind in ("call", "method"):
                self.callees[site] = _callees(f, op)
                if m.budget < 0:
                    self.exhausted.add(site)
                    if not any(visited is m.visited for visited in self.tired):
                        self.tired.append(m.visited)
            handler(m, f, op, state)
            if op.kind in _GIVEN or op.kind in _TAKEN:
                self._note(m, f, op, state)

        return watched

    def _note(self, m: Machine, f: Frame, op: Op, state: State) -> None:
        result = f.registers[op.out] if op.out >= 0 else NOTHING
        for thing in result:
            if thing.kind == "tensor":
                self._remember(state, thing)
        if op.kind == "attr":
            plain = frozenset(t for t in result if t.kind != "instance")
            self.reads.update((op.target, t) for t in containers.reachable(state, [plain]))
        given = _given(f, op, state)
        if not given:
            return
        after = containers.reachable(state, [result])
        entered = (Site(f.module.path, op.place), f.path) in m.graph.calls
        for role, written, thing, held in given:
            me = identity(thing)
            self._remember(state, me)
            results = [other for other in after if _comes_from(m, other, me)]
            callee = f.place_of(op.args[0]) if op.kind in ("call", "method") else None
            touch = Touch(
                me, op.kind, op.target, Site(f.module.path, op.place),
                Site(f.module.path, f.statement), f.path, role, written, callee,
                self.callees.get(Site(f.module.path, op.place), ()), held, entered, bool(results),
                bool(results) and all(r.kind == "opaque" and r is not me for r in results),
            )  # fmt: skip
            self.touches[me, op.kind, touch.site, f.path, role] = touch

    def _remember(self, state: State, thing: Thing) -> None:
        if thing.kind == "tensor":
            facts = Facts(tracked(state, thing), leaf(state, thing), dtype(state, thing))
            self.facts[identity(thing)] = facts


def _given(f: Frame, op: Op, state: State) -> Iterable[tuple[str, Place, Thing, bool]]:
    """Return the tensors an operation is given: its role, its place, itself, whether it is held."""
    found: list[tuple[str, Place, Thing, bool]] = []
    for number, register in enumerate(op.args):
        value = f.registers[register]
        name = op.names[number] if number < len(op.names) else ""
        role = _role(op, number, name)
        whole = op.kind in ("call", "method", "return", "yield", "setattr") and role != "receiver"
        direct = {identity(t) for t in value if t.kind in ("tensor", "opaque")}
        inside = containers.reachable(state, [value]) if whole else ordered(direct)
        found += [
            (role, f.place_of(register), thing, thing not in direct)
            for thing in inside
            if thing.kind == "tensor" or (thing.kind == "opaque" and state.get((thing, "#inputs")))
        ]
    return found


def _role(op: Op, number: int, name: str) -> str:
    if op.kind in ("call", "method"):
        return "receiver" if number == 0 else f"argument {name or number}"
    if op.kind in ("attr", "setattr", "index", "setindex") and number == 0:
        return "receiver"
    if op.kind == "setindex" and number == 1:
        return "index"
    return "value"


def _comes_from(m: Machine, thing: Thing, source: Thing) -> bool:
    graph = m.graph
    thing = graph.identity(thing)
    sources = (graph.carried.get(thing, ()), graph.cut.get(thing, ()))
    return thing is source or any(source in of for of in sources)


def _callees(f: Frame, op: Op) -> tuple[Callee, ...]:
    things = ordered(f.registers[op.args[0]])[:_MOST_CALLEES]
    found = [_callee(thing, op.target) for thing in things]
    return tuple(dict.fromkeys(found))


def _callee(thing: Thing, method: str) -> Callee:
    name = thing.name
    if thing.kind == "method":
        owner = thing.data[1] if isinstance(thing.data, tuple) else thing.data
        inner = owner.name if isinstance(owner, Thing) else ""
        name = inner if isinstance(thing.data, tuple) else f"{inner}.{name}"
    elif thing.kind == "wrapped":
        name = next((t.name for t in _things(thing.data)), name)
    return Callee(thing.kind, f"{name}.{method}" if method else name)


def _things(data: object) -> Value:
    return data if isinstance(data, frozenset) else NOTHING
