"""`--bless` of the cases under fixtures/: what it writes, and where it is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


class TestBless:
    """`--bless` writes what the next run accepts, and never where CI is set."""

    CASE = "repair/classic_grad_of_array"

    def run(self, folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        without_ci = {key: value for key, value in os.environ.items() if key != "CI"}
        return subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                *(f"tests/test_fixtures.py::test_fixgrad_side[{self.CASE}]", *arguments),
            ],
            cwd=folder,
            env={**without_ci, "PYTHONPATH": str(folder), **more},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_bless(self, tmp_path: Path) -> None:
        for name in ("fixgrad", "tests", f"fixtures/{self.CASE}"):
            shutil.copytree(ROOT / name, tmp_path / name)
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        after = tmp_path / "fixtures" / self.CASE / "after/main.py"
        right = after.read_bytes()
        after.write_bytes(b"import torch\n")
        failed = self.run(tmp_path)
        assert failed.returncode == 1
        assert "+tensor = torch.tensor(numpy_array, requires_grad=True)" in failed.stdout
        refused = self.run(tmp_path, "--bless", CI="true")
        assert refused.returncode == 4
        assert "--bless is refused where CI is set" in refused.stderr
        assert after.read_bytes() == b"import torch\n"
        assert self.run(tmp_path, "--bless").returncode == 0
        assert after.read_bytes() == right
