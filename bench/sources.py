"""Other people's code at pinned versions: packages from the package index, repositories from
checkouts. Only the text of their Python files and notebooks is unpacked; none of it is run."""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
import subprocess
import sys
import tarfile
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PINNED = Path(__file__).with_name("sources.toml")
INDEX = "https://pypi.org/simple/"
LARGEST = 600_000  # bytes; larger files are data


class Package(NamedTuple):
    """A file of the package index."""

    name: str
    version: str
    file: str
    sha256: str


class Repository(NamedTuple):
    """A repository as of a commit."""

    name: str
    commit: str


def pinned() -> tuple[list[Package], list[Repository]]:
    """Return the pinned sources."""
    listed = tomllib.loads(PINNED.read_text("utf-8"))
    packages = [Package(*row) for row in listed["package"]]
    return packages, [Repository(*row) for row in listed["repository"]]


def download(package: Package, folder: Path, index: str = INDEX) -> Path:
    """Return the file of a package, from the folder or the index, with the pinned digest.

    pip would run the build scripts of a source distribution even to download it.
    """
    path = folder / package.file
    if not path.exists():
        page = urllib.parse.urljoin(index, re.sub(r"[-_.]+", "-", package.name).lower() + "/")
        text = _read(page).decode()
        link = re.search(rf'href="([^"]+)"[^>]*>\s*{re.escape(package.file)}\s*<', text)
        if link is None:
            raise LookupError(f"the package index does not have {package.file}")
        data = _read(urllib.parse.urljoin(page, html.unescape(link[1])))
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    if hashlib.sha256(path.read_bytes()).hexdigest() != package.sha256:
        raise ValueError(f"{path} is not the pinned file")
    return path


def _read(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=180) as answer:
        data: bytes = answer.read()
    return data


def unpack_package(archive: Path, folder: Path) -> None:
    """Write the Python text of a wheel or a source distribution under a folder."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as packed:
            for name in packed.namelist():
                if _wanted(name):
                    _put(folder, name, packed.read(name))
        return
    for name, data in _tar(archive.read_bytes()):
        _put(folder, name.partition("/")[2], data)


def unpack_repository(repository: Repository, trees: Path, folder: Path) -> None:
    """Write the Python text of a repository under a folder; TREES/owner+name has its git data."""
    checkout = trees / repository.name.replace("/", "+")
    if (checkout / "repo").is_dir():
        checkout = checkout / "repo"
    git = ["git", "-C", str(checkout)]
    command = [*git, "ls-tree", "-r", "-z", repository.commit]
    entries = subprocess.run(command, check=True, capture_output=True).stdout.split(b"\0")
    split = [entry.decode("utf-8", "replace").partition("\t") for entry in entries]
    wanted = {name: entry.split()[2] for entry, _, name in split if _wanted(name)}
    asked = "".join(f"{digest}\n" for digest in wanted.values()).encode()
    # Not `git archive`: a checkout without its large files cannot be packed whole.
    command = [*git, "cat-file", "--batch"]
    answer = io.BytesIO(
        subprocess.run(command, input=asked, check=True, capture_output=True).stdout
    )
    for name in wanted:
        _, kind, *size = answer.readline().split()
        if kind == b"blob":
            _put(folder, name, answer.read(int(size[0])))
            answer.read(1)


def _tar(data: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        for member in packed:
            if member.isfile() and _wanted(member.name):
                file = packed.extractfile(member)
                assert file is not None
                yield member.name, file.read()


def _wanted(name: str) -> bool:
    path = PurePosixPath(name)
    plain = not path.is_absolute() and ".." not in path.parts
    return plain and path.suffix in (".py", ".ipynb")


def _put(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    if path.suffix == ".ipynb":
        data = notebook_text(data)
        path = path.with_name(f"{path.stem}_ipynb.py")
    if data and len(data) <= LARGEST:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def notebook_text(data: bytes) -> bytes:
    """Return the code cells of a notebook as one program, without what only IPython runs."""
    try:
        cells = json.loads(data).get("cells", [])
    except ValueError:
        return b""
    texts = ["".join(c.get("source", "")) for c in cells if c.get("cell_type") == "code"]
    kept = [text for text in texts if not text.lstrip().startswith("%%")]
    lines = "\n\n".join(kept).splitlines()
    return "\n".join(re.sub(r"^(\s*)([%!?].*)$", r"\1pass  # \2", line) for line in lines).encode()
