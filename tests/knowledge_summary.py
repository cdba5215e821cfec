"""Sums up several runs of a knowledge row's recipes: one alias, one rule for the dtype, the outputs."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.knowledge_probe import Run


def alias_of(seen: Collection[str]) -> str:
    """Sum up the relations of several runs."""
    if len(seen) < 2:
        return next(iter(seen), "copy")
    return "maybe-self" if "self" in seen else "maybe-view"


def dtype_rule(runs: list[Run]) -> str:
    """Find the rule that explains the dtypes of one recipe's runs."""
    of = {r.variant: r.dtype for r in runs}
    plain, single, small = of.get("plain"), of.get("float32"), of.get("int32")
    if plain is None:
        return "same"
    given = {r.variant: r.given for r in runs}["plain"]
    if given is not None and given.is_complex and (plain, single) == ("float64", "float32"):
        return "real"
    if (plain, single) == ("complex128", "complex64"):
        return "same" if given is not None and given.is_complex else "complex"
    if (plain, single) != ("float64", "float32"):
        fixed = single in (None, plain) and of.get("int64") in (None, plain)
        return plain if fixed else "unknown"
    if of.get("int64") == "float32":
        return "float"
    if (of.get("int64"), small) == ("int64", "int64"):
        return "int"
    return "promote" if of.get("mixed") == "float64" else "same"


def dtype_of(runs: list[Run], recipes: int) -> str:
    """Sum up the dtype rules of several recipes."""
    each = [[r for r in runs if r.recipe == number] for number in range(recipes)]
    plain = [r for r in runs if r.variant == "plain"]
    if len({r.given for r in plain}) > 1 and all(str(r.given) == f"torch.{r.dtype}" for r in plain):
        return "same"
    if len({r.dtype for r in plain}) > 1:
        named = [r for r in plain if r.wanted is not None]
        if named and all(r.dtype == r.wanted for r in named):
            return "argument"
    rules = [dtype_rule(some) for some in each if some]
    weaker = {"real": 4, "float": 3, "int": 2, "promote": 1, "same": 0}
    if all(rule in weaker for rule in rules):
        return max(rules, key=weaker.__getitem__, default="same")
    return rules[0] if len(set(rules)) == 1 else "unknown"


def outputs_of(runs: list[Run]) -> list[str]:
    """Return the verdicts of the longest tuple whose outputs differ, or have names."""
    found = sorted(map(_verdicts, runs), key=lambda verdicts: -len(verdicts))
    return list(found[0]) if found else []


def _verdicts(one: Run) -> tuple[str, ...]:
    differ = one.named or len(set(one.verdicts)) > 1
    return one.verdicts if one.returns == "tuple" and differ else ()


def dtypes_of(runs: list[Run]) -> list[str]:
    """Return the dtype of each output that `outputs_of` tells of: a fixed name, "same" or "unknown"."""
    length = len(outputs_of(runs))
    some = [r for r in runs if length and len(_verdicts(r)) == length]
    return [_output_dtype([r for r in some if len(r.dtypes) > n], n) for n in range(length)]


def _output_dtype(runs: list[Run], number: int) -> str:
    seen = {(str(r.given).removeprefix("torch."), r.dtypes[number]) for r in runs}
    if len(seen) > 1 and all(given == dtype for given, dtype in seen):
        return "same"
    names = {dtype for _, dtype in seen}
    return names.pop() if len(names) == 1 and len(seen) > 1 else "unknown"
