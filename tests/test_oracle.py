"""Random tensor programs: what fixgrad says of every value must be what torch shows.

The default run writes a few hundred programs; the full run is

    FIXGRAD_ORACLE=2000 python -m pytest tests/test_oracle.py

A failure prints the smallest program that still shows the mismatch. `tests/oracle_blocks.py` and
its neighbours write the programs, `tests/oracle_compare.py` asks both sides.

"maybe" is an answer that is never wrong. In a program without blocks it is allowed only for the
causes in MAYBE: there even torch decides by what fixgrad cannot know.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("numpy")
pytest.importorskip("torch")

import torch  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from fixgrad import knowledge  # noqa: E402
from fixgrad.knowledge.read import table  # noqa: E402
from tests import knowledge_probe as probe  # noqa: E402
from tests.oracle_blocks import straight_line, structured  # noqa: E402
from tests.oracle_compare import Compared, compare  # noqa: E402
from tests.oracle_reduce import reduce  # noqa: E402
from tests.oracle_writer import Chooser, Writer  # noqa: E402

PROGRAMS = int(os.environ.get("FIXGRAD_ORACLE", "500"))
MOST_SHOWN = 5

MAYBE = {
    r"\.(to|type|type_as)\(": "what is asked for is a value: the same object or a new one",
    r"\.(float|double|half|cpu)\(\)": "of an unknown dtype: the same object or a new one",
    r"autograd\.grad\(.*create_graph": "the gradient of a linear function is a constant",
    r"as_tensor\(|asarray\(": "of a tensor: the same object or a copy",
    r"split|chunk|unbind": "the parts of one result are one thing: a grant may be another part's",
    r"\b(max|min|Dropout|Flatten)\(": "one of what went in: by its values, or by the module's mode",
    r"signal\.windows\.": "with requires_grad it computes from a tracked tensor of its own",
}  # and the rows that say "maybe-self"


class Asked(NamedTuple):
    """One program and what both sides said of it."""

    text: str
    flags: int
    compared: Compared


def ask(count: int, write: Callable[[Writer], None], flags: int) -> list[Asked]:
    """Let Hypothesis write programs and compare the answers for each."""
    asked: list[Asked] = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=True))
    def one(random: Random) -> None:
        writer = Writer(Chooser(random), flags)
        write(writer)
        text = writer.text()
        asked.append(Asked(text, flags, compare(text, flags)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated names are rows too
        one()
    return asked


def agree(asked: list[Asked]) -> None:
    """Fail with the first mismatches, each as a small program, if there are any."""
    wrong = [each for each in asked if each.compared.mismatches]
    parts = [f"{len(wrong)} of {len(asked)} programs"]
    for each in wrong[:MOST_SHOWN]:
        mismatch = each.compared.mismatches[0]
        small = reduce(each.text, each.flags, mismatch)
        said = ", ".join(sorted(map(str, mismatch.said)))
        parts.append(f"{mismatch.field}: fixgrad {said}; torch {mismatch.truth}\n{small}")
    if wrong:
        pytest.fail("\n\n".join(parts), pytrace=False)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads, recording = torch.get_num_threads(), torch.is_grad_enabled()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)
    torch.set_grad_enabled(recording)


@pytest.fixture(scope="module")
def straight() -> list[Asked]:
    """Ask about programs without blocks."""
    return ask(PROGRAMS // 2, straight_line, flags=0)


def test_straight_line_programs(straight: list[Asked]) -> None:
    agree(straight)


def test_programs_with_blocks_calls_and_classes() -> None:
    agree(ask(PROGRAMS - PROGRAMS // 2, structured, flags=2))


def causes() -> re.Pattern[str]:
    """Return what a statement looks like that may leave a doubt."""
    rows = [(name, row) for _, section, name, row in probe.rows() if section != "unary"]
    names = {re.escape(n) for n, row in rows if row.get("alias") == "maybe-self"}
    return re.compile("|".join([*MAYBE, rf"\.({'|'.join(sorted(names))})\b"]))


def doubts(asked: list[Asked]) -> list[str]:
    """Return the programs, up to the first "maybe", where it has no cause that is documented."""
    pattern = causes()
    found = []
    for each in asked:
        if each.compared.unsure:
            before, at, line = each.text.partition(f"probe({each.compared.unsure[0]}, ")
            if not pattern.search(before):
                found.append(before + at + line.partition("\n")[0])
    return found


def test_straight_line_programs_leave_no_doubt(straight: list[Asked]) -> None:
    assert "\n\n".join(doubts(straight)[:MOST_SHOWN]) == ""
    probes = sum(a.compared.probes for a in straight)
    assert sum(len(a.compared.unsure) for a in straight) < 0.05 * probes


def test_a_parameter_that_is_told_to_need_none_leaves_no_doubt() -> None:
    text = """\
