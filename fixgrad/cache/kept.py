"""What a run asks of the cache: files that were lowered before, and parts of a project that were concluded before."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

from fixgrad.cache.keys import key_of
from fixgrad.cache.store import Store
from fixgrad.cache.values import dumped, loaded
from fixgrad.findings import Concluded
from fixgrad.flow.facts import Facts, facts, module_of
from fixgrad.flow.ir import Module
from fixgrad.source import Source

_HEAD, _BODIES, _CONCLUDED = "head", "bodies", "concluded"


class Kept:
    """Answers of former runs, for the same contents and the same options."""

    def __init__(self, store: Store, asked: str) -> None:
        self.store = store
        self.asked = asked  # tells these options from others

    def heads(self, sources: Sequence[Source]) -> dict[str, Module]:
        """Return by path the files that are known; what their functions do is not in it."""
        heads = self.store.get(_HEAD, (source.digest for source in sources))
        known: dict[str, Module] = {}
        for source in sources:
            head = heads.get(source.digest)
            if head is not None and not source.notebook:
                module = _module(source.path, head)
                if module is not None:
                    known[source.path] = module
        return known

    def keep(self, lowered: Iterable[tuple[Source, Module]]) -> None:
        """Keep files that were lowered; a notebook, whose lines know their cells, is not."""
        heads: dict[str, bytes] = {}
        bodies: dict[str, bytes] = {}
        for source, module in lowered:
            known = facts(module)
            if known is not None and not source.notebook:
                heads[source.digest] = known.head
                bodies[source.digest] = zlib.compress(known.bodies, 1)
        self.store.put(_BODIES, bodies)
        self.store.put(_HEAD, heads)

    def whole(self, sources: Sequence[Source]) -> dict[str, Module]:
        """Return by path the files that are known, with what their functions do."""
        digests = [source.digest for source in sources]
        heads, bodies = self.store.get(_HEAD, digests), self.store.get(_BODIES, digests)
        known: dict[str, Module] = {}
        for source in sources:
            if source.digest in heads and source.digest in bodies:
                module = _module(source.path, heads[source.digest], bodies[source.digest])
                if module is not None:
                    known[source.path] = module
        return known

    def concluded(self, contents: Iterable[object]) -> list[Concluded | None]:
        """Return what was concluded of parts with these contents, in order."""
        keys = [key_of(self.asked, content) for content in contents]
        found = self.store.get(_CONCLUDED, keys)
        return [_concluded(found[key]) if key in found else None for key in keys]

    def keep_concluded(self, found: Iterable[tuple[object, Concluded]]) -> None:
        """Keep what was concluded of parts, by their contents."""
        rows = {key_of(self.asked, content): dumped(tuple(each)) for content, each in found}
        self.store.put(_CONCLUDED, rows)


def _module(path: str, head: bytes, bodies: bytes | None = None) -> Module | None:
    """Return a file as it was kept; None where the bytes are not those of one."""
    try:
        return module_of(path, Facts(head, b"" if bodies is None else zlib.decompress(bodies)))
    except (ValueError, TypeError, EOFError, MemoryError, zlib.error):
        return None


def _concluded(data: bytes) -> Concluded | None:
    try:
        return Concluded(*loaded(data))
    except (ValueError, TypeError):
        return None
