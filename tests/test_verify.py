"""`fixgrad verify` as a command: programs that hang, kill themselves, write, start others, ask for input."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fixgrad import cli
from tests.programs import read_case

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[1] / "fixtures"
FIT = """\
import numpy as np
import torch

x = torch.from_numpy(np.array([1.0, 2.0]))
w = torch.ones(2, dtype=torch.float64, requires_grad=True)
(x * w).sum().backward()
print(x.grad)
"""


def after(trouble: str) -> str:
    """Return a program that does something first, of which the analysis knows nothing."""
    return f"exec({trouble!r})\n{FIT}"


class User:
    """A project in a folder of its own, the current one."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capfd = folder, capfd

    def write(self, text: str, name: str = "main.py") -> None:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def tree(self) -> dict[str, tuple[str, int, int]]:
        """Return all that stands in the folder: contents, modes and times."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            status = path.lstat()
            data = path.read_bytes() if path.is_file() else b""
            name = str(path.relative_to(self.folder))
            found[name] = (hashlib.sha256(data).hexdigest(), status.st_mode, status.st_mtime_ns)
        return found

    def verify(self, *arguments: str) -> tuple[int, dict[str, object], str]:
        """Run the command; return its exit code, its JSON, and what it says beside; nothing is touched."""
        before = self.tree()
        options = [*arguments] if "--" in arguments else [*arguments, "--", "python", "main.py"]
        code = cli.run(["verify", "--python", sys.executable, "--output-format", "json", *options])
        said = self._capfd.readouterr()
        assert "--fix" in arguments or self.tree() == before
        assert not self.processes()
        return code, json.loads(said.out) if said.out else {}, said.err

    def processes(self) -> set[int]:
        """Return the processes that this test has started, and those that they have."""
        own = os.fsencode(os.environ["XDG_STATE_HOME"])  # no other test has this in its environment
        found = set()
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):  # ended meanwhile
                if own in path.read_bytes():
                    found.add(int(path.parent.name))
        return found


@pytest.fixture
def user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> User:
    """Return a project with the current folder in it."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = User(folder, capfd)
    made.write(FIT)
    return made


def digest(name: str) -> str:
    """Return what a certificate says of the content of a file."""
    return hashlib.sha256(Path(name).read_bytes()).hexdigest()


def verdicts(data: dict[str, object]) -> list[tuple[object, ...]]:
    """Return the verdicts of a report, shortly."""
    found = data["verdicts"]
    assert isinstance(found, list)
    return [(each["location"]["row"], each["verdict"]) for each in found]


def endings(data: dict[str, object]) -> list[str]:
    """Return how the runs ended."""
    runs = data["runs"]
    assert isinstance(runs, list)
    return [run["ending"] for run in runs]


