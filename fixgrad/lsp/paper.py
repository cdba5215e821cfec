"""What is open in an editor under one address: a text, or a notebook whose cells are texts of their own."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from lsprotocol import types
from pygls import uris

from fixgrad.project import decode, digest
from fixgrad.source import Problem, Source, Span


class Page(NamedTuple):
    """One text of the protocol, with the version that it has."""

    uri: str
    version: int | None
    text: str


class Paper(NamedTuple):
    """A file as it stands in the editor, saved or not; two are equal where nothing has changed."""

    uri: str
    pages: tuple[Page, ...]  # the text, or every cell of the notebook
    metadata: str | None = None  # of a notebook, as JSON

    @property
    def path(self) -> str:
        """Return the path of the file; a text that was never saved has the name of one."""
        return path_of(self.uri)

    def source(self, languages: dict[str, str]) -> Source | Problem:
        """Return what is to be analysed; `languages` are those of cells, where they are known."""
        if self.metadata is None:
            text = self.pages[0].text
            data = text.encode("utf-8", "surrogatepass")
            return Source(self.path, text, "utf-8", False, digest(data))
        cells = [_cell(page, languages.get(page.uri, "python")) for page in self.pages]
        whole = {"cells": cells, "metadata": json.loads(self.metadata)}
        data = json.dumps({**whole, "nbformat": 4, "nbformat_minor": 5}).encode("utf-8")
        return decode(f"{self.path.removesuffix('.ipynb')}.ipynb", data)

    def page(self, span: Span) -> Page:
        """Return the text that a place of this file is in."""
        return self.pages[0 if self.metadata is None else (span.cell or 1) - 1]

    def number(self, uri: str) -> int | None:
        """Return the number of the cell that is a text, None where this is no notebook."""
        if self.metadata is None:
            return None
        return next(n for n, page in enumerate(self.pages, 1) if page.uri == uri)


def _cell(page: Page, language: str) -> dict[str, Any]:
    kind = "markdown" if language == "markdown" else "code"
    about = {} if language == "python" else {"vscode": {"languageId": language}}
    return {"cell_type": kind, "metadata": about, "source": page.text}


class Shelf:
    """All that is open in one editor, as the server's workspace knows it."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def notebook_of(self, uri: str) -> str | None:
        """Return the address of the notebook that a text is a cell of."""
        found = self._server.workspace.get_notebook_document(cell_uri=uri)
        return None if found is None else str(found.uri)

    def paper(self, uri: str) -> Paper:
        """Return what is open under an address now."""
        notebook = self._server.workspace.get_notebook_document(notebook_uri=uri)
        if notebook is None:
            return Paper(uri, (self._page(uri),))
        pages = tuple(self._page(cell.document) for cell in notebook.cells)
        metadata = _plain(notebook.metadata or {})
        return Paper(uri, pages, json.dumps(metadata.get("metadata", metadata), default=str))

    def languages(self, paper: Paper) -> dict[str, str]:
        """Return the language of each cell that is not in Python."""
        notebook = self._server.workspace.get_notebook_document(notebook_uri=paper.uri)
        found = {}
        for cell in () if notebook is None else notebook.cells:
            document = self._server.workspace.get_text_document(cell.document)
            written = cell.kind == types.NotebookCellKind.Markup
            found[cell.document] = "markdown" if written else document.language_id or "python"
        return found

    def _page(self, uri: str) -> Page:
        document = self._server.workspace.get_text_document(uri)
        return Page(uri, document.version, document.source)


def _plain(value: Any) -> Any:
    """Return what the client says of a notebook without the types that the protocol's library gives it."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, (list, tuple)):
        return list(map(_plain, value))
    return value if value is None or isinstance(value, (str, int, float, bool)) else vars(value)


def path_of(uri: str) -> str:
    """Return the path of a file by its address."""
    path = uris.to_fs_path(uri) if uri.startswith("file:") else None
    return str(path) if path else "untitled.py"


def place_of(path: str) -> str:
    """Return the path by which unsaved texts are known."""
    return os.path.abspath(path).replace(os.sep, "/")
