"""Which rules a comment hides, which it does not, and what becomes of comments without use."""

from __future__ import annotations

import re

import pytest

from fixgrad import pipeline
from fixgrad.options import Options
from fixgrad.source import Source, Span
from fixgrad.suppressions import Suppressions
from fixgrad.suppressions.comments import comments, is_generated

PROGRAM = """\
import numpy as np
import torch

pull = torch.ones(2, dtype=torch.float64, requires_grad=True)
x = torch.from_numpy(np.array([1.0, 2.0])){}
(x * pull).sum().backward()
print(x.grad)
"""


def source(text: str) -> Source:
    return Source("m.py", text, "utf-8", False, "")


def hidden(text: str, rule: str = "FG101") -> str:
    """Return of each line with `f(` in it whether a finding at the call is hidden: "y" or "n"."""
    suppressions = Suppressions([source(text)])
    return "".join(
        "ny"[suppressions.hide(rule, Span("m.py", number, line.index("f("), number, len(line)))]
        for number, line in enumerate(text.splitlines(), 1)
        if "f(" in line
    )


def said(text: str, **options: object) -> list[str]:
    """Return what is found, "5 FG101" or "5 FG401 `FG102` hides nothing here"."""
    outcome = pipeline.run_on_text("m.py", text.encode(), Options(**options))  # type: ignore[arg-type]
    assert outcome.problems == ()
    return [
        f"{e.finding.span.line} {e.finding.rule}"
        + f" {e.finding.message}" * (e.finding.rule == "FG401")
        for e in outcome.entries
    ]


