"""Which rules a comment hides, and which it does not."""

from __future__ import annotations

import pytest

from fixgrad.source import Source, Span
from fixgrad.suppressions import Suppressions


@pytest.mark.parametrize(
    ("comment", "hidden"),
    [
        ("# fixgrad: ignore", True),
        ("# fixgrad: ignore[FG101] a reason", True),
        ("# fixgrad: ignore[fg101]", True),
        ("# fixgrad: ignore[FG203, FG101]", True),
        ("# noqa: FG101", True),
        ("# fixgrad: ignore[FG102]", False),
        ("# fixgrad: ignore[typo]", False),
        ("# fixgrad: ignore[]", False),
        ("# noqa", False),
        ("# a remark", False),
    ],
)
def test_comment(comment: str, hidden: bool) -> None:
    source = Source("m.py", f"a = 1\nx = f(a)  {comment}\n", "utf-8", False, "")
    assert Suppressions([source]).hide("FG101", Span("m.py", 2, 4, 2, 8)) is hidden
    assert not Suppressions([source]).hide("FG101", Span("m.py", 1, 0, 1, 5))
