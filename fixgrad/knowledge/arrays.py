"""Lookups for numpy, scipy and what else takes or gives arrays."""

from __future__ import annotations

import functools

from fixgrad.knowledge.read import fields, files, table
from fixgrad.knowledge.rows import ArrayCall, Callback


@functools.cache
def array_function(qualified: str) -> ArrayCall | None:
    """Look up "numpy.load", "numpy.random.Generator.normal", "scipy.ndimage.gaussian_filter"."""
    module, _, name = qualified.rpartition(".")
    module = table("arrays")["same_names"].get(module, module)
    if module in files("arrays") and name in (rows := table(f"arrays/{module}")):
        return ArrayCall(qualified, **fields(rows[name]))
    for prefix, row in array_prefixes():
        if qualified.startswith(prefix):
            return row._replace(name=qualified)
    return None


@functools.cache
def mirrored(module: str) -> str:
    """Return the name that a module of a numpy look-alike has in numpy: "autograd.numpy" is "numpy"."""
    for prefix, row in table("arrays")["mirror"].items():
        if module == prefix or module.startswith(prefix + "."):
            return str(row["is"]) + module[len(prefix) :]
    return module


@functools.cache
def array_prefixes() -> tuple[tuple[str, ArrayCall], ...]:
    """Return the defaults for whole modules, longest prefix first: ("scipy.ndimage.", row)."""
    rows = table("arrays")["prefix"]
    ordered = sorted(rows, key=lambda prefix: (-len(prefix), prefix))
    return tuple((prefix, ArrayCall(prefix, **fields(rows[prefix]))) for prefix in ordered)


@functools.cache
def array_method(name: str) -> ArrayCall | None:
    """Look up a method or an attribute of ndarray: "astype", "T", "sort"."""
    known = table("ndarray")
    if name in known["method"]:
        return ArrayCall(f"numpy.ndarray.{name}", **fields(known["method"][name]))
    if name in known["attribute"]:
        row = fields(known["attribute"][name])
        return ArrayCall(f"numpy.ndarray.{name}", **row, attribute=True)
    return None


def is_ufunc(qualified: str) -> bool:
    """Say whether a name is a numpy or scipy ufunc: "numpy.sin", "scipy.special.erf"."""
    module, _, name = qualified.rpartition(".")
    return name in table("arrays")["ufunc"].get(module, ())


def gives_row(qualified: str) -> str | None:
    """Return of what a call makes an array of one dimension: "numbers", "size", "size alone", "list"."""
    found: str | None = table("arrays")["row"].get(qualified)
    return found


def drawn_alone(qualified: str) -> int | None:
    """Return how many numbers a call takes that draws a single one, None where it never does."""
    module, _, name = qualified.rpartition(".")
    module = table("arrays")["same_names"].get(module, module)
    numbers: int | None = table("arrays")["drawn_alone"].get(f"{module}.{name}")
    return numbers


def dtype_position(qualified: str) -> int | None:
    """Return the position of the argument that names the dtype of a call's result."""
    position: int | None = table("arrays")["dtype_position"].get(qualified)
    return position


@functools.cache
def dtype_operands(qualified: str) -> dict[int, str]:
    """Return the arguments that decide the dtype of a call's result, {} where all or the first do."""
    row = table("arrays")["operands"].get(qualified, {})
    return {int(position): name for position, name in row.items() if position != "otherwise"}


def dtype_without_operands(qualified: str) -> str:
    """Return the dtype of a call's result where none of these arguments is given: `np.where(mask)`."""
    return str(table("arrays")["operands"].get(qualified, {}).get("otherwise", "unknown"))


def several_dtypes(qualified: str) -> bool:
    """Say whether a call returns arrays of several dtypes."""
    return qualified in table("arrays")["several"]["names"]


@functools.cache
def flat(effect: str) -> bool:
    """Say whether a function or an operator on arrays has no gradient to give: "numpy.sign", "//"."""
    owner, _, name = effect.rpartition(".")
    row = array_method(name) if owner == "numpy.ndarray" else array_function(effect)
    return row.flat if row is not None else effect in ("//", "round")


@functools.cache
def exports(qualified: str) -> bool:
    """Say whether a function calls numpy on its arguments: a tracked tensor there raises."""
    row = array_function(qualified)
    if row is not None:
        return row.reads
    known = table("exports")
    if qualified in known["fine"]["names"]:
        return False
    return bool(_library(qualified))


@functools.cache
def array_libraries() -> frozenset[str]:
    """Return the libraries outside numpy and scipy that call numpy on what they are given."""
    return frozenset(prefix.partition(".")[0] for prefix in table("exports")["prefix"])


@functools.cache
def makes_objects(qualified: str) -> bool:
    """Say whether what a function returns takes arrays as well: a data frame, an estimator."""
    return exports(qualified) and bool(_library(qualified).get("objects"))


@functools.cache
def keeps_lists(qualified: str) -> bool:
    """Say whether a function keeps the tensors of a list as they are, and asks numpy about those of a dict."""
    return bool(_library(qualified).get("lists"))


def _library(qualified: str) -> dict[str, object]:
    rows = table("exports")["prefix"].items()
    return next((row for prefix, row in rows if qualified.startswith(prefix)), {})


def exports_method(name: str) -> bool:
    """Say whether a method of that name on an unknown object is known to call numpy: "imshow"."""
    return name in table("exports")["method"]


@functools.cache
def callbacks(qualified: str) -> tuple[Callback, ...]:
    """Return the arguments that a numpy or scipy function calls back; () when there are none."""
    rows = table("callbacks").get(qualified, ())
    return tuple(Callback(qualified, **fields(row)) for row in rows)