class TestWhatIsHidden:
    @pytest.mark.parametrize(
        ("comment", "is_hidden"),
        [
            ("# fixgrad: ignore", "y"),
            ("# fixgrad: ignore[FG101] a reason", "y"),
            ("#fixgrad:ignore[fg101]", "y"),
            ("# fixgrad: ignore[FG203, FG101]", "y"),
            ("# fixgrad: ignore[FG1]", "y"),
            ("# fixgrad: fixme[FG101] in autumn", "y"),
            ("# a remark  # fixgrad: ignore[FG101]", "y"),
            ("# noqa: FG101", "y"),
            ("# NoQA:FG101", "y"),
            ("# noqa: E501, FG101", "y"),
            ("# noqa: E501 FG101", "y"),
            ("# noqa", "y"),
            ("# noqa  # why", "y"),
            ("# noqa: E501  # fixgrad: ignore[FG101]", "y"),
            ("# noqa: E501", "n"),
            ("# noqa: F401,E501", "n"),
            ("# noqall", "n"),
            ("# fixgrad: ignore[FG102]", "n"),
            ("# fixgrad: ignore[typo]", "n"),
            ("# fixgrad: ignore[]", "n"),
            ("# fixgrad: data", "n"),  # a fact about tensors: the analysis is told
            ("# fixgrad ignore[FG101]", "n"),
            ("# see fixgrad: ignore", "n"),
            ("# a remark", "n"),
        ],
    )
    def test_words(self, comment: str, is_hidden: str) -> None:
        assert hidden(f"a = 1\ny = f(a)  {comment}\nz = f(a)\n") == f"{is_hidden}n"

    @pytest.mark.parametrize(
        ("text", "is_hidden"),
        [
            ("x = f(  # I\n    a,\n)\n", "y"),
            ("x = f(\n    a,\n)  # I\n", "y"),
            ("x = f(\n    a,  # I\n)\ny = f(a)\n", "nn"),
            ("x = [\n    f(a),  # I\n    f(b),\n]\n", "yn"),
            ("x = [  # I\n    f(a),\n    f(b),\n]\n", "yy"),
            ("x = [\n    f(a),\n    # I\n    f(b),\n    f(c)]\n", "nyn"),
            ("# I\nx = f(a)\ny = f(b)\n", "yn"),
            ("# I\n# more\n\nx = [\n    f(a),\n    f(b),\n]\ny = f(c)\n", "yyn"),
            ("if a:\n    # I\n    x = f(a)\n    y = f(b)\n", "yn"),
            ("def g():\n    pass\n    # I\nx = f(a)\n", "y"),
            ("for x in f(a):  # I\n    y = f(b)\n", "yn"),
            ("x = f(a); y = f(b)  # I\n", "y"),
            ("x = \\\n    f(a)  # I\n", "y"),
            ("x = f(a)\n# I\n", "n"),
            ("x = f(a, 'an I: # I')\n", "n"),
            ("s = '''\n# I\n'''\nx = f(a)\n", "n"),
            ("x = f(a, f'{b} # I')\n", "n"),
            ("# F\n\nx = f(a)\ndef g():\n    f(b)\n", "yy"),
            ("x = f(a)\ny = f(b)  # F\n", "yy"),
            ("x = f(a)\n# D\ny = f(b)\nz = f(c)\n", "nyy"),
            ("x = f(a)\n# D\ny = f(b)\n# E\nz = f(c)\n", "nyn"),
            ("# D2\ny = f(b)\n# D\nz = f(c)\n# E2\nz = f(c)\n", "nyy"),
            ("# D\ny = f(b)\n# E2\nz = f(c)\n# E\nz = f(c)\n", "yyn"),
            ("y = f(b)  # D\nz = f(c)\n", "yy"),
        ],
    )
    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    def test_places(self, text: str, is_hidden: str, newline: str) -> None:
        words = {
            "# I": "# fixgrad: ignore[FG101]",
            "# F": "# fixgrad: file-ignore[FG101]",
            "# D2": "# fixgrad: disable[FG2]",
            "# E2": "# fixgrad: enable[FG2]",
            "# D": "# fixgrad: disable[FG101]",
            "# E": "# fixgrad: enable",
        }
        for short, word in words.items():
            text = re.sub(rf"{short}\b", word, text)
        assert hidden(text.replace("\n", newline)) == is_hidden

    def test_noqa_alone_on_its_line_says_nothing(self) -> None:
        assert hidden("# noqa\nx = f(a)\n") == "n"

    def test_a_file_that_cannot_be_read_is_no_error(self) -> None:
        assert hidden("x = f(a)  # noqa\n  y = (\n") == "y"

    def test_a_file_without_a_word_for_us_is_not_even_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fixgrad.suppressions.comments.layout_of", None)
        assert comments(source("import os  # noqa: F401, E402\nx = f(a)  # noqa:E501\n")) == []

    @pytest.mark.parametrize(
        ("text", "generated"),
        [
            ("# @generated\n", True),
            ("'''What it is.'''\n# made by protoc: @generated, do not edit\n", True),
            ("MARK = '@generated'\n", False),
            ("x = 1\n" * 50 + "# @generated\n", False),
        ],
    )
    def test_generated(self, text: str, generated: bool) -> None:
        assert is_generated(source(text)) is generated


