"""fixgrad as a process of its own: with git, on a terminal, interrupted, cut off."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from fixgrad import __version__, cli
from tests import test_pipeline as story
from tests.test_pipeline import make

pytestmark = pytest.mark.slow

analysis, here = story.analysis, story.here  # fixtures: the analysis that reads comments

PYTHON = [sys.executable, "-m", "fixgrad"]
# The same in a child process, with the analysis that reads comments.
CHILD = [sys.executable, "-c", "import tests.test_cli_process as t; t.run()"]


def run() -> None:
    """Run the command line of a child process with the analysis that reads comments."""
    module = ModuleType("fixgrad.analysis")
    vars(module)["analyse"] = story.analyse
    sys.modules["fixgrad.analysis"] = module
    sys.exit(cli.run(sys.argv[1:]))


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a child that finds these tests from anywhere."""
    ours = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    return {**ours, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", **more}


def git(*arguments: str, data: bytes = b"", folder: str = ".") -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True, cwd=folder, input=data)


class TestGitApply:
    @pytest.fixture(autouse=True)
    def repository(self, here: Path) -> None:
        git("init", "-q")
        git("config", "core.autocrlf", "false")
        git("config", "core.quotepath", "true")

    def applied(self, here: Path, arguments: list[str], folder: str = ".") -> None:
        """Check that the patch, applied from the top, gives what --fix writes."""
        os.chdir(folder)
        command = [*CHILD, *arguments]
        ran = subprocess.run(
            [*command, "--diff"], capture_output=True, check=False, env=environment()
        )
        assert ran.returncode == 1, ran.stderr
        before = {path: path.read_bytes() for path in here.rglob("*.py")}
        git("apply", data=ran.stdout, folder=str(here))
        applied = {path: path.read_bytes() for path in before}
        for path, data in before.items():
            path.write_bytes(data)
        subprocess.run([*command, "--fix"], capture_output=True, check=False, env=environment())
        written = {path: path.read_bytes() for path in before}
        assert applied == written != before

    @pytest.mark.parametrize(
        "name",
        [
            *("a.py", "with space.py", " a.py", "ünï.py", 'quo"te.py', "tab\t.py"),
            *("new\nline.py", "back\\slash.py", os.fsdecode(b"\xe9.py")),
        ],
    )
    def test_names(self, here: Path, name: str) -> None:
        make(name, "safe")
        self.applied(here, [])

    @pytest.mark.parametrize(
        "data",
        [
            b"import torch\r\nx = torch.from_numpy(a)  # safe\r\n",
            b"import torch\nx = torch.from_numpy(a)  # safe",
            b"import torch\rx = torch.from_numpy(a)  # safe\ry = 1\r",
            b"\xef\xbb\xbfimport torch; x = torch.from_numpy(a)  # safe\n",
            b"# coding: latin-1\n'\xe9'; x = torch.from_numpy(a)  # safe \xe9\n",
            b"import torch\n\x0c\nx = torch.from_numpy(a)  # safe\r\ny = 1\rz = 2\n",
        ],
    )
    def test_bytes(self, here: Path, data: bytes) -> None:
        Path("a.py").write_bytes(data)
        self.applied(here, [])

    def test_several_files_from_a_folder_below(self, here: Path) -> None:
        os.makedirs("p/q")
        make("p/q/a.py", "safe", "refused", "safe")
        make("b.py", "safe")
        make("p/c.py", "refused")
        self.applied(here, ["..", "../../b.py", "."], folder="p/q")


class TestColour:
    def on_terminal(self, *arguments: str, **more: str) -> bytes:
        """Return what a terminal gets to see of standard output."""
        ours, theirs = pty.openpty()
        command = [*CHILD, *arguments]
        child = subprocess.Popen(
            command, stdout=theirs, stderr=subprocess.DEVNULL, env=environment(**more)
        )
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while chunk := os.read(ours, 4096):
                seen += chunk
        child.wait(timeout=30)
        os.close(ours)
        return seen

    @pytest.mark.parametrize(
        ("arguments", "more", "coloured"),
        [
            ([], {}, True),
            (["--diff"], {}, True),
            (["--color", "never"], {}, False),
            ([], {"NO_COLOR": "1"}, False),
            ([], {"TERM": "dumb"}, False),
            (["--color", "always"], {"NO_COLOR": "1"}, True),
            (["--output-format", "json"], {}, False),
        ],
    )
    def test_on_a_terminal(
        self, arguments: list[str], more: dict[str, str], coloured: bool
    ) -> None:
        make("a.py", "safe")
        seen = self.on_terminal(*arguments, **more)
        assert seen
        assert (b"\x1b[" in seen) is coloured


class TestProcess:
    def test_the_whole_of_it(self, here: Path) -> None:
        case = Path(__file__).parents[1] / "fixtures/repair/classic_grad_of_array"
        (here / "main.py").write_bytes((case / "before/main.py").read_bytes())
        for code, options in ((1, ["--diff"]), (0, ["--fix"]), (0, [])):
            ran = subprocess.run(
                [*PYTHON, *options], capture_output=True, check=False, env=environment()
            )
            assert ran.returncode == code, ran.stderr
        assert (here / "main.py").read_bytes() == (case / "after/main.py").read_bytes()

    def test_version_without_click(self) -> None:
        code = "import sys; sys.argv[1:] = ['--version']; import fixgrad.__main__ as m; m.main()"
        code += "; print('click' in sys.modules)"
        ran = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert ran.stdout == f"fixgrad {__version__}\nFalse\n"
        ran = subprocess.run(
            [*PYTHON, "-q", "--version"], capture_output=True, text=True, check=True
        )
        assert ran.stdout == f"fixgrad {__version__}\n"

    def test_a_reader_that_leaves_is_no_error(self) -> None:
        make("a.py", *["refused"] * 2000)
        ours, theirs = os.pipe()
        os.close(ours)
        ran = subprocess.run(
            [*CHILD, "-q"], stdout=theirs, stderr=subprocess.PIPE, check=False, env=environment()
        )
        os.close(theirs)
        assert (ran.returncode, ran.stderr) == (1, b"")

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
    def test_a_full_disk_is_an_error(self) -> None:
        with open("/dev/full", "wb") as full:
            ran = subprocess.run(
                [*PYTHON, "--help"], stdout=full, stderr=subprocess.PIPE, check=False
            )
            assert ran.returncode != 0
            Path("a.py").touch()
            command = [*PYTHON, "--output-format", "json"]
            buffered = {n: v for n, v in os.environ.items() if n != "PYTHONUNBUFFERED"}
            for environment in (buffered, {**buffered, "PYTHONUNBUFFERED": "1"}):
                ran = subprocess.run(
                    command, stdout=full, stderr=subprocess.PIPE, check=False, env=environment
                )
                assert ran.returncode == 2
                said = b"fixgrad: standard output cannot be written: No space left on device"
                assert ran.stderr.splitlines() == [said]

    def test_a_closed_standard_output(self) -> None:
        Path("a.py").touch()
        command = f"{sys.executable} -m fixgrad --output-format json >&-"
        assert subprocess.run(command, shell=True, check=False).returncode == 0

    def test_ctrl_c(self) -> None:
        code = (
            "import tests.test_cli_process as t, fixgrad.project as p, time\n"
            "def slow(*a, **k):\n print('ready', flush=True)\n time.sleep(30)\n"
            "p.find_files = slow\nt.run()"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
        assert (child.returncode, out) == (130, b"")
        assert err.strip() == b"fixgrad: interrupted"
