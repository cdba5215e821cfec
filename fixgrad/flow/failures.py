"""Whether an exception that the program raises ends it, or is caught around."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from fixgrad.flow.ir import Block

if TYPE_CHECKING:
    from fixgrad.flow.machine import Machine


def ends_program(m: Machine, block: Block) -> bool:
    """Say whether a block ends in an exception that nothing around catches."""
    if not block or block[-1].kind != "raise":
        return False
    raised = block[-1].target
    return not any(_may_catch(name, raised) for name in m.caught)


def _may_catch(caught: str, raised: str) -> bool:
    net, error = getattr(builtins, caught, None), getattr(builtins, raised, None)
    if not isinstance(error, type):
        return (
            True  # conservative: of an exception of the project's own the bases are not looked up
        )
    return isinstance(net, type) and issubclass(error, net)
