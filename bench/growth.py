"""Whether a line takes longer in a large project than in a small one.

    python -m bench.growth --cache FOLDER [--sizes LINES ...]

Puts pinned packages (see sources.toml) side by side into one tree until it has so many lines, and times
`fixgrad --diff .` on it. As packages differ, each is timed alone as well: the ratio is the time of the tree to
the sum of the times of its parts, start-up taken off. Times are of the processor, memory is the most that was held.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.cost import Cost, cost
from bench.sources import INDEX, download, pinned, unpack_package

SIZES = (10_000, 50_000, 150_000, 500_000)
COMMAND = [sys.executable, "-m", "fixgrad", "--diff", "--isolated", "-q", "."]


class Row(NamedTuple):
    """One tree, and its parts one at a time."""

    packages: int
    lines: int
    together: Cost
    alone: float  # seconds

    def ratio(self, start: float) -> float:
        """Return how much longer the tree took than its parts, without the time to start."""
        return (self.together.seconds - start) / max(self.alone - start * self.packages, 1e-9)


def lines_of(folder: Path) -> int:
    """Count the lines of a folder's Python files."""
    return sum(path.read_bytes().count(b"\n") for path in folder.rglob("*.py"))


def chosen(lines: dict[str, int], size: int) -> list[str]:
    """Return packages, in the order listed, that have together about so many lines."""
    found: list[str] = []
    left = size
    for name, number in lines.items():
        if number <= left:
            found.append(name)
            left -= number
    return found


def measure(
    sizes: Sequence[int], packages: Sequence[Path], folder: Path
) -> tuple[list[Row], float]:
    """Return a row for each size, and what an empty folder takes."""
    empty = folder / "empty"
    empty.mkdir()
    start = min(cost(COMMAND, empty).seconds for _ in range(3))
    trees = {path.name: path for path in packages}
    lines = {name: lines_of(path) for name, path in trees.items()}
    alone: dict[str, float] = {}
    rows: list[Row] = []
    for size in sizes:
        names = chosen(lines, size)
        tree = folder / str(size)
        for name in names:
            shutil.copytree(trees[name], tree / name)
            if name not in alone:
                alone[name] = cost(COMMAND, tree / name).seconds
        together = cost(COMMAND, tree)
        total = sum(lines[name] for name in names)
        rows.append(Row(len(names), total, together, sum(alone[name] for name in names)))
        shutil.rmtree(tree)
    return rows, start


def table(rows: Sequence[Row], start: float) -> str:
    """Return the rows as text."""
    shown = [f"{'lines':>8} {'packages':>8} {'seconds':>8} {'us/line':>8} {'ratio':>6} {'MiB':>6}"]
    for row in rows:
        took = row.together.seconds
        each = 1e6 * (took - start) / max(row.lines, 1)
        figures = f"{took:8.1f} {each:8.1f} {row.ratio(start):6.2f} {row.together.memory:6.0f}"
        shown.append(f"{row.lines:8,} {row.packages:8} {figures}")
    return "\n".join(shown)


def main(arguments: Sequence[str]) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cache", type=Path, required=True, help="keeps what is downloaded")
    parser.add_argument("--index", default=INDEX, help="the package index")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="lines of each tree")
    options = parser.parse_args(arguments)
    trees = []
    for package in pinned()[0]:
        trees.append(options.cache / "trees" / package.name)
        if not trees[-1].exists():
            archive = download(package, options.cache / "files", options.index)
            unpack_package(archive, trees[-1])
    with tempfile.TemporaryDirectory() as folder:
        print(table(*measure(options.sizes, trees, Path(folder))))


if __name__ == "__main__":
    main(sys.argv[1:])
