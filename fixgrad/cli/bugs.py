"""Keeps what shows a bug of ours again, in a file of the user's own: nothing is sent anywhere.

One file for each bug that was met, under a name that its contents decide: a second time it is there already, and is
left as it is. It holds the text of the files concerned, and says so.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import TYPE_CHECKING

from fixgrad import __version__
from fixgrad.cli.streams import note
from fixgrad.patching import is_bug
from fixgrad.project import digest
from fixgrad.source import Problem, Source
from fixgrad.write import state_folder

if TYPE_CHECKING:
    from fixgrad.options import Options

MOST_BYTES = 1 << 20  # of one file
MOST_FILES = 50


def keep(
    problems: Iterable[Problem], sources: Sequence[Source], options: Options | None = None
) -> None:
    """Keep what shows the bugs among some problems, and tell the user where."""
    by_path = {source.path: source for source in sources}
    for problem in filter(is_bug, problems):
        concerned = [by_path[problem.path]] if problem.path in by_path else list(sources)
        note(_kept(_text(problem, concerned, options), concerned))


def _kept(text: str, concerned: Sequence[Source]) -> str:
    folder = os.path.join(state_folder(), "bugs")
    data = text.encode("utf-8", "backslashreplace")
    path = os.path.join(folder, f"{digest(data)[:16]}.txt")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if not os.path.exists(path):
            if len(os.listdir(folder)) >= MOST_FILES:
                return f"{folder} holds {MOST_FILES} bugs already: what shows this one is not kept"
            _write(path, data)
    except OSError as error:
        return f"what shows this bug cannot be kept in {folder} ({error.strerror or error})"
    if not concerned:
        return f"what shows this bug is kept in {path}"
    names = ", ".join(source.path for source in concerned[:3])
    names += f" and {len(concerned) - 3} more" if len(concerned) > 3 else ""
    return (
        f"what shows this bug is kept in {path}; it holds the text of {names}"
        ": look through it before you give it to anybody"
    )


def _write(path: str, data: bytes) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:  # another run has met it just now
        return
    with open(descriptor, "wb") as file:
        file.write(data)


def _text(problem: Problem, concerned: Sequence[Source], options: Options | None) -> str:
    tools = ", ".join(f"{name} {_version(name)}" for name in ("libcst", "click"))
    parts = [
        f"fixgrad {__version__}, {tools}, Python {platform.python_version()} on {sys.platform}",
        f"problem: {problem}",
        f"settings: {_settings(options)}",
        "",
        problem.details,
    ]
    left = MOST_BYTES - sum(len(part) for part in parts)
    for source in concerned:
        text = source.notebook.json if source.notebook else source.text
        mark = ", with a byte order mark" if source.bom else ""
        parts.append(f"\n--- {source.path}: {len(text)} characters of {source.encoding}{mark}")
        if len(text) > left:
            parts.append(f"(left out: this file would hold more than {MOST_BYTES >> 20} MiB)")
            continue
        left -= len(text)
        parts.append(text)
    return "\n".join(parts)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "of an unknown version"


def _settings(options: Options | None) -> str:
    """Return what of the options is not the default, as far as it is written with words."""
    if options is None:
        return ""
    plain = type(options)()
    found = {
        name: value
        for name, value in options._asdict().items()
        if value != getattr(plain, name) and not callable(value) and name != "handlers"
    }
    return ", ".join(f"{name}={value!r}" for name, value in found.items())
