"""Notebooks as text, laid out in the ways in which programs write them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from fixgrad.project import decode
from fixgrad.source import Source

PYTHON = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def code(source: str | list[str], **more: object) -> dict[str, Any]:
    """Return a code cell; a text becomes a list of lines, as Jupyter writes it."""
    lines = source.splitlines(keepends=True) if isinstance(source, str) else source
    return {
        "cell_type": "code",
        "execution_count": 7,
        "metadata": {},
        "outputs": [{"output_type": "stream", "name": "stdout", "text": ["x = torch.é\n"]}],
        "source": lines,
        **more,
    }


def markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def notebook(*cells: dict[str, Any] | str, metadata: object = PYTHON) -> dict[str, Any]:
    """Return a notebook of nbformat 4; a text is a code cell."""
    return {
        "cells": [code(cell) if isinstance(cell, str) else cell for cell in cells],
        "metadata": metadata,
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def jupyter(*cells: dict[str, Any] | str, metadata: object = PYTHON) -> bytes:
    """Return the bytes of a notebook as Jupyter lays it out."""
    text = json.dumps(notebook(*cells, metadata=metadata), indent=1, ensure_ascii=False)
    return text.encode() + b"\n"


def texts(data: bytes) -> list[str]:
    """Return the text of each cell of a notebook."""
    return ["".join(cell["source"]) for cell in json.loads(data.decode("utf-8-sig"))["cells"]]


def read(data: bytes) -> Source:
    source = decode("n.ipynb", data)
    assert isinstance(source, Source), source
    return source


def cut(text: str, places: Sequence[int]) -> list[str]:
    """Return a text in pieces that need not be lines."""
    ends = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in pairwise(ends)] or [text]


@st.composite
def layouts(draw: st.DrawFn, sources: Sequence[str]) -> bytes:
    """Draw a way to write a notebook of these code cells, with other cells among them."""
    cells: list[dict[str, Any]] = []
    for source in sources:
        if draw(st.integers(0, 3)) == 0:
            cells.append(markdown(draw(st.sampled_from(["# torch", "", 'a "quote" é', "x = 1"]))))
        form = draw(st.sampled_from(["lines", "text", "pieces"]))
        pieces = cut(source, draw(st.lists(st.integers(0, 99), max_size=3)))
        value = {"lines": source.splitlines(keepends=True), "text": source, "pieces": pieces}[form]
        cell = {**code(""), "source": value}
        if draw(st.booleans()):
            cell = dict(reversed(cell.items()))
        cells.append(cell)
    text = json.dumps(
        notebook(*cells),
        indent=draw(st.sampled_from([None, 1, 2, "\t"])),
        separators=draw(st.sampled_from([None, (",", ":"), (" ,  ", " : ")])),
        ensure_ascii=draw(st.booleans()),
        sort_keys=draw(st.booleans()),
    )
    if draw(st.booleans()):
        text = text.replace("/", "\\/").replace("t", "\\u0074", 3)
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    ends = draw(st.sampled_from(["", "\n", " \n\n"]))
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + (text + ends).encode()
