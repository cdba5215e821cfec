"""The benchmark that takes grants out of other people's code: what it finds, strips and counts."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path

import pytest

from bench import growth, speed
from bench.conversions import find_sites, stripped
from bench.cost import Cost
from bench.modules import Module
from bench.restore import by_source, judge, listed, measure, strip_tree, table
from bench.sources import Package, download, notebook_text, pinned, unpack_package

IMPORTS = "import numpy as np\nimport torch\nfrom torch.autograd import Variable, grad\n"


def without_grants(text: str) -> str:
    """Return a program without any of its grants."""
    data = (IMPORTS + text).encode()
    cuts = {cut for site in find_sites(Module("x.py", data)) for cut in site.cuts}
    return stripped(data, cuts).decode().removeprefix(IMPORTS)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = torch.tensor(a, requires_grad=True)\n", "x = torch.tensor(a)\n"),
        ("x = torch.tensor(requires_grad=True, data=a)\n", "x = torch.tensor(data=a)\n"),
        ("x = torch.tensor((a), requires_grad=True)[0]\n", "x = torch.tensor((a))[0]\n"),
        ("x = torch.from_numpy(a).float().requires_grad_()\n", "x = torch.from_numpy(a).float()\n"),
        ("x = Variable(torch.Tensor(a), requires_grad=True)\n", "x = Variable(torch.Tensor(a))\n"),
        ("x = torch.tensor(a)\nx.requires_grad_(True)\n", "x = torch.tensor(a)\npass\n"),
        ("x = torch.tensor(a)\nx.requires_grad = True\n", "x = torch.tensor(a)\npass\n"),
        (
            "x, w = (torch.tensor(v) if v else None for v in vs)\nw.requires_grad_()\n",
            "x, w = (torch.tensor(v) if v else None for v in vs)\npass\n",
        ),
        (
            "ä = torch.tensor(a)\ny = ä.double().requires_grad_()\n",
            "ä = torch.tensor(a)\ny = ä.double()\n",
        ),
        (
            "if c:\n    x = torch.tensor(a)\nelse:\n    x = torch.tensor(b)\nx.requires_grad_()\n",
            "if c:\n    x = torch.tensor(a)\nelse:\n    x = torch.tensor(b)\npass\n",
        ),
    ],
)
def test_strips(before: str, after: str) -> None:
    assert without_grants(before) == after


@pytest.mark.parametrize(
    "text",
    [
        "x = torch.tensor(a, requires_grad=False)\n",
        "x = torch.tensor(a)\nx = f(b)\nx.requires_grad_()\n",
        "x, w = [torch.tensor(v) + b for v in vs]\nw.requires_grad_()\n",
        "def f():\n    x = torch.tensor(a)\n\ndef g(x):\n    x.requires_grad_()\n",
    ],
)
def test_leaves(text: str) -> None:
    assert without_grants(text) == text


PROGRAMS = {
    "same function": "x = torch.tensor(np.ones(3), requires_grad=True)\n(x * x).sum().backward()\n"
    "print(x.grad)\n",
    "across functions": "def slope(f, x):\n    return grad(f(x).sum(), x)\n\n"
    "def run(f):\n    x = torch.tensor(np.ones(3), requires_grad=True)\n    return slope(f, x)\n",
    "same class": "class A:\n    def __init__(self):\n"
    "        self.x = torch.from_numpy(np.ones(3)).requires_grad_()\n"
    "    def run(self, f):\n        return grad(f(self.x), [self.x])\n",
    "none seen": "x = torch.tensor(np.ones(3), requires_grad=True)\nx = torch.zeros(3)\n"
    "print(x.grad)\n",
    "kept": "def f(x):\n    t = torch.tensor(x, requires_grad=True)\n    print(t.grad)\n",
    "data": "x = torch.tensor(np.ones(3))\n",
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_evidence(tmp_path: Path, kind: str) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "program.py").write_text(IMPORTS + PROGRAMS[kind], "utf-8")
    (tree / "old.py").write_text("print 'Python 2'\n", "utf-8")
    kinds = strip_tree(tree, tmp_path / "copy")
    assert [found for found, _ in kinds.values()] == [kind]
    copied = (tmp_path / "copy" / "program.py").read_text("utf-8")
    assert ("requires_grad" in copied) == (kind == "kept")


@pytest.mark.slow
def test_measures(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "good.py").write_text(IMPORTS + PROGRAMS["same function"], "utf-8")
    (tree / "data.py").write_text(IMPORTS + PROGRAMS["data"], "utf-8")
    result = measure("ours", tree, tmp_path / "work")
    assert (result.problem, list(listed(result))) == ("", [])
    assert "wrong edits: 0 of 1 conversions of data; precision 1.000" in table([result])
    assert "all restored in 1; nothing wrong in 1 of 1" in table([result])
    assert by_source([result]).splitlines()[1].split()[:5] == ["ours", "1", "1", "0", "1"]


def test_judges_misses_and_wrong_edits(tmp_path: Path) -> None:
    tree, work = tmp_path / "tree", tmp_path / "work"
    tree.mkdir()
    (tree / "good.py").write_text(IMPORTS + PROGRAMS["same function"], "utf-8")
    (tree / "data.py").write_text(IMPORTS + PROGRAMS["data"], "utf-8")
    kinds = strip_tree(tree, work)
    (work / "data.py").write_text(IMPORTS + PROGRAMS["data"] + "x.requires_grad_()\n", "utf-8")
    verdicts = {verdict.site.path: verdict for verdict in judge(kinds, work)}
    assert verdicts["data.py"].granted
    assert not verdicts["good.py"].granted


def test_pinned_sources_are_distinct() -> None:
    packages, repositories = pinned()
    assert len({package.name for package in packages}) == len(packages)
    assert len({repository.name for repository in repositories}) == len(repositories)
    assert all(len(package.sha256) == 64 for package in packages)
    assert all(len(repository.commit) == 40 for repository in repositories)


def test_takes_only_the_pinned_file(tmp_path: Path) -> None:
    (tmp_path / "a-1.tar.gz").write_bytes(b"other")
    with pytest.raises(ValueError, match="not the pinned file"):
        download(Package("a", "1", "a-1.tar.gz", "0" * 64), tmp_path)


def test_unpacks_python_text_alone(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["text"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "x = 1"]},
        {"cell_type": "code", "source": ["%%bash\n", "ls"]},
    ]
    notebook = json.dumps({"cells": cells}).encode()
    assert notebook_text(notebook) == b"pass  # %matplotlib inline\nx = 1"
    files = {"a-1/a.py": b"1\n", "a-1/b.ipynb": notebook, "a-1/c.so": b"", "a-1/../../d.py": b"2\n"}
    with tarfile.open(tmp_path / "a-1.tar.gz", "w:gz") as packed:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    unpack_package(tmp_path / "a-1.tar.gz", tmp_path / "tree")
    assert sorted(p.name for p in (tmp_path / "tree").iterdir()) == ["a.py", "b_ipynb.py"]


@pytest.mark.slow
class TestGrowth:
    def test_a_tree_is_timed_beside_its_parts(self, tmp_path: Path) -> None:
        for name, lines in {"one": 3, "two": 5}.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / "code.py").write_text("x = 1\n" * lines)
        (tmp_path / "work").mkdir()
        rows, start = growth.measure(
            [5, 8], [tmp_path / "one", tmp_path / "two"], tmp_path / "work"
        )
        assert [(row.packages, row.lines) for row in rows] == [(1, 3), (2, 8)]
        assert all(row.together.seconds > 0 and row.together.memory > 5 for row in rows)
        assert start > 0
        assert not list((tmp_path / "work").glob("[0-9]*"))

    def test_the_ratio_leaves_out_the_time_to_start(self) -> None:
        row = growth.Row(2, 100, Cost(4.1, 50.0), 2.2)
        assert row.ratio(0.1) == pytest.approx(2.0)
        assert "40000.0   2.00     50" in growth.table([row], 0.1)

    def test_packages_are_taken_in_order_until_there_is_no_room(self) -> None:
        assert growth.chosen({"a": 4, "b": 9, "c": 5}, 10) == ["a", "c"]


@pytest.mark.slow
class TestSpeed:
    def test_each_command_is_timed_in_each_round(self, tmp_path: Path) -> None:
        (tmp_path / "code.py").write_text("import torch\nx = torch.tensor([1.0])\n")
        times = speed.measure(tmp_path, 2, only="parse")
        assert len(times) == 2
        assert {speed.OURS, "ast.parse, every file"} <= times[0].keys()
        assert all(spent.seconds > 0 < wall for row in times for spent, wall in row.values())
        assert [path.name for path in tmp_path.iterdir()] == ["code.py"]

    def test_the_ratio_is_the_median_of_the_rounds(self) -> None:
        rounds = [
            {speed.OURS: (Cost(2.0, 9.0), 2.5), "other": (Cost(1.0, 5.0), 1.5)},
            {speed.OURS: (Cost(9.0, 8.0), 9.5), "other": (Cost(3.0, 7.0), 3.5)},
        ]
        assert (
            "other                                2.00      2.50 x     2.50      7"
            in speed.table(rounds)
        )


class TestBranches:
    def test_it_refuses_where_programs_are_not_seen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        branches = pytest.importorskip("bench.branches", reason="coverage is not installed")
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')  # no .pth file is read
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
        with pytest.raises(SystemExit, match=r"does not see what the tests start: its \.pth file"):
            branches.run(tmp_path / "data", [])
        assert not (tmp_path / "data").exists()
