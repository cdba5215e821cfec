"""Whether what a conversion is given is a NumPy array, as far as names and calls show it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence

from bench.modules import ARRAY_LIBRARIES, FUNCTIONS, Module, Scope, name_of, parameters

ARRAY, TENSOR, LITERAL, UNKNOWN = "array", "tensor", "literal", "unknown"
MAKES_ARRAY = ("numpy", "astype", "to_numpy", "toarray")
KEEPS = re.compile(
    "reshape|copy|flatten|ravel|transpose|squeeze|mean|sum|swapaxes|dot|clip|repeat|min|max|std"
    "|cumsum|argmax|round|conj|real|imag|T"
)
NUMBERS = ("float", "int", "len", "range", "bool")
DEPTH = 8
FEW = 5  # functions of one name


class Calls:
    """Who calls what in a project, by the last part of the name."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self.functions: dict[str, list[tuple[Module, Scope]]] = {}
        self.calls: dict[str, list[tuple[Module, ast.Call]]] = {}
        self.handed: set[tuple[Module, str]] = set()  # functions that SciPy calls
        for module in modules:
            for node in module.nodes:
                if isinstance(node, FUNCTIONS):
                    self.functions.setdefault(_public(module, node), []).append((module, node))
                elif isinstance(node, ast.Call):
                    name = name_of(node.func).rpartition(".")[2]
                    self.calls.setdefault(name, []).append((module, node))
                    if module.full_name(node.func).split(".")[0] in {*module.arrays, "scipy"}:
                        given = [a.id for a in node.args if isinstance(a, ast.Name)]
                        self.handed.update((module, each) for each in given)

    def of(self, module: Module, function: Scope) -> Sequence[tuple[Module, ast.Call]]:
        """Return the calls of a function of the project."""
        return self.calls.get(_public(module, function), [])

    def callee(self, module: Module, call: ast.Call) -> Sequence[tuple[Module, Scope]]:
        """Return the functions that a call may mean: those of its own file, else if they are few."""
        found = self.functions.get(name_of(call.func).rpartition(".")[2], [])
        near = [each for each in found if each[0] is module] or found
        return near if len(near) <= FEW else []


def _public(module: Module, function: Scope) -> str:
    """Return under which name a function is called; a constructor has the name of its class."""
    name = getattr(function, "name", "")
    owner = module.class_of(module.scope(function)) if name == "__init__" else None
    return owner.name if owner is not None else name


def argument_of(call: ast.Call, function: Scope, parameter: str) -> ast.expr | None:
    """Return what a call gives for a parameter."""
    if not isinstance(function, FUNCTIONS):
        return None
    for keyword in call.keywords:
        if keyword.arg == parameter:
            return keyword.value
    names = parameters(function)
    bound = names[1:] if names[:1] == ["self"] else names
    if parameter not in bound or bound.index(parameter) >= len(call.args):
        return None
    return call.args[bound.index(parameter)]


