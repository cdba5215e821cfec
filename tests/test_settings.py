"""The settings of a project: where they are found, what may stand in them, and what comes of them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from fixgrad import cli
from fixgrad.errors import FixgradError
from fixgrad.settings import check, files, resolve, show, table
from fixgrad.settings.resolve import COMMAND_LINE, DEFAULT
from fixgrad.settings.table import SETTINGS, Setting

PROGRAM = """\
import numpy as np
import torch

w = torch.from_numpy(np.array([1.0, 2.0]))
optimizer = torch.optim.SGD([w], lr=0.1)
(w**2).sum().backward()
optimizer.step()
print(w.numpy())
"""
KINDS = {
    "file": (['""', '"a/b.json"'], ["1", "[]", "true"]),
    "flag": (["true", "false"], ["1", '"true"', "[]"]),
    "choice": ([], ["1", "[]", '"nix"', "true"]),
    "codes": (["[]", '["FG1"]', '["FG102", "ALL"]'], ['"FG1"', "[1]", '["FG999"]', '[""]', "{}"]),
    "globs": (["[]", '["a", "b/*.py"]'], ['"a"', "[1]", '[" "]', "1"]),
    "codes-by-glob": (
        ["{}", '{ a = ["FG1"] }'],
        ["[]", '{ a = "FG1" }', '{ a = ["FG999"] }', '"a:FG1"'],
    ),
    "folders": (["[]", '["a", "../b"]'], ['"a"', "[1]", '[""]', "{}"]),
    "number": (["0", "1", "64"], ["-1", "1.5", '"2"', "[]", "true"]),
    "words": (["[]", '["python", "a b.py"]'], ['"python a.py"', "[1]", '[""]', "{}"]),
    "tables": (["[]"], ["1", '"a"', "[1]", "{}", '[{ cal = "a.b" }]']),
}


class Ran(NamedTuple):
    """What one command line did."""

    code: int
    out: str
    err: str


class Fixgrad:
    """Runs command lines in this process."""

    def __init__(self, streams: pytest.CaptureFixture[str]) -> None:
        self._streams = streams

    def __call__(self, *arguments: str) -> Ran:
        self._streams.readouterr()
        code = cli.run(arguments)
        return Ran(code, *self._streams.readouterr())

    def found(self, *arguments: str) -> list[str]:
        """Return the findings as "a.py:4 FG102", with a star where --fix repairs them."""
        out = self("--output-format", "concise", *arguments).out
        rows = re.findall(r"(?m)^(.+?):(\d+):\d+: (FG\d+)( \[\*\])?", out)
        return [f"{path}:{line} {code}{'*' * bool(star)}" for path, line, code, star in rows]


@pytest.fixture
def fixgrad(capfd: pytest.CaptureFixture[str]) -> Fixgrad:
    """Return fixgrad as a function."""
    return Fixgrad(capfd)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty repository, the current folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "repository"
    (folder / ".git").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, "utf-8")


def settings(text: str) -> None:
    write("pyproject.toml", f"[tool.fixgrad]\n{text}\n")


def complaint(text: str) -> str:
    """Return what is said about a settings file."""
    settings(text)
    with pytest.raises(FixgradError) as raised:
        resolve.resolve()
    return str(raised.value)


class TestWhere:
    def found(self, *paths: str) -> str | None:
        found = files.find(paths)
        return found and found.path

    def test_nothing(self) -> None:
        assert self.found() is None
        assert resolve.resolve().values["select"] == ("ALL",)

    def test_the_nearest_around_the_paths(self) -> None:
        settings("")
        write("p/pyproject.toml", "[tool.fixgrad]")
        write("p/q/pyproject.toml", "[tool.black]")
        write("p/q/a.py", "")
        write("r/fixgrad.toml", "")
        write("r/a.py", "")
        assert self.found() == self.found("-") == self.found("nix.py") == "pyproject.toml"
        assert self.found("p/q/a.py") == self.found("p/q") == "p/pyproject.toml"
        assert self.found("r/a.py") == "r/fixgrad.toml"
        assert self.found("r/a.py", "p/q/a.py") == "pyproject.toml"
        os.chdir("p/q")
        assert self.found("a.py") == "../pyproject.toml"

    def test_its_own_file_comes_first(self) -> None:
        settings("")
        write("fixgrad.toml", "")
        assert self.found() == "fixgrad.toml"

    def test_no_further_than_the_repository(self, here: Path) -> None:
        write("../pyproject.toml", "[tool.fixgrad]")
        assert self.found() is None
        os.rmdir(".git")
        assert self.found() == "../pyproject.toml"

    @pytest.mark.parametrize("text", ["", "[project]\nname = 'x'", "[tool]\nx = 1", "tool = 1"])
    def test_one_that_says_nothing_of_fixgrad(self, text: str) -> None:
        write("pyproject.toml", text)
        assert self.found() is None

    def test_given_by_name(self) -> None:
        settings("unsafe-fixes = true")
        write("other/my.toml", 'min-confidence = "high"')
        assert resolve.resolve(config="other/my.toml").word("min-confidence") == "high"
        assert resolve.resolve(config="other/my.toml").flag("unsafe-fixes") is False
        assert resolve.resolve(isolated=True).file is None
        write("other/pyproject.toml", "[project]")
        with pytest.raises(FixgradError, match=r"there is no \[tool.fixgrad\] in it"):
            resolve.resolve(config="other/pyproject.toml")
        with pytest.raises(FixgradError, match=r"nix.toml: cannot be read: no such file"):
            resolve.resolve(config="nix.toml")


class TestComplaints:
    """Every mistake is told with its place and what to do."""

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('selct = ["FG1"]', "pyproject.toml:2: unknown setting 'selct', did you mean select?"),
            ("extend_select = []", "2: unknown setting 'extend_select', did you mean extend-sel"),
            ("\n\nnix = 1", "pyproject.toml:4: unknown setting 'nix'; the documentation lists"),
            ("[tool.fixgrad.lint]\nselect = []", "pyproject.toml:2: unknown setting 'lint'"),
            ("unsafe-fixes = 'yes'", "2: unsafe-fixes: expected true or false, not a string"),
            ("unsafe-fixes = 2020-01-01", "expected true or false, not a date or a time"),
            ('select = "FG1"', "expected a list of rules, not a string; write ['FG1']"),
            ("exclude = [1]", "expected a list of globs, but one of its items is a number"),
            ("select = ['FG1O1']", "2: select: no rule 'FG1O1', did you mean FG101?; `fixgrad"),
            ("style = 'tensr'", "'tensr' is none of auto, tensor, requires_grad_, asarray, did"),
            ("verify-command = 'pytest -q'", 'not a string; write ["pytest", "-q"]'),
            ("per-file-ignores = []", "expected a table of lists, by glob, not a list"),
            (
                "[tool.fixgrad.per-file-ignores]\na = ['FG1']\n'b/*' = 1",
                "pyproject.toml:4: per-file-ignores: 'b/*': expected a list of rules, not a number",
            ),
            (
                "per-file-ignores = { a = ['FG9'] }",
                "pyproject.toml:2: per-file-ignores: 'a': no rule 'FG9'",
            ),
        ],
    )
    def test_what_is_said(self, text: str, said: str) -> None:
        assert said in complaint(text)

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"[tool.fixgrad\n", r"^pyproject.toml:1:14: not valid TOML: expected ']'"),
            (b"a = 1\nb = = 2\n", r"^pyproject.toml:2:5: not valid TOML: "),
            (b'a = """', r"^pyproject.toml: not valid TOML, at its end: "),
            (b"a = 1\na = 2\n", r"^pyproject.toml:2:6: not valid TOML: "),
            (b"\xff", r"^pyproject.toml: not valid TOML: it is not in UTF-8"),
            (b"a = " + b"[" * 5000, r"^pyproject.toml.*: not valid TOML"),
            (b"[tool]\nfixgrad = 1\n", r"^pyproject.toml:2: fixgrad is not a table; write \[tool"),
            (b"\0", r"^pyproject.toml:1:1: not valid TOML: "),
        ],
    )
    def test_rubbish(self, fixgrad: Fixgrad, data: bytes, said: str) -> None:
        write("a.py", PROGRAM)
        Path("pyproject.toml").write_bytes(data)
        with pytest.raises(FixgradError, match=said):
            resolve.resolve()
        ran = fixgrad()
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("fixgrad: pyproject.toml")
        assert fixgrad.found("--isolated") == ["a.py:4 FG102*"]

    @pytest.mark.parametrize("text", ["[tool]\nx = 1\n", "[tool.fixgrade]\n"])
    def test_a_table_of_another_tool_in_the_own_file(self, text: str) -> None:
        write("fixgrad.toml", text)
        with pytest.raises(FixgradError, match=r"fixgrad.toml:1: unknown setting 'tool'"):
            resolve.resolve()

    def test_a_file_that_may_not_be_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        os.mkdir("my.toml")
        with pytest.raises(FixgradError, match=r"my.toml: cannot be read: is a directory"):
            resolve.resolve(config="my.toml")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
