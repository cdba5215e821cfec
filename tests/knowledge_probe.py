"""Measures what torch really does for a knowledge row, by running the row's recipe.

A recipe is the source of a call's arguments: "float64[3, 3], float64[3, 3], dim=0". `float64[3, 3]`
makes a tensor of that dtype and shape. Each recipe is run several times: as it stands, in float32,
with strides that are not contiguous, with integers, and with the first tensor in float32 only.
As a command, `python -m tests.knowledge_probe` prints one JSON line for each row of `data/ops`, so
that a crash inside torch ends a child process and not the tests.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import operator
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from fixgrad.knowledge.read import Table, files, table
from tests.knowledge_summary import alias_of, dtype_of, dtypes_of, outputs_of

Call = Callable[..., Any]
Gradients = list[torch.Tensor | None]
RANK = ("yes", "error", "zero", "raises", "no")  # of several runs the first of these counts
DTYPES = (
    *("float64", "float32", "float16", "bfloat16", "complex128", "complex64"),
    *("int64", "int32", "int16", "int8", "uint8", "bool"),
)
KINDS = ("tensor", "tuple", "scalar", "other")
TWICE = "backward through the graph a second time"
WRITTEN = "modified by an inplace operation"


class Variant(NamedTuple):
    """How the float64 tensors of a recipe are made."""

    name: str
    first: torch.dtype = torch.float64
    others: torch.dtype = torch.float64
    strided: bool = False

    @property
    def paired(self) -> torch.dtype:
        """The complex dtype of the same precision as the first tensor."""
        return torch.promote_types(self.first, torch.complex32)


PLAIN = Variant("plain")
VARIANTS = (
    PLAIN,
    Variant("float32", torch.float32, torch.float32),
    Variant("strided", strided=True),
    Variant("mixed", torch.float32),
    Variant("int64", torch.int64, torch.int64),
    Variant("int32", torch.int32, torch.int32),
)


class Run(NamedTuple):
    """What one run of one recipe showed."""

    recipe: int
    variant: str
    verdicts: tuple[str, ...]  # one for each output
    relations: frozenset[str]
    returns: str
    given: torch.dtype | None
    dtype: str | None
    wrote: bool
    saves: bool
    forgets: bool
    keeps: bool
    crosses: bool
    wanted: str | None  # the dtype that an argument names
    dtypes: tuple[str, ...]  # one for each output
    named: bool  # a tuple that names its outputs: their number does not depend on the arguments
    pairwise: bool  # each output is computed from one argument, in order


class Maker:
    """`float64[3, 3]` in a recipe."""

    def __init__(self, dtype: torch.dtype, variant: Variant, made: list[torch.Tensor]) -> None:
        self.dtype, self.variant, self.made = dtype, variant, made

    def __getitem__(self, shape: int | tuple[int, ...]) -> torch.Tensor:
        sizes = shape if isinstance(shape, tuple) else (shape,)
        if self.dtype not in (torch.float64, torch.complex128):
            return fill(sizes, self.dtype)
        dtype = self.variant.others if self.made else self.variant.first
        if self.dtype is torch.complex128:
            dtype = self.variant.paired
        tensor = fill(sizes, dtype)
        self.made.append(tensor)
        if self.variant.strided:
            spread = torch.empty((*reversed(sizes), 2), dtype=dtype)[..., 0]
            tensor = spread.permute(*reversed(range(len(sizes)))).copy_(tensor)
        return tensor


def fill(sizes: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Return numbers between 0.1 and 0.9; or true and false; or valid indices into three items."""
    count = torch.arange(max(1, torch.Size(sizes).numel()))
    if dtype is torch.bool:
        return (count % 2 == 0).reshape(sizes)
    if not dtype.is_floating_point and not dtype.is_complex:
        return (count % 3).reshape(sizes).to(dtype)
    number = torch.rand(sizes, dtype=torch.float64) * 0.8 + 0.1
    return (number + 0.5j * number if dtype.is_complex else number).to(dtype)


