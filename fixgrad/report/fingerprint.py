"""Names for findings that outlive changes elsewhere: by what stands there, not by the line."""

from __future__ import annotations

from _blake2 import blake2b
from collections import Counter
from collections.abc import Iterable, Mapping

from fixgrad.findings import Finding
from fixgrad.project import patch_paths
from fixgrad.source import Source


def fingerprints(findings: Iterable[Finding], sources: Mapping[str, Source]) -> list[str]:
    """Return a name for each finding: of its rule, its file in the repository and its lines' text.

    Lines added above, another indent and another working folder do not change it; findings that
    would have the same name are numbered in the order given, so all of a run are to be given.
    """
    findings = list(findings)
    paths = dict.fromkeys(finding.span.path for finding in findings)
    lines = {path: sources[path].lines() for path in paths if path in sources}
    names = patch_paths(paths)
    seen: Counter[str] = Counter()
    found: list[str] = []
    for finding in findings:
        span = finding.span
        text = "".join(lines.get(span.path, ())[span.line - 1 : span.end_line])
        key = "\0".join((finding.rule, names[span.path], " ".join(text.split())))
        seen[key] += 1
        data = f"{key}\0{seen[key]}".encode("utf-8", "surrogateescape")
        found.append(blake2b(data, digest_size=8).hexdigest())
    return found
