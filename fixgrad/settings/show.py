"""The settings of a run as TOML that could stand in a settings file, each with who said so."""

from __future__ import annotations

from fixgrad.settings.resolve import Settings
from fixgrad.settings.table import SETTINGS

_WIDEST = 44  # columns before the remarks


def shown(settings: Settings) -> str:
    """Return the text of `--show-settings`."""
    file = settings.file
    where = f"settings file: {file.path}" if file else "no settings file"
    lines = [f"# {where}"]
    rows = [
        (f"{setting.name} = {toml(settings.values[setting.name])}", settings.said_by[setting.name])
        for setting in SETTINGS
    ]
    width = max((len(row) for row, _ in rows if len(row) <= _WIDEST), default=0)
    lines += [f"{row:<{width}}  # {', '.join(said)}" for row, said in rows]
    return "\n".join(lines) + "\n"


def toml(value: object) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        pairs = (f"{_quoted(key)} = {toml(item)}" for key, item in value.items())
        inside = ", ".join(pairs)
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml, value))}]"
    return str(value)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    safe = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped)
    return f'"{safe}"'
