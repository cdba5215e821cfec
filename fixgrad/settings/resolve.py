"""The settings that hold for a run: the command line over the file over what holds by itself."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fixgrad.options import Globs, Options
from fixgrad.project import Glob
from fixgrad.settings import files
from fixgrad.settings.check import checked
from fixgrad.settings.files import SettingsFile
from fixgrad.settings.table import SETTINGS, Setting, Value

COMMAND_LINE, DEFAULT = "command line", "default"
_WITH = {"ignore": "select", "unfixable": "fixable"}  # lists that are taken from one side together
_ADDED = ("extend-", "per-file-")
_NO_RULE = ("ALL",)  # as what is ignored


class Settings(NamedTuple):
    """Every setting of a run, and who said so."""

    file: SettingsFile | None
    values: Mapping[str, Value]
    said_by: Mapping[str, tuple[str, ...]]  # "pyproject.toml", "command line", "default"
    globs: Mapping[str, Globs]  # those of the file are taken from its folder
    over: Mapping[str, Value] = {}  # what the command line says
    top: str | None = None  # below this folder, other settings files count for what they hold

    def flag(self, name: str) -> bool:
        """Return a setting that is true or false."""
        return bool(self.values[name])

    def word(self, name: str) -> str:
        """Return a setting that is one word."""
        return str(self.values[name])

    def number(self, name: str) -> int:
        """Return a setting that is a number."""
        value = self.values[name]
        assert isinstance(value, int)
        return value

    def file_named(self, name: str) -> str | None:
        """Return a setting that names a file, as it is found from the current folder."""
        value = self.word(name)
        if value and self.file is not None and COMMAND_LINE not in self.said_by[name]:
            return os.path.relpath(os.path.join(self.file.folder, value)).replace(os.sep, "/")
        return value or None

    def folders(self, name: str) -> tuple[str, ...]:
        """Return a setting that lists folders, as absolute places."""
        given = COMMAND_LINE in self.said_by[name]
        start = os.getcwd() if given or self.file is None else self.file.folder
        places = (os.path.abspath(os.path.join(start, folder)) for folder in self.words(name))
        return tuple(place.replace(os.sep, "/") for place in places)

    def words(self, name: str) -> tuple[str, ...]:
        """Return a setting that is a list of words."""
        value = self.values[name]
        assert isinstance(value, tuple)
        return tuple(map(str, value))

    def tables(self) -> dict[str, tuple[dict[str, object], ...]]:
        """Return the settings that are tables of the user's own, by name."""
        found: dict[str, tuple[dict[str, object], ...]] = {}
        for setting in SETTINGS:
            value = self.values[setting.name]
            if setting.kind == "tables" and isinstance(value, tuple):
                found[setting.name] = tuple(item for item in value if isinstance(item, dict))
        return found


def resolve(
    paths: Sequence[str] = (),
    options: Mapping[str, Value | None] | None = None,
    *,
    config: str | None = None,
    isolated: bool = False,
) -> Settings:
    """Find, read and check the settings file for these paths, and lay the options over it.

    An option that is None was not given. `config` names the file to read; `isolated` reads none.
    """
    over = {name: value for name, value in (options or {}).items() if value is not None}
    if isolated or config:
        return _laid_over(None if isolated or not config else files.given(config), over)
    found = _laid_over(files.find(paths), over)
    return found._replace(top=files.common_folder(paths))


def _laid_over(file: SettingsFile | None, over: Mapping[str, Value]) -> Settings:
    from_file = checked(file) if file is not None else {}
    values: dict[str, Value] = {}
    said_by: dict[str, tuple[str, ...]] = {}
    globs: dict[str, Globs] = {}
    for setting in SETTINGS:
        layers = [(layer, name) for layer, name in _layers(setting, from_file, over) if layer]
        said = [
            file.path if file and layer is from_file else COMMAND_LINE
            for layer, name in layers
            if name in layer
        ]
        parts = [layer[name] for layer, name in layers if name in layer]
        values[setting.name] = _joined(parts) if parts else setting.default
        said_by[setting.name] = tuple(said) or (DEFAULT,)
        if setting.kind in ("globs", "codes-by-glob"):
            folder = file.folder if file else ""
            globs[setting.name] = tuple(
                Glob(glob, folder) if layer is from_file else glob
                for layer, name in layers
                for glob in _texts(layer.get(name, ()))
            )
    return Settings(file, values, said_by, globs, over)


