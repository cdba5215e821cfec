"""Every row about numpy and scipy is derived again by running its recipe."""

from __future__ import annotations

import importlib
import operator
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from fixgrad.knowledge import ArrayCall, array_function, array_method, mirrored
from fixgrad.knowledge.read import Table, files, table
from tests.numpy_probe import MEASURED_ON, Call, flat, measure, reads

pytestmark = pytest.mark.torch
np = pytest.importorskip("numpy")


def target(file: str, section: str, name: str) -> Call:
    """Return what a row is about, as a function of the recipe's arguments."""
    if section == "attribute":
        return operator.attrgetter(name)
    owner: Any = np.ndarray if section == "method" else None
    if file == "numpy.random.Generator":
        owner = np.random.default_rng(0)
    found: Call = getattr(owner or importlib.import_module(file), name)
    return found


def recipes_of(row: Table) -> list[str]:
    """Return a row's recipes as a list."""
    call = row["call"]
    return [call] if isinstance(call, str) else list(call)


def rows() -> Iterator[tuple[str, str, str, Table]]:
    """Yield (file, section, name, row) for every row about arrays."""
    for file in sorted(files("arrays")):
        for name, row in table(f"arrays/{file}").items():
            yield file, "function", name, row
    for section in ("method", "attribute"):
        for name, row in table("ndarray")[section].items():
            yield "numpy.ndarray", section, name, row


KEYS = [(file, section, name) for file, section, name, _ in rows()]
ROWS = {(file, section, name): row for file, section, name, row in rows()}


def lookup(file: str, section: str, name: str) -> ArrayCall:
    """Return a row as the analysis sees it."""
    row = array_function(f"{file}.{name}") if section == "function" else array_method(name)
    assert row is not None
    return row


def differences(said: ArrayCall, call: Call, recipes: list[str], method: bool) -> list[str]:
    """Say where a row and what numpy did disagree."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated names are rows too
        found = measure(call, recipes, method)
        if not method:
            found["reads"] = reads(call, recipes)
        found["flat"] = flat(call, recipes)
    found["writes"] = tuple(found["writes"])
    return [
        f"{said.name}: {field} is {value!r}, the row says {getattr(said, field)!r}"
        for field, value in found.items()
        if getattr(said, field) != value
    ]


@pytest.mark.parametrize("file", sorted({file for file, _, _ in KEYS}))
def test_every_row_agrees_with_numpy(file: str) -> None:
    wrong = []
    for key in KEYS:
        if key[0] != file or "skip" in ROWS[key]:
            continue
        try:
            call = target(*key)
        except AttributeError:
            if np.__version__.startswith(MEASURED_ON):
                raise
            continue
        wrong += differences(lookup(*key), call, recipes_of(ROWS[key]), key[1] != "function")
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "lie"),
    [
        ("numpy.zeros", {"dtype": "float32"}),
        ("numpy.asarray", {"alias": "copy"}),
        ("numpy.copyto", {"writes": ()}),
        ("numpy.linalg.svd", {"returns": "array"}),
        ("numpy.sin", {"out": False}),
        ("numpy.sin", {"reads": False}),
        ("numpy.squeeze", {"reads": True}),
        ("numpy.sin", {"flat": True}),
        ("numpy.sign", {"flat": False}),
    ],
)
def test_a_wrong_row_is_caught(name: str, lie: dict[str, Any]) -> None:
    file, _, short = name.rpartition(".")
    row = array_function(name)
    assert row is not None
    recipes = recipes_of(ROWS[file, "function", short])
    call = target(file, "function", short)
    assert differences(row, call, recipes, method=False) == []
    assert len(differences(row._replace(**lie), call, recipes, method=False)) == 1


def test_ufuncs() -> None:
    for module, names in table("arrays")["ufunc"].items():
        found = importlib.import_module(module)
        known = [name for name in names if hasattr(found, name)]
        assert all(isinstance(getattr(found, name), np.ufunc) for name in known)
        if np.__version__.startswith(MEASURED_ON):
            assert known == names


def test_mirrors_give_arrays_of_numpy() -> None:
    autograd = pytest.importorskip("autograd.numpy")
    importlib.import_module("autograd.scipy.special")
    names = {"autograd": sys.modules["autograd"], "numpy": np}
    assert autograd.pi == np.pi
    for module, row in table("arrays")["mirror"].items():
        assert mirrored(f"{module}.linalg") == f"{row['is']}.linalg"
        assert eval(row["call"], names) is np.ndarray
    assert mirrored("autograd") == "autograd"


_NEEDED = {"beta": 2, "gamma": 1, "integers": 1, "randint": 1}  # arguments without a default


_ROWS: dict[str, tuple[object, ...]] = {
    "numbers": (1, 3),
    "list": ([1.0, 2.0],),
    "size alone": (3,),
}


@pytest.mark.parametrize(("name", "form"), sorted(table("arrays")["row"].items()))
def test_gives_a_row(name: str, form: str) -> None:
    module, _, function = name.rpartition(".")
    call = target(module, "function", function)
    given = _ROWS.get(form, (3, 1.0) if function == "full" else (3,))
    made = call(*given)
    assert isinstance(made, np.ndarray)
    assert made.ndim == 1
    assert np.ndim(made[0]) == 0
    if form == "size alone":
        assert call(3, 2).ndim == 2


@pytest.mark.parametrize(("name", "most"), sorted(table("arrays")["drawn_alone"].items()))
def test_drawn_alone(name: str, most: int) -> None:
    module, _, function = name.rpartition(".")
    call = target(module, "function", function)
    for given in range(_NEEDED.get(function, 0), most + 1):
        drawn = call(*range(1, given + 1))
        assert np.ndim(drawn) == 0
        assert not isinstance(drawn, np.ndarray)
    assert np.shape(call(*range(1, most + 1), 3)) == (3,)
