"""The wheel: everything that fixgrad needs to run, and nothing else."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from fixgrad import __version__

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
DIST_INFO = f"fixgrad-{__version__}.dist-info/"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel without a network."""
    for needed in ("pip", "hatchling"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed, and an isolated build needs a network")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-index", "--no-build-isolation", "-w", str(folder), str(ROOT)),
        ],
        check=True,
    )
    (path,) = folder.iterdir()
    assert path.name == f"fixgrad-{__version__}-py3-none-any.whl"
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def source_archive(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build the source archive without a network; return the names in it, without its folder."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed, and an isolated build needs a network")
    folder = tmp_path_factory.mktemp("source")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (path,) = folder.iterdir()
    with tarfile.open(path) as archive:
        return [name.partition("/")[2] for name in archive.getnames()]


def test_the_source_archive_holds_what_the_tests_need_and_no_litter(
    source_archive: list[str],
) -> None:
    names = set(source_archive)
    assert names >= {
        "noxfile.py",
        "constraints.txt",
        "CONTRIBUTING.md",
        "tests/test_packaging.py",
        "LICENSE",
    }
    assert names >= {p.relative_to(ROOT).as_posix() for p in (ROOT / "fixgrad").rglob("*.py")}
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.skip("this is no git work tree, so nobody knows which of the files belong to it")
    made_by_the_build = {"PKG-INFO", ".gitignore"}
    assert names - set(ran.stdout.splitlines()) <= made_by_the_build


def test_contents(wheel: zipfile.ZipFile) -> None:
    package = [path for path in (ROOT / "fixgrad").rglob("*") if path.is_file()]
    code = {path for path in package if path.suffix == ".py" or path.name == "py.typed"}
    data = set((ROOT / "fixgrad/knowledge/data").rglob("*.toml"))
    data |= set((ROOT / "fixgrad/knowledge/data/library").glob("*.txt"))
    data |= {ROOT / "fixgrad/page/template" / f"page.{kind}" for kind in ("html", "css", "js")}
    assert {path for path in package if "__pycache__" not in path.parts} == code | data
    assert set(wheel.namelist()) == {
        *(path.relative_to(ROOT).as_posix() for path in code | data),
        *(DIST_INFO + name for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")),
        DIST_INFO + "licenses/LICENSE",
    }
    assert wheel.read(DIST_INFO + "licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()


def test_metadata(wheel: zipfile.ZipFile) -> None:
    text = wheel.read(DIST_INFO + "METADATA").decode()
    head, _, body = text.partition("\n\n")
    lines = head.splitlines()
    assert {"Name: fixgrad", f"Version: {__version__}", "Requires-Python: >=3.10"} <= set(lines)
    assert "License-Expression: MIT" in lines
    assert body.startswith("# fixgrad\n")
    needed = [line for line in lines if line.startswith("Requires-Dist:") and "extra" not in line]
    assert [line.split()[1].split(">")[0] for line in needed] == ["click", "libcst", "tomli"]
    assert "fixgrad = fixgrad.__main__:start" in wheel.read(DIST_INFO + "entry_points.txt").decode()


def test_it_runs_from_the_wheel_alone(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "installed")
    case = ROOT / "fixtures/repair/classic_grad_of_array"
    program = "import fixgrad, fixgrad.__main__ as m; print(fixgrad.__file__, flush=True); m.main()"
    ran = subprocess.run(
        [sys.executable, "-c", program, "--fix", "-q", "-"],
        input=(case / "before/main.py").read_bytes(),
        cwd=tmp_path / "installed",
        capture_output=True,
        check=True,
    )
    file, _, repaired = ran.stdout.partition(b"\n")
    assert Path(file.decode()).is_relative_to(tmp_path / "installed")
    assert repaired == (case / "after/main.py").read_bytes()
