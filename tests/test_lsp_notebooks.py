"""Notebooks in the language server, and repairs that change several files: driven by a client of the protocol."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.notebooks import jupyter, markdown
from tests.test_settings import here, settings, write

if importlib.util.find_spec("pygls") is None:
    pytest.skip("pygls is not installed: pip install 'fixgrad[lsp]'", allow_module_level=True)

from lsprotocol import types

from tests.editor import Editor, codes, edited

pytestmark = pytest.mark.slow

__all__ = ["here"]  # a fixture: an empty repository to be in

HEAD = "import numpy as np\nimport torch"
MADE = "s = '🎉'; w = torch.from_numpy(np.ones(2))"
USED = "%timeit 1\nloss = (w ** 2).sum()\nloss.backward()\nprint(w.grad)\nprint(w.numpy())"
REPAIRED = MADE.replace("from_numpy(np.ones(2))", "tensor(np.ones(2), requires_grad=True)")
DETACHED = USED.replace("w.numpy()", "w.detach().numpy()")


class TestNotebook:
    def test_findings_stand_in_their_cells(self) -> None:
        async def session(editor: Editor) -> None:
            _, cells = editor.open_notebook(
                "n.ipynb", [("markdown", "# torch"), HEAD, MADE, USED, ("r", "x <- (")]
            )
            (found,) = await editor.said(cells[2])
            assert codes([found]) == [("FG101", 1)]
            assert found.message.endswith("its `.grad` is read at line 4 of cell 4")
            start = len("s = '🎉'; w = ") + 1  # units of UTF-16
            assert found.range.start == types.Position(0, start)
            where = [step.location.uri for step in found.related_information or []]
            assert where == [cells[2], cells[3]]
            assert [await editor.said(cell) for cell in (cells[1], cells[3])] == [[], []]
            text = await editor.hover(cells[3], 3, 8) or ""
            assert f"1. [n.ipynb:cell 3:1]({cells[2]}#L1) made here `{MADE}`" in text
            assert f"2. [n.ipynb:cell 4:4]({cells[3]}#L4) demanded here" in text
            assert await editor.hover(cells[1], 0, 3) is None

        edited(session)

    @pytest.mark.parametrize("document_changes", [True, False])
    def test_repairs_change_cells(self, document_changes: bool) -> None:
        async def session(editor: Editor) -> None:
            _, cells = editor.open_notebook("n.ipynb", [HEAD, MADE, USED])
            await editor.said(cells[1])
            repair, comment, every = await editor.actions(cells[1], 0)
            assert editor.applied(repair) == {cells[1]: REPAIRED, cells[2]: DETACHED}
            assert editor.applied(every) == editor.applied(repair)
            ignored = f"{MADE}  # fixgrad: ignore[FG101]"
            assert editor.applied(comment) == {cells[1]: ignored}
            assert [a.kind for a in await editor.actions(cells[0], 0)] == [every.kind]

        edited(session, document_changes=document_changes)

    def test_cells_change_come_and_go(self) -> None:
        async def session(editor: Editor) -> None:
            notebook, (head, made, used) = editor.open_notebook("n.ipynb", [HEAD, MADE, USED])
            assert codes(await editor.said(made)) == [("FG101", 1)]
            editor.type_in_cell(notebook, made, f"\n{MADE}")
            assert codes(await editor.said(made)) == [("FG101", 2)]
            editor.type_in_cell(notebook, made, "w = (")
            editor.type_in_cell(notebook, made, MADE)
            first = editor.insert_cell(notebook, 1, 9, "w = torch.ones(2, requires_grad=True)")
            editor.remove_cell(notebook, 2, made)
            assert await editor.said(first) == []
            assert await editor.said(used) == []
            editor.type_in_cell(notebook, first, MADE)
            assert codes(await editor.said(first)) == [("FG101", 1)]
            editor.close_notebook(notebook, [head, first, used])
            await editor.until(lambda: [p.version for p in editor.published[-3:]] == [None] * 3)
            last = {p.uri: list(p.diagnostics) for p in editor.published}
            assert last == {head: [], made: [], first: [], used: []}

        edited(session)

    def test_a_notebook_of_another_language(self) -> None:
        async def session(editor: Editor) -> None:
            kernel = {"kernelspec": {"language": "julia", "name": "julia-1.9"}}
            _, cells = editor.open_notebook("n.ipynb", [f"{HEAD}\n{MADE}\n{USED}"], kernel)
            assert await editor.said(cells[0]) == []

        edited(session)

    def test_with_the_modules_of_its_project(self) -> None:
        async def session(editor: Editor) -> None:
            _, cells = editor.open_notebook("n.ipynb", texts)
            assert codes(await editor.said(cells[0])) == [("FG101", 2)]
            assert editor.messages == []

        texts = ["from maker import made\nw = made()", "w.sum().backward()\nw.grad"]
        write("maker.py", f"{HEAD}\ndef made():\n    return torch.from_numpy(np.ones(2))\n")
        Path("n.ipynb").write_bytes(jupyter(markdown("# on"), *texts))
        settings("extend-select = ['FG2']")
        edited(session)


class TestSeveralFiles:
    STEP = "import torch\n\n\ndef step(params):\n    for p in params:\n        p -= 0.1 * p.grad\n"
    FIT = f"{HEAD}\nfrom sgd import step\n\nv = torch.from_numpy(np.ones(2))\n(v**2).sum().backward()\nstep([v])\n"

    def test_one_edit_of_the_workspace(self) -> None:
        async def session(editor: Editor) -> None:
            uri = editor.open("fit.py", self.FIT)
            (found,) = await editor.said(uri)
            assert "left alone" not in found.message
            repair, _ = await editor.actions(uri, 4)
            assert repair.title.endswith("where the tensor is made (sgd.py too)")
            after = editor.applied(repair)
            assert list(map(self.name, after)) == ["fit.py", "sgd.py"]
            assert "torch.tensor(np.ones(2), requires_grad=True)" in after[uri]
            assert "with torch.no_grad():" in after[Path("sgd.py").absolute().as_uri()]
            Path("sgd.py").write_text("# changed\n" + self.STEP)
            (comment,) = await editor.actions(uri, 4)
            assert comment.title == "FG101: leave it alone, with a comment"

        write("sgd.py", self.STEP)
        write("fit.py", self.FIT)
        edited(session)

    def test_a_file_that_is_open_counts_as_it_stands(self) -> None:
        async def session(editor: Editor) -> None:
            other = editor.open("sgd.py", "# more\n" + self.STEP)
            await editor.said(other)
            uri = editor.open("fit.py", self.FIT)
            await editor.said(uri)
            repair, *_ = await editor.actions(uri, 4)
            after = editor.applied(repair)
            assert after[other].startswith("# more\nimport torch\n")
            assert "with torch.no_grad():" in after[other]
            assert await editor.actions(uri, 0, "source.fixAll") == []

        write("sgd.py", self.STEP)
        write("fit.py", self.FIT)
        edited(session)

    def test_what_can_stay_in_its_file_stays_there(self) -> None:
        async def session(editor: Editor) -> None:
            uri = editor.open("use.py", use)
            await editor.said(uri)
            repair, _, every = await editor.actions(uri, 1)
            after = editor.apply(uri, repair)
            assert "w = made().requires_grad_()\n" in after
            assert editor.apply(uri, every) == after

        use = "from maker import made\nw = made()\nw.sum().backward()\nprint(w.grad)\n"
        write("maker.py", f"{HEAD}\ndef made():\n    return torch.from_numpy(np.ones(2))\n")
        write("use.py", use)
        edited(session)

    def name(self, uri: str) -> str:
        return uri.rpartition("/")[2]
