"""What runs leave behind, read without torch: records, places as the sources have them, and what they answer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fixgrad import project
from fixgrad.errors import FixgradError
from fixgrad.evidence import judge
from fixgrad.evidence.sighting import Sighting
from fixgrad.proof.notebook_text import runnable
from fixgrad.proof.places import Files
from fixgrad.runtime import child, records
from fixgrad.runtime.child import Limits
from fixgrad.runtime.records import Place
from fixgrad.source import Source, Span
from tests.notebooks import jupyter

TEXT = "import torch\nx = torch.ones(2)\n"


def source_of(path: Path, data: bytes) -> Source:
    """Write a file and read it as fixgrad does."""
    path.write_bytes(data)
    source = project.read(str(path))
    assert isinstance(source, Source)
    return source


class TestRecords:
    def read(self, folder: Path, *lines: dict[str, Any]) -> records.Records:
        (folder / "1.jsonl").write_text(
            "".join(json.dumps(line) + "\n" for line in lines) + '{"cut'
        )
        return records.read(str(folder))

    def test_all_that_a_run_tells_of_itself(self, tmp_path: Path) -> None:
        found = self.read(
            tmp_path,
            {"kind": "start", "pid": 1, "python": "3.12.1"},
            {"kind": "torch", "version": "2.13"},
            {"kind": "stray", "file": "/home/me/own.py"},
            {"kind": "bug", "in": "taken", "error": "KeyError(1)"},
            {"kind": "end"},
        )
        assert (found.python, found.torch, found.processes) == ("3.12.1", "2.13", 1)
        assert found.strays == ("/home/me/own.py",)
        assert found.bugs == ("taken: KeyError(1)",)
        assert found.events == ()

    def test_an_event_counts_as_often_as_it_was_last_said(self, tmp_path: Path) -> None:
        place = {"kind": "place", "number": 0, "file": "/a.py", "span": [2, 4, 2, 9], "in": "f"}
        seen = {"kind": "grad", "at": 0, "arrived": True}
        found = self.read(tmp_path, place, {**seen, "count": 1}, {**seen, "count": 4})
        (event,) = found.of("grad")
        assert (event.times, event.arrived, event.place) == (
            4,
            True,
            Place("/a.py", 2, 4, 2, 9, "f"),
        )


class TestPlaces:
    """Python before 3.11 knows lines alone; Jupyter knows the text of a cell alone."""

    def files(self, folder: Path, *sources: Source) -> Files:
        return Files(str(folder), str(folder / "copy"), sources)

    def test_columns_and_lines(self, tmp_path: Path) -> None:
        path = tmp_path / "main.py"
        files = self.files(
            tmp_path, source_of(path, b"import torch\ng = '\xc3\xb6'; x = torch.ones(2)\n")
        )
        there = files.place(str(path))
        exact, vague = Place(there, 2, 14, 2, 27, "f"), Place(there, 2, None, 2, None, "f")
        wanted = Span(str(path), 2, 13, 2, 26)
        seen = files.seen(exact)
        assert seen is not None
        assert seen.span == wanted
        assert files.shown(exact) == f"{path}:2:14"
        assert files.shown(vague) == f"{path}:2"
        assert files.shown(Place(str(tmp_path / "copy" / "lib.py"), 7, 0, 7, 1, "f")) == "lib.py:7"
        unsure = files.seen(vague)
        assert unsure is not None
        assert unsure.within(wanted)
        assert unsure.meets(wanted)
        assert not unsure.within(Span(str(path), 1, 0, 1, 5))
        assert not unsure.within(Span("other.py", 2, 0, 2, 5))

    def test_cells_that_jupyter_ran(self, tmp_path: Path) -> None:
        plain = source_of(tmp_path / "a.py", TEXT.encode())
        cells = ["import torch\n", "%matplotlib inline\nx = torch.ones(2)\n"]
        notebook = source_of(tmp_path / "n.ipynb", jupyter(*cells))
        files = self.files(tmp_path, plain, notebook)
        ran = "get_ipython().run_line_magic('matplotlib', 'inline')\nx = torch.ones(2)"
        seen = files.seen(Place("<ipython-input-2>", 2, 0, 2, 1, "<module>", ran))
        assert seen is not None
        assert (seen.span.path, seen.span.rows, seen.span.cell) == (notebook.path, (2, 2), 2)
        assert files.seen(Place("<ipython-input-3>", 1, 0, 1, 1, "<module>", "y = 1")) is None

    def test_magics_do_nothing_where_nobody_runs_them(self, tmp_path: Path) -> None:
        cells = [
            "import torch\n%matplotlib inline\nfiles = !ls\nif True:\n    !pip install x\nx = 1\n"
        ]
        text = runnable(source_of(tmp_path / "n.ipynb", jupyter(*cells)))
        assert text.splitlines()[1:] == [
            *("import torch", "pass", "files = None", "if True:", "    pass", "x = 1")
        ]


AT = Span("main.py", 3, 0, 3, 4)


@pytest.mark.parametrize(
    ("kind", "facts", "rule", "said"),
    [
        ("grad", {"arrived": True}, "FG101", "the gradient is there at main.py:3:1, 2 times"),
        ("inputs", {"arrived": False}, "FG103", "it is tracked at main.py:3:1"),
        ("optimizer", {"call": "SGD"}, "FG102", "SGD gets it tracked at main.py:3:1"),
        ("step", {"call": "SGD", "moved": True}, "FG102", "moved by SGD, 2 times"),
        ("step", {"call": "SGD", "moved": False}, "FG102", ""),
        ("taken", {"call": "float"}, "FG301", "`float` takes it along at main.py:3:1"),
        ("hook", {"call": "register_hook"}, "FG105", "register_hook goes through at main.py:3:1"),
        ("conversion", {}, "FG101", ""),
    ],
)
def test_which_gradient_is_there_after_all(
    kind: str, facts: dict[str, object], rule: str, said: str
) -> None:
    assert judge._answer(Sighting(kind, AT, (), facts, 2), rule) == said


class TestChild:
    def test_a_file_that_may_not_be_run(self, tmp_path: Path) -> None:
        program = tmp_path / "program"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o600)
        with pytest.raises(FixgradError, match=r"cannot be run \(permission denied\)"):
            child.run([str(program)], str(tmp_path), os.environ, Limits(), str(tmp_path / "o"), "-")

    def test_memory_has_a_limit(self, tmp_path: Path) -> None:
        command = ["sh", "-c", "ulimit -v"]
        limits, output = Limits(memory=500), str(tmp_path / "o")
        ran = child.run(command, str(tmp_path), os.environ, limits, output, "no such word")
        assert (ran.code, ran.output.split()) == (0, [str(500 * 1024)])
