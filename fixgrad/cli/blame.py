"""`fixgrad why --traceback FILE`: from an error to the conversion that is to blame."""

from __future__ import annotations

import sys
from typing import Any

from fixgrad.cli.listing import options_around
from fixgrad.cli.streams import colour_wanted, emit, note, width_known
from fixgrad.errors import FixgradError
from fixgrad.explain import question, records, text
from fixgrad.explain.blame import Traceback, blamed, files_of, known_files, read_traceback
from fixgrad.explain.run import follow


def blame(pasted: str, paths: tuple[str, ...], form: str, color: str, looked: Any) -> int:
    """Answer for the frames of a traceback that lie in the project."""
    traceback = read_traceback(_read(pasted))
    options = options_around(".", paths, looked)
    left_out = options.exclude
    frames = files_of(traceback, known_files(paths, left_out))
    if not frames:
        raise FixgradError(
            f"{traceback.frames[-1].path}: no frame of the traceback is in a file that is looked at"
            "; name the project's folder"
        )
    files = question.read(frames[-1].path, paths, left_out, options.words())
    for problem in files.problems:
        note(str(problem))
    run = follow(files.sources, models=options.known_calls(), roots=options.roots)
    found = blamed(run, frames)
    if form == "json":
        emit(records.render(found))
        return 0
    note(_headline(traceback))
    diffs = [question.diff_of(answer, run.sources) for answer in found]
    emit(text.render(found, run.sources, diffs, colour=colour_wanted(color), width=width_known()))
    return 0


def _headline(traceback: Traceback) -> str:
    last = traceback.frames[-1]
    if traceback.meaning:
        return f"{traceback.error}: {traceback.meaning}"
    return f"{traceback.error} at line {last.line} of {last.path}: not an error about gradients"


def _read(path: str) -> str:
    if path == "-":
        return sys.stdin.read() if sys.stdin else ""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        raise FixgradError(f"{path}: cannot be read ({error.strerror or error})") from error
