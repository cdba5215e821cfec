"""Runs tests against a mutant: in a fork that loads fixgrad anew, with one module's text changed."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, FrameType, ModuleType

MEMORY = 3 << 30  # bytes that a mutant may take
KEPT = ("source", "errors", "progress", "depth", "edits", "findings", "policy", "knowledge")
CASE = "tests/test_fixtures.py::test_fixgrad_side["


class Changed(MetaPathFinder):
    """Finds one module with another text than that on disk."""

    def __init__(self, name: str, file: Path, text: str) -> None:
        self.name, self.file, self.text = name, file, text

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how the module is loaded; of others nothing."""
        if name != self.name:
            return None
        code = compile(self.text, str(self.file), "exec", dont_inherit=True)

        class Loader(SourceFileLoader):
            def get_code(self, fullname: str) -> CodeType:
                return code

        folder = [str(self.file.parent)] if self.file.name == "__init__.py" else None
        loader = Loader(name, str(self.file))
        return importlib.util.spec_from_file_location(
            name, self.file, loader=loader, submodule_search_locations=folder
        )


def forked(act: Callable[[], str], seconds: float, memory: int = MEMORY) -> str:
    """Return what a function says that is run in a fork; its end, where it does not come to that."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        try:
            _alone(seconds, memory)
            os.write(write, act().encode()[:4000])
        except BaseException as error:  # the parent is told of it, whatever it is
            os.write(write, f"broken: {type(error).__name__}: {error}".encode()[:4000])
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        said = answer.read().decode("utf-8", "replace")
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # what a test has left behind
    return said or f"killed by ending with {os.waitstatus_to_exitcode(status)}"


def _alone(seconds: float, memory: int) -> None:
    os.setsid()
    signal.setitimer(signal.ITIMER_REAL, seconds)  # what does not come to an end is killed
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def forget() -> None:
    """Forget what is loaded of fixgrad and its tests, but for what knows nothing of the analysis."""
    for name in list(sys.modules):
        top, _, rest = name.partition(".")
        kept = rest.partition(".")[0] in KEPT
        if top == "tests" or (top == "fixgrad" and not kept):
            del sys.modules[name]


def put(root: Path, path: str, text: str) -> None:
    """Have this process use another text of a module."""
    forget()
    name = ".".join(Path(path).with_suffix("").parts).removesuffix(".__init__")
    sys.meta_path.insert(0, Changed(name, root / path, text))


def first_failure(root: Path, tests: Sequence[str], seconds: float) -> str:
    """Run tests until one fails, the fixtures first; say which, or nothing."""
    import pytest  # noqa: PLC0415  (the parent has it loaded)

    cases = [test for test in tests if test.startswith(CASE)]
    others = [test for test in tests if not test.startswith(CASE)]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = os.environ["XDG_STATE_HOME"] = folder
        for number, test in enumerate(cases):
            if _fails(test, Path(folder, str(number)), seconds):
                return f"killed by {test.removeprefix(CASE)[:-1]}"
        if not others:
            return ""
        os.chdir(root)
        reporter = _Reporter()
        options = ["-x", "-q", "-p", "no:cacheprovider", f"--basetemp={folder}/pytest"]
        with contextlib.redirect_stdout(io.StringIO()):
            code = pytest.main([*options, *others], plugins=[reporter])
        return f"killed by {reporter.failed or 'collection'}" if code else ""


def _fails(test: str, folder: Path, seconds: float) -> bool:
    from tests.test_fixtures import FIXTURES, fixgrad_side  # noqa: PLC0415  (loads the mutant)

    signal.signal(signal.SIGALRM, _late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        case = FIXTURES / test.removeprefix(CASE)[:-1]
        return any(True for _ in fixgrad_side(case, folder, blessed=False))
    except Exception:  # a mutant may do anything
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 30 * seconds)


def _late(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError


class _Reporter:
    """Remembers the first test that fails."""

    failed = ""

    def pytest_runtest_logreport(self, report: object) -> None:
        if getattr(report, "failed", False):
            self.failed = self.failed or str(getattr(report, "nodeid", ""))
