"""A program that is written otherwise is repaired in the same way.

Every sixth fixture in one file, in each variant; all of them with FIXGRAD_VARIANTS=all.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixgrad import fix_source, pipeline
from fixgrad.pipeline import Options
from tests import variants
from tests.variants import Variant

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[1] / "fixtures"
EVERY = 1 if os.environ.get("FIXGRAD_VARIANTS") == "all" else 6
WAYS: dict[str, Callable[[str], Variant]] = {
    "remarks": variants.with_remarks,
    "renamed": variants.renamed,
    "function": variants.in_a_function,
    "files": variants.in_two_files,
}


def texts() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each case that is one file of UTF-8."""
    for case in sorted(path.parent for path in FIXTURES.glob("*/*/case.toml")):
        if zlib.crc32(case.name.encode()) % EVERY:
            continue
        before = case / "before" if (case / "before").is_dir() else case
        files = [path for path in before.rglob("*") if path.is_file()]
        files = [path for path in files if path.name not in ("case.toml", "stdout")]
        if len(files) == 1 and files[0].suffix == ".py":
            data = files[0].read_bytes()
            if data.isascii() and b"\r" not in data and b"coding" not in data:
                yield case.name, data.decode()


def tried() -> Iterator[object]:
    """Yield each program in each way that it can be written."""
    for name, text in texts():
        for way, write in WAYS.items():
            variant = write(text)
            if variant is not None:
                yield pytest.param(way, text, variant, id=f"{way}-{name}")


@pytest.mark.parametrize(("way", "text", "variant"), list(tried()))
def test_a_program_written_otherwise_is_repaired_alike(
    way: str,
    text: str,
    variant: tuple[dict[str, str], Callable[[dict[str, str]], str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files, back = variant
    expected = fix_source(text).text
    monkeypatch.chdir(tmp_path)
    for name, content in files.items():
        Path(name).write_text(content, "utf-8", newline="\n")
    pipeline.run(Options(paths=(".",), fix=True))
    got = back({name: Path(name).read_text("utf-8") for name in files})
    assert got == (variants.definitions_first(expected) if way == "files" else expected)
