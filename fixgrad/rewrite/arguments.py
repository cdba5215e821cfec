"""The keywords of a call: one more, another value, one less, in the style of the call."""

from __future__ import annotations

import libcst as cst


def with_keyword(call: cst.Call, name: str, value: cst.BaseExpression) -> cst.Call:
    """Give the call a keyword, after its other arguments but before a final `**mapping`."""
    for index, arg in enumerate(call.args):
        if arg.keyword is not None and arg.keyword.value == name:
            args = list(call.args)
            args[index] = arg.with_changes(value=value)
            return call.with_changes(args=args)
    added = cst.Arg(
        value=value,
        keyword=cst.Name(name),
        equal=cst.AssignEqual(
            whitespace_before=cst.SimpleWhitespace(""), whitespace_after=cst.SimpleWhitespace("")
        ),
    )
    if not call.args:
        return call.with_changes(args=[added])
    index = len(call.args)
    while index and call.args[index - 1].star == "**":
        index -= 1
    if index < len(call.args):
        return _inserted(call, index, added)
    return _added_last(call, added)


def _inserted(call: cst.Call, index: int, added: cst.Arg) -> cst.Call:
    """Put the argument before one that stays, on a line of its own where that one has one."""
    lead = _lead(call, index)
    if not _breaks(lead):
        lead = cst.SimpleWhitespace(" ")
    comma = cst.Comma(whitespace_after=_plain(lead))
    args = [*call.args[:index], added.with_changes(comma=comma), *call.args[index:]]
    return call.with_changes(args=args)


def _added_last(call: cst.Call, added: cst.Arg) -> cst.Call:
    last = call.args[-1]
    if isinstance(last.value, cst.GeneratorExp) and not last.value.lpar:
        value = last.value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        last = last.with_changes(value=value)
    lead = _lead(call, len(call.args) - 1)
    closing = _closing(last)
    between: cst.BaseParenthesizableWhitespace = cst.SimpleWhitespace(" ")
    if _breaks(lead):
        between = _joined(closing, _plain(lead))
        closing = _plain(closing)
    if isinstance(last.comma, cst.Comma):
        comma = last.comma.with_changes(whitespace_after=between)
        added = added.with_changes(comma=cst.Comma(whitespace_after=closing))
    else:
        comma = cst.Comma(whitespace_after=between)
        added = added.with_changes(whitespace_after_arg=closing)
        last = last.with_changes(whitespace_after_arg=cst.SimpleWhitespace(""))
    return call.with_changes(args=[*call.args[:-1], last.with_changes(comma=comma), added])


def without_keyword(call: cst.Call, name: str) -> cst.Call | None:
    """Take a keyword off the call, with its comma; comments around it stay."""
    names = [arg.keyword.value if arg.keyword else None for arg in call.args]
    if name not in names:
        return None
    index = names.index(name)
    args = [*call.args[:index], *call.args[index + 1 :]]
    lead, gap = _lead(call, index), _gap(call.args[index])
    if not args:
        kept = _joined(lead, gap) if _comments(lead) else gap if _comments(gap) else _nothing()
        return call.with_changes(args=[], whitespace_before_args=kept)
    if index == len(args):
        args[-1] = _closed(args[-1], call.args[index], _after_comments(lead, gap))
        return call.with_changes(args=args)
    joined = _without_line(lead, gap, first=index == 0)
    if index == 0:
        return call.with_changes(args=args, whitespace_before_args=joined)
    before = args[index - 1]
    if isinstance(before.comma, cst.Comma):
        comma = before.comma.with_changes(whitespace_after=joined)
        args[index - 1] = before.with_changes(comma=comma)
    return call.with_changes(args=args)


def renamed(call: cst.Call, name: str, new: str) -> cst.Call | None:
    """Call a keyword of the call otherwise."""
    for index, arg in enumerate(call.args):
        if arg.keyword is not None and arg.keyword.value == name:
            args = list(call.args)
            args[index] = arg.with_changes(keyword=arg.keyword.with_changes(value=new))
            return call.with_changes(args=args)
    return None


def named(call: cst.Call, position: int, name: str) -> cst.Call | None:
    """Make a positional argument a keyword; those behind it must be keywords already."""
    if not _plain_arguments(call, position + 1):
        return None
    if any(arg.keyword is None for arg in call.args[position + 1 :]):
        return None
    args = list(call.args)
    args[position] = args[position].with_changes(
        keyword=cst.Name(name),
        equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
    )
    return call.with_changes(args=args)


def swapped(call: cst.Call) -> cst.Call | None:
    """Let the first two positional arguments change places."""
    if not _plain_arguments(call, 2):
        return None
    one, other, *rest = call.args
    first = one.with_changes(value=other.value)
    return call.with_changes(args=[first, other.with_changes(value=one.value), *rest])


