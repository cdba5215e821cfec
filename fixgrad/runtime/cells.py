"""Runs the code cells of a notebook as one program: `python cells.py TEXT NOTEBOOK [ARGUMENTS]...`.

TEXT holds the code as fixgrad reads it, cell after cell; tracebacks name the notebook. `await` stands at the top level
as it may in a cell. Like the probe it is run where fixgrad is not installed.
"""

from __future__ import annotations

import asyncio
import inspect
import linecache
import os
import sys

_TOP_LEVEL_AWAIT = 0x2000  # as `ast` has it


def main() -> None:
    """Run the cells as `__main__`, in the notebook's folder as Jupyter does."""
    text, notebook = sys.argv[1], os.path.abspath(sys.argv[2])
    sys.argv = sys.argv[2:]
    with open(text, encoding="utf-8", newline="") as file:
        source = file.read()
    os.chdir(os.path.dirname(notebook))
    sys.path[0] = os.path.dirname(notebook)
    linecache.cache[notebook] = (len(source), None, source.splitlines(keepends=True), notebook)
    code = compile(source, notebook, "exec", _TOP_LEVEL_AWAIT, dont_inherit=True)
    names = sys.modules["__main__"].__dict__
    run, is_waiting = asyncio.run, code.co_flags & inspect.CO_COROUTINE
    for name in [name for name in names if not name.startswith("__")]:
        del names[name]
    names["__file__"] = notebook
    if is_waiting:
        run(eval(code, names))
    else:
        exec(code, names)


if __name__ == "__main__":
    main()
