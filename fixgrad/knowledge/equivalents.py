"""Lookups for what torch computes of tensors as NumPy does of arrays."""

from __future__ import annotations

import functools

from fixgrad.knowledge.read import fields, table
from fixgrad.knowledge.rows import Equivalent

_METHODS = "numpy.ndarray"


@functools.cache
def equivalent(effect: str) -> Equivalent | None:
    """Look up "numpy.sum", "numpy.ndarray.sum", "numpy.ndarray.T", "@", "[]"; None without one."""
    owner, _, name = effect.rpartition(".")
    known = table("equivalents")
    sections = ("method", "attribute") if owner == _METHODS else ("function", "operator")
    for section in sections:
        row = known[section].get(name if owner == _METHODS else effect)
        if row is not None:
            return Equivalent(effect, **fields(row))
    return None
