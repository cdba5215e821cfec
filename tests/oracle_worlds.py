"""The program that the oracle is writing, alive: each statement is executed when it is written.

A program with k conditions that are known only at run time lives in 2^k worlds, one for each
outcome of them. A statement is kept only if it succeeds in every world that reaches it: programs
are valid as they are made, and the shapes and dtypes of all values are at hand.
"""

from __future__ import annotations

import functools
import itertools
import warnings
from types import CodeType
from typing import Any

import numpy as np
import torch

HEADER = """\
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.autograd import Variable
from torch.nn import Parameter
"""


@functools.lru_cache(4096)
def compiled(text: str, mode: str) -> CodeType:
    """Compile a statement ("exec") or an expression ("eval")."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(text, "<program>", mode)


def same_numbers() -> None:
    """Let random values be the same in every run of a program."""
    torch.manual_seed(0)
    np.random.seed(0)


class World:
    """One run of the program so far: its variables, and whether autograd records."""

    def __init__(self, bits: tuple[bool, ...]) -> None:
        self.bits = bits
        self.recording = True
        self.names: dict[str, Any] = {
            "probe": lambda number, value: None,
            "flag": lambda number: bits[number],
        }
        exec(compiled(HEADER, "exec"), self.names)

    def execute(self, text: str) -> None:
        """Execute statements in the scope that is open; raises what they raise."""
        torch.set_grad_enabled(self.recording)
        try:
            exec(compiled(text, "exec"), self.names)
            self.recording = torch.is_grad_enabled()
        finally:
            torch.set_grad_enabled(True)

    def value(self, expression: str) -> Any:
        """Return what a place holds, or None where it is not bound."""
        if expression.isidentifier():
            return self.names.get(expression)
        torch.set_grad_enabled(self.recording)
        try:
            return eval(compiled(expression, "eval"), self.names)
        except Exception:
            return None
        finally:
            torch.set_grad_enabled(True)


def worlds(flags: int) -> list[World]:
    """Return a world for each outcome of the conditions."""
    same_numbers()
    return [World(bits) for bits in itertools.product((True, False), repeat=flags)]
