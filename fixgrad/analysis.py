"""From sources to findings with their repairs or refusals, one part of the project after the other."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from fixgrad.conclusion import Analysis, Study, conclude, together
from fixgrad.crew import ALONE, Crew
from fixgrad.depth import deeply
from fixgrad.division import Part, divided, joined
from fixgrad.findings import Concluded
from fixgrad.flow.ir import Module
from fixgrad.flow.machine import Handler
from fixgrad.knowledge.models import Models
from fixgrad.policy import Policy
from fixgrad.project import Surroundings
from fixgrad.source import Problem, Source

if TYPE_CHECKING:
    from fixgrad.cache.kept import Kept

_Result = TypeVar("_Result")


def analyse(
    sources: Sequence[Source],
    policy: Policy,
    around: Surroundings | None = None,
    models: Models | None = None,
    edits_around: bool = False,
    handlers: Mapping[str, Handler] | None = None,
    crew: Crew = ALONE,
    kept: Kept | None = None,
) -> Analysis:
    """Find what has no gradient in a project and plan what gives it one.

    What stands `around` the sources is read as far as it matters; with `edits_around` a repair may change it.
    `models` says what calls do that the user's settings describe. A run that somebody watches, by `handlers`,
    follows everything together and is kept. What is `kept` of former runs is not worked out again.
    """
    if not policy.is_local or handlers is not None:
        kept = None  # what is concluded then is not of the files and the options alone
    lowered = _at_ease(lambda: _lowered(sources, crew, kept))
    every = _at_ease(lambda: divided(sources, lowered, around, models))
    every = [part._replace(edits_around=edits_around) for part in every]
    if handlers is not None and every:
        whole = joined(every)
        study = _at_ease(lambda: whole.followed(handlers))
        found = _at_ease(lambda: conclude([study], policy))._replace(study=study)
    elif policy.is_local:
        found = together(_each_concluded(every, policy, crew, kept))
    else:
        followed = [_at_ease(part.followed) for part in every]
        found = _at_ease(lambda: conclude(followed, policy))
    return found._replace(problems=tuple(p for p in lowered if isinstance(p, Problem)))


def studies(
    sources: Sequence[Source], around: Surroundings | None = None, models: Models | None = None
) -> list[Study]:
    """Follow a project, each part of it by itself."""
    lowered = _at_ease(lambda: ALONE.lowered(sources))
    every = _at_ease(lambda: divided(sources, lowered, around, models))
    return [_at_ease(part.followed) for part in every]


def _at_ease(function: Callable[[], _Result]) -> _Result:
    collecting = gc.isenabled()
    gc.disable()  # nothing here is garbage before the end; collecting costs a fifth of the time
    try:
        return deeply(function)
    finally:
        if collecting:
            gc.enable()


def _lowered(
    sources: Sequence[Source], crew: Crew, kept: Kept | None
) -> Sequence[Module | Problem]:
    if kept is None:
        return crew.lowered(sources)
    known: dict[str, Module | Problem] = dict(kept.heads(sources))
    new = [source for source in sources if source.path not in known]
    fresh = dict(zip(new, crew.lowered(new), strict=True))
    kept.keep((source, module) for source, module in fresh.items() if isinstance(module, Module))
    known.update((source.path, module) for source, module in fresh.items())
    return [known[source.path] for source in sources]


def _each_concluded(
    every: Sequence[Part], policy: Policy, crew: Crew, kept: Kept | None
) -> list[Analysis]:
    """Conclude what is not known of each part, in order."""
    known = _recalled(every, kept) if kept is not None else {}
    new = [number for number in range(len(every)) if number not in known]
    parts = [every[number] for number in new]
    if kept is not None:
        parts = [_with_bodies(part, kept) for part in parts]
    sizes = [part.size for part in parts]
    waste = _Waste(sum(sizes))
    found = crew.spread(lambda part: _concluded(part, policy, waste), parts, sizes)
    fresh = dict(zip(new, found, strict=True))
    if kept is not None:
        kept.keep_concluded((every[n].content(), _to_keep(each)) for n, each in fresh.items())
    return [known[number] if number in known else fresh[number] for number in range(len(every))]


_WORTH_COLLECTING = 400_000  # characters that were followed, of which nothing is asked any more


class _Waste:
    """What is left of parts that were followed: all of it hangs together, so that only a collection frees it."""

    def __init__(self, to_come: int) -> None:
        self._size, self._to_come = 0, to_come

    def add(self, size: int) -> None:
        """Note how large a part was that is done with."""
        self._size += size
        self._to_come -= size

    def clear(self) -> None:
        """Free it where it is much, and as much is to come: it takes a tenth of the time."""
        if _WORTH_COLLECTING <= self._size <= 2 * self._to_come:
            self._size = 0
            gc.collect()


def _concluded(part: Part, policy: Policy, waste: _Waste) -> Analysis:
    waste.clear()
    found = _at_ease(lambda: conclude([part.followed()], policy))
    waste.add(part.size)
    return found


def _recalled(every: Sequence[Part], kept: Kept) -> dict[int, Analysis]:
    """Return by number what is known of the parts."""
    found = kept.concluded([part.content() for part in every])
    known: dict[int, Analysis] = {}
    for number, part in enumerate(every):
        each = found[number]
        if each is not None:
            others = tuple(source for source in part.sources if source.path in each.others)
            known[number] = Analysis(*each[:2], deferred=each.deferred, others=others)
    return known


def _to_keep(found: Analysis) -> Concluded:
    others = tuple(source.path for source in found.others)
    return Concluded(found.repairs, found.refusals, found.deferred, others)


def _with_bodies(part: Part, kept: Kept) -> Part:
    """Return a part with what its functions do, also where only the heads were known so far."""
    bare = [s for s, m in zip(part.sources, part.modules, strict=True) if m.functions[0].is_bare]
    whole = kept.whole(bare)
    for source in bare:
        if source.path not in whole:  # it was lost meanwhile
            again = ALONE.lowered([source])[0]
            assert isinstance(again, Module), again  # as its head was kept
            whole[source.path] = again
    return part._replace(modules=tuple(whole.get(m.path, m) for m in part.modules))
