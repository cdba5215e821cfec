"""Every case under fixtures/: what fixgrad says of it and makes of it, and what torch says of both.

A case needs no code: see fixtures/README.md. fixgrad's side loads no torch and runs without it;
torch's side runs the programs without fixgrad. `--bless` rewrites `after/` from fixgrad's output.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import pytest

from fixgrad import pipeline
from fixgrad.findings import Refusal
from fixgrad.pipeline import Options
from fixgrad.project import decode
from fixgrad.source import Source
from fixgrad.write import encoded
from tests.programs import Programs, read_case, torch_side

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "fixtures"
CASES = sorted(path.parent for path in FIXTURES.glob("*/*/case.toml"))

# Which comments the cases of a kind may carry, and which of them they must.
COMMENTS = {
    "repair": ({"want", "refuse", "missing", "spurious"}, {"want", "missing"}),
    "noop": ({"spurious"}, set()),
    "refuse": ({"refuse", "missing", "spurious"}, {"refuse", "missing"}),
}
COMMENT = re.compile(r"#\s*(\w+):\s*(FG\w+(?:,\s*FG\w+)*)")


def id_of(case: Path) -> str:
    """Return how a case is named on pytest's command line."""
    return f"{case.parent.name}/{case.name}"


EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=id_of)


class Place(NamedTuple):
    """What stands on a line: a rule that finds something, or a code that refuses."""

    path: str
    line: int
    code: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.code}"


class Expected(NamedTuple):
    """What the comments of a case say."""

    places: dict[str, set[Place]]  # by the word of the comment

    @property
    def said(self) -> set[Place]:
        """What fixgrad says, right or wrong: rules and refusals."""
        return self.places["want"] | self.places["refuse"] | self.places["spurious"]

    @property
    def known_wrong(self) -> bool:
        """Whether fixgrad's answer is recorded as wrong."""
        return bool(self.places["missing"] | self.places["spurious"])


class Seen(NamedTuple):
    """What fixgrad says of the files in the current folder."""

    said: dict[Place, str]
    problems: list[str]
    texts: dict[str, bytes]  # the files that it would write


def comments(folder: Path) -> Expected:
    """Read the comments of every file of code in a folder; lines of a notebook count through."""
    places: dict[str, set[Place]] = {
        word: set() for word in ("want", "refuse", "missing", "spurious")
    }
    for path, data in code_files(folder).items():
        source = decode(path, data)
        assert isinstance(source, Source), source
        for number, line in enumerate(source.lines(), 1):
            for word, codes in COMMENT.findall(line):
                places.setdefault(word, set()).update(
                    Place(path, number, code.strip()) for code in codes.split(",")
                )
    return Expected(places)


def look(*, unsafe: bool, paths: tuple[str, ...] = ()) -> Seen:
    """Ask fixgrad about the current folder, or some files in it, as `fixgrad --diff` does."""
    outcome = pipeline.run(Options(paths, diff=True, unsafe=unsafe))
    said: dict[Place, str] = {}
    for each in (*outcome.repaired, *(entry.outcome for entry in outcome.entries)):
        span = each.finding.span
        if isinstance(each, Refusal):
            text = f"{each.finding.rule} refused: {each.reason}"
            said[Place(span.path, span.line, each.code)] = text
        else:
            said[Place(span.path, span.line, each.finding.rule)] = each.finding.message
    texts = {patch.path: encoded(source, patch) for source, patch in outcome.patches}
    return Seen(said, [str(problem) for problem in outcome.problems], texts)


def compared(seen: Seen, expected: Expected) -> Iterator[str]:
    """Yield what fixgrad says and the comments do not, and the other way round."""
    yield from seen.problems
    for place in sorted(seen.said.keys() - expected.said):
        cured = place in expected.places["missing"]
        hint = ": cured, so the comment `# missing:` becomes a plain one" if cured else ""
        yield f"unexpected: {place} ({seen.said[place]}){hint}"
    for place in sorted(expected.said - seen.said.keys()):
        cured = place in expected.places["spurious"]
        yield f"cured: {place}, so its comment goes" if cured else f"not found: {place}"


def text_diff(name: str, expected: bytes, got: bytes) -> str:
    """Return how the repaired text differs from the one in `after/`."""
    wanted, written = (
        data.decode("utf-8", "backslashreplace").splitlines() for data in (expected, got)
    )
    diff = difflib.unified_diff(wanted, written, name, "what fixgrad writes", n=1, lineterm="")
    return "\n".join(diff) or f"{name}: only newlines differ"


