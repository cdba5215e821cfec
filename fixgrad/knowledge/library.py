"""What of Python's library is written down as Python in `data/library`: classes that keep things and hand them on."""

from __future__ import annotations

import functools
import os
import re

_FOLDER = os.path.join(os.path.dirname(__file__), "data", "library")
_DEFINED = re.compile(r"^(?:class|def) ([a-zA-Z]\w*)", re.MULTILINE)
# The same under other names.
_ALIASES = {
    "concurrent.futures.thread.ThreadPoolExecutor": "concurrent.futures.ThreadPoolExecutor",
    "multiprocessing.dummy.Pool": "multiprocessing.pool.ThreadPool",
    "weakref.ReferenceType": "weakref.ref",
}


@functools.cache
def text(module: str) -> str:
    """Return what is written down of a module."""
    with open(os.path.join(_FOLDER, f"{module}.txt"), encoding="utf-8") as file:
        return file.read()


@functools.cache
def members() -> dict[str, tuple[str, str]]:
    """Return, by qualified name, the module and the member where each is written down."""
    modules = sorted(name[:-4] for name in os.listdir(_FOLDER) if name.endswith(".txt"))
    found = {f"{m}.{name}": (m, name) for m in modules for name in _DEFINED.findall(text(m))}
    return found | {alias: found[name] for alias, name in _ALIASES.items()}


def written_down(name: str) -> tuple[str, str] | None:
    """Return the module and the member that a qualified name means, where it is written down."""
    return members().get(name)
