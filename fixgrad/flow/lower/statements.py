"""Lowers statements; each begins with a `stmt` mark that carries its place."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from fixgrad.flow.ir import REGISTERS, Block, Op
from fixgrad.flow.lower.builder import Builder
from fixgrad.flow.lower.expressions import OPERATORS, assign, imported_by_name, lower
from fixgrad.flow.lower.handlers import (
    attitude,
    catches_only_imports,
    catches_only_kinds,
    hides_mistakes,
    name_of,
    names_of,
)
from fixgrad.flow.lower.patterns import lower_match

_COMPOUND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match, ast.FunctionDef,
             ast.AsyncFunctionDef, ast.ClassDef, getattr(ast, "TryStar", ast.Try))  # fmt: skip


def lower_body(b: Builder, body: Sequence[ast.stmt]) -> None:
    """Lower statements in order into the current block."""
    for node in body:
        b.act("stmt", node, "compound" if isinstance(node, _COMPOUND) else "")
        handler = _HANDLERS.get(type(node))
        if handler is not None:
            handler(b, node)


def block_of(b: Builder, body: Sequence[ast.stmt]) -> Block:
    """Lower statements into a block of their own."""
    with b.block() as ops:
        lower_body(b, body)
    return tuple(ops)


def _expression(b: Builder, node: ast.Expr) -> None:
    b.act("display", node, "", (lower(b, node.value),))


def _assign(b: Builder, node: ast.Assign) -> None:
    if len(node.targets) == 1 and _pairwise(b, node.targets[0], node.value):
        return
    _note_unpacking(b, node)
    value = lower(b, node.value)
    module = imported_by_name(node.value)
    for target in node.targets:
        assign(b, target, value)
        if module and isinstance(target, ast.Name):
            b.unit.imports.append((target.id, module, ""))


def _pairwise(b: Builder, target: ast.expr, value: ast.expr) -> bool:
    """`a, b = x, y`: each name gets its own value, all values first."""
    sequence = (ast.Tuple, ast.List)
    if not (isinstance(target, sequence) and isinstance(value, sequence)):
        return False
    plain = not any(isinstance(e, ast.Starred) for e in [*target.elts, *value.elts])
    if not plain or len(target.elts) != len(value.elts):
        return False
    values = [lower(b, e) for e in value.elts]
    for element, register in zip(target.elts, values, strict=True):
        assign(b, element, register)
    return True


def _note_unpacking(b: Builder, node: ast.Assign) -> None:
    """`a, b = (f(x) for x in xs)`: there are two of what is made one by one."""
    for target in node.targets:
        if not isinstance(target, ast.Tuple | ast.List):
            continue
        if not any(isinstance(e, ast.Starred) for e in target.elts):
            b.unpacked[node.value] = b.unpacked[target] = len(target.elts)


def _annotated(b: Builder, node: ast.AnnAssign) -> None:
    if node.value is not None:
        assign(b, node.target, lower(b, node.value))
    elif b.scope.kind == "class" and isinstance(node.target, ast.Name):
        b.act("declare", node, node.target.id)


def _augmented(b: Builder, node: ast.AugAssign) -> None:
    """`x += y`: read the target, change the value in place, store it back."""
    operator = OPERATORS[type(node.op)]
    match node.target:
        case ast.Name():
            _cell, _scope = b.scope.find(node.target.id)
            old = b.load(node.target.id, node.target)
            new = b.emit("inplace", node, operator, (old, lower(b, node.value)))
            b.store(node.target.id, new, node)
        case ast.Attribute():
            b.tokens.add("." + node.target.attr)
            owner = lower(b, node.target.value)
            old = b.emit("attr", node.target, node.target.attr, (owner,))
            new = b.emit("inplace", node, operator, (old, lower(b, node.value)))
            b.act("setattr", node, node.target.attr, (owner, new))
            b.assigns = True
            b.changes(node.target.value)
        case ast.Subscript():
            owner, key = lower(b, node.target.value), lower(b, node.target.slice)
            old = b.emit("index", node.target, args=(owner, key))
            new = b.emit("inplace", node, operator, (old, lower(b, node.value)))
            b.act("setindex", node, "aug", (owner, key, new))
            b.changes(node.target.value)


def _delete(b: Builder, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, ast.Name):
            cell, scope = b.scope.find(target.id)
            outermost = b.scope.kind == "module" and scope == 0
            b.act("delete", node, cell, constant=-1 if outermost else scope)
        elif isinstance(target, ast.Subscript):
            owner, key = lower(b, target.value), lower(b, target.slice)
            b.emit("method", node, "__delitem__", (owner, key), ("", ""))
        elif isinstance(target, ast.Attribute):
            b.act("delattr", node, target.attr, (lower(b, target.value),))


def _function(b: Builder, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    decorators = [lower(b, d) for d in node.decorator_list]
    value = b.unit.lower_function(b, node, node.name)
    if _may_register(node):
        b.tokens |= {node.name, *_decorators(node)}
    for decorator in reversed(decorators):
        value = b.emit("call", node, "decorator", (decorator, value), ("", ""))
    b.store(node.name, value, node)


_PLAIN = {"property", "staticmethod", "classmethod", "cached_property", "no_grad", "dataclass"}


def _may_register(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Say whether a decorator may keep what it decorates: it is reached without its name."""
    called = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    names = [d.attr if isinstance(d, ast.Attribute) else getattr(d, "id", "") for d in called]
    return any(name not in _PLAIN for name in names)


