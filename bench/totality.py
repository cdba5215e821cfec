"""Every file of some folders through every stage, as if all of it mattered: nothing may break.

    python -m bench.totality FOLDER... [--slow SECONDS]

Each Python file is decoded, lowered, followed from every function in it, planned for, and what is planned is
rewritten and checked. A file that is no Python is a problem that must be told with its line.
Prints every failure, and what took longer than --slow.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from fixgrad.conclusion import Study, conclude
from fixgrad.depth import deeply
from fixgrad.flow.ir import Module
from fixgrad.flow.link import Linker
from fixgrad.flow.lower import lower
from fixgrad.flow.project import Project
from fixgrad.options import Options
from fixgrad.patching import plan_patches
from fixgrad.project.reading import decode
from fixgrad.source import Source


class Tried(NamedTuple):
    """What came of one file."""

    name: str
    outcome: str  # "followed", "no Python", or the failure
    seconds: float
    repairs: int = 0


def try_out(name: str, data: bytes) -> Tried:
    """Take one file through every stage."""
    started = time.process_time()  # a machine may be busy
    try:
        outcome, repairs = deeply(lambda: _through(name, data))
    except Exception:  # whatever it is, it is what is looked for
        outcome, repairs = traceback.format_exc(limit=-60), 0
    return Tried(name, outcome, time.process_time() - started, repairs)


def _through(name: str, data: bytes) -> tuple[str, int]:
    source = decode(name, data)
    module = lower(source) if isinstance(source, Source) else source
    if not isinstance(source, Source) or not isinstance(module, Module):
        return "no Python", 0
    project = Project([module])
    every = frozenset((module.path, function.place) for function in module.functions)
    project.relevance = project.relevance._replace(
        roots=every, productive=every, building=every, methods=every, nearest=every
    )
    base = Linker(project).run()
    policy = Options(unsafe=True, diff=True).policy()
    repairs = list(conclude([Study(project, base, (source,))], policy).repairs)
    plan = plan_patches([source], [r for r in repairs if r.operations], traceback=True)
    if plan.problems:
        return f"rewriting: {plan.problems[0]}", 0
    return "followed", len(plan.repairs)


def files_of(folders: Iterable[Path]) -> list[Path]:
    """Return the Python files of some folders."""
    return sorted(path for folder in folders for path in folder.rglob("*.py") if path.is_file())


def main(arguments: Sequence[str]) -> int:
    """Try everything out; return 1 for any failure."""
    parser = argparse.ArgumentParser(prog="python -m bench.totality")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--slow", type=float, default=5.0, help="seconds that a file may take")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # of the syntax of what is read
    counts = {"followed": 0, "no Python": 0, "failed": 0, "slow": 0, "repairs": 0}
    for path in files_of(options.folders):
        name = str(path)
        tried = try_out(name, path.read_bytes())
        kind = tried.outcome if tried.outcome in counts else "failed"
        counts[kind] += 1
        counts["repairs"] += tried.repairs
        if kind == "failed":
            print(f"{name}: {tried.outcome}", flush=True)
        if tried.seconds > options.slow:
            counts["slow"] += 1
            print(f"{name}: {tried.seconds:.1f} s", flush=True)
    print(", ".join(f"{number} {what}" for what, number in counts.items()))
    return int(counts["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
