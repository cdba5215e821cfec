"""A writer that is killed at each of its file operations in turn, and what is left then.

    python -m tests.killed write|recover FILES

Works in the current folder. Every turn forks: the child kills itself with SIGKILL right before its next operation that
changes anything on disk (a `write` is cut in the middle), and the parent looks at what it left. Prints a line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from fixgrad.options import Options
from fixgrad.pipeline import run
from fixgrad.write import interrupted, recover, write

OLD = "import numpy as np\nimport torch\nx = torch.from_numpy(np.ones(3))\nx.sum().backward()\nprint(x.grad)\n"
CHANGES = (
    "fsync",
    "link",
    "replace",
    "rename",
    "unlink",
    "fchmod",
    "fchown",
    "setxattr",
    "makedirs",
)
PLAIN_RUN_EVERY = 40  # turns: `fixgrad --fix` itself takes much longer than what it begins with


class Killed:
    """Counts operations, and ends the process at one of them."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.opened, self.written = os.open, os.write

    def arm(self) -> None:
        """Put ourselves before everything that changes the disk."""
        for name in CHANGES:
            if hasattr(os, name):
                setattr(os, name, self._before(getattr(os, name), name == "fsync"))
        os.open, os.write = self._open, self._write  # type: ignore[assignment]

    def _count(self) -> bool:
        self.left -= 1
        return self.left < 0

    def _before(self, real: Callable[..., object], is_left_out: bool) -> Callable[..., object]:
        def call(*arguments: object, **keywords: object) -> object:
            if self._count():
                os.kill(os.getpid(), signal.SIGKILL)
            return None if is_left_out else real(*arguments, **keywords)

        return call

    def _open(self, path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT and self._count():
            os.kill(os.getpid(), signal.SIGKILL)
        return self.opened(path, flags, mode)

    def _write(self, descriptor: int, data: bytes) -> int:
        if self._count():
            self.written(descriptor, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return self.written(descriptor, data)


def forked(action: Callable[[], object], at: int = sys.maxsize) -> int:
    """Do something in a child, which is killed at an operation; return the signal that ended it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            Killed(at).arm()
            action()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


class Project:
    """Some files that are repaired again and again."""

    def __init__(self, many: int) -> None:
        self.names = [f"{'abcde'[n % 5]}/m{n}.py" for n in range(many)]
        for folder in {os.path.dirname(name) for name in self.names}:
            os.makedirs(folder, exist_ok=True)
        self.restore()
        outcome = run(Options(diff=True))
        assert not outcome.problems
        self.patches = outcome.patches
        assert [patch.path for _, patch in self.patches] == sorted(self.names)
        self.after = {patch.path: patch.after for _, patch in self.patches}

    def restore(self) -> None:
        """Make every file what it was."""
        for name in self.names:
            if not os.path.exists(name) or Path(name).read_text() != OLD:
                Path(name).write_text(OLD)

    def new(self) -> int:
        """Return how many files are wholly new; the others must be wholly old."""
        texts = {name: Path(name).read_text() for name in self.names}
        assert all(text in (OLD, self.after[name]) for name, text in texts.items()), texts
        return sum(text != OLD for text in texts.values())

    def check_nothing_left(self) -> None:
        """Fail where a journal or a temporary file is left."""
        state = os.environ["XDG_STATE_HOME"]
        left = [name for top in (".", state) for _, _, names in os.walk(top) for name in names]
        assert sorted(left) == sorted(map(os.path.basename, self.names)), left
        assert not interrupted([])


def writes(many: int) -> dict[str, int]:
    """Kill a write at each operation; the next run takes it back or finishes it."""
    project = Project(many)
    turns = half = 0
    while True:
        signalled = forked(lambda: write(project.patches), turns)
        new = project.new()
        half += 0 < new < many
        if 0 < new < many:
            assert len(interrupted(["a"])) == many
        if turns % PLAIN_RUN_EVERY == 0:
            forked(lambda: run(Options(fix=True)))
            assert project.new() == many
        else:
            forked(lambda: recover([]))
            assert project.new() in (0, many)
            assert project.new() == 0 or new == many
        project.check_nothing_left()
        if not signalled:
            assert new == many
            return {"turns": turns, "half": half}
        project.restore()
        turns += 1


def recoveries(many: int) -> dict[str, int]:
    """Kill the run that takes back a killed write at each operation; the run after it does the rest."""
    project = Project(many)
    turns = half = 0
    for at in range(10_000):
        forked(lambda at=at: write(project.patches), at)  # type: ignore[misc]
        was = project.new()
        forked(lambda: recover([]))
        project.restore()
        if was == many - 1:  # nearly all of them are replaced
            break
    while True:
        forked(lambda at=at: write(project.patches), at)  # type: ignore[misc]
        signalled = forked(lambda: recover([]), turns)
        new = project.new()
        half += 0 < new < many - 1
        forked(lambda: recover([]))
        assert project.new() == 0
        project.check_nothing_left()
        if not signalled:
            return {"turns": turns, "half": half}
        turns += 1


if __name__ == "__main__":
    print(json.dumps({"write": writes, "recover": recoveries}[sys.argv[1]](int(sys.argv[2]))))
