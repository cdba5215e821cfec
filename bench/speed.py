"""How long fixgrad takes over a tree, beside what others do with the same files.

    python -m bench.speed TREE [--rounds N] [--only WORDS]

It works on a copy of the tree. Every round runs each command once, in a process of its own, so that a busy moment of
the machine falls on all of them. Printed are the median time of the processor, the median over the rounds of what
`fixgrad --diff` without a cache and with one process takes, to that of each, and the most memory. Commands that are
not installed are left out.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.cost import Cost, cost

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
TAINT = """
rules:
  - id: from-numpy-to-gradient
    mode: taint
    languages: [python]
    severity: WARNING
    message: a tensor made of an array is differentiated
    pattern-sources: [{pattern: torch.from_numpy(...)}]
    pattern-sinks: [{pattern: $LOSS.backward(...)}, {pattern: $X.grad}]
"""
RULE = ".taint.yml"
CACHE = ".fixgrad-cache"


class Entry(NamedTuple):
    """One line of the table."""

    command: Sequence[str]
    prepare: Callable[[Path], object] = lambda tree: None


def _fixgrad(*options: str) -> list[str]:
    return [sys.executable, "-m", "fixgrad", "--isolated", "-q", *options, "."]


def _changed(tree: Path) -> None:
    """Change the largest file that makes a tensor."""
    files = [path for path in tree.rglob("*.py") if b"from_numpy" in path.read_bytes()]
    if files:
        with max(files, key=lambda path: path.stat().st_size).open("a") as file:
            file.write("# changed\n")


def _settled(tree: Path) -> None:
    """Run until the answer is kept: a file that has just changed is looked at once more."""
    time.sleep(2.1)
    cost(_fixgrad("--diff", "--cache-dir", CACHE), tree)


OURS = "fixgrad --diff"
COMMANDS: dict[str, Entry] = {
    OURS: Entry(_fixgrad("--diff", "--no-cache", "--jobs", "1")),
    "the same, two processes": Entry(_fixgrad("--diff", "--no-cache", "--jobs", "2")),
    "the same, nothing changed": Entry(_fixgrad("--diff", "--cache-dir", CACHE), _settled),
    "the same, one file changed": Entry(_fixgrad("--diff", "--cache-dir", CACHE), _changed),
    "python -c 'import click'": Entry([sys.executable, "-c", "import click"]),
    "ast.parse, every file": Entry([sys.executable, "-c", PARSE]),
    "libcst.parse_module, candidates": Entry([sys.executable, "-c", REWRITE]),
    "ruff --select ALL --no-cache": Entry(
        ["ruff", "check", "--isolated", "--no-cache", "-q", "--select", "ALL"]
    ),
    "torchfix --select ALL": Entry(["torchfix", "--select", "ALL", "."]),
    "semgrep, one taint rule": Entry(
        ["semgrep", "scan", "--config", RULE, "--metrics", "off", "--disable-version-check", "-q"],
        lambda tree: (tree / RULE).write_text(TAINT),
    ),
    "rg -l": Entry(["rg", "-l", "-t", "py", TOKENS, "."]),
}


def measure(folder: Path, rounds: int, only: str = "") -> list[dict[str, tuple[Cost, float]]]:
    """Return what each command takes in each round, and how long one waits for it."""
    subprocess.run([sys.executable, "-m", "fixgrad", "--version"], check=True, capture_output=True)
    there = {
        name: entry
        for name, entry in COMMANDS.items()
        if shutil.which(entry.command[0]) and (only in name or name == OURS)
    }
    with tempfile.TemporaryDirectory() as empty:
        tree = Path(empty, folder.resolve().name)
        shutil.copytree(folder, tree, symlinks=True)
        return [{name: _timed(entry, tree) for name, entry in there.items()} for _ in range(rounds)]


def _timed(entry: Entry, tree: Path) -> tuple[Cost, float]:
    entry.prepare(tree)
    started = time.perf_counter()
    return cost(entry.command, tree), time.perf_counter() - started


def table(times: Sequence[dict[str, tuple[Cost, float]]]) -> str:
    """Return the medians as text."""
    shown = [f"{'':32} {'seconds':>8} {'fixgrad is':>11} {'wall':>8} {'MiB':>6}"]
    for name in times[0]:
        median = statistics.median(row[name][0].seconds for row in times)
        ratio = statistics.median(row[OURS][0].seconds / row[name][0].seconds for row in times)
        wall = statistics.median(row[name][1] for row in times)
        memory = max(row[name][0].memory for row in times)
        shown.append(f"{name:32} {median:8.2f} {ratio:9.2f} x {wall:8.2f} {memory:6.0f}")
    return "\n".join(shown)


def main(arguments: Sequence[str]) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.speed")
    parser.add_argument("tree", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="commands whose name holds this")
    options = parser.parse_args(arguments)
    print(table(measure(options.tree, options.rounds, options.only)))


if __name__ == "__main__":
    main(sys.argv[1:])
