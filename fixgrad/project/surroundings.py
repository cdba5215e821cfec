"""The files of a project that were not given: read for what they say of those that were, never changed.

Given one file of a repository, as by a commit hook, the others are looked into only as far as imports lead there,
or where a file mentions what a given one defines. What is wrong with them is nobody's business here.
"""

from __future__ import annotations

import functools
import os
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from fixgrad.project.discovery import files_in
from fixgrad.project.globs import Glob, matcher, skipped_by_default
from fixgrad.project.imports import Imports
from fixgrad.project.reading import decode, read_bytes
from fixgrad.project.roots import project_root, repository_root
from fixgrad.source import Problem, Source

MOST_LISTED = 4_000  # files of a project that are searched for mentions
MOST_NAMES = 20_000  # in the folders of a project that git does not know
MOST_FOLLOWED = 100  # files, to learn whether torch is in the project at all
MOST_COMPARED = 8  # folders of given files, to say which others are near
_NO_NAMES: frozenset[str] = frozenset()


class Surroundings(Imports):
    """What stands around the given files, by their paths as shown to the user."""

    def __init__(
        self,
        given: Collection[str],
        paths: Sequence[str] = (),
        exclude: Sequence[str | Glob] = (),
        unsaved: Mapping[str, bytes] | None = None,
        roots: Sequence[str] = (),
    ) -> None:
        self._here = os.getcwd().replace(os.sep, "/")
        self._places: dict[str, str] = {}  # by path
        self._in_order, self._given = given, frozenset(given)
        self._folders = [
            place for place in map(self._place, paths or (".",)) if os.path.isdir(place)
        ]
        self._excluded = matcher(exclude)
        self._names: dict[str, frozenset[str]] = {}
        self._tops: dict[str, str] = {}
        self._sources: dict[str, Source | None] = {}
        self._bytes: dict[str, bytes] = {}
        self._unsaved = unsaved or {}  # texts in an editor, by place, that count for the files
        self._others: list[str] | None = None
        super().__init__(self._listed_on_disk, self._top, _Lazily(self._known_places), roots)

    @functools.cached_property
    def _shown(self) -> dict[str, str]:
        """The given files, by place; a run that finds nothing changed never asks."""
        return {self._place(path): path for path in self._in_order}

    def _place(self, path: str) -> str:
        found = self._places.get(path)
        if found is None:
            found = self._places[path] = os.path.abspath(path).replace(os.sep, "/")
        return found

    def _path(self, place: str) -> str:
        known = self._shown.get(place)
        return known if known is not None else place.removeprefix(f"{self._here.rstrip('/')}/")

    def find(self, importer: str, name: str) -> str | None:
        """Return the path of the file that an import means."""
        folder = importer.endswith("/")
        found = super().find(self._place(importer) + "/" * folder, name)
        return None if found is None else self._path(found)

    def add_search(self, place: str, entries: Iterable[str]) -> None:
        """Note the folders that a file adds to `sys.path`."""
        super().add_search(self._place(place), entries)

    def read(self, path: str) -> Source | None:
        """Read a file that was not given; None where that cannot be done."""
        if path not in self._sources:
            data = self._data(path)
            source = decode(path, data) if data else None
            self._sources[path] = None if isinstance(source, Problem) else source
        return self._sources[path]

    def looked_at(self) -> tuple[tuple[str, ...], dict[str, frozenset[str]]] | None:
        """Return the other files that were read, and the names in the folders that were listed.

        None where files nearby were searched for mentions: then any file that comes into being matters.
        """
        return None if self._others else (tuple(sorted(self._bytes)), dict(self._names))

    def listing(self, folder: str) -> frozenset[str]:
        """Return the names in a folder that imports may mean."""
        return self._list(folder)

    def leads_to_torch(self, contents: Mapping[str, bytes]) -> bool:
        """Say whether what some files import, or what that imports, mentions torch."""
        pending, seen = dict(contents), set(contents)
        while pending and len(seen) < MOST_FOLLOWED:
            path = next(iter(pending))
            for name in _imported_names(pending.pop(path).decode("utf-8", "replace")):
                found = self.find(path, name)
                if found is None or found in seen or found.endswith("/"):
                    continue
                seen.add(found)
                pending[found] = self._data(found)
                if b"torch" in pending[found]:
                    return True
        return False

    def mentioning(self, modules: Iterable[str], names: Iterable[str]) -> Iterator[str]:
        """Yield the files nearby that import something called like one of the modules, and name it."""
        stems = "|".join(sorted(map(re.escape, modules)))
        pattern = rf"\b(?:from|import|import_module)\b[^\n(]*(?:\([^)]*?)?\b(?:{stems})\b"
        imported = re.compile(
            pattern.encode("utf-8", "surrogateescape")
        )  # a file's name may be no text
        wanted = [name.encode() for name in names]
        for path in self._nearby():
            data = self._data(path)
            named = path.endswith("__init__.py") or any(name in data for name in wanted)
            if named and imported.search(data):
                yield path

    def _data(self, path: str) -> bytes:
        if path not in self._bytes:
            known = self._unsaved.get(self._place(path))
            data = read_bytes(path) if known is None else known
            self._bytes[path] = b"" if isinstance(data, Problem) else data
        return self._bytes[path]

    def _listed_on_disk(self, folder: str) -> Collection[str]:
        names = self._names.get(folder)
        if names is None:
            names = self._names[folder] = self._list(folder)
        return names

    def _list(self, folder: str) -> frozenset[str]:
        try:
            found = os.listdir(folder or "/")
        except OSError:
            return _NO_NAMES
        kept = (n for n in found if n.endswith(".py") or not ("." in n or skipped_by_default(n)))
        return frozenset(n for n in kept if not self._left_out(f"{folder}/{n}"))

    def _left_out(self, place: str) -> bool:
        path = self._path(place)
        return self._excluded(path) and path not in self._given

    def _top(self, folder: str) -> str:
        """Return where the project of a folder begins: further up, nothing is looked for."""
        if folder not in self._tops:
            around = [f for f in self._folders if _holds(f, folder)]
            self._tops[folder] = min(
                [*around, repository_root(folder) or self._root(folder)], key=len
            )
        return self._tops[folder]

    def _root(self, folder: str) -> str:
        """Return the project's folder: what is marked as one, or where fixgrad was started."""
        marked = project_root(folder)
        if marked is not None:
            return marked
        home = os.path.expanduser("~").replace(os.sep, "/")
        anywhere = _holds(self._here, home)  # "/", or the home folder itself
        return self._here if _holds(self._here, folder) and not anywhere else folder

    def _nearby(self) -> list[str]:
        """Return the other files of the given ones' projects, the nearest first."""
        if self._others is None:
            folders = sorted({posixpath.dirname(place) for place in self._shown})
            found: dict[str, None] = {}
            for top in sorted({self._root(folder) for folder in folders}):
                if any(_holds(folder, top) for folder in self._folders):
                    continue  # all of it was given
                inside = (f"{top}/{name}" for name, _ in self._files_in(top))
                others = [place for place in inside if place not in self._shown]
                nearness = _nearness(
                    [folder for folder in folders[:MOST_COMPARED] if _holds(top, folder)]
                )
                found.update(dict.fromkeys(sorted(others, key=nearness)[:MOST_LISTED]))
            self._others = [self._path(place) for place in found]
        return self._others

    def _files_in(self, top: str) -> Iterator[tuple[str, bool]]:
        return files_in(top, lambda inside: self._left_out(f"{top}/{inside}"), most=MOST_NAMES)

    def _known_places(self) -> Iterator[str]:
        yield from self._shown
        yield from map(self._place, self._nearby())


_IMPORT = (
    r"(?m)^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import\b[ \t(]*([\w, \t]*)|import[ \t]+([\w., \t]+))"
)


def _imported_names(text: str) -> Iterator[str]:
    """Yield what a file imports, dotted, as far as it stands in the first line of an import."""
    for origin, members, modules in re.findall(_IMPORT, text):
        for part in (members or modules).split(","):
            name = part.split()[0] if part.split() else ""
            if modules and name:
                yield name
            elif name:
                yield f"{origin}{name}" if origin.endswith(".") else f"{origin}.{name}"
        if origin:
            yield origin


class _Lazily:
    """An iterable that is asked for only when it is needed."""

    def __init__(self, ask: Callable[[], Iterator[str]]) -> None:
        self._ask = ask

    def __iter__(self) -> Iterator[str]:
        return self._ask()


def _holds(folder: str, other: str) -> bool:
    return f"{other}/".startswith(f"{folder.rstrip('/')}/")


def _nearness(folders: list[str]) -> Callable[[str], tuple[int, str]]:
    """Return a key that sorts files by how far up they part from the given ones."""

    def key(place: str) -> tuple[int, str]:
        shared = (len(posixpath.commonpath((folder, place))) for folder in folders)
        return -max(shared, default=0), place

    return key
