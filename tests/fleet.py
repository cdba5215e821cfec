"""Repositories to look at, and the programs of the page that says how."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "fleet.md"
BROKEN = """import numpy as np
import torch

x = torch.from_numpy(np.ones(2))
(x * x).sum().backward()
print(x.grad)
"""
GOOD = "import torch\n\nw = torch.ones(2, requires_grad=True)\nw.sum().backward()\nprint(w.grad)\n"
ENVIRONMENT = {
    **os.environ,
    **{f"GIT_{who}_{what}": "fleet@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}  # fmt: skip


def program(name: str, folder: Path) -> Path:
    """Write a program of the page into a folder."""
    (text,) = re.findall(rf"(?ms)^```python\n(# {name}\n.*?)^```$", PAGE.read_text("utf-8"))
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def run(path: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run one of them."""
    command = [sys.executable, str(path), *arguments]
    return subprocess.run(
        command, input=given, capture_output=True, text=True, check=False, env=ENVIRONMENT
    )


def git(folder: Path, *words: str) -> str:
    """Ask git for something in a repository."""
    ran = subprocess.run(
        ["git", *words], cwd=folder, env=ENVIRONMENT, check=True, capture_output=True, text=True
    )
    return ran.stdout.strip()


def repository(folder: Path, **files: str) -> Path:
    """Make a repository of these modules."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    for name, text in files.items():
        (folder / f"{name}.py").write_bytes(text.encode("utf-8"))
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=first")
    return folder


def rows(output: str) -> dict[str, dict[str, Any]]:
    """Return what a survey says, by the names of the repositories."""
    found = map(json.loads, output.splitlines())
    return {Path(row["url"]).name: row for row in found}
