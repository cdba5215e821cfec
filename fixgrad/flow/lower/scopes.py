"""Which names are local to a function, by Python's own rules."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Scope:
    """The names of one function, class body or module while it is lowered."""

    def __init__(self, kind: str, local: frozenset[str], outer: Scope | None) -> None:
        self.kind = kind  # "module", "class", "function"
        self.local = local
        self.outer = outer
        self.renamed: list[dict[str, str]] = []  # comprehension variables, innermost last

    def find(self, name: str) -> tuple[str, int]:
        """Return the cell's name and where it lives: 0 here, n functions out, -1 global."""
        depth = 0
        scope: Scope | None = self
        while scope is not None:
            for names in reversed(scope.renamed):
                if name in names:
                    return names[name], depth
            if name in scope.local and (scope is self or scope.kind == "function"):
                return name, depth
            scope = scope.outer
            depth += scope is not None and scope.kind == "function"
        return name, -1


def local_names(node: ast.AST, walrus: bool = True) -> frozenset[str]:
    """Return the names that the function, class or module binds itself.

    Where the file has no walrus, no expression binds a name, and none is looked into.
    """
    bound, elsewhere = _Names(), _Names()
    if isinstance(node, FUNCTIONS):
        a = node.args
        bound.update(p.arg for p in [*a.posonlyargs, *a.args, *a.kwonlyargs])
        bound.update(p.arg for p in (a.vararg, a.kwarg) if p is not None)
    if not isinstance(node, ast.Lambda):
        _bind_body(getattr(node, "body", []), bound, elsewhere)
    if walrus:
        inside = (inner for inner in own_nodes(node) if isinstance(inner, ast.NamedExpr))
        bound.update(inner.target.id for inner in inside)
    return frozenset(bound - elsewhere)


_Names: TypeAlias = set[str]


def _bind_body(body: Sequence[ast.stmt], bound: _Names, elsewhere: _Names) -> None:
    for statement in body:
        handler = _BINDERS.get(type(statement))
        if handler is not None:
            handler(statement, bound, elsewhere)


def _bind(target: ast.expr, bound: _Names) -> None:
    if isinstance(target, ast.Name):
        bound.add(target.id)
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            _bind(element, bound)
    elif isinstance(target, ast.Starred):
        _bind(target.value, bound)


def _assigned(node: ast.Assign | ast.Delete, bound: _Names, elsewhere: _Names) -> None:
    for target in node.targets:
        _bind(target, bound)


def _changed(node: ast.AugAssign | ast.AnnAssign, bound: _Names, elsewhere: _Names) -> None:
    _bind(node.target, bound)


def _named(node: Any, bound: _Names, elsewhere: _Names) -> None:
    _bind(node.name, bound)


def _defined(node: ast.FunctionDef | ast.ClassDef, bound: _Names, elsewhere: _Names) -> None:
    bound.add(node.name)


def _imported(node: ast.Import | ast.ImportFrom, bound: _Names, elsewhere: _Names) -> None:
    for alias in node.names:
        name = alias.name if isinstance(node, ast.ImportFrom) else alias.name.partition(".")[0]
        bound.add(alias.asname or name)


def _declared(node: ast.Global | ast.Nonlocal, bound: _Names, elsewhere: _Names) -> None:
    elsewhere.update(node.names)


def _chosen(node: ast.If | ast.While, bound: _Names, elsewhere: _Names) -> None:
    _bind_body(node.body, bound, elsewhere)
    _bind_body(node.orelse, bound, elsewhere)


def _repeated(node: ast.For | ast.AsyncFor, bound: _Names, elsewhere: _Names) -> None:
    _bind(node.target, bound)
    _bind_body(node.body, bound, elsewhere)
    _bind_body(node.orelse, bound, elsewhere)


def _managed(node: ast.With | ast.AsyncWith, bound: _Names, elsewhere: _Names) -> None:
    for item in node.items:
        if item.optional_vars is not None:
            _bind(item.optional_vars, bound)
    _bind_body(node.body, bound, elsewhere)


def _tried(node: ast.Try, bound: _Names, elsewhere: _Names) -> None:
    for body in (node.body, node.orelse, node.finalbody):
        _bind_body(body, bound, elsewhere)
    for handler in node.handlers:
        if handler.name is not None:
            bound.add(handler.name)
        _bind_body(handler.body, bound, elsewhere)


def _matched(node: ast.Match, bound: _Names, elsewhere: _Names) -> None:
    for case in node.cases:
        for part in ast.walk(case.pattern):
            name = part.rest if isinstance(part, ast.MatchMapping) else getattr(part, "name", None)
            if name is not None:
                bound.add(name)
        _bind_body(case.body, bound, elsewhere)


_BINDERS: dict[type[ast.AST], Callable[..., None]] = {
    ast.Assign: _assigned,
    ast.Delete: _assigned,
    ast.AugAssign: _changed,
    ast.AnnAssign: _changed,
    ast.FunctionDef: _defined,
    ast.AsyncFunctionDef: _defined,
    ast.ClassDef: _defined,
    ast.Import: _imported,
    ast.ImportFrom: _imported,
    ast.Global: _declared,
    ast.Nonlocal: _declared,
    ast.If: _chosen,
    ast.While: _chosen,
    ast.For: _repeated,
    ast.AsyncFor: _repeated,
    ast.With: _managed,
    ast.AsyncWith: _managed,
    ast.Try: _tried,
    ast.Match: _matched,
}
if hasattr(ast, "TryStar"):
    _BINDERS[ast.TryStar] = _tried
if hasattr(ast, "TypeAlias"):
    _BINDERS[ast.TypeAlias] = _named


def own_nodes(root: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a scope without those of the functions and classes inside it.

    Of a comprehension, only its walrus expressions: they bind in the function around it.
    """
    body = root.body if isinstance(root, ast.Lambda) else None
    stack: list[ast.AST] = [body] if body is not None else list(getattr(root, "body", []))
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            stack.extend(node.decorator_list)
        elif isinstance(node, COMPREHENSIONS):
            stack.extend(n for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
        elif not isinstance(node, ast.Lambda):
            stack.extend(ast.iter_child_nodes(node))


def has_yield(node: ast.AST) -> bool:
    """Say whether a function is a generator."""
    return any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in own_nodes(node))
