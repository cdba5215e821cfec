"""Reads the TOML files of `data/`, each once and only when asked for."""

from __future__ import annotations

import functools
import os
import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Table = dict[str, Any]

_DATA = os.path.join(os.path.dirname(__file__), "data")
_RECIPE = frozenset(
    {"call", "forward", "skip", "beyond", "needs"}
)  # for the tests that derive the rows again


@functools.cache
def files(folder: str) -> frozenset[str]:
    """Return the names, without the suffix, of the files in one folder of `data/`."""
    return frozenset(f[:-5] for f in os.listdir(os.path.join(_DATA, folder)) if f.endswith(".toml"))


@functools.cache
def table(name: str) -> Table:
    """Return a whole file: "conversions", "ops/torch"."""
    with open(os.path.join(_DATA, f"{name}.toml"), "rb") as file:
        return tomllib.load(file)


def fields(row: Table) -> Table:
    """Return a row as keyword arguments: without its recipe, lists as tuples."""
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in row.items()
        if key not in _RECIPE
    }
