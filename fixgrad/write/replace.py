"""Replace the contents of several files, all of them or none."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fixgrad.edits import Patch
from fixgrad.errors import FixgradError
from fixgrad.project.reading import decode, digest, read_bytes
from fixgrad.source import Problem, Source
from fixgrad.write.journal import Journal, Swap
from fixgrad.write.locks import held


class _StuckError(FixgradError):
    """A write failed and so did taking it back: what lies beside the files must stay."""


class _Change(NamedTuple):
    """One file, checked and encoded."""

    path: str  # as the user knows it
    swap: Swap
    old: bytes
    new: bytes
    status: os.stat_result


def write(patches: Sequence[tuple[Source, Patch]]) -> None:
    """Write every patch, or none of them and raise FixgradError saying which file stood against it.

    Mode, owner, extended attributes and symbolic links stay; a hard link is broken, as the file is
    replaced. Read-only files, and files that changed since they were read, are never overwritten.
    """
    wanted = [(source, patch) for source, patch in patches if patch.after != patch.before]
    if wanted:
        with held(os.path.realpath(source.path) for source, _ in wanted):
            _write(wanted)


def _write(patches: Sequence[tuple[Source, Patch]]) -> None:
    token = f"{os.getpid()}-{os.urandom(4).hex()}"
    changes = [
        _prepare(source, patch, f".fixgrad-{token}-{index}")
        for index, (source, patch) in enumerate(patches)
    ]
    _refuse_two_names(changes)
    journal = Journal(token, [change.swap for change in changes])
    try:
        for change in changes:
            _stage(change)
        with _signals_held():
            _swap_all(changes, journal)
    except _StuckError:
        journal.close()
        raise
    except BaseException:
        with _signals_held():
            _clean_up(changes)
            journal.remove()
        raise


def _prepare(source: Source, patch: Patch, temporary: str) -> _Change:
    path = source.path
    old = read_bytes(path, max_bytes=sys.maxsize)
    if isinstance(old, Problem):
        raise FixgradError(f"{old}; nothing was written")
    if digest(old) != source.digest:
        raise _changed(path)
    target = os.path.realpath(path)
    status = _status(path, target)
    if not status.st_mode & 0o222 or not os.access(target, os.W_OK):
        raise FixgradError(
            f"{path}: the file is read-only; make it writable or leave it out with --exclude"
            "; nothing was written"
        )
    new = encoded(source, patch)
    again = decode(path, new)
    unchanged = patch._replace(after=patch.before, edits=())
    if encoded(source, unchanged) != old or _text(again, source) != patch.after:
        raise FixgradError(
            f"{path}: encoded as {source.encoding} the text does not come back as it was"
            "; convert the file to UTF-8; nothing was written"
        )
    beside = os.path.join(os.path.dirname(target), temporary)
    swap = Swap(target, beside + ".new", beside + ".old", digest(new), source.digest)
    return _Change(path, swap, old, new, status)


def _status(path: str, target: str) -> os.stat_result:
    try:
        return os.stat(target)
    except OSError as error:
        raise _failed(path, error) from error


def encoded(source: Source, patch: Patch) -> bytes:
    """Return what a patch makes of the file: same encoding, byte order mark as it was."""
    text = patch.after
    if source.notebook:
        from fixgrad.rewrite.notebooks import file_patch  # noqa: PLC0415  (few files need it)

        text = file_patch(source, patch).after
    try:
        data = text.encode(source.encoding)
    except UnicodeError as error:
        line = text.count("\n", 0, getattr(error, "start", 0)) + 1
        raise FixgradError(
            f"{source.path}:{line}: cannot be written in the file's encoding {source.encoding}"
            f" ({error}); convert the file to UTF-8; nothing was written"
        ) from error
    return b"\xef\xbb\xbf" + data if source.bom else data


def _text(again: Source | Problem, source: Source) -> str | None:
    """Return what a new file holds, in the terms of the patch: a notebook may be patched as JSON."""
    if isinstance(again, Problem):
        return None
    as_json = again.notebook is not None and source.notebook is None
    return again.notebook.json if as_json and again.notebook else again.text


def _refuse_two_names(changes: Sequence[_Change]) -> None:
    names: dict[str, str] = {}
    for change in changes:
        other = names.setdefault(change.swap.target, change.path)
        if other != change.path:
            raise FixgradError(
                f"{change.path}: the same file as {other}; give one of them; nothing was written"
            )


def _stage(change: _Change) -> None:
    """Write the new content beside the file, as durable as the file will be."""
    try:
        _write_beside(change.swap.new, change.new, change)
    except OSError as error:
        raise _failed(change.path, error) from error


def _write_beside(path: str, data: bytes, change: _Change) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        _dress(descriptor, change)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _dress(descriptor: int, change: _Change) -> None:
    """Give a new file the owner, the mode and, on Linux, the attributes of the one it replaces."""
    if sys.platform == "win32":
        return
    fresh = os.fstat(descriptor)
    if (fresh.st_uid, fresh.st_gid) != (change.status.st_uid, change.status.st_gid):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, change.status.st_uid, change.status.st_gid)
    if sys.platform == "linux":
        names: list[str] = []
        with contextlib.suppress(OSError):  # not every file system has them
            names = os.listxattr(change.swap.target)
        for name in names:
            with contextlib.suppress(OSError):  # only the system itself may set some
                os.setxattr(descriptor, name, os.getxattr(change.swap.target, name))
    os.fchmod(descriptor, stat.S_IMODE(change.status.st_mode))


def _swap_all(changes: Sequence[_Change], journal: Journal) -> None:
    for change in changes:
        _refuse_changed(change, change.swap.target)
        _keep_old(change)
    done: list[_Change] = []
    try:
        for change in changes:
            _refuse_changed(change, change.swap.target)
            done.append(change)
            os.replace(change.swap.new, change.swap.target)
        for change in changes:
            _refuse_written(change)
        _sync_folders(changes)
        journal.commit()
    except BaseException as error:
        _roll_back(done)
        if isinstance(error, OSError):
            raise _failed(done[-1].path if done else changes[0].path, error) from error
        raise
    for change in changes:
        with contextlib.suppress(OSError):
            os.unlink(change.swap.old)
    journal.remove()


def _refuse_changed(change: _Change, place: str) -> None:
    now, then = _status(change.path, place), change.status
    if (now.st_ino, now.st_mtime_ns, now.st_size) != (then.st_ino, then.st_mtime_ns, then.st_size):
        raise _changed(change.path)


def _refuse_written(change: _Change) -> None:
    """Notice who wrote to the old file while it was being replaced; a copy of it shows nothing."""
    if _status(change.path, change.swap.old).st_ino == change.status.st_ino:
        _refuse_changed(change, change.swap.old)


def _keep_old(change: _Change) -> None:
    """Keep the old file under a second name; a copy where the file system knows no hard links."""
    try:
        try:
            os.link(change.swap.target, change.swap.old)
        except OSError:
            _write_beside(change.swap.old, change.old, change)
    except OSError as error:
        raise _failed(change.path, error) from error


def _roll_back(done: Sequence[_Change]) -> None:
    for change in done:
        try:
            if not os.path.exists(change.swap.new):
                os.replace(change.swap.old, change.swap.target)
        except OSError as error:
            raise _StuckError(
                f"{change.path}: neither written nor taken back ({error.strerror or error})"
                f"; its old content is in {change.swap.old}"
            ) from error


def _clean_up(changes: Sequence[_Change]) -> None:
    for change in changes:
        for path in (change.swap.new, change.swap.old):
            with contextlib.suppress(OSError):
                os.unlink(path)


def _sync_folders(changes: Sequence[_Change]) -> None:
    """Make the renames durable; not every file system can, and then they are at least atomic."""
    if sys.platform == "win32":
        return
    for folder in sorted({os.path.dirname(change.swap.target) for change in changes}):
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Let Ctrl-C and a polite kill wait for the few renames.

    A mask would hold them from this thread only, and any other could take them.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    held = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in held}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for pending in came:
            signal.raise_signal(pending)


def _changed(path: str) -> FixgradError:
    return FixgradError(
        f"{path}: changed while fixgrad was at work; run again; nothing was written"
    )


def _failed(path: str, error: OSError) -> FixgradError:
    return FixgradError(
        f"{path}: cannot be written ({error.strerror or error}); nothing was written"
    )
