"""Turns a file's text into its intermediate form; the only place that reads Python's syntax trees.

`lower` is total: text that is not Python yields a `Problem`, valid Python always a `Module`.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator

from fixgrad.depth import deeply
from fixgrad.flow.ir import GLOBAL, MADE_OF, Function, Module, Op, Parameter
from fixgrad.flow.lower import unimported
from fixgrad.flow.lower.builder import Builder, Unit
from fixgrad.flow.lower.expressions import lower as lower_expression
from fixgrad.flow.lower.scopes import has_yield
from fixgrad.flow.lower.search import search_path
from fixgrad.flow.lower.statements import lower_body
from fixgrad.source import Problem, Source

_AnyFunction = ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef
_KINDS = {ast.Lambda: "lambda", ast.FunctionDef: "function", ast.AsyncFunctionDef: "coroutine"}


def lower(source: Source) -> Module | Problem:
    """Lower a file, or say where and why it is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SyntaxWarnings are the user's linter's business
            tree = _parsed(source)
    except SyntaxError as error:
        column = (error.offset or 1) - 1
        line = source.line(error.lineno or 1)
        return Problem(source.path, line, max(column, 0), f"not valid Python: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        return Problem(
            source.path, 1, 0, f"Python cannot parse this file: {error or type(error).__name__}"
        )
    try:
        return deeply(lambda: _module(tree, source))
    except RecursionError:
        return Problem(source.path, 1, 0, "the code is nested too deeply to be analysed")


def _parsed(source: Source) -> ast.Module:
    """Parse a file; the cells of a notebook each by itself, as they are run."""
    if source.notebook is None:
        return ast.parse(source.text)
    lines = source.lines()
    body: list[ast.stmt] = []
    for cell in source.notebook.cells:
        text = "".join(lines[cell.line - 1 : cell.end() - 1])
        try:
            body += ast.parse("\n" * (cell.line - 1) + text).body
        except SyntaxError as error:  # what is never closed is missed on the line after
            error.lineno = min(error.lineno or cell.line, cell.end() - 1)
            raise
    return ast.Module(body, [])


def _module(tree: ast.Module, source: Source) -> Module:
    unit = Unit(source, tree, _lower_function, _lower_class, lower_body)
    unit.functions.append(None)
    b = Builder(unit, unit.scope("module", tree, None), "", tree)
    lower_body(b, tree.body)
    unimported.bind(b, [f for f in unit.functions if f is not None])
    b.tokens |= set(_made_of(b.ops))
    unit.functions[0] = _finish(b, "module", (1, 0, 1, 0), (), 0)
    functions = tuple(f for f in unit.functions if f is not None)
    imports = (*unit.imports, *_of_pytest(source.path))
    return Module(source.path, functions, imports, search_path(tree, source.text))


def _made_of(ops: Iterable[Op]) -> Iterator[str]:
    """Yield for each variable of the file what the statement names that makes it."""
    stored: set[str] = set()
    named: set[str] = set()
    for op in (*ops, Op("stmt", (0, 0, 0, 0))):
        if op.kind == "stmt":
            yield from (name + MADE_OF + made for name in stored for made in named)
            stored, named = set(), set()
        elif op.kind == "store" and op.constant == GLOBAL:
            stored.add(op.target)
        elif op.kind in ("load", "method"):
            named.add(op.target)
        for block in op.blocks:
            yield from _made_of(block)


_MOST_CONFTESTS = 5  # files of fixtures: in the folder of a test and in those around it


def _of_pytest(path: str) -> tuple[tuple[str, str, str], ...]:
    """Return what pytest lets a file of tests have without an import: the fixtures around it."""
    file = path.replace("\\", "/").rpartition("/")[2]
    if not (file.startswith("test") or file.endswith("_test.py") or file == "conftest.py"):
        return ()
    first = 2 if file == "conftest.py" else 1
    return tuple(("*", "." * n + "conftest", "*") for n in range(first, _MOST_CONFTESTS + 1))


def _finish(
    b: Builder,
    kind: str,
    place: tuple[int, int, int, int],
    parameters: tuple[Parameter, ...],
    defaults: int,
) -> Function:
    return Function(
        b.name,
        kind,
        place,
        parameters,
        defaults,
        b.scope.local,
        frozenset(b.tokens),
        b.encloses,
        b.assigns,
        len(b.places),
        (tuple(b.ops), tuple(b.places)),
    )


def _lower_function(outer: Builder, node: _AnyFunction, name: str) -> int:
    """Lower a function and emit, in the function around it, the operation that makes it."""
    unit = outer.unit
    outer.encloses = True
    number = len(unit.functions)
    unit.functions.append(None)
    b = Builder(unit, unit.scope("function", node, outer.scope), _qualified(outer, name), node)
    if isinstance(node, ast.Lambda):
        b.act("return", node.body, "", (lower_expression(b, node.body),))
    else:
        lower_body(b, node.body)
    generator = unit.has_yield and not isinstance(node, ast.Lambda) and has_yield(node)
    kind = "generator" if generator else _KINDS[type(node)]
    place = unit.columns.place(node)
    plain = len(node.args.defaults)
    unit.functions[number] = _finish(b, kind, place, _parameters(node.args), plain)
    defaults = [lower_expression(outer, d) for d in node.args.defaults]
    names = [""] * len(defaults)
    for parameter, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if default is not None:
            defaults.append(lower_expression(outer, default))
            names.append(parameter.arg)
    return outer.emit("function", node, b.name, tuple(defaults), tuple(names), number)


def _lower_class(outer: Builder, node: ast.ClassDef) -> int:
    unit = outer.unit
    outer.encloses = True
    number = len(unit.functions)
    unit.functions.append(None)
    b = Builder(unit, unit.scope("class", node, outer.scope), _qualified(outer, node.name), node)
    for part in (n for base in node.bases for n in ast.walk(base)):
        if isinstance(part, ast.Name):
            b.tokens.add(part.id)
        elif isinstance(part, ast.Attribute):
            b.tokens.add(f".{part.attr}")
    lower_body(b, node.body)
    place = unit.columns.place(node)
    unit.functions[number] = _finish(b, "class", place, (), 0)
    given = [(base, "") for base in node.bases]
    given += [(k.value, k.arg) for k in node.keywords if k.arg and k.arg != "metaclass"]
    values = tuple(lower_expression(outer, value) for value, _ in given)
    return outer.emit("class", node, b.name, values, tuple(name for _, name in given), number)


def _qualified(outer: Builder, name: str) -> str:
    return f"{outer.name}.{name}" if outer.name else name


def _parameters(args: ast.arguments) -> tuple[Parameter, ...]:
    found = [Parameter(a.arg, "positional", _annotation(a)) for a in args.posonlyargs]
    found += [Parameter(a.arg, "", _annotation(a)) for a in args.args]
    if args.vararg is not None:
        found.append(Parameter(args.vararg.arg, "*", ""))
    found += [Parameter(a.arg, "keyword", _annotation(a)) for a in args.kwonlyargs]
    if args.kwarg is not None:
        found.append(Parameter(args.kwarg.arg, "**", ""))
    return tuple(found)


def _annotation(arg: ast.arg) -> str:
    """Return a dotted annotation as text; others say nothing."""
    node = arg.annotation
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value if node.value.replace(".", "").isidentifier() else ""
    while isinstance(node, ast.Subscript):
        node = node.value
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        return ".".join([node.id, *reversed(parts)])
    return ""
