"""Follows a program through its operations with sets of things in place of values.

The machine executes the intermediate form: branches on copies of the state that are joined, loop bodies
to a fixpoint, calls of the project's own functions by entering them. Along the way it records every use
that a rule may ask about. Given the operations of a plan, it follows the program as it will be after them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from fixgrad.edits import Operation
from fixgrad.flow.arguments import Call, Within
from fixgrad.flow.conditions import Conditions
from fixgrad.flow.graph import FlowGraph, Where
from fixgrad.flow.ir import Block, Function, Module, Op, Place
from fixgrad.flow.joining import Changes
from fixgrad.flow.state import MODE, State
from fixgrad.flow.trail import Entry
from fixgrad.flow.values import NONE, NOTHING, Path, Site, Thing, Value, union

if TYPE_CHECKING:
    from fixgrad.flow.arms import Arm
    from fixgrad.flow.conditions import Test
    from fixgrad.flow.failures import Net
    from fixgrad.flow.guards import Guard
    from fixgrad.flow.liveness import LoopVariables
    from fixgrad.knowledge.models import Models

Handler: TypeAlias = Callable[["Machine", "Frame", Op, State], None]
Apply: TypeAlias = Callable[["Machine", "Frame", State, Call, Value], Value]  # call a value
Send: TypeAlias = Callable[["Machine", "Frame", State, Call, Value, str], Value]  # call a method
Unknown: TypeAlias = Callable[["Machine", "Frame", State, Call, list[Thing], str], Value]
Callbacks: TypeAlias = Callable[
    ["Machine", "Frame", State, Call, list[Value], tuple[Value, ...]], Value
]
Batch: TypeAlias = Callable[["Machine", "Frame", State, Place, Thing], Value]
LONGEST_PATH = 12  # calls inside calls
_TOLD_APART_BY_DATA = {
    "grad", "method", "none-test", "partial", "wrapped", "super", "context", "type-test", "key-test",
}  # fmt: skip
_LASTING = ("module", "class", "generator")  # their variables are read from outside
_OF_STATEMENTS = ("wrap-with", "insert-before", "insert-after", "delete")
MOST_TURNS = 4  # of a loop before its fixpoint is taken as it is


class Frame:
    """One function being executed: its registers, its variables' owner, its exits so far."""

    def __init__(
        self, thing: Thing, module: Module, function: Function, outer: tuple[Thing, ...], path: Path
    ) -> None:
        self.thing = thing  # owns the local variables
        # the same where no one can ask for them once the function has returned
        self.private = None if function.encloses or function.kind in _LASTING else thing
        self.module = module
        self.function = function
        self.outer = outer  # frames of the functions around it, innermost first
        self.path = path
        self.places = function.places  # by register: where its value is written
        self.registers: list[Value] = [NOTHING] * len(self.places)
        self.top: State | None = None  # the state of the function's own block
        self.returns: list[tuple[Value, Changes]] = []  # from inside branches and loops
        self.last: Value | None = None  # what the function's own block returns at its end
        self.loops: list[Loop] = []
        self.filled: set[str] = set()  # variables whose lists and dicts these fill
        self.yields: list[Value] = []
        self.yields_in_order = True  # each once: none stands in a branch or a loop
        self.yields_in_try = False
        self.statement: Place = function.place
        self.owner: Thing | None = None  # the class whose method this is, for super()
        self.tries = self.careless = 0  # try blocks around: with handlers; that may fail unnoticed
        self.within: Within | None = None  # follows, at a `yield`, the `with` block that it is for
        self.names: dict[int, str] = {}  # the variable that a register was read from
        self.tests: dict[int, Test] = {}  # what a register that is a comparison asks
        self.members: dict[int, tuple[Thing, str]] = {}  # an attribute of one object of the project
        self.attributes: dict[int, str] = {}  # the attribute of a variable: "self.x"
        self.loop_variables: set[str] = set()
        self.iterated: dict[str, Value] = {}  # by variable of a loop: what the loop is over
        self.overlay: Mapping[Place, list[Operation]] = {}

    def values(self, op: Op) -> list[Value]:
        """Return the values of an operation's arguments."""
        return [self.registers[n] for n in op.args]

    def place_of(self, register: int) -> Place:
        """Return where a register's value is written."""
        return self.places[register]


