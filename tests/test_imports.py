"""What start-up loads: the heavy libraries come only when there is work for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "numpy", "libcst"}


def loaded_by(*arguments: str, folder: Path | None = None) -> set[str]:
    """Return every module that a Python process imported, as -X importtime tells."""
    # Not measured: what measures coverage is loaded first, and loads much.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        env=plain,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    rows = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    assert len(rows) > 10
    return {row.rsplit("|", 1)[1].strip() for row in rows}


def test_the_package_itself_is_light() -> None:
    loaded = loaded_by("-c", "import fixgrad")
    assert not loaded & (HEAVY | {"click", "ast", "typing"})


def test_the_version_needs_no_click() -> None:
    assert not loaded_by("-m", "fixgrad", "--version") & (HEAVY | {"click", "re", "ast"})


def test_help_needs_no_analysis() -> None:
    loaded = loaded_by("-m", "fixgrad", "--help")
    assert "click" in loaded
    ours = loaded - loaded_by("-c", "import click")  # which needs more on Python 3.10
    assert not ours & (HEAVY | {"fixgrad.analysis", "fixgrad.rewrite", "subprocess", "json"})


@pytest.mark.parametrize("text", ["x = 1\n", "broken = (\n"])
def test_files_without_torch_need_no_analysis(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.py").write_text(text)
    loaded = loaded_by("-m", "fixgrad", folder=tmp_path)
    assert not loaded & (HEAVY | {"fixgrad.analysis", "fixgrad.rewrite", "fixgrad.flow.lower"})


def test_files_without_a_finding_need_no_libcst(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import torch\nx = torch.zeros(3)\n")
    loaded = loaded_by("-m", "fixgrad", folder=tmp_path)
    assert "fixgrad.analysis" in loaded
    assert not loaded & HEAVY
