"""What a large project takes of memory: functions wait in packed form, and what was followed is let go."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from fixgrad import analysis
from fixgrad.flow import ir
from fixgrad.flow.facts import packed
from fixgrad.flow.ir import Module
from fixgrad.flow.link import Linker
from fixgrad.flow.lower import lower
from fixgrad.flow.machine import Machine
from fixgrad.options import Options
from fixgrad.source import Source

TEXT = "\n".join(f"def f{n}(x):\n    return x + {n} * x\n" for n in range(20))


def _module() -> Module:
    module = lower(Source("m.py", TEXT, "utf-8", False, "digest"))
    assert isinstance(module, Module)
    return packed(module)


def _unpacked(module: Module) -> int:
    return sum(function._code is not None for function in module.functions)


class TestUnpacking:
    def test_only_so_many_are_there_in_both_forms(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ir, "MOST_UNPACKED", 30)
        module = _module()
        bodies = [function.body for function in module.functions]
        assert 0 < _unpacked(module) < 10
        assert [function.body for function in module.functions] == bodies
        assert [len(function.places) for function in module.functions] == [
            function.size for function in module.functions
        ]

    def test_the_last_is_there_whatever_its_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ir, "MOST_UNPACKED", 0)
        module = _module()
        for function in module.functions:
            assert function.body is function.body
        assert _unpacked(module) == 1


class TestPartsThatAreDoneWith:
    def test_they_are_freed_before_the_next(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = """
import numpy as np
import torch

def step{n}():
    x = torch.from_numpy(np.ones(3))
    (x * {n}).sum().backward()
    return x.grad
"""
        sources = [
            Source(f"p{n}/m.py", text.format(n=n), "utf-8", False, str(n)) for n in range(1, 9)
        ]
        machines: weakref.WeakSet[Machine] = weakref.WeakSet()
        left: list[int] = []
        clear, run = analysis._Waste.clear, Linker.run

        def noting(linker: Linker, *given: Any, **named: Any) -> Any:
            machines.add(linker.machine)
            return run(linker, *given, **named)

        def counting(waste: analysis._Waste) -> None:
            clear(waste)
            left.append(len(machines))

        monkeypatch.setattr(Linker, "run", noting)
        monkeypatch.setattr(analysis, "_WORTH_COLLECTING", 1)
        monkeypatch.setattr(analysis._Waste, "clear", counting)
        gc.collect()
        gc.disable()
        try:
            found = analysis.analyse(sources, Options().policy())
            waiting = len(machines)
        finally:
            gc.enable()
        assert len(found.repairs) == 8
        assert left == [0] * 8
        assert waiting > 0  # of the last part, which nobody waits for
