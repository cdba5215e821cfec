"""Which file an import means, as Python would find it: by names of files alone, nothing is run.

A place is a file's path with forward slashes. Nobody says from where a program will be started, so what
`sys.path` will hold is reckoned: the folder of the script, or the one around its package; the folders that
the program adds; then those further up, each with its `src`, as when it is started from there.
"""

from __future__ import annotations

import posixpath
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator

Listed = Callable[[str], Collection[str]]  # a folder -> the names in it

_INIT = "__init__.py"
_SOURCES = ("src", "lib", "python")
# Installed, and never meant by a file of that name further up or down.
_INSTALLED = frozenset(
    ("torch", "numpy", "scipy", "torchvision", "pytest", *sys.stdlib_module_names)
)


class Imports:
    """Finds files by the names that other files import them under."""

    def __init__(
        self,
        listed: Listed,
        top_of: Callable[[str], str] = lambda folder: "",
        known: Iterable[str] = (),
        roots: Iterable[str] = (),
    ) -> None:
        self._listed = listed
        self._top_of = top_of  # where a folder's project begins
        self._known = known
        # Folders that the user names.
        self._roots = tuple("" if root == "." else root for root in roots)
        self._packages: dict[str, set[str]] | None = None  # where packages of a name are
        self._added: dict[str, tuple[str, ...]] = {}
        self._cache: dict[tuple[str, str], str | None] = {}

    def add_search(self, place: str, entries: Iterable[str]) -> None:
        """Note the folders that a file adds to `sys.path`, as seen from its own folder."""
        folder = posixpath.dirname(place)
        here = (posixpath.normpath(posixpath.join(folder, entry)) for entry in entries)
        found = tuple("" if entry == "." else entry for entry in here)
        if found:
            # What a conftest.py adds is there for all tests around it.
            owner = f"{folder}/" if posixpath.basename(place) == "conftest.py" else place
            self._added[owner] = found
            self._cache.clear()

    def find(self, importer: str, name: str) -> str | None:
        """Return the file that an import means, "folder/" for a namespace, None for what is not ours."""
        folder = posixpath.dirname(importer)
        key = (importer if importer in self._added else folder, name)
        if key not in self._cache:
            self._cache[key] = self._find(importer, folder, name)
        return self._cache[key]

    def _find(self, importer: str, folder: str, name: str) -> str | None:
        bare = name.lstrip(".")
        level = len(name) - len(bare)
        parts = bare.split(".") if bare else []
        if level:
            for _ in range(level - 1):
                if folder in ("", "/"):
                    return None
                folder = posixpath.dirname(folder)
            return self._descend(folder, parts)
        if not parts:
            return None
        namespace = None
        for searched in dict.fromkeys(self._search_path(importer, folder, parts[0])):
            found = self._descend(searched, parts)
            if found is not None and not found.endswith("/"):
                return found
            namespace = namespace or found
        return namespace if namespace or parts[0] in _INSTALLED else self._elsewhere(parts)

    def _search_path(self, importer: str, folder: str, first: str) -> Iterator[str]:
        """Yield the folders that an absolute import looks into, the most certain first."""
        root, top = folder, self._top_of(folder)
        while root not in ("", "/") and _INIT in self._listed(root):
            root = posixpath.dirname(root)
        if root == folder:
            yield folder  # as a script
        yield from self._added.get(importer, ())
        yield root
        yield from self._roots
        if first in _INSTALLED:
            return
        inner = folder
        while inner != root:  # a script inside a package, started by its path
            yield inner
            inner = posixpath.dirname(inner)
        yield from self._added_around(folder)
        while True:
            yield root
            yield from (posixpath.join(root, name) for name in _SOURCES)
            if root in (top, "", "/"):
                break
            root = posixpath.dirname(root)

    def _added_around(self, folder: str) -> Iterator[str]:
        while True:
            yield from self._added.get(f"{folder}/", ())
            if folder in ("", "/"):
                break
            folder = posixpath.dirname(folder)

    def _descend(self, folder: str, parts: list[str]) -> str | None:
        """Follow a dotted name downwards; a package wins over a file, a file over a bare folder."""
        for number, part in enumerate(parts):
            names = self._listed(folder)
            inner = posixpath.join(folder, part)
            if part in names and self._listed(inner):
                folder, below = inner, self._listed(inner)
                if _INIT not in below and f"{part}.py" in names:
                    return f"{inner}.py" if number == len(parts) - 1 else None
            elif f"{part}.py" in names:
                return f"{inner}.py" if number == len(parts) - 1 else None
            else:
                return None
        if _INIT in self._listed(folder):
            return posixpath.join(folder, _INIT)
        return f"{folder}/" if parts and self._holds_code(folder) else None

    def _holds_code(self, folder: str) -> bool:
        names = self._listed(folder)
        if any(name.endswith(".py") for name in names):
            return True
        return any(_INIT in self._listed(posixpath.join(folder, name)) for name in names)

    def _elsewhere(self, parts: list[str]) -> str | None:
        """Find a package by its name anywhere in the project, as if it were installed."""
        if self._packages is None:
            self._packages = defaultdict(set)
            for place in self._known:
                folder, name = posixpath.split(place)
                around = posixpath.dirname(folder)
                if name == _INIT and folder and _INIT not in self._listed(around):
                    self._packages[posixpath.basename(folder)].add(around)
        folders = self._packages.get(parts[0], set())
        return self._descend(next(iter(folders)), parts) if len(folders) == 1 else None


def listing(places: Iterable[str]) -> Listed:
    """Return what is in each folder, as far as these files tell."""
    found: dict[str, set[str]] = defaultdict(set)
    for place in places:
        folder, name = posixpath.split(place)
        while name and name not in found[folder]:
            found[folder].add(name)
            folder, name = posixpath.split(folder)
    nothing: frozenset[str] = frozenset()
    return lambda folder: found.get(folder, nothing)
