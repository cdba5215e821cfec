"""From the paths on the command line to the files to read, in a stable order."""

from __future__ import annotations

import math
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from fixgrad.errors import FixgradError
from fixgrad.project.globs import Glob, matcher, skipped_by_default
from fixgrad.project.roots import git_root

if TYPE_CHECKING:
    import subprocess

_PYTHON = (".py", ".ipynb")
_GIT_OVERRIDES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")


def find_files(
    paths: Sequence[str],
    *,
    exclude: Sequence[str | Glob] = (),
    gitignore: bool = True,
    named_too: bool = True,
) -> tuple[str, ...]:
    """Return the Python files under `paths`, each once, sorted, relative where they were given so.

    In folders only `.py` and `.ipynb` files are taken; what git ignores, virtual environments, caches, build
    folders and nested repositories are left out, and links to folders are not followed. A file
    given by name is always taken, whatever it is called. `exclude` holds for both, unless
    `named_too` is false; without `gitignore`, what git ignores is taken too.
    """
    excluded = matcher(exclude)
    by_place: dict[str, tuple[bool, str]] = {}  # where the file is -> (reached by a link, its name)
    for given in paths or (".",):
        named = excluded if named_too else lambda path: False
        for path, place, linked in _find(given, excluded, named, gitignore):
            by_place[place] = min((linked, path), by_place.get(place, (True, "\U0010ffff")))
    return tuple(sorted(path for _, path in by_place.values()))


def _find(
    given: str,
    excluded: Callable[[str], bool],
    named: Callable[[str], bool],
    gitignore: bool,
) -> Iterator[tuple[str, str, bool]]:
    try:
        path = as_shown(given)
        is_folder = stat.S_ISDIR(os.stat(given).st_mode)
        if is_folder:
            os.scandir(given).close()  # below, a folder that may not be listed is passed over
    except (OSError, ValueError) as error:
        raise FixgradError(f"{given}: {_why_not(error)}; {_hint(given)}") from error
    place = os.path.realpath(given)
    if not is_folder:
        if not named(path):
            yield path, place, os.path.islink(given)
        return
    prefix = "" if path == "." else f"{path.rstrip('/')}/"
    inner = files_in(place, lambda inside: excluded(prefix + inside), gitignore=gitignore)
    within = os.path.join(place, "")
    for inside, linked in inner:
        target = within + inside
        yield prefix + inside, os.path.realpath(target) if linked else target, linked


def files_in(
    folder: str,
    excluded: Callable[[str], bool],
    *,
    most: float = math.inf,
    gitignore: bool = True,
) -> Iterator[tuple[str, bool]]:
    """Yield the Python files in a folder, relative to it, and whether each is a link.

    Without git, only so many names are looked at, those in the folder itself first.
    """
    listed = _listed_by_git(folder) if gitignore and git_root(folder) else None
    if listed is None:
        yield from _walk(folder, excluded, most, gitignore)
        return
    environments = tuple(
        entry.removesuffix("pyvenv.cfg") for entry in listed if entry.endswith("/pyvenv.cfg")
    )
    for entry in listed:
        if not entry.endswith(_PYTHON) or entry.startswith(environments):
            continue
        if any(map(skipped_by_default, entry.split("/")[:-1])) or excluded(entry):
            continue
        linked = _kind_of_entry(folder, entry)
        if linked is not None:
            yield entry, linked


def _listed_by_git(folder: str) -> list[str] | None:
    """List a folder as git sees it; None where git cannot say or ignores the folder itself."""
    try:
        listing = asked_git(folder, "ls-files", "-co", "--exclude-standard", "-z")
        if listing.returncode:
            return None
        if listing.stdout:
            return sorted(set(os.fsdecode(listing.stdout).split("\0")) - {""})
        ignored = asked_git(folder, "check-ignore", "-q", ".")
    except OSError:
        return None
    return None if ignored.returncode == 0 else []


