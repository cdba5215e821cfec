"""All files or none, whatever fails on the way, and everything but the text as it was."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fixgrad.edits import Patch
from fixgrad.errors import FixgradError
from fixgrad.project import read
from fixgrad.source import Source
from fixgrad.write import interrupted, recover, replace, write

OLD, NEW = "old = 1\n", "new = 2\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty current folder, with the journal elsewhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def patch(path: str, after: str = NEW) -> tuple[Source, Patch]:
    source = read(path)
    assert isinstance(source, Source)
    return source, Patch(path, source.text, after, ())


def make(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(OLD)


def contents(folder: Path) -> set[str]:
    """Return what the files hold; fail where a temporary file was left."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert [file.name for file in files if "fixgrad" in file.name] == []
    return {file.read_text() for file in files}


def journals(folder: Path) -> list[Path]:
    return list((folder.parent / "state").rglob("*.json"))


class TestWhatStays:
    def test_every_file_is_written(self, here: Path) -> None:
        make("a.py", "p/b.py", "c.py")
        write([patch("a.py"), patch("p/b.py"), patch("c.py", OLD)])
        assert [Path(p).read_text() for p in ("a.py", "p/b.py", "c.py")] == [NEW, NEW, OLD]
        assert contents(here) == {OLD, NEW}
        assert journals(here) == []

    @pytest.mark.parametrize(
        "data",
        [b"# x\r\ny = 1\r", b"\xef\xbb\xbfx", b"# coding: latin-1\n'\xe9'", b"x = 1\x0c\n\t"],
    )
    def test_encoding_mark_and_newlines(self, here: Path, data: bytes) -> None:
        Path("a.py").write_bytes(data)
        source, _ = patch("a.py")
        write([(source, Patch("a.py", source.text, source.text + "\r\nnew", ()))])
        assert Path("a.py").read_bytes() == data + b"\r\nnew"

    @pytest.mark.parametrize("mode", [0o644, 0o755, 0o600, 0o664, 0o640])
    def test_mode(self, mode: int) -> None:
        make("a.py")
        os.chmod("a.py", mode)
        write([patch("a.py")])
        assert stat.S_IMODE(os.stat("a.py").st_mode) == mode

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
    def test_owner(self) -> None:
        make("a.py")
        os.chown("a.py", 1234, 4321)
        write([patch("a.py")])
        assert (os.stat("a.py").st_uid, os.stat("a.py").st_gid) == (1234, 4321)

    def test_extended_attributes(self) -> None:
        make("a.py")
        try:
            os.setxattr("a.py", "user.note", b"kept")
        except OSError:
            pytest.skip("this file system has none")
        write([patch("a.py")])
        assert os.getxattr("a.py", "user.note") == b"kept"

    def test_links(self) -> None:
        make("p/a.py")
        os.symlink("p/a.py", "link.py")
        os.symlink("link.py", "link2.py")
        write([patch("link2.py")])
        assert os.readlink("link2.py") == "link.py"
        assert Path("p/a.py").read_text() == NEW

    def test_nothing_to_write_touches_nothing(self, here: Path) -> None:
        make("a.py")
        os.chmod("a.py", 0o444)
        before = os.stat("a.py")
        write([patch("a.py", OLD)])
        assert os.stat("a.py").st_mtime_ns == before.st_mtime_ns


