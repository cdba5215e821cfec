"""Some files of a project are given, the others are looked into: real folders, the real analysis."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fixgrad import pipeline
from fixgrad.findings import Refusal
from fixgrad.pipeline import Options, Outcome
from fixgrad.project import Surroundings, surroundings

HELPER = "import torch\n\ndef leaf(values):\n    return torch.tensor(values)\n"
DEMAND = "from helper import leaf\n\nw = leaf([1.0])\nw.sum().backward()\nprint(w.grad)\n"
DATA = "from helper import leaf\n\nprint(leaf([1.0]).mean())\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty project, the current folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("")
    monkeypatch.chdir(folder)
    return folder


def make(**texts: str) -> None:
    for name, text in texts.items():
        path = Path(name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def look(*paths: str, **options: bool) -> Outcome:
    return pipeline.run(Options(paths, **options))  # type: ignore[arg-type]


def said(outcome: Outcome) -> list[str]:
    return [
        f"{entry.finding.span.path}:{entry.finding.span.line} {entry.tag}"
        for entry in outcome.entries
    ]


class TestWhatOthersSay:
    def test_a_caller_with_data_keeps_the_helper_as_it_is(self) -> None:
        make(helper=HELPER, train=DEMAND)
        assert said(look("helper.py")) == ["helper.py:4 safe"]
        make(report=DATA)
        assert said(look("helper.py")) == ["helper.py:4 FG911"]
        assert said(look("train.py")) == ["train.py:3 safe"]
        assert said(look("helper.py", "train.py")) == ["helper.py:4 safe"]
        assert said(look("report.py")) == []

    def test_nothing_outside_is_written(self) -> None:
        make(helper=HELPER, train=DEMAND, report=DATA)
        outcome = look("train.py", fix=True)
        assert [patch.path for _, patch in outcome.patches] == ["train.py"]
        assert Path("helper.py").read_text() == HELPER
        assert "leaf([1.0]).requires_grad_()" in Path("train.py").read_text()
        assert said(look()) == []

    @pytest.mark.parametrize("data", [b"\xff\xfe", b"def (:\n", b"import helper; leaf \0", b""])
    def test_what_is_wrong_with_others_is_not_said(self, data: bytes) -> None:
        make(helper=HELPER, train=DEMAND)
        Path("odd.py").write_bytes(b"from helper import leaf\n" + data)
        outcome = look("helper.py")
        assert said(outcome) == ["helper.py:4 safe"]
        assert outcome.problems == ()
        assert outcome.files == 1

    def test_a_reason_names_the_file(self) -> None:
        make(helper=HELPER, scripts__train=DEMAND, report=DATA)
        (entry,) = look("helper.py").entries
        assert getattr(entry.outcome, "reason", "") == (
            "the repair edits scripts/train.py too, at line 3; name that file as well"
        )
        assert "at line 5 of scripts/train.py" in entry.finding.message

    def test_excluded_files_are_not_looked_into(self) -> None:
        make(helper=HELPER, train=DEMAND)
        assert said(pipeline.run(Options(("helper.py",), exclude=("train.py",)))) == []

    def test_comments_in_others_count(self) -> None:
        make(helper=HELPER.replace("(values)\n", "(values)  # fixgrad: ignore\n"), train=DEMAND)
        assert said(look("train.py")) == []

    def test_standard_input_has_the_project_around_it(self) -> None:
        make(helper=HELPER, train="", report=DATA)
        outcome = pipeline.run_on_text("train.py", DEMAND.encode(), Options())
        assert said(outcome) == ["train.py:3 safe"]
        assert said(pipeline.run_on_text("new.py", DEMAND.encode(), Options())) == []


class TestWhere:
    def nearby(self, *given: str, start: str = "") -> list[str]:
        around = Surroundings(given, given)
        return sorted(around.mentioning(["helper"], ["leaf"]))

    def test_in_the_project_and_not_beyond(self, here: Path) -> None:
        make(helper=HELPER, a=DATA, deep__down__b=DATA, venv__c=DATA, build__d=DATA)
        Path("../beyond.py").write_text(DATA)
        assert self.nearby("helper.py") == ["a.py", "deep/down/b.py"]
        os.chdir("deep")
        assert self.nearby("../helper.py") == [str(here / "a.py"), "down/b.py"]

    def test_in_the_current_folder_without_a_project(self, here: Path) -> None:
        Path("pyproject.toml").unlink()
        make(lib__helper=HELPER, a=DATA)
        assert self.nearby("lib/helper.py") == ["a.py"]
        os.chdir("..")
        os.mkdir("elsewhere")
        os.chdir("elsewhere")
        assert self.nearby(str(here / "lib/helper.py")) == []

    def test_a_home_folder_is_no_project(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        make(lib__helper=HELPER, a=DATA)
        monkeypatch.setenv("HOME", str(here))
        os.chdir("/")
        assert self.nearby(str(here / "lib/helper.py")) == []

    def test_what_git_ignores_is_left_out(self) -> None:
        make(helper=HELPER, a=DATA, generated__b=DATA)
        Path(".gitignore").write_text("generated/\n")
        subprocess.run(["git", "init", "-q"], check=True)
        assert self.nearby("helper.py") == ["a.py"]

    def test_no_more_than_so_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        make(lib__helper=HELPER, lib__near=DATA, a=DATA)
        monkeypatch.setattr(surroundings, "MOST_LISTED", 1)
        assert self.nearby("lib/helper.py") == ["lib/near.py"]

    @pytest.mark.parametrize(
        ("text", "mentioned"),
        [
            ("from helper import leaf", True),
            ("from . import (\n    other,\n    helper,\n)\nhelper.leaf", True),
            ("m = importlib.import_module('helper').leaf", True),
            ("import helper as h\nh.leaf", True),
            ("import other\n# a helper for every leaf", False),
            ("import helper", False),
            ("import helpers\nleaf", False),
        ],
    )
    def test_mentions(self, text: str, mentioned: bool) -> None:
        make(helper=HELPER, a=text)
        assert self.nearby("helper.py") == ["a.py"] * mentioned


class TestLeadsToTorch:
    @pytest.mark.parametrize(
        ("text", "leads"),
        [
            ("from helper import leaf", True),
            ("import os, middle as m", True),
            ("if x:\n    from pkg import (\n        helper)", False),
            ("from pkg import inner", True),
            ("from numpy import array", False),
            ("import torchless", False),
        ],
    )
    def test_one_file(self, text: str, leads: bool) -> None:
        make(helper=HELPER, middle="import helper\n", pkg__inner="from . import deep\n")
        make(pkg__deep="import torch\n", torchless="x = 1\n")
        assert Surroundings(["a.py"]).leads_to_torch({"a.py": text.encode()}) is leads


class TestMessages:
    """A line of another file is told with the file, a line of the finding's own without."""

    ROUND_TRIP = (
        "import numpy as np\nimport torch\n\nclass Net(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.w = torch.nn.Parameter(torch.ones(3))\n\n    def forward(self, x):\n"
        "        h = self.w * x\n        return torch.from_numpy(np.tanh(h.detach().numpy()))\n"
    )
    TRAINS = (
        "import torch\nfrom net import Net\n\nnet = Net()\n"
        "opt = torch.optim.SGD(net.parameters(), lr=0.1)\nnet(torch.ones(3)).sum().backward()\n"
        "opt.step()\n"
    )
    CHOOSES = (
        "import random\n\ndef step(*them):\n    loss = sum((t**2).sum() for t in them)\n"
        "    loss.backward()\n"
    )

    def test_a_round_trip(self) -> None:
        make(net=self.ROUND_TRIP, main=self.TRAINS)
        (entry,) = look().entries
        said = entry.finding.message
        assert said.startswith("values come back without their gradient, so the tensor made at ")
        assert said.endswith(
            "made at line 7 gets none, but an optimizer steps it at line 7 of main.py"
        )

    @pytest.mark.parametrize(
        ("asks", "reason"),
        [
            ("", "2 tensors could be meant by the backward pass at line 5 of choose.py"),
            (
                "    print(random.choice(them).grad)\n",
                "line 6 of choose.py is about some of 2 tensors, and nothing says which",
            ),
        ],
    )
    def test_several_that_could_be_meant(self, asks: str, reason: str) -> None:
        made = "torch.from_numpy(np.ones(2))"
        make(choose=self.CHOOSES + asks)
        make(a=f"import numpy as np\nimport torch\nfrom choose import step\nstep({made}, {made})\n")
        entries = look("a.py").entries
        assert [entry.tag for entry in entries] == ["FG901", "FG901"]
        for entry in entries:
            assert isinstance(entry.outcome, Refusal)
            assert entry.outcome.reason == reason
