"""What a write meets on a real machine: full disks, other writers, other users, and what stays of a file."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fixgrad.edits import Patch
from fixgrad.errors import FixgradError
from fixgrad.project import read
from fixgrad.source import Source
from fixgrad.write import interrupted, locks, recover, replace, write

pytestmark = pytest.mark.slow

OLD, NEW = "old = 1\n" * 100, "new = 2\n" * 100
FILES = ("a.py", "b.py", "p/c.py")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a current folder with three files, with the journal elsewhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "project"
    fill(folder)
    monkeypatch.chdir(folder)
    return folder


def fill(folder: Path) -> None:
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(OLD)


def patches(after: str = NEW) -> list[tuple[Source, Patch]]:
    made = []
    for name in FILES:
        source = read(name)
        assert isinstance(source, Source)
        made.append((source, Patch(name, source.text, after, ())))
    return made


def contents(folder: Path) -> list[str]:
    """Return what the files hold; fail where anything else lies there."""
    found = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert found == sorted(FILES)
    return [(folder / name).read_text() for name in FILES]


def in_a_child(action: Callable[[], None]) -> int:
    """Do something in a process of its own; return its exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def raised_by(action: Callable[[], object]) -> FixgradError | None:
    try:
        action()
    except FixgradError as error:
        return error
    return None


def refused(match: str) -> None:
    with pytest.raises(FixgradError, match=match) as raised:
        write(patches())
    assert str(raised.value).endswith("nothing was written")


