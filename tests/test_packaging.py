"""The wheel: everything that fixgrad needs to run, and nothing else."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fixgrad import __version__

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


def test_contents(wheel: zipfile.ZipFile) -> None:
    package = [path for path in (ROOT / "fixgrad").rglob("*") if path.is_file()]
    code = {path for path in package if path.suffix == ".py" or path.name == "py.typed"}
    data = set((ROOT / "fixgrad/knowledge/data").rglob("*.toml"))
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
