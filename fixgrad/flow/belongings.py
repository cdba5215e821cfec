"""What stands in an object, a dict or a list where a statement gives it a name: `source.points`, `parts["w"]`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fixgrad.flow.ir import Place
from fixgrad.flow.namespaces import is_record
from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity
from fixgrad.flow.values import NOTHING, Site, Thing, Value, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def note_parts(m: Machine, f: Frame, state: State, name: str, instance: Thing) -> None:
    """Note which tensors are attributes of an instance that gets a name."""
    for field in sorted(state.get((instance, "#fields"), ())):
        tensors = of_kind(state.get((instance, field), NOTHING), "tensor")
        if tensors and field.isidentifier() and not field.startswith("__"):
            parts = m.graph.named_parts.setdefault((f.path, f.statement), {})
            parts.setdefault(f"{name}.{field}", set()).update(map(identity, tensors))


def note_entries(m: Machine, f: Frame, state: State, name: str, value: Value) -> None:
    """Note which tensors stand under which keys of a dict or a list that gets a name."""
    records = any(map(is_record, value))
    if not records and not any(of_kind(state.get((t, "[*]"), NOTHING), "tensor") for t in value):
        return
    statement = Site(f.module.path, f.statement)
    for entry, content in named(state, name, value):
        tensors = of_kind(content, "tensor")
        if tensors and len(tensors) == len(content):
            entries = m.graph.named_entries.setdefault((f.path, statement), {})
            entries.setdefault(entry, set()).update(map(identity, tensors))


def named(state: State, name: str, value: Value) -> Iterator[tuple[str, Value]]:
    """Yield what stands behind a name, and what stands in it by a key: `batch["x"]`, `batch[0]`."""
    yield name, value
    if len(value) != 1:
        return
    for thing in of_kind(value, "dict", "list", "tuple"):
        for field in sorted(state.get((thing, "#fields"), ())):
            key = field[1:-1]
            if key.isdecimal() or key[1:-1].isidentifier():
                quoted = key if key.isdecimal() else f'"{key[1:-1]}"'
                yield f"{name}[{quoted}]", state.get((thing, field), NOTHING)
    for thing in filter(is_record, value):
        for field in sorted(state.get((thing, "#fields"), ())):
            yield f"{name}.{field}", state.get((thing, field), NOTHING)


def note_filled(m: Machine, f: Frame, state: State, statement: Place) -> None:
    """Note the same of what a loop has filled, behind the outermost one."""
    if f.loops or not f.filled:
        return
    inner, f.statement = f.statement, statement
    for name in sorted(f.filled):
        value = state.get((f.thing, name), NOTHING)
        if len(value) == 1 and of_kind(value, "dict", "list"):
            note_entries(m, f, state, name, value)
    f.filled.clear()
    f.statement = inner
