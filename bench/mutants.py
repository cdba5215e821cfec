"""Do the tests notice when the analysis is changed? A sample of mutants, and which of them live on.

    python -m bench.mutants [--number N] [--seed N] [--only TEXT] [--suite FILE] [--out FILE] [--again FILE]

The mutants are what mutmut's operators make of the functions of fixgrad/flow, demands, hazards and repair. First all
tests that need no torch are run once, to learn which of them execute which line (--map FILE keeps it; it is made anew
when those folders or the tests have changed). Then each mutant is put in place in a fork, and the tests that execute
its line are run up to the first that fails: --cases fixtures (fixgrad's side of them), then --tests others.
Prints the mutants that live on, and a table; --out writes all results as lines of JSON, --again tries those anew that
lived on in such a file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import coverage
import pytest

from bench.killing import CASE, first_failure, forget, forked, put
from bench.mutating import Mutant, mutants_of

ROOT = Path(__file__).parents[1]
FOLDERS = ("flow", "demands", "hazards", "repair")
LIVES = ("survived", "never executed")
NEAR = 40  # lines
# Tests that run other processes, which the mutants do not reach, or are too much for each mutant.
APART = (
    "tests/test_fixtures.py::TestCommandLine", "tests/test_fixtures.py::test_torch_side",
    "tests/test_page.py::TestInTheBrowser",
)  # fmt: skip


class Result(NamedTuple):
    """What became of one mutant."""

    mutant: Mutant
    outcome: str  # killed, survived, never executed
    by: str
    tests: int  # that execute its line
    seconds: float


class Executed:
    """Which tests execute which line: learnt from a run of all of them."""

    def __init__(self, file: Path, suite: str, marks: str) -> None:
        self.file, self.suite, self.marks = file, suite, marks
        self.failing: set[str] = set()
        self.sound: set[str] = set()  # that were seen to pass in a fork with nothing changed
        self._of: dict[str, dict[int, list[str]]] = {}

    def learn(self) -> None:
        """Run the tests, unless nothing has changed since the last time."""
        note = self.file.with_suffix(".note")
        now = _digest(self.suite + self.marks)
        if not (self.file.exists() and note.exists() and note.read_text().split()[0] == now):
            self._learn(note, now)
        self.failing = set(note.read_text().split("\n")[1:])

    def _learn(self, note: Path, now: str) -> None:
        print("learning which tests execute which line", flush=True)
        self.file.unlink(missing_ok=True)
        said = forked(self._run, 7200, resource.RLIM_INFINITY)
        if not self.file.exists():
            raise SystemExit(f"the tests could not be run: {said}")
        note.write_text(f"{now}\n{said}")

    def _run(self) -> str:
        measured = [str(ROOT / "fixgrad" / folder / "*") for folder in FOLDERS]
        recorder = coverage.Coverage(self.file, config_file=False, include=measured)
        forget()
        recorder.start()
        options = ["-q", "-p", "no:cacheprovider", "-m", self.marks]
        options += [f"--deselect={name}" for name in APART]
        switch = _Switch(recorder)
        pytest.main([*options, str(ROOT / self.suite)], plugins=[switch])
        recorder.stop()
        recorder.save()
        return "\n".join(sorted(switch.failed))

    def tests(self, mutant: Mutant) -> list[str]:
        """Return the tests that execute a mutant's line: that of the expression, or of the statement.

        Those come first that execute what few do near it: they are about what is changed.
        """
        if mutant.path not in self._of:
            data = coverage.CoverageData(str(self.file))
            data.read()
            self._of[mutant.path] = data.contexts_by_lineno(str(ROOT / mutant.path))
        by_line = self._of[mutant.path]
        found = {test for test in by_line.get(mutant.first, ()) if test}
        begin, end = mutant.lines
        closer = {test for line in range(begin, end + 1) for test in by_line.get(line, ()) if test}
        tests = sorted((closer or found) - self.failing)
        random.Random(str(mutant)).shuffle(tests)
        special: dict[str, float] = defaultdict(float)
        for line in range(mutant.first - NEAR, mutant.first + NEAR):
            for test in by_line.get(line, ()):
                special[test] += 1 / len(by_line[line])
        return sorted(tests, key=lambda test: -special[test])


class _Switch:
    """Tells the recorder which test is running; remembers those that fail as things are."""

    def __init__(self, recorder: coverage.Coverage) -> None:
        self.recorder = recorder
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.recorder.switch_context(item.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        self.recorder.switch_context("")


def _digest(suite: str) -> str:
    names = ["tests/*.py", "fixtures/**/*.*", *(f"fixgrad/{name}/**/*.py" for name in FOLDERS)]
    total = hashlib.sha256(suite.encode())
    for file in sorted({file for name in names for file in ROOT.glob(name) if file.is_file()}):
        total.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return total.hexdigest()


def every_mutant(only: str) -> list[Mutant]:
    """Return all mutants of the folders whose path holds a text."""
    files = (file for name in FOLDERS for file in sorted((ROOT / "fixgrad" / name).rglob("*.py")))
    paths = (file.relative_to(ROOT).as_posix() for file in files)
    return [mutant for path in paths if only in path for mutant in mutants_of(ROOT, path)]


def as_line(result: Result) -> str:
    """Return a result as it is written to a file."""
    return json.dumps({**result._asdict(), "mutant": list(result.mutant)})


def lived_on(file: Path) -> list[Mutant]:
    """Return the mutants that lived on in an earlier run, where they stand now."""
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    old = [_read(line["mutant"]) for line in lines if line["outcome"] in LIVES]
    by_file = {path: mutants_of(ROOT, path) for path in {mutant.path for mutant in old}}
    found = []
    for mutant in old:
        alike = [new for new in by_file[mutant.path] if _identity(new) == _identity(mutant)]
        found.extend(sorted(alike, key=lambda new: abs(new.first - mutant.first))[:1])
    return found


def _read(fields: Sequence[object]) -> Mutant:
    return Mutant(*(tuple(field) if isinstance(field, list) else field for field in fields))  # type: ignore[arg-type]


def _identity(mutant: Mutant) -> tuple[str, ...]:
    return (mutant.path, mutant.function, mutant.operator, mutant.before, mutant.after)


def attempt(mutant: Mutant, executed: Executed, options: argparse.Namespace) -> Result:
    """Put one mutant in place and run tests until one notices."""
    started = time.perf_counter()
    text = (ROOT / mutant.path).read_text("utf-8")
    tests = executed.tests(mutant)
    cases = [test for test in tests if test.startswith(CASE)][: options.cases]
    others = [test for test in tests if not test.startswith(CASE)][: options.tests]

    def said(chosen: Sequence[str], text: str) -> str:
        def act() -> str:
            put(ROOT, mutant.path, text)
            return first_failure(ROOT, chosen, options.seconds) or "survived"

        return forked(act, 60 * options.seconds)

    outcome, by = "never executed", ""
    while tests:
        outcome, _, by = said([*cases, *others], mutant.applied(text)).partition(" by ")
        if by not in others or by in executed.sound:
            break
        if said([by], text) == "survived":  # else it fails in a fork even so
            executed.sound.add(by)
            break
        others.remove(by)
    if outcome.startswith("broken"):
        outcome, by = "killed", outcome
    return Result(mutant, outcome, by, len(tests), time.perf_counter() - started)


def table(results: Sequence[Result]) -> str:
    """Return how many were killed, by folder and by operator."""
    lines = [f"{'':32}{'mutants':>8}{'killed':>8}{'ratio':>7}"]
    folders = [(result.mutant.path.split("/")[1], result) for result in results]
    operators = [(result.mutant.operator, result) for result in results]
    for entries in (folders, operators, [("all", result) for result in results]):
        total = Counter(name for name, _ in entries)
        killed = Counter(name for name, result in entries if result.outcome == "killed")
        lines.extend(
            f"{name:32}{number:8}{killed[name]:8}{killed[name] / number:7.3f}"
            for name, number in sorted(total.items())
        )
    return "\n".join(lines)


def run(mutants: Iterable[Mutant], options: argparse.Namespace) -> list[Result]:
    """Try mutants one after the other; say which live on."""
    executed = Executed(options.map, options.suite, options.marks)
    executed.learn()
    results = []
    out = options.out.open("w", encoding="utf-8") if options.out else None
    for mutant in mutants:
        result = attempt(mutant, executed, options)
        results.append(result)
        if result.outcome != "killed":
            print(f"{result.outcome} ({result.tests} tests, {result.seconds:.0f} s): {mutant}")
            sys.stdout.flush()
        if out:
            out.write(as_line(result) + "\n")
            out.flush()
    if out:
        out.close()
    return results


def main(arguments: Sequence[str]) -> int:
    """Try a sample; return 1 where one lives on."""
    parser = argparse.ArgumentParser(prog="python -m bench.mutants")
    parser.add_argument("--number", type=int, default=400, help="how many mutants to try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a part of the paths of the files to change")
    parser.add_argument("--suite", default="tests", help="the tests: a folder or a file")
    parser.add_argument("--marks", default="not torch", help="which of them: pytest's -m")
    parser.add_argument("--map", type=Path, default=ROOT / ".coverage.mutants")
    parser.add_argument("--out", type=Path, help="a file for all results")
    parser.add_argument("--again", type=Path, help="such a file: those that lived on in it")
    parser.add_argument("--cases", type=int, default=400, help="how many fixtures at most")
    parser.add_argument("--tests", type=int, default=60, help="how many other tests at most")
    parser.add_argument("--seconds", type=float, default=20.0, help="what one fixture may take")
    options = parser.parse_args(arguments)
    if options.again:
        sample = lived_on(options.again)
    else:
        every = every_mutant(options.only)
        sample = random.Random(options.seed).sample(every, min(options.number, len(every)))
        print(f"{len(sample)} of {len(every)} mutants", flush=True)
    results = run(sample, options)
    print(table(results))
    return int(any(result.outcome != "killed" for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
