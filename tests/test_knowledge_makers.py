"""Every row about making a tensor, and every name of a dtype, is derived again by running it."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixgrad.knowledge import cast, conversion, dtype_class, dtype_of, factory, factory_method
from fixgrad.knowledge.read import Table, table

pytestmark = pytest.mark.torch
np = pytest.importorskip("numpy")
pytest.importorskip("torch")

import torch  # noqa: E402

from tests import knowledge_probe as probe  # noqa: E402


@pytest.fixture(autouse=True)
def _deprecated_names_are_rows_too() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def resolve(qualified: str) -> Callable[..., Any]:
    """Return the object of a qualified name, as `from module import name` finds it."""
    module, _, name = qualified.rpartition(".")
    if module == "torch.Tensor":  # a method: of a tensor with the dtype of what it is given
        return lambda data, *rest, **more: getattr(
            torch.empty(0, dtype=torch.from_numpy(data).dtype), name
        )(data, *rest, **more)
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def short(dtype: object) -> str:
    """Return "float32" for torch.float32."""
    return str(dtype).removeprefix("torch.")


def runnable(section: str) -> list[str]:
    """Return the names of the rows that this machine can run."""
    return [name for name, row in table("conversions")[section].items() if "skip" not in row]


WRAPPERS = ("Variable", "Parameter")


def convert(name: str, array: Any, **more: Any) -> torch.Tensor:
    """Call a conversion on an array; the wrappers take a tensor."""
    source = torch.from_numpy(array) if name.endswith(WRAPPERS) else array
    if name.endswith("frombuffer"):
        more = {"dtype": torch.from_numpy(array).dtype} | more
    made: torch.Tensor = resolve(name)(source, **more)
    return made


def shares(name: str, array: Any, **more: Any) -> bool:
    """Say whether a write to the tensor shows in the array."""
    made = convert(name, array, **more).detach()
    before = array.copy()
    made.view(-1)[0] = 1 - made.view(-1)[0].to(made.dtype) if made.dtype != torch.bool else False
    return not np.array_equal(before, array)


def arrays_for(dtype: str) -> list[Any]:
    """Return arrays that a conversion may share, each of another dtype; the fixed dtype first."""
    names = ["float64", "float32"]
    if dtype not in ("array", "argument", "same"):
        names = [dtype, *[n for n in names if n != dtype]]
    return [np.ones(3, n) for n in names if n != "bfloat16"]


@pytest.mark.parametrize("name", runnable("conversion"))
def test_conversion_shares(name: str) -> None:
    row = conversion(name)
    assert row is not None
    seen = {shares(name, array) for array in arrays_for(row.dtype)}
    if row.dtype_keyword and not name.endswith("frombuffer"):
        seen.add(shares(name, np.ones(3), dtype=torch.float32))
    if row.dtype == "bfloat16":  # numpy has none to share
        assert seen == {False}
        seen.add(shares_a_tensor(name, torch.bfloat16))
    expected = {"always": {True}, "never": {False}, "maybe": {True, False}}
    assert seen == expected[row.shares]


def shares_a_tensor(name: str, dtype: torch.dtype) -> bool:
    """Say whether a legacy constructor keeps the storage of a tensor."""
    source = torch.ones(3, dtype=dtype)
    return bool(resolve(name)(source).data_ptr() == source.data_ptr())


@pytest.mark.parametrize("name", runnable("conversion"))
def test_conversion_dtype(name: str) -> None:
    row = conversion(name)
    assert row is not None
    for array in arrays_for(row.dtype):
        given = str(array.dtype)
        expected = given if row.dtype in ("array", "argument", "same") else row.dtype
        assert short(convert(name, array).dtype) == expected


@pytest.mark.parametrize("name", runnable("conversion"))
def test_conversion_keywords(name: str) -> None:
    row = conversion(name)
    assert row is not None
    array = np.ones(3)
    if row.keyword:
        assert convert(name, array, requires_grad=True).requires_grad
    else:
        with pytest.raises(TypeError):
            convert(name, array, requires_grad=True)
    if row.dtype_keyword:
        assert convert(name, array, dtype=torch.float32).dtype is torch.float32
    else:
        with pytest.raises(TypeError):
            convert(name, array, dtype=torch.float32)
    with pytest.raises((TypeError, RuntimeError)):
        resolve(name)(convert(name, array) if name.endswith(WRAPPERS) else array, torch.float32)


NO_ARRAYS: tuple[object, ...] = (torch.ones(2), 2.0, [1.0], (1.0,), {})


@pytest.mark.parametrize("name", runnable("conversion"))
def test_conversion_of_what_is_no_array(name: str) -> None:
    row = conversion(name)
    assert row is not None
    if row.only_arrays:
        for given in NO_ARRAYS:
            with pytest.raises(TypeError):
                resolve(name)(given)
    elif name.endswith("frombuffer"):
        assert resolve(name)(bytes(8), dtype=torch.float64).tolist() == [0.0]
    elif name == "torch.Tensor.new_tensor":
        assert torch.ones(2).new_tensor([1.0]).tolist() == [1.0]
    else:
        takes_a_list = row.dtype_keyword or row.dtype != "array"
        assert isinstance(resolve(name)([1.0] if takes_a_list else torch.ones(1)), torch.Tensor)


FACTORIES = [(s, name) for s in ("factory", "factory_method") for name in runnable(s)]


def make(section: str, name: str, recipe: str, variant: probe.Variant, **more: Any) -> torch.Tensor:
    """Run a factory's recipe."""
    call = resolve(name) if section == "factory" else getattr(torch.Tensor, name)
    positional, named = probe.arguments(recipe, variant)
    made: torch.Tensor = call(*positional, **named, **more)
    return made


