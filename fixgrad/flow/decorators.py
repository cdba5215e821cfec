"""What a decorator makes of a function."""

from __future__ import annotations

from fixgrad.flow import libraries, managers, pytest_marks
from fixgrad.flow.arguments import Argument, Call
from fixgrad.flow.classes import lookup_class
from fixgrad.flow.machine import Frame, Machine
from fixgrad.flow.state import CONTEXT_MODES, MODE, State
from fixgrad.flow.values import (
    NOTHING,
    UNKNOWN,
    Site,
    Thing,
    Value,
    of_kind,
    ordered,
)

CACHES = ("functools.cache", "functools.lru_cache", "functools.lru_cache()")


def is_cached(call: Call, thing: Thing) -> bool:
    """Say whether a function is given to what keeps its results: `cached = lru_cache(load)`."""
    given = call.arguments[:1]
    return thing.name in CACHES and any(of_kind(a.value, "function", "method") for a in given)


def decorate(m: Machine, f: Frame, state: State, call: Call, decorator: Value) -> Value:
    """Apply a decorator to a function or class."""
    argument = call.arguments[0] if call.arguments else Argument(UNKNOWN, call.place)
    inner = argument.value
    if len(decorator) != 1:
        return inner
    (thing,) = decorator
    if thing.kind == "external":
        name = thing.name.removeprefix("builtins.")
        if name in ("property", "staticmethod", "classmethod", "functools.cached_property"):
            kind = "cached" if "cached" in name else name
            return frozenset((m.thing("wrapped", None, f.path, kind, inner),))
        if name in CACHES:
            return _changed(m, inner, name, {"cached": True})
        if name in managers.DECORATORS:
            return _changed(m, inner, name, {"manager": True})
        written = m.library(thing.name)
        if written:
            return m.apply(m, f, state, call, written)
        if thing.name in libraries.NOT_RUN or thing.name in libraries.OWN_DERIVATIVE:
            return UNKNOWN  # its body is expected to fail, or not run, or says nothing of gradients
        mode = libraries.context_mode(thing.name)
        return _with_mode(m, inner, mode) if mode else inner
    if thing.kind == "mark":
        pytest_marks.note(m, state, thing, inner)
        return inner
    if thing.kind == "setter":
        return _with_setter(m, f, state, call, thing, inner)
    if thing.kind == "context":
        if thing.name != "set":
            return _with_mode(m, inner, thing.name)
        now, before = thing.data
        state.set(MODE, before)  # `@torch.set_grad_enabled(False)` is of the function alone
        return _recording(m, inner, thing.name, now)
    if thing.kind in ("function", "method", "partial") or _is_called_later(state, thing):
        result = m.apply(m, f, state, call, decorator)
        return result if of_kind(result, "function", "method", "partial", "instance") else inner
    return inner


def _with_setter(
    m: Machine, f: Frame, state: State, call: Call, thing: Thing, inner: Value
) -> Value:
    """Return a property like another one, whose class may have a base's: `@Base.rate.setter`."""
    of: Thing = thing.data
    if thing.name == "deleter":
        return frozenset((of,))
    getter, setter = inner, state.get((of, "#setter"), NOTHING)
    if thing.name == "setter":
        getter, setter = of.data, inner
    made = m.thing("wrapped", Site(f.module.path, call.place), f.path, of.name, getter)
    state.set((made, "#setter"), setter)
    return frozenset((made,))


def _is_called_later(state: State, thing: Thing) -> bool:
    """Say whether a class makes callable objects: `@Counted` over a function."""
    return thing.kind == "class" and bool(lookup_class(state, thing, "__call__")[0])


def _with_mode(m: Machine, inner: Value, mode: str) -> Value:
    if mode not in CONTEXT_MODES:
        return inner
    return _recording(m, inner, mode, CONTEXT_MODES[mode])


def _recording(m: Machine, inner: Value, name: str, mode: str) -> Value:
    """Return functions that run in a mode, but for those whose nearer decorator says another one."""
    found: set[Thing] = set()
    for thing in inner:
        own = thing.data.mode if thing.kind == "function" else ""
        stays = bool(own) and mode != "inference"
        found |= {thing} if stays else _changed(m, frozenset((thing,)), name, {"mode": mode})
    return frozenset(found)


def _changed(m: Machine, inner: Value, name: str, how: dict[str, object]) -> Value:
    """Return functions with something else about their code."""
    found: set[Thing] = set()
    for thing in ordered(inner):
        if thing.kind == "function":
            data = thing.data._replace(**how)
            found.add(m.thing("function", thing.site, thing.path, f"{thing.name}@{name}", data))
        else:
            found.add(thing)
    return frozenset(found)
