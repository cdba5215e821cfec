"""The dtype that fixgrad gives to an array or a tensor is NumPy's or torch's own, or it says that it does not know.

A wrong dtype makes a finding of its own: an integer tensor is refused a gradient. Each expression is computed
by the library, and followed by fixgrad.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixgrad.flow.ir import Module
from fixgrad.flow.link import Linker
from fixgrad.flow.lower import lower
from fixgrad.flow.project import Project
from fixgrad.knowledge import dtype_class
from fixgrad.project import decode
from fixgrad.source import Source

pytestmark = pytest.mark.torch
np = pytest.importorskip("numpy")

IMPORTS = "import numpy as np\nimport torch\nimport torch.nn.functional as F\n"
ARRAYS = """\
f = np.array([0.5, 1.5, -2.0])
g = np.array([0.25, 2.0, 1.0])
s = np.array([0.5, 1.5, 2.0], dtype=np.float32)
h = np.array([0.5, 1.5, 2.0], dtype="float16")
i = np.arange(1, 4)
j = np.array([3, 2, 1], dtype=np.int32)
k = np.array([3, 2, 1], dtype="int8")
u = np.array([1, 2, 3], dtype=np.uint8)
b = np.array([True, False, True])
c = np.array([1.0 + 2.0j, 0.5, 2.0])
m = np.arange(9.0).reshape(3, 3)
n = np.arange(9).reshape(3, 3)
"""
TENSORS = """\
f = torch.from_numpy(np.array([0.5, 1.5, -2.0]))
s = torch.from_numpy(np.array([0.5, 1.5, 2.0], dtype=np.float32))
h = torch.from_numpy(np.array([0.5, 1.5, 2.0], dtype=np.float16))
i = torch.from_numpy(np.arange(1, 4))
j = torch.from_numpy(np.array([3, 2, 1], dtype=np.int32))
u = torch.from_numpy(np.array([1, 2, 3], dtype=np.uint8))
b = torch.from_numpy(np.array([True, False, True]))
m = torch.from_numpy(np.arange(9.0).reshape(3, 3))
n = torch.from_numpy(np.arange(9).reshape(3, 3))
z = torch.from_numpy(np.array(2.0))
k = torch.from_numpy(np.array(2))
"""
AT_ONCE = 60  # expressions in one program
OPERATORS = ("+", "-", "*", "/", "//", "%", "**")
NUMBERS = ("2", "0.5", "True", "np.pi", "1j", "len('ab')", "float('2')", "int(2.0)")
SCALARS = ("np.float32(2)", "np.float64(2)", "np.int64(2)")
UNARY = ("-{}", "+{}", "~{}", "{0} > 1", "{0} == {0}", "{0} & {0}", "{0} | True", "{0} ^ 1")
WITH_NUMBER = (
    "{}.add({})", "{}.mul({})", "{}.sub({})", "{}.div({})", "{}.pow({})", "{}.clamp(min={})",
    "torch.mul({}, {})", "{}.fmod({})", "torch.remainder({}, {})", "torch.full_like({}, {})",
    "{}.masked_fill(b, {})", "torch.where(b, {}, {})",
)  # fmt: skip
PAIRS = (
    "torch.where(b, {}, {})",
    "torch.maximum({}, {})",
    "torch.cat([{}, {}])",
    "torch.div({}, {})",
)
METHODS = (
    "sum()", "mean()", "std()", "prod()", "cumsum(0)", "max()", "abs()", "sign()", "sqrt()",
    "exp()", "sigmoid()", "relu()", "float()", "double()", "long()", "bool()", "clone()",
    "detach()", "neg()", "reciprocal()", "floor()", "round()", "argmax()", "sort()[0]",
    "topk(2)[0]", "topk(2)[1]", "unique()", "median()", "logical_not()", "nonzero()",
    "type(torch.float32)", "to(torch.float64)", "to(f)", "to(f.dtype)", "type_as(s)",
    "sum(dtype=torch.float32)", "amax()", "softmax(0)", "nan_to_num()",
)  # fmt: skip


def listed(name: str) -> list[str]:
    """Return the expressions of a file beside this one."""
    lines = Path(__file__).with_name(name).read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def of_arrays() -> list[str]:
    """Return what NumPy is asked to compute."""
    arrays = ("f", "s", "h", "i", "j", "k", "u", "b", "c")
    real = ("f", "s", "i", "j", "u", "b")
    found = listed("array_expressions.txt")
    for left, right in itertools.product(arrays, repeat=2):
        found += [f"{left} {op} {right}" for op in OPERATORS]
    for array, number in itertools.product(arrays, (*NUMBERS, *SCALARS)):
        found += [f"{array} {op} {number}" for op in OPERATORS]
        found += [f"{number} {op} {array}" for op in ("+", "-", "*", "/")]
    found += [form.format(array) for array in arrays for form in UNARY]
    either = (*real, "0", "1.0")
    for test, x, y in itertools.product(("b", "f > 0"), either, either):
        found.append(f"np.where({test}, {x}, {y})")
    for x, y in itertools.product(real, (*either, "[1, 2, 3]", "[1.0, 2, 3]")):
        names = ("maximum", "add", "divide", "power", "hypot")
        found += [f"np.{name}({x}, {y})" for name in names]
    return list(dict.fromkeys(found))


def of_tensors() -> list[str]:
    """Return what torch is asked to compute."""
    tensors = ("f", "s", "h", "i", "j", "u", "b", "z", "k")
    found = listed("tensor_expressions.txt")
    for left, right in itertools.product(tensors, repeat=2):
        found += [f"{left} {op} {right}" for op in OPERATORS]
        found += [form.format(left, right) for form in PAIRS]
    for tensor, number in itertools.product(tensors, NUMBERS):
        found += [f"{tensor} {op} {number}" for op in OPERATORS]
        found += [f"{number} {op} {tensor}" for op in ("+", "-", "*", "/")]
        found += [form.format(tensor, number) for form in WITH_NUMBER]
    found += [form.format(tensor) for tensor in tensors for form in UNARY]
    found += [f"{tensor}.{method}" for tensor in tensors for method in METHODS]
    return list(dict.fromkeys(found))


def computed(setup: str, expressions: list[str]) -> dict[str, str]:
    """Return the dtype of what each expression is, of those that do not raise."""
    import torch  # noqa: PLC0415  (only torch's side loads it)

    names: dict[str, Any] = {}
    exec(IMPORTS + setup, names)
    found: dict[str, str] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for expression in expressions:
            try:
                value = torch.as_tensor(eval(expression, names))
            except Exception:
                continue
            found[expression] = str(value.dtype).removeprefix("torch.")
    return found


def followed(setup: str, form: str, wanted: list[str]) -> dict[str, str]:
    """Return the dtype that fixgrad gives to the tensor that each expression is in a form."""
    found: dict[str, str] = {}
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        found.update(_followed(IMPORTS + setup, [form.format(e) for e in some], some))
    return found


def _followed(head: str, lines: list[str], wanted: list[str]) -> dict[str, str]:
    source = decode("main.py", "\n".join([head + lines[0], *lines[1:], ""]).encode())
    assert isinstance(source, Source)
    module = lower(source)
    assert isinstance(module, Module)
    first = head.count("\n") + 1
    uses = Linker(Project([module])).run().of_kind("backward")
    return {wanted[use.site.place[0] - first]: use.dtype for use in uses}


def exactly(name: str) -> str:
    """Compare arrays by their dtype: a cast to the dtype that a tensor has already gives itself."""
    return name


def by_class(name: str) -> str:
    """Compare tensors by what matters to a gradient; whole numbers and truth values have none."""
    kind = dtype_class(name)
    return "whole" if kind in ("integer", "bool") else kind


@pytest.mark.parametrize(
    ("setup", "form", "expressions", "view"),
    [
        (ARRAYS, "torch.as_tensor({}).backward()", of_arrays, exactly),
        (TENSORS, "({}).backward()", of_tensors, by_class),
    ],
    ids=["arrays", "tensors"],
)
def test_dtype_is_right_or_unknown(
    setup: str, form: str, expressions: Callable[[], list[str]], view: Callable[[str], str]
) -> None:
    if int(np.__version__.partition(".")[0]) < 2:
        pytest.skip("NumPy 1 promotes by the values of numbers, not by their types")
    every = computed(setup, expressions())
    said = followed(setup, form, list(every))
    assert len(said) > 0.98 * len(every)
    wrong = [
        f"{e}: {said[e]}, not {every[e]}"
        for e in said
        if said[e] != "unknown" and view(said[e]) != view(every[e])
    ]
    assert not wrong, f"{len(wrong)} of {len(every)}\n" + "\n".join(wrong)
    known = [e for e in said if said[e] != "unknown"]
    assert len(known) > 0.4 * len(every)
