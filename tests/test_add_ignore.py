"""`--add-ignore` writes comments that hide what is found, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixgrad import cli, pipeline
from fixgrad.options import Options
from tests.test_suppressions import PROGRAM


class TestAddIgnore:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Go to an empty folder."""
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        monkeypatch.chdir(tmp_path)

    def after(self, text: str, *options: str) -> str:
        """Return what `--add-ignore` makes of a file; then nothing is found any more."""
        Path("m.py").write_text(text, "utf-8")
        assert cli.run([*(options or ["--add-ignore"]), "m.py"]) == 0
        assert cli.run(["m.py"]) == 0
        return Path("m.py").read_text("utf-8")

    def test_behind_the_statement(self, capfd: pytest.CaptureFixture[str]) -> None:
        after = self.after(PROGRAM.format(""))
        assert after == PROGRAM.format("  # fixgrad: ignore[FG101]")
        assert capfd.readouterr().err.startswith("marked 1 finding in 1 file\n")

    def test_with_a_reason(self) -> None:
        after = self.after(PROGRAM.format(""), "--add-ignore=frozen on purpose, see p. 12")
        assert after == PROGRAM.format("  # fixgrad: ignore[FG101] frozen on purpose, see p. 12")

    @pytest.mark.parametrize("end", ["  # a remark", f"  {'+ 0.0 ' * 12}"])
    def test_above_where_there_is_no_room(self, end: str) -> None:
        text = PROGRAM.format(end)
        after = self.after(text)
        lines = text.splitlines()
        assert after.splitlines() == [*lines[:4], "# fixgrad: ignore[FG101]", *lines[4:]]

    def test_one_comment_for_all_that_is_found_in_a_statement(self) -> None:
        text = PROGRAM.format(
            "; optimizer = torch.optim.SGD([(z := torch.from_numpy(np.ones(2)))])"
        )
        assert self.after(text).splitlines()[4] == "# fixgrad: ignore[FG101, FG102]"

    def test_a_comment_that_is_there_takes_more_codes(self) -> None:
        text = PROGRAM.format("; torch.optim.SGD([torch.from_numpy(np.ones(2))])")
        text = text.replace("x = ", "# fixgrad: ignore[FG101]\nx = ")
        assert self.after(text).splitlines()[4] == "# fixgrad: ignore[FG101, FG102]"

    def test_in_several_lines_and_blocks(self) -> None:
        text = PROGRAM.format("").replace("x = torch", "if True:\n    x = torch")
        text = text.replace(
            "from_numpy(np.array([1.0, 2.0]))", "from_numpy(\n        np.ones(2)\n    )"
        )
        assert "    )  # fixgrad: ignore[FG101]\n" in self.after(text)

    def test_preview(self, capfd: pytest.CaptureFixture[str]) -> None:
        Path("m.py").write_text(PROGRAM.format(""))
        assert cli.run(["--add-ignore", "--diff", "m.py"]) == 1
        out, err = capfd.readouterr()
        assert "+x = torch.from_numpy(np.array([1.0, 2.0]))  # fixgrad: ignore[FG101]" in out
        assert err.startswith("would mark 1 finding in 1 file\n")
        assert Path("m.py").read_text() == PROGRAM.format("")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--add-ignore", "--fix"], "--add-ignore hides what is left: repair with --fix first"),
            (["--add-ignore=a # b"], "a reason is one line without #"),
            (["--add-ignore=a\nb"], "a reason is one line without #"),
        ],
    )
    def test_wrong_use(
        self, arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.run(arguments) == 2
        assert message in capfd.readouterr().err

    def test_standard_input(self) -> None:
        outcome = pipeline.run_on_text("m.py", PROGRAM.format("").encode(), Options(mark="why"))
        assert outcome.patches[0][1].after == PROGRAM.format("  # fixgrad: ignore[FG101] why")
        assert outcome.entries == ()