class TestUnrulyPrograms:
    """What a program does to itself is told, and nothing of it is left."""

    def test_hangs(self, user: User) -> None:
        user.write(after("while True: pass"))
        started = time.monotonic()
        code, data, _ = user.verify("--timeout", "1")
        assert (code, verdicts(data)) == (1, [(5, "not reached")])
        assert endings(data) == ["stopped after 1 s (--timeout)"] * 2
        assert time.monotonic() - started < 30

    def test_kills_itself(self, user: User) -> None:
        user.write(after("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
        code, data, _ = user.verify()
        assert (code, verdicts(data)) == (1, [(5, "not reached")])
        assert endings(data) == ["killed by SIGKILL"] * 2

    def test_asks_for_input(self, user: User) -> None:
        user.write(after("input('go on? ')"))
        code, data, _ = user.verify()
        assert (code, verdicts(data)) == (1, [(5, "not reached")])
        assert "EOFError" in str(data["verdicts"])

    def test_prints_without_end(self, user: User) -> None:
        user.write(after("while True: print('x' * 100_000)"))
        _, data, _ = user.verify()
        assert endings(data) == ["stopped for endless output"] * 2

    def test_takes_too_much_memory(self, user: User) -> None:
        user.write(after("b'x' * 2_000_000_000"))
        code, data, _ = user.verify("--memory", "500")
        assert (code, endings(data)) == (1, ["exit 1"] * 2)
        assert "MemoryError" in str(data["verdicts"])

    def test_leaves_processes_behind(self, user: User) -> None:
        """In a session of their own and orphaned: they are found all the same."""
        trouble = (
            "import os, subprocess, time\n"
            "subprocess.Popen(['sleep', '31415'], start_new_session=True)\n"
            "child = os.fork()\n"
            "if child == 0:\n    os.setsid()\n"
            "    if os.fork() == 0:\n        time.sleep(31415)\n    os._exit(0)\n"
            "os.waitpid(child, 0)\nraise SystemExit"
        )
        user.write(after(trouble))
        _, data, said = user.verify()
        assert endings(data) == ["exit 0"] * 2
        assert "left 2 processes behind" in said

    def test_what_is_left_would_be_noticed(self, user: User) -> None:
        with subprocess.Popen(["sleep", "31415"], start_new_session=True) as left:
            assert user.processes() == {left.pid}
            left.kill()

    def test_there_is_no_such_program(self, user: User) -> None:
        code, _, said = user.verify("--", "no-such-program", "main.py")
        assert (code, said) == (2, "fixgrad: no-such-program: cannot be run (no such program)\n")

    def test_the_probe_is_kept_out(self, user: User) -> None:
        user.write(FIT.replace("import torch", "exec('quit()')\nimport torch"))
        code, _, said = user.verify("--", "python", "-I", "main.py")
        assert code == 1
        assert "did not load the probe" in said

    def test_nothing_to_prove(self, user: User) -> None:
        user.write(FIT.replace("([1.0, 2.0]))", "([1.0, 2.0])).requires_grad_()"))
        code, data, said = user.verify("--", "no-such-program")
        assert (code, data["verdicts"], said) == (0, [], "nothing to prove: no repair is planned\n")


class TestSaidBeside:
    """What a reader should know beside the verdicts; and where nothing can be said."""

    def test_loaded_from_the_own_tree(self, user: User) -> None:
        """The program finds its own file by where it stands, past the copy."""
        user.write("", "kept_apart/own.py")
        place = str(user.folder / "kept_apart")
        user.write(
            after(
                f"import sys; sys.path.insert(0, '/'.join({place.split('/')}))\n"
                "sys.dont_write_bytecode = True\nimport own; quit()"
            )
        )
        _, data, said = user.verify()
        assert endings(data) == ["exit 0"] * 2
        assert f"note: {place}/own.py was loaded from your own tree, not from the copy" in said

    def test_changed_in_the_own_tree(self, user: User) -> None:
        """And nothing is written: no repair is proved."""
        user.write("1", "log.txt")
        parts = str(user.folder / "log.txt").split("/")
        user.write(after(f"open('/'.join({parts}), 'a').write('x'); quit()"))
        before = digest("main.py")
        code, data, said = user.verify("--fix", "--require-proof")
        assert (code, verdicts(data)) == (1, [(5, "not reached")])
        assert "note: log.txt changed in your own tree during the run\n" in said
        assert Path("log.txt").read_text() == "1xx"
        assert (digest("main.py"), "wrote" in said) == (before, False)

    def test_copies_are_kept(self, user: User) -> None:
        user.write(after("quit()"))
        _, _, said = user.verify("--keep")
        found = re.search("note: the copies are in (.*)\n", said)
        assert found
        repaired = Path(found[1], "after1", "project", "main.py").read_text()
        original = Path(found[1], "before", "project", "main.py").read_text()
        shutil.rmtree(found[1])
        assert original == Path("main.py").read_text()
        assert repaired == original.replace(
            "from_numpy(np.array([1.0, 2.0]))", "tensor(np.array([1.0, 2.0]), requires_grad=True)"
        )

    def test_a_file_that_is_no_python(self, user: User) -> None:
        """It is told, the other files are proved, and the exit code is 2."""
        user.write("def (:", "broken.py")
        user.write(after("quit()"))
        code, data, said = user.verify()
        assert (code, verdicts(data)) == (2, [(5, "not reached")])
        assert said.startswith("broken.py:1:5: ")

    def test_a_proof_is_for_what_is_written(self, user: User) -> None:
        code, data, said = user.verify("--require-proof")
        assert (code, data) == (2, {})
        assert "--require-proof goes with --fix" in said

    def test_there_is_no_such_interpreter(self, user: User) -> None:
        code, _, said = user.verify("--python", "no-such-python")
        assert (code, said) == (
            2,
            "fixgrad: no-such-python: no such program; name one with --python\n",
        )

    def test_a_script_of_the_project(self, user: User) -> None:
        """It is that of the copy that is run, and `python` is the interpreter that is asked for."""
        user.write("#!/bin/sh\nexec python main.py\n", "run.sh")
        Path("run.sh").chmod(0o755)
        user.write(after("import sys; print('BY', sys.executable, sys.argv); quit()"))
        _, data, said = user.verify("--show-output", "--", "./run.sh")
        assert endings(data) == ["exit 0"] * 2
        binaries = re.escape(str(Path(sys.executable).parent))
        assert len(re.findall(rf"^BY {binaries}/python[\d.]* \['main.py'\]$", said, re.M)) == 2

    def test_a_program_as_it_is_found(self, user: User, capfd: pytest.CaptureFixture[str]) -> None:
        """Without --python it is the one that the command names."""
        user.write(after("import sys; print('BY', sys.executable); quit()"))
        code = cli.run(["verify", "--show-output", "--", sys.executable, "main.py"])
        assert (code, capfd.readouterr().err.count(f"BY {sys.executable}\n")) == (1, 2)


class TestData:
    """Programs that are right as they are."""

    def test_noop_cases_have_nothing_to_prove(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """No program is run for them: there is none of this name."""
        shutil.copytree(FIXTURES / "noop", tmp_path / "noop")
        monkeypatch.chdir(tmp_path)
        cases = [case for case in sorted(FIXTURES.glob("noop/*")) if is_right(case)]
        paths = [path for case in cases for path in files_of(case)]
        assert len(cases) > 300
        code = cli.run(["verify", "--isolated", *paths, "--", "no-such-program"])
        assert (code, capfd.readouterr().err) == (0, "nothing to prove: no repair is planned\n")


def is_right(case: Path) -> bool:
    """Say whether no wrong answer is recorded for a case."""
    texts = [path.read_text("utf-8", "replace") for path in case.rglob("*") if path.is_file()]
    return not any(re.search(r"#\s*spurious:", text) for text in texts)


def files_of(case: Path) -> list[str]:
    """Return what the command line is given for a case, seen from the folder of all."""
    given = read_case(case).get("given", [])
    assert isinstance(given, list)
    return [f"noop/{case.name}/{name}".rstrip("/") for name in given or [""]]


class TestCopies:
    """What is run is a copy, whole as far as a program may need it."""

    def tree_in_copy(self, user: User, *options: str) -> set[str]:
        look = (
            "import os\nfor top, folders, files in os.walk('.'):\n"
            "    for name in folders + files: print('SEES', os.path.join(top, name))\nquit()"
        )
        user.write(after(look))
        words = [*options, "--show-output", "--", "python", "main.py"]
        _, _, said = user.verify(*words)
        original = said.partition("--- repaired")[0]
        return {line[7:] for line in original.splitlines() if line.startswith("SEES ./")}

    def test_ignored_data_comes_along(self, user: User) -> None:
        subprocess.run(["git", "init", "-q"], check=True)
        for name in (".gitignore", "data/a.npy", ".venv/pyvenv.cfg", "env/pyvenv.cfg", "sub/b.txt"):
            user.write("*.npy\n", name)
        seen = self.tree_in_copy(user)
        assert {"data", "data/a.npy", "sub/b.txt", ".gitignore", "main.py"} <= seen
        assert not {".git", ".venv", "env"} & seen

    def test_links_lead_into_the_copy(self, user: User, tmp_path: Path) -> None:
        """Relative or absolute: what is written through them is not the user's."""
        user.write("1", "data/value.txt")
        user.write("2", "../outside/value.txt")
        os.symlink("data", "relative")
        os.symlink(user.folder / "data/value.txt", "absolute.txt")
        os.symlink(tmp_path / "outside", "elsewhere")
        follow = (
            "open('relative/value.txt', 'a').write('x')\nopen('absolute.txt', 'a').write('x')\n"
            "print('READ', open('elsewhere/value.txt').read())\nquit()"
        )
        user.write(after(follow))
        _, _, said = user.verify("--show-output")
        assert said.count("READ 2") == 2
        assert (user.folder / "data/value.txt").read_text() == "1"

    def test_what_is_shared_is_read_in_place(self, user: User) -> None:
        user.write("1", "big/data.txt")
        user.write(after("import os; print('LINK', os.path.islink('big')); quit()"))
        _, _, said = user.verify("--share", "big", "--show-output")
        assert said.count("LINK True") == 2

    def test_places_in_the_command_are_those_of_the_copy(self, user: User) -> None:
        user.write(after("import sys; open(sys.argv[1][7:], 'a').write('x'); quit()"))
        user.write("1", "value.txt")
        script, value = user.folder / "main.py", user.folder / "value.txt"
        _, data, _ = user.verify("--", "python", str(script), f"--into={value}")
        assert endings(data) == ["exit 0"] * 2
        assert value.read_text() == "1"

    def test_too_much_to_copy(self, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("fixgrad.runtime.workspace.MOST_BYTES", 10_000)
        user.write("x" * 20_000, "weights/big.bin")
        code, _, said = user.verify()
        assert code == 2
        assert "most of it is weights (0 MiB)" in said
        assert "--share" in said

    def test_a_file_outside(self, user: User) -> None:
        user.write(FIT, "../other.py")
        code, _, said = user.verify("../other.py", "--", "python", "main.py")
        assert code == 2
        assert "--root" in said


@pytest.mark.torch
class TestProofs:
    """With torch, in processes of their own."""

    def test_writes_into_its_folder(self, user: User, tmp_path: Path) -> None:
        """The proof holds, the certificate tells, and the user's folder is as it was."""
        user.write(f"{FIT}open('log.txt', 'a').write('x')\nimport os; os.remove('data.txt')\n")
        user.write("1", "data.txt")
        certificate = tmp_path / "certificate.json"
        code, data, said = user.verify("--gradcheck", "--certificate", str(certificate))
        assert (code, verdicts(data)) == (0, [(4, "proved")])
        assert said == "1 proved; original: exit 0, repaired: exit 0\n"
        written = json.loads(certificate.read_text())
        assert written["inputs"] == {"main.py": digest("main.py")}
        assert (
            "+x = torch.tensor(np.array([1.0, 2.0]), requires_grad=True)"
            in written["patch"]["text"]
        )
        assert "finite differences agree" in written["verdicts"][0]["check"]
        assert any(each["kind"] == "arrival" for each in written["observations"]["repaired"])

    def test_only_what_is_proved_is_written(self, user: User) -> None:
        user.write(FIT.replace("x", "y"), "never_run.py")
        before = {name: digest(name) for name in ("main.py", "never_run.py")}
        words = ["--fix", "--require-proof", "--certificate", "../certificate.json"]
        code, data, _ = user.verify(*words)
        assert (code, verdicts(data)) == (0, [(4, "proved"), (4, "not reached")])
        certificate = json.loads(Path("../certificate.json").read_text())
        assert certificate["inputs"] == before
        assert certificate["repaired"] == {"main.py": digest("main.py")}
        assert certificate["written"] == ["main.py"]
        diff = certificate["patch"]["text"]
        subprocess.run(["git", "apply", "-R", "-"], input=diff, text=True, check=True)
        assert {name: digest(name) for name in before} == before
        subprocess.run(["git", "apply", "-"], input=diff, text=True, check=True)
        assert "requires_grad=True)\nw" in Path("main.py").read_text()
        assert Path("never_run.py").read_text() == FIT.replace("x", "y")

    def test_spawned_workers_and_a_sudden_end(self, user: User) -> None:
        """A conversion in a process that another has spawned, which ends without a word."""
        body = "".join(f"    {line}\n" for line in FIT.splitlines()[3:])
        user.write(
            f"import os\nimport numpy as np\nimport torch\n\ndef work():\n{body}    os._exit(3)\n\n"
            "if __name__ == '__main__':\n    import multiprocessing\n"
            "    p = multiprocessing.get_context('spawn').Process(target=work)\n"
            "    p.start()\n    p.join()\n    print(p.exitcode)\n"
        )
        code, data, _ = user.verify()
        assert (code, verdicts(data)) == (0, [(6, "proved")])

    def test_tests_are_proved(self, user: User) -> None:
        """Under pytest, where exceptions do not end the program; a library file is repaired."""
        body = "".join(f"    {line}\n" for line in FIT.splitlines()[3:-1])
        user.write(
            f"import numpy as np\nimport torch\n\ndef slope():\n{body}    return x.grad\n", "own.py"
        )
        user.write(
            "import own\n\ndef test_slope():\n    assert own.slope().sum() == 2\n", "test_own.py"
        )
        Path("main.py").unlink()
        words = ["--", "python", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        code, data, _ = user.verify(*words)
        assert (code, verdicts(data), endings(data)) == (0, [(5, "proved")], ["exit 1", "exit 0"])
