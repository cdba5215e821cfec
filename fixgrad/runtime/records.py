"""Reads what the probe wrote, from all processes of a run."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

# What torch says where a gradient is missing, or where a tracked tensor is in the way.
_AUTOGRAD = re.compile(
    r"does not require grad|requires? grad|non-leaf Tensor|retain_grad|leaf Variable|a view of a leaf"
    r"|backward through the graph a second time|modified by an inplace operation|require gradient"
    r"|numpy\(\) on|used in the graph|'NoneType' object"
)


class Place(NamedTuple):
    """An expression of the program's own that was run."""

    file: str  # absolute, links resolved; of a notebook's cell a name that no file has
    line: int
    column: int | None  # from 0, in bytes of UTF-8; None where Python before 3.11 ran it
    end_line: int
    end_column: int | None
    function: str
    text: str = ""  # of what is in no file


class Step(NamedTuple):
    """A call on the way of a tensor."""

    call: str  # "torch.from_numpy", "float", "requires_grad_"
    place: Place


class Event(NamedTuple):
    """Something that happened so and so often."""

    kind: str
    place: Place | None
    facts: dict[str, Any]
    route: tuple[Step, ...] = ()  # the way of the tensor that it is about
    frames: tuple[Place, ...] = ()  # of an exception, the outermost first
    times: int = 1

    @property
    def arrived(self) -> bool:
        """Say whether a gradient was there."""
        return bool(self.facts.get("arrived"))

    @property
    def failed(self) -> bool:
        """Say whether it is an exception."""
        return "error" in self.facts


class Records(NamedTuple):
    """All that a run left."""

    events: tuple[Event, ...]
    torch: str = ""  # its version, where it was imported
    python: str = ""
    processes: int = 0
    strays: tuple[str, ...] = ()  # files of the user's tree that were loaded in place of the copy's
    bugs: tuple[str, ...] = ()  # of the probe
    places: tuple[Place, ...] = ()  # all that the run came to, as far as the probe looks

    def of(self, *kinds: str) -> Iterator[Event]:
        """Yield the events of some kinds."""
        return (event for event in self.events if event.kind in kinds)


def read(folder: str) -> Records:
    """Read the records of a run; a line that a kill has cut short is left out."""
    events: list[Event] = []
    about: dict[str, Any] = {"strays": set(), "bugs": set(), "places": {}}
    names = sorted(os.listdir(folder))
    for name in names:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            events += _events(_parsed(file), about)
    return Records(
        tuple(events),
        about.get("torch", ""),
        about.get("python", ""),
        len(names),
        tuple(sorted(about["strays"])),
        tuple(sorted(about["bugs"])),
        tuple(about["places"]),
    )


def _parsed(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _events(records: Iterable[dict[str, Any]], about: dict[str, Any]) -> list[Event]:
    """Return the events of one process, each with its highest count and what was written first."""
    places: dict[int, Place] = {}
    routes: dict[int, tuple[Step, ...]] = {}
    found: dict[str, Event] = {}
    for record in records:
        kind = record.pop("kind")
        if kind == "place":
            span = record["span"]
            where = (record["file"], *span, record["in"], record.get("text", ""))
            places[record["number"]] = Place(*where)
            about["places"][places[record["number"]]] = True
        elif kind == "route":
            steps = record["steps"]
            routes[record["number"]] = tuple(Step(call, places[at]) for call, at in steps)
        elif kind in ("start", "torch", "stray", "bug"):
            _note(kind, record, about)
        elif kind != "end":
            event = _event(kind, record, places, routes)
            key = json.dumps([kind, record.get("at"), _telling(event.facts), record.get("of")])
            first = found.setdefault(key, event)
            found[key] = first._replace(times=max(first.times, event.times))
    return list(found.values())


def _note(kind: str, record: dict[str, Any], about: dict[str, Any]) -> None:
    if kind == "start":
        about["python"] = record["python"]
    elif kind == "torch":
        about["torch"] = record["version"]
    elif kind == "stray":
        about["strays"].add(record["file"])
    else:
        about["bugs"].add(f"{record['in']}: {record['error']}")


def _event(
    kind: str,
    record: dict[str, Any],
    places: dict[int, Place],
    routes: dict[int, tuple[Step, ...]],
) -> Event:
    hidden = ("at", "of", "frames", "count")
    facts = {name: value for name, value in record.items() if name not in hidden}
    at, of = record.get("at"), record.get("of")
    return Event(
        kind,
        places.get(at) if at is not None else None,
        {**facts, "known": of is not None, **({"number": of} if kind == "slopes" else {})},
        routes.get(of, ()) if of is not None else (),
        tuple(places[number] for number in record.get("frames", ()) if number in places),
        record.get("count", 1),
    )


def _telling(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts that tell one event from others, without those written beside them."""
    return {name: value for name, value in facts.items() if name not in ("norm", "some")}


def said(error: Mapping[str, Any]) -> str:
    """Return an exception as a message quotes it."""
    text = " ".join(str(error["message"]).split())
    return f"{error['error']}: {text}" if text else str(error["error"])


def is_of_autograd(error: Mapping[str, Any]) -> bool:
    """Say whether an exception is about gradients."""
    return bool(_AUTOGRAD.search(str(error["message"])))
