"""What every choice of repairs makes of the files: lines that are replaced, as bytes.

Repairs that touch the same or neighbouring lines are a group; of each choice within a group the
lines are computed ahead, so that the page only has to put groups together. A group of many is
divided by its lines: then a repair is in several groups.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, combinations
from typing import NamedTuple, TypeAlias

from fixgrad.findings import Repair
from fixgrad.page.windows import Choice, Planned, Window, windows
from fixgrad.patching import Plan
from fixgrad.report.patch import render as as_patch
from fixgrad.source import Source

MOST = 5  # repairs of a group of which every choice is planned; larger ones are divided
CONTEXT = 3

_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")

Planner: TypeAlias = Callable[[Sequence[Source], list[Repair], bool], Plan]


class Block(NamedTuple):
    """Consecutive lines of a file that are replaced."""

    start: int  # index of the first removed line, or of the line after an insertion
    removed: int
    added: tuple[bytes, ...]

    @property
    def end(self) -> int:
        """Return the index of the line after the block."""
        return self.start + self.removed


class Group(NamedTuple):
    """Repairs that are to be combined with care; most groups hold one."""

    repairs: tuple[int, ...]  # their numbers
    together: bool  # all of them or none
    choices: dict[tuple[int, ...], dict[str, tuple[Block, ...]]]  # by header of the file
    excluded: dict[tuple[int, ...], tuple[int, ...]]  # repairs that a choice has no room for


class Combined(NamedTuple):
    """All groups, and the lines of the files that patches of them need."""

    groups: tuple[Group, ...]
    lines: dict[str, dict[int, bytes]]  # by header of the file: lines near a block
    counts: dict[str, int]  # how many lines the file has


def combine(repairs: Sequence[Repair], sources: Sequence[Source], plan: Planner) -> Combined:
    """Return what the choices of some repairs make of the sources."""
    needed = {o.span.path for repair in repairs for o in repair.operations}
    sources = [source for source in sources if source.path in needed]
    alone = [_blocks(plan(sources, [repair], False)) for repair in repairs]
    groups = _checked(repairs, sources, plan, _grouped(alone))
    contents = {_header(source): _lines(source) for source in sources}
    every = [blocks for group in groups for blocks in group.choices.values()]
    lines: dict[str, dict[int, bytes]] = {}
    for header in sorted({header for blocks in every for header in blocks}):
        near: set[int] = set()
        for block in chain.from_iterable(blocks.get(header, ()) for blocks in every):
            near.update(range(block.start - CONTEXT, block.end + CONTEXT))
        known = contents[header]
        lines[header] = {n: known[n] for n in sorted(near) if 0 <= n < len(known)}
    return Combined(tuple(groups), lines, {header: len(contents[header]) for header in lines})


def _checked(
    repairs: Sequence[Repair],
    sources: Sequence[Source],
    plan: Planner,
    grouped: list[tuple[int, ...]],
) -> list[Group]:
    """Return the groups, larger ones where the page would not come to the patch of all repairs."""
    groups = [group for numbers in grouped for group in _groups(numbers, repairs, sources, plan)]
    whole = _blocks(plan(sources, list(repairs), False))
    together: dict[str, list[Block]] = {}
    for group in groups:
        for header, blocks in group.choices.get(group.repairs, {}).items():
            together.setdefault(header, []).extend(blocks)
    if {h: joined(b) for h, b in together.items()} == whole or len(groups) < 2:
        return groups
    return [_group(tuple(range(len(repairs))), repairs, sources, plan)]


def _group(
    numbers: tuple[int, ...], repairs: Sequence[Repair], sources: Sequence[Source], plan: Planner
) -> Group:
    together = len(numbers) > MOST
    choices: dict[tuple[int, ...], dict[str, tuple[Block, ...]]] = {}
    excluded: dict[tuple[int, ...], tuple[int, ...]] = {}
    for chosen in [numbers] if together else _subsets(numbers):
        made = plan(sources, [repairs[number] for number in chosen], False)
        choices[chosen] = _blocks(made)
        left = tuple(number for number in chosen if repairs[number] not in made.repairs)
        if left:
            excluded[chosen] = left
    return Group(numbers, together, choices, excluded)


def _groups(
    numbers: tuple[int, ...], repairs: Sequence[Repair], sources: Sequence[Source], plan: Planner
) -> list[Group]:
    """Return the group of some repairs, or what it is divided into."""

    def planned(chosen: Choice) -> Planned:
        made = plan(sources, [repairs[number] for number in chosen], False)
        return made.patches if len(made.repairs) == len(chosen) else None

    found = windows(numbers, planned) if len(numbers) > MOST else None
    if found is None:
        return [_group(numbers, repairs, sources, plan)]
    by_path = {source.path: source for source in sources}
    return [_of_window(window, by_path[window.stretch.path]) for window in found]


def _of_window(window: Window, source: Source) -> Group:
    mark = b"\xef\xbb\xbf" if source.bom and not window.stretch.first else b""

    def lines(text: str) -> list[bytes]:
        pieces = (mark + text.encode(source.encoding)).split(b"\n")
        return [piece + b"\n" for piece in pieces[:-1]] + list(filter(None, pieces[-1:]))

    old = lines(window.before)
    choices: dict[Choice, dict[str, tuple[Block, ...]]] = {}
    for chosen, text in window.texts.items():
        new = lines(text)
        same = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), None)
        start = min(len(old), len(new)) if same is None else same
        end = 0  # lines that stay at the end
        while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
            end += 1
        added = tuple(new[start : len(new) - end])
        block = Block(window.stretch.first + start, len(old) - end - start, added)
        choices[chosen] = {_header(source): (block,)}
    return Group(window.near, False, choices, {})


def joined(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Return blocks in order, those that follow on each other as one."""
    found: list[Block] = []
    for block in sorted(blocks, key=lambda block: block[:2]):
        last = found[-1] if found else None
        if last is not None and last.end == block.start:
            found[-1] = Block(last.start, last.removed + block.removed, last.added + block.added)
        else:
            found.append(block)
    return tuple(found)


