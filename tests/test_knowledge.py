"""The knowledge loader: what it finds, what it does not, and that it imports neither library."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fixgrad import knowledge
from fixgrad.knowledge import read


def test_looking_up_imports_neither_torch_nor_numpy_nor_libcst() -> None:
    code = (
        "import sys; from fixgrad import knowledge as k\n"
        "k.tensor_function('torch.abs'), k.array_function('numpy.sin'), k.demand('backward')\n"
        "print(sorted({'torch', 'numpy', 'scipy', 'libcst'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_importing_reads_no_data() -> None:
    code = (
        "from fixgrad.knowledge import read\nimport fixgrad.knowledge\n"
        "print(read.table.cache_info().currsize)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "0"


@pytest.mark.parametrize(
    ("name", "alias", "grad"),
    [
        ("torch.abs", "copy", "yes"),
        ("torch.Tensor.view", "view", "yes"),
        ("torch.nn.functional.relu_", "self", "yes"),
        ("torch.linalg.inv", "copy", "yes"),
        ("torch.special.airy_ai", "copy", "no"),
        ("torch.detach", "view", "no"),
    ],
)
def test_tensor_function(name: str, alias: str, grad: str) -> None:
    op = knowledge.tensor_function(name)
    assert op is not None
    assert (op.name, op.alias, op.grad) == (name, alias, grad)


def test_methods_and_attributes_are_told_apart() -> None:
    method, attribute = knowledge.tensor_method("t"), knowledge.tensor_method("T")
    assert method is not None
    assert attribute is not None
    assert (method.attribute, attribute.attribute) == (False, True)


def test_operators_are_told_from_unary_ones() -> None:
    binary, unary = knowledge.tensor_operator("+"), knowledge.tensor_operator("+", unary=True)
    assert binary is not None
    assert unary is not None
    assert (binary.alias, unary.alias) == ("copy", "self")
    assert knowledge.tensor_operator("and") is None


@pytest.mark.parametrize(
    "name", ["", "torch", "torch.", "no.such", "../torch.abs", "torch.no_such"]
)
def test_unknown_names_are_none(name: str) -> None:
    assert knowledge.tensor_function(name) is None
    assert knowledge.conversion(name) is None
    assert knowledge.factory(name) is None
    assert knowledge.array_function(name) is None
    assert knowledge.module_class(name) is None
    assert knowledge.demand(name) is None
    assert knowledge.context(name) is None
    assert knowledge.callbacks(name) == ()
    assert not knowledge.exports(name)
    assert not knowledge.is_ufunc(name)


def test_array_functions_have_defaults_by_module() -> None:
    known = knowledge.array_function("numpy.random.RandomState.randn")
    default = knowledge.array_function("scipy.stats.norm.rvs")
    assert known is not None
    assert default is not None
    assert (known.dtype, default.dtype) == ("float64", "unknown")
    assert default.name == "scipy.stats.norm.rvs"
    prefixes = [prefix for prefix, _ in knowledge.array_prefixes()]
    assert prefixes == sorted(prefixes, key=lambda prefix: (-len(prefix), prefix))


def test_the_long_path_of_a_module_class() -> None:
    short = knowledge.module_class("torch.nn.Linear")
    assert short is not None
    assert short.parameters
    assert knowledge.module_class("torch.nn.modules.linear.Linear") == short
    assert knowledge.module_class("mine.nn.Linear") is None


@pytest.mark.parametrize(
    ("spelling", "canonical", "kind"),
    [
        ("torch.long", "int64", "integer"),
        ("numpy.double", "float64", "float"),
        ("float", "float64", "float"),
        ("<f4", "float32", "float"),
        ("?", "bool", "bool"),
        ("torch.cfloat", "complex64", "complex"),
    ],
)
def test_dtype_spellings(spelling: str, canonical: str, kind: str) -> None:
    assert knowledge.dtype_of(spelling) == canonical
    assert knowledge.dtype_class(canonical) == kind


def test_unknown_dtypes() -> None:
    assert knowledge.dtype_of("torch.no_such") is None
    assert knowledge.dtype_of("S10") is None
    assert knowledge.dtype_class("object") == "unknown"
    assert knowledge.cast("no_such") is None


def test_exports() -> None:
    assert knowledge.exports("matplotlib.pyplot.plot")
    assert knowledge.exports("numpy.sin")
    assert not knowledge.exports("numpy.squeeze")
    assert not knowledge.exports("matplotlib.pyplot.title")
    assert not knowledge.exports("builtins.float")
    assert knowledge.exports_method("imshow")
    assert not knowledge.exports_method("step")


def test_fields_leaves_the_recipe_out() -> None:
    row = {"grad": "no", "outputs": ["yes", "no"], "call": "float64[3]", "skip": "why"}
    assert read.fields(row) == {"grad": "no", "outputs": ("yes", "no")}


def test_rows_use_known_words_only() -> None:
    words = {
        "grad": {"yes", "zero", "no", "error", "raises", "unknown"},
        "alias": {"copy", "view", "self", "maybe-self", "maybe-view"},
        "returns": {"tensor", "tuple", "scalar", "other"},
    }
    for file in read.files("ops"):
        whole = read.table(f"ops/{file}")
        sections = whole.values() if file == "torch.Tensor" else [whole]
        for name, row in ((n, r) for section in sections for n, r in section.items()):
            for field, allowed in words.items():
                assert row.get(field, next(iter(allowed))) in allowed, (file, name)
