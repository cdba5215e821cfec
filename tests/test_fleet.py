"""The page about fleets: its programs look at repositories and make branches of the repairs."""

from __future__ import annotations

from pathlib import Path

import pytest

import fixgrad
from tests.fleet import BROKEN, GOOD, git, program, repository, rows, run

pytestmark = pytest.mark.slow


def test_a_survey_and_what_comes_of_it(tmp_path: Path) -> None:
    crlf = BROKEN.replace("\n", "\r\n")  # a patch keeps the ends of its lines
    broken = repository(tmp_path / "fleet" / "broken", fit=crlf, good=GOOD)
    odd = repository(tmp_path / "fleet" / "odd", good=GOOD, odd="import torch\nx = (\n")
    gone = tmp_path / "fleet" / "gone"

    survey = run(program("survey.py", tmp_path), *map(str, (broken, gone, odd)))
    assert survey.returncode == 1
    (told,) = survey.stderr.splitlines()
    assert told.startswith(f"{gone}: ")
    found = rows(survey.stdout)
    assert found.keys() == {"broken", "odd"}
    assert [row["code"] for row in found["broken"]["findings"]] == ["FG101"]
    assert found["broken"]["commit"] == git(broken, "rev-parse", "HEAD")
    assert {row["fixgrad"] for row in found.values()} == {f"fixgrad {fixgrad.__version__}"}
    assert {name: row["exit"] for name, row in found.items()} == {"broken": 1, "odd": 2}
    assert (found["odd"]["findings"], found["odd"]["patch"]) == ([], "")
    assert found["odd"]["notes"] == ["odd.py:2:5: not valid Python: '(' was never closed"]

    proposed = run(program("propose.py", tmp_path), given=survey.stdout)
    assert (proposed.returncode, proposed.stdout, proposed.stderr) == (0, f"{broken}\n", "")
    assert git(broken, "rev-parse", "fixgrad~") == git(broken, "rev-parse", "main")
    assert git(broken, "diff", "--name-only", "main", "fixgrad") == "fit.py"
    changed = "x = torch.tensor(np.ones(2), requires_grad=True)"
    assert changed in git(broken, "show", "fixgrad:fit.py")
    assert git(odd, "branch", "--list", "fixgrad") == ""

    again = run(program("survey.py", tmp_path), str(broken))
    assert again.returncode == 0
    assert rows(again.stdout)["broken"]["findings"] == found["broken"]["findings"]
