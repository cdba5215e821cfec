"""The same program written otherwise: what fixgrad does to it must not depend on that.

A variant is a text and the way back from its repaired form; None where a program cannot be written so.
"""

from __future__ import annotations

import ast
import builtins
import io
import itertools
import re
import tokenize
from collections.abc import Callable
from typing import TypeAlias

Variant: TypeAlias = "tuple[dict[str, str], Callable[[dict[str, str]], str]] | None"
MAIN, OTHER = "main.py", "others_of_main.py"
_REMARK = "\n# a remark of no weight\n"
_HEAD, _TAIL = "def entry():\n", "\n\nentry()\n"
# What a function around it, or another name, would change.
_BOUND_TO_THE_FILE = re.compile(
    r"\b(global|__name__|globals|locals|vars|exec|eval|__future__|import \*)\b|import \*|\\\n|\r|\f"
)


def with_remarks(text: str) -> Variant:
    """Put a blank line and a comment before every definition."""
    lines = text.splitlines(keepends=True)
    for node in reversed(ast.parse(text).body):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            lines.insert(_first_line(node) - 1, _REMARK)
    return {MAIN: "".join(lines)}, lambda files: files[MAIN].replace(_REMARK, "")


def in_a_function(text: str) -> Variant:
    """Make the whole program the body of a function that is called."""
    if _BOUND_TO_THE_FILE.search(text) or _has_long_strings(text) or not text.endswith("\n"):
        return None
    lines = text.splitlines(keepends=True)
    body = "".join(f"    {line}" if line.strip() else line for line in lines)
    return {MAIN: _HEAD + body + _TAIL}, lambda files: _taken_out(files[MAIN])


def _taken_out(text: str) -> str:
    body = text.removeprefix(_HEAD).removesuffix(_TAIL)
    return "".join(line.removeprefix("    ") for line in body.splitlines(keepends=True))


def renamed(text: str) -> Variant:
    """Give the variables of the program names that say nothing."""
    if _BOUND_TO_THE_FILE.search(text):
        return None
    names = sorted(_variables(text))
    other = {name: f"zq{number}".ljust(len(name), "_") for number, name in enumerate(names)}
    back = {new: name for name, new in other.items()}
    found = "".join(_translated(text, other))
    return {MAIN: found}, lambda files: re.sub(
        r"\bzq\d+_*", lambda match: back.get(match[0], match[0]), files[MAIN]
    )


def _translated(text: str, other: dict[str, str]) -> list[str]:
    lines = text.splitlines(keepends=True)
    for token in reversed(_tokens(text)):
        if token.type == tokenize.NAME and token.string in other:
            row, start = token.start
            line = lines[row - 1]
            lines[row - 1] = line[:start] + other[token.string] + line[token.end[1] :]
    return lines


def _variables(text: str) -> set[str]:
    """Return the variables that are nothing else as well: no attribute, keyword or part of a text."""
    tokens = _tokens(text)
    taken = set(dir(builtins))
    for before, token in itertools.pairwise(tokens):
        if before.string == ".":
            taken.add(token.string)
    for token in tokens:
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            taken.update(re.findall(r"\w+", token.string))
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                found.add(name)
            case ast.keyword(arg=str(name)) | ast.FunctionDef(name=name):
                taken.add(name)
            case ast.ClassDef(name=name):
                inside = ast.walk(node)
                taken.update((name, *(n.id for n in inside if isinstance(n, ast.Name))))
            case ast.alias(name=name, asname=other):
                taken.update((name.partition(".")[0], other or ""))
            case ast.MatchClass(kwd_attrs=names):
                taken.update(names)
    return found - taken


def in_two_files(text: str) -> Variant:
    """Move the functions and classes into a file that the program imports them from."""
    tree = ast.parse(text)
    defined = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    if _BOUND_TO_THE_FILE.search(text) or not (defined and imports) or _share_globals(tree):
        return None
    lines = text.splitlines(keepends=True)
    moved = {n for d in defined for n in range(_first_line(d), (d.end_lineno or 0) + 1)}
    if any(_first_line(n) in moved for n in tree.body if n not in defined):
        return None  # on one line with a definition
    names = ", ".join(node.name for node in defined)
    last = max(node.end_lineno or 0 for node in imports)
    added = f"from {OTHER.removesuffix('.py')} import {names}\n"
    main = [f"{line}{added if n == last else ''}" for n, line in _numbered(lines) if n not in moved]
    ahead = [line for node in imports for line in lines[node.lineno - 1 : node.end_lineno]]
    other = "".join([*ahead, *(line for n, line in _numbered(lines) if n in moved)])

    def back(files: dict[str, str]) -> str:
        return files[OTHER].removeprefix("".join(ahead)) + files[MAIN].replace(added, "")

    return {MAIN: "".join(main), OTHER: other}, back


def definitions_first(text: str) -> str:
    """Return a repaired program as the way back from two files gives it."""
    tree = ast.parse(text)
    defined = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    moved = {n for d in defined for n in range(_first_line(d), (d.end_lineno or 0) + 1)}
    lines = list(_numbered(text.splitlines(keepends=True)))
    first = (line for n, line in lines if n in moved)
    return "".join([*first, *(line for n, line in lines if n not in moved)])


def _share_globals(tree: ast.Module) -> bool:
    """Say whether a definition uses a variable of the file."""
    stored: set[str] = set()
    used: set[str] = set()
    for node in tree.body:
        names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            used.update(n.id for n in names)
        else:
            stored.update(n.id for n in names if isinstance(n.ctx, ast.Store))
            stored.update(n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef))
    return not stored.isdisjoint(used)


def _numbered(lines: list[str]) -> list[tuple[int, str]]:
    return list(enumerate(lines, 1))


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min(node.lineno, *(d.lineno for d in decorators)) if decorators else node.lineno


def _tokens(text: str) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(text).readline))


def _has_long_strings(text: str) -> bool:
    nodes = ast.walk(ast.parse(text))
    return any(
        isinstance(n, ast.Constant | ast.JoinedStr) and n.end_lineno != n.lineno for n in nodes
    )
