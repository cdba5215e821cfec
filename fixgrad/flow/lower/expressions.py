"""Lowers expressions; every expression yields one register."""

from __future__ import annotations

import ast
from collections.abc import Callable

from fixgrad.flow.ir import Op
from fixgrad.flow.lower.builder import Builder

OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.MatMult: "@", ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&",
    ast.BitOr: "|", ast.BitXor: "^", ast.USub: "-", ast.UAdd: "+", ast.Invert: "~", ast.Not: "not",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


def lower(b: Builder, node: ast.expr) -> int:
    """Lower an expression; what is not modelled carries its parts and is marked opaque."""
    handler = _HANDLERS.get(type(node))
    if handler is not None:
        return handler(b, node)
    return opaque(b, node)


def opaque(b: Builder, node: ast.expr) -> int:
    """Lower an expression that is not modelled: its parts flow to its result, assumed."""
    parts = [lower(b, part) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
    return b.emit("opaque", node, type(node).__name__, tuple(parts))


def _constant(b: Builder, node: ast.Constant) -> int:
    value = node.value
    return b.emit("const", node, constant=None if value is Ellipsis else value)


def _name(b: Builder, node: ast.Name) -> int:
    b.tokens.add(node.id)
    return b.load(node.id, node)


def _attribute(b: Builder, node: ast.Attribute) -> int:
    b.tokens.add("." + node.attr)
    return b.emit("attr", node, node.attr, (lower(b, node.value),))


def _subscript(b: Builder, node: ast.Subscript) -> int:
    return b.emit("index", node, args=(lower(b, node.value), lower(b, node.slice)))


def _slice(b: Builder, node: ast.Slice) -> int:
    parts = {"lower": node.lower, "upper": node.upper, "step": node.step}
    given = {name: lower(b, part) for name, part in parts.items() if part is not None}
    return b.emit("pack", node, "slice", tuple(given.values()), tuple(given))


# Methods that change what they are called on.
_CHANGING = frozenset(
    ("add", "append", "clear", "extend", "insert", "pop", "remove", "requires_grad_", "setdefault", "update")
)  # fmt: skip


def _call(b: Builder, node: ast.Call) -> int:
    if isinstance(node.func, ast.Attribute):
        b.tokens.add("." + node.func.attr)
        kind, target, first = "method", node.func.attr, lower(b, node.func.value)
        if target in _CHANGING:
            b.changes(node.func.value)
    else:
        kind, target, first = "call", "", lower(b, node.func)
    match node:
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
            b.tokens.add(f".{name}")
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Name(id=name), *_]):
            b.tokens.update(f".{text}" for text in b.unit.texts_of(name))
    module = imported_by_name(node)
    if module:
        token = f".{target}" if target else getattr(node.func, "id", "")
        b.unit.imports.append((token, module, ""))
    args, names = [first], [""]
    for argument in node.args:
        starred = isinstance(argument, ast.Starred)
        args.append(lower(b, argument.value if isinstance(argument, ast.Starred) else argument))
        names.append("*" if starred else "")
    for keyword in node.keywords:
        b.tokens.add(f"={keyword.arg}")
        args.append(lower(b, keyword.value))
        names.append(keyword.arg or "**")
    for name in evaluated_names(node):
        args.append(b.load(name, node))
        names.append("")
    return b.emit(kind, node, target, tuple(args), tuple(names), b.unpacked.get(node))


def evaluated_names(node: ast.Call) -> list[str]:
    """Return the names that the text of `eval("f(x)")` or `exec("f(x)")` mentions, where it is written out."""
    match node:
        case ast.Call(func=ast.Name(id="eval" | "exec"), args=[ast.Constant(value=str(text))]):
            pass
        case _:
            return []
    try:
        inner = ast.walk(ast.parse(text.strip()))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return sorted({n.id for n in inner if isinstance(n, ast.Name)})


def imported_by_name(node: ast.expr) -> str:
    """Return the module of `importlib.import_module("a.b")`, written out, else nothing."""
    match node:
        case ast.Call(
            func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
            args=[ast.Constant(value=str(name)), *_],
        ) if name.strip("."):
            return name
    return ""


