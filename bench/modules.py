"""One parsed file: the nodes above each node, the scopes, and what names stand for in it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from typing import NamedTuple

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES = (*FUNCTIONS, ast.ClassDef, ast.Module)
ARRAY_LIBRARIES = ("numpy", "scipy", "cv2", "skimage", "sklearn", "imageio", "h5py")


class Binding(NamedTuple):
    """A name of a scope gets a value; `kind` is how: assigned, iterated over, or updated."""

    name: str
    value: ast.expr
    kind: str  # "=", "for", "+=", a "part" of a value that is taken apart
    node: ast.AST
    part: int = -1  # which one


class Module:
    """The text of a file and its syntax tree, with parents."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path, self.data = path, data
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a stray backslash of somebody's is not our affair
            self.tree = ast.parse(data)
        self.parents: dict[ast.AST, ast.AST] = {}
        self.nodes = sorted(
            self._entered(self.tree),
            key=lambda n: (getattr(n, "lineno", 0), getattr(n, "col_offset", 0)),
        )
        self._bindings: dict[ast.AST, list[Binding]] = {}
        self._inside: dict[ast.AST, list[ast.AST]] = {}
        self.torch: set[str] = set()
        self.arrays: set[str] = set()
        self.imported: dict[str, str] = {}
        for node in self.nodes:
            self._read_import(node)
            self._inside.setdefault(self.scope(node), []).append(node)

    def _entered(self, tree: ast.AST) -> Iterator[ast.AST]:
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
            yield node

    def _read_import(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                if alias.name == "torch" or (top == "torch" and not alias.asname):
                    self.torch.add(alias.asname or top)
                elif top in ARRAY_LIBRARIES:
                    self.arrays.add(alias.asname or top)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                self.imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                if node.module.split(".")[0] in ARRAY_LIBRARIES:
                    self.arrays.add(alias.asname or alias.name)

    def scope(self, node: ast.AST) -> Scope:
        """Return the function, class or module that a node stands in."""
        above = self.parents.get(node)
        while above is not None and not isinstance(above, SCOPES):
            above = self.parents.get(above)
        return above if isinstance(above, SCOPES) else self.tree

    def class_of(self, scope: Scope) -> ast.ClassDef | None:
        """Return the class around a scope, or none."""
        above: ast.AST | None = scope
        while above is not None and not isinstance(above, ast.ClassDef):
            above = self.parents.get(above)
        return above

    def inside(self, scope: Scope) -> list[ast.AST]:
        """Return the nodes of a scope in the order of the text, without those of scopes in it."""
        return self._inside.get(scope, [])

    def qualified(self, scope: Scope) -> str:
        """Return the dotted name of a scope within the module."""
        names = []
        above: ast.AST | None = scope
        while above is not None:
            if isinstance(above, (*FUNCTIONS, ast.ClassDef)):
                names.append(above.name)
            above = self.parents.get(above)
        return ".".join(reversed(names)) or "<module>"

    def bindings(self, scope: Scope) -> list[Binding]:
        """Return what is bound in a scope, in the order of the text."""
        if scope not in self._bindings:
            self._bindings[scope] = [b for n in self.inside(scope) for b in _bound(n)]
        return self._bindings[scope]

    def apart(self, one: ast.AST, other: ast.AST) -> bool:
        """Tell whether two nodes stand in the two branches of one `if`, so that one is run."""
        branches = {above: field for field, above in self._branches(one)}
        return any(branches.get(above, field) != field for field, above in self._branches(other))

    def _branches(self, node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
        above = self.parents.get(node)
        while above is not None:
            if isinstance(above, ast.If):
                yield ("body" if node in above.body else "orelse"), above
            node, above = above, self.parents.get(above)

    def full_name(self, node: ast.AST) -> str:
        """Return `torch.autograd.grad` for what names it by any import, or an empty text."""
        name = name_of(node)
        first, _, rest = name.partition(".")
        if first in self.imported:
            first = self.imported[first]
            first = "torch" if first.endswith(".torch") else first  # out of a module of the project
        elif first in self.torch:
            first = "torch"
        return f"{first}.{rest}" if rest else first


def _bound(node: ast.AST) -> Iterator[Binding]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _parts(target, node.value, "=", node)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
        yield from _parts(node.target, node.value, "=", node)
    elif isinstance(node, ast.AugAssign):
        yield from _parts(node.target, node.value, "+=", node)
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        yield from _parts(node.target, node.iter, "for", node)


def _parts(target: ast.expr, value: ast.expr, kind: str, node: ast.AST) -> Iterator[Binding]:
    if not isinstance(target, (ast.Tuple, ast.List)):
        if name := name_of(target):
            yield Binding(name, value, kind, node)
        return
    values = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
    for index, part in enumerate(target.elts):
        if kind == "=" and len(values) == len(target.elts):
            yield from _parts(part, values[index], kind, node)
        elif name := name_of(part):
            yield Binding(name, value, "for" if kind == "for" else "part", node, index)


def name_of(node: ast.AST) -> str:
    """Return `x`, `self.x` or `xs[0]` for such an expression, else an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = name_of(node.value)
        return f"{base}.{node.attr}" if base else ""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, (ast.Constant, ast.Name)):
        base = name_of(node.value)
        return f"{base}[{ast.unparse(node.slice)}]" if base else ""
    return ""


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Return the names of the parameters that arguments are given to by position, then the rest."""
    arguments = function.args
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument.arg for argument in listed]
