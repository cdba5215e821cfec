"""A kill at every file operation of a write over 50 files, and at every one of the next run's recovery."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
@pytest.mark.parametrize(("what", "files", "least"), [("write", 50, 350), ("recover", 12, 30)])
def test_a_kill_anywhere_leaves_each_file_old_or_new_and_the_next_run_settles_it(
    tmp_path: Path, what: str, files: int, least: int
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    ran = subprocess.run(
        [sys.executable, "-m", "tests.killed", what, str(files)],
        cwd=project,
        env={
            **os.environ,
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout)
    assert told["turns"] >= least  # that many operations change the disk
    assert told["half"] >= 20  # some files new, some old: what the journal is for
