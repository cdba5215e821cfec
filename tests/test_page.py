"""The review page: read, clicked through in Chromium, and its patch given to git."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixgrad import cli, pipeline
from fixgrad.findings import MADE, Repair, Step
from fixgrad.options import Options
from fixgrad.page.combining import Group, combine, joined
from fixgrad.page.picture import _drawn
from fixgrad.page.rows import rows
from fixgrad.page.windows import Stretch, _joined, windows
from fixgrad.patching import plan_patches
from fixgrad.source import Span
from fixgrad.write import encoded
from tests.browser import browser
from tests.explained import HEAD
from tests.notebooks import jupyter
from tests.reports import CUT, FIT, LEVELS, STEP, TWO

pytest.importorskip("jinja2", reason="the extra `review` is not installed")
pytest.importorskip("pygments", reason="the extra `review` is not installed")

LATIN = f"# -*- coding: latin-1 -*-\n{HEAD}s = 'é'\r\n{TWO}".rstrip("\n")
LAYERS = ("W1", "b1", "W2", "b2", "W3", "b3", "W4", "b4")
NETWORK = f"""\
{HEAD}
X, Y = torch.from_numpy(np.ones((20, 3))), torch.from_numpy(np.ones((20, 3)))
{"".join(f"{n} = torch.from_numpy(np.ones({'(3, 3)' if n[0] == 'W' else 3}))" + chr(10) for n in LAYERS)}
for epoch in range(5):
    h = X
    for W, b in ((W1, b1), (W2, b2), (W3, b3), (W4, b4)):
        h = torch.tanh(h @ W + b)
    loss = ((h - Y) ** 2).mean()
    loss.backward()
{"".join(f"    {n} -= 0.1 * {n}.grad" + chr(10) for n in LAYERS)}
    for p in ({", ".join(LAYERS)}):
        p.grad.zero_()
print(W1.numpy().sum(), b1.numpy().sum(), W2.numpy().sum())
"""
NOTEBOOK = "w = torch.from_numpy(np.ones(2))\nw.sum().backward()\nprint(w.grad)"


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a repository with findings of all kinds, and work in it."""
    top = tmp_path / "repository"
    (top / "lib").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    (top / "lib/sgd.py").write_text(STEP)
    (top / "fit größe.py").write_text(HEAD + FIT, "utf-8")
    (top / "levels.py").write_text(HEAD + LEVELS)
    (top / "cut.py").write_text(HEAD + CUT)
    (top / "latin.py").write_bytes(LATIN.encode("latin-1"))
    (top / "n.ipynb").write_bytes(jupyter(HEAD, NOTEBOOK))
    monkeypatch.chdir(top)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return top


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Write the review page of the repository."""
    path = tmp_path / "review.html"
    assert cli.run(["--report", str(path), "-q", "."]) == 1
    return path


def contents(top: Path) -> dict[str, bytes]:
    files = [path for path in top.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in files}


class TestPage:
    def test_it_needs_nothing_from_elsewhere(self, page: Path) -> None:
        text = page.read_text("utf-8")
        assert "Content-Security-Policy\" content=\"default-src 'none'" in text
        assert not re.search(r"""(?:src|href)=["'](?!#)|url\(|@import|https?://""", text)

    def test_nothing_of_a_file_is_taken_for_markup(self, page: Path, repository: Path) -> None:
        evil = "</script><script>alert(1)</script>"
        (repository / "evil.py").write_text(
            HEAD
            + f"x = torch.from_numpy(np.ones(2))  # {evil}\nx.sum().backward()\nprint(x.grad)\n"
        )
        assert cli.run(["--report", str(page), "-q", "."]) == 1
        assert evil not in page.read_text("utf-8")

    def test_nothing_found(self, page: Path) -> None:
        assert cli.run(["--report", str(page), "-q", "lib"]) == 0
        assert "Nothing was found." in page.read_text("utf-8")

    def test_it_goes_with_a_report_only(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["--report", "x.html", "--fix"]) == 2
        assert "it goes without --fix" in capfd.readouterr().err

    def test_without_the_extra_it_says_what_to_install(
        self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "jinja2", None)
        assert cli.run(["--report", "x.html", "lib"]) == 2
        assert "--report needs jinja2 and pygments: pip install 'fixgrad[review]'" in (
            capfd.readouterr().err
        )

    def test_rows_stand_beside_each_other(self) -> None:
        diff = "@@ -3,3 +3,4 @@ def f\n a = 1\n-b = f(x)\n+b = f(x, y)\n+c = 2\n d = 3\n"
        shown = [
            tuple((s.number, "".join(p.text for p in s.pieces), s.changed) if s else None
                  for s in (row.left, row.right))
            for row in rows(diff) if not row.heading
        ]  # fmt: skip
        assert shown == [
            ((3, "a = 1", False), (3, "a = 1", False)),
            ((4, "b = f(x)", True), (4, "b = f(x, y)", True)),
            (None, (5, "c = 2", True)),
            ((5, "d = 3", False), (6, "d = 3", False)),
        ]
        changed = next(row for row in rows(diff) if row.left and row.left.changed)
        assert changed.right is not None
        assert "".join(p.text for p in changed.right.pieces if p.marked) == ", y"