def _layers(
    setting: Setting, from_file: Mapping[str, Value], over: Mapping[str, Value]
) -> list[tuple[Mapping[str, Value], str]]:
    """Return what a setting is made of, the file first."""
    name = setting.name
    both = [(from_file, name), (over, name)]
    if name in _WITH:
        return both[1:] if _WITH[name] in over else both
    if name.startswith(_ADDED):
        return both
    return both[1:] if name in over else both[:1]


def _texts(value: Value) -> list[str]:
    return [str(item) for item in value] if isinstance(value, (tuple, dict)) else []


def _joined(parts: list[Value]) -> Value:
    first, *rest = parts
    for part in rest:
        if isinstance(first, tuple) and isinstance(part, tuple):
            first = first + part
        elif isinstance(first, dict) and isinstance(part, dict):
            first = {g: (*first.get(g, ()), *part.get(g, ())) for g in {**first, **part}}
        else:
            first = part
    return first


def _exclude(settings: Settings) -> Globs:
    globs = settings.globs["exclude"] + settings.globs["extend-exclude"]
    return globs if settings.flag("notebooks") else (*globs, "*.ipynb")


def options_of(settings: Settings, paths: tuple[str, ...] = ()) -> Options:
    """Return the options of a run with these settings, which only reports."""
    select = (*settings.words("select"), *settings.words("extend-select"))
    by_glob = settings.values["per-file-ignores"]
    assert isinstance(by_glob, dict)
    return Options(
        paths,
        unsafe=settings.flag("unsafe-fixes"),
        select=select,
        ignore=settings.words("ignore") if select else _NO_RULE,
        exclude=_exclude(settings),
        named_too=settings.flag("force-exclude"),
        roots=settings.folders("src"),
        gitignore=settings.flag("respect-gitignore"),
        ignored_in=tuple(
            (glob, by_glob[glob.text if isinstance(glob, Glob) else glob])
            for glob in settings.globs["per-file-ignores"]
        ),
        fixable=settings.words("fixable"),
        unfixable=settings.words("unfixable") if settings.words("fixable") else _NO_RULE,
        safer=settings.words("extend-safe-fixes"),
        riskier=settings.words("extend-unsafe-fixes"),
        least_confidence=settings.word("min-confidence"),
        style=settings.word("style"),
        models=settings.tables(),
        baseline=settings.file_named("baseline"),
        inner=_Inner(settings),
        evidence=settings.file_named("evidence"),
    )


class _Inner:
    """The settings files further down than the one of a run: each counts for the files of its folder."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, tuple[str, Options] | None] = {}  # by folder

    def __call__(self, paths: Sequence[str]) -> dict[str, Options]:
        """Return by folder what they say of its files, for those files that they count for."""
        folders = sorted(set(map(os.path.abspath, {os.path.dirname(path) for path in paths})))
        found = filter(None, map(self._around, folders))
        return {folder.replace(os.sep, "/"): options for folder, options in found}

    def _around(self, folder: str) -> tuple[str, Options] | None:
        """Return the nearest settings file below the top of the run, and what it says."""
        top = self._settings.top
        if top is None or not folder.startswith(top.rstrip(os.sep) + os.sep):
            return None
        if folder not in self._known:
            file = files.in_folder(folder)
            if file is None:
                self._known[folder] = self._around(os.path.dirname(folder))
            else:
                own = options_of(_laid_over(file, self._settings.over))
                self._known[folder] = (folder, own)
        return self._known[folder]
