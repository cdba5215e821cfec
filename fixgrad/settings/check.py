"""What may stand in a settings file: every key is known, every value is of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fixgrad.errors import FixgradError
from fixgrad.settings.files import SettingsFile
from fixgrad.settings.table import BY_NAME, Setting, Value


def checked(file: SettingsFile) -> dict[str, Value]:
    """Return the settings of a file by name; complain of the first that is wrong."""
    found: dict[str, Value] = {}
    for key, value in file.table.items():
        setting = BY_NAME.get(key)
        place = file.place(key)
        if setting is None:
            known = close(key, BY_NAME)
            hint = f", did you mean {known}?" if known else ""
            raise FixgradError(
                f"{place}: unknown setting {key!r}{hint or '; the documentation lists them'}"
            )
        if setting.kind == "codes-by-glob":
            found[key] = _codes_by_glob(file, setting, value)
        else:
            found[key] = _KINDS[setting.kind](f"{place}: {key}", setting, value)
    return found


def close(word: str, known: Iterable[str]) -> str:
    """Return what a mistyped word was meant to be, or nothing."""
    import difflib  # noqa: PLC0415  (only for a mistake)

    word = word.lower().replace("_", "-")
    names = {name.lower().replace("_", "-"): name for name in known}
    found = difflib.get_close_matches(word, names, 1, 0.6)
    return names[found[0]] if found else ""


def _flag(place: str, setting: Setting, value: Any) -> Value:
    if not isinstance(value, bool):
        raise _wrong(place, "true or false", value)
    return value


def _choice(place: str, setting: Setting, value: Any) -> Value:
    if not isinstance(value, str):
        raise _wrong(place, f"one of {', '.join(setting.choices)}", value)
    if value not in setting.choices:
        known = close(value, setting.choices)
        hint = f", did you mean {known}?" if known else ""
        raise FixgradError(f"{place}: {value!r} is none of {', '.join(setting.choices)}{hint}")
    return value


def _number(place: str, setting: Setting, value: Any) -> Value:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(place, "a whole number", value)
    if value < 0:
        raise FixgradError(f"{place}: expected 0 or more, not {value}")
    return value


def _file(place: str, setting: Setting, value: Any) -> Value:
    if not isinstance(value, str):
        raise _wrong(place, "the name of a file", value)
    return value


def _texts(place: str, what: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise FixgradError(f"{place}: expected a list of {what}, not a string; write [{value!r}]")
    if not isinstance(value, list):
        raise _wrong(place, f"a list of {what}", value)
    for item in value:
        if not isinstance(item, str):
            raise _wrong(place, f"a list of {what}", item, "but one of its items is")
        if not item.strip():
            raise FixgradError(f"{place}: one of its items is empty")
    return tuple(value)


def _codes(place: str, setting: Setting, value: Any) -> Value:
    codes = _texts(place, "rules", value)
    _check_codes(place, codes)
    return codes


def _check_codes(place: str, codes: tuple[str, ...]) -> None:
    if codes:
        from fixgrad.catalogue import selection  # noqa: PLC0415  (it loads every rule)

        selection(codes, (), said=place)


def _globs(place: str, setting: Setting, value: Any) -> Value:
    return _texts(place, "globs", value)


def _codes_by_glob(file: SettingsFile, setting: Setting, value: Any) -> Value:
    if not isinstance(value, dict):
        place = f"{file.place(setting.name)}: {setting.name}"
        raise _wrong(place, "a table of lists, by glob", value)
    found: dict[str, tuple[str, ...]] = {}
    for glob, codes in value.items():
        place = f"{file.place(setting.name, glob)}: {setting.name}: {glob!r}"
        found[glob] = _texts(place, "rules", codes)
        _check_codes(place, found[glob])
    return found


def _folders(place: str, setting: Setting, value: Any) -> Value:
    return _texts(place, "folders", value)


def _words(place: str, setting: Setting, value: Any) -> Value:
    if isinstance(value, str):
        import json  # noqa: PLC0415  (only for a mistake)

        words = json.dumps(value.split(), ensure_ascii=False)
        raise FixgradError(f"{place}: expected a list of words, not a string; write {words}")
    return _texts(place, "words", value)


def _tables(place: str, setting: Setting, value: Any) -> Value:
    if not isinstance(value, list):
        raise _wrong(place, f"tables [[{setting.name}]]", value)
    for item in value:
        if not isinstance(item, dict):
            raise _wrong(place, f"tables [[{setting.name}]]", item, "but one of its items is")
        from fixgrad.knowledge.models import wrong_in  # noqa: PLC0415 - only where there are some

        wrong = wrong_in(setting.name, item)
        if wrong is not None:
            raise FixgradError(f"{place}: {wrong}")
    return tuple(value)


def _wrong(place: str, expected: str, value: Any, but: str = "not") -> FixgradError:
    return FixgradError(f"{place}: expected {expected}, {but} {_kind(value)}")


def _kind(value: object) -> str:
    kinds = {bool: "true or false", str: "a string", list: "a list", dict: "a table"}
    kinds |= {int: "a number", float: "a number"}
    return kinds.get(type(value), "a date or a time")


_KINDS: dict[str, Callable[[str, Setting, Any], Value]] = {
    "flag": _flag,
    "choice": _choice,
    "codes": _codes,
    "file": _file,
    "number": _number,
    "globs": _globs,
    "folders": _folders,
    "tables": _tables,
    "words": _words,
}
