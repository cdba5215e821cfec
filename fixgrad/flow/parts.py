"""The parts of a project that have nothing to do with each other: no import leads from one to another.

What is concluded of one part does not depend on the others, so each is followed by itself: in its own process, or
not at all where the same was concluded before. The division is coarse, as what a program reaches by attributes,
or by names that it puts together, is not known before it is followed.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping

from fixgrad.flow.ir import Module
from fixgrad.flow.names import Find, names_of

_BY_NAME = frozenset(("import_module", ".import_module", "__import__", ".__import__"))


def parts(modules: Mapping[str, Module], find: Find) -> list[tuple[str, ...]]:
    """Return the paths of the files of each part, in order."""
    groups = _Groups(modules)
    opened: set[str] = set()  # folders of which any file may be meant
    for path, module in modules.items():
        for found in _leads_to(module, find):
            if found in modules:
                groups.join(path, found)
            folder = _opened(found)
            if folder is not None:
                opened.add(folder)
                groups.join(path, folder)
        if _imports_by_name(module):
            folder = _outermost(path, modules)
            opened.add(folder)
            groups.join(path, folder)
        if posixpath.basename(path) == "conftest.py":
            groups.join(path, posixpath.dirname(path) + "/tests")
    for path in modules:
        for folder in _above(path):
            if folder in opened:
                groups.join(path, folder)
            if posixpath.join(folder, "conftest.py") in modules and _is_test(path):
                groups.join(path, folder + "/tests")
    return groups.found(modules)


class _Groups:
    """Sets that are joined: each member points to another of its set, or to itself."""

    def __init__(self, members: Iterable[str]) -> None:
        self._points_to = {member: member for member in members}

    def _first(self, member: str) -> str:
        points_to = self._points_to
        first = points_to.setdefault(member, member)
        while points_to[first] != first:
            first = points_to[first]
        while points_to[member] != first:
            points_to[member], member = first, points_to[member]
        return first

    def join(self, one: str, other: str) -> None:
        """Put the sets of two members together."""
        self._points_to[self._first(one)] = self._first(other)

    def found(self, members: Iterable[str]) -> list[tuple[str, ...]]:
        """Return the sets, without what only held them together."""
        by_first: dict[str, list[str]] = {}
        for member in sorted(members):
            by_first.setdefault(self._first(member), []).append(member)
        return sorted(map(tuple, by_first.values()))


def _leads_to(module: Module, find: Find) -> Iterator[str]:
    """Yield what the imports of a file may run or bind: files, and folders with a slash behind."""
    for local, name, member in module.imports:
        for dotted in names_of(local, name, member):
            found = find(module.path, dotted)
            if found is not None:
                yield found
        bare = name.lstrip(".")
        dots, steps = name[: len(name) - len(bare)], bare.split(".")
        for n in range(1, len(steps)):  # Python runs the packages around it
            found = find(module.path, dots + ".".join(steps[:n]))
            if found is not None and not found.endswith("/"):
                yield found


def _opened(found: str) -> str | None:
    """Return the folder of a package, below which attributes may lead."""
    if found.endswith("/"):
        return found.rstrip("/")
    return posixpath.dirname(found) if posixpath.basename(found) == "__init__.py" else None


def _imports_by_name(module: Module) -> bool:
    return any(not _BY_NAME.isdisjoint(function.tokens) for function in module.functions)


def _outermost(path: str, modules: Mapping[str, Module]) -> str:
    """Return the outermost package that a file is in, for a script its folder."""
    folder = posixpath.dirname(path)
    while f"{posixpath.dirname(folder)}/__init__.py" in modules:
        folder = posixpath.dirname(folder)
    return folder


def _above(path: str) -> Iterator[str]:
    folder = posixpath.dirname(path)
    while folder not in ("", "/"):
        yield folder
        folder = posixpath.dirname(folder)
    yield folder


def _is_test(path: str) -> bool:
    name = posixpath.basename(path)
    return name.startswith("test") or name.endswith("_test.py")
