"""An editor without a screen: pygls' own client, with the texts that are open in it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lsprotocol import types
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
        """Return the text with the edits of an action."""
        assert action.edit is not None
        if self._document_changes:
            assert action.edit.document_changes is not None
            (change,) = action.edit.document_changes
            assert isinstance(change, types.TextDocumentEdit)
            assert change.text_document.version == self.versions[uri]
            edits = [edit for edit in change.edits if isinstance(edit, types.TextEdit)]
        else:
            assert action.edit.changes is not None
            edits = list(action.edit.changes[uri])
        lines = [*self.texts[uri].splitlines(keepends=True), ""]
        starts = [sum(map(len, lines[:number])) for number in range(len(lines))]
        text = self.texts[uri]

        def offset(at: types.Position) -> int:
            units = {"utf-16": 2, "utf-32": 4, "utf-8": 1}[self._encoding]
            codec = self._encoding if units == 1 else f"{self._encoding}-le"
            before = lines[at.line].encode(codec)[: at.character * units]
            start: int = starts[at.line]
            return start + len(before.decode(codec))

        for edit in sorted(edits, key=lambda e: offset(e.range.start), reverse=True):
            text = text[: offset(edit.range.start)] + edit.new_text + text[offset(edit.range.end) :]
        return text
