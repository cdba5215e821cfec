"""The repairs as one patch that `git apply` takes from the top of the repository.

The only report that is bytes: its lines are in the encoding of their file.
"""

from __future__ import annotations

from collections.abc import Sequence

from fixgrad.edits import Patch
from fixgrad.project import patch_paths
from fixgrad.source import Source


def render(patches: Sequence[tuple[Source, Patch]]) -> bytes:
    """Return the patch."""
    from fixgrad.rewrite.diff import unified_bytes  # noqa: PLC0415  (it loads libcst)
    from fixgrad.rewrite.notebooks import file_patch, sections  # noqa: PLC0415

    names = patch_paths(patch.path for _, patch in patches)
    renamed = [(names[patch.path], source, patch) for source, patch in patches]
    return b"".join(
        unified_bytes(
            file_patch(source, patch)._replace(path=name),
            source.encoding,
            source.bom,
            sections(source),
        )
        for name, source, patch in sorted(renamed)
    )
