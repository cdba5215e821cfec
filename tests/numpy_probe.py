"""What the recipe of a row about numpy or scipy shows when it is run, in several dtypes and memory layouts.

A recipe is the source of a call's arguments, as in tests/knowledge_probe.py, but `float64[3, 3]` makes an array.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from fixgrad.knowledge.read import Table

np = pytest.importorskip("numpy")

Call = Callable[..., Any]
FOLDER = tempfile.TemporaryDirectory()  # gone when the process ends
MEASURED_ON = "2.4"  # other versions may lack a name
DTYPES = ("float64", "float32", "int64", "int32", "complex128", "uint8", "bool_")
VARIANTS = ("plain", "float32", "int64", "int32", "strided", "mixed")


class Run(NamedTuple):
    """What one run of one recipe showed."""

    variant: str
    recipe: int
    returns: str
    dtype: str | None
    given: str | None  # the dtype of the first array
    literal: str | None  # the dtype that numpy gives to the numbers in the call
    asked: str | None  # the dtype that an argument names
    relation: str
    writes: frozenset[int]


class Maker:
    """`float64[3, 3]` in a recipe."""

    def __init__(self, dtype: str, variant: str, made: list[Any]) -> None:
        self.dtype, self.variant, self.made = dtype, variant, made

    def __getitem__(self, shape: int | tuple[int, ...]) -> Any:
        dtype = self.dtype
        if dtype == "float64":
            first_only = self.variant == "mixed" and not self.made
            swaps = {"float32": "float32", "int64": "int64", "int32": "int32"}
            dtype = "float32" if first_only else swaps.get(self.variant, dtype)
        count = np.arange(max(1, int(np.prod(shape)))).reshape(shape)
        if self.dtype != "float64":
            return count % 2 == 0 if dtype == "bool_" else (count % 3).astype(dtype)
        array = (9 - count % 5 * 2 + len(self.made)).astype(dtype)
        if dtype.startswith("float"):
            array = (array / 10).astype(dtype)
        self.made.append(array)
        if self.variant != "strided":
            return array
        return np.asfortranarray(array) if array.ndim > 1 else np.stack([array, array], -1)[..., 0]


def saved(dtype: str = "float64", **arrays: Any) -> io.BytesIO:
    """Return a file as np.save or np.savez writes it."""
    file = io.BytesIO()
    if arrays:
        np.savez(file, **arrays)
    else:
        np.save(file, np.ones(3, dtype))
    file.seek(0)
    return file


def raw() -> str:
    """Return the path of a file that holds three numbers."""
    path = os.path.join(FOLDER.name, "numbers")
    np.ones(3).tofile(path)
    return path


def arguments(
    recipe: str, variant: str, more: dict[str, Any] | None = None
) -> tuple[list[Any], dict[str, Any]]:
    """Evaluate a recipe afresh; `more` are other names that it may use."""
    made: list[Any] = []
    scope: dict[str, Any] = {name: Maker(name, variant, made) for name in DTYPES}
    scope |= {"np": np, "io": io, "saved": saved, "raw": raw}
    scope |= more or {}
    scope["call"] = lambda *a, **k: (list(a), k)
    result: tuple[list[Any], dict[str, Any]] = eval(f"call({recipe})", scope)
    if variant != "plain" and len(made) < 1 + (variant == "mixed"):
        raise TypeError("nothing to vary")
    return result


def arrays(value: Any) -> list[Any]:
    """Return every array in a result or in arguments."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, (list, tuple)):
        return [a for v in value for a in arrays(v)]
    return []


def kind(result: Any) -> str:
    """Return the kind of a result."""
    if result is None:
        return "none"
    if isinstance(result, np.ndarray):
        return "array"
    if isinstance(result, (np.generic, bool, int, float, complex)):
        return "scalar"
    return "arrays" if isinstance(result, (list, tuple)) and arrays(result) else "other"


def relation(results: list[Any], first: Any) -> str:
    """Say whether a result is the first array, lies on its memory, or neither."""
    if any(r is first for r in results):
        return "self"
    return "view" if any(np.shares_memory(r, first) for r in results) else "copy"


def literal(positional: list[Any]) -> str | None:
    """Return the dtype of the numbers of a call that is given no array first."""
    if not positional or isinstance(positional[0], (np.ndarray, io.IOBase, str, type)):
        return None
    try:
        return str(np.result_type(*(np.asarray(a) for a in positional if a is not None)))
    except (TypeError, ValueError):
        return None


def run(call: Call, number: int, recipe: str, variant: str) -> Run:
    """Run a recipe once; raises what the call raises."""
    np.random.seed(0)
    positional, named = arguments(recipe, variant)
    before = [[a.tobytes() for a in arrays(p)] for p in positional]
    given = arrays(positional) + arrays(list(named.values()))
    result = call(*positional, **named)
    after = [[a.tobytes() for a in arrays(p)] for p in positional]
    found = arrays(result)
    dtype = found[0].dtype if found else None
    if kind(result) == "scalar":
        dtype = np.asarray(result).dtype
    asked = [a for a in [*positional[1:], *named.values()] if isinstance(a, type)]
    return Run(
        variant,
        number,
        kind(result),
        None if dtype is None else str(dtype),
        str(given[0].dtype) if given else None,
        literal(positional),
        str(np.dtype(asked[0])) if asked else None,
        relation(found, given[0]) if given else "copy",
        frozenset(i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b),
    )


