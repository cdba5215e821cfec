"""How many gradient requests of other people's code fixgrad puts back when they are taken out.

    python -m bench.restore --cache FOLDER [--trees FOLDER] [--only NAME] [--list]

Code that works says where its tensors need a gradient. In a copy of it the grants of NumPy-born
tensors are taken out, `fixgrad --fix` runs over the copy, and what it grants is compared with the
original: a grant that was there is restored, a grant where none was is wrong. A grant without a
demand in sight is taken out as well and counted apart: it may have been superfluous.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.conversions import Cut, Site, find_sites, stripped
from bench.evidence import CLASSES, NONE, Evidence
from bench.modules import Module
from bench.origins import ARRAY, Calls, Origins
from bench.sources import INDEX, download, pinned, unpack_package, unpack_repository

DATA, KEPT = "data", "kept"
LIMIT = 900  # seconds for one source

Key = tuple[str, str, int]


class Verdict(NamedTuple):
    """What became of one conversion."""

    kind: str  # a class of evidence, or DATA
    site: Site
    granted: bool  # after fixgrad


class Result(NamedTuple):
    """What fixgrad made of one source."""

    name: str
    verdicts: tuple[Verdict, ...]
    seconds: float
    problem: str = ""

    def count(self, *kinds: str, granted: bool | None = None) -> int:
        """Count the conversions of some kinds."""
        return sum(
            v.kind in kinds and (granted is None or v.granted is granted) for v in self.verdicts
        )


def strip_tree(tree: Path, copy: Path) -> dict[Key, tuple[str, Site]]:
    """Write a copy of a tree without its clear grants; return the kind of each conversion."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(tree, copy)
    modules = list(_modules(tree))
    calls = Calls(modules)
    origins, evidence = Origins(calls), Evidence(calls)
    kinds: dict[Key, tuple[str, Site]] = {}
    for module in modules:
        sites = list(find_sites(module))
        cuts = {cut for site in sites if _clear(origins, module, site) for cut in site.cuts}
        cuts -= {cut for s in sites if not _clear(origins, module, s) for cut in s.cuts}
        for site in sites:
            kinds[site.key] = (_kind(evidence, module, site, cuts), site)
        if cuts:
            (copy / module.path).write_bytes(stripped(module.data, cuts))
    return kinds


def _modules(tree: Path) -> Iterator[Module]:
    for path in sorted(tree.rglob("*.py")):
        try:
            yield Module(path.relative_to(tree).as_posix(), path.read_bytes())
        except (SyntaxError, ValueError, RecursionError):
            continue  # fixgrad does not read it either


def _clear(origins: Origins, module: Module, site: Site) -> bool:
    return site.state == "granted" and origins.of_conversion(module, site.call) == ARRAY


def _kind(evidence: Evidence, module: Module, site: Site, cuts: set[Cut]) -> str:
    if site.state in ("plain", "parameter"):
        return DATA
    if not site.cuts or not cuts.issuperset(site.cuts):
        return KEPT
    return evidence.of(module, site)


def judge(kinds: dict[Key, tuple[str, Site]], fixed: Path) -> tuple[Verdict, ...]:
    """Compare a tree that fixgrad went over with what was taken out of it."""
    granted: set[Key] = set()
    for path in sorted({site.path for _, site in kinds.values()}):
        module = Module(path, (fixed / path).read_bytes())
        granted.update(site.key for site in find_sites(module) if site.cuts)
    return tuple(
        Verdict(kind, site, key in granted and not (kind == DATA and site.cuts))
        for key, (kind, site) in kinds.items()
        if kind != KEPT
    )


def measure(name: str, tree: Path, work: Path) -> Result:
    """Take the grants out of one tree, run fixgrad over it, and judge."""
    kinds = strip_tree(tree, work)
    started = time.perf_counter()
    command = [sys.executable, "-m", "fixgrad", "--fix", "--quiet", "--exit-zero", str(work)]
    try:
        ended = subprocess.run(command, check=False, capture_output=True, timeout=LIMIT)
        problem = "fixgrad has a bug" if b"fixgrad has a bug" in ended.stderr else ""
    except subprocess.TimeoutExpired:
        problem = f"stopped after {LIMIT} s"
    return Result(name, judge(kinds, work), time.perf_counter() - started, problem)


