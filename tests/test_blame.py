"""`fixgrad why --traceback`: from what was pasted to the conversion that is to blame, and its patch."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from fixgrad import cli
from fixgrad.errors import FixgradError
from fixgrad.explain.blame import read_traceback
from tests.programs import Programs

HEAD = "import numpy as np\nimport torch\n\na = np.array([1.0, 2.0])\n"
# What is wrong, and the line of the conversion or the export that the answer is to name.
PROGRAMS = {
    "element 0 of tensors does not require grad": (
        (
            "x = torch.from_numpy(a)\ny = torch.from_numpy(a)\n\ndef fit(t):\n    t.sum().backward()\n"
            "    return t.grad\n\nfit(x)\n"
        ),
        "main.py:5:5",
    ),
    "can't optimize a non-leaf Tensor": (
        "x = torch.tensor(a, requires_grad=True).float()\no = torch.optim.SGD([x], lr=0.1)\n",
        "main.py:5:5",
    ),
    "One of the differentiated Tensors does not require grad": (
        (
            "x = torch.from_numpy(a)\nw = torch.ones(2, dtype=torch.float64, requires_grad=True)\n"
            "torch.autograd.grad((x * w).sum(), x)\n"
        ),
        "main.py:5:5",
    ),
    "Can't call numpy() on Tensor that requires grad": (
        "x = torch.tensor(a, requires_grad=True)\nprint(x.numpy())\n",
        "main.py:6:7",
    ),
    "a leaf Variable that requires grad is being used in an in-place operation": (
        "x = torch.tensor(a, requires_grad=True)\n(x ** 2).sum().backward()\nx -= x.grad\n",
        "main.py:7:1",
    ),
    "'NoneType' object has no attribute": (
        (
            "x = torch.from_numpy(a)\nw = torch.ones(2, dtype=torch.float64, requires_grad=True)\n"
            "(x * w).sum().backward()\nprint(x.grad.tolist())\n"
        ),
        "main.py:5:5",
    ),
}


@pytest.mark.torch
@pytest.mark.parametrize("message", PROGRAMS)
def test_leads_to_the_patch(
    message: str,
    programs: Programs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The traceback is what torch really prints, as another machine would name the file."""
    monkeypatch.chdir(tmp_path)
    text, place = PROGRAMS[message]
    Path("main.py").write_text(HEAD + text)
    ran = programs.run(Path("main.py"))
    assert message in ran.output
    pasted = ran.output.replace(str(tmp_path), "/home/somebody/project")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"epoch 1\n{pasted}"))
    assert cli.run(["why", "--traceback", "-"]) == 0
    said = capfd.readouterr()
    assert said.out.startswith(place)
    assert "repair:" in said.out
    assert "not an error about gradients" not in said.err


class TestReading:
    PYTHON = (
        'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\n    f()\n'
        '  File "b.py", line 7, in f\n    x()\n{}\n'
    )

    def test_the_last_of_several(self) -> None:
        first = self.PYTHON.format("KeyError: 'x'")
        text = f"{first}\nDuring handling of the above exception, another exception occurred:\n\n"
        found = read_traceback(
            text + self.PYTHON.format("torch.foo.SomeError: so\n").replace("7", "9")
        )
        assert (found.error, found.message) == ("torch.foo.SomeError", "so")
        assert found.frames == (("a.py", 3), ("b.py", 9))

    def test_of_pytest(self) -> None:
        text = (
            "    def test_a():\n>       f()\n\ntest_a.py:4: \n_ _ _ _\n\n    def f():\n>       x.numpy()\n"
            "E       RuntimeError: Can't call numpy() on Tensor that requires grad.\n\n"
            "own.py:9: RuntimeError\n"
        )
        assert read_traceback(text).frames == (("test_a.py", 4), ("own.py", 9))

    @pytest.mark.parametrize("text", ["", "hello", "RuntimeError: so\n"])
    def test_of_no_use(self, text: str) -> None:
        with pytest.raises(FixgradError):
            read_traceback(text)


def test_another_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is said that this is not about gradients, and what the line has to do with them."""
    monkeypatch.chdir(tmp_path)
    Path("main.py").write_text(f"{HEAD}x = torch.from_numpy(a)\n1 / 0\n")
    Path("error.txt").write_text(
        f'Traceback (most recent call last):\n  File "{tmp_path}/main.py", line 6, in <module>\n'
        "ZeroDivisionError: division by zero\n"
    )
    assert cli.run(["why", "--traceback", "error.txt", "--output-format", "json"]) == 0
    assert json.loads(capfd.readouterr().out)
    assert cli.run(["why", "--traceback", "error.txt"]) == 0
    assert "not an error about gradients" in capfd.readouterr().err


def test_a_traceback_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("main.py").write_text(HEAD)
    Path("error.txt").write_text(TestReading.PYTHON.format("RuntimeError: so"))
    assert cli.run(["why", "--traceback", "error.txt"]) == 2
    assert "b.py: no frame of the traceback is in a file" in capfd.readouterr().err
