"""One operation on one expression: libcst parses its text, changes the node and prints it.

Nothing here knows where the expression stands; what must be known of that comes as a `Setting`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import libcst as cst

from fixgrad.edits import Operation
from fixgrad.rewrite.arguments import named, renamed, swapped, with_keyword, without_keyword
from fixgrad.rewrite.literals import literals
from fixgrad.rewrite.refused import RewriteRefused

_LARGEST = 20_000  # characters; libcst takes seconds above
_DEEPEST = 100  # brackets; libcst's parser overflows the stack of the process some way above 1000
_LONGEST_CHAIN = 1000  # links; "x" + ".a" * 10_000 overflows it as well
_LINK = re.compile(r"[-+*/%@&|^~.<>=!\[({]|\b(?:not|lambda|and|or|if|await|in|is)\b")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_PRIMARY = (
    cst.Name,
    cst.Attribute,
    cst.Call,
    cst.Subscript,
    cst.List,
    cst.Set,
    cst.Dict,
    cst.ListComp,
    cst.SetComp,
    cst.DictComp,
    cst.SimpleString,
    cst.FormattedString,
    cst.ConcatenatedString,
)
_OPERATORS = (
    cst.BinaryOperation,
    cst.BooleanOperation,
    cst.UnaryOperation,
    cst.Comparison,
    cst.Await,
    cst.BaseNumber,
    cst.Ellipsis,
)


_PLAIN_OPERATORS: dict[type[cst.BaseAugOp], cst.BaseBinaryOp] = {
    cst.AddAssign: cst.Add(),
    cst.SubtractAssign: cst.Subtract(),
    cst.MultiplyAssign: cst.Multiply(),
    cst.DivideAssign: cst.Divide(),
    cst.PowerAssign: cst.Power(),
    cst.MatrixMultiplyAssign: cst.MatrixMultiply(),
}


class Setting(NamedTuple):
    """What the place of an expression asks of its text."""

    opening: str  # "(" and what follows it, where parentheses hold just this expression; or ""
    closing: str
    delimited: bool  # an operator expression may stand there without parentheses
    bracketed: bool  # a newline may stand there


class Written(NamedTuple):
    """The new text of an expression."""

    text: str
    absorbed: bool  # the parentheses around the expression are part of the text


def write(text: str, operation: Operation, setting: Setting) -> Written:
    """Apply one operation to the text of an expression.

    Raises `RewriteRefused` where the expression is not of the kind that the operation needs.
    """
    try:
        if operation.kind == "out-of-place":
            return Written(_out_of_place(text), absorbed=False)
        if operation.kind == "as-buffer":
            return Written(_as_buffer(text, operation.argument), absorbed=False)
        node = _parsed(text)
        match operation.kind:
            case "append":
                return _appended(text, node, operation.argument, setting)
            case "call":
                return _called(text, node, operation.argument, setting)
            case "replace":
                return _fitted(operation.argument.strip(), node, setting)
            case "unwrap-attribute" | "unwrap-call" | "unwrap-method":
                unwrapped = _bared(_unwrapped(node, operation), setting)
                return _fitted(_print(unwrapped, text), node, setting)
            case _:
                return Written(_print(_changed_call(node, operation), text), absorbed=False)
    except cst.ParserSyntaxError:
        raise RewriteRefused(operation, "not an expression that libcst can read") from None
    except cst.CSTValidationError:
        raise RewriteRefused(operation, "libcst takes the expression for invalid") from None
    except RecursionError:
        raise RewriteRefused(operation, "the expression is nested too deep") from None
    except _Unwritable as reason:
        raise RewriteRefused(operation, str(reason)) from None


def _statement(text: str) -> cst.BaseSmallStatement | None:
    _guard(text)
    module = cst.parse_module(text)
    line = module.body[0] if len(module.body) == 1 else None
    return line.body[0] if isinstance(line, cst.SimpleStatementLine) else None


def _as_buffer(text: str, name: str) -> str:
    """Write `self.k = e` as `self.register_buffer("k", e, persistent=False)`."""
    statement = _statement(text)
    target = statement.targets[0].target if isinstance(statement, cst.Assign) else None
    if not isinstance(statement, cst.Assign) or not isinstance(target, cst.Attribute):
        raise _Unwritable("the statement does not set one attribute")
    if len(statement.targets) > 1 or target.attr.value != name:
        raise _Unwritable("the statement sets something else too")
    call = cst.Call(
        func=cst.Attribute(value=target.value, attr=cst.Name("register_buffer")),
        args=[cst.Arg(cst.SimpleString(f'"{name}"')), cst.Arg(statement.value)],
    )
    return _print(with_keyword(call, "persistent", cst.Name("False")), text)


def _out_of_place(text: str) -> str:
    """Write `x += e` as `x = x + e`."""
    statement = _statement(text)
    if not isinstance(statement, cst.AugAssign):
        raise _Unwritable("the statement does not change something in place")
    operator = _PLAIN_OPERATORS.get(type(statement.operator))
    if operator is None or not isinstance(statement.target, (cst.Name, cst.Attribute)):
        raise _Unwritable("the statement changes something that cannot be written twice")
    value = statement.value
    if not _primary(value) and not isinstance(value, cst.BaseNumber):
        value = value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    result = cst.BinaryOperation(left=statement.target, operator=operator, right=value)
    assign = cst.Assign(targets=[cst.AssignTarget(target=statement.target)], value=result)
    return _print(assign, text)


class _Unwritable(Exception):  # noqa: N818 - carries a reason up to where the operation is known
    pass


def _parsed(text: str) -> cst.BaseExpression:
    """Parse the expression; the parentheses added for newlines are taken off the node."""
    _guard(text)
    node = cst.parse_expression(f"({text})")
    node = node.with_changes(lpar=node.lpar[1:], rpar=node.rpar[:-1])
    if _print(node, text) != text:
        raise _Unwritable("libcst does not print the expression as it stands")
    return node


@lru_cache(maxsize=256)
def _argument(text: str) -> cst.BaseExpression:
    return _parsed(text)


def _guard(text: str) -> None:
    if len(text) > _LARGEST:
        raise _Unwritable(f"the expression is larger than {_LARGEST} characters")
    code = list(text)
    for literal in literals(text):
        code[literal.start : literal.end] = " " * (literal.end - literal.start)
    depth = deepest = 0
    bare = "".join(code)
    for bracket in re.findall(r"[()\[\]{}]", bare):
        depth += 1 if bracket in "([{" else -1
        deepest = max(deepest, depth)
    links = [len(_LINK.findall(part)) for part in bare.split(",")]
    links.append(len(re.findall(r"[)\]]\s*[\[(.]", bare)))
    if deepest > _DEEPEST or max(links) > _LONGEST_CHAIN:
        raise _Unwritable("the expression is nested too deep")


def _print(node: cst.CSTNode, text: str) -> str:
    newline = _NEWLINE.search(text)
    module = cst.Module(body=(), default_newline=newline.group() if newline else "\n")
    return module.code_for_node(node)


def _primary(node: cst.BaseExpression) -> bool:
    """Say whether `.name` and `(...)` may follow the printed node."""
    return bool(node.lpar) or isinstance(node, _PRIMARY)


def _appended(text: str, node: cst.BaseExpression, argument: str, setting: Setting) -> Written:
    if _primary(node):
        return Written(text + _chain_break(text, node) + argument, absorbed=False)
    if setting.opening:
        return Written(setting.opening + text + setting.closing + argument, absorbed=True)
    return Written(f"({text}){argument}", absorbed=False)


def _chain_break(text: str, node: cst.BaseExpression) -> str:
    """Return the newline and indentation that a chain of methods puts before its last dot."""
    while isinstance(node, (cst.Call, cst.Subscript)) and not node.lpar:
        node = node.func if isinstance(node, cst.Call) else node.value
    if not isinstance(node, cst.Attribute) or node.lpar:
        return ""
    space = node.dot.whitespace_before
    newline = _NEWLINE.search(text)
    if not isinstance(space, cst.ParenthesizedWhitespace) or newline is None:
        return ""
    return (space.first_line.newline.value or newline.group()) + space.last_line.value


def _called(text: str, node: cst.BaseExpression, callee: str, setting: Setting) -> Written:
    if not _primary(_argument(callee)):
        raise _Unwritable(f"{callee} cannot be called")
    if isinstance(node, (cst.Yield, cst.Tuple)) and not node.lpar:
        text = f"({text})"
    if setting.opening:
        return Written(callee + setting.opening + text + setting.closing, absorbed=True)
    return Written(f"{callee}({text})", absorbed=False)


def _fitted(text: str, old: cst.BaseExpression, setting: Setting) -> Written:
    """Put another expression where `old` stood, in parentheses where it needs them."""
    new = _argument(text)
    if setting.opening:
        bare = setting.opening == "(" and setting.closing == ")"
        return Written(text, absorbed=bare and _primary(new) and not _primary(old))
    if not setting.bracketed and _breaks(text):
        return Written(f"({text})", absorbed=False)
    operator = isinstance(new, _OPERATORS) and not new.lpar
    fits = setting.delimited if operator else _primary(new) or type(new) is type(old)
    return Written(text if fits else f"({text})", absorbed=False)


def _breaks(text: str) -> bool:
    """Say whether a newline stands outside all brackets and strings of the text."""
    at = depth = 0
    for literal in [*literals(text), None]:
        for mark in re.findall(
            r"[()\[\]{}]|(?:\\)?(?:\r\n|\r|\n)", text[at : literal.start if literal else None]
        ):
            if mark in "\r\n" and not depth:
                return True
            depth += (mark in "([{") - (mark in ")]}")
        at = literal.end if literal else at
    return False


def _unwrapped(node: cst.BaseExpression, operation: Operation) -> cst.BaseExpression:
    if operation.kind == "unwrap-attribute":
        if not isinstance(node, cst.Attribute) or node.attr.value != operation.argument:
            raise _Unwritable(f"the expression does not end in .{operation.argument}")
        return node.value
    call = _call(node)
    if operation.kind == "unwrap-method":
        method = call.func
        if not isinstance(method, cst.Attribute) or method.attr.value != operation.argument:
            raise _Unwritable(f"the expression does not end in .{operation.argument}()")
        return method.value
    if not call.args or call.args[0].star:
        raise _Unwritable("the call has no first argument of its own")
    return _bare_argument(call)


def _bared(node: cst.BaseExpression, setting: Setting) -> cst.BaseExpression:
    """Take off the parentheses that an operator expression needed for the method behind it."""
    if not setting.delimited or not isinstance(node, _OPERATORS) or len(node.lpar) != 1:
        return node
    spaces = (node.lpar[0].whitespace_after, node.rpar[0].whitespace_before)
    plain = all(isinstance(space, cst.SimpleWhitespace) for space in spaces)
    bare = node.with_changes(lpar=[], rpar=[])
    return bare if plain and not _breaks(_print(bare, "")) else node


def _bare_argument(call: cst.Call) -> cst.BaseExpression:
    """Return the first argument; comments of a call with one argument stay, in its parentheses."""
    first = call.args[0]
    value = first.value
    if isinstance(value, cst.GeneratorExp) and not value.lpar:
        return value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    comma = first.comma
    closing = comma.whitespace_after if isinstance(comma, cst.Comma) else first.whitespace_after_arg
    if len(call.args) > 1 or "#" not in _print(call.whitespace_before_args, "") + _print(
        closing, ""
    ):
        return value
    return value.with_changes(
        lpar=[cst.LeftParen(whitespace_after=call.whitespace_before_args), *value.lpar],
        rpar=[*value.rpar, cst.RightParen(whitespace_before=closing)],
    )


def _call(node: cst.BaseExpression) -> cst.Call:
    if not isinstance(node, cst.Call):
        raise _Unwritable("the expression is not a call")
    return node


def _changed_call(node: cst.BaseExpression, operation: Operation) -> cst.Call:
    call, argument = _call(node), operation.argument
    name, equals, value = (part.strip() for part in argument.partition("="))
    changed: cst.Call | None
    match operation.kind:
        case "callee":
            if not _primary(_argument(argument)):
                raise _Unwritable(f"{argument} cannot be called")
            return call.with_changes(func=_argument(argument))
        case "method":
            if not isinstance(call.func, cst.Attribute):
                raise _Unwritable("the expression is not a call of a method")
            method = call.func.with_changes(attr=cst.Name(argument))
            return call.with_changes(func=method)
        case "keyword":
            if not name.isidentifier() or not equals:
                raise _Unwritable(f"{argument} is not a keyword with a value")
            return with_keyword(call, name, _argument(value))
        case "rename-keyword":
            changed, missing = renamed(call, name, value), f"keyword {name}"
        case "name-argument":
            changed, missing = named(call, int(name), value), f"positional argument {name} alone"
        case "swap-arguments":
            changed, missing = swapped(call), "two positional arguments"
        case _:
            changed, missing = without_keyword(call, argument), f"keyword {argument}"
    if changed is None:
        raise _Unwritable(f"the call has no {missing}")
    return changed