class TestEverySetting:
    def test_its_default_and_its_example_are_of_its_kind(self, setting: Setting) -> None:
        settings(f"{setting.name} = {show.toml(setting.default)}")
        assert resolve.resolve().values[setting.name] == setting.default
        settings(f"{setting.name} = {setting.example}")
        assert resolve.resolve().values[setting.name] != setting.default

    def test_its_kind_is_checked(self, setting: Setting) -> None:
        right, wrong = KINDS[setting.kind]
        for value in [*right, *map(show.toml, setting.choices)]:
            settings(f"{setting.name} = {value}")
            assert setting.name in check.checked(files.given("pyproject.toml"))
        for value in wrong:
            assert complaint(f"{setting.name} = {value}").startswith("pyproject.toml:2: ")

    def test_its_text(self, setting: Setting) -> None:
        assert re.fullmatch(r"[A-Z][^\n]{5,45}\.", setting.text)
        assert not setting.more or re.fullmatch(r"[A-Z`][^\n]*\.", setting.more)

    def test_its_option(self, setting: Setting, fixgrad: Fixgrad) -> None:
        if setting.kind in table.WITHOUT_OPTION:
            assert fixgrad("--show-settings", f"--{setting.name}", "a").code == 2
            return
        option = f"--{setting.name}"
        values = {
            "codes": "FG1",
            "globs": "a",
            "codes-by-glob": "a:FG1",
            "file": "a",
            "number": "3",
        }
        value = {**values, "folders": "a"}.get(setting.kind)
        value = setting.choices[-1] if setting.choices else value
        ran = fixgrad("--show-settings", option, *([value] if value else []))
        (line,) = re.findall(rf"(?m)^{setting.name} = (.*?) +# command line$", ran.out)
        assert (value or "true") in line.replace('"a" = ["FG1"]', "a:FG1")

    def test_it_is_shown_as_it_could_stand_in_a_file(
        self, setting: Setting, fixgrad: Fixgrad
    ) -> None:
        settings(f"{setting.name} = {setting.example}")
        first = fixgrad("--show-settings").out
        assert f"{setting.name} = " in first
        os.rename("pyproject.toml", "away.toml")
        write("fixgrad.toml", first)
        again = fixgrad("--show-settings").out
        assert re.findall(r"(?m)^(\S+ = .*?) +#", again) == re.findall(
            r"(?m)^(\S+ = .*?) +#", first
        )


