"""Imports point down only: the table of the architecture, read from the imports themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fixgrad"

# From the ground up. A module may import what stands below its layer, and its own package.
LAYERS = (
    ("source", "errors", "progress", "depth", "edition"),
    ("edits",),
    ("findings",),
    ("policy",),
    ("suppressions",),
    ("flow.ir", "knowledge"),
    ("flow.lower", "project"),
    ("flow",),
    ("demands", "hazards"),
    ("repair", "rewrite"),
    ("traces",),
    ("conclusion",),
    ("division",),
    ("workers",),
    ("crew",),
    ("cache",),
    ("analysis",),
    ("catalogue",),
    ("report", "runtime", "write"),
    ("executors", "options", "baseline", "evidence", "patching"),
    ("passed_over", "repetition"),
    ("memory", "opening"),
    ("pipeline", "explain"),
    ("review", "page"),
    ("settings",),
    ("lsp",),
    ("proof",),
    ("cli", "codemod", "api", "flake8_plugin", "pytest"),
    ("__main__",),
)
LAYER_OF = {unit: number for number, units in enumerate(LAYERS) for unit in units}

# What only some may import, and why.
RESERVED = {
    "ast": (("flow.lower", "rewrite"), "no syntax node travels above the lowering"),
    "libcst": (("rewrite", "codemod"), "it is slow to load and needed only for an edit"),
    "jinja2": (("page",), "it is an extra"),
    "markupsafe": (("page",), "it is an extra"),
    "pygments": (("page",), "it is an extra"),
    "click": (("cli",), "everything below is usable without a command line"),
    "torch": ((), "the user's torch is never loaded into our process; the probe is handed it"),
    "pygls": (("lsp",), "it comes with an extra"),
    "lsprotocol": (("lsp",), "it comes with an extra"),
    "distributed": (("executors",), "it comes with an extra"),
    "numpy": ((), "it is not needed to read a program"),
}

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    .removesuffix("__init__")
    .strip("."): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def unit_of(module: str) -> str:
    """Return the entry of the table that a module belongs to: the longest prefix."""
    parts = module.split(".")
    prefixes = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((prefix for prefix in prefixes if prefix in LAYER_OF), "")


@cache
def imports(module: str, path: Path) -> list[tuple[int, str]]:
    """Return the line and the full name of everything a module imports, wherever in it."""
    return list(_imports(module, path))


def _imports(module: str, path: Path) -> Iterator[tuple[int, str]]:
    package = ["fixgrad", *module.split(".")]
    if path.name != "__init__.py":
        package.pop()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield node.lineno, inner if inner.removeprefix("fixgrad.") in MODULES else base


OURS = [pytest.param(module, path, id=module or "fixgrad") for module, path in MODULES.items()]


@pytest.mark.parametrize(("module", "path"), OURS)
def test_imports_point_down(module: str, path: Path) -> None:
    unit = unit_of(module) if module else "__main__"  # fixgrad/__init__.py: imports late
    assert unit, f"{module} has no place in LAYERS: give it one, and in ARCHITECTURE.md too"
    for line, name in imports(module, path):
        below = name.removeprefix("fixgrad.")
        if below in (name, "fixgrad"):
            continue
        other = unit_of(below)
        where = f"{path.relative_to(ROOT)}:{line}: {unit} (layer {LAYER_OF[unit]}) imports {below}"
        assert other, f"{where}, which has no place in LAYERS"
        if other == unit:
            continue
        assert LAYER_OF[other] < LAYER_OF[unit], (
            f"{where} (layer {LAYER_OF[other]}): imports point down only; hand the value in "
            "from above, or move what both need to a lower layer"
        )


@pytest.mark.parametrize(("module", "path"), OURS)
def test_reserved_imports(module: str, path: Path) -> None:
    for line, name in imports(module, path):
        allowed, why = RESERVED.get(name.split(".")[0], ((module,), ""))
        where = f"{path.relative_to(ROOT)}:{line}"
        assert any(module == unit or module.startswith(f"{unit}.") for unit in allowed), (
            f"{where}: only {' and '.join(allowed)} may import {name}: {why}"
        )


def test_every_layer_is_known_to_the_reader() -> None:
    """A package that is gone from the tree is gone from the table."""
    gone = {unit for unit in LAYER_OF if unit not in MODULES}
    assert not gone, f"LAYERS names what does not exist: {sorted(gone)}"
