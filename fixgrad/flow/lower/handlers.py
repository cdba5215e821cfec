"""What a program thinks of the failure that it catches: whether it wants it, puts up with it, or shows it.

"expects": a test that an error comes, `try: ... except RuntimeError: pass else: raise`. "passes": nothing comes
of the error, or something else is done instead. Else the error is shown, which is a program that fails.
"kinds": the handler is for objects of another kind, which lack a method.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence

_MISTAKES = {"AttributeError", "TypeError", "AssertionError", "RuntimeError", "Exception"}
_TELLS = (
    "print", "warn", "warning", "error", "exception", "info", "debug", "log", "write", "str", "repr", "format",
    "print_exc", "format_exc",
)  # fmt: skip
PASSED_ON = "~"
_FAILS = ("fail", "exit", "_exit", "abort")


def catches_only_imports(caught: ast.expr | None) -> bool:
    """Say whether a handler is for modules that are not installed."""
    types = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    names = [t.id for t in types if isinstance(t, ast.Name)]
    return len(names) == len(types) and {"ImportError", "ModuleNotFoundError"}.issuperset(names)


def names_of(handler: ast.ExceptHandler) -> Iterator[str]:
    """Yield the names of the exceptions that a handler catches; of what is computed, of any.

    Those that it raises again, or others in their place, have a mark.
    """
    mark = PASSED_ON if isinstance(handler.body[-1], ast.Raise) else ""
    caught = handler.type
    types = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    for each in types:
        yield mark + (name_of(each) or "BaseException")


def name_of(error: ast.expr | None) -> str:
    """Return the name of an exception's class as it is written, without its module."""
    if isinstance(error, ast.Attribute):
        return error.attr
    return error.id if isinstance(error, ast.Name) else ""


def catches_only_kinds(caught: ast.expr | None) -> bool:
    """Say whether a handler is for objects that lack what the body asks of them."""
    types = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return all(isinstance(t, ast.Name) and t.id in ("AttributeError", "TypeError") for t in types)


def hides_mistakes(handler: ast.ExceptHandler) -> bool:
    """Say whether a handler catches what a missing gradient raises, and goes on."""
    if isinstance(handler.body[-1], ast.Raise):
        return False
    caught = handler.type
    types = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return caught is None or any(isinstance(t, ast.Name) and t.id in _MISTAKES for t in types)


def attitude(
    node: ast.Try, handler: ast.ExceptHandler, asserted_around: Callable[[], set[str]]
) -> str:
    """Say what a handler makes of the failure of its body; what is asserted around it may tell."""
    if not hides_mistakes(handler):
        return ""
    if _ends_badly(node.orelse) or _ends_badly(node.body[1:]):
        return "expects"
    told = {name for s in handler.body for name in _stored(s)}
    told.update((handler.name,) if handler.name else ())
    if told and told & (asserted(handler.body) or asserted_around()):
        return "expects"
    silent = all(map(_is_silent, handler.body))
    return "passes" if silent or _recovers(handler) else ""


def _stored(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _ends_badly(body: Sequence[ast.stmt]) -> bool:
    """Say whether statements end in a failure of the program's own."""
    return any(
        isinstance(s, ast.Raise)
        or (isinstance(s, ast.Assert) and isinstance(s.test, ast.Constant) and not s.test.value)
        or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Call) and _name(s.value) in _FAILS)
        for s in body
    )


def _name(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def asserted(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that assertions mention, and tests whose outcome ends the program."""
    found: set[str] = set()
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if isinstance(node, ast.Assert):
            asked: ast.AST = node.test
        elif isinstance(node, ast.If) and _ends_badly(node.body):
            asked = node.test
        elif isinstance(node, ast.Call) and _name(node).startswith("assert"):
            asked = node
        else:
            continue
        found.update(n.id for n in ast.walk(asked) if isinstance(n, ast.Name))
    return found


def _recovers(handler: ast.ExceptHandler) -> bool:
    """Say whether a handler computes something else, and tells nobody."""
    inner = [n for s in handler.body for n in ast.walk(s)]
    if any(isinstance(n, ast.Name) and n.id == handler.name for n in inner):
        return False
    if any(isinstance(n, ast.Call) and _name(n) in _TELLS for n in inner):
        return False
    return all(map(_works, handler.body)) and any(map(_computes, inner))


def _works(statement: ast.stmt) -> bool:
    """Say whether a statement only computes, keeps what it has computed, or steers others that do."""
    if isinstance(statement, ast.For | ast.While | ast.If | ast.With):
        return all(map(_works, (*statement.body, *getattr(statement, "orelse", ()))))
    kept = isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return)
    return kept or _is_silent(statement)


def _computes(node: ast.AST) -> bool:
    kept = isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return)
    return kept and any(isinstance(n, ast.Call) for n in ast.walk(node))


def _is_silent(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Pass | ast.Continue | ast.Break):
        return True
    if isinstance(statement, ast.Return):
        return statement.value is None or isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
