"""From a pasted traceback to the conversion that is to blame, and its repair."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from fixgrad import project
from fixgrad.errors import FixgradError
from fixgrad.explain.answer import Answer
from fixgrad.explain.place import explain
from fixgrad.explain.run import Run
from fixgrad.findings import Refusal, Repair
from fixgrad.source import Span

_FRAME = re.compile(r'^[ \t|]*File "([^"]+)", line ([0-9]+)', re.MULTILINE)
_CELL_FRAME = re.compile(r"^(?:File|Cell) ?(?:In)? ?(\S+\.py):([0-9]+)", re.MULTILINE)
_PYTEST_FRAME = re.compile(r"^(\S+\.py):([0-9]+): ", re.MULTILINE)
_ERROR = re.compile(r"^(?:E +)?((?:\w+\.)*\w*(?:Error|Exception)): ?(.*)$", re.MULTILINE)
_START = "Traceback (most recent call last)"
_MEANINGS = (
    (r"element 0 of tensors does not require grad", "the backward pass has nothing to differentiate"),
    (r"can't optimize a non-leaf Tensor", "what was granted was cast or changed before it got here"),
    (r"One of the differentiated Tensors does not require grad", "an input of the differentiation is not tracked"),
    (r"appears to not have been used in the graph", "an input of the differentiation has no part in the result"),
    (r"Can't call numpy\(\) on Tensor that requires grad", "NumPy takes the values of a tracked tensor"),
    (r"leaf Variable that requires grad|view of a leaf", "a tracked leaf is changed in place"),
    (r"backward through the graph a second time", "what was computed once is differentiated again"),
    (r"cannot register a hook on a tensor|can't retain_grad", "a hook is set on what is not tracked"),
    (r"gradcheck expects at least one input tensor", "no input of the check is tracked"),
    (r"[Oo]nly Tensors of floating point", "an integer tensor is asked for a gradient"),
    (r"argument 'requires_grad'|takes no keyword arguments", "a call that does not take `requires_grad`"),
    (r"has no attribute 'grad'", "`.grad` is read of an array"),
    (r"NoneType", "most likely a `.grad` that is None"),
)  # fmt: skip


class Frame(NamedTuple):
    """A line of a traceback."""

    path: str
    line: int


class Traceback(NamedTuple):
    """What was pasted."""

    error: str  # "RuntimeError"
    message: str
    frames: tuple[Frame, ...]  # the outermost first

    @property
    def meaning(self) -> str:
        """Say what the error has to do with gradients, or nothing."""
        found = (text for pattern, text in _MEANINGS if re.search(pattern, self.message))
        return next(found, "")


def read_traceback(text: str) -> Traceback:
    """Read the last traceback in a text, of Python or of pytest."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    errors = list(_ERROR.finditer(text))
    if not errors:
        raise FixgradError("no error stands in this traceback; paste it whole, with its last line")
    error = errors[-1]
    start = text.rfind(_START, 0, error.start())
    block = text[max(start, 0) : error.end()] if start >= 0 else text
    found = [match for pattern in (_FRAME, _CELL_FRAME) for match in pattern.finditer(block)]
    found = found or list(_PYTEST_FRAME.finditer(text))
    frames = tuple(Frame(m[1], int(m[2])) for m in sorted(found, key=lambda m: m.start()))
    if not frames:
        raise FixgradError("no place stands in this traceback; paste it whole, with its frames")
    return Traceback(error[1], error[2].strip(), frames)


def files_of(traceback: Traceback, known: Iterable[str]) -> list[Frame]:
    """Return the frames in known files, under the names that these have here."""
    places = {os.path.realpath(path): path for path in known}
    found = []
    for frame in traceback.frames:
        path = places.get(os.path.realpath(frame.path)) or _alike(frame.path, places.values())
        if path is not None:
            found.append(Frame(path, frame.line))
    return found


def _alike(path: str, known: Iterable[str]) -> str | None:
    """Return the file that ends like a path of another machine, where there is only one."""
    wanted = path.replace("\\", "/").split("/")
    if "site-packages" in wanted or os.path.exists(path):
        return None
    best: list[str] = []
    most = 0
    for other in known:
        parts = other.split("/")
        same = 0
        while same < min(len(parts), len(wanted)) and parts[-1 - same] == wanted[-1 - same]:
            same += 1
        if same and same >= most:
            best = [*(best if same == most else []), other]
            most = same
    return best[0] if len(best) == 1 else None


def blamed(run: Run, frames: Sequence[Frame]) -> list[Answer]:
    """Answer for the findings that the frames lead to, the innermost first; else for its line."""
    for frame in reversed(frames):
        outcomes = [each for each in _outcomes(run) if any(_on(frame, s) for s in _spans(each))]
        answers = [_answer(run, outcome) for outcome in outcomes]
        if answers:
            return list(dict.fromkeys(answers))
    last = frames[-1]
    answers = explain(run, last.path, last.line, None)
    reaching = {stage.span for answer in answers for stage in answer.stages}
    guilty = [each for each in _outcomes(run) if not reaching.isdisjoint(_spans(each))]
    return [_answer(run, outcome) for outcome in guilty] or answers


def _outcomes(run: Run) -> Iterator[Repair | Refusal]:
    yield from run.analysis.repairs
    yield from run.analysis.refusals


def _spans(outcome: Repair | Refusal) -> Iterator[Span]:
    yield outcome.finding.span
    yield from (step.span for step in outcome.finding.trace)
    if isinstance(outcome, Repair):
        yield from (operation.span for operation in outcome.operations)


def _on(frame: Frame, span: Span) -> bool:
    return span.path == frame.path and span.line <= frame.line <= span.end_line


def _answer(run: Run, outcome: Repair | Refusal) -> Answer:
    span = outcome.finding.span
    found = explain(run, span.path, span.line, span.column)
    exact = [answer for answer in found if answer.outcome == outcome]
    if exact:
        return exact[0]
    if isinstance(outcome, Repair):
        return Answer(span, "repaired", f"repaired: {outcome.finding.message}", outcome=outcome)
    return Answer(span, "refused", f"refused: {outcome.code} {outcome.reason}", outcome=outcome)


def known_files(paths: Sequence[str], exclude: Sequence[str | project.Glob]) -> tuple[str, ...]:
    """Return the files that a traceback may lead to."""
    return project.find_files(paths, exclude=exclude)
