"""Failures of fixgrad itself; what is wrong with a user's file is a `Problem`, not an exception."""

from __future__ import annotations


class FixgradError(Exception):
    """Stop the run: a bad option, a stale file, a failed write.

    The message says what, where and what to do, in lower case and without a full stop.
    """

    exit_code = 2