def _decorators(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> set[str]:
    """Return the names that the decorators begin with, as tokens: "@registry"."""
    found: set[str] = set()
    for decorator in node.decorator_list:
        first = decorator
        while isinstance(first, ast.Call | ast.Attribute):
            first = first.func if isinstance(first, ast.Call) else first.value
        if isinstance(first, ast.Name):
            found.add(f"@{first.id}")
    return found


def _heard_of(b: Builder, node: ast.ClassDef) -> bool:
    """Say whether a base of this file hears of the class: by `__init_subclass__`."""
    hooks = {f"{base.id}.__init_subclass__" for base in node.bases if isinstance(base, ast.Name)}
    return any(f is not None and f.name in hooks for f in b.unit.functions)


def _class(b: Builder, node: ast.ClassDef) -> None:
    decorators = [lower(b, d) for d in node.decorator_list]
    value = b.unit.lower_class(b, node)
    if _may_register(node):
        b.tokens |= {node.name, *_decorators(node)}
    if _heard_of(b, node):
        b.tokens |= {node.name, REGISTERS}
    for decorator in reversed(decorators):
        value = b.emit("call", node, "decorator", (decorator, value), ("", ""))
    b.store(node.name, value, node)


def _return(b: Builder, node: ast.Return) -> None:
    args = (lower(b, node.value),) if node.value is not None else ()
    b.act("return", node, "", args)


def _if(b: Builder, node: ast.If) -> None:
    test = lower(b, node.test)
    blocks = (block_of(b, node.body), block_of(b, node.orelse))
    b.act("branch", node, "if", (test,), b.mentions(node.test), blocks)


def _for(b: Builder, node: ast.For | ast.AsyncFor) -> None:
    iterable = lower(b, node.iter)
    element = len(b.places)
    b.places.append(b.unit.columns.place(node.target))
    with b.block() as ops:
        assign(b, node.target, element)
        lower_body(b, node.body)
    blocks = ((), tuple(ops), block_of(b, node.orelse))
    place = b.unit.columns.place(node)
    b.ops.append(Op("loop", place, element, "for", (iterable,), (), None, blocks))


def _while(b: Builder, node: ast.While) -> None:
    with b.block() as head:
        test = lower(b, node.test)
    blocks = (tuple(head), block_of(b, node.body), block_of(b, node.orelse))
    b.act("loop", node, "while", (test,), blocks=blocks)


def _with(b: Builder, node: ast.With | ast.AsyncWith) -> None:
    _with_items(b, node, list(node.items))


def _with_items(b: Builder, node: ast.With | ast.AsyncWith, items: list[ast.withitem]) -> None:
    if not items:
        lower_body(b, node.body)
        return
    item, rest = items[0], items[1:]
    context = lower(b, item.context_expr)
    if isinstance(item.context_expr, ast.Call) and b.ops[-1].out == context:
        b.ops[-1] = b.ops[-1]._replace(constant="with")
    entered = len(b.places)
    b.places.append(b.unit.columns.place(item.context_expr))
    with b.block() as ops:
        if item.optional_vars is not None:
            assign(b, item.optional_vars, entered)
        _with_items(b, node, rest)
    place = b.unit.columns.place(node)
    b.ops.append(Op("with", place, entered, "", (context,), (), None, (tuple(ops),)))


def _try(b: Builder, node: ast.Try) -> None:
    """Blocks: the body, what follows it without an exception, the end, then the handlers."""
    handlers, caught_types = [], []
    for handler in node.handlers:
        caught_types.append(_about(b, node, handler))
        with b.block() as ops:
            kinds = (lower(b, handler.type),) if handler.type is not None else ()
            if handler.name:
                caught = b.emit("opaque", node, "exception", kinds)
                b.store(handler.name, caught, node)
            lower_body(b, handler.body)
        handlers.append(tuple(ops))
    body, orelse, final = (block_of(b, part) for part in (node.body, node.orelse, node.finalbody))
    place, blocks = b.unit.columns.place(node), (body, orelse, final, *handlers)
    mentioned = b.mentions(*node.body) if any(map(hides_mistakes, node.handlers)) else None
    nets = " ".join(name for h in node.handlers for name in names_of(h))
    b.ops.append(Op("try", place, -1, nets, (), tuple(caught_types), mentioned, blocks))


def _about(b: Builder, node: ast.Try, handler: ast.ExceptHandler) -> str:
    if catches_only_imports(handler.type):
        return "ImportError"
    kinds = "kinds" if catches_only_kinds(handler.type) else ""
    return f"{attitude(node, handler, b.asserted)} {kinds}".strip()


def _raise(b: Builder, node: ast.Raise) -> None:
    raised = node.exc
    args = (lower(b, raised),) if raised is not None else ()
    b.act("raise", node, name_of(raised.func if isinstance(raised, ast.Call) else raised), args)


def _assert(b: Builder, node: ast.Assert) -> None:
    for test in _conjuncts(node.test):
        b.act("assert", node, "", (lower(b, test),))


def _conjuncts(test: ast.expr) -> list[ast.expr]:
    """Return what a test asks for, part by part: `assert a and b` asserts both."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return [part for value in test.values for part in _conjuncts(value)]
    return [test]


def _import(b: Builder, node: ast.Import) -> None:
    for alias in node.names:
        whole = alias.name if alias.asname else alias.name.partition(".")[0]
        value = b.emit("import", node, alias.name, constant=whole)
        b.unit.imports.append((alias.asname or whole, alias.name, ""))
        b.store(alias.asname or whole, value, node)


def _import_from(b: Builder, node: ast.ImportFrom) -> None:
    module = "." * node.level + (node.module or "")
    for alias in node.names:
        b.unit.imports.append((alias.asname or alias.name, module, alias.name))
        if alias.name == "*":
            b.act("import-star", node, module)
            continue
        value = b.emit("import-from", node, module, constant=alias.name)
        b.store(alias.asname or alias.name, value, node)


def _jump(b: Builder, node: ast.Break | ast.Continue) -> None:
    b.act("break" if isinstance(node, ast.Break) else "continue", node)


_HANDLERS: dict[type[ast.AST], Callable[..., None]] = {
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Delete: _delete,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.Return: _return,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Try: _try,
    ast.Raise: _raise,
    ast.Assert: _assert,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Break: _jump,
    ast.Continue: _jump,
    ast.Match: lower_match,
}
if hasattr(ast, "TryStar"):
    _HANDLERS[ast.TryStar] = _try
