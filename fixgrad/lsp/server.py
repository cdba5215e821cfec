"""Talks with an editor: diagnostics as one types, hover with the path, quick fixes, all repairs at once.

A file is analysed once it has rested for a moment. What is said of a version that is no longer there is dropped; a file
that is not Python at the moment keeps what was last said of it. The cells of a notebook are one file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from fixgrad import __version__
from fixgrad.errors import FixgradError
from fixgrad.lsp import desk
from fixgrad.lsp.actions import FIX_ALL, Client
from fixgrad.lsp.desk import Seen
from fixgrad.lsp.paper import Paper, Shelf, path_of, place_of
from fixgrad.lsp.wire import Wire, hover
from fixgrad.source import Span, split_lines

_NOTEBOOKS = types.NotebookDocumentSyncOptions(
    [
        types.NotebookDocumentFilterWithNotebook(
            types.NotebookDocumentFilterNotebookType("jupyter-notebook")
        )
    ],
    save=True,
)


class Office:
    """The files that are open in one editor, and what was found in them."""

    def __init__(self, server: Any, rest: float) -> None:
        self._server = server
        self._shelf = Shelf(server)
        self._rest = rest  # seconds that a file is left alone before it is looked at
        self._seen: dict[str, Seen] = {}
        self._open: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._worker = ThreadPoolExecutor(1)  # one analysis at a time
        self._complaint = ""

    def opened(self, parameters: types.DidOpenTextDocumentParams) -> None:
        """Look at a text that was opened."""
        self._begin(parameters.text_document.uri)

    def opened_notebook(self, parameters: types.DidOpenNotebookDocumentParams) -> None:
        """Look at a notebook that was opened."""
        self._begin(parameters.notebook_document.uri)

    def changed(self, parameters: types.DidChangeTextDocumentParams) -> None:
        """Look at a text once it rests."""
        self._look_at(parameters.text_document.uri, self._rest)

    def changed_notebook(self, parameters: types.DidChangeNotebookDocumentParams) -> None:
        """Look at a notebook once it rests; say nothing more of cells that are gone."""
        cells = parameters.change.cells
        structure = cells.structure if cells else None
        for cell in (structure.did_close if structure else None) or ():
            self._publish(cell.uri, None, [])
        self._look_at(parameters.notebook_document.uri, self._rest)

    def saved(self, parameters: object) -> None:
        """Look at everything again: other files may depend on what is on disk now."""
        for uri in sorted(self._open):
            self._look_at(uri, 0)

    def closed(self, parameters: types.DidCloseTextDocumentParams) -> None:
        """Forget a text, and what was said of it."""
        uri = parameters.text_document.uri
        self._end(uri, [uri])

    def closed_notebook(self, parameters: types.DidCloseNotebookDocumentParams) -> None:
        """Forget a notebook, and what was said of its cells."""
        cells = [cell.uri for cell in parameters.cell_text_documents]
        self._end(parameters.notebook_document.uri, cells)

    def _begin(self, uri: str) -> None:
        self._open.add(uri)
        self._look_at(uri, 0)

    def _end(self, uri: str, texts: list[str]) -> None:
        self._open.discard(uri)
        self._seen.pop(uri, None)
        task = self._tasks.pop(uri, None)
        if task is not None:
            task.cancel()
        for text in texts:
            self._publish(text, None, [])

    def _look_at(self, uri: str, delay: float) -> None:
        task = self._tasks.get(uri)
        if task is not None:
            task.cancel()
        self._tasks[uri] = asyncio.get_running_loop().create_task(self._looked_at(uri, delay))

    async def _looked_at(self, uri: str, delay: float) -> None:
        await asyncio.sleep(delay)
        paper = self._shelf.paper(uri)
        languages = self._shelf.languages(paper)
        unsaved = {
            place_of(path_of(other)): text
            for other in self._open - {uri}
            if (text := self._text(other)) is not None
        }
        loop = asyncio.get_running_loop()
        try:
            seen = await loop.run_in_executor(self._worker, desk.look, paper, languages, unsaved)
        except FixgradError as error:
            self._complain(str(error))
            return
        self._complaint = ""
        if seen is None or uri not in self._open or self._shelf.paper(uri) != paper:
            return
        self._seen[uri] = seen
        client = self._client()
        found: dict[str, list[types.Diagnostic]] = {page.uri: [] for page in paper.pages}
        for entry in seen.entries:
            said = client.wire.diagnostic(entry, seen, client.related)
            found[paper.page(entry.finding.span).uri].append(said)
        for page in paper.pages:
            self._publish(page.uri, page.version, found[page.uri])

    def _text(self, uri: str) -> bytes | None:
        """Return what a text holds now; a notebook is no text."""
        paper = self._shelf.paper(uri)
        return None if paper.metadata else paper.pages[0].text.encode("utf-8", "surrogatepass")

    def _complain(self, message: str) -> None:
        """Say what is wrong with the settings, once."""
        if message != self._complaint:
            self._complaint = message
            self._server.window_show_message(
                types.ShowMessageParams(types.MessageType.Error, f"fixgrad: {message}")
            )

    def _publish(self, uri: str, version: int | None, found: list[types.Diagnostic]) -> None:
        self._server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, found, version)
        )

    def hover(self, parameters: types.HoverParams) -> types.Hover | None:
        """Return what was found where the pointer is, on any line of its path."""
        uri = parameters.text_document.uri
        seen = self._current(uri)
        if seen is None:
            return None
        wire = self._client().wire
        at = self._place(seen, uri, parameters.position, wire)
        for entry in seen.entries:
            spans = (entry.finding.span, *(step.span for step in entry.finding.trace))
            covering = [span for span in spans if span.contains(at)]
            if covering:
                text = hover(entry, seen, self._texts(seen))
                content = types.MarkupContent(types.MarkupKind.Markdown, text)
                return types.Hover(content, wire.location(covering[0], seen).range)
        return None

    def actions(self, parameters: types.CodeActionParams) -> list[types.CodeAction]:
        """Return the repairs of what was found in a stretch, and the one of everything."""
        uri = parameters.text_document.uri
        seen = self._current(uri)
        if seen is None:
            return []
        client = self._client()
        start, end = (
            self._place(seen, uri, at, client.wire)
            for at in (parameters.range.start, parameters.range.end)
        )
        where = Span(seen.source.path, *start[1:3], *end[3:5])
        return client.actions(seen, where, parameters.context.only)

    def _current(self, uri: str) -> Seen | None:
        """Return what was found, if it is of what stands there now."""
        uri = self._shelf.notebook_of(uri) or uri
        seen = self._seen.get(uri)
        if seen is None or uri not in self._open:
            return None
        return seen if self._shelf.paper(uri) == seen.paper else None

    def _place(self, seen: Seen, uri: str, position: types.Position, wire: Wire) -> Span:
        """Return a place in the text that was analysed, of a notebook all of its cells."""
        number, before = seen.paper.number(uri), 0
        text = seen.paper.pages[(number or 1) - 1].text
        if number is not None and seen.source.notebook is not None:
            cells = (c for c in seen.source.notebook.cells if c.number == number)
            before = next((cell.line - 1 for cell in cells), 0)
        lines = split_lines(text)
        row = lines[position.line] if position.line < len(lines) else ""
        line, column = before + position.line + 1, wire.column(row, position.character)
        return Span(seen.source.path, line, column, line, column)

    def _texts(self, seen: Seen) -> dict[str, list[str]]:
        every = (*self._seen.values(), seen)
        return {each.source.path: each.source.shown() for each in every}

    def _client(self) -> Client:
        capabilities = self._server.client_capabilities
        encoding = self._server.workspace.position_encoding
        edit = capabilities.workspace.workspace_edit if capabilities.workspace else None
        text = capabilities.text_document
        publish = text.publish_diagnostics if text else None
        papers = {uri: self._shelf.paper(uri) for uri in self._open}
        return Client(
            Wire(str(getattr(encoding, "value", encoding))),
            document_changes=bool(edit is not None and edit.document_changes),
            related=bool(publish is not None and publish.related_information),
            versions={page.uri: page.version for paper in papers.values() for page in paper.pages},
            unsaved=lambda place: self._unsaved(papers, place),
        )

    def _unsaved(self, papers: dict[str, Paper], place: str) -> bytes | None:
        uris = (uri for uri, paper in papers.items() if place_of(paper.path) == place)
        uri = next(uris, None)
        return None if uri is None else self._text(uri)


def build(rest: float) -> Any:
    """Return a server that can be started; a file rests for so many seconds before it is looked at."""
    server: Any = LanguageServer(
        "fixgrad", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full,
        notebook_document_sync=_NOTEBOOKS,
    )  # fmt: skip
    office = Office(server, rest)
    handlers: tuple[tuple[str, Callable[[Any], Any]], ...] = (
        (types.TEXT_DOCUMENT_DID_OPEN, office.opened),
        (types.TEXT_DOCUMENT_DID_CHANGE, office.changed),
        (types.TEXT_DOCUMENT_DID_SAVE, office.saved),
        (types.TEXT_DOCUMENT_DID_CLOSE, office.closed),
        (types.NOTEBOOK_DOCUMENT_DID_OPEN, office.opened_notebook),
        (types.NOTEBOOK_DOCUMENT_DID_CHANGE, office.changed_notebook),
        (types.NOTEBOOK_DOCUMENT_DID_SAVE, office.saved),
        (types.NOTEBOOK_DOCUMENT_DID_CLOSE, office.closed_notebook),
        (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, office.saved),
        (types.TEXT_DOCUMENT_HOVER, office.hover),
    )
    for name, handler in handlers:
        server.feature(name)(_plain(handler))
    kinds = [types.CodeActionKind.QuickFix, FIX_ALL]
    server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=kinds)
    )(_plain(office.actions))
    return server


def _plain(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function: pygls marks it as its own, which a bound method does not take."""

    def handler(parameters: Any) -> Any:
        return method(parameters)

    return handler