class Loop:
    """The exits of the loop being executed."""

    def __init__(self, break_mark: int, continue_mark: int) -> None:
        self.break_mark = break_mark  # of the path that `break` leaves
        self.continue_mark = continue_mark  # of the path of one turn
        self.breaks: list[Changes] = []
        self.continues: list[Changes] = []
        self.branches = 0  # how many branches are around the loop
        self.first = False  # the turn begins from what stands before the loop
        self.number = 0  # tells its turns apart
        self.elements: frozenset[Thing] = frozenset()  # the tensors it goes through
        self.partial: frozenset[Thing] = frozenset()  # those of them that are a part of a list
        self.ended: frozenset[Thing] = frozenset()  # those that it may not come to, as it may end
        self.walked: set[Thing] = set()  # the containers whose items it goes through


class Machine:
    """One run over a project; see the module's docstring."""

    batch: Batch  # what a data loader gives, each time it is gone through
    may_grant: Callable[[Where], bool]  # whether a function, or what it calls, grants gradients
    budget_of: Callable[[Thing], int]  # operations that a function may take as a root
    library: Callable[[str], Value]  # what of Python's library is written down as Python
    thrown: Value = NOTHING  # what the handler being executed has caught

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        apply: Apply,
        send: Send,
        unknown: Unknown,
        callbacks: Callbacks,
        load_module: Callable[[Machine, str, str], Thing | None],
        productive: frozenset[tuple[str, Place]],
        building: frozenset[tuple[str, Place]],
        overlay: Iterable[Operation] = (),
        budget: int = 400_000,
    ) -> None:
        self.handlers = handlers
        self.apply = apply
        self.send = send
        self.unknown = unknown
        self.callbacks = callbacks
        self.productive = productive  # functions whose calls are worth entering
        self.building = building  # functions that may make a module, and then hand it on
        self.load_module = load_module  # (importing file, dotted name) -> module thing
        self.budget = budget
        self.graph = FlowGraph()
        self.models: Models | None = None  # what the user's settings say of calls
        self.entered: set[Where] = set()  # functions executed
        # operations, from all roots; how many try blocks with handlers are around, in all functions
        self.executed = self.tries = 0
        self.passed_over: set[Where] = set()  # functions that call others, and were not executed
        self.expecting_failure = self.absent_imports = 0  # imports of what may not be installed
        # where a display's items stand, and the names of those that are attributes: "self.x"
        self.item_places: dict[tuple[Thing, int], tuple[Place, str]] = {}
        # what is appended to a list, and where
        self.put_places: dict[tuple[Thing, Thing], Site] = {}
        self.stack: list[Function] = []
        self.running: list[tuple[Function, list[Value]]] = []  # the calls, with what was given
        self.entries: Counter[tuple[str, Place]] = Counter()
        self.saved: set[Thing] = set()  # tracked tensors that torch.save has written
        self.cached: dict[tuple[object, ...], Value] = {}  # results of @lru_cache
        self.nets: list[Net] = []  # these, and what was raised in them
        self.own_variable = False  # `.grad` is being read of a variable of the function's own
        self.arms: list[Arm] = []  # the ways of undecided branches that are being followed
        self.conditions = Conditions()
        self.beside: frozenset[Thing] = frozenset()  # tensors in whose place a detached one may be
        self.guards: list[Guard] = []  # what the undecided tests before here weigh
        self.elements: list[frozenset[Thing]] = []  # what the loops around go through
        self.dealt: set[Thing] = set()  # tensors of a list of unknown length, one to each known row
        self.asked: set[Thing] = set()  # gradients held by a name that a test mentions
        self.defaulted: set[Thing] = set()  # gradients that `or` and `and` replace if there is none
        self.optional: set[Thing] = set()  # tensors whose gradient is read behind a test for None
        self.flag_of: dict[Thing, Thing] = {}  # by what `requires_grad` is: the tensor
        self.gradient_of: dict[Thing, Thing] = {}  # what a gradient became when it was used
        self.gradient_of_all: dict[
            Thing, dict[Thing, None]
        ] = {}  # the same where one place reads several
        # undecided branches that are around; calls being made; unknown code that calls back
        self.branches = self.nested = self.calling_back = 0
        # choices between things being followed; when methods that nobody calls were begun to be tried
        self.alternatives = self.tried_since = 0
        self.visited: set[Where] = set()  # functions entered below the running root
        self.loops: list[Loop] = []  # of all functions being executed
        self.loop_variables: dict[Where, LoopVariables] = {}  # by loop
        self.variables: dict[Where, frozenset[str]] = {}  # by function
        self.named_in: dict[Thing, dict[str, None]] = {}  # by file: the names it was given
        self._things: dict[tuple[object, ...], Thing] = {}
        self._sites: dict[Site | None, Site | None] = {}  # each once, as they are many
        self._instances: dict[Thing, list[Thing]] = {}  # by class of the project
        self.inner_classes: dict[Thing, None] = {}  # those that functions have made
        self.expression_overlay: dict[str, dict[Place, list[Operation]]] = {}
        self.statement_overlay: dict[str, dict[Place, list[Operation]]] = {}
        self._spread(overlay)

    def _spread(self, overlay: Iterable[Operation]) -> None:
        """Sort the operations of a plan by the place they change."""
        for operation in overlay:
            statement = operation.kind in _OF_STATEMENTS
            table = self.statement_overlay if statement else self.expression_overlay
            places = table.setdefault(operation.span.path, {})
            operations = places.setdefault(operation.span[1:], [])
            if operation not in operations:
                operations.append(operation)

    def thing(
        self, kind: str, site: Site | None, path: Path, name: str = "", data: object = None
    ) -> Thing:
        """Return the one thing of this kind that this expression makes under these calls."""
        told_apart = kind in _TOLD_APART_BY_DATA or isinstance(data, Thing)
        key = (kind, site, path, name, data if told_apart else None)
        found = self._things.get(key)
        if found is None:
            site = self._sites.setdefault(site, site)
            found = Thing(kind, site, path, name, data, len(self._things) + 1)
            self._things[kind, site, path, name, key[4]] = found
            if kind == "instance" and isinstance(data, Thing):
                self._instances.setdefault(data, []).append(found)
        return found

    @property
    def newest(self) -> int:
        """The number of the thing that was made last."""
        return len(self._things)

    def module_thing(self, path: str) -> Thing:
        """Return the thing that owns the globals of a file."""
        return self.thing("file", None, (), path)

    def instances_of(self, cls: Thing) -> list[Thing]:
        """Return the instances of a class made so far."""
        return self._instances.get(cls, [])

    def submodule(self, package: Thing, name: str) -> Thing | None:
        """Return a module inside a package of the project."""
        return self.load_module(self, package.name, f".{name}")

    def block(self, f: Frame, block: Block, state: State) -> None:
        """Execute operations in order until the block or the path ends."""
        statements = self.statement_overlay.get(f.module.path)
        open_statement = OpenStatement(self, f, state) if statements else None
        handlers, overlay = self.handlers, f.overlay
        for op in block:
            if state.dead:
                break
            kind = op.kind
            if kind == "stmt":
                f.statement = op.place
                if op.target:
                    self.graph.compound.add(Site(f.module.path, op.place))
                if open_statement is not None and statements is not None:
                    open_statement.close()
                    open_statement.begin(statements.get(op.place, ()))
                continue
            if open_statement is not None and open_statement.deleted:
                continue
            self.budget -= 1
            self.executed += 1
            if overlay and op.out >= 0 and op.place in overlay:
                handlers["overlay"](self, f, op, state)
                continue
            handler = handlers.get(kind)
            if handler is not None:
                handler(self, f, op, state)
        if open_statement is not None:
            open_statement.close()

    def enter(self, f: Frame, caller: State) -> Value:
        """Execute a function's body from the caller's state; return what it returns."""
        f.overlay = self.expression_overlay.get(f.module.path, {})
        state = f.top = caller.path()
        self.stack.append(f.function)
        guards = len(self.guards)
        self.block(f, f.function.body, state)
        del self.guards[guards:]
        self.stack.pop()
        if f.function.kind == "module":  # what it defines is there, also where it ends by an exit
            return NONE
        if not state.dead:
            f.last = NONE
        if f.returns or f.last is None:
            paths = [changes for _, changes in f.returns]
            if f.last is not None:
                paths.append(state.changes(without=f.private))
            state.undo()
            caller.merge(paths)
        return union([*(value for value, _ in f.returns), f.last or NOTHING])

    def leave(self, f: Frame, state: State, value: Value) -> None:
        """Return from the function: this path ends here."""
        assert f.top is not None
        if state is f.top:
            f.last = value
        else:
            f.returns.append((value, state.changes(f.top.mark, f.private)))
        state.dead = True

    def branch(self, f: Frame, state: State, ways: Sequence[Callable[[State], object]]) -> None:
        """Take each way on its own path and join what is left alive."""
        if len(ways) == 1:
            ways[0](state)
            return
        paths: list[Changes] = []
        for way in ways:
            path = state.path()
            way(path)
            if not path.dead:
                paths.append(path.changes())
            path.undo()
        state.merge(paths)

    def certainly_runs(self) -> bool:
        """Say whether the first turn of the innermost loop comes here whatever happens in it."""
        if not self.loops or self.tries:
            return False
        loop = self.loops[-1]
        left = loop.breaks or loop.continues
        return loop.first and not left and self.branches == loop.branches

    def loop(
        self,
        f: Frame,
        state: State,
        turn: Callable[[State], None],
        matters: Callable[[Sequence[Entry]], bool],
        endless: bool,
        orelse: Callable[[State], None] | None = None,
    ) -> None:
        """Repeat a turn until it changes nothing that matters to the next; `orelse` follows no break.

        The body is taken to run at least once: loops over nothing are rare, and gradients granted or
        filled in a loop are counted on after it.
        """
        last: list[Changes] = []
        loop = Loop(0, 0)
        for turns in range(MOST_TURNS):
            path = state.path()
            loop = Loop(path.mark, path.mark)
            loop.branches, loop.first = self.branches, turns == 0
            loop.number = self.graph.tick()
            f.loops.append(loop)
            self.loops.append(loop)
            guards = len(self.guards)
            turn(path)
            del self.guards[guards:]
            self.loops.pop()
            f.loops.pop()
            last = list(loop.continues)
            if not path.dead:
                last.append(path.changes())
            path.undo()
            before = len(state.trail)
            if last:
                state.merge([{}, *last], turns=True)
            if not last or not matters(state.trail[before:]):
                break
        if orelse is not None and last and not endless:
            path = state.path()
            path.merge(last)
            orelse(path)
            last = [] if path.dead else [path.changes()]
            path.undo()
        exits = loop.breaks if endless else [*last, *loop.breaks]
        if exits or endless:
            state.merge(exits)


class OpenStatement:
    """Applies the plan's statement operations while a statement of a block is executed."""

    def __init__(self, machine: Machine, frame: Frame, state: State) -> None:
        self.machine, self.frame, self.state = machine, frame, state
        self.mode: str | None = None
        self.after: list[Operation] = []
        self.deleted = False

    def begin(self, operations: Iterable[Operation]) -> None:
        """Start a statement that carries these operations."""
        for operation in operations:
            if operation.kind == "wrap-with" and self.mode is None:
                self.mode = self.state.get(MODE, "on")
                self.state.set(MODE, "off")
            elif operation.kind == "insert-before":
                self._insert(operation)
            elif operation.kind == "insert-after":
                self.after.append(operation)
            elif operation.kind == "delete":
                self.deleted = True

    def close(self) -> None:
        """End the statement begun last, if any."""
        self.deleted = False
        if self.mode is not None:
            self.state.set(MODE, self.mode)
            self.mode = None
        after, self.after = self.after, []
        for operation in after:
            self._insert(operation)

    def _insert(self, operation: Operation) -> None:
        inserted = Op("inserted", operation.span[1:], target=operation.argument)
        self.machine.handlers["inserted"](self.machine, self.frame, inserted, self.state)
