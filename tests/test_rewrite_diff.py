"""The diff of a patch: `git apply` makes of the old bytes exactly the new ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixgrad.edits import Edit, Patch
from fixgrad.rewrite.changes import Change, patch
from fixgrad.rewrite.diff import unified, unified_bytes
from fixgrad.rewrite.layout import Layout


def git(folder: Path, *arguments: str, given: bytes = b"") -> bytes:
    ran = subprocess.run(
        ["git", *arguments], cwd=folder, input=given, capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode() + given.decode("latin-1")
    return ran.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    git(root, "init", "-q")
    git(root, "config", "core.autocrlf", "false")
    return root


def applied(folder: Path, one: Patch, encoding: str = "utf-8", bom: bool = False) -> None:
    """Assert that git makes the patch's own result of the file."""
    mark = b"\xef\xbb\xbf" if bom else b""
    file = folder / one.path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(mark + one.before.encode(encoding))
    diff = unified_bytes(one, encoding, bom)
    git(folder, "apply", "--whitespace=nowarn", "-", given=diff)
    assert file.read_bytes() == mark + one.after.encode(encoding)
    git(folder, "apply", "--whitespace=nowarn", "-R", "-", given=diff)
    assert file.read_bytes() == mark + one.before.encode(encoding)


def changed(text: str, *changes: Change, path: str = "m.py") -> Patch:
    return patch(path, Layout(text), changes)


def replaced(text: str, old: str, new: str, path: str = "m.py") -> Patch:
    start = text.index(old)
    return changed(text, Change(start, start + len(old), new), path=path)


PATHS = [
    "m.py",
    "a b.py",
    "a/b c/d.py",
    'quo"te.py',
    "back\\slash.py",
    "tab\there.py",
    "line\nbreak.py",
    "größe/日本.py",
    "-dash.py",
    "a\x01\x7f.py",
    " lead.py ",
]


@pytest.mark.parametrize("path", PATHS)
def test_odd_names(folder: Path, path: str) -> None:
    applied(folder, replaced("a\nb\n", "b", "c", path))


@pytest.mark.parametrize("path", PATHS)
def test_names_are_quoted_as_git_does(folder: Path, path: str) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"a\nb\n")
    git(folder, "add", "-N", "--", path)
    diff = git(folder, "diff", "--", path).decode()
    header = [line for line in diff.split("\n") if line.startswith("+++ ")]
    assert unified(replaced("a\nb\n", "b", "c", path)).split("\n")[1:2] == header


TEXTS = [
    ("one line", "a = 1\n", "1", "2"),
    ("no final newline", "a\nb", "b", "c"),
    ("a final newline comes", "a\nb", "b", "b\n"),
    ("a final newline goes", "a\nb\n", "b\n", "b"),
    ("CRLF", "a\r\nb\r\nc\r\n", "b", "d"),
    ("CR alone", "a\rb\rc", "b", "d"),
    ("mixed", "a\rb\r\nc\nd\r", "c", "x\ry"),
    ("a line more", "a\nb\n", "a\n", "a\nz\n"),
    ("a line less", "a\nb\nc\n", "b\n", ""),
    ("all of it", "a\nb\n", "a\nb\n", ""),
    ("a form feed", "a\n\fb\x0b\x85\u2028\n", "b", "c"),
    ("the middle of many", "".join(f"{n}\n" for n in range(40)), "20\n", "x\ny\n"),
]


@pytest.mark.parametrize("bom", [False, True])
@pytest.mark.parametrize(
    ("text", "old", "new"), [pytest.param(*row[1:], id=row[0]) for row in TEXTS]
)
def test_texts(folder: Path, text: str, old: str, new: str, bom: bool) -> None:
    applied(folder, replaced(text, old, new), bom=bom)


def test_other_encodings(folder: Path) -> None:
    applied(folder, replaced("# coding: latin-1\nä = 'ö'\n", "ö", "ü"), "iso8859-1")
    applied(folder, replaced("# coding: shift_jis\na = '日本'\n", "日", "本"), "shift_jis")
    assert unified_bytes(replaced("é\n", "é", "è"), "utf-8-sig", True).endswith(
        b"\n-\xef\xbb\xbf\xc3\xa9\n+\xef\xbb\xbf\xc3\xa8\n"
    )


def test_a_hunk_reads_as_usual() -> None:
    text = "".join(f"{n}\n" for n in range(1, 25))
    lines = Layout(text).starts
    one = changed(
        text,
        Change(lines[1], lines[1], "new\n"),
        Change(lines[7], lines[8], ""),
        Change(lines[19], lines[19] + 1, "x"),
    )
    assert unified(one) == (
        "--- a/m.py\n+++ b/m.py\n"
        "@@ -1,11 +1,11 @@\n 1\n+new\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n 9\n 10\n 11\n"
        "@@ -17,7 +17,7 @@\n 17\n 18\n 19\n-20\n+x0\n 21\n 22\n 23\n"
    )


def test_neighbouring_lines_are_one_change() -> None:
    one = changed("a\nb\nc\n", Change(0, 1, "x"), Change(2, 3, "y"))
    assert unified(one) == "--- a/m.py\n+++ b/m.py\n@@ -1,3 +1,3 @@\n-a\n-b\n+x\n+y\n c\n"


def test_nothing_changes() -> None:
    assert unified(Patch("m.py", "a\n", "a\n", ())) == ""
    same = Patch("m.py", "a\n", "a\n", (Edit(Layout("a\n").span("m.py", 0, 1), "a"),))
    assert unified(same) == ""


def test_a_patch_without_edits_is_one_change(folder: Path) -> None:
    applied(folder, Patch("m.py", "a\nb\nc\n", "a\nd\nc", ()))


@st.composite
def patches(draw: st.DrawFn) -> Patch:
    """Any text, changed at any places."""
    text = draw(st.text("ab\n\r", max_size=60))
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    changes = [
        Change(start, end, draw(st.text("ab\n\r", max_size=6)))
        for start, end in zip(places[::2], places[1::2], strict=False)
    ]
    return patch("m.py", Layout(text), changes)


@given(one=patches(), bom=st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_text(folder: Path, one: Patch, bom: bool) -> None:
    if one.before != one.after and one.before and one.after:
        applied(folder, one, bom=bom)
