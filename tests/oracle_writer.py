"""Writes a program line by line, alive in its worlds, and knows what tensors it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar

import numpy as np
import torch

from tests.oracle_rows import Slot
from tests.oracle_worlds import HEADER, World, worlds

T = TypeVar("T")
Want = Callable[[torch.Tensor], bool]
MOST_ELEMENTS = 600


class Chooser:
    """The choices of one program; Hypothesis makes the one that they all follow from."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def one(self, things: Sequence[T]) -> T:
        """Choose one of several things."""
        return self.random.choice(things)

    def number(self, low: int, high: int) -> int:
        """Choose a number, both ends included."""
        return self.random.randint(low, high)

    def chance(self, percent: int) -> bool:
        """Decide with a probability."""
        return self.random.random() * 100 < percent


def anything(tensor: torch.Tensor) -> bool:
    """Want any tensor."""
    return True


def is_float(tensor: torch.Tensor) -> bool:
    """Want a tensor that can require a gradient."""
    return tensor.is_floating_point()


class Writer:
    """A program in the making."""

    def __init__(self, choose: Chooser, flags: int) -> None:
        self.choose = choose
        self.flags = flags
        self.used_flags = 0
        self.active = worlds(flags)
        self.lines = HEADER.splitlines()
        self.depth = 0
        self.probes = 0
        self.count = 0
        self.places: list[str] = []  # expressions that have held tensors
        self.arrays: list[str] = []
        self.scope: list[str] | None = None  # names bound by the function being written
        self.in_loop = 0
        self.broken = False  # the program raises here: nothing more can be written

    def text(self) -> str:
        """Return the program so far."""
        return "\n".join(self.lines) + "\n"

    def write(self, line: str) -> None:
        """Write a line that is executed by other means."""
        self.lines.append("    " * self.depth + line)

    def attempt(self, text: str) -> bool:
        """Execute statements in every world that reaches them; keep them if none raises."""
        try:
            for world in self.active:
                world.execute(text)
        except Exception:
            return False
        for line in text.splitlines():
            self.write(line)
        return True

    def fresh(self, prefix: str = "v") -> str:
        """Return a new name."""
        self.count += 1
        return f"{prefix}{self.count}"

    def target(self) -> str:
        """Return the name to bind: new, or at times one that is bound already."""
        bound = [p for p in self.places if p.isidentifier()]
        if self.scope is not None:
            bound = [p for p in bound if p in self.scope]
        if bound and self.choose.chance(12):
            return self.choose.one(bound)
        return self.fresh()

    def assign(self, expression: str, name: str = "") -> bool:
        """Bind an expression and probe what came of it."""
        name = name or self.target()
        if not self.attempt(f"{name} = {expression}"):
            return False
        self.settle(name)
        return True

    def settle(self, name: str) -> None:
        """Probe a name that was bound, and offer the tensors it holds to later statements."""
        if self.scope is not None and name not in self.scope:
            self.scope.append(name)
        value = self.active[0].value(name)
        if isinstance(value, torch.Tensor):
            self.offer(name)
        elif isinstance(value, np.ndarray):
            self.arrays.append(name)
            self.probe(name)
        elif isinstance(value, tuple | list):
            for number in range(min(len(value), 3)):
                if isinstance(value[number], torch.Tensor):
                    self.offer(f"{name}[{number}]")

    def offer(self, place: str) -> None:
        """Probe a place that holds a tensor and let later statements use it."""
        if place in self.places:
            self.places.remove(place)
        self.places.append(place)
        self.probe(place)

    def probe(self, expression: str) -> None:
        """Ask about a value."""
        self.probes += 1
        self.write(f"probe({self.probes}, {expression})")

    def values(self, place: str) -> list[Any]:
        """Return what a place holds in each world that is here."""
        return [world.value(place) for world in self.active]

    def tensors(self, want: Want = anything) -> list[str]:
        """Return the places that hold a wanted tensor in every world that is here."""
        return [p for p in self.places if self.holds(p, want)]

    def holds(self, place: str, want: Want) -> bool:
        """Say whether a place holds a wanted tensor in every world that is here."""
        try:
            return all(
                isinstance(v, torch.Tensor) and v.numel() <= MOST_ELEMENTS and want(v)
                for v in self.values(place)
            )
        except RuntimeError:  # a view that torch does not let anybody look at any more
            return False

    def some(self, want: Want = anything) -> str | None:
        """Choose a place that holds a wanted tensor, recent ones more often."""
        found = self.tensors(want)
        if len(found) > 4 and self.choose.chance(50):
            found = found[-4:]
        return self.choose.one(found) if found else None

    def fill(self, slot: Slot, dtype: torch.dtype | None) -> str:
        """Return an expression for a hole: a place of its shape, a spread one, or a constant."""

        def fits(tensor: torch.Tensor) -> bool:
            if tuple(tensor.shape) != slot.shape:
                return False
            if slot.floating:
                return tensor.dtype == dtype if dtype else tensor.is_floating_point()
            return str(tensor.dtype) == f"torch.{slot.dtype}"

        place = self.some(fits)
        if place is not None and self.choose.chance(90):
            return place
        if slot.floating and self.choose.chance(70):
            base = self.some(lambda t: is_float(t) and dtype in (None, t.dtype))
            if base is not None:
                return f"{base}.mean().expand({slot.shape}).clone()"
        return self._constant(slot, str(dtype or "torch.float32"))

    def _constant(self, slot: Slot, dtype: str) -> str:
        size = int(torch.Size(slot.shape).numel())
        if slot.floating:
            return f"torch.full({slot.shape}, 0.5, dtype={dtype})"
        if slot.dtype == "bool":
            return f"(torch.arange({size}).reshape({slot.shape}) % 2 == 0)"
        number = f"(torch.arange({size}).reshape({slot.shape}) % 3)"
        return number if slot.dtype == "int64" else f"{number}.to(torch.{slot.dtype})"

    @contextmanager
    def block(self, head: str, active: list[World] | None = None) -> Iterator[None]:
        """Write the lines of a block under its head, in some of the worlds."""
        outside = self.active
        self.write(head)
        self.active = active if active is not None else outside
        self.depth += 1
        length = len(self.lines)
        try:
            yield
            if len(self.lines) == length:
                self.write("pass")
        finally:
            self.depth -= 1
            self.active = outside
