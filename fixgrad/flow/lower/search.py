"""The folders that a file adds to `sys.path`, where they can be read off its text.

A path is told as seen from the file's own folder, with forward slashes: "..", "../src".
"""

from __future__ import annotations

import ast
import posixpath

_FILE = "__file__"
_SAME = {
    "abspath", "realpath", "normpath", "resolve", "absolute", "as_posix", "expanduser", "str", "fspath",
    "Path", "PurePath", "PosixPath",
}  # fmt: skip
_HERE = {"getcwd", "cwd", "Path"}
_NAMED = {"pardir": "..", "curdir": ".", "sep": "/"}


def search_path(tree: ast.Module, text: str) -> tuple[str, ...]:
    """Return what the file appends to, or inserts into, the search path for imports."""
    if "sys.path" not in text and "addsitedir" not in text:
        return ()
    known: dict[str, str] = {}
    found: dict[str, None] = {}
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        pending.extend(reversed(list(ast.iter_child_nodes(node))))
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = _evaluate(node.value, known)
            if value is not None:
                known[node.targets[0].id] = value
        for added in _added(node):
            value = _evaluate(added, known)
            if value is None:
                continue
            found[value] = None
            if isinstance(added, ast.Constant):  # as seen from where the program is started
                found.update(dict.fromkeys((f"../{value}", f"../../{value}")))
    return tuple(found)


def _added(node: ast.AST) -> list[ast.expr]:
    """Return the expressions that a node adds to `sys.path`."""
    if isinstance(node, ast.AugAssign) and _is_search_path(node.target):
        return _items(node.value)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return []
    if node.func.attr == "addsitedir":
        return node.args[:1]
    if not _is_search_path(node.func.value):
        return []
    match node.func.attr:
        case "append":
            return node.args[:1]
        case "insert":
            return node.args[1:2]
        case "extend":
            return [item for argument in node.args[:1] for item in _items(argument)]
    return []


def _is_search_path(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "path"
        and isinstance(node.value, ast.Name)
        and node.value.id == "sys"
    )


def _items(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.List | ast.Tuple) else []


def _evaluate(node: ast.expr, known: dict[str, str]) -> str | None:
    """Return a path expression's value, None where it is not known."""
    match node:
        case ast.Constant(value=str(text)):
            return text or "."
        case ast.Name(id=name):
            return _FILE if name == _FILE else known.get(name)
        case ast.Attribute(attr="parent", value=inner):
            return _up(_evaluate(inner, known), 1)
        case ast.Attribute(attr=name) if name in _NAMED:
            return _NAMED[name]
        case ast.Subscript(
            value=ast.Attribute(attr="parents", value=inner), slice=ast.Constant(value=int(n))
        ):
            return _up(_evaluate(inner, known), n + 1)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _joined([_evaluate(left, known), _evaluate(right, known)])
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _concatenated([_evaluate(left, known), _evaluate(right, known)])
        case ast.JoinedStr(values=values):
            return _concatenated([_evaluate(v, known) for v in values])
        case ast.FormattedValue(value=inner):
            return _evaluate(inner, known)
        case ast.Call():
            return _called(node, known)
    return None


def _called(node: ast.Call, known: dict[str, str]) -> str | None:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    name = node.func.id if isinstance(node.func, ast.Name) else name
    arguments = [_evaluate(a, known) for a in node.args]
    owner = _evaluate(node.func.value, known) if isinstance(node.func, ast.Attribute) else None
    if owner is not None:  # a method of a path or a text
        arguments.insert(0, owner)
    if name in _HERE and not arguments:
        return "."
    if not arguments:
        return None
    if name == "dirname":
        return _up(arguments[0], 1)
    if name in ("join", "joinpath") or (name == "Path" and len(arguments) > 1):
        return _joined(arguments)
    return arguments[0] if name in _SAME else None


def _up(path: str | None, times: int) -> str | None:
    for _ in range(times):
        if path is None:
            return None
        path = posixpath.normpath(path)
        above = path == "." or posixpath.basename(path) == ".."
        path = posixpath.normpath(f"{path}/.." if above else posixpath.dirname(path) or ".")
    return path


def _joined(parts: list[str | None]) -> str | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return posixpath.normpath(posixpath.join(*(part.replace("\\", "/") for part in known)))


def _concatenated(parts: list[str | None]) -> str | None:
    known = [part for part in parts if part is not None]
    return posixpath.normpath("".join(known)) if known and len(known) == len(parts) else None
