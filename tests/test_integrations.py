"""Where fixgrad plugs in, each tried with the real program: LibCST, flake8, pre-commit, CI."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.explained import FILES, HEAD
from tests.reports import FIT, LEVELS, STEP

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
SIMPLE = HEAD + "x = torch.from_numpy(np.ones(2))\nx.sum().backward()\nprint(x.grad)\n"
REPAIRED = SIMPLE.replace(
    "torch.from_numpy(np.ones(2))", "torch.tensor(np.ones(2), requires_grad=True)"
)


def run(*command: str, cwd: Path | None = None, seconds: int = 120, **env: str) -> Any:
    """Run a program in a folder, with fixgrad to be imported from this tree."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=seconds,
        env={**os.environ, "PYTHONPATH": path, **env},
    )  # fmt: skip


def needs(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: pip install 'fixgrad[test]' brings it")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.slow
class TestLibCST:
    TOOL = (sys.executable, "-m", "libcst.tool", "codemod")
    COMMAND = (*TOOL, "-x", "fixgrad.codemod.FixGradCommand", "--no-format", "--hide-progress")

    def test_it_repairs_files(self) -> None:
        os.mkdir("src")
        for name, text in FILES.items():
            Path("src", name).write_text(text)
        ran = run(*self.COMMAND, "-j", "1", "src")
        assert ran.returncode == 0, ran.stderr
        assert "requires_grad" in Path("src/main.py").read_text()
        assert Path("src/model.py").read_text() == FILES["model.py"]
        after = Path("src/main.py").read_text()
        assert run(*self.COMMAND, "-j", "1", "src").returncode == 0
        assert Path("src/main.py").read_text() == after

    @pytest.mark.parametrize(
        "data",
        [
            SIMPLE.replace("\n", "\r\n").encode(),
            SIMPLE.rstrip("\n").encode(),
            f"# -*- coding: latin-1 -*-\ns = 'é'\n{SIMPLE}".encode("latin-1"),
            SIMPLE.replace("x =", "x  =").replace("(np", "( np").encode(),
        ],
        ids=["crlf", "no last newline", "latin-1", "unformatted"],
    )
    def test_all_else_stays(self, data: bytes) -> None:
        Path("a.py").write_bytes(data)
        ran = run(*self.COMMAND, "a.py")
        assert ran.returncode == 0, ran.stderr
        after = Path("a.py").read_bytes()
        assert b", requires_grad=True)" in after
        conversion = rb"torch\.\w+\( ?np.ones\(2\)(, requires_grad=True)?\)"
        assert re.sub(conversion, b"X", after) == re.sub(conversion, b"X", data)

    def test_what_it_leaves_alone_is_warned_of(self) -> None:
        os.mkdir("lib")
        Path("lib/sgd.py").write_text(STEP)
        Path("fit.py").write_text(HEAD + FIT, "utf-8")
        Path("levels.py").write_text(HEAD + LEVELS)
        before = [path.read_bytes() for path in sorted(Path().rglob("*.py"))]
        ran = run(*self.COMMAND, "-j", "1", ".", PYTHONUTF8="1")
        assert ran.returncode == 0
        assert "levels.py:3:10: FG204 a tensor of int64" in ran.stderr
        assert "(FG911 the repair edits lib/sgd.py too, at line 6" in ran.stderr
        assert [path.read_bytes() for path in sorted(Path().rglob("*.py"))] == before
        assert run(*self.COMMAND, "--unsafe-fixes", "levels.py").returncode == 0
        assert "torch.float32" in Path("levels.py").read_text()

    def test_options_and_standard_input(self) -> None:
        command = (*self.COMMAND, "--ignore", "FG1,FG204", "-")
        ran = subprocess.run(command, input=SIMPLE, capture_output=True, text=True, check=False,
                             env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
        assert ran.stdout.rstrip("\n") == SIMPLE.rstrip("\n")
        ran = run(*self.COMMAND, "--select", "FG999", str(ROOT / "tests/explained.py"))
        assert ran.returncode != 0
        assert "no rule 'FG999'" in ran.stderr

    def test_the_command_of_the_readme(self) -> None:
        (command,) = re.findall(
            r"python (-m libcst\.tool codemod .*)", (ROOT / "README.md").read_text("utf-8")
        )
        os.mkdir("src")
        Path("src/a.py").write_text(SIMPLE)
        ran = run(sys.executable, *command.split())
        assert ran.returncode == 0, ran.stderr
        assert Path("src/a.py").read_text() == REPAIRED


@pytest.mark.slow
class TestFlake8:
    def flake8(self, *arguments: str, text: str | None = None) -> list[str]:
        """Run flake8; where fixgrad is not installed as a plugin, it is named as one."""
        needs("flake8")
        plugins = importlib.metadata.entry_points(group="flake8.extension")
        local = "" if any(p.name == "FG" for p in plugins) else (
            f"[flake8:local-plugins]\nextension =\n    FG = {self.declared()}\n"
        )  # fmt: skip
        Path(".flake8").write_text(f"[flake8]\nextend-ignore = E,W,F4,F8\n{local}")
        command = [sys.executable, "-m", "flake8", *arguments]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, env=env
        )
        assert ran.stderr == ""
        return ran.stdout.splitlines()

    def declared(self) -> str:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        return str(project["entry-points"]["flake8.extension"]["FG"])

    def test_findings_among_those_of_others(self) -> None:
        Path("a.py").write_text(SIMPLE)
        Path("b.py").write_text(HEAD + LEVELS)
        message = "`x` is not tracked by autograd, but its `.grad` is read at line 5"
        assert self.flake8("a.py", "b.py") == [
            f"a.py:3:5: FG101 {message}",
            "b.py:3:10: FG204 a tensor of int64 cannot require a gradient",
        ]
        assert self.flake8("--extend-ignore", "FG2,E,W,F4,F8", "b.py") == []
        assert self.flake8("-", text=SIMPLE) == [f"stdin:3:5: FG101 {message}"]

    def test_each_finding_once_though_files_are_looked_at_alone(self) -> None:
        for name, text in FILES.items():
            Path(name).write_text(text)
        (line,) = self.flake8(".")
        assert line.startswith("./main.py:10:9: FG102 ")
        assert line.endswith("at line 7 of model.py")

    def test_comments_and_settings_hold(self) -> None:
        Path("a.py").write_text(SIMPLE.replace("(2))\n", "(2))  # noqa: FG101\n"))
        assert self.flake8("a.py") == []
        Path("a.py").write_text(SIMPLE)
        Path("fixgrad.toml").write_text('ignore = ["FG1"]\n')
        assert self.flake8("a.py") == []

    def test_codes_are_as_flake8_wants_them(self) -> None:
        from fixgrad import catalogue  # noqa: PLC0415

        assert all(re.fullmatch(r"[A-Z]{1,3}[0-9]{0,3}", r.code) for r in catalogue.rules())


@pytest.mark.slow
class TestPreCommit:
    @pytest.fixture
    def hooks(self, tmp_path: Path) -> Path:
        """Return a repository that holds what is installed of this tree."""
        needs("pre_commit")
        copy = tmp_path / "hooks"
        shutil.copytree(ROOT / "fixgrad", copy / "fixgrad", ignore=shutil.ignore_patterns("__pyc*"))
        for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
            shutil.copy(ROOT / name, copy / name)
        self.commit(copy)
        return copy

    def commit(self, folder: Path) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "core.hooksPath=/dev/null")
        for command in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-qm", "all")):
            subprocess.run(["git", *command], cwd=folder, check=True)

    def test_the_hooks(self, hooks: Path, tmp_path: Path) -> None:
        """Installed and run by pre-commit itself; it brings click and libcst by pip."""
        repository = tmp_path / "repository"
        repository.mkdir()
        (repository / "a.py").write_text(SIMPLE)
        (repository / "clean.py").write_text("import torch\n")
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=hooks, capture_output=True,
                              text=True, check=True).stdout.strip()  # fmt: skip
        config = f"repos:\n- repo: {hooks}\n  rev: {head}\n  hooks:\n  - id: fixgrad\n  - id: fixgrad-fix\n"
        (repository / ".pre-commit-config.yaml").write_text(config)
        self.commit(repository)

        def hook(name: str, *arguments: str) -> Any:
            command = (sys.executable, "-m", "pre_commit", "run", name, "--color", "never")
            home = str(tmp_path / "home")
            return run(*command, *arguments, cwd=repository, seconds=500, PYTHONPATH="",
                       PRE_COMMIT_HOME=home, PIP_DISABLE_PIP_VERSION_CHECK="1")  # fmt: skip

        shown = hook("fixgrad", "--all-files")
        if "No matching distribution" in shown.stdout or "Connection" in shown.stdout:
            pytest.skip("pip cannot install click and libcst here: no index is reached")
        assert shown.returncode == 1, shown.stdout + shown.stderr
        assert "fixgrad (check, show diff)" in shown.stdout
        assert "+x = torch.tensor(np.ones(2), requires_grad=True)" in shown.stdout
        assert (repository / "a.py").read_text() == SIMPLE
        fixed = hook("fixgrad-fix", "--all-files")
        assert fixed.returncode == 1, fixed.stdout
        assert "files were modified by this hook" in fixed.stdout
        assert (repository / "a.py").read_text() == REPAIRED
        assert hook("fixgrad", "--all-files").returncode == 0
        assert hook("fixgrad-fix", "--files", "clean.py").returncode == 0


