"""What one run of a command takes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """Seconds of the processor, children included, and MiB: the most memory that was held."""

    seconds: float
    memory: float


def cost(command: Sequence[str], folder: Path) -> Cost:
    """Run a command in a folder, in a process of its own; findings, exit code 1, are no failure."""
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(command, cwd=folder, stdout=nowhere, stderr=nowhere)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{command[0]} ends with {process.returncode} in {folder}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
