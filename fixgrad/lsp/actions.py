"""What an editor offers to do about a finding: repair it, hide it, repair everything; as edits of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lsprotocol import types

from fixgrad import project
from fixgrad.edits import Edit
from fixgrad.findings import Applicability, Repair
from fixgrad.lsp import desk
from fixgrad.lsp.desk import Seen
from fixgrad.lsp.paper import place_of
from fixgrad.lsp.wire import Wire
from fixgrad.report import Entry
from fixgrad.source import Source, Span

FIX_ALL = f"{types.CodeActionKind.SourceFixAll.value}.fixgrad"
_UNUSED = "FG401"


class Client:
    """What the client can do, and the versions of the texts that are open in it."""

    def __init__(
        self, wire: Wire, *, document_changes: bool, related: bool, versions: dict[str, int | None],
        unsaved: Callable[[str], bytes | None],
    ) -> None:  # fmt: skip
        self.wire = wire
        self.related = related
        self._document_changes = document_changes
        self._versions = versions  # by address
        self._unsaved = unsaved  # what stands in the editor, by place

    def actions(
        self, seen: Seen, where: Span, wanted: Iterable[types.CodeActionKind | str] | None
    ) -> list[types.CodeAction]:
        """Return the repairs of what was found in a stretch, and the one of everything."""
        kinds = None if wanted is None else list(wanted)
        found: list[types.CodeAction] = []
        if _is_wanted(types.CodeActionKind.QuickFix.value, kinds):
            found += self._quick_fixes(seen, where)
        if seen.every_repair and _is_wanted(FIX_ALL, kinds):
            edit = self._edit(seen, seen.every_repair)
            title = "fixgrad: repair everything that is safe to repair"
            found.append(types.CodeAction(title, kind=FIX_ALL, edit=edit))
        return found

    def _quick_fixes(self, seen: Seen, where: Span) -> list[types.CodeAction]:
        found: list[types.CodeAction] = []
        for entry in seen.entries:
            span = entry.finding.span
            if span[1:3] > where[3:5] or where[1:3] > span[3:5]:
                continue
            said = self.wire.diagnostic(entry, seen, self.related)
            if _is_repaired(entry) and self._is_current(seen, entry.edits):
                found.append(self._repairing(seen, entry, said))
            comment = desk.hiding(seen, entry.finding)
            if comment and entry.finding.rule != _UNUSED:
                title = f"{entry.finding.rule}: leave it alone, with a comment"
                found.append(_quick(title, said, self._edit(seen, comment)))
        return found

    def _repairing(self, seen: Seen, entry: Entry, said: types.Diagnostic) -> types.CodeAction:
        assert isinstance(entry.outcome, Repair)
        safe = entry.outcome.applicability is Applicability.SAFE
        others = sorted({edit.span.path for edit in entry.edits} - {seen.source.path})
        remarks = ["a judgement"] * (not safe) + [f"{path} too" for path in others]
        remark = f" ({', '.join(remarks)})" if remarks else ""
        title = f"{entry.finding.rule}: {entry.outcome.title}{remark}"
        return _quick(title, said, self._edit(seen, entry.edits), preferred=safe)

    def _is_current(self, seen: Seen, edits: Iterable[Edit]) -> bool:
        """Say whether the other files that are edited are still what was looked at."""
        paths = {edit.span.path for edit in edits}
        return all(map(self._is_unchanged, (s for s in seen.others if s.path in paths)))

    def _is_unchanged(self, source: Source) -> bool:
        text = self._unsaved(place_of(source.path))
        data = project.read_bytes(source.path) if text is None else text
        return isinstance(data, bytes) and project.digest(data) == source.digest

    def _edit(self, seen: Seen, edits: Iterable[Edit]) -> types.WorkspaceEdit:
        """Return the edits, for these versions of the texts only where the client can tell."""
        by_uri = self.wire.edits(edits, seen)
        if not self._document_changes:
            return types.WorkspaceEdit(changes=by_uri)
        return types.WorkspaceEdit(
            document_changes=[
                types.TextDocumentEdit(
                    types.OptionalVersionedTextDocumentIdentifier(uri, self._versions.get(uri)),
                    edits,
                )
                for uri, edits in by_uri.items()
            ]
        )


def _quick(
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