def code_files(folder: Path) -> dict[str, bytes]:
    """Return the contents of the Python files and notebooks in a folder by their path in it."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.suffix in (".py", ".ipynb")
    }


def own_copy(folder: Path, place: Path) -> None:
    """Copy a program to where nothing around it, such as git, can matter; go there."""
    shutil.copytree(folder, place, ignore=shutil.ignore_patterns("__pycache__"))
    os.chdir(place)


def is_unsafe(case: Path) -> bool:
    """Say whether the repair of a case needs --unsafe-fixes."""
    return bool(read_case(case).get("unsafe"))


def given(case: Path) -> tuple[str, ...]:
    """Return the files that alone are named on the command line; none means all."""
    paths = read_case(case).get("given", [])
    assert isinstance(paths, list)
    return tuple(paths)


def untold(case: Path, seen: Seen) -> Iterator[str]:
    """Yield the messages and reasons that a case wants to be told and is not."""
    texts = read_case(case).get("says", [])
    assert isinstance(texts, list)
    told = {text.partition(" refused: ")[2] or text for text in seen.said.values()}
    for text in texts:
        if text not in told:
            yield f"nothing says {text!r}: {sorted(told)}"


def fixgrad_side(case: Path, place: Path, *, blessed: bool) -> Iterator[str]:
    """Yield what is wrong with a case as far as fixgrad alone can tell."""
    repair, unsafe = case.parent.name == "repair", is_unsafe(case)
    folder = case / "before" if repair else case
    expected = comments(folder)
    own_copy(folder, place)
    paths = given(case)
    seen = look(unsafe=unsafe, paths=paths)
    yield from compared(seen, expected)
    yield from untold(case, seen)
    if not repair:
        if not expected.known_wrong:
            yield from (f"{path} would be changed" for path in seen.texts)
        return
    repaired = {**code_files(folder), **seen.texts}
    if expected.known_wrong:
        return  # after/ holds what is right
    if blessed:
        _bless(case, repaired)
    after = code_files(case / "after")
    for path in sorted(after.keys() | repaired.keys()):
        if after.get(path) != repaired.get(path):
            yield text_diff(f"after/{path}", after.get(path, b""), repaired.get(path, b""))
    if unsafe and look(unsafe=False, paths=paths).texts == seen.texts:
        yield "case.toml says unsafe, but the same is written without --unsafe-fixes"
    # The second pass, over what is right: every `after` is a noop.
    for path, data in after.items():
        Path(path).write_bytes(data)
    again = look(unsafe=unsafe, paths=paths)
    refused = Expected({**comments(case / "after").places, "want": set()})
    yield from (f"second pass: {wrong}" for wrong in compared(again, refused))
    yield from (f"second pass: {path} would be changed" for path in again.texts)


def _bless(case: Path, repaired: dict[str, bytes]) -> None:
    for path, data in repaired.items():
        file = case / "after" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the cases' copies: pytest takes a sixth of the time for one each."""
    return tmp_path_factory.mktemp("copies")


@EVERY_CASE
def test_fixgrad_side(
    case: Path, copies: Path, bless: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copies)  # and back at the end
    wrong = list(fixgrad_side(case, copies / id_of(case) / "case", blessed=bless))
    if wrong:
        pytest.fail("\n".join([id_of(case), *wrong]), pytrace=False)


def odd_comments(case: Path) -> Iterator[str]:
    """Yield what is wrong with the comments of a case."""
    kind = case.parent.name
    expected = comments(case / "before" if kind == "repair" else case)
    words = {word for word, places in expected.places.items() if places}
    allowed, one_of = COMMENTS[kind]
    if words - allowed:
        yield f"{id_of(case)}: {words - allowed} means nothing here"
    if one_of and not words & one_of:
        yield f"{id_of(case)}: none of {one_of}"
    if kind == "repair":
        repaired = comments(case / "after")
        for word, places in expected.places.items():
            codes = sorted((path, code) for path, _, code in places)
            if codes != sorted((path, code) for path, _, code in repaired.places[word]):
                yield f"{id_of(case)}: after/ has other comments `# {word}:`"


class TestCases:
    """The cases themselves: a comment that means nothing would test nothing."""

    def test_there_are_some(self) -> None:
        assert {case.parent.name for case in CASES} == COMMENTS.keys()

    def test_every_folder_is_a_case(self) -> None:
        folders = {path for path in FIXTURES.glob("*/*") if code_files(path)}
        assert folders == set(CASES)

    def test_their_comments(self) -> None:
        assert [text for case in CASES for text in odd_comments(case)] == []


