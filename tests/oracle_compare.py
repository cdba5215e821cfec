"""Ask fixgrad and torch the same question, "what is this value?", at every probe of a program.

A program calls `probe(number, value)` at its values and `flag(number)` for conditions that are
known only at run time. fixgrad answers without running it, torch by running it once for each
outcome of the flags.
"""

from __future__ import annotations

import itertools
import warnings
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch

from fixgrad.flow import idle
from fixgrad.flow.arguments import Call
from fixgrad.flow.gradients import consume
from fixgrad.flow.ir import Module
from fixgrad.flow.link import Linker
from fixgrad.flow.lower import lower
from fixgrad.flow.machine import Frame, Machine
from fixgrad.flow.project import Project
from fixgrad.flow.state import State
from fixgrad.flow.tensors import dtype, leaf, tracked
from fixgrad.flow.values import NONE, Thing, Value, known
from fixgrad.source import Source
from tests.oracle_worlds import compiled, same_numbers

EITHER = "either"  # torch's flag says nothing of where a gradient goes: see _only_ghosts


class Answer(NamedTuple):
    """What is said of one value; of arrays only the dtype counts."""

    kind: str  # "tensor", "array"; fixgrad also says "unknown" and "other"
    tracked: str = "no"  # "yes", "no"; fixgrad also says "maybe", torch EITHER
    leaf: str = "yes"
    dtype: str = "unknown"

    def admits(self, truth: Answer, fields: int = 4) -> bool:
        """Say whether this answer leaves room for the truth in its first fields."""
        if self.kind == "unknown":
            return True
        pairs = list(zip(self, truth, strict=True))[:fields]
        return all(said in ("maybe", "unknown", true) or true == EITHER for said, true in pairs)


Answers = dict[int, set[Answer]]
FIELDS = ("kind", "tracked", "leaf", "dtype")


class Mismatch(NamedTuple):
    """One probe where what fixgrad says is not what torch shows."""

    probe: int
    field: str  # one of FIELDS, or "reached"
    said: tuple[Answer, ...]
    truth: Answer

    @property
    def claim(self) -> tuple[object, ...]:
        """What stays the same while the program around the mismatch is reduced."""
        position = FIELDS.index(self.field) if self.field in FIELDS else 0
        return self.probe, self.field, {s[position] for s in self.said}, self.truth[position]


class Compared(NamedTuple):
    """The comparison of one program."""

    mismatches: list[Mismatch]
    unsure: list[int]  # probes where fixgrad says "maybe" and torch shows only one thing
    probes: int
    typed: int  # probes where fixgrad knows the dtype
    error: str  # what stopped a run early, if any


def static_answers(text: str) -> Answers:
    """Follow a program as fixgrad does and note what it says at each probe."""
    module = lower(Source("program.py", text, "utf-8", False, ""))
    assert isinstance(module, Module), module
    linker = Linker(Project([module]))
    answers: Answers = {}
    unknown = linker.machine.unknown

    def listen(m: Machine, f: Frame, state: State, call: Call, *rest: Any) -> Value:
        if rest[-1] != "probe":
            return unknown(m, f, state, call, *rest)
        _, number = known(call.arguments[0].value)
        value = consume(m, f, state, call.arguments[1].value, call.place)
        answers.setdefault(number, set()).update(_said(state, thing) for thing in value)
        return NONE

    linker.machine.unknown = listen
    with patch.object(idle, "_SHORT", 1_000_000):  # enter even what cannot matter
        linker.run(only=frozenset([(module.path, module.functions[0].place)]))
    return answers


def _said(state: State, thing: Thing) -> Answer:
    if thing.kind == "tensor":
        return Answer("tensor", tracked(state, thing), leaf(state, thing), dtype(state, thing))
    if thing.kind == "array":
        return Answer("array", dtype=dtype(state, thing))
    known_kinds = ("number", "const", "text", "list", "tuple", "dict", "function", "instance")
    return Answer("other" if thing.kind in known_kinds else "unknown", "maybe", "maybe")


def torch_answers(text: str, flags: int) -> tuple[Answers, str]:
    """Run a program for each outcome of its flags; return what was seen and why a run stopped."""
    answers: Answers = {}
    error = ""

    def probe(number: int, value: object) -> None:
        if isinstance(value, torch.Tensor | np.ndarray):
            answers.setdefault(number, set()).add(_seen(value))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for bits in itertools.product((True, False), repeat=flags):
            names: dict[str, Any] = {"probe": probe, "flag": bits.__getitem__}
            names["__name__"] = "__main__"
            same_numbers()
            try:
                exec(compiled(text, "exec"), names)
            except Exception as stop:
                error = f"{type(stop).__name__}: {stop}"
            finally:
                torch.set_grad_enabled(True)
    return answers, error


def _seen(value: torch.Tensor | np.ndarray[Any, Any]) -> Answer:
    if isinstance(value, np.ndarray):
        return Answer("array", dtype=str(value.dtype))
    name = str(value.dtype).removeprefix("torch.")
    if value.requires_grad and _only_ghosts(value):
        return Answer("tensor", EITHER, EITHER, name)
    return Answer(
        "tensor", "yes" if value.requires_grad else "no", "yes" if value.is_leaf else "no", name
    )


def _only_ghosts(value: torch.Tensor) -> bool:
    """Say whether `requires_grad` is true of a tensor through which nothing reaches a leaf.

    A view made under no_grad, or before its base was granted, claims the base's flag but has no
    grad_fn: backward runs and fills neither the base's gradient nor its own.
    """
    if value.grad_fn is None:
        return _is_ghost(value)
    leaves: list[torch.Tensor] = []
    seen: set[Any] = set()
    pending: list[Any] = [value.grad_fn]
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.append(node.variable)
        pending += [before for before, _ in node.next_functions]
    return all(map(_is_ghost, leaves))


def _is_ghost(leaf_tensor: torch.Tensor) -> bool:
    base = leaf_tensor._base
    return base is not None and base.requires_grad and leaf_tensor.grad_fn is None


def compare(text: str, flags: int) -> Compared:
    """Compare the answers at every probe that a run of the program came to."""
    said = static_answers(text)
    seen, error = torch_answers(text, flags)
    mismatches: list[Mismatch] = []
    unsure: list[int] = []
    for number, truths in sorted(seen.items()):
        answers = said.get(number, set())
        for truth in sorted(truths):
            field = _wrong_field(answers, truth)
            if field:
                mismatches.append(Mismatch(number, field, tuple(sorted(answers)), truth))
        if not error and _is_unsure(answers, truths):
            unsure.append(number)
    typed = sum(all(a.dtype != "unknown" for a in said.get(n, ())) for n in seen)
    return Compared(mismatches, unsure, len(seen), typed, error)


def _wrong_field(answers: set[Answer], truth: Answer) -> str:
    """Return the first field in which no answer leaves room for the truth, "" where all is well."""
    if not answers:
        return "reached"
    for fields, name in enumerate(FIELDS, 1):
        if not any(a.admits(truth, fields) for a in answers):
            return name
    return ""


def _is_unsure(answers: set[Answer], truths: set[Answer]) -> bool:
    if any(t.kind != "tensor" or t.tracked == EITHER for t in truths):
        return False
    doubtful = {a.tracked for a in answers} | {a.leaf for a in answers}
    return "maybe" in doubtful and len({(t.tracked, t.leaf) for t in truths}) == 1
