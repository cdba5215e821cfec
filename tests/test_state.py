"""The cells of the abstract state: what two paths say of one is joined to something of the same kind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fixgrad
from fixgrad.flow.joining import _COMMON, _SETS, _TUPLES, join_facts

# read without what stands for nothing: where they are, they are there from the start
ALWAYS_THERE = {"#samples", "#setter"}
FLOW = Path(fixgrad.__file__).parent / "flow"
_READ_AS_A_SET = re.compile(
    r'"(#[a-z]+)"\)\s*,\s*(?:NOTHING|\(\)|frozenset\(\))\s*\)'  # what is there, or nothing
    r'|: Value = state\.get\(\(\w+, "(#[a-z]+)"\)'
)


def _read_as_sets() -> set[str]:
    return {
        match[1] or match[2]
        for path in FLOW.rglob("*.py")
        for match in _READ_AS_A_SET.finditer(path.read_text("utf-8"))
    }


def test_finds_the_fields() -> None:
    assert {"#fields", "#inputs", "#hooks", "#collate"} <= _read_as_sets()


@pytest.mark.parametrize("field", sorted(_read_as_sets() | ALWAYS_THERE))
def test_what_is_read_as_a_set_stays_one(field: str) -> None:
    joined = join_facts(field, frozenset("a"), frozenset("b"))
    assert isinstance(joined, frozenset) or (field in _TUPLES and field not in _SETS | _COMMON)
