"""The progress bar: on standard error where that is a terminal, and only if a run takes a while."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from fixgrad import progress

DELAY = 1.0  # seconds before anything is shown
_PAUSE = 0.1  # seconds between two pictures
_WIDEST = 30  # columns of the bar itself
_CLEAR = "\r\x1b[2K"


@contextmanager
def shown(quiet: bool) -> Iterator[None]:
    """Show how far the run has come, and leave no trace of it."""
    stream = sys.stderr
    if quiet or stream is None or not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    bar = Bar(stream)
    with progress.told_to(bar.tell):
        try:
            yield
        finally:
            bar.clear()


class Bar:
    """One line of a terminal, drawn over and over."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next = time.monotonic() + DELAY
        self._drawn = False

    def tell(self, stage: str, done: int, total: int) -> None:
        """Draw the line if the last picture is old enough."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PAUSE
            self._drawn = True
            import shutil  # noqa: PLC0415  (most runs end before there is a bar)

            columns = shutil.get_terminal_size().columns
            self._stream.write(_CLEAR + line(stage, done, total, columns))
            self._stream.flush()

    def clear(self) -> None:
        """Wipe the line, where one was drawn."""
        if self._drawn:
            self._stream.write(_CLEAR)
            self._stream.flush()


def line(stage: str, done: int, total: int, columns: int) -> str:
    """Return "following  [#####-----]  12/24", in fewer columns than there are."""
    numbers = f"{done}/{total}"
    room = min(_WIDEST, columns - len(stage) - len(numbers) - 7)
    if room < 5:
        return f"{stage} {numbers}"[: max(columns - 1, 0)]
    full = room * done // max(total, 1)
    return f"{stage}  [{'#' * full}{'-' * (room - full)}]  {numbers}"
