"""What becomes of the bytes of a notebook: only the changed lines of its code are others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fixgrad import pipeline
from fixgrad.edits import Patch
from fixgrad.pipeline import Options
from fixgrad.rewrite.changes import Change, patch, spliced
from fixgrad.rewrite.layout import Layout
from fixgrad.rewrite.notebooks import UnmappableError, as_read, check_file, file_patch
from fixgrad.source import Source
from fixgrad.write import encoded
from tests.notebooks import code, jupyter, layouts, read, texts

pytestmark = pytest.mark.slow

IMPORTS = "import numpy as np\nimport torch"


def grants(number: int) -> list[tuple[str, str]]:
    """Return two cells that need a repair, each with what it becomes."""
    w = f"w{number}"
    made = f"# é {number}\n{w} = torch.{{}}"
    step = f"{w} -= 0.1 * {w}.grad  # ∇\n"
    used = f"%matplotlib inline\n({w} ** 2).sum().backward()\n"
    return [
        (
            made.format("from_numpy(np.ones(3))"),
            made.format("tensor(np.ones(3), requires_grad=True)"),
        ),
        (used + step, f"{used}with torch.no_grad():\n    {step}"),
    ]


DATA = [
    ("batch = torch.from_numpy(np.ones((2, 2)))\nbatch.mean()", None),
    ("%%bash\necho 'é", None),
    ("", None),
    ('text = "a/b\\n"\r\nlabel = 1\t# tab', None),
]


@st.composite
def programs(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Draw cells, each with what it becomes."""
    cells = [(IMPORTS, IMPORTS)]
    for number in range(draw(st.integers(0, 2))):
        cells += grants(number)
    for text, _ in draw(st.lists(st.sampled_from(DATA), max_size=3)):
        cells.insert(draw(st.integers(1, len(cells))), (text, text))
    return cells


def without_code(data: bytes) -> str:
    """Return a notebook as JSON without the text of its code cells."""
    found = json.loads(data.decode("utf-8-sig"))
    for cell in found["cells"]:
        if cell["cell_type"] == "code":
            cell["source"] = None
    return json.dumps(found)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_repair_changes_only_code(data: st.DataObject) -> None:
    cells = data.draw(programs())
    before = data.draw(layouts([text for text, _ in cells]))
    outcome = pipeline.run_on_text("n.ipynb", before, Options(fix=True))
    assert not outcome.problems
    assert not outcome.entries
    after = before
    for source, made in outcome.patches:
        after = encoded(source, made)
    wanted = [text for one, text in cells if one]
    assert [text for text in _code_of(after) if text] == wanted
    assert without_code(after) == without_code(before)
    if all(one == text for one, text in cells):
        assert after == before


def _code_of(data: bytes) -> list[str]:
    found = json.loads(data.decode("utf-8-sig"))
    return ["".join(cell["source"]) for cell in found["cells"] if cell["cell_type"] == "code"]


TEXT = st.text(alphabet='x=1 \n"\\/é∇\U0001d703\t', max_size=25)


def changed(source: Source, changes: list[Change]) -> Patch:
    return patch(source.path, Layout(source.text), changes)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_edit_of_any_cell(data: st.DataObject) -> None:
    """The new file says what the edits say, and everything around its code is as it was."""
    cells = data.draw(st.lists(TEXT.filter(bool), min_size=1, max_size=4))
    source = read(data.draw(layouts(cells)))
    assert source.notebook is not None
    starts = Layout(source.text).starts
    changes: list[Change] = []
    expected = [cell.text for cell in source.notebook.cells]
    for index, cell in enumerate(source.notebook.cells):
        assume(not cell.magics)
        start, end = (
            starts[cell.line - 1],
            starts[cell.end() - 1 : cell.end()] or [len(source.text)],
        )
        whole = source.text[start : end[0]]
        places = sorted(
            data.draw(st.lists(st.integers(0, len(whole)), min_size=2, max_size=2, unique=True))
        )
        new = data.draw(TEXT)
        if places[1] == len(whole):
            new += "\n"  # nothing is ever left without a newline at the end of a cell
        own = [Change(places[0], places[1], new)]
        changes += [Change(start + places[0], start + places[1], new)]
        result = spliced(whole, own, 0, len(whole))
        added = whole != cell.text
        expected[index] = result[:-1] if added and result.endswith("\n") else result
    made = changed(source, changes)
    after = encoded(source, made)
    assert _code_of(after) == expected
    assert without_code(after) == without_code(encoded(source, changed(source, [])))


