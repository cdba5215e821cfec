"""The compound statements of an oracle program: blocks, loops, functions, closures, classes."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import torch

from tests.oracle_statements import write_statement
from tests.oracle_worlds import World
from tests.oracle_writer import Writer, is_float

STEPS = (
    "{} * 2", "{}.sin()", "{}.detach()", "{}.data", "{}.clone()", "{}.float()", "{}.double()", "{}.sum()", "{} + 1", "-{}",
    "torch.exp({})", "F.relu({})", "{}[0]", "{} > 0", "torch.zeros_like({})", "{}.view(-1)", "{}.detach().requires_grad_()",
    "{}", "torch.tensor({})", "torch.ones_like({}, requires_grad=True)", "{}.t()", "{}.to(torch.float32)", "{}.mul_(2)",
    "{}.add(1).mul_(3)", "{}.argmax()", "{}.detach().numpy()", "torch.from_numpy({}.detach().numpy())", "{}.T", "{}.squeeze()",
)  # fmt: skip
CONTEXTS = (
    ("with torch.no_grad():", False), ("with torch.enable_grad():", True),
    ("with torch.set_grad_enabled(False):", False), ("with torch.set_grad_enabled(True):", True),
    ("with torch.autograd.no_grad():", False),
)  # fmt: skip


def body(w: Writer, most: int = 3) -> None:
    """Write the statements of a block."""
    for _ in range(w.choose.number(1, most)):
        write_statement(w)


def branch(w: Writer) -> bool:
    """Write `if flag(n): ... else: ...`."""
    if w.used_flags >= w.flags or w.in_loop:
        return False
    number = w.used_flags
    w.used_flags += 1
    here = w.active
    with w.block(f"if flag({number}):", [x for x in here if x.bits[number]]):
        body(w)
    if w.choose.chance(60):
        with w.block("else:", [x for x in here if not x.bits[number]]):
            body(w)
    return True


def context(w: Writer) -> bool:
    """Write a block that does or does not record."""
    head, recording = w.choose.one(CONTEXTS)
    before = [(world, world.recording) for world in w.active]
    with w.block(head):
        for world in w.active:
            world.recording = recording
        body(w)
    for world, old in before:
        world.recording = old
    return True


def loop(w: Writer) -> bool:
    """Write a loop of two turns: the first is lived through as it is written, the second at once."""
    name = w.fresh("i")
    items = [w.some(is_float) or "torch.ones(3)" for _ in range(2)]
    kind = w.choose.number(0, 4)
    heads = (f"for {name} in range(2):", f"for {name} in [{', '.join(items)}]:", f"for {name} in ({', '.join(items)}):",
             f"for {name}n, {name} in enumerate([{', '.join(items)}]):",
             f"for {name}, {name}b in zip([{', '.join(items)}], [{', '.join(reversed(items))}]):")  # fmt: skip
    turns = [["0", "1"], items, items, items, items][kind]
    held = [[world.value(turn) for world in w.active] for turn in turns[1:]]
    if kind == 4:
        for world in w.active:
            world.names[f"{name}b"] = world.value(items[1])
    start = len(w.lines) + 1
    for world in w.active:
        world.names[name] = world.value(turns[0])
    w.in_loop += 1
    with w.block(heads[kind]):
        if kind:
            w.settle(name)
        body(w)
    w.in_loop -= 1
    text = textwrap.dedent("\n".join(w.lines[start:]))
    try:
        for number, world in enumerate(w.active):
            world.names[name] = held[0][number]
            world.execute(text)
    except Exception:
        w.broken = True
    return True


def function(w: Writer) -> bool:
    """Write a function and its first call; the body is lived through with the call's arguments."""
    arguments = [p for p in (w.some(is_float), w.some(is_float)) if p is not None]
    if not arguments or w.scope is not None:
        return False
    name, result = w.fresh("f"), w.fresh()
    parameters = [w.fresh("p") for _ in arguments]
    outside = [(world, world.names, world.recording) for world in w.active]
    places = list(w.places)
    decorator = "@torch.no_grad()" if w.choose.chance(10) else ""
    start = len(w.lines)
    if decorator:
        w.write(decorator)
    for world in w.active:
        bound = dict(zip(parameters, [world.value(a) for a in arguments], strict=True))
        world.names = {**world.names, **bound}
        world.recording = world.recording and not decorator
    returned = _function_body(w, f"def {name}({', '.join(parameters)}):", parameters)
    text = textwrap.dedent("\n".join(w.lines[start:]))
    for world, names, recording in outside:
        world.names, world.recording = names, recording
        world.execute(text)
        world.names[result] = returned[world]
    w.places = places
    w.write(f"{result} = {name}({', '.join(arguments)})")
    w.settle(result)
    again = [w.some(is_float) for _ in arguments]
    if w.choose.chance(40) and all(again):
        w.assign(f"{name}({', '.join(map(str, again))})", w.fresh())
    return True


