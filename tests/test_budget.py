"""How far a root is followed, and that what one executes is not taken from the others."""

from __future__ import annotations

import pytest

import fixgrad

HEAD = "import numpy as np\nimport torch\nfrom torch.autograd import grad\n\n"
LONG = "def long(x):\n" + "    x = x * 2\n" * 60 + "    return x\n\n"
SCALED = (  # whoever does not look into it has to take it that it grants
    "def scaled(x, train=False):\n    if train:\n        x.requires_grad_()\n    return x * 3\n\n"
)


def found(text: str) -> list[int]:
    """Return the lines, behind the head, of the tensors that are granted."""
    before = (HEAD + LONG + SCALED).count("\n")
    diagnostics = fixgrad.check_source(HEAD + LONG + SCALED + text).diagnostics
    return [d.location.line - before for d in diagnostics if d.fixable]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BUDGET": 150, "PLENTY": 0, "RESERVE": 0}.items():
        monkeypatch.setattr(f"fixgrad.flow.budgets.{name}", value)


def test_what_a_file_sets_off_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions that a file's body calls first leave to the last as much as they had."""
    monkeypatch.setattr("fixgrad.flow.budgets.RESERVE", 600)
    names = [f"test_{n}" for n in range(6)]
    body = "    x = torch.from_numpy(np.ones(2))\n    print(grad(long(scaled(x)).sum(), [x]))\n"
    text = "".join(f"def {name}():\n{body}" for name in names)
    text += 'if __name__ == "__main__":\n' + "".join(f"    {name}()\n" for name in names)
    assert found(text) == [3 * n + 2 for n in range(6)]


def test_behind_the_end_of_the_budget() -> None:
    """What is called when the budget is used up is code that is not known."""
    asks = "    x = torch.from_numpy(np.ones(2))\n    y = {}\n    print(grad(y.sum(), [x]))\n"
    early = "def early():\n" + asks.format("long(scaled(x))")
    late = (
        "def late():\n    t = torch.tensor(np.ones(3))\n    long(t)\n    long(t)\n"
        + asks.format("long(scaled(x))")
    )
    assert found(early + late) == [2]


def test_who_asks_for_gradients_has_more_of_it_in_small_projects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fixgrad.flow.budgets.PLENTY", 1_000)
    late = (
        "def late():\n    t = torch.tensor(np.ones(3))\n    long(t)\n    long(t)\n"
        "    x = torch.from_numpy(np.ones(2))\n    print(grad(long(scaled(x)).sum(), [x]))\n"
    )
    assert found(late) == [5]


def test_what_costs_next_to_nothing_is_followed_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small helper says that what it gives is an array, also where the budget is used up."""
    monkeypatch.setattr("fixgrad.flow.budgets.RESERVE", 600)
    text = (
        "def late(keep):\n    t = torch.tensor(np.ones(3))\n    long(t)\n    long(t)\n"
        "    x = torch.from_numpy(np.ones(2))\n    y = long(x)\n    print(grad(y.sum(), [x]))\n"
        "    plain = lambda tensor: tensor.detach().numpy()\n    np.savez('kept', y=plain(y))\n"
    )
    assert found(text) == [5]


def test_what_is_not_computed_again_as_nobody_looks() -> None:
    """What an earlier turn made is not taken for what a turn behind the end of the budget differentiates."""
    loop = (
        "def train(model, images, weighed):\n    w = torch.from_numpy(np.ones(2))\n"
        "    for _ in range(9):\n        loss = lost(model, images, w, weighed)\n"
        "        loss.backward(retain_graph=True)\n        print(w.grad)\n"
        "        with torch.no_grad():\n            w -= 0.1 * w.grad\n"
    )
    lost = (
        "def overlay(images, w):\n    kept = []\n    stacked = torch.stack([w] * 3)\n"
        "    for k in range(len(images)):\n        kept.append(long(stacked[k]))\n"
        "    return images * torch.stack(kept)\n\n"
        "def lost(model, images, w, weighed):\n    if weighed:\n"
        "        seen = overlay(images, w)\n"
        "        loss = model.loss(seen)\n"
        "    else:\n        seen = overlay(images, w) * 2\n        loss = model(seen)\n"
        "    return loss\n\n"
    )
    assert found(lost + loop) == [18]
    once = loop.replace("    for _", "    first = torch.stack([w] * 3)\n    for _")
    once = once.replace(
        "lost(model, images, w, weighed)", "(first * lost(model, images, w, 0)).sum()"
    )
    assert found(lost + once) == []
