"""What each torch, numpy and scipy call does to a gradient, a dtype and the memory, as data rows.

The rows stand in `data/*.toml`; the tests derive every one again by running torch and numpy.
Names are qualified as Python imports them: "torch.nn.functional.relu", "numpy.linalg.norm".
"""

from __future__ import annotations

import functools

from fixgrad.knowledge.arrays import (
    array_function,
    array_libraries,
    array_method,
    array_prefixes,
    callbacks,
    drawn_alone,
    dtype_operands,
    dtype_position,
    dtype_without_operands,
    exports,
    exports_method,
    flat,
    gives_row,
    is_ufunc,
    keeps_lists,
    makes_objects,
    mirrored,
    several_dtypes,
)
from fixgrad.knowledge.dtypes import cast, dtype_class, dtype_of, python_float
from fixgrad.knowledge.equivalents import equivalent
from fixgrad.knowledge.read import fields, files, table
from fixgrad.knowledge.rows import (
    ArrayCall,
    Callback,
    Conversion,
    Demand,
    Equivalent,
    Factory,
    ModuleClass,
    TensorOp,
)

__all__ = [
    "ArrayCall",
    "Callback",
    "Conversion",
    "Demand",
    "Equivalent",
    "Factory",
    "ModuleClass",
    "TensorOp",
    "array_function",
    "array_libraries",
    "array_method",
    "array_prefixes",
    "callbacks",
    "cast",
    "context",
    "conversion",
    "demand",
    "distribution_method",
    "drawn_alone",
    "dtype_class",
    "dtype_of",
    "dtype_operands",
    "dtype_position",
    "dtype_without_operands",
    "equivalent",
    "exports",
    "exports_method",
    "factory",
    "factory_method",
    "flat",
    "gives_row",
    "is_ufunc",
    "keeps_lists",
    "makes_objects",
    "mirrored",
    "module_class",
    "python_float",
    "several_dtypes",
    "tensor_function",
    "tensor_method",
    "tensor_operator",
]


@functools.cache
def tensor_function(qualified: str) -> TensorOp | None:
    """Look up a torch function: "torch.abs", "torch.nn.functional.relu", "torch.Tensor.abs"."""
    module, _, name = qualified.rpartition(".")
    if module == "torch.Tensor":
        return tensor_method(name)
    if module not in files("ops"):
        return None
    row = table(f"ops/{module}").get(name)
    return TensorOp(qualified, **fields(row)) if row is not None else None


@functools.cache
def tensor_method(name: str) -> TensorOp | None:
    """Look up a method or an attribute of torch.Tensor: "abs", "add_", "T", "__getitem__"."""
    known = table("ops/torch.Tensor")
    if name in known["method"]:
        return TensorOp(f"torch.Tensor.{name}", **fields(known["method"][name]))
    if name in known["attribute"]:
        row = fields(known["attribute"][name])
        return TensorOp(f"torch.Tensor.{name}", **row, attribute=True)
    return None


@functools.cache
def tensor_operator(operator: str, unary: bool = False) -> TensorOp | None:
    """Look up an operator: "+", "@", "==", "+=", "[]", "[]="; `unary` for "-", "+", "~"."""
    row = table("ops/torch.Tensor")["unary" if unary else "operator"].get(operator)
    return TensorOp(operator, **fields(row)) if row is not None else None


@functools.cache
def distribution_method(name: str) -> TensorOp | None:
    """Look up a method of the distributions of torch.distributions: "sample", "log_prob"."""
    row = table("distributions")["method"].get(name)
    return TensorOp(f"torch.distributions.{name}", **fields(row)) if row is not None else None


@functools.cache
def conversion(qualified: str) -> Conversion | None:
    """Look up a call that makes a tensor from outside data: "torch.from_numpy"."""
    row = table("conversions")["conversion"].get(qualified)
    return Conversion(qualified, **fields(row)) if row is not None else None


@functools.cache
def factory(qualified: str) -> Factory | None:
    """Look up a call that makes a tensor from sizes and numbers: "torch.zeros"."""
    row = table("conversions")["factory"].get(qualified)
    return Factory(qualified, **fields(row)) if row is not None else None


@functools.cache
def factory_method(name: str) -> Factory | None:
    """Look up a Tensor method that makes a tensor from sizes and numbers: "new_zeros"."""
    row = table("conversions")["factory_method"].get(name)
    return Factory(f"torch.Tensor.{name}", **fields(row)) if row is not None else None


@functools.cache
def demand(name: str) -> Demand | None:
    """Look up what asks for a gradient: "torch.autograd.grad", "torch.optim.SGD", "backward"."""
    row = table("demands")["demand" if "." in name else "method"].get(name)
    return Demand(name, **fields(row)) if row is not None else None


@functools.cache
def context(qualified: str) -> str | None:
    """Say what a context manager or decorator does: "no_grad", "inference", "enable", "set".

    "none" when it is known to leave tracking alone, None when it is not known.
    """
    row = table("demands")["context"].get(qualified)
    return None if row is None else str(row["mode"])


@functools.cache
def module_class(qualified: str) -> ModuleClass | None:
    """Look up a class of torch.nn: "torch.nn.Linear"; the long module path is understood too."""
    parts = qualified.split(".")
    if parts[:2] != ["torch", "nn"]:
        return None
    row = table("modules").get(parts[-1])
    return ModuleClass(f"torch.nn.{parts[-1]}", **fields(row)) if row is not None else None
