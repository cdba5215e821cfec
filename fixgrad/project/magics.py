"""IPython's own syntax in a cell: in its place stands Python that says what is known of it.

The lines keep their number. What only talks to the shell or the front end becomes `pass`; a magic
that runs code of its own may do anything to the names it mentions, and becomes a call that may.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fixgrad.source import split_lines


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The body is run where it stands, once.
_TRANSPARENT = _names("capture debug memit prun pyinstrument scalene snakeviz time wandb")
# The body is no Python, or runs in another process, or is only written to a file.
_FOREIGN = _names(
    "! HTML R SQL SVG bash bigquery cmd cpp file html javascript js julia latex markdown md perl "
    "pypy python python2 python3 r ruby scala script sh sql svg sx system writefile"
)
# Databricks writes what is no Python under a first line with one sign.
_FOREIGN_FIRST_LINE = _names("fs md r scala sh")
_HARMLESS = _names(
    "aimport autoreload autosave bookmark cd colors conda config cp dhist dirs doctest_mode ed env "
    "gui hist history lf ll load_ext logoff logon logstart logstop ls lsmagic lx magic man mamba "
    "matplotlib mkdir more mv notebook page pastebin pdb pdoc pfile pinfo pinfo2 pip popd pprint "
    "precision psearch psource pushd pwd pycat quickref reload_ext rehashx rm rmdir save sc "
    "set_env shell sx system tensorboard tensorflow_version unload_ext uv watermark who who_ls "
    "whos writefile xmode"
)
_RUNS_ON_ITS_OWN = _names("lprun memit mprun prun timeit")  # binds no name
_AUTOMAGIC = _HARMLESS | {"cat", "grep", "less", "tail", "head"}
_PYLAB = "import numpy, numpy as np; from numpy import *"
_CALL = "magic_may_set_grad"  # a name of the kind by which unknown code is known to grant

_CANDIDATE = re.compile(r"(?m)^[ \t]*[%!?,;/]|=[ \t]*[%!]|\?[ \t]*$")
_MAGIC = re.compile(r"(?P<indent>\s*)(?P<sign>%%?|!!?|\?\??|[,;/])(?P<rest>.*)", re.DOTALL)
_ASSIGNED = re.compile(
    r"(?P<target>\s*[^\s=#!%?][^=#]*?=)\s*(?P<sign>%(?=\w)|!)(?P<rest>.*)", re.DOTALL
)
_WORD = re.compile(r"(?<![\w.])[^\W\d]\w*(?P<used>\s*[.(])?")
_COMPOUND = re.compile(r"(?:async|class|def|for|if|match|try|while|with|@|-)\b|[-@%!]|\Z")
_MARGIN = re.compile(r"[ \t]+")
_COMMAND = re.compile(r"(\w+)(?:[ \t]+[^=\s].*)?")
_MODULE = re.compile(r"(?:\./)*([\w/]+?)(\.py|\.ipynb)?(?:\s.*)?", re.DOTALL)
_STOP = re.compile(r"""#|'{3}|"{3}|'|"|[(\[{]|[)\]}]""")
_QUOTED = {
    quote: re.compile(rf"(?s)(?:\\.|(?!{quote}).)*{quote}") for quote in ("'", '"', "'''", '"""')
}


class Plain(NamedTuple):
    """The text of a cell as Python."""

    text: str
    rows: frozenset[int]  # from 1: where it is not what the cell says


def without_magics(text: str) -> Plain:
    """Replace IPython's syntax in the text of a cell."""
    lines = split_lines(text)
    first = _first_line(lines)
    if first < len(lines) and _is_automagic(text.strip()):
        return _blank(lines, first, "pass")
    rows: set[int] = set()
    if first < len(lines) and (margin := _MARGIN.match(lines[first])):  # IPython takes it off
        lines = [line.removeprefix(margin.group()) for line in lines]
        rows.update(range(1, len(lines) + 1))
    while first < len(lines) and re.match(r"%%(?!\w+\?)", lines[first]):
        name, _, arguments = lines[first][2:].strip().partition(" ")
        if name not in _TRANSPARENT:
            if name in _FOREIGN:
                return _blank(lines, first, "pass")
            words = "".join([arguments, "\n", *lines[first + 1 :]])
            return _blank(lines, first, _unknown(words, binds=name not in _RUNS_ON_ITS_OWN))
        lines[first] = _ending(lines[first])
        rows.add(first + 1)
        first = _first_line(lines)
    if first < len(lines) and lines[first].startswith("%"):
        command = lines[first][1:].split()
        if command and command[0] in _FOREIGN_FIRST_LINE:
            return _blank(lines, first, "pass")
    if _CANDIDATE.search(text):
        rows |= _replace_line_magics(lines)
    return Plain("".join(lines), frozenset(rows))


def _first_line(lines: Sequence[str]) -> int:
    return next((n for n, line in enumerate(lines) if line.strip()), len(lines))


