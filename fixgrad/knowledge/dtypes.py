"""Names of dtypes: what each spelling means, what class it is, and which methods cast."""

from __future__ import annotations

import functools

from fixgrad.knowledge.read import table


def cast(method: str) -> str | None:
    """Return the dtype that a casting Tensor method makes: "long" -> "int64"."""
    name: str | None = table("dtypes")["cast"].get(method)
    return name


@functools.cache
def dtype_of(qualified: str) -> str | None:
    """Return the canonical name of "torch.long", "numpy.float32", "float", or the string "<f4"."""
    known = table("dtypes")
    module, _, name = qualified.rpartition(".")
    spellings = known["module"].get(module, known["string"])
    if not module:
        name = name.lstrip("<>=|")
    found: str | None = spellings.get(name)
    return found


def dtype_class(name: str) -> str:
    """Return "float", "integer", "bool", "complex" or "unknown" for a canonical dtype name."""
    kind: str = table("dtypes")["class"].get(name, "unknown")
    return kind


def python_float(qualified: str) -> bool:
    """Say whether a name is that of a Python float: "numpy.pi"."""
    return qualified in table("dtypes")["python_float"]["names"]
