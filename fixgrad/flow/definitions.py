"""Executes definitions: a function or a class becomes a value."""

from __future__ import annotations

from fixgrad.flow import instances
from fixgrad.flow.ir import Op
from fixgrad.flow.library import is_library
from fixgrad.flow.machine import Frame, Machine
from fixgrad.flow.state import State
from fixgrad.flow.values import Code, Site, Value, union


def make_function(m: Machine, f: Frame, op: Op, state: State) -> None:
    assert isinstance(op.constant, int)
    code = f.module.functions[op.constant]
    plain = tuple(f.registers[n] for n, name in zip(op.args, op.names, strict=True) if not name)
    keyword = tuple(
        (name, f.registers[n]) for n, name in zip(op.args, op.names, strict=True) if name
    )
    frames = f.outer if f.function.kind in ("class", "module") else (f.thing, *f.outer)
    data = Code(f.module, code, frames, plain, keyword)
    if op.args:  # its defaults stand inside of it, and are executed here
        m.visited.add((f.module.path, code.place))
    f.registers[op.out] = frozenset(
        (m.thing("function", Site(f.module.path, op.place), f.path, code.name, data),)
    )


def _base(m: Machine, value: Value) -> Value:
    """Return a base class with what is written down of Python's library in the place of its name."""
    written = {t: m.library(t.name) for t in value if t.kind == "external"}
    return union(written.get(t) or frozenset((t,)) for t in value)


def make_class(m: Machine, f: Frame, op: Op, state: State) -> None:
    assert isinstance(op.constant, int)
    code = f.module.functions[op.constant]
    site = Site(f.module.path, op.place)
    frames = f.outer if f.function.kind in ("class", "module") else (f.thing, *f.outer)
    given = [(name, f.registers[n]) for n, name in zip(op.args, op.names, strict=True)]
    bases = tuple(_base(m, value) for name, value in given if not name)
    data = Code(f.module, code, frames, (), (), bases)
    thing = m.thing("class", site, f.path, code.name, data)
    f.registers[op.out] = frozenset((thing,))
    if frames and not is_library(f.module.path):
        m.inner_classes[thing] = None
    body = Frame(thing, f.module, code, frames, f.path)
    m.visited.add((f.module.path, code.place))
    m.enter(body, state)
    state.set((thing, "#fields"), frozenset(o.target for o in code.body if o.kind == "store"))
    declared = tuple(o.target for o in code.body if o.kind in ("declare", "store"))
    state.set((thing, "#declared"), declared)
    keywords = [(name, value) for name, value in given if name]
    instances.announce_class(m, f, state, op.place, thing, keywords)
