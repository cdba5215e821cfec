"""Talks with an editor: diagnostics as one types, hover with the path, quick fixes, all repairs at once.

A text is analysed once it has rested for a moment. What is said of a version that is no longer there is dropped; a text
that is not Python at the moment keeps what was last said of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lsprotocol import types
from pygls import uris
from pygls.lsp.server import LanguageServer

from fixgrad import __version__
from fixgrad.errors import FixgradError
from fixgrad.findings import Applicability, Repair
from fixgrad.lsp import desk
from fixgrad.lsp.desk import Seen
from fixgrad.lsp.wire import Wire, hover
from fixgrad.report import Entry
from fixgrad.source import Span, split_lines

FIX_ALL = f"{types.CodeActionKind.SourceFixAll.value}.fixgrad"


class Office:
    """The texts that are open in one editor, and what was found in them."""

    def __init__(self, server: Any, rest: float) -> None:
        self._server = server
        self._rest = rest  # seconds that a text is left alone before it is looked at
        self._seen: dict[str, Seen] = {}
        self._open: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._worker = ThreadPoolExecutor(1)  # one analysis at a time
        self._complaint = ""

    def opened(self, parameters: types.DidOpenTextDocumentParams) -> None:
        """Look at a text that was opened."""
        self._open.add(parameters.text_document.uri)
        self._look_at(parameters.text_document.uri, 0)

    def changed(self, parameters: types.DidChangeTextDocumentParams) -> None:
        """Look at a text once it rests."""
        self._look_at(parameters.text_document.uri, self._rest)

    def saved(self, parameters: object) -> None:
        """Look at everything again: other texts may depend on what is on disk now."""
        for uri in sorted(self._open):
            self._look_at(uri, 0)

    def closed(self, parameters: types.DidCloseTextDocumentParams) -> None:
        """Forget a text, and what was said of it."""
        uri = parameters.text_document.uri
        self._open.discard(uri)
        self._seen.pop(uri, None)
        task = self._tasks.pop(uri, None)
        if task is not None:
            task.cancel()
        self._publish(uri, None, [])

    def _look_at(self, uri: str, delay: float) -> None:
        task = self._tasks.get(uri)
        if task is not None:
            task.cancel()
        self._tasks[uri] = asyncio.get_running_loop().create_task(self._looked_at(uri, delay))

    async def _looked_at(self, uri: str, delay: float) -> None:
        await asyncio.sleep(delay)
        document = self._server.workspace.get_text_document(uri)
        version, text, path = document.version, document.source, _path_of(uri)
        unsaved = {
            desk.place_of(_path_of(other)): self._text(other) for other in self._open - {uri}
        }
        loop = asyncio.get_running_loop()
        try:
            seen = await loop.run_in_executor(self._worker, desk.look, path, text, version, unsaved)
        except FixgradError as error:
            self._complain(str(error))
            return
        self._complaint = ""
        now = self._server.workspace.get_text_document(uri)
        if seen is None or uri not in self._open or now.version != version:
            return
        self._seen[uri] = seen
        wire, related = self._wire(), self._takes_related()
        found = [wire.diagnostic(entry, seen, related) for entry in seen.entries]
        self._publish(uri, version, found)

    def _text(self, uri: str) -> bytes:
        text: str = self._server.workspace.get_text_document(uri).source
        return text.encode("utf-8", "surrogatepass")

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
        seen = self._current(parameters.text_document.uri)
        if seen is None:
            return None
        lines = split_lines(seen.source.text)
        at = self._place(seen, parameters.position, lines)
        for entry in seen.entries:
            spans = (entry.finding.span, *(step.span for step in entry.finding.trace))
            covering = [span for span in spans if span.contains(at)]
            if covering:
                text = hover(entry, self._texts(seen))
                content = types.MarkupContent(types.MarkupKind.Markdown, text)
                return types.Hover(content, self._wire().range(covering[0], lines))
        return None

    def actions(self, parameters: types.CodeActionParams) -> list[types.CodeAction]:
        """Return the repairs of what was found in a stretch, and the one of everything."""
        uri = parameters.text_document.uri
        seen = self._current(uri)
        if seen is None:
            return []
        wanted = parameters.context.only
        found: list[types.CodeAction] = []
        if _is_wanted(types.CodeActionKind.QuickFix.value, wanted):
            found += self._quick_fixes(uri, seen, parameters.range)
        if seen.every_repair and _is_wanted(FIX_ALL, wanted):
            edit = self._edit(uri, seen, self._wire().edits(seen.every_repair, seen))
            title = "fixgrad: repair everything that is safe to repair"
            found.append(types.CodeAction(title, kind=FIX_ALL, edit=edit))
        return found

    def _quick_fixes(self, uri: str, seen: Seen, where: types.Range) -> list[types.CodeAction]:
        lines = split_lines(seen.source.text)
        start, end = (self._place(seen, at, lines) for at in (where.start, where.end))
        found: list[types.CodeAction] = []
        for entry in seen.entries:
            span = entry.finding.span
            if span[1:3] > end[1:3] or start[1:3] > span[3:5] or span.path != seen.source.path:
                continue
            said = self._wire().diagnostic(entry, seen, self._takes_related())
            if _is_repaired(entry):
                found.append(self._repairing(uri, seen, entry, said))
            comment = desk.hiding(seen, entry.finding)
            if comment and entry.finding.rule != "FG401":
                title = f"{entry.finding.rule}: leave it alone, with a comment"
                edit = self._edit(uri, seen, self._wire().edits(comment, seen))
                found.append(self._quick(title, said, edit))
        return found

    def _repairing(
        self, uri: str, seen: Seen, entry: Entry, said: types.Diagnostic
    ) -> types.CodeAction:
        assert isinstance(entry.outcome, Repair)
        safe = entry.outcome.applicability is Applicability.SAFE
        title = f"{entry.finding.rule}: {entry.outcome.title}{'' if safe else ' (a judgement)'}"
        edit = self._edit(uri, seen, self._wire().edits(entry.edits, seen))
        return self._quick(title, said, edit, preferred=safe)

    def _quick(
        self,
        title: str,
        said: types.Diagnostic,
        edit: types.WorkspaceEdit,
        preferred: bool | None = None,
    ) -> types.CodeAction:
        return types.CodeAction(
            title,
            kind=types.CodeActionKind.QuickFix,
            diagnostics=[said],
            is_preferred=preferred,
            edit=edit,
        )

    def _edit(self, uri: str, seen: Seen, edits: list[types.TextEdit]) -> types.WorkspaceEdit:
        """Return the edits, for this version of the text only where the client can tell."""
        workspace = self._server.client_capabilities.workspace
        known = workspace.workspace_edit if workspace else None
        if known is None or not known.document_changes:
            return types.WorkspaceEdit(changes={uri: edits})
        document = types.OptionalVersionedTextDocumentIdentifier(uri, seen.version)
        return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(document, edits)])

    def _current(self, uri: str) -> Seen | None:
        """Return what was found, if it is of the text that stands there now."""
        seen = self._seen.get(uri)
        if seen is None or uri not in self._open:
            return None
        text = self._server.workspace.get_text_document(uri).source
        return seen if seen.source.text == text else None

    def _place(self, seen: Seen, position: types.Position, lines: list[str]) -> Span:
        line = position.line + 1
        text = lines[position.line] if position.line < len(lines) else ""
        column = self._wire().column(text, position.character)
        return Span(seen.source.path, line, column, line, column)

    def _texts(self, seen: Seen) -> dict[str, list[str]]:
        found = {_path_of(uri): split_lines(other.source.text) for uri, other in self._seen.items()}
        return found | {seen.source.path: split_lines(seen.source.text)}

    def _wire(self) -> Wire:
        encoding = self._server.workspace.position_encoding
        return Wire(str(getattr(encoding, "value", encoding)))

    def _takes_related(self) -> bool:
        text = self._server.client_capabilities.text_document
        known = text.publish_diagnostics if text else None
        return bool(known is not None and known.related_information)


def _is_repaired(entry: Entry) -> bool:
    outcome = entry.outcome
    return (
        isinstance(outcome, Repair)
        and outcome.applicability > Applicability.DISPLAY
        and bool(entry.edits)
    )


def _is_wanted(kind: str, wanted: Iterable[types.CodeActionKind | str] | None) -> bool:
    if wanted is None:
        return True
    names = (str(getattr(each, "value", each)) for each in wanted)
    return any(kind == name or kind.startswith(f"{name}.") for name in names)


def _path_of(uri: str) -> str:
    path = uris.to_fs_path(uri) if uri.startswith("file:") else None
    return str(path) if path else "untitled.py"


def build(rest: float) -> Any:
    """Return a server that can be started; a text rests for so many seconds before it is looked at."""
    server: Any = LanguageServer(
        "fixgrad", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full
    )
    office = Office(server, rest)
    handlers: tuple[tuple[str, Callable[[Any], Any]], ...] = (
        (types.TEXT_DOCUMENT_DID_OPEN, office.opened),
        (types.TEXT_DOCUMENT_DID_CHANGE, office.changed),
        (types.TEXT_DOCUMENT_DID_SAVE, office.saved),
        (types.TEXT_DOCUMENT_DID_CLOSE, office.closed),
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
