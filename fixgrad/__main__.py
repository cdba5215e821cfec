"""Start fixgrad: `fixgrad`, or `python -m fixgrad`."""

from __future__ import annotations

import gc
import os
import sys

from fixgrad import __version__


def main() -> int:
    """Answer the version at once; load everything else only when it is needed."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"fixgrad {__version__}")
        return 0
    try:
        from fixgrad.cli import run  # noqa: PLC0415  (click takes three times as long as Python)

        return run(sys.argv[1:])
    except KeyboardInterrupt:  # while the modules were loading
        return 130


def start() -> None:
    """Run as a program; what was followed is not taken apart, which takes a tenth of the time."""
    if sys.argv[1:2] != ["lsp"]:
        gc.disable()  # but for the server, the process ends before there is much to collect
    code = main()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):  # closed by whoever read it; Python says so itself
        sys.exit(code)
    os._exit(code)


if __name__ == "__main__":
    start()
