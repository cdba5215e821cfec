"""Texts that are known in part: of f"w{n}" how it begins and how it ends.

A thing of kind "text" has both as its data, or None where nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from fixgrad.flow.values import TEXT, Thing, Value, constant, known

_LONGEST = 200


def joined(parts: Iterable[Value]) -> Value:
    """Return one text made of several: a constant where all parts are."""
    prefix, suffix, whole = "", "", True
    for part in parts:
        before, after, sure = _ends(part)
        if whole:
            prefix += before
        suffix = suffix + before if sure else after
        whole = whole and sure
    if len(prefix) + len(suffix) > _LONGEST:
        return TEXT
    return constant(prefix) if whole else between(prefix, suffix)


def _ends(part: Value) -> tuple[str, str, bool]:
    sure, value = known(part)
    if sure and isinstance(value, str | int):
        return str(value), str(value), True
    ends = ends_of(part)
    return (*ends, False) if ends else ("", "", False)


def between(prefix: str, suffix: str) -> Value:
    """Return a text of which the ends are known."""
    if not prefix and not suffix:
        return TEXT
    return frozenset((_TEXTS.setdefault((prefix, suffix), _text(prefix, suffix)),))


def _text(prefix: str, suffix: str) -> Thing:
    return Thing("text", None, (), "", (prefix, suffix))


_TEXTS: dict[tuple[str, str], Thing] = {}


def ends_of(value: Value) -> tuple[str, str] | None:
    """Return how a text begins and ends, where it is known in part."""
    if len(value) != 1:
        return None
    (thing,) = value
    return thing.data if thing.kind == "text" and isinstance(thing.data, tuple) else None


def fits(ends: tuple[str, str], name: str) -> bool:
    """Say whether a text with these ends may be this one."""
    prefix, suffix = ends
    long_enough = len(name) >= len(prefix) + len(suffix)
    return long_enough and name.startswith(prefix) and name.endswith(suffix)


def _is_wide(template: str) -> bool:
    """Say whether a hole may ask for more characters than anybody should make."""
    return any(sum(1 for _ in run) > 3 for digit, run in groupby(template, str.isdigit) if digit)


def filled(template: str, given: list[Value], hole: str) -> Value:
    """Return a template with values in its holes: "w%d" % n, "w{}".format(n)."""
    each = [known(value) for value in given]
    if _is_wide(template):
        return TEXT
    if all(sure and isinstance(v, str | int | float) for sure, v in each):
        values = tuple(v for _, v in each)
        try:
            text = template % values if hole == "%" else template.format(*values)
        except (TypeError, ValueError, IndexError, KeyError, OverflowError):
            return TEXT
        return constant(text) if len(text) <= _LONGEST else TEXT
    prefix = template.partition(hole)[0]
    closing = template.rpartition("}" if hole == "{" else hole)[2]
    return between(prefix, closing if hole == "{" else "")
