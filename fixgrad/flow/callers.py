"""Calls functions and classes as callers may of whom nothing is known.

Such a caller gives what it likes, reads what it gets back, calls it where it is a function, and calls the methods of an
object in any order.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.flow import (
    budgets,
    calls,
    classes,
    containers,
    inner_classes,
    instances,
    liveness,
    parameters,
    setters,
    wrappers,
)
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.arrays import read_array
from fixgrad.flow.gradients import consume
from fixgrad.flow.graph import Where
from fixgrad.flow.ir import Function
from fixgrad.flow.machine import Frame, Machine
from fixgrad.flow.project import Project
from fixgrad.flow.state import State
from fixgrad.flow.tensors import log
from fixgrad.flow.tokens import asks
from fixgrad.flow.values import NOTHING, Code, Site, Thing, Value, of_kind, ordered

_CALLABLE = ("function", "partial", "instance")
_DEEPEST = 3  # functions and objects that come back from what came back


class UnknownCallers:
    """What unknown callers do with what a project defines."""

    def __init__(
        self, machine: Machine, project: Project, lasting: State, patience: int = 1
    ) -> None:
        self.machine = machine
        self.patience = patience  # how many times as long as an analysis can afford
        self.project = project
        self.lasting = lasting  # what is there once the files are imported
        self.beforehand: set[Where] = set()  # what was run before the roots
        self._inside: dict[Thing, Thing] = {}  # wrapper -> the function that it was put around
        self._sizes: dict[Where, int] = {}  # operations of a function with those in it
        self._asking: set[Where] = set()  # functions that ask for gradients, or those in them do
        self._depth = 0

    def defined(self, path: str) -> list[Thing]:
        """Return the functions and classes that a module defines, in order."""
        found: dict[Thing, None] = {}
        for name, thing in self.held(path):
            for each in (thing, *self._classes_in(thing)):
                if self.is_defined(each, name) and self.where(each)[0] == path:
                    found[each] = None
        return sorted(found, key=lambda thing: self.where(thing)[1])

    def is_defined(self, thing: Thing, name: str) -> bool:
        """Say whether what a name holds is a class, a function, or what a decorator made of one."""
        if thing.kind in _CALLABLE:
            inner = wrappers.inside(self.lasting, thing, name)
            if inner is not thing:
                self._inside[thing] = inner
        return thing.kind in ("function", "class") or thing in self._inside

    def _classes_in(self, thing: Thing) -> Iterator[Thing]:
        """Yield the classes that stand in a class."""
        if thing.kind == "class":
            for name in sorted(self.lasting.get((thing, "#fields"), frozenset())):
                for inner in of_kind(self.lasting.get((thing, name), NOTHING), "class"):
                    if inner.data.function.name == f"{thing.data.function.name}.{name}":
                        yield inner
                        yield from self._classes_in(inner)

    def held(self, path: str) -> Iterator[tuple[str, Thing]]:
        """Yield what the variables of a file hold."""
        owner = self.machine.module_thing(path)
        for name in sorted(self.machine.named_in.get(owner, ())):
            for thing in ordered(self.lasting.get((owner, name), NOTHING)):
                yield name, thing

    def mentions_data(self, thing: Thing) -> bool:
        """Say whether a function names variables of its file that hold tensors or what may hold some."""
        code = self.code(thing)
        owner = self.machine.module_thing(code.module.path)
        held = (self.lasting.get((owner, name), NOTHING) for name in code.function.tokens)
        return any(of_kind(value, "tensor", "instance", *containers.CONTAINERS) for value in held)

    def code(self, thing: Thing) -> Code:
        """Return the code of a function or class; a wrapper stands for what is inside."""
        code: Code = self._inside.get(thing, thing).data
        return code

    def where(self, thing: Thing) -> Where:
        """Return where that code is written."""
        code = self.code(thing)
        return code.module.path, code.function.place

    def visit(self, root: Where) -> None:
        """Begin to note what is entered below a root."""
        self.machine.visited = self.machine.graph.visits.setdefault(root, {root})

    def run(self, frame: Frame, thing: Thing, state: State) -> None:
        """Call a function, or the methods of a class."""
        if thing.kind == "class":
            self._run_class(frame, thing, state)
            return
        self.machine.budget = self.budget(thing)
        function = self._signature(thing)
        result = self._call(frame, state, frozenset((thing,)), function)
        self._finish(frame, state, result)

    def _signature(self, thing: Thing) -> Function:
        inner = self.code(thing).function
        return wrappers.signature(thing.data.function, inner) if thing.kind == "function" else inner

    def budget(self, thing: Thing, least: int = 4_000) -> int:
        """Return how many operations a root may execute: in proportion to its size."""
        functions = setters.functions_of(thing)
        if not functions:
            return 0
        code = self.code(functions[0])
        name = code.function.name
        where = (code.module.path, code.function.place)
        if where not in self._sizes:
            inside = [
                f for f in code.module.functions if f.name == name or f.name.startswith(f"{name}.")
            ]
            self._sizes[where] = sum(f.size for f in inside)
            own = [code.function] if code.function.kind == "class" else inside
            if any(asks(code.module, f) for f in own):
                self._asking.add(where)
        asking, executed = where in self._asking, self.machine.executed
        return self.patience * budgets.of_root(self._sizes[where], least, asking, executed)

    def _finish(self, frame: Frame, state: State, result: Value) -> None:
        """Use a result: read its gradients, call its functions, and the methods of its objects."""
        state.dead = False
        consume(self.machine, frame, state, result, frame.statement)
        for thing in containers.reachable(state, [result]):
            if thing.kind == "tensor":
                log(self.machine, frame, state, "shown", thing, frame.statement)
        for thing in of_kind(result, "array", "opaque"):
            read_array(self.machine, frame, state, thing, frame.statement)
        if self._depth == _DEEPEST:
            return
        self._depth += 1
        for thing in of_kind(result, "function"):
            if (thing.data.module.path, thing.data.function.place) not in self.machine.entered:
                again = self._call(frame, state, frozenset((thing,)), thing.data.function)
                self._finish(frame, state, again)
        of_objects = (thing.data for thing in of_kind(result, "instance"))
        for cls in dict.fromkeys((*of_kind(result, "class"), *of_objects)):
            if "." in cls.data.function.name:  # of a function; others are roots themselves
                self._run_class(frame, cls, state)
        self._depth -= 1

    def _call(self, frame: Frame, state: State, callee: Value, function: Function) -> Value:
        given = parameters.arguments(self.machine, frame, state, function, 0)
        call = Call(function.place, given)
        self._mark_root(frame, call)
        return calls.apply(self.machine, frame, state, call, callee)

    def _mark_root(self, frame: Frame, call: Call) -> None:
        self.machine.graph.roots.add(Site(frame.module.path, call.place))

    def methods(self, state: State, cls: Thing) -> list[Thing]:
        """Return the methods that a class defines itself."""
        found: list[Thing] = []
        for name in sorted(state.get((cls, "#fields"), frozenset())):
            for thing in ordered(state.get((cls, name), NOTHING)):
                if thing.kind in ("function", "wrapped"):
                    found.append(thing)
                    for function in setters.functions_of(thing):
                        self.is_defined(function, name)
                    found += of_kind(state.get((thing, "#setter"), NOTHING), "function")
        return found

    def _run_class(self, frame: Frame, cls: Thing, state: State) -> None:
        methods = self.methods(state, cls)
        fresh = [t for t in methods if self.not_entered(t) and self._matters(t)]
        if not fresh:
            return
        self.machine.budget = self.budget(cls)
        made = [t for t in self.machine.instances_of(cls) if state.get((t, "#fields"))]
        me: Value = frozenset(made)
        if not made:
            init, _ = classes.lookup_class(state, cls, "__init__")
            function = next((t.data.function for t in of_kind(init, "function")), None)
            given = (
                parameters.arguments(self.machine, frame, state, function, 1)
                if function is not None
                else ()
            )
            call = Call(cls.data.function.place, given)
            self._mark_root(frame, call)
            me = instances.instantiate(self.machine, frame, state, call, cls)
            state.dead = False
        named = cls in self.machine.graph.read_by_name
        aside = made and not named and classes.is_all_ours(cls)
        self.machine.tried_since = self.machine.graph.tick() if aside else 0
        self._call_methods(frame, state, me, fresh)
        self.machine.tried_since = 0

    def places(self, method: Thing) -> list[Where]:
        """Return where the functions of a method are written."""
        return [self.where(function) for function in setters.functions_of(method)]

    def _matters(self, method: Thing) -> bool:
        functions = setters.functions_of(method)
        return not self.project.relevance.methods.isdisjoint(self.places(method)) and any(
            inner_classes.matters(self.code(function)) for function in functions
        )

    def not_entered(self, method: Thing) -> bool:
        """Say whether nothing but these callers has called a method."""
        places, entered = self.places(method), self.machine.entered
        return any(where not in entered or where in self.beforehand for where in places)

    def _call_methods(self, frame: Frame, state: State, me: Value, methods: list[Thing]) -> None:
        """Call the methods one after the other; once more those that may see what others stored."""
        called: set[Thing] = set()
        methods = [t for t in methods if t.name.rpartition(".")[2] != "__init__"]
        for _ in range(2):
            stored = False
            for method in methods:
                if method not in called and not self.not_entered(method):
                    continue  # another method calls it
                called.add(method)
                self.machine.budget = self.budget(method, 1_000)
                after = state.path()
                for instance in ordered(me):
                    self.call_method(frame, after, instance, method)
                changes = liveness.without_memory(after.changes(), state)
                after.undo()
                stored |= any(owner in me for owner, _ in changes)
                state.merge([{}, changes])
            if not stored:
                break

    def call_method(self, frame: Frame, state: State, instance: Thing, method: Thing) -> None:
        """Call a method of an object."""
        functions = setters.functions_of(method)
        if not functions:
            return
        function = self._signature(functions[0])
        skip = 0 if method.kind == "wrapped" and method.name == "staticmethod" else 1
        bound = Argument(frozenset((instance,)), frame.statement)
        self.machine.conditions.hand_out(bound.value, self.machine.executed)
        given = parameters.arguments(self.machine, frame, state, function, skip, instance)
        call = Call(function.place, (bound, *given) if skip else given)
        self._mark_root(frame, call)
        result = calls.apply(self.machine, frame, state, call, frozenset(functions))
        self._finish(frame, state, result)