def table(results: Sequence[Result]) -> str:
    """Return what the README shows."""
    rows = [f"{'evidence':20} {'restored':>8} {'of':>6} {'recall':>7}"]
    for kinds, title in [*(((c,), c) for c in CLASSES), (CLASSES, "all")]:
        restored = sum(r.count(*kinds, granted=True) for r in results)
        rows.append(_row(title, restored, sum(r.count(*kinds) for r in results)))
    rows.append(_row("without a demand", *(_total(results, NONE, granted=g) for g in (True, None))))
    wrong = _total(results, DATA, granted=True)
    restored = sum(r.count(*CLASSES, granted=True) for r in results)
    precision = restored / (restored + wrong) if restored + wrong else 1.0
    data = _total(results, DATA)
    rows += ["", f"wrong edits: {wrong} of {data} conversions of data; precision {precision:.3f}"]
    asking = [r for r in results if r.count(*CLASSES)]
    shares = [r.count(*CLASSES, granted=True) / r.count(*CLASSES) for r in asking]
    mean = sum(shares) / len(shares) if shares else 1.0
    clean = sum(not r.count(DATA, granted=True) for r in results)
    rows.append(
        f"by source: recall {mean:.3f} over {len(asking)} sources, all restored in"
        f" {sum(share == 1 for share in shares)}; nothing wrong in {clean} of {len(results)}"
    )
    return "\n".join(rows)


def _total(results: Sequence[Result], kind: str, *, granted: bool | None = None) -> int:
    return sum(result.count(kind, granted=granted) for result in results)


def _row(title: str, restored: int, of: int) -> str:
    return f"{title:20} {restored:8} {of:6} {restored / of if of else 1:7.3f}"


def by_source(results: Sequence[Result]) -> str:
    """Return a line for each source with something to restore or something wrong."""
    rows = [f"{'source':44} {'restored':>8} {'of':>4} {'wrong':>5} {'of':>5} {'time':>7}"]
    for r in results:
        if r.count(*CLASSES) or r.count(DATA, granted=True) or r.problem:
            done = (r.count(*CLASSES, granted=True), r.count(*CLASSES))
            wrong = (r.count(DATA, granted=True), r.count(DATA))
            row = (
                f"{r.name:44} {done[0]:8} {done[1]:4} {wrong[0]:5} {wrong[1]:5} {r.seconds:5.0f} s"
            )
            rows.append(f"{row}  {r.problem}".rstrip())
    return "\n".join(rows)


def listed(result: Result) -> Iterator[str]:
    """Yield every miss and every wrong edit of a source."""
    for kind, site, granted in result.verdicts:
        if kind in CLASSES and not granted:
            yield f"missed ({kind}): {result.name}/{site.path}:{site.line}"
        elif kind == DATA and granted:
            yield f"wrong: {result.name}/{site.path}:{site.line}"


def _trees(options: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Yield the sources, unpacked under the cache folder."""
    packages, repositories = pinned()
    cache: Path = options.cache
    for package in packages if options.trees is None else ():
        folder = cache / "trees" / package.name
        if options.only in (None, package.name):
            if not folder.exists():
                unpack_package(download(package, cache / "files", options.index), folder)
            yield package.name, folder
    for repository in repositories if options.trees is not None else ():
        folder = cache / "trees" / repository.name.replace("/", "+")
        if options.only in (None, repository.name):
            if not folder.exists():
                unpack_repository(repository, options.trees, folder)
            yield repository.name, folder


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.restore")
    parser.add_argument("--cache", type=Path, required=True, help="what is downloaded and made")
    parser.add_argument("--trees", type=Path, help="checkouts OWNER+NAME: do the repositories")
    parser.add_argument("--only", help="one source")
    parser.add_argument("--index", default=INDEX, help="the package index")
    parser.add_argument("--list", action="store_true", help="name every miss and wrong edit")
    options = parser.parse_args(arguments)
    results = []
    for name, tree in _trees(options):
        results.append(measure(name, tree, options.cache / "work" / tree.name))
        if options.list:
            print("\n".join(listed(results[-1])), flush=True)
    print(by_source(results), table(results), sep="\n\n")


if __name__ == "__main__":
    main(sys.argv[1:])
