"""A patch of a notebook's text as patches of its cells, and as one of the file: JSON strings.

Every byte of the file but the changed stretches of these strings stays, escapes and all.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from fixgrad.edits import Edit, Patch
from fixgrad.project import decode
from fixgrad.rewrite.changes import Change, patch, spliced
from fixgrad.rewrite.layout import Layout
from fixgrad.source import UNIT, Cell, CellLine, Notebook, Source, Token, split_lines

_NEWLINE = re.compile(r"(?:\r\n|\r|\n)\Z")
_MARGIN = re.compile(r"\s*?^[ \t]+\S", re.MULTILINE)  # before the first line that says anything
_NEWLINES = ("\\n", "\\u000a", "\\u000A")  # as JSON writes it


class UnmappableError(ValueError):
    """An edit that is not inside a cell, or that changes a magic."""


def as_read(source: Source, whole: Patch) -> list[Patch]:
    """Return the patch as its reader sees the code: one for each cell of a notebook."""
    if source.notebook is None:
        return [whole]
    return [
        part
        if _NEWLINE.search(part.before)
        else part._replace(before=part.before + "\n", after=part.after + "\n")
        for _, part in cell_patches(source, whole)
    ]


def cell_patches(source: Source, whole: Patch) -> list[tuple[Cell, Patch]]:
    """Split the patch of a notebook's text into one for each cell, in the cell's own lines."""
    by_cell: dict[int, list[Edit]] = {}
    cells = {cell.number: cell for cell in source.notebook.cells} if source.notebook else {}
    for edit in whole.edits:
        by_cell.setdefault(_cell_of(source, edit).number, []).append(edit)
    return [
        (cells[number], _cell_patch(cells[number], whole, by_cell[number])) for number in by_cell
    ]


def file_patch(source: Source, whole: Patch) -> Patch:
    """Return the patch in terms of what stands in the file; for a `.py` file it is the same."""
    if source.notebook is None:
        return whole
    text = source.notebook.json
    changes = [
        change
        for cell, part in cell_patches(source, whole)
        for change in _of_tokens(text, cell, [_trimmed(cell.text, c) for c in _offsets(part)])
    ]
    return patch(whole.path, Layout(text), changes)


def with_cells(source: Source, texts: Mapping[int, str]) -> str:
    """Return the file of a notebook with other texts in some of its cells, by their numbers."""
    assert source.notebook is not None
    text = source.notebook.json
    changes = [
        change
        for cell in source.notebook.cells
        if cell.number in texts
        for whole in [Change(0, len(cell.text), texts[cell.number])]
        for change in _of_tokens(text, cell, [_trimmed(cell.text, whole)])
    ]
    return patch(source.path, Layout(text), changes).after


def sections(source: Source) -> list[tuple[int, str]]:
    """Return which cell begins at which line of the file, to name the hunks of a diff."""
    if source.notebook is None:
        return []
    text = source.notebook.json
    return [
        (text.count("\n", 0, cell.tokens[0].start), f"cell {cell.number}")
        for cell in source.notebook.cells
    ]


def check_file(source: Source, whole: Patch) -> str | None:
    """Return what is wrong with the file that a patch makes: another text, or a change elsewhere."""
    if source.notebook is None:
        return None
    again = decode(source.path, file_patch(source, whole).after.encode())
    if not isinstance(again, Source) or again.notebook is None:
        return f"the new file is no notebook: {again}"
    if again.text != whole.after:
        return "the cells of the new file are not what was planned"
    if _frame(again.notebook) != _frame(source.notebook):
        return "the notebook changed outside its code"
    return None


def _frame(notebook: Notebook) -> list[str]:
    """Return what stands around the code of the cells."""
    pieces: list[str] = []
    at = 0
    for cell in notebook.cells:
        pieces.append(notebook.json[at : cell.tokens[0].start])
        at = cell.tokens[-1].end
    return [*pieces, notebook.json[at:]]


def _cell_of(source: Source, edit: Edit) -> Cell:
    """Return the cell that holds an edit; what is added after a cell's last line is the cell's."""
    span = edit.span
    notebook = source.notebook
    before = span.line - 1 if span.column == 0 else span.line
    cell = notebook and (notebook.cell_at(span.line) or notebook.cell_at(before))
    if not cell or (span.end_line, span.end_column) > (cell.end(), 0):
        raise UnmappableError("the place is in no cell")
    if _MARGIN.match(cell.text):
        raise UnmappableError("IPython takes the margin off all lines of this cell")
    for row in range(span.line - cell.line + 1, span.end_line - cell.line + 2):
        if row in cell.magics and not _beside(source, cell, row, edit):
            raise UnmappableError("IPython changes this line before it is run")
    return cell


def _beside(source: Source, cell: Cell, row: int, edit: Edit) -> bool:
    """Say whether an edit only moves a magic, or stands before or after its line."""
    line, written = source.lines()[cell.line + row - 2], split_lines(cell.text)[row - 1]
    margin = len(line) - len(line.lstrip(" \t"))
    span = edit.span
    if not written.startswith(line[:margin]) or written[margin : margin + 1] in (" ", "\t"):
        return False
    if span.end_line == cell.line + row - 1 and span.end_column == 0:
        return True
    return span[1:3] == span[3:5] and span.column <= margin


def _cell_patch(cell: Cell, whole: Patch, edits: Sequence[Edit]) -> Patch:
    text = cell.text
    layout = Layout(text if _NEWLINE.search(text) else text + "\n")
    changes = []
    for span, new in edits:
        start = layout.offset(span.line - cell.line + 1, span.column)
        end = layout.offset(span.end_line - cell.line + 1, span.end_column)
        if start is None or end is None:
            raise UnmappableError("the cell has no such place")
        changes.append(Change(start, end, new))
    if len(layout.text) > len(text):
        changes = _without_last_newline(layout.text, changes)
    made = patch(whole.path, Layout(text), changes)
    edits = [
        Edit(span._replace(line=_row(cell, span.line), end_line=_row(cell, span.end_line)), new)
        for span, new in made.edits
    ]
    return made._replace(path=f"{whole.path}:cell {cell.number}", edits=tuple(edits))


def _row(cell: Cell, row: int) -> CellLine:
    return CellLine(row, cell.number, row)


def _trimmed(text: str, change: Change) -> Change:
    """Leave out what a change keeps at both ends."""
    start, end, new, _ = change
    while start < end and new and text[start] == new[0]:
        start, new = start + 1, new[1:]
    while start < end and new and text[end - 1] == new[-1]:
        end, new = end - 1, new[:-1]
    return Change(start, end, new)


def _without_last_newline(text: str, changes: list[Change]) -> list[Change]:
    """Return the changes of a text whose last newline is not there and must not come to be."""
    size = len(text) - 1
    touching = [change for change in changes if change.end > size]
    if not touching:
        return changes
    start = min(touching[0].start, size)
    new = spliced(text, touching, start, len(text))
    shorter = _NEWLINE.sub("", new)
    if not new and start:  # the line before is the last one now
        start -= len(text[:start]) - len(_NEWLINE.sub("", text[:start]))
    rest = [change for change in changes if change.end <= size]
    return [*rest, _trimmed(text, Change(start, size, shorter))]


def _offsets(part: Patch) -> list[Change]:
    starts = Layout(part.before).starts
    return [
        Change(starts[s.line - 1] + s.column, starts[s.end_line - 1] + s.end_column, text)
        for s, text in part.edits
    ]


def _of_tokens(json_text: str, cell: Cell, changes: Sequence[Change]) -> Iterator[Change]:
    """Yield what changes among the strings of a cell: the lines of an array, or its only string."""
    tokens = cell.tokens
    pieces = {n: [body] for n, body in _new_bodies(json_text, tokens, changes).items()}
    if _by_line(json_text, tokens):
        pieces = _in_lines(pieces)
    kept = [n for n in range(len(tokens)) if pieces.get(n) != []]
    if not kept:
        pieces[0], kept = [""], [0]
    if kept[0] > 0:
        yield Change(tokens[0].start, tokens[kept[0]].start, "")
    separator = _separator(json_text, tokens)
    for n in sorted(pieces):
        if n in kept:
            new = separator.join(f'"{piece}"' for piece in pieces[n])
            yield Change(tokens[n].start, tokens[n].end, new)
        elif n > kept[0]:
            yield Change(tokens[n - 1].end, tokens[n].end, "")


def _by_line(json_text: str, tokens: Sequence[Token]) -> bool:
    """Say whether each string is a line of an array, as Jupyter writes them."""
    listed = len(tokens) > 1 or json_text[: tokens[0].start].rstrip(" \t\r\n").endswith("[")
    return (
        listed
        and all(token.text.endswith("\n") for token in tokens[:-1])
        and not any("\n" in token.text[:-1] for token in tokens)
    )


def _in_lines(bodies: dict[int, list[str]]) -> dict[int, list[str]]:
    """Split the new text of strings into lines; what begins in one may end in the next."""
    pieces: dict[int, list[str]] = {}
    open_line = -1  # which string next before this one, and changed as this is, ends in mid-line
    for n in sorted(bodies):
        lines = _lines("".join(bodies[n]))
        if open_line >= 0 and n - 1 in pieces:
            lines = _lines(pieces[open_line].pop() + "".join(lines))
            pieces[open_line] += lines
            pieces[n] = []
        else:
            pieces[n], open_line = lines, n
        if lines:
            open_line = open_line if not _ends_line(lines[-1]) else -1
        elif open_line == n:
            open_line = -1
    return pieces


def _ends_line(body: str) -> bool:
    units = re.findall(UNIT, body)
    return bool(units) and units[-1] in _NEWLINES


def _separator(json_text: str, tokens: Sequence[Token]) -> str:
    """Return what stands between two strings of the array."""
    if len(tokens) > 1:
        return json_text[tokens[0].end : tokens[1].start]
    before = json_text[: tokens[0].start]
    return "," + (before[len(before.rstrip(" \t\r\n")) :] or "" if "\n" in before else " ")


def _new_bodies(
    json_text: str, tokens: Sequence[Token], changes: Sequence[Change]
) -> dict[int, str]:
    """Return what stands between the quotes of the strings that change."""
    starts = [0, *accumulate(len(token.text) for token in tokens)]
    inside: dict[int, list[Change]] = {}
    for change in changes:
        first = min(max(bisect_right(starts, change.start) - 1, 0), len(tokens) - 1)
        inside.setdefault(first, [])
        end = min(change.end, starts[first + 1])
        at = starts[first]
        inside[first].append(Change(change.start - at, end - at, change.text))
        for n in range(first + 1, len(tokens)):
            if starts[n] < change.end:
                inside.setdefault(n, []).append(
                    Change(0, min(change.end, starts[n + 1]) - starts[n], "")
                )
    return {n: _new_body(json_text, tokens[n], own) for n, own in inside.items()}


def _new_body(json_text: str, token: Token, changes: Sequence[Change]) -> str:
    body = json_text[token.start + 1 : token.end - 1]
    units = [match.start() for match in re.finditer(UNIT, body)]
    units.append(len(body))
    escaped = json_text.isascii()
    return spliced(
        body,
        [
            Change(units[change.start], units[change.end], _escaped(change.text, escaped))
            for change in changes
        ],
        0,
        len(body),
    )


def _escaped(text: str, ascii_only: bool) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def _lines(body: str) -> list[str]:
    """Split what stands in a string after each newline; none are left of an empty one."""
    pieces: list[str] = []
    start = 0
    for match in re.finditer(UNIT, body):
        if match.group() in _NEWLINES:
            pieces.append(body[start : match.end()])
            start = match.end()
    return [*pieces, body[start:]] if start < len(body) else pieces
