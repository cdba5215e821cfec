"""Collects the operations of one function while its syntax tree is walked."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from fixgrad.flow.ir import GLOBAL, SETS, Block, Constant, Function, Op, Place
from fixgrad.flow.lower.handlers import asserted
from fixgrad.flow.lower.scopes import Scope, local_names
from fixgrad.source import Source


class Columns:
    """Converts ast's UTF-8 byte columns to characters; free for lines that are ASCII."""

    def __init__(self, source: Source) -> None:
        self._wide = {n: line for n, line in enumerate(source.lines(), 1) if not line.isascii()}
        numbers = range(len(source.lines()) + 1) if source.notebook else ()
        self._numbers = [source.line(number) for number in numbers]

    def place(self, node: ast.stmt | ast.expr | ast.pattern) -> Place:
        """Return where a node stands, in characters."""
        end_line = node.end_lineno or node.lineno
        end = node.end_col_offset or 0
        if not self._wide and not self._numbers:
            return node.lineno, node.col_offset, end_line, end
        return (
            self._line(node.lineno),
            self._characters(node.lineno, node.col_offset),
            self._line(end_line),
            self._characters(end_line, end),
        )

    def _line(self, number: int) -> int:
        return self._numbers[number] if self._numbers else number

    def _characters(self, line: int, column: int) -> int:
        text = self._wide.get(line)
        return column if text is None else len(text.encode()[:column].decode(errors="replace"))


LowerFunction: TypeAlias = Callable[["Builder", Any, str], int]
Import: TypeAlias = tuple[str, str, str]  # local name, module, name in it
LowerBody: TypeAlias = Callable[["Builder", Sequence[ast.stmt]], None]
LowerClass: TypeAlias = Callable[["Builder", ast.ClassDef], int]


class Unit:
    """What all functions of one module share while it is lowered."""

    def __init__(
        self,
        source: Source,
        tree: ast.Module,
        lower_function: LowerFunction,
        lower_class: LowerClass,
        lower_body: LowerBody,
    ) -> None:
        self.columns = Columns(source)
        self.tree = tree
        self._texts: dict[str, set[str]] | None = None
        self.has_walrus = ":=" in source.text
        self.has_yield = "yield" in source.text
        self.lower_class = lower_class
        self.lower_body = lower_body
        self.lower_function = lower_function  # emits the operation that makes the function
        self.functions: list[Function | None] = []
        self.comprehensions = 0
        self.imports: list[Import] = []

    def texts_of(self, name: str) -> set[str]:
        """Return the texts that variables and parameters of this name are given where they are written out."""
        if self._texts is None:
            self._texts = _texts(self.tree)
        return self._texts.get(name, set())

    def scope(self, kind: str, node: ast.AST, outer: Scope | None) -> Scope:
        """Return the scope of a function, class or module."""
        return Scope(kind, local_names(node, self.has_walrus), outer)


def _texts(tree: ast.Module) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                found.setdefault(name, set()).add(text)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text))):
                found.setdefault(name, set()).add(text)
            case ast.arguments():
                given = zip(
                    reversed((*node.posonlyargs, *node.args)), reversed(node.defaults), strict=False
                )
                for parameter, value in (
                    *given,
                    *zip(node.kwonlyargs, node.kw_defaults, strict=True),
                ):
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        found.setdefault(parameter.arg, set()).add(value.value)
    return found


class Builder:
    """The function being lowered: its operations so far, its registers, its scope."""

    def __init__(self, unit: Unit, scope: Scope, name: str, node: ast.AST) -> None:
        self.unit = unit
        self.scope = scope
        self.name = name
        self.places: list[Place] = []
        self.tokens: set[str] = set()
        self.ops: list[Op] = []
        self.hidden = 0
        self.encloses = False  # functions or classes are defined in it
        self.assigns = False  # it sets attributes
        # into how many names an expression is unpacked, and the targets it is unpacked to
        self.unpacked: dict[ast.expr, int] = {}
        self.node = node
        self._asserted: set[str] | None = None

    def asserted(self) -> set[str]:
        """Return the names that assertions of the function, class or module mention."""
        if self._asserted is None:
            self._asserted = asserted([self.node])
        return self._asserted

    def emit(
        self,
        kind: str,
        node: ast.stmt | ast.expr | Place,
        target: str = "",
        args: tuple[int, ...] = (),
        names: tuple[str, ...] = (),
        constant: Constant = None,
        blocks: tuple[Block, ...] = (),
    ) -> int:
        """Add an operation that has a result; return its register."""
        place = node if isinstance(node, tuple) else self.unit.columns.place(node)
        out = len(self.places)
        self.places.append(place)
        self.ops.append(Op(kind, place, out, target, args, names, constant, blocks))
        return out

    def act(
        self,
        kind: str,
        node: ast.stmt | ast.expr | Place,
        target: str = "",
        args: tuple[int, ...] = (),
        constant: Constant = None,
        blocks: tuple[Block, ...] = (),
    ) -> None:
        """Add an operation that has no result."""
        place = node if isinstance(node, tuple) else self.unit.columns.place(node)
        self.ops.append(Op(kind, place, -1, target, args, (), constant, blocks))

    @contextmanager
    def block(self) -> Iterator[list[Op]]:
        """Collect what is emitted inside into a block of its own."""
        outer, self.ops = self.ops, []
        try:
            yield self.ops
        finally:
            self.ops = outer

    def load(self, name: str, node: ast.expr | ast.stmt | Place) -> int:
        """Read a variable."""
        cell, scope = self._cell(name)
        return self.emit("load", node, cell, constant=scope)

    def store(self, name: str, value: int, node: ast.expr | ast.stmt | Place) -> None:
        """Write a variable."""
        cell, scope = self._cell(name)
        if scope == GLOBAL and self.scope.kind == "function":
            self.tokens.add(SETS)
        self.act("store", node, cell, (value,), scope)

    def changes(self, node: ast.expr) -> None:
        """Note that what an expression is changes, where a variable of the file leads to it."""
        while isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        outside = isinstance(node, ast.Name) and self.scope.find(node.id)[1] == GLOBAL
        if outside and self.scope.kind == "function":
            self.tokens.add(SETS)

    def mentions(self, *nodes: ast.AST) -> str:
        """Return the variables that are read in some code, each with its scope: "p:0 names:-1"."""
        read: set[str] = set()
        pending: list[Any] = list(nodes)
        while pending:
            node = pending.pop()
            kind = type(node)
            if kind is ast.Name:
                if type(node.ctx) is ast.Load:
                    read.add(node.id)
            elif kind is ast.Attribute:
                pending.append(node.value)
            elif kind is not ast.Constant:
                pending.extend(ast.iter_child_nodes(node))
        return " ".join(f"{cell}:{scope}" for cell, scope in sorted(map(self._cell, read)))

    def _cell(self, name: str) -> tuple[str, int]:
        cell, scope = self.scope.find(name)
        return cell, -1 if self.scope.kind == "module" and scope == 0 else scope

    def hidden_name(self) -> str:
        """Return a local name that no program can use."""
        self.hidden += 1
        return f"%{self.hidden}"
