"""The findings that a project has learned to live with, in a file: they are passed over, and can only get fewer.

A finding is known by its fingerprint, not by its line. Files that a run does not look at keep what they have.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fixgrad.errors import FixgradError
from fixgrad.findings import Finding
from fixgrad.project import patch_paths
from fixgrad.report.fingerprint import fingerprints
from fixgrad.source import Source

_VERSION = 1
_ABOUT = "findings that fixgrad passes over with --baseline; --write-baseline writes them anew"


class Known(NamedTuple):
    """One finding that is passed over; the text is for who reads the file."""

    fingerprint: str
    rule: str
    text: str  # of the finding's first line


class Baseline(NamedTuple):
    """What a baseline file holds."""

    path: str  # of the file
    findings: Mapping[str, tuple[Known, ...]]  # by the name of a file in its repository

    def names(self) -> frozenset[str]:
        """Return the fingerprints of all findings."""
        return frozenset(known.fingerprint for found in self.findings.values() for known in found)

    def gone(self, looked_at: Iterable[str], found: Iterable[str]) -> dict[str, list[Known]]:
        """Return what is no longer found in the files looked at, and in files that are no more."""
        found = frozenset(found)
        names = frozenset(patch_paths(looked_at).values())
        result: dict[str, list[Known]] = {}
        for name, known in self.findings.items():
            if name in names or not self._is_there(name):
                gone = [each for each in known if each.fingerprint not in found]
                if gone:
                    result[name] = gone
        return result

    def without(self, gone: Mapping[str, Sequence[Known]]) -> Baseline:
        """Return the baseline without some findings."""
        kept = {
            name: tuple(each for each in known if each not in gone.get(name, ()))
            for name, known in self.findings.items()
        }
        return self._replace(findings={name: known for name, known in kept.items() if known})

    def renewed(
        self,
        findings: Sequence[Finding],
        sources: Mapping[str, Source],
        looked_at: Iterable[str],
    ) -> Baseline:
        """Return the baseline with these findings for the files looked at, and the others as before."""
        names = patch_paths({*looked_at, *(finding.span.path for finding in findings)})
        renewed = set(names.values())
        kept = {
            name: known
            for name, known in self.findings.items()
            if name not in renewed and self._is_there(name)
        }
        fresh: dict[str, list[Known]] = {}
        for finding, fingerprint in zip(findings, fingerprints(findings, sources), strict=True):
            path = finding.span.path
            lines = sources[path].lines() if path in sources else []
            text = "".join(lines[finding.span.line - 1 : finding.span.line]).strip()
            fresh.setdefault(names[path], []).append(Known(fingerprint, finding.rule, text))
        return self._replace(findings=kept | {name: tuple(f) for name, f in fresh.items()})

    def _is_there(self, name: str) -> bool:
        """Say whether a file is still there, seen from where the names of a patch begin."""
        (here,) = patch_paths(["."]).values()
        top = os.path.join(".", *([os.pardir] * len([p for p in here.split("/") if p != "."])))
        return os.path.exists(os.path.join(top, name))


def read(path: str, *, may_be_new: bool) -> Baseline:
    """Read a baseline file; one that is to be written need not be there yet."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except FileNotFoundError:
        if may_be_new:
            return Baseline(path, {})
        raise FixgradError(f"{path}: no such baseline; --write-baseline makes one") from None
    except OSError as error:
        raise FixgradError(f"{path}: cannot be read: {(error.strerror or '').lower()}") from error
    except ValueError as error:  # not JSON, or not in UTF-8
        raise FixgradError(
            f"{path}: not a baseline: {error}; --write-baseline makes one"
        ) from error
    try:
        return Baseline(path, _findings(document))
    except (KeyError, TypeError, AttributeError) as error:
        raise FixgradError(f"{path}: not a baseline; --write-baseline makes one") from error


def _findings(document: Any) -> dict[str, tuple[Known, ...]]:
    if document["version"] != _VERSION:
        raise KeyError("version")
    return {
        str(name): tuple(
            Known(str(k["fingerprint"]), str(k["rule"]), str(k["text"])) for k in known
        )
        for name, known in document["findings"].items()
    }


def write(baseline: Baseline) -> None:
    """Write the file, one finding a line, in an order that does not depend on where they stand."""
    files = []
    for name, known in sorted(baseline.findings.items()):
        rows = sorted((k.rule, k.text, k.fingerprint) for k in known)
        lines = [
            json.dumps({"rule": rule, "fingerprint": fingerprint, "text": text})
            for rule, text, fingerprint in rows
        ]
        inside = ",\n".join(f"      {line}" for line in lines)
        files.append(f"    {json.dumps(name)}: [\n{inside}\n    ]")
    inside = "{\n" + ",\n".join(files) + "\n  }" if files else "{}"
    head = f'  "about": {json.dumps(_ABOUT)},\n  "version": {_VERSION},\n  "findings": '
    temporary = f"{baseline.path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.write(f"{{\n{head}{inside}\n}}\n")
        os.replace(temporary, baseline.path)
    except OSError as error:
        raise FixgradError(
            f"{baseline.path}: cannot be written: {(error.strerror or '').lower()}"
        ) from error


def told(gone: Mapping[str, Sequence[Known]]) -> list[str]:
    """Return a line for each finding that is gone."""
    rows: Counter[str] = Counter()
    for name, known in sorted(gone.items()):
        rows.update(f"{name}: {each.rule} {each.text}".rstrip() for each in known)
    return [f"{row}  (twice or more)" if count > 1 else row for row, count in rows.items()]
