"""Programs that nobody wrote through everything that fixgrad does: nothing may break.

    python -m bench.fuzz --inputs N [--seconds S] [--seed N] [--seeds FOLDER]... [--failures FOLDER]

The inputs are Python files of the folders with bytes, lines, tokens, expressions or statements changed, the programs
of the fixtures changed and crossed with each other, notebooks made of them, and programs written at random (those of
hypothesmith too, where it is installed). Each is reported on, repaired, read again and repaired again. A failure is

- an error of fixgrad's own, in a run over the file or when it is followed as if all of it mattered;
- more than 5 s, or more than a minute, which ends the run over that input;
- a repaired program that Python does not take;
- repairs in a second run;
- a diff that `git apply` does not turn into the repaired program.

Each kind of failure is made smaller and kept in --failures, and it ends with 1.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import mutations, totality
from bench.grammar import Grammar
from bench.shrink import shrink
from fixgrad import pipeline
from fixgrad.options import Options
from fixgrad.patching import is_bug
from fixgrad.report import Report, render
from fixgrad.report.patch import render as render_patch
from fixgrad.write import encoded

FIXTURES = Path(__file__).parents[1] / "fixtures"
SLOW, ENDLESS = 5.0, 60  # seconds
_HEAD = "import torch, numpy as np\nx = torch.from_numpy(np.ones(3))\n"
_TAIL = "x.sum().backward()\nprint(x.grad)\n"
_REPORT = "please report it"  # from here on, what our errors say is always the same
_STYLES = ("auto", "auto", "tensor", "requires_grad_", "asarray")


class Input(NamedTuple):
    """One program and how it is to be repaired."""

    origin: str
    name: str  # "fuzzed.py" or "fuzzed.ipynb"
    data: bytes
    style: str = "auto"
    unsafe: bool = True


class Failure(NamedTuple):
    """What went wrong; failures of one kind have one cause."""

    kind: str  # "ValueError in bound of fixgrad/flow/calls.py:120"
    text: str

    @classmethod
    def of(cls, said: str, text: str) -> Failure:
        """Make a failure whose kind does not depend on the program's lines."""
        return cls(re.sub(r"(?<=line )\d+(?!, in)", "N", said.partition(f"; {_REPORT}")[0]), text)


class EndlessError(BaseException):
    """It takes so long that it is stopped."""


def examine(given: Input, folder: Path) -> Failure | None:
    """Let fixgrad do everything it does with one program; return what is wrong with that."""
    before = signal.signal(signal.SIGALRM, _stop)
    signal.alarm(ENDLESS)
    started = time.process_time()  # a machine may be busy
    try:
        failure = _examine(given, folder)
    except EndlessError:
        return Failure("endless", f"no end after {ENDLESS} s")
    except Exception as error:  # whatever it is, it is what is looked for
        return _raised(error)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    seconds = time.process_time() - started
    if failure is None and seconds > SLOW:
        return Failure("slow", f"{seconds:.1f} s")
    return failure


def _stop(number: int, frame: object) -> None:
    raise EndlessError


def _raised(error: BaseException) -> Failure:
    import traceback  # noqa: PLC0415  (not needed otherwise)

    last = traceback.extract_tb(error.__traceback__)[-1]
    place = "/".join(Path(last.filename).parts[-3:])
    text = "".join(traceback.format_exception(error))
    return Failure(f"{type(error).__name__} in {last.name} of {place}:{last.lineno}", text)


def _examine(given: Input, folder: Path) -> Failure | None:
    options = Options(diff=True, unsafe=given.unsafe, style=given.style, traceback=True)
    outcome = pipeline.run_on_text(given.name, given.data, options)
    if failure := _bug(outcome):
        return failure
    if outcome.entries or outcome.patches:
        reported = pipeline.run_on_text(given.name, given.data, options._replace(diff=False))
        if failure := _bug(reported):
            return failure
        sources = {source.path: source for source in reported.sources}
        for form in ("full", "json"):
            render(form, Report(reported.entries, sources, reported.problems, 1))
    if outcome.patches and (failure := _wrong(given, options, outcome, folder)):
        return failure
    if given.name.endswith(".py"):
        tried = totality.try_out(given.name, given.data)
        if tried.outcome not in ("followed", "no Python"):
            lines = tried.outcome.strip().splitlines()
            places = [line.strip() for line in lines if line.startswith("  File")]
            return Failure(f"{lines[-1].partition(':')[0]}: {places[-1:]}", tried.outcome)
    return None


