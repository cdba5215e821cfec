"""Evidence: what runs of a program showed, as JSON lines that may be put together from any number of runs.

A line says of one place what happened there, how often, and by which way the tensor came. It names the content of each
file by a digest, so that evidence of a file that has changed since is not taken for evidence of the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from fixgrad import project
from fixgrad.errors import FixgradError
from fixgrad.runtime.records import Event, Place, Records
from fixgrad.source import Problem

VERSION = 1
NAME = "fixgrad-evidence.jsonl"  # of a store, where nobody says otherwise
_KINDS = (
    *("conversion", "grad", "arrival", "inputs", "optimizer", "step", "hook", "backward"),
    *("autograd", "gradcheck", "refused", "export", "uncaught", "failed", "left", "taken"),
)


class Spot(NamedTuple):
    """A place in a file of the project, as the interpreter told it."""

    path: str  # relative to the folder of the run
    line: int
    column: int | None  # in bytes, from 0
    end_line: int
    end_column: int | None
    digest: str

    def __str__(self) -> str:
        column = "" if self.column is None else f":{self.column + 1}"
        return f"{self.path}:{self.line}{column}"


class Seen(NamedTuple):
    """Something that happened, in all runs together."""

    kind: str
    spot: Spot
    way: tuple[tuple[str, Spot], ...]  # the calls by which the tensor came
    facts: tuple[tuple[str, Any], ...]
    times: int = 1

    def fact(self, name: str) -> Any:
        """Return a fact, None where nothing is said of it."""
        return dict(self.facts).get(name)


def add(path: str, records: Records, folder: str) -> int:
    """Append what a run showed to a store; return how many lines that makes."""
    digests: dict[str, str] = {}
    lines = [
        json.dumps(line, sort_keys=True)
        for event in records.events
        if event.kind in _KINDS and (line := _line(event, folder, digests)) is not None
    ]
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise FixgradError(f"{path}: cannot be written ({error.strerror or error})") from error
    return len(lines)


def read(paths: Iterable[str]) -> list[Seen]:
    """Read stores and put together what is the same; the order is that of the places."""
    found: dict[Seen, int] = {}
    for path in paths:
        for seen in _seen(path):
            found[seen._replace(times=1)] = found.get(seen._replace(times=1), 0) + seen.times
    return sorted((seen._replace(times=n) for seen, n in found.items()), key=_order)


def _order(seen: Seen) -> tuple[str, int, int, str]:
    return seen.spot.path, seen.spot.line, seen.spot.column or 0, str(seen)


def _line(event: Event, folder: str, digests: dict[str, str]) -> dict[str, Any] | None:
    spot = _spot(event.place, folder, digests) if event.place is not None else None
    if spot is None:
        return None
    way = [(step.call, _spot(step.place, folder, digests)) for step in event.route]
    facts = {key: value for key, value in event.facts.items() if key not in ("known", "frames")}
    return {
        "version": VERSION,
        "kind": event.kind,
        "spot": list(spot),
        "way": [[call, list(at)] for call, at in way if at is not None],
        "facts": facts,
        "times": event.times,
    }


def _spot(place: Place, folder: str, digests: dict[str, str]) -> Spot | None:
    if place.text or not os.path.isfile(place.file):
        return None
    if place.file not in digests:
        data = project.read_bytes(place.file)
        digests[place.file] = "" if isinstance(data, Problem) else project.digest(data)
    path = os.path.relpath(place.file, os.path.realpath(folder)).replace(os.sep, "/")
    return Spot(path, *place[1:5], digests[place.file])


def _seen(path: str) -> Iterator[Seen]:
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.readlines()
    except FileNotFoundError:
        raise FixgradError(f"{path}: no such evidence; `fixgrad trace` makes it") from None
    except OSError as error:
        raise FixgradError(f"{path}: cannot be read ({error.strerror or error})") from error
    for number, line in enumerate(lines, 1):
        try:
            data = json.loads(line)
            if data["version"] != VERSION:
                raise ValueError
            way = tuple((call, Spot(*at)) for call, at in data["way"])
            facts = tuple(sorted(data["facts"].items()))
            yield Seen(data["kind"], Spot(*data["spot"]), way, facts, data["times"])
        except (ValueError, KeyError, TypeError) as error:
            message = f"{path}:{number}: no line of evidence; was it written by another version?"
            raise FixgradError(message) from error