def dtype_rule(runs: list[Run]) -> str:
    """Find the rule that explains the dtypes of one recipe's runs."""
    of = {r.variant: r.dtype for r in runs}
    plain, single = of.get("plain"), of.get("float32")
    if plain is None:
        return "unknown"
    given = runs[0].given
    if given is not None and given.startswith("complex") and not plain.startswith("complex"):
        return "real"
    if single is None or plain == single:
        return plain if of.get("int64") in (None, plain) else "unknown"
    if (plain, single) == ("complex128", "complex64"):
        return "complex"
    if (plain, single) != ("float64", "float32"):
        return "unknown"
    if of.get("int64") == "float64":
        return "float"
    if of.get("int32") == "int64":
        return "int"
    return "promote" if of.get("mixed") == "float64" else "same"


def dtype_of(runs: list[Run], recipes: int) -> str:
    """Sum up the dtype rules of several recipes."""
    plain = [r for r in runs if r.variant == "plain"]
    if len({r.dtype for r in plain}) > 1:
        if all(r.dtype == (r.literal or r.given) for r in plain):
            return "data" if any(r.literal for r in plain) else "same"
        asked = any(r.asked for r in plain)
        return (
            "argument"
            if asked and all(r.dtype == (r.asked or r.given) for r in plain)
            else "unknown"
        )
    each = [[r for r in runs if r.recipe == number] for number in range(recipes)]
    rules = [dtype_rule(some) for some in each if some]
    order = ("same", "promote", "int", "float", "real")
    if all(rule in order for rule in rules):
        return max(rules, key=order.index, default="unknown")
    return rules[0] if len(set(rules)) == 1 else "unknown"


def keyword_dtype(call: Call, recipe: str, dtype: str) -> str:
    """Mark a fixed dtype that a `dtype=` keyword may replace, where the call is given no array."""
    positional, named = arguments(recipe, "plain")
    if arrays(positional) or "dtype" in named or dtype not in ("float64", "int64"):
        return dtype
    other = np.float32 if dtype == "float64" else np.int32
    try:
        obeyed = call(*positional, **named, dtype=other).dtype == other
    except (TypeError, ValueError, AttributeError):
        return dtype
    return f"keyword-or:{dtype}" if obeyed else dtype


def takes_out(call: Call, recipe: str) -> bool:
    """Say whether a call accepts `out=` and returns it."""
    try:
        result = call(*(first := arguments(recipe, "plain"))[0], **first[1])
        out = np.zeros_like(np.asarray(result))
        positional, named = arguments(recipe, "plain")
        return call(*positional, **named, out=out) is out
    except (TypeError, ValueError, AttributeError):
        return False


def measure(call: Call, recipes: list[str], method: bool = False) -> Table:
    """Return a row's facts as numpy shows them; raises when a recipe does not run at all."""
    runs: list[Run] = []
    for number, recipe in enumerate(recipes):
        for variant in VARIANTS:
            try:
                runs.append(run(call, number, recipe, variant))
            except Exception:
                if variant == "plain":
                    raise
    kinds = {r.returns for r in runs}
    seen = {r.relation for r in runs}
    dtype = dtype_of(runs, len(recipes))
    return {
        "returns": next(k for k in ("array", "arrays", "scalar", "other", "none") if k in kinds),
        "dtype": keyword_dtype(call, recipes[0], dtype),
        "alias": min(seen) if len(seen) == 1 else "maybe-self" if "self" in seen else "maybe-view",
        "writes": sorted(i - method for i in frozenset[int]().union(*(r.writes for r in runs))),
        "out": any(takes_out(call, recipe) for recipe in recipes),
        "reduces": all(
            r.returns == ("array" if "axis" in recipes[r.recipe] else "scalar") for r in runs
        )
        and kinds == {"array", "scalar"},
    }


def reads(call: Call, recipes: list[str]) -> bool:
    """Say whether a tracked tensor in the place of an array raises, or is answered otherwise: `array_equal`."""
    torch = pytest.importorskip("torch")

    def swap(value: Any, tracked: bool = True) -> Any:
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            return torch.from_numpy(value.copy()).requires_grad_(tracked)
        if isinstance(value, (list, tuple)):
            return type(value)(swap(v, tracked) for v in value)
        return value

    ran = []
    for recipe in recipes:
        positional, named = arguments(recipe, "plain")
        if any(a.dtype == np.float64 for a in arrays(positional)):
            try:
                found = call(*swap(positional), **named)
                plain = call(*swap(positional, tracked=False), **named)
                ran.append(not isinstance(found, bool) or found == plain)
            except Exception:
                ran.append(False)
    return not any(ran)


def flat(call: Call, recipes: list[str]) -> bool:
    """Say whether a result of floating numbers stays when the arrays change by a little."""
    pairs = [(shifted(call, recipe, 0.0), shifted(call, recipe, 1e-3)) for recipe in recipes]
    known = [(one, other) for one, other in pairs if one and other]
    return bool(known) and all(
        np.array_equal(a, b, equal_nan=True)
        for one, other in known
        for a, b in zip(one, other, strict=True)
    )


def shifted(call: Call, recipe: str, change: float) -> list[Any]:
    """Return the results for arrays a little off the round numbers of a recipe; [] for no numbers."""
    np.random.seed(0)
    positional, named = arguments(recipe, "plain")
    given = [a for a in arrays([*positional, *named.values()]) if a.dtype.kind in "fc"]
    for array in given:
        unit = 1 if array.dtype.kind == "f" else 1 - 1j
        np.add(array, unit * (0.013 + change * np.random.rand(*array.shape)), out=array)
    try:
        result = call(*positional, **named)
    except (ArithmeticError, AssertionError, ValueError):
        return []
    found = arrays(result) or ([np.asarray(result)] if kind(result) == "scalar" else [])
    numbers = all(a.dtype.kind in "fc" and np.isfinite(a).any() for a in found)
    return found if given and numbers else []
