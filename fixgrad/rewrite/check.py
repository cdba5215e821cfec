"""What a patch must never do: change the program outside the edits it declares.

The two syntax trees are compared node by node. A node wholly inside an edit is free to change into
what stands in the same edit afterwards; a `with` whose header was inserted is looked through; every
other node must be there on both sides, and equal. What the edits themselves say is not judged here.
"""

from __future__ import annotations

import ast
import warnings
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from fixgrad.edits import Patch
from fixgrad.rewrite.changes import Change, spliced
from fixgrad.rewrite.layout import Layout


def check(before: str, patch: Patch) -> str | None:
    """Return what is wrong with the patch, or None."""
    if patch.before != before:
        return "the patch was made for another text"
    layout = Layout(before)
    changes = _changes(layout, patch)
    if changes is None:
        return "the edits overlap or are out of order"
    if spliced(before, changes, 0, len(before)) != patch.after:
        return "the text outside the edits is not the same"
    trees = []
    for name, text in (("before", before), ("after", patch.after)):
        tree = _parsed(text)
        if isinstance(tree, str):
            return f"the text {name} is not valid Python: {tree}"
        trees.append(tree)
    old, new = _Side(layout), _Side(Layout(patch.after))
    return _Comparison(_Regions.of(before, changes), old, new).differs(*trees)


def _changes(layout: Layout, patch: Patch) -> list[Change] | None:
    changes: list[Change] = []
    at = 0
    for span, text in patch.edits:
        start, end = layout.offset(span.line, span.column), layout.offset(*span[3:5])
        if start is None or end is None or not at <= start <= end:
            return None
        changes.append(Change(start, end, text))
        at = end
    return changes


def _parsed(text: str) -> ast.Module | str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or type(error).__name__