def _is_automagic(text: str) -> bool:
    """Say whether a cell is one command without its sign, `pip install torch`."""
    match = _COMMAND.fullmatch(text)
    return match is not None and match[1] in _AUTOMAGIC


def _blank(lines: Sequence[str], first: int, instead: str) -> Plain:
    endings = [_ending(line) for line in lines]
    endings[first] = instead + endings[first]
    return Plain("".join(endings), frozenset(range(first + 1, len(lines) + 1)))


def _ending(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _replace_line_magics(lines: list[str]) -> set[int]:
    """Replace the magics among the lines; return their rows where nothing may be edited."""
    rows: set[int] = set()
    state = _START
    at = 0
    while at < len(lines):
        end = at + 1 if state != _START else _end_of_magic(lines, at)
        logical = " ".join(line.rstrip("\r\n\\") for line in lines[at:end])
        found = None if state != _START else _replacement(logical, end - at)
        if found is None:
            state = _after(lines[at], state)
            at += 1
            continue
        if not found.lstrip().startswith("0;"):
            rows.update(range(at + 1, end + 1))
        lines[at:end] = [found + _ending(lines[at]), *map(_ending, lines[at + 1 : end])]
        at = end
    return rows


def _end_of_magic(lines: Sequence[str], at: int) -> int:
    """Return the line after a magic: a backslash continues it, and so does an open bracket."""
    state = _after(lines[at], _START) if lines[at].lstrip().startswith("%") else _START
    end = at + 1
    while end < len(lines) and (
        lines[end - 1].rstrip("\r\n").endswith("\\") or (state.depth and lines[end][:1].isspace())
    ):
        state = _after(lines[end], state) if state.depth else state
        end += 1
    return end


def _replacement(line: str, height: int) -> str | None:
    """Return what stands for a line, joined from `height`, that a statement begins; or None."""
    asks = line.rstrip().endswith("?") and "#" not in line
    if asks and not _after(line, _START).quote:
        return line[: len(line) - len(line.lstrip())] + "pass"
    if match := _MAGIC.match(line):
        return match["indent"] + _line_magic(match["sign"], match["rest"], height)
    if match := _ASSIGNED.fullmatch(line):
        arguments = match["rest"].partition(" ")[2]
        return f"{match['target']} {_call(_words(arguments) if match['sign'] == '%' else ())}"
    return None


def _line_magic(sign: str, rest: str, height: int) -> str:
    """Return a statement for a magic."""
    if sign[0] in "!?":
        return "pass"
    if sign[0] in ",;/":
        return _unknown(rest)
    name, _, arguments = rest.partition(" ")
    if name == "time" and height == 1 and not _COMPOUND.match(arguments.lstrip()):
        return "0;" + " " * (len(sign) + len("time ") - 2) + arguments
    if name in _HARMLESS:
        return "pass"
    if name == "pylab":
        return _PYLAB
    if name == "run" and (module := _MODULE.fullmatch(arguments.strip())):
        folder = module[1].strip("/").replace("/", ".") + (
            "" if module[2] != ".ipynb" else ".ipynb"
        )
        return f"from {folder} import *"
    return _unknown(arguments, binds=name not in _RUNS_ON_ITS_OWN)


def _unknown(text: str, *, binds: bool = True) -> str:
    """Return a statement for code that may do anything to the names in a text."""
    bare = {match.group() for match in _WORD.finditer(text) if binds and match["used"] is None}
    targets = sorted(word for word in bare if not keyword.iskeyword(word))
    return " = ".join([*targets, _call(_words(text))])


def _words(text: str) -> Iterable[str]:
    words = {re.sub(r"\W+\Z", "", match.group()) for match in _WORD.finditer(text)}
    return sorted(word for word in words if not keyword.iskeyword(word))


def _call(words: Iterable[str]) -> str:
    return f"{_CALL}({', '.join(words)})"


class _State(NamedTuple):
    """What a line begins in."""

    quote: str  # of the string that is open
    depth: int  # how many brackets are
    joined: bool  # by a backslash to the line before


_START = _State("", 0, False)


def _after(line: str, state: _State) -> _State:
    """Return what the line after this one begins in."""
    quote, depth, at = state.quote, state.depth, 0
    while True:
        if quote:
            match = _QUOTED[quote].match(line, at)
            if match is None:
                # only a backslash takes a string in single quotes to the next line
                goes_on = len(quote) == 3 or line.rstrip("\r\n").endswith("\\")
                return _State(quote if goes_on else "", depth, False)
            at, quote = match.end(), ""
        stop = _STOP.search(line, at)
        if stop is None:
            return _State("", depth, line.rstrip("\r\n").endswith("\\"))
        at = stop.end()
        if stop.group() == "#":
            return _State("", depth, False)
        if stop.group() in _QUOTED:
            quote = stop.group()
        else:
            depth = max(0, depth + (1 if stop.group() in "([{" else -1))
