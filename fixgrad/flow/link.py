"""Runs a whole project: module bodies in the order of their imports, then what nothing has called.

A function that no code of the project calls is entered with unknown arguments; a class that nothing
constructs is constructed, and its methods called in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fixgrad.edits import Operation
from fixgrad.flow import access, arithmetic, calls, containers, control, relevance
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.arrays import new_array
from fixgrad.flow.gradients import consume
from fixgrad.flow.ir import Function, Module
from fixgrad.flow.machine import Frame, Handler, Machine
from fixgrad.flow.overlay import execute_planned
from fixgrad.flow.state import State
from fixgrad.flow.uses import Use
from fixgrad.flow.values import NOTHING, UNKNOWN, Code, Path, Site, Thing, Value, of_kind, ordered

BUDGET = 150_000  # operations executed from one root

HANDLERS: dict[str, Handler] = {
    **control.HANDLERS,
    "const": lambda m, f, op, s: f.registers.__setitem__(op.out, calls.constant(op.constant)),
    "load": access.load,
    "store": access.store,
    "delete": access.delete,
    "attr": access.get_attribute,
    "setattr": access.set_attribute,
    "index": access.get_item,
    "setindex": access.set_item,
    "item": access.part,
    "pack": containers.pack,
    "collect": containers.collect,
    "binary": arithmetic.binary,
    "inplace": arithmetic.inplace,
    "unary": arithmetic.unary,
    "compare": arithmetic.compare,
    "format": arithmetic.formatted,
    "call": calls.execute_call,
    "method": calls.execute_method,
    "overlay": execute_planned,
}


class Run(NamedTuple):
    """What a run over the project recorded."""

    uses: tuple[Use, ...]
    state: State  # at the end of the root that recorded them, see `Machine`
    machine: Machine


class Project:
    """The lowered modules of a project and how its imports find them."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self.modules = {m.path: m for m in sorted(modules, key=lambda m: m.path)}
        self.relevant = relevance.relevant_functions(self.modules.values())
        self._names: dict[str, str] = {}
        for path in self.modules:
            name = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            self._names.setdefault(name, path)

    def find(self, importer: str, name: str) -> str | None:
        """Return the file that an import in another file means, or None where it is not ours."""
        package = importer.removesuffix(".py").split("/")
        if name.startswith("."):
            level = len(name) - len(name.lstrip("."))
            package = package[: len(package) - level]
            return self._names.get(".".join([*package, *filter(None, name.lstrip(".").split("."))]))
        folder = package[:-1]
        while True:
            found = self._names.get(".".join([*folder, name]))
            if found is not None:
                return found
            if not folder:
                return None
            folder.pop()