class TestThroughTheAnalysis:
    @pytest.mark.parametrize(
        ("comment", "expected"),
        [
            ("", ["5 FG101"]),
            ("  # fixgrad: ignore[FG101]", []),
            ("  # noqa", []),
            ("  # fixgrad: data", []),
            ("  # fixgrad: ignore[FG102]", ["5 FG101", "5 FG401 `FG102` hides nothing here"]),
        ],
    )
    def test_comment(self, comment: str, expected: list[str]) -> None:
        assert said(PROGRAM.format(comment)) == expected

    def test_what_is_left_for_later_is_counted(self) -> None:
        text = PROGRAM.format("  # fixgrad: fixme[FG101] after the paper")
        outcome = pipeline.run_on_text("m.py", text.encode(), Options())
        assert (outcome.entries, outcome.deferred) == ((), 1)

    def test_no_other_rule_grants_what_is_hidden(self) -> None:
        """The optimizer and the backward pass ask for the same tensor."""
        text = (
            "import numpy as np\nimport torch\n\n"
            "w = torch.from_numpy(np.array([1.0]))  # fixgrad: ignore[{}]\n"
            "optimizer = torch.optim.SGD([w], lr=0.1)\n(w**2).sum().backward()\noptimizer.step()\n"
        )
        assert said(text.format("FG102")) == []
        outcome = pipeline.run_on_text("m.py", text.format("FG102").encode(), Options(diff=True))
        assert outcome.patches == ()
        assert "4 FG102" in said(text.format("FG104"))

    @pytest.mark.parametrize(
        ("line", "comment"),
        [
            ("x = torch.from_numpy(np.ones(2), requires_grad=True)", "# fixgrad: ignore[FG201]"),
            (
                "x = torch.from_numpy(np.ones(2), requires_grad=True).float()",
                "# fixgrad: ignore[FG201]",
            ),
            ("x = torch.tensor(np.ones(2), requires_grad=True).float()", "# noqa: FG203"),
            ("x = torch.from_numpy(np.array([1, 2]))", "# noqa: FG204"),
        ],
    )
    def test_what_is_wrong_with_a_grant_is_no_reason_for_another(
        self, line: str, comment: str
    ) -> None:
        used = "\n(x * 1.0).sum().backward()\nprint(x.grad)\n"
        text = f"import numpy as np\nimport torch\n\n{line}  {comment}{used}"
        assert said(text, unsafe=True) == []
        assert said(text.replace(comment, ""), unsafe=True) != []

    def test_a_comment_at_the_call_that_returns_the_tensor(self) -> None:
        text = (
            "import numpy as np\nimport torch\n\n"
            "def load(values):\n    return torch.from_numpy(values)\n\n"
            "pull = torch.ones(1, dtype=torch.float64, requires_grad=True)\n"
            "x = load(np.ones(1)){}\n(x * pull).sum().backward()\nprint(x.grad)\n"
        )
        assert said(text.format("")) == ["5 FG101"]
        assert said(text.format("  # fixgrad: ignore[FG101]")) == []
        assert said(text.format("  # fixgrad: data")) == []

    def test_a_call_that_only_leads_there_hides_nothing(self) -> None:
        text = PROGRAM.format("").replace("(x * pull)", "(x * pull)")
        body = "".join(f"    {line}\n" for line in text.splitlines()[3:])
        program = f"import numpy as np\nimport torch\n\ndef main():\n{body}\nmain()  # noqa\n"
        assert [row.split()[1] for row in said(program)] == ["FG101"]

    def test_data_is_out_of_the_question_for_a_backward_pass(self) -> None:
        text = (
            "import numpy as np\nimport torch\n\n"
            "x = torch.from_numpy(np.array([1.0])){}\nw = torch.from_numpy(np.array([1.0]))\n"
            "(x * w).sum().backward()\n"
        )
        outcome = pipeline.run_on_text("m.py", text.format("").encode(), Options(diff=True))
        assert {entry.tag for entry in outcome.entries} == {"FG901"}
        marked = text.format("  # fixgrad: data")
        outcome = pipeline.run_on_text("m.py", marked.encode(), Options(diff=True))
        assert outcome.entries == ()
        assert (
            "w = torch.tensor(np.array([1.0]), requires_grad=True)" in outcome.patches[0][1].after
        )


