"""What the whole test run shares: the option `--bless`, what is left out, a warm child with torch, and Ctrl-C."""

from __future__ import annotations

import gc
import importlib.util
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixgrad import cli, crew
from fixgrad.cache.folder import VARIABLE
from tests import reports
from tests.explained import HEAD
from tests.notebooks import jupyter, markdown
from tests.programs import Programs

MODULE_MARK = re.compile(r"^pytestmark = pytest\.mark\.(torch|slow)$", re.M)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this project."""
    parser.addoption(
        "--bless",
        action="store_true",
        help="rewrite what is compared with fixgrad's output: fixtures/repair/*/after, README.md",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start processes as asked; refuse to bless where nobody looks; leave the user's cache alone."""
    os.environ[VARIABLE] = os.path.join(tempfile.gettempdir(), f"fixgrad-cache-{os.getpid()}")
    if method := os.environ.get("FIXGRAD_START_METHOD"):
        multiprocessing.set_start_method(method)
        crew.WORTH_READING = crew.WORTH_SPAWNING = 0  # each run of several files has workers
    if config.getoption("bless") and os.environ.get("CI"):
        raise pytest.UsageError("--bless is refused where CI is set: bless at home, read the diff")


def pytest_unconfigure() -> None:
    """Remove the cache of this test run."""
    shutil.rmtree(os.environ[VARIABLE], ignore_errors=True)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave modules unread of which `-m` deselects every test: some import torch, some make their tests."""
    if collection_path.suffix != ".py":
        return None
    terms = str(config.getoption("markexpr")).split(" and ")
    marks = MODULE_MARK.findall(collection_path.read_text("utf-8"))
    return True if any(f"not {mark}" in terms for mark in marks) else None


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over the tests themselves: thousands, which stay to the end."""
    gc.freeze()


@pytest.fixture(scope="session")
def bless(pytestconfig: pytest.Config) -> bool:
    """Say whether to rewrite what differs instead of failing."""
    return bool(pytestconfig.getoption("bless"))


def pytest_sessionstart() -> None:
    """Hear the Ctrl-C that tests send, though a shell that starts us in the background mutes it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def programs() -> Iterator[Programs]:
    """Return a child that has loaded torch and runs programs."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    with Programs() as child:
        yield child


@pytest.fixture
def reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a repository with findings of all kinds, and work in a folder of it."""
    top = tmp_path / "repository"
    here = top / "src dir"
    (here / "lib").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    (here / "lib/sgd.py").write_text(reports.STEP)
    (here / "fit größe.py").write_text(HEAD + reports.FIT, "utf-8")
    (here / "levels.py").write_text(HEAD + reports.LEVELS)
    (here / "cut.py").write_text(HEAD + reports.CUT)
    (here / "two.py").write_text(HEAD + reports.TWO)
    (here / "n.ipynb").write_bytes(jupyter(markdown("# on"), HEAD, "".join(reports.NOTEBOOK)))
    monkeypatch.chdir(here)
    for name in ("NO_COLOR", "GITHUB_STEP_SUMMARY", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return here


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return fixgrad's standard output as a function of its options."""

    def run(*arguments: str, code: int = 1) -> str:
        capfd.readouterr()
        got = cli.run(arguments)
        out, err = capfd.readouterr()
        assert got == code, err
        return out

    return run
