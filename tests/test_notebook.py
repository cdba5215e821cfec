"""Notebooks as they are read and reported: cells, magics, kernels, places, problems."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fixgrad import pipeline
from fixgrad.pipeline import Options
from fixgrad.project import decode, find_files, read_all
from fixgrad.project.magics import without_magics
from fixgrad.source import Problem, Source
from fixgrad.write import encoded
from tests.notebooks import PYTHON, code, jupyter, markdown, notebook, read, texts
from tests.reports import render

IMPORTS = "import numpy as np\nimport torch\n"
MADE = "w = torch.from_numpy(np.ones(3))"
USED = "(w ** 2).sum().backward()\nprint(w.grad)"
NAME = "magic_may_set_grad"


def looked_at(data: bytes, *, diff: bool = False, fix: bool = False) -> pipeline.Outcome:
    return pipeline.run_on_text("n.ipynb", data, Options(diff=diff, fix=fix))


def found(*cells: dict[str, Any] | str) -> list[str]:
    """Return what is said of a notebook, a line each."""
    outcome = looked_at(jupyter(*cells))
    assert not outcome.problems, outcome.problems
    return render("concise", outcome.entries, {}, colour=False).splitlines()


class TestCells:
    def test_text(self) -> None:
        source = read(
            jupyter(markdown("# t"), "a = 1", code([]), "b = 2\n", code("c", metadata={}))
        )
        assert source.text == "pass  # cell 2\na = 1\npass  # cell 4\nb = 2\npass  # cell 5\nc\n"
        assert [str(source.line(n)) for n in range(1, 7)] == [
            *("1", "1 of cell 2", "3", "1 of cell 4", "5", "1 of cell 5")
        ]

    def test_nbformat_3(self) -> None:
        cells = [
            {"cell_type": "code", "input": ["x = 1\n", "y"], "language": "python", "outputs": []},
            {"cell_type": "heading", "source": "t"},
            {"cell_type": "code", "input": "z", "language": "R", "outputs": []},
            {"cell_type": "code", "input": "z", "outputs": []},
        ]
        data = json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}, {"cells": []}]}).encode()
        assert read(data).text == "pass  # cell 1\nx = 1\ny\npass  # cell 4\nz\n"

    def test_a_cell_in_another_language(self) -> None:
        sql = code("SELECT *", metadata={"vscode": {"languageId": "sql"}})
        assert read(jupyter(sql, "x")).text == "pass  # cell 2\nx\n"

    @pytest.mark.parametrize(
        ("metadata", "python"),
        [
            ({}, True),
            (None, True),
            (PYTHON, True),
            ({"language_info": {"name": "python"}}, True),
            ({"kernelspec": {"name": "conda-env-deep-py"}}, True),
            ({"kernelspec": {"name": "ir", "language": "R"}}, False),
            ({"kernelspec": {"name": "ir"}}, False),
            ({"kernelspec": {"name": "julia-1.6"}}, False),
            ({"kernelspec": {"name": "python3"}, "language_info": {"name": "julia"}}, False),
        ],
    )
    def test_kernels(self, metadata: object, python: bool) -> None:
        source = read(jupyter("x <- torch", metadata=metadata))
        assert bool(source.text) is python
        assert looked_at(jupyter("x <- torch(", metadata=metadata)).problems == () or python

    @pytest.mark.parametrize(
        ("data", "problem"),
        [
            (b"", "n.ipynb:1:1: not a valid notebook: expecting an object"),
            (b"[]", "n.ipynb:1:1: not a valid notebook: expecting an object"),
            (b"{}", "n.ipynb:1:1: not a valid notebook: it has no cells"),
            (b'{"cells": []} x', "n.ipynb:1:15: not a valid notebook: extra data"),
            (b'{"cells": [{"a": tru}]}', "n.ipynb:1:18: not a valid notebook: expecting value"),
            (b'{"cells":\n [,]}', "n.ipynb:2:3: not a valid notebook: expecting an object"),
            (b'{"cells": {}}', "n.ipynb:1:11: not a valid notebook: expecting an array"),
            (b'{"cells": []', "n.ipynb:1:13: not a valid notebook: expecting ','"),
            (b'{"cells" []}', "n.ipynb:1:10: not a valid notebook: expecting ':'"),
            (b'{"cells": [], x}', "n.ipynb:1:15: not a valid notebook: expecting a property name"),
            (b'{"x": "\n"}', "n.ipynb:1:8: not a valid notebook: invalid control character at"),
            (b'{"a": ' + b"[" * 100_000, "n.ipynb: not a valid notebook: the JSON is nested"),
            (b'{"cells": "\xff"}', "n.ipynb: not a valid notebook: byte 11 is not UTF-8"),
            (
                b'{"cells": [{"cell_type": "code", "source": [1]}]}',
                "n.ipynb:1:45: not a valid notebook: expecting the text of a cell",
            ),
        ],
    )
    def test_broken_json(self, data: bytes, problem: str) -> None:
        answer = decode("n.ipynb", data)
        assert isinstance(answer, Problem)
        assert str(answer).startswith(problem)

    def test_no_cells(self) -> None:
        assert read(b'{"cells": []}').text == ""
        assert read(jupyter(markdown("torch"))).text == ""
        assert read(b'{"cells": [{"cell_type": "code", "source": null}]}').text == ""

    @pytest.mark.parametrize("text", ["x = '\\ud800'", "x = '\\u0000'"])
    def test_characters_that_no_program_holds(self, text: str) -> None:
        data = b'{"cells": [{"cell_type": "code", "source": "import torch\\n%s"}]}' % text.encode()
        (problem,) = looked_at(data).problems
        assert "Python cannot parse this file" in str(problem) or "null byte" in str(problem)


class TestMagics:
    @pytest.mark.parametrize(
        ("text", "plain"),
        [
            ("%matplotlib inline\nx = 1", "pass\nx = 1"),
            ("!pip install x\n!ls \\\n  -l\ny", "pass\npass\n\ny"),
            ("if a:\n    %cd ..\n    !ls\n\tb", "if a:\n    pass\n    pass\n\tb"),
            ("?f\nf?\nf.g??\nx = 'why?'\n# why?", "pass\npass\npass\nx = 'why?'\n# why?"),
            (
                "x = !ls *.py\ny = %pwd\na.b = %who w",
                f"x = {NAME}()\ny = {NAME}()\na.b = {NAME}(w)",
            ),
            ("x %= 2\ny = a %b\nz != 3\n'%x'", "x %= 2\ny = a %b\nz != 3\n'%x'"),
            ("s = '''\n%cd\n!ls\n'''\n%cd", "s = '''\n%cd\n!ls\n'''\npass"),
            ("f(a\n%b)\nx = \\\n%y", f"f(a\n%b)\nx = {NAME}()\n"),
            ('s = "a # \\" (" # ([\n%cd', 's = "a # \\" (" # ([\npass'),
            ("s = 'a \\\n%b'\n%cd", "s = 'a \\\n%b'\npass"),
            ("%time w = f(x)\n%time\n%time for i in x: y", "0;    w = f(x)\n{0}()\n{1}"),
            ("%timeit w.f(1)", f"{NAME}(w)"),
            ("%%timeit\nx = w.f(1)", f"{NAME}(w, x)\n"),
            ("%timeit f(a,\n  b)\nx", f"{NAME}(a, b, f)\n\nx"),
            ("%time x = f(a, \\\n  b)\nx", f"a = b = x = {NAME}(a, b, f, x)\n\nx"),
            ("%time x = (y,\n  z)\nx", f"x = y = z = {NAME}(x, y, z)\n\nx"),
            ("%mine a.b c", f"c = {NAME}(a, c)"),
            ("%pylab inline", "import numpy, numpy as np; from numpy import *"),
            ("%run helpers.py -x\n%run ./a/b\n%run n.ipynb", "{2}"),
            ("%%time\nx = 1\n%cd", "\nx = 1\npass"),
            ("\n%%capture out\n%%time\nx", "\n\n\nx"),
            ("%%bash\nls (", "pass\n"),
            ("%%writefile a.py\nimport torch\n", "pass\n\n"),
            ("%%mine -n 3\nx = f(w)\n", f"n = w = x = {NAME}(f, n, w, x)\n\n"),
            ("%%time?", "pass"),
            ("%scala\nval x = 1", "pass\n"),
            ("pip install torch", "pass"),
            ("\n  x = 1\n  if x:\n    %cd\ny", "\nx = 1\nif x:\n  pass\ny"),
            ("cd = 3", "cd = 3"),
            ("%cd a\r\nx\r\n", "pass\r\nx\r\n"),
        ],
    )
    def test_replaced(self, text: str, plain: str) -> None:
        known = (
            NAME,
            f"i = x = y = {NAME}(i, x, y)",
            "from helpers import *\nfrom a.b import *\nfrom n.ipynb import *",
        )
        for number, one in enumerate(known):
            plain = plain.replace(f"{{{number}}}", one)
        assert without_magics(text).text == plain
        assert without_magics(text).text.count("\n") == text.count("\n")

    def test_rows_that_are_not_edited(self) -> None:
        text = "x = 1\n%cd a\nif y:\n    !ls \\\n  -l\n%time z = 1\n"
        assert without_magics(text).rows == {2, 4, 5}


class TestFindings:
    def test_places(self) -> None:
        (line,) = found(IMPORTS, markdown("# m"), f"%%time\n{MADE}", USED)
        assert line == (
            "n.ipynb:cell 3:2:5: FG101 [*] `w` is not tracked by autograd, "
            "but its `.grad` is read at line 2 of cell 4"
        )

    def test_full_shows_the_code_of_each_cell(self) -> None:
        outcome = looked_at(jupyter(IMPORTS, MADE, f"%time {USED}\nw -= w.grad"))
        sources = {source.path: source for source in outcome.sources}
        text = render("full", outcome.entries, sources, colour=False)
        assert "--- a/n.ipynb:cell 2\n" in text
        assert "+++ b/n.ipynb:cell 3\n" in text
        assert "     @@ -1,3 +1,4 @@\n      %time (w ** 2)" in text
        assert "No newline" not in text

    def test_json(self) -> None:
        outcome = looked_at(jupyter(IMPORTS, MADE, USED + "\nw -= w.grad"))
        (row,) = json.loads(render("json", outcome.entries, {}, colour=False))
        assert (row["cell"], row["location"]) == (2, {"row": 1, "column": 5})
        assert [(step["cell"], step["row"]) for step in row["path"]] == [(2, 1), (3, 2)]
        edits = [(edit["cell"], edit["location"]["row"]) for edit in row["fix"]["edits"]]
        assert edits == [(2, 1), (3, 3)]

    def test_comments_hide(self) -> None:
        assert found(IMPORTS, f"{MADE}  # fixgrad: ignore[FG101] by hand", USED) == []

    @pytest.mark.parametrize(
        "cell",
        [
            "%prepare w",
            "%%prepare\nw.requires_grad_()",
            "w = %load_tensor a",
            "%store -r w",
            "%timeit prepare(w)",
        ],
    )
    def test_an_unknown_magic_may_have_granted(self, cell: str) -> None:
        assert found(IMPORTS, MADE, cell, USED) == []
        assert found(IMPORTS, MADE, USED) != []

    def test_neighbours_in_two_cells_share_no_block(self) -> None:
        data = jupyter(IMPORTS + MADE, USED, "w -= 0.1 * w.grad", "w -= 0.1 * w.grad")
        ((source, patch),) = looked_at(data, fix=True).patches
        block = "with torch.no_grad():\n    w -= 0.1 * w.grad"
        assert texts(encoded(source, patch))[2:] == [block, block]

    def test_a_step_that_a_magic_runs_is_not_moved(self) -> None:
        (line,) = found(IMPORTS, MADE, USED, "%time w -= 0.1 * w.grad")
        assert "FG101" in line
        assert "[*]" not in line

    def test_a_cell_that_is_indented_is_read_but_not_edited(self) -> None:
        (line,) = found(IMPORTS, MADE, USED, "  w -= 0.1 * w.grad\n  w.grad.zero_()")
        assert "FG101 `w`" in line

    def test_run_reads_the_other_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("make.py").write_text(f"{IMPORTS}{MADE}\n")
        Path("n.ipynb").write_bytes(jupyter("%run make.py", f"{USED}  # torch"))
        outcome = pipeline.run(Options())
        assert [str(entry.finding.span) for entry in outcome.entries] == ["make.py:3:5"]


class TestProblems:
    @pytest.mark.parametrize(
        ("cell", "place"),
        [
            ("x = (1,", "cell 3:1:"),
            ("x = 1\ny = = 2", "cell 3:2:5:"),
            ("if x:\n", "cell 3:1:"),
            ("x = '''\n", "cell 3:1:"),
        ],
    )
    def test_one_cell_is_wrong(self, cell: str, place: str) -> None:
        data = jupyter(IMPORTS + MADE, markdown("m"), cell, ")\n'''", USED)
        outcome = looked_at(data, diff=True)
        (problem,) = outcome.problems
        assert str(problem).startswith(f"n.ipynb:{place}")
        assert "not valid Python" in str(problem)
        assert not outcome.entries
        assert not outcome.patches

    def test_other_files_go_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("a.ipynb").write_bytes(jupyter("import torch", "x ="))
        Path("b.ipynb").write_bytes(jupyter(IMPORTS, MADE, USED))
        outcome = pipeline.run(Options())
        assert [str(problem)[:17] for problem in outcome.problems] == ["a.ipynb:cell 2:1:"]
        assert [entry.finding.span.path for entry in outcome.entries] == ["b.ipynb"]


class TestFolders:
    def test_found_beside_python(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("a.py", "b.ipynb", ".ipynb_checkpoints/b.ipynb", "c.txt"):
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_text("")
        assert find_files(()) == ("a.py", "b.ipynb")

    def test_without_torch_nothing_is_decoded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("a.py").write_text("import torch\n")
        Path("b.ipynb").write_text('{"cells": broken')
        Path("c.ipynb").write_bytes(jupyter(markdown("torch"), "x = "))
        sources, problems = read_all(["a.py", "b.ipynb", "c.ipynb"])
        assert [source.path for source in sources] == ["a.py"]
        assert problems == []

    def test_huge_outputs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        image = {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo" * 500_000}}
        data = jupyter(IMPORTS, code(MADE, outputs=[image]), USED)
        Path("n.ipynb").write_bytes(data)
        assert len(data) > 5_000_000
        pipeline.run(Options(fix=True))
        after = Path("n.ipynb").read_bytes()
        old, new = (
            b"torch.from_numpy(np.ones(3))",
            b"torch.tensor(np.ones(3), requires_grad=True)",
        )
        assert after == data.replace(old, new)


@pytest.mark.slow
class TestCommandLine:
    def fixgrad(
        self, folder: Path, *arguments: str, given: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "fixgrad", *arguments]
        return subprocess.run(command, cwd=folder, input=given, capture_output=True, check=False)

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
        root = tmp_path / "root"
        root.mkdir()
        (root / "n.ipynb").write_bytes(jupyter(IMPORTS, MADE, USED))
        return root

    def test_the_diff_is_applied_by_git(self, folder: Path) -> None:
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        ran = self.fixgrad(folder, "--diff")
        assert ran.returncode == 1
        assert b" @@ cell 2\n" in ran.stdout
        subprocess.run(["git", "apply", "-"], cwd=folder, input=ran.stdout, check=True)
        applied = (folder / "n.ipynb").read_bytes()
        (folder / "n.ipynb").write_bytes(jupyter(IMPORTS, MADE, USED))
        assert self.fixgrad(folder, "--fix").returncode == 0
        assert (folder / "n.ipynb").read_bytes() == applied
        assert self.fixgrad(folder).returncode == 0

    def test_standard_input(self, folder: Path) -> None:
        data = (folder / "n.ipynb").read_bytes()
        ran = self.fixgrad(folder, "--fix", "--stdin-filename", "x.ipynb", "-", given=data)
        self.fixgrad(folder, "--fix")
        assert ran.stdout == (folder / "n.ipynb").read_bytes() != data

    def test_a_broken_cell(self, folder: Path) -> None:
        (folder / "n.ipynb").write_bytes(jupyter(IMPORTS, MADE, USED, "x = "))
        ran = self.fixgrad(folder, "--fix")
        assert ran.returncode == 2
        assert ran.stderr.startswith(b"n.ipynb:cell 4:1:5: not valid Python")
        assert (folder / "n.ipynb").read_bytes() == jupyter(IMPORTS, MADE, USED, "x = ")


def test_a_python_file_has_no_cells() -> None:
    source = decode("m.py", json.dumps(notebook("x")).encode())
    assert isinstance(source, Source)
    assert source.notebook is None
    assert source.shown() == source.lines()
    assert str(source.line(3)) == "3"
