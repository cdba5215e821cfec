"""The rules and refusal codes there are, found by looking; and which of them a user selects."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import NamedTuple

from fixgrad.errors import FixgradError

_RULE_PACKAGES = ("fixgrad.demands", "fixgrad.hazards", "fixgrad.suppressions")
_REFUSALS = "fixgrad.repair.refusals"


class Rule(NamedTuple):
    """A rule or a refusal code as it describes itself."""

    code: str  # "FG101"
    name: str  # "grad-of-untracked-tensor"
    text: str  # the module's docstring, or what a refusal code means

    @property
    def is_refusal(self) -> bool:
        """Whether it says why a finding is left alone."""
        return self.code.startswith("FG9")

    @property
    def summary(self) -> str:
        """The first line."""
        return self.text.partition("\n")[0]

    @property
    def sections(self) -> dict[str, str]:
        """The rest, by heading, as Markdown."""
        found: dict[str, str] = {}
        for part in self.text.split("\n## ")[1:]:
            heading, _, body = part.partition("\n")
            found[heading.strip()] = body.strip()
        return found


@cache
def rules() -> tuple[Rule, ...]:
    """Return every rule by code: each module with a CODE in the packages that hold them."""
    found: list[Rule] = []
    for package in _RULE_PACKAGES:
        for name in _modules_of(package):
            module = importlib.import_module(name)
            code = getattr(module, "CODE", None)
            if isinstance(code, str):
                found.append(Rule(code, module.NAME, (module.__doc__ or "").strip()))
    return tuple(sorted(found))


@cache
def refusals() -> tuple[Rule, ...]:
    """Return the codes that say why a finding is left alone."""
    if _REFUSALS not in _modules_of("fixgrad.repair"):
        return ()
    module = importlib.import_module(_REFUSALS)
    texts: dict[str, str] = module.EXPLANATIONS
    return tuple(
        Rule(code, name, texts[code].strip()) for code, name in sorted(module.REFUSALS.items())
    )


def rule(code: str) -> Rule:
    """Return one rule by its code or its name."""
    for known in (*rules(), *refusals()):
        if code.upper() == known.code or code == known.name:
            return known
    every = (*rules(), *refusals())
    raise FixgradError(f"no rule {code!r}{_did_you_mean(code, every)}; `fixgrad rule` lists them")


def selection(
    select: Sequence[str], ignore: Sequence[str], *, said: str = ""
) -> Callable[[str], bool]:
    """Return whether a rule is wanted: the longest prefix that fits its code decides.

    Each argument may hold several codes, prefixes or names, parted by commas. On a tie the rule
    is ignored; with nothing selected every rule is. Complaints name where it was `said`.
    """
    if not ignore and all(codes.strip().upper() == "ALL" for codes in select):
        return lambda code: True  # and no rule needs to be loaded to check the codes
    wanted = _prefixes(said or "--select", select) or {"FG"}
    unwanted = _prefixes(said or "--ignore", ignore)

    def selected(code: str) -> bool:
        return _longest(code, wanted) > _longest(code, unwanted)

    return selected


def _longest(code: str, prefixes: set[str]) -> int:
    return max((len(prefix) for prefix in prefixes if code.startswith(prefix)), default=0)


def _prefixes(option: str, lists: Sequence[str]) -> set[str]:
    given = [code.strip() for codes in lists for code in codes.split(",")]
    return {_prefix(option, code) for code in given if code}


def _prefix(option: str, code: str) -> str:
    by_name = {known.name: known.code for known in rules()}
    prefix = "FG" if code.upper() == "ALL" else by_name.get(code, code.upper())
    if prefix.startswith("FG") and any(known.code.startswith(prefix) for known in rules()):
        return prefix
    raise FixgradError(
        f"{option}: no rule {code!r}{_did_you_mean(code, rules())}; `fixgrad rule` lists them"
    )


def _did_you_mean(code: str, among: Iterable[Rule]) -> str:
    import difflib  # noqa: PLC0415  (only for a mistyped code)

    known = [word for rule in among for word in (rule.code, rule.name)]
    close = difflib.get_close_matches(code.upper(), known, 1, 0.5)
    close = close or difflib.get_close_matches(code.lower(), known, 1, 0.5)
    return f", did you mean {close[0]}?" if close else ""


def _modules_of(package: str) -> list[str]:
    import pkgutil  # noqa: PLC0415  (a run that has all from the cache needs no rules)

    try:
        found = importlib.import_module(package)
    except ModuleNotFoundError:
        return []
    return [module.name for module in pkgutil.iter_modules(found.__path__, package + ".")]