def every_choice(count: int) -> Iterator[tuple[int, ...]]:
    sizes = range(1, count + 1)
    return itertools.chain.from_iterable(itertools.combinations(range(count), n) for n in sizes)


@pytest.mark.slow
class TestCombining:
    def test_every_choice_is_what_is_planned_for_it(self) -> None:
        """The lines that the page puts together are those of fixgrad's own patch of that choice."""
        options = Options((".",), unsafe=True)
        outcome = pipeline.run(options)
        repairs = [e.outcome for e in outcome.entries if e.edits and isinstance(e.outcome, Repair)]
        combined = combine(repairs, outcome.sources, plan_patches)
        assert sorted(n for group in combined.groups for n in group.repairs) == list(
            range(len(repairs))
        )
        assert any(len(group.repairs) == 2 for group in combined.groups)  # one line of latin.py
        for chosen in every_choice(len(repairs)):
            alone = [repairs[number] for number in chosen]
            whole = combine(alone, outcome.sources, plan_patches)
            wanted: dict[str, list[object]] = {}
            for group in whole.groups:
                for header, blocks in group.choices[group.repairs].items():
                    wanted.setdefault(header, []).extend(blocks)
            got: dict[str, list[object]] = {}
            for group in combined.groups:
                part = tuple(number for number in group.repairs if number in chosen)
                for header, blocks in group.choices.get(part, {}).items():
                    got.setdefault(header, []).extend(blocks)
            assert {h: set(b) for h, b in got.items()} == {h: set(b) for h, b in wanted.items()}

    def one_line(self, names: str) -> list[Group]:
        line = "; ".join(f"{n} = torch.from_numpy(np.ones(2))" for n in names)
        total = " + ".join(names)
        grads = ", ".join(f"{n}.grad" for n in names)
        text = f"{HEAD}{line}\n({total}).sum().backward()\nprint({grads})\n"
        outcome = pipeline.run_on_text("a.py", text.encode(), Options())
        repairs = [e.outcome for e in outcome.entries if isinstance(e.outcome, Repair)]
        return list(combine(repairs, outcome.sources, plan_patches).groups)

    def test_many_on_one_line(self) -> None:
        (group,) = self.one_line("abcdef")
        assert (group.together, len(group.choices)) == (False, 2**6 - 1)
        (group,) = self.one_line("abcdefghi")
        assert (group.together, len(group.choices)) == (True, 1)

    @pytest.mark.parametrize("source", ["net.py", "net.ipynb"])
    def test_many_on_neighbouring_lines(self, repository: Path, source: str) -> None:
        """Whatever is chosen of the layers of a network, the lines are those of fixgrad's own patch."""
        data = NETWORK.encode() if source == "net.py" else jupyter(NETWORK)
        outcome = pipeline.run_on_text(source, data, Options())
        repairs = [e.outcome for e in outcome.entries if isinstance(e.outcome, Repair)]
        assert len(repairs) == 8
        combined = combine(repairs, outcome.sources, plan_patches)
        assert not any(group.together for group in combined.groups)
        assert max(len(group.choices) for group in combined.groups) <= 32
        for chosen in itertools.islice(every_choice(8), 0, None, 1 if source == "net.py" else 5):
            lines = data.splitlines(keepends=True)
            blocks = [
                block
                for group in combined.groups
                for each in group.choices.get(
                    tuple(n for n in group.repairs if n in chosen), {}
                ).values()
                for block in each
            ]
            for block in reversed(joined(blocks)):
                lines[block.start : block.end] = block.added
            alone: Any = [repairs[number] for number in chosen]
            ((read, patch),) = plan_patches(outcome.sources, alone, False).patches
            assert b"".join(lines) == encoded(read, patch), chosen


