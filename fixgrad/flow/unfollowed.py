"""What a function of the project that is not followed can see of the objects that it is given.

Where it does nothing with an object but ask for attributes and call methods that do no more, the rest of the
object's attributes cannot be in what it returns.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

from fixgrad.flow.arguments import Call
from fixgrad.flow.classes import lookup_class
from fixgrad.flow.ir import Block, Function, Op
from fixgrad.flow.state import State
from fixgrad.flow.values import NONE, NOTHING, Code, Thing, Value, union

_MOST_METHODS = 40  # that call each other


class Reads(NamedTuple):
    """What a function asks of one of its parameters."""

    attributes: frozenset[str]
    methods: frozenset[str]


def within_sight(state: State, call: Call, code: Code) -> Call:
    """Return a call with what the function can see of its objects in their place."""
    positional = [a for a in call.arguments if not a.name]
    if len(positional) != len(call.arguments) and any(
        a.name[0] == "*" for a in call.arguments if a.name
    ):
        return call
    names = [p.name for p in code.function.parameters if p.kind in ("", "positional")]
    given = dict(zip(map(id, positional), names, strict=False))
    arguments = tuple(
        a._replace(value=_seen(state, a.value, code.function, a.name or given.get(id(a), "")))
        for a in call.arguments
    )
    return call._replace(arguments=arguments)


def _seen(state: State, value: Value, function: Function, name: str) -> Value:
    found: list[Value] = []
    for thing in value:
        seen = _attributes(state, thing, function, name) if thing.kind == "instance" else None
        found.append(frozenset((thing,)) if seen is None else seen)
    return union(found)


def _attributes(state: State, instance: Thing, function: Function, name: str) -> Value | None:
    """Return what the attributes hold that are asked for, None where anything may be done with the object."""
    seen: set[Function] = set()
    pending, values = [(function, name)], [NOTHING]
    while pending:
        function, name = pending.pop()
        if function in seen:
            continue
        seen.add(function)
        reads = _reads_of(function, name)
        if reads is None or len(seen) > _MOST_METHODS:
            return None
        for attribute in reads.attributes | reads.methods:
            own = state.get((instance, attribute))
            found = own or lookup_class(state, instance.data, attribute)[0]
            if not found:
                return None  # of a base that is not of the project, or computed
            if own:
                values.append(frozenset(own))
                continue
            for thing in found:
                inner = _method(thing)
                if inner is not None and inner.parameters:
                    pending.append((inner, inner.parameters[0].name))
                elif inner is None:
                    values.append(frozenset((thing,)))
    return union(values) or NONE


def _method(thing: Thing) -> Function | None:
    """Return the function of a method or property."""
    inner = [thing]
    if thing.kind == "wrapped" and thing.name in ("property", "cached"):
        inner = list(thing.data)
    if len(inner) == 1 and inner[0].kind == "function":
        function: Function = inner[0].data.function
        return function
    return None


@functools.lru_cache(maxsize=4096)
def _reads_of(function: Function, name: str) -> Reads | None:
    if not name or function.is_bare or function.encloses or name in _stored(function.body):
        return None
    attributes: set[str] = set()
    methods: set[str] = set()
    holding: set[int] = set()
    for op in _operations(function.body):
        if op.kind == "load" and op.target == name:
            holding.add(op.out)
        elif op.args and op.args[0] in holding and holding.isdisjoint(op.args[1:]):
            if op.kind == "attr":
                attributes.add(op.target)
            elif op.kind == "method":
                methods.add(op.target)
            elif op.kind != "setattr":
                return None
        elif not holding.isdisjoint(op.args):
            return None
    special = any(n[:2] == "__" for n in attributes | methods)
    return (
        None
        if special or "super" in function.tokens
        else Reads(frozenset(attributes), frozenset(methods))
    )


def _stored(block: Block) -> set[str]:
    return {op.target for op in _operations(block) if op.kind in ("store", "delete")}


def _operations(block: Block) -> Iterator[Op]:
    for op in block:
        yield op
        for inner in op.blocks:
            yield from _operations(inner)
