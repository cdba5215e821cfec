"""Where text goes: reports and patches to standard output, everything else to standard error."""

from __future__ import annotations

import contextlib
import os
import sys

import click

from fixgrad.errors import FixgradError
from fixgrad.report.colour import harmless


def emit(data: bytes | str) -> None:
    """Write a report or a patch; a reader that has gone away is nobody's fault."""
    if not data or sys.stdout is None:  # None where the caller closed it
        return
    if isinstance(data, str):
        data = data.encode(sys.stdout.encoding or "utf-8", "backslashreplace")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        # Python flushes once more at its end, and would complain then, with an exit code of its own.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return
        raise FixgradError(f"standard output cannot be written: {error.strerror}") from error


def note(text: str) -> None:
    """Write lines to standard error, as far as anyone listens."""
    with contextlib.suppress(OSError):
        click.echo("\n".join(map(harmless, text.split("\n"))), err=True)


def colour_wanted(when: str, file: str | None = None) -> bool:
    """Decide on colour: `auto` means a terminal, not a file, and NO_COLOR is obeyed."""
    if when != "auto":
        return when == "always"
    dull = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not dull and file is None and sys.stdout is not None and sys.stdout.isatty()


def width_known(file: str | None = None) -> int | None:
    """Return the columns of the terminal that standard output is, or None where it is none."""
    if file is not None or sys.stdout is None or not sys.stdout.isatty():
        return None
    import shutil  # noqa: PLC0415  (it loads the archive formats, and most runs write to no terminal)

    return max(shutil.get_terminal_size().columns, 20)


def save(path: str, data: bytes | str, *, append: bool = False) -> None:
    """Write a report to a file."""
    if isinstance(data, str):
        data = data.encode("utf-8", "backslashreplace")
    try:
        with open(path, "ab" if append else "wb") as file:
            file.write(data)
    except OSError as error:
        raise FixgradError(f"{path}: cannot be written: {error.strerror}") from error