@pytest.fixture
def chrome(tmp_path: Path, page: Path) -> Iterator[Any]:
    """Return Chromium with the page open."""
    (tmp_path / "downloads").mkdir()
    with browser(tmp_path / "downloads") as driver:
        driver.get(page.as_uri())
        yield driver


@pytest.mark.slow
class TestInTheBrowser:
    @pytest.fixture
    def patch(self, chrome: Any, tmp_path: Path) -> Callable[[], bytes]:
        """Return what is downloaded, as a function."""

        def download() -> bytes:
            chrome.find_element("id", "download").click()
            path = tmp_path / "downloads/fixgrad.patch"
            for _ in range(100):
                if path.exists() and path.stat().st_size:
                    data = path.read_bytes()
                    path.unlink()
                    return data
                time.sleep(0.05)
            raise AssertionError("nothing was downloaded")

        return download

    def card(self, chrome: Any, file: str, number: int = 0) -> Any:
        cards = chrome.find_elements("css selector", f'.finding[data-file="{file}"]')
        return cards[number]

    def press(self, chrome: Any, keys: str) -> None:
        chrome.switch_to.active_element.send_keys(keys)

    def decided(self, chrome: Any) -> str:
        return str(chrome.find_element("id", "decided").text)

    def test_it_loads_without_a_complaint(self, chrome: Any) -> None:
        assert chrome.get_log("browser") == []
        assert len(chrome.find_elements("css selector", ".finding")) == 6
        assert len(chrome.find_elements("css selector", ".finding svg.path")) == 6
        assert chrome.find_element("id", "matching").text == "6 of 6 shown"
        assert not chrome.find_element("id", "download").is_enabled()

    def test_the_path_is_drawn_with_its_cut_in_red(self, chrome: Any) -> None:
        svg = self.card(chrome, "cut.py").find_element("css selector", "svg.path")
        assert len(svg.find_elements("css selector", ".node.made")) == 1
        (text, *_) = svg.find_elements("css selector", ".arrow.cut text")
        assert "the gradient is cut here" in text.text
        lines = [t.text for t in svg.find_elements("css selector", ".node text")][1::2]
        assert [line.split(" = ")[0] for line in lines] == [
            "c", "value", "value.backward()", "print(c.grad)"
        ]  # fmt: skip
        line = svg.find_element("css selector", ".arrow.cut line")
        assert line.value_of_css_property("stroke") == "rgb(185, 28, 28)"
        assert "demanded here" in svg.get_attribute("aria-label")

    def test_accepted_repairs_are_the_patch(
        self, chrome: Any, patch: Callable[[], bytes], repository: Path
    ) -> None:
        """Every safe one accepted by hand comes to what `--fix` writes, in every file's encoding."""
        for file, number in (("fit größe.py", 0), ("latin.py", 0), ("latin.py", 1), ("n.ipynb", 0)):
            self.card(chrome, file, number).find_element("css selector", ".accept").click()
        assert self.decided(chrome) == "4 of 5 accepted, 0 rejected"
        data = patch()
        subprocess.run(["git", "apply", "-"], input=data, cwd=repository, check=True)
        by_page = contents(repository)
        subprocess.run(["git", "apply", "-R", "-"], input=data, cwd=repository, check=True)
        cli.run(["--fix", "-q", "."])
        assert by_page == contents(repository)
        assert "é".encode("latin-1") in by_page["latin.py"]

    @pytest.mark.parametrize("number", [0, 1])
    def test_one_of_two_on_a_line(
        self, chrome: Any, patch: Callable[[], bytes], repository: Path, number: int
    ) -> None:
        self.card(chrome, "latin.py", number).find_element("css selector", ".accept").click()
        subprocess.run(["git", "apply", "-"], input=patch(), cwd=repository, check=True)
        line = (repository / "latin.py").read_bytes().decode("latin-1").split("\n")[4]
        assert line.count("requires_grad=True") == 1
        assert ("from_numpy" in line.split(";")[0]) is (number == 1)

    def test_some_of_many_on_neighbouring_lines(
        self, chrome: Any, patch: Callable[[], bytes], repository: Path, page: Path
    ) -> None:
        (repository / "net.py").write_text(NETWORK)
        assert cli.run(["--report", str(page), "-q", "net.py"]) == 1
        chrome.get(page.as_uri())
        for number in (0, 1, 4):  # W1, b1, W3
            self.card(chrome, "net.py", number).find_element("css selector", ".accept").click()
        assert self.decided(chrome) == "3 of 8 accepted, 0 rejected"
        subprocess.run(["git", "apply", "-"], input=patch(), cwd=repository, check=True)
        text = (repository / "net.py").read_text()
        assert "    with torch.no_grad():\n        W1 -= 0.1 * W1.grad\n        b1 -= " in text
        assert "    W2 -= 0.1 * W2.grad\n    b2 -= 0.1 * b2.grad\n    with torch.no_grad():" in text
        assert "W1.detach().numpy().sum(), b1.detach().numpy().sum(), W2.numpy()" in text
        assert text.count("requires_grad=True") == 3

    def test_rejecting_takes_it_back(self, chrome: Any) -> None:
        card = self.card(chrome, "latin.py")
        card.find_element("css selector", ".accept").click()
        assert chrome.find_element("id", "download").is_enabled()
        card.find_element("css selector", ".reject").click()
        assert self.decided(chrome) == "0 of 5 accepted, 1 rejected"
        assert not chrome.find_element("id", "download").is_enabled()
        card.find_element("css selector", ".reject").click()
        assert self.decided(chrome) == "0 of 5 accepted, 0 rejected"

    def test_filters(self, chrome: Any) -> None:
        from selenium.webdriver.support.ui import Select  # noqa: PLC0415

        def shown(**wanted: str) -> list[str]:
            for name in ("rule", "safety", "file", "decision"):
                select = Select(chrome.find_element("css selector", f"select[name={name}]"))
                select.select_by_value(wanted.get(name, ""))
            cards = chrome.find_elements("css selector", ".finding")
            return [card.get_attribute("data-file") for card in cards if card.is_displayed()]

        assert shown(rule="FG204") == ["levels.py"]
        assert shown(safety="refused") == ["cut.py"]
        assert shown(file="latin.py") == ["latin.py", "latin.py"]
        assert shown(rule="FG101", safety="unsafe") == []
        assert chrome.find_element("id", "matching").text == "0 of 6 shown"
        self.card(chrome, "levels.py")
        assert len(shown()) == 6
        self.card(chrome, "levels.py").find_element("css selector", ".accept").click()
        assert shown(decision="accepted") == ["levels.py"]
        assert len(shown(decision="open")) == 4

    def test_by_keyboard_alone(self, chrome: Any, patch: Callable[[], bytes]) -> None:
        body = chrome.find_element("css selector", "body")
        body.send_keys("j")
        first = chrome.switch_to.active_element
        assert first.get_attribute("data-file") == "cut.py"
        self.press(chrome, "a")  # it is refused: there is nothing to accept
        self.press(chrome, "j")
        self.press(chrome, "a")
        assert self.decided(chrome) == "1 of 5 accepted, 0 rejected"
        self.press(chrome, "r")
        self.press(chrome, "j")
        self.press(chrome, "a")
        self.press(chrome, "u")
        self.press(chrome, "k")
        assert self.decided(chrome) == "0 of 5 accepted, 1 rejected"
        self.press(chrome, "A")
        assert self.decided(chrome) == "3 of 5 accepted, 1 rejected"
        self.press(chrome, "?")
        assert chrome.find_element("id", "keys").is_displayed()
        self.press(chrome, "/")
        assert chrome.switch_to.active_element.get_attribute("name") == "rule"
        assert patch().startswith(b"--- a/")

    def test_decisions_outlive_a_reload(self, chrome: Any) -> None:
        self.card(chrome, "levels.py").find_element("css selector", ".accept").click()
        chrome.refresh()
        assert self.decided(chrome) == "1 of 5 accepted, 0 rejected"

    def test_light_and_dark(self, chrome: Any, page: Path, tmp_path: Path) -> None:
        def back(driver: Any) -> str:
            body = driver.find_element("css selector", "body")
            return str(body.value_of_css_property("background-color"))

        assert back(chrome) == "rgba(255, 255, 255, 1)"
        chrome.find_element("id", "theme").click()
        assert back(chrome) == "rgba(13, 17, 23, 1)"
        with browser(tmp_path, dark=True) as other:
            other.get(page.as_uri())
            assert back(other) == "rgba(13, 17, 23, 1)"
            keyword = other.find_element("css selector", ".code .k, .code .kn, .code .ow")
            assert keyword.value_of_css_property("color") != "rgba(0, 128, 0, 1)"

    def test_it_fits_a_narrow_window(self, chrome: Any) -> None:
        chrome.set_window_size(500, 900)
        wide = chrome.execute_script("return document.documentElement.scrollWidth")
        assert wide <= chrome.execute_script("return window.innerWidth")

    def test_code_is_coloured_and_the_difference_marked(self, chrome: Any) -> None:
        table = self.card(chrome, "levels.py").find_element("css selector", "table.code")
        assert table.find_elements("css selector", "span.kn")
        (mark, *_) = table.find_elements("css selector", ".added mark")
        added = "".join(m.text for m in table.find_elements("css selector", ".added mark"))
        assert "dtype=torch.float32" in added.replace(" ", "").replace(",", ",")
        assert mark.value_of_css_property("background-color") != "rgba(0, 0, 0, 0)"


def test_the_data_holds_only_lines_that_patches_need(page: Path) -> None:
    text = page.read_text("utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    data = json.loads(found[1])
    assert sorted(len(file["lines"]) for file in data["files"].values())[-1] <= 30


class TestWindows:
    def test_none_where_repairs_do_not_go_together(self) -> None:
        assert windows((0, 1), lambda chosen: None) is None
        assert windows((0, 1), lambda chosen: [] if len(chosen) == 1 else None) is None

    def test_nothing_changes(self) -> None:
        assert windows(tuple(range(20)), lambda chosen: []) == []

    def test_stretches_that_overlap_are_one(self) -> None:
        found = _joined(
            Stretch(*each) for each in [("a", 1, 3), ("a", 3, 4), ("a", 6, 6), ("b", 6, 7)]
        )
        assert found == [Stretch("a", 1, 4), Stretch("a", 6, 6), Stretch("b", 6, 7)]


def test_a_way_without_a_demand_is_drawn_as_it_is() -> None:
    steps = [
        Step(Span("a.py", 2, 0, 2, 1), "made here", MADE),
        Step(Span("a.py", 1, 0, 1, 1), "", "cut"),
    ]
    assert _drawn(steps) == steps
