"""The compound statements of an oracle program: blocks, loops, functions, closures, classes."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import torch

from tests.oracle_containers import CONTAINERS, STEPS
from tests.oracle_definitions import DEFINITIONS
from tests.oracle_statements import write_statement
from tests.oracle_worlds import World
from tests.oracle_writer import Writer, is_float

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
    """Write a loop of two turns: the first is lived through line by line, the second at once."""
    name = w.fresh("i")
    items = [w.some(is_float) or "torch.ones(3)" for _ in range(2)]
    kind = w.choose.number(0, 4)
    listed, turned = ", ".join(items), ", ".join(reversed(items))
    heads = (
        f"for {name} in range(2):",
        f"for {name} in [{listed}]:",
        f"for {name} in ({listed}):",
        f"for {name}n, {name} in enumerate([{listed}]):",
        f"for {name}, {name}b in zip([{listed}], [{turned}]):",
    )
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


def compound(w: Writer) -> bool:
    """Write a text of CONTAINERS or DEFINITIONS."""
    first, second = w.some(is_float), w.some(is_float)
    if first is None or second is None:
        return False
    text, result, made = w.choose.one((*CONTAINERS, *DEFINITIONS)).strip(), w.fresh(), w.fresh("m")
    if "FLAG" in text:
        if w.used_flags >= w.flags or w.in_loop:
            return False
        text, w.used_flags = text.replace("FLAG", f"flag({w.used_flags})"), w.used_flags + 1
    for word, value in (("RESULT", result), ("NAME", w.fresh("n")), ("MADE", made)):
        text = text.replace(word, value)
    text = text.replace("FIRST", first).replace("SECOND", second)
    text = _replaced(text, "ONE_OF(", lambda inside: w.choose.one(inside.split(" | ")).rstrip())
    text = _replaced(text, "STEP(", lambda inside: w.choose.one(STEPS).replace("{}", inside))
    if not w.attempt(text):
        return False
    w.places += [f"{made}.{name}" for name in "abwxy" if made in text]
    for name in (result, f"{result}b", f"{result}c"):
        if name in text:
            w.settle(name)
    return True


def _replaced(text: str, word: str, by: Callable[[str], str]) -> str:
    """Replace each `WORD(...)` by what its inside stands for, inner ones first."""
    while word in text:
        start = text.rindex(word)
        end, depth = start + len(word), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        inside = text[start + len(word) : end - 1]
        text = text[:start] + by(inside) + text[end:]
    return text


COMPOUND: tuple[tuple[int, Callable[[Writer], bool]], ...] = (
    (5, branch),
    (4, context),
    (3, loop),
    (4, function),
    (20, compound),
)
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
