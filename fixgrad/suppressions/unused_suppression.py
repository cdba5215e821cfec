"""A comment for fixgrad hides nothing, or is not one that fixgrad knows.

## What it finds
`# fixgrad: ignore[FG101]`, `fixme`, `file-ignore`, `disable` and `# noqa: FG101` where no finding of that rule is left
to hide, an `enable` without its `disable`, and words behind `# fixgrad:` that mean nothing. A bare `# noqa` and the
codes of other tools are not judged, nor are rules that are not selected. `# fixgrad: data` states a fact, used or not.

## Why it matters
It claims a danger that is gone, and hides the next one on its line; or, misspelt, it hides nothing while its author
thinks it does.

## Example
```python
import torch

x = torch.ones(2, requires_grad=True)  # fixgrad: ignore[FG101] set by hand
x.sum().backward()
print(x.grad)
```

## Repair
The comment goes, or of several codes the one that hides nothing; a reason goes with the whole comment. A misspelt word
is not corrected, as nobody knows what was meant.

## Repair safety
Safe: a comment changes nothing in what the program does.

## References
https://docs.astral.sh/ruff/rules/unused-noqa/
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixgrad.edits import Operation
from fixgrad.findings import WRONG, Applicability, Finding, Repair, Step
from fixgrad.policy import Policy
from fixgrad.source import Source
from fixgrad.suppressions.comments import KINDS, NOQA, Comment
from fixgrad.suppressions.suppressions import Suppressions

CODE = "FG401"
NAME = "unused-suppression"

_BRACKETS = re.compile(r"\[[^\]]*\]")
_OURS = re.compile(r"FG[0-9]*")


def unused(suppressions: Suppressions, source: Source, policy: Policy) -> Iterator[Repair]:
    """Yield what is to be removed from the comments of a file that was analysed."""
    open_codes: list[Comment] = []
    for comment in suppressions.of(source.path):
        if policy.left_alone(CODE, comment.span):
            return
        if comment.kind not in (*KINDS, NOQA):
            yield _misspelt(comment)
        elif comment.kind == "enable":
            if not any(_overlap(comment, other) for other in open_codes):
                yield _repair(comment, "there is nothing to enable here", "")
        elif comment.kind != "data":
            idle = _idle(comment, suppressions.used(comment), policy)
            kept = _without(comment, idle)
            if comment.kind == "disable" and kept is not None:
                open_codes.append(kept)
            if idle is not None:
                yield _hides_nothing(comment, idle, source)


def _idle(comment: Comment, used: frozenset[str], policy: Policy) -> list[str] | None:
    """Return the codes that hide nothing, none for all of a comment that names none; None if it is right."""
    if comment.codes is None:
        is_idle = not used and comment.kind != NOQA and policy.selects_all
        return [] if is_idle else None
    idle = [code for code in comment.codes if not any(rule.startswith(code) for rule in used)]
    idle = [code for code in idle if _is_judged(comment, code, policy)]
    return idle if idle or not comment.codes else None


def _without(comment: Comment, idle: list[str] | None) -> Comment | None:
    """Return what is left of a comment without some codes; None where nothing is."""
    if idle is None:
        return comment
    kept = [code for code in comment.codes or () if code not in idle]
    return comment._replace(codes=tuple(kept)) if kept else None


def _hides_nothing(comment: Comment, idle: list[str], source: Source) -> Repair:
    if comment.codes is None:
        return _repair(comment, "this comment hides nothing", "")
    kept = [code for code in comment.codes if code not in idle]
    words = ", ".join(f"`{code}`" for code in idle) or "this comment"
    hides = "hide" if len(idle) > 1 else "hides"
    return _repair(comment, f"{words} {hides} nothing here", _text(comment, source, kept))


def _is_judged(comment: Comment, code: str, policy: Policy) -> bool:
    if comment.kind == NOQA and not _OURS.fullmatch(code):
        return False
    return policy.selected(code) and not policy.left_alone(code, comment.span)


def _text(comment: Comment, source: Source, kept: list[str]) -> str:
    """Return the comment with these codes only."""
    if not kept:
        return ""
    line = source.lines()[comment.span.line - 1]
    text = line[comment.span.column : comment.span.end_column]
    if comment.kind == NOQA:
        return f"{text[: text.index(':') + 1]} {', '.join(kept)}"
    return _BRACKETS.sub(f"[{', '.join(kept)}]", text, count=1)


def _overlap(one: Comment, other: Comment) -> bool:
    if one.codes is None or other.codes is None:
        return True
    return any(a.startswith(b) or b.startswith(a) for a in one.codes for b in other.codes)


def _misspelt(comment: Comment) -> Repair:
    import difflib  # noqa: PLC0415  (only for a mistake)

    close = difflib.get_close_matches(comment.kind, KINDS, 1, 0.6)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(KINDS)}"
    message = f"`{comment.kind}` is nothing that fixgrad knows, {hint}"
    repair = _repair(comment, message, "")
    return repair._replace(operations=(), applicability=Applicability.DISPLAY, title=hint)


def _repair(comment: Comment, message: str, text: str) -> Repair:
    span = comment.span
    finding = Finding(CODE, span, message, "high", (Step(span, "wrong here", WRONG),))
    title = "remove the code" if text else "remove the comment"
    return Repair(finding, (Operation(span, "comment", text),), Applicability.SAFE, title)