def _subsets(numbers: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    sizes = range(1, len(numbers) + 1)
    return chain.from_iterable(combinations(numbers, size) for size in sizes)


def _grouped(alone: Sequence[dict[str, tuple[Block, ...]]]) -> list[tuple[int, ...]]:
    """Return the numbers of repairs whose lines touch, directly or by way of others."""
    found: list[set[int]] = []
    for number, blocks in enumerate(alone):
        touching = [g for g in found if any(_touch(blocks, alone[other]) for other in g)]
        found = [group for group in found if group not in touching]
        found.append({number}.union(*touching))
    return sorted(tuple(sorted(group)) for group in found)


def _touch(one: dict[str, tuple[Block, ...]], other: dict[str, tuple[Block, ...]]) -> bool:
    return any(
        a.start <= b.end and b.start <= a.end
        for header in one.keys() & other.keys()
        for a in one[header]
        for b in other[header]
    )


def _header(source: Source) -> str:
    """Return the two lines that name a file in a patch, as text that keeps every byte."""
    from fixgrad.project import patch_paths  # noqa: PLC0415
    from fixgrad.rewrite.diff import header  # noqa: PLC0415  (it loads libcst)

    return header(patch_paths([source.path])[source.path])


def _lines(source: Source) -> list[bytes]:
    text = source.notebook.json if source.notebook else source.text
    data = (b"\xef\xbb\xbf" if source.bom else b"") + text.encode(source.encoding)
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _blocks(plan: Plan) -> dict[str, tuple[Block, ...]]:
    """Read the blocks of each file from the patch that a plan makes."""
    found: dict[str, tuple[Block, ...]] = {}
    for source, patch in plan.patches:
        text = as_patch([(source, patch)])
        if text:
            found[_header(source)] = tuple(_blocks_of(text.split(b"\n")[2:]))
    return found


def _blocks_of(lines: Iterable[bytes]) -> Iterator[Block]:
    """Yield the blocks in the hunks of one file."""
    at = start = removed = 0
    added: list[bytes] = []
    last = b""
    for line in lines:
        sign = line[:1]
        if sign == b"\\":  # the line before has no newline at its end
            if last == b"+":
                added[-1] = added[-1][:-1]
            continue
        if sign in (b"-", b"+"):
            if not removed and not added:
                start = at
            if sign == b"-":
                removed, at = removed + 1, at + 1
            else:
                added.append(line[1:] + b"\n")
        elif removed or added:
            yield Block(start, removed, tuple(added))
            removed, added = 0, []
        if sign == b" ":
            at += 1
        hunk = _HUNK.match(line) if sign == b"@" else None
        if hunk:
            at = int(hunk[1]) - (hunk[2] != b"0")
        last = sign