def _function_body(w: Writer, head: str, parameters: list[str]) -> dict[World, object]:
    returned: dict[World, object] = {}
    w.scope = list(parameters)
    with w.block(head):
        for parameter in parameters:
            w.offer(parameter)
        for _ in range(w.choose.number(1, 2)):
            write_statement(w)
        if w.used_flags < w.flags and not w.in_loop and w.choose.chance(40):
            _early_return(w, returned)
        body(w)
        value = w.some(is_float) or parameters[0]
        w.write(f"return {value}")
        returned.update({world: world.value(value) for world in w.active})
    w.scope = None
    return returned


def _early_return(w: Writer, returned: dict[World, object]) -> None:
    number, w.used_flags = w.used_flags, w.used_flags + 1
    value = w.some(is_float)
    if value is None:
        return
    leaving = [x for x in w.active if x.bits[number]]
    with w.block(f"if flag({number}):", leaving):
        w.write(f"return {value}")
    returned.update({world: world.value(value) for world in leaving})
    w.active = [x for x in w.active if not x.bits[number]]


def _hole(w: Writer, value: str) -> str:
    return w.choose.one(STEPS).replace("{}", value)


def by_text(maker: Callable[[Writer, str, str], str]) -> Callable[[Writer], bool]:
    """Return a statement whose whole text is made at once; it binds the name that it is given."""

    def statement(w: Writer) -> bool:
        first, result = w.some(is_float), w.fresh()
        if first is None or not w.attempt(maker(w, first, result)):
            return False
        w.settle(result)
        return True

    return statement


def _lambda(w: Writer, first: str, result: str) -> str:
    other = w.some(is_float)
    name = w.fresh("f")
    return (
        f"{name} = lambda p: {_hole(w, 'p')} + {_hole(w, str(other))}\n{result} = {name}({first})"
    )


def _closure(w: Writer, first: str, result: str) -> str:
    name = w.fresh("f")
    return (
        f"def {name}(p):\n    q = {_hole(w, 'p')}\n    def inner(r):\n        return r * {_hole(w, 'q')}\n"
        f"    return inner\n{result} = {name}({first})({w.some(is_float)})"
    )


def _class(w: Writer, first: str, result: str) -> str:
    name, made = w.fresh("C"), w.fresh("c")
    base, head = w.choose.one(
        (("", ""), ("(nn.Module)", "        super().__init__()\n"), ("(object)", ""))
    )
    other = w.some(is_float)
    text = (
        f"class {name}{base}:\n    def __init__(self, w):\n{head}        self.w = w\n"
        f"        self.x = {_hole(w, 'w')}\n    def forward(self, p):\n        self.y = {_hole(w, 'self.w')}\n"
        f"        return {_hole(w, 'p')} * {_hole(w, 'self.x')}\n"
    )
    call = f"{made}({other})" if "Module" in base else f"{made}.forward({other})"
    w.places += [f"{made}.x", f"{made}.y", f"{made}.w"]
    return f"{text}{made} = {name}({first})\n{result} = {call}"


