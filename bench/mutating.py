"""The mutants of a module: what mutmut's operators make of the bodies of its functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators


class Mutant(NamedTuple):
    """One small change of a module's text."""

    path: str
    function: str  # the names it stands in, with dots
    number: int  # among the mutants of the file
    operator: str
    first: int  # the line where the statement begins, and those of the changed expression
    lines: tuple[int, int]
    start: tuple[int, int]  # line and column
    end: tuple[int, int]
    before: str
    after: str

    def __str__(self) -> str:
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{self.path}:{self.start[0]}: {self.function}: {before!r} becomes {after!r}"

    def applied(self, text: str) -> str:
        """Return the module's text with the change."""
        lines = text.splitlines(keepends=True)
        begin, end = (sum(map(len, lines[: at[0] - 1])) + at[1] for at in (self.start, self.end))
        return text[:begin] + self.after + text[end:]


def mutants_of(root: Path, path: str) -> list[Mutant]:
    """Return all mutants of a file."""
    finder = _Finder(path, cst.parse_module((root / path).read_text("utf-8")))
    finder.wrapper.visit(finder)
    return [mutant._replace(number=number) for number, mutant in enumerate(finder.mutants)]


class _Finder(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, path: str, module: cst.Module) -> None:
        super().__init__()
        self.wrapper = MetadataWrapper(module)
        self.module = self.wrapper.module
        self.path = path
        self.names: list[str] = []
        self.depth = 0  # of functions
        self.statements: list[int] = []  # their first lines
        self.mutants: list[Mutant] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Annotation | cst.Decorator | cst.Parameters):
            return False
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self.names.append(node.name.value)
            self.depth += isinstance(node, cst.FunctionDef)
        if isinstance(node, cst.BaseStatement):
            self.statements.append(self.range_of(node).start.line)
        if self.depth:
            self.mutants.extend(self.made_of(node))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.FunctionDef | cst.ClassDef):
            self.names.pop()
            self.depth -= isinstance(original_node, cst.FunctionDef)
        if isinstance(original_node, cst.BaseStatement):
            self.statements.pop()

    def range_of(self, node: cst.CSTNode) -> CodeRange:
        found = self.get_metadata(PositionProvider, node)
        assert isinstance(found, CodeRange)
        return found

    def made_of(self, node: cst.CSTNode) -> Iterator[Mutant]:
        """Yield what the operators make of one node."""
        for kind, operator in mutation_operators:
            if not isinstance(node, kind):
                continue
            for changed in operator(node):
                place = self.range_of(node)
                start, end = (place.start, place.end)
                yield Mutant(
                    self.path,
                    ".".join(self.names),
                    0,
                    operator.__name__.removeprefix("operator_"),
                    self.statements[-1],
                    (start.line, end.line),
                    (start.line, start.column),
                    (end.line, end.column),
                    self.module.code_for_node(node),
                    self.module.code_for_node(changed),
                )
