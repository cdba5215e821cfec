"""What a user's own calls do: tables of the settings as rows of the same form as the built-in ones.

[[tool.fixgrad.sources]]       call = "mylib.to_tensor"          makes a tensor of outside data
[[tool.fixgrad.sinks]]         call = "mylib.fit"  arg = 0       asks for the gradient of an argument
[[tool.fixgrad.grad-enabled]]  call = "mylib.trainable"          grants the gradient, of arguments or result
[[tool.fixgrad.stops-grad]]    call = "mylib.frozen"             gives values without a gradient
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fixgrad.knowledge.dtypes import dtype_class
from fixgrad.knowledge.rows import Conversion, Demand, TensorOp

Tables = Mapping[str, Sequence[Mapping[str, object]]]

_SHARES = ("always", "maybe", "never")
_NEEDS = ("leaf", "tracked")
KEYS: dict[str, tuple[str, ...]] = {
    "sources": ("call", "dtype", "shares"),
    "sinks": ("call", "arg", "need"),
    "grad-enabled": ("call",),
    "stops-grad": ("call",),
}


class Models(NamedTuple):
    """The rows of a user, by the qualified name of what is called."""

    sources: Mapping[str, Conversion]
    sinks: Mapping[str, Demand]
    grants: frozenset[str]
    cuts: Mapping[str, TensorOp]

    def names(self) -> frozenset[str]:
        """Return everything that has a row."""
        return frozenset((*self.sources, *self.sinks, *self.grants, *self.cuts))

    def name_of(self, path: str, function: str) -> str | None:
        """Return the name by which a function of the project has a row: its file's, and its own."""
        module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        qualified = f"{module}.{function}"
        fits = (n for n in self.names() if qualified == n or qualified.endswith(f".{n}"))
        return max(fits, key=len, default=None)


def rows_of(tables: Tables) -> tuple[Models, tuple[str, ...]]:
    """Return the rows that tables mean, and what is wrong with those that mean none."""
    sources: dict[str, Conversion] = {}
    sinks: dict[str, Demand] = {}
    calls: dict[str, list[str]] = {"grad-enabled": [], "stops-grad": []}
    problems: list[str] = []
    for kind, each in tables.items():
        for number, table in enumerate(each, 1):
            wrong = wrong_in(kind, table)
            if wrong is not None:
                problems.append(f"{kind}, table {number}: {wrong}")
                continue
            call = str(table["call"])
            if kind == "sources":
                shares, dtype = str(table.get("shares", "maybe")), str(table.get("dtype", "array"))
                sources[call] = Conversion(call, shares, keyword=True, dtype=dtype)
            elif kind == "sinks":
                sinks[call] = _sink(call, table)
            else:
                calls[kind].append(call)
    cuts = {call: TensorOp(call, grad="no") for call in calls["stops-grad"]}
    return Models(sources, sinks, frozenset(calls["grad-enabled"]), cuts), tuple(problems)


def _sink(call: str, table: Mapping[str, object]) -> Demand:
    arg, need = table["arg"], str(table.get("need", "leaf"))
    if isinstance(arg, int):
        return Demand(call, need, position=arg, container=True)
    return Demand(call, need, keyword=str(arg), container=True)


def wrong_in(kind: str, table: Mapping[str, object]) -> str | None:
    """Return what is wrong with one table, None where nothing is."""
    known = KEYS.get(kind)
    if known is None:
        return f"there are no tables of this name{_did_you_mean(kind, tuple(KEYS))}"
    for key in table:
        if key not in known:
            return f"unknown key {key!r}{_did_you_mean(key, known)}"
    call = table.get("call")
    if not isinstance(call, str) or not all(part.isidentifier() for part in call.split(".")):
        return '`call` must be the name of what is called, as Python imports it: "mylib.to_tensor"'
    if "." not in call:
        return f'`call` must name the module too: "mylib.{call}"'
    if kind == "sinks" and not _is_argument(table.get("arg")):
        return "`arg` must be the position of the argument, from 0, or its name"
    if kind == "sources" and table.get("dtype", "float32") not in ("array", *_floating(table)):
        return f"`dtype` must be that of a tensor, not {table['dtype']!r}"
    for key, among in (("shares", _SHARES), ("need", _NEEDS)):
        if key in table and table[key] not in among:
            return f"`{key}` must be one of {', '.join(among)}, not {table[key]!r}"
    return None


def _is_argument(arg: object) -> bool:
    position = isinstance(arg, int) and not isinstance(arg, bool) and arg >= 0
    return position or (isinstance(arg, str) and arg.isidentifier())


def _floating(table: Mapping[str, object]) -> tuple[str, ...]:
    dtype = table.get("dtype", "float32")
    return (dtype,) if isinstance(dtype, str) and dtype_class(dtype) != "unknown" else ()


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    import difflib  # noqa: PLC0415  (only for a mistyped word)

    close = difflib.get_close_matches(word, known, 1, 0.5)
    return f", did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"