def _containers(w: Writer, first: str, result: str) -> str:
    second, name = w.some(is_float), w.fresh("d")
    one, two = _hole(w, first), _hole(w, str(second))
    forms = (
        f"{name} = {{'a': {one}, 'b': {two}}}\n{result} = {name}['{w.choose.one('ab')}']",
        f"{name} = [{one}]\n{name}.append({two})\n{result} = {name}[{w.choose.one(('0', '1', '-1'))}]",
        f"{name} = ({one}, {two})\n{result} = {name}[0] * {name}[1]",
        f"{name} = [{_hole(w, 'z')} for z in [{one}, {two}]]\n{result} = {name}[1]",
        f"{name} = {{}}\n{name}['k'] = {one}\n{name}['m'] = {two}\n{result} = {name}['k']",
        f"{name} = list(map(lambda z: {_hole(w, 'z')}, [{one}, {two}]))\n{result} = {name}[0]",
        f"{name} = dict(a={one}, b={two})\n{result} = sum(z.sum() for z in {name}.values())",
        f"{name}, *{name}r = [{one}, {two}, {one}]\n{result} = {name}",
        f"{name} = [{one}, {two}]\n{name}[0] = {_hole(w, str(second))}\n{result} = {name}[0]",
        f"{name} = {{k: v for k, v in zip('ab', [{one}, {two}])}}\n{result} = {name}['a']",
    )
    return w.choose.one(forms)


def _try(w: Writer, first: str, result: str) -> str:
    return f"try:\n    {result} = {_hole(w, first)}\nexcept RuntimeError:\n    {result} = {_hole(w, first)}"


def _generator(w: Writer, first: str, result: str) -> str:
    name = w.fresh("g")
    return (
        f"def {name}(p):\n    yield {_hole(w, 'p')}\n    yield {_hole(w, 'p')}\n"
        f"{result} = list({name}({first}))"
    )


def _alternative(w: Writer, first: str, result: str) -> str:
    if w.used_flags >= w.flags or w.in_loop:
        return f"{result} = {_hole(w, first)}"
    number, w.used_flags = w.used_flags, w.used_flags + 1
    return f"{result} = {_hole(w, first)} if flag({number}) else {_hole(w, str(w.some(is_float)))}"


def _parameters(w: Writer, first: str, result: str) -> str:
    name, second = w.fresh("f"), w.some(is_float)
    forms = (
        f"def {name}(p, *q, r=2, **s):\n    t = s['k'] if 'k' in s else q[0]\n    return {_hole(w, 'p')} * r + t\n"
        f"{result} = {name}({first}, {second}, k={_hole(w, str(second))})",
        f"def {name}(p, q=None):\n    if q is None:\n        q = {_hole(w, 'p')}\n    return q\n"
        f"{result} = {name}({first}{w.choose.one(('', f', {second}', f', q={second}'))})",
        f"def {name}(p, q):\n    return {_hole(w, 'q')}, {_hole(w, 'p')}\n{result}, {result}b = {name}(*[{first}, {second}])",
        f"def {name}(p):\n    return {{'x': {_hole(w, 'p')}, 'y': p}}\n{result} = {name}({first})['{w.choose.one('xy')}']",
        f"from functools import partial\n{name} = partial(lambda p, q: {_hole(w, 'p')} + q, {first})\n{result} = {name}({second})",
        f"def {name}(p):\n    def inner(*a):\n        return {_hole(w, 'p(*a)')}\n    return inner\n"
        f"@{name}\ndef {name}g(p):\n    return {_hole(w, 'p')}\n{result} = {name}g({first})",
        f"def {name}(n, p):\n    return p if n == 0 else {_hole(w, f'{name}(n - 1, p)')}\n{result} = {name}(2, {first})",
    )
    return w.choose.one(forms)