class Origins:
    """Follows names back, within a scope, out of it, and to the callers of a function."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def of_conversion(self, module: Module, call: ast.Call) -> str:
        """Return where the values of a conversion come from."""
        if module.full_name(call.func).endswith(".from_numpy"):
            return ARRAY
        given = call.args[0] if call.args else None
        given = next((k.value for k in call.keywords if k.arg == "data"), given)
        return self._of(module, given, DEPTH) if given is not None else LITERAL

    def _of(self, module: Module, node: ast.expr, depth: int) -> str:
        if not depth:
            return UNKNOWN
        depth -= 1
        if isinstance(node, ast.Constant):
            return LITERAL
        if isinstance(node, ast.Call):
            return self._of_call(module, node, depth)
        if isinstance(node, ast.Attribute) and name_of(node).split(".")[0] in module.arrays:
            return LITERAL  # numpy.pi and its like
        if isinstance(node, ast.Attribute) and KEEPS.fullmatch(node.attr):
            return self._of(module, node.value, depth)
        if isinstance(node, ast.Attribute) and node.attr == "values":
            return ARRAY  # of a data frame
        if isinstance(node, ast.Subscript):
            return self._of_part(module, node, depth)
        if name := name_of(node):
            return self._of_name(module, name, node, depth)
        if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
            return self._of(module, node.elt, depth)
        inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        return _together([self._of(module, child, depth) for child in inner])

    def _of_part(self, module: Module, node: ast.Subscript, depth: int) -> str:
        whole = self._of(module, node.value, depth)
        index = node.slice
        sliced = isinstance(index, ast.Tuple) and any(isinstance(i, ast.Slice) for i in index.elts)
        return ARRAY if whole == UNKNOWN and sliced else whole  # no list has such an index

    def _of_call(self, module: Module, call: ast.Call, depth: int) -> str:
        full = module.full_name(call.func)
        last = call.func.attr if isinstance(call.func, ast.Attribute) else full
        if full.split(".")[0] == "torch" or last == "Variable":
            return TENSOR
        if last in MAKES_ARRAY or full.split(".")[0] in {*module.arrays, *ARRAY_LIBRARIES}:
            return ARRAY
        if full in NUMBERS:
            return LITERAL
        if full in ("list", "tuple", "sorted") and call.args:
            return self._of(module, call.args[0], depth)
        if isinstance(call.func, ast.Attribute) and KEEPS.fullmatch(last):
            return self._of(module, call.func.value, depth)
        returned = [
            self._of(where, node.value, depth - 1)
            for where, function in self.calls.callee(module, call)
            for node in where.inside(function)
            if depth and isinstance(node, ast.Return) and node.value is not None
        ]
        return _together(returned) if returned else UNKNOWN

    def _of_name(self, module: Module, name: str, node: ast.expr, depth: int) -> str:
        scope = module.scope(node)
        bound = self._bound(module, scope, name, node, depth)
        if bound:
            return _by_name(name) if bound == UNKNOWN else bound
        if isinstance(scope, FUNCTIONS) and name in parameters(scope):
            return self._of_parameter(module, scope, name, depth)
        if scope is not module.tree and not name.startswith("self."):
            return self._bound(module, module.tree, name, None, depth) or _by_name(name)
        owner = module.class_of(scope)
        for method in owner.body if owner is not None else []:
            if isinstance(method, FUNCTIONS) and method is not scope:
                bound = bound or self._bound(module, method, name, None, depth)
        return bound or _by_name(name)

    def _bound(
        self, module: Module, scope: Scope, name: str, before: ast.expr | None, depth: int
    ) -> str:
        """Return the origin of the last value that the name got before a place of the scope."""
        found = ""
        for binding in module.bindings(scope):
            late = before is not None and binding.value.lineno > before.lineno
            if late and not isinstance(binding.node, ast.comprehension):
                break
            holds_it = any(child is before for child in ast.walk(binding.value))
            if binding.name == name and binding.kind != "+=" and not holds_it:
                found = self._of(module, binding.value, depth)
        return found

    def _of_parameter(
        self,
        module: Module,
        function: ast.FunctionDef | ast.AsyncFunctionDef,
        name: str,
        depth: int,
    ) -> str:
        if depth < 3:
            return _by_name(name)
        given = [
            self._of(where, argument, depth - 2)
            for where, call in self.calls.of(module, function)[:10]
            if (argument := argument_of(call, function, name)) is not None
        ]
        array = ARRAY in given or (module, function.name) in self.calls.handed
        return ARRAY if array else _by_name(name)


def _by_name(name: str) -> str:
    """Return what a name alone tells: many people mark their arrays."""
    words = name.lower().replace(".", "_").split("_")
    return ARRAY if {"np", "numpy", "ndarray", "arr", "array"} & set(words) else UNKNOWN


def _together(origins: Sequence[str]) -> str:
    for origin in (TENSOR, ARRAY, UNKNOWN):
        if origin in origins:
            return origin
    return LITERAL
