"""Data frames and estimators take the values of tensors: what a repair writes there, and that it runs."""

from __future__ import annotations

import importlib.util
import warnings

import pytest

from fixgrad.api import fix_source

PROLOGUE = """\
import numpy as np
import torch
{imports}

weights = torch.tensor(np.array([[1.0, 2.0], [3.0, 5.0]]){grant})
weights.pow(2).sum().backward()
print(weights.grad.sum())
"""
PANDAS = "import pandas as pd"
CASES = [
    (PANDAS, "pd.DataFrame(weights)", "pd.DataFrame(weights.detach())"),
    (PANDAS, "pd.Series(weights[0], index=list('ab'))", "pd.Series(weights[0].detach(), index=list('ab'))"),
    (PANDAS, "pd.DataFrame({'x': weights[:, 0]})", "pd.DataFrame({'x': weights[:, 0].detach()})"),
    (PANDAS, "pd.Series([weights[0, 0], weights[0, 1]])", None),  # kept as they are
    (PANDAS, "pd.DataFrame([{'x': weights[0, 0]}])", None),
    (
        PANDAS,
        "frame = pd.DataFrame({'a': [1.0, 2.0]})\nframe['b'] = weights[0]",
        "frame = pd.DataFrame({'a': [1.0, 2.0]})\nframe['b'] = weights[0].detach()",
    ),
    (
        PANDAS,
        "pd.DataFrame({'a': [1.0, 2.0]}).assign(b=weights[0])",
        "pd.DataFrame({'a': [1.0, 2.0]}).assign(b=weights[0].detach())",
    ),
    (
        "from sklearn.decomposition import PCA",
        "PCA(n_components=1).fit_transform(weights)",
        "PCA(n_components=1).fit_transform(weights.detach())",
    ),
    (
        "from sklearn import linear_model",
        "fitted = linear_model.LinearRegression().fit(weights, [0, 1])\nfitted.predict(weights)",
        "fitted = linear_model.LinearRegression().fit(weights.detach(), [0, 1])\nfitted.predict(weights.detach())",
    ),
    (
        "from sklearn.metrics import r2_score",
        "r2_score(np.ones(2), weights[0])",
        "r2_score(np.ones(2), weights[0].detach())",
    ),
    ("from sklearn.model_selection import train_test_split", "train_test_split(weights)", None),
]  # fmt: skip


@pytest.mark.parametrize(("imports", "written", "repaired"), CASES)
def test_what_takes_values_is_given_them_detached(
    imports: str, written: str, repaired: str | None
) -> None:
    before = PROLOGUE.format(imports=imports, grant="") + written + "\n"
    after = PROLOGUE.format(imports=imports, grant=", requires_grad=True")
    after += (repaired or written) + "\n"
    assert fix_source(before).text == after
    library = imports.replace(".", " ").split()[1]
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: the repaired program is not run")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(after, "program", "exec"), {})
        tracked = PROLOGUE.format(imports=imports, grant=", requires_grad=True") + written + "\n"
        if repaired is not None:
            with pytest.raises(RuntimeError, match="Can't call numpy"):
                exec(compile(tracked, "program", "exec"), {})
