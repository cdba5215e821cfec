"""Which names are local to a function, by Python's own rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator

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


def local_names(node: ast.AST) -> frozenset[str]:
    """Return the names that the function, class or module binds itself."""
    names: set[str] = set()
    elsewhere: set[str] = set()
    if isinstance(node, FUNCTIONS):
        a = node.args
        names.update(p.arg for p in [*a.posonlyargs, *a.args, *a.kwonlyargs])
        names.update(p.arg for p in (a.vararg, a.kwarg) if p is not None)
    for inner in _own_nodes(node):
        if isinstance(inner, ast.Global | ast.Nonlocal):
            elsewhere.update(inner.names)
        else:
            names.update(_bound_by(inner))
    return frozenset(names - elsewhere)


def _bound_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Import():
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0]
        case ast.ImportFrom():
            for alias in node.names:
                yield alias.asname or alias.name
        case ast.ExceptHandler(name=str(name)):
            yield name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name


def _own_nodes(root: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a scope without those of the functions and classes inside it."""
    body = root.body if isinstance(root, ast.Lambda) else None
    stack: list[ast.AST] = [body] if body is not None else list(getattr(root, "body", []))
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            stack.extend(node.decorator_list)
        elif isinstance(node, COMPREHENSIONS):
            stack.extend(_walrus_targets(node))
        elif not isinstance(node, ast.Lambda):
            stack.extend(ast.iter_child_nodes(node))


def _walrus_targets(comprehension: ast.AST) -> Iterator[ast.AST]:
    # A walrus inside a comprehension binds in the function around it; the loop variables do not.
    for node in ast.walk(comprehension):
        if isinstance(node, ast.NamedExpr):
            yield node.target


def has_yield(node: ast.AST) -> bool:
    """Say whether a function is a generator."""
    return any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in _own_nodes(node))
