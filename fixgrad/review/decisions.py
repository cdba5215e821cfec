"""What a user has decided about findings, to be found again in a later run.

A decision is kept by the finding's fingerprint: lines may be added above it, the text decided on may not change.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from fixgrad.errors import FixgradError

_VERSION = 1
_ABOUT = "which repairs of fixgrad to make; see `fixgrad --help-all`, --decisions"


class Decision(NamedTuple):
    """Whether a finding is to be repaired, and how a grant is to be written."""

    fingerprint: str
    accepted: bool
    style: str = "auto"
    rule: str = ""
    path: str = ""  # for who reads the file
    text: str = ""


def read(path: str) -> list[Decision]:
    """Read the file; one that is not there holds nothing."""
    try:
        with open(path, encoding="utf-8") as file:
            return [_decision(row) for row in _rows(json.load(file))]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FixgradError(f"{path}: cannot be read: {(error.strerror or '').lower()}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FixgradError(f"{path}: holds no decisions of fixgrad ({error})") from error


def _rows(document: Any) -> list[Any]:
    if document["version"] != _VERSION:
        raise KeyError("version")
    rows = document["decisions"]
    if not isinstance(rows, list):
        raise TypeError("decisions")
    return rows


def _decision(row: Any) -> Decision:
    if row["decision"] not in ("repair", "leave"):
        raise ValueError(f"no decision: {row['decision']!r}")
    return Decision(
        str(row["fingerprint"]),
        row["decision"] == "repair",
        str(row.get("style", "auto")),
        str(row["rule"]),
        str(row["path"]),
        str(row["text"]),
    )


def write(path: str, decisions: Iterable[Decision]) -> None:
    """Write the file, one decision a line."""
    rows = sorted(decisions, key=lambda each: (each.path, each.rule, each.text, each.fingerprint))
    lines = [
        json.dumps(
            {
                "decision": "repair" if each.accepted else "leave",
                **({"style": each.style} if each.style != "auto" else {}),
                "rule": each.rule,
                "path": each.path,
                "text": each.text,
                "fingerprint": each.fingerprint,
            }
        )
        for each in rows
    ]
    inside = "[\n" + ",\n".join(f"    {line}" for line in lines) + "\n  ]" if lines else "[]"
    head = f'  "about": {json.dumps(_ABOUT)},\n  "version": {_VERSION},\n  "decisions": '
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.write(f"{{\n{head}{inside}\n}}\n")
        os.replace(temporary, path)
    except OSError as error:
        raise FixgradError(
            f"{path}: cannot be written: {(error.strerror or '').lower()}"
        ) from error
