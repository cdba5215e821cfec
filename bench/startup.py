"""How long fixgrad takes before it does anything, as multiples of an empty Python process.

    python bench/startup.py [ROUNDS]

Every round times each command once, so that a busy moment of the machine falls on all of them; what
is printed is the median over the rounds of each ratio to `python -c pass` in the same round.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 9
PYTHON = [sys.executable, "-c", "pass"]
FIXGRAD = str(Path(sys.executable).with_name("fixgrad"))
COMMANDS = {
    "python -c pass": PYTHON,
    "fixgrad --version": [FIXGRAD, "--version"],
    "fixgrad --help": [FIXGRAD, "--help"],
    "fixgrad (empty folder)": [FIXGRAD],
}


def seconds(command: list[str]) -> float:
    """Time one command in the current folder."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def main(arguments: list[str]) -> None:
    """Measure and print the table."""
    rounds = int(arguments[0]) if arguments else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for command in COMMANDS.values():
            seconds(command)  # what is read from disk for the first time counts for none
        times = [{name: seconds(c) for name, c in COMMANDS.items()} for _ in range(rounds)]
        os.chdir(os.sep)
    print(f"{'':24} {'median':>8} {'ratio':>6}")
    for name in COMMANDS:
        median = statistics.median(row[name] for row in times)
        ratio = statistics.median(row[name] / row["python -c pass"] for row in times)
        print(f"{name:24} {median * 1000:5.0f} ms {ratio:6.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
