"""Operations on statements: moved into a `with`, following or followed by another, or removed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence, Set
from typing import NamedTuple

from fixgrad.edits import Operation
from fixgrad.rewrite.blocks import Block, enclosing, headers, indented, moved, shifted
from fixgrad.rewrite.changes import Change
from fixgrad.rewrite.layout import Layout
from fixgrad.rewrite.literals import literals
from fixgrad.rewrite.refused import RewriteRefused
from fixgrad.rewrite.suites import Line, Suite, Targets, lines, targets


class _Asked(NamedTuple):
    """What is asked of one statement."""

    wraps: tuple[str, ...]  # innermost first
    before: tuple[str, ...]  # statements to add before it
    within: tuple[str, ...]  # statements to add after it, in the same block
    beyond: tuple[str, ...]  # statements to add after the block it is moved into
    deleted: bool
    operation: Operation  # to name in a refusal

    def vanishes(self) -> bool:
        return self.deleted and not self.within and not self.before


class _Row(NamedTuple):
    """One logical line and what is asked of its statements."""

    suite: Suite
    line: Line
    asked: dict[int, _Asked]  # by index in the suite
    wraps: tuple[str, ...]
    unit: str
    placeholder: bool  # `pass` stands for it when all of it goes

    def vanishes(self) -> bool:
        indexes = range(self.line.first, self.line.last + 1)
        return all(index in self.asked and self.asked[index].vanishes() for index in indexes)

    def continued(self) -> bool:
        """Say whether a block may go on after this line."""
        return not self.line.inline and not any(asked.beyond for asked in self.asked.values())


def with_statement_changes(
    layout: Layout, operations: Sequence[Operation], changes: Sequence[Change]
) -> list[Change]:
    """Return the changes of statements together with `changes`, moved or dropped as these need."""
    found = targets(layout, operations)
    blocks: list[Block] = []
    rows: list[_Row] = []
    holes = list(_holes(found))
    for suite, named in found.suites:
        if any(start < suite.statements[0][0] < end for start, end in holes):
            continue
        of_suite = list(_rows(layout, suite, named, found))
        blocks.extend(_blocks(layout, of_suite))
        rows.extend(of_suite)
    made = [change for row in rows for change in _changes(layout, row, blocks)]
    gone = [change for change in made if change.start < change.end]
    kept = [
        indented(change, blocks)
        for change in changes
        if not any(hole.start <= change.start and change.end <= hole.end for hole in gone)
    ]
    return [*made, *kept, *moved(layout, blocks, [*gone, *kept])]


def _holes(found: Targets) -> Iterator[tuple[int, int]]:
    """Yield where a statement is removed; what is asked inside it is done with."""
    for suite, named in found.suites:
        for index, operations in named.items():
            if any(operation.kind == "delete" for operation in operations):
                yield suite.statements[index]


def _asked(operations: Sequence[Operation]) -> _Asked:
    wraps: list[str] = []
    before: list[str] = []
    within: list[str] = []
    beyond: list[str] = []
    for operation in operations:
        if operation.kind == "wrap-with":
            if beyond:
                raise RewriteRefused(
                    operation, "it is to be moved again after a statement was added"
                )
            wraps.append(operation.argument)
        elif operation.kind == "insert-before":
            _check_inserted(operation)
            before.append(operation.argument)
        elif operation.kind == "insert-after":
            _check_inserted(operation)
            (beyond if wraps else within).append(operation.argument)
    if any(operation.kind == "delete" for operation in operations):
        return _Asked((), tuple(before), (*within, *beyond), (), True, operations[0])
    return _Asked(tuple(wraps), tuple(before), tuple(within), tuple(beyond), False, operations[0])


def _check_inserted(operation: Operation) -> None:
    try:
        body = ast.parse(operation.argument).body
    except (SyntaxError, ValueError):
        body = []
    if len(body) != 1 or "\n" in operation.argument or "\r" in operation.argument:
        raise RewriteRefused(operation, f"{operation.argument!r} is not a statement of one line")


def _rows(
    layout: Layout, suite: Suite, named: dict[int, list[Operation]], found: Targets
) -> Iterator[_Row]:
    asked = {index: _asked(operations) for index, operations in named.items()}
    emptied = not suite.module and len(asked) == len(suite.statements)
    placeholder = emptied and all(one.vanishes() for one in asked.values())
    for line in lines(layout, suite, named):
        own = {index: asked[index] for index in range(line.first, line.last + 1) if index in asked}
        wraps = _wraps(line, own, _idle(layout, line))
        yield _Row(suite, line, own, wraps, _unit(layout, line, found), placeholder)
        placeholder = False


# What computes nothing may move into a `no_grad` block as well.
_IDLE = re.compile(r"[\w.]+(\.grad\s*=\s*None|\.grad\.zero_\(\)|\.zero_grad\(\))")


def _idle(layout: Layout, line: Line) -> set[int]:
    places = line.suite.statements
    return {
        index
        for index in range(line.first, line.last + 1)
        if _IDLE.fullmatch(layout.text[slice(*places[index])])
    }


def _wraps(line: Line, asked: dict[int, _Asked], idle: Set[int]) -> tuple[str, ...]:
    """Return what the whole line is moved into; all its statements must agree or not care."""
    moving = any(one.wraps for one in asked.values())
    wraps = {
        asked[index].wraps if index in asked else ()
        for index in range(line.first, line.last + 1)
        if not (asked[index].vanishes() if index in asked else moving and index in idle)
    }
    if len(wraps) > 1:
        one = next(one for one in asked.values() if one.wraps)
        raise RewriteRefused(one.operation, "another statement on its line does not move with it")
    return next(iter(wraps), ())


def _unit(layout: Layout, line: Line, found: Targets) -> str:
    """Return what a block is indented by: here, else in most of the file."""
    outer = line.suite.indentation
    own = layout.indentation(line.suite.statements[line.first][0])
    if line.inline or line.suite.module or own == outer or not own.startswith(outer):
        return found.unit
    return own[len(outer) :]


def _blocks(layout: Layout, rows: Sequence[_Row]) -> Iterator[Block]:
    """Yield one block for each run of adjacent lines that move into the same headers."""
    run: list[_Row] = []
    for row in [row for row in rows if not row.vanishes()]:
        joins = (
            run
            and run[-1].continued()
            and row.wraps == run[-1].wraps
            and _adjacent(rows, run[-1], row)
        )
        if run and not joins:
            yield _block(layout, run)
            run = []
        if row.wraps and not row.line.inline:
            run.append(row)
    if run:
        yield _block(layout, run)


def _adjacent(rows: Sequence[_Row], one: _Row, other: _Row) -> bool:
    """Say whether only removed statements stand between two lines of a suite."""
    removed = {index for row in rows if row.vanishes() for index in row.asked}
    return all(index in removed for index in range(one.line.last + 1, other.line.first))


def _block(layout: Layout, run: Sequence[_Row]) -> Block:
    first = run[0]
    start = first.suite.statements[first.line.first][0]
    return Block(
        start=first.line.start,
        end=run[-1].line.end,
        header=start,
        indentation=layout.indentation(start),
        added=first.unit * len(first.wraps),
        unit=first.unit,
        wraps=first.wraps,
    )


def _changes(layout: Layout, row: _Row, blocks: Sequence[Block]) -> Iterator[Change]:
    """Yield what is added to, and removed from, one logical line; not how its block moves it."""
    line, places = row.line, row.suite.statements
    start, end = places[line.first][0], places[line.last][1]
    if row.vanishes():
        if row.placeholder:
            yield Change(start, end, "pass")
        else:
            yield Change(line.start, line.end, "")
        return
    yield from _removed(row)
    if line.inline and row.wraps:
        newline = layout.newline(start)
        indentation = shifted(row.suite.indentation, enclosing(blocks, start)) + row.unit
        text = newline + indentation + headers(row.wraps, newline, indentation, row.unit)
        yield Change(line.start, start, text)
    yield from _preceding(layout, row, blocks)
    yield from _added(layout, row, blocks)


def _preceding(layout: Layout, row: _Row, blocks: Sequence[Block]) -> Iterator[Change]:
    """Yield the statements added on lines of their own before a line."""
    line = row.line
    for index, asked in row.asked.items():
        if not asked.before:
            continue
        within = any(block.start < line.start < block.end for block in blocks)
        if line.inline or within or index != line.first or asked.deleted:
            raise RewriteRefused(asked.operation, "there is no line of its own before it")
        own, newline = layout.indentation(line.start), layout.newline(line.start)
        text = "".join(own + one + newline for one in asked.before)
        yield Change(line.start, line.start, text)


def _removed(row: _Row) -> Iterator[Change]:
    """Yield the removal of statements that share their line with one that stays."""
    line, places = row.line, row.suite.statements
    stays = [
        index
        for index in range(line.first, line.last + 1)
        if index not in row.asked or not row.asked[index].vanishes()
    ]
    for index, asked in row.asked.items():
        if asked.vanishes():
            if index < stays[-1]:
                yield Change(places[index][0], places[index + 1][0], "")
            else:
                yield Change(places[index - 1][1], places[index][1], "")


def _added(layout: Layout, row: _Row, blocks: Sequence[Block]) -> Iterator[Change]:
    line, places = row.line, row.suite.statements
    shared = line.inline or line.first < line.last
    around = enclosing(blocks, places[line.first][0])
    rows: list[str] = []
    own = layout.indentation(line.start)
    for index, asked in row.asked.items():
        start, end = places[index]
        if asked.deleted and asked.within:
            inner = f"{layout.newline(start)}{shifted(own, around)}"
            yield Change(start, end, ("; " if shared else inner).join(_simple(asked, shared)))
        elif shared and asked.within:
            yield Change(end, end, "".join(f"; {text}" for text in _simple(asked, True)))
        else:
            rows += [shifted(own, around) + text for text in asked.within]
        if asked.beyond and index < line.last:
            raise RewriteRefused(asked.operation, "another statement follows on its line")
        rows += [_beyond(row, own, around) + text for text in asked.beyond]
    if rows:
        newline = layout.newline(layout.line_start(line.end - 1))
        closed = layout.text[line.end - 1] in "\r\n"
        text = "".join(one + newline if closed else newline + one for one in rows)
        yield Change(line.end, line.end, text, (0, -places[line.last][0]))


def _beyond(row: _Row, own: str, around: Sequence[Block]) -> str:
    """Return the indentation of a statement added after the block its line moves into."""
    if row.line.inline:
        return shifted(row.suite.indentation, around) + row.unit
    return shifted(own, [block for block in around if block.indentation != own])


def _simple(asked: _Asked, shared: bool) -> tuple[str, ...]:
    """Return the statements to add; on a shared line none may be compound or hold a comment."""
    for text in asked.within if shared else ():
        node = ast.parse(text).body[0]
        compound = hasattr(node, "body") or isinstance(node, ast.Match)
        if compound or any(literal.comment for literal in literals(text)):
            raise RewriteRefused(asked.operation, f"{text!r} cannot follow on the same line")
    return asked.within