def asked_git(folder: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Ask git about a folder, whatever the environment says of another repository."""
    import subprocess  # noqa: PLC0415  (15 ms, and only folders in a git work tree need it)

    environment = {key: value for key, value in os.environ.items() if key not in _GIT_OVERRIDES}
    # A repository's own settings may name a program for git to start: never do that.
    git = ("git", "-c", "core.fsmonitor=false", "-C", folder)
    return subprocess.run([*git, *arguments], capture_output=True, check=False, env=environment)


def _walk(
    folder: str, excluded: Callable[[str], bool], most: float, gitignore: bool
) -> Iterator[tuple[str, bool]]:
    """Walk a folder that git knows nothing of; a repository met on the way is asked of git."""
    waiting = deque([""])
    while waiting and most > 0:
        prefix = waiting.popleft()
        inner = os.path.join(folder, prefix)
        entries = _entries(inner)
        if prefix and gitignore and _holds(inner, ".git", entries):
            yield from _repository(inner, prefix, excluded)
            continue
        if prefix and _holds(inner, "pyvenv.cfg", entries):
            continue
        for name, kind in entries.items():
            most -= 1
            entry = prefix + name
            if kind is _FOLDER:
                if not skipped_by_default(name) and not excluded(entry):
                    waiting.append(entry + "/")
            elif name.endswith(_PYTHON) and not excluded(entry):
                linked = False if kind is _FILE else _kind_of_entry(folder, entry)
                if linked is not None:
                    yield entry, linked


def _holds(folder: str, name: str, entries: dict[str, str]) -> bool:
    return name in entries and os.path.exists(os.path.join(folder, name))


def _repository(
    folder: str, prefix: str, excluded: Callable[[str], bool]
) -> Iterator[tuple[str, bool]]:
    for inside, linked in files_in(folder, lambda inside: excluded(prefix + inside)):
        yield prefix + inside, linked


_FOLDER, _FILE, _OTHER = "folder", "file", "other"


def _entries(folder: str) -> dict[str, str]:
    """Return what is in a folder, by its name; most systems tell its kind without being asked again."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: _kind(entry) for entry in entries}
    except OSError:
        return {}  # a folder that may not be listed, or vanished: as git does


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_file(follow_symlinks=False):
        return _FILE
    return _FOLDER if entry.is_dir(follow_symlinks=False) else _OTHER


def _kind_of_entry(folder: str, entry: str) -> bool | None:
    """Say whether a file found in a folder is a link; None where it is not to be read.

    A link that leads out of the folder is somebody else's file, as Black has it.
    """
    path = os.path.join(folder, entry)
    try:
        mode = os.lstat(path).st_mode
        if not stat.S_ISLNK(mode):
            return False if stat.S_ISREG(mode) else None
        inside = os.path.realpath(path).startswith(folder.rstrip(os.sep) + os.sep)
        return True if inside and stat.S_ISREG(os.stat(path).st_mode) else None
    except OSError:
        return None  # deleted, or a link to nothing


def as_shown(given: str) -> str:
    """Return a path as messages name it: relative where it lies in the current folder."""
    here = os.getcwd().rstrip(os.sep) + os.sep
    path = (given + os.sep).removeprefix(here).replace(os.sep, "/")
    absolute = "/" if path.startswith("/") else ""
    return absolute + "/".join(part for part in path.split("/") if part not in ("", ".")) or "."


def _hint(given: str) -> str:
    """Return what a path may be meant to be: one of Windows, where that means nothing."""
    meant = given.replace("\\", "/")
    return (
        f"did you mean {meant}?" if meant != given and os.path.exists(meant) else "check the path"
    )


def _why_not(error: OSError | ValueError) -> str:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return "no such file or folder"
    if isinstance(error, PermissionError):
        return "permission denied"
    return str(error.strerror if isinstance(error, OSError) else error).lower()