@pytest.fixture(scope="module")
def torch_says(
    request: pytest.FixtureRequest, programs: Programs
) -> Iterator[Callable[[Path], list[str]]]:
    """Return what torch says of a case; two children run the programs of all cases meanwhile.

    Where pytest-xdist shares the tests out, each worker has a child, and runs what it is given.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        yield lambda case: torch_side(programs, case)
        return
    idle: SimpleQueue[Programs] = SimpleQueue()

    def answer(case: Path) -> list[str]:
        child = idle.get()
        try:
            return torch_side(child, case)
        finally:
            idle.put(child)

    chosen = {item.name for item in request.session.items}
    asked = [case for case in CASES if f"test_torch_side[{id_of(case)}]" in chosen]
    with Programs() as other:
        idle.put(programs)
        idle.put(other)
        pool = ThreadPoolExecutor(2)
        answers = {case: pool.submit(answer, case) for case in asked}
        try:
            yield lambda case: answers[case].result()
        finally:
            pool.shutdown(cancel_futures=True)


@pytest.mark.torch
@EVERY_CASE
def test_torch_side(case: Path, torch_says: Callable[[Path], list[str]]) -> None:
    wrong = torch_says(case)
    if wrong:
        pytest.fail("\n".join([id_of(case), *wrong]), pytrace=False)


def paths_of(case: Path) -> list[str]:
    """Return what the command line is given for a case, from the repository's root."""
    folder = case / "before" if case.parent.name == "repair" else case
    inside = [folder / path for path in given(case)] or [folder]
    return [str(path.relative_to(ROOT)) for path in inside]


class TestCommandLine:
    """All cases at once, in a repository, through the command line."""

    @pytest.fixture
    def repository(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Return a work tree of what is under fixtures/, the current folder."""
        root = tmp_path / "repository"
        shutil.copytree(FIXTURES, root / "fixtures", ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.chdir(root)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        subprocess.run(["git", "init", "-q"], check=True)
        subprocess.run(["git", "config", "core.autocrlf", "false"], check=True)
        return root

    def fixgrad(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "fixgrad", *arguments]
        ran = subprocess.run(command, capture_output=True, check=False, timeout=120)
        assert ran.returncode in (0, 1), ran.stderr.decode()
        return ran

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "options", [[], ["--unsafe-fixes"]], ids=lambda options: " ".join(options) or "safe"
    )
    def test_fix_twice_and_the_diff(self, repository: Path, options: list[str]) -> None:
        cases = [case for case in CASES if is_unsafe(case) == bool(options)]
        alone = [case for case in cases if given(case)]  # how far is looked around has a bound
        commands = [[*options, *paths_of(case)] for case in alone]
        commands.append([*options, *(p for c in cases if c not in alone for p in paths_of(c))])
        before = code_files(repository)
        diffs = [self.fixgrad("--diff", *paths).stdout for paths in commands]
        assert code_files(repository) == before
        for paths in commands:
            self.fixgrad("--fix", "-q", *paths)
        written = code_files(repository)
        self.check_written(cases, written)
        for paths in commands:
            self.fixgrad("--fix", "-q", *paths)
        assert code_files(repository) == written
        for path, data in before.items():
            Path(path).write_bytes(data)
        for diff in filter(None, diffs):
            subprocess.run(["git", "apply", "-"], input=diff, check=True)
        assert code_files(repository) == written != before

    def check_written(self, cases: list[Path], written: dict[str, bytes]) -> None:
        """Compare with `after/`: that other programs stand beside changes nothing."""
        wrong = []
        for case in cases:
            name = case.relative_to(ROOT).as_posix()
            repair = case.parent.name == "repair"
            folder = case / "before" if repair else case
            if comments(folder).known_wrong:
                continue
            for path, data in code_files(case / "after" if repair else case).items():
                got = written[f"{name}/before/{path}" if repair else f"{name}/{path}"]
                if got != data:
                    wrong.append(text_diff(f"{name}/{path}", data, got))
        if wrong:
            pytest.fail("\n".join([f"{len(wrong)} files differ", *wrong[:5]]), pytrace=False)


class TestKnownWrong:
    """A recorded wrong answer passes for as long as it is given, and fails once it is cured."""

    UNTRACKED = "import torch\nx = torch.tensor([1.0]){}\nx.sum().backward()\n"
    TRACKED = "import torch\nx = torch.tensor([1.0], requires_grad=True){}\nx.sum().backward()\n"

    @pytest.mark.parametrize(
        ("program", "comment", "wrong"),
        [
            (UNTRACKED, "  # spurious: FG104", []),
            (TRACKED, "  # spurious: FG104", ["cured: main.py:2 FG104, so its comment goes"]),
            (TRACKED, "  # missing: FG104", []),
            (UNTRACKED, "  # missing: FG104", ["so the comment `# missing:` becomes a plain one"]),
            (UNTRACKED, "", ["unexpected: main.py:2 FG104"]),
            (TRACKED, "  # want: FG104", ["not found: main.py:2 FG104"]),
        ],
    )
    def test_comment(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        program: str,
        comment: str,
        wrong: list[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("main.py").write_text(program.format(comment))
        got = list(compared(look(unsafe=False), comments(tmp_path)))
        assert len(got) == len(wrong)
        assert all(expected in line for expected, line in zip(wrong, got, strict=True))