class Linker:
    """Runs modules and roots on one machine."""

    def __init__(self, project: Project, overlay: Iterable[Operation] = ()) -> None:
        self.project = project
        self.globals = State()
        self.loaded: set[str] = set()
        self.machine = Machine(
            HANDLERS, calls.apply, calls.send, calls.unknown_call, calls.run_callbacks,
            self._load, overlay, BUDGET,
        )  # fmt: skip

    def run(self) -> Machine:
        """Run every module, then every function and class that nothing has entered."""
        for path in self.project.modules:
            self._execute(path)
        roots = [root for path in self.project.modules for root in self._roots(path)]
        for frame, thing in roots:
            code: Code = thing.data
            where = (code.module.path, code.function.place)
            if thing.kind == "class":
                self._run_class(frame, thing)
            elif where not in self.machine.entered:
                self._run_function(frame, thing)
        return self.machine

    def _load(self, m: Machine, importer: str, name: str) -> Thing | None:
        path = self.project.find(importer, name)
        if path is None:
            return None
        self._execute(path)
        return m.module_thing(path)

    def _execute(self, path: str) -> None:
        if path in self.loaded:
            return
        self.loaded.add(path)
        frame = self._frame(path)
        outer, self.machine.budget = self.machine.budget, BUDGET
        self.machine.enter(frame, self.globals)
        self.globals.dead = False
        self.machine.budget = outer

    def _frame(self, path: str) -> Frame:
        module = self.project.modules[path]
        return Frame(self.machine.module_thing(path), module, module.functions[0], (), ())

    def _roots(self, path: str) -> list[tuple[Frame, Thing]]:
        """Return the functions and classes of a module that matter to the gradient's flow."""
        frame = self._frame(path)
        owner = self.machine.module_thing(path)
        found: dict[Thing, None] = {}
        for field in sorted(self.globals.get((owner, "#fields"), frozenset())):
            for thing in ordered(self.globals.get((owner, field), NOTHING)):
                ours = isinstance(thing.data, Code) and thing.data.module.path == path
                if ours and (path, thing.data.function.place) in self.project.relevant:
                    found[thing] = None
        by_place = sorted(found, key=lambda t: t.data.function.place)
        return [(frame, thing) for thing in by_place if thing.kind in ("function", "class")]

    def _run_function(self, frame: Frame, thing: Thing) -> None:
        self.machine.budget = BUDGET
        state = State(self.globals)
        result = self._call_unknown(frame, state, frozenset((thing,)), thing.data.function, 0)
        self._finish(frame, state, result)

    def _finish(self, frame: Frame, state: State, result: Value) -> None:
        """Let unknown callers use a root's result: read its gradients, call its functions."""
        state.dead = False
        consume(self.machine, frame, state, result, frame.statement)
        for thing in of_kind(result, "function"):
            where = (thing.data.module.path, thing.data.function.place)
            if where not in self.machine.entered:
                self._call_unknown(frame, state, frozenset((thing,)), thing.data.function, 0)

    def _call_unknown(
        self, frame: Frame, state: State, callee: Value, function: Function, skip: int
    ) -> Value:
        arguments = [self._parameter(frame, state, function, n) for n in range(skip, len(function.parameters))]
        call = Call(function.place, tuple(a for a in arguments if a is not None))
        self._mark_root(frame, call)
        return calls.apply(self.machine, frame, state, call, callee)

    def _mark_root(self, frame: Frame, call: Call) -> None:
        self.machine.graph.roots.add(Site(frame.module.path, call.place))

    def _parameter(
        self, frame: Frame, state: State, function: Function, number: int
    ) -> Argument | None:
        parameter = function.parameters[number]
        if parameter.kind in ("*", "**"):
            return None
        name = parameter.name if parameter.kind == "keyword" else ""
        place = (*function.place[:3], function.place[3] + number + 1)
        last = parameter.annotation.rpartition(".")[2]
        if last in ("ndarray", "NDArray", "ArrayLike"):
            array = new_array(self.machine, frame, state, place)
            return Argument(frozenset((array,)), place, name)
        site = Site(frame.module.path, place)
        thing = self.machine.thing("opaque", site, (), f"parameter {parameter.name}")
        return Argument(frozenset((thing,)), place, name)

    def _run_class(self, frame: Frame, cls: Thing) -> None:
        methods = [
            t
            for field in sorted(self.globals.get((cls, "#fields"), frozenset()))
            for t in ordered(self.globals.get((cls, field), NOTHING))
            if t.kind in ("function", "wrapped")
        ]
        fresh = [t for t in methods if self._not_entered(t)]
        if not fresh:
            return
        self.machine.budget = BUDGET
        state = State(self.globals)
        made = [t for t in self.machine.instances_of(cls) if self.globals.get((t, "#fields"))]
        me: Value = frozenset(made)
        if not made:
            init, _ = access.lookup_class(state, cls, "__init__")
            function = next((t.data.function for t in of_kind(init, "function")), None)
            arguments = (
                [self._parameter(frame, state, function, n) for n in range(1, len(function.parameters))]
                if function is not None
                else []
            )
            call = Call(cls.data.function.place, tuple(a for a in arguments if a is not None))
            self._mark_root(frame, call)
            me = calls.instantiate(self.machine, frame, state, call, cls)
            state.dead = False
        self._call_methods(frame, state, me, fresh)

    def _not_entered(self, thing: Thing) -> bool:
        inner = of_kind(thing.data, "function") if thing.kind == "wrapped" else [thing]
        return any((t.data.module.path, t.data.function.place) not in self.machine.entered for t in inner)

    def _call_methods(self, frame: Frame, state: State, me: Value, methods: list[Thing]) -> None:
        def once(method: Thing, s: State) -> None:
            for instance in ordered(me):
                function, skip = method.data, 1
                if method.kind == "wrapped":
                    inner = of_kind(method.data, "function")
                    if not inner:
                        return
                    function, skip = inner[0].data, 0 if method.name == "staticmethod" else 1
                bound = Argument(frozenset((instance,)), frame.statement)
                rest = [
                    self._parameter(frame, s, function.function, n)
                    for n in range(skip, len(function.function.parameters))
                ]
                given = tuple(a for a in rest if a is not None)
                callee = frozenset(inner) if method.kind == "wrapped" else frozenset((method,))
                call = Call(function.function.place, (bound, *given) if skip else given)
                self._mark_root(frame, call)
                result = calls.apply(self.machine, frame, s, call, callee)
                self._finish(frame, s, result)

        def turn(s: State) -> None:
            ways = [lambda t: None, *(lambda t, x=x: once(x, t) for x in methods)]  # type: ignore[misc]
            self.machine.branch(frame, s, ways)

        names = [t.name.rpartition(".")[2] for t in methods]
        methods = [t for t, n in zip(methods, names, strict=True) if n != "__init__"]
        if methods:
            self.machine.loop(frame, state, turn, endless=False)


__all__ = ["UNKNOWN", "Linker", "Path", "Project", "Run"]