@pytest.mark.parametrize(("section", "name"), FACTORIES, ids=[name for _, name in FACTORIES])
def test_factory(section: str, name: str) -> None:
    row = factory(name) if section == "factory" else factory_method(name)
    assert row is not None
    recipes = probe.recipes_of(table("conversions")[section][name])
    seen = [short(make(section, name, recipe, probe.PLAIN).dtype) for recipe in recipes]
    if row.dtype == "same":
        single = make(section, name, recipes[0], probe.VARIANTS[1])
        assert [*seen, short(single.dtype)] == ["float64", "float32"]
    else:
        assert seen == (["int64", "float32"] if row.dtype == "data" else [row.dtype])
    if row.keyword:
        float_dtype = {"dtype": torch.float32, "requires_grad": True}
        assert make(section, name, recipes[-1], probe.PLAIN, **float_dtype).requires_grad
    else:
        with pytest.raises((TypeError, RuntimeError)):
            make(section, name, recipes[-1], probe.PLAIN, requires_grad=True)


def test_rows_that_cannot_run_exist_as_names() -> None:
    skipped = {n: r for n, r in table("conversions")["conversion"].items() if "skip" in r}
    assert all(row["skip"] for row in skipped.values())
    for name in skipped:
        if name.startswith("torch."):
            assert resolve(name) is not None


@pytest.mark.parametrize("method", sorted(table("dtypes")["cast"]))
def test_cast(method: str) -> None:
    assert short(getattr(torch.ones(1), method)().dtype) == cast(method)


def torch_dtype(name: str) -> str:
    """Return the dtype that a name of torch stands for, legacy tensor types too."""
    found = getattr(torch, name)
    return short(found if isinstance(found, torch.dtype) else found(1).dtype)


def numpy_dtype(spelling: Any) -> str:
    """Return numpy's name for a spelling; the widest float has one name here."""
    dtype = np.dtype(spelling)
    return "longdouble" if dtype == np.longdouble and dtype.itemsize > 8 else str(dtype.name)


def test_torch_dtype_names() -> None:
    for name in table("dtypes")["module"]["torch"]:
        assert dtype_of(f"torch.{name}") == torch_dtype(name)
    for name in table("dtypes")["module"]["torch.cuda"]:
        assert dtype_of(f"torch.cuda.{name}") == dtype_of(f"torch.{name}")
        assert hasattr(torch.cuda, name)


def test_numpy_dtype_names() -> None:
    known = table("dtypes")
    missing = []
    for name in known["module"]["numpy"]:
        if not hasattr(np, name):
            missing.append(name)
        else:
            assert dtype_of(f"numpy.{name}") == numpy_dtype(getattr(np, name))
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        assert sorted(missing) == known["removed"]["numpy"]


def test_dtype_strings_and_builtins() -> None:
    known = table("dtypes")
    for name in known["string"]:
        assert dtype_of(name) == numpy_dtype(name), name
    for name in known["module"]["builtins"]:
        assert dtype_of(f"builtins.{name}") == numpy_dtype(name)
    assert dtype_of("<f4") == numpy_dtype("<f4")
    assert dtype_of(">i8") == numpy_dtype(">i8")


def test_dtype_classes() -> None:
    for name, kind in table("dtypes")["class"].items():
        dtype = torch.float64 if name == "longdouble" else getattr(torch, name)
        assert dtype_class(name) == kind
        assert dtype.is_floating_point == (kind == "float")
        assert dtype.is_complex == (kind == "complex")


def test_a_wrong_row_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: Table = table("conversions")["conversion"]
    for name, test, lie in (
        ("torch.from_numpy", test_conversion_shares, {"shares": "never"}),
        ("torch.tensor", test_conversion_keywords, {"keyword": False}),
        ("torch.FloatTensor", test_conversion_dtype, {"dtype": "float64"}),
    ):
        monkeypatch.setitem(rows, name, rows[name] | lie)
        conversion.cache_clear()
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            test(name)
    monkeypatch.undo()
    conversion.cache_clear()
