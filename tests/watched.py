"""Programs that run under the probe in the warm child, and the verdicts on repairs of them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from fixgrad import pipeline
from fixgrad.edits import Operation
from fixgrad.findings import DEMAND, MADE, Applicability, Finding, Repair, Step
from fixgrad.pipeline import Options
from fixgrad.project import decode
from fixgrad.proof.notebook_text import runnable
from fixgrad.proof.observed import Observed
from fixgrad.proof.places import Files
from fixgrad.proof.rounds import Patches, Rounds
from fixgrad.runtime import cells, child, records
from fixgrad.source import Source, Span
from fixgrad.write import encoded
from tests.programs import Programs, main_of


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Make a folder the current one for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def observe(
    programs: Programs, user: Path, copy: Path, sources: Sequence[Source], **settings: object
) -> Observed:
    """Run the program of a copy under the probe."""
    out = copy.with_name(f"{copy.name}-records")
    out.mkdir()
    watched = {"roots": [str(copy)], "out": str(out), "seed": 0, "every": True, **settings}
    main = main_of(copy)
    if main.suffix == ".ipynb":
        text = out.with_suffix(".txt")
        (source,) = (source for source in sources if source.path == main.name)
        text.write_text(runnable(source), "utf-8", newline="")
        arguments = (str(text), str(main))
        runner = Path(cells.__file__)
        ran = programs.run(runner, arguments=arguments, folder=copy, settings=watched)
    else:
        ran = programs.run(main, settings=watched)
    files = Files(str(user), str(copy), sources)
    return Observed(child.Ran(ran.code, output=ran.output), records.read(str(out)), files)


def copied(user: Path, copy: Path, patches: Patches) -> Path:
    """Copy a program and repair the copy."""
    shutil.copytree(user, copy)
    for source, patch in patches:
        (copy / source.path).write_bytes(encoded(source, patch))
    return copy


def rounds_of(programs: Programs, user: Path, scratch: Path, sources: Sequence[Source]) -> Rounds:
    """Return what runs the program in `user`, the current folder, repaired in whatever way."""
    count = iter(range(1000))

    def run(patches: Patches) -> Observed:
        after = {source.path: pipeline.repaired_source(source, patch) for source, patch in patches}
        left = [after.get(source.path, source) for source in sources]
        copy = copied(user, scratch / f"run{next(count)}", patches)
        return observe(programs, user, copy, left)

    options = Options(diff=True, unsafe=True)
    return Rounds(run(()), lambda repairs: pipeline.patches_of(sources, repairs, options), run)


def source_of(path: str) -> Source:
    """Read a file of the current folder."""
    source = decode(path, Path(path).read_bytes())
    assert isinstance(source, Source)
    return source


def repair_of(
    source: Source, rule: str, conversion: str, demand: str, *operations: tuple[str, str, str]
) -> Repair:
    """Make a repair by hand: expressions are given as text that stands once in the source."""
    made = span_of(source, conversion)
    asked = span_of(source, demand)
    steps = (Step(made, "made here", MADE), Step(asked, "demanded here", DEMAND))
    finding = Finding(rule, made, "made by hand", "high", steps)
    done = tuple(Operation(span_of(source, text), kind, what) for text, kind, what in operations)
    return Repair(finding, done, Applicability.SAFE, "made by hand")


def span_of(source: Source, text: str) -> Span:
    """Return where a text stands, on one line."""
    assert source.text.count(text) == 1, text
    at = source.text.index(text)
    line = source.text.count("\n", 0, at) + 1
    column = at - (source.text.rfind("\n", 0, at) + 1)
    return Span(source.path, line, column, line, column + len(text))