def _bug(outcome: pipeline.Outcome) -> Failure | None:
    for problem in filter(is_bug, outcome.problems):
        lines = [line.strip() for line in problem.message.splitlines()]
        places = [line for line in lines if line.startswith("File")]
        said = lines[0].partition("(")[2].partition(":")[0] if places else lines[0]
        return Failure.of(f"{said}: {''.join(places[-1:])}", problem.message)
    return None


def _rules(outcome: pipeline.Outcome) -> str:
    return "+".join(sorted({repair.finding.rule for repair in outcome.repaired}))


def _wrong(
    given: Input, options: Options, outcome: pipeline.Outcome, folder: Path
) -> Failure | None:
    """Return what is wrong with a repaired program."""
    source, patch = outcome.patches[0]
    after = encoded(source, patch)
    if (message := _refused(patch.after)) and not _refused(patch.before):
        return Failure(f"not valid afterwards: {message.partition('(')[0]}", message)
    again = pipeline.run_on_text(given.name, after, options)
    if failure := _bug(again):
        return failure
    if again.problems:
        return Failure("a problem with the repaired file", str(again.problems[0]))
    if again.patches:
        kind = f"a second run repairs {_rules(again)} after {_rules(outcome)}"
        return Failure(kind, f"{patch.after}\n--- again:\n{again.patches[0][1].after}")
    return _not_applied(given, after, render_patch(outcome.patches), folder)