class TestFullDisk:
    @pytest.mark.parametrize("number", FULL)
    @pytest.mark.parametrize("after", range(0, 16))
    def test_that_stays_full(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, number: int, after: int
    ) -> None:
        """Nothing new can be written from some operation on; old files can still be renamed and removed."""
        calls = 0

        def until_full(
            real: Callable[..., object], counts: Callable[..., bool]
        ) -> Callable[..., object]:
            def call(*arguments: object, **keywords: object) -> object:
                nonlocal calls
                if counts(*arguments):
                    calls += 1
                    if calls > after:
                        raise OSError(number, os.strerror(number))
                return real(*arguments, **keywords)

            return call

        with monkeypatch.context() as patched:
            for name in ("write", "fsync", "link"):
                patched.setattr(os, name, until_full(getattr(os, name), lambda *_: True))
            patched.setattr(
                os, "open", until_full(os.open, lambda _, flags, *__: flags & os.O_CREAT)
            )
            error = raised_by(lambda: write(patches()))
        if error is None:  # the journal alone is missing, or nothing at all
            assert contents(here) == [NEW] * 3
        else:
            assert os.strerror(number) in str(error)
            assert str(error).endswith("nothing was written")
            assert contents(here) == [OLD] * 3
        assert not list(here.parent.rglob("*.json*"))

    def test_a_limit_on_the_size_of_files(self, here: Path) -> None:
        def limited() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            refused(r"^a.py: cannot be written \(File too large\)")

        assert in_a_child(limited) == 0
        assert contents(here) == [OLD] * 3

    def test_a_disk_that_fills_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with mounted(tmp_path / "small", "size=64k") as disk:
            monkeypatch.chdir(disk)
            outcomes = []
            for blocks in range(16):  # 4 KiB each
                shutil.rmtree(disk / "p", ignore_errors=True)
                fill(disk)
                Path("filler").write_bytes(bytes(4096 * blocks) if blocks else b"")
                error = raised_by(lambda: write(patches()))
                assert error is None or "No space left" in str(error)
                outcomes.append("full" if error else "written")
                Path("filler").unlink()
                assert contents(disk) == [NEW if outcomes[-1] == "written" else OLD] * 3
                if len(set(outcomes)) == 2 and outcomes[-2:] == ["full"] * 2:
                    break
            assert set(outcomes) == {"written", "full"}

    def test_a_disk_that_turned_read_only(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with mounted(tmp_path / "small", "size=256k") as disk:
            fill(disk)
            monkeypatch.chdir(disk)
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            refused(
                r"^a.py: the file is read-only|^a.py: cannot be written \(Read-only file system"
            )
            assert contents(disk) == [OLD] * 3


class mounted:  # noqa: N801  (used as a function)
    """A small file system of its own."""

    def __init__(self, folder: Path, options: str) -> None:
        self.folder = folder
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if not sys.platform.startswith("linux") or shutil.which("mount") is None:
            pytest.skip("only Linux mounts a tmpfs")
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("who runs these tests may not mount a file system here")

    def __enter__(self) -> Path:
        return self.folder

    def __exit__(self, *_: object) -> None:
        os.chdir("/")
        subprocess.run(["umount", str(self.folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ((0o644, 0o755), r"^a.py: the file is read-only"),  # a file of root's
        (
            (0o666, 0o755),
            r"^a.py: cannot be written \(Permission denied\)",
        ),  # in a folder of root's
    ],
)
def test_another_users_file(here: Path, mode: tuple[int, int], said: str) -> None:
    for folder in (here, *here.parents):
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o005:
            folder.chmod(folder.stat().st_mode | 0o055)
    here.chmod(mode[1])
    for name in FILES:
        (here / name).chmod(mode[0])

    def as_nobody() -> None:
        os.setgid(65534)
        os.setuid(65534)
        refused(said)

    assert in_a_child(as_nobody) == 0
    assert contents(here) == [OLD] * 3


class TestOthersAtWork:
    def test_two_runs_at_once_never_mix(self, here: Path) -> None:
        """Both have read the same files; one writes all of its own, the other nothing."""
        for turn in range(25):
            fill(here)
            children = []
            for made in [patches(f"{side} = {turn}\n" * 100) for side in ("left", "right")]:
                child = os.fork()
                if child == 0:
                    code = 5
                    try:
                        write(made)
                        code = 0
                    except FixgradError as error:
                        code = 3 if "changed while fixgrad was at work" in str(error) else 4
                    finally:
                        os._exit(code)
                children.append(child)
            ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
            assert sorted(ended) == [0, 3]
            assert len(set(contents(here))) == 1

    def test_one_that_never_ends(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(locks, "PATIENCE", 0.1)
        with locks.held([str(here / "a.py")]):
            refused("another fixgrad has been writing here")
        write(patches())
        assert contents(here) == [NEW] * 3

    def test_the_projects_of_other_files_are_free(self, here: Path) -> None:
        with locks.held([str(here / "p/c.py")]):
            assert in_a_child(lambda: write(patches()[:2])) == 0
        assert contents(here) == [NEW, NEW, OLD]

    @pytest.mark.parametrize("nth", range(3))
    def test_an_edit_between_two_renames(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, nth: int
    ) -> None:
        self.meddled(monkeypatch, nth, lambda: Path("b.py").write_text("mine = 3\n"))
        # before its turn, and while it is replaced, b.py keeps the edit; later the edit is one of the new file
        expected = [OLD, "mine = 3\n", OLD] if nth < 2 else [NEW, "mine = 3\n", NEW]
        assert contents(here) == expected

    @pytest.mark.parametrize("nth", range(3))
    def test_an_editor_that_writes_into_the_old_file(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, nth: int
    ) -> None:
        with Path("b.py").open("r+") as editor:

            def save() -> None:
                editor.write("mine = 3\n")
                editor.flush()

            self.meddled(monkeypatch, nth, save)
        text = "mine = 3\n" + OLD[len("mine = 3\n") :]
        assert contents(here) == [OLD, text, OLD]

    def meddled(
        self, monkeypatch: pytest.MonkeyPatch, nth: int, meddle: Callable[[], object]
    ) -> None:
        real, calls = os.replace, iter(range(100))

        def replacing(*arguments: str) -> None:
            if next(calls) == nth:
                meddle()
            real(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", replacing)
            error = raised_by(lambda: write(patches()))
        assert error is None or "b.py: changed while fixgrad was at work" in str(error)

    def test_two_whole_runs_at_once(self, here: Path) -> None:
        text = "import numpy as np, torch\nx = torch.from_numpy(np.ones(3))\nx.sum().backward()\nx.grad\n"
        for name in FILES:
            Path(name).write_text(text)
        command = [sys.executable, "-m", "fixgrad", "--fix", "-q", "."]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        runs = [
            subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(3)
        ]
        said = [run.communicate()[1].decode() for run in runs]
        assert 0 in [run.returncode for run in runs]
        for run, words in zip(runs, said, strict=True):
            assert run.returncode == 0 or "changed while fixgrad was at work" in words
        after = text.replace("from_numpy(np.ones(3))", "tensor(np.ones(3), requires_grad=True)")
        assert contents(here) == [after] * 3


class TestWhatStays:
    def test_times(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is written is new; what is not, or is taken back, is the same file as before."""
        for name in FILES:
            os.utime(name, (1e9, 1e9))
        before = [os.stat(name) for name in FILES]
        started = time.time() - 1
        made = patches()
        write([made[0], (made[1][0], made[1][1]._replace(after=OLD))])
        assert os.stat("a.py").st_mtime >= started
        assert self.same(before)[1:] == [True, True]
        os.utime("a.py", (1e9, 1e9))
        before = [os.stat(name) for name in FILES]
        with monkeypatch.context() as patched:
            patched.setattr(replace, "_sync_folders", self.failing)
            refused("injected")
        assert self.same(before) == [True] * 3

    def failing(self, _: object) -> None:
        raise OSError("injected")

    def same(self, before: list[os.stat_result]) -> list[bool]:
        after = [os.stat(name) for name in FILES]
        return [
            (one.st_ino, one.st_mtime_ns, one.st_mode) == (two.st_ino, two.st_mtime_ns, two.st_mode)
            for one, two in zip(before, after, strict=True)
        ]

    def test_times_after_a_kill(self, here: Path) -> None:
        before = [os.stat(name) for name in FILES]

        made = patches()

        def dying() -> None:
            real = os.rename

            def once(one: str, other: str) -> None:
                if os.path.basename(other).startswith("done-"):
                    os.kill(os.getpid(), signal.SIGKILL)
                real(one, other)

            os.rename = once  # type: ignore[assignment]
            write(made)

        assert in_a_child(dying) == -signal.SIGKILL
        assert [Path(name).read_text() for name in FILES] == [NEW] * 3
        assert recover([]) == ()
        assert contents(here) == [OLD] * 3
        assert self.same(before) == [True] * 3

    def test_a_hard_link_elsewhere_keeps_the_old_text(self, here: Path) -> None:
        elsewhere = here.parent / "copy.py"
        os.link("a.py", elsewhere)
        write(patches())
        assert elsewhere.read_text() == OLD
        assert contents(here) == [NEW] * 3
        assert os.stat("a.py").st_nlink == 1

    def test_two_hard_links_of_one_file(self, here: Path) -> None:
        Path("b.py").unlink()
        os.link("a.py", "b.py")
        write(patches())
        assert contents(here) == [NEW] * 3

    def test_bits_of_the_mode_that_a_change_of_owner_clears(self) -> None:
        os.chmod("a.py", 0o6755)
        write(patches())
        assert stat.S_IMODE(os.stat("a.py").st_mode) == 0o6755

    @pytest.mark.skipif(sys.platform != "linux", reason="extended attributes are kept on Linux")
    def test_attributes_beside_one_that_may_not_be_set(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.setxattr
        for name in ("user.a", "user.b", "user.c"):
            try:
                os.setxattr("a.py", name, b"kept")
            except OSError:
                pytest.skip("this file system has none")

        def careful(target: int, name: str, value: bytes) -> None:
            if name == "user.b":
                raise PermissionError(errno.EPERM, "not for you")
            real(target, name, value)

        with monkeypatch.context() as patched:
            patched.setattr(os, "setxattr", careful)
            write(patches())
        assert sorted(os.listxattr("a.py")) == ["user.a", "user.c"]


class TestJournal:
    def test_one_that_was_never_finished_is_swept_away(self, here: Path) -> None:
        folder = Path(os.environ["XDG_STATE_HOME"], "fixgrad")
        folder.mkdir(parents=True)
        (folder / "write-1-a.json.part").write_text('{"version": 1, "sw')
        (folder / "notes.txt").write_text("not ours")
        assert recover([]) == ()
        assert [path.name for path in folder.iterdir()] == ["notes.txt"]

    def test_one_that_is_being_written_is_not(self, here: Path) -> None:
        seen: list[int] = []
        real = os.fsync

        def look(descriptor: int) -> None:
            if not seen:  # the journal's own
                seen.append(in_a_child(self.looked_for))
                seen.append(len(list(here.parent.rglob("*.part"))))
            real(descriptor)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(os, "fsync", look)
            write(patches())
        assert seen == [0, 1]

    def looked_for(self) -> None:
        ran = subprocess.run(
            [sys.executable, "-c", "import fixgrad.write as w; w.recover([])"],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            check=False,
        )
        assert ran.returncode == 0

    def test_what_cannot_be_taken_back_now_is_tried_again(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        half(here)
        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", self.failing)
            problems = recover([])
        assert {problem.message for problem in problems} == {
            "cannot take back an interrupted write: injected; run again"
        }
        assert len(interrupted([])) == 3
        assert recover([]) == ()
        assert contents(here) == [OLD] * 3

    def failing(self, *_: object) -> None:
        raise OSError("injected")

    def test_a_write_goes_on_without_one_that_cannot_be_kept(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.write
        with monkeypatch.context() as patched:  # the disk is full
            patched.setattr(os, "write", lambda file, data: real(file, data[:9]))
            write(patches())
        assert contents(here) == [NEW] * 3
        with monkeypatch.context() as patched:  # another run sweeps it away each time
            patched.setattr(os.path, "samestat", lambda one, other: False)
            write(patches(OLD))
        assert contents(here) == [OLD] * 3
        assert not list(Path(os.environ["XDG_STATE_HOME"]).rglob("write-*"))

    def test_a_project_that_is_gone_is_forgotten(self, here: Path) -> None:
        half(here)
        shutil.rmtree(here / "p")
        (here / "p").write_text("a file now")
        assert len(recover([])) == 1
        assert interrupted([]) == ()


def half(here: Path) -> None:
    """Leave a write that was killed when all files were replaced."""
    made = patches()

    def dying() -> None:
        os.unlink = lambda *_: None
        replace._sync_folders = lambda changes: os.kill(os.getpid(), signal.SIGKILL)
        write(made)

    assert in_a_child(dying) == -signal.SIGKILL
