"""A Dask cluster reads the files: the output is that of one process, whatever becomes of the cluster."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import fixgrad
from fixgrad import cli, crew, executors, progress
from fixgrad.flow.lower import lower
from fixgrad.source import Source
from tests import fleet
from tests.notebooks import jupyter

pytest.importorskip("distributed", reason="Dask is an extra: pip install 'fixgrad[dask]'")
from distributed import Client, LocalCluster

pytestmark = pytest.mark.slow

HEAD = "import numpy as np\nimport torch\n"
PROGRAM = """
from shared{n} import scaled

x = torch.from_numpy(np.ones({n} + 1))
scaled(x).sum().backward()
print(x.grad)
"""
SHARED = "def scaled(t):\n    return t * 2\n"
PADDING = "def step(a, b=0.5, *rest):\n    return [a + i for i in range(3) if i] or {'b': b}\n\n"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three programs, each with a module of its own, thirty without findings, and what is difficult."""
    for n in range(3):
        (tmp_path / f"program{n}.py").write_text(HEAD + PADDING * 9 + PROGRAM.format(n=n))
        (tmp_path / f"shared{n}.py").write_text(HEAD + SHARED)
    for n in range(30):
        (tmp_path / f"steps{n}.py").write_text(HEAD + PADDING * 60)
    (tmp_path / "broken.py").write_text(HEAD + "x = (\n")
    (tmp_path / "deep.py").write_text(HEAD + "x = " + "-" * 900 + "1\n")
    cell = HEAD + "w = torch.from_numpy(np.ones(3))\n(w * w).sum().backward()\nprint(w.grad)"
    (tmp_path / "book.ipynb").write_bytes(jupyter(cell))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(crew, "_BATCH", 4_000)  # a file of steps
    return tmp_path


Asked = Callable[..., tuple[int, str, str]]


