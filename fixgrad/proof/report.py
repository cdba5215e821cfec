"""Proofs as text, as data, and as a certificate that a reviewer can keep."""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
from collections.abc import Iterable
from typing import Any

from fixgrad import __version__
from fixgrad.proof.observed import Observed
from fixgrad.proof.rounds import Patches, Trial
from fixgrad.proof.verdict import NOT_REACHED, PROVED, REFUTED, Verdict
from fixgrad.proof.verify import Proof
from fixgrad.report.colour import harmless, paint
from fixgrad.report.json import place
from fixgrad.report.summary import count
from fixgrad.rewrite.diff import unified_bytes
from fixgrad.rewrite.notebooks import file_patch, sections
from fixgrad.runtime.launch import SEED
from fixgrad.write import encoded

_STYLES = {PROVED: "bold green", REFUTED: "bold red", NOT_REACHED: "bold yellow"}
_WIDTH = len(NOT_REACHED)


def table(proof: Proof, *, colour: bool) -> str:
    """Return the verdicts for a reader, with what was seen before and after."""
    return "".join(_row(verdict, colour) for verdict in proof.verdicts)


def _row(verdict: Verdict, colour: bool) -> str:
    finding = verdict.repair.finding
    word = paint(f"{verdict.outcome:{_WIDTH}}", _STYLES[verdict.outcome], colour)
    lines = [f"{word}  {harmless(str(finding.span))} {finding.rule}"]
    said = {"before": verdict.before, "after": verdict.after, "note": verdict.note}
    said["check"] = verdict.check
    for name, text in said.items():
        if text:
            lines.append(f"{'':{_WIDTH}}  {name:6}  {harmless(text)}")
    return "\n".join(lines) + "\n"


def summary(proof: Proof) -> str:
    """Return "2 proved, 1 not reached; original: exit 1, repaired: exit 0"."""
    if not proof.verdicts or proof.before is None:
        return "nothing to prove: no repair is planned"
    outcomes = (PROVED, REFUTED, NOT_REACHED)
    parts = [f"{proof.count(o)} {o}" for o in outcomes if proof.count(o)]
    ends = f"original: {proof.before.ran.ending}, repaired: {proof.trials[0].after.ran.ending}"
    rounds = f", {count(len(proof.trials), 'run')} of the repaired program"
    return f"{', '.join(parts)}; {ends}{rounds if len(proof.trials) > 1 else ''}"


def render(proof: Proof) -> str:
    """Return the proof as JSON."""
    return json.dumps(_data(proof), indent=2) + "\n"


def certificate(proof: Proof) -> str:
    """Return what a reviewer needs to know what was run, on what, and what was seen."""
    trial = proof.trials[-1] if proof.trials else None
    patches = trial.patches if trial else ()
    command = proof.request.command
    before = proof.before
    data = {
        "fixgrad": __version__,
        "python": before.records.python if before else "",
        "torch": before.records.torch if before else "",
        "platform": platform.platform(),
        "command": shlex.join(command.words),
        "seed": SEED,
        "limits": {"seconds": command.limits.seconds, "memory": command.limits.memory},
        "inputs": {
            source.path: _sha256(encoded(source, _unchanged(source.path, source.text)))
            for source in proof.sources
        },
        "patch": {
            "sha256": _sha256(_diff(patches)),
            "text": _diff(patches).decode("utf-8", "replace"),
        },
        "repaired": {source.path: _sha256(encoded(source, patch)) for source, patch in patches},
        **_data(proof),
        "observations": {
            "original": list(_observations(before)) if before else [],
            "repaired": list(_observations(trial.after)) if trial else [],
        },
    }
    return json.dumps(data, indent=2) + "\n"


def _unchanged(path: str, text: str) -> Any:
    from fixgrad.edits import Patch  # noqa: PLC0415

    return Patch(path, text, text, ())


def _data(proof: Proof) -> dict[str, Any]:
    return {
        "verdicts": [_verdict(verdict) for verdict in proof.verdicts],
        "runs": [
            *([_run("original", proof.before)] if proof.before else []),
            *(_run("repaired", trial.after, trial) for trial in proof.trials),
        ],
        "written": [source.path for source, _ in proof.written],
        "problems": [str(problem) for problem in proof.problems],
        "notes": list(proof.notes),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    finding = verdict.repair.finding
    return {
        "code": finding.rule,
        "filename": finding.span.path,
        "cell": finding.span.cell,
        **place(finding.span),
        "verdict": verdict.outcome,
        "before": verdict.before,
        "after": verdict.after,
        "note": verdict.note,
        "check": verdict.check,
    }


def _run(name: str, run: Observed, trial: Trial | None = None) -> dict[str, Any]:
    return {
        "program": name,
        "ending": run.ran.ending,
        "code": run.ran.code,
        "output_sha256": _sha256(run.ran.output.encode()),
        "processes": run.records.processes,
        **({"repairs": [str(r.finding.span) for r in trial.repairs]} if trial else {}),
    }


def _observations(run: Observed) -> Iterable[dict[str, Any]]:
    """Yield what was seen, by place."""
    for event in run.records.events:
        if event.place is not None:
            route = [f"{step.call} {run.files.shown(step.place)}" for step in event.route]
            facts = {key: value for key, value in event.facts.items() if key != "known"}
            where = run.files.shown(event.place)
            yield {"kind": event.kind, "at": where, "route": route, **facts, "times": event.times}


def _diff(patches: Patches) -> bytes:
    return b"".join(
        unified_bytes(file_patch(source, patch), source.encoding, source.bom, sections(source))
        for source, patch in patches
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