def _refused(text: str) -> str:
    """Return what Python's compiler says against a program."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "fuzzed.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return str(error)
    except (RecursionError, MemoryError):
        return ""
    return ""


def _not_applied(given: Input, after: bytes, diff: bytes, folder: Path) -> Failure | None:
    file = folder / given.name
    file.write_bytes(given.data)
    command = ["git", "apply", "--whitespace=nowarn", "-"]
    ran = subprocess.run(command, input=diff, cwd=folder, capture_output=True, check=False)
    if ran.returncode:
        return Failure("the diff does not apply", ran.stderr.decode() + diff.decode("latin-1"))
    if file.read_bytes() != after:
        return Failure("the diff makes something else", diff.decode("latin-1"))
    return None


class Maker:
    """Makes inputs; the same for the same seed and files."""

    def __init__(self, folders: Sequence[Path], seed: int) -> None:
        self.chance = random.Random(seed)
        self.files = totality.files_of(folders)
        self.programs = [path.read_bytes() for path in totality.files_of([FIXTURES])]
        self.smiths = _hypothesmith(seed)

    def make(self) -> Input:
        """Make the next input."""
        chance = self.chance
        ways: list[tuple[int, Callable[[], tuple[str, bytes]]]] = [
            (30, self._real), (25, self._fixture), (20, self._crossed), (20, self._written)
        ]  # fmt: skip
        if self.smiths is not None:
            ways.append(
                (
                    1,
                    lambda: (
                        "hypothesmith",
                        next(self.smiths or iter(())).encode("utf-8", "replace"),
                    ),
                )
            )
        _, way = chance.choices(ways, [weight for weight, _ in ways])[0]
        origin, data = way()
        name = "fuzzed.py"
        if chance.random() < 0.05:
            name = "fuzzed.ipynb"
            data = mutations.notebook(data, chance)
            if chance.random() < 0.3:
                data = mutations.mutant(data, chance)
        return Input(origin, name, data, chance.choice(_STYLES), chance.random() < 0.8)

    def _real(self) -> tuple[str, bytes]:
        if not self.files:
            return self._fixture()
        for _ in range(4):  # what does not mention torch is soon done with
            data = self.chance.choice(self.files).read_bytes()
            if b"torch" in data:
                break
        data = mutations.excerpt(data, self.chance)
        change = self.chance.choice((mutations.mutant, mutations.near))
        return "a real file", change(data, self.chance)

    def _fixture(self) -> tuple[str, bytes]:
        change = self.chance.choice((mutations.mutant, mutations.near, mutations.near))
        return "a fixture", change(self.chance.choice(self.programs), self.chance)

    def _crossed(self) -> tuple[str, bytes]:
        one, other = self.chance.choices(self.programs, k=2)
        return "two fixtures", mutations.crossed(one, other, self.chance)

    def _written(self) -> tuple[str, bytes]:
        data = Grammar(self.chance).program().encode()
        return "the grammar", mutations.mutant(
            data, self.chance
        ) if self.chance.random() < 0.3 else data


def _hypothesmith(seed: int) -> Iterator[str] | None:
    """Return programs of hypothesmith under the imports and over the end of one of ours."""
    try:
        import hypothesmith  # type: ignore[import-not-found]  # noqa: PLC0415  (need not be installed)
    except ImportError:
        return None
    from hypothesis import HealthCheck, Phase, given, settings  # noqa: PLC0415
    from hypothesis import seed as seeded  # noqa: PLC0415
    from hypothesis import strategies as st  # noqa: PLC0415

    def some(turn: int) -> list[str]:
        made: list[str] = []

        @seeded(seed + turn)
        @settings(max_examples=20, phases=[Phase.generate], database=None, deadline=None,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(st.one_of(hypothesmith.from_grammar(), hypothesmith.from_node()))
        def collect(text: str) -> None:
            made.append(text)

        collect()
        return made

    texts = (text for turn in itertools.count() for text in some(turn))
    return (f"{_HEAD}{text}\n{_TAIL}" for text in texts)


class Fuzzer:
    """A run over many inputs, and what it found."""

    def __init__(self, maker: Maker, failures: Path) -> None:
        self.maker = maker
        self.failures = failures
        self.inputs: Counter[str] = Counter()
        self.found: Counter[str] = Counter()

    def run(self, many: int, seconds: float) -> None:
        """Examine so many inputs, or for so long."""
        until = time.monotonic() + seconds
        current = self.failures / "current"  # what was under way if Python itself breaks down
        with tempfile.TemporaryDirectory() as folder:
            while self.inputs.total() < many and time.monotonic() < until:
                given = self.maker.make()
                current.write_bytes(given.data)
                failure = examine(given, Path(folder))
                self.inputs[given.origin] += 1
                if failure is not None:
                    self._keep(given, failure, Path(folder))
        current.unlink(missing_ok=True)

    def _keep(self, given: Input, failure: Failure, folder: Path) -> None:
        self.found[failure.kind] += 1
        if self.found[failure.kind] > 1:
            return

        def still(data: bytes) -> bool:
            again = examine(given._replace(data=data), folder)
            return again is not None and again.kind == failure.kind

        patience = 20 if failure.kind in ("slow", "endless") else 90
        small = given._replace(data=shrink(given.data, still, seconds=patience))
        failure = examine(small, folder) or failure
        number = f"{len(self.found):03}-{given.name}"
        (self.failures / number).write_bytes(small.data)
        text = f"{failure.kind}\n{given.origin}, style {given.style}, unsafe {given.unsafe}\n\n{failure.text}"
        (self.failures / f"{number}.txt").write_text(text, "utf-8", "backslashreplace")
        print(f"{self.failures / number}: {failure.kind}", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Fuzz; return 1 for any failure."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz")
    parser.add_argument("--inputs", type=int, default=1_000_000_000)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--seeds", type=Path, action="append", default=[], help="folders of Python files"
    )
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"))
    options = parser.parse_args(arguments)
    options.failures.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")  # of the syntax of what is read
    started = time.monotonic()
    fuzzer = Fuzzer(Maker(options.seeds, options.seed), options.failures)
    try:
        fuzzer.run(options.inputs, options.seconds)
    finally:
        for origin, number in sorted(fuzzer.inputs.items()):
            print(f"{number:7} of {origin}")
        for kind, number in fuzzer.found.most_common():
            print(f"{number:7} x {kind}")
        total, seconds = fuzzer.inputs.total(), time.monotonic() - started
        print(f"{total} inputs in {seconds:.0f} s, {fuzzer.found.total()} failures", flush=True)
    return int(fuzzer.found.total() > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
