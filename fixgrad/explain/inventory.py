"""Every conversion of some files with what becomes of it and why, data included."""

from __future__ import annotations

from collections.abc import Iterable

from fixgrad.explain.answer import Answer, answers, conversions
from fixgrad.explain.place import spelled, unreached
from fixgrad.explain.run import Run
from fixgrad.findings import Refusal, Repair
from fixgrad.flow.values import Site
from fixgrad.hazards import span
from fixgrad.report.entry import Conversion


def inventory(run: Run, paths: Iterable[str]) -> list[Conversion]:
    """Return the conversions in these files, by place, also those that the analysis does not reach."""
    wanted = set(paths)
    reached = [site for site in conversions(run) if site.path in wanted]
    found = [_row(run, site, answers(run, site)[0]) for site in reached]
    known = set(reached)
    for path in sorted(wanted):
        for site in spelled(run, path):
            if site not in known:
                found.append(_row(run, site, unreached(run, site)))
    return sorted(found, key=lambda row: row.span)


def _row(run: Run, site: Site, answer: Answer) -> Conversion:
    outcome = answer.outcome
    demands = [s for s in answer.stages if s.effect == "demand"]
    function = run.function(site)
    names = {thing.name for thing in conversions(run).get(site, ())}
    return Conversion(
        span=span(site),
        call=min(names) if names else run.text(site).partition("(")[0],
        text=run.text(site),
        function=function.name if function.kind != "module" else "",
        verdict=answer.verdict,
        reason=_reason(answer),
        rule=outcome.finding.rule if outcome is not None else "",
        refusal=outcome.code if isinstance(outcome, Refusal) else "",
        safety=str(outcome.applicability) if isinstance(outcome, Repair) else "",
        repair=outcome.title if isinstance(outcome, Repair) else "",
        demand=str(demands[-1].span) if demands else "",
    )


def _reason(answer: Answer) -> str:
    """Return the headline without the verdict, which stands by itself."""
    outcome = answer.outcome
    if isinstance(outcome, Refusal):
        return outcome.reason
    if outcome is not None:
        return outcome.finding.message
    said = answer.headline
    for verdict in (f"already {answer.verdict}: ", f"{answer.verdict}: "):
        said = said.removeprefix(verdict)
    return "; ".join((said, *answer.notes))