def _binary(b: Builder, node: ast.BinOp) -> int:
    # A loop on the left spine: generated code chains thousands of operators.
    spine = [node]
    while isinstance(spine[-1].left, ast.BinOp):
        spine.append(spine[-1].left)
    left = lower(b, spine[-1].left)
    for part in reversed(spine):
        right = lower(b, part.right)
        left = b.emit("binary", part, OPERATORS[type(part.op)], (left, right))
    return left


def _unary(b: Builder, node: ast.UnaryOp) -> int:
    return b.emit("unary", node, OPERATORS[type(node.op)], (lower(b, node.operand),))


def _compare(b: Builder, node: ast.Compare) -> int:
    args = (lower(b, node.left), *(lower(b, c) for c in node.comparators))
    return b.emit("compare", node, " ".join(OPERATORS[type(o)] for o in node.ops), args)


def _boolean(b: Builder, node: ast.BoolOp) -> int:
    """`a and b` is a branch on `a` whose value is `b` where taken and `a` where not."""
    name = b.hidden_name()
    value = lower(b, node.values[0])
    b.act("store", node, name, (value,), 0)
    _boolean_rest(b, node, 1, value, name)
    return b.emit("load", node, name, constant=0)


def _boolean_rest(b: Builder, node: ast.BoolOp, n: int, test: int, name: str) -> None:
    if n == len(node.values):
        return
    with b.block() as taken:
        value = lower(b, node.values[n])
        b.act("store", node, name, (value,), 0)
        _boolean_rest(b, node, n + 1, value, name)
    both = (tuple(taken), ()) if isinstance(node.op, ast.And) else ((), tuple(taken))
    word = "and" if isinstance(node.op, ast.And) else "or"
    b.act("branch", node, word, (test,), b.mentions(node.values[n - 1]), both)


def _conditional(b: Builder, node: ast.IfExp) -> int:
    name = b.hidden_name()
    test = lower(b, node.test)
    blocks = []
    for value in (node.body, node.orelse):
        with b.block() as ops:
            b.act("store", value, name, (lower(b, value),), 0)
        blocks.append(tuple(ops))
    b.act("branch", node, "if", (test,), b.mentions(node.test), tuple(blocks))
    return b.emit("load", node, name, constant=0)


def _sequence(b: Builder, node: ast.List | ast.Tuple | ast.Set) -> int:
    kind = type(node).__name__.lower()
    args = tuple(lower(b, e.value if isinstance(e, ast.Starred) else e) for e in node.elts)
    names = tuple("*" if isinstance(e, ast.Starred) else "" for e in node.elts)
    return b.emit("pack", node, kind, args, names)


def _dict(b: Builder, node: ast.Dict) -> int:
    args: list[int] = []
    names: list[str] = []
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            args.append(lower(b, value))
            names.append("**")
        else:
            args += [lower(b, key), lower(b, value)]
            names += ["", ""]
    return b.emit("pack", node, "dict", tuple(args), tuple(names))


def _walrus(b: Builder, node: ast.NamedExpr) -> int:
    value = lower(b, node.value)
    b.store(node.target.id, value, node.target)
    return value


def _format(b: Builder, node: ast.JoinedStr) -> int:
    args: list[int] = []
    names: list[str] = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            plain = part.conversion == -1 and part.format_spec is None
            args.append(lower(b, part.value))
            names.append("" if plain else "changed")
        else:
            args.append(lower(b, part))
            names.append("")
    return b.emit("format", node, args=tuple(args), names=tuple(names))


def _await(b: Builder, node: ast.Await) -> int:
    return b.emit("await", node, args=(lower(b, node.value),))


def _yield(b: Builder, node: ast.Yield) -> int:
    args = (lower(b, node.value),) if node.value is not None else ()
    return b.emit("yield", node, args=args)


def _yield_from(b: Builder, node: ast.YieldFrom) -> int:
    return b.emit("yield", node, "from", (lower(b, node.value),))


def _starred(b: Builder, node: ast.Starred) -> int:
    return lower(b, node.value)


