"""The one failure of rewriting: an operation that cannot be written right where it was asked."""

from __future__ import annotations

from fixgrad.edits import Operation


class RewriteRefused(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """Say which operation cannot be written, and why, in lower case without a full stop."""

    def __init__(self, operation: Operation, reason: str) -> None:
        super().__init__(operation, reason)
        self.operation = operation
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.operation.span}: cannot {self.operation.kind} here: {self.reason}"
