"""Repairs of many that touch each other, told apart by lines: what a line becomes is decided by the repairs near it.

Of many repairs on neighbouring lines there are too many choices to write down. But what one of the lines becomes
depends on few of them. Whether that is so is tried on choices of all kinds; where it is not, the repairs go together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, combinations
from typing import NamedTuple, TypeAlias

from fixgrad.edits import Patch
from fixgrad.rewrite.layout import Layout
from fixgrad.rewrite.notebooks import file_patch
from fixgrad.source import Source

MOST = 8  # repairs that may decide on one line
_NEAR = 2  # lines between: statements side by side may share a block
_MOST_PAIRS = 16  # repairs of which every pair is tried

Choice: TypeAlias = "tuple[int, ...]"  # numbers of repairs
Planned: TypeAlias = "Sequence[tuple[Source, Patch]] | None"  # None: not all of them go together


class Stretch(NamedTuple):
    """Lines of a file, by index, that are rewritten together."""

    path: str
    first: int
    last: int  # the last of them


class Window(NamedTuple):
    """Some lines, and what each choice of the repairs near them makes of these."""

    stretch: Stretch
    before: str
    near: Choice
    texts: Mapping[Choice, str]  # only where they change


def windows(numbers: Choice, planned: Callable[[Choice], Planned]) -> list[Window] | None:
    """Return the windows of repairs, None where lines depend on more than what is near."""
    return _Search(numbers, planned).run()


class _Search:
    def __init__(self, numbers: Choice, planned: Callable[[Choice], Planned]) -> None:
        self._numbers = numbers
        self._planned = planned
        self._known: dict[Choice, dict[Stretch, str] | None] = {}
        self._lines: dict[str, list[str]] = {}  # of the files as they are

    def run(self) -> list[Window] | None:
        tried = list(_tried(self._numbers))
        if any(self._texts(chosen) is None for chosen in tried):
            return None
        stretches = _joined(chain.from_iterable(self._texts(chosen) or () for chosen in tried))
        touching = {stretch: self._touching(stretch) for stretch in stretches}
        found = []
        for stretch in stretches:
            around = (touching[other] for other in stretches if _is_near(other, stretch))
            near = tuple(sorted(set().union(*around)))
            window = self._window(stretch, near) if len(near) <= MOST else None
            if window is None or not all(self._agrees(window, chosen) for chosen in tried):
                return None
            found.append(window)
        return found

    def _touching(self, stretch: Stretch) -> set[int]:
        return {
            number
            for number in self._numbers
            if any(_is_in(own, stretch) for own in self._texts((number,)) or ())
        }

    def _window(self, stretch: Stretch, near: Choice) -> Window | None:
        found: dict[Choice, str] = {}
        before = "".join(self._lines[stretch.path][stretch.first : stretch.last + 1])
        for chosen in chain.from_iterable(combinations(near, n + 1) for n in range(len(near))):
            if self._texts(chosen) is None:
                return None
            text = self._text(chosen, stretch)
            if text != before:
                found[chosen] = text
        return Window(stretch, before, near, found)

    def _agrees(self, window: Window, chosen: Choice) -> bool:
        near = tuple(number for number in chosen if number in window.near)
        return window.texts.get(near, window.before) == self._text(chosen, window.stretch)

    def _text(self, chosen: Choice, stretch: Stretch) -> str:
        """Return what stands in a stretch, of which a choice may change a part."""
        lines, at, new = self._lines[stretch.path], stretch.first, ""
        for own, text in sorted((self._texts(chosen) or {}).items()):
            if _is_in(own, stretch):
                new, at = new + "".join(lines[at : own.first]) + text, own.last + 1
        return new + "".join(lines[at : stretch.last + 1])

    def _texts(self, chosen: Choice) -> dict[Stretch, str] | None:
        """Return what a choice makes of all the lines that it changes."""
        if chosen not in self._known:
            made = self._planned(chosen)
            self._known[chosen] = None
            if made is not None:
                pairs = (self._changed(source, patch) for source, patch in made)
                self._known[chosen] = {s: text for texts in pairs for s, text in texts.items()}
        return self._known[chosen]

    def _changed(self, source: Source, whole: Patch) -> dict[Stretch, str]:
        patch = file_patch(source, whole)
        text, layout = patch.before, Layout(patch.before)
        lines = text.split("\n")
        self._lines[whole.path] = [f"{line}\n" for line in lines[:-1]] + lines[-1:]
        starts = [0, *accumulate(map(len, self._lines[whole.path]))]
        changes = []
        for span, new in patch.edits:
            start = layout.offset(span.line, span.column) or 0
            end = layout.offset(span.end_line, span.end_column)
            changes.append((start, len(text) if end is None else end, new))
        rows = (
            Stretch(whole.path, *(min(bisect_right(starts, at) - 1, len(lines) - 1) for at in ends))
            for *ends, _ in changes
        )
        found: dict[Stretch, str] = {}
        for stretch in _joined(rows):
            at, last, made = starts[stretch.first], starts[stretch.last + 1], ""
            for start, end, new in changes:
                if at <= start and end <= last:
                    made, at = made + text[at:start] + new, end
            found[stretch] = made + text[at:last]
        return found


def _tried(numbers: Choice) -> Iterator[Choice]:
    """Yield choices: each alone, all, all but one, every second, halves, pairs."""
    yield from ((number,) for number in numbers)
    yield numbers
    yield from (tuple(n for n in numbers if n != left) for left in numbers)
    yield from (numbers[::2], numbers[1::2])
    half = len(numbers) // 2
    yield from (numbers[:half], numbers[half:])
    if len(numbers) <= _MOST_PAIRS:
        yield from combinations(numbers, 2)


def _is_in(inner: Stretch, outer: Stretch) -> bool:
    same = inner.path == outer.path
    return same and outer.first <= inner.first and inner.last <= outer.last


def _is_near(one: Stretch, other: Stretch) -> bool:
    apart = max(one.first, other.first) - min(one.last, other.last)
    return one.path == other.path and apart <= _NEAR


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return the stretches with those that overlap made one."""
    found: list[Stretch] = []
    for stretch in sorted(set(stretches)):
        last = found[-1] if found else None
        if last is not None and last.path == stretch.path and stretch.first <= last.last:
            found[-1] = last._replace(last=max(last.last, stretch.last))
        else:
            found.append(stretch)
    return found
