"""Colours for a terminal, and text made harmless for one."""

from __future__ import annotations

import re

_CODES = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2"}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


def paint(text: str, style: str, colour: bool) -> str:
    """Return the text in a style, "bold red", where colour is wanted."""
    if not colour or not text:
        return text
    codes = ";".join(_CODES[word] for word in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m"


def harmless(text: str) -> str:
    """Return text from a file or its name with control characters shown, not obeyed."""
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def paint_diff(diff: bytes) -> bytes:
    """Return a unified diff with its added and removed lines coloured, whatever their encoding."""
    painted: list[bytes] = []
    left = 0  # lines of the hunk still to come: a removed line may look like a file header
    for line in diff.split(b"\n"):
        style = b""
        if left <= 0:
            hunk = _HUNK.match(line)
            left = sum(int(count or 1) for count in hunk.groups()) if hunk else 0
            style = b"36" if hunk else b"1"
        elif line.startswith(b"+"):
            style, left = b"32", left - 1
        elif line.startswith(b"-"):
            style, left = b"31", left - 1
        elif not line.startswith(b"\\"):
            left -= 2
        painted.append(b"\x1b[%sm%s\x1b[0m" % (style, line) if style and line else line)
    return b"\n".join(painted)