def _comprehension(b: Builder, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> int:
    kind = "set" if isinstance(node, ast.SetComp) else "list"
    result = b.emit("pack", node, kind, constant=True)

    def body() -> None:
        b.act("collect", node, "append", (result, lower(b, node.elt)))

    _generators(b, node, node.generators, body)
    return b.emit("finish", node, args=(result,))


def _dict_comprehension(b: Builder, node: ast.DictComp) -> int:
    result = b.emit("pack", node, "dict")

    def body() -> None:
        key = lower(b, node.key)
        b.act("setindex", node, "", (result, key, lower(b, node.value)))

    _generators(b, node, node.generators, body)
    return b.emit("finish", node, args=(result,))


def _generators(
    b: Builder, node: ast.expr, generators: list[ast.comprehension], body: Callable[[], None]
) -> None:
    """Lower `for ... in ... if ...` as nested loops, the variables in names of their own."""
    first, rest = generators[0], generators[1:]
    iterable = lower(b, first.iter)
    b.unit.comprehensions += 1
    mark = f"%c{b.unit.comprehensions}."
    targets = [n.id for n in ast.walk(first.target) if isinstance(n, ast.Name)]
    b.scope.renamed.append({name: mark + name for name in targets})
    element = len(b.places)
    b.places.append(b.unit.columns.place(first.target))
    with b.block() as ops:
        assign(b, first.target, element)
        _filtered(b, node, first.ifs, rest, body)
    b.scope.renamed.pop()
    number = b.unpacked.get(node) if not rest and not first.ifs else None
    place = b.unit.columns.place(node)
    blocks = ((), tuple(ops), ())
    b.ops.append(Op("loop", place, element, "for", (iterable,), (), number, blocks))


def _filtered(
    b: Builder,
    node: ast.expr,
    tests: list[ast.expr],
    rest: list[ast.comprehension],
    body: Callable[[], None],
) -> None:
    if tests:
        asked = tests[0]
        test = lower(b, asked)
        with b.block() as taken:
            _filtered(b, node, tests[1:], rest, body)
        b.act("branch", node, "if", (test,), b.mentions(asked), (tuple(taken), ()))
    elif rest:
        _generators(b, node, rest, body)
    else:
        body()


def assign(b: Builder, target: ast.expr, value: int) -> None:
    """Store a register to a target: a name, an attribute, an item, or a pattern of them."""
    match target:
        case ast.Name():
            b.store(target.id, value, target)
        case ast.Attribute():
            b.tokens |= {f".{target.attr}", f".{target.attr}="}
            b.act("setattr", target, target.attr, (lower(b, target.value), value))
            b.assigns = True
            b.changes(target.value)
        case ast.Subscript():
            key = (lower(b, target.value), lower(b, target.slice), value)
            b.tokens.add("[]=")
            b.changes(target.value)
            b.act("setindex", target, "", key)
        case ast.Tuple() | ast.List():
            _unpack(b, target, value)
        case ast.Starred():
            assign(b, target.value, value)


def _unpack(b: Builder, target: ast.Tuple | ast.List, value: int) -> None:
    stars = [isinstance(element, ast.Starred) for element in target.elts]
    for element, which in zip(target.elts, parts_of(stars), strict=True):
        name = _dotted(element) if target in b.unpacked else ""
        assign(b, element, b.emit("item", element, which, (value,), (name,) if name else ()))


def parts_of(stars: list[bool]) -> list[str]:
    """Return what each of several targets takes of a sequence: "0", "-1", "*1:2" with two behind it."""
    star = stars.index(True) if any(stars) else len(stars)
    after = len(stars) - star - 1
    rest = f"*{star}:{after}" if after > 0 else f"*{star}"
    return [
        str(n) if n < star else rest if n == star else str(n - len(stars))
        for n in range(len(stars))
    ]


def _dotted(node: ast.expr) -> str:
    """Return `w` or `self.w` as written, "" for anything else."""
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return node.id if isinstance(node, ast.Name) else ""


def _lambda(b: Builder, node: ast.Lambda) -> int:
    return b.unit.lower_function(b, node, "<lambda>")


_HANDLERS: dict[type[ast.AST], Callable[..., int]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.Call: _call,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.IfExp: _conditional,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.Dict: _dict,
    ast.NamedExpr: _walrus,
    ast.JoinedStr: _format,
    ast.Await: _await,
    ast.Yield: _yield,
    ast.YieldFrom: _yield_from,
    ast.Starred: _starred,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _dict_comprehension,
    ast.Lambda: _lambda,
}