class TestRefused:
    def refused(self, patches: list[tuple[Source, Patch]], match: str) -> None:
        with pytest.raises(FixgradError, match=match) as raised:
            write(patches)
        assert str(raised.value).endswith("nothing was written")
        assert contents(Path()) == {OLD}

    def test_changed_since_it_was_read(self) -> None:
        make("a.py", "b.py")
        patches = [patch("a.py"), patch("b.py")]
        Path("b.py").write_text("mine = 3\n")
        with pytest.raises(FixgradError, match=r"^b.py: changed while fixgrad was at work; run ag"):
            write(patches)
        assert contents(Path()) == {OLD, "mine = 3\n"}

    def test_changed_between_the_check_and_the_rename(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make("a.py", "b.py")
        stage = replace._stage

        def slow(change: replace._Change) -> None:
            stage(change)
            Path("b.py").write_text("mine = 3\n")

        monkeypatch.setattr(replace, "_stage", slow)
        with pytest.raises(FixgradError, match=r"^b.py: changed"):
            write([patch("a.py"), patch("b.py")])
        assert contents(Path()) == {OLD, "mine = 3\n"}

    def test_gone_since_it_was_read(self) -> None:
        make("a.py", "b.py")
        patches = [patch("a.py"), patch("b.py")]
        Path("b.py").unlink()
        self.refused(patches, r"^b.py: the file is gone")

    def test_read_only_even_for_root(self) -> None:
        make("a.py", "b.py")
        os.chmod("b.py", 0o444)
        self.refused([patch("a.py"), patch("b.py")], r"^b.py: the file is read-only; make it writ")

    def test_a_character_that_the_encoding_lacks(self) -> None:
        make("a.py")
        Path("b.py").write_text("# coding: ascii\n")
        with pytest.raises(FixgradError, match=r"^b.py:2: cannot be written in .* ascii \("):
            write([patch("a.py"), patch("b.py", "# coding: ascii\n'é'\n")])
        assert Path("a.py").read_text() == OLD

    def test_an_encoding_that_does_not_come_back(self) -> None:
        data = b"# coding: utf-7\n'+AGEAYgBj-'\n"  # a roundabout way to write abc
        Path("a.py").write_bytes(data)
        source, _ = patch("a.py")
        with pytest.raises(FixgradError, match=r"^a.py: encoded as utf-7 the text does not come"):
            write([(source, Patch("a.py", source.text, source.text + "x", ()))])
        assert Path("a.py").read_bytes() == data

    def test_an_edit_that_would_change_the_encoding(self) -> None:
        Path("a.py").write_text("# coding: latin-1\n'é'\n", "latin-1")
        source, _ = patch("a.py")
        with pytest.raises(FixgradError, match="does not come back"):
            write([(source, Patch("a.py", source.text, "x\ny\n" + source.text, ()))])

    def test_one_file_under_two_names(self) -> None:
        make("a.py")
        os.symlink("a.py", "b.py")
        with pytest.raises(FixgradError, match=r"^b.py: the same file as a.py; give one of them"):
            write([patch("a.py"), patch("b.py")])

    def test_a_folder_that_takes_no_new_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        make("a.py", "p/b.py")
        open_ = os.open

        def refuse(path: str, flags: int, mode: int = 0o777) -> int:
            if "/p/.fixgrad" in str(path):
                raise PermissionError(errno.EACCES, "Permission denied")
            return open_(path, flags, mode)

        monkeypatch.setattr(os, "open", refuse)
        self.refused([patch("a.py"), patch("p/b.py")], r"^p/b.py: cannot be written \(Permission")


def failing(
    monkeypatch: pytest.MonkeyPatch, name: str, nth: int, error: Callable[[], BaseException]
) -> None:
    """Make the nth call of an os function fail."""
    real = getattr(os, name)
    calls = iter(range(1, 1000))

    def call(*arguments: object, **keywords: object) -> object:
        if next(calls) == nth:
            raise error()
        return real(*arguments, **keywords)

    monkeypatch.setattr(os, name, call)


CALLS = ("replace", "fsync", "open", "link", "unlink", "stat", "fchmod", "rename", "write")


@pytest.mark.slow
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("nth", range(1, 9))
@pytest.mark.parametrize("name", CALLS)
def test_a_failure_anywhere_leaves_all_old_or_all_new(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    nth: int,
    error: type[BaseException],
) -> None:
    make("a.py", "b.py", "p/c.py")
    patches = [patch("a.py"), patch("b.py"), patch("p/c.py")]
    with monkeypatch.context() as patched:
        failing(patched, name, nth, lambda: error(errno.EIO, "injected"))
        raised: BaseException | None = None
        try:
            write(patches)
        except (FixgradError, KeyboardInterrupt) as stopped:
            raised = stopped
    if isinstance(raised, FixgradError):
        assert str(raised).endswith("nothing was written")
    left = [path for path in here.rglob(".fixgrad*") if name == "unlink"]
    for path in left:  # a leftover that could not be removed is all that may remain
        path.unlink()
    after = {NEW} if raised is None else {OLD}
    assert contents(here) in ([after] if error is OSError else [after, {NEW}])


def test_a_roll_back_that_fails_says_where_the_old_file_is(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("a.py", "b.py")
    patches = [patch("a.py"), patch("b.py")]
    real = os.replace
    calls = iter(range(1000))

    def once(*arguments: str) -> None:
        if next(calls) > 0:
            raise OSError(errno.EIO, "injected")
        real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", once)
        with pytest.raises(
            FixgradError, match=r"a.py: neither written nor taken back \(injec"
        ) as e:
            write(patches)
    old = str(e.value).rsplit(" ", 1)[1]
    assert Path(old).read_text() == OLD
    assert recover([]) == ()
    assert contents(here) == {OLD}
    assert journals(here) == []


KILLED = """
import os, sys
from fixgrad.project import read
from fixgrad.write import write
from fixgrad.edits import Patch
left = int(sys.argv[1])
def dying(real):
    def call(*arguments, **keywords):
        global left
        if left == 0:
            os._exit(9)
        left -= 1
        return real(*arguments, **keywords)
    return call
sources = [read(path) for path in ("a.py", "b.py", "p/c.py")]
for name in ("replace", "fsync", "open", "link", "unlink", "rename", "write", "fchmod", "stat"):
    setattr(os, name, dying(getattr(os, name)))
write([(source, Patch(source.path, source.text, "new = 2\\n", ())) for source in sources])
"""


@pytest.mark.slow
def test_a_kill_anywhere_is_taken_back_by_the_next_run(here: Path) -> None:
    codes: list[int] = []
    for nth in range(200):
        make("a.py", "b.py", "p/c.py")
        ran = subprocess.run([sys.executable, "-c", KILLED, str(nth)], check=False)
        codes.append(ran.returncode)
        half = {Path(path).read_text() for path in ("a.py", "b.py", "p/c.py")}
        if len(half) > 1:
            assert interrupted(["p"]) or interrupted([])
            assert interrupted([str(here.parent)]) == interrupted([])
        assert recover([]) == ()
        assert interrupted([]) == ()
        assert len(contents(here)) == 1, nth
        if ran.returncode == 0:
            break
    assert codes[-1] == 0
    assert len(codes) > 30
    assert contents(here) == {NEW}


def killed_half_way(here: Path) -> None:
    """Leave a half-written project behind."""
    make("a.py", "b.py", "p/c.py")
    for nth in range(200):
        subprocess.run([sys.executable, "-c", KILLED, str(nth)], check=False)
        if len({Path(path).read_text() for path in ("a.py", "b.py", "p/c.py")}) > 1:
            return
        recover([])
    raise AssertionError("never half written")


@pytest.mark.slow
def test_a_file_edited_after_a_kill_is_left_alone(here: Path) -> None:
    killed_half_way(here)
    Path("a.py").write_text("mine = 3\n")
    (problem,) = recover([])
    assert problem.path == str(here / "a.py")
    assert "edited after an interrupted `fixgrad --fix`" in problem.message
    assert contents(here) == {"mine = 3\n", OLD}


@pytest.mark.slow
def test_another_project_is_left_alone(here: Path) -> None:
    killed_half_way(here)
    other = here.parent / "other"
    other.mkdir()
    assert interrupted([str(other)]) == ()
    recover([str(other)])
    assert len(interrupted([])) == 3


def test_a_running_write_is_never_taken_back(here: Path) -> None:
    make("a.py", "b.py")
    seen: list[tuple[str, ...]] = []

    def look(_: int) -> None:
        code = "import fixgrad.write as w; w.recover([]); print(len(w.interrupted([])))"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        seen.append((ran.stdout.decode().strip(),))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fchmod", lambda *_: look(0))
        write([patch("a.py"), patch("b.py")])
    assert seen == [("0",), ("0",)]
    assert contents(here) == {NEW}


def test_without_a_place_for_the_journal_it_writes_all_the_same(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("a.py")
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    write([patch("a.py")])
    assert recover([]) == ()
    assert contents(here) == {NEW}


def test_ctrl_c_waits_for_the_renames(here: Path) -> None:
    make("a.py", "b.py")
    patches = [patch("a.py"), patch("b.py")]
    real = os.replace

    def interrupting(*arguments: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        real(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "replace", interrupting)
        with pytest.raises(KeyboardInterrupt):
            write(patches)
    assert contents(here) == {NEW}