def _record(w: Writer, first: str, result: str) -> str:
    name, made, second = w.fresh("R"), w.fresh("r"), w.some(is_float)
    w.places += [f"{made}.a", f"{made}.b"]
    forms = (
        f"from dataclasses import dataclass\n@dataclass\nclass {name}:\n    a: object\n    b: object = None\n"
        f"{made} = {name}({first}, b={_hole(w, str(second))})\n{result} = {made}.{w.choose.one('ab')}",
        f"from typing import NamedTuple\nclass {name}(NamedTuple):\n    a: object\n    b: object\n"
        f"{made} = {name}({first}, {_hole(w, str(second))})\n{result}, {result}b = {made}",
        f"class {name}:\n    a = {first}\n    @property\n    def b(self):\n        return {_hole(w, 'self.a')}\n"
        f"    @staticmethod\n    def c(p):\n        return {_hole(w, 'p')}\n{made} = {name}()\n"
        f"{result} = {w.choose.one((f'{made}.b', f'{name}.c({first})', f'{made}.a'))}",
        f"class {name}:\n    def __init__(self, a):\n        self.a = a\n"
        f"class {name}x({name}):\n    def __init__(self, a, b):\n        super().__init__({_hole(w, 'a')})\n        self.b = b\n"
        f"    def __call__(self):\n        return self.a * self.b\n{made} = {name}x({first}, {second})\n{result} = {made}()",
    )
    return w.choose.one(forms)


def _training(w: Writer, first: str, result: str) -> str:
    name, kind = w.fresh("o"), w.choose.one(("SGD", "Adam"))
    return (
        f"{result} = {w.choose.one(('', 'torch.tensor', 'Parameter'))}({first}.detach(){w.choose.one(('', '.clone()'))})\n"
        f"{result}.requires_grad_()\n{name} = torch.optim.{kind}([{result}], lr=0.1)\nfor _ in range(2):\n"
        f"    {name}.zero_grad()\n    {name}loss = ({_hole(w, result)} * {result}).sum()\n    {name}loss.backward()\n    {name}.step()"
    )


def _gathered(w: Writer, first: str, result: str) -> str:
    second, name = w.some(is_float), w.fresh("n")
    forms = (
        f"{name} = []\nfor z in [{first}, {second}]:\n    {name}.append({_hole(w, 'z')})\n{result} = {name}[0]",
        f"{name} = 0\n{result} = {first}\nwhile {name} < 2:\n    {result} = {_hole(w, result)}\n    {name} += 1",
        f"{name} = 0\nfor z in ({first}, {second}):\n    {name} = {name} + {_hole(w, 'z')}.sum()\n{result} = {name}",
        f"{name} = {{'a': {first}}}\n{name}['a'] = {_hole(w, first)}\nfor z in {name}:\n    {result} = {name}[z]",
        f"{name} = [{first}, [{second}, {_hole(w, first)}]]\n{result} = {name}[1][{w.choose.one('01')}]",
        f"{result}, ({result}b, {result}c) = {_hole(w, first)}, ({first}, {_hole(w, str(second))})",
        f"{result} = {name} = {_hole(w, first)}\n{name}2 = {name}",
        f"{name} = {first}\n{result} = ({name} := {_hole(w, str(second))})",
    )
    return w.choose.one(forms)


COMPOUND: tuple[tuple[int, Callable[[Writer], bool]], ...] = (
    (5, branch), (4, context), (3, loop), (4, function), (2, by_text(_lambda)), (2, by_text(_closure)),
    (3, by_text(_class)), (4, by_text(_containers)), (1, by_text(_try)), (1, by_text(_generator)),
    (2, by_text(_alternative)), (4, by_text(_parameters)), (3, by_text(_record)), (1, by_text(_training)), (3, by_text(_gathered)),
)  # fmt: skip
WEIGHTED = [statement for weight, statement in COMPOUND for _ in range(weight)]


def write_compound(w: Writer) -> None:
    """Write one compound statement, after a few attempts at most."""
    for _ in range(4):
        if w.choose.one(WEIGHTED)(w):
            return


def straight_line(w: Writer) -> None:
    """Write a program without blocks."""
    for _ in range(w.choose.number(4, 14)):
        write_statement(w)
    finish(w)


def structured(w: Writer) -> None:
    """Write a program with blocks."""
    body(w)
    for _ in range(w.choose.number(3, 7)):
        if w.broken:
            break
        write_compound(w) if w.choose.chance(50) else write_statement(w)
    finish(w)


def finish(w: Writer) -> None:
    """Ask about every value once more, after all that happened."""
    for place in w.tensors(lambda t: isinstance(t, torch.Tensor)):
        w.probe(place)
