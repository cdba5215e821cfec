"""Calls that the user's settings say something of: they come before what is known or followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixgrad.flow import containers
from fixgrad.flow.arguments import Call
from fixgrad.flow.conversions import convert
from fixgrad.flow.optimizers import tensors_inside
from fixgrad.flow.state import State
from fixgrad.flow.tensor_methods import by_row
from fixgrad.flow.tensors import log
from fixgrad.flow.values import Value
from fixgrad.knowledge.models import Models

if TYPE_CHECKING:
    from fixgrad.flow.machine import Frame, Machine

_LOGGED = {"leaf": "optimizer", "tracked": "hook"}


def call_modelled(
    m: Machine, f: Frame, state: State, call: Call, models: Models, name: str, skip: int = 0
) -> Value | None:
    """Call what has a row of the user's, None where it has none; `skip` arguments are the object's own."""
    source = models.sources.get(name)
    if source is not None:
        return convert(m, f, state, call.rest() if skip else call, source)
    sink = models.sinks.get(name)
    if sink is not None:
        position = None if sink.position is None else sink.position + skip
        argument = call.get(position, sink.keyword)
        if argument is not None:
            for thing in tensors_inside(state, containers.contents(state, argument.value)):
                log(m, f, state, _LOGGED[sink.need], thing, argument.place, detail=name)
        return m.unknown(m, f, state, call, [], name)
    if name in models.grants:
        return m.unknown(m, f, state, call, [], "requires_grad")
    cut = models.cuts.get(name)
    if cut is not None:
        return by_row(m, f, state, call.rest() if skip else call, cut, [], name)
    return None
