"""Classes that functions make: which of their methods unknown callers are worth calling."""

from __future__ import annotations

from fixgrad.flow.tokens import CONVERSIONS, DEMANDS, EXPORT, MAKERS
from fixgrad.flow.values import Code

_SAYS = frozenset((*MAKERS, *(f".{name}" for name in MAKERS), *CONVERSIONS, *DEMANDS, EXPORT))


def matters(code: Code) -> bool:
    """Say whether a method of a class that a function makes converts, asks, exports or sets attributes.

    Of a class that stands in a file itself, what it reaches by name decides.
    """
    if not code.frames:
        return True
    name = code.function.name
    inside = [f for f in code.module.functions if f.name == name or f.name.startswith(f"{name}.")]
    return any(f.assigns or not f.tokens.isdisjoint(_SAYS) for f in inside)
