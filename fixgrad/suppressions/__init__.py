"""Comments by which a user tells fixgrad to leave something alone, and what becomes of those without use.

`comments` finds them, `suppressions` says what they hide, `unused_suppression` is the rule about the others.
"""

from __future__ import annotations

from fixgrad.suppressions.suppressions import Suppressions

__all__ = ["Suppressions"]
