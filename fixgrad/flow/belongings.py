"""What stands in the attributes of an object where a statement gives it a name: `source.points`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow.state import State
from fixgrad.flow.tensors import identity
from fixgrad.flow.values import NOTHING, Thing, of_kind

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine


def note_parts(m: Machine, f: Frame, state: State, name: str, instance: Thing) -> None:
    """Note which tensors are attributes of an instance that gets a name."""
    for field in sorted(state.get((instance, "#fields"), ())):
        tensors = of_kind(state.get((instance, field), NOTHING), "tensor")
        if tensors and field.isidentifier() and not field.startswith("__"):
            parts = m.graph.named_parts.setdefault((f.path, f.statement), {})
            parts.setdefault(f"{name}.{field}", set()).update(map(identity, tensors))
