"""Expressions with holes, made from the recipes of the knowledge rows: `{0}.matmul({1})`."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from typing import NamedTuple

from fixgrad.knowledge.read import Table
from tests.knowledge_probe import DTYPES, recipes_of, rows
from tests.oracle_texts import listed

FILES = (
    *("torch", "torch.Tensor", "torch.nn.functional", "torch.linalg", "torch.special"),
    *("torch.fft", "torch.masked", "torch.nn.init"),
)
SPELLING = {"torch.nn.functional": "F", "torch.nn.init": "nn.init"}
LEFT_OUT = listed("""
    set_ ; set_data ; swap_tensors ; module_load ; share_memory_ ; resize_ ; resize_as_
    resize_as_sparse_ ; requires_grad_ ; requires_grad ; retain_grad ; register_hook ; backward
    grad ; is_leaf ; grad_fn ; manual_seed ; seed ; in ; apply_ ; map_ ; __hash__ ; __dlpack__
    __len__ ; __repr__ ; __format__
""")  # what would change more than values, or is no operation on tensors


class Slot(NamedTuple):
    """A hole of an expression: the tensor that the recipe has there."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def floating(self) -> bool:
        """Say whether a gradient can come in here."""
        return self.dtype.startswith("float")


class Template(NamedTuple):
    """An operation of a row with holes `<0>`, `<1>`, ... in its text."""

    name: str
    text: str
    slots: tuple[Slot, ...]
    inplace: bool
    statement: bool = False  # `<0> += <1>`

    def filled(self, parts: list[str]) -> str:
        """Put an expression into each hole."""
        text = self.text
        for number, part in enumerate(parts):
            text = text.replace(f"<{number}>", part)
        return text


class _Holes(ast.NodeTransformer):
    def __init__(self) -> None:
        self.slots: list[Slot] = []

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if not (isinstance(node.value, ast.Name) and node.value.id in DTYPES):
            return self.generic_visit(node)
        shape = ast.literal_eval(node.slice)
        self.slots.append(Slot(node.value.id, shape if isinstance(shape, tuple) else (shape,)))
        return ast.Name(f"HOLE{len(self.slots) - 1}HOLE")


def _arguments(recipe: str) -> tuple[list[str], list[tuple[str, str]], tuple[Slot, ...]]:
    holes = _Holes()
    call = ast.parse(f"call({recipe})", mode="eval").body
    assert isinstance(call, ast.Call)
    call = holes.visit(call)
    plain = [_text(a) for a in call.args]
    named = [(k.arg, _text(k.value)) for k in call.keywords]
    return plain, named, tuple(holes.slots)


def _text(node: ast.expr) -> str:
    text = ast.unparse(node)
    for number in range(8):
        text = text.replace(f"HOLE{number}HOLE", f"<{number}>")
    simple = isinstance(node, ast.Name | ast.Constant | ast.Call | ast.Attribute | ast.List)
    return text if simple or isinstance(node, ast.Tuple) else f"({text})"


def _template(file: str, section: str, name: str, row: Table, recipe: str) -> Template | None:
    plain, named, slots = _arguments(recipe)
    if not slots or not plain or (section != "function" and "<0>" not in plain[0]):
        return None
    inplace = bool(row.get("inplace"))
    rest = ", ".join([*plain[1:], *(f"{k}={v}" for k, v in named)])
    if section == "function":
        whole = ", ".join([*plain, *(f"{k}={v}" for k, v in named)])
        text = f"{SPELLING.get(file, file)}.{name}({whole})"
    elif section == "method":
        text = f"{plain[0]}.{name}({rest})"
    elif section == "attribute":
        text = f"{plain[0]}.{name}"
    elif section == "unary":
        text = f"({name}{plain[0]})"
    elif name == "[]":
        text = f"{plain[0]}[{rest}]"
    elif name == "[]=":
        return Template(name, f"{plain[0]}[{plain[1]}] = {plain[2]}", slots, True, True)
    elif name.endswith("=") and name not in ("==", "!=", "<=", ">="):
        return Template(name, f"{plain[0]} {name} {rest}", slots, True, True)
    else:
        text = f"({plain[0]} {name} {rest})"
    return Template(f"{file}.{name}", text, slots, inplace)


def _usable(name: str, row: Table) -> bool:
    if (
        name in LEFT_OUT
        or "skip" in row
        or re.search("quant|empty|eig$|eigvals$", name)
        or name.startswith("q_")
    ):
        return False
    if row.get("returns") == "other" and name != "[]=":
        return False
    return importlib.util.find_spec(row.get("needs", "torch")) is not None


@functools.cache
def templates() -> dict[str, list[Template]]:
    """Return the operations by group: "method", "function", "operator", "inplace", "statement"."""
    groups: dict[str, list[Template]] = {}
    for file, section, name, row in rows():
        if file not in FILES or not _usable(name, row):
            continue
        for recipe in recipes_of(row):
            made = _template(file, section, name, row, recipe)
            if made is None:
                continue
            plain = "operator" if section in ("operator", "unary") else section
            group = "statement" if made.statement else "inplace" if made.inplace else plain
            groups.setdefault(group, []).append(made)
    return groups