class _Side:
    """Offsets of the nodes of one text."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def place(self, node: ast.AST) -> tuple[int, int] | None:
        """Return where a node stands, decorators included; None for a node without a place."""
        line = getattr(node, "lineno", None)
        if line is None:
            return None
        first: ast.AST = node
        if decorators := getattr(node, "decorator_list", None):
            first = decorators[0]
        return (
            self._offset(first.lineno, first.col_offset),  # type: ignore[attr-defined]
            self._offset(node.end_lineno, node.end_col_offset),  # type: ignore[attr-defined]
        )

    def _offset(self, line: int, byte: int) -> int:
        text = self._layout.lines[line - 1]
        column = byte if text.isascii() else len(text.encode()[:byte].decode())
        return self._layout.starts[line - 1] + column


class _Regions(NamedTuple):
    """The edits as stretches of the old text and of the new one."""

    starts: list[int]
    ends: list[int]
    new_starts: list[int]
    new_ends: list[int]
    growth: list[int]  # growth[n]: what the first n edits add
    blank: list[bool]  # there is nothing but white space before, or nothing after

    @classmethod
    def of(cls, text: str, changes: Sequence[Change]) -> _Regions:
        growth = [0, *accumulate(len(one.text) - (one.end - one.start) for one in changes)]
        new_starts = [one.start + grown for one, grown in zip(changes, growth, strict=False)]
        return cls(
            [one.start for one in changes],
            [one.end for one in changes],
            new_starts,
            [start + len(one.text) for start, one in zip(new_starts, changes, strict=True)],
            growth,
            [not text[one.start : one.end].strip() or not one.text.strip() for one in changes],
        )

    def holding(self, place: tuple[int, int]) -> int | None:
        """Return the edit that a stretch of the old text lies in."""
        return _holding(self.starts, self.ends, place)

    def newly_holding(self, place: tuple[int, int]) -> int | None:
        """Return the edit that a stretch of the new text lies in."""
        return _holding(self.new_starts, self.new_ends, place)

    def untouched(self, old: tuple[int, int], new: tuple[int, int]) -> bool:
        """Say whether the two stretches are the same text, only moved."""
        index = bisect_right(self.ends, old[0])
        if index < len(self.starts) and self.starts[index] < old[1]:
            return False
        return new == (old[0] + self.growth[index], old[1] + self.growth[index])


def _holding(starts: list[int], ends: list[int], place: tuple[int, int]) -> int | None:
    index = bisect_right(starts, place[0]) - 1
    return index if index >= 0 and place[1] <= ends[index] else None


class _Comparison(NamedTuple):
    regions: _Regions
    old: _Side
    new: _Side

    def differs(self, before: ast.AST, after: ast.AST) -> str | None:
        """Return the first difference outside the edits."""
        line = 1
        waiting: list[tuple[object, object, int]] = [(before, after, line)]
        while waiting:
            one, other, line = waiting.pop()
            if isinstance(one, ast.AST) and isinstance(other, ast.AST):
                line = getattr(one, "lineno", line)
                if self._free(one, other):
                    continue
                pairs = self._parts(one, other)
            elif isinstance(one, list) and isinstance(other, list):
                pairs = self._items(one, other)
            else:
                pairs = [] if type(one) is type(other) and one == other else None
            if pairs is None:
                return f"line {line}: the program changed outside the edits"
            waiting.extend((left, right, line) for left, right in reversed(pairs))
        return None

    def _free(self, one: ast.AST, other: ast.AST) -> bool:
        """Say whether nothing is to be compared: both in one edit, or the same text."""
        old, new = self.old.place(one), self.new.place(other)
        if old is None or new is None:
            return False
        edit = self.regions.holding(old)
        if edit is not None and edit == self.regions.newly_holding(new):
            return True
        return type(one) is type(other) and self.regions.untouched(old, new)

    def _parts(self, one: ast.AST, other: ast.AST) -> list[tuple[object, object]] | None:
        if type(one) is not type(other):
            return None
        if isinstance(one, ast.JoinedStr):
            # places inside f-strings are not exact before Python 3.12
            old, new = self.old.place(one), self.new.place(other)
            if old is not None and new is not None and not self.regions.untouched(old, new):
                return [(_skeleton(one), _skeleton(other))]
            return [(ast.dump(one), ast.dump(other))]
        return [(getattr(one, name, None), getattr(other, name, None)) for name in one._fields]

    def _items(self, one: list[object], other: list[object]) -> list[tuple[object, object]] | None:
        if any(isinstance(item, ast.stmt) for item in (*one, *other)):
            kept, left = self._kept(one)
            flat, right = self._flat(other)
            # only an edit that adds or removes may hold statements on one side alone
            if not all(self.regions.blank[edit] for edit in left ^ right):
                return None
            one, other = kept, flat
        return list(zip(one, other, strict=True)) if len(one) == len(other) else None

    def _kept(self, body: list[object]) -> tuple[list[object], set[int]]:
        """Return the statements that no edit holds, and the edits that hold the others."""
        kept: list[object] = []
        edits: set[int] = set()
        for node in body:
            place = self.old.place(node) if isinstance(node, ast.AST) else None
            edit = self.regions.holding(place) if place else None
            if edit is None:
                kept.append(node)
            else:
                edits.add(edit)
        return kept, edits

    def _flat(self, body: list[object]) -> tuple[list[object], set[int]]:
        """Return the same of the new text; statements under an inserted header are among them."""
        kept: list[object] = []
        edits: set[int] = set()
        for node in body:
            place = self.new.place(node) if isinstance(node, ast.AST) else None
            edit = self.regions.newly_holding(place) if place else None
            if edit is not None:
                edits.add(edit)
            elif isinstance(node, ast.With) and place and self._inserted(node, place[0]):
                under, inner = self._flat([*node.body])
                kept += under
                edits |= inner
            else:
                kept.append(node)
        return kept, edits

    def _inserted(self, node: ast.With, start: int) -> bool:
        items = node.items[-1]
        last = self.new.place(items.optional_vars or items.context_expr)
        return last is not None and self.regions.newly_holding((start, last[1])) is not None


def _skeleton(node: ast.AST) -> str:
    """Return an f-string without what its fields compute."""
    parts = [
        ast.dump(value)
        if isinstance(value, ast.Constant)
        else f"field {getattr(value, 'conversion', -1)}"
        for value in getattr(node, "values", [])
    ]
    return " ".join(parts)
