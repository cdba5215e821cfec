"""What a terminal gets that a pipe does not: width, colour, a progress bar; and completion by the tab key."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from fixgrad import progress
from fixgrad.cli import bar
from tests.explained import HEAD

ROOT = Path(__file__).parents[1]
LONG = HEAD + (
    "weights_of_the_first_layer = torch.from_numpy(np.array([0.25, 0.5, 0.75], dtype=np.float64))\n"
    "weights_of_the_first_layer.sum().backward()\nprint(weights_of_the_first_layer.grad)\n"
)
PROGRAM = (
    "import sys, fixgrad.cli.bar as bar\nbar.DELAY, bar._PAUSE = {}, 0\n"
    "from fixgrad.__main__ import main\nsys.exit(main())\n"
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fit.py").write_text(LONG)
    for name in ("NO_COLOR", "COLUMNS", "TERM"):
        monkeypatch.delenv(name, raising=False)


def on_a_terminal(*command: str, columns: int = 60, **more: str) -> str:
    """Run a program on a terminal of so many columns, and return all that it writes there."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", **more}
    child = subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=env)
    os.close(there)
    written = b""
    while True:
        try:
            data = os.read(here, 65536)
        except OSError:  # as Linux says that the other end is closed
            break
        if not data:
            break
        written += data
    os.close(here)
    assert child.wait(timeout=60) in (0, 1)
    return written.decode().replace("\r\n", "\n")


FIXGRAD = (sys.executable, "-m", "fixgrad")
# Whether a run is long must not depend on what else the machine does.
LONG_RUN, SHORT_RUN = ((sys.executable, "-c", PROGRAM.format(delay)) for delay in (0, 3600))


