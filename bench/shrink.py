"""The smallest program, more or less, that still shows something."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable

from bench.mutations import places


def shrink(data: bytes, shows: Callable[[bytes], bool], *, seconds: float) -> bytes:
    """Take away from a program what it does not need to show what it shows; stop after some time."""
    until = time.monotonic() + seconds
    before = None
    while before != data and time.monotonic() < until:
        before = data
        for cut in (b"\n", b""):
            data = _without_pieces(data, cut, shows, until)
        data = _without_expressions(data, shows, until)
    return data


def _without_pieces(
    data: bytes, separator: bytes, shows: Callable[[bytes], bool], until: float
) -> bytes:
    """Take away runs of lines, or of bytes, ever shorter ones."""
    pieces = data.split(separator) if separator else [bytes((byte,)) for byte in data]
    if not separator and len(pieces) > 400:
        return data
    size = max(len(pieces) // 2, 1)
    while size:
        at = 0
        while at < len(pieces) and time.monotonic() < until:
            fewer = pieces[:at] + pieces[at + size :]
            if shows(separator.join(fewer)):
                pieces = fewer
            else:
                at += size
        size //= 2
    return separator.join(pieces)


def _without_expressions(data: bytes, shows: Callable[[bytes], bool], until: float) -> bytes:
    """Put something short in the place of expressions, the longest first."""
    done = False
    while not done and time.monotonic() < until:
        done = True
        for place in sorted(places(data, ast.expr), key=lambda p: p.start - p.end)[:60]:
            for short in (b"0", b"x"):
                other = data[: place.start] + short + data[place.end :]
                if len(other) < len(data) and time.monotonic() < until and shows(other):
                    data, done = other, False
                    break
            if not done:
                break
    return data
