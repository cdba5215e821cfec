"""Runs a program once, where it stands and as it is, and keeps what it showed as evidence."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fixgrad.errors import FixgradError
from fixgrad.evidence import store
from fixgrad.evidence.store import Seen, Spot
from fixgrad.runtime import records
from fixgrad.runtime.launch import equip

_ASKED = ("grad", "inputs", "optimizer", "hook")


class Traced(NamedTuple):
    """How the program ended, and what was kept of it."""

    code: int
    lines: int
    notes: tuple[str, ...]


def trace(words: tuple[str, ...], folder: str, path: str) -> Traced:
    """Run a command with the probe in it, with the terminal as its own; the store grows."""
    equipment = tempfile.mkdtemp(prefix="fixgrad-")
    try:
        environment = equip(equipment, {"roots": [folder], "seed": None})
        code = _run(words, {**os.environ, **environment})
        found = records.read(os.path.join(equipment, "records"))
    finally:
        shutil.rmtree(equipment, ignore_errors=True)
    notes = [f"fixgrad has a bug in its probe ({bug}); please report it" for bug in found.bugs]
    if not found.processes:
        notes.append("the interpreter did not load the probe; does the command use -I, -E or -S?")
    return Traced(code, store.add(path, found, folder), tuple(notes))


def _run(words: tuple[str, ...], environment: dict[str, str]) -> int:
    """Run to the end; a Ctrl-C is the program's, and its signals are told as a shell does."""
    try:
        process = subprocess.Popen(words, env=environment)
    except OSError as error:
        reason = "no such program" if isinstance(error, FileNotFoundError) else error.strerror
        raise FixgradError(f"{words[0]}: cannot be run ({reason})") from error
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 or sys.platform == "win32" else 128 - code


class Row(NamedTuple):
    """What is known of one conversion."""

    word: str  # "missing", "arrived", "not asked"
    spot: Spot
    call: str
    said: tuple[str, ...]


def rows(seen: Iterable[Seen]) -> list[Row]:
    """Return what became of each conversion, those that lack a gradient first."""
    by_site: dict[tuple[Spot, str], list[Seen]] = {}
    for each in seen:
        if each.way:
            call, spot = each.way[0]
            by_site.setdefault((spot, call), []).append(each)
    made = [_row(spot, call, events) for (spot, call), events in by_site.items()]
    order = {"missing": 0, "arrived": 1, "not asked": 2}
    return sorted(made, key=lambda row: (order[row.word], row.spot[:2], row.spot.column or 0))


def _row(spot: Spot, call: str, events: list[Seen]) -> Row:
    missing = list(dict.fromkeys(_missing(events)))
    arrived = [e for e in events if e.kind in ("arrival", "grad", "inputs") and e.fact("arrived")]
    if missing and not arrived:
        return Row("missing", spot, call, tuple(missing))
    if arrived:
        said = dict.fromkeys(f"gradient at {e.spot}, {_times(e.times)}" for e in arrived)
        return Row("arrived", spot, call, (*said, *missing))
    times = sum(event.times for event in events if event.kind == "conversion")
    return Row("not asked", spot, call, (_times(max(times, 1)),))


def _missing(events: Iterable[Seen]) -> Iterator[str]:
    for event in events:
        if event.kind in ("grad", "inputs") and not event.fact("arrived"):
            yield f"no gradient at {event.spot}, {_times(event.times)}"
        elif event.kind == "optimizer" and not event.fact("tracked"):
            yield f"{event.fact('call')} gets it untracked at {event.spot}"
        elif event.kind == "step" and not event.fact("moved"):
            yield f"never moved by {event.fact('call')}, {_times(event.times)}"
        elif event.kind == "hook" and event.fact("error"):
            yield f"{event.fact('call')} raises at {event.spot}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def table(seen: Iterable[Seen]) -> str:
    """Return the conversions as a table."""
    return "".join(
        f"{row.word:9}  {row.spot} {row.call}\n"
        + "".join(f"{'':9}    {text}\n" for text in row.said)
        for row in rows(seen)
    )