class TestUnused:
    @pytest.mark.parametrize(
        ("comment", "message"),
        [
            ("# fixgrad: ignore", "this comment hides nothing"),
            ("# fixgrad: ignore[]", "this comment hides nothing here"),
            ("# fixgrad: ignore[FG999]", "`FG999` hides nothing here"),
            ("# fixgrad: fixme[FG102, FG2]", "`FG102`, `FG2` hide nothing here"),
            ("# fixgrad: file-ignore", "this comment hides nothing"),
            ("# fixgrad: disable[FG2]", "`FG2` hides nothing here"),
            ("# fixgrad: enable", "there is nothing to enable here"),
            ("# noqa: FG101", "`FG101` hides nothing here"),
            ("# noqa: E501, FG101", "`FG101` hides nothing here"),
            ("# fixgrad: ignroe[FG101]", "`ignroe` is nothing that fixgrad knows, did you mean ig"),
            ("# fixgrad: https", "`https` is nothing that fixgrad knows, there are ignore, fixme"),
            ("# noqa", None),
            ("# noqa: E501", None),
            ("# fixgrad: data", None),
        ],
    )
    def test_message(self, comment: str, message: str | None) -> None:
        found = said(f"import torch\nx = torch.zeros(2)  {comment}\n")
        assert len(found) == (message is not None)
        if message is not None:
            assert found[0].startswith(f"2 FG401 {message}")

    @pytest.mark.parametrize(
        "options",
        [
            {"select": ("FG1",)},
            {"ignore": ("FG401",)},
            {"ignored_in": (("m.py", ("FG401",)),)},
        ],
    )
    def test_what_is_not_selected_is_not_judged(self, options: dict[str, object]) -> None:
        text = "import torch\nx = torch.zeros(2)  # fixgrad: ignore[FG101]\n"
        assert len(said(text)) == 1
        assert said(text, **options) == []

    def test_a_bare_comment_is_judged_where_every_rule_is_selected(self) -> None:
        text = "import torch\nx = torch.zeros(2)  # fixgrad: ignore\n"
        assert len(said(text, select=("ALL",))) == 1
        assert said(text, ignore=("FG205",)) == []
        text = text.replace("ignore", "ignore[FG101, FG205]")
        assert said(text, ignore=("FG205",)) == ["2 FG401 `FG101` hides nothing here"]

    @pytest.mark.parametrize(
        ("line", "repaired"),
        [
            ("x = torch.zeros(2)  # fixgrad: ignore[FG101] why", "x = torch.zeros(2)"),
            ("x = torch.zeros(2)\t#fixgrad:ignore", "x = torch.zeros(2)"),
            ("x = torch.zeros(2)  # fixgrad: ignore see #12", "x = torch.zeros(2)"),
            ("x = torch.zeros(2)  # fixgrad: ignore  # type: x", "x = torch.zeros(2)  # type: x"),
            ("x = torch.zeros(2)  # type: x # fixgrad: ignore", "x = torch.zeros(2)  # type: x"),
            ("x = torch.zeros(2)  # noqa: FG101,E501", "x = torch.zeros(2)  # noqa: E501"),
            ("# fixgrad: ignore\nx = torch.zeros(2)", "x = torch.zeros(2)"),
            ("if x:\n    # fixgrad: ignore\n    y = 1", "if x:\n    y = 1"),
            ("x = [\n    1,  # fixgrad: ignore\n]", "x = [\n    1,\n]"),
        ],
    )
    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    @pytest.mark.parametrize("last", ["", "y = 1\n"])
    def test_removed(self, line: str, repaired: str, newline: str, last: str) -> None:
        text = f"import torch\n{line}\n{last}".replace("\n", newline)
        outcome = pipeline.run_on_text("m.py", text.encode(), Options(diff=True))
        assert outcome.problems == ()
        (patch,) = [patch.after for _, patch in outcome.patches]
        assert patch == f"import torch\n{repaired}\n{last}".replace("\n", newline)
        assert said(patch) == []

    def test_removed_from_the_last_line(self) -> None:
        text = "import torch\nx = 1\n# fixgrad: ignore"
        outcome = pipeline.run_on_text("m.py", text.encode(), Options(diff=True))
        assert outcome.patches[0][1].after == "import torch\nx = 1\n"

    def test_beside_a_repair_of_the_same_statement(self) -> None:
        text = PROGRAM.format("  # fixgrad: ignore[FG102]")
        outcome = pipeline.run_on_text("m.py", text.encode(), Options(fix=True))
        assert outcome.patches[0][1].after.splitlines()[4] == (
            "x = torch.tensor(np.array([1.0, 2.0]), requires_grad=True)"
        )
        assert outcome.entries == ()

    def test_in_a_notebook(self) -> None:
        import json  # noqa: PLC0415

        cell = ["import torch\n", "%matplotlib inline\n", "x = 1  # fixgrad: ignore"]
        book = {
            "cells": [{"cell_type": "code", "metadata": {}, "outputs": [], "source": cell}],
            "metadata": {"language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        outcome = pipeline.run_on_text("m.ipynb", json.dumps(book).encode(), Options(fix=True))
        assert outcome.problems == ()
        assert outcome.patches[0][1].after.splitlines()[-1] == "x = 1"
