"""Runs a whole project: module bodies in the order of their imports, then what nothing has called.

A function that no code of the project calls is entered with unknown arguments; a class that nothing
constructs is constructed, and its methods called in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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
    variables,
)
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.arrays import read_array
from fixgrad.flow.gradients import consume
from fixgrad.flow.graph import FlowGraph, Where
from fixgrad.flow.ir import Function, Module, Place, stands_in
from fixgrad.flow.machine import Frame, Handler, Machine
from fixgrad.flow.overlay import execute_planned
from fixgrad.flow.state import MODE, State
from fixgrad.flow.tensors import log
from fixgrad.flow.values import NOTHING, Code, Site, Thing, Value, constant, of_kind, ordered
from fixgrad.knowledge.models import Models
from fixgrad.progress import counted
from fixgrad.project.imports import Imports, listing

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


class Project:
    """The lowered modules of a project and how its imports find them."""

    def __init__(
        self,
        modules: Sequence[Module],
        imports: Imports | None = None,
        given: frozenset[str] | None = None,
        models: Models | None = None,
    ) -> None:
        self.modules = {m.path: m for m in sorted(modules, key=lambda m: m.path)}
        self.functions = {
            path: [(f.place, (path, f.place)) for f in m.functions[1:]]
            for path, m in self.modules.items()
        }
        self.classes = {
            path: [(f.place, (path, f.place)) for f in m.functions if f.kind == "class"]
            for path, m in self.modules.items()
        }
        self.imports = imports or Imports(listing(self.modules), known=self.modules)
        for path, module in self.modules.items():
            self.imports.add_search(path, module.search)
        self.given = given  # the files that findings and edits are for; None is all
        self.edits_around = False  # repairs of given files may change others too
        self.generated: frozenset[str] = frozenset()  # those left out as a program makes them
        self.models = models  # what the user's settings say of calls
        self.relevance = relevance.relevance(self.modules, self.find, given, models)
        self.may_grant = relevance.granting(self.modules, self.relevance.callers)

    def find(self, importer: str, name: str) -> str | None:
        """Return the file that an import in another file means, or None where it is not ours."""
        found = self.imports.find(importer, name)
        ours = found is not None and (found in self.modules or found.endswith("/"))
        return found if ours else None

    def module(self, path: str) -> Module:
        """Return a file of the project, or what stands for a module of Python's library."""
        return library.module_at(path) if library.is_library(path) else self.modules[path]

    def is_given(self, path: str) -> bool:
        """Say whether findings are looked for in a file."""
        return path in self.given if self.given is not None else not library.is_library(path)

    def may_edit(self, path: str) -> bool:
        """Say whether a repair may change a file."""
        around = self.edits_around and path not in self.generated and not library.is_library(path)
        return self.is_given(path) or around

    def packages_around(self, importer: str, name: str) -> list[str]:
        """Return the packages whose `__init__` Python runs before the module of this name."""
        bare = name.lstrip(".")
        dots, parts = name[: len(name) - len(bare)], bare.split(".")
        above = (dots + ".".join(parts[:n]) for n in range(1, len(parts)))
        return [path for path in (self.find(importer, n) for n in above) if path is not None]

    def function_at(self, path: str, place: Place) -> Where:
        """Return the innermost function or class around a place, else the file's own body."""
        found: Where = (path, self.module(path).functions[0].place)
        start = (0, 0)
        for around, where in self.functions.get(path, ()):
            if start <= around[:2] and stands_in(place, around):
                found, start = where, around[:2]
        return found

    def class_at(self, site: Site) -> Where | None:
        """Return the innermost class around a place."""
        found, start = None, (0, 0)
        for around, where in self.classes.get(site.path, ()):
            place = site.place
            if start <= around[:2] and stands_in(place, around):
                found, start = where, around[:2]
        return found


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
        roots = [root for path in wanted for root in self._roots(path)]
        for frame, thing in counted("following", roots):
            where = (thing.data.module.path, thing.data.function.place)
            if only is not None and where not in only:
                continue
            if only is None and self._is_too_far(where):
                self.machine.passed_over.add(where)
                continue
            if thing.kind == "class" or where not in self.machine.entered or only is not None:
                self._visit(where)
                (self._run_class if thing.kind == "class" else self._run_function)(frame, thing)
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
        frame = self._frame(path)
        owner = self.machine.module_thing(path)
        found: dict[Thing, None] = {}
        for field in sorted(self.machine.named_in.get(owner, ())):
            for thing in ordered(self.globals.get((owner, field), NOTHING)):
                ours = isinstance(thing.data, Code) and thing.data.module.path == path
                if ours and (path, thing.data.function.place) in self.project.relevance.roots:
                    found[thing] = None
        by_place = sorted(found, key=lambda t: t.data.function.place)
        return [(frame, thing) for thing in by_place if thing.kind in ("function", "class")]

    def _budget(self, thing: Thing, least: int = 4_000) -> int:
        """Return how many operations a root may execute: in proportion to its size."""
        functions = of_kind(thing.data, "function") if thing.kind == "wrapped" else [thing]
        if not functions:
            return 0
        code: Code = functions[0].data
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

    def _run_function(self, frame: Frame, thing: Thing) -> None:
        self.machine.budget = self._budget(thing)
        state = self.globals.path()
        result = self._call_unknown(frame, state, frozenset((thing,)), thing.data.function, 0)
        self._finish(frame, state, result)
        state.undo()

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

    def _run_class(self, frame: Frame, cls: Thing) -> None:
        methods = [
            t
            for field in sorted(self.globals.get((cls, "#fields"), frozenset()))
            for t in ordered(self.globals.get((cls, field), NOTHING))
            if t.kind in ("function", "wrapped")
        ]
        fresh = [t for t in methods if self._not_entered(t) and self._matters(t)]
        if not fresh:
            return
        self.machine.budget = self._budget(cls)
        state = self.globals.path()
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
        state.undo()

    def _matters(self, thing: Thing) -> bool:
        inner = of_kind(thing.data, "function") if thing.kind == "wrapped" else [thing]
        worth = self.project.relevance.methods
        return any((t.data.module.path, t.data.function.place) in worth for t in inner)

    def _not_entered(self, thing: Thing) -> bool:
        inner = of_kind(thing.data, "function") if thing.kind == "wrapped" else [thing]
        return any(
            (t.data.module.path, t.data.function.place) not in self.machine.entered for t in inner
        )

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
        functions = of_kind(method.data, "function") if method.kind == "wrapped" else [method]
        if not functions:
            return
        function = functions[0].data.function
        skip = 0 if method.kind == "wrapped" and method.name == "staticmethod" else 1
        bound = Argument(frozenset((instance,)), frame.statement)
        self.machine.conditions.hand_out(bound.value, self.machine.executed)
        given = parameters.arguments(self.machine, frame, state, function, skip, instance)
        call = Call(function.place, (bound, *given) if skip else given)
        self._mark_root(frame, call)
        result = calls.apply(self.machine, frame, state, call, frozenset(functions))
        self._finish(frame, state, result)
