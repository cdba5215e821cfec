"""The language server as an editor meets it: driven by a client of the protocol."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from fixgrad import cli
from tests.test_settings import here, settings, write

if importlib.util.find_spec("pygls") is None:
    pytest.skip("pygls is not installed: pip install 'fixgrad[lsp]'", allow_module_level=True)

from lsprotocol import types

from fixgrad.lsp import paper, wire
from tests.editor import Editor, codes, edited

pytestmark = pytest.mark.slow

__all__ = ["here"]  # a fixture: an empty repository to be in

HEAD = "import numpy as np\nimport torch\n\n"
FITS = """\
w = torch.from_numpy(np.ones(2))
optimizer = torch.optim.SGD([w], lr=0.1)
(w**2).sum().backward()
optimizer.step()
"""
PROGRAM = HEAD + FITS
REPAIRED = PROGRAM.replace("from_numpy(np.ones(2))", "tensor(np.ones(2), requires_grad=True)")


class TestDiagnostics:
    def test_when_a_text_is_opened_and_changed(self) -> None:
        async def session(editor: Editor) -> None:
            uri = editor.open("a.py", PROGRAM)
            (found,) = await editor.said(uri)
            assert (found.code, found.source) == ("FG102", "fixgrad")
            assert found.message.startswith("`w` is not tracked by autograd, but it is given to")
            assert found.severity is types.DiagnosticSeverity.Warning
            assert found.range == types.Range(types.Position(3, 4), types.Position(3, 32))
            steps = [each.message for each in found.related_information or []]
            assert steps == ["made here", "demanded here: it is given to `SGD`"]
            editor.type(uri, REPAIRED)
            assert await editor.said(uri) == []
            editor.type(uri, "# one more line\n" + PROGRAM)
            assert codes(await editor.said(uri)) == [("FG102", 5)]
            editor.close(uri)
            await editor.until(lambda: editor.published[-1].version is None)
            assert not editor.published[-1].diagnostics

        edited(session)

    def test_what_is_not_python_keeps_what_was_said(self) -> None:
        async def session(editor: Editor) -> None:
            uri = editor.open("a.py", PROGRAM)
            await editor.said(uri)
            editor.type(uri, PROGRAM + "x = (\n")
            other = editor.open("b.py", PROGRAM)
            await editor.said(other)
            assert [p.version for p in editor.published if p.uri == uri] == [1]
            assert await editor.hover(uri, 3, 5) is None
            assert await editor.actions(uri, 3) == []
            editor.type(uri, PROGRAM + "x = ()\n")
            assert codes(await editor.said(uri)) == [("FG102", 4)]

        edited(session)

    def test_while_one_types_only_the_last_version_is_looked_at(self) -> None:
        async def session(editor: Editor) -> None:
            uri = editor.open("a.py", "")
            await editor.said(uri)
            for end in range(1, len(PROGRAM), 7):
                editor.type(uri, PROGRAM[:end])
            editor.type(uri, PROGRAM)
            assert codes(await editor.said(uri)) == [("FG102", 4)]
            assert len(editor.published) <= 4

        edited(session)

    def test_a_result_of_an_old_version_is_dropped(self) -> None:
        async def session(editor: Editor) -> None:
            long = PROGRAM + "".join(f"def f{n}(x):\n    return x\n" for n in range(3000))
            uri = editor.open("a.py", long)
            await asyncio.sleep(0.2)  # its analysis takes longer than that
            editor.type(uri, REPAIRED)
            assert await editor.said(uri) == []
            assert [p.version for p in editor.published] == [2]

        edited(session)

    def test_settings_hold(self) -> None:
        async def session(editor: Editor) -> None:
            for path in ("src/a.py", "vendor/a.py", "tests/a.py"):
                await editor.said(editor.open(path, PROGRAM))
            found = {
                p.uri.rpartition("/repository/")[2]: len(p.diagnostics) for p in editor.published
            }
            assert found == {"src/a.py": 1, "vendor/a.py": 0, "tests/a.py": 0}

        settings("exclude = ['vendor']\nper-file-ignores = { 'tests/*' = ['FG1'] }")
        edited(session)

    def test_wrong_settings_are_told_once(self) -> None:
        async def session(editor: Editor) -> None:
            uri = editor.open("a.py", PROGRAM)
            await editor.until(lambda: bool(editor.messages))
            editor.type(uri, PROGRAM + "\n")
            settings("")
            editor.save(uri)
            assert codes(await editor.said(uri)) == [("FG102", 4)]
            (message,) = editor.messages
            assert "pyproject.toml:2: unknown setting 'selct', did you mean select?" in message

        settings("selct = []")
        edited(session)

    def test_other_texts_count_as_they_stand_in_the_editor(self) -> None:
        async def session(editor: Editor) -> None:
            maker = editor.open("maker.py", HEAD + "def made():\n    return np.ones(2)\n")
            user = editor.open("user.py", user_text)
            assert codes(await editor.said(user)) == []
            editor.type(maker, HEAD + "def made():\n    return torch.from_numpy(np.ones(2))\n")
            editor.save(maker)
            await editor.until(
                lambda: any(p.uri == user and p.diagnostics for p in editor.published)
            )

        user_text = "from maker import made\n\nx = made()\n(x**2).sum().backward()\nprint(x.grad)\n"
        write("maker.py", "def made():\n    return 0\n")
        write("user.py", user_text)
        edited(session)

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
    def test_places_in_the_units_of_the_client(self, encoding: str) -> None:
        async def session(editor: Editor) -> None:
            text = PROGRAM.replace("w = ", "s = '🎉ü'; w = ")
            uri = editor.open("a.py", text)
            (found,) = await editor.said(uri)
            before = "s = '🎉ü'; w = "
            start = {
                "utf-8": len(before.encode()),
                "utf-16": len(before) + 1,
                "utf-32": len(before),
            }
            assert found.range.start == types.Position(3, start[encoding])
            action, *_ = await editor.actions(uri, 3, "quickfix")
            assert editor.apply(uri, action) == REPAIRED.replace("w = ", before, 1)
            assert await editor.hover(uri, 3, start[encoding]) is not None
            assert await editor.hover(uri, 3, start[encoding] - 1) is None

        edited(session, encoding=encoding)

    def test_a_text_without_a_file(self) -> None:
        async def session(editor: Editor) -> None:
            uri = "untitled:Untitled-1"
            editor.versions[uri] = 1
            editor._client.text_document_did_open(
                types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "python", 1, PROGRAM))
            )
            assert codes(await editor.said(uri)) == [("FG102", 4)]

        edited(session)


class TestHover:
    def test_the_path_and_the_repair(self) -> None:
        async def session(editor: Editor) -> None:
            uri = editor.open("a.py", PROGRAM)
            await editor.said(uri)
            text = await editor.hover(uri, 3, 10)
            assert text is not None
            assert text == await editor.hover(uri, 4, 29)  # where the gradient is asked for
            assert text.startswith("**FG102** `w` is not tracked by autograd")
            assert f"1. [a.py:4]({uri}#L4) made here `w = torch.from_numpy(np.ones(2))`" in text
            assert f"2. [a.py:5]({uri}#L5) demanded here: it is given to `SGD`" in text
            assert "```diff\n" in text
            assert "+w = torch.tensor(np.ones(2), requires_grad=True)" in text
            assert await editor.hover(uri, 0, 3) is None

        edited(session)

    def test_why_it_is_left_alone(self) -> None:
        async def session(editor: Editor) -> None:
            text = "a, b = torch.from_numpy(np.ones(2)), torch.from_numpy(np.ones(2))\n"
            uri = editor.open("a.py", HEAD + text + "(a * b).sum().backward()\n")
            found = await editor.said(uri)
            assert {each.severity for each in found} == {types.DiagnosticSeverity.Information}
            assert "(left alone: FG901 2 tensors could be meant" in found[0].message
            assert "left alone: FG901 2 tensors" in (await editor.hover(uri, 3, 10) or "")

        edited(session)


class TestActions:
    @pytest.mark.parametrize("document_changes", [True, False])
    def test_quick_fixes(self, document_changes: bool) -> None:
        async def session(editor: Editor) -> None:
            uri = editor.open("a.py", PROGRAM)
            await editor.said(uri)
            repair, comment, every = await editor.actions(uri, 3)
            assert repair.title == "FG102: grant the gradient where the tensor is made"
            assert (repair.kind, repair.is_preferred) == (types.CodeActionKind.QuickFix, True)
            assert repair.diagnostics is not None
            assert repair.diagnostics[0].code == "FG102"
            assert editor.apply(uri, repair) == REPAIRED
            assert comment.title == "FG102: leave it alone, with a comment"
            assert "np.ones(2))  # fixgrad: ignore[FG102]\n" in editor.apply(uri, comment)
            assert every.kind == "source.fixAll.fixgrad"
            assert await editor.actions(uri, 3, "refactor") == []
            (only,) = await editor.actions(uri, 0, "source.fixAll")
            assert editor.apply(uri, only) == REPAIRED

        edited(session, document_changes=document_changes)

    def test_everything_at_once(self) -> None:
        async def session(editor: Editor) -> None:
            loop = "for _ in range(2):\n    (v**2).sum().backward()\n    v -= 0.1 * v.grad\n"
            text = PROGRAM + "v = torch.from_numpy(np.ones(2))\r\n".replace("\r", "") + loop
            whole = "n = torch.from_numpy(np.array([1, 2]))\n(n * 1.0).sum().backward()\nn.grad\n"
            uri = editor.open("a.py", text + whole)
            await editor.said(uri)
            (every,) = await editor.actions(uri, 0, "source.fixAll.fixgrad")
            after = editor.apply(uri, every)
            assert after.count("requires_grad=True") == 2
            assert "    with torch.no_grad():\n        v -= 0.1 * v.grad\n" in after
            assert after.endswith(whole), "a judgement is not made for everybody"
            editor.type(uri, after)
            assert {each.code for each in await editor.said(uri)} == {"FG204"}

        edited(session)

    def test_a_comment_without_use(self) -> None:
        async def session(editor: Editor) -> None:
            uri = editor.open("a.py", "import torch\nx = 1  # fixgrad: ignore[FG101]\n")
            (found,) = await editor.said(uri)
            assert list(found.tags or []) == [types.DiagnosticTag.Unnecessary]
            (action,) = await editor.actions(uri, 1, "quickfix")
            assert editor.apply(uri, action) == "import torch\nx = 1\n"

        edited(session)

    def test_newlines_are_kept(self) -> None:
        async def session(editor: Editor) -> None:
            uri = editor.open("a.py", PROGRAM.replace("\n", "\r\n"))
            await editor.said(uri)
            (every,) = await editor.actions(uri, 0, "source.fixAll")
            assert editor.apply(uri, every) == REPAIRED.replace("\n", "\r\n")

        edited(session)


def test_what_it_says_of_itself() -> None:
    async def run() -> types.InitializeResult:
        editor = Editor()
        result = await editor.start("--stdio")
        await editor.stop()
        return result

    result = asyncio.run(run())
    assert result.server_info is not None
    assert result.server_info.name == "fixgrad"
    able = result.capabilities
    assert able.hover_provider
    assert isinstance(able.code_action_provider, types.CodeActionOptions)
    kinds = list(able.code_action_provider.code_action_kinds or [])
    assert kinds == ["quickfix", "source.fixAll.fixgrad"]


def test_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("fixgrad.lsp.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pygls", None)
    monkeypatch.setitem(sys.modules, "lsprotocol", None)
    assert cli.run(["lsp"]) == 2
    assert capfd.readouterr().err == (
        "fixgrad: the language server needs pygls; pip install 'fixgrad[lsp]'\n"
    )


class Given(NamedTuple):
    """What a library may make of a client's object."""

    name: str
    rows: tuple[object, ...]


def test_what_a_client_says_of_a_notebook_becomes_plain() -> None:
    given = Given("python", ({"a": [1, None]}, SimpleNamespace(line=1)))
    assert paper._plain(given) == {
        "name": "python",
        "rows": [{"a": [1, None]}, {"line": 1}],
    }


def test_marks_that_are_not_closed_are_no_code() -> None:
    assert wire._plain("`x*y` is *not*") == r"`x*y` is \*not\*"
    assert wire._plain("`x*y is not") == r"\`x\*y is not"


def test_help_does_not_load_it() -> None:
    program = (
        "import sys\nfrom fixgrad import cli\nassert cli.run(['lsp', '--help']) == 0\n"
        "assert not {'pygls', 'lsprotocol', 'asyncio'} & set(sys.modules)\n"
    )
    root = Path(__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=root
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "fixgrad lsp" in ran.stdout
