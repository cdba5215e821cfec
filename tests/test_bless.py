"""What this test run adds to pytest: `--bless`, and modules that are left unread with `-m`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import pytest_ignore_collect

pytestmark = pytest.mark.slow

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


@pytest.mark.parametrize(
    ("expression", "unread"),
    [
        ("", set[str]()),
        ("not torch", {"torch"}),
        ("not torch and not slow", {"torch", "slow"}),
        ("not torch or slow", set[str]()),  # a module of torch may hold slow tests
        ("slow", set[str]()),
    ],
)
def test_modules_left_unread(
    tmp_path: Path, pytestconfig: pytest.Config, expression: str, unread: set[str]
) -> None:
    for name in ("torch", "slow"):
        (tmp_path / f"test_{name}.py").write_text(
            f"import pytest\n\npytestmark = pytest.mark.{name}\n"
        )
    (tmp_path / "test_some.py").write_text(
        "def test(): ...\n\n@pytest.mark.slow\ndef test(): ...\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pytestconfig.option, "markexpr", expression)
        left = {
            path.stem[5:]
            for path in tmp_path.iterdir()
            if pytest_ignore_collect(path, pytestconfig)
        }
    assert left == unread
