"""What two paths say of one cell, said together."""

from __future__ import annotations

from typing import Any, TypeAlias

from fixgrad.flow.values import Thing, widened

Cell: TypeAlias = tuple[Thing | None, str]
Changes: TypeAlias = dict[Cell, Any]

ABSENT = object()


def join_facts(field: str, one: Any, other: Any) -> Any:
    """Join what two paths say of one cell."""
    if one is ABSENT or one is other:
        return other
    if other is ABSENT or one == other:
        return one
    if field[0] != "#" or field in _SETS:
        if other <= one:
            return one
        return one | other if field[0] == "#" else widened(one | other)
    if field in _COMMON:
        return one & other
    if field in _FLAGS:
        return True
    if field in _BOTH:
        return False
    if field in _TUPLES:
        return one if len(one) >= len(other) else other
    if "." in field:  # a part of a set that may grow long
        return one | other
    return _DISAGREE.get(field, "maybe")


_SETS = {
    "#after", "#base", "#collate", "#cut", "#default", "#displaced", "#each", "#fields", "#freed", "#hooks", "#inner",
    "#inputs", "#items", "#longest", "#made", "#outdated", "#outpaced", "#owner", "#parameter", "#params",
    "#parts", "#perhaps", "#present", "#repeats", "#returned", "#run", "#samples", "#setter", "#source",
    "#storage", "#spent", "#older",
}  # fmt: skip
_TUPLES = {"#declared", "#order", "#stars"}
_FLAGS = {"#done", "#loose", "#manual", "#more", "#outgrown", "#overwritten", "#stale", "#twofold"}
_BOTH = {"#closed", "#guarded", "#read"}
_COMMON = {"#earlier", "#last", "#sure"}
UNLESS_SET: dict[str, Any] = {
    "#last": frozenset(),
    "#read": False,
}  # what a path says that does not mention it
# Of what one path makes anew, though the other does not come to it, the other says nothing.
RENEWED: dict[str, Any] = {"#outpaced": frozenset(), "#spoiled": "no"}
SPEAKS_FOR_OTHERS = frozenset((*UNLESS_SET, *RENEWED))  # what is said where a path says nothing
OF_HOLDERS = ("#run", "#spent", "#older")  # what only matters where something holds the thing
_DISAGREE = {"#dtype": "unknown"}
