"""Runs a whole project: module bodies in the order of their imports, then what nothing has called.

A function that no code of the project calls is entered with unknown arguments; a class that nothing
constructs is constructed, and its methods called in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fixgrad.edits import Operation
from fixgrad.flow import (
    access,
    arithmetic,
    augmented,
    budgets,
    calls,
    control,
    displays,
    items,
    iteration,
    library,
    loading,
    registration,
    relevance,
    setters,
    variables,
)
from fixgrad.flow.callers import UnknownCallers
from fixgrad.flow.graph import FlowGraph, Where
from fixgrad.flow.machine import Frame, Handler, Machine
from fixgrad.flow.overlay import execute_planned
from fixgrad.flow.project import Project
from fixgrad.flow.state import MODE, State
from fixgrad.flow.values import Thing, constant
from fixgrad.progress import counted

HANDLERS: dict[str, Handler] = {
    **control.HANDLERS,
    "const": lambda m, f, op, s: f.registers.__setitem__(op.out, constant(op.constant)),
    "load": variables.load,
    "store": variables.store,
    "delete": variables.delete,
    "attr": registration.get_attribute,
    "setattr": registration.set_attribute,
    "delattr": access.delete_attribute,
    "index": items.get_item,
    "setindex": items.set_item,
    "item": items.part,
    "pack": displays.pack,
    "collect": iteration.collect,
    "finish": iteration.finish,
    "binary": arithmetic.binary,
    "inplace": augmented.inplace,
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
        patience: int = 1,
    ) -> None:
        self.project = project
        self.globals = State()
        self.globals.set(MODE, "on")
        self.loaded: set[str] = set()
        shadows = {
            path: [(f.place, f.local) for f in module.functions[1:] if f.kind != "class"]
            for path, module in project.modules.items()
        }
        self.machine = Machine(
            handlers, calls.apply, calls.send, calls.unknown_call, calls.run_callbacks,
            self._load, project.relevance.productive, project.relevance.building, overlay, budgets.BUDGET,
        )  # fmt: skip
        self.machine.library = library.reader(self.machine, self.globals, self._execute)
        self.machine.graph.shadows = shadows
        self.machine.models = project.models
        self.machine.may_grant = project.may_grant
        self.machine.batch = loading.batch
        self.callers = UnknownCallers(self.machine, project, self.globals, patience)
        self.machine.budget_of = self.callers.budget

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
        before, self.machine.inner_classes = self.machine.inner_classes, {}
        roots = [root for path in wanted for root in self._roots(path)]
        for frame, thing in counted("following", roots):
            where = self.callers.where(thing)
            if (only is not None and where not in only) or where in self.callers.beforehand:
                continue
            if only is None and self._is_too_far(where):
                self.machine.passed_over.add(where)
            elif thing.kind == "class" or where not in self.machine.entered or only is not None:
                self.callers.visit(where)
                state = self.globals.path()
                self.callers.run(frame, thing, state)
                self._call_inner_classes(state)
                state.undo()
        self.machine.inner_classes = before
        self._call_inner_classes(self.globals.path(), of_bodies=True)
        self._allow_for_more()
        return self.machine.graph

    def _call_inner_classes(self, state: State, *, of_bodies: bool = False) -> None:
        """Call what nothing has called of the classes that functions made, where these still stand.

        Someone may: a base class that hears of them, a library that their objects were given to.
        """
        found, self.machine.inner_classes = self.machine.inner_classes, {}
        for cls in found if self.machine.executed <= budgets.PATIENCE else ():
            frame = self._frame(cls.data.module.path)
            if of_bodies:
                self.callers.visit((frame.module.path, frame.function.place))
            self.callers.run(frame, cls, state)

    def _is_too_far(self, where: Where) -> bool:
        """Say whether a root is passed over as the project has taken long enough already."""
        out_of_patience = self.machine.executed > budgets.PATIENCE
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
        own = budgets.of_file(self.machine.executed)
        outer, self.machine.budget = self.machine.budget, own
        visited, self.machine.visited = self.machine.visited, set()
        if path in self.project.modules:
            self.callers.visit((path, frame.function.place))
        self.machine.enter(frame, self.globals.permanent())
        self.machine.budget, self.machine.visited = outer, visited

    def _frame(self, path: str) -> Frame:
        module = self.project.module(path)
        return Frame(self.machine.module_thing(path), module, module.functions[0], (), ())

    def _roots(self, path: str) -> list[tuple[Frame, Thing]]:
        """Return the functions and classes of a module that matter to the gradient's flow."""
        frame, roots = self._frame(path), self.project.relevance.roots
        defined = self.callers.defined(path)
        return [(frame, thing) for thing in defined if self.callers.where(thing) in roots]

    def _change_beforehand(self) -> None:
        """Run what changes variables of files, or objects that they hold, and what nothing has called.

        The program may call it before all else, or not: what it changes may be so for all roots.
        """
        callers = self.callers
        paths = sorted(self.loaded & self.project.modules.keys())
        held = frozenset(thing for path in paths for _, thing in callers.held(path))
        found: list[tuple[int, Frame, Thing]] = []
        for path in paths:
            frame = self._frame(path)
            setting = setters.setting(frame.module)
            for thing in callers.defined(path):
                name = callers.code(thing).function.name
                if thing.kind == "class":
                    self._change_objects(frame, thing, held)
                elif callers.where(thing) in self.machine.entered:
                    continue
                elif name in setting and (setting[name] == 0 or callers.mentions_data(thing)):
                    found.append((setting[name], frame, thing))
        for _, frame, thing in sorted(found, key=lambda each: each[0]):
            where = callers.where(thing)
            if where not in self.machine.entered:
                callers.beforehand.add(where)
                callers.visit(where)
                with setters.kept(self.machine, self.globals) as state:
                    callers.run(frame, thing, state)

    def _change_objects(self, frame: Frame, cls: Thing, held: frozenset[Thing]) -> None:
        """Call what nothing has called of the methods of objects that files hold."""
        callers = self.callers
        objects = [t for t in self.machine.instances_of(cls) if t in held]
        for method in callers.methods(self.globals, cls) if objects else ():
            if setters.is_setter(method) and callers.not_entered(method):
                callers.beforehand.update(callers.places(method))
                for instance in objects:
                    with setters.kept(self.machine, self.globals) as state:
                        self.machine.budget = callers.budget(method, 1_000)
                        callers.call_method(frame, state, instance, method)