@pytest.fixture
def asked(programs: Path, capfd: pytest.CaptureFixture[str]) -> Asked:
    """Return what runs fixgrad on the programs: its exit code, its output and its notes."""

    def run(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.run(["--isolated", "--no-cache", *words])
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that is not of the project."""
    return tmp_path_factory.mktemp("elsewhere")


@contextlib.contextmanager
def cluster_of(workers: int) -> Iterator[Any]:
    others = set(multiprocessing.active_children())
    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    ) as cluster:
        yield cluster
    assert set(multiprocessing.active_children()) <= others


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with cluster_of(2) as cluster:
        yield cluster


def at(cluster: Any) -> str:
    return "--executor=" + str(cluster.scheduler_address).replace("tcp://", "dask://")


@contextlib.contextmanager
def meanwhile(action: Callable[[], None]) -> Iterator[None]:
    """Do something when the answer to the first piece of work is here."""

    def heard(stage: str, done: int, total: int) -> None:
        if stage == "reading" and done == 1:
            assert total > 12
            action()

    with progress.told_to(heard):
        yield


def processes(cluster: Any) -> dict[str, int]:
    with Client(cluster, set_as_default=False) as client:
        return dict(client.run(os.getpid))


class TestCluster:
    @pytest.mark.parametrize("words", [["--output-format=json"], ["--diff"]])
    def test_the_output_is_that_of_one_process(
        self, cluster: Any, asked: Asked, words: Sequence[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alone = asked("--jobs=1", *words)
        assert alone[0] == 2  # one file is not Python
        assert "program2.py" in alone[1]

        def only_notebooks(source: Source) -> Any:
            assert source.notebook is not None, "a file was read here, not by the cluster"
            return lower(source)

        monkeypatch.setattr(crew, "lower", only_notebooks)
        assert asked(at(cluster), *words) == alone

    def test_together_with_processes_of_this_machine(
        self, cluster: Any, asked: Asked, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alone = asked("--diff", "--jobs=1")
        monkeypatch.setattr(crew, "WORTH_FOLLOWING", 0)
        assert asked("--diff", "--jobs=2", at(cluster)) == alone

    def test_a_worker_is_killed_while_it_works(self, cluster: Any, asked: Asked) -> None:
        alone = asked("--diff")
        before = processes(cluster)
        killed = []

        def kill() -> None:
            busy = max(cluster.scheduler.workers.values(), key=lambda w: len(w.processing))
            assert busy.processing
            killed.append(before[busy.address])
            os.kill(killed[0], signal.SIGKILL)

        with meanwhile(kill):
            assert asked("--diff", at(cluster)) == alone
        cluster.wait_for_workers(2)
        assert killed[0] not in processes(cluster).values()

    def test_repairs_are_written(self, cluster: Any, asked: Asked, programs: Path) -> None:
        (programs / "broken.py").unlink()
        assert asked("--fix", at(cluster))[0] == 0
        assert "requires_grad=True" in (programs / "program1.py").read_text()
        assert asked()[0] == 0

    def test_another_edition_is_told(self, cluster: Any, asked: Asked, elsewhere: Path) -> None:
        package = elsewhere / "fixgrad"
        shutil.copytree(Path(fixgrad.__file__).parent, package)
        start = package / "__init__.py"
        start.write_text(start.read_text().replace(fixgrad.__version__, "0.0.9"))
        with a_worker_more(cluster, elsewhere) as address:
            code, out, err = asked("--diff", at(cluster))
        assert (code, out) == (2, "")
        assert f"the worker at {address} has fixgrad 0.0.9 (" in err
        assert f", not fixgrad {fixgrad.__version__} (" in err

    def test_a_worker_without_fixgrad_is_told(
        self, cluster: Any, asked: Asked, elsewhere: Path
    ) -> None:
        (elsewhere / "fixgrad.py").write_text("raise ImportError('there is none')\n")
        with a_worker_more(cluster, elsewhere) as address:
            code, out, err = asked("--diff", at(cluster))
        assert (code, out) == (2, "")
        assert f"the worker at {address} cannot load fixgrad {fixgrad.__version__} (" in err
        assert "there is none" in err

    def test_it_takes_a_survey(self, cluster: Any, tmp_path: Path, elsewhere: Path) -> None:
        """The page about fleets has a program for it."""
        urls = [fleet.repository(tmp_path / name, fit=fleet.BROKEN) for name in ("one", "two")]
        address = cluster.scheduler_address
        survey = fleet.program("survey.py", elsewhere)
        ran = fleet.run(survey, "--dask", address, *map(str, urls))
        assert (ran.returncode, ran.stderr) == (0, "")
        found = fleet.rows(ran.stdout)
        assert {name: len(row["findings"]) for name, row in found.items()} == {"one": 1, "two": 1}


@contextlib.contextmanager
def a_worker_more(cluster: Any, path: Path) -> Iterator[str]:
    """Start a worker whose modules come from a folder."""
    known = set(cluster.scheduler.workers)
    command = [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address]
    command += ["--no-nanny", "--no-dashboard", "--nthreads=1", "--local-directory", str(path)]
    environment = {**os.environ, "PYTHONPATH": str(path)}
    with subprocess.Popen(
        command, env=environment, cwd=path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as worker:
        try:
            until(lambda: set(cluster.scheduler.workers) != known)
            (address,) = set(cluster.scheduler.workers) - known
            yield address
        finally:
            worker.terminate()
    until(lambda: address not in cluster.scheduler.workers)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


class TestWithoutWorkers:
    def test_all_are_lost(self, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
        """First no worker is there; then the only one is killed; then the scheduler ends as well."""
        alone = asked("--diff")
        monkeypatch.setattr(executors, "_PATIENCE", 0.5)
        monkeypatch.setattr(crew, "PATIENCE", 0.5)
        with cluster_of(0) as cluster:
            code, out, err = asked("--diff", at(cluster))
            assert (code, out) == (2, "")
            assert "the scheduler has no worker; start some with `dask worker`" in err
            for loss in (lambda: cluster.scale(0), cluster.close):
                cluster.scale(1)
                cluster.wait_for_workers(1)
                with meanwhile(loss):
                    assert asked("--diff", at(cluster)) == alone


class TestAddress:
    def test_nobody_answers(self, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(executors, "_PATIENCE", 0.5)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"dask://127.0.0.1:{free.getsockname()[1]}"
        said = f"fixgrad: --executor {address}: no scheduler answers there; start one with `dask scheduler`\n"
        assert asked("--executor", address) == (2, "", said)

    def test_what_answers_is_no_scheduler(
        self, asked: Asked, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(executors, "_PATIENCE", 0.5)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"dask://127.0.0.1:{silent.getsockname()[1]}"
            code, out, err = asked("--executor", address)
        assert (code, out) == (2, "")
        assert f"--executor {address}: no scheduler answers there" in err