def _plain_arguments(call: cst.Call, count: int) -> bool:
    """Say whether the call has that many positional arguments, none of them starred."""
    first = call.args[:count]
    return len(first) == count and not any(arg.star or arg.keyword is not None for arg in first)


def _closed(last: cst.Arg, dropped: cst.Arg, closing: cst.BaseParenthesizableWhitespace) -> cst.Arg:
    """Make `last` the last argument, with a final comma where the dropped one had it."""
    if isinstance(dropped.comma, cst.Comma) and isinstance(last.comma, cst.Comma):
        return last.with_changes(comma=last.comma.with_changes(whitespace_after=closing))
    if isinstance(last.comma, cst.Comma):
        closing = _after_comments(last.comma.whitespace_before, closing)
    return last.with_changes(comma=cst.MaybeSentinel.DEFAULT, whitespace_after_arg=closing)


def _lead(call: cst.Call, index: int) -> cst.BaseParenthesizableWhitespace:
    """Return the white space before an argument."""
    if index == 0:
        return call.whitespace_before_args
    comma = call.args[index - 1].comma
    return comma.whitespace_after if isinstance(comma, cst.Comma) else _nothing()


def _closing(arg: cst.Arg) -> cst.BaseParenthesizableWhitespace:
    """Return the white space after an argument and its comma."""
    if isinstance(arg.comma, cst.Comma):
        return arg.comma.whitespace_after
    return arg.whitespace_after_arg


def _gap(arg: cst.Arg) -> cst.BaseParenthesizableWhitespace:
    """Return the white space after an argument, with comments that stand before its comma."""
    if not isinstance(arg.comma, cst.Comma):
        return arg.whitespace_after_arg
    return _after_comments(arg.comma.whitespace_before, arg.comma.whitespace_after)


def _nothing() -> cst.SimpleWhitespace:
    return cst.SimpleWhitespace("")


def _breaks(space: cst.BaseParenthesizableWhitespace) -> bool:
    return isinstance(space, cst.ParenthesizedWhitespace)


def _comments(space: cst.BaseParenthesizableWhitespace) -> list[cst.EmptyLine]:
    """Return the comments in the white space, each as a line of its own."""
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return []
    lines = [line for line in space.empty_lines if line.comment is not None]
    if space.first_line.comment is None:
        return lines
    newline = space.first_line.newline
    return [cst.EmptyLine(indent=False, comment=space.first_line.comment, newline=newline), *lines]


def _plain(
    space: cst.BaseParenthesizableWhitespace,
) -> cst.BaseParenthesizableWhitespace:
    """Return the white space without its comments and blank lines."""
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return space
    first = cst.TrailingWhitespace(
        whitespace=cst.SimpleWhitespace(""), newline=space.first_line.newline
    )
    return space.with_changes(first_line=first, empty_lines=[])


def _joined(
    space: cst.BaseParenthesizableWhitespace, end: cst.BaseParenthesizableWhitespace
) -> cst.BaseParenthesizableWhitespace:
    """Return the comments of `space` followed by the last line of `end`."""
    if not isinstance(space, cst.ParenthesizedWhitespace) or not _comments(space):
        return end
    if not isinstance(end, cst.ParenthesizedWhitespace):
        return space
    return space.with_changes(last_line=end.last_line)


def _after_comments(
    lead: cst.BaseParenthesizableWhitespace, gap: cst.BaseParenthesizableWhitespace
) -> cst.BaseParenthesizableWhitespace:
    """Return what closes the call once the argument between `lead` and `gap` is gone."""
    if not isinstance(lead, cst.ParenthesizedWhitespace) or not _comments(lead):
        return gap
    return _joined(_with_comments(lead, gap), gap)


def _without_line(
    lead: cst.BaseParenthesizableWhitespace,
    gap: cst.BaseParenthesizableWhitespace,
    *,
    first: bool,
) -> cst.BaseParenthesizableWhitespace:
    """Return what separates the neighbours of an argument that goes."""
    if isinstance(lead, cst.ParenthesizedWhitespace):
        return _with_comments(lead, gap)
    return gap if _comments(gap) or (_breaks(gap) and not first) else lead


def _with_comments(
    lead: cst.ParenthesizedWhitespace, gap: cst.BaseParenthesizableWhitespace
) -> cst.ParenthesizedWhitespace:
    """Add the comments of `gap` to `lead`, each on a line of its own."""
    own = lead.last_line
    comments = [line.with_changes(indent=False, whitespace=own) for line in _comments(gap)]
    return lead.with_changes(empty_lines=[*lead.empty_lines, *comments])
