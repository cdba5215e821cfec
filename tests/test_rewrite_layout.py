"""What is known of a text without parsing it: its strings, comments, lines and brackets."""

from __future__ import annotations

import io
import sys
import tokenize
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixgrad.rewrite.layout import Layout
from fixgrad.rewrite.literals import literals
from fixgrad.rewrite.surroundings import delimited, grouping, opens_call

# Each literal is marked; what stands between the marks is the token without its prefix.
MARKED = [
    "x = «'a'» + «\"b\"» «# c»\n",
    "«'''a'b''c'''» + «\"\"\"\"a\"\\\"\"\"\"»\n",
    "«'\\''» r«'\\''»\n",
    "«'a\\\nb'» «# ''' \"»\n",
    "«''» «\"\"» if«'a'» or«'b'» in«''»\n",
    "f«'{a}'» Rb«'\\''» fr«'\\{a}'» F«'{{'» f«'}}{'x'}'»\n",
    "f«'{a['b']}'» + «'c'»\n",
    "f«'{a:{'>'}{f'{b}'}}'» + c\n",
    "f«'''{\n  a  # not the end: '''\n}'''» + c\n",
    "f«'\\N{DASH} {a!r:%H:%M} \\'{b}'»\n",
    "f«'{(lambda: {1: '}'})()}'» + d\n",
    "éf = bar«'a'»\n",
]


@pytest.mark.parametrize("marked", MARKED)
def test_literals(marked: str) -> None:
    text = marked.replace("«", "").replace("»", "")
    found = [(literal.start, literal.end) for literal in literals(text)]
    again, shift = text, 0
    for start, end in found:
        again = f"{again[: start + shift]}«{text[start:end]}»{again[end + shift :]}"
        shift += 2
    assert again == marked


def test_a_field_that_never_closes_is_text() -> None:
    assert [literal[:2] for literal in literals("f'{' + 'a'")] == [(1, 4), (7, 10)]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="f-strings are many tokens from 3.12 on")
@pytest.mark.parametrize("module", ["argparse", "tokenize", "typing", "_pydecimal", "textwrap"])
def test_literals_are_pythons(module: str) -> None:
    file = Path(tokenize.__file__).with_name(f"{module}.py")
    text = file.read_text("utf-8")
    starts = Layout(text).starts
    wanted = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            prefix = len(token.string) - len(token.string.lstrip("rRbBuUfF"))
            start = starts[token.start[0] - 1] + token.start[1] + prefix
            end = starts[token.end[0] - 1] + token.end[1]
            wanted.append((start, end, token.type == tokenize.COMMENT))
    assert literals(text) == wanted


@given(st.text("ab\r\n\f\x0b\x85\u2028", max_size=30))
def test_places_and_offsets(text: str) -> None:
    layout = Layout(text)
    assert "".join(layout.lines) == text
    for offset in range(len(text) + 1):
        span = layout.span("m.py", offset, offset)
        assert layout.offset(span.line, span.column) == offset


@given(st.text("ab'\"#\n{}f\\()", max_size=40))
def test_any_text_has_literals(text: str) -> None:
    """They are in order, disjoint and never empty, whatever is half closed."""
    at = 0
    for start, end, _ in literals(text):
        assert at <= start < end <= len(text)
        at = end


# The marked expression, whether parentheses hold it alone, whether a sum may stand there.
PLACES = [
    ("x = («a»)\n", True, True),
    ("x = («a», b)\n", False, True),
    ("f(«a»)\n", False, True),
    ("f((«a»))\n", True, True),
    ("f[0](«a»)\n", False, True),
    ("f()(«a»)\n", False, True),
    ("'f'(«a»)\n", False, True),
    ("None(«a»)\n", False, True),
    ("x = not(«a»)\n", True, True),
    ("class A(«a»): pass\n", False, True),
    ("f  # (\n(«a»)\n", True, True),
    ("(f  # )\n(«a»))\n", False, True),
    ("(f)\\\n(«a»)\n", False, True),
    ("x = (  # why (\n  «a»  # )\n  )\n", True, True),
    ("«a»\n", False, True),
    ("«a» * b\n", False, False),
    ("x = -«a»\n", False, False),
    ("x == «a»\n", False, False),
    ("x += «a»\n", False, True),
    ("x[«a»:b]\n", False, True),
    ("return_ = «a»; b\n", False, True),
    ("f(*«a»)\n", False, False),
    ("def f(): return «a»\n", False, True),
    ("x = [«a» for a in b]\n", False, False),
    ("x = «a» \\\n  + b\n", False, False),
]


@pytest.mark.parametrize(("marked", "alone", "free"), PLACES)
def test_surroundings(marked: str, alone: bool, free: bool) -> None:
    start, end = marked.index("«"), marked.index("»") - 1
    layout = Layout(marked.replace("«", "").replace("»", ""))
    found = grouping(layout, start, end)
    assert (found is not None) is alone
    assert delimited(layout, start, end) is free
    if found:
        text = layout.text[start:end]
        assert layout.text[found.start : found.end] == f"{found.opening}{text}{found.closing}"
        assert not opens_call(layout, found.start)
