"""Every row about torch operations, torch.nn and plotting is derived again by running it."""

from __future__ import annotations

import importlib.util
import inspect
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from fixgrad.knowledge import (
    TensorOp,
    module_class,
    tensor_function,
    tensor_method,
    tensor_operator,
)
from fixgrad.knowledge.read import Table, table

pytestmark = pytest.mark.torch
pytest.importorskip("torch")

import torch  # noqa: E402

from tests import knowledge_probe as probe  # noqa: E402
from tests.knowledge_summary import alias_of  # noqa: E402

Key = tuple[str, str, str]  # file, section, name
ROWS: dict[Key, Table] = {(file, section, name): row for file, section, name, row in probe.rows()}
MEASURED_ON = "2.13"  # other versions may lack a name


@pytest.fixture(scope="module")
def measured() -> dict[Key, Table]:
    """Run every recipe in a child, which torch may crash."""
    child = subprocess.run(
        [sys.executable, "-m", "tests.knowledge_probe"],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in child.stdout.splitlines()]
    assert child.returncode == 0, f"torch crashed in the row after {lines[-1][:3]}"
    return {(file, section, name): found for file, section, name, found in lines}


def lookup(key: Key) -> TensorOp | None:
    """Return a row as the analysis sees it."""
    file, section, name = key
    if section in ("operator", "unary"):
        return tensor_operator(name, unary=section == "unary")
    return tensor_function(f"{file}.{name}") if section == "function" else tensor_method(name)


def differences(op: TensorOp, found: Table, beyond: Table) -> list[str]:
    """Say where a row and what torch did disagree."""
    if "failed" in found:
        return [f"{op.name}: {found['failed']}"]
    wrong = []
    for field, value in found.items():
        said = getattr(op, field)
        if field not in beyond and said != (tuple(value) if isinstance(value, list) else value):
            wrong.append(f"{op.name}: {field} is {value!r}, the row says {said!r}")
    return wrong


def test_every_row_agrees_with_torch(measured: dict[Key, Table]) -> None:
    wrong = []
    for key, found in measured.items():
        op = lookup(key)
        assert op is not None, key
        missing = "failed" in found and found["failed"].startswith("AttributeError")
        if not (missing and not torch.__version__.startswith(MEASURED_ON)):
            wrong += differences(op, found, ROWS[key].get("beyond", {}))
    assert wrong == []


def test_every_row_was_measured_or_says_why_not(measured: dict[Key, Table]) -> None:
    silent = [
        key
        for key, row in ROWS.items()
        if key not in measured and not row.get("skip") and not row.get("needs")
    ]
    assert silent == []
    assert len(measured) > 1400


@pytest.mark.parametrize(
    ("name", "lie"),
    [
        ("float", {"alias": "copy"}),
        ("detach", {"grad": "yes"}),
        ("add_", {"inplace": False}),
        ("relu", {"saves": False}),
        ("argmax", {"dtype": "same"}),
        ("sort", {"outputs": ()}),
        ("item", {"returns": "tensor"}),
    ],
)
def test_a_wrong_row_is_caught(measured: dict[Key, Table], name: str, lie: dict[str, Any]) -> None:
    op = tensor_method(name)
    assert op is not None
    found = measured["torch.Tensor", "method", name]
    assert differences(op, found, {}) == []
    assert len(differences(op._replace(**lie), found, {})) == 1


def test_a_recipe_that_does_not_run_is_caught() -> None:
    with pytest.raises(TypeError):
        probe.measure(torch.abs, ["float64[3], 1, 2, 3"])


def forward(module: Any, recipe: str) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Call a module on tracked tensors; return the first of them and what came out."""
    positional, named = probe.arguments(recipe, probe.PLAIN)
    first = probe.tensors(positional)[0]
    first.requires_grad_(first.is_floating_point())
    return first, probe.tensors(module(*positional, **named))


def keeps(module: Any, recipe: str) -> bool:
    """Say whether a backward through a module fails once its result has been written."""
    leaves = list(module.parameters())
    positional, named = probe.arguments(recipe, probe.PLAIN)
    first = probe.tracked(positional[0], leaves)
    return probe.fails_once_written(module(first, *positional[1:], **named), leaves)


MODULES = [(name, row) for name, row in table("modules").items() if "skip" not in row]


@pytest.mark.parametrize(("name", "row"), MODULES, ids=[name for name, _ in MODULES])
def test_module_class(name: str, row: Table) -> None:
    said = module_class(f"torch.nn.{name}")
    assert said is not None
    torch.manual_seed(0)
    relations: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated classes are rows too
        positional, named = probe.arguments(row["call"], probe.PLAIN)
        module = getattr(torch.nn, name)(*positional, **named)
        for recipe in probe.recipes_of({"call": row["forward"]}):
            for training in (False, True):
                first, results = forward(module.train(training), recipe)
                relations |= {probe.relation(result, first) for result in results}
        kept = keeps(module.train(), probe.recipes_of({"call": row["forward"]})[0])
    assert bool(list(module.parameters())) == said.parameters
    assert ("yes" if results[0].requires_grad else "no") == said.grad
    assert alias_of(relations) == said.alias
    assert kept == said.keeps
    parameters = list(inspect.signature(type(module)).parameters)
    assert (parameters.index("inplace") if "inplace" in parameters else None) == said.inplace


EXPORTS: dict[str, list[str]] = {}
for section in ("prefix", "method"):
    for row in table("exports")[section].values():
        if "skip" not in row:
            EXPORTS.setdefault(row["needs"], []).append(row["call"])


def plotting(tracked: bool) -> dict[str, Any]:
    """Return what an export recipe may use."""
    importlib.import_module("matplotlib").use("Agg")
    plt = importlib.import_module("matplotlib.pyplot")
    plt.close("all")
    vectors = torch.tensor([[0.1, 0.5, 0.9, 0.3], [0.2, 0.1, 0.4, 0.9]]).double()
    scope: dict[str, Any] = {"v": vectors[0].clone(), "w": vectors[1].clone()}
    scope["m"] = torch.outer(scope["v"], scope["w"])
    for tensor in scope.values():
        tensor.requires_grad_(tracked)
    axes3d = plt.figure().add_subplot(projection="3d")
    return scope | {"plt": plt, "axes3d": axes3d, "axes": plt.figure().add_subplot()}


@pytest.mark.parametrize("library", EXPORTS)
def test_exports_raise_on_a_tracked_tensor(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scope = {library: importlib.import_module(library)}
        if library == "sklearn":
            importlib.import_module("sklearn.metrics")
        for recipe in EXPORTS[library]:
            eval(recipe, scope | plotting(tracked=False))
            with pytest.raises(RuntimeError, match="Can't call numpy"):
                eval(recipe, scope | plotting(tracked=True))