@pytest.mark.slow
class TestExamples:
    def checked(self, name: str, schema: str) -> None:
        needs("check_jsonschema")
        ran = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, name)
        assert ran.returncode == 0, ran.stdout

    def test_schemas(self) -> None:
        self.checked(str(ROOT / "examples/github-workflow.yml"), "vendor.github-workflows")
        self.checked(str(ROOT / "examples/gitlab-ci.yml"), "vendor.gitlab-ci")

    def commands(self, name: str) -> list[str]:
        """Return every command of an example that runs fixgrad, as its shell gets it."""
        yaml = pytest.importorskip("yaml", reason="pip install 'fixgrad[test]' brings it")
        example = yaml.safe_load((ROOT / "examples" / name).read_text())
        if name.startswith("gitlab"):
            lines = list(example["fixgrad"]["script"])
        else:
            steps = [step for job in example["jobs"].values() for step in job["steps"]]
            lines = [line for step in steps for line in step.get("run", "").splitlines()]
        return [line.split(" | ")[0] for line in lines if line.startswith("fixgrad ")]

    @pytest.mark.parametrize("name", ["github-workflow.yml", "gitlab-ci.yml"])
    def test_every_command_runs(self, name: str, tmp_path: Path) -> None:
        Path("a.py").write_text(SIMPLE)
        found = self.commands(name)
        assert len(found) == {"github-workflow.yml": 4, "gitlab-ci.yml": 2}[name]
        for line in found:
            command = line.replace("fixgrad ", f"{sys.executable} -m fixgrad ", 1)
            ran = run("bash", "-c", command, GITHUB_STEP_SUMMARY=str(tmp_path / "summary"))
            assert ran.returncode == (0 if "--exit-zero" in line else 1), ran.stderr
        files = set(re.findall(r"--output-file (\S+)", "\n".join(found)))
        assert all(Path(file).stat().st_size for file in files)
        if name.startswith("gitlab"):
            assert json.loads(Path("gl-code-quality-report.json").read_text())[0]["location"]