class TestTogether:
    """What the command line does to what the file says."""

    @pytest.mark.parametrize(
        ("text", "options", "select", "ignore"),
        [
            ("", {}, ("ALL",), ()),
            ("select = ['FG1']\nignore = ['FG101']", {}, ("FG1",), ("FG101",)),
            ("select = ['FG1']\nignore = ['FG101']", {"select": ("FG2",)}, ("FG2",), ()),
            ("select = ['FG1']", {"ignore": ("FG102",)}, ("FG1",), ("FG102",)),
            ("ignore = ['FG1']", {"ignore": ("FG2",)}, ("ALL",), ("FG1", "FG2")),
            (
                "select = ['FG1']\nextend-select = ['FG201']",
                {"extend-select": ("FG202",)},
                ("FG1", "FG201", "FG202"),
                (),
            ),
            ("select = []", {}, (), ("ALL",)),
        ],
    )
    def test_rules(
        self,
        text: str,
        options: dict[str, table.Value | None],
        select: tuple[str, ...],
        ignore: tuple[str, ...],
    ) -> None:
        settings(text)
        got = resolve.options_of(resolve.resolve((), options))
        assert (got.select, got.ignore) == (select, ignore)

    def test_the_rest(self) -> None:
        settings("unsafe-fixes = true\nexclude = ['a']\nextend-exclude = ['b']\nstyle = 'tensor'")
        over: dict[str, table.Value | None] = {
            "unsafe-fixes": False,
            "exclude": ("c",),
            "extend-exclude": ("d",),
            "style": None,
        }
        got = resolve.resolve((), over)
        assert got.flag("unsafe-fixes") is False
        assert got.values["exclude"] == ("c",)
        assert got.values["extend-exclude"] == ("b", "d")
        assert got.word("style") == "tensor"
        said = [got.said_by[name] for name in ("exclude", "extend-exclude", "style", "select")]
        file = "pyproject.toml"
        assert said == [(COMMAND_LINE,), (file, COMMAND_LINE), (file,), (DEFAULT,)]

    def test_per_file_ignores_are_added(self) -> None:
        settings("per-file-ignores = { a = ['FG1'], b = ['FG2'] }")
        got = resolve.resolve((), {"per-file-ignores": {"a": ("FG3",), "c": ("FG1",)}})
        expected = {"a": ("FG1", "FG3"), "b": ("FG2",), "c": ("FG1",)}
        assert got.values["per-file-ignores"] == expected

    def test_tables_are_handed_on(self) -> None:
        empty: dict[str, tuple[dict[str, object], ...]] = {
            setting.name: () for setting in SETTINGS if setting.kind == "tables"
        }
        assert resolve.options_of(resolve.resolve()).models == empty
        settings("[[tool.fixgrad.sources]]\ncall = 'a.b'\n[[tool.fixgrad.sources]]\ncall = 'c.d'")
        rows = ({"call": "a.b"}, {"call": "c.d"})
        assert resolve.options_of(resolve.resolve()).models == {**empty, "sources": rows}
        assert "expected tables [[sources]], not a string" in complaint("sources = 'a'")
        assert "one of its items is a number" in complaint("sources = [1]")
        assert "did you mean 'call'?" in complaint("sources = [{ cal = 'a.b' }]")
