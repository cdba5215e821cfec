"""The self-check: right patches pass (see the other tables), wrong ones are found."""

from __future__ import annotations

import pytest

from fixgrad.edits import Edit, Patch
from fixgrad.rewrite.check import check
from fixgrad.rewrite.layout import Layout


def patch(text: str, *edits: tuple[str, str]) -> Patch:
    """Replace the first place that reads so; `place^` inserts before the place."""
    layout, made, after = Layout(text), [], text
    for place, new in edits:
        start = text.index(place.removesuffix("^"))
        end = start if place.endswith("^") else start + len(place)
        made.append((start, Edit(layout.span("m.py", start, end), new), end))
    for start, edit, end in sorted(made, reverse=True):
        after = after[:start] + edit.text + after[end:]
    return Patch("m.py", text, after, tuple(edit for _, edit, _ in sorted(made)))


FOUND = [
    ("precedence leaks out", "x = a * b\n", [("a", "c + d")], "line 1"),
    ("an unmarked sum", "x = (a + b) * c\n", [("(a + b)", "a + b.d()")], "line 1"),
    ("a name beside the edit", "x = f(a)\n", [("f^", "g(), ")], "line 1"),
    ("a sign before", "x = a\n", [("a^", "-")], "line 1"),
    ("a call taken over", "f(a for a in b)\n", [("(a for a in b)", "(a for a in b).c")], "line 1"),
    ("a string moved", "if c:\n    '''\n    a'''\n", [("    a'''^", "    ")], "line 2"),
    ("a statement swallowed", "if c:\n    a\nb\n", [("b^", "    ")], "line 1"),
    ("a statement left behind", "if c:\n    a\n    b\n", [("    b", "b")], "line 1"),
    ("a comment swallows", "f(a,\n  b)\n", [("a,", "a  #,")], "not valid Python"),
    ("a comment swallows a line", "x = a; b\n", [("a", "a  # ")], "line 1"),
    ("a bracket", "x = f(a)\n", [("a", "(a")], "not valid Python: line 1"),
    ("an inserted header too far", "a\nb\n", [("a^", "with x:\n  a\nif y:\n  ")], "line 1"),
    ("a decorator", "@a\ndef f(): pass\n", [("@a", "@a\n@")], "not valid Python"),
    ("a default's owner", "def f(a, b=c): pass\n", [("b^", "*, ")], "line 1"),
    ("an f-string's text", "x = f'p{a}' + b\n", [("p{", "q{")], "line 1"),
    ("an f-string's field", "x = f'{a}' + b\n", [("{a}", "a"), ("b", "d")], "line 1"),
    ("not valid before", "x = (\n", [("x", "y")], "the text before is not valid Python"),
]


@pytest.mark.parametrize(
    ("text", "edits", "said"), [pytest.param(*row[1:], id=row[0]) for row in FOUND]
)
def test_wrong_patches_are_found(text: str, edits: list[tuple[str, str]], said: str) -> None:
    found = check(text, patch(text, *edits))
    assert found is not None
    assert said in found


RIGHT = [
    ("nothing", "x = a\n", []),
    ("an expression", "x = é + f(a)  # b\n", [("f(a)", "f(a, b=1)")]),
    ("two on a line", "x = é + f(a)  # b\n", [("é", "(é).e"), ("f(a)", "f(a, b=1)")]),
    ("a header", "if c:\n    a\n    b\n", [("a^", "with x:\n        "), ("b^", "    ")]),
    ("a statement more", "a\nb\n", [("b^", "c = 1\n")]),
    ("a statement less", "a\nb\nc\n", [("b\n", "")]),
    ("an f-string beside", "x = f'{a}' + b\n", [("b", "c")]),
    ("an escape that warns", "x = '\\d', 1 if a else b\n", [("a", "c")]),
]


@pytest.mark.parametrize(("text", "edits"), [pytest.param(*row[1:], id=row[0]) for row in RIGHT])
def test_right_patches_pass(text: str, edits: list[tuple[str, str]]) -> None:
    assert check(text, patch(text, *edits)) is None


def test_what_the_patch_says_of_itself() -> None:
    right = patch("x = a + b\n", ("a", "c"), ("b", "d"))
    assert check("x = a + b\n", right) is None
    assert check("x = a\n", right) == "the patch was made for another text"
    swapped = right._replace(edits=right.edits[::-1])
    assert check(right.before, swapped) == "the edits overlap or are out of order"
    silent = right._replace(after="x = c + d  # more\n")
    assert check(right.before, silent) == "the text outside the edits is not the same"
