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


@pytest.mark.parametrize(
    "line",
    [
        'x = f(a, "# fixgrad: ignore")',
        "x = f(a, '# noqa: FG101')",
        'x = f(a, f"{b} # fixgrad: ignore[FG101]")',
        'x = f(a, """\n# fixgrad: ignore\n""")',
        'x = f(a, "# fixgrad: ignore")  # a remark',
    ],
)
def test_what_a_string_says_is_no_comment(line: str) -> None:
    source = Source("m.py", f"a = 1\n{line}\n", "utf-8", False, "")
    assert not Suppressions([source]).hide("FG101", Span("m.py", 2, 4, 4, 8))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_are_counted_as_python_counts_them(newline: str) -> None:
    text = newline.join(['s = """', "# fixgrad: ignore", '"""', "x = f(a)  # fixgrad: ignore", ""])
    source = Source("m.py", text, "utf-8", False, "")
    assert Suppressions([source]).hide("FG101", Span("m.py", 4, 4, 4, 8))
    assert not Suppressions([source]).hide("FG101", Span("m.py", 1, 0, 3, 3))
