"""An import means the file that Python would load: names of files in, the file or None out."""

from __future__ import annotations

import pytest

from fixgrad.flow.ir import Module
from fixgrad.flow.lower import lower
from fixgrad.project import decode
from fixgrad.project.imports import Imports, listing
from fixgrad.source import Source


def imports(*places: str) -> Imports:
    return Imports(listing(places), known=places)


class TestFind:
    @pytest.mark.parametrize(
        ("importer", "name", "found"),
        [
            ("main.py", "utils", "utils.py"),
            ("scripts/a/main.py", "utils", "scripts/a/utils.py"),
            ("scripts/b/main.py", "utils", "utils.py"),
            ("main.py", "pkg", "pkg/__init__.py"),
            ("main.py", "pkg.core", "pkg/core/__init__.py"),
            ("main.py", "pkg.core.ops", "pkg/core/ops.py"),
            ("main.py", "pkg.nothing", None),
            ("main.py", "numpy", None),
            ("pkg/core/ops.py", "pkg.core", "pkg/core/__init__.py"),
            ("pkg/core/ops.py", ".", "pkg/core/__init__.py"),
            ("pkg/core/ops.py", ".ops", "pkg/core/ops.py"),
            ("pkg/core/ops.py", "..random", "pkg/random.py"),
            ("pkg/core/ops.py", "..core.ops", "pkg/core/ops.py"),
            ("pkg/core/__init__.py", ".ops", "pkg/core/ops.py"),
            ("pkg/core/ops.py", "...pkg", "pkg/__init__.py"),
            ("pkg/core/ops.py", "....pkg", None),
            ("pkg/core/ops.py", "utils", "utils.py"),
            ("pkg/core/ops.py", "random", None),  # the library's, not pkg/random.py
            ("pkg/train.py", "layers", "pkg/layers.py"),  # started by its path
            ("steps/run.py", "steps", "steps/"),
            ("main.py", "steps.run", "steps/run.py"),
            ("main.py", "data", None),  # no code in it
            ("tests/unit/test_a.py", "installed.deep", "packages/one/src/installed/deep.py"),
        ],
    )
    def test_find(self, importer: str, name: str, found: str | None) -> None:
        project = imports(
            *("main.py", "utils.py", "scripts/a/main.py", "scripts/a/utils.py"),
            *("scripts/b/main.py", "pkg/__init__.py", "pkg/random.py", "pkg/core/__init__.py"),
            *("pkg/core/ops.py", "pkg/train.py", "pkg/layers.py", "steps/run.py"),
            *("data/rows/table.csv", "packages/one/src/installed/__init__.py"),
            *("packages/one/src/installed/deep.py", "tests/unit/test_a.py"),
        )
        assert project.find(importer, name) == found

    def test_src_layout(self) -> None:
        project = imports("src/pkg/__init__.py", "src/pkg/a.py", "tests/test_a.py")
        assert project.find("tests/test_a.py", "pkg.a") == "src/pkg/a.py"
        assert project.find("src/pkg/a.py", "pkg") == "src/pkg/__init__.py"

    def test_each_package_of_a_monorepo_sees_itself(self) -> None:
        project = imports(
            *("one/src/common/__init__.py", "one/src/run.py", "one/tests/test_a.py"),
            *("two/src/common/__init__.py", "two/src/run.py", "docs/conf.py"),
        )
        assert project.find("one/src/run.py", "common") == "one/src/common/__init__.py"
        assert project.find("two/src/run.py", "common") == "two/src/common/__init__.py"
        assert project.find("one/tests/test_a.py", "common") == "one/src/common/__init__.py"
        assert project.find("docs/conf.py", "common") is None  # either could be meant

    def test_a_package_wins_over_a_file_and_a_file_over_a_folder(self) -> None:
        project = imports("a.py", "a/__init__.py", "b.py", "b/inner.py", "main.py")
        assert project.find("main.py", "a") == "a/__init__.py"
        assert project.find("main.py", "b") == "b.py"
        assert project.find("main.py", "b.inner") is None

    def test_absolute_and_outer_paths(self) -> None:
        project = imports("/p/pkg/__init__.py", "/p/pkg/a.py", "../q/b.py", "../q/c.py")
        assert project.find("/p/pkg/a.py", "pkg") == "/p/pkg/__init__.py"
        assert project.find("../q/b.py", "c") == "../q/c.py"

    def test_added_folders(self) -> None:
        places = (
            "tools/run.py",
            "shared/x.py",
            "other/x.py",
            "tests/conftest.py",
            "tests/u/test.py",
        )
        project = imports(*places)
        assert project.find("tests/u/test.py", "x") is None
        project = imports(*places)
        project.add_search("tools/run.py", ["../shared"])
        project.add_search("tests/conftest.py", ["../other"])
        assert project.find("tools/run.py", "x") == "shared/x.py"
        assert project.find("tests/u/test.py", "x") == "other/x.py"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("sys.path.append('..')", ("..", "../..", "../../..")),
        ("sys.path.insert(0, os.path.dirname(__file__))", (".",)),
        (
            "sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))",
            ("..",),
        ),
        ("sys.path.append(os.path.join(os.path.dirname(__file__), '..', 'src'))", ("../src",)),
        ("sys.path.append(os.path.join(os.path.dirname(__file__), os.pardir))", ("..",)),
        ("sys.path.append(os.path.dirname(__file__) + '/../lib')", ("../lib",)),
        ("sys.path.append(f'{os.path.dirname(__file__)}/lib')", ("lib",)),
        ("here = Path(__file__).parent\nsys.path.append(str(here / 'lib'))", ("lib",)),
        ("sys.path.append(str(Path(__file__).resolve().parents[2]))", ("../..",)),
        ("sys.path.insert(0, Path(__file__).parent.joinpath('a', 'b').as_posix())", ("a/b",)),
        ("sys.path += [os.path.dirname(__file__)]", (".",)),
        ("sys.path.extend([os.getcwd()])", (".",)),
        ("site.addsitedir(os.path.join(os.path.dirname(__file__), 'x'))", ("x",)),
        ("sys.path.append(os.environ['LIB'])", ()),
        ("sys.path.append(folder)", ()),
        ("os.path.append('x')  # sys.path", ()),
        ("sys.path.clear()", ()),
    ],
)
def test_search_path(line: str, found: tuple[str, ...]) -> None:
    source = decode("a.py", f"import os, sys\n{line}\n".encode())
    assert isinstance(source, Source)
    module = lower(source)
    assert isinstance(module, Module)
    assert module.search == found
