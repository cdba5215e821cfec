"""Which lines and branches of fixgrad do the tests run through? One run of all of them says so.

    python -m bench.branches [--data FOLDER] [--missing] [--least PERCENT] [pytest's arguments]

Runs the tests with coverage.py, with what they start and fork measured as well, and prints a row for each folder of
fixgrad: lines, and branches alone, which are what counts. --missing names the branches that no test takes. --data keeps
what the processes have written, and a further run with the same folder adds to it. Ends with pytest's code where a test
fails, with 1 where fewer than --least of the branches are taken.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import coverage

ROOT = Path(__file__).parents[1]
PROBE = "fixgrad/runtime/probe.py"
WIDTH = 18


class Row(NamedTuple):
    """How much of some files is run through."""

    lines: int = 0
    executed: int = 0
    branches: int = 0
    taken: int = 0

    def plus(self, other: Row) -> Row:
        """Return both together."""
        return Row(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def __str__(self) -> str:
        line, branch = _ratio(self.executed, self.lines), _ratio(self.taken, self.branches)
        return f"{self.lines:7}{self.executed:9}{line:7.1%}{self.branches:10}{self.taken:7}{branch:7.1%}"


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def run(data: Path, arguments: Sequence[str]) -> tuple[int, dict[str, Any]]:
    """Run the tests; return pytest's exit code and coverage.py's report of the files."""
    if not sees_children():
        raise SystemExit(
            "coverage.py does not see what the tests start: its .pth file is not in the site-packages of this"
            f" environment, {sysconfig.get_path('purelib')}; install coverage there"
        )
    data.mkdir(parents=True, exist_ok=True)
    report = data / "report.json"
    environment = {**os.environ, "COVERAGE_FILE": str(data / "data"), "PWD": str(ROOT)}

    def measured(*words: str) -> int:
        command = [sys.executable, "-m", "coverage", *words]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode

    code = measured("run", "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
    failed = measured("combine", "-q", "--append")
    complete(data / "data")
    if failed or measured("json", "-q", "-o", str(report)):
        raise SystemExit("coverage.py has failed; it says why above")
    return code, json.loads(report.read_text("utf-8"))["files"]


def sees_children() -> bool:
    """Say whether coverage.py starts in each process: with a path of another environment alone it does not."""
    program = "import sys; sys.exit('coverage' not in sys.modules)"
    environment = {**os.environ, "COVERAGE_PROCESS_START": str(ROOT / "pyproject.toml"),
                   "COVERAGE_FILE": os.devnull}  # fmt: skip
    command = [sys.executable, "-c", program]
    return (
        subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
    )


def complete(file: Path) -> None:
    """Count what copies of the probe were seen to do as done by it; have a file that nothing loads count, too."""
    data = coverage.CoverageData(str(file))
    data.read()
    copies = [name for name in data.measured_files() if Path(name).name == "sitecustomize.py"]
    arcs = {arc for name in copies for arc in data.arcs(name) or ()}
    data.add_arcs({str(ROOT / PROBE): arcs})
    data.touch_files([str(path) for path in (ROOT / "fixgrad").rglob("*.py")])
    data.write()


def rows(files: Mapping[str, Any]) -> dict[str, Row]:
    """Return what is run through by folder of fixgrad, and in all."""
    found: dict[str, Row] = {}
    for path, file in sorted(files.items()):
        summary = file["summary"]
        row = Row(
            summary["num_statements"],
            summary["covered_lines"],
            summary["num_branches"],
            summary["covered_branches"],
        )
        folder = f"{Path(path).parts[1]}/" if len(Path(path).parts) > 2 else "(modules)"
        for name in (folder, "all"):
            found[name] = found.get(name, Row()).plus(row)
    return dict(sorted(found.items(), key=lambda item: (item[0] == "all", item[0])))


def table(files: Mapping[str, Any]) -> str:
    """Return the rows as text."""
    head = f"{'':{WIDTH}}  lines executed  ratio  branches  taken  ratio"
    return "\n".join([head, *(f"{name:{WIDTH}}{row}" for name, row in rows(files).items())])


def missing(files: Mapping[str, Any]) -> Iterator[str]:
    """Yield the branches that no test takes, as `file:line -> line`; a line below 0 is an end."""
    for path, file in sorted(files.items()):
        for begin, end in file["missing_branches"]:
            yield f"{path}:{begin} -> {end if end > 0 else 'end'}"


def main(arguments: Sequence[str]) -> int:
    """Measure; return 1 where too few branches are taken."""
    parser = argparse.ArgumentParser(prog="python -m bench.branches")
    parser.add_argument("--data", type=Path, help="where the measurements are kept")
    parser.add_argument("--missing", action="store_true", help="name the branches not taken")
    parser.add_argument("--least", type=float, default=95.0, help="of the branches, in percent")
    options, others = parser.parse_known_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        code, files = run(options.data or Path(folder), others)
    if options.missing:
        print("\n".join(missing(files)))
    print(table(files))
    total = rows(files)["all"]
    return code or int(100 * _ratio(total.taken, total.branches) < options.least)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
