"""An editor without a screen: pygls' own client, with the texts that are open in it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls import uris
from pygls.lsp.client import LanguageClient

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0  # seconds


class Editor:
    """Speaks with `fixgrad lsp` over its standard streams."""

    def __init__(self, encoding: str = "utf-16", document_changes: bool = True) -> None:
        self._client: Any = LanguageClient("editor", "1")
        self._encoding = encoding
        self._document_changes = document_changes
        self._news = asyncio.Event()
        self.published: list[types.PublishDiagnosticsParams] = []
        self.messages: list[str] = []
        self.versions: dict[str, int] = {}
        self.texts: dict[str, str] = {}

        def publish(parameters: types.PublishDiagnosticsParams) -> None:
            self.published.append(parameters)
            self._news.set()

        def show(parameters: types.ShowMessageParams) -> None:
            self.messages.append(parameters.message)
            self._news.set()

        self._client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(publish)
        self._client.feature(types.WINDOW_SHOW_MESSAGE)(show)

    async def start(self, *arguments: str) -> types.InitializeResult:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = (sys.executable, "-m", "fixgrad", "lsp", *arguments)
        await self._client.start_io(*command, env=environment)
        capabilities = types.ClientCapabilities(
            general=types.GeneralClientCapabilities(position_encodings=[self._encoding]),
            workspace=types.WorkspaceClientCapabilities(
                workspace_edit=types.WorkspaceEditClientCapabilities(
                    document_changes=self._document_changes
                )
            ),
            text_document=types.TextDocumentClientCapabilities(
                publish_diagnostics=types.PublishDiagnosticsClientCapabilities(
                    related_information=True
                )
            ),
        )
        parameters = types.InitializeParams(
            capabilities=capabilities, process_id=None, root_uri=Path.cwd().as_uri()
        )
        result: types.InitializeResult = await self._client.initialize_async(parameters)
        self._client.initialized(types.InitializedParams())
        return result

    async def stop(self) -> None:
        await self._client.shutdown_async(None)
        self._client.exit(None)
        await self._client.stop()

    def open(self, path: str, text: str) -> str:
        """Open a text, which need not be what is on disk; return its address."""
        uri = Path(path).absolute().as_uri()
        self.versions[uri], self.texts[uri] = 1, text
        document = types.TextDocumentItem(uri, "python", 1, text)
        self._client.text_document_did_open(types.DidOpenTextDocumentParams(document))
        return uri

    def open_notebook(
        self, path: str, cells: Sequence[str | tuple[str, str]], metadata: Any = None
    ) -> tuple[str, list[str]]:
        """Open a notebook of cells, which may name their language; return its address and theirs."""
        uri = Path(path).absolute().as_uri()
        known = [("python", cell) if isinstance(cell, str) else cell for cell in cells]
        documents = [
            self._cell(uri, number, language, text)
            for number, (language, text) in enumerate(known, 1)
        ]
        self.versions[uri] = 1
        notebook = types.NotebookDocument(
            uri, "jupyter-notebook", 1, list(map(_as_cell, documents)), metadata
        )
        self._client.notebook_document_did_open(
            types.DidOpenNotebookDocumentParams(notebook, documents)
        )
        return uri, [document.uri for document in documents]

    def _cell(self, uri: str, number: int, language: str, text: str) -> types.TextDocumentItem:
        address = f"{uri.replace('file:', 'vscode-notebook-cell:', 1)}#c{number}"
        self.versions[address], self.texts[address] = 1, text
        return types.TextDocumentItem(address, language, 1, text)

    def type_in_cell(self, notebook: str, uri: str, text: str) -> None:
        """Replace the text of a cell."""
        self.versions[uri] += 1
        self.texts[uri] = text
        document = types.VersionedTextDocumentIdentifier(self.versions[uri], uri)
        change = types.NotebookDocumentCellContentChanges(
            document, [types.TextDocumentContentChangeWholeDocument(text)]
        )
        self._change(notebook, types.NotebookDocumentCellChanges(text_content=[change]))

    def insert_cell(self, notebook: str, at: int, number: int, text: str) -> str:
        """Put a cell before others; `number` only names it."""
        document = self._cell(notebook, number, "python", text)
        array = types.NotebookCellArrayChange(at, 0, [_as_cell(document)])
        structure = types.NotebookDocumentCellChangeStructure(array, did_open=[document])
        self._change(notebook, types.NotebookDocumentCellChanges(structure=structure))
        uri: str = document.uri
        return uri

    def remove_cell(self, notebook: str, at: int, uri: str) -> None:
        array = types.NotebookCellArrayChange(at, 1)
        structure = types.NotebookDocumentCellChangeStructure(
            array, did_close=[types.TextDocumentIdentifier(uri)]
        )
        self._change(notebook, types.NotebookDocumentCellChanges(structure=structure))

    def _change(self, notebook: str, cells: types.NotebookDocumentCellChanges) -> None:
        self.versions[notebook] += 1
        document = types.VersionedNotebookDocumentIdentifier(self.versions[notebook], notebook)
        self._client.notebook_document_did_change(
            types.DidChangeNotebookDocumentParams(
                document, types.NotebookDocumentChangeEvent(cells=cells)
            )
        )

    def close_notebook(self, notebook: str, cells: Sequence[str]) -> None:
        self._client.notebook_document_did_close(
            types.DidCloseNotebookDocumentParams(
                types.NotebookDocumentIdentifier(notebook),
                list(map(types.TextDocumentIdentifier, cells)),
            )
        )

    def type(self, uri: str, text: str) -> None:
        """Replace a text."""
        self.versions[uri] += 1
        self.texts[uri] = text
        document = types.VersionedTextDocumentIdentifier(self.versions[uri], uri)
        change = types.TextDocumentContentChangeWholeDocument(text)
        self._client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    def save(self, uri: str) -> None:
        document = types.TextDocumentIdentifier(uri)
        self._client.text_document_did_save(types.DidSaveTextDocumentParams(document))

    def close(self, uri: str) -> None:
        document = types.TextDocumentIdentifier(uri)
        self._client.text_document_did_close(types.DidCloseTextDocumentParams(document))

    async def until(self, test: Callable[[], bool]) -> None:
        """Wait until the server has said something."""

        async def wait() -> None:
            while not test():
                self._news.clear()
                await self._news.wait()

        await asyncio.wait_for(wait(), PATIENCE)

    async def said(self, uri: str) -> list[types.Diagnostic]:
        """Return the diagnostics of the text as it stands, once they are there."""
        version = self.versions[uri]
        await self.until(lambda: any(p.uri == uri and p.version == version for p in self.published))
        last = [p for p in self.published if p.uri == uri and p.version == version][-1]
        return list(last.diagnostics)

    async def hover(self, uri: str, line: int, character: int) -> str | None:
        parameters = types.HoverParams(
            types.TextDocumentIdentifier(uri), types.Position(line, character)
        )
        hover = await self._client.text_document_hover_async(parameters)
        return None if hover is None else str(hover.contents.value)

    async def actions(self, uri: str, line: int, *only: str) -> list[types.CodeAction]:
        parameters = types.CodeActionParams(
            types.TextDocumentIdentifier(uri),
            types.Range(types.Position(line, 0), types.Position(line, 200)),
            types.CodeActionContext([], only=list(only) or None),
        )
        found = await self._client.text_document_code_action_async(parameters)
        return list(found or [])

    def apply(self, uri: str, action: types.CodeAction) -> str:
        """Return the text with the edits of an action, which changes no other."""
        ((changed, text),) = self.applied(action).items()
        assert changed == uri
        return text

    def applied(self, action: types.CodeAction) -> dict[str, str]:
        """Return the texts that an action changes, also those of files that are not open."""
        assert action.edit is not None
        if not self._document_changes:
            assert action.edit.changes is not None
            return {uri: self._edited(uri, edits) for uri, edits in action.edit.changes.items()}
        found = {}
        for change in action.edit.document_changes or ():
            assert isinstance(change, types.TextDocumentEdit)
            uri = change.text_document.uri
            assert change.text_document.version == self.versions.get(uri)
            edits = [edit for edit in change.edits if isinstance(edit, types.TextEdit)]
            found[uri] = self._edited(uri, edits)
        return found

    def _edited(self, uri: str, edits: Sequence[types.TextEdit]) -> str:
        text = self.texts.get(uri)
        if text is None:
            text = Path(str(uris.to_fs_path(uri))).read_text("utf-8")
        lines = [*text.splitlines(keepends=True), ""]
        starts = [sum(map(len, lines[:number])) for number in range(len(lines))]

        def offset(at: types.Position) -> int:
            units = {"utf-16": 2, "utf-32": 4, "utf-8": 1}[self._encoding]
            codec = self._encoding if units == 1 else f"{self._encoding}-le"
            before = lines[at.line].encode(codec)[: at.character * units]
            start: int = starts[at.line]
            return start + len(before.decode(codec))

        for edit in sorted(edits, key=lambda e: offset(e.range.start), reverse=True):
            text = text[: offset(edit.range.start)] + edit.new_text + text[offset(edit.range.end) :]
        return text


def _as_cell(document: types.TextDocumentItem) -> types.NotebookCell:
    written = document.language_id == "markdown"
    kind = types.NotebookCellKind.Markup if written else types.NotebookCellKind.Code
    return types.NotebookCell(kind, document.uri)


def edited(
    session: Callable[[Editor], Awaitable[None]],
    *arguments: str,
    encoding: str = "utf-16",
    document_changes: bool = True,
) -> None:
    """Run a session with a server of its own."""

    async def run() -> None:
        editor = Editor(encoding, document_changes)
        await editor.start("--rest", "0.05", *arguments)
        try:
            await session(editor)
        finally:
            await editor.stop()

    asyncio.run(run())


def codes(found: list[types.Diagnostic]) -> list[tuple[object, int]]:
    """Return the rules and the lines, from 1."""
    return [(each.code, each.range.start.line + 1) for each in found]
