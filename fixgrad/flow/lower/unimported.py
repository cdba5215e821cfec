"""Names of torch and NumPy that a file uses and nothing in it binds: a snippet, or a star import gives them to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fixgrad.flow.ir import GLOBAL, Function, Op
from fixgrad.flow.lower.builder import Builder

_MEANT = {"torch": "torch", "np": "numpy", "numpy": "numpy"}
_PLACE = (1, 0, 1, 0)


def bind(b: Builder, functions: Iterable[Function]) -> None:
    """Let a file begin by importing what these names are known to mean; a star import may say otherwise."""
    imported = {local for local, _, _ in b.unit.imports}
    functions = list(functions)
    used = b.tokens.union(*(f.tokens for f in functions))
    missing = [name for name in _MEANT if name in used and name not in imported]
    if not missing:
        return
    bound = set(_stored(b.ops)).union(*(f.local for f in functions))
    bound.update(name for f in functions for name in _stored(f.body))
    written = len(b.ops)
    for name in (n for n in missing if n not in bound):
        value = b.emit("import", _PLACE, _MEANT[name], constant=_MEANT[name])
        b.unit.imports.append((name, _MEANT[name], ""))
        b.store(name, value, _PLACE)
    b.ops[:] = [*b.ops[written:], *b.ops[:written]]


def _stored(ops: Iterable[Op]) -> Iterator[str]:
    for op in ops:
        if op.kind == "store" and op.constant == GLOBAL:
            yield op.target
        for block in op.blocks:
            yield from _stored(block)
