"""fixgrad as a plugin of flake8: its findings among those of the other linters, without repairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixgrad import __version__, pipeline, project
from fixgrad.settings.resolve import options_of, resolve


class Plugin:
    """What flake8 makes for each file; the settings of the project hold, then those of flake8."""

    name = "fixgrad"
    version = __version__

    def __init__(self, tree: object, filename: str, lines: Sequence[str]) -> None:
        self._path = filename  # flake8 hands out `tree` to say that the file is valid Python
        self._text = "".join(lines)

    def run(self) -> Iterator[tuple[int, int, str, type[Plugin]]]:
        """Yield each finding: line from 1, column from 0, and the text that begins with the code."""
        known = (self._path,) if project.is_file(self._path) else ()
        options = options_of(resolve(known), (self._path,))
        outcome = pipeline.run_on_source(project.from_text(self._path, self._text), options)
        for entry in outcome.entries:
            finding = entry.finding
            if finding.trace and finding.trace[0].span.path != self._path:
                continue  # told where the tensor is made: each file is looked at by itself
            text = f"{finding.rule} {finding.message}"
            yield int(finding.span.line), finding.span.column, text, type(self)
