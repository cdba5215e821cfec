"""The straight-line statements of an oracle program: each function tries to write one."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

import torch

from fixgrad.knowledge.read import table
from tests.knowledge_probe import recipes_of
from tests.oracle_rows import Template, templates
from tests.oracle_texts import (
    ARRAY_STEPS,
    ARRAYS,
    CASTS,
    CONVERSIONS,
    CUTS,
    FACTORIES,
    INDEXING,
    MODULES,
    NUMBERS,
    UNPACKED,
    listed,
)
from tests.oracle_writer import Writer, is_float

Statement = Callable[[Writer], bool]


def from_template(w: Writer, template: Template) -> bool:
    """Fill the holes of a row's operation and bind or execute it."""
    parts: list[str] = []
    dtype: torch.dtype | None = None
    for slot in template.slots:
        part = w.fill(slot, dtype)
        if slot.floating and dtype is None and w.choose.chance(85):
            values = w.values(part)
            dtype = values[0].dtype if isinstance(values[0], torch.Tensor) else None
        parts.append(part)
    if template.inplace and not _is_place(w, parts[0], template.statement):
        return False
    text = template.filled(parts)
    if template.statement:
        return w.attempt(text) and _again(w, parts[0])
    if template.inplace and w.choose.chance(60):
        return w.attempt(text) and _again(w, parts[0])
    return w.assign(text)


def _is_place(w: Writer, part: str, binds: bool) -> bool:
    local = w.scope is None or not part.isidentifier() or part in w.scope
    return part in w.places and (local or not binds)


def _again(w: Writer, place: str) -> bool:
    w.probe(place)
    return True


def by_row(group: str) -> Statement:
    """Return a statement that applies a random row of a group."""

    def statement(w: Writer) -> bool:
        return from_template(w, w.choose.one(templates()[group]))

    return statement


def _with_places(w: Writer, pattern: str) -> str | None:
    """Put tensors of one shape into a pattern."""
    first = w.some(is_float) if w.choose.chance(90) else w.some()
    if first is None:
        return None
    shape = w.values(first)[0].shape
    text = pattern.replace("{}", first, 1)
    while "{}" in text:
        other = w.some(lambda t: t.shape == shape)
        text = text.replace("{}", other or first, 1)
    return text


def by_pattern(patterns: tuple[str, ...]) -> Statement:
    """Return a statement that puts tensors into a pattern."""

    def statement(w: Writer) -> bool:
        text = _with_places(w, w.choose.one(patterns))
        return text is not None and w.assign(text)

    return statement


def array(w: Writer) -> bool:
    """Write an array, or a step from one array to another."""
    if w.arrays and w.choose.chance(40):
        source = w.choose.one(w.arrays)
        return w.assign(w.choose.one(ARRAY_STEPS).replace("{}", source))
    return w.assign(w.choose.one(ARRAYS), w.fresh("a"))


def conversion(w: Writer) -> bool:
    """Write a conversion of an array that the program has, or of a new one."""
    source = w.choose.one(w.arrays) if w.arrays and w.choose.chance(60) else w.choose.one(ARRAYS)
    return w.assign(w.choose.one(CONVERSIONS).replace("{}", source))


@functools.cache
def _factories() -> list[str]:
    section = table("conversions")["factory"]
    rows = [
        (n, r) for n, r in section.items() if "skip" not in r and not re.search("_like|empty", n)
    ]
    calls = [f"{name}({recipe})" for name, row in rows for recipe in recipes_of(row)]
    granted = [
        f"{name}({recipe}, requires_grad=True)"
        for name, row in rows
        for recipe in recipes_of(row)
        if row.get("keyword")
    ]
    return calls + granted


def factory(w: Writer) -> bool:
    """Write a tensor made of sizes and numbers."""
    plain = w.choose.chance(70)
    return w.assign(w.choose.one(FACTORIES) if plain else w.choose.one(_factories()))


def grant(w: Writer) -> bool:
    """Set requires_grad on a tensor."""
    place = w.some(lambda t: is_float(t) and t.is_leaf) or w.some(is_float)
    if place is None:
        return False
    forms = ("{}.requires_grad_()", "{}.requires_grad = True", "{}.requires_grad_(True)")
    rare = (
        "{}.requires_grad_(False)",
        "{}.requires_grad = False",
        "{}.detach_()",
        "{}.retain_grad()",
    )
    form = w.choose.one(rare) if w.choose.chance(20) else w.choose.one(forms)
    return w.attempt(form.replace("{}", place)) and _again(w, place)


