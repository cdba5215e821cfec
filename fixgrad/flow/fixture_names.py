"""Which functions of a file of tests belong together by pytest's decorators, though none names the other."""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.flow.ir import Block, Module, Op
from fixgrad.flow.tokens import CONVERSIONS

_TELLING = frozenset(("=autouse", "=name", ".usefixtures", "usefixtures"))


def lists_conversions(module: Module) -> bool:
    """Say whether tensors, or what makes them, may stand in the lists above tests."""
    tokens = module.functions[0].tokens
    listed = not tokens.isdisjoint((".parametrize", "parametrize"))
    return listed and any(name in tokens or f".{name}" in tokens for name in CONVERSIONS)


def fixtures_by_name(module: Module) -> dict[str, str]:
    """Return the fixtures that their decorators give other names, by these."""
    return {
        given: name
        for op, consts, name in _marks(module)
        for given in (_keyword(op, consts, "name"),)
        if isinstance(given, str)
    }


def unasked_fixtures(module: Module) -> Iterator[str]:
    """Yield the names of the fixtures that tests get without a parameter of their name."""
    for op, consts, name in _marks(module):
        if _keyword(op, consts, "autouse") is True:
            yield name
        if op.target == "usefixtures":
            yield from (str(consts[arg]) for arg in op.args if arg in consts)


def _marks(module: Module) -> Iterator[tuple[Op, dict[int, object], str]]:
    """Yield the calls in decorators of the file's own functions, with the constants around, and the function's name."""
    body = module.functions[0]
    if _TELLING.isdisjoint(body.tokens):
        return
    begins = 0
    for number, op in enumerate(body.body):
        if op.kind == "stmt":
            begins = number
        elif op.kind == "function" and isinstance(op.constant, int):
            above: Block = body.body[begins:number]
            consts: dict[int, object] = {o.out: o.constant for o in above if o.kind == "const"}
            for mark in above:
                if mark.kind in ("call", "method"):
                    yield mark, consts, module.functions[op.constant].name


def _keyword(op: Op, consts: dict[int, object], name: str) -> object:
    """Return a constant that a call is given by keyword."""
    return next((consts.get(a) for a, n in zip(op.args, op.names, strict=False) if n == name), None)
