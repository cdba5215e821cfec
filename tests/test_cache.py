"""The cache changes how long a run takes, never what it says; and whatever is wrong with it is made anew."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fixgrad import memory, pipeline
from fixgrad.cache import folder, keys, store
from fixgrad.cache.values import dumped, loaded
from fixgrad.findings import Applicability, Finding, Repair, Step
from fixgrad.flow.lower import lower
from fixgrad.options import Options
from fixgrad.pipeline import Outcome
from fixgrad.report import Report, render
from fixgrad.source import CellLine, Span

PROGRAM = """import numpy as np
import torch
from shared{n} import scaled

x = torch.from_numpy(np.ones({n} + 1))
scaled(x).sum().backward()
print(x.grad)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four programs with a module each, a file that is not Python, and a notebook; all of them old."""
    top = tmp_path / "project"
    top.mkdir()
    for n in range(4):
        (top / f"program{n}.py").write_text(PROGRAM.format(n=n))
        (top / f"shared{n}.py").write_text("def scaled(t):\n    return t * 2\n")
    (top / "broken.py").write_text("import torch\nx = (\n")
    cells = '{"cells": [{"cell_type": "code", "source": ["import torch, numpy as np\\n", '
    cells += (
        '"w = torch.from_numpy(np.ones(3))\\n", "(w * w).sum().backward()\\n", "print(w.grad)"]'
    )
    (top / "book.ipynb").write_text(cells + ', "metadata": {}, "outputs": []}], "nbformat": 4}')
    aged(top)
    monkeypatch.chdir(top)
    monkeypatch.setattr(memory, "WORTH_KEEPING", 0)
    return top


def aged(top: Path) -> None:
    """Let files look as if nobody had written them just now."""
    for path in top.iterdir():
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns - 60 * 10**9))


@pytest.fixture
def kept(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[int, int]]:
    """Return what counts the files lowered and the parts followed since it was asked last."""
    from fixgrad import analysis  # noqa: PLC0415

    count = {"lowered": 0, "followed": 0}
    concluded = analysis._concluded

    def lowering(*given: object) -> object:
        count["lowered"] += 1
        return lower(*given)  # type: ignore[arg-type]

    def following(*given: object) -> object:
        count["followed"] += 1
        return concluded(*given)  # type: ignore[arg-type]

    monkeypatch.setattr("fixgrad.crew.lower", lowering)
    monkeypatch.setattr(analysis, "_concluded", following)

    def since() -> tuple[int, int]:
        found = count["lowered"], count["followed"]
        count.update(lowered=0, followed=0)
        return found

    return since


def found(cache: str | None, **more: object) -> Outcome:
    options = Options(diff=True, cache=cache)._replace(**more)  # type: ignore[arg-type]
    return pipeline.run(options)._replace(followed=None)


def said(outcome: Outcome, form: str = "full") -> bytes | str:
    sources = {source.path: source for source in (*outcome.others, *outcome.sources)}
    return render(form, Report(outcome.entries, sources, outcome.problems, outcome.files))


def same(one: Outcome, other: Outcome) -> bool:
    one, other = (each._replace(sources=(), is_recalled=False) for each in (one, other))
    return one == other


@pytest.mark.slow
class TestSame:
    def test_nothing_changed(self, project: Path, kept: str, worked: Callable[[], object]) -> None:
        plain = found(None, diff=False)
        assert len(plain.entries) == 5
        worked()
        assert same(found(kept, diff=False), plain)
        assert worked() == (10, 5)
        assert same(found(kept, diff=False), plain)
        assert worked() == (0, 0)

    def test_the_patch(self, project: Path, kept: str) -> None:
        plain = found(None)
        assert len(plain.patches) == 5
        for _ in range(3):
            assert same(found(kept), plain)

    @pytest.mark.parametrize("form", ["full", "concise", "json", "sarif", "gitlab", "rdjson"])
    def test_every_report(self, project: Path, kept: str, form: str) -> None:
        plain = said(found(None, diff=False), form)
        assert said(found(kept, diff=False), form) == plain
        assert said(found(kept, diff=False), form) == plain

    def test_one_file_changed(self, project: Path, kept: str, worked: Callable[[], object]) -> None:
        found(kept)
        path = project / "shared2.py"
        path.write_text("def scaled(t):\n    return t.detach() * 2\n")
        worked()
        again = found(kept, diff=False)
        assert worked() == (3, 1)  # that file, the notebook and what is not Python; its part
        assert same(again, found(None, diff=False))
        assert sum(entry.fixable for entry in again.entries) == 4

    def test_changed_within_the_tick_of_the_clock(self, project: Path, kept: str) -> None:
        path = project / "program1.py"
        before = path.stat()
        found(kept)
        path.write_text(PROGRAM.format(n=1).replace("+ 1", "+ 7"))  # as long as it was
        assert path.stat().st_size == before.st_size
        assert same(found(kept), found(None))

    def test_written_just_before_the_run(self, project: Path, kept: str) -> None:
        """A file may change again with the same time of change: such a run leaves no snapshot."""
        path = project / "program1.py"
        path.write_text(PROGRAM.format(n=1))
        now = path.stat().st_mtime_ns
        found(kept)
        path.write_text(PROGRAM.format(n=1).replace("print(x.grad)", "print(x.grd )"))
        os.utime(path, ns=(now, now))
        assert same(found(kept), found(None))

    def test_a_file_comes_and_goes(self, project: Path, kept: str) -> None:
        found(kept)
        (project / "more.py").write_text(PROGRAM.format(n=0))
        assert same(found(kept), found(None))
        (project / "program0.py").unlink()
        assert same(found(kept), found(None))
        (project / "shared1.py").unlink()
        assert same(found(kept), found(None))

    def test_a_module_takes_the_place_of_another(self, project: Path, kept: str) -> None:
        found(kept)
        (project / "shared3").mkdir()
        (project / "shared3" / "__init__.py").write_text("def scaled(t):\n    return t.detach()\n")
        aged(project)
        assert same(found(kept), found(None))
        assert len(found(kept).patches) == 4

    def test_options(self, project: Path, kept: str) -> None:
        for more in (
            {},
            {"style": "requires_grad_"},
            {"ignore": ("ALL",), "select": ("FG2",)},
            {"unsafe": True},
            {"ignored_in": (("program1.py", ("FG101",)),)},
            {"models": {"stops-grad": ({"call": "shared1.scaled"},)}},
            {"paths": ("program1.py",)},
            {"paths": ("program1.py", "program2.py")},
        ):
            assert same(found(kept, **more), found(None, **more)), more
            assert same(found(kept, **more), found(None, **more)), more

    def test_repairs_are_written(self, project: Path, kept: str) -> None:
        found(kept)
        outcome = pipeline.run(Options(fix=True, cache=kept))
        assert len(outcome.patches) == 5
        assert not found(kept).patches
        assert same(found(kept), found(None))

    def test_what_is_around_the_given_files(self, project: Path, kept: str) -> None:
        only = {"paths": ("program0.py", "program1.py")}
        assert same(found(kept, **only), found(None, **only))
        (project / "shared0.py").write_text("def scaled(t):\n    return t.detach()\n")
        assert same(found(kept, **only), found(None, **only))
        assert len(found(kept, **only).patches) == 1


@pytest.mark.slow
class TestSpoiled:
    def spoil(self, kept: str, how: Callable[[Path], object]) -> None:
        (path,) = Path(kept).glob("*.db")
        how(path)

    @pytest.mark.parametrize(
        "how",
        [
            lambda path: path.write_bytes(b"no database at all" * 999),
            lambda path: path.write_bytes(b""),
            lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
            lambda path: path.unlink(),
        ],
        ids=["other bytes", "empty", "cut", "gone"],
    )
    def test_the_file(self, project: Path, kept: str, how: Callable[[Path], object]) -> None:
        plain = found(kept)
        self.spoil(kept, how)
        for name in os.listdir(kept):
            if name.endswith(("-wal", "-shm")):
                os.remove(os.path.join(kept, name))
        assert same(found(kept), plain)
        assert same(found(kept), plain)

    @pytest.mark.parametrize("kind", ["head", "bodies", "concluded", "snapshot"])
    def test_a_row(self, project: Path, kept: str, kind: str) -> None:
        plain = found(kept)

        def how(path: Path) -> None:
            with sqlite3.connect(path) as connection:
                data = "x'00' || substr(data, 2)"
                connection.execute(f"UPDATE kept SET data = {data} WHERE kind = ?", (kind,))
            connection.close()

        self.spoil(kept, how)
        (project / "shared2.py").write_text("def scaled(t):\n    return t * 3\n")
        assert found(kept).patches == plain.patches

    @pytest.mark.parametrize("kind", ["head", "bodies", "concluded", "snapshot"])
    @pytest.mark.parametrize(
        "data", [b"", b"\xe3\xff\xff", b"[1, 2]", b'["tuple"]', b"(", b"(tuple"]
    )
    def test_a_row_that_somebody_has_made(
        self, project: Path, kept: str, kind: str, data: bytes
    ) -> None:
        plain = found(kept)

        def how(path: Path) -> None:
            with sqlite3.connect(path) as connection:
                asked = "SELECT key FROM kept WHERE kind = ?"
                for (key,) in connection.execute(asked, (kind,)).fetchall():
                    row = store._sum(kind, key, data) + data
                    given = (row, kind, key)
                    connection.execute("UPDATE kept SET data = ? WHERE kind = ? AND key = ?", given)
            connection.close()

        self.spoil(kept, how)
        (project / "shared2.py").write_text("def scaled(t):\n    return t * 3\n")
        assert found(kept).patches == plain.patches

    def test_a_row_that_is_no_bytes(self, project: Path, kept: str) -> None:
        plain = found(kept)

        def how(path: Path) -> None:
            with sqlite3.connect(path) as connection:
                connection.execute("UPDATE kept SET data = 'text'")
            connection.close()

        self.spoil(kept, how)
        assert same(found(kept), plain)

    def test_a_page_of_the_file(self, tmp_path: Path) -> None:
        """SQLite tells of it only when the page is read; the file is begun anew then."""
        path = str(tmp_path / "kept.db")
        rows = {f"key {number}": b"x" * 3000 for number in range(50)}
        first = store.Store(path)
        first.put("head", rows)
        first.close()
        data = bytearray(Path(path).read_bytes())
        data[4096:] = b"\xff" * (len(data) - 4096)
        Path(path).write_bytes(data)
        second = store.Store(path)
        assert second.get("head", rows) == {}
        second.put("head", rows)  # nothing comes of it any more
        second.close()
        third = store.Store(path)
        third.put("head", rows)
        assert third.get("head", rows) == rows
        third.close()

    def test_a_file_that_cannot_be_put_away(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "kept.db"
        path.write_bytes(b"no database at all" * 999)
        monkeypatch.setattr(store, "_remove", lambda path: None)
        none = store.Store(str(path))
        none.put("head", {"key": b"x"})
        assert none.get("head", ["key"]) == {}
        none.close()

    def test_what_is_not_ours_is_not_kept(self) -> None:
        with pytest.raises(TypeError, match="cannot be kept: set"):
            dumped((1, {2}))

    def test_a_value_of_another_kind(self) -> None:
        for data in (
            b"",
            b"{}",
            b'["object"]',
            b'["Span"]',
            b"[[[",
            b'["tuple", {"a": 1}]',
            b"[1]",
        ):
            with pytest.raises(ValueError, match=r"."):
                loaded(data)

    def test_values(self) -> None:
        cell = Span("a.ipynb", CellLine(7, 2, 3), 0, CellLine(7, 2, 3), 9)
        finding = Finding("FG101", cell, "ä \ud800", "high", (Step(cell, "made"),))
        value = (Repair(finding, (), Applicability.SAFE, "t"), None, 3, True)
        again = loaded(dumped(value))
        assert again == value
        assert str(again[0].finding.span) == str(cell)
        assert again[0].applicability is Applicability.SAFE

    def test_a_run_is_killed(self, project: Path, kept: str) -> None:
        plain = found(None)
        program = (
            "import sys, os, signal\n"
            "from fixgrad import memory, pipeline\n"
            "from fixgrad.cache import store\n"
            "memory.WORTH_KEEPING = 0\n"
            "put, left = store.Store.put, [int(sys.argv[1])]\n"
            "def dying(self, kind, rows):\n"
            "    if not left[0]:\n"
            "        self._connection.execute('BEGIN IMMEDIATE')\n"
            "        self._connection.execute(\"DELETE FROM kept WHERE kind = 'head'\")\n"
            "        os.kill(os.getpid(), signal.SIGKILL)\n"
            "    left[0] -= 1\n"
            "    put(self, kind, rows)\n"
            "store.Store.put = dying\n"
            "pipeline.run(pipeline.Options(diff=True, cache=sys.argv[2]))\n"
        )
        for after in range(3):
            (project / "shared2.py").write_text(f"def scaled(t):\n    return t * {after}\n")
            ran = subprocess.run([sys.executable, "-c", program, str(after), kept], check=False)
            assert ran.returncode == -signal.SIGKILL
            assert found(kept).patches == plain.patches
            assert found(kept).patches == plain.patches

    def test_runs_at_once(self, project: Path, kept: str) -> None:
        plain = found(None).patches
        with multiprocessing.get_context("spawn").Pool(3) as pool:
            answers = [pool.apply_async(_patched, (str(project), kept)) for _ in range(9)]
            assert all(answer.get(60) == plain for answer in answers)


def _patched(project: str, cache: str) -> object:
    os.chdir(project)
    memory.WORTH_KEEPING = 0
    return found(cache).patches


@pytest.mark.slow
class TestTold:
    def test_that_nothing_has_changed(self, project: Path, kept: str) -> None:
        (project / "long.py").write_text("import torch\n" + "# a remark\n" * 10_000)
        aged(project)
        command = [sys.executable, "-m", "fixgrad", "-v", "--cache-dir", kept, "."]
        for again in (False, True):
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            told = ", none of which has changed since the last run" in ran.stderr
            assert ("looked at 11 files in " in ran.stderr, told) == (True, again)


class TestFolder:
    def test_where(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.delenv(folder.VARIABLE, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
        assert folder.default_folder() == str(tmp_path / ".cache" / "fixgrad")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert folder.default_folder() == str(tmp_path / "xdg" / "fixgrad")
        monkeypatch.setenv(folder.VARIABLE, str(tmp_path / "mine"))
        assert folder.default_folder() == str(tmp_path / "mine")
        monkeypatch.delenv(folder.VARIABLE)
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # the user has no home
        assert folder.default_folder() is None

    def test_it_is_private_and_marked(self, project: Path, kept: str) -> None:
        found(kept)
        assert os.stat(kept).st_mode & 0o777 == 0o700
        tag = (Path(kept) / "CACHEDIR.TAG").read_text()
        assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55")

    def test_a_folder_that_others_may_write_is_not_used(
        self, project: Path, kept: str, worked: Callable[[], object]
    ) -> None:
        os.mkdir(kept)
        os.chmod(kept, 0o777)
        plain = found(None, diff=False)
        worked()
        for _ in range(2):
            assert same(found(kept, diff=False), plain)
            assert worked() == (10, 5)
        assert os.listdir(kept) == []

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to somebody else")
    def test_a_folder_of_somebody_else_is_not_used(self, project: Path, kept: str) -> None:
        os.mkdir(kept, 0o755)
        os.chown(kept, 12345, 12345)
        assert same(found(kept), found(None))
        assert os.listdir(kept) == []

    def test_a_link_is_not_followed(self, project: Path, kept: str, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir(0o700)
        os.symlink(tmp_path / "elsewhere", kept)
        assert same(found(kept), found(None))
        assert os.listdir(tmp_path / "elsewhere") == []

    def test_a_named_folder_that_cannot_be_one(self, project: Path, kept: str) -> None:
        Path(kept).write_text("a file")
        command = [sys.executable, "-m", "fixgrad", "--cache-dir", kept, "."]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 2
        assert f"--cache-dir: {kept}" in ran.stderr

    def test_nothing_is_kept_where_nobody_wants_it(self, project: Path, kept: str) -> None:
        command = [sys.executable, "-m", "fixgrad", "--no-cache", "--cache-dir", kept, "."]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 2
        assert not os.path.exists(kept)

    def test_databases_of_others_go_when_they_are_old(self, project: Path, kept: str) -> None:
        os.mkdir(kept, 0o700)
        for name, days in (("old", 31), ("new", 3)):
            path = Path(kept) / f"{name}.db"
            path.touch()
            then = time.time() - days * 24 * 3600
            os.utime(path, (then, then))
        found(kept)
        names = {name for name in os.listdir(kept) if name.endswith(".db")}
        assert names == {"new.db", f"{keys.fingerprint()}.db"}

    def test_it_does_not_grow_without_end(
        self, project: Path, kept: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store, "LARGEST", 10_000)
        plain = found(kept)
        assert not list(Path(kept).glob("*.db*"))
        assert same(found(kept), plain)

    def test_another_state_of_fixgrad(
        self,
        project: Path,
        kept: str,
        monkeypatch: pytest.MonkeyPatch,
        worked: Callable[[], object],
    ) -> None:
        found(kept)
        monkeypatch.setattr(store, "fingerprint", lambda: "of another version")
        worked()
        found(kept, diff=False)
        assert worked() == (10, 5)
