"""Every row about a function that numpy or scipy calls back is derived again by running it."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import warnings
from typing import Any

import pytest

from fixgrad.knowledge import callbacks
from fixgrad.knowledge.read import table
from tests.numpy_probe import arguments

pytestmark = pytest.mark.torch
np = pytest.importorskip("numpy")

CALLBACKS = [
    (name, number) for name, some in table("callbacks").items() for number in range(len(some))
]


@pytest.mark.parametrize(("name", "number"), CALLBACKS, ids=[f"{n}-{i}" for n, i in CALLBACKS])
def test_callback(name: str, number: int) -> None:
    said, recipe = callbacks(name)[number], table("callbacks")[name][number]["call"]
    module, _, short = name.rpartition(".")
    function = getattr(importlib.import_module(module), short)
    signature = list(inspect.signature(function).parameters)
    if said.position is not None:
        assert signature[said.position] == said.keyword
    seen: list[tuple[str, ...]] = []

    def spy(*given: Any) -> Any:
        seen.append(tuple("array" if np.ndim(g) else "scalar" for g in given))
        raise CalledError

    positional, named = arguments(recipe, "plain", {"f": spy})
    with contextlib.suppress(CalledError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = function(*positional, **named)
        result(1.0)  # numpy.vectorize calls later
    expected = tuple(seen[0][i] if p == "data" else p for i, p in enumerate(said.parameters))
    assert seen[0] == expected


class CalledError(Exception):
    """The callback was called."""
