"""One SQLite database for each state of fixgrad: rows of bytes by kind and key, each with its own checksum.

SQLite is what keeps runs beside each other, and one that is killed, from spoiling it. Whatever is wrong with the
file, or with a row, counts as nothing being there.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from _blake2 import blake2b
from collections.abc import Iterable, Mapping, Sequence

from fixgrad.cache.keys import fingerprint

LARGEST = 512 << 20  # bytes; a larger database is begun anew
_OLDEST = 30 * 24 * 3600  # seconds since a database of another state of fixgrad was used
_PATIENCE = 2.0  # seconds to wait for another run that writes
_SUM = 16  # bytes of a checksum
_AT_ONCE = 500  # keys in one question
_TABLE = "CREATE TABLE IF NOT EXISTS kept (kind TEXT, key TEXT, data BLOB, PRIMARY KEY (kind, key))"


def opened(folder: str) -> Store:
    """Open the database for this state of fixgrad; those of others go when they are old."""
    path = os.path.join(folder, f"{fingerprint()}.db")
    _sweep(folder, path)
    return Store(path)


class Store:
    """Keeps bytes; forgets rather than fails."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        for _ in range(2):  # a file that is no database is put away once
            try:
                self._connection = self._connected()
                return
            except sqlite3.OperationalError:  # locked, or the disk is full or may not be written
                return
            except sqlite3.DatabaseError:
                _remove(path)

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_TABLE)
        except BaseException:
            connection.close()
            raise
        return connection

    def get(self, kind: str, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what is kept under these keys, as far as there is such and it is whole."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, bytes] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            for key, data in self._rows(kind, wanted[start : start + _AT_ONCE]):
                whole = _whole(kind, key, data)
                if whole is not None:
                    found[key] = whole
        return found

    def _rows(self, kind: str, keys: Sequence[str]) -> list[tuple[str, bytes]]:
        if self._connection is None:
            return []
        marks = ",".join("?" * len(keys))
        asked = f"SELECT key, data FROM kept WHERE kind = ? AND key IN ({marks})"
        try:
            return self._connection.execute(asked, (kind, *keys)).fetchall()
        except sqlite3.Error as error:
            self._give_up(error)
            return []

    def put(self, kind: str, rows: Mapping[str, bytes]) -> None:
        """Keep these; where that cannot be done now, they are worked out again another time."""
        if self._connection is None or not rows:
            return
        summed = [(kind, key, _sum(kind, key, data) + data) for key, data in rows.items()]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", summed)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(error)

    def close(self) -> None:
        """Let go of the file; one that has grown too large is removed."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        with contextlib.suppress(OSError):
            if os.path.getsize(self._path) > LARGEST:
                _remove(self._path)
            else:
                os.utime(self._path)  # it was used

    def _give_up(self, error: sqlite3.Error) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        if not isinstance(error, sqlite3.OperationalError):
            _remove(self._path)  # it is damaged


def _sum(kind: str, key: str, data: bytes) -> bytes:
    name = f"{kind} {key} ".encode()
    return blake2b(name + data, digest_size=_SUM).digest()


def _whole(kind: str, key: str, data: object) -> bytes | None:
    if not isinstance(data, bytes):
        return None
    return data[_SUM:] if data[:_SUM] == _sum(kind, key, data[_SUM:]) else None


def _remove(path: str) -> None:
    for name in (path, f"{path}-wal", f"{path}-shm"):
        with contextlib.suppress(OSError):
            os.remove(name)


def _sweep(folder: str, ours: str) -> None:
    """Remove databases that no run has used for long."""
    before = time.time() - _OLDEST
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            old = entry.name.endswith(".db") and entry.path != ours
            if old and entry.stat().st_mtime < before:
                _remove(entry.path)
