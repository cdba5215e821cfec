"""Starts a command with the probe in it, in a copy of a project or where it stands.

The probe comes in by PYTHONPATH and lets the program's own `sitecustomize` have its turn; an interpreter that is told
to ignore its environment (`-I`, `-E`, `-S`) is not watched, and that is said.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any, NamedTuple

from fixgrad.errors import FixgradError
from fixgrad.runtime import cells, probe
from fixgrad.runtime.child import Limits, Ran, run
from fixgrad.runtime.workspace import Workspace

SEED = 0
_PYTHONS = ("python", "python3", *(f"python3.{minor}" for minor in range(8, 20)))


class Command(NamedTuple):
    """What the user asks to be run."""

    words: tuple[str, ...]
    folder: str  # the current one: the command is run in the copy of it
    python: str | None = None  # the interpreter that stands for `python`
    limits: Limits = Limits()


def equip(folder: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Put the probe and its settings into a folder; return what the environment must say."""
    hook = os.path.join(folder, "hook")
    records = os.path.join(folder, "records")
    os.makedirs(hook)
    os.makedirs(records)
    shutil.copyfile(probe.__file__, os.path.join(hook, "sitecustomize.py"))
    path = os.path.join(folder, "probe.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**settings, "out": records}, file)
    inherited = os.environ.get("PYTHONPATH")
    return {
        "PYTHONPATH": os.pathsep.join([hook, *([inherited] if inherited else [])]),
        probe.VARIABLE: path,
    }


def run_copy(
    command: Command,
    workspace: Workspace,
    copy: str,
    name: str,
    texts: Mapping[str, str],
    more: Mapping[str, Any] | None = None,
) -> tuple[Ran, str]:
    """Run a command in a copy; return how it ended and the folder of its records.

    `texts` holds the code of the notebooks that the command may name.
    """
    folder = os.path.join(workspace.folder, f"run-{name}")
    os.makedirs(os.path.join(folder, "tmp"))
    moved = {workspace.top: copy}
    settings = {"roots": [copy], "seed": SEED, "every": True, "moved": moved, **(more or {})}
    environment = {
        **{key: _moved(value, moved) for key, value in os.environ.items()},
        "PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED", str(SEED)),
        "TMPDIR": os.path.join(folder, "tmp"),
        "MPLBACKEND": os.environ.get("MPLBACKEND", "Agg"),
    }
    equipment = equip(folder, settings)
    environment.update(equipment, PYTHONPATH=_moved(equipment["PYTHONPATH"], moved))
    here = _moved(os.path.realpath(command.folder), moved)
    words = _words(command, workspace.top, moved, environment, _Cells(folder, here, texts))
    captured = os.path.join(folder, "output")
    ran = run(words, here, environment, command.limits, captured, environment[probe.VARIABLE])
    return ran, os.path.join(folder, "records")


class _Cells(NamedTuple):
    """The notebooks that a command may name."""

    folder: str  # where their code is put
    here: str
    texts: Mapping[str, str]  # by their place in the copy

    def program(self, word: str) -> list[str] | None:
        """Return what `python` is to run in place of a notebook."""
        text = self.texts.get(os.path.realpath(os.path.join(self.here, word)))
        if text is None:
            return None
        path = os.path.join(self.folder, "cells.txt")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return [cells.__file__, path, word]


def _words(
    command: Command,
    top: str,
    moved: Mapping[str, str],
    environment: dict[str, str],
    notebooks: _Cells,
) -> list[str]:
    """Return the command as it is run: in the copy, by the interpreter that is asked for."""
    first, *rest = command.words
    is_python = os.path.basename(first) in _PYTHONS
    python = command.python and _program(command.python, command.folder)
    if python:
        environment["PATH"] = os.path.dirname(python) + os.pathsep + environment.get("PATH", "")
    words = [_moved(word, moved) for word in rest]
    if is_python:
        words = [part for word in words for part in notebooks.program(word) or [word]]
        return [python or _program(first, command.folder), *words]
    if os.sep in first:
        copied = _moved(os.path.realpath(os.path.join(command.folder, first)), moved)
        return [copied if os.path.exists(copied) else _program(first, command.folder), *words]
    return [shutil.which(first, path=environment.get("PATH")) or first, *words]


def _program(name: str, folder: str) -> str:
    """Return where a program is; a link is left unresolved, as a virtual environment needs it."""
    found = os.path.join(folder, name) if os.sep in name else shutil.which(name)
    if found is None or not os.path.exists(found):
        raise FixgradError(f"{name}: no such program; name one with --python")
    return os.path.abspath(found)


def _moved(text: str, moved: Mapping[str, str]) -> str:
    """Let a text that names a place in the project name the copy instead; installed code stays."""
    for old, new in moved.items():
        pieces = text.split(os.pathsep)
        text = os.pathsep.join(_moved_path(piece, old, new) for piece in pieces)
    return text


def _moved_path(text: str, old: str, new: str) -> str:
    start, equals, path = text.rpartition("=")  # --data=/home/me/project/data
    if (path + os.sep).startswith(old.rstrip(os.sep) + os.sep):
        there = new + path[len(old.rstrip(os.sep)) :]
        return (
            start
            + equals
            + (there if os.path.lexists(there) or not os.path.lexists(path) else path)
        )
    return text
