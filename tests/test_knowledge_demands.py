"""Every row about asking for a gradient, and every mode, is derived again by running it."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixgrad.knowledge import context, demand
from fixgrad.knowledge.read import table

pytestmark = pytest.mark.torch
pytest.importorskip("torch")

import torch  # noqa: E402

UNTRACKED = r"does not require grad|requires_grad=False|require gradient|doesn't require"


@pytest.fixture(autouse=True)
def _deprecated_names_are_rows_too() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def resolve(qualified: str) -> Callable[..., Any]:
    """Return the object of a qualified name, as `from module import name` finds it."""
    module, _, name = qualified.rpartition(".")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def function(x: torch.Tensor) -> torch.Tensor:
    """Return a number that depends on `x`."""
    return (x * x).sum()


def run(name: str, x: torch.Tensor) -> Any:
    """Run a demand's recipe on a tensor."""
    scope = {"x": x, "y": function(x), "f": function, "torch": torch, "call": resolve(name)}
    return eval(f"call({table('demands')['demand'][name]['call']})", scope)


def leaf(tracked: bool) -> torch.Tensor:
    """Return a small matrix, which every optimizer accepts."""
    return torch.full((2, 2), 0.5, dtype=torch.float64, requires_grad=tracked)


def named(need: str) -> list[str]:
    """Return the functions and classes of one need."""
    return [n for n, row in table("demands")["demand"].items() if row["need"] == need]


@pytest.mark.parametrize("name", table("demands")["demand"])
def test_argument_positions(name: str) -> None:
    row = demand(name)
    assert row is not None
    parameters = list(inspect.signature(resolve(name)).parameters)
    for position, keyword in ((row.position, row.keyword), (row.roots, row.roots_keyword)):
        if position is not None:
            assert parameters[position] == keyword
    if row.inputs_keyword is not None:
        assert row.inputs_keyword in parameters


@pytest.mark.parametrize("name", [*named("tracked"), *named("root")])
def test_an_untracked_input_raises(name: str) -> None:
    run(name, leaf(True))
    with pytest.raises((RuntimeError, ValueError), match=UNTRACKED):
        run(name, leaf(False))


@pytest.mark.parametrize("name", named("tracked"))
def test_a_tracked_input_may_be_a_non_leaf(name: str) -> None:
    run(name, leaf(True) * 1)


@pytest.mark.parametrize("name", named("leaf"))
def test_an_optimizer_wants_leaves_but_takes_an_untracked_one_in_silence(name: str) -> None:
    run(name, leaf(True))
    run(name, leaf(False))
    with pytest.raises(ValueError, match="can't optimize a non-leaf Tensor"):
        run(name, leaf(True) * 1)


def test_every_optimizer_of_torch_has_a_row() -> None:
    classes = [
        f"torch.optim.{name}"
        for name, found in vars(torch.optim).items()
        if inspect.isclass(found) and issubclass(found, torch.optim.Optimizer)
    ]
    assert set(classes) <= set(named("leaf"))


@pytest.mark.parametrize("name", named("own-leaves"))
def test_what_makes_its_own_leaves_needs_no_tracked_input(name: str) -> None:
    x = leaf(False)
    result = run(name, x)
    if callable(result):
        result(x)
    assert not x.requires_grad


def call_method(name: str, x: torch.Tensor) -> None:
    """Call a method that asks for a gradient."""
    if name == "add_param_group":
        torch.optim.SGD([leaf(True)], lr=0.1).add_param_group({"params": [x]})
    elif "hook" in name:
        getattr(x, name)(lambda _: None)
    else:
        getattr(x.sum() if name == "backward" else x, name)()


@pytest.mark.parametrize("name", table("demands")["method"])
def test_method(name: str) -> None:
    row = demand(name)
    assert row is not None
    call_method(name, leaf(True))
    if row.need in ("tracked", "root"):
        call_method(name, leaf(True) * 1)
    elif row.need == "leaf":
        with pytest.raises((RuntimeError, ValueError), match="leaf"):
            call_method(name, leaf(True) * 1)
    if row.need == "grant":
        call_method(name, x := leaf(False))
        assert x.requires_grad
    elif name != "add_param_group":  # an optimizer takes an untracked leaf in silence
        with pytest.raises(RuntimeError, match=UNTRACKED):
            call_method(name, leaf(False))


def test_backward_names_its_leaves_by_keyword() -> None:
    row = demand("backward")
    assert row is not None
    assert row.inputs_keyword in inspect.signature(torch.Tensor.backward).parameters


MODES = [n for n, row in table("demands")["context"].items() if "skip" not in row]


def observe(make: Callable[[], Any]) -> tuple[bool, bool, bool]:
    """Say whether results are tracked, tracked within no_grad, and inference tensors."""
    x = leaf(True)
    with make():
        inside = x * 1
    with torch.no_grad(), make():
        within = x * 1
    return inside.requires_grad, within.requires_grad, inside.is_inference()


@pytest.mark.parametrize("name", MODES)
def test_context(name: str) -> None:
    recipe = table("demands")["context"][name]["call"]
    scope = {"torch": torch, "call": resolve(name)}
    seen = observe(lambda: eval(f"call({recipe})", scope))
    expected = {
        "no_grad": (False, False, False),
        "inference": (False, False, True),
        "enable": (True, True, False),
        "set": (False, False, False),
        "none": (True, False, False),
    }
    assert seen == expected[str(context(name))]
    if context(name) == "set":
        assert observe(lambda: resolve(name)(True)) == (True, True, False)


@pytest.mark.parametrize("mode", ["no_grad", "inference_mode", "enable_grad"])
def test_modes_are_decorators_too(mode: str) -> None:
    decorated = resolve(f"torch.{mode}")()(function)
    assert decorated(leaf(True)).requires_grad == (context(f"torch.{mode}") == "enable")


def test_a_wrong_row_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table("demands")["demand"]
    monkeypatch.setitem(rows, "torch.autograd.grad", rows["torch.autograd.grad"] | {"position": 2})
    demand.cache_clear()
    with pytest.raises(AssertionError):
        test_argument_positions("torch.autograd.grad")
    monkeypatch.undo()
    modes = table("demands")["context"]
    monkeypatch.setitem(modes, "torch.no_grad", modes["torch.no_grad"] | {"mode": "none"})
    context.cache_clear()
    with pytest.raises(AssertionError):
        test_context("torch.no_grad")
    monkeypatch.undo()
    demand.cache_clear()
    context.cache_clear()
