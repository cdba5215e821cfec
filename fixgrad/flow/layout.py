"""Which tensors and arrays lie in memory in another order than their axes say: turned images, transposes.

What is computed from one of them number by number lies as it does, and so does its gradient. LBFGS puts the
gradients of its tensors in one row and fails on those.
"""

from __future__ import annotations

from collections.abc import Iterable

from fixgrad.flow.graph import FlowGraph
from fixgrad.flow.values import Thing

_TURNS = frozenset(
    (
        "permute", "transpose", "t", "T", "mT", "H", "mH", "adjoint", "movedim", "moveaxis",
        "swapaxes", "swapdims", "rollaxis",
    )
)  # fmt: skip
_KEEPS = frozenset(
    (
        "+", "-", "*", "/", "**", "add", "sub", "mul", "div", "neg", "abs", "clip", "clamp", "float",
        "double", "half", "bfloat16", "to", "type", "clone", "detach", "cpu", "cuda", "unsqueeze",
        "squeeze", "expand_dims", "astype", "float32", "float64", "[]", "__getitem__", "view",
        "divide", "multiply", "subtract", "asarray", "asanyarray", "exp", "log", "sqrt", "tanh",
        "sigmoid", "logit", "arctanh", "nan_to_num", "numpy.array", "numpy.copy",
    )
)  # fmt: skip


def note(graph: FlowGraph, thing: Thing, effect: str, inputs: Iterable[Thing]) -> None:
    """Note how the result of an operation lies in memory."""
    name = effect if effect in _KEEPS else effect.rpartition(".")[2]
    if name in _TURNS or (
        name in _KEEPS and any(graph.identity(t) in graph.turned for t in inputs)
    ):
        graph.turned.add(thing)


def note_converted(graph: FlowGraph, thing: Thing, sources: Iterable[Thing]) -> None:
    """Note that a tensor lies in memory as what it is made of, also where it is a copy."""
    if any(graph.identity(t) in graph.turned for t in sources):
        graph.turned.add(thing)
