"""Which code of a project asks for the gradient of a tensor, and how far from the conversion."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Set
from typing import NamedTuple

from bench.conversions import Site, links
from bench.modules import FUNCTIONS, Binding, Module, Scope, name_of, parameters
from bench.origins import Calls, argument_of

SAME_FUNCTION, BACKWARD = "same function", "backward alone"
SAME_CLASS, ACROSS, NONE = "same class", "across functions", "none seen"
CLASSES = (SAME_FUNCTION, BACKWARD, SAME_CLASS, ACROSS)
OPTIMIZER = re.compile(
    "SGD|Adam|AdamW|Adagrad|Adadelta|RMSprop|LBFGS|ASGD|Rprop|SparseAdam|Adamax|NAdam|RAdam"
)
CHECKS = ("gradcheck", "gradgradcheck")
METHODS = ("register_hook", "retain_grad")
# Where one of these is seen, a backward pass may be meant for the weights of a model.
OTHERS = re.compile("parameters|zero_grad|step|train|eval|Module|Parameter|Sequential|model|net")
DEPTH = 4


class _State(NamedTuple):
    """Where the tensor has come to: names that hold it in a scope, from a place of it on."""

    module: Module
    scope: Scope
    names: frozenset[str]
    start: tuple[int, int] = (0, 0)
    held: ast.expr | None = None  # the expression that makes it, or the call that returns it


class Evidence:
    """Follows a tensor forwards through a project by the names that hold it."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def of(self, module: Module, site: Site) -> str:
        """Return the class of the nearest demand."""
        home = module.scope(site.call)
        place = (site.outer.lineno, site.outer.col_offset)
        states = [_State(module, home, frozenset(), place, site.outer)]
        seen, found = set(states), set[str]()
        for _ in range(DEPTH):
            followed = [(state, _follow(state)) for state in states]
            found.update(_distance(module, home, state) for state, way in followed if way.asked)
            reached = [new for state, way in followed for new in self._reached(state, way)]
            states = list(dict.fromkeys(state for state in reached if state not in seen))
            seen.update(states)
        nearest = [each for each in CLASSES if each in found]
        if nearest:
            return nearest[0]
        first = _follow(_State(module, home, frozenset(), place, site.outer))
        return BACKWARD if _backward_alone(module, home, first.names) else NONE

    def _reached(self, state: _State, way: _Way) -> Iterator[_State]:
        """Yield where else the tensor goes: calls, callers, methods, functions inside."""
        module, scope, *_ = state
        for node, names in way.passed:
            if isinstance(node, ast.Call):
                yield from self._into(state, node, names)
            elif node.value is not None:
                yield from self._out(state, node.value, names)
        owner = module.class_of(scope)
        own = frozenset(name for name in way.names if name.startswith("self."))
        for method in owner.body if owner is not None and own else ():
            if isinstance(method, FUNCTIONS) and method is not scope:
                yield _State(module, method, own)
        for inner in module.inside(scope):
            if isinstance(inner, FUNCTIONS):
                local = {b.name for b in module.bindings(inner)} | {*parameters(inner)}
                if free := way.names - local - own:
                    yield _State(module, inner, frozenset(free))

    def _into(self, state: _State, call: ast.Call, names: Set[str]) -> Iterator[_State]:
        for where, function in self.calls.callee(state.module, call):
            assert isinstance(function, FUNCTIONS)
            for parameter in parameters(function):
                given = argument_of(call, function, parameter)
                if given is not None and _mentions(given, names, state.held):
                    yield _State(where, function, frozenset({parameter}))

    def _out(self, state: _State, value: ast.expr, names: Set[str]) -> Iterator[_State]:
        parts = value.elts if isinstance(value, ast.Tuple) else []
        wanted = {i for i, part in enumerate(parts) if _mentions(part, names, state.held)}
        for where, call in self.calls.of(state.module, state.scope):
            caller = where.scope(call)
            taken = [b for b in where.bindings(caller) if b.kind == "part" and b.value is call]
            for binding in taken:
                if binding.part in wanted:
                    yield _State(where, caller, frozenset({binding.name}), _end(call))
            if not taken:
                yield _State(where, caller, frozenset(), (call.lineno, call.col_offset), call)


class _Way(NamedTuple):
    """What happens to a tensor in one scope."""

    asked: bool
    names: frozenset[str]  # all that held it
    passed: tuple[tuple[ast.Call | ast.Return, frozenset[str]], ...]  # with what held it then


