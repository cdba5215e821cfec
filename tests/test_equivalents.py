"""Every row of equivalents: what fixgrad writes in torch computes what NumPy computed, and its gradient.

Each recipe becomes a program in which the values of tensors take the way through NumPy. fixgrad repairs it, and
both are run: the values and the dtype stay, and the gradient is that of finite differences.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from fixgrad import pipeline
from fixgrad.findings import Refusal
from fixgrad.knowledge import array_function, array_method, dtype_class
from fixgrad.knowledge.read import table
from fixgrad.pipeline import Options

pytestmark = pytest.mark.torch
np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")

MAKER = re.compile(r"\b([xa])\[([\d, ]+)\]")
IMPORTS = "import numpy as np\nimport scipy.special\nimport torch\n\n"
BACKWARD = """\
weights = torch.linspace(1.0, 2.0, result.numel()).reshape(result.shape)
(result * weights).sum().backward()
"""


class Recipe(NamedTuple):
    """One call as a row gives it: an expression of arrays `x0`, `a0`, ... of these shapes."""

    expression: str
    arrays: dict[str, tuple[int, ...]]

    def values(self, dtype: str) -> dict[str, Any]:
        """Return the arrays: distinct numbers between 0.1 and 0.9."""
        random = np.random.default_rng(7)
        return {
            name: random.uniform(0.1, 0.9, shape).astype(dtype)
            for name, shape in self.arrays.items()
        }

    def program(self, dtype: str) -> str:
        """Return the program that takes its tensors through NumPy."""
        lines, expression = [], self.expression
        for name, value in self.values(dtype).items():
            array = f"np.array({value.tolist()}, dtype=np.{dtype})"
            if name.startswith("x"):
                lines.append(f"{name} = torch.tensor({array}, requires_grad=True)")
                lines.append(f"values_of_{name} = {name}.detach().numpy()")
                expression = re.sub(rf"\b{name}\b", f"values_of_{name}", expression)
            else:
                lines.append(f"{name} = {array}")
        lines.append(f"result = torch.tensor({expression})")
        return IMPORTS + "\n".join(lines) + "\n" + BACKWARD


def recipes() -> Iterator[tuple[str, str, Recipe]]:
    """Yield the section, the name and the recipe of every row that has one."""
    for section, rows in table("equivalents").items():
        for name, row in rows.items():
            calls = row.get("call", [])
            for call in [calls] if isinstance(calls, str) else calls:
                yield section, name, recipe(section, name, call)


def recipe(section: str, name: str, call: str) -> Recipe:
    """Return a row's call as an expression."""
    arrays: dict[str, tuple[int, ...]] = {}

    def named(match: re.Match[str]) -> str:
        kind, shape = match.groups()
        name = f"{kind}{sum(known.startswith(kind) for known in arrays)}"
        arrays[name] = tuple(int(n) for n in shape.split(","))
        return name

    text = MAKER.sub(named, call)
    if section == "function":
        short = name.replace("numpy.", "np.", 1) if name.startswith("numpy.") else name
        text = text if f"{short}(" in text else f"{short}({text})"
        row = array_function(name)
    else:
        row = array_method(name) if section == "method" else None
    if section in ("method", "attribute"):
        parsed = ast.parse(f"f({text})", mode="eval").body
        assert isinstance(parsed, ast.Call)
        receiver = f"({ast.unparse(parsed.args.pop(0))}).{name}"
        rest = ast.unparse(parsed)[1:]
        text = receiver + (rest if section == "method" else "")
    if row is not None and (row.flat or dtype_class(row.dtype) in ("integer", "bool")):
        text = f"x0 * {text}"  # it has no gradient of its own
    return Recipe(text, arrays)


RECIPES = list(recipes())
NAMES = [f"{name} {recipe.expression}" for _, name, recipe in RECIPES]
EVERY_RECIPE = pytest.mark.parametrize("recipe", [r for *_, r in RECIPES], ids=NAMES)


def lifted(program: str) -> str:
    """Return the program as fixgrad writes it in torch."""
    outcome = pipeline.run_on_text("main.py", program.encode(), Options(diff=True, unsafe=True))
    assert [entry.finding.rule for entry in outcome.repaired] == ["FG206"], outcome.entries
    ((_, patch),) = outcome.patches
    assert isinstance(patch.after, str)
    return patch.after


def run(program: str) -> dict[str, Any]:
    """Run a program and return its variables."""
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(program, "main.py", "exec"), names)
    return names


def slope(f: Callable[[Any], float], at: Any) -> Any:
    """Return the gradient of a function by finite differences."""
    found = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[index] = 1e-6
        found[index] = (f(at + step) - f(at - step)) / 2e-6
    return found


@EVERY_RECIPE
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_same_values_and_a_gradient(recipe: Recipe, dtype: str) -> None:
    program = recipe.program(dtype)
    repaired = lifted(program)
    assert ".numpy()" not in repaired
    before = run(program.removesuffix(BACKWARD))["result"]
    after = run(repaired)
    result = after["result"]
    assert (result.dtype, result.shape) == (before.dtype, before.shape)
    tolerance = 1e-9 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(result.detach().numpy(), before.numpy(), tolerance, tolerance)
    if dtype == "float32" or before.dtype != torch.float64:
        return  # too coarse for differences
    values = recipe.values(dtype)
    weights = np.linspace(1.0, 2.0, before.numel()).reshape(tuple(before.shape))
    scope = {"np": np, "scipy": after["scipy"]}
    for name in (name for name in values if name.startswith("x")):

        def total(array: Any, name: str = name) -> float:
            return float((eval(recipe.expression, scope, {**values, name: array}) * weights).sum())

        expected = slope(total, values[name])
        np.testing.assert_allclose(after[name].grad.numpy(), expected, 1e-4, 1e-5)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("np.round(x0)", "line 10 cuts the gradient"),
        ("np.median(x0)", "np.median"),
        ("np.cumsum(x0)", "without `axis`"),
        ("np.sum(x0, axis=1, dtype=np.float64)", "`dtype=` has no equivalent"),
        ("np.prod(x0, axis=(0, 1))", "over several axes"),
        ("x0[::-1]", "no step back"),
        ("np.matmul(x0, np.arange(3))", "the dtype"),
        ("x0 * np.arange(3)", "the dtype"),
        ("np.clip(x0, 0.0, np.arange(3.0))", "an argument of it that is an array"),
        ("x0 * unknown", "what one of its operands is"),
        ("np.dot(2.0, x0)", "a number is no operand"),
        ("np.linalg.svd(x0)[0]", "np.linalg.svd"),
    ],
)
def test_what_has_no_equivalent(expression: str, reason: str) -> None:
    recipe = Recipe(expression, {"x0": (3, 3)})
    program = recipe.program("float32").replace("np.array(", "np.asarray(")
    program = program.replace("\n\n", "\n\ndef check(unknown):\n    pass\n\n", 1)
    outcome = pipeline.run_on_text("main.py", program.encode(), Options(diff=True, unsafe=True))
    assert outcome.patches == ()
    (entry,) = outcome.entries
    assert isinstance(entry.outcome, Refusal)
    assert reason in entry.outcome.reason
