"""How long `fixgrad --diff` takes over a tree, beside what others do with the same files.

    python -m bench.speed TREE [--rounds N]

Every round runs each command once, in a process of its own, so that a busy moment of the machine falls on all of
them. Printed are the median time of the processor and the median over the rounds of fixgrad's time to that of each.
Commands that are not installed are left out.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.cost import cost

PARSE = """
import ast, pathlib, sys, warnings
warnings.simplefilter("ignore")
for path in pathlib.Path(".").rglob("*.py"):
    try:
        ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        pass
"""
TOKENS = "from_numpy|as_tensor|torch.tensor\\("
REWRITE = f"""
import libcst, pathlib, re
for path in pathlib.Path(".").rglob("*.py"):
    data = path.read_bytes()
    if re.search(rb"{TOKENS}", data):
        try:
            libcst.parse_module(data)
        except libcst.ParserSyntaxError:
            pass
"""
OURS = "fixgrad --diff"
COMMANDS: dict[str, list[str]] = {
    OURS: [sys.executable, "-m", "fixgrad", "--diff", "--isolated", "-q", "."],
    "ast.parse, every file": [sys.executable, "-c", PARSE],
    "libcst.parse_module, candidates": [sys.executable, "-c", REWRITE],
    "ruff --select ALL --no-cache": [
        "ruff",
        "check",
        "--isolated",
        "--no-cache",
        "-q",
        "--select",
        "ALL",
    ],
    "torchfix": ["torchfix", "."],
    "rg -l": ["rg", "-l", "-t", "py", TOKENS, "."],
}


def measure(folder: Path, rounds: int) -> list[dict[str, float]]:
    """Return the times of each command in each round."""
    there = {name: line for name, line in COMMANDS.items() if shutil.which(line[0])}
    return [
        {name: cost(line, folder).seconds for name, line in there.items()} for _ in range(rounds)
    ]


def table(times: Sequence[dict[str, float]]) -> str:
    """Return the medians as text."""
    shown = [f"{'':32} {'seconds':>8} {'fixgrad is':>11}"]
    for name in times[0]:
        median = statistics.median(row[name] for row in times)
        ratio = statistics.median(row[OURS] / row[name] for row in times)
        shown.append(f"{name:32} {median:8.2f} {ratio:9.2f} x")
    return "\n".join(shown)


def main(arguments: Sequence[str]) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.speed")
    parser.add_argument("tree", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    print(table(measure(options.tree, options.rounds)))


if __name__ == "__main__":
    main(sys.argv[1:])
