"""Functions that a decorator of the project has put in the place of others: `def wrapper(*args): return f(*args)`."""

from __future__ import annotations

from collections.abc import Iterator

from fixgrad.flow.ir import Function
from fixgrad.flow.state import State
from fixgrad.flow.values import NOTHING, Thing, of_kind

_MOST = 6  # wrappers around wrappers


def inside(state: State, thing: Thing, name: str) -> Thing:
    """Return the function that was defined under a name where a wrapper stands for it now, else the thing itself."""
    pending, seen = [thing], {thing}
    for _ in range(_MOST):
        found = [inner for wrapper in pending for inner in _called(state, wrapper)]
        pending = [inner for inner in found if inner not in seen]
        seen.update(pending)
        for inner in pending:
            if inner.data.function.name.rpartition(".")[2] == name:
                return inner
    return thing


def _called(state: State, wrapper: Thing) -> Iterator[Thing]:
    """Yield the functions that a wrapper holds: in a variable around it, an attribute, or bound."""
    if wrapper.kind == "function":
        for frame in wrapper.data.frames:
            for name in sorted(wrapper.data.function.tokens):
                yield from of_kind(state.get((frame, name), NOTHING), "function")
    elif wrapper.kind == "instance":
        for name in sorted(state.get((wrapper, "#fields"), frozenset())):
            yield from of_kind(state.get((wrapper, name), NOTHING), "function")
    elif wrapper.kind == "partial":
        called, arguments = wrapper.data
        for value in (called, *(argument.value for argument in arguments)):
            yield from of_kind(value, "function")


def signature(wrapper: Function, inner: Function) -> Function:
    """Return the function whose parameters callers know: the inner one where the wrapper hands all on."""
    hands_on = any(parameter.kind == "*" for parameter in wrapper.parameters)
    return inner if hands_on else wrapper