def arguments(recipe: str, variant: Variant) -> tuple[list[Any], dict[str, Any]]:
    """Evaluate a recipe afresh."""
    made: list[torch.Tensor] = []
    scope: dict[str, Any] = {name: Maker(getattr(torch, name), variant, made) for name in DTYPES}
    scope |= {"torch": torch, "call": lambda *a, **k: (list(a), k)}
    result: tuple[list[Any], dict[str, Any]] = eval(f"call({recipe})", scope)
    if variant.name == "mixed" and len(made) < 2:
        raise TypeError("only one tensor")
    if variant is not PLAIN and not made:
        raise TypeError("no tensor to vary")
    return result


def tensors(value: Any) -> list[torch.Tensor]:
    """Return every tensor in a result or in arguments, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in tensors(v)]
    return []


def is_float(tensor: torch.Tensor) -> bool:
    """Say whether a tensor can require a gradient."""
    return tensor.is_floating_point() or tensor.is_complex()


def tracked(value: Any, leaves: list[torch.Tensor]) -> Any:
    """Replace every float tensor by a tracked non-leaf on top of a new leaf."""
    if isinstance(value, torch.Tensor) and is_float(value):
        leaves.append(value.detach().requires_grad_())
        return leaves[-1].clone()
    if isinstance(value, dict):
        return {k: tracked(v, leaves) for k, v in value.items()}
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(tracked(v, leaves) for v in value)
    return value


def verdict(output: Any, leaves: list[torch.Tensor]) -> str:
    """Back-propagate from one output and say what arrives."""
    if not isinstance(output, torch.Tensor) or not output.requires_grad or not leaves:
        return "no"
    if output.is_leaf:
        return "no"  # tracked on its own
    try:
        found = gradients(output, leaves)
    except RuntimeError:
        return "error"
    return "yes" if any(g is not None and bool((g != 0).any()) for g in found) else "zero"


def gradients(output: torch.Tensor, leaves: list[torch.Tensor], retain: bool = True) -> Gradients:
    """Return the leaves' gradients for a random direction of the output."""
    dense = output if output.layout is torch.strided else output.to_dense()
    found = torch.autograd.grad(
        dense, leaves, torch.rand_like(dense) + 0.5, retain_graph=retain, allow_unused=True
    )
    return [g.to_dense() if g is not None and g.layout is not torch.strided else g for g in found]


def saves(outputs: list[torch.Tensor], leaves: list[torch.Tensor]) -> bool:
    """Say whether a second backward finds the graph freed."""
    for output in outputs:
        if not output.requires_grad:
            continue
        try:
            for _ in range(2):
                gradients(output, leaves, retain=False)
        except RuntimeError as error:
            if TWICE in str(error):
                return True
    return False


def forgets(call: Call, recipe: str, variant: Variant, alone: int | None = None) -> bool:
    """Say whether a backward runs although all that the call was given has been written since.

    With `alone`, the tensor of this number is the only one that is tracked, and that is written.
    """
    leaves: list[torch.Tensor] = []
    positional, named = tracked(arguments(recipe, variant), leaves)
    given = tensors([positional, named])
    written = given if alone is None else given[alone : alone + 1]
    for other in given if alone is not None else []:
        if other is not written[0]:
            other.detach_()
    leaves = leaves if alone is None else leaves[alone : alone + 1]
    outputs = [o for o in tensors(call(*positional, **named)) if o.requires_grad]
    with torch.no_grad():
        for tensor in written:
            tensor.copy_(tensor.clone())
    try:
        for output in outputs:
            gradients(output, leaves)
    except RuntimeError:
        return False
    return bool(outputs)


def keeps(call: Call, recipe: str, variant: Variant) -> bool:
    """Say whether a backward fails once what the call returned has been written."""
    torch.manual_seed(0)
    leaves: list[torch.Tensor] = []
    positional, named = tracked(arguments(recipe, variant), leaves)
    return fails_once_written(call(*positional, **named), leaves)


