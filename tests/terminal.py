"""A terminal of its own for a command line: what it shows, and keys to answer with."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[1]
_PATIENCE = 60.0  # seconds
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Runs fixgrad in a pseudo-terminal."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        known = {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fixgrad", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, **known, **environment},
            start_new_session=True,
        )
        os.close(theirs)
        self.raw = ""
        self._read = 0  # how much of it was asked for

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def until(self, text: str) -> str:
        """Wait until a text is shown; return what was shown since the last time, without colours."""
        deadline = time.monotonic() + _PATIENCE
        while text not in self._new():
            assert self._more(deadline), f"{text!r} is not shown, but:\n{self._new()}"
        shown = self._new()
        self._read = len(self._plain())
        return shown

    def answer(self, keys: str) -> None:
        """Type some keys and Return."""
        os.write(self._ours, keys.encode() + b"\n")

    def interrupt(self) -> None:
        """Type Ctrl-C, and again if it does not end: a signal that comes just before Python waits is only then seen."""
        for _ in range(3):
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE / 4)
                break

    def end_of_input(self) -> None:
        """Type Ctrl-D."""
        os.write(self._ours, b"\x04")

    def ended(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what was shown since the last time."""
        deadline = time.monotonic() + _PATIENCE
        while self._more(deadline):
            pass
        return self._process.wait(_PATIENCE), self._new()

    def _plain(self) -> str:
        return _ESCAPE.sub("", self.raw).replace("\r\n", "\n")

    def _new(self) -> str:
        return self._plain()[self._read :]

    def _more(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # Linux says so at the end
            return False
        self.raw += data.decode("utf-8", "replace")
        return bool(data)