import torch
import torch.nn as nn
v1 = nn.Parameter(torch.ones(3, 3))
v1.requires_grad = False
probe(1, v1)
v2 = nn.Parameter(torch.ones(3)).requires_grad_(False)
probe(2, v2)
"""
    compared = compare(text, flags=0)
    assert (compared.probes, compared.unsure, compared.mismatches) == (2, [], [])


def test_most_dtypes_are_known(straight: list[Asked]) -> None:
    probes = sum(a.compared.probes for a in straight)
    assert sum(a.compared.typed for a in straight) > 0.7 * probes


def test_the_programs_are_worth_asking_about(straight: list[Asked]) -> None:
    texts = [a.text for a in straight]
    assert len(set(texts)) == len(texts)
    assert sum(bool(a.compared.error) for a in straight) < 0.02 * len(straight)
    assert sum(a.compared.probes for a in straight) > 10 * len(straight)
    whole = "\n".join(texts)
    for form in (".requires_grad_()", "requires_grad = True", "torch.from_numpy", "Parameter(",
                 "Variable(", ".backward(", ".grad", "set_grad_enabled", "F.", "+= "):  # fmt: skip
        assert form in whole


CAUGHT = """\
import torch
v1 = torch.ones(3, requires_grad=True)
v2 = v1.{name}()
probe(1, v2)
"""


@pytest.mark.parametrize(
    ("name", "lie", "field"),
    [
        ("sin", {"grad": "no"}, "tracked"),
        ("detach", {"grad": "yes"}, "tracked"),
        ("argmax", {"dtype": "same"}, "dtype"),
        ("argmax", {"dtype": "float64"}, "dtype"),
    ],
)
def test_a_wrong_row_is_caught(
    name: str, lie: dict[str, str], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table("ops/torch.Tensor")["method"]
    program = CAUGHT.format(name=name)
    assert compare(program, 0).mismatches == []
    monkeypatch.setitem(rows, name, rows[name] | lie)
    knowledge.tensor_method.cache_clear()
    try:
        assert [m.field for m in compare(program, 0).mismatches] == [field]
    finally:
        knowledge.tensor_method.cache_clear()


def test_a_wrong_row_is_found_by_random_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table("ops/torch.Tensor")["method"]
    monkeypatch.setitem(rows, "mean", rows["mean"] | {"grad": "no"})
    knowledge.tensor_method.cache_clear()
    try:
        wrong = [a for a in ask(40, straight_line, flags=0) if a.compared.mismatches]
    finally:
        knowledge.tensor_method.cache_clear()
    assert any(".mean()" in a.text for a in wrong)


BRANCH = """\
import torch
x = torch.ones(3)
if flag(0):
    x.requires_grad_()
probe(1, x)
"""
LOOP = """\
import torch
x = torch.ones(3)
for i in range(2):
    probe(1, x)
    x = x.clone()
    x.requires_grad_()
"""


@pytest.mark.parametrize(("text", "flags"), [(BRANCH, 1), (LOOP, 0)])
def test_paths_that_disagree_may_leave_doubt(text: str, flags: int) -> None:
    compared = compare(text, flags)
    assert (compared.mismatches, compared.unsure, compared.error) == ([], [], "")


LONG = """\
import torch
if flag(0):
    a = torch.ones(3)
    probe(1, a)
b = torch.ones(3).double().requires_grad_()
c = b.clone()
d = (c + 1).sin()
probe(2, d)
"""


def test_a_mismatch_is_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table("ops/torch.Tensor")["method"]
    monkeypatch.setitem(rows, "sin", rows["sin"] | {"grad": "no"})
    knowledge.tensor_method.cache_clear()
    try:
        (mismatch,) = compare(LONG, 1).mismatches
        small = reduce(LONG, 1, mismatch)
    finally:
        knowledge.tensor_method.cache_clear()
    assert ".sin()" in small
    assert len(small.splitlines()) == 4, small
