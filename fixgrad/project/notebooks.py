"""From the JSON of a Jupyter notebook to a `Source`: the text of its code cells, one after another.

Where each JSON string of a cell stands is kept, so that an edit replaces these strings and nothing
else of the file. The standard library finds the values; no library that writes notebooks could give
the bytes back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

from fixgrad.project.magics import without_magics
from fixgrad.source import Cell, Notebook, Problem, Source, Token, split_lines

_SPACE = re.compile(r"[ \t\r\n]*")
_OTHER_KERNEL = re.compile(r"(?i)(?:ir|julia|javascript|deno|octave|matlab|scala|sage|bash|r)\b.*")


def read_notebook(path: str, data: bytes, digest: str) -> Source | Problem:
    """Read a notebook; one of another language is an empty text."""
    bom = data.startswith(b"\xef\xbb\xbf")
    try:
        text = data[3 * bom :].decode("utf-8")
        reader = _Reader(text)
    except UnicodeDecodeError as error:
        return Problem(
            path, 0, 0, f"not a valid notebook: byte {error.start + 3 * bom} is not UTF-8"
        )
    except json.JSONDecodeError as error:
        message = f"not a valid notebook: {error.msg[:1].lower()}{error.msg[1:]}"
        return Problem(path, error.lineno, error.colno - 1, message)
    except RecursionError:
        return Problem(path, 0, 0, "not a valid notebook: the JSON is nested too deep")
    code, cells = _joined(reader) if _is_python(reader.metadata) else ("", ())
    return Source(path, code, "utf-8", bom, digest, Notebook(text, cells))


def _joined(reader: _Reader) -> tuple[str, tuple[Cell, ...]]:
    """Return the text of all cells as Python.

    The statement between two cells keeps them apart: nothing is moved into one block with it.
    """
    pieces: list[str] = []
    cells: list[Cell] = []
    line = 1
    for number, tokens in reader.cells:
        written = "".join(token.text for token in tokens)
        plain = without_magics(written)
        text = plain.text if plain.text.endswith(("\n", "\r")) or not written else plain.text + "\n"
        height = len(split_lines(text))
        cells.append(Cell(number, line + 1, height, written, tokens, plain.rows))
        pieces += [f"pass  # cell {number}\n", text]
        line += 1 + height
    return "".join(pieces), tuple(cells)


def _is_python(metadata: object) -> bool:
    """Say whether the kernel runs Python; where nothing is said it does."""
    about = metadata if isinstance(metadata, dict) else {}
    kernel = _dictionary(about, "kernelspec")
    language = _dictionary(about, "language_info").get("name") or kernel.get("language")
    if isinstance(language, str) and language:
        return language.lower().startswith(("python", "ipython"))
    return not _OTHER_KERNEL.fullmatch(str(kernel.get("name") or ""))


def _dictionary(about: dict[str, Any], key: str) -> dict[str, Any]:
    found = about.get(key)
    return found if isinstance(found, dict) else {}


class _Reader:
    """One pass over the JSON: code cells with the strings of their source, and the metadata."""

    def __init__(self, text: str) -> None:
        self.cells: list[tuple[int, tuple[Token, ...]]] = []
        self.metadata: object = None
        self._text = text
        self._value = json.JSONDecoder().raw_decode
        self._count = 0  # of all cells
        self._found = False
        end = self._space(self._object(self._space(0), self._of_notebook))
        if end < len(text):
            self._fail("extra data", end)
        if not self._found:
            self._fail("it has no cells", 0)

    def _fail(self, message: str, at: int) -> NoReturn:
        raise json.JSONDecodeError(message, self._text, at)

    def _space(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return match.end() if match else at

    def _skip(self, at: int) -> int:
        return self._value(self._text, at)[1]

    def _object(self, at: int, take: Callable[[str, int], int]) -> int:
        """Hand every member to `take`, which returns where its value ends; return the end."""
        text = self._text
        if text[at : at + 1] != "{":
            self._fail("expecting an object", at)
        at = self._space(at + 1)
        if text[at : at + 1] == "}":
            return at + 1
        while True:
            if text[at : at + 1] != '"':
                self._fail("expecting a property name in double quotes", at)
            key, at = self._value(text, at)
            at = self._space(at)
            if text[at : at + 1] != ":":
                self._fail("expecting ':'", at)
            at = self._space(take(key, self._space(at + 1)))
            if text[at : at + 1] == "}":
                return at + 1
            at = self._comma(at)

    def _array(self, at: int, take: Callable[[int], int]) -> int:
        text = self._text
        if text[at : at + 1] != "[":
            self._fail("expecting an array", at)
        at = self._space(at + 1)
        if text[at : at + 1] == "]":
            return at + 1
        while True:
            at = self._space(take(at))
            if text[at : at + 1] == "]":
                return at + 1
            at = self._comma(at)

    def _comma(self, at: int) -> int:
        if self._text[at : at + 1] != ",":
            self._fail("expecting ','", at)
        return self._space(at + 1)

    def _of_notebook(self, key: str, at: int) -> int:
        if key == "cells":
            self._found = True
            return self._array(at, self._cell)
        if key == "worksheets":  # nbformat 3
            return self._array(at, lambda at: self._object(at, self._of_sheet))
        if key == "metadata":
            self.metadata, at = self._value(self._text, at)
            return at
        return self._skip(at)

    def _of_sheet(self, key: str, at: int) -> int:
        return self._of_notebook(key, at) if key == "cells" else self._skip(at)

    def _cell(self, at: int) -> int:
        self._count += 1
        about: dict[str, Any] = {}
        source: dict[str, tuple[Token, ...]] = {}

        def take(key: str, at: int) -> int:
            if key in ("source", "input"):  # nbformat 4 and 3
                source[key], at = self._strings(at)
                return at
            if key in ("cell_type", "language", "metadata"):
                about[key], at = self._value(self._text, at)
                return at
            return self._skip(at)

        end = self._object(at, take)
        tokens = source.get("source", source.get("input", ()))
        if about.get("cell_type") == "code" and tokens and _holds_python(about):
            self.cells.append((self._count, tokens))
        return end

    def _strings(self, at: int) -> tuple[tuple[Token, ...], int]:
        """Read the text of a cell: one string, or an array of them."""
        tokens: list[Token] = []

        def take(at: int) -> int:
            said, end = self._value(self._text, at)
            if not isinstance(said, str):
                self._fail("expecting the text of a cell", at)
            tokens.append(Token(at, end, said))
            return end

        if self._text.startswith("null", at):
            return (), at + 4
        end = self._array(at, take) if self._text[at : at + 1] == "[" else take(at)
        return tuple(tokens), end


def _holds_python(about: dict[str, Any]) -> bool:
    """Say whether a cell is in the notebook's language."""
    metadata = about.get("metadata")
    editor = _dictionary(metadata, "vscode") if isinstance(metadata, dict) else {}
    language = editor.get("languageId") or about.get("language") or "python"
    return str(language).lower().startswith(("python", "ipython"))
