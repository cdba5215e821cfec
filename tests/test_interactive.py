"""`fixgrad -i` in a terminal: its questions, every answer to them, and what is kept of them."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("Windows has no pseudo-terminals", allow_module_level=True)

from fixgrad import analysis, cli
from fixgrad.review import session
from fixgrad.source import Source
from tests.notebooks import jupyter, markdown, texts
from tests.terminal import Terminal
from tests.test_settings import Fixgrad, fixgrad, here, write

__all__ = ["fixgrad", "here"]  # fixtures: the command line, and an empty repository to be in

HEAD = "import numpy as np\nimport torch\n\n"
OPTIMISED = """\
{0} = torch.from_numpy(np.ones(2))
optimizer_{0} = torch.optim.SGD([{0}], lr=0.1)
({0}**2).sum().backward()
optimizer_{0}.step()
"""
READ = "{0} = torch.from_numpy(np.ones(2))\n({0}**3).sum().backward()\nprint({0}.grad)\n"
PROGRAM = HEAD + OPTIMISED.format("a") + READ.format("b") + READ.format("c")
ASKED = ",?] "


@pytest.fixture(autouse=True)
def program(here: Path) -> None:
    """Put a file with three findings there: FG102, FG101, FG101."""
    write("a.py", PROGRAM)


def granted() -> str:
    """Return for a, b and c whether they are repaired: "y" as a copy, "s" sharing memory, "n"."""
    lines = Path("a.py").read_text().splitlines()
    found = [line for line in lines if line[1:].startswith(" = torch.")]
    kinds = {
        "torch.from_numpy(np.ones(2))": "n",
        "torch.tensor(np.ones(2), requires_grad=True)": "y",
        "torch.from_numpy(np.ones(2)).requires_grad_()": "s",
    }
    return "".join(kinds[line[4:]] for line in found)


class Played:
    """Answers each question with one of some words, without a terminal; "eof" ends the input."""

    def __init__(
        self, streams: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._streams = streams
        self._monkeypatch = monkeypatch

    def __call__(self, answers: str, *arguments: str) -> tuple[int, str]:
        """Return the exit code and all that was shown."""
        self._streams.readouterr()
        text = "\n".join([*answers.removesuffix("eof").split(), ""])
        self._monkeypatch.setattr("sys.stdin", io.StringIO(text))
        code = cli.run(["-i", *arguments])
        return code, "".join(self._streams.readouterr())


@pytest.fixture
def played(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Played:
    """Return what plays a session."""
    return Played(capfd, monkeypatch)


@pytest.mark.slow
class TestAnswers:
    @pytest.mark.parametrize(
        ("answers", "code", "result"),
        [
            ("y y y", 0, "yyy"),
            ("n n n", 1, "nnn"),
            ("y n y", 1, "yny"),
            ("yes No Y", 1, "yny"),
            ("n a", 1, "nyy"),
            ("a y y", 0, "yyy"),
            ("a n n", 1, "ynn"),
            ("y d", 1, "ynn"),
            ("y q", 1, "ynn"),
            ("q", 1, "nnn"),
            ("y eof", 1, "ynn"),
            ("2 y y y", 0, "syy"),
            ("2 1 y d", 1, "ynn"),
            ("2 n q", 1, "nnn"),
            ("9 x ? y q", 1, "ynn"),
        ],
    )
    def test_what_is_written(self, answers: str, code: int, result: str, played: Played) -> None:
        assert played(answers)[0] == code
        assert granted() == result

    def test_what_is_shown(self) -> None:
        with Terminal("-i") as terminal:
            shown = terminal.until(ASKED)
            assert "a.py:4:5 FG102" in shown
            assert "made here" in shown
            assert "given to `SGD`" in shown
            assert "+a = torch.tensor(np.ones(2), requires_grad=True)" in shown
            assert (
                "*1  a = torch.tensor(np.ones(2), requires_grad=True)  (copies the array)" in shown
            )
            assert (
                " 2  a = torch.from_numpy(np.ones(2)).requires_grad_()  (shares its memory)"
                in shown
            )
            assert shown.endswith("[1/3] repair this? [y,n,a,d,q,e,1,2,?] ")
            assert "\x1b[32m" in terminal.raw
            terminal.answer("2")
            shown = terminal.until(ASKED)
            assert "+a = torch.from_numpy(np.ones(2)).requires_grad_()" in shown
            assert "*2  a = " in shown
            terminal.answer("?")
            shown = terminal.until(ASKED)
            assert "y  repair this\n" in shown
            assert "a  repair this, and all others of FG102" in shown
            terminal.answer("y")
            assert "a.py:8:5 FG101" in terminal.until(ASKED)
            terminal.answer("d")
            code, rest = terminal.ended()
        assert code == 1
        assert "repaired 1 finding in 1 file\n2 findings in 1 file, 2 fixable" in rest

    def test_nothing_is_written_before_the_end(self) -> None:
        with Terminal("-i") as terminal:
            terminal.until(ASKED)
            terminal.answer("y")
            terminal.until(ASKED)
            assert granted() == "nnn"
            terminal.interrupt()
            code, rest = terminal.ended()
        assert code == 130
        assert "fixgrad: interrupted" in rest
        assert granted() == "nnn"

    def test_an_unsafe_repair_is_offered_and_what_cannot_be_repaired_is_not(
        self, played: Played
    ) -> None:
        whole = READ.format("w").replace("np.ones(2)", "np.array([1, 2])")
        cut = "z = torch.from_numpy(np.ones(2))\nnp.sum(z.numpy()).backward()\nprint(z.grad)\n"
        write("a.py", HEAD + whole + cut)
        code, shown = played("y")
        assert "FG204" in shown
        assert "(unsafe, high)" in shown
        assert "requires_grad=True" in Path("a.py").read_text()
        assert code == 1

    def test_nothing_to_decide_on(self, played: Played) -> None:
        write("a.py", HEAD)
        assert played("") == (0, "nothing found in 1 file\n")

    def test_what_is_passed_over_is_not_offered(self, fixgrad: Fixgrad, played: Played) -> None:
        fixgrad("--baseline", "known.json", "--write-baseline")
        write("a.py", PROGRAM + READ.format("d"))
        code, shown = played("y", "--baseline", "known.json")
        assert code == 0
        assert "[1/1] repair this?" in shown
        assert granted() == "nnny"

    def test_rules_that_are_not_to_be_repaired_are_not_offered(self, played: Played) -> None:
        code, shown = played("y", "--fixable", "FG102")
        assert (code, granted()) == (1, "ynn")
        assert "[1/1] repair this?" in shown

    def test_a_decision_that_changes_an_accepted_repair(self, played: Played) -> None:
        """The helper is to make tracked tensors only as long as all that it makes are repaired."""
        made = "def made(x):\n    return torch.from_numpy(x)\n\n\n"
        program = OPTIMISED.format("a") + READ.format("b")
        write("a.py", HEAD + made + program.replace("torch.from_numpy", "made"))
        code, shown = played("y n y")
        assert "what you decided since has changed this repair: is it still right?" in shown
        lines = Path("a.py").read_text().splitlines()
        assert "    return torch.from_numpy(x)" in lines
        assert sum(line.endswith("made(np.ones(2)).requires_grad_()") for line in lines) == 1
        assert code == 1

    def test_how_many_are_left_to_decide_on(self, played: Played) -> None:
        shown = played("n y n")[1]
        assert re.findall(r"\[(\d/\d)\] repair", shown) == ["1/3", "2/3", "3/3"]

    def test_calls_that_the_settings_describe(self, played: Played) -> None:
        made = READ.format("w").replace("torch.from_numpy", "mylib.to_tensor")
        write("a.py", f"import mylib\n{HEAD}{made}")
        assert "repair this?" not in played("")[1]
        write("pyproject.toml", '[[tool.fixgrad.sources]]\ncall = "mylib.to_tensor"\n')
        assert "[1/1] repair this?" in played("y")[1]
        assert "mylib.to_tensor(np.ones(2)).requires_grad_()" in Path("a.py").read_text()

    def test_a_bug_of_ours_in_one_file(
        self, played: Played, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write("b.py", HEAD + READ.format("d"))
        real = analysis.studies

        def buggy(sources: Sequence[Source], *more: object) -> object:
            if any(source.path == "b.py" for source in sources):
                raise RecursionError
            return real(sources)

        monkeypatch.setattr(session, "studies", buggy)
        played("y y y")
        assert granted() == "yyy"
        assert "requires_grad" not in Path("b.py").read_text()


def test_ways_to_write_it_that_differ_in_text_alone() -> None:
    one = session.Form("tensor", "x = torch.tensor(a, requires_grad=True)", True)
    other = session.Form("requires_grad_", "x = torch.tensor(a).requires_grad_()", True)
    assert [form.told((one, other)) for form in (one, other)] == [one.line, other.line]
    sharing = other._replace(copies=False)
    assert sharing.told((one, sharing)).endswith("  (shares its memory)")


class TestDecisions:
    KEPT = ("--decisions", "kept.json")

    def kept(self) -> list[tuple[str, str, str]]:
        rows = json.loads(Path("kept.json").read_text("utf-8"))["decisions"]
        return [(row["text"][0], row["decision"], row.get("style", "")) for row in rows]

    def test_they_are_kept_and_not_asked_again(self, played: Played) -> None:
        played("2 y n q", *self.KEPT)
        assert granted() == "snn"
        assert sorted(self.kept()) == [("a", "repair", "requires_grad_"), ("b", "leave", "")]
        code, shown = played("y", *self.KEPT)
        assert shown.count("repair this?") == 1
        assert "c.grad" in shown
        assert (code, granted()) == (1, "sny")
        assert len(self.kept()) == 3

    def test_done_is_a_decision_and_quit_is_none(self, played: Played) -> None:
        played("y q", *self.KEPT)
        assert [row[:2] for row in self.kept()] == [("a", "repair")]
        played("d", *self.KEPT)
        assert sorted(row[:2] for row in self.kept()) == [
            *(("a", "repair"), ("b", "leave"), ("c", "leave"))
        ]

    def test_replayed(self, fixgrad: Fixgrad, played: Played) -> None:
        played("2 y n q", *self.KEPT)
        write("a.py", "# moved\n" + PROGRAM)
        preview = fixgrad("--diff", *self.KEPT)
        assert preview.code == 1
        assert "+a = torch.from_numpy(np.ones(2)).requires_grad_()" in preview.out
        assert preview.out.count("\n+") == 2  # with the header of the file
        assert granted() == "nnn"
        ran = fixgrad("--fix", *self.KEPT)
        assert (ran.code, granted()) == (1, "snn")
        assert ran.err == "repaired 1 finding in 1 file\n2 findings in 1 file, 2 fixable\n"
        assert "a.py:9:5 FG101" in ran.out

    def test_a_text_that_has_changed_is_decided_on_anew(
        self, fixgrad: Fixgrad, played: Played
    ) -> None:
        played("y d", *self.KEPT)
        write("a.py", PROGRAM.replace("np.ones(2)", "np.zeros(2)"))
        before = Path("a.py").read_text()
        assert fixgrad("--fix", *self.KEPT).code == 1
        assert Path("a.py").read_text() == before

    @pytest.mark.parametrize(
        "text",
        [
            *("{", "[]", '{"version": 1, "decisions": [{}]}', '{"version": 9, "decisions": []}'),
            *('{"version": 1, "decisions": 3}', '{"version": 1, "decisions": [{"decision": "?"}]}'),
        ],
    )
    def test_another_file(self, fixgrad: Fixgrad, text: str) -> None:
        write("kept.json", text)
        ran = fixgrad("--fix", *self.KEPT)
        assert ran.code == 2
        assert ran.err.startswith("fixgrad: kept.json: holds no decisions of fixgrad")
        assert granted() == "nnn"


@pytest.mark.slow
class TestEditor:
    @pytest.fixture(autouse=True)
    def editor(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the editor do what a file says: a line for each time that it is started."""
        script = here.parent / "editor.py"
        script.write_text(
            f"#!{sys.executable}\nimport os, sys\n"
            f"todo = {str(here.parent / 'todo')!r}\n"
            "first, *rest = open(todo).read().splitlines()\n"
            "open(todo, 'w').write('\\n'.join(rest))\n"
            "old, new = first.split(' -> ')\n"
            "text = open(sys.argv[1], newline='').read()\n"
            "open(sys.argv[1], 'w', newline='').write(text.replace(old, new))\n"
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("EDITOR", str(script))
        monkeypatch.delenv("VISUAL", raising=False)
        self.todo = here.parent / "todo"

    def test_the_text_is_written_as_edited(self, played: Played) -> None:
        self.todo.write_text("a = torch.tensor( -> a = torch.tensor(2.0 * ")
        code, shown = played("e n n")
        assert "a = torch.tensor(2.0 * np.ones(2), requires_grad=True)" in Path("a.py").read_text()
        assert code == 1
        assert "repaired 1 finding in 1 file\n2 findings in 1 file" in shown

    def test_what_was_accepted_before_is_kept(self, played: Played) -> None:
        self.todo.write_text("b**3 -> b**4")
        code, _ = played("y e y")
        assert (code, granted()) == (0, "yyy")
        assert "(b**4).sum()" in Path("a.py").read_text()

    def test_left_as_it_was_it_is_accepted(self, played: Played) -> None:
        self.todo.write_text("nothing -> nothing")
        played("e q")
        assert granted() == "ynn"

    def test_what_is_not_python_is_edited_again(self) -> None:
        self.todo.write_text("lr=0.1 -> lr=\nlr= -> lr=0.2")
        with Terminal("-i") as terminal:
            terminal.until(ASKED)
            terminal.answer("e")
            assert "a.py:5:" in terminal.until("edit it again? [y,n] ")
            terminal.answer("y")
            terminal.until(ASKED)
            terminal.answer("q")
            assert terminal.ended()[0] == 1
        assert "lr=0.2" in Path("a.py").read_text()

    def test_giving_up(self) -> None:
        self.todo.write_text("lr=0.1 -> lr=")
        with Terminal("-i") as terminal:
            terminal.until(ASKED)
            terminal.answer("e")
            terminal.until("edit it again? [y,n] ")
            terminal.answer("n")
            terminal.until(ASKED)
            terminal.answer("q")
            terminal.ended()
        assert Path("a.py").read_text() == PROGRAM

    def test_no_such_editor(self, played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EDITOR", "no-such-editor-anywhere")
        code, shown = played("e q")
        assert "the editor gave nothing back: " in shown
        assert (code, granted()) == (1, "nnn")

    def test_the_cells_of_a_notebook(self) -> None:
        """Those that the repair changes are edited; every other byte of the file stays."""
        os.remove("a.py")
        cells = (HEAD, "%time\na = torch.from_numpy(np.ones(2))", READ.format("b") + "b.numpy()")
        before = jupyter(markdown("# torch"), *cells, 'a = "é"\n\n')
        Path("n.ipynb").write_bytes(before)
        self.todo.write_text("(b**3).sum() -> (b**5).sum()  # é")
        with Terminal("-i") as terminal:
            terminal.until(ASKED)
            terminal.answer("e")
            assert terminal.ended()[0] == 0
        after = Path("n.ipynb").read_bytes()
        edited = (
            "b = torch.tensor(np.ones(2), requires_grad=True)\n(b**5).sum()  # é.backward()\n"
            "print(b.grad)\nb.detach().numpy()"
        )
        assert texts(after) == ["# torch", *cells[:2], edited, 'a = "é"\n\n']
        old, new = (text.split(b'"# torch"', 1)[1] for text in (before, after))
        assert old.split(b"%time")[0] == new.split(b"%time")[0]
        assert old.split(b"b.numpy()")[1] == new.split(b"b.detach().numpy()")[1]

    def test_cells_that_are_not_what_they_were_are_edited_again(self) -> None:
        os.remove("a.py")
        Path("n.ipynb").write_bytes(jupyter(HEAD, READ.format("b")))
        self.todo.write_text("# %% cell 2 -> # %%\n# %% -> # %% cell 2")
        with Terminal("-i") as terminal:
            terminal.until(ASKED)
            terminal.answer("e")
            said = terminal.until("edit it again? [y,n] ")
            assert "n.ipynb: the lines `# %% cell` part the cells: keep each of them" in said
            terminal.answer("y")
            assert terminal.ended()[0] == 0
        assert texts(Path("n.ipynb").read_bytes())[1].startswith("b = torch.tensor(np.ones(2), req")

    def test_newlines_are_kept(self, played: Played) -> None:
        Path("a.py").write_bytes(PROGRAM.replace("\n", "\r\n").encode())
        self.todo.write_text("lr=0.1 -> lr=0.2")
        played("e q")
        data = Path("a.py").read_bytes()
        assert b"lr=0.2" in data
        assert data.count(b"\n") == data.count(b"\r\n") > 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-i", "--diff"], "-i asks about repairs and writes them"),
        (["-i", "--add-ignore"], "-i asks about repairs and writes them"),
        (["-i", "-"], "-i and --decisions go with files"),
        (["--decisions", "x.json"], "--decisions goes with -i, --fix or --diff"),
    ],
)
def test_wrong_use(arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 2
    assert message in capfd.readouterr().err
    assert not os.path.exists("x.json")