def piped(*command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@pytest.mark.slow
class TestWidth:
    def test_sixty_columns(self) -> None:
        written = re.sub(r"\x1b\[[0-9;]*[mK]|\r", "", on_a_terminal(*SHORT_RUN))
        assert max(map(len, written.split("\n"))) <= 60
        assert "\n  tracked by autograd, but its `.grad` is read at line 5" in written
        assert "     | made here\n" in written
        assert "requires_grad=True)" in re.sub(r"\n {5}(?=\S)", "", written)

    def test_a_wide_one_says_it_on_one_line(self) -> None:
        written = on_a_terminal(*SHORT_RUN, columns=200, NO_COLOR="1")
        assert "made here\n" in written
        assert re.search(r"\^ made here", written)

    def test_a_pipe_gets_whole_lines(self) -> None:
        ran = piped(*FIXGRAD)
        assert "is not tracked by autograd, but its `.grad` is read at line 5  (safe" in ran.stdout


@pytest.mark.slow
class TestColour:
    def test_a_terminal_is_coloured_unless_told_otherwise(self) -> None:
        assert "\x1b[1;31mFG101\x1b[0m" in on_a_terminal(*SHORT_RUN)
        assert "\x1b[" not in on_a_terminal(*SHORT_RUN, NO_COLOR="1")
        assert "\x1b[" not in on_a_terminal(*SHORT_RUN, "--color", "never")
        assert "\x1b[" not in on_a_terminal(*SHORT_RUN, TERM="dumb")
        assert "\x1b[" not in piped(*FIXGRAD).stdout

    def test_a_file_is_not_coloured(self) -> None:
        on_a_terminal(*SHORT_RUN, "-o", "report.txt")
        assert "\x1b" not in Path("report.txt").read_text()
        assert "is not tracked by autograd, but its" in Path("report.txt").read_text()


@pytest.mark.slow
class TestBar:
    def test_it_is_drawn_and_wiped(self) -> None:
        written = on_a_terminal(*LONG_RUN, columns=80)
        drawn = re.findall(r"\r\x1b\[2K(\w+)  \[(#*)(-*)\]  (\d+)/(\d+)", written)
        assert [stage for stage, *_ in drawn if stage != "reading"][:2] == ["following", "planning"]
        assert "\r\x1b[2K\x1b[1mfit.py:3:30" in written.replace("\n", "")

    @pytest.mark.parametrize("arguments", [("-q",), ("--quiet", "--diff")])
    def test_quiet_draws_none(self, arguments: tuple[str, ...]) -> None:
        assert "#" not in on_a_terminal(*LONG_RUN, *arguments, "--color=never")

    def test_a_pipe_gets_none(self) -> None:
        ran = piped(*LONG_RUN)
        assert ran.stderr == "1 finding in 1 file, 1 fixable\n"

    def test_a_short_run_draws_none(self) -> None:
        assert "[-" not in on_a_terminal(*SHORT_RUN, NO_COLOR="1")

    def test_the_line(self) -> None:
        assert bar.line("following", 6, 24, 80) == f"following  [{'#' * 7}{'-' * 23}]  6/24"
        assert len(bar.line("following", 100, 24000, 40)) < 40
        assert bar.line("following", 6, 24, 18) == "following 6/24"
        assert bar.line("following", 6, 24, 10) == "following"

    def test_a_stage_in_another_is_silent(self) -> None:
        told: list[tuple[str, int, int]] = []
        with progress.told_to(lambda *words: told.append(words)):
            for _ in progress.counted("outer", "ab"):
                assert list(progress.counted("inner", "xyz")) == ["x", "y", "z"]
        assert told == [("outer", 0, 2), ("outer", 1, 2)]
        assert list(progress.counted("nobody", "ab")) == ["a", "b"]

    def test_a_stage_that_fails_is_over(self) -> None:
        told: list[str] = []
        with progress.told_to(lambda stage, *_: told.append(stage)):
            stage = iter(progress.counted("broken", "ab"))
            next(stage)
            del stage
            list(progress.counted("next", "a"))
        assert told == ["broken", "next"]


@pytest.mark.slow
class TestCompletion:
    @pytest.fixture
    def script(self) -> Callable[[str], str]:
        """Return what fixgrad gives a shell to load."""

        def source(shell: str) -> str:
            env = {**os.environ, "PYTHONPATH": str(ROOT), "_FIXGRAD_COMPLETE": f"{shell}_source"}
            return subprocess.run(
                FIXGRAD, capture_output=True, text=True, check=True, env=env
            ).stdout

        return source

    @pytest.mark.parametrize(
        ("typed", "offered"),
        [
            ("fixgrad ru", ["rule"]),
            ("fixgrad rule FG20", ["FG201", "FG202"]),
            ("fixgrad rule FG90", ["FG901", "FG909"]),
            ("fixgrad --select FG101,FG20", ["FG101,FG201"]),
            ("fixgrad --output-format rd", ["rdjson", "rdjsonl"]),
            ("fixgrad fit.py --unsafe", ["--unsafe-fixes"]),
            ("fixgrad graph --output-format m", ["mermaid"]),
        ],
    )
    def test_bash(self, script: Callable[[str], str], typed: str, offered: list[str]) -> None:
        if shutil.which("bash") is None:
            pytest.skip("bash is not installed")
        os.mkdir("bin")
        Path("bin/fixgrad").write_text(f'#!/bin/sh\nexec {sys.executable} -m fixgrad "$@"\n')
        Path("bin/fixgrad").chmod(0o755)
        Path("load").write_text(script("bash"))
        program = (
            f"compopt() {{ :; }}; . ./load; COMP_WORDS=({typed}); "
            f"COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _fixgrad_completion fixgrad; "
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"bin:{os.environ['PATH']}"}
        ran = subprocess.run(
            ["bash", "-c", program], capture_output=True, text=True, check=False, env=env
        )
        assert set(offered) <= set(ran.stdout.split("\n")), ran.stderr

    @pytest.mark.parametrize("shell", ["zsh", "fish"])
    def test_other_shells_can_load_it(self, script: Callable[[str], str], shell: str) -> None:
        if shutil.which(shell) is None:
            pytest.skip(f"{shell} is not installed")
        Path("load").write_text(script(shell))
        ran = subprocess.run([shell, "-n", "load"], capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")

    @pytest.mark.parametrize(
        ("shell", "answer"), [("zsh", "plain\nrule\n"), ("fish", "plain,rule")]
    )
    def test_what_other_shells_are_told(self, shell: str, answer: str) -> None:
        words = {"zsh": "fixgrad ru", "fish": "fixgrad ru"}[shell]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "_FIXGRAD_COMPLETE": f"{shell}_complete",
               "COMP_WORDS": words, "COMP_CWORD": "ru" if shell == "fish" else "1"}  # fmt: skip
        ran = subprocess.run(FIXGRAD, capture_output=True, text=True, check=True, env=env)
        assert answer in ran.stdout

    def test_paths_are_completed_by_the_shell(self) -> None:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "_FIXGRAD_COMPLETE": "bash_complete",
               "COMP_WORDS": "fixgrad fit.py o", "COMP_CWORD": "2"}  # fmt: skip
        ran = subprocess.run(FIXGRAD, capture_output=True, text=True, check=True, env=env)
        assert ran.stdout == "file,o\n"