def test_escapes_beside_an_edit_stay() -> None:
    raw = rb'{"cells":[{"cell_type":"code","source":"a\u0020= \"\u00e9\/\ud835\udf03\" + b"}]}'
    source = read(raw)
    at = source.text.index("b")
    made = changed(source, [Change(at, at + 1, "c'é'")])
    assert encoded(source, made) == raw.replace(b" b", rb" c'\u00e9'")
    assert check_file(source, made) is None


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        ('["a\\n", "b"]', "a\n", "a\nc\n", '["a\\n", "c\\n", "b"]'),
        ('["a\\n", "b"]', "b\n", "b\nc\n", '["a\\n", "b\\n", "c"]'),
        ('["a\\n",\n  "b"]', "b\n", "", '["a"]'),
        ('["a\\n",\n  "b"]', "a\n", "", '["b"]'),
        ('["a"]', "a\n", "", '[""]'),
        ('["a"]', "a\n", "a\nb\n", '["a\\n", "b"]'),
        ('["a\\nb"]', "a\n", "c\nd\n", '["c\\nd\\nb"]'),
        ('["a\\n", "b\\n", "c"]', "a\nb\n", "d\n", '["d\\n", "c"]'),
        ('"a\\nb"', "b\n", "b\nc\n", '"a\\nb\\nc"'),
        ('[\n  "a"\n ]', "a\n", "a\nb\n", '[\n  "a\\n",\n  "b"\n ]'),
    ],
)
def test_strings_of_a_cell(before: str, old: str, new: str, after: str) -> None:
    raw = '{{"cells": [{{"cell_type": "code", "source": {}}}]}}'
    source = read(raw.format(before).encode())
    at = source.text.index(old, source.text.index("cell 1"))
    made = changed(source, [Change(at, at + len(old), new)])
    assert encoded(source, made).decode() == raw.format(after)


def test_what_is_added_after_a_cell_does_not_go_to_the_next() -> None:
    source = read(jupyter("a = 1", "%%time\nb = 2"))
    at = source.text.index("pass  # cell 2")
    made = changed(source, [Change(at, at, "c = 3\n")])
    assert texts(encoded(source, made)) == ["a = 1\nc = 3", "%%time\nb = 2"]


@pytest.mark.parametrize("old", ["magic", "pass  # cell 1"])
def test_what_is_no_code_of_the_cell_is_never_edited(old: str) -> None:
    source = read(jupyter("%timeit magic\nx = 1"))
    at = source.text.index(old)
    made = changed(source, [Change(at, at + len(old), "y")])
    with pytest.raises(UnmappableError):
        file_patch(source, made)


def test_a_magic_is_moved_with_its_block() -> None:
    source = read(jupyter("if x:\n    %timeit magic\n    y = 1\n"))
    at = source.text.index("    magic_may")
    made = changed(source, [Change(at + 4, at + 4, "  ")])
    (part,) = as_read(source, made)
    assert part.path == "n.ipynb:cell 1"
    assert part.after == "if x:\n      %timeit magic\n    y = 1\n"


@pytest.mark.parametrize("wrong", ["text", "frame"])
def test_the_new_file_is_read_back(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    source = read(jupyter("x = 1"))
    at = source.text.index("x = 1") + 4
    made = changed(source, [Change(at, at + 1, "2")])
    assert check_file(source, made) is None
    raw = source.notebook.json if source.notebook else ""
    spoilt: dict[str, Any] = {
        "text": raw.replace("x = 1", "x = 3"),
        "frame": raw.replace("x = 1", "x = 2").replace("stdout", "stderr"),
    }
    monkeypatch.setattr(
        "fixgrad.rewrite.notebooks.file_patch", lambda *_: Patch("n.ipynb", raw, spoilt[wrong], ())
    )
    assert check_file(source, made)


def test_a_cell_of_the_same_text_is_told_apart() -> None:
    source = read(jupyter(code("x = 1"), code("x = 1")))
    at = source.text.rindex("1")
    made = changed(source, [Change(at, at + 1, "2")])
    assert texts(encoded(source, made)) == ["x = 1", "x = 2"]
