"""`--since REV`: only what has to do with lines that are new since a revision."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fixgrad.errors import FixgradError
from fixgrad.project.changes import EVERY_LINE, changed_lines
from tests.test_settings import Fixgrad, fixgrad, write

pytestmark = pytest.mark.slow

__all__ = ["fixgrad"]  # a fixture: the command line

HEAD = "import numpy as np\nimport torch\n\n"
GIVEN = "{0} = torch.from_numpy(np.array([1.0, 2.0]))\n"
USED = "optimizer_{0} = torch.optim.SGD([{0}], lr=0.1)\n({0}**2).sum().backward()\n"


def git(*arguments: str) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], check=True, capture_output=True)


def commit() -> None:
    git("add", "-A")
    git("commit", "-q", "-m", "m")


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a repository with one commit."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "-q", "-b", "main")
    write("old.py", HEAD + GIVEN.format("a") + USED.format("a"))
    write("lines.txt", "".join(f"{n}\n" for n in range(1, 9)))
    commit()


class TestLines:
    def changed(self, *paths: str) -> dict[str, list[int]]:
        found = changed_lines("HEAD", paths or ("lines.txt",))
        return {path: sorted(lines) for path, lines in found.items()}

    def test_nothing(self) -> None:
        assert self.changed("lines.txt", "old.py") == {}

    @pytest.mark.parametrize(
        ("text", "lines"),
        [
            ("1\nX\n3\n4\n5\n6\n7\n8\n", [2]),
            ("1\n2\n++ X\n++ Y\n3\n4\n5\n6\n7\n8\n9\n", [3, 4, 11]),
            ("1\n2\n5\n6\n7\n8\n", [2, 3]),
            ("3\n4\n5\n6\n7\n8\n", [0, 1]),
            ("1\n2\n3\n4\n5\n6\n7\n8", [8]),
            ("", [0, 1]),
        ],
    )
    def test_new_lines_and_those_around_what_is_gone(self, text: str, lines: list[int]) -> None:
        write("lines.txt", text)
        assert self.changed() == {"lines.txt": lines}

    def test_a_file_that_git_does_not_know_is_new(self) -> None:
        write("ü b/new.py", "x\n")
        assert self.changed("ü b/new.py") == {"ü b/new.py": sorted(EVERY_LINE)}
        commit()
        write("ü b/new.py", "x\ny\n")
        assert self.changed("ü b/new.py") == {"ü b/new.py": [2]}

    def test_a_changed_notebook_is_new(self) -> None:
        write("a.ipynb", "1\n2\n")
        commit()
        write("a.ipynb", "1\n3\n")
        assert self.changed("a.ipynb") == {"a.ipynb": sorted(EVERY_LINE)}

    def test_from_another_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write("lines.txt", "1\n")
        write("p/q.txt", "")
        monkeypatch.chdir("p")
        assert set(self.changed("../lines.txt")) == {"../lines.txt"}
        assert set(self.changed(os.path.abspath("../lines.txt"))) == {
            os.path.abspath("../lines.txt")
        }

    def test_settings_of_the_user_do_not_matter(self) -> None:
        for name in ("mnemonicPrefix", "noprefix"):
            git("config", f"diff.{name}", "true")
        git("config", "diff.external", "false")
        git("config", "color.diff", "always")
        git("config", "diff.context", "5")
        write("lines.txt", "1\nX\n3\n4\n5\n6\n7\n8\n")
        assert self.changed() == {"lines.txt": [2]}

    def test_since_a_branch_was_left(self) -> None:
        git("checkout", "-q", "-b", "mine")
        write("lines.txt", "0\n1\n2\n3\n4\n5\n6\n7\n8\n")
        commit()
        git("checkout", "-q", "main")
        write("old.py", "# theirs\n" + Path("old.py").read_text())
        commit()
        git("checkout", "-q", "mine")
        both = ("lines.txt", "old.py")
        assert set(changed_lines("main", both)) == {"lines.txt", "old.py"}
        assert set(changed_lines("main...", both)) == {"lines.txt"}

    @pytest.mark.parametrize(
        ("revision", "message"),
        [
            ("nix", "--since nix: git knows no such revision"),
            ("--output=x", "--since --output=x: not a revision"),
            ("nix...", "--since nix...: "),
            ("", "--since : git knows no such revision"),
        ],
    )
    def test_no_revision(self, revision: str, message: str) -> None:
        with pytest.raises(FixgradError) as raised:
            changed_lines(revision, ("old.py",))
        assert str(raised.value).startswith(message)

    def test_no_repository(self, tmp_path: Path) -> None:
        (tmp_path / "a.py").write_text("")
        with pytest.raises(FixgradError, match=r"a.py is in no git repository"):
            changed_lines("HEAD", (str(tmp_path / "a.py"),))


class TestFindings:
    def test_old_lines_are_passed_over(self, fixgrad: Fixgrad) -> None:
        assert fixgrad.found() == ["old.py:4 FG102*"]
        assert fixgrad.found("--since", "HEAD") == []
        write("old.py", "# new\n" + Path("old.py").read_text())
        assert fixgrad.found("--since", "HEAD") == []
        assert fixgrad("--since", "HEAD", "--diff").out == ""

    def test_a_new_line_on_the_way_counts(self, fixgrad: Fixgrad) -> None:
        write("tensors.py", HEAD + GIVEN.format("b"))
        commit()
        write("new.py", "import torch\nfrom tensors import b\n" + USED.format("b"))
        assert fixgrad.found("--since", "HEAD") == ["tensors.py:4 FG102*"]
        commit()
        assert fixgrad.found("--since", "HEAD") == []
        assert fixgrad.found("--since", "HEAD~1") == ["tensors.py:4 FG102*"]

    def test_the_grant_that_is_gone(self, fixgrad: Fixgrad) -> None:
        granted = HEAD + GIVEN.format("b") + "b.requires_grad_()\n" + USED.format("b")
        write("new.py", granted)
        commit()
        write("new.py", granted.replace("b.requires_grad_()\n", ""))
        assert fixgrad.found("--since", "HEAD") == ["new.py:4 FG102*"]

    def test_fix_changes_nothing_else(self, fixgrad: Fixgrad) -> None:
        old = Path("old.py").read_text()
        write("old.py", old + GIVEN.format("b") + USED.format("b"))
        ran = fixgrad("--since", "HEAD", "--fix")
        assert ran.code == 0, ran.err
        new = Path("old.py").read_text()
        assert new.startswith(old)
        assert "b = torch.tensor(np.array([1.0, 2.0]), requires_grad=True)" in new
        assert fixgrad.found("--since", "HEAD") == []

    def test_what_remains_after_the_repair_above_it(self, fixgrad: Fixgrad) -> None:
        """Lines move by the repair: the finding that was old stays old, the new one new."""
        loop = (
            "w = torch.from_numpy(np.zeros(2))\nfor _ in range(2):\n    (w**2).sum().backward()\n"
        )
        step = "    w -= 0.1 * w.grad\n    w.grad.zero_()\n"
        whole = "n = torch.from_numpy(np.array([1, 2]))\n" + USED.format("n")
        write("old.py", HEAD + loop + step + whole + Path("old.py").read_text()[len(HEAD) :])
        assert fixgrad.found("--since", "HEAD") == ["old.py:4 FG101*", "old.py:9 FG204"]
        ran = fixgrad("--since", "HEAD", "--fix", "--output-format", "concise")
        assert ran.code == 1
        assert [row.split()[1] for row in ran.out.splitlines()] == ["FG204"]

    def test_with_a_baseline(self, fixgrad: Fixgrad) -> None:
        write("new.py", HEAD + GIVEN.format("b") + USED.format("b"))
        known = ("--baseline", "known.json")
        fixgrad(*known, "--write-baseline", "new.py")
        assert fixgrad.found("--since", "HEAD") == ["new.py:4 FG102*"]
        assert fixgrad.found(*known, "--since", "HEAD") == []
        assert fixgrad.found(*known) == ["old.py:4 FG102*"]

    def test_a_bad_revision_stops_the_run(self, fixgrad: Fixgrad) -> None:
        ran = fixgrad("--since", "nix")
        assert (ran.code, ran.err) == (2, "fixgrad: --since nix: git knows no such revision\n")
