"""Copies a project to where it may be run and changed: the user's own tree is read and never touched."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import NamedTuple

from fixgrad.errors import FixgradError
from fixgrad.project.globs import matcher

MOST_BYTES = 2 * 1024**3
MOST_FILES = 100_000
_LEFT_OUT = frozenset(
    {
        *(".git", ".hg", ".svn", ".tox", ".nox", ".venv", "venv", "node_modules", "__pycache__"),
        *(".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints", "site-packages"),
    }
)
_FICLONE = 0x40049409  # share the blocks of a file until one of both is written
_WORTH_SHARING = 1 << 20


class Entry(NamedTuple):
    """A file, folder or link of a project, as it stands."""

    path: str  # relative to the top
    kind: str  # "file", "folder", "link", "shared"
    size: int
    changed: int  # nanoseconds
    mode: int
    target: str = ""  # of a link


class Workspace:
    """A temporary folder that goes with all that is in it; use as a context manager."""

    def __init__(self, top: str, share: Sequence[str] = (), *, keep: bool = False) -> None:
        self.top = os.path.realpath(top)
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="fixgrad-"))
        self._keep = keep
        self._shared = matcher(share)
        try:
            self.entries = self._look()
        except BaseException:
            self._remove()
            raise

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._keep:
            self._remove()

    def copy(self, name: str) -> str:
        """Make a copy of the project and return its top folder, named like the user's."""
        target = os.path.join(self.folder, name, os.path.basename(self.top) or "project")
        os.makedirs(target)
        for entry in self.entries:
            self._copy_entry(entry, target)
        for entry in self.entries:
            if entry.kind == "folder":
                with contextlib.suppress(OSError):
                    os.chmod(os.path.join(target, entry.path), entry.mode | stat.S_IRWXU)
        return target

    def changed(self) -> list[str]:
        """Return what has changed in the user's tree since it was copied."""
        before, now = set(self.entries), set(self._look())
        folders = {e.path for e in before | now if e.kind == "folder"}
        return sorted({entry.path for entry in before ^ now} - folders)

    def _look(self) -> list[Entry]:
        entries = list(_entries(self.top, self._shared))
        files = [entry for entry in entries if entry.kind == "file"]
        size = sum(entry.size for entry in files)
        if size > MOST_BYTES or len(files) > MOST_FILES:
            raise FixgradError(
                f"{self.top}: {len(files)} files, {size / 2**20:.0f} MiB are too much to copy twice"
                f"; {_largest(files)}; name a smaller project with --root, or what may be read"
                " in place with --share"
            )
        return entries

    def _copy_entry(self, entry: Entry, target: str) -> None:
        source, copy = os.path.join(self.top, entry.path), os.path.join(target, entry.path)
        try:
            if entry.kind == "folder":
                os.makedirs(copy, exist_ok=True)
            elif entry.kind == "link":
                os.symlink(self._moved_target(entry, target), copy)
            elif entry.kind == "shared":
                os.symlink(source, copy)
            else:
                _copy_file(source, copy, entry)
        except FileNotFoundError:
            return  # gone since it was listed
        except OSError as error:
            reason = error.strerror or error
            raise FixgradError(f"{entry.path}: cannot be copied ({reason})") from error

    def _moved_target(self, entry: Entry, target: str) -> str:
        """Return where a link is to lead: in the copy where the original leads within the project."""
        source = os.path.join(self.top, entry.path)
        meant = os.path.normpath(os.path.join(os.path.dirname(source), entry.target))
        real = os.path.realpath(source)
        for place in (meant, real):
            if place == self.top or place.startswith(self.top.rstrip(os.sep) + os.sep):
                return target + place[len(self.top.rstrip(os.sep)) :]
        return real

    def _remove(self) -> None:
        shutil.rmtree(self.folder, onerror=_make_removable)


def _entries(top: str, shared: Callable[[str], bool]) -> Iterator[Entry]:
    """Yield what is to be copied, folders before what they hold, in a stable order."""
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(os.path.join(top, prefix)) as found:
                listed = sorted(found, key=lambda each: each.name)
        except OSError:
            continue
        for each in listed:
            path = prefix + each.name
            entry = _entry(each, path, shared(path))
            if entry is None:
                continue
            yield entry
            if entry.kind == "folder":
                waiting.append(path + "/")


def _entry(found: os.DirEntry[str], path: str, shared: bool) -> Entry | None:
    """Describe what stands in a folder; None where it is left out."""
    try:
        status = found.stat(follow_symlinks=False)
        mode = stat.S_IMODE(status.st_mode)
        if found.is_symlink():
            return Entry(path, "link", 0, 0, 0, os.readlink(found.path))
        if found.is_dir(follow_symlinks=False):
            environment = os.path.exists(os.path.join(found.path, "pyvenv.cfg"))
            if found.name in _LEFT_OUT or environment:
                return None
            return Entry(path, "shared" if shared else "folder", 0, 0, mode)
        readable = stat.S_ISREG(status.st_mode) and os.access(found.path, os.R_OK)
    except OSError:
        return None
    kind = "shared" if shared else "file"
    return Entry(path, kind, status.st_size, status.st_mtime_ns, mode) if readable else None


def _copy_file(source: str, copy: str, entry: Entry) -> None:
    if not (entry.size >= _WORTH_SHARING and _cloned(source, copy)):
        shutil.copyfile(source, copy)
    os.chmod(copy, entry.mode | stat.S_IRUSR | stat.S_IWUSR)
    os.utime(copy, ns=(entry.changed, entry.changed))


def _cloned(source: str, copy: str) -> bool:
    """Copy a file without copying its blocks, where the file system can."""
    if not sys.platform.startswith("linux"):
        return False
    import fcntl  # noqa: PLC0415  (not on every platform)

    try:
        with open(source, "rb") as old, open(copy, "wb") as new:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
    except OSError:
        return False
    return True


def _largest(files: Sequence[Entry]) -> str:
    sizes: dict[str, int] = {}
    for entry in files:
        folder = entry.path.partition("/")[0]
        sizes[folder] = sizes.get(folder, 0) + entry.size
    name = max(sizes, key=lambda folder: sizes[folder])
    return f"most of it is {name} ({sizes[name] / 2**20:.0f} MiB)"


def _make_removable(function: Callable[[str], object], path: str, _: object) -> None:
    """Remove what a program has made read-only, as far as that goes."""
    with contextlib.suppress(OSError):
        os.chmod(os.path.dirname(path), stat.S_IRWXU)
        if not os.path.islink(path):
            os.chmod(path, stat.S_IRWXU)
        function(path)
