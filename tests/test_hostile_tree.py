"""A folder in which everything is wrong that can be: the one good file is repaired, and the rest is told of."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixgrad import cli, pipeline
from fixgrad.options import Options
from fixgrad.project import reading

GOOD = "import numpy as np\nimport torch\nx = torch.tensor(np.ones(3))\nx.sum().backward()\nprint(x.grad)\n"
REPAIRED = GOOD.replace("np.ones(3))", "np.ones(3), requires_grad=True)")
NAMES = (
    "new\nline.py",
    "tab\t.py",
    "'quoted\".py",
    "-rf.py",
    "ünï.py",
    " .py",
    "a:1:2.py",
    "$(x).py",
    "\x1b[31m.py",
)
FORMATS = (
    *("full", "concise", "json", "jsonl", "github", "gitlab", "sarif", "rdjson", "rdjsonl"),
    *("junit", "azure", "pylint", "markdown", "csv"),
)
BAD = {
    "null.py": (GOOD.encode() + b"y = '\0'\n", "a null byte"),
    "long.py": (GOOD.encode() + b"s = '" + b"a" * 10_000_000 + b"'\n", "too large to analyse"),
    "deep.py": (GOOD.encode() + b"y = " + b"(" * 1_000 + b"x" + b")" * 1_000 + b"\n", "parenthes"),
    "bytes.py": (GOOD.encode() + b"# \xff\xfe\n", "is not valid utf-8"),
    "wide.py": (GOOD.encode("utf-16"), "a null byte"),
    "coding.py": (b"# coding: martian\n" + GOOD.encode(), "unknown encoding"),
    "broken.py": (GOOD.encode() + b"def\n", "not valid Python"),
    "cells.ipynb": (b'{"cells": [{"source": "import torch"}', "not a valid notebook"),
    "nested.ipynb": (b'{"cells": ' + b"[" * 100_000 + b"1 torch", "not a valid notebook"),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("good.py").write_text(GOOD)
    return folder


def fixgrad(*arguments: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run it with little memory; return how many seconds it took, too."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

    started = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "fixgrad", *arguments],
        env=environment, preexec_fn=limited, capture_output=True, encoding="utf-8", errors="surrogateescape",
        timeout=120, check=False,
    )  # fmt: skip
    return ran, time.monotonic() - started


@pytest.mark.slow
def test_everything_at_once(here: Path) -> None:
    for name, (data, _) in BAD.items():
        Path(name).write_bytes(data)
    os.mkfifo("pipe.py")
    os.symlink("loop.py", "loop.py")
    os.symlink("/dev/zero", "endless.py")
    os.symlink("nothing.py", "dangling.py")
    os.makedirs("deep/er")
    os.symlink("../..", "deep/er/again")
    os.mkdir("folder.py")
    Path("empty.py").write_text("")
    ran, seconds = fixgrad("--fix", ".")
    assert ran.returncode == 2
    assert Path("good.py").read_text() == REPAIRED
    assert "repaired 1 finding in 1 file" in ran.stderr
    assert "bug" not in ran.stderr
    for name, (data, said) in BAD.items():
        (line,) = [line for line in ran.stderr.splitlines() if line.startswith(f"{name}:")]
        assert said in line
        assert Path(name).read_bytes() == data
    assert len(ran.stderr.splitlines()) < len(BAD) + 8
    assert all(len(line) < 300 for line in ran.stderr.splitlines())
    assert seconds < 60


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pipe.py", "endless.py", "loop.py", "dangling.py", "folder.py/x"])
def test_what_is_no_file_is_told_where_it_is_named(here: Path, name: str) -> None:
    os.mkfifo("pipe.py")
    os.symlink("/dev/zero", "endless.py")
    os.symlink("loop.py", "loop.py")
    os.symlink("nothing.py", "dangling.py")
    ran, _ = fixgrad("--fix", "good.py", name)
    assert ran.returncode == 2
    assert name in ran.stderr
    assert "bug" not in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_strange_names(here: Path, form: str, capfd: pytest.CaptureFixture[str]) -> None:
    for name in NAMES:
        Path(name).write_text(GOOD)
    assert cli.run(["--output-format", form, "--exit-zero", "."]) == 0
    said = capfd.readouterr()
    assert "\x1b" not in said.out + said.err
    if form == "json":
        assert {row["filename"] for row in json.loads(said.out)} == {"good.py", *NAMES}
    assert cli.run(["--fix", "-q", "."]) == 0
    assert {path.read_text() for path in here.iterdir()} == {REPAIRED}


@pytest.mark.parametrize("form", FORMATS)
def test_a_name_that_is_no_text(
    here: Path, form: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    name = os.fsdecode(b"\xff\xfe.py")
    try:
        Path(name).write_text(GOOD)
    except OSError:
        pytest.skip("this file system takes no such name")
    assert cli.run(["--output-format", form, "--exit-zero", "."]) == 0
    assert cli.run(["--diff", "--exit-zero", "."]) == 0
    assert b"bug" not in capfdbinary.readouterr().err
    assert cli.run(["--fix", "-q", "."]) == 0
    assert Path(name).read_text() == REPAIRED


@pytest.mark.slow
def test_a_hundred_thousand_lines(here: Path) -> None:
    lines = [
        *(f"v{n} = {n}" for n in range(400)),
        "x.sum()",
        "y = x * 2",
        "if y.sum() > 0:\n    y = x",
    ]
    text = "".join(f"{lines[n % len(lines)]}\n" for n in range(100_000))
    Path("long.py").write_text(GOOD + text)
    started = time.process_time()
    outcome = pipeline.run(Options(paths=("long.py",), diff=True))
    assert [patch.after for _, patch in outcome.patches] == [REPAIRED + text]
    assert time.process_time() - started < 60


@pytest.mark.parametrize("when", ["read_bytes", "decode"])
def test_a_file_that_vanishes(here: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    Path("other.py").write_text(GOOD)
    real = getattr(reading, when)

    def vanishing(path: str, *more: object, **named: object) -> object:
        if path == "other.py" and os.path.exists(path):
            os.unlink(path)
        return real(path, *more, **named)

    monkeypatch.setattr(reading, when, vanishing)
    outcome = pipeline.run(Options(diff=True))
    assert "good.py" in [source.path for source, _ in outcome.patches]
    if when == "read_bytes":
        assert [str(problem) for problem in outcome.problems] == [
            "other.py: the file is gone; it was there when the files were listed"
        ]


@pytest.fixture
def nobody(here: Path) -> Iterator[None]:
    """Become somebody who may not read everything, where that is needed: root may."""
    pipeline.run(Options(diff=True))  # load all there is to load before
    for folder in (here, *here.parents):
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o005:
            folder.chmod(folder.stat().st_mode | 0o055)
    was = os.geteuid(), os.getegid()
    if was[0] == 0:
        os.setegid(65534)
        os.seteuid(65534)
    yield
    os.seteuid(was[0])
    os.setegid(was[1])


def test_a_folder_and_a_file_without_permission(here: Path, request: pytest.FixtureRequest) -> None:
    for name in ("locked", "unlisted"):
        os.mkdir(name)
        Path(name, "inside.py").write_text(GOOD)
    os.chmod("locked", 0)
    os.chmod("unlisted", 0o311)
    Path("secret.py").write_text(GOOD)
    os.chmod("secret.py", 0)
    request.getfixturevalue("nobody")
    outcome = pipeline.run(Options(diff=True))
    assert [source.path for source, _ in outcome.patches] == ["good.py"]
    assert "secret.py: permission denied; make the file readable" in str(outcome.problems[-1])
    assert all("bug" not in problem.message for problem in outcome.problems)


RUBBISH = (
    b"[tool.fixgrad\n", b"\x00\x01\x02", b"\xff\xfe", b"[tool.fixgrad]\nselect = 3\n", b"[tool.fixgrad]\nno-such = 1\n",
    b"tool = 3\n", b"[tool]\nfixgrad = []\n", b"[tool.fixgrad]\nselect = ['FG999']\n",
    b"[tool.fixgrad]\nexclude = ['[']\nper-file-ignores = 5\n", b"a = " + b"[" * 5_000, b"x = '" + b"a" * 3_000_000,
)  # fmt: skip


@pytest.mark.parametrize("data", RUBBISH, ids=[str(number) for number in range(len(RUBBISH))])
def test_settings_full_of_rubbish(
    here: Path, data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is no setting of ours is ignored, and what is one but wrong is told of in a line."""
    Path("pyproject.toml").write_bytes(data)
    code = cli.run(["--diff", "--exit-zero", "."])
    said = capfd.readouterr().err
    assert "bug" not in said
    assert "Traceback" not in said
    if code == 2:
        assert "pyproject.toml" in said
        assert all(len(line) < 400 for line in said.splitlines())
    else:
        assert code == 0
        assert "would repair 1 finding in 1 file" in said
