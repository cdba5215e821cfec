"""Find NumPy-born tensors that need a gradient but are not tracked, and repair them.

`check_source`, `fix_source` and `analyze_project` are the Python interface; they and the types of
what they return stand in `fixgrad.api`, which is loaded when one of them is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it, without loading `typing`
if TYPE_CHECKING:
    from fixgrad.api import (
        Analysis,
        Checked,
        Diagnostic,
        FilePatch,
        Fixed,
        FixgradError,
        Location,
        Problem,
        Step,
        analyze_project,
        check_source,
        fix_source,
    )

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "Checked",
    "Diagnostic",
    "FilePatch",
    "Fixed",
    "FixgradError",
    "Location",
    "Problem",
    "Step",
    "__version__",
    "analyze_project",
    "check_source",
    "fix_source",
]


def __getattr__(name: str) -> object:
    """Load the interface when one of its names is first asked for."""
    if name in __all__:
        from fixgrad import api  # noqa: PLC0415

        return getattr(api, name)
    raise AttributeError(f"module 'fixgrad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
