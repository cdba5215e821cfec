"""Runs a program in a process of its own: with limits, without input, and ended whole with all it started.

A guard rail, not a sandbox: the program may do what its user may.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from fixgrad.errors import FixgradError

_MOST_OUTPUT = 64 * 1024 * 1024  # bytes, of standard output and error together
_PATIENCE = (0.01, 0.25)  # seconds between two looks at a program, at first and at last
_ROUNDS = 50  # of ending processes that start others meanwhile


class Limits(NamedTuple):
    """What a program may take."""

    seconds: float = 600.0
    memory: int | None = None  # MiB of address space; None: no limit of ours


class Ran(NamedTuple):
    """How a program ended."""

    code: int  # as Python says it: negative where a signal ended it
    stopped: str = ""  # "timeout", "output": why we ended it
    seconds: float = 0.0
    output: str = ""  # standard output and error, as they came
    left: int = 0  # processes that it left behind, and that were ended

    @property
    def ending(self) -> str:
        """Say how it ended: "exit 1", "killed by SIGSEGV", "stopped after 5 s"."""
        if self.stopped == "timeout":
            return f"stopped after {self.seconds:.0f} s (--timeout)"
        if self.stopped:
            return "stopped for endless output"
        if self.code < 0:
            with contextlib.suppress(ValueError):
                return f"killed by {signal.Signals(-self.code).name}"
        return f"exit {self.code}"


def run(
    command: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    limits: Limits,
    captured: str,
    mark: str,
) -> Ran:
    """Run a command; `captured` is the file for its output, `mark` a word of its environment alone."""
    started = time.monotonic()
    with open(captured, "wb") as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_limiter(limits),  # noqa: PLW1509  (fixgrad has one thread)
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise FixgradError(f"{command[0]}: cannot be run ({_reason(error)})") from error
    try:
        stopped = _wait(process, started + limits.seconds, captured)
    finally:
        left = _end_all(process, mark)
    seconds = time.monotonic() - started
    return Ran(process.returncode, stopped, seconds, _text(captured), 0 if stopped else left)


def _limiter(limits: Limits) -> Callable[[], None] | None:
    """Return what sets limits in the child before the program is there; None where nothing does."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415  (not on every platform)

    memory = limits.memory * 1024 * 1024 if limits.memory else None

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    return limit


def _wait(process: subprocess.Popen[bytes], until: float, captured: str) -> str:
    """Wait for the end of a program; return why it is not waited for any longer, or nothing."""
    pause = _PATIENCE[0]
    while not _has_ended(process):
        if time.monotonic() > until:
            return "timeout"
        if os.path.getsize(captured) > _MOST_OUTPUT:
            return "output"
        time.sleep(min(pause, max(0.0, until - time.monotonic()) + 0.001))
        pause = min(pause * 1.5, _PATIENCE[1])
    return ""


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Say whether a program has ended; its number stays its own until it is asked how."""
    if sys.platform == "win32":
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end_all(process: subprocess.Popen[bytes], mark: str) -> int:
    """End the program and whatever it started; return how many others there were."""
    others = set(_processes_with(mark)) - {process.pid}
    _end_group(process.pid)
    process.wait()
    for _ in range(_ROUNDS):
        found = set(_processes_with(mark))
        if not found:
            return len(others)
        for number in found:
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
        others |= found
        time.sleep(0.02)
    raise FixgradError("the program starts processes faster than they can be ended; look for them")


def _end_group(number: int) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            os.kill(number, signal.SIGTERM)
        else:
            os.killpg(number, signal.SIGKILL)


def _processes_with(mark: str) -> Iterator[int]:
    """Yield the processes whose environment holds a word that no other has, whoever is their parent."""
    word = mark.encode()
    try:
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return  # conservative: elsewhere the process group is all that is known
    for number in numbers:
        with contextlib.suppress(OSError):
            with open(f"/proc/{number}/environ", "rb") as file:
                marked = word in file.read()
            if marked and not _is_gone(number):
                yield number


def _is_gone(number: int) -> bool:
    """Say whether a process has ended and only waits to be asked how."""
    with open(f"/proc/{number}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")


def _text(path: str) -> str:
    with open(path, "rb") as file:
        return file.read(_MOST_OUTPUT).decode("utf-8", "replace")


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such program"
    return str(getattr(error, "strerror", None) or error).lower()