def _follow(state: _State) -> _Way:
    names, held = frozenset(state.names), state.held
    ever, asked = set(names), False
    passed: list[tuple[ast.Call | ast.Return, frozenset[str]]] = []
    for place, what in _events(state.module, state.scope):
        if place < state.start or (place == state.start and state.held is None and place > (0, 0)):
            continue
        if isinstance(what, Binding):
            if _mentions(what.value, names, held):
                names |= {what.name}
                ever.add(what.name)
            elif what.kind != "+=" and not (held and state.module.apart(held, what.node)):
                names -= {what.name}
            continue
        asked = asked or any(_mentions(e, names, held) for e in _asking(state.module, what))
        given: list[ast.expr] = []
        if isinstance(what, ast.Call):
            given = [*what.args, *(keyword.value for keyword in what.keywords)]
        elif isinstance(what, ast.Return) and what.value is not None:
            given = [what.value]
        handed = any(_mentions(each, names, held) for each in given)
        if handed and isinstance(what, (ast.Call, ast.Return)):
            passed.append((what, names))
    return _Way(asked, frozenset(ever), tuple(passed))


def _events(module: Module, scope: Scope) -> list[tuple[tuple[int, int], ast.AST | Binding]]:
    """Return what a scope does, in order: a name is bound when its value is there."""
    events: list[tuple[tuple[int, int], ast.AST | Binding]] = [
        ((node.lineno, node.col_offset), node)
        for node in module.inside(scope)
        if isinstance(node, (ast.Attribute, ast.Call, ast.Return))
    ]
    for binding in module.bindings(scope):
        place = _end(binding.value)
        if isinstance(binding.node, ast.comprehension):
            above = module.parents[binding.node]
            assert isinstance(above, ast.expr)
            place = (above.lineno, above.col_offset)
        events.append((place, binding))
    return sorted(events, key=lambda event: event[0])


def _end(node: ast.expr) -> tuple[int, int]:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return node.end_lineno, node.end_col_offset


def _distance(module: Module, home: Scope, state: _State) -> str:
    """Return the class of a demand in a scope for a tensor that is made in another."""
    above: ast.AST | None = state.scope
    while isinstance(home, FUNCTIONS) and above is not None and above is not home:
        above = module.parents.get(above)
    if state.scope is home or above is home:
        return SAME_FUNCTION
    owner = module.class_of(home)
    near = owner is not None and state.module.class_of(state.scope) is owner
    return SAME_CLASS if near else ACROSS


def _mentions(value: ast.expr, names: Set[str], held: ast.expr | None) -> bool:
    """Tell whether a value is the tensor, or a container with it."""
    base = links(value)
    if held is not None and (value is held or base is held):
        return True
    if name_of(value) in names or name_of(base) in names:
        return True
    if isinstance(base, (ast.List, ast.Tuple, ast.Set)):
        return any(_mentions(part, names, held) for part in base.elts)
    if isinstance(base, ast.Dict):
        return any(_mentions(part, names, held) for part in base.values)
    if isinstance(base, ast.IfExp):
        return _mentions(base.body, names, held) or _mentions(base.orelse, names, held)
    if isinstance(base, ast.Starred):
        return _mentions(base.value, names, held)
    if isinstance(base, ast.BinOp) and isinstance(base.op, ast.Add):
        sides = [base.left, base.right]
        listed = any(isinstance(side, (ast.List, ast.Tuple)) for side in sides)
        return listed and any(_mentions(side, names, held) for side in sides)
    return isinstance(base, ast.ListComp) and _mentions(base.elt, names, held)


def _asking(module: Module, node: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions whose gradient a node asks for."""
    if isinstance(node, ast.Attribute) and node.attr == "grad":
        if module.full_name(node) != "torch.autograd.grad":
            yield node.value
    elif isinstance(node, ast.Call):
        yield from _asked_by(module, node)


def _asked_by(module: Module, call: ast.Call) -> Iterator[ast.expr]:
    full = module.full_name(call.func)
    last = full.rpartition(".")[2]
    if full.endswith("autograd.grad") or last in CHECKS:
        yield from call.args[1:2]
        yield from (k.value for k in call.keywords if k.arg == "inputs")
    elif OPTIMIZER.fullmatch(last):
        yield from call.args[:1]
        yield from (k.value for k in call.keywords if k.arg == "params")
    elif isinstance(call.func, ast.Attribute) and call.func.attr in METHODS:
        yield call.func.value


def _names(node: ast.expr) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, (ast.Name, ast.Attribute, ast.Subscript)) and name_of(inner):
            yield name_of(inner)


def _backward_alone(module: Module, scope: Scope, names: Set[str]) -> bool:
    """Tell whether a backward pass starts from what is computed of it and of nothing trainable."""
    nodes = module.inside(scope)
    seen = {
        name_of(n).rpartition(".")[2] for n in nodes if isinstance(n, (ast.Name, ast.Attribute))
    }
    if any(OTHERS.fullmatch(name) or OPTIMIZER.fullmatch(name) for name in seen):
        return False
    if any(True for node in nodes for _ in _asking(module, node)):
        return False  # it is meant for what the gradient is asked of
    computed = set(names)
    for binding in module.bindings(scope):
        if computed & set(_names(binding.value)):
            computed.add(binding.name)
    return any(
        isinstance(n, ast.Call)
        and isinstance(n.func, ast.Attribute)
        and n.func.attr == "backward"
        and bool(computed & set(_names(n.func.value)))
        for n in nodes
    )
