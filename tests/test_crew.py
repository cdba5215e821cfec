"""Work that is shared out gives what one process gives, whatever becomes of the workers."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fixgrad import cli, crew, pipeline, project, workers
from fixgrad.crew import Crew, sent_by
from fixgrad.errors import FixgradError
from fixgrad.flow.facts import facts, module_of
from fixgrad.flow.ir import Module, text_of
from fixgrad.flow.lower import lower
from fixgrad.options import Options
from fixgrad.pipeline import Outcome
from fixgrad.source import Source

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[1] / "fixtures"
PROGRAM = """import numpy as np
import torch
from shared{n} import scaled

x = torch.from_numpy(np.ones({n} + 1))
scaled(x).sum().backward()
print(x.grad)
"""
SHARED = "def scaled(t):\n    return t * 2\n"


@pytest.fixture
def twelve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve programs, each with a module of its own, one that is not Python, and a notebook."""
    for n in range(12):
        (tmp_path / f"program{n}.py").write_text(PROGRAM.format(n=n))
        (tmp_path / f"shared{n}.py").write_text(SHARED)
    (tmp_path / "broken.py").write_text("import torch\nx = (\n")
    cells = '{"cells": [{"cell_type": "code", "source": ["import torch, numpy as np\\n", '
    cells += (
        '"w = torch.from_numpy(np.ones(3))\\n", "(w * w).sum().backward()\\n", "print(w.grad)"]'
    )
    (tmp_path / "book.ipynb").write_text(
        cells + ', "metadata": {}, "outputs": []}], "nbformat": 4}'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(crew, "WORTH_READING", 0)
    monkeypatch.setattr(crew, "WORTH_SPAWNING", 0)
    monkeypatch.setattr(crew, "WORTH_FOLLOWING", 0)
    monkeypatch.setattr(crew, "_BATCH", 300)
    return tmp_path


def found(**more: Any) -> Outcome:
    outcome = pipeline.run(Options(diff=True, **more))
    return outcome._replace(followed=None)


def source(path: str, text: str) -> Source:
    made = project.from_text(path, text)
    assert isinstance(made, Source)
    return made


class TestShared:
    def test_alone(self, twelve: Path) -> None:
        outcome = found()
        assert len(outcome.patches) == 13
        assert [problem.path for problem in outcome.problems] == ["broken.py"]

    @pytest.mark.parametrize("jobs", [2, 3])
    def test_several_processes(self, twelve: Path, jobs: int) -> None:
        assert found(jobs=jobs) == found()

    def test_an_executor(self, twelve: Path) -> None:
        with ThreadPoolExecutor(2) as executor:
            assert found(executor=executor) == found()

    def test_where_the_system_does_not_fork(
        self, twelve: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(workers, "can_fork", lambda: False)
        assert found(jobs=2) == found()

    def test_programs_of_all_kinds(self, twelve: Path) -> None:
        for case in sorted(FIXTURES.glob("*/*"))[::25]:
            shutil.copytree(case, twelve / case.parent.name / case.name)
        alone = found()
        assert len(alone.patches) > 40
        assert found(jobs=2) == alone

    @pytest.mark.skipif(not workers.can_fork(), reason="parts go to copies of a process only")
    def test_the_processes_are_used(self, twelve: Path) -> None:
        here = os.getpid()
        there = Crew(2).spread(lambda item: os.getpid(), [1, 2, 3], [1, 1, 1])
        assert here not in there

    def test_small_projects_are_not_shared_out(
        self, twelve: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(crew, "WORTH_FOLLOWING", 100)
        assert set(Crew(2).spread(lambda item: os.getpid(), [1, 2], [50, 40])) == {os.getpid()}

    def test_order(self, twelve: Path) -> None:
        assert Crew(2).spread(lambda item: item * 2, list(range(50)), list(range(50))) == [
            item * 2 for item in range(50)
        ]


class TestFailures:
    def test_a_worker_is_killed(self, twelve: Path) -> None:
        here = os.getpid()

        def work(item: int) -> int:
            if item == 3 and os.getpid() != here:
                os.kill(os.getpid(), signal.SIGKILL)
            return item + 1

        assert Crew(2).spread(work, list(range(8)), [1] * 8) == list(range(1, 9))

    def test_every_worker_is_killed_while_it_reads(self, twelve: Path) -> None:
        class Dying(Executor):
            def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
                future: Future[Any] = Future()
                future.set_exception(RuntimeError("the worker died"))
                return future

        assert found(executor=Dying()) == found()

    def test_an_executor_that_is_closed(self, twelve: Path) -> None:
        executor = ThreadPoolExecutor(1)
        executor.shutdown()
        assert found(executor=executor) == found()

    def test_a_bug_of_ours_is_told_as_without_workers(
        self, twelve: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def buggy(*given: Any) -> Any:
            raise ZeroDivisionError

        monkeypatch.setattr("fixgrad.analysis._concluded", buggy)
        shared, alone = found(jobs=2), found()
        assert shared == alone
        assert any("ZeroDivisionError" in problem.message for problem in alone.problems)

    def test_an_executor_that_never_answers(
        self, twelve: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Silent(Executor):
            asked = 0

            def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
                self.asked += 1
                return Future()

        monkeypatch.setattr(crew, "PATIENCE", 0.2)
        silent = Silent()
        started = time.monotonic()
        assert found(executor=silent) == found()
        assert time.monotonic() - started < 0.2 * silent.asked  # only the first is waited for

    def test_one_answer_that_never_comes(self) -> None:
        class Forgetful(Executor):
            def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
                future: Future[Any] = Future()
                if args != (5,):
                    future.set_result(-args[0])
                return future

        done = workers.in_turn(Forgetful(), lambda item: 2 * item, range(1, 9), 0.05)
        assert list(done) == [-1, -2, -3, -4, 10, -6, -7, -8]

    def test_no_more_than_some_are_under_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Counting(Executor):
            asked = 0

            def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
                self.asked += 1
                future: Future[Any] = Future()
                future.set_result(fn(*args))
                return future

        monkeypatch.setattr(workers, "_AHEAD", 5)
        counting = Counting()
        for number, done in enumerate(workers.in_turn(counting, str, range(40))):
            assert done == str(number)
            assert counting.asked <= number + 5
        assert counting.asked == 40

    def test_what_is_under_way_is_given_up_with_the_run(self) -> None:
        class Waiting(Executor):
            def __init__(self) -> None:
                self.futures: list[Future[Any]] = [Future()]
                self.futures[0].set_exception(FixgradError("a worker has another"))

            def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
                self.futures.append(Future())
                return self.futures[len(self.futures) - 2]

        waiting = Waiting()
        with pytest.raises(FixgradError, match="has another"):
            next(workers.in_turn(waiting, str, range(3)))
        assert [future.cancelled() for future in waiting.futures] == [False, True, True, False]

    def test_a_worker_without_fixgrad(self, twelve: Path) -> None:
        class Bare(Executor):
            def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
                future: Future[Any] = Future()
                future.set_exception(ModuleNotFoundError("No module named 'fixgrad'"))
                return future

        with pytest.raises(
            FixgradError, match=r"a worker cannot load fixgrad .*; install it there"
        ):
            found(executor=Bare())

    def test_another_edition(self) -> None:
        with pytest.raises(
            FixgradError, match=r"a worker has fixgrad .*, not fixgrad 0\.0; install"
        ):
            sent_by([source("a.py", "")], "fixgrad 0.0")

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
    def test_a_run_that_is_ended_leaves_no_process(self, how: signal.Signals) -> None:
        program = (
            "import os, time\n"
            "from fixgrad import crew\n"
            "crew.WORTH_FOLLOWING = 0\n"
            "def work(item):\n"
            "    os.write(1, b'%d\\n' % os.getpid())\n"
            "    time.sleep(60)\n"
            "crew.Crew(2).spread(work, [1, 2], [1, 1])\n"
        )
        command = [sys.executable, "-c", program]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as running:
            assert running.stdout is not None
            children = [int(running.stdout.readline()) for _ in range(2)]
            running.send_signal(how)
            assert running.wait(20) != 0
        for _ in range(100):
            if not any(map(alive, children)):
                break
            time.sleep(0.05)
        assert not any(map(alive, children))


def alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


@pytest.fixture(autouse=True)
def no_worker_is_left() -> Any:
    yield
    assert not multiprocessing.active_children()


class TestAddress:
    @pytest.mark.parametrize(
        "address",
        [
            "dask",
            "dask://",
            "dask://host",
            "dask://host:x",
            "dask://a b:1",
            "ray://h:1",
            "host:8786",
        ],
    )
    def test_what_is_none(self, address: str, capfd: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["--executor", address, "."]) == 2
        said = f"fixgrad: --executor {address}: expected dask://HOST:PORT\n"
        assert capfd.readouterr() == ("", said)

    def test_dask_is_not_installed(
        self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setitem(sys.modules, "distributed", None)
        assert cli.run(["--executor=dask://localhost:8786", "."]) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith("fixgrad: --executor dask://localhost:8786: Dask cannot be loaded (")
        assert err.endswith("); pip install 'fixgrad[dask]'\n")


class TestThreads:
    """Python's limit of recursion and its filters of warnings belong to all threads of a process."""

    def test_they_take_turns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        inside: list[int] = []

        def watched(given: Source) -> Any:
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.005)
            inside.pop()
            return lower(given)

        most: list[int] = []
        monkeypatch.setattr(crew, "lower", watched)
        sources = [source(f"a{n}.py", f"x = {n}\n") for n in range(20)]
        with ThreadPoolExecutor(4) as executor:
            assert len(Crew(executor=executor).lowered(sources)) == 20
        assert set(most) == {1}


class TestFacts:
    TEXT = """
import torch as t
from . import other as o
class A(B.C):
    w: int = 3
    def f(self, x, /, y=1.5, *z, k=b"a", **m):
        for i in range(3):
            try:
                self.w += [1j, ..., "ä", -0.0, 1e400][i]
            finally:
                yield x if y else lambda q: q
"""

    def test_nothing_is_lost(self) -> None:
        module = lower(source("pkg/a.py", self.TEXT))
        assert isinstance(module, Module)
        known = facts(module)
        assert known is not None
        again = module_of("pkg/a.py", known)
        assert again._replace(functions=()) == module._replace(functions=())
        for one, other in zip(module.functions, again.functions, strict=True):
            assert text_of(one) == text_of(other)
            assert (one.body, one.places) == (other.body, other.places)
            for name in ("name", "kind", "place", "parameters", "defaults", "local", "tokens"):
                assert getattr(one, name) == getattr(other, name)
            assert (one.encloses, one.assigns, one.size) == (
                other.encloses, other.assigns, other.size,
            )  # fmt: skip

    def test_they_do_not_name_the_file(self) -> None:
        one, other = (lower(source(path, self.TEXT)) for path in ("a.py", "b/c.py"))
        assert isinstance(one, Module)
        assert isinstance(other, Module)
        assert facts(one) == facts(other)
