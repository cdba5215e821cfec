"""Files are found and read as they are: on real folders, real git repositories, real bytes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fixgrad.errors import FixgradError
from fixgrad.project import find_files, mentions_torch, patch_paths, read, read_all
from fixgrad.project.globs import matcher
from fixgrad.source import Problem, Source


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("x = 1\n")


def git(*arguments: str, folder: str = ".") -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
        check=True,
        capture_output=True,
        cwd=folder,
    )


class TestFindFiles:
    def test_no_path_means_the_current_folder(self, here: Path) -> None:
        make("b.py", "a/c.py")
        assert find_files([]) == find_files(["."]) == ("a/c.py", "b.py")

    def test_only_python_files_in_folders_but_any_file_by_name(self, here: Path) -> None:
        make("a.py", "stub.pyi", "notes.txt", "script")
        assert find_files(["."]) == ("a.py",)
        assert find_files(["stub.pyi", "script"]) == ("script", "stub.pyi")

    def test_each_file_once_however_it_is_named(self, here: Path) -> None:
        make("p/a.py")
        assert find_files([".", "p", "./p//a.py", str(here / "p/a.py")]) == ("p/a.py",)

    def test_absolute_paths_outside_stay_absolute(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make("p/a.py", "q/b.py")
        monkeypatch.chdir("p")
        assert find_files([str(here / "q"), str(here / "p")]) == (str(here / "q/b.py"), "a.py")
        assert find_files(["../q"]) == ("../q/b.py",)

    def test_what_is_somebody_elses_is_skipped(self, here: Path) -> None:
        skipped = "venv .venv build dist node_modules __pycache__ pkg.egg-info .tox site-packages"
        make("a.py", *(f"p/{folder}/x.py" for folder in skipped.split()))
        make("env/lib/x.py", "env/pyvenv.cfg")
        assert find_files(["."]) == ("a.py",)

    def test_but_not_where_it_is_given_itself(self, here: Path) -> None:
        make("build/a.py", "p/venv/b.py")
        assert find_files(["build", "p/venv/b.py"]) == ("build/a.py", "p/venv/b.py")

    @pytest.mark.parametrize("glob", ["gen", "gen/", "p/gen", "**/gen", "p/*", "x.py", "*.py", "p"])
    def test_exclude_takes_names_and_paths(self, here: Path, glob: str) -> None:
        make("p/gen/x.py", "keep/y.py")
        left = () if glob == "*.py" else ("keep/y.py",)
        assert find_files(["."], exclude=[glob]) == left
        assert find_files(["p/gen/x.py"], exclude=[glob]) == ()

    def test_a_glob_that_is_none_is_an_error(self, here: Path) -> None:
        with pytest.raises(FixgradError, match="not a glob"):
            find_files(["."], exclude=["[z-a]"])

    def test_a_path_that_does_not_exist_is_an_error(self, here: Path) -> None:
        with pytest.raises(FixgradError, match=r"^nix: no such file or folder; check the path$"):
            find_files(["nix"])
        with pytest.raises(FixgradError, match="null"):
            find_files(["a\0b"])

    @pytest.mark.skipif(os.sep != "/", reason="backslashes part folders on this system")
    def test_a_path_of_windows_is_told_how_it_is_written_here(self, here: Path) -> None:
        Path("sub").mkdir(exist_ok=True)
        Path("sub/a.py").write_text("x = 1\n")
        with pytest.raises(FixgradError, match=r"or folder; did you mean sub/a\.py\?$"):
            find_files([r"sub\a.py"])
        with pytest.raises(FixgradError, match=r"or folder; check the path$"):
            find_files([r"sub\nix.py"])

    def test_a_folder_that_may_not_be_listed_is_an_error(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: str) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "scandir", refuse)  # a mode does not hold root back
        with pytest.raises(FixgradError, match=r"^\.: permission denied; check the path$"):
            find_files(["."])

    def test_a_current_folder_that_is_gone_is_an_error(self, here: Path) -> None:
        os.mkdir("p")
        os.chdir("p")
        os.rmdir("../p")
        with pytest.raises(FixgradError, match="no such file or folder"):
            find_files([])

    def test_links_to_folders_are_not_followed(self, here: Path) -> None:
        make("p/a.py")
        os.symlink("..", "p/loop")
        os.symlink("p", "q")
        assert find_files(["."]) == ("p/a.py",)
        assert find_files(["q"]) == ("q/a.py",)  # given by name: the user means it

    def test_links_to_files(self, here: Path) -> None:
        make("p/a.py", "outside.py", "p/script")
        os.symlink("a.py", "p/0_twin.py")
        os.symlink("script", "p/command.py")
        os.symlink("../outside.py", "p/out.py")
        os.symlink("nothing.py", "p/dangling.py")
        assert find_files(["p"]) == ("p/a.py", "p/command.py")
        assert find_files(["p/out.py"]) == ("p/out.py",)

    def test_pipes_and_unreadable_folders_are_passed_over(self, here: Path) -> None:
        make("a.py")
        os.mkfifo("pipe.py")
        os.mkdir("folder.py")
        assert find_files(["."]) == ("a.py",)

    def test_names_with_strange_characters(self, here: Path) -> None:
        names = ["with space.py", "new\nline.py", "ünï.py", '"quoted".py', os.fsdecode(b"\xe9.py")]
        make(*names)
        assert find_files(["."]) == tuple(sorted(names))
        git("init", "-q")
        assert find_files(["."]) == tuple(sorted(names))


class TestFindFilesInGit:
    @pytest.fixture(autouse=True)
    def repository(self, here: Path) -> None:
        git("init", "-q")

    def test_ignored_files_are_skipped(self) -> None:
        make("a.py", "out/x.py", "p/b.py", "p/local.py", "p/q/local.py")
        Path(".gitignore").write_text("out/\n")
        Path("p/.gitignore").write_text("local.py\n")
        assert find_files(["."]) == ("a.py", "p/b.py")
        assert find_files(["p"]) == ("p/b.py",)

    def test_tracked_deleted_and_untracked_files(self) -> None:
        make("tracked.py", "deleted.py")
        git("add", ".")
        Path("deleted.py").unlink()
        make("untracked.py")
        assert find_files(["."]) == ("tracked.py", "untracked.py")

    def test_an_ignored_file_or_folder_is_taken_when_given(self) -> None:
        make("out/x.py", "out/p/y.py")
        Path(".gitignore").write_text("out/\n")
        assert find_files(["out"]) == ("out/p/y.py", "out/x.py")
        assert find_files(["out/x.py"]) == ("out/x.py",)

    def test_unmerged_files_are_listed_once(self) -> None:
        make("a.py")
        git("add", ".")
        git("commit", "-qm", "1")
        git("checkout", "-qb", "other")
        Path("a.py").write_text("x = 2\n")
        git("commit", "-qam", "2")
        git("checkout", "-q", "-")
        Path("a.py").write_text("x = 3\n")
        git("commit", "-qam", "3")
        subprocess.run(["git", "merge", "other"], capture_output=True, check=False)
        assert find_files(["."]) == ("a.py",)

    def test_default_skips_hold_for_tracked_files(self) -> None:
        make("env/pyvenv.cfg", "env/x.py", "build/y.py", "a.py")
        git("add", "-f", ".")
        assert find_files(["."]) == ("a.py",)
        assert find_files(["env"]) == ("env/x.py",)

    def test_a_nested_repository_is_another_project(self, here: Path) -> None:
        make("a.py", "vendor/b.py")
        git("init", "-q", folder="vendor")
        assert find_files(["."]) == ("a.py",)
        assert find_files(["vendor"]) == ("vendor/b.py",)

    def test_git_variables_of_a_hook_do_not_mislead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        make("a.py")
        monkeypatch.setenv("GIT_DIR", "/nowhere")
        assert find_files(["."]) == ("a.py",)

    def test_the_repository_cannot_make_git_start_a_program(self) -> None:
        make("a.py")
        git("config", "core.fsmonitor", "touch pwned; false")
        assert find_files(["."]) == ("a.py",)
        assert not Path("pwned").exists()

    def test_without_git_the_folder_is_walked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        make("a.py", "p/b.py")
        monkeypatch.setenv("PATH", "/nowhere")
        assert find_files(["."]) == ("a.py", "p/b.py")


def test_repositories_below_a_plain_folder_are_asked_of_git(here: Path) -> None:
    make("one/a.py", "one/out.py", "two/b.py")
    git("init", "-q", folder="one")
    Path("one/.gitignore").write_text("out.py\n")
    assert find_files(["."]) == ("one/a.py", "two/b.py")


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("a?.py", "p/ab.py", True),
        ("a?.py", "p/a/.py", False),
        ("p/*.py", "p/q/a.py", False),
        ("p/**/a.py", "p/a.py", True),
        ("p/**/a.py", "p/q/r/a.py", True),
        ("[!a]*.py", "b.py", True),
        ("[!a]*.py", "a.py", False),
        ("[ab].py", "b.py", True),
        ("./p", "p/a.py", True),
        ("a+b.py", "a+b.py", True),
        ("p", "pq.py", False),
        ("/abs/p", "/abs/p/a.py", True),
    ],
)
def test_globs(glob: str, path: str, matches: bool) -> None:
    assert matcher([glob])(path) is matches


class TestRead:
    @pytest.mark.parametrize(
        ("data", "encoding", "bom", "text"),
        [
            (b"", "utf-8", False, ""),
            (b"x = 1\r\ny = 2\rz = 3\n\x0c", "utf-8", False, "x = 1\r\ny = 2\rz = 3\n\x0c"),
            (b"\xef\xbb\xbfx = '\xc3\xa9'", "utf-8", True, "x = 'é'"),
            (b"# -*- coding: latin-1 -*-\n'\xe9'", "iso8859-1", False, None),
            (b"#!python\r# vim: fileencoding=cp1252 :\r'\x80'", "cp1252", False, None),
            (b"\n# coding=utf8\n'\xc3\xa9'", "utf-8", False, None),
            (b"x = 1\n# coding: latin-1\n", "utf-8", False, None),
            (b"\n\n# coding: latin-1\n", "utf-8", False, None),
            (b"\xef\xbb\xbf# coding: utf-8\n", "utf-8", True, "# coding: utf-8\n"),
            (b"# coding: shift_jis\n'\x83\x5c'", "shift_jis", False, "# coding: shift_jis\n'ソ'"),
        ],
    )
    def test_bytes_become_text_and_can_go_back(
        self, here: Path, data: bytes, encoding: str, bom: bool, text: str | None
    ) -> None:
        Path("a.py").write_bytes(data)
        source = read("a.py")
        assert isinstance(source, Source)
        assert (source.encoding, source.bom) == (encoding, bom)
        assert text is None or source.text == text
        assert b"\xef\xbb\xbf" * bom + source.text.encode(encoding) == data

    @pytest.mark.parametrize(
        ("data", "problem"),
        [
            (b"x = 1\ny = '\xe9'\n", "a.py:2:6: byte 0xe9 is not valid utf-8; declare"),
            (b"\xef\xbb\xbf\xff", "a.py:1:4: byte 0xff is not valid utf-8"),
            (b"x\r\ny\r\x00", "a.py:3:1: a null byte"),
            (b"# coding: nonsense\n", "a.py:1:1: unknown encoding: nonsense; correct the"),
            (b"# coding: rot13\n", "a.py:1:1: not readable as rot-13: "),
            (b"# coding: undefined\n", "a.py:1:1: not readable as undefined: "),
            (b"\xef\xbb\xbf# coding: latin-1\n", "a.py:1:1: encoding problem: utf-8; correct"),
            (b"# coding: ascii\n'\xc3'\n", "a.py:2:2: byte 0xc3 is not valid ascii"),
        ],
    )
    def test_what_cannot_be_decoded_is_a_problem(
        self, here: Path, data: bytes, problem: str
    ) -> None:
        Path("a.py").write_bytes(data)
        assert str(read("a.py")).startswith(problem)

    def test_what_cannot_be_opened_is_a_problem(self, here: Path) -> None:
        os.mkfifo("pipe.py")
        os.symlink("loop.py", "loop.py")
        Path("big.py").write_text("x = 1\n" * 100)
        said = {path: str(read(path)) for path in ("gone.py", "pipe.py", "loop.py", ".")}
        assert "the file is gone" in said["gone.py"]
        assert "not a regular file" in said["pipe.py"]
        assert "cannot be opened: too many levels" in said["loop.py"]
        assert "not a regular file" in said["."]
        assert "too large to analyse (0.0 MiB, the limit" in str(read("big.py", max_bytes=99))
        Path("n.ipynb").write_text("{}")
        assert str(read("n.ipynb")) == "n.ipynb:1:1: not a valid notebook: it has no cells"

    def test_a_file_without_permission(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> int:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)  # a mode does not hold root back
        assert str(read("a.py")).startswith("a.py: permission denied; make the file readable")

    def test_the_digest_tells_bytes_apart(self, here: Path) -> None:
        digests = set()
        for data in (b"x\n", b"x\r\n", b"\xef\xbb\xbfx\n"):
            Path("a.py").write_bytes(data)
            source = read("a.py")
            assert isinstance(source, Source)
            digests.add(source.digest)
        assert len(digests) == 3

    def test_a_project_that_never_mentions_torch_is_not_decoded(self, here: Path) -> None:
        Path("a.py").write_bytes(b"\xff")
        assert read_all(["a.py"]) == ([], [])
        Path("b.py").write_bytes(b"import torch")
        sources, problems = read_all(["a.py", "b.py", "gone.py"])
        assert [source.path for source in sources] == ["b.py"]
        assert [problem.path for problem in problems] == ["a.py", "gone.py"]
        assert all(isinstance(problem, Problem) for problem in problems)
        assert mentions_torch(sources[0].text)


class TestPatchPaths:
    def test_relative_to_the_repository_however_deep_one_stands(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make("p/q/a.py", "b.py")
        git("init", "-q")
        monkeypatch.chdir("p/q")
        given = ["a.py", "../../b.py", str(here / "b.py")]
        assert list(patch_paths(given).values()) == ["p/q/a.py", "b.py", "b.py"]

    def test_relative_to_the_current_folder_outside_of_git(self, here: Path) -> None:
        make("p/a.py")
        assert patch_paths(["p/a.py"]) == {"p/a.py": "p/a.py"}

    def test_another_repository_has_its_own_root(self, here: Path) -> None:
        make("here/x.py", "there/p/a.py")
        git("init", "-q", folder="there")
        given = str(here / "there/p/a.py")
        os.chdir("here")
        assert patch_paths([given]) == {given: "p/a.py"}

    def test_a_link_keeps_its_own_name(self, here: Path) -> None:
        make("p/a.py")
        os.symlink("p/a.py", "link.py")
        os.symlink("p", "q")
        given = ["link.py", "q/a.py"]
        assert patch_paths(given) == {"link.py": "link.py", "q/a.py": "p/a.py"}
