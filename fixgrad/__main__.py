"""Start fixgrad: `fixgrad`, or `python -m fixgrad`."""

from __future__ import annotations

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


if __name__ == "__main__":
    sys.exit(main())