def binding_grant(w: Writer) -> bool:
    """Bind the result of requires_grad_()."""
    place = w.some(lambda t: is_float(t) and t.is_leaf)
    return place is not None and w.assign(f"{place}.requires_grad_()")


def write_item(w: Writer) -> bool:
    """Write a part of a tensor, or all of its data."""
    place = w.some(lambda t: is_float(t) and t.dim() > 0 and len(t) > 1)
    if place is None:
        return False
    shape = w.values(place)[0].shape
    value = w.some(lambda t: is_float(t) and t.shape == shape[1:]) or "0.5"
    forms = listed(f"""
        {place}[0] = {value} ; {place}[{place} > 0.5] = 0.0 ; {place}[:] = {value}
        {place}[1:] += 1 ; {place}.data[0] = 1.0 ; {place}.data = {place}.data * 2
        {place}.data.add_(1) ; {place}[0].mul_(2)
    """)
    return w.attempt(w.choose.one(forms)) and _again(w, place)


def differentiate(w: Writer) -> bool:
    """Run a backward pass and read a gradient."""
    root = w.some(lambda t: is_float(t) and t.requires_grad)
    if root is None:
        return False
    backward = f"{root}.sum().backward({w.choose.one(('', 'retain_graph=True'))})"
    if w.choose.chance(70) and not w.attempt(backward):
        return False
    place = w.some(lambda t: t.is_leaf and t.requires_grad)
    if place is None:
        return False
    if all(getattr(v, "grad", None) is not None for v in w.values(place)):
        return w.assign(f"{place}.grad{w.choose.one(('', '.clone()', ' * 2', '.detach()'))}")
    create = w.choose.one(("", ", create_graph=True"))
    return w.assign(f"torch.autograd.grad({root}.sum(), [{place}]{create})[0]")


def record_mode(w: Writer) -> bool:
    """Switch recording on or off with a statement."""
    now = all(world.recording for world in w.active)
    return w.attempt(f"torch.set_grad_enabled({not now})") if w.choose.chance(60) else False


def unpack(w: Writer) -> bool:
    """Unpack the parts of a tensor."""
    place = w.some(lambda t: is_float(t) and t.dim() > 0 and t.shape[0] == 3)
    if place is None:
        return False
    names = [w.fresh() for _ in range(3)]
    whole = w.choose.one(UNPACKED)
    if not w.attempt(f"{', '.join(names)} = {whole.replace('{}', place)}"):
        return False
    for name in names:
        w.settle(name)
    return True


def module(w: Writer) -> bool:
    """Call a module of torch.nn."""
    place = w.some(lambda t: is_float(t) and t.dim() > 0 and t.shape[-1] == 3)
    if place is None:
        return False
    name = w.fresh("net")
    if not w.attempt(f"{name} = {w.choose.one(MODULES)}"):
        return False
    if w.choose.chance(25) and hasattr(w.active[0].value(name), "weight"):
        w.offer(f"{name}.weight")
    return w.assign(f"{name}({place})")


STATEMENTS: tuple[tuple[int, Statement], ...] = (
    (5, factory),
    (6, conversion),
    (3, array),
    (6, grant),
    (1, binding_grant),
    (8, by_pattern(NUMBERS)),
    (5, by_pattern(CASTS)),
    (7, by_pattern(CUTS)),
    (4, by_pattern(INDEXING)),
    (10, by_row("method")),
    (10, by_row("function")),
    (3, by_row("operator")),
    (2, by_row("attribute")),
    (6, by_row("inplace")),
    (3, by_row("statement")),
    (3, write_item),
    (3, differentiate),
    (1, record_mode),
    (2, unpack),
    (2, module),
)
WEIGHTED = [statement for weight, statement in STATEMENTS for _ in range(weight)]


def write_statement(w: Writer) -> None:
    """Write one statement, after a few attempts at most."""
    for _ in range(4):
        if w.choose.one(WEIGHTED)(w):
            return
