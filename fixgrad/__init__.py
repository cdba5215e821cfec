"""Find NumPy-born tensors that need a gradient but are not tracked, and repair them."""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
