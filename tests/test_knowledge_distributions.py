"""Every row about a method of the distributions of torch is derived again by running it."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from fixgrad.knowledge import distribution_method
from fixgrad.knowledge.read import table

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")


@pytest.mark.parametrize("name", sorted(table("distributions")["method"]))
def test_method(name: str) -> None:
    said = distribution_method(name)
    assert said is not None
    parameter = torch.tensor([0.25, 0.5], requires_grad=True)
    names: dict[str, Any] = {**vars(torch.distributions), "p": parameter, "x": torch.tensor(0.75)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = eval(table("distributions")["method"][name]["call"], names)
    gives = "no"
    if result.requires_grad:
        (gradient,) = torch.autograd.grad(result.sum(), parameter)
        gives = "yes" if gradient.abs().sum() > 0 else "zero"
    assert said.grad == gives
