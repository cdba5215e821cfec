"""The story from top to bottom: paths, sources, findings, repairs, patches, files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fixgrad import baseline, project, write
from fixgrad.baseline import Baseline
from fixgrad.edits import Patch
from fixgrad.findings import Concluded, Refusal, Repair, paths_in
from fixgrad.memory import Memory, memory_of
from fixgrad.opening import Looked, look, opened
from fixgrad.options import Options
from fixgrad.passed_over import PassedOver
from fixgrad.patching import (
    UNPLACEABLE,
    Plan,
    as_read,
    edits_in_files,
    guarded,
    is_bug,
    mini_diff,
    plan_patches,
    rewritten,
)
from fixgrad.policy import Policy
from fixgrad.progress import counted
from fixgrad.report import Entry
from fixgrad.source import Problem, Source

if TYPE_CHECKING:
    from fixgrad.evidence import Runs
    from fixgrad.repetition import SecondLook

__all__ = ["Options", "Outcome", "entries_of", "run", "run_on_source", "run_on_text"]

_TOGETHER = "fixgrad"  # in place of a path: a problem with all the files of a run together


class Outcome(NamedTuple):
    """What a run found and did."""

    files: int  # how many were looked at
    entries: tuple[Entry, ...] = ()  # what was found and is not in the patches
    repaired: tuple[Repair, ...] = ()  # what the patches repair
    patches: tuple[tuple[Source, Patch], ...] = ()  # written with `fix`
    problems: tuple[Problem, ...] = ()
    sources: tuple[Source, ...] = ()  # as they stand after the run
    deferred: int = 0  # findings that a comment leaves for later
    known: int = 0  # findings that the baseline holds
    gone: tuple[str, ...] = ()  # what the baseline holds and is there no more
    recorded: int = 0  # findings that were written to the baseline
    followed: object = None  # kept to the end: to take it apart takes a tenth of the time
    others: tuple[Source, ...] = ()  # not given: of paths, or edited all the same
    stale: tuple[str, ...] = ()  # files whose evidence is of what they were before
    is_unseen: bool = False  # there is evidence, and none of it is of these files
    is_recalled: bool = False  # nothing has changed: it is what the last run found


class _Analysed(NamedTuple):
    """What the analysis says; its own type is not loaded where no file mentions torch."""

    repairs: tuple[Repair, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    problems: tuple[Problem, ...] = ()
    deferred: int = 0
    followed: object = None
    others: tuple[Source, ...] = ()  # not given: of paths, or edited all the same

    def concluded(self) -> Concluded:
        """Return what of it may be kept for another run."""
        others = tuple(source.path for source in self.others)
        return Concluded(self.repairs, self.refusals, self.deferred, others)


def run(options: Options) -> Outcome:
    """Do what the options ask of the files they name."""
    known = known_findings(options)
    looked = look(options)
    with memory_of(options, looked.files, looked.around) as memory:
        again = _recalled(options, looked, memory)
        return again if again is not None else _run(options, known, looked, memory)


def _run(
    options: Options, known: Baseline | None, looked: Looked, memory: Memory | None
) -> Outcome:
    files, sources, around, passed_over, unreadable = opened(options, known, looked)
    policy = options.policy(files)
    memory = None if unreadable else memory
    outcome = _outcome_of(sources, options, policy, around, passed_over, memory)
    if options.writes:
        write.write(outcome.patches)
    problems = tuple(sorted({*unreadable, *outcome.problems}))
    outcome = outcome._replace(files=len(files), problems=problems)
    return outcome if known is None else _with_baseline(known, passed_over, files, outcome, options)


def _recalled(options: Options, looked: Looked, memory: Memory | None) -> Outcome | None:
    """Return what a run finds where no file has changed since the last one."""
    again = memory.recall() if memory is not None and not looked.interrupted else None
    if again is None:
        return None
    found, problems = again
    if found.repairs and (options.writes or options.diff):
        return None  # what remains, or would, is looked for in all files
    sources = {path: project.read(path) for path in {*paths_in(found), *(p.path for p in problems)}}
    read = tuple(source for source in sources.values() if isinstance(source, Source))
    if len(read) < len(sources):
        return None
    others = tuple(source for source in read if source.path in found.others)
    given = tuple(source for source in read if source.path not in found.others)
    analysed = _Analysed(found.repairs, found.refusals, problems, found.deferred, None, others)
    policy = options.policy(looked.files)
    outcome = _reported(given, analysed, options, policy, None)
    return outcome._replace(files=len(looked.files), is_recalled=True)


def known_findings(options: Options) -> Baseline | None:
    """Read the baseline that the options name."""
    if options.baseline is None:
        return None
    return baseline.read(options.baseline, may_be_new=options.write_baseline)


def _with_baseline(
    known: Baseline,
    passed_over: PassedOver,
    files: Iterable[str],
    outcome: Outcome,
    options: Options,
) -> Outcome:
    """Write the baseline anew where that is asked for, and without what is repaired."""
    wrong = {problem.path for problem in outcome.problems}
    judged = [path for path in files if path not in wrong and _TOGETHER not in wrong]
    if options.write_baseline:
        findings = [entry.finding for entry in outcome.entries]
        sources = {source.path: source for source in outcome.sources}
        baseline.write(known.renewed(findings, sources, judged))
        return outcome._replace(entries=(), recorded=len(findings))
    gone = known.gone(judged, passed_over.met) if options.since is None else {}
    if gone and options.fix:
        baseline.write(known.without(gone))
    return outcome._replace(gone=tuple(baseline.told(gone)), known=len(passed_over.met))


def run_on_text(path: str, data: bytes, options: Options) -> Outcome:
    """Do the same to the contents of one file that came from standard input; nothing is written."""
    return run_on_source(project.decode(path, data), options)


def run_on_source(
    source: Source | Problem, options: Options, unsaved: Mapping[str, bytes] | None = None
) -> Outcome:
    """Do the same to one file that was read already; `unsaved` are others, by absolute path."""
    policy = options.policy()
    if isinstance(source, Problem):
        return Outcome(1, problems=(source,))
    path = source.path
    known = project.is_file(path)  # an editor's buffer, with a project around it
    around = None
    if known:
        roots = options.roots
        around = project.Surroundings([path], [path], options.exclude, unsaved, roots)
    matters = project.mentions_torch(source.text, options.words()) or (
        around is not None and around.leads_to_torch({path: source.text.encode("utf-8", "replace")})
    )
    sources = [source] if matters else []
    passed_over = PassedOver(known_findings(options))
    return _outcome_of(sources, options, policy, around, passed_over)._replace(files=1)


def patches_of(
    sources: Sequence[Source], repairs: Iterable[Repair], options: Options
) -> tuple[tuple[Source, Patch], ...]:
    """Return the patches that some of the repairs of a run make by themselves."""
    policy = options.policy()
    return plan_patches(
        sources, [r for r in repairs if _applied(r, policy)], options.traceback
    ).patches


def entries_of(
    repairs: Sequence[Repair],
    sources: Sequence[Source],
    options: Options,
    runs: Runs | None = None,
) -> tuple[Entry, ...]:
    """Return repairs that were made, or would be, as they are reported: with their own diffs."""
    found = _Analysed(tuple(repairs))
    return _reported(sources, found, options, options.policy(), runs).entries


def runs_of(options: Options, sources: Sequence[Source]) -> Runs | None:
    """Read what the options name as evidence."""
    if options.evidence is None:
        return None
    from fixgrad import evidence  # noqa: PLC0415  (only where there is some)

    return evidence.read(options.evidence, sources)


def _outcome_of(
    sources: Sequence[Source],
    options: Options,
    policy: Policy,
    around: project.Surroundings | None,
    passed_over: PassedOver,
    memory: Memory | None = None,
) -> Outcome:
    """Analyse, plan and patch; what was found is left in the memory."""
    if passed_over.is_asked:
        # Of the sources as they are then: they are analysed again when they are repaired.
        policy = policy._replace(passed_over=lambda findings: passed_over.of(findings, sources))
    runs = runs_of(options, sources)
    policy = with_runs(policy, runs)
    found = _analysed(sources, options, policy, around, memory)
    if memory is not None and not any(map(is_bug, found.problems)):
        memory.take(found.concluded(), found.problems)
    if not (options.writes or options.diff):
        return _reported(sources, found, options, policy, runs)
    if options.mark is None:
        wanted = [repair for repair in found.repairs if _applied(repair, policy)]
    else:
        wanted = _marks(sources, found, options.mark)
    plan = plan_patches((*sources, *found.others), wanted, options.traceback)
    if plan.patches and options.mark is None:
        second = _second_look((sources, options, policy, around), runs, passed_over)
        met, plan = passed_over.met, second.checked(plan, found.problems)
        passed_over.met = met
    settled = {repair.finding for repair in plan.repairs}
    settled |= {refusal.finding for refusal in plan.refusals}
    left = [r for r in found.repairs if r.finding not in settled]
    refused = [r for r in found.refusals if r.finding not in settled]
    rest = found._replace(repairs=tuple(left), refusals=(*refused, *plan.refusals), problems=())
    if options.writes and plan.patches:
        sources = _repaired(sources, plan.patches)
        runs = runs.after(plan.patches) if runs is not None else None
        if rest.repairs or rest.refusals:
            # Places move when a file is repaired, so what remains is looked for again.
            rest = _analysed(sources, options, with_runs(policy, runs), around)
    outcome = _reported(sources, rest, options, policy, runs)
    problems = (*found.problems, *plan.problems, *outcome.problems)
    return outcome._replace(repaired=plan.repairs, patches=plan.patches, problems=problems)


def _second_look(
    run: tuple[Sequence[Source], Options, Policy, project.Surroundings | None],
    runs: Runs | None,
    passed_over: PassedOver,
) -> SecondLook:
    """Return how a second run would look at the files, as a plan leaves them."""
    from fixgrad.repetition import Again, SecondLook  # noqa: PLC0415  (only where there is a plan)

    sources, options, policy, around = run

    def again(plan: Plan, files: Sequence[Source], near: project.Surroundings | None) -> Again:
        then = with_runs(policy, None if runs is None else runs.after(plan.patches))
        if passed_over.is_asked:
            then = then._replace(passed_over=lambda findings: passed_over.of(findings, files))
        found = _analysed(files, options._replace(handlers=None), then, near)
        return Again(tuple(r for r in found.repairs if _applied(r, policy)), found.problems)

    return SecondLook(
        lambda plan: _repaired(sources, plan.patches),
        lambda rest: plan_patches(sources, rest, options.traceback),
        again,
        None if passed_over.is_asked else options.surroundings,
        around,
    )


def with_runs(policy: Policy, runs: Runs | None) -> Policy:
    """Return a policy that heeds what recorded runs show."""
    return policy if runs is None else policy._replace(shown_by_runs=runs.settle)


def _analysed(
    sources: Sequence[Source],
    options: Options,
    policy: Policy,
    around: project.Surroundings | None,
    memory: Memory | None = None,
) -> _Analysed:
    if not sources:
        return _Analysed()

    models = options.known_calls()

    def attempt() -> _Analysed:
        from fixgrad.analysis import analyse  # noqa: PLC0415  (only where a tensor may be made)
        from fixgrad.crew import Crew  # noqa: PLC0415

        more = (options.edits_around, options.handlers, Crew(options.jobs, options.executor))
        kept = memory.kept() if memory is not None else None
        return _Analysed(*analyse(sources, policy, around, models, *more, kept))

    path = sources[0].path if len(sources) == 1 else _TOGETHER
    result = guarded("the analysis", path, attempt, options.traceback)
    if not isinstance(result, Problem):
        return result
    if len(sources) == 1:
        return _Analysed(problems=(result,))
    # A bug of ours in one file must not silence the others: each is looked at by itself.
    alone = [_analysed([source], options, policy, None) for source in sources]
    problems = [problem for each in alone for problem in each.problems]
    if not any(map(is_bug, problems)):
        problems.insert(0, result)  # it takes several files to meet it
    return _Analysed(
        tuple(repair for each in alone for repair in each.repairs),
        tuple(refusal for each in alone for refusal in each.refusals),
        tuple(problems),
        sum(each.deferred for each in alone),
    )


def _reported(
    sources: Sequence[Source],
    found: _Analysed,
    options: Options,
    policy: Policy,
    runs: Runs | None,
) -> Outcome:
    """Return every finding with what its repair alone would change."""
    by_path = {source.path: source for source in (*sources, *found.others)}
    entries = [Entry(refusal, fixable=False) for refusal in found.refusals]
    problems = list(found.problems)
    for repair in counted("rewriting", found.repairs):
        patches = rewritten(by_path, [repair], options.traceback)
        if isinstance(patches, Problem):
            problems.append(patches)
            entries.append(Entry(repair, fixable=False))
        elif isinstance(patches, str):
            entries.append(Entry(Refusal(repair.finding, UNPLACEABLE, patches), fixable=False))
        else:
            parts = as_read(by_path, patches)
            edits = tuple(edit for part in parts for edit in part.edits)
            barred = not policy.fixable(repair.finding.rule)
            entry = Entry(repair, _applied(repair, policy), edits, mini_diff(parts), barred)
            entries.append(entry._replace(json_edits=edits_in_files(by_path, patches)))
    if runs is not None:
        entries = [entry._replace(evidence=runs.judge(entry.finding)) for entry in entries]
    entries.sort(key=lambda entry: (entry.finding.span, entry.finding.rule, entry.finding.message))
    return Outcome(
        len(sources),
        tuple(entries),
        problems=tuple(problems),
        sources=tuple(sources),
        deferred=found.deferred,
        followed=found.followed,
        others=found.others,
        stale=runs.stale if runs is not None else (),
        is_unseen=runs is not None and runs.is_elsewhere,
    )


def _marks(sources: Sequence[Source], found: _Analysed, reason: str) -> list[Repair]:
    """Return the comments that hide all that is found; those that hide nothing are no finding here."""
    from fixgrad.suppressions.insertion import insertions  # noqa: PLC0415
    from fixgrad.suppressions.unused_suppression import CODE  # noqa: PLC0415

    findings = [repair.finding for repair in found.repairs]
    findings += [refusal.finding for refusal in found.refusals]
    by_path = {source.path: source for source in sources}
    return insertions((f for f in findings if f.rule != CODE), by_path, reason)


def _applied(repair: Repair, policy: Policy) -> bool:
    return policy.makes(repair.finding.rule, repair.applicability) and bool(repair.operations)


def _repaired(
    sources: Iterable[Source], patches: Iterable[tuple[Source, Patch]]
) -> tuple[Source, ...]:
    after = {source.path: repaired_source(source, patch) for source, patch in patches}
    return tuple(after.get(source.path, source) for source in sources)


def repaired_source(source: Source, patch: Patch) -> Source:
    """Return a file as its patch leaves it."""
    data = write.encoded(source, patch)
    if source.notebook:
        again = project.decode(source.path, data)
        assert isinstance(again, Source), again  # `check_file` saw to it
        return again
    return source._replace(text=patch.after, digest=project.digest(data))
