"""Makes a program that shows a mismatch as small as it can be."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

from tests.oracle_compare import Mismatch, compare

MOST_TRIALS = 1500
PLAINEST = ("torch.ones(3, 3)", "torch.ones(3, 3, requires_grad=True)")


def reduce(text: str, flags: int, mismatch: Mismatch) -> str:
    """Return the smallest program found that shows the same mismatch at the same probe."""
    trials = 0

    def shows(tree: ast.Module) -> bool:
        nonlocal trials
        trials += 1
        try:
            found = compare(ast.unparse(tree), flags).mismatches
        except Exception:
            return False
        return any(m.claim == mismatch.claim for m in found)

    tree = _without_other_probes(ast.parse(text), mismatch.probe)
    if not shows(tree):
        return text
    going = True
    while going:
        going = False
        for smaller in _smaller(tree):
            if trials > MOST_TRIALS:
                break
            if shows(smaller):
                tree, going = smaller, True
                break
    return ast.unparse(tree)


def _without_other_probes(tree: ast.Module, kept: int) -> ast.Module:
    class Drop(ast.NodeTransformer):
        def visit_Expr(self, node: ast.Expr) -> ast.AST:
            call = node.value
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                first = call.args[0] if call.args else None
                if call.func.id == "probe" and isinstance(first, ast.Constant):
                    return node if first.value == kept else ast.Pass()
            return node

    Drop().visit(tree)
    return ast.fix_missing_locations(tree)


def _smaller(tree: ast.Module) -> Iterator[ast.Module]:
    """Yield the program with one statement or one expression less, big steps first."""
    blocks = [
        (number, field, len(getattr(node, field)))
        for number, node in enumerate(ast.walk(tree))
        for field in ("body", "orelse", "handlers", "finalbody")
        if isinstance(getattr(node, field, None), list)
    ]
    for number, field, length in blocks:
        for size in (8, 4, 2, 1):
            for start in range(length - size, -1, -size):
                yield _cut(tree, number, field, start, size)
    yield from _hoisted(tree)
    yield from _simpler_expressions(tree)
    yield from _plain(tree)


def _cut(tree: ast.Module, number: int, field: str, start: int, size: int) -> ast.Module:
    changed = copy.deepcopy(tree)
    block = getattr(list(ast.walk(changed))[number], field)
    del block[start : start + size]
    if not block and field == "body" and number:
        block.append(ast.Pass())
    return changed


def _hoisted(tree: ast.Module) -> Iterator[ast.Module]:
    """Replace a compound statement by its body."""
    for number, node in enumerate(ast.walk(tree)):
        for field in ("body", "orelse"):
            block = getattr(node, field, None)
            for position, inner in enumerate(block if isinstance(block, list) else []):
                if isinstance(inner, ast.With | ast.If | ast.For | ast.Try):
                    changed = copy.deepcopy(tree)
                    of = getattr(list(ast.walk(changed))[number], field)
                    of[position : position + 1] = of[position].body
                    yield changed


def _simpler_expressions(tree: ast.Module) -> Iterator[ast.Module]:
    """Replace an expression by one of its parts."""
    for number, node in enumerate(ast.walk(tree)):
        if not isinstance(node, ast.Call | ast.BinOp | ast.Attribute | ast.Subscript | ast.UnaryOp):
            continue
        for field, child in _children(node):
            changed = copy.deepcopy(tree)
            original = list(ast.walk(changed))[number]
            part = dict(_children(original))[field]
            _Replace(original, part).visit(changed)
            if child is not node:
                yield ast.fix_missing_locations(changed)


def _plain(tree: ast.Module) -> Iterator[ast.Module]:
    """Replace what a name is bound to by the plainest tensor, tracked or not."""
    for number, node in enumerate(ast.walk(tree)):
        for rank, text in enumerate(PLAINEST):
            if isinstance(node, ast.Assign) and ast.unparse(node.value) not in PLAINEST[: rank + 1]:
                changed = copy.deepcopy(tree)
                assign = list(ast.walk(changed))[number]
                assert isinstance(assign, ast.Assign)
                assign.value = ast.parse(text, mode="eval").body
                yield ast.fix_missing_locations(changed)


def _children(node: ast.AST) -> list[tuple[str, ast.expr]]:
    found: list[tuple[str, ast.expr]] = []
    for field, value in ast.iter_fields(node):
        if isinstance(value, ast.expr):
            found.append((field, value))
        elif isinstance(value, list):
            found += [(f"{field}{n}", v) for n, v in enumerate(value) if isinstance(v, ast.expr)]
    return found


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.expr) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else super().generic_visit(node)