def fails_once_written(result: Any, leaves: list[torch.Tensor]) -> bool:
    """Say whether a backward from a tensor fails once it has been written."""
    if not isinstance(result, torch.Tensor) or not result.requires_grad:
        return False
    with torch.no_grad():
        result.copy_(result.clone())
    try:
        gradients(result, leaves)
    except RuntimeError as error:
        return WRITTEN in str(error)
    return False


def crosses(call: Call, recipe: str, variant: Variant) -> bool:
    """Say whether each of at most two tensors may be written where the other needs no gradient."""
    given = tensors(arguments(recipe, variant))
    if len(given) > 2 or not all(map(is_float, given)):
        return False
    return all(forgets(call, recipe, variant, alone) for alone in range(len(given)))


def relation(output: torch.Tensor, first: torch.Tensor) -> str:
    """Say whether an output is the first tensor, lies on its storage, or neither."""
    if output is first:
        return "self"
    if output.layout is not torch.strided or first.layout is not torch.strided:
        return "copy"
    pointer = output.untyped_storage().data_ptr()
    return "view" if pointer and pointer == first.untyped_storage().data_ptr() else "copy"


def shape_of(result: Any) -> str:
    """Return the kind of a result."""
    if isinstance(result, torch.Tensor):
        return "tensor"
    if isinstance(result, (bool, int, float, complex)):
        return "scalar"
    return "tuple" if isinstance(result, (tuple, list)) and tensors(result) else "other"


def run(call: Call, number: int, recipe: str, variant: Variant) -> Run:
    """Run a recipe once; raises what the call raises."""
    torch.manual_seed(0)
    leaves: list[torch.Tensor] = []
    positional, named = tracked(arguments(recipe, variant), leaves)
    given = tensors([positional, named])
    version = sum(t._version for t in given[:1])
    result = call(*positional, **named)
    wrote = sum(t._version for t in given[:1]) != version
    outputs = tensors(result)
    items = list(result) if shape_of(result) == "tuple" else outputs
    if not outputs and wrote:
        items = outputs = given[:1]
    wanted = [a for a in [*positional[1:], *named.values()] if isinstance(a, torch.dtype)]
    wanted += [a.dtype for a in positional[1:] if isinstance(a, torch.Tensor)]
    return Run(
        number,
        variant.name,
        tuple(verdict(o, leaves) for o in items),
        frozenset(relation(o, t) for o in tensors(result) for t in given[:1]),
        shape_of(result),
        next((t.dtype for t in [*filter(is_float, given), *given]), None),
        str(outputs[0].dtype).removeprefix("torch.") if outputs else None,
        wrote,
        saves(outputs, leaves),
        forgets(call, recipe, variant),
        keeps(call, recipe, variant),
        crosses(call, recipe, variant),
        str(wanted[0]).removeprefix("torch.") if wanted else None,
        tuple(str(o.dtype).removeprefix("torch.") for o in outputs),
        type(result).__module__ == "torch.return_types",
        len(leaves) == len(outputs) > 1
        and all(reaches(o, leaves) == [leaf] for o, leaf in zip(outputs, leaves, strict=True)),
    )


