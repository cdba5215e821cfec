"""Runs a whole project: module bodies in the order of their imports, then what nothing has called.

A function that no code of the project calls is entered with unknown arguments; a class that nothing
constructs is constructed, and its methods called in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fixgrad.edits import Operation
from fixgrad.flow import (
    arithmetic,
    calls,
    classes,
    containers,
    control,
    displays,
    guards,
    instances,
    items,
    iteration,
    library,
    liveness,
    loading,
    parameters,
    registration,
    relevance,
    setters,
    variables,
    wrappers,
)
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.arrays import read_array
from fixgrad.flow.gradients import consume
from fixgrad.flow.graph import FlowGraph, Where
from fixgrad.flow.ir import Function
from fixgrad.flow.machine import Frame, Handler, Machine
from fixgrad.flow.overlay import execute_planned
from fixgrad.flow.project import Project
from fixgrad.flow.state import MODE, State
from fixgrad.flow.tensors import log
from fixgrad.flow.values import NOTHING, Code, Site, Thing, Value, constant, of_kind, ordered
from fixgrad.progress import counted

BUDGET = 10_000  # operations executed from one root
# Operations after which only what is near a conversion is followed; 140,000 lines take some 650,000.
PATIENCE = 1_000_000
_ASKING = (".backward", ".grad")

HANDLERS: dict[str, Handler] = {
    **control.HANDLERS,
    "const": lambda m, f, op, s: f.registers.__setitem__(op.out, constant(op.constant)),
    "load": variables.load,
    "store": variables.store,
    "delete": variables.delete,
    "attr": registration.get_attribute,
    "setattr": registration.set_attribute,
    "index": items.get_item,
    "setindex": items.set_item,
    "item": items.part,
    "pack": displays.pack,
    "collect": guards.collect,
    "finish": iteration.finish,
    "binary": arithmetic.binary,
    "inplace": arithmetic.inplace,
    "unary": arithmetic.unary,
    "compare": arithmetic.compare,
    "format": arithmetic.formatted,
    "call": calls.execute_call,
    "method": calls.execute_method,
    "overlay": execute_planned,
}


class Linker:
    """Runs modules and roots on one machine."""

    def __init__(
        self,
        project: Project,
        overlay: Iterable[Operation] = (),
        handlers: Mapping[str, Handler] = HANDLERS,
    ) -> None:
        self.project = project
        self.globals = State()
        self.globals.set(MODE, "on")
        self.loaded: set[str] = set()
        self.sizes: dict[Where, int] = {}  # operations of a function with those in it
        self.asking: set[Where] = set()  # functions that ask for gradients, or those in them do
        self.beforehand: set[Where] = set()  # functions that were run before the roots
        self.inside: dict[Thing, Thing] = {}  # wrapper -> the function that it was put around
        shadows = {
            path: [(f.place, f.local) for f in module.functions[1:] if f.kind != "class"]
            for path, module in project.modules.items()
        }
        self.machine = Machine(
            handlers, calls.apply, calls.send, calls.unknown_call, calls.run_callbacks,
            self._load, project.relevance.productive, project.relevance.building, overlay, BUDGET,
        )  # fmt: skip
        self.machine.library = library.reader(self.machine, self.globals, self._execute)
        self.machine.graph.shadows = shadows
        self.machine.models = project.models
        self.machine.may_grant = project.may_grant
        self.machine.batch = loading.batch

    def run(self, only: frozenset[Where] | None = None) -> FlowGraph:
        """Run every module, then every function and class that nothing has entered.

        With `only`, run these roots and what they import.
        """
        worth = self.project.relevance.roots if only is None else only
        # What nothing imports comes first: in a cycle, it matters where one begins.
        imported = self.project.relevance.imported
        wanted = sorted({path for path, _ in worth}, key=lambda path: (path in imported, path))
        for path in counted("following", wanted):
            self.globals.set(MODE, "on")  # each may be the program, and starts anew
            self._execute(path)
        self.globals.set(MODE, "on")
        self._change_beforehand()
        roots = [root for path in wanted for root in self._roots(path)]
        for frame, thing in counted("following", roots):
            where = self._where(thing)
            if only is not None and where not in only:
                continue
            if only is None and self._is_too_far(where):
                self.machine.passed_over.add(where)
                continue
            if where in self.beforehand:
                continue
            if thing.kind == "class" or where not in self.machine.entered or only is not None:
                self._visit(where)
                state = self.globals.path()
                run = self._run_class if thing.kind == "class" else self._run_function
                run(frame, thing, state)
                state.undo()
        self._allow_for_more()
        return self.machine.graph

    def _is_too_far(self, where: Where) -> bool:
        """Say whether a root is passed over as the project has taken long enough already."""
        out_of_patience = self.machine.executed > PATIENCE
        return out_of_patience and where not in self.project.relevance.nearest

    def _allow_for_more(self) -> None:
        """Note where NumPy may be given other things by calls that were not followed."""
        project, kinds = self.project, self.machine.graph.kinds
        passed_over = self.machine.passed_over
        if not passed_over:
            return
        more = relevance.below(project.modules, project.relevance.callers, passed_over)
        for site, found in kinds.items():
            if found == {"tensor"} and project.function_at(site.path, site.place) in more:
                found.add("whatever else")

    def _visit(self, root: Where) -> None:
        self.machine.visited = self.machine.graph.visits.setdefault(root, {root})

    def _load(self, m: Machine, importer: str, name: str) -> Thing | None:
        path = self.project.find(importer, name)
        if path is None:
            return None
        for package in self.project.packages_around(importer, name):
            self._execute(package)
        self._execute(path)
        return m.module_thing(path)

    def _execute(self, path: str) -> None:
        if path in self.loaded or not (library.is_library(path) or path in self.project.modules):
            return
        self.loaded.add(path)
        frame = self._frame(path)
        outer, self.machine.budget = self.machine.budget, BUDGET
        visited, self.machine.visited = self.machine.visited, set()
        if path in self.project.modules:
            self._visit((path, frame.function.place))
        self.machine.enter(frame, self.globals.permanent())
        self.machine.budget, self.machine.visited = outer, visited

    def _frame(self, path: str) -> Frame:
        module = self.project.module(path)
        return Frame(self.machine.module_thing(path), module, module.functions[0], (), ())

    def _roots(self, path: str) -> list[tuple[Frame, Thing]]:
        """Return the functions and classes of a module that matter to the gradient's flow."""
        frame, roots = self._frame(path), self.project.relevance.roots
        return [(frame, thing) for thing in self._defined(path) if self._where(thing) in roots]

    def _defined(self, path: str) -> list[Thing]:
        """Return the functions and classes that a module defines, in order."""
        found: dict[Thing, None] = {}
        for name, thing in self._held(path):
            if thing.kind in ("function", "class"):
                self._look_inside(thing, name)
                if self._where(thing)[0] == path:
                    found[thing] = None
        return sorted(found, key=lambda thing: self._where(thing)[1])

    def _look_inside(self, thing: Thing, name: str) -> None:
        """Note which function a decorator of the project has put another around."""
        inner = wrappers.inside(self.globals, thing, name)
        if inner is not thing:
            self.inside[thing] = inner

    def _where(self, thing: Thing) -> Where:
        """Return where a function or class is written; a wrapper stands for what is inside."""
        code: Code = self.inside.get(thing, thing).data
        return code.module.path, code.function.place

    def _change_beforehand(self) -> None:
        """Run what changes variables of files, or objects that they hold, and what nothing has called.

        The program may call it before all else, or not: what it changes may be so for all roots.
        """
        paths = sorted(self.loaded & self.project.modules.keys())
        held = frozenset(thing for path in paths for _, thing in self._held(path))
        found: list[tuple[int, Frame, Thing]] = []
        for path in paths:
            frame = self._frame(path)
            setting = setters.setting(frame.module)
            for thing in self._defined(path):
                name = self.inside.get(thing, thing).data.function.name
                if thing.kind == "class":
                    self._change_objects(frame, thing, held)
                elif name in setting and self._where(thing) not in self.machine.entered:
                    found.append((setting[name], frame, thing))
        for _, frame, thing in sorted(found, key=lambda each: each[0]):
            where = self._where(thing)
            if where not in self.machine.entered:
                self.beforehand.add(where)
                self._visit(where)
                with setters.kept(self.machine, self.globals) as state:
                    self._run_function(frame, thing, state)

    def _held(self, path: str) -> Iterator[tuple[str, Thing]]:
        """Yield what the variables of a file hold."""
        owner = self.machine.module_thing(path)
        for name in sorted(self.machine.named_in.get(owner, ())):
            for thing in ordered(self.globals.get((owner, name), NOTHING)):
                yield name, thing

    def _change_objects(self, frame: Frame, cls: Thing, held: frozenset[Thing]) -> None:
        """Call what nothing has called of the methods of objects that files hold."""
        objects = [t for t in self.machine.instances_of(cls) if t in held]
        for method in self._methods(cls) if objects else ():
            if setters.is_setter(method) and self._not_entered(method):
                self.beforehand.update(self._places(method))
                for instance in objects:
                    with setters.kept(self.machine, self.globals) as state:
                        self.machine.budget = self._budget(method, 1_000)
                        self._call_method(frame, state, instance, method)

    def _budget(self, thing: Thing, least: int = 4_000) -> int:
        """Return how many operations a root may execute: in proportion to its size."""
        functions = setters.functions_of(thing)
        if not functions:
            return 0
        code: Code = self.inside.get(functions[0], functions[0]).data
        name = code.function.name
        where = (code.module.path, code.function.place)
        if where not in self.sizes:
            inside = [
                f for f in code.module.functions if f.name == name or f.name.startswith(f"{name}.")
            ]
            self.sizes[where] = sum(f.size for f in inside)
            own = [code.function] if code.function.kind == "class" else inside
            if any(not f.tokens.isdisjoint(_ASKING) for f in own):
                self.asking.add(where)
        if where in self.asking and self.machine.executed < PATIENCE // 2:
            return BUDGET  # what lies between its tensors and its gradients matters
        return min(BUDGET, least + 2 * self.sizes[where])

    def _run_function(self, frame: Frame, thing: Thing, state: State) -> None:
        self.machine.budget = self._budget(thing)
        function = self._signature(thing)
        result = self._call_unknown(frame, state, frozenset((thing,)), function, 0)
        self._finish(frame, state, result)

    def _signature(self, thing: Thing) -> Function:
        inner: Function = self.inside.get(thing, thing).data.function
        return wrappers.signature(thing.data.function, inner)

    def _finish(self, frame: Frame, state: State, result: Value) -> None:
        """Let unknown callers use a root's result: read its gradients, call its functions."""
        state.dead = False
        consume(self.machine, frame, state, result, frame.statement)
        for thing in containers.reachable(state, [result]):
            if thing.kind == "tensor":
                log(self.machine, frame, state, "shown", thing, frame.statement)
        for thing in of_kind(result, "array", "opaque"):
            read_array(self.machine, frame, state, thing, frame.statement)
        for thing in of_kind(result, "function"):
            where = (thing.data.module.path, thing.data.function.place)
            if where not in self.machine.entered:
                self._call_unknown(frame, state, frozenset((thing,)), thing.data.function, 0)

    def _call_unknown(
        self, frame: Frame, state: State, callee: Value, function: Function, skip: int
    ) -> Value:
        given = parameters.arguments(self.machine, frame, state, function, skip)
        call = Call(function.place, given)
        self._mark_root(frame, call)
        return calls.apply(self.machine, frame, state, call, callee)

    def _mark_root(self, frame: Frame, call: Call) -> None:
        self.machine.graph.roots.add(Site(frame.module.path, call.place))

    def _methods(self, cls: Thing) -> list[Thing]:
        found: list[Thing] = []
        for name in sorted(self.globals.get((cls, "#fields"), frozenset())):
            for thing in ordered(self.globals.get((cls, name), NOTHING)):
                if thing.kind in ("function", "wrapped"):
                    found.append(thing)
                    for function in setters.functions_of(thing):
                        self._look_inside(function, name)
        return found

    def _run_class(self, frame: Frame, cls: Thing, state: State) -> None:
        methods = self._methods(cls)
        fresh = [t for t in methods if self._not_entered(t) and self._matters(t)]
        if not fresh:
            return
        self.machine.budget = self._budget(cls)
        made = [t for t in self.machine.instances_of(cls) if self.globals.get((t, "#fields"))]
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

    def _places(self, method: Thing) -> list[Where]:
        return [self._where(function) for function in setters.functions_of(method)]

    def _matters(self, method: Thing) -> bool:
        return not self.project.relevance.methods.isdisjoint(self._places(method))

    def _not_entered(self, method: Thing) -> bool:
        places, entered = self._places(method), self.machine.entered
        return any(where not in entered or where in self.beforehand for where in places)

    def _call_methods(self, frame: Frame, state: State, me: Value, methods: list[Thing]) -> None:
        """Call the methods one after the other; once more those that may see what others stored."""
        called: set[Thing] = set()
        methods = [t for t in methods if t.name.rpartition(".")[2] != "__init__"]
        for _ in range(2):
            stored = False
            for method in methods:
                if method not in called and not self._not_entered(method):
                    continue  # another method calls it
                called.add(method)
                self.machine.budget = self._budget(method, self._least(state, me, method))
                after = state.path()
                for instance in ordered(me):
                    self._call_method(frame, after, instance, method)
                changes = liveness.without_memory(after.changes(), state)
                after.undo()
                stored |= any(owner in me for owner, _ in changes)
                state.merge([{}, changes])
            if not stored:
                break

    def _least(self, state: State, me: Value, method: Thing) -> int:
        """Return how many operations a method may execute at least: all, where one it calls asks."""
        own = classes.named_methods(state, me, method)
        asks = any(not f.tokens.isdisjoint(_ASKING) for f in own)
        return BUDGET if asks and self.machine.executed < PATIENCE // 2 else 1_000

    def _call_method(self, frame: Frame, state: State, instance: Thing, method: Thing) -> None:
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
