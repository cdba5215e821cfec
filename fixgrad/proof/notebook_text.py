"""The text of a notebook as it is run: what stands for magics that nobody here can run does nothing."""

from __future__ import annotations

import re

from fixgrad.source import Source, split_lines

_CALL = re.compile(r"magic_may_set_grad\(.*\)")
_INDENT = re.compile(r"\s*")


def runnable(source: Source) -> str:
    """Return the code of the cells, line for line as it is analysed."""
    assert source.notebook is not None
    lines = source.lines()
    for cell in source.notebook.cells:
        written = split_lines(cell.text)
        for row in cell.magics:
            at = cell.line + row - 2
            if not _CALL.search(lines[at]):
                continue
            if written[row - 1].lstrip().startswith(("%", "!", "?", ",", ";", "/")):
                indent = _INDENT.match(lines[at])
                ending = lines[at][len(lines[at].rstrip("\r\n")) :]
                lines[at] = (indent.group() if indent else "") + "pass" + ending
            else:
                lines[at] = _CALL.sub("None", lines[at])  # files = !ls
    return "".join(lines)