def reaches(output: torch.Tensor, leaves: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the leaves that a gradient of an output reaches."""
    if not output.requires_grad:
        return []
    try:
        found = gradients(output, leaves)
    except RuntimeError:
        return []
    return [leaf for leaf, gradient in zip(leaves, found, strict=True) if gradient is not None]


def untracked(call: Call, recipe: str) -> Table:
    """Return the facts of a call that fails with tracked tensors only."""
    positional, named = arguments(recipe, PLAIN)
    first = tensors([positional, named])[0]
    version = first._version
    result = call(*positional, **named)
    return {
        "grad": "raises",
        "alias": next((relation(o, first) for o in tensors(result)), "copy"),
        "inplace": first._version != version,
        "returns": shape_of(result),
    }


def guarded(call: Call, recipe: str) -> bool:
    """Say whether a call that writes accepts a tracked leaf."""
    positional, named = arguments(recipe, PLAIN)
    first = tensors([positional, named])[0]
    if not first.is_floating_point():
        return False
    first.requires_grad_()
    try:
        call(*positional, **named)
    except RuntimeError:
        return False
    return first.is_leaf and first.requires_grad


def measure(call: Call, recipes: list[str]) -> Table:
    """Return a row's facts as torch shows them; raises when a recipe does not run at all."""
    runs: list[Run] = []
    for number, recipe in enumerate(recipes):
        for variant in VARIANTS:
            try:
                one = run(call, number, recipe, variant)
            except Exception:
                if variant is PLAIN:
                    return untracked(call, recipe)
                continue
            if variant is PLAIN or one.given in (variant.first, variant.paired):
                runs.append(one)
    grads = [r for r in runs if not r.variant.startswith("int")]
    seen = {v for r in grads for v in r.verdicts}
    kinds = {r.returns for r in grads}
    writes = any(r.wrote for r in grads)
    saving, forgetting = any(r.saves for r in grads), all(r.forgets for r in grads)
    return {
        "grad": next((rank for rank in RANK if rank in seen), "no"),
        "alias": alias_of(frozenset[str]().union(*(r.relations for r in grads))),
        "inplace": writes,
        "outputs": outputs_of(grads),
        "dtypes": dtypes_of(grads),
        "pairwise": any(r.pairwise for r in grads),
        "returns": next(kind for kind in KINDS if kind in kinds),
        "saves": saving,
        "forgets": saving and forgetting,
        "keeps": saving and all(r.keeps for r in grads if r.saves),
        "crosses": saving and not forgetting and all(r.crosses for r in grads),
        "dtype": dtype_of(runs, len(recipes)),
        "guarded": writes and guarded(call, recipes[0]),
    }


def named_operators(text: str) -> dict[str, Call]:
    """Return the functions of `operator` for "+ add, - sub"."""
    pairs = (pair.split() for pair in text.split(","))
    return {symbol: getattr(operator, name) for symbol, name in pairs}


OPERATORS = named_operators(
    "+ add, - sub, * mul, / truediv, // floordiv, % mod, ** pow, @ matmul, << lshift, >> rshift,"
    "& and_, | or_, ^ xor, == eq, != ne, < lt, <= le, > gt, >= ge, in contains, [] getitem,"
    "+= iadd, -= isub, *= imul, /= itruediv, //= ifloordiv, %= imod, **= ipow, @= imatmul,"
    "<<= ilshift, >>= irshift, &= iand, |= ior, ^= ixor"
) | {"[]=": operator.setitem}
UNARY = named_operators("- neg, + pos, ~ invert")


def target(file: str, section: str, name: str) -> Call:
    """Return what a row is about, as a function of the recipe's arguments."""
    if section == "attribute":
        return operator.attrgetter(name)
    if section in ("operator", "unary"):
        return (UNARY if section == "unary" else OPERATORS)[name]
    owner = torch.Tensor if file == "torch.Tensor" else importlib.import_module(file)
    found: Call = getattr(owner, name)
    return found


def rows() -> Iterator[tuple[str, str, str, Table]]:
    """Yield (file, section, name, row) for every row of `data/ops`."""
    for file in sorted(files("ops")):
        whole = table(f"ops/{file}")
        for section, some in whole.items() if file == "torch.Tensor" else [("function", whole)]:
            for name, row in some.items():
                yield file, section, name, row


def recipes_of(row: Table) -> list[str]:
    """Return a row's recipes as a list."""
    return [row["call"]] if isinstance(row["call"], str) else list(row["call"])


def main() -> None:
    """Measure every row that has a recipe and print what was found."""
    warnings.simplefilter("ignore")  # deprecated names and experimental layouts are rows too
    torch.set_num_threads(1)
    for file, section, name, row in rows():
        if "skip" in row or importlib.util.find_spec(row.get("needs", "torch")) is None:
            continue
        try:
            found = measure(target(file, section, name), recipes_of(row))
        except Exception as error:
            found = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps([file, section, name, found]), flush=True)


if __name__ == "__main__":
    main()
