"""Where a file turns outside data into tensors, which of them are granted a gradient, and their
text without the grants."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, TypeGuard

from bench.modules import Binding, Module, Scope, name_of

CONVERSION = re.compile(
    r"torch\.(cuda\.)?(from_numpy|as_tensor|tensor|Tensor|(Float|Double|Half)Tensor)"
)
# What gives the same values again, so that a grant after it is one of the conversion before it.
LINK = re.compile(
    "float|double|half|to|cuda|cpu|type|type_as|view|view_as|reshape|unsqueeze|squeeze|clone|detach"
    "|contiguous|transpose|permute|t|expand|repeat|flatten|requires_grad_|pin_memory"
)
WRAPPERS = ("Variable", "Parameter")
KEYWORD = "requires_grad"


class Cut(NamedTuple):
    """A stretch of the file to be replaced."""

    start: int
    end: int
    text: bytes = b""


class Site(NamedTuple):
    """A conversion, under a name that survives edits around it."""

    path: str
    scope: str
    ordinal: int  # among the conversions of its scope
    line: int
    call: ast.Call
    outer: ast.expr  # with the links after the conversion
    name: str  # what holds the tensor, or empty
    cuts: tuple[Cut, ...]  # one for each grant
    state: str  # "granted", "plain", "parameter", "unclear"

    @property
    def key(self) -> tuple[str, str, int]:
        """Name the site, whatever is edited around it."""
        return self.path, self.scope, self.ordinal


def find_sites(module: Module) -> Iterator[Site]:
    """Yield the conversions of a file."""
    ordinals: Counter[str] = Counter()
    offsets = _line_offsets(module.data)
    for node in module.nodes:
        if isinstance(node, ast.Call) and CONVERSION.fullmatch(module.full_name(node.func)):
            scope = module.scope(node)
            qualified = module.qualified(scope)
            yield _site(module, node, scope, ordinals[qualified], offsets)
            ordinals[qualified] += 1


def stripped(data: bytes, cuts: set[Cut]) -> bytes:
    """Return the text without the grants."""
    for cut in sorted(cuts, reverse=True):
        data = data[: cut.start] + cut.text + data[cut.end :]
    return data


def links(node: ast.expr) -> ast.expr:
    """Return what the links of an expression start from."""
    while True:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and LINK.fullmatch(node.func.attr)
        ):
            node = node.func.value
        elif isinstance(node, ast.Call) and node.args and _wrapper(node):
            node = node.args[0]
        elif _part(node):
            node = node.value
        else:
            return node


def _site(module: Module, call: ast.Call, scope: Scope, ordinal: int, offsets: list[int]) -> Site:
    found = _Grants(module, offsets)
    found.keyword(call)
    outer = found.climb(call)
    name = _held(module, outer)
    for each in (name,) if name else _unpacked(module, outer):
        found.later(scope, each, outer)
    state = "granted" if found.cuts else "plain"
    state = "parameter" if found.parameter else "unclear" if found.unclear else state
    return Site(
        *(module.path, module.qualified(scope), ordinal, call.lineno, call, outer, name),
        *(tuple(found.cuts), state),
    )


def _held(module: Module, outer: ast.expr) -> str:
    for binding in module.bindings(module.scope(outer)):
        if binding.value is outer and binding.kind == "=":
            return binding.name
    return ""


def _unpacked(module: Module, outer: ast.expr) -> list[str]:
    """Return the names that a comprehension of conversions is unpacked into: any may be granted."""
    node, above = outer, module.parents.get(outer)
    while isinstance(above, ast.IfExp) and node is not above.test:
        node, above = above, module.parents.get(above)
    if not isinstance(above, ast.ListComp | ast.GeneratorExp) or above.elt is not node:
        return []
    statement = module.parents.get(above)
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Tuple):
        return []
    return [target.id for target in statement.targets[0].elts if isinstance(target, ast.Name)]


def _part(node: ast.AST) -> TypeGuard[ast.Attribute | ast.Subscript]:
    return isinstance(node, ast.Subscript) or (
        isinstance(node, ast.Attribute) and node.attr in ("T", "data")
    )


def _wrapper(call: ast.Call) -> str:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else name_of(call.func)
    return name if name in WRAPPERS else ""


class _Grants:
    """Collects the grants of one conversion as cuts."""

    def __init__(self, module: Module, offsets: list[int]) -> None:
        self.module, self.offsets = module, offsets
        self.cuts: list[Cut] = []
        self.unclear = self.parameter = False

    def keyword(self, call: ast.Call) -> None:
        """Look at `requires_grad=` of a call."""
        for keyword in call.keywords:
            if keyword.arg != KEYWORD:
                continue
            if not isinstance(keyword.value, ast.Constant):
                self.unclear = True
            elif keyword.value.value:
                self._add(self._keyword_cut(keyword))

    def climb(self, node: ast.expr) -> ast.expr:
        """Follow the links outwards, past the grants among them."""
        while True:
            above = self.module.parents.get(node)
            call = self.module.parents.get(above) if above is not None else None
            if isinstance(above, ast.Call) and above.args[:1] == [node] and _wrapper(above):
                self.parameter |= _wrapper(above) == "Parameter"
                self.keyword(above)
                node = above
            elif (
                isinstance(above, ast.Attribute)
                and LINK.fullmatch(above.attr)
                and isinstance(call, ast.Call)
                and call.func is above
            ):
                self._method(call, above)
                node = call
            elif above is not None and _part(above) and above.value is node:
                node = above
            else:
                return node

    def later(self, scope: Scope, name: str, outer: ast.expr) -> None:
        """Look at what is done in the same scope with the name, until it gets another value."""
        names, derived = {name}, set[str]()
        bound: dict[ast.AST, list[Binding]] = {}
        for binding in self.module.bindings(scope):
            bound.setdefault(binding.node, []).append(binding)
        begun = False
        for node in self.module.inside(scope):
            if node is outer:
                begun = True
            elif begun and isinstance(node, ast.stmt):
                self._granted_by(node, names, derived)
                for binding in bound.get(node, ()):
                    self._rebound(binding, names, derived, outer)

    def _rebound(
        self, binding: Binding, names: set[str], derived: set[str], outer: ast.expr
    ) -> None:
        name, value, kind, node, _ = binding
        if kind == "=" and value is not outer and name_of(links(value)) in names:
            names.add(name)
            self._along(value)
        elif name in names and kind != "+=" and not self.module.apart(outer, node):
            names.discard(name)
            if any(name_of(inner) == name for inner in ast.walk(value)):
                derived.add(name)  # a grant of it may be one of the conversion too

    def _granted_by(self, statement: ast.stmt, names: set[str], derived: set[str]) -> None:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            if isinstance(call.func, ast.Attribute) and call.func.attr == "requires_grad_":
                name = name_of(call.func.value)
                self.unclear |= name in derived
                if name in names:
                    self._statement(statement, call.args[0] if call.args else None)
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Attribute) and target.attr == KEYWORD:
                    self.unclear |= name_of(target.value) in derived
                    if name_of(target.value) in names:
                        self._statement(statement, statement.value)

    def _along(self, value: ast.expr) -> None:
        """Look at the grants among the links of another name's value."""
        for node in ast.walk(value):
            if isinstance(node, ast.Call) and _wrapper(node):
                self.parameter |= _wrapper(node) == "Parameter"
                self.keyword(node)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                self._method(node, node.func)

    def _method(self, call: ast.Call, function: ast.Attribute) -> None:
        if function.attr != "requires_grad_":
            return
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if given and not isinstance(given[0], ast.Constant):
            self.unclear = True
        elif not given or getattr(given[0], "value", False):
            name = self._offset(function.end_lineno, function.end_col_offset) - len(function.attr)
            start = self.module.data.rindex(b".", 0, name)
            self._add(Cut(start, self._offset(call.end_lineno, call.end_col_offset)))

    def _statement(self, statement: ast.stmt, value: ast.expr | None) -> None:
        if value is not None and not isinstance(value, ast.Constant):
            self.unclear = True
        elif value is None or value.value:
            start = self._offset(statement.lineno, statement.col_offset)
            end = self._offset(statement.end_lineno, statement.end_col_offset)
            self._add(Cut(start, end, b"pass"))

    def _keyword_cut(self, keyword: ast.keyword) -> Cut | None:
        data = self.module.data
        start = self._offset(keyword.lineno, keyword.col_offset)
        end = self._offset(keyword.end_lineno, keyword.end_col_offset)
        before = data[:start].rstrip()
        if before.endswith(b","):
            return Cut(len(before) - 1, end)
        after = data[end:].lstrip()
        if before.endswith(b"(") and after.startswith(b","):
            return Cut(start, len(data) - len(after[1:].lstrip(b" ")))
        return None  # a comment stands between: too rare to be worth the trouble

    def _add(self, cut: Cut | None) -> None:
        if cut is None:
            self.unclear = True
        elif cut not in self.cuts:
            self.cuts.append(cut)

    def _offset(self, line: int | None, column: int | None) -> int:
        assert line is not None
        assert column is not None
        return self.offsets[line - 1] + column


def _line_offsets(data: bytes) -> list[int]:
    """Return where each line begins, as the parser counts them."""
    offsets = [3 if data.startswith(b"\xef\xbb\xbf") else 0]
    for line in data[offsets[0] :].split(b"\n"):
        offsets.append(offsets[-1] + len(line) + 1)
    return offsets
