"""From bytes on disk to a `Source`; what cannot be read becomes a `Problem`."""

from __future__ import annotations

import codecs
import os
import re
import stat
from _blake2 import blake2b
from collections.abc import Callable, Iterable, Mapping

from fixgrad.source import Problem, Source

MAX_BYTES = 2 * 1024 * 1024
MAX_NOTEBOOK_BYTES = 64 * 1024 * 1024  # nearly all of it outputs

_BOM = b"\xef\xbb\xbf"
_FIRST_LINES = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)?")


def is_notebook(path: str) -> bool:
    """Say whether a file is read as a Jupyter notebook."""
    return path.endswith(".ipynb")


def mentions_torch(text: str, words: Iterable[str] = ()) -> bool:
    """Say whether a file can matter by itself: without this word no tensor is made in it.

    `words` are others of which the user says that they make one.
    """
    return "torch" in text or any(word in text for word in words)


def is_file(path: str) -> bool:
    """Say whether there is a regular file of that name."""
    return os.path.isfile(path)


def read(path: str, *, max_bytes: int | None = None) -> Source | Problem:
    """Read one file with its encoding, byte order mark and newlines as they stand."""
    data = read_bytes(path, max_bytes=max_bytes)
    return data if isinstance(data, Problem) else decode(path, data)


def read_all(
    paths: Iterable[str],
    *,
    max_bytes: int | None = None,
    leads_to_torch: Callable[[Mapping[str, bytes]], bool] = lambda contents: False,
    words: Iterable[str] = (),
) -> tuple[list[Source], list[Problem]]:
    """Read the files of a project; where nothing leads to torch, nothing is even decoded.

    A notebook is nobody's module: one that does not mention torch itself, or one of the `words`,
    is passed over.
    """
    known = tuple(word.encode() for word in ("torch", *words))
    contents: dict[str, bytes] = {}
    problems: list[Problem] = []
    for path in paths:
        data = read_bytes(path, max_bytes=max_bytes)
        if isinstance(data, Problem):
            problems.append(data)
        elif not is_notebook(path) or any(word in data for word in known):
            contents[path] = data
    sources: list[Source] = []
    mentioned = any(word in data for data in contents.values() for word in known)
    if mentioned or leads_to_torch(contents):
        for path in list(contents):
            source = decode(path, contents.pop(path))
            if isinstance(source, Problem):
                problems.append(source)
            elif source.notebook is None or mentions_torch(source.text, words):
                sources.append(source)
    return sources, sorted(problems)


def read_bytes(path: str, *, max_bytes: int | None = None) -> bytes | Problem:
    """Read a regular file whole; a pipe or a device is refused and never waited for."""
    limit = MAX_NOTEBOOK_BYTES if is_notebook(path) else MAX_BYTES
    max_bytes = limit if max_bytes is None else max_bytes
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return _problem(path, "the file is gone; it was there when the files were listed")
    except PermissionError:
        return _problem(
            path, "permission denied; make the file readable or leave it out with --exclude"
        )
    except (OSError, ValueError) as error:
        return _problem(path, f"cannot be opened: {_reason(error)}")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return _problem(path, "not a regular file; fixgrad reads Python files")
        if status.st_size > max_bytes:
            return _problem(path, _too_large(status.st_size, max_bytes))
        return _read_descriptor(descriptor, status.st_size)
    except OSError as error:
        return _problem(path, f"cannot be read: {_reason(error)}")
    finally:
        os.close(descriptor)


def decode(path: str, data: bytes) -> Source | Problem:
    """Turn the bytes of a file, or of standard input, into a `Source`."""
    if is_notebook(path):
        from fixgrad.project.notebooks import read_notebook  # noqa: PLC0415  (it loads json)

        return read_notebook(path, data, digest(data))
    null = data.find(0)
    if null >= 0:
        return _problem_at(path, data, null, "a null byte, which no Python file may hold")
    try:
        encoding = _encoding(data)
    except SyntaxError as error:
        return Problem(path, 1, 0, f"{error.msg}; correct the encoding declaration")
    bom = data.startswith(_BOM)
    try:
        text = (data[3:] if bom else data).decode(encoding)
    except UnicodeDecodeError as error:
        place = error.start + 3 * bom
        message = f"byte 0x{data[place]:02x} is not valid {encoding}"
        return _problem_at(path, data, place, f"{message}; declare the file's encoding (PEP 263)")
    except (UnicodeError, LookupError) as error:
        return Problem(path, 1, 0, f"not readable as {encoding}: {error}")
    return Source(path, text, encoding, bom, digest(data))


def from_text(path: str, text: str) -> Source | Problem:
    """Turn a text that was decoded elsewhere into a `Source`, whatever encoding it declares."""
    data = text.encode("utf-8", "surrogatepass")
    if is_notebook(path):
        return decode(path, data)
    null = text.find("\0")
    if null >= 0:
        return _problem_at(path, data, data.find(0), "a null byte, which no Python file may hold")
    return Source(path, text.removeprefix("\ufeff"), "utf-8", text[:1] == "\ufeff", digest(data))


def digest(data: bytes) -> str:
    """Return what tells one content of a file from another."""
    return blake2b(data, digest_size=20).hexdigest()


def _encoding(data: bytes) -> str:
    """Return the encoding by PEP 263; most files declare none and take the short way."""
    first = _FIRST_LINES.match(data)
    second = _FIRST_LINES.match(data, first.end()) if first else None
    if first is None or second is None or b"coding" not in data[: second.end()]:
        return "utf-8"
    import tokenize  # noqa: PLC0415  (6 ms, and few files need it)

    # Python counts CR alone as a line's end too; readline() on the bytes would not.
    lines = iter([first.group(), second.group()])
    encoding, _ = tokenize.detect_encoding(lambda: next(lines, b""))
    return codecs.lookup(encoding.removesuffix("-sig")).name


def _read_descriptor(descriptor: int, size: int) -> bytes:
    chunks: list[bytes] = []
    while chunk := os.read(descriptor, max(size + 1, 4096)):
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _problem(path: str, message: str) -> Problem:
    return Problem(path, 0, 0, message)


def _problem_at(path: str, data: bytes, offset: int, message: str) -> Problem:
    before = data[:offset].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    column = offset - 1 - max(data.rfind(b"\n", 0, offset), data.rfind(b"\r", 0, offset))
    return Problem(path, before.count(b"\n") + 1, column, message)


def _too_large(size: int, limit: int) -> str:
    sizes = f"{size / 2**20:.1f} MiB, the limit is {limit / 2**20:g} MiB"
    return f"too large to analyse ({sizes}); leave it out with --exclude"


def _reason(error: OSError | ValueError) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text[:1].lower() + text[1:]
